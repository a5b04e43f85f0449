use chrono::NaiveDate;
use rust_decimal::Decimal;

use super::PhoneBooks;
use crate::{
    error::FieldError,
    model::{
        ClosingReview, CollectionChannel, CollectionNote, CollectionOutcome, CustomerId, InvalidField, LateCause,
        Position,
    },
    rules::{
        books::{self, CustomerBooks},
        figures,
    },
    store::{Document, FieldStore},
};

/// A collection that is over, with what is to be learnt from it (复盘).
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct ClosedCollection {
    /// Who owed.
    pub customer: CustomerId,
    /// The invoice it was about; `None` for everything that was owed.
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub invoice_number: Option<String>,
    /// Whether the money came late; `None` leaves it to the invoice and its payments on this phone.
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub was_late: Option<bool>,
    /// Why, when it was late.
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub cause: Option<LateCause>,
    /// What was difficult in talking.
    pub difficulty: String,
    /// What solved it.
    pub solution: String,
    /// How the rep was last in contact.
    pub channel: CollectionChannel,
    /// With whom.
    pub person: String,
    /// What the rep wrote.
    pub note: String,
    /// Where the phone says it is.
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub position: Option<Position>,
}

impl FieldStore {
    /// Closes a collection with its review: was it late, why, what was difficult, what solved it.
    ///
    /// # Errors
    /// [`FieldError::Invalid`] naming `invoice_number` when this phone holds the customer's books and no such invoice,
    /// `closing.was_late` when that is left to the books and they do not tell, `closing.cause` without a cause for what
    /// was late; as [`Self::create`].
    pub fn close_collection(&self, closed: ClosedCollection) -> Result<Document<CollectionNote>, FieldError> {
        let rep = self.require_identity()?.user;
        let books = self.read(|connection| {
            let day = self.ground(connection, None)?.as_of.day;
            Ok((PhoneBooks::of(connection, closed.customer)?, day))
        });
        let (held, day) = books?;
        if let Some(number) = &closed.invoice_number
            && !held.is_empty()
            && held.invoices.iter().all(|it| it.number != *number)
        {
            let message = format!("this phone knows no invoice {number} of this customer; sync, or look at it again");
            return Err(InvalidField::new("invoice_number", message).into());
        }
        let was_late = match closed.was_late {
            Some(was_late) => was_late,
            None => closed
                .invoice_number
                .as_deref()
                .and_then(|number| was_late(&held.view(), number, day))
                .ok_or_else(|| {
                    InvalidField::new(
                        "closing.was_late",
                        "say whether the money came late; the books on this phone do not tell",
                    )
                })?,
        };
        self.create(CollectionNote {
            customer: closed.customer,
            rep,
            at: self.now(),
            channel: closed.channel,
            person: closed.person,
            outcome: CollectionOutcome::Closed,
            invoice_number: closed.invoice_number,
            promise: None,
            receipt: None,
            closing: Some(ClosingReview {
                was_late,
                cause: closed.cause,
                difficulty: closed.difficulty,
                solution: closed.solution,
            }),
            next_step: None,
            note: closed.note,
            position: closed.position,
        })
    }
}

/// Whether money for an invoice came after its due date, by the bank's value date, or is overdue still; `None` when its
/// books cannot be read or nothing of it was paid or due yet.
fn was_late(books: &CustomerBooks<'_>, number: &str, day: NaiveDate) -> Option<bool> {
    let invoices: Vec<_> = books
        .invoices
        .iter()
        .filter(|it| it.number == number)
        .cloned()
        .collect();
    let mut receipts = books.receipts.to_vec();
    for it in &mut receipts {
        it.allocations.retain(|it| it.invoice_number == number);
    }
    let mut credit_notes = books.credit_notes.to_vec();
    for it in &mut credit_notes {
        it.allocations.retain(|it| it.invoice_number == number);
    }
    let of_invoice = CustomerBooks {
        invoices: &invoices,
        receipts: &receipts,
        credit_notes: &credit_notes,
    };
    let currency = invoices.first()?.amount.currency;
    let (first, last) = (NaiveDate::MIN, NaiveDate::MAX);
    let paid = figures::paid_late(&of_invoice, currency, first, last, day).ok()?;
    let open = books::open_items(&of_invoice, day).ok()?;
    let overdue = |it: &books::OpenItem| it.open() > Decimal::ZERO && it.days_late(day) > Some(0);
    if paid.iter().any(|it| it.days > 0) || open.iter().any(overdue) {
        return Some(true);
    }
    (!paid.is_empty() || open.iter().all(|it| it.open() <= Decimal::ZERO)).then_some(false)
}
