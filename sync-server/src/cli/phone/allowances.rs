//! Offline allowances, and what the company decided about orders.

use std::fmt::Write as _;

use fieldledger_core::model::{OrderDecision, OrderEventKind};
use serde_json::json;

use super::{Done, Phone, Problem};
use crate::cli::table::plain;

impl Phone {
    pub(super) fn allowances(&self, give_back: Option<&str>) -> Done {
        let all = self.store.allowances(None)?;
        if let Some(wanted) = give_back {
            let mut matching = all
                .iter()
                .filter(|it| it.grant.terms.id.to_string().starts_with(wanted));
            let (Some(found), None) = (matching.next(), matching.next()) else {
                return Err(Problem::wrong(format!(
                    "no single open allowance begins with {wanted:?}; `phone allowances` tells which there are"
                )));
            };
            self.store.return_allowance(found.grant.terms.id)?;
            let text = format!("{} is given back with the next sync", found.remaining);
            return self.say(text, json!({ "given_back": found.grant.terms.id }));
        }
        let mut text = String::new();
        let mut list = Vec::new();
        for it in &all {
            let terms = &it.grant.terms;
            let name = self
                .store
                .customer(terms.customer)?
                .map(|it| it.name)
                .unwrap_or_default();
            let frozen = it
                .frozen
                .as_ref()
                .map(|why| format!("; not now: {why}"))
                .unwrap_or_default();
            let _ = writeln!(
                text,
                "{}  {} of {} left for {} until {}{frozen}",
                terms.id,
                it.remaining,
                terms.amount,
                plain(&name),
                terms.not_after
            );
            list.push(json!({ "grant": it.grant, "remaining": it.remaining, "frozen": it.frozen }));
        }
        if all.is_empty() {
            text.push_str("No credit is reserved for this phone.");
        }
        self.say(text.trim_end().to_owned(), json!(list))
    }

    pub(super) fn decision(&self, order: &str) -> Done {
        let id = self.find_document(order)?;
        let decision = self.store.order_decision(id)?;
        let text = match &decision {
            None => "The company has not said anything about this order yet; sync to ask.".to_owned(),
            Some(decision) => story(decision),
        };
        self.say(text, json!(decision))
    }
}

fn story(decision: &OrderDecision) -> String {
    let mut text = format!(
        "Order {} is {}",
        plain(&decision.number),
        format!("{:?}", decision.standing).to_lowercase()
    );
    if let Some(spend) = decision.spend {
        let _ = write!(text, ", spend {} of allowance {}", spend.seq, spend.grant);
    }
    for event in &decision.events {
        let what = match &event.what {
            OrderEventKind::Decided(verdict) => format!("decided: {verdict:?}"),
            OrderEventKind::Diverged { claimed, recomputed } => {
                format!("the phone said {claimed:?}, its own figures say {recomputed:?}")
            }
            OrderEventKind::Released => "let through".to_owned(),
            OrderEventKind::Refused => "turned down".to_owned(),
            OrderEventKind::Amended(verdict) => format!("changed: {verdict:?}"),
            OrderEventKind::Cancelled => "taken back".to_owned(),
            OrderEventKind::Closed => "closed".to_owned(),
            OrderEventKind::Reopened(verdict) => format!("opened again: {verdict:?}"),
            OrderEventKind::Delivered(number) => format!("delivered with {}", plain(number)),
            OrderEventKind::Invoiced(number) => format!("charged with {}", plain(number)),
            OrderEventKind::Other(_) => "something that a newer version knows".to_owned(),
        };
        let _ = write!(text, "\n  {}  {what}", event.at);
        if !event.reason.is_empty() {
            let _ = write!(text, ": {}", plain(&event.reason));
        }
        let failed = event
            .check
            .iter()
            .flat_map(|check| check.rules.iter().filter(|rule| !rule.passed));
        for rule in failed {
            let _ = write!(text, "\n    {}", plain(&rule.sentence));
        }
    }
    text
}
