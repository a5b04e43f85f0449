//! Why an order waits, as the office reads it, and how things stand by now. What a rep tells the customer about the same
//! rules is [`fieldledger_core::rules::credit::sentence`].

use fieldledger_core::{
    model::{CreditDecision, CreditLimit, Money, OrderDecision, RuleFacts, RuleOutcome},
    rules::{credit::sentence, exposure::DayRates},
};
use rust_decimal::Decimal;

use super::{
    super::{error::PageError, format, format::Moment, messages::Text, page::Viewer},
    orders::total,
};
use crate::{
    overview::{Overview, Standing},
    state::AppState,
};

/// Why an order waits.
pub(in crate::web) struct WhyHeld {
    /// When the rules were asked about it last.
    pub(in crate::web) asked: Option<Moment>,
    /// The rules that it failed then, each in a sentence.
    pub(in crate::web) failed: Vec<String>,
    /// What its customer comes to by now: money may have come in meanwhile, or gone out.
    pub(in crate::web) present: Vec<Present>,
}

/// A figure of the present.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::web) struct Present {
    pub(in crate::web) sentence: String,
    /// Whether it speaks against the order.
    pub(in crate::web) against: bool,
}

/// What all customers come to by now; `None` while the company has no profile.
pub(in crate::web) async fn present(
    app: &AppState,
    viewer: &Viewer,
) -> Result<Option<std::sync::Arc<Overview>>, PageError> {
    let today = app.clock.now().date_in(viewer.zone);
    let org = viewer.account.organisation;
    Ok(app.overviews.if_any(app.store.as_ref(), org, today).await?)
}

impl WhyHeld {
    pub(in crate::web) fn of(viewer: &Viewer, order: &OrderDecision, overview: Option<&Overview>) -> Self {
        let (text, zone) = (viewer.text, viewer.zone);
        let asked = order
            .events
            .iter()
            .rev()
            .find_map(|it| Some((it.at, it.check.as_ref()?)));
        let standing = overview.and_then(|all| Some((all, all.customer(order.customer)?)));
        Self {
            asked: asked.as_ref().map(|(at, _)| Moment::new(*at, zone)),
            failed: asked.map(|(_, it)| failed(text, zone, it)).unwrap_or_default(),
            present: standing.map_or_else(Vec::new, |(all, it)| figures(text, order, all, it)),
        }
    }
}

/// The rules that a check did not pass, each in a sentence.
pub(in crate::web) fn failed(text: Text, zone: chrono_tz::Tz, check: &CreditDecision) -> Vec<String> {
    let failed = check.rules.iter().filter(|it| !it.passed);
    failed.map(|rule| reason(text, zone, rule)).collect()
}

/// What the customer of an order comes to.
fn figures(text: Text, order: &OrderDecision, overview: &Overview, it: &Standing) -> Vec<Present> {
    let mut present = Vec::new();
    let credit = it.credit.as_ref();
    if let Some((exposure, limit)) = credit.and_then(|it| Some((it.exposure?, it.limit))) {
        let rates = DayRates {
            rates: &overview.policy.rates,
            day: overview.today,
        };
        let reserved = credit
            .and_then(|it| it.reserved)
            .unwrap_or(Money::zero(exposure.currency));
        let with_order = total(order)
            .and_then(|it| rates.convert(it, exposure.currency).ok())
            .and_then(|it| exposure.checked_add(reserved).ok()?.checked_add(it).ok());
        let used = if reserved.amount.is_zero() {
            "credit.now_used"
        } else {
            "credit.now_used_reserved"
        };
        let said = text
            .fill(used, "exposure", format::money(exposure))
            .replace("{reserved}", &format::money(reserved));
        present.push(match (limit, with_order) {
            (CreditLimit::NoLimit, _) => Present {
                sentence: format!("{said} {}", text.t("credit.now_no_limit")),
                against: false,
            },
            (CreditLimit::Limited(limit), Some(needed)) if limit.currency == needed.currency => {
                let over = needed.amount.checked_sub(limit.amount).unwrap_or(Decimal::MAX);
                let against = over > Decimal::ZERO;
                let name = if against {
                    "credit.now_above"
                } else {
                    "credit.now_within"
                };
                let with = text
                    .fill(name, "needed", format::money(needed))
                    .replace("{limit}", &format::money(limit))
                    .replace("{over}", &format::money(Money::new(over, limit.currency)));
                Present {
                    sentence: format!("{said} {with}"),
                    against,
                }
            }
            (CreditLimit::Limited(limit), _) => Present {
                sentence: format!(
                    "{said} {}",
                    text.fill("credit.now_limit", "limit", format::money(limit))
                ),
                against: false,
            },
        });
    }
    if credit.is_some_and(|it| it.on_hold) {
        present.push(Present {
            sentence: text.t("credit.now_on_hold").to_owned(),
            against: true,
        });
    }
    if it.problem.is_none() && it.unconverted.is_none() {
        let late = it.overdue;
        present.push(if late.amount.amount > Decimal::ZERO {
            Present {
                sentence: text
                    .fill("credit.now_overdue", "amount", format::money(late.amount))
                    .replace("{days}", &late.oldest_days.to_string()),
                // How late is too late is for the rules, which may differ for a customer.
                against: false,
            }
        } else {
            Present {
                sentence: text.t("credit.now_nothing_overdue").to_owned(),
                against: false,
            }
        });
    }
    present
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
