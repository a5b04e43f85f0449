//! What a file looks like from outside.

use std::{
    fs::File,
    io::{Read as _, Seek as _, SeekFrom},
    path::Path,
};

use super::{PAGE, foreign, with_suffix};
use crate::db::salvage::NOTE;

/// How many pages are looked at.
const PAGES: u64 = 64;

/// What a file looks like without a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// There is none, or nothing in it.
    Nothing,
    /// It begins like every SQLite file.
    Plain,
    /// Nothing but random bytes: encrypted.
    Sealed,
    /// Anything else: a damaged plain database, or no database.
    Other,
}

/// Looks at a file and changes nothing.
pub(crate) fn at(path: &Path) -> Look {
    let Ok(mut file) = File::open(path) else {
        return Look::Nothing;
    };
    let mut start = [0; 16];
    match foreign::read_up_to(&mut file, &mut start) {
        0 => Look::Nothing,
        read if start[..read] == foreign::SQLITE[..read] => Look::Plain,
        _ if is_sealed(&mut file, path) => Look::Sealed,
        _ => Look::Other,
    }
}

/// Whether a file looks like an encrypted database.
pub(crate) fn looks_sealed(path: &Path) -> bool {
    at(path) == Look::Sealed
}

/// `count` numbers from 0 below `length`, or fewer, evenly spread.
pub(crate) fn spread(length: u64, count: u64) -> impl Iterator<Item = u64> {
    let count = count.min(length);
    (0..count).map(move |index| index * length / count.max(1))
}

/// Most pages of an encrypted file are random bytes. A plain one may have pages full of compressed values, but never
/// without pages that begin as SQLite's do; by chance one random page may.
fn is_sealed(file: &mut File, path: &Path) -> bool {
    let length = file.metadata().map_or(0, |it| it.len());
    // Other files of random bytes, such as photos and archives, seldom end with a page; a database may have been cut.
    if !length.is_multiple_of(PAGE as u64) && !foreign::has_log(path) && !with_suffix(path, NOTE).exists() {
        return false;
    }
    let mut page = vec![0; PAGE];
    let (mut looked, mut random, mut plain) = (0, 0, 0);
    for index in spread(length / PAGE as u64, PAGES) {
        if file.seek(SeekFrom::Start(index * PAGE as u64)).is_err() || file.read_exact(&mut page).is_err() {
            return false;
        }
        looked += 1;
        random += usize::from(is_random(&page));
        let head: Option<&[u8; 8]> = page.first_chunk();
        plain += usize::from(index > 0 && head.is_some_and(foreign::is_page));
    }
    2 * random > looked && plain <= 1
}

/// Whether each byte occurs about as often as every other, but not exactly so: chi-squared with 255 degrees of freedom,
/// whose mean is 255 and standard deviation 23.
fn is_random(page: &[u8]) -> bool {
    let mut counts = [0u32; 256];
    for byte in page {
        counts[usize::from(*byte)] += 1;
    }
    let expected = page.len() as f64 / 256.0;
    let squares: f64 = counts.iter().map(|it| (f64::from(*it) - expected).powi(2)).sum();
    (100.0..450.0).contains(&(squares / expected))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::fs;

    use rand::{Rng as _, SeedableRng as _};
    use rand_chacha::ChaCha12Rng;

    use super::*;

    fn noise(seed: u64, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        ChaCha12Rng::seed_from_u64(seed).fill_bytes(&mut bytes);
        bytes
    }

    #[test]
    fn random_pages_are_told_from_text_patterns_and_compressed_values() {
        assert!((0..2_000).all(|seed| is_random(&noise(seed, PAGE))));
        let pattern: Vec<u8> = (0..PAGE).map(|it| (it * 167 + 13) as u8).collect();
        assert!(!is_random(&pattern));
        assert!(!is_random(&[0; PAGE]));
        assert!(!is_random(&b"call Zhang about the tea\n".repeat(200)[..PAGE]));
    }

    #[test]
    fn pages_of_noise_are_an_encrypted_database_and_other_files_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        assert_eq!(at(&path), Look::Nothing);
        let look = |bytes: &[u8]| {
            fs::write(&path, bytes).unwrap();
            at(&path)
        };
        assert_eq!(look(b""), Look::Nothing);
        assert_eq!(look(b"SQLite format 3\0 and more"), Look::Plain);
        assert_eq!(look(&noise(1, 30 * PAGE)), Look::Sealed);
        assert_eq!(look(&noise(1, 30 * PAGE + 100)), Look::Other, "an archive, say");
        assert_eq!(
            look(&"call Zhang about the tea\n".repeat(8_192).into_bytes()),
            Look::Other
        );
        // Damage does not make it another program's file: pages of zeros where some should be.
        let mut damaged = noise(2, 30 * PAGE);
        damaged[..10 * PAGE].fill(0);
        assert_eq!(look(&damaged), Look::Sealed);
        // One cut short is known by the note beside it.
        fs::write(with_suffix(&path, NOTE), "a page").unwrap();
        assert_eq!(look(&noise(1, 30 * PAGE + 100)), Look::Sealed);
    }

    #[test]
    fn numbers_are_spread_over_the_whole_length() {
        assert_eq!(spread(3, 64).collect::<Vec<_>>(), [0, 1, 2]);
        assert_eq!(spread(1_000, 4).collect::<Vec<_>>(), [0, 250, 500, 750]);
        assert_eq!(spread(0, 4).count(), 0);
    }
}
