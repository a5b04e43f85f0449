//! Decisions on a store in memory, as exchanges and people make them.

use chrono::NaiveDate;
use fieldledger_core::{
    model::*,
    rules::allowance::{ClockReading, DeviceClock, DeviceGrant, SpendRequest},
    sync::protocol::AllowanceWord,
};

mod deliveries;
mod routine;
mod statements;

use super::*;
use crate::store::{Decided, DocumentStore as _, LedgerStore as _, PeopleStore as _, sqlite::SqliteStore};

const ORG: OrganisationId = OrganisationId::from_bytes([1; 16]);
const NORTH: TerritoryId = TerritoryId::from_bytes([2; 16]);
const SHOP: CustomerId = CustomerId::from_bytes([3; 16]);
const REP: UserId = UserId::from_bytes([4; 16]);
const BOSS: UserId = UserId::from_bytes([5; 16]);
const FINANCE: UserId = UserId::from_bytes([6; 16]);
const PHONE: DeviceId = DeviceId::from_bytes([7; 16]);
/// 2026-03-02T02:00:00Z.
const NOW: Timestamp = Timestamp::from_millis(1_772_416_800_000);

fn cny(amount: i64) -> Money {
    Money::new(amount.into(), Currency::CNY)
}

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

/// A company with one customer of grade B and a limit of 1,000.
async fn company() -> SqliteStore {
    let store = SqliteStore::in_memory().unwrap();
    let mut account = CreditAccount::new(SHOP);
    account.terms.push(CreditTerms {
        effective_from: day("2026-01-01"),
        grade: Some(CreditGrade::B),
        limit: CreditLimit::Limited(cny(1_000)),
        terms_days: 30,
        reason: "first assessment".to_owned(),
        by: None,
        recorded_at: NOW,
    });
    account.assessments.push(Assessment {
        on: day("2026-01-01"),
        assessor: "Wang".to_owned(),
        evidence: "accounts of 2025".to_owned(),
        valid_until: day("2026-12-31"),
    });
    let policy = Policy {
        allowances: AllowancePolicy {
            step: 10.into(),
            sizes: std::collections::BTreeMap::from([(
                CreditGrade::B,
                AllowanceSize {
                    orders_per_visit: 1.into(),
                    max_share_of_limit: 1.into(),
                },
            )]),
            ..AllowancePolicy::default()
        },
        ..Policy::default()
    };
    let records: Vec<LedgerRecord> = vec![
        OrganisationProfile {
            name: "海风食品".to_owned(),
            time_zone: chrono_tz::Asia::Shanghai,
            currency: Currency::CNY,
            geofence_metres: 200,
        }
        .into(),
        policy.into(),
        Territory {
            id: NORTH,
            name: "北".to_owned(),
        }
        .into(),
        Customer {
            id: SHOP,
            code: "007".to_owned(),
            name: "东方超市".to_owned(),
            territory: NORTH,
            rep: Some(REP),
            contact: String::new(),
            phone: String::new(),
            address: String::new(),
            position: None,
        }
        .into(),
        account.into(),
    ];
    store.put_records(ORG, records, true, NOW).await.unwrap();
    store
}

fn order(number: u8, amount: i64) -> ArrivedOrder {
    let mut order = Order::new(SHOP, REP, format!("SO-{number}"), NOW, Currency::CNY);
    let line = OrderLine {
        product: ProductId::from_bytes([1; 16]),
        quantity: 1.into(),
        unit_price: amount.into(),
        discount: 0.into(),
    };
    order.lines.insert(LineId::from_bytes([1; 16]), line);
    order.state = OrderState::Submitted;
    ArrivedOrder {
        id: DocumentId::from_bytes([number; 16]),
        order,
    }
}

async fn arrive(store: &SqliteStore, orders: &[ArrivedOrder], words: &[AllowanceWord]) -> Decided {
    let arrivals = Arrivals {
        orders: orders.to_vec(),
        words: words.to_vec(),
        ..Arrivals::default()
    };
    let decide = Box::new(move |ledger: &_| take_in(ledger, &arrivals, NOW));
    store.decide(ORG, SHOP, None, decide, NOW).await.unwrap()
}

async fn ledger(store: &SqliteStore) -> crate::store::CustomerLedger {
    store.customer_ledger(ORG, SHOP).await.unwrap().unwrap()
}

async fn standing(store: &SqliteStore, number: u8) -> Option<OrderStanding> {
    let id = DocumentId::from_bytes([number; 16]);
    let ledger = ledger(store).await;
    ledger.decisions.iter().find(|it| it.order == id).map(|it| it.standing)
}

/// X and G.
async fn position(store: &SqliteStore) -> (i64, i64) {
    let position = Draft::of(&ledger(store).await).position(NOW).unwrap();
    let whole = |money: Money| i64::try_from(money.amount).unwrap();
    (whole(position.exposure), whole(position.reserved))
}

async fn granted(store: &SqliteStore, number: u8, amount: i64) -> Result<DeviceGrant, InvalidField> {
    let key = store.signing_key(ORG).await.unwrap();
    let signed_with = key.clone();
    let wish = GrantWish {
        id: GrantId::from_bytes([number; 16]),
        device: PHONE,
        user: REP,
        amount: cny(amount),
        mode: GrantMode::Lease,
    };
    let decide = Box::new(move |ledger: &_| grant(ledger, wish, &key, FINANCE, NOW));
    match store.decide(ORG, SHOP, None, decide, NOW).await.unwrap() {
        Decided::Done { .. } => {}
        Decided::Refused(why) => return Err(why),
        other => panic!("{other:?}"),
    }
    let ledger = ledger(store).await;
    let grant = ledger.grants.iter().find(|it| it.terms.id == wish.id).unwrap();
    assert!(signed_with.has_signed(&grant.terms, &grant.signature));
    let mut forged = grant.clone();
    forged.terms.amount = cny(999_999);
    assert!(!signed_with.has_signed(&forged.terms, &forged.signature));
    Ok(DeviceGrant::new(grant.terms.clone()))
}

fn spend(grant: &mut DeviceGrant, order: &ArrivedOrder) -> AllowanceWord {
    let reading = ClockReading {
        wall: NOW,
        monotonic_millis: 0,
        run: 1,
    };
    let request = SpendRequest {
        order: order.id,
        customer: SHOP,
        amount: order.order.total().unwrap(),
        on_hold: false,
    };
    AllowanceWord::Spent(
        grant
            .spend(&request, DeviceClock::synced(NOW, reading).read(reading))
            .unwrap(),
    )
}

#[tokio::test]
async fn two_orders_race_for_one_limit_and_one_is_held() {
    let store = company().await;
    arrive(&store, &[order(1, 600)], &[]).await;
    arrive(&store, &[order(2, 600)], &[]).await;
    assert_eq!(standing(&store, 1).await, Some(OrderStanding::Approved));
    assert_eq!(standing(&store, 2).await, Some(OrderStanding::Held));
    assert_eq!(position(&store).await, (600, 0));
    // Exactly at the limit passes, also beside one that is held.
    arrive(&store, &[order(3, 400)], &[]).await;
    assert_eq!(standing(&store, 3).await, Some(OrderStanding::Approved));
    let file = ledger(&store).await.file.unwrap();
    assert_eq!(
        (file.open_orders, file.limit),
        (cny(1_000), CreditLimit::Limited(cny(1_000)))
    );
    // The same again changes nothing.
    let before = ledger(&store).await;
    arrive(&store, &[order(2, 600), order(3, 400)], &[]).await;
    assert_eq!(ledger(&store).await, before);
}

#[tokio::test]
async fn a_spend_moves_what_was_reserved_to_the_exposure_with_its_order() {
    let store = company().await;
    let mut grant = granted(&store, 9, 700).await.unwrap();
    assert_eq!(position(&store).await, (0, 700));
    // Nobody else gets at what is reserved, neither online nor by another grant.
    arrive(&store, &[order(1, 301)], &[]).await;
    assert_eq!(standing(&store, 1).await, Some(OrderStanding::Held));
    assert_eq!(granted(&store, 10, 310).await.unwrap_err().field, "amount");

    let sold = order(2, 250);
    let word = spend(&mut grant, &sold);
    // The word alone, because the order was lost on the way: still reserved.
    arrive(&store, &[], std::slice::from_ref(&word)).await;
    assert_eq!(position(&store).await, (0, 700));
    arrive(&store, std::slice::from_ref(&sold), std::slice::from_ref(&word)).await;
    assert_eq!(standing(&store, 2).await, Some(OrderStanding::Approved));
    assert_eq!(position(&store).await, (250, 450));
    let before = ledger(&store).await;
    arrive(&store, std::slice::from_ref(&sold), std::slice::from_ref(&word)).await;
    assert_eq!(ledger(&store).await, before);

    // Another spend in the same place, from a copy of the phone: both are held.
    let mut copy = DeviceGrant::new(grant.terms.clone());
    let other = order(3, 100);
    let second = spend(&mut copy, &other);
    arrive(&store, std::slice::from_ref(&other), &[second]).await;
    assert_eq!(standing(&store, 2).await, Some(OrderStanding::Held));
    assert_eq!(standing(&store, 3).await, Some(OrderStanding::Held));
    let (exposure, reserved) = position(&store).await;
    assert!(exposure + reserved <= 1_000, "{exposure} + {reserved}");
}

#[tokio::test]
async fn an_order_that_came_before_its_spend_is_approved_once_the_spend_is_here() {
    let store = company().await;
    let mut grant = granted(&store, 9, 700).await.unwrap();
    let sold = order(2, 650);
    let word = spend(&mut grant, &sold);
    // A colleague's phone brought the order; what is free does not cover it.
    arrive(&store, std::slice::from_ref(&sold), &[]).await;
    assert_eq!(standing(&store, 2).await, Some(OrderStanding::Held));
    assert_eq!(position(&store).await, (0, 700));
    arrive(&store, &[], std::slice::from_ref(&word)).await;
    assert_eq!(
        standing(&store, 2).await,
        Some(OrderStanding::Held),
        "reserved until both are seen together"
    );
    arrive(&store, std::slice::from_ref(&sold), std::slice::from_ref(&word)).await;
    assert_eq!(standing(&store, 2).await, Some(OrderStanding::Approved));
    assert_eq!(position(&store).await, (650, 50));
    let before = ledger(&store).await;
    arrive(&store, std::slice::from_ref(&sold), std::slice::from_ref(&word)).await;
    assert_eq!(ledger(&store).await, before);
}

#[tokio::test]
async fn an_order_approved_by_itself_is_counted_once_when_its_spend_comes() {
    let store = company().await;
    let mut grant = granted(&store, 9, 700).await.unwrap();
    let sold = order(2, 250);
    let word = spend(&mut grant, &sold);
    arrive(&store, std::slice::from_ref(&sold), &[]).await;
    assert_eq!(position(&store).await, (250, 700), "counted twice, on the safe side");
    arrive(&store, std::slice::from_ref(&sold), std::slice::from_ref(&word)).await;
    assert_eq!(standing(&store, 2).await, Some(OrderStanding::Approved));
    assert_eq!(position(&store).await, (250, 450));
}

#[tokio::test]
async fn a_lease_is_free_when_its_grace_is_over_whoever_decides_next() {
    let store = company().await;
    let mut grant = granted(&store, 9, 700).await.unwrap();
    let sold = order(2, 250);
    let word = spend(&mut grant, &sold);
    let policy = AllowancePolicy::default();
    let over = NOW.plus_millis(i64::from(policy.valid_hours + policy.grace_hours) * 3_600_000);
    let decide = Box::new(move |ledger: &_| end_leases(ledger, over.plus_millis(-1)));
    store.decide(ORG, SHOP, None, decide, over).await.unwrap();
    assert_eq!(position(&store).await, (0, 700));
    let arrivals = Arrivals {
        orders: vec![order(1, 900), sold],
        words: vec![word],
        ..Arrivals::default()
    };
    let decide = Box::new(move |ledger: &_| take_in(ledger, &arrivals, over));
    store.decide(ORG, SHOP, None, decide, over).await.unwrap();
    let after = ledger(&store).await;
    assert_eq!(after.grants[0].state, GrantState::Expired);
    assert_eq!(after.grants[0].settled[0].standing, SpendStanding::Late, "kept");
    assert_eq!(standing(&store, 1).await, Some(OrderStanding::Approved));
    assert_eq!(
        standing(&store, 2).await,
        Some(OrderStanding::Held),
        "never silently approved"
    );
    assert_eq!(store.audit_log(ORG, 1).await.unwrap()[0].action, "allowance.expired");
}

/// The grant as the phone has it, shown to a server on which `store` was restored.
async fn shown(issuer: &SqliteStore, number: u8) -> AllowanceWord {
    let id = GrantId::from_bytes([number; 16]);
    let grants = ledger(issuer).await.grants;
    let grant = grants.into_iter().find(|it| it.terms.id == id).unwrap();
    AllowanceWord::Shown(ShownGrant {
        terms: grant.terms,
        signature: grant.signature,
    })
}

#[tokio::test]
async fn a_restored_server_reserves_again_what_a_phone_shows_and_settles_what_was_spent() {
    let (store, restored) = (company().await, company().await);
    let mut grant = granted(&store, 9, 700).await.unwrap();
    let sold = order(2, 650);
    let words = [spend(&mut grant, &sold), shown(&store, 9).await];
    // The order's document came back first, from a colleague, and was held.
    arrive(&restored, &[order(1, 500), sold.clone()], &[]).await;
    assert_eq!(standing(&restored, 2).await, Some(OrderStanding::Held));
    arrive(&restored, std::slice::from_ref(&sold), &words).await;
    assert_eq!(
        standing(&restored, 2).await,
        Some(OrderStanding::Approved),
        "as promised"
    );
    assert_eq!(
        position(&restored).await,
        (1_150, 50),
        "above the limit, and not hidden"
    );
    let grants = ledger(&restored).await.grants;
    assert_eq!(
        (grants[0].state, grants[0].taken_back_at),
        (GrantState::Recalled, Some(NOW))
    );
    let log = restored.audit_log(ORG, 10).await.unwrap();
    let actions: Vec<&str> = log.iter().map(|it| it.action.as_str()).collect();
    assert_eq!(actions, ["allowance.recalled", "allowance.taken_back"]);
    assert!(log[1].detail.contains("above the limit"), "{}", log[1].detail);
    let before = ledger(&restored).await;
    arrive(&restored, std::slice::from_ref(&sold), &words).await;
    assert_eq!(ledger(&restored).await, before);
}

#[tokio::test]
async fn a_lease_that_is_taken_back_has_its_grace_anew() {
    let (store, restored) = (company().await, company().await);
    granted(&store, 9, 700).await.unwrap();
    let policy = AllowancePolicy::default();
    let late = NOW.plus_millis(i64::from(policy.valid_hours + policy.grace_hours + 1) * 3_600_000);
    let arrivals = Arrivals {
        words: vec![shown(&store, 9).await],
        ..Arrivals::default()
    };
    let decide = Box::new(move |ledger: &_| take_in(ledger, &arrivals, late));
    restored.decide(ORG, SHOP, None, decide, late).await.unwrap();
    let grace = i64::from(policy.grace_hours) * 3_600_000;
    for (at, state) in [(grace - 1, GrantState::Open), (grace, GrantState::Expired)] {
        let decide = Box::new(move |ledger: &_| end_leases(ledger, late.plus_millis(at)));
        restored.decide(ORG, SHOP, None, decide, late).await.unwrap();
        assert_eq!(ledger(&restored).await.grants[0].state, state);
    }
}

#[tokio::test]
async fn a_lease_that_is_over_is_free_for_whoever_asks_it_back_or_writes_it_off() {
    let policy = AllowancePolicy::default();
    let over = NOW.plus_millis(i64::from(policy.valid_hours + policy.grace_hours) * 3_600_000);
    let id = GrantId::from_bytes([9; 16]);
    for writes_off in [true, false] {
        let store = company().await;
        granted(&store, 9, 700).await.unwrap();
        let decide: crate::store::Decide = if writes_off {
            Box::new(move |ledger: &_| write_off(ledger, id, FINANCE, "phone lost", over))
        } else {
            Box::new(move |ledger: &_| recall(ledger, id, FINANCE, "needed", over))
        };
        let decided = store.decide(ORG, SHOP, None, decide, over).await.unwrap();
        assert!(matches!(decided, Decided::Done { .. }), "{decided:?}");
        assert_eq!(ledger(&store).await.grants[0].state, GrantState::Expired);
        assert_eq!(position(&store).await, (0, 0));
    }
}

#[tokio::test]
async fn what_is_left_of_a_closed_grant_is_free_once_every_spend_is_here() {
    let store = company().await;
    let mut grant = granted(&store, 9, 700).await.unwrap();
    let sold = order(2, 250);
    let word = spend(&mut grant, &sold);
    let closing = AllowanceWord::Closed(grant.close());
    arrive(&store, &[], std::slice::from_ref(&closing)).await;
    assert_eq!(position(&store).await, (0, 700), "the spend has not come");
    arrive(&store, std::slice::from_ref(&sold), &[word, closing]).await;
    assert_eq!(position(&store).await, (250, 0));
}

#[tokio::test]
async fn a_grant_is_asked_back_and_written_off_by_two_people() {
    let store = company().await;
    granted(&store, 9, 700).await.unwrap();
    let id = GrantId::from_bytes([9; 16]);
    let asked = Box::new(move |ledger: &_| recall(ledger, id, FINANCE, "limit cut", NOW));
    store.decide(ORG, SHOP, None, asked, NOW).await.unwrap();
    assert_eq!(ledger(&store).await.grants[0].state, GrantState::Recalled);
    assert_eq!(position(&store).await, (0, 700), "until the phone has closed it");
    let off = async |by| {
        let decide = Box::new(move |ledger: &_| write_off(ledger, id, by, "phone lost", NOW));
        store.decide(ORG, SHOP, None, decide, NOW).await.unwrap()
    };
    assert!(matches!(off(FINANCE).await, Decided::Done { answer, .. } if answer == "proposed"));
    assert!(matches!(off(FINANCE).await, Decided::Refused(_)), "one person twice");
    assert_eq!(position(&store).await, (0, 700));
    assert!(matches!(off(BOSS).await, Decided::Done { answer, .. } if answer == "freed"));
    assert_eq!(position(&store).await, (0, 0));
    let log = store.audit_log(ORG, 10).await.unwrap();
    let actions: Vec<&str> = log.iter().map(|it| it.action.as_str()).collect();
    assert_eq!(
        actions,
        [
            "allowance.written_off",
            "allowance.write_off_proposed",
            "allowance.recalled",
            "allowance.granted"
        ]
    );
}

#[tokio::test]
async fn a_held_order_is_let_through_by_a_supervisor_with_a_reason() {
    let store = company().await;
    arrive(&store, &[order(1, 1_200)], &[]).await;
    let id = DocumentId::from_bytes([1; 16]);
    let answer = async |by, roles: &'static [Role], reason: &'static str| {
        let decide = Box::new(move |ledger: &_| decide_held_order(ledger, id, true, by, roles, reason, NOW));
        store.decide(ORG, SHOP, None, decide, NOW).await.unwrap()
    };
    assert!(matches!(answer(REP, &[Role::Rep], "please").await, Decided::Refused(_)));
    assert!(matches!(answer(BOSS, &[Role::Supervisor], " ").await, Decided::Refused(it) if it.field == "reason"));
    assert_eq!(standing(&store, 1).await, Some(OrderStanding::Held));
    assert!(matches!(
        answer(BOSS, &[Role::Supervisor], "a bank guarantee came").await,
        Decided::Done { .. }
    ));
    assert_eq!(standing(&store, 1).await, Some(OrderStanding::Released));
    assert_eq!(position(&store).await, (1_200, 0));
    assert_eq!(store.audit_log(ORG, 1).await.unwrap()[0].action, "order.released");
    assert!(Draft::of(&ledger(&store).await).is_over_limit(NOW).unwrap());
}

#[tokio::test]
async fn an_order_that_grows_is_checked_again_and_one_taken_back_is_free() {
    let store = company().await;
    arrive(&store, &[order(1, 600)], &[]).await;
    arrive(&store, &[order(1, 500)], &[]).await;
    assert_eq!(position(&store).await, (500, 0), "what shrinks is free at once");
    arrive(&store, &[order(2, 300)], &[]).await;
    arrive(&store, &[order(1, 750)], &[]).await;
    assert_eq!(standing(&store, 1).await, Some(OrderStanding::Held));
    assert_eq!(position(&store).await, (300, 0));
    let mut back = order(2, 300);
    back.order.state = OrderState::Cancelled;
    arrive(&store, &[back], &[]).await;
    assert_eq!(standing(&store, 2).await, Some(OrderStanding::Cancelled));
    assert_eq!(position(&store).await, (0, 0));
}

#[tokio::test]
async fn an_imported_file_without_an_account_counts_what_phones_ordered_since() {
    let store = company().await;
    let other = CustomerId::from_bytes([30; 16]);
    let mut customer = ledger(&store).await.customer;
    customer.id = other;
    let file = CreditFile {
        limit: CreditLimit::Limited(cny(1_000)),
        grade: Some(CreditGrade::A),
        open_receivables: cny(500),
        review_valid_until: Some(day("2026-12-31")),
        ..CreditFile::new(other, NOW, Currency::CNY)
    };
    let records = vec![customer.into(), file.clone().into()];
    store.put_records(ORG, records, true, NOW).await.unwrap();
    let standing_after = async |number, amount| {
        let mut arrived = order(number, amount);
        arrived.order.customer = other;
        let arrivals = Arrivals {
            orders: vec![arrived],
            ..Arrivals::default()
        };
        let decide = Box::new(move |ledger: &_| take_in(ledger, &arrivals, NOW));
        store.decide(ORG, other, None, decide, NOW).await.unwrap();
        let ledger = store.customer_ledger(ORG, other).await.unwrap().unwrap();
        assert_eq!(ledger.file.as_ref(), Some(&file));
        let id = DocumentId::from_bytes([number; 16]);
        ledger.decisions.iter().find(|it| it.order == id).unwrap().standing
    };
    assert_eq!(standing_after(1, 400).await, OrderStanding::Approved);
    assert_eq!(standing_after(2, 200).await, OrderStanding::Held);
}

#[tokio::test]
async fn a_limit_is_cut_with_a_reason_and_what_it_no_longer_covers_is_asked_back() {
    let store = company().await;
    granted(&store, 9, 700).await.unwrap();
    let change = async |change: AccountChange| {
        let decide = Box::new(move |ledger: &_| change_account(ledger, change, FINANCE, NOW));
        store.decide(ORG, SHOP, None, decide, NOW).await.unwrap()
    };
    let cut = |limit: i64, reason: &str| AccountChange::Terms {
        from: NOW.date_in(chrono_tz::Asia::Shanghai),
        grade: None,
        limit: Some(CreditLimit::Limited(cny(limit))),
        terms_days: None,
        reason: reason.to_owned(),
    };
    assert!(matches!(change(cut(500, "")).await, Decided::Refused(it) if it.field == "reason"));
    assert!(matches!(change(cut(-1, "typo")).await, Decided::Refused(it) if it.field == "limit"));
    change(cut(500, "late twice")).await;
    let after = ledger(&store).await;
    assert_eq!(after.grants[0].state, GrantState::Recalled);
    assert_eq!(after.account.terms.len(), 2, "the old terms stay on record");
    let file = after.file.unwrap();
    assert_eq!(
        (file.limit, file.grade),
        (CreditLimit::Limited(cny(500)), Some(CreditGrade::B))
    );
    assert_eq!(
        position(&store).await,
        (0, 700),
        "reserved until the phone has closed it"
    );
    let hold = AccountChange::Hold {
        from: None,
        reason: "cheque returned".to_owned(),
    };
    change(hold).await;
    assert!(ledger(&store).await.file.unwrap().on_hold);
    arrive(&store, &[order(1, 10)], &[]).await;
    assert_eq!(standing(&store, 1).await, Some(OrderStanding::Held));
    let lift = AccountChange::LiftHold {
        reason: "paid".to_owned(),
    };
    assert!(matches!(change(lift.clone()).await, Decided::Done { .. }));
    assert!(!ledger(&store).await.file.unwrap().on_hold);
    assert!(matches!(change(lift).await, Decided::Refused(it) if it.field == "hold"));
}
