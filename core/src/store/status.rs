use super::{Change, DeviceState, FieldStore, LastContact};
use crate::{
    db::{kept, lists, meta, outbox, streams},
    error::FieldError,
    evidence::queue,
    model::{ChangeHash, DocumentId, Timestamp},
    sync::protocol::{StreamCursor, StreamId},
};

/// How phone and server stand to each other.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct SyncStatus {
    /// Changes that the server has not acknowledged.
    pub waiting: usize,
    /// Changes that the server refused and the person has not dismissed.
    pub rejected: Vec<RejectedChange>,
    /// When the server was last heard, by its clock.
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub last_contact: Option<Timestamp>,
    /// How long ago that was.
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub staleness_millis: Option<u64>,
    /// Whether the server accepts this device.
    pub device: DeviceState,
    /// Streams that the server withdrew and that still hold something unsent.
    pub withdrawn: Vec<StreamId>,
    /// Changes of withdrawn streams that the server keeps in its quarantine.
    pub quarantined: usize,
    /// Documents of territories that are no longer this person's, with work of theirs in them. Everything is on the
    /// server; they are not shown, and go when the server says that a backup of it covers them.
    pub kept: usize,
    /// Files of evidence that this phone named and the server does not have yet.
    pub evidence_waiting: usize,
    /// Files of evidence that were gone or changed on this phone before they were sent: they have to be taken again.
    /// [`FieldStore::evidence_waiting`] tells which.
    pub evidence_lost: usize,
    /// Whether the server has ever told of a backup. While it has not, `kept` does not shrink: the operator should make
    /// backups.
    pub server_makes_backups: bool,
}

/// A change that the server refused. It is still on the phone.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct RejectedChange {
    /// The change.
    pub hash: ChangeHash,
    /// The document.
    pub document: DocumentId,
    /// Its line in lists.
    pub title: String,
    /// The reason, for software: the number of a [`crate::sync::protocol::RejectionCode`].
    pub code: u32,
    /// The reason, for the person.
    pub message: String,
}

impl FieldStore {
    /// The streams this phone follows, with its place in each. For the sync side and for tests.
    ///
    /// # Errors
    /// As [`Self::organisation`].
    #[doc(hidden)]
    pub fn cursors(&self) -> Result<Vec<StreamCursor>, FieldError> {
        self.read(|connection| {
            let rows = streams::all(connection)?;
            Ok(rows
                .into_iter()
                .map(|it| StreamCursor {
                    stream: it.stream,
                    cursor: it.cursor,
                })
                .collect())
        })
    }

    /// How phone and server stand to each other.
    ///
    /// # Errors
    /// As [`Self::organisation`].
    pub fn status(&self) -> Result<SyncStatus, FieldError> {
        let since_contact = self.since_contact_millis();
        let now = self.now();
        self.read(|connection| {
            let mut rejected = Vec::new();
            for row in outbox::rejected(connection)?.into_iter().filter(|row| !row.dismissed) {
                let title = lists::one(connection, row.document)?.map(|it| it.title);
                rejected.push(RejectedChange {
                    hash: row.hash,
                    document: row.document,
                    title: title.unwrap_or_default(),
                    code: row.code,
                    message: row.message,
                });
            }
            let contact: Option<LastContact> = meta::get(connection, meta::LAST_CONTACT)?;
            let by_wall_clock =
                contact.map(|contact| u64::try_from(now.millis_since(contact.phone_time)).unwrap_or_default());
            let quarantined = connection
                .prepare_cached("SELECT count(*) FROM outbox WHERE state <> 0 AND state = 2")?
                .query_row([], |row| row.get::<_, i64>(0))?;
            let (evidence_waiting, evidence_lost) = queue::counts(connection)?;
            Ok(SyncStatus {
                waiting: outbox::count_waiting(connection)?,
                rejected,
                last_contact: contact.map(|contact| contact.server_time),
                staleness_millis: since_contact.or(by_wall_clock),
                device: meta::get(connection, meta::DEVICE_STATE)?.unwrap_or_default(),
                withdrawn: streams::all(connection)?
                    .into_iter()
                    .filter(|row| row.withdrawn)
                    .map(|row| row.stream)
                    .collect(),
                quarantined: usize::try_from(quarantined).unwrap_or_default(),
                kept: kept::documents(connection)?,
                evidence_waiting,
                evidence_lost,
                server_makes_backups: kept::server_makes_backups(connection)?,
            })
        })
    }

    /// Hides the notice of a refused change. The change itself stays with its document.
    ///
    /// # Errors
    /// [`FieldError::NotFound`] when no such change was refused.
    pub fn dismiss_rejected(&self, hash: ChangeHash) -> Result<(), FieldError> {
        self.write(&[Change::Status], |transaction| {
            if outbox::dismiss(transaction, hash)? {
                Ok(())
            } else {
                Err(FieldError::NotFound)
            }
        })
    }
}
