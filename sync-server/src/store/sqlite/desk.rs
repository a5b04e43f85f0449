//! What the office's pages list. Each statement names the condition of its index word for word, or SQLite could not use it,
//! and the index itself: SQLite believes that two columns of the unique index of all records say more than one of an index of
//! the few that are wanted, and would read every record of the kind.

use std::collections::BTreeSet;

use async_trait::async_trait;
use fieldledger_core::{
    model::{
        Customer, CustomerId, DocumentId, Grant, OrderDecision, OrganisationId, Receipt, Statement, TerritoryId,
        UnidentifiedReceipt, Warning, WarningLevel,
    },
    sync::protocol::{StreamId, StreamMark},
};
use rusqlite::{Connection, Row, ToSql, params, params_from_iter};
use serde::de::DeserializeOwned;

use super::{SqliteStore, documents::push_list, streams};
use crate::store::{
    Changed, DeskStore, HeldBooks, ListPart, Listed, MAX_LISTED, NoteFacts, NumberOf, StatementOrder, StatementSearch,
    StatementStanding, StoreError, WarningSearch,
};

#[async_trait]
impl DeskStore for SqliteStore {
    async fn held_orders(
        &self,
        org: OrganisationId,
        territories: Option<Vec<TerritoryId>>,
        part: ListPart,
    ) -> Result<Listed<OrderDecision>, StoreError> {
        self.read(move |connection| {
            let list = List::new(
                org,
                "held_order_by_time",
                "r.kind = 'order_decision' AND json_extract(r.json, '$.standing') = 'held'",
                "json_extract(r.json, '$.received_at'), r.key",
            );
            list.within(territories).read(connection, part)
        })
        .await
    }

    async fn open_grants(
        &self,
        org: OrganisationId,
        territories: Option<Vec<TerritoryId>>,
        part: ListPart,
    ) -> Result<Listed<Grant>, StoreError> {
        self.read(move |connection| {
            let list = List::new(
                org,
                "open_grant",
                "r.kind = 'grant' AND json_extract(r.json, '$.state') IN ('open', 'recalled')",
                "r.customer, r.key",
            );
            list.within(territories).read(connection, part)
        })
        .await
    }

    async fn standing_warnings(
        &self,
        org: OrganisationId,
        territories: Option<Vec<TerritoryId>>,
        wanted: WarningSearch,
        part: ListPart,
    ) -> Result<Listed<Warning>, StoreError> {
        self.read(move |connection| List::standing_warnings(org, territories, &wanted).read(connection, part))
            .await
    }

    async fn issued_statements(
        &self,
        org: OrganisationId,
        territories: Option<Vec<TerritoryId>>,
        wanted: StatementSearch,
        part: ListPart,
    ) -> Result<Listed<Statement>, StoreError> {
        self.read(move |connection| List::issued_statements(org, territories, &wanted).read(connection, part))
            .await
    }

    async fn timed_receipts(
        &self,
        org: OrganisationId,
        territories: Option<Vec<TerritoryId>>,
        open: bool,
        newest_first: bool,
        part: ListPart,
    ) -> Result<Listed<Receipt>, StoreError> {
        self.read(move |connection| {
            let order = if newest_first { " DESC" } else { "" };
            let mut list = List::new(
                org,
                "timed_receipt",
                "r.kind = 'receipt' AND json_extract(r.json, '$.arrived_at') IS NOT NULL",
                &format!("json_extract(r.json, '$.arrived_at'){order}, r.key"),
            );
            list.condition
                .push_str(" AND json_extract(r.json, '$.bounced_on') IS NULL");
            if open {
                list.condition.push_str(
                    " AND (json_extract(r.json, '$.sales_told_at') IS NULL
                           OR json_extract(r.json, '$.customer_told_at') IS NULL
                           OR json_extract(r.json, '$.document_sent_at') IS NULL)",
                );
            }
            list.within(territories).read(connection, part)
        })
        .await
    }

    async fn waiting_money(&self, org: OrganisationId) -> Result<Vec<UnidentifiedReceipt>, StoreError> {
        self.read(move |connection| {
            let mut statement = connection.prepare_cached(
                "SELECT key, json FROM record INDEXED BY waiting_money
                 WHERE organisation = ?1 AND kind = 'unidentified_receipt'
                 AND json_extract(json, '$.identified_as') IS NULL",
            )?;
            let mut rows = statement.query([org.as_bytes()])?;
            let mut found: Vec<UnidentifiedReceipt> = Vec::new();
            while let Some(row) = rows.next()? {
                found.push(parsed(row, 1, 0)?);
            }
            found.sort_by(|one, other| (one.valued_on, &one.reference).cmp(&(other.valued_on, &other.reference)));
            Ok(found)
        })
        .await
    }

    async fn customers_of_numbers(
        &self,
        org: OrganisationId,
        numbers: Vec<String>,
    ) -> Result<Vec<(CustomerId, NumberOf, String)>, StoreError> {
        self.read(move |connection| {
            let mut by_key = connection.prepare_cached(
                "SELECT kind, customer FROM record
                 WHERE organisation = ?1 AND kind IN ('invoice', 'order') AND key = ?2 AND customer IS NOT NULL",
            )?;
            let mut by_number = connection.prepare_cached(
                "SELECT customer FROM record WHERE organisation = ?1 AND kind = 'order_decision'
                 AND json_extract(json, '$.number') = ?2 AND customer IS NOT NULL",
            )?;
            let mut by_order = connection.prepare_cached(
                "SELECT customer FROM record WHERE organisation = ?1 AND kind = 'invoice'
                 AND json_extract(json, '$.order_number') IS NOT NULL
                 AND json_extract(json, '$.order_number') = ?2 AND customer IS NOT NULL",
            )?;
            let mut found = BTreeSet::new();
            for number in numbers {
                let mut rows = by_key.query(params![org.as_bytes(), number])?;
                while let Some(row) = rows.next()? {
                    let of = match row.get_ref(0)?.as_str().map_err(rusqlite::Error::from)? {
                        "invoice" => NumberOf::Invoice,
                        _ => NumberOf::Order,
                    };
                    found.insert((CustomerId::from_bytes(row.get(1)?), of, number.clone()));
                }
                for statement in [&mut by_number, &mut by_order] {
                    let mut rows = statement.query(params![org.as_bytes(), number])?;
                    while let Some(row) = rows.next()? {
                        let customer = CustomerId::from_bytes(row.get(0)?);
                        found.insert((customer, NumberOf::Order, number.clone()));
                    }
                }
            }
            Ok(found.into_iter().collect())
        })
        .await
    }

    async fn books_of(&self, org: OrganisationId, customer: CustomerId) -> Result<HeldBooks, StoreError> {
        self.read(move |connection| {
            let mut statement = connection.prepare_cached(
                "SELECT kind, key, json FROM record WHERE customer = ?1
                 AND kind IN ('invoice', 'receipt', 'credit_note') AND organisation = ?2",
            )?;
            let mut rows = statement.query(params![customer.as_bytes(), org.as_bytes()])?;
            let mut books = HeldBooks::default();
            while let Some(row) = rows.next()? {
                match row.get_ref(0)?.as_str().map_err(rusqlite::Error::from)? {
                    "invoice" => books.invoices.push(parsed(row, 2, 1)?),
                    "receipt" => books.receipts.push(parsed(row, 2, 1)?),
                    _ => books.credit_notes.push(parsed(row, 2, 1)?),
                }
            }
            Ok(books)
        })
        .await
    }

    async fn collecting_facts(
        &self,
        org: OrganisationId,
        customer: Option<CustomerId>,
    ) -> Result<Vec<NoteFacts>, StoreError> {
        self.read(move |connection| {
            let one = if customer.is_some() { " AND customer = ?2" } else { "" };
            let mut statement = connection.prepare_cached(&format!(
                "SELECT document, review, tree FROM document INDEXED BY collection_note
                 WHERE organisation = ?1 AND kind = 'collection_note'{one}"
            ))?;
            let mut rows = match customer {
                Some(customer) => statement.query(params![org.as_bytes(), customer.as_bytes()])?,
                None => statement.query([org.as_bytes()])?,
            };
            let mut facts = Vec::new();
            while let Some(row) = rows.next()? {
                let tree = row.get_ref(2)?.as_str().map_err(rusqlite::Error::from)?;
                // One of a newer version that cannot be read says nothing that these rules know.
                if let Ok(note) = serde_json::from_str(tree) {
                    facts.push(NoteFacts {
                        id: DocumentId::from_bytes(row.get(0)?),
                        note,
                        reviewed: row.get::<_, Option<String>>(1)?.is_some(),
                    });
                }
            }
            Ok(facts)
        })
        .await
    }

    async fn changed_since(&self, org: OrganisationId, marks: Vec<StreamMark>) -> Result<Changed, StoreError> {
        self.read(move |connection| changed_since(connection, org, &marks))
            .await
    }
}

/// A value from JSON in column `json` of the record whose key is in column `key`.
fn parsed<T: DeserializeOwned>(row: &Row<'_>, json: usize, key: usize) -> Result<T, StoreError> {
    let text = row.get_ref(json)?.as_str().map_err(rusqlite::Error::from)?;
    match serde_json::from_str(text) {
        Ok(value) => Ok(value),
        Err(error) => {
            let key: String = row.get(key)?;
            Err(StoreError::Damaged(format!("record {key}: {error}")))
        }
    }
}

/// A list of records, each with its customer's.
struct List {
    index: &'static str,
    condition: String,
    order: String,
    values: Vec<Box<dyn ToSql>>,
}

impl List {
    /// Records as `r`, found by this index.
    fn new(org: OrganisationId, index: &'static str, condition: &str, order: &str) -> Self {
        Self {
            index,
            condition: format!("r.organisation = ?1 AND {condition}"),
            order: order.to_owned(),
            values: vec![Box::new(*org.as_bytes())],
        }
    }

    fn standing_warnings(org: OrganisationId, territories: Option<Vec<TerritoryId>>, wanted: &WarningSearch) -> Self {
        let mut list = List::new(
            org,
            "standing_warning",
            "r.kind = 'warning' AND json_extract(r.json, '$.cleared_at') IS NULL",
            "json_extract(r.json, '$.level'), json_extract(r.json, '$.raised_at'), r.key",
        );
        if let Some(level) = wanted.level {
            let level = match level {
                WarningLevel::Warning => "warning",
                WarningLevel::Critical => "critical",
            };
            list.narrow("json_extract(r.json, '$.level') = ??", level.to_owned());
        }
        if let Some(owner) = wanted.owner {
            list.narrow("json_extract(r.json, '$.owner') = ??", owner.to_string());
        }
        if wanted.unanswered {
            list.condition
                .push_str(" AND json_extract(r.json, '$.acknowledged') IS NULL");
        }
        list.within(territories)
    }

    fn issued_statements(org: OrganisationId, territories: Option<Vec<TerritoryId>>, wanted: &StatementSearch) -> Self {
        let order = match wanted.order {
            StatementOrder::Newest => "json_extract(r.json, '$.issued_at') DESC, r.key",
            StatementOrder::Oldest => "json_extract(r.json, '$.issued_at'), r.key",
            StatementOrder::Customer => "c.json ->> '$.name', json_extract(r.json, '$.issued_at') DESC, r.key",
            StatementOrder::CustomerDescending => {
                "c.json ->> '$.name' DESC, json_extract(r.json, '$.issued_at') DESC, r.key"
            }
            StatementOrder::Period => "json_extract(r.json, '$.from'), r.key",
            StatementOrder::PeriodDescending => "json_extract(r.json, '$.from') DESC, r.key",
        };
        let index = match (wanted.customer, wanted.standing) {
            (Some(_), _) => "record_of_customer",
            (None, Some(StatementStanding::Disputed)) => "disputed_statement",
            (None, _) => "issued_statement",
        };
        let mut list = List::new(org, index, "r.kind = 'statement'", order);
        if let Some(customer) = wanted.customer {
            list.narrow("r.customer = ??", *customer.as_bytes());
        }
        if let Some(text) = &wanted.text {
            list.narrow(
                "instr(lower(c.json ->> '$.name') || char(10) || lower(c.json ->> '$.code'), lower(??)) > 0",
                text.trim().to_owned(),
            );
        }
        if let Some(standing) = wanted.standing {
            list.condition.push_str(match standing {
                StatementStanding::Unsent => {
                    " AND json_extract(r.json, '$.answers') IS NULL
                      AND NOT EXISTS (SELECT 1 FROM statement_link AS link
                                      WHERE link.organisation = ?1 AND link.statement = unhex(r.key, '-'))"
                }
                StatementStanding::Unanswered => {
                    " AND instr(r.json, '\"verdict\":\"disputed\"') = 0
                      AND json_array_length(r.json, '$.lines')
                          > (SELECT count(*) FROM json_each(r.json, '$.answers'))"
                }
                // The condition of the index `disputed_statement`, word for word.
                StatementStanding::Disputed => " AND instr(r.json, '\"verdict\":\"disputed\"') > 0",
            });
            list.condition.push_str(
                " AND NOT EXISTS (SELECT 1 FROM record AS later INDEXED BY correcting_statement
                                  WHERE later.organisation = ?1 AND later.kind = 'statement'
                                    AND json_extract(later.json, '$.corrects') IS NOT NULL
                                    AND json_extract(later.json, '$.corrects') = r.key)",
            );
        }
        list.within(territories)
    }

    fn narrow(&mut self, condition: &str, value: impl ToSql + 'static) {
        self.values.push(Box::new(value));
        self.condition.push_str(" AND ");
        self.condition
            .push_str(&condition.replace("??", &format!("?{}", self.values.len())));
    }

    /// Only of customers in these territories: what is written about a customer may be in a phone's own stream.
    fn within(mut self, territories: Option<Vec<TerritoryId>>) -> Self {
        if let Some(territories) = territories {
            self.condition.push_str(
                " AND r.customer IN (SELECT customer FROM record INDEXED BY customer_of_stream WHERE kind = 'customer'
                  AND stream IN (SELECT id FROM stream WHERE organisation = ?1 AND name IN (",
            );
            let names = territories.into_iter().map(|it| StreamId::Territory(it).to_bytes());
            push_list(&mut self.condition, &mut self.values, names);
            self.condition.push_str(")))");
            // Of these there is about one for each customer: few of them are looked for among all.
            if ["issued_statement", "standing_warning"].contains(&self.index) {
                self.index = "record_of_customer";
            }
        }
        self
    }

    /// The statement that counts the list, and the one that reads a part of it: its limit and its beginning are the last
    /// two values.
    fn statements(&self) -> [String; 2] {
        let Self {
            index,
            condition,
            order,
            values,
        } = self;
        // In this order: beginning with the customers would go through the index of the list for each of them.
        let customers = "CROSS JOIN record c ON c.customer = r.customer AND c.kind = 'customer' AND c.organisation = r.organisation";
        // Counting all of them needs no customers.
        let counted = if condition.contains("c.json") { customers } else { "" };
        let (limit, from) = (values.len() + 1, values.len() + 2);
        [
            format!("SELECT count(*) FROM record r INDEXED BY {index} {counted} WHERE {condition}"),
            format!(
                "SELECT r.key, r.json, c.key, c.json FROM record r INDEXED BY {index} {customers}
                 WHERE {condition} ORDER BY {order} LIMIT ?{limit} OFFSET ?{from}"
            ),
        ]
    }

    fn read<T: DeserializeOwned>(self, connection: &Connection, part: ListPart) -> Result<Listed<T>, StoreError> {
        let [counting, reading] = self.statements();
        let mut values = self.values;
        let total: i64 = connection
            .prepare_cached(&counting)?
            .query_row(params_from_iter(&values), |row| row.get(0))?;
        values.push(Box::new(part.limit.min(MAX_LISTED)));
        values.push(Box::new(i64::try_from(part.from).unwrap_or(i64::MAX)));
        let mut statement = connection.prepare_cached(&reading)?;
        let mut rows = statement.query(params_from_iter(&values))?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            found.push((parsed(row, 1, 0)?, parsed::<Customer>(row, 3, 2)?));
        }
        Ok(Listed {
            total: total.unsigned_abs(),
            rows: found,
        })
    }
}

fn changed_since(connection: &Connection, org: OrganisationId, marks: &[StreamMark]) -> Result<Changed, StoreError> {
    let mut records = connection.prepare_cached(
        "SELECT DISTINCT record.customer FROM entry JOIN record ON record.id = entry.record
         WHERE entry.place > ?1 AND entry.place < ?2 AND record.customer IS NOT NULL",
    )?;
    let mut notes = connection.prepare_cached(
        "SELECT DISTINCT document.customer FROM entry JOIN document ON document.id = entry.document
         WHERE entry.place > ?1 AND entry.place < ?2 AND document.kind = 'collection_note'
           AND document.customer IS NOT NULL",
    )?;
    // A review changes what is said of the note that it is about.
    let mut reviewed = connection.prepare_cached(
        "SELECT DISTINCT note.customer FROM entry JOIN document ON document.id = entry.document
         JOIN document AS note ON note.document = document.about AND note.organisation = document.organisation
         WHERE entry.place > ?1 AND entry.place < ?2 AND document.kind = 'review' AND note.kind = 'collection_note'
           AND note.customer IS NOT NULL",
    )?;
    let mut changed = Changed {
        marks: streams::heads(connection, org)?,
        ..Changed::default()
    };
    for (first, end) in streams::grown_since(connection, org, marks)? {
        for statement in [&mut records, &mut notes, &mut reviewed] {
            let mut rows = statement.query([first, end])?;
            while let Some(row) = rows.next()? {
                changed.customers.insert(CustomerId::from_bytes(row.get(0)?));
            }
        }
    }
    Ok(changed)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::{collections::BTreeMap, ops::Range};

    use chrono::NaiveDate;
    use fieldledger_core::model::{Currency, LedgerRecord, Money, StatementId, WarningRule};
    use rusqlite::StatementStatus;

    use super::*;
    use crate::store::{
        DocumentStore as _,
        suite::{NORTH, NOW, ORG, SOUTH, customer, numbered, territory},
    };

    /// What SQLite does to count a list and to read its first ten, in steps of its machine.
    fn steps(connection: &Connection, list: List) -> i32 {
        let [counting, reading] = list.statements();
        let taken = |sql: &str, values: &[Box<dyn ToSql>]| {
            let mut statement = connection.prepare(sql).unwrap();
            let mut rows = statement.query(params_from_iter(values)).unwrap();
            while rows.next().unwrap().is_some() {}
            drop(rows);
            statement.get_status(StatementStatus::VmStep)
        };
        let mut values = list.values;
        let counted = taken(&counting, &values);
        values.extend([10, 0].map(|it| -> Box<dyn ToSql> { Box::new(it) }));
        counted + taken(&reading, &values)
    }

    /// Customers of a territory, each with a warning, a statement and a disputed one.
    fn shops(of: TerritoryId, numbers: Range<u64>) -> Vec<LedgerRecord> {
        let shop = |number: u64| {
            let LedgerRecord::Customer(mut shop) = customer(of, &format!("Shop {number}")) else {
                panic!("no customer");
            };
            shop.id = CustomerId::from_bytes(numbered(number));
            shop.code = format!("C-{number}");
            let nothing = Money::new(0.into(), Currency::CNY);
            let day = NaiveDate::from_ymd_opt(2026, 2, 1).unwrap();
            let statement = |place: u64| Statement {
                id: StatementId::from_bytes(numbered(number * 2 + place)),
                customer: shop.id,
                from: day,
                to: day,
                opening: nothing,
                closing: nothing,
                lines: Vec::new(),
                issued_at: NOW,
                by: None,
                corrects: None,
                answers: BTreeMap::new(),
            };
            let mut disputed = statement(1);
            let answer = serde_json::from_value(serde_json::json!({
                "verdict": "disputed", "by": "Ms Wang", "at": NOW.as_millis(), "remark": "not ours",
            }));
            disputed.answers.insert(1, answer.unwrap());
            let warning = Warning {
                customer: shop.id,
                rule: WarningRule::DaysOverdue,
                level: WarningLevel::Warning,
                sentence: String::new(),
                facts: None,
                raised_at: NOW,
                owner: None,
                acknowledged: None,
                cleared_at: None,
            };
            [
                statement(0).into(),
                disputed.into(),
                warning.into(),
                LedgerRecord::Customer(shop.clone()),
            ]
        };
        numbers.flat_map(shop).collect()
    }

    /// What the lists of a territory with five customers cost, by name, beside a territory with so many.
    async fn costs(others: u64) -> BTreeMap<&'static str, i32> {
        let store = SqliteStore::in_memory().unwrap();
        let mut all = vec![territory(NORTH), territory(SOUTH)];
        all.extend(shops(NORTH, 0..5));
        all.extend(shops(SOUTH, 5..5 + others));
        store.put_records(ORG, all, true, NOW).await.unwrap();
        let read = |connection: &Connection| {
            let north = || Some(vec![NORTH]);
            let any = StatementSearch::default();
            let stands = |standing| StatementSearch {
                standing: Some(standing),
                ..StatementSearch::default()
            };
            let statements = |wanted| List::issued_statements(ORG, north(), &wanted);
            Ok(BTreeMap::from([
                ("statements", steps(connection, statements(any))),
                (
                    "unsent",
                    steps(connection, statements(stands(StatementStanding::Unsent))),
                ),
                (
                    "unanswered",
                    steps(connection, statements(stands(StatementStanding::Unanswered))),
                ),
                (
                    "warnings",
                    steps(
                        connection,
                        List::standing_warnings(ORG, north(), &WarningSearch::default()),
                    ),
                ),
            ]))
        };
        store.read(read).await.unwrap()
    }

    #[tokio::test]
    async fn a_list_of_a_territory_costs_no_more_where_the_company_has_more_customers() {
        let (few, many) = (costs(20).await, costs(400).await);
        for (list, steps) in many {
            assert!(steps < few[list] * 2, "{list}: {} steps became {steps}", few[list]);
        }
    }
}
