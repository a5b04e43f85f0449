//! Late interest (逾期利息): what has accrued on a customer's items, line by line, and what is charged of it. Computed and
//! explained; a person decides whether it is charged.

use chrono::NaiveDate;
use fieldledger_core::{
    model::{Charge, ChargeKind, InterestTier, InvalidField, Invoice, Money, Timestamp},
    rules::{
        books::CustomerBooks,
        interest::{self, Interest, LatenessFrom},
    },
};
use rust_decimal::Decimal;

use super::{Actor, Draft};
use crate::store::{AuditEntry, CustomerLedger, LedgerChange};

/// The interest on an instalment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accrued {
    /// The invoice.
    pub invoice_number: String,
    /// The instalment.
    pub instalment: u32,
    /// What accrued, line by line.
    pub interest: Interest,
    /// What was charged of it before.
    pub charged: Decimal,
    /// What may still be charged, never below zero.
    pub chargeable: Money,
    /// Tiers whose rate for a year is above what the policy warns of (司法保护上限), with that rate in percent.
    pub too_dear: Vec<(InterestTier, Decimal)>,
}

/// The interest on each instalment on which any accrued up to and including `until`.
///
/// # Errors
/// [`InvalidField`] when the books contradict themselves or amounts are too large.
pub fn accrued(ledger: &CustomerLedger, until: NaiveDate) -> Result<Vec<Accrued>, InvalidField> {
    let books = CustomerBooks {
        invoices: &ledger.invoices,
        receipts: &ledger.receipts,
        credit_notes: &ledger.credit_notes,
    };
    let mut found = Vec::new();
    for invoice in &ledger.invoices {
        let tiers = tiers(ledger, invoice);
        for (no, charges) in parts(invoice) {
            let interest = interest::of_instalment(&books, &invoice.number, no, tiers, LatenessFrom::Original, until)
                .map_err(|error| InvalidField::new("books", error.to_string()))?;
            let Some(interest) = interest.filter(|it| !it.accrued.is_zero()) else {
                continue;
            };
            let charged = charges
                .iter()
                .filter(|it| it.kind == ChargeKind::Interest)
                .map(|it| it.amount)
                .try_fold(Decimal::ZERO, Decimal::checked_add)
                .ok_or_else(|| InvalidField::new("charges", "the charges are too large to be added"))?;
            let policy = &ledger.policy.interest;
            let dear = |tier: &&InterestTier| policy.is_above_cap(tier);
            found.push(Accrued {
                invoice_number: invoice.number.clone(),
                instalment: no,
                chargeable: Money::new((interest.accrued - charged).max(Decimal::ZERO), invoice.amount.currency),
                charged,
                too_dear: tiers.iter().filter(dear).map(|it| (*it, it.annual_percent())).collect(),
                interest,
            });
        }
    }
    Ok(found)
}

/// The tiers of the invoice's contract, or those of the policy.
fn tiers<'l>(ledger: &'l CustomerLedger, invoice: &Invoice) -> &'l [InterestTier] {
    let contract = invoice
        .contract_number
        .as_ref()
        .and_then(|number| ledger.contracts.iter().find(|it| it.number == *number));
    match contract {
        Some(contract) if !contract.breach.interest.is_empty() => &contract.breach.interest,
        _ => &ledger.policy.interest.tiers,
    }
}

/// The instalments of an invoice with what was charged on them; one without parts is one of everything.
fn parts(invoice: &Invoice) -> Vec<(u32, &[Charge])> {
    if invoice.instalments.is_empty() {
        return vec![(1, &[])];
    }
    invoice
        .instalments
        .iter()
        .map(|it| (it.no, it.charges.as_slice()))
        .collect()
}

/// Charges what has accrued up to today and was not charged before. The lines are kept as the reason.
///
/// # Errors
/// [`InvalidField`]: nothing has accrued beyond what was charged, or today is in closed books.
pub fn charge(
    ledger: &CustomerLedger,
    (number, no): (&str, u32),
    by: &Actor,
    now: Timestamp,
) -> Result<LedgerChange, InvalidField> {
    let today = now.date_in(ledger.organisation.time_zone);
    if ledger.policy.books_closed_until.is_some_and(|closed| today <= closed) {
        return Err(InvalidField::new("posted_on", "today's books are closed already"));
    }
    let accrued = accrued(ledger, today)?
        .into_iter()
        .find(|it| it.invoice_number == number && it.instalment == no);
    let Some(accrued) = accrued.filter(|it| it.chargeable.amount > Decimal::ZERO) else {
        return Err(InvalidField::new(
            "instalment",
            "no interest has accrued on it beyond what was charged",
        ));
    };
    let found = ledger.invoices.iter().find(|it| it.number == number);
    let mut invoice = found
        .cloned()
        .ok_or_else(|| InvalidField::new("invoice", "is not known"))?;
    let reason: Vec<String> = accrued.interest.lines.iter().map(explained).collect();
    let part = super::instalment_of(&mut invoice, no)?;
    part.charges.push(Charge {
        kind: ChargeKind::Interest,
        amount: accrued.chargeable.amount,
        posted_on: today,
        reason: reason.join("; "),
    });
    invoice.validate()?;
    let mut draft = Draft::of(ledger);
    draft.audit(AuditEntry {
        at: now,
        actor: by.name.clone(),
        action: "interest.charged".to_owned(),
        subject: ledger.customer.code.clone(),
        detail: format!("{number}/{no}: {}", accrued.chargeable),
    });
    draft.put(invoice);
    draft.finish(accrued.chargeable.to_string(), now)
}

/// A line of interest as it is explained to the customer.
pub fn explained(line: &interest::InterestLine) -> String {
    format!(
        "{} to {}: {} days on {} at {} % a day = {}",
        line.from, line.to, line.days, line.balance, line.percent_per_day, line.amount
    )
}
