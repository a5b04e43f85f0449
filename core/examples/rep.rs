//! A rep on the command line: enrols, looks at today, makes a visit with an order, a credit check and a signed delivery, and
//! syncs. The same program exists in Kotlin and Swift (`bindings/`); what the commands do is in `bindings/README.md`.
//!
//! ```sh
//! cargo run -p fieldledger-core --example rep -- FOLDER enrol http://127.0.0.1:PORT CODE
//! cargo run -p fieldledger-core --example rep -- FOLDER day C-RUST
//! ```
#![allow(clippy::print_stdout)]

use std::{collections::BTreeMap, error::Error, fs, path::Path};

use fieldledger_core::{
    model::*,
    store::{
        CheckOut, CustomerQuery, FieldStore, ListQuery, NewDelivery, NewDeliveryLine, OpenOptions, RowSync, SignOff,
    },
    sync::driver::SyncDriver,
};
use serde_json::json;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        [folder, "enrol", url, code] => {
            let store = open(Path::new(folder))?;
            let identity = store.enrol(url, code, "Rust sample").await?;
            sync(&store).await?;
            println!(
                "This phone is {}'s at {}.",
                identity.user_name, identity.organisation_name
            );
        }
        [folder, "today"] => today(&open(Path::new(folder))?)?,
        [folder, "day", customer] => {
            let store = open(Path::new(folder))?;
            day(&store, customer)?;
            sync(&store).await?;
        }
        [folder, "sync"] => sync(&open(Path::new(folder))?).await?,
        [folder, "state"] => println!("{}", state(&open(Path::new(folder))?)?),
        _ => return Err("usage: rep FOLDER enrol URL CODE | today | day CUSTOMER | sync | state".into()),
    }
    Ok(())
}

/// Opens the database in `folder`. An app keeps the installation's name in the keychain; here it is a file.
fn open(folder: &Path) -> Result<FieldStore> {
    fs::create_dir_all(folder)?;
    let file = folder.join("installation");
    if !file.exists() {
        fs::write(&file, uuid::Uuid::new_v4().to_string())?;
    }
    let installation: uuid::Uuid = fs::read_to_string(&file)?.parse()?;
    Ok(FieldStore::open(OpenOptions {
        app_version: "1.0.0".to_owned(),
        platform: "Rust sample".to_owned(),
        ..OpenOptions::new(folder.join("rep.db"), installation.into_bytes())
    })?)
}

async fn sync(store: &FieldStore) -> Result<()> {
    // Documents, then photos and signatures; over any network.
    let report = SyncDriver::over_http(store)?.sync_all(|| true).await?;
    println!("sent {}, received {}", report.pushed, report.pulled);
    Ok(())
}

fn today(store: &FieldStore) -> Result<()> {
    let today = store.today(None)?;
    println!(
        "{}: {} visits, {} deliveries",
        today.date,
        today.visits.len(),
        today.deliveries.len()
    );
    for row in today.visits.iter().chain(&today.deliveries) {
        println!("  {} {} {}", row.state, row.customer_name, row.title);
    }
    Ok(())
}

fn day(store: &FieldStore, code: &str) -> Result<()> {
    let found = store.customers(&CustomerQuery {
        text: code.to_owned(),
        limit: 10,
        ..CustomerQuery::default()
    })?;
    let customer = found.iter().find(|it| it.code == code).ok_or("no such customer")?.id;
    let customer = store.customer(customer)?.ok_or("no such customer")?;

    // A visit begins where the customer is.
    let visit = store.start_visit(customer.id, VisitPurpose::Sales, customer.position)?;

    // An order for two products at their list price.
    let me = store.identity().ok_or("not enrolled")?.user;
    let currency = store.organisation()?.map_or(Currency::CNY, |it| it.currency);
    let products = store.products("", 2, 0)?;
    let mut order = Order::new(
        customer.id,
        me,
        format!("DAY-{code}"),
        chrono::Utc::now().into(),
        currency,
    );
    for (product, quantity) in products.iter().zip([3, 5]) {
        let line = OrderLine {
            product: product.id,
            quantity: quantity.into(),
            unit_price: product.price.ok_or("a product without a price")?.amount,
            discount: 0.into(),
        };
        order.lines.insert(store.line_id()?, line);
    }

    // May the customer have it on credit? Every rule says a sentence that a rep can repeat.
    for rule in store.check_credit(&order)?.rules {
        if rule.facts == Some(RuleFacts::Off) {
            continue; // The company does not look at this.
        }
        println!("  {} {}", if rule.passed { "ok" } else { "NO" }, rule.sentence);
    }
    let order = store.submit_order(&store.create(order)?)?;
    if let Some(credit) = &order.value.credit {
        println!("order {}: {:?}", order.value.number, credit.verdict);
    }

    // The goods arrive; one unit of the second product is damaged.
    let delivery = store.new_delivery(NewDelivery {
        customer: customer.id,
        number: format!("DEL-{code}"),
        order_number: Some(order.value.number),
        planned_for: None,
        lines: products
            .iter()
            .zip([3, 5])
            .map(|(product, quantity)| NewDeliveryLine {
                product: product.id,
                quantity: quantity.into(),
                batch: None,
            })
            .collect(),
    })?;
    let damaged = products[1].id;
    let signed = delivery.value.lines.iter().map(|(id, line)| {
        let broken = u32::from(line.product == damaged);
        let signed = SignedQuantity {
            accepted: line.quantity - rust_decimal::Decimal::from(broken),
            short: 0.into(),
            damaged: broken.into(),
            refused: 0.into(),
            reason: (broken > 0).then(|| QuantityReason {
                text: "damaged on arrival".to_owned(),
                photo: None,
            }),
        };
        (*id, signed)
    });
    let receiver = Receiver {
        name: "王芳".to_owned(),
        phone: None,
        at: chrono::Utc::now().into(),
        position: customer.position,
    };
    store.sign_off(
        delivery.id,
        SignOff {
            signed: signed.collect(),
            receiver,
            evidence: BTreeMap::new(),
        },
    )?;
    store.confirm(delivery.id, Party::Sales, ConfirmationVerdict::Confirmed, "")?;

    store.check_out(
        visit.id,
        CheckOut {
            position: customer.position,
            outcome: Some(VisitOutcome::Successful),
            note: Some("签收完毕 – all signed, 1 damaged".to_owned()),
            next_step: None,
        },
    )?;
    Ok(())
}

/// Every document on the phone, in a fixed order and form.
fn state(store: &FieldStore) -> Result<String> {
    let rows = store.list(&ListQuery {
        limit: 10_000,
        ..ListQuery::default()
    })?;
    let mut documents: Vec<_> = rows
        .into_iter()
        .map(|row| {
            let sync = match row.sync {
                RowSync::Synced => "synced",
                RowSync::Waiting => "waiting",
                RowSync::Rejected { .. } => "rejected",
            };
            let amount = row.amount.map(|it| {
                let digits = it.currency.minor_digits() as usize;
                format!("{:.digits$} {}", it.amount, it.currency)
            });
            let sorted_by = (row.kind.to_string(), row.title.clone(), row.id.to_string());
            // In the order of the contract, not of the alphabet.
            let text = format!(
                "{{\"kind\":{},\"id\":{},\"customer\":{},\"state\":{},\"title\":{},\"amount\":{},\"sync\":{}}}",
                json!(sorted_by.0),
                json!(sorted_by.2),
                json!(row.customer),
                json!(row.state),
                json!(row.title),
                json!(amount),
                json!(sync)
            );
            (sorted_by, text)
        })
        .collect();
    documents.sort();
    let texts: Vec<String> = documents.into_iter().map(|(_, text)| text).collect();
    Ok(format!("[{}]", texts.join(",")))
}
