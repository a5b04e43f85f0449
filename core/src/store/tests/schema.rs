//! Databases of released versions: they open, keep everything, and end with the schema of a fresh one.

use std::path::PathBuf;

use super::*;

fn fixture(version: usize) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/phone-schema-{version}.db.zst"))
}

/// Every table and index with the statement that made it.
fn schema(store: &FieldStore) -> Vec<(String, Option<String>)> {
    store
        .read(|connection| {
            let mut statement = connection.prepare("SELECT name, sql FROM sqlite_master ORDER BY name")?;
            let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .unwrap()
}

#[test]
fn every_released_version_migrates_to_the_schema_of_a_fresh_database_and_keeps_what_is_unsent() {
    let phone = Phone::rep();
    let fresh = schema(&phone.store);
    for version in 1..=crate::db::SCHEMA_VERSION {
        let folder = tempfile::tempdir().unwrap();
        let packed = std::fs::read(fixture(version)).unwrap();
        let path = folder.path().join("phone.db");
        std::fs::write(&path, zstd::decode_all(&packed[..]).unwrap()).unwrap();
        if cfg!(feature = "sqlcipher") {
            // As a phone whose earlier version did not encrypt.
            FieldStore::encrypt(&path, &super::encryption::test_key()).unwrap();
        }
        let store = FieldStore::open(options(&folder, &phone.clock, 1)).unwrap();
        assert_eq!(store.opening_report(), None);
        assert_eq!(schema(&store), fresh, "version {version}");
        assert_eq!(store.status().unwrap().waiting, 2);
        assert_eq!(store.identity().unwrap().user, phone.user);
        let hits = store.search("货款", 5).unwrap();
        assert!(
            matches!(&hits[..], [SearchHit::Document(row)] if row.customer_name == "东方超市"),
            "{hits:?}"
        );
        let waiting = store.evidence_waiting(10).unwrap();
        let expected = if version < 4 {
            vec![]
        } else {
            vec![(12, UploadState::Waiting)]
        };
        let found: Vec<_> = waiting.iter().map(|it| (it.size, it.state)).collect();
        assert_eq!(found, expected);
    }
}

/// Writes the fixture of the present version: `FIELDLEDGER_WRITE_FIXTURE=1 cargo test writes_the_fixture`. Only before
/// that version is released.
#[test]
fn writes_the_fixture_of_an_unreleased_version_when_told_to() {
    if cfg!(feature = "sqlcipher") {
        // A fixture is a plain file.
        return;
    }
    let phone = Phone::rep();
    let shop = customer(50, "东方超市");
    phone.receive(StreamId::Territory(TERRITORY), &LedgerRecord::Customer(shop.clone()), 1);
    let mut visit = phone
        .store
        .start_visit(shop.id, VisitPurpose::Collection, None)
        .unwrap();
    visit.value.note = "催收货款".to_owned();
    let photo = Evidence {
        kind: EvidenceKind::Photo,
        size: 12,
        media_type: "image/jpeg".to_owned(),
        taken_at: Timestamp::from_millis(MORNING),
        taken_by: phone.user,
        position: None,
        caption: "货架".to_owned(),
    };
    let file = phone.folder.path().join("photo.jpg");
    std::fs::write(&file, b"not a photo!").unwrap();
    let (hash, _) = crate::evidence::hash_file(&file).unwrap();
    // In one change with the note: what waits are two changes, in every version.
    visit.value.evidence.insert(hash, photo.clone());
    phone.store.save(&visit).unwrap();
    phone.store.add_evidence(visit.id, photo, hash, Some(file)).unwrap();
    phone.store.close();
    let bytes = std::fs::read(phone.folder.path().join("phone.db")).unwrap();
    let packed = zstd::encode_all(&bytes[..], 19).unwrap();
    assert_eq!(zstd::decode_all(&packed[..]).unwrap(), bytes);
    if std::env::var_os("FIELDLEDGER_WRITE_FIXTURE").is_some() {
        std::fs::write(fixture(crate::db::SCHEMA_VERSION), packed).unwrap();
    }
}
