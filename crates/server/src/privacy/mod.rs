//! Erases people from stored data, masks numbers in redacted records, and computes the pseudonyms for both.

pub(crate) mod erasure;
mod json_rewrite;
pub(crate) mod masking;
mod person;
pub(crate) mod pseudonym;
