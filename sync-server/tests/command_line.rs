//! The program itself, as an operator uses it: a server on a folder, and commands beside it.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    path::Path,
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use tempfile::TempDir;

fn program(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fieldledger"));
    command.args(arguments).env_remove("HTTP_PROXY");
    // Settings of a server that this machine may also run are not the tests'.
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("FIELDLEDGER_")) {
        command.env_remove(name);
    }
    command.env("FIELDLEDGER_DATA", folder);
    command
}

fn run(folder: &Path, arguments: &[&str]) -> Output {
    program(folder, arguments).stdin(Stdio::null()).output().unwrap()
}

#[track_caller]
fn works(folder: &Path, arguments: &[&str]) -> String {
    let output = run(folder, arguments);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        output.status.success(),
        "{arguments:?}: {text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    text
}

#[track_caller]
fn fails(folder: &Path, arguments: &[&str]) -> String {
    let output = run(folder, arguments);
    assert_eq!(output.status.code(), Some(1), "{arguments:?}");
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

struct Server {
    process: Child,
    address: String,
}

impl Server {
    fn start(folder: &Path) -> Self {
        let mut process = program(folder, &["serve", "--listen", "127.0.0.1:0", "--log", "warn"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut first = String::new();
        BufReader::new(process.stdout.take().unwrap())
            .read_line(&mut first)
            .unwrap();
        let address = first
            .trim()
            .strip_prefix("Fieldledger listens on http://")
            .unwrap()
            .to_owned();
        Self { process, address }
    }

    fn request(&self, head: &str, body: &str) -> String {
        let mut connection = TcpStream::connect(&self.address).unwrap();
        let length = body.len();
        let request = format!("{head}\r\nHost: x\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}");
        connection.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).unwrap();
        answer
    }

    fn enrol(&self, code: &str) -> String {
        let body = serde_json::json!({
            "code": code, "device_name": "phone", "platform": "test", "app_version": "1",
            "installation": "00".repeat(16),
        });
        self.request(
            "POST /v1/enrol HTTP/1.1\r\nContent-Type: application/json",
            &body.to_string(),
        )
    }

    fn ask_to_stop(&self) {
        let id = self.process.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn company(folder: &Path) {
    works(
        folder,
        &[
            "organisation",
            "create",
            "Linden",
            "--currency",
            "EUR",
            "--time-zone",
            "Europe/Berlin",
        ],
    );
    works(folder, &["territory", "add", "North"]);
    works(
        folder,
        &[
            "user",
            "add",
            "anna",
            "--name",
            "Anna",
            "--role",
            "rep",
            "--territory",
            "North",
        ],
    );
}

fn token_in(answer: &str) -> String {
    let body = answer.split_once("\r\n\r\n").unwrap().1;
    let body: serde_json::Value = serde_json::from_str(body).unwrap_or_else(|_| panic!("{answer}"));
    body["token"].as_str().unwrap().to_owned()
}

#[test]
fn an_operator_works_beside_a_running_server_as_without_one() {
    let place = TempDir::new().unwrap();
    let folder = place.path().join("data");
    assert!(fails(&folder, &["user", "list"]).contains("organisation create"));
    company(&folder);
    let mut server = Server::start(&folder);
    assert!(server.request("GET /readyz HTTP/1.1", "").contains("ready"));

    assert!(fails(&folder, &["serve", "--listen", "127.0.0.1:0"]).contains("another server is using the data folder"));
    assert!(fails(&folder, &["user", "add", "anna", "--name", "A", "--role", "rep"]).contains("belongs to Anna"));
    let generated = works(&folder, &["user", "password", "anna", "--generate-password"]);
    assert!(generated.contains("\nPassword: "), "{generated}");

    let code = works(&folder, &["device", "enrol", "anna"]);
    let code = code.lines().next().unwrap();
    let token = token_in(&server.enrol(code));
    assert!(server.enrol(code).contains("code_used"));

    // A phone that listens is sent away when its device is shut out by a command.
    let mut live = TcpStream::connect(&server.address).unwrap();
    let head =
        format!("GET /v1/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n\r\n");
    live.write_all(head.as_bytes()).unwrap();
    let mut live = BufReader::new(live);
    let mut line = String::new();
    while !line.starts_with("event: stream") {
        line.clear();
        assert!(live.read_line(&mut line).unwrap() > 0);
    }
    let list = works(&folder, &["device", "list"]);
    let id = list
        .lines()
        .nth(1)
        .unwrap()
        .split_whitespace()
        .next()
        .unwrap()
        .to_owned();
    works(&folder, &["device", "revoke", &id]);
    live.get_ref().set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    live.read_to_end(&mut Vec::new()).unwrap();

    works(&folder, &["verify"]);
    server.ask_to_stop();
    assert!(server.process.wait().unwrap().success());
    assert!(!folder.join("control.json").exists());
    let audit = works(&folder, &["audit"]);
    for action in [
        "organisation.created",
        "user.password_set",
        "device.enrolled",
        "device.revoked",
    ] {
        assert!(audit.contains(action), "{action} is not in\n{audit}");
    }
}

#[test]
fn a_token_of_software_is_shown_once_and_ends_at_once_beside_a_running_server() {
    let folder = TempDir::new().unwrap();
    let folder = folder.path().join("data");
    company(&folder);
    let reader = works(
        &folder,
        &["token", "create", "report", "--role", "read-only", "--days", "30"],
    );
    assert!(reader.contains("(read_only) works until 20"), "{reader}");
    let server = Server::start(&folder);
    let token = works(&folder, &["token", "create", "ERP", "--role", "finance"]);
    let token = token.lines().next().unwrap().to_owned();
    let ask = |token: &str| {
        let head = format!("GET /api/v1/unmatched HTTP/1.1\r\nAuthorization: Bearer {token}");
        server.request(&head, "")
    };
    assert!(ask(&token).starts_with("HTTP/1.1 200"), "{}", ask(&token));
    assert!(ask(reader.lines().next().unwrap()).starts_with("HTTP/1.1 200"));
    let list = works(&folder, &["token", "list"]);
    assert!(
        list.contains("ERP") && list.contains("works until it is revoked"),
        "{list}"
    );
    assert!(!list.contains(&token));
    for file in std::fs::read_dir(&folder).unwrap() {
        let file = file.unwrap().path();
        let bytes = std::fs::read(&file).unwrap();
        assert!(
            !bytes.windows(token.len()).any(|it| it == token.as_bytes()),
            "{} holds the token",
            file.display()
        );
    }
    assert!(fails(&folder, &["token", "create", "ERP", "--role", "finance"]).contains("given once"));
    assert!(fails(&folder, &["token", "revoke", "ERB"]).contains("token list"));
    works(&folder, &["token", "revoke", "ERP"]);
    assert!(ask(&token).starts_with("HTTP/1.1 403"));
    let log = works(&folder, &["audit"]);
    for action in ["token.created", "token.revoked", "token:ERP"] {
        assert!(log.contains(action), "{log}");
    }
}

#[test]
#[cfg(unix)]
fn only_its_own_user_may_reach_a_running_server_through_the_folder() {
    use std::os::unix::fs::PermissionsExt as _;
    let place = TempDir::new().unwrap();
    let folder = place.path().join("data");
    company(&folder);
    let server = Server::start(&folder);
    let file = folder.join("control.json");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let control: serde_json::Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    let stranger = Server {
        process: Command::new("true").spawn().unwrap(),
        address: control["address"].as_str().unwrap().to_owned(),
    };
    for authorization in ["", "\r\nAuthorization: Bearer guess"] {
        let answer = stranger.request(&format!("POST /operation HTTP/1.1{authorization}"), "\"Verify\"");
        assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
    }
    drop(server);
}

#[test]
fn a_server_that_is_stopped_ends_live_connections_and_exits_at_once() {
    let place = TempDir::new().unwrap();
    let folder = place.path().join("data");
    company(&folder);
    let mut server = Server::start(&folder);
    let code = works(&folder, &["device", "code", "anna"]);
    let token = token_in(&server.enrol(code.lines().next().unwrap()));
    let mut live = TcpStream::connect(&server.address).unwrap();
    let head = format!("GET /v1/live HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n");
    live.write_all(head.as_bytes()).unwrap();
    live.read_exact(&mut [0; 12]).unwrap();
    let asked = Instant::now();
    server.ask_to_stop();
    assert!(server.process.wait().unwrap().success());
    assert!(asked.elapsed() < Duration::from_secs(10), "{:?}", asked.elapsed());
}

#[test]
fn a_backup_of_a_running_server_is_restored_into_an_empty_folder_only() {
    let place = TempDir::new().unwrap();
    let folder = place.path().join("data");
    let backup = place.path().join("backup");
    let at = |path: &Path| path.to_str().unwrap().to_owned();
    company(&folder);
    let server = Server::start(&folder);
    works(&folder, &["backup", &at(&backup)]);
    assert!(fails(&folder, &["backup", &at(&backup)]).contains("exists already"));
    works(&folder, &["territory", "add", "South"]);
    drop(server);

    assert!(fails(&folder, &["restore", &at(&backup)]).contains("is not empty"));
    let empty = place.path().join("restored");
    std::fs::create_dir(&empty).unwrap();
    assert!(fails(&empty, &["restore", &at(place.path())]).contains("is no backup"));
    let text = works(&empty, &["restore", &at(&backup)]);
    assert!(text.contains("new history"), "{text}");
    works(&empty, &["verify"]);
    let territories = works(&empty, &["territory", "list"]);
    assert!(
        territories.contains("North") && !territories.contains("South"),
        "{territories}"
    );
    // What was made ready beside the folder is gone.
    let left: Vec<String> = std::fs::read_dir(place.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.contains("restoring"))
        .collect();
    assert_eq!(left, Vec::<String>::new());

    let broken = place.path().join("broken");
    std::fs::create_dir(&broken).unwrap();
    std::fs::write(
        broken.join("fieldledger.db"),
        b"this is no database, whatever it is called",
    )
    .unwrap();
    let target = place.path().join("never");
    assert!(fails(&target, &["restore", &at(&broken)]).contains("Nothing was restored"));
    assert!(!target.exists());
}

#[test]
fn verify_exits_with_1_and_says_what_was_tampered_with() {
    let place = TempDir::new().unwrap();
    let folder = place.path().join("data");
    company(&folder);
    works(&folder, &["verify"]);
    let database = rusqlite::Connection::open(folder.join("fieldledger.db")).unwrap();
    database
        .execute("UPDATE audit SET actor = 'nobody' WHERE seq = 2", [])
        .unwrap();
    drop(database);
    let told = fails(&folder, &["verify"]);
    assert!(told.contains("line 2 ") && told.contains("territory.created"), "{told}");
    assert_says_what_to_do_about_damage(&told);
}

#[track_caller]
fn assert_says_what_to_do_about_damage(told: &str) {
    for part in [
        "Keep this data folder",
        "newest backup into a new folder",
        "`fieldledger restore BACKUP --data NEW`",
        "`fieldledger serve --data NEW`",
    ] {
        assert!(told.contains(part), "{part:?} is not in\n{told}");
    }
}

#[test]
fn a_damaged_database_is_left_as_it_is_and_the_way_back_is_told() {
    let place = TempDir::new().unwrap();
    let folder = place.path().join("data");
    let backup = place.path().join("backup");
    company(&folder);
    works(&folder, &["backup", backup.to_str().unwrap()]);
    let file = folder.join("fieldledger.db");
    // Whatever ends folds the write-ahead log into the database: a copy of the one file is whole.
    assert!(!folder.join("fieldledger.db-wal").exists());
    let whole = std::fs::read(&file).unwrap();
    let mut without_beginning = whole.clone();
    without_beginning[..100].fill(0x55);
    let mut without_pages = whole;
    without_pages[4_096..].fill(0x55);
    for damaged in [without_beginning, without_pages] {
        std::fs::write(&file, &damaged).unwrap();
        for arguments in [&["verify"][..], &["serve", "--listen", "127.0.0.1:0"]] {
            let told = fails(&folder, arguments);
            assert!(told.contains("stored data is damaged"), "{arguments:?}: {told}");
            assert_says_what_to_do_about_damage(&told);
            // A server whose first page is whole may have written something before it comes upon the damage.
            if arguments == ["verify"] || damaged[0] == 0x55 {
                assert!(
                    std::fs::read(&file).unwrap() == damaged,
                    "{arguments:?} changed the damaged file: {}",
                    damaged[0]
                );
            }
        }
    }
    // The way that was told leads back.
    let new = place.path().join("new");
    works(&new, &["restore", backup.to_str().unwrap()]);
    works(&new, &["verify"]);
    let server = Server::start(&new);
    assert!(server.request("GET /readyz HTTP/1.1", "").contains("ready"));
}

#[test]
fn settings_that_cannot_work_are_refused_by_name() {
    let place = TempDir::new().unwrap();
    for (arguments, said) in [
        (["serve", "--public-url", "sales"], "--public-url"),
        (["serve", "--log", "=="], "--log"),
    ] {
        let told = fails(place.path(), &arguments);
        assert!(told.contains(said), "{told}");
    }
}

/// `FIELDLEDGER_DATA` is where a server keeps what it has; the examples that the tests read are elsewhere, and a name taken
/// for the other would write a company into them.
#[test]
fn the_data_folder_and_the_data_sets_have_variables_of_their_own() {
    let place = TempDir::new().unwrap();
    let (folder, sets) = (place.path().join("data"), place.path().join("sets"));
    std::fs::create_dir(&sets).unwrap();
    let made = program(
        &folder,
        &[
            "organisation",
            "create",
            "Linden",
            "--currency",
            "EUR",
            "--time-zone",
            "Europe/Berlin",
        ],
    )
    .env("FIELDLEDGER_DATASETS", &sets)
    .output()
    .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    assert!(folder.join("fieldledger.db").is_file());
    assert_eq!(std::fs::read_dir(&sets).unwrap().count(), 0);
    let script = include_str!("../../test.sh");
    assert!(script.contains("${FIELDLEDGER_DATASETS:-../shared/data}"));
    assert!(!script.contains("FIELDLEDGER_DATA:") && !script.contains("FIELDLEDGER_DATA}"));
}

#[test]
fn a_report_is_the_same_beside_a_running_server_and_without_one() {
    let place = TempDir::new().unwrap();
    let (folder, files) = (place.path().join("data"), place.path().join("files"));
    std::fs::create_dir(&files).unwrap();
    let put = |name: &str, text: &str| std::fs::write(files.join(name), text).unwrap();
    put("customers.csv", "no,name,limit\n001,=Old King's,1000.00\n");
    put(
        "invoices.csv",
        "no,customer,on,due,amount\nF1,001,2026-01-15,2026-02-14,600.00\n",
    );
    put("receipts.csv", "ref,customer,on,amount\nR1,001,2026-03-01,150.00\n");
    put(
        "mapping.toml",
        r#"
[organisation]
name = "Tea"
time_zone = "Asia/Shanghai"
currency = "CNY"
[customers]
file = "customers.csv"
key = "{no}"
name = "{name}"
territory = "North"
[invoices]
file = "invoices.csv"
number = "{no}"
customer = "{customer}"
invoiced_on = "{on}"
due_on = "{due}"
amount = "{amount}"
[receipts]
file = "receipts.csv"
reference = "{ref}"
customer = "{customer}"
valued_on = "{on}"
amount = "{amount}"
[credit]
file = "customers.csv"
customer = "{no}"
limit = "{limit}"
terms_days = 30
"#,
    );
    let mapping = files.join("mapping.toml");
    let (mapping, files) = (mapping.to_str().unwrap(), files.to_str().unwrap());
    works(&folder, &["import", "--mapping", mapping, files]);
    let ageing = [
        "report",
        "ageing",
        "--as-of",
        "2026-03-02",
        "--by",
        "customer",
        "--format",
        "csv",
    ];
    let alone = works(&folder, &ageing);
    assert!(
        alone.contains("line,001,'=Old King's,CNY,0.00,450.00,0.00,0.00,0.00,0.00,450.00,0.00,450.00"),
        "{alone}"
    );
    let server = Server::start(&folder);
    assert_eq!(works(&folder, &ageing), alone);
    let statement = ["report", "statement", "--customer", "001", "--as-of", "2026-03-02"];
    let told = works(&folder, &statement);
    assert!(told.contains("closing") && told.contains("450.00"), "{told}");
    let told = fails(&folder, &["report", "statement", "--as-of", "2026-03-02"]);
    assert!(told.contains("--customer CODE"), "{told}");
    drop(server);
    // What is answered for the day before the payment says nothing of it.
    let before = works(
        &folder,
        &["report", "credit", "--as-of", "2026-02-28", "--format", "json"],
    );
    assert!(
        before.contains(r#""receivables":"600.00""#) && before.contains(r#""limit":"1000.00""#),
        "{before}"
    );
}
