use std::collections::BTreeMap;

use chrono::NaiveDate;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::{
    CustomerId, DocumentKind, DocumentModel, Evidence, EvidenceHash, InvalidField, LineId, MAX_QUANTITY, Position,
    ProductId, Timestamp, UserId, check_count, check_day, check_most, check_text,
};

/// Goods going to a customer, what was signed for, and the confirmations of the three parties.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct Delivery {
    /// Who receives.
    pub customer: CustomerId,
    /// The rep in charge of the customer.
    pub rep: UserId,
    /// Number of the delivery note (发货清单).
    pub number: String,
    /// Number of the order it fulfils.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub order_number: Option<String>,
    /// The day it is planned for, in the organisation's time zone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub planned_for: Option<NaiveDate>,
    /// What is on the note.
    #[serde(default)]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub lines: BTreeMap<LineId, DeliveryLine>,
    /// Who signed for the goods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub receiver: Option<Receiver>,
    /// What sales, the customer and the warehouse each say about it. Keyed by the party, so that nobody's word can be
    /// merged over somebody else's.
    #[serde(default)]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub confirmations: BTreeMap<Party, Confirmation>,
    /// Photos, signatures, stamps and slips, keyed by the hash of their bytes.
    #[serde(default)]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub evidence: BTreeMap<EvidenceHash, Evidence>,
    /// Remarks.
    #[serde(default)]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub note: String,
}

/// One line of a delivery note.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct DeliveryLine {
    /// What is delivered.
    pub product: ProductId,
    /// How much left the warehouse, in the product's unit.
    pub quantity: Decimal,
    /// Batch number (批号).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub batch: Option<String>,
    /// What was signed for on site; `None` until then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub signed: Option<SignedQuantity>,
}

/// What the customer accepted of a line, and what became of the rest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct SignedQuantity {
    /// Accepted.
    pub accepted: Decimal,
    /// Not there.
    #[serde(default)]
    pub short: Decimal,
    /// Damaged on arrival.
    #[serde(default)]
    pub damaged: Decimal,
    /// Refused by the customer.
    #[serde(default)]
    pub refused: Decimal,
    /// Why not everything was accepted; required then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub reason: Option<QuantityReason>,
}

/// Why less was accepted than delivered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct QuantityReason {
    /// In the words of whoever signed.
    pub text: String,
    /// Photo that shows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub photo: Option<EvidenceHash>,
}

/// Who received the goods.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct Receiver {
    /// Their name.
    pub name: String,
    /// Their phone number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub phone: Option<String>,
    /// When they signed, by the phone's clock.
    pub at: Timestamp,
    /// Where, as the phone declared it.
    #[serde(rename = "pos", default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub position: Option<Position>,
}

/// The parties who confirm a delivery within 24 hours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Enum))]
#[serde(rename_all = "snake_case")]
pub enum Party {
    /// Our rep.
    Sales,
    /// The customer's contact.
    Customer,
    /// Our warehouse or driver.
    Warehouse,
}

impl Party {
    /// All three.
    pub const ALL: [Self; 3] = [Self::Sales, Self::Customer, Self::Warehouse];

    /// The stored name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sales => "sales",
            Self::Customer => "customer",
            Self::Warehouse => "warehouse",
        }
    }
}

/// What one party says about a delivery.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct Confirmation {
    /// Yes or no.
    pub verdict: ConfirmationVerdict,
    /// Who said so on the party's behalf.
    pub by: String,
    /// When, by the clock of the phone it was given on.
    pub at: Timestamp,
    /// Remark, required for a dispute.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub remark: String,
    /// What was said of each line, where it was asked line by line.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub lines: BTreeMap<LineId, LineConfirmation>,
    /// Given by the customer's contact through a link, with nobody of the company in between. Nobody but the contact
    /// changes it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub by_link: bool,
}

/// What a party says about one line of a delivery.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct LineConfirmation {
    /// Yes or no.
    pub verdict: ConfirmationVerdict,
    /// What is wrong; required for a dispute.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub remark: String,
}

impl Confirmation {
    /// What somebody of the company, or whoever received the goods, says about the whole delivery.
    pub fn new(verdict: ConfirmationVerdict, by: impl Into<String>, at: Timestamp, remark: impl Into<String>) -> Self {
        Self {
            verdict,
            by: by.into(),
            at,
            remark: remark.into(),
            lines: BTreeMap::new(),
            by_link: false,
        }
    }

    fn validate(&self) -> Result<(), InvalidField> {
        check_text("confirmations.remark", &self.remark)?;
        if self.verdict == ConfirmationVerdict::Disputed && self.remark.trim().is_empty() {
            return Err(InvalidField::new("confirmations.remark", "a dispute needs a remark"));
        }
        check_count("confirmations.lines", self.lines.len())?;
        for line in self.lines.values() {
            check_text("confirmations.lines.remark", &line.remark)?;
            if line.verdict == ConfirmationVerdict::Disputed && line.remark.trim().is_empty() {
                return Err(InvalidField::new(
                    "confirmations.lines.remark",
                    "say what is wrong with a line that is disputed",
                ));
            }
        }
        Ok(())
    }
}

/// Whether a party confirms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Enum))]
#[serde(rename_all = "snake_case")]
pub enum ConfirmationVerdict {
    /// The delivery is as signed.
    Confirmed,
    /// It is not.
    Disputed,
}

/// How far a delivery has got.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    /// Not signed for.
    Planned,
    /// Signed for, confirmations missing.
    Signed,
    /// All three parties have confirmed.
    Confirmed,
    /// Somebody disputes it.
    Disputed,
}

impl Delivery {
    /// A delivery note with no lines yet.
    pub fn new(customer: CustomerId, rep: UserId, number: impl Into<String>) -> Self {
        Self {
            customer,
            rep,
            number: number.into(),
            order_number: None,
            planned_for: None,
            lines: BTreeMap::new(),
            receiver: None,
            confirmations: BTreeMap::new(),
            evidence: BTreeMap::new(),
            note: String::new(),
        }
    }

    /// How far it has got, told from what was recorded.
    pub fn state(&self) -> DeliveryState {
        if self
            .confirmations
            .values()
            .any(|c| c.verdict == ConfirmationVerdict::Disputed)
        {
            DeliveryState::Disputed
        } else if self.receiver.is_none() {
            DeliveryState::Planned
        } else if Party::ALL.iter().all(|party| self.confirmations.contains_key(party)) {
            DeliveryState::Confirmed
        } else {
            DeliveryState::Signed
        }
    }

    /// The parties that have not spoken yet.
    pub fn missing_confirmations(&self) -> Vec<Party> {
        Party::ALL
            .into_iter()
            .filter(|party| !self.confirmations.contains_key(party))
            .collect()
    }
}

impl DocumentModel for Delivery {
    const KIND: DocumentKind = DocumentKind::Delivery;

    fn customer(&self) -> CustomerId {
        self.customer
    }

    fn validate(&self) -> Result<(), InvalidField> {
        check_text("note", &self.note)?;
        check_text("number", &self.number)?;
        check_day("planned_for", self.planned_for)?;
        if self.number.trim().is_empty() {
            return Err(InvalidField::new("number", "a delivery note needs a number"));
        }
        check_count("lines", self.lines.len())?;
        check_count("evidence", self.evidence.len())?;
        for line in self.lines.values() {
            line.validate()?;
        }
        if let Some(receiver) = &self.receiver {
            check_text("receiver.name", &receiver.name)?;
            if receiver.name.trim().is_empty() {
                return Err(InvalidField::new("receiver.name", "who signed for the goods?"));
            }
            if let Some(position) = &receiver.position {
                position.validate()?;
            }
        }
        self.confirmations.values().try_for_each(Confirmation::validate)?;
        self.evidence.values().try_for_each(Evidence::validate)
    }
}

impl DeliveryLine {
    fn validate(&self) -> Result<(), InvalidField> {
        if self.quantity <= Decimal::ZERO {
            return Err(InvalidField::new("lines.quantity", "must be more than zero"));
        }
        check_most("lines.quantity", self.quantity, MAX_QUANTITY)?;
        let Some(signed) = &self.signed else { return Ok(()) };
        for (name, amount) in [
            ("accepted", signed.accepted),
            ("short", signed.short),
            ("damaged", signed.damaged),
            ("refused", signed.refused),
        ] {
            if amount < Decimal::ZERO {
                return Err(InvalidField::new(
                    format!("lines.signed.{name}"),
                    "must not be negative",
                ));
            }
            // Also keeps the sums below from overflowing, where `+` would panic.
            check_most(&format!("lines.signed.{name}"), amount, MAX_QUANTITY)?;
        }
        let missing = signed.short + signed.damaged + signed.refused;
        if missing > Decimal::ZERO
            && signed
                .reason
                .as_ref()
                .is_none_or(|reason| reason.text.trim().is_empty())
        {
            return Err(InvalidField::new(
                "lines.signed.reason",
                "say why not everything was accepted",
            ));
        }
        if let Some(reason) = &signed.reason {
            check_text("lines.signed.reason", &reason.text)?;
        }
        // More may be accepted than the note says (over-delivery), never less without saying where it went.
        if signed
            .accepted
            .checked_add(missing)
            .is_none_or(|total| total < self.quantity)
        {
            return Err(InvalidField::new(
                "lines.signed",
                "accepted, short, damaged and refused must add up to the quantity delivered",
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn signed_quantities_whose_sum_cannot_be_written_are_refused_without_a_panic() {
        let line = DeliveryLine {
            product: ProductId::from_bytes([1; 16]),
            quantity: Decimal::TEN,
            batch: None,
            signed: Some(SignedQuantity {
                accepted: Decimal::MAX,
                short: Decimal::MAX,
                damaged: Decimal::MAX,
                refused: Decimal::MAX,
                reason: None,
            }),
        };
        assert_eq!(line.validate().unwrap_err().field, "lines.signed.accepted");
    }
}
