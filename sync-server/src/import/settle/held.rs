//! What is stored of a customer, brought together with what the rows say.

use std::collections::BTreeMap;

use fieldledger_core::{
    model::{Allocation, AllocationPart, Contract, CreditNote, Invoice, Receipt},
    rules::allocation,
};
use rust_decimal::Decimal;

use super::{Frame, parts};
use crate::store::CustomerLedger;

/// What the books of a customer hold, rows and stored records together, by number and reference.
#[derive(Default)]
pub(super) struct Held {
    pub(super) invoices: BTreeMap<String, Invoice>,
    pub(super) receipts: BTreeMap<String, Receipt>,
    pub(super) credit_notes: BTreeMap<String, CreditNote>,
}

/// The contract of a row, with what finance has said of its terms and of a breach.
pub(super) fn contract(row: Contract, known: Option<&CustomerLedger>) -> Result<Contract, String> {
    let mut stored = known.iter().flat_map(|it| &it.contracts);
    let Some(stored) = stored.find(|it| it.number == row.number) else {
        return Ok(row);
    };
    let same = stored.milestones == row.milestones && stored.acceptance_criteria == row.acceptance_criteria;
    if stored.review.is_some() && !same {
        return Err(format!(
            "finance has reviewed other terms of contract {}; record the new ones as another contract",
            row.number
        ));
    }
    Ok(Contract {
        breach: stored.breach.clone(),
        review: stored.review.clone(),
        ..row
    })
}

impl Held {
    pub(super) fn of(known: Option<&CustomerLedger>) -> Self {
        let Some(known) = known else {
            return Self::default();
        };
        let invoices = known.invoices.iter().map(|it| (it.number.clone(), it.clone()));
        let receipts = known.receipts.iter().map(|it| (it.reference.clone(), it.clone()));
        let credit_notes = known.credit_notes.iter().map(|it| (it.number.clone(), it.clone()));
        Self {
            invoices: invoices.collect(),
            receipts: receipts.collect(),
            credit_notes: credit_notes.collect(),
        }
    }

    /// How much of the principal of an invoice, or of one of its instalments, is paid by allocations that nobody has
    /// reversed.
    fn paid_on(&self, number: &str, instalment: Option<u32>) -> Decimal {
        let cash = self.receipts.values().flat_map(|it| &it.allocations);
        let all = cash.chain(self.credit_notes.values().flat_map(|it| &it.allocations));
        let counting = all.filter(|it| {
            it.invoice_number == number
                && instalment.is_none_or(|no| it.instalment == no)
                && it.reversed_on.is_none()
                && it.part == AllocationPart::Principal
        });
        counting.fold(Decimal::ZERO, |sum, it| sum.saturating_add(it.amount))
    }

    /// Takes in the row of an invoice; tells its number, or why it cannot be.
    pub(super) fn invoice(&mut self, mut row: Invoice, frame: &Frame<'_>) -> Result<String, String> {
        let number = row.number.clone();
        parts::keep_off_holidays(&mut row, frame)?;
        let Some(stored) = self.invoices.get(&number) else {
            let posted_on = frame.posted(row.invoiced_on);
            self.invoices.insert(number.clone(), Invoice { posted_on, ..row });
            return Ok(number);
        };
        let (instalments, due_on) = parts::brought_together(&row, stored, frame)?;
        let invoice = Invoice {
            customer: row.customer,
            order_number: row.order_number,
            contract_number: row.contract_number.or_else(|| stored.contract_number.clone()),
            invoiced_on: row.invoiced_on,
            due_on,
            amount: row.amount,
            // Goods are also what is written where the source says nothing.
            kind: if row.kind.is_goods() { stored.kind } else { row.kind },
            instalments,
            ..stored.clone()
        };
        let paid = self.paid_on(&number, None);
        let moved = invoice.amount.currency != stored.amount.currency;
        if invoice.amount != stored.amount && (paid > invoice.amount.amount || (paid > Decimal::ZERO && moved)) {
            return Err(format!(
                "{paid} of invoice {number} is paid, which is {} here; enter a credit note, or reverse the allocation",
                stored.amount
            ));
        }
        if invoice.instalments != stored.instalments {
            for part in &invoice.instalments {
                let paid = self.paid_on(&number, Some(part.no));
                if paid > part.amount {
                    return Err(format!(
                        "{paid} of instalment {} of invoice {number} is paid, more than it comes to now; reverse an \
                         allocation first",
                        part.no
                    ));
                }
            }
        }
        if invoice != *stored {
            invoice
                .validate()
                .map_err(|error| format!("invoice {number}: {error}"))?;
        }
        self.invoices.insert(number.clone(), invoice);
        Ok(number)
    }

    /// Takes in the row of a credit note; tells its number, or why it cannot be.
    pub(super) fn credit_note(&mut self, row: CreditNote, frame: &Frame<'_>) -> Result<String, String> {
        let number = row.number.clone();
        let Some(stored) = self.credit_notes.get(&number) else {
            let posted_on = frame.posted(row.credited_on);
            self.credit_notes
                .insert(number.clone(), CreditNote { posted_on, ..row });
            return Ok(number);
        };
        let note = CreditNote {
            invoice_number: row.invoice_number.or_else(|| stored.invoice_number.clone()),
            credited_on: row.credited_on,
            amount: row.amount,
            reason: if row.reason.is_empty() {
                stored.reason.clone()
            } else {
                row.reason
            },
            ..stored.clone()
        };
        let taken = taken(&stored.allocations);
        let moved = note.amount.currency != stored.amount.currency || note.invoice_number != stored.invoice_number;
        if taken > note.amount.amount || (moved && taken > Decimal::ZERO) {
            return Err(format!(
                "credit note {number} is set against items for {taken}, which the row does not allow; reverse an \
                 allocation first"
            ));
        }
        if note != *stored {
            note.validate()
                .map_err(|error| format!("credit note {number}: {error}"))?;
        }
        self.credit_notes.insert(number.clone(), note);
        Ok(number)
    }

    /// Takes in the row of a receipt; tells its reference, or why it cannot be.
    pub(super) fn receipt(&mut self, row: Receipt, frame: &Frame<'_>) -> Result<String, String> {
        let reference = row.reference.clone();
        let Some(stored) = self.receipts.get(&reference) else {
            let posted_on = frame.posted(row.valued_on);
            self.receipts.insert(reference.clone(), Receipt { posted_on, ..row });
            return Ok(reference);
        };
        // Where finance said when the money became certain, that stays; and what is certain does not become uncertain.
        let as_valued = stored.cleared_on == Some(stored.valued_on);
        let cleared_on = match (stored.cleared_on, row.cleared_on) {
            (None, said) => said,
            (Some(_), Some(said)) if as_valued => Some(said),
            (before, _) => before,
        };
        let mut receipt = Receipt {
            valued_on: row.valued_on,
            cleared_on,
            amount: row.amount,
            pays: row.pays,
            channel: if row.channel == Default::default() {
                stored.channel.clone()
            } else {
                row.channel
            },
            ..stored.clone()
        };
        let taken = taken(&stored.allocations);
        let moved = receipt.amount.currency != stored.amount.currency;
        if taken > receipt.amount.amount || (moved && taken > Decimal::ZERO) {
            return Err(format!(
                "receipt {reference} is set against items for {taken}, more than it comes to now; reverse an allocation first"
            ));
        }
        if let (None, Some(day)) = (stored.bounced_on, row.bounced_on) {
            let day = frame.posted(day).unwrap_or(day);
            allocation::bounce(&mut receipt, day, "returned by the bank")
                .map_err(|error| format!("receipt {reference}: {error}"))?;
        }
        if receipt != *stored {
            receipt
                .validate()
                .map_err(|error| format!("receipt {reference}: {error}"))?;
        }
        self.receipts.insert(reference.clone(), receipt);
        Ok(reference)
    }
}

/// How much is set against items, by allocations that nobody has reversed.
fn taken(allocations: &[Allocation]) -> Decimal {
    let counting = allocations.iter().filter(|it| it.reversed_on.is_none());
    counting.fold(Decimal::ZERO, |sum, it| sum.saturating_add(it.taken()))
}
