//! What was recorded is found at once, long before it is in the index of words.

use super::*;

/// Records a visit with this note and returns it.
fn noted(phone: &Phone, note: &str) -> DocumentId {
    let mut visit = Visit::new(CustomerId::from_bytes([50; 16]), phone.user, VisitPurpose::Routine);
    visit.note = note.to_owned();
    phone.store.create(visit).unwrap().id
}

fn found(phone: &Phone, words: &str) -> Vec<DocumentId> {
    let hits = phone.store.search(words, 1_000).unwrap();
    hits.into_iter()
        .map(|hit| match hit {
            SearchHit::Document(row) => row.id,
            SearchHit::Customer(row) => panic!("{row:?}"),
        })
        .collect()
}

/// How many documents are in the index.
fn indexed(phone: &Phone) -> usize {
    phone
        .store
        .read(|it| Ok(it.query_row("SELECT count(*) FROM document_words_docsize", [], |row| row.get(0))?))
        .unwrap()
}

#[test]
fn every_visit_is_found_as_soon_as_it_is_recorded_whether_indexed_or_not() {
    let phone = Phone::rep();
    let mut made = Vec::new();
    for number in 0..150 {
        // One in ten says nothing at all; it counts all the same.
        let note = if number % 10 == 3 {
            String::new()
        } else {
            format!("冷柜 number{number}x 付款单")
        };
        made.insert(0, noted(&phone, &note));
        assert!(number + 1 - indexed(&phone) < 64);
        if number % 10 != 3 {
            assert_eq!(found(&phone, &format!("number{number}x")), made[..1]);
            assert_eq!(found(&phone, &format!("Number{number}")).first(), made.first());
        }
    }
    assert!(indexed(&phone) >= 128);
    let said: Vec<DocumentId> = (0..150)
        .rev()
        .zip(made)
        .filter(|(it, _)| it % 10 != 3)
        .map(|it| it.1)
        .collect();
    assert_eq!(found(&phone, "冷柜"), said);
    assert_eq!(found(&phone, "付款单"), said);
    assert!(found(&phone, "付单").is_empty());
}

#[test]
fn what_was_recorded_and_not_indexed_is_found_after_a_restart_and_after_an_edit() {
    let phone = Phone::rep();
    let id = noted(&phone, "下周付款");
    let mut visit = phone.store.visit(id).unwrap().unwrap();
    visit.value.note = "冷柜坏了".to_owned();
    phone.store.save(&visit).unwrap();
    phone.store.close();
    phone.store.reopen().unwrap();
    assert_eq!(indexed(&phone), 0);
    assert_eq!(found(&phone, "冷柜"), [id]);
    assert!(found(&phone, "付款").is_empty());
    for _ in 0..70 {
        noted(&phone, "else");
    }
    assert!(indexed(&phone) > 0);
    assert_eq!(found(&phone, "冷柜"), [id]);
    let mut visit = phone.store.visit(id).unwrap().unwrap();
    visit.value.note = "已修好".to_owned();
    phone.store.save(&visit).unwrap();
    assert!(found(&phone, "冷柜").is_empty());
    assert_eq!(found(&phone, "修好"), [id]);
}

#[test]
fn what_comes_from_the_server_is_indexed_after_what_was_recorded_before_it() {
    let (phone, other) = (Phone::rep(), Phone::of(2, &[Role::Rep]));
    let own = noted(&phone, "冷柜");
    let theirs = noted(&other, "冷柜 too");
    other.send_to(&phone);
    assert_eq!(indexed(&phone), 2);
    assert_eq!(found(&phone, "冷柜"), [theirs, own]);
}

#[test]
fn recording_a_visit_writes_one_page_for_each_table_and_index_it_stands_in() {
    let phone = Phone::rep();
    let shop = customer(50, "东方超市");
    phone.receive(StreamId::Territory(TERRITORY), &LedgerRecord::Customer(shop.clone()), 1);
    let mut rng = ChaCha12Rng::seed_from_u64(5);
    let log = phone.folder.path().join("phone.db-wal");
    let mut pages: Vec<u64> = (0..300)
        .map(|number| {
            let visit = long_visit(&mut rng, shop.id, phone.user, number);
            phone
                .store
                .inner
                .database
                .with_writer(|it| it.query_row("PRAGMA wal_checkpoint (TRUNCATE)", [], |_| Ok(())))
                .unwrap();
            phone.store.create(visit).unwrap();
            // A header of 32 bytes, then each page of 4,096 with a header of 24.
            (std::fs::metadata(&log).unwrap().len() - 32) / 4_120
        })
        .collect();
    pages.sort_unstable();
    // The document with its id, customer, kind and next step, the change, the outbox with its index; now and then one of
    // them grows by a page.
    assert!(pages[150] <= 10, "{pages:?}");
    // A full-text index is written for 64 visits at a time.
    assert!(pages.iter().filter(|it| **it > 20).count() <= 8, "{pages:?}");
}
