//! What three people do in a day.

use std::collections::BTreeMap;

use chrono::Days;
use fieldledger_core::{
    model::{
        CollectionChannel, CollectionNote, CollectionOutcome, ConfirmationVerdict, CreditVerdict, Currency, Customer,
        Delivery, DocumentId, EvidenceHash, EvidenceKind, Money, NextStep, Order, OrderLine, Party, Position, Product,
        PromiseToPay, QuantityReason, Receiver, SignedQuantity, VisitOutcome, VisitPurpose,
    },
    store::{CheckOut, Document, NewDelivery, NewDeliveryLine, NewEvidence, SignOff},
};
use rust_decimal::Decimal;

use super::{Broken, cast::Cast, phone::DemoPhone, tell};

/// What the checks need to know of the day.
pub(super) struct Events {
    /// The visit about which the supervisor asks.
    pub(super) questioned: DocumentId,
    /// The visit to the customer who was moved away: it must be rejected, and kept.
    pub(super) rejected: DocumentId,
    /// Orders with the verdict each must carry.
    pub(super) orders: Vec<(DocumentId, CreditVerdict)>,
}

const NOTES: [&str; 8] = [
    "库存充足，下周再来。",
    "Wants the new price list before ordering again.",
    "老板不在，和店员谈了促销陈列。",
    "Shelf space doubled; photo to follow.",
    "竞品降价，客户希望我们跟进。",
    "Asked for smaller boxes; passed on to the office.",
    "对账没有问题，约定月底付款。",
    "Happy with the last delivery, two jars were dented.",
];

/// The morning in the office: the note of the delivery that goes out today.
pub(super) fn prepare(rep: &DemoPhone, cast: &Cast) -> Result<DocumentId, Broken> {
    let customer = cast.customers.first().ok_or("the rep has no customers")?;
    let products = products(rep)?;
    let lines = products
        .iter()
        .take(3)
        .enumerate()
        .map(|(index, product)| NewDeliveryLine {
            product: product.id,
            quantity: Decimal::from(10 + 5 * index as u32),
            batch: Some(format!("B{:04}", 2_601 + index)),
        });
    let delivery = rep.store.new_delivery(NewDelivery {
        customer: customer.id,
        number: "DN-DEMO-1".to_owned(),
        order_number: None,
        planned_for: Some(today(rep)?),
        lines: lines.collect(),
    })?;
    for customer in cast.customers.iter().take(3) {
        rep.store.plan_visit(customer.id, today(rep)?, VisitPurpose::Routine)?;
    }
    tell!(
        "   {} writes the delivery note DN-DEMO-1 for {} and plans three visits.",
        rep.name,
        customer.name
    );
    Ok(delivery.id)
}

fn products(phone: &DemoPhone) -> Result<Vec<Product>, Broken> {
    let all = phone.store.products("", 200, 0)?;
    let sold: Vec<Product> = all
        .into_iter()
        .filter(|it| !it.discontinued && it.price.is_some())
        .collect();
    if sold.len() < 3 {
        return Err("the phone knows fewer than three products with a price".into());
    }
    Ok(sold)
}

fn today(phone: &DemoPhone) -> Result<chrono::NaiveDate, Broken> {
    let profile = phone
        .store
        .organisation()?
        .ok_or("the phone does not know its company")?;
    Ok(phone.now().date_in(profile.time_zone))
}

/// Somewhere near the customer, or far away; in the middle of the sea where nobody knows where the customer is.
fn near(customer: &Customer, metres_north: f64, mocked: bool) -> Option<Position> {
    let (latitude, longitude) = customer
        .position
        .map_or((30.0, 122.5), |it| (it.latitude, it.longitude));
    Position::new(latitude + metres_north / 111_000.0, longitude, Some(12), mocked).ok()
}

/// The whole day of everybody.
pub(super) fn work(phones: &[DemoPhone], cast: &Cast, delivery: DocumentId, visits: u32) -> Result<Events, Broken> {
    let [rep, driver, other] = phones else {
        return Err("the demo has three phones".into());
    };
    let questioned = make_visits(rep, &cast.customers, visits)?.ok_or("the rep made no visit")?;
    make_visits(other, &cast.others, visits)?;
    collect(rep, &cast.customers[0])?;
    if let Some(customer) = cast.others.first() {
        collect(other, customer)?;
    }
    let orders = take_orders(rep, cast)?;
    let rejected = visit(
        rep,
        &cast.moving,
        "新客户经理交接前的最后一次拜访 last call",
        20.0,
        false,
    )?;
    tell!(
        "   {} visits {}, who is no longer in the territory.",
        rep.name,
        cast.moving.name
    );
    deliver(rep, driver, delivery)?;
    Ok(Events {
        questioned,
        rejected,
        orders,
    })
}

fn visit(phone: &DemoPhone, customer: &Customer, note: &str, metres: f64, mocked: bool) -> Result<DocumentId, Broken> {
    phone.pass(12);
    let here = near(customer, metres, mocked);
    // A visit that was planned is the one that is made.
    let planned = phone.store.today(None)?.visits.into_iter();
    let planned = planned.filter(|row| row.customer == Some(customer.id) && row.state == "planned");
    let begun = match planned.map(|row| row.id).next() {
        Some(id) => phone.store.check_in(id, here)?,
        None => phone.store.start_visit(customer.id, VisitPurpose::Routine, here)?,
    };
    phone.pass(18);
    let leaving = CheckOut {
        position: near(customer, metres + 8.0, mocked),
        outcome: Some(VisitOutcome::Successful),
        note: Some(note.to_owned()),
        next_step: Some(NextStep {
            what: "Call about the next order 电话回访".to_owned(),
            due: today(phone)?.checked_add_days(Days::new(7)),
        }),
    };
    Ok(phone.store.check_out(begun.id, leaving)?.id)
}

/// Visits, the last of them with a mocked position far away; returns that one.
fn make_visits(phone: &DemoPhone, customers: &[Customer], count: u32) -> Result<Option<DocumentId>, Broken> {
    let mut last = None;
    let count = usize::try_from(count)?;
    for (index, customer) in customers.iter().cycle().take(count).enumerate() {
        let doubtful = index + 1 == count;
        let metres = if doubtful { 2_400.0 } else { 15.0 };
        last = Some(visit(phone, customer, NOTES[index % NOTES.len()], metres, doubtful)?);
    }
    tell!(
        "   {} makes {count} visits, notes in Chinese and English, the last with a mocked position.",
        phone.name
    );
    Ok(last)
}

fn collect(phone: &DemoPhone, customer: &Customer) -> Result<(), Broken> {
    phone.pass(5);
    let currency = currency(phone)?;
    let due = today(phone)?
        .checked_add_days(Days::new(10))
        .ok_or("the calendar ends")?;
    let amount = phone
        .store
        .credit_file(customer.id)?
        .map(|view| view.file.overdue)
        .filter(|overdue| overdue.amount > Decimal::ZERO)
        .unwrap_or(Money::new(Decimal::from(1_000), currency));
    let note = phone.store.record_collection(CollectionNote {
        customer: customer.id,
        rep: phone.user,
        at: phone.now(),
        channel: CollectionChannel::Visit,
        person: customer.contact.clone(),
        outcome: CollectionOutcome::Promised,
        invoice_number: None,
        promise: Some(PromiseToPay { amount, due }),
        receipt: None,
        closing: None,
        next_step: None,
        note: "答应十天内付清。Promised to pay within ten days.".to_owned(),
        position: near(customer, 10.0, false),
    })?;
    tell!(
        "   {} collects at {}: a promise of {amount} by {due}.",
        phone.name,
        customer.name
    );
    drop(note);
    Ok(())
}

fn currency(phone: &DemoPhone) -> Result<Currency, Broken> {
    Ok(phone
        .store
        .organisation()?
        .ok_or("the phone does not know its company")?
        .currency)
}

/// Two orders: one that every rule lets through on what the phone knows, and one that is held.
fn take_orders(rep: &DemoPhone, cast: &Cast) -> Result<Vec<(DocumentId, CreditVerdict)>, Broken> {
    let product = products(rep)?.swap_remove(0);
    let mut taken = Vec::new();
    // Ten, then as many as it takes: an order large enough goes over every limit that there is.
    for (wanted, quantities) in [
        (CreditVerdict::Provisional, [1_u32, 1, 1]),
        (CreditVerdict::Held, [10, 1_000, 100_000]),
    ] {
        let mut found = None;
        'search: for quantity in quantities {
            for customer in &cast.customers {
                let order = draft(rep, customer, &product, quantity, taken.len())?;
                if rep.store.check_credit(&order)?.verdict == wanted {
                    found = Some((customer, order));
                    break 'search;
                }
            }
        }
        let (customer, order) = found.ok_or_else(|| format!("no customer's order would be {wanted:?}"))?;
        rep.pass(9);
        let order = rep.store.submit_order(&rep.store.create(order)?)?;
        let decision = order.value.credit.as_ref().ok_or("the order carries no credit check")?;
        let why = decision
            .rules
            .iter()
            .find(|rule| !rule.passed)
            .or(decision.rules.last());
        tell!(
            "   {} takes order {} of {} for {}: {:?}. {}",
            rep.name,
            order.value.number,
            order.value.total()?,
            customer.name,
            decision.verdict,
            why.map(|rule| rule.sentence.as_str()).unwrap_or_default()
        );
        taken.push((order.id, wanted));
    }
    Ok(taken)
}

fn draft(
    rep: &DemoPhone,
    customer: &Customer,
    product: &Product,
    quantity: u32,
    index: usize,
) -> Result<Order, Broken> {
    let price = product.price.ok_or("the product has no price")?;
    let number = format!("DEMO-{}", index + 1);
    let mut order = Order::new(customer.id, rep.user, number, rep.now(), price.currency);
    let line = OrderLine {
        product: product.id,
        quantity: quantity.into(),
        unit_price: price.amount,
        discount: Decimal::ZERO,
    };
    order.lines.insert(rep.store.line_id()?, line);
    let credit = rep.store.credit_file(customer.id)?;
    order.terms_days = credit.map_or(0, |view| view.file.terms_days);
    Ok(order)
}

/// Driver and rep work on one delivery, neither knowing of the other.
fn deliver(rep: &DemoPhone, driver: &DemoPhone, id: DocumentId) -> Result<(), Broken> {
    driver.pass(200);
    let delivery: Document<Delivery> = driver
        .store
        .delivery(id)?
        .ok_or("the driver's phone lacks the delivery")?;
    let mut signed = BTreeMap::new();
    let photo = take(
        driver,
        id,
        EvidenceKind::Photo,
        "破损的箱子 the damaged box",
        DAMAGED_BOX,
    )?;
    for (index, (line, goods)) in delivery.value.lines.iter().enumerate() {
        let (short, damaged) = match index {
            0 => (Decimal::ZERO, Decimal::ZERO),
            1 => (Decimal::ONE, Decimal::ZERO),
            _ => (Decimal::ZERO, Decimal::TWO),
        };
        let reason = (index > 0).then(|| QuantityReason {
            text: if index == 1 {
                "少一箱 one box short".to_owned()
            } else {
                "压坏 crushed in transit".to_owned()
            },
            photo: (index > 1).then_some(photo),
        });
        let accepted = goods.quantity - short - damaged;
        let quantity = SignedQuantity {
            accepted,
            short,
            damaged,
            refused: Decimal::ZERO,
            reason,
        };
        signed.insert(*line, quantity);
    }
    take(driver, id, EvidenceKind::Signature, "签字 signature", SIGNATURE)?;
    driver.store.sign_off(
        id,
        SignOff {
            signed,
            receiver: Receiver {
                name: "王小姐 Ms Wang".to_owned(),
                phone: Some("+86 571 5555 0101".to_owned()),
                at: driver.now(),
                position: None,
            },
            // Attached with their files before.
            evidence: BTreeMap::new(),
        },
    )?;
    driver
        .store
        .confirm(id, Party::Warehouse, ConfirmationVerdict::Confirmed, "")?;
    driver
        .store
        .confirm(id, Party::Customer, ConfirmationVerdict::Confirmed, "")?;
    note(driver, id, "从后门卸货。Unloaded at the back door.")?;
    tell!(
        "   {} delivers: one box short, two damaged, signed by 王小姐 with photo and signature.",
        driver.name
    );
    rep.store
        .confirm(id, Party::Sales, ConfirmationVerdict::Confirmed, "")?;
    note(rep, id, "客户要求前门卸货。The customer wants it at the front door.")?;
    tell!(
        "   {} confirms the same delivery for sales, and writes another remark.",
        rep.name
    );
    Ok(())
}

fn note(phone: &DemoPhone, id: DocumentId, text: &str) -> Result<(), Broken> {
    let mut delivery = phone.store.delivery(id)?.ok_or("the phone lacks the delivery")?;
    delivery.value.note = text.to_owned();
    phone.store.save(&delivery)?;
    Ok(())
}

/// Drawn for the demo, which has no camera.
const DAMAGED_BOX: &[u8] = include_bytes!("photos/damaged-box.png");
const SIGNATURE: &[u8] = include_bytes!("photos/signature.png");

/// Takes a photo and attaches it; the phone keeps a copy, and the camera's file goes.
fn take(
    phone: &DemoPhone,
    delivery: DocumentId,
    kind: EvidenceKind,
    caption: &str,
    picture: &[u8],
) -> Result<EvidenceHash, Broken> {
    let camera = tempfile::tempdir()?;
    let file = camera.path().join("picture.png");
    std::fs::write(&file, picture)?;
    let taken = NewEvidence {
        kind,
        media_type: "image/png".to_owned(),
        taken_at: None,
        position: None,
        caption: caption.to_owned(),
    };
    Ok(phone.store.attach_evidence(delivery, file, taken)?)
}

/// The rep reads the supervisor's question and answers it; returns the question.
pub(super) fn answer(rep: &DemoPhone, review: DocumentId) -> Result<String, Broken> {
    let asked = rep
        .store
        .review(review)?
        .ok_or("the question did not reach the rep's phone")?;
    rep.store.reply_to_review(
        review,
        "测试手机时打开了模拟定位，已关闭。I had a test app open; it is off now.",
    )?;
    Ok(asked.value.comment)
}
