//! The pages of the office, over HTTP, on a company of the size they are made for.
//!
//! * `company`, `activity`: the company.
//! * `asked`: which pages, and the bare SQL of their lists.
//! * `browser`: somebody who reads them.
//! * `open`: many pages that are open at a time, and phones that sync meanwhile.
//! * `written`: the section of `docs/measurements.md`.

mod activity;
mod asked;
mod browser;
mod company;
mod open;
mod written;

use std::{
    io::{BufRead as _, BufReader, Read as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use fieldledger_core::{
    model::{CollectionChannel, CollectionNote, CollectionOutcome, UserId, Visit, VisitPurpose},
    store::{Durability, FieldStore},
};
use fieldledger_server::{
    auth::{Secrets, make_enrolment_code},
    cli::serve::{RunningServer, start_logging},
    config::ServerConfig,
    store::sqlite::{DATABASE_FILE, SqliteStore},
};
use fieldledger_tests::server::now;

use self::{
    asked::{Asked, Who},
    browser::Browser,
    company::{Facts, Size},
};
use crate::{Result, cpu, large, product};

/// The name under which this program starts itself as the server.
pub(crate) const CHILD: &str = "serve-pages";

/// How often each page is asked for; before each time there is news.
const ROUNDS: usize = 30;
/// How often bare SQL is run; the median is told.
const SQL_ROUNDS: usize = 11;
/// Slow bare SQL is run less often.
const SLOW: Duration = Duration::from_millis(300);
/// The server is quiet when it uses less than this share of a processor.
const QUIET: f64 = 0.03;
/// How long a server is waited for that has just been started: it looks after every customer first.
const SETTLED_WITHIN: Duration = Duration::from_secs(1_200);

/// What is asked for on the command line.
#[derive(Clone, Debug, Default)]
pub(crate) struct Options {
    /// Where the company is kept, so that it need not be made again.
    pub(crate) data: Option<PathBuf>,
    pub(crate) quick: bool,
    /// Measure in that folder itself, where there is no room for a copy: what the phones bring stays in it.
    pub(crate) in_place: bool,
    /// Only pages whose name holds this, and no open pages: for whoever works on a page.
    pub(crate) page: Option<String>,
    /// Only many open pages, for whoever works on what those cost.
    pub(crate) only_open: bool,
}

/// What became of a page.
pub(crate) struct Measured {
    pub(crate) what: String,
    pub(crate) who: Who,
    pub(crate) file: bool,
    /// Sorted.
    pub(crate) times: Vec<Duration>,
    /// CPU time of the server for one request.
    pub(crate) cpu: Duration,
    pub(crate) sent: usize,
    pub(crate) plain: usize,
    /// Median of the bare SQL.
    pub(crate) sql: Option<Duration>,
}

impl Measured {
    pub(crate) fn at(&self, share: usize) -> Duration {
        let index = (self.times.len() * share).div_ceil(100).saturating_sub(1);
        self.times.get(index).copied().unwrap_or_default()
    }
}

/// Everything that was measured.
pub(crate) struct Report {
    pub(crate) facts: Facts,
    pub(crate) database_bytes: u64,
    pub(crate) pages: Vec<Measured>,
    pub(crate) open: Option<open::Open>,
    pub(crate) load: (Option<f64>, Option<f64>),
}

/// The server as an operator starts it, in a process of its own.
pub(crate) async fn child(folder: &Path) -> Result<()> {
    let config = ServerConfig {
        data: folder.to_owned(),
        listen: ([127, 0, 0, 1], 0).into(),
        sync_per_minute: 0,
        enrol_per_minute: 0,
        sign_in_per_minute: 0,
        // What is measured is the pages.
        compact_hours: 0,
        ..ServerConfig::default()
    };
    start_logging(&config).map_err(|error| error.0)?;
    let server = RunningServer::start(config).await.map_err(|error| error.0)?;
    println!("http://{}", server.address);
    // Until the parent closes the pipe, also by dying.
    tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await??;
    server.stop().await.map_err(|error| error.0.into())
}

/// That process, as its parent sees it.
struct Server {
    url: String,
    process: Child,
}

impl Server {
    fn start(folder: &Path) -> Result<Self> {
        let log = std::fs::File::create(folder.join("server.log"))?;
        let mut process = Command::new(std::env::current_exe()?)
            .arg(CHILD)
            .arg(folder)
            .env("NO_COLOR", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()?;
        let mut url = String::new();
        let out = process.stdout.take().ok_or("no pipe")?;
        BufReader::new(out).read_line(&mut url)?;
        let url = url.trim().to_owned();
        if url.is_empty() {
            return Err("the server did not start; see server.log in its folder".into());
        }
        Ok(Self { url, process })
    }

    /// CPU time so far, with that of its workers.
    fn cpu(&self) -> Duration {
        cpu::precise(self.process.id())
    }

    async fn settled(&self) -> Result<()> {
        let started = Instant::now();
        let mut quiet = 0;
        while quiet < 3 {
            if started.elapsed() > SETTLED_WITHIN {
                return Err("the server does not come to rest".into());
            }
            let (before, at) = (self.cpu(), Instant::now());
            tokio::time::sleep(Duration::from_secs(2)).await;
            // A thread that ends takes its time with it.
            let used = self.cpu().saturating_sub(before);
            let share = used.as_secs_f64() / at.elapsed().as_secs_f64();
            quiet = if share < QUIET { quiet + 1 } else { 0 };
        }
        eprintln!("the server came to rest after {} s", started.elapsed().as_secs());
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}

/// Measures the pages.
pub(crate) async fn measure(options: &Options) -> Result<Report> {
    let temporary = tempfile::tempdir()?;
    let kept = options.data.clone().unwrap_or_else(|| temporary.path().join("company"));
    let size = if options.quick { Size::QUICK } else { Size::FULL };
    let facts = match Facts::read(&kept) {
        Some(facts) if facts.size == size => facts,
        _ => {
            eprintln!("making the company; this takes a while");
            company::make(&kept, size).await?
        }
    };
    let today = now().date_in(chrono_tz::Asia::Shanghai);
    if facts.day != today {
        eprintln!("the company was made on {}: nothing happened in it since", facts.day);
    }
    if options.in_place {
        return measure_in(&kept, facts, options).await;
    }
    // What is measured changes it.
    let run = kept.with_extension("run");
    let _ = std::fs::remove_dir_all(&run);
    std::fs::create_dir_all(&run)?;
    std::fs::copy(kept.join(DATABASE_FILE), run.join(DATABASE_FILE))?;
    let report = measure_in(&run, facts, options).await;
    std::fs::remove_dir_all(&run)?;
    report
}

async fn measure_in(run: &Path, facts: Facts, options: &Options) -> Result<Report> {
    let codes = open::codes(run, &facts).await?;
    let server = Server::start(run)?;
    let folder = tempfile::tempdir_in(run)?;
    let phones = open::phones(folder.path(), &server.url, &facts, &codes, options.page.is_some()).await?;
    server.settled().await?;
    // Whatever the phones have brought by being enrolled is in the database by now.
    let mut all = if options.only_open {
        Vec::new()
    } else {
        asked::everything(run, &facts)?
    };
    if let Some(part) = &options.page {
        all.retain(|it| it.what.contains(part.as_str()));
    }
    let before = cpu::load();
    let pages = ask(run, &server, &facts, &phones, all).await?;
    let open = match options.page {
        Some(_) => None,
        None => Some(open::measure(&server, &facts, phones).await?),
    };
    Ok(Report {
        facts,
        database_bytes: cpu::database_bytes(&run.join(DATABASE_FILE)),
        pages,
        open,
        load: (before, cpu::load()),
    })
}

/// A visit and a note about money, as a phone brings them: nothing that was read before may be shown again.
async fn news(phone: &open::Phone) -> Result<()> {
    phone.store.create(a_visit(phone, "Delivered the samples."))?;
    phone.store.create(CollectionNote {
        customer: phone.customer,
        rep: phone.user,
        at: now(),
        channel: CollectionChannel::Phone,
        person: String::new(),
        outcome: CollectionOutcome::Reminded,
        invoice_number: None,
        promise: None,
        receipt: None,
        closing: None,
        next_step: None,
        note: "催款".to_owned(),
        position: None,
    })?;
    product::sync(&phone.store, &phone.url).await?;
    Ok(())
}

fn a_visit(phone: &open::Phone, note: &str) -> Visit {
    let mut visit = Visit::new(phone.customer, phone.user, VisitPurpose::Routine);
    visit.note = note.to_owned();
    visit
}

/// Each page once, to warm up, then all of them again and again, beginning at another one each time.
async fn ask(
    run: &Path,
    server: &Server,
    facts: &Facts,
    phones: &[open::Phone],
    all: Vec<Asked>,
) -> Result<Vec<Measured>> {
    let administrator = Browser::sign_in(&server.url, &facts.administrator).await?;
    // The one who leads the first phone's territory.
    let supervisor = Browser::sign_in(&server.url, &facts.supervisors[0].0).await?;
    let contact = Browser::of_nobody(&server.url)?;
    let browser = |who| match who {
        Who::Administrator => &administrator,
        Who::Supervisor => &supervisor,
        Who::Contact => &contact,
    };
    let mut pages: Vec<Measured> = Vec::with_capacity(all.len());
    for it in &all {
        let page = browser(it.who).get(&it.path).await?;
        pages.push(Measured {
            what: it.what.clone(),
            who: it.who,
            file: it.file,
            times: Vec::with_capacity(ROUNDS),
            cpu: Duration::ZERO,
            sent: page.sent,
            plain: page.body()?.len(),
            sql: None,
        });
    }
    for round in 0..ROUNDS {
        news(&phones[0]).await?;
        // What follows the exchange is not the page's.
        tokio::time::sleep(Duration::from_millis(250)).await;
        let begin = round * all.len() / ROUNDS;
        for place in (begin..all.len()).chain(0..begin) {
            let it = &all[place];
            if it.file && round >= 5 {
                continue;
            }
            let before = server.cpu();
            let page = browser(it.who).get(&it.path).await?;
            let measured = &mut pages[place];
            measured.cpu += server.cpu().saturating_sub(before);
            measured.times.push(page.time);
            measured.sent = measured.sent.max(page.sent);
        }
        eprint!(".");
    }
    eprintln!();
    let db = asked::database(run)?;
    for (it, page) in all.iter().zip(&mut pages) {
        page.times.sort_unstable();
        page.cpu /= u32::try_from(page.times.len().max(1))?;
        if let Some(sql) = &it.sql {
            page.sql = Some(bare(&db, sql).map_err(|error| format!("{sql}: {error}"))?);
        }
    }
    Ok(pages)
}

/// How long reading every row of a statement takes.
fn bare(db: &rusqlite::Connection, sql: &str) -> rusqlite::Result<Duration> {
    let mut statement = db.prepare(sql)?;
    let columns = statement.column_count();
    let mut times = Vec::with_capacity(SQL_ROUNDS);
    while times.len() < SQL_ROUNDS {
        let started = Instant::now();
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            for column in 0..columns {
                std::hint::black_box(row.get_ref(column)?);
            }
        }
        times.push(started.elapsed());
        if times.len() == 3 && times[2] > SLOW {
            break;
        }
    }
    times.sort_unstable();
    Ok(times[times.len() / 2])
}

/// Writes the section into the file, in the place of the one that is there.
pub(crate) fn write(report: &Report, file: Option<&String>) -> Result<()> {
    let section = written::section(report);
    println!("{section}");
    if let Some(file) = file {
        let text = std::fs::read_to_string(file)?;
        std::fs::write(file, written::replaced(&text, &section))?;
        println!("written to {file}");
    }
    Ok(())
}

fn open_store(path: &Path) -> Result<FieldStore> {
    product::open(path, Durability::Off)
}

/// Codes for these people's next phones.
async fn codes_for(store: &SqliteStore, facts: &Facts, users: &[UserId]) -> Result<Vec<String>> {
    let secrets = Secrets::from_system()?;
    let mut codes = Vec::with_capacity(users.len());
    for user in users {
        let expires_at = now().plus_millis(86_400_000);
        codes.push(make_enrolment_code(store, &secrets, facts.organisation, *user, expires_at).await?);
    }
    Ok(codes)
}

fn millis(time: Duration) -> f64 {
    large::millis(time)
}
