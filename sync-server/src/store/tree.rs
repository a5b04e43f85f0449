//! A document's tree beside the JSON text it is stored as.

use std::ops::Deref;

use serde_json::Value;

/// A document's tree with its JSON text. The text is written once, where the change is judged, and stored as it came:
/// writing it again for every change took a twentieth of a push.
#[derive(Clone, Debug)]
pub struct Tree {
    value: Value,
    text: String,
}

impl Tree {
    /// Reads the tree of a text.
    ///
    /// # Errors
    /// When the text is no JSON.
    pub fn from_text(text: String) -> Result<Self, serde_json::Error> {
        let value = serde_json::from_str(&text)?;
        Ok(Self { value, text })
    }

    /// The text.
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl From<Value> for Tree {
    fn from(value: Value) -> Self {
        Self {
            text: value.to_string(),
            value,
        }
    }
}

impl Deref for Tree {
    type Target = Value;

    fn deref(&self) -> &Value {
        &self.value
    }
}

impl PartialEq for Tree {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl PartialEq<Value> for Tree {
    fn eq(&self, other: &Value) -> bool {
        self.value == *other
    }
}
