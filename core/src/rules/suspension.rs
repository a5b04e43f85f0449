//! Stops of supply (停止供货): the rules propose, a person decides, and it ends on a day (DOMAIN §2.1, §3).
//!
//! An item proposes one from a day of lateness on: its contract's, where the breach terms name one, else the policy's.
//! What the customer disputes proposes nothing.

use chrono::{Days, NaiveDate};
use rust_decimal::Decimal;

use super::{
    books::OpenItem,
    wording::{Sentence, counted},
};
use crate::model::{BreachTerms, InterestPolicy, InvalidField, Money, Suspension, SuspensionDecision};

/// Why supply should stop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SuspensionGrounds {
    /// The item that is late.
    pub invoice_number: String,
    /// Its instalment.
    pub instalment: u32,
    /// Day of lateness, 1 for the day after the due date.
    pub day_of_lateness: i64,
    /// The day of lateness from which a stop is proposed.
    pub from_day: u32,
    /// What is open of it.
    pub open: Money,
}

impl SuspensionGrounds {
    /// Why, in a sentence.
    pub fn sentence(&self) -> Sentence {
        let Self {
            invoice_number,
            instalment,
            day_of_lateness,
            from_day,
            open,
        } = self;
        let late = counted(*day_of_lateness, "day");
        Sentence::new(
            format!(
                "{open} of invoice {invoice_number}, instalment {instalment}, is {late} late; \
                 from day {from_day} supply may be stopped."
            ),
            format!(
                "发票 {invoice_number} 第 {instalment} 期 {open} 已逾期 {day_of_lateness} 天，自第 {from_day} 天起可停止供货。"
            ),
        )
    }
}

/// The grounds on which a stop of supply is to be proposed on `as_of`, of the item that has been proposing it longest;
/// `None` when there are none, when a proposal is waiting or a stop in force, or when what speaks for it was there
/// already when a person last decided against it.
///
/// `breach` gives the breach terms of an item's contract.
pub fn propose<'c>(
    items: &[OpenItem],
    breach: impl Fn(&OpenItem) -> Option<&'c BreachTerms>,
    policy: &InterestPolicy,
    suspensions: &[Suspension],
    as_of: NaiveDate,
) -> Option<SuspensionGrounds> {
    let standing = |it: &Suspension| match &it.decision {
        None => it.ended_on.is_none_or(|end| as_of < end),
        Some(decision) => decision.suspend && it.ended_on.is_none_or(|end| as_of < end),
    };
    if suspensions.iter().any(standing) {
        return None;
    }
    // Whoever said no, or let supply go on, knew what was late by then.
    let settled = |it: &Suspension| {
        let refused = it.decision.as_ref().filter(|decision| !decision.suspend);
        it.ended_on.max(refused.map(|decision| decision.on))
    };
    let known_until = suspensions.iter().filter_map(settled).max();
    let speaks = |item: &OpenItem| {
        let day_of_lateness = item.days_late(as_of)?;
        let from_day = breach(item)
            .and_then(|terms| terms.suspend_from_day)
            .unwrap_or(policy.suspend_from_day);
        let open = Money::new(item.open(), item.currency);
        if item.disputed || open.amount <= Decimal::ZERO || day_of_lateness < i64::from(from_day.max(1)) {
            return None;
        }
        let since = item.due_on?.checked_add_days(Days::new(from_day.max(1).into()))?;
        if known_until.is_some_and(|known| since <= known) {
            return None;
        }
        let grounds = SuspensionGrounds {
            invoice_number: item.invoice_number.clone(),
            instalment: item.instalment,
            day_of_lateness,
            from_day,
            open,
        };
        Some((since, grounds))
    };
    let first = items.iter().filter_map(speaks).min_by_key(|(since, _)| *since)?;
    Some(first.1)
}

/// The record of a proposal.
pub fn proposed(grounds: &SuspensionGrounds, on: NaiveDate) -> Suspension {
    Suspension {
        proposed_on: on,
        grounds: grounds.sentence().english,
        decision: None,
        ended_on: None,
    }
}

/// The proposal with what a person decided.
///
/// # Errors
/// [`InvalidField`] when it is decided already, when the decision lies before the proposal, or without a reason.
pub fn decided(suspension: &Suspension, decision: SuspensionDecision) -> Result<Suspension, InvalidField> {
    if suspension.decision.is_some() {
        return Err(InvalidField::new("decision", "has been made already"));
    }
    if decision.reason.trim().is_empty() {
        return Err(InvalidField::new("reason", "say why supply stops, or why it goes on"));
    }
    if decision.on < suspension.proposed_on {
        return Err(InvalidField::new("on", "lies before the proposal"));
    }
    Ok(Suspension {
        decision: Some(decision),
        ..suspension.clone()
    })
}

/// The stop of supply with its end: `on` is the first day on which supply goes on again.
///
/// # Errors
/// [`InvalidField`] when supply was not stopped, when it has ended already, or when the end lies before the decision.
pub fn ended(suspension: &Suspension, on: NaiveDate) -> Result<Suspension, InvalidField> {
    let Some(decision) = suspension.decision.as_ref().filter(|it| it.suspend) else {
        return Err(InvalidField::new("suspension", "supply was not stopped"));
    };
    if suspension.ended_on.is_some() {
        return Err(InvalidField::new("ended_on", "supply goes on already"));
    }
    if on < decision.on {
        return Err(InvalidField::new("ended_on", "lies before the decision"));
    }
    Ok(Suspension {
        ended_on: Some(on),
        ..suspension.clone()
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::model::{CreditAccount, Currency, CustomerId, UserId};

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn item(invoice: &str, due: &str) -> OpenItem {
        OpenItem {
            invoice_number: invoice.to_owned(),
            instalment: 1,
            order_number: None,
            posted_on: day("2026-01-01"),
            due_on: Some(day(due)),
            original_due_on: Some(day(due)),
            currency: Currency::CNY,
            amount: 100.into(),
            principal: 100.into(),
            interest: Decimal::ZERO,
            costs: Decimal::ZERO,
            disputed: false,
            dunning_level: 0,
            dunned_on: None,
            retention: false,
        }
    }

    fn on(items: &[OpenItem], suspensions: &[Suspension], as_of: &str) -> Option<SuspensionGrounds> {
        propose(items, |_| None, &InterestPolicy::default(), suspensions, day(as_of))
    }

    fn decision(on: &str, suspend: bool) -> SuspensionDecision {
        SuspensionDecision {
            on: day(on),
            by: UserId::from_bytes([4; 16]),
            suspend,
            reason: "the owner does not answer".to_owned(),
        }
    }

    #[test]
    fn a_stop_is_proposed_from_day_thirty_one_of_lateness() {
        let items = [item("F-1", "2026-03-02")];
        assert_eq!(on(&items, &[], "2026-04-01"), None);
        let grounds = on(&items, &[], "2026-04-02").unwrap();
        assert_eq!(grounds.day_of_lateness, 31);
        assert_eq!(
            grounds.sentence().english,
            "CNY 100 of invoice F-1, instalment 1, is 31 days late; from day 31 supply may be stopped."
        );
    }

    #[test]
    fn the_contracts_breach_terms_come_before_the_policy() {
        let items = [item("F-1", "2026-03-02"), item("F-2", "2026-03-20")];
        let strict = BreachTerms {
            suspend_from_day: Some(10),
            ..BreachTerms::default()
        };
        let silent = BreachTerms::default();
        let propose_with = |terms: &BreachTerms, as_of| {
            let of = |it: &OpenItem| (it.invoice_number == "F-2").then_some(terms);
            propose(&items, of, &InterestPolicy::default(), &[], day(as_of))
        };
        assert_eq!(propose_with(&strict, "2026-03-29"), None);
        assert_eq!(propose_with(&strict, "2026-03-30").unwrap().invoice_number, "F-2");
        assert_eq!(propose_with(&silent, "2026-03-30"), None);
    }

    #[test]
    fn disputed_and_settled_items_propose_nothing() {
        let mut disputed = item("F-1", "2026-01-02");
        disputed.disputed = true;
        let mut settled = item("F-2", "2026-01-02");
        settled.principal = Decimal::ZERO;
        let mut undated = item("F-3", "2026-01-02");
        undated.due_on = None;
        assert_eq!(on(&[disputed, settled, undated], &[], "2026-04-02"), None);
    }

    #[test]
    fn a_proposal_waits_for_a_person_and_a_refusal_stands_for_what_was_late_then() {
        let items = [item("F-1", "2026-03-02")];
        let waiting = proposed(&on(&items, &[], "2026-04-02").unwrap(), day("2026-04-02"));
        assert_eq!(on(&items, std::slice::from_ref(&waiting), "2026-04-03"), None);
        let refused = [decided(&waiting, decision("2026-04-05", false)).unwrap()];
        assert_eq!(on(&items, &refused, "2026-05-01"), None);
        // Something else comes to its day after the refusal.
        let more = [item("F-1", "2026-03-02"), item("F-9", "2026-03-06")];
        assert_eq!(on(&more, &refused, "2026-04-05"), None);
        assert_eq!(on(&more, &refused, "2026-04-06").unwrap().invoice_number, "F-9");
    }

    #[test]
    fn a_decided_stop_holds_the_account_from_its_day_to_its_end() {
        let items = [item("F-1", "2026-03-02")];
        let waiting = proposed(&on(&items, &[], "2026-04-02").unwrap(), day("2026-04-02"));
        let stopped = decided(&waiting, decision("2026-04-03", true)).unwrap();
        assert_eq!(on(&items, std::slice::from_ref(&stopped), "2026-04-20"), None);
        let over = ended(&stopped, day("2026-04-10")).unwrap();
        let mut account = CreditAccount::new(CustomerId::from_bytes([1; 16]));
        account.suspensions.push(over.clone());
        assert_eq!(account.hold_on(day("2026-04-02")), None);
        assert_eq!(account.hold_on(day("2026-04-09")), Some("the owner does not answer"));
        assert_eq!(account.hold_on(day("2026-04-10")), None);

        let refused = |result: Result<Suspension, InvalidField>| result.unwrap_err().field;
        assert_eq!(refused(ended(&over, day("2026-04-11"))), "ended_on");
        assert_eq!(refused(ended(&stopped, day("2026-04-02"))), "ended_on");
        assert_eq!(refused(ended(&waiting, day("2026-04-10"))), "suspension");
        assert_eq!(refused(decided(&stopped, decision("2026-04-10", false))), "decision");
        assert_eq!(refused(decided(&waiting, decision("2026-04-01", true))), "on");
        let silent = SuspensionDecision {
            reason: String::new(),
            ..decision("2026-04-10", true)
        };
        assert_eq!(refused(decided(&waiting, silent)), "reason");
    }
}
