//! The exchange: it plays calls.
//!
//! What people do are methods ([`Exchange::answer`], [`Exchange::hold`], [`Exchange::transfer_blind`], …). Each does
//! three separate things: it moves lines and cords in the [`Audio`], it writes down in the [`Log`] who did
//! what, and it lets the platform's [`voice`] say what RingCentral would post. The truth comes from the first
//! two alone.

mod asking;
mod calling;
mod conference;
mod devices;
mod ending;
mod groups;
mod mobiles;
mod observing;
mod parking;
mod queueing;
mod services;
mod supervision;
mod transfer;
mod voice;
mod world;

use compact_str::CompactString;
use fastrand::Rng;

pub(crate) use self::{conference::Conference, transfer::Target, world::World};
use crate::{
    account::User,
    audio::{Audio, Mixer},
    id::{SessionId, Who},
    log::{Heard, Log},
    notification::{Contact, Notification, Origin, QueueInfo, Role},
    time::Millis,
    truth::CallTruth,
};

/// A leg by its place in [`Exchange::legs`]; its line in the audio has the same number.
pub(crate) type LegId = usize;

/// A session of a play.
#[derive(Debug)]
pub(crate) struct Session {
    id: SessionId,
    legacy: u64,
    /// Which of the world's accounts it belongs to.
    account: usize,
    origin: Origin,
    server: u16,
    /// The sequence of the latest notification.
    sequence: u32,
    mixer: Mixer,
    /// How many parties it had so far.
    parties: u32,
    /// The leg of whoever dialled.
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
    /// Its person is on the line.
    Up,
    /// Its person has put the others on hold.
    Held,
    /// Waits in a park slot.
    Parked,
    /// A mailbox, a fax machine, a menu or a queue serves the caller.
    Serving,
    /// Left through a door to another session.
    Gone,
    /// No longer rings or serves; nothing was posted of that yet.
    Silent,
    /// Disconnected.
    Over,
}

/// What serves a caller by a leg that is [`State::Serving`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Serves {
    Menu,
    Queue,
    Mailbox,
    Fax,
    Announcement,
    ParkLocation,
}

/// One line of somebody into a session.
#[derive(Debug)]
pub(crate) struct Leg {
    session: usize,
    ordinal: u32,
    /// Nobody for a conference's proxies.
    who: Option<Who>,
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
    /// Whether anything is posted of it.
    is_told: bool,
    /// What it is, if it serves.
    serves: Option<Serves>,
    /// The stay in a queue that it stands for, or out of which the call is offered to it.
    visit: Option<usize>,
    /// Parked, and nothing was done about it yet.
    waits_parked: bool,
    /// The agent's leg to which a supervisor listens.
    listens_to: Option<LegId>,
}

/// Calls being played.
#[derive(Debug)]
pub(crate) struct Exchange<'a> {
    pub(crate) rng: Rng,
    pub(crate) now: Millis,
    world: &'a mut World,
    sessions: Vec<Session>,
    legs: Vec<Leg>,
    audio: Audio,
    log: Log,
    conferences: Vec<Conference>,
    told: Vec<Notification>,
    /// Extensions that take part in this play.
    engaged: Vec<(usize, u64)>,
}

/// A play: what was posted, in order of arrival, and what was true.
#[derive(Debug, Clone, PartialEq)]
pub struct Play {
    /// The notifications, in order of arrival.
    pub notifications: Vec<Notification>,
    /// The truth about each call.
    pub truths: Vec<CallTruth>,
}

impl<'a> Exchange<'a> {
    /// An exchange at a time.
    pub(crate) fn new(world: &'a mut World, now: Millis, rng: Rng) -> Self {
        Self {
            rng,
            now,
            world,
            sessions: Vec::new(),
            legs: Vec::new(),
            audio: Audio::default(),
            log: Log::default(),
            conferences: Vec::new(),
            told: Vec::new(),
            engaged: Vec::new(),
        }
    }

    /// Lets some milliseconds pass.
    pub(crate) fn pass(&mut self, millis: std::ops::Range<i64>) {
        self.settle();
        self.now += self.rng.i64(millis);
    }

    /// Lets some seconds pass.
    pub(crate) fn wait(&mut self, seconds: std::ops::Range<i64>) {
        self.pass(seconds.start * 1000..seconds.end * 1000);
    }

    /// Whether something happens that does so this often in a hundred times.
    pub(crate) fn chance(&mut self, percent: u32) -> bool {
        self.rng.u32(0..100) < percent
    }

    /// A free user of an account, who is engaged from now on.
    pub(crate) fn user(&mut self, account: usize) -> Option<User> {
        let users = 0..self.world.accounts[account].users.len();
        self.user_among(account, users)
    }

    /// A free user among some.
    pub(crate) fn user_among(&mut self, account: usize, users: std::ops::Range<usize>) -> Option<User> {
        for _ in 0..24 {
            let index = self.rng.usize(users.clone());
            let user = self.world.accounts[account].users[index];
            if self.is_free(account, index) {
                self.engaged.push((account, user.extension));
                return Some(user);
            }
        }
        None
    }

    fn is_free(&self, account: usize, index: usize) -> bool {
        let user = self.world.accounts[account].users[index];
        self.world.is_free(account, index, self.now) && !self.engaged.contains(&(account, user.extension))
    }

    /// A telephone number of the world outside.
    pub(crate) fn stranger(&mut self) -> u64 {
        14_040_000_000 + self.rng.u64(2_000_000..9_999_999)
    }

    /// The user of a leg.
    pub(crate) fn user_of(&self, leg: LegId) -> Option<User> {
        let account = &self.world.accounts[self.sessions[self.legs[leg].session].account];
        match self.legs[leg].who {
            Some(Who::Extension(extension)) => account.user(extension).copied(),
            _ => None,
        }
    }

    /// Everybody hangs up: what was told, and what was true.
    pub(crate) fn finish(mut self) -> Play {
        self.everybody_hangs_up();
        for (account, extension) in std::mem::take(&mut self.engaged) {
            self.world.set_busy(account, extension, self.now);
        }
        self.settle();
        let arrivals = self.audio.arrivals();
        let talks = self.audio.into_talks(self.now);
        let mut notifications = self.told;
        notifications.sort_by_key(|told| told.arrival);
        let accounts = &self.world.accounts;
        let is_ours = |account: u64, number: u64| {
            accounts.iter().any(|known| known.id == account && known.has_number(number))
        };
        let heard = Heard { talks: &talks, arrivals: &arrivals, is_ours: &is_ours };
        Play { notifications, truths: self.log.into_truths(&heard) }
    }
}
