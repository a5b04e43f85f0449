//! What supervisors see: documents as lines, by when they came in or by when they happened.

use std::collections::BTreeMap;

use fieldledger_core::{
    document::Summary,
    model::{CustomerId, DocumentId, DocumentKind, EvidenceHash, OrganisationId, Timestamp, UserId},
    rules::words::Query,
    sync::protocol::{StreamId, StreamMark},
};
use rusqlite::{Connection, Row, ToSql, params, params_from_iter};

use super::{
    super::streams::{self, stream_name},
    overview::UNCONFIRMED,
    unpacked, words,
};
use crate::store::{FeedFilter, FeedItem, FeedOrder, StoreError, VisitMade, VisitsSince};

/// Most lines that one call of the feed gives.
const MAX_FEED: u32 = 1_000;

/// Writes `?3, ?4, …` and keeps the values for them.
pub(in crate::store::sqlite) fn push_list<T: ToSql + 'static>(
    sql: &mut String,
    values: &mut Vec<Box<dyn ToSql>>,
    list: impl Iterator<Item = T>,
) {
    let mut separator = "";
    for value in list {
        values.push(Box::new(value));
        sql.push_str(separator);
        sql.push('?');
        sql.push_str(&values.len().to_string());
        separator = ", ";
    }
}

/// The columns that [`items`] reads, in their order.
pub(super) const COLUMNS: &str = "document, stream, kind, newer, customer, owner, about, at, day, state, title, amount,
    evidence, outside, mocked, disagreements, review, last_received_at, doubts";

pub(super) fn feed(
    connection: &Connection,
    org: OrganisationId,
    filter: &FeedFilter,
) -> Result<Vec<FeedItem>, StoreError> {
    let searched = filter.text.as_deref().map(str::trim).filter(|it| !it.is_empty());
    let query = searched.map(Query::parse);
    if matches!(query, Some(None)) {
        // Nothing in it is a word, so nothing holds it.
        return Ok(Vec::new());
    }
    let words = query.flatten().map(|it| Wanted::read(connection, it)).transpose()?;
    let mut items = Vec::new();
    for run in Run::of(filter) {
        let limit = filter
            .limit
            .min(MAX_FEED)
            .saturating_sub(u32::try_from(items.len()).unwrap_or(u32::MAX));
        if limit > 0 {
            items.extend(run.read(connection, org, filter, words.as_ref(), limit)?);
        }
    }
    Ok(items)
}

/// A part of the feed that is read along one column. By when things happened there are two: what has happened, and then
/// what has not.
struct Run {
    column: &'static str,
    newest_first: bool,
    /// Only what has happened, or only what has not.
    happened: Option<bool>,
    after: Option<(Timestamp, DocumentId)>,
}

impl Run {
    fn of(filter: &FeedFilter) -> Vec<Self> {
        let after = filter.after;
        let received = |newest_first, happened| Self {
            column: "last_received_at",
            newest_first,
            happened,
            after: after.map(|it| (it.received, it.id)),
        };
        let happened = |newest_first| {
            let made = Self {
                column: "at",
                newest_first,
                happened: Some(true),
                after: after.and_then(|it| Some((it.happened?, it.id))),
            };
            let mut planned = received(true, Some(false));
            // What is wanted of some moment has happened.
            if filter.happened.is_some() || filter.signed_before.is_some() {
                return vec![made];
            }
            match after {
                // The page before ended among what has not happened.
                Some(it) if it.happened.is_none() => vec![planned],
                _ => {
                    planned.after = None;
                    vec![made, planned]
                }
            }
        };
        match filter.order {
            FeedOrder::NewestReceived => vec![received(true, None)],
            FeedOrder::OldestReceived => vec![received(false, None)],
            FeedOrder::NewestHappened => happened(true),
            FeedOrder::OldestHappened => happened(false),
        }
    }

    fn read(
        &self,
        connection: &Connection,
        org: OrganisationId,
        filter: &FeedFilter,
        words: Option<&Wanted>,
        limit: u32,
    ) -> Result<Vec<FeedItem>, StoreError> {
        let path = path(connection, org, filter, words, self)?;
        let mut values: Vec<Box<dyn ToSql>> = vec![Box::new(*org.as_bytes())];
        let condition = self.condition(filter, words, &mut values);
        let direction = if self.newest_first { "DESC" } else { "ASC" };
        let order = format!("ORDER BY {} {direction}, document {direction}", self.column);
        if let Some(words) = words {
            // SQLite would sort all that hold the words before it looks at the first; and runs of three and more characters
            // are looked for in the text itself.
            let sql = format!("SELECT id FROM document {path} WHERE {condition} {order}");
            let rows = words.first_of(connection, &sql, &values, limit as usize)?;
            let sql = format!("SELECT {COLUMNS} FROM document WHERE id IN (SELECT value FROM json_each(?1)) {order}");
            return items(connection, &sql, &[Box::new(serde_json::Value::from(rows).to_string())]);
        }
        values.push(Box::new(limit));
        let limit = values.len();
        let sql = if self.is_sorted_by_moment(path) {
            // What an index holds is sorted without looking at the documents that are not shown.
            format!(
                "SELECT {COLUMNS} FROM document
                 WHERE id IN (SELECT id FROM document {path} WHERE {condition} {order} LIMIT ?{limit}) {order}"
            )
        } else {
            format!("SELECT {COLUMNS} FROM document {path} WHERE {condition} {order} LIMIT ?{limit}")
        };
        items(connection, &sql, &values)
    }

    fn is_sorted_by_moment(&self, path: &str) -> bool {
        self.column == "at" && path != ALONG_MOMENTS
    }

    /// What a document must satisfy; `?1` is the organisation.
    fn condition(&self, filter: &FeedFilter, words: Option<&Wanted>, values: &mut Vec<Box<dyn ToSql>>) -> String {
        let mut sql = String::from("organisation = ?1");
        let mut narrow = |condition: &str, value: Box<dyn ToSql>| {
            values.push(value);
            sql.push_str(" AND ");
            sql.push_str(&condition.replace("??", &format!("?{}", values.len())));
        };
        if let Some(kind) = &filter.kind {
            narrow("kind = ??", Box::new(kind.as_str().to_owned()));
        }
        if filter.without_reviews {
            narrow("kind <> ??", Box::new(DocumentKind::Review.as_str().to_owned()));
        }
        if let Some(owner) = filter.owner {
            narrow("owner = ??", Box::new(*owner.as_bytes()));
        }
        if let Some(customer) = filter.customer {
            narrow("customer = ??", Box::new(*customer.as_bytes()));
        }
        if let Some(state) = &filter.state {
            narrow("state = ??", Box::new(state.clone()));
        }
        if let Some((from, to)) = filter.happened {
            narrow("at >= ??", Box::new(from.as_millis()));
            narrow("at < ??", Box::new(to.as_millis()));
        }
        if let Some(before) = filter.signed_before {
            narrow(
                &format!("{} AND at < ??", UNCONFIRMED.condition),
                Box::new(before.as_millis()),
            );
        }
        if let Some((at, id)) = self.after {
            let (column, beyond) = (self.column, if self.newest_first { '<' } else { '>' });
            narrow(&format!("{column} {beyond}= ??"), Box::new(at.as_millis()));
            narrow(&format!("({column} {beyond} ??"), Box::new(at.as_millis()));
            values.push(Box::new(*id.as_bytes()));
            sql.push_str(&format!(" OR document {beyond} ?{})", values.len()));
        }
        match self.happened {
            Some(true) => sql.push_str(" AND at IS NOT NULL"),
            Some(false) => sql.push_str(" AND at IS NULL"),
            None => {}
        }
        if filter.doubts != 0 {
            values.push(Box::new(filter.doubts));
            sql.push_str(&format!(" AND doubts > 0 AND doubts & ?{} <> 0", values.len()));
        }
        if filter.unreviewed {
            // A review is not itself a thing to review.
            sql.push_str(" AND review IS NULL AND kind <> 'review'");
        }
        if filter.disagreeing {
            sql.push_str(" AND disagreements > 0");
        }
        if filter.with_evidence {
            sql.push_str(" AND evidence IS NOT NULL");
        }
        if let Some(territories) = &filter.territories {
            sql.push_str(" AND stream IN (SELECT id FROM stream WHERE organisation = ?1 AND name IN (");
            let names = territories.iter().map(|it| StreamId::Territory(*it).to_bytes());
            push_list(&mut sql, values, names);
            sql.push_str("))");
        }
        if let Some(words) = words.filter(|it| it.are_few()) {
            values.push(Box::new(words.query.expression.clone()));
            sql.push_str(&format!(" AND id IN ({WORDS} ?{})", values.len()));
        }
        sql
    }
}

/// The rows of the documents that hold words.
const WORDS: &str = "SELECT rowid FROM document_words WHERE document_words MATCH";

/// The documents that hold what is searched for, by their rows.
struct Wanted {
    query: Query,
    /// A bit for each row.
    held: Vec<u64>,
    count: i64,
}

impl Wanted {
    fn read(connection: &Connection, query: Query) -> Result<Self, StoreError> {
        let mut statement = connection.prepare_cached(&format!("{WORDS} ?1"))?;
        let mut rows = statement.query([&query.expression])?;
        let (mut held, mut count) = (Vec::new(), 0_i64);
        while let Some(row) = rows.next()? {
            if let Some((place, bit)) = Self::place(row.get(0)?) {
                if held.len() <= place {
                    held.resize(place + 1, 0);
                }
                held[place] |= bit;
                count += 1;
            }
        }
        drop(rows);
        drop(statement);
        Ok(Self { query, held, count })
    }

    fn place(row: i64) -> Option<(usize, u64)> {
        let row = usize::try_from(row).ok()?;
        Some((row / 64, 1 << (row % 64)))
    }

    fn holds(&self, row: i64) -> bool {
        Self::place(row).is_some_and(|(place, bit)| self.held.get(place).is_some_and(|it| it & bit != 0))
    }

    /// Whether the documents are looked up one by one, rather than met on the way along a list.
    fn are_few(&self) -> bool {
        self.count <= SORTED
    }

    /// The first of the documents that `sql` names which hold what is searched for.
    fn first_of(
        &self,
        connection: &Connection,
        sql: &str,
        values: &[Box<dyn ToSql>],
        most: usize,
    ) -> Result<Vec<i64>, StoreError> {
        let mut text = connection.prepare_cached("SELECT tree FROM document WHERE id = ?1")?;
        let mut statement = connection.prepare_cached(sql)?;
        let mut rows = statement.query(params_from_iter(values))?;
        let mut found = Vec::new();
        while found.len() < most
            && let Some(row) = rows.next()?
        {
            let row = row.get(0)?;
            let is_it = self.holds(row)
                && (self.query.verify.is_empty() || {
                    let tree: String = text.query_row([row], |row| row.get(0))?;
                    self.query.is_in(&words::searchable(&tree))
                });
            if is_it {
                found.push(row);
            }
        }
        Ok(found)
    }
}

/// So many documents are read and sorted rather than looking through the newest ones for those that are wanted.
const SORTED: i64 = 5_000;
/// So many entries of an index are sorted by when things happened. Where more are wanted, they are found soon along the
/// moments.
const SORTED_IN_INDEX: i64 = 100_000;
/// The index of what has happened, by when.
const ALONG_MOMENTS: &str = "INDEXED BY document_of_moment";

/// How the list is read. SQLite does not know how the values are spread, and picks an index that is never so good and
/// sometimes as slow as reading everything; so it is told. A document has one customer and one owner, who have few
/// documents; what disagrees or is doubtful is rare; of states there are more than of kinds.
fn path(
    connection: &Connection,
    org: OrganisationId,
    filter: &FeedFilter,
    words: Option<&Wanted>,
    run: &Run,
) -> Result<&'static str, StoreError> {
    if filter.customer.is_some() {
        return Ok("INDEXED BY document_of_customer");
    }
    if filter.owner.is_some() {
        return Ok("INDEXED BY document_of_owner");
    }
    if filter.disagreeing {
        return Ok("INDEXED BY document_disagreeing");
    }
    if words.is_some_and(Wanted::are_few) {
        // By their rows.
        return Ok("NOT INDEXED");
    }
    let is_by_moment = run.column == "at";
    if is_by_moment && filter.signed_before.is_some() {
        return Ok("INDEXED BY document_unconfirmed");
    }
    if is_by_moment && (words.is_some() || filter.happened.is_some()) {
        return Ok(ALONG_MOMENTS);
    }
    if let Some((from, to)) = filter.happened {
        let there: i64 = connection
            .prepare_cached(
                "SELECT count(*) FROM (SELECT 1 FROM document INDEXED BY document_of_moment
                 WHERE organisation = ?1 AND at >= ?2 AND at < ?3 LIMIT ?4)",
            )?
            .query_row(
                params![org.as_bytes(), from.as_millis(), to.as_millis(), SORTED + 1],
                |row| row.get(0),
            )?;
        if there <= SORTED {
            return Ok(ALONG_MOMENTS);
        }
    }
    let (path, held, name) = if filter.doubts != 0 {
        ("INDEXED BY document_doubtful", "doubts > 0", None)
    } else if filter.unreviewed {
        (
            "INDEXED BY document_unreviewed",
            "review IS NULL AND kind <> 'review'",
            None,
        )
    } else if let Some(state) = &filter.state {
        ("INDEXED BY document_of_state", "state = ?3", Some(state.as_str()))
    } else if let Some(kind) = &filter.kind {
        ("INDEXED BY document_of_kind", "kind = ?3", Some(kind.as_str()))
    } else if filter.with_evidence {
        ("INDEXED BY document_with_evidence", "evidence IS NOT NULL", None)
    } else if is_by_moment {
        return Ok(ALONG_MOMENTS);
    } else {
        return Ok("INDEXED BY document_of_arrival");
    };
    if is_by_moment {
        // The index of the moments knows the kind.
        let most = if path.ends_with("_of_kind") {
            SORTED
        } else {
            SORTED_IN_INDEX
        };
        let held =
            format!("SELECT count(*) FROM (SELECT 1 FROM document {path} WHERE organisation = ?1 AND {held} LIMIT ?2)");
        let mut values: Vec<Box<dyn ToSql>> = vec![Box::new(*org.as_bytes()), Box::new(most + 1)];
        values.extend(name.map(|it| -> Box<dyn ToSql> { Box::new(it.to_owned()) }));
        let held: i64 = connection
            .prepare_cached(&held)?
            .query_row(params_from_iter(values), |row| row.get(0))?;
        if held > most {
            return Ok(ALONG_MOMENTS);
        }
    }
    Ok(path)
}

/// The lines that `sql` selects, which gives [`COLUMNS`].
pub(super) fn items(
    connection: &Connection,
    sql: &str,
    values: &[Box<dyn ToSql>],
) -> Result<Vec<FeedItem>, StoreError> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(params_from_iter(values))?;
    let mut items = Vec::new();
    let mut streams: BTreeMap<i64, StreamId> = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let stream = row.get(1)?;
        let name = match streams.get(&stream) {
            Some(name) => *name,
            None => *streams.entry(stream).or_insert(stream_name(connection, stream)?),
        };
        items.push(feed_item(row, name)?);
    }
    Ok(items)
}

/// What is told of a visit; all of it is in the index `visit_of_day`.
const VISIT: &str = "seen.id, seen.at, seen.customer, seen.owner, seen.review IS NOT NULL, seen.outside OR seen.mocked";

/// A visit, if it took place.
fn visit_made(row: &Row<'_>) -> rusqlite::Result<Option<VisitMade>> {
    let (at, customer, owner): (Option<i64>, Option<[u8; 16]>, Option<[u8; 16]>) =
        (row.get(1)?, row.get(2)?, row.get(3)?);
    let (Some(at), Some(customer), Some(owner)) = (at, customer, owner) else {
        return Ok(None);
    };
    Ok(Some(VisitMade {
        number: row.get(0)?,
        customer: CustomerId::from_bytes(customer),
        owner: UserId::from_bytes(owner),
        at: Timestamp::from_millis(at),
        reviewed: row.get(4)?,
        doubtful: row.get(5)?,
    }))
}

/// The conditions of the index `visit_of_day`, word for word: it holds everything that is asked.
pub(super) fn visits_between(
    connection: &Connection,
    org: OrganisationId,
    owner: Option<UserId>,
    from: Timestamp,
    to: Timestamp,
) -> Result<Vec<VisitMade>, StoreError> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {VISIT} FROM document AS seen
         WHERE kind = 'visit' AND at IS NOT NULL AND organisation = ?1 AND at >= ?2 AND at < ?3
             AND (?4 IS NULL OR owner = ?4) ORDER BY at"
    ))?;
    let owner = owner.map(|it| *it.as_bytes());
    let mut rows = statement.query(params![org.as_bytes(), from.as_millis(), to.as_millis(), owner])?;
    let mut visits = Vec::new();
    while let Some(row) = rows.next()? {
        visits.extend(visit_made(row)?);
    }
    Ok(visits)
}

/// See [`DocumentStore::visits_since`](crate::store::DocumentStore::visits_since).
pub(super) fn visits_since(
    connection: &Connection,
    org: OrganisationId,
    marks: &[StreamMark],
) -> Result<VisitsSince, StoreError> {
    let mut written = connection.prepare_cached(&format!(
        "SELECT {VISIT} FROM entry JOIN document AS seen ON seen.id = entry.document
         WHERE entry.place > ?1 AND entry.place < ?2 AND seen.kind = 'visit'"
    ))?;
    let mut reviewed = connection.prepare_cached(&format!(
        "SELECT {VISIT} FROM entry JOIN document AS review ON review.id = entry.document
         JOIN document AS seen ON seen.document = review.about AND seen.organisation = review.organisation
         WHERE entry.place > ?1 AND entry.place < ?2 AND review.kind = 'review' AND seen.kind = 'visit'"
    ))?;
    let mut changed = VisitsSince::new();
    for (first, end) in streams::grown_since(connection, org, marks)? {
        for statement in [&mut written, &mut reviewed] {
            let mut rows = statement.query([first, end])?;
            while let Some(row) = rows.next()? {
                changed.insert(row.get(0)?, visit_made(row)?);
            }
        }
    }
    Ok(changed)
}

pub(super) fn promising_notes(
    connection: &Connection,
    org: OrganisationId,
) -> Result<Vec<(DocumentId, serde_json::Value)>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT document, tree FROM document
         WHERE kind = 'collection_note' AND amount IS NOT NULL AND organisation = ?1 ORDER BY id",
    )?;
    let mut rows = statement.query(params![org.as_bytes()])?;
    let mut notes = Vec::new();
    while let Some(row) = rows.next()? {
        let id = DocumentId::from_bytes(row.get(0)?);
        let tree = row.get_ref(1)?.as_str().map_err(rusqlite::Error::from)?;
        let tree =
            serde_json::from_str(tree).map_err(|error| StoreError::Damaged(format!("document {id}: {error}")))?;
        notes.push((id, tree));
    }
    Ok(notes)
}

fn feed_item(row: &Row<'_>, stream: StreamId) -> Result<FeedItem, StoreError> {
    let amount: Option<String> = row.get(11)?;
    let day: Option<String> = row.get(8)?;
    let day = day.and_then(|day| day.parse().ok());
    let evidence: Option<Vec<u8>> = row.get(12)?;
    Ok(FeedItem {
        id: DocumentId::from_bytes(row.get(0)?),
        stream,
        summary: Summary {
            kind: DocumentKind::from_name(&row.get::<_, String>(2)?),
            newer: row.get(3)?,
            customer: row.get::<_, Option<_>>(4)?.map(CustomerId::from_bytes),
            owner: row.get::<_, Option<_>>(5)?.map(UserId::from_bytes),
            about: row.get::<_, Option<_>>(6)?.map(DocumentId::from_bytes),
            at: row.get::<_, Option<_>>(7)?.map(Timestamp::from_millis),
            day,
            state: row.get(9)?,
            title: row.get(10)?,
            text: String::new(),
            amount: amount.and_then(|text| serde_json::from_str(&text).ok()),
            evidence: unpacked(&evidence.unwrap_or_default())
                .into_iter()
                .map(|hash| EvidenceHash(hash.0))
                .collect(),
            outside: row.get(13)?,
            mocked: row.get(14)?,
        },
        disagreements: row.get(15)?,
        review: row.get(16)?,
        received_at: Timestamp::from_millis(row.get(17)?),
        doubts: row.get(18)?,
        day,
    })
}
