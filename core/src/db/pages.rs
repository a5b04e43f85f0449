//! Rows straight from the pages of a SQLite file, for tables that SQLite itself can no longer walk.
//!
//! Every page that looks like the leaf of a table or of a table without row ids is read cell by cell
//! (<https://www.sqlite.org/fileformat2.html>), and its rows are told apart by the shape of their columns. Nothing in
//! the file is trusted: every offset is checked, and what does not fit is left out. A page in the write-ahead log counts
//! before the same page in the file.

use std::{
    collections::HashMap,
    fs::File,
    io::{self, Read as _, Seek as _, SeekFrom},
    path::Path,
};

use rusqlite::types::Value as Sql;

use super::{
    cipher::{DatabaseKey, PageCipher, RESERVED},
    with_suffix,
};
use crate::error::FieldError;

/// What rows are looked for, by their shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stored {
    /// `key, value`
    Meta,
    /// `ref, name`
    Stream,
    /// `row, id, kind, stream`
    Document,
    /// `key, hash, bytes`
    Change,
    /// `seq, change, state, relayed, code, message, dismissed`
    Outbox,
    /// `row, kind, id, stream, version, body`
    Record,
    /// `hash, path, size, state, sent`, and what came later: `document, due, tries, problem, backed_up, stored_at`. Rows
    /// that were not written since end where their version did.
    Evidence,
}

/// The page size that this build's databases have.
const USUAL_PAGE: usize = 4_096;
/// Longest row that is put together.
const MAX_ROW: usize = 4 << 20;

const TABLE_LEAF: u8 = 0x0D;
const INDEX_LEAF: u8 = 0x0A;

/// The pages of a file and of the log beside it.
pub(crate) struct Pages {
    file: File,
    size: usize,
    /// How much of a page holds content.
    usable: usize,
    cipher: Option<PageCipher>,
    count: u32,
    log: Option<File>,
    /// Where the newest version of a page is in the log.
    in_log: HashMap<u32, u64>,
}

impl Pages {
    pub(crate) fn open(path: &Path, key: Option<&DatabaseKey>) -> io::Result<Self> {
        let mut file = File::open(path)?;
        let mut header = [0; 100];
        let read = read_up_to(&mut file, &mut header)?;
        let stated = usize::from(u16::from_be_bytes([header[16], header[17]]));
        let sane = read == 100 && header.starts_with(b"SQLite format 3\0") && stated.is_power_of_two() && stated >= 512;
        let cipher = key.and_then(PageCipher::new);
        let size = if sane && cipher.is_none() { stated } else { USUAL_PAGE };
        let usable = if cipher.is_some() { size - RESERVED } else { size };
        let length = file.metadata()?.len();
        let mut pages = Self {
            file,
            size,
            usable,
            cipher,
            count: u32::try_from(length / size as u64).unwrap_or(u32::MAX),
            log: None,
            in_log: HashMap::new(),
        };
        if let Ok(mut log) = File::open(with_suffix(path, "-wal")) {
            pages.in_log = frames(&mut log, size).unwrap_or_default();
            pages.count = pages.in_log.keys().copied().max().unwrap_or(0).max(pages.count);
            pages.log = Some(log);
        }
        Ok(pages)
    }

    fn page(&mut self, number: u32) -> Option<Vec<u8>> {
        let mut page = vec![0; self.size];
        let (file, offset) = match (self.in_log.get(&number), &mut self.log) {
            (Some(offset), Some(log)) => (log, *offset),
            _ => (&mut self.file, u64::from(number.checked_sub(1)?) * self.size as u64),
        };
        file.seek(SeekFrom::Start(offset)).ok()?;
        file.read_exact(&mut page).ok()?;
        match &self.cipher {
            // A page that does not authenticate is left out.
            Some(cipher) => cipher.open(number, &mut page).then_some(page),
            None => Some(page),
        }
    }

    /// Hands every row of the shape `stored` to `take`.
    pub(crate) fn rows(
        &mut self,
        stored: Stored,
        mut take: impl FnMut(Vec<Sql>) -> Result<(), FieldError>,
    ) -> Result<(), FieldError> {
        for number in 1..=self.count {
            let Some(page) = self.page(number) else { continue };
            let start = if number == 1 { 100 } else { 0 };
            let kind = page.get(start).copied();
            let with_row_ids = match (kind, stored) {
                (Some(INDEX_LEAF), Stored::Meta | Stored::Evidence) => false,
                (Some(TABLE_LEAF), Stored::Meta | Stored::Evidence) => continue,
                (Some(TABLE_LEAF), _) => true,
                _ => continue,
            };
            let cells = u16_at(&page, start + 3).unwrap_or(0);
            for cell in 0..usize::from(cells) {
                let Some(offset) = u16_at(&page, start + 8 + 2 * cell) else {
                    break;
                };
                let Some((row_id, payload)) = self.payload(&page, usize::from(offset), with_row_ids) else {
                    continue;
                };
                if let Some(row) = record(&payload).and_then(|values| shape(stored, row_id, values)) {
                    take(row)?;
                }
            }
        }
        Ok(())
    }

    /// The row id and the whole content of a cell, put together from its overflow pages.
    fn payload(&mut self, page: &[u8], offset: usize, with_row_id: bool) -> Option<(i64, Vec<u8>)> {
        let (length, mut at) = varint(page, offset)?;
        let length = usize::try_from(length).ok().filter(|length| *length <= MAX_ROW)?;
        let row_id = if with_row_id {
            let (row_id, next) = varint(page, at)?;
            at = next;
            row_id
        } else {
            0
        };
        let usable = self.usable;
        let most = if with_row_id {
            usable - 35
        } else {
            (usable - 12) * 64 / 255 - 23
        };
        if length <= most {
            return Some((row_id, page.get(at..at + length)?.to_vec()));
        }
        let least = (usable - 12) * 32 / 255 - 23;
        let kept = least + (length - least) % (usable - 4);
        let local = if kept <= most { kept } else { least };
        let mut payload = page.get(at..at + local)?.to_vec();
        let mut next = u32_at(page, at + local)?;
        while payload.len() < length {
            let overflow = self.page(next)?;
            next = u32_at(&overflow, 0)?;
            let wanted = (length - payload.len()).min(usable - 4);
            payload.extend_from_slice(overflow.get(4..4 + wanted)?);
        }
        Some((row_id, payload))
    }
}

/// Where the newest version of each page lies in a log: the frames of its present generation.
fn frames(log: &mut File, size: usize) -> io::Result<HashMap<u32, u64>> {
    let mut header = [0; 32];
    log.seek(SeekFrom::Start(0))?;
    log.read_exact(&mut header)?;
    let salt = &header[16..24];
    let (mut committed, mut open) = (HashMap::new(), Vec::new());
    let mut offset = 32;
    loop {
        let mut frame = [0; 24];
        log.seek(SeekFrom::Start(offset))?;
        if read_up_to(log, &mut frame)? < 24 || &frame[8..16] != salt {
            return Ok(committed);
        }
        let page = u32_at(&frame, 0).unwrap_or(0);
        open.push((page, offset + 24));
        // The size of the database after a commit, 0 inside a transaction.
        if u32_at(&frame, 4) != Some(0) {
            committed.extend(open.drain(..));
        }
        offset += 24 + size as u64;
    }
}

fn read_up_to(file: &mut File, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read(&mut buffer[filled..])? {
            0 => break,
            read => filled += read,
        }
    }
    Ok(filled)
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

/// SQLite's variable-length number at `at`, and where it ends.
fn varint(bytes: &[u8], at: usize) -> Option<(i64, usize)> {
    let mut value = 0u64;
    for index in 0..8 {
        let byte = *bytes.get(at + index)?;
        value = value << 7 | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            return Some((value.cast_signed(), at + index + 1));
        }
    }
    value = value << 8 | u64::from(*bytes.get(at + 8)?);
    Some((value.cast_signed(), at + 9))
}

/// The columns of a record.
fn record(payload: &[u8]) -> Option<Vec<Sql>> {
    let (header, mut at) = varint(payload, 0)?;
    let header = usize::try_from(header).ok()?;
    let mut body = header;
    let mut values = Vec::new();
    while at < header {
        let (kind, next) = varint(payload, at)?;
        at = next;
        let integer = |length: usize| -> Option<Sql> {
            let bytes = payload.get(body..body + length)?;
            let negative = bytes.first().is_some_and(|byte| byte & 0x80 != 0);
            let start = if negative { -1i64 } else { 0 };
            Some(Sql::Integer(
                bytes.iter().fold(start, |value, byte| value << 8 | i64::from(*byte)),
            ))
        };
        let (value, length) = match kind {
            0 => (Sql::Null, 0),
            1..=4 => (integer(kind as usize)?, kind as usize),
            5 => (integer(6)?, 6),
            6 => (integer(8)?, 8),
            7 => {
                let bytes = payload.get(body..body + 8)?.try_into().ok()?;
                (Sql::Real(f64::from_be_bytes(bytes)), 8)
            }
            8 => (Sql::Integer(0), 0),
            9 => (Sql::Integer(1), 0),
            12.. => {
                let length = usize::try_from((kind - 12) / 2).ok()?;
                let bytes = payload.get(body..body.checked_add(length)?)?.to_vec();
                if kind % 2 == 0 {
                    (Sql::Blob(bytes), length)
                } else {
                    (Sql::Text(String::from_utf8(bytes).ok()?), length)
                }
            }
            _ => return None,
        };
        body += length;
        values.push(value);
    }
    Some(values)
}

/// The columns that are wanted of a row, when it has the shape that is looked for.
fn shape(stored: Stored, row_id: i64, mut values: Vec<Sql>) -> Option<Vec<Sql>> {
    let of = |index: usize| values.get(index);
    let blob = |index, length: usize| matches!(of(index), Some(Sql::Blob(bytes)) if bytes.len() == length);
    let text = |index| matches!(of(index), Some(Sql::Text(_)));
    let integer = |index| matches!(of(index), Some(Sql::Integer(_)));
    let some_blob = |index| matches!(of(index), Some(Sql::Blob(_)));
    let count = values.len();
    let fits = match stored {
        Stored::Meta => count == 2 && text(0) && some_blob(1),
        Stored::Stream => count == 8 && (blob(1, 17) || blob(1, 1)) && integer(3),
        Stored::Document => count == 17 && blob(1, 16) && integer(2),
        Stored::Change => {
            count == 3
                && some_blob(2)
                && matches!(of(1), Some(Sql::Blob(hash)) if !hash.is_empty() && hash.len() % 32 == 0)
        }
        Stored::Outbox => count == 7 && integer(1) && integer(2) && integer(3) && integer(6),
        Stored::Record => count == 12 && text(1) && text(2) && integer(3) && integer(4) && some_blob(10),
        Stored::Evidence => (5..=11).contains(&count) && blob(0, 32) && integer(2) && integer(3) && integer(4),
    };
    if !fits {
        return None;
    }
    if !matches!(stored, Stored::Meta | Stored::Evidence) {
        values[0] = Sql::Integer(row_id);
    }
    if stored == Stored::Record {
        values.swap(5, 10);
        values.truncate(6);
    }
    Some(values)
}
