//! Tokens with which other software uses the interface for finance.

use std::{fmt, str::FromStr};

use fieldledger_core::model::{InvalidField, OrganisationId, Timestamp};
use serde::{Deserialize, Serialize};

/// What the software that holds a token may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ApiRole {
    /// Everything that finance does, and reading.
    Finance,
    /// Reading alone.
    ReadOnly,
}

impl ApiRole {
    /// The stored name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Finance => "finance",
            Self::ReadOnly => "read_only",
        }
    }
}

impl fmt::Display for ApiRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for ApiRole {
    type Err = InvalidField;
    fn from_str(text: &str) -> Result<Self, InvalidField> {
        match text.replace('-', "_").as_str() {
            "finance" => Ok(Self::Finance),
            "read_only" => Ok(Self::ReadOnly),
            _ => Err(InvalidField::new(
                "role",
                format!("{text:?} is none of finance, read-only"),
            )),
        }
    }
}

/// A token of other software, without its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiToken {
    /// Its id.
    pub id: [u8; 16],
    /// The company.
    pub organisation: OrganisationId,
    /// The name by which the audit log knows the software. Given once in a company.
    pub name: String,
    /// What the software may do.
    pub role: ApiRole,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when it does not work any more; `None`: until it is revoked.
    pub expires_at: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
    /// When it was last used, to the hour.
    pub last_used_at: Option<Timestamp>,
}

impl ApiToken {
    /// Whether it has ended by itself.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|end| end <= now)
    }
}

/// A token about to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewApiToken {
    /// A fresh id.
    pub id: [u8; 16],
    /// SHA-256 of the token.
    pub token_hash: [u8; 32],
    /// Its name.
    pub name: String,
    /// What the software may do.
    pub role: ApiRole,
    /// From when it does not work any more.
    pub expires_at: Option<Timestamp>,
}
