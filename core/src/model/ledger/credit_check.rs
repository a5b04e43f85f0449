//! What is checked of each new decision about a customer's credit. Decisions that are stored already may come from other
//! books, with days that nobody would type; they are left as they are.

use super::{Assessment, CreditHold, CreditLimit, CreditTerms};
use crate::model::{InvalidField, check_amount, check_date, check_named};

impl CreditTerms {
    /// Longest term of credit, in days; ten years.
    pub const MAX_DAYS: u32 = 3_660;

    /// Checks what a form would check of a new change of grade, limit or terms.
    ///
    /// # Errors
    /// [`InvalidField`] naming the field: no reason, a limit that is negative, too large or finer than the minor unit, a
    /// day far out of range, a term of more than ten years.
    pub fn validate(&self) -> Result<(), InvalidField> {
        if self.reason.trim().is_empty() {
            return Err(InvalidField::new("reason", "a change of grade or limit needs a reason"));
        }
        check_named("reason", &self.reason)?;
        check_date("effective_from", self.effective_from)?;
        if self.terms_days > Self::MAX_DAYS {
            return Err(InvalidField::new(
                "terms_days",
                format!("must be at most {}", Self::MAX_DAYS),
            ));
        }
        match self.limit {
            CreditLimit::NoLimit => Ok(()),
            CreditLimit::Limited(limit) => check_amount("limit", limit.amount, limit.currency),
        }
    }
}

impl Assessment {
    /// Checks what a form would check of a new assessment.
    ///
    /// # Errors
    /// [`InvalidField`] naming the field: no assessor, no evidence, a day far out of range, an end before the beginning.
    pub fn validate(&self) -> Result<(), InvalidField> {
        check_named("assessor", &self.assessor)?;
        check_named("evidence", &self.evidence)?;
        check_date("on", self.on)?;
        check_date("valid_until", self.valid_until)?;
        if self.valid_until < self.on {
            return Err(InvalidField::new("valid_until", "lies before the assessment"));
        }
        Ok(())
    }
}

impl CreditHold {
    /// Checks what a form would check of a new hold.
    ///
    /// # Errors
    /// [`InvalidField`] naming the field: no reason, a day far out of range, an end before the beginning.
    pub fn validate(&self) -> Result<(), InvalidField> {
        check_named("reason", &self.reason)?;
        check_date("from", self.from)?;
        if self.until.is_some_and(|until| until < self.from) {
            return Err(InvalidField::new("until", "lies before the hold begins"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::model::{Currency, Money, Timestamp};

    fn terms(limit: &str, currency: &str) -> CreditTerms {
        let currency: Currency = currency.parse().unwrap();
        CreditTerms {
            effective_from: "2026-03-02".parse().unwrap(),
            grade: None,
            limit: CreditLimit::Limited(Money::new(limit.parse().unwrap(), currency)),
            terms_days: 30,
            reason: "assessed".to_owned(),
            by: None,
            recorded_at: Timestamp::from_millis(0),
        }
    }

    #[test]
    fn a_limit_is_an_amount_of_its_currency() {
        terms("0", "CNY").validate().unwrap();
        terms("50000.123", "KWD").validate().unwrap();
        for (limit, currency) in [
            ("-1", "CNY"),
            ("0.001", "CNY"),
            ("0.5", "JPY"),
            ("1000000000001", "CNY"),
        ] {
            assert_eq!(terms(limit, currency).validate().unwrap_err().field, "limit", "{limit}");
        }
    }

    #[test]
    fn decisions_have_reasons_and_days_that_somebody_could_mean() {
        let mut it = terms("1", "CNY");
        it.terms_days = CreditTerms::MAX_DAYS + 1;
        assert_eq!(it.validate().unwrap_err().field, "terms_days");
        it.effective_from = "9999-01-01".parse().unwrap();
        assert_eq!(it.validate().unwrap_err().field, "effective_from");
        it.reason = " ".to_owned();
        assert_eq!(it.validate().unwrap_err().field, "reason");
        let mut it = Assessment {
            on: "2026-03-02".parse().unwrap(),
            assessor: "Wang".to_owned(),
            evidence: "accounts of 2025".to_owned(),
            valid_until: "2026-03-01".parse().unwrap(),
        };
        assert_eq!(it.validate().unwrap_err().field, "valid_until");
        it.evidence.clear();
        assert_eq!(it.validate().unwrap_err().field, "evidence");
        let mut it = CreditHold {
            from: "2026-03-02".parse().unwrap(),
            until: "2026-03-01".parse().ok(),
            reason: "cheque returned".to_owned(),
            by: None,
        };
        assert_eq!(it.validate().unwrap_err().field, "until");
        it.reason.clear();
        assert_eq!(it.validate().unwrap_err().field, "reason");
    }
}
