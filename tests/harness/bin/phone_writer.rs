//! A program that records until somebody kills it, and prints a line for everything that was acknowledged.
//!
//! * `phone-writer rows FILE SYNCHRONOUS COUNT`: rows in plain SQLite, to test the tests.
#![allow(clippy::print_stdout)]

use std::io::Write as _;

type Result<T, E = Box<dyn std::error::Error + Send + Sync>> = std::result::Result<T, E>;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["rows", file, synchronous, count] => rows(file, synchronous, count.parse()?),
        _ => Err("phone-writer rows FILE SYNCHRONOUS COUNT".into()),
    }
}

/// The line leaves the process before the next record is begun.
fn acknowledge(line: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}

fn rows(file: &str, synchronous: &str, count: u32) -> Result<()> {
    let db = rusqlite::Connection::open(file)?;
    db.pragma_update(None, "journal_mode", "WAL")?;
    db.pragma_update(None, "synchronous", synchronous)?;
    db.pragma_update(None, "wal_autocheckpoint", 20)?;
    db.execute_batch("CREATE TABLE IF NOT EXISTS lines (n INTEGER PRIMARY KEY, text TEXT NOT NULL)")?;
    for n in 0..count {
        db.execute("INSERT INTO lines (n, text) VALUES (?1, ?2)", (n, "拜访 ".repeat(100)))?;
        acknowledge(&n.to_string())?;
    }
    Ok(())
}
