//! Approved later due dates (延期): the new date is added to the instalment, the original one stays (DOMAIN §2.1).

use chrono::NaiveDate;
use rust_decimal::Decimal;

use crate::model::{Extension, Instalment, InvalidField, UserId};

/// A later due date that somebody approved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExtensionRequest {
    /// The new due date.
    pub due_on: NaiveDate,
    /// The day it is approved.
    pub approved_on: NaiveDate,
    /// Who approves; `None` for other software, which the audit log names.
    pub by: Option<UserId>,
    /// Why.
    pub reason: String,
}

/// The instalment with a later due date. `open` is what is open of it, interest and costs included, on the day of the
/// approval.
///
/// # Errors
/// [`InvalidField`] when nothing is open, when it has no due date yet, when the new date is not later than the present
/// one, when an extension that was approved later is recorded already, or without a reason.
pub fn extended(instalment: &Instalment, open: Decimal, request: ExtensionRequest) -> Result<Instalment, InvalidField> {
    if request.reason.trim().is_empty() {
        return Err(InvalidField::new("reason", "an extension needs a reason"));
    }
    if open <= Decimal::ZERO {
        return Err(InvalidField::new(
            "instalment",
            "is settled; there is nothing to be paid later",
        ));
    }
    if instalment
        .extensions
        .iter()
        .any(|it| it.approved_on > request.approved_on)
    {
        return Err(InvalidField::new(
            "approved_on",
            "lies before an extension that is recorded already",
        ));
    }
    let Some(present) = instalment.due_on_by(request.approved_on) else {
        return Err(InvalidField::new(
            "instalment",
            "has no due date yet; record the event that it counts from first",
        ));
    };
    if request.due_on <= present {
        return Err(InvalidField::new(
            "due_on",
            format!("must be later than {present}, when it is due now"),
        ));
    }
    let mut extended = instalment.clone();
    extended.extensions.push(Extension {
        approved_on: request.approved_on,
        due_on: request.due_on,
        by: request.by,
        reason: request.reason,
    });
    Ok(extended)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const FINANCE: UserId = UserId::from_bytes([4; 16]);

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn until(due_on: &str, approved_on: &str) -> ExtensionRequest {
        ExtensionRequest {
            due_on: day(due_on),
            approved_on: day(approved_on),
            by: Some(FINANCE),
            reason: "their customer pays in April".to_owned(),
        }
    }

    #[test]
    fn an_extension_keeps_the_original_due_date_and_what_was_extended_before() {
        let first = Instalment::new(1, 100.into(), Some(day("2026-03-02")));
        let second = extended(&first, 100.into(), until("2026-03-20", "2026-03-01")).unwrap();
        let third = extended(&second, 40.into(), until("2026-04-10", "2026-03-18")).unwrap();
        assert_eq!(third.due_on, Some(day("2026-03-02")));
        let kept: Vec<_> = third.extensions.iter().map(|it| (it.due_on, it.by)).collect();
        assert_eq!(
            kept,
            [(day("2026-03-20"), Some(FINANCE)), (day("2026-04-10"), Some(FINANCE))]
        );
        // A past report does not change.
        assert_eq!(third.due_on_by(day("2026-02-28")), Some(day("2026-03-02")));
        assert_eq!(third.due_on_by(day("2026-03-17")), Some(day("2026-03-20")));
        assert_eq!(third.due_on_by(day("2026-03-18")), Some(day("2026-04-10")));
    }

    #[test]
    fn no_earlier_date_no_settled_item_and_nothing_without_a_reason() {
        let mut item = Instalment::new(1, 100.into(), Some(day("2026-03-02")));
        let refused = |item: &Instalment, open: i64, request| extended(item, open.into(), request).unwrap_err().field;
        assert_eq!(refused(&item, 100, until("2026-03-02", "2026-03-01")), "due_on");
        assert_eq!(refused(&item, 100, until("2026-02-20", "2026-02-01")), "due_on");
        assert_eq!(refused(&item, 0, until("2026-03-20", "2026-03-01")), "instalment");
        let silent = ExtensionRequest {
            reason: " ".to_owned(),
            ..until("2026-03-20", "2026-03-01")
        };
        assert_eq!(refused(&item, 100, silent), "reason");
        item = extended(&item, 100.into(), until("2026-03-20", "2026-03-01")).unwrap();
        assert_eq!(refused(&item, 100, until("2026-03-10", "2026-03-05")), "due_on");
        assert_eq!(refused(&item, 100, until("2026-04-10", "2026-02-27")), "approved_on");
        item = Instalment::new(2, 100.into(), None);
        assert_eq!(refused(&item, 100, until("2026-03-20", "2026-03-01")), "instalment");
    }
}
