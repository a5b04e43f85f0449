//! A document of any kind as it stands, and settling what people disagree about.

use std::collections::BTreeSet;

use fieldledger_core::model::{CustomerId, DocumentId, ProductId, UserId};
use serde_json::{Value, json};

use super::{Done, Phone, Problem, find::short, ledger::brief};
use crate::{
    cli::table::plain,
    web::{Names, Words},
};

impl Phone {
    /// What is needed to say these values in words: the names of whomever and whatever they speak of.
    pub(super) fn words(&self, values: &[&Value]) -> Result<Words, Problem> {
        let mut ids = BTreeSet::new();
        for value in values {
            collect_ids(value, 0, &mut ids);
        }
        let (mut people, mut customers, mut products) = (Vec::new(), Vec::new(), Vec::new());
        for id in ids {
            if let Ok(id) = id.parse::<UserId>() {
                people.extend(self.store.person(id)?);
            }
            if let Ok(id) = id.parse::<CustomerId>() {
                customers.extend(self.store.customer(id)?);
            }
            if let Ok(id) = id.parse::<ProductId>() {
                products.extend(self.store.product(id)?);
            }
        }
        Ok(Words {
            names: Names::of(people, customers, products),
            zone: self.store.organisation()?.map_or(chrono_tz::UTC, |it| it.time_zone),
        })
    }

    pub(super) fn show(&self, typed: &str) -> Done {
        let id = self.find_document(typed)?;
        let tree = self
            .store
            .tree(id)?
            .ok_or_else(|| Problem::wrong(format!("there is no document {typed:?} on this phone")))?;
        let lines = self.shown(id, &tree)?;
        self.say(lines, json!({ "id": id, "document": tree }))
    }

    /// A document as a person reads it.
    pub(super) fn shown(&self, id: DocumentId, tree: &Value) -> Result<String, Problem> {
        let words = self.words(&[tree])?;
        let mut lines = vec![id.to_string()];
        for (label, value) in words.fields(tree) {
            // What a person wrote on several lines stays on several lines.
            let value: Vec<String> = value.lines().map(plain).collect();
            lines.push(format!("  {}: {}", plain(&label), value.join("\n    ")));
        }
        lines.push(format!("  (times in {})", words.zone));
        let disagreements = self.store.disagreements(id)?.len();
        if disagreements > 0 {
            lines.push(format!(
                "People disagree about {disagreements} field(s): see `disagreements {}`",
                short(id)
            ));
        }
        Ok(lines.join("\n"))
    }

    pub(super) fn settle(&self, typed: &str, field: &str, choice: usize) -> Done {
        let id = self.find_document(typed)?;
        let found = self.store.disagreements(id)?;
        let it = found.iter().find(|it| it.path.join(".") == field).ok_or_else(|| {
            let fields: Vec<String> = found.iter().map(|it| it.path.join(".")).collect();
            Problem::wrong(if fields.is_empty() {
                "nobody disagrees about anything in this document".to_owned()
            } else {
                format!("nobody disagrees about {field:?}; they do about {}", fields.join(", "))
            })
        })?;
        let index = choice.checked_sub(1).filter(|index| *index < it.values.len());
        let index = index.ok_or_else(|| Problem::wrong(format!("choose a number from 1 to {}", it.values.len())))?;
        self.store.settle_with(id, &it.path, index)?;
        let value = &it.values[index].value;
        self.say(
            format!("{} is now {}.", plain(field), brief(value)),
            json!({ "id": id, "field": field, "value": value }),
        )
    }
}

/// Deepest nesting that is looked through; a document is not allowed more.
const DEEPEST: usize = 32;
/// Most ids of one document whose names are looked up.
const MOST_IDS: usize = 2_000;

/// The texts in a value that may be an id.
fn collect_ids(value: &Value, depth: usize, ids: &mut BTreeSet<String>) {
    if depth > DEEPEST || ids.len() >= MOST_IDS {
        return;
    }
    match value {
        Value::String(text) if text.len() == 36 => {
            ids.insert(text.clone());
        }
        Value::Object(fields) => fields.values().for_each(|it| collect_ids(it, depth + 1, ids)),
        Value::Array(all) => all.iter().for_each(|it| collect_ids(it, depth + 1, ids)),
        _ => {}
    }
}
