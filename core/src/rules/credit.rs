//! The check before an order: exposure against the limit of the credit file.

use crate::model::{
    CreditDecision, CreditFile, CreditInputs, CreditLimit, CreditVerdict, InvalidMoney, Money, RuleOutcome, Timestamp,
};

/// Gathers what a check is computed from.
///
/// `unsent_orders` are submitted orders that the credit file does not count yet; `file` is the newest credit file with
/// its version, `None` when there is none for the customer.
///
/// # Errors
/// [`InvalidMoney`] when the file mixes currencies or a sum overflows.
pub fn inputs(
    file: Option<(&CreditFile, u64)>,
    unsent_orders: Money,
    order_total: Money,
) -> Result<CreditInputs, InvalidMoney> {
    let Some((file, version)) = file else {
        return Ok(CreditInputs {
            as_of: None,
            file_version: 0,
            grade: None,
            limit: None,
            on_hold: false,
            exposure: Money::zero(order_total.currency),
            unsent_orders,
            order_total,
        });
    };
    let exposure = exposure(file)?;
    Ok(CreditInputs {
        as_of: Some(file.as_of),
        file_version: version,
        grade: file.grade,
        limit: Some(file.limit),
        on_hold: file.on_hold,
        exposure,
        unsent_orders,
        order_total,
    })
}

/// Open receivables + special liabilities + delivered and not invoiced + open orders.
///
/// # Errors
/// [`InvalidMoney`] when the file mixes currencies or the sum overflows.
pub fn exposure(file: &CreditFile) -> Result<Money, InvalidMoney> {
    file.open_receivables
        .checked_add(file.special_liabilities)?
        .checked_add(file.delivered_not_invoiced)?
        .checked_add(file.open_orders)
}

/// Checks an order made offline. Every rule is evaluated and explained, passed or not.
///
/// Without a guarantee from the server the best verdict is [`CreditVerdict::Provisional`]: the data may be stale. A
/// customer without a credit file, on hold, with a grade that allows no credit, or over the limit goes to a supervisor.
pub fn check(inputs: CreditInputs) -> CreditDecision {
    let as_of = inputs.as_of.map_or_else(
        || "never".to_owned(),
        |time: Timestamp| time.to_datetime().format("%Y-%m-%d %H:%M UTC").to_string(),
    );
    let mut rules = vec![RuleOutcome {
        rule: "credit_file".to_owned(),
        passed: inputs.limit.is_some(),
        sentence: match inputs.limit {
            Some(_) => format!("Your credit was last confirmed at {as_of}."),
            None => "There is no credit assessment for you on this phone yet.".to_owned(),
        },
    }];
    rules.push(RuleOutcome {
        rule: "account_hold".to_owned(),
        passed: !inputs.on_hold,
        sentence: if inputs.on_hold {
            "Your account is on hold; our office has to release the order.".to_owned()
        } else {
            "Your account is not on hold.".to_owned()
        },
    });
    let allows = inputs.grade.is_none_or(crate::model::CreditGrade::allows_credit);
    rules.push(RuleOutcome {
        rule: "grade_allows_credit".to_owned(),
        passed: allows,
        sentence: if allows {
            "Your credit grade allows payment after delivery.".to_owned()
        } else {
            "Your credit grade asks for payment before delivery.".to_owned()
        },
    });
    rules.push(limit_rule(&inputs));
    let verdict = if rules.iter().all(|rule| rule.passed) {
        CreditVerdict::Provisional
    } else {
        CreditVerdict::Held
    };
    CreditDecision { verdict, inputs, rules }
}

fn limit_rule(inputs: &CreditInputs) -> RuleOutcome {
    let needed = inputs
        .exposure
        .checked_add(inputs.unsent_orders)
        .and_then(|sum| sum.checked_add(inputs.order_total));
    let (passed, sentence) = match (inputs.limit, needed) {
        (None, _) => (false, "Without a credit file no limit is known.".to_owned()),
        (Some(CreditLimit::NoLimit), Ok(_)) => (true, "There is no limit on your credit.".to_owned()),
        (Some(CreditLimit::Limited(limit)), Ok(needed)) if limit.currency == needed.currency => {
            let within = needed.amount <= limit.amount;
            let sentence = if within {
                format!("With this order {needed} of your limit of {limit} would be used.")
            } else {
                format!("With this order {needed} would be owed, more than your limit of {limit}.")
            };
            (within, sentence)
        }
        (Some(CreditLimit::Limited(limit)), Ok(needed)) => (
            false,
            format!(
                "The order is in {}, your limit in {}; our office has to check it.",
                needed.currency, limit.currency
            ),
        ),
        (Some(_), Err(error)) => (
            false,
            format!("The amounts cannot be added ({error}); our office has to check it."),
        ),
    };
    RuleOutcome {
        rule: "exposure_within_limit".to_owned(),
        passed,
        sentence,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::model::{CreditGrade, Currency, CustomerId};

    fn cny(amount: i64) -> Money {
        Money::new(amount.into(), Currency::CNY)
    }

    fn file(limit: CreditLimit) -> CreditFile {
        CreditFile {
            customer: CustomerId::from_bytes([1; 16]),
            as_of: Timestamp::from_millis(0),
            grade: Some(CreditGrade::B),
            limit,
            terms_days: 30,
            on_hold: false,
            open_receivables: cny(40),
            special_liabilities: cny(5),
            delivered_not_invoiced: cny(10),
            open_orders: cny(15),
            overdue: cny(0),
            oldest_due: None,
            ..CreditFile::new(
                CustomerId::from_bytes([1; 16]),
                Timestamp::from_millis(0),
                Currency::CNY,
            )
        }
    }

    fn verdict_of(file: Option<&CreditFile>, unsent: i64, order: i64) -> CreditDecision {
        check(inputs(file.map(|file| (file, 3)), cny(unsent), cny(order)).unwrap())
    }

    #[test]
    fn exactly_at_the_limit_passes_and_one_more_is_held() {
        let file = file(CreditLimit::Limited(cny(100)));
        assert_eq!(verdict_of(Some(&file), 10, 20).verdict, CreditVerdict::Provisional);
        assert_eq!(verdict_of(Some(&file), 10, 21).verdict, CreditVerdict::Held);
        assert_eq!(verdict_of(Some(&file), 11, 20).verdict, CreditVerdict::Held);
    }

    #[test]
    fn no_limit_and_limit_zero_and_no_file_are_three_different_things() {
        assert_eq!(
            verdict_of(Some(&file(CreditLimit::NoLimit)), 0, 1_000_000).verdict,
            CreditVerdict::Provisional
        );
        assert_eq!(
            verdict_of(Some(&file(CreditLimit::Limited(cny(0)))), 0, 1).verdict,
            CreditVerdict::Held
        );
        let without = verdict_of(None, 0, 1);
        assert_eq!(without.verdict, CreditVerdict::Held);
        assert!(without.inputs.limit.is_none());
    }

    #[test]
    fn hold_and_prepay_grade_are_named_among_all_the_rules() {
        let mut file = file(CreditLimit::NoLimit);
        file.on_hold = true;
        file.grade = Some(CreditGrade::D);
        let decision = verdict_of(Some(&file), 0, 1);
        let failed: Vec<_> = decision
            .rules
            .iter()
            .filter(|rule| !rule.passed)
            .map(|rule| rule.rule.as_str())
            .collect();
        assert_eq!(failed, ["account_hold", "grade_allows_credit"]);
        assert_eq!(decision.rules.len(), 4);
    }

    #[test]
    fn a_foreign_currency_is_never_added_unconverted() {
        let file = file(CreditLimit::Limited(cny(100)));
        let usd = Money::new(1.into(), Currency::USD);
        let decision = check(inputs(Some((&file, 1)), Money::zero(Currency::USD), usd).unwrap());
        assert_eq!(decision.verdict, CreditVerdict::Held);
    }
}
