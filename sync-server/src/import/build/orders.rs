//! Orders and deliveries with their lines.

use std::collections::{BTreeMap, HashMap};

use fieldledger_core::model::{LedgerDelivery, LedgerLine, LedgerOrder, LedgerRecord, Money};
use rust_decimal::Decimal;

use super::{
    Builder, BuiltOrder, RowResult, because_of,
    cells::{currency, date, date_required, decimal_required, money, optional, required, unique},
    sourced,
};
use crate::import::{
    RowError, Sourced,
    mapping::{self, Field, Lines},
    table::RowView,
};

impl<'m> Builder<'m> {
    /// Lines by the number of what they belong to. A line that cannot be used spoils the whole order or delivery: its
    /// total would be wrong without it.
    pub(super) fn lines(&mut self, section: &'m Lines) -> BTreeMap<String, Result<Vec<LedgerLine>, RowError>> {
        let found = self.grouped(section.source(), &section.number, |this, row| this.line(row, section));
        let in_order = |mut lines: Vec<(i64, LedgerLine)>| {
            lines.sort_by_key(|(position, _)| *position);
            lines.into_iter().map(|(_, line)| line).collect()
        };
        found
            .into_iter()
            .map(|(number, lines)| (number, lines.map(in_order)))
            .collect()
    }

    pub(super) fn line(&self, row: &RowView<'m>, section: &Lines) -> RowResult<(i64, LedgerLine)> {
        let key = required(row, &section.product)?;
        let product = *self
            .products
            .get(&key)
            .ok_or_else(|| row.error(&section.product.columns(), format!("there is no product {key:?}")))?;
        let number = |field: &Option<Field>| -> RowResult<Decimal> {
            let Some(field) = field else { return Ok(Decimal::ZERO) };
            decimal_required(row, field)
        };
        let quantity = decimal_required(row, &section.quantity)?;
        if quantity <= Decimal::ZERO {
            return Err(row.error(&section.quantity.columns(), format!("{quantity} is not more than zero")));
        }
        let unit_price = number(&section.unit_price)?;
        if unit_price < Decimal::ZERO {
            return Err(row.error("unit_price", format!("{unit_price} is negative")));
        }
        let discount = number(&section.discount)?;
        if discount < Decimal::ZERO || discount > Decimal::ONE {
            return Err(row.error("discount", format!("{discount} does not lie between 0 and 1")));
        }
        let position = match &section.position {
            None => 0,
            Some(field) => {
                let text = required(row, field)?;
                text.parse()
                    .map_err(|_| row.error(&field.columns(), format!("{text:?} is not a whole number")))?
            }
        };
        let line = LedgerLine {
            product,
            quantity,
            unit_price,
            discount,
        };
        Ok((position, line))
    }

    pub(super) fn orders(&mut self) {
        let Some(section) = &self.mapping.orders else { return };
        let mut lines = self.lines(&section.lines);
        let mut seen = HashMap::new();
        for row in self.rows(section.source()) {
            let number = match unique(&row, &section.number, &mut seen) {
                Ok(number) => number,
                Err(error) => {
                    self.errors.push(error);
                    continue;
                }
            };
            let of_order = lines.remove(&number);
            match self.order(&row, section, &number, of_order) {
                Ok(order) => {
                    self.orders.insert(number, order);
                }
                Err(error) => {
                    if let Ok(customer) = self.customer(&row, &section.customer) {
                        let id = customer.id;
                        self.incomplete.entry(id).or_insert_with(|| error.clone());
                    }
                    self.broken_orders.insert(number);
                    self.errors.push(error);
                }
            }
        }
        // What is left belongs to no order that was taken; that is only worth a word when the order is unknown.
        self.tell_orphans(
            "order",
            (section.source(), &section.number),
            (section.lines.source(), &section.lines.number),
        );
    }

    pub(super) fn order(
        &self,
        row: &RowView<'m>,
        section: &mapping::Orders,
        number: &str,
        lines: Option<Result<Vec<LedgerLine>, RowError>>,
    ) -> RowResult<BuiltOrder> {
        let customer = self.customer(row, &section.customer)?.id;
        let lines = match lines {
            Some(Ok(lines)) => lines,
            Some(Err(bad)) => {
                return Err(because_of(row, &bad));
            }
            None => return Err(row.error("", format!("{} has no lines for it", section.lines.file))),
        };
        let currency = currency(row, section.currency.as_ref(), self.mapping.organisation.currency)?;
        let mut total = match &section.surcharge {
            None => Money::zero(currency),
            Some(field) => money(row, field, currency)?.unwrap_or(Money::zero(currency)),
        };
        for line in &lines {
            let amount = line
                .quantity
                .checked_mul(line.unit_price)
                .and_then(|gross| gross.checked_mul(Decimal::ONE - line.discount))
                .ok_or_else(|| row.error("", "the amount of a line is too large"))?;
            total = total
                .checked_add(Money::new(amount, currency).rounded())
                .map_err(|error| row.error("", error.to_string()))?;
        }
        let order = LedgerOrder {
            number: number.to_owned(),
            customer,
            ordered_on: date_required(row, &section.ordered_on)?,
            wanted_by: date(row, section.wanted_by.as_ref())?,
            shipped_on: date(row, section.shipped_on.as_ref())?,
            state: optional(row, &section.state)?.unwrap_or_default(),
            cancelled: row.holds_any(section.cancelled_when.as_deref().unwrap_or_default())?,
            lines,
            total: total.rounded(),
            note: optional(row, &section.note)?.unwrap_or_default(),
        };
        Ok(BuiltOrder {
            order,
            source: (row.file().to_owned(), row.line()),
        })
    }

    pub(super) fn find_order(&self, row: &RowView<'m>, field: &Field) -> RowResult<&BuiltOrder> {
        let number = required(row, field)?;
        self.orders.get(&number).ok_or_else(|| {
            let reason = if self.broken_orders.contains(&number) {
                format!("left out because its order {number:?} is")
            } else {
                format!("there is no order {number:?}")
            };
            row.error(&field.columns(), reason)
        })
    }

    pub(super) fn deliveries(&mut self) -> Vec<Sourced> {
        let Some(section) = &self.mapping.deliveries else {
            return Vec::new();
        };
        let mut own_lines = section.lines.as_ref().map(|lines| self.lines(lines));
        let made = self.each(section.source(), |this, row, seen| {
            let number = unique(row, &section.number, seen)?;
            let order = &this.find_order(row, &section.order)?.order;
            let lines = match &mut own_lines {
                None => order.lines.clone(),
                Some(all) => match all.remove(&number) {
                    Some(Ok(lines)) => lines,
                    Some(Err(bad)) => {
                        return Err(because_of(row, &bad));
                    }
                    None => return Err(row.error("", "it has no lines")),
                },
            };
            Ok(LedgerRecord::Delivery(LedgerDelivery {
                number,
                customer: order.customer,
                order_number: Some(order.number.clone()),
                shipped_on: date_required(row, &section.shipped_on)?,
                lines,
            }))
        });
        sourced(made)
    }
}
