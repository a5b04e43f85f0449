//! The list of customers, a customer's page and what finance decides there.

use axum::http::{StatusCode, header};
use fieldledger_core::{
    document::edit,
    model::{CreditAccount, CreditGrade, CreditLimit, CustomerId, Invoice, LedgerRecord, Policy, Suspension},
};

use super::{
    desk::{once, put, with_account},
    samples::{HOSTILE, assert_inert, note},
    world::{
        ADMINISTRATOR, FINANCE, NOON, ORG, PHONE, Reply, SHOP, SUPERVISOR, WEST, WEST_SHOP, WEST_SUPERVISOR, World,
        cny, csrf, customer,
    },
};
use crate::store::{LedgerStore as _, PeopleStore as _};

async fn account(world: &World) -> CreditAccount {
    world.store.customer_ledger(ORG, SHOP).await.unwrap().unwrap().account
}

/// Sends the form at `/customers/{SHOP}/{form}` as it stands on the page.
async fn send(world: &World, user: fieldledger_core::model::UserId, form: &str, fields: &[(&str, &str)]) -> Reply {
    let page = world.get(user, &format!("/customers/{SHOP}")).await.body;
    let path = format!("/customers/{SHOP}/{form}");
    let (secret, key) = (csrf(user), once(&page, &path));
    let mut all = vec![("csrf", secret.as_str()), ("once", key.as_str())];
    all.extend_from_slice(fields);
    world.post(user, &path, &all).await
}

fn overdue(customer: CustomerId, number: &str, amount: i64) -> LedgerRecord {
    let (on, due) = ("2026-01-05".parse().unwrap(), "2026-02-04".parse().unwrap());
    Invoice::new(number, customer, on, due, cny(amount)).into()
}

#[tokio::test]
async fn customers_are_found_sorted_narrowed_and_exported_within_the_readers_territories() {
    let world = World::new().await;
    let more = (0..120u8).map(|number| {
        let id = CustomerId::from_bytes([number + 0x50, 1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 2, 3, 4, 5, number]);
        customer(
            id,
            &format!("M-{number:03}"),
            &format!("Many {number:03}"),
            super::world::EAST,
        )
    });
    put(&world, more.collect()).await;
    put(&world, vec![overdue(SHOP, "F-1", 700), overdue(WEST_SHOP, "F-2", 900)]).await;
    let page = world.get(SUPERVISOR, "/customers").await.body;
    assert!(page.contains("121 in all") && page.contains("Page 1 of 2"));
    assert!(page.contains("Many 000") && !page.contains("Many 119"));
    let last = world.get(SUPERVISOR, "/customers?page=2").await.body;
    assert!(last.contains("东方超市 Orient") && !last.contains("Many 000"));
    // By what is owed; those who owe nothing come last either way.
    for sort in ["overdue", "-overdue"] {
        let sorted = world.get(SUPERVISOR, &format!("/customers?sort={sort}")).await.body;
        let first = sorted.split("<tbody>").nth(1).unwrap().split("</tr>").next().unwrap();
        assert!(first.contains("Orient") && first.contains(">700.00<"), "{first}");
    }
    let late = world.get(SUPERVISOR, "/customers?late=1").await.body;
    assert!(late.contains("1 in all") && late.contains("26")); // days since 4 February
    for found in [
        "q=C-1",
        "q=ORIENT",
        "q=%E6%96%B9%E8%B6%85",
        "q=nanjing+orient",
        "q=5555+c-1",
        "grade=B",
    ] {
        let body = world.get(SUPERVISOR, &format!("/customers?{found}")).await.body;
        assert!(body.contains("1 in all"), "{found}");
    }
    assert!(
        world
            .get(SUPERVISOR, "/customers?q=nobody")
            .await
            .body
            .contains("Nothing matches")
    );
    assert_eq!(
        world
            .get(SUPERVISOR, &format!("/customers?territory={WEST}"))
            .await
            .status,
        StatusCode::NOT_FOUND
    );
    let csv = world.get(SUPERVISOR, "/customers?format=csv&q=m-").await;
    assert!(
        csv.headers[header::CONTENT_TYPE]
            .to_str()
            .unwrap()
            .starts_with("text/csv")
    );
    assert_eq!(csv.body.lines().count(), 121, "a heading and every row");
    assert!(!csv.body.contains("Western Secret"));
    let all = world.get(FINANCE, "/customers?format=csv").await.body;
    assert!(all.contains("Western Secret Store") && all.contains("900"));
}

#[tokio::test]
async fn finance_sets_grade_limit_and_terms_from_a_day_on_and_nobody_else_does() {
    let world = World::new().await;
    with_account(&world, SHOP, 1_000).await;
    let terms = [
        ("from", "2026-04-01"),
        ("grade", "B"),
        ("limit", "25,000.50"),
        ("terms_days", ""),
        ("reason", "good payer"),
    ];
    let page = world.get(SUPERVISOR, &format!("/customers/{SHOP}")).await.body;
    assert!(!page.contains("/terms\""), "a supervisor is not offered the form");
    let path = format!("/customers/{SHOP}/terms");
    for (user, status) in [(SUPERVISOR, 403), (WEST_SUPERVISOR, 404)] {
        let secret = csrf(user);
        let mut all = vec![("csrf", secret.as_str()), ("once", "k")];
        all.extend_from_slice(&terms);
        assert_eq!(world.post(user, &path, &all).await.status.as_u16(), status);
    }
    for (field, value, said) in [
        ("limit", "12,34", "must be an amount"),
        ("limit", "-5", "must not be negative"),
        ("limit", "0.001", "more than the 2 decimals"),
        ("from", "2026-13-01", "must be a date"),
        ("terms_days", "many", "whole number"),
        ("reason", "", "a reason is needed"),
        ("grade", "E", "must be A, B, C or D"),
    ] {
        let mut wrong = terms.to_vec();
        wrong.iter_mut().find(|it| it.0 == field).unwrap().1 = value;
        let refused = send(&world, FINANCE, "terms", &wrong).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{field}={value}");
        assert!(refused.body.contains(said), "{field}={value}: {said}");
        // What was typed is kept.
        assert!(refused.body.contains("value=\"2026-04-01\"") || field == "from");
        assert!(refused.body.contains("good payer") || field == "reason");
    }
    assert_eq!(account(&world).await.terms.len(), 1);
    let done = send(&world, FINANCE, "terms", &terms).await;
    assert_eq!(done.location(), format!("/customers/{SHOP}?done=terms_set#credit"));
    let terms = account(&world).await.terms.remove(1);
    assert_eq!((terms.grade, terms.terms_days), (Some(CreditGrade::B), 30));
    assert_eq!(
        terms.limit,
        CreditLimit::Limited(fieldledger_core::model::Money::new(
            "25000.50".parse().unwrap(),
            fieldledger_core::model::Currency::CNY
        ))
    );
    let page = world.get(SUPERVISOR, &format!("/customers/{SHOP}")).await.body;
    assert!(page.contains("data-when=\"later\"") && page.contains("data-when=\"now\""));
    assert!(page.contains("CNY 25,000.50") && page.contains("finance name"));
    // The limit of today is what counts today.
    let credit = page
        .split("id=\"credit\"")
        .nth(1)
        .unwrap()
        .split("</section>")
        .next()
        .unwrap();
    assert!(credit.contains("CNY 1,000.00") && !credit.contains("25,000.50"));
}

#[tokio::test]
async fn an_account_is_held_from_a_day_on_and_goes_on_again() {
    let world = World::new().await;
    with_account(&world, SHOP, 1_000).await;
    let past = [("action", "hold"), ("from", "2026-02-01"), ("reason", "x")];
    let refused = send(&world, ADMINISTRATOR, "holds", &past).await;
    assert!(refused.body.contains("2026-02-01 has gone by"), "{}", refused.status);
    let later = [("action", "hold"), ("from", "2026-03-05"), ("reason", HOSTILE)];
    send(&world, FINANCE, "holds", &later).await;
    let page = world.get(SUPERVISOR, &format!("/customers/{SHOP}")).await.body;
    assert_inert(&page);
    let file = || async {
        world
            .store
            .customer_ledger(ORG, SHOP)
            .await
            .unwrap()
            .unwrap()
            .file
            .unwrap()
    };
    assert!(!file().await.on_hold, "not yet");

    // On the day the daily round tells the phones.
    let ledger = world.store.customer_ledger(ORG, SHOP).await.unwrap().unwrap();
    let three_days = fieldledger_core::model::Timestamp::from_millis(NOON + 3 * 86_400_000);
    let around = crate::ledger::routine::Surroundings::default();
    let change = crate::ledger::routine::look_after(&ledger, &around, three_days).unwrap();
    let on_hold = change
        .records
        .iter()
        .any(|it| matches!(it, LedgerRecord::CreditFile(file) if file.on_hold));
    assert!(on_hold, "{:?}", change.records);

    let none = send(&world, FINANCE, "holds", &[("action", "lift"), ("reason", "paid")]).await;
    assert_eq!(none.status, StatusCode::SEE_OTHER);
    let again = send(
        &world,
        FINANCE,
        "holds",
        &[("action", "hold"), ("from", ""), ("reason", "cheque")],
    )
    .await;
    assert!(again.location().contains("done=on_hold"));
    assert!(file().await.on_hold);
    assert!(world.get(SUPERVISOR, "/customers?held=1").await.body.contains("Orient"));
}

#[tokio::test]
async fn supply_is_stopped_by_whoever_has_a_say_in_the_territory_and_resumed() {
    let world = World::new().await;
    with_account(&world, SHOP, 1_000).await;
    let mut account = account(&world).await;
    account.suspensions.push(Suspension {
        proposed_on: "2026-03-01".parse().unwrap(),
        grounds: HOSTILE.to_owned(),
        decision: None,
        ended_on: None,
    });
    put(&world, vec![account.into(), overdue(SHOP, "F-1", 500)]).await;
    let reminders = world.get(SUPERVISOR, "/receivables/reminders").await.body;
    assert_inert(&reminders);
    assert!(reminders.contains("stop of supply proposed"));
    let silent = send(&world, SUPERVISOR, "supply", &[("action", "stop"), ("reason", "")]).await;
    assert_eq!(silent.status, StatusCode::UNPROCESSABLE_ENTITY);
    let path = format!("/customers/{SHOP}/supply");
    let west = [
        ("csrf", csrf(WEST_SUPERVISOR)),
        ("once", "k".to_owned()),
        ("action", "stop".to_owned()),
    ];
    let west: Vec<(&str, &str)> = west.iter().map(|(name, value)| (*name, value.as_str())).collect();
    assert_eq!(
        world.post(WEST_SUPERVISOR, &path, &west).await.status,
        StatusCode::NOT_FOUND
    );
    let stop = [
        ("action", "stop"),
        ("reason", "the owner does not answer"),
        ("back", "reminders"),
    ];
    assert_eq!(
        send(&world, SUPERVISOR, "supply", &stop).await.location(),
        "/receivables/reminders?done=supply_stopped#supply"
    );
    assert!(
        world
            .get(SUPERVISOR, "/receivables/reminders")
            .await
            .body
            .contains("supply stopped")
    );
    let resume = [("action", "resume"), ("reason", "paid half")];
    assert!(
        send(&world, FINANCE, "supply", &resume)
            .await
            .location()
            .contains("supply_resumed")
    );
    assert_eq!(world.store.audited(ORG, "supply.resumed").await.unwrap().len(), 1);
    // A page that was open meanwhile has no form any more where what is wrong could stand.
    let path = format!("/customers/{SHOP}/supply");
    let late = [
        ("csrf", csrf(SUPERVISOR)),
        ("once", "late".to_owned()),
        ("action", "resume".to_owned()),
        ("reason", "paid".to_owned()),
    ];
    let late: Vec<(&str, &str)> = late.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let late = world.post(SUPERVISOR, &path, &late).await;
    assert_eq!(late.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(late.body.contains("role=\"alert\"><bdi>Supply is not stopped.</bdi>"));
}

#[tokio::test]
async fn credit_that_the_policy_no_longer_reserves_is_refused_with_a_word() {
    let world = World::new().await;
    with_account(&world, SHOP, 9_000).await;
    let mut policy = Policy::default();
    policy.allowances.enabled = false;
    put(&world, vec![LedgerRecord::Policy(policy)]).await;
    let path = format!("/customers/{SHOP}/grants");
    let device = PHONE.to_string();
    let fields = [
        ("csrf", csrf(SUPERVISOR)),
        ("once", "late".to_owned()),
        ("device", device),
        ("amount", "100".to_owned()),
        ("mode", "lease".to_owned()),
    ];
    let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let refused = world.post(SUPERVISOR, &path, &fields).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(!refused.body.contains("id=\"grant-device\""), "allowances are off");
    assert!(refused.body.contains("the policy gives no offline allowances"));
}

#[tokio::test]
async fn a_stop_of_supply_is_explained_in_the_readers_language() {
    let world = World::new().await;
    with_account(&world, SHOP, 1_000).await;
    let mut account = account(&world).await;
    account.suspensions.push(Suspension {
        proposed_on: "2026-03-01".parse().unwrap(),
        grounds: "CNY 500.00 of invoice F-1, instalment 1, is 26 days late; from day 20 supply may be stopped."
            .to_owned(),
        decision: None,
        ended_on: None,
    });
    put(&world, vec![account.into(), overdue(SHOP, "F-1", 500)]).await;
    for page in [format!("/customers/{SHOP}"), "/receivables/reminders".to_owned()] {
        let page = world.get_in(SUPERVISOR, &page, "zh").await.body;
        assert!(page.contains("发票 F-1 第 1 期 CNY 500.00 已逾期 26 天，自第 20 天起可停止供货。"));
    }
}

#[tokio::test]
async fn everything_about_a_customer_is_on_the_page_and_words_stay_words() {
    let world = World::new().await;
    let hostile = format!("{HOSTILE} {}", "長".repeat(3_000));
    with_account(&world, SHOP, 9_000).await;
    put(&world, vec![overdue(SHOP, "F-77", 4_000)]).await;
    world.record(&edit::tree_of(&note(&hostile)).unwrap()).await;
    world.visit(SHOP, &hostile).await;
    for language in ["en", "zh"] {
        let page = world.get_in(SUPERVISOR, &format!("/customers/{SHOP}"), language).await;
        assert_eq!(page.status, StatusCode::OK);
        assert_inert(&page.body);
        for part in ["F-77", "CNY 4,000.00", "CNY 5,000.00", "2026-03-10", "26"] {
            assert!(page.body.contains(part), "{part} in {language}");
        }
    }
    let page = world.get(SUPERVISOR, &format!("/customers/{SHOP}")).await.body;
    assert!(page.contains("running") && page.contains("first assessment"));
    let assessed = [
        ("on", "2026-03-02"),
        ("valid_until", "2027-03-01"),
        ("evidence", "accounts of 2025"),
    ];
    assert!(
        send(&world, FINANCE, "assessments", &assessed)
            .await
            .location()
            .contains("assessed")
    );
    let backwards = [("on", "2026-03-02"), ("valid_until", "2026-03-01"), ("evidence", "x")];
    assert!(
        send(&world, FINANCE, "assessments", &backwards)
            .await
            .body
            .contains("before the assessment")
    );
}
