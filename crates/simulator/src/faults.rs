//! What can go wrong between the platform and its receiver.
//!
//! RingCentral promises neither order nor delivery: later sequences may come first, overlapping subscriptions
//! deliver a change twice, and nothing is sent again to a receiver that was away or whose subscription was
//! blacklisted (RingCentral's guides to telephony session notifications and to webhooks).

use std::{fmt, ops::Range, str::FromStr};

use fastrand::Rng;
use thiserror::Error;

use crate::{
    id::{PartyId, SessionId},
    notification::{Notification, Subscription},
    time::Millis,
};

/// One thing that goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Half of the notifications come up to three seconds late.
    Reorder,
    /// One in twenty comes seconds to hours late.
    Delay,
    /// One in five comes twice, under the same uuid.
    Duplicate,
    /// Extensions have subscriptions of their own beside the account's: what is about them comes twice, under
    /// another uuid.
    Overlap,
    /// The clocks of the platform's servers differ by up to [`Fault::SKEW`].
    Skew,
    /// One notification in thirty is lost.
    Drop,
    /// One leg of each play is never told of.
    DropLeg,
    /// The last notification of each play is lost.
    DropLast,
    /// One session of each play is never told of.
    DropSession,
    /// The receiver restarts: a few seconds are lost.
    Restart,
    /// The subscription is blacklisted and made anew: minutes are lost.
    Blacklist,
}

impl Fault {
    /// All of them.
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

    /// By how much a server's clock may be wrong, in milliseconds.
    pub const SKEW: Millis = 250;

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

    /// Whether notifications never arrive.
    pub fn loses(self) -> bool {
        !matches!(self, Self::Reorder | Self::Delay | Self::Duplicate | Self::Overlap | Self::Skew)
    }
}

/// Things that go wrong together. Reads `reorder,duplicate,drop-leg`; nothing goes wrong by default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Faults(Vec<Fault>);

/// A name that is no fault's.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("there is no fault \"{name}\"; there are {}", Faults::all())]
pub struct UnknownFault {
    /// What was asked for.
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
    /// Everything at once.
    pub fn all() -> Self {
        Self(Fault::ALL.to_vec())
    }

    /// Whether nothing goes wrong.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a fault is among them.
    pub fn has(&self, fault: Fault) -> bool {
        self.0.contains(&fault)
    }

    /// Whether notifications never arrive.
    pub fn lose(&self) -> bool {
        self.0.iter().any(|fault| fault.loses())
    }

    /// By how much times may be wrong between two servers.
    pub fn skew(&self) -> Millis {
        if self.has(Fault::Skew) { 2 * Fault::SKEW } else { 0 }
    }

    /// What arrives of the notifications of one play, in order of arrival.
    pub fn apply(&self, notifications: Vec<Notification>, seed: u64) -> Vec<Notification> {
        let mut rng = Rng::with_seed(seed);
        let arrivals = notifications.iter().map(|told| told.arrival);
        let whole = arrivals.clone().min().unwrap_or_default()..arrivals.max().unwrap_or_default();
        let windows = self.windows(whole, &mut rng);
        let mut arrived = self.disturb(notifications, &mut rng);
        arrived.retain(|told| !windows.iter().any(|window| window.contains(&told.arrival)));
        arrived
    }

    /// What arrives but for the [windows](Self::windows), in order of arrival.
    pub(crate) fn disturb(&self, mut told: Vec<Notification>, rng: &mut Rng) -> Vec<Notification> {
        for fault in self.0.iter().filter(|fault| fault.loses()) {
            lose(*fault, &mut told, rng);
        }
        if self.has(Fault::Skew) {
            skew(&mut told, rng.u64(..));
        }
        if self.has(Fault::Overlap) {
            overlap(&mut told, rng);
        }
        if self.has(Fault::Duplicate) {
            duplicate(&mut told, rng);
        }
        if self.has(Fault::Reorder) {
            late(&mut told, rng, 2, |rng| rng.i64(0..3000));
        }
        if self.has(Fault::Delay) {
            // From a second to about four hours, each scale as often as another.
            late(&mut told, rng, 20, |rng| (1000.0 * 14_400_f64.powf(rng.f64())) as Millis);
        }
        told.sort_by_key(|told| told.arrival);
        told
    }

    /// Stretches of time in which nothing arrives.
    pub(crate) fn windows(&self, whole: Range<Millis>, rng: &mut Rng) -> Vec<Range<Millis>> {
        let length = whole.end - whole.start;
        let mut windows = Vec::new();
        let mut window = |lost: Range<Millis>, rng: &mut Rng| {
            let start = whole.start + rng.i64(0..=length.max(0));
            windows.push(start..start + rng.i64(lost));
        };
        if self.has(Fault::Restart) {
            window(2000..20_000, rng);
        }
        if self.has(Fault::Blacklist) {
            window(120_000..1_800_000, rng);
        }
        windows
    }
}

fn lose(fault: Fault, told: &mut Vec<Notification>, rng: &mut Rng) {
    match fault {
        Fault::Drop => told.retain(|_| rng.u32(0..30) > 0),
        Fault::DropLeg => {
            let mut legs: Vec<PartyId> = told.iter().map(|told| told.body.party.id).collect();
            legs.sort_unstable();
            legs.dedup();
            let lost = rng.choice(legs);
            told.retain(|told| Some(told.body.party.id) != lost);
        }
        Fault::DropLast => {
            let last =
                told.iter().enumerate().max_by_key(|(_, told)| (told.body.event_time, told.body.sequence));
            if let Some((last, _)) = last {
                told.remove(last);
            }
        }
        Fault::DropSession => {
            let mut sessions: Vec<SessionId> = told.iter().map(|told| told.body.session).collect();
            sessions.sort_unstable();
            sessions.dedup();
            let lost = rng.choice(sessions);
            told.retain(|told| Some(told.body.session) != lost);
        }
        // Windows are cut out of what arrives.
        Fault::Restart | Fault::Blacklist => {}
        Fault::Reorder | Fault::Delay | Fault::Duplicate | Fault::Overlap | Fault::Skew => {}
    }
}

/// All sessions of one server are wrong by the same time.
fn skew(told: &mut [Notification], seed: u64) {
    for told in told {
        let offset = Rng::with_seed(seed ^ u64::from(told.body.server)).i64(-Fault::SKEW..=Fault::SKEW);
        told.body.event_time += offset;
        told.timestamp += offset;
    }
}

fn overlap(told: &mut Vec<Notification>, rng: &mut Rng) {
    let again: Vec<Notification> = told
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
    told.extend(again);
}

fn duplicate(told: &mut Vec<Notification>, rng: &mut Rng) {
    let again: Vec<Notification> = told.iter().filter(|_| rng.u32(0..5) == 0).cloned().collect();
    told.extend(
        again.into_iter().map(|first| Notification { arrival: first.arrival + rng.i64(0..60_000), ..first }),
    );
}

/// One of `one_in` comes late.
fn late(told: &mut [Notification], rng: &mut Rng, one_in: u32, by: impl Fn(&mut Rng) -> Millis) {
    for told in told {
        if rng.u32(0..one_in) == 0 {
            told.arrival += by(rng);
        }
    }
}

#[cfg(test)]
mod tests;
