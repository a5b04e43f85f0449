#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{edit::edit, *};
use crate::model::*;

fn author(number: u8) -> Authorship {
    Authorship {
        user: UserId::from_bytes([number; 16]),
        device: DeviceId::from_bytes([number; 16]),
        at: Timestamp::from_millis(1_700_000_000_000 + i64::from(number)),
        zone_minutes: 480,
        since_contact_millis: Some(5),
    }
}

const ID: DocumentId = DocumentId::from_bytes([9; 16]);

fn created(tree: &Value) -> NewChange {
    create(ID, tree, &author(1)).unwrap()
}

fn opened(change: &NewChange) -> Automerge {
    open(&[&change.bytes]).unwrap()
}

/// One value of each kind, with everything in it that can be.
fn full_trees() -> Vec<Value> {
    let position = Position::new(31.2, 121.5, Some(9), true).unwrap();
    let point = CheckPoint {
        at: Timestamp::from_millis(5),
        position: Some(position),
        geofence: Geofence {
            verdict: GeofenceVerdict::Outside,
            distance_metres: Some(900),
        },
    };
    let evidence = Evidence {
        kind: EvidenceKind::Other("drone".to_owned()),
        size: u64::MAX >> 1,
        media_type: "image/jpeg".to_owned(),
        taken_at: Timestamp::from_millis(-4),
        taken_by: UserId::from_bytes([1; 16]),
        position: Some(position),
        caption: "货架 📷".to_owned(),
    };
    let (customer, rep) = (CustomerId::from_bytes([2; 16]), UserId::from_bytes([3; 16]));
    let money = Money::new("12345.60".parse().unwrap(), Currency::CNY);
    let next_step = Some(NextStep {
        what: "again".to_owned(),
        due: "2026-03-04".parse().ok(),
    });

    let mut visit = Visit::new(customer, rep, VisitPurpose::Collection);
    visit.check_in = Some(point);
    visit.check_out = Some(point);
    visit.next_step = next_step.clone();
    visit.evidence.insert(EvidenceHash([7; 32]), evidence.clone());

    let mut delivery = Delivery::new(customer, rep, "DN-1");
    for number in 0..3 {
        let line = DeliveryLine {
            product: ProductId::from_bytes([number; 16]),
            quantity: 5.into(),
            batch: Some("B1".to_owned()),
            signed: Some(SignedQuantity {
                accepted: 4.into(),
                short: 1.into(),
                damaged: 0.into(),
                refused: 0.into(),
                reason: Some(QuantityReason {
                    text: "missing".to_owned(),
                    photo: Some(EvidenceHash([8; 32])),
                }),
            }),
        };
        delivery.lines.insert(LineId::from_bytes([number; 16]), line);
    }
    let confirmation = Confirmation::new(ConfirmationVerdict::Disputed, "Li", Timestamp::from_millis(1), "no");
    delivery.confirmations.insert(Party::Customer, confirmation);
    delivery.evidence.insert(EvidenceHash([7; 32]), evidence);

    let note = CollectionNote {
        customer,
        rep,
        at: Timestamp::from_millis(7),
        channel: CollectionChannel::Phone,
        person: "Li".to_owned(),
        outcome: CollectionOutcome::Promised,
        invoice_number: Some("0012".to_owned()),
        promise: Some(PromiseToPay {
            amount: money,
            due: "2026-03-04".parse().unwrap(),
        }),
        receipt: Some("R-7".to_owned()),
        closing: Some(ClosingReview {
            was_late: true,
            cause: Some(LateCause::Other("flood".to_owned())),
            difficulty: "nobody answered".to_owned(),
            solution: "went there".to_owned(),
        }),
        next_step,
        note: String::new(),
        position: Some(position),
    };

    let mut order = Order::new(customer, rep, "SO-1", Timestamp::from_millis(7), Currency::CNY);
    // The rules of a credit check are a list of maps.
    order.credit = Some(crate::rules::credit::check(
        crate::rules::credit::inputs(None, money, money).unwrap(),
    ));

    let review = Review {
        customer,
        about: DocumentId::from_bytes([4; 16]),
        rep,
        reviewer: rep,
        at: Timestamp::from_millis(7),
        verdict: ReviewVerdict::Questioned,
        comment: "why?".to_owned(),
        replies: BTreeMap::from([(
            LineId::from_bytes([5; 16]),
            Reply {
                by: rep,
                at: Timestamp::from_millis(8),
                text: "because".to_owned(),
            },
        )]),
    };
    let mut answered = StatementConfirmation::new(
        customer,
        rep,
        StatementId::from_bytes([6; 16]),
        Timestamp::from_millis(9),
        "Wang",
    );
    for (line, verdict) in [(2, StatementVerdict::Confirmed), (11, StatementVerdict::Disputed)] {
        let remark = "never ordered".to_owned();
        answered.answers.insert(line, StatementLineAnswer { verdict, remark });
    }
    answered.evidence = visit.evidence.clone();
    vec![
        edit::tree_of(&answered).unwrap(),
        edit::tree_of(&visit).unwrap(),
        edit::tree_of(&delivery).unwrap(),
        edit::tree_of(&note).unwrap(),
        edit::tree_of(&order).unwrap(),
        edit::tree_of(&review).unwrap(),
        json!({"kind": "of_tomorrow", "list": [1, [2, [], {}], {"deep": [true, null, -1.5]}], "empty": {}, "big": u64::MAX}),
        json!({}),
    ]
}

#[test]
fn the_tree_read_from_a_creating_change_is_the_tree_of_the_document() {
    for tree in full_trees() {
        if tree == json!({}) {
            continue;
        }
        let change = created(&tree);
        let read = Chunk::read(change.bytes.clone()).unwrap();
        assert_eq!(read.creates(), Some(ID));
        assert_eq!(
            read.created_tree().unwrap().as_ref(),
            Some(&tree),
            "read from the change"
        );
        assert_eq!(tree::of(&opened(&change)), tree, "read from the document");
        assert_eq!(open(&[snapshot(&opened(&change))]).map(|it| tree::of(&it)), Ok(tree));
        assert_eq!((read.hash(), read.authorship()), (change.hash, Some(author(1))));
    }
}

#[test]
fn an_empty_tree_makes_no_document() {
    assert!(create(ID, &json!({}), &author(1)).is_err());
    assert!(create(ID, &json!([1]), &author(1)).is_err());
}

/// Edits `base` to `after` on a copy of `document`, as person `number`.
fn edited(document: &Automerge, read_at: &[ChangeHash], base: &Value, after: &Value, number: u8) -> Option<NewChange> {
    edit(
        &mut document.clone(),
        ID,
        read_at,
        base,
        after,
        [number; 16],
        &author(number),
    )
    .unwrap()
}

#[test]
fn concurrent_edits_merge_and_disagree_with_both_values_and_authors() {
    let base = json!({"kind": "visit", "note": "", "evidence": {}, "outcome": null});
    let change = created(&base);
    let document = opened(&change);
    let ours = json!({"kind": "visit", "note": "a", "evidence": {"x": {"size": 1}}, "outcome": null});
    let theirs = json!({"kind": "visit", "note": "b", "evidence": {"y": {"size": 2}}, "outcome": "closed"});
    let one = edited(&document, &change.heads, &base, &ours, 2).unwrap();
    let two = edited(&document, &change.heads, &base, &theirs, 3).unwrap();
    let merged = open(&[&two.bytes, &change.bytes, &one.bytes]).unwrap();
    let tree = tree::of(&merged);
    assert_eq!(tree["evidence"], json!({"x": {"size": 1}, "y": {"size": 2}}));
    assert_eq!(tree["outcome"], "closed");
    let found = disagreement::disagreements(&merged);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].path, ["note"]);
    assert_eq!(found[0].values[0].value, tree["note"], "what is shown comes first");
    let mut told: Vec<_> = found[0]
        .values
        .iter()
        .map(|it| (it.value.clone(), it.author.unwrap().user, it.change.unwrap()))
        .collect();
    told.sort_by_key(|it| it.1);
    assert_eq!(
        told,
        [
            (json!("a"), author(2).user, one.hash),
            (json!("b"), author(3).user, two.hash)
        ]
    );
    // The same word written by both is no disagreement.
    let same = edited(&document, &change.heads, &base, &ours, 4).unwrap();
    let agreed = open(&[&change.bytes, &one.bytes, &same.bytes]).unwrap();
    assert!(
        disagreement::disagreements(&agreed)
            .iter()
            .all(|it| it.path != ["note"])
    );
}

#[test]
fn an_edit_at_old_heads_touches_only_what_it_changed() {
    let base = json!({"kind": "visit", "note": "", "deep": {"a": 1, "b": 2}});
    let change = created(&base);
    let mut document = opened(&change);
    let first = json!({"kind": "visit", "note": "first", "deep": {"a": 5, "b": 2}, "new": true});
    edit(&mut document, ID, &change.heads, &base, &first, [2; 16], &author(2))
        .unwrap()
        .unwrap();
    let late = json!({"kind": "visit", "note": "", "deep": {"a": 1, "b": 7}});
    let second = edit(&mut document, ID, &change.heads, &base, &late, [3; 16], &author(3))
        .unwrap()
        .unwrap();
    assert_eq!(second.heads.len(), 2);
    let expected = json!({"kind": "visit", "note": "first", "deep": {"a": 5, "b": 7}, "new": true});
    assert_eq!(tree::of(&document), expected);
    assert!(disagreement::disagreements(&document).is_empty());
    let told: Vec<_> = history::history(&document)
        .into_iter()
        .map(|it| (it.author.unwrap().user, it.changed.len()))
        .collect();
    assert_eq!(told.len(), 3);
    assert!(told.contains(&(author(2).user, 3)) && told.contains(&(author(3).user, 1)));
    let nowhere = [ChangeHash([0; 32])];
    let unknown = edit(&mut document, ID, &nowhere, &base, &late, [4; 16], &author(4));
    assert_eq!(unknown, Err(EditError::UnknownVersion));
    assert_eq!(
        edit(&mut document, ID, &change.heads, &base, &base, [4; 16], &author(4)),
        Ok(None)
    );
}

#[test]
fn replacing_or_deleting_a_container_is_noticed_and_adding_to_it_is_not() {
    let base = json!({"kind": "delivery", "lines": {"1": {"quantity": "5"}}, "note": ""});
    let change = created(&base);
    let document = opened(&change);
    let told = |after: Value| {
        let change = edited(&document, &change.heads, &base, &after, 2).unwrap();
        Chunk::read(change.bytes).unwrap().replaces_a_container()
    };
    assert!(told(json!({"kind": "delivery", "note": ""})), "deleted");
    assert!(told(json!({"kind": "delivery", "lines": 1, "note": ""})), "overwritten");
    assert!(!told(
        json!({"kind": "delivery", "lines": {"1": {"quantity": "5"}, "2": {}}, "note": ""})
    ));
    assert!(
        !told(json!({"kind": "delivery", "lines": {}, "note": "x"})),
        "only its lines are taken out"
    );
    assert!(
        !Chunk::read(change.bytes.clone()).unwrap().replaces_a_container(),
        "creating makes them"
    );
}

#[test]
fn nesting_is_told_and_limited() {
    let nested = |depth: usize| (0..depth).fold(json!(1), |inner, _| json!({ "a": inner }));
    let fits = Chunk::read(created(&nested(chunk::MAX_NESTING + 1)).bytes).unwrap();
    assert_eq!(fits.nesting(), chunk::MAX_NESTING);
    assert!(fits.created_tree().unwrap().is_some());
    let deep = Chunk::read(created(&nested(chunk::MAX_NESTING + 2)).bytes).unwrap();
    assert_eq!(deep.nesting(), chunk::MAX_NESTING + 1);
    assert_eq!(deep.created_tree(), Err(ChunkError::TooDeep));
}

#[test]
fn damaged_bytes_and_missing_changes_are_errors_and_never_panics() {
    let base = json!({"kind": "visit", "note": "one"});
    let change = created(&base);
    let after = json!({"kind": "visit", "note": "two"});
    let second = edited(&opened(&change), &change.heads, &base, &after, 2).unwrap();
    assert_eq!(
        open(&[&second.bytes]).err(),
        Some(OpenError::MissingChanges(vec![change.hash]))
    );
    for whole in [change.bytes.clone(), snapshot(&opened(&change))] {
        for position in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[position] ^= 0x55;
            assert!(open(&[&bytes]).is_err(), "a flipped byte at {position} went unnoticed");
            assert!(open(&[&whole[..position]]).is_err(), "cut at {position}");
        }
    }
    assert!(Chunk::read(vec![0; chunk::MAX_CHUNK_BYTES + 1]).is_err());
}

/// What one of three people does to a delivery.
#[derive(Clone, Debug)]
enum Step {
    Note(usize, String),
    Line(usize, u8, i64),
    DropLine(usize, u8),
    Confirm(usize, bool),
    /// The first learns everything that the second knows.
    Learn(usize, usize),
    /// The first reads the document, to save what it does next from then.
    Read(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..3usize, "[a-c付款]{0,3}").prop_map(|(who, text)| Step::Note(who, text)),
        (0..3usize, 0..4u8, 0..5i64).prop_map(|(who, line, quantity)| Step::Line(who, line, quantity)),
        (0..3usize, 0..4u8).prop_map(|(who, line)| Step::DropLine(who, line)),
        (0..3usize, any::<bool>()).prop_map(|(who, yes)| Step::Confirm(who, yes)),
        (0..3usize, 0..3usize).prop_map(|(who, from)| Step::Learn(who, from)),
        (0..3usize).prop_map(Step::Read),
    ]
}

struct Person {
    chunks: BTreeMap<ChangeHash, Vec<u8>>,
    read: Value,
    heads: Vec<ChangeHash>,
}

impl Person {
    fn open(&self) -> Automerge {
        open(&self.chunks.values().collect::<Vec<_>>()).unwrap()
    }
    fn read(&mut self) {
        let document = self.open();
        (self.read, self.heads) = (tree::of(&document), heads(&document));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]
    #[test]
    fn any_interleaving_of_edits_by_three_people_converges(steps in prop::collection::vec(step(), 1..25)) {
        let base = json!({"kind": "delivery", "note": "", "lines": {}, "confirmations": {}});
        let first = created(&base);
        let mut people: Vec<Person> = (0..3)
            .map(|_| Person {
                chunks: BTreeMap::from([(first.hash, first.bytes.clone())]),
                read: base.clone(),
                heads: first.heads.clone(),
            })
            .collect();
        let mut written = 1;
        for (number, step) in steps.into_iter().enumerate() {
            let (who, after) = match step {
                Step::Learn(who, from) => {
                    let known = people[from].chunks.clone();
                    people[who].chunks.extend(known);
                    continue;
                }
                Step::Read(who) => {
                    people[who].read();
                    continue;
                }
                Step::Note(who, text) => (who, { let mut it = people[who].read.clone(); it["note"] = text.into(); it }),
                Step::Line(who, line, quantity) => (who, {
                    let mut it = people[who].read.clone();
                    it["lines"][line.to_string()] = json!({"quantity": quantity});
                    it
                }),
                Step::DropLine(who, line) => (who, {
                    let mut it = people[who].read.clone();
                    it["lines"].as_object_mut().unwrap().remove(&line.to_string());
                    it
                }),
                Step::Confirm(who, yes) => (who, {
                    let mut it = people[who].read.clone();
                    let party = ["sales", "customer", "warehouse"][who];
                    it["confirmations"][party] = json!({"yes": yes});
                    it
                }),
            };
            let person = &mut people[who];
            let mut document = person.open();
            let actor = [50 + number as u8; 16];
            let change = edit(&mut document, ID, &person.heads, &person.read, &after, actor, &author(who as u8)).unwrap();
            if let Some(change) = change {
                prop_assert!(!Chunk::read(change.bytes.clone()).unwrap().replaces_a_container());
                prop_assert_eq!(&change.heads, &heads(&document));
                person.chunks.insert(change.hash, change.bytes);
                written += 1;
            }
            person.read();
        }
        let all: BTreeMap<_, _> = people.iter().flat_map(|it| it.chunks.clone()).collect();
        prop_assert_eq!(all.len(), written, "every edit has a name of its own");
        for person in &mut people {
            person.chunks = all.clone();
            person.read();
        }
        // In another order, and through a snapshot.
        let backwards = open(&all.values().rev().collect::<Vec<_>>()).unwrap();
        let through_snapshot = open(&[snapshot(&backwards)]).unwrap();
        for document in [&backwards, &through_snapshot] {
            prop_assert_eq!(&tree::of(document), &people[0].read);
            prop_assert_eq!(&heads(document), &people[0].heads);
            prop_assert_eq!(
                disagreement::disagreements(document),
                disagreement::disagreements(&people[0].open())
            );
        }
        prop_assert_eq!(&people[1].read, &people[0].read);
        prop_assert_eq!(&people[2].heads, &people[0].heads);
        prop_assert_eq!(history::history(&backwards).len(), written);
    }
}
