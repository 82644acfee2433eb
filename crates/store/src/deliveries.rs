//! Deliveries: the events that were sent to each endpoint, and those that wait for their next attempt.
//!
//! The feed of changes is the outbox. Every change before an endpoint's cursor is in `deliveries`, or not meant for the
//! endpoint. So an event that is delivered with the first attempt is written once, after it, and an endpoint's backlog
//! costs nothing. A change after the cursor that is in `deliveries` was sent before a crash.

mod attempts;
mod delivery;
mod due;
mod feed;
mod list;
mod outgoing;
mod redelivery;
mod schedule;

pub use self::{
    attempts::{AttemptResult, Disposition, DurableAck},
    delivery::{Attempt, Delivery, DeliveryState},
    feed::FeedPage,
    list::DeliveryQuery,
    outgoing::Outgoing,
    redelivery::Replay,
};
