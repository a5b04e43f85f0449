#![allow(clippy::unwrap_used)]
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use fieldledger_core::model::EvidenceHash;
use futures::stream;
use tempfile::TempDir;

use super::*;

const ORG: OrganisationId = OrganisationId::from_bytes([1; 16]);
const PHONE: DeviceId = DeviceId::from_bytes([2; 16]);
const OTHER_PHONE: DeviceId = DeviceId::from_bytes([3; 16]);

fn bytes(length: usize) -> Vec<u8> {
    (0..length).map(|it| (it * 31 % 251) as u8).collect()
}

fn upload(device: DeviceId, bytes: &[u8]) -> Upload {
    Upload {
        organisation: ORG,
        device,
        hash: EvidenceHash(Sha256::digest(bytes).into()),
        size: bytes.len() as u64,
    }
}

fn blobs() -> (TempDir, Blobs) {
    let folder = tempfile::tempdir().unwrap();
    let blobs = Blobs::new(folder.path(), 0);
    (folder, blobs)
}

/// A part that breaks off after `bytes`.
fn broken(bytes: &[u8]) -> Body {
    let pieces: Vec<io::Result<Bytes>> = vec![
        Ok(Bytes::copy_from_slice(bytes)),
        Err(io::Error::other("the network is gone")),
    ];
    Body::from_stream(stream::iter(pieces))
}

#[tokio::test]
async fn a_file_that_comes_in_parts_has_its_name_only_when_it_is_whole() {
    let (_folder, blobs) = blobs();
    let photo = bytes(10_000);
    let it = upload(PHONE, &photo);
    assert!(matches!(
        blobs.append(it, 0, Body::from(photo.clone())).await,
        Err(BlobError::Gone)
    ));
    assert_eq!(blobs.come(it).await, None);
    assert_eq!(blobs.begin(it).await.unwrap(), 0);
    assert_eq!(
        blobs.append(it, 0, Body::from(photo[..4_000].to_vec())).await.unwrap(),
        4_000
    );
    // What arrived before a part broke off is kept.
    assert!(matches!(
        blobs.append(it, 4_000, broken(&photo[4_000..7_000])).await,
        Err(BlobError::Broken)
    ));
    assert_eq!(blobs.come(it).await, Some(7_000));
    assert_eq!(blobs.begin(it).await.unwrap(), 7_000);
    for wrong in [0, 4_000, 7_001] {
        let refused = blobs.append(it, wrong, Body::from(vec![1])).await;
        assert!(matches!(refused, Err(BlobError::WrongOffset(7_000))), "{refused:?}");
    }
    let refused = blobs.append(it, 7_000, Body::from(vec![0; 3_001])).await;
    assert!(matches!(refused, Err(BlobError::TooMany)));
    assert!(!blobs.has(ORG, it.hash, 10_000).await);
    assert_eq!(
        blobs
            .append(it, 7_000, Body::from(photo[7_000..].to_vec()))
            .await
            .unwrap(),
        10_000
    );
    assert!(!blobs.has(ORG, it.hash, 10_000).await);
    blobs.finish(it).await.unwrap();
    assert!(blobs.has(ORG, it.hash, 10_000).await);
    assert!(blobs.is_whole(ORG, it.hash).unwrap());
    assert_eq!(blobs.come(it).await, None, "nothing of the upload is left beside it");
    assert_eq!(fs::read(blobs.path(ORG, it.hash)).unwrap(), photo);
    assert!(blobs.uploads.lock().unwrap().is_empty());
}

#[tokio::test]
async fn bytes_that_are_not_those_of_the_hash_are_thrown_away_and_the_upload_can_begin_again() {
    let (_folder, blobs) = blobs();
    let photo = bytes(5_000);
    let it = upload(PHONE, &photo);
    blobs.begin(it).await.unwrap();
    blobs.append(it, 0, Body::from(vec![7; 5_000])).await.unwrap();
    assert!(matches!(blobs.finish(it).await, Err(BlobError::WrongHash)));
    assert!(!blobs.has(ORG, it.hash, 5_000).await);
    assert_eq!(blobs.begin(it).await.unwrap(), 0);
    blobs.append(it, 0, Body::from(photo)).await.unwrap();
    blobs.finish(it).await.unwrap();
}

#[tokio::test]
async fn phones_that_send_the_same_file_do_not_add_to_what_the_other_sends() {
    let (_folder, blobs) = blobs();
    let photo = bytes(5_000);
    let (one, other) = (upload(PHONE, &photo), upload(OTHER_PHONE, &photo));
    blobs.begin(one).await.unwrap();
    blobs.begin(other).await.unwrap();
    blobs.append(one, 0, Body::from(vec![9; 4_000])).await.unwrap();
    blobs.append(other, 0, Body::from(photo)).await.unwrap();
    blobs.finish(other).await.unwrap();
    assert!(blobs.is_whole(ORG, one.hash).unwrap());
}

#[tokio::test]
async fn a_phone_that_comes_back_need_not_wait_for_its_dead_connection() {
    let (_folder, blobs) = blobs();
    let photo = bytes(6_000);
    let it = upload(PHONE, &photo);
    blobs.begin(it).await.unwrap();
    let come = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&come);
    let first = photo[..2_000].to_vec();
    // Some bytes, and then silence.
    let dead = stream::unfold(0, move |step| {
        let (told, first) = (Arc::clone(&told), first.clone());
        async move {
            if step > 0 {
                told.store(true, Ordering::SeqCst);
                std::future::pending::<()>().await;
            }
            Some((Ok::<_, io::Error>(Bytes::from(first)), step + 1))
        }
    });
    let alive = async {
        while !come.load(Ordering::SeqCst) {
            tokio::task::yield_now().await;
        }
        let place = blobs.append(it, 0, Body::from(Vec::new())).await;
        assert!(matches!(place, Err(BlobError::WrongOffset(2_000))), "{place:?}");
        blobs.append(it, 2_000, Body::from(photo[2_000..].to_vec())).await
    };
    let (dead, alive) = tokio::join!(blobs.append(it, 0, Body::from_stream(dead)), alive);
    assert!(matches!(dead, Err(BlobError::Superseded)), "{dead:?}");
    assert_eq!(alive.unwrap(), 6_000);
    blobs.finish(it).await.unwrap();
}

#[tokio::test]
async fn what_came_before_the_phone_hung_up_is_finished_and_nothing_is_added_to_a_file_that_has_its_name() {
    let (_folder, blobs) = blobs();
    let photo = bytes(3_000_000);
    let it = upload(PHONE, &photo);
    blobs.begin(it).await.unwrap();
    blobs.append(it, 0, Body::from(photo.clone())).await.unwrap();
    // The one who waited for the answer is gone; the work goes on, and the next one waits for it.
    let finishing = blobs.finish(it);
    drop(tokio::time::timeout(Duration::ZERO, finishing).await);
    let late = blobs.append(it, 3_000_000, Body::from(vec![1; 10])).await;
    assert!(matches!(late, Err(BlobError::Gone | BlobError::TooMany)), "{late:?}");
    match blobs.finish(it).await {
        Ok(()) | Err(BlobError::Gone) => {}
        other => panic!("{other:?}"),
    }
    assert!(blobs.is_whole(ORG, it.hash).unwrap());
    // The same file, said to have another size, is an upload of its own.
    let longer = Upload { size: 3_000_001, ..it };
    assert_eq!(blobs.begin(longer).await.unwrap(), 0);
    blobs.append(longer, 0, Body::from(vec![2; 3_000_001])).await.unwrap();
    assert!(matches!(blobs.finish(longer).await, Err(BlobError::WrongHash)));
    assert!(blobs.is_whole(ORG, it.hash).unwrap());
}

#[tokio::test]
async fn a_full_disk_takes_no_file_and_leaves_room_for_the_database() {
    let folder = tempfile::tempdir().unwrap();
    let blobs = Blobs::new(folder.path(), u64::MAX / 2);
    let it = upload(PHONE, &bytes(10));
    assert!(matches!(blobs.begin(it).await, Err(BlobError::Full)));
    assert!(!folder.path().join(FOLDER).exists());
}

/// What the disk of the next test has free.
static FREE: AtomicU64 = AtomicU64::new(u64::MAX);

#[tokio::test]
async fn a_disk_that_fills_up_while_bytes_come_takes_no_more_of_them_and_keeps_what_came() {
    let folder = tempfile::tempdir().unwrap();
    let mut blobs = Blobs::new(folder.path(), 1);
    blobs.room.free = |_| Some(FREE.load(Ordering::SeqCst));
    let piece = vec![5; 1 << 20];
    let video = piece.repeat(40);
    let it = upload(PHONE, &video);
    blobs.begin(it).await.unwrap();
    // Another one fills the disk after the third piece.
    let pieces = (0..40).map(move |number| {
        if number == 3 {
            FREE.store(0, Ordering::SeqCst);
        }
        Ok::<_, io::Error>(Bytes::from(piece.clone()))
    });
    let filled = blobs.append(it, 0, Body::from_stream(stream::iter(pieces))).await;
    assert!(matches!(filled, Err(BlobError::Full)), "{filled:?}");
    assert_eq!(blobs.come(it).await, Some(LOOK_AGAIN));
    // The next part is not begun; when there is room again, it goes on where it was.
    let refused = blobs.append(it, LOOK_AGAIN, Body::from(vec![5])).await;
    assert!(matches!(refused, Err(BlobError::Full)), "{refused:?}");
    FREE.store(u64::MAX, Ordering::SeqCst);
    let rest = video[LOOK_AGAIN as usize..].to_vec();
    assert_eq!(blobs.append(it, LOOK_AGAIN, Body::from(rest)).await.unwrap(), it.size);
    blobs.finish(it).await.unwrap();
}

#[tokio::test]
async fn a_phone_that_finishes_nothing_begins_no_more_than_it_may() {
    let (_folder, blobs) = blobs();
    let blobs = blobs.with_most_unfinished(Some(1_000_000));
    let of_size = |device, number: u8, size| Upload {
        hash: EvidenceHash([number; 32]),
        size,
        ..upload(device, b"")
    };
    let photo = bytes(600_000);
    let first = upload(PHONE, &photo);
    blobs.begin(first).await.unwrap();
    let second = of_size(PHONE, 2, 500_000);
    let refused = blobs.begin(second).await;
    assert!(
        matches!(refused, Err(BlobError::TooMuchUnfinished(600_000))),
        "{refused:?}"
    );
    assert_eq!(blobs.come(second).await, None);
    // What fits does; what was begun goes on; and another phone is not concerned.
    blobs.begin(of_size(PHONE, 3, 400_000)).await.unwrap();
    assert_eq!(blobs.begin(first).await.unwrap(), 0);
    blobs.begin(of_size(OTHER_PHONE, 2, 500_000)).await.unwrap();
    // Each counts for something, however small it is said to be.
    assert!(matches!(
        blobs.begin(of_size(PHONE, 4, 1)).await,
        Err(BlobError::TooMuchUnfinished(_))
    ));
    blobs.append(first, 0, Body::from(photo)).await.unwrap();
    blobs.finish(first).await.unwrap();
    blobs.begin(second).await.unwrap();
    // A file that is larger than all that is taken by itself.
    let (_folder, blobs) = self::blobs();
    let blobs = blobs.with_most_unfinished(Some(1_000_000));
    blobs.begin(of_size(PHONE, 5, 3_000_000)).await.unwrap();
}

#[tokio::test]
async fn uploads_that_nobody_goes_on_with_are_cleared_away_and_others_are_not() {
    let (_folder, blobs) = blobs();
    assert_eq!(blobs.clear_incoming(SystemTime::now()).unwrap(), 0);
    let (old, new) = (upload(PHONE, b"old"), upload(PHONE, b"new"));
    blobs.begin(old).await.unwrap();
    blobs.begin(new).await.unwrap();
    let long_ago = SystemTime::now() - Duration::from_secs(8 * 86_400);
    let file = fs::File::options().append(true).open(blobs.incoming(old)).unwrap();
    file.set_modified(long_ago).unwrap();
    assert_eq!(blobs.clear_incoming(long_ago + Duration::from_secs(60)).unwrap(), 1);
    assert_eq!((blobs.come(old).await, blobs.come(new).await), (None, Some(0)));
}

#[tokio::test]
async fn a_backup_holds_the_files_and_a_damaged_one_is_told() {
    let (folder, blobs) = blobs();
    let it = upload(PHONE, b"a slip");
    blobs.begin(it).await.unwrap();
    blobs.append(it, 0, Body::from("a slip")).await.unwrap();
    blobs.finish(it).await.unwrap();
    let to = folder.path().join("backup");
    blobs.back_up(&to, ORG, it.hash, 6).unwrap();
    sync_folders(&to).unwrap();
    // Twice into one backup would write to the original, of which it may be a second name.
    let again = blobs.back_up(&to, ORG, it.hash, 6);
    assert_eq!(again.unwrap_err().kind(), io::ErrorKind::AlreadyExists);
    assert!(blobs.is_whole(ORG, it.hash).unwrap());
    // What is cut short is in no backup.
    let cut = blobs.back_up(&folder.path().join("other"), ORG, it.hash, 7);
    assert_eq!(cut.unwrap_err().kind(), io::ErrorKind::NotFound);
    assert!(Blobs::new(&to, 0).is_whole(ORG, it.hash).unwrap());
    fs::remove_file(blobs.path(ORG, it.hash)).unwrap();
    assert!(blobs.is_whole(ORG, it.hash).is_err());
    fs::write(blobs.path(ORG, it.hash), "a slop").unwrap();
    assert!(!blobs.is_whole(ORG, it.hash).unwrap());
}
