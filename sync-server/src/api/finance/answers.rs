//! What software is told: ledger records as the interface spells them. Amounts have the decimals of their currency.

use fieldledger_core::{
    model::{
        Allocation, Contract, CreditFile, CreditLimit, Currency, Customer, Instalment, Invoice, InvoiceType,
        OrderDecision, PaymentChannel, UnidentifiedReceipt,
    },
    rules::{
        allowance::CreditPosition,
        books::{OpenItem, UnallocatedCredit},
    },
};
use rust_decimal::Decimal;
use serde::Serialize;
use utoipa::ToSchema;

use super::wire::{AfterEvent, Day, Money, Number};
use crate::ledger::finance::allocation::{Allocated, Source};

fn money(amount: Decimal, currency: Currency) -> Money {
    fieldledger_core::model::Money::new(amount, currency).into()
}

/// What came of an action, and where the customer's credit stands afterwards.
#[derive(Serialize, ToSchema)]
pub(super) struct Answer<T> {
    #[serde(flatten)]
    pub(super) outcome: T,
    /// `null` while nothing is decided about the customer's credit and it cannot be told.
    pub(super) position: Option<Position>,
}

/// Where a customer's credit stands.
#[derive(Serialize, ToSchema)]
pub(super) struct Position {
    /// How much may be owed; `null` is explicitly without a limit.
    limit: Option<Money>,
    /// What is owed or about to be.
    exposure: Money,
    /// What phones may still spend.
    reserved: Money,
    /// What is left; below zero over the limit, `null` without a limit.
    free: Option<Money>,
}

impl Position {
    pub(super) fn of(it: &CreditPosition) -> Option<Self> {
        Some(Self {
            limit: limit(it.limit),
            exposure: it.exposure.into(),
            reserved: it.reserved.into(),
            free: it.headroom().ok()?.map(Money::from),
        })
    }
}

fn limit(limit: CreditLimit) -> Option<Money> {
    match limit {
        CreditLimit::NoLimit => None,
        CreditLimit::Limited(limit) => Some(limit.into()),
    }
}

/// A customer.
#[derive(Serialize, ToSchema)]
pub(super) struct CustomerName {
    /// Its id.
    #[schema(format = "uuid")]
    id: String,
    /// The company's own number for it.
    code: String,
    /// Its name.
    name: String,
}

impl From<&Customer> for CustomerName {
    fn from(it: &Customer) -> Self {
        Self {
            id: it.id.to_string(),
            code: it.code.clone(),
            name: it.name.clone(),
        }
    }
}

/// A customer's credit file (信用档案).
#[derive(Serialize, ToSchema)]
pub(super) struct Credit {
    /// When these figures were computed.
    #[schema(format = "date-time")]
    as_of: String,
    /// `A`, `B`, `C` or `D`; `null` while the customer has not been assessed.
    grade: Option<String>,
    /// How much may be owed; `null` is explicitly without a limit.
    limit: Option<Money>,
    /// Days of credit.
    terms_days: u32,
    /// Whether the account is on hold.
    on_hold: bool,
    /// Why.
    hold_reason: String,
    /// Invoiced and unpaid, less credits that are set against nothing.
    open_receivables: Money,
    /// Bills of exchange, guarantees.
    special_liabilities: Money,
    /// Delivered and not invoiced.
    delivered_not_invoiced: Money,
    /// Ordered and not delivered.
    open_orders: Money,
    /// The part of the receivables that is past its due date.
    overdue: Money,
    /// Due date of the oldest open item.
    oldest_due: Option<Day>,
    /// Highest level of reminders; 0 is none.
    dunning_level: u8,
    /// Last day of the newest assessment.
    review_valid_until: Option<Day>,
}

impl From<&CreditFile> for Credit {
    fn from(it: &CreditFile) -> Self {
        Self {
            as_of: it.as_of.to_string(),
            grade: it.grade.map(|grade| format!("{grade:?}")),
            limit: limit(it.limit),
            terms_days: it.terms_days,
            on_hold: it.on_hold,
            hold_reason: it.hold_reason.clone(),
            open_receivables: it.open_receivables.into(),
            special_liabilities: it.special_liabilities.into(),
            delivered_not_invoiced: it.delivered_not_invoiced.into(),
            open_orders: it.open_orders.into(),
            overdue: it.overdue.into(),
            oldest_due: it.oldest_due.map(Day),
            dunning_level: it.dunning_level,
            review_valid_until: it.review_valid_until.map(Day),
        }
    }
}

/// What came of a change of credit.
#[derive(Serialize, ToSchema)]
pub(super) struct CreditOutcome {
    pub(super) credit: Credit,
}

/// A customer with credit file and position.
#[derive(Serialize, ToSchema)]
pub(super) struct CustomerAnswer {
    pub(super) customer: CustomerName,
    pub(super) credit: Credit,
    pub(super) position: Option<Position>,
}

/// An invoice.
#[derive(Serialize, ToSchema)]
pub(super) struct InvoiceAnswer {
    number: String,
    order_number: Option<String>,
    contract_number: Option<String>,
    /// `goods`, `interest`, `costs` or `other`.
    #[serde(rename = "type")]
    kind: String,
    invoiced_on: Day,
    /// The day it counts from in the books.
    posted_on: Day,
    /// When the last part with a date is due.
    due_on: Day,
    amount: Money,
    /// Empty: one part, due as a whole.
    instalments: Vec<InstalmentAnswer>,
    /// What it charges of the order.
    lines: Vec<LineAnswer>,
}

/// A part of an invoice.
#[derive(Serialize, ToSchema)]
pub(super) struct InstalmentAnswer {
    no: u32,
    amount: Money,
    /// When it is due, extensions included; `null` while the event it counts from has not happened.
    due_on: Option<Day>,
    /// When it was due before any extension.
    original_due_on: Option<Day>,
    /// The rule that gives the date, where there is one.
    rule: Option<AfterEvent>,
    /// Kept back by the customer until then.
    retention: bool,
    /// Whether a dispute is running.
    disputed: bool,
    /// Approved later due dates.
    extensions: Vec<ExtensionAnswer>,
}

/// An approved later due date.
#[derive(Serialize, ToSchema)]
pub(super) struct ExtensionAnswer {
    approved_on: Day,
    due_on: Day,
    reason: String,
}

/// A quantity of an order's line.
#[derive(Serialize, ToSchema)]
pub(super) struct LineAnswer {
    #[schema(format = "uuid")]
    line: String,
    quantity: Number,
}

fn kind(kind: InvoiceType) -> &'static str {
    match kind {
        InvoiceType::Goods => "goods",
        InvoiceType::Interest => "interest",
        InvoiceType::Costs => "costs",
        InvoiceType::Other => "other",
    }
}

impl From<&Invoice> for InvoiceAnswer {
    fn from(it: &Invoice) -> Self {
        let currency = it.amount.currency;
        let part = |it: &Instalment| InstalmentAnswer {
            no: it.no,
            amount: money(it.amount, currency),
            due_on: it.due_on_by(chrono::NaiveDate::MAX).map(Day),
            original_due_on: it.due_on.map(Day),
            rule: it.rule.map(AfterEvent::from),
            retention: it.retention,
            disputed: it.disputes.iter().any(|dispute| dispute.settled_on.is_none()),
            extensions: it
                .extensions
                .iter()
                .map(|it| ExtensionAnswer {
                    approved_on: Day(it.approved_on),
                    due_on: Day(it.due_on),
                    reason: it.reason.clone(),
                })
                .collect(),
        };
        Self {
            number: it.number.clone(),
            order_number: it.order_number.clone(),
            contract_number: it.contract_number.clone(),
            kind: kind(it.kind).to_owned(),
            invoiced_on: Day(it.invoiced_on),
            posted_on: Day(it.counts_from()),
            due_on: Day(it.due_on),
            amount: it.amount.into(),
            instalments: it.instalments.iter().map(part).collect(),
            lines: it
                .lines
                .iter()
                .map(|it| LineAnswer {
                    line: it.line.to_string(),
                    quantity: Number(it.quantity),
                })
                .collect(),
        }
    }
}

/// What came of an action on an invoice.
#[derive(Serialize, ToSchema)]
pub(super) struct InvoiceOutcome {
    pub(super) invoice: InvoiceAnswer,
}

/// A part of a receipt or credit note that pays a part of an instalment.
#[derive(Serialize, ToSchema)]
pub(super) struct AllocationAnswer {
    /// Its number within the receipt or credit note, from 1; a reversal names it.
    number: usize,
    invoice_number: String,
    instalment: u32,
    /// `cost`, `interest` or `principal`.
    part: String,
    /// How much is paid, in the invoice's currency.
    amount: Number,
    /// How much of the receipt or credit note that took.
    taken: Money,
    posted_on: Day,
    /// The day from which it no longer counts.
    reversed_on: Option<Day>,
    reversal_reason: String,
    /// `instruction`, `reference`, `exact_amount`, `oldest_due`, `correction` or `manual`.
    basis: String,
}

/// The stored name of an enumeration without content.
fn name_of(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(name)) => name,
        _ => String::new(),
    }
}

fn allocations(all: &[Allocation], currency: Currency) -> Vec<AllocationAnswer> {
    let one = |(number, it): (usize, &Allocation)| AllocationAnswer {
        number,
        invoice_number: it.invoice_number.clone(),
        instalment: it.instalment,
        part: name_of(&it.part),
        amount: Number(it.amount),
        taken: money(it.taken(), currency),
        posted_on: Day(it.posted_on),
        reversed_on: it.reversed_on.map(Day),
        reversal_reason: it.reversal_reason.clone(),
        basis: name_of(&it.basis),
    };
    (1..).zip(all).map(one).collect()
}

/// A receipt, or a credit note.
#[derive(Serialize, ToSchema)]
pub(super) struct SourceAnswer {
    /// `receipt` or `credit_note`.
    #[serde(rename = "type")]
    kind: String,
    /// The payment's reference, or the credit note's number.
    reference: String,
    /// The bank's value date, or the credit note's date.
    valued_on: Day,
    /// The day it counts from in the books.
    posted_on: Day,
    amount: Money,
    /// From when it is certain; `null` while it is not.
    cleared_on: Option<Day>,
    /// The day it was returned.
    bounced_on: Option<Day>,
    /// How it was paid; `null` for a credit note.
    channel: Option<String>,
    /// What the payment names, or the invoice that a credit note corrects.
    pays: Option<String>,
    /// Why a credit note was issued.
    reason: String,
    /// What it was set against, reversed ones included.
    allocations: Vec<AllocationAnswer>,
}

impl From<&Source> for SourceAnswer {
    fn from(source: &Source) -> Self {
        let amount = source.amount();
        let allocations = allocations(source.allocations(), amount.currency);
        match source {
            Source::Receipt(it) => Self {
                kind: "receipt".to_owned(),
                reference: it.reference.clone(),
                valued_on: Day(it.valued_on),
                posted_on: Day(it.counts_from()),
                amount: amount.into(),
                cleared_on: it.cleared_on.map(Day),
                bounced_on: it.bounced_on.map(Day),
                channel: Some(match &it.channel {
                    PaymentChannel::Other(name) => name.clone(),
                    known => name_of(known),
                }),
                pays: it.pays.clone(),
                reason: String::new(),
                allocations,
            },
            Source::CreditNote(it) => Self {
                kind: "credit_note".to_owned(),
                reference: it.number.clone(),
                valued_on: Day(it.credited_on),
                posted_on: Day(it.counts_from()),
                amount: amount.into(),
                cleared_on: Some(Day(it.counts_from())),
                bounced_on: None,
                channel: None,
                pays: it.invoice_number.clone(),
                reason: it.reason.clone(),
                allocations,
            },
        }
    }
}

/// What came of money that was to pay something.
#[derive(Serialize, ToSchema)]
pub(super) struct AllocatedOutcome {
    source: SourceAnswer,
    /// What is set against nothing.
    unallocated: Money,
    /// Invoices that were named and could not be paid, as the policy has no rate between the currencies.
    without_rate: Vec<String>,
}

impl From<&Allocated> for AllocatedOutcome {
    fn from(it: &Allocated) -> Self {
        Self {
            source: (&it.source).into(),
            unallocated: money(it.left, it.source.amount().currency),
            without_rate: it.without_rate.iter().cloned().collect(),
        }
    }
}

/// What came of a reversal or a return.
#[derive(Serialize, ToSchema)]
pub(super) struct SourceOutcome {
    pub(super) source: SourceAnswer,
}

/// A contract.
#[derive(Serialize, ToSchema)]
pub(super) struct ContractAnswer {
    number: String,
    signed_on: Day,
    milestones: Vec<MilestoneAnswer>,
    acceptance_criteria: String,
}

/// A part of the price that is due after an event.
#[derive(Serialize, ToSchema)]
pub(super) struct MilestoneAnswer {
    name: String,
    percent: Number,
    due: AfterEvent,
    retention: bool,
}

/// What came of recording a contract.
#[derive(Serialize, ToSchema)]
pub(super) struct ContractOutcome {
    contract: ContractAnswer,
}

impl From<&Contract> for ContractOutcome {
    fn from(it: &Contract) -> Self {
        let milestones = it.milestones.iter().map(|it| MilestoneAnswer {
            name: it.name.clone(),
            percent: Number(it.percent),
            due: it.due.into(),
            retention: it.retention,
        });
        Self {
            contract: ContractAnswer {
                number: it.number.clone(),
                signed_on: Day(it.signed_on),
                milestones: milestones.collect(),
                acceptance_criteria: it.acceptance_criteria.clone(),
            },
        }
    }
}

/// What is open of an instalment.
#[derive(Serialize, ToSchema)]
pub(super) struct OpenItemAnswer {
    invoice_number: String,
    instalment: u32,
    order_number: Option<String>,
    posted_on: Day,
    /// When it is due, extensions included.
    due_on: Option<Day>,
    original_due_on: Option<Day>,
    /// What the instalment came to.
    amount: Money,
    /// Everything that is open of it.
    open: Money,
    principal: Money,
    interest: Money,
    costs: Money,
    /// Days past the due date; below zero before it, `null` while there is none.
    days_late: Option<i64>,
    disputed: bool,
    dunning_level: u8,
    retention: bool,
}

impl OpenItemAnswer {
    pub(super) fn of(it: &OpenItem, day: chrono::NaiveDate) -> Self {
        let money = |amount| money(amount, it.currency);
        Self {
            invoice_number: it.invoice_number.clone(),
            instalment: it.instalment,
            order_number: it.order_number.clone(),
            posted_on: Day(it.posted_on),
            due_on: it.due_on.map(Day),
            original_due_on: it.original_due_on.map(Day),
            amount: money(it.amount),
            open: money(it.open()),
            principal: money(it.principal),
            interest: money(it.interest),
            costs: money(it.costs),
            days_late: it.days_late(day),
            disputed: it.disputed,
            dunning_level: it.dunning_level,
            retention: it.retention,
        }
    }
}

/// A customer's open items as of a day, by due date.
#[derive(Serialize, ToSchema)]
pub(super) struct OpenItems {
    pub(super) as_of: Day,
    pub(super) open_items: Vec<OpenItemAnswer>,
}

/// A customer's receipts and credit notes, by day.
#[derive(Serialize, ToSchema)]
pub(super) struct Receipts {
    pub(super) receipts: Vec<SourceAnswer>,
}

/// Money or a credit note that nothing was paid with yet.
#[derive(Serialize, ToSchema)]
pub(super) struct UnallocatedAnswer {
    /// The customer's number.
    customer: String,
    /// `receipt` or `credit_note`.
    #[serde(rename = "type")]
    kind: String,
    /// The payment's reference, or the credit note's number.
    reference: String,
    /// The day it counts from.
    posted_on: Day,
    /// Whether it is certain; what is not lowers no exposure.
    cleared: bool,
    /// What is left of it.
    unallocated: Money,
}

impl UnallocatedAnswer {
    pub(super) fn of(it: &UnallocatedCredit, code: &str) -> Self {
        Self {
            customer: code.to_owned(),
            kind: if it.cash { "receipt" } else { "credit_note" }.to_owned(),
            reference: it.source.clone(),
            posted_on: Day(it.posted_on),
            cleared: it.cleared,
            unallocated: money(it.amount, it.currency),
        }
    }
}

/// A customer's credits that nothing was paid with yet.
#[derive(Serialize, ToSchema)]
pub(super) struct Unallocated {
    pub(super) as_of: Day,
    pub(super) unallocated: Vec<UnallocatedAnswer>,
}

/// Money whose payer nobody knows yet.
#[derive(Serialize, ToSchema)]
pub(super) struct UnidentifiedAnswer {
    reference: String,
    valued_on: Day,
    /// The day it counts from once its payer is known.
    posted_on: Day,
    amount: Money,
    /// The payer as the bank names it.
    payer: String,
    /// What the payer wrote.
    text: String,
    #[schema(format = "date-time")]
    arrived_at: String,
}

impl From<&UnidentifiedReceipt> for UnidentifiedAnswer {
    fn from(it: &UnidentifiedReceipt) -> Self {
        Self {
            reference: it.reference.clone(),
            valued_on: Day(it.valued_on),
            posted_on: Day(it.counts_from()),
            amount: it.amount.into(),
            payer: it.payer.clone(),
            text: it.text.clone(),
            arrived_at: it.arrived_at.to_string(),
        }
    }
}

/// What came of recording money of nobody known.
#[derive(Serialize, ToSchema)]
pub(super) struct UnidentifiedOutcome {
    pub(super) unidentified: UnidentifiedAnswer,
}

/// What finance works through: money that pays nothing yet, and money of nobody known.
#[derive(Serialize, ToSchema)]
pub(super) struct Unmatched {
    pub(super) as_of: Day,
    /// By day.
    pub(super) unallocated: Vec<UnallocatedAnswer>,
    /// By value date.
    pub(super) unidentified: Vec<UnidentifiedAnswer>,
    /// Numbers of customers whose books contradict themselves, so that nothing can be said of them.
    pub(super) contradictory: Vec<String>,
}

/// An order of a rep as the company decided about it.
#[derive(Serialize, ToSchema)]
pub(super) struct OrderAnswer {
    /// Its id.
    #[schema(format = "uuid")]
    id: String,
    number: String,
    /// The customer's number.
    customer: String,
    #[schema(format = "date-time")]
    received_at: String,
    /// What was ordered.
    total: Option<Money>,
    /// `held`, `released`, `refused`, ….
    standing: String,
    /// The rules that it failed, in sentences for a customer.
    reasons: Vec<String>,
}

impl OrderAnswer {
    pub(super) fn of(it: &OrderDecision, code: &str) -> Self {
        let zero = fieldledger_core::model::Money::zero(it.currency);
        let total = it.lines.values().try_fold(zero, |sum, line| {
            sum.checked_add(line.value(line.ordered, it.currency)?)
        });
        let check = it.events.iter().rev().find_map(|event| event.check.as_ref());
        let failed = check
            .into_iter()
            .flat_map(|check| check.rules.iter().filter(|rule| !rule.passed));
        Self {
            id: it.order.to_string(),
            number: it.number.clone(),
            customer: code.to_owned(),
            received_at: it.received_at.to_string(),
            total: total.ok().map(Money::from),
            standing: name_of(&it.standing),
            reasons: failed.map(|rule| rule.sentence.clone()).collect(),
        }
    }
}

/// Orders that wait for a person, the oldest first.
#[derive(Serialize, ToSchema)]
pub(super) struct HeldOrders {
    pub(super) held_orders: Vec<OrderAnswer>,
}

/// What came of a decision about a held order.
#[derive(Serialize, ToSchema)]
pub(super) struct OrderOutcome {
    pub(super) order: OrderAnswer,
}
