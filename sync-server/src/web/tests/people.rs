//! Accounts, passwords and sessions.

use axum::{
    body::Body,
    http::{Request, StatusCode, header},
};
use fieldledger_core::model::{Role, Timestamp, UserId};

use super::{
    samples::{HOSTILE, assert_inert},
    world::{ADMINISTRATOR, EAST, FINANCE, NOON, ORG, REP, Reply, SUPERVISOR, WEST, World, csrf, token},
};
use crate::{
    auth::{hash_password, hash_secret, verify_password},
    store::{Account, PeopleStore as _, Session},
};

async fn act(world: &World, path: &str, fields: &[(&str, &str)]) -> Reply {
    let secret = csrf(ADMINISTRATOR);
    let mut fields = fields.to_vec();
    fields.push(("csrf", &secret));
    world.post(ADMINISTRATOR, path, &fields).await
}

async fn account(world: &World, login: &str) -> Account {
    world.store.account_by_login(login).await.unwrap().unwrap()
}

async fn actions(world: &World) -> Vec<String> {
    let log = world.store.audit_log(ORG, 50).await.unwrap();
    log.into_iter().map(|it| it.action).collect()
}

/// The value of the field with this id.
fn field<'b>(body: &'b str, id: &str) -> &'b str {
    let rest = body.split(&format!("id=\"{id}\"")).nth(1).unwrap();
    rest.split("value=\"").nth(1).unwrap().split('"').next().unwrap()
}

fn path_of(address: &str) -> String {
    format!("/{}", address.splitn(4, '/').nth(3).unwrap())
}

async fn send_form(world: &World, path: &str, body: &str) -> Reply {
    let request = Request::post(path)
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Body::from(body.to_owned()))
        .unwrap();
    world.send(request).await
}

#[tokio::test]
async fn an_administrator_makes_an_account_and_its_person_sets_the_password_once() {
    let world = World::new().await;
    let (east, boss) = (EAST.to_string(), SUPERVISOR.to_string());
    let made = act(
        &world,
        "/people/new",
        &[
            ("login", "Zhang.Wei"),
            ("name", "张伟"),
            ("role", "rep"),
            ("role", "driver"),
            ("territory", &east),
            ("supervisor", &boss),
        ],
    )
    .await;
    assert_eq!(made.status, StatusCode::OK, "{}", made.body);
    let account = account(&world, "zhang.wei").await;
    assert_eq!(account.roles, [Role::Rep, Role::Driver]);
    assert_eq!(
        (account.territories.as_slice(), account.password_hash.is_none()),
        ([EAST].as_slice(), true)
    );
    let link = path_of(field(&made.body, "password-link"));
    assert!(link.starts_with("/password/"));

    let form = world.send(Request::get(&link).body(Body::empty()).unwrap()).await;
    assert_eq!(form.status, StatusCode::OK);
    assert_eq!(form.headers[header::REFERRER_POLICY], "no-referrer");
    let differ = send_form(&world, &link, "new=seven+blue+horses&again=other").await;
    assert!(differ.status == StatusCode::UNPROCESSABLE_ENTITY && differ.body.contains("not the same"));
    let short = send_form(&world, &link, "new=short&again=short").await;
    assert!(short.body.contains("ten characters") && !short.body.contains("value=\"short\""));
    let set = send_form(&world, &link, "new=seven+blue+horses&again=seven+blue+horses").await;
    assert_eq!(set.location(), "/sign-in?changed=true");
    let hash = self::account(&world, "zhang.wei").await.password_hash;
    assert!(verify_password("seven blue horses".to_owned(), hash).await);
    let again = send_form(&world, &link, "new=another+long+one&again=another+long+one").await;
    assert_eq!(again.status, StatusCode::GONE);
    let log = actions(&world).await;
    for action in ["user.created", "user.password_link_made", "user.password_set"] {
        assert!(log.iter().any(|it| it == action), "{action} is not in {log:?}");
    }
    // The secret stands nowhere but in the address.
    let lines = world.store.audit_log(ORG, 50).await.unwrap();
    let secret = link.rsplit('/').next().unwrap();
    assert!(
        lines
            .iter()
            .all(|it| !it.detail.contains(secret) && !it.subject.contains(secret))
    );
}

#[tokio::test]
async fn what_is_wrong_with_an_account_is_said_and_what_was_typed_stays() {
    let world = World::new().await;
    for (fields, said) in [
        (
            vec![("login", "rep"), ("name", "Li"), ("role", "rep")],
            "belongs to rep name",
        ),
        (vec![("login", "a b"), ("name", "Li"), ("role", "rep")], "no spaces"),
        (vec![("login", "li"), ("name", " "), ("role", "rep")], "one line"),
        (vec![("login", "li"), ("name", "Li")], "at least one role"),
    ] {
        let reply = act(&world, "/people/new", &fields).await;
        assert_eq!(reply.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(reply.body.contains(said), "{said}");
        assert!(reply.body.contains(&format!("value=\"{}\"", fields[0].1)));
    }
    let territory = UserId::from_bytes([0x77; 16]).to_string();
    let unknown = [
        ("login", "li"),
        ("name", "Li"),
        ("role", "rep"),
        ("territory", &territory),
    ];
    assert!(
        act(&world, "/people/new", &unknown)
            .await
            .body
            .contains("no such territory")
    );
    let nonsense = [("login", "li"), ("name", "Li"), ("role", "emperor")];
    assert_eq!(
        act(&world, "/people/new", &nonsense).await.status,
        StatusCode::BAD_REQUEST
    );
    assert!(world.store.account_by_login("li").await.unwrap().is_none());
}

#[tokio::test]
async fn roles_territories_and_the_account_itself_change_and_nobody_locks_themselves_out() {
    let world = World::new().await;
    let person = format!("/people/{REP}");
    let west = WEST.to_string();
    let listed = async || {
        world
            .get(ADMINISTRATOR, "/activity")
            .await
            .body
            .contains(">Li Na</option>")
    };
    assert!(!listed().await);
    let saved = act(
        &world,
        &person,
        &[
            ("do", "save"),
            ("name", "Li Na"),
            ("role", "driver"),
            ("territory", &west),
        ],
    )
    .await;
    assert_eq!(saved.location(), format!("/people/{REP}?done=saved"));
    assert!(listed().await, "the list of activity knows the new name at once");
    let now = account(&world, "rep").await;
    assert_eq!(
        (now.name.as_str(), now.roles.as_slice(), now.territories.as_slice()),
        ("Li Na", [Role::Driver].as_slice(), [WEST].as_slice())
    );
    let log = actions(&world).await;
    assert_eq!(&log[..3], ["user.renamed", "user.territories_set", "user.roles_set"]);

    act(&world, &person, &[("do", "disable")]).await;
    assert!(account(&world, "rep").await.disabled);
    assert!(
        world.get(REP, "/activity").await.status.is_redirection(),
        "the session is over"
    );
    let refused = act(&world, &person, &[("do", "code")]).await;
    assert!(refused.body.contains("The account is shut"));
    act(&world, &person, &[("do", "enable")]).await;
    assert!(!account(&world, "rep").await.disabled);

    let oneself = format!("/people/{ADMINISTRATOR}");
    for fields in [
        vec![("do", "disable")],
        vec![("do", "save"), ("name", "administrator name"), ("role", "rep")],
    ] {
        let reply = act(&world, &oneself, &fields).await;
        assert_eq!(reply.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(reply.body.contains("another administrator"));
    }
    let kept = account(&world, "administrator").await;
    assert!(!kept.disabled && kept.has(Role::Administrator));
}

async fn other_session(world: &World, user: UserId, name: &str) -> String {
    let session = Session {
        token_hash: hash_secret(name),
        organisation: ORG,
        user,
        csrf: "x".to_owned(),
        created_at: Timestamp::from_millis(NOON),
        expires_at: Timestamp::from_millis(NOON + 1_000_000_000),
        last_seen_at: Timestamp::from_millis(NOON),
        address: "198.51.100.9".to_owned(),
        agent: HOSTILE.to_owned(),
    };
    world.store.put_session(session.clone()).await.unwrap();
    crate::auth::SignedIn::name_of(&session)
}

async fn works(world: &World, name: &str) -> bool {
    let request = Request::get("/account")
        .header(header::COOKIE, format!("fieldledger_session={name}"))
        .header(header::ACCEPT, "text/html")
        .body(Body::empty())
        .unwrap();
    world.send(request).await.status == StatusCode::OK
}

#[tokio::test]
async fn a_person_sees_where_they_are_signed_in_and_ends_it_one_by_one_or_everywhere() {
    let world = World::new().await;
    let there = other_session(&world, SUPERVISOR, "elsewhere").await;
    let foreign = other_session(&world, FINANCE, "foreign").await;
    let page = world.get(SUPERVISOR, "/account").await.body;
    assert_inert(&page);
    assert!(page.contains("198.51.100.9") && page.contains("192.0.2.7") && page.contains("this browser"));
    assert!(!page.contains(&foreign), "the session of somebody else");
    let secret = csrf(SUPERVISOR);
    let end = |name: &str| {
        [
            ("csrf", secret.clone()),
            ("do", "end".to_owned()),
            ("session", name.to_owned()),
        ]
    };
    for name in [foreign.as_str(), "nonsense", there.as_str()] {
        let fields = end(name);
        let fields: Vec<(&str, &str)> = fields.iter().map(|(a, b)| (*a, b.as_str())).collect();
        let reply = world.post(SUPERVISOR, "/account", &fields).await;
        assert_eq!(reply.location(), "/account?done=ended");
    }
    assert!(!works(&world, "elsewhere").await && works(&world, "foreign").await);
    let own = token(SUPERVISOR);
    assert!(works(&world, &own).await);
    let all = world
        .post(SUPERVISOR, "/account", &[("csrf", &secret), ("do", "end_all")])
        .await;
    assert_eq!(all.location(), "/sign-in?left=true");
    assert!(all.headers[header::SET_COOKIE].to_str().unwrap().contains("Max-Age=0"));
    assert!(!works(&world, &own).await);
}

#[tokio::test]
async fn an_administrator_signs_somebody_out_everywhere() {
    let world = World::new().await;
    other_session(&world, SUPERVISOR, "elsewhere").await;
    let page = world.get(ADMINISTRATOR, &format!("/people/{SUPERVISOR}")).await.body;
    assert_inert(&page);
    assert!(page.contains("198.51.100.9"));
    act(&world, &format!("/people/{SUPERVISOR}"), &[("do", "sign_out")]).await;
    assert!(!works(&world, "elsewhere").await && !works(&world, &token(SUPERVISOR)).await);
    assert!(works(&world, &token(ADMINISTRATOR)).await);
}

#[tokio::test]
async fn the_own_password_changes_only_with_the_old_one_and_ends_every_session() {
    let world = World::new().await;
    let mut supervisor = account(&world, "supervisor").await;
    supervisor.password_hash = Some(hash_password("an old long password".to_owned()).await.unwrap());
    world.store.put_account(supervisor).await.unwrap();
    let secret = csrf(SUPERVISOR);
    let change = async |old: &str, new: &str, again: &str| {
        let fields = [
            ("csrf", secret.as_str()),
            ("do", "password"),
            ("old", old),
            ("new", new),
            ("again", again),
        ];
        world.post(SUPERVISOR, "/account", &fields).await
    };
    let wrong = change("wrong", "a new long password", "a new long password").await;
    assert!(wrong.status == StatusCode::UNPROCESSABLE_ENTITY && wrong.body.contains("present password is not right"));
    let differ = change("an old long password", "a new long password", "a new long passwort").await;
    assert!(differ.body.contains("not the same"));
    let done = change("an old long password", "a new long password", "a new long password").await;
    assert_eq!(done.location(), "/sign-in?changed=true");
    assert!(!works(&world, &token(SUPERVISOR)).await);
    let hash = account(&world, "supervisor").await.password_hash;
    assert!(verify_password("a new long password".to_owned(), hash).await);
}

#[tokio::test]
async fn names_that_people_chose_stay_text_on_every_page_of_people() {
    let world = World::new().await;
    let long = "名".repeat(200);
    for (user, name) in [(REP, HOSTILE), (SUPERVISOR, long.as_str())] {
        let mut account = world.store.account(ORG, user).await.unwrap().unwrap();
        account.name = name.to_owned();
        world.store.put_account(account).await.unwrap();
    }
    for path in [
        "/people".to_owned(),
        "/people?q=%3Cscript%3Ealert".to_owned(),
        "/people/new".to_owned(),
        format!("/people/{REP}"),
        format!("/people/{SUPERVISOR}"),
        "/devices".to_owned(),
        "/audit".to_owned(),
    ] {
        for language in ["en", "zh"] {
            let reply = world.get_in(ADMINISTRATOR, &path, language).await;
            assert_eq!(reply.status, StatusCode::OK, "{path}");
            assert_inert(&reply.body);
        }
    }
    let csv = world.get(ADMINISTRATOR, "/people?format=csv&role=rep").await;
    assert!(csv.headers[header::CONTENT_TYPE].to_str().unwrap().contains("csv"));
    assert!(csv.body.contains("evil"));
}
