//! Looking after the database: verify, backup, new histories after a restore.

use rusqlite::Connection;

use crate::store::StoreError;

/// Reads everything and compares it with itself.
pub(super) fn verify(connection: &Connection) -> Vec<String> {
    let mut found = Vec::new();
    note(&mut found, "the database file", integrity(connection));
    found
}

fn note(found: &mut Vec<String>, what: &str, result: Result<Vec<String>, StoreError>) {
    match result {
        Ok(sentences) => found.extend(sentences),
        Err(error) => found.push(format!("{what} cannot be read through: {error}")),
    }
}

fn integrity(connection: &Connection) -> Result<Vec<String>, StoreError> {
    let lines: Vec<String> = connection
        .prepare("PRAGMA integrity_check")?
        .query_map([], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    Ok(lines.into_iter().filter(|line| line != "ok").collect())
}
