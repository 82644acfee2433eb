//! Laws: properties of every record, whatever stream it was made from.
//!
//! `PROPTEST_CASES` sets the number of streams per law.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a failed unwrap fails the test")]

mod accounts;
mod bytes;
mod found;
mod limits;
mod live;
mod lookups;
mod play;
mod restore;
mod set;
mod stream;
mod written;

use proptest::{
    prelude::*,
    test_runner::{Config, FileFailurePersistence},
};

use crate::stream::{Recipe, Stream};

/// The number of cases is taken from the environment; failures are stored beside the tests.
fn config() -> Config {
    let failure_persistence = Some(Box::new(FileFailurePersistence::WithSource("failures")) as Box<_>);
    Config {
        failure_persistence,
        max_shrink_iters: 20_000,
        max_shrink_time: 20_000,
        max_global_rejects: 20_000,
        ..Config::default()
    }
}

fn streams() -> impl Strategy<Value = Stream> {
    let steps = prop::collection::vec(any::<[u8; 10]>(), 1..48);
    (any::<[u8; 16]>(), steps).prop_map(|(cast, steps)| Recipe { cast, steps }.stream())
}

/// A stream, and its notifications in another order, each with a number for the law to use.
fn shuffled_streams() -> impl Strategy<Value = (Stream, Vec<(usize, u8)>)> {
    streams().prop_map(|stream| {
        let turns = stream.notes.iter().map(|note| note.turn);
        let mut order: Vec<([u8; 2], usize)> = turns.zip(0..).collect();
        order.sort_by_key(|(turn, _)| turn[0]);
        let order = order.into_iter().map(|(turn, at)| (at, turn[1])).collect();
        (stream, order)
    })
}
