use chrono::NaiveDate;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::{
    CustomerId, DocumentKind, DocumentModel, InvalidField, MAX_AMOUNT, Money, NextStep, Position, Timestamp, UserId,
    check_day, check_most, check_text, day::check_promised_day,
};

/// One contact with a customer about money (催收记录).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
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
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub person: String,
    /// What came of it.
    pub outcome: CollectionOutcome,
    /// Number of the invoice it was about; `None` for everything that is owed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub invoice_number: Option<String>,
    /// What the customer promised.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub promise: Option<PromiseToPay>,
    /// Reference of the receipt that was confirmed to the customer with this contact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub receipt: Option<String>,
    /// What is to be learnt from a collection that is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub closing: Option<ClosingReview>,
    /// What is to be done next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub next_step: Option<NextStep>,
    /// What the rep wrote.
    #[serde(default)]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub note: String,
    /// Where the phone said it was.
    #[serde(rename = "pos", default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub position: Option<Position>,
}

/// How a customer was contacted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Enum))]
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
#[cfg_attr(feature = "uniffi", derive(uniffi::Enum))]
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
    /// The receipt of money was confirmed to the customer; [`CollectionNote::receipt`] says which.
    ReceiptConfirmed,
    /// The collection is over; [`CollectionNote::closing`] looks back at it. Its stored name differs from that of a visit
    /// before a closed door, with which it shares lists and words.
    #[serde(rename = "collection_closed")]
    Closed,
    /// An outcome that a newer version knows.
    #[serde(untagged)]
    Other(String),
}

/// An amount and a date that a customer promised (付款承诺).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct PromiseToPay {
    /// How much.
    pub amount: Money,
    /// By when, in the organisation's time zone.
    pub due: NaiveDate,
}

/// Looking back at a collection that is over (复盘, 回款跟踪表).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct ClosingReview {
    /// Whether the money came late (是否逾期).
    pub was_late: bool,
    /// Why; required when it was late.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub cause: Option<LateCause>,
    /// What was difficult in talking (沟通难点).
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub difficulty: String,
    /// What solved it (解决方法).
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub solution: String,
}

/// Why money came late.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Enum))]
#[serde(rename_all = "snake_case")]
pub enum LateCause {
    /// The customer was short of funds (客户资金).
    CustomerFunds,
    /// Something in our service (我方服务).
    OurService,
    /// Something outside both (外部因素).
    External,
    /// Something else, in a few words.
    #[serde(untagged)]
    Other(String),
}

/// Longest name of a cause, in bytes.
const MAX_CAUSE_BYTES: usize = 200;

impl ClosingReview {
    fn validate(&self) -> Result<(), InvalidField> {
        check_text("closing.difficulty", &self.difficulty)?;
        check_text("closing.solution", &self.solution)?;
        match &self.cause {
            Some(LateCause::Other(name)) if name.trim().is_empty() || name.len() > MAX_CAUSE_BYTES => Err(
                InvalidField::new("closing.cause", "name the other cause in a few words"),
            ),
            None if self.was_late => Err(InvalidField::new("closing.cause", "say why the money came late")),
            _ => Ok(()),
        }
    }
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
        if let Some(receipt) = &self.receipt {
            check_text("receipt", receipt)?;
        }
        let no_receipt = self.receipt.as_ref().is_none_or(|it| it.trim().is_empty());
        if no_receipt && (self.receipt.is_some() || self.outcome == CollectionOutcome::ReceiptConfirmed) {
            return Err(InvalidField::new("receipt", "say which receipt was confirmed"));
        }
        match &self.closing {
            Some(closing) => closing.validate()?,
            None if self.outcome == CollectionOutcome::Closed => {
                return Err(InvalidField::new("closing", "say how the collection went"));
            }
            None => {}
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn note(outcome: CollectionOutcome) -> CollectionNote {
        CollectionNote {
            customer: CustomerId::from_bytes([1; 16]),
            rep: UserId::from_bytes([2; 16]),
            at: Timestamp::from_millis(3),
            channel: CollectionChannel::Phone,
            person: "Li".to_owned(),
            outcome,
            invoice_number: None,
            promise: None,
            receipt: None,
            closing: None,
            next_step: None,
            note: String::new(),
            position: None,
        }
    }

    fn refused(note: &CollectionNote) -> String {
        note.validate().unwrap_err().field
    }

    #[test]
    fn a_collection_is_closed_with_a_review_and_a_late_one_with_its_cause() {
        let mut it = note(CollectionOutcome::Closed);
        assert_eq!(refused(&it), "closing");
        let mut closing = ClosingReview {
            was_late: true,
            cause: None,
            difficulty: "the owner was abroad".to_owned(),
            solution: "his wife paid".to_owned(),
        };
        it.closing = Some(closing.clone());
        assert_eq!(refused(&it), "closing.cause");
        closing.cause = Some(LateCause::Other("  ".to_owned()));
        it.closing = Some(closing.clone());
        assert_eq!(refused(&it), "closing.cause");
        closing.cause = Some(LateCause::OurService);
        it.closing = Some(closing.clone());
        assert_eq!(it.validate(), Ok(()));
        closing.was_late = false;
        closing.cause = None;
        it.closing = Some(closing.clone());
        assert_eq!(it.validate(), Ok(()));
        closing.solution = "x".repeat(super::super::MAX_TEXT_BYTES + 1);
        it.closing = Some(closing);
        assert_eq!(refused(&it), "closing.solution");
    }

    #[test]
    fn a_confirmed_receipt_is_named() {
        let mut it = note(CollectionOutcome::ReceiptConfirmed);
        assert_eq!(refused(&it), "receipt");
        it.receipt = Some(" ".to_owned());
        assert_eq!(refused(&it), "receipt");
        it.receipt = Some("R-1".to_owned());
        assert_eq!(it.validate(), Ok(()));
    }

    #[test]
    fn a_note_of_before_reads_as_it_was_and_is_written_as_it_was() {
        let tree = serde_json::to_value(note(CollectionOutcome::Reminded)).unwrap();
        assert!(tree.get("closing").is_none() && tree.get("receipt").is_none());
        let read: CollectionNote = serde_json::from_value(tree).unwrap();
        assert_eq!(read, note(CollectionOutcome::Reminded));
    }

    #[test]
    fn the_names_of_outcomes_and_causes_are_stable() {
        let name = |value: serde_json::Value| value.as_str().unwrap().to_owned();
        let outcome = |it| name(serde_json::to_value::<CollectionOutcome>(it).unwrap());
        assert_eq!(outcome(CollectionOutcome::Closed), "collection_closed");
        assert_eq!(outcome(CollectionOutcome::ReceiptConfirmed), "receipt_confirmed");
        let cause = |it| name(serde_json::to_value::<LateCause>(it).unwrap());
        assert_eq!(cause(LateCause::CustomerFunds), "customer_funds");
        assert_eq!(cause(LateCause::Other("flood".to_owned())), "flood");
    }
}
