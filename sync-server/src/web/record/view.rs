//! What a record says, as sections of labelled fields and tables. Pure: from a document's tree to what a page shows.

mod deliveries;
mod evidence;
mod notes;
mod orders;
mod visits;

use chrono::NaiveDate;
use chrono_tz::Tz;
use deliveries::delivery;
pub(crate) use evidence::{Photo, evidence};
use fieldledger_core::{
    document::{edit, tree},
    model::{
        CollectionNote, Delivery, DocumentKind, DocumentModel, NextStep, Order, Position, Review,
        StatementConfirmation, Timestamp, UserId, Visit,
    },
};
use notes::{collection_note, review, statement_confirmation};
pub(crate) use orders::credit_check;
use orders::order;
use serde::Serialize;
use serde_json::Value;
use visits::visit;

use super::values;
use crate::{
    store::evidence_in,
    web::{
        format::{self, Moment},
        messages::Text,
        names::Names,
    },
};

/// What every view needs to speak.
#[derive(Clone, Copy)]
pub(crate) struct Voice<'a> {
    pub(crate) text: Text,
    pub(crate) zone: Tz,
    pub(crate) names: &'a Names,
}

/// One value as it is shown.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Shown {
    /// A short text.
    Text(String),
    /// A text that a person wrote, with its line breaks.
    Prose(String),
    /// A link.
    Link { href: String, text: String },
    /// A moment.
    Moment(Moment),
    /// A short text that is good news.
    Good(String),
    /// A short text that somebody should look at.
    Doubt(String),
    /// Not there.
    Nothing,
}

impl Shown {
    pub(crate) fn is_nothing(&self) -> bool {
        *self == Self::Nothing
    }
}

/// A labelled value, with what makes it doubtful.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Field {
    pub(crate) label: String,
    pub(crate) value: Shown,
    pub(crate) remarks: Vec<Shown>,
}

/// Labelled values under a title.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Section {
    pub(crate) title: String,
    pub(crate) lead: String,
    pub(crate) fields: Vec<Field>,
}

/// A cell; its column's heading is repeated for narrow screens.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Cell {
    pub(crate) heading: String,
    pub(crate) value: Shown,
    pub(crate) numeric: bool,
}

/// Rows under headings.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Table {
    pub(crate) title: String,
    pub(crate) lead: String,
    pub(crate) empty: String,
    pub(crate) headings: Vec<(String, bool)>,
    pub(crate) rows: Vec<Vec<Cell>>,
    pub(crate) footer: Option<(String, String)>,
}

/// A record's content.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Content {
    pub(crate) sections: Vec<Section>,
    pub(crate) tables: Vec<Table>,
    pub(crate) photos: Vec<Photo>,
}

impl Table {
    fn new(title: &str, headings: &[(&str, bool)]) -> Self {
        Self {
            title: title.to_owned(),
            lead: String::new(),
            empty: String::new(),
            headings: headings
                .iter()
                .map(|(text, numeric)| ((*text).to_owned(), *numeric))
                .collect(),
            rows: Vec::new(),
            footer: None,
        }
    }

    fn push(&mut self, values: Vec<Shown>) {
        let cells = values
            .into_iter()
            .zip(&self.headings)
            .map(|(value, (heading, numeric))| Cell {
                heading: heading.clone(),
                value,
                numeric: *numeric,
            })
            .collect();
        self.rows.push(cells);
    }
}

/// What the record with this tree says. A tree that its model cannot read is shown as it is.
pub(crate) fn content(voice: Voice<'_>, kind: &DocumentKind, document: &Value) -> Content {
    let read = match kind {
        DocumentKind::Visit => typed::<Visit>(voice, document, visit),
        DocumentKind::Delivery => typed::<Delivery>(voice, document, delivery),
        DocumentKind::CollectionNote => typed::<CollectionNote>(voice, document, collection_note),
        DocumentKind::Order => typed::<Order>(voice, document, order),
        DocumentKind::Review => typed::<Review>(voice, document, review),
        DocumentKind::StatementConfirmation => typed::<StatementConfirmation>(voice, document, statement_confirmation),
        DocumentKind::Unknown(_) => None,
    };
    read.unwrap_or_else(|| Content {
        sections: vec![Section {
            title: voice.text.t("record.raw").to_owned(),
            lead: voice.text.t("record.raw_lead").to_owned(),
            fields: values::flattened(voice, document, document),
        }],
        photos: evidence(voice, &evidence_in(document)),
        ..Content::default()
    })
}

fn typed<T: DocumentModel + Serialize>(
    voice: Voice<'_>,
    document: &Value,
    view: fn(Voice<'_>, &T) -> Content,
) -> Option<Content> {
    let value: T = serde_json::from_value(document.clone()).ok()?;
    let mut content = view(voice, &value);
    // Fields that a newer version added are in the tree and not in the value.
    let known = edit::tree_of(&value).ok()?;
    let more: Vec<Field> = tree::differences(&known, document)
        .into_iter()
        .filter(|(_, known, there)| known.is_none() && there.as_ref().is_some_and(|it| !it.is_null()))
        .map(|(path, _, there)| values::field_at(voice, document, &path, there.as_ref()))
        .collect();
    if !more.is_empty() {
        content.sections.push(Section {
            title: voice.text.t("record.more").to_owned(),
            lead: voice.text.t("record.more_lead").to_owned(),
            fields: more,
        });
    }
    Some(content)
}

impl Voice<'_> {
    pub(crate) fn moment(&self, at: Timestamp) -> Shown {
        Shown::Moment(Moment::new(at, self.zone))
    }

    fn label(&self, name: &str) -> String {
        self.text.word("field", name)
    }

    fn field(&self, name: &str, value: Shown) -> Field {
        Field {
            label: self.label(name),
            value,
            remarks: Vec::new(),
        }
    }

    fn heading(&self, name: &str) -> String {
        self.label(name)
    }

    fn person(&self, id: UserId) -> Shown {
        Shown::Text(self.names.person(id))
    }

    fn words(&self, section: &str, value: &impl Serialize) -> Shown {
        match serde_json::to_value(value) {
            Ok(Value::String(name)) => Shown::Text(self.text.word(section, &name)),
            _ => Shown::Nothing,
        }
    }

    fn position(&self, label: &str, position: Option<&Position>) -> Field {
        let mut field = self.field(label, Shown::Nothing);
        if let Some(position) = position {
            field.value = Shown::Text(format::position(self.text, position));
            if position.mocked {
                field.remarks.push(Shown::Doubt(self.text.t("doubt.mocked").to_owned()));
            }
        }
        field
    }

    fn next_step(&self, next: Option<&NextStep>) -> Vec<Field> {
        let mut fields = vec![self.field(
            "next_step",
            next.map_or(Shown::Nothing, |it| Shown::Prose(it.what.clone())),
        )];
        if let Some(due) = next.and_then(|it| it.due) {
            fields.push(self.field("due", day(Some(due))));
        }
        fields
    }
}

fn prose(text: &str) -> Shown {
    if text.trim().is_empty() {
        Shown::Nothing
    } else {
        Shown::Prose(text.to_owned())
    }
}

fn words(text: &str) -> Shown {
    if text.trim().is_empty() {
        Shown::Nothing
    } else {
        Shown::Text(text.to_owned())
    }
}

/// A telephone number that can be called; anything else that stands in its place is shown as it is.
pub(crate) fn telephone(number: &str) -> Shown {
    let digits: String = number.chars().filter(char::is_ascii_digit).collect();
    let written = |it: char| it.is_ascii_digit() || " +-()./".contains(it);
    if !(5..=15).contains(&digits.len()) || !number.trim().chars().all(written) {
        return words(number);
    }
    let plus = if number.trim().starts_with('+') { "+" } else { "" };
    Shown::Link {
        href: format!("tel:{plus}{digits}"),
        text: number.trim().to_owned(),
    }
}

fn optional(text: Option<&str>) -> Shown {
    words(text.unwrap_or_default())
}

fn day(day: Option<NaiveDate>) -> Shown {
    day.map_or(Shown::Nothing, |it| Shown::Text(it.to_string()))
}

fn section(title: String, fields: Vec<Field>) -> Section {
    Section {
        title,
        lead: String::new(),
        fields,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_telephone_number_can_be_called_and_anything_else_is_shown() {
        let link = |href: &str, text: &str| Shown::Link {
            href: href.to_owned(),
            text: text.to_owned(),
        };
        assert_eq!(
            telephone(" +86 21 5555-0100 "),
            link("tel:+862155550100", "+86 21 5555-0100")
        );
        assert_eq!(telephone("(021) 5555.0100"), link("tel:02155550100", "(021) 5555.0100"));
        for other in [
            "call Wang 5555",
            "123",
            "<b>55555</b>",
            "１２３４５６",
            "12345678901234567",
        ] {
            assert_eq!(telephone(other), Shown::Text(other.to_owned()));
        }
        assert_eq!(telephone(" "), Shown::Nothing);
    }
}
