//! Warnings in words.

use crate::{
    model::{OutsideCause, WarningFacts},
    rules::wording::{Sentence, counted},
};

/// What is the matter, in a sentence.
pub fn sentence(facts: &WarningFacts) -> Sentence {
    match facts {
        WarningFacts::DaysOverdue { days, invoice_number } => Sentence::new(
            format!("Invoice {invoice_number} is {} overdue.", counted(*days, "day")),
            format!("发票 {invoice_number} 已逾期 {days} 天。"),
        ),
        WarningFacts::TotalOwed { owed, threshold } => Sentence::new(
            format!("{owed} is owed in all; the warning is set at {threshold}."),
            format!("欠款总额 {owed}，预警线为 {threshold}。"),
        ),
        WarningFacts::LimitUsed {
            exposure,
            limit,
            percent: Some(percent),
        } => Sentence::new(
            format!("{exposure} of the limit of {limit} is used ({percent} %)."),
            format!("额度 {limit} 已占用 {exposure}（{percent}%）。"),
        ),
        WarningFacts::LimitUsed { exposure, limit, .. } => Sentence::new(
            format!("{exposure} is used of a limit of {limit}."),
            format!("额度为 {limit}，已占用 {exposure}。"),
        ),
        WarningFacts::BrokenPromises { count, days } => Sentence::new(
            format!(
                "{} to pay broken within {}.",
                counted(*count, "promise"),
                counted(*days, "day")
            ),
            format!("{days} 天内有 {count} 次付款承诺未兑现。"),
        ),
        WarningFacts::ExpiredReview { valid_until } => Sentence::new(
            format!("The credit assessment is valid until {valid_until}; a new one is needed."),
            format!("信用评估有效期至 {valid_until}，需要重新评估。"),
        ),
        WarningFacts::Downgrade { from, to, on } => Sentence::new(
            format!("The credit grade was lowered from {from:?} to {to:?} on {on}."),
            format!("信用等级于 {on} 由 {from:?} 降为 {to:?}。"),
        ),
        WarningFacts::Silence { days, since } => Sentence::new(
            format!(
                "No order, visit or payment for {}; the last was on {since}.",
                counted(*days, "day")
            ),
            format!("已 {days} 天没有订单、拜访或付款，最近一次是 {since}。"),
        ),
        WarningFacts::LimitExceeded { exposure, limit, cause } => {
            let (english, chinese) = match cause {
                OutsideCause::ReturnedPayment => ("a returned payment", "付款被退回"),
                OutsideCause::Rate => ("a rate that moved", "汇率变动"),
                OutsideCause::Import => ("a record from outside", "外部单据"),
                OutsideCause::LimitLowered => ("a lowered limit", "额度下调"),
            };
            Sentence::new(
                format!("{exposure} is more than the limit of {limit}, through {english}."),
                format!("因{chinese}，占用 {exposure} 超过额度 {limit}。"),
            )
        }
    }
}
