//! The command line, as it is run.

mod bad_input;
mod formats;
mod generate;
mod look;
mod run;
mod shapes;
mod stream;
mod vast_input;
mod vcon;
