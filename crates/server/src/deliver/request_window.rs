//! The number of requests that an endpoint may have in flight. Like TCP's congestion window it grows with each success
//! and is halved when the endpoint refuses requests.

/// Maximum number of requests in flight to one endpoint.
pub(crate) const MAX_REQUESTS: usize = 128;

/// Maximum time between failures of different calls that are attributed to the endpoint.
const SAME_CAUSE_MS: i64 = 5_000;

#[derive(Debug, Clone)]
pub(crate) struct RequestWindow {
    size: usize,
    /// Up to this size the window grows by one with each success, which doubles it with each round; beyond, by one with
    /// each round.
    threshold: usize,
    successes: usize,
    /// When the window was halved last. Requests that were sent before belong to the same burst.
    halved_ms: i64,
    last_failure: Option<(String, i64)>,
}

impl RequestWindow {
    /// For an endpoint that accepts requests.
    pub(crate) fn full() -> Self {
        Self {
            size: MAX_REQUESTS,
            threshold: MAX_REQUESTS,
            successes: 0,
            halved_ms: i64::MIN,
            last_failure: None,
        }
    }

    /// For an endpoint that failed: one request, then as many as it accepts.
    pub(crate) fn single() -> Self {
        Self { size: 1, ..Self::full() }
    }

    pub(crate) fn size(&self) -> usize {
        self.size
    }

    /// Whether the window is smaller than its maximum.
    pub(crate) fn is_limited(&self) -> bool {
        self.size < MAX_REQUESTS
    }

    pub(crate) fn succeeded(&mut self) {
        self.successes += 1;
        if self.size < self.threshold || self.successes >= self.size {
            self.successes = 0;
            self.size = (self.size + 1).min(MAX_REQUESTS);
        }
    }

    /// Records a failure that the endpoint may have caused. One call alone does not prove that, unless the endpoint
    /// answers 429 (`is_busy`).
    pub(crate) fn failed(&mut self, now_ms: i64, sent_ms: i64, call: &str, is_busy: bool) {
        let before = self.last_failure.replace((call.to_owned(), now_ms));
        let is_another =
            before.is_some_and(|(other, at_ms)| other != call && now_ms - at_ms <= SAME_CAUSE_MS);
        if (is_another || is_busy) && sent_ms > self.halved_ms {
            self.threshold = (self.size / 2).max(1);
            (self.size, self.successes, self.halved_ms) = (self.threshold, 0, now_ms);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends one request of each of `calls` calls to a receiver that accepts `capacity` requests at once. Returns the number
    /// of refused requests and of rounds.
    fn drain(calls: usize, capacity: usize) -> (usize, usize) {
        let (mut window, mut waiting, mut refused, mut rounds) = (RequestWindow::single(), calls, 0, 0);
        while waiting > 0 {
            rounds += 1;
            let sent = window.size().min(waiting);
            let accepted = sent.min(capacity);
            let now_ms = 100 * rounds as i64;
            for call in 0..sent - accepted {
                window.failed(now_ms, now_ms - 50, &format!("refused-{call}"), false);
            }
            (0..accepted).for_each(|_| window.succeeded());
            (waiting, refused) = (waiting - accepted, refused + sent - accepted);
        }
        (refused, rounds)
    }

    #[test]
    fn few_requests_are_refused_and_a_receiver_with_capacity_is_not_slowed_down() {
        let (refused, rounds) = drain(600, 20);
        assert!(refused < 60 && rounds < 80, "{refused} refused in {rounds} rounds");
        let (refused, rounds) = drain(600, 200);
        assert!(refused == 0 && rounds <= 11, "{rounds} rounds");
    }

    #[test]
    fn a_burst_of_failures_halves_the_window_once_and_one_call_does_not() {
        let mut window = RequestWindow::full();
        (0..20).for_each(|number| window.failed(1_000, 900, &format!("s-{number}"), false));
        assert_eq!(window.size(), MAX_REQUESTS / 2);
        let mut window = RequestWindow::full();
        (0..20).for_each(|number| window.failed(1_000 * number, 1_000 * number - 1, "s-1", false));
        assert_eq!(window.size(), MAX_REQUESTS, "one call that always fails does not count");
        window.failed(60_000, 59_999, "s-2", false);
        assert_eq!(window.size(), MAX_REQUESTS, "long after the failure of another call");
        window.failed(60_100, 60_099, "s-2", true);
        assert_eq!(window.size(), MAX_REQUESTS / 2, "the endpoint answers 429");
    }
}
