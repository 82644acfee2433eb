//! A disk that fails as planned, for tests only: no released crate depends on this one.
//!
//! [`Disk::of`] observes a folder. Every read, write, sync, truncation, deletion and opening of a file in it by
//! SQLite then goes through a VFS of this crate, which counts it, fails it if a [`Fault`] says so, and otherwise
//! passes it to SQLite's own VFS. A second folder has what a power failure would leave: what was synced.
//! [`Disk::crash`] makes a folder as a crash leaves it.

mod disk;
mod fault;
mod image;
mod vfs;

pub use disk::Disk;
pub use fault::{Fault, Kind, Operation};
pub use image::{Loss, leave_what_a_crash_leaves};
