//! Documents: reading them, and everything that is asked of them.

mod append;
mod feed;
mod overview;
mod quarantine;
mod words;

use std::collections::HashSet;

use async_trait::async_trait;
use fieldledger_core::{
    model::{
        ChangeHash, Customer, CustomerId, DeviceId, DocumentId, DocumentKind, LedgerRecord, OrganisationId, RecordKey,
        RecordKind, TerritoryId, Timestamp, UserId,
    },
    sync::protocol::{Cursor, StreamId, StreamMark, StreamPage},
};
use rusqlite::{Connection, OptionalExtension as _, params};

use super::{
    SqliteStore, customers, maintenance, records,
    streams::{self, Found, Log, Wanted, stream_name},
    verify,
};
pub(super) use append::{amount_text, evidence_bytes, packed};
pub(super) use feed::push_list;

use crate::store::{
    Append, AppendOutcome, Counts, CustomerSearch, DocumentStore, FeedFilter, FeedItem, FoundCustomers, Overview,
    OverviewOf, PutOutcome, Quarantined, QuarantinedLine, Receipt, RecordVersion, StoreError, StoredDocument,
    StoredRecord, VisitMade, VisitsSince,
};

/// Documents whose words are indexed in one transaction; others write between two.
const INDEXED_AT_ONCE: u32 = 500;
/// Documents whose words a search indexes before it looks, at most: some seconds' work. More wait only after a large
/// delivery of data, and the timers work that off.
const MOST_INDEXED_FIRST: u32 = 20_000;

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

    async fn of_kinds(
        &self,
        org: OrganisationId,
        ids: &[DocumentId],
        kinds: &[DocumentKind],
    ) -> Result<Vec<DocumentId>, StoreError> {
        let ids = ids.to_vec();
        let kinds: Vec<String> = kinds.iter().map(|it| it.as_str().to_owned()).collect();
        self.read(move |connection| {
            let mut statement =
                connection.prepare_cached("SELECT kind FROM document WHERE document = ?1 AND organisation = ?2")?;
            let mut found = Vec::new();
            for id in ids {
                let kind: Option<String> = statement
                    .query_row(params![id.as_bytes(), org.as_bytes()], |row| row.get(0))
                    .optional()?;
                if kind.is_some_and(|kind| kinds.contains(&kind)) {
                    found.push(id);
                }
            }
            Ok(found)
        })
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

    async fn backed_up_changes(
        &self,
        org: OrganisationId,
        hashes: &[ChangeHash],
    ) -> Result<HashSet<ChangeHash>, StoreError> {
        let hashes = hashes.to_vec();
        self.read(move |connection| backed_up_changes(connection, org, &hashes))
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
        let items: Vec<append::Prepared> = items.into_iter().map(append::Prepared::new).collect();
        self.write(move |connection| append::append(connection, org, &lineages, &items, now))
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
        self.write(move |connection| items.iter().try_for_each(|item| quarantine::put(connection, org, item)))
            .await
    }

    async fn quarantined(
        &self,
        org: OrganisationId,
        territories: Option<&[TerritoryId]>,
        limit: u32,
    ) -> Result<Vec<Quarantined>, StoreError> {
        let territories = territories.map(<[_]>::to_vec);
        self.read(move |connection| quarantine::newest(connection, org, territories.as_deref(), limit))
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

    async fn records_named(
        &self,
        org: OrganisationId,
        kind: &RecordKind,
        keys: &[String],
    ) -> Result<Vec<StoredRecord>, StoreError> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let (kind, keys) = (kind.clone(), keys.to_vec());
        self.read(move |connection| records::named(connection, org, &kind, &keys))
            .await
    }

    async fn records(&self, org: OrganisationId, kind: &RecordKind) -> Result<Vec<StoredRecord>, StoreError> {
        let kind = kind.clone();
        self.read(move |connection| records::all(connection, org, &kind)).await
    }

    async fn find_customers(&self, org: OrganisationId, search: &CustomerSearch) -> Result<FoundCustomers, StoreError> {
        let search = search.clone();
        self.read(move |connection| customers::find(connection, org, &search))
            .await
    }

    async fn customers_of_code(&self, org: OrganisationId, code: &str) -> Result<Vec<Customer>, StoreError> {
        let code = code.to_owned();
        self.read(move |connection| customers::of_code(connection, org, &code))
            .await
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

    async fn quarantined_lines(
        &self,
        org: OrganisationId,
        territories: Option<&[TerritoryId]>,
        limit: u32,
    ) -> Result<Vec<QuarantinedLine>, StoreError> {
        let territories = territories.map(<[_]>::to_vec);
        self.read(move |connection| quarantine::lines(connection, org, territories.as_deref(), false, limit))
            .await
    }

    async fn quarantined_item(
        &self,
        org: OrganisationId,
        territories: Option<&[TerritoryId]>,
        digest: [u8; 32],
    ) -> Result<Option<Quarantined>, StoreError> {
        let territories = territories.map(<[_]>::to_vec);
        self.read(move |connection| quarantine::one(connection, org, territories.as_deref(), digest))
            .await
    }

    async fn see_quarantined(
        &self,
        org: OrganisationId,
        territories: Option<&[TerritoryId]>,
        digests: &[[u8; 32]],
        by: UserId,
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        let (territories, digests) = (territories.map(<[_]>::to_vec), digests.to_vec());
        self.write(move |connection| quarantine::see(connection, org, territories.as_deref(), &digests, by, now))
            .await
    }

    async fn overview(&self, org: OrganisationId, of: &OverviewOf) -> Result<Overview, StoreError> {
        let of = of.clone();
        self.read(move |connection| overview::overview(connection, org, &of))
            .await
    }

    async fn index_words(&self, most: u32) -> Result<u32, StoreError> {
        // Looked at first, so that nothing is written when nothing waits.
        if self.read(words::waiting).await? == 0 {
            return Ok(0);
        }
        self.write(move |connection| words::index(connection, most)).await
    }

    async fn unindexed(&self) -> Result<u64, StoreError> {
        self.read(words::waiting).await
    }

    async fn feed(&self, org: OrganisationId, filter: &FeedFilter) -> Result<Vec<FeedItem>, StoreError> {
        if filter.text.is_some() {
            for _ in 0..MOST_INDEXED_FIRST / INDEXED_AT_ONCE {
                if self.index_words(INDEXED_AT_ONCE).await? < INDEXED_AT_ONCE {
                    break;
                }
            }
        }
        let filter = filter.clone();
        self.read(move |connection| feed::feed(connection, org, &filter)).await
    }

    async fn visits_between(
        &self,
        org: OrganisationId,
        owner: Option<UserId>,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<VisitMade>, StoreError> {
        self.read(move |connection| feed::visits_between(connection, org, owner, from, to))
            .await
    }

    async fn visits_since(&self, org: OrganisationId, marks: Vec<StreamMark>) -> Result<VisitsSince, StoreError> {
        self.read(move |connection| feed::visits_since(connection, org, &marks))
            .await
    }

    async fn promising_notes(&self, org: OrganisationId) -> Result<Vec<(DocumentId, serde_json::Value)>, StoreError> {
        self.read(move |connection| feed::promising_notes(connection, org))
            .await
    }

    async fn reviews_of(&self, org: OrganisationId, about: DocumentId) -> Result<Vec<StoredDocument>, StoreError> {
        self.read(move |connection| {
            let ids: Vec<[u8; 16]> = connection
                .prepare_cached(
                    "SELECT document FROM document INDEXED BY document_of_about
                     WHERE about = ?1 AND organisation = ?2 AND kind = 'review'
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

    async fn heads(&self, org: OrganisationId) -> Result<Vec<StreamMark>, StoreError> {
        self.read(move |connection| streams::heads(connection, org)).await
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

/// An entry keeps its place and its digest for ever, so the first place of a change tells whether a backup has it, however
/// often its document moved since.
fn backed_up_changes(
    connection: &Connection,
    org: OrganisationId,
    hashes: &[ChangeHash],
) -> Result<HashSet<ChangeHash>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT 1 FROM entry JOIN stream ON stream.id = entry.place >> 40
         WHERE entry.digest = ?1 AND entry.kind = 0 AND stream.organisation = ?2
           AND (entry.place & 1099511627775) <= stream.backed_up",
    )?;
    let mut covered = HashSet::new();
    for hash in hashes {
        if statement.exists(params![hash.0, org.as_bytes()])? {
            covered.insert(*hash);
        }
    }
    Ok(covered)
}

fn unpacked(bytes: &[u8]) -> Vec<ChangeHash> {
    bytes.as_chunks::<32>().0.iter().map(|hash| ChangeHash(*hash)).collect()
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
