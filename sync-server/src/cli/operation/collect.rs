//! Collecting: the daily round, warnings, reminders, stops of supply, and who is late in telling whom.

use std::fmt::Write as _;

use chrono::NaiveDate;
use clap::Subcommand;
use fieldledger_core::{
    model::{
        Delivery, DocumentKind, InvalidField, LedgerRecord, RecordKind, Timestamp, Warning, WarningLevel, WarningRule,
    },
    rules::{
        dunning::DunningProposal,
        timers::{self, ReceiptTimer, TimerState},
    },
};
use serde::{Deserialize, Serialize};

use super::{Outcome, desk::Desk, table::table};
use crate::{
    cli::Failure,
    jobs,
    ledger::{Actor, collecting, interest, notes},
    store::{CustomerLedger, Decide, FeedFilter},
};

/// Deliveries that are looked through for those that somebody has still to confirm.
const DELIVERIES: u32 = 2_000;

/// Something about collecting.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Subcommand)]
pub enum CollectAction {
    /// Make the daily round now: due dates, warnings, proposals to stop supply, statements
    Round,
    /// Tell the early warnings that stand, with their owners
    Warnings,
    /// Say that you have seen a warning and what you will do
    Acknowledge {
        /// The customer's number
        customer: String,
        /// The rule, as `collect warnings` names it
        rule: String,
        /// Login of who answers for it
        #[arg(long = "as", value_name = "LOGIN")]
        by: String,
        /// What you will do
        #[arg(long)]
        note: String,
    },
    /// Tell whom to remind of what today, and why not of the rest
    Reminders {
        /// Only the customer with this number
        customer: Option<String>,
    },
    /// Say that a reminder went out: the item reaches its next level
    Reminded {
        /// The customer's number
        customer: String,
        /// The invoice
        invoice: String,
        /// Its instalment
        #[arg(long, default_value_t = 1)]
        instalment: u32,
        /// Login of who sent it
        #[arg(long = "as", value_name = "LOGIN")]
        by: String,
    },
    /// Tell the late interest of a customer, line by line, and what of it was charged
    Interest {
        /// The customer's number
        customer: String,
        /// Up to this day, today when left out
        #[arg(long, value_name = "DATE")]
        as_of: Option<NaiveDate>,
    },
    /// Charge the interest that has accrued on an instalment and was not charged before
    ChargeInterest {
        /// The customer's number
        customer: String,
        /// The invoice
        invoice: String,
        /// Its instalment
        #[arg(long, default_value_t = 1)]
        instalment: u32,
        /// Login of who charges it
        #[arg(long = "as", value_name = "LOGIN")]
        by: String,
    },
    /// Say that the receipt or invoice for a payment went out to the customer
    Sent {
        /// The customer's number
        customer: String,
        /// The payment's reference
        receipt: String,
        /// Login of who sent it
        #[arg(long = "as", value_name = "LOGIN")]
        by: String,
    },
    /// Tell the stops of supply: proposed, in force
    Stops,
    /// Stop supply as was proposed
    Stop(AboutSupply),
    /// Decide against a proposed stop of supply
    KeepSupplying(AboutSupply),
    /// Let supply go on
    Resume(AboutSupply),
    /// Tell who is late: money that nobody was told of, deliveries that a party has not confirmed
    Timers,
}

/// A decision about supply.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, clap::Args)]
pub struct AboutSupply {
    /// The customer's number
    customer: String,
    /// Login of who decides
    #[arg(long = "as", value_name = "LOGIN")]
    by: String,
    /// Why
    #[arg(long)]
    reason: String,
}

impl Desk<'_> {
    pub(super) async fn collect(&self, action: CollectAction) -> Result<Outcome, Failure> {
        match action {
            CollectAction::Round => {
                let sum = jobs::look_after(self.state, self.org).await?;
                Ok(format!(
                    "Looked after {} customers: {} changed, {} statements issued, {} could not be counted (see the log)",
                    sum.customers, sum.changed, sum.statements, sum.failed
                )
                .into())
            }
            CollectAction::Warnings => self.warnings().await,
            CollectAction::Acknowledge {
                customer,
                rule,
                by,
                note,
            } => {
                let by = self.finance(&by).await?;
                let rule = rule_named(&rule)?;
                let ledger = self.ledger_of(&customer).await?;
                let (user, now) = (by.user, self.state.clock.now());
                let decide: Decide = Box::new(move |ledger| collecting::acknowledge(ledger, rule, user, &note, now));
                self.decide(ledger.customer.id, decide).await?;
                Ok(format!("{} answers for it", by.login).into())
            }
            CollectAction::Reminders { customer } => self.reminders(customer.as_deref()).await,
            CollectAction::Reminded {
                customer,
                invoice,
                instalment,
                by,
            } => {
                let by = self.finance(&by).await?;
                let ledger = self.ledger_of(&customer).await?;
                let promised = self.promises(&ledger).await?;
                let now = self.state.clock.now();
                let item = (invoice.as_str(), instalment);
                let raise = collecting::due_reminder(&ledger, item, &promised, now).map_err(failed)?;
                let user = by.user;
                let decide: Decide =
                    Box::new(move |ledger| collecting::reminded(ledger, (&invoice, instalment), &promised, user, now));
                self.decide(ledger.customer.id, decide).await?;
                Ok(raise.sentence().english.into())
            }
            CollectAction::Interest { customer, as_of } => self.interest(&customer, as_of).await,
            CollectAction::ChargeInterest {
                customer,
                invoice,
                instalment,
                by,
            } => {
                let by = self.finance(&by).await?;
                let ledger = self.ledger_of(&customer).await?;
                let (actor, now) = (Actor::from(by.user), self.state.clock.now());
                let item = format!("{invoice}/{instalment}");
                let decide: Decide =
                    Box::new(move |ledger| interest::charge(ledger, (&invoice, instalment), &actor, now));
                let charged = self.decide(ledger.customer.id, decide).await?;
                Ok(format!("{charged} of interest is charged on {item}").into())
            }
            CollectAction::Sent { customer, receipt, by } => {
                let by = self.finance(&by).await?;
                let ledger = self.ledger_of(&customer).await?;
                let (user, now) = (by.user, self.state.clock.now());
                let decide: Decide = Box::new(move |ledger| collecting::document_sent(ledger, &receipt, user, now));
                self.decide(ledger.customer.id, decide).await?;
                self.timers().await
            }
            CollectAction::Stops => self.stops().await,
            CollectAction::Stop(it) => {
                self.about_supply(it, |ledger, by, reason, now| {
                    collecting::decide_suspension(ledger, true, by, reason, now)
                })
                .await
            }
            CollectAction::KeepSupplying(it) => {
                self.about_supply(it, |ledger, by, reason, now| {
                    collecting::decide_suspension(ledger, false, by, reason, now)
                })
                .await
            }
            CollectAction::Resume(it) => self.about_supply(it, collecting::resume_supply).await,
            CollectAction::Timers => self.timers().await,
        }
    }

    async fn about_supply(
        &self,
        it: AboutSupply,
        decide: impl FnOnce(
            &CustomerLedger,
            fieldledger_core::model::UserId,
            &str,
            Timestamp,
        ) -> Result<crate::store::LedgerChange, InvalidField>
        + Send
        + 'static,
    ) -> Result<Outcome, Failure> {
        let by = self.finance(&it.by).await?;
        let ledger = self.ledger_of(&it.customer).await?;
        let (user, now, reason) = (by.user, self.state.clock.now(), it.reason);
        let decide: Decide = Box::new(move |ledger| decide(ledger, user, &reason, now));
        self.decide(ledger.customer.id, decide).await?;
        self.stops().await
    }

    async fn promises(
        &self,
        ledger: &CustomerLedger,
    ) -> Result<Vec<fieldledger_core::rules::promises::Promise>, Failure> {
        let zone = ledger.organisation.time_zone;
        Ok(notes::promises_of(&*self.state.store, self.org, ledger.customer.id, zone).await?)
    }

    async fn warnings(&self) -> Result<Outcome, Failure> {
        let records = self.state.store.records(self.org, &RecordKind::Warning).await?;
        let mut standing: Vec<Warning> = records
            .into_iter()
            .filter_map(|it| match it.record {
                LedgerRecord::Warning(warning) if warning.cleared_at.is_none() => Some(warning),
                _ => None,
            })
            .collect();
        if standing.is_empty() {
            return Ok("No warning stands".to_owned().into());
        }
        standing.sort_by_key(|it| (std::cmp::Reverse(it.level), it.raised_at, it.customer, it.rule));
        let customers = self.customers().await?;
        let accounts = self.state.store.accounts(self.org).await?;
        let name = |user| {
            let found = accounts.iter().find(|it| Some(it.user) == user);
            found.map_or_else(String::new, |it| it.name.clone())
        };
        let rows = standing.iter().map(|it| {
            let customer = customers.iter().find(|customer| customer.id == it.customer);
            let level = match it.level {
                WarningLevel::Warning => "warning",
                WarningLevel::Critical => "critical",
            };
            let seen = it.acknowledged.as_ref();
            vec![
                level.to_owned(),
                customer.map_or_else(String::new, |it| format!("{} {}", it.code, it.name)),
                it.rule.as_str().to_owned(),
                it.raised_at.to_string(),
                name(it.owner),
                seen.map_or_else(
                    || "nobody".to_owned(),
                    |it| format!("{}: {}", name(Some(it.by)), it.note),
                ),
                it.sentence.clone(),
            ]
        });
        let head = ["LEVEL", "CUSTOMER", "RULE", "SINCE", "OWNER", "ANSWERED BY", "WHAT"];
        Ok(table(&head, rows).into())
    }

    async fn reminders(&self, only: Option<&str>) -> Result<Outcome, Failure> {
        let mut rows = Vec::new();
        let now = self.state.clock.now();
        for customer in self.customers().await? {
            if only.is_some_and(|only| only != customer.code) {
                continue;
            }
            let ledger = self.ledger_of(&customer.code).await?;
            if ledger.invoices.is_empty() {
                continue;
            }
            let promised = self.promises(&ledger).await?;
            for (invoice, instalment, proposal) in collecting::reminders(&ledger, &promised, now).map_err(failed)? {
                let (today, why) = match proposal {
                    DunningProposal::Raise(raise) => ("remind", raise.sentence().english),
                    DunningProposal::Leave(why) => ("", why.sentence().english),
                };
                // Of everybody at once only what is to be done is told.
                if only.is_some() || !today.is_empty() {
                    rows.push(vec![
                        format!("{} {}", customer.code, customer.name),
                        invoice,
                        instalment.to_string(),
                        today.to_owned(),
                        why,
                    ]);
                }
            }
        }
        if rows.is_empty() {
            return Ok("Nobody is to be reminded today".to_owned().into());
        }
        Ok(table(&["CUSTOMER", "INVOICE", "NO", "TODAY", "WHY"], rows).into())
    }

    async fn interest(&self, customer: &str, as_of: Option<NaiveDate>) -> Result<Outcome, Failure> {
        let ledger = self.ledger_of(customer).await?;
        let today = self.state.clock.now().date_in(ledger.organisation.time_zone);
        let accrued = interest::accrued(&ledger, as_of.unwrap_or(today)).map_err(failed)?;
        if accrued.is_empty() {
            return Ok("No interest has accrued".to_owned().into());
        }
        let mut text = String::new();
        for it in &accrued {
            let _ = writeln!(text, "{}/{}", it.invoice_number, it.instalment);
            for line in &it.interest.lines {
                let _ = writeln!(text, "  {}", interest::explained(line));
            }
            let _ = writeln!(
                text,
                "  accrued {}, charged {}, to be charged {}",
                it.interest.accrued, it.charged, it.chargeable
            );
            for (tier, annual) in &it.too_dear {
                let _ = writeln!(
                    text,
                    "  WARNING: {} % a day from day {} is {} % a year, more than the {} % that the policy warns of",
                    tier.percent_per_day,
                    tier.from_day,
                    annual.normalize(),
                    ledger.policy.interest.annual_cap_percent.normalize()
                );
            }
        }
        Ok(text.trim_end().to_owned().into())
    }

    async fn stops(&self) -> Result<Outcome, Failure> {
        let customers = self.customers().await?;
        let records = self.state.store.records(self.org, &RecordKind::CreditAccount).await?;
        let mut rows = Vec::new();
        for stored in records {
            let LedgerRecord::CreditAccount(account) = stored.record else {
                continue;
            };
            let customer = customers.iter().find(|it| it.id == account.customer);
            for it in account.suspensions.iter().filter(|it| it.ended_on.is_none()) {
                let stands = match &it.decision {
                    None => "proposed".to_owned(),
                    Some(decision) if decision.suspend => format!("stopped on {}: {}", decision.on, decision.reason),
                    Some(_) => continue,
                };
                rows.push(vec![
                    customer.map_or_else(String::new, |it| format!("{} {}", it.code, it.name)),
                    it.proposed_on.to_string(),
                    stands,
                    it.grounds.clone(),
                ]);
            }
        }
        if rows.is_empty() {
            return Ok("Supply is stopped for nobody, and no stop is proposed"
                .to_owned()
                .into());
        }
        Ok(table(&["CUSTOMER", "PROPOSED", "STANDS", "WHY"], rows).into())
    }

    async fn timers(&self) -> Result<Outcome, Failure> {
        let (policy, now) = (self.policy().await?.timers, self.state.clock.now());
        let customers = self.customers().await?;
        let name = |id| {
            let found = customers.iter().find(|it| it.id == id);
            found.map_or_else(String::new, |it| format!("{} {}", it.code, it.name))
        };
        let mut rows = Vec::new();
        for stored in self.state.store.records(self.org, &RecordKind::Receipt).await? {
            let LedgerRecord::Receipt(receipt) = stored.record else {
                continue;
            };
            for (timer, state) in timers::receipt_timers(&receipt, &policy, now) {
                if let Some(stands) = words(state) {
                    rows.push(vec![
                        name(receipt.customer),
                        format!("receipt {}", receipt.reference),
                        who(timer).to_owned(),
                        stands,
                    ]);
                }
            }
        }
        let filter = FeedFilter {
            kind: Some(DocumentKind::Delivery),
            limit: DELIVERIES,
            ..FeedFilter::default()
        };
        let listed = self.state.store.feed(self.org, &filter).await?;
        let open = listed
            .into_iter()
            .filter(|it| it.summary.state == "signed")
            .map(|it| it.id);
        let open: Vec<_> = open.collect();
        for document in self.state.store.documents(self.org, &open).await?.into_iter().flatten() {
            let Ok(delivery) = serde_json::from_value::<Delivery>(document.tree) else {
                continue;
            };
            for (party, state) in timers::delivery_timers(&delivery, &policy, now).parties {
                if let Some(stands) = words(state) {
                    rows.push(vec![
                        name(delivery.customer),
                        format!("delivery {}", delivery.number),
                        format!("{} confirms", party.as_str()),
                        stands,
                    ]);
                }
            }
        }
        if rows.is_empty() {
            return Ok("Nobody is waited for".to_owned().into());
        }
        Ok(table(&["CUSTOMER", "ABOUT", "WHO DOES WHAT", "STANDS"], rows).into())
    }
}

fn failed(why: InvalidField) -> Failure {
    Failure::new(format!("{}: {}", why.field, why.message))
}

fn rule_named(name: &str) -> Result<WarningRule, Failure> {
    let found = WarningRule::ALL.into_iter().find(|it| it.as_str() == name);
    found.ok_or_else(|| {
        let all: Vec<&str> = WarningRule::ALL.iter().map(|it| it.as_str()).collect();
        Failure::new(format!("the rules are {}", all.join(", ")))
    })
}

const fn who(timer: ReceiptTimer) -> &'static str {
    match timer {
        ReceiptTimer::TellSales => "finance tells sales",
        ReceiptTimer::TellCustomer => "sales tells the customer",
        ReceiptTimer::SendDocument => "the receipt or invoice goes out",
    }
}

/// How a timer stands that somebody has still to stop; `None` for the others.
fn words(state: TimerState) -> Option<String> {
    let minutes = |millis: i64| millis / 60_000;
    match state {
        TimerState::Running { left, .. } => Some(format!("{} min left", minutes(left))),
        TimerState::Missed { took: None, over } => Some(format!("late by {} min", minutes(over))),
        _ => None,
    }
}
