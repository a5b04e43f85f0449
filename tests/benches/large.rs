//! A phone in a process of its own that pulls everything, so that its memory can be told from the server's; then how
//! quickly its screens answer.

use std::{
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use fieldledger_core::{
    model::DocumentKind,
    store::{Durability, FieldStore, ListQuery, SearchHit},
};
use fieldledger_tests::visits::RARE_WORD;
use serde::{Deserialize, Serialize};

use crate::{Result, cpu, product};

/// What the child tells.
#[derive(Serialize, Deserialize)]
pub(crate) struct Large {
    pub(crate) idle_bytes: u64,
    pub(crate) peak_bytes: u64,
    pub(crate) pull_millis: f64,
    pub(crate) disk_bytes: u64,
    pub(crate) open_millis: f64,
    pub(crate) list_millis: f64,
    pub(crate) timeline_millis: f64,
    pub(crate) search_millis: f64,
}

/// The name under which this program starts itself as the phone.
pub(crate) const CHILD: &str = "first-pull";

/// Starts the phone and waits for what it tells.
pub(crate) async fn measure(url: &str, code: &str, path: &Path) -> Result<Large> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args([CHILD, url, code]).arg(path);
    let output = tokio::task::spawn_blocking(move || command.output()).await??;
    if !output.status.success() {
        return Err(format!("the phone failed: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// The phone.
pub(crate) async fn child(url: &str, code: &str, path: &Path) -> Result<Large> {
    let store = product::open(path, Durability::Full)?;
    product::join(&store, url, code).await?;
    // Idle: the store is open and the network has been used once.
    cpu::forget_peak();
    let idle_bytes = cpu::memory("VmRSS");
    let started = Instant::now();
    product::sync(&store, url).await?;
    let pull_millis = millis(started.elapsed());
    let peak_bytes = cpu::memory("VmHWM");
    store.close();
    let disk_bytes = cpu::database_bytes(path);

    let open_millis = median(5, || {
        let opened = product::open(path, Durability::Full)?;
        opened.close();
        Ok(())
    })?;
    let store = product::open(path, Durability::Full)?;
    let page = ListQuery {
        kind: Some(DocumentKind::Visit),
        limit: 50,
        ..ListQuery::default()
    };
    let customer = store
        .list(&page)?
        .first()
        .and_then(|row| row.customer)
        .ok_or("nothing was pulled")?;
    let list_millis = median(21, || full(store.list(&page)?.len(), 50))?;
    let timeline_millis = median(21, || full(store.timeline(customer, None, 50)?.len(), 50))?;
    let search_millis = median(21, || full(documents_found(&store)?, 50))?;
    Ok(Large {
        idle_bytes,
        peak_bytes,
        pull_millis,
        disk_bytes,
        open_millis,
        list_millis,
        timeline_millis,
        search_millis,
    })
}

fn documents_found(store: &FieldStore) -> Result<usize> {
    let hits = store.search(RARE_WORD, 50)?;
    Ok(hits.iter().filter(|hit| matches!(hit, SearchHit::Document(_))).count())
}

/// A figure for an answer that is empty would be worth nothing.
fn full(rows: usize, wanted: usize) -> Result<()> {
    if rows == wanted {
        Ok(())
    } else {
        Err(format!("{rows} rows came, {wanted} were expected").into())
    }
}

fn median(times: usize, mut work: impl FnMut() -> Result<()>) -> Result<f64> {
    let mut taken = Vec::with_capacity(times);
    for _ in 0..times {
        let started = Instant::now();
        work()?;
        taken.push(started.elapsed());
    }
    taken.sort_unstable();
    Ok(millis(taken[times / 2]))
}

pub(crate) fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
