//! A program that records until it has done enough or somebody kills it, and prints a line for everything that was
//! acknowledged.
//!
//! * `writer visits FOLDER COUNT`: visits and edits of them on a phone. A line is `DOCUMENT REVISION`.
//! * `writer server FOLDER COUNT`: documents on a server. A line is the document's id.
//! * `writer rows FILE SYNCHRONOUS COUNT`: rows in plain SQLite, to test the tests.
#![allow(clippy::print_stdout)]

use std::{io::Write as _, path::Path, sync::Arc};

use fieldledger_core::{document::edit::tree_of, model::DocumentId};
use fieldledger_server::{
    clock::{Clock as _, SystemClock},
    ingest::{InProcess, LiveHub, SyncService},
    store::{Store, sqlite::SqliteStore},
};
use fieldledger_tests::{company::Company, crash};

type Result<T, E = Box<dyn std::error::Error + Send + Sync>> = std::result::Result<T, E>;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["visits", folder, count] => visits(Path::new(folder), count.parse()?),
        ["server", folder, count] => tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?
            .block_on(server(Path::new(folder), count.parse()?)),
        ["rows", file, synchronous, count] => rows(file, synchronous, count.parse()?),
        _ => Err("writer visits FOLDER COUNT | server FOLDER COUNT | rows FILE SYNCHRONOUS COUNT".into()),
    }
}

/// The line leaves the process before the next record is begun.
fn acknowledge(line: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}

fn visits(folder: &Path, count: u32) -> Result<()> {
    let store = crash::open(folder)?;
    let mut recent: Vec<(DocumentId, u32)> = Vec::new();
    for (n, visit) in (0..count).zip(crash::visits(rand::random())) {
        // Every third record is an edit of one of the last visits.
        if n % 3 == 2 && !recent.is_empty() {
            let index = rand::random_range(0..recent.len());
            let (id, revision) = &mut recent[index];
            let mut document = store.visit(*id)?.ok_or("a visit that was acknowledged is gone")?;
            *revision += 1;
            document.value.note = crash::note(*id, *revision);
            store.save(&document)?;
            acknowledge(&format!("{id} {revision}"))?;
        } else {
            let mut document = store.create(visit)?;
            // A creation alone is acknowledged too: revision 0 has the note it was made with.
            acknowledge(&format!("{} 0", document.id))?;
            document.value.note = crash::note(document.id, 1);
            store.save(&document)?;
            acknowledge(&format!("{} 1", document.id))?;
            recent.push((document.id, 1));
            if recent.len() > 8 {
                recent.remove(0);
            }
        }
    }
    Ok(())
}

async fn server(folder: &Path, count: usize) -> Result<()> {
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(folder)?);
    let now = SystemClock.now();
    let company = Company::found(store.as_ref(), now).await?;
    let account = store
        .account(company.organisation, company.chen_jing)
        .await?
        .ok_or("no account")?;
    let service = SyncService::new(
        store,
        Arc::new(InProcess),
        Arc::new(SystemClock),
        Arc::new(LiveHub::new()),
        rand::random(),
    );
    for visit in crash::visits(rand::random()).take(count) {
        let id = service.create_document(&account, &tree_of(&visit)?).await?;
        acknowledge(&id.to_string())?;
    }
    Ok(())
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
