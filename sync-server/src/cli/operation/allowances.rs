//! Offline allowances as the office sees them: what is reserved, what it may come to at worst, and how much to reserve.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use chrono::{Days, NaiveDate};
use fieldledger_core::{
    model::{
        CreditLimit, Currency, Customer, CustomerId, DocumentKind, Grant, GrantState, LedgerRecord, RecordKind, UserId,
    },
    rules::allowance::{self, CreditPosition},
};
use rust_decimal::Decimal;

use super::{Outcome, desk::Desk, table::table};
use crate::{
    cli::Failure,
    ledger::allowances::{self, AllowanceExposure},
    store::{CustomerLedger, FeedFilter},
};

/// Planned visits that are looked through.
const MOST_VISITS: u32 = 10_000;

impl Desk<'_> {
    pub(super) async fn allowances(&self) -> Result<Outcome, Failure> {
        let grants = self.grants().await?;
        if grants.is_empty() {
            return Ok("No credit is reserved for a phone".to_owned().into());
        }
        let customers = self.customers().await?;
        let devices = self.state.store.devices(self.org).await?;
        let stale = i64::from(self.policy().await?.allowances.stale_hours) * 3_600_000;
        let now = self.state.clock.now();
        let mut reserved: BTreeMap<Currency, Decimal> = BTreeMap::new();
        let rows: Vec<Vec<String>> = grants
            .iter()
            .map(|it| {
                let unsettled = allowance::unsettled(it);
                *reserved.entry(unsettled.currency).or_default() += unsettled.amount;
                let device = devices.iter().find(|device| device.id == it.terms.device);
                let heard = device.and_then(|it| it.last_contact);
                let silent = heard.is_none_or(|at| now.millis_since(at) > stale);
                vec![
                    it.terms.id.to_string(),
                    named(&customers, it.terms.customer),
                    device.map_or_else(|| it.terms.device.to_string(), |it| it.name.clone()),
                    it.terms.amount.to_string(),
                    unsettled.to_string(),
                    allowance::worst_case(it).to_string(),
                    state_of(it),
                    it.terms.not_after.to_string(),
                    if silent { "stale" } else { "" }.to_owned(),
                ]
            })
            .collect();
        let head = [
            "ID", "CUSTOMER", "PHONE", "GRANTED", "RESERVED", "AT WORST", "STATE", "UNTIL", "PHONE IS",
        ];
        let mut text = table(&head, rows);
        for (currency, amount) in reserved {
            let _ = write!(text, "\nReserved in all: {currency} {amount}");
        }
        text.push_str("\n\n");
        text.push_str(&self.exposures(&customers, &grants).await?);
        Ok(text.into())
    }

    /// What the customers with allowances owe: at present, with what is reserved, and at worst.
    async fn exposures(&self, customers: &[Customer], grants: &[Grant]) -> Result<String, Failure> {
        let of: BTreeSet<CustomerId> = grants.iter().map(|it| it.terms.customer).collect();
        let mut rows = Vec::new();
        for customer in of {
            let Some(ledger) = self.state.store.customer_ledger(self.org, customer).await? else {
                continue;
            };
            let it =
                allowances::exposure(&ledger, self.state.clock.now()).map_err(|error| Failure::new(error.message))?;
            rows.push(vec![
                named(customers, customer),
                limit_of(&it.position),
                it.position.exposure.to_string(),
                it.position.reserved.to_string(),
                it.worst.to_string(),
                remark(&it).to_owned(),
            ]);
        }
        Ok(table(
            &["CUSTOMER", "LIMIT", "CURRENT", "RESERVED", "AT WORST", ""],
            rows,
        ))
    }

    /// How much to reserve, for the visits that are planned within the next `days`.
    pub(super) async fn suggest(
        &self,
        customer: Option<&str>,
        user: Option<&str>,
        days: Option<u32>,
    ) -> Result<Outcome, Failure> {
        let rep = match user {
            Some(login) => Some(self.account(login).await?.user),
            None => None,
        };
        let asked = match customer {
            Some(code) => Some(self.ledger_of(code).await?),
            None => None,
        };
        let policy = self.policy().await?;
        let days = days.unwrap_or_else(|| policy.allowances.valid_hours.div_ceil(24).max(1));
        let mut visits = self.planned(asked.as_ref(), rep, days).await?;
        if let Some(ledger) = &asked
            && visits.is_empty()
        {
            visits.insert((ledger.customer.id, rep), 0);
        }
        if visits.is_empty() {
            let text = format!("No visit is planned within {days} days, so nothing has to be reserved");
            return Ok(text.into());
        }
        let accounts = self.state.store.accounts(self.org).await?;
        let mut rows = Vec::new();
        for ((customer, rep), count) in visits {
            let Some(ledger) = self.state.store.customer_ledger(self.org, customer).await? else {
                continue;
            };
            let it = allowances::suggest(&ledger, rep, count, self.state.clock.now())
                .map_err(|error| Failure::new(error.message))?;
            let account = accounts.iter().find(|account| Some(account.user) == rep);
            rows.push(vec![
                format!("{} {}", ledger.customer.code, ledger.customer.name),
                account.map_or_else(String::new, |it| it.login.clone()),
                it.grade.map_or_else(|| "none".to_owned(), |it| format!("{it:?}")),
                count.to_string(),
                it.usual.map_or_else(|| "none".to_owned(), |it| it.to_string()),
                it.free.map_or_else(|| "without limit".to_owned(), |it| it.to_string()),
                it.reserved.to_string(),
                if it.on_hold {
                    "on hold".to_owned()
                } else {
                    it.amount.to_string()
                },
            ]);
        }
        let head = [
            "CUSTOMER",
            "REP",
            "GRADE",
            "PLANNED VISITS",
            "USUAL ORDER",
            "FREE",
            "RESERVED",
            "SUGGESTED",
        ];
        let mut text = table(&head, rows);
        text.push_str(
            "\nEach is suggested for itself: what is granted to one leaves less for the next. Reserve with `fieldledger \
             credit grant`",
        );
        Ok(text.into())
    }

    /// Visits that are planned from today on and not begun, by customer and rep.
    async fn planned(
        &self,
        of: Option<&CustomerLedger>,
        rep: Option<UserId>,
        days: u32,
    ) -> Result<BTreeMap<(CustomerId, Option<UserId>), u32>, Failure> {
        let filter = FeedFilter {
            kind: Some(DocumentKind::Visit),
            state: Some("planned".to_owned()),
            customer: of.map(|it| it.customer.id),
            owner: rep,
            limit: MOST_VISITS,
            ..FeedFilter::default()
        };
        let profile = self.state.store.records(self.org, &RecordKind::Organisation).await?;
        let zone = profile.into_iter().find_map(|it| match it.record {
            LedgerRecord::Organisation(profile) => Some(profile.time_zone),
            _ => None,
        });
        let zone = zone.ok_or_else(|| Failure::new("the company has no profile; its database is damaged"))?;
        let today = self.state.clock.now().date_in(zone);
        let end = today.checked_add_days(Days::new(days.into())).unwrap_or(NaiveDate::MAX);
        let mut counts = BTreeMap::new();
        for item in self.state.store.feed(self.org, &filter).await? {
            if let (Some(customer), Some(day)) = (item.summary.customer, item.day)
                && today <= day
                && day < end
            {
                *counts.entry((customer, item.summary.owner)).or_insert(0) += 1;
            }
        }
        Ok(counts)
    }
}

fn named(customers: &[Customer], id: CustomerId) -> String {
    let customer = customers.iter().find(|customer| customer.id == id);
    customer.map_or_else(String::new, |it| format!("{} {}", it.code, it.name))
}

fn limit_of(position: &CreditPosition) -> String {
    match position.limit {
        CreditLimit::NoLimit => "no limit".to_owned(),
        CreditLimit::Limited(limit) => limit.to_string(),
    }
}

/// What to say when the limit does not cover everything.
fn remark(it: &AllowanceExposure) -> &'static str {
    if it.is_above() {
        "above the limit"
    } else if it.is_above_at_worst() {
        "above the limit at worst"
    } else {
        ""
    }
}

fn state_of(grant: &Grant) -> String {
    let state = match grant.state {
        GrantState::Open => "open",
        GrantState::Recalled => "recalled",
        GrantState::Closed => "closed",
        GrantState::Expired => "expired",
        GrantState::WrittenOff => "written off",
    };
    if grant.taken_back_at.is_some() {
        format!("{state}, taken back")
    } else {
        state.to_owned()
    }
}
