//! Every rule of the contract (`docs/contract.md`), shown by a played call.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a failed unwrap fails the test")]

mod bounds;
mod completion;
mod directory;
mod documents;
mod identity;
mod legs;
mod links;
mod merging;
mod moves;
mod names;
mod parking;
mod people;
mod pitfalls;
mod play;
mod presence;
mod queues;
mod related;
mod repair;
mod results;
mod stranger;
mod supervision;
mod times;
