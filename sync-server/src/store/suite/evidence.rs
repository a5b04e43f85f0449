//! Which files of evidence have arrived.

use super::*;

fn file(number: u8) -> EvidenceFile {
    EvidenceFile {
        hash: EvidenceHash([number; 32]),
        size: u64::from(number) * 1_000,
        document: DocumentId::from_bytes([7; 16]),
        device: DeviceId::from_bytes([8; 16]),
        arrived_at: NOW.plus_millis(i64::from(number)),
        backed_up: false,
    }
}

pub(in crate::store) async fn files_that_arrived_are_known_by_their_hashes(store: &dyn Store) {
    let nowhere = OrganisationId::from_bytes([99; 16]);
    let hash = |number: u8| EvidenceHash([number; 32]);
    for number in [3, 1, 2] {
        store.evidence_arrived(ORG, file(number)).await.unwrap();
    }
    // Whoever brings it again changes nothing.
    let again = EvidenceFile {
        arrived_at: NOW.plus_millis(1_000),
        ..file(1)
    };
    store.evidence_arrived(ORG, again).await.unwrap();
    // For another record it is a line of its own, and the same file.
    let other = EvidenceFile {
        document: DocumentId::from_bytes([9; 16]),
        ..file(3)
    };
    store.evidence_arrived(ORG, other).await.unwrap();
    assert_eq!(store.evidence_files(ORG, &[hash(3)]).await.unwrap(), [file(3), other]);
    let asked = [hash(9), hash(2), hash(1)];
    assert_eq!(store.evidence_files(ORG, &asked).await.unwrap(), [file(2), file(1)]);
    assert_eq!(store.evidence_files(nowhere, &asked).await.unwrap(), []);
    assert_eq!(store.evidence_files(ORG, &[]).await.unwrap(), []);
    assert_eq!(store.all_evidence(ORG, None, 2).await.unwrap(), [file(1), file(2)]);
    assert_eq!(store.all_evidence(ORG, Some(hash(2)), 2).await.unwrap(), [file(3)]);
    assert_eq!(store.all_evidence(nowhere, None, 2).await.unwrap(), []);

    store.evidence_backed_up(nowhere, &[hash(1)]).await.unwrap();
    assert!(!store.evidence_files(ORG, &[hash(1)]).await.unwrap()[0].backed_up);
    store.evidence_backed_up(ORG, &[hash(1), hash(3)]).await.unwrap();
    let covered: Vec<bool> = store
        .all_evidence(ORG, None, 9)
        .await
        .unwrap()
        .iter()
        .map(|it| it.backed_up)
        .collect();
    assert_eq!(covered, [true, false, true]);
    // After a restore nothing counts until the next backup.
    store.begin_new_lineages().await.unwrap();
    assert!(
        store
            .all_evidence(ORG, None, 9)
            .await
            .unwrap()
            .iter()
            .all(|it| !it.backed_up)
    );

    store.forget_evidence(ORG, &[hash(2), hash(9)]).await.unwrap();
    assert_eq!(store.all_evidence(ORG, None, 9).await.unwrap(), [file(1), file(3)]);
}
