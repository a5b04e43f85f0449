//! Fetches files that other phones took, for somebody who wants to see them.
//!
//! What has come of a file stays when the network breaks or the person goes on to something else: the next try asks for the
//! rest. Whether the whole fits together, its hash tells; when it does not, the file is fetched once more from its
//! beginning.

use std::{
    collections::{HashMap, HashSet},
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use futures::StreamExt as _;

use super::super::{SyncDriver, SyncError};
use crate::{
    error::FieldError,
    evidence::{
        files::{Found, Partial, Whole},
        queue::{self, Entry},
    },
    model::{DocumentId, EvidenceHash},
    store::{Change, FieldStore},
    sync::transport::{EvidenceTransport, Fetched, Transport, TransportFault, UploadFault},
};

/// How much of a fetched file is gathered before it is written.
const WRITTEN_AT_ONCE: usize = 256 << 10;
/// How often the server is asked for the rest of one file before the person is told that it breaks off.
const MOST_REQUESTS: u32 = 16;

/// The files that are fetched just now, each by one at a time.
#[derive(Debug, Default)]
pub(in crate::sync::driver) struct Turns(Mutex<HashMap<EvidenceHash, Arc<tokio::sync::Mutex<()>>>>);

impl Turns {
    /// The turn to fetch a file, to be waited for, and which files are fetched besides.
    fn of(&self, hash: EvidenceHash) -> (Arc<tokio::sync::Mutex<()>>, HashSet<EvidenceHash>) {
        let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        turns.retain(|_, turn| Arc::strong_count(turn) > 1);
        let turn = Arc::clone(turns.entry(hash).or_default());
        (turn, turns.keys().copied().collect())
    }
}

/// A file of a document.
#[derive(Clone, Copy)]
struct Wanted {
    document: DocumentId,
    hash: EvidenceHash,
    size: u64,
}

/// What one request brought.
struct Brought {
    file: Partial,
    /// The server gave the file from its beginning.
    anew: bool,
    ended: Ended,
}

enum Ended {
    /// With the last byte of the reply.
    Complete,
    /// The file cannot be the one of the document: it goes on after its end, or ended before the byte that was asked for.
    Misfit,
    Cut(TransportFault),
}

impl<T: Transport + EvidenceTransport> SyncDriver<T> {
    /// Where a file of evidence that `document` names is on this phone. One that another phone took, or of which the
    /// copy was deleted, is fetched from the server, and kept for a month at least. What came before the network broke
    /// or the future was dropped is kept for a week: the next call fetches the rest.
    ///
    /// # Errors
    /// [`FieldError::NotFound`] when no such document on this phone names the file, or the server does not have it yet;
    /// [`FieldError::StorageFull`]; [`TransportFault`].
    pub async fn fetch_evidence(&self, document: DocumentId, hash: EvidenceHash) -> Result<PathBuf, SyncError> {
        if let Here::At(path) = self.blocking(move |store| here_or_size(&store, document, hash)).await? {
            return Ok(path);
        }
        let (turn, others) = self.shared.fetches.of(hash);
        let _turn = turn.lock().await;
        // Who fetched it before may have brought it.
        let size = match self.blocking(move |store| here_or_size(&store, document, hash)).await? {
            Here::At(path) => return Ok(path),
            Here::Not { size } => size,
        };
        let wanted = Wanted { document, hash, size };
        let resume = move |store: FieldStore| {
            let folder = store.evidence_folder();
            folder.resume(hash, size, store.random_bytes()?, &others)
        };
        let file = self.blocking(resume).await?;
        let file = self.whole(wanted, file).await?;
        let path = self.blocking(move |store| keep_fetched(&store, document, file.finish()?));
        Ok(path.await?)
    }

    /// Asks for what is missing of a file until all of it is here and is what the document names.
    async fn whole(&self, wanted: Wanted, mut file: Partial) -> Result<Partial, SyncError> {
        // Whether all of it came with one reply, and not piece by piece from files that may have been different ones.
        let mut of_one_piece = false;
        let mut once_more = true;
        let mut last = TransportFault::Offline;
        for _ in 0..MOST_REQUESTS {
            let before = file.size();
            let mut ended = Ended::Complete;
            if before < wanted.size {
                let brought = self.rest_of(wanted, file).await?;
                file = brought.file;
                of_one_piece = before == 0 || brought.anew;
                ended = brought.ended;
            }
            match ended {
                Ended::Complete if file.size() == wanted.size && file.is(wanted.hash) => return Ok(file),
                Ended::Cut(fault) if fault != TransportFault::Offline || file.size() <= before => {
                    return Err(fault.into());
                }
                Ended::Cut(fault) => last = fault,
                Ended::Complete | Ended::Misfit => {
                    file = self
                        .blocking(move |_| {
                            file.begin_anew()?;
                            Ok(file)
                        })
                        .await?;
                    if of_one_piece || !std::mem::take(&mut once_more) {
                        let message = "what it sent is not the file that the document names".to_owned();
                        return Err(TransportFault::Server(message).into());
                    }
                }
            }
        }
        Err(last.into())
    }

    /// Asks once for what is missing of a file, and writes what comes of it.
    async fn rest_of(&self, wanted: Wanted, mut file: Partial) -> Result<Brought, SyncError> {
        let Wanted { document, hash, size } = wanted;
        let from = file.size();
        let fetched = match self.shared.transport.fetch(document, hash, from).await {
            Ok(fetched) => fetched,
            Err(UploadFault::WrongOffset) if from > 0 => {
                let (anew, ended) = (false, Ended::Misfit);
                return Ok(Brought { file, anew, ended });
            }
            Err(UploadFault::Transport(fault)) => return Err(fault.into()),
            Err(UploadFault::Gone | UploadFault::NotNamed { .. }) => return Err(FieldError::NotFound.into()),
            Err(other) => return Err(TransportFault::Server(other.to_string()).into()),
        };
        let Fetched { offset, mut bytes } = fetched;
        let anew = offset != from;
        if anew {
            file = self
                .blocking(move |_| {
                    file.begin_anew()?;
                    Ok(file)
                })
                .await?;
        }
        let (mut gathered, mut room) = (Vec::new(), size - file.size());
        let ended = loop {
            let part = match bytes.next().await {
                None => break Ended::Complete,
                Some(Err(fault)) => break Ended::Cut(fault),
                Some(Ok(part)) => part,
            };
            let Some(left) = room.checked_sub(part.len() as u64) else {
                break Ended::Misfit;
            };
            room = left;
            gathered.extend_from_slice(&part);
            if gathered.len() >= WRITTEN_AT_ONCE {
                file = self.written(file, std::mem::take(&mut gathered)).await?;
            }
        };
        let file = self.written(file, gathered).await?;
        Ok(Brought { file, anew, ended })
    }

    async fn written(&self, mut file: Partial, bytes: Vec<u8>) -> Result<Partial, FieldError> {
        if bytes.is_empty() {
            return Ok(file);
        }
        self.blocking(move |_| {
            file.write(&bytes)?;
            Ok(file)
        })
        .await
    }
}

/// Where a file is that somebody wants to see.
enum Here {
    At(PathBuf),
    /// Not on this phone; as large as the document says.
    Not {
        size: u64,
    },
}

fn here_or_size(store: &FieldStore, document: DocumentId, hash: EvidenceHash) -> Result<Here, FieldError> {
    let folder = store.evidence_folder();
    let known = store.read(|connection| queue::find(connection, hash))?;
    if let Some(Entry {
        stored: Some(stored),
        size,
        ..
    }) = known
        && folder.look(&stored, size) == Found::Here
    {
        return Ok(Here::At(folder.locate(&stored)));
    }
    let tree = store.tree(document)?.ok_or(FieldError::NotFound)?;
    let size = tree
        .get("evidence")
        .and_then(|evidence| evidence.get(hash.to_string())?.get("size")?.as_u64());
    Ok(Here::Not {
        size: size.ok_or(FieldError::NotFound)?,
    })
}

fn keep_fetched(store: &FieldStore, document: DocumentId, whole: Whole) -> Result<PathBuf, FieldError> {
    let (name, hash, size) = (whole.name(), whole.hash, whole.size);
    store.write(&[Change::Evidence], |transaction| {
        queue::note_fetched(transaction, hash, size, &name, document, store.now())
    })?;
    whole.keep();
    Ok(store.evidence_folder().locate(&name))
}
