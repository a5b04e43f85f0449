use std::collections::BTreeMap;

use chrono::NaiveDate;
use rust_decimal::Decimal;

use super::{Document, FieldStore};
use crate::{
    error::FieldError,
    model::{
        Confirmation, ConfirmationVerdict, CustomerId, Delivery, DeliveryLine, DocumentId, Evidence, EvidenceHash,
        InvalidField, LineId, Party, ProductId, Receiver, SignedQuantity,
    },
};

/// A delivery note to be made on the phone.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct NewDelivery {
    /// Who receives.
    pub customer: CustomerId,
    /// Number of the delivery note.
    pub number: String,
    /// Number of the order it fulfils.
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub order_number: Option<String>,
    /// The day it is planned for.
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub planned_for: Option<NaiveDate>,
    /// What is on it.
    pub lines: Vec<NewDeliveryLine>,
}

/// A line of a [`NewDelivery`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct NewDeliveryLine {
    /// What is delivered.
    pub product: ProductId,
    /// How much, in the product's unit.
    pub quantity: Decimal,
    /// Batch number.
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub batch: Option<String>,
}

/// A customer's signature for goods.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct SignOff {
    /// What was accepted of each line, and what became of the rest.
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub signed: BTreeMap<LineId, SignedQuantity>,
    /// Who signed.
    pub receiver: Receiver,
    /// Photos, signature, stamp.
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub evidence: BTreeMap<EvidenceHash, Evidence>,
}

impl FieldStore {
    /// Makes a delivery note.
    ///
    /// # Errors
    /// As [`Self::create`].
    pub fn new_delivery(&self, new: NewDelivery) -> Result<Document<Delivery>, FieldError> {
        let rep = self
            .customer(new.customer)?
            .and_then(|customer| customer.rep)
            .map_or_else(|| self.require_identity().map(|it| it.user), Ok)?;
        let mut delivery = Delivery::new(new.customer, rep, new.number);
        delivery.order_number = new.order_number;
        delivery.planned_for = new.planned_for;
        for line in new.lines {
            let line = DeliveryLine {
                product: line.product,
                quantity: line.quantity,
                batch: line.batch,
                signed: None,
            };
            delivery.lines.insert(self.line_id()?, line);
        }
        self.create(delivery)
    }

    /// A fresh id for a line of a delivery or an order, or for a reply.
    ///
    /// # Errors
    /// [`FieldError::Internal`] when the operating system gives no random numbers.
    pub fn line_id(&self) -> Result<LineId, FieldError> {
        Ok(LineId(
            uuid::Builder::from_random_bytes(self.random_bytes()?).into_uuid(),
        ))
    }

    /// Records who received what.
    ///
    /// # Errors
    /// [`FieldError::Invalid`] naming the line; as [`Self::save`].
    pub fn sign_off(&self, id: DocumentId, sign_off: SignOff) -> Result<Document<Delivery>, FieldError> {
        let mut delivery = self.delivery(id)?.ok_or(FieldError::NotFound)?;
        for (line, signed) in sign_off.signed {
            delivery
                .value
                .lines
                .get_mut(&line)
                .ok_or_else(|| InvalidField::new("lines", format!("the delivery has no line {line}")))?
                .signed = Some(signed);
        }
        if let Some((line, _)) = delivery.value.lines.iter().find(|(_, line)| line.signed.is_none()) {
            return Err(InvalidField::new("lines.signed", format!("line {line} was not signed for")).into());
        }
        delivery.value.receiver = Some(sign_off.receiver);
        delivery.value.evidence.extend(sign_off.evidence);
        self.save(&delivery)
    }

    /// Records what a party says about a delivery.
    ///
    /// # Errors
    /// [`FieldError::NotAllowed`] when the person does not speak for the party; as [`Self::save`].
    pub fn confirm(
        &self,
        id: DocumentId,
        party: Party,
        verdict: ConfirmationVerdict,
        remark: &str,
    ) -> Result<Document<Delivery>, FieldError> {
        let identity = self.require_identity()?;
        let mut delivery = self.delivery(id)?.ok_or(FieldError::NotFound)?;
        // The customer's word is taken down from whoever received the goods.
        let by = match (&delivery.value.receiver, party) {
            (Some(receiver), Party::Customer) => receiver.name.clone(),
            (None, Party::Customer) => {
                return Err(InvalidField::new("receiver", "the goods have to be signed for first").into());
            }
            _ => identity.user_name,
        };
        let confirmation = Confirmation::new(verdict, by, self.now(), remark);
        delivery.value.confirmations.insert(party, confirmation);
        self.save(&delivery)
    }
}
