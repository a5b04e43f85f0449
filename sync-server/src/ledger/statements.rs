//! Statements of account: issued for a period, answered line by line (DOMAIN §2.3).

use std::collections::BTreeMap;

use fieldledger_core::{
    model::{
        Currency, InvalidField, LedgerDelivery, LedgerLine, LedgerOrder, Money, OrderDecision, OrganisationId,
        Statement, StatementAnswer, StatementId, StatementLineAnswer, StatementVerdict, Timestamp, UserId,
    },
    rules::{
        books::CustomerBooks,
        statement::{self, Period, StatementBody},
    },
};
use rust_decimal::Decimal;

use super::Draft;
use crate::{
    auth::hash_secret,
    store::{AuditEntry, CustomerLedger, LedgerChange, StatementLink},
};

/// A statement to be issued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatementWish {
    /// A fresh id.
    pub id: StatementId,
    /// For which days.
    pub period: Period,
    /// In which currency.
    pub currency: Currency,
}

/// Issues a statement. Its lines never change: another one of the same period is a correction of it, and is refused when
/// it would say the same. The answer is the id.
///
/// # Errors
/// [`InvalidField`]: the period has not ended or ends before it begins, the books contradict themselves, nothing differs.
pub fn issue(
    ledger: &CustomerLedger,
    wish: StatementWish,
    by: Option<UserId>,
    now: Timestamp,
) -> Result<LedgerChange, InvalidField> {
    let StatementWish { id, period, currency } = wish;
    if period.to < period.from {
        return Err(InvalidField::new("to", "lies before the first day of the period"));
    }
    if period.to >= now.date_in(ledger.organisation.time_zone) {
        return Err(InvalidField::new(
            "to",
            "the period has not ended: what happens today may still change it",
        ));
    }
    let body = body(ledger, period, currency)?;
    let mut earlier: Vec<&Statement> = ledger
        .statements
        .iter()
        .filter(|it| (it.from, it.to, it.closing.currency) == (period.from, period.to, currency))
        .collect();
    earlier.sort_by_key(|it| it.issued_at);
    let corrects = earlier.last();
    if corrects.is_some_and(|it| it.lines == body.lines && it.opening == body.opening) {
        return Err(InvalidField::new(
            "period",
            "a statement that says the same has been issued already",
        ));
    }
    let statement = Statement {
        id,
        customer: ledger.customer.id,
        from: period.from,
        to: period.to,
        opening: body.opening,
        closing: body.closing,
        lines: body.lines,
        issued_at: now,
        by,
        corrects: corrects.map(|it| it.id),
        answers: BTreeMap::new(),
    };
    let mut draft = Draft::of(ledger);
    draft.audit(AuditEntry {
        at: now,
        actor: by.map_or_else(|| "schedule".to_owned(), |by| by.to_string()),
        action: "statement.issued".to_owned(),
        subject: ledger.customer.code.clone(),
        detail: format!(
            "{id}: {} to {}, closing at {}",
            period.from, period.to, statement.closing
        ),
    });
    draft.put(statement);
    draft.finish(id.to_string(), now)
}

/// What is issued by the schedule on the day of `now`: one statement of the period that ended last, in each currency in
/// which anything happened or is owed, unless it was issued before.
///
/// # Errors
/// [`InvalidField`] when the books contradict themselves.
pub fn due(
    ledger: &CustomerLedger,
    mut fresh: impl FnMut() -> StatementId,
    now: Timestamp,
) -> Result<Vec<StatementWish>, InvalidField> {
    let schedule = ledger.account.statements.unwrap_or(ledger.policy.statements);
    let today = now.date_in(ledger.organisation.time_zone);
    let Some(period) = statement::last_ended(schedule, today) else {
        return Ok(Vec::new());
    };
    let mut due = Vec::new();
    for currency in currencies(ledger) {
        let issued = ledger
            .statements
            .iter()
            .any(|it| (it.from, it.to, it.closing.currency) == (period.from, period.to, currency));
        if issued {
            continue;
        }
        let body = body(ledger, period, currency)?;
        if !(body.lines.is_empty() && body.opening.amount.is_zero()) {
            due.push(StatementWish {
                id: fresh(),
                period,
                currency,
            });
        }
    }
    Ok(due)
}

/// The currencies in which anything was invoiced or paid.
pub fn currencies(ledger: &CustomerLedger) -> Vec<Currency> {
    let invoiced = ledger.invoices.iter().map(|it| it.amount.currency);
    let mut currencies: Vec<Currency> = invoiced
        .chain(ledger.receipts.iter().map(|it| it.amount.currency))
        .collect();
    currencies.sort_unstable();
    currencies.dedup();
    currencies
}

/// What a statement of this period would say. Nothing is issued.
///
/// # Errors
/// [`InvalidField`] when the books contradict themselves.
pub fn body(ledger: &CustomerLedger, period: Period, currency: Currency) -> Result<StatementBody, InvalidField> {
    let books = CustomerBooks {
        invoices: &ledger.invoices,
        receipts: &ledger.receipts,
        credit_notes: &ledger.credit_notes,
    };
    let (orders, deliveries) = sales(ledger);
    statement::statement(&books, &orders, &deliveries, period, currency)
        .map_err(|error| InvalidField::new("books", error.to_string()))
}

/// The orders and deliveries of the books, and those that reps took and had signed for.
pub fn sales(ledger: &CustomerLedger) -> (Vec<LedgerOrder>, Vec<LedgerDelivery>) {
    let zone = ledger.organisation.time_zone;
    let mut orders = ledger.orders.clone();
    let mut deliveries = ledger.deliveries.clone();
    let ours: Vec<&OrderDecision> = ledger
        .decisions
        .iter()
        .filter(|it| !ledger.orders.iter().any(|known| known.number == it.number))
        .collect();
    for order in ours {
        let line = |(line, quantity): (&fieldledger_core::model::LineId, Decimal)| {
            let known = order.lines.get(line)?;
            Some(LedgerLine {
                product: known.product,
                quantity,
                unit_price: known.unit_price,
                discount: Decimal::ZERO,
            })
        };
        for delivery in order.deliveries.values() {
            deliveries.push(LedgerDelivery {
                number: delivery.number.clone(),
                customer: order.customer,
                order_number: Some(order.number.clone()),
                shipped_on: delivery.signed_on,
                lines: delivery
                    .quantities
                    .iter()
                    .filter_map(|(id, quantity)| line((id, *quantity)))
                    .collect(),
            });
        }
        orders.push(LedgerOrder {
            number: order.number.clone(),
            customer: order.customer,
            ordered_on: order.received_at.date_in(zone),
            wanted_by: order.wanted_by,
            shipped_on: None,
            state: String::new(),
            cancelled: false,
            lines: order
                .lines
                .iter()
                .filter_map(|(id, known)| line((id, known.ordered)))
                .collect(),
            total: Money::zero(order.currency),
            note: String::new(),
        });
    }
    (orders, deliveries)
}

/// Longest time for which a link to a statement may work, in days.
pub const MAX_LINK_DAYS: u32 = 90;

/// A link with which `contact` reads and answers a statement without an account, by a `secret` that is stored nowhere.
///
/// # Errors
/// [`InvalidField`] on `contact` and `days`.
pub fn link(
    organisation: OrganisationId,
    statement: &Statement,
    contact: &str,
    days: u32,
    secret: &str,
    now: Timestamp,
) -> Result<StatementLink, InvalidField> {
    let contact = contact.trim();
    if contact.is_empty() || contact.chars().count() > 200 {
        return Err(InvalidField::new(
            "contact",
            "say whom the link is for, in at most 200 characters",
        ));
    }
    if !(1..=MAX_LINK_DAYS).contains(&days) {
        return Err(InvalidField::new(
            "days",
            format!("a link works for 1 to {MAX_LINK_DAYS} days"),
        ));
    }
    Ok(StatementLink {
        token_hash: hash_secret(secret),
        organisation,
        customer: statement.customer,
        statement: statement.id,
        contact: contact.to_owned(),
        made_at: now,
        expires_at: now.plus_millis(i64::from(days) * 86_400_000),
        revoked_at: None,
    })
}

/// Writes answers into a statement; one that is given anew replaces the one before. True when anything is new. Lines that
/// the statement does not have are left out.
pub fn take_answers(
    statement: &mut Statement,
    answers: &BTreeMap<u32, StatementLineAnswer>,
    by: &str,
    now: Timestamp,
) -> bool {
    let mut changed = false;
    for (no, given) in answers {
        let known = statement.answers.get(no);
        let is_same =
            known.is_some_and(|it| (it.verdict, &it.remark, it.by.as_str()) == (given.verdict, &given.remark, by));
        if !is_same && statement.lines.iter().any(|line| line.no == *no) {
            let said = StatementAnswer {
                verdict: given.verdict,
                by: by.to_owned(),
                at: now,
                remark: given.remark.clone(),
            };
            statement.answers.insert(*no, said);
            changed = true;
        }
    }
    changed
}

/// The customer's contact answers through a link.
///
/// # Errors
/// [`InvalidField`]: the statement is not known, nobody's name is given, a dispute has no remark, a text is too long.
pub fn answer(
    ledger: &CustomerLedger,
    id: StatementId,
    person: &str,
    answers: &BTreeMap<u32, StatementLineAnswer>,
    now: Timestamp,
) -> Result<LedgerChange, InvalidField> {
    const MAX_CHARS: usize = 2_000;
    let known = ledger.statements.iter().find(|it| it.id == id);
    let mut statement = known
        .cloned()
        .ok_or_else(|| InvalidField::new("statement", "is not known"))?;
    let person = person.trim();
    if person.is_empty() || person.chars().count() > 200 {
        return Err(InvalidField::new(
            "person",
            "say who answers, in at most 200 characters",
        ));
    }
    for (no, answer) in answers {
        if answer.remark.chars().count() > MAX_CHARS {
            return Err(InvalidField::new(
                "remark",
                format!("the remark on line {no} is longer than {MAX_CHARS} characters"),
            ));
        }
        if answer.verdict == StatementVerdict::Disputed && answer.remark.trim().is_empty() {
            return Err(InvalidField::new("remark", format!("say what is wrong with line {no}")));
        }
    }
    let mut draft = Draft::of(ledger);
    if take_answers(&mut statement, answers, person, now) {
        let disputed = answers
            .values()
            .filter(|it| it.verdict == StatementVerdict::Disputed)
            .count();
        draft.audit(AuditEntry {
            at: now,
            actor: "link".to_owned(),
            action: "statement.answered".to_owned(),
            subject: ledger.customer.code.clone(),
            detail: format!("{id} by {person}: {} lines, {disputed} disputed", answers.len()),
        });
        draft.put(statement);
    }
    draft.finish("", now)
}
