//! The audit log as a page.

use axum::http::{StatusCode, header};
use fieldledger_core::model::Timestamp;

use super::{
    samples::{HOSTILE, assert_inert},
    world::{ADMINISTRATOR, NOON, ORG, REP, World},
};
use crate::store::{AuditEntry, PeopleStore as _};

async fn with_lines(count: u32) -> World {
    let world = World::new().await;
    for line in 0..count {
        let entry = AuditEntry {
            at: Timestamp::from_millis(NOON + i64::from(line) * 86_400_000),
            actor: if line % 2 == 0 {
                "operator".to_owned()
            } else {
                REP.to_string()
            },
            action: if line % 3 == 0 {
                "user.created".to_owned()
            } else {
                "sign_in.failed".to_owned()
            },
            subject: format!("person{line}"),
            detail: if line == 1 {
                HOSTILE.to_owned()
            } else {
                "Größe".to_owned()
            },
        };
        world.store.audit(ORG, entry).await.unwrap();
    }
    world
}

#[tokio::test]
async fn the_log_is_filtered_paged_and_exported_and_its_chain_is_whole() {
    let world = with_lines(130).await;
    let page = world.get(ADMINISTRATOR, "/audit").await.body;
    assert_inert(&page);
    assert!(
        page.contains("data-whole=\"true\"")
            && page.contains("The chain is whole. Lines checked, from the first to the last: 131."),
        "{page}"
    );
    // One line is that of the phone that was enrolled; the newest hundred are on the first page.
    assert!(page.contains("person129") && !page.contains("person3<"));
    assert!(page.contains("command line") && page.contains("rep name") && page.contains("account made"));
    let second = world.get(ADMINISTRATOR, "/audit?page=2").await.body;
    assert!(second.contains("person3") && !second.contains("person129"));
    let action = world.get(ADMINISTRATOR, "/audit?action=sign_in&page=1").await.body;
    assert!(action.contains("person128") && !action.contains("person129"));
    let actor = world.get(ADMINISTRATOR, &format!("/audit?actor={REP}")).await.body;
    assert!(actor.contains("person129") && !actor.contains("person128"));
    let text = world.get(ADMINISTRATOR, "/audit?q=GR%C3%96SSE").await.body;
    assert!(
        text.contains("nothing matches") || !text.contains("person2"),
        "ß has no capital that is SS here"
    );
    let text = world.get(ADMINISTRATOR, "/audit?q=GR%C3%96").await.body;
    assert!(text.contains("person40"));
    let day = world
        .get(ADMINISTRATOR, "/audit?from=2026-03-04&to=2026-03-04")
        .await
        .body;
    assert!(day.contains("person2<") && !day.contains("person3<") && !day.contains("person1<"));
    let bad = world.get(ADMINISTRATOR, "/audit?from=yesterday").await;
    assert_eq!(bad.status, StatusCode::BAD_REQUEST);
    let csv = world.get(ADMINISTRATOR, "/audit?format=csv&action=user.created").await;
    assert!(csv.headers[header::CONTENT_TYPE].to_str().unwrap().contains("csv"));
    assert!(csv.body.contains("person129") && csv.body.contains("person0") && !csv.body.contains("person128"));
    let chinese = world.get_in(ADMINISTRATOR, "/audit", "zh").await.body;
    assert!(chinese.contains("链条完整") && chinese.contains("创建账号"));
}

#[tokio::test]
async fn a_line_that_was_changed_is_shown_with_its_number() {
    let world = with_lines(5).await;
    world
        .store
        .tamper("UPDATE audit SET subject = 'nobody' WHERE seq = 3")
        .await;
    let page = world.get(ADMINISTRATOR, "/audit").await.body;
    assert!(
        page.contains("data-whole=\"false\"") && page.contains("broken at line 3"),
        "{page}"
    );
}
