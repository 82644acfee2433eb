//! The health of an endpoint, derived from its answers. A call whose events are refused while those of other calls are
//! accepted does not count against the endpoint. The caller supplies the time; nothing here waits.

use std::collections::HashMap;

use super::request_window::RequestWindow;

/// Number of consecutive failures, of different calls, after which new events are sent as probes only.
const DOWN_AFTER_FAILURES: u32 = 10;

/// Interval between the last request to a failing endpoint and the next probe, so that pending events are delivered
/// within 30 s of its return.
const PROBE_INTERVAL_MS: i64 = 15_000;

/// Time after which an endpoint that only fails is disabled.
const DISABLED_AFTER_MS: i64 = 5 * 24 * 3_600_000;

/// Maximum time for which `Retry-After` is followed.
pub(crate) const MAX_PAUSE_MS: i64 = 24 * 3_600_000;

/// Maximum number of failing calls that are distinguished.
const MAX_FAILING_CALLS: usize = 1_000;

/// Number of successes of other calls after which a call that still fails is considered to be at fault itself.
const OWN_FAULT_AFTER_SUCCESSES: u8 = 2;

/// A request that failed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Failure<'a> {
    pub(crate) now_ms: i64,
    pub(crate) sent_ms: i64,
    /// The call of the event.
    pub(crate) call: &'a str,
    pub(crate) status: Option<u16>,
    /// The pause that the endpoint asks for.
    pub(crate) retry_after_ms: Option<i64>,
    /// Whether the status says that the event is at fault, not the endpoint.
    pub(crate) is_own_fault: bool,
}

/// The failures and pauses of an endpoint, and the number of requests that it may have in flight.
#[derive(Debug, Clone)]
pub(crate) struct EndpointHealth {
    /// Consecutive failures, without those of calls that are at fault themselves.
    failures: u32,
    failing_since_ms: Option<i64>,
    /// Calls that failed since the last success, and whether the endpoint may be at fault.
    failing: HashMap<String, bool>,
    /// For each failing call, the number of successes of other calls since it first failed.
    strikes: HashMap<String, u8>,
    last_request_ms: i64,
    last_probe_ms: i64,
    paused_until_ms: i64,
    window: RequestWindow,
}

impl EndpointHealth {
    pub(crate) fn new(failing_since_ms: Option<i64>) -> Self {
        // An endpoint that failed before a restart is probed as soon as an event is pending, with one request at first.
        let (failures, window) = match failing_since_ms {
            Some(_) => (1, RequestWindow::single()),
            None => (0, RequestWindow::full()),
        };
        Self {
            failures,
            failing_since_ms,
            failing: HashMap::new(),
            strikes: HashMap::new(),
            last_request_ms: 0,
            last_probe_ms: 0,
            paused_until_ms: 0,
            window,
        }
    }

    /// Whether new events are sent as probes only.
    pub(crate) fn is_down(&self) -> bool {
        self.failures >= DOWN_AFTER_FAILURES && self.are_several_calls_failing()
    }

    /// Whether events of different calls failed since the last success, and the endpoint may be at fault.
    pub(crate) fn are_several_calls_failing(&self) -> bool {
        self.failing.values().filter(|is_endpoints| **is_endpoints).take(2).count() == 2
    }

    /// The time of the first failure since the last success; `None` if there was none.
    pub(crate) fn failing_since_ms(&self) -> Option<i64> {
        self.failing_since_ms
    }

    /// Maximum number of requests in flight.
    pub(crate) fn max_requests(&self) -> usize {
        self.window.size()
    }

    /// Whether the endpoint accepts events, but is not sent as many as it could be.
    pub(crate) fn is_recovering(&self) -> bool {
        self.window.is_limited() && !self.is_down()
    }

    /// The end of the pause that the endpoint asked for.
    pub(crate) fn paused_until_ms(&self) -> i64 {
        self.paused_until_ms
    }

    /// When the endpoint is probed; `None` if it does not fail.
    pub(crate) fn probe_due_ms(&self) -> Option<i64> {
        let last_ms = if self.is_down() { self.last_probe_ms } else { self.last_request_ms };
        (self.failures > 0).then(|| (last_ms + PROBE_INTERVAL_MS).max(self.paused_until_ms))
    }

    /// Whether the endpoint has failed long enough, for different calls, to be disabled.
    pub(crate) fn should_disable(&self, now_ms: i64) -> bool {
        self.failing.len() > 1
            && self.failing_since_ms.is_some_and(|since| now_ms - since >= DISABLED_AFTER_MS)
    }

    /// Follows a clock that was set by `by_ms`, so that durations stay the same.
    pub(crate) fn shift(&mut self, by_ms: i64) {
        let times = [&mut self.last_request_ms, &mut self.last_probe_ms, &mut self.paused_until_ms];
        let since = self.failing_since_ms.iter_mut();
        times.into_iter().chain(since).for_each(|time_ms| *time_ms = time_ms.saturating_add(by_ms));
    }

    /// Resumes sending new events, when no event is left to probe with.
    pub(crate) fn reset_failures(&mut self) {
        self.failures = 0;
    }

    /// Records that a request is sent.
    pub(crate) fn request_sent(&mut self, now_ms: i64) {
        self.last_request_ms = now_ms;
    }

    /// Records that a probe is sent.
    pub(crate) fn probe_sent(&mut self, now_ms: i64) {
        (self.last_request_ms, self.last_probe_ms) = (now_ms, now_ms);
    }

    /// Records a successful request of a call. Returns whether the endpoint was down until then.
    pub(crate) fn succeeded(&mut self, call: &str) -> bool {
        let was_down = self.is_down();
        if self.strikes.len() + self.failing.len() > MAX_FAILING_CALLS {
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

    /// Records a failed request.
    pub(crate) fn failed(&mut self, failure: Failure<'_>) {
        let Failure { now_ms, sent_ms, call, status, retry_after_ms, is_own_fault } = failure;
        // Failures of an endpoint that is down say nothing about how many requests it accepts when it returns.
        if !is_own_fault && !self.is_down() {
            self.window.failed(now_ms, sent_ms, call, status == Some(429));
        }
        if self.strikes.get(call).is_some_and(|strikes| *strikes >= OWN_FAULT_AFTER_SUCCESSES) {
            return;
        }
        self.failing_since_ms.get_or_insert(now_ms);
        let was_down = self.is_down();
        if self.failing.len() < MAX_FAILING_CALLS || self.failing.contains_key(call) {
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
            self.window = RequestWindow::single();
            self.last_probe_ms = sent_ms;
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

    fn down() -> EndpointHealth {
        let mut health = EndpointHealth::new(None);
        for second in 1..=10 {
            health.failed(failure(second * 1_000, &format!("s-{second}"), None));
        }
        health
    }

    #[test]
    fn an_endpoint_that_fails_is_probed_and_disabled_after_five_days() {
        let mut health = EndpointHealth::new(None);
        assert_eq!(health.probe_due_ms(), None);
        health.request_sent(1_000);
        health.failed(failure(1_000, "s-1", Some(500)));
        assert!(!health.is_down(), "one failure may be the event's fault");
        assert_eq!(health.probe_due_ms(), Some(16_000));
        let mut health = down();
        assert!(health.is_down());
        assert_eq!((health.max_requests(), health.probe_due_ms()), (1, Some(25_000)));
        health.request_sent(20_000);
        assert_eq!(health.probe_due_ms(), Some(25_000), "a scheduled retry does not count as a probe");
        assert_eq!(health.failing_since_ms(), Some(1_000));
        assert!(!health.should_disable(5 * 86_400_000));
        assert!(health.should_disable(5 * 86_400_000 + 1_000));
        for second in 21..=30 {
            health.failed(failure(second * 1_000, &format!("s-{second}"), None));
        }
        assert!(health.succeeded("s-3"));
        assert!(!health.is_down() && health.probe_due_ms().is_none() && !health.should_disable(i64::MAX / 2));
        for _ in 0..6 {
            health.succeeded("s-4");
        }
        assert_eq!(
            health.max_requests(),
            8,
            "one more with each success, regardless of failures while it was down"
        );
    }

    #[test]
    fn failures_of_one_call_do_not_take_the_endpoint_down() {
        let mut health = EndpointHealth::new(None);
        for second in 0..1_000 {
            health.failed(failure(second * 1_000, "s-1", Some(500)));
        }
        assert!(!health.is_down() && !health.should_disable(i64::MAX));
        assert_eq!(health.max_requests(), crate::deliver::request_window::MAX_REQUESTS);
    }

    #[test]
    fn client_errors_do_not_take_the_endpoint_down() {
        let mut health = EndpointHealth::new(None);
        for second in 0..1_000 {
            health.failed(failure(second * 1_000, &format!("s-{}", second % 100), Some(413)));
        }
        assert!(!health.is_down() && health.probe_due_ms().is_none());
        assert_eq!(health.max_requests(), crate::deliver::request_window::MAX_REQUESTS);
        health.failed(failure(1_000_000, "s-500", Some(500)));
        assert!(!health.are_several_calls_failing());
        assert!(health.should_disable(5 * 86_400_000), "but it is disabled if nothing is delivered for days");
    }

    #[test]
    fn calls_that_always_fail_do_not_take_a_working_endpoint_down_repeatedly() {
        let mut health = EndpointHealth::new(None);
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
        assert!(health.is_down(), "a call that succeeded counts again like any other");
    }

    #[test]
    fn a_requested_pause_is_followed_up_to_a_maximum() {
        let mut health = EndpointHealth::new(None);
        health.failed(Failure { retry_after_ms: Some(60_000), ..failure(0, "s-1", Some(429)) });
        assert_eq!((health.paused_until_ms(), health.probe_due_ms()), (60_000, Some(60_000)));
        health.failed(Failure { retry_after_ms: Some(i64::MAX), ..failure(0, "s-1", Some(503)) });
        assert_eq!(health.paused_until_ms(), MAX_PAUSE_MS);
        health.failed(Failure { retry_after_ms: Some(1), ..failure(i64::MAX / 2, "s-2", Some(413)) });
        assert_eq!(health.paused_until_ms(), MAX_PAUSE_MS, "a refused event causes no pause");
    }

    #[test]
    fn an_endpoint_that_failed_before_a_restart_is_probed_at_once_with_one_request() {
        let health = EndpointHealth::new(Some(5));
        assert!(!health.is_down() && health.probe_due_ms().is_some_and(|due| due < 1_000_000));
        assert_eq!(health.max_requests(), 1);
    }
}
