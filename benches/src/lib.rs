//! Input for benchmarks and long checks, and the service as a process to measure.

pub mod neighbours;
pub mod service;
pub mod simulated;
mod traffic;

pub use traffic::{as_they_happen, call_number, examples, fill, long_queue, mix};
