//! What happened today, against what was planned.

use fieldledger_core::model::{DocumentKind, Money};

use super::picture::Picture;
use crate::{
    store::KindCount,
    web::{format, messages::Text},
};

/// A line of what happened against the plan.
pub(super) struct Progress {
    pub(super) name: &'static str,
    pub(super) href: String,
    pub(super) planned: Option<u64>,
    pub(super) done: Option<u64>,
    pub(super) happened: u64,
    pub(super) amounts: Vec<String>,
    /// What the list behind it holds and is not counted.
    pub(super) left_out: Option<String>,
}

pub(super) fn progress(text: Text, picture: &Picture) -> Vec<Progress> {
    let overview = &picture.overview;
    let day = picture.day;
    let count = |counts: &[KindCount], kind: DocumentKind, states: &[&str]| -> u64 {
        let of_kind = counts.iter().filter(|it| it.kind == kind);
        let wanted = of_kind.filter(|it| states.is_empty() || states.contains(&it.state.as_str()));
        wanted.map(|it| it.count).sum()
    };
    let href = |kind: &str| format!("/activity?kind={kind}&from={day}&to={day}");
    let money = |sums: &[Money]| sums.iter().map(|it| format::money(*it)).collect::<Vec<_>>();
    let planned = |kind: DocumentKind, done: &[&str]| {
        let all = count(&overview.planned, kind.clone(), &[]);
        let cancelled = count(&overview.planned, kind.clone(), &["cancelled"]);
        (Some(all - cancelled), Some(count(&overview.planned, kind, done)))
    };
    let visits = planned(DocumentKind::Visit, &["open", "done"]);
    let deliveries = planned(DocumentKind::Delivery, &["signed", "confirmed", "disputed"]);
    let refused = count(&overview.happened, DocumentKind::Order, &["refused"]);
    vec![
        Progress {
            name: text.t("today.visits"),
            href: href("visit"),
            planned: visits.0,
            done: visits.1,
            happened: count(&overview.happened, DocumentKind::Visit, &[]),
            amounts: Vec::new(),
            left_out: None,
        },
        Progress {
            name: text.t("today.deliveries"),
            href: href("delivery"),
            planned: deliveries.0,
            done: deliveries.1,
            happened: count(&overview.happened, DocumentKind::Delivery, &[]),
            amounts: Vec::new(),
            left_out: None,
        },
        Progress {
            name: text.t("today.orders"),
            href: href("order"),
            planned: None,
            done: None,
            happened: count(&overview.happened, DocumentKind::Order, &[])
                - count(
                    &overview.happened,
                    DocumentKind::Order,
                    &["draft", "refused", "cancelled"],
                ),
            amounts: money(&overview.ordered),
            left_out: (refused > 0).then(|| text.fill("today.refused", "count", refused)),
        },
        Progress {
            name: text.t("today.notes"),
            href: href("collection_note"),
            planned: None,
            done: None,
            happened: count(&overview.happened, DocumentKind::CollectionNote, &[]),
            amounts: money(&overview.promised),
            left_out: None,
        },
    ]
}
