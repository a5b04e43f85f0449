//! A document of any kind as it stands, and settling what people disagree about.

use serde_json::{Value, json};

use super::{Done, Phone, Problem, find::short, ledger::brief};
use crate::cli::table::plain;

impl Phone {
    pub(super) fn show(&self, typed: &str) -> Done {
        let id = self.find_document(typed)?;
        let tree = self
            .store
            .tree(id)?
            .ok_or_else(|| Problem::wrong(format!("there is no document {typed:?} on this phone")))?;
        let mut lines = vec![id.to_string()];
        lines_of(&tree, 1, &mut lines);
        let disagreements = self.store.disagreements(id)?.len();
        if disagreements > 0 {
            lines.push(format!(
                "People disagree about {disagreements} field(s): see `disagreements {}`",
                short(id)
            ));
        }
        self.say(lines.join("\n"), json!({ "id": id, "document": tree }))
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

/// The tree with one field on each line, indented. Written without recursion in depth of more than what a screen holds.
fn lines_of(tree: &Value, depth: usize, lines: &mut Vec<String>) {
    let Value::Object(fields) = tree else { return };
    for (name, value) in fields {
        let indent = "  ".repeat(depth);
        match value {
            Value::Object(inside) if !inside.is_empty() && depth < 8 => {
                lines.push(format!("{indent}{}", plain(name)));
                lines_of(value, depth + 1, lines);
            }
            Value::Object(_) => {}
            Value::String(text) if text.is_empty() => {}
            other => lines.push(format!("{indent}{}: {}", plain(name), brief(other))),
        }
    }
}
