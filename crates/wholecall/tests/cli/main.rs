//! The command line, as it is run.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "what a test cannot go on without fails it")]

mod bad_input;
mod formats;
mod generate;
mod look;
mod run;
mod shapes;
mod simulate;
mod stream;
mod vast_input;
mod vcon;
