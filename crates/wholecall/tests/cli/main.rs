//! Runs the program and checks its output.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "what a test cannot go on without fails it")]

mod bad_input;
mod formats;
mod generate;
mod large_input;
mod run;
mod shapes;
mod show;
mod simulate;
mod stream;
mod vcon;
