//! A service's stored data: checked, repaired, backed up, counted, removed by retention, and erased.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "what a test cannot go on without fails it")]

mod backlog;
mod bad_rows;
mod check;
mod damaged_pages;
mod directories;
mod erase;
mod integrity;
mod names;
mod neighbours;
mod request_ids;
mod retention;
mod service;
mod stats;
mod webhook_history;
