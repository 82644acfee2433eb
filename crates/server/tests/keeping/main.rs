//! What a service keeps: checked, copied, counted, removed when its time is over, and a person erased from it.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "what a test cannot go on without fails it")]

mod bad_rows;
mod check;
mod damaged_pages;
mod directories;
mod erase;
mod integrity;
mod names;
mod neighbours;
mod retention;
mod service;
mod stats;
mod told;
mod waiting;
