use rusqlite::Connection;

use super::{Document, DocumentRow, FieldStore};
use crate::{
    db::{documents, lists, records},
    error::FieldError,
    model::{CreditDecision, DocumentId, DocumentKind, InvalidField, Money, Order, OrderState, RecordKind, Timestamp},
    rules::credit,
};

/// States of an order that the customer owes, or will.
const COUNTED: &str = "d.state IN ('submitted', 'approved', 'provisional', 'held')";

impl FieldStore {
    /// Whether the customer may have this order on credit, as far as this phone knows: the credit file, and the orders
    /// that the file does not count yet.
    ///
    /// # Errors
    /// [`FieldError::Invalid`] when amounts overflow.
    pub fn check_credit(&self, order: &Order) -> Result<CreditDecision, FieldError> {
        self.check_credit_of(order, None)
    }

    fn check_credit_of(&self, order: &Order, own: Option<DocumentId>) -> Result<CreditDecision, FieldError> {
        let total = order.total()?;
        self.read(|connection| {
            let file = match records::get(connection, &RecordKind::CreditFile, &order.customer.to_string())? {
                Some((crate::model::LedgerRecord::CreditFile(file), version)) => Some((file, version)),
                _ => None,
            };
            let as_of = file.as_ref().map(|(file, _)| file.as_of);
            let unsent = uncounted_orders(connection, order, own, as_of)?;
            let inputs = credit::inputs(file.as_ref().map(|(file, version)| (file, *version)), unsent, total)?;
            Ok(credit::check(inputs))
        })
    }

    /// Submits an order: checks the customer's credit and records the verdict with everything that went into it.
    ///
    /// # Errors
    /// [`FieldError::Invalid`] when it was submitted or cancelled before; as [`Self::save`].
    pub fn submit_order(&self, order: &Document<Order>) -> Result<Document<Order>, FieldError> {
        if order.value.state != OrderState::Draft {
            return Err(InvalidField::new("state", "this order was submitted or cancelled before").into());
        }
        let mut order = order.clone();
        order.value.credit = Some(self.check_credit_of(&order.value, Some(order.id))?);
        order.value.state = OrderState::Submitted;
        self.save(&order)
    }

    /// Takes an order back.
    ///
    /// # Errors
    /// [`FieldError::NotFound`]; as [`Self::save`].
    pub fn cancel_order(&self, id: DocumentId) -> Result<Document<Order>, FieldError> {
        let mut order = self.order(id)?.ok_or(FieldError::NotFound)?;
        order.value.state = OrderState::Cancelled;
        self.save(&order)
    }
}

/// The sum of the customer's submitted orders here that the credit file does not count yet: made after it, or not sent.
fn uncounted_orders(
    connection: &Connection,
    order: &Order,
    own: Option<DocumentId>,
    as_of: Option<Timestamp>,
) -> Result<Money, FieldError> {
    let Some(customer) = documents::interned(connection, order.customer.as_bytes())? else {
        return Ok(Money::zero(order.currency));
    };
    let kind = documents::kind_number(&DocumentKind::Order);
    let rows: Vec<DocumentRow> = lists::select(
        connection,
        &format!(
            "d.customer = ?1 AND +d.kind = ?2 AND {COUNTED} AND (d.moment > ?3 OR EXISTS (
               SELECT 1 FROM outbox o
               WHERE o.change BETWEEN d.row << 20 AND (d.row << 20) + 1048575 AND o.state = 0))"
        ),
        "d.moment",
        &[
            customer.into(),
            kind.into(),
            as_of.map_or(i64::MIN, Timestamp::as_millis).into(),
        ],
        usize::MAX,
    )?;
    let mut sum = Money::zero(order.currency);
    for row in rows.iter().filter(|row| Some(row.id) != own) {
        let Some(amount) = row.amount else { continue };
        if amount.currency != sum.currency {
            // Never added unconverted: handed on as it is, it makes the check ask the office.
            return Ok(amount);
        }
        sum = sum.checked_add(amount)?;
    }
    Ok(sum)
}
