//! How much a phone's file grows with what is in it.

use super::*;

/// Stores `count` visits of 50 customers as if a first pull had brought them. Returns the mean size of their JSON.
fn receive_visits(phone: &Phone, count: usize) -> usize {
    let mut rng = ChaCha12Rng::seed_from_u64(7);
    for number in 0..50 {
        let shop = customer(100 + number, &format!("客户{number} Shop"));
        phone.receive(StreamId::Territory(TERRITORY), &LedgerRecord::Customer(shop), 1);
    }
    let mut json = 0;
    for batch in (0..count).collect::<Vec<_>>().chunks(1_000) {
        let prepared: Vec<_> = batch
            .iter()
            .map(|number| {
                let customer = CustomerId::from_bytes([100 + (number % 50) as u8; 16]);
                let rep = UserId::from_bytes([(number % 7) as u8; 16]);
                let visit = long_visit(&mut rng, customer, rep, *number);
                let tree = crate::document::edit::tree_of(&visit).unwrap();
                json += tree.to_string().len();
                let authorship = Authorship {
                    user: rep,
                    device: DeviceId::from_bytes([(number % 7) as u8; 16]),
                    at: visit.check_in.unwrap().at,
                    zone_minutes: 480,
                    since_contact_millis: Some(*number as u64),
                };
                let change = crate::document::create(DocumentId::random(&mut rng), &tree, &authorship).unwrap();
                documents::prepare(None, &change.bytes).unwrap()
            })
            .collect();
        phone
            .store
            .write(&[], |transaction| {
                let stream = streams::reference(transaction, StreamId::Territory(TERRITORY))?;
                for prepared in &prepared {
                    documents::insert_remote_change(transaction, Some(stream), prepared)?;
                }
                Ok(())
            })
            .unwrap();
    }
    json / count
}

#[test]
fn a_visit_takes_less_than_one_and_a_half_kilobytes_with_view_and_search() {
    let phone = Phone::rep();
    let count = std::env::var("FIELDLEDGER_VISITS").map_or(1_000, |it| it.parse().unwrap());
    let empty = used_bytes(&phone);
    let json = receive_visits(&phone, count);
    let each = (used_bytes(&phone) - empty) / count;
    println!("{count} visits of {json} bytes of JSON: {each} bytes each");
    if std::env::var_os("FIELDLEDGER_VISITS").is_some() {
        print_sizes(&phone, count);
    }
    assert!((800..900).contains(&json), "{json}");
    assert!(each < 1_500, "{each}");
}

fn used_bytes(phone: &Phone) -> usize {
    phone.store.inner.database.with_writer(|connection| {
        connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
        let pages: usize = connection
            .pragma_query_value(None, "page_count", |row| row.get(0))
            .unwrap();
        let free: usize = connection
            .pragma_query_value(None, "freelist_count", |row| row.get(0))
            .unwrap();
        (pages - free) * 4_096
    })
}

fn print_sizes(phone: &Phone, count: usize) {
    phone.store.inner.database.with_writer(|connection| {
        let mut statement = connection.prepare("SELECT name, sum(pgsize) FROM dbstat GROUP BY name ORDER BY 2 DESC");
        if let Ok(statement) = &mut statement {
            let mut rows = statement.query([]).unwrap();
            while let Some(row) = rows.next().unwrap() {
                let (name, size): (String, usize) = (row.get(0).unwrap(), row.get(1).unwrap());
                println!("{:>8.1} {name}", size as f64 / count as f64);
            }
        }
    });
    let time = |name: &str, work: &dyn Fn() -> usize| {
        let start = std::time::Instant::now();
        let found = work();
        println!("{name}: {found} rows in {:?}", start.elapsed());
    };
    let page = ListQuery {
        limit: 50,
        ..ListQuery::default()
    };
    time("list", &|| phone.store.list(&page).unwrap().len());
    let visits = ListQuery {
        kind: Some(DocumentKind::Visit),
        ..page.clone()
    };
    time("visits", &|| phone.store.list(&visits).unwrap().len());
    let own = ListQuery {
        owner: Some(UserId::from_bytes([3; 16])),
        ..page.clone()
    };
    time("own", &|| phone.store.list(&own).unwrap().len());
    let open = ListQuery {
        state: Some("open".to_owned()),
        ..page
    };
    time("open", &|| phone.store.list(&open).unwrap().len());
    time("timeline", &|| {
        phone
            .store
            .timeline(CustomerId::from_bytes([103; 16]), None, 50)
            .unwrap()
            .len()
    });
    for text in ["样品", "带样品再", "ka", "karomi", "样品 ka", "shop", "丂丄"] {
        time(text, &|| phone.store.search(text, 50).unwrap().len());
    }
    time("today", &|| phone.store.today(None).unwrap().visits.len());
    phone.store.close();
    time("reopen", &|| phone.store.reopen().map(|()| 0).unwrap());
}
