//! What waits for a decision: a deck for each sort, with the first few and the way to where it is decided.

use fieldledger_core::{
    model::{Customer, Statement, StatementVerdict, Warning},
    rules::warnings,
};
use rust_decimal::Decimal;

use super::{
    NEWEST,
    among::{BROKEN_DAYS, overdue},
    picture::Picture,
};
use crate::{
    overview::Standing,
    store::FeedItem,
    web::{
        credit, feed,
        format::{self, Moment},
        messages::Language,
        page::Viewer,
        quarantine, refusal,
    },
};

/// One thing that waits.
pub(super) struct Item {
    pub(super) id: String,
    pub(super) href: String,
    pub(super) title: String,
    pub(super) details: Vec<String>,
    pub(super) at: Option<Moment>,
}

/// All things of one sort that wait.
pub(super) struct Deck {
    pub(super) id: &'static str,
    pub(super) title: &'static str,
    pub(super) lead: String,
    pub(super) count: u64,
    pub(super) items: Vec<Item>,
    /// Where all of them are.
    pub(super) all: Option<String>,
}

pub(super) fn decks(viewer: &Viewer, picture: &Picture) -> Vec<Deck> {
    let text = viewer.text;
    let mut decks = vec![
        held(viewer, picture),
        unconfirmed(viewer, picture),
        disputed(viewer, picture),
        disputed_statements(viewer, picture),
        disagreeing(viewer, picture),
        quarantined(viewer, picture),
        broken_promises(viewer, picture),
        stops_of_supply(viewer, picture),
        critical(viewer, picture),
    ];
    if viewer.may_see_devices() {
        decks.push(Deck {
            id: "stale",
            title: text.t("today.stale"),
            lead: text.t("today.stale_lead").to_owned(),
            count: picture.stale.len() as u64,
            items: picture
                .stale
                .iter()
                .take(NEWEST as usize)
                .map(|it| Item {
                    id: it.id.to_string(),
                    href: "/devices".to_owned(),
                    title: picture.names.person(it.user),
                    details: vec![it.name.clone(), text.fill("today.waits_on_phone", "count", it.waiting)],
                    at: it.last_contact.map(|at| Moment::new(at, viewer.zone)),
                })
                .collect(),
            all: Some("/devices".to_owned()),
        });
    }
    decks
}

fn held(viewer: &Viewer, picture: &Picture) -> Deck {
    let text = viewer.text;
    let held = &picture.overview.held;
    Deck {
        id: "held",
        title: text.t("today.held"),
        lead: text.t("today.held_lead").to_owned(),
        count: held.count,
        items: held
            .first
            .iter()
            .map(|it| {
                let total = credit::total(it).map(format::money);
                Item {
                    id: it.order.to_string(),
                    href: credit::place_of(it.order),
                    title: picture.names.customer_name(it.customer),
                    details: [Some(it.number.clone()), total, Some(picture.names.person(it.rep))]
                        .into_iter()
                        .flatten()
                        .filter(|it| !it.is_empty())
                        .collect(),
                    at: Some(Moment::new(it.received_at, viewer.zone)),
                }
            })
            .collect(),
        all: Some("/credit".to_owned()),
    }
}

fn unconfirmed(viewer: &Viewer, picture: &Picture) -> Deck {
    let text = viewer.text;
    let waiting = &picture.overview.unconfirmed;
    Deck {
        id: "unconfirmed",
        title: text.t("today.unconfirmed"),
        lead: text.fill("today.unconfirmed_lead", "hours", picture.confirm_hours),
        count: waiting.count,
        items: waiting
            .first
            .iter()
            .zip(&picture.missing)
            .map(|(it, missing)| {
                let parties: Vec<String> = missing.iter().map(|it| text.word("party", it.as_str())).collect();
                let late = it.summary.at.map(|at| {
                    let late = picture.now.millis_since(at) - i64::from(picture.confirm_hours) * 3_600_000;
                    text.fill(
                        "today.late_by",
                        "time",
                        format::duration(text, late.max(0).unsigned_abs()),
                    )
                });
                let mut item = document(viewer, picture, it);
                if !parties.is_empty() {
                    item.details
                        .push(text.fill("today.missing", "who", parties.join(text.t("today.and"))));
                }
                item.details.extend(late);
                item
            })
            .collect(),
        all: Some("/activity?late=1".to_owned()),
    }
}

fn disputed(viewer: &Viewer, picture: &Picture) -> Deck {
    let text = viewer.text;
    let waiting = &picture.overview.disputed;
    Deck {
        id: "disputed",
        title: text.t("today.disputed"),
        lead: text.t("today.disputed_lead").to_owned(),
        count: waiting.count,
        items: waiting
            .first
            .iter()
            .zip(&picture.disputing)
            .map(|(it, by)| {
                let by: Vec<String> = by.iter().map(|it| text.word("party", it.as_str())).collect();
                let mut item = document(viewer, picture, it);
                if !by.is_empty() {
                    item.details
                        .push(text.fill("today.disputed_by", "who", by.join(text.t("today.and"))));
                }
                item
            })
            .collect(),
        all: Some("/activity?kind=delivery&state=disputed".to_owned()),
    }
}

fn disputed_statements(viewer: &Viewer, picture: &Picture) -> Deck {
    let text = viewer.text;
    let statement = |(it, customer): &(Statement, Customer)| {
        let disputed = it.answers.values();
        let disputed = disputed.filter(|it| it.verdict == StatementVerdict::Disputed);
        let period = text.fill("statement.period", "from", it.from);
        Item {
            id: it.id.to_string(),
            href: format!("/receivables/statements/{}", it.id),
            title: customer.name.clone(),
            details: vec![
                period.replace("{to}", &it.to.to_string()),
                text.fill("today.lines_disputed", "count", disputed.clone().count()),
            ],
            at: disputed.map(|it| it.at).max().map(|at| Moment::new(at, viewer.zone)),
        }
    };
    Deck {
        id: "disputed-statements",
        title: text.t("today.disputed_statements"),
        lead: text.t("today.disputed_statements_lead").to_owned(),
        count: picture.statements.total,
        items: picture.statements.rows.iter().map(statement).collect(),
        all: Some("/receivables/statements?standing=disputed".to_owned()),
    }
}

fn disagreeing(viewer: &Viewer, picture: &Picture) -> Deck {
    let text = viewer.text;
    let waiting = &picture.overview.disagreeing;
    Deck {
        id: "disagreeing",
        title: text.t("today.disagreeing"),
        lead: text.t("today.disagreeing_lead").to_owned(),
        count: waiting.count,
        items: waiting.first.iter().map(|it| document(viewer, picture, it)).collect(),
        all: Some("/activity?disagreeing=1".to_owned()),
    }
}

/// A document as one thing that waits.
fn document(viewer: &Viewer, picture: &Picture, it: &FeedItem) -> Item {
    let kind = feed::kind_name(viewer.text, &it.summary.kind);
    let customer = it.summary.customer.map(|id| picture.names.customer_name(id));
    let rep = it.summary.owner.map(|id| picture.names.person(id));
    Item {
        id: it.id.to_string(),
        href: format!("/records/{}", it.id),
        title: customer.unwrap_or_else(|| kind.clone()),
        details: [Some(kind), Some(it.summary.title.clone()), rep]
            .into_iter()
            .flatten()
            .filter(|it| !it.is_empty())
            .collect(),
        at: it.summary.at.map(|at| Moment::new(at, viewer.zone)),
    }
}

fn quarantined(viewer: &Viewer, picture: &Picture) -> Deck {
    let text = viewer.text;
    let waiting = &picture.overview.quarantined;
    Deck {
        id: "quarantined",
        title: text.t("today.quarantined"),
        lead: text.t("today.quarantined_lead").to_owned(),
        count: waiting.count,
        items: waiting
            .first
            .iter()
            .map(|it| Item {
                id: it.digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect(),
                href: quarantine::address_of(&it.digest),
                title: text.word("rejection", quarantine::code_name(it.code)),
                details: vec![picture.names.person(it.user), refusal::spoken(text, &it.message)],
                at: Some(Moment::new(it.received_at, viewer.zone)),
            })
            .collect(),
        all: Some("/quarantine".to_owned()),
    }
}

fn broken_promises(viewer: &Viewer, picture: &Picture) -> Deck {
    let text = viewer.text;
    Deck {
        id: "broken",
        title: text.t("today.broken"),
        lead: text.fill("today.broken_lead", "days", BROKEN_DAYS),
        count: picture.among.broken.len() as u64,
        items: picture
            .among
            .broken
            .iter()
            .take(NEWEST as usize)
            .map(|it| Item {
                id: it.note.to_string(),
                href: format!("/records/{}", it.note),
                title: picture.names.customer_name(it.customer),
                details: [
                    Some(text.fill("today.promised_by", "day", it.due)),
                    Some(text.fill("today.amount_missing", "amount", format::money(it.missing))),
                    it.rep.map(|rep| picture.names.person(rep)),
                ]
                .into_iter()
                .flatten()
                .collect(),
                at: None,
            })
            .collect(),
        all: Some("/receivables/worklist".to_owned()),
    }
}

fn stops_of_supply(viewer: &Viewer, picture: &Picture) -> Deck {
    let text = viewer.text;
    Deck {
        id: "supply",
        title: text.t("today.supply"),
        lead: text.t("today.supply_lead").to_owned(),
        count: picture.among.stops.len() as u64,
        items: picture
            .among
            .stops
            .iter()
            .take(NEWEST as usize)
            .map(|it| {
                let rep = it.customer.rep.map(|rep| picture.names.person(rep));
                Item {
                    id: it.customer.id.to_string(),
                    href: format!("/customers/{}#supply", it.customer.id),
                    title: it.customer.name.clone(),
                    details: how_late(viewer, it).into_iter().chain(rep).collect(),
                    at: None,
                }
            })
            .collect(),
        all: Some("/receivables/reminders#supply".to_owned()),
    }
}

/// What is overdue of a customer, and since when.
fn how_late(viewer: &Viewer, it: &Standing) -> Option<String> {
    let amount = overdue(it).filter(|it| it.amount > Decimal::ZERO)?;
    let said = viewer.text.fill("today.overdue", "amount", format::money(amount));
    Some(said.replace("{days}", &it.overdue.oldest_days.to_string()))
}

fn critical(viewer: &Viewer, picture: &Picture) -> Deck {
    let text = viewer.text;
    let warned = &picture.among.warned;
    let sentence = |it: &Warning| {
        let sentence = it.facts.as_ref().map(warnings::sentence);
        let sentence = match (sentence, text.0) {
            (Some(it), Language::SimplifiedChinese) => it.chinese,
            (Some(it), Language::English) => it.english,
            (None, _) => it.sentence.clone(),
        };
        format::spoken(&sentence)
    };
    Deck {
        id: "critical",
        title: text.t("today.critical"),
        lead: text.t("today.critical_lead").to_owned(),
        count: warned.iter().map(|it| it.critical.len() as u64).sum(),
        items: warned
            .iter()
            .take(NEWEST as usize)
            .map(|it| Item {
                id: it.customer.id.to_string(),
                href: format!("/customers/{}#warnings", it.customer.id),
                title: it.customer.name.clone(),
                details: how_late(viewer, it)
                    .into_iter()
                    .chain(it.critical.iter().map(sentence))
                    .collect(),
                at: it.critical.first().map(|it| Moment::new(it.raised_at, viewer.zone)),
            })
            .collect(),
        all: Some("/credit/warnings?critical=1&unanswered=1".to_owned()),
    }
}
