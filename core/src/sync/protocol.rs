//! What phone and server say to each other: CBOR maps with integer keys, compressed with zstd.
//!
//! A message may gain keys; a reader skips keys it does not know. A server sends entries and verdicts of the kinds that
//! the request's protocol version has, never newer ones. `docs/protocol.md` teaches the exchange; golden files in
//! `tests/fixtures/wire` pin every byte.

use minicbor::{Decode, Encode, bytes::ByteArray};
use serde::{Deserialize, Serialize};

use crate::model::{
    ChangeHash, DeviceId, DocumentId, GrantClosing, LedgerRecord, OrganisationId, RecordKind, ShownGrant, Spend,
    TerritoryId, Timestamp, UserId,
};

/// The version of the protocol this build speaks.
pub const PROTOCOL: u16 = 1;

/// Path of the exchange.
pub const SYNC_PATH: &str = "/v1/sync";
/// Path of the live notification (server-sent events).
pub const LIVE_PATH: &str = "/v1/live";
/// Path where an enrolment code is exchanged for a device token.
pub const ENROL_PATH: &str = "/v1/enrol";
/// Where uploads of files of evidence begin, by the protocol tus 1.0; a file is then at `/v1/evidence/{document}/{hash}`.
pub const EVIDENCE_PATH: &str = "/v1/evidence";
/// The version of tus that is spoken, in the header `Tus-Resumable` of every request and reply about an upload.
pub const TUS_VERSION: &str = "1.0.0";
/// Media type of a part of an upload.
pub const UPLOAD_MEDIA_TYPE: &str = "application/offset+octet-stream";
/// Header of a reply about an upload: `1` when a backup of the server holds the whole file, else `0`.
pub const BACKED_UP_HEADER: &str = "fieldledger-backed-up";

/// Codes of errors about evidence, in [`ErrorBody`].
pub mod evidence_code {
    /// No document that the server has names the file, and so it is not taken (yet).
    pub const NOT_NAMED: &str = "evidence_not_named";
    /// The upload goes on at another place than the request said.
    pub const WRONG_OFFSET: &str = "wrong_offset";
    /// What arrived is not what the hash says. Everything of it is thrown away.
    pub const WRONG_HASH: &str = "wrong_hash";
    /// A later request goes on with the same upload.
    pub const SUPERSEDED: &str = "superseded";
    /// The server has no room for files at present.
    pub const STORAGE_FULL: &str = "storage_full";
    /// The phone has begun as many bytes of files as it may without finishing them.
    pub const UNFINISHED: &str = "too_much_unfinished";
}
/// Media type of request and reply of the exchange.
pub const MEDIA_TYPE: &str = "application/vnd.fieldledger.sync+cbor-zstd";

/// Largest compressed body either side accepts.
pub const MAX_BODY_BYTES: usize = 4 << 20;
/// Largest body after decompression either side accepts.
pub const MAX_DECODED_BYTES: usize = 32 << 20;
/// Most entries in one request or reply.
pub const MAX_ENTRIES: usize = 2_000;
/// Entries and bytes (before compression) that a phone puts in one request.
pub const PUSH_ENTRIES: usize = 1_000;
/// See [`PUSH_ENTRIES`].
pub const PUSH_BYTES: usize = 2 << 20;
/// Bytes of entries, before compression, that a phone asks for in one reply.
pub const PULL_BUDGET_BYTES: u32 = 2 << 20;
/// Most words about allowances in one request.
pub const MAX_WORDS: usize = 500;
/// Most streams one device follows.
pub const MAX_STREAMS: usize = 256;

/// A totally ordered log that a device may follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Enum))]
pub enum StreamId {
    /// Products, people, policies: what everybody in the company may see.
    Catalogue,
    /// The customers of a territory and everything about them.
    Territory(TerritoryId),
    /// What concerns one person.
    User(UserId),
    /// What concerns one device.
    Device(DeviceId),
    /// What only the company's finance sees. No phone follows it.
    Finance,
}

impl StreamId {
    /// The name under which the stream is stored: a tag byte, then the id.
    pub fn to_bytes(self) -> Vec<u8> {
        let (tag, id): (u8, &[u8]) = match &self {
            Self::Catalogue => (b'c', &[]),
            Self::Territory(id) => (b't', id.as_bytes()),
            Self::User(id) => (b'u', id.as_bytes()),
            Self::Device(id) => (b'd', id.as_bytes()),
            Self::Finance => (b'f', &[]),
        };
        [&[tag], id].concat()
    }

    /// Reads what [`Self::to_bytes`] wrote.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (tag, id) = bytes.split_first()?;
        let id = || <[u8; 16]>::try_from(id).ok();
        match tag {
            b'c' if bytes.len() == 1 => Some(Self::Catalogue),
            b'f' if bytes.len() == 1 => Some(Self::Finance),
            b't' => id().map(|it| Self::Territory(TerritoryId::from_bytes(it))),
            b'u' => id().map(|it| Self::User(UserId::from_bytes(it))),
            b'd' => id().map(|it| Self::Device(DeviceId::from_bytes(it))),
            _ => None,
        }
    }
}

impl<C> Encode<C> for StreamId {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut minicbor::Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.bytes(&self.to_bytes())?.ok()
    }
}

impl<'b, C> Decode<'b, C> for StreamId {
    fn decode(d: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        Self::from_bytes(d.bytes()?).ok_or_else(|| minicbor::decode::Error::message("not a stream id"))
    }
}

/// How far a device has read a stream. Lineage and chain are the server's; a device only hands them back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Cursor {
    /// Random name of the stream's history. A restored server starts a new one.
    #[n(0)]
    pub lineage: ByteArray<8>,
    /// The last entry read; 0 before the first.
    #[n(1)]
    pub seq: u64,
    /// Hash chained over the entries up to `seq`; tells a raw copy of an older database file from the real one.
    #[n(2)]
    pub chain: ByteArray<16>,
}

/// A stream with the device's place in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct StreamCursor {
    /// The stream.
    #[n(0)]
    pub stream: StreamId,
    /// The place; `None` to begin at the beginning.
    #[n(1)]
    pub cursor: Option<Cursor>,
}

/// What a phone offers.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Push {
    /// A change, with its bytes.
    #[n(0)]
    Change(#[n(0)] PushedChange),
    /// Only the name of a change that the phone holds and the server may have lost; answered with
    /// [`Verdict::Duplicate`] or [`Verdict::Wanted`], and with [`Verdict::BackedUp`] to who asks for that.
    #[n(1)]
    Offer(#[n(0)] OfferedChange),
}

/// A change of a document.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct PushedChange {
    /// The document; left out when the change creates it, because its actor is then the document's id.
    #[n(0)]
    pub document: Option<DocumentId>,
    /// The change's bytes, uncompressed.
    #[n(1)]
    #[cbor(with = "minicbor::bytes")]
    pub bytes: Vec<u8>,
    /// Made by somebody else and offered again because the server lost it; its author is then only claimed.
    #[n(2)]
    #[cbor(default)]
    pub relayed: bool,
}

/// A change by its name.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct OfferedChange {
    /// The document.
    #[n(0)]
    pub document: DocumentId,
    /// The change.
    #[n(1)]
    pub hash: ChangeHash,
    /// The phone keeps the change only until a backup covers it: answer [`Verdict::BackedUp`] when one does.
    #[n(2)]
    #[cbor(default, skip_if = "std::ops::Not::not")]
    pub until_backed_up: bool,
}

/// One exchange: what a phone has and where it is.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct SyncRequest {
    /// The protocol version spoken.
    #[n(0)]
    pub protocol: u16,
    /// The app's version, for the operator.
    #[n(1)]
    pub app_version: String,
    /// Named again in the reply, so that a late or repeated reply is told from the one that is awaited.
    #[n(2)]
    pub request_id: u64,
    /// The phone's clock.
    #[n(3)]
    pub device_time: Timestamp,
    /// Milliseconds of the phone's monotonic clock since it last heard from the server; `None` after a restart.
    #[n(4)]
    pub since_contact_millis: Option<u64>,
    /// Where the phone is in the streams it follows.
    #[n(5)]
    pub cursors: Vec<StreamCursor>,
    /// What it offers.
    #[n(6)]
    pub push: Vec<Push>,
    /// Bytes of entries, before compression, that the reply may hold. 0: push only.
    #[n(7)]
    pub budget_bytes: u32,
    /// How many changes wait on the phone after this push, for the supervisor.
    #[n(8)]
    #[cbor(default)]
    pub waiting: u32,
    /// Names the installation (kept in the keychain, not in backups): tells a restored phone from a cloned one.
    #[n(9)]
    pub installation: ByteArray<16>,
    /// What it has to tell of its offline allowances: each an [`AllowanceWord`] as JSON text. Repeated with every request
    /// until the record of the grant shows that the server knows. One that a server cannot read it leaves alone.
    #[n(10)]
    #[cbor(default)]
    pub words: Vec<String>,
}

/// What a phone tells of an offline allowance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AllowanceWord {
    /// It has spent on an order.
    Spent(Spend),
    /// It has closed the grant for good.
    Closed(GrantClosing),
    /// It holds a grant that the server, restored from a backup, does not know any more.
    Shown(ShownGrant),
}

/// The server's answer to one exchange.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct SyncResponse {
    /// The protocol version spoken.
    #[n(0)]
    pub protocol: u16,
    /// The request's [`SyncRequest::request_id`].
    #[n(1)]
    pub request_id: u64,
    /// The server's clock.
    #[n(2)]
    pub server_time: Timestamp,
    /// The answer to each pushed item in order, equal neighbours counted together.
    #[n(3)]
    #[cbor(default)]
    pub verdicts: Vec<VerdictRun>,
    /// What is new in the streams. A stream without news is left out.
    #[n(4)]
    #[cbor(default)]
    pub streams: Vec<StreamPage>,
    /// Streams the user may no longer read: drop them once nothing of their own is unsent.
    #[n(5)]
    #[cbor(default)]
    pub withdrawn: Vec<StreamId>,
    /// Up to where the server's backup covers each stream it has backed up, where that changed since the cursor.
    #[n(6)]
    #[cbor(default)]
    pub backed_up: Vec<StreamMark>,
    /// A new device token that replaces the one used; the old one stays valid until the new one is used.
    #[n(7)]
    pub new_token: Option<String>,
}

/// A stream and a seq in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct StreamMark {
    /// The stream.
    #[n(0)]
    pub stream: StreamId,
    /// The seq.
    #[n(1)]
    pub seq: u64,
}

impl StreamMark {
    /// Reads the data of a live event: `{"stream": <its name in hexadecimal digits>, "seq": <number>}`.
    pub fn from_text(data: &str) -> Option<Self> {
        let value: serde_json::Value = serde_json::from_str(data).ok()?;
        let digits = value.get("stream")?.as_str()?;
        if digits.len() > 34 || digits.len() % 2 != 0 || !digits.is_ascii() {
            return None;
        }
        let name: Option<Vec<u8>> = (0..digits.len() / 2)
            .map(|at| u8::from_str_radix(&digits[at * 2..at * 2 + 2], 16).ok())
            .collect();
        Some(Self {
            stream: StreamId::from_bytes(&name?)?,
            seq: value.get("seq")?.as_u64()?,
        })
    }
}

/// The same answer to several pushed items in a row.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct VerdictRun {
    /// To how many.
    #[n(0)]
    pub count: u32,
    /// The answer.
    #[n(1)]
    pub verdict: Verdict,
}

/// The answer to one pushed item.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Verdict {
    /// Stored.
    #[n(0)]
    Accepted,
    /// Was already here.
    #[n(1)]
    Duplicate,
    /// Not stored among the documents; a copy is in quarantine for the supervisor.
    #[n(2)]
    Rejected(#[n(0)] Rejection),
    /// Offered by name and not here: send its bytes.
    #[n(3)]
    Wanted,
    /// Not looked at, because something it builds on has not arrived or the request was too large. Push it again.
    #[n(4)]
    Later,
    /// Here, and a backup covers it. Only said of an offer that asks for it.
    #[n(5)]
    BackedUp,
}

/// Why a change was not stored.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Rejection {
    /// The reason, for software.
    #[n(0)]
    pub code: RejectionCode,
    /// The reason, for the person who made the change.
    #[n(1)]
    pub message: String,
}

/// Why a change was not stored. A code that this build does not know is read as [`RejectionCode::Other`]: the message
/// says the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode)]
#[cbor(index_only)]
pub enum RejectionCode {
    /// The bytes are not a change, are too large, nest too deeply or do harm.
    #[n(0)]
    Undecodable,
    /// Not made by the person who pushes it.
    #[n(1)]
    WrongAuthor,
    /// About a customer of a territory that the person has no access to.
    #[n(2)]
    WrongTerritory,
    /// The person's role may not do that.
    #[n(3)]
    NotAllowed,
    /// The document would break a rule of its model.
    #[n(4)]
    Invalid,
    /// A different change with the same actor and seq is stored: make the edit again under a new actor.
    #[n(5)]
    ActorCollision,
    /// The customer is not known here.
    #[n(6)]
    UnknownCustomer,
    /// A code of a newer server.
    #[n(255)]
    Other,
}

impl RejectionCode {
    /// Every code, in the order of their numbers.
    pub const ALL: [Self; 8] = [
        Self::Undecodable,
        Self::WrongAuthor,
        Self::WrongTerritory,
        Self::NotAllowed,
        Self::Invalid,
        Self::ActorCollision,
        Self::UnknownCustomer,
        Self::Other,
    ];

    /// The number on the wire.
    pub const fn number(self) -> u32 {
        match self {
            Self::Undecodable => 0,
            Self::WrongAuthor => 1,
            Self::WrongTerritory => 2,
            Self::NotAllowed => 3,
            Self::Invalid => 4,
            Self::ActorCollision => 5,
            Self::UnknownCustomer => 6,
            Self::Other => 255,
        }
    }

    /// The code with this number.
    pub fn from_number(number: u32) -> Self {
        let known = Self::ALL.into_iter().find(|code| code.number() == number);
        known.unwrap_or(Self::Other)
    }
}

impl<'b, C> Decode<'b, C> for RejectionCode {
    fn decode(d: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        d.u32().map(Self::from_number)
    }
}

/// What is new in one stream.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct StreamPage {
    /// The stream.
    #[n(0)]
    pub stream: StreamId,
    /// The cursor in the request does not belong to this history: these entries begin at the beginning, and everything
    /// that the phone holds of the stream is to be offered again.
    #[n(1)]
    #[cbor(default)]
    pub restart: bool,
    /// The entries after the cursor, without those that the request itself pushed.
    #[n(2)]
    #[cbor(default)]
    pub entries: Vec<Entry>,
    /// The cursor after these entries.
    #[n(3)]
    pub next: Cursor,
    /// More is waiting.
    #[n(4)]
    #[cbor(default)]
    pub more: bool,
}

/// One entry of a stream.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Entry {
    /// A change of a document.
    #[n(0)]
    Change(#[n(0)] ChangeEntry),
    /// A whole document in one chunk, in place of its changes.
    #[n(1)]
    Snapshot(#[n(0)] SnapshotEntry),
    /// A version of a ledger record.
    #[n(2)]
    Record(#[n(0)] RecordEntry),
    /// A document that has left this stream: moved to another, or past retention.
    #[n(3)]
    GoneDocument(#[n(0)] DocumentId),
    /// A record that has left this stream.
    #[n(4)]
    GoneRecord(#[n(0)] RecordName),
}

/// A change of a document.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct ChangeEntry {
    /// The document; left out when the change creates it.
    #[n(0)]
    pub document: Option<DocumentId>,
    /// The change's bytes, uncompressed.
    #[n(1)]
    #[cbor(with = "minicbor::bytes")]
    pub bytes: Vec<u8>,
    /// When the server received it, by its clock.
    #[n(2)]
    pub received_at: Timestamp,
}

/// A whole document.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct SnapshotEntry {
    /// The document.
    #[n(0)]
    pub document: DocumentId,
    /// The saved document, uncompressed.
    #[n(1)]
    #[cbor(with = "minicbor::bytes")]
    pub bytes: Vec<u8>,
    /// When the server received its newest change.
    #[n(2)]
    pub received_at: Timestamp,
}

/// The name of a ledger record on the wire.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct RecordName {
    /// Stored name of its [`RecordKind`].
    #[n(0)]
    pub kind: String,
    /// Its key within the kind.
    #[n(1)]
    pub id: String,
}

/// A version of a ledger record.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct RecordEntry {
    /// Which record.
    #[n(0)]
    pub name: RecordName,
    /// Its version, counted from 1.
    #[n(1)]
    pub version: u64,
    /// Its content as JSON.
    #[n(2)]
    pub json: String,
}

impl RecordEntry {
    /// The record, typed; `None` for a kind that this build does not know.
    ///
    /// # Errors
    /// When the content is not what the kind needs.
    pub fn record(&self) -> serde_json::Result<Option<LedgerRecord>> {
        LedgerRecord::from_json(&RecordKind::from_name(&self.name.kind), &self.json)
    }
}

/// What a phone sends to become a device. JSON.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct EnrolRequest {
    /// The one-time code that an administrator made.
    pub code: String,
    /// What to call the device: model and owner.
    pub device_name: String,
    /// `ios`, `android`, `cli`, ….
    pub platform: String,
    /// The app's version.
    pub app_version: String,
    /// Random name of the installation, 32 hexadecimal digits.
    pub installation: String,
}

/// What an enrolled phone knows of itself. JSON.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct EnrolResponse {
    /// The company.
    pub organisation: OrganisationId,
    /// Its name.
    pub organisation_name: String,
    /// The person.
    pub user: UserId,
    /// Their name.
    pub user_name: String,
    /// What they may do.
    pub roles: Vec<crate::model::Role>,
    /// The device.
    pub device: DeviceId,
    /// Secret that authenticates the device from now on.
    pub token: String,
    /// The server's clock.
    pub server_time: Timestamp,
}

/// An error as every route of the server tells it. JSON.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ErrorBody {
    /// Stable name of the error, for software: `revoked`, `sign_in_again`, `code_expired`, `newer_app_needed`, ….
    pub code: String,
    /// What happened and what to do, for a person.
    pub message: String,
}

/// A body that is not a message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// More bytes than either side accepts.
    #[error("the message is larger than {MAX_DECODED_BYTES} bytes")]
    TooLarge,
    /// Cut short, damaged, or something else altogether, such as the page of a captive portal.
    #[error("the message cannot be read: {0}")]
    Malformed(String),
}

/// Encodes and compresses a message.
///
/// # Errors
/// [`WireError::Malformed`] when zstd fails, which it does only without memory.
pub fn pack<T: Encode<()>>(message: &T) -> Result<Vec<u8>, WireError> {
    let cbor = minicbor::to_vec(message).map_err(|error| WireError::Malformed(error.to_string()))?;
    zstd::bulk::compress(&cbor, COMPRESSION_LEVEL).map_err(|error| WireError::Malformed(error.to_string()))
}

/// zstd level of messages: higher ones cost more time than the bytes they save are worth on a phone.
const COMPRESSION_LEVEL: i32 = 3;

/// Decompresses and decodes a message, within [`MAX_DECODED_BYTES`].
///
/// # Errors
/// [`WireError`].
pub fn unpack<T: for<'b> Decode<'b, ()>>(body: &[u8]) -> Result<T, WireError> {
    use std::io::Read as _;
    let malformed = |error: &dyn std::fmt::Display| WireError::Malformed(error.to_string());
    let decoder = zstd::stream::read::Decoder::with_buffer(body).map_err(|error| malformed(&error))?;
    let mut cbor = Vec::new();
    let limit = MAX_DECODED_BYTES as u64 + 1;
    decoder
        .take(limit)
        .read_to_end(&mut cbor)
        .map_err(|error| malformed(&error))?;
    if cbor.len() > MAX_DECODED_BYTES {
        return Err(WireError::TooLarge);
    }
    let mut reader = minicbor::Decoder::new(&cbor);
    let message = reader.decode().map_err(|error| malformed(&error))?;
    if reader.position() == cbor.len() {
        Ok(message)
    } else {
        Err(WireError::Malformed("bytes follow the message".to_owned()))
    }
}
