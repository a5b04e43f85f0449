//! What waits for somebody, and what happened on a day.

use std::collections::{BTreeMap, HashSet};

use fieldledger_core::{
    model::{Currency, DocumentId, DocumentKind, Money, OrganisationId, TerritoryId, Timestamp},
    sync::protocol::StreamId,
};
use rusqlite::{Connection, ToSql, params, params_from_iter};
use rust_decimal::Decimal;
use serde::de::DeserializeOwned;

use super::{
    feed::{self, COLUMNS, push_list},
    quarantine,
};
use crate::store::{Counted, FeedItem, KindCount, Overview, OverviewOf, StoreError};

/// A partial index with its condition, word for word: otherwise SQLite cannot use it. It is named in each statement because
/// SQLite prefers indexes with more columns, and would read everything of the kind.
pub(super) struct Waiting {
    index: &'static str,
    pub(super) condition: &'static str,
}

const HELD: Waiting = Waiting {
    index: "held_order_by_time",
    condition: "kind = 'order_decision' AND json_extract(json, '$.standing') = 'held'",
};
pub(super) const UNCONFIRMED: Waiting = Waiting {
    index: "document_unconfirmed",
    condition: "kind = 'delivery' AND state = 'signed'",
};
const DISAGREEING: Waiting = Waiting {
    index: "document_disagreeing",
    condition: "disagreements > 0",
};
const DISPUTED: Waiting = Waiting {
    index: "document_disputed",
    condition: "kind = 'delivery' AND state = 'disputed'",
};

/// Values of a statement in the making; `?1` is the organisation.
struct Values {
    values: Vec<Box<dyn ToSql>>,
    /// Restricts to streams, or nothing.
    scope: String,
}

impl Values {
    fn new(org: OrganisationId, territories: Option<&[TerritoryId]>) -> Self {
        let mut values: Vec<Box<dyn ToSql>> = vec![Box::new(*org.as_bytes())];
        let mut scope = String::new();
        if let Some(territories) = territories {
            scope.push_str(" AND stream IN (SELECT id FROM stream WHERE organisation = ?1 AND name IN (");
            let names = territories.iter().map(|it| StreamId::Territory(*it).to_bytes());
            push_list(&mut scope, &mut values, names);
            scope.push_str("))");
        }
        Self { values, scope }
    }

    /// Adds a value and returns its place.
    fn add(&mut self, value: impl ToSql + 'static) -> String {
        self.values.push(Box::new(value));
        format!("?{}", self.values.len())
    }
}

pub(super) fn overview(connection: &Connection, org: OrganisationId, of: &OverviewOf) -> Result<Overview, StoreError> {
    if of.territories.as_ref().is_some_and(Vec::is_empty) {
        return Ok(Overview::default());
    }
    let (happened, ordered, promised) = happened(connection, org, of)?;
    Ok(Overview {
        held: records(connection, org, of, &HELD)?,
        unconfirmed: documents(
            connection,
            org,
            of,
            &UNCONFIRMED,
            Some(of.signed_before),
            "at ASC, document ASC",
        )?,
        disputed: documents(
            connection,
            org,
            of,
            &DISPUTED,
            None,
            "last_received_at DESC, document DESC",
        )?,
        disagreeing: documents(
            connection,
            org,
            of,
            &DISAGREEING,
            None,
            "last_received_at DESC, document DESC",
        )?,
        quarantined: quarantine::unseen(connection, org, of.territories.as_deref(), of.newest)?,
        planned: planned(connection, org, of)?,
        happened,
        ordered,
        promised,
    })
}

fn count(connection: &Connection, sql: &str, values: &[Box<dyn ToSql>]) -> Result<u64, StoreError> {
    let count: i64 = connection
        .prepare_cached(sql)?
        .query_row(params_from_iter(values), |row| row.get(0))?;
    Ok(count.unsigned_abs())
}

fn records<T: DeserializeOwned>(
    connection: &Connection,
    org: OrganisationId,
    of: &OverviewOf,
    waiting: &Waiting,
) -> Result<Counted<T>, StoreError> {
    let mut values = Values::new(org, of.territories.as_deref());
    let Waiting { index, condition } = waiting;
    let from = format!(
        "FROM record INDEXED BY {index} WHERE organisation = ?1 AND {condition}{}",
        values.scope
    );
    let count = count(connection, &format!("SELECT count(*) {from}"), &values.values)?;
    let limit = values.add(of.newest);
    let mut statement = connection.prepare_cached(&format!(
        "SELECT json {from} ORDER BY written_at DESC, place DESC LIMIT {limit}"
    ))?;
    let first = statement
        .query_map(params_from_iter(&values.values), |row| row.get::<_, String>(0))?
        .map(|json| {
            serde_json::from_str(&json?).map_err(|error| StoreError::Damaged(format!("a ledger record: {error}")))
        })
        .collect::<Result<_, StoreError>>()?;
    Ok(Counted { count, first })
}

fn documents(
    connection: &Connection,
    org: OrganisationId,
    of: &OverviewOf,
    waiting: &Waiting,
    before: Option<Timestamp>,
    order: &str,
) -> Result<Counted<FeedItem>, StoreError> {
    let mut values = Values::new(org, of.territories.as_deref());
    let Waiting { index, condition } = waiting;
    let mut from = format!(
        "FROM document INDEXED BY {index} WHERE organisation = ?1 AND {condition}{}",
        values.scope
    );
    if let Some(before) = before {
        let place = values.add(before.as_millis());
        from.push_str(&format!(" AND at < {place}"));
    }
    let count = count(connection, &format!("SELECT count(*) {from}"), &values.values)?;
    let limit = values.add(of.newest);
    let sql = format!("SELECT {COLUMNS} {from} ORDER BY {order} LIMIT {limit}");
    let first = feed::items(connection, &sql, &values.values)?;
    Ok(Counted { count, first })
}

fn planned(connection: &Connection, org: OrganisationId, of: &OverviewOf) -> Result<Vec<KindCount>, StoreError> {
    let mut values = Values::new(org, of.territories.as_deref());
    let day = values.add(of.day.to_string());
    let sql = format!(
        "SELECT kind, state, count(*) FROM document INDEXED BY document_of_day
         WHERE organisation = ?1 AND day = {day} AND kind IN ('visit', 'delivery'){} GROUP BY kind, state",
        values.scope
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map(params_from_iter(&values.values), |row| {
        Ok(KindCount {
            kind: DocumentKind::from_name(&row.get::<_, String>(0)?),
            state: row.get(1)?,
            count: row.get::<_, i64>(2)?.unsigned_abs(),
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Milliseconds.
const A_DAY: i64 = 86_400_000;

type Happened = (Vec<KindCount>, Vec<Money>, Vec<Money>);

/// The orders that the office has refused since `from`; what phones write does not say so.
fn refused(connection: &Connection, org: OrganisationId, from: Timestamp) -> Result<HashSet<DocumentId>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT key FROM record INDEXED BY refused_order
         WHERE organisation = ?1 AND kind = 'order_decision' AND json_extract(json, '$.standing') = 'refused'
         AND written_at >= ?2",
    )?;
    let rows = statement.query_map(params![org.as_bytes(), from.as_millis()], |row| row.get::<_, String>(0))?;
    rows.map(|key| {
        let key = key?;
        key.parse()
            .map_err(|_| StoreError::Damaged(format!("the key {key:?} of an order's decision")))
    })
    .collect()
}

fn happened(connection: &Connection, org: OrganisationId, of: &OverviewOf) -> Result<Happened, StoreError> {
    // An order is decided on after it was taken; a phone's clock may be some hours ahead.
    let refused = refused(connection, org, of.happened.0.plus_millis(-A_DAY))?;
    let mut values = Values::new(org, of.territories.as_deref());
    let from = values.add(of.happened.0.as_millis());
    let to = values.add(of.happened.1.as_millis());
    let sql = format!(
        "SELECT kind, state, amount, document FROM document INDEXED BY document_of_moment
         WHERE organisation = ?1 AND at >= {from} AND at < {to}{}",
        values.scope
    );
    let mut counts: BTreeMap<(String, String), u64> = BTreeMap::new();
    let (mut ordered, mut promised) = (BTreeMap::new(), BTreeMap::new());
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(params_from_iter(&values.values))?;
    while let Some(row) = rows.next()? {
        let (kind, mut state): (String, String) = (row.get(0)?, row.get(1)?);
        if kind == "order" && refused.contains(&DocumentId::from_bytes(row.get(3)?)) {
            "refused".clone_into(&mut state);
        }
        let sums = match kind.as_str() {
            // What the rep has not handed in, and what was turned down, is no order.
            "order" if state != "draft" && state != "refused" && state != "cancelled" => Some(&mut ordered),
            "collection_note" => Some(&mut promised),
            _ => None,
        };
        if let Some(sums) = sums
            && let Some(amount) = row.get::<_, Option<String>>(2)?
            && let Ok(amount) = serde_json::from_str::<Money>(&amount)
        {
            add(sums, amount);
        }
        *counts.entry((kind, state)).or_default() += 1;
    }
    let counts = counts.into_iter().map(|((kind, state), count)| KindCount {
        kind: DocumentKind::from_name(&kind),
        state,
        count,
    });
    let money = |sums: BTreeMap<Currency, Decimal>| {
        sums.into_iter()
            .map(|(currency, amount)| Money::new(amount, currency))
            .collect()
    };
    Ok((counts.collect(), money(ordered), money(promised)))
}

fn add(sums: &mut BTreeMap<Currency, Decimal>, amount: Money) {
    let sum = sums.entry(amount.currency).or_default();
    *sum = sum.saturating_add(amount.amount);
}
