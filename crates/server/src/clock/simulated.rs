//! A clock that stands still until it is told to go on, and jumps when it is told to.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use proptest::prelude::*;

use super::*;

/// When simulated clocks begin.
pub(crate) const BEGIN_MS: i64 = 1_796_000_000_000;

const HOUR_MS: i64 = 3_600_000;

/// The hand on a simulated clock.
#[derive(Debug, Clone, Default)]
pub(crate) struct Hand(Arc<State>);

#[derive(Debug, Default)]
struct State {
    elapsed_ms: AtomicU64,
    /// By how much the wall clock is wrong.
    offset_ms: AtomicI64,
}

impl Hand {
    /// A clock that follows this hand.
    pub(crate) fn clock(&self) -> Clock {
        let hand = self.clone();
        Clock::new(Box::new(move || Reading {
            wall_ms: BEGIN_MS + hand.elapsed_ms() + hand.offset_ms(),
            elapsed: Duration::from_millis(hand.elapsed_ms().unsigned_abs()),
        }))
    }

    /// Lets time pass.
    pub(crate) fn pass(&self, ms: i64) {
        self.0.elapsed_ms.fetch_add(ms.unsigned_abs(), Ordering::Relaxed);
    }

    /// Sets the wall clock, so that it is wrong by so much from now on.
    pub(crate) fn set_wrong_by(&self, offset_ms: i64) {
        self.0.offset_ms.store(offset_ms, Ordering::Relaxed);
    }

    /// How long it has been since the beginning, whatever the wall clock shows.
    pub(crate) fn elapsed_ms(&self) -> i64 {
        self.0.elapsed_ms.load(Ordering::Relaxed) as i64
    }

    pub(crate) fn offset_ms(&self) -> i64 {
        self.0.offset_ms.load(Ordering::Relaxed)
    }
}

/// By how much a clock may be set wrong: by seconds, hours, months, in both directions; often right again.
pub(crate) fn offsets() -> impl Strategy<Value = i64> {
    prop_oneof![
        2 => Just(0),
        1 => -5_000_i64..5_000,
        1 => -48 * HOUR_MS..48 * HOUR_MS,
        1 => -90 * 24 * HOUR_MS..90 * 24 * HOUR_MS,
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// A jump that is taken back within half a minute costs nothing; one that lasts costs its own length, once.
    #[test]
    fn a_jump_costs_at_most_its_own_length_once(
        steps in proptest::collection::vec((1_i64..20_000, proptest::option::weighted(0.1, offsets())), 1..200),
    ) {
        let hand = Hand::default();
        let clock = hand.clock();
        let (mut last_ms, mut cost_ms, mut jumps_ms) = (BEGIN_MS, 0, 0);
        let mut offset_ms = 0;
        for (pass_ms, set) in steps {
            hand.pass(pass_ms);
            if let Some(set) = set {
                jumps_ms += (set - offset_ms).abs();
                offset_ms = set;
                hand.set_wrong_by(set);
            }
            let now_ms = clock.now().as_millis();
            // What a duration over this step is measured wrong by.
            cost_ms += (now_ms - last_ms - pass_ms).abs();
            last_ms = now_ms;
        }
        prop_assert!(cost_ms <= jumps_ms, "{} ms of jumps cost {} ms", jumps_ms, cost_ms);
        hand.pass(1);
        clock.now();
        hand.pass(FOLLOWED_AFTER.as_millis() as i64);
        prop_assert_eq!(clock.now().as_millis(), BEGIN_MS + hand.elapsed_ms() + offset_ms, "it is followed in the end");
    }
}
