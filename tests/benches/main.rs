//! Measures Fieldledger beside two baselines in the same run, prints one table and writes it to a file.
//!
//! `cargo run --release -p fieldledger-tests --bin bench [-- [--quick] [--only PART] [FILE]]`
//!
//! `--only record`, `--only exchange`, `--only large` and `--only credit` measure a part, for whoever works on it, and write no file.
//!
//! `--only pages [--data DIR] [--in-place] [--page NAME | --open] [FILE]` measures the pages of the office on a large company, which takes long to
//! make and is kept in DIR for the next time; it writes its section into FILE. `--page` asks only for some of the pages,
//! `--open` for none, and only has many open; `--in-place` measures in DIR instead of a copy.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod baseline;
mod cpu;
mod credit;
mod large;
mod pages;
mod product;
mod table;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use fieldledger_core::store::Durability;
use table::Figure;

pub(crate) type Result<T, E = Box<dyn std::error::Error + Send + Sync>> = std::result::Result<T, E>;

/// How often a push and a first pull are measured; the mean is told.
const ROUNDS: u32 = 3;

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
        [pages::CHILD, folder] => runtime.block_on(pages::child(folder.as_ref())),
        _ => {
            let quick = arguments.iter().any(|it| it == "--quick");
            let mut rest = arguments.iter().filter(|it| *it != "--quick");
            let (mut part, mut file) = (None, None);
            let mut of_pages = pages::Options {
                quick,
                ..pages::Options::default()
            };
            while let Some(argument) = rest.next() {
                match argument.as_str() {
                    "--only" => part = rest.next().map(String::as_str),
                    "--data" => of_pages.data = rest.next().map(PathBuf::from),
                    "--in-place" => of_pages.in_place = true,
                    "--open" => of_pages.only_open = true,
                    "--page" => of_pages.page = rest.next().cloned(),
                    _ => file = Some(argument),
                }
            }
            if part == Some("pages") {
                let report = runtime.block_on(pages::measure(&of_pages))?;
                return pages::write(&report, file);
            }
            let count = if quick { 2_000 } else { 10_000 };
            // Before anything is measured: what is measured makes the machine busy itself.
            let load = cpu::load();
            let figures = runtime.block_on(measure(quick, part))?;
            let text = table::document(count, load, &figures);
            println!("{text}");
            if part.is_none() {
                let file = file.map_or_else(
                    || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/measurements.md")),
                    PathBuf::from,
                );
                std::fs::write(&file, text)?;
                println!("written to {}", file.display());
            }
            Ok(())
        }
    }
}

/// Measures every part, or only the one that is named.
async fn measure(quick: bool, part: Option<&str>) -> Result<Vec<Figure>> {
    let (count, many) = if quick { (2_000, 10_000) } else { (10_000, 100_000) };
    let folder = tempfile::tempdir()?;
    let wanted = |name: &str| part.is_none_or(|part| part == name);
    let mut figures = Vec::new();
    if wanted("record") {
        eprintln!("recording");
        figures.push(record(folder.path(), if quick { 100 } else { 500 })?);
    }
    if wanted("exchange") {
        exchange(folder.path(), count, if quick { 5 } else { 20 }, &mut figures).await?;
    }
    if wanted("large") {
        a_phone_with_many(folder.path(), many, &mut figures).await?;
    }
    if wanted("credit") {
        eprintln!("credit and collections");
        credit::phone(folder.path(), quick, &mut figures).await?;
        credit::ageing(folder.path(), quick, &mut figures).await?;
    }
    Ok(figures)
}

fn record(folder: &Path, count: usize) -> Result<Figure> {
    let (mut ours, mut rows) = product::record(folder, count)?;
    ours.sort_unstable();
    rows.sort_unstable();
    let (ours_ms, rows_ms) = (large::millis(ours[ours.len() / 2]), large::millis(rows[rows.len() / 2]));
    Ok(Figure {
        what: "record one visit durably, wall clock, median".into(),
        ours: format!("{ours_ms:.2} ms"),
        rows: format!("{rows_ms:.2} ms"),
        json: String::new(),
        measured: ours_ms / rows_ms,
        aim: Some(2.0),
        unit: "×",
        in_the_way: "One commit writes the document's row and its indexes, the change and its place in the outbox: each of \
                     them is another page of the log.",
    })
}

async fn exchange(folder: &Path, count: usize, rounds: u32, figures: &mut Vec<Figure>) -> Result<()> {
    let at = |name: &str| folder.join(name);
    eprintln!("baseline: {count} visits as JSON in one request");
    let json = baseline::json(&product::as_json(count)?, 5).await?;

    eprintln!("pushing and pulling {count}");
    let (mut push, mut pull) = (Vec::new(), Vec::new());
    let mut kept = None;
    for round in 0..ROUNDS {
        let data = at(&format!("server-{round}"));
        std::fs::create_dir(&data)?;
        let server = product::server(&data).await?;
        let one = product::phone_with(&at(&format!("one-{round}.db")), &server, server.company.li_na, count).await?;
        let (cpu, wall, pushed) = product::measured_sync(&one, &server.url).await?;
        if pushed.accepted != count {
            return Err(format!("{} of {count} visits were accepted", pushed.accepted).into());
        }
        push.push((cpu, wall));
        let other = product::open(&at(&format!("other-{round}.db")), Durability::Full)?;
        product::join(&other, &server.url, &server.code_for(server.company.marta).await?).await?;
        let (cpu, wall, pulled) = product::measured_sync(&other, &server.url).await?;
        pull.push((cpu, wall));
        kept = Some((server, one, other, pushed, pulled));
    }
    let (server, one, other, pushed, pulled) = kept.ok_or("no rounds")?;
    let (li_na, marta) = (server.company.li_na, server.company.marta);
    let (push_cpu, push_wall) = mean(&push);
    let (pull_cpu, pull_wall) = mean(&pull);
    for (what, ours, wall, theirs, aim, in_the_way) in [
        (
            "push",
            push_cpu,
            push_wall,
            json.push_cpu,
            10.0,
            "Each change is decoded, applied, saved, loaded again and checked in a worker process before it is stored.",
        ),
        (
            "pull",
            pull_cpu,
            pull_wall,
            json.pull_cpu,
            5.0,
            "Each change is hashed, read into what lists need, and packed again for the phone; its words and its rows in \
             the indexes of lists cost as much as the rest.",
        ),
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
            aim: Some(aim),
            unit: "×",
            in_the_way,
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
            aim: Some(1.3),
            unit: "×",
            in_the_way: "",
        });
    }

    let nothing = product::sync(&other, &server.url).await?;
    for (what, bytes) in [("up", nothing.bytes_up), ("down", nothing.bytes_down)] {
        figures.push(plain(
            format!("nothing new, {} round trip, bytes {what}", nothing.rounds),
            float(bytes),
            Some(300.0),
            "B",
        ));
    }

    eprintln!("editing ten");
    let edits = product::edit_ten(&one, &other, &server.url, rounds, product::follow_up).await?;
    let rewritten = product::edit_ten(&one, &other, &server.url, 1, product::rewrite_note).await?;
    let small_data = at("small");
    std::fs::create_dir(&small_data)?;
    let small = product::server(&small_data).await?;
    let small_one = product::phone_with(&at("small-one.db"), &small, li_na, count / 10).await?;
    product::sync(&small_one, &small.url).await?;
    let small_other = product::open(&at("small-other.db"), Durability::Full)?;
    product::join(&small_other, &small.url, &small.code_for(marta).await?).await?;
    product::sync(&small_other, &small.url).await?;
    let few = product::edit_ten(&small_one, &small_other, &small.url, rounds, product::follow_up).await?;
    figures.push(plain(
        "ten edits of two fields to the other phone, bytes of both syncs, both ways".into(),
        float(edits.bytes),
        Some(5_000.0),
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
        aim: Some(1.2),
        unit: "×",
        in_the_way: "",
    });
    figures.push(plain(
        "ten edits that rewrite the note, bytes of both syncs, both ways".into(),
        float(rewritten.bytes),
        None,
        "B",
    ));

    one.close();
    other.close();
    for (what, name) in [("that recorded them", "one"), ("that pulled them", "other")] {
        let each = cpu::database_bytes(&at(&format!("{name}-{}.db", ROUNDS - 1))) / count as u64;
        figures.push(Figure {
            what: format!("disk for each visit on the phone {what}"),
            ours: format!("{each} B"),
            rows: format!("{} B", json.disk_bytes),
            json: format!("{} B", json.disk_bytes),
            measured: float(each),
            aim: Some(1_500.0),
            unit: "B",
            in_the_way: "",
        });
    }
    Ok(())
}

async fn a_phone_with_many(folder: &Path, many: usize, figures: &mut Vec<Figure>) -> Result<()> {
    let at = |name: &str| folder.join(name);
    eprintln!("a phone with {many} visits");
    let data = at("large");
    std::fs::create_dir(&data)?;
    let server = product::server(&data).await?;
    let (li_na, marta) = (server.company.li_na, server.company.marta);
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
        aim: Some(64.0),
        unit: "MiB",
        in_the_way: "",
    });
    for (what, measured, aim) in [
        ("opening the store", told.open_millis, 50.0),
        ("a list page of 50", told.list_millis, 10.0),
        ("a customer's timeline, 50 rows", told.timeline_millis, 10.0),
        ("a search for two Chinese characters, 50 hits", told.search_millis, 10.0),
    ] {
        figures.push(plain(format!("{what}, {many} visits there"), measured, Some(aim), "ms"));
    }
    println!(
        "the first pull of {many} took {:.1} s, the file holds {:.1} MiB",
        told.pull_millis / 1000.0,
        mib(told.disk_bytes)
    );

    Ok(())
}

/// The mean of times of both sides' processors, and by the wall clock.
fn mean(times: &[(Duration, Duration)]) -> (Duration, Duration) {
    let count = u32::try_from(times.len()).unwrap_or(u32::MAX).max(1);
    let (cpu, wall) = times
        .iter()
        .fold((Duration::ZERO, Duration::ZERO), |sum, it| (sum.0 + it.0, sum.1 + it.1));
    (cpu / count, wall / count)
}

fn plain(what: String, measured: f64, aim: Option<f64>, unit: &'static str) -> Figure {
    Figure {
        what,
        ours: format!("{measured:.1} {unit}"),
        rows: String::new(),
        json: String::new(),
        measured,
        aim,
        unit,
        in_the_way: "",
    }
}

fn ratio(ours: Duration, theirs: Duration) -> f64 {
    ours.as_secs_f64() / theirs.as_secs_f64().max(0.001)
}

#[allow(clippy::cast_precision_loss)]
fn float(count: u64) -> f64 {
    count as f64
}
