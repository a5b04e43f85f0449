//! Whom to see, what a customer owes, and what became of promises.

use super::*;
use crate::rules::{
    ageing::Bucket,
    promises::PromiseStanding,
    worklist::{WorklistReason, WorklistStep},
};

fn names(list: &Worklist) -> Vec<&str> {
    list.entries.iter().map(|it| it.name.as_str()).collect()
}

fn list(phone: &Phone) -> Worklist {
    phone.store.worklist(&WorklistQuery::default()).unwrap()
}

fn state(phone: &Phone, customer: CustomerId) -> PromiseState {
    let query = PromiseQuery {
        customer: Some(customer),
        kept: true,
        ..PromiseQuery::default()
    };
    let promises = phone.store.promises(&query).unwrap().promises;
    assert_eq!(promises.len(), 1, "{promises:?}");
    promises[0].state
}

#[test]
fn who_broke_a_promise_comes_first_then_amount_times_age_decides_and_the_reasons_are_told() {
    let phone = filled();
    let small = phone.owing(10, "小店", &[("2026-02-20", 10, 0)]);
    phone.owing(11, "大店", &[("2026-02-28", 5_000, 0)]);
    phone.owing(12, "老店", &[("2026-02-01", 100, 0)]);
    phone.owing(13, "好店", &[("2026-05-01", 9_999, 0)]);
    phone.has(invoice("F-1", small, "2026-02-20", 10));
    let colleagues = phone.owing(14, "别人的店", &[("2026-01-01", 50_000, 0)]);
    let mut other = customer(14, "别人的店");
    other.rep = Some(UserId::from_bytes([77; 16]));
    phone.receive(STREAM, &other.into(), 2);
    phone.clock.0.fetch_sub(10 * DAY, Ordering::Relaxed);
    phone.promised(small, 10, "2026-02-25", None);
    phone.pass(10 * DAY);

    let today = list(&phone);
    assert_eq!(names(&today), ["小店", "大店", "老店"], "nothing of 好店 is due");
    assert_eq!(today.as_of.day, day("2026-03-02"));
    assert_eq!(today.as_of.known_at, Some(Timestamp::from_millis(MORNING)));
    let first = &today.entries[0];
    assert_eq!((first.line.rank, first.line.overdue.oldest_days), (1, 10));
    assert_eq!(first.file_as_of, Some(Timestamp::from_millis(MORNING - DAY)));
    assert_eq!(
        first.line.reasons[0].sentence().english,
        "Broke the promise to pay CNY 10 by 2026-02-25."
    );
    assert!(matches!(today.entries[1].line.next, WorklistStep::Dun(step) if step.level == 1));

    let everyone = phone.store.worklist(&WorklistQuery {
        everyone: true,
        limit: 2,
        ..WorklistQuery::default()
    });
    let everyone = everyone.unwrap();
    assert_eq!(names(&everyone), ["小店", "别人的店"]);
    assert_eq!(everyone.more, 2);
    assert_eq!(everyone.entries[1].line.customer, colleagues);
}

#[test]
fn the_same_file_asks_for_more_as_days_pass_and_names_the_visit_and_the_warnings() {
    let phone = filled();
    let shop = phone.owing(10, "永兴", &[("2026-03-04", 100, 0)]);
    assert!(
        names(&list(&phone)).contains(&"永兴"),
        "a reminder goes out three days before"
    );
    let warning = |rule, cleared_at| Warning {
        customer: shop,
        rule,
        level: WarningLevel::Critical,
        sentence: "80 % of the limit is used".to_owned(),
        facts: None,
        raised_at: Timestamp::from_millis(MORNING),
        owner: None,
        acknowledged: None,
        cleared_at,
    };
    phone.has(warning(WarningRule::LimitUsed, None));
    phone.has(warning(WarningRule::Silence, Some(Timestamp::from_millis(MORNING))));
    phone.pass(5 * DAY);
    let planned = phone
        .store
        .plan_visit(shop, day("2026-03-07"), VisitPurpose::Collection)
        .unwrap();
    let today = list(&phone);
    let entry = &today.entries[0];
    assert_eq!(entry.line.overdue.amount_days, 300.into());
    assert_eq!(entry.planned_visit, Some(planned.id));
    let rules: Vec<_> = entry.warnings.iter().map(|it| it.rule).collect();
    assert_eq!(rules, [WarningRule::LimitUsed], "what is over warns nobody");
    assert_eq!(
        today.as_of.known_on,
        Some(day("2026-03-02")),
        "and it says how old all of this is"
    );
}

#[test]
fn a_dunning_level_asks_for_its_step_until_somebody_has_spoken_to_the_customer() {
    let phone = filled();
    let shop = phone.owing(10, "永兴", &[("2026-02-20", 100, 3)]);
    let levels = |phone: &Phone| -> Vec<u8> {
        let list = list(phone);
        let reasons = list.entries.iter().flat_map(|it| &it.line.reasons);
        let level = |it: &WorklistReason| match it {
            WorklistReason::Dunning(step) => Some(step.level),
            _ => None,
        };
        reasons.filter_map(level).collect()
    };
    assert_eq!(levels(&phone), [3], "reached on 25 February, and nobody has acted");
    assert_eq!(list(&phone).entries[0].dunning_level, 3);
    phone
        .store
        .record_collection(phone.note(shop, CollectionOutcome::NotReached))
        .unwrap();
    assert_eq!(levels(&phone), [3], "nobody was reached");
    phone
        .store
        .record_collection(phone.note(shop, CollectionOutcome::Reminded))
        .unwrap();
    assert_eq!(levels(&phone), [] as [u8; 0]);
    assert_eq!(names(&list(&phone)), ["永兴"], "the money is overdue all the same");
}

#[test]
fn a_running_promise_about_one_invoice_holds_reminders_of_that_one_back_and_of_no_other() {
    let phone = filled();
    let shop = phone.owing(10, "永兴", &[("2026-02-28", 300, 0)]);
    phone.has(invoice("F-1", shop, "2026-02-28", 100));
    phone.has(invoice("F-2", shop, "2026-02-28", 200));
    let open = |phone: &Phone| {
        list(phone).entries[0].line.reasons.iter().find_map(|it| match it {
            WorklistReason::Dunning(step) => Some(step.open),
            _ => None,
        })
    };
    assert_eq!(open(&phone), Some(cny(300)));
    phone.promised(shop, 100, "2026-03-09", Some("F-1"));
    // Spoken to today: reminders go on tomorrow.
    assert_eq!(open(&phone), None);
    phone.pass(DAY);
    assert_eq!(open(&phone), Some(cny(200)));
}

#[test]
fn what_is_in_dispute_is_named_and_a_customer_in_a_currency_without_a_rate_is_told_apart() {
    let phone = filled();
    let shop = phone.owing(10, "永兴", &[("2026-02-28", 100, 0)]);
    let mut disputed = invoice("F-1", shop, "2026-02-28", 100);
    let mut part = Instalment::new(1, 100.into(), Some(day("2026-02-28")));
    part.disputes.push(Dispute {
        opened_on: day("2026-02-27"),
        settled_on: None,
        reason: "two boxes short".to_owned(),
    });
    disputed.instalments.push(part);
    phone.has(disputed);
    let mut file = phone.store.credit_file(shop).unwrap().unwrap().file;
    file.dues[0].disputed = true;
    phone.receive(STREAM, &file.into(), 2);
    let abroad = phone.customer(11, "Overseas");
    let mut file = CreditFile::new(abroad, Timestamp::from_millis(MORNING), Currency::USD);
    file.overdue = Money::new(5.into(), Currency::USD);
    phone.has(file);

    let today = list(&phone);
    assert!(
        matches!(&today.entries[0].line.next, WorklistStep::SettleDispute(it) if it.number == "F-1"),
        "{:?}",
        today.entries[0].line.next
    );
    assert_eq!(today.unranked.len(), 1);
    assert_eq!(today.unranked[0].customer, abroad);
    assert!(today.unranked[0].reason.contains("no credit rate from USD to CNY"));

    // What a rep takes down is a dispute as well, until a supervisor has looked at it.
    let second = phone.owing(12, "二店", &[("2026-06-01", 10, 0)]);
    let mut note = phone.note(second, CollectionOutcome::Disputed);
    note.invoice_number = Some("F-9".to_owned());
    phone.store.record_collection(note).unwrap();
    let today = list(&phone);
    let entry = today.entries.iter().find(|it| it.name == "二店").unwrap();
    assert!(matches!(&entry.line.next, WorklistStep::SettleDispute(it) if it.number == "F-9"));
}

#[test]
fn a_promise_is_judged_only_on_what_the_phone_can_know() {
    let phone = filled();
    let shop = phone.customer(10, "永兴");
    phone.promised(shop, 1_000, "2026-03-05", None);
    assert_eq!(state(&phone, shop), PromiseState::Judged(PromiseStanding::Running));
    // A week without the server, and nothing of the customer's books is here.
    phone.pass(7 * DAY);
    assert_eq!(state(&phone, shop), PromiseState::NoBooks);
    phone.has(invoice("F-1", shop, "2026-02-28", 1_000));
    assert_eq!(
        state(&phone, shop),
        PromiseState::NotHeardSince,
        "the money may have come"
    );
    phone.catch_up();
    assert_eq!(state(&phone, shop), PromiseState::Judged(PromiseStanding::Broken));
    phone.has(paid("R-1", shop, "2026-03-06", 400));
    assert_eq!(state(&phone, shop), PromiseState::Judged(PromiseStanding::PartlyKept));
    phone.has(paid("R-2", shop, "2026-03-04", 600));
    assert_eq!(state(&phone, shop), PromiseState::Judged(PromiseStanding::Kept));
    // A cheque that is returned re-evaluates.
    let mut bounced = paid("R-2", shop, "2026-03-04", 600);
    bounced.bounced_on = Some(day("2026-03-08"));
    phone.receive(STREAM, &bounced.into(), 2);
    assert_eq!(state(&phone, shop), PromiseState::Judged(PromiseStanding::PartlyKept));
}

#[test]
fn promises_are_listed_by_their_day_without_those_of_colleagues_and_those_that_were_kept() {
    let phone = filled();
    let shop = phone.customer(10, "永兴");
    phone.has(paid("R-1", shop, "2026-03-02", 50));
    let kept = phone.promised(shop, 50, "2026-03-03", None);
    let later = phone.promised(shop, 70, "2026-03-20", None);
    let sooner = phone.promised(shop, 60, "2026-03-10", None);
    let colleague = Phone::of(2, &[Role::Rep]);
    colleague.promised(shop, 80, "2026-03-15", None);
    colleague.send_to(&phone);
    let listed = |query: &PromiseQuery| -> Vec<DocumentId> {
        let promises = phone.store.promises(query).unwrap().promises;
        promises.iter().map(|it| it.result.promise.note).collect()
    };
    let mine = PromiseQuery::default();
    assert_eq!(listed(&mine), [sooner, later]);
    assert_eq!(
        listed(&PromiseQuery {
            kept: true,
            ..mine.clone()
        }),
        [kept, sooner, later]
    );
    let everyone = PromiseQuery { everyone: true, ..mine };
    assert_eq!(listed(&everyone).len(), 3);
}

#[test]
fn a_promise_the_phone_cannot_judge_is_asked_for_and_held_against_nobody() {
    let phone = filled();
    let shop = phone.owing(10, "永兴", &[("2026-02-28", 1_000, 0)]);
    phone.has(invoice("F-1", shop, "2026-02-28", 1_000));
    phone.promised(shop, 1_000, "2026-03-05", None);
    phone.pass(7 * DAY);
    let entry = &list(&phone).entries[0];
    assert_eq!(
        entry.line.next.sentence().english,
        "Ask for the CNY 1000 promised for 2026-03-05."
    );
    let broken = |it: &WorklistReason| matches!(it, WorklistReason::BrokenPromise(_));
    assert!(!entry.line.reasons.iter().any(broken), "{:?}", entry.line.reasons);
    phone.catch_up();
    let entry = &list(&phone).entries[0];
    assert!(entry.line.reasons.iter().any(broken), "{:?}", entry.line.reasons);
}

#[test]
fn a_customers_credit_is_shown_item_by_item_with_the_time_of_its_file() {
    let phone = filled();
    let shop = phone.owing(10, "永兴", &[("2026-01-10", 100, 0), ("2026-03-20", 40, 0)]);
    phone.has(invoice("F-2", shop, "2026-03-20", 40));
    phone.has(invoice("F-1", shop, "2026-01-10", 150));
    phone.has(paying(paid("R-1", shop, "2026-02-10", 50), "F-1", 50));
    phone.has(paid("R-2", shop, "2026-02-11", 7));
    phone.promised(shop, 10, "2026-03-05", None);
    let view = phone.store.credit_view(shop).unwrap();
    assert_eq!(view.file.unwrap().file.as_of, Timestamp::from_millis(MORNING - DAY));
    let BooksView::Open { items, credits, ageing } = view.books else {
        panic!("the books are here")
    };
    let shown: Vec<_> = items
        .iter()
        .map(|it| (it.item.invoice_number.as_str(), it.item.open(), it.days_late, it.bucket))
        .collect();
    assert_eq!(
        shown,
        [
            ("F-1", 100.into(), Some(51), Bucket::To60),
            ("F-2", 40.into(), Some(-18), Bucket::NotDue),
        ]
    );
    assert_eq!((credits.len(), credits[0].amount), (1, 7.into()));
    assert_eq!(ageing.row(Currency::CNY).balance(), 133.into());
    assert_eq!(view.promises.len(), 1);

    let empty = phone.customer(11, "新店");
    assert_eq!(phone.store.credit_view(empty).unwrap().books, BooksView::NotHere);
    phone.has(paying(paid("R-9", empty, "2026-02-10", 50), "F-404", 50));
    let view = phone.store.credit_view(empty).unwrap();
    assert!(matches!(view.books, BooksView::Contradictory(why) if why.contains("F-404")));
    let nobody = CustomerId::from_bytes([250; 16]);
    assert_eq!(phone.store.credit_view(nobody), Err(FieldError::NotFound));
}

#[test]
fn a_first_pull_that_is_not_over_leaves_the_phone_without_a_time_it_could_vouch_for() {
    use crate::{
        db::exchange::Sent,
        sync::protocol::{Cursor, PROTOCOL, StreamPage, SyncResponse},
    };
    let phone = Phone::rep();
    let page = |seq, more| SyncResponse {
        protocol: PROTOCOL,
        request_id: seq,
        server_time: Timestamp::from_millis(MORNING),
        verdicts: Vec::new(),
        streams: vec![StreamPage {
            stream: STREAM,
            restart: false,
            entries: Vec::new(),
            next: Cursor {
                lineage: [1; 8].into(),
                seq,
                chain: [1; 16].into(),
            },
            more,
        }],
        withdrawn: Vec::new(),
        backed_up: Vec::new(),
        new_token: None,
    };
    phone.store.apply(page(1, true), &Sent::default()).unwrap();
    assert_eq!(list(&phone).as_of.known_at, None);
    let sent = Sent {
        cursors: phone.store.cursors().unwrap(),
        ..Sent::default()
    };
    phone.store.apply(page(2, false), &sent).unwrap();
    assert_eq!(list(&phone).as_of.known_at, Some(Timestamp::from_millis(MORNING)));
}
