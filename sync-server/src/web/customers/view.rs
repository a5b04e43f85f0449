//! What a customer's page shows, made from the customer's ledger.

use chrono::NaiveDate;
use fieldledger_core::{
    model::{
        CreditFile, CreditLimit, Currency, Customer, GrantMode, Horizon, Money, OrderDecision, StatementVerdict,
        Suspension,
    },
    rules::{
        ageing::{Ageing, Bucket},
        books::{OpenItem, UnallocatedCredit},
        exposure,
        promises::{PromiseResult, PromiseStanding},
    },
};
use rust_decimal::Decimal;

use super::super::{
    format::{self, Moment},
    messages::Text,
    names::Names,
    page::{Viewer, encoded},
    record::{Field, Shown, telephone},
    refusal,
};
use crate::{ledger::Draft, store::CustomerLedger};

pub(super) fn fact(label: &str, value: impl Into<String>) -> Field {
    let value = value.into();
    Field {
        label: label.to_owned(),
        value: if value.trim().is_empty() {
            Shown::Nothing
        } else {
            Shown::Text(value)
        },
        remarks: Vec::new(),
    }
}

fn doubt(label: &str, value: impl Into<String>) -> Field {
    Field {
        value: Shown::Doubt(value.into()),
        ..fact(label, "")
    }
}

pub(super) fn facts(viewer: &Viewer, names: &Names, customer: &Customer) -> Vec<Field> {
    let text = viewer.text;
    vec![
        fact(text.t("customers.code"), &customer.code),
        fact(text.t("customers.contact"), &customer.contact),
        Field {
            value: telephone(&customer.phone),
            ..fact(text.t("customers.phone"), "")
        },
        fact(text.t("customers.address"), &customer.address),
        fact(
            text.t("customers.rep"),
            customer.rep.map(|rep| names.person(rep)).unwrap_or_default(),
        ),
        fact(text.t("customers.territory"), names.territory(customer.territory)),
        fact(
            text.t("customer.position"),
            customer.position.as_ref().map_or_else(
                || text.t("customer.position_unknown").to_owned(),
                |it| format::position(text, it),
            ),
        ),
    ]
}

/// Exposure in per cent of the limit; `None` where that says nothing.
pub(super) fn share(exposure: Money, limit: Money) -> Option<Decimal> {
    if limit.currency != exposure.currency || limit.amount <= Decimal::ZERO {
        return None;
    }
    let share = exposure
        .amount
        .checked_mul(Decimal::ONE_HUNDRED)?
        .checked_div(limit.amount)?;
    // Rounded down: only what reaches the limit says 100.
    Some(share.floor())
}

/// The credit file as of now.
pub(super) struct CreditView {
    pub(super) as_of: Moment,
    pub(super) figures: Vec<Field>,
    /// What the exposure is made of.
    pub(super) parts: Vec<(String, String)>,
    pub(super) exposure: String,
    /// How much of the limit is used, from 0 to 100, for a gauge.
    pub(super) gauge: Option<u32>,
}

pub(super) fn credit(viewer: &Viewer, ledger: &CustomerLedger, file: &CreditFile, day: NaiveDate) -> CreditView {
    let text = viewer.text;
    let exposure = exposure::of_file(file, Horizon::Static, day);
    let mut figures = vec![
        fact(
            text.t("customer.grade"),
            file.grade.map_or_else(
                || text.t("customer.grade_none").to_owned(),
                |grade| format!("{grade:?}"),
            ),
        ),
        match file.limit {
            CreditLimit::NoLimit => fact(text.t("customer.limit"), text.t("customer.no_limit")),
            CreditLimit::Limited(limit) => fact(text.t("customer.limit"), format::money(limit)),
        },
        match exposure {
            Ok(exposure) => fact(text.t("customer.exposure"), format::money(exposure)),
            Err(_) => doubt(text.t("customer.exposure"), text.t("customer.mixed")),
        },
    ];
    let mut gauge = None;
    if let (CreditLimit::Limited(limit), Ok(exposure)) = (file.limit, &exposure)
        && let Some(percent) = share(*exposure, limit)
    {
        let shown = format!("{percent} %");
        figures.push(if percent >= Decimal::ONE_HUNDRED {
            doubt(text.t("customer.used"), shown)
        } else {
            fact(text.t("customer.used"), shown)
        });
        gauge = u32::try_from(percent.clamp(Decimal::ZERO, Decimal::ONE_HUNDRED)).ok();
    }
    if let Ok(position) = Draft::of(ledger).position(file.as_of)
        && position.reserved.amount > Decimal::ZERO
    {
        figures.push(fact(text.t("credit.reserved"), format::money(position.reserved)));
        if let Ok(Some(free)) = position.headroom() {
            figures.push(fact(text.t("customer.free"), format::money(free)));
        }
    }
    figures.extend([
        fact(
            text.t("customer.terms"),
            text.fill("customer.terms_days", "days", file.terms_days),
        ),
        if file.on_hold {
            let why = if file.hold_reason.is_empty() {
                text.t("record.yes")
            } else {
                &file.hold_reason
            };
            doubt(text.t("customer.on_hold"), why)
        } else {
            fact(text.t("customer.on_hold"), text.t("record.no"))
        },
        if file.overdue.amount > Decimal::ZERO {
            doubt(text.t("customer.overdue"), format::money(file.overdue))
        } else {
            fact(text.t("customer.overdue"), format::money(file.overdue))
        },
        fact(
            text.t("customer.oldest_due"),
            file.oldest_due.map(|it| it.to_string()).unwrap_or_default(),
        ),
        match file.review_valid_until {
            Some(until) if until < day => doubt(text.t("customer.assessed_until"), until.to_string()),
            Some(until) => fact(text.t("customer.assessed_until"), until.to_string()),
            None => doubt(text.t("customer.assessed_until"), text.t("customer.never_assessed")),
        },
        fact(text.t("customer.dunning_level"), file.dunning_level.to_string()),
    ]);
    CreditView {
        as_of: Moment::new(file.as_of, viewer.zone),
        figures,
        parts: [
            ("customer.open_receivables", file.open_receivables),
            ("customer.special_liabilities", file.special_liabilities),
            ("customer.delivered_not_invoiced", file.delivered_not_invoiced),
            ("customer.open_orders", file.open_orders),
        ]
        .into_iter()
        .map(|(key, amount)| (text.t(key).to_owned(), format::money(amount)))
        .collect(),
        exposure: exposure.map_or_else(|_| text.t("customer.mixed").to_owned(), format::money),
        gauge,
    }
}

/// A line of the history of grade, limit and terms.
pub(super) struct TermsRow {
    pub(super) from: String,
    pub(super) grade: String,
    pub(super) limit: String,
    pub(super) days: u32,
    pub(super) reason: String,
    pub(super) by: String,
    pub(super) recorded: Moment,
    /// `now`, `later` or nothing.
    pub(super) when: &'static str,
}

pub(super) fn terms(viewer: &Viewer, names: &Names, ledger: &CustomerLedger, day: NaiveDate) -> Vec<TermsRow> {
    let text = viewer.text;
    let present = ledger.account.terms_on(day);
    let mut rows: Vec<_> = ledger.account.terms.iter().collect();
    rows.sort_by_key(|it| std::cmp::Reverse((it.effective_from, it.recorded_at)));
    rows.into_iter()
        .map(|it| TermsRow {
            from: it.effective_from.to_string(),
            grade: it
                .grade
                .map_or_else(|| text.t("customer.grade_none").to_owned(), |it| format!("{it:?}")),
            limit: match it.limit {
                CreditLimit::NoLimit => text.t("customer.no_limit").to_owned(),
                CreditLimit::Limited(limit) => format::money(limit),
            },
            days: it.terms_days,
            reason: it.reason.clone(),
            by: it
                .by
                .map_or_else(|| text.t("customer.by_software").to_owned(), |id| names.person(id)),
            recorded: Moment::new(it.recorded_at, viewer.zone),
            when: if present.is_some_and(|present| std::ptr::eq(present, it)) {
                "now"
            } else if it.effective_from > day {
                "later"
            } else {
                ""
            },
        })
        .collect()
}

/// A stop of supply.
pub(super) struct StopView {
    pub(super) proposed_on: String,
    pub(super) grounds: String,
    /// What was decided, by whom and why.
    pub(super) decision: Option<(String, String, String)>,
    pub(super) ended_on: Option<String>,
    /// `propose` while a person has to decide, `resume` while it is in force.
    pub(super) open: &'static str,
}

pub(super) fn stop(viewer: &Viewer, names: &Names, it: &Suspension, day: NaiveDate) -> StopView {
    let text = viewer.text;
    let running = it.ended_on.is_none_or(|end| day < end);
    StopView {
        proposed_on: it.proposed_on.to_string(),
        grounds: format::spoken(&refusal::in_words(viewer.text, &it.grounds).unwrap_or_else(|| it.grounds.clone())),
        decision: it.decision.as_ref().map(|decision| {
            let key = if decision.suspend {
                "customer.supply_stopped"
            } else {
                "customer.supply_kept"
            };
            (
                text.fill(key, "day", decision.on),
                names.person(decision.by),
                decision.reason.clone(),
            )
        }),
        ended_on: it.ended_on.map(|it| it.to_string()),
        open: match &it.decision {
            None if running => "propose",
            Some(decision) if decision.suspend && it.ended_on.is_none() => "resume",
            _ => "",
        },
    }
}

/// An open item.
pub(super) struct ItemRow {
    pub(super) href: String,
    pub(super) number: String,
    pub(super) instalment: u32,
    pub(super) order: String,
    pub(super) due: String,
    pub(super) days: Shown,
    pub(super) amount: String,
    pub(super) open: String,
    pub(super) level: u8,
    pub(super) marks: Vec<String>,
}

pub(super) fn items(viewer: &Viewer, customer: &Customer, items: &[OpenItem], day: NaiveDate) -> Vec<ItemRow> {
    let text = viewer.text;
    items
        .iter()
        .map(|it| ItemRow {
            href: invoice_address(customer, &it.invoice_number),
            number: it.invoice_number.clone(),
            instalment: it.instalment,
            order: it.order_number.clone().unwrap_or_default(),
            due: it
                .due_on
                .map_or_else(|| text.t("customer.no_due_date").to_owned(), |it| it.to_string()),
            days: match it.days_late(day) {
                Some(days) if days > 0 => Shown::Doubt(days.to_string()),
                // Not late: the day on which it is due stands beside it.
                _ => Shown::Nothing,
            },
            amount: format::money(Money::new(it.amount, it.currency)),
            open: format::money(Money::new(it.open(), it.currency)),
            level: it.dunning_level,
            marks: [
                (it.disputed, "customer.disputed"),
                (it.retention, "customer.retention"),
                (it.original_due_on != it.due_on, "customer.extended"),
            ]
            .into_iter()
            .filter(|(is, _)| *is)
            .map(|(_, key)| text.t(key).to_owned())
            .collect(),
        })
        .collect()
}

/// The page of an invoice.
pub(in crate::web) fn invoice_address(customer: &Customer, number: &str) -> String {
    format!("/customers/{}/invoices/{}", customer.id, encoded(number))
}

/// The page of a receipt or a credit note.
pub(in crate::web) fn source_address(customer: &Customer, cash: bool, name: &str) -> String {
    let kind = if cash { "receipts" } else { "credit-notes" };
    format!("/customers/{}/{kind}/{}", customer.id, encoded(name))
}

/// What is open by bucket, in one currency.
pub(super) struct AgeingView {
    pub(super) currency: String,
    pub(super) buckets: Vec<String>,
    pub(super) open: String,
    pub(super) credits: String,
    pub(super) balance: String,
}

pub(super) fn ageing(items: &[OpenItem], credits: &[UnallocatedCredit], day: NaiveDate) -> Vec<AgeingView> {
    let Ok(ageing) = Ageing::of(day, items, credits) else {
        return Vec::new();
    };
    let shown = |amount: Decimal, currency: Currency| format::amount(amount, currency.minor_digits());
    ageing
        .rows()
        .map(|(currency, row)| AgeingView {
            currency: currency.to_string(),
            buckets: Bucket::ALL.map(|it| shown(row.in_bucket(it), currency)).to_vec(),
            open: shown(row.open(), currency),
            credits: shown(row.credits(), currency),
            balance: shown(row.balance(), currency),
        })
        .collect()
}

/// The names of the buckets.
pub(in crate::web) fn bucket_names(text: Text) -> [&'static str; 6] {
    [
        text.t("receivables.not_due"),
        "1–30",
        "31–60",
        "61–90",
        "91–120",
        text.t("receivables.over_120"),
    ]
}

/// A promise and what became of it.
pub(super) struct PromiseRow {
    pub(super) href: String,
    pub(super) made: String,
    pub(super) due: String,
    pub(super) amount: String,
    pub(super) received: String,
    pub(super) missing: String,
    pub(super) invoice: String,
    pub(super) standing: Shown,
}

pub(super) fn promise(viewer: &Viewer, it: &PromiseResult) -> PromiseRow {
    let currency = it.promise.amount.currency;
    let (name, good) = match it.standing {
        PromiseStanding::Running => ("running", None),
        PromiseStanding::Kept => ("kept", Some(true)),
        PromiseStanding::PartlyKept => ("partly_kept", Some(false)),
        PromiseStanding::Broken => ("broken", Some(false)),
    };
    let word = viewer.text.word("promise", name);
    PromiseRow {
        href: format!("/records/{}", it.promise.note),
        made: it.promise.made_on.to_string(),
        due: it.promise.due.to_string(),
        amount: format::money(it.promise.amount),
        received: format::money(Money::new(it.received, currency)),
        missing: format::money(Money::new(it.missing(), currency)),
        invoice: it.promise.invoice_number.clone().unwrap_or_default(),
        standing: match good {
            None => Shown::Text(word),
            Some(true) => Shown::Good(word),
            Some(false) => Shown::Doubt(word),
        },
    }
}

/// A statement of account in a list.
pub(super) struct StatementRow {
    pub(super) href: String,
    pub(super) period: String,
    pub(super) issued: Moment,
    pub(super) closing: String,
    pub(super) lines: usize,
    pub(super) confirmed: usize,
    pub(super) disputed: usize,
}

pub(super) fn statement(viewer: &Viewer, it: &fieldledger_core::model::Statement) -> StatementRow {
    let count = |verdict| it.answers.values().filter(|answer| answer.verdict == verdict).count();
    StatementRow {
        href: format!("/receivables/statements/{}", it.id),
        period: viewer
            .text
            .fill("statement.period", "from", it.from)
            .replace("{to}", &it.to.to_string()),
        issued: Moment::new(it.issued_at, viewer.zone),
        closing: format::money(it.closing),
        lines: it.lines.len(),
        confirmed: count(StatementVerdict::Confirmed),
        disputed: count(StatementVerdict::Disputed),
    }
}

/// An order that a rep took.
pub(super) struct OrderRow {
    pub(super) href: String,
    pub(super) number: String,
    pub(super) received: Moment,
    pub(super) rep: String,
    pub(super) total: String,
    pub(super) standing: Shown,
}

pub(super) fn order(viewer: &Viewer, names: &Names, it: &OrderDecision) -> OrderRow {
    use super::super::credit::{standing_name, total};
    let name = standing_name(it.standing);
    let word = viewer.text.word("standing", name);
    OrderRow {
        href: format!("/records/{}", it.order),
        number: it.number.clone(),
        received: Moment::new(it.received_at, viewer.zone),
        rep: names.person(it.rep),
        total: total(it).map_or_else(|| "–".to_owned(), format::money),
        standing: match name {
            "approved" | "released" => Shown::Good(word),
            "held" | "refused" => Shown::Doubt(word),
            _ => Shown::Text(word),
        },
    }
}

/// The mode of an allowance, as a form names it.
pub(super) fn mode_named(name: &str) -> Option<GrantMode> {
    match name {
        "lease" => Some(GrantMode::Lease),
        "strict" => Some(GrantMode::Strict),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_of_the_limit_says_a_hundred_only_when_it_is_reached() {
        let cny = |amount: i64| Money::new(Decimal::new(amount, 2), Currency::CNY);
        assert_eq!(share(cny(9_999), cny(10_000)), Some(99.into()));
        assert_eq!(share(cny(10_000), cny(10_000)), Some(100.into()));
        assert_eq!(share(cny(1), cny(0)), None);
        assert_eq!(share(cny(1), Money::new(1.into(), Currency::USD)), None);
    }
}
