//! The record of a whole call: what goes out.
//!
//! The types in [`call`] are the contract (`docs/contract.md`) in Rust; [`Call::violations`] tells what contradicts
//! itself in a record. The other modules show records to people and to other programs: [`table`], [`drawing`] and [`svg`]
//! (of [`lanes`]), [`story`], [`csv`], [`vcon`]. Nothing here knows where a record came from.

pub mod call;
mod check;
pub mod csv;
pub mod drawing;
pub mod id;
mod json;
pub mod lanes;
pub mod schema;
pub mod screen;
mod sound;
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
