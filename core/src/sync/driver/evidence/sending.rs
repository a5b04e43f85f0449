//! Sends one file, part by part, whatever the network and the server say in between.

use std::collections::BTreeSet;

use super::pass::{Pass, Stop};
use crate::{
    error::FieldError,
    evidence::{
        files::{Found, hash_file},
        queue::{self, Entry},
    },
    sync::transport::{EvidenceTransport, Held, Transport, TransportFault, Upload, UploadFault},
};

/// How often in a pass the server is asked where to go on with one file before it is put off.
const MOST_BEGINNINGS: u32 = 16;

/// What to do after a fault.
enum Then {
    /// Ask the server where to go on.
    AskAgain,
    /// The file has been put off, or is lost: on to the next.
    NextFile,
}

impl<T: Transport + EvidenceTransport> Pass<'_, T> {
    /// Sends a file until the server has it, it has to be put off, or a smaller one has come.
    pub(super) async fn send(&mut self, file: &Entry) -> Result<(), Stop> {
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
        let wanted = BTreeSet::from([hash]);
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
}
