//! How times, durations, amounts and quantities are written. Times are shown in the organisation's zone.

use chrono::SecondsFormat;
use chrono_tz::Tz;
use fieldledger_core::model::{Money, Position, Timestamp};
use rust_decimal::Decimal;

use super::messages::Text;

/// A moment, for machines and for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Moment {
    pub(crate) iso: String,
    pub(crate) shown: String,
}

impl Moment {
    pub(crate) fn new(at: Timestamp, zone: Tz) -> Self {
        Self {
            iso: at.to_datetime().to_rfc3339_opts(SecondsFormat::Millis, true),
            shown: at.local_in(zone).format("%Y-%m-%d %H:%M").to_string(),
        }
    }
}

/// An amount with its currency and thousands separated, never rounded.
pub(crate) fn money(money: Money) -> String {
    format!(
        "{} {}",
        money.currency,
        amount(money.amount, money.currency.minor_digits())
    )
}

/// An amount with at least `digits` decimals and thousands separated.
pub(crate) fn amount(amount: Decimal, digits: u32) -> String {
    let mut amount = amount.normalize();
    if amount.scale() < digits {
        amount.rescale(digits);
    }
    grouped(&amount.to_string())
}

/// A quantity without needless zeros.
pub(crate) fn quantity(quantity: Decimal) -> String {
    grouped(&quantity.normalize().to_string())
}

fn grouped(number: &str) -> String {
    let (sign, number) = number.strip_prefix('-').map_or(("", number), |rest| ("\u{2212}", rest));
    let (whole, fraction) = number.split_once('.').map_or((number, None), |(w, f)| (w, Some(f)));
    let mut text = sign.to_owned();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if let Some(fraction) = fraction {
        text.push('.');
        text.push_str(fraction);
    }
    text
}

/// A sentence of the rules with the thousands of its amounts separated. An amount is told from a number that somebody gave to
/// a document by its decimals; once a currency is known from them, its whole amounts are separated too.
pub(crate) fn spoken(sentence: &str) -> String {
    let known: Vec<&str> = amounts(sentence)
        .filter(|(_, number)| number.contains('.'))
        .map(|(at, _)| &sentence[at - 4..at - 1])
        .collect();
    let mut text = String::with_capacity(sentence.len() + 8);
    let mut done = 0;
    for (at, number) in amounts(sentence) {
        if known.contains(&&sentence[at - 4..at - 1]) {
            text.push_str(&sentence[done..at]);
            text.push_str(&grouped(number));
            done = at + number.len();
        }
    }
    text.push_str(&sentence[done..]);
    text
}

/// The numbers that follow three capital letters and a blank, and where they begin.
fn amounts(sentence: &str) -> impl Iterator<Item = (usize, &str)> {
    let bytes = sentence.as_bytes();
    let inside =
        |byte: Option<&u8>| byte.is_some_and(|it| it.is_ascii_alphanumeric() || matches!(it, b'-' | b'_' | b'/'));
    (4..bytes.len()).filter_map(move |at| {
        let code = &bytes[at - 4..at - 1];
        let before = at.checked_sub(5).and_then(|it| bytes.get(it));
        if bytes[at - 1] != b' ' || !code.iter().all(u8::is_ascii_uppercase) || inside(before) {
            return None;
        }
        let digits = |from: usize| bytes[from..].iter().take_while(|it| it.is_ascii_digit()).count();
        let whole = digits(at);
        let mut end = at + whole;
        if whole > 0 && bytes.get(end) == Some(&b'.') {
            let decimals = digits(end + 1);
            end += if decimals > 0 { decimals + 1 } else { 0 };
        }
        (whole > 0 && !inside(bytes.get(end))).then(|| (at, &sentence[at..end]))
    })
}

/// A length of time in its largest fitting unit.
pub(crate) fn duration(text: Text, millis: u64) -> String {
    let seconds = millis / 1_000;
    let (key, n) = match seconds {
        0..120 => ("unit.seconds", seconds),
        120..7_200 => ("unit.minutes", seconds / 60),
        7_200..172_800 => ("unit.hours", seconds / 3_600),
        _ => ("unit.days", seconds / 86_400),
    };
    fill_unit(text, key, n)
}

fn fill_unit(text: Text, key: &'static str, n: u64) -> String {
    text.fill(key, "n", grouped(&n.to_string()))
}

/// A number of bytes.
pub(crate) fn bytes(size: u64) -> String {
    const UNITS: [&str; 4] = ["B", "kB", "MB", "GB"];
    let mut scaled = size;
    let mut rest = 0;
    let mut unit = 0;
    while scaled >= 1_000 && unit + 1 < UNITS.len() {
        rest = scaled % 1_000;
        scaled /= 1_000;
        unit += 1;
    }
    if unit > 0 && scaled < 100 {
        format!("{scaled}.{} {}", rest / 100, UNITS[unit])
    } else {
        format!("{} {}", grouped(&scaled.to_string()), UNITS[unit])
    }
}

/// A position as the phone declared it.
pub(crate) fn position(text: Text, position: &Position) -> String {
    let mut shown = format!("{:.5}, {:.5}", position.latitude, position.longitude);
    if let Some(metres) = position.accuracy_metres {
        shown.push(' ');
        shown.push_str(&text.fill("record.accuracy", "metres", metres));
    }
    shown
}

/// Minutes ahead of UTC as `+08:00`.
pub(crate) fn zone_offset(minutes: i16) -> String {
    let sign = if minutes < 0 { '\u{2212}' } else { '+' };
    let minutes = minutes.unsigned_abs();
    format!("UTC{sign}{:02}:{:02}", minutes / 60, minutes % 60)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use fieldledger_core::model::Currency;

    use super::*;
    use crate::web::messages::Language;

    #[test]
    fn amounts_keep_every_digit_and_show_their_currency() {
        let cny = |text: &str| money(Money::new(text.parse().unwrap(), Currency::CNY));
        assert_eq!(cny("1234567.5"), "CNY 1,234,567.50");
        assert_eq!(cny("-999"), "CNY −999.00");
        assert_eq!(cny("0.125"), "CNY 0.125");
        assert_eq!(money(Money::new(1500.into(), "JPY".parse().unwrap())), "JPY 1,500");
        assert_eq!(quantity("12.500".parse().unwrap()), "12.5");
    }

    #[test]
    fn amounts_in_sentences_are_grouped_and_numbers_of_documents_are_not() {
        for (said, shown) in [
            (
                "CNY 11810.00 of the limit of CNY 12000 is used (98 %).",
                "CNY 11,810.00 of the limit of CNY 12,000 is used (98 %).",
            ),
            ("逾期 CNY 21900.00，最长 80 天。", "逾期 CNY 21,900.00，最长 80 天。"),
            (
                "Invoice INV 20240101 is 115 days overdue.",
                "Invoice INV 20240101 is 115 days overdue.",
            ),
            (
                "PCNY 5000.00, CNY 2024-0101, JPY 1500.",
                "PCNY 5000.00, CNY 2024-0101, JPY 1500.",
            ),
            ("It ends with CNY 1234567.5", "It ends with CNY 1,234,567.5"),
            ("无 AB 12", "无 AB 12"),
            ("", ""),
        ] {
            assert_eq!(spoken(said), shown);
        }
    }

    #[test]
    fn a_moment_is_shown_in_the_companys_zone_and_a_wrong_clock_does_not_panic() {
        let moment = Moment::new(Timestamp::from_millis(1_767_198_600_000), chrono_tz::Asia::Shanghai);
        assert_eq!(moment.shown, "2026-01-01 00:30");
        assert_eq!(moment.iso, "2025-12-31T16:30:00.000Z");
        for millis in [i64::MIN, i64::MAX] {
            assert!(
                !Moment::new(Timestamp::from_millis(millis), chrono_tz::Asia::Shanghai)
                    .shown
                    .is_empty()
            );
            assert!(
                !Moment::new(Timestamp::from_millis(millis), chrono_tz::America::Lima)
                    .shown
                    .is_empty()
            );
        }
    }

    #[test]
    fn durations_and_sizes_read_naturally() {
        let en = Text(Language::English);
        assert_eq!(duration(en, 90_000), "90 s");
        assert_eq!(duration(en, 10_800_000), "3 h");
        assert_eq!(duration(Text(Language::SimplifiedChinese), 864_000_000), "10 天");
        assert_eq!(bytes(999), "999 B");
        assert_eq!(bytes(2_345_678), "2.3 MB");
        assert_eq!(bytes(u64::MAX), "18,446,744,073 GB");
        assert_eq!(zone_offset(-570), "UTC−09:30");
    }
}
