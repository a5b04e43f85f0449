//! Judging single changes: what is sound, what is refused, and that the short way to judge a new document is as strict
//! as the long one.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use automerge::{ActorId, Automerge, ScalarValue, legacy};
use fieldledger_core::{
    document::{self, Chunk, chunk::MAX_CHUNK_BYTES, edit, heads, tree},
    sync::protocol::RejectionCode,
};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{
    Job, Judgement, SoundChange,
    check::sound_creation_of,
    testing::{self, by, content_of, crafted, edited, id, nested, op, put, rep, sealed, visit, visit_tree},
    validator::judge,
};

fn judge_one(existing: &[Vec<u8>], change: &[u8]) -> Judgement {
    judge_all(existing, &[change]).pop().unwrap()
}

fn judge_all(existing: &[Vec<u8>], changes: &[&[u8]]) -> Vec<Judgement> {
    judge(&Job {
        existing: existing.to_vec(),
        changes: changes.iter().map(|it| it.to_vec()).collect(),
    })
}

fn sound(judgement: Judgement) -> SoundChange {
    match judgement {
        Judgement::Sound(sound) => *sound,
        other => panic!("not sound: {other:?}"),
    }
}

fn refusal(judgement: &Judgement) -> (RejectionCode, &str) {
    match judgement {
        Judgement::Refused(refusal) => (refusal.code, &refusal.message),
        other => panic!("not refused: {other:?}"),
    }
}

#[test]
fn a_new_visit_and_an_edit_of_it_are_sound_and_say_what_they_touch() {
    let first = visit(1, "hello");
    let second = edited(std::slice::from_ref(&first.bytes), 9, &rep(), |tree| {
        tree["note"] = json!("hello again");
    });
    let mut judged = judge_all(&[], &[&first.bytes, &second.bytes]);
    let after = sound(judged.pop().unwrap());
    let before = sound(judged.pop().unwrap());
    assert_eq!(before.creates, Some(id(1)));
    assert_eq!(before.tree, visit_tree("hello"));
    assert_eq!(before.authorship, rep());
    assert_eq!((before.hash, before.heads), (first.hash, vec![first.hash]));
    assert_eq!(after.touched, vec![vec!["note".to_owned()]]);
    assert_eq!(after.based_on, vec![first.hash]);
    assert_eq!(after.heads, vec![second.hash]);
    assert_eq!(after.tree["note"], "hello again");
    assert_eq!(after.kind_before.as_deref(), Some("visit"));
    assert_eq!(after.owner_before, Some(testing::REP));
    assert!(matches!(
        judge_one(std::slice::from_ref(&first.bytes), &first.bytes),
        Judgement::Known
    ));
}

#[test]
fn what_is_not_a_plain_change_is_undecodable() {
    let good = visit(1, "hello").bytes;
    let mut damaged = good.clone();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    let compressed = {
        let mut change = automerge::Change::from_bytes(visit(1, &"long ".repeat(200)).bytes).unwrap();
        change.bytes().into_owned()
    };
    assert_eq!(compressed[8], 2, "the test needs a compressed chunk");
    let snapshot = document::snapshot(&document::open(std::slice::from_ref(&good)).unwrap());
    let cases: Vec<(Vec<u8>, &str)> = vec![
        (Vec::new(), "not a change"),
        (b"<html>captive portal</html>".to_vec(), "not a change"),
        (damaged, "checksum"),
        (good[..good.len() - 3].to_vec(), "cut short"),
        ([good.as_slice(), &[0]].concat(), "cut short or followed"),
        (compressed, "without compression"),
        (snapshot, "by itself"),
        (vec![0; MAX_CHUNK_BYTES + 1], "at most"),
        (nested([7; 16], 2_000), "deeper than"),
        (sealed(&[0xff; 40]), "valid change"),
    ];
    for (bytes, expected) in cases {
        let judged = judge_one(&[], &bytes);
        let (code, message) = refusal(&judged);
        assert_eq!(code, RejectionCode::Undecodable);
        assert!(message.contains(expected), "{message:?} does not say {expected:?}");
    }
    sound(judge_one(&[], &nested([7; 16], 32)));
}

#[test]
fn nesting_counts_what_is_there_already() {
    let tower = nested([7; 16], 30);
    let base = Chunk::read(tower.clone()).unwrap();
    let actor = ActorId::from([7_u8; 16].as_slice());
    let deeper = |levels: u64| {
        let own = ActorId::from([8_u8; 16].as_slice());
        let operations = (0..levels)
            .map(|level| {
                let object = match level {
                    0 => legacy::OpId::new(31, &actor),
                    _ => legacy::OpId::new(31 + level, &own),
                };
                op(
                    legacy::ObjectId::Id(object),
                    "deeper",
                    legacy::OpType::Make(automerge::ObjType::Map),
                )
            })
            .collect();
        crafted([8; 16], &[base.hash()], 32, operations)
    };
    sound(judge_one(std::slice::from_ref(&tower), &deeper(2)));
    assert_eq!(refusal(&judge_one(&[tower], &deeper(3))).0, RejectionCode::Undecodable);
}

#[test]
fn the_model_is_asked_and_what_it_does_not_know_is_kept() {
    let made = |tree: &Value| document::create(id(1), tree, &rep()).unwrap().bytes;
    let refused = |tree: &Value| refusal(&judge_one(&[], &made(tree))).1.to_owned();
    let mut early = visit_tree("");
    early["check_out"] = json!({"at": 5, "fence": {"verdict": "unknown"}});
    assert!(refused(&early).contains("check_"), "{}", refused(&early));
    let mut no_customer = visit_tree("");
    no_customer.as_object_mut().unwrap().remove("customer");
    assert!(refused(&no_customer).contains("customer"));
    assert!(refused(&json!({"customer": "x"})).contains("kind"));
    assert!(refused(&json!({"kind": "visit", "schema": 1, "note": 5})).contains("not a visit"));
    assert!(refused(&json!({"kind": "survey", "schema": "new"})).contains("schema"));
    let survey = json!({"kind": "survey", "schema": 1, "answers": {"a": [1, 2, {"b": null}]}});
    assert_eq!(sound(judge_one(&[], &made(&survey))).tree, survey);
    let mut newer = visit_tree("");
    newer["schema"] = json!(2);
    newer["note"] = json!({"rich": "text"});
    assert_eq!(sound(judge_one(&[], &made(&newer))).tree, newer);
}

#[test]
fn containers_are_added_to_and_never_replaced() {
    let base = visit(1, "");
    let replacing = edited(std::slice::from_ref(&base.bytes), 9, &rep(), |tree| {
        tree.as_object_mut().unwrap().remove("evidence");
    });
    assert_eq!(
        refusal(&judge_one(std::slice::from_ref(&base.bytes), &replacing.bytes)).0,
        RejectionCode::Invalid
    );
    // A fresh map beside the old one, which says nothing of replacing it and would hide it all the same.
    let hiding = crafted(
        [9; 16],
        &[base.hash],
        100,
        vec![op(
            legacy::ObjectId::Root,
            "evidence",
            legacy::OpType::Make(automerge::ObjType::Map),
        )],
    );
    let judged = judge_one(&[base.bytes], &hiding);
    assert_eq!(refusal(&judged).0, RejectionCode::Invalid);
    assert!(refusal(&judged).1.contains("one by one"));
}

#[test]
fn a_recorded_piece_of_evidence_stays_also_for_who_claims_not_to_know_it() {
    let photo = |size: u64, media_type: &str| {
        json!({
            "kind": "photo", "size": size, "media_type": media_type, "taken_at": 1_700_000_000_000_i64,
            "taken_by": testing::REP, "caption": "",
        })
    };
    let name = "ab".repeat(32);
    let base = visit(1, "");
    let naming = |actor: u8, size: u64, media_type: &str| {
        edited(std::slice::from_ref(&base.bytes), actor, &rep(), |tree| {
            tree["evidence"][&name] = photo(size, media_type);
        })
    };
    let honest = naming(8, 5_000, "image/jpeg");
    let stored = [base.bytes.clone(), honest.bytes];
    let refused = |change: &[u8]| {
        let judged = judge_one(&stored, change);
        let (code, message) = refusal(&judged);
        assert_eq!(code, RejectionCode::Invalid);
        message.to_owned()
    };
    let removed = edited(&stored, 9, &rep(), |tree| {
        tree["evidence"].as_object_mut().unwrap().remove(&name);
    });
    assert!(refused(&removed.bytes).contains("never taken away"));
    // Made as if on the visit before the photo was named: of two that name it at once, the greater actor's word counts.
    let beside = naming(9, 6_000, "image/jpeg");
    assert!(refused(&beside.bytes).contains("cannot be changed"));
    // Two honest phones that name one file, and call its type each in its own way.
    sound(judge_one(&stored, &naming(9, 5_000, "image/jpg").bytes));
}

#[test]
fn what_is_written_counts_even_when_it_does_not_show() {
    let base = visit(1, "same");
    let unchanged = crafted([9; 16], &[base.hash], 100, vec![put("note", "same")]);
    assert_eq!(
        sound(judge_one(&[base.bytes], &unchanged)).touched,
        vec![vec!["note".to_owned()]]
    );
}

#[test]
fn an_actor_speaks_once() {
    let base = visit(1, "");
    let own = base.document.as_bytes();
    let again = crafted(*own, &[base.hash], 100, vec![put("note", "x")]);
    assert_eq!(
        refusal(&judge_one(std::slice::from_ref(&base.bytes), &again)).0,
        RejectionCode::ActorCollision
    );
    let other_beginning = visit(1, "another");
    assert_eq!(
        refusal(&judge_one(&[base.bytes], &other_beginning.bytes)).0,
        RejectionCode::ActorCollision
    );
}

#[test]
fn counting_far_ahead_and_writing_nowhere_is_refused() {
    let base = visit(1, "");
    let ahead = crafted([9; 16], &[base.hash], 4_000_000_000, vec![put("note", "x")]);
    assert_eq!(
        refusal(&judge_one(std::slice::from_ref(&base.bytes), &ahead)).0,
        RejectionCode::Undecodable
    );
    let nowhere = legacy::ObjectId::Id(legacy::OpId::new(77, &ActorId::from([0x33_u8; 16].as_slice())));
    let lost = crafted(
        [9; 16],
        &[base.hash],
        100,
        vec![op(nowhere, "a", legacy::OpType::Put(ScalarValue::Null))],
    );
    let judged = judge_one(&[base.bytes], &lost);
    assert_eq!(refusal(&judged).0, RejectionCode::Undecodable);
    assert!(refusal(&judged).1.contains("not there"));
}

#[test]
fn what_builds_on_something_absent_waits_and_on_something_refused_is_refused() {
    let base = visit(1, "");
    let next = edited(std::slice::from_ref(&base.bytes), 9, &rep(), |tree| {
        tree["note"] = json!("x");
    });
    assert_eq!(judge_one(&[], &next.bytes), Judgement::Waiting(vec![base.hash]));
    let mut bad_tree = visit_tree("");
    bad_tree["purpose"] = json!(5);
    let bad = document::create(id(1), &bad_tree, &rep()).unwrap();
    let upon = edited(std::slice::from_ref(&bad.bytes), 9, &rep(), |tree| {
        tree["note"] = json!("x");
    });
    let judged = judge_all(&[], &[&bad.bytes, &upon.bytes]);
    assert_eq!(refusal(&judged[1]).0, RejectionCode::Invalid);
    assert!(refusal(&judged[1]).1.contains("builds on"));
}

#[test]
fn nobody_is_no_author() {
    let bytes = {
        let mut automerge = Automerge::new().with_actor(ActorId::from([5_u8; 16].as_slice()));
        let mut transaction = automerge.transaction();
        automerge::transaction::Transactable::put(&mut transaction, automerge::ROOT, "kind", "survey").unwrap();
        transaction.commit();
        automerge.get_changes(&[])[0].raw_bytes().to_vec()
    };
    assert_eq!(refusal(&judge_one(&[], &bytes)).0, RejectionCode::WrongAuthor);
}

#[test]
fn concurrent_edits_merge_and_are_counted_as_a_disagreement() {
    let base = visit(1, "");
    let one = edited(std::slice::from_ref(&base.bytes), 8, &rep(), |tree| {
        tree["note"] = json!("one");
    });
    let two = edited(
        std::slice::from_ref(&base.bytes),
        9,
        &by(testing::REP, testing::PHONE),
        |tree| {
            tree["note"] = json!("two");
        },
    );
    let judged = judge_all(&[base.bytes], &[&one.bytes, &two.bytes]);
    let last = sound(judged[1].clone());
    assert_eq!(last.disagreements, 1);
    let mut both = vec![one.hash, two.hash];
    both.sort_unstable();
    assert_eq!((last.based_on, last.heads), (vec![one.hash], both));
}

#[test]
fn a_few_bytes_do_not_become_many() {
    let many = testing::run_length_bomb(7, 90_000);
    assert!(many.len() < 300);
    let long_names: Vec<legacy::Op> = (0..1_000).map(|_| put(&"name".repeat(250), "x")).collect();
    for bomb in [many, crafted([7; 16], &[], 1, long_names)] {
        let judged = judge_one(&[], &bomb);
        assert_eq!(refusal(&judged).0, RejectionCode::Undecodable);
        assert!(refusal(&judged).1.contains("more of its bytes"), "{judged:?}");
    }
    // One large document, changed often: what would fill the memory is put off.
    let mut large = json!({"kind": "survey"});
    for number in 0..120 {
        large[number.to_string()] = json!("x".repeat(15_000));
    }
    let base = document::create(id(1), &large, &rep()).unwrap();
    let edits: Vec<Vec<u8>> = (0..12)
        .map(|number| {
            edited(std::slice::from_ref(&base.bytes), number, &rep(), |tree| {
                tree["0"] = json!(number);
            })
            .bytes
        })
        .collect();
    let judged = judge_all(&[base.bytes], &edits.iter().map(Vec::as_slice).collect::<Vec<_>>());
    assert!(matches!(judged[0], Judgement::Sound(_)));
    assert_eq!(judged[11], Judgement::Waiting(Vec::new()));
}

/// Trees of every shape that a change may make.
fn any_tree() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
    ];
    let inner = leaf.prop_recursive(4, 24, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(".{0,6}", inner, 0..4).prop_map(|it| Value::Object(it.into_iter().collect())),
        ]
    });
    prop::collection::btree_map(".{0,6}", inner, 0..6).prop_map(|fields| {
        let mut tree = json!({"kind": "survey", "schema": 1});
        tree.as_object_mut().unwrap().extend(fields);
        tree
    })
}

/// What the long way says of a creating change.
fn the_long_way(bytes: &[u8]) -> Value {
    let opened = document::open(&[bytes]).expect("the short way took what cannot be opened");
    let loaded = Automerge::load(&opened.save_nocompress()).expect("the short way took what cannot be read back");
    assert_eq!(heads(&opened), heads(&loaded));
    assert_eq!(tree::of(&opened), tree::of(&loaded));
    tree::of(&opened)
}

/// The tree by the short way, when it takes the change.
fn the_short_way(bytes: &[u8]) -> Option<Value> {
    std::panic::catch_unwind(|| {
        super::envelope::Envelope::read(bytes).ok()?;
        let chunk = Chunk::read(bytes.to_vec()).ok()?;
        chunk.creates()?;
        sound_creation_of(&chunk)
    })
    .ok()
    .flatten()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, ..ProptestConfig::default() })]

    #[test]
    fn the_short_way_reads_every_honest_tree_like_the_long_way(tree in any_tree()) {
        let made = document::create(id(1), &tree, &rep()).unwrap();
        let short = the_short_way(&made.bytes);
        prop_assert_eq!(short.as_ref(), Some(&the_long_way(&made.bytes)));
    }

    #[test]
    fn what_the_short_way_takes_of_mutilated_changes_reads_the_same_the_long_way(
        tree in any_tree(),
        wounds in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3_u8), 1..4),
    ) {
        let made = document::create(id(1), &tree, &rep()).unwrap();
        let mut content = content_of(&made.bytes);
        for (place, byte, how) in wounds {
            let place = place.index(content.len());
            match how {
                0 => content[place] = byte,
                1 => content.insert(place, byte),
                _ => { content.remove(place); }
            }
        }
        let bytes = sealed(&content);
        if let Some(short) = the_short_way(&bytes) {
            prop_assert_eq!(short, the_long_way(&bytes));
        }
    }
}

#[test]
fn small_wounds_everywhere_in_a_visit_are_told_alike_both_ways() {
    // Every single byte of an honest visit, changed in a few ways: most of what still parses is found here.
    let honest = edit::tree_of(&{
        let mut visit: fieldledger_core::model::Visit = serde_json::from_value(visit_tree("ok")).unwrap();
        visit.cancelled = Some("shop closed".to_owned());
        visit
    })
    .unwrap();
    let content = content_of(&document::create(id(1), &honest, &rep()).unwrap().bytes);
    let mut taken = 0;
    for place in 0..content.len() {
        for flip in [1, 2, 4, 0x10, 0x40, 0x7f, 0x80] {
            let mut wounded = content.clone();
            wounded[place] ^= flip;
            let bytes = sealed(&wounded);
            if let Some(short) = the_short_way(&bytes) {
                taken += 1;
                assert_eq!(short, the_long_way(&bytes));
            }
        }
    }
    assert!(
        taken > 100,
        "only {taken} wounded changes were taken: the test no longer tests much"
    );
}
