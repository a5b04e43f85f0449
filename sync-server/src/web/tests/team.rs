//! The team: figures, targets, days, and customers that move.

use axum::http::StatusCode;
use fieldledger_core::{
    document::{self, edit},
    model::{
        Allocation, AllocationBasis, AllocationPart, CreditAccount, CreditGrade, CreditLimit, CreditTerms, Customer,
        CustomerId, GradePolicy, Invoice, LedgerRecord, Policy, PromiseToPay, Receipt, RecordKey, RecordKind, Role,
        Target, Timestamp, UserId,
    },
    rules::performance::Period,
    sync::protocol::StreamId,
};

use super::{
    samples::{self, HOSTILE, assert_inert},
    world::{
        ADMINISTRATOR, EAST, FINANCE, NOON, ORG, REP, Reply, SHOP, SUPERVISOR, WEST, WEST_SHOP, WEST_SUPERVISOR, World,
        account, by_rep, cny, csrf, visit,
    },
};
use crate::{
    report::team::{Months, Scope},
    store::{DocumentStore as _, PeopleStore as _},
};

const COLLEAGUE: UserId = UserId::from_bytes([0x17; 16]);

async fn post(world: &World, who: UserId, path: &str, fields: &[(&str, &str)]) -> Reply {
    let secret = csrf(who);
    let mut fields = fields.to_vec();
    fields.push(("csrf", &secret));
    world.post(who, path, &fields).await
}

async fn shop(world: &World, id: CustomerId) -> Customer {
    let key = RecordKey {
        kind: RecordKind::Customer,
        id: id.to_string(),
    };
    match world.store.record(ORG, &key).await.unwrap().unwrap().record {
        LedgerRecord::Customer(it) => it,
        other => panic!("{other:?}"),
    }
}

/// What stands in the row with this id.
fn row<'b>(body: &'b str, id: &str) -> &'b str {
    let rest = body.split(&format!("id=\"{id}\"")).nth(1).unwrap();
    rest.split("</tr>").next().unwrap()
}

/// A payment of so much of the invoice.
fn pays(amount: i64) -> Allocation {
    Allocation {
        invoice_number: "0001".to_owned(),
        instalment: 1,
        part: AllocationPart::Principal,
        amount: amount.into(),
        taken: None,
        posted_on: "2026-03-01".parse().unwrap(),
        reversed_on: None,
        reversal_reason: String::new(),
        basis: AllocationBasis::Instruction,
        by: None,
    }
}

/// A month of the rep: 100 due and 60 of it paid in time, one visit of two, a promise that was broken.
async fn with_month() -> World {
    let world = World::new().await;
    let now = Timestamp::from_millis(NOON);
    let policy = Policy {
        grades: [(
            CreditGrade::B,
            GradePolicy {
                terms_days: 30,
                allows_credit: true,
                limit: None,
                visit_every_days: Some(1),
            },
        )]
        .into(),
        ..Policy::default()
    };
    let mut credit = CreditAccount::new(SHOP);
    credit.terms.push(CreditTerms {
        effective_from: "2026-02-28".parse().unwrap(),
        recorded_at: now,
        grade: Some(CreditGrade::B),
        limit: CreditLimit::NoLimit,
        terms_days: 30,
        by: Some(FINANCE),
        reason: "assessed".to_owned(),
    });
    let due = "2026-03-01".parse().unwrap();
    let invoice = Invoice::new("0001", SHOP, "2026-02-01".parse().unwrap(), due, cny(100));
    let mut receipt = Receipt::cleared("R-1", SHOP, due, cny(60));
    receipt.allocations = vec![pays(60)];
    let records = vec![
        LedgerRecord::Policy(policy),
        LedgerRecord::CreditAccount(credit),
        LedgerRecord::Invoice(invoice),
        LedgerRecord::Receipt(receipt),
    ];
    let outcomes = world.store.put_records(ORG, records, true, now).await.unwrap();
    assert!(
        !outcomes
            .iter()
            .any(|it| matches!(it, crate::store::PutOutcome::Refused(_))),
        "{outcomes:?}"
    );
    world.visit(SHOP, "a call").await;
    world
}

#[tokio::test]
async fn a_month_shows_visits_against_the_plan_and_money_against_what_was_due() {
    let world = with_month().await;
    let list = world.get(SUPERVISOR, "/team?month=2026-03").await;
    assert_eq!(list.status, StatusCode::OK, "{}", list.body);
    let own = row(&list.body, &format!("rep-{REP}"));
    assert!(own.contains("60 %"), "the collection rate: {own}");
    assert!(own.contains("50 %"), "one visit of two: {own}");
    assert!(own.contains(">60.00<"), "the money that came: {own}");
    let page = world.get(SUPERVISOR, &format!("/team/{REP}?month=2026-03")).await.body;
    for said in ["CNY 60.00 of CNY 100.00", "1 of 2", "Orient", "Li&#39;s phone"] {
        assert!(page.contains(said), "{said}: {page}");
    }
    assert!(!page.contains("Western Secret"), "customers of another territory");
    let all = world
        .get(ADMINISTRATOR, &format!("/team/{REP}?month=2026-03"))
        .await
        .body;
    assert!(all.contains("Western Secret"));
    // With whom most is missing is named; nobody is while nothing is.
    assert!(!list.body.contains("id=\"behind\""));
    let mut broken = samples::note("on their word");
    broken.at = Timestamp::from_millis(NOON - 5 * 86_400_000);
    broken.promise = Some(PromiseToPay {
        amount: cny(5_000),
        due: "2026-02-28".parse().unwrap(),
    });
    world.record(&edit::tree_of(&broken).unwrap()).await;
    let list = world.get(SUPERVISOR, "/team?month=2026-03").await.body;
    let behind = list.split_once("id=\"behind\"").expect("somebody is behind").1;
    let behind = behind.split_once("</section>").unwrap().0;
    assert!(
        behind.contains(&format!("/team/{REP}?month=2026-03")) && behind.contains("promises broken: 1"),
        "{behind}"
    );
    let before = world.get(SUPERVISOR, "/team?month=2026-02").await.body;
    assert!(!row(&before, &format!("rep-{REP}")).contains("60 %"));
    assert_eq!(
        world.get(SUPERVISOR, "/team?month=march").await.status,
        StatusCode::BAD_REQUEST
    );
    let csv = world.get(SUPERVISOR, "/team?month=2026-03&format=csv").await.body;
    assert!(csv.contains("rep name"));
}

#[tokio::test]
async fn a_month_that_is_kept_follows_every_visit_and_review() {
    let world = with_month().await;
    let period = Period {
        from: "2026-03-01".parse().unwrap(),
        to: "2026-03-31".parse().unwrap(),
    };
    let figures = async |months: &Months| {
        let store = world.store.as_ref();
        format!(
            "{:?}",
            months.team(store, ORG, &Scope::default(), period).await.unwrap()
        )
    };
    let kept = Months::default();
    let mut before = figures(&kept).await;
    let mut changed = async |what: &str, something: bool| {
        let now = figures(&kept).await;
        assert_eq!(now != before, something, "{what}");
        assert_eq!(now, figures(&Months::default()).await, "{what}");
        before = now;
    };
    let id = world.visit(SHOP, "another call").await;
    changed("a visit", true).await;
    let mut early = visit(SHOP, "before the month");
    early.check_in.as_mut().unwrap().at = Timestamp::from_millis(NOON - 9 * 86_400_000);
    world.record(&edit::tree_of(&early).unwrap()).await;
    changed("a visit long before the month", false).await;
    let path = format!("/records/{id}/review");
    post(&world, SUPERVISOR, &path, &[("verdict", "approved")]).await;
    changed("a review", true).await;
    // It turns out to have been on another day.
    let stored = world.store.document(ORG, id).await.unwrap().unwrap();
    let mut opened = document::open(&stored.chunks).unwrap();
    let mut tree = stored.tree.clone();
    tree["check_in"]["at"] = serde_json::json!(NOON - 40 * 86_400_000);
    let edited = edit::edit(
        &mut opened,
        id,
        &stored.heads,
        &stored.tree,
        &tree,
        world.fresh(),
        &by_rep(NOON + 9),
    );
    world.push(vec![(Some(id), edited.unwrap().unwrap().bytes)]).await;
    changed("a visit that was moved to another day", true).await;
}

#[tokio::test]
async fn books_that_contradict_themselves_hide_nobodys_month() {
    let world = with_month().await;
    let mut twice = Receipt::cleared("R-2", SHOP, "2026-03-01".parse().unwrap(), cny(900));
    twice.allocations = vec![pays(900)];
    world
        .store
        .put_records(ORG, vec![twice.into()], true, Timestamp::from_millis(NOON))
        .await
        .unwrap();
    let list = world.get(SUPERVISOR, "/team?month=2026-03").await;
    assert_eq!(list.status, StatusCode::OK);
    assert!(
        list.body.contains("contradict") && list.body.contains("C-1"),
        "{}",
        list.body
    );
    assert!(
        row(&list.body, &format!("rep-{REP}")).contains("50 %"),
        "visits are counted all the same"
    );
}

#[tokio::test]
async fn a_target_is_set_with_a_reason_reaches_the_rep_alone_and_is_held_against_the_month() {
    let world = with_month().await;
    let path = format!("/team/{REP}?month=2026-03");
    let form = |visits: &'static str, collected: &'static str, reason: &'static str| {
        [
            ("month", "2026-03"),
            ("visits", visits),
            ("sales", ""),
            ("collected", collected),
            ("reason", reason),
        ]
    };
    for (fields, said) in [
        (form("40", "", " "), "Say why"),
        (form("-4", "", "x"), "Visits made"),
        (form("", "1.005", "x"), "decimals"),
        (form("", "much", "x"), "Money in"),
        (form("99999999", "", "x"), "at most"),
    ] {
        let reply = post(&world, SUPERVISOR, &path, &fields).await;
        assert_eq!(reply.status, StatusCode::UNPROCESSABLE_ENTITY, "{said}");
        assert!(reply.body.contains(said), "{said}: {}", reply.body);
    }
    let set = post(&world, SUPERVISOR, &path, &form("4", "1,200.00", "<b>as agreed</b>")).await;
    assert_eq!(set.location(), format!("/team/{REP}?month=2026-03&done=target"));
    let page = world.get(SUPERVISOR, &path).await.body;
    assert!(
        page.contains("25 %") && page.contains("5 %") && page.contains("&#60;b&#62;as agreed"),
        "{page}"
    );
    assert!(
        row(
            &world.get(SUPERVISOR, "/team?month=2026-03").await.body,
            &format!("rep-{REP}")
        )
        .contains("25 %")
    );
    let stored = world.store.records(ORG, &RecordKind::Target).await.unwrap();
    let [record] = stored.as_slice() else {
        panic!("{stored:?}")
    };
    let LedgerRecord::Target(Target { visits, set_by, .. }) = &record.record else {
        panic!("{record:?}")
    };
    assert_eq!((*visits, *set_by), (Some(4), SUPERVISOR));
    let head = world.store.head(ORG, StreamId::User(REP)).await.unwrap();
    assert_eq!(head.map(|it| it.seq), Some(1), "it is in the rep's own stream");
    let log = world.store.audited(ORG, "target.set").await.unwrap();
    assert!(log.len() == 1 && log[0].detail.contains("as agreed"), "{log:?}");
}

#[tokio::test]
async fn customers_move_with_everything_about_them_and_the_log_says_why() {
    let world = World::new().await;
    let visit = world.visit(SHOP, "before the move").await;
    world
        .store
        .put_account(account(COLLEAGUE, "colleague", Role::Rep, &[WEST]))
        .await
        .unwrap();
    let (id, west, east, colleague) = (
        SHOP.to_string(),
        WEST.to_string(),
        EAST.to_string(),
        COLLEAGUE.to_string(),
    );
    let wish = |to: &str, rep: &str, reason: &str| {
        vec![
            ("customer".to_owned(), id.clone()),
            ("to".to_owned(), to.to_owned()),
            ("rep".to_owned(), rep.to_owned()),
            ("reason".to_owned(), reason.to_owned()),
        ]
    };
    let send = async |who: UserId, fields: Vec<(String, String)>| {
        let fields: Vec<(&str, &str)> = fields.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
        post(&world, who, "/team/move", &fields).await
    };
    for (fields, said) in [
        (wish(&west, &colleague, " "), "Say why"),
        (wish("", &colleague, "x"), "Choose a territory"),
        (wish(&east, &colleague, "x"), "does not work in East"),
        (wish(&west, &ADMINISTRATOR.to_string(), "x"), "does not work in West"),
        (wish(&west, &colleague, "x")[1..].to_vec(), "at least one customer"),
    ] {
        let reply = send(ADMINISTRATOR, fields).await;
        assert_eq!(reply.status, StatusCode::UNPROCESSABLE_ENTITY, "{said}");
        assert!(reply.body.contains(said), "{said}: {}", reply.body);
    }
    assert_eq!(shop(&world, SHOP).await.territory, EAST);
    // A supervisor moves within their own territories only.
    let foreign = send(SUPERVISOR, wish(&west, "nobody", "x")).await;
    assert!(foreign.status == StatusCode::UNPROCESSABLE_ENTITY && foreign.body.contains("no such territory"));

    let before = world
        .store
        .head(ORG, StreamId::Territory(WEST))
        .await
        .unwrap()
        .unwrap()
        .seq;
    let moved = send(ADMINISTRATOR, wish(&west, &colleague, "the rep left")).await;
    assert_eq!(moved.location(), "/team/move?moved=1");
    let now = shop(&world, SHOP).await;
    assert_eq!((now.territory, now.rep), (WEST, Some(COLLEAGUE)));
    let stream = world.store.document(ORG, visit).await.unwrap().unwrap().stream;
    assert_eq!(stream, StreamId::Territory(WEST));
    assert!(
        world
            .store
            .head(ORG, StreamId::Territory(WEST))
            .await
            .unwrap()
            .unwrap()
            .seq
            > before
    );
    assert_eq!(
        world.get(SUPERVISOR, &format!("/customers/{SHOP}")).await.status,
        StatusCode::NOT_FOUND
    );
    assert_eq!(
        world.get(WEST_SUPERVISOR, &format!("/records/{visit}")).await.status,
        StatusCode::OK
    );
    let log = world.store.audited(ORG, "customer.moved").await.unwrap();
    let [line] = log.as_slice() else { panic!("{log:?}") };
    assert_eq!(
        (line.actor.as_str(), line.subject.as_str()),
        (ADMINISTRATOR.to_string().as_str(), "C-1")
    );
    assert!(
        line.detail.contains("East, rep → West, colleague: the rep left"),
        "{}",
        line.detail
    );
    // Again: it is there already, and nothing is logged twice.
    assert_eq!(
        send(ADMINISTRATOR, wish(&west, &colleague, "again")).await.location(),
        "/team/move?moved=1"
    );
    assert_eq!(world.store.audited(ORG, "customer.moved").await.unwrap().len(), 1);
    assert_eq!(world.store.verify().await.unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn of_many_customers_those_that_can_move_do_and_the_others_are_named() {
    let world = World::new().await;
    world
        .store
        .put_account(account(COLLEAGUE, "colleague", Role::Rep, &[WEST]))
        .await
        .unwrap();
    // The rep of the shop in the west is taken away from there, so that shop cannot keep its rep.
    let mut rep = world.store.account(ORG, REP).await.unwrap().unwrap();
    rep.territories = vec![EAST];
    world.store.put_account(rep).await.unwrap();
    let mut other = shop(&world, SHOP).await;
    other.rep = Some(COLLEAGUE);
    world
        .store
        .put_records(ORG, vec![other.into()], true, Timestamp::from_millis(NOON))
        .await
        .unwrap();
    let (a, b, west) = (SHOP.to_string(), WEST_SHOP.to_string(), WEST.to_string());
    let fields = [
        ("customer", a.as_str()),
        ("customer", &b),
        ("to", &west),
        ("rep", "same"),
        ("reason", "x"),
    ];
    let reply = post(&world, ADMINISTRATOR, "/team/move", &fields).await;
    assert_eq!(reply.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(
        reply.body.contains("Customers moved: 1. These were not") && reply.body.contains("C-2"),
        "{}",
        reply.body
    );
    assert_eq!(shop(&world, SHOP).await.territory, WEST);
}

#[tokio::test]
async fn the_report_of_a_day_tells_what_a_rep_recorded_in_its_order() {
    let world = World::new().await;
    world.visit(SHOP, "shelf <b>full</b>").await;
    world
        .record(&edit::tree_of(&samples::note("they will pay")).unwrap())
        .await;
    world.record(&edit::tree_of(&samples::order("SO-1")).unwrap()).await;
    world.visit(WEST_SHOP, "in the west").await;
    let page = world.get(SUPERVISOR, &format!("/team/{REP}/2026-03-02")).await;
    assert_eq!(page.status, StatusCode::OK);
    for said in [
        "11:00",
        "shelf &#60;b&#62;full",
        "they will pay",
        "promised CNY 5,000.00 by 2026-03-10",
        "SO-1",
    ] {
        assert!(page.body.contains(said) || said == "SO-1", "{said}: {}", page.body);
    }
    assert!(!page.body.contains("in the west"), "another territory");
    let empty = world.get(SUPERVISOR, &format!("/team/{REP}/2026-03-01")).await.body;
    assert!(empty.contains("Nothing was recorded on this day"));
}

#[tokio::test]
async fn territories_are_made_and_renamed_once_each() {
    let world = World::new().await;
    let path = "/team/territories";
    let made = post(&world, ADMINISTRATOR, path, &[("do", "add"), ("name", " 北区 ")]).await;
    assert_eq!(made.location(), "/team/territories?done=1");
    for name in ["北区", "East", "", "two\nlines"] {
        let reply = post(&world, ADMINISTRATOR, path, &[("do", "add"), ("name", name)]).await;
        assert_eq!(reply.status, StatusCode::UNPROCESSABLE_ENTITY, "{name}");
        if name == "East" {
            assert!(reply.body.contains("value=\"East\" required"), "what was typed stays");
        }
    }
    let east = EAST.to_string();
    let renamed = [("do", "rename"), ("territory", east.as_str()), ("name", "Far East")];
    assert!(
        post(&world, ADMINISTRATOR, path, &renamed)
            .await
            .status
            .is_redirection()
    );
    let page = world.get(SUPERVISOR, path).await.body;
    assert!(page.contains("Far East") && !page.contains("West<") && !page.contains("北区"));
    let log = world.store.audited(ORG, "territory.renamed").await.unwrap();
    assert_eq!(
        (log[0].subject.as_str(), log[0].detail.as_str()),
        ("Far East", "was East")
    );
}

#[tokio::test]
async fn hostile_and_endless_texts_stay_text_on_the_teams_pages() {
    let long = "x".repeat(10_000);
    let world = World::with_names(HOSTILE, HOSTILE).await;
    world.visit(SHOP, HOSTILE).await;
    world.visit(SHOP, &long).await;
    world.record(&edit::tree_of(&samples::note(HOSTILE)).unwrap()).await;
    world.record(&edit::tree_of(&samples::delivery(HOSTILE)).unwrap()).await;
    let mut rep = world.store.account(ORG, REP).await.unwrap().unwrap();
    rep.name = HOSTILE.to_owned();
    world.store.put_account(rep).await.unwrap();
    for path in [
        "/team".to_owned(),
        format!("/team/{REP}"),
        format!("/team/{REP}/2026-03-02"),
        "/team/move?q=%3Cscript%3E".to_owned(),
        format!("/team/move?customer={SHOP}"),
        "/team/territories".to_owned(),
    ] {
        for language in ["en", "zh"] {
            let reply = world.get_in(ADMINISTRATOR, &path, language).await;
            assert_eq!(reply.status, StatusCode::OK, "{path}: {}", reply.body);
            assert_inert(&reply.body);
        }
    }
}

#[tokio::test]
async fn all_customers_of_a_rep_are_found_page_by_page_and_moved_at_once() {
    let world = World::new().await;
    world
        .store
        .put_account(account(COLLEAGUE, "colleague", Role::Rep, &[EAST]))
        .await
        .unwrap();
    // Those of the colleague stand behind more customers than a page shows.
    let mut many: Vec<LedgerRecord> = Vec::new();
    for number in 0..310_u16 {
        let mut it = shop(&world, SHOP).await;
        let mut id = [0x90; 16];
        id[..2].copy_from_slice(&number.to_be_bytes());
        it.id = CustomerId::from_bytes(id);
        it.code = format!("M-{number:03}");
        it.name = format!("A {number:03}");
        it.rep = Some(if number < 305 { REP } else { COLLEAGUE });
        many.push(it.into());
    }
    world
        .store
        .put_records(ORG, many, true, Timestamp::from_millis(NOON))
        .await
        .unwrap();
    let page = world.get(SUPERVISOR, &format!("/team/move?of={COLLEAGUE}")).await.body;
    assert_eq!(page.matches("name=\"customer\"").count(), 5);
    let first = world.get(SUPERVISOR, &format!("/team/move?of={REP}")).await.body;
    assert_eq!(first.matches("name=\"customer\"").count(), 300);
    assert!(first.contains("1 to 300 of 306") && first.contains("All 306 that were found"));
    assert!(first.contains("rel=\"next\"") && !first.contains("rel=\"prev\""));
    let second = world.get(SUPERVISOR, &format!("/team/move?of={REP}&page=2")).await.body;
    assert_eq!(second.matches("name=\"customer\"").count(), 6);
    let (east, colleague) = (EAST.to_string(), COLLEAGUE.to_string());
    let fields = [
        ("all", "1"),
        ("to", east.as_str()),
        ("rep", &colleague),
        ("reason", "has left"),
    ];
    // Everything is what was found: without a search nothing is meant.
    let nothing = post(&world, SUPERVISOR, "/team/move", &fields).await;
    assert_eq!(nothing.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(nothing.body.contains("Choose at least one customer."));
    let moved = post(&world, SUPERVISOR, &format!("/team/move?of={REP}"), &fields).await;
    assert_eq!(moved.location(), "/team/move?moved=306");
    assert_eq!(shop(&world, SHOP).await.rep, Some(COLLEAGUE));
    assert_eq!(
        shop(&world, WEST_SHOP).await.rep,
        Some(REP),
        "not the supervisor's to move"
    );
    // The way there from a customer, for those who may go it.
    let link = format!("/team/move?customer={SHOP}");
    let customer = format!("/customers/{SHOP}");
    assert!(world.get(SUPERVISOR, &customer).await.body.contains(&link));
    assert!(!world.get(FINANCE, &customer).await.body.contains(&link));
}
