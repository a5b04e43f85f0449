//! The pages on the real router, over a store in memory.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod access;
mod activity;
mod audit;
mod customers;
mod deliveries;
mod desk;
mod devices;
mod feed;
mod people;
mod receivables;
mod records;
mod routes;
mod samples;
mod statement;
mod team;
mod today;
mod world;
