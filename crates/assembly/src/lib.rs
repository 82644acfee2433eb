//! Assembles RingCentral's telephony session notifications into records of whole calls.
//!
//! [`Collection`] makes the records of a closed set of notifications; [`Assembler`] publishes versions while calls happen.
//! A record depends on the set of notifications and not on their order.
//!
//! The crate does no I/O, reads no clock and starts no thread. The caller of an [`Assembler`] passes the time with each
//! input, publishes the changes that it returns, and then waits until [`Assembler::next_due`]. The assembler requests
//! lookups at RingCentral by [`Assembler::poll_lookups`]; the caller passes the answers to [`Assembler::receive`].

mod assembler;
mod change;
mod consistency;
mod description;
mod directory;
mod event;
mod event_log;
mod evicted;
mod fold;
mod index;
mod key_slab;
mod legs;
pub mod limits;
mod lookups;
mod names;
mod numbers;
mod offline;
mod phone_number;
mod rank;
mod related;
mod session;
mod session_graph;
mod session_node;
mod settings;
mod union_find;
mod uuid;

pub use assembler::{Assembler, CallSnapshot, Lookup, RestoreBuilder};
pub use change::{Change, Changes};
pub use consistency::Contradiction;
pub use directory::{Directory, DirectoryEntry, ExtensionKind};
pub use names::{LearnedName, LearnedNames};
pub use offline::{AssembledCalls, Collection};
pub use phone_number::normalized_phone_number;
pub use settings::Settings;

/// Reads the notifications: the version of the crate that this one uses.
pub use wholecall_notification as notification;
/// The record: the version of the crate that this one uses.
pub use wholecall_record as record;
