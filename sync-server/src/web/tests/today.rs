//! The page of today.

use axum::http::StatusCode;
use fieldledger_core::{
    document::edit,
    model::{
        Acknowledgement, Confirmation, ConfirmationVerdict, Currency, CustomerId, DocumentId, Invoice, LedgerRecord,
        OrderDecision, OrderStanding, Party, PromiseToPay, Statement, StatementAnswer, StatementId, StatementVerdict,
        TerritoryId, Timestamp, UserId, Warning, WarningFacts, WarningLevel, WarningRule,
    },
    sync::protocol::RejectionCode,
};

use super::{
    desk::once,
    samples::{HOSTILE, assert_inert, delivery, note},
    world::{
        ADMINISTRATOR, EAST, FINANCE, NOON, ORG, PHONE, REP, SHOP, SUPERVISOR, WEST, WEST_SHOP, WEST_SUPERVISOR, World,
        cny, csrf, customer,
    },
};
use crate::store::{DeviceContact, DocumentStore as _, PeopleStore as _, Quarantined};

const HOUR: i64 = 3_600_000;

fn held(number: u8, customer: CustomerId, words: &str) -> LedgerRecord {
    LedgerRecord::OrderDecision(OrderDecision {
        order: DocumentId::from_bytes([number; 16]),
        number: words.to_owned(),
        customer,
        rep: REP,
        received_at: Timestamp::from_millis(NOON),
        wanted_by: None,
        currency: Currency::CNY,
        lines: Default::default(),
        deliveries: Default::default(),
        standing: OrderStanding::Held,
        spend: None,
        events: Vec::new(),
    })
}

fn critical(customer: CustomerId) -> LedgerRecord {
    LedgerRecord::Warning(Warning {
        customer,
        rule: WarningRule::DaysOverdue,
        level: WarningLevel::Critical,
        sentence: "as an older version wrote it".to_owned(),
        facts: Some(WarningFacts::DaysOverdue {
            days: 47,
            invoice_number: "INV-7".to_owned(),
        }),
        raised_at: Timestamp::from_millis(NOON),
        owner: None,
        acknowledged: None,
        cleared_at: None,
    })
}

fn quarantined(digest: u8, user: UserId, territory: TerritoryId, message: &str) -> Quarantined {
    Quarantined {
        digest: [digest; 32],
        document: None,
        territory: Some(territory),
        bytes: vec![1],
        user,
        device: PHONE,
        code: RejectionCode::Invalid,
        message: message.to_owned(),
        received_at: Timestamp::from_millis(NOON),
    }
}

/// One thing of every sort waits in the east, and some in the west.
async fn waiting(words: &str) -> World {
    let world = World::new().await;
    let records = vec![
        held(0x41, SHOP, words),
        held(0x42, SHOP, words),
        held(0x43, WEST_SHOP, "order of the west"),
        critical(SHOP),
    ];
    let now = Timestamp::from_millis(NOON);
    world.store.put_records(ORG, records, true, now).await.unwrap();
    let mut signed = delivery(words);
    signed.confirmations.remove(&Party::Customer);
    signed.receiver.as_mut().unwrap().at = Timestamp::from_millis(NOON - 30 * HOUR);
    world.record(&edit::tree_of(&signed).unwrap()).await;
    world.disagreement().await;
    let items = vec![
        quarantined(1, REP, EAST, words),
        quarantined(2, WEST_SUPERVISOR, WEST, "pushed in the west"),
    ];
    world.store.quarantine(ORG, items).await.unwrap();
    let mut promise = note(words);
    promise.at = Timestamp::from_millis(NOON - 20 * 24 * HOUR);
    promise.promise = Some(PromiseToPay {
        amount: cny(5_000),
        due: "2026-02-20".parse().unwrap(),
    });
    world.record(&edit::tree_of(&promise).unwrap()).await;
    world
        .store
        .device_contact(DeviceContact {
            organisation: ORG,
            device: PHONE,
            token_hash: [2; 32],
            app_version: "1.0".to_owned(),
            waiting: 3,
            clock_ahead_millis: 0,
            now: Timestamp::from_millis(NOON - 72 * HOUR),
        })
        .await
        .unwrap();
    world
}

#[tokio::test]
async fn critical_warnings_are_by_customer_who_is_overdue_with_most_first() {
    let world = World::new().await;
    let second = CustomerId::from_bytes([0x62; 16]);
    let invoice = |number: &str, customer, amount| {
        let due = "2026-01-14".parse().unwrap();
        LedgerRecord::Invoice(Invoice::new(number, customer, due, due, cny(amount)))
    };
    let LedgerRecord::Warning(mut another) = critical(second) else {
        panic!("no warning")
    };
    another.rule = WarningRule::TotalOwed;
    another.facts = Some(WarningFacts::TotalOwed {
        owed: cny(900),
        threshold: cny(800),
    });
    let mut answered = another.clone();
    answered.rule = WarningRule::Silence;
    answered.acknowledged = Some(Acknowledgement {
        by: SUPERVISOR,
        at: Timestamp::from_millis(NOON),
        note: "I call them".to_owned(),
    });
    let records = vec![
        customer(second, "C-9", "Owes More", EAST),
        invoice("INV-7", SHOP, 100),
        invoice("INV-8", second, 900),
        critical(SHOP),
        critical(second),
        another.into(),
        answered.into(),
    ];
    let now = Timestamp::from_millis(NOON);
    world.store.put_records(ORG, records, true, now).await.unwrap();
    let body = world.get(SUPERVISOR, "/").await.body;
    let warned = deck(&body, "critical");
    assert!(warned.contains("data-count=\"3\""), "{warned}");
    assert!(
        warned.find("Owes More").unwrap() < warned.find("Orient").unwrap(),
        "{warned}"
    );
    assert_eq!(
        warned.matches("Owes More").count(),
        1,
        "both of its warnings stand with the customer"
    );
    for said in ["CNY 900.00 overdue", "CNY 100.00 overdue", "CNY 900 is owed in all"] {
        assert!(warned.contains(said), "{said}: {warned}");
    }
    // Somebody answers: it waits no more.
    let action = format!("/credit/warnings/{second}/days_overdue");
    let list = world.get(SUPERVISOR, "/credit/warnings").await.body;
    let (secret, key) = (csrf(SUPERVISOR), once(&list, &action));
    let fields = [("csrf", secret.as_str()), ("once", &key), ("note", "I call them")];
    let seen = world.post(SUPERVISOR, &action, &fields).await;
    assert_eq!(seen.status, StatusCode::SEE_OTHER, "{}", seen.body);
    let body = world.get(SUPERVISOR, "/").await.body;
    assert!(deck(&body, "critical").contains("data-count=\"2\""));
}

#[tokio::test]
async fn what_phones_brought_is_not_pushed_out_by_what_the_office_says_to_it() {
    let world = World::new().await;
    let visit = world.visit(SHOP, "the shelf was full").await;
    let secret = csrf(SUPERVISOR);
    let fields = [
        ("csrf", secret.as_str()),
        ("verdict", "approved"),
        ("comment", "well seen"),
    ];
    for _ in 0..9 {
        let sent = world
            .post(SUPERVISOR, &format!("/records/{visit}/review"), &fields)
            .await;
        assert_eq!(sent.status, StatusCode::SEE_OTHER);
    }
    for path in ["/".to_owned(), format!("/activity/day/{REP}/2026-03-02")] {
        let body = world.get(SUPERVISOR, &path).await.body;
        assert!(body.contains(&format!("/records/{visit}")), "{path}");
        assert!(!body.contains("well seen"), "{path}");
    }
    assert!(world.get(SUPERVISOR, "/activity").await.body.contains("well seen"));
}

/// The part of the page about one sort of things.
fn deck<'b>(body: &'b str, id: &str) -> &'b str {
    let start = body
        .split_once(&format!("id=\"deck-{id}\""))
        .unwrap_or_else(|| panic!("no {id} in {body}"))
        .1;
    start.split_once("</section>").unwrap().0
}

#[tokio::test]
async fn what_waits_is_counted_shown_and_linked_to_where_it_is_decided() {
    let world = waiting("W-1").await;
    let body = world.get(SUPERVISOR, "/").await.body;
    for (id, count, words) in [
        (
            "held",
            2,
            vec![
                "W-1",
                "/credit?order=41414141",
                "#order-41414141",
                "rep name",
                "href=\"/credit\"",
            ],
        ),
        (
            "unconfirmed",
            1,
            vec![
                "missing: Customer, Warehouse",
                "late by 6 h",
                "/records/",
                "/activity?late=1",
            ],
        ),
        ("disagreeing", 1, vec!["Visit", "disagreeing=1"]),
        ("quarantined", 1, vec!["Breaks a rule", "W-1", "/quarantine"]),
        (
            "broken",
            1,
            vec![
                "promised by 2026-02-20",
                "CNY 5,000.00 missing",
                "/receivables/worklist",
            ],
        ),
        (
            "critical",
            1,
            vec!["INV-7 is 47 days overdue", "/customers/61616161", "/credit/warnings"],
        ),
        ("stale", 1, vec!["rep name", "3 waiting on the phone", "/devices"]),
    ] {
        let deck = deck(&body, id);
        assert!(deck.contains(&format!("data-count=\"{count}\"")), "{id}: {deck}");
        for word in words {
            // As askama writes them.
            let word = word.replace('&', "&#38;");
            assert!(deck.contains(&word), "{word:?} is not in {id}: {deck}");
        }
    }
    assert!(!body.contains("of the west") && !body.contains("Western Secret"));
    let chinese = world.get_in(SUPERVISOR, "/", "zh").await.body;
    for words in [
        "暂扣的订单",
        "缺：客户、仓库",
        "发票 INV-7 已逾期 47 天",
        "承诺 2026-02-20 前",
    ] {
        assert!(chinese.contains(words), "{words}");
    }
    let all = world.get(ADMINISTRATOR, "/").await.body;
    assert!(deck(&all, "held").contains("data-count=\"3\"") && all.contains("order of the west"));
    // Finance has nothing to do with phones.
    let finance = world.get(FINANCE, "/").await.body;
    assert!(finance.contains("deck-held") && !finance.contains("deck-stale"));
    let west = world.get(WEST_SUPERVISOR, "/").await.body;
    assert!(west.contains("order of the west") && !west.contains("W-1"));
}

#[tokio::test]
async fn what_customers_dispute_stands_on_today_and_the_lists_behind_hold_exactly_that() {
    let world = World::new().await;
    let long_ago = Timestamp::from_millis(NOON - 300 * HOUR);
    let signed = |words: &str, verdict: Option<ConfirmationVerdict>| {
        let mut delivery = delivery(words);
        delivery.confirmations.clear();
        delivery.receiver.as_mut().unwrap().at = long_ago;
        if let Some(verdict) = verdict {
            let said = Confirmation::new(verdict, "Ms Wang", long_ago, "two boxes are missing");
            delivery.confirmations.insert(Party::Customer, said);
        }
        edit::tree_of(&delivery).unwrap()
    };
    let disputed = world.record(&signed("D-1", Some(ConfirmationVerdict::Disputed))).await;
    let late = world.record(&signed("L-1", None)).await;
    let mut fresh = delivery("F-1");
    fresh.confirmations.clear();
    let fresh = world.record(&edit::tree_of(&fresh).unwrap()).await;
    let statement = |number: u8, corrects: Option<u8>, verdict: Option<StatementVerdict>| {
        let id = |number| StatementId::from_bytes([number; 16]);
        let answer = verdict.map(|verdict| StatementAnswer {
            verdict,
            by: "Ms Wang".to_owned(),
            at: Timestamp::from_millis(NOON),
            remark: "never came".to_owned(),
        });
        LedgerRecord::Statement(Statement {
            id: id(number),
            customer: SHOP,
            from: "2026-01-01".parse().unwrap(),
            to: format!("2026-01-{number}").parse().unwrap(),
            opening: cny(0),
            closing: cny(5),
            lines: Vec::new(),
            issued_at: Timestamp::from_millis(NOON),
            by: None,
            corrects: corrects.map(id),
            answers: answer.into_iter().map(|it| (1, it)).collect(),
        })
    };
    let (wrong, right) = (Some(StatementVerdict::Disputed), Some(StatementVerdict::Confirmed));
    let records = vec![
        statement(11, None, wrong),
        statement(12, None, right),
        statement(13, None, wrong),
        statement(14, Some(13), None),
    ];
    let now = Timestamp::from_millis(NOON);
    world.store.put_records(ORG, records, true, now).await.unwrap();

    let today = world.get(SUPERVISOR, "/").await.body;
    let deliveries = deck(&today, "disputed");
    assert!(deliveries.contains("data-count=\"1\"") && deliveries.contains(&format!("/records/{disputed}")));
    assert!(deliveries.contains("disputed by: Customer"));
    let statements = deck(&today, "disputed-statements");
    assert!(statements.contains("data-count=\"1\"") && statements.contains("/receivables/statements/0b0b"));
    assert!(deck(&today, "unconfirmed").contains("data-count=\"1\""));
    let west = world.get(WEST_SUPERVISOR, "/").await.body;
    assert!(!west.contains("deck-disputed"));

    // Each list behind "Show all" holds what was counted, and nothing else.
    for (deck_id, there, others) in [
        ("disputed", disputed, [late, fresh]),
        ("unconfirmed", late, [disputed, fresh]),
    ] {
        let link = deck(&today, deck_id).split_once("class=\"all\"><a href=\"").unwrap().1;
        let link = link.split('"').next().unwrap().replace("&#38;", "&");
        let list = world.get(SUPERVISOR, &link).await.body;
        assert!(list.contains(&format!("id=\"r-{there}\"")), "{link}");
        for other in others {
            assert!(!list.contains(&format!("id=\"r-{other}\"")), "{link}");
        }
    }
    let list = world
        .get(SUPERVISOR, "/receivables/statements?standing=disputed")
        .await
        .body;
    assert!(list.contains("2026-01-11") && !list.contains("2026-01-12") && !list.contains("2026-01-13"));
}

#[tokio::test]
async fn what_came_in_shows_at_once_and_a_quiet_day_says_so() {
    let world = World::new().await;
    let quiet = world.get(SUPERVISOR, "/").await.body;
    assert!(quiet.contains("id=\"nothing-waits\"") && quiet.contains("data-live-refresh"));
    assert!(quiet.contains("aria-current=\"page\""));
    world.visit(SHOP, "only just made").await;
    let body = world.get(SUPERVISOR, "/").await.body;
    assert!(body.contains("only just made"));
    assert!(!world.get(WEST_SUPERVISOR, "/").await.body.contains("only just made"));
    let progress = body
        .split_once("id=\"progress\"")
        .unwrap()
        .1
        .split_once("</table>")
        .unwrap()
        .0;
    let visits = progress.split_once("Visits").unwrap().1.split_once("</tr>").unwrap().0;
    assert!(visits.contains(">1</td>"), "{visits}");
}

#[tokio::test]
async fn plans_are_held_against_what_was_done() {
    let world = World::new().await;
    for (index, done) in [true, false, false].into_iter().enumerate() {
        let mut visit = super::world::visit(SHOP, &format!("planned {index}"));
        visit.planned_for = Some("2026-03-02".parse().unwrap());
        if !done {
            visit.check_in = None;
        }
        world.record(&edit::tree_of(&visit).unwrap()).await;
    }
    let body = world.get(SUPERVISOR, "/").await.body;
    let progress = body
        .split_once("id=\"progress\"")
        .unwrap()
        .1
        .split_once("</table>")
        .unwrap()
        .0;
    let visits = progress.split_once("Visits").unwrap().1.split_once("</tr>").unwrap().0;
    assert!(visits.contains("data-label=\"Planned\">3<"), "{visits}");
    assert!(visits.contains("max=\"3\" value=\"1\""), "{visits}");
}

#[tokio::test]
async fn hostile_words_stay_words_on_the_page_of_today() {
    let world = waiting(&format!("{HOSTILE} {}", "長".repeat(3_000))).await;
    for language in ["en", "zh"] {
        let page = world.get_in(SUPERVISOR, "/", language).await;
        assert_eq!(page.status, StatusCode::OK);
        assert_inert(&page.body);
        assert!(page.body.contains("&#60;script&#62;"));
    }
}
