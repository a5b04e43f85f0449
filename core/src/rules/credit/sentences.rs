//! What a rep can say to a customer about a rule, in English and Simplified Chinese.

use chrono_tz::Tz;
use rust_decimal::Decimal;

use crate::{
    model::{RuleFacts, RuleOutcome, Timestamp},
    rules::wording::Language,
};

/// The sentence about a rule, with times in `zone`. What an older version or a newer one has decided keeps the English
/// sentence that was stored with it.
pub fn sentence(outcome: &RuleOutcome, language: Language, zone: Tz) -> String {
    let Some(facts) = &outcome.facts else {
        return outcome.sentence.clone();
    };
    let said = match language {
        Language::English => english(facts, outcome.passed, zone),
        Language::Chinese => chinese(facts, outcome.passed, zone),
    };
    said.unwrap_or_else(|| outcome.sentence.clone())
}

fn english(facts: &RuleFacts, passed: bool, zone: Tz) -> Option<String> {
    Some(match facts {
        RuleFacts::Off => "This is not looked at.".to_owned(),
        RuleFacts::File(_) if !passed => "There is no credit assessment for you on this phone yet.".to_owned(),
        RuleFacts::File(None) => "Your credit was last confirmed at an unknown time.".to_owned(),
        RuleFacts::File(Some(at)) => format!("Your credit was last confirmed at {}.", moment(*at, zone)),
        RuleFacts::Hold(None) => "Your account is not on hold.".to_owned(),
        RuleFacts::Hold(Some(reason)) if reason.is_empty() => {
            "Your account is on hold; our office has to release the order.".to_owned()
        }
        RuleFacts::Hold(Some(reason)) => {
            format!("Your account is on hold ({reason}); our office has to release the order.")
        }
        RuleFacts::Credit(true) => "Your credit grade allows payment after delivery.".to_owned(),
        RuleFacts::Credit(false) => "Your credit grade asks for payment before delivery.".to_owned(),
        RuleFacts::Unlimited => "There is no limit on your credit.".to_owned(),
        RuleFacts::LimitUnknown => "Without a credit file no limit is known.".to_owned(),
        RuleFacts::Limit { needed, limit } if passed => {
            format!("With this order {needed} of your limit of {limit} would be used.")
        }
        RuleFacts::Limit { needed, limit } => {
            format!("With this order {needed} would be owed, more than your limit of {limit}.")
        }
        RuleFacts::Reserved(_) => "Credit has been set aside for this order.".to_owned(),
        RuleFacts::Currencies(order, limit) => {
            format!("The order is in {order}, your limit in {limit}; our office has to check it.")
        }
        RuleFacts::Overflow => "The amounts are too large to be added; our office has to check it.".to_owned(),
        RuleFacts::Cap { total, cap } if passed => {
            format!("The order of {total} is within the {cap} that one order may come to.")
        }
        RuleFacts::Cap { total, cap } => {
            format!("The order of {total} is above the {cap} that one order may come to.")
        }
        RuleFacts::Oldest { days, .. } if days.is_none_or(|days| days <= 0) => "Nothing you owe is late.".to_owned(),
        RuleFacts::Oldest { days: Some(days), most } if passed => {
            format!(
                "Your oldest open item is {} late; up to {most} are accepted.",
                count(*days)
            )
        }
        RuleFacts::Oldest { days, most } => match days.filter(|days| *days < i64::MAX) {
            Some(days) => format!("Your oldest open item is {} late, more than {most}.", count(days)),
            None => format!("Nothing shows that your oldest open item is not more than {most} days late."),
        },
        RuleFacts::Share { late, .. } if late.amount <= Decimal::ZERO => "None of what you owe is late.".to_owned(),
        RuleFacts::Share { late, open, days, most } => {
            let share = format!(
                "{late} of the {open} you owe is more than {} late",
                count((*days).into())
            );
            let most = percent(*most);
            if passed {
                format!("{share}; up to {most} % are accepted.")
            } else {
                format!("{share}; that is above {most} %.")
            }
        }
        RuleFacts::Level { level: 0, .. } => "No reminder to you is open.".to_owned(),
        RuleFacts::Level { level, most } if passed => {
            format!("You have been reminded up to level {level}; up to {most} is accepted.")
        }
        RuleFacts::Level { level, most } => {
            format!("You have been reminded up to level {level}, above {most}; please pay what is late first.")
        }
        RuleFacts::Review { valid_until: None, .. } => "Your credit has never been assessed.".to_owned(),
        RuleFacts::Review {
            valid_until: Some(day),
            expired,
        } => match (expired, passed) {
            (false, _) => format!("Your credit assessment is valid until {day}."),
            (true, true) => format!("Your credit assessment expired on {day} and has to be renewed soon."),
            (true, false) => format!("Your credit assessment expired on {day} and has to be renewed first."),
        },
        RuleFacts::Other(_) => return None,
    })
}

fn chinese(facts: &RuleFacts, passed: bool, zone: Tz) -> Option<String> {
    Some(match facts {
        RuleFacts::Off => "此项不检查。".to_owned(),
        RuleFacts::File(_) if !passed => "本机还没有您的信用档案。".to_owned(),
        RuleFacts::File(None) => "您的信用档案更新时间不明。".to_owned(),
        RuleFacts::File(Some(at)) => format!("您的信用档案更新于 {}。", moment(*at, zone)),
        RuleFacts::Hold(None) => "您的账户未被冻结。".to_owned(),
        RuleFacts::Hold(Some(reason)) if reason.is_empty() => "您的账户已冻结，订单须由公司放行。".to_owned(),
        RuleFacts::Hold(Some(reason)) => format!("您的账户已冻结（{reason}），订单须由公司放行。"),
        RuleFacts::Credit(true) => "您的信用等级可以先发货后付款。".to_owned(),
        RuleFacts::Credit(false) => "您的信用等级要求先付款后发货。".to_owned(),
        RuleFacts::Unlimited => "您没有信用额度限制。".to_owned(),
        RuleFacts::LimitUnknown => "没有信用档案，额度未知。".to_owned(),
        RuleFacts::Limit { needed, limit } if passed => format!("加上本单共占用 {needed}，额度为 {limit}。"),
        RuleFacts::Limit { needed, limit } => format!("加上本单共占用 {needed}，超过额度 {limit}。"),
        RuleFacts::Reserved(_) => "本单已预留信用额度。".to_owned(),
        RuleFacts::Currencies(order, limit) => format!("订单币种为 {order}，额度币种为 {limit}，须由公司核对。"),
        RuleFacts::Overflow => "金额过大，无法相加，须由公司核对。".to_owned(),
        RuleFacts::Cap { total, cap } if passed => format!("本单 {total}，未超过单笔上限 {cap}。"),
        RuleFacts::Cap { total, cap } => format!("本单 {total}，超过单笔上限 {cap}。"),
        RuleFacts::Oldest { days, .. } if days.is_none_or(|days| days <= 0) => "您没有逾期款项。".to_owned(),
        RuleFacts::Oldest { days: Some(days), most } if passed => {
            format!("您最早的未清款项已逾期 {days} 天，允许 {most} 天以内。")
        }
        RuleFacts::Oldest { days, most } => match days.filter(|days| *days < i64::MAX) {
            Some(days) => format!("您最早的未清款项已逾期 {days} 天，超过 {most} 天。"),
            None => format!("无法确认您最早的未清款项逾期未超过 {most} 天。"),
        },
        RuleFacts::Share { late, .. } if late.amount <= Decimal::ZERO => "您的欠款均未逾期。".to_owned(),
        RuleFacts::Share { late, open, days, most } => {
            let most = percent(*most);
            let share = format!("您的欠款 {open} 中有 {late} 逾期超过 {days} 天");
            if passed {
                format!("{share}，允许 {most}% 以内。")
            } else {
                format!("{share}，超过 {most}%。")
            }
        }
        RuleFacts::Level { level: 0, .. } => "目前没有对您的催收。".to_owned(),
        RuleFacts::Level { level, most } if passed => format!("对您的催收为第 {level} 级，允许到第 {most} 级。"),
        RuleFacts::Level { level, most } => {
            format!("对您的催收已到第 {level} 级，超过第 {most} 级，请先付清逾期款项。")
        }
        RuleFacts::Review { valid_until: None, .. } => "您还没有做过信用评估。".to_owned(),
        RuleFacts::Review {
            valid_until: Some(day),
            expired,
        } => match (expired, passed) {
            (false, _) => format!("您的信用评估有效期至 {day}。"),
            (true, true) => format!("您的信用评估已于 {day} 到期，请尽快重新评估。"),
            (true, false) => format!("您的信用评估已于 {day} 到期，须先重新评估。"),
        },
        RuleFacts::Other(_) => return None,
    })
}

/// A moment to the minute; in UTC it says so.
fn moment(at: Timestamp, zone: Tz) -> String {
    let local = at.local_in(zone).format("%Y-%m-%d %H:%M");
    if zone == Tz::UTC {
        format!("{local} UTC")
    } else {
        local.to_string()
    }
}

fn count(days: i64) -> String {
    match days {
        1 => "1 day".to_owned(),
        days => format!("{days} days"),
    }
}

fn percent(share: Decimal) -> Decimal {
    share.saturating_mul(Decimal::ONE_HUNDRED).normalize()
}
