//! What finance checks of a contract's terms before it is stored.

use rust_decimal::Decimal;

use super::{Contract, DueOffset, DueStart, policy_check::check_tiers};
use crate::model::{InvalidField, check_count, check_date, check_named, check_text};

impl Contract {
    /// Checks what a form would check.
    ///
    /// # Errors
    /// [`InvalidField`] naming the field: no number, no milestone or one without a name, a share that is not more than
    /// zero, shares that do not sum to 100 %, a milestone on acceptance without acceptance criteria, tiers of interest
    /// that end before they begin.
    pub fn validate(&self) -> Result<(), InvalidField> {
        check_named("number", &self.number)?;
        check_date("signed_on", self.signed_on)?;
        check_text("acceptance_criteria", &self.acceptance_criteria)?;
        check_count("milestones", self.milestones.len())?;
        if self.milestones.is_empty() {
            return Err(InvalidField::new("milestones", "say when the price is due"));
        }
        let mut sum = Decimal::ZERO;
        for it in &self.milestones {
            check_named("milestones.name", &it.name)?;
            if it.percent <= Decimal::ZERO || it.percent > Decimal::ONE_HUNDRED {
                return Err(InvalidField::new(
                    "milestones.percent",
                    "must be more than 0 and at most 100",
                ));
            }
            it.due.offset.validate("milestones.due.offset")?;
            sum += it.percent; // at most MAX_ITEMS of at most 100
        }
        if sum != Decimal::ONE_HUNDRED {
            return Err(InvalidField::new(
                "milestones.percent",
                format!("the shares sum to {} %, not to 100 %", sum.normalize()),
            ));
        }
        let on_acceptance = self.milestones.iter().any(|it| it.due.from == DueStart::Acceptance);
        if on_acceptance && self.acceptance_criteria.trim().is_empty() {
            return Err(InvalidField::new(
                "acceptance_criteria",
                "a milestone hangs on acceptance: say what has to be there for it",
            ));
        }
        check_tiers("breach.interest", &self.breach.interest)
    }
}

impl DueOffset {
    /// Longest time that a due date may lie after its event, in days; a hundred years.
    pub const MAX_DAYS: u32 = 36_525;

    pub(super) fn validate(self, field: &str) -> Result<(), InvalidField> {
        let too_long = match self {
            Self::Days(days) | Self::EndOfMonth(days) => days > Self::MAX_DAYS,
            Self::Months(months) => months > 1_200,
        };
        if too_long {
            return Err(InvalidField::new(field, "must be at most a hundred years"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::model::{BreachTerms, CustomerId, DueRule, InterestTier, Milestone};

    fn milestone(percent: &str, from: DueStart) -> Milestone {
        Milestone {
            name: "part".into(),
            percent: percent.parse().unwrap(),
            due: DueRule {
                from,
                offset: DueOffset::Days(30),
            },
            retention: false,
        }
    }

    fn contract(milestones: Vec<Milestone>) -> Contract {
        Contract {
            number: "K-7".into(),
            customer: CustomerId::from_bytes([1; 16]),
            signed_on: "2026-01-05".parse().unwrap(),
            milestones,
            acceptance_criteria: String::new(),
            breach: BreachTerms::default(),
            review: None,
        }
    }

    #[test]
    fn milestones_sum_to_a_hundred_percent_exactly() {
        let thirds = |last| {
            contract(vec![
                milestone("33.33", DueStart::Delivery),
                milestone("33.33", DueStart::Delivery),
                milestone(last, DueStart::Delivery),
            ])
        };
        thirds("33.34").validate().unwrap();
        for (last, wrong) in [("33.33", "33.33"), ("0", "0"), ("-5", "-5"), ("101", "101")] {
            let error = thirds(last).validate().unwrap_err();
            assert_eq!(error.field, "milestones.percent", "{wrong}");
        }
        assert_eq!(contract(Vec::new()).validate().unwrap_err().field, "milestones");
    }

    #[test]
    fn a_milestone_on_acceptance_needs_acceptance_criteria() {
        let mut it = contract(vec![milestone("100", DueStart::Acceptance)]);
        assert_eq!(it.validate().unwrap_err().field, "acceptance_criteria");
        it.acceptance_criteria = "  ".into();
        assert_eq!(it.validate().unwrap_err().field, "acceptance_criteria");
        it.acceptance_criteria = "runs for 72 hours without a stop".into();
        it.validate().unwrap();
    }

    #[test]
    fn breach_terms_and_offsets_are_checked_too() {
        let mut it = contract(vec![milestone("100", DueStart::Delivery)]);
        it.breach.interest = vec![InterestTier {
            from_day: 9,
            to_day: Some(3),
            percent_per_day: Decimal::ONE,
        }];
        assert_eq!(it.validate().unwrap_err().field, "breach.interest.to_day");
        it.breach = BreachTerms::default();
        it.milestones[0].due.offset = DueOffset::Months(u32::MAX);
        assert_eq!(it.validate().unwrap_err().field, "milestones.due.offset");
    }
}
