//! What an invoice takes out of the order it charges.

use fieldledger_core::rules::exposure::order_amounts;
use proptest::prelude::*;

use super::{
    super::invoice::{ChargedGoods, Goods},
    *,
};

fn line(number: u8, quantity: &str) -> ChargedGoods {
    ChargedGoods {
        goods: Goods::Line(LineId::from_bytes([number; 16])),
        quantity: dec(quantity),
    }
}

fn with_order(lines: &[(&str, &str, &str)]) -> Books {
    let mut ledger = ledger();
    ledger.decisions.push(order(lines));
    Books::of(&ledger)
}

fn charging(books: &Books, number: &str, amount: &str, lines: Option<Vec<ChargedGoods>>) -> NewInvoice {
    NewInvoice {
        order_number: Some("SO-1".to_owned()),
        lines,
        ..books.invoice(number, amount)
    }
}

/// Open orders, delivered and not invoiced, receivables.
fn parts(books: &Books) -> [Decimal; 3] {
    let file = books.draft.file(books.now).unwrap();
    [file.open_orders, file.delivered_not_invoiced, file.open_receivables].map(|it| it.amount)
}

#[test]
fn goods_that_are_charged_move_to_the_receivables() {
    let mut books = with_order(&[("10", "4", "5"), ("2", "2", "30")]);
    assert_eq!(parts(&books), [dec("30"), dec("80"), dec("0")]);
    let wish = charging(&books, "1", "70", Some(vec![line(1, "2"), line(2, "2")]));
    let invoice = books.issue(wish).unwrap();
    assert_eq!(invoice.lines.len(), 2);
    assert_eq!(parts(&books), [dec("30"), dec("10"), dec("70")]);
    // The rest at once, delivered or not, when it is worth what the invoice says.
    let wish = charging(&books, "2", "40", None);
    assert_eq!(books.issue(wish).unwrap().lines[0].quantity, dec("8"));
    assert_eq!(parts(&books), [dec("0"), dec("0"), dec("110")]);
}

#[test]
fn the_days_of_the_terms_count_from_the_signature_under_the_goods_that_are_charged() {
    let mut ledger = ledger();
    let mut sold = order(&[("10", "0", "5")]);
    let id = LineId::from_bytes([1; 16]);
    let delivery = CountedDelivery {
        number: "DN-1".to_owned(),
        signed_on: day("2026-02-10"),
        quantities: BTreeMap::from([(id, dec("4"))]),
    };
    sold.deliveries.insert(DocumentId::from_bytes([0xd1; 16]), delivery);
    ledger.decisions.push(sold);
    let mut books = Books::of(&ledger);
    let wish = charging(&books, "1", "20", Some(vec![line(1, "4")]));
    let invoice = books.issue(wish).unwrap();
    assert_eq!(
        (invoice.instalments[0].due_on, invoice.due_on),
        (Some(day("2026-03-12")), day("2026-03-12"))
    );
    // What is not signed for yet is not due yet.
    let wish = charging(&books, "2", "10", Some(vec![line(1, "2")]));
    assert_eq!(books.issue(wish).unwrap().instalments[0].due_on, None);
    let told = NewInvoice {
        delivered_on: Some(day("2026-02-20")),
        ..charging(&books, "3", "5", Some(vec![line(1, "1")]))
    };
    assert_eq!(
        books.issue(told).unwrap().due_on,
        day("2026-03-22"),
        "the source knows better"
    );
}

#[test]
fn an_amount_that_is_not_that_of_the_goods_takes_nothing_by_guess() {
    let mut books = with_order(&[("10", "0", "5")]);
    let wish = charging(&books, "1", "15", None);
    let error = books.issue(wish).unwrap_err();
    assert_eq!(error.field, "lines");
    assert!(error.message.contains("CNY 50"), "{}", error.message);
    // A prepayment charges no goods, and both count.
    let wish = charging(&books, "1", "15", Some(Vec::new()));
    assert!(books.issue(wish).unwrap().lines.is_empty());
    assert_eq!(parts(&books), [dec("50"), dec("0"), dec("15")]);
    let freight = NewInvoice {
        kind: InvoiceType::Costs,
        ..charging(&books, "2", "9", None)
    };
    books.issue(freight).unwrap();
    assert_eq!(parts(&books), [dec("50"), dec("0"), dec("24")]);
}

#[test]
fn goods_are_named_by_product_too() {
    let mut ledger = ledger();
    let mut two = order(&[("3", "0", "10"), ("3", "0", "20")]);
    for line in two.lines.values_mut() {
        line.product = ProductId::from_bytes([7; 16]);
    }
    ledger.decisions.push(two);
    let mut books = Books::of(&ledger);
    let of = |product: u8, quantity: &str| ChargedGoods {
        goods: Goods::Product(ProductId::from_bytes([product; 16])),
        quantity: dec(quantity),
    };
    let wish = charging(&books, "1", "50", Some(vec![of(7, "4")]));
    let invoice = books.issue(wish).unwrap();
    let quantities: Vec<Decimal> = invoice.lines.iter().map(|it| it.quantity).collect();
    assert_eq!(quantities, [dec("3"), dec("1")]);
    for (lines, field) in [
        (vec![of(8, "1")], "lines.product"),
        (vec![of(7, "0")], "lines.quantity"),
        (vec![line(1, "-1")], "lines.quantity"),
        (vec![line(9, "1")], "lines"),
        (vec![line(1, "1000000001")], "lines.quantity"),
    ] {
        let wish = charging(&books, "2", "50", Some(lines.clone()));
        assert_eq!(books.issue(wish).unwrap_err().field, field, "{lines:?}");
    }
    let yen = NewInvoice {
        amount: money("50 JPY"),
        ..charging(&books, "2", "50", Some(vec![of(7, "1")]))
    };
    assert_eq!(books.issue(yen).unwrap_err().field, "amount.currency");
    assert_eq!(books.draft.ledger().invoices.len(), 1);
}

#[test]
fn an_invoice_that_names_an_order_of_the_books_ends_what_is_open_of_it() {
    let mut ledger = ledger();
    ledger.orders.push(LedgerOrder {
        number: "4711".to_owned(),
        customer: SHOP,
        ordered_on: day("2026-02-20"),
        wanted_by: None,
        shipped_on: Some(day("2026-02-25")),
        state: "shipped".to_owned(),
        cancelled: false,
        lines: Vec::new(),
        total: money("90"),
        note: String::new(),
    });
    let mut books = Books::of(&ledger);
    // Where the books hold no invoices, nothing is known of what was shipped and not invoiced.
    assert_eq!(parts(&books), [dec("0"); 3]);
    books.owes("0", "1");
    assert_eq!(parts(&books), [dec("0"), dec("90"), dec("1")]);
    let wish = NewInvoice {
        order_number: Some("4711".to_owned()),
        ..books.invoice("1", "90")
    };
    books.issue(wish).unwrap();
    assert_eq!(parts(&books), [dec("0"), dec("0"), dec("91")]);
}

#[derive(Clone, Debug)]
struct Line {
    ordered: u32,
    delivered: u32,
    charged: u32,
    price: u32,
}

fn any_line() -> impl Strategy<Value = Line> {
    (0u32..50, 0u32..50, 0u32..50, 1u32..100_000).prop_map(|(ordered, delivered, charged, price)| Line {
        ordered,
        delivered,
        // Of what is ordered or delivered.
        charged: charged.min(ordered.max(delivered)),
        price,
    })
}

proptest! {
    /// Whatever is charged of what was ordered or delivered, and in however many invoices: nothing is gained or lost.
    #[test]
    fn exposure_is_conserved_when_an_order_is_invoiced(lines in proptest::collection::vec(any_line(), 1..6)) {
        let mut ledger = ledger();
        let texts: Vec<[String; 3]> = lines
            .iter()
            // Tenths of a unit at prices of a thousandth, so that every line is rounded.
            .map(|it| [
                (Decimal::new(it.ordered.into(), 1)).to_string(),
                (Decimal::new(it.delivered.into(), 1)).to_string(),
                (Decimal::new(it.price.into(), 3)).to_string(),
            ])
            .collect();
        let parts: Vec<(&str, &str, &str)> = texts.iter().map(|[a, b, c]| (a.as_str(), b.as_str(), c.as_str())).collect();
        ledger.decisions.push(order(&parts));
        let mut books = Books::of(&ledger);
        let before = books.exposure();
        let charged = |books: &Books| order_amounts(&books.draft.ledger().decisions[0]).unwrap().invoiced.amount;
        for (number, it) in (1u8..).zip(&lines) {
            let Some(quantity) = Some(Decimal::new(it.charged.into(), 1)).filter(|it| !it.is_zero()) else { continue };
            let mut after = books.draft.ledger().decisions[0].clone();
            let id = LineId::from_bytes([number; 16]);
            after.lines.get_mut(&id).unwrap().invoiced += quantity;
            let worth = order_amounts(&after).unwrap().invoiced.amount - charged(&books);
            if worth.is_zero() {
                continue;
            }
            let wish = NewInvoice {
                amount: Money::new(worth, Currency::CNY),
                ..charging(&books, &format!("I{number}"), "1", Some(vec![ChargedGoods { goods: Goods::Line(id), quantity }]))
            };
            books.issue(wish).unwrap();
            prop_assert_eq!(books.exposure(), before);
        }
        // The rest in one invoice.
        let rest = before - books.draft.file(NOW).unwrap().open_receivables.amount;
        if !rest.is_zero() {
            let wish = NewInvoice { amount: Money::new(rest, Currency::CNY), ..charging(&books, "rest", "1", None) };
            books.issue(wish).unwrap();
            prop_assert_eq!(books.exposure(), before);
        }
        let file = books.draft.file(NOW).unwrap();
        prop_assert_eq!(file.open_orders.amount + file.delivered_not_invoiced.amount, Decimal::ZERO);
    }
}
