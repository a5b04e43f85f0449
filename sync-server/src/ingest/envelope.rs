//! What can be told of a change without decoding it: its name and the document it creates. Nothing here depends on what
//! the bytes say about their own sizes, so it is safe on anybody's bytes.

use fieldledger_core::{
    document::chunk::MAX_CHUNK_BYTES,
    model::{ChangeHash, DocumentId},
    sync::protocol::RejectionCode,
};
use sha2::{Digest, Sha256};

use super::validator::Refusal;

/// What every chunk of Automerge begins with.
const MAGIC: [u8; 4] = [0x85, 0x6f, 0x4a, 0x83];
/// Chunk type of a single, uncompressed change.
const CHANGE: u8 = 1;

/// What is known of a change before it is decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Envelope {
    /// Its name.
    pub(super) hash: ChangeHash,
    /// The document it creates; `None` when it builds on others.
    pub(super) creates: Option<DocumentId>,
}

impl Envelope {
    /// Reads it. The checksum in the bytes is compared with the bytes, which Automerge leaves to the caller.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, Refusal> {
        let undecodable = |message: &str| Refusal::new(RejectionCode::Undecodable, message);
        if bytes.len() > MAX_CHUNK_BYTES {
            return Err(undecodable(&format!(
                "the change is {} bytes long, at most {MAX_CHUNK_BYTES} are accepted",
                bytes.len()
            )));
        }
        let not_a_change = || undecodable("the bytes are not a change");
        let (magic, rest) = bytes.split_first_chunk::<4>().ok_or_else(not_a_change)?;
        let (checksum, rest) = rest.split_first_chunk::<4>().ok_or_else(not_a_change)?;
        let (&kind, body) = rest.split_first().ok_or_else(not_a_change)?;
        if *magic != MAGIC {
            return Err(not_a_change());
        }
        if kind != CHANGE {
            return Err(undecodable("a change has to be sent by itself and without compression"));
        }
        let (length, content) = uleb128(body).ok_or_else(not_a_change)?;
        if u64::try_from(content.len()) != Ok(length) {
            return Err(undecodable("the change is cut short or followed by something else"));
        }
        let hash: [u8; 32] = Sha256::new()
            .chain_update([CHANGE])
            .chain_update(body)
            .finalize()
            .into();
        if hash[..4] != checksum[..] {
            return Err(undecodable(
                "the change was damaged on its way: its checksum does not fit",
            ));
        }
        Ok(Self {
            hash: ChangeHash(hash),
            creates: creator(content),
        })
    }
}

/// The actor of a change that builds on nothing.
fn creator(content: &[u8]) -> Option<DocumentId> {
    let (dependencies, rest) = uleb128(content)?;
    let (length, rest) = uleb128(rest)?;
    let actor = rest.first_chunk::<16>()?;
    (dependencies == 0 && length == 16).then(|| DocumentId::from_bytes(*actor))
}

fn uleb128(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0_u64;
    for (index, byte) in bytes.iter().enumerate().take(9) {
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            // Only the shortest form: the hash covers the length as it is written.
            let shortest = index == 0 || *byte != 0;
            return shortest.then(|| (value, &bytes[index + 1..]));
        }
    }
    None
}
