#![allow(clippy::unwrap_used)]

use rust_decimal::Decimal;

use super::*;
use crate::model::{
    CreditGrade, CreditLimit, Currency, CustomerId, DeviceId, DocumentId, Grant, GrantClosing, GrantId, GrantMode,
    GrantState, GrantTerms, Money, Policy, Spend, SpendStanding, Timestamp, UserId,
};

const DEVICE: DeviceId = DeviceId::from_bytes([1; 16]);
const CUSTOMER: CustomerId = CustomerId::from_bytes([2; 16]);
const ANN: UserId = UserId::from_bytes([3; 16]);
const BOB: UserId = UserId::from_bytes([4; 16]);
const HOUR: i64 = 3_600_000;

fn cny(amount: i64) -> Money {
    Money::new(amount.into(), Currency::CNY)
}
fn at(hours: i64) -> Timestamp {
    Timestamp::from_millis(hours * HOUR)
}
fn arrival(hours: i64) -> Arrival {
    Arrival {
        at: at(hours),
        revoked: false,
    }
}
fn terms(amount: i64, mode: GrantMode) -> GrantTerms {
    GrantTerms {
        id: GrantId::from_bytes([5; 16]),
        device: DEVICE,
        user: ANN,
        customer: CUSTOMER,
        amount: cny(amount),
        policy_version: 1,
        issued_at: at(0),
        not_after: at(24),
        mode,
    }
}
fn grant(amount: i64, mode: GrantMode) -> Grant {
    Grant {
        terms: terms(amount, mode),
        signature: String::new(),
        state: GrantState::Open,
        settled: Vec::new(),
        close: None,
        reason: String::new(),
        written_off_by: Vec::new(),
        taken_back_at: None,
    }
}
fn spend(seq: u32, order: u8, amount: i64, remaining: i64) -> Spend {
    Spend {
        grant: GrantId::from_bytes([5; 16]),
        seq,
        device: DEVICE,
        customer: CUSTOMER,
        order: DocumentId::from_bytes([order; 16]),
        amount: cny(amount),
        remaining: cny(remaining),
        at: at(1),
    }
}
fn closing(final_seq: u32, total: i64) -> GrantClosing {
    GrantClosing {
        grant: GrantId::from_bytes([5; 16]),
        device: DEVICE,
        final_seq,
        total: cny(total),
    }
}
fn standing(grant: &mut Grant, spend: &Spend) -> SpendStanding {
    settle(grant, spend, arrival(2)).standing
}
fn position(limit: CreditLimit, exposure: i64, reserved: i64) -> CreditPosition {
    CreditPosition {
        limit,
        exposure: cny(exposure),
        reserved: cny(reserved),
    }
}
fn request(grade: CreditGrade, amount: i64) -> GrantRequest {
    GrantRequest {
        id: GrantId::from_bytes([5; 16]),
        device: DEVICE,
        user: ANN,
        customer: CUSTOMER,
        grade: Some(grade),
        on_hold: false,
        amount: cny(amount),
        mode: GrantMode::Lease,
    }
}

#[test]
fn a_grant_needs_what_is_owed_and_reserved_and_itself_within_the_limit() {
    let policy = Policy::default();
    let limit = CreditLimit::Limited(cny(10_000));
    let ask = |request: &GrantRequest, position| issue(request, &policy, 3, &position, at(1));
    let terms = ask(&request(CreditGrade::A, 1_000), position(limit, 8_000, 1_000)).unwrap();
    assert_eq!(
        (terms.amount, terms.policy_version, terms.not_after),
        (cny(1_000), 3, at(25))
    );
    let over = ask(&request(CreditGrade::A, 1_100), position(limit, 8_000, 1_000));
    assert_eq!(over, Err(NoGrant::OverLimit { free: cny(1_000) }));
    // 30 % of the limit for all phones together.
    let share = ask(&request(CreditGrade::A, 1_100), position(limit, 0, 2_000));
    assert_eq!(share, Err(NoGrant::OverShare { most: cny(3_000) }));
    let prepay = ask(&request(CreditGrade::D, 100), position(limit, 0, 0));
    assert_eq!(prepay, Err(NoGrant::Grade));
    let none = ask(&request(CreditGrade::A, 100), position(CreditLimit::NoLimit, 0, 0));
    assert_eq!(none, Err(NoGrant::NotNeeded));
    let zero = ask(
        &request(CreditGrade::A, 100),
        position(CreditLimit::Limited(cny(0)), 0, 0),
    );
    assert_eq!(zero, Err(NoGrant::OverLimit { free: cny(0) }));
    let odd = ask(&request(CreditGrade::A, 150), position(limit, 0, 0));
    assert!(matches!(odd, Err(NoGrant::Amount { .. })));
    let held = GrantRequest {
        on_hold: true,
        ..request(CreditGrade::A, 100)
    };
    assert_eq!(ask(&held, position(limit, 0, 0)), Err(NoGrant::OnHold));
    let mut dollars = request(CreditGrade::A, 100);
    dollars.amount.currency = Currency::USD;
    assert!(matches!(ask(&dollars, position(limit, 0, 0)), Err(NoGrant::Money(_))));
}

#[test]
fn the_suggestion_is_the_usual_order_times_visits_within_share_and_headroom() {
    let policy = Policy::default();
    let limit = CreditLimit::Limited(cny(10_000));
    let orders = [cny(900), cny(100), cny(460), cny(470)];
    let suggest = |visits, orders: &[Money], position| {
        super::suggest(&policy, Some(CreditGrade::A), visits, orders, &position).unwrap()
    };
    // The median is 465; two orders for each visit; down to whole hundreds.
    assert_eq!(suggest(1, &orders, position(limit, 0, 0)), cny(900));
    assert_eq!(suggest(2, &orders, position(limit, 0, 0)), cny(1_800));
    assert_eq!(suggest(9, &orders, position(limit, 0, 1_000)), cny(2_000));
    assert_eq!(suggest(9, &orders, position(limit, 9_650, 0)), cny(300));
    assert_eq!(suggest(9, &orders, position(limit, 10_650, 0)), cny(0));
    assert_eq!(suggest(9, &[], position(limit, 0, 0)), cny(0));
    assert_eq!(suggest(9, &orders, position(CreditLimit::NoLimit, 0, 0)), cny(0));
}

#[test]
fn a_spend_counts_once_however_often_and_in_whatever_order_it_comes() {
    let mut grant = grant(100, GrantMode::Lease);
    let spends = [spend(1, 1, 30, 70), spend(2, 2, 20, 50), spend(3, 3, 50, 0)];
    for at in [2, 0, 2, 1, 0] {
        assert_eq!(standing(&mut grant, &spends[at]), SpendStanding::Settled);
    }
    assert_eq!(unsettled(&grant), cny(0));
    assert_eq!(grant.settled.iter().map(|it| it.seq).collect::<Vec<_>>(), [1, 2, 3]);
    assert!(settle(&mut grant, &spends[0], arrival(3)).again);
}

#[test]
fn a_gap_is_remembered_and_leaves_room_for_what_may_have_been_spent_in_it() {
    let mut grant = grant(100, GrantMode::Lease);
    assert_eq!(standing(&mut grant, &spend(3, 3, 10, 40)), SpendStanding::Settled);
    assert_eq!((missing(&grant), unsettled(&grant)), (vec![1, 2], cny(90)));
    // 60 cannot have been left after the third when 50 were left before it.
    assert_eq!(standing(&mut grant, &spend(2, 2, 20, 60)), SpendStanding::Refused);
    assert_eq!(standing(&mut grant, &spend(1, 1, 30, 70)), SpendStanding::Settled);
    assert_eq!(unsettled(&grant), cny(60));
}

#[test]
fn more_than_was_left_or_for_somebody_else_is_refused_and_kept() {
    let mut grant = grant(100, GrantMode::Lease);
    assert_eq!(standing(&mut grant, &spend(1, 1, 130, 0)), SpendStanding::Refused);
    let mut other = spend(2, 2, 10, 90);
    other.customer = CustomerId::from_bytes([9; 16]);
    assert_eq!(standing(&mut grant, &other), SpendStanding::Refused);
    let mut dollars = spend(3, 3, 10, 90);
    dollars.amount.currency = Currency::USD;
    assert_eq!(standing(&mut grant, &dollars), SpendStanding::Refused);
    assert_eq!((grant.settled.len(), unsettled(&grant)), (3, cny(100)));
    // Another phone cannot spoil it.
    let mut stranger = spend(1, 4, 10, 90);
    stranger.device = DeviceId::from_bytes([9; 16]);
    assert_eq!(standing(&mut grant, &stranger), SpendStanding::Refused);
    assert_eq!(grant.settled.len(), 3);
}

#[test]
fn two_spends_with_one_seq_are_both_held_with_all_that_follows() {
    let mut grant = grant(100, GrantMode::Strict);
    assert_eq!(standing(&mut grant, &spend(1, 1, 30, 70)), SpendStanding::Settled);
    assert_eq!(standing(&mut grant, &spend(2, 2, 20, 50)), SpendStanding::Settled);
    let fork = settle(&mut grant, &spend(2, 9, 70, 0), arrival(3));
    assert_eq!(fork.standing, SpendStanding::Conflict);
    assert_eq!(fork.held, [DocumentId::from_bytes([2; 16])]);
    assert_eq!(standing(&mut grant, &spend(3, 3, 50, 0)), SpendStanding::Conflict);
    assert_eq!(standing(&mut grant, &spend(2, 2, 20, 50)), SpendStanding::Conflict);
    assert_eq!((unsettled(&grant), grant.state), (cny(70), GrantState::Recalled));
    assert_eq!(worst_case(&grant), cny(140));
    // Its word frees nothing: there are two phones and each says something else.
    assert_eq!(close(&mut grant, &closing(3, 100), arrival(3)), CloseOutcome::Mismatch);
    assert_eq!(unsettled(&grant), cny(70));
}

#[test]
fn the_rest_is_freed_only_when_all_spends_have_come_and_match() {
    let mut open = grant(100, GrantMode::Strict);
    assert_eq!(
        close(&mut open, &closing(2, 50), arrival(2)),
        CloseOutcome::Waiting(vec![1, 2])
    );
    assert!(!settle(&mut open, &spend(2, 2, 20, 50), arrival(2)).freed);
    assert_eq!(unsettled(&open), cny(80));
    assert!(settle(&mut open, &spend(1, 1, 30, 70), arrival(2)).freed);
    assert_eq!((open.state, unsettled(&open)), (GrantState::Closed, cny(0)));
    assert_eq!(close(&mut open, &closing(2, 50), arrival(3)), CloseOutcome::Freed);
    assert_eq!(worst_case(&open), cny(0));

    let mut other = grant(100, GrantMode::Strict);
    standing(&mut other, &spend(1, 1, 30, 70));
    assert_eq!(close(&mut other, &closing(1, 20), arrival(2)), CloseOutcome::Mismatch);
    assert_eq!(close(&mut other, &closing(1, 30), arrival(2)), CloseOutcome::Mismatch);
    assert_eq!(unsettled(&other), cny(70));
    // A closed phone spends no more.
    assert_eq!(standing(&mut other, &spend(2, 2, 10, 60)), SpendStanding::Refused);
}

#[test]
fn a_lease_is_freed_after_its_grace_and_a_strict_grant_never_by_time() {
    let mut lease = grant(100, GrantMode::Lease);
    assert!(!expire(&mut lease, 12, at(35)));
    assert_eq!(
        settle(&mut lease, &spend(1, 1, 30, 70), arrival(35)).standing,
        SpendStanding::Settled
    );
    assert!(expire(&mut lease, 12, at(36)));
    let late = settle(&mut lease, &spend(2, 2, 20, 50), arrival(37));
    assert_eq!((late.standing, unsettled(&lease)), (SpendStanding::Late, cny(0)));
    assert_eq!(worst_case(&lease), cny(70));
    assert_eq!(lease.settled.len(), 2);

    let mut strict = grant(100, GrantMode::Strict);
    assert!(!expire(&mut strict, 12, at(10_000)));
    assert_eq!(unsettled(&strict), cny(100));
}

#[test]
fn two_different_people_write_off_and_give_a_reason() {
    let mut grant = grant(100, GrantMode::Strict);
    assert_eq!(write_off(&mut grant, ANN, " "), Err(NotFreed::NoReason));
    assert_eq!(write_off(&mut grant, ANN, "the phone is lost"), Ok(false));
    assert_eq!(
        write_off(&mut grant, ANN, "the phone is lost"),
        Err(NotFreed::SamePerson)
    );
    assert_eq!(unsettled(&grant), cny(100));
    assert_eq!(write_off(&mut grant, BOB, "agreed"), Ok(true));
    assert_eq!((unsettled(&grant), worst_case(&grant)), (cny(0), cny(100)));
    assert_eq!(write_off(&mut grant, BOB, "again"), Err(NotFreed::AlreadyFreed));
    assert_eq!(standing(&mut grant, &spend(1, 1, 30, 70)), SpendStanding::Late);
}

#[test]
fn what_a_lost_phone_sends_goes_to_review_and_frees_nothing() {
    let mut grant = grant(100, GrantMode::Strict);
    let lost = Arrival {
        at: at(3),
        revoked: true,
    };
    assert!(recall(&mut grant, "the phone is lost"));
    assert_eq!(
        settle(&mut grant, &spend(1, 1, 30, 70), lost).standing,
        SpendStanding::Late
    );
    assert_eq!(close(&mut grant, &closing(1, 30), lost), CloseOutcome::Ignored);
    assert_eq!(unsettled(&grant), cny(100));
}

#[test]
fn after_a_cut_the_largest_reserves_are_asked_back_first() {
    let of = |id: u8, amount| {
        let mut grant = grant(amount, GrantMode::Lease);
        grant.terms.id = GrantId::from_bytes([id; 16]);
        grant
    };
    let mut grants = [of(1, 100), of(2, 300), of(3, 200), of(4, 50)];
    let cut = |excess: i64| position(CreditLimit::Limited(cny(1_000 - excess)), 350, 650);
    let ids = |numbers: &[u8]| {
        numbers
            .iter()
            .map(|it| GrantId::from_bytes([*it; 16]))
            .collect::<Vec<_>>()
    };
    assert_eq!(recalls(&grants, &cut(0)).unwrap(), ids(&[]));
    assert_eq!(recalls(&grants, &cut(400)).unwrap(), ids(&[2, 3]));
    grants[1].state = GrantState::Recalled;
    assert_eq!(recalls(&grants, &cut(400)).unwrap(), ids(&[3]));
    assert_eq!(recalls(&grants, &cut(900)).unwrap(), ids(&[3, 1, 4]));
}

#[test]
fn a_phone_spends_without_gaps_and_never_more_than_was_reserved() {
    let mut phone = DeviceGrant::new(terms(100, GrantMode::Lease));
    let ask = |amount| SpendRequest {
        order: DocumentId::from_bytes([1; 16]),
        customer: CUSTOMER,
        amount: cny(amount),
        on_hold: false,
    };
    let first = phone.spend(&ask(30), Ok(at(1))).unwrap();
    assert_eq!((first.seq, first.remaining), (1, cny(70)));
    assert_eq!(phone.spend(&ask(71), Ok(at(1))), Err(SpendRefusal::TooSmall(cny(70))));
    assert_eq!(phone.spend(&ask(0), Ok(at(1))), Err(SpendRefusal::NoAmount));
    assert_eq!(phone.spend(&ask(1), Ok(at(24))), Err(SpendRefusal::Expired(at(24))));
    let frozen = phone.spend(&ask(1), Err(ClockFreeze::SetBack));
    assert_eq!(frozen, Err(SpendRefusal::Clock(ClockFreeze::SetBack)));
    let held = SpendRequest {
        on_hold: true,
        ..ask(1)
    };
    assert_eq!(phone.spend(&held, Ok(at(1))), Err(SpendRefusal::OnHold));
    let customer = CustomerId::from_bytes([9; 16]);
    let other = SpendRequest { customer, ..ask(1) };
    assert_eq!(phone.spend(&other, Ok(at(1))), Err(SpendRefusal::Customer));
    let amount = Money::new(Decimal::ONE, Currency::USD);
    let dollars = SpendRequest { amount, ..ask(1) };
    assert_eq!(phone.spend(&dollars, Ok(at(1))), Err(SpendRefusal::Currency(cny(70))));
    let second = phone.spend(&ask(70), Ok(at(23))).unwrap();
    assert_eq!((second.seq, second.remaining), (2, cny(0)));
    let word = phone.close();
    assert_eq!((word.final_seq, word.total), (2, cny(100)));
    assert_eq!(phone.close(), word);
    assert_eq!(phone.spend(&ask(1), Ok(at(1))), Err(SpendRefusal::Closed));
    let mut recalled = DeviceGrant::new(terms(100, GrantMode::Lease));
    recalled.recalled = true;
    assert_eq!(recalled.spend(&ask(1), Ok(at(1))), Err(SpendRefusal::Recalled));
    assert_eq!(recalled.close().final_seq, 0);
}

#[test]
fn a_phone_counts_on_from_the_servers_time_until_its_clock_is_touched() {
    let reading = |wall, monotonic: u64, run| ClockReading {
        wall: at(wall),
        monotonic_millis: monotonic * HOUR.unsigned_abs(),
        run,
    };
    // The wall clock is three years off; that changes nothing.
    let synced = DeviceClock::synced(at(100), reading(26_380, 7, 1));
    let mut clock = synced.clone();
    assert_eq!(clock.read(reading(26_382, 9, 1)), Ok(at(102)));
    // Set forward: only the monotonic clock counts. Set back to where it was: frozen for good.
    assert_eq!(clock.read(reading(30_000, 10, 1)), Ok(at(103)));
    assert_eq!(clock.read(reading(26_383, 10, 1)), Err(ClockFreeze::SetBack));
    assert_eq!(clock.read(reading(30_001, 11, 1)), Err(ClockFreeze::SetBack));
    let mut back = synced.clone();
    assert_eq!(back.read(reading(26_381, 9, 1)), Err(ClockFreeze::SetBack));
    let mut restarted = synced.clone();
    assert_eq!(restarted.read(reading(26_381, 8, 2)), Err(ClockFreeze::Restarted));
    assert_eq!(restarted.read(reading(26_382, 9, 1)), Err(ClockFreeze::Restarted));
    let mut reset = synced;
    assert_eq!(reset.read(reading(26_381, 1, 1)), Err(ClockFreeze::Restarted));
}
