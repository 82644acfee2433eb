//! A company's traffic: calls over the hours of a day, with the users who are free.

use std::{cmp::Reverse, collections::BinaryHeap, collections::VecDeque, ops::Range};

use fastrand::Rng;

use crate::{
    account::Account,
    faults::Faults,
    notification::Notification,
    pbx::{Play, World},
    scenario::Scenario,
    time::Timestamp,
    truth::CallTruth,
};

/// A company whose calls are simulated.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Company {
    /// Number of users.
    pub users: usize,
    /// Calls per day and user; with 0, only those that are [played](Traffic::play).
    pub calls_per_user: f64,
    /// The company's number: companies with different numbers share no id and no telephone number.
    pub number: u64,
}

impl Company {
    /// A company with a number of users and a dozen calls per user and day.
    pub fn with_users(users: usize) -> Self {
        Self { users, calls_per_user: 12.0, number: 0 }
    }
}

/// An event of [`Traffic`].
#[derive(Debug, Clone, PartialEq)]
pub enum TrafficEvent {
    /// A notification arrives.
    Notification(Notification),
    /// The truth about a call that starts about now.
    Truth(CallTruth),
}

/// The calls of a company over some time, event by event in order of arrival. Only notifications in flight
/// are in memory.
#[derive(Debug)]
pub struct Traffic {
    world: World,
    rng: Rng,
    company: Company,
    faults: Faults,
    /// The times in which nothing arrives.
    windows: Vec<Range<Timestamp>>,
    scenarios: Vec<(Scenario, u32)>,
    /// Midnight of its first day.
    midnight: Timestamp,
    /// Start of the next call.
    next: Timestamp,
    end: Timestamp,
    in_flight: BinaryHeap<Reverse<InFlight>>,
    truths: VecDeque<CallTruth>,
}

/// A notification in flight, ordered by arrival; `number` orders those that arrive at the same time.
#[derive(Debug, PartialEq)]
struct InFlight {
    notification: Notification,
    number: u64,
}

impl InFlight {
    fn key(&self) -> (Timestamp, u64) {
        (self.notification.arrival, self.number)
    }
}

impl Eq for InFlight {}

impl Ord for InFlight {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}

impl PartialOrd for InFlight {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// Relative number of calls in each hour of a day, from midnight on.
const HOURLY_LOAD: [f64; 24] = [
    0.2, 0.1, 0.1, 0.1, 0.2, 0.5, 1.5, 4.0, 9.0, 12.0, 12.5, 10.5, 7.5, 9.5, 11.0, 10.5, 9.0, 6.0, 3.0, 1.8,
    1.2, 0.9, 0.6, 0.4,
];

const HOUR_MS: f64 = 3_600_000.0;

/// Relative frequency of scenarios, in thousandths; a scenario that is not listed has 1.
const SCENARIO_WEIGHTS: [(&str, u32); 29] = [
    ("outbound", 200),
    ("inbound", 140),
    ("internal", 140),
    ("queue_together", 70),
    ("queue_in_turn", 60),
    ("menu", 60),
    ("missed", 40),
    ("voicemail", 40),
    ("outbound_no_answer", 30),
    ("recorded", 25),
    ("missed_internal", 20),
    ("blind", 20),
    ("attended", 20),
    ("queue_abandoned", 15),
    ("outbound_cancelled", 12),
    ("ringout", 12),
    ("call_waiting", 12),
    ("other_company", 12),
    ("queue_overflow", 10),
    ("consult_abandoned", 10),
    ("outbound_busy", 10),
    ("menu_abandoned", 10),
    ("forwarded_unanswered", 10),
    ("parked", 10),
    ("random", 10),
    ("switched", 8),
    ("rejected", 8),
    ("conference", 8),
    ("pickup", 8),
];

impl Traffic {
    /// The traffic of a company between two times. `from` must be midnight, because the hours are counted
    /// from it.
    pub fn new(company: Company, from: impl Into<Timestamp>, until: impl Into<Timestamp>, seed: u64) -> Self {
        let (from, until) = (from.into(), until.into());
        let mut rng = Rng::with_seed(seed);
        let (own, other) = (2 * company.number, 2 * company.number + 1);
        let accounts =
            vec![Account::new(own, company.users.max(2), &mut rng), Account::new(other, 40, &mut rng)];
        let weight = |scenario: &Scenario| SCENARIO_WEIGHTS.iter().find(|(name, _)| *name == scenario.name);
        let scenarios =
            Scenario::all().map(|scenario| (scenario, weight(&scenario).map_or(1, |(_, weight)| *weight)));
        let mut traffic = Self {
            world: World::new(accounts),
            company,
            faults: Faults::default(),
            windows: Vec::new(),
            scenarios: scenarios.collect(),
            midnight: from,
            next: from,
            end: until,
            in_flight: BinaryHeap::new(),
            truths: VecDeque::new(),
            rng,
        };
        traffic.next = traffic.next_start(from);
        traffic
    }

    /// Starts the traffic at another hour than midnight.
    pub fn from_hour(mut self, hour: u8) -> Self {
        let start = self.midnight;
        self.midnight -= i64::from(hour) * HOUR_MS as i64;
        self.next = self.next_start(start);
        self
    }

    /// The company's account, and that of another company that it calls.
    pub fn accounts(&self) -> &[Account] {
        &self.world.accounts
    }

    /// Plays a call in addition to the traffic. Its notifications are due at their times; its truths are
    /// returned, and due at once.
    pub fn play(&mut self, scenario: &Scenario, start: Timestamp) -> Vec<CallTruth> {
        let rng = self.rng.fork();
        let Play { notifications, truths } = scenario.play_in(&mut self.world, start, rng);
        for notification in self.faults.inject(notifications, &mut self.rng) {
            if !self.windows.iter().any(|window| window.contains(&notification.arrival)) {
                let number = self.rng.u64(..);
                self.in_flight.push(Reverse(InFlight { notification, number }));
            }
        }
        self.truths.extend(truths.iter().cloned());
        truths
    }

    /// Injects faults. Restarts and blacklistings happen once.
    pub fn with_faults(mut self, faults: Faults) -> Self {
        self.windows = faults.windows(self.next..self.end, &mut self.rng);
        self.faults = faults;
        self
    }

    /// The start of the call after a time: calls start at random, more often in busy hours.
    fn next_start(&mut self, time: Timestamp) -> Timestamp {
        if self.company.calls_per_user <= 0.0 {
            return self.end;
        }
        let busiest = HOURLY_LOAD.iter().copied().fold(0.0, f64::max);
        let sum: f64 = HOURLY_LOAD.iter().sum();
        let daily = (self.company.users as f64 * self.company.calls_per_user).max(1.0);
        let mean_gap = HOUR_MS * sum / (daily * busiest);
        let mut time = time.as_millis() as f64;
        loop {
            time += -(1.0 - self.rng.f64()).ln() * mean_gap;
            let hour = ((time - self.midnight.as_millis() as f64) / HOUR_MS) as usize % 24;
            if self.rng.f64() * busiest < HOURLY_LOAD[hour] || time > self.end.as_millis() as f64 {
                return Timestamp::from_millis(time as i64);
            }
        }
    }

    fn play_next(&mut self) {
        let total = self.scenarios.iter().map(|(_, weight)| weight).sum();
        let mut at = self.rng.u32(0..total);
        let chosen = self.scenarios.iter().find(|(_, weight)| {
            let found = at < *weight;
            at = at.saturating_sub(*weight);
            found
        });
        if let Some((scenario, _)) = chosen {
            let scenario = *scenario;
            self.play(&scenario, self.next);
        }
    }

    /// When the next event is due; the truth about a call is due as soon as it is known.
    pub fn next_due(&self) -> Option<Timestamp> {
        if !self.truths.is_empty() {
            return Some(Timestamp::MIN);
        }
        let arrives = self.in_flight.peek().map(|Reverse(first)| first.notification.arrival);
        let starts = Some(self.next).filter(|next| *next < self.end);
        arrives.into_iter().chain(starts).min()
    }

    /// The next event that is due by a time; `None` if no event is due.
    pub fn due(&mut self, now: Timestamp) -> Option<TrafficEvent> {
        loop {
            if let Some(truth) = self.truths.pop_front() {
                return Some(TrafficEvent::Truth(truth));
            }
            let due = self.next_due().filter(|due| *due <= now)?;
            // A notification arrives after the start of its call, unless a clock is wrong.
            if self.next < self.end && self.next <= due {
                self.play_next();
                self.next = self.next_start(self.next);
                continue;
            }
            return self.in_flight.pop().map(|Reverse(first)| TrafficEvent::Notification(first.notification));
        }
    }
}

impl Iterator for Traffic {
    type Item = TrafficEvent;

    fn next(&mut self) -> Option<TrafficEvent> {
        self.due(Timestamp::MAX)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// 2026-06-01T00:00:00Z.
    const MIDNIGHT: Timestamp = Timestamp::from_millis(1_780_272_000_000);
    const DAY_MS: i64 = 86_400_000;

    fn day(users: usize, seed: u64) -> Traffic {
        Traffic::new(Company::with_users(users), MIDNIGHT, MIDNIGHT + DAY_MS, seed)
    }

    #[test]
    fn a_day_has_its_calls_most_of_them_in_busy_hours() {
        let starts: Vec<Timestamp> = day(100, 1)
            .filter_map(|event| match event {
                TrafficEvent::Truth(truth) => Some(truth.start_time),
                TrafficEvent::Notification(_) => None,
            })
            .collect();
        assert!((1000..1800).contains(&starts.len()), "{} calls", starts.len());
        let busy =
            starts.iter().filter(|&&start| (8..18).contains(&((start - MIDNIGHT) / 3_600_000))).count();
        assert!(busy * 100 > starts.len() * 80, "{busy} of {}", starts.len());
    }

    #[test]
    fn notifications_arrive_in_order_and_each_has_a_call() {
        let (mut last, mut sessions, mut notified) = (Timestamp::MIN, BTreeSet::new(), BTreeSet::new());
        for event in day(60, 2) {
            match event {
                TrafficEvent::Notification(event) => {
                    assert!(event.arrival >= last);
                    last = event.arrival;
                    notified.insert(event.body.session.to_string());
                }
                TrafficEvent::Truth(truth) => sessions.extend(truth.sessions),
            }
        }
        assert_eq!(notified, sessions);
    }

    #[test]
    fn no_user_takes_part_in_two_plays_at_once() {
        // In a company with few users most are busy, and still none may take part in two plays.
        let mut traffic = day(12, 3);
        let mut talks = 0;
        while traffic.next < traffic.end {
            let users = traffic.world.accounts[0].users.clone();
            let free_from: Vec<Timestamp> =
                (0..users.len()).map(|user| traffic.world.busy_until(0, user)).collect();
            traffic.play_next();
            for talk in traffic.truths.drain(..).flat_map(|truth| truth.conversations) {
                for (user, free) in users.iter().zip(&free_from) {
                    if talk.participants.contains(&format!("ext:{}", user.extension)) {
                        assert!(talk.start_time >= *free, "{} takes part in two plays", user.extension);
                        talks += 1;
                    }
                }
            }
            traffic.next = traffic.next_start(traffic.next);
        }
        assert!(talks > 50, "{talks} talks");
    }

    #[test]
    fn the_same_seed_plays_the_same_day() {
        let event = |seed| day(30, seed).with_faults(Faults::all()).take(2000).collect::<Vec<_>>();
        assert_eq!(event(5), event(5));
        assert_ne!(event(5), event(6));
    }
}
