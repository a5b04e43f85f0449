//! What the figures are held against: the same visits as plain JSON rows.
//!
//! * *Rows*: one durable insert into SQLite for each visit, with the pragmas of the phone.
//! * *JSON*: every row read from one SQLite file, put into one zstd-compressed JSON array, sent in one HTTP request to a
//!   real server on the loopback, parsed, and written to another SQLite file in one transaction. No merge, no history, no
//!   check of who may write what, no index for lists or search.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, State},
    routing::{get, post},
};
use fieldledger_core::sync::transport::client_builder;
use rusqlite::{Connection, params};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::{Result, cpu};

/// Level at which the baseline compresses; the protocol's own.
const LEVEL: i32 = 3;

#[derive(Serialize, Deserialize)]
struct Row<'a> {
    id: &'a str,
    #[serde(borrow)]
    doc: &'a RawValue,
}

pub(crate) fn open(path: &Path) -> Result<Connection> {
    let db = Connection::open(path)?;
    db.execute_batch(
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; \
         CREATE TABLE IF NOT EXISTS docs (id TEXT NOT NULL UNIQUE, doc TEXT NOT NULL);",
    )?;
    Ok(db)
}

/// Inserts each document in a durable transaction of its own; returns the time of each.
pub(crate) fn insert_one_by_one(db: &mut Connection, docs: &[(String, String)]) -> Result<Vec<Duration>> {
    let mut times = Vec::with_capacity(docs.len());
    for (id, doc) in docs {
        let started = Instant::now();
        let transaction = db.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        transaction
            .prepare_cached("INSERT INTO docs (id, doc) VALUES (?1, ?2)")?
            .execute(params![id, doc])?;
        transaction.commit()?;
        times.push(started.elapsed());
    }
    Ok(times)
}

fn insert_all(db: &mut Connection, body: &[u8]) -> Result<()> {
    let json = zstd::stream::decode_all(body)?;
    let rows: Vec<Row<'_>> = serde_json::from_slice(&json)?;
    let transaction = db.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    {
        let mut insert = transaction.prepare("INSERT INTO docs (id, doc) VALUES (?1, ?2)")?;
        for row in &rows {
            insert.execute(params![row.id, row.doc.get()])?;
        }
    }
    transaction.commit()?;
    Ok(())
}

fn all_rows(db: &Connection) -> Result<Vec<u8>> {
    let mut select = db.prepare("SELECT id, doc FROM docs ORDER BY rowid")?;
    let mut rows = select.query([])?;
    let mut json = vec![b'['];
    while let Some(row) = rows.next()? {
        if json.len() > 1 {
            json.push(b',');
        }
        let doc: &RawValue = serde_json::from_str(row.get_ref(1)?.as_str()?)?;
        serde_json::to_writer(
            &mut json,
            &Row {
                id: row.get_ref(0)?.as_str()?,
                doc,
            },
        )?;
    }
    json.push(b']');
    Ok(zstd::bulk::compress(&json, LEVEL)?)
}

/// CPU time and bytes of the JSON baseline.
pub(crate) struct Json {
    pub(crate) push_cpu: Duration,
    pub(crate) push_bytes: usize,
    pub(crate) pull_cpu: Duration,
    pub(crate) pull_bytes: usize,
    /// Of the database that was filled, for each document.
    pub(crate) disk_bytes: u64,
}

async fn receive(State(path): State<Arc<std::path::PathBuf>>, body: Bytes) -> axum::http::StatusCode {
    match open(&path).and_then(|mut db| insert_all(&mut db, &body)) {
        Ok(()) => axum::http::StatusCode::OK,
        Err(_) => axum::http::StatusCode::INTERNAL_SERVER_ERROR,
    }
}

async fn send(State(path): State<Arc<std::path::PathBuf>>) -> std::result::Result<Vec<u8>, axum::http::StatusCode> {
    open(&path)
        .and_then(|db| all_rows(&db))
        .map_err(|_| axum::http::StatusCode::INTERNAL_SERVER_ERROR)
}

/// Runs the exchange `rounds` times, so that the kernel's 10 ms ticks add up to something, and gives the mean.
pub(crate) async fn json(docs: &[(String, String)], rounds: u32) -> Result<Json> {
    let folder = tempfile::tempdir()?;
    let mut phone = open(&folder.path().join("phone.db"))?;
    {
        let transaction = phone.transaction()?;
        for (id, doc) in docs {
            transaction.execute("INSERT INTO docs (id, doc) VALUES (?1, ?2)", params![id, doc])?;
        }
        transaction.commit()?;
    }
    let client = client_builder(&[])?.build()?;
    let mut figures = Json {
        push_cpu: Duration::ZERO,
        push_bytes: 0,
        pull_cpu: Duration::ZERO,
        pull_bytes: 0,
        disk_bytes: 0,
    };
    for round in 0..rounds {
        let at_server = folder.path().join(format!("server-{round}.db"));
        let app = Router::new()
            .route("/push", post(receive))
            .route("/pull", get(send))
            .layer(DefaultBodyLimit::disable())
            .with_state(Arc::new(at_server));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let server = tokio::spawn(async move { axum::serve(listener, app).await });

        let before = cpu::total();
        let body = all_rows(&phone)?;
        figures.push_bytes = body.len();
        client
            .post(format!("{url}/push"))
            .body(body)
            .send()
            .await?
            .error_for_status()?;
        let pushed = cpu::total();
        let body = client
            .get(format!("{url}/pull"))
            .send()
            .await?
            .error_for_status()?
            .bytes()
            .await?;
        figures.pull_bytes = body.len();
        let other = folder.path().join(format!("other-{round}.db"));
        let mut other_db = open(&other)?;
        insert_all(&mut other_db, &body)?;
        drop(other_db);
        figures.push_cpu += pushed - before;
        figures.pull_cpu += cpu::total() - pushed;
        figures.disk_bytes = cpu::database_bytes(&other) / docs.len() as u64;
        server.abort();
    }
    figures.push_cpu /= rounds;
    figures.pull_cpu /= rounds;
    Ok(figures)
}
