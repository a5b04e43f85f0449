#![allow(clippy::unwrap_used)]
use proptest::prelude::*;

use super::{
    super::books::{
        open_items,
        tests::{CUSTOMER, cny, day, dec, invoice, note, pays, receipt},
        unallocated,
    },
    *,
};
use crate::model::{Charge, ChargeKind, Dispute, Instalment, Invoice};

fn books<'b>(invoices: &'b [Invoice], receipts: &'b [Receipt], notes: &'b [CreditNote]) -> CustomerBooks<'b> {
    CustomerBooks {
        invoices,
        receipts,
        credit_notes: notes,
    }
}

const ON: &str = "2026-03-20";

/// What a receipt pays, as `invoice/instalment amount`, and what is left.
fn allocated(invoices: &[Invoice], receipt: &Receipt, policy: &Policy) -> (Vec<String>, Decimal) {
    let receipts = [receipt.clone()];
    let it = propose_receipt(&books(invoices, &receipts, &[]), receipt, day(ON), policy).unwrap();
    (said(&it), it.left)
}

fn said(it: &Proposal) -> Vec<String> {
    let text = |it: &Allocation| {
        format!(
            "{}/{} {:?} {} {:?}",
            it.invoice_number, it.instalment, it.part, it.amount, it.basis
        )
    };
    it.allocations.iter().map(text).collect()
}

fn three() -> Vec<Invoice> {
    let mut named = invoice("0012", "2026-03-31", "50");
    named.order_number = Some("SO-7".into());
    vec![
        named,
        invoice("12", "2026-03-10", "70"),
        invoice("3", "2026-03-05", "100"),
    ]
}

#[test]
fn without_a_word_what_was_due_first_is_paid_first_and_the_rest_stays() {
    let policy = Policy::default();
    let (paid, left) = allocated(&three(), &receipt("R1", ON, "120"), &policy);
    assert_eq!(paid, ["3/1 Principal 100 OldestDue", "12/1 Principal 20 OldestDue"]);
    assert_eq!(left, Decimal::ZERO);
    let (paid, left) = allocated(&three(), &receipt("R1", ON, "300"), &policy);
    assert_eq!(paid.len(), 3);
    assert_eq!(left, dec("80"), "an overpayment stays unallocated");
}

#[test]
fn a_single_item_of_exactly_that_amount_is_meant() {
    let (paid, _) = allocated(&three(), &receipt("R1", ON, "70"), &Policy::default());
    assert_eq!(paid, ["12/1 Principal 70 ExactAmount"]);
    let mut two = three();
    two.push(invoice("4", "2026-03-01", "70"));
    let (paid, _) = allocated(&two, &receipt("R1", ON, "70"), &Policy::default());
    assert_eq!(paid, ["4/1 Principal 70 OldestDue"], "two fit: the older one");
}

#[test]
fn a_reference_names_invoices_and_orders_and_leading_zeros_matter() {
    let policy = Policy::default();
    let named = |text: &str, amount: &str| {
        let mut it = receipt("R1", ON, amount);
        it.pays = Some(text.into());
        allocated(&three(), &it, &policy).0
    };
    assert_eq!(named(" 12 ", "20"), ["12/1 Principal 20 Reference"]);
    assert_eq!(named("0012", "20"), ["0012/1 Principal 20 Reference"]);
    assert_eq!(named("SO-7", "20"), ["0012/1 Principal 20 Reference"]);
    assert_eq!(named("012", "20"), ["3/1 Principal 20 OldestDue"], "names nothing here");
    assert_eq!(
        named("货款 0012、12", "100"),
        ["12/1 Principal 70 Reference", "0012/1 Principal 30 Reference"]
    );
    assert_eq!(
        named("SO-7", "60"),
        ["0012/1 Principal 50 Reference", "3/1 Principal 10 OldestDue"]
    );
}

#[test]
fn the_customers_instructions_come_before_everything_else() {
    let mut it = receipt("R1", ON, "70");
    it.pays = Some("12".into());
    let instruction = |number: &str, amount: Option<&str>| PaymentInstruction {
        invoice_number: number.into(),
        instalment: None,
        amount: amount.map(dec),
    };
    it.instructions = vec![instruction("0012", Some("30")), instruction("3", Some("15"))];
    let (paid, left) = allocated(&three(), &it, &Policy::default());
    assert_eq!(
        paid,
        [
            "0012/1 Principal 30 Instruction",
            "3/1 Principal 15 Instruction",
            "12/1 Principal 25 Reference"
        ]
    );
    assert_eq!(left, Decimal::ZERO);
}

#[test]
fn an_instruction_may_name_an_instalment() {
    let mut it = invoice("1", "2026-03-31", "100");
    it.instalments = vec![
        Instalment::new(1, dec("90"), Some(day("2026-03-01"))),
        Instalment::new(2, dec("10"), None),
    ];
    let mut paid = receipt("R1", ON, "15");
    paid.instructions = vec![PaymentInstruction {
        invoice_number: "1".into(),
        instalment: Some(2),
        amount: None,
    }];
    let (paid, _) = allocated(&[it], &paid, &Policy::default());
    assert_eq!(paid, ["1/2 Principal 10 Instruction", "1/1 Principal 5 OldestDue"]);
}

#[test]
fn a_disputed_item_is_paid_only_when_it_is_named() {
    let mut it = invoice("1", "2026-03-01", "100");
    it.instalments = vec![Instalment::new(1, dec("100"), Some(day("2026-03-01")))];
    it.instalments[0].disputes = vec![Dispute {
        opened_on: day("2026-03-05"),
        settled_on: None,
        reason: "damaged".into(),
    }];
    let invoices = [it];
    let mut paid = receipt("R1", ON, "100");
    assert_eq!(allocated(&invoices, &paid, &Policy::default()), (vec![], dec("100")));
    paid.pays = Some("1".into());
    assert_eq!(
        allocated(&invoices, &paid, &Policy::default()).0,
        ["1/1 Principal 100 Reference"]
    );
}

fn charged() -> Invoice {
    let mut it = invoice("1", "2026-03-01", "100");
    let mut part = Instalment::new(1, dec("100"), Some(day("2026-03-01")));
    let charge = |kind, amount, on| Charge {
        kind,
        amount: dec(amount),
        posted_on: day(on),
        reason: String::new(),
    };
    part.charges = vec![
        charge(ChargeKind::Interest, "5", "2026-03-10"),
        charge(ChargeKind::Cost, "2", "2026-03-11"),
        charge(ChargeKind::Interest, "9", "2026-04-01"),
    ];
    it.instalments = vec![part];
    it
}

#[test]
fn within_an_item_costs_then_interest_then_principal_or_principal_first() {
    let mut policy = Policy::default();
    let paid = |policy: &Policy, amount: &str| allocated(&[charged()], &receipt("R1", ON, amount), policy);
    assert_eq!(
        paid(&policy, "10").0,
        [
            "1/1 Cost 2 OldestDue",
            "1/1 Interest 5 OldestDue",
            "1/1 Principal 3 OldestDue"
        ]
    );
    policy.interest.order = InterestOrder::PrincipalFirst;
    let (parts, left) = paid(&policy, "108");
    assert_eq!(
        parts,
        [
            "1/1 Principal 100 OldestDue",
            "1/1 Cost 2 OldestDue",
            "1/1 Interest 5 OldestDue"
        ]
    );
    assert_eq!(left, dec("1"), "interest charged later is not owed yet");
}

#[test]
fn another_currency_is_paid_when_named_at_the_rate_of_the_day_and_says_what_it_took() {
    let mut dollars = receipt("R1", ON, "20.00");
    dollars.amount.currency = Currency::USD;
    let invoices = [invoice("1", "2026-03-01", "100.00")];
    let mut policy = Policy::default();
    let run = |receipt: &Receipt, policy: &Policy| {
        let receipts = [receipt.clone()];
        propose_receipt(&books(&invoices, &receipts, &[]), receipt, day(ON), policy).unwrap()
    };
    policy.rates = vec![CreditRate {
        from: Currency::USD,
        to: Currency::CNY,
        on: day("2026-03-01"),
        rate: dec("7.03"),
    }];
    assert_eq!(run(&dollars, &policy).left, dec("20.00"), "not named");
    dollars.pays = Some("1".into());
    let paid = run(&dollars, &policy);
    assert_eq!(
        (paid.allocations[0].amount, paid.allocations[0].taken),
        (dec("100.00"), Some(dec("14.22")))
    );
    assert_eq!(paid.left, dec("5.78"));
    policy.rates[0].on = day("2026-03-21");
    let none = run(&dollars, &policy);
    assert!(none.allocations.is_empty());
    assert_eq!(none.without_rate, BTreeSet::from(["1".to_owned()]));
    policy.rates[0].on = day("2026-03-01");
    dollars.amount.amount = dec("10.01");
    let part = run(&dollars, &policy);
    assert_eq!(
        (part.allocations[0].amount, part.allocations[0].taken),
        (dec("70.37"), Some(dec("10.01")))
    );
}

#[test]
fn what_is_worth_less_than_a_minor_unit_pays_nothing() {
    let (jpy, kwd): (Currency, Currency) = ("JPY".parse().unwrap(), "KWD".parse().unwrap());
    // 0.001 KWD is half a yen.
    assert_eq!(pay_part(dec("0.001"), kwd, (jpy, dec("5")), dec("0.0021")), None);
    assert_eq!(pay_part(dec("5"), jpy, (kwd, dec("0.001")), dec("476")), None);
    assert_eq!(
        pay_part(dec("5"), jpy, (kwd, dec("0.002")), dec("476")),
        Some((dec("1"), dec("0.002")))
    );
}

#[test]
fn a_credit_note_pays_the_invoice_it_corrects_and_what_is_larger_stays_a_credit() {
    let invoices = [invoice("1", "2026-03-31", "40"), invoice("2", "2026-03-01", "100")];
    let mut correction = note("C1", "2026-03-10", "60");
    correction.invoice_number = Some("1".into());
    let notes = [correction];
    let it = propose_credit_note(&books(&invoices, &[], &notes), &notes[0], day(ON), &Policy::default()).unwrap();
    assert_eq!(said(&it), ["1/1 Principal 40 Correction"]);
    assert_eq!(it.left, dec("20"));
    let notes = [note("C2", "2026-03-10", "60")];
    let it = propose_credit_note(&books(&invoices, &[], &notes), &notes[0], day(ON), &Policy::default()).unwrap();
    assert_eq!(said(&it), ["2/1 Principal 60 OldestDue"]);
}

#[test]
fn money_that_is_not_certain_is_not_allocated() {
    let mut cheque = receipt("R1", "2026-03-19", "100");
    cheque.cleared_on = Some(day("2026-03-21"));
    let run = |it: &Receipt| {
        let receipts = [it.clone()];
        propose_receipt(&books(&[], &receipts, &[]), it, day(ON), &Policy::default()).map(|it| it.left)
    };
    assert_eq!(run(&cheque), Err(AllocationError::NotCleared("R1".into())));
    cheque.cleared_on = Some(day(ON));
    assert_eq!(run(&cheque), Ok(dec("100")));
    cheque.bounced_on = Some(day(ON));
    assert_eq!(run(&cheque), Err(AllocationError::NotCleared("R1".into())));
}

#[test]
fn what_is_posted_for_a_later_day_is_not_paid_twice() {
    let mut first = receipt("R1", "2026-03-10", "100");
    first.allocations = vec![pays("3", "100", "2026-04-01")];
    let receipts = [first, receipt("R2", ON, "100")];
    let invoices = three();
    let books = books(&invoices, &receipts, &[]);
    let again = propose_receipt(&books, &receipts[0], day(ON), &Policy::default()).unwrap();
    assert_eq!(again, Proposal::default());
    let other = propose_receipt(&books, &receipts[1], day(ON), &Policy::default()).unwrap();
    assert_eq!(
        said(&other),
        ["12/1 Principal 70 OldestDue", "0012/1 Principal 30 OldestDue"]
    );
}

#[test]
fn a_reversal_has_a_day_and_a_reason_and_happens_once() {
    let mut it = pays("1", "100", "2026-03-10");
    let field = |it: &mut Allocation, on: &str, why: &str| reverse(it, day(on), why).unwrap_err().field;
    assert_eq!(field(&mut it, "2026-03-09", "wrong invoice"), "reversed_on");
    assert_eq!(field(&mut it, "2026-03-12", "  "), "reversal_reason");
    assert_eq!(it, pays("1", "100", "2026-03-10"), "nothing was changed");
    reverse(&mut it, day("2026-03-12"), "wrong invoice").unwrap();
    assert!(it.counts_on(day("2026-03-11")) && !it.counts_on(day("2026-03-12")));
    assert_eq!(field(&mut it, "2026-03-13", "again"), "reversed_on");
}

#[test]
fn a_bounced_cheque_reverses_everything_it_paid() {
    let mut it = receipt("R1", "2026-03-10", "100");
    let mut earlier = pays("2", "5", "2026-03-10");
    reverse(&mut earlier, day("2026-03-11"), "wrong invoice").unwrap();
    it.allocations = vec![
        earlier.clone(),
        pays("1", "60", "2026-03-10"),
        pays("3", "40", "2026-03-25"),
    ];
    let before = it.clone();
    assert_eq!(
        bounce(&mut it, day("2026-03-09"), "no funds").unwrap_err().field,
        "bounced_on"
    );
    assert_eq!(bounce(&mut it, day(ON), "").unwrap_err().field, "reversal_reason");
    assert_eq!(it, before, "nothing was changed");
    bounce(&mut it, day(ON), "no funds").unwrap();
    assert_eq!(it.allocations[0], earlier);
    assert_eq!(it.allocations[1].reversed_on, Some(day(ON)));
    assert!(
        it.allocations
            .iter()
            .all(|it| !it.counts_on(day(ON)) && !it.counts_on(day("2026-03-30")))
    );
    it.validate().unwrap();
    assert_eq!(
        bounce(&mut it, day("2026-03-22"), "again").unwrap_err().field,
        "bounced_on"
    );
}

/// Allocates every receipt and credit note in turn, as the server does, and gives the records back.
fn all_in_turn(invoices: &[Invoice], mut receipts: Vec<Receipt>, policy: &Policy) -> Vec<Receipt> {
    receipts.sort_by(|a, b| (a.valued_on, &a.reference).cmp(&(b.valued_on, &b.reference)));
    for index in 0..receipts.len() {
        let it = propose_receipt(&books(invoices, &receipts, &[]), &receipts[index], day(ON), policy).unwrap();
        receipts[index].allocations.extend(it.allocations);
    }
    receipts
}

proptest! {
    #[test]
    fn nothing_is_paid_twice_and_the_order_of_entering_makes_no_difference(
        invoices in proptest::collection::vec((1i64..9_000, 1u64..60, 0i64..300), 1..8),
        receipts in proptest::collection::vec((1i64..12_000, proptest::option::of(0usize..8), 0u64..20), 1..6),
        turn in 0usize..8,
        principal_first in any::<bool>(),
    ) {
        let cents = |it: i64| Decimal::new(it, 2);
        let invoices: Vec<_> = invoices
            .iter()
            .enumerate()
            .map(|(index, (amount, back, interest))| {
                let due = day(ON) - chrono::Days::new(*back);
                let mut it = invoice(&index.to_string(), &due.to_string(), &cents(*amount).to_string());
                let mut part = Instalment::new(1, cents(*amount), Some(due));
                if *interest > 0 {
                    part.charges = vec![Charge {
                        kind: ChargeKind::Interest,
                        amount: cents(*interest),
                        posted_on: day(ON),
                        reason: String::new(),
                    }];
                }
                it.instalments = vec![part];
                it
            })
            .collect();
        let receipts: Vec<_> = receipts
            .iter()
            .enumerate()
            .map(|(index, (amount, named, back))| {
                let on = day(ON) - chrono::Days::new(*back);
                let mut it = Receipt::cleared(format!("R{index}"), CUSTOMER, on, cny(&cents(*amount).to_string()));
                it.pays = named.map(|it| it.to_string());
                it
            })
            .collect();
        let mut policy = Policy::default();
        if principal_first {
            policy.interest.order = InterestOrder::PrincipalFirst;
        }
        let owed: Decimal = open_items(&books(&invoices, &[], &[]), day(ON)).unwrap().iter().map(OpenItem::open).sum();
        let paid = all_in_turn(&invoices, receipts.clone(), &policy);
        // The books check that no item and no receipt is exceeded.
        let after = books(&invoices, &paid, &[]);
        let open: Decimal = open_items(&after, day(ON)).unwrap().iter().map(OpenItem::open).sum();
        let left: Decimal = unallocated(&after, day(ON)).unwrap().iter().map(|it| it.amount).sum();
        let came: Decimal = receipts.iter().map(|it| it.amount.amount).sum();
        prop_assert_eq!(owed - open, came - left);
        prop_assert!(open.is_zero() || left.is_zero(), "money is left while something is open");
        for it in &paid {
            prop_assert!(it.validate().is_ok());
        }

        let (mut other_invoices, mut other_receipts) = (invoices.clone(), receipts);
        other_invoices.rotate_left(turn % invoices.len());
        other_receipts.reverse();
        prop_assert_eq!(all_in_turn(&other_invoices, other_receipts, &policy), paid);
    }
}

#[test]
fn by_hand_only_what_is_named_is_paid_and_nothing_is_guessed() {
    let invoices = three();
    let money = [receipt("R1", ON, "120")];
    let credit = [note("C1", ON, "60")];
    let books = books(&invoices, &money, &credit);
    let named = |number: &str, amount: Option<&str>| PaymentInstruction {
        invoice_number: number.into(),
        instalment: None,
        amount: amount.map(dec),
    };
    let wanted = [named("12", Some("30")), named("0012", None), named("nobody's", None)];
    let it = receipt_by_hand(&books, &money[0], &wanted, day(ON), &Policy::default()).unwrap();
    assert_eq!(said(&it), ["12/1 Principal 30 Manual", "0012/1 Principal 50 Manual"]);
    assert_eq!(it.left, dec("40"), "invoice 3 is older and still nobody named it");
    let it = credit_note_by_hand(&books, &credit[0], &wanted[1..], day(ON), &Policy::default()).unwrap();
    assert_eq!(said(&it), ["0012/1 Principal 50 Manual"]);
    assert_eq!(it.left, dec("10"));
}
