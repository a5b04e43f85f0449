//! What is recorded of files of evidence.

use std::collections::BTreeMap;

use super::*;
use crate::sync::fake::Phone;

#[test]
fn what_is_recorded_of_a_file_stays_and_may_be_described() {
    let phone = Phone::new(1);
    let id = phone.plan(1);
    let hash = phone.photograph(id, b"a shelf");
    let recorded = || phone.store.visit(id).unwrap().unwrap();
    let before = recorded().value.evidence[&hash].clone();
    let refused = |edit: fn(&mut BTreeMap<EvidenceHash, Evidence>)| {
        let mut visit = recorded();
        edit(&mut visit.value.evidence);
        match phone.store.save(&visit) {
            Err(FieldError::Invalid(invalid)) => invalid.field,
            other => panic!("{other:?}"),
        }
    };
    let piece = format!("evidence.{hash}");
    assert_eq!(
        refused(|evidence| evidence.values_mut().for_each(|it| it.size = 70)),
        format!("{piece}.size")
    );
    assert_eq!(
        refused(|evidence| evidence
            .values_mut()
            .for_each(|it| it.media_type = "video/mp4".to_owned())),
        format!("{piece}.media_type")
    );
    assert_eq!(refused(BTreeMap::clear), piece);
    assert_eq!(recorded().value.evidence[&hash], before);
    let mut described = recorded();
    described.value.evidence.get_mut(&hash).unwrap().caption = "the shelf".to_owned();
    phone.store.save(&described).unwrap();
    assert_eq!(recorded().value.evidence[&hash].caption, "the shelf");
}

#[test]
fn a_file_that_is_attached_again_is_the_piece_that_is_recorded() {
    let phone = Phone::new(1);
    let id = phone.plan(1);
    let hash = phone.photograph(id, b"a shelf");
    let before = phone.store.visit(id).unwrap().unwrap().value.evidence;
    phone.clock.forward(60_000);
    let file = phone.folder.path().join("again.bin");
    std::fs::write(&file, b"a shelf").unwrap();
    let again = NewEvidence {
        kind: EvidenceKind::Photo,
        media_type: "image/x-shelf".to_owned(),
        taken_at: None,
        position: None,
        caption: "again".to_owned(),
    };
    assert_eq!(phone.store.attach_evidence(id, file, again), Ok(hash));
    assert_eq!(phone.store.visit(id).unwrap().unwrap().value.evidence, before);
    // Named with a size that no file of that name has: the right one shows it.
    let other = phone.plan(2);
    let named = Evidence {
        size: 8,
        ..before[&hash].clone()
    };
    phone.store.add_evidence(other, named, hash, None).unwrap();
    let right = phone.store.add_evidence(other, before[&hash].clone(), hash, None);
    assert!(matches!(right, Err(FieldError::Invalid(_))), "{right:?}");
}
