//! Accounts, sessions, devices and the audit log in a store in memory.
#![allow(clippy::unwrap_used)]

use fieldledger_core::model::{
    Customer, CustomerId, DeviceId, DocumentId, LedgerRecord, OrganisationId, Role, TerritoryId, Timestamp, UserId,
};

use crate::store::{
    Account, ApiRole, AuditEntry, AuditFilter, BrokenChain, DeliveryLink, DeviceContact, Enrolment, NewApiToken,
    NewDevice, PasswordLink, PeopleStore as _, Redemption, Session, Step, StoreError, sqlite::SqliteStore,
};

const ORG: OrganisationId = OrganisationId::from_bytes([1; 16]);
const ANNA: UserId = UserId::from_bytes([2; 16]);

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(1_700_000_000_000 + millis)
}

fn anna() -> Account {
    Account {
        organisation: ORG,
        user: ANNA,
        login: "anna".to_owned(),
        name: "Anna Linden".to_owned(),
        password_hash: None,
        roles: vec![Role::Rep, Role::Supervisor],
        territories: vec![TerritoryId::from_bytes([7; 16]), TerritoryId::from_bytes([8; 16])],
        disabled: false,
    }
}

async fn store() -> SqliteStore {
    let store = SqliteStore::in_memory().unwrap();
    store.create_organisation(ORG, "Linden", at(0)).await.unwrap();
    store.put_account(anna()).await.unwrap();
    store
}

fn new_device(number: u8) -> NewDevice {
    NewDevice {
        id: DeviceId::from_bytes([number; 16]),
        token_hash: [number; 32],
        name: "phone".to_owned(),
        platform: "cli".to_owned(),
        app_version: "1".to_owned(),
        installation: [number; 16],
        address: "loopback".to_owned(),
    }
}

async fn enrolled(store: &SqliteStore, number: u8) {
    let enrolment = Enrolment {
        code_hash: [number; 32],
        organisation: ORG,
        user: ANNA,
        expires_at: at(1_000),
    };
    store.put_enrolment(enrolment).await.unwrap();
    let redemption = store.redeem_enrolment(&[number; 32], new_device(number), at(0)).await;
    assert_eq!(redemption.unwrap(), Redemption::Enrolled(anna()));
}

fn contact(number: u8, token: u8) -> DeviceContact {
    DeviceContact {
        organisation: ORG,
        device: DeviceId::from_bytes([number; 16]),
        token_hash: [token; 32],
        app_version: "2".to_owned(),
        waiting: 3,
        clock_ahead_millis: -5,
        now: at(500),
    }
}

#[tokio::test]
async fn an_account_is_read_as_it_was_written_and_its_login_is_its_own() {
    let store = store().await;
    assert_eq!(store.account_by_login("Anna").await.unwrap(), Some(anna()));
    let changed = Account {
        login: "anna.linden".to_owned(),
        disabled: true,
        ..anna()
    };
    store.put_account(changed.clone()).await.unwrap();
    assert_eq!(store.accounts(ORG).await.unwrap(), vec![changed]);
    let bert = Account {
        user: UserId::from_bytes([3; 16]),
        login: "ANNA.LINDEN".to_owned(),
        ..anna()
    };
    assert!(matches!(store.put_account(bert).await, Err(StoreError::Conflict(_))));
    let nowhere = Account {
        organisation: OrganisationId::from_bytes([9; 16]),
        login: "x".to_owned(),
        ..anna()
    };
    assert!(matches!(store.put_account(nowhere).await, Err(StoreError::NotFound(_))));
    let again = store.create_organisation(OrganisationId::from_bytes([9; 16]), "Linden", at(0));
    assert!(matches!(again.await, Err(StoreError::Conflict(_))));
}

#[tokio::test]
async fn a_session_ends_at_its_time_and_old_ones_do_not_pile_up() {
    let store = store().await;
    let session = |number: u8, from: i64| Session {
        token_hash: [number; 32],
        organisation: ORG,
        user: ANNA,
        csrf: "c".to_owned(),
        created_at: at(from),
        expires_at: at(from + 100),
        last_seen_at: at(from),
        address: "10.0.0.1".to_owned(),
        agent: "browser".to_owned(),
    };
    store.put_session(session(1, 0)).await.unwrap();
    assert_eq!(store.session(&[1; 32], at(99)).await.unwrap(), Some(session(1, 0)));
    assert_eq!(store.session(&[1; 32], at(100)).await.unwrap(), None);
    store.put_session(session(2, 100)).await.unwrap();
    let kept: i64 = store
        .read(|connection| Ok(connection.query_row("SELECT count(*) FROM session", [], |row| row.get(0))?))
        .await
        .unwrap();
    assert_eq!(kept, 1);
    store.end_sessions_of(ORG, ANNA).await.unwrap();
    assert_eq!(store.session(&[2; 32], at(101)).await.unwrap(), None);
}

#[tokio::test]
async fn a_code_works_once_until_it_expires_and_not_for_a_shut_account() {
    let store = store().await;
    enrolled(&store, 1).await;
    let redeem = |code: u8, now: i64| {
        let store = &store;
        async move {
            store
                .redeem_enrolment(&[code; 32], new_device(99), at(now))
                .await
                .unwrap()
        }
    };
    assert_eq!(redeem(1, 1).await, Redemption::Used);
    assert_eq!(redeem(2, 1).await, Redemption::Unknown);
    let enrolment = Enrolment {
        code_hash: [3; 32],
        organisation: ORG,
        user: ANNA,
        expires_at: at(1_000),
    };
    store.put_enrolment(enrolment).await.unwrap();
    assert_eq!(redeem(3, 1_000).await, Redemption::Expired);
    let shut = Account {
        disabled: true,
        ..anna()
    };
    store.put_account(shut).await.unwrap();
    assert_eq!(redeem(3, 999).await, Redemption::Disabled);
    store.put_account(anna()).await.unwrap();
    assert_eq!(redeem(3, 999).await, Redemption::Enrolled(anna()));
    assert_eq!(store.devices(ORG).await.unwrap().len(), 2);
}

#[tokio::test]
async fn the_old_token_works_until_any_of_the_offered_ones_is_used() {
    let store = store().await;
    enrolled(&store, 1).await;
    let id = DeviceId::from_bytes([1; 16]);
    for offered in 11..=13u8 {
        store
            .rotate_token(ORG, id, [offered; 32], at(i64::from(offered)))
            .await
            .unwrap();
    }
    let works = async |token: u8| store.device_by_token(&[token; 32]).await.unwrap().is_some();
    store.device_contact(contact(1, 1)).await.unwrap();
    for token in [1, 11, 12, 13] {
        assert!(works(token).await, "{token}");
    }
    // The reply with 13 got lost, the one with 12 came late.
    store.device_contact(contact(1, 12)).await.unwrap();
    assert!(works(12).await);
    for token in [1, 11, 13] {
        assert!(!works(token).await, "{token}");
    }
    let device = store.device_by_token(&[12; 32]).await.unwrap().unwrap();
    assert_eq!(device.token_issued_at, at(12));
    assert_eq!(
        (
            device.waiting,
            device.clock_ahead_millis,
            device.last_contact,
            device.app_version.as_str()
        ),
        (3, -5, Some(at(500)), "2")
    );
}

#[tokio::test]
async fn offered_tokens_do_not_pile_up_on_a_device_that_never_hears_a_reply() {
    let store = store().await;
    enrolled(&store, 1).await;
    let id = DeviceId::from_bytes([1; 16]);
    for offered in 100..150u8 {
        store.rotate_token(ORG, id, [offered; 32], at(0)).await.unwrap();
    }
    assert!(store.device_by_token(&[1; 32]).await.unwrap().is_some());
    assert!(store.device_by_token(&[149; 32]).await.unwrap().is_some());
    assert!(store.device_by_token(&[142; 32]).await.unwrap().is_some());
    assert!(store.device_by_token(&[141; 32]).await.unwrap().is_none());
}

#[tokio::test]
async fn a_revoked_device_is_still_known_so_that_it_can_be_told() {
    let store = store().await;
    enrolled(&store, 1).await;
    let id = DeviceId::from_bytes([1; 16]);
    store.revoke_device(ORG, id, at(7)).await.unwrap();
    store.revoke_device(ORG, id, at(8)).await.unwrap();
    let device = store.device_by_token(&[1; 32]).await.unwrap().unwrap();
    assert_eq!(device.revoked_at, Some(at(7)));
    let other = store.revoke_device(ORG, DeviceId::from_bytes([9; 16]), at(8)).await;
    assert!(matches!(other, Err(StoreError::NotFound(_))));
}

async fn audited(lines: u8) -> SqliteStore {
    let store = store().await;
    for line in 0..lines {
        let entry = AuditEntry {
            at: at(i64::from(line)),
            actor: "operator".to_owned(),
            action: "user.changed".to_owned(),
            subject: format!("user{line}"),
            detail: String::new(),
        };
        store.audit(ORG, entry).await.unwrap();
    }
    assert_eq!(store.verify_audit_log().await.unwrap(), Vec::<String>::new());
    store
}

#[tokio::test]
async fn the_audit_log_is_told_newest_first() {
    let store = audited(5).await;
    let log = store.audit_log(ORG, 2).await.unwrap();
    let subjects: Vec<&str> = log.iter().map(|entry| entry.subject.as_str()).collect();
    assert_eq!(subjects, ["user4", "user3"]);
}

#[tokio::test]
async fn tampering_with_the_audit_log_is_found() {
    for (tampering, found) in [
        ("UPDATE audit SET detail = 'nothing happened' WHERE seq = 2", "line 2 "),
        ("UPDATE audit SET at = at + 1 WHERE seq = 5", "line 5 "),
        (
            "UPDATE audit SET action = 'user.change', subject = 'duser0' WHERE seq = 1",
            "line 1 ",
        ),
        ("DELETE FROM audit WHERE seq = 3", "between 2 and 4"),
        ("DELETE FROM audit WHERE seq = 5", "should end with line 5"),
        ("DELETE FROM audit", "should end with line 5 and ends with line 0"),
        ("DELETE FROM audit_head", "record of its end"),
        ("UPDATE audit SET hash = zeroblob(32) WHERE seq = 4", "line 4 "),
        (
            "UPDATE audit SET subject = iif(seq = 2, 'user2', 'user1') WHERE seq IN (2, 3)",
            "line 3 ",
        ),
    ] {
        let store = audited(5).await;
        store
            .write(move |connection| Ok(connection.execute_batch(tampering)?))
            .await
            .unwrap();
        let problems = store.verify_audit_log().await.unwrap();
        assert!(
            problems.iter().any(|problem| problem.contains(found)),
            "{tampering}: {problems:?}"
        );
    }
}

#[tokio::test]
async fn an_action_and_its_line_in_the_audit_log_happen_together_or_not_at_all() {
    let store = audited(1).await;
    enrolled(&store, 1).await;
    let line = |action: &str| AuditEntry {
        at: at(50),
        actor: "operator".to_owned(),
        action: action.to_owned(),
        subject: "anna".to_owned(),
        detail: String::new(),
    };
    let lines = async || {
        let log = store.audit_log(ORG, 10).await.unwrap();
        log.into_iter().map(|it| it.action).collect::<Vec<_>>()
    };
    let before = lines().await;
    let shut = Account {
        disabled: true,
        ..anna()
    };
    // The last step fails, so the first is undone and no line tells of it.
    let customer = Customer {
        id: CustomerId::from_bytes([5; 16]),
        code: "C-1".to_owned(),
        name: "Nowhere".to_owned(),
        territory: TerritoryId::from_bytes([7; 16]),
        rep: None,
        contact: String::new(),
        phone: String::new(),
        address: String::new(),
        position: None,
    };
    for failing in [
        Step::RevokeDevice(DeviceId::from_bytes([9; 16])),
        Step::PutRecords(vec![LedgerRecord::Customer(customer)]),
    ] {
        let steps = vec![Step::PutAccount(shut.clone()), failing];
        store.administer(ORG, steps, line("user.disabled")).await.unwrap_err();
        assert_eq!(store.account(ORG, ANNA).await.unwrap(), Some(anna()));
        assert_eq!(lines().await, before);
    }
    // The line cannot be written, so the step is undone.
    store
        .write(|connection| {
            Ok(connection.execute_batch(
                "CREATE TRIGGER full BEFORE INSERT ON audit BEGIN SELECT raise(ABORT, 'no room'); END",
            )?)
        })
        .await
        .unwrap();
    let steps = vec![Step::RevokeDevice(DeviceId::from_bytes([1; 16]))];
    store
        .administer(ORG, steps.clone(), line("device.revoked"))
        .await
        .unwrap_err();
    assert_eq!(store.devices(ORG).await.unwrap()[0].revoked_at, None);
    store
        .write(|connection| Ok(connection.execute_batch("DROP TRIGGER full")?))
        .await
        .unwrap();
    store.administer(ORG, steps, line("device.revoked")).await.unwrap();
    assert_eq!(store.devices(ORG).await.unwrap()[0].revoked_at, Some(at(50)));
    assert_eq!(lines().await[0], "device.revoked");
    assert_eq!(store.verify_audit_log().await.unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn an_enrolled_phone_is_in_the_audit_log_and_a_failed_attempt_is_not() {
    let store = store().await;
    enrolled(&store, 1).await;
    let again = store.redeem_enrolment(&[1; 32], new_device(2), at(1)).await;
    assert_eq!(again.unwrap(), Redemption::Used);
    let log = store.audit_log(ORG, 10).await.unwrap();
    let [line] = log.as_slice() else { panic!("{log:?}") };
    let device = DeviceId::from_bytes([1; 16]);
    assert_eq!(
        (line.action.as_str(), line.actor.clone()),
        ("device.enrolled", ANNA.to_string())
    );
    assert_eq!(
        (line.subject.clone(), line.detail.as_str()),
        (format!("device:{device}"), "phone, from loopback")
    );
}

fn new_token(number: u8, name: &str) -> NewApiToken {
    NewApiToken {
        id: [number; 16],
        token_hash: [number; 32],
        name: name.to_owned(),
        role: ApiRole::Finance,
        expires_at: (number == 2).then(|| at(1_000)),
    }
}

#[tokio::test]
async fn a_token_of_software_is_found_by_its_digest_and_its_name_is_given_once() {
    let store = store().await;
    let line = |action: &str| AuditEntry {
        at: at(5),
        actor: "operator".to_owned(),
        action: action.to_owned(),
        subject: "token:ERP".to_owned(),
        detail: String::new(),
    };
    let make = async |new| {
        store
            .administer(ORG, vec![Step::PutApiToken(new)], line("token.created"))
            .await
    };
    make(new_token(1, "ERP")).await.unwrap();
    make(new_token(2, "bank")).await.unwrap();
    let found = store.api_token(&[1; 32]).await.unwrap().unwrap();
    assert_eq!(
        (found.name.as_str(), found.role, found.created_at),
        ("ERP", ApiRole::Finance, at(5))
    );
    assert_eq!(store.api_token(&[9; 32]).await.unwrap(), None);
    let ends = store.api_token(&[2; 32]).await.unwrap().unwrap();
    assert!(!ends.is_expired(at(999)) && ends.is_expired(at(1_000)));
    store.api_token_used(ORG, [1; 16], at(7)).await.unwrap();
    let revoke = async |id| {
        store
            .administer(ORG, vec![Step::RevokeApiToken(id)], line("token.revoked"))
            .await
    };
    revoke([1; 16]).await.unwrap();
    let found = store.api_token(&[1; 32]).await.unwrap().unwrap();
    assert_eq!((found.revoked_at, found.last_used_at), (Some(at(5)), Some(at(7))));
    assert!(matches!(revoke([9; 16]).await, Err(StoreError::NotFound(_))));
    // Also of one that works no more: the audit log must tell them apart.
    let again = make(new_token(3, "ERP")).await;
    assert!(matches!(again, Err(StoreError::Conflict(_))), "{again:?}");
    let names: Vec<String> = store
        .api_tokens(ORG)
        .await
        .unwrap()
        .into_iter()
        .map(|it| it.name)
        .collect();
    assert_eq!(names, ["ERP", "bank"]);
    let other = OrganisationId::from_bytes([9; 16]);
    assert!(store.api_tokens(other).await.unwrap().is_empty());
    let told = store.audit_log(ORG, 10).await.unwrap();
    assert_eq!(told.len(), 3, "what was refused is not in the log");
}

#[tokio::test]
async fn sessions_are_told_newest_first_and_their_use_never_goes_back() {
    let store = store().await;
    let session = |number: u8, from: i64| Session {
        token_hash: [number; 32],
        organisation: ORG,
        user: ANNA,
        csrf: "c".to_owned(),
        created_at: at(from),
        expires_at: at(from + 1_000),
        last_seen_at: at(from),
        address: "10.0.0.1".to_owned(),
        agent: "browser".to_owned(),
    };
    for (number, from) in [(1, 0), (2, 50)] {
        store.put_session(session(number, from)).await.unwrap();
    }
    let told = async |now| {
        let sessions = store.sessions_of(ORG, ANNA, at(now)).await.unwrap();
        sessions
            .into_iter()
            .map(|it| (it.token_hash[0], it.last_seen_at))
            .collect::<Vec<_>>()
    };
    assert_eq!(told(60).await, [(2, at(50)), (1, at(0))]);
    store.session_seen(&[1; 32], at(70)).await.unwrap();
    store.session_seen(&[1; 32], at(65)).await.unwrap();
    assert_eq!(told(80).await, [(2, at(50)), (1, at(70))]);
    assert_eq!(told(1_000).await, [(2, at(50))]);
    let line = AuditEntry {
        at: at(90),
        actor: "operator".to_owned(),
        action: "user.signed_out".to_owned(),
        subject: "anna".to_owned(),
        detail: String::new(),
    };
    store
        .administer(ORG, vec![Step::EndSession([2; 32])], line)
        .await
        .unwrap();
    assert_eq!(told(90).await, [(1, at(70))]);
}

#[tokio::test]
async fn a_link_for_a_password_works_once_until_it_ends_and_the_newest_alone() {
    let store = store().await;
    let line = |millis| AuditEntry {
        at: at(millis),
        actor: ANNA.to_string(),
        action: "user.password_set".to_owned(),
        subject: "anna".to_owned(),
        detail: String::new(),
    };
    let link = |number: u8| PasswordLink {
        token_hash: [number; 32],
        organisation: ORG,
        user: ANNA,
        made_at: at(0),
        expires_at: at(100),
        used_at: None,
    };
    for number in [1, 2] {
        let steps = vec![Step::PutPasswordLink(link(number))];
        store.administer(ORG, steps, line(0)).await.unwrap();
    }
    let set = async |number: u8, now| {
        store
            .use_password_link(&[number; 32], format!("hash{number}"), line(now))
            .await
            .unwrap()
    };
    assert!(!set(1, 10).await, "another one took its place");
    assert!(!set(9, 10).await && !set(2, 100).await);
    store
        .put_account(Account {
            disabled: true,
            ..anna()
        })
        .await
        .unwrap();
    assert!(!set(2, 10).await, "the account is shut");
    store.put_account(anna()).await.unwrap();
    assert_eq!(store.account(ORG, ANNA).await.unwrap().unwrap().password_hash, None);
    assert!(set(2, 10).await && !set(2, 11).await);
    let account = store.account(ORG, ANNA).await.unwrap().unwrap();
    assert_eq!(account.password_hash.as_deref(), Some("hash2"));
    let log = store.audit_log(ORG, 9).await.unwrap();
    assert_eq!(log.len(), 3, "one line for each link, one for the password: {log:?}");
}

#[tokio::test]
async fn a_link_to_a_delivery_leads_there_until_it_is_taken_back() {
    let store = store().await;
    let delivery = DocumentId::from_bytes([6; 16]);
    let line = || AuditEntry {
        at: at(5),
        actor: ANNA.to_string(),
        action: "delivery.link_made".to_owned(),
        subject: delivery.to_string(),
        detail: String::new(),
    };
    let link = |number: u8| DeliveryLink {
        token_hash: [number; 32],
        organisation: ORG,
        delivery,
        contact: "王老板".to_owned(),
        made_at: at(i64::from(number)),
        made_by: ANNA,
        expires_at: at(100),
        revoked_at: None,
    };
    for number in [2, 1] {
        store
            .administer(ORG, vec![Step::PutDeliveryLink(link(number))], line())
            .await
            .unwrap();
    }
    assert_eq!(store.delivery_links(ORG, delivery).await.unwrap(), [link(1), link(2)]);
    let found = store.delivery_link(&[1; 32]).await.unwrap().unwrap();
    assert!(found.is_valid(at(99)) && !found.is_valid(at(100)));
    let revoke = || store.administer(ORG, vec![Step::RevokeDeliveryLinks(delivery)], line());
    revoke().await.unwrap();
    let found = store.delivery_link(&[1; 32]).await.unwrap().unwrap();
    assert!(found.revoked_at == Some(at(5)) && !found.is_valid(at(6)));
    assert!(matches!(revoke().await, Err(StoreError::NotFound(_))));
    assert_eq!(store.delivery_link(&[7; 32]).await.unwrap(), None);
}

#[tokio::test]
async fn a_check_says_the_first_line_where_the_chain_is_broken() {
    for (tampering, newest, broken) in [
        (
            "UPDATE audit SET detail = 'x' WHERE seq = 2",
            None,
            Some(BrokenChain::Changed(2)),
        ),
        ("UPDATE audit SET detail = 'x' WHERE seq = 2", Some(3), None),
        (
            "UPDATE audit SET detail = 'x' WHERE seq = 4",
            Some(3),
            Some(BrokenChain::Changed(4)),
        ),
        ("DELETE FROM audit WHERE seq = 3", None, Some(BrokenChain::Missing(4))),
        ("DELETE FROM audit WHERE seq = 5", None, Some(BrokenChain::CutOff(4, 5))),
        ("DELETE FROM audit_head", None, Some(BrokenChain::NoEnd(5))),
        ("DELETE FROM audit", None, Some(BrokenChain::CutOff(0, 5))),
        ("SELECT 1", None, None),
        ("SELECT 1", Some(2), None),
        ("SELECT 1", Some(99), None),
    ] {
        let store = audited(5).await;
        store
            .write(move |connection| Ok(connection.execute_batch(tampering)?))
            .await
            .unwrap();
        let check = store.check_audit_log(ORG, newest).await.unwrap();
        assert_eq!(check.broken, broken, "{tampering} {newest:?}");
        if tampering == "SELECT 1" {
            let checked = newest.unwrap_or(5).min(5);
            assert_eq!((check.from, check.checked), (6 - checked, checked));
        }
    }
    let empty = store().await.check_audit_log(ORG, None).await.unwrap();
    assert_eq!((empty.broken, empty.checked), (None, 0));
}

#[tokio::test]
async fn lines_of_the_audit_log_are_found_by_who_what_when_and_words() {
    let store = audited(5).await;
    let other = AuditEntry {
        at: at(10),
        actor: ANNA.to_string(),
        action: "userx.changed".to_owned(),
        subject: "x".to_owned(),
        detail: "Größe 100%_".to_owned(),
    };
    store.audit(ORG, other).await.unwrap();
    let found = async |filter: AuditFilter| {
        let found = store.audit_lines(ORG, &filter).await.unwrap();
        (
            found.total,
            found.lines.into_iter().map(|it| it.seq).collect::<Vec<_>>(),
        )
    };
    let all = || AuditFilter {
        limit: 2,
        ..AuditFilter::default()
    };
    assert_eq!(found(all()).await, (6, vec![6, 5]));
    assert_eq!(found(AuditFilter { skip: 4, ..all() }).await, (6, vec![2, 1]));
    assert_eq!(
        found(AuditFilter {
            skip: u64::MAX,
            ..all()
        })
        .await,
        (6, vec![])
    );
    let action = |name: &str| AuditFilter {
        action: Some(name.to_owned()),
        ..all()
    };
    assert_eq!(found(action("user")).await, (5, vec![5, 4]));
    assert_eq!(found(action("user.changed")).await.0, 5);
    assert_eq!(found(action("use")).await.0, 0);
    let actor = AuditFilter {
        actor: Some(ANNA.to_string()),
        ..all()
    };
    assert_eq!(found(actor).await, (1, vec![6]));
    let text = |text: &str| AuditFilter {
        text: text.to_owned(),
        ..all()
    };
    assert_eq!(found(text("USER3")).await, (1, vec![4]));
    assert_eq!(found(text("GRÖ")).await, (1, vec![6]));
    assert_eq!(found(text("0%_")).await, (1, vec![6]));
    assert_eq!(
        found(AuditFilter {
            skip: 3,
            ..text("user")
        })
        .await,
        (5, vec![2, 1])
    );
    let day = AuditFilter {
        from: Some(at(1)),
        to: Some(at(3)),
        ..all()
    };
    assert_eq!(found(day).await, (2, vec![3, 2]));
    assert_eq!(
        store.audit_actions(ORG).await.unwrap(),
        ["user.changed", "userx.changed"]
    );
    let nobody = OrganisationId::from_bytes([9; 16]);
    assert_eq!(store.audit_actions(nobody).await.unwrap(), Vec::<String>::new());
}
