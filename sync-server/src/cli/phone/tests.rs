#![allow(clippy::unwrap_used, clippy::expect_used)]

use clap::Parser as _;

use super::*;

#[derive(Debug, clap::Parser)]
struct Line {
    #[command(flatten)]
    phone: PhoneArgs,
}

fn run_line(db: &Path, words: &[&str]) -> Result<u8, Problem> {
    let db = db.display().to_string();
    let mut line = vec!["phone", "--db", &db];
    line.extend(words);
    let args = Line::try_parse_from(line)
        .map_err(|error| Problem::wrong(error.to_string()))?
        .phone;
    Phone::open(&args.db, args.json)?.run(args.command)
}

#[test]
fn a_phone_that_is_not_enrolled_says_so_and_nothing_panics_on_odd_input() {
    let folder = tempfile::tempdir().unwrap();
    let db = folder.path().join("new folder/phone.db");
    for words in [
        &["today"][..],
        &["customers", "茶"],
        &["customer", "💥"],
        &["visit", "start", "x", "--at", "1,2"],
        &["deliver", "sign", "ab", "--receiver", "x", "--line", "="],
        &["order", "new", "x", "--line", "=@="],
        &["settle", "zz", "", "0"],
        &["search", "\u{0}"],
        &["sync"],
    ] {
        let problem = run_line(&db, words).unwrap_err();
        assert_eq!(problem.code, SIGNED_OUT, "{words:?}: {}", problem.message);
    }
    for words in [
        &["visit", "start", "x", "--at", "here"][..],
        &["deliver", "confirm", "x", "bank"],
        &["collect", "x", "--promise", "5"],
        &["today", "--date", "yesterday"],
        &["order", "new", "x"],
    ] {
        assert_eq!(run_line(&db, words).unwrap_err().code, WRONG, "{words:?}");
    }
}

#[test]
fn an_unreachable_server_is_told_apart_from_a_wrong_address() {
    let folder = tempfile::tempdir().unwrap();
    let db = folder.path().join("phone.db");
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let code = |url: &str| run_line(&db, &["enrol", url, "ABCD-EFGH"]).unwrap_err().code;
    assert_eq!(code(&format!("http://127.0.0.1:{port}")), OFFLINE);
    assert_eq!(code("not an address"), WRONG);
}

#[test]
fn the_installation_outlives_the_program_and_a_damaged_one_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let db = folder.path().join("phone.db");
    let first = installation(&db).unwrap();
    assert_eq!(installation(&db).unwrap(), first);
    std::fs::write(folder.path().join("phone.db.installation"), b"short").unwrap();
    assert!(installation(&db).unwrap_err().message.contains("enrol again"));
}
