//! Secrets: device tokens, session cookies, enrolment codes. Only their SHA-256 is stored, so a stolen database opens
//! nothing.

use std::sync::{Arc, Mutex, PoisonError};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha20Rng;
use sha2::{Digest as _, Sha256};

/// Where secrets come from.
#[derive(Clone)]
pub struct Secrets(Arc<Mutex<ChaCha20Rng>>);

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secrets")
    }
}

impl Secrets {
    /// Secrets nobody can foresee, keyed by the operating system.
    ///
    /// # Errors
    /// When the operating system has no randomness to give.
    pub fn from_system() -> Result<Self, getrandom::Error> {
        let mut seed = [0u8; 32];
        getrandom::fill(&mut seed)?;
        Ok(Self(Arc::new(Mutex::new(ChaCha20Rng::from_seed(seed)))))
    }
    /// The same secrets for the same seed, for simulations that must replay.
    pub fn seeded(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(ChaCha20Rng::seed_from_u64(seed))))
    }
    /// `N` random bytes.
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0u8; N];
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .fill_bytes(&mut bytes);
        bytes
    }
    /// A token of 32 random bytes, as text for headers and cookies.
    pub fn token(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.bytes::<32>())
    }
    /// An enrolment code: 60 random bits as twelve characters that are easy to read out, `XXXX-XXXX-XXXX`.
    pub fn enrolment_code(&self) -> String {
        let characters: Vec<char> = self
            .bytes::<12>()
            .iter()
            .map(|byte| char::from(CROCKFORD[usize::from(byte & 31)]))
            .collect();
        let groups: Vec<String> = characters.chunks(4).map(|group| group.iter().collect()).collect();
        groups.join("-")
    }
}

/// Crockford's alphabet: no I, L, O and U, which people mistake for 1, 1, 0 and V.
const CROCKFORD: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// An enrolment code as it was made from what a person typed: small letters, missing or other hyphens, and the letters
/// that Crockford's alphabet leaves out are forgiven. `None` when it cannot be a code.
pub fn normal_code(typed: &str) -> Option<String> {
    let mut code = String::with_capacity(14);
    let mut count = 0;
    for character in typed.chars() {
        // Full-width forms and long dashes come from Chinese keyboards and from text processors.
        let character = match character {
            '\u{ff01}'..='\u{ff5e}' => char::from_u32(character as u32 - 0xfee0).unwrap_or(character),
            other => other,
        };
        let character = match character.to_ascii_uppercase() {
            '-' | '_' | '\u{2010}'..='\u{2015}' => continue,
            space if space.is_whitespace() => continue,
            'O' => '0',
            'I' | 'L' => '1',
            other => other,
        };
        if !character.is_ascii() || !CROCKFORD.contains(&(character as u8)) || count == 12 {
            return None;
        }
        if count > 0 && count % 4 == 0 {
            code.push('-');
        }
        code.push(character);
        count += 1;
    }
    (count == 12).then_some(code)
}

/// What is stored in place of a secret.
pub fn hash_secret(secret: &str) -> [u8; 32] {
    Sha256::digest(secret.as_bytes()).into()
}

/// Whether two secrets are equal, in a time that does not tell where they differ.
pub fn same_secret(one: &str, other: &str) -> bool {
    // Comparing digests: their bytes tell an attacker nothing about those of the secret.
    hash_secret(one) == hash_secret(other)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_code_survives_being_read_out_and_typed_in() {
        let secrets = Secrets::seeded(1);
        for _ in 0..100 {
            let code = secrets.enrolment_code();
            assert_eq!(code.len(), 14);
            assert_eq!(normal_code(&code).unwrap(), code);
            assert_eq!(normal_code(&code.to_lowercase().replace('-', " ")).unwrap(), code);
            assert_eq!(
                normal_code(&code.replace('0', "o").replace('1', "l").replace('-', "")).unwrap(),
                code
            );
        }
        assert_eq!(normal_code("ＡＢＣＤ—１２３４—ＥＦＧＨ").unwrap(), "ABCD-1234-EFGH");
    }

    #[test]
    fn what_is_not_a_code_is_told_before_the_store_is_asked() {
        for typed in [
            "",
            "ABCD-1234",
            "ABCD-1234-EFGHJ",
            "ABCD-1234-EFGU",
            "ABCD-1234-客户客户",
            "<html>",
        ] {
            assert_eq!(normal_code(typed), None, "{typed}");
        }
    }

    #[test]
    fn tokens_hold_32_bytes_and_do_not_repeat() {
        let secrets = Secrets::from_system().unwrap();
        let (one, two) = (secrets.token(), secrets.token());
        assert_ne!(one, two);
        assert_eq!(URL_SAFE_NO_PAD.decode(&one).unwrap().len(), 32);
        assert!(same_secret(&one, &one.clone()));
        assert!(!same_secret(&one, &two));
    }
}
