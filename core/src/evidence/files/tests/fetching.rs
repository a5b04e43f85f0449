//! What has come of files that are fetched.

use std::time::{Duration, SystemTime};

use super::*;

/// What has come of the file whose hash is all `number`, put there `ago` before now.
fn fetched_in_part(phone: &Phone, number: u8, ago: Duration) -> String {
    let hash = EvidenceHash([number; 32]);
    let mut partial = phone
        .store
        .evidence_folder()
        .resume(hash, 100, [number; 8], &HashSet::new())
        .unwrap();
    partial.write(b"some").unwrap();
    partial.file.set_modified(SystemTime::now() - ago).unwrap();
    format!("{hash}.fetch")
}

#[test]
fn what_came_of_a_fetched_file_stays_for_the_next_try_and_nothing_of_one_that_brought_nothing() {
    let phone = Phone::new(1);
    let folder = phone.store.evidence_folder();
    let (hash, nobody) = (EvidenceHash([7; 32]), HashSet::new());
    let resume = |size| folder.resume(hash, size, [1; 8], &nobody).unwrap();
    drop(resume(100));
    assert_eq!(names(&phone), Vec::<String>::new());
    let mut partial = resume(100);
    partial.write(b"a sh").unwrap();
    // Somebody else who wants it is not in the way, and leaves nothing.
    let mut other = resume(100);
    assert_eq!(other.size(), 0);
    other.write(b"a").unwrap();
    assert_eq!(names(&phone).len(), 2);
    drop((partial, other));
    assert_eq!(names(&phone), [format!("{hash}.fetch")]);
    // Nobody takes it for a copy that is about to get its name.
    assert!(matches!(folder.look(&hash.to_string(), 100), Found::Lost(_)));
    let mut partial = resume(100);
    assert_eq!(partial.size(), 4);
    partial.write(b"elf").unwrap();
    assert!(partial.is(EvidenceHash(Sha256::digest(b"a shelf").into())));
    drop(partial);
    // More than the file has: it cannot be of this file.
    let anew = resume(6);
    assert_eq!(anew.size(), 0);
    drop(anew);
    assert_eq!(names(&phone), Vec::<String>::new());
}

#[test]
fn files_that_came_in_part_do_not_fill_the_phone() {
    let phone = Phone::new(1);
    let folder = phone.store.evidence_folder();
    let minutes = |number: u8| Duration::from_secs(60 * u64::from(number));
    let all: Vec<String> = (1..=MOST_FETCHES as u8)
        .map(|number| fetched_in_part(&phone, number, minutes(number)))
        .collect();
    // The oldest makes room, but not while it is fetched; going on with one makes none.
    let resume = |number, fetched: &[u8]| {
        let fetched = fetched.iter().map(|it| EvidenceHash([*it; 32])).collect();
        drop(
            folder
                .resume(EvidenceHash([number; 32]), 100, [9; 8], &fetched)
                .unwrap(),
        );
    };
    resume(1, &[]);
    resume(99, &[8]);
    assert_eq!(names(&phone), all);
    resume(99, &[]);
    assert_eq!(names(&phone), all[..7]);
}

#[test]
fn what_nobody_went_on_fetching_for_a_week_is_gone_at_the_next_opening() {
    let phone = Phone::new(1);
    let minutes = |number: u64| Duration::from_secs(60 * number);
    fetched_in_part(&phone, 90, FETCH_KEPT + minutes(1));
    let fresh = fetched_in_part(&phone, 91, FETCH_KEPT - minutes(60));
    // The clock was wrong.
    let future = folder_of(&phone).join(fetched_in_part(&phone, 92, minutes(0)));
    let ahead = SystemTime::now() + minutes(60);
    File::options()
        .write(true)
        .open(&future)
        .unwrap()
        .set_modified(ahead)
        .unwrap();
    reopened(&phone);
    assert_eq!(names(&phone), [fresh]);
}
