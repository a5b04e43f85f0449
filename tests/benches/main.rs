//! Measures Fieldledger beside two baselines in the same run.
fn main() {}
