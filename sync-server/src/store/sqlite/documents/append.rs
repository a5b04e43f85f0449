//! Appending changes to documents and their streams.

use std::collections::BTreeMap;

use fieldledger_core::{
    document::Summary,
    model::{ChangeHash, CustomerId, DocumentId, DocumentKind, OrganisationId, Timestamp},
    sync::protocol::StreamId,
};
use rusqlite::{Connection, OptionalExtension as _, ToSql, named_params, params, params_from_iter};

use super::super::{
    Lineages, records,
    streams::{Log, Made, NewEntry, kind},
};
use super::words;
use crate::store::{Append, AppendOutcome, CLOCK_TOLERANCE_MILLIS, StoreError, doubt};

/// The verdict of the newest review about `:document`. The index is named: SQLite prefers one with more columns, and would
/// read every review there is.
macro_rules! newest_review {
    () => {
        "SELECT state FROM document INDEXED BY document_of_about
         WHERE about = :document AND organisation = :organisation AND kind = 'review'
         ORDER BY at DESC, document DESC LIMIT 1"
    };
}

/// The columns that follow from a document's changes, in the order in which [`Appending::with_columns`] gives them.
macro_rules! columns {
    () => {
        "last_received_at, heads, disagreements, kind, newer, customer, owner, about, at, day, state, title, amount,
         evidence, outside, mocked, tree, doubts"
    };
}
macro_rules! values {
    () => {
        "?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18"
    };
}

/// As `values!`, for a document that is there: a clock that was off stays noted, and what its owner changes a day after it
/// first came in was edited later.
macro_rules! updated_values {
    () => {
        "?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17,
         ?18 | (doubts & 12) | 8 * (?1 - first_received_at > 86400000 AND ?20 IS ?7)"
    };
}

/// An item with everything in the form it is stored in.
pub(super) struct Prepared {
    item: Append,
    based_on: Vec<u8>,
    heads: Vec<u8>,
    amount: Option<String>,
    evidence: Option<Vec<u8>>,
}

impl Prepared {
    pub(super) fn new(item: Append) -> Self {
        Self {
            based_on: packed(&item.based_on),
            heads: packed(&item.heads),
            amount: amount_text(&item.summary),
            evidence: evidence_bytes(&item.summary),
            item,
        }
    }
}

/// How a summary's amount is stored.
pub(in super::super) fn amount_text(summary: &Summary) -> Option<String> {
    summary.amount.as_ref().and_then(|it| serde_json::to_string(it).ok())
}

/// How the files that a summary names are stored; `None` for none.
pub(in super::super) fn evidence_bytes(summary: &Summary) -> Option<Vec<u8>> {
    let bytes: Vec<u8> = summary.evidence.iter().flat_map(|hash| hash.0).collect();
    Some(bytes).filter(|it| !it.is_empty())
}

/// Hashes as they are stored: ascending, one after the other.
pub(in super::super) fn packed(hashes: &[ChangeHash]) -> Vec<u8> {
    let mut sorted = hashes.to_vec();
    sorted.sort_unstable();
    sorted.iter().flat_map(|hash| hash.0).collect()
}

/// Appends items in one transaction, each for itself.
pub(super) fn append(
    connection: &Connection,
    org: OrganisationId,
    lineages: &Lineages,
    items: &[Prepared],
    now: Timestamp,
) -> Result<Vec<AppendOutcome>, StoreError> {
    let mut appending = Appending {
        log: Log::new(connection, org, lineages),
        customers: BTreeMap::new(),
        now,
    };
    let outcomes = items
        .iter()
        .map(|item| appending.append(item))
        .collect::<Result<_, _>>()?;
    appending.log.close()?;
    Ok(outcomes)
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
        words::waits(self.log.connection, document)?;
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
        const SQL: &str = concat!(
            "INSERT INTO document (",
            columns!(),
            ", organisation, document, stream, first_received_at, review) VALUES (",
            values!(),
            ", :organisation, :document, :stream, ?1, (",
            newest_review!(),
            "))"
        );
        let organisation = self.log.organisation.as_bytes();
        let document = prepared.item.document.as_bytes();
        self.with_columns(SQL, prepared, &[organisation, document, &stream])?;
        Ok(self.log.connection.last_insert_rowid())
    }

    fn update(&self, row: i64, prepared: &Prepared) -> Result<(), StoreError> {
        const SQL: &str = concat!(
            "UPDATE document SET (",
            columns!(),
            ") = (",
            updated_values!(),
            ") WHERE id = ?19"
        );
        self.with_columns(SQL, prepared, &[&row, prepared.item.author.as_bytes()])
    }

    /// Runs `sql` with the columns' values and then `rest`. Bound by place: looking names up costs a tenth of an insert.
    fn with_columns(&self, sql: &str, prepared: &Prepared, rest: &[&dyn ToSql]) -> Result<(), StoreError> {
        let (item, summary) = (&prepared.item, &prepared.item.summary);
        let clock = item.clock_off || item.made_at.millis_since(self.now) >= CLOCK_TOLERANCE_MILLIS;
        let doubts = [
            (summary.outside, doubt::OUTSIDE),
            (summary.mocked, doubt::MOCKED),
            (clock, doubt::CLOCK),
        ]
        .into_iter()
        .filter(|(is, _)| *is)
        .fold(0, |sum, (_, doubt)| sum | doubt);
        let columns: [&dyn ToSql; 18] = [
            &self.now.as_millis(),
            &prepared.heads,
            &item.disagreements,
            &summary.kind.as_str(),
            &summary.newer,
            &summary.customer.map(|it| *it.as_bytes()),
            &summary.owner.map(|it| *it.as_bytes()),
            &summary.about.map(|it| *it.as_bytes()),
            &summary.at.map(Timestamp::as_millis),
            &summary.day.map(|it| it.to_string()),
            &summary.state,
            &summary.title,
            &prepared.amount,
            &prepared.evidence,
            &summary.outside,
            &summary.mocked,
            &item.tree.text(),
            &doubts,
        ];
        self.log
            .connection
            .prepare_cached(sql)?
            .execute(params_from_iter(columns.iter().chain(rest)))?;
        Ok(())
    }
}
