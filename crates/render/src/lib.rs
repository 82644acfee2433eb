//! Renderings of a call's record for people and for other programs.
//!
//! [`table`] and [`drawing`] are text for terminals, [`svg`] and [`png`] are drawings (of [`lanes`]), [`explanation`]
//! words the facts behind a record, [`csv`] and [`vcon`] are for other programs. A rendering states only what the record
//! or its explanation states.

pub mod csv;
pub mod drawing;
pub mod explanation;
pub mod humanize;
pub mod lanes;
pub mod png;
pub mod svg;
pub mod table;
pub mod terminal;
pub mod vcon;
