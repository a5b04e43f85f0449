//! Whole exchanges on a store in memory.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use fieldledger_core::{
    document::{self, Authorship, NewChange, edit, tree},
    model::{
        ChangeHash, Confirmation, ConfirmationVerdict, Customer, CustomerId, Delivery, DeviceId, DocumentId, Evidence,
        EvidenceHash, EvidenceKind, LedgerRecord, OrganisationId, Party, Review, ReviewVerdict, Role, Territory,
        TerritoryId, Timestamp, UserId,
    },
    sync::protocol::{
        Cursor, Entry, MAX_ENTRIES, OfferedChange, PROTOCOL, Push, PushedChange, RejectionCode, StreamCursor, StreamId,
        StreamMark, SyncRequest, SyncResponse, Verdict,
    },
};
use serde_json::{Value, json};

use super::{
    ExchangeError, Heard, InProcess, Job, Judgement, LiveHub, OwnDocumentError, SyncService, Validator,
    testing::{PHONE, REP, SHOP, by, crafted, id, nested, put, rep, visit, visit_tree},
};
use crate::{
    clock::Clock,
    store::{Account, Device, Store, sqlite::SqliteStore},
};

const ORG: OrganisationId = OrganisationId::from_bytes([0xaa; 16]);
const NORTH: TerritoryId = TerritoryId::from_bytes([0x41; 16]);
const SOUTH: TerritoryId = TerritoryId::from_bytes([0x42; 16]);
const FAR: CustomerId = CustomerId::from_bytes([0x62; 16]);
const DRIVER: UserId = UserId::from_bytes([2; 16]);
const SUPERVISOR: UserId = UserId::from_bytes([3; 16]);
const SOUTHERNER: UserId = UserId::from_bytes([4; 16]);
const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

struct Still;
impl Clock for Still {
    fn now(&self) -> Timestamp {
        NOW
    }
}

struct World {
    store: Arc<dyn Store>,
    service: Arc<SyncService>,
}

fn account(user: UserId, role: Role, territories: &[TerritoryId]) -> Account {
    Account {
        organisation: ORG,
        user,
        login: user.to_string(),
        name: "Somebody".to_owned(),
        password_hash: None,
        roles: vec![role],
        territories: territories.to_vec(),
        disabled: false,
    }
}

fn device(user: UserId) -> Device {
    Device {
        id: DeviceId::from_bytes([0x50 | user.as_bytes()[0]; 16]),
        organisation: ORG,
        user,
        name: String::new(),
        platform: String::new(),
        app_version: String::new(),
        installation: [0; 16],
        enrolled_at: NOW,
        last_contact: None,
        waiting: 0,
        clock_ahead_millis: 0,
        token_issued_at: NOW,
        revoked_at: None,
    }
}

fn people() -> [Account; 4] {
    [
        account(REP, Role::Rep, &[NORTH]),
        account(DRIVER, Role::Driver, &[NORTH]),
        account(SUPERVISOR, Role::Supervisor, &[NORTH]),
        account(SOUTHERNER, Role::Rep, &[SOUTH]),
    ]
}

fn customer(id: CustomerId, territory: TerritoryId) -> LedgerRecord {
    LedgerRecord::Customer(Customer {
        id,
        code: id.to_string(),
        name: "Shop".to_owned(),
        territory,
        rep: None,
        contact: String::new(),
        phone: String::new(),
        address: String::new(),
        position: None,
    })
}

fn service(store: &Arc<dyn Store>, validator: Arc<dyn Validator>) -> Arc<SyncService> {
    Arc::new(SyncService::new(
        store.clone(),
        validator,
        Arc::new(Still),
        Arc::new(LiveHub::new()),
        [9; 32],
    ))
}

impl World {
    async fn new() -> Self {
        let store: Arc<dyn Store> = Arc::new(SqliteStore::in_memory().unwrap());
        store.create_organisation(ORG, "Dairy", NOW).await.unwrap();
        let territory = |id| {
            LedgerRecord::Territory(Territory {
                id,
                name: format!("Territory {id}"),
            })
        };
        let records = vec![
            territory(NORTH),
            territory(SOUTH),
            customer(SHOP, NORTH),
            customer(FAR, SOUTH),
        ];
        store.put_records(ORG, records, true, NOW).await.unwrap();
        for person in people() {
            store.put_account(person).await.unwrap();
        }
        let service = service(&store, Arc::new(InProcess));
        Self { store, service }
    }

    async fn exchange(&self, user: UserId, request: SyncRequest) -> SyncResponse {
        let account = self.store.account(ORG, user).await.unwrap().unwrap();
        self.service.exchange(&account, &device(user), request).await.unwrap()
    }

    async fn push(&self, user: UserId, changes: Vec<Push>) -> Vec<Verdict> {
        let mut request = request(changes);
        request.budget_bytes = 0;
        verdicts(&self.exchange(user, request).await)
    }

    async fn chunks(&self, document: DocumentId) -> Vec<Vec<u8>> {
        self.store.document(ORG, document).await.unwrap().unwrap().chunks
    }

    async fn tree(&self, document: DocumentId) -> Value {
        self.store.document(ORG, document).await.unwrap().unwrap().tree
    }

    async fn edited(
        &self,
        document: DocumentId,
        actor: u8,
        user: UserId,
        change: impl FnOnce(&mut Value),
    ) -> NewChange {
        edited(&self.chunks(document).await, document, actor, user, change)
    }
}

fn request(push: Vec<Push>) -> SyncRequest {
    SyncRequest {
        protocol: PROTOCOL,
        app_version: "1.0".to_owned(),
        request_id: 7,
        device_time: NOW,
        since_contact_millis: None,
        cursors: Vec::new(),
        push,
        budget_bytes: 1 << 20,
        waiting: 0,
        installation: [0; 16].into(),
        words: Vec::new(),
    }
}

fn of(user: UserId) -> Authorship {
    by(user, device(user).id)
}

fn edited(
    chunks: &[Vec<u8>],
    document: DocumentId,
    actor: u8,
    user: UserId,
    change: impl FnOnce(&mut Value),
) -> NewChange {
    let mut opened = document::open(chunks).unwrap();
    let before = tree::of(&opened);
    let mut after = before.clone();
    change(&mut after);
    let heads = document::heads(&opened);
    edit::edit(&mut opened, document, &heads, &before, &after, [actor; 16], &of(user))
        .unwrap()
        .unwrap()
}

fn created(bytes: Vec<u8>) -> Push {
    Push::Change(PushedChange {
        document: None,
        bytes,
        relayed: false,
    })
}

fn changed(change: &NewChange) -> Push {
    Push::Change(PushedChange {
        document: Some(change.document),
        bytes: change.bytes.clone(),
        relayed: false,
    })
}

fn relayed(change: &NewChange) -> Push {
    Push::Change(PushedChange {
        document: Some(change.document),
        bytes: change.bytes.clone(),
        relayed: true,
    })
}

fn verdicts(response: &SyncResponse) -> Vec<Verdict> {
    response
        .verdicts
        .iter()
        .flat_map(|run| std::iter::repeat_n(run.verdict.clone(), run.count as usize))
        .collect()
}

fn code(verdict: &Verdict) -> RejectionCode {
    match verdict {
        Verdict::Rejected(rejection) => rejection.code,
        other => panic!("not rejected: {other:?}"),
    }
}

fn made(number: u64, user: UserId, tree: &Value) -> NewChange {
    document::create(id(number), tree, &of(user)).unwrap()
}

/// The documents that a device has read from a stream, page after page.
fn seen(response: &SyncResponse) -> Vec<Vec<u8>> {
    response
        .streams
        .iter()
        .flat_map(|page| &page.entries)
        .filter_map(|entry| match entry {
            Entry::Change(it) => Some(it.bytes.clone()),
            Entry::Snapshot(it) => Some(it.bytes.clone()),
            _ => None,
        })
        .collect()
}

#[tokio::test]
async fn each_change_is_judged_for_itself_and_what_is_refused_is_kept_for_the_supervisor() {
    let world = World::new().await;
    let good = visit(1, "good");
    let mut far_tree = visit_tree("far");
    far_tree["customer"] = json!(FAR);
    let mut nowhere_tree = visit_tree("nowhere");
    nowhere_tree["customer"] = json!(CustomerId::from_bytes([0x77; 16]));
    let mut invalid_tree = visit_tree("");
    invalid_tree["note"] = json!("long".repeat(10_000));
    let review = json!({"kind": "review", "schema": 1, "customer": SHOP, "about": id(1), "rep": REP, "reviewer": REP,
        "at": 5, "verdict": "approved", "comment": "", "replies": {}});
    let pushed = vec![
        created(b"not a change".to_vec()),
        created(made(2, SOUTHERNER, &visit_tree("not mine")).bytes),
        created(made(3, REP, &far_tree).bytes),
        created(made(4, REP, &review).bytes),
        created(made(5, REP, &invalid_tree).bytes),
        created(made(6, REP, &nowhere_tree).bytes),
        created(nested([0x99; 16], 2_000)),
        created(vec![0; (1 << 20) + 1]),
        created(good.bytes.clone()),
    ];
    let judged = world.push(REP, pushed).await;
    let codes: Vec<RejectionCode> = judged[..8].iter().map(code).collect();
    assert_eq!(
        codes,
        [
            RejectionCode::Undecodable,
            RejectionCode::WrongAuthor,
            RejectionCode::WrongTerritory,
            RejectionCode::NotAllowed,
            RejectionCode::Invalid,
            RejectionCode::UnknownCustomer,
            RejectionCode::Undecodable,
            RejectionCode::Undecodable,
        ]
    );
    assert_eq!(judged[8], Verdict::Accepted);
    let kept = world.store.quarantined(ORG, None, 100).await.unwrap();
    assert_eq!(kept.len(), 8);
    let not_allowed = kept.iter().find(|it| it.code == RejectionCode::NotAllowed).unwrap();
    assert_eq!(
        (not_allowed.territory, not_allowed.document),
        (Some(NORTH), Some(id(4)))
    );
    assert_eq!(
        (not_allowed.user, not_allowed.device, not_allowed.received_at),
        (REP, PHONE, NOW)
    );
    assert_eq!(world.store.counts(ORG).await.unwrap().documents, 1);
}

#[tokio::test]
async fn the_same_request_again_has_the_effect_of_one_and_nothing_is_echoed() {
    let world = World::new().await;
    let first = visit(1, "a");
    let second = edited(std::slice::from_ref(&first.bytes), first.document, 9, REP, |tree| {
        tree["note"] = json!("b");
    });
    let asked = request(vec![
        created(first.bytes.clone()),
        changed(&second),
        created(first.bytes.clone()),
    ]);
    let answered = world.exchange(REP, asked.clone()).await;
    assert_eq!(
        verdicts(&answered),
        [Verdict::Accepted, Verdict::Accepted, Verdict::Duplicate]
    );
    assert_eq!(answered.verdicts.len(), 2, "equal neighbours are counted together");
    assert!(seen(&answered).is_empty());
    assert_eq!((answered.request_id, answered.server_time), (7, NOW));
    let counts = world.store.counts(ORG).await.unwrap();
    let again = world.exchange(REP, asked).await;
    assert_eq!(verdicts(&again), vec![Verdict::Duplicate; 3]);
    assert_eq!(world.store.counts(ORG).await.unwrap(), counts);
    assert_eq!(again.streams, answered.streams);
    // Somebody else in the territory gets both.
    let theirs = world.exchange(SUPERVISOR, request(Vec::new())).await;
    assert_eq!(seen(&theirs), [first.bytes, second.bytes]);
}

#[tokio::test]
async fn the_parties_of_a_delivery_speak_for_themselves() {
    let world = World::new().await;
    let delivery = Delivery::new(SHOP, REP, "FH-1");
    let confirmation =
        |by: &str| serde_json::to_value(Confirmation::new(ConfirmationVerdict::Confirmed, by, NOW, "")).unwrap();
    let made_delivery = made(1, REP, &edit::tree_of(&delivery).unwrap());
    assert_eq!(
        world.push(REP, vec![created(made_delivery.bytes)]).await,
        [Verdict::Accepted]
    );
    let document = id(1);
    let warehouse = world
        .edited(document, 9, REP, |tree| {
            tree["confirmations"][Party::Warehouse.as_str()] = confirmation("not me");
        })
        .await;
    assert_eq!(
        code(&world.push(REP, vec![changed(&warehouse)]).await[0]),
        RejectionCode::NotAllowed
    );
    let by_driver = world
        .edited(document, 10, DRIVER, |tree| {
            tree["confirmations"][Party::Warehouse.as_str()] = confirmation("the driver");
        })
        .await;
    assert_eq!(world.push(DRIVER, vec![changed(&by_driver)]).await, [Verdict::Accepted]);
    // Nor may a new delivery come with another party's word in it.
    let mut sly = edit::tree_of(&delivery).unwrap();
    sly["confirmations"][Party::Warehouse.as_str()] = confirmation("not me");
    let judged = world.push(REP, vec![created(made(2, REP, &sly).bytes)]).await;
    assert_eq!(code(&judged[0]), RejectionCode::NotAllowed);
    // Nor a visit in a colleague's name.
    let mut in_anothers_name = visit_tree("");
    in_anothers_name["rep"] = json!(SOUTHERNER);
    let judged = world
        .push(REP, vec![created(made(3, REP, &in_anothers_name).bytes)])
        .await;
    assert_eq!(code(&judged[0]), RejectionCode::NotAllowed);
}

#[tokio::test]
async fn a_colleague_adds_evidence_to_a_delivery_and_does_not_alter_what_is_there() {
    let world = World::new().await;
    let photo = |by: UserId, size: u64| Evidence {
        kind: EvidenceKind::Photo,
        size,
        media_type: "image/jpeg".to_owned(),
        taken_at: NOW,
        taken_by: by,
        position: None,
        caption: String::new(),
    };
    let [first, second] = [7, 8].map(|number| EvidenceHash([number; 32]).to_string());
    let mut delivery = Delivery::new(SHOP, REP, "FH-1");
    delivery.evidence.insert(first.parse().unwrap(), photo(REP, 5_000));
    let made_delivery = made(1, REP, &edit::tree_of(&delivery).unwrap());
    world.push(REP, vec![created(made_delivery.bytes)]).await;
    let document = id(1);
    for (number, fact, value) in [(9, "size", json!(6_000)), (10, "media_type", json!("video/mp4"))] {
        let altered = world
            .edited(document, number, DRIVER, |tree| tree["evidence"][&first][fact] = value)
            .await;
        let verdict = world.push(DRIVER, vec![changed(&altered)]).await.remove(0);
        let Verdict::Rejected(rejection) = verdict else {
            panic!("{fact}: {verdict:?}");
        };
        assert_eq!(rejection.code, RejectionCode::Invalid);
        let said = format!("evidence.{first}.{fact}: is what the recorded file has, and cannot be changed");
        assert!(rejection.message.starts_with(&said), "{}", rejection.message);
    }
    let added = world
        .edited(document, 11, DRIVER, |tree| {
            tree["evidence"][&second] = serde_json::to_value(photo(DRIVER, 700)).unwrap();
            tree["evidence"][&first]["caption"] = json!("the ramp");
        })
        .await;
    assert_eq!(world.push(DRIVER, vec![changed(&added)]).await, [Verdict::Accepted]);
    let tree = world.tree(document).await;
    let size = |hash: &str| tree["evidence"][hash]["size"].as_u64();
    assert_eq!((size(&first), size(&second)), (Some(5_000), Some(700)));
}

#[tokio::test]
async fn a_refused_change_takes_only_what_builds_on_it() {
    let world = World::new().await;
    let first = visit(1, "a");
    world.push(REP, vec![created(first.bytes.clone())]).await;
    let base = vec![first.bytes.clone()];
    let document = first.document;
    let moving = edited(&base, document, 9, REP, |tree| tree["customer"] = json!(FAR));
    let with_moving = [base.clone(), vec![moving.bytes.clone()]].concat();
    let upon = edited(&with_moving, document, 10, REP, |tree| tree["note"] = json!("upon"));
    let beside = edited(&base, document, 11, REP, |tree| tree["note"] = json!("beside"));
    let judged = world
        .push(REP, vec![changed(&moving), changed(&upon), changed(&beside)])
        .await;
    assert_eq!(code(&judged[0]), RejectionCode::NotAllowed);
    assert_eq!(code(&judged[1]), RejectionCode::NotAllowed);
    assert_eq!(judged[2], Verdict::Accepted);
    assert_eq!(world.tree(document).await["note"], "beside");
    assert_eq!(world.tree(document).await["customer"], json!(SHOP));
    // Something it builds on has not arrived at all: later.
    let far_off = edited(&with_moving, document, 12, REP, |tree| tree["note"] = json!("later"));
    assert_eq!(world.push(REP, vec![changed(&far_off)]).await, [Verdict::Later]);
    // Whoever may not bring it is told so at once: what is missing may have been refused for the same reason.
    let prying = edited(&with_moving, document, 13, SOUTHERNER, |tree| {
        tree["note"] = json!("no");
    });
    assert_eq!(
        code(&world.push(SOUTHERNER, vec![changed(&prying)]).await[0]),
        RejectionCode::WrongTerritory
    );
}

#[tokio::test]
async fn an_actor_used_twice_is_told_so_that_the_edit_is_made_again() {
    let world = World::new().await;
    let first = visit(1, "a");
    world.push(REP, vec![created(first.bytes.clone())]).await;
    let one = crafted([9; 16], &[first.hash], 100, vec![put("note", "one")]);
    let two = crafted([9; 16], &[first.hash], 100, vec![put("note", "two")]);
    let push = |bytes: &[u8]| {
        Push::Change(PushedChange {
            document: Some(first.document),
            bytes: bytes.to_vec(),
            relayed: false,
        })
    };
    assert_eq!(world.push(REP, vec![push(&one)]).await, [Verdict::Accepted]);
    assert_eq!(
        code(&world.push(REP, vec![push(&two)]).await[0]),
        RejectionCode::ActorCollision
    );
    let clone = visit(1, "another document of this name");
    assert_eq!(
        code(&world.push(REP, vec![created(clone.bytes)]).await[0]),
        RejectionCode::ActorCollision
    );
}

#[tokio::test]
async fn unknown_kinds_are_kept_with_their_customer_or_their_author() {
    let world = World::new().await;
    let about_shop = made(1, REP, &json!({"kind": "survey", "customer": SHOP, "answers": [1, 2]}));
    let about_nobody = made(2, REP, &json!({"kind": "expenses", "schema": 3, "total": "4.50"}));
    let judged = world
        .push(REP, vec![created(about_shop.bytes), created(about_nobody.bytes)])
        .await;
    assert_eq!(judged, vec![Verdict::Accepted; 2]);
    let stream = async |number| world.store.document(ORG, id(number)).await.unwrap().unwrap().stream;
    assert_eq!(stream(1).await, StreamId::Territory(NORTH));
    assert_eq!(stream(2).await, StreamId::User(REP));
    let supervisors = world.exchange(SUPERVISOR, request(Vec::new())).await;
    assert_eq!(seen(&supervisors).len(), 1);
    // Somebody else cannot edit what concerns only its author.
    let prying = world
        .edited(id(2), 9, SUPERVISOR, |tree| tree["total"] = json!("0"))
        .await;
    assert_eq!(
        code(&world.push(SUPERVISOR, vec![changed(&prying)]).await[0]),
        RejectionCode::WrongTerritory
    );
}

#[tokio::test]
async fn offers_are_answered_by_name_and_lost_changes_come_back_through_others() {
    let world = World::new().await;
    let first = visit(1, "a");
    let lost = visit(2, "lost");
    world.push(REP, vec![created(first.bytes.clone())]).await;
    let offer = |change: &NewChange| {
        Push::Offer(OfferedChange {
            document: change.document,
            hash: change.hash,
            until_backed_up: false,
        })
    };
    let judged = world.push(SUPERVISOR, vec![offer(&first), offer(&lost)]).await;
    assert_eq!(judged, [Verdict::Duplicate, Verdict::Wanted]);
    assert_eq!(
        code(&world.push(SUPERVISOR, vec![changed(&lost)]).await[0]),
        RejectionCode::WrongAuthor
    );
    // Somebody who cannot read the stream cannot bring it back either.
    assert_eq!(
        code(&world.push(SOUTHERNER, vec![relayed(&lost)]).await[0]),
        RejectionCode::WrongTerritory
    );
    assert_eq!(world.push(SUPERVISOR, vec![relayed(&lost)]).await, [Verdict::Accepted]);
    // Nor in the name of somebody who may not, or who is nobody.
    let by_driver = made(3, DRIVER, &visit_tree("drivers do not visit"));
    assert_eq!(
        code(&world.push(SUPERVISOR, vec![relayed(&by_driver)]).await[0]),
        RejectionCode::NotAllowed
    );
    let by_nobody = document::create(id(4), &visit_tree(""), &by(UserId::from_bytes([0x7f; 16]), PHONE)).unwrap();
    assert_eq!(
        code(&world.push(SUPERVISOR, vec![relayed(&by_nobody)]).await[0]),
        RejectionCode::WrongAuthor
    );
}

#[tokio::test]
async fn a_stream_that_may_no_longer_be_read_is_withdrawn_and_a_new_one_begins_at_the_beginning() {
    let world = World::new().await;
    world.push(REP, vec![created(visit(1, "a").bytes)]).await;
    let first = world.exchange(REP, request(Vec::new())).await;
    let cursors: Vec<StreamCursor> = first
        .streams
        .iter()
        .map(|page| StreamCursor {
            stream: page.stream,
            cursor: Some(page.next),
        })
        .collect();
    assert!(cursors.iter().any(|it| it.stream == StreamId::Territory(NORTH)));
    let mut idle = request(Vec::new());
    idle.cursors = cursors.clone();
    let nothing = world.exchange(REP, idle.clone()).await;
    assert!(
        nothing.streams.is_empty() && nothing.withdrawn.is_empty(),
        "{nothing:?}"
    );
    world
        .store
        .put_account(account(REP, Role::Rep, &[SOUTH]))
        .await
        .unwrap();
    let moved = world.exchange(REP, idle).await;
    assert_eq!(moved.withdrawn, [StreamId::Territory(NORTH)]);
    assert_eq!(moved.streams.len(), 1);
    assert_eq!(moved.streams[0].stream, StreamId::Territory(SOUTH));
    assert!(!moved.streams[0].entries.is_empty());
    assert_eq!(
        code(&world.push(REP, vec![created(visit(2, "b").bytes)]).await[0]),
        RejectionCode::WrongTerritory
    );
}

#[tokio::test]
async fn small_budgets_get_everything_in_the_end() {
    let world = World::new().await;
    let many: Vec<Push> = (1..=60).map(|number| created(visit(number, "x").bytes)).collect();
    assert_eq!(world.push(REP, many).await, vec![Verdict::Accepted; 60]);
    let mut asked = request(Vec::new());
    asked.budget_bytes = 5_000;
    let (mut rounds, mut got) = (0, 0);
    let mut cursors: std::collections::BTreeMap<StreamId, Cursor> = std::collections::BTreeMap::new();
    loop {
        rounds += 1;
        asked.cursors = cursors
            .iter()
            .map(|(stream, cursor)| StreamCursor {
                stream: *stream,
                cursor: Some(*cursor),
            })
            .collect();
        let answer = world.exchange(SUPERVISOR, asked.clone()).await;
        got += seen(&answer).len();
        let bytes: usize = seen(&answer).iter().map(Vec::len).sum();
        assert!(bytes <= 6_000, "{bytes} bytes in a reply of 5,000");
        for page in &answer.streams {
            cursors.insert(page.stream, page.next);
        }
        if !answer.streams.iter().any(|page| page.more) {
            break;
        }
    }
    assert_eq!(got, 60);
    assert!(rounds > 3);
    let all = world.exchange(SUPERVISOR, asked).await;
    assert!(cursors.contains_key(&StreamId::Territory(NORTH)) && !all.streams.iter().any(|page| page.more));
}

/// Lets somebody else be quicker, once.
struct Meddler {
    other: Arc<SyncService>,
    waiting: Mutex<Option<(UserId, SyncRequest)>>,
}

#[async_trait]
impl Validator for Meddler {
    async fn validate(&self, jobs: Vec<Job>) -> Vec<Vec<Judgement>> {
        let judged = InProcess.validate(jobs).await;
        let waiting = self.waiting.lock().unwrap().take();
        if let Some((user, request)) = waiting {
            let account = people().into_iter().find(|it| it.user == user).unwrap();
            let answer = self.other.exchange(&account, &device(user), request).await.unwrap();
            assert_eq!(verdicts(&answer), [Verdict::Accepted]);
        }
        judged
    }
}

#[tokio::test]
async fn an_edit_that_comes_second_is_judged_again_and_both_stay() {
    let world = World::new().await;
    let first = visit(1, "a");
    world.push(REP, vec![created(first.bytes.clone())]).await;
    let base = vec![first.bytes.clone()];
    let quick = edited(&base, first.document, 9, SUPERVISOR, |tree| {
        tree["outcome"] = json!("declined");
    });
    let slow = edited(&base, first.document, 10, REP, |tree| tree["note"] = json!("slow"));
    let meddler = Meddler {
        other: world.service.clone(),
        waiting: Mutex::new(Some((SUPERVISOR, request(vec![changed(&quick)])))),
    };
    let service = service(&world.store, Arc::new(meddler));
    let answer = service
        .exchange(&people()[0], &device(REP), request(vec![changed(&slow)]))
        .await
        .unwrap();
    assert_eq!(verdicts(&answer), [Verdict::Accepted]);
    let tree = world.tree(first.document).await;
    assert_eq!((&tree["outcome"], &tree["note"]), (&json!("declined"), &json!("slow")));
    assert!(world.store.verify().await.unwrap().is_empty());
}

/// Moves the shop to the south after it has judged, before anything is stored.
struct Mover {
    store: Arc<dyn Store>,
}

#[async_trait]
impl Validator for Mover {
    async fn validate(&self, jobs: Vec<Job>) -> Vec<Vec<Judgement>> {
        let judged = InProcess.validate(jobs).await;
        let moved = vec![customer(SHOP, SOUTH)];
        self.store.put_records(ORG, moved, true, NOW).await.unwrap();
        judged
    }
}

#[tokio::test]
async fn a_customer_who_moves_while_a_push_is_under_way_takes_edits_along_and_new_work_is_judged_by_the_new_place() {
    let world = World::new().await;
    let old = visit(1, "recorded before");
    world.push(REP, vec![created(old.bytes.clone())]).await;
    let edit = edited(std::slice::from_ref(&old.bytes), old.document, 9, REP, |tree| {
        tree["note"] = json!("edited while the shop moved");
    });
    let new = visit(2, "recorded while the shop moved");
    let mover = Mover {
        store: world.store.clone(),
    };
    let pushed = request(vec![changed(&edit), created(new.bytes.clone())]);
    let answer = service(&world.store, Arc::new(mover))
        .exchange(&people()[0], &device(REP), pushed)
        .await
        .unwrap();
    let verdicts = verdicts(&answer);
    // The edit of what is here goes where its document is now.
    assert_eq!(verdicts[0], Verdict::Accepted);
    let stored = world.store.document(ORG, old.document).await.unwrap().unwrap();
    assert_eq!(stored.stream, StreamId::Territory(SOUTH));
    assert_eq!(stored.heads, [edit.hash]);
    // The new visit is judged again, by where the shop is now: refused, and a copy kept for the supervisor there.
    assert_eq!(code(&verdicts[1]), RejectionCode::WrongTerritory);
    assert!(world.store.document(ORG, new.document).await.unwrap().is_none());
    let quarantined = world.store.quarantined(ORG, Some(&[SOUTH]), 10).await.unwrap();
    assert_eq!(quarantined.len(), 1);
    assert_eq!(quarantined[0].bytes, new.bytes);
    assert_eq!(world.store.verify().await.unwrap(), Vec::<String>::new());
    // Who reads the south sees the document with the edit; in the north nothing is left of it.
    let southern = world.exchange(SOUTHERNER, request(Vec::new())).await;
    let arrived = tree::of(&document::open(&seen(&southern)).unwrap());
    assert_eq!(arrived["note"], "edited while the shop moved");
    let northern = world.exchange(REP, request(Vec::new())).await;
    assert!(seen(&northern).is_empty(), "{northern:?}");
}

#[tokio::test]
async fn what_an_author_made_before_changing_territory_comes_back_by_a_colleagues_phone() {
    let world = World::new().await;
    let lost = visit(1, "lost by a restore");
    let later = edited(std::slice::from_ref(&lost.bytes), lost.document, 9, REP, |tree| {
        tree["note"] = json!("and its edit");
    });
    world
        .store
        .put_account(account(REP, Role::Rep, &[SOUTH]))
        .await
        .unwrap();
    // The author has no business in the north any more,
    assert_eq!(
        code(&world.push(REP, vec![created(lost.bytes.clone())]).await[0]),
        RejectionCode::WrongTerritory
    );
    // nor has who reads only the south,
    assert_eq!(
        code(&world.push(SOUTHERNER, vec![relayed(&lost)]).await[0]),
        RejectionCode::WrongTerritory
    );
    // but the change was made when the author had, and who reads the north may bring it back.
    assert_eq!(
        world.push(SUPERVISOR, vec![relayed(&lost), relayed(&later)]).await,
        [Verdict::Accepted, Verdict::Accepted]
    );
    assert_eq!(world.tree(lost.document).await["note"], "and its edit");
    assert_eq!(world.store.verify().await.unwrap(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_at_once_on_one_document_lose_nothing() {
    let world = World::new().await;
    let first = visit(1, "a");
    world.push(REP, vec![created(first.bytes.clone())]).await;
    let base = vec![first.bytes.clone()];
    let edits: Vec<NewChange> = (0..8)
        .map(|number: u8| {
            edited(&base, first.document, 30 + number, REP, |tree| {
                tree["note"] = json!(format!("note {number}"));
            })
        })
        .collect();
    let answers = futures::future::join_all(edits.iter().map(|change| world.push(REP, vec![changed(change)]))).await;
    assert!(answers.iter().all(|it| *it == [Verdict::Accepted]), "{answers:?}");
    let stored = world.store.document(ORG, first.document).await.unwrap().unwrap();
    let mut heads: Vec<ChangeHash> = edits.iter().map(|it| it.hash).collect();
    heads.sort_unstable();
    assert_eq!((stored.heads, stored.disagreements), (heads, 1));
}

#[tokio::test]
async fn pages_of_the_server_write_by_the_same_rules() {
    let world = World::new().await;
    world.push(REP, vec![created(visit(1, "a").bytes)]).await;
    let [rep_account, _, supervisor, _] = people();
    let review = Review {
        customer: SHOP,
        about: id(1),
        rep: REP,
        reviewer: SUPERVISOR,
        at: NOW,
        verdict: ReviewVerdict::Questioned,
        comment: "Why?".to_owned(),
        replies: std::collections::BTreeMap::new(),
    };
    let tree = edit::tree_of(&review).unwrap();
    let mut live = world.service.live().subscribe(ORG);
    let made = world.service.create_document(&supervisor, &tree).await.unwrap();
    let Some(Heard::Grown(StreamMark { stream, .. }, _)) = live.next().await else {
        panic!("nobody was told");
    };
    assert_eq!(stream, StreamId::Territory(NORTH));
    let refused = world.service.create_document(&rep_account, &tree).await.unwrap_err();
    assert!(matches!(&refused, OwnDocumentError::Refused(it) if it.code == RejectionCode::NotAllowed));
    let mut in_anothers_name = tree.clone();
    in_anothers_name["reviewer"] = json!(REP);
    assert!(
        world
            .service
            .create_document(&supervisor, &in_anothers_name)
            .await
            .is_err()
    );
    world
        .service
        .edit_document(&supervisor, made, |tree| tree["verdict"] = json!("approved"))
        .await
        .unwrap();
    assert_eq!(world.tree(made).await["verdict"], "approved");
    // The rep answers from the phone, in their own name only.
    let line = "00000000-0000-0000-0000-0000000000aa";
    let answer = |by: UserId| json!({line: {"by": by, "at": 5, "text": "Because."}});
    let forged = world
        .edited(made, 20, REP, |tree| {
            tree["replies"][line] = answer(SUPERVISOR)[line].clone();
        })
        .await;
    assert_eq!(
        code(&world.push(REP, vec![changed(&forged)]).await[0]),
        RejectionCode::NotAllowed
    );
    let honest = world
        .edited(made, 21, REP, |tree| tree["replies"][line] = answer(REP)[line].clone())
        .await;
    assert_eq!(world.push(REP, vec![changed(&honest)]).await, [Verdict::Accepted]);
    let gone = world
        .service
        .edit_document(&supervisor, id(99), |_| {})
        .await
        .unwrap_err();
    assert!(matches!(gone, OwnDocumentError::NotFound));
}

#[tokio::test]
async fn whoever_has_no_business_here_gets_no_exchange() {
    let world = World::new().await;
    let [rep_account, ..] = people();
    let refused = async |account: &Account, device: &Device, request: SyncRequest| {
        world.service.exchange(account, device, request).await.unwrap_err()
    };
    let mut revoked = device(REP);
    revoked.revoked_at = Some(NOW);
    assert!(matches!(
        refused(&rep_account, &revoked, request(vec![])).await,
        ExchangeError::Revoked
    ));
    let mut disabled = rep_account.clone();
    disabled.disabled = true;
    assert!(matches!(
        refused(&disabled, &device(REP), request(vec![])).await,
        ExchangeError::Disabled
    ));
    let stolen = device(DRIVER);
    assert!(matches!(
        refused(&rep_account, &stolen, request(vec![])).await,
        ExchangeError::WrongDevice
    ));
    let mut newer = request(vec![]);
    newer.protocol = PROTOCOL + 1;
    assert!(matches!(
        refused(&rep_account, &device(REP), newer).await,
        ExchangeError::Protocol(2)
    ));
    let flood = request(vec![created(Vec::new()); MAX_ENTRIES + 1]);
    assert!(matches!(
        refused(&rep_account, &device(REP), flood).await,
        ExchangeError::TooMany { what: "changes", .. }
    ));
}

#[test]
fn the_phone_of_the_tests_is_the_device_of_the_tests() {
    assert_eq!((device(REP).id, of(REP)), (PHONE, rep()));
}

/// Prints what it costs to take in new visits. Run with `--ignored --nocapture`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn measure_what_new_visits_cost() {
    let cpu_ticks = || -> u64 {
        let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
        let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
        fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
    };
    let folder = tempfile::tempdir().unwrap();
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(folder.path()).unwrap());
    store.create_organisation(ORG, "Dairy", NOW).await.unwrap();
    let customers = (0..500_u128).map(|number| customer(CustomerId(uuid::Uuid::from_u128(number)), NORTH));
    store.put_records(ORG, customers.collect(), true, NOW).await.unwrap();
    for person in people() {
        store.put_account(person).await.unwrap();
    }
    let service = service(&store, Arc::new(InProcess));
    let note = "The owner was in; two of the four freezers hold our goods, the others a competitor's. ".repeat(5);
    let visits: Vec<Push> = (0..10_000_u64)
        .map(|number| {
            let mut tree = visit_tree(&note);
            tree["customer"] = json!(CustomerId(uuid::Uuid::from_u128(u128::from(number * 7 % 500))));
            created(made(number, REP, &tree).bytes)
        })
        .collect();
    let (before, started) = (cpu_ticks(), std::time::Instant::now());
    for pushed in visits.chunks(1_000) {
        let mut asked = request(pushed.to_vec());
        asked.budget_bytes = 0;
        let answer = service.exchange(&people()[0], &device(REP), asked).await.unwrap();
        assert_eq!(verdicts(&answer), vec![Verdict::Accepted; 1_000]);
    }
    println!(
        "10,000 new visits of 500 customers: {:?}, {} ms of processor time",
        started.elapsed(),
        (cpu_ticks() - before) * 10,
    );
}
