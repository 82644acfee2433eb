//! A company's day: calls as they come, over the hours, with the people who are free.

use std::{cmp::Reverse, collections::BinaryHeap, collections::VecDeque, ops::Range};

use fastrand::Rng;

use crate::{
    account::Account,
    faults::Faults,
    notification::Notification,
    pbx::{Play, World},
    scenario::Scenario,
    time::Millis,
    truth::CallTruth,
};

/// A company whose calls are simulated.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Company {
    /// How many users it has.
    pub users: usize,
    /// How many calls begin on a day, for each user; 0: only those that are [played](Traffic::play).
    pub calls_per_user: f64,
    /// Which company of the world it is: companies of different numbers share no id and no telephone number.
    pub number: u64,
}

impl Company {
    /// A company of so many users, each with a dozen calls a day.
    pub fn of(users: usize) -> Self {
        Self { users, calls_per_user: 12.0, number: 0 }
    }
}

/// One thing told by [`Traffic`].
#[derive(Debug, Clone, PartialEq)]
pub enum Told {
    /// A notification arrives.
    Notification(Notification),
    /// What will have been true of a call that begins about now.
    Truth(CallTruth),
}

/// The calls of a company over some time, told one by one in order of arrival. It keeps in memory only what is
/// on its way.
#[derive(Debug)]
pub struct Traffic {
    world: World,
    rng: Rng,
    company: Company,
    faults: Faults,
    /// When nothing arrives.
    windows: Vec<Range<Millis>>,
    kinds: Vec<(Scenario, u32)>,
    /// When its first day begins.
    midnight: Millis,
    /// When the next call begins.
    next: Millis,
    end: Millis,
    on_its_way: BinaryHeap<Reverse<Arriving>>,
    truths: VecDeque<CallTruth>,
}

/// A notification by its arrival; the number keeps the order of those that arrive together.
#[derive(Debug, PartialEq)]
struct Arriving {
    notification: Notification,
    number: u64,
}

impl Arriving {
    fn key(&self) -> (Millis, u64) {
        (self.notification.arrival, self.number)
    }
}

impl Eq for Arriving {}

impl Ord for Arriving {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}

impl PartialOrd for Arriving {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// How busy the hours of a day are, from midnight on.
const HOURS: [f64; 24] = [
    0.2, 0.1, 0.1, 0.1, 0.2, 0.5, 1.5, 4.0, 9.0, 12.0, 12.5, 10.5, 7.5, 9.5, 11.0, 10.5, 9.0, 6.0, 3.0, 1.8,
    1.2, 0.9, 0.6, 0.4,
];

const HOUR: f64 = 3_600_000.0;

/// How often a call is of a kind; kinds that are not named come once in a thousand calls each.
const OFTEN: [(&str, u32); 29] = [
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
    /// The traffic of a company from one time to another. Hours are those of `from`'s day: let it be midnight.
    pub fn new(company: Company, from: Millis, until: Millis, seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let (own, other) = (2 * company.number, 2 * company.number + 1);
        let accounts =
            vec![Account::new(own, company.users.max(2), &mut rng), Account::new(other, 40, &mut rng)];
        let often = |scenario: &Scenario| OFTEN.iter().find(|(name, _)| *name == scenario.name);
        let kinds =
            Scenario::all().map(|scenario| (scenario, often(&scenario).map_or(1, |(_, often)| *often)));
        let mut traffic = Self {
            world: World::new(accounts),
            company,
            faults: Faults::default(),
            windows: Vec::new(),
            kinds: kinds.collect(),
            midnight: from,
            next: from,
            end: until,
            on_its_way: BinaryHeap::new(),
            truths: VecDeque::new(),
            rng,
        };
        traffic.next = traffic.following(from);
        traffic
    }

    /// Lets the traffic begin at another hour of the day than midnight.
    pub fn from_hour(mut self, hour: u8) -> Self {
        let begin = self.midnight;
        self.midnight -= i64::from(hour) * HOUR as Millis;
        self.next = self.following(begin);
        self
    }

    /// The company's account, then that of another company it calls.
    pub fn accounts(&self) -> &[Account] {
        &self.world.accounts
    }

    /// Plays a call from a time on, beside those that come by themselves. What it tells is due at its time; what
    /// is true of it is returned, and due at once.
    pub fn play(&mut self, scenario: &Scenario, start: Millis) -> Vec<CallTruth> {
        let rng = self.rng.fork();
        let Play { notifications, truths } = scenario.play_in(&mut self.world, start, rng);
        for notification in self.faults.disturb(notifications, &mut self.rng) {
            if !self.windows.iter().any(|window| window.contains(&notification.arrival)) {
                let number = self.rng.u64(..);
                self.on_its_way.push(Reverse(Arriving { notification, number }));
            }
        }
        self.truths.extend(truths.iter().cloned());
        truths
    }

    /// Lets things go wrong on the way. Restarts and blacklistings come once.
    pub fn with_faults(mut self, faults: Faults) -> Self {
        self.windows = faults.windows(self.next..self.end, &mut self.rng);
        self.faults = faults;
        self
    }

    /// When the call after a time begins: calls come at random, more often in busy hours.
    fn following(&mut self, time: Millis) -> Millis {
        if self.company.calls_per_user <= 0.0 {
            return self.end;
        }
        let busiest = HOURS.iter().copied().fold(0.0, f64::max);
        let sum: f64 = HOURS.iter().sum();
        let daily = (self.company.users as f64 * self.company.calls_per_user).max(1.0);
        let mean_gap = HOUR * sum / (daily * busiest);
        let mut time = time as f64;
        loop {
            time += -(1.0 - self.rng.f64()).ln() * mean_gap;
            let hour = ((time - self.midnight as f64) / HOUR) as usize % 24;
            if self.rng.f64() * busiest < HOURS[hour] || time > self.end as f64 {
                return time as Millis;
            }
        }
    }

    fn play_next(&mut self) {
        let total = self.kinds.iter().map(|(_, often)| often).sum();
        let mut at = self.rng.u32(0..total);
        let chosen = self.kinds.iter().find(|(_, often)| {
            let found = at < *often;
            at = at.saturating_sub(*often);
            found
        });
        if let Some((scenario, _)) = chosen {
            let scenario = *scenario;
            self.play(&scenario, self.next);
        }
    }

    /// When something is due that was not told yet; the truth about a call is due as soon as it is known.
    pub fn next_due(&self) -> Option<Millis> {
        if !self.truths.is_empty() {
            return Some(Millis::MIN);
        }
        let arrives = self.on_its_way.peek().map(|Reverse(first)| first.notification.arrival);
        let begins = Some(self.next).filter(|next| *next < self.end);
        arrives.into_iter().chain(begins).min()
    }

    /// What is due by a time and was not told yet, one by one.
    pub fn due(&mut self, now: Millis) -> Option<Told> {
        loop {
            if let Some(truth) = self.truths.pop_front() {
                return Some(Told::Truth(truth));
            }
            let due = self.next_due().filter(|due| *due <= now)?;
            // What a call to come tells cannot arrive before it begins, but for a clock that is wrong.
            if self.next < self.end && self.next <= due {
                self.play_next();
                self.next = self.following(self.next);
                continue;
            }
            return self.on_its_way.pop().map(|Reverse(first)| Told::Notification(first.notification));
        }
    }
}

impl Iterator for Traffic {
    type Item = Told;

    fn next(&mut self) -> Option<Told> {
        self.due(Millis::MAX)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// 2026-06-01T00:00:00Z.
    const MIDNIGHT: Millis = 1_780_272_000_000;
    const DAY: Millis = 86_400_000;

    fn day(users: usize, seed: u64) -> Traffic {
        Traffic::new(Company::of(users), MIDNIGHT, MIDNIGHT + DAY, seed)
    }

    #[test]
    fn a_day_has_its_calls_most_of_them_in_busy_hours() {
        let starts: Vec<Millis> = day(100, 1)
            .filter_map(|told| match told {
                Told::Truth(truth) => Some(truth.start_time),
                Told::Notification(_) => None,
            })
            .collect();
        assert!((1000..1800).contains(&starts.len()), "{} calls", starts.len());
        let busy =
            starts.iter().filter(|&&start| (8..18).contains(&((start - MIDNIGHT) / 3_600_000))).count();
        assert!(busy * 100 > starts.len() * 80, "{busy} of {}", starts.len());
    }

    #[test]
    fn notifications_arrive_in_order_and_each_has_a_call() {
        let (mut last, mut sessions, mut told_of) = (0, BTreeSet::new(), BTreeSet::new());
        for told in day(60, 2) {
            match told {
                Told::Notification(told) => {
                    assert!(told.arrival >= last);
                    last = told.arrival;
                    told_of.insert(told.body.session.to_string());
                }
                Told::Truth(truth) => sessions.extend(truth.sessions),
            }
        }
        assert_eq!(told_of, sessions);
    }

    #[test]
    fn nobody_takes_part_in_two_plays_at_once() {
        // A company of few users is short of people, and must still not lend anybody out twice.
        let mut traffic = day(12, 3);
        let mut talks = 0;
        while traffic.next < traffic.end {
            let users = traffic.world.accounts[0].users.clone();
            let free_from: Vec<Millis> =
                (0..users.len()).map(|user| traffic.world.busy_until(0, user)).collect();
            traffic.play_next();
            for talk in traffic.truths.drain(..).flat_map(|truth| truth.conversations) {
                for (user, free) in users.iter().zip(&free_from) {
                    if talk.participants.contains(&format!("ext:{}", user.extension)) {
                        assert!(talk.start_time >= *free, "{} is lent out twice", user.extension);
                        talks += 1;
                    }
                }
            }
            traffic.next = traffic.following(traffic.next);
        }
        assert!(talks > 50, "{talks} talks");
    }

    #[test]
    fn the_same_seed_tells_the_same_day() {
        let told = |seed| day(30, seed).with_faults(Faults::all()).take(2000).collect::<Vec<_>>();
        assert_eq!(told(5), told(5));
        assert_ne!(told(5), told(6));
    }
}
