//! A customer's ledger while a decision is made about it.

use std::collections::{BTreeMap, BTreeSet};

use fieldledger_core::{
    model::{
        CreditDecision, CreditFile, CreditLimit, Guarantee, Horizon, InvalidField, LedgerRecord, Money, RecordKey,
        Timestamp,
    },
    rules::{
        allowance::{self, CreditPosition},
        books::{self, CustomerBooks},
        credit::{self, CreditQuestion},
        exposure::{self, DayRates, FileSources},
    },
};
use rust_decimal::Decimal;

use crate::store::{AuditEntry, CustomerLedger, LedgerChange, Requirement};

/// A customer's ledger with what a decision has changed so far.
#[derive(Clone, Debug)]
pub struct Draft {
    ledger: CustomerLedger,
    changed: BTreeMap<RecordKey, LedgerRecord>,
    audit: Vec<AuditEntry>,
    requires: Vec<Requirement>,
}

/// Why the rules could not say where a customer stands.
fn uncountable(error: impl std::fmt::Display) -> InvalidField {
    InvalidField::new("credit", error.to_string())
}

impl Draft {
    /// Nothing has been changed yet.
    pub fn of(ledger: &CustomerLedger) -> Self {
        Self {
            ledger: ledger.clone(),
            changed: BTreeMap::new(),
            audit: Vec::new(),
            requires: Vec::new(),
        }
    }

    /// The ledger as it is after the changes so far.
    pub const fn ledger(&self) -> &CustomerLedger {
        &self.ledger
    }

    /// Whether anything has been changed.
    pub fn is_changed(&self) -> bool {
        !self.changed.is_empty()
    }

    /// Writes a record, new or in a new version.
    pub fn put(&mut self, record: impl Into<LedgerRecord>) {
        let record = record.into();
        let key = record.key();
        let ledger = &mut self.ledger;
        macro_rules! replace {
            ($list:ident, $new:expr) => {{
                let new = $new.clone();
                let same = |it: &&mut _| LedgerRecord::from(Clone::clone(&**it)).key() == key;
                match ledger.$list.iter_mut().find(same) {
                    Some(old) => *old = new,
                    None => ledger.$list.push(new),
                }
            }};
        }
        match &record {
            LedgerRecord::CreditAccount(it) => ledger.account.clone_from(it),
            LedgerRecord::CreditFile(it) => ledger.file = Some(it.clone()),
            LedgerRecord::Customer(it) => ledger.customer.clone_from(it),
            LedgerRecord::Policy(it) => ledger.policy.clone_from(it),
            LedgerRecord::Organisation(it) => ledger.organisation.clone_from(it),
            LedgerRecord::Contract(it) => replace!(contracts, it),
            LedgerRecord::Order(it) => replace!(orders, it),
            LedgerRecord::OrderDecision(it) => replace!(decisions, it),
            LedgerRecord::Delivery(it) => replace!(deliveries, it),
            LedgerRecord::Invoice(it) => replace!(invoices, it),
            LedgerRecord::CreditNote(it) => replace!(credit_notes, it),
            LedgerRecord::Receipt(it) => replace!(receipts, it),
            LedgerRecord::Grant(it) => replace!(grants, it),
            LedgerRecord::Statement(it) => replace!(statements, it),
            LedgerRecord::Warning(it) => replace!(warnings, it),
            LedgerRecord::Territory(_)
            | LedgerRecord::Person(_)
            | LedgerRecord::Product(_)
            | LedgerRecord::Target(_)
            | LedgerRecord::UnidentifiedReceipt(_) => {}
        }
        self.changed.insert(key, record);
    }

    /// Writes a line of the audit log.
    pub fn audit(&mut self, line: AuditEntry) {
        self.audit.push(line);
    }

    /// Frees the leases whose grace is over by the server's clock. A decision begins with it: nothing else has to run for
    /// credit to come back in time.
    pub(super) fn end_leases(&mut self, now: Timestamp) {
        let grace = self.ledger.policy.allowances.grace_hours;
        for mut grant in self.ledger.grants.clone() {
            if allowance::expire(&mut grant, grace, now) {
                self.audit(AuditEntry {
                    at: now,
                    actor: "server".to_owned(),
                    action: "allowance.expired".to_owned(),
                    subject: grant.terms.id.to_string(),
                    detail: format!("{} for {}", grant.terms.amount, self.ledger.customer.code),
                });
                self.put(grant);
            }
        }
    }

    /// Asks back the allowances that should come back when more is owed and reserved than the limit allows.
    ///
    /// # Errors
    /// As [`Self::file`].
    pub(super) fn recall_excess(&mut self, now: Timestamp, actor: &str, reason: &str) -> Result<(), InvalidField> {
        let position = self.position(now)?;
        let asked = allowance::recalls(&self.ledger.grants, &position).map_err(uncountable)?;
        for mut grant in self.ledger.grants.clone() {
            if asked.contains(&grant.terms.id) && allowance::recall(&mut grant, reason) {
                self.audit(AuditEntry {
                    at: now,
                    actor: actor.to_owned(),
                    action: "allowance.recalled".to_owned(),
                    subject: grant.terms.id.to_string(),
                    detail: reason.to_owned(),
                });
                self.put(grant);
            }
        }
        Ok(())
    }

    /// Makes the change depend on something that is not part of the ledger: see [`Requirement`].
    pub fn require(&mut self, requirement: Requirement) {
        self.requires.push(requirement);
    }

    /// The credit file as of `now`. A customer about whom no account has been kept (an imported file only) keeps that
    /// file, with what phones have ordered since on top.
    ///
    /// # Errors
    /// [`InvalidField`] when a rate is missing, books contradict themselves or a sum overflows.
    pub fn file(&self, now: Timestamp) -> Result<CreditFile, InvalidField> {
        let ledger = &self.ledger;
        let zone = ledger.organisation.time_zone;
        let day = now.date_in(zone);
        if ledger.account.terms.is_empty()
            && let Some(imported) = &ledger.file
        {
            let mut file = imported.clone();
            let currency = file.open_receivables.currency;
            let rates = DayRates {
                rates: &ledger.policy.rates,
                day,
            };
            let mut add = |amount: Money, to: fn(&mut CreditFile) -> &mut Money| {
                let amount = rates.convert(amount, currency).map_err(uncountable)?;
                let sum = to(&mut file);
                *sum = sum.checked_add(amount).map_err(uncountable)?;
                Ok::<_, InvalidField>(())
            };
            for decision in &ledger.decisions {
                let (open, uninvoiced) = exposure::counted(decision).map_err(uncountable)?;
                add(open, |file| &mut file.open_orders)?;
                add(uninvoiced, |file| &mut file.delivered_not_invoiced)?;
            }
            file.reserved = Some(self.reserved(currency)?).filter(|it| it.amount != Decimal::ZERO);
            return Ok(file);
        }
        let books = CustomerBooks {
            invoices: &ledger.invoices,
            receipts: &ledger.receipts,
            credit_notes: &ledger.credit_notes,
        };
        let items = books::open_items(&books, day).map_err(uncountable)?;
        let unallocated = books::unallocated(&books, day).map_err(uncountable)?;
        let invoiced_orders: BTreeSet<String> = ledger
            .invoices
            .iter()
            .filter_map(|it| it.order_number.clone())
            .collect();
        exposure::credit_file(
            &FileSources {
                account: &ledger.account,
                policy: &ledger.policy,
                items: &items,
                unallocated: &unallocated,
                decisions: &ledger.decisions,
                orders: &ledger.orders,
                invoiced_orders: &invoiced_orders,
                books_have_invoices: !ledger.invoices.is_empty(),
                grants: &ledger.grants,
                currency: ledger.organisation.currency,
            },
            now,
            zone,
        )
        .map_err(uncountable)
    }

    /// Writes the credit file anew when what was decided for a later day has come into force: grade, limit, terms, a hold,
    /// an assessment. What merely becomes overdue from one day to the next a phone tells from the due dates in the file.
    ///
    /// # Errors
    /// As [`Self::file`].
    pub(super) fn renew_file(&mut self, now: Timestamp) -> Result<(), InvalidField> {
        if self.ledger.account.terms.is_empty() {
            return Ok(());
        }
        let file = self.file(now)?;
        let decided = |it: &CreditFile| {
            (
                it.grade,
                it.limit,
                it.terms_days,
                it.on_hold,
                it.hold_reason.clone(),
                it.review_valid_until,
            )
        };
        let renewed = self
            .ledger
            .file
            .as_ref()
            .is_none_or(|before| decided(before) != decided(&file));
        if renewed {
            self.put(file);
        }
        Ok(())
    }

    fn reserved(&self, currency: fieldledger_core::model::Currency) -> Result<Money, InvalidField> {
        allowance::reserved(&self.ledger.grants, Money::zero(currency)).map_err(uncountable)
    }

    /// Where the customer's credit stands: L, X and G.
    ///
    /// # Errors
    /// As [`Self::file`].
    pub fn position(&self, now: Timestamp) -> Result<CreditPosition, InvalidField> {
        let file = self.file(now)?;
        let day = now.date_in(self.ledger.organisation.time_zone);
        let exposure = exposure::of_file(&file, Horizon::Static, day).map_err(uncountable)?;
        Ok(CreditPosition {
            limit: file.limit,
            exposure,
            reserved: self.reserved(exposure.currency)?,
        })
    }

    /// The check of an order of `total`, made here and now: what passes is approved.
    ///
    /// # Errors
    /// As [`Self::file`].
    pub fn check(&self, total: Money, now: Timestamp) -> Result<CreditDecision, InvalidField> {
        let ledger = &self.ledger;
        let file = self.file(now)?;
        let currency = file.open_receivables.currency;
        // No file, no account: nobody has decided anything about this customer.
        let known = !ledger.account.terms.is_empty() || ledger.file.is_some();
        let inputs = credit::gather(&CreditQuestion {
            file: known.then_some((&file, 0)),
            policy: &ledger.policy,
            policy_version: ledger.policy_version,
            changes: &ledger.account.rules,
            guarantee: Guarantee::Online,
            day: now.date_in(ledger.organisation.time_zone),
            unsent_orders: Money::zero(currency),
            reserved: self.reserved(currency)?,
            order_total: total,
        })
        .map_err(uncountable)?;
        Ok(credit::check(inputs))
    }

    /// What is to be written: the changes, and a new credit file when its figures differ from those that phones have.
    ///
    /// # Errors
    /// As [`Self::file`].
    pub fn finish(mut self, answer: impl Into<String>, now: Timestamp) -> Result<LedgerChange, InvalidField> {
        // An imported file without an account is replaced by the next import only: what is on top of it is counted anew
        // each time.
        if self.is_changed() && !self.ledger.account.terms.is_empty() {
            let file = self.file(now)?;
            let before = self.ledger.file.clone();
            let differs = before.is_none_or(|before| {
                let as_of = file.as_of;
                CreditFile { as_of, ..before } != file
            });
            if differs {
                self.put(file);
            }
        }
        Ok(LedgerChange {
            records: self.changed.into_values().collect(),
            audit: self.audit,
            answer: answer.into(),
            requires: self.requires,
        })
    }

    /// Whether the limit is exceeded: by growth from outside, since nothing that is decided here exceeds it.
    ///
    /// # Errors
    /// As [`Self::file`].
    pub fn is_over_limit(&self, now: Timestamp) -> Result<bool, InvalidField> {
        let position = self.position(now)?;
        match position.limit {
            CreditLimit::NoLimit => Ok(false),
            CreditLimit::Limited(_) => {
                let zero = Money::zero(position.exposure.currency);
                position.fits(zero).map(|fits| !fits).map_err(uncountable)
            }
        }
    }
}
