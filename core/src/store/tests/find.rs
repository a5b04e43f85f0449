//! Lists and searches that look past what does not fit.

use super::*;

/// A visit with this note.
fn noted(phone: &Phone, shop: CustomerId, note: &str) -> DocumentId {
    let mut visit = Visit::new(shop, phone.user, VisitPurpose::Routine);
    visit.note = note.to_owned();
    phone.pass(1_000);
    phone.store.create(visit).unwrap().id
}

#[test]
fn a_match_is_found_behind_any_number_of_rows_that_do_not_fit() {
    let phone = Phone::rep();
    let [near, far] = [50, 51].map(|number| {
        let shop = customer(number, "shop");
        phone.receive(StreamId::Territory(TERRITORY), &LedgerRecord::Customer(shop.clone()), 1);
        shop.id
    });
    // Both pairs of the run are in the notes of all, the run itself only in these.
    let wanted: Vec<DocumentId> = (0..3).map(|_| noted(&phone, far, "茶 已开付款单")).collect();
    for _ in 0..1_300 {
        noted(&phone, near, "茶 付款 款单");
    }
    let query = ListQuery {
        customer: Some(far),
        text: Some("茶".to_owned()),
        limit: 2,
        ..ListQuery::default()
    };
    let first = phone.store.list(&query).unwrap();
    assert_eq!(
        first.iter().map(|row| row.id).collect::<Vec<_>>(),
        [wanted[2], wanted[1]]
    );
    let next = ListQuery {
        before: Some(first[1].place()),
        ..query
    };
    let second = phone.store.list(&next).unwrap();
    assert_eq!(second.iter().map(|row| row.id).collect::<Vec<_>>(), [wanted[0]]);
    let found = phone.store.search("付款单", 10).unwrap();
    let mut found: Vec<DocumentId> = found
        .iter()
        .map(|hit| match hit {
            SearchHit::Document(row) => row.id,
            SearchHit::Customer(_) => panic!("{hit:?}"),
        })
        .collect();
    found.reverse();
    assert_eq!(found, wanted);
}

#[test]
fn pages_of_a_list_with_words_hold_every_row_once_whatever_was_edited_meanwhile() {
    let phone = Phone::rep();
    let shop = customer(50, "shop");
    phone.receive(StreamId::Territory(TERRITORY), &LedgerRecord::Customer(shop.clone()), 1);
    let made: Vec<DocumentId> = (0..10).map(|_| noted(&phone, shop.id, "tea")).collect();
    // The first one made is moved to the front of time by a check-in, and keeps its place among the words.
    phone.pass(1_000_000);
    phone.store.check_in(made[0], None).unwrap();
    let mut query = ListQuery {
        text: Some("tea".to_owned()),
        limit: 3,
        ..ListQuery::default()
    };
    let mut seen = Vec::new();
    loop {
        let page = phone.store.list(&query).unwrap();
        let Some(last) = page.last() else { break };
        query.before = Some(last.place());
        seen.extend(page.iter().map(|row| row.id));
    }
    seen.reverse();
    assert_eq!(seen, made);
}
