//! Damaged files: set aside, salvaged, reported.

use std::{fs, path::Path};

use super::*;

const VISITS: usize = 40;

/// A phone with unsent visits, one of them edited and one refused, and customers.
pub(super) fn worked_phone() -> Phone {
    let phone = Phone::rep();
    let shop = customer(50, "东方超市");
    phone.receive(StreamId::Territory(TERRITORY), &LedgerRecord::Customer(shop.clone()), 1);
    let mut rng = ChaCha12Rng::seed_from_u64(3);
    for number in 0..VISITS {
        let mut visit = long_visit(&mut rng, shop.id, phone.user, number);
        if number == 7 {
            // Longer than a page, so that it overflows: nothing a dictionary could shrink.
            visit.note = (0..4_000)
                .map(|_| char::from_u32(0x4E00 + rand::Rng::next_u32(&mut rng) % 20_000).unwrap())
                .collect();
        }
        phone.store.create(visit).unwrap();
    }
    let rows = everything(&phone.store);
    let mut edited = phone.store.visit(rows[0].id).unwrap().unwrap();
    edited.value.outcome = Some(VisitOutcome::FollowUp);
    phone.store.save(&edited).unwrap();
    let waiting = phone
        .store
        .read(|it| crate::db::outbox::waiting(it, 0, 3, usize::MAX))
        .unwrap();
    phone
        .store
        .write(&[], |it| crate::db::outbox::reject(it, waiting[2].change, 4, "refused"))
        .unwrap();
    phone
}

pub(super) fn everything(store: &FieldStore) -> Vec<DocumentRow> {
    store
        .list(&ListQuery {
            limit: 1_000,
            ..ListQuery::default()
        })
        .unwrap()
}

/// Reads everything there is to be read.
pub(super) fn read_all(store: &FieldStore) -> Result<(), FieldError> {
    for row in store.list(&ListQuery {
        limit: 1_000,
        ..ListQuery::default()
    })? {
        store.tree(row.id)?;
        store.history(row.id)?;
    }
    store.search("样品", 50)?;
    store.status()?;
    store.customers(&CustomerQuery {
        limit: 9,
        ..CustomerQuery::default()
    })?;
    Ok(())
}

fn file(phone: &Phone) -> PathBuf {
    phone.folder.path().join("phone.db")
}

fn overwrite(path: &Path, at: usize, length: usize) {
    let mut bytes = fs::read(path).unwrap();
    let end = (at + length).min(bytes.len());
    for (index, byte) in bytes[at..end].iter_mut().enumerate() {
        *byte = (index * 167 + 13) as u8;
    }
    fs::write(path, bytes).unwrap();
}

#[test]
fn a_garbage_header_costs_nothing_that_was_recorded() {
    for length in [16, 100] {
        let phone = worked_phone();
        let before = everything(&phone.store);
        phone.store.close();
        overwrite(&file(&phone), 0, length);
        phone.store.reopen().unwrap();
        let report = phone.store.opening_report().expect("the damage is told");
        assert!(report.set_aside.exists());
        assert!(report.enrolled);
        assert_eq!((report.documents, report.lost), (VISITS, 0), "{report:?}");
        assert_eq!(report.unsent, VISITS + 1);
        assert_eq!(everything(&phone.store), before);
        assert_eq!(phone.store.identity().unwrap().user, phone.user);
        assert_eq!(phone.store.token().unwrap().as_deref(), Some("secret"));
        assert_eq!(phone.store.status().unwrap().rejected.len(), 1);
        assert_eq!(phone.store.search("东方", 5).unwrap().len(), 1, "customers are back");
        phone.store.close();
        phone.store.reopen().unwrap();
        assert_eq!(everything(&phone.store), before, "the salvaged file is whole");
    }
}

#[test]
fn any_one_page_overwritten_costs_at_most_what_was_on_it() {
    let phone = worked_phone();
    let before = everything(&phone.store);
    let whole: Vec<_> = before.iter().map(|row| phone.store.tree(row.id).unwrap()).collect();
    phone.store.close();
    let original = fs::read(file(&phone)).unwrap();
    let pages = original.len() / 4_096;
    assert!(pages > 20);
    let mut reports = 0;
    for page in 0..pages {
        let clock = phone.clock.clone();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("phone.db");
        fs::write(&path, &original).unwrap();
        overwrite(&path, page * 4_096, 4_096);
        let store = FieldStore::open(options(&folder, &clock, 1)).unwrap();
        // Damage in the middle is only met by reading everything; then opening again salvages.
        if let Err(error) = read_all(&store) {
            assert!(matches!(error, FieldError::Damaged(_)), "page {page}: {error:?}");
            store.close();
            store.reopen().unwrap();
            read_all(&store).unwrap_or_else(|error| panic!("page {page}: {error:?}"));
        }
        if let Some(report) = store.opening_report() {
            reports += 1;
            // A page holds some ten changes, or the entries of one table.
            assert!(report.documents >= VISITS - 14, "page {page}: {report:?}");
            assert!(report.enrolled || report.documents == VISITS, "page {page}: {report:?}");
            for (row, tree) in before.iter().zip(&whole) {
                let salvaged = store.tree(row.id).unwrap();
                let first_edit_lost = row.id == before[0].id;
                assert!(
                    salvaged.is_none() || salvaged == *tree || first_edit_lost,
                    "page {page}: what comes back is what was recorded"
                );
            }
            // What the outbox forgot is offered to the server by name instead.
            let offered = store.read(|it| crate::db::outbox::offers(it, 1_000)).unwrap().len();
            assert!(offered >= report.changes.min(VISITS - 14), "page {page}: {offered}");
        }
    }
    assert!(reports > pages / 3, "{reports} of {pages}");
}

#[test]
fn a_file_cut_short_gives_back_its_first_part() {
    let phone = worked_phone();
    // So many that what was recorded fills most of the file, and not the first pages of all its tables.
    let mut rng = ChaCha12Rng::seed_from_u64(4);
    for number in VISITS..5 * VISITS {
        let visit = long_visit(&mut rng, CustomerId::from_bytes([50; 16]), phone.user, number);
        phone.store.create(visit).unwrap();
    }
    phone.store.close();
    let bytes = fs::read(file(&phone)).unwrap();
    fs::write(file(&phone), &bytes[..bytes.len() * 3 / 4]).unwrap();
    phone.store.reopen().unwrap();
    let report = phone.store.opening_report().expect("the damage is told");
    assert!(report.enrolled && report.documents > 10, "{report:?}");
    assert_eq!(everything(&phone.store).len(), report.documents);
}

#[test]
fn what_is_only_in_the_log_is_salvaged_too() {
    let phone = worked_phone();
    let folder = tempfile::tempdir().unwrap();
    // As after a kill: the log was not folded into the file.
    for suffix in ["", "-wal"] {
        let name = format!("phone.db{suffix}");
        fs::copy(phone.folder.path().join(&name), folder.path().join(&name)).unwrap();
    }
    overwrite(&folder.path().join("phone.db"), 0, 4_096);
    let store = FieldStore::open(options(&folder, &phone.clock, 1)).unwrap();
    assert_eq!(everything(&store), everything(&phone.store));
}

#[test]
fn a_crash_between_the_renames_of_a_salvage_is_mended() {
    let phone = worked_phone();
    let before = everything(&phone.store);
    phone.store.close();
    let fresh = phone.folder.path().join("phone.db-fresh");
    fs::rename(file(&phone), &fresh).unwrap();
    fs::write(phone.folder.path().join("phone.db-wal"), b"the log of the damaged file").unwrap();
    phone.store.reopen().unwrap();
    assert_eq!(everything(&phone.store), before);
}

#[test]
fn salvaging_into_a_file_that_was_begun_before_begins_again() {
    let phone = worked_phone();
    let before = everything(&phone.store);
    phone.store.close();
    fs::write(phone.folder.path().join("phone.db-fresh"), b"half of something").unwrap();
    overwrite(&file(&phone), 0, 100);
    phone.store.reopen().unwrap();
    assert_eq!(everything(&phone.store), before);
}

#[test]
fn a_text_file_is_neither_opened_nor_set_aside() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(TestClock(AtomicI64::new(MORNING)));
    let path = folder.path().join("phone.db");
    fs::write(&path, "call Zhang about the tea\n".repeat(1_000)).unwrap();
    let before = fs::read(&path).unwrap();
    assert!(FieldStore::check_path(&path).is_err());
    let refused = FieldStore::open(options(&folder, &clock, 1)).map(|_| ()).unwrap_err();
    assert!(
        matches!(&refused, FieldError::Invalid(it) if it.field == "path"),
        "{refused}"
    );
    assert_eq!(fs::read(&path).unwrap(), before);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}
