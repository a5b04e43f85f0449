//! Contracts, instalments, disputes, extensions, credit notes and former decisions about credit, from files.

use chrono::NaiveDate;
use fieldledger_core::{
    model::{
        Contract, CreditAccount, CreditNote, DueOffset, DueStart, Invoice, InvoiceType, PaymentChannel, Receipt,
        Timestamp,
    },
    rules::{
        ageing::{Ageing, Bucket},
        books::{CustomerBooks, open_items, unallocated},
    },
};
use rust_decimal::Decimal;

use super::*;
use crate::store::{DocumentStore as _, LedgerStore as _, sqlite::SqliteStore};

pub(super) const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

pub(super) const OWED: &str = r#"
[organisation]
name = "Tea & Co"
time_zone = "Asia/Shanghai"
currency = "CNY"

[customers]
file = "customers.csv"
key = "{no}"
name = "{name}"
territory = "North"

[contracts]
file = "contracts.csv"
number = "{no}"
customer = "{customer}"
signed_on = "{signed}"
acceptance_criteria = "{accept}"

[contracts.milestones]
file = "milestones.csv"
contract = "{contract}"
name = "{name}"
percent = "{share}"
event = { from = "{event}", map = { signed = "contract", delivered = "delivery", accepted = "acceptance", shipped = "shipment" } }
days = "{days}"
months = "{months}"
end_of_month = "{eom}"
retention = "{kept}"

[invoices]
file = "invoices.csv"
number = "{no}"
customer = "{customer}"
invoiced_on = "{day}"
due_on = "{due}"
amount = "{amount}"
kind = "{kind}"
contract = "{contract}"
delivered_on = "{delivered}"
accepted_on = "{accepted}"

[instalments]
file = "parts.csv"
invoice = "{invoice}"
no = "{no}"
amount = "{amount}"
due_on = "{due}"
retention = "{kept}"

[disputes]
file = "disputes.csv"
invoice = "{invoice}"
instalment = "{part}"
opened_on = "{from}"
settled_on = "{until}"
reason = "{why}"

[extensions]
file = "extensions.csv"
invoice = "{invoice}"
instalment = "{part}"
approved_on = "{approved}"
due_on = "{due}"
reason = "{why}"

[receipts]
file = "receipts.csv"
reference = "{ref}"
customer = "{customer}"
valued_on = "{day}"
amount = "{amount}"
pays = "{pays}"
cleared_on = "{cleared}"
bounced_on = "{bounced}"
channel = "{how}"

[credit_notes]
file = "notes.csv"
number = "{no}"
customer = "{customer}"
invoice = "{invoice}"
credited_on = "{day}"
amount = { from = "{amount}", currency = "{cur}" }
reason = "{why}"

[credit]
file = "customers.csv"
customer = "{no}"
limit = "{limit}"
no_limit = "{unlimited}"
on_hold = "{held}"
terms_days = 30

[credit_history]
file = "history.csv"
customer = "{customer}"
effective_from = "{from}"
limit = "{limit}"
no_limit = "{unlimited}"
grade = "{grade}"
terms_days = "{days}"
reason = "{why}"
"#;

/// The files that [`OWED`] reads.
pub(super) fn owed() -> Files {
    let files = Files(tempfile::tempdir().unwrap());
    files.put(
        "customers.csv",
        "no,name,limit,unlimited,held\n001,老王茶行,5000.00,,\n002,Hill & Sons,200.00,,\n003,Nobody's,,yes,\n",
    );
    files.put(
        "contracts.csv",
        "no,customer,signed,accept\nK-1,001,2026-01-02,runs for 72 hours\n",
    );
    files.put(
        "milestones.csv",
        "contract,name,share,event,days,months,eom,kept\nK-1,prepaid,30,signed,0,,,\n\
         K-1,after delivery,60,delivered,30,,,\nK-1,kept back,10,accepted,,3,,yes\n",
    );
    files.put(
        "invoices.csv",
        "no,customer,day,due,amount,kind,contract,delivered,accepted\n\
         0007,001,2026-01-10,2026-02-09,300.00,,,,\n\
         0008,001,2026-01-12,,1000.00,goods,K-1,2026-01-31,\n\
         0009,002,2026-01-15,2026-02-14,50.00,interest,,,\n\
         0010,001,2026-01-16,,100.00,,,,\n\
         7,002,2026-01-16,2026-02-15,75.00,,,,\n",
    );
    files.put(
        "parts.csv",
        "invoice,no,amount,due,kept\n0010,2,30.00,2026-03-10,\n0010,1,60.00,2026-01-25,\n0010,3,10.00,,yes\n",
    );
    files.put(
        "disputes.csv",
        "invoice,part,from,until,why\n0010,2,2026-01-20,,boxes crushed\n0009,,2026-01-18,2026-01-19,\n",
    );
    files.put(
        "extensions.csv",
        "invoice,part,approved,due,why\n0007,,2026-01-25,2026-03-09,harvest is late\n",
    );
    files.put(
        "receipts.csv",
        "ref,customer,day,amount,pays,cleared,bounced,how\n\
         R1,001,2026-01-20,70.00,0010,2026-01-21,,wechat_pay\n\
         R2,002,2026-01-21,50.00,0009,,,cheque\n\
         R3,002,2026-01-22,20.00,,2026-01-22,2026-01-30,offset account\n",
    );
    files.put(
        "notes.csv",
        "no,customer,invoice,day,amount,cur,why\nC1,,7,2026-01-22,80.00,CNY,returned\nC2,003,,2026-01-23,9.00,CNY,\n",
    );
    files.put(
        "history.csv",
        "customer,from,limit,unlimited,grade,days,why\n\
         001,2025-07-01,5000.00,,,30,pays well\n001,2025-01-01,500.00,,C,15,first year\n002,2025-01-01,100.00,,C,15,new\n",
    );
    files
}

pub(super) fn read_owed(files: &Files) -> Books {
    let mapping = Mapping::parse("owed", OWED).unwrap();
    read(&mapping, files.0.path(), ORG, None, None).unwrap()
}

pub(super) async fn import_owed(store: &SqliteStore, files: &Files) -> ImportReport {
    write(store, read_owed(files), false, NOW).await.unwrap()
}

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

fn yuan(text: &str) -> Decimal {
    text.parse().unwrap()
}

macro_rules! found {
    ($name:ident: $type:ty = $variant:ident by $field:ident) => {
        fn $name(books: &Books, wanted: &str) -> $type {
            let found = books.records.iter().find_map(|it| match &it.record {
                LedgerRecord::$variant(it) if it.$field == wanted => Some(it.clone()),
                _ => None,
            });
            found.expect(wanted)
        }
    };
}
found!(invoice: Invoice = Invoice by number);
found!(receipt: Receipt = Receipt by reference);
found!(note: CreditNote = CreditNote by number);
found!(contract: Contract = Contract by number);

fn account(books: &Books, code: &str) -> CreditAccount {
    let id = customer(books, code).id;
    let found = books.records.iter().find_map(|it| match &it.record {
        LedgerRecord::CreditAccount(it) if it.customer == id => Some(it.clone()),
        _ => None,
    });
    found.expect(code)
}

#[test]
fn an_invoice_under_a_contract_is_due_in_the_parts_of_its_milestones() {
    let books = read_owed(&owed());
    assert_eq!(errors(&books), Vec::<String>::new());
    let terms = contract(&books, "K-1");
    assert_eq!(terms.acceptance_criteria, "runs for 72 hours");
    let last = &terms.milestones[2];
    assert_eq!(
        (last.name.as_str(), last.due.from, last.due.offset, last.retention),
        ("kept back", DueStart::Acceptance, DueOffset::Months(3), true)
    );
    let it = invoice(&books, "0008");
    assert_eq!(
        (it.contract_number.as_deref(), it.due_on),
        (Some("K-1"), day("2026-03-02"))
    );
    let parts: Vec<_> = it
        .instalments
        .iter()
        .map(|it| (it.amount, it.due_on, it.retention))
        .collect();
    assert_eq!(
        parts,
        [
            (yuan("300"), Some(day("2026-01-02")), false),
            (yuan("600"), Some(day("2026-03-02")), false),
            (yuan("100"), None, true),
        ]
    );
}

#[test]
fn leading_zeros_make_another_invoice() {
    let books = read_owed(&owed());
    let (one, other) = (invoice(&books, "0007"), invoice(&books, "7"));
    assert_eq!((one.amount, other.amount), (cny("300.00"), cny("75.00")));
    assert_ne!(one.customer, other.customer);
    let paid: Vec<_> = note(&books, "C1").allocations;
    assert_eq!(paid[0].invoice_number, "7");
}

#[test]
fn kinds_disputes_and_extensions_stand_on_their_invoices() {
    let books = read_owed(&owed());
    assert_eq!(invoice(&books, "0009").kind, InvoiceType::Interest);
    assert_eq!(invoice(&books, "0007").kind, InvoiceType::Goods);
    let disputed = invoice(&books, "0010").instalments.remove(1);
    assert_eq!(
        (disputed.no, disputed.disputes[0].reason.as_str()),
        (2, "boxes crushed")
    );
    assert_eq!(disputed.disputes[0].settled_on, None);
    // An invoice that is due as a whole is written out as one part; its original due date stays.
    let extended = invoice(&books, "0007").instalments.remove(0);
    assert_eq!(
        (extended.amount, extended.due_on),
        (yuan("300"), Some(day("2026-02-09")))
    );
    assert_eq!(extended.due_on_by(day("2026-01-24")), Some(day("2026-02-09")));
    assert_eq!(extended.due_on_by(day("2026-01-25")), Some(day("2026-03-09")));
    let settled = invoice(&books, "0009").instalments.remove(0);
    assert_eq!(settled.disputes[0].settled_on, Some(day("2026-01-19")));
}

#[test]
fn money_that_is_not_cleared_or_came_back_pays_nothing() {
    let books = read_owed(&owed());
    let it = receipt(&books, "R1");
    assert_eq!(
        (it.cleared_on, it.channel.clone()),
        (Some(day("2026-01-21")), PaymentChannel::WechatPay)
    );
    assert!(it.allocations.iter().all(|it| it.posted_on == day("2026-01-21")));
    let it = receipt(&books, "R2");
    assert_eq!((it.cleared_on, it.channel), (None, PaymentChannel::Cheque));
    assert_eq!(it.allocations, []);
    let it = receipt(&books, "R3");
    assert_eq!(it.bounced_on, Some(day("2026-01-30")));
    assert_eq!(it.channel, PaymentChannel::Other("offset account".to_owned()));
    assert_eq!(it.allocations, []);
}

#[test]
fn a_credit_note_pays_its_invoice_only_and_what_is_larger_stays_a_credit() {
    let books = read_owed(&owed());
    let it = note(&books, "C1");
    assert_eq!(it.customer, customer(&books, "002").id);
    let paid: Vec<_> = it.allocations.iter().map(|it| (it.amount, it.posted_on)).collect();
    assert_eq!(paid, [(yuan("75.00"), day("2026-01-22"))]);
    // 50 of interest less 75 − 80: the rest is not set against the other invoice, and lowers what is owed.
    let file = credit_file(&books, "002").unwrap();
    assert_eq!(file.open_receivables, cny("45.00"));
    let alone = note(&books, "C2");
    assert_eq!((alone.invoice_number, alone.allocations), (None, Vec::new()));
}

#[test]
fn a_credit_note_goes_before_the_money_of_the_same_day() {
    let files = owed();
    files.append("receipts.csv", "R4,002,2026-01-22,75.00,7,2026-01-22,,\n");
    let books = read_owed(&files);
    assert_eq!(note(&books, "C1").allocations[0].amount, yuan("75.00"));
    let paid: Vec<_> = receipt(&books, "R4").allocations;
    assert_eq!(
        (paid.len(), paid[0].invoice_number.as_str(), paid[0].amount),
        (1, "0009", yuan("50.00"))
    );
}

#[test]
fn what_held_on_other_days_is_known_with_its_reason() {
    let books = read_owed(&owed());
    let of = account(&books, "001");
    let said: Vec<_> = of
        .terms
        .iter()
        .map(|it| (it.effective_from, it.limit, it.terms_days, it.reason.as_str()))
        .collect();
    // The row of today says what the newest of them says, so there is nothing to add.
    assert_eq!(
        said,
        [
            (day("2025-01-01"), CreditLimit::Limited(cny("500.00")), 15, "first year"),
            (day("2025-07-01"), CreditLimit::Limited(cny("5000.00")), 30, "pays well"),
        ]
    );
    let other = account(&books, "002");
    let said: Vec<_> = other.terms.iter().map(|it| (it.effective_from, it.limit)).collect();
    assert_eq!(
        said,
        [
            (day("2025-01-01"), CreditLimit::Limited(cny("100.00"))),
            (books.as_of, CreditLimit::Limited(cny("200.00"))),
        ]
    );
}

#[test]
fn the_ageing_of_a_partly_paid_invoice_adds_up() {
    let books = read_owed(&owed());
    let of = customer(&books, "001").id;
    let (mut invoices, mut receipts) = (Vec::new(), Vec::new());
    for it in &books.records {
        match &it.record {
            LedgerRecord::Invoice(it) if it.customer == of => invoices.push(it.clone()),
            LedgerRecord::Receipt(it) if it.customer == of => receipts.push(it.clone()),
            _ => {}
        }
    }
    let all = CustomerBooks {
        invoices: &invoices,
        receipts: &receipts,
        credit_notes: &[],
    };
    let ageing = |on: &str| {
        let on = day(on);
        let (items, credits) = (open_items(&all, on).unwrap(), unallocated(&all, on).unwrap());
        let ageing = Ageing::of(on, &items, &credits).unwrap();
        (ageing.row(cny("0").currency), items)
    };
    let (row, items) = ageing("2026-03-12");
    let of_parts: Vec<_> = items.iter().filter(|it| it.invoice_number == "0010").collect();
    // 70 paid the first part and 10 of the second, which is named and so paid though it is disputed.
    let open: Vec<_> = of_parts
        .iter()
        .map(|it| (it.instalment, it.open(), it.days_late(day("2026-03-12")), it.disputed))
        .collect();
    assert_eq!(
        open,
        [(2, yuan("20.00"), Some(2), true), (3, yuan("10.00"), None, false)]
    );
    // 300 and 20 since a few days, 600 since ten, 300 of the contract since 69, two retentions not due: 1400 − 70.
    assert_eq!(row.in_bucket(Bucket::of(Some(2))), yuan("920.00"));
    assert_eq!(row.in_bucket(Bucket::of(Some(69))), yuan("300.00"));
    assert_eq!(row.in_bucket(Bucket::of(None)), yuan("110.00"));
    assert_eq!((row.open(), row.credits()), (yuan("1330.00"), Decimal::ZERO));
    // A day before the money was certain nothing is paid.
    assert_eq!(ageing("2026-01-20").0.open(), yuan("1400.00"));
}

#[test]
fn every_bad_row_of_these_sections_is_named_with_what_is_wrong() {
    let files = owed();
    files.append(
        "contracts.csv",
        "K-2,001,2026-01-02,\nK-3,002,2026-01-02,\nK-4,002,2026-01-02,\nK-5,002,2026-01-02,\nK-1,002,2026-01-02,\n",
    );
    files.append(
        "milestones.csv",
        "K-2,all,100,accepted,30,,,\nK-3,half,50,signed,30,,,\nK-5,all,100,shipped,1,,,\nK-5,both,100,signed,1,1,,\n\
         K-9,all,100,signed,1,,,\n",
    );
    files.append(
        "invoices.csv",
        "20,002,2026-01-16,,10.00,,K-3,,\n21,002,2026-01-16,,10.00,,K-8,,\n22,002,2026-01-16,,10.00,,K-1,,\n\
         23,002,2026-01-16,,10.00,gods,,,\n24,002,2026-01-16,,10.00,,,,\n25,002,2026-01-16,2026-01-17,10.001,,,,\n\
         26,002,2026-01-16,2026-01-17,10.00,,,,\n27,002,2026-01-16,2026-01-17,10.00,,,,\n\
         28,002,2026-01-16,2026-01-17,10.00,,,,\n",
    );
    files.append(
        "parts.csv",
        "26,1,5.00,2026-02-01,\n26,2,4.99,2026-03-01,\n27,1,5.00,2026-02-01,\n27,3,5.00,2026-03-01,\n28,1,10.00,,\n\
         29,1,10.00,2026-02-01,\n0010,none,1,2026-02-01,\n",
    );
    files.append(
        "disputes.csv",
        "0007,2,2026-01-20,,no such part\n99,,2026-01-20,,\n26,,2026-01-20,,\n0007,,2026-01-20,2026-01-19,\n\
         0009,1,2026-01-18,,again\n",
    );
    files.append(
        "extensions.csv",
        "0007,1,2026-01-26,2026-02-09,not later\n0008,3,2026-01-26,2026-05-09,no date yet\n0007,,2026-01-27,2026-04-09,\n",
    );
    files.append(
        "receipts.csv",
        "R5,002,2026-01-22,20.00,,2026-01-22,2026-01-21,\nR6,002,2026-01-22,0.00,,2026-01-22,,\n\
         R7,002,2026-01-22,1.00,,soon,,\n",
    );
    files.append(
        "notes.csv",
        "C3,001,7,2026-01-22,1.00,CNY,\nC4,,,2026-01-22,1.00,CNY,\nC5,002,99,2026-01-22,1.00,CNY,\n\
         C6,,0009,2026-01-22,-1.00,CNY,\nC7,,0009,2026-01-22,1.00,USD,\nC1,003,,2026-01-22,1.00,CNY,\n",
    );
    files.append(
        "history.csv",
        "002,2025-02-01,,,,30,no limit said\n002,2025-01-01,1.00,,,30,again\n002,2025-03-01,-1.00,,,30,below zero\n\
         002,2025-04-01,1.00,,,30,\n002,2025-05-01,1.00,,,30,imported\n002,2025-06-01,1.00,,E,30,grade\n",
    );
    let books = read_owed(&files);
    let told = errors(&books);
    for expected in [
        "contracts.csv line 3, accept: acceptance_criteria: a milestone hangs on acceptance: say what has to be there for it",
        "contracts.csv line 4, milestones.percent: the shares sum to 50 %, not to 100 %",
        "contracts.csv line 5: milestones.csv has no milestones for it",
        "contracts.csv line 6: left out because milestones.csv line 7 is",
        "contracts.csv line 7, no: line 2 has \"K-1\" already",
        "milestones.csv line 7, event: \"shipment\" is none of contract, order, delivery, acceptance, invoice",
        "milestones.csv line 8: needs exactly one of days, months and end_of_month",
        "milestones.csv line 9, contract: there is no contract \"K-9\"",
        "invoices.csv line 7, contract: left out because its contract \"K-3\" is",
        "invoices.csv line 8, contract: there is no contract \"K-8\"",
        "invoices.csv line 9, contract: the contract is another customer's",
        "invoices.csv line 10, kind: \"gods\" is none of goods, interest, costs, other",
        "invoices.csv line 11, due: there is neither a due date nor terms",
        "invoices.csv line 12, amount: 10.001 has more than the 2 decimals of CNY",
        "invoices.csv line 13, instalments.amount: the parts sum to 9.99, the invoice to 10.00",
        "invoices.csv line 14, instalments.no: number 3 where 2 is expected",
        "invoices.csv line 15: left out because parts.csv line 9 is",
        "parts.csv line 9, due: is missing; only a retention may have no date yet",
        "parts.csv line 10, invoice: there is no invoice \"29\"",
        "parts.csv line 11, no: \"none\" is not a whole number from 1",
        "invoices.csv line 5: left out because parts.csv line 11 is",
        "disputes.csv line 2, invoice: left out because its invoice \"0010\" is",
        "disputes.csv line 4, part: the invoice has no instalment 2",
        "disputes.csv line 5, invoice: there is no invoice \"99\"",
        "disputes.csv line 6, invoice: left out because its invoice \"26\" is",
        "disputes.csv line 7, until: instalments.disputes.settled_on: lies before the dispute began",
        "disputes.csv line 8, from: line 3 has this dispute already",
        "extensions.csv line 3, due: instalments.extensions.due_on: must be later than the original due date",
        "extensions.csv line 4, due: instalment 3 has no due date yet that could be later",
        "extensions.csv line 5, why: is missing",
        "receipts.csv line 5, bounced: bounced_on: lies before the value date",
        "receipts.csv line 6, amount: must be more than zero",
        "receipts.csv line 7, cleared: \"soon\" is not a date written as %Y-%m-%d",
        "notes.csv line 4, invoice: the invoice is another customer's",
        "notes.csv line 5: there is neither a customer nor an invoice for it",
        "notes.csv line 6, invoice: there is no invoice \"99\"",
        "notes.csv line 7, amount: must not be negative",
        "notes.csv line 8, amount: invoice 0009 is in CNY",
        "notes.csv line 9, no: line 2 has \"C1\" already",
        "history.csv line 5, limit: there is neither a limit nor the word that there is none",
        "history.csv line 6, from: line 4 has this day of this customer already",
        "history.csv line 7, limit: must not be negative",
        "history.csv line 8, why: is missing",
        "history.csv line 9, why: \"imported\" is what the decision of today is called; say why it was decided",
        "history.csv line 10, grade: \"E\" is none of the grades A, B, C, D",
    ] {
        assert!(
            told.iter().any(|it| it == expected),
            "{expected:?} is not among {told:#?}"
        );
    }
    let rows: BTreeSet<&str> = told.iter().map(|it| it.split([',', ':']).next().unwrap()).collect();
    assert_eq!(rows.len(), told.len(), "one reason for each row: {told:#?}");
    // Customers of whom a row was left out keep the credit files they had.
    assert!(credit_file(&books, "001").is_none() && credit_file(&books, "002").is_none());
    // What was good on the same invoice stays.
    assert_eq!(invoice(&books, "0007").instalments[0].extensions.len(), 1);
    assert_eq!(invoice(&books, "0009").instalments[0].disputes.len(), 1);
}

#[test]
fn parts_of_invoices_need_a_section_of_invoices() {
    let start = OWED.find("[invoices]").unwrap();
    let end = OWED.find("[instalments]").unwrap();
    let text = [&OWED[..start], &OWED[end..]].concat();
    let error = Mapping::parse("mine.toml", &text).unwrap_err().to_string();
    assert!(error.contains("instalments belong to invoices"), "{error}");
    let text = OWED.replace("settled_on = \"{until}\"", "setled_on = \"{until}\"");
    let error = Mapping::parse("mine.toml", &text).unwrap_err().to_string();
    assert!(error.contains("setled_on"), "{error}");
    // A column that is not there stops the import before anything is built.
    let files = owed();
    files.put("disputes.csv", "invoice,part,from,why\n");
    let mapping = Mapping::parse("owed", OWED).unwrap();
    let error = read(&mapping, files.0.path(), ORG, None, None).unwrap_err().to_string();
    assert!(error.contains("disputes.csv") && error.contains("\"until\""), "{error}");
}

#[tokio::test]
async fn the_same_files_again_change_nothing() {
    let (store, files) = (SqliteStore::in_memory().unwrap(), owed());
    let first = import_owed(&store, &files).await;
    assert!(first.written && first.errors.is_empty(), "{first}");
    for (kind, many) in [("contract", 1), ("invoice", 5), ("receipt", 3), ("credit_note", 2)] {
        assert_eq!(first.count(kind), many, "{kind}");
    }
    let before = store.counts(ORG).await.unwrap();
    let again = import_owed(&store, &files).await;
    assert!(again.errors.is_empty(), "{again}");
    assert_eq!(again.differences(), 0, "{again}");
    assert_eq!(store.counts(ORG).await.unwrap(), before);
    let of = customer(&read_owed(&files), "002").id;
    let ledger = store.customer_ledger(ORG, of).await.unwrap().unwrap();
    assert_eq!(ledger.credit_notes[0].allocations.len(), 1);
    assert_eq!(ledger.file.unwrap().open_receivables, cny("45.00"));
}
