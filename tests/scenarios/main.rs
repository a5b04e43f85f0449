//! Stories with named people, each against a real server: 李娜 and Marta sell, 老王 drives, 陈静 supervises.
#![allow(clippy::unwrap_used, clippy::expect_used)]
