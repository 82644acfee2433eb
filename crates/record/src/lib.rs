//! The record of a whole call.
//!
//! The types in [`call`] are the contract (`docs/contract.md`) in Rust; [`Call::violations`] lists the
//! contradictions in a record. The other modules render records for people and for other programs: [`table`],
//! [`drawing`] and [`svg`] (of [`lanes`]), [`story`], [`csv`], [`vcon`]. Nothing here knows where a record
//! came from.

pub mod call;
pub mod csv;
pub mod drawing;
pub mod id;
mod invariants;
mod json;
pub mod lanes;
mod repair;
pub mod schema;
pub mod screen;
pub mod story;
pub mod svg;
pub mod table;
pub mod time;
pub mod vcon;
pub mod words;

pub use call::Call;
pub use id::{AccountId, CallId, LegId, ParticipantId, PartyId, SessionId};
pub use json::WriteJson;
pub use time::Time;
