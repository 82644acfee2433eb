//! A disk that fails when it is told to, for tests only: nothing that is released depends on this crate.
//!
//! [`Disk::of`] puts a folder under observation. Every read, write, sync, truncation, deletion and opening of a file in
//! it by SQLite then goes through a VFS of this crate, which passes it on to SQLite's own, counts it, and fails it where
//! a [`Fault`] says so. Beside the folder it keeps what a power failure would leave: what was synced. [`Disk::crash`]
//! makes a folder of that.

mod disk;
mod fault;
mod image;
mod vfs;

pub use disk::Disk;
pub use fault::{Fault, Kind, Operation};
pub use image::{Loss, leave_what_a_crash_leaves};
