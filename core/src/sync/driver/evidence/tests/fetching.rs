//! Files of other phones: fetched whole, over networks that cut, and never kept when they are wrong.

use super::*;

#[tokio::test]
async fn a_photo_of_another_phone_is_fetched_once_and_never_kept_when_its_bytes_are_wrong() {
    let (ann, ben, wire) = (Phone::new(1), Phone::new(2), Arc::new(Wire::default()));
    let visit = ann.plan(1);
    let hash = ann.photograph(visit, &picture(1, 700_000));
    driver(&ann, &wire).sync_once().await.unwrap();
    driver(&ben, &wire).sync_once().await.unwrap();
    let viewer = driver(&ben, &wire);
    let not_there = SyncError::Storage(FieldError::NotFound);
    assert_eq!(
        viewer.fetch_evidence(visit, hash).await,
        Err(not_there.clone()),
        "not arrived"
    );
    assert_eq!(
        viewer.fetch_evidence(visit, EvidenceHash([7; 32])).await,
        Err(not_there)
    );
    sync(&ann, &wire).await;

    let right = files_of(&wire).stored[&hash].clone();
    let mut turned = right.clone();
    turned[600_000] ^= 1;
    let longer = [&right[..], &[0; 5_000_000]].concat();
    for wrong in [turned, right[..699_999].to_vec(), longer, Vec::new()] {
        files_of(&wire).stored.insert(hash, wrong);
        let error = viewer.fetch_evidence(visit, hash).await.unwrap_err();
        assert!(
            matches!(error, SyncError::Transport(TransportFault::Server(_))),
            "{error:?}"
        );
        assert_eq!(state(&ben, hash), UploadState::Elsewhere);
        let folder = copy_of(&ben, hash).parent().unwrap().to_owned();
        assert_eq!(std::fs::read_dir(folder).unwrap().count(), 0, "nothing is kept");
    }
    files_of(&wire).stored.insert(hash, right.clone());
    let path = viewer.fetch_evidence(visit, hash).await.unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), right);
    assert_eq!(path, copy_of(&ben, hash));
    assert_eq!(state(&ben, hash), UploadState::Stored);
    fetched_from(&wire);
    assert_eq!(viewer.fetch_evidence(visit, hash).await.unwrap(), path);
    assert_eq!(fetched_from(&wire), Vec::<u64>::new(), "it is here");
}

/// A photo of Ann's that the server has, and Ben, who has read of it and taken nothing yet.
async fn photo_for_ben() -> (Phone, Arc<Wire>, DocumentId, EvidenceHash, Vec<u8>) {
    let (ann, ben, wire) = (Phone::new(1), Phone::new(2), Arc::new(Wire::default()));
    let visit = ann.plan(1);
    let photo = picture(1, 700_000);
    let hash = ann.photograph(visit, &photo);
    sync(&ann, &wire).await;
    driver(&ben, &wire).sync_once().await.unwrap();
    (ben, wire, visit, hash, photo)
}

fn fetched_from(wire: &Wire) -> Vec<u64> {
    std::mem::take(&mut *wire.fetched.lock().unwrap())
}

/// What has come of a file that is fetched.
fn come_of(phone: &Phone, hash: EvidenceHash) -> Option<u64> {
    let path = copy_of(phone, hash).with_extension("fetch");
    Some(std::fs::metadata(path).ok()?.len())
}

#[tokio::test]
async fn a_fetch_that_is_cut_goes_on_at_the_byte_at_once_and_in_a_later_call() {
    let (ben, wire, visit, hash, photo) = photo_for_ben().await;
    // The second request brings nothing: there is no network any more.
    wire.cuts.lock().unwrap().extend([300_007, 0]);
    let cut = driver(&ben, &wire).fetch_evidence(visit, hash).await;
    assert_eq!(cut, Err(SyncError::Transport(TransportFault::Offline)));
    assert_eq!(fetched_from(&wire), [0, 300_007]);
    assert_eq!(come_of(&ben, hash), Some(300_007));
    assert_eq!(state(&ben, hash), UploadState::Elsewhere);
    // The app was ended meanwhile.
    ben.store.close();
    ben.store.reopen().unwrap();
    wire.cuts.lock().unwrap().extend([1, 99_999]);
    let path = driver(&ben, &wire).fetch_evidence(visit, hash).await.unwrap();
    assert_eq!(fetched_from(&wire), [300_007, 300_008, 400_007]);
    assert_eq!(std::fs::read(&path).unwrap(), photo);
    assert_eq!((path, come_of(&ben, hash)), (copy_of(&ben, hash), None));
    assert_eq!(state(&ben, hash), UploadState::Stored);
}

#[tokio::test]
async fn a_network_that_cuts_every_few_bytes_ends_the_fetch_and_costs_nothing_that_came() {
    let (ben, wire, visit, hash, photo) = photo_for_ben().await;
    wire.cuts.lock().unwrap().extend([1_000; 20]);
    let cut = driver(&ben, &wire).fetch_evidence(visit, hash).await;
    assert_eq!(cut, Err(SyncError::Transport(TransportFault::Offline)));
    assert_eq!(come_of(&ben, hash), Some(16_000));
    let path = driver(&ben, &wire).fetch_evidence(visit, hash).await.unwrap();
    assert_eq!(std::fs::read(path).unwrap(), photo);
    assert_eq!(fetched_from(&wire), (0..21).map(|it| it * 1_000).collect::<Vec<_>>());
}

#[tokio::test]
async fn pieces_that_do_not_make_the_file_are_thrown_away_and_it_is_fetched_once_more_from_its_beginning() {
    let (ben, wire, visit, hash, photo) = photo_for_ben().await;
    let piece = copy_of(&ben, hash).with_extension("fetch");
    std::fs::create_dir_all(piece.parent().unwrap()).unwrap();
    // Other bytes, as many as the file has, and more than it has.
    for (piece_of, asked) in [(5_000, vec![5_000, 0]), (700_000, vec![0]), (700_001, vec![0])] {
        std::fs::write(&piece, picture(9, piece_of)).unwrap();
        let path = driver(&ben, &wire).fetch_evidence(visit, hash).await.unwrap();
        assert_eq!(
            (std::fs::read(&path).unwrap() == photo, fetched_from(&wire)),
            (true, asked)
        );
        std::fs::remove_file(path).unwrap();
    }
    // Right bytes that came whole, and were not noted before the app ended, are not fetched again.
    std::fs::write(&piece, &photo).unwrap();
    let path = driver(&ben, &wire).fetch_evidence(visit, hash).await.unwrap();
    assert_eq!(
        (std::fs::read(&path).unwrap() == photo, fetched_from(&wire)),
        (true, vec![])
    );
    std::fs::remove_file(path).unwrap();
    // The server's file is shorter than what has come, and then another one.
    for wrong in [photo[..100_000].to_vec(), picture(8, 700_000)] {
        std::fs::write(&piece, &photo[..200_000]).unwrap();
        files_of(&wire).stored.insert(hash, wrong);
        let error = driver(&ben, &wire).fetch_evidence(visit, hash).await.unwrap_err();
        assert!(
            matches!(error, SyncError::Transport(TransportFault::Server(_))),
            "{error:?}"
        );
        assert_eq!((fetched_from(&wire), come_of(&ben, hash)), (vec![200_000, 0], None));
    }
}

#[tokio::test]
async fn a_server_that_gives_whole_files_only_is_believed() {
    let (ben, wire, visit, hash, photo) = photo_for_ben().await;
    wire.no_ranges.store(true, Ordering::Relaxed);
    wire.cuts.lock().unwrap().push_back(650_000);
    let path = driver(&ben, &wire).fetch_evidence(visit, hash).await.unwrap();
    assert_eq!(fetched_from(&wire), [0, 650_000]);
    assert_eq!(std::fs::read(path).unwrap(), photo);
}

#[tokio::test]
async fn two_who_want_to_see_the_same_photo_fetch_it_once() {
    let (ben, wire, visit, hash, photo) = photo_for_ben().await;
    let viewer = driver(&ben, &wire);
    let (one, other) = tokio::join!(viewer.fetch_evidence(visit, hash), viewer.fetch_evidence(visit, hash));
    assert_eq!(one, other);
    assert_eq!(std::fs::read(one.unwrap()).unwrap(), photo);
    assert_eq!(fetched_from(&wire), [0]);
}
