//! Who gets in, and what each role reaches.

use axum::{
    body::Body,
    http::{Request, StatusCode, header},
};
use fieldledger_core::{
    model::{TerritoryId, Timestamp},
    sync::protocol::RejectionCode,
};

use super::samples::{HOSTILE, assert_inert};
use super::world::{
    ADMINISTRATOR, DRIVER, EAST, FINANCE, NOON, ORG, PHONE, REP, SHOP, SUPERVISOR, WEST, WEST_SHOP, WEST_SUPERVISOR,
    World, csrf,
};
use crate::{
    auth::hash_password,
    store::{DocumentStore as _, PeopleStore as _, Quarantined},
};

#[tokio::test]
async fn each_role_reaches_exactly_its_pages_and_records_of_its_territories() {
    type Post = (String, Vec<(&'static str, String)>, [u16; 6]);
    let world = World::new().await;
    let east = world.visit(SHOP, "seen in the east").await;
    let west = world.visit(WEST_SHOP, "seen in the west").await;
    let everybody = [REP, DRIVER, SUPERVISOR, FINANCE, ADMINISTRATOR, WEST_SUPERVISOR];
    let table: Vec<(String, [u16; 6])> = vec![
        ("/".to_owned(), [403, 403, 200, 200, 200, 200]),
        ("/activity".to_owned(), [403, 403, 200, 200, 200, 200]),
        (format!("/activity?territory={WEST}"), [403, 403, 404, 200, 200, 200]),
        ("/activity/live".to_owned(), [403, 403, 0, 0, 0, 0]),
        ("/activity/photos".to_owned(), [403, 403, 200, 200, 200, 200]),
        (
            format!("/activity/day/{REP}/2026-03-02"),
            [403, 403, 200, 200, 200, 200],
        ),
        (
            format!("/activity/day/{DRIVER}/2026-03-02"),
            [403, 403, 200, 200, 200, 404],
        ),
        ("/activity/day/x/2026-03-02".to_owned(), [403, 403, 404, 404, 404, 404]),
        (
            format!("/activity/day/{REP}/2026-02-30"),
            [403, 403, 404, 404, 404, 404],
        ),
        (format!("/records/{east}"), [403, 403, 200, 200, 200, 404]),
        (format!("/records/{west}"), [403, 403, 404, 200, 200, 200]),
        ("/records/nonsense".to_owned(), [403, 403, 404, 404, 404, 404]),
        ("/customers".to_owned(), [403, 403, 200, 200, 200, 200]),
        (format!("/customers/{SHOP}"), [403, 403, 200, 200, 200, 404]),
        (format!("/customers/{WEST_SHOP}"), [403, 403, 404, 200, 200, 200]),
        ("/quarantine".to_owned(), [403, 403, 200, 200, 200, 200]),
        ("/devices".to_owned(), [403, 403, 200, 403, 200, 200]),
        (format!("/devices/{PHONE}/revoke"), [403, 403, 403, 403, 200, 403]),
    ];
    for (path, expected) in &table {
        for (user, expected) in everybody.iter().zip(expected) {
            if *expected == 0 {
                continue; // an endless stream
            }
            let reply = world.get(*user, path).await;
            assert_eq!(reply.status.as_u16(), *expected, "{path} for {user}");
            assert!(
                reply.headers[header::CONTENT_TYPE]
                    .to_str()
                    .unwrap()
                    .starts_with("text/html")
            );
        }
    }
    let posts: Vec<Post> = vec![
        (
            format!("/records/{east}/review"),
            vec![("verdict", "approved".to_owned())],
            [403, 403, 303, 303, 303, 404],
        ),
        (
            "/activity/review".to_owned(),
            vec![("verdict", "approved".to_owned()), ("id", east.to_string())],
            [403, 403, 303, 303, 303, 303],
        ),
        (
            "/quarantine/seen".to_owned(),
            vec![("until", "0".to_owned())],
            [403, 403, 303, 403, 303, 303],
        ),
        (
            "/devices/enrolment".to_owned(),
            vec![("person", REP.to_string())],
            [403, 403, 403, 403, 200, 403],
        ),
        (
            format!("/devices/{PHONE}/revoke"),
            vec![],
            [403, 403, 403, 403, 303, 403],
        ),
    ];
    for (path, fields, expected) in &posts {
        for (user, expected) in everybody.iter().zip(expected) {
            let secret = csrf(*user);
            let mut fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
            fields.push(("csrf", &secret));
            let reply = world.post(*user, path, &fields).await;
            assert_eq!(reply.status.as_u16(), *expected, "POST {path} for {user}");
        }
    }
    assert!(world.device().await.revoked_at.is_some());
}

#[tokio::test]
async fn nothing_of_another_territory_shows_anywhere() {
    let world = World::new().await;
    let west = world.visit(WEST_SHOP, "secret of the west").await;
    world.visit(SHOP, "open in the east").await;
    for path in [
        "/".to_owned(),
        "/activity".to_owned(),
        "/activity?q=secret".to_owned(),
        "/activity/photos".to_owned(),
        format!("/activity/day/{REP}/2026-03-02"),
        "/activity?customer=Western".to_owned(),
        format!("/activity?customer={WEST_SHOP}"),
        format!("/activity?before=99999999999999.{west}"),
        "/customers".to_owned(),
        "/customers?q=Secret".to_owned(),
        format!("/records/{west}"),
        format!("/customers/{WEST_SHOP}"),
        format!("/customers/{WEST_SHOP}/money"),
        "/credit".to_owned(),
        "/credit/allowances".to_owned(),
        "/credit/warnings".to_owned(),
        "/receivables".to_owned(),
        "/receivables?q=Secret".to_owned(),
        "/receivables/worklist".to_owned(),
        "/receivables/reminders".to_owned(),
        "/receivables/unmatched".to_owned(),
        "/receivables/statements".to_owned(),
        "/receivables/timers".to_owned(),
    ] {
        let body = world.get(SUPERVISOR, &path).await.body;
        assert!(!body.contains("secret of the west"), "{path}");
        assert!(!body.contains("Western Secret"), "{path}");
    }
    let own = world.get(WEST_SUPERVISOR, "/activity").await.body;
    assert!(own.contains("secret of the west") && !own.contains("open in the east"));
}

#[tokio::test]
async fn without_a_session_a_browser_is_sent_to_sign_in_and_comes_back() {
    let world = World::new().await;
    let hash = hash_password("a long enough password".to_owned()).await.unwrap();
    let mut supervisor = world.store.account(ORG, SUPERVISOR).await.unwrap().unwrap();
    supervisor.password_hash = Some(hash);
    world.store.put_account(supervisor).await.unwrap();
    let page = Request::get("/customers?q=tea").header(header::ACCEPT, "text/html");
    let away = world.send(page.body(Body::empty()).unwrap()).await;
    assert!(away.status.is_redirection());
    assert_eq!(away.location(), "/sign-in?next=/customers%3Fq%3Dtea");

    let form = world
        .send(Request::get(away.location()).body(Body::empty()).unwrap())
        .await;
    assert_eq!(form.status, StatusCode::OK);
    let cookie = form.headers[header::SET_COOKIE]
        .to_str()
        .unwrap()
        .split(';')
        .next()
        .unwrap()
        .to_owned();
    let secret = cookie.split_once('=').unwrap().1.to_owned();
    assert!(form.body.contains(&secret));
    let sign_in = |password: &str, secret: &str| {
        let body = format!(
            "login=Supervisor&password={}&next=/customers%3Fq%3Dtea&secret={secret}",
            crate::web::page::encoded(password)
        );
        Request::post("/sign-in")
            .header(header::COOKIE, &cookie)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Body::from(body))
            .unwrap()
    };
    let forged = world.send(sign_in("a long enough password", "made-up")).await;
    assert_eq!(forged.status, StatusCode::FORBIDDEN);
    let wrong = world.send(sign_in("wrong", &secret)).await;
    assert_eq!(wrong.status, StatusCode::UNAUTHORIZED);
    assert!(wrong.body.contains("is not right") && wrong.body.contains("role=\"alert\""));
    let right = world.send(sign_in("a long enough password", &secret)).await;
    assert_eq!(right.status, StatusCode::SEE_OTHER);
    assert_eq!(right.location(), "/customers?q=tea");
    let session = right.headers[header::SET_COOKIE].to_str().unwrap();
    assert!(session.contains("HttpOnly") && session.contains("SameSite=Lax"));
    // A second sign-in begins another session, and the first one is over.
    let first = session.split(';').next().unwrap().to_owned();
    let again = {
        let mut request = sign_in("a long enough password", &secret);
        let both = format!("{cookie}; {first}");
        request.headers_mut().insert(header::COOKIE, both.parse().unwrap());
        world.send(request).await
    };
    let second = again.headers[header::SET_COOKIE]
        .to_str()
        .unwrap()
        .split(';')
        .next()
        .unwrap()
        .to_owned();
    assert_ne!(first, second);
    for (cookie, works) in [(&first, false), (&second, true)] {
        let page = Request::get("/customers")
            .header(header::ACCEPT, "text/html")
            .header(header::COOKIE, cookie);
        let reply = world.send(page.body(Body::empty()).unwrap()).await;
        assert_eq!(reply.status == StatusCode::OK, works);
    }
    let mut locked = None;
    for _ in 0..8 {
        let reply = world.send(sign_in("wrong", &secret)).await;
        if reply.status == StatusCode::TOO_MANY_REQUESTS {
            locked = Some(reply);
            break;
        }
    }
    let locked = locked.expect("guessing goes on for ever");
    assert!(
        locked.body.contains("Too many attempts. Try again in"),
        "{}",
        locked.body
    );
    assert!(locked.body.contains("role=\"alert\""));
    assert!(locked.headers.contains_key(header::RETRY_AFTER));
}

#[tokio::test]
async fn signing_out_ends_the_session() {
    let world = World::new().await;
    assert_eq!(
        world.post(SUPERVISOR, "/sign-out", &[]).await.status,
        StatusCode::FORBIDDEN
    );
    let left = world
        .post(SUPERVISOR, "/sign-out", &[("csrf", &csrf(SUPERVISOR))])
        .await;
    assert_eq!(left.location(), "/sign-in?left=true");
    assert!(world.get(SUPERVISOR, "/").await.status.is_redirection());
}

#[tokio::test]
async fn a_form_without_the_sessions_secret_changes_nothing() {
    let world = World::new().await;
    let id = world.visit(SHOP, "note").await;
    let forms = [
        format!("/records/{id}/review"),
        format!("/records/{id}/settle"),
        format!("/records/{id}/reply"),
        "/activity/review".to_owned(),
        "/quarantine/seen".to_owned(),
        format!("/devices/{PHONE}/revoke"),
        "/devices/enrolment".to_owned(),
        "/sign-out".to_owned(),
    ];
    let other = csrf(FINANCE);
    for path in &forms {
        for secret in [None, Some(""), Some("wrong"), Some(other.as_str())] {
            let mut fields = vec![("verdict", "approved"), ("person", "x")];
            fields.extend(secret.map(|it| ("csrf", it)));
            let reply = world.post(ADMINISTRATOR, path, &fields).await;
            assert_eq!(reply.status, StatusCode::FORBIDDEN, "{path} with {secret:?}");
        }
    }
    assert!(world.store.reviews_of(ORG, id).await.unwrap().is_empty());
    assert!(world.device().await.revoked_at.is_none());
}

#[tokio::test]
async fn every_answer_forbids_foreign_content_and_frames() {
    let world = World::new().await;
    let style = crate::web::assets::ADDRESSES.of("base.css").to_owned();
    world.visit(SHOP, "note").await;
    let day = format!("/activity/day/{REP}/2026-03-02");
    for path in [
        "/",
        "/activity",
        &day,
        "/quarantine",
        "/records/x",
        "/sign-in",
        style.as_str(),
    ] {
        let reply = world.get(SUPERVISOR, path).await;
        let policy = reply.headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(
            policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"),
            "{path}"
        );
        assert!(!policy.contains("unsafe"));
        assert_eq!(reply.headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
        assert!(reply.headers.contains_key(header::REFERRER_POLICY));
        assert!(!reply.body.contains(" style=") && !reply.body.contains(" onclick="));
    }
    let page = world.get(SUPERVISOR, "/activity").await;
    assert_eq!(page.headers[header::CACHE_CONTROL], "no-store");
    assert!(page.body.contains(&style));
    let asset = world.get(SUPERVISOR, &style).await;
    assert!(
        asset.headers[header::CACHE_CONTROL]
            .to_str()
            .unwrap()
            .contains("immutable")
    );
    assert_eq!(
        world.get(SUPERVISOR, "/static/base.css").await.status,
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn the_quarantine_shows_why_and_from_whom_only_in_its_territory() {
    let world = World::new().await;
    let item = |digest: u8, user, territory: Option<TerritoryId>, message: &str| Quarantined {
        digest: [digest; 32],
        document: None,
        territory,
        bytes: vec![0; 2_000],
        user,
        device: PHONE,
        code: RejectionCode::WrongTerritory,
        message: message.to_owned(),
        received_at: Timestamp::from_millis(NOON),
    };
    let items = vec![
        item(1, REP, Some(EAST), "east reason"),
        item(2, WEST_SUPERVISOR, Some(WEST), "west reason"),
        item(3, WEST_SUPERVISOR, None, "no place"),
        // The customer of somebody of the east is in the west by now; of the last one nothing could be read.
        item(4, DRIVER, Some(WEST), "moved away"),
        item(5, DRIVER, None, "cannot be read"),
        // Whoever works in both has a supervisor in both.
        item(6, REP, Some(WEST), "own of the west"),
    ];
    world.store.quarantine(ORG, items).await.unwrap();
    let east = world.get(SUPERVISOR, "/quarantine").await.body;
    assert!(east.contains("east reason") && east.contains("Wrong territory") && east.contains("rep name"));
    assert!(!east.contains("west reason") && !east.contains("no place"));
    assert!(east.contains("moved away") && east.contains("cannot be read") && !east.contains("own of the west"));
    let all = world.get(ADMINISTRATOR, "/quarantine").await.body;
    assert!(all.contains("east reason") && all.contains("west reason") && all.contains("no place"));

    // Sorted and narrowed by the address.
    let sorted = world.get(ADMINISTRATOR, "/quarantine?sort=message").await.body;
    assert!(
        sorted.find("east reason") < sorted.find("no place") && sorted.find("no place") < sorted.find("west reason")
    );
    assert!(sorted.contains("aria-sort=\"ascending\"") && sorted.contains("sort=-message"));
    let narrowed = world
        .get(ADMINISTRATOR, "/quarantine?q=west+reason&reason=wrong_territory")
        .await
        .body;
    assert!(narrowed.contains("west reason") && !narrowed.contains("east reason"));
    assert!(
        world
            .get(ADMINISTRATOR, "/quarantine?reason=invalid")
            .await
            .body
            .contains("Nothing matches")
    );
    // The whole list as a file, and of one's own territories only.
    let csv = world.get(SUPERVISOR, "/quarantine?format=csv&page=7").await;
    assert_eq!(csv.headers[header::CONTENT_TYPE], "text/csv; charset=utf-8");
    assert_eq!(
        csv.headers[header::CONTENT_DISPOSITION],
        "attachment; filename=\"quarantine.csv\""
    );
    assert_eq!(csv.body.lines().count(), 4, "{}", csv.body);
    assert!(csv.body.starts_with('\u{feff}') && csv.body.contains("east reason") && csv.body.contains(",\"2000\","));
    let raw = Request::get("/quarantine?format=xlsx")
        .header(
            header::COOKIE,
            format!("fieldledger_session={}", super::world::token(ADMINISTRATOR)),
        )
        .body(Body::empty())
        .unwrap();
    let workbook = tower::ServiceExt::oneshot(world.app.clone(), raw).await.unwrap();
    let bytes = axum::body::to_bytes(workbook.into_body(), 1 << 20).await.unwrap();
    assert!(bytes.starts_with(b"PK"));

    // What somebody has looked at waits no more, in the reader's territories only.
    let digest = |number: u8| format!("{number:02x}").repeat(32);
    // Only what the page showed is called looked at: what a filter hid, and what is of another territory, is not.
    let hidden = world.get(SUPERVISOR, "/quarantine?reason=invalid").await.body;
    assert!(!hidden.contains("name=\"digest\""));
    assert!(east.contains(&digest(1)) && !east.contains(&digest(2)));
    let path = format!("/quarantine/{}", digest(1));
    assert!(east.contains(&path));
    let one = world.get(SUPERVISOR, &path).await.body;
    assert!(one.contains("east reason") && one.contains("action=\"/quarantine/seen\""));
    assert_eq!(world.get(WEST_SUPERVISOR, &path).await.status, StatusCode::NOT_FOUND);
    let moved = format!("/quarantine/{}", digest(4));
    for reader in [SUPERVISOR, WEST_SUPERVISOR] {
        assert!(world.get(reader, &moved).await.body.contains("moved away"));
    }
    let fields = [
        ("csrf", csrf(SUPERVISOR)),
        ("digest", digest(1)),
        ("digest", digest(2)),
        ("back", "/quarantine?reason=wrong_territory".to_owned()),
    ];
    let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let seen = world.post(SUPERVISOR, "/quarantine/seen", &fields).await;
    assert_eq!(seen.location(), "/quarantine?reason=wrong_territory&done=1");
    let own = world.get(SUPERVISOR, "/quarantine?unseen=1").await.body;
    assert!(!own.contains("east reason"));
    let all = world.get(ADMINISTRATOR, "/quarantine?unseen=1").await.body;
    assert!(!all.contains("east reason") && all.contains("west reason") && all.contains("no place"));
    assert!(
        world
            .get(SUPERVISOR, "/quarantine")
            .await
            .body
            .contains("supervisor name")
    );
}

#[tokio::test]
async fn an_address_with_nothing_at_it_is_a_page_for_people_and_an_error_for_software() {
    let world = World::new().await;
    let page = world.get_in(SUPERVISOR, "/nothing/here", "zh").await;
    assert_eq!(page.status, StatusCode::NOT_FOUND);
    assert!(page.body.contains("<nav") && page.body.contains("href=\"/activity\"") && page.body.contains("退出"));
    assert!(page.headers.contains_key(header::CONTENT_SECURITY_POLICY));
    // What is not the reader's to see stands in the same frame, and so does nothing at all for whoever is not signed in.
    let foreign = world.get(SUPERVISOR, &format!("/customers/{WEST_SHOP}")).await;
    assert!(foreign.status == StatusCode::NOT_FOUND && foreign.body.contains("href=\"/activity\""));
    let stranger = Request::get("/nothing/here").header(header::ACCEPT, "text/html");
    let stranger = world.send(stranger.body(Body::empty()).unwrap()).await;
    assert_eq!(stranger.status, StatusCode::NOT_FOUND);
    assert!(stranger.body.contains("Not found") && !stranger.body.contains("href=\"/activity\""));
    let software = Request::get("/v1/nothing").body(Body::empty()).unwrap();
    let software = world.send(software).await;
    assert_eq!(software.status, StatusCode::NOT_FOUND);
    assert!(serde_json::from_str::<serde_json::Value>(&software.body).is_ok());
}

#[tokio::test]
async fn a_rep_who_signs_in_is_told_where_their_work_is_and_can_leave() {
    let world = World::new().await;
    let page = world.get(REP, "/").await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
    assert!(page.body.contains("in the app on your phone") && page.body.contains("action=\"/sign-out\""));
    assert!(page.body.contains(&csrf(REP)) && !page.body.contains("<nav") && !page.body.contains("live.js"));
    let left = world.post(REP, "/sign-out", &[("csrf", &csrf(REP))]).await;
    assert_eq!(left.location(), "/sign-in?left=true");
}

#[tokio::test]
async fn what_is_in_quarantine_can_be_read_whether_or_not_it_is_a_record() {
    let world = World::new().await;
    let by = super::world::by_rep(NOON);
    let document = fieldledger_core::model::DocumentId::from_bytes([0x44; 16]);
    let visit = super::world::visit(SHOP, HOSTILE);
    let tree = fieldledger_core::document::edit::tree_of(&visit).unwrap();
    let sound = fieldledger_core::document::create(document, &tree, &by).unwrap().bytes;
    let item = |digest: u8, bytes: Vec<u8>| Quarantined {
        digest: [digest; 32],
        document: None,
        territory: Some(EAST),
        bytes,
        user: REP,
        device: PHONE,
        code: RejectionCode::NotAllowed,
        message: "a rep may not do this".to_owned(),
        received_at: Timestamp::from_millis(NOON),
    };
    let mut broken = vec![0, 1, 2, 0xff];
    broken.extend("货架已满 <b>shelf</b>".as_bytes());
    broken.extend([0, 0xfe, 7]);
    let items = vec![item(1, sound), item(2, broken), item(3, vec![0, 1, 0xff])];
    world.store.quarantine(ORG, items).await.unwrap();
    let page = |number: u8| format!("/quarantine/{}", format!("{number:02x}").repeat(32));
    let record = world.get(SUPERVISOR, &page(1)).await.body;
    assert_inert(&record);
    assert!(
        record.contains("evil") && record.contains("8400 m") && record.contains("东方超市"),
        "{record}"
    );
    let words = world.get(SUPERVISOR, &page(2)).await.body;
    assert!(words.contains("货架已满 &#60;b&#62;shelf&#60;/b&#62;"), "{words}");
    let nothing = world.get(SUPERVISOR, &page(3)).await.body;
    assert!(nothing.contains("Nothing in it can be read."));
    for wrong in ["0", &"zz".repeat(32), &"é".repeat(32)] {
        let wrong = format!("/quarantine/{}", crate::web::page::encoded(wrong));
        assert_eq!(world.get(SUPERVISOR, &wrong).await.status, StatusCode::NOT_FOUND);
    }
}
