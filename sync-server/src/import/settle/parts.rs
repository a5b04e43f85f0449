//! The parts of an invoice: as the row gives them, with everything that has happened to them on the server.

use chrono::NaiveDate;
use fieldledger_core::{
    model::{Dispute, Extension, Instalment, Invoice},
    rules::terms,
};

use super::Frame;

/// The instalments of an invoice, written out when it is due as a whole.
pub(in crate::import) fn written_out(invoice: &mut Invoice) -> &mut Vec<Instalment> {
    if invoice.instalments.is_empty() {
        let whole = Instalment::new(1, invoice.amount.amount, Some(invoice.due_on));
        invoice.instalments.push(whole);
    }
    &mut invoice.instalments
}

/// Moves due dates that follow from a contract to working days, by the company's calendar.
pub(super) fn keep_off_holidays(invoice: &mut Invoice, frame: &Frame<'_>) -> Result<(), String> {
    let Some(calendar) = &frame.policy.holidays else {
        return Ok(());
    };
    let mut moved = false;
    for part in invoice.instalments.iter_mut().filter(|it| it.rule.is_some()) {
        if let Some(due) = part.due_on {
            let working = terms::next_working_day(due, calendar)
                .map_err(|error| format!("invoice {}: {error}", invoice.number))?;
            moved |= working != due;
            part.due_on = Some(working);
        }
    }
    if let (true, Some(last)) = (moved, last_due(&invoice.instalments)) {
        invoice.due_on = last;
    }
    Ok(())
}

fn last_due(parts: &[Instalment]) -> Option<NaiveDate> {
    parts.iter().filter_map(|it| it.due_on).max()
}

/// The instalments and the due date of an invoice that is stored and whose row comes again.
pub(super) fn brought_together(
    row: &Invoice,
    stored: &Invoice,
    frame: &Frame<'_>,
) -> Result<(Vec<Instalment>, NaiveDate), String> {
    let number = &row.number;
    let (amount, due) = (row.amount != stored.amount, row.due_on != stored.due_on);
    match (row.instalments.as_slice(), stored.instalments.as_slice()) {
        ([], []) => Ok((Vec::new(), row.due_on)),
        // In parts here and as a whole in the files.
        ([] | [_], [_, _, ..]) if amount || due => Err(format!(
            "invoice {number} has instalments here; correct it by a credit note and another invoice"
        )),
        (whole @ ([] | [_]), [_, _, ..]) => {
            let mut parts = stored.instalments.clone();
            if let (Some(said), Some(first)) = (whole.first(), parts.first_mut()) {
                add_happened(first, said, frame);
            }
            Ok((parts, stored.due_on))
        }
        // As a whole in both, written out in at least one of them.
        (whole @ ([] | [_]), [] | [_]) if whole.first().is_none_or(|it| it.rule.is_none()) => {
            let mut written = stored.clone();
            let parts = written_out(&mut written);
            if let Some(only) = parts.first_mut() {
                if amount {
                    only.amount = row.amount.amount;
                }
                if due {
                    only.due_on = Some(row.due_on);
                }
                if let Some(said) = whole.first() {
                    only.retention = said.retention;
                    add_happened(only, said, frame);
                }
            }
            Ok((written.instalments, row.due_on))
        }
        (said, here) if here.len() > 1 && said.len() != here.len() => Err(format!(
            "invoice {number} has {} instalments here and {} in the files; correct it by a credit note and another invoice",
            here.len(),
            said.len()
        )),
        (said, _) => {
            let mut before = stored.clone();
            let before = written_out(&mut before);
            let parts: Vec<Instalment> = said
                .iter()
                .map(|said| match before.iter().find(|it| it.no == said.no) {
                    Some(here) => together(said, here, frame),
                    None => said.clone(),
                })
                .collect();
            let due_on = last_due(&parts).unwrap_or(row.due_on);
            Ok((parts, due_on))
        }
    }
}

/// One part as the row says it, with what has happened to it here. A date that was fixed under the same rule stays.
fn together(said: &Instalment, here: &Instalment, frame: &Frame<'_>) -> Instalment {
    let due_on = match (said.rule == here.rule, said.rule) {
        (true, Some(_)) => here.due_on.or(said.due_on),
        (true, None) => said.due_on.or(here.due_on),
        (false, _) => said.due_on,
    };
    let mut part = Instalment {
        amount: said.amount,
        due_on,
        rule: said.rule,
        retention: said.retention,
        ..here.clone()
    };
    add_happened(&mut part, said, frame);
    part
}

fn add_happened(part: &mut Instalment, said: &Instalment, frame: &Frame<'_>) {
    add_disputes(part, &said.disputes, frame);
    add_extensions(part, &said.extensions, frame);
}

/// Whether `here` is what a row of a day in closed books became: it counts from a later day, for the same reason.
fn was_moved(said: (NaiveDate, &str), here: (NaiveDate, &str), frame: &Frame<'_>) -> bool {
    frame.posted(said.0).is_some_and(|opens| here.0 <= opens) && said.0 < here.0 && said.1 == here.1
}

/// Adds disputes that are not known yet, and the end of those that are and go on. What was settled here stays settled.
fn add_disputes(part: &mut Instalment, said: &[Dispute], frame: &Frame<'_>) {
    for row in said {
        let exact = part.disputes.iter().position(|it| it.opened_on == row.opened_on);
        let known = exact.or_else(|| {
            part.disputes.iter().position(|it| {
                let of_another = said.iter().any(|other| other.opened_on == it.opened_on);
                !of_another && was_moved((row.opened_on, &row.reason), (it.opened_on, &it.reason), frame)
            })
        });
        match known.and_then(|at| part.disputes.get_mut(at)) {
            Some(known) => {
                if let (None, Some(end)) = (known.settled_on, row.settled_on) {
                    known.settled_on = Some(frame.posted(end).unwrap_or(end).max(known.opened_on));
                }
            }
            None => {
                let opened_on = frame.posted(row.opened_on).unwrap_or(row.opened_on);
                part.disputes.push(Dispute {
                    opened_on,
                    settled_on: row.settled_on.map(|end| end.max(opened_on)),
                    reason: row.reason.clone(),
                });
            }
        }
    }
}

/// Adds extensions that are not known yet.
fn add_extensions(part: &mut Instalment, said: &[Extension], frame: &Frame<'_>) {
    for row in said {
        let known = part.extensions.iter().any(|it| {
            let moved = || was_moved((row.approved_on, &row.reason), (it.approved_on, &it.reason), frame);
            it.due_on == row.due_on && (it.approved_on == row.approved_on || moved())
        });
        if !known {
            part.extensions.push(Extension {
                approved_on: frame.posted(row.approved_on).unwrap_or(row.approved_on),
                ..row.clone()
            });
        }
    }
    part.extensions.sort_by_key(|it| it.approved_on);
}
