//! What the company decides about a customer's money: every decision reads the customer's ledger, applies the rules of
//! the core, and writes in one transaction ([`crate::store::LedgerStore::decide`]).
//!
//! * [`Draft`]: a ledger with what a decision has changed so far; where the customer's credit stands; the new credit file.
//! * [`allowances`]: what offline allowances come to at worst, and how much to reserve.
//! * `arrivals`: orders, their changes, and words about offline allowances that come in from phones.
//! * [`collecting`]: warnings acknowledged, reminders, stops of supply.
//! * `deliveries`: what was signed for, and the due dates that count from it.
//! * `desk`: what people decide: held orders, grants, credit accounts.
//! * [`finance`]: invoices, receipts, credit notes, contracts and what becomes of them.
//! * [`interest`]: late interest, explained and charged.
//! * [`notes`]: what reps' notes about collecting say.
//! * [`routine`]: what is looked after without anybody asking.
//! * [`signing`]: the server's signature under a grant.
//! * [`statements`]: statements of account, issued and answered.
//! * [`Actor`]: who does it, a person or software.

mod actor;
pub mod allowances;
mod arrivals;
pub mod collecting;
mod deliveries;
mod desk;
mod draft;
pub mod finance;
pub mod interest;
pub mod notes;
pub mod routine;
pub mod signing;
pub mod statements;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;

pub use actor::Actor;
pub use arrivals::{Arrivals, ArrivedOrder, sales_told, take_in};
pub use deliveries::ArrivedDelivery;
pub use desk::{
    AccountChange, GrantWish, answer_held_order, change_account, close_order, decide_account, decide_held_order,
    end_leases, grant, recall, write_off,
};
pub use draft::Draft;

/// The instalment of an invoice, to be changed. An invoice without parts is one of everything; what happens to it needs a
/// place.
fn instalment_of(
    invoice: &mut fieldledger_core::model::Invoice,
    no: u32,
) -> Result<&mut fieldledger_core::model::Instalment, fieldledger_core::model::InvalidField> {
    use fieldledger_core::model::{Instalment, InvalidField};
    if invoice.instalments.is_empty() {
        let whole = Instalment::new(1, invoice.amount.amount, Some(invoice.due_on));
        invoice.instalments.push(whole);
    }
    let part = invoice.instalments.iter_mut().find(|it| it.no == no);
    part.ok_or_else(|| InvalidField::new("instalment", "is not a part of the invoice"))
}
