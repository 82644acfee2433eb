//! Calls with known records, assembled by the program: the golden cases and recorded streams.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "what a test cannot go on without fails it")]

mod compare;
mod golden;
mod program;
mod recorded;
mod variants;
