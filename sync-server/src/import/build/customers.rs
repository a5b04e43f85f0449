//! Customers, who works with them, and what they are sold.

use fieldledger_core::model::{Customer, CustomerId, LedgerRecord, Position, Product, ProductId};

use super::{
    Builder, RowResult,
    cells::{boolean, money, optional, required, unique},
    sourced,
};
use crate::import::{Sourced, mapping::Field, table::RowView};

impl<'m> Builder<'m> {
    pub(super) fn customers(&mut self) -> Vec<Sourced> {
        let section = &self.mapping.customers;
        let made = self.each(section.source(), |this, row, seen| {
            let key = unique(row, &section.key, seen)?;
            let position = match (optional(row, &section.latitude)?, optional(row, &section.longitude)?) {
                (None, None) => None,
                (Some(latitude), Some(longitude)) => {
                    let degrees = |text: &str, field: &Option<Field>| {
                        text.parse::<f64>().map_err(|_| {
                            let columns = field.as_ref().map(Field::columns).unwrap_or_default();
                            row.error(&columns, format!("{text:?} is not a number of degrees"))
                        })
                    };
                    let latitude = degrees(&latitude, &section.latitude)?;
                    let longitude = degrees(&longitude, &section.longitude)?;
                    let position = Position::new(latitude, longitude, None, false);
                    Some(position.map_err(|error| row.error("", error.to_string()))?)
                }
                _ => return Err(row.error("", "one of latitude and longitude is missing")),
            };
            let rep = match &section.rep {
                None => None,
                Some(field) => this.person(row, field)?,
            };
            let name = required(row, &section.name)?;
            let code = optional(row, &section.code)?.unwrap_or_else(|| key.clone());
            let contact = optional(row, &section.contact)?.unwrap_or_default();
            let phone = optional(row, &section.phone)?.unwrap_or_default();
            let address = optional(row, &section.address)?.unwrap_or_default();
            let territory = this.territory(row, &section.territory)?;
            let customer = Customer {
                id: CustomerId::derived(this.organisation, &format!("customer:{key}")),
                code,
                name,
                territory,
                rep: rep.as_ref().map(|rep| this.user_id(rep)),
                contact,
                phone,
                address,
                position,
            };
            if let Some(person) = rep.and_then(|rep| this.people.get_mut(&rep)) {
                person.territories.insert(territory);
            }
            this.customers.insert(key, customer.clone());
            Ok(LedgerRecord::Customer(customer))
        });
        sourced(made)
    }

    pub(super) fn customer(&self, row: &RowView<'m>, field: &Field) -> RowResult<&Customer> {
        let key = required(row, field)?;
        self.customers.get(&key).ok_or_else(|| {
            row.error(
                &field.columns(),
                format!("there is no customer {key:?} (or its row was left out)"),
            )
        })
    }

    pub(super) fn works_with(&mut self) {
        let Some(section) = self
            .mapping
            .people
            .as_ref()
            .and_then(|people| people.works_with.as_ref())
        else {
            return;
        };
        let pairs = self.each(section.source(), |this, row, _| {
            // Rows without a person are somebody else's business: the same file is read as orders too.
            let Some(person) = this.person(row, &section.person)? else {
                return Ok(None);
            };
            Ok(Some((person, this.customer(row, &section.customer)?.territory)))
        });
        for (person, territory) in pairs.into_iter().filter_map(|(pair, _)| pair) {
            if let Some(person) = self.people.get_mut(&person) {
                person.territories.insert(territory);
            }
        }
    }

    pub(super) fn products(&mut self) -> Vec<Sourced> {
        let Some(section) = &self.mapping.products else {
            return Vec::new();
        };
        let made = self.each(section.source(), |this, row, seen| {
            let key = unique(row, &section.key, seen)?;
            let id = ProductId::derived(this.organisation, &format!("product:{key}"));
            let price = match &section.price {
                None => None,
                Some(field) => money(row, field, this.mapping.organisation.currency)?,
            };
            let discontinued = match &section.discontinued {
                None => false,
                Some(field) => boolean(row, field)?.unwrap_or(false),
            };
            let product = Product {
                id,
                code: optional(row, &section.code)?.unwrap_or_else(|| key.clone()),
                name: required(row, &section.name)?,
                unit: optional(row, &section.unit)?.unwrap_or_default(),
                price,
                group: optional(row, &section.group)?.unwrap_or_default(),
                discontinued,
            };
            this.products.insert(key, id);
            Ok(LedgerRecord::Product(product))
        });
        sourced(made)
    }
}
