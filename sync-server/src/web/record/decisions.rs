//! What was decided about a record: by the rules and people on an order, and by whoever stands in the audit log.

use fieldledger_core::model::{
    DocumentId, DocumentKind, LedgerRecord, OrderDecision, OrderEvent, OrderEventKind, RecordKind, Timestamp, UserId,
};
use serde_json::Value;

use super::Voice;
use crate::{
    state::AppState,
    store::AuditEntry,
    web::{error::PageError, format::Moment, messages::Text, names::key, page::Viewer},
};

/// Lines of the audit log on the page.
pub(super) const MOST_AUDITED: u32 = 100;

/// Something that somebody decided about the record.
pub(super) struct Decision {
    pub(super) at: Moment,
    pub(super) who: String,
    pub(super) what: String,
    pub(super) reason: String,
}

/// What the company decided about an order, and what the audit log holds about the record.
pub(super) async fn decided(
    app: &AppState,
    viewer: &Viewer,
    id: DocumentId,
    kind: &DocumentKind,
) -> Result<(Option<OrderDecision>, Vec<AuditEntry>), PageError> {
    let org = viewer.account.organisation;
    let order = if *kind == DocumentKind::Order {
        let stored = app.store.record(org, &key(RecordKind::OrderDecision, id)).await?;
        match stored.map(|it| it.record) {
            Some(LedgerRecord::OrderDecision(decision)) => Some(decision),
            _ => None,
        }
    } else {
        None
    };
    let audited = app.store.audited_of(org, &id.to_string(), MOST_AUDITED).await?;
    Ok((order, audited))
}

/// Both in words, the newest first. What is an event of the order is not told again from the audit log.
pub(super) fn decisions(voice: Voice<'_>, events: &[OrderEvent], audited: Vec<AuditEntry>) -> Vec<Decision> {
    let text = voice.text;
    let mut told: Vec<(Timestamp, Decision)> = events
        .iter()
        .map(|it| {
            let (name, more) = event_words(text, &it.what);
            let decision = Decision {
                at: Moment::new(it.at, voice.zone),
                who: it
                    .by
                    .map_or_else(|| text.t("decision.rules").to_owned(), |by| voice.names.person(by)),
                what: if more.is_empty() {
                    name
                } else {
                    format!("{name}: {more}")
                },
                reason: it.reason.clone(),
            };
            (it.at, decision)
        })
        .collect();
    let audited = audited
        .into_iter()
        .filter(|it| events.is_empty() || !it.action.starts_with("order."));
    told.extend(audited.map(|it| {
        let who = match it.actor.parse::<UserId>() {
            Ok(user) => voice.names.person(user),
            Err(_) => it.actor,
        };
        let decision = Decision {
            at: Moment::new(it.at, voice.zone),
            who,
            what: text.word("audit_action", &it.action),
            reason: it.detail,
        };
        (it.at, decision)
    }));
    told.sort_by_key(|line| std::cmp::Reverse(line.0));
    told.into_iter().map(|(_, decision)| decision).collect()
}

/// What happened to an order, and with what result.
fn event_words(text: Text, what: &OrderEventKind) -> (String, String) {
    let Ok(value) = serde_json::to_value(what) else {
        return (String::new(), String::new());
    };
    match value {
        Value::String(name) => (text.word("order_event", &name), String::new()),
        Value::Object(map) => match map.into_iter().next() {
            Some((name, Value::String(more))) => {
                let more = text.known_word("verdict", &more).map_or(more.clone(), str::to_owned);
                (text.word("order_event", &name), more)
            }
            Some((name, more)) => (text.word("order_event", &name), more.to_string()),
            None => (String::new(), String::new()),
        },
        other => (other.to_string(), String::new()),
    }
}
