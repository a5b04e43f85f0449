//! Receivables: the sums, money without a home, allocations, interest, statements, timers.

use axum::http::StatusCode;
use fieldledger_core::{
    model::{
        CreditAccount, CustomerId, Invoice, LedgerRecord, Receipt, Role, StatementLineAnswer, StatementVerdict,
        Suspension, Timestamp, UnidentifiedReceipt, UserId,
    },
    sync::protocol::StreamId,
};

use super::{
    desk::{once, put, with_account},
    samples::{HOSTILE, assert_inert},
    world::{
        FINANCE, NOON, ORG, REP, Reply, SHOP, SUPERVISOR, WEST, WEST_SHOP, WEST_SUPERVISOR, World, account, cny, csrf,
    },
};
use crate::{
    report::{self, GroupBy, ReportName, ReportRequest},
    store::{CustomerLedger, DeskStore as _, DocumentStore as _, LedgerStore as _, PeopleStore as _},
};

fn invoice(customer: CustomerId, number: &str, order: Option<&str>, due: &str, amount: i64) -> LedgerRecord {
    let mut invoice = Invoice::new(
        number,
        customer,
        "2026-01-05".parse().unwrap(),
        due.parse().unwrap(),
        cny(amount),
    );
    invoice.order_number = order.map(str::to_owned);
    invoice.into()
}

/// Two customers: 1,000 due 4 February and 300 not due in the east, 900 in the west.
async fn books() -> World {
    let world = World::new().await;
    with_account(&world, SHOP, 50_000).await;
    put(
        &world,
        vec![
            invoice(SHOP, "F-1", Some("SO-1"), "2026-02-04", 1_000),
            invoice(SHOP, "F-2", Some("SO-2"), "2026-04-04", 300),
            invoice(WEST_SHOP, "F-3", None, "2026-01-20", 900),
        ],
    )
    .await;
    world
}

async fn ledger(world: &World) -> CustomerLedger {
    world.store.customer_ledger(ORG, SHOP).await.unwrap().unwrap()
}

/// Sends the form at `action` as it stands on the page at `path`.
async fn send(world: &World, user: UserId, path: &str, action: &str, fields: &[(&str, &str)]) -> Reply {
    let page = world.get(user, path).await.body;
    let (secret, key) = (csrf(user), once(&page, action));
    let mut all = vec![("csrf", secret.as_str()), ("once", key.as_str())];
    all.extend_from_slice(fields);
    world.post(user, action, &all).await
}

#[tokio::test]
async fn each_role_sees_the_receivables_of_its_territories_and_moves_no_money_that_is_not_its_to_move() {
    let world = books().await;
    for path in [
        "/receivables",
        "/receivables?by=territory",
        "/receivables?by=rep",
        "/receivables/worklist",
        "/receivables/reminders",
        "/receivables/unmatched",
        "/receivables/statements",
        "/receivables/timers",
    ] {
        for user in [SUPERVISOR, FINANCE, WEST_SUPERVISOR] {
            for language in ["en", "zh"] {
                let page = world.get_in(user, path, language).await;
                assert_eq!(page.status, StatusCode::OK, "{path} for {user}");
                let sees_west = user != SUPERVISOR;
                assert!(sees_west || !page.body.contains("Western Secret"), "{path}");
            }
        }
    }
    let east = world.get(SUPERVISOR, "/receivables").await.body;
    assert!(east.contains("CNY 1,300.00") && !east.contains("900.00"), "{east}");
    assert!(east.contains("<svg class=\"chart\"") && east.contains("dso-chart"));
    assert!(
        world
            .get(WEST_SUPERVISOR, "/receivables")
            .await
            .body
            .contains("CNY 900.00")
    );
    assert!(world.get(FINANCE, "/receivables").await.body.contains("CNY 2,200.00"));
    let worklist = world.get(SUPERVISOR, "/receivables/worklist").await.body;
    assert!(worklist.contains("the oldest by 26 days") && worklist.contains("CNY 1,000.00"));
    let unmatched = world.get(SUPERVISOR, "/receivables/unmatched").await.body;
    assert!(
        !unmatched.contains("Money whose payer nobody knows"),
        "that is for those who keep the books"
    );
    let posts = [
        "/receivables/unmatched".to_owned(),
        format!("/customers/{SHOP}/money"),
        format!("/customers/{SHOP}/interest"),
        format!("/customers/{SHOP}/invoices/F-1"),
        format!("/customers/{SHOP}/receipts/R-1"),
    ];
    for path in &posts {
        for (user, status) in [
            (SUPERVISOR, 403),
            (WEST_SUPERVISOR, if path.starts_with("/rec") { 403 } else { 404 }),
        ] {
            let reply = world
                .post(user, path, &[("csrf", &csrf(user)), ("once", "k"), ("action", "rules")])
                .await;
            assert_eq!(reply.status.as_u16(), status, "{path} for {user}");
        }
        let forged = world.post(FINANCE, path, &[("once", "k")]).await;
        assert_eq!(forged.status, StatusCode::FORBIDDEN, "{path}");
    }
}

#[tokio::test]
async fn the_figures_on_the_page_are_those_of_the_report() {
    let world = books().await;
    let request = ReportRequest {
        name: ReportName::Dso,
        as_of: "2026-03-02".parse().unwrap(),
        from: None,
        by: Some(GroupBy::Customer),
        customer: Some("C-1".to_owned()),
    };
    let report = report::compute(world.store.as_ref(), ORG, &request).await.unwrap();
    let page = world.get(SUPERVISOR, "/receivables").await.body;
    for (column, id) in [(7, "dso"), (8, "best-dso"), (9, "days-delinquent")] {
        let told = report.rows[0].cells[column].shown();
        let figure = page.split(&format!("id=\"figure-{id}\"")).nth(1).unwrap();
        assert!(
            figure.split("</dd>").next().unwrap().contains(&format!("<dd>{told}")),
            "{id}: {told}"
        );
    }
    let csv = world
        .get(FINANCE, "/receivables?by=customer&format.ageing=csv")
        .await
        .body;
    assert!(csv.contains("C-1") && csv.contains("1000") && csv.contains("Western Secret Store"));
}

#[tokio::test]
async fn the_pages_of_the_ageing_follow_each_other_as_the_whole_list_does() {
    let world = World::new().await;
    let mut records = Vec::new();
    for number in 0..130_u8 {
        let id = CustomerId::from_bytes([0xa0, number, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]);
        let code = format!("N-{number:03}");
        // Some owe the same, and are told apart by their names.
        let owed = i64::from(number % 50) * 7 % 50 * 100 + 100;
        records.push(super::world::customer(
            id,
            &code,
            &format!("Shop {code}"),
            super::world::EAST,
        ));
        records.push(invoice(id, &code, None, "2026-01-20", owed));
    }
    put(&world, records).await;
    let codes = |text: &str| -> Vec<String> {
        let found = text.split("Shop ").skip(1).map(|it| it.chars().take(5).collect());
        found.collect()
    };
    for sort in ["", "&sort.ageing=balance", "&sort.ageing=-to60", "&sort.ageing=name"] {
        let list = format!("/receivables?by=customer{sort}");
        let csv = world.get(FINANCE, &format!("{list}&format.ageing=csv")).await.body;
        let whole = codes(&csv);
        assert_eq!(whole.len(), 130, "{csv}");
        let mut paged = Vec::new();
        for page in 1..=3 {
            let body = world.get(FINANCE, &format!("{list}&page.ageing={page}")).await.body;
            let table = body.split_once("id=\"ageing\"").unwrap().1;
            let rows = table.split_once("<tbody>").unwrap().1.split_once("</tbody>").unwrap().0;
            paged.extend(codes(rows));
        }
        assert!(paged.len() > 50, "more than one page");
        assert_eq!(paged, whole[..paged.len()], "{sort}");
    }
}

#[tokio::test]
async fn money_of_nobody_known_is_recorded_suggested_assigned_and_allocated_once() {
    let world = books().await;
    let recorded = [
        ("reference", "BK/17 ä"),
        ("valued_on", "2026-03-01"),
        ("amount", "300"),
        ("currency", "CNY"),
        ("payer", HOSTILE),
        ("text", "payment SO-1"),
    ];
    let (list, one) = ("/receivables/unmatched", "/receivables/unmatched/BK%2F17%20%C3%A4");
    let wrong = send(
        &world,
        FINANCE,
        list,
        list,
        &[
            ("reference", ""),
            ("valued_on", ""),
            ("amount", "1"),
            ("currency", "CNY"),
        ],
    );
    assert_eq!(wrong.await.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(
        send(&world, FINANCE, list, list, &recorded)
            .await
            .location()
            .contains("money_recorded")
    );
    let twice = send(&world, FINANCE, list, list, &recorded).await;
    assert!(twice.body.contains("is used already"), "a reference is given once");
    let page = world.get(FINANCE, list).await.body;
    assert_inert(&page);
    assert!(page.contains("names order SO-1"));
    let page = world.get(FINANCE, one).await.body;
    assert_inert(&page);
    // The order that is named comes before the item of that amount.
    assert!(page.find("F-1/1").unwrap() < page.find("F-2/1").unwrap(), "{page}");
    assert!(page.contains("value=\"C-1\""), "the likeliest is filled in");
    assert_eq!(world.get(SUPERVISOR, one).await.status, StatusCode::FORBIDDEN);
    let nobody = send(&world, FINANCE, one, one, &[("customer", "C-99"), ("channel", "bank")]).await;
    assert!(nobody.body.contains("No customer has this number.") && nobody.body.contains("value=\"C-99\""));

    let secret = once(&world.get(FINANCE, one).await.body, one);
    let fields = [
        ("csrf", csrf(FINANCE)),
        ("once", secret),
        ("customer", "C-1".into()),
        ("channel", "bank".into()),
    ];
    let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    for _ in 0..2 {
        let done = world.post(FINANCE, one, &fields).await;
        assert_eq!(
            done.location(),
            format!("/customers/{SHOP}/receipts/BK%2F17%20%C3%A4?done=money_assigned")
        );
    }
    let receipts = ledger(&world).await.receipts;
    assert_eq!(receipts.len(), 1);
    // The payment names SO-1: that pays F-1.
    assert_eq!(receipts[0].allocations[0].invoice_number, "F-1");
    assert!(world.store.waiting_money(ORG).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_receipt_is_registered_allocated_by_hand_reversed_and_returned() {
    let world = books().await;
    let money = format!("/customers/{SHOP}/money");
    let registered = [
        ("reference", "R-1"),
        ("valued_on", "2026-03-02"),
        ("amount", "400"),
        ("currency", "CNY"),
        ("channel", "cheque"),
    ];
    let certain: Vec<_> = registered.iter().copied().chain([("cleared", "1")]).collect();
    assert!(
        send(&world, FINANCE, &money, &money, &certain)
            .await
            .body
            .contains("cheque is certain only once")
    );
    assert!(
        send(&world, FINANCE, &money, &money, &registered)
            .await
            .location()
            .contains("receipt_registered")
    );
    let path = format!("/customers/{SHOP}/receipts/R-1");
    assert!(
        ledger(&world).await.receipts[0].allocations.is_empty(),
        "a cheque pays nothing before it clears"
    );
    assert!(
        send(&world, FINANCE, &path, &path, &[("action", "clear")])
            .await
            .location()
            .contains("receipt_cleared")
    );
    assert_eq!(ledger(&world).await.receipts[0].allocations.len(), 1);
    let page = world.get(FINANCE, &path).await.body;
    assert!(page.contains("was due first") && page.contains("CNY 0.00"));

    let silent = send(
        &world,
        FINANCE,
        &path,
        &path,
        &[("action", "reverse"), ("place", "1"), ("reason", "")],
    )
    .await;
    assert_eq!(silent.status, StatusCode::UNPROCESSABLE_ENTITY);
    let which = send(
        &world,
        FINANCE,
        &path,
        &path,
        &[("action", "reverse"), ("reason", "wrong invoice")],
    )
    .await;
    assert!(which.body.contains("Say which allocations."));
    let reversed = [("action", "reverse"), ("place", "1"), ("reason", "wrong invoice")];
    assert!(
        send(&world, FINANCE, &path, &path, &reversed)
            .await
            .location()
            .contains("reversed")
    );
    let page = world.get(FINANCE, &path).await.body;
    assert!(page.contains("id=\"left\">CNY 400.00") && page.contains("wrong invoice"));

    let too_much = [("action", "hand"), ("pick", "1|F-2"), ("amount-1|F-2", "350")];
    let refused = send(&world, FINANCE, &path, &path, &too_much).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(
        refused.body.contains("invoice F-2: only 300"),
        "of several it says which"
    );
    assert!(refused.body.contains("value=\"350\"") && refused.body.contains("value=\"1|F-2\" aria-labelledby"));
    let by_hand = [("action", "hand"), ("pick", "1|F-2"), ("amount-1|F-2", "250.00")];
    assert!(
        send(&world, FINANCE, &path, &path, &by_hand)
            .await
            .location()
            .contains("allocated")
    );
    let paid = ledger(&world).await.receipts[0].allocations[1].clone();
    assert_eq!(
        (paid.invoice_number.as_str(), paid.amount, paid.by),
        ("F-2", 250.into(), Some(FINANCE))
    );
    assert!(
        send(&world, FINANCE, &path, &path, &[("action", "rules")])
            .await
            .location()
            .contains("allocated")
    );
    let invoice = format!("/customers/{SHOP}/invoices/F-2");
    assert!(world.get(SUPERVISOR, &invoice).await.body.contains("CNY 250.00"));

    let back = [("action", "return"), ("reason", HOSTILE)];
    assert!(
        send(&world, FINANCE, &path, &path, &back)
            .await
            .location()
            .contains("receipt_returned")
    );
    let page = world.get(FINANCE, &path).await.body;
    assert_inert(&page);
    assert!(
        world.get(FINANCE, "/receivables").await.body.contains("CNY 2,200.00"),
        "owed again"
    );
}

#[tokio::test]
async fn an_invoice_is_disputed_settled_and_extended_and_its_history_stands_on_its_page() {
    let world = books().await;
    let path = format!("/customers/{SHOP}/invoices/F-1");
    let disputed = [
        ("action", "dispute"),
        ("instalment", ""),
        ("on", ""),
        ("reason", HOSTILE),
    ];
    assert!(
        send(&world, FINANCE, &path, &path, &disputed)
            .await
            .location()
            .contains("disputed")
    );
    let page = world.get(SUPERVISOR, &path).await.body;
    assert_inert(&page);
    assert!(page.contains("disputed") && !page.contains("name=\"action\""));
    assert!(
        world
            .get(SUPERVISOR, &format!("/customers/{SHOP}"))
            .await
            .body
            .contains("id=\"disputes\"")
    );
    let settled = [
        ("action", "settle"),
        ("instalment", ""),
        ("on", ""),
        ("reason", "they were right"),
    ];
    assert!(
        send(&world, FINANCE, &path, &path, &settled)
            .await
            .location()
            .contains("settled")
    );
    let earlier = [
        ("action", "extend"),
        ("instalment", "1"),
        ("due_on", "2026-02-01"),
        ("reason", "x"),
    ];
    assert_eq!(
        send(&world, FINANCE, &path, &path, &earlier).await.status,
        StatusCode::UNPROCESSABLE_ENTITY
    );
    // Of a part that is not there: the box in which it is said is open.
    let unknown = [
        ("action", "extend"),
        ("instalment", "9"),
        ("due_on", "2026-05-01"),
        ("reason", "x"),
    ];
    let refused = send(&world, FINANCE, &path, &path, &unknown).await;
    let extend = refused.body.split_once("id=\"extend\"").unwrap().1;
    let (head, rest) = extend.split_once('>').unwrap();
    assert!(head.contains("open") && rest.split_once("</details>").unwrap().0.contains("has no instalment 9"));
    let later = [
        ("action", "extend"),
        ("instalment", "1"),
        ("due_on", "2026-05-01"),
        ("reason", "harvest"),
    ];
    assert!(
        send(&world, FINANCE, &path, &path, &later)
            .await
            .location()
            .contains("extended")
    );
    let page = world.get(SUPERVISOR, &path).await.body;
    assert!(
        page.contains("due 2026-05-01 instead, by finance name: harvest"),
        "{page}"
    );
    assert_eq!(world.get(WEST_SUPERVISOR, &path).await.status, StatusCode::NOT_FOUND);
    let unknown = format!("/customers/{SHOP}/invoices/F-3");
    assert_eq!(
        world.get(SUPERVISOR, &unknown).await.status,
        StatusCode::NOT_FOUND,
        "of another customer"
    );
}

#[tokio::test]
async fn interest_is_explained_line_by_line_and_charged_once() {
    let world = books().await;
    let path = format!("/customers/{SHOP}/interest");
    let page = world.get(FINANCE, &path).await.body;
    // 15 days at 0.5 % of 1,000.
    assert!(page.contains("CNY 75.00") && page.contains("2026-02-05") && page.contains("2026-02-19"));
    assert!(page.contains("182.5 % a year"));
    assert!(!world.get(SUPERVISOR, &path).await.body.contains("Charge it"));
    let secret = once(&page, &path);
    let fields = [
        ("csrf", csrf(FINANCE)),
        ("once", secret),
        ("invoice", "F-1".into()),
        ("instalment", "1".into()),
    ];
    let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    for _ in 0..2 {
        assert!(
            world
                .post(FINANCE, &path, &fields)
                .await
                .location()
                .contains("interest_charged")
        );
    }
    assert_eq!(ledger(&world).await.invoices[0].instalments[0].charges.len(), 1);
    let nothing = [
        ("csrf", csrf(FINANCE)),
        ("once", "new".into()),
        ("invoice", "F-1".into()),
        ("instalment", "1".into()),
    ];
    let nothing: Vec<(&str, &str)> = nothing.iter().map(|(name, value)| (*name, value.as_str())).collect();
    assert!(
        world
            .post(FINANCE, &path, &nothing)
            .await
            .body
            .contains("no new interest")
            || world
                .post(FINANCE, &path, &nothing)
                .await
                .body
                .contains("No interest has accrued beyond")
    );
    assert_eq!(
        world.get(FINANCE, &format!("{path}?as_of=9999-01-01")).await.status,
        StatusCode::BAD_REQUEST
    );
}

#[tokio::test]
async fn a_reminder_raises_an_item_by_one_level() {
    let world = books().await;
    let page = world.get(SUPERVISOR, "/receivables/reminders").await.body;
    assert!(page.contains("Level 1: CNY 1000 is 26 days overdue"), "{page}");
    let path = format!("/customers/{SHOP}/reminders");
    let sent = [("invoice", "F-1"), ("instalment", "1"), ("from", "0")];
    assert!(
        send(&world, SUPERVISOR, "/receivables/reminders", &path, &sent)
            .await
            .location()
            .contains("reminded")
    );
    assert_eq!(ledger(&world).await.invoices[0].instalments[0].dunning[0].level, 1);
    let again = world
        .post(
            SUPERVISOR,
            &path,
            &[
                ("csrf", &csrf(SUPERVISOR)),
                ("once", "k"),
                ("invoice", "F-1"),
                ("instalment", "1"),
            ],
        )
        .await;
    assert_eq!(again.status, StatusCode::UNPROCESSABLE_ENTITY);
    let odd = world
        .post(
            SUPERVISOR,
            &path,
            &[
                ("csrf", &csrf(SUPERVISOR)),
                ("once", "k3"),
                ("invoice", HOSTILE),
                ("instalment", "-1"),
            ],
        )
        .await;
    assert_inert(&odd.body);
}

/// On paper stands what a customer is to get, and nothing of the office.
fn printed_clean(page: &str) {
    for (what, tag) in [
        ("the head of the site", "<header class=\"top"),
        ("the secret link", "id=\"fresh-link\""),
        ("the links", "id=\"links\""),
        ("what was done", "role=\"status\""),
    ] {
        let at = page.find(tag).unwrap_or_else(|| panic!("{what} is not on the page"));
        let start = page[..=at].rfind('<').unwrap();
        let element = page[start..].split('>').next().unwrap();
        assert!(element.contains("no-print"), "{what}: {element}");
    }
    let letterhead = page.split_once("id=\"letterhead\"").unwrap().1;
    let letterhead = letterhead.split_once("</div>").unwrap().0;
    for words in ["Orient Trading", "东方超市 Orient", "C-1", "1 Nanjing Road"] {
        assert!(letterhead.contains(words), "{words}");
    }
    assert!(page.contains("<p id=\"as-of\">As of 2026-02-28</p>"));
    assert_eq!(page.matches("signature-line only-print").count(), 2);
}

#[tokio::test]
async fn a_statement_is_issued_given_to_a_contact_by_link_answered_and_the_link_taken_back() {
    let world = books().await;
    let customer = format!("/customers/{SHOP}");
    let action = format!("{customer}/statements");
    let early = [("from", "2026-03-01"), ("to", "2026-03-31"), ("currency", "CNY")];
    assert!(
        send(&world, FINANCE, &customer, &action, &early)
            .await
            .body
            .contains("period has not ended")
    );
    let issued = [("from", "2026-01-01"), ("to", "2026-02-28"), ("currency", "CNY")];
    assert!(
        send(&world, FINANCE, &customer, &action, &issued)
            .await
            .location()
            .contains("statement_issued")
    );
    let statement = ledger(&world).await.statements[0].clone();
    let list = world.get(SUPERVISOR, "/receivables/statements").await.body;
    assert!(list.contains("2026-01-01 to 2026-02-28") && list.contains("not fully answered"));
    assert!(
        !world
            .get(WEST_SUPERVISOR, "/receivables/statements")
            .await
            .body
            .contains("2026-01-01")
    );
    for (query, there) in [
        ("standing=unsent", true),
        ("standing=unanswered", true),
        ("standing=disputed", false),
        ("customer=c-1", true),
        ("customer=c-2", false),
        (&format!("customer={SHOP}"), true),
    ] {
        let list = world
            .get(FINANCE, &format!("/receivables/statements?{query}"))
            .await
            .body;
        assert_eq!(list.contains("2026-01-01 to 2026-02-28"), there, "{query}");
    }
    let file = world
        .get(FINANCE, "/receivables/statements?format=csv&sort=customer")
        .await;
    assert!(file.headers["content-type"].to_str().unwrap().starts_with("text/csv"));
    assert!(file.body.contains("2026-01-01 to 2026-02-28"));
    let path = format!("/receivables/statements/{}", statement.id);
    assert_eq!(world.get(WEST_SUPERVISOR, &path).await.status, StatusCode::NOT_FOUND);
    let links = format!("{path}/links");
    let nobody = send(&world, FINANCE, &path, &links, &[("contact", " "), ("days", "14")]).await;
    assert_eq!(nobody.status, StatusCode::UNPROCESSABLE_ENTITY);
    let long = send(&world, FINANCE, &path, &links, &[("contact", "Wang"), ("days", "91")]).await;
    assert!(long.body.contains("works for 1 to 90 days"));

    let page = world.get(FINANCE, &path).await.body;
    let fields = [
        ("csrf", csrf(FINANCE)),
        ("once", once(&page, &links)),
        ("contact", "Wang".into()),
        ("days", "14".into()),
    ];
    let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let address = |body: &str| body.split("/s/").nth(1).unwrap().split('<').next().unwrap().to_owned();
    let paper = world.post(FINANCE, &links, &fields).await.body;
    printed_clean(&paper);
    let made = address(&paper);
    let again = address(&world.post(FINANCE, &links, &fields).await.body);
    assert_eq!(made, again, "a form that is sent twice makes one link");
    assert_eq!(world.store.statement_links(ORG, statement.id).await.unwrap().len(), 1);
    assert!(!world.get(FINANCE, &path).await.body.contains(&made), "shown once");
    let weak: Vec<_> = fields
        .iter()
        .map(|(name, value)| (*name, if *name == "once" { "1" } else { *value }))
        .collect();
    assert_eq!(
        world.post(FINANCE, &links, &weak).await.status,
        StatusCode::BAD_REQUEST,
        "a secret that somebody made up"
    );
    let contact = axum::http::Request::get(format!("/s/{made}"))
        .body(axum::body::Body::empty())
        .unwrap();
    assert_eq!(world.send(contact).await.status, StatusCode::OK);

    let answers = [(1, StatementVerdict::Disputed)].map(|(no, verdict)| {
        let remark = HOSTILE.to_owned();
        (no, StatementLineAnswer { verdict, remark })
    });
    let id = statement.id;
    let decide = Box::new(move |ledger: &CustomerLedger| {
        crate::ledger::statements::answer(ledger, id, HOSTILE, &answers.into(), Timestamp::from_millis(NOON))
    });
    world
        .store
        .decide(ORG, SHOP, None, decide, Timestamp::from_millis(NOON))
        .await
        .unwrap();
    assert_inert(&world.get(SUPERVISOR, &path).await.body);
    assert!(
        world
            .get(SUPERVISOR, "/receivables/statements?standing=disputed")
            .await
            .body
            .contains("2026-01-01")
    );
    let revoke = format!("{path}/revoke");
    assert!(
        send(&world, FINANCE, &path, &revoke, &[])
            .await
            .location()
            .contains("links_revoked")
    );
    let contact = axum::http::Request::get(format!("/s/{made}"))
        .body(axum::body::Body::empty())
        .unwrap();
    assert_eq!(world.send(contact).await.status, StatusCode::GONE);
}

#[tokio::test]
async fn timers_tell_who_is_late_and_the_document_that_went_out_stops_the_last() {
    let world = books().await;
    let mut receipt = Receipt::cleared("R-9", SHOP, "2026-03-02".parse().unwrap(), cny(40));
    // An hour before the test's noon.
    receipt.arrived_at = Some(Timestamp::from_millis(NOON - 3_600_000));
    put(&world, vec![receipt.into()]).await;
    let page = world.get(SUPERVISOR, "/receivables/timers").await.body;
    assert!(
        page.contains("R-9") && page.contains("late by 50 min") && page.contains("within 10 min"),
        "{page}"
    );
    assert!(
        !world
            .get(WEST_SUPERVISOR, "/receivables/timers")
            .await
            .body
            .contains("R-9")
    );
    let path = format!("/customers/{SHOP}/receipts/R-9");
    assert!(
        send(&world, FINANCE, &path, &path, &[("action", "sent")])
            .await
            .location()
            .contains("document_sent")
    );
    assert!(ledger(&world).await.receipts[0].document_sent_at.is_some());
    assert!(
        world
            .get(SUPERVISOR, "/receivables/timers")
            .await
            .body
            .contains("in time, ")
    );
}

#[tokio::test]
async fn a_customer_who_moves_takes_what_is_owed_along() {
    let world = books().await;
    assert!(
        world
            .get(SUPERVISOR, "/receivables")
            .await
            .body
            .contains("CNY 1,300.00")
    );
    put(
        &world,
        vec![super::world::customer(SHOP, "C-1", "Orient", super::world::WEST)],
    )
    .await;
    assert!(!world.get(SUPERVISOR, "/receivables").await.body.contains("1,300.00"));
    assert!(
        world
            .get(WEST_SUPERVISOR, "/receivables")
            .await
            .body
            .contains("CNY 2,200.00")
    );
    let heads = world.store.heads(ORG).await.unwrap();
    assert!(
        heads
            .iter()
            .any(|it| it.stream == StreamId::Territory(super::world::WEST))
    );
}

#[tokio::test]
async fn two_reps_of_one_name_keep_what_each_is_owed_apart() {
    let world = books().await;
    let namesake = UserId::from_bytes([0x17; 16]);
    let mut account = account(namesake, "namesake", Role::Rep, &[WEST]);
    account.name = "rep name".to_owned();
    world.store.put_account(account).await.unwrap();
    let key = fieldledger_core::model::RecordKey {
        kind: fieldledger_core::model::RecordKind::Customer,
        id: WEST_SHOP.to_string(),
    };
    let stored = world.store.record(ORG, &key).await.unwrap().unwrap().record;
    let LedgerRecord::Customer(mut shop) = stored else {
        panic!("no customer");
    };
    shop.rep = Some(namesake);
    put(&world, vec![shop.into()]).await;
    let page = world.get(FINANCE, "/receivables?by=rep").await.body;
    let table = page.split_once("id=\"ageing\"").unwrap().1;
    let table = table.split_once("<tbody>").unwrap().1.split_once("</tbody>").unwrap().0;
    assert_eq!(
        table.matches("<bdi class=\"prose\">rep name</bdi>").count(),
        2,
        "{table}"
    );
    assert!(table.contains(">1,300.00<") && table.contains(">900.00<"));
    // What is chosen as long as nobody chooses is what the form shows, and "all" is not offered.
    let form = page
        .split_once("name=\"by\"")
        .unwrap()
        .1
        .split_once("</select>")
        .unwrap()
        .0;
    assert!(!form.contains("value=\"\"") && form.contains("value=\"rep\" selected"));
    let first = world.get(FINANCE, "/receivables").await.body;
    assert!(first.contains("value=\"customer\" selected"));
}

#[tokio::test]
async fn reminders_are_narrowed_by_a_form_and_what_is_done_comes_back_to_the_same_list() {
    let world = books().await;
    let path = format!("/receivables/reminders?q=c-1&rep={REP}");
    let page = world.get(SUPERVISOR, &path).await.body;
    assert!(page.contains("value=\"c-1\"") && page.contains(&format!("value=\"{REP}\" selected")));
    assert!(
        page.contains("F-1")
            && page.contains(&format!(
                "name=\"back\" value=\"/receivables/reminders?q=c-1&#38;rep={REP}\""
            ))
    );
    let none = world.get(SUPERVISOR, "/receivables/reminders?q=nobody").await.body;
    assert!(!none.contains("id=\"remind-"));
    let action = format!("/customers/{SHOP}/reminders");
    let (secret, key) = (csrf(SUPERVISOR), once(&page, &action));
    let mut fields = vec![
        ("csrf", secret.as_str()),
        ("once", key.as_str()),
        ("invoice", "F-1"),
        ("instalment", "1"),
        ("back", path.as_str()),
    ];
    let done = world.post(SUPERVISOR, &action, &fields).await;
    assert_eq!(done.location(), format!("{path}&done=reminded"));
    fields[1].1 = "again";
    let again = world.post(SUPERVISOR, &action, &fields).await;
    assert_eq!(again.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(again.body.contains("value=\"c-1\""), "the search is kept");
    fields[1].1 = "away";
    fields[4].1 = "/sign-in";
    assert!(
        !world
            .post(SUPERVISOR, &action, &fields)
            .await
            .body
            .contains("action=\"/sign-in\"")
    );
}

#[tokio::test]
async fn all_money_without_a_payer_is_reached_page_by_page() {
    let world = books().await;
    let waiting = |number: u8| {
        LedgerRecord::UnidentifiedReceipt(UnidentifiedReceipt {
            reference: format!("W-{number:02}"),
            valued_on: "2026-03-01".parse().unwrap(),
            amount: cny(number.into()),
            posted_on: None,
            payer: String::new(),
            text: String::new(),
            arrived_at: Timestamp::from_millis(NOON),
            identified_as: None,
        })
    };
    put(&world, (10..=60).map(waiting).collect()).await;
    let first = world.get(FINANCE, "/receivables/unmatched").await.body;
    assert!(first.contains("51 waiting") && first.contains("W-59") && !first.contains("W-60"));
    assert!(first.contains("href=\"/receivables/unmatched?waiting=50\" rel=\"next\""));
    let second = world.get(FINANCE, "/receivables/unmatched?waiting=50").await.body;
    assert!(second.contains("W-60") && !second.contains("W-59") && second.contains("rel=\"prev\""));
}

#[tokio::test]
async fn what_the_office_lists_can_be_had_as_a_file() {
    let world = books().await;
    let mut receipt = Receipt::cleared("R-9", SHOP, "2026-03-01".parse().unwrap(), cny(10));
    receipt.arrived_at = Some(Timestamp::from_millis(NOON));
    put(&world, vec![receipt.into()]).await;
    world.visit(SHOP, "as a file").await;
    world.visit(WEST_SHOP, "of the west").await;
    for (list, words) in [
        ("/activity?kind=visit", "\"Visit\""),
        ("/receivables/timers", "R-9"),
        ("/credit", "\"Number\""),
        ("/credit/warnings", "\"Rule\""),
        ("/credit/allowances", "\"Phone\""),
        ("/receivables/statements", "\"Period\""),
    ] {
        let separator = if list.contains('?') { '&' } else { '?' };
        for format in ["csv", "xlsx"] {
            let file = format!("{list}{separator}format={format}");
            let raw = axum::http::Request::get(&file)
                .header(
                    "cookie",
                    format!("fieldledger_session={}", super::world::token(SUPERVISOR)),
                )
                .body(axum::body::Body::empty())
                .unwrap();
            let reply = tower::ServiceExt::oneshot(world.app.clone(), raw).await.unwrap();
            assert_eq!(reply.status(), StatusCode::OK, "{file}");
            let kind = reply.headers()["content-type"].to_str().unwrap().to_owned();
            let bytes = axum::body::to_bytes(reply.into_body(), 1 << 20).await.unwrap();
            if format == "xlsx" {
                assert!(bytes.starts_with(b"PK") && kind.contains("spreadsheet"), "{file}");
            } else {
                let text = String::from_utf8(bytes.to_vec()).unwrap();
                assert!(text.contains(words) && kind.starts_with("text/csv"), "{file}: {text}");
                assert!(!text.contains("Western Secret"), "{file}");
            }
        }
    }
    let activity = world.get(SUPERVISOR, "/activity?kind=visit&doubt=outside").await.body;
    assert!(activity.contains("href=\"/activity?kind=visit&#38;doubt=outside&#38;format=csv\""));
    let file = world.get(SUPERVISOR, "/activity?kind=order&format=csv").await.body;
    assert!(
        !file.contains("\"Visit\""),
        "what the filters leave out is not in the file"
    );
}

#[tokio::test]
async fn a_supervisor_prints_the_account_of_today_though_no_statement_was_issued() {
    let world = books().await;
    let page = world.get(SUPERVISOR, &format!("/customers/{SHOP}")).await.body;
    let path = format!("/customers/{SHOP}/statement");
    assert!(page.contains(&format!("<a href=\"{path}\" id=\"statement-today\">")));
    assert!(!page.contains("id=\"issue\""), "a supervisor issues none");
    // What was invoiced in January is in the balance before, as in a statement of February.
    let paper = world.get(SUPERVISOR, &path).await.body;
    assert!(paper.contains("Not issued: for information only") && paper.contains("data-print"));
    assert!(paper.contains("<p id=\"as-of\">As of 2026-03-02</p>") && paper.contains("id=\"letterhead\""));
    let (lines, owed) = paper.split_once("<section id=\"owed\"").unwrap();
    assert!(lines.contains("Owed before the period: CNY 1,300.00") && !lines.contains("F-1"));
    // Which items it is made of, when they were due, and what of them is overdue.
    assert!(owed.contains("What is open on 2026-03-02") && owed.contains("CNY 1,300.00"));
    assert!(owed.contains(">2026-02-04<") && owed.contains(">26<") && owed.contains(">2026-04-04<"));
    assert_eq!(
        owed.split_once("id=\"owed-overdue\"").unwrap().1.find("CNY 1,000.00"),
        Some("><strong>".len())
    );
    assert!(
        !owed.contains("-33"),
        "what is not due is not late by less than nothing"
    );
    let frame = paper
        .split_once("<header class=\"top")
        .unwrap()
        .1
        .split('>')
        .next()
        .unwrap();
    assert!(frame.contains("no-print"));
    assert_eq!(paper.matches("signature-line").count(), 0, "nobody signs it");
    let all = world.get(SUPERVISOR, &format!("{path}?from=2026-01-01")).await.body;
    assert!(all.contains("F-1") && all.contains("F-2") && all.contains("CNY 1,300.00"));
    assert!(!all.contains("Your answer") && !all.contains("id=\"links\""));
    // On a day of before nothing was late yet.
    let earlier = format!("{path}?from=2026-01-01&to=2026-02-04");
    let earlier = world.get(SUPERVISOR, &earlier).await.body;
    assert!(!earlier.contains("id=\"owed-overdue\""));
    let before = world
        .get(SUPERVISOR, &format!("{path}?from=2025-12-01&to=2025-12-31"))
        .await
        .body;
    assert!(before.contains("Nothing happened in these days."));
    let chinese = world.get_in(SUPERVISOR, &path, "zh").await.body;
    assert!(chinese.contains("未正式出具，仅供参考") && chinese.contains("截至 2026-03-02"));
    assert_eq!(world.get(FINANCE, &path).await.status, StatusCode::OK);
    assert_eq!(world.get(WEST_SUPERVISOR, &path).await.status, StatusCode::NOT_FOUND);
    for bad in [
        "to=2026-03-03",
        "from=2026-03-03",
        "from=2026-02-02&to=2026-02-01",
        "currency=XXX",
        "to=tomorrow",
    ] {
        let reply = world.get(SUPERVISOR, &format!("{path}?{bad}")).await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{bad}");
    }
    assert!(
        ledger(&world).await.statements.is_empty(),
        "nothing was issued by looking"
    );
    // After a statement was issued it begins where that one ended.
    let customer = format!("/customers/{SHOP}");
    let fields = [("from", "2026-02-01"), ("to", "2026-02-20"), ("currency", "CNY")];
    let issued = send(&world, FINANCE, &customer, &format!("{customer}/statements"), &fields).await;
    assert!(issued.location().contains("statement_issued"));
    assert!(
        world
            .get(SUPERVISOR, &path)
            .await
            .body
            .contains("2026-02-21 to 2026-03-02")
    );
    // What was paid and is set against nothing stands below the items.
    let day = |text: &str| text.parse().unwrap();
    put(
        &world,
        vec![Receipt::cleared("R-9", SHOP, day("2026-02-25"), cny(200)).into()],
    )
    .await;
    let owed = |page: &str| page.split_once("<section id=\"owed\"").map(|it| it.1.to_owned());
    let now = owed(&world.get(SUPERVISOR, &path).await.body).unwrap();
    assert!(
        now.contains("not yet set against an item") && now.contains("CNY 200.00"),
        "{now}"
    );
    // The issued one lists its items as long as the books still come to what it says.
    let issued = ledger(&world).await.statements[0].id;
    let issued = format!("/receivables/statements/{issued}");
    let before = owed(&world.get(FINANCE, &issued).await.body).unwrap();
    assert!(
        before.contains("What is open on 2026-02-20") && before.contains("CNY 1,300.00"),
        "{before}"
    );
    put(&world, vec![invoice(SHOP, "F-9", None, "2026-04-20", 50)]).await;
    assert_eq!(owed(&world.get(FINANCE, &issued).await.body), None);
}

#[tokio::test]
async fn a_choice_that_has_no_all_keeps_what_counts_unless_somebody_chooses() {
    let world = books().await;
    let options = |body: &str, id: &str| -> Vec<String> {
        let (_, rest) = body.split_once(&format!("<select id=\"{id}\"")).unwrap();
        let select = rest.split_once("</select>").unwrap().0;
        select
            .split("<option ")
            .skip(1)
            .map(|it| it.split('>').next().unwrap().to_owned())
            .collect()
    };
    // With one currency there is nothing to choose.
    let one = world.get(SUPERVISOR, "/receivables").await.body;
    assert!(!one.contains("id=\"ageing-currency\"") && !one.contains("Clear all filters"));
    let mut dollars = Invoice::new(
        "F-9",
        SHOP,
        "2026-01-05".parse().unwrap(),
        "2026-02-04".parse().unwrap(),
        fieldledger_core::model::Money::new(77.into(), fieldledger_core::model::Currency::USD),
    );
    dollars.order_number = None;
    put(&world, vec![dollars.into()]).await;
    world.state.sync.live().look(ORG);
    let shown = |body: &str| {
        let table = body
            .split_once("<table class=\"dense\">")
            .unwrap()
            .1
            .split_once("</table>")
            .unwrap()
            .0
            .to_owned();
        // Of several currencies each amount says its own; of one the caption does.
        assert!(table.contains("CNY 1,300.00") && table.contains("USD 77.00") && !table.contains("amounts in"));
    };
    assert!(one.contains("amounts in CNY") && one.contains(">1,300.00<"));
    for (path, chosen) in [
        ("/receivables", "CNY"),
        ("/receivables?currency=", "CNY"),
        ("/receivables?currency=CNY", "CNY"),
        ("/receivables?currency=USD", "USD"),
    ] {
        let body = world.get(SUPERVISOR, path).await.body;
        let options = options(&body, "ageing-currency");
        let marked = |code: &str| format!("value=\"{code}\"{}", if code == chosen { " selected" } else { "" });
        assert_eq!(options.len(), 2, "{options:?}");
        assert!(
            options.contains(&marked("CNY")) && options.contains(&marked("USD")),
            "{options:?}"
        );
        shown(&body);
    }
    // The month of the team: one of them is always chosen.
    for (path, chosen) in [
        ("/team", "2026-03"),
        ("/team?month=", "2026-03"),
        ("/team?month=2026-02", "2026-02"),
    ] {
        let options = options(&world.get(SUPERVISOR, path).await.body, "team-month");
        let selected: Vec<&String> = options.iter().filter(|it| it.ends_with(" selected")).collect();
        assert_eq!(selected, [&format!("value=\"{chosen}\" selected")], "{path}");
        assert!(options.iter().all(|it| !it.starts_with("value=\"\"")), "{path}");
    }
}

#[tokio::test]
async fn stops_of_supply_are_turned_page_by_page_beside_the_reminders() {
    let world = books().await;
    let mut records = Vec::new();
    for number in 1..=51_u8 {
        let id = CustomerId::from_bytes([number; 16]);
        records.push(super::world::customer(
            id,
            &format!("S-{number:02}"),
            &format!("Shop {number}"),
            super::world::EAST,
        ));
        let mut account = CreditAccount::new(id);
        account.suspensions.push(Suspension {
            proposed_on: "2026-03-01".parse().unwrap(),
            grounds: "late".to_owned(),
            decision: None,
            ended_on: None,
        });
        records.push(account.into());
    }
    put(&world, records).await;
    world.state.sync.live().look(ORG);
    let stops = |body: &str| -> Vec<String> {
        let section = body.split_once("id=\"stops\"").unwrap().1;
        let codes = section
            .match_indices(">S-")
            .map(|(at, _)| section[at + 1..at + 5].to_owned());
        codes.collect()
    };
    let first = world.get(SUPERVISOR, "/receivables/reminders").await.body;
    let (one, next) = (stops(&first), "/receivables/reminders?stops=50");
    assert_eq!((one.len(), one[0].as_str(), one[49].as_str()), (50, "S-01", "S-50"));
    assert!(first.contains(&format!("href=\"{next}\"")));
    let second = world.get(SUPERVISOR, next).await.body;
    assert_eq!(stops(&second), ["S-51"]);
    assert!(second.contains("href=\"/receivables/reminders?stops=0\""));
    // The reminders beside them stay where they are, and beyond the end there is nothing.
    assert!(second.contains("F-1"));
    assert!(
        stops(
            &world
                .get(SUPERVISOR, "/receivables/reminders?stops=4000000000")
                .await
                .body
        )
        .is_empty()
    );
    let bad = world.get(SUPERVISOR, "/receivables/reminders?stops=x").await;
    assert_eq!(bad.status, StatusCode::BAD_REQUEST);
}
