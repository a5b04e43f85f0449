#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::{
    collections::BTreeSet,
    io::Write as _,
    path::{Path, PathBuf},
};

use fieldledger_core::model::{CreditLimit, Customer, Money, Role};

use super::*;

const ORG: OrganisationId = OrganisationId::from_bytes([9; 16]);

const MAPPING: &str = r#"
[organisation]
name = "Tea & Co"
time_zone = "Asia/Shanghai"
currency = "CNY"

[reading]
null = ["NULL"]

[people]
file = "staff.csv"
key = "{id}"
name = "{name}"
login = "{name}"
roles = { from = "{job}", map = { "boss" = "supervisor", "rep" = "rep" } }
supervisor = "{boss}"

[products]
file = "products.csv"
key = "{code}"
name = "{name}"
price = { from = "{price}", currency = "{cur}" }

[customers]
file = "customers.csv"
join.rep = { file = "staff.csv", on = "{rep}", key = "{id}" }
key = "{no}"
name = "{name}"
territory = { from = "{rep.area}", default = "Unassigned" }
rep = "{rep}"
address = { parts = ["{street}", "{city}"], separator = ", " }
latitude = "{lat}"
longitude = "{lon}"

[orders]
file = "orders.csv"
number = "{no}"
customer = "{customer}"
ordered_on = { from = "{day}", date = "%d.%m.%Y" }
shipped_on = { from = "{shipped}", date = "%d.%m.%Y" }
note = "{note}"
cancelled_when = [{ value = "{state}", is = ["cancelled"] }]

[orders.lines]
file = "lines.csv"
number = "{order}"
product = "{product}"
quantity = "{quantity}"
unit_price = "{price}"
discount = { from = "{discount}", default = "0" }

[deliveries]
file = "orders.csv"
where = [{ value = "{shipped}", present = true }, { value = "{state}", is_not = ["cancelled"] }]
number = "{no}"
order = "{no}"
shipped_on = { from = "{shipped}", date = "%d.%m.%Y" }

[invoices]
file = "orders.csv"
where = [{ value = "{shipped}", present = true }, { value = "{state}", is_not = ["cancelled"] }]
number = "I{no}"
order = "{no}"
invoiced_on = { from = "{shipped}", date = "%d.%m.%Y" }
terms_days = 30

[receipts]
file = "receipts.csv"
reference = "{ref}"
customer = "{customer}"
valued_on = "{day}"
amount = "{amount}"
pays = "{pays}"

[credit]
file = "customers.csv"
customer = "{no}"
limit = "{limit}"
no_limit = { from = "{unlimited}", default = "no" }
terms_days = 30
"#;

/// A company in hand-written files, which a test may spoil.
struct Files(tempfile::TempDir);

impl Files {
    fn new() -> Self {
        let files = Self(tempfile::tempdir().unwrap());
        files.put(
            "staff.csv",
            "id,name,job,boss,area\n2,Li Na,rep,1,North\n3,Bob Hill,rep,1,South\n1,Wang Fang,boss,,NULL\n",
        );
        files.put(
            "products.csv",
            "code,name,price,cur\nT1,绿茶 Green tea,12.50,CNY\nT2,Black tea,3.00,USD\n",
        );
        files.put(
            "customers.csv",
            "no,name,rep,street,city,lat,lon,limit,unlimited\n\
             001,  老王茶行  ,2,\"1, Old Road\",杭州,30.25,120.16,1000.00,\n\
             002,Hill & Sons,3,,Bath,,,0.00,\n\
             003,Nobody's,,,,,,,yes\n",
        );
        files.put(
            "orders.csv",
            "no,customer,day,shipped,state,note\n\
             10,001,05.01.2026,07.01.2026,,\"two\nlines\"\n\
             11,001,20.01.2026,,,\n\
             12,002,01.02.2026,03.02.2026,cancelled,\n\
             13,002,01.02.2026,,cancelled,\n",
        );
        files.put(
            "lines.csv",
            "order,product,quantity,price,discount\n10,T1,10,12.50,0.1\n10,T2,1,3.005,\n11,T1,4,12.50,\n12,T1,1,1,\n13,T1,1,1,\n",
        );
        files.put(
            "receipts.csv",
            "ref,customer,day,amount,pays\nR1,001,2026-01-30,15.51,10\n",
        );
        files
    }
    fn put(&self, file: &str, text: &str) {
        std::fs::write(self.0.path().join(file), text).unwrap();
    }
    fn append(&self, file: &str, text: &str) {
        let path = self.0.path().join(file);
        let before = std::fs::read_to_string(&path).unwrap();
        std::fs::write(path, before + text).unwrap();
    }
    fn read(&self) -> Books {
        let mapping = Mapping::parse("test", MAPPING).unwrap();
        read(&mapping, self.0.path(), ORG, None, None).unwrap()
    }
}

fn errors(books: &Books) -> Vec<String> {
    books.errors.iter().map(ToString::to_string).collect()
}

fn customer<'b>(books: &'b Books, code: &str) -> &'b Customer {
    let found = books.records.iter().find_map(|it| match &it.record {
        LedgerRecord::Customer(it) if it.code == code => Some(it),
        _ => None,
    });
    found.expect(code)
}

fn credit_file<'b>(books: &'b Books, code: &str) -> Option<&'b fieldledger_core::model::CreditFile> {
    let id = customer(books, code).id;
    books.records.iter().find_map(|it| match &it.record {
        LedgerRecord::CreditFile(it) if it.customer == id => Some(it),
        _ => None,
    })
}

fn count(books: &Books, kind: &str) -> usize {
    let of_kind = |it: &&Sourced| it.record.key().kind.as_str() == kind;
    books.records.iter().filter(of_kind).count()
}

fn cny(text: &str) -> Money {
    Money::new(text.parse().unwrap(), fieldledger_core::model::Currency::CNY)
}

#[test]
fn a_company_is_read_with_joins_templates_defaults_and_filters() {
    let books = Files::new().read();
    assert_eq!(errors(&books), Vec::<String>::new());
    let wang = customer(&books, "001");
    assert_eq!(
        (wang.name.as_str(), wang.address.as_str()),
        ("老王茶行", "1, Old Road, 杭州")
    );
    assert!(wang.position.is_some() && wang.rep.is_some());
    assert_eq!(customer(&books, "002").address, "Bath");
    assert_eq!(count(&books, "territory"), 3);
    // Cancelled orders are kept, and are neither delivered nor invoiced.
    assert_eq!(
        (
            count(&books, "order"),
            count(&books, "delivery"),
            count(&books, "invoice")
        ),
        (4, 1, 1)
    );
    let order = books.records.iter().find_map(|it| match &it.record {
        LedgerRecord::Order(it) if it.number == "10" => Some(it),
        _ => None,
    });
    // 10 × 12.50 less a tenth, and 3.005 rounded half-up on its own line.
    assert_eq!(order.unwrap().total, cny("115.51"));
    assert_eq!(order.unwrap().note, "two\nlines");
}

#[test]
fn a_supervisor_sees_the_territories_of_those_below_and_the_topmost_every_one() {
    let books = Files::new().read();
    let account = |login: &str| books.accounts.iter().find(|it| it.login == login).expect(login);
    assert_eq!(account("wangfang").roles, [Role::Supervisor]);
    assert_eq!(account("wangfang").territories.len(), 3);
    assert_eq!(account("lina").territories, [customer(&books, "001").territory]);
}

#[test]
fn a_credit_file_holds_the_exposure_of_the_day_after_the_newest_row() {
    let books = Files::new().read();
    assert_eq!(books.as_of.to_string(), "2026-02-02");
    let file = credit_file(&books, "001").unwrap();
    assert_eq!(file.limit, CreditLimit::Limited(cny("1000.00")));
    assert_eq!(file.open_receivables, cny("100.00"));
    assert_eq!(file.open_orders, cny("50.00"));
    assert_eq!(file.oldest_due, Some("2026-02-06".parse().unwrap()));
    assert_eq!(file.overdue.amount, 0.into());
    // "No limit", "limit 0" and the cancelled orders that count nowhere.
    assert_eq!(credit_file(&books, "003").unwrap().limit, CreditLimit::NoLimit);
    let zero = credit_file(&books, "002").unwrap();
    assert_eq!(
        (zero.limit, zero.open_orders.amount),
        (CreditLimit::Limited(cny("0.00")), 0.into())
    );
}

#[test]
fn every_bad_row_is_named_and_what_hangs_on_it_is_left_out_too() {
    let files = Files::new();
    files.append(
        "customers.csv",
        "004,,2,,,,,1,\n001,Again,2,,,,,1,\n005,No limit said,2,,,,,,\n006,Whose,77,,,,,1,\n",
    );
    files.append("products.csv", "T3,Dear,12.x,CNY\n");
    files.append(
        "orders.csv",
        "14,999,01.02.2026,,,\n15,001,2026-02-01,,,\n16,001,01.02.2026,,,\n",
    );
    files.append("lines.csv", "14,T1,1,1,\n15,T1,1,1,\n16,T3,1,1,\n99,T1,1,1,\n");
    files.append("staff.csv", "4,Zed,clerk,1,\n5,Yan,rep,44,\n");
    let books = files.read();
    let told = errors(&books);
    for expected in [
        "customers.csv line 5, name: is missing",
        "customers.csv line 6, no: line 2 has \"001\" already",
        "customers.csv line 7, limit: there is neither a limit nor the word that there is none",
        "customers.csv line 8, rep: there is no person \"77\"",
        "products.csv line 4, price: \"12.x\" is not a number",
        "orders.csv line 7, customer: there is no customer \"999\" (or its row was left out)",
        "orders.csv line 8, day: \"2026-02-01\" is not a date written as %d.%m.%Y",
        "orders.csv line 9: left out because lines.csv line 9 is",
        "lines.csv line 9, product: there is no product \"T3\"",
        "lines.csv line 10, order: there is no order \"99\"",
        "staff.csv line 5, job: the mapping does not say what \"clerk\" stands for",
        "staff.csv line 6, boss: there is no person \"44\"",
    ] {
        assert!(
            told.iter().any(|it| it == expected),
            "{expected:?} is not among {told:#?}"
        );
    }
    // Figures that would be wrong are not computed; the others are.
    assert!(credit_file(&books, "001").is_none());
    assert!(
        told.iter()
            .any(|it| it.contains("the credit file of 001 stays as it was")),
        "{told:#?}"
    );
    assert!(credit_file(&books, "002").is_some());
    assert_eq!(count(&books, "order"), 4);
    let rows: BTreeSet<&str> = told.iter().map(|it| it.split([',', ':']).next().unwrap()).collect();
    assert_eq!(rows.len(), told.len(), "one reason for each row: {told:#?}");
}

#[test]
fn a_missing_file_and_a_missing_column_stop_the_import_before_anything_is_built() {
    let files = Files::new();
    files.put("receipts.csv", "ref,customer,day,sum,pays\n");
    let mapping = Mapping::parse("test", MAPPING).unwrap();
    let error = read(&mapping, files.0.path(), ORG, None, None).unwrap_err().to_string();
    assert!(
        error.contains("receipts.csv") && error.contains("\"amount\"") && error.contains("sum"),
        "{error}"
    );
    std::fs::remove_file(files.0.path().join("receipts.csv")).unwrap();
    let error = read(&mapping, files.0.path(), ORG, None, None).unwrap_err().to_string();
    assert!(error.starts_with("receipts.csv cannot be imported"), "{error}");
}

#[test]
fn a_circle_of_supervisors_ends() {
    let files = Files::new();
    files.put(
        "staff.csv",
        "id,name,job,boss,area\n2,Li Na,boss,1,North\n3,Bob Hill,rep,2,South\n1,Wang Fang,boss,2,\n",
    );
    let books = files.read();
    assert_eq!(errors(&books), Vec::<String>::new());
    let seen: BTreeSet<usize> = books.accounts.iter().map(|it| it.territories.len()).collect();
    assert_eq!(seen, BTreeSet::from([1, 2]));
}

/// The folder with the real data sets, when this machine has them.
pub(crate) fn real_data(set: &str) -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    let root = std::env::var_os("FIELDLEDGER_DATASETS").map_or(beside, PathBuf::from);
    let dir = root.join(set);
    if dir.is_dir() {
        return Some(dir);
    }
    // The test command reads in this file what was left out. In CI nothing may be.
    let told = format!(
        "import of {set}: no {}; set FIELDLEDGER_DATASETS to the folder that holds it\n",
        dir.display()
    );
    assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "{told}");
    match std::env::var_os("FIELDLEDGER_SKIPS") {
        Some(list) => std::fs::OpenOptions::new()
            .append(true)
            .open(list)
            .unwrap()
            .write_all(told.as_bytes())
            .unwrap(),
        // Not `eprintln!`, which the test runner keeps to itself while tests pass.
        None => std::io::stderr()
            .write_all(format!("SKIPPED: {told}").as_bytes())
            .unwrap(),
    }
    None
}

#[test]
fn classicmodels_comes_in_whole() {
    let Some(dir) = real_data("classicmodels") else { return };
    let books = read(&Mapping::load("classicmodels").unwrap(), &dir, ORG, None, None).unwrap();
    assert_eq!(errors(&books), Vec::<String>::new());
    let counts = [
        "territory",
        "person",
        "product",
        "customer",
        "order",
        "delivery",
        "invoice",
        "receipt",
        "credit_file",
        "credit_account",
    ];
    let counts = counts.map(|kind| count(&books, kind));
    // 303 shipped, 4 resolved and 3 disputed orders were delivered and invoiced.
    assert_eq!(counts, [5, 23, 110, 122, 326, 310, 310, 273, 122, 122]);
    let lines: usize = books
        .records
        .iter()
        .map(|it| match &it.record {
            LedgerRecord::Order(it) => it.lines.len(),
            _ => 0,
        })
        .sum();
    assert_eq!(lines, 2_996);
    assert_eq!(books.as_of.to_string(), "2013-06-10");
    let limit_zero = books.records.iter().filter(|it| {
        matches!(&it.record,
        LedgerRecord::CreditFile(file) if matches!(file.limit, CreditLimit::Limited(limit) if limit.amount.is_zero()))
    });
    assert_eq!(limit_zero.count(), 24);
    assert_eq!(customer(&books, "103").contact, "Carine Schmitt");
}

#[test]
fn northwind_comes_in_whole() {
    let Some(dir) = real_data("northwind") else { return };
    let books = read(&Mapping::load("northwind").unwrap(), &dir, ORG, None, None).unwrap();
    assert_eq!(errors(&books), Vec::<String>::new());
    let counts = ["person", "product", "customer", "order", "delivery", "credit_file"].map(|kind| count(&books, kind));
    assert_eq!(counts, [9, 77, 91, 830, 809, 91]);
    let lines: usize = books
        .records
        .iter()
        .map(|it| match &it.record {
            LedgerRecord::Order(it) => it.lines.len(),
            _ => 0,
        })
        .sum();
    assert_eq!(lines, 2_155);
    let unlimited =
        |it: &&Sourced| matches!(&it.record, LedgerRecord::CreditFile(it) if it.limit == CreditLimit::NoLimit);
    assert_eq!(books.records.iter().filter(unlimited).count(), 91);
}

mod kept;
mod sections;
mod settling;

mod into_a_store {
    use chrono::{Days, NaiveDate};
    use fieldledger_core::model::{RecordKind, Timestamp};

    use super::*;
    use crate::store::{DocumentStore as _, PeopleStore as _, sqlite::SqliteStore};

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    async fn import(store: &SqliteStore, files: &Files, all_or_nothing: bool) -> ImportReport {
        write(store, files.read(), all_or_nothing, NOW).await.unwrap()
    }

    fn changed(report: &ImportReport, kind: &str) -> (usize, usize) {
        let of_kind = report.kinds.iter().find(|it| it.kind == kind).unwrap();
        (of_kind.created, of_kind.changed)
    }

    #[tokio::test]
    async fn the_same_files_again_change_nothing_and_add_no_entry_to_any_stream() {
        let (store, files) = (SqliteStore::in_memory().unwrap(), Files::new());
        let first = import(&store, &files, false).await;
        assert!(first.written && first.errors.is_empty(), "{first}");
        let before = store.counts(ORG).await.unwrap();
        assert_eq!(before.records as usize + 3, first.differences());
        let again = import(&store, &files, false).await;
        assert_eq!(again.differences(), 0, "{again}");
        assert_eq!(store.counts(ORG).await.unwrap(), before);
        assert_eq!(store.verify().await.unwrap(), Vec::<String>::new());
    }

    #[tokio::test]
    async fn a_changed_row_becomes_a_new_version_of_the_same_record_and_nothing_else_changes() {
        let (store, files) = (SqliteStore::in_memory().unwrap(), Files::new());
        import(&store, &files, false).await;
        files.put(
            "products.csv",
            "code,name,price,cur\nT1,绿茶 Green tea,13.00,CNY\nT2,Black tea,3.00,USD\n",
        );
        let report = import(&store, &files, false).await;
        assert_eq!(
            (changed(&report, "product"), report.differences()),
            ((0, 1), 1),
            "{report}"
        );
        let products = store.records(ORG, &RecordKind::Product).await.unwrap();
        let mut versions: Vec<u64> = products.iter().map(|it| it.version).collect();
        versions.sort_unstable();
        assert_eq!(versions, [1, 2]);
    }

    #[tokio::test]
    async fn a_later_day_touches_only_the_credit_files_whose_figures_differ() {
        let (store, files) = (SqliteStore::in_memory().unwrap(), Files::new());
        let mapping = Mapping::parse("test", MAPPING).unwrap();
        let on = |day: NaiveDate| read(&mapping, files.0.path(), ORG, None, Some(day)).unwrap();
        let first = files.read();
        let due: NaiveDate = "2026-02-06".parse().unwrap();
        write(&store, first, false, NOW).await.unwrap();
        let still = write(&store, on(due), false, NOW).await.unwrap();
        assert_eq!(still.differences(), 0, "{still}");
        // The day after, one customer's invoice is overdue; the other credit files keep their time.
        let overdue = write(&store, on(due + Days::new(1)), false, NOW).await.unwrap();
        assert_eq!(
            (changed(&overdue, "credit_file"), overdue.differences()),
            ((0, 1), 1),
            "{overdue}"
        );
    }

    #[tokio::test]
    async fn one_bad_row_keeps_everything_out_when_all_or_nothing_is_asked_for() {
        let (store, files) = (SqliteStore::in_memory().unwrap(), Files::new());
        files.append("receipts.csv", "R2,001,2026-01-30,much,\n");
        let report = import(&store, &files, true).await;
        assert!(!report.written, "{report}");
        assert_eq!(report.errors.len(), 2, "{report}");
        assert_eq!(store.organisations().await.unwrap(), []);
        let report = import(&store, &files, false).await;
        assert!(report.written, "{report}");
        assert_eq!((report.count("receipt"), report.count("customer")), (1, 3));
        // The customer's exposure is not known without the receipt.
        assert_eq!(report.count("credit_file"), 2);
    }

    #[tokio::test]
    async fn passwords_stay_and_roles_follow_the_files() {
        let (store, files) = (SqliteStore::in_memory().unwrap(), Files::new());
        import(&store, &files, false).await;
        let mut account = store.account_by_login("lina").await.unwrap().unwrap();
        assert_eq!(account.password_hash, None);
        account.password_hash = Some("$argon2id$".to_owned());
        store.put_account(account).await.unwrap();
        assert_eq!(import(&store, &files, false).await.differences(), 0);
        files.put(
            "staff.csv",
            "id,name,job,boss,area\n2,Li Na,boss,1,North\n3,Bob Hill,rep,1,South\n1,Wang Fang,boss,,NULL\n",
        );
        let report = import(&store, &files, false).await;
        assert_eq!(
            (changed(&report, "account"), changed(&report, "person")),
            ((0, 1), (0, 1))
        );
        let account = store.account_by_login("lina").await.unwrap().unwrap();
        assert_eq!(
            (account.roles.as_slice(), account.password_hash.is_some()),
            (&[Role::Supervisor][..], true)
        );
    }

    #[tokio::test]
    async fn a_sign_in_name_of_somebody_else_is_an_error_of_the_row() {
        let (store, files) = (SqliteStore::in_memory().unwrap(), Files::new());
        import(&store, &files, false).await;
        let mapping = Mapping::parse("test", MAPPING).unwrap();
        let other = OrganisationId::from_bytes([8; 16]);
        let books = read(&mapping, files.0.path(), other, Some("Other"), None).unwrap();
        let report = write(&store, books, false, NOW).await.unwrap();
        let told = report.to_string();
        assert!(
            told.contains("staff.csv line 2: the sign-in name \"lina\" belongs to somebody else"),
            "{told}"
        );
        assert_eq!(store.accounts(other).await.unwrap(), []);
    }

    #[tokio::test]
    async fn the_real_data_sets_come_in_and_come_in_again_without_a_difference() {
        for set in ["classicmodels", "northwind"] {
            let Some(dir) = real_data(set) else { continue };
            let store = SqliteStore::in_memory().unwrap();
            let mapping = Mapping::load(set).unwrap();
            for round in 0..2 {
                let books = read(&mapping, &dir, ORG, None, None).unwrap();
                let report = write(&store, books, true, NOW).await.unwrap();
                assert!(report.written && report.errors.is_empty(), "{set}: {report}");
                assert_eq!(report.differences() == 0, round == 1, "{set}: {report}");
            }
            assert_eq!(store.verify().await.unwrap(), Vec::<String>::new(), "{set}");
        }
    }
}
