//! The database's side of an exchange: what to push and from where to pull, and storing a reply.
//!
//! A reply is stored in one transaction: verdicts, entries and cursors together or not at all. Storing it twice changes
//! nothing, and a reply to a request that was overtaken is refused, because its pages no longer follow the cursors.

mod apply;
mod reauthor;

use rusqlite::Connection;

pub use apply::apply;

use super::{documents::row_of_change, kept, outbox, streams};
use crate::{
    error::FieldError,
    model::{ChangeHash, DocumentId, Timestamp},
    store::Changes,
    sync::protocol::{MAX_STREAMS, OfferedChange, Push, PushedChange, StreamCursor, StreamId},
};

/// The most that one request pushes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Changes and offers.
    pub entries: usize,
    /// Bytes of changes, before compression. One change is pushed however large it is.
    pub bytes: usize,
}

/// What one request carries, apart from what the engine adds.
#[derive(Clone, Debug, PartialEq)]
pub struct Outgoing {
    /// What to push.
    pub push: Vec<Push>,
    /// What will be needed to understand the reply; holds the cursors too.
    pub sent: Sent,
    /// How many more wait.
    pub waiting: u32,
    /// What to tell of allowances.
    pub words: Vec<String>,
    /// The phone's clock.
    pub device_time: Timestamp,
    /// Milliseconds since the server was last heard.
    pub since_contact_millis: Option<u64>,
}

/// What was sent, as far as it is needed to understand the reply.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// The pushed items, in order.
    pub items: Vec<SentItem>,
    /// Where the phone was in its streams.
    pub cursors: Vec<StreamCursor>,
    /// How many changes waited, those sent included.
    pub waiting: usize,
}

/// One pushed item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SentItem {
    /// A change with its bytes.
    Change {
        /// The key of its row.
        key: i64,
        /// Its name.
        hash: ChangeHash,
        /// Made by somebody else.
        relayed: bool,
    },
    /// A change by its name.
    Offer {
        /// The row of its document.
        row: i64,
        /// The document.
        document: DocumentId,
        /// Its name.
        hash: ChangeHash,
        /// The document left, and is kept until a backup of the server covers it.
        kept: bool,
    },
}

/// What became of a reply.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// Pushed changes that the server stored.
    pub accepted: usize,
    /// Pushed or offered changes that the server had.
    pub duplicate: usize,
    /// Pushed changes that the server refused.
    pub rejected: usize,
    /// Offered changes that the server lost and now gets.
    pub wanted: usize,
    /// Pushed changes that the server did not look at.
    pub later: usize,
    /// Edits that were made again under a new actor.
    pub reauthored: usize,
    /// Entries that came.
    pub pulled: usize,
    /// Entries that this build cannot use; kept aside.
    pub unreadable: usize,
    /// Streams that the user may no longer read.
    pub withdrawn: Vec<StreamId>,
    /// Streams whose history began anew on the server.
    pub restarted: Vec<StreamId>,
    /// Where the phone is now in the streams that moved.
    pub places: Vec<(StreamId, u64)>,
    /// The server has more.
    pub more: bool,
    /// Changes and offers left to push.
    pub waiting: usize,
    /// Anything moved: without it, asking again at once would only repeat itself.
    pub progress: bool,
    /// More was recorded while the reply was awaited.
    pub recorded_meanwhile: bool,
    /// The reply contradicts what was asked, in words; nothing of it was stored.
    pub refused: Option<String>,
    /// A new device token.
    pub new_token: Option<String>,
    /// What screens must read again.
    pub changes: Changes,
}

/// Cursors and the next things to push: waiting changes in the order in which they were made, then offers.
pub(crate) fn outgoing(connection: &Connection, limits: Limits) -> Result<(Vec<Push>, Sent, u32), FieldError> {
    let cursors = streams::all(connection)?
        .into_iter()
        .take(MAX_STREAMS)
        .map(|row| StreamCursor {
            stream: row.stream,
            cursor: row.cursor,
        })
        .collect();
    // A share of the request is kept for offers: changes that wait for what is only offered yet must not crowd it out.
    let reserved = offers(connection, (limits.entries / 4).max(1))?.len();
    let room = limits.entries.saturating_sub(reserved).max(1);
    let waiting = outbox::waiting(connection, 0, room, limits.bytes)?;
    let mut push = Vec::with_capacity(waiting.len());
    let mut items = Vec::with_capacity(waiting.len());
    for change in waiting {
        items.push(SentItem::Change {
            key: change.change,
            hash: change.hash,
            relayed: change.relayed,
        });
        push.push(Push::Change(PushedChange {
            document: Some(change.document).filter(|id| !creates(&change.bytes, *id)),
            bytes: change.bytes,
            relayed: change.relayed,
        }));
    }
    let changes = push.len();
    let room = limits.entries.saturating_sub(changes).max(reserved);
    for (row, document, hash, kept) in offers(connection, room)? {
        items.push(SentItem::Offer {
            row,
            document,
            hash,
            kept,
        });
        push.push(Push::Offer(OfferedChange {
            document,
            hash,
            until_backed_up: kept,
        }));
    }
    let waiting = outbox::count_waiting(connection)?;
    let left = u32::try_from(waiting.saturating_sub(changes)).unwrap_or(u32::MAX);
    let sent = Sent {
        items,
        cursors,
        waiting,
    };
    Ok((push, sent, left))
}

/// Whether the change creates the document, in which case its name need not be sent. Read from the change's header:
/// no dependencies, and the document's id as actor.
fn creates(bytes: &[u8], id: DocumentId) -> bool {
    // Magic (4), checksum (4), type (1), length (variable), number of dependencies, length of the actor, actor.
    let Some(rest) = bytes.get(9..) else { return false };
    let Some(length_ends) = rest.iter().position(|byte| byte & 0x80 == 0) else {
        return false;
    };
    let body = &rest[length_ends + 1..];
    body.first() == Some(&0) && body.get(1) == Some(&16) && body.get(2..18) == Some(&id.as_bytes()[..])
}

/// Offers of streams that are not being read again: what comes back by itself need not be offered. What has left is
/// asked about in its own time ([`kept`]).
const OFFERABLE: &str = "FROM reoffer r JOIN document d ON d.row = r.document
     LEFT JOIN stream s ON s.ref = d.stream WHERE coalesce(s.restart, 0) = 0 AND d.flags & 32 = 0";
const _: () = assert!(super::documents::LEAVING == 32);

/// The document's row, its id, the change, and whether the document is kept until a backup covers it.
type Offer = (i64, DocumentId, ChangeHash, bool);

fn offers(connection: &Connection, limit: usize) -> Result<Vec<Offer>, FieldError> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT r.document, d.id, r.hash {OFFERABLE} ORDER BY r.document, r.hash LIMIT ?1"
    ))?;
    let rows = statement.query_map([super::documents::to_sql_limit(limit)], |row| {
        Ok((
            row.get(0)?,
            DocumentId::from_bytes(row.get(1)?),
            ChangeHash(row.get(2)?),
            false,
        ))
    })?;
    let mut offers: Vec<Offer> = rows.collect::<Result<_, _>>()?;
    let leaving = kept::offers(connection, limit.saturating_sub(offers.len()))?;
    offers.extend(
        leaving
            .into_iter()
            .map(|(row, document, hash)| (row, document, hash, true)),
    );
    Ok(offers)
}

/// How many changes and offers are left to push.
fn left_to_push(connection: &Connection) -> Result<usize, FieldError> {
    let offers: usize = connection
        .prepare_cached(&format!("SELECT count(*) {OFFERABLE}"))?
        .query_row([], |row| row.get(0))?;
    Ok(outbox::count_waiting(connection)? + offers + kept::left_to_offer(connection)?)
}

/// Whether something of the document of this change was refused.
fn follows_rejected(connection: &Connection, key: i64) -> Result<Option<(u32, String)>, FieldError> {
    use rusqlite::OptionalExtension as _;
    let (first, _) = row_of_change::range(row_of_change::document(key));
    Ok(connection
        .prepare_cached(
            "SELECT code, message FROM outbox WHERE change BETWEEN ?1 AND ?2 AND state = 1 ORDER BY change LIMIT 1",
        )?
        .query_row((first, key), |row| {
            Ok((
                row.get::<_, Option<u32>>(0)?.unwrap_or_default(),
                row.get::<_, Option<String>>(1)?.unwrap_or_default(),
            ))
        })
        .optional()?)
}

#[cfg(test)]
#[path = "exchange/tests.rs"]
mod tests;

#[cfg(test)]
#[path = "exchange/kept_tests.rs"]
mod kept_tests;
