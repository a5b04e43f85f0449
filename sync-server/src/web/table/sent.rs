//! What the address of a list says, as it was sent, and addresses that say something else.

use std::convert::Infallible;

use axum::{
    extract::{FromRequestParts, Query},
    http::{Uri, request::Parts},
};

use crate::web::{error::PageError, page::encoded};

/// What stands in the address after the question mark. An extractor: takes whatever was sent.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sent {
    pub(super) path: String,
    pub(super) pairs: Vec<(String, String)>,
}

impl<S: Send + Sync> FromRequestParts<S> for Sent {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let pairs = Query::<Vec<(String, String)>>::try_from_uri(&parts.uri)
            .map(|Query(pairs)| pairs)
            .unwrap_or_default();
        Ok(Self {
            path: parts.uri.path().to_owned(),
            pairs,
        })
    }
}

impl Sent {
    /// What stands in an address within these pages.
    pub(crate) fn of(address: &str) -> Self {
        let uri = address.parse::<Uri>().unwrap_or_default();
        let pairs = Query::<Vec<(String, String)>>::try_from_uri(&uri);
        Self {
            path: uri.path().to_owned(),
            pairs: pairs.map(|Query(pairs)| pairs).unwrap_or_default(),
        }
    }

    /// The address without what stands after the question mark.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// The trimmed value under `name`; `None` when it is missing or blank.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        self.pairs
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.trim())
            .filter(|value| !value.is_empty())
    }

    /// Whether a checkbox of this name was set.
    pub(crate) fn is_set(&self, name: &str) -> bool {
        self.value(name).is_some()
    }

    /// The value under `name` read as `T`.
    ///
    /// # Errors
    /// [`PageError::BadField`] with `label`, the key of the field's name in the catalogue.
    pub(crate) fn parsed<T: std::str::FromStr>(&self, name: &str, label: &'static str) -> Result<Option<T>, PageError> {
        self.value(name)
            .map(|value| value.parse().map_err(|_| PageError::BadField(label)))
            .transpose()
    }

    /// This address with some parameters replaced; an empty value leaves one out.
    pub(crate) fn address_with(&self, changes: &[(&str, &str)]) -> String {
        let kept = self
            .pairs
            .iter()
            .filter(|(key, _)| !changes.iter().any(|(changed, _)| changed == key))
            .map(|(key, value)| (key.as_str(), value.as_str()));
        let mut address = self.path.clone();
        let mut separator = '?';
        for (key, value) in kept.chain(changes.iter().copied()) {
            if !value.trim().is_empty() {
                address.push(separator);
                address.push_str(&encoded(key));
                address.push('=');
                address.push_str(&encoded(value));
                separator = '&';
            }
        }
        address
    }
}
