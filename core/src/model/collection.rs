use chrono::NaiveDate;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::{
    CustomerId, DocumentKind, DocumentModel, InvalidField, MAX_AMOUNT, Money, NextStep, Position, Timestamp, UserId,
    check_day, check_most, check_text, day::check_promised_day,
};

/// One contact with a customer about money (催收记录).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CollectionNote {
    /// Who owes.
    pub customer: CustomerId,
    /// The rep who was in contact.
    pub rep: UserId,
    /// When, by the phone's clock.
    pub at: Timestamp,
    /// How.
    pub channel: CollectionChannel,
    /// Whom the rep spoke to.
    #[serde(default)]
    pub person: String,
    /// What came of it.
    pub outcome: CollectionOutcome,
    /// Number of the invoice it was about; `None` for everything that is owed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invoice_number: Option<String>,
    /// What the customer promised.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub promise: Option<PromiseToPay>,
    /// What is to be done next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_step: Option<NextStep>,
    /// What the rep wrote.
    #[serde(default)]
    pub note: String,
    /// Where the phone said it was.
    #[serde(rename = "pos", default, skip_serializing_if = "Option::is_none")]
    pub position: Option<Position>,
}

/// How a customer was contacted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CollectionChannel {
    /// A call.
    Phone,
    /// A text or chat message.
    Message,
    /// An email.
    Email,
    /// In person.
    Visit,
    /// A letter.
    Letter,
    /// Through a lawyer or a court.
    Legal,
    /// A channel that a newer version knows.
    #[serde(untagged)]
    Other(String),
}

/// What came of a contact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CollectionOutcome {
    /// The customer promised to pay; [`CollectionNote::promise`] says what.
    Promised,
    /// The customer says the money is on its way or paid.
    Paid,
    /// The customer disputes what is owed.
    Disputed,
    /// Nobody was reached.
    NotReached,
    /// The customer refuses.
    Refused,
    /// The customer was reminded, no more.
    Reminded,
    /// An outcome that a newer version knows.
    #[serde(untagged)]
    Other(String),
}

/// An amount and a date that a customer promised (付款承诺).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PromiseToPay {
    /// How much.
    pub amount: Money,
    /// By when, in the organisation's time zone.
    pub due: NaiveDate,
}

impl DocumentModel for CollectionNote {
    const KIND: DocumentKind = DocumentKind::CollectionNote;

    fn customer(&self) -> CustomerId {
        self.customer
    }

    fn validate(&self) -> Result<(), InvalidField> {
        check_text("note", &self.note)?;
        check_text("person", &self.person)?;
        if let Some(next) = &self.next_step {
            check_text("next_step.what", &next.what)?;
            check_day("next_step.due", next.due)?;
        }
        if let Some(position) = &self.position {
            position.validate()?;
        }
        match &self.promise {
            Some(promise) if promise.amount.amount <= Decimal::ZERO => {
                Err(InvalidField::new("promise.amount", "must be more than zero"))
            }
            Some(promise) => {
                check_most("promise.amount", promise.amount.amount, MAX_AMOUNT)?;
                check_day("promise.due", Some(promise.due))?;
                check_promised_day(promise.due, self.at)
            }
            None if self.outcome == CollectionOutcome::Promised => {
                Err(InvalidField::new("promise", "say how much was promised, and by when"))
            }
            _ => Ok(()),
        }
    }
}
