//! How many requests an endpoint gets at once: it grows with success and halves when the endpoint refuses, as TCP does.

/// At most so many requests are in flight to one endpoint.
pub(crate) const MAX_REQUESTS: usize = 128;

/// Failures of different calls within this time are one cause: the endpoint.
const SAME_CAUSE_MS: i64 = 5_000;

#[derive(Debug, Clone)]
pub(crate) struct Window {
    size: usize,
    /// Up to here it grows by one with each success, which doubles it with each round; beyond, by one in a round.
    threshold: usize,
    successes: usize,
    /// When it was halved last: what was sent before that is part of the same burst.
    halved_ms: i64,
    last_failure: Option<(String, i64)>,
}

impl Window {
    /// For an endpoint that takes what it gets.
    pub(crate) fn open() -> Self {
        Self {
            size: MAX_REQUESTS,
            threshold: MAX_REQUESTS,
            successes: 0,
            halved_ms: i64::MIN,
            last_failure: None,
        }
    }

    /// For an endpoint that failed: one request, and then as many as it takes.
    pub(crate) fn single() -> Self {
        Self { size: 1, ..Self::open() }
    }

    pub(crate) fn size(&self) -> usize {
        self.size
    }

    /// Whether the endpoint gets less than it could.
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

    /// A request failed for a reason that may be the endpoint's. One call alone does not say so, unless the endpoint
    /// itself does by 429.
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

    /// Rounds of requests of different calls to a receiver with room for so many at once: how many are refused, and how
    /// many rounds it takes.
    fn drain(calls: usize, room: usize) -> (usize, usize) {
        let (mut window, mut waiting, mut refused, mut rounds) = (Window::single(), calls, 0, 0);
        while waiting > 0 {
            rounds += 1;
            let sent = window.size().min(waiting);
            let taken = sent.min(room);
            let now_ms = 100 * rounds as i64;
            for call in 0..sent - taken {
                window.failed(now_ms, now_ms - 50, &format!("refused-{call}"), false);
            }
            (0..taken).for_each(|_| window.succeeded());
            (waiting, refused) = (waiting - taken, refused + sent - taken);
        }
        (refused, rounds)
    }

    #[test]
    fn a_receiver_with_little_room_refuses_few_and_one_with_room_waits_for_nothing() {
        let (refused, rounds) = drain(600, 20);
        assert!(refused < 60 && rounds < 80, "{refused} refused in {rounds} rounds");
        let (refused, rounds) = drain(600, 200);
        assert!(refused == 0 && rounds <= 11, "{rounds} rounds");
    }

    #[test]
    fn one_burst_halves_once_and_one_call_does_not() {
        let mut window = Window::open();
        (0..20).for_each(|number| window.failed(1_000, 900, &format!("s-{number}"), false));
        assert_eq!(window.size(), MAX_REQUESTS / 2);
        let mut window = Window::open();
        (0..20).for_each(|number| window.failed(1_000 * number, 1_000 * number - 1, "s-1", false));
        assert_eq!(
            window.size(),
            MAX_REQUESTS,
            "a call that fails again and again says nothing of the others"
        );
        window.failed(60_000, 59_999, "s-2", false);
        assert_eq!(window.size(), MAX_REQUESTS, "long after another");
        window.failed(60_100, 60_099, "s-2", true);
        assert_eq!(window.size(), MAX_REQUESTS / 2, "the endpoint says itself that it is busy");
    }
}
