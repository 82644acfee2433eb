//! The structure that `ARCHITECTURE.md` promises, held against the imports of every source file.

#![allow(clippy::unwrap_used, reason = "a test fails without it")]

mod circles;
mod imports;
mod rules;
