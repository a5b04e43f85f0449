//! Documents in words for those who show them elsewhere than on a page: the same labels, local times and positions.

use chrono_tz::Tz;
use fieldledger_core::model::Timestamp;
use serde_json::Value;

use super::{
    format::Moment,
    messages::{Language, Text},
    names::Names,
    record::{Field, Shown, Voice, values},
};

/// What is needed to say a document in words.
pub(crate) struct Words {
    /// Names of the people, customers and products in it.
    pub(crate) names: Names,
    /// The organisation's zone.
    pub(crate) zone: Tz,
}

impl Words {
    fn voice(&self) -> Voice<'_> {
        Voice {
            text: Text(Language::English),
            zone: self.zone,
            names: &self.names,
        }
    }

    /// Every value of a document with its label, in the order of the document.
    pub(crate) fn fields(&self, document: &Value) -> Vec<(String, String)> {
        let fields = values::flattened(self.voice(), document, document);
        let said = |field: Field| text(field.value).map(|value| (field.label, value));
        fields.into_iter().filter_map(said).collect()
    }

    /// What the field at `path` is called.
    pub(crate) fn label(&self, document: &Value, path: &[String]) -> String {
        values::label(self.voice(), document, path)
    }

    /// A value of the field at `path`; `None` when there is nothing to say.
    pub(crate) fn value(&self, document: &Value, path: &[String], value: Option<&Value>) -> Option<String> {
        text(values::shown(self.voice(), document, path, value))
    }

    /// A moment in the organisation's zone.
    pub(crate) fn moment(&self, at: Timestamp) -> String {
        Moment::new(at, self.zone).shown
    }
}

fn text(shown: Shown) -> Option<String> {
    match shown {
        Shown::Text(text) | Shown::Prose(text) | Shown::Good(text) | Shown::Doubt(text) => Some(text),
        Shown::Moment(moment) => Some(moment.shown),
        Shown::Link { text, .. } => Some(text),
        Shown::Nothing => None,
    }
}
