//! Appending changes, projecting documents, and reading both.

use std::collections::{BTreeMap, HashSet};

use async_trait::async_trait;
use fieldledger_core::{
    document::Summary,
    model::{
        ChangeHash, CustomerId, DeviceId, DocumentId, DocumentKind, EvidenceHash, LedgerRecord, OrganisationId,
        RecordKey, RecordKind, TerritoryId, Timestamp, UserId,
    },
    sync::protocol::{Cursor, RejectionCode, StreamId, StreamMark, StreamPage},
};
use rusqlite::{Connection, OptionalExtension as _, Row, ToSql, named_params, params, params_from_iter};

use super::{
    SqliteStore, maintenance, records,
    streams::{self, Found, Log, Made, NewEntry, Wanted, kind, stream_name},
    verify,
};
use crate::store::{
    Append, AppendOutcome, Counts, DocumentStore, FeedFilter, FeedItem, PutOutcome, Quarantined, Receipt,
    RecordVersion, StoreError, StoredDocument, StoredRecord,
};

/// The verdict of the newest review about `:document`.
macro_rules! newest_review {
    () => {
        "SELECT state FROM document WHERE about = :document AND organisation = :organisation AND kind = 'review'
         ORDER BY at DESC, document DESC LIMIT 1"
    };
}

/// Most lines that one call of the feed gives.
const MAX_FEED: u32 = 1_000;

#[async_trait]
impl DocumentStore for SqliteStore {
    async fn document(&self, org: OrganisationId, id: DocumentId) -> Result<Option<StoredDocument>, StoreError> {
        self.read(move |connection| read_document(connection, org, id)).await
    }

    async fn documents(
        &self,
        org: OrganisationId,
        ids: &[DocumentId],
    ) -> Result<Vec<Option<StoredDocument>>, StoreError> {
        let ids = ids.to_vec();
        self.read(move |connection| ids.iter().map(|id| read_document(connection, org, *id)).collect())
            .await
    }

    async fn known_changes(
        &self,
        org: OrganisationId,
        hashes: &[ChangeHash],
    ) -> Result<HashSet<ChangeHash>, StoreError> {
        let hashes = hashes.to_vec();
        self.read(move |connection| known_changes(connection, org, &hashes))
            .await
    }

    async fn append(
        &self,
        org: OrganisationId,
        items: Vec<Append>,
        now: Timestamp,
    ) -> Result<Vec<AppendOutcome>, StoreError> {
        let lineages = self.lineages.clone();
        // Prepared here, so that the one writer does not do it while others wait.
        let items: Vec<Prepared> = items.into_iter().map(Prepared::new).collect();
        self.write(move |connection| {
            let mut appending = Appending {
                log: Log::new(connection, org, &lineages),
                customers: BTreeMap::new(),
                now,
            };
            let outcomes = items
                .iter()
                .map(|item| appending.append(item))
                .collect::<Result<_, _>>()?;
            appending.log.close()?;
            Ok(outcomes)
        })
        .await
    }

    async fn page(
        &self,
        org: OrganisationId,
        stream: StreamId,
        from: Option<Cursor>,
        budget_bytes: usize,
        without: &HashSet<ChangeHash>,
    ) -> Result<Option<StreamPage>, StoreError> {
        let wanted = Wanted {
            organisation: org,
            stream,
            from,
            budget: budget_bytes,
            without: without.clone(),
        };
        let found = self
            .read(move |connection| Ok((streams::page(connection, &wanted)?, wanted)))
            .await?;
        let wanted = match found {
            (Found::Nothing, _) => return Ok(None),
            (Found::Page(page), _) => return Ok(Some(page)),
            (Found::NoHistory, wanted) => wanted,
        };
        // The device has read a stream that this server has never had: begin it, so that there is a history which the
        // device can be told to restart with.
        let lineages = self.lineages.clone();
        self.write(move |connection| {
            Log::new(connection, org, &lineages).stream(stream)?;
            match streams::page(connection, &wanted)? {
                Found::Page(page) => Ok(Some(page)),
                Found::Nothing | Found::NoHistory => Ok(None),
            }
        })
        .await
    }

    async fn head(&self, org: OrganisationId, stream: StreamId) -> Result<Option<Cursor>, StoreError> {
        self.read(move |connection| Ok(streams::find(connection, org, stream)?.map(|it| it.end)))
            .await
    }

    async fn backed_up(&self, org: OrganisationId, streams: &[StreamId]) -> Result<Vec<StreamMark>, StoreError> {
        let streams = streams.to_vec();
        self.read(move |connection| streams::backed_up(connection, org, &streams))
            .await
    }

    async fn quarantine(&self, org: OrganisationId, items: Vec<Quarantined>) -> Result<(), StoreError> {
        self.write(move |connection| items.iter().try_for_each(|item| quarantine(connection, org, item)))
            .await
    }

    async fn quarantined(
        &self,
        org: OrganisationId,
        territories: Option<&[TerritoryId]>,
        limit: u32,
    ) -> Result<Vec<Quarantined>, StoreError> {
        let territories = territories.map(<[_]>::to_vec);
        self.read(move |connection| quarantined(connection, org, territories.as_deref(), limit))
            .await
    }

    async fn put_records(
        &self,
        org: OrganisationId,
        records: Vec<LedgerRecord>,
        all_or_nothing: bool,
        now: Timestamp,
    ) -> Result<Vec<PutOutcome>, StoreError> {
        let lineages = self.lineages.clone();
        self.write(move |connection| records::put(Log::new(connection, org, &lineages), &records, all_or_nothing, now))
            .await
            .map(|(outcomes, _)| outcomes)
    }

    async fn record_versions(&self, org: OrganisationId, key: &RecordKey) -> Result<Vec<RecordVersion>, StoreError> {
        let key = key.clone();
        self.read(move |connection| records::versions(connection, org, &key))
            .await
    }

    async fn record(&self, org: OrganisationId, key: &RecordKey) -> Result<Option<StoredRecord>, StoreError> {
        let key = key.clone();
        self.read(move |connection| records::one(connection, org, &key)).await
    }

    async fn records(&self, org: OrganisationId, kind: &RecordKind) -> Result<Vec<StoredRecord>, StoreError> {
        let kind = kind.clone();
        self.read(move |connection| records::all(connection, org, &kind)).await
    }

    async fn records_about(
        &self,
        org: OrganisationId,
        customer: CustomerId,
        kind: &RecordKind,
    ) -> Result<Vec<StoredRecord>, StoreError> {
        let kind = kind.clone();
        self.read(move |connection| records::about(connection, org, customer, &kind))
            .await
    }

    async fn feed(&self, org: OrganisationId, filter: &FeedFilter) -> Result<Vec<FeedItem>, StoreError> {
        let filter = filter.clone();
        self.read(move |connection| feed(connection, org, &filter)).await
    }

    async fn reviews_of(&self, org: OrganisationId, about: DocumentId) -> Result<Vec<StoredDocument>, StoreError> {
        self.read(move |connection| {
            let ids: Vec<[u8; 16]> = connection
                .prepare_cached(
                    "SELECT document FROM document WHERE about = ?1 AND organisation = ?2 AND kind = 'review'
                     ORDER BY at, document",
                )?
                .query_map(params![about.as_bytes(), org.as_bytes()], |row| row.get(0))?
                .collect::<Result<_, _>>()?;
            ids.into_iter()
                .filter_map(|id| read_document(connection, org, DocumentId::from_bytes(id)).transpose())
                .collect()
        })
        .await
    }

    async fn receipts(&self, org: OrganisationId, id: DocumentId) -> Result<Vec<Receipt>, StoreError> {
        self.read(move |connection| receipts(connection, org, id)).await
    }

    async fn counts(&self, org: OrganisationId) -> Result<Counts, StoreError> {
        self.read(move |connection| counts(connection, org)).await
    }

    async fn verify(&self) -> Result<Vec<String>, StoreError> {
        match self.read(|connection| Ok(verify::verify(connection))).await {
            // Too damaged even to begin.
            Err(StoreError::Damaged(what)) => Ok(vec![what]),
            other => other,
        }
    }

    async fn compact(&self, org: OrganisationId, stream: StreamId, floor: u64) -> Result<u64, StoreError> {
        self.write(move |connection| maintenance::compact(connection, org, stream, floor))
            .await
    }
}

/// An item with everything in the form it is stored in.
struct Prepared {
    item: Append,
    tree: String,
    based_on: Vec<u8>,
    heads: Vec<u8>,
    amount: Option<String>,
    evidence: Option<Vec<u8>>,
}

impl Prepared {
    fn new(item: Append) -> Self {
        Self {
            tree: item.tree.to_string(),
            based_on: packed(&item.based_on),
            heads: packed(&item.heads),
            amount: amount_text(&item.summary),
            evidence: evidence_bytes(&item.summary),
            item,
        }
    }
}

/// How a summary's amount is stored.
pub(super) fn amount_text(summary: &Summary) -> Option<String> {
    summary.amount.as_ref().and_then(|it| serde_json::to_string(it).ok())
}

/// How the files that a summary names are stored; `None` for none.
pub(super) fn evidence_bytes(summary: &Summary) -> Option<Vec<u8>> {
    let bytes: Vec<u8> = summary.evidence.iter().flat_map(|hash| hash.0).collect();
    Some(bytes).filter(|it| !it.is_empty())
}

/// Hashes as they are stored: ascending, one after the other.
pub(super) fn packed(hashes: &[ChangeHash]) -> Vec<u8> {
    let mut sorted = hashes.to_vec();
    sorted.sort_unstable();
    sorted.iter().flat_map(|hash| hash.0).collect()
}

fn unpacked(bytes: &[u8]) -> Vec<ChangeHash> {
    bytes.as_chunks::<32>().0.iter().map(|hash| ChangeHash(*hash)).collect()
}

struct Appending<'c> {
    log: Log<'c>,
    customers: BTreeMap<CustomerId, Option<StreamId>>,
    now: Timestamp,
}

/// What of a stored document decides about an item.
struct Existing {
    row: i64,
    stream: i64,
    heads: Vec<u8>,
    about: Option<[u8; 16]>,
}

impl Appending<'_> {
    fn append(&mut self, prepared: &Prepared) -> Result<AppendOutcome, StoreError> {
        let item = &prepared.item;
        let existing = self.existing(item.document)?;
        if let Some(existing) = &existing
            && let Some(hash) = self.same_actor_and_seq(existing.row, item)?
        {
            return Ok(if hash == item.hash.0 {
                AppendOutcome::Duplicate
            } else {
                AppendOutcome::ActorCollision
            });
        }
        let heads = existing.as_ref().map_or(&[][..], |it| &it.heads);
        if heads != prepared.based_on {
            return Ok(AppendOutcome::Stale);
        }
        let (stream, document) = match &existing {
            Some(existing) => {
                self.log.name(existing.stream)?;
                self.update(existing.row, prepared)?;
                (existing.stream, existing.row)
            }
            None => {
                // The customer has moved since the item was routed.
                if self.territory_stream(item)?.is_some_and(|stream| stream != item.stream) {
                    return Ok(AppendOutcome::Stale);
                }
                let stream = self.log.stream(item.stream)?;
                (stream, self.insert(stream, prepared)?)
            }
        };
        let creates = item.seq == 1 && item.actor == item.document.as_bytes();
        let seq = self.log.add(
            stream,
            &NewEntry {
                kind: kind::CHANGE,
                digest: item.hash.0,
                received_at: self.now,
                document: Some(document),
                subject: (!creates).then_some(item.document.as_bytes().as_slice()),
                made: Some(Made {
                    actor: &item.actor,
                    seq: item.seq,
                    author: item.author,
                    device: item.device,
                    relayed: item.relayed,
                    at: item.made_at,
                }),
                bytes: Some(&item.bytes),
                record: None,
            },
        )?;
        if item.summary.kind == DocumentKind::Review {
            let before = existing.and_then(|it| it.about);
            let after = item.summary.about.map(|it| *it.as_bytes());
            for about in [before.filter(|_| before != after), after].into_iter().flatten() {
                self.log
                    .connection
                    .prepare_cached(concat!(
                        "UPDATE document SET review = (",
                        newest_review!(),
                        ") WHERE document = :document AND organisation = :organisation"
                    ))?
                    .execute(named_params! {
                        ":document": about,
                        ":organisation": self.log.organisation.as_bytes()
                    })?;
            }
        }
        Ok(AppendOutcome::Appended {
            stream: self.log.name(stream)?,
            seq,
        })
    }

    fn existing(&self, document: DocumentId) -> Result<Option<Existing>, StoreError> {
        Ok(self
            .log
            .connection
            .prepare_cached("SELECT id, stream, heads, about FROM document WHERE document = ?1 AND organisation = ?2")?
            .query_row(params![document.as_bytes(), self.log.organisation.as_bytes()], |row| {
                Ok(Existing {
                    row: row.get(0)?,
                    stream: row.get(1)?,
                    heads: row.get(2)?,
                    about: row.get(3)?,
                })
            })
            .optional()?)
    }

    fn same_actor_and_seq(&self, document: i64, item: &Append) -> Result<Option<[u8; 32]>, StoreError> {
        Ok(self
            .log
            .connection
            .prepare_cached("SELECT digest FROM entry WHERE document = ?1 AND actor = ?2 AND actor_seq = ?3")?
            .query_row(params![document, item.actor, item.seq.cast_signed()], |row| row.get(0))
            .optional()?)
    }

    /// The stream of the territory that the item's customer belongs to now.
    fn territory_stream(&mut self, item: &Append) -> Result<Option<StreamId>, StoreError> {
        let (Some(customer), StreamId::Territory(_)) = (item.summary.customer, item.stream) else {
            return Ok(None);
        };
        if let Some(known) = self.customers.get(&customer) {
            return Ok(*known);
        }
        let row = records::stream_of_customer(self.log.connection, self.log.organisation, customer)?;
        let stream = row.map(|row| self.log.name(row)).transpose()?;
        self.customers.insert(customer, stream);
        Ok(stream)
    }

    fn insert(&self, stream: i64, prepared: &Prepared) -> Result<i64, StoreError> {
        let connection = self.log.connection;
        let (item, summary) = (&prepared.item, &prepared.item.summary);
        connection
            .prepare_cached(concat!(
                "INSERT INTO document (organisation, document, stream, heads, disagreements, first_received_at,
                    last_received_at, kind, newer, customer, owner, about, at, day, state, title, amount, evidence,
                    outside, mocked, tree, review)
                 VALUES (:organisation, :document, :stream, :heads, :disagreements, :now, :now, :kind, :newer, :customer,
                    :owner, :about, :at, :day, :state, :title, :amount, :evidence, :outside, :mocked, :tree, (",
                newest_review!(),
                "))"
            ))?
            .execute(named_params! {
                ":organisation": self.log.organisation.as_bytes(),
                ":document": item.document.as_bytes(),
                ":stream": stream,
                ":heads": prepared.heads,
                ":disagreements": item.disagreements,
                ":now": self.now.as_millis(),
                ":kind": summary.kind.as_str(),
                ":newer": summary.newer,
                ":customer": summary.customer.map(|it| *it.as_bytes()),
                ":owner": summary.owner.map(|it| *it.as_bytes()),
                ":about": summary.about.map(|it| *it.as_bytes()),
                ":at": summary.at.map(Timestamp::as_millis),
                ":day": summary.day.map(|it| it.to_string()),
                ":state": summary.state,
                ":title": summary.title,
                ":amount": prepared.amount,
                ":evidence": prepared.evidence,
                ":outside": summary.outside,
                ":mocked": summary.mocked,
                ":tree": prepared.tree,
            })?;
        Ok(connection.last_insert_rowid())
    }

    fn update(&self, row: i64, prepared: &Prepared) -> Result<(), StoreError> {
        let (item, summary) = (&prepared.item, &prepared.item.summary);
        self.log
            .connection
            .prepare_cached(
                "UPDATE document SET heads = :heads, disagreements = :disagreements, last_received_at = :now,
                    kind = :kind, newer = :newer, customer = :customer, owner = :owner, about = :about, at = :at,
                    day = :day, state = :state, title = :title, amount = :amount, evidence = :evidence,
                    outside = :outside, mocked = :mocked, tree = :tree
                 WHERE id = :row",
            )?
            .execute(named_params! {
                ":row": row,
                ":heads": prepared.heads,
                ":disagreements": item.disagreements,
                ":now": self.now.as_millis(),
                ":kind": summary.kind.as_str(),
                ":newer": summary.newer,
                ":customer": summary.customer.map(|it| *it.as_bytes()),
                ":owner": summary.owner.map(|it| *it.as_bytes()),
                ":about": summary.about.map(|it| *it.as_bytes()),
                ":at": summary.at.map(Timestamp::as_millis),
                ":day": summary.day.map(|it| it.to_string()),
                ":state": summary.state,
                ":title": summary.title,
                ":amount": prepared.amount,
                ":evidence": prepared.evidence,
                ":outside": summary.outside,
                ":mocked": summary.mocked,
                ":tree": prepared.tree,
            })?;
        Ok(())
    }
}

/// The chunks of the document in this row, each after those it builds on.
pub(super) fn chunks(connection: &Connection, row: i64) -> Result<Vec<Vec<u8>>, StoreError> {
    let chunks: Vec<Option<Vec<u8>>> = connection
        .prepare_cached("SELECT bytes FROM entry WHERE document = ?1 AND holds > 0 AND kind IN (0, 1) ORDER BY place")?
        .query_map([row], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    chunks
        .into_iter()
        .map(|bytes| bytes.ok_or_else(|| StoreError::Damaged("a change has lost its bytes".to_owned())))
        .collect()
}

fn read_document(
    connection: &Connection,
    org: OrganisationId,
    id: DocumentId,
) -> Result<Option<StoredDocument>, StoreError> {
    let found = connection
        .prepare_cached(
            "SELECT id, stream, heads, disagreements, first_received_at, last_received_at, tree FROM document
             WHERE document = ?1 AND organisation = ?2",
        )?
        .query_row(params![id.as_bytes(), org.as_bytes()], |row| {
            Ok((
                row.get::<_, i64>(0)?,
                row.get::<_, i64>(1)?,
                row.get::<_, Vec<u8>>(2)?,
                row.get::<_, u32>(3)?,
                row.get::<_, i64>(4)?,
                row.get::<_, i64>(5)?,
                row.get::<_, String>(6)?,
            ))
        })
        .optional()?;
    let Some((row, stream, heads, disagreements, first, last, tree)) = found else {
        return Ok(None);
    };
    Ok(Some(StoredDocument {
        id,
        stream: stream_name(connection, stream)?,
        heads: unpacked(&heads),
        chunks: chunks(connection, row)?,
        tree: serde_json::from_str(&tree)
            .map_err(|error| StoreError::Damaged(format!("the tree of document {id}: {error}")))?,
        disagreements,
        first_received_at: Timestamp::from_millis(first),
        last_received_at: Timestamp::from_millis(last),
    }))
}

fn receipts(connection: &Connection, org: OrganisationId, id: DocumentId) -> Result<Vec<Receipt>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT entry.digest, entry.received_at, entry.device, entry.relayed
         FROM entry JOIN document ON document.id = entry.document
         WHERE document.document = ?1 AND document.organisation = ?2 AND entry.kind = 0 ORDER BY entry.place",
    )?;
    let rows = statement.query_map(params![id.as_bytes(), org.as_bytes()], |row| {
        Ok(Receipt {
            hash: ChangeHash(row.get(0)?),
            received_at: Timestamp::from_millis(row.get(1)?),
            device: row.get::<_, Option<[u8; 16]>>(2)?.map(DeviceId::from_bytes),
            relayed: row.get::<_, Option<bool>>(3)?.unwrap_or_default(),
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn known_changes(
    connection: &Connection,
    org: OrganisationId,
    hashes: &[ChangeHash],
) -> Result<HashSet<ChangeHash>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT 1 FROM entry JOIN document ON document.id = entry.document
         WHERE entry.digest = ?1 AND entry.kind = 0 AND document.organisation = ?2",
    )?;
    let mut known = HashSet::new();
    for hash in hashes {
        if statement.exists(params![hash.0, org.as_bytes()])? {
            known.insert(*hash);
        }
    }
    Ok(known)
}

fn quarantine(connection: &Connection, org: OrganisationId, item: &Quarantined) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "INSERT INTO quarantine (organisation, digest, document, territory, user, device, code, message,
                                     received_at, bytes)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) ON CONFLICT (organisation, digest) DO NOTHING",
        )?
        .execute(params![
            org.as_bytes(),
            item.digest,
            item.document.map(|it| *it.as_bytes()),
            item.territory.map(|it| *it.as_bytes()),
            item.user.as_bytes(),
            item.device.as_bytes(),
            code_number(item.code),
            item.message,
            item.received_at.as_millis(),
            item.bytes,
        ])?;
    Ok(())
}

/// The number under which a code is stored: the one it has on the wire.
const fn code_number(code: RejectionCode) -> i64 {
    match code {
        RejectionCode::Undecodable => 0,
        RejectionCode::WrongAuthor => 1,
        RejectionCode::WrongTerritory => 2,
        RejectionCode::NotAllowed => 3,
        RejectionCode::Invalid => 4,
        RejectionCode::ActorCollision => 5,
        RejectionCode::UnknownCustomer => 6,
        RejectionCode::Other => 255,
    }
}

const fn code_of(number: i64) -> RejectionCode {
    match number {
        0 => RejectionCode::Undecodable,
        1 => RejectionCode::WrongAuthor,
        2 => RejectionCode::WrongTerritory,
        3 => RejectionCode::NotAllowed,
        4 => RejectionCode::Invalid,
        5 => RejectionCode::ActorCollision,
        6 => RejectionCode::UnknownCustomer,
        _ => RejectionCode::Other,
    }
}

fn quarantined(
    connection: &Connection,
    org: OrganisationId,
    territories: Option<&[TerritoryId]>,
    limit: u32,
) -> Result<Vec<Quarantined>, StoreError> {
    let mut values: Vec<Box<dyn ToSql>> = vec![Box::new(*org.as_bytes()), Box::new(limit)];
    let mut sql = String::from(
        "SELECT digest, document, territory, user, device, code, message, received_at, bytes FROM quarantine
         WHERE organisation = ?1",
    );
    if let Some(territories) = territories {
        sql.push_str(" AND territory IN (");
        push_list(&mut sql, &mut values, territories.iter().map(|it| *it.as_bytes()));
        sql.push(')');
    }
    sql.push_str(" ORDER BY received_at DESC, id DESC LIMIT ?2");
    let items = connection
        .prepare_cached(&sql)?
        .query_map(params_from_iter(values), |row| {
            Ok(Quarantined {
                digest: row.get(0)?,
                document: row.get::<_, Option<_>>(1)?.map(DocumentId::from_bytes),
                territory: row.get::<_, Option<_>>(2)?.map(TerritoryId::from_bytes),
                user: UserId::from_bytes(row.get(3)?),
                device: DeviceId::from_bytes(row.get(4)?),
                code: code_of(row.get(5)?),
                message: row.get(6)?,
                received_at: Timestamp::from_millis(row.get(7)?),
                bytes: row.get(8)?,
            })
        })?
        .collect::<Result<_, _>>()?;
    Ok(items)
}

/// Writes `?3, ?4, …` and keeps the values for them.
fn push_list<T: ToSql + 'static>(sql: &mut String, values: &mut Vec<Box<dyn ToSql>>, list: impl Iterator<Item = T>) {
    let mut separator = "";
    for value in list {
        values.push(Box::new(value));
        sql.push_str(separator);
        sql.push('?');
        sql.push_str(&values.len().to_string());
        separator = ", ";
    }
}

fn feed(connection: &Connection, org: OrganisationId, filter: &FeedFilter) -> Result<Vec<FeedItem>, StoreError> {
    let mut values: Vec<Box<dyn ToSql>> = vec![Box::new(*org.as_bytes())];
    let mut sql = String::from(
        "SELECT document, stream, kind, newer, customer, owner, about, at, day, state, title, amount, evidence,
                outside, mocked, disagreements, review, last_received_at
         FROM document WHERE organisation = ?1",
    );
    let mut narrow = |condition: &str, value: Box<dyn ToSql>| {
        values.push(value);
        sql.push_str(" AND ");
        sql.push_str(&condition.replace("??", &format!("?{}", values.len())));
    };
    if let Some(kind) = &filter.kind {
        narrow("kind = ??", Box::new(kind.as_str().to_owned()));
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
    if let Some((at, id)) = filter.before {
        narrow("last_received_at <= ??", Box::new(at.as_millis()));
        narrow("(last_received_at < ??", Box::new(at.as_millis()));
        values.push(Box::new(*id.as_bytes()));
        sql.push_str(&format!(" OR document < ?{})", values.len()));
    }
    if filter.unreviewed {
        // A review is not itself a thing to review.
        sql.push_str(" AND review IS NULL AND kind <> 'review'");
    }
    if filter.disagreeing {
        sql.push_str(" AND disagreements > 0");
    }
    if let Some(territories) = &filter.territories {
        sql.push_str(" AND stream IN (SELECT id FROM stream WHERE organisation = ?1 AND name IN (");
        let names = territories.iter().map(|it| StreamId::Territory(*it).to_bytes());
        push_list(&mut sql, &mut values, names);
        sql.push_str("))");
    }
    values.push(Box::new(filter.limit.min(MAX_FEED)));
    sql.push_str(&format!(
        " ORDER BY last_received_at DESC, document DESC LIMIT ?{}",
        values.len()
    ));
    let mut statement = connection.prepare_cached(&sql)?;
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
        day,
    })
}

fn counts(connection: &Connection, org: OrganisationId) -> Result<Counts, StoreError> {
    let count = |sql: &str| -> Result<u64, StoreError> {
        let count: i64 = connection
            .prepare_cached(sql)?
            .query_row([org.as_bytes()], |row| row.get(0))?;
        Ok(count.unsigned_abs())
    };
    Ok(Counts {
        streams: count("SELECT count(*) FROM stream WHERE organisation = ?1")?,
        // Seqs have no gaps.
        entries: count("SELECT coalesce(sum(head), 0) FROM stream WHERE organisation = ?1")?,
        documents: count("SELECT count(*) FROM document WHERE organisation = ?1")?,
        records: count("SELECT count(*) FROM record WHERE organisation = ?1")?,
        quarantined: count("SELECT count(*) FROM quarantine WHERE organisation = ?1")?,
    })
}
