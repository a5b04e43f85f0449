//! Credit and collections: a phone's credit check and worklist, the server's ageing, each beside the same sums in plain
//! SQL over the same items in the same database.

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use chrono::{Days, NaiveDate};
use fieldledger_core::{
    model::*,
    rules::{
        books::{CustomerBooks, open_items},
        exposure::{FileSources, credit_file},
    },
    store::{Durability, WorklistQuery},
};
use fieldledger_server::{
    report::{self, GroupBy, ReportName, ReportRequest},
    store::sqlite::SqliteStore,
};
use fieldledger_tests::{
    company::Company,
    server::{Server, now},
};
use rusqlite::{Connection, params};

use crate::{Result, cpu, large, product, table::Figure};

/// How often a figure of a phone is measured; the median is told.
const ROUNDS: usize = 51;

/// How often the ageing is measured.
const AGEINGS: usize = 5;

fn yuan(amount: u32) -> Money {
    Money::new(amount.into(), Currency::CNY)
}

fn today() -> NaiveDate {
    now().date_in(chrono_tz::Asia::Shanghai)
}

/// A day around today, spread by the number: from 300 days ago to 29 days ahead, so that an invoice of 30 days before it
/// is in the books.
fn due(number: u32) -> NaiveDate {
    let spread = u64::from(number.wrapping_mul(2_654_435_761) % 330);
    today() - Days::new(300) + Days::new(spread)
}

fn invoice(number: u32, customer: CustomerId) -> Invoice {
    let due = due(number);
    let amount = yuan(100 + number % 900);
    Invoice::new(format!("F-{number:07}"), customer, due - Days::new(30), due, amount)
}

/// A customer whose open items are those of `invoices`, with the credit file that the server makes of them.
fn owing(company: &Company, id: CustomerId, name: &str, invoices: &[Invoice]) -> Result<Vec<LedgerRecord>> {
    let mut customer = company.customer(company.yongxing);
    (customer.id, customer.code, customer.name) = (id, name.to_owned(), format!("{name} 超市"));
    let mut account = CreditAccount::new(id);
    account.terms.push(CreditTerms {
        effective_from: today() - Days::new(400),
        grade: Some(CreditGrade::B),
        limit: CreditLimit::Limited(yuan(100_000_000)),
        terms_days: 30,
        reason: "bench".to_owned(),
        by: None,
        recorded_at: now(),
    });
    let books = CustomerBooks {
        invoices,
        ..CustomerBooks::default()
    };
    let file = credit_file(
        &FileSources {
            account: &account,
            policy: &Policy::default(),
            items: &open_items(&books, today())?,
            unallocated: &[],
            decisions: &[],
            orders: &[],
            invoiced_orders: &std::collections::BTreeSet::new(),
            books_have_invoices: true,
            grants: &[],
            currency: Currency::CNY,
        },
        now(),
        chrono_tz::Asia::Shanghai,
    )?;
    let mut records: Vec<LedgerRecord> = vec![customer.into(), account.into(), file.into()];
    records.extend(invoices.iter().cloned().map(LedgerRecord::from));
    Ok(records)
}

/// The same items as rows of plain SQL, in the phone's own file.
fn plain_rows(path: &Path, invoices: &[Invoice]) -> Result<Connection> {
    let mut db = Connection::open(path)?;
    db.execute_batch(
        "CREATE TABLE plain_item (customer BLOB NOT NULL, due INTEGER NOT NULL, open REAL NOT NULL);
         CREATE INDEX plain_item_of ON plain_item (customer);",
    )?;
    let transaction = db.transaction()?;
    {
        let mut insert = transaction.prepare("INSERT INTO plain_item (customer, due, open) VALUES (?1, ?2, ?3)")?;
        for it in invoices {
            let open: f64 = it.amount.amount.try_into()?;
            insert.execute(params![it.customer.as_bytes(), days(it.due_on), open])?;
        }
    }
    transaction.commit()?;
    Ok(db)
}

fn days(day: NaiveDate) -> i64 {
    day.signed_duration_since(NaiveDate::default()).num_days()
}

fn median(rounds: usize, mut work: impl FnMut() -> Result<()>) -> Result<Duration> {
    // The first fills the caches, as the screen before has on a phone.
    work()?;
    let mut times = Vec::with_capacity(rounds);
    for _ in 0..rounds {
        let started = Instant::now();
        work()?;
        times.push(started.elapsed());
    }
    times.sort_unstable();
    Ok(times[times.len() / 2])
}

fn figure(what: String, ours: Duration, plain: Duration, aim_millis: f64, in_the_way: &'static str) -> Figure {
    let (ours, plain) = (large::millis(ours), large::millis(plain));
    Figure {
        what,
        ours: format!("{ours:.2} ms, {:.1} × plain SQL", ours / plain.max(0.001)),
        rows: format!("{plain:.2} ms"),
        json: String::new(),
        measured: ours,
        aim: Some(aim_millis),
        unit: "ms",
        in_the_way,
    }
}

async fn write(server: &Server, records: &[LedgerRecord]) -> Result<()> {
    for batch in records.chunks(2_000) {
        let store = server.state.store.as_ref();
        server.company.write(store, batch.to_vec(), now()).await?;
    }
    Ok(())
}

/// A phone's credit check and worklist.
pub(crate) async fn phone(folder: &Path, quick: bool, figures: &mut Vec<Figure>) -> Result<()> {
    let (items, customers, each) = if quick { (200, 100, 10) } else { (2_000, 1_000, 10) };
    let data = folder.join("credit");
    std::fs::create_dir(&data)?;
    let server = product::server(&data).await?;
    let company = &server.company;
    let deep = CustomerId::derived(company.organisation, "deep");
    let of_one: Vec<Invoice> = (0..items).map(|number| invoice(number, deep)).collect();
    write(&server, &owing(company, deep, "D-0", &of_one)?).await?;
    let path = folder.join("credit.db");
    let store = product::open(&path, Durability::Full)?;
    product::join(&store, &server.url, &server.code_for(company.li_na).await?).await?;
    product::sync(&store, &server.url).await?;
    let mut order = Order::new(deep, company.li_na, "B-1", now(), Currency::CNY);
    order.lines.insert(
        store.line_id()?,
        OrderLine {
            product: company.soy_sauce,
            quantity: 10.into(),
            unit_price: 100.into(),
            discount: 0.into(),
        },
    );
    let ours = median(ROUNDS, || {
        let checked = store.check_credit(&order)?;
        // Every rule is told of, and the file is really read.
        let exposure = checked.inputs.exposure;
        if exposure.amount.is_zero() {
            return Err("the credit file did not arrive".into());
        }
        Ok(())
    })?;
    let db = plain_rows(&path, &of_one)?;
    let plain = median(ROUNDS, || {
        let (open, late, oldest): (f64, f64, i64) = db
            .prepare_cached(
                "SELECT sum(open), sum(open) FILTER (WHERE ?2 - due > 0), max(?2 - due) FROM plain_item WHERE customer = ?1",
            )?
            .query_row(params![deep.as_bytes(), days(today())], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?))
            })?;
        if open < late || oldest <= 0 {
            return Err("the plain sums are wrong".into());
        }
        Ok(())
    })?;
    figures.push(figure(
        format!("credit check on a phone, {items} open items of the customer, median"),
        ours,
        plain,
        2.0,
        "The credit file is unpacked and read anew for each check: one sum for each due date.",
    ));
    store.close();

    let mut all = Vec::new();
    let mut of_all = Vec::new();
    for number in 0..customers {
        let id = CustomerId::derived(company.organisation, &format!("wide {number}"));
        let invoices: Vec<Invoice> = (0..each)
            .map(|no| invoice(10_000_000 + number * each + no, id))
            .collect();
        all.extend(owing(company, id, &format!("W-{number:04}"), &invoices)?);
        if number % 4 == 0 {
            let paid = Receipt::cleared(format!("TT-{number}"), id, today() - Days::new(5), yuan(50));
            all.push(paid.into());
        }
        of_all.extend(invoices);
    }
    write(&server, &all).await?;
    let path = folder.join("worklist.db");
    let store = product::open(&path, Durability::Full)?;
    product::join(&store, &server.url, &server.code_for(company.li_na).await?).await?;
    product::sync(&store, &server.url).await?;
    // Every tenth customer promised something lately.
    for number in (0..customers).step_by(10) {
        store.record_collection(promise(company, number))?;
    }
    product::sync(&store, &server.url).await?;
    let query = WorklistQuery::default();
    let list = store.worklist(&query)?;
    let listed = list.entries.len() + list.more;
    if listed < customers as usize || !list.unranked.is_empty() {
        return Err(format!("{listed} of {customers} customers are on the list").into());
    }
    let ours = median(ROUNDS, || {
        store.worklist(&query)?;
        Ok(())
    })?;
    let db = plain_rows(&path, &of_all)?;
    let plain = median(ROUNDS, || {
        let mut found = db.prepare_cached(
            "SELECT customer, sum(open), sum(open * (?1 - due)) AS weight, max(?1 - due) FROM plain_item
             WHERE due < ?1 GROUP BY customer ORDER BY weight DESC LIMIT 50",
        )?;
        let mut rows = found.query([days(today())])?;
        let mut count = 0;
        while let Some(row) = rows.next()? {
            count += usize::from(row.get::<_, f64>(2)? > 0.0);
        }
        if count < 50 {
            return Err("the plain list is too short".into());
        }
        Ok(())
    })?;
    figures.push(figure(
        format!(
            "worklist of a rep with {customers} customers, {each} open items and a tenth of a promise each, first 50, median"
        ),
        ours,
        plain,
        20.0,
        "Each customer's credit file is unpacked and read; the plain rows are sums of numbers without promises, reminders, \
         disputes or reasons.",
    ));
    store.close();
    Ok(())
}

fn promise(company: &Company, number: u32) -> CollectionNote {
    let at = now().plus_millis(-20 * 24 * 60 * 60 * 1000);
    CollectionNote {
        customer: CustomerId::derived(company.organisation, &format!("wide {number}")),
        rep: company.li_na,
        at,
        channel: CollectionChannel::Phone,
        person: "周老板".to_owned(),
        outcome: CollectionOutcome::Promised,
        invoice_number: None,
        promise: Some(PromiseToPay {
            amount: yuan(500),
            due: today() - Days::new(10),
        }),
        receipt: None,
        closing: None,
        next_step: None,
        note: "答应十天内付一部分".to_owned(),
        position: None,
    }
}

/// The server's ageing over a company's open items, by rep.
pub(crate) async fn ageing(folder: &Path, quick: bool, figures: &mut Vec<Figure>) -> Result<()> {
    let (customers, each): (u32, u32) = if quick { (200, 500) } else { (2_000, 500) };
    let items = customers * each;
    let data: PathBuf = folder.join("ageing");
    std::fs::create_dir(&data)?;
    let store = SqliteStore::open(&data)?;
    let company = Company::found(&store, now()).await?;
    eprintln!("filling a server with {items} open items");
    for number in 0..customers {
        let id = CustomerId::derived(company.organisation, &format!("aged {number}"));
        let mut customer = company.customer(company.yongxing);
        (customer.id, customer.code) = (id, format!("A-{number:05}"));
        let mut records: Vec<LedgerRecord> = vec![customer.into()];
        let first = 20_000_000 + number * each;
        records.extend((0..each).map(|no| LedgerRecord::from(invoice(first + no, id))));
        // A payment of a part of ten of them.
        let mut paid = Receipt::cleared(format!("TT-{number}"), id, today() - Days::new(2), yuan(100));
        paid.allocations = (0..10).map(|no| part_payment(first + no)).collect();
        records.push(paid.into());
        company.write(&store, records, now()).await?;
    }
    let request = ReportRequest {
        name: ReportName::Ageing,
        as_of: today(),
        from: None,
        by: Some(GroupBy::Rep),
        customer: None,
    };
    // What the store holds by itself after having been filled is not what the report needs.
    let store = {
        drop(store);
        SqliteStore::open(&data)?
    };
    cpu::forget_peak();
    let before = cpu::memory("VmRSS");
    let mut times = Vec::new();
    let mut total = None;
    for _ in 0..AGEINGS {
        let started = Instant::now();
        let told = report::compute(&store, company.organisation, &request).await?;
        times.push(started.elapsed());
        total = told.rows.last().cloned();
    }
    let grown = cpu::memory("VmHWM").saturating_sub(before);
    times.sort_unstable();
    let ours = times[times.len() / 2];
    drop(store);

    let (plain, open) = plain_ageing(&data)?;
    let told = total.and_then(|row| row.cells.get(8).cloned());
    match told {
        Some(report::Cell::Number(told)) if (f64::try_from(told)? - open).abs() < 0.01 => {}
        other => return Err(format!("the report says {other:?}, plain SQL {open}").into()),
    }
    let (ours, plain) = (ours.as_secs_f64(), plain.as_secs_f64());
    figures.push(Figure {
        what: format!(
            "ageing as of a day over {items} open items of {customers} customers on the server, by rep, median"
        ),
        ours: format!("{ours:.2} s, {:.2} × plain SQL", ours / plain),
        rows: format!("{plain:.2} s"),
        json: String::new(),
        measured: ours,
        aim: Some(2.0),
        unit: "s",
        in_the_way: "Each invoice is read from its JSON record: names, dates and decimals are parsed anew, on as many \
                     threads as there are processors.",
    });
    let mebibytes = |bytes: u64| f64::from(u32::try_from(bytes >> 10).unwrap_or(u32::MAX)) / 1024.0;
    figures.push(Figure {
        what: "the same, memory above what the process held before".to_owned(),
        ours: format!("{:.1} MiB over {:.1} MiB", mebibytes(grown), mebibytes(before)),
        rows: String::new(),
        json: String::new(),
        measured: mebibytes(grown),
        aim: Some(300.0),
        unit: "MiB",
        in_the_way: "",
    });
    Ok(())
}

fn part_payment(number: u32) -> Allocation {
    Allocation {
        invoice_number: format!("F-{number:07}"),
        instalment: 1,
        part: AllocationPart::Principal,
        amount: 10.into(),
        taken: None,
        posted_on: today() - Days::new(2),
        reversed_on: None,
        reversal_reason: String::new(),
        basis: AllocationBasis::Reference,
        by: None,
    }
}

/// The same sums by SQL's own JSON functions on the server's own file: time, and everything that is open.
fn plain_ageing(data: &Path) -> Result<(Duration, f64)> {
    let db = Connection::open(data.join("fieldledger.db"))?;
    // With a key of its own: SQLite makes no index by itself for a column of no declared type.
    let paid = "
        DROP TABLE IF EXISTS temp.paid;
        CREATE TEMP TABLE paid (number TEXT PRIMARY KEY, amount REAL);
        INSERT INTO paid
        SELECT json_extract(a.value, '$.invoice_number'), sum(json_extract(a.value, '$.amount'))
        FROM record r, json_each(r.json, '$.allocations') a
        WHERE r.kind = 'receipt' AND json_extract(r.json, '$.cleared_on') <= date('now', '+1 day')
        AND json_extract(a.value, '$.posted_on') <= date('now', '+1 day') GROUP BY 1";
    let sums = "
        WITH item AS (
            SELECT julianday(?1) - julianday(json_extract(r.json, '$.due_on')) AS late,
                   json_extract(r.json, '$.amount.amount') - ifnull(paid.amount, 0) AS open
            FROM record r LEFT JOIN paid ON paid.number = r.key
            WHERE r.kind = 'invoice' AND json_extract(r.json, '$.invoiced_on') <= ?1
        )
        SELECT CASE WHEN late <= 0 THEN 0 WHEN late <= 30 THEN 1 WHEN late <= 60 THEN 2 WHEN late <= 90 THEN 3
                    WHEN late <= 120 THEN 4 ELSE 5 END AS bucket, sum(open) FROM item GROUP BY bucket";
    let mut times = Vec::new();
    let mut open = 0.0;
    for _ in 0..AGEINGS {
        let started = Instant::now();
        db.execute_batch(paid)?;
        let mut statement = db.prepare(sums)?;
        let found = statement.query_map([today().to_string()], |row| row.get::<_, f64>(1))?;
        open = found.sum::<rusqlite::Result<f64>>()?;
        times.push(started.elapsed());
    }
    times.sort_unstable();
    Ok((times[times.len() / 2], open))
}
