//! What people type for a customer, a product or a document.

use fieldledger_core::{
    model::{Customer, DocumentId, Product},
    store::{CustomerQuery, DocumentRow, ListQuery},
};

use super::{Phone, Problem};

/// How many things are looked through for a short id; typing a few more characters always helps.
const LOOKED_THROUGH: usize = 20_000;

/// The first characters of an id, as lists show it.
pub(in crate::cli) fn short(id: impl std::fmt::Display) -> String {
    id.to_string().chars().take(8).collect()
}

fn starts(id: impl std::fmt::Display, typed: &str) -> bool {
    typed.len() >= 2 && id.to_string().starts_with(&typed.to_lowercase())
}

/// The only one, or a sentence about none or several.
fn only<T>(mut found: Vec<T>, what: &str, typed: &str, name: impl Fn(&T) -> String) -> Result<T, Problem> {
    match (found.pop(), found.len()) {
        (Some(one), 0) => Ok(one),
        (None, _) => Err(Problem::wrong(format!(
            "there is no {what} {typed:?} on this phone (sync may bring it)"
        ))),
        (Some(last), _) => {
            let names: Vec<String> = found.iter().chain(std::iter::once(&last)).take(5).map(name).collect();
            Err(Problem::wrong(format!(
                "{typed:?} could be several: {}; type more of it",
                names.join(", ")
            )))
        }
    }
}

impl Phone {
    pub(super) fn find_customer(&self, typed: &str) -> Result<Customer, Problem> {
        if let Ok(id) = typed.parse()
            && let Some(customer) = self.store.customer(id)?
        {
            return Ok(customer);
        }
        let query = |text: &str, limit| CustomerQuery {
            text: text.to_owned(),
            limit,
            ..CustomerQuery::default()
        };
        let all = self.store.customers(&query("", LOOKED_THROUGH))?;
        let by_code = all.iter().filter(|it| it.code.eq_ignore_ascii_case(typed));
        let mut found: Vec<_> = by_code.cloned().collect();
        if found.is_empty() {
            found = all.into_iter().filter(|it| starts(it.id, typed)).collect();
        }
        if found.is_empty() {
            found = self.store.customers(&query(typed, 10))?;
        }
        let row = only(found, "customer", typed, |it| format!("{} {}", it.code, it.name))?;
        let customer = self.store.customer(row.id)?;
        customer.ok_or_else(|| Problem::wrong(format!("there is no customer {typed:?} on this phone")))
    }

    pub(super) fn find_product(&self, typed: &str) -> Result<Product, Problem> {
        let all = self.store.products("", LOOKED_THROUGH, 0)?;
        let by_code = all.iter().filter(|it| it.code.eq_ignore_ascii_case(typed));
        let mut found: Vec<_> = by_code.cloned().collect();
        if found.is_empty() {
            found = all.into_iter().filter(|it| starts(it.id, typed)).collect();
        }
        if found.is_empty() {
            found = self.store.products(typed, 10, 0)?;
        }
        only(found, "product", typed, |it| format!("{} {}", it.code, it.name))
    }

    pub(super) fn find_document(&self, typed: &str) -> Result<DocumentId, Problem> {
        if let Ok(id) = typed.parse::<DocumentId>()
            && self.store.tree(id)?.is_some()
        {
            return Ok(id);
        }
        let mut query = ListQuery {
            limit: 1_000,
            ..ListQuery::default()
        };
        let mut found = Vec::new();
        for _ in 0..LOOKED_THROUGH / query.limit {
            let rows = self.store.list(&query)?;
            query.before = rows.last().map(DocumentRow::place);
            let full = rows.len() == query.limit;
            // An order and a delivery are known by their numbers to everybody else.
            found.extend(
                rows.into_iter()
                    .filter(|row| row.title == typed || starts(row.id, typed)),
            );
            if !full {
                break;
            }
        }
        let row = only(found, "document", typed, |row| {
            format!("{} ({})", short(row.id), row.title)
        })?;
        Ok(row.id)
    }
}
