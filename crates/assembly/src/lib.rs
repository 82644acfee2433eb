//! The fold from notifications to records of whole calls.

mod assembler;
mod book;
mod description;
mod directory;
mod event;
mod event_log;
mod fold;
mod forgotten;
mod legs;
pub mod limits;
mod offline;
mod parts;
mod relations;
mod session;
mod uuid;

pub use assembler::{Assembler, Change, Changes, Left, Restoring, Settings};
pub use directory::{Directory, Entry};
pub use offline::{Calls, Collection};
