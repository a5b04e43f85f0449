//! What was decided about a record: by the rules and people on an order, and by whoever stands in the audit log.

use fieldledger_core::model::{
    DocumentId, DocumentKind, LedgerRecord, OrderDecision, OrderEvent, RecordKind, Timestamp, UserId,
};

use super::Voice;
use crate::{
    state::AppState,
    store::AuditEntry,
    web::{
        credit::{event_words, reasons::failed},
        error::PageError,
        format::Moment,
        names::key,
        page::Viewer,
    },
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
            let decision = Decision {
                at: Moment::new(it.at, voice.zone),
                who: it
                    .by
                    .map_or_else(|| text.t("decision.rules").to_owned(), |by| voice.names.person(by)),
                what: event_words(text, &it.what).0,
                // Of the rules, why: the figures are those of the moment.
                reason: match &it.check {
                    Some(check) if it.reason.is_empty() => failed(text, voice.zone, check).join(" "),
                    _ => it.reason.clone(),
                },
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
            // What was chosen, and what was said, stands on this page in words: in the changes, and in the review.
            reason: if ["record.settled", "review.made"].contains(&it.action.as_str()) {
                String::new()
            } else {
                it.detail
            },
        };
        (it.at, decision)
    }));
    told.sort_by_key(|line| std::cmp::Reverse(line.0));
    told.into_iter().map(|(_, decision)| decision).collect()
}
