//! Calls with known answers against the command line: the example calls in `golden/`, and recorded streams.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "what a test cannot go on without fails it")]

mod compare;
mod golden;
mod program;
mod recorded;
mod variants;
