//! Assembles calls while they happen: versions, completion, corrections.
//!
//! The caller passes the time with each input; the assembler never reads a clock. [`Assembler::next_due`] returns the
//! next deadline, at which the caller calls [`Assembler::tick`].

mod deadline;
mod live;
mod restore;
mod status;

pub use self::{
    live::{Assembler, Lookup},
    restore::{CallSnapshot, RestoreBuilder},
};
