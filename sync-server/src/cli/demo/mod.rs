//! `fieldledger demo`: a company, a server, three phones and a working day without a network, in one command.

mod cast;
mod check;
mod crash;
mod credit;
mod day;
mod phone;
mod proxy;
mod report;

use std::{
    io::Write as _,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::atomic::Ordering,
    time::Instant,
};

use chrono::Days;
use fieldledger_core::{
    document::edit,
    model::{
        Assessment, CustomerId, DocumentId, LedgerRecord, OrganisationId, RecordKey, RecordKind, Review, ReviewVerdict,
        Territory, TerritoryId, Timestamp,
    },
};

pub(super) use crash::{CrashArgs, run as run_crash};

use self::{
    cast::Cast,
    phone::DemoPhone,
    proxy::{Proxy, Weather},
};
use super::{serve::RunningServer, table::fit};
use crate::{
    auth::{hash_password, make_enrolment_code},
    company,
    config::ServerConfig,
    import::{self, Books, Mapping},
    state::AppState,
    store::{Account, PutOutcome, Store},
};

/// Arguments of `fieldledger demo`.
#[derive(Debug, clap::Args)]
#[command(
    long_about = "Shows the whole path in about a minute: starts a server in a temporary folder, makes a company, enrols \
        three phones, takes them offline for a working day, kills one in the middle of a write, brings them back over a \
        bad network, and checks that every phone and the server agree.\n\n\
        Exit codes: 0 everything converged · 1 something did not"
)]
pub(super) struct DemoArgs {
    /// Folder with the CSV files of a company, instead of a made-up one
    #[arg(long, value_name = "DIR", requires = "mapping")]
    company: Option<PathBuf>,
    /// How to read them: `classicmodels`, `northwind`, or a file
    #[arg(long, value_name = "NAME|FILE", requires = "company")]
    mapping: Option<String>,
    /// Where chance begins: the same seed makes the same company and the same bad network
    #[arg(long)]
    seed: Option<u64>,
    /// End when everything is checked, instead of leaving the pages running
    #[arg(long)]
    exit: bool,
    /// Port of the pages; 0 takes any free one
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Visits that each rep makes
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u32).range(1..=5_000))]
    visits: u32,
    /// Keep the data here instead of in a temporary folder that is deleted in the end
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
}

/// Password of everybody who gets one in the demo. It guards made-up data on this machine.
const PASSWORD: &str = "tea-in-the-field";

/// Why the demo could not go on.
pub(super) type Broken = Box<dyn std::error::Error + Send + Sync>;

/// Prints a line of progress.
macro_rules! tell {
    ($($arg:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stdout(), $($arg)*);
    }};
}
pub(super) use tell;

pub(super) fn run(args: &DemoArgs) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(4)
        .enable_all()
        .build();
    let ended = match runtime {
        Ok(runtime) => runtime.block_on(show(args)),
        Err(error) => Err(error.into()),
    };
    match ended {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "error: the demo could not go on: {error}");
            ExitCode::FAILURE
        }
    }
}

fn indented(text: &str) -> String {
    let lines: Vec<String> = text
        .lines()
        .map(|line| format!("   {line}").trim_end().to_owned())
        .collect();
    lines.join("\n")
}

fn step(number: u32, title: &str) {
    tell!("\n{number}. {title}");
}

async fn show(args: &DemoArgs) -> Result<bool, Broken> {
    let begun = Instant::now();
    let seed = match args.seed {
        Some(seed) => seed,
        None => u64::from(rand::random::<u32>()),
    };
    let temporary = match &args.keep {
        None => Some(tempfile::tempdir()?),
        Some(_) => None,
    };
    let folder = match (&args.keep, &temporary) {
        (Some(folder), _) => folder.clone(),
        (None, Some(temporary)) => temporary.path().to_owned(),
        (None, None) => return Err("no folder".into()),
    };
    std::fs::create_dir_all(&folder)?;
    tell!("Fieldledger demo, seed {seed}  (--seed {seed} repeats it)");

    step(1, "A server, on its embedded store");
    let server = Server::start(&folder.join("server"), args.port).await?;
    tell!("   {}  data in {}", server.url(), folder.display());

    step(2, "A company");
    let (books, org) = books(args, seed, server.store()).await?;
    let report = import::write(server.store(), books.clone(), false, now()).await?;
    for line in report.to_string().lines() {
        tell!("   {line}");
    }
    let cast = Cast::choose(server.store(), org, &books).await?;
    cast.set_passwords(server.store(), &hash_password(PASSWORD.to_owned()).await?)
        .await?;

    step(3, "Three phones, each with its own database and its own network");
    let mut phones = Vec::new();
    for (index, (account, role)) in cast.in_the_field().into_iter().enumerate() {
        let proxy = Proxy::open(server.running.address, seed.wrapping_mul(31).wrapping_add(index as u64)).await?;
        let code = server.enrolment_code(account).await?;
        let path = folder.join(format!("phone-{}.db", index + 1));
        let phone = DemoPhone::enrol(account, role, &path, proxy, &code).await?;
        tell!("   {}", phone.introduction());
        phones.push(phone);
    }
    for phone in &mut phones {
        phone.sync_until_done(20).await?;
    }
    // The morning, still online: the note of today's delivery is written and reaches the driver.
    let delivery = tokio::task::block_in_place(|| day::prepare(&phones[0], &cast))?;
    for phone in &mut phones {
        phone.sync_until_done(20).await?;
    }

    step(4, "A working day without a network");
    for phone in &phones {
        phone.proxy.set(Weather::None);
        phone.begin_day();
    }
    let offline = phones[0].try_sync().await;
    tell!(
        "   {} tries to sync: {}",
        phones[0].name,
        offline
            .err()
            .map_or("it worked, which it should not".to_owned(), |error| error.to_string())
    );
    tell!(
        "   Meanwhile the office moves the customer {} to key accounts.",
        cast.moving.name
    );
    move_customer(server.store(), org, cast.moving.id).await?;
    let events = tokio::task::block_in_place(|| day::work(&phones, &cast, delivery, args.visits))?;

    step(5, "A phone is killed in the middle of a write");
    let killed = tokio::task::block_in_place(|| crash::kill_one(&mut phones[2], &cast, seed))?;
    tell!(
        "   {} had {} visits acknowledged when it was killed (SIGKILL); after the restart {} of them are there.",
        phones[2].name,
        killed.acknowledged,
        killed.found
    );

    step(6, "Back over a bad network, which cuts, delays, refuses and repeats");
    for phone in &mut phones {
        phone.end_day();
        phone.proxy.set(Weather::Bad);
    }
    // Three rounds, so that everybody also gets what the others sent after them.
    for _ in 0..3 {
        for phone in &mut phones {
            phone.sync_until_done(300).await?;
        }
    }
    for phone in &phones {
        let traffic = &phone.proxy.traffic;
        let count = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
        tell!(
            "   {} in step after {} attempts, {} of them failed; connections cut {}, refused {}, delayed {}, repeated {}",
            fit(&phone.name, 16),
            phone.attempts,
            phone.failed,
            count(&traffic.cut),
            count(&traffic.refused),
            count(&traffic.delayed),
            count(&traffic.duplicated)
        );
        phone.proxy.set(Weather::Good);
    }
    settle(&mut phones).await?;

    step(7, "The supervisor asks, and the rep answers");
    let asked = review(&server, org, &cast, events.questioned).await?;
    settle(&mut phones).await?;
    let answered = tokio::task::block_in_place(|| day::answer(&phones[0], asked))?;
    settle(&mut phones).await?;
    let heard = server.store().document(org, asked).await?;
    let heard = heard.is_some_and(|it| it.tree["replies"].as_object().is_some_and(|it| !it.is_empty()));
    tell!(
        "   {} reads “{}” and answers; the answer is {}.",
        phones[0].name,
        answered,
        if heard {
            "on the supervisor's page"
        } else {
            "NOT on the server"
        }
    );

    step(
        8,
        "Credit: one limit, two reps, money that arrives, a statement that adds up",
    );
    let about_credit = credit::show(&server, org, &cast, &mut phones).await?;
    settle(&mut phones).await?;

    step(
        9,
        "What was recorded, sent, received, merged, disagreed about and rejected",
    );
    let mut problems = about_credit;
    tell!("{}", indented(&report::table(&phones)?.to_string()));
    tell!("{}", indented(&report::disagreements(&phones[0], delivery)?));
    tell!("{}", indented(&report::rejected(&phones)?));

    step(10, "Does everybody agree?");
    if killed.found < killed.acknowledged {
        problems.push(format!(
            "{} acknowledged visits are lost",
            killed.acknowledged - killed.found
        ));
    }
    if !heard {
        problems.push("the rep's answer did not reach the server".to_owned());
    }
    problems.extend(check::everything(server.state(), org, &phones, &events, delivery).await?);
    if problems.is_empty() {
        tell!("   Yes: every phone and the server hold the same, nothing waits, the server finds nothing wrong.");
    } else {
        tell!("   NO:");
        for problem in &problems {
            tell!("   - {problem}");
        }
    }
    tell!("   Took {:.1} s.", begun.elapsed().as_secs_f64());

    if !args.exit {
        tell!("\nThe pages are running at {}  (end with Ctrl-C)", server.url());
        tell!("{}\n", indented(&report::sign_ins(&cast, PASSWORD).to_string()));
        tell!("Try a phone in another terminal, for example:");
        let db = phones[0].path.display().to_string();
        // As it was started: after `cargo run` there is no `fieldledger` on the path.
        let program = std::env::args().next().unwrap_or_else(|| "fieldledger".to_owned());
        let url = server.url();
        tell!("   {program} phone --db {db} today");
        tell!(
            "   {program} phone --db {db} disagreements {}",
            &delivery.to_string()[..8]
        );
        let (rep, _) = cast.in_the_field()[0];
        let code = server.enrolment_code(rep).await?;
        tell!("   {program} phone --db my-phone.db enrol {url} {code}");
        tell!("A code is good for one phone of {}; another one:", rep.name);
        tell!(
            "   {program} device enrol {} --data {}",
            rep.login,
            folder.join("server").display()
        );
        tell!("The samples in bindings/ play their day with the customer DEMO-SHOP.");
        // The demo's own networks go away with the demo; a phone that is tried by hand talks to the server itself.
        phones.iter().for_each(DemoPhone::release);
        let _ = tokio::signal::ctrl_c().await;
    }
    drop(phones);
    server.stop().await?;
    Ok(problems.is_empty())
}

fn now() -> Timestamp {
    chrono::Utc::now().into()
}

async fn books(args: &DemoArgs, seed: u64, store: &dyn Store) -> Result<(Books, OrganisationId), Broken> {
    let books = match (&args.company, &args.mapping) {
        (Some(dir), Some(mapping)) => {
            let mapping = Mapping::load(mapping)?;
            let org = import::organisation_id(store, &mapping.organisation.name).await?;
            let mut books = import::read(&mapping, dir, org, None, None)?;
            assess(&mut books);
            books
        }
        _ => company::generate(seed, now().date_in(chrono_tz::Asia::Shanghai)),
    };
    let org = books.organisation;
    Ok((books, org))
}

/// Few companies' files tell of credit assessments, and without one every order is held. In the demo's own data folder the
/// customers count as assessed, so that the day shows an order that passes.
fn assess(books: &mut Books) {
    let (on, today) = (books.as_of, now().date_in(books.profile.time_zone));
    for row in books.credit.iter_mut().filter(|it| it.assessment.is_none()) {
        row.assessment = Some(Assessment {
            on,
            assessor: "the demo".to_owned(),
            evidence: "none: made up for the demo".to_owned(),
            valid_until: today.checked_add_days(Days::new(365)).unwrap_or(today).max(on),
        });
    }
}

/// Syncs everybody until nobody has anything new for anybody.
async fn settle(phones: &mut [DemoPhone]) -> Result<(), Broken> {
    for _ in 0..2 {
        for phone in phones.iter_mut() {
            phone.sync_until_done(20).await?;
        }
    }
    Ok(())
}

/// The office gives a customer to another team while everybody is away.
async fn move_customer(store: &dyn Store, org: OrganisationId, id: CustomerId) -> Result<(), Broken> {
    let territory = Territory {
        id: TerritoryId::derived(org, "territory:demo key accounts"),
        name: "Key accounts 大客户".to_owned(),
    };
    let key = RecordKey {
        kind: RecordKind::Customer,
        id: id.to_string(),
    };
    let stored = store
        .record(org, &key)
        .await?
        .ok_or("the customer is not in the store")?;
    let LedgerRecord::Customer(mut customer) = stored.record else {
        return Err("the customer is not a customer".into());
    };
    customer.territory = territory.id;
    let records = vec![LedgerRecord::Territory(territory), LedgerRecord::Customer(customer)];
    for outcome in store.put_records(org, records, true, now()).await? {
        if let PutOutcome::Refused(reason) = outcome {
            return Err(reason.into());
        }
    }
    Ok(())
}

/// The supervisor's question about a visit, as the page would write it.
async fn review(server: &Server, org: OrganisationId, cast: &Cast, about: DocumentId) -> Result<DocumentId, Broken> {
    let visit = server
        .store()
        .document(org, about)
        .await?
        .ok_or("the visit is not on the server")?;
    let field = |name: &str| visit.tree[name].as_str().unwrap_or_default();
    let review = Review {
        customer: field("customer").parse()?,
        about,
        rep: field("rep").parse()?,
        reviewer: cast.supervisor.user,
        at: now(),
        verdict: ReviewVerdict::Questioned,
        comment: "定位来自模拟程序，请说明。The position came from a mock provider: where was this?".to_owned(),
        replies: std::collections::BTreeMap::new(),
    };
    tell!("   {} asks about a visit with a mocked position.", cast.supervisor.name);
    let tree = edit::tree_of(&review)?;
    Ok(server.state().sync.create_document(&cast.supervisor, &tree).await?)
}

/// The server of the demo: the real one, on a port of this machine.
struct Server {
    running: RunningServer,
}

impl Server {
    async fn start(data: &Path, port: u16) -> Result<Self, Broken> {
        std::fs::create_dir_all(data)?;
        let config = ServerConfig {
            data: data.to_owned(),
            listen: SocketAddr::from(([127, 0, 0, 1], port)),
            // Everything here comes from one address.
            enrol_per_minute: 0,
            sync_per_minute: 0,
            ..ServerConfig::default()
        };
        let running = RunningServer::start(config).await?;
        Ok(Self { running })
    }

    fn url(&self) -> String {
        format!("http://{}", self.running.address)
    }

    fn state(&self) -> &AppState {
        &self.running.state
    }

    fn store(&self) -> &dyn Store {
        &*self.state().store
    }

    async fn enrolment_code(&self, account: &Account) -> Result<String, Broken> {
        let until = now().plus_millis(24 * 60 * 60 * 1000);
        let (org, user) = (account.organisation, account.user);
        Ok(make_enrolment_code(self.store(), &self.state().secrets, org, user, until).await?)
    }

    async fn stop(self) -> Result<(), Broken> {
        Ok(self.running.stop().await?)
    }
}
