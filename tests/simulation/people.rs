//! What people do with their phones, and a supervisor at the server.

use std::collections::BTreeMap;

use fieldledger_core::{
    document::edit::tree_of,
    error::FieldError,
    model::{
        CollectionChannel, CollectionNote, CollectionOutcome, ConfirmationVerdict, Currency, CustomerId, Delivery,
        DeliveryLine, DocumentId, LineId, NextStep, Order, OrderLine, Party, QuantityReason, Receiver, Review,
        ReviewVerdict, SignedQuantity, Timestamp, Visit, VisitOutcome, VisitPurpose,
    },
    store::{CheckOut, Document, ListQuery, SignOff},
    sync::engine::Event,
};
use fieldledger_server::store::{DocumentStore as _, FeedFilter};
use rand::{RngExt as _, seq::IndexedRandom as _};

use crate::world::World;

const WORDS: [&str; 8] = [
    "库存不足",
    "see you on Friday",
    "老板不在",
    "neue Preisliste",
    "货架很好",
    "paid in part",
    "下周付款",
    "ok",
];

impl World {
    /// Somebody does something on a phone; what the phone says is saved is remembered.
    pub(crate) fn tap(&mut self, index: usize) {
        let now = self.now();
        self.phones[index].set_time(now);
        let (name, result) = match self.rng.random_range(0..12) {
            0 | 1 => ("visit begun", self.begin_visit(index)),
            2 => ("visit ended", self.end_visit(index)),
            3 => ("visit's note edited", self.edit_visit(index)),
            4 => ("delivery made", self.make_delivery(index)),
            5 => ("delivery signed", self.sign_delivery(index)),
            6 | 7 => ("delivery edited", self.edit_delivery(index)),
            8 => ("delivery confirmed", self.confirm_delivery(index)),
            9 => ("collection noted", self.note_collection(index)),
            10 => ("order taken", self.take_order(index)),
            _ => ("review answered", self.answer_review(index)),
        };
        match result {
            Ok(saved) => {
                for (id, heads) in saved {
                    for head in heads {
                        self.phones[index].saved.insert((id, head));
                    }
                    self.note(name, id.as_bytes());
                }
                self.tell(index, Event::LocalChange);
            }
            // What a form would tell the person; nothing was saved.
            Err(FieldError::NotAllowed(_) | FieldError::Invalid(_) | FieldError::NotFound) => {
                self.note("told no", name.as_bytes());
            }
            Err(other) => self.broken.push(format!("{name} failed: {other}")),
        }
    }

    /// Mostly a customer that the phone knows, sometimes one of another territory whose id was heard somewhere.
    fn some_customer(&mut self, index: usize) -> Option<CustomerId> {
        if self.rng.random_range(0..40) == 0 {
            return self.customers.choose(&mut self.rng).map(|it| it.id);
        }
        let known: Vec<CustomerId> = self
            .customers
            .iter()
            .map(|it| it.id)
            .filter(|id| self.phones[index].store.customer(*id).is_ok_and(|it| it.is_some()))
            .collect();
        known.choose(&mut self.rng).copied()
    }

    fn some_document(&mut self, index: usize, kind: fieldledger_core::model::DocumentKind) -> Option<DocumentId> {
        let query = ListQuery {
            kind: Some(kind),
            limit: 40,
            ..ListQuery::default()
        };
        let rows = self.phones[index].store.list(&query).ok()?;
        rows.choose(&mut self.rng).map(|row| row.id)
    }

    fn words(&mut self) -> String {
        let count = self.rng.random_range(1..4);
        (0..count)
            .map(|_| *WORDS.choose(&mut self.rng).expect("there are words"))
            .collect::<Vec<_>>()
            .join(", ")
    }

    fn begin_visit(&mut self, index: usize) -> Result<Saved, FieldError> {
        let Some(customer) = self.some_customer(index) else {
            return Ok(Saved::new());
        };
        let visit = self.phones[index]
            .store
            .start_visit(customer, VisitPurpose::Routine, None)?;
        Ok(saved(&visit))
    }

    fn end_visit(&mut self, index: usize) -> Result<Saved, FieldError> {
        let Some(id) = self.some_document(index, fieldledger_core::model::DocumentKind::Visit) else {
            return Ok(Saved::new());
        };
        let leaving = CheckOut {
            position: None,
            outcome: Some(VisitOutcome::Successful),
            note: Some(self.words()),
            next_step: Some(NextStep {
                what: self.words(),
                due: None,
            }),
        };
        Ok(saved(&self.phones[index].store.check_out(id, leaving)?))
    }

    fn edit_visit(&mut self, index: usize) -> Result<Saved, FieldError> {
        let Some(id) = self.some_document(index, fieldledger_core::model::DocumentKind::Visit) else {
            return Ok(Saved::new());
        };
        let Some(mut visit): Option<Document<Visit>> = self.phones[index].store.visit(id)? else {
            return Ok(Saved::new());
        };
        visit.value.note = self.words();
        Ok(saved(&self.phones[index].store.save(&visit)?))
    }

    fn make_delivery(&mut self, index: usize) -> Result<Saved, FieldError> {
        let Some(customer) = self.some_customer(index) else {
            return Ok(Saved::new());
        };
        let rep = self.phones[index].user;
        let number = format!("D{}", self.rng.random_range(0..1_000_000));
        let mut delivery = Delivery::new(customer, rep, number);
        for _ in 0..self.rng.random_range(1..4) {
            let product = *self.products.choose(&mut self.rng).expect("there are products");
            let quantity = self.rng.random_range(1..50).into();
            let line = DeliveryLine {
                product,
                quantity,
                batch: None,
                signed: None,
            };
            delivery.lines.insert(LineId::random(&mut self.rng), line);
        }
        Ok(saved(&self.phones[index].store.create(delivery)?))
    }

    fn sign_delivery(&mut self, index: usize) -> Result<Saved, FieldError> {
        let Some(id) = self.some_document(index, fieldledger_core::model::DocumentKind::Delivery) else {
            return Ok(Saved::new());
        };
        let Some(delivery) = self.phones[index].store.delivery(id)? else {
            return Ok(Saved::new());
        };
        let mut signed = BTreeMap::new();
        for (line, it) in &delivery.value.lines {
            let short = if self.rng.random_range(0..3) == 0 { 1 } else { 0 };
            let reason = (short > 0).then(|| QuantityReason {
                text: "少一箱".to_owned(),
                photo: None,
            });
            let accepted = it.quantity - rust_decimal::Decimal::from(short);
            let zero = rust_decimal::Decimal::ZERO;
            signed.insert(
                *line,
                SignedQuantity {
                    accepted,
                    short: short.into(),
                    damaged: zero,
                    refused: zero,
                    reason,
                },
            );
        }
        let receiver = Receiver {
            name: self.words(),
            phone: None,
            at: self.time(),
            position: None,
        };
        let sign_off = SignOff {
            signed,
            receiver,
            evidence: BTreeMap::new(),
        };
        Ok(saved(&self.phones[index].store.sign_off(id, sign_off)?))
    }

    fn edit_delivery(&mut self, index: usize) -> Result<Saved, FieldError> {
        let Some(id) = self.some_document(index, fieldledger_core::model::DocumentKind::Delivery) else {
            return Ok(Saved::new());
        };
        let Some(mut delivery) = self.phones[index].store.delivery(id)? else {
            return Ok(Saved::new());
        };
        delivery.value.note = self.words();
        if let Some(line) = delivery.value.lines.values_mut().next() {
            line.batch = Some(format!("B{}", self.rng.random_range(0..100)));
        }
        Ok(saved(&self.phones[index].store.save(&delivery)?))
    }

    fn confirm_delivery(&mut self, index: usize) -> Result<Saved, FieldError> {
        let Some(id) = self.some_document(index, fieldledger_core::model::DocumentKind::Delivery) else {
            return Ok(Saved::new());
        };
        let party = *Party::ALL.choose(&mut self.rng).expect("there are parties");
        let confirmed = self.phones[index]
            .store
            .confirm(id, party, ConfirmationVerdict::Confirmed, "")?;
        Ok(saved(&confirmed))
    }

    fn note_collection(&mut self, index: usize) -> Result<Saved, FieldError> {
        let Some(customer) = self.some_customer(index) else {
            return Ok(Saved::new());
        };
        let note = CollectionNote {
            customer,
            rep: self.phones[index].user,
            at: self.time(),
            channel: CollectionChannel::Phone,
            person: self.words(),
            outcome: CollectionOutcome::Reminded,
            invoice_number: None,
            promise: None,
            receipt: None,
            closing: None,
            next_step: None,
            note: self.words(),
            position: None,
        };
        Ok(saved(&self.phones[index].store.record_collection(note)?))
    }

    fn take_order(&mut self, index: usize) -> Result<Saved, FieldError> {
        let Some(customer) = self.some_customer(index) else {
            return Ok(Saved::new());
        };
        let number = format!("O{}", self.rng.random_range(0..1_000_000));
        let mut order = Order::new(customer, self.phones[index].user, number, self.time(), Currency::CNY);
        let product = *self.products.choose(&mut self.rng).expect("there are products");
        let line = OrderLine {
            product,
            quantity: 2.into(),
            unit_price: 35.into(),
            discount: 0.into(),
        };
        order.lines.insert(LineId::random(&mut self.rng), line);
        let draft = self.phones[index].store.create(order)?;
        let mut both = saved(&draft);
        both.extend(saved(&self.phones[index].store.submit_order(&draft)?));
        Ok(both)
    }

    fn answer_review(&mut self, index: usize) -> Result<Saved, FieldError> {
        let Some(id) = self.some_document(index, fieldledger_core::model::DocumentKind::Review) else {
            return Ok(Saved::new());
        };
        let words = self.words();
        Ok(saved(&self.phones[index].store.reply_to_review(id, &words)?))
    }

    /// The supervisor reviews something that came in.
    pub(crate) async fn supervise(&mut self) {
        let organisation = self.server.organisation;
        let filter = FeedFilter {
            limit: 50,
            ..FeedFilter::default()
        };
        let feed = self
            .server
            .store
            .feed(organisation, &filter)
            .await
            .expect("the store answers");
        let Some(item) = feed.choose(&mut self.rng) else { return };
        let (Some(customer), Some(rep)) = (item.summary.customer, item.summary.owner) else {
            return;
        };
        let supervisor = self.supervisor();
        let review = Review {
            customer,
            about: item.id,
            rep,
            reviewer: supervisor,
            at: self.time(),
            verdict: ReviewVerdict::Questioned,
            comment: self.words(),
            replies: BTreeMap::new(),
        };
        let tree = tree_of(&review).expect("a review has a tree");
        let account = self.server.account(supervisor).await;
        let id = self
            .server
            .service
            .create_document(&account, &tree)
            .await
            .expect("a supervisor may review");
        self.note("reviewed", id.as_bytes());
    }

    #[allow(clippy::cast_possible_wrap)]
    fn time(&self) -> Timestamp {
        Timestamp::from_millis(self.now() as i64)
    }
}

type Saved = Vec<(DocumentId, Vec<fieldledger_core::model::ChangeHash>)>;

fn saved<T>(document: &Document<T>) -> Saved {
    vec![(document.id, document.heads.clone())]
}
