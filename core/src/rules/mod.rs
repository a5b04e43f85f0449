//! The business's rules as pure functions: no I/O, no clock, no randomness. Phone and server run the same code.

pub mod ageing;
pub mod allocation;
pub mod allowance;
pub mod authority;
pub mod books;
pub mod credit;
pub mod dunning;
pub mod evidence;
pub mod exposure;
pub mod extension;
pub mod figures;
pub mod geofence;
pub mod interest;
pub mod orders;
pub mod performance;
pub mod promises;
pub mod statement;
pub mod suspension;
pub mod terms;
pub mod timers;
pub mod warnings;
pub mod wording;
pub mod words;
pub mod worklist;
