//! The pipeline under a clock that jumps in both directions.

use proptest::prelude::*;
use wholecall_store::{Arrival, Filter, TenantSettings};

use super::*;
use crate::{
    admin,
    clock::simulated::{BEGIN_MS, ClockControl, offsets},
};

/// Interval without a notification after which a call is closed.
const SETTLE_MS: i64 = 20_000;

/// Length of a step; a deadline is met in the step after it.
const STEP_MS: i64 = 1_000;

/// Maximum length of a jump that is taken back before the clock follows it.
const MAX_PASSING_JUMP_MS: i64 = 25_000;

/// A pipeline with a simulated clock.
struct Simulation {
    hand: ClockControl,
    clock: Clock,
    store: Store,
    tenant: TenantId,
    pipeline: Pipeline,
    _folder: tempfile::TempDir,
}

impl Simulation {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        admin::add_tenant(&store, "acme", &["400131426008".to_owned()], None).unwrap();
        let found = admin::find(&store, "acme").unwrap();
        let settings =
            TenantSettings { settle_ms: Some(SETTLE_MS), gap_settle_ms: Some(SETTLE_MS), ..found.settings };
        store.set_tenant_settings(found.id, settings).unwrap();
        let hand = ClockControl::default();
        let clock = hand.clock();
        let pipeline = pipeline(&store, &clock);
        Self { hand, clock, store, tenant: found.id, pipeline, _folder: folder }
    }

    /// The process restarts, with the time that the machine's clock shows then.
    fn restart(&mut self) {
        self.clock = self.hand.clock();
        self.pipeline = pipeline(&self.store, &self.clock);
    }

    /// All notifications of a call arrive now.
    fn call(&mut self, number: usize) {
        let arrived_ms = self.clock.now().as_millis();
        let lines = include_str!("../../../../examples/direct.ndjson").lines();
        let arrivals = lines.map(|line| Arrival {
            tenant: self.tenant,
            arrived_ms,
            session: format!("s-{number}").into(),
            body: line.replace(SESSION, &format!("s-{number}")).into(),
        });
        self.store.append(arrivals.collect()).unwrap().blocking_recv().unwrap().unwrap();
        self.pipeline.step().unwrap();
    }

    fn pass(&mut self, ms: i64) {
        for _ in 0..ms / STEP_MS {
            self.hand.pass(STEP_MS);
            self.pipeline.step().unwrap();
        }
    }

    /// The number of closed calls.
    fn completed(&self) -> usize {
        let calls = self.store.of(self.tenant).calls(&Filter::default(), None, None, 100).unwrap();
        calls.records.iter().filter(|record| record.contains("\"state\":\"complete\"")).count()
    }
}

const SESSION: &str = "s-a0d7728b6ec96c0dz19f3eeccb382z000000010000";

fn pipeline(store: &Store, clock: &Clock) -> Pipeline {
    let tenants = std::sync::Arc::new(Tenants::open(store.clone()).unwrap());
    Pipeline::new(store.clone(), tenants, Metrics::new(), LookupQueue::new().0).with_clock(clock.clone())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// A jump that is taken back does not change when a call is closed.
    #[test]
    fn a_jump_that_is_taken_back_closes_no_call_early_or_late(
        offset_ms in offsets(),
        after_ms in 0_i64..15_000,
        lasts_ms in 1_000..MAX_PASSING_JUMP_MS,
    ) {
        let mut simulation = Simulation::start();
        simulation.call(1);
        simulation.pass(after_ms);
        simulation.hand.set_wrong_by(offset_ms);
        let (mut rest_ms, mut seen_ms) = (lasts_ms, None);
        while simulation.hand.elapsed_ms() < SETTLE_MS + 10_000 {
            simulation.pass(STEP_MS);
            rest_ms -= STEP_MS;
            if rest_ms <= 0 {
                simulation.hand.set_wrong_by(0);
            }
            if simulation.completed() == 1 {
                seen_ms.get_or_insert(simulation.hand.elapsed_ms());
            }
        }
        // A jump of a second or less is followed at once.
        let closed_ms = seen_ms.expect("it is closed");
        prop_assert!((SETTLE_MS - 2_000..=SETTLE_MS + 3_000).contains(&closed_ms), "closed after {closed_ms} ms");
    }

    /// A lasting jump moves the end of one call by at most its own length, and that of later calls not at all.
    #[test]
    fn a_lasting_jump_delays_one_call_by_its_own_length(offset_ms in -120_000_i64..120_000, after_ms in 0_i64..15_000) {
        let mut simulation = Simulation::start();
        simulation.call(1);
        simulation.pass(after_ms);
        simulation.hand.set_wrong_by(offset_ms);
        let mut closed_ms = None;
        while closed_ms.is_none() && simulation.hand.elapsed_ms() < 400_000 {
            simulation.pass(STEP_MS);
            closed_ms = (simulation.completed() == 1).then(|| simulation.hand.elapsed_ms());
        }
        let (closed_ms, cost_ms) = (closed_ms.expect("it is closed"), offset_ms.abs());
        prop_assert!((closed_ms - SETTLE_MS).abs() <= cost_ms + 3_000, "closed after {closed_ms} ms");
        // By then the clock has followed the jump.
        simulation.pass(35_000);
        let began_ms = simulation.hand.elapsed_ms();
        simulation.call(2);
        simulation.pass(SETTLE_MS - 3_000);
        prop_assert_eq!(simulation.completed(), 1, "early");
        while simulation.completed() < 2 {
            simulation.pass(STEP_MS);
            prop_assert!(simulation.hand.elapsed_ms() - began_ms <= SETTLE_MS + 3_000, "late");
        }
    }

    /// After a restart with an earlier or later time, live calls are closed after the normal interval.
    #[test]
    fn a_jump_before_a_restart_leaves_no_call_live(before_ms in offsets(), after_ms in offsets()) {
        let mut simulation = Simulation::start();
        simulation.hand.set_wrong_by(before_ms);
        simulation.restart();
        simulation.call(1);
        prop_assert_eq!(simulation.completed(), 0);
        simulation.hand.set_wrong_by(after_ms);
        simulation.restart();
        simulation.pass(SETTLE_MS + 3_000);
        prop_assert_eq!(simulation.completed(), 1);
        simulation.call(2);
        simulation.pass(SETTLE_MS - 3_000);
        prop_assert_eq!(simulation.completed(), 1, "early");
        simulation.pass(6_000);
        prop_assert_eq!(simulation.completed(), 2, "late, at {}", BEGIN_MS + simulation.hand.elapsed_ms());
    }
}
