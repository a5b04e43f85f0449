//! Why an order waits, as the office reads it. What a rep tells the customer about the same rules is
//! [`fieldledger_core::rules::credit::sentence`].

use fieldledger_core::{
    model::{OrderDecision, RuleFacts, RuleOutcome},
    rules::credit::sentence,
};

use super::super::{format, messages::Text};

/// The rules that the order failed when it was decided on last, each in a sentence.
pub(in crate::web) fn reasons(text: Text, zone: chrono_tz::Tz, order: &OrderDecision) -> Vec<String> {
    let check = order.events.iter().rev().find_map(|it| it.check.as_ref());
    let failed = check.into_iter().flat_map(|it| &it.rules).filter(|it| !it.passed);
    failed.map(|rule| reason(text, zone, rule)).collect()
}

/// One of them. Of what an older or a newer version decided, the sentence that was stored with it.
fn reason(text: Text, zone: chrono_tz::Tz, rule: &RuleOutcome) -> String {
    let said = rule.facts.as_ref().and_then(|facts| office(text, facts));
    said.unwrap_or_else(|| format::spoken(&sentence(rule, text.0.into(), zone)))
}

fn office(text: Text, facts: &RuleFacts) -> Option<String> {
    let days = |key, days: i64, most: u32| {
        text.fill(key, "days", days)
            .replace("{most}", &format::quantity(most.into()))
    };
    Some(match facts {
        RuleFacts::File(_) => text.t("held_reason.file").to_owned(),
        RuleFacts::Hold(Some(reason)) if !reason.is_empty() => text.fill("held_reason.hold_because", "reason", reason),
        RuleFacts::Hold(_) => text.t("held_reason.hold").to_owned(),
        RuleFacts::Credit(_) => text.t("held_reason.prepay").to_owned(),
        RuleFacts::LimitUnknown => text.t("held_reason.limit_unknown").to_owned(),
        RuleFacts::Limit { needed, limit } => text
            .fill("held_reason.limit", "needed", format::money(*needed))
            .replace("{limit}", &format::money(*limit)),
        RuleFacts::Currencies(order, limit) => text
            .fill("held_reason.currencies", "order", order)
            .replace("{limit}", &limit.to_string()),
        RuleFacts::Overflow => text.t("held_reason.overflow").to_owned(),
        RuleFacts::Cap { total, cap } => text
            .fill("held_reason.cap", "total", format::money(*total))
            .replace("{cap}", &format::money(*cap)),
        RuleFacts::Oldest {
            days: Some(late), most, ..
        } if *late < i64::MAX => days("held_reason.oldest", *late, *most),
        RuleFacts::Oldest { most, .. } => text.fill("held_reason.oldest_unknown", "most", most),
        RuleFacts::Share {
            late,
            open,
            days: after,
            most,
        } => {
            let share = most.saturating_mul(rust_decimal::Decimal::ONE_HUNDRED);
            text.fill("held_reason.share", "late", format::money(*late))
                .replace("{open}", &format::money(*open))
                .replace("{days}", &after.to_string())
                .replace("{most}", &format::quantity(share))
        }
        RuleFacts::Level { level, most } => text
            .fill("held_reason.level", "level", level)
            .replace("{most}", &most.to_string()),
        RuleFacts::Review { valid_until: None, .. } => text.t("held_reason.never_assessed").to_owned(),
        RuleFacts::Review {
            valid_until: Some(day), ..
        } => text.fill("held_reason.expired", "day", day),
        RuleFacts::Off | RuleFacts::Unlimited | RuleFacts::Reserved(_) | RuleFacts::Other(_) => return None,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use fieldledger_core::model::{Currency, Money};

    use super::*;
    use crate::web::messages::Language;

    fn outcome(facts: Option<RuleFacts>) -> RuleOutcome {
        RuleOutcome {
            rule: "exposure_within_limit".to_owned(),
            passed: false,
            sentence: "CNY 1800.50 is more than your limit of CNY 1000.".to_owned(),
            facts,
        }
    }

    #[test]
    fn the_office_is_told_about_the_customer_and_not_spoken_to_as_one() {
        let cny = |amount: i64| Money::new(amount.into(), Currency::CNY);
        let every = [
            RuleFacts::File(None),
            RuleFacts::Hold(None),
            RuleFacts::Hold(Some("owner changed".to_owned())),
            RuleFacts::Credit(false),
            RuleFacts::LimitUnknown,
            RuleFacts::Limit {
                needed: cny(18_770),
                limit: cny(12_000),
            },
            RuleFacts::Currencies(Currency::CNY, "EUR".parse().unwrap()),
            RuleFacts::Overflow,
            RuleFacts::Cap {
                total: cny(9_000),
                cap: cny(5_000),
            },
            RuleFacts::Oldest {
                days: Some(115),
                most: 30,
            },
            RuleFacts::Oldest {
                days: Some(i64::MAX),
                most: 30,
            },
            RuleFacts::Share {
                late: cny(4_000),
                open: cny(8_000),
                days: 30,
                most: "0.25".parse().unwrap(),
            },
            RuleFacts::Level { level: 4, most: 3 },
            RuleFacts::Review {
                valid_until: None,
                expired: true,
            },
            RuleFacts::Review {
                valid_until: "2026-02-20".parse().ok(),
                expired: true,
            },
        ];
        for language in [Language::English, Language::SimplifiedChinese] {
            for facts in every.clone() {
                let said = reason(Text(language), chrono_tz::UTC, &outcome(Some(facts.clone())));
                assert!(!said.is_empty() && !said.contains('{'), "{facts:?}: {said}");
                assert!(!said.to_lowercase().contains("your") && !said.contains('您'), "{said}");
            }
        }
        let english = |facts| reason(Text(Language::English), chrono_tz::UTC, &outcome(facts));
        assert_eq!(
            english(Some(every[5].clone())),
            "With this order CNY 18,770.00 would be owed; the limit is CNY 12,000.00."
        );
        assert_eq!(english(None), "CNY 1,800.50 is more than your limit of CNY 1,000.");
    }
}
