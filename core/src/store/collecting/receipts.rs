use std::cmp::Reverse;

use chrono::{Days, NaiveDate};
use rusqlite::Connection;

use super::{AsOf, Ground, promises::notes};
use crate::{
    db::records,
    error::FieldError,
    model::{
        CollectionChannel, CollectionNote, CollectionOutcome, CustomerId, DocumentId, InvalidField, LedgerRecord,
        Position, Receipt, RecordKind, Timestamp,
    },
    rules::timers::{TimerState, receipt_timers},
    store::{Document, FieldStore},
};

/// How far back the bank's value date of a receipt may lie that a customer still has to be told of.
const DAYS_BACK: u64 = 60;

/// Receipts that customers are to be told of.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct ReceiptNotices {
    /// As of when.
    pub as_of: AsOf,
    /// The server's time, as far as this phone can tell, at which the timers are looked at.
    pub now: Timestamp,
    /// The receipts, the one with the least time left first; those of which the customer has been told come last.
    pub notices: Vec<ReceiptNotice>,
}

/// Money that arrived, with its three timers (DOMAIN §2.4).
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct ReceiptNotice {
    /// The receipt.
    pub receipt: Receipt,
    /// Who paid.
    pub customer_name: String,
    /// Whether finance told sales in time.
    pub tell_sales: TimerState,
    /// Whether sales told the customer in time: what the rep can do something about.
    pub tell_customer: TimerState,
    /// Whether the receipt or invoice went out in time.
    pub send_document: TimerState,
    /// The note by which the customer was told; the server may not have counted it yet.
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub told_by: Option<DocumentId>,
}

impl ReceiptNotice {
    /// Whether the customer has still to be told.
    pub fn is_open(&self) -> bool {
        self.told_by.is_none() && self.receipt.customer_told_at.is_none()
    }
}

/// That a customer was told of a receipt.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct CustomerTold {
    /// Who paid.
    pub customer: CustomerId,
    /// The payment's reference.
    pub reference: String,
    /// How they were told.
    pub channel: CollectionChannel,
    /// Who was told.
    pub person: String,
    /// What the rep wrote.
    pub note: String,
    /// Where the phone says it is.
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub position: Option<Position>,
}

impl FieldStore {
    /// Money that arrived lately from the customers of this rep, or of `everyone`, and of which they have still to be told;
    /// with `told`, those who were as well. Only what finance knew the moment of: receipts of an import start no timer.
    ///
    /// # Errors
    /// [`FieldError::NotEnrolled`]; as [`Self::organisation`].
    pub fn receipt_notices(&self, everyone: bool, told: bool) -> Result<ReceiptNotices, FieldError> {
        let me = self.require_identity()?.user;
        self.read(|connection| {
            let ground = self.ground(connection, None)?;
            let first = ground.as_of.day.checked_sub_days(Days::new(DAYS_BACK));
            let mut notices = Vec::new();
            records::customers_with_files(connection, |customer, _| {
                if everyone || customer.rep.is_none_or(|rep| rep == me) {
                    let first = first.unwrap_or(NaiveDate::MIN);
                    let found = records::of_customer_since(connection, &RecordKind::Receipt, customer.id, first)?;
                    for record in found {
                        if let LedgerRecord::Receipt(receipt) = record
                            && receipt.arrived_at.is_some()
                            && receipt.bounced_on.is_none()
                        {
                            notices.push(notice(connection, &ground, receipt, &customer.name)?);
                        }
                    }
                }
                Ok(())
            })?;
            notices.retain(|it| told || it.is_open());
            notices.sort_by_key(|it| (!it.is_open(), it.receipt.sales_told_at.is_none(), pressing(it)));
            Ok(ReceiptNotices {
                as_of: ground.as_of,
                now: ground.now,
                notices,
            })
        })
    }

    /// Records that a customer was told that their money arrived.
    ///
    /// # Errors
    /// [`FieldError::Invalid`] naming `receipt` when this phone knows no such receipt of the customer, when it was
    /// returned, or when the customer has been told; as [`Self::create`].
    pub fn tell_customer(&self, told: CustomerTold) -> Result<Document<CollectionNote>, FieldError> {
        let rep = self.require_identity()?.user;
        self.read(|connection| {
            let key = format!("{}:{}", told.customer, told.reference);
            let Some((LedgerRecord::Receipt(receipt), _)) = records::get(connection, &RecordKind::Receipt, &key)?
            else {
                return Err(refused(format!(
                    "no receipt {} of this customer has reached this phone; sync, or look at the reference again",
                    told.reference
                )));
            };
            if receipt.bounced_on.is_some() {
                return Err(refused(
                    "this payment was returned; there is nothing to confirm".to_owned(),
                ));
            }
            let ground = self.ground(connection, None)?;
            match notice(connection, &ground, receipt, "")? {
                it if it.is_open() => Ok(()),
                _ => Err(refused("the customer has been told of this receipt before".to_owned())),
            }
        })?;
        self.create(CollectionNote {
            customer: told.customer,
            rep,
            at: self.now(),
            channel: told.channel,
            person: told.person,
            outcome: CollectionOutcome::ReceiptConfirmed,
            invoice_number: None,
            promise: None,
            receipt: Some(told.reference),
            closing: None,
            next_step: None,
            note: told.note,
            position: told.position,
        })
    }
}

fn refused(message: String) -> FieldError {
    InvalidField::new("receipt", message).into()
}

/// By what a notice is sorted among its like: those that are longest over their limit, then those with the least left.
fn pressing(notice: &ReceiptNotice) -> (Reverse<i64>, i64, Reverse<Option<Timestamp>>) {
    let (over, left) = match notice.tell_customer {
        TimerState::Missed { over, .. } => (over, 0),
        TimerState::Running { left, .. } => (0, left),
        TimerState::NotStarted | TimerState::Met { .. } => (0, i64::MAX),
    };
    (Reverse(over), left, Reverse(notice.receipt.arrived_at))
}

/// The notice of a receipt. A note that says that the customer was told counts before the server has counted it.
fn notice(connection: &Connection, ground: &Ground, receipt: Receipt, name: &str) -> Result<ReceiptNotice, FieldError> {
    let mut measured = receipt.clone();
    let mut told_by = receipt.customer_told_by;
    if receipt.customer_told_at.is_none() {
        let told = notes(connection, receipt.customer, "d.state = 'receipt_confirmed'")?;
        let about = told
            .into_iter()
            .filter(|(_, note)| note.receipt.as_deref() == Some(receipt.reference.as_str()))
            .min_by_key(|(_, note)| note.at);
        if let Some((id, note)) = about {
            told_by = Some(id);
            measured.customer_told_at = Some(note.at);
        }
    }
    let timers = receipt_timers(&measured, &ground.policy.timers, ground.now);
    let [(_, tell_sales), (_, tell_customer), (_, send_document)] = timers;
    Ok(ReceiptNotice {
        tell_sales,
        tell_customer,
        send_document,
        receipt,
        customer_name: name.to_owned(),
        told_by,
    })
}
