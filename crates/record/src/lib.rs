//! The record of a whole call: its types and its invariants.
//!
//! The types in [`call`] are the contract (`docs/contract.md`) in Rust; [`Call::violations`] lists the contradictions
//! in a record; [`explanation`] has the facts behind one. Nothing here knows where a record came from or how it is
//! displayed.

pub mod call;
pub mod display;
pub mod explanation;
pub mod id;
mod invariants;
mod json;
pub mod phone;
mod repair;
pub mod schema;
mod short_text;
mod time;

pub use call::Call;
pub use explanation::Explanation;
pub use id::{AccountId, CallId, LegId, ParticipantId, PartyId, SessionId};
pub use json::WriteJson;
pub use short_text::ShortText;
pub use time::Time;
