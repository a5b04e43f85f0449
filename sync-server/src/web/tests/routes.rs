//! Every route of the pages, asked by a person of each role and of another territory, and by nobody.
//!
//! The routes come from the router itself: one that has no line in [`table`] fails the test, and so does a line of a route
//! that is gone. Who adds a page says here who reaches it.

use std::collections::{BTreeMap, BTreeSet};

use axum::{
    body::Body,
    http::{Method, Request, StatusCode, header},
};
use fieldledger_core::{
    document::edit,
    model::{DeviceId, DocumentId, UserId},
};
use tower::ServiceExt as _;

use super::{
    samples,
    world::{
        ADMINISTRATOR, DRIVER, EAST, FINANCE, PHONE, REP, SHOP, SUPERVISOR, WEST, WEST_SHOP, WEST_SUPERVISOR, World,
        csrf, token,
    },
};

const EAST_VISIT: DocumentId = DocumentId::from_bytes([0x81; 16]);
const WEST_VISIT: DocumentId = DocumentId::from_bytes([0x82; 16]);
const DELIVERY: DocumentId = DocumentId::from_bytes([0x83; 16]);
const NO_PHONE: DeviceId = DeviceId::from_bytes([0x99; 16]);

/// In the order of the columns of [`table`]; the last one is nobody.
const ASKING: [Option<UserId>; 7] = [
    Some(REP),
    Some(DRIVER),
    Some(SUPERVISOR),
    Some(FINANCE),
    Some(ADMINISTRATOR),
    Some(WEST_SUPERVISOR),
    None,
];

/// One question to a route: address, fields of the form, and what each of [`ASKING`] is answered.
struct Line {
    method: &'static str,
    /// The route, as the router has it.
    route: &'static str,
    address: String,
    fields: Vec<(&'static str, String)>,
    answers: [u16; 7],
}

fn get(route: &'static str, address: impl Into<String>, answers: [u16; 7]) -> Line {
    Line {
        method: "GET",
        route,
        address: address.into(),
        fields: Vec::new(),
        answers,
    }
}

fn post(route: &'static str, address: impl Into<String>, fields: &[(&'static str, &str)], answers: [u16; 7]) -> Line {
    Line {
        method: "POST",
        route,
        address: address.into(),
        fields: fields
            .iter()
            .map(|(name, value)| (*name, (*value).to_owned()))
            .collect(),
        answers,
    }
}

/// Whoever may read the pages at all; nobody is sent to sign in.
const READERS: [u16; 7] = [403, 403, 200, 200, 200, 200, 303];
/// Readers who see the east.
const OF_EAST: [u16; 7] = [403, 403, 200, 200, 200, 404, 303];
/// Readers who see the west.
const OF_WEST: [u16; 7] = [403, 403, 404, 200, 200, 200, 303];
/// Nothing is there, for whoever may read.
const MISSING: [u16; 7] = [403, 403, 404, 404, 404, 404, 303];
/// Readers who see the east, of something that the rules refuse.
const REFUSED_OF_EAST: [u16; 7] = [403, 403, 422, 422, 422, 404, 303];
/// Those who keep the books of the east, of something that the rules refuse.
const BOOKKEEPERS_OF_EAST: [u16; 7] = [403, 403, 403, 422, 422, 404, 303];
/// The secret of a form that lets it have its effect once, and nothing that was typed.
const ONCE: &[(&str, &str)] = &[("once", "o")];
const ADMINISTRATORS: [u16; 7] = [403, 403, 403, 403, 200, 403, 303];
const EVERYBODY: [u16; 7] = [200; 7];
/// A link with a secret that nobody has.
const WRONG_SECRET: [u16; 7] = [404; 7];

/// Who is answered what.
fn table() -> Vec<Line> {
    let style = crate::web::assets::ADDRESSES.of("base.css").to_owned();
    let (rep, shop) = (REP.to_string(), SHOP.to_string());
    let (east, west) = (EAST.to_string(), WEST.to_string());
    vec![
        get("/", "/", READERS),
        get("/activity", "/activity", READERS),
        get("/activity", format!("/activity?territory={WEST}"), OF_WEST),
        get("/activity/live", "/activity/live", READERS),
        post(
            "/activity/review",
            "/activity/review",
            &[("verdict", "approved"), ("id", &EAST_VISIT.to_string())],
            [403, 403, 303, 303, 303, 303, 303],
        ),
        get("/activity/photos", "/activity/photos", READERS),
        get(
            "/activity/photos",
            format!("/activity/photos?territory={WEST}"),
            OF_WEST,
        ),
        // The rep works in both territories, the driver in the east.
        get(
            "/activity/day/{rep}/{day}",
            format!("/activity/day/{REP}/2026-03-02"),
            READERS,
        ),
        get(
            "/activity/day/{rep}/{day}",
            format!("/activity/day/{DRIVER}/2026-03-02"),
            OF_EAST,
        ),
        get(
            "/activity/day/{rep}/{day}",
            format!("/activity/day/{REP}/2026-02-30"),
            MISSING,
        ),
        get("/activity/day/{rep}/{day}", "/activity/day/x/2026-03-02", MISSING),
        get("/sign-in", "/sign-in", [303, 303, 303, 303, 303, 303, 200]),
        post("/sign-in", "/sign-in", &[("login", "rep")], [403; 7]),
        post("/sign-out", "/sign-out", &[], [303; 7]),
        get("/language/{tag}", "/language/en", [303; 7]),
        get("/language/{tag}", "/language/xx", [404; 7]),
        get("/records/{id}", format!("/records/{EAST_VISIT}"), OF_EAST),
        // Nothing has arrived in this company; who may see what has is tested with the uploads.
        get(
            "/records/{id}/evidence/{hash}",
            format!("/records/{DELIVERY}/evidence/{}", "03".repeat(32)),
            MISSING,
        ),
        get("/records/{id}", format!("/records/{WEST_VISIT}"), OF_WEST),
        get("/records/{id}", "/records/nonsense", MISSING),
        post(
            "/records/{id}/review",
            format!("/records/{EAST_VISIT}/review"),
            &[("verdict", "approved")],
            [403, 403, 303, 303, 303, 404, 303],
        ),
        post(
            "/records/{id}/reply",
            format!("/records/{EAST_VISIT}/reply"),
            &[("review", &EAST_VISIT.to_string()), ("text", "No review.")],
            MISSING,
        ),
        post(
            "/records/{id}/settle",
            format!("/records/{EAST_VISIT}/settle"),
            &[("path", "[\"note\"]"), ("change", &"0".repeat(64))],
            [403, 403, 409, 409, 409, 404, 303],
        ),
        get("/records/{id}/links", format!("/records/{DELIVERY}/links"), OF_EAST),
        get("/records/{id}/links", format!("/records/{EAST_VISIT}/links"), MISSING),
        post(
            "/records/{id}/links",
            format!("/records/{DELIVERY}/links"),
            &[("do", "make"), ("contact", "Li"), ("days", "7")],
            OF_EAST,
        ),
        get("/customers", "/customers", READERS),
        get("/customers/{id}", format!("/customers/{SHOP}"), OF_EAST),
        get("/customers/{id}", format!("/customers/{WEST_SHOP}"), OF_WEST),
        get(
            "/customers/{id}/statement",
            format!("/customers/{SHOP}/statement"),
            OF_EAST,
        ),
        get(
            "/customers/{id}/statement",
            format!("/customers/{WEST_SHOP}/statement"),
            OF_WEST,
        ),
        post(
            "/customers/{id}/terms",
            format!("/customers/{SHOP}/terms"),
            ONCE,
            BOOKKEEPERS_OF_EAST,
        ),
        post(
            "/customers/{id}/assessments",
            format!("/customers/{SHOP}/assessments"),
            ONCE,
            BOOKKEEPERS_OF_EAST,
        ),
        post(
            "/customers/{id}/holds",
            format!("/customers/{SHOP}/holds"),
            &[("once", "o"), ("action", "hold")],
            BOOKKEEPERS_OF_EAST,
        ),
        post(
            "/customers/{id}/holds",
            format!("/customers/{SHOP}/holds"),
            &[("once", "o"), ("action", "hold"), ("reason", "late")],
            [403, 403, 403, 303, 303, 404, 303],
        ),
        post(
            "/customers/{id}/grants",
            format!("/customers/{SHOP}/grants"),
            ONCE,
            REFUSED_OF_EAST,
        ),
        post(
            "/customers/{id}/supply",
            format!("/customers/{SHOP}/supply"),
            &[("once", "o"), ("action", "stop")],
            REFUSED_OF_EAST,
        ),
        post(
            "/customers/{id}/statements",
            format!("/customers/{SHOP}/statements"),
            ONCE,
            BOOKKEEPERS_OF_EAST,
        ),
        get("/customers/{id}/money", format!("/customers/{SHOP}/money"), OF_EAST),
        post(
            "/customers/{id}/money",
            format!("/customers/{SHOP}/money"),
            ONCE,
            BOOKKEEPERS_OF_EAST,
        ),
        get(
            "/customers/{id}/receipts/{name}",
            format!("/customers/{SHOP}/receipts/none"),
            MISSING,
        ),
        post(
            "/customers/{id}/receipts/{name}",
            format!("/customers/{SHOP}/receipts/none"),
            &[("once", "o"), ("action", "rules")],
            [403, 403, 403, 404, 404, 404, 303],
        ),
        get(
            "/customers/{id}/credit-notes/{name}",
            format!("/customers/{SHOP}/credit-notes/none"),
            MISSING,
        ),
        post(
            "/customers/{id}/credit-notes/{name}",
            format!("/customers/{SHOP}/credit-notes/none"),
            &[("once", "o"), ("action", "rules")],
            [403, 403, 403, 404, 404, 404, 303],
        ),
        get(
            "/customers/{id}/invoices/{number}",
            format!("/customers/{SHOP}/invoices/none"),
            MISSING,
        ),
        post(
            "/customers/{id}/invoices/{number}",
            format!("/customers/{SHOP}/invoices/none"),
            &[("once", "o"), ("action", "dispute")],
            [403, 403, 403, 404, 404, 404, 303],
        ),
        get(
            "/customers/{id}/interest",
            format!("/customers/{SHOP}/interest"),
            OF_EAST,
        ),
        post(
            "/customers/{id}/interest",
            format!("/customers/{SHOP}/interest"),
            &[("once", "o"), ("invoice", "none"), ("instalment", "1")],
            BOOKKEEPERS_OF_EAST,
        ),
        post(
            "/customers/{id}/reminders",
            format!("/customers/{SHOP}/reminders"),
            ONCE,
            REFUSED_OF_EAST,
        ),
        get("/credit", "/credit", READERS),
        post(
            "/credit/orders/{id}",
            format!("/credit/orders/{DELIVERY}"),
            ONCE,
            MISSING,
        ),
        get("/credit/allowances", "/credit/allowances", READERS),
        post(
            "/credit/allowances/{customer}/{id}",
            format!("/credit/allowances/{SHOP}/{SHOP}"),
            &[("once", "o"), ("action", "recall")],
            REFUSED_OF_EAST,
        ),
        get("/credit/warnings", "/credit/warnings", READERS),
        post(
            "/credit/warnings/{customer}/{rule}",
            format!("/credit/warnings/{SHOP}/limit_used"),
            ONCE,
            REFUSED_OF_EAST,
        ),
        post(
            "/credit/warnings/{customer}/{rule}",
            format!("/credit/warnings/{SHOP}/weather"),
            ONCE,
            MISSING,
        ),
        get("/receivables", "/receivables", READERS),
        get("/receivables", format!("/receivables?territory={WEST}"), OF_WEST),
        get("/receivables/worklist", "/receivables/worklist", READERS),
        get(
            "/receivables/worklist",
            format!("/receivables/worklist?territory={WEST}"),
            OF_WEST,
        ),
        get("/receivables/reminders", "/receivables/reminders", READERS),
        get("/receivables/unmatched", "/receivables/unmatched", READERS),
        post(
            "/receivables/unmatched",
            "/receivables/unmatched",
            ONCE,
            [403, 403, 403, 422, 422, 403, 303],
        ),
        get(
            "/receivables/unmatched/{reference}",
            "/receivables/unmatched/none",
            [403, 403, 403, 404, 404, 403, 303],
        ),
        post(
            "/receivables/unmatched/{reference}",
            "/receivables/unmatched/none",
            ONCE,
            [403, 403, 403, 404, 404, 403, 303],
        ),
        get("/receivables/statements", "/receivables/statements", READERS),
        get("/receivables/statements/{id}", "/receivables/statements/none", MISSING),
        post(
            "/receivables/statements/{id}/links",
            "/receivables/statements/none/links",
            ONCE,
            MISSING,
        ),
        post(
            "/receivables/statements/{id}/revoke",
            "/receivables/statements/none/revoke",
            ONCE,
            MISSING,
        ),
        get("/receivables/timers", "/receivables/timers", READERS),
        get("/s/{secret}", "/s/wrong", WRONG_SECRET),
        post("/s/{secret}", "/s/wrong", &[], WRONG_SECRET),
        get("/d/{secret}", "/d/wrong", WRONG_SECRET),
        post("/d/{secret}", "/d/wrong", &[], WRONG_SECRET),
        get("/password/{secret}", "/password/wrong", WRONG_SECRET),
        post("/password/{secret}", "/password/wrong", &[], WRONG_SECRET),
        get("/quarantine", "/quarantine", READERS),
        post(
            "/quarantine/seen",
            "/quarantine/seen",
            &[],
            [403, 403, 303, 403, 303, 303, 303],
        ),
        get(
            "/quarantine/{digest}",
            format!("/quarantine/{}", "0".repeat(64)),
            MISSING,
        ),
        get("/devices", "/devices", [403, 403, 200, 403, 200, 200, 303]),
        get(
            "/devices/{id}/revoke",
            format!("/devices/{PHONE}/revoke"),
            ADMINISTRATORS,
        ),
        get(
            "/devices/{id}/revoke",
            format!("/devices/{NO_PHONE}/revoke"),
            [403, 403, 403, 403, 404, 403, 303],
        ),
        post(
            "/devices/{id}/revoke",
            format!("/devices/{PHONE}/revoke"),
            &[],
            [403, 403, 403, 403, 303, 403, 303],
        ),
        post(
            "/devices/enrolment",
            "/devices/enrolment",
            &[("person", &rep)],
            ADMINISTRATORS,
        ),
        get("/enrol", "/enrol", EVERYBODY),
        get("/account", "/account", READERS),
        post(
            "/account",
            "/account",
            &[("do", "end_all")],
            [403, 403, 303, 303, 303, 303, 303],
        ),
        get("/people", "/people", ADMINISTRATORS),
        get("/people/new", "/people/new", ADMINISTRATORS),
        post(
            "/people/new",
            "/people/new",
            &[("login", "new"), ("name", "New"), ("role", "rep")],
            ADMINISTRATORS,
        ),
        get("/people/{id}", format!("/people/{REP}"), ADMINISTRATORS),
        post(
            "/people/{id}",
            format!("/people/{REP}"),
            &[("do", "disable")],
            [403, 403, 403, 403, 303, 403, 303],
        ),
        get("/audit", "/audit", ADMINISTRATORS),
        get("/team", "/team", READERS),
        get("/team", format!("/team?territory={WEST}"), OF_WEST),
        get("/team/move", "/team/move", [403, 403, 200, 403, 200, 200, 303]),
        get(
            "/team/move",
            format!("/team/move?customer={SHOP}"),
            [403, 403, 200, 403, 200, 404, 303],
        ),
        post(
            "/team/move",
            "/team/move",
            &[
                ("customer", &shop),
                ("to", &east),
                ("rep", "nobody"),
                ("reason", "left"),
            ],
            [403, 403, 303, 403, 303, 404, 303],
        ),
        post(
            "/team/move",
            "/team/move",
            &[
                ("customer", &shop),
                ("to", &west),
                ("rep", "nobody"),
                ("reason", "left"),
            ],
            [403, 403, 422, 403, 303, 404, 303],
        ),
        get("/team/territories", "/team/territories", READERS),
        post(
            "/team/territories",
            "/team/territories",
            &[("do", "add"), ("name", "North")],
            [403, 403, 403, 403, 303, 403, 303],
        ),
        // The rep works in both territories, so both supervisors lead them.
        get("/team/{rep}", format!("/team/{REP}"), READERS),
        get("/team/{rep}", format!("/team/{DRIVER}"), MISSING),
        post(
            "/team/{rep}",
            format!("/team/{REP}"),
            &[("month", "2026-03"), ("visits", "40"), ("reason", "as last year")],
            [403, 403, 303, 403, 303, 303, 303],
        ),
        get("/team/{rep}/{day}", format!("/team/{REP}/2026-03-02"), READERS),
        get("/team/{rep}/{day}", format!("/team/{REP}/today"), MISSING),
        get("/team/{rep}/{day}", format!("/team/{DRIVER}/2026-03-02"), MISSING),
        get("/static/{name}", style, EVERYBODY),
        get("/static/{name}", "/static/base.css", [404; 7]),
    ]
}

/// Forms that carry a secret of their own in place of the session's: a link's, or the sign-in form's cookie.
const OTHER_SECRET: [&str; 4] = ["/sign-in", "/s/{secret}", "/d/{secret}", "/password/{secret}"];

async fn world() -> World {
    let world = World::new().await;
    assert_eq!(world.visit(SHOP, "seen in the east").await, EAST_VISIT);
    assert_eq!(world.visit(WEST_SHOP, "seen in the west").await, WEST_VISIT);
    let tree = edit::tree_of(&samples::delivery("DN-1")).unwrap();
    assert_eq!(world.record(&tree).await, DELIVERY);
    world
}

async fn status(world: &World, line: &Line, who: Option<UserId>, secret: Option<&str>) -> u16 {
    let encoded = crate::web::page::encoded;
    let mut fields: Vec<String> = line
        .fields
        .iter()
        .map(|(name, value)| format!("{name}={}", encoded(value)))
        .collect();
    fields.extend(secret.map(|it| format!("csrf={}", encoded(it))));
    let mut request = Request::builder()
        .method(line.method)
        .uri(&line.address)
        .header(header::ACCEPT, "text/html");
    if let Some(user) = who {
        request = request.header(header::COOKIE, format!("fieldledger_session={}", token(user)));
    }
    let body = if line.method == "POST" {
        request = request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        Body::from(fields.join("&"))
    } else {
        Body::empty()
    };
    // The body is not read: one of them never ends.
    let response = world.app.clone().oneshot(request.body(body).unwrap()).await.unwrap();
    response.status().as_u16()
}

/// Every route with every method that it takes, from the router itself.
async fn routes(world: &World) -> BTreeSet<(String, &'static str)> {
    let pages = crate::web::pages();
    let app = pages.router.with_state(world.state.clone());
    let mut found = BTreeSet::new();
    for path in pages.paths {
        let address = path.replace(['{', '}'], "");
        let request = Request::builder()
            .method("BREW")
            .uri(address)
            .body(Body::empty())
            .unwrap();
        let response = app.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED, "{path}");
        let allowed = response.headers()[header::ALLOW].to_str().unwrap().to_owned();
        for method in allowed.split(',').filter(|it| *it != "HEAD") {
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            let method = match method {
                Method::GET => "GET",
                Method::POST => "POST",
                other => panic!("{path}: forms send GET and POST only, not {other}"),
            };
            found.insert((path.to_owned(), method));
        }
    }
    assert!(found.len() > 20, "only {} routes were found", found.len());
    found
}

fn is_of(route: &str, address: &str) -> bool {
    let path = address.split('?').next().unwrap_or_default();
    let (route, path): (Vec<_>, Vec<_>) = (route.split('/').collect(), path.split('/').collect());
    route.len() == path.len() && route.iter().zip(&path).all(|(a, b)| a.starts_with('{') || a == b)
}

#[tokio::test]
async fn every_route_has_a_line_that_says_who_reaches_it() {
    let world = World::new().await;
    let known: BTreeSet<(String, &str)> = table()
        .iter()
        .inspect(|it| {
            assert!(
                is_of(it.route, &it.address),
                "{} is no address of {}",
                it.address,
                it.route
            );
        })
        .map(|it| (it.route.to_owned(), it.method))
        .collect();
    let there = routes(&world).await;
    let missing: Vec<_> = there.difference(&known).collect();
    assert!(
        missing.is_empty(),
        "no line in the table of web/tests/routes.rs says who reaches {missing:?}"
    );
    let gone: Vec<_> = known.difference(&there).collect();
    assert!(
        gone.is_empty(),
        "the table of web/tests/routes.rs has lines of routes that are gone: {gone:?}"
    );
}

#[tokio::test]
async fn each_role_is_answered_as_the_table_says() {
    let reading = world().await;
    for line in table() {
        for (who, expected) in ASKING.into_iter().zip(line.answers) {
            // What changes something begins anew each time.
            // Whoever tries secrets is soon asked to wait: each gets a server of their own.
            let fresh = line.method == "POST" || line.answers == WRONG_SECRET;
            let changing = if fresh { Some(world().await) } else { None };
            let world = changing.as_ref().unwrap_or(&reading);
            let secret = who.map(csrf);
            let given = status(world, &line, who, secret.as_deref()).await;
            let who = who.map_or_else(|| "nobody".to_owned(), |it| it.to_string());
            assert_eq!(given, expected, "{} {} for {who}", line.method, line.address);
        }
    }
}

#[tokio::test]
async fn no_form_passes_without_the_secret_of_its_own_session() {
    let world = world().await;
    let mut asked: BTreeMap<String, bool> = BTreeMap::new();
    for line in table().iter().filter(|it| it.method == "POST") {
        if OTHER_SECRET.contains(&line.route) {
            continue;
        }
        let others = csrf(FINANCE);
        for secret in [None, Some(""), Some("wrong"), Some(others.as_str())] {
            let given = status(&world, line, Some(ADMINISTRATOR), secret).await;
            assert_eq!(given, 403, "{} with {secret:?}", line.address);
        }
        asked.insert(line.route.to_owned(), true);
    }
    for (route, method) in routes(&world).await {
        let needs = method == "POST" && !OTHER_SECRET.contains(&route.as_str());
        assert!(!needs || asked.contains_key(&route), "{route} was not asked");
    }
    // Nothing of it had an effect.
    assert!(world.device().await.revoked_at.is_none());
}

#[tokio::test]
async fn the_address_of_every_form_leads_back_to_the_page_it_stands_on() {
    let world = world().await;
    let there = routes(&world).await;
    let mut led = 0;
    for line in table().iter().filter(|it| it.method == "POST" && it.answers[4] != 404) {
        let path = line.address.split('?').next().unwrap();
        let open = |address: &str| {
            let request = Request::get(address)
                .header(header::COOKIE, format!("fieldledger_session={}", token(ADMINISTRATOR)))
                .header(header::ACCEPT, "text/html")
                .header("sec-fetch-dest", "document");
            world.send(request.body(Body::empty()).unwrap())
        };
        let page = crate::web::page::page_of(path);
        if there.contains(&(line.route.to_owned(), "GET")) {
            assert_eq!(page, path, "a page of its own");
            continue;
        }
        let reply = open(path).await;
        assert_eq!(
            (reply.status, reply.location()),
            (StatusCode::SEE_OTHER, page.as_str()),
            "{path}"
        );
        assert_ne!(
            open(&page).await.status,
            StatusCode::METHOD_NOT_ALLOWED,
            "{path} leads to {page}"
        );
        // A page that was left open and reads itself again is not led away from what is typed into it.
        let script = Request::get(path).header("sec-fetch-dest", "empty");
        let script = world.send(script.body(Body::empty()).unwrap()).await;
        assert_eq!(script.status, StatusCode::METHOD_NOT_ALLOWED, "{path}");
        led += 1;
    }
    assert!(led > 10, "only {led} forms were looked at");
}

#[tokio::test]
async fn every_page_forbids_what_is_inline_or_from_elsewhere_and_holds_nothing_of_it() {
    let world = world().await;
    for line in table().iter().filter(|it| it.method == "GET" && it.answers[4] == 200) {
        if line.route == "/activity/live" {
            continue; // an endless stream
        }
        let reply = world.get(ADMINISTRATOR, &line.address).await;
        let policy = reply.headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
        for rule in [
            "default-src 'none'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
            "form-action 'self'",
        ] {
            assert!(policy.contains(rule), "{}: {policy}", line.address);
        }
        assert!(!policy.contains("unsafe"), "{}: {policy}", line.address);
        assert_eq!(
            reply.headers[header::X_CONTENT_TYPE_OPTIONS],
            "nosniff",
            "{}",
            line.address
        );
        assert_eq!(reply.headers[header::X_FRAME_OPTIONS], "DENY", "{}", line.address);
        assert!(reply.headers.contains_key(header::REFERRER_POLICY), "{}", line.address);
        if line.route.starts_with("/static/") {
            continue;
        }
        assert_eq!(reply.headers[header::CACHE_CONTROL], "no-store", "{}", line.address);
        for inline in [" style=", " onclick=", " onload=", " onerror=", "<style", "javascript:"] {
            assert!(!reply.body.contains(inline), "{} holds {inline}", line.address);
        }
        for script in reply.body.split("<script").skip(1) {
            let tag = script.split('>').next().unwrap_or_default();
            assert!(tag.contains("src=\"/static/"), "{} holds a script {tag}", line.address);
        }
        assert!(
            !reply.body.contains("src=\"\""),
            "{} names an asset that is not there",
            line.address
        );
    }
}
