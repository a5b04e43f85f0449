//! What the company decides about a customer's money: every decision reads the customer's ledger, applies the rules of
//! the core, and writes in one transaction ([`crate::store::LedgerStore::decide`]).
//!
//! * [`Draft`]: a ledger with what a decision has changed so far; where the customer's credit stands; the new credit file.
//! * `arrivals`: orders, their changes, and words about offline allowances that come in from phones.
//! * [`collecting`]: warnings acknowledged, reminders, stops of supply.
//! * `deliveries`: what was signed for, and the due dates that count from it.
//! * `desk`: what people decide: held orders, grants, credit accounts.
//! * [`finance`]: invoices, receipts, credit notes, contracts and what becomes of them.
//! * [`notes`]: what reps' notes about collecting say.
//! * [`routine`]: what is looked after without anybody asking.
//! * [`signing`]: the server's signature under a grant.
//! * [`statements`]: statements of account, issued and answered.
//! * [`Actor`]: who does it, a person or software.

mod actor;
mod arrivals;
pub mod collecting;
mod deliveries;
mod desk;
mod draft;
pub mod finance;
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
    AccountChange, GrantWish, answer_held_order, change_account, decide_account, decide_held_order, end_leases, grant,
    recall, write_off,
};
pub use draft::Draft;
