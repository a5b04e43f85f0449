use rusqlite::Connection;

use super::{AsOf, Ground, PhoneBooks, promises, promises::PromiseView, worklist::warnings};
use crate::{
    db::records,
    error::FieldError,
    model::{Customer, CustomerId, LedgerRecord, RecordKind, Warning},
    rules::{
        ageing::{Ageing, Bucket},
        books::{self, OpenItem, UnallocatedCredit},
    },
    store::{Allowance, CreditFileView, FieldStore},
};

/// Where a customer's credit stands, as far as this phone knows.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct CreditView {
    /// As of when.
    pub as_of: AsOf,
    /// The customer.
    pub customer: Customer,
    /// The credit file, which has an as-of time of its own; `None` when nothing was decided about the customer.
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub file: Option<CreditFileView>,
    /// What is open, item by item.
    pub books: BooksView,
    /// What this phone may still sell for sure, with what is left of it.
    pub allowances: Vec<Allowance>,
    /// Promises of every rep, by the day they are due; those that were kept as well.
    pub promises: Vec<PromiseView>,
    /// Early warnings whose cause has not gone, the worst first.
    pub warnings: Vec<Warning>,
}

/// A customer's books on this phone.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Enum))]
pub enum BooksView {
    /// What is open on the day.
    Open {
        /// The items, the one that is due first before the others.
        items: Vec<ItemView>,
        /// Money and credit notes that nothing has been paid with.
        credits: Vec<UnallocatedCredit>,
        /// Sums by how long they have been due, for each currency.
        ageing: Ageing,
    },
    /// This phone holds no invoice and no payment of the customer; only the figures of the credit file are known.
    NotHere,
    /// The records contradict each other, in words. Nothing is computed from them.
    Contradictory(String),
}

/// An open item as of a day.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct ItemView {
    /// The item.
    pub item: OpenItem,
    /// Days past its due date, negative before it; `None` while it has none.
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub days_late: Option<i64>,
    /// How long it has been due.
    pub bucket: Bucket,
}

impl FieldStore {
    /// Where a customer's credit stands: file, open items, allowances, promises, warnings.
    ///
    /// # Errors
    /// [`FieldError::NotFound`] when this phone does not know the customer; as [`Self::organisation`].
    pub fn credit_view(&self, customer: CustomerId) -> Result<CreditView, FieldError> {
        let allowances = self.allowances(Some(customer))?;
        self.read(|connection| {
            let ground = self.ground(connection, None)?;
            let Some((LedgerRecord::Customer(known), _)) =
                records::get(connection, &RecordKind::Customer, &customer.to_string())?
            else {
                return Err(FieldError::NotFound);
            };
            let file = match records::get(connection, &RecordKind::CreditFile, &customer.to_string())? {
                Some((LedgerRecord::CreditFile(file), version)) => Some(CreditFileView { file, version }),
                _ => None,
            };
            Ok(CreditView {
                as_of: ground.as_of,
                file,
                books: books_view(connection, &ground, customer)?,
                allowances,
                promises: promises::of_customer(connection, &ground, customer)?,
                warnings: warnings(connection, customer)?,
                customer: known,
            })
        })
    }
}

fn books_view(connection: &Connection, ground: &Ground, customer: CustomerId) -> Result<BooksView, FieldError> {
    let day = ground.as_of.day;
    let held = PhoneBooks::of(connection, customer)?;
    if held.is_empty() {
        return Ok(BooksView::NotHere);
    }
    let read =
        books::open_items(&held.view(), day).and_then(|items| Ok((items, books::unallocated(&held.view(), day)?)));
    let (mut items, credits) = match read {
        Ok(read) => read,
        Err(error) => return Ok(BooksView::Contradictory(error.to_string())),
    };
    let ageing = Ageing::of(day, &items, &credits)?;
    items.sort_by(|a, b| {
        let key = |it: &OpenItem| (it.due_on.is_none(), it.due_on, it.instalment);
        key(a)
            .cmp(&key(b))
            .then_with(|| a.invoice_number.cmp(&b.invoice_number))
    });
    let view = |item: OpenItem| {
        let days_late = item.days_late(day);
        ItemView {
            bucket: Bucket::of(days_late),
            days_late,
            item,
        }
    };
    Ok(BooksView::Open {
        items: items.into_iter().map(view).collect(),
        credits,
        ageing,
    })
}
