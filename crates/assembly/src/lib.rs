//! The fold from notifications to records of whole calls.

mod assembler;
mod book;
mod change;
mod description;
mod directory;
mod event;
mod event_log;
mod fold;
mod forgotten;
mod gate;
mod legs;
pub mod limits;
mod names;
mod numbers;
mod offline;
mod parts;
mod phone_number;
mod relations;
mod reports;
mod session;
mod settings;
mod uuid;

pub use assembler::{Assembler, Left, Question, Restoring};
pub use change::{Change, Changes};
pub use directory::{Directory, Entry, EntryKind};
pub use gate::Contradiction;
pub use names::{LearntName, Names};
pub use offline::{Calls, Collection};
pub use phone_number::normalized_phone_number;
pub use settings::Settings;
