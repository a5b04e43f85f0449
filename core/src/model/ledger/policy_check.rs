//! What a policy editor refuses, and what it warns of.

use chrono::{Datelike, NaiveDate};
use rust_decimal::Decimal;

use super::{
    CreditLimit, DocumentCapSwitch, HolidayCalendar, InterestPolicy, InterestTier, OldestItemSwitch,
    OverdueShareSwitch, Policy,
};
use crate::model::{InvalidField, MAX_AMOUNT, check_date, check_most};

impl Policy {
    /// Checks what makes a policy unusable. What is usable and may still be a slip is in [`Self::doubts`].
    ///
    /// # Errors
    /// [`InvalidField`] naming the field: a rate that is not above zero, a tier that ends before it begins, a ladder that
    /// does not ascend, a share outside 0 to 1, a negative amount, a calendar without a working day.
    pub fn validate(&self) -> Result<(), InvalidField> {
        for grade in self.grades.values() {
            if let Some(CreditLimit::Limited(limit)) = grade.limit {
                check_positive_or_zero("grades.limit", limit.amount)?;
            }
        }
        if let DocumentCapSwitch::On(cap) = self.check.document_cap {
            check_positive_or_zero("check.document_cap", cap.amount)?;
        }
        if let OldestItemSwitch::On(rule) = self.check.oldest_item {
            check_positive_or_zero("check.oldest_item.tolerance", rule.tolerance)?;
        }
        if let OverdueShareSwitch::On(rule) = self.check.overdue_share {
            check_share("check.overdue_share.max_share", rule.max_share)?;
        }
        for rate in &self.rates {
            if rate.rate <= Decimal::ZERO {
                return Err(InvalidField::new("rates.rate", "must be more than zero"));
            }
            check_most("rates.rate", rate.rate, MAX_AMOUNT)?;
            check_date("rates.on", rate.on)?;
            if rate.from == rate.to {
                return Err(InvalidField::new("rates.to", "must be another currency than the first"));
            }
        }
        check_tiers("interest.tiers", &self.interest.tiers)?;
        check_positive_or_zero("interest.annual_cap_percent", self.interest.annual_cap_percent)?;
        check_positive_or_zero("dunning.minimum", self.dunning.minimum)?;
        if self.dunning.ladder.len() > usize::from(u8::MAX) {
            return Err(InvalidField::new("dunning.ladder", "has more than 255 levels"));
        }
        if !self.dunning.ladder.is_sorted_by(|a, b| a.from_day < b.from_day) {
            return Err(InvalidField::new(
                "dunning.ladder.from_day",
                "each level must begin on a later day than the one before",
            ));
        }
        check_positive_or_zero("promises.tolerance_amount", self.promises.tolerance_amount)?;
        check_positive_or_zero("warnings.limit_share", self.warnings.limit_share)?;
        if self.warnings.limit_share_critical < self.warnings.limit_share {
            return Err(InvalidField::new(
                "warnings.limit_share_critical",
                "must not be below the share that warns",
            ));
        }
        for size in self.allowances.sizes.values() {
            check_positive_or_zero("allowances.sizes.orders_per_visit", size.orders_per_visit)?;
            check_share("allowances.sizes.max_share_of_limit", size.max_share_of_limit)?;
        }
        if self.allowances.step <= Decimal::ZERO {
            return Err(InvalidField::new("allowances.step", "must be more than zero"));
        }
        self.holidays.as_ref().map_or(Ok(()), HolidayCalendar::validate)
    }

    /// What is usable and still may not be meant, with the field: days of lateness in no tier of interest or in two, and
    /// a rate that comes to more in a year than the cap.
    pub fn doubts(&self) -> Vec<InvalidField> {
        let mut doubts = tier_doubts("interest.tiers", &self.interest.tiers);
        let cap = self.interest.annual_cap_percent;
        let high = self
            .interest
            .tiers
            .iter()
            .filter(|tier| self.interest.is_above_cap(tier));
        doubts.extend(high.map(|tier| {
            InvalidField::new(
                "interest.tiers.percent_per_day",
                format!(
                    "{} % a day is {} % a year, above the cap of {cap} %",
                    tier.percent_per_day,
                    tier.annual_percent().normalize()
                ),
            )
        }));
        doubts
    }
}

impl InterestTier {
    /// The rate of a year of 365 days without compounding, in percent: 0.5 % a day is 182.5 %.
    pub fn annual_percent(&self) -> Decimal {
        self.percent_per_day.saturating_mul(Decimal::from(365))
    }
}

impl InterestPolicy {
    /// Whether a tier comes to more in a year than the cap.
    pub fn is_above_cap(&self, tier: &InterestTier) -> bool {
        tier.annual_percent() > self.annual_cap_percent
    }
}

impl HolidayCalendar {
    /// Whether money moves on `day`. A weekend day that is worked counts as worked; a holiday is free on any weekday.
    pub fn is_working(&self, day: NaiveDate) -> bool {
        let weekend = self.weekend.contains(&day.weekday()) && !self.working_days.contains(&day);
        !weekend && !self.holidays.contains(&day)
    }

    fn validate(&self) -> Result<(), InvalidField> {
        let days: std::collections::BTreeSet<u32> =
            self.weekend.iter().map(chrono::Weekday::num_days_from_monday).collect();
        if days.len() == 7 {
            return Err(InvalidField::new(
                "holidays.weekend",
                "leaves no day of the week to work on",
            ));
        }
        if let Some(day) = self.holidays.intersection(&self.working_days).next() {
            return Err(InvalidField::new(
                "holidays.working_days",
                format!("{day} is a holiday too; take it from one of the two"),
            ));
        }
        Ok(())
    }
}

/// Tiers that begin after they end, or before the first day, or have a negative rate, are refused.
pub(super) fn check_tiers(field: &str, tiers: &[InterestTier]) -> Result<(), InvalidField> {
    for tier in tiers {
        if tier.from_day == 0 {
            return Err(InvalidField::new(
                format!("{field}.from_day"),
                "the first day of lateness is day 1",
            ));
        }
        if tier.to_day.is_some_and(|to| to < tier.from_day) {
            return Err(InvalidField::new(
                format!("{field}.to_day"),
                "lies before the tier's first day",
            ));
        }
        if tier.percent_per_day < Decimal::ZERO || tier.percent_per_day > Decimal::ONE_HUNDRED {
            return Err(InvalidField::new(
                format!("{field}.percent_per_day"),
                "must lie between 0 and 100",
            ));
        }
    }
    Ok(())
}

/// Days of lateness that lie in no tier, and in more than one; nothing to say of no tiers at all.
fn tier_doubts(field: &str, tiers: &[InterestTier]) -> Vec<InvalidField> {
    let mut sorted: Vec<_> = tiers.iter().collect();
    sorted.sort_by_key(|tier| tier.from_day);
    let mut doubts = Vec::new();
    // First day that no tier so far reaches; `None` once one goes on for ever.
    let mut next = Some(1u32);
    for tier in &sorted {
        match next {
            Some(expected) if tier.from_day > expected => doubts.push(InvalidField::new(
                field,
                format!(
                    "days {expected} to {} lie in no tier and accrue nothing",
                    tier.from_day - 1
                ),
            )),
            Some(expected) if tier.from_day == expected => {}
            _ => doubts.push(InvalidField::new(
                field,
                format!("day {} lies in more than one tier; the later one counts", tier.from_day),
            )),
        }
        next = match (next, tier.to_day) {
            (Some(expected), Some(to)) => to.checked_add(1).map(|after| after.max(expected)),
            _ => None,
        };
    }
    if let (Some(expected), false) = (next, sorted.is_empty()) {
        doubts.push(InvalidField::new(
            field,
            format!("days from {expected} on lie in no tier and accrue nothing"),
        ));
    }
    doubts
}

fn check_positive_or_zero(field: &str, value: Decimal) -> Result<(), InvalidField> {
    if value < Decimal::ZERO {
        return Err(InvalidField::new(field, "must not be negative"));
    }
    check_most(field, value, MAX_AMOUNT)
}

fn check_share(field: &str, value: Decimal) -> Result<(), InvalidField> {
    if value < Decimal::ZERO || value > Decimal::ONE {
        return Err(InvalidField::new(field, "must lie between 0 and 1"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::model::{CreditRate, Currency};

    fn tier(from_day: u32, to_day: Option<u32>, percent: &str) -> InterestTier {
        InterestTier {
            from_day,
            to_day,
            percent_per_day: percent.parse().unwrap(),
        }
    }

    fn with_tiers(tiers: Vec<InterestTier>) -> Policy {
        Policy {
            interest: InterestPolicy {
                tiers,
                ..InterestPolicy::default()
            },
            ..Policy::default()
        }
    }

    fn said(policy: &Policy) -> Vec<String> {
        policy.doubts().into_iter().map(|it| it.message).collect()
    }

    #[test]
    fn the_default_policy_is_valid_and_warns_of_its_gap_and_its_rate() {
        let policy = Policy::default();
        policy.validate().unwrap();
        assert_eq!(
            said(&policy),
            [
                "days from 16 on lie in no tier and accrue nothing",
                "0.5 % a day is 182.5 % a year, above the cap of 24 %"
            ]
        );
    }

    #[test]
    fn gaps_and_overlaps_of_tiers_are_warned_of() {
        let gap = with_tiers(vec![tier(31, None, "0.05"), tier(5, Some(10), "0.01")]);
        assert_eq!(
            said(&gap),
            [
                "days 1 to 4 lie in no tier and accrue nothing",
                "days 11 to 30 lie in no tier and accrue nothing"
            ]
        );
        let overlap = with_tiers(vec![tier(1, None, "0.01"), tier(10, Some(20), "0.02")]);
        assert_eq!(
            said(&overlap),
            ["day 10 lies in more than one tier; the later one counts"]
        );
        let clean = with_tiers(vec![tier(1, Some(15), "0.01"), tier(16, None, "0.05")]);
        assert!(said(&clean).is_empty());
        assert!(said(&with_tiers(Vec::new())).is_empty());
    }

    #[test]
    fn a_policy_that_cannot_be_used_names_its_field() {
        let rate = |rate: i64| CreditRate {
            from: Currency::USD,
            to: Currency::CNY,
            on: "2026-01-01".parse().unwrap(),
            rate: rate.into(),
        };
        let mut policies = vec![
            (with_tiers(vec![tier(0, None, "1")]), "interest.tiers.from_day"),
            (with_tiers(vec![tier(1, None, "-1")]), "interest.tiers.percent_per_day"),
        ];
        let it = Policy {
            rates: vec![rate(7), rate(0)],
            ..Policy::default()
        };
        policies.push((it, "rates.rate"));
        let mut it = Policy::default();
        it.dunning.ladder.swap(0, 1);
        policies.push((it, "dunning.ladder.from_day"));
        let both = HolidayCalendar {
            holidays: ["2026-10-01".parse().unwrap()].into(),
            working_days: ["2026-10-01".parse().unwrap()].into(),
            ..HolidayCalendar::default()
        };
        let it = Policy {
            holidays: Some(both),
            ..Policy::default()
        };
        policies.push((it, "holidays.working_days"));
        let mut it = Policy::default();
        it.allowances.step = Decimal::ZERO;
        policies.push((it, "allowances.step"));
        for (policy, field) in policies {
            assert_eq!(policy.validate().unwrap_err().field, field);
        }
    }
}
