//! Measures Fieldledger beside two baselines in the same run, prints one table and writes it to a file.
//!
//! `cargo run --release -p fieldledger-tests --bin bench [-- [--quick] [FILE]]`
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod baseline;
mod cpu;
mod large;
mod product;
mod table;

use std::{path::PathBuf, time::Duration};

use fieldledger_core::store::Durability;
use table::Figure;

pub(crate) type Result<T, E = Box<dyn std::error::Error + Send + Sync>> = std::result::Result<T, E>;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // The server that is measured starts this very program as its worker.
    if arguments.first().is_some_and(|it| it == "decode-worker") {
        return Ok(fieldledger_server::ingest::worker::run()?);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [large::CHILD, url, code, path] => {
            let told = runtime.block_on(large::child(url, code, path.as_ref()))?;
            println!("{}", serde_json::to_string(&told)?);
            Ok(())
        }
        _ => {
            let quick = arguments.iter().any(|it| it == "--quick");
            let file = arguments.iter().find(|it| !it.starts_with("--"));
            let file = file.map_or_else(
                || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/measurements.md")),
                PathBuf::from,
            );
            runtime.block_on(measure(quick, file))
        }
    }
}

async fn measure(quick: bool, file: PathBuf) -> Result<()> {
    let (count, many) = if quick { (2_000, 10_000) } else { (10_000, 100_000) };
    let folder = tempfile::tempdir()?;
    let at = |name: &str| folder.path().join(name);
    let mut figures = Vec::new();

    eprintln!("recording");
    let (mut ours, mut rows) = product::record(folder.path(), if quick { 100 } else { 500 })?;
    ours.sort_unstable();
    rows.sort_unstable();
    let (ours_ms, rows_ms) = (large::millis(ours[ours.len() / 2]), large::millis(rows[rows.len() / 2]));
    figures.push(Figure {
        what: "record one visit durably, wall clock, median".into(),
        ours: format!("{ours_ms:.2} ms"),
        rows: format!("{rows_ms:.2} ms"),
        json: String::new(),
        measured: ours_ms / rows_ms,
        aim: 2.0,
        unit: "×",
    });

    eprintln!("baseline: {count} visits as JSON in one request");
    let json = baseline::json(&product::as_json(count)?, 5).await?;

    eprintln!("pushing and pulling {count}");
    let data = at("server");
    std::fs::create_dir(&data)?;
    let server = product::server(&data).await?;
    let (li_na, marta) = (server.company.li_na, server.company.marta);
    let one = product::phone_with(&at("one.db"), &server, li_na, count).await?;
    let (push_cpu, push_wall, pushed) = product::measured_sync(&one, &server.url).await?;
    if pushed.accepted != count {
        return Err(format!("{} of {count} visits were accepted", pushed.accepted).into());
    }
    let other = product::open(&at("other.db"), Durability::Full)?;
    product::join(&other, &server.url, &server.code_for(marta).await?).await?;
    let (pull_cpu, pull_wall, pulled) = product::measured_sync(&other, &server.url).await?;
    for (what, ours, wall, theirs, aim) in [
        ("push", push_cpu, push_wall, json.push_cpu, 10.0),
        ("pull", pull_cpu, pull_wall, json.pull_cpu, 5.0),
    ] {
        figures.push(Figure {
            what: format!("{what} {count} visits, CPU of both sides"),
            ours: format!(
                "{:.2} s ({:.2} s of wall clock)",
                ours.as_secs_f64(),
                wall.as_secs_f64()
            ),
            rows: String::new(),
            json: format!("{:.3} s", theirs.as_secs_f64()),
            measured: ratio(ours, theirs),
            aim,
            unit: "×",
        });
    }
    for (what, ours, theirs) in [
        ("up", pushed.bytes_up, json.push_bytes),
        ("down", pulled.bytes_down, json.pull_bytes),
    ] {
        figures.push(Figure {
            what: format!("bytes {what}, {count} visits"),
            ours: format!("{ours} B"),
            rows: String::new(),
            json: format!("{theirs} B"),
            measured: float(ours) / float(theirs as u64),
            aim: 1.3,
            unit: "×",
        });
    }

    let nothing = product::sync(&other, &server.url).await?;
    for (what, bytes) in [("up", nothing.bytes_up), ("down", nothing.bytes_down)] {
        figures.push(plain(
            format!("nothing new, {} round trip, bytes {what}", nothing.rounds),
            float(bytes),
            300.0,
            "B",
        ));
    }

    eprintln!("editing ten");
    let rounds = if quick { 5 } else { 20 };
    let edits = product::edit_ten(&one, &other, &server.url, rounds).await?;
    let small_data = at("small");
    std::fs::create_dir(&small_data)?;
    let small = product::server(&small_data).await?;
    let small_one = product::phone_with(&at("small-one.db"), &small, li_na, count / 10).await?;
    product::sync(&small_one, &small.url).await?;
    let small_other = product::open(&at("small-other.db"), Durability::Full)?;
    product::join(&small_other, &small.url, &small.code_for(marta).await?).await?;
    product::sync(&small_other, &small.url).await?;
    let few = product::edit_ten(&small_one, &small_other, &small.url, rounds).await?;
    figures.push(plain(
        "ten edits of two fields to the other phone, bytes of both syncs, both ways".into(),
        float(edits.bytes),
        5_000.0,
        "B",
    ));
    figures.push(Figure {
        what: format!("the same, CPU, with {count} visits there against {}", count / 10),
        ours: format!(
            "{:.1} ms against {:.1} ms",
            large::millis(edits.cpu),
            large::millis(few.cpu)
        ),
        rows: String::new(),
        json: String::new(),
        measured: ratio(edits.cpu, few.cpu),
        aim: 1.2,
        unit: "×",
    });

    one.close();
    other.close();
    for (what, name) in [("that recorded them", "one.db"), ("that pulled them", "other.db")] {
        let each = cpu::database_bytes(&at(name)) / count as u64;
        figures.push(Figure {
            what: format!("disk for each visit on the phone {what}"),
            ours: format!("{each} B"),
            rows: format!("{} B", json.disk_bytes),
            json: format!("{} B", json.disk_bytes),
            measured: float(each),
            aim: 1_500.0,
            unit: "B",
        });
    }
    drop((server, small, small_one, small_other));

    eprintln!("a phone with {many} visits");
    let data = at("large");
    std::fs::create_dir(&data)?;
    let server = product::server(&data).await?;
    let full = product::phone_with(&at("full.db"), &server, li_na, many).await?;
    product::sync(&full, &server.url).await?;
    full.close();
    let code = server.code_for(marta).await?;
    let told = large::measure(&server.url, &code, &at("large.db")).await?;
    let mib = |bytes: u64| float(bytes) / f64::from(1 << 20);
    figures.push(Figure {
        what: format!("memory above idle in the first pull of {many}"),
        ours: format!(
            "{:.1} MiB over {:.1} MiB",
            mib(told.peak_bytes - told.idle_bytes),
            mib(told.idle_bytes)
        ),
        rows: String::new(),
        json: String::new(),
        measured: mib(told.peak_bytes - told.idle_bytes),
        aim: 64.0,
        unit: "MiB",
    });
    for (what, measured, aim) in [
        ("opening the store", told.open_millis, 50.0),
        ("a list page of 50", told.list_millis, 10.0),
        ("a customer's timeline, 50 rows", told.timeline_millis, 10.0),
        ("a search for two Chinese characters, 50 hits", told.search_millis, 10.0),
    ] {
        figures.push(plain(format!("{what}, {many} visits there"), measured, aim, "ms"));
    }
    println!(
        "the first pull of {many} took {:.1} s, the file holds {:.1} MiB",
        told.pull_millis / 1000.0,
        mib(told.disk_bytes)
    );

    let text = document(count, &table::markdown(&figures));
    println!("{text}");
    std::fs::write(&file, text)?;
    println!("written to {}", file.display());
    Ok(())
}

fn document(count: usize, table: &str) -> String {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    format!(
        "# Measurements\n\n\
         Written by `cargo run --release -p fieldledger-tests --bin bench` on a machine with {processors} processors. \
         {count} visits of about 850 bytes of JSON each (`tests/harness/visits.rs`). Both baselines are measured in the \
         same run: *rows* are raw durable inserts into SQLite with the phone's pragmas; *JSON* is all visits as rows of \
         JSON, compressed with zstd in one HTTP request to a server on the loopback, written to another SQLite file. CPU \
         time is that of phone, server and worker processes together.\n\n{table}"
    )
}

fn plain(what: String, measured: f64, aim: f64, unit: &'static str) -> Figure {
    Figure {
        what,
        ours: format!("{measured:.1} {unit}"),
        rows: String::new(),
        json: String::new(),
        measured,
        aim,
        unit,
    }
}

fn ratio(ours: Duration, theirs: Duration) -> f64 {
    ours.as_secs_f64() / theirs.as_secs_f64().max(0.001)
}

#[allow(clippy::cast_precision_loss)]
fn float(count: u64) -> f64 {
    count as f64
}
