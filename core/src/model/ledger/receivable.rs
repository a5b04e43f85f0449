//! What is owed and what was paid: invoices with instalments, credit notes, receipts and their allocation.

use chrono::NaiveDate;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::DueRule;
use crate::model::{CustomerId, DocumentId, LineId, Money, Timestamp, UserId};

/// An invoice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct Invoice {
    /// Its number, leading zeros kept.
    pub number: String,
    /// Who owes.
    pub customer: CustomerId,
    /// The order it charges.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub order_number: Option<String>,
    /// The contract whose terms it follows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub contract_number: Option<String>,
    /// Its date.
    pub invoiced_on: NaiveDate,
    /// When payment is due; with instalments, when the last one with a date is.
    pub due_on: NaiveDate,
    /// How much, gross of tax.
    pub amount: Money,
    /// What it charges for.
    #[serde(default, rename = "type", skip_serializing_if = "InvoiceType::is_goods")]
    pub kind: InvoiceType,
    /// The day it counts from in the books; `None`: [`Self::invoiced_on`]. Later for one that came when the books of
    /// its day were closed, so that a past report never changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub posted_on: Option<NaiveDate>,
    /// Its parts with a due date each; empty means one of everything, due on [`Self::due_on`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub instalments: Vec<Instalment>,
    /// Which quantities of the order's lines it charges; empty when the source does not say.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub lines: Vec<InvoiceLine>,
}

impl Invoice {
    /// An invoice for goods that is due as a whole on `due_on`.
    pub fn new(
        number: impl Into<String>,
        customer: CustomerId,
        invoiced_on: NaiveDate,
        due_on: NaiveDate,
        amount: Money,
    ) -> Self {
        Self {
            number: number.into(),
            customer,
            order_number: None,
            contract_number: None,
            invoiced_on,
            due_on,
            amount,
            kind: InvoiceType::Goods,
            posted_on: None,
            instalments: Vec::new(),
            lines: Vec::new(),
        }
    }
}

/// What an invoice charges for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Enum))]
#[serde(rename_all = "snake_case")]
pub enum InvoiceType {
    /// Goods.
    #[default]
    Goods,
    /// Late interest.
    Interest,
    /// Costs of collecting.
    Costs,
    /// Anything else.
    Other,
}

impl InvoiceType {
    /// Whether goods are charged.
    #[allow(clippy::trivially_copy_pass_by_ref)] // as serde calls it
    pub fn is_goods(&self) -> bool {
        *self == Self::Goods
    }
}

/// A quantity of an order's line that an invoice charges.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct InvoiceLine {
    /// The line of the order.
    pub line: LineId,
    /// How much of it.
    pub quantity: Decimal,
}

/// One part of an invoice with a due date of its own (期).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct Instalment {
    /// Counted from 1 within the invoice.
    pub no: u32,
    /// Its share of the invoice, in the invoice's currency.
    pub amount: Decimal,
    /// When it is due, extensions apart; `None` while the event it counts from has not happened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub due_on: Option<NaiveDate>,
    /// The rule that gives the due date, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub rule: Option<DueRule>,
    /// Kept back by the customer until a later day (质保金); counts in the exposure before it is due.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub retention: bool,
    /// Interest and costs charged on it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub charges: Vec<Charge>,
    /// Later due dates that were approved; the original one stays.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub extensions: Vec<Extension>,
    /// Times during which the customer disputed it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub disputes: Vec<Dispute>,
    /// Reminders sent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub dunning: Vec<DunningNotice>,
}

impl Instalment {
    /// A part of `amount` that is due on `due_on`, with nothing else to say about it.
    pub fn new(no: u32, amount: Decimal, due_on: Option<NaiveDate>) -> Self {
        Self {
            no,
            amount,
            due_on,
            rule: None,
            retention: false,
            charges: Vec::new(),
            extensions: Vec::new(),
            disputes: Vec::new(),
            dunning: Vec::new(),
        }
    }
}

/// Interest or costs charged on an instalment. Stays owed after the principal is paid.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct Charge {
    /// What for.
    pub kind: ChargeKind,
    /// How much, in the invoice's currency.
    pub amount: Decimal,
    /// The day it counts from.
    pub posted_on: NaiveDate,
    /// How it came about.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub reason: String,
}

/// What a charge is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Enum))]
#[serde(rename_all = "snake_case")]
pub enum ChargeKind {
    /// Late interest.
    Interest,
    /// Costs of collecting.
    Cost,
}

/// An approved later due date (延期).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct Extension {
    /// The day it was approved.
    pub approved_on: NaiveDate,
    /// The new due date.
    pub due_on: NaiveDate,
    /// Who approved; `None` for an import and for other software, which the audit log names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub by: Option<UserId>,
    /// Why.
    pub reason: String,
}

/// A time during which the customer disputed an item.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct Dispute {
    /// First day.
    pub opened_on: NaiveDate,
    /// First day on which it was settled; `None` while it lasts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub settled_on: Option<NaiveDate>,
    /// What is disputed.
    pub reason: String,
}

/// A reminder that was sent (催收).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct DunningNotice {
    /// The level reached.
    pub level: u8,
    /// When.
    pub on: NaiveDate,
}

/// A credit note.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct CreditNote {
    /// Its number.
    pub number: String,
    /// Who owes less.
    pub customer: CustomerId,
    /// The invoice it corrects, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub invoice_number: Option<String>,
    /// Its date.
    pub credited_on: NaiveDate,
    /// The day it counts from in the books; `None`: [`Self::credited_on`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub posted_on: Option<NaiveDate>,
    /// How much, gross of tax, more than zero.
    pub amount: Money,
    /// Why.
    #[serde(default)]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub reason: String,
    /// What it was set against.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub allocations: Vec<Allocation>,
}

/// Money that arrived (回款).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct Receipt {
    /// The payment's reference.
    pub reference: String,
    /// Who paid.
    pub customer: CustomerId,
    /// The bank's value date.
    pub valued_on: NaiveDate,
    /// How much.
    pub amount: Money,
    /// The order or invoice the customer named; `None` when nothing was named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub pays: Option<String>,
    /// The day it counts from in the books; `None`: [`Self::valued_on`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub posted_on: Option<NaiveDate>,
    /// The day from which the money is certain; `None` while it is not. Before that it lowers nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub cleared_on: Option<NaiveDate>,
    /// The day it was returned (a bounced cheque); from then on it pays nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub bounced_on: Option<NaiveDate>,
    /// How it was paid.
    #[serde(default)]
    pub channel: PaymentChannel,
    /// What the customer wants it to pay, in this order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub instructions: Vec<PaymentInstruction>,
    /// What it was set against.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub allocations: Vec<Allocation>,
    /// When finance knew of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub arrived_at: Option<Timestamp>,
    /// When sales was told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub sales_told_at: Option<Timestamp>,
    /// When sales confirmed it to the customer: the note that says so came in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub customer_told_at: Option<Timestamp>,
    /// That note.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub customer_told_by: Option<DocumentId>,
    /// When the receipt or invoice went out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub document_sent_at: Option<Timestamp>,
}

impl Receipt {
    /// Cleared money of `customer`, named by nothing and set against nothing.
    pub fn cleared(reference: impl Into<String>, customer: CustomerId, valued_on: NaiveDate, amount: Money) -> Self {
        Self {
            reference: reference.into(),
            customer,
            valued_on,
            amount,
            pays: None,
            posted_on: None,
            cleared_on: Some(valued_on),
            bounced_on: None,
            channel: PaymentChannel::default(),
            instructions: Vec::new(),
            allocations: Vec::new(),
            arrived_at: None,
            sales_told_at: None,
            customer_told_at: None,
            customer_told_by: None,
            document_sent_at: None,
        }
    }

    /// The key of its record: references are the bank's or the payer's, so two customers may use one.
    pub fn key(&self) -> String {
        format!("{}:{}", self.customer, self.reference)
    }
}

/// How money comes in.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Enum))]
#[serde(rename_all = "snake_case")]
pub enum PaymentChannel {
    /// A transfer to the company's account.
    #[default]
    Bank,
    /// A cheque or bill; certain only once cleared.
    Cheque,
    /// Notes and coins.
    Cash,
    /// WeChat Pay to the company.
    WechatPay,
    /// Alipay to the company.
    Alipay,
    /// Somebody's private account; only where the contract says so.
    PrivateAccount,
    /// Another way, by its name.
    #[serde(untagged)]
    Other(String),
}

/// What a customer wants a payment to pay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct PaymentInstruction {
    /// Number of the invoice.
    pub invoice_number: String,
    /// One of its instalments; `None`: the oldest open first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub instalment: Option<u32>,
    /// How much of it, in the receipt's currency; `None`: as much as is owed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub amount: Option<Decimal>,
}

/// A part of a receipt or credit note that pays a part of an instalment (核销). Never deleted: a reversal gives it an end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct Allocation {
    /// The invoice.
    pub invoice_number: String,
    /// Its instalment.
    pub instalment: u32,
    /// Which part of what is owed.
    pub part: AllocationPart,
    /// How much is paid, in the invoice's currency.
    pub amount: Decimal,
    /// How much of the receipt that took, in the receipt's currency; `None`: the same amount in the same currency.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub taken: Option<Decimal>,
    /// The day it counts from in the books. Set by the server, never before the day it was made.
    pub posted_on: NaiveDate,
    /// The day from which it no longer counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub reversed_on: Option<NaiveDate>,
    /// Why it was reversed.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub reversal_reason: String,
    /// On what grounds it was made.
    pub basis: AllocationBasis,
    /// Who made it; `None` when the rules did, or other software, which the audit log names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub by: Option<UserId>,
}

impl Allocation {
    /// Whether it counts on `day`.
    pub fn counts_on(&self, day: NaiveDate) -> bool {
        self.posted_on <= day && self.reversed_on.is_none_or(|end| day < end)
    }

    /// How much of the receipt or credit note it took, in that one's currency.
    pub fn taken(&self) -> Decimal {
        self.taken.unwrap_or(self.amount)
    }
}

/// Which part of an instalment is paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Enum))]
#[serde(rename_all = "snake_case")]
pub enum AllocationPart {
    /// Costs of collecting.
    Cost,
    /// Late interest.
    Interest,
    /// The goods.
    Principal,
}

/// On what grounds money was set against an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Enum))]
#[serde(rename_all = "snake_case")]
pub enum AllocationBasis {
    /// The customer said so.
    Instruction,
    /// The payment names the invoice or the order.
    Reference,
    /// Exactly one open item has that amount.
    ExactAmount,
    /// The item that was due first.
    OldestDue,
    /// A credit note names the invoice it corrects.
    Correction,
    /// A person decided.
    Manual,
}

/// Money from somebody nobody has recognised: part of the queue that finance works through.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnidentifiedReceipt {
    /// The bank's reference.
    pub reference: String,
    /// The bank's value date.
    pub valued_on: NaiveDate,
    /// How much.
    pub amount: Money,
    /// The day it counts from once its payer is known; `None`: [`Self::valued_on`]. Later for money that came when the
    /// books of its day were closed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub posted_on: Option<NaiveDate>,
    /// The payer as the bank names it.
    #[serde(default)]
    pub payer: String,
    /// What the payer wrote.
    #[serde(default)]
    pub text: String,
    /// When finance knew of it.
    pub arrived_at: Timestamp,
    /// The customer it turned out to be from; there is a [`Receipt`] of the same reference then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identified_as: Option<CustomerId>,
}
