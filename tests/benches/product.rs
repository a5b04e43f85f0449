//! The same work through Fieldledger: real phones, a real server on the loopback, changes judged in worker processes.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use fieldledger_core::{
    document::edit::tree_of,
    model::{CustomerId, DocumentId, LedgerRecord, NextStep, Role, UserId, Visit, VisitOutcome},
    store::{Durability, FieldStore, OpenOptions},
    sync::{
        driver::{SyncDriver, SyncReport},
        protocol::EnrolRequest,
        transport::{HttpTransport, enrol},
    },
};
use fieldledger_server::{
    ingest::{WorkerCommand, WorkerLimits, WorkerPool},
    store::sqlite::SqliteStore,
};
use fieldledger_tests::{
    company::Company,
    crash::enrolment_by_hand,
    phone::APP_VERSION,
    server::{Server, now},
    visits::VisitMaker,
};

use crate::{Result, cpu};

/// Customers among whom the visits are spread.
const CUSTOMERS: u32 = 200;

/// A server with its data in a folder, and everything that phones will pull before visits.
pub(crate) async fn server(folder: &Path) -> Result<Server> {
    let workers = WorkerPool::new(
        WorkerCommand::this_program()?,
        std::thread::available_parallelism()?.get(),
        WorkerLimits::default(),
    );
    let server = Server::start(Arc::new(SqliteStore::open(folder)?), Arc::new(workers)).await?;
    let company = &server.company;
    let records = customers(company)
        .into_iter()
        .enumerate()
        .map(|(n, id)| {
            let mut customer = company.customer(company.yongxing);
            customer.id = id;
            customer.code = format!("B-{n:04}");
            customer.name = format!("第{n}超市 Market {n}");
            LedgerRecord::Customer(customer)
        })
        .collect();
    company.write(server.state.store.as_ref(), records, now()).await?;
    Ok(server)
}

fn customers(company: &Company) -> Vec<CustomerId> {
    (0..CUSTOMERS)
        .map(|n| CustomerId::derived(company.organisation, &format!("bench {n}")))
        .collect()
}

/// The visits that are measured.
pub(crate) fn visits(count: usize) -> impl Iterator<Item = Visit> {
    let company = Company::named();
    VisitMaker::new(1, customers(&company), company.li_na).take(count)
}

/// The same visits as the baselines keep them: id and JSON.
pub(crate) fn as_json(count: usize) -> Result<Vec<(String, String)>> {
    visits(count)
        .map(|visit| {
            let id: [u8; 16] = rand::random();
            Ok((DocumentId::from_bytes(id).to_string(), tree_of(&visit)?.to_string()))
        })
        .collect()
}

/// Opens a phone's store.
pub(crate) fn open(path: &Path, durability: Durability) -> Result<FieldStore> {
    Ok(FieldStore::open(OpenOptions {
        app_version: APP_VERSION.to_owned(),
        durability,
        ..OpenOptions::new(path, [1; 16])
    })?)
}

/// Makes a store the phone of whoever the code is for.
pub(crate) async fn join(store: &FieldStore, url: &str, code: &str) -> Result<()> {
    let request = EnrolRequest {
        code: code.to_owned(),
        device_name: "bench".to_owned(),
        platform: "bench".to_owned(),
        app_version: APP_VERSION.to_owned(),
        installation: "01".repeat(16),
    };
    store.adopt_enrolment(url, enrol(url, &request, &[]).await?)?;
    Ok(())
}

/// Pushes and pulls until nothing is left.
pub(crate) async fn sync(store: &FieldStore, url: &str) -> Result<SyncReport> {
    Ok(driver(store, url)?.sync_once().await?)
}

/// What syncs a store, for as long as its app runs.
fn driver(store: &FieldStore, url: &str) -> Result<SyncDriver<HttpTransport>> {
    let token = store.token()?.unwrap_or_default();
    let transport = HttpTransport::new(url, &token)?;
    Ok(SyncDriver::new(store.clone(), transport))
}

/// A phone with the visits recorded and not sent, in a file of its own. Recorded without waiting for the disk, which is
/// measured elsewhere; opened again with full durability.
pub(crate) async fn phone_with(path: &Path, server: &Server, user: UserId, count: usize) -> Result<FieldStore> {
    let store = open(path, Durability::Off)?;
    join(&store, &server.url, &server.code_for(user).await?).await?;
    sync(&store, &server.url).await?;
    for visit in visits(count) {
        store.create(visit)?;
    }
    store.close();
    open(path, Durability::Full)
}

/// Time of each durable recording of a visit, alternating with the raw insert of the same visit as a row.
pub(crate) fn record(folder: &Path, count: usize) -> Result<(Vec<Duration>, Vec<Duration>)> {
    let company = Company::named();
    let store = open(&folder.join("record.db"), Durability::Full)?;
    store.adopt_enrolment(
        "http://localhost",
        enrolment_by_hand(&company, company.li_na, vec![Role::Rep]),
    )?;
    let mut rows = crate::baseline::open(&folder.join("rows.db"))?;
    let docs = as_json(count)?;
    let (mut ours, mut raw) = (Vec::new(), Vec::new());
    for (visit, doc) in visits(count).zip(&docs) {
        let started = Instant::now();
        store.create(visit)?;
        ours.push(started.elapsed());
        raw.extend(crate::baseline::insert_one_by_one(
            &mut rows,
            std::slice::from_ref(doc),
        )?);
    }
    Ok((ours, raw))
}

/// CPU time of both sides, and what was exchanged. The connection's client is there before, as in an app that runs, and
/// as that of the baseline.
pub(crate) async fn measured_sync(store: &FieldStore, url: &str) -> Result<(Duration, Duration, SyncReport)> {
    let driver = driver(store, url)?;
    let (before, started) = (cpu::total(), Instant::now());
    let report = driver.sync_once().await?;
    Ok((cpu::total() - before, started.elapsed(), report))
}

/// What an edit leaves in the next step.
const DONE: &str = "已跟进,客户确认。";

/// An edit of two fields, the outcome and the next step.
pub(crate) fn follow_up(visit: &mut Visit) {
    visit.outcome = Some(VisitOutcome::PaymentObtained);
    visit.next_step = Some(NextStep {
        what: DONE.to_owned(),
        due: None,
    });
}

/// An edit that writes the whole note anew: its first half and what was done since.
pub(crate) fn rewrite_note(visit: &mut Visit) {
    let half = visit.note.chars().count() / 2;
    visit.note = visit.note.chars().take(half).chain(DONE.chars()).collect();
}

/// Ten edits on one phone, brought to another.
pub(crate) struct Edits {
    /// CPU time of both sides and both phones, for one round of ten.
    pub(crate) cpu: Duration,
    /// Bytes both ways on both phones, for one round of ten.
    pub(crate) bytes: u64,
}

/// `rounds` times: ten visits are edited on one phone and arrive on the other.
pub(crate) async fn edit_ten(
    one: &FieldStore,
    other: &FieldStore,
    url: &str,
    rounds: u32,
    edit: fn(&mut Visit),
) -> Result<Edits> {
    let ids = newest(one, 10 * rounds as usize)?;
    let (from, to) = (driver(one, url)?, driver(other, url)?);
    let mut bytes = 0;
    let mut spent = Duration::ZERO;
    for (round, ten) in ids.chunks(10).enumerate() {
        for id in ten {
            let mut document = one.visit(*id)?.ok_or("a visit is gone")?;
            edit(&mut document.value);
            one.save(&document)?;
        }
        let before = cpu::total();
        let sent = from.sync_once().await?;
        let received = to.sync_once().await?;
        spent += cpu::total() - before;
        bytes += sent.bytes_up + sent.bytes_down + received.bytes_up + received.bytes_down;
        if round == 0 {
            let first = ten.first().copied().ok_or("no visits")?;
            let (made, arrived) = (one.visit(first)?, other.visit(first)?);
            if made.map(|it| it.value) != arrived.map(|it| it.value) {
                return Err("the edit did not arrive".into());
            }
        }
    }
    Ok(Edits {
        cpu: spent / rounds,
        bytes: bytes / u64::from(rounds),
    })
}

fn newest(store: &FieldStore, count: usize) -> Result<Vec<DocumentId>> {
    let rows = store.list(&fieldledger_core::store::ListQuery {
        limit: count,
        ..Default::default()
    })?;
    Ok(rows.into_iter().map(|row| row.id).collect())
}
