//! Decisions about a customer's ledger.

use std::{
    ops::ControlFlow,
    sync::{Arc, Mutex},
};

use chrono::NaiveDate;
use rust_decimal::Decimal;

use super::*;

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

fn cny(amount: i64) -> Money {
    Money::new(amount.into(), Currency::CNY)
}

fn invoice(number: &str, amount: i64) -> LedgerRecord {
    Invoice::new(number, CUSTOMER, day("2026-01-05"), day("2026-02-04"), cny(amount)).into()
}

/// A company with a territory and a customer in it.
async fn with_a_customer(store: &dyn Store) {
    let records = vec![
        LedgerRecord::Organisation(OrganisationProfile {
            name: "海风食品".to_owned(),
            time_zone: chrono_tz::Asia::Shanghai,
            currency: Currency::CNY,
            geofence_metres: 200,
        }),
        territory(NORTH),
        territory(SOUTH),
        customer(NORTH, "Shop"),
    ];
    store.put_records(ORG, records, true, NOW).await.unwrap();
}

async fn decide(
    store: &dyn Store,
    once: Option<OnceOnly>,
    decide: impl FnOnce(&CustomerLedger) -> Result<LedgerChange, InvalidField> + Send + 'static,
) -> Decided {
    store.decide(ORG, CUSTOMER, once, Box::new(decide), NOW).await.unwrap()
}

fn writing(records: Vec<LedgerRecord>) -> impl FnOnce(&CustomerLedger) -> Result<LedgerChange, InvalidField> + Send {
    move |_| {
        Ok(LedgerChange {
            records,
            answer: "written".to_owned(),
            ..LedgerChange::default()
        })
    }
}

fn owed(ledger: &CustomerLedger) -> Decimal {
    ledger.invoices.iter().map(|it| it.amount.amount).sum()
}

/// Two that ask at the same time whether 60 of a limit of 100 are free: one is told yes.
pub(in crate::store) async fn two_decisions_never_count_on_the_same_credit(store: &dyn Store) {
    with_a_customer(store).await;
    let ask = |number: &'static str| {
        decide(store, None, move |ledger| {
            if owed(ledger) + Decimal::from(60) > Decimal::ONE_HUNDRED {
                return Err(InvalidField::new("amount", "is over the limit"));
            }
            Ok(LedgerChange {
                records: vec![invoice(number, 60)],
                ..LedgerChange::default()
            })
        })
    };
    let answers = futures::future::join_all(["1", "2", "3"].map(ask)).await;
    let passed = answers.iter().filter(|it| matches!(it, Decided::Done { .. })).count();
    assert_eq!(passed, 1, "{answers:?}");
    let ledger = store.customer_ledger(ORG, CUSTOMER).await.unwrap().unwrap();
    assert_eq!(owed(&ledger), 60.into());
}

pub(in crate::store) async fn a_request_with_a_key_has_its_effect_once(store: &dyn Store) {
    with_a_customer(store).await;
    let once = |digest| {
        Some(OnceOnly {
            key: "import-7".to_owned(),
            digest: [digest; 32],
        })
    };
    let first = decide(store, once(1), writing(vec![invoice("007", 5)])).await;
    let Decided::Done { answer, marks } = first else {
        panic!("{first:?}");
    };
    assert_eq!((answer.as_str(), marks.len()), ("written", 1));
    let again = decide(store, once(1), writing(vec![invoice("007", 6)])).await;
    assert_eq!(
        again,
        Decided::Repeated {
            answer: "written".to_owned()
        }
    );
    assert_eq!(
        decide(store, once(2), writing(vec![invoice("008", 6)])).await,
        Decided::KeyReused
    );
    let ledger = store.customer_ledger(ORG, CUSTOMER).await.unwrap().unwrap();
    assert_eq!(owed(&ledger), 5.into());
}

pub(in crate::store) async fn a_refused_decision_leaves_nothing_behind(store: &dyn Store) {
    with_a_customer(store).await;
    let astray = Invoice::new(
        "2",
        CustomerId::from_bytes([9; 16]),
        day("2026-01-05"),
        day("2026-01-06"),
        cny(1),
    );
    let once = Some(OnceOnly {
        key: "k".to_owned(),
        digest: [1; 32],
    });
    let refused = decide(store, once.clone(), writing(vec![invoice("1", 5), astray.into()])).await;
    assert!(
        matches!(&refused, Decided::Refused(it) if it.field == "invoice"),
        "{refused:?}"
    );
    let refused = decide(store, once.clone(), |_| Err(InvalidField::new("amount", "no"))).await;
    assert!(matches!(refused, Decided::Refused(_)));
    let ledger = store.customer_ledger(ORG, CUSTOMER).await.unwrap().unwrap();
    assert!(ledger.invoices.is_empty());
    // The key is still free, too.
    let done = decide(store, once, writing(vec![invoice("1", 5)])).await;
    assert!(matches!(done, Decided::Done { .. }));
    let unknown = CustomerId::from_bytes([9; 16]);
    let decided = store
        .decide(ORG, unknown, None, Box::new(writing(Vec::new())), NOW)
        .await;
    assert_eq!(decided.unwrap(), Decided::UnknownCustomer);
}

/// A grant is a promise to one phone: it goes to that phone's stream, and stays there when the customer moves.
pub(in crate::store) async fn a_grant_stays_with_its_phone(store: &dyn Store) {
    with_a_customer(store).await;
    let device = DeviceId::from_bytes([0x51; 16]);
    let grant = Grant {
        terms: GrantTerms {
            id: GrantId::from_bytes([7; 16]),
            device,
            user: REP,
            customer: CUSTOMER,
            amount: cny(500),
            policy_version: 1,
            issued_at: NOW,
            not_after: NOW.plus_millis(1),
            mode: GrantMode::Lease,
        },
        signature: String::new(),
        state: GrantState::Open,
        settled: Vec::new(),
        close: None,
        reason: String::new(),
        written_off_by: Vec::new(),
        taken_back_at: None,
    };
    let done = decide(store, None, writing(vec![grant.clone().into(), invoice("1", 5)])).await;
    let Decided::Done { marks, .. } = done else {
        panic!("{done:?}");
    };
    assert_eq!(marks.len(), 2);
    let mut moved = customer(SOUTH, "Shop");
    if let LedgerRecord::Customer(it) = &mut moved {
        it.name.push_str(" South");
    }
    store.put_records(ORG, vec![moved], true, NOW).await.unwrap();
    let kinds = async |stream| {
        let entries = read_on(store, stream, &mut None).await;
        entries
            .iter()
            .filter_map(|it| match it {
                Entry::Record(it) => Some(it.name.kind.clone()),
                _ => None,
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(kinds(StreamId::Device(device)).await, ["grant"]);
    assert!(kinds(StreamId::Territory(SOUTH)).await.contains(&"invoice".to_owned()));
    let ledger = store.customer_ledger(ORG, CUSTOMER).await.unwrap().unwrap();
    assert_eq!(ledger.grants, [grant]);
    assert_eq!(store.verify().await.unwrap(), Vec::<String>::new());
}

/// A number that another customer has is not in the ledger that a decision sees; the store looks when it writes.
pub(in crate::store) async fn a_change_is_written_only_when_what_it_requires_is_so(store: &dyn Store) {
    with_a_customer(store).await;
    let key = invoice("007", 5).key();
    let requiring = |version, number| LedgerChange {
        records: vec![invoice(number, 5)],
        requires: vec![Requirement {
            key: key.clone(),
            version,
            otherwise: InvalidField::new("number", "is used already"),
        }],
        ..LedgerChange::default()
    };
    let decided = async |change: LedgerChange| decide(store, None, move |_| Ok(change)).await;
    let refused = |decided: &Decided| matches!(decided, Decided::Refused(it) if it.field == "number");
    let early = decided(requiring(Some(1), "007")).await;
    assert!(refused(&early), "it is not there yet: {early:?}");
    assert!(matches!(decided(requiring(None, "007")).await, Decided::Done { .. }));
    assert!(refused(&decided(requiring(None, "008")).await));
    assert!(refused(&decided(requiring(Some(2), "008")).await));
    assert!(matches!(decided(requiring(Some(1), "008")).await, Decided::Done { .. }));
    let ledger = store.customer_ledger(ORG, CUSTOMER).await.unwrap().unwrap();
    assert_eq!(ledger.invoices.len(), 2);
}

pub(in crate::store) async fn what_is_about_no_customer_is_written_once_too(store: &dyn Store) {
    with_a_customer(store).await;
    let change = |amount| LedgerChange {
        records: vec![
            UnidentifiedReceipt {
                reference: "BK-1".to_owned(),
                valued_on: day("2026-01-05"),
                amount: cny(amount),
                posted_on: None,
                payer: "Wang".to_owned(),
                text: String::new(),
                arrived_at: NOW,
                identified_as: None,
            }
            .into(),
        ],
        answer: "recorded".to_owned(),
        ..LedgerChange::default()
    };
    let once = |digest| {
        Some(OnceOnly {
            key: "bank-1".to_owned(),
            digest: [digest; 32],
        })
    };
    let write = async |digest, amount| {
        store
            .write_change(ORG, once(digest), Ok(change(amount)), NOW)
            .await
            .unwrap()
    };
    assert!(matches!(write(1, 5).await, Decided::Done { answer, .. } if answer == "recorded"));
    assert!(matches!(write(1, 6).await, Decided::Repeated { answer } if answer == "recorded"));
    assert_eq!(write(2, 6).await, Decided::KeyReused);
    let refused = async |digest| {
        let refused = Err(InvalidField::new("valued_on", "lies in closed books"));
        store.write_change(ORG, once(digest), refused, NOW).await.unwrap()
    };
    assert!(
        matches!(refused(1).await, Decided::Repeated { .. }),
        "answered as it was then"
    );
    let other = store
        .write_change(ORG, None, Err(InvalidField::new("valued_on", "no")), NOW)
        .await;
    assert!(matches!(other.unwrap(), Decided::Refused(_)));
    let stored = store.records(ORG, &RecordKind::UnidentifiedReceipt).await.unwrap();
    assert!(
        matches!(&stored[..], [StoredRecord { version: 1, record, .. }] if *record == change(5).records[0]),
        "{stored:?}"
    );
    let entries = read_on(store, StreamId::Finance, &mut None).await;
    assert_eq!(entries.len(), 1, "what finance alone may see is in its own stream");
}

/// Every customer's books come once, in whichever part, with nothing of another customer or company in them.
pub(in crate::store) async fn books_come_customer_by_customer(store: &dyn Store) {
    with_a_customer(store).await;
    let ids: Vec<CustomerId> = [0, 63, 64, 127, 128, 255]
        .map(|first| CustomerId::from_bytes([first; 16]))
        .to_vec();
    let mut records = Vec::new();
    for (no, id) in ids.iter().enumerate() {
        let mut shop = customer(NORTH, &format!("Shop {no}"));
        let LedgerRecord::Customer(it) = &mut shop else {
            unreachable!("a customer was made")
        };
        it.id = *id;
        records.push(shop);
        let number = format!("F-{no}");
        let mut paid = fieldledger_core::model::Receipt::cleared(format!("R-{no}"), *id, day("2026-01-06"), cny(1));
        paid.pays = Some(number.clone());
        records.push(Invoice::new(number, *id, day("2026-01-05"), day("2026-02-04"), cny(10)).into());
        records.push(paid.into());
    }
    let written = store.put_records(ORG, records, true, NOW).await.unwrap();
    assert!(written.iter().all(|it| *it == PutOutcome::Created), "{written:?}");
    for parts in [1, 3, 4] {
        let seen = Arc::new(Mutex::new(Vec::new()));
        for part in CustomerPart::all(parts) {
            let sink = Arc::clone(&seen);
            let each = move |id: CustomerId, books: &HeldBooks| {
                let mine = books.invoices.iter().all(|it| it.customer == id) && books.receipts[0].customer == id;
                let counts = (books.invoices.len(), books.receipts.len(), mine);
                sink.lock().unwrap().push((id, counts));
                ControlFlow::Continue(())
            };
            store.each_books(ORG, part, Box::new(each)).await.unwrap();
        }
        let seen = seen.lock().unwrap();
        let expected: Vec<_> = ids.iter().map(|id| (*id, (1, 1, true))).collect();
        assert_eq!(*seen, expected, "{parts} parts; the shop without books is left out");
    }
    let seen = Arc::new(Mutex::new(0));
    let sink = Arc::clone(&seen);
    let first_only = move |_, _: &HeldBooks| {
        *sink.lock().unwrap() += 1;
        ControlFlow::Break(())
    };
    let whole = CustomerPart::all(1).next().unwrap();
    store.each_books(ORG, whole, Box::new(first_only)).await.unwrap();
    assert_eq!(*seen.lock().unwrap(), 1);
    let elsewhere = OrganisationId::from_bytes([0xEE; 16]);
    let nothing = |_, _: &HeldBooks| panic!("another company's books");
    store.each_books(elsewhere, whole, Box::new(nothing)).await.unwrap();
}
