//! Tells a file that was never a phone's database from one that is damaged. Only the latter is set aside and salvaged;
//! the former is somebody's work and is not touched.

use std::{
    fs::File,
    io::{Read as _, Seek as _, SeekFrom},
    path::Path,
};

use rusqlite::{Connection, OpenFlags};

use super::{cipher, salvage::NOTE, with_suffix};
use crate::{error::FieldError, model::InvalidField};

/// How every SQLite file begins.
pub(super) const SQLITE: &[u8; 16] = b"SQLite format 3\0";
/// How every write-ahead log begins, but for the last bit, which says the order of bytes in its checksums.
const WAL: u32 = 0x377f_0682;
/// The size of the pages that a phone's database is made of, in bytes.
const PAGE: u16 = 4_096;
/// How many pages are looked at when the first is unreadable.
const PAGES: u64 = 256;

/// Refuses what is certainly no database of a phone, having changed nothing. What is not there, is empty, or was one
/// once passes.
///
/// # Errors
/// [`FieldError::Invalid`] naming `path`, with what to do instead.
pub(crate) fn refuse(path: &Path) -> Result<(), FieldError> {
    let refused = |what: &str| {
        let message = format!(
            "{} {what}; nothing in it was touched. Name the phone's database, or a new file",
            path.display()
        );
        Err(FieldError::Invalid(InvalidField::new("path", message)))
    };
    let Ok(metadata) = std::fs::metadata(path) else {
        return Ok(());
    };
    if !metadata.is_file() {
        return refused(if metadata.is_dir() { "is a folder" } else { "is no file" });
    }
    if metadata.len() == 0 || with_suffix(path, NOTE).exists() {
        return Ok(());
    }
    let Ok(mut file) = File::open(path) else {
        // Opening it properly says why.
        return Ok(());
    };
    let mut start = [0; 16];
    let read = read_up_to(&mut file, &mut start);
    if start[..read] == SQLITE[..read] {
        return match tables(path) {
            Some(tables) if !tables.is_empty() && !tables.iter().any(|it| OURS.contains(&it.as_str())) => {
                refused("is a database of another program")
            }
            _ => Ok(()),
        };
    }
    if cipher::looks_sealed(path) || has_log(path) || has_pages(&mut file, metadata.len()) {
        // It is encrypted, or the first page is damaged and the others are pages still.
        return Ok(());
    }
    refused("is not a database")
}

/// Tables of which a phone's database has at least one.
const OURS: [&str; 4] = ["meta", "change", "document", "outbox"];

/// The tables in the file itself; `None` when they cannot be read. Leaves no log, lock or other file behind.
fn tables(path: &Path) -> Option<Vec<String>> {
    let escaped = path
        .to_str()?
        .replace('%', "%25")
        .replace('?', "%3f")
        .replace('#', "%23");
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
    let connection = Connection::open_with_flags(format!("file:{escaped}?immutable=1"), flags).ok()?;
    let mut statement = connection
        .prepare("SELECT name FROM sqlite_master WHERE type = 'table'")
        .ok()?;
    let names = statement.query_map([], |row| row.get(0)).ok()?;
    names.collect::<Result<_, _>>().ok()
}

/// Whether SQLite's log of changes lies beside the file.
pub(super) fn has_log(path: &Path) -> bool {
    let mut start = [0; 4];
    File::open(with_suffix(path, "-wal")).is_ok_and(|mut log| log.read_exact(&mut start).is_ok())
        && u32::from_be_bytes(start) & !1 == WAL
}

/// Whether a page of a table or an index is found behind the first page.
fn has_pages(file: &mut File, length: u64) -> bool {
    let size = u64::from(PAGE);
    (1..(length / size).min(PAGES)).any(|number| {
        let mut head = [0; 8];
        file.seek(SeekFrom::Start(number * size)).is_ok() && file.read_exact(&mut head).is_ok() && is_page(&head)
    })
}

/// Whether a page may begin like this: its kind, then how many cells it has and where their content starts, which must
/// leave room for the cells' addresses. Text never fits: two letters make a number of cells that no page has room for.
pub(super) fn is_page(head: &[u8; 8]) -> bool {
    let cells = u16::from_be_bytes([head[3], head[4]]);
    let content = u16::from_be_bytes([head[5], head[6]]);
    let header: u16 = match head[0] {
        2 | 5 => 12,
        10 | 13 => 8,
        _ => return false,
    };
    cells > 0
        && content <= PAGE
        && cells
            .checked_mul(2)
            .and_then(|it| it.checked_add(header))
            .is_some_and(|end| end <= content)
}

pub(super) fn read_up_to(file: &mut File, into: &mut [u8]) -> usize {
    let mut read = 0;
    while read < into.len() {
        match file.read(&mut into[read..]) {
            Ok(0) | Err(_) => break,
            Ok(more) => read += more,
        }
    }
    read
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::fs;

    use super::*;

    /// Every file of the folder with its content.
    fn everything(folder: &Path) -> Vec<(std::ffi::OsString, Vec<u8>)> {
        let mut all: Vec<_> = fs::read_dir(folder)
            .unwrap()
            .map(|it| it.unwrap())
            .filter(|it| it.path().is_file())
            .map(|it| (it.file_name(), fs::read(it.path()).unwrap()))
            .collect();
        all.sort();
        all
    }

    #[test]
    fn somebodys_files_are_refused_and_not_touched() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("notes.txt"), "call Zhang about the tea\n".repeat(2_000)).unwrap();
        fs::write(at("blank lines.txt"), "\n".repeat(50_000)).unwrap();
        fs::write(at("short.txt"), "x").unwrap();
        fs::write(
            at("photo.jpg"),
            (0..50_000u32).map(|it| (it * 7 % 251) as u8).collect::<Vec<_>>(),
        )
        .unwrap();
        for mode in ["DELETE", "WAL"] {
            let other = Connection::open(at(&format!("other {mode}?#.db"))).unwrap();
            other.pragma_update(None, "journal_mode", mode).unwrap();
            other
                .execute_batch("CREATE TABLE recipe (name TEXT); INSERT INTO recipe VALUES ('soup')")
                .unwrap();
        }
        fs::create_dir(at("folder")).unwrap();
        let before = everything(folder.path());
        for (name, what) in [
            ("notes.txt", "is not a database"),
            ("blank lines.txt", "is not a database"),
            ("short.txt", "is not a database"),
            ("photo.jpg", "is not a database"),
            ("other DELETE?#.db", "is a database of another program"),
            ("other WAL?#.db", "is a database of another program"),
            ("folder", "is a folder"),
        ] {
            let refused = refuse(&at(name)).unwrap_err();
            let FieldError::Invalid(invalid) = &refused else {
                panic!("{refused:?}")
            };
            assert_eq!(invalid.field, "path");
            assert!(invalid.message.contains(what), "{name}: {refused}");
        }
        assert_eq!(everything(folder.path()), before);
    }

    #[test]
    fn nothing_an_empty_file_and_what_was_a_database_once_pass() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        refuse(&at("new.db")).unwrap();
        fs::write(at("empty.db"), "").unwrap();
        refuse(&at("empty.db")).unwrap();
        // Its first page is lost, and so are most of the others; it lies in its log.
        fs::write(at("log.db"), [0xa5; 10_000]).unwrap();
        refuse(&at("log.db")).unwrap_err();
        fs::write(at("log.db-wal"), 0x377f_0683u32.to_be_bytes()).unwrap();
        refuse(&at("log.db")).unwrap();
        // Somebody noted that it is damaged.
        fs::write(at("noted.db"), [0xa5; 10_000]).unwrap();
        fs::write(at("noted.db-damaged"), "a page").unwrap();
        refuse(&at("noted.db")).unwrap();
    }
}
