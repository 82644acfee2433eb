//! How an endpoint is, judged by its answers. A call's event that is refused while those of others are taken says
//! nothing of the endpoint. Time comes in; nothing here waits.

use std::collections::HashMap;

use super::window::Window;

/// After so many failures in a row, of different calls, nothing new is tried but by probes.
const DOWN_AFTER_FAILURES: u32 = 10;

/// So long after the last request an endpoint that fails is probed, so that what waits for its return gets through
/// within 30 s of that.
const PROBE_INTERVAL_MS: i64 = 15_000;

/// An endpoint that failed for so long is disabled.
const DISABLED_AFTER_MS: i64 = 5 * 24 * 3_600_000;

/// `Retry-After` is not followed for longer.
pub(crate) const MAX_PAUSE_MS: i64 = 24 * 3_600_000;

/// So many calls that fail are distinguished.
const MAX_CALLS: usize = 1_000;

/// A call that failed before so many successes of other calls fails for a reason of its own.
const OWN_FAULT_AFTER: u8 = 2;

/// A request that failed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Failure<'a> {
    pub(crate) now_ms: i64,
    pub(crate) sent_ms: i64,
    /// The call of which the event is.
    pub(crate) call: &'a str,
    pub(crate) status: Option<u16>,
    /// How long the endpoint wants to be left alone.
    pub(crate) retry_after_ms: Option<i64>,
    /// By its status, the event is at fault.
    pub(crate) is_own_fault: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct Health {
    /// In a row, without those of calls that fail for a reason of their own.
    failures: u32,
    failing_since_ms: Option<i64>,
    /// Calls that failed since the last success, and whether that may be the endpoint's fault.
    failing: HashMap<String, bool>,
    /// Before how many successes of other calls a call failed, until it gets through.
    strikes: HashMap<String, u8>,
    tried_ms: i64,
    probed_ms: i64,
    paused_until_ms: i64,
    window: Window,
}

impl Health {
    pub(crate) fn new(failing_since_ms: Option<i64>) -> Self {
        // What failed before a restart is probed as soon as anything waits, and gets one request at first.
        let (failures, window) = match failing_since_ms {
            Some(_) => (1, Window::single()),
            None => (0, Window::open()),
        };
        Self {
            failures,
            failing_since_ms,
            failing: HashMap::new(),
            strikes: HashMap::new(),
            tried_ms: 0,
            probed_ms: 0,
            paused_until_ms: 0,
            window,
        }
    }

    /// Nothing new is tried but by probes.
    pub(crate) fn is_down(&self) -> bool {
        self.failures >= DOWN_AFTER_FAILURES && self.do_several_fail()
    }

    /// Whether events of different calls failed since the last success, for a reason that may be the endpoint's.
    pub(crate) fn do_several_fail(&self) -> bool {
        self.failing.values().filter(|is_endpoints| **is_endpoints).take(2).count() == 2
    }

    /// The first failure since the last success.
    pub(crate) fn failing_since_ms(&self) -> Option<i64> {
        self.failing_since_ms
    }

    /// So many requests may be in flight.
    pub(crate) fn max_requests(&self) -> usize {
        self.window.size()
    }

    /// It takes some of what it gets, and gets less than it could.
    pub(crate) fn is_recovering(&self) -> bool {
        self.window.is_limited() && !self.is_down()
    }

    /// Before this, the endpoint wants to be left alone.
    pub(crate) fn paused_until_ms(&self) -> i64 {
        self.paused_until_ms
    }

    /// When to probe it; none: it does not fail.
    pub(crate) fn probe_due_ms(&self) -> Option<i64> {
        let last_ms = if self.is_down() { self.probed_ms } else { self.tried_ms };
        (self.failures > 0).then(|| (last_ms + PROBE_INTERVAL_MS).max(self.paused_until_ms))
    }

    /// For so long nothing got through, of different calls, that nothing more is delivered.
    pub(crate) fn is_hopeless(&self, now_ms: i64) -> bool {
        self.failing.len() > 1
            && self.failing_since_ms.is_some_and(|since| now_ms - since >= DISABLED_AFTER_MS)
    }

    /// The clock was set: how long something has lasted stays as it was.
    pub(crate) fn shift(&mut self, by_ms: i64) {
        let times = [&mut self.tried_ms, &mut self.probed_ms, &mut self.paused_until_ms];
        let since = self.failing_since_ms.iter_mut();
        times.into_iter().chain(since).for_each(|time_ms| *time_ms = time_ms.saturating_add(by_ms));
    }

    /// Nothing is left to probe with: new events are tried again.
    pub(crate) fn give_another_chance(&mut self) {
        self.failures = 0;
    }

    /// A request sets out.
    pub(crate) fn tried(&mut self, now_ms: i64) {
        self.tried_ms = now_ms;
    }

    /// A probe sets out.
    pub(crate) fn probed(&mut self, now_ms: i64) {
        (self.tried_ms, self.probed_ms) = (now_ms, now_ms);
    }

    /// A request of a call got through. Returns whether the endpoint was down until then.
    pub(crate) fn succeeded(&mut self, call: &str) -> bool {
        let was_down = self.is_down();
        if self.strikes.len() + self.failing.len() > MAX_CALLS {
            self.strikes.clear();
        }
        for (call, _) in self.failing.drain() {
            let strikes = self.strikes.entry(call).or_default();
            *strikes = strikes.saturating_add(1);
        }
        self.strikes.remove(call);
        (self.failures, self.failing_since_ms, self.paused_until_ms) = (0, None, 0);
        self.window.succeeded();
        was_down
    }

    /// A request did not get through.
    pub(crate) fn failed(&mut self, failure: Failure<'_>) {
        let Failure { now_ms, sent_ms, call, status, retry_after_ms, is_own_fault } = failure;
        // While it is down, failures say nothing of how much it takes when it is back.
        if !is_own_fault && !self.is_down() {
            self.window.failed(now_ms, sent_ms, call, status == Some(429));
        }
        if self.strikes.get(call).is_some_and(|strikes| *strikes >= OWN_FAULT_AFTER) {
            return;
        }
        self.failing_since_ms.get_or_insert(now_ms);
        let was_down = self.is_down();
        if self.failing.len() < MAX_CALLS || self.failing.contains_key(call) {
            *self.failing.entry(call.to_owned()).or_default() |= !is_own_fault;
        }
        if is_own_fault {
            return;
        }
        self.failures = self.failures.saturating_add(1);
        if let Some(pause) = retry_after_ms {
            self.paused_until_ms = self.paused_until_ms.max(now_ms + pause.min(MAX_PAUSE_MS));
        }
        if self.is_down() && !was_down {
            self.window = Window::single();
            self.probed_ms = sent_ms;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(now_ms: i64, call: &str, status: Option<u16>) -> Failure<'_> {
        let is_own_fault = status.is_some_and(|status| (400..500).contains(&status) && status != 429);
        Failure { now_ms, sent_ms: now_ms, call, status, retry_after_ms: None, is_own_fault }
    }

    fn down() -> Health {
        let mut health = Health::new(None);
        for second in 1..=10 {
            health.failed(failure(second * 1_000, &format!("s-{second}"), None));
        }
        health
    }

    #[test]
    fn an_endpoint_that_fails_is_probed_and_disabled_in_the_end() {
        let mut health = Health::new(None);
        assert_eq!(health.probe_due_ms(), None);
        health.tried(1_000);
        health.failed(failure(1_000, "s-1", Some(500)));
        assert!(!health.is_down(), "one failure may be one event's");
        assert_eq!(health.probe_due_ms(), Some(16_000));
        let mut health = down();
        assert!(health.is_down());
        assert_eq!((health.max_requests(), health.probe_due_ms()), (1, Some(25_000)));
        health.tried(20_000);
        assert_eq!(health.probe_due_ms(), Some(25_000), "what is tried by its own schedule is no probe");
        assert_eq!(health.failing_since_ms(), Some(1_000));
        assert!(!health.is_hopeless(5 * 86_400_000));
        assert!(health.is_hopeless(5 * 86_400_000 + 1_000));
        for second in 21..=30 {
            health.failed(failure(second * 1_000, &format!("s-{second}"), None));
        }
        assert!(health.succeeded("s-3"));
        assert!(!health.is_down() && health.probe_due_ms().is_none() && !health.is_hopeless(i64::MAX / 2));
        for _ in 0..6 {
            health.succeeded("s-4");
        }
        assert_eq!(health.max_requests(), 8, "one more with each success, whatever failed while it was down");
    }

    #[test]
    fn one_call_that_is_refused_takes_no_endpoint_down() {
        let mut health = Health::new(None);
        for second in 0..1_000 {
            health.failed(failure(second * 1_000, "s-1", Some(500)));
        }
        assert!(!health.is_down() && !health.is_hopeless(i64::MAX));
        assert_eq!(health.max_requests(), crate::deliver::window::MAX_REQUESTS);
    }

    #[test]
    fn what_a_receiver_says_of_an_event_is_not_the_endpoint_s_fault() {
        let mut health = Health::new(None);
        for second in 0..1_000 {
            health.failed(failure(second * 1_000, &format!("s-{}", second % 100), Some(413)));
        }
        assert!(!health.is_down() && health.probe_due_ms().is_none());
        assert_eq!(health.max_requests(), crate::deliver::window::MAX_REQUESTS);
        health.failed(failure(1_000_000, "s-500", Some(500)));
        assert!(!health.do_several_fail());
        assert!(
            health.is_hopeless(5 * 86_400_000),
            "but where nothing gets through for days, it is disabled"
        );
    }

    #[test]
    fn calls_that_fail_while_others_get_through_do_not_take_it_down_again_and_again() {
        let mut health = Health::new(None);
        let mut times_down = 0;
        for night in 0..10 {
            for second in 0..100 {
                for call in ["s-1", "s-2", "s-3"] {
                    health.failed(failure((night * 1_000 + second) * 1_000, call, Some(500)));
                }
            }
            times_down += u32::from(health.succeeded("another"));
        }
        assert_eq!(times_down, 2);
        health.succeeded("s-1");
        for second in 0..100 {
            health.failed(failure(second, "s-1", Some(500)));
            health.failed(failure(second, "s-4", Some(500)));
        }
        assert!(health.is_down(), "whoever got through is judged like any other");
    }

    #[test]
    fn a_pause_is_kept_but_not_for_ever() {
        let mut health = Health::new(None);
        health.failed(Failure { retry_after_ms: Some(60_000), ..failure(0, "s-1", Some(429)) });
        assert_eq!((health.paused_until_ms(), health.probe_due_ms()), (60_000, Some(60_000)));
        health.failed(Failure { retry_after_ms: Some(i64::MAX), ..failure(0, "s-1", Some(503)) });
        assert_eq!(health.paused_until_ms(), MAX_PAUSE_MS);
        health.failed(Failure { retry_after_ms: Some(1), ..failure(i64::MAX / 2, "s-2", Some(413)) });
        assert_eq!(health.paused_until_ms(), MAX_PAUSE_MS, "an event that is refused pauses nothing");
    }

    #[test]
    fn what_failed_before_a_restart_is_probed_at_once_with_one_request() {
        let health = Health::new(Some(5));
        assert!(!health.is_down() && health.probe_due_ms().is_some_and(|due| due < 1_000_000));
        assert_eq!(health.max_requests(), 1);
    }
}
