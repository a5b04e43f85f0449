//! The customer's contact reads and answers a statement through a link, without an account.

use axum::{
    body::Body,
    http::{Request, StatusCode, header},
};
use fieldledger_core::model::{Statement, StatementId, StatementLine, StatementLineKind, StatementVerdict, Timestamp};

use super::world::{NOON, ORG, Reply, SHOP, World, cny};
use crate::{
    auth::hash_secret,
    store::{AuditEntry, LedgerStore as _, PeopleStore as _, StatementLink, Step},
};

const ID: StatementId = StatementId::from_bytes([7; 16]);
/// The secret of a link that has expired.
const OLD: &str = "b2xk";
const SECRET: &str = "c2VjcmV0LW9mLXRoZS1saW5rLXRoYXQtbm9ib2R5LWd1ZXNzZXM";

fn line(no: u32, document: &str) -> StatementLine {
    StatementLine {
        no,
        on: "2026-02-10".parse().unwrap(),
        kind: StatementLineKind::Invoice,
        document: document.to_owned(),
        order_number: Some("SO-1".to_owned()),
        shipped_on: None,
        products: Vec::new(),
        debit: 100.into(),
        credit: 0.into(),
        balance: (100 * no).into(),
    }
}

async fn act(world: &World, steps: Vec<Step>) {
    let line = AuditEntry {
        at: Timestamp::from_millis(NOON),
        actor: "test".to_owned(),
        action: "test".to_owned(),
        subject: String::new(),
        detail: String::new(),
    };
    world.store.administer(ORG, steps, line).await.unwrap();
}

/// A statement of two lines, a link to it that works for a day and one that has expired.
async fn with_link() -> World {
    let world = World::new().await;
    let statement = Statement {
        id: ID,
        customer: SHOP,
        from: "2026-02-01".parse().unwrap(),
        to: "2026-02-28".parse().unwrap(),
        opening: cny(0),
        closing: cny(200),
        lines: vec![line(1, "0001"), line(2, "<b>0002</b>")],
        issued_at: Timestamp::from_millis(NOON),
        by: None,
        corrects: None,
        answers: std::collections::BTreeMap::new(),
    };
    let link = |secret, expires_at| StatementLink {
        token_hash: hash_secret(secret),
        organisation: ORG,
        customer: SHOP,
        statement: ID,
        contact: "王老板".to_owned(),
        made_at: Timestamp::from_millis(NOON),
        expires_at: Timestamp::from_millis(expires_at),
        revoked_at: None,
    };
    act(
        &world,
        vec![
            Step::PutRecords(vec![statement.into()]),
            Step::PutStatementLink(link(SECRET, NOON + 86_400_000)),
            Step::PutStatementLink(link(OLD, NOON - 1)),
        ],
    )
    .await;
    world
}

async fn open(world: &World, secret: &str) -> Reply {
    world
        .send(Request::get(format!("/s/{secret}")).body(Body::empty()).unwrap())
        .await
}

async fn answer(world: &World, form: &str) -> Reply {
    let request = Request::post(format!("/s/{SECRET}"))
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Body::from(form.to_owned()))
        .unwrap();
    world.send(request).await
}

async fn stored(world: &World) -> Statement {
    let ledger = world.store.customer_ledger(ORG, SHOP).await.unwrap().unwrap();
    ledger.statements[0].clone()
}

#[tokio::test]
async fn a_contact_confirms_and_disputes_line_by_line_and_every_opening_is_noted() {
    let world = with_link().await;
    let page = open(&world, SECRET).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.body.contains("0001") && page.body.contains("CNY 200.00"));
    assert!(!page.body.contains("<b>0002"), "what is in the books is text");
    assert_eq!(page.headers[header::REFERRER_POLICY], "no-referrer");
    assert!(page.body.contains("noindex"));
    // On a phone each value stands behind its heading.
    let row = page
        .body
        .split_once("<tbody>")
        .unwrap()
        .1
        .split_once("</tr>")
        .unwrap()
        .0;
    assert_eq!(row.matches("<td").count(), row.matches("data-label=").count());
    assert_eq!(row.matches("<td").count(), 7);
    assert!(
        row.contains("<th scope=\"row\">1</th>"),
        "the line's number is its heading"
    );
    let opened = world.store.audited(ORG, "statement.link_opened").await.unwrap();
    assert!(opened.len() == 1 && opened[0].detail.contains("王老板"), "{opened:?}");
    // No address leads past the log.
    open(&world, &format!("{SECRET}?thanks=true")).await;
    assert_eq!(
        world.store.audited(ORG, "statement.link_opened").await.unwrap().len(),
        2
    );

    let refused = answer(&world, "person=Wang&verdict-1=confirmed&verdict-2=disputed&remark-2=").await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(refused.body.contains("Say what is wrong with line 2"));
    // What was chosen stays chosen.
    for chosen in [
        "name=\"verdict-1\" value=\"confirmed\" checked",
        "name=\"verdict-2\" value=\"disputed\" checked",
    ] {
        assert!(refused.body.contains(chosen), "{chosen}");
    }
    assert_eq!(refused.body.matches(" checked").count(), 2);
    let endless = format!("person=Wang&verdict-1=disputed&remark-1={}", "x".repeat(2_001));
    let endless = answer(&world, &endless).await;
    assert_eq!(endless.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(endless.body.contains("line 1 is longer than 2000 characters"));
    let nothing = answer(&world, "person=Wang").await;
    assert_eq!(nothing.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(nothing.body.contains("at least one line"));
    assert!(
        answer(&world, "person=+&verdict-1=confirmed")
            .await
            .body
            .contains("Give your name")
    );
    assert!(stored(&world).await.answers.is_empty());

    let taken = answer(
        &world,
        "person=Wang&verdict-1=confirmed&verdict-2=disputed&remark-2=never+came",
    )
    .await;
    assert_eq!(taken.status, StatusCode::SEE_OTHER);
    let answers = stored(&world).await.answers;
    assert_eq!(
        (answers[&1].verdict, answers[&2].verdict),
        (StatementVerdict::Confirmed, StatementVerdict::Disputed)
    );
    assert_eq!(
        (answers[&2].by.as_str(), answers[&2].remark.as_str()),
        ("Wang", "never came")
    );
    assert!(open(&world, SECRET).await.body.contains("never came"));
    assert_eq!(world.store.audited(ORG, "statement.answered").await.unwrap().len(), 1);

    answer(&world, "person=Wang&everything=confirmed").await;
    let answers = stored(&world).await.answers;
    assert!(answers.values().all(|it| it.verdict == StatementVerdict::Confirmed));
}

#[tokio::test]
async fn a_link_that_is_wrong_expired_or_taken_back_leads_nowhere_and_changes_nothing() {
    let world = with_link().await;
    assert_eq!(open(&world, "wrong").await.status, StatusCode::NOT_FOUND);
    let late = open(&world, OLD).await;
    assert_eq!(late.status, StatusCode::GONE);
    assert!(!late.body.contains("0001"));
    assert_eq!(open(&world, SECRET).await.status, StatusCode::OK);
    act(&world, vec![Step::RevokeStatementLinks(ID)]).await;
    assert_eq!(open(&world, SECRET).await.status, StatusCode::GONE);
    assert_eq!(
        answer(&world, "person=Wang&verdict-1=confirmed").await.status,
        StatusCode::GONE
    );
    assert!(stored(&world).await.answers.is_empty());
}
