//! What was decided about a customer's credit: what is stored, with what the rows say.

use fieldledger_core::model::{CreditAccount, CreditHold, CreditTerms, CustomerId, SpecialLiability};

use super::{CreditRow, Frame, IMPORTED};

/// The credit account with what the rows say. What was decided before stays; another limit, grade or term is a new entry.
/// `history` is what held on other days, in the order of these.
pub(super) fn account(
    customer: CustomerId,
    row: Option<&CreditRow>,
    history: &[CreditTerms],
    before: Option<&CreditAccount>,
    frame: &Frame<'_>,
) -> CreditAccount {
    let mut account = before.cloned().unwrap_or_else(|| CreditAccount::new(customer));
    for it in history {
        add_history(&mut account, it, frame);
    }
    let Some(row) = row else { return account };
    add_terms(&mut account, row, history, frame);
    if let Some(assessment) = &row.assessment
        && !account.assessments.contains(assessment)
    {
        account.assessments.push(assessment.clone());
    }
    hold(&mut account, row.hold.as_ref(), frame);
    let mut running = account.liabilities.iter_mut();
    let running = running.find(|it| it.name == IMPORTED && it.until.is_none());
    let now = (!row.special_liabilities.amount.is_zero()).then_some(row.special_liabilities);
    if running.as_ref().map(|it| it.amount) != now {
        let from = if account_is_new(before) {
            frame.first_day
        } else {
            frame.as_of
        };
        if let Some(old) = running {
            old.until = Some(frame.as_of.max(old.from));
        }
        account.liabilities.extend(now.map(|amount| SpecialLiability {
            name: IMPORTED.to_owned(),
            amount,
            from,
            until: None,
        }));
    }
    account
}

/// A decision of another day, unless it is known. On its own day it holds less than what a person has decided for that day.
fn add_history(account: &mut CreditAccount, row: &CreditTerms, frame: &Frame<'_>) {
    let known = account.terms.iter().any(|it| {
        it.by.is_none() && it.reason == row.reason && it.effective_from == row.effective_from && same(it, row)
    });
    if known {
        return;
    }
    let decided = |it: &CreditTerms| it.by.is_some() && it.effective_from == row.effective_from;
    let at = account.terms.iter().position(decided).unwrap_or(account.terms.len());
    account.terms.insert(
        at,
        CreditTerms {
            recorded_at: frame.now,
            ..row.clone()
        },
    );
}

fn same(one: &CreditTerms, other: &CreditTerms) -> bool {
    (one.grade, one.limit, one.terms_days) == (other.grade, other.limit, other.terms_days)
}

/// What holds today. What a person or other software decided meanwhile is none of the files' business: only another word of
/// the files is news.
fn add_terms(account: &mut CreditAccount, row: &CreditRow, history: &[CreditTerms], frame: &Frame<'_>) {
    let of_files = account
        .terms
        .iter()
        .rev()
        .find(|it| it.by.is_none() && it.reason == IMPORTED);
    let of_history = history.iter().rev().find(|it| it.effective_from <= frame.as_of);
    let last = match (of_files, of_history) {
        (Some(files), Some(history)) if history.effective_from > files.effective_from => Some(history),
        (Some(files), _) => Some(files),
        (None, Some(history)) => Some(history),
        (None, None) => account.terms.iter().rev().find(|it| it.by.is_none()),
    };
    if last.is_some_and(|it| (it.grade, it.limit, it.terms_days) == (row.grade, row.limit, row.terms_days)) {
        return;
    }
    let effective_from = if account.terms.is_empty() {
        frame.first_day
    } else {
        last.map_or(frame.as_of, |it| it.effective_from.max(frame.as_of))
    };
    account.terms.push(CreditTerms {
        effective_from,
        grade: row.grade,
        limit: row.limit,
        terms_days: row.terms_days,
        reason: IMPORTED.to_owned(),
        by: None,
        recorded_at: frame.now,
    });
}

/// A hold as the files have it. One that was placed here goes on whatever they say, and one of theirs that was lifted here
/// after their day stays lifted.
fn hold(account: &mut CreditAccount, reason: Option<&String>, frame: &Frame<'_>) {
    let of_files = |it: &CreditHold| it.by.is_none() && (it.reason == IMPORTED || Some(&it.reason) == reason);
    let running = account
        .holds
        .iter_mut()
        .rev()
        .find(|it| of_files(it) && it.until.is_none());
    match (running, reason) {
        (Some(hold), None) => hold.until = Some(frame.as_of.max(hold.from)),
        (None, Some(reason)) => {
            let lifted = |it: &CreditHold| of_files(it) && it.until.is_some_and(|until| until > frame.as_of);
            if !account.holds.iter().any(lifted) {
                account.holds.push(CreditHold {
                    from: frame.as_of,
                    until: None,
                    reason: reason.clone(),
                    by: None,
                });
            }
        }
        _ => {}
    }
}

fn account_is_new(before: Option<&CreditAccount>) -> bool {
    before.is_none_or(|it| it.terms.is_empty())
}
