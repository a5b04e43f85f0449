#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;
use crate::{
    model::{CountedDelivery, CreditInputs, CreditLimit, Currency, CustomerId, GrantId, OrderState, ProductId},
    rules::credit::check,
};

const BOSS: UserId = UserId::from_bytes([9; 16]);

fn line_id(no: u8) -> LineId {
    LineId::from_bytes([no; 16])
}
fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}
fn cny(amount: i64) -> Money {
    Money::new(amount.into(), Currency::CNY)
}
fn act(reason: &str) -> Act<'_> {
    Act {
        by: BOSS,
        roles: &[Role::Supervisor],
        at: at(5),
        reason,
    }
}
/// A check of `amount` against a limit of 100 of which nothing is used, as the server makes it.
fn checked(amount: Money) -> CreditDecision {
    let mut inputs = CreditInputs::unknown(amount);
    inputs.limit = Some(CreditLimit::Limited(cny(100)));
    inputs.guarantee = crate::model::Guarantee::Online;
    check(inputs)
}
/// Ten at 2 and five at 4, less a quarter: 35 in all.
fn typed() -> Order {
    let (customer, rep) = (CustomerId::from_bytes([1; 16]), UserId::from_bytes([2; 16]));
    let mut order = Order::new(customer, rep, "M1", at(0), Currency::CNY);
    let line = |quantity: i64, price: i64, discount: &str| OrderLine {
        product: ProductId::from_bytes([3; 16]),
        quantity: quantity.into(),
        unit_price: price.into(),
        discount: discount.parse().unwrap(),
    };
    order.lines.insert(line_id(1), line(10, 2, "0"));
    order.lines.insert(line_id(2), line(5, 4, "0.25"));
    order.state = OrderState::Submitted;
    order
}
fn came_in(check: CreditDecision) -> OrderDecision {
    decide(DocumentId::from_bytes([1; 16]), &typed(), check, None, at(1))
}
fn quantity(line: u8, count: i64) -> BTreeMap<LineId, Decimal> {
    BTreeMap::from([(line_id(line), count.into())])
}
fn note(number: &str) -> DocumentId {
    let mut bytes = [0xd0; 16];
    bytes[..number.len()].copy_from_slice(number.as_bytes());
    DocumentId::from_bytes(bytes)
}
fn signed(number: &str, quantities: BTreeMap<LineId, Decimal>) -> CountedDelivery {
    CountedDelivery {
        number: number.to_owned(),
        signed_on: "2026-03-02".parse().unwrap(),
        quantities,
    }
}
fn changed(order: &OrderDecision, line: u8, ordered: i64) -> BTreeMap<LineId, OrderDecisionLine> {
    let mut lines = order.lines.clone();
    lines.get_mut(&line_id(line)).unwrap().ordered = ordered.into();
    lines
}
fn counts(order: &OrderDecision) -> (Money, Money) {
    exposure::counted(order).unwrap()
}

#[test]
fn the_servers_check_decides_and_an_allowance_goes_before_it() {
    let good = came_in(checked(cny(35)));
    assert_eq!(
        (good.standing, counts(&good)),
        (OrderStanding::Approved, (cny(35), cny(0)))
    );
    let over = || checked(cny(101));
    assert_eq!(came_in(over()).standing, OrderStanding::Held);
    assert_eq!(counts(&came_in(over())), (cny(0), cny(0)));
    let reference = SpendReference {
        grant: GrantId::from_bytes([1; 16]),
        seq: 1,
    };
    let with = |check, standing| {
        let id = DocumentId::from_bytes([1; 16]);
        decide(id, &typed(), check, Some((reference, standing)), at(1)).standing
    };
    assert_eq!(with(over(), SpendStanding::Settled), OrderStanding::Approved);
    for review in [SpendStanding::Late, SpendStanding::Conflict, SpendStanding::Refused] {
        assert_eq!(with(checked(cny(1)), review), OrderStanding::Held);
    }
    // What a phone thinks it knows is no guarantee.
    let mut provisional = checked(cny(1));
    provisional.verdict = CreditVerdict::Provisional;
    assert_eq!(came_in(provisional).standing, OrderStanding::Held);
}

#[test]
fn a_phones_verdict_that_does_not_follow_is_written_down() {
    let mut order = typed();
    let mut said = checked(cny(101));
    said.verdict = CreditVerdict::Approved;
    order.credit = Some(said);
    let decision = decide(DocumentId::from_bytes([1; 16]), &order, checked(cny(35)), None, at(1));
    assert!(matches!(
        decision.events[0].what,
        OrderEventKind::Diverged {
            claimed: CreditVerdict::Approved,
            recomputed: CreditVerdict::Held
        }
    ));
}

#[test]
fn releasing_and_refusing_need_a_reason_and_somebody_who_may() {
    let held = came_in(checked(cny(101)));
    let mut order = held.clone();
    assert_eq!(release(&mut order, act(" ")), Err(OrderError::NoReason));
    let rep = Act {
        roles: &[Role::Rep, Role::Finance],
        ..act("please")
    };
    assert_eq!(release(&mut order, rep), Err(OrderError::NotAllowed));
    assert_eq!(order, held);
    release(&mut order, act("the cheque has cleared")).unwrap();
    assert_eq!((order.standing, counts(&order).0), (OrderStanding::Released, cny(35)));
    assert_eq!(order.events.last().unwrap().by, Some(BOSS));
    let mut other = held;
    refuse(&mut other, act("still late")).unwrap();
    assert_eq!(
        release(&mut other, act("x")),
        Err(OrderError::Standing(OrderStanding::Refused))
    );
}

#[test]
fn what_shrinks_is_free_at_once_and_what_grows_is_checked() {
    let mut order = came_in(checked(cny(35)));
    let less = changed(&order, 1, 4);
    assert_eq!(growth(&order, &less).unwrap(), cny(0));
    amend(&mut order, &less, None, act("")).unwrap();
    assert_eq!((order.standing, counts(&order).0), (OrderStanding::Approved, cny(23)));
    let more = changed(&order, 1, 10);
    assert_eq!(
        amend(&mut order, &more, None, act("")),
        Err(OrderError::NeedsCheck(cny(12)))
    );
    assert_eq!(counts(&order).0, cny(23));
    amend(&mut order, &more, Some(checked(cny(101))), act("")).unwrap();
    assert_eq!((order.standing, counts(&order).0), (OrderStanding::Held, cny(0)));
    // A held order asks for everything, and one that shrinks without a check stays held.
    assert_eq!(growth(&order, &less).unwrap(), cny(23));
    amend(&mut order, &less, None, act("")).unwrap();
    assert_eq!(order.standing, OrderStanding::Held);
    amend(&mut order, &less, Some(checked(cny(23))), act("")).unwrap();
    assert_eq!(order.standing, OrderStanding::Approved);
    // A release is no licence to grow.
    let mut released = came_in(checked(cny(101)));
    release(&mut released, act("known for years")).unwrap();
    amend(&mut released, &less, None, act("")).unwrap();
    assert_eq!(released.standing, OrderStanding::Released);
    let more = changed(&released, 1, 10);
    amend(&mut released, &more, Some(checked(cny(101))), act("")).unwrap();
    assert_eq!(released.standing, OrderStanding::Held);
}

#[test]
fn delivered_goods_keep_their_price_and_count_though_their_line_is_taken_out() {
    let mut order = came_in(checked(cny(35)));
    assert!(delivered(&mut order, note("D1"), signed("D1", quantity(1, 4)), at(2)).unwrap());
    let mut dearer = order.lines.clone();
    dearer.get_mut(&line_id(1)).unwrap().unit_price = 1.into();
    let fixed = amend(&mut order, &dearer, None, act(""));
    assert_eq!(fixed, Err(OrderError::LineFixed(line_id(1))));
    amend(&mut order, &BTreeMap::new(), None, act("")).unwrap();
    assert_eq!(counts(&order), (cny(0), cny(8)));
}

#[test]
fn closing_and_opening_again_never_gets_around_a_check() {
    let mut order = came_in(checked(cny(101)));
    release(&mut order, act("once")).unwrap();
    delivered(&mut order, note("D1"), signed("D1", quantity(1, 4)), at(2)).unwrap();
    close(&mut order, act("the rest is not wanted")).unwrap();
    assert_eq!(counts(&order), (cny(0), cny(8)));
    assert_eq!(reopening(&order).unwrap(), cny(27));
    reopen(&mut order, checked(cny(101)), act("wanted after all")).unwrap();
    assert_eq!(
        (order.standing, counts(&order)),
        (OrderStanding::Held, (cny(0), cny(8)))
    );
    cancel(&mut order, act("")).unwrap();
    let closed = amend(&mut order, &BTreeMap::new(), None, act(""));
    assert_eq!(closed, Err(OrderError::Standing(OrderStanding::Cancelled)));
    assert_eq!(
        reopen(&mut order, checked(cny(1)), act("")),
        Err(OrderError::Standing(OrderStanding::Cancelled))
    );
    assert_eq!(counts(&order), (cny(0), cny(8)));
}

#[test]
fn a_delivery_and_an_invoice_count_once() {
    let mut order = came_in(checked(cny(35)));
    assert!(delivered(&mut order, note("D1"), signed("D1", quantity(1, 4)), at(2)).unwrap());
    assert!(!delivered(&mut order, note("D1"), signed("D1", quantity(1, 4)), at(3)).unwrap());
    assert!(invoiced(&mut order, "D1", &quantity(1, 3), at(3)).unwrap());
    assert!(!invoiced(&mut order, "D1", &quantity(1, 3), at(3)).unwrap());
    assert_eq!(counts(&order), (cny(27), cny(2)));
    assert!(delivered(&mut order, note("D2"), signed("D2", quantity(1, 9)), at(4)).unwrap());
    assert_eq!(counts(&order), (cny(15), cny(20)));
    let unknown = delivered(&mut order, note("D3"), signed("D3", quantity(7, 1)), at(4));
    assert_eq!(unknown, Err(OrderError::NoSuchLine(line_id(7))));
    assert_eq!(
        delivered(&mut order, note("D3"), signed("D3", quantity(1, -1)), at(4)),
        Err(OrderError::Quantity)
    );
    assert_eq!(order.events.len(), 4);
}

fn accepted(line: u8, product: u8, quantity: i64, list_price: Option<i64>) -> Accepted {
    Accepted {
        line: line_id(line),
        product: ProductId::from_bytes([product; 16]),
        quantity: quantity.into(),
        list_price: list_price.map(Decimal::from),
    }
}
fn day(text: &str) -> chrono::NaiveDate {
    text.parse().unwrap()
}

#[test]
fn a_delivery_that_is_signed_anew_counts_as_it_was_signed_last() {
    let mut order = came_in(checked(cny(35)));
    delivered(&mut order, note("D1"), signed("D1", quantity(1, 9)), at(2)).unwrap();
    assert_eq!(counts(&order), (cny(17), cny(18)));
    assert!(delivered(&mut order, note("D1"), signed("D1", quantity(1, 4)), at(3)).unwrap());
    assert_eq!(counts(&order), (cny(27), cny(8)));
    // Another note with the same number is another delivery.
    delivered(&mut order, note("D1 twin"), signed("D1", quantity(1, 1)), at(3)).unwrap();
    assert_eq!(counts(&order), (cny(25), cny(10)));
}

#[test]
fn products_fill_the_lines_of_the_order_in_turn_and_what_is_more_goes_on_the_last() {
    let mut order = came_in(checked(cny(35)));
    let sign = |order: &mut OrderDecision, quantity| {
        let what = [accepted(1, 3, quantity, Some(100))];
        signed_for(order, note("D1"), ("D1", day("2026-03-02")), &what, at(2)).unwrap()
    };
    assert_eq!(sign(&mut order, 12), Some(Vec::new()));
    let of = |order: &OrderDecision, line| order.lines[&line_id(line)].delivered;
    assert_eq!((of(&order, 1), of(&order, 2)), (10.into(), 2.into()));
    assert_eq!(sign(&mut order, 20), Some(Vec::new()));
    assert_eq!((of(&order, 1), of(&order, 2)), (10.into(), 10.into()));
    assert_eq!(sign(&mut order, 20), None, "nothing new");
    assert_eq!(counts(&order), (cny(0), cny(50)));
    assert_eq!(sign(&mut order, 0), Some(Vec::new()));
    assert_eq!(counts(&order), (cny(35), cny(0)));
}

#[test]
fn goods_that_nobody_ordered_count_at_their_list_price_and_are_named_when_there_is_none() {
    let mut order = came_in(checked(cny(35)));
    let what = [accepted(7, 8, 2, Some(6)), accepted(8, 9, 1, None)];
    let unpriced = signed_for(&mut order, note("D1"), ("D1", day("2026-03-02")), &what, at(2)).unwrap();
    assert_eq!(unpriced, Some(vec![ProductId::from_bytes([9; 16])]));
    assert_eq!(counts(&order), (cny(35), cny(12)));
    // The order's own lines are still those that the rep typed.
    assert!(order.lines[&line_id(7)].ordered.is_zero());
}

#[test]
fn an_order_is_covered_on_the_day_on_which_the_last_of_what_is_wanted_was_signed_for() {
    let mut order = came_in(checked(cny(35)));
    assert_eq!(covered_on(&order, &quantity(1, 4)), None);
    for (number, on, line, count) in [("D2", "2026-03-09", 1, 6), ("D1", "2026-03-02", 1, 4)] {
        let delivery = CountedDelivery {
            signed_on: day(on),
            ..signed(number, quantity(line, count))
        };
        delivered(&mut order, note(number), delivery, at(2)).unwrap();
    }
    assert_eq!(covered_on(&order, &quantity(1, 4)), Some(day("2026-03-02")));
    assert_eq!(covered_on(&order, &quantity(1, 5)), Some(day("2026-03-09")));
    assert_eq!(covered_on(&order, &BTreeMap::new()), None, "line 2 is not delivered");
    close(&mut order, act("")).unwrap();
    assert_eq!(covered_on(&order, &BTreeMap::new()), Some(day("2026-03-09")));
}

#[test]
fn a_spend_in_conflict_takes_the_approval_back() {
    let mut order = came_in(checked(cny(35)));
    assert!(hold(&mut order, at(3), "spent twice"));
    assert!(!hold(&mut order, at(3), "spent twice"));
    assert_eq!((order.standing, counts(&order).0), (OrderStanding::Held, cny(0)));
    release(&mut order, act("checked by telephone")).unwrap();
    assert!(!hold(&mut order, at(4), "spent twice"));
}

#[test]
fn a_spend_that_comes_after_its_order_still_guarantees_it() {
    let reference = SpendReference {
        grant: GrantId::from_bytes([1; 16]),
        seq: 1,
    };
    let mut order = came_in(checked(cny(101)));
    assert!(guarantee(&mut order, reference, at(2)));
    assert_eq!(
        (order.standing, order.spend),
        (OrderStanding::Approved, Some(reference))
    );
    let approved = order.clone();
    assert!(!guarantee(&mut order, reference, at(3)));
    assert_eq!(order, approved);
    // A person's word stands, whichever it was.
    let mut refused = came_in(checked(cny(101)));
    refuse(&mut refused, act("not on credit")).unwrap();
    assert!(guarantee(&mut refused, reference, at(2)));
    assert_eq!(refused.standing, OrderStanding::Refused);
    let mut released = came_in(checked(cny(101)));
    release(&mut released, act("once")).unwrap();
    assert!(guarantee(&mut released, reference, at(2)));
    assert_eq!(released.standing, OrderStanding::Released);
    let mut by_policy = came_in(checked(cny(101)));
    by_policy.standing = OrderStanding::Refused;
    assert!(guarantee(&mut by_policy, reference, at(2)));
    assert_eq!(by_policy.standing, OrderStanding::Approved);
}

proptest! {
    #[test]
    fn amounts_move_between_categories_and_events_are_only_added(
        steps in prop::collection::vec((0u8..9, 1u8..=2, 0i64..12), 0..25),
    ) {
        let mut order = came_in(checked(cny(35)));
        for (no, (what, line, count)) in steps.into_iter().enumerate() {
            let before = order.clone();
            let name = format!("N{no}");
            let check = || checked(if count % 2 == 0 { cny(1) } else { cny(101) });
            let passes = count % 2 == 0;
            let mut amended = false;
            let _ = match what {
                0 | 1 => delivered(&mut order, note(&name), signed(&name, quantity(line, count)), at(2)).map(drop),
                2 | 3 => invoiced(&mut order, &name, &quantity(line, count), at(2)).map(drop),
                4 => {
                    amended = true;
                    let lines = changed(&order, line, count);
                    amend(&mut order, &lines, Some(check()), act("x"))
                }
                5 => close(&mut order, act("x")),
                6 => reopen(&mut order, check(), act("x")),
                7 => release(&mut order, act("x")),
                _ => cancel(&mut order, act("x")),
            };
            prop_assert!(order.events.starts_with(&before.events));
            prop_assert!(order.events.len() <= before.events.len() + 1);
            let sum = |order: &OrderDecision| {
                let it = exposure::order_amounts(order).unwrap();
                it.undelivered.amount + it.uninvoiced.amount + it.invoiced.amount
            };
            // Each unit is in exactly one place: the sum is that of the largest of ordered, delivered and invoiced.
            let largest: Decimal = order
                .lines
                .values()
                .map(|it| it.unit_price * it.ordered.max(it.delivered).max(it.invoiced))
                .sum();
            prop_assert_eq!(sum(&order), largest);
            if order.lines == before.lines {
                prop_assert_eq!(sum(&order), sum(&before));
            }
            // Open orders grow only by a check that passes or a person's word.
            let grew = counts(&order).0.amount > counts(&before).0.amount;
            prop_assert!(!grew || what == 7 || (passes && (amended || what == 6)));
        }
    }
}
