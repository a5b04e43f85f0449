//! What people decide: held orders, and offline allowances.

use chrono::NaiveDate;
use fieldledger_core::{
    model::{
        Assessment, CreditGrade, CreditHold, CreditLimit, CreditTerms, DeviceId, DocumentId, Grant, GrantId, GrantMode,
        GrantState, InvalidField, Money, OrderDecision, Role, Timestamp, UserId,
    },
    rules::{
        allowance::{self, GrantRequest},
        orders,
    },
};

use super::{Actor, Draft, signing::SigningKey};
use crate::store::{AuditEntry, CustomerLedger, LedgerChange};

fn line(at: Timestamp, by: &Actor, action: &str, subject: String, detail: String) -> AuditEntry {
    AuditEntry {
        at,
        actor: by.name.clone(),
        action: action.to_owned(),
        subject,
        detail,
    }
}

/// Lets a held order through, or turns it down.
///
/// # Errors
/// [`InvalidField`]: unknown, not held, without a reason, or by a person who may not.
pub fn decide_held_order(
    ledger: &CustomerLedger,
    order: DocumentId,
    release: bool,
    by: UserId,
    roles: &[Role],
    reason: &str,
    now: Timestamp,
) -> Result<LedgerChange, InvalidField> {
    let mut draft = Draft::of(ledger);
    let act = orders::Act {
        by,
        roles,
        at: now,
        reason,
    };
    answer_held_order(&mut draft, order, release, act, &by.into())?;
    draft.finish("", now)
}

/// What [`decide_held_order`] does to the order. `told_by` is who brings the person's decision: they themselves, or software.
///
/// # Errors
/// As [`decide_held_order`].
pub fn answer_held_order(
    draft: &mut Draft,
    order: DocumentId,
    release: bool,
    act: orders::Act<'_>,
    told_by: &Actor,
) -> Result<OrderDecision, InvalidField> {
    let found = draft.ledger().decisions.iter().find(|it| it.order == order);
    let mut decision = found
        .cloned()
        .ok_or_else(|| InvalidField::new("order", "is not known, or not of this customer"))?;
    let (done, action) = if release {
        (orders::release(&mut decision, act), "order.released")
    } else {
        (orders::refuse(&mut decision, act), "order.refused")
    };
    done.map_err(|error| {
        let field = if matches!(error, orders::OrderError::NoReason) {
            "reason"
        } else {
            "order"
        };
        InvalidField::new(field, error.to_string())
    })?;
    let on_behalf = match told_by.user {
        Some(user) if user == act.by => String::new(),
        _ => format!(" (decided by {})", act.by),
    };
    let detail = format!("{}: {}{on_behalf}", decision.number, act.reason);
    draft.audit(line(act.at, told_by, action, order.to_string(), detail));
    draft.put(decision.clone());
    Ok(decision)
}

/// Says that nothing more of an order will be delivered, or opens it again. What is opened is checked anew, whatever was
/// decided before: closing and opening never gets around a check.
///
/// # Errors
/// [`InvalidField`]: unknown, not open (or not closed), without a reason, or it cannot be told where the customer stands.
pub fn close_order(
    ledger: &CustomerLedger,
    order: DocumentId,
    reopen: bool,
    by: UserId,
    roles: &[Role],
    reason: &str,
    now: Timestamp,
) -> Result<LedgerChange, InvalidField> {
    if reason.trim().is_empty() {
        return Err(InvalidField::new("reason", "say why"));
    }
    let mut draft = Draft::of(ledger);
    let found = ledger.decisions.iter().find(|it| it.order == order);
    let mut decision = found
        .cloned()
        .ok_or_else(|| InvalidField::new("order", "is not known, or not of this customer"))?;
    let act = orders::Act {
        by,
        roles,
        at: now,
        reason,
    };
    let refused = |error: orders::OrderError| InvalidField::new("order", error.to_string());
    let action = if reopen {
        let again = orders::reopening(&decision).map_err(|error| InvalidField::new("order", error.to_string()))?;
        let check = draft.check(again, now)?;
        orders::reopen(&mut decision, check, act).map_err(refused)?;
        "order.reopened"
    } else {
        orders::close(&mut decision, act).map_err(refused)?;
        "order.closed"
    };
    let (detail, standing) = (format!("{}: {reason}", decision.number), decision.standing);
    draft.audit(line(now, &by.into(), action, order.to_string(), detail));
    draft.put(decision);
    draft.finish(format!("{standing:?}").to_lowercase(), now)
}

/// What finance decides about a customer's credit account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccountChange {
    /// Grade, limit and terms from a day on.
    Terms {
        /// First day.
        from: NaiveDate,
        /// The grade; `None` leaves it as it is.
        grade: Option<CreditGrade>,
        /// The limit; `None` leaves it as it is.
        limit: Option<CreditLimit>,
        /// Days of credit; `None`: those of the grade when that changes, else as they are.
        terms_days: Option<u32>,
        /// Why.
        reason: String,
    },
    /// A credit assessment.
    Assessed(Assessment),
    /// Nothing may be sold on credit from a day on.
    Hold {
        /// First day; `None`: today.
        from: Option<NaiveDate>,
        /// Why.
        reason: String,
    },
    /// What was on hold goes on from today.
    LiftHold {
        /// Why.
        reason: String,
    },
}

/// Changes a customer's credit account; the new credit file goes to the phones. When the new limit is below what is owed
/// and reserved, the allowances that should come back are asked back.
///
/// # Errors
/// [`InvalidField`]: a reason is missing, a limit below zero, a day out of range, an assessment that ends before it begins,
/// no hold to lift.
pub fn change_account(
    ledger: &CustomerLedger,
    change: AccountChange,
    by: impl Into<Actor>,
    now: Timestamp,
) -> Result<LedgerChange, InvalidField> {
    let mut draft = Draft::of(ledger);
    draft.end_leases(now);
    let by = by.into();
    decide_account(&mut draft, change, &by, now)?;
    draft.recall_excess(now, &by.name, "the limit was cut")?;
    draft.finish("", now)
}

/// What [`change_account`] does to the account, without the allowances.
///
/// # Errors
/// As [`change_account`].
pub fn decide_account(
    draft: &mut Draft,
    change: AccountChange,
    by: &Actor,
    now: Timestamp,
) -> Result<(), InvalidField> {
    let ledger = draft.ledger();
    let today = now.date_in(ledger.organisation.time_zone);
    let mut account = ledger.account.clone();
    let subject = ledger.customer.code.clone();
    let (action, detail) = match change {
        AccountChange::Terms {
            from,
            grade,
            limit,
            terms_days,
            reason,
        } => {
            let before = account.terms_on(from);
            let nothing = CreditLimit::Limited(Money::zero(ledger.organisation.currency));
            let new_grade = grade.or(before.and_then(|it| it.grade));
            let policy = new_grade.and_then(|it| ledger.policy.grades.get(&it));
            let by_grade = policy.filter(|_| grade.is_some());
            let terms = CreditTerms {
                effective_from: from,
                grade: new_grade,
                limit: limit
                    .or(by_grade.and_then(|it| it.limit))
                    .or(before.map(|it| it.limit))
                    .unwrap_or(nothing),
                terms_days: terms_days
                    .or(by_grade.map(|it| it.terms_days))
                    .or(before.map(|it| it.terms_days))
                    .unwrap_or(0),
                reason: reason.clone(),
                by: by.user,
                recorded_at: now,
            };
            terms.validate()?;
            let detail = format!("{:?}, {:?} from {from}: {reason}", terms.grade, terms.limit);
            account.terms.push(terms);
            ("credit.terms_set", detail)
        }
        AccountChange::Assessed(assessment) => {
            assessment.validate()?;
            let detail = format!("by {} until {}", assessment.assessor, assessment.valid_until);
            account.assessments.push(assessment);
            ("credit.assessed", detail)
        }
        AccountChange::Hold { from, reason } => {
            let from = from.unwrap_or(today);
            if from < today {
                return Err(InvalidField::new(
                    "from",
                    format!("{from} has gone by: what was sold since then was sold on credit"),
                ));
            }
            let hold = CreditHold {
                from,
                until: None,
                reason: reason.clone(),
                by: by.user,
            };
            hold.validate()?;
            account.holds.push(hold);
            let detail = if from == today {
                reason
            } else {
                format!("from {from}: {reason}")
            };
            ("credit.held", detail)
        }
        AccountChange::LiftHold { reason } => {
            if reason.trim().is_empty() {
                return Err(InvalidField::new("reason", "lifting a hold needs a reason"));
            }
            let mut lifted = false;
            for hold in account.holds.iter_mut().filter(|it| it.until.is_none()) {
                hold.until = Some(today.max(hold.from));
                lifted = true;
            }
            if !lifted {
                return Err(InvalidField::new("hold", "the account is not on hold"));
            }
            ("credit.hold_lifted", reason)
        }
    };
    account.validate()?;
    draft.put(account);
    draft.audit(line(now, by, action, subject, detail));
    Ok(())
}

/// Credit to be reserved for a phone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GrantWish {
    /// A fresh id.
    pub id: GrantId,
    /// The device that may spend it.
    pub device: DeviceId,
    /// Who has it.
    pub user: UserId,
    /// How much, in the limit's currency.
    pub amount: Money,
    /// What happens when it expires.
    pub mode: GrantMode,
}

/// Reserves credit for a phone: stored first, known to the phone with its next sync.
///
/// # Errors
/// [`InvalidField`] with what stands against it: X + G + new > L, the grade, a hold, the policy.
pub fn grant(
    ledger: &CustomerLedger,
    wish: GrantWish,
    key: &SigningKey,
    by: UserId,
    now: Timestamp,
) -> Result<LedgerChange, InvalidField> {
    let mut draft = Draft::of(ledger);
    draft.end_leases(now);
    let file = draft.file(now)?;
    let request = GrantRequest {
        id: wish.id,
        device: wish.device,
        user: wish.user,
        customer: ledger.customer.id,
        grade: file.grade,
        on_hold: file.on_hold,
        amount: wish.amount,
        mode: wish.mode,
    };
    let position = draft.position(now)?;
    let terms = allowance::issue(&request, &ledger.policy, ledger.policy_version, &position, now)
        .map_err(|error| InvalidField::new("amount", error.to_string()))?;
    let detail = format!(
        "{} for {} until {}",
        terms.amount, ledger.customer.code, terms.not_after
    );
    draft.audit(line(now, &by.into(), "allowance.granted", wish.id.to_string(), detail));
    draft.put(Grant {
        signature: key.sign(&terms),
        terms,
        state: GrantState::Open,
        settled: Vec::new(),
        close: None,
        reason: String::new(),
        written_off_by: Vec::new(),
        taken_back_at: None,
    });
    draft.finish(wish.id.to_string(), now)
}

/// Frees the customer's leases whose grace is over by the server's clock. Every decision about the customer does so first;
/// this is for when nobody decides anything, so that phones and people see what is free.
///
/// # Errors
/// [`InvalidField`] when it cannot be told where the customer stands.
pub fn end_leases(ledger: &CustomerLedger, now: Timestamp) -> Result<LedgerChange, InvalidField> {
    let mut draft = Draft::of(ledger);
    draft.end_leases(now);
    draft.finish("", now)
}

/// Whether it was only now noticed that a lease is over: then what was asked for has come about by itself, and must be
/// written down rather than refused.
fn has_just_ended(before: &CustomerLedger, draft: &Draft, id: GrantId) -> bool {
    let freed = |ledger: &CustomerLedger| {
        let mut grants = ledger.grants.iter();
        grants.any(|it| it.terms.id == id && allowance::is_freed(it.state))
    };
    !freed(before) && freed(draft.ledger())
}

fn found(ledger: &CustomerLedger, id: GrantId) -> Result<Grant, InvalidField> {
    let grant = ledger.grants.iter().find(|it| it.terms.id == id);
    grant
        .cloned()
        .ok_or_else(|| InvalidField::new("grant", "is not known, or not for this customer"))
}

/// Asks a phone for a grant back. It stays reserved until the phone has closed it.
///
/// # Errors
/// [`InvalidField`]: unknown, or not open.
pub fn recall(
    ledger: &CustomerLedger,
    id: GrantId,
    by: UserId,
    reason: &str,
    now: Timestamp,
) -> Result<LedgerChange, InvalidField> {
    let mut draft = Draft::of(ledger);
    draft.end_leases(now);
    if has_just_ended(ledger, &draft, id) {
        return draft.finish("", now);
    }
    let mut grant = found(draft.ledger(), id)?;
    if !allowance::recall(&mut grant, reason) {
        return Err(InvalidField::new("grant", "is not open any more"));
    }
    draft.audit(line(
        now,
        &by.into(),
        "allowance.recalled",
        id.to_string(),
        reason.to_owned(),
    ));
    draft.put(grant);
    draft.finish("", now)
}

/// Frees a grant without the phone's word, for a phone that is lost: two people have to agree. The answer is `freed` when
/// this was the second.
///
/// # Errors
/// [`InvalidField`]: unknown, freed already, no reason, the same person twice.
pub fn write_off(
    ledger: &CustomerLedger,
    id: GrantId,
    by: UserId,
    reason: &str,
    now: Timestamp,
) -> Result<LedgerChange, InvalidField> {
    let mut draft = Draft::of(ledger);
    draft.end_leases(now);
    if has_just_ended(ledger, &draft, id) {
        return draft.finish("freed", now);
    }
    let mut grant = found(draft.ledger(), id)?;
    let freed =
        allowance::write_off(&mut grant, by, reason).map_err(|error| InvalidField::new("grant", error.to_string()))?;
    let action = if freed {
        "allowance.written_off"
    } else {
        "allowance.write_off_proposed"
    };
    draft.audit(line(now, &by.into(), action, id.to_string(), reason.to_owned()));
    draft.put(grant);
    draft.finish(if freed { "freed" } else { "proposed" }, now)
}
