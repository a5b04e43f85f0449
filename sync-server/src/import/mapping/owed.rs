//! Sections about what customers owe and what was decided about their credit.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{Condition, Field, Join, Source};

section! {
    /// Contracts.
    Contracts {
        /// Number.
        number: Field,
        /// Key of the customer.
        customer: Field,
        /// When it was signed.
        signed_on: Field,
        /// What has to be there for an acceptance; needed when a milestone hangs on one.
        acceptance_criteria: Option<Field>,
        /// When what is due.
        milestones: Milestones,
    }
}

section! {
    /// Milestones of contracts, in the order of the file; those of a contract sum to 100 %.
    Milestones {
        /// Number of the contract.
        contract: Field,
        /// What it is called.
        name: Field,
        /// Its share of the price, in percent.
        percent: Field,
        /// The event it counts from: contract, order, delivery, acceptance or invoice.
        event: Field,
        /// Days after the event.
        days: Option<Field>,
        /// Months after the event.
        months: Option<Field>,
        /// Days after the end of the event's month. A row has exactly one of the three.
        end_of_month: Option<Field>,
        /// Whether the customer keeps it back until then.
        retention: Option<Field>,
    }
}

section! {
    /// Invoices.
    Invoices {
        /// Number.
        number: Field,
        /// Number of the order it charges.
        order: Option<Field>,
        /// Key of the customer; the order's when left out.
        customer: Option<Field>,
        /// Date.
        invoiced_on: Field,
        /// When payment is due.
        due_on: Option<Field>,
        /// Days from the invoice's date until payment is due, where `due_on` is left out.
        terms_days: Option<Field>,
        /// Amount; the order's total when left out.
        amount: Option<Field>,
        /// What it charges for: goods (also when left out), interest, costs or other.
        kind: Option<Field>,
        /// Number of the contract it was written under. Where no due date is given, the contract's milestones give its
        /// instalments.
        contract: Option<Field>,
        /// When the goods were signed for; milestones on the delivery count from it.
        delivered_on: Option<Field>,
        /// When the customer accepted the goods; milestones on the acceptance count from it.
        accepted_on: Option<Field>,
    }
}

section! {
    /// Parts of invoices; those of an invoice are numbered 1, 2, 3, … and sum to its amount.
    Instalments {
        /// Number of the invoice.
        invoice: Field,
        /// Which part, from 1.
        no: Field,
        /// Its share, in the invoice's currency.
        amount: Field,
        /// When it is due. Only a retention may have no date yet.
        due_on: Field,
        /// Whether the customer keeps it back until then.
        retention: Option<Field>,
    }
}

section! {
    /// Times during which a customer disputed an invoice.
    Disputes {
        /// Number of the invoice.
        invoice: Field,
        /// Which part; 1 when left out.
        instalment: Option<Field>,
        /// First day.
        opened_on: Field,
        /// First day on which it was settled; empty while it lasts.
        settled_on: Option<Field>,
        /// What is disputed.
        reason: Option<Field>,
    }
}

section! {
    /// Later due dates that were approved; the original ones stay.
    Extensions {
        /// Number of the invoice.
        invoice: Field,
        /// Which part; 1 when left out.
        instalment: Option<Field>,
        /// The day it was approved.
        approved_on: Field,
        /// The new due date.
        due_on: Field,
        /// Why.
        reason: Field,
    }
}

section! {
    /// Receipts.
    Receipts {
        /// The payment's reference, unique for the customer.
        reference: Field,
        /// Key of the customer.
        customer: Field,
        /// The bank's value date.
        valued_on: Field,
        /// Amount.
        amount: Field,
        /// Number of the order or invoice that the customer named.
        pays: Option<Field>,
        /// From when the money is certain; not yet where it is empty. The value date when left out.
        cleared_on: Option<Field>,
        /// When it was returned (a bounced cheque).
        bounced_on: Option<Field>,
        /// How it was paid: bank (also when left out), cheque, cash, wechat_pay, alipay, private_account, or another way
        /// by its name.
        channel: Option<Field>,
    }
}

section! {
    /// Credit notes.
    CreditNotes {
        /// Number.
        number: Field,
        /// Key of the customer; that of the invoice when left out.
        customer: Option<Field>,
        /// Number of the invoice it corrects; needed where there is no customer.
        invoice: Option<Field>,
        /// Its date.
        credited_on: Field,
        /// How much, more than zero.
        amount: Field,
        /// Why.
        reason: Option<Field>,
    }
}

section! {
    /// Decisions about credit, one row for each customer.
    Credit {
        /// Key of the customer.
        customer: Field,
        /// The limit. A row without one is an error unless `no_limit` says so.
        limit: Option<Field>,
        /// Whether the customer explicitly has no limit.
        no_limit: Option<Field>,
        /// Grade: A, B, C or D.
        grade: Option<Field>,
        /// Days of credit; those of the grade when left out.
        terms_days: Option<Field>,
        /// Whether the account is on hold.
        on_hold: Option<Field>,
        /// Special liabilities.
        special_liabilities: Option<Field>,
        /// Day of the credit assessment; needs `assessor` and `valid_until`.
        assessed_on: Option<Field>,
        /// Who assessed.
        assessor: Option<Field>,
        /// On what grounds.
        evidence: Option<Field>,
        /// Last day on which the assessment counts.
        valid_until: Option<Field>,
    }
}

section! {
    /// Decisions about credit of former and later days, besides the one of `credit`.
    CreditHistory {
        /// Key of the customer.
        customer: Field,
        /// First day on which it holds.
        effective_from: Field,
        /// The limit. A row without one is an error unless `no_limit` says so.
        limit: Option<Field>,
        /// Whether the customer explicitly had no limit.
        no_limit: Option<Field>,
        /// Grade: A, B, C or D.
        grade: Option<Field>,
        /// Days of credit; those of the grade when left out.
        terms_days: Option<Field>,
        /// Why it was decided.
        reason: Field,
    }
}
