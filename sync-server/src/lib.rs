//! Fieldledger's sync server: accepts what phones recorded, keeps it, and shows it to supervisors.

pub mod clock;
pub mod store;
