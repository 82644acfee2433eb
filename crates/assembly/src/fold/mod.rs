//! From the notifications of one call to its record.
//!
//! The fold looks at everything that is known of the call at once and never changes anything, so the order
//! in which notifications came cannot matter. It goes in one direction:
//!
//! 1. [`legs`]: the rooms, the lines into them, and each line's changes in order, with effective times;
//! 2. [`links`]: the doors between rooms, and which rooms they join when;
//! 3. [`people`]: who owns which leg, and what kind of participant it is;
//! 4. [`spans`]: what each leg was doing when, and when it ended;
//! 5. [`presence`]: who was on the line where, and so who heard whom;
//! 6. [`moves`], [`queues`], [`outcomes`]: what the call did;
//! 7. [`closing`]: whether it is over; [`record`], with its [`participants`] and its [`completeness`], and [`story`]:
//!    what there is to tell.

mod bounds;
mod closing;
mod completeness;
mod conclusions;
mod headline;
mod implied;
mod legs;
mod links;
mod moves;
mod on_behalf;
mod outcomes;
mod participants;
mod people;
mod presence;
mod queues;
mod record;
mod result;
mod sides;
mod spans;
mod story;

use wholecall_notification::Code;
use wholecall_record::{AccountId, CallId, ParticipantId, Time, call};

pub(crate) use self::{closing::Patience, sides::Rank};
use self::{
    implied::Implied,
    legs::{Leg, Room},
    links::{Joints, Link},
    people::Person,
    presence::Talk,
};
use crate::{directory::Directory, event::Event, session::Session};

/// What a call is made from.
pub(crate) struct Material<'a> {
    pub(crate) account: Option<&'a AccountId>,
    /// Its sessions, those that are only named by a link too.
    pub(crate) sessions: Vec<&'a Session>,
    /// Sessions of other calls that listened to this one.
    pub(crate) listeners: Vec<&'a Session>,
    pub(crate) related: Vec<call::Related>,
    /// Sessions that were not joined to it since it is too large.
    pub(crate) refused: u64,
    pub(crate) directory: Option<&'a Directory>,
}

/// How the record stands, which the notifications alone do not tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) state: call::State,
    pub(crate) reason: Option<call::ClosedBecause>,
    pub(crate) late_for: Option<CallId>,
    pub(crate) version: u64,
    pub(crate) updated_at: Time,
}

/// A call, understood.
pub(crate) struct Fold<'a> {
    material: Material<'a>,
    /// Seen rooms in order of their start, then the unseen ones.
    rooms: Vec<Room<'a>>,
    root: usize,
    /// Legs by room, in order of their first change.
    legs: Vec<Leg<'a>>,
    /// The changes of all legs, each leg's in one piece.
    changes: Vec<Change<'a>>,
    links: Vec<Link>,
    joints: Joints,
    /// Participants in order of their ids.
    people: Vec<Person>,
    /// Extensions that offer the call to others.
    queues: Vec<&'a str>,
    implied: Vec<Implied>,
    /// Since when each person is on the line, those who ever are.
    on_the_line_since: Vec<Option<Time>>,
    talks: Vec<Talk>,
    talk_limit: u64,
    monitors: Vec<ParticipantId>,
    /// The latest effective time of any notification.
    last_event: Time,
}

/// A change of a leg at its effective time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Change<'a> {
    pub(crate) time: Time,
    pub(crate) event: &'a Event,
}

impl Change<'_> {
    fn is_answer(&self) -> bool {
        self.event.said.code == Some(Code::Answered)
    }
}

impl<'a> Fold<'a> {
    /// Understands a call; none if it has no leg, and so nothing to tell.
    pub(crate) fn new(material: Material<'a>) -> Option<Self> {
        let mut fold = Self::unread(material);
        fold.find_legs();
        fold.root = fold.find_root()?;
        fold.find_links();
        fold.find_people();
        fold.find_take_overs();
        fold.find_spans();
        fold.find_talks();
        fold.find_monitors();
        fold.find_on_behalf();
        Some(fold)
    }

    fn unread(material: Material<'a>) -> Self {
        Self {
            material,
            rooms: Vec::new(),
            root: 0,
            legs: Vec::new(),
            changes: Vec::new(),
            links: Vec::new(),
            joints: Joints::default(),
            people: Vec::new(),
            queues: Vec::new(),
            implied: Vec::new(),
            on_the_line_since: Vec::new(),
            talks: Vec::new(),
            talk_limit: 0,
            monitors: Vec::new(),
            last_event: Time::from_millis(i64::MIN),
        }
    }

    /// The rank of a session among those of its call.
    pub(crate) fn rank_of(session: &'a Session, account: Option<&'a AccountId>) -> Rank {
        let material = Material {
            account,
            sessions: vec![session],
            listeners: Vec::new(),
            related: Vec::new(),
            refused: 0,
            directory: None,
        };
        let mut fold = Self::unread(material);
        fold.find_legs();
        fold.rank(0)
    }

    /// The call's id: its root session.
    pub(crate) fn id(&self) -> &CallId {
        &self.rooms[self.root].session.id
    }

    /// Whether some leg has not ended.
    pub(crate) fn is_live(&self) -> bool {
        self.open_legs().next().is_some()
    }

    /// Legs that have not ended; the seats of a bridge do not count.
    fn open_legs(&self) -> impl Iterator<Item = (usize, &Leg<'a>)> {
        self.legs.iter().enumerate().filter(|(_, leg)| leg.end.is_none() && leg.kind != call::Kind::Proxy)
    }

    fn changes_of(&self, leg: usize) -> &[Change<'a>] {
        &self.changes[self.legs[leg].changes.clone()]
    }
}
