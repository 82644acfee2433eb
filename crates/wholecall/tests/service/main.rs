//! Tests of `wholecall serve`: the real program with real sockets and a real disk.
//!
//! `WHOLECALL_CRASH_ROUNDS` sets the number of kills under load (8 by default).

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "what a test cannot go on without fails it")]

mod auditing;
mod calls;
mod changes;
mod clocks;
mod connecting;
mod crash;
mod directory;
mod document;
mod harness;
mod isolation;
mod keys;
mod live_calls;
mod neighbours;
mod operating;
#[path = "../pages/mod.rs"]
mod pages;
mod queries;
mod receiving;
mod rejected;
mod restart;
mod simulated;
mod stopped;
mod stopping;
mod traffic;
mod trouble;
mod webhooks;
