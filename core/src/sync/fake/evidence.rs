//! The part of the server that takes files of evidence, in memory, by the rules of the wire.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use sha2::{Digest as _, Sha256};

use super::FakeServer;
use crate::{
    document::{self, Chunk, Summary, tree},
    model::{DocumentId, EvidenceHash},
    sync::{
        protocol::Entry,
        transport::{Held, TransportFault, Upload, UploadFault},
    },
};

/// What goes wrong with the next part that is sent.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Trouble {
    /// Nothing.
    None,
    /// So many bytes of it arrive, then the connection is cut.
    Cut(usize),
    /// So many bytes of it arrive, and nobody answers.
    Timeout(usize),
    /// All of it arrives, and the reply is lost.
    ReplyLost,
    /// A byte of it is turned on the way.
    Damaged,
    /// The server has forgotten what it had of the file.
    Forgotten,
    /// Another request went on with the file.
    Superseded,
    /// Says so and nothing else.
    Fault(&'static str),
}

/// What was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    Begun(EvidenceHash),
    /// The hash, where the part begins, and how long it is.
    Sent(EvidenceHash, u64, usize),
}

#[derive(Default)]
pub(crate) struct FakeEvidence {
    pub(crate) begun: BTreeMap<EvidenceHash, Vec<u8>>,
    pub(crate) stored: BTreeMap<EvidenceHash, Vec<u8>>,
    pub(crate) backed_up: BTreeSet<EvidenceHash>,
    pub(crate) troubles: VecDeque<Trouble>,
    pub(crate) asked: Vec<Asked>,
    /// Refused whatever happens.
    pub(crate) unwanted: BTreeSet<EvidenceHash>,
    /// Every request is answered with it.
    pub(crate) fault: Option<TransportFault>,
    /// The largest part that gets through.
    pub(crate) widest: Option<usize>,
}

impl FakeEvidence {
    fn held(&self, hash: EvidenceHash) -> Held {
        let stored = self.stored.get(&hash);
        let bytes = stored.or_else(|| self.begun.get(&hash));
        Held {
            offset: bytes.map_or(0, |bytes| bytes.len() as u64),
            backed_up: stored.is_some() && self.backed_up.contains(&hash),
        }
    }

    pub(crate) fn begin(&mut self, server: &FakeServer, upload: &Upload) -> Result<Held, UploadFault> {
        self.asked.push(Asked::Begun(upload.hash));
        if let Some(fault) = &self.fault {
            return Err(fault.clone().into());
        }
        if self.unwanted.contains(&upload.hash) {
            let message = "no videos, please".to_owned();
            return Err(UploadFault::Refused { message });
        }
        if !names(server, upload.document, upload.hash) {
            let message = "no document here names the file".to_owned();
            return Err(UploadFault::NotNamed { message });
        }
        if !self.stored.contains_key(&upload.hash) {
            self.begun.entry(upload.hash).or_default();
        }
        Ok(self.held(upload.hash))
    }

    pub(crate) fn append(&mut self, upload: &Upload, offset: u64, part: &[u8]) -> Result<Held, UploadFault> {
        let hash = upload.hash;
        self.asked.push(Asked::Sent(hash, offset, part.len()));
        if let Some(fault) = &self.fault {
            return Err(fault.clone().into());
        }
        if self.widest.is_some_and(|widest| part.len() > widest) {
            return Err(TransportFault::TooLarge.into());
        }
        let trouble = self.troubles.pop_front();
        let mut part = part.to_vec();
        match trouble {
            Some(Trouble::Cut(bytes) | Trouble::Timeout(bytes)) => part.truncate(bytes),
            Some(Trouble::Damaged) => part[0] ^= 1,
            Some(Trouble::Forgotten) => {
                self.begun.remove(&hash);
            }
            Some(Trouble::Superseded) => return Err(UploadFault::WrongOffset),
            Some(Trouble::Fault(message)) => return Err(TransportFault::Server(message.to_owned()).into()),
            Some(Trouble::ReplyLost | Trouble::None) | None => {}
        }
        let bytes = self.begun.get_mut(&hash).ok_or(UploadFault::Gone)?;
        if bytes.len() as u64 != offset {
            return Err(UploadFault::WrongOffset);
        }
        bytes.extend(part);
        assert!(bytes.len() as u64 <= upload.size, "more than was announced");
        if bytes.len() as u64 == upload.size {
            let bytes = self.begun.remove(&hash).unwrap();
            if Sha256::digest(&bytes)[..] != hash.0 {
                return Err(UploadFault::Corrupt);
            }
            self.stored.insert(hash, bytes);
        }
        match trouble {
            Some(Trouble::Cut(_) | Trouble::ReplyLost) => Err(TransportFault::Offline.into()),
            Some(Trouble::Timeout(_)) => Err(TransportFault::Timeout.into()),
            _ => Ok(self.held(hash)),
        }
    }

    /// A server restored from a backup without files.
    pub(crate) fn lose_everything(&mut self) {
        self.begun.clear();
        self.stored.clear();
        self.backed_up.clear();
    }

    pub(crate) fn back_up(&mut self) {
        self.backed_up = self.stored.keys().copied().collect();
    }

    /// The parts that were sent of a file: where each began, and how long it was.
    pub(crate) fn parts(&self, of: EvidenceHash) -> Vec<(u64, usize)> {
        let part = |asked: &Asked| match asked {
            Asked::Sent(hash, offset, length) if *hash == of => Some((*offset, *length)),
            _ => None,
        };
        self.asked.iter().filter_map(part).collect()
    }

    /// Files in the order in which the server was first asked about them.
    pub(crate) fn order(&self) -> Vec<EvidenceHash> {
        let mut order = Vec::new();
        for asked in &self.asked {
            if let Asked::Begun(hash) = asked
                && !order.contains(hash)
            {
                order.push(*hash);
            }
        }
        order
    }
}

/// Whether a document of the server names a file.
fn names(server: &FakeServer, id: DocumentId, hash: EvidenceHash) -> bool {
    let of_document = |entry: &Entry| match entry {
        Entry::Change(change) => {
            let chunk = Chunk::read(change.bytes.clone()).ok()?;
            (change.document.or_else(|| chunk.creates()) == Some(id)).then(|| change.bytes.clone())
        }
        _ => None,
    };
    let chunks: Vec<_> = server.streams.values().flatten().filter_map(of_document).collect();
    let found = document::open(&chunks);
    found.is_ok_and(|document| Summary::of(&tree::of(&document)).evidence.contains(&hash))
}
