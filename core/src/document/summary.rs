//! What lists, search and routing need of a document, read straight from its tree. Phone and server project with the
//! same code, so that they can never disagree about it.

use chrono::NaiveDate;
use serde_json::Value;

use super::{SCHEMA, declared_kind};
use crate::model::{
    CustomerId, Delivery, DeliveryState, DocumentId, DocumentKind, EvidenceHash, Money, Order, Timestamp, UserId,
    Visit, VisitState,
};

/// What lists, search and routing need of a document.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// Its kind.
    pub kind: DocumentKind,
    /// Made by a newer version: shown, not edited.
    pub newer: bool,
    /// The customer it is about; decides its stream.
    pub customer: Option<CustomerId>,
    /// The rep whose it is.
    pub owner: Option<UserId>,
    /// For a review, what it is about.
    pub about: Option<DocumentId>,
    /// When it happened, by the phone's clock; `None` while it is only planned.
    pub at: Option<Timestamp>,
    /// The day it is planned for or asks for attention.
    pub day: Option<NaiveDate>,
    /// How far it has got, as a stored name (`done`, `signed`, `submitted`, `questioned`, …).
    pub state: String,
    /// A line for a list: number or first words.
    pub title: String,
    /// Everything a person wrote in it, for search.
    pub text: String,
    /// Total of an order, amount of a promise.
    pub amount: Option<Money>,
    /// The files it names.
    pub evidence: Vec<EvidenceHash>,
    /// The position was outside the customer's geofence.
    pub outside: bool,
    /// The position came from a mock provider.
    pub mocked: bool,
}

/// Longest title, in characters.
const TITLE_CHARS: usize = 80;

impl Summary {
    /// Reads it from a document's tree. Whatever is missing or strange is left out: a foreign document is still listed.
    pub fn of(tree: &Value) -> Self {
        let (kind, schema) = declared_kind(tree);
        let newer = schema > SCHEMA || matches!(kind, DocumentKind::Unknown(_));
        let mut summary = Self {
            newer,
            customer: parsed(tree, "customer"),
            owner: parsed(tree, "rep"),
            about: parsed(tree, "about"),
            at: None,
            day: date(tree, "planned_for"),
            state: String::new(),
            title: String::new(),
            text: String::new(),
            amount: None,
            evidence: field(tree, "evidence")
                .and_then(Value::as_object)
                .map(|map| map.keys().filter_map(|hash| hash.parse().ok()).collect())
                .unwrap_or_default(),
            outside: false,
            mocked: false,
            kind,
        };
        match summary.kind {
            DocumentKind::Visit => summary.read_visit(tree),
            DocumentKind::Delivery => summary.read_delivery(tree),
            DocumentKind::CollectionNote => summary.read_collection_note(tree),
            DocumentKind::Order => summary.read_order(tree),
            DocumentKind::Review => summary.read_review(tree),
            DocumentKind::StatementConfirmation => summary.read_statement_confirmation(tree),
            DocumentKind::Unknown(_) => summary.title = text(tree, "title").to_owned(),
        }
        if summary.title.is_empty() {
            summary.title = summary.text.lines().next().unwrap_or_default().to_owned();
        }
        if let Some((cut, _)) = summary.title.char_indices().nth(TITLE_CHARS) {
            summary.title.truncate(cut);
        }
        summary
    }

    fn read_visit(&mut self, tree: &Value) {
        let arrival = field(tree, "check_in");
        let departure = field(tree, "check_out");
        let cancelled = field(tree, "cancelled").is_some();
        let state = match (cancelled, arrival.is_some(), departure.is_some()) {
            (_, _, true) => VisitState::Done,
            (_, true, false) => VisitState::Open,
            (true, false, false) => VisitState::Cancelled,
            (false, false, false) => VisitState::Planned,
        };
        self.state = name_of(&state);
        self.at = arrival.and_then(|point| millis(point, "at"));
        for point in [arrival, departure].into_iter().flatten() {
            self.read_position(point);
            self.outside |= field(point, "fence").map(|fence| text(fence, "verdict")) == Some("outside");
        }
        self.write_text([
            text(tree, "note"),
            nested_text(tree, "next_step", "what"),
            text(tree, "cancelled"),
        ]);
    }

    fn read_delivery(&mut self, tree: &Value) {
        // The state of a delivery has rules of its own; read it through the model, as far as it can be read.
        let state = serde_json::from_value::<Delivery>(tree.clone()).map_or(DeliveryState::Planned, |it| it.state());
        self.state = name_of(&state);
        if let Some(receiver) = field(tree, "receiver") {
            self.at = millis(receiver, "at");
            self.read_position(receiver);
        }
        self.title = text(tree, "number").to_owned();
        self.write_text([
            text(tree, "number"),
            text(tree, "note"),
            nested_text(tree, "receiver", "name"),
        ]);
        for map in ["lines", "confirmations"] {
            let Some(entries) = field(tree, map).and_then(Value::as_object) else {
                continue;
            };
            for entry in entries.values() {
                let reason = field(entry, "signed").map_or("", |signed| nested_text(signed, "reason", "text"));
                self.write_text([reason, text(entry, "batch"), text(entry, "remark")]);
            }
        }
    }

    fn read_collection_note(&mut self, tree: &Value) {
        self.state = text(tree, "outcome").to_owned();
        self.at = millis(tree, "at");
        self.read_position(tree);
        if let Some(promise) = field(tree, "promise") {
            self.amount = field(promise, "amount").and_then(|it| serde_json::from_value(it.clone()).ok());
            self.day = date(promise, "due");
        }
        let invoice = text(tree, "invoice_number");
        self.write_text([
            text(tree, "note"),
            text(tree, "person"),
            nested_text(tree, "next_step", "what"),
            invoice,
            text(tree, "receipt"),
            nested_text(tree, "closing", "difficulty"),
            nested_text(tree, "closing", "solution"),
        ]);
    }

    fn read_statement_confirmation(&mut self, tree: &Value) {
        self.at = millis(tree, "at");
        self.write_text([text(tree, "note"), text(tree, "person")]);
        let answers = field(tree, "answers").and_then(Value::as_object);
        for answer in answers.into_iter().flat_map(|answers| answers.values()) {
            if text(answer, "verdict") == "disputed" {
                "disputed".clone_into(&mut self.state);
            } else if self.state.is_empty() {
                "agreed".clone_into(&mut self.state);
            }
            self.write_text([text(answer, "remark")]);
        }
    }

    fn read_order(&mut self, tree: &Value) {
        self.state = text(tree, "state").to_owned();
        if self.state == "submitted" {
            // What the rep has to know first: held or refused beats submitted.
            let verdict = nested_text(tree, "credit", "verdict");
            if !verdict.is_empty() {
                self.state = verdict.to_owned();
            }
        }
        self.at = millis(tree, "at");
        self.day = date(tree, "wanted_by");
        self.read_position(tree);
        self.amount = serde_json::from_value::<Order>(tree.clone())
            .ok()
            .and_then(|order| order.total().ok());
        self.title = text(tree, "number").to_owned();
        self.write_text([text(tree, "number"), text(tree, "note")]);
    }

    fn read_review(&mut self, tree: &Value) {
        self.state = text(tree, "verdict").to_owned();
        self.at = millis(tree, "at");
        self.write_text([text(tree, "comment")]);
        if let Some(replies) = field(tree, "replies").and_then(Value::as_object) {
            for reply in replies.values() {
                self.write_text([text(reply, "text")]);
            }
        }
    }

    fn read_position(&mut self, holder: &Value) {
        self.mocked |= field(holder, "pos")
            .and_then(|position| position.get("mocked")?.as_bool())
            .unwrap_or(false);
    }

    fn write_text<'a>(&mut self, parts: impl IntoIterator<Item = &'a str>) {
        for part in parts.into_iter().filter(|part| !part.is_empty()) {
            if !self.text.is_empty() {
                self.text.push('\n');
            }
            self.text.push_str(part);
        }
    }
}

impl Visit {
    /// The name under which a state is stored in lists.
    pub fn state_name(&self) -> String {
        name_of(&self.state())
    }
}

fn name_of(state: &impl serde::Serialize) -> String {
    match serde_json::to_value(state) {
        Ok(Value::String(name)) => name,
        _ => String::new(),
    }
}

/// The field, unless it is absent or null.
fn field<'a>(tree: &'a Value, name: &str) -> Option<&'a Value> {
    tree.get(name).filter(|value| !value.is_null())
}

fn text<'a>(tree: &'a Value, name: &str) -> &'a str {
    tree.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn nested_text<'a>(tree: &'a Value, outer: &str, inner: &str) -> &'a str {
    tree.get(outer).map_or("", |it| text(it, inner))
}

fn parsed<T: std::str::FromStr>(tree: &Value, name: &str) -> Option<T> {
    tree.get(name)?.as_str()?.parse().ok()
}

fn date(tree: &Value, name: &str) -> Option<NaiveDate> {
    parsed(tree, name)
}

fn millis(tree: &Value, name: &str) -> Option<Timestamp> {
    tree.get(name)?.as_i64().map(Timestamp::from_millis)
}
