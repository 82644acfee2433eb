//! From the notifications of one call to its record.
//!
//! The fold considers everything that is known of the call at once and changes nothing outside itself, so that the
//! order of the notifications cannot matter. Its stages, in this order:
//!
//!
//! 1. [`legs`]: the rooms (one for each session), their legs, and each leg's changes in order, with effective times;
//! 2. [`links`]: the links between rooms, and which rooms they join when;
//! 3. [`people`]: who owns which leg, and what kind of participant that is;
//! 4. [`spans`]: the state of each leg over time, and when it ended;
//! 5. [`presence`]: who was connected in which room, and so who heard whom;
//! 6. [`moves`], [`queues`], [`outcomes`]: how the call was moved, and how it came out;
//! 7. [`closing`]: whether it is over; [`record`], with its [`participants`] and its [`completeness`], and [`story`]: the
//!    results.

mod bounds;
mod closing;
mod completeness;
mod conclusions;
mod headline;
mod ids;
mod inferred_parties;
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

pub(crate) use self::{
    closing::IdleTimeout,
    ids::{ChangeIdx, LegIdx, ParticipantIdx, SessionIdx},
    sides::Rank,
};
use self::{
    inferred_parties::InferredParty,
    legs::{Leg, Room},
    links::{JoinTimeline, Link},
    people::Person,
    presence::ConversationSpan,
};
use crate::{
    directory::Directory,
    event::Event,
    index::{Idx, IdxVec},
    session::Session,
};

/// The input of a fold.
pub(crate) struct FoldInput<'a> {
    pub(crate) account: Option<&'a AccountId>,
    /// Its sessions, including those that only a link names.
    pub(crate) sessions: Vec<&'a Session>,
    /// Sessions of other calls that listened to this one.
    pub(crate) listeners: Vec<&'a Session>,
    pub(crate) related: Vec<call::Related>,
    /// Number of sessions that were not joined to it because it is too large.
    pub(crate) refused: u64,
    pub(crate) directory: Option<&'a Directory>,
}

/// The part of a record that does not follow from the notifications.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RecordStatus {
    pub(crate) state: call::State,
    pub(crate) reason: Option<call::ClosedBecause>,
    pub(crate) late_for: Option<CallId>,
    pub(crate) version: u64,
    pub(crate) updated_at: Time,
}

/// A call with everything that its stages found.
pub(crate) struct Fold<'a> {
    input: FoldInput<'a>,
    /// Observed rooms in order of their start, then the others.
    rooms: IdxVec<SessionIdx, Room<'a>>,
    root: SessionIdx,
    /// Legs by room, in order of their first change.
    legs: IdxVec<LegIdx, Leg<'a>>,
    /// The changes of all legs, contiguous for each leg.
    changes: IdxVec<ChangeIdx, Change<'a>>,
    links: Vec<Link>,
    join_timeline: JoinTimeline,
    /// Participants in order of their ids.
    people: IdxVec<ParticipantIdx, Person>,
    /// Extensions that offer the call to others.
    queues: Vec<&'a str>,
    inferred_parties: Vec<InferredParty>,
    /// When each participant is first connected. `None` for those who never are.
    first_present: IdxVec<ParticipantIdx, Option<Time>>,
    conversations: Vec<ConversationSpan>,
    conversations_beyond_limit: u64,
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
        self.event.status.code == Some(Code::Answered)
    }
}

impl<'a> Fold<'a> {
    /// Runs the stages. `None` if the call has no leg, and so no record.
    pub(crate) fn new(input: FoldInput<'a>) -> Option<Self> {
        let mut fold = Self::empty(input);
        fold.find_legs();
        fold.root = fold.find_root()?;
        fold.find_links();
        fold.find_people();
        fold.find_take_overs();
        fold.find_spans();
        fold.find_conversations();
        fold.find_monitors();
        fold.find_on_behalf();
        Some(fold)
    }

    fn empty(input: FoldInput<'a>) -> Self {
        Self {
            input,
            rooms: IdxVec::new(),
            root: SessionIdx::new(0),
            legs: IdxVec::new(),
            changes: IdxVec::new(),
            links: Vec::new(),
            join_timeline: JoinTimeline::default(),
            people: IdxVec::new(),
            queues: Vec::new(),
            inferred_parties: Vec::new(),
            first_present: IdxVec::new(),
            conversations: Vec::new(),
            conversations_beyond_limit: 0,
            monitors: Vec::new(),
            last_event: Time::from_millis(i64::MIN),
        }
    }

    /// The rank of a session among those of its call.
    pub(crate) fn rank_of(session: &'a Session, account: Option<&'a AccountId>) -> Rank {
        let input = FoldInput {
            account,
            sessions: vec![session],
            listeners: Vec::new(),
            related: Vec::new(),
            refused: 0,
            directory: None,
        };
        let mut fold = Self::empty(input);
        fold.find_legs();
        fold.rank(SessionIdx::new(0))
    }

    /// The call's id: its root session.
    pub(crate) fn id(&self) -> &CallId {
        &self.rooms[self.root].session.id
    }

    /// Whether a leg is open.
    pub(crate) fn is_live(&self) -> bool {
        self.open_legs().next().is_some()
    }

    /// Open legs; the seats of a bridge do not count.
    fn open_legs(&self) -> impl Iterator<Item = (LegIdx, &Leg<'a>)> {
        self.legs.iter_enumerated().filter(|(_, leg)| leg.end.is_none() && leg.kind != call::Kind::Proxy)
    }

    fn changes_of(&self, leg: LegIdx) -> &[Change<'a>] {
        &self.changes[&self.legs[leg].changes]
    }
}
