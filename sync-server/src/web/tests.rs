//! The pages on the real router, over a store in memory.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod access;
mod activity;
mod devices;
mod feed;
mod records;
mod samples;
mod statement;
mod today;
mod world;
