//! The server's signature under a grant. A server that was restored from a backup older than the grant can tell by it
//! that a phone shows its own promise.

use fieldledger_core::model::GrantTerms;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// The key that a company's grants are signed with. Lives in the store and its backups.
#[derive(Clone, PartialEq, Eq)]
pub struct SigningKey(pub [u8; 64]);

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SigningKey(…)")
    }
}

impl SigningKey {
    /// HMAC-SHA-256 over the terms, in hexadecimal digits.
    pub fn sign(&self, terms: &GrantTerms) -> String {
        let bytes = self.mac(terms).finalize().into_bytes();
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Whether this server signed the terms, compared in constant time.
    pub fn has_signed(&self, terms: &GrantTerms, signature: &str) -> bool {
        let digits = signature;
        if digits.len() != 64 || !digits.is_ascii() {
            return false;
        }
        let bytes: Option<Vec<u8>> = (0..32)
            .map(|at| u8::from_str_radix(&digits[at * 2..at * 2 + 2], 16).ok())
            .collect();
        bytes.is_some_and(|bytes| self.mac(terms).verify_slice(&bytes).is_ok())
    }

    fn mac(&self, terms: &GrantTerms) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new(&self.0.into());
        mac.update(&terms.canonical_bytes());
        mac
    }
}
