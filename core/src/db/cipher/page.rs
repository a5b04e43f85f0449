//! One page of a SQLCipher file, read without SQLCipher: to tell whether a key is right, and to salvage pages of a file
//! that SQLCipher gives up on as a whole.
//!
//! A page is AES-256 in CBC mode, then 16 bytes of initialisation vector and the HMAC-SHA512 of both with the page's
//! number. The first page has the salt in place of its first 16 bytes, which are the same in every SQLite file.

use aes::cipher::{BlockModeDecrypt as _, KeyIvInit as _, block_padding::NoPadding};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha512;
use zeroize::Zeroizing;

use super::{DatabaseKey, PAGE, foreign::SQLITE};

/// What is kept free at the end of each page.
pub(crate) const RESERVED: usize = VECTOR + CODE;
const VECTOR: usize = 16;
const CODE: usize = 64;
/// With what the salt is masked for the key of the HMAC, and how often that key is stirred: SQLCipher's constants.
const MASK: u8 = 0x3a;
const ROUNDS: u32 = 2;

/// The salt of a file with this key. It follows from the key so that a file tells by its first bytes whose it is; it
/// gives nothing away of a key that is random.
pub(crate) fn salt(key: &DatabaseKey) -> [u8; 16] {
    let code = code(key.as_bytes(), &[b"fieldledger: salt of a phone's database"]);
    let mut salt = [0; 16];
    salt.copy_from_slice(&code[..16]);
    salt
}

fn code(key: &[u8; 32], parts: &[&[u8]]) -> [u8; CODE] {
    let mut hmac = hmac_with(key);
    for part in parts {
        hmac.update(part);
    }
    hmac.finalize().into_bytes().into()
}

#[allow(clippy::expect_used)]
fn hmac_with(key: &[u8; 32]) -> Hmac<Sha512> {
    Hmac::new_from_slice(key).expect("a key of an HMAC may have any length")
}

/// What reads the pages of a file.
pub(crate) struct PageCipher {
    key: DatabaseKey,
    for_codes: Zeroizing<[u8; 32]>,
    salt: [u8; 16],
}

impl PageCipher {
    pub(crate) fn new(key: &DatabaseKey) -> Option<Self> {
        let salt = salt(key);
        let mut for_codes = Zeroizing::new([0; 32]);
        let masked = salt.map(|byte| byte ^ MASK);
        pbkdf2::pbkdf2::<Hmac<Sha512>>(key.as_bytes(), &masked, ROUNDS, &mut for_codes[..]).ok()?;
        Some(Self {
            key: key.clone(),
            for_codes,
            salt,
        })
    }

    /// Whether a file with this key begins so.
    pub(crate) fn begins(&self, start: &[u8]) -> bool {
        start.starts_with(&self.salt)
    }

    /// Whether the page was written with this key and is whole. Of the first page the salt does not count.
    pub(crate) fn wrote(&self, number: u32, page: &[u8]) -> bool {
        if page.len() != PAGE {
            return false;
        }
        let mut hmac = hmac_with(&self.for_codes);
        hmac.update(&page[start(number)..PAGE - CODE]);
        hmac.update(&number.to_le_bytes());
        hmac.verify_slice(&page[PAGE - CODE..]).is_ok()
    }

    /// Decrypts the page in place; `false` when it was not written with this key or is damaged.
    pub(crate) fn open(&self, number: u32, page: &mut [u8]) -> bool {
        if !self.wrote(number, page) {
            return false;
        }
        let (content, reserved) = page.split_at_mut(PAGE - RESERVED);
        let mut vector = [0; VECTOR];
        vector.copy_from_slice(&reserved[..VECTOR]);
        let cipher = cbc::Decryptor::<aes::Aes256>::new(self.key.as_bytes().into(), &vector.into());
        if number == 1 {
            content[..SQLITE.len()].copy_from_slice(SQLITE);
        }
        cipher
            .decrypt_padded::<NoPadding>(&mut content[start(number)..])
            .is_ok()
    }
}

/// Where the encrypted part of a page begins.
fn start(number: u32) -> usize {
    if number == 1 { SQLITE.len() } else { 0 }
}
