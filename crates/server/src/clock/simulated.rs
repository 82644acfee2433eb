//! A clock for tests, which advances and jumps only when the test makes it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use proptest::prelude::*;

use super::*;

/// The time at which simulated clocks start.
pub(crate) const BEGIN_MS: i64 = 1_796_000_000_000;

const HOUR_MS: i64 = 3_600_000;

/// Controls a simulated clock.
#[derive(Debug, Clone, Default)]
pub(crate) struct ClockControl(Arc<State>);

#[derive(Debug, Default)]
struct State {
    elapsed_ms: AtomicU64,
    /// By how much the wall clock is ahead.
    offset_ms: AtomicI64,
}

impl ClockControl {
    /// The clock that is controlled.
    pub(crate) fn clock(&self) -> Clock {
        let control = self.clone();
        Clock::new(Box::new(move || Reading {
            wall_ms: BEGIN_MS + control.elapsed_ms() + control.offset_ms(),
            elapsed: Duration::from_millis(control.elapsed_ms().unsigned_abs()),
        }))
    }

    /// Advances both clocks.
    pub(crate) fn pass(&self, ms: i64) {
        self.0.elapsed_ms.fetch_add(ms.unsigned_abs(), Ordering::Relaxed);
    }

    /// Sets the wall clock so that it is ahead by `offset_ms` from now on.
    pub(crate) fn set_wrong_by(&self, offset_ms: i64) {
        self.0.offset_ms.store(offset_ms, Ordering::Relaxed);
    }

    /// The time since the start on the monotonic clock.
    pub(crate) fn elapsed_ms(&self) -> i64 {
        self.0.elapsed_ms.load(Ordering::Relaxed) as i64
    }

    pub(crate) fn offset_ms(&self) -> i64 {
        self.0.offset_ms.load(Ordering::Relaxed)
    }
}

/// Offsets of a wrong clock: seconds, hours or months in both directions, or often none.
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

    /// A jump that is reverted within half a minute changes no duration; one that lasts changes them by its length, once.
    #[test]
    fn a_jump_changes_durations_by_at_most_its_length_once(
        steps in proptest::collection::vec((1_i64..20_000, proptest::option::weighted(0.1, offsets())), 1..200),
    ) {
        let control = ClockControl::default();
        let clock = control.clock();
        let (mut last_ms, mut error_ms, mut jumps_ms) = (BEGIN_MS, 0, 0);
        let mut offset_ms = 0;
        for (pass_ms, set) in steps {
            control.pass(pass_ms);
            if let Some(set) = set {
                jumps_ms += (set - offset_ms).abs();
                offset_ms = set;
                control.set_wrong_by(set);
            }
            let now_ms = clock.now().as_millis();
            // The error of a duration over this step.
            error_ms += (now_ms - last_ms - pass_ms).abs();
            last_ms = now_ms;
        }
        prop_assert!(error_ms <= jumps_ms, "{} ms of jumps cause an error of {} ms", jumps_ms, error_ms);
        control.pass(1);
        clock.now();
        control.pass(JUMP_FOLLOWED_AFTER.as_millis() as i64);
        prop_assert_eq!(clock.now().as_millis(), BEGIN_MS + control.elapsed_ms() + offset_ms, "it is followed finally");
    }
}
