//! Any value of any document, in words: for histories, disagreements and records of a newer version.

use std::fmt::Write as _;

use fieldledger_core::{
    document::tree,
    model::{CustomerId, LineId, Position, ProductId, Timestamp, UserId},
};
use serde_json::Value;

use super::view::{Field, Shown, Voice};
use crate::web::format;

/// Longest value of a newer version that is shown whole, in characters.
const MOST_CHARACTERS: usize = 20_000;
/// Most fields of a newer version that are shown.
const MOST_FIELDS: usize = 1_000;

/// A field's name in words: `lines.<id>.signed.accepted` becomes "Lines › Tea (T-1) › Signed quantity › Accepted".
pub(crate) fn label(voice: Voice<'_>, document: &Value, path: &[String]) -> String {
    let mut shown = String::new();
    for (index, name) in path.iter().enumerate() {
        if index > 0 {
            shown.push_str(" › ");
        }
        let parent = index.checked_sub(1).and_then(|at| path.get(at)).map(String::as_str);
        shown.push_str(&segment(voice, document, &path[..index], parent, name));
    }
    shown
}

fn segment(voice: Voice<'_>, document: &Value, above: &[String], parent: Option<&str>, name: &str) -> String {
    match parent {
        Some("lines") if name.parse::<LineId>().is_ok() => {
            let product = above
                .iter()
                .try_fold(document, |value, step| value.get(step))
                .and_then(|lines| lines.get(name)?.get("product")?.as_str())
                .and_then(|id| id.parse::<ProductId>().ok());
            product.map_or_else(|| short(name), |id| voice.names.product_name(id))
        }
        Some("confirmations") => voice.text.word("party", name),
        Some("evidence") => piece(voice, document, name).unwrap_or_else(|| short(name)),
        Some("replies") => short(name),
        _ => voice.text.word("field", name),
    }
}

fn short(id: &str) -> String {
    let cut: String = id.chars().take(8).collect();
    if cut.len() < id.len() { format!("{cut}…") } else { cut }
}

/// A piece of evidence of the document by its caption, or by what it is.
fn piece(voice: Voice<'_>, document: &Value, hash: &str) -> Option<String> {
    let piece = document.get("evidence")?.get(hash)?;
    let caption = piece.get("caption").and_then(Value::as_str).unwrap_or_default().trim();
    if caption.is_empty() {
        Some(voice.text.word("evidence", piece.get("kind")?.as_str()?))
    } else {
        Some(caption.to_owned())
    }
}

/// The way to a piece of evidence that stands on the same page; `None` when the document has it not.
fn to_piece(voice: Voice<'_>, document: &Value, hash: &str) -> Option<Shown> {
    Some(Shown::Link {
        text: piece(voice, document, hash)?,
        href: format!("#photo-{hash}"),
    })
}

/// The value at `path` in words.
pub(crate) fn shown(voice: Voice<'_>, document: &Value, path: &[String], value: Option<&Value>) -> Shown {
    let name = path.last().map_or("", String::as_str);
    let parent = path
        .len()
        .checked_sub(2)
        .and_then(|at| path.get(at))
        .map_or("", String::as_str);
    match value {
        None | Some(Value::Null) => Shown::Nothing,
        Some(Value::Bool(yes)) => Shown::Text(voice.text.t(if *yes { "record.yes" } else { "record.no" }).to_owned()),
        Some(Value::Number(number)) => match (name, number.as_i64()) {
            ("at" | "taken_at" | "as_of", Some(millis)) => voice.moment(Timestamp::from_millis(millis)),
            #[allow(clippy::cast_precision_loss)]
            ("lat" | "lon", Some(units)) => Shown::Text(format!("{:.5}", units as f64 / 1e7)),
            ("acc" | "dist", Some(metres)) => Shown::Text(format!("{metres} m")),
            _ => Shown::Text(number.to_string()),
        },
        Some(Value::String(text)) if text.is_empty() => Shown::Nothing,
        Some(Value::String(hash)) if name == "photo" => {
            to_piece(voice, document, hash).unwrap_or_else(|| Shown::Text(short(hash)))
        }
        Some(Value::String(text)) => named(voice, parent, name, text),
        Some(Value::Object(_)) if name == "pos" => {
            match value.and_then(|it| serde_json::from_value::<Position>(it.clone()).ok()) {
                Some(position) => Shown::Text(format::position(voice.text, &position)),
                None => whole(voice, document, path, value),
            }
        }
        Some(Value::Object(_) | Value::Array(_)) => whole(voice, document, path, value),
    }
}

fn named(voice: Voice<'_>, parent: &str, name: &str, text: &str) -> Shown {
    let person = || text.parse::<UserId>().ok().map(|id| voice.names.person(id));
    let word = |section: &str| Some(voice.text.word(section, text));
    let found = match name {
        "product" => text.parse::<ProductId>().ok().map(|id| voice.names.product_name(id)),
        "customer" => text.parse::<CustomerId>().ok().map(|id| voice.names.customer_name(id)),
        "rep" | "reviewer" | "taken_by" | "by" => person(),
        "purpose" | "outcome" | "channel" | "verdict" | "state" | "rule" => word(name),
        "kind" if parent.is_empty() => word(name),
        "kind" => word("evidence"),
        _ => None,
    };
    match found {
        Some(name) => Shown::Text(name),
        None if text.contains('\n') || text.chars().count() > 60 => {
            Shown::Prose(text.chars().take(MOST_CHARACTERS).collect())
        }
        None => Shown::Text(text.to_owned()),
    }
}

/// A map or a list as lines of text.
fn whole(voice: Voice<'_>, document: &Value, path: &[String], value: Option<&Value>) -> Shown {
    let Some(value) = value else { return Shown::Nothing };
    if let Some(rules) = rules(voice, path, value) {
        return Shown::Prose(rules);
    }
    if let Value::Array(_) = value {
        return Shown::Prose(value.to_string().chars().take(MOST_CHARACTERS).collect());
    }
    let mut lines = String::new();
    for (inner, _, there) in tree::differences(&Value::Object(serde_json::Map::new()), value)
        .into_iter()
        .take(MOST_FIELDS)
    {
        let mut full = path.to_vec();
        full.extend(inner.iter().cloned());
        let value = match shown(voice, document, &full, there.as_ref()) {
            Shown::Text(text) | Shown::Prose(text) | Shown::Good(text) | Shown::Doubt(text) => text,
            Shown::Moment(moment) => moment.shown,
            Shown::Link { text, .. } => text,
            Shown::Nothing => continue,
        };
        if !lines.is_empty() {
            lines.push('\n');
        }
        let _ = write!(lines, "{}: {value}", label(voice, document, &inner));
        if lines.len() > MOST_CHARACTERS {
            break;
        }
    }
    Shown::Prose(lines)
}

/// The rules of a credit check, a line for each: what it asks, and whether it passed.
fn rules(voice: Voice<'_>, path: &[String], value: &Value) -> Option<String> {
    if path.last().map(String::as_str) != Some("rules") {
        return None;
    }
    let line = |rule: &Value| {
        let passed = if rule["passed"].as_bool()? {
            "record.passed"
        } else {
            "record.failed"
        };
        let asked = voice.text.word("rule", rule["rule"].as_str()?);
        Some(format!("{asked}: {}", voice.text.t(passed)))
    };
    let lines: Option<Vec<_>> = value.as_array()?.iter().take(MOST_FIELDS).map(line).collect();
    Some(lines?.join("\n"))
}

/// A labelled value at a path.
pub(crate) fn field_at(voice: Voice<'_>, document: &Value, path: &[String], value: Option<&Value>) -> Field {
    Field {
        label: label(voice, document, path),
        value: shown(voice, document, path, value),
        remarks: Vec::new(),
    }
}

/// Every value under `value`, labelled by its path.
pub(crate) fn flattened(voice: Voice<'_>, document: &Value, value: &Value) -> Vec<Field> {
    tree::differences(&Value::Object(serde_json::Map::new()), value)
        .into_iter()
        .take(MOST_FIELDS)
        .map(|(path, _, there)| field_at(voice, document, &path, there.as_ref()))
        .collect()
}
