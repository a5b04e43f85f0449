//! Each action on a ledger without a store, and the draft that it leaves.

mod documents;
mod money;
mod orders;

use std::collections::BTreeMap;

use chrono::NaiveDate;
use fieldledger_core::{
    model::*,
    rules::books::{open_items, unallocated},
};
use rust_decimal::Decimal;

use super::{
    allocation::{Allocated, Payer},
    invoice::{Due, NewInvoice},
    receipt::NewReceipt,
    *,
};

pub(super) const SHOP: CustomerId = CustomerId::from_bytes([3; 16]);
pub(super) const FINANCE: UserId = UserId::from_bytes([6; 16]);
/// 2026-03-02T02:00:00Z, the same day in Shanghai.
pub(super) const NOW: Timestamp = Timestamp::from_millis(1_772_416_800_000);
const DAY: i64 = 86_400_000;

pub(super) fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

pub(super) fn dec(text: &str) -> Decimal {
    text.parse().unwrap()
}

/// `5700.00 CNY` from `"5700.00 CNY"`, and yuan when no currency is said.
pub(super) fn money(text: &str) -> Money {
    let (amount, currency) = text.split_once(' ').unwrap_or((text, "CNY"));
    Money::new(dec(amount), currency.parse().unwrap())
}

/// A customer of grade B with 30 days and a limit of 100,000, in a company with rates for yen and dinar.
pub(super) fn ledger() -> CustomerLedger {
    let mut account = CreditAccount::new(SHOP);
    account.terms.push(CreditTerms {
        effective_from: day("2026-01-01"),
        grade: Some(CreditGrade::B),
        limit: CreditLimit::Limited(money("100000")),
        terms_days: 30,
        reason: "first assessment".to_owned(),
        by: None,
        recorded_at: NOW,
    });
    let rate = |from: &str, rate: &str| CreditRate {
        from: from.parse().unwrap(),
        to: Currency::CNY,
        on: day("2026-01-01"),
        rate: dec(rate),
    };
    CustomerLedger {
        organisation: OrganisationProfile {
            name: "海风食品".to_owned(),
            time_zone: chrono_tz::Asia::Shanghai,
            currency: Currency::CNY,
            geofence_metres: 200,
        },
        policy: Policy {
            rates: vec![rate("JPY", "0.05"), rate("KWD", "23")],
            books_closed_until: Some(day("2026-01-31")),
            ..Policy::default()
        },
        policy_version: 1,
        customer: Customer {
            id: SHOP,
            code: "007".to_owned(),
            name: "东方超市".to_owned(),
            territory: TerritoryId::from_bytes([2; 16]),
            rep: None,
            contact: String::new(),
            phone: String::new(),
            address: String::new(),
            position: None,
        },
        account,
        file: None,
        contracts: Vec::new(),
        orders: Vec::new(),
        deliveries: Vec::new(),
        decisions: Vec::new(),
        invoices: Vec::new(),
        credit_notes: Vec::new(),
        receipts: Vec::new(),
        grants: Vec::new(),
        statements: Vec::new(),
        warnings: Vec::new(),
    }
}

/// A customer's ledger on which finance works day by day.
pub(super) struct Books {
    pub(super) draft: Draft,
    pub(super) now: Timestamp,
    actor: Actor,
}

impl Books {
    pub(super) fn new() -> Self {
        Self::of(&ledger())
    }

    pub(super) fn of(ledger: &CustomerLedger) -> Self {
        Self {
            draft: Draft::of(ledger),
            now: NOW,
            actor: FINANCE.into(),
        }
    }

    pub(super) fn pass(&mut self, days: i64) {
        self.now = self.now.plus_millis(days * DAY);
    }

    /// Does something; what is refused leaves the draft aside, as a transaction would.
    pub(super) fn act<T>(
        &mut self,
        action: impl FnOnce(&mut Draft, Act<'_>) -> Result<T, InvalidField>,
    ) -> Result<T, InvalidField> {
        let mut draft = self.draft.clone();
        let act = Act {
            by: &self.actor,
            now: self.now,
        };
        let done = action(&mut draft, act)?;
        self.draft = draft;
        Ok(done)
    }

    pub(super) fn today(&self) -> NaiveDate {
        self.now.date_in(chrono_tz::Asia::Shanghai)
    }

    pub(super) fn issue(&mut self, wish: NewInvoice) -> Result<Invoice, InvalidField> {
        self.act(|draft, act| invoice::issue(draft, wish, act))
    }

    /// An invoice of today, due in 30 days.
    pub(super) fn owes(&mut self, number: &str, amount: &str) -> Invoice {
        let wish = self.invoice(number, amount);
        self.issue(wish).unwrap()
    }

    pub(super) fn invoice(&self, number: &str, amount: &str) -> NewInvoice {
        NewInvoice {
            number: number.to_owned(),
            invoiced_on: self.today(),
            posted_on: None,
            amount: money(amount),
            kind: InvoiceType::Goods,
            order_number: None,
            lines: None,
            due: Due::ByTerms,
            delivered_on: None,
            accepted_on: None,
        }
    }

    pub(super) fn receipt(&self, reference: &str, amount: &str) -> NewReceipt {
        NewReceipt {
            reference: reference.to_owned(),
            valued_on: self.today(),
            posted_on: None,
            amount: money(amount),
            cleared: true,
            channel: PaymentChannel::Bank,
            pays: None,
            instructions: Vec::new(),
            arrived_at: self.now,
        }
    }

    pub(super) fn register(&mut self, wish: NewReceipt) -> Result<Allocated, InvalidField> {
        self.act(|draft, act| receipt::register(draft, wish, act))
    }

    /// Cleared money of today.
    pub(super) fn pays(&mut self, reference: &str, amount: &str) -> Allocated {
        let wish = self.receipt(reference, amount);
        self.register(wish).unwrap()
    }

    /// What is open, as `invoice/instalment amount`.
    pub(super) fn open(&self) -> Vec<String> {
        let items = open_items(&books(self.draft.ledger()), self.today()).unwrap();
        let text = |it: &fieldledger_core::rules::books::OpenItem| {
            format!("{}/{} {}", it.invoice_number, it.instalment, it.open())
        };
        items.iter().map(text).collect()
    }

    /// What nothing was paid with yet, as `source amount`.
    pub(super) fn left(&self) -> Vec<String> {
        let credits = unallocated(&books(self.draft.ledger()), self.today()).unwrap();
        credits
            .iter()
            .map(|it| format!("{} {}", it.source, it.amount))
            .collect()
    }

    /// X.
    pub(super) fn exposure(&self) -> Decimal {
        self.draft.position(self.now).unwrap().exposure.amount
    }

    /// The lines that the audit log would get.
    pub(super) fn audited(&self) -> Vec<String> {
        let change = self.draft.clone().finish("", self.now).unwrap();
        change.audit.into_iter().map(|it| it.action).collect()
    }
}

pub(super) fn of_receipt(reference: &str) -> Payer {
    Payer::Receipt(reference.to_owned())
}

/// An approved order `SO-1` with these lines: (ordered, delivered, price).
pub(super) fn order(lines: &[(&str, &str, &str)]) -> OrderDecision {
    let line = |(number, (ordered, delivered, price)): (u8, &(&str, &str, &str))| {
        let line = OrderDecisionLine {
            product: ProductId::from_bytes([number; 16]),
            ordered: dec(ordered),
            delivered: dec(delivered),
            invoiced: Decimal::ZERO,
            unit_price: dec(price),
        };
        (LineId::from_bytes([number; 16]), line)
    };
    OrderDecision {
        order: DocumentId::from_bytes([9; 16]),
        number: "SO-1".to_owned(),
        customer: SHOP,
        rep: UserId::from_bytes([4; 16]),
        received_at: NOW,
        wanted_by: None,
        currency: Currency::CNY,
        lines: (1u8..).zip(lines).map(line).collect::<BTreeMap<_, _>>(),
        deliveries: BTreeMap::new(),
        standing: OrderStanding::Approved,
        spend: None,
        events: Vec::new(),
    }
}
