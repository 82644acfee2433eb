//! Faults between the platform and a receiver.
//!
//! RingCentral guarantees neither order nor delivery: later sequences may arrive first, overlapping
//! subscriptions deliver a change twice, and nothing is sent again to a receiver that was away or whose
//! subscription was blacklisted (RingCentral's guides to telephony session notifications and to webhooks).

use std::{fmt, ops::Range, str::FromStr};

use fastrand::Rng;
use thiserror::Error;

use crate::{
    id::{PartyId, SessionId},
    notification::{Notification, Subscription},
    time::Timestamp,
};

/// A kind of fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Half of the notifications arrive up to three seconds late.
    Reorder,
    /// One in twenty arrives seconds to hours late.
    Delay,
    /// One in five is delivered twice, with the same uuid.
    Duplicate,
    /// Extensions have subscriptions in addition to the account's: their notifications are delivered twice,
    /// with different uuids.
    Overlap,
    /// The clocks of the platform's servers differ by up to [`Fault::MAX_SKEW_MS`].
    Skew,
    /// One notification in thirty is lost.
    Drop,
    /// All notifications of one leg of each play are lost.
    DropLeg,
    /// The last notification of each play is lost.
    DropLast,
    /// All notifications of one session of each play are lost.
    DropSession,
    /// The receiver restarts: the notifications of a few seconds are lost.
    Restart,
    /// The subscription is blacklisted and renewed: the notifications of minutes are lost.
    Blacklist,
}

impl Fault {
    /// All faults.
    pub const ALL: [Self; 11] = [
        Self::Reorder,
        Self::Delay,
        Self::Duplicate,
        Self::Overlap,
        Self::Skew,
        Self::Drop,
        Self::DropLeg,
        Self::DropLast,
        Self::DropSession,
        Self::Restart,
        Self::Blacklist,
    ];

    /// Maximum error of a server's clock, in milliseconds.
    pub const MAX_SKEW_MS: i64 = 250;

    /// Its name, as [`Faults::from_str`] reads it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Reorder => "reorder",
            Self::Delay => "delay",
            Self::Duplicate => "duplicate",
            Self::Overlap => "overlap",
            Self::Skew => "skew",
            Self::Drop => "drop",
            Self::DropLeg => "drop-leg",
            Self::DropLast => "drop-last",
            Self::DropSession => "drop-session",
            Self::Restart => "restart",
            Self::Blacklist => "blacklist",
        }
    }

    /// Whether notifications are lost.
    pub fn loses(self) -> bool {
        !matches!(self, Self::Reorder | Self::Delay | Self::Duplicate | Self::Overlap | Self::Skew)
    }
}

/// A set of faults. Parsed from `reorder,duplicate,drop-leg`; empty by default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Faults(Vec<Fault>);

/// A name that is not the name of a fault.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("there is no fault \"{name}\"; there are {}", Faults::all())]
pub struct UnknownFault {
    /// The unknown name.
    pub name: String,
}

impl FromStr for Faults {
    type Err = UnknownFault;

    fn from_str(names: &str) -> Result<Self, UnknownFault> {
        let names = names.split(',').map(str::trim).filter(|name| !name.is_empty());
        let fault = |name: &str| {
            let known = Fault::ALL.into_iter().find(|fault| fault.name() == name);
            known.ok_or_else(|| UnknownFault { name: name.to_owned() })
        };
        names.map(fault).collect::<Result<Vec<_>, _>>().map(Self)
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.0.iter().map(|fault| fault.name()).collect();
        f.write_str(&names.join(","))
    }
}

impl From<Fault> for Faults {
    fn from(fault: Fault) -> Self {
        Self(vec![fault])
    }
}

impl Faults {
    /// All faults together.
    pub fn all() -> Self {
        Self(Fault::ALL.to_vec())
    }

    /// Whether there is no fault.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a fault is in the set.
    pub fn contains(&self, fault: Fault) -> bool {
        self.0.contains(&fault)
    }

    /// Whether notifications are lost.
    pub fn lose_notifications(&self) -> bool {
        self.0.iter().any(|fault| fault.loses())
    }

    /// Maximum difference of times between two servers.
    pub fn max_skew_ms(&self) -> i64 {
        if self.contains(Fault::Skew) { 2 * Fault::MAX_SKEW_MS } else { 0 }
    }

    /// Applies the faults to the notifications of one play; returns those that arrive, in order of arrival.
    pub fn apply(&self, notifications: Vec<Notification>, seed: u64) -> Vec<Notification> {
        let mut rng = Rng::with_seed(seed);
        let arrivals = notifications.iter().map(|notification| notification.arrival);
        let (first, last) = (arrivals.clone().min(), arrivals.max());
        let whole = first.unwrap_or(Timestamp::MIN)..last.unwrap_or(Timestamp::MIN);
        let windows = self.windows(whole, &mut rng);
        let mut arrived = self.inject(notifications, &mut rng);
        arrived.retain(|notification| !windows.iter().any(|window| window.contains(&notification.arrival)));
        arrived
    }

    /// Applies all faults except the [windows](Self::windows); returns the notifications in order of arrival.
    pub(crate) fn inject(&self, mut notifications: Vec<Notification>, rng: &mut Rng) -> Vec<Notification> {
        for fault in self.0.iter().filter(|fault| fault.loses()) {
            lose(*fault, &mut notifications, rng);
        }
        if self.contains(Fault::Skew) {
            skew(&mut notifications, rng.u64(..));
        }
        if self.contains(Fault::Overlap) {
            overlap(&mut notifications, rng);
        }
        if self.contains(Fault::Duplicate) {
            duplicate(&mut notifications, rng);
        }
        if self.contains(Fault::Reorder) {
            delay_some(&mut notifications, rng, 2, |rng| rng.i64(0..3000));
        }
        if self.contains(Fault::Delay) {
            // From a second to about four hours, on a logarithmic scale.
            delay_some(&mut notifications, rng, 20, |rng| (1000.0 * 14_400_f64.powf(rng.f64())) as i64);
        }
        notifications.sort_by_key(|notification| notification.arrival);
        notifications
    }

    /// Random times in which nothing arrives.
    pub(crate) fn windows(&self, whole: Range<Timestamp>, rng: &mut Rng) -> Vec<Range<Timestamp>> {
        let length = whole.end - whole.start;
        let mut windows = Vec::new();
        let mut window = |lost: Range<i64>, rng: &mut Rng| {
            let start = whole.start + rng.i64(0..=length.max(0));
            windows.push(start..start + rng.i64(lost));
        };
        if self.contains(Fault::Restart) {
            window(2000..20_000, rng);
        }
        if self.contains(Fault::Blacklist) {
            window(120_000..1_800_000, rng);
        }
        windows
    }
}

fn lose(fault: Fault, notifications: &mut Vec<Notification>, rng: &mut Rng) {
    match fault {
        Fault::Drop => notifications.retain(|_| rng.u32(0..30) > 0),
        Fault::DropLeg => {
            let mut legs: Vec<PartyId> =
                notifications.iter().map(|notification| notification.body.party.id).collect();
            legs.sort_unstable();
            legs.dedup();
            let lost = rng.choice(legs);
            notifications.retain(|notification| Some(notification.body.party.id) != lost);
        }
        Fault::DropLast => {
            let last = notifications
                .iter()
                .enumerate()
                .max_by_key(|(_, notification)| (notification.body.event_time, notification.body.sequence));
            if let Some((last, _)) = last {
                notifications.remove(last);
            }
        }
        Fault::DropSession => {
            let mut sessions: Vec<SessionId> =
                notifications.iter().map(|notification| notification.body.session).collect();
            sessions.sort_unstable();
            sessions.dedup();
            let lost = rng.choice(sessions);
            notifications.retain(|notification| Some(notification.body.session) != lost);
        }
        // These are windows, which `windows` applies.
        Fault::Restart | Fault::Blacklist => {}
        Fault::Reorder | Fault::Delay | Fault::Duplicate | Fault::Overlap | Fault::Skew => {}
    }
}

/// Shifts all sessions of a server by the same time.
fn skew(notifications: &mut [Notification], seed: u64) {
    for notification in notifications {
        let offset = Rng::with_seed(seed ^ u64::from(notification.body.server))
            .i64(-Fault::MAX_SKEW_MS..=Fault::MAX_SKEW_MS);
        notification.body.event_time += offset;
        notification.timestamp += offset;
    }
}

fn overlap(notifications: &mut Vec<Notification>, rng: &mut Rng) {
    let again: Vec<Notification> = notifications
        .iter()
        .filter_map(|first| {
            let extension = first.body.party.extension?;
            let late = rng.i64(0..40);
            let subscription = Subscription { number: extension, owner: extension };
            let (arrival, timestamp) = (first.arrival + late, first.timestamp + late);
            Some(Notification {
                uuid: rng.u64(1..1 << 63),
                arrival,
                timestamp,
                subscription,
                ..first.clone()
            })
        })
        .collect();
    notifications.extend(again);
}

fn duplicate(notifications: &mut Vec<Notification>, rng: &mut Rng) {
    let again: Vec<Notification> = notifications.iter().filter(|_| rng.u32(0..5) == 0).cloned().collect();
    notifications.extend(
        again.into_iter().map(|first| Notification { arrival: first.arrival + rng.i64(0..60_000), ..first }),
    );
}

/// Delays one of `one_in` notifications.
fn delay_some(notifications: &mut [Notification], rng: &mut Rng, one_in: u32, by: impl Fn(&mut Rng) -> i64) {
    for notification in notifications {
        if rng.u32(0..one_in) == 0 {
            notification.arrival += by(rng);
        }
    }
}

#[cfg(test)]
mod tests;
