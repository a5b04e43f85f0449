//! `fieldledger openapi`

use super::{Failure, say};

pub(super) fn run() -> Result<(), Failure> {
    let text = crate::api::openapi()
        .to_pretty_json()
        .map_err(|error| Failure(error.to_string()))?;
    say(&text)
}
