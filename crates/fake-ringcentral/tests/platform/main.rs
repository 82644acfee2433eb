//! The simulated platform, as its clients use it; each test advances its clock.

#![allow(clippy::unwrap_used, reason = "a test fails without it")]

mod call_log;
mod harness;
mod subscriptions;
mod tokens;
