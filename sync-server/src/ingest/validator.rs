//! What is asked of whoever judges pushed changes, and what comes back.

use std::panic::{AssertUnwindSafe, catch_unwind};

use async_trait::async_trait;
use fieldledger_core::{
    document::Authorship,
    model::{ChangeHash, DocumentId, UserId},
    sync::protocol::RejectionCode,
};
use minicbor::{Decode, Encode};

use super::check;
use crate::store::Tree;

/// New changes of one document, to be judged in order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Job {
    /// The document's chunks as they are stored; empty for a new document.
    #[n(0)]
    #[cbor(with = "as_byte_strings")]
    pub existing: Vec<Vec<u8>>,
    /// The new changes as they came.
    #[n(1)]
    #[cbor(with = "as_byte_strings")]
    pub changes: Vec<Vec<u8>>,
}

/// What the judge says of one change.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub enum Judgement {
    /// It may be stored, as far as the document itself can tell.
    #[n(0)]
    Sound(#[n(0)] Box<SoundChange>),
    /// It is part of the document already.
    #[n(1)]
    Known,
    /// It must not be stored.
    #[n(2)]
    Refused(#[n(0)] Refusal),
    /// It builds on changes that are not here.
    #[n(3)]
    Waiting(#[n(0)] Vec<ChangeHash>),
}

/// A change that decodes, applies, saves, loads and keeps the rules of its model.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct SoundChange {
    /// Its name.
    #[n(0)]
    pub hash: ChangeHash,
    /// The bytes of its actor.
    #[n(1)]
    #[cbor(with = "minicbor::bytes")]
    pub actor: Vec<u8>,
    /// Its place among its actor's changes.
    #[n(2)]
    pub seq: u64,
    /// What it builds on.
    #[n(3)]
    pub deps: Vec<ChangeHash>,
    /// Who says they made it.
    #[n(4)]
    #[cbor(with = "as_message")]
    pub authorship: Authorship,
    /// The document it creates.
    #[n(5)]
    pub creates: Option<DocumentId>,
    /// What it touches, as paths of field names from the root: everything it writes, whether it shows or not, and
    /// everything whose present value changed with it. Empty for a creating change, which touches everything.
    #[n(6)]
    pub touched: Vec<Vec<String>>,
    /// The document's heads before it, ascending.
    #[n(7)]
    pub based_on: Vec<ChangeHash>,
    /// The document's heads with it, ascending.
    #[n(8)]
    pub heads: Vec<ChangeHash>,
    /// What kind of document it was before; `None` for a creating change.
    #[n(9)]
    pub kind_before: Option<String>,
    /// Whose it was before.
    #[n(10)]
    pub owner_before: Option<UserId>,
    /// The document's tree with it.
    #[n(11)]
    #[cbor(with = "as_json")]
    pub tree: Tree,
    /// Fields in disagreement with it.
    #[n(12)]
    pub disagreements: u32,
    /// Whether it writes over what the customer's contact had said through a link, as its author knew, or claims that the
    /// contact had said something.
    #[n(13)]
    pub over_contacts_word: bool,
}

/// Why a change must not be stored.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Refusal {
    /// For software.
    #[n(0)]
    pub code: RejectionCode,
    /// For people.
    #[n(1)]
    pub message: String,
}

impl Refusal {
    /// A refusal.
    pub fn new(code: RejectionCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }

    /// What is said of bytes that panic, hang or kill whoever reads them.
    pub fn harmful(what: &str) -> Self {
        Self::new(
            RejectionCode::Undecodable,
            format!("reading the change does harm ({what}); it was set aside unread"),
        )
    }
}

/// Judges changes. Their bytes are anybody's: a judge for production keeps them away from the server's own process.
#[async_trait]
pub trait Validator: Send + Sync + 'static {
    /// Judges the changes of each job, in order: one list of judgements for each job, one judgement for each change.
    async fn validate(&self, jobs: Vec<Job>) -> Vec<Vec<Judgement>>;

    /// How many helpers of the judge have died or hung and were replaced, for the operator.
    fn restarts(&self) -> u64 {
        0
    }
}

/// Judges inside the process, for bytes that are trusted: tests, simulations, the server's own pages.
#[derive(Clone, Copy, Debug, Default)]
pub struct InProcess;

#[async_trait]
impl Validator for InProcess {
    async fn validate(&self, jobs: Vec<Job>) -> Vec<Vec<Judgement>> {
        jobs.iter().map(judge).collect()
    }
}

/// Judges one job; a panic is told as a refusal of the change that caused it.
pub(super) fn judge(job: &Job) -> Vec<Judgement> {
    let mut judged = Vec::with_capacity(job.changes.len());
    judge_each(job, |judgement| {
        judged.push(judgement);
        true
    });
    judged
}

/// Judges one job and tells each judgement at once, until `tell` returns false.
pub(super) fn judge_each(job: &Job, mut tell: impl FnMut(Judgement) -> bool) {
    let opened = catch_unwind(AssertUnwindSafe(|| check::Subject::open(&job.existing)));
    let mut subject = match opened.unwrap_or_else(|_| Err("reading it panicked".to_owned())) {
        Ok(subject) => subject,
        Err(message) => {
            // The stored document is to blame, not the changes: they stay where they are.
            tracing::error!(message, "a stored document cannot be read; its changes have to wait");
            let _ = job.changes.iter().all(|_| tell(Judgement::Waiting(Vec::new())));
            return;
        }
    };
    for bytes in &job.changes {
        let judgement = catch_unwind(AssertUnwindSafe(|| subject.judge(bytes)))
            .unwrap_or_else(|_| Judgement::Refused(subject.refused_by_panic(bytes)));
        if !tell(judgement) {
            return;
        }
    }
}

mod as_byte_strings {
    use minicbor::{
        Decoder, Encoder,
        decode::Error as DecodeError,
        encode::{Error as EncodeError, Write},
    };

    pub(super) fn encode<C, W: Write>(
        chunks: &[Vec<u8>],
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), EncodeError<W::Error>> {
        e.array(chunks.len() as u64)?;
        for chunk in chunks {
            e.bytes(chunk)?;
        }
        Ok(())
    }

    pub(super) fn decode<C>(d: &mut Decoder<'_>, _: &mut C) -> Result<Vec<Vec<u8>>, DecodeError> {
        let count = d
            .array()?
            .ok_or_else(|| DecodeError::message("an array without length"))?;
        (0..count).map(|_| d.bytes().map(<[u8]>::to_vec)).collect()
    }
}

mod as_json {
    use minicbor::{
        Decoder, Encoder,
        decode::Error as DecodeError,
        encode::{Error as EncodeError, Write},
    };

    use crate::store::Tree;

    pub(super) fn encode<C, W: Write>(tree: &Tree, e: &mut Encoder<W>, _: &mut C) -> Result<(), EncodeError<W::Error>> {
        e.str(tree.text())?.ok()
    }

    pub(super) fn decode<C>(d: &mut Decoder<'_>, _: &mut C) -> Result<Tree, DecodeError> {
        Tree::from_text(d.str()?.to_owned()).map_err(|_| DecodeError::message("a tree that is not JSON"))
    }
}

mod as_message {
    use fieldledger_core::document::Authorship;
    use minicbor::{
        Decoder, Encoder,
        decode::Error as DecodeError,
        encode::{Error as EncodeError, Write},
    };

    pub(super) fn encode<C, W: Write>(
        authorship: &Authorship,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), EncodeError<W::Error>> {
        e.array(2)?
            .str(&authorship.to_message())?
            .i64(authorship.at.as_millis())?
            .ok()
    }

    pub(super) fn decode<C>(d: &mut Decoder<'_>, _: &mut C) -> Result<Authorship, DecodeError> {
        d.array()?;
        let message = d.str()?;
        let at = d.i64()?;
        Authorship::from_message(message, at).ok_or_else(|| DecodeError::message("not an authorship"))
    }
}
