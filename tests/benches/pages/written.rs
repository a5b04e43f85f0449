//! The section of `docs/measurements.md`.

use std::fmt::Write as _;

use super::{Measured, Report, asked::Who, millis};

/// Its heading, by which an older one is found.
const HEADING: &str = "## The office's pages";
/// The most that a page may take, in milliseconds, of 95 in 100 requests.
const MOST_MILLIS: f64 = 100.0;
/// The most that a page may weigh as it is sent.
const MOST_BYTES: usize = 150_000;
/// Within how many milliseconds an open page shows what a phone has brought.
const LIVE_MILLIS: f64 = 1_000.0;
/// The most that the open pages may take of one processor.
const MOST_OPEN: f64 = 0.2;

fn who(who: Who) -> &'static str {
    match who {
        Who::Administrator => "administrator",
        Who::Supervisor => "supervisor",
        Who::Contact => "contact",
    }
}

fn kilobytes(bytes: usize) -> String {
    format!(
        "{:.1} kB",
        f64::from(u32::try_from(bytes).unwrap_or(u32::MAX)) / 1_000.0
    )
}

fn too_slow(it: &Measured) -> bool {
    millis(it.at(95)) > MOST_MILLIS
}

fn too_large(it: &Measured) -> bool {
    it.sent > MOST_BYTES
}

fn load(load: Option<f64>) -> String {
    load.map_or_else(|| "unknown".to_owned(), |it| format!("{it:.1}"))
}

/// The section, with its heading.
pub(crate) fn section(report: &Report) -> String {
    let (facts, size) = (&report.facts, report.facts.size);
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let pages: Vec<&Measured> = report.pages.iter().filter(|it| !it.file).collect();
    let reached = pages.iter().filter(|it| !too_slow(it) && !too_large(it)).count();
    let mut text = format!(
        "{HEADING}\n\n\
         Written by `cargo run --release -p fieldledger-tests --bin bench -- --only pages --data DIR docs/measurements.md` \
         on {} (load {} before, {} after, on {processors} processors, of which the clients used a part). A company of {} \
         reps in {} territories, {} customers, {} activities and {} open items, in a database of {} MB; the server runs in \
         a process of its own with all its timers. Each page is asked for 30 times over HTTP on the loopback by somebody \
         who has signed in, after once to warm up, all pages in turns; before each turn a phone brings a visit and a note \
         about money, so that nothing that was read before may be shown again. The time is by the wall clock, from the \
         request to the last byte; CPU is the server's, for one request; the size is what is sent to a browser that \
         accepts gzip, beside what it is unpacked. *Bare SQL* is reading the rows of the list in another process, warm. \
         The administrator sees everything, the supervisor two territories of {}.\n\n\
         {reached} of {} pages reach both aims: p95 < {MOST_MILLIS:.0} ms, and less than {} sent.\n\n\
         | page | who | p50 | p95 | most | CPU | sent | unpacked | bare SQL | reached |\n\
         |---|---|---|---|---|---|---|---|---|---|\n",
        facts.day,
        load(report.load.0),
        load(report.load.1),
        size.reps,
        size.territories,
        size.customers,
        size.activities,
        size.customers * size.open_each,
        report.database_bytes / 1_000_000,
        size.territories,
        pages.len(),
        kilobytes(MOST_BYTES),
    );
    for it in &pages {
        line(&mut text, it);
    }
    text.push_str("\nFiles, without aims:\n\n| file | who | p50 | p95 | most | CPU | sent | unpacked | bare SQL | |\n|---|---|---|---|---|---|---|---|---|---|\n");
    for it in report.pages.iter().filter(|it| it.file) {
        line(&mut text, it);
    }
    if let Some(open) = &report.open {
        let at = |times: &[std::time::Duration], share: usize| {
            let index = (times.len() * share).div_ceil(100).saturating_sub(1);
            times.get(index).copied().map_or(0.0, millis)
        };
        let cost = open.with_windows - open.alone;
        let yes = |reached: bool| if reached { "yes" } else { "**no**" };
        let _ = write!(
            text,
            "\n{} phones each bring a visit every {} s; {} pages of 25 people are open (today, activity, the credit desk, \
             the ageing), are told of it and read themselves again, waiting in between as `static/live.js` does. {:.1} \
             exchanges and {:.1} readings a second.\n\n\
             | what | measured | aim | reached |\n|---|---|---|---|\n\
             | server's share of a processor, phones alone | {:.1} % | | |\n\
             | the same with the open pages | {:.1} % | | |\n\
             | what the open pages cost | {:.1} % | < {:.0} % | {} |\n\
             | bytes sent to the open pages for each reading | {} | | |\n\
             | beginning of a phone's sync until an open page shows it, p50 / p95 / most of {} | {:.0} / {:.0} / {:.0} ms | p95 < {LIVE_MILLIS:.0} ms | {} |\n\
             | the same without what a page waits by itself | {:.0} / {:.0} / {:.0} ms | | |\n",
            open.phones,
            open.every.as_secs(),
            open.windows,
            rate(open.syncs, open.seconds),
            rate(open.readings, open.seconds),
            open.alone * 100.0,
            open.with_windows * 100.0,
            cost * 100.0,
            MOST_OPEN * 100.0,
            yes(cost < MOST_OPEN),
            kilobytes(usize::try_from(open.bytes / open.readings.max(1)).unwrap_or(usize::MAX)),
            open.seen.len(),
            at(&open.seen, 50),
            at(&open.seen, 95),
            at(&open.seen, 100),
            yes(!open.seen.is_empty() && at(&open.seen, 95) < LIVE_MILLIS),
            at(&open.served, 50),
            at(&open.served, 95),
            at(&open.served, 100),
        );
    }
    text
}

fn rate(count: u64, seconds: f64) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX)) / seconds.max(0.001)
}

fn line(text: &mut String, it: &Measured) {
    let reached = match (it.file, too_slow(it), too_large(it)) {
        (true, ..) => String::new(),
        (_, false, false) => "yes".to_owned(),
        (_, true, false) => "**slow**".to_owned(),
        (_, false, true) => "**large**".to_owned(),
        (_, true, true) => "**slow, large**".to_owned(),
    };
    let sql = it.sql.map_or_else(String::new, |it| format!("{:.1} ms", millis(it)));
    let _ = writeln!(
        text,
        "| {} | {} | {:.1} ms | {:.1} ms | {:.1} ms | {:.1} ms | {} | {} | {sql} | {reached} |",
        it.what,
        who(it.who),
        millis(it.at(50)),
        millis(it.at(95)),
        millis(it.at(100)),
        millis(it.cpu),
        kilobytes(it.sent),
        kilobytes(it.plain),
    );
}

/// The file with this section in the place of the older one, or at its end.
pub(crate) fn replaced(text: &str, section: &str) -> String {
    let Some(begin) = text.find(HEADING) else {
        return format!("{}\n\n{section}", text.trim_end());
    };
    let (before, rest) = text.split_at(begin);
    // The next heading of the same level ends it.
    let end = rest[HEADING.len()..].find("\n## ").map(|at| at + HEADING.len() + 1);
    match end {
        Some(end) => format!("{before}{section}\n{}", &rest[end..]),
        None => format!("{before}{section}"),
    }
}
