//! Bringing the money home, on one phone: 李娜 at 永兴 and her other customers, with what the server has sent her.

mod papers;
mod today;

use chrono::NaiveDate;
use rust_decimal::Decimal;

use super::*;
use crate::db::meta;

const STREAM: StreamId = StreamId::Territory(TERRITORY);
const DAY: i64 = 24 * 60 * 60 * 1000;

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

fn cny(amount: i64) -> Money {
    Money::new(amount.into(), Currency::CNY)
}

/// A rep's phone on 2 March, filled that morning, whose company is in Shanghai.
fn filled() -> Phone {
    let phone = Phone::rep();
    let profile = OrganisationProfile {
        name: "Example 贸易".to_owned(),
        time_zone: chrono_tz::Asia::Shanghai,
        currency: Currency::CNY,
        geofence_metres: 200,
    };
    phone.receive(StreamId::Catalogue, &profile.into(), 1);
    phone.catch_up();
    phone
}

impl Phone {
    /// The phone has everything that the server has, now.
    fn catch_up(&self) {
        let now = Timestamp::from_millis(self.clock.0.load(Ordering::Relaxed));
        self.store
            .write(&[], |transaction| meta::set(transaction, meta::CAUGHT_UP, &now))
            .unwrap();
        self.store.heard_server(now).unwrap();
    }

    fn has(&self, record: impl Into<LedgerRecord>) {
        self.receive(STREAM, &record.into(), 1);
    }

    /// A customer of this rep.
    fn customer(&self, number: u8, name: &str) -> CustomerId {
        let mut shop = customer(number, name);
        shop.rep = Some(self.user);
        self.has(shop.clone());
        shop.id
    }

    /// A customer with a credit file that says what is due when, with the dunning level reached.
    fn owing(&self, number: u8, name: &str, dues: &[(&str, i64, u8)]) -> CustomerId {
        let id = self.customer(number, name);
        let mut file = CreditFile::new(id, Timestamp::from_millis(MORNING - DAY), Currency::CNY);
        file.open_receivables = cny(dues.iter().map(|it| it.1).sum());
        file.dunning_level = dues.iter().map(|it| it.2).max().unwrap_or(0);
        file.dues = dues
            .iter()
            .map(|(on, amount, level)| DueAmount {
                on: Some(day(on)),
                amount: cny(*amount),
                largest: cny(*amount),
                disputed: false,
                dunning_level: *level,
                dunned_on: (*level > 0).then(|| day("2026-02-25")),
            })
            .collect();
        self.has(file);
        id
    }

    fn note(&self, customer: CustomerId, outcome: CollectionOutcome) -> CollectionNote {
        CollectionNote {
            customer,
            rep: self.user,
            at: Timestamp::from_millis(self.clock.0.load(Ordering::Relaxed)),
            channel: CollectionChannel::Phone,
            person: "周老板".to_owned(),
            outcome,
            invoice_number: None,
            promise: None,
            receipt: None,
            closing: None,
            next_step: None,
            note: String::new(),
            position: None,
        }
    }

    /// Takes down a promise.
    fn promised(&self, customer: CustomerId, amount: i64, due: &str, invoice: Option<&str>) -> DocumentId {
        let mut note = self.note(customer, CollectionOutcome::Promised);
        note.invoice_number = invoice.map(str::to_owned);
        note.promise = Some(PromiseToPay {
            amount: cny(amount),
            due: day(due),
        });
        self.store.record_collection(note).unwrap().id
    }
}

fn invoice(number: &str, customer: CustomerId, due: &str, amount: i64) -> Invoice {
    let due = day(due);
    Invoice::new(number, customer, due - chrono::Days::new(30), due, cny(amount))
}

fn paid(reference: &str, customer: CustomerId, on: &str, amount: i64) -> Receipt {
    Receipt::cleared(reference, customer, day(on), cny(amount))
}

fn paying(mut receipt: Receipt, invoice: &str, amount: i64) -> Receipt {
    receipt.allocations.push(Allocation {
        invoice_number: invoice.to_owned(),
        instalment: 1,
        part: AllocationPart::Principal,
        amount: Decimal::from(amount),
        taken: None,
        posted_on: receipt.valued_on,
        reversed_on: None,
        reversal_reason: String::new(),
        basis: AllocationBasis::Reference,
        by: None,
    });
    receipt
}
