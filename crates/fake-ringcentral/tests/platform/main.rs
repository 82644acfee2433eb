//! The fake platform, asked as a client would, with its clock in the test's hand.

#![allow(clippy::unwrap_used, reason = "what a test cannot go on without fails it")]

mod harness;
mod logs;
mod subscribing;
mod tokens;
