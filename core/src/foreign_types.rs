//! How this crate's types look to Kotlin and Swift, where UniFFI does not know by itself: decimals, dates, moments, time
//! zones, JSON, counts and sorted maps become what those languages have for them.
//!
//! Everything crosses as text or as a number that keeps it exact; the languages' own types are named in `uniffi.toml`.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    path::PathBuf,
};

use chrono::NaiveDate;
use chrono_tz::Tz;
use rust_decimal::Decimal;
use uniffi::{FfiConverter, Lift, Lower, MetadataBuffer, TypeId, deps::anyhow, metadata::codes};

use crate::{
    UniFfiTag,
    model::{Currency, Month, Timestamp},
    rules::ageing::{Ageing, AgeingRow, Bucket},
};

uniffi::custom_type!(
    /// An exact decimal number: a quantity, a price, a rate. Never a float.
    Decimal, String, {
        remote,
        lower: |number| number.to_string(),
        // More digits than are kept would be rounded away without a word by the lenient parser.
        try_lift: |text| Ok(Decimal::from_str_exact(text.trim())?),
    }
);

uniffi::custom_type!(
    /// A calendar day, without a time and without a zone.
    NaiveDate, String, {
        remote,
        lower: |date| date.to_string(),
        try_lift: |text| Ok(text.parse()?),
    }
);

uniffi::custom_type!(
    /// A time zone, by its name in the IANA database (`Asia/Shanghai`).
    Tz, String, {
        remote,
        lower: |zone| zone.name().to_owned(),
        try_lift: |text| text.parse().map_err(|_| anyhow::anyhow!("{text:?} is not a time zone")),
    }
);

uniffi::custom_type!(
    /// An ISO 4217 currency code (`CNY`).
    Currency, String, {
        lower: |currency| currency.to_string(),
        try_lift: |text| Ok(text.parse()?),
    }
);

uniffi::custom_type!(
    /// A moment, to the millisecond. Crosses as milliseconds since 1970: UniFFI's own moments are a second off in the
    /// second before 1970, and Swift's, which count in floating point, would lose a millisecond now and then.
    Timestamp, i64, {
        lower: |moment| moment.as_millis(),
        try_lift: |millis| Ok(Timestamp::from_millis(millis)),
    }
);

uniffi::custom_type!(
    /// A month of the calendar.
    Month, String, {
        lower: |month| month.to_string(),
        try_lift: |text| Ok(text.parse()?),
    }
);

uniffi::custom_type!(
    /// A file on this phone.
    PathBuf, String, {
        remote,
        lower: |path| path.to_string_lossy().into_owned(),
        try_lift: |text| Ok(PathBuf::from(text)),
    }
);

/// A value of a document in a general form.
type Json = serde_json::Value;
uniffi::custom_type!(
    /// A value in a general form, as JSON text.
    Json, String, {
        remote,
        lower: |value| value.to_string(),
        try_lift: |text| Ok(serde_json::from_str(&text)?),
    }
);

/// How many.
type Count = usize;
uniffi::custom_type!(
    /// How many.
    Count, i64, {
        remote,
        lower: |count| i64::try_from(count).unwrap_or(i64::MAX),
        try_lift: |count| usize::try_from(count).map_err(|_| anyhow::anyhow!("{count} is less than none")),
    }
);

type Weekday = chrono::Weekday;
/// A day of the week.
#[uniffi::remote(Enum)]
pub enum Weekday {
    /// Monday.
    Mon,
    /// Tuesday.
    Tue,
    /// Wednesday.
    Wed,
    /// Thursday.
    Thu,
    /// Friday.
    Fri,
    /// Saturday.
    Sat,
    /// Sunday.
    Sun,
}

/// What is open, by age: one row for each currency.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct AgeingTable {
    /// As of this day.
    pub as_of: NaiveDate,
    /// By currency. Currencies are never added to each other.
    pub rows: Vec<CurrencyAgeing>,
}

/// What is open in one currency, by days past the due date.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct CurrencyAgeing {
    /// The currency of every amount.
    pub currency: Currency,
    /// Not due yet.
    pub not_due: Decimal,
    /// 1 to 30 days.
    pub to_30: Decimal,
    /// 31 to 60 days.
    pub to_60: Decimal,
    /// 61 to 90 days.
    pub to_90: Decimal,
    /// 91 to 120 days.
    pub to_120: Decimal,
    /// More than 120 days.
    pub over_120: Decimal,
    /// All of these.
    pub open: Decimal,
    /// Certain money and credit notes that are set against nothing, never above zero.
    pub credits: Decimal,
    /// Open less credits; below zero when the customer is in credit.
    pub balance: Decimal,
}

uniffi::custom_type!(Ageing, AgeingTable, {
    lower: |ageing| AgeingTable::from(&ageing),
    try_lift: |table| Ok(Ageing::from(&table)),
});

impl From<&Ageing> for AgeingTable {
    fn from(ageing: &Ageing) -> Self {
        let rows = ageing.rows().map(|(currency, row)| {
            let [not_due, to_30, to_60, to_90, to_120, over_120] = Bucket::ALL.map(|bucket| row.in_bucket(bucket));
            CurrencyAgeing {
                currency,
                not_due,
                to_30,
                to_60,
                to_90,
                to_120,
                over_120,
                open: row.open(),
                credits: row.credits(),
                balance: row.balance(),
            }
        });
        Self {
            as_of: ageing.as_of(),
            rows: rows.collect(),
        }
    }
}

impl From<&AgeingTable> for Ageing {
    fn from(table: &AgeingTable) -> Self {
        let rows = table.rows.iter().map(|it| {
            let buckets = [it.not_due, it.to_30, it.to_60, it.to_90, it.to_120, it.over_120];
            (it.currency, AgeingRow::of_amounts(buckets, it.open, it.credits))
        });
        Self::from_rows(table.as_of, rows)
    }
}

// The languages have no sorted maps in their standard types: these cross as their maps and sets do.

unsafe impl<K, V> FfiConverter<UniFfiTag> for BTreeMap<K, V>
where
    K: Lower<UniFfiTag> + Lift<UniFfiTag> + TypeId<UniFfiTag> + Ord + Eq + std::hash::Hash + Send + 'static,
    V: Lower<UniFfiTag> + Lift<UniFfiTag> + TypeId<UniFfiTag> + Send + 'static,
{
    type FfiType = <HashMap<K, V> as Lower<UniFfiTag>>::FfiType;
    const TYPE_ID_META: MetadataBuffer = MetadataBuffer::from_code(codes::TYPE_HASH_MAP)
        .concat(K::TYPE_ID_META)
        .concat(V::TYPE_ID_META);

    fn lower(map: Self) -> Self::FfiType {
        <HashMap<K, V> as Lower<UniFfiTag>>::lower(map.into_iter().collect())
    }
    fn try_lift(value: Self::FfiType) -> uniffi::Result<Self> {
        Ok(<HashMap<K, V> as Lift<UniFfiTag>>::try_lift(value)?
            .into_iter()
            .collect())
    }
    fn write(map: Self, buffer: &mut Vec<u8>) {
        <HashMap<K, V> as Lower<UniFfiTag>>::write(map.into_iter().collect(), buffer);
    }
    fn try_read(buffer: &mut &[u8]) -> uniffi::Result<Self> {
        Ok(<HashMap<K, V> as Lift<UniFfiTag>>::try_read(buffer)?
            .into_iter()
            .collect())
    }
}

unsafe impl<T> FfiConverter<UniFfiTag> for BTreeSet<T>
where
    T: Lower<UniFfiTag> + Lift<UniFfiTag> + TypeId<UniFfiTag> + Ord + Eq + std::hash::Hash + Send + 'static,
{
    type FfiType = <HashSet<T> as Lower<UniFfiTag>>::FfiType;
    const TYPE_ID_META: MetadataBuffer = MetadataBuffer::from_code(codes::TYPE_HASH_SET).concat(T::TYPE_ID_META);

    fn lower(set: Self) -> Self::FfiType {
        <HashSet<T> as Lower<UniFfiTag>>::lower(set.into_iter().collect())
    }
    fn try_lift(value: Self::FfiType) -> uniffi::Result<Self> {
        Ok(<HashSet<T> as Lift<UniFfiTag>>::try_lift(value)?.into_iter().collect())
    }
    fn write(set: Self, buffer: &mut Vec<u8>) {
        <HashSet<T> as Lower<UniFfiTag>>::write(set.into_iter().collect(), buffer);
    }
    fn try_read(buffer: &mut &[u8]) -> uniffi::Result<Self> {
        Ok(<HashSet<T> as Lift<UniFfiTag>>::try_read(buffer)?.into_iter().collect())
    }
}

macro_rules! through_converter {
    ($ty:ty, $($bounds:tt)*) => {
        unsafe impl<$($bounds)*> Lower<UniFfiTag> for $ty {
            type FfiType = <Self as FfiConverter<UniFfiTag>>::FfiType;
            fn lower(value: Self) -> Self::FfiType {
                <Self as FfiConverter<UniFfiTag>>::lower(value)
            }
            fn write(value: Self, buffer: &mut Vec<u8>) {
                <Self as FfiConverter<UniFfiTag>>::write(value, buffer);
            }
        }
        unsafe impl<$($bounds)*> Lift<UniFfiTag> for $ty {
            type FfiType = <Self as FfiConverter<UniFfiTag>>::FfiType;
            fn try_lift(value: Self::FfiType) -> uniffi::Result<Self> {
                <Self as FfiConverter<UniFfiTag>>::try_lift(value)
            }
            fn try_read(buffer: &mut &[u8]) -> uniffi::Result<Self> {
                <Self as FfiConverter<UniFfiTag>>::try_read(buffer)
            }
        }
        impl<$($bounds)*> TypeId<UniFfiTag> for $ty {
            const TYPE_ID_META: MetadataBuffer = <Self as FfiConverter<UniFfiTag>>::TYPE_ID_META;
        }
    };
}
through_converter!(
    BTreeMap<K, V>,
    K: Lower<UniFfiTag> + Lift<UniFfiTag> + TypeId<UniFfiTag> + Ord + std::hash::Hash + Send + 'static,
    V: Lower<UniFfiTag> + Lift<UniFfiTag> + TypeId<UniFfiTag> + Send + 'static
);
through_converter!(
    BTreeSet<T>,
    T: Lower<UniFfiTag> + Lift<UniFfiTag> + TypeId<UniFfiTag> + Ord + std::hash::Hash + Send + 'static
);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_sorted_map_crosses_as_a_map() {
        let map: BTreeMap<u32, String> = [(2, "b".to_owned()), (1, "甲".to_owned())].into();
        let mut bytes = Vec::new();
        <BTreeMap<u32, String> as FfiConverter<UniFfiTag>>::write(map.clone(), &mut bytes);
        let back = <BTreeMap<u32, String> as FfiConverter<UniFfiTag>>::try_read(&mut bytes.as_slice()).unwrap();
        assert_eq!(back, map);
    }
}
