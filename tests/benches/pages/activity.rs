//! What reps, drivers and supervisors write in two years, one document after the other.

use std::collections::{BTreeMap, VecDeque};

use chrono::{Days, NaiveDate};
use fieldledger_core::{
    document::{
        self, Authorship, NewChange,
        edit::{edit, tree_of},
    },
    model::{
        CollectionChannel, CollectionNote, CollectionOutcome, Confirmation, ConfirmationVerdict, CreditDecision,
        CreditInputs, CreditVerdict, Currency, CustomerId, Delivery, DeliveryLine, DeviceId, DocumentId,
        GeofenceVerdict, LedgerRecord, LineId, Money, NextStep, Order, OrderDecision, OrderDecisionLine, OrderEvent,
        OrderEventKind, OrderLine, OrderStanding, OrderState, Party, ProductId, PromiseToPay, Receiver, Review,
        ReviewVerdict, SignedQuantity, TerritoryId, Timestamp, UserId, Visit,
    },
};
use fieldledger_tests::visits::VisitMaker;
use rand::{RngExt as _, SeedableRng as _, seq::IndexedRandom as _};
use rand_chacha::ChaCha8Rng;
use rust_decimal::Decimal;
use serde_json::Value;

use crate::Result;

const HOUR_MILLIS: i64 = 3_600_000;
/// Orders that came within so many milliseconds are left to the server's daily round to decide on.
const UNDECIDED_MILLIS: i64 = 7 * 24 * HOUR_MILLIS;

/// Somebody who works in the field.
pub(crate) struct Rep {
    pub(crate) user: UserId,
    pub(crate) territory: TerritoryId,
    pub(crate) customers: Vec<CustomerId>,
    device: DeviceId,
    supervisor: UserId,
    visits: VisitMaker,
}

impl Rep {
    pub(crate) fn new(
        seed: u64,
        user: UserId,
        device: DeviceId,
        territory: TerritoryId,
        supervisor: UserId,
        customers: Vec<CustomerId>,
    ) -> Self {
        Self {
            visits: VisitMaker::new(seed, customers.clone(), user),
            user,
            territory,
            customers,
            device,
            supervisor,
        }
    }
}

/// A document as it came in.
pub(crate) struct Work {
    pub(crate) change: NewChange,
    /// Made by two people who did not know of each other.
    pub(crate) edits: Vec<NewChange>,
    pub(crate) territory: TerritoryId,
    pub(crate) device: Option<DeviceId>,
    pub(crate) received_at: Timestamp,
    pub(crate) clock_off: bool,
    pub(crate) is_delivery: bool,
}

/// Makes one document after the other.
pub(crate) struct Maker {
    rng: ChaCha8Rng,
    reps: Vec<Rep>,
    products: Vec<ProductId>,
    end: Timestamp,
    count: u64,
    /// What was recorded lately, for reviews.
    recent: VecDeque<(DocumentId, CustomerId, usize)>,
    decisions: Vec<LedgerRecord>,
}

impl Maker {
    pub(crate) fn new(reps: Vec<Rep>, products: Vec<ProductId>, end: Timestamp) -> Self {
        Self {
            rng: ChaCha8Rng::seed_from_u64(4),
            reps,
            products,
            end,
            count: 0,
            recent: VecDeque::new(),
            decisions: Vec::new(),
        }
    }

    /// What the company decided about the orders since this was last asked.
    pub(crate) fn decisions(&mut self) -> Vec<LedgerRecord> {
        std::mem::take(&mut self.decisions)
    }

    /// Of twenty documents eleven are visits, three deliveries, two each notes about money, orders and reviews.
    pub(crate) fn next(&mut self, received_at: Timestamp) -> Result<Work> {
        let number = self.count;
        self.count += 1;
        let place = self.rng.random_range(0..self.reps.len());
        let id = DocumentId::from_bytes(self.rng.random());
        let at = received_at.plus_millis(-self.rng.random_range(60_000..2 * HOUR_MILLIS));
        let customer = *self.reps[place]
            .customers
            .choose(&mut self.rng)
            .ok_or("a rep without customers")?;
        let user = self.reps[place].user;
        let kind = number % 20;
        let mut about = None;
        let tree = match kind {
            0..=10 => tree_of(&self.visit(place, customer, at)?)?,
            11..=13 => tree_of(&self.delivery(number, user, customer, at))?,
            14 | 15 => tree_of(&self.note(user, customer, at))?,
            16 | 17 => tree_of(&self.order(id, number, user, customer, received_at))?,
            _ => match self.recent.pop_front() {
                Some((document, customer, place)) => {
                    about = Some(place);
                    tree_of(&self.review(place, document, customer, at))?
                }
                None => tree_of(&self.visit(place, customer, at)?)?,
            },
        };
        let place = about.unwrap_or(place);
        let rep = &self.reps[place];
        let device = about.is_none().then_some(rep.device);
        let authorship = Authorship {
            user: if about.is_some() { rep.supervisor } else { rep.user },
            device: device.unwrap_or(DeviceId::from_bytes([0; 16])),
            at,
            zone_minutes: 480,
            since_contact_millis: Some(60_000),
        };
        let change = document::create(id, &tree, &authorship)?;
        // A few people disagree: both change the outcome of a visit, and neither knows of the other.
        let mut edits = Vec::new();
        if kind == 0 && number % 20_000 < 20 && self.end.millis_since(received_at) < 60 * 24 * HOUR_MILLIS {
            for outcome in ["successful", "follow_up"] {
                let mut opened = document::open(&[&change.bytes[..]])?;
                let mut after = tree.clone();
                after["outcome"] = Value::from(outcome);
                after["note"] = Value::from(format!("{outcome}: {number}"));
                let actor = self.rng.random();
                let made = edit(&mut opened, id, &change.heads, &tree, &after, actor, &authorship)?;
                edits.extend(made);
            }
        }
        if about.is_none() {
            self.recent.push_back((id, customer, place));
            if self.recent.len() > 2_000 {
                self.recent.pop_front();
            }
        }
        Ok(Work {
            change,
            edits,
            territory: rep.territory,
            device,
            received_at,
            clock_off: self.rng.random_ratio(1, 400),
            is_delivery: matches!(kind, 11..=13),
        })
    }

    fn day(at: Timestamp) -> NaiveDate {
        at.date_in(chrono_tz::Asia::Shanghai)
    }

    fn visit(&mut self, place: usize, customer: CustomerId, at: Timestamp) -> Result<Visit> {
        let mut visit = self.reps[place].visits.next().ok_or("no more visits")?;
        visit.customer = customer;
        visit.planned_for = Some(Self::day(at));
        // A twentieth of what came in during the last three days is only planned.
        if self.end.millis_since(at) < 72 * HOUR_MILLIS && self.rng.random_ratio(1, 20) {
            visit.planned_for = Some(Self::day(self.end) + Days::new(self.rng.random_range(0..5)));
            (visit.check_in, visit.check_out, visit.outcome) = (None, None, None);
            visit.evidence.clear();
            return Ok(visit);
        }
        let outside = self.rng.random_ratio(1, 40);
        if let Some(point) = &mut visit.check_in {
            point.at = at;
            if outside {
                point.geofence.verdict = GeofenceVerdict::Outside;
                point.geofence.distance_metres = Some(900);
            }
        }
        if let Some(point) = &mut visit.check_out {
            point.at = at.plus_millis(20 * 60_000);
        }
        Ok(visit)
    }

    fn line_id(&mut self) -> LineId {
        LineId::from_bytes(self.rng.random())
    }

    fn product(&mut self) -> ProductId {
        self.products
            .choose(&mut self.rng)
            .copied()
            .unwrap_or_else(|| ProductId::from_bytes([1; 16]))
    }

    fn delivery(&mut self, number: u64, user: UserId, customer: CustomerId, at: Timestamp) -> Delivery {
        let mut delivery = Delivery::new(customer, user, format!("D-{number:07}"));
        delivery.planned_for = Some(Self::day(at));
        for _ in 0..self.rng.random_range(1..5) {
            let quantity = Decimal::from(self.rng.random_range(1..40_i32));
            let line = DeliveryLine {
                product: self.product(),
                quantity,
                batch: Some(format!("B{}", self.rng.random_range(1_000..9_999))),
                signed: Some(SignedQuantity {
                    accepted: quantity,
                    short: Decimal::ZERO,
                    damaged: Decimal::ZERO,
                    refused: Decimal::ZERO,
                    reason: None,
                }),
            };
            let id = self.line_id();
            delivery.lines.insert(id, line);
        }
        delivery.receiver = Some(Receiver {
            name: "王店长".to_owned(),
            phone: None,
            at,
            position: None,
        });
        // One in a hundred waits for the others' word.
        if !self.rng.random_ratio(1, 100) {
            for party in Party::ALL {
                let said = Confirmation::new(ConfirmationVerdict::Confirmed, "王店长", at, "");
                delivery.confirmations.insert(party, said);
            }
        }
        delivery
    }

    fn note(&mut self, user: UserId, customer: CustomerId, at: Timestamp) -> CollectionNote {
        let promised = self.rng.random_ratio(3, 10);
        let amount = Money::new(Decimal::from(self.rng.random_range(200..9_000_i32)), Currency::CNY);
        CollectionNote {
            customer,
            rep: user,
            at,
            channel: CollectionChannel::Phone,
            person: "周老板".to_owned(),
            outcome: if promised {
                CollectionOutcome::Promised
            } else {
                CollectionOutcome::Reminded
            },
            invoice_number: None,
            promise: promised.then(|| PromiseToPay {
                amount,
                due: Self::day(at) + Days::new(self.rng.random_range(3..21)),
            }),
            receipt: None,
            closing: None,
            next_step: Some(NextStep {
                what: "月底前再打电话".to_owned(),
                due: Some(Self::day(at) + Days::new(7)),
            }),
            note: format!(
                "周老板 says the cash is short until the {}th.",
                self.rng.random_range(1..28)
            ),
            position: None,
        }
    }

    fn order(
        &mut self,
        id: DocumentId,
        number: u64,
        user: UserId,
        customer: CustomerId,
        received_at: Timestamp,
    ) -> Order {
        let mut order = Order::new(customer, user, format!("M-{number:07}"), received_at, Currency::CNY);
        order.terms_days = 30;
        order.state = OrderState::Submitted;
        order.note = "请周五前送到".to_owned();
        let mut lines = BTreeMap::new();
        for _ in 0..self.rng.random_range(1..5) {
            let (product, quantity) = (self.product(), Decimal::from(self.rng.random_range(1..12_i32)));
            let unit_price = Decimal::from(self.rng.random_range(20..200_i32));
            let line_id = self.line_id();
            let line = OrderLine {
                product,
                quantity,
                unit_price,
                discount: Decimal::ZERO,
            };
            order.lines.insert(line_id, line);
            let counted = OrderDecisionLine {
                product,
                ordered: quantity,
                delivered: quantity,
                invoiced: quantity,
                unit_price,
            };
            lines.insert(line_id, counted);
        }
        if self.end.millis_since(received_at) < UNDECIDED_MILLIS {
            return order;
        }
        let total = order.total().unwrap_or(Money::zero(Currency::CNY));
        order.credit = Some(CreditDecision {
            verdict: CreditVerdict::Provisional,
            inputs: CreditInputs::unknown(total),
            rules: Vec::new(),
        });
        self.decisions.push(LedgerRecord::OrderDecision(OrderDecision {
            order: id,
            number: order.number.clone(),
            customer,
            rep: user,
            received_at,
            wanted_by: None,
            currency: Currency::CNY,
            lines,
            deliveries: BTreeMap::new(),
            standing: OrderStanding::Closed,
            spend: None,
            events: vec![OrderEvent {
                at: received_at,
                by: None,
                what: OrderEventKind::Decided(CreditVerdict::Approved),
                reason: String::new(),
                check: None,
            }],
        }));
        order
    }

    fn review(&mut self, place: usize, about: DocumentId, customer: CustomerId, at: Timestamp) -> Review {
        let verdict = match self.rng.random_range(0..10) {
            0 => ReviewVerdict::Questioned,
            1 => ReviewVerdict::Flagged,
            _ => ReviewVerdict::Approved,
        };
        let rep = &self.reps[place];
        Review {
            customer,
            about,
            rep: rep.user,
            reviewer: rep.supervisor,
            at,
            verdict,
            comment: if verdict == ReviewVerdict::Approved {
                String::new()
            } else {
                "照片看不清,请补一张。 Please add a photo.".to_owned()
            },
            replies: BTreeMap::new(),
        }
    }
}
