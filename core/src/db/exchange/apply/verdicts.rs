//! What becomes of what was pushed and offered.

use std::collections::BTreeSet;

use super::{
    super::{SentItem, follows_rejected},
    Storing, still_holds,
};
use crate::{
    db::{documents, outbox},
    document::Chunk,
    error::FieldError,
    sync::protocol::{Rejection, RejectionCode, Verdict},
};

impl Storing<'_> {
    pub(super) fn verdict(&mut self, item: &SentItem, verdict: Verdict) -> Result<(), FieldError> {
        let transaction = self.transaction;
        match *item {
            SentItem::Change { key, hash, relayed } => {
                // The row may hold another change by now, when the same reply is stored again.
                if !still_holds(transaction, key, hash)? {
                    return Ok(());
                }
                match verdict {
                    Verdict::Accepted | Verdict::Duplicate | Verdict::BackedUp => {
                        let count = match verdict {
                            Verdict::Accepted => &mut self.applied.accepted,
                            _ => &mut self.applied.duplicate,
                        };
                        *count += 1;
                        self.applied.progress = true;
                        outbox::acknowledge(transaction, key)?;
                        if self.ends_early {
                            outbox::offer_when_read(transaction, documents::row_of_change::document(key), hash)?;
                        }
                    }
                    Verdict::Rejected(rejection) if rejection.code == RejectionCode::ActorCollision && !relayed => {
                        self.applied.progress = true;
                        self.collided.insert(key);
                    }
                    Verdict::Rejected(rejection) => self.reject(key, &rejection, relayed)?,
                    Verdict::Wanted | Verdict::Later => {
                        self.applied.later += 1;
                        // What it builds on may be further back in the queue, behind more than one request holds.
                        outbox::put_last(transaction, key)?;
                        if let Some((code, message)) = follows_rejected(transaction, key)? {
                            let code = RejectionCode::from_number(code);
                            self.reject(key, &Rejection { code, message }, relayed)?;
                        } else {
                            self.put_off.insert(key);
                        }
                    }
                }
            }
            SentItem::Offer {
                row, hash, kept: true, ..
            } => {
                self.applied.progress = true;
                self.happened.answered = Some((row, hash));
                match verdict {
                    Verdict::BackedUp => outbox::offered(transaction, row, hash)?,
                    // It stays on the list: once the server has it again, a backup has still to cover it.
                    Verdict::Wanted => {
                        self.applied.wanted += 1;
                        self.wanted.entry(row).or_default().insert(hash);
                    }
                    Verdict::Accepted | Verdict::Duplicate | Verdict::Rejected(_) | Verdict::Later => {}
                }
            }
            SentItem::Offer { row, hash, .. } => {
                match verdict {
                    Verdict::Later => {
                        self.applied.later += 1;
                        return Ok(());
                    }
                    Verdict::Wanted => {
                        self.applied.wanted += 1;
                        self.applied.progress = true;
                        self.wanted.entry(row).or_default().insert(hash);
                    }
                    Verdict::Accepted | Verdict::Duplicate | Verdict::BackedUp | Verdict::Rejected(_) => {
                        self.applied.duplicate += 1;
                        self.offered.insert(hash);
                        if self.ends_early {
                            outbox::offer_when_read(transaction, row, hash)?;
                        }
                    }
                }
                outbox::offered(transaction, row, hash)?;
            }
        }
        Ok(())
    }

    /// The server may have lost what a change builds on, together with the document and so without any sign of it in a
    /// stream: asks. What was asked about just now is known to be there, and the server has another reason to wait; to hear
    /// so is no progress, or phone and server would ask each other without a pause.
    pub(super) fn offer_what_put_off_builds_on(&mut self) -> Result<(), FieldError> {
        let transaction = self.transaction;
        let mut built_on = BTreeSet::new();
        for key in std::mem::take(&mut self.put_off) {
            let chunk = Chunk::read(documents::chunk_bytes(transaction, key)?)
                .map_err(|error| FieldError::Damaged(error.to_string()))?;
            let row = documents::row_of_change::document(key);
            for dep in chunk.deps() {
                if !self.offered.contains(&dep) && !outbox::is_waiting(transaction, row, dep)? {
                    outbox::offer_one_again(transaction, row, dep)?;
                }
                built_on.insert(dep);
            }
        }
        self.applied.progress |= self.offered.iter().any(|hash| !built_on.contains(hash));
        Ok(())
    }

    pub(super) fn reject(&mut self, key: i64, rejection: &Rejection, relayed: bool) -> Result<(), FieldError> {
        self.applied.rejected += 1;
        self.applied.progress = true;
        outbox::reject(self.transaction, key, rejection.code.number(), &rejection.message)?;
        if relayed && !self.is_by_me(key)? {
            // Somebody else's change is not this person's business.
            self.transaction
                .prepare_cached("UPDATE outbox SET dismissed = 1 WHERE change = ?1")?
                .execute([key])?;
        }
        Ok(())
    }

    /// Whether the person made the change, on whichever device.
    fn is_by_me(&self, key: i64) -> Result<bool, FieldError> {
        let bytes = documents::chunk_bytes(self.transaction, key)?;
        let author = Chunk::read(bytes).ok().and_then(|chunk| chunk.authorship());
        Ok(author.map(|it| it.user) == self.me.map(|me| me.0) && author.is_some())
    }

    /// Queues what the server lost, each change after those it builds on.
    pub(super) fn queue_wanted(&mut self) -> Result<(), FieldError> {
        for (row, hashes) in std::mem::take(&mut self.wanted) {
            documents::split_snapshots(self.transaction, row)?;
            for (key, held) in documents::hashes_by_chunk(self.transaction, row)? {
                if !held.iter().any(|hash| hashes.contains(hash)) {
                    continue;
                }
                let bytes = documents::chunk_bytes(self.transaction, key)?;
                let author = Chunk::read(bytes).ok().and_then(|chunk| chunk.authorship());
                let own = author.is_some() && author.map(|it| (it.user, it.device)) == self.me;
                outbox::add(self.transaction, key, !own)?;
            }
        }
        Ok(())
    }
}
