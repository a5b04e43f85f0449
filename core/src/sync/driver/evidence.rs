//! Sends files of evidence, and keeps an eye on those that were sent.
//!
//! A file goes up in parts, and after each the phone notes how much the server has: a network that breaks costs one
//! part at most. Whoever asks where to go on asks the server, never the phone's notes. The bytes are read from the
//! file when they are sent; nothing is held in memory but one part.

use std::{collections::HashSet, future::Future, path::PathBuf, sync::Arc, time::Duration};

use futures::StreamExt as _;
use rusqlite::Transaction;
use tokio::sync::{MutexGuard, Notify};

use super::{SyncDriver, SyncError, SyncReport, backoff};
use crate::{
    error::FieldError,
    evidence::{
        files::{Folder, Found, Partial, Whole, hash_file},
        queue::{self, Entry},
    },
    model::{DocumentId, EvidenceHash, Timestamp},
    store::{Change, Changes, FieldStore},
    sync::transport::{EvidenceTransport, Held, Transport, TransportFault, Upload, UploadFault},
};

/// The smallest, the first and the largest part in bytes.
const LEAST_PART: usize = 64 << 10;
const FIRST_PART: usize = 512 << 10;
const MOST_PART: usize = 4 << 20;
/// A part that took less milliseconds than this is followed by a larger one; one that took more than that by a smaller.
const QUICK: u64 = 2_000;
const SLOW: u64 = 10_000;
/// How often in a pass the server is asked where to go on with one file before it is put off.
const MOST_BEGINNINGS: u32 = 16;
/// The longest that [`SyncDriver::run_evidence`] rests, in milliseconds: the network may have become another one.
const LONGEST_REST: u64 = 300_000;
/// How much of a fetched file is gathered before it is written.
const WRITTEN_AT_ONCE: usize = 256 << 10;

/// What sending files of evidence did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct EvidenceReport {
    /// Files of which the server confirmed in this pass that it has the whole.
    pub stored: usize,
    /// Files that wait still, those included that cannot be sent before their document.
    pub left: usize,
    /// Files that turned out to be gone or changed on this phone before they were sent.
    pub lost: usize,
    /// Bytes of files that the server took.
    pub bytes_up: u64,
    /// What ended the pass early, if anything did, in a sentence for the person. The files that are left are tried again.
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub problem: Option<String>,
}

/// How large parts are, for as long as the driver lives.
#[derive(Debug)]
pub(super) struct Pace {
    part: usize,
    most: usize,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            part: FIRST_PART,
            most: MOST_PART,
        }
    }
}

impl Pace {
    fn took(&mut self, millis: u64) {
        if millis < QUICK {
            self.part = (self.part * 2).min(self.most);
        } else if millis > SLOW {
            self.halve();
        }
    }

    /// Whether it could be made smaller.
    fn halve(&mut self) -> bool {
        let before = self.part;
        self.part = (before / 2).max(LEAST_PART);
        self.part < before
    }

    /// A part was larger than something on the way takes.
    fn was_too_large(&mut self) -> bool {
        let halved = self.halve();
        self.most = self.part;
        halved
    }
}

/// What ends a pass.
enum Stop {
    /// The app's policy for the network.
    NotAllowed,
    Fault(TransportFault),
    Storage(FieldError),
}

impl From<FieldError> for Stop {
    fn from(error: FieldError) -> Self {
        Self::Storage(error)
    }
}

/// What to do after a fault.
enum Then {
    /// Ask the server where to go on.
    AskAgain,
    /// The file has been put off, or is lost: on to the next.
    NextFile,
}

/// Says whether the present network may be used. One type for whoever asks: a copy of all of this for each would make apps
/// larger.
type Allowed<'a> = dyn Fn() -> bool + Send + Sync + 'a;

/// A pass over the files.
struct Pass<'a, T> {
    driver: &'a SyncDriver<T>,
    allowed: &'a Allowed<'a>,
    pace: MutexGuard<'a, Pace>,
    folder: Folder,
    report: EvidenceReport,
    /// Files that were tried in this pass and put off.
    passed_over: HashSet<EvidenceHash>,
    /// Documents for which the server did not take a file in this pass.
    refused: HashSet<(EvidenceHash, DocumentId)>,
}

impl<T: Transport + EvidenceTransport> SyncDriver<T> {
    /// Sends the files of evidence that are due, the smallest first: a signature never waits behind a video. A file
    /// goes after the document that names it. Then asks the server about files that it had and no backup held, sends
    /// those again that it lost, and deletes copies on this phone that nobody needs any more.
    ///
    /// `allowed` is asked before every request whether the present network may be used; while it says no, files are
    /// left. It should not block.
    ///
    /// # Errors
    /// [`SyncError::Storage`]. What goes wrong with the network or the server is in [`EvidenceReport::problem`], what
    /// is wrong with one file in its [`EvidenceFile::problem`](crate::evidence::EvidenceFile::problem).
    pub async fn send_evidence(&self, allowed: impl Fn() -> bool + Send + Sync) -> Result<EvidenceReport, SyncError> {
        let (report, _) = self.pass(&allowed).await?;
        Ok(report)
    }

    /// [`Self::sync_once`], then [`Self::send_evidence`]. What goes wrong with files does not make it fail: the
    /// report says it in [`EvidenceReport::problem`].
    ///
    /// # Errors
    /// As [`Self::sync_once`].
    pub async fn sync_all(&self, allowed: impl Fn() -> bool + Send + Sync) -> Result<SyncReport, SyncError> {
        let mut report = self.sync_once().await?;
        report.evidence = match self.pass(&allowed).await {
            Ok((evidence, _)) => evidence,
            Err(error) => EvidenceReport {
                problem: Some(error.to_string()),
                ..EvidenceReport::default()
            },
        };
        Ok(report)
    }

    /// Sends files of evidence until `cancel` is done: when some are added, when their documents have gone, when a
    /// network is there, when those that were put off are due. Goes on beside [`Self::run`], which sends the
    /// documents.
    ///
    /// # Errors
    /// [`SyncError`] when there is no use in going on: signed out, revoked, too old.
    pub async fn run_evidence(
        &self,
        cancel: impl Future<Output = ()>,
        allowed: impl Fn() -> bool + Send + Sync,
    ) -> Result<(), SyncError> {
        let changed = Arc::new(Notify::new());
        let waker = Arc::clone(&changed);
        let _subscription = self.shared.store.subscribe(Arc::new(move |changes: Changes| {
            let relevant = |change: &Change| !matches!(change, Change::Records);
            if changes.iter().any(relevant) {
                waker.notify_one();
            }
        }));
        let mut rng = self.rng()?;
        let work = async {
            let mut failures = 0u32;
            loop {
                let token = self.token().await;
                let fault = match self.pass(&allowed).await {
                    Ok((report, fault)) => {
                        if report.bytes_up > 0 || report.stored > 0 {
                            // It breaks now and then, and works in between.
                            failures = 0;
                        }
                        fault
                    }
                    Err(error) => {
                        tracing::warn!(%error, "files of evidence could not be sent now");
                        Some(TransportFault::Offline)
                    }
                };
                let Some(fault) = fault else {
                    failures = 0;
                    self.rest(&changed, LONGEST_REST).await;
                    continue;
                };
                if fault == TransportFault::SignInAgain && self.token().await != token {
                    // The token was replaced while a request was on its way.
                    continue;
                }
                let asked_for = match fault {
                    TransportFault::SignInAgain
                    | TransportFault::AnotherPhone
                    | TransportFault::Revoked
                    | TransportFault::NeedsNewerApp => return SyncError::from(fault),
                    TransportFault::RetryAfter(millis) => Some(millis),
                    _ => None,
                };
                failures = failures.saturating_add(1);
                let pause = backoff(&self.shared.config, failures, &mut rng);
                self.wait_out(pause, asked_for).await;
            }
        };
        tokio::pin!(cancel);
        tokio::select! {
            () = &mut cancel => Ok(()),
            error = work => Err(error),
        }
    }

    async fn token(&self) -> Option<String> {
        self.blocking(|store| store.token()).await.ok().flatten()
    }

    /// Until something happens, a file is due, or `longest` milliseconds are over.
    async fn rest(&self, changed: &Notify, longest: u64) {
        let due = self
            .blocking(|store| store.read(|connection| queue::next_due_in(connection, store.now())))
            .await;
        let pause = due.ok().flatten().unwrap_or(longest).min(longest);
        tokio::select! {
            () = changed.notified() => {}
            () = self.shared.online_for_evidence.notified() => {}
            () = tokio::time::sleep(Duration::from_millis(pause)) => {}
        }
    }

    /// After a fault. A network that returns shortens the pause, but not one that the server asked for.
    async fn wait_out(&self, pause: u64, asked_for: Option<u64>) {
        match asked_for {
            Some(asked_for) => tokio::time::sleep(Duration::from_millis(pause.max(asked_for))).await,
            None => tokio::select! {
                () = self.shared.online_for_evidence.notified() => {}
                () = tokio::time::sleep(Duration::from_millis(pause.min(LONGEST_REST))) => {}
            },
        }
    }

    /// One pass, and the fault of network or server that ended it.
    async fn pass(&self, allowed: &Allowed<'_>) -> Result<(EvidenceReport, Option<TransportFault>), FieldError> {
        let pace = self.shared.evidence_turn.lock().await;
        let mut pass = Pass {
            driver: self,
            allowed,
            pace,
            folder: self.shared.store.evidence_folder(),
            report: EvidenceReport::default(),
            passed_over: HashSet::new(),
            refused: HashSet::new(),
        };
        let fault = match pass.work().await {
            Ok(()) | Err(Stop::NotAllowed) => None,
            Err(Stop::Fault(fault)) => Some(fault),
            Err(Stop::Storage(error)) => return Err(error),
        };
        let mut report = pass.report;
        let folder = pass.folder;
        report.left = self
            .blocking(move |store| {
                delete_outlived(&store, &folder)?;
                Ok(store.read(queue::counts)?.0)
            })
            .await?;
        report.problem = fault.as_ref().map(ToString::to_string);
        Ok((report, fault))
    }

    /// Where a file of evidence that `document` names is on this phone. One that another phone took, or of which the
    /// copy was deleted, is fetched from the server, and kept for a month at least.
    ///
    /// # Errors
    /// [`FieldError::NotFound`] when no such document on this phone names the file, or the server does not have it yet;
    /// [`FieldError::StorageFull`]; [`TransportFault`].
    pub async fn fetch_evidence(&self, document: DocumentId, hash: EvidenceHash) -> Result<PathBuf, SyncError> {
        let folder = self.shared.store.evidence_folder();
        let size = match self.blocking(move |store| here_or_size(&store, document, hash)).await? {
            Here::At(path) => return Ok(path),
            Here::Not { size } => size,
        };
        let wrong = || TransportFault::Server("what it sent is not the file that the document names".to_owned());
        let mut bytes = self
            .shared
            .transport
            .fetch(document, hash)
            .await
            .map_err(|fault| match fault {
                UploadFault::Transport(fault) => SyncError::Transport(fault),
                UploadFault::Gone | UploadFault::NotNamed { .. } => SyncError::Storage(FieldError::NotFound),
                other => SyncError::Transport(TransportFault::Server(other.to_string())),
            })?;
        let in_folder = folder.clone();
        let mut file = self
            .blocking(move |store| in_folder.begin(store.random_bytes()?))
            .await?;
        let (mut gathered, mut received) = (Vec::new(), 0u64);
        while let Some(part) = bytes.next().await {
            let part = part?;
            received += part.len() as u64;
            if received > size {
                return Err(wrong().into());
            }
            gathered.extend_from_slice(&part);
            if gathered.len() >= WRITTEN_AT_ONCE {
                file = self.written(file, std::mem::take(&mut gathered)).await?;
            }
        }
        file = self.written(file, gathered).await?;
        let path = self
            .blocking(move |store| {
                let whole = file.finish()?;
                if (whole.hash, whole.size) != (hash, size) {
                    return Ok(None);
                }
                keep_fetched(&store, document, whole).map(Some)
            })
            .await?;
        path.ok_or_else(|| wrong().into())
    }

    async fn written(&self, mut file: Partial, bytes: Vec<u8>) -> Result<Partial, FieldError> {
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

/// Deletes the copies that were stored and backed up long enough ago. One that cannot be deleted stays until another
/// day.
fn delete_outlived(store: &FieldStore, folder: &Folder) -> Result<(), FieldError> {
    let now = store.now();
    for hash in store.read(|connection| queue::outlived(connection, now))? {
        let deleted = store.write(&[Change::Evidence], |transaction| {
            let Some(stored) = queue::give_up_copy(transaction, hash, now)? else {
                return Ok(());
            };
            folder
                .delete(&stored)
                .map_err(|error| FieldError::Internal(error.to_string()))
        });
        if let Err(error) = deleted {
            tracing::warn!(%error, "the copy of a file of evidence could not be deleted");
        }
    }
    Ok(())
}

impl<T: Transport + EvidenceTransport> Pass<'_, T> {
    async fn work(&mut self) -> Result<(), Stop> {
        self.find_documents().await?;
        self.send_all().await?;
        if self.ask_about_stored().await? {
            self.send_all().await?;
        }
        Ok(())
    }

    /// Finds out which documents name the files of which that is not known.
    async fn find_documents(&self) -> Result<(), FieldError> {
        self.driver
            .blocking(|store| {
                let now = store.now();
                let wanted = store.read(|connection| queue::without_document(connection, now))?;
                if wanted.is_empty() {
                    return Ok(());
                }
                let named = store.read(|connection| queue::documents_naming(connection, &wanted, None))?;
                store.write(&[Change::Evidence], |transaction| {
                    for hash in wanted {
                        match named.get(&hash) {
                            Some(document) => queue::set_document(transaction, hash, *document)?,
                            None => queue::put_off(transaction, hash, "no document on this phone names it", now)?,
                        }
                    }
                    Ok(())
                })
            })
            .await
    }

    async fn send_all(&mut self) -> Result<(), Stop> {
        while let Some(file) = self.next(None).await? {
            self.send(&file).await?;
        }
        Ok(())
    }

    async fn next(&self, below: Option<u64>) -> Result<Option<Entry>, FieldError> {
        let passed_over = self.passed_over.clone();
        self.driver
            .blocking(move |store| {
                store.read(|connection| queue::next_to_send(connection, store.now(), &passed_over, below))
            })
            .await
    }

    fn may_go_on(&self) -> Result<(), Stop> {
        if (self.allowed)() {
            Ok(())
        } else {
            Err(Stop::NotAllowed)
        }
    }

    /// Sends a file until the server has it, it has to be put off, or a smaller one has come.
    async fn send(&mut self, file: &Entry) -> Result<(), Stop> {
        let (Some(document), Some(stored)) = (file.document, file.stored.clone()) else {
            return Ok(self.lose(file.hash, "the file is not on this phone any more").await?);
        };
        let (folder, size) = (self.folder.clone(), file.size);
        match self.driver.blocking(move |_| Ok(folder.look(&stored, size))).await? {
            Found::Here => {}
            Found::Lost(why) => return Ok(self.lose(file.hash, &why).await?),
            Found::Unreadable(why) => return Ok(self.put_off(file.hash, &why).await?),
        }
        let upload = Upload {
            document,
            hash: file.hash,
            size,
        };
        let (mut was_corrupt, mut was_cut) = (false, false);
        for _ in 0..MOST_BEGINNINGS {
            self.may_go_on()?;
            let fault = match self.begin(&upload).await {
                Ok(held) => match self.send_from(file, &upload, held).await? {
                    Ok(()) => return Ok(()),
                    Err(fault) => fault,
                },
                // Nothing of the file was in the request: its parts need not be smaller.
                Err(UploadFault::Transport(TransportFault::TooLarge)) => {
                    let why = "the server does not take files of this size";
                    return Ok(self.put_off(file.hash, why).await?);
                }
                Err(UploadFault::Transport(fault)) if !matches!(fault, TransportFault::Server(_)) => {
                    return Err(Stop::Fault(fault));
                }
                Err(fault) => fault,
            };
            if fault == UploadFault::Corrupt && std::mem::replace(&mut was_corrupt, true) {
                return Ok(self.put_off(file.hash, &fault.to_string()).await?);
            }
            was_cut = fault == UploadFault::Transport(TransportFault::Offline);
            match self.after(file, fault).await? {
                Then::AskAgain => {}
                Then::NextFile => return Ok(()),
            }
        }
        if was_cut {
            // The network is to blame, not the file.
            return Err(Stop::Fault(TransportFault::Offline));
        }
        let why = "the server did not take the file although it was asked many times where to go on";
        Ok(self.put_off(file.hash, why).await?)
    }

    /// Sends what the server does not have yet. The inner error is a fault that was met on the way.
    async fn send_from(
        &mut self,
        file: &Entry,
        upload: &Upload,
        mut held: Held,
    ) -> Result<Result<(), UploadFault>, Stop> {
        loop {
            if held.offset == upload.size {
                self.note_stored(upload.hash, held).await?;
                return Ok(Ok(()));
            }
            self.note_sent(upload.hash, held.offset).await?;
            if self.next(Some(upload.size)).await?.is_some() {
                // It goes on with this one when the smaller one has been sent.
                return Ok(Ok(()));
            }
            self.may_go_on()?;
            let Some(part) = self.read(file, held.offset).await? else {
                return Ok(Ok(()));
            };
            let started = self.driver.now();
            let appended = self.append(upload, held.offset, part).await;
            let after = match appended {
                Ok(after) => after,
                Err(fault) => return Ok(Err(fault)),
            };
            self.pace.took(self.driver.now().saturating_sub(started));
            if after.offset <= held.offset {
                return Ok(Err(UploadFault::WrongOffset));
            }
            self.report.bytes_up += after.offset - held.offset;
            held = after;
        }
    }

    /// The next part of a file; `None` when it cannot be had, which has been noted then.
    async fn read(&mut self, file: &Entry, offset: u64) -> Result<Option<Vec<u8>>, FieldError> {
        let Some(stored) = file.stored.clone() else {
            return Ok(None);
        };
        let left = usize::try_from(file.size.saturating_sub(offset)).unwrap_or(usize::MAX);
        let (folder, size, length) = (self.folder.clone(), file.size, self.pace.part.min(left));
        let read = self
            .driver
            .blocking(move |_| {
                Ok(match folder.read(&stored, offset, length) {
                    Ok(part) if part.len() == length => Ok(part),
                    // Gone, or cut short, since it was looked at; or the phone was locked.
                    Ok(_) => Err(folder.look(&stored, size)),
                    Err(error) => Err(match folder.look(&stored, size) {
                        Found::Here => Found::Unreadable(format!("the file cannot be read now: {error}")),
                        other => other,
                    }),
                })
            })
            .await?;
        match read {
            Ok(part) => return Ok(Some(part)),
            Err(Found::Lost(why)) => self.lose(file.hash, &why).await?,
            Err(Found::Unreadable(why)) => self.put_off(file.hash, &why).await?,
            Err(Found::Here) => self.put_off(file.hash, "the file cannot be read now").await?,
        }
        Ok(None)
    }

    /// What to do after a fault with a file.
    async fn after(&mut self, file: &Entry, fault: UploadFault) -> Result<Then, Stop> {
        match fault {
            UploadFault::WrongOffset | UploadFault::Gone => Ok(Then::AskAgain),
            UploadFault::Transport(TransportFault::Timeout) if self.pace.halve() => Ok(Then::AskAgain),
            UploadFault::Transport(TransportFault::TooLarge) if self.pace.was_too_large() => Ok(Then::AskAgain),
            UploadFault::Corrupt => {
                let Some(stored) = &file.stored else {
                    return Ok(Then::AskAgain);
                };
                let (path, hash) = (self.folder.locate(stored), file.hash);
                let found = self.driver.blocking(move |_| Ok(hash_file(&path).ok())).await?;
                match found {
                    Some((found, _)) if found != hash => {
                        self.lose(hash, "the file was changed on this phone before it was sent")
                            .await?;
                        Ok(Then::NextFile)
                    }
                    _ => Ok(Then::AskAgain),
                }
            }
            UploadFault::NotNamed { .. } if self.try_another_document(file).await? => Ok(Then::NextFile),
            UploadFault::NotNamed { .. }
            | UploadFault::Refused { .. }
            | UploadFault::Transport(TransportFault::Server(_) | TransportFault::TooLarge) => {
                self.put_off(file.hash, &fault.to_string()).await?;
                Ok(Then::NextFile)
            }
            UploadFault::Transport(TransportFault::Offline) => {
                // Some networks cut what is long, and do not say so. Whether there still is one shows when it is asked.
                self.pace.halve();
                Ok(Then::AskAgain)
            }
            UploadFault::Transport(fault) => Err(Stop::Fault(fault)),
        }
    }

    /// Has the file sent for another document that names it: the server knows nothing of the one so far, or refused it. Says
    /// whether there is one that was not tried.
    async fn try_another_document(&mut self, file: &Entry) -> Result<bool, FieldError> {
        let (hash, refused) = (file.hash, file.document);
        self.refused.extend(refused.map(|document| (hash, document)));
        let wanted = std::collections::BTreeSet::from([hash]);
        let other = self
            .driver
            .blocking(move |store| store.read(|connection| queue::documents_naming(connection, &wanted, refused)))
            .await?
            .remove(&hash);
        let Some(other) = other.filter(|other| !self.refused.contains(&(hash, *other))) else {
            return Ok(false);
        };
        self.note(move |transaction, _| queue::set_document(transaction, hash, other))
            .await?;
        Ok(true)
    }

    /// Asks about the files that the server has and no backup of it. Returns whether it has lost some.
    async fn ask_about_stored(&mut self) -> Result<bool, Stop> {
        let due = self
            .driver
            .blocking(|store| store.read(|connection| queue::to_ask_about(connection, store.now())))
            .await?;
        let mut has_lost_some = false;
        for file in due {
            let Some(document) = file.document else { continue };
            let upload = Upload {
                document,
                hash: file.hash,
                size: file.size,
            };
            self.may_go_on()?;
            match self.begin(&upload).await {
                Ok(held) if held.offset == upload.size => self.note_asked(upload.hash, held).await?,
                Ok(held) => {
                    has_lost_some = true;
                    self.note(move |transaction, _| queue::forgotten(transaction, upload.hash, held.offset))
                        .await?;
                }
                Err(UploadFault::Transport(fault)) if !matches!(fault, TransportFault::Server(_)) => {
                    return Err(Stop::Fault(fault));
                }
                // The document may be on its way to a restored server.
                Err(fault) => self.put_off(upload.hash, &fault.to_string()).await?,
            }
        }
        Ok(has_lost_some)
    }

    async fn begin(&self, upload: &Upload) -> Result<Held, UploadFault> {
        self.patiently(self.driver.shared.transport.begin(upload)).await
    }

    async fn append(&self, upload: &Upload, offset: u64, part: Vec<u8>) -> Result<Held, UploadFault> {
        self.patiently(self.driver.shared.transport.append(upload, offset, part))
            .await
    }

    async fn patiently<R>(&self, asked: impl Future<Output = Result<R, UploadFault>>) -> Result<R, UploadFault> {
        let patience = Duration::from_millis(self.driver.shared.config.reply_within_millis);
        tokio::time::timeout(patience, asked)
            .await
            .unwrap_or(Err(UploadFault::Transport(TransportFault::Timeout)))
    }

    async fn note_sent(&self, hash: EvidenceHash, bytes: u64) -> Result<(), FieldError> {
        self.note(move |transaction, _| queue::sent(transaction, hash, bytes))
            .await
    }

    async fn note_stored(&mut self, hash: EvidenceHash, held: Held) -> Result<(), FieldError> {
        self.report.stored += 1;
        self.note_asked(hash, held).await
    }

    async fn note_asked(&self, hash: EvidenceHash, held: Held) -> Result<(), FieldError> {
        self.note(move |transaction, now| queue::stored(transaction, hash, held.backed_up, now))
            .await
    }

    async fn lose(&mut self, hash: EvidenceHash, why: &str) -> Result<(), FieldError> {
        self.report.lost += 1;
        let why = why.to_owned();
        self.note(move |transaction, _| queue::lost(transaction, hash, &why))
            .await
    }

    async fn put_off(&mut self, hash: EvidenceHash, why: &str) -> Result<(), FieldError> {
        self.passed_over.insert(hash);
        let why = why.to_owned();
        self.note(move |transaction, now| queue::put_off(transaction, hash, &why, now))
            .await
    }

    /// Writes down what is known of a file now, and tells listeners.
    async fn note(
        &self,
        write: impl FnOnce(&Transaction<'_>, Timestamp) -> Result<(), FieldError> + Send + 'static,
    ) -> Result<(), FieldError> {
        self.driver
            .blocking(move |store| {
                let now = store.now();
                store.write(&[Change::Evidence], |transaction| write(transaction, now))
            })
            .await
    }
}

#[cfg(test)]
mod tests;
