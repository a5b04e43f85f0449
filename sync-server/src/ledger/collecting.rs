//! What people decide about collecting: warnings are acknowledged, reminders sent, supply stopped and resumed.

use fieldledger_core::{
    model::{Acknowledgement, InvalidField, Suspension, SuspensionDecision, Timestamp, UserId, WarningRule},
    rules::{
        books::{self, CustomerBooks},
        dunning::{self, DunningProposal, DunningRaise},
        promises::{self, Promise},
        suspension,
    },
};

use super::Draft;
use crate::store::{AuditEntry, CustomerLedger, LedgerChange};

fn line(ledger: &CustomerLedger, by: UserId, action: &str, detail: String, at: Timestamp) -> AuditEntry {
    AuditEntry {
        at,
        actor: by.to_string(),
        action: action.to_owned(),
        subject: ledger.customer.code.clone(),
        detail,
    }
}

/// Somebody has seen a warning and says what they will do. A higher level asks again.
///
/// # Errors
/// [`InvalidField`]: nothing of the kind is standing, acknowledged already, or without a note.
pub fn acknowledge(
    ledger: &CustomerLedger,
    rule: WarningRule,
    by: UserId,
    note: &str,
    now: Timestamp,
) -> Result<LedgerChange, InvalidField> {
    if note.trim().is_empty() {
        return Err(InvalidField::new("note", "say what you will do"));
    }
    let standing = ledger
        .warnings
        .iter()
        .find(|it| it.rule == rule && it.cleared_at.is_none());
    let Some(mut warning) = standing.cloned() else {
        return Err(InvalidField::new(
            "rule",
            "no such warning is standing for this customer",
        ));
    };
    if warning.acknowledged.is_some() {
        return Err(InvalidField::new("rule", "the warning is acknowledged already"));
    }
    warning.acknowledged = Some(Acknowledgement {
        by,
        at: now,
        note: note.to_owned(),
    });
    let mut draft = Draft::of(ledger);
    draft.audit(line(
        ledger,
        by,
        "warning.acknowledged",
        format!("{}: {note}", rule.as_str()),
        now,
    ));
    draft.put(warning);
    draft.finish("", now)
}

/// The item of an invoice whose dunning level is due to rise, and to what; else why it is not.
///
/// # Errors
/// [`InvalidField`] on `instalment` when there is nothing open of that number or its level does not rise today.
pub fn due_reminder(
    ledger: &CustomerLedger,
    (invoice, instalment): (&str, u32),
    promised: &[Promise],
    now: Timestamp,
) -> Result<DunningRaise, InvalidField> {
    let item = reminders(ledger, promised, now)?
        .into_iter()
        .find(|(number, no, _)| number == invoice && *no == instalment);
    match item {
        Some((_, _, DunningProposal::Raise(raise))) => Ok(raise),
        Some((_, _, DunningProposal::Leave(why))) => Err(InvalidField::new("instalment", why.sentence().english)),
        None => Err(InvalidField::new("instalment", "nothing of that number is open")),
    }
}

/// What is to be done about each open item today: invoice, instalment, proposal.
///
/// # Errors
/// [`InvalidField`] when the books contradict themselves.
pub fn reminders(
    ledger: &CustomerLedger,
    promised: &[Promise],
    now: Timestamp,
) -> Result<Vec<(String, u32, DunningProposal)>, InvalidField> {
    let day = now.date_in(ledger.organisation.time_zone);
    let books = CustomerBooks {
        invoices: &ledger.invoices,
        receipts: &ledger.receipts,
        credit_notes: &ledger.credit_notes,
    };
    let items = books::open_items(&books, day).map_err(|error| InvalidField::new("books", error.to_string()))?;
    let kept = promises::evaluate(promised, &ledger.receipts, &ledger.policy.promises, day);
    let proposal = |item: &books::OpenItem| dunning::propose(item, &kept, &ledger.policy.dunning, day);
    Ok(items
        .iter()
        .map(|it| (it.invoice_number.clone(), it.instalment, proposal(it)))
        .collect())
}

/// A reminder went out: the item reaches its next dunning level. Only the step that is due today can be taken.
///
/// # Errors
/// As [`due_reminder`].
pub fn reminded(
    ledger: &CustomerLedger,
    (number, no): (&str, u32),
    promised: &[Promise],
    by: UserId,
    now: Timestamp,
) -> Result<LedgerChange, InvalidField> {
    let raise = due_reminder(ledger, (number, no), promised, now)?;
    let found = ledger.invoices.iter().find(|it| it.number == number);
    let Some(mut invoice) = found.cloned() else {
        return Err(InvalidField::new("invoice", "is not known"));
    };
    let part = super::instalment_of(&mut invoice, no)?;
    let detail = format!("{number}/{no} at level {}", raise.notice.level);
    part.dunning.push(raise.notice);
    let mut draft = Draft::of(ledger);
    draft.audit(line(ledger, by, "invoice.reminded", detail, now));
    draft.put(invoice);
    draft.finish("", now)
}

/// The receipt or invoice for money went out to the customer: the third timer stops.
///
/// # Errors
/// [`InvalidField`] on `receipt` when it is not known, or went out before.
pub fn document_sent(
    ledger: &CustomerLedger,
    reference: &str,
    by: UserId,
    now: Timestamp,
) -> Result<LedgerChange, InvalidField> {
    let found = ledger.receipts.iter().find(|it| it.reference == reference);
    let mut receipt = found
        .cloned()
        .ok_or_else(|| InvalidField::new("receipt", "is not known, or not of this customer"))?;
    if receipt.document_sent_at.is_some() {
        return Err(InvalidField::new("receipt", "its document went out before"));
    }
    receipt.document_sent_at = Some(now);
    let mut draft = Draft::of(ledger);
    draft.audit(line(ledger, by, "receipt.document_sent", reference.to_owned(), now));
    draft.put(receipt);
    draft.finish("", now)
}

/// Stops supply as was proposed, or decides against it.
///
/// # Errors
/// [`InvalidField`]: nothing is proposed, or no reason is given.
pub fn decide_suspension(
    ledger: &CustomerLedger,
    suspend: bool,
    by: UserId,
    reason: &str,
    now: Timestamp,
) -> Result<LedgerChange, InvalidField> {
    let decision = SuspensionDecision {
        on: now.date_in(ledger.organisation.time_zone),
        by,
        suspend,
        reason: reason.to_owned(),
    };
    let action = if suspend {
        "supply.stopped"
    } else {
        "supply.stop_refused"
    };
    change_suspension(
        ledger,
        |it| it.decision.is_none() && it.ended_on.is_none(),
        "no stop of supply is proposed for this customer",
        |it| suspension::decided(it, decision),
        (by, action, reason),
        now,
    )
}

/// Supply goes on from today.
///
/// # Errors
/// [`InvalidField`]: supply is not stopped, or no reason is given.
pub fn resume_supply(
    ledger: &CustomerLedger,
    by: UserId,
    reason: &str,
    now: Timestamp,
) -> Result<LedgerChange, InvalidField> {
    if reason.trim().is_empty() {
        return Err(InvalidField::new("reason", "say why supply goes on"));
    }
    let today = now.date_in(ledger.organisation.time_zone);
    change_suspension(
        ledger,
        |it| it.ended_on.is_none() && it.decision.as_ref().is_some_and(|it| it.suspend),
        "supply is not stopped",
        |it| suspension::ended(it, today),
        (by, "supply.resumed", reason),
        now,
    )
}

fn change_suspension(
    ledger: &CustomerLedger,
    which: impl Fn(&Suspension) -> bool,
    none: &str,
    change: impl FnOnce(&Suspension) -> Result<Suspension, InvalidField>,
    (by, action, reason): (UserId, &str, &str),
    now: Timestamp,
) -> Result<LedgerChange, InvalidField> {
    let mut account = ledger.account.clone();
    let Some(found) = account.suspensions.iter_mut().rev().find(|it| which(it)) else {
        return Err(InvalidField::new("suspension", none));
    };
    *found = change(found)?;
    let mut draft = Draft::of(ledger);
    draft.audit(line(ledger, by, action, reason.to_owned(), now));
    draft.put(account);
    draft.finish("", now)
}
