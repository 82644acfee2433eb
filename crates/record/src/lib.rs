//! The record of a whole call: what goes out.
//!
//! The types are the contract in Rust; beside them stand the invariants every record keeps
//! ([`Call::violations`]) and the renderings for people. Nothing here knows where a record came from.

pub mod call;
pub mod id;
pub mod json;
pub mod time;

pub use call::Call;
pub use id::{AccountId, CallId, LegId, ParticipantId, PartyId, SessionId};
pub use json::WriteJson;
pub use time::Time;
