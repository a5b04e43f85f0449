//! The feed of activity.

use std::collections::BTreeMap;

use axum::{
    body::Body,
    http::{Request, StatusCode, header},
};
use fieldledger_core::{
    document::{self, edit},
    model::{
        Currency, CustomerId, DocumentId, LedgerRecord, OrderDecision, OrderStanding, Review, ReviewVerdict, Timestamp,
    },
    sync::protocol::StreamId,
};
use futures::StreamExt as _;
use tower::ServiceExt as _;

use super::{
    samples::{HOSTILE, assert_inert, note, order},
    world::{
        ADMINISTRATOR, DRIVER, EAST, NOON, ORG, REP, SHOP, SUPERVISOR, WEST, WEST_SHOP, World, by_rep, csrf, token,
        visit,
    },
};
use crate::store::{DocumentStore as _, suite::creating};

#[tokio::test]
async fn filters_narrow_the_feed_and_stand_in_the_form() {
    let world = World::new().await;
    let visit = world.visit(SHOP, "a visit").await;
    let note = world.record(&edit::tree_of(&note("a note")).unwrap()).await;
    let west = world.visit(WEST_SHOP, "far").await;
    world
        .post(
            ADMINISTRATOR,
            &format!("/records/{visit}/review"),
            &[("csrf", &csrf(ADMINISTRATOR)), ("verdict", "approved")],
        )
        .await;
    let cases: Vec<(String, Vec<DocumentId>)> = vec![
        ("kind=collection_note".to_owned(), vec![note]),
        ("kind=visit&state=open".to_owned(), vec![visit, west]),
        ("state=promised".to_owned(), vec![note]),
        (format!("territory={WEST}"), vec![west]),
        (format!("rep={REP}&kind=visit"), vec![visit, west]),
        (format!("rep={DRIVER}"), vec![]),
        ("customer=C-2".to_owned(), vec![west]),
        ("customer=orient".to_owned(), vec![visit, note]),
        ("customer=nowhere".to_owned(), vec![]),
        ("day=2026-03-02&kind=collection_note".to_owned(), vec![note]),
        ("day=2026-03-03".to_owned(), vec![]),
        (
            "from=2026-03-02&to=2026-03-02&kind=collection_note".to_owned(),
            vec![note],
        ),
        ("from=2026-03-03".to_owned(), vec![]),
        ("to=2026-03-01".to_owned(), vec![]),
        ("to=2026-03-02&kind=collection_note".to_owned(), vec![note]),
        ("doubt=mocked".to_owned(), vec![visit, west]),
        ("doubt=outside&territory=".to_owned(), vec![visit, west]),
        ("doubt=edited".to_owned(), vec![]),
        ("q=visit".to_owned(), vec![visit]),
        ("q=far&doubt=any".to_owned(), vec![west]),
        ("q=%E2%80%A6".to_owned(), vec![]),
        ("unreviewed=1".to_owned(), vec![note, west]),
        ("disagreeing=1".to_owned(), vec![]),
    ];
    let known: BTreeMap<DocumentId, &str> = [(visit, "visit"), (note, "note"), (west, "west")].into();
    for (query, expected) in cases {
        let body = world.get(ADMINISTRATOR, &format!("/activity?{query}")).await.body;
        for (id, name) in &known {
            let shown = body.contains(&format!("/records/{id}"));
            assert_eq!(shown, expected.contains(id), "{name} with {query}");
        }
    }
    let form = world
        .get(ADMINISTRATOR, "/activity?kind=visit&day=2026-03-02&unreviewed=1")
        .await
        .body;
    assert!(form.contains("value=\"visit\" selected"));
    assert!(form.contains("value=\"2026-03-02\"") && form.contains("value=\"1\" checked"));
    let several = world.get(ADMINISTRATOR, "/activity?customer=or").await.body;
    assert!(several.contains(&format!("customer={SHOP}")) && several.contains(&format!("customer={WEST_SHOP}")));
    for strange in [
        "day=2026-02-30",
        "from=x",
        "to=2026-13-01",
        "doubt=x",
        "rep=x",
        "territory=x",
        "before=x",
    ] {
        let reply = world.get(ADMINISTRATOR, &format!("/activity?{strange}")).await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{strange}");
    }
}

#[tokio::test]
async fn the_line_of_a_review_says_who_judged_what_and_how() {
    let world = World::new().await;
    let visit = world.visit(SHOP, "Shelf by the door").await;
    let comment = format!("Why so far away? {HOSTILE}");
    world
        .post(
            SUPERVISOR,
            &format!("/records/{visit}/review"),
            &[
                ("csrf", &csrf(SUPERVISOR)),
                ("verdict", "questioned"),
                ("comment", &comment),
            ],
        )
        .await;
    let review = world.store.reviews_of(ORG, visit).await.unwrap().remove(0).id;
    for (language, words) in [
        ("en", ["Reviewed by", "Reviewed record", ">questioned<", "Visit"]),
        ("zh", ["审阅人", "所审阅的记录", "verdict-questioned", "拜访"]),
    ] {
        let whole = world.get_in(SUPERVISOR, "/activity?kind=review", language).await.body;
        assert_inert(&whole);
        let table = whole.split_once("<tbody>").unwrap().1.split_once("</tbody>").unwrap().0;
        assert_eq!(table.matches("<tr ").count(), 1, "{table}");
        assert!(table.contains(&format!("href=\"/records/{review}\"")), "{table}");
        assert!(table.contains(&format!("href=\"/records/{visit}\"")), "{table}");
        for word in words {
            assert!(table.contains(word), "{word:?} is not in {table}");
        }
        for word in [
            "supervisor name",
            "Shelf by the door",
            "Why so far away? &#60;script&#62;",
        ] {
            assert!(table.contains(word), "{word:?} is not in {table}");
        }
    }
    let visits = world.get(SUPERVISOR, "/activity?kind=visit").await.body;
    assert!(!visits.contains("Reviewed record"));
}

#[tokio::test]
async fn a_review_of_a_foreign_record_neither_names_nor_links_it() {
    let world = World::new().await;
    let secret = world.visit(WEST_SHOP, "a secret of the west").await;
    let review = Review {
        customer: SHOP,
        about: secret,
        rep: REP,
        reviewer: SUPERVISOR,
        at: Timestamp::from_millis(NOON),
        verdict: ReviewVerdict::Approved,
        comment: String::new(),
        replies: BTreeMap::new(),
    };
    let tree = edit::tree_of(&review).unwrap();
    let item = creating(7, StreamId::Territory(EAST), &tree);
    world
        .store
        .append(ORG, vec![item], Timestamp::from_millis(NOON))
        .await
        .unwrap();
    let body = world.get(SUPERVISOR, "/activity?kind=review").await.body;
    assert!(body.contains("not here, or of another territory"));
    assert!(!body.contains("a secret of the west") && !body.contains(&secret.to_string()));
    let all = world.get(ADMINISTRATOR, "/activity?kind=review").await.body;
    assert!(all.contains("a secret of the west") && all.contains(&format!("/records/{secret}")));
}

#[tokio::test]
async fn pages_of_the_feed_hold_every_record_once() {
    let world = World::new().await;
    let mut pushes = Vec::new();
    for number in 0..120_u8 {
        let mut bytes = [0xa0; 16];
        bytes[0] = number;
        let id = DocumentId::from_bytes(bytes);
        let tree = edit::tree_of(&visit(SHOP, &format!("visit number {number}"))).unwrap();
        pushes.push((None, document::create(id, &tree, &by_rep(NOON)).unwrap().bytes));
    }
    world.push(pushes).await;
    let mut path = "/activity?kind=visit".to_owned();
    let mut seen = Vec::new();
    for _ in 0..5 {
        let body = world.get(SUPERVISOR, &path).await.body;
        for part in body.split("href=\"/records/").skip(1) {
            seen.push(part.split('"').next().unwrap().to_owned());
        }
        let Some(link) = body
            .split("rel=\"next\"")
            .next()
            .filter(|_| body.contains("rel=\"next\""))
        else {
            break;
        };
        let href = link.rsplit("href=\"").next().unwrap().split('"').next().unwrap();
        path = href.replace("&#38;", "&").replace("&amp;", "&");
        assert!(path.contains("kind=visit&before="), "{path}");
    }
    let unique: std::collections::BTreeSet<_> = seen.iter().collect();
    assert_eq!((seen.len(), unique.len()), (120, 120));
}

#[tokio::test]
async fn the_chosen_language_is_remembered_and_never_leads_away() {
    let world = World::new().await;
    let reply = world
        .get(SUPERVISOR, "/language/zh-Hans?back=%2Factivity%3Fkind%3Dvisit")
        .await;
    assert_eq!(reply.location(), "/activity?kind=visit");
    let cookie = reply.headers[header::SET_COOKIE].to_str().unwrap();
    assert!(cookie.starts_with("fl_language=zh-Hans;"));
    let away = world.get(SUPERVISOR, "/language/en?back=%2F%2Fevil.example").await;
    assert_eq!(away.location(), "/");
    assert_eq!(
        world.get(SUPERVISOR, "/language/tlh").await.status,
        StatusCode::NOT_FOUND
    );
    let request = Request::get("/sign-in")
        .header(header::COOKIE, "fl_language=zh-Hans")
        .header(header::ACCEPT_LANGUAGE, "en");
    let page = world.send(request.body(Body::empty()).unwrap()).await.body;
    assert!(page.contains("登录名"));
}

/// What a page of a supervisor's hears at this address.
struct Listening(axum::body::BodyDataStream);

impl Listening {
    async fn to(world: &World, address: &str) -> Self {
        let request = Request::get(address)
            .header(header::COOKIE, format!("fieldledger_session={}", token(SUPERVISOR)))
            .body(Body::empty())
            .unwrap();
        let response = world.app.clone().oneshot(request).await.unwrap();
        assert_eq!(response.headers()[header::CONTENT_TYPE], "text/event-stream");
        Self(response.into_body().into_data_stream())
    }

    async fn hears_nothing(&mut self) {
        let quiet = tokio::time::timeout(std::time::Duration::from_millis(50), self.0.next()).await;
        assert!(quiet.is_err(), "told of what it does not show");
    }

    async fn hears_news(&mut self) {
        let told = tokio::time::timeout(std::time::Duration::from_secs(5), self.0.next()).await;
        let told = told.unwrap().unwrap().unwrap();
        assert!(String::from_utf8_lossy(&told).contains("event: news"));
    }
}

#[tokio::test]
async fn the_live_route_tells_only_of_streams_that_the_reader_may_read() {
    let world = World::new().await;
    let mut news = Listening::to(&world, "/activity/live").await;
    world.visit(WEST_SHOP, "far").await;
    news.hears_nothing().await;
    world.visit(SHOP, "near").await;
    news.hears_news().await;
}

/// The address that an open page listens at.
async fn address_of_news(world: &World, page: &str) -> String {
    let body = world.get(SUPERVISOR, page).await.body;
    let news = body.split_once("data-news=\"").unwrap().1;
    news.split_once('"').unwrap().0.replace("&#38;", "&")
}

#[tokio::test]
async fn an_open_page_is_told_of_what_it_shows() {
    let world = World::new().await;
    assert_eq!(address_of_news(&world, "/").await, "/activity/live");
    let visit = world.visit(SHOP, "first").await;
    let mut shop = Listening::to(&world, &address_of_news(&world, &format!("/customers/{SHOP}")).await).await;
    let mut record = Listening::to(&world, &address_of_news(&world, &format!("/records/{visit}")).await).await;
    let other = CustomerId::from_bytes([9; 16]);
    let mut elsewhere = Listening::to(&world, &format!("/activity/live?customer={other}")).await;
    let mut money = Listening::to(&world, &address_of_news(&world, "/credit").await).await;
    let mut owed = Listening::to(&world, &address_of_news(&world, "/receivables").await).await;
    world.visit(SHOP, "no money in it").await;
    shop.hears_news().await;
    record.hears_news().await;
    money.hears_nothing().await;
    owed.hears_nothing().await;
    elsewhere.hears_nothing().await;
    world.record(&edit::tree_of(&note("they pay tomorrow")).unwrap()).await;
    money.hears_news().await;
    owed.hears_news().await;
    elsewhere.hears_nothing().await;
    // What is in no record, and what nobody says anything about, concerns every page.
    world.state.sync.live().look(ORG);
    for news in [&mut shop, &mut record, &mut money, &mut owed, &mut elsewhere] {
        news.hears_news().await;
    }
}

#[tokio::test]
async fn the_list_is_ordered_by_when_things_happened_or_came_in_and_keeps_that_in_the_address() {
    let world = World::new().await;
    // The call was at noon, the visit an hour before: but the visit came in last.
    let call = world.record(&edit::tree_of(&note("a call")).unwrap()).await;
    let visit = world.visit(SHOP, "a visit").await;
    let shown = |body: &str| -> Vec<String> {
        let lines = body.split("data-record=\"").skip(1);
        lines.map(|it| it.split('"').next().unwrap().to_owned()).collect()
    };
    let (call, visit) = (call.to_string(), visit.to_string());
    for (sort, order) in [
        ("", [&call, &visit]),
        ("-happened", [&call, &visit]),
        ("happened", [&visit, &call]),
    ] {
        let body = world.get(ADMINISTRATOR, &format!("/activity?sort={sort}")).await.body;
        let mut found = shown(&body);
        if sort.is_empty() {
            // Both came in at the same moment of the clock of this test.
            found.sort();
            let mut order = [call.clone(), visit.clone()];
            order.sort();
            assert_eq!(found, order);
        } else {
            assert_eq!(found, order.map(String::clone), "{sort}");
        }
    }
    let body = world
        .get(ADMINISTRATOR, "/activity?sort=happened&kind=visit")
        .await
        .body;
    assert!(body.contains("<option value=\"happened\" selected>Happened: earliest first</option>"));
    let heading = body.split_once("aria-sort=\"ascending\">").unwrap().1;
    let heading = heading
        .split_once("</th>")
        .unwrap()
        .0
        .replace("&#38;", "&")
        .replace("&amp;", "&");
    assert!(
        heading.starts_with("<a href=\"/activity?kind=visit&sort=-happened\""),
        "{heading}"
    );
    assert!(!body.contains(&format!("data-record=\"{call}\"")));
    let file = world
        .get(ADMINISTRATOR, "/activity?sort=happened&format=csv")
        .await
        .body;
    assert!(file.find("a visit") < file.find("a call"), "{file}");
    // The order is no filter, and what is no order is none.
    let body = world.get(ADMINISTRATOR, "/activity?sort=happened").await.body;
    assert!(!body.contains("Clear all filters"));
    let strange = world.get(ADMINISTRATOR, "/activity?sort=amount%27").await;
    assert_eq!(
        (strange.status, strange.body.contains("aria-sort=\"descending\"")),
        (StatusCode::OK, true)
    );
}

#[tokio::test]
async fn an_order_shows_what_the_office_decided_beside_what_the_phone_knows() {
    let world = World::new().await;
    let id = world.record(&edit::tree_of(&order("O-1")).unwrap()).await;
    let marked = async |language: &str| {
        let body = world.get_in(ADMINISTRATOR, "/activity?kind=order", language).await.body;
        let mark = body
            .split_once("data-office>")
            .map(|(_, rest)| rest.split_once("</span>").unwrap().0.to_owned());
        mark.unwrap_or_default()
    };
    assert_eq!(marked("en").await, "");
    for (standing, english, chinese) in [
        (
            OrderStanding::Released,
            "office: <bdi>released</bdi>",
            "公司： <bdi>已放行</bdi>",
        ),
        (
            OrderStanding::Refused,
            "office: <bdi>refused</bdi>",
            "公司： <bdi>已拒绝</bdi>",
        ),
        (
            OrderStanding::Closed,
            "office: <bdi>closed</bdi>",
            "公司： <bdi>已关闭</bdi>",
        ),
    ] {
        let decision = OrderDecision {
            order: id,
            number: "O-1".to_owned(),
            customer: SHOP,
            rep: REP,
            received_at: Timestamp::from_millis(NOON),
            wanted_by: None,
            currency: Currency::CNY,
            lines: Default::default(),
            deliveries: Default::default(),
            standing,
            spend: None,
            events: Vec::new(),
        };
        let records = vec![LedgerRecord::OrderDecision(decision)];
        world
            .store
            .put_records(ORG, records, true, Timestamp::from_millis(NOON))
            .await
            .unwrap();
        world.state.sync.live().look(ORG);
        assert_eq!(marked("en").await, english);
        assert_eq!(marked("zh").await, chinese);
    }
    let file = world.get(ADMINISTRATOR, "/activity?kind=order&format=csv").await.body;
    assert!(
        file.contains("Office's decision") && file.contains("\"held\",\"closed\","),
        "{file}"
    );
}
