use std::{
    collections::{BTreeSet, HashSet},
    io::{BufRead as _, BufReader, Write as _},
    process::{Command, Stdio},
    sync::atomic::{AtomicBool, Ordering},
};

use fieldledger_core::{model::DocumentId, sync::protocol::StreamId};
use tempfile::TempDir;

use super::*;
use crate::store::{AppendOutcome, DocumentStore as _, suite, suite::*};

/// Runs a test of the suite on a file and in memory.
macro_rules! suite {
    ($($name:ident),* $(,)?) => {$(
        #[tokio::test]
        async fn $name() {
            let folder = TempDir::new().unwrap();
            suite::$name(&SqliteStore::open(folder.path()).unwrap()).await;
            suite::$name(&SqliteStore::in_memory().unwrap()).await;
        }
    )*};
}

suite!(
    what_is_appended_is_read_back,
    edits_of_one_batch_build_on_each_other,
    two_changes_with_one_actor_and_seq_never_meet,
    a_page_keeps_to_its_budget_and_leaves_out_what_was_pushed,
    a_page_holds_only_so_many_entries,
    a_cursor_of_another_history_starts_again,
    a_record_gets_versions_and_only_the_newest_is_sent,
    every_version_of_a_record_is_kept_with_its_time,
    a_record_that_hangs_in_the_air_is_refused,
    a_customer_moves_with_everything_about_them,
    the_feed_shows_what_came_in_newest_first,
    the_newest_review_gives_the_verdict,
    quarantine_keeps_one_copy_of_each,
    compaction_keeps_every_cursor_and_every_change,
    books_come_customer_by_customer,
    two_decisions_never_count_on_the_same_credit,
    a_request_with_a_key_has_its_effect_once,
    a_refused_decision_leaves_nothing_behind,
    a_grant_stays_with_its_phone,
    a_change_is_written_only_when_what_it_requires_is_so,
    what_is_about_no_customer_is_written_once_too,
    customers_are_found_by_parts_of_name_and_number_in_any_case,
    a_search_of_customers_keeps_to_its_territories_and_its_limit,
    the_overview_counts_what_waits_in_each_territory,
    the_days_orders_and_promises_are_added_up_by_currency,
    the_feed_is_searched_by_words_of_any_script,
    the_feed_is_narrowed_to_what_is_doubtful,
    the_feed_is_paged_in_four_orders,
    what_somebody_has_looked_at_in_quarantine_waits_no_more,
    visits_are_told_by_their_day_and_notes_by_their_promise,
    visits_that_were_written_or_reviewed_since_are_told,
    orders_that_wait_are_listed_by_age_within_territories,
    allowances_that_phones_may_spend_are_listed,
    warnings_are_listed_the_worst_first,
    statements_are_listed_the_newest_first,
    receipts_of_which_somebody_has_to_tell_are_listed,
    money_that_waits_and_numbers_lead_to_customers,
    the_customers_about_whom_anything_was_written_are_told,
    files_that_arrived_are_known_by_their_hashes,
);

const STREAM: StreamId = StreamId::Territory(NORTH);

fn visit(number: u64) -> crate::store::Append {
    creating(number, STREAM, &visit_tree(CUSTOMER, "regular call"))
}

#[tokio::test]
async fn a_backup_covers_what_it_holds() {
    let folder = TempDir::new().unwrap();
    for store in [
        SqliteStore::open(folder.path()).unwrap(),
        SqliteStore::in_memory().unwrap(),
    ] {
        suite::a_backup_covers_what_it_holds(&store, async |backup: &Path| {
            Box::new(SqliteStore::open(backup).unwrap()) as Box<dyn Store>
        })
        .await;
    }
}

#[tokio::test]
async fn only_one_server_uses_a_folder() {
    let folder = TempDir::new().unwrap();
    let first = SqliteStore::open(folder.path()).unwrap();
    assert!(matches!(SqliteStore::open(folder.path()), Err(StoreError::InUse)));
    first.append(ORG, vec![visit(1)], NOW).await.unwrap();
    drop(first);
    let second = SqliteStore::open(folder.path()).unwrap();
    assert_eq!(second.counts(ORG).await.unwrap().entries, 1);
}

#[test]
fn a_database_of_a_newer_server_or_another_program_is_left_alone() {
    let folder = TempDir::new().unwrap();
    drop(SqliteStore::open(folder.path()).unwrap());
    let file = folder.path().join(DATABASE_FILE);
    let change = |sql: &str| Connection::open(&file).unwrap().execute_batch(sql).unwrap();
    change("PRAGMA user_version = 999");
    let newer = SqliteStore::open(folder.path());
    assert!(matches!(newer, Err(StoreError::NewerSchema { found: 999, .. })));
    change("PRAGMA user_version = 1; PRAGMA application_id = 77");
    assert!(matches!(SqliteStore::open(folder.path()), Err(StoreError::Damaged(_))));
    std::fs::remove_file(&file).unwrap();
    std::fs::write(&file, "customer;visits\n103;4\n".repeat(100)).unwrap();
    assert!(matches!(SqliteStore::open(folder.path()), Err(StoreError::Damaged(_))));
}

#[test]
fn the_same_seed_gives_the_same_histories() {
    let lineage = |seed| {
        let store = SqliteStore::in_memory_seeded(seed).unwrap();
        futures::executor::block_on(async {
            store.append(ORG, vec![visit(1)], NOW).await.unwrap();
            store.head(ORG, STREAM).await.unwrap().unwrap()
        })
    };
    assert_eq!(lineage(5), lineage(5));
    assert_ne!(lineage(5), lineage(6));
}

#[tokio::test]
async fn a_copy_in_memory_goes_its_own_way() {
    let store = SqliteStore::in_memory_seeded(1).unwrap();
    store.append(ORG, vec![visit(1)], NOW).await.unwrap();
    let copy = store.copy_in_memory().unwrap();
    store.append(ORG, vec![visit(2)], NOW).await.unwrap();
    let ahead = store.head(ORG, STREAM).await.unwrap();
    assert_eq!(copy.counts(ORG).await.unwrap().entries, 1);
    assert!(page(&copy, STREAM, ahead).await.unwrap().restart);
    finds_nothing_wrong(&copy).await;
}

#[tokio::test]
async fn work_that_fails_or_panics_leaves_nothing_and_harms_nobody() {
    let folder = TempDir::new().unwrap();
    for store in [
        SqliteStore::open(folder.path()).unwrap(),
        SqliteStore::in_memory().unwrap(),
    ] {
        let spoil = |connection: &Connection| connection.execute("UPDATE stream SET head = 77", []);
        let failing = store.write(move |connection| {
            spoil(connection)?;
            Err::<(), _>(StoreError::NotFound("it".to_owned()))
        });
        let panicking = store.write(move |connection| -> Result<(), StoreError> {
            spoil(connection)?;
            panic!("a bug")
        });
        let (failed, panicked, appended, ended) = futures::join!(
            failing,
            panicking,
            store.append(ORG, vec![visit(1)], NOW),
            store.write(move |connection| {
                spoil(connection)?;
                connection.execute_batch("ROLLBACK")?;
                Err::<(), _>(StoreError::NotFound("the transaction".to_owned()))
            })
        );
        assert!(matches!(failed, Err(StoreError::NotFound(_))));
        assert!(matches!(panicked, Err(StoreError::Engine(_))));
        assert!(ended.is_err());
        // Whoever shared a transaction that was given up is told so, and may try again.
        if appended.is_err() {
            store.append(ORG, vec![visit(1)], NOW).await.unwrap();
        }
        finds_nothing_wrong(&store).await;
        assert_eq!(store.counts(ORG).await.unwrap().entries, 1);
    }
}

#[tokio::test]
async fn a_full_disk_is_told_as_such_and_spoils_nothing() {
    let folder = TempDir::new().unwrap();
    let store = SqliteStore::open(folder.path()).unwrap();
    store.append(ORG, vec![visit(1)], NOW).await.unwrap();
    store
        .write(|connection| {
            let pages: i64 = connection.pragma_query_value(None, "page_count", |row| row.get(0))?;
            Ok(connection.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))?)
        })
        .await
        .unwrap();
    let outcome = store.append(ORG, (2..200).map(visit).collect(), NOW).await;
    assert!(matches!(outcome, Err(StoreError::Full)), "{outcome:?}");
    assert_eq!(store.counts(ORG).await.unwrap().entries, 1);
    store
        .write(|connection| Ok(connection.pragma_update_and_check(None, "max_page_count", 100_000, |_| Ok(()))?))
        .await
        .unwrap();
    store.append(ORG, (2..200).map(visit).collect(), NOW).await.unwrap();
    finds_nothing_wrong(&store).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn readers_with_cursors_miss_nothing_while_many_write() {
    const WRITERS: u64 = 8;
    const EACH: u64 = 60;
    let folder = TempDir::new().unwrap();
    let store = Arc::new(SqliteStore::open(folder.path()).unwrap());
    let done = Arc::new(AtomicBool::new(false));
    let readers: Vec<_> = (0..4)
        .map(|_| {
            let (store, done) = (Arc::clone(&store), Arc::clone(&done));
            tokio::spawn(async move {
                let (mut cursor, mut seen) = (None, Vec::new());
                loop {
                    let last = done.load(Ordering::SeqCst);
                    let before = cursor.map_or(0, |it: fieldledger_core::sync::protocol::Cursor| it.seq);
                    if let Some(page) = store.page(ORG, STREAM, cursor, 3_000, &HashSet::new()).await.unwrap() {
                        assert!(!page.restart);
                        assert_eq!(page.next.seq - before, page.entries.len() as u64, "a gap");
                        seen.extend(page.entries);
                        cursor = Some(page.next);
                    } else if last {
                        return (cursor, seen);
                    } else {
                        tokio::task::yield_now().await;
                    }
                }
            })
        })
        .collect();
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                let mut seqs = Vec::new();
                for number in 0..EACH {
                    let item = visit(writer * 1_000 + number);
                    match store.append(ORG, vec![item], NOW).await.unwrap().remove(0) {
                        AppendOutcome::Appended { seq, .. } => seqs.push(seq),
                        other => panic!("{other:?}"),
                    }
                }
                seqs
            })
        })
        .collect();
    let mut seqs = BTreeSet::new();
    for writer in writers {
        for seq in writer.await.unwrap() {
            assert!(seqs.insert(seq), "{seq} was given out twice");
        }
    }
    done.store(true, Ordering::SeqCst);
    assert!(seqs.iter().copied().eq(1..=WRITERS * EACH));
    let head = store.head(ORG, STREAM).await.unwrap();
    for reader in readers {
        let (cursor, seen) = reader.await.unwrap();
        assert_eq!((cursor, seen.len() as u64), (head, WRITERS * EACH));
    }
    finds_nothing_wrong(&*store).await;
}

/// The variable that tells the test below which folder to write to.
const VICTIM: &str = "FIELDLEDGER_TEST_VICTIM";

#[tokio::test]
#[ignore = "run as a child process by the test that kills it"]
async fn victim() {
    let store = SqliteStore::open(std::env::var(VICTIM).unwrap()).unwrap();
    for number in 0.. {
        store
            .append(ORG, vec![visit(number * 2), visit(number * 2 + 1)], NOW)
            .await
            .unwrap();
        let mut out = std::io::stdout().lock();
        writeln!(out, "acknowledged {number}").unwrap();
        out.flush().unwrap();
    }
}

#[tokio::test]
async fn a_server_killed_while_writing_has_all_that_it_acknowledged() {
    let folder = TempDir::new().unwrap();
    let mut expected = 0;
    for kill_after in [1, 25] {
        let _ = std::fs::remove_file(folder.path().join(DATABASE_FILE));
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "store::sqlite::tests::victim", "--ignored", "--nocapture"])
            .env(VICTIM, folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut acknowledged = None;
        let mut read = |lines: &mut dyn Iterator<Item = std::io::Result<String>>| -> Option<u64> {
            let line = lines.next()?.ok()?;
            let number = line.split("acknowledged ").nth(1)?.trim().parse().ok()?;
            acknowledged = Some(number);
            Some(number)
        };
        while read(&mut lines).is_none_or(|number| number < kill_after) {
            assert!(child.try_wait().unwrap().is_none(), "the child ended by itself");
        }
        child.kill().unwrap();
        // What it managed to say before it died counts too.
        while read(&mut lines).is_some() {}
        child.wait().unwrap();
        let store = SqliteStore::open(folder.path()).unwrap();
        finds_nothing_wrong(&store).await;
        let entries = store.counts(ORG).await.unwrap().entries;
        let acknowledged = (acknowledged.unwrap() + 1) * 2;
        assert!(entries >= acknowledged, "{acknowledged} acknowledged, {entries} there");
        assert_eq!(entries % 2, 0, "a batch is there wholly or not at all");
        for number in 0..acknowledged {
            let id = DocumentId::from_bytes(numbered(number));
            assert!(store.document(ORG, id).await.unwrap().is_some(), "{number} is lost");
        }
        expected += 1;
    }
    assert_eq!(expected, 2);
}

/// A store with one of everything, in memory.
async fn of_everything() -> SqliteStore {
    let store = SqliteStore::in_memory().unwrap();
    suite::a_customer_moves_with_everything_about_them(&store).await;
    let about = DocumentId::from_bytes(numbered(1));
    let review = serde_json::json!({
        "kind": "review", "schema": 1, "customer": CUSTOMER, "about": about, "rep": REP, "reviewer": REP,
        "at": NOW.as_millis(), "verdict": "approved", "replies": {}, "evidence": { "ab".repeat(32): {} },
    });
    store
        .append(ORG, vec![creating(50, STREAM, &review), visit(51), visit(52)], NOW)
        .await
        .unwrap();
    let stored = store
        .document(ORG, DocumentId::from_bytes(numbered(51)))
        .await
        .unwrap()
        .unwrap();
    let edit = editing(&stored, 300, |tree| tree["note"] = "other".into());
    store.append(ORG, vec![edit], NOW).await.unwrap();
    store.compact(ORG, STREAM, u64::MAX).await.unwrap();
    suite::quarantine_keeps_one_copy_of_each(&store).await;
    finds_nothing_wrong(&store).await;
    store
}

#[tokio::test]
async fn verify_finds_every_row_that_was_tampered_with() {
    let flip = |column: &str| {
        format!(
            "CAST(substr({column}, 1, 5) || char(unicode(substr({column}, 6, 1)) + 1) || substr({column}, 7) AS TEXT)"
        )
    };
    let tampering = [
        "UPDATE stream SET head = head + 1 WHERE id = 1".to_owned(),
        "UPDATE stream SET head = head - 1 WHERE id = 1".to_owned(),
        "UPDATE stream SET chain = zeroblob(16) WHERE id = 2".to_owned(),
        "UPDATE stream SET name = x'77' WHERE id = 1".to_owned(),
        "DELETE FROM stream WHERE id = 1".to_owned(),
        "DELETE FROM entry WHERE place = (SELECT max(place) FROM entry)".to_owned(),
        "DELETE FROM entry WHERE place = (SELECT min(place) + 1 FROM entry)".to_owned(),
        "UPDATE entry SET chain = zeroblob(16) WHERE place & 7 = 1".to_owned(),
        "UPDATE entry SET digest = zeroblob(32) WHERE holds = 0".to_owned(),
        "UPDATE entry SET digest = zeroblob(32) WHERE kind = 4".to_owned(),
        "UPDATE entry SET actor = zeroblob(16) WHERE kind = 0 AND holds = 1 AND subject IS NULL".to_owned(),
        "UPDATE entry SET author = zeroblob(16) WHERE kind = 0".to_owned(),
        "UPDATE entry SET made_at = made_at + 1 WHERE kind = 0".to_owned(),
        "UPDATE entry SET received_at = received_at + 1 WHERE kind = 0".to_owned(),
        "UPDATE entry SET bytes = NULL WHERE kind = 0 AND holds = 1".to_owned(),
        "UPDATE entry SET bytes = NULL WHERE holds = 2".to_owned(),
        "UPDATE entry SET bytes = zeroblob(80) WHERE holds = 2".to_owned(),
        "UPDATE entry SET subject = zeroblob(16) WHERE kind = 3".to_owned(),
        "UPDATE entry SET subject = x'6100' WHERE kind = 4".to_owned(),
        "UPDATE entry SET record = NULL WHERE kind = 2".to_owned(),
        "UPDATE entry SET document = 9999 WHERE kind = 3".to_owned(),
        "UPDATE entry SET kind = 1 WHERE kind = 0 AND holds = 1".to_owned(),
        "DELETE FROM document WHERE id = 1".to_owned(),
        "UPDATE document SET stream = 77 WHERE id = 1".to_owned(),
        "UPDATE document SET heads = zeroblob(32) WHERE id = 1".to_owned(),
        "UPDATE document SET disagreements = 3 WHERE id = 1".to_owned(),
        "UPDATE document SET kind = 'order' WHERE kind = 'visit'".to_owned(),
        "UPDATE document SET newer = 1 WHERE id = 1".to_owned(),
        "UPDATE document SET customer = zeroblob(16) WHERE id = 1".to_owned(),
        "UPDATE document SET owner = NULL WHERE id = 1".to_owned(),
        "UPDATE document SET about = document WHERE id = 1".to_owned(),
        "UPDATE document SET at = at + 1 WHERE id = 1".to_owned(),
        "UPDATE document SET day = '2026-01-01' WHERE id = 1".to_owned(),
        "UPDATE document SET state = 'done' WHERE id = 1".to_owned(),
        "UPDATE document SET title = title || '.' WHERE id = 1".to_owned(),
        "UPDATE document SET amount = '1' WHERE id = 1".to_owned(),
        "UPDATE document SET evidence = NULL WHERE kind = 'review'".to_owned(),
        "UPDATE document SET outside = 1 WHERE id = 1".to_owned(),
        "UPDATE document SET mocked = 1 WHERE id = 1".to_owned(),
        "UPDATE document SET review = 'flagged' WHERE id = 1".to_owned(),
        "UPDATE document SET review = NULL".to_owned(),
        "UPDATE document SET first_received_at = 5 WHERE id = 1".to_owned(),
        "UPDATE document SET tree = '{' WHERE id = 1".to_owned(),
        format!("UPDATE document SET tree = {} WHERE id = 1", flip("tree")),
        "DELETE FROM record WHERE kind = 'order'".to_owned(),
        "DELETE FROM record WHERE kind = 'customer'".to_owned(),
        "UPDATE record SET version = version + 1 WHERE kind = 'order'".to_owned(),
        "UPDATE record SET place = place + 1 WHERE kind = 'order'".to_owned(),
        "UPDATE record SET stream = 77 WHERE kind = 'order'".to_owned(),
        "UPDATE record SET customer = NULL WHERE kind = 'order'".to_owned(),
        "UPDATE record SET key = key || '0' WHERE kind = 'order'".to_owned(),
        format!("UPDATE record SET json = {} WHERE kind = 'order'", flip("json")),
        "UPDATE record SET json = replace(json, 'Antares', 'Antarem') WHERE kind = 'customer'".to_owned(),
        "UPDATE quarantine SET bytes = x'00'".to_owned(),
        "UPDATE record_version SET json = replace(json, 'Antares', 'Antarem')".to_owned(),
        "UPDATE record_version SET version = version + 10".to_owned(),
        "UPDATE record_version SET record = 77".to_owned(),
    ];
    let whole = of_everything().await;
    for sql in tampering {
        let store = whole.copy_in_memory().unwrap();
        let statement = sql.clone();
        let rows = store
            .write(move |connection| Ok(connection.execute(&statement, [])?))
            .await
            .unwrap();
        assert!(rows > 0, "{sql} changed nothing");
        let found = store.verify().await.unwrap();
        assert!(!found.is_empty(), "{sql} was not found");
    }
}

#[tokio::test]
async fn verify_finds_a_flipped_bit_in_any_byte_of_a_change_or_a_snapshot() {
    let whole = SqliteStore::in_memory().unwrap();
    whole.append(ORG, vec![visit(1)], NOW).await.unwrap();
    let length = visit(1).bytes.len();
    let stored = whole
        .document(ORG, DocumentId::from_bytes(numbered(1)))
        .await
        .unwrap()
        .unwrap();
    let edit = editing(&stored, 300, |tree| tree["note"] = "other".into());
    let compacted = whole.copy_in_memory().unwrap();
    compacted.append(ORG, vec![edit], NOW).await.unwrap();
    compacted.compact(ORG, STREAM, u64::MAX).await.unwrap();
    finds_nothing_wrong(&compacted).await;
    for (whole, position) in (0..length).flat_map(|position| [(&whole, position), (&compacted, position)]) {
        let store = whole.copy_in_memory().unwrap();
        store
            .write(move |connection| {
                let (place, mut bytes): (i64, Vec<u8>) =
                    connection.query_row("SELECT place, bytes FROM entry WHERE holds > 0", [], |row| {
                        Ok((row.get(0)?, row.get(1)?))
                    })?;
                bytes[position] ^= 1 << (position % 8);
                Ok(connection.execute(
                    "UPDATE entry SET bytes = ?2 WHERE place = ?1",
                    rusqlite::params![place, bytes],
                )?)
            })
            .await
            .unwrap();
        assert!(!store.verify().await.unwrap().is_empty(), "byte {position}");
    }
}

#[tokio::test]
async fn verify_tells_of_a_damaged_page() {
    let folder = TempDir::new().unwrap();
    let store = SqliteStore::open(folder.path()).unwrap();
    store.append(ORG, (0..200).map(visit).collect(), NOW).await.unwrap();
    drop(store);
    let file = folder.path().join(DATABASE_FILE);
    // A reader that closes last leaves everything in the log.
    rusqlite::Connection::open(&file)
        .unwrap()
        .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
        .unwrap();
    let mut bytes = std::fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..middle + 4_096].fill(0xa5);
    std::fs::write(&file, bytes).unwrap();
    let store = SqliteStore::open(folder.path()).unwrap();
    assert!(!store.verify().await.unwrap().is_empty());
}

/// CPU time of this process so far, in seconds.
#[cfg(target_os = "linux")]
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
}

#[cfg(target_os = "linux")]
#[tokio::test]
#[ignore = "a measurement; run with --release --ignored --nocapture"]
#[allow(clippy::print_stdout)]
async fn measure_ten_thousand_visits_in_and_out() {
    let note = "Stock checked, shelf price agreed, reorder next week. ".repeat(9);
    let mut batches: Vec<Vec<_>> = (0..10)
        .map(|batch| {
            (0..1_000)
                .map(|number| {
                    let tree = visit_tree(CUSTOMER, &format!("{note}{number}"));
                    let mut random = numbered(0);
                    // Ids as they are: without any order.
                    random.copy_from_slice(&sha2_of(batch * 1_000 + number)[..16]);
                    let mut item = creating(batch * 1_000 + number, STREAM, &tree);
                    item.document = DocumentId::from_bytes(random);
                    item.actor = random.to_vec();
                    item
                })
                .collect()
        })
        .collect();
    let folder = TempDir::new().unwrap();
    let store = SqliteStore::open(folder.path()).unwrap();
    let (start, wall) = (cpu_seconds(), std::time::Instant::now());
    for batch in batches.drain(..) {
        store.append(ORG, batch, NOW).await.unwrap();
    }
    println!(
        "append 10,000: {:.3} CPU s, {:?}",
        cpu_seconds() - start,
        wall.elapsed()
    );
    for _ in 0..3 {
        let (start, wall) = (cpu_seconds(), std::time::Instant::now());
        let entries = read_on(&store, STREAM, &mut None).await;
        println!(
            "page {}: {:.3} CPU s, {:?}",
            entries.len(),
            cpu_seconds() - start,
            wall.elapsed()
        );
    }
    let size = std::fs::metadata(folder.path().join(DATABASE_FILE)).unwrap().len();
    println!("{} bytes of database for each", size / 10_000);
}

fn sha2_of(number: u64) -> [u8; 32] {
    use sha2::Digest as _;
    sha2::Sha256::digest(number.to_be_bytes()).into()
}
