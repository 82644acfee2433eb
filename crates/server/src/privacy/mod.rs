//! Erases people from stored data, and replaces numbers by pseudonyms.

pub(crate) mod erasure;
mod json_rewrite;
mod person;
pub(crate) mod pseudonym;
