//! The simulated PBX: it plays calls.
//!
//! What people do are methods ([`Pbx::answer`], [`Pbx::hold`], [`Pbx::transfer_blind`], …). Each does three
//! separate things: it changes lines and cords in the [`Audio`], it records in the [`Log`] who did what, and
//! it [publishes](publishing) what RingCentral would post. The truth comes from the first two alone.

mod activity;
mod calling;
mod conference;
mod devices;
mod ending;
mod groups;
mod mobiles;
mod parking;
mod publishing;
mod queries;
mod queueing;
mod services;
mod supervision;
mod transfer;
mod world;

use compact_str::CompactString;
use fastrand::Rng;

pub(crate) use self::{conference::Conference, transfer::Target, world::World};
use crate::{
    account::User,
    audio::{Audio, Mixer},
    id::{ParticipantRef, SessionId},
    log::{AudioTrace, Log},
    notification::{Contact, Notification, Origin, QueueInfo, Role},
    time::Timestamp,
    truth::CallTruth,
};

/// A leg by its index in [`Pbx::legs`]; its line in the audio has the same index.
pub(crate) type LegId = usize;

/// A session of a play.
#[derive(Debug)]
pub(crate) struct Session {
    id: SessionId,
    legacy: u64,
    /// Index of its account in the world.
    account: usize,
    origin: Origin,
    server: u16,
    /// The sequence of the latest notification.
    sequence: u32,
    mixer: Mixer,
    /// Number of parties so far.
    parties: u32,
    /// The caller's leg.
    originator: Option<LegId>,
    /// What was dialled.
    number: CompactString,
}

/// What a leg is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// Set up; nothing rings yet.
    New,
    /// A telephone rings; the originator hears it.
    Ringing,
    /// On the line.
    Up,
    /// Has put the others on hold.
    Held,
    /// Waits in a park slot.
    Parked,
    /// A mailbox, a fax machine, a menu or a queue serves the caller.
    Serving,
    /// Left by a link to another session.
    Gone,
    /// No longer rings or serves, which is not published yet.
    Silent,
    /// Disconnected.
    Over,
}

/// The service that a leg in [`State::Serving`] provides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Service {
    Menu,
    Queue,
    Mailbox,
    Fax,
    Announcement,
    ParkLocation,
}

/// A leg: one party's line into a session.
#[derive(Debug)]
pub(crate) struct Leg {
    session: usize,
    ordinal: u32,
    /// `None` for a conference's proxies.
    who: Option<ParticipantRef>,
    outbound: bool,
    from: Option<Contact>,
    to: Contact,
    state: State,
    missed: bool,
    queue: Option<QueueInfo>,
    recording: Option<(u64, bool)>,
    parked_at: Option<u32>,
    role: Role,
    supervises: bool,
    /// Whether its changes are published.
    is_published: bool,
    /// The service it provides; `None` if it is a person's leg.
    service: Option<Service>,
    /// The queue visit: of a queue's own leg, or the one that offers the call to an agent's leg.
    visit: Option<usize>,
    /// Parked, and not picked up or moved yet.
    awaits_retrieval: bool,
    /// The agent's leg to which a supervisor listens.
    listens_to: Option<LegId>,
}

/// The calls of one play.
#[derive(Debug)]
pub(crate) struct Pbx<'a> {
    pub(crate) rng: Rng,
    pub(crate) now: Timestamp,
    world: &'a mut World,
    sessions: Vec<Session>,
    legs: Vec<Leg>,
    audio: Audio,
    log: Log,
    conferences: Vec<Conference>,
    notifications: Vec<Notification>,
    /// The extensions that take part in this play.
    participants: Vec<(usize, u64)>,
}

/// The result of a play.
#[derive(Debug, Clone, PartialEq)]
pub struct Play {
    /// The notifications, in order of arrival.
    pub notifications: Vec<Notification>,
    /// The truth about each call.
    pub truths: Vec<CallTruth>,
}

impl<'a> Pbx<'a> {
    /// A PBX at a time.
    pub(crate) fn new(world: &'a mut World, now: Timestamp, rng: Rng) -> Self {
        Self {
            rng,
            now,
            world,
            sessions: Vec::new(),
            legs: Vec::new(),
            audio: Audio::default(),
            log: Log::default(),
            conferences: Vec::new(),
            notifications: Vec::new(),
            participants: Vec::new(),
        }
    }

    /// Advances the time by some milliseconds.
    pub(crate) fn pass(&mut self, millis: std::ops::Range<i64>) {
        self.observe();
        self.now += self.rng.i64(millis);
    }

    /// Advances the time by some seconds.
    pub(crate) fn wait(&mut self, seconds: std::ops::Range<i64>) {
        self.pass(seconds.start * 1000..seconds.end * 1000);
    }

    /// Returns true with a probability in percent.
    pub(crate) fn chance(&mut self, percent: u32) -> bool {
        self.rng.u32(0..100) < percent
    }

    /// A free user of an account, who takes part in this play from now on; `None` if none is found.
    pub(crate) fn user(&mut self, account: usize) -> Option<User> {
        let users = 0..self.world.accounts[account].users.len();
        self.user_among(account, users)
    }

    /// A free user of a range; `None` if none is found.
    pub(crate) fn user_among(&mut self, account: usize, users: std::ops::Range<usize>) -> Option<User> {
        for _ in 0..24 {
            let index = self.rng.usize(users.clone());
            let user = self.world.accounts[account].users[index];
            if self.is_free(account, index) {
                self.participants.push((account, user.extension));
                return Some(user);
            }
        }
        None
    }

    fn is_free(&self, account: usize, index: usize) -> bool {
        let user = self.world.accounts[account].users[index];
        self.world.is_free(account, index, self.now)
            && !self.participants.contains(&(account, user.extension))
    }

    /// A random outside number.
    pub(crate) fn external_number(&mut self) -> u64 {
        14_040_000_000 + self.rng.u64(2_000_000..9_999_999)
    }

    /// The user of a leg; `None` if it is not a user's.
    pub(crate) fn user_of(&self, leg: LegId) -> Option<User> {
        let account = &self.world.accounts[self.sessions[self.legs[leg].session].account];
        match self.legs[leg].who {
            Some(ParticipantRef::Extension(extension)) => account.user(extension).copied(),
            _ => None,
        }
    }

    /// Ends the play: hangs up all lines, and returns notifications and truths.
    pub(crate) fn finish(mut self) -> Play {
        self.hang_up_all_lines();
        for (account, extension) in std::mem::take(&mut self.participants) {
            self.world.set_busy(account, extension, self.now);
        }
        self.observe();
        let arrivals = self.audio.arrivals();
        let talks = self.audio.into_talks(self.now);
        let mut notifications = self.notifications;
        notifications.sort_by_key(|notifications| notifications.arrival);
        let accounts = &self.world.accounts;
        let is_ours = |account: u64, number: u64| {
            accounts.iter().any(|known| known.id == account && known.has_number(number))
        };
        let audio = AudioTrace { talks: &talks, arrivals: &arrivals, is_ours: &is_ours };
        Play { notifications, truths: self.log.into_truths(&audio) }
    }
}
