#![allow(clippy::unwrap_used, clippy::expect_used)]

mod fetching;

use super::*;
use crate::{
    model::{DocumentId, EvidenceKind, UploadState},
    store::{Change, FieldStore, NewEvidence},
    sync::fake::Phone,
};

fn photo() -> NewEvidence {
    NewEvidence {
        kind: EvidenceKind::Photo,
        media_type: "image/jpeg".to_owned(),
        taken_at: None,
        position: None,
        caption: String::new(),
    }
}

fn folder_of(phone: &Phone) -> PathBuf {
    phone.folder.path().join("phone.db-evidence")
}

/// What is in the folder, by name.
fn names(phone: &Phone) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder_of(phone)) else {
        return Vec::new();
    };
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn taken(phone: &Phone, bytes: &[u8]) -> PathBuf {
    let file = phone.folder.path().join("taken.jpg");
    fs::write(&file, bytes).unwrap();
    file
}

fn reopened(phone: &Phone) -> &FieldStore {
    phone.store.close();
    phone.store.reopen().unwrap();
    &phone.store
}

fn stored_name(phone: &Phone, hash: EvidenceHash) -> String {
    phone
        .store
        .read(|it| {
            Ok(
                it.query_row("SELECT path FROM evidence WHERE hash = ?1", [&hash.0[..]], |row| {
                    row.get(0)
                })?,
            )
        })
        .unwrap()
}

#[test]
fn a_file_is_copied_under_its_hash_for_this_app_alone_and_the_apps_own_is_left() {
    let phone = Phone::new(1);
    let visit = phone.plan(1);
    let file = taken(&phone, b"a shelf");
    let hash = phone.store.attach_evidence(visit, file.clone(), photo()).unwrap();
    assert_eq!(names(&phone), [hash.to_string()]);
    assert_eq!(
        stored_name(&phone, hash),
        hash.to_string(),
        "paths change with every update of an app"
    );
    assert_eq!(fs::read(folder_of(&phone).join(hash.to_string())).unwrap(), b"a shelf");
    assert_eq!(fs::read(file).unwrap(), b"a shelf");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&folder_of(&phone)), 0o700);
        assert_eq!(mode(&folder_of(&phone).join(hash.to_string())), 0o600);
    }
    // The same again, in another document: one copy.
    let other = phone.plan(2);
    let again = phone.store.attach_evidence(other, taken(&phone, b"a shelf"), photo());
    assert_eq!((again, names(&phone)), (Ok(hash), vec![hash.to_string()]));
}

#[test]
fn the_whole_folder_may_be_moved_with_its_database() {
    let phone = Phone::new(1);
    let hash = phone.photograph(phone.plan(1), b"a shelf");
    phone.store.close();
    let moved = tempfile::tempdir().unwrap();
    for name in ["phone.db", "phone.db-evidence"] {
        fs::rename(phone.folder.path().join(name), moved.path().join(name)).unwrap();
    }
    let options = crate::store::OpenOptions {
        path: moved.path().join("phone.db"),
        ..phone.store.options().clone()
    };
    let store = FieldStore::open(options).unwrap();
    let path = store.evidence_file(hash).unwrap().unwrap().path.unwrap();
    assert_eq!(fs::read(path).unwrap(), b"a shelf");
}

#[test]
fn what_is_not_saved_leaves_nothing_and_what_was_there_before_stays() {
    let phone = Phone::new(1);
    let visit = phone.plan(1);
    let refused = |document: DocumentId, bytes: &[u8], evidence: NewEvidence| {
        phone
            .store
            .attach_evidence(document, taken(&phone, bytes), evidence)
            .unwrap_err()
    };
    refused(visit, b"", photo());
    let strange = NewEvidence {
        media_type: "a photo".to_owned(),
        ..photo()
    };
    refused(visit, b"a shelf", strange.clone());
    assert_eq!(
        refused(DocumentId::from_bytes([9; 16]), b"a shelf", photo()),
        FieldError::NotFound
    );
    assert_eq!(names(&phone), Vec::<String>::new());
    assert_eq!(phone.store.evidence_waiting(10).unwrap(), []);

    let hash = phone.photograph(visit, b"a shelf");
    refused(visit, b"a shelf", strange);
    let named = phone.store.visit(visit).unwrap().unwrap().value.evidence[&hash].clone();
    let another = taken(&phone, b"another shelf");
    let wrong = phone.store.add_evidence(visit, named, hash, Some(another));
    assert!(matches!(wrong, Err(FieldError::Invalid(_))));
    assert_eq!(names(&phone), [hash.to_string()]);
    let missing = phone.folder.path().join("missing.jpg");
    assert!(matches!(
        phone.store.attach_evidence(visit, missing, photo()),
        Err(FieldError::Invalid(_))
    ));
    assert_eq!(phone.store.evidence_state(hash), Ok(UploadState::Waiting));
}

#[cfg(not(feature = "sqlcipher"))]
#[test]
fn a_full_disk_is_told_and_leaves_neither_copy_nor_row() {
    let phone = Phone::new(1);
    let visit = phone.plan(1);
    // The database cannot grow any more.
    phone.store.inner.database.with_writer(|connection| {
        let pages: i64 = connection
            .pragma_query_value(None, "page_count", |row| row.get(0))
            .unwrap();
        connection
            .pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))
            .unwrap();
    });
    let full = (0..1_000u32).find_map(|number| {
        let bytes = number.to_be_bytes().repeat(9);
        let attached = phone.store.attach_evidence(visit, taken(&phone, &bytes), photo());
        attached.err().map(|error| (number as usize, error))
    });
    let (saved, error) = full.unwrap();
    assert_eq!(error, FieldError::StorageFull);
    assert_eq!(names(&phone).len(), saved);
    assert_eq!(phone.store.evidence_waiting(2_000).unwrap().len(), saved);
}

#[test]
fn what_a_full_disk_says_is_told_as_that() {
    for kind in [io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded] {
        assert_eq!(unwritable(&kind.into()), FieldError::StorageFull);
    }
    assert!(matches!(
        unwritable(&io::ErrorKind::PermissionDenied.into()),
        FieldError::Internal(_)
    ));
    // A device that is always full.
    #[cfg(target_os = "linux")]
    {
        let folder = tempfile::tempdir().unwrap();
        let made = Folder::beside(&folder.path().join("phone.db"), Durability::Off);
        let mut partial = made.begin([1; 8]).unwrap();
        partial.file = File::options().write(true).open("/dev/full").unwrap();
        assert_eq!(partial.write(b"bytes"), Err(FieldError::StorageFull));
        drop(partial);
        // What came of one that is fetched makes room too.
        let hash = EvidenceHash([7; 32]);
        let mut fetched = made.resume(hash, 9, [2; 8], &HashSet::new()).unwrap();
        fetched.write(b"by").unwrap();
        fetched.file = File::options().write(true).open("/dev/full").unwrap();
        assert_eq!(fetched.write(b"tes"), Err(FieldError::StorageFull));
        drop(fetched);
        assert_eq!(fs::read_dir(made.path).unwrap().count(), 0);
    }
}

#[test]
fn a_crash_at_any_moment_leaves_no_litter_and_loses_nothing() {
    let phone = Phone::new(1);
    let visit = phone.plan(1);
    let folder = phone.store.evidence_folder();
    let dies = |name: &str, bytes: &[u8]| fs::write(folder_of(&phone).join(name), bytes).unwrap();
    let kept = phone.photograph(visit, b"kept");

    // While it copied; and before the document was saved.
    dies("0011223344556677.part", b"hal");
    let copied = folder.copy(&taken(&phone, b"copied"), [2; 8]).unwrap();
    dies(&format!("{}.0202.new", copied.hash), b"copied");
    drop(copied);
    reopened(&phone);
    assert_eq!(names(&phone), [kept.to_string()]);
    assert_eq!(phone.store.evidence_waiting(9).unwrap().len(), 1);

    // After it was saved, and before the copy got its name.
    let named = folder_of(&phone).join(kept.to_string());
    let unnamed = folder_of(&phone).join(format!("{kept}.0303.new"));
    fs::rename(&named, &unnamed).unwrap();
    reopened(&phone);
    assert_eq!(names(&phone), [kept.to_string()]);
    // Or the store stays open, and the file is to be sent.
    fs::rename(&named, &unnamed).unwrap();
    assert_eq!(folder.look(&kept.to_string(), 4), Found::Here);
    assert_eq!(names(&phone), [kept.to_string()]);
    // And the database forgot it while the document did not.
    fs::rename(&named, &unnamed).unwrap();
    phone
        .store
        .write(&[], |it| Ok(it.execute("DELETE FROM evidence", [])?))
        .unwrap();
    reopened(&phone);
    assert_eq!(names(&phone), [kept.to_string()]);
    let file = phone.store.evidence_file(kept).unwrap().unwrap();
    assert_eq!(
        (file.state, file.document, file.size),
        (UploadState::Waiting, Some(visit), 4)
    );
}

#[test]
fn what_another_store_on_the_same_database_is_writing_is_no_litter() {
    let phone = Phone::new(1);
    let visit = phone.plan(1);
    let folder = phone.store.evidence_folder();
    let partial = folder.begin([4; 8]).unwrap();
    let whole = folder.copy(&taken(&phone, b"a shelf"), [5; 8]).unwrap();
    let (name, hash) = (whole.name(), whole.hash);
    let second = FieldStore::open(phone.store.options().clone()).unwrap();
    assert_eq!(names(&phone).len(), 2);
    // Known already, and not named yet: nobody takes it for lost.
    second
        .write(&[Change::Evidence], |it| {
            crate::evidence::queue::note(it, hash, 7, Some(&name), visit, phone.store.options().clock.now())
        })
        .unwrap();
    assert!(matches!(folder.look(&name, 7), Found::Unreadable(_)));
    whole.keep();
    assert_eq!(folder.look(&name, 7), Found::Here);
    drop(partial);
    assert_eq!(names(&phone), [name]);
}

#[test]
fn a_damaged_database_gives_back_what_it_knew_of_files_or_finds_them_in_the_folder() {
    for forgotten in [false, true] {
        let phone = Phone::new(1);
        let visit = phone.plan(1);
        let hash = phone.photograph(visit, b"a shelf");
        phone
            .store
            .write(&[], |it| {
                it.execute(
                    "UPDATE evidence SET tries = 3, due = 7, problem = 'too large', stored_at = 5",
                    [],
                )?;
                if forgotten {
                    it.execute("DELETE FROM evidence", [])?;
                }
                Ok(())
            })
            .unwrap();
        phone.store.close();
        let path = phone.folder.path().join("phone.db");
        let mut bytes = fs::read(&path).unwrap();
        bytes[..100].fill(0x5B);
        fs::write(&path, bytes).unwrap();
        phone.store.reopen().unwrap();
        assert!(phone.store.opening_report().is_some());
        let file = phone.store.evidence_file(hash).unwrap().unwrap();
        assert_eq!((file.size, file.state), (7, UploadState::Waiting));
        assert_eq!(fs::read(file.path.unwrap()).unwrap(), b"a shelf");
        let expected = if forgotten {
            (None, None)
        } else {
            (Some(visit), Some("too large".to_owned()))
        };
        assert_eq!((file.document, file.problem), expected);
    }
}

#[cfg(not(feature = "sqlcipher"))]
#[test]
fn a_row_of_an_earlier_version_is_kept_and_salvaged() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("phone.db");
    let earlier = rusqlite::Connection::open(&path).unwrap();
    for step in [
        include_str!("../../../migrations/0001_initial.sql"),
        include_str!("../../../migrations/0002_allowances.sql"),
        include_str!("../../../migrations/0003_acknowledged.sql"),
    ] {
        earlier.execute_batch(step).unwrap();
    }
    let hash = EvidenceHash([3; 32]);
    earlier
        .execute(
            "INSERT INTO evidence (hash, path, size, state, sent) VALUES (?1, '/photos/1.jpg', 70, 1, 30)",
            [&hash.0[..]],
        )
        .unwrap();
    earlier.pragma_update(None, "user_version", 3).unwrap();
    earlier.close().unwrap();
    let options = crate::store::OpenOptions {
        durability: Durability::Off,
        ..crate::store::OpenOptions::new(&path, [1; 16])
    };
    let store = FieldStore::open(options).unwrap();
    let before = store.evidence_file(hash).unwrap().unwrap();
    assert_eq!(before.path.as_deref(), Some(Path::new("/photos/1.jpg")));
    assert_eq!(
        (before.state, before.sent, before.document),
        (UploadState::Uploading, 30, None)
    );
    store.close();
    let mut bytes = fs::read(&path).unwrap();
    bytes[..100].fill(0x5B);
    fs::write(&path, bytes).unwrap();
    store.reopen().unwrap();
    assert!(store.opening_report().is_some());
    assert_eq!(store.evidence_file(hash).unwrap().unwrap(), before);
}
