//! A company of the size that the pages are made for. What finance knows comes in through the server's own import; what
//! happened in the field is made with the core as a phone makes it, judged by the server's validator, and appended to the
//! store in the order in which it came in; the days since are looked after by the server's daily round.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt::Write as _,
    fs,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use chrono::{Days, NaiveDate};
use fieldledger_core::{
    document::Summary,
    model::{
        Currency, CustomerId, DeviceId, DocumentId, Grant, GrantId, GrantMode, GrantState, GrantTerms, LedgerRecord,
        Money, OrganisationId, Receipt, Role, StatementId, TerritoryId, Timestamp, UnidentifiedReceipt, UserId,
    },
    rules::statement::Period,
    sync::{
        protocol::{EnrolRequest, StreamId},
        transport::enrol,
    },
};
use fieldledger_server::{
    auth::{hash_password, hash_secret, make_enrolment_code},
    import::{self, Mapping},
    ingest::{InProcess, Job, Judgement, Validator as _},
    jobs,
    ledger::statements::{self, StatementWish},
    store::{
        Append, AppendOutcome, AuditEntry, Decided, DeliveryLink, DocumentStore as _, PeopleStore as _, PutOutcome,
        StatementLink, Step, Store, StoreError, sqlite::SqliteStore,
    },
};
use fieldledger_tests::{
    company::PASSWORD,
    phone::APP_VERSION,
    server::{Server, now},
};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;

use super::activity::{Maker, Rep, Work};
use crate::Result;

/// How large the company is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Size {
    pub(crate) territories: u32,
    pub(crate) reps: u32,
    pub(crate) customers: u32,
    pub(crate) activities: u32,
    /// Open invoices of each customer.
    pub(crate) open_each: u32,
}

impl Size {
    /// The size for which the aims are set: half a million open items, and some more for those that are paid meanwhile.
    pub(crate) const FULL: Self = Self {
        territories: 40,
        reps: 200,
        customers: 20_000,
        activities: 1_000_000,
        open_each: 26,
    };
    /// To see whether the measuring works.
    pub(crate) const QUICK: Self = Self {
        territories: 8,
        reps: 40,
        customers: 2_000,
        activities: 30_000,
        open_each: 26,
    };
}

/// Invoices of each customer that were paid.
const PAID_EACH: u32 = 5;
/// Days over which the work of the field is spread.
const DAYS: i64 = 730;
const DAY_MILLIS: i64 = 86_400_000;
/// Territories of a supervisor.
const LED: u32 = 2;
/// Documents that one phone brings at a time.
const BROUGHT: usize = 20;
/// Documents that are made and judged at a time; what they were brought by is committed together.
const BATCH: usize = 64 * BROUGHT;
/// What the addresses of the contact's pages end with.
const STATEMENT_SECRET: &str = "a-statement-of-the-measured-company-000001";
const DELIVERY_SECRET: &str = "a-delivery-of-the-measured-company-0000001";

/// The file beside the database that says what is in it; there once it is complete.
const FACTS: &str = "measured.json";

/// What is known of the company once it is there.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Facts {
    pub(crate) size: Size,
    pub(crate) organisation: OrganisationId,
    /// The day on which it was made: today's work is that of this day.
    pub(crate) day: NaiveDate,
    pub(crate) reps: Vec<(UserId, TerritoryId, Vec<CustomerId>)>,
    /// Sign-in names of those who read the pages.
    pub(crate) administrator: String,
    pub(crate) supervisors: Vec<(String, Vec<TerritoryId>)>,
    pub(crate) finance: Vec<String>,
    pub(crate) statement: StatementId,
    pub(crate) statement_secret: String,
    pub(crate) delivery_secret: String,
    pub(crate) seconds: u64,
}

impl Facts {
    pub(crate) fn read(folder: &Path) -> Option<Self> {
        serde_json::from_slice(&fs::read(folder.join(FACTS)).ok()?).ok()
    }
}

/// Makes the company in `folder`.
pub(crate) async fn make(folder: &Path, size: Size) -> Result<Facts> {
    let started = Instant::now();
    fs::create_dir_all(folder)?;
    let store = Arc::new(SqliteStore::open(folder)?);
    let today = now().date_in(chrono_tz::Asia::Shanghai);
    let rows = folder.join("rows");
    fs::create_dir_all(&rows)?;
    write_rows(&rows, size, today)?;
    let mapping = Mapping::parse("measured", MAPPING)?;
    let organisation = import::organisation_id(store.as_ref(), "远帆商贸").await?;
    let books = import::read(&mapping, &rows, organisation, None, Some(today))?;
    fs::remove_dir_all(&rows)?;
    if let Some(error) = books.errors.first() {
        return Err(format!("a row was left out: {error}").into());
    }
    let customers: Vec<(CustomerId, TerritoryId, Option<UserId>)> = books
        .records
        .iter()
        .filter_map(|it| match &it.record {
            LedgerRecord::Customer(it) => Some((it.id, it.territory, it.rep)),
            _ => None,
        })
        .collect();
    let products: Vec<_> = books
        .records
        .iter()
        .filter_map(|it| match &it.record {
            LedgerRecord::Product(it) => Some(it.id),
            _ => None,
        })
        .collect();
    let report = import::write(store.as_ref(), books, false, now()).await?;
    if !report.errors.is_empty() {
        return Err(format!("the import refused {:?}", report.errors.first()).into());
    }
    eprintln!("imported after {} s", started.elapsed().as_secs());

    let hash = hash_password(PASSWORD.to_owned()).await?;
    let accounts = store.accounts(organisation).await?;
    for account in &accounts {
        let mut account = account.clone();
        account.password_hash = Some(hash.clone());
        store.put_account(account).await?;
    }
    let logins = |role: Role| -> Vec<String> {
        let of_role = accounts.iter().filter(|it| it.has(role));
        of_role.map(|it| it.login.clone()).collect()
    };
    let server = Server::start(Arc::clone(&store) as Arc<dyn Store>, Arc::new(InProcess)).await?;
    let mut reps = Vec::new();
    let mut seed = 0;
    for account in accounts.iter().filter(|it| it.has(Role::Rep)) {
        let own: Vec<CustomerId> = customers
            .iter()
            .filter(|(_, _, rep)| *rep == Some(account.user))
            .map(|(id, ..)| *id)
            .collect();
        let leads = |territory: &TerritoryId| {
            accounts
                .iter()
                .find(|it| it.login.starts_with("lead") && it.territories.contains(territory))
        };
        let territory = *account.territories.first().ok_or("a rep without a territory")?;
        let device = enrol_by_hand(&server, organisation, account.user).await?;
        seed += 1;
        let supervisor = leads(&territory).ok_or("a territory without a supervisor")?.user;
        reps.push(Rep::new(seed, account.user, device, territory, supervisor, own));
    }
    let known: Vec<_> = reps
        .iter()
        .map(|it| (it.user, it.territory, it.customers.clone()))
        .collect();
    let delivery = record_work(&store, organisation, size, reps, products).await?;
    eprintln!("recorded after {} s", started.elapsed().as_secs());
    more_money(store.as_ref(), organisation, &customers).await?;
    let round = jobs::look_after(&server.state, organisation).await?;
    eprintln!("looked after {round:?} after {} s", started.elapsed().as_secs());
    let statement = issue_statements(store.as_ref(), organisation, &customers, today).await?;
    give_links(store.as_ref(), organisation, statement, delivery, known[0].0).await?;
    write_audit(store.as_ref(), organisation, &known).await?;
    while store.index_words(5_000).await? > 0 {}
    eprintln!("indexed after {} s", started.elapsed().as_secs());
    drop(server);
    let facts = Facts {
        size,
        organisation,
        day: today,
        reps: known,
        administrator: logins(Role::Administrator).first().cloned().ok_or("no administrator")?,
        supervisors: (accounts.iter().filter(|it| it.login.starts_with("lead")))
            .map(|it| (it.login.clone(), it.territories.clone()))
            .collect(),
        finance: logins(Role::Finance),
        statement: statement.1,
        statement_secret: STATEMENT_SECRET.to_owned(),
        delivery_secret: DELIVERY_SECRET.to_owned(),
        seconds: started.elapsed().as_secs(),
    };
    drop(store);
    closed(folder).await?;
    fs::write(folder.join(FACTS), serde_json::to_vec(&facts)?)?;
    Ok(facts)
}

/// Waits until the store is closed and its log is folded into the database, which is copied as a file: the server's tasks
/// let go of it some time after the server.
async fn closed(folder: &Path) -> Result<()> {
    loop {
        match SqliteStore::open(folder) {
            Ok(_) => return Ok(()),
            Err(StoreError::InUse) => tokio::time::sleep(Duration::from_millis(100)).await,
            Err(error) => return Err(error.into()),
        }
    }
}

const MAPPING: &str = r#"
[organisation]
name = "远帆商贸"
time_zone = "Asia/Shanghai"
currency = "CNY"

[people]
file = "people.csv"
key = "{key}"
name = "{name}"
login = "{key}"
roles = "{role}"
supervisor = "{above}"
territory = "{territory}"

[products]
file = "products.csv"
key = "{code}"
name = "{name}"
unit = "box"
price = "{price}"

[customers]
file = "customers.csv"
key = "{code}"
name = "{name}"
territory = "{territory}"
rep = "{rep}"
contact = "{contact}"
phone = "{phone}"
address = "{address}"
latitude = "{latitude}"
longitude = "{longitude}"

[invoices]
file = "invoices.csv"
number = "{number}"
customer = "{customer}"
invoiced_on = "{on}"
due_on = "{due}"
amount = "{amount}"

[receipts]
file = "receipts.csv"
reference = "{reference}"
customer = "{customer}"
valued_on = "{on}"
amount = "{amount}"
pays = "{pays}"

[credit]
file = "customers.csv"
customer = "{code}"
limit = "{limit}"
grade = "{grade}"
assessed_on = "{assessed}"
assessor = "财务部"
evidence = "annual accounts"
valid_until = "{until}"
"#;

/// What the company's own systems would give out.
fn write_rows(folder: &Path, size: Size, today: NaiveDate) -> Result<()> {
    let mut rng = ChaCha8Rng::seed_from_u64(17);
    let mut people = String::from("key,name,role,above,territory\n");
    let _ = writeln!(people, "head,林总监,supervisor,,");
    for number in 1..=2 {
        let _ = writeln!(people, "admin-{number},Administrator {number},administrator,head,");
    }
    for number in 1..=5 {
        let _ = writeln!(people, "finance-{number},财务 {number},finance,head,");
    }
    for number in 0..size.territories / LED {
        let _ = writeln!(people, "lead-{number:02},主管 Lead {number:02},supervisor,head,");
    }
    let territory = |number: u32| format!("区域 Territory {number:02}");
    let each = size.reps / size.territories;
    for number in 0..size.reps {
        let place = number / each;
        let _ = writeln!(
            people,
            "rep-{number:03},业务员 Rep {number:03},rep,lead-{:02},{}",
            place / LED,
            territory(place)
        );
    }
    fs::write(folder.join("people.csv"), people)?;

    let mut products = String::from("code,name,price\n");
    for number in 0..300 {
        let _ = writeln!(products, "P-{number:03},商品 Product {number:03},{}", 20 + number % 180);
    }
    fs::write(folder.join("products.csv"), products)?;

    let mut customers =
        String::from("code,name,territory,rep,contact,phone,address,latitude,longitude,limit,grade,assessed,until\n");
    let mut invoices = String::from("number,customer,on,due,amount\n");
    let mut receipts = String::from("reference,customer,on,amount,pays\n");
    let before = |days: u32| today - Days::new(u64::from(days));
    let after = |days: u32| today + Days::new(u64::from(days));
    for number in 0..size.customers {
        let code = format!("K-{number:05}");
        let rep = number % size.reps;
        // One in five pays late.
        let late = number % 5 == 0;
        let _ = writeln!(
            customers,
            "{code},{} {number},{},rep-{rep:03},周老板 {number},021-{:08},\"上海市某路 {number} 号, Road {number}\",{:.5},{:.5},{},{},{},{}",
            [
                "永兴超市",
                "东门便利店",
                "Café Aurora",
                "海风食品店",
                "Northgate Market"
            ][number as usize % 5],
            territory(rep / each),
            50_000_000 + number,
            31.0 + f64::from(number % 977) * 0.0006,
            121.0 + f64::from(number % 991) * 0.0008,
            if late { 30_000 } else { 120_000 },
            ["A", "B", "C", "B"][number as usize % 4],
            before(40 + number % 200),
            after(200 + number % 160),
        );
        for item in 0..size.open_each {
            let due = if late && item % 3 == 0 {
                before(rng.random_range(1..120))
            } else {
                after(rng.random_range(0..60))
            };
            let _ = writeln!(
                invoices,
                "F-{number:05}-{item:02},{code},{},{due},{}.{:02}",
                (due - Days::new(rng.random_range(30..60))).min(today),
                rng.random_range(100..3_000),
                rng.random_range(0..100)
            );
        }
        for item in 0..PAID_EACH {
            let on = before(rng.random_range(70..400));
            let amount = rng.random_range(100..5_000);
            let invoice = format!("A-{number:05}-{item:02}");
            let _ = writeln!(invoices, "{invoice},{code},{on},{},{amount}.00", on + Days::new(30));
            let _ = writeln!(
                receipts,
                "TT-{number:05}-{item:02},{code},{},{amount}.00,{invoice}",
                on + Days::new(28)
            );
        }
    }
    fs::write(folder.join("customers.csv"), customers)?;
    fs::write(folder.join("invoices.csv"), invoices)?;
    fs::write(folder.join("receipts.csv"), receipts)?;
    Ok(())
}

async fn enrol_by_hand(server: &Server, org: OrganisationId, user: UserId) -> Result<DeviceId> {
    let code = make_enrolment_code(
        server.state.store.as_ref(),
        &server.state.secrets,
        org,
        user,
        now().plus_millis(DAY_MILLIS),
    )
    .await?;
    let request = EnrolRequest {
        code,
        device_name: "Pixel 9".to_owned(),
        platform: "bench".to_owned(),
        app_version: APP_VERSION.to_owned(),
        installation: format!("{:032x}", rand::random::<u128>()),
    };
    Ok(enrol(&server.url, &request, &[]).await?.device)
}

/// Makes, judges and appends what happened in the field. Gives one of the deliveries.
async fn record_work(
    store: &Arc<SqliteStore>,
    org: OrganisationId,
    size: Size,
    reps: Vec<Rep>,
    products: Vec<fieldledger_core::model::ProductId>,
) -> Result<DocumentId> {
    let end = now().as_millis();
    let start = end - DAYS * DAY_MILLIS;
    let count = i64::from(size.activities);
    let mut maker = Maker::new(reps, products, Timestamp::from_millis(end));
    let mut made = 0;
    let mut delivery = None;
    let mut judging: VecDeque<tokio::task::JoinHandle<Result<Vec<Judged>>>> = VecDeque::new();
    loop {
        // Two batches are judged while one is stored.
        while judging.len() < 3 && made < count {
            let mut batch = Vec::with_capacity(BATCH);
            while batch.len() < BATCH && made < count {
                let at = Timestamp::from_millis(start + (end - start) / count * made);
                batch.push(maker.next(at)?);
                made += 1;
            }
            judging.push_back(tokio::spawn(async move { judge(batch).await }));
        }
        let Some(next) = judging.pop_front() else { break };
        let judged = next.await??;
        let found = judged.iter().find(|it| it.work.is_delivery);
        delivery = found.map(|it| it.work.change.document).or(delivery);
        append(store, org, judged).await?;
        let decisions = maker.decisions();
        if !decisions.is_empty() {
            put(store.as_ref(), org, decisions).await?;
        }
        if made % (BATCH as i64 * 40) == 0 {
            eprintln!("{made} of {count} activities");
        }
    }
    Ok(delivery.ok_or("no deliveries")?)
}

async fn put(store: &dyn Store, org: OrganisationId, records: Vec<LedgerRecord>) -> Result<()> {
    let outcomes = store.put_records(org, records, true, now()).await?;
    match outcomes.iter().find(|it| matches!(it, PutOutcome::Refused(_))) {
        Some(refused) => Err(format!("a record was refused: {refused:?}").into()),
        None => Ok(()),
    }
}

/// A document with what the validator says of its changes.
struct Judged {
    work: Work,
    appends: Vec<Append>,
}

async fn judge(works: Vec<Work>) -> Result<Vec<Judged>> {
    let mut judged = Vec::with_capacity(works.len());
    for work in works {
        let changes: Vec<Vec<u8>> = std::iter::once(&work.change)
            .chain(&work.edits)
            .map(|it| it.bytes.clone())
            .collect();
        let job = Job {
            existing: Vec::new(),
            changes: changes.clone(),
        };
        let judgements = InProcess.validate(vec![job]).await.pop().unwrap_or_default();
        let mut appends = Vec::with_capacity(1);
        for (judgement, bytes) in judgements.into_iter().zip(changes) {
            let Judgement::Sound(sound) = judgement else {
                return Err(format!("a change that was made here is not sound: {judgement:?}").into());
            };
            appends.push(Append {
                document: work.change.document,
                stream: StreamId::Territory(work.territory),
                hash: sound.hash,
                bytes,
                actor: sound.actor,
                seq: sound.seq,
                based_on: sound.based_on,
                heads: sound.heads,
                summary: Summary::of(&sound.tree),
                tree: sound.tree,
                disagreements: sound.disagreements,
                author: sound.authorship.user,
                device: work.device,
                relayed: false,
                made_at: sound.authorship.at,
                clock_off: work.clock_off,
            });
        }
        judged.push(Judged { work, appends });
    }
    Ok(judged)
}

/// Each phone's part at a moment of its own; all are written in one transaction, as many as the store takes together.
async fn append(store: &Arc<SqliteStore>, org: OrganisationId, mut judged: Vec<Judged>) -> Result<()> {
    let mut brought = JoinSet::new();
    while !judged.is_empty() {
        let part: Vec<Judged> = judged.drain(..BROUGHT.min(judged.len())).collect();
        let at = part.last().map_or_else(now, |it| it.work.received_at);
        let items: Vec<Append> = part.into_iter().flat_map(|it| it.appends).collect();
        let store = Arc::clone(store);
        brought.spawn(async move { store.append(org, items, at).await });
    }
    while let Some(outcomes) = brought.join_next().await {
        let outcomes = outcomes??;
        if let Some(other) = outcomes.iter().find(|it| !matches!(it, AppendOutcome::Appended { .. })) {
            return Err(format!("a change was not stored: {other:?}").into());
        }
    }
    Ok(())
}

/// What an import does not bring: reserved credit, money without a name, money with running timers.
async fn more_money(
    store: &dyn Store,
    org: OrganisationId,
    customers: &[(CustomerId, TerritoryId, Option<UserId>)],
) -> Result<()> {
    let at = now();
    let today = at.date_in(chrono_tz::Asia::Shanghai);
    let yuan = |amount: u32| Money::new(amount.into(), Currency::CNY);
    let devices: BTreeMap<UserId, DeviceId> = (store.devices(org).await?.into_iter())
        .map(|it| (it.user, it.id))
        .collect();
    let mut records: Vec<LedgerRecord> = Vec::new();
    for (number, (customer, _, rep)) in (0_u32..).zip(customers.iter().step_by(customers.len() / 500)) {
        let Some((user, device)) = rep.and_then(|rep| Some((rep, *devices.get(&rep)?))) else {
            continue;
        };
        let grant = Grant {
            terms: GrantTerms {
                id: GrantId::derived(org, &number.to_string()),
                device,
                user,
                customer: *customer,
                amount: yuan(1_000 + number),
                policy_version: 0,
                issued_at: at.plus_millis(-DAY_MILLIS),
                not_after: at.plus_millis(6 * DAY_MILLIS),
                mode: GrantMode::Lease,
            },
            signature: "00".repeat(32),
            state: GrantState::Open,
            settled: Vec::new(),
            close: None,
            reason: String::new(),
            written_off_by: Vec::new(),
            taken_back_at: None,
        };
        records.push(LedgerRecord::Grant(grant));
    }
    for (number, (customer, ..)) in (0_u32..).zip(customers.iter().skip(1).step_by(customers.len() / 300)) {
        let mut receipt = Receipt::cleared(format!("NEW-{number}"), *customer, today, yuan(700 + number));
        receipt.arrived_at = Some(at.plus_millis(-i64::from(number) * 600_000));
        records.push(receipt.into());
    }
    for number in 0..200 {
        records.push(LedgerRecord::UnidentifiedReceipt(UnidentifiedReceipt {
            reference: format!("BANK-{number:04}"),
            valued_on: today - Days::new(u64::from(number % 20)),
            amount: yuan(300 + number * 7),
            posted_on: None,
            payer: format!("某某商店 {number}"),
            text: format!("货款 F-{number:05}-03"),
            arrived_at: at.plus_millis(-i64::from(number) * 3_600_000),
            identified_as: None,
        }));
    }
    put(store, org, records).await
}

/// Statements for some of the customers. Gives one of them with its customer.
async fn issue_statements(
    store: &dyn Store,
    org: OrganisationId,
    customers: &[(CustomerId, TerritoryId, Option<UserId>)],
    today: NaiveDate,
) -> Result<(CustomerId, StatementId)> {
    let period = Period {
        from: today - Days::new(61),
        to: today - Days::new(1),
    };
    let mut last = None;
    for (number, (customer, ..)) in customers.iter().step_by(customers.len() / 500).enumerate() {
        let id = StatementId::derived(org, &format!("measured {number}"));
        let wish = StatementWish {
            id,
            period,
            currency: Currency::CNY,
        };
        let at = now();
        let decide = Box::new(move |ledger: &_| statements::issue(ledger, wish, None, at));
        match store.decide(org, *customer, None, decide, at).await? {
            Decided::Done { .. } => last = Some((*customer, id)),
            other => return Err(format!("no statement was issued: {other:?}").into()),
        }
    }
    Ok(last.ok_or("no statements")?)
}

async fn give_links(
    store: &dyn Store,
    org: OrganisationId,
    (customer, statement): (CustomerId, StatementId),
    delivery: DocumentId,
    by: UserId,
) -> Result<()> {
    let at = now();
    let expires_at = at.plus_millis(90 * DAY_MILLIS);
    let steps = vec![
        Step::PutStatementLink(StatementLink {
            token_hash: hash_secret(STATEMENT_SECRET),
            organisation: org,
            customer,
            statement,
            contact: "周老板".to_owned(),
            made_at: at,
            expires_at,
            revoked_at: None,
        }),
        Step::PutDeliveryLink(DeliveryLink {
            token_hash: hash_secret(DELIVERY_SECRET),
            organisation: org,
            delivery,
            contact: "周老板".to_owned(),
            made_at: at,
            made_by: by,
            expires_at,
            revoked_at: None,
        }),
    ];
    let line = AuditEntry {
        at,
        actor: by.to_string(),
        action: "delivery.link_made".to_owned(),
        subject: delivery.to_string(),
        detail: "周老板".to_owned(),
    };
    Ok(store.administer(org, steps, line).await?)
}

/// Two years of what people do on the pages.
async fn write_audit(
    store: &dyn Store,
    org: OrganisationId,
    reps: &[(UserId, TerritoryId, Vec<CustomerId>)],
) -> Result<()> {
    let at = now();
    for number in 0..200_i64 {
        let steps = Vec::new();
        let (user, ..) = reps[usize::try_from(number)? % reps.len()];
        let line = AuditEntry {
            at: at.plus_millis((number - 200) * 1_000),
            actor: user.to_string(),
            action: ["review.made", "device.enrolled", "sign_in.succeeded"][usize::try_from(number)? % 3].to_owned(),
            subject: user.to_string(),
            detail: format!("line {number}"),
        };
        store.administer(org, steps, line).await?;
    }
    Ok(())
}
