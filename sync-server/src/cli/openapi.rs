//! `fieldledger openapi`

use std::io::Write as _;

use super::Failure;

pub(super) fn run() -> Result<(), Failure> {
    let text = crate::api::openapi()
        .to_pretty_json()
        .map_err(|error| Failure(error.to_string()))?;
    writeln!(std::io::stdout(), "{text}").map_err(|error| Failure(error.to_string()))
}
