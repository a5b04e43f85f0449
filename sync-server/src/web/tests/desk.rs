//! The credit desk: held orders, allowances, warnings.

use axum::http::StatusCode;
use fieldledger_core::{
    document::edit,
    model::{
        CreditAccount, CreditGrade, CreditLimit, CreditTerms, CustomerId, DocumentId, GrantState, LedgerRecord,
        OrderStanding, Timestamp, Warning, WarningFacts, WarningLevel, WarningRule,
    },
};

use super::{
    samples::{HOSTILE, assert_inert, order},
    world::{
        ADMINISTRATOR, DRIVER, FINANCE, NOON, ORG, PHONE, REP, SHOP, SUPERVISOR, WEST_SHOP, WEST_SUPERVISOR, World,
        cny, csrf,
    },
};
use crate::store::{DocumentStore as _, LedgerStore as _, PeopleStore as _};

/// The secret that lets the form at `action` have its effect once.
pub(super) fn once(body: &str, action: &str) -> String {
    let form = body
        .split("<form ")
        .filter(|it| it.contains("name=\"once\""))
        .find(|it| it.split('>').next().unwrap().contains(&format!("action=\"{action}\"")))
        .unwrap_or_else(|| panic!("no form leads to {action}"));
    let (_, rest) = form.split_once("name=\"once\" value=\"").unwrap();
    rest.split('"').next().unwrap().to_owned()
}

/// A customer with an account: grade, limit and an assessment.
pub(super) async fn with_account(world: &World, customer: CustomerId, limit: i64) {
    let mut account = CreditAccount::new(customer);
    account.terms.push(CreditTerms {
        effective_from: "2026-01-01".parse().unwrap(),
        grade: Some(CreditGrade::A),
        limit: CreditLimit::Limited(cny(limit)),
        terms_days: 60,
        reason: "first assessment".to_owned(),
        by: Some(FINANCE),
        recorded_at: Timestamp::from_millis(NOON),
    });
    put(world, vec![account.into()]).await;
}

pub(super) async fn put(world: &World, records: Vec<LedgerRecord>) {
    let outcomes = world
        .store
        .put_records(ORG, records, true, Timestamp::from_millis(NOON))
        .await
        .unwrap();
    assert!(
        outcomes
            .iter()
            .all(|it| !matches!(it, crate::store::PutOutcome::Refused(_))),
        "{outcomes:?}"
    );
}

async fn held(world: &World, words: &str) -> DocumentId {
    world.record(&edit::tree_of(&order(words)).unwrap()).await
}

async fn standing(world: &World, id: DocumentId) -> OrderStanding {
    let ledger = world.store.customer_ledger(ORG, SHOP).await.unwrap().unwrap();
    ledger.decisions.iter().find(|it| it.order == id).unwrap().standing
}

async fn audited(world: &World, action: &str) -> usize {
    world.store.audited(ORG, action).await.unwrap().len()
}

#[tokio::test]
async fn a_held_order_says_what_was_found_when_it_was_held_and_how_it_stands_now() {
    let world = World::new().await;
    with_account(&world, SHOP, 2_000).await;
    let invoice = |number: &str, due: &str| {
        let day = "2026-01-20".parse().unwrap();
        fieldledger_core::model::Invoice::new(number, SHOP, day, due.parse().unwrap(), cny(500))
    };
    put(&world, vec![invoice("F-1", "2026-04-01").into()]).await;
    let id = held(&world, "SO-77").await;
    for path in ["/credit".to_owned(), format!("/records/{id}")] {
        let page = world.get(SUPERVISOR, &path).await.body;
        for said in [
            "With this order CNY 2,345.00 would be owed; the limit is CNY 2,000.00.",
            "How it stands now",
            "With this order it would be CNY 2,345.00: CNY 345.00 above the limit of CNY 2,000.00.",
            "Nothing is overdue.",
        ] {
            assert!(page.contains(said), "{said}: {page}");
        }
    }
    // The customer pays, and owes something else that is late: what was found stays, what is now changes.
    let mut receipt = fieldledger_core::model::Receipt::cleared("R-1", SHOP, "2026-03-01".parse().unwrap(), cny(500));
    receipt.allocations = Vec::new();
    let mut late = invoice("F-2", "2026-02-20");
    late.amount = cny(70);
    put(&world, vec![receipt.into(), late.into()]).await;
    let ledger = world.store.customer_ledger(ORG, SHOP).await.unwrap().unwrap();
    let file = crate::ledger::Draft::of(&ledger)
        .file(Timestamp::from_millis(NOON))
        .unwrap();
    put(&world, vec![file.into()]).await;
    for path in ["/credit".to_owned(), format!("/records/{id}")] {
        let page = world.get(SUPERVISOR, &path).await.body;
        for said in [
            "With this order CNY 2,345.00 would be owed; the limit is CNY 2,000.00.",
            "With this order it would be CNY 1,915.00, within the limit of CNY 2,000.00.",
            "CNY 70.00 is overdue, the oldest item by 10 days.",
        ] {
            assert!(page.contains(said), "{said}: {page}");
        }
        assert!(!page.contains("Nothing is overdue."));
    }
}

#[tokio::test]
async fn a_held_order_is_shown_with_every_rule_and_only_a_supervisor_of_its_territory_decides() {
    let world = World::new().await;
    with_account(&world, SHOP, 1_000).await;
    let id = held(&world, "SO-77").await;
    assert_eq!(standing(&world, id).await, OrderStanding::Held);
    let page = world.get(SUPERVISOR, "/credit").await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.body.contains("SO-77") && page.body.contains("CNY 1,845.00"));
    assert!(page.body.contains("the limit is CNY 1,000.00"), "{}", page.body);
    assert!(page.body.contains("data-live-refresh"));
    // Every rule is listed, those that passed too.
    assert!(page.body.contains("Your account is not on hold") && page.body.contains("data-rule-failed"));
    let chinese = world.get_in(SUPERVISOR, "/credit", "zh").await.body;
    assert!(chinese.contains("超过额度") && chinese.contains("账户未被冻结"));
    let finance = world.get(FINANCE, "/credit").await.body;
    assert!(finance.contains("SO-77") && !finance.contains("name=\"decision\""));
    assert!(!world.get(WEST_SUPERVISOR, "/credit").await.body.contains("SO-77"));

    let action = format!("/credit/orders/{id}");
    let form = |user, secret: &str, reason: &'static str| {
        vec![
            ("csrf", csrf(user)),
            ("once", secret.to_owned()),
            ("decision", "release".to_owned()),
            ("reason", reason.to_owned()),
        ]
    };
    let send = async |user, fields: Vec<(&str, String)>| {
        let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        world.post(user, &action, &fields).await
    };
    for (user, status) in [(REP, 403), (DRIVER, 403), (FINANCE, 403), (WEST_SUPERVISOR, 404)] {
        let reply = send(user, form(user, "x", "because")).await;
        assert_eq!(reply.status.as_u16(), status, "{user}");
    }
    let secret = once(&page.body, &action);
    let mut forged = form(SUPERVISOR, &secret, "because");
    forged[0].1 = "wrong".to_owned();
    assert_eq!(send(SUPERVISOR, forged).await.status, StatusCode::FORBIDDEN);
    assert_eq!(
        send(SUPERVISOR, form(SUPERVISOR, "", "because")).await.status,
        StatusCode::BAD_REQUEST
    );
    assert_eq!(standing(&world, id).await, OrderStanding::Held);

    // Without a reason the form comes back with what is wrong at the field.
    let missing = send(SUPERVISOR, form(SUPERVISOR, &secret, "  ")).await;
    assert_eq!(missing.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(missing.body.contains("a reason is needed") && missing.body.contains("aria-invalid=\"true\""));
    assert_eq!(standing(&world, id).await, OrderStanding::Held);

    let done = send(SUPERVISOR, form(SUPERVISOR, &secret, "paid in cash yesterday")).await;
    assert_eq!(done.status, StatusCode::SEE_OTHER);
    assert_eq!(done.location(), format!("/credit?from=0&of={id}&done=order_released"));
    let told = world.get(SUPERVISOR, done.location()).await.body;
    assert!(
        told.contains("SO-77 · 东方超市 Orient · The order is released."),
        "{told}"
    );
    let again = send(SUPERVISOR, form(SUPERVISOR, &secret, "paid in cash yesterday")).await;
    assert_eq!(again.location(), done.location(), "sent twice, done once");
    assert_eq!(audited(&world, "order.released").await, 1);
    assert_eq!(standing(&world, id).await, OrderStanding::Released);
    let other = send(SUPERVISOR, form(SUPERVISOR, &secret, "something else")).await;
    assert_eq!(other.status, StatusCode::CONFLICT);
    // A form that was open meanwhile is told what became of the order.
    let late = send(ADMINISTRATOR, form(ADMINISTRATOR, "another", "me too")).await;
    assert_eq!(late.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(late.body.contains("SO-77 has been decided on: it is released"));
    assert_eq!(audited(&world, "order.released").await, 1);
    assert!(
        world
            .get(SUPERVISOR, "/credit?done=order_released")
            .await
            .body
            .contains("The order is released.")
    );
    assert!(
        !world
            .get(SUPERVISOR, "/credit?done=app.name")
            .await
            .body
            .contains("role=\"status\">Fieldledger")
    );
}

#[tokio::test]
async fn hostile_words_stay_words_at_the_desk_and_long_reasons_are_kept_whole() {
    let hostile = format!("{HOSTILE} {}", "長".repeat(3_000));
    let world = World::with_names(&hostile, &hostile).await;
    with_account(&world, SHOP, 1_000).await;
    let id = held(&world, &hostile).await;
    let action = format!("/credit/orders/{id}");
    let page = world.get(SUPERVISOR, "/credit").await.body;
    assert_inert(&page);
    // What was typed comes back in the form when it is refused, as text.
    let too_long = format!("{hostile}{}", "x".repeat(20_000));
    let fields = [
        ("csrf", csrf(SUPERVISOR)),
        ("once", once(&page, &action)),
        ("decision", "refuse".to_owned()),
        ("reason", too_long),
    ];
    let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let refused = world.post(SUPERVISOR, &action, &fields).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_inert(&refused.body);
    assert!(refused.body.contains("xxxxxxxxxx"));
    let reason = format!("{HOSTILE} {}", "字".repeat(6_000));
    let fields = [
        ("csrf", csrf(SUPERVISOR)),
        ("once", once(&page, &action)),
        ("decision", "refuse".to_owned()),
        ("reason", reason.clone()),
    ];
    let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    assert_eq!(
        world.post(SUPERVISOR, &action, &fields).await.status,
        StatusCode::SEE_OTHER
    );
    let ledger = world.store.customer_ledger(ORG, SHOP).await.unwrap().unwrap();
    assert_eq!(ledger.decisions[0].events.last().unwrap().reason, reason);
    for language in ["en", "zh"] {
        assert_inert(
            &world
                .get_in(SUPERVISOR, &format!("/customers/{SHOP}"), language)
                .await
                .body,
        );
    }
}

#[tokio::test]
async fn credit_is_reserved_asked_back_and_written_off_by_two_people() {
    let world = World::new().await;
    with_account(&world, SHOP, 100_000).await;
    let action = format!("/customers/{SHOP}/grants");
    let page = world.get(SUPERVISOR, &format!("/customers/{SHOP}")).await.body;
    let device = PHONE.to_string();
    let post = async |user, path: &str, page: &str, fields: &[(&str, &str)]| {
        let (secret, key) = (csrf(user), once(page, path));
        let mut all = vec![("csrf", secret.as_str()), ("once", key.as_str())];
        all.extend_from_slice(fields);
        world.post(user, path, &all).await
    };
    let wrong = post(
        SUPERVISOR,
        &action,
        &page,
        &[("device", &device), ("mode", "strict"), ("amount", "150")],
    )
    .await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(wrong.body.contains("whole number of steps of 100") && wrong.body.contains("value=\"150\""));
    let none = post(
        SUPERVISOR,
        &action,
        &page,
        &[("device", "x"), ("mode", "strict"), ("amount", "100")],
    )
    .await;
    assert!(none.body.contains("Choose a phone"));
    let granted = [("device", device.as_str()), ("mode", "strict"), ("amount", "2,000")];
    let done = post(SUPERVISOR, &action, &page, &granted).await;
    assert_eq!(done.location(), format!("/customers/{SHOP}?done=granted#allowances"));
    post(SUPERVISOR, &action, &page, &granted).await;
    let grants = || async { world.store.customer_ledger(ORG, SHOP).await.unwrap().unwrap().grants };
    assert_eq!(grants().await.len(), 1, "sent twice, reserved once");
    let id = grants().await[0].terms.id;

    let list = world.get(SUPERVISOR, "/credit/allowances").await.body;
    assert!(
        list.contains("CNY 2,000.00") && list.contains("Li&#39;s phone"),
        "{list}"
    );
    assert!(list.contains("Current exposure") && list.contains("At worst"));
    assert!(
        !world
            .get(WEST_SUPERVISOR, "/credit/allowances")
            .await
            .body
            .contains("2,000.00")
    );
    let path = format!("/credit/allowances/{SHOP}/{id}");
    let reply = world
        .post(
            WEST_SUPERVISOR,
            &path,
            &[("csrf", &csrf(WEST_SUPERVISOR)), ("once", "k"), ("action", "recall")],
        )
        .await;
    assert_eq!(reply.status, StatusCode::NOT_FOUND);

    let silent = post(SUPERVISOR, &path, &list, &[("action", "recall"), ("reason", "")]).await;
    assert_eq!(silent.status, StatusCode::UNPROCESSABLE_ENTITY);
    let asked = post(
        SUPERVISOR,
        &path,
        &list,
        &[("action", "recall"), ("reason", "phone goes to repair")],
    )
    .await;
    assert!(asked.location().contains("done=grant_recalled"), "{}", asked.location());
    assert_eq!(grants().await[0].state, GrantState::Recalled);

    let list = world.get(SUPERVISOR, "/credit/allowances").await.body;
    let lost = [("action", "write_off"), ("reason", "phone is lost")];
    assert!(
        post(SUPERVISOR, &path, &list, &lost)
            .await
            .location()
            .contains("write_off_proposed")
    );
    let mine = world.get(SUPERVISOR, "/credit/allowances").await.body;
    assert!(mine.contains("write-off proposed by") && !mine.contains("Agree to the write-off"));
    let theirs = world.get(FINANCE, "/credit/allowances").await.body;
    assert!(theirs.contains("Agree to the write-off"));
    let same = world
        .post(
            SUPERVISOR,
            &path,
            &[
                ("csrf", &csrf(SUPERVISOR)),
                ("once", "k2"),
                ("action", "write_off"),
                ("reason", "x"),
            ],
        )
        .await;
    assert!(same.body.contains("a second person has to agree"));
    assert_eq!(grants().await[0].state, GrantState::Recalled);
    assert!(
        post(FINANCE, &path, &theirs, &lost)
            .await
            .location()
            .contains("grant_written_off")
    );
    assert_eq!(grants().await[0].state, GrantState::WrittenOff);
    assert!(!world.get(FINANCE, "/credit/allowances").await.body.contains("2,000.00"));
}

fn warning(customer: CustomerId, rule: WarningRule, level: WarningLevel, number: &str) -> LedgerRecord {
    Warning {
        customer,
        rule,
        level,
        sentence: format!("Invoice {number} is 40 days overdue."),
        facts: Some(WarningFacts::DaysOverdue {
            days: 40,
            invoice_number: number.to_owned(),
        }),
        raised_at: Timestamp::from_millis(NOON),
        owner: Some(SUPERVISOR),
        acknowledged: None,
        cleared_at: None,
    }
    .into()
}

#[tokio::test]
async fn a_warning_has_an_owner_and_is_acknowledged_once_with_what_somebody_will_do() {
    let world = World::new().await;
    put(
        &world,
        vec![
            warning(SHOP, WarningRule::Silence, WarningLevel::Warning, "F-mild"),
            warning(SHOP, WarningRule::DaysOverdue, WarningLevel::Critical, HOSTILE),
            warning(WEST_SHOP, WarningRule::DaysOverdue, WarningLevel::Critical, "F-west"),
        ],
    )
    .await;
    let page = world.get(SUPERVISOR, "/credit/warnings").await.body;
    assert_inert(&page);
    assert!(
        page.find("Critical").unwrap() < page.find("F-mild").unwrap(),
        "critical ones come first"
    );
    assert!(page.contains("supervisor name") && !page.contains("F-west"));
    assert!(
        world
            .get_in(SUPERVISOR, "/credit/warnings", "zh")
            .await
            .body
            .contains("已逾期 40 天")
    );
    assert!(
        !world
            .get(SUPERVISOR, "/credit/warnings?critical=1")
            .await
            .body
            .contains("F-mild")
    );
    assert!(world.get(FINANCE, "/credit/warnings").await.body.contains("F-west"));
    assert!(
        !world
            .get(FINANCE, "/credit/warnings?mine=1")
            .await
            .body
            .contains("F-west")
    );

    let path = format!("/credit/warnings/{SHOP}/days_overdue");
    let secret = once(&page, &path);
    let note = async |user, secret: &str, note: &str| {
        world
            .post(user, &path, &[("csrf", &csrf(user)), ("once", secret), ("note", note)])
            .await
    };
    assert_eq!(note(WEST_SUPERVISOR, "k", "x").await.status, StatusCode::NOT_FOUND);
    assert!(
        note(SUPERVISOR, &secret, " ")
            .await
            .body
            .contains("Say what you will do.")
    );
    for _ in 0..2 {
        let done = note(SUPERVISOR, &secret, HOSTILE).await;
        assert!(done.location().contains("done=warning_acknowledged"));
    }
    assert_eq!(audited(&world, "warning.acknowledged").await, 1);
    let twice = note(FINANCE, "other", "I saw it too").await;
    assert_eq!(twice.status, StatusCode::UNPROCESSABLE_ENTITY);
    let page = world.get(SUPERVISOR, "/credit/warnings").await.body;
    assert_inert(&page);
    assert!(!page.contains(&format!("action=\"{path}\"")));
    assert!(
        !world
            .get(SUPERVISOR, "/credit/warnings?unanswered=1")
            .await
            .body
            .contains("40 days overdue.</bdi></p>\n<blockquote")
    );
    let unknown = world
        .post(
            SUPERVISOR,
            &format!("/credit/warnings/{SHOP}/weather"),
            &[("csrf", &csrf(SUPERVISOR)), ("once", "k")],
        )
        .await;
    assert_eq!(unknown.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn one_order_is_decided_on_from_its_record_wherever_it_stands_among_the_others() {
    let world = World::new().await;
    with_account(&world, SHOP, 1_000).await;
    let mut last = held(&world, "SO-0").await;
    for number in 1..=20 {
        last = held(&world, &format!("SO-{number}")).await;
    }
    let list = world.get(SUPERVISOR, "/credit").await.body;
    assert!(
        !list.contains(&format!("id=\"order-{last}\"")),
        "it stands on the second page"
    );
    let record = world.get(SUPERVISOR, &format!("/records/{last}")).await.body;
    let (_, decide) = record.split_once("id=\"decide\"").unwrap();
    assert!(decide.contains(&format!("action=\"/credit/orders/{last}\"")));
    let page = world.get(SUPERVISOR, &format!("/credit?order={last}")).await.body;
    assert!(page.contains(&format!("id=\"order-{last}\"")));
    assert_eq!(page.matches("data-order=").count(), 1);
    assert!(page.contains("21 waiting") && page.contains("id=\"all-held\""));
    // Refused, it is shown again though it stands on another page.
    let action = format!("/credit/orders/{last}");
    let form = [
        ("csrf", csrf(SUPERVISOR)),
        ("once", once(&page, &action)),
        ("decision", "release".to_owned()),
        ("reason", " ".to_owned()),
    ];
    let fields: Vec<(&str, &str)> = form.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let refused = world.post(SUPERVISOR, &action, &fields).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(refused.body.contains(&format!("id=\"order-{last}-problem\"")));
    assert!(refused.body.contains(&format!("back=%2Fcredit%3Forder%3D{last}")));
    let mut fields = fields;
    fields[3].1 = "because";
    assert_eq!(
        world.post(SUPERVISOR, &action, &fields).await.status,
        StatusCode::SEE_OTHER
    );
    let late = world.get(SUPERVISOR, &format!("/credit?order={last}")).await.body;
    assert!(late.contains("has been decided on: it is released"));
    assert!(
        !world
            .get(SUPERVISOR, &format!("/records/{last}"))
            .await
            .body
            .contains("id=\"held\"")
    );
    let other = format!("/credit?order={last}");
    assert_eq!(world.get(WEST_SUPERVISOR, &other).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn what_is_refused_from_a_customers_page_is_said_on_that_page() {
    let world = World::new().await;
    put(
        &world,
        vec![warning(SHOP, WarningRule::DaysOverdue, WarningLevel::Critical, "F-1")],
    )
    .await;
    let customer = format!("/customers/{SHOP}");
    let path = format!("/credit/warnings/{SHOP}/days_overdue");
    let page = world.get(SUPERVISOR, &customer).await.body;
    let secret = once(&page, &path);
    let csrf = csrf(SUPERVISOR);
    let mut fields = vec![
        ("csrf", csrf.as_str()),
        ("once", secret.as_str()),
        ("back", "customer"),
        ("note", " "),
    ];
    let refused = world.post(SUPERVISOR, &path, &fields).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(refused.body.contains("id=\"activity\"") && refused.body.contains("Say what you will do."));
    fields[3].1 = "call them";
    let done = world.post(SUPERVISOR, &path, &fields).await;
    assert_eq!(
        done.location(),
        format!("{customer}?done=warning_acknowledged#warnings")
    );
    // Somebody was faster: the form is gone, and what is wrong is said all the same.
    fields[1].1 = "another";
    let late = world.post(SUPERVISOR, &path, &fields).await;
    assert_eq!(late.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(late.body.contains("Somebody has acknowledged this warning already."));
    assert!(late.body.contains("id=\"activity\""));
}

#[tokio::test]
async fn held_orders_are_searched_and_ordered_and_whoever_decides_comes_back_to_the_same_list() {
    let world = World::new().await;
    with_account(&world, SHOP, 1_000).await;
    let mut ids = Vec::new();
    for number in 0..=20 {
        ids.push(held(&world, &format!("SO-{number:02}")).await);
    }
    let shown = |body: &str| -> Vec<String> {
        let parts = body.split("data-order=\"").skip(1);
        parts.map(|it| it.split('"').next().unwrap().to_owned()).collect()
    };
    let last_first: Vec<String> = ids.iter().rev().map(ToString::to_string).collect();
    let page = world.get(SUPERVISOR, "/credit?sort=-number").await.body;
    assert_eq!(shown(&page), last_first[..20]);
    assert!(
        page.contains("<option value=\"-number\" selected>Number: Z to A</option>"),
        "the order stands in the form"
    );
    assert!(
        page.contains("href=\"/credit?sort=-number&#38;from=20\"")
            || page.contains("href=\"/credit?sort=-number&amp;from=20\"")
    );
    let next = world.get(SUPERVISOR, "/credit?sort=-number&from=20").await.body;
    assert_eq!(shown(&next), last_first[20..]);
    let found = world.get(SUPERVISOR, "/credit?q=so-07").await.body;
    assert_eq!(shown(&found), [ids[7].to_string()]);
    // The badge tells of all of them, the list of what was found.
    assert!(found.contains("id=\"held-badge\" data-live-refresh>21<") && found.contains("1 waiting"));
    assert!(
        world
            .get(SUPERVISOR, "/credit?q=nobody")
            .await
            .body
            .contains("Nothing matches these filters.")
    );
    let file = world
        .get(SUPERVISOR, "/credit?sort=-number&q=SO-0&format=csv")
        .await
        .body;
    let lines: Vec<&str> = file.lines().skip(1).map(|it| it.split(',').next().unwrap()).collect();
    assert_eq!((lines.len(), lines[0], lines[9]), (10, "\"SO-09\"", "\"SO-00\""));
    // A decision leads back to the same list, also one that is refused.
    let action = format!("/credit/orders/{}", ids[7]);
    let mut form = vec![
        ("csrf", csrf(SUPERVISOR)),
        ("once", once(&found, &action)),
        ("decision", "release".to_owned()),
        ("reason", " ".to_owned()),
        ("q", "so-07".to_owned()),
        ("sort", "-number".to_owned()),
        ("from", "0".to_owned()),
    ];
    let send = async |form: &[(&str, String)]| {
        let fields: Vec<(&str, &str)> = form.iter().map(|(name, value)| (*name, value.as_str())).collect();
        world.post(SUPERVISOR, &action, &fields).await
    };
    let refused = send(&form).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(
        refused
            .body
            .contains("<input type=\"hidden\" name=\"q\" value=\"so-07\">")
    );
    form[3].1 = "paid".to_owned();
    let done = send(&form).await;
    let (list, of) = done.location().split_once("&of=").unwrap();
    assert_eq!(list, "/credit?q=so-07&sort=-number&from=0");
    assert!(of.ends_with("&done=order_released"));
}

#[tokio::test]
async fn warnings_and_allowances_are_searched_and_ordered() {
    let world = World::new().await;
    put(
        &world,
        vec![
            warning(SHOP, WarningRule::DaysOverdue, WarningLevel::Warning, "F-1"),
            warning(SHOP, WarningRule::LimitUsed, WarningLevel::Critical, "F-2"),
            warning(WEST_SHOP, WarningRule::LimitUsed, WarningLevel::Critical, "F-3"),
        ],
    )
    .await;
    let shown = |body: &str| -> Vec<String> {
        let parts = body.split("id=\"warning-").skip(1);
        let parts = parts.filter(|it| it.contains("class=\"warning-line\""));
        parts.map(|it| it.split('"').next().unwrap().to_owned()).collect()
    };
    let (overdue, used) = (format!("{SHOP}-days_overdue"), format!("{SHOP}-limit_used"));
    let west = format!("{WEST_SHOP}-limit_used");
    let order = async |query: &str| shown(&world.get(FINANCE, &format!("/credit/warnings{query}")).await.body);
    let default = order("").await;
    assert_eq!(
        (default.len(), default.last()),
        (3, Some(&overdue)),
        "critical ones first"
    );
    assert_eq!(order("?sort=code").await.last(), Some(&west));
    assert_eq!(order("?sort=-code").await.first(), Some(&west));
    assert_eq!(order("?q=C-2").await, std::slice::from_ref(&west));
    assert_eq!(order("?critical=1&sort=code").await, [used, west]);
    let page = world.get(FINANCE, "/credit/warnings?critical=1&sort=-code").await.body;
    assert!(page.contains("name=\"critical\" value=\"1\" checked"));
    assert!(
        page.contains("<input type=\"hidden\" name=\"sort\" value=\"-code\">"),
        "forms carry the order along"
    );
    let supervisor = world.get(SUPERVISOR, "/credit/warnings?sort=-code").await.body;
    assert!(
        !supervisor.contains("F-3"),
        "the order of a list changes nothing about who sees what"
    );
}
