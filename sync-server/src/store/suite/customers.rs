//! Searching customers.

use super::*;

/// Customers of two territories, each with a number and a name.
const CUSTOMERS: &[(u8, TerritoryId, &str, &str)] = &[
    (1, NORTH, "C-1", "Orient"),
    (2, NORTH, "C-10", "Orient Store"),
    (3, NORTH, "c-2", "Café ÉTOILE"),
    (4, NORTH, "50%", "Half_Price\\Shop"),
    (5, NORTH, "C-3", "东方超市"),
    (6, SOUTH, "C-4", "An orient of the south"),
    (7, NORTH, "C-5", "\u{212a}iosk \u{130}zmir"),
];

async fn with_customers(store: &dyn DocumentStore) {
    let mut records = vec![territory(NORTH), territory(SOUTH)];
    for (number, territory, code, name) in CUSTOMERS {
        let LedgerRecord::Customer(mut it) = customer(*territory, name) else {
            panic!("no customer");
        };
        it.id = CustomerId::from_bytes([*number; 16]);
        it.code = (*code).to_owned();
        it.contact = format!("Contact {number}");
        it.phone = format!("+86 {number}");
        it.address = format!("{number} Nanjing Road");
        records.push(LedgerRecord::Customer(it));
    }
    store.put_records(ORG, records, true, NOW).await.unwrap();
}

async fn find(store: &dyn DocumentStore, search: CustomerSearch) -> (u64, Vec<u8>) {
    let found = store.find_customers(ORG, &search).await.unwrap();
    let numbers = found.customers.iter().map(|it| it.id.as_bytes()[0]).collect();
    (found.total, numbers)
}

fn north(text: &str) -> CustomerSearch {
    CustomerSearch {
        territories: Some(vec![NORTH]),
        text: text.to_owned(),
        limit: 10,
        ..CustomerSearch::default()
    }
}

pub(in crate::store) async fn customers_are_found_by_parts_of_name_and_number_in_any_case(store: &dyn DocumentStore) {
    with_customers(store).await;
    let long = "x".repeat(60_000);
    let long_percents = "%".repeat(60_000);
    let cases: &[(&str, &[u8])] = &[
        ("orient", &[1, 2]),
        (" ORIENT S ", &[2]),
        ("c-1", &[1, 2]),
        ("C-2", &[3]),
        ("café étoile", &[3]),
        ("CAFÉ", &[3]),
        ("toile", &[3]),
        ("方超", &[5]),
        ("方市", &[]),
        ("kiosk", &[7]),
        ("i\u{307}zmir", &[7]),
        // What the engine takes for wildcards stands for itself.
        ("%", &[4]),
        ("_", &[4]),
        ("\\", &[4]),
        ("o%t", &[]),
        ("orien_", &[]),
        ("half_price\\shop", &[4]),
        ("' OR 1=1 --", &[]),
        // Contact, telephone and address are not asked.
        ("nanjing", &[]),
        ("+86", &[]),
        (&long, &[]),
        (&long_percents, &[]),
    ];
    for (text, expected) in cases {
        let found = find(store, north(text)).await;
        let shown: String = text.chars().take(30).collect();
        assert_eq!(found, (expected.len() as u64, expected.to_vec()), "{shown:?}");
    }
    let details = |text: &str| CustomerSearch {
        details: true,
        ..north(text)
    };
    for (text, expected) in [("2 NANJING", [2]), ("contact 3", [3]), ("+86 5", [5])] {
        assert_eq!(find(store, details(text)).await, (1, expected.to_vec()), "{text}");
    }
    let changed = customer(NORTH, "Renamed");
    store.put_records(ORG, vec![changed], true, NOW).await.unwrap();
    assert_eq!(find(store, north("renamed")).await, (1, vec![0x30]));
}

pub(in crate::store) async fn a_search_of_customers_keeps_to_its_territories_and_its_limit(store: &dyn DocumentStore) {
    with_customers(store).await;
    let everywhere = |text: &str, from, limit| CustomerSearch {
        territories: None,
        text: text.to_owned(),
        details: false,
        rep: None,
        from,
        limit,
    };
    // The whole name first, though another stands before it in the order of names.
    assert_eq!(find(store, everywhere("orient", 0, 10)).await, (3, vec![1, 6, 2]));
    assert_eq!(find(store, everywhere("orient", 0, 1)).await, (3, vec![1]));
    assert_eq!(find(store, everywhere("orient", 1, 1)).await, (3, vec![6]));
    assert_eq!(find(store, everywhere("orient", 2, 10)).await, (3, vec![2]));
    assert_eq!(find(store, everywhere("orient", u64::MAX, 10)).await, (3, vec![]));
    // Everybody, by name.
    assert_eq!(find(store, everywhere("", 0, 10)).await, (7, vec![6, 3, 4, 1, 2, 7, 5]));
    assert_eq!(find(store, everywhere("", 3, 2)).await, (7, vec![1, 2]));
    let south = CustomerSearch {
        territories: Some(vec![SOUTH]),
        ..everywhere("", 0, 10)
    };
    assert_eq!(find(store, south).await, (1, vec![6]));
    let cared_for = |rep| CustomerSearch {
        rep: Some(rep),
        ..everywhere("", 0, 10)
    };
    let LedgerRecord::Customer(mut given) = customer(NORTH, "Given to somebody") else {
        panic!("no customer");
    };
    given.id = CustomerId::from_bytes([8; 16]);
    given.code = "C-8".to_owned();
    given.rep = Some(REP);
    store
        .put_records(ORG, vec![LedgerRecord::Customer(given)], true, NOW)
        .await
        .unwrap();
    let (nobodys, of_nobody) = find(store, cared_for(InCareOf::Nobody)).await;
    let (reps, of_rep) = find(store, cared_for(InCareOf::Rep(REP))).await;
    assert!(reps >= 1 && of_rep.contains(&8) && !of_nobody.contains(&8));
    assert_eq!(nobodys + reps, 8);
    let others = UserId::from_bytes([0x99; 16]);
    assert_eq!(find(store, cared_for(InCareOf::Rep(others))).await, (0, vec![]));
    let keys: Vec<String> = [1_u8, 5, 99]
        .iter()
        .map(|it| CustomerId::from_bytes([*it; 16]).to_string())
        .collect();
    let named = store.records_named(ORG, &RecordKind::Customer, &keys).await.unwrap();
    let mut named: Vec<String> = named.iter().map(|it| it.record.key().id).collect();
    named.sort_unstable();
    assert_eq!(named, keys[..2], "what is not here is left out");
    let others = store.records_named(ORG, &RecordKind::Product, &keys).await.unwrap();
    assert!(others.is_empty());
    let nowhere = CustomerSearch {
        territories: Some(Vec::new()),
        ..everywhere("", 0, 10)
    };
    assert_eq!(find(store, nowhere).await, (0, vec![]));
    let elsewhere = OrganisationId::from_bytes([9; 16]);
    let found = store.find_customers(elsewhere, &everywhere("", 0, 10)).await.unwrap();
    assert_eq!(found, FoundCustomers::default());
    // A customer who moves is found where they are.
    let LedgerRecord::Customer(mut moved) = customer(SOUTH, "Orient") else {
        panic!("no customer");
    };
    moved.id = CustomerId::from_bytes([1; 16]);
    store
        .put_records(ORG, vec![LedgerRecord::Customer(moved)], true, NOW)
        .await
        .unwrap();
    assert_eq!(find(store, north("orient")).await, (1, vec![2]));
}
