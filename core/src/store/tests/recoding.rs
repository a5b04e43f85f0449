//! A database gets a key, loses it, or gets another: whole at every moment.

use std::{
    fs,
    path::Path,
    process::{Command, ExitStatus, Stdio},
    time::Duration,
};

use super::{
    damage::{everything, worked_phone},
    encryption::{Keychain, files, key, open, refused, test_key},
    *,
};

/// Where the process of a test may die; see `recode`.
const STEPS: [&str; 8] = [
    "alone", "attached", "copied", "detached", "checked", "flushed", "closed", "renamed",
];

/// A plain database with some work, and what is in it.
fn plain() -> (TempDir, Vec<DocumentRow>) {
    let phone = worked_phone();
    let before = everything(&phone.store);
    phone.store.close();
    FieldStore::decrypt(&phone.folder.path().join("phone.db"), &test_key()).unwrap();
    (phone.folder, before)
}

fn copy_of(folder: &Path) -> TempDir {
    let copy = tempfile::tempdir().unwrap();
    for (name, bytes) in files(folder) {
        fs::write(copy.path().join(name), bytes).unwrap();
    }
    copy
}

fn rotating() -> Arc<Keychain> {
    let supply = Keychain::with(key(1));
    *supply.pending.lock().unwrap() = Some(key(2));
    supply
}

fn names(folder: &Path) -> Vec<String> {
    files(folder).into_iter().map(|(name, _)| name).collect()
}

#[test]
fn a_plain_database_is_encrypted_with_everything_in_it_and_decrypted_again() {
    let (folder, before) = plain();
    let path = folder.path().join("phone.db");
    // What a salvage left behind that was broken off, and what one set aside long ago.
    fs::write(folder.path().join("phone.db-fresh"), "half of a plain copy").unwrap();
    fs::write(folder.path().join("phone.db.damaged-7"), "SQLite format 3\0 plain").unwrap();
    fs::write(folder.path().join("phone.db-recoded"), "half of an encrypted copy").unwrap();
    let encrypted = FieldStore::encrypt(&path, &key(1)).unwrap();
    assert_eq!(encrypted.plain_copies, [folder.path().join("phone.db.damaged-7")]);
    assert_eq!(names(folder.path()), ["phone.db", "phone.db.damaged-7"]);
    let bytes = fs::read(&path).unwrap();
    assert_eq!(
        FieldStore::encrypt(&path, &key(1)).unwrap(),
        encrypted,
        "it is done once"
    );
    assert_eq!(fs::read(&path).unwrap(), bytes);
    assert_eq!(FieldStore::encrypt(&path, &key(2)), Err(FieldError::WrongKey));
    assert_eq!(FieldStore::decrypt(&path, &key(2)), Err(FieldError::WrongKey));
    assert_eq!(fs::read(&path).unwrap(), bytes);

    let store = open(folder.path(), Some(Keychain::with(key(1)))).unwrap();
    assert_eq!(everything(&store), before);
    assert_eq!(store.status().unwrap().rejected.len(), 1);
    assert_eq!(store.search("东方", 5).unwrap().len(), 1);
    assert!(store.search("样品", 500).unwrap().len() > 10);
    let visit = store
        .start_visit(CustomerId::from_bytes([50; 16]), VisitPurpose::Sales, None)
        .unwrap();
    // An open store keeps its file.
    let open_elsewhere = FieldStore::decrypt(&path, &key(1)).unwrap_err();
    assert!(
        matches!(&open_elsewhere, FieldError::Invalid(it) if it.field == "path" && it.message.contains("close")),
        "{open_elsewhere:?}"
    );
    store.close();
    FieldStore::decrypt(&path, &key(1)).unwrap();
    let store = open(folder.path(), None).unwrap();
    assert_eq!(store.visit(visit.id).unwrap().unwrap(), visit);
    assert_eq!(everything(&store).len(), before.len() + 1);
    assert_eq!(store.opening_report(), None);
}

#[test]
fn what_cannot_be_encrypted_is_told_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("phone.db");
    let invalid = |error: FieldError| match error {
        FieldError::Invalid(it) => (it.field, it.message),
        other => panic!("{other:?}"),
    };
    let (field, message) = invalid(FieldStore::encrypt(&path, &key(1)).unwrap_err());
    assert!(field == "path" && message.contains("no database"), "{message}");
    fs::write(&path, "call Zhang about the tea\n".repeat(1_000)).unwrap();
    invalid(FieldStore::encrypt(&path, &key(1)).unwrap_err());
    assert_eq!(names(folder.path()), ["phone.db"]);

    let (folder, before) = plain();
    let path = folder.path().join("phone.db");
    let whole = fs::read(&path).unwrap();
    for damaged in [0..4_096, 8 * 4_096..9 * 4_096] {
        let mut bytes = whole.clone();
        bytes[damaged].fill(0xa5);
        fs::write(&path, &bytes).unwrap();
        let error = FieldStore::encrypt(&path, &key(1)).unwrap_err();
        assert!(matches!(error, FieldError::Damaged(_)), "{error:?}");
        assert_eq!(names(folder.path()), ["phone.db"]);
    }
    // Opening it salvages it; then it is encrypted, and what was set aside is told.
    let mut bytes = whole;
    bytes[..4_096].fill(0xa5);
    fs::write(&path, &bytes).unwrap();
    let store = open(folder.path(), None).unwrap();
    let report = store.opening_report().unwrap();
    store.close();
    let encrypted = FieldStore::encrypt(&path, &key(1)).unwrap();
    assert_eq!(encrypted.plain_copies, [report.set_aside]);
    assert_eq!(
        everything(&open(folder.path(), Some(Keychain::with(key(1)))).unwrap()),
        before
    );
}

#[test]
fn a_key_is_changed_while_others_read_and_only_in_the_order_that_a_crash_allows() {
    let (folder, before) = plain();
    let path = folder.path().join("phone.db");
    FieldStore::encrypt(&path, &key(1)).unwrap();
    let supply = Keychain::with(key(1));
    let store = open(folder.path(), Some(supply.clone())).unwrap();
    let untouched = fs::read(&path).unwrap();
    let refused_key = store.rotate_key(&key(2)).unwrap_err();
    assert!(
        matches!(&refused_key, FieldError::Invalid(it) if it.field == "key" && it.message.contains("pending")),
        "{refused_key:?}"
    );
    assert_eq!(fs::read(&path).unwrap(), untouched);
    store.rotate_key(&key(1)).unwrap();
    assert!(!store.opened_with_pending_key().unwrap());

    *supply.pending.lock().unwrap() = Some(key(2));
    std::thread::scope(|scope| {
        let (rows, reader) = (before.len(), store.clone());
        scope.spawn(move || {
            for _ in 0..200 {
                assert!(everything(&reader).len() >= rows);
            }
        });
        let writer = store.clone();
        scope.spawn(move || {
            for _ in 0..20 {
                writer
                    .start_visit(CustomerId::from_bytes([50; 16]), VisitPurpose::Sales, None)
                    .unwrap();
            }
        });
        store.rotate_key(&key(2)).unwrap();
    });
    assert!(store.opened_with_pending_key().unwrap());
    let after = everything(&store);
    assert_eq!(after.len(), before.len() + 20);
    store.rotate_key(&key(2)).unwrap();
    store.close();
    assert_eq!(store.rotate_key(&key(2)), Err(FieldError::Closed));
    assert_eq!(names(folder.path()), ["phone.db"]);
    assert_eq!(
        refused(folder.path(), Some(Keychain::with(key(1)))),
        FieldError::WrongKey
    );

    // The app died before it made the pending key the present one.
    store.reopen().unwrap();
    assert!(store.opened_with_pending_key().unwrap());
    *supply.present.lock().unwrap() = Ok(key(2));
    *supply.pending.lock().unwrap() = None;
    assert!(!store.opened_with_pending_key().unwrap(), "it is the present one now");
    store.close();
    store.reopen().unwrap();
    assert!(!store.opened_with_pending_key().unwrap());
    assert_eq!(everything(&store), after);
}

#[test]
fn a_rotation_that_fails_leaves_the_store_open_with_its_old_key() {
    let (folder, before) = plain();
    let path = folder.path().join("phone.db");
    FieldStore::encrypt(&path, &key(1)).unwrap();
    let store = open(folder.path(), Some(rotating())).unwrap();
    // The copy cannot be made: something that is no file has its name.
    fs::create_dir_all(folder.path().join("phone.db-recoded/occupied")).unwrap();
    let failed = store.rotate_key(&key(2)).unwrap_err();
    assert!(matches!(failed, FieldError::Internal(_)), "{failed:?}");
    assert!(!store.opened_with_pending_key().unwrap());
    assert_eq!(everything(&store), before);
    fs::remove_dir_all(folder.path().join("phone.db-recoded")).unwrap();
    store.rotate_key(&key(2)).unwrap();
    assert_eq!(everything(&store), before);

    let plain_store = open(plain().0.path(), None).unwrap();
    assert_eq!(plain_store.rotate_key(&key(2)), Err(FieldError::NotEncrypted));
}

/// Not a test: what the processes do that the tests below kill.
#[test]
fn a_process_recodes_a_database_when_told_to() {
    let Some(folder) = std::env::var_os("FIELDLEDGER_RECODE_IN") else {
        return;
    };
    let folder = Path::new(&folder);
    let path = folder.join("phone.db");
    match std::env::var("FIELDLEDGER_RECODE").unwrap().as_str() {
        "encrypt" => drop(FieldStore::encrypt(&path, &key(1)).unwrap()),
        "decrypt" => FieldStore::decrypt(&path, &key(1)).unwrap(),
        "rotate" => open(folder, Some(rotating())).unwrap().rotate_key(&key(2)).unwrap(),
        other => panic!("{other}"),
    }
}

fn process(folder: &Path, job: &str, die_at: Option<&str>) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args([
            "--exact",
            "store::tests::recoding::a_process_recodes_a_database_when_told_to",
        ])
        .env("FIELDLEDGER_RECODE_IN", folder)
        .env("FIELDLEDGER_RECODE", job)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    if let Some(step) = die_at {
        command.env("FIELDLEDGER_DIE_AT", step);
    }
    command
}

/// Opens what a process left that died; whether it had come to its end.
fn opened_after(folder: &Path, job: &str, before: &[DocumentRow]) -> bool {
    let path = folder.join("phone.db");
    let encrypted = FieldStore::encryption(&path) == Encryption::Encrypted;
    let (store, done) = match job {
        "rotate" => {
            let store = open(folder, Some(rotating())).unwrap();
            let done = store.opened_with_pending_key().unwrap();
            (store, done)
        }
        "encrypt" => (
            open(folder, encrypted.then(|| Keychain::with(key(1)))).unwrap(),
            encrypted,
        ),
        _ => (
            open(folder, encrypted.then(|| Keychain::with(key(1)))).unwrap(),
            !encrypted,
        ),
    };
    assert_eq!(store.opening_report(), None);
    assert_eq!(everything(&store), before);
    assert_eq!(store.status().unwrap().rejected.len(), 1);
    store.close();
    for (name, bytes) in files(folder) {
        // A journal that SQLite had not begun is left by a kill in the first moment, and never read.
        let unread = name == "phone.db-journal" && bytes.first().is_none_or(|it| *it == 0);
        assert!(name == "phone.db" || unread, "{name} is left beside it");
    }
    done
}

fn prepared(job: &str) -> (TempDir, Vec<DocumentRow>) {
    let (folder, before) = plain();
    if job != "encrypt" {
        FieldStore::encrypt(&folder.path().join("phone.db"), &key(1)).unwrap();
    }
    (folder, before)
}

fn died(status: ExitStatus) -> bool {
    use std::os::unix::process::ExitStatusExt as _;
    status.signal().is_some()
}

#[test]
fn a_process_that_dies_at_any_step_leaves_the_old_or_the_new_database_whole() {
    for job in ["encrypt", "decrypt", "rotate"] {
        let (folder, before) = prepared(job);
        for step in STEPS {
            let copy = copy_of(folder.path());
            let status = process(copy.path(), job, Some(step)).status().unwrap();
            assert!(died(status), "{job} passes {step}");
            let done = opened_after(copy.path(), job, &before);
            assert_eq!(done, step == "renamed", "{job}, {step}");
            // Begun again, it comes to its end.
            assert!(process(copy.path(), job, None).status().unwrap().success());
            assert!(opened_after(copy.path(), job, &before), "{job}, {step}");
            assert_eq!(names(copy.path()), ["phone.db"]);
        }
    }
}

#[test]
fn a_process_killed_at_any_time_leaves_the_old_or_the_new_database_whole() {
    let rounds: u64 = std::env::var("FIELDLEDGER_KILLS").map_or(8, |it| it.parse().unwrap());
    for job in ["encrypt", "decrypt", "rotate"] {
        let (folder, before) = prepared(job);
        let mut finished = 0;
        for round in 0..rounds {
            let copy = copy_of(folder.path());
            let mut child = process(copy.path(), job, None).spawn().unwrap();
            std::thread::sleep(Duration::from_millis(round * 400 / rounds));
            child.kill().unwrap();
            child.wait().unwrap();
            finished += usize::from(opened_after(copy.path(), job, &before));
            if names(copy.path()) != ["phone.db"] {
                assert!(process(copy.path(), job, None).status().unwrap().success());
                assert!(opened_after(copy.path(), job, &before));
                assert_eq!(names(copy.path()), ["phone.db"]);
            }
        }
        println!("{job}: {finished} of {rounds} had come to their end");
    }
}
