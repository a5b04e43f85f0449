//! Offline allowances (离线授信额度): two reps without a network never sell the same credit twice.
//!
//! The server reserves first and promises then ([`issue`]); the phone spends what it was promised ([`DeviceGrant`]); the
//! server moves what was spent from the reserve to the exposure ([`settle`]) and frees the rest once the phone has said
//! that it will spend no more ([`close`]). With limit L, exposure X and G = the sum of [`unsettled`] over a customer's
//! grants, every grant and every online approval needs X + G + new ≤ L ([`CreditPosition::fits`]), asked under that
//! customer's lock. Whatever the network loses, repeats or reorders and whatever the phones' clocks say, what is
//! approved then never exceeds L, save for growth from outside (a returned cheque, a rate, an imported invoice).
//!
//! Everything here is a pure function of its arguments; the caller stores the outcome in one transaction.

mod device;
mod issue;
mod settle;
#[cfg(test)]
mod simulation;
mod terms;
#[cfg(test)]
mod tests;

pub use device::{ClockFreeze, ClockReading, DeviceClock, DeviceGrant, SpendRefusal, SpendRequest};
pub use issue::{CreditPosition, GrantRequest, NoGrant, issue, recalls, suggest, usual_order};
pub use settle::{
    Arrival, CloseOutcome, NotFreed, Settlement, close, expire, is_freed, missing, recall, reserved, settle, take_back,
    unsettled, worst_case, write_off,
};
