//! The record of a whole call, as `contract/call.md` §5 has it.
//!
//! All times are when things happened (`eventTime`), all lengths are milliseconds.

use compact_str::CompactString;
use serde::{Deserialize, Serialize};

use crate::{
    id::{AccountId, CallId, LegId, ParticipantId, PartyId, SessionId},
    time::Time,
};

/// The name and version of this shape.
pub const SCHEMA: &str = "wholecall.call/1";

/// A whole call: the story over all its sessions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Call {
    /// [`SCHEMA`].
    pub schema: CompactString,
    /// The call's root session.
    pub id: CallId,
    /// The account whose call it is; null where no notification names one.
    pub account_id: Option<AccountId>,
    /// Rises with every published change.
    pub version: u64,
    /// When we learnt the last thing in this record, by our clock.
    pub updated_at: Time,
    /// Whether it is over.
    pub state: State,
    /// As the account sees it.
    pub direction: Direction,
    /// How it came out.
    pub result: Outcome,
    /// The caller.
    pub from: Side,
    /// What was dialled; who was reached is in `conversations`.
    pub to: Side,
    /// First event.
    pub start_time: Time,
    /// Start of the first conversation.
    pub answer_time: Option<Time>,
    /// End of the last leg; none while live.
    pub end_time: Option<Time>,
    /// Lengths of the call's stretches.
    pub durations: Durations,
    /// Every person and thing that took part.
    pub participants: Vec<Participant>,
    /// Every leg of every session.
    pub legs: Vec<Leg>,
    /// Doors between sessions.
    pub links: Vec<Link>,
    /// Steps by which the call passed from one participant to another.
    pub moves: Vec<Move>,
    /// Stretches in which one fixed set of people heard each other.
    pub conversations: Vec<Conversation>,
    /// Visits to queues.
    pub queues: Vec<QueueVisit>,
    /// Supervisors who listened.
    pub monitors: Vec<ParticipantId>,
    /// Recordings begun.
    pub recordings: Vec<Recording>,
    /// The sessions it is made of.
    pub sessions: Vec<Session>,
    /// Calls that look connected, without an id to prove it.
    pub related: Vec<Related>,
    /// What is missing.
    pub completeness: Completeness,
}

/// Whether a call is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Some leg has not ended.
    Live,
    /// Every leg has ended.
    Complete,
    /// Closed although some leg never said that it ended.
    Incomplete,
}

/// The direction of a call, as the account sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Direction {
    /// From outside.
    Inbound,
    /// To outside.
    Outbound,
    /// Between two extensions.
    Internal,
}

/// How a call came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Outcome {
    /// Live, nobody has talked yet.
    InProgress,
    /// People talked.
    Answered,
    /// A machine took a message.
    Voicemail,
    /// A fax.
    Fax,
    /// Somebody was rung, nobody answered.
    Missed,
    /// The caller left before anybody was rung.
    Abandoned,
    /// Everybody who was rung declined.
    Rejected,
    /// Everybody who was rung was busy.
    Busy,
    /// An outbound call that nobody answered.
    NoAnswer,
    /// An outbound call the caller gave up.
    Cancelled,
    /// No such number, or the platform failed.
    Failed,
    /// Not allowed.
    Blocked,
}

/// The caller, or what was dialled.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Side {
    /// Who, among the participants.
    pub participant: Option<ParticipantId>,
    /// Number or short number.
    pub phone_number: Option<CompactString>,
    /// Name.
    pub name: Option<CompactString>,
    /// Extension of the account.
    pub extension_id: Option<CompactString>,
}

/// Lengths of a call's stretches, in milliseconds. While a call is live, open stretches run to its last
/// event.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Durations {
    /// Start to end.
    pub total_ms: i64,
    /// Start to answer, or to end.
    pub wait_ms: i64,
    /// Union of the conversations.
    pub talk_ms: i64,
    /// Union of the legs' holding stretches.
    pub hold_ms: i64,
    /// Union of the legs' parked stretches.
    pub parked_ms: i64,
    /// Union of the legs' voicemail stretches.
    pub voicemail_ms: i64,
}

/// What a leg or a participant is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A person of the account.
    User,
    /// A person outside.
    External,
    /// A call queue.
    Queue,
    /// A menu (IVR).
    Menu,
    /// Listens in.
    Supervisor,
    /// A seat in a conference bridge that stands for a room, not for a person.
    Proxy,
    /// A menu or a rule; the stream does not tell which.
    Router,
}

impl Kind {
    /// Whether it is somebody who can talk.
    pub fn is_person(self) -> bool {
        matches!(self, Self::User | Self::External)
    }
}

/// One person or thing, over all its legs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Participant {
    /// `ext:…`, `tel:…` or `anon:…`.
    pub id: ParticipantId,
    /// What it is.
    pub kind: Kind,
    /// Number or short number.
    pub phone_number: Option<CompactString>,
    /// Extension of the account.
    pub extension_id: Option<CompactString>,
    /// Name.
    pub name: Option<CompactString>,
    /// False where it is only implied by the other side's `from` or `to`.
    pub observed: bool,
    /// What it did in the call.
    pub roles: Vec<Role>,
    /// Its legs.
    pub legs: Vec<LegId>,
    /// Union of its legs' ringing.
    pub ring_ms: i64,
    /// Union of the conversations that name it.
    pub talk_ms: i64,
    /// Union of its legs' holding.
    pub hold_ms: i64,
}

/// What a participant did in the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Role {
    /// Called.
    Caller,
    /// Was dialled.
    Callee,
    /// Was offered the call by a queue.
    Agent,
    /// Transferred the call.
    Transferor,
    /// Was transferred to.
    TransferTarget,
    /// Opened the conference.
    ConferenceHost,
    /// Was brought into the conference.
    ConferenceMember,
    /// Parked the call.
    Parker,
    /// Retrieved the parked call.
    Retriever,
    /// Picked up a call that rang elsewhere.
    Picker,
    /// Forwarded the call.
    Forwarder,
    /// Was forwarded to.
    ForwardTarget,
    /// Listened in.
    Monitor,
    /// Took the call over.
    TakeOver,
}

/// One end of a call in `from` and `to` of a leg.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Endpoint {
    /// Number or short number.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub phone_number: Option<CompactString>,
    /// Name.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub name: Option<CompactString>,
    /// Extension of the account.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub extension_id: Option<CompactString>,
}

/// One party of one session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Leg {
    /// `s-…/p-…`.
    pub id: LegId,
    /// The session.
    pub telephony_session_id: SessionId,
    /// The party.
    pub party_id: PartyId,
    /// Whose leg it is; none for a proxy.
    pub participant: Option<ParticipantId>,
    /// What it is.
    pub kind: Kind,
    /// The technical direction.
    pub direction: LegDirection,
    /// The calling side.
    pub from: Endpoint,
    /// The called side.
    pub to: Endpoint,
    /// First event.
    pub start_time: Time,
    /// First `Proceeding`.
    pub ring_time: Option<Time>,
    /// First `Answered`.
    pub answer_time: Option<Time>,
    /// When it left for good.
    pub end_time: Option<Time>,
    /// The reason it left with, as RingCentral words it.
    pub end_reason: Option<CompactString>,
    /// How it came out; none while it lives.
    pub outcome: Option<LegOutcome>,
    /// `Proceeding` to the first `Answered` or the end.
    pub ring_ms: i64,
    /// Every `Answered` to `Hold` or the end.
    pub talk_ms: i64,
    /// Every `Hold` to `Answered` or the end.
    pub hold_ms: i64,
    /// Stretches in one state, without holes.
    pub segments: Vec<Segment>,
    /// The queue that offered the call.
    pub queue: Option<ParticipantId>,
    /// The device, once it is known.
    pub device_id: Option<CompactString>,
}

/// The technical direction of a leg: a caller's leg is `Outbound` even when an outsider calls in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum LegDirection {
    /// The side that is called.
    Inbound,
    /// The side that calls.
    Outbound,
}

/// How a leg came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum LegOutcome {
    /// Answered.
    Answered,
    /// Rang until somebody else answered.
    AnsweredElsewhere,
    /// Rang in vain.
    Missed,
    /// Took a message.
    Voicemail,
    /// Declined.
    Rejected,
    /// Busy.
    Busy,
    /// Rang until somebody else picked the call up.
    PickedUp,
    /// A menu, queue or rule that handed the call on.
    Routed,
    /// Given up.
    Cancelled,
    /// Could not be reached.
    Failed,
    /// Listened in.
    Monitoring,
    /// Took a fax.
    Fax,
    /// The caller's own leg.
    Originated,
}

/// A stretch of one leg in one state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Segment {
    /// The state.
    pub state: LegState,
    /// From.
    pub start_time: Time,
    /// To; none while it lasts.
    pub end_time: Option<Time>,
}

/// What a leg is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LegState {
    /// Created.
    Setup,
    /// Ringing.
    Ringing,
    /// Connected.
    Connected,
    /// Put the others on hold.
    Holding,
    /// Parked.
    Parked,
    /// In voicemail.
    Voicemail,
    /// Receiving a fax.
    Fax,
    /// In another room, see `links`.
    Gone,
}

/// The kind of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum LinkKind {
    /// Warm transfer: who opened the door leaves.
    AttendedTransfer,
    /// Into a bridge: who opened the door stays.
    Conference,
    /// Retrieved or picked up: who opened the door stays.
    Pickup,
    /// Listens, is not heard.
    Supervising,
    /// Took the call over.
    TakeOver,
    /// Any other reason, or none: who opened the door leaves.
    Transfer,
}

/// An edge between two sessions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Link {
    /// What it means.
    pub kind: LinkKind,
    /// The reason as RingCentral words it.
    pub reason: Option<CompactString>,
    /// From.
    pub start_time: Time,
    /// Until; none for a link that stays.
    pub end_time: Option<Time>,
    /// The end that opened it.
    pub a: LinkEnd,
    /// The other end.
    pub b: LinkEnd,
    /// The notifications that say so.
    pub evidence: Vec<Evidence>,
}

/// One end of a link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LinkEnd {
    /// The session.
    pub telephony_session_id: SessionId,
    /// The leg, if it was named.
    pub party_id: Option<PartyId>,
}

/// A notification that proves something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Evidence {
    /// The session.
    pub telephony_session_id: SessionId,
    /// The place in its order.
    pub sequence: i64,
    /// The notification; the smallest id where several copies came.
    pub uuid: Option<CompactString>,
}

/// How the call passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum MoveKind {
    /// Warm transfer.
    AttendedTransfer,
    /// Cold transfer.
    BlindTransfer,
    /// Brought into a conference.
    Conference,
    /// Flipped to another number.
    Flip,
    /// A rule forwarded it.
    Forward,
    /// Parked.
    Park,
    /// Picked up while it rang elsewhere.
    Pickup,
    /// Retrieved from park.
    Retrieve,
    /// Same user, other device.
    Switch,
    /// A supervisor took it.
    TakeOver,
    /// Joined by a link of an unknown reason.
    Transfer,
}

impl MoveKind {
    /// The kind as the record writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AttendedTransfer => "AttendedTransfer",
            Self::BlindTransfer => "BlindTransfer",
            Self::Conference => "Conference",
            Self::Flip => "Flip",
            Self::Forward => "Forward",
            Self::Park => "Park",
            Self::Pickup => "Pickup",
            Self::Retrieve => "Retrieve",
            Self::Switch => "Switch",
            Self::TakeOver => "TakeOver",
            Self::Transfer => "Transfer",
        }
    }
}

/// One step by which the call passed from one participant to another.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Move {
    /// What kind of step.
    pub kind: MoveKind,
    /// When.
    pub time: Time,
    /// Who did it.
    pub by: Option<ParticipantId>,
    /// Who has the call after it.
    pub target: Option<ParticipantId>,
    /// Whether the target came into a conversation after it.
    pub answered: bool,
    /// The notifications that say so.
    pub evidence: Vec<Evidence>,
}

/// A stretch in which one fixed set of people heard each other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Conversation {
    /// From.
    pub start_time: Time,
    /// To; none while it lasts.
    pub end_time: Option<Time>,
    /// Who, sorted.
    pub participants: Vec<ParticipantId>,
}

/// One visit to a queue.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct QueueVisit {
    /// The queue.
    pub participant: ParticipantId,
    /// Its name.
    pub name: Option<CompactString>,
    /// When the call came in.
    pub enter_time: Time,
    /// When it was answered or left; none while it waits.
    pub leave_time: Option<Time>,
    /// In between.
    pub wait_ms: i64,
    /// How it came out; none while it waits.
    pub outcome: Option<QueueOutcome>,
    /// How often an agent was rung.
    pub offers: u32,
    /// The agent who answered.
    pub answered_by: Option<ParticipantId>,
}

/// How a visit to a queue came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum QueueOutcome {
    /// An agent answered.
    Answered,
    /// The caller left.
    Abandoned,
    /// The queue sent the call elsewhere.
    Overflowed,
}

/// A recording begun.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Recording {
    /// Its id.
    pub id: CompactString,
    /// The session it was begun in.
    pub telephony_session_id: SessionId,
    /// The leg that recorded.
    pub party_id: PartyId,
}

/// A session of the call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Session {
    /// Its key.
    pub telephony_session_id: SessionId,
    /// The legacy id: data, never a key; "0" for every conference.
    pub session_id: Option<CompactString>,
    /// How it came about.
    pub origin: Option<CompactString>,
    /// First event.
    pub start_time: Option<Time>,
    /// End of its last leg.
    pub end_time: Option<Time>,
    /// False where a link names it and nothing of it came.
    pub seen: bool,
}

/// Another call that looks connected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Related {
    /// The other call, or, for a supervision, the supervising session.
    pub id: CallId,
    /// In what way.
    pub kind: RelatedKind,
    /// What makes it look so.
    pub why: CompactString,
}

/// In what way two calls look connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum RelatedKind {
    /// One was begun while the other was on hold.
    Consultation,
    /// The other session of a RingOut.
    RingOutTwin,
    /// A supervisor listened to both.
    Supervision,
}

/// What is known to be missing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Completeness {
    /// Gaps in the order of a session's notifications: a hint, not a proof.
    pub missing_sequences: Vec<Gap>,
    /// Sessions that links name and nothing of which came.
    pub unseen_sessions: Vec<SessionId>,
    /// Legs that left for a session nobody named.
    pub unlinked_gone: Vec<UnlinkedGone>,
    /// Why the call was closed although a leg had not ended.
    pub reason: Option<ClosedBecause>,
    /// What came too late for a record that had been let go; then this is a record of its own.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub late_for: Option<CallId>,
    /// What was beyond a stated limit and is counted, not kept.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub beyond_limits: Vec<BeyondLimit>,
}

/// A gap in a session's order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Gap {
    /// The session.
    pub telephony_session_id: SessionId,
    /// The first that is missing.
    pub from: i64,
    /// The last that is missing.
    pub to: i64,
}

/// A leg that left for a session nobody named.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UnlinkedGone {
    /// The session.
    pub telephony_session_id: SessionId,
    /// The leg.
    pub party_id: PartyId,
    /// The notification that says so.
    pub sequence: i64,
}

/// Why a call was closed although a leg had not ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ClosedBecause {
    /// The input ended.
    EndOfInput,
    /// One leg of several was left, and nothing more came of it.
    LastLegSilent,
    /// Nothing more came for hours.
    Silent,
}

/// What was beyond a stated limit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BeyondLimit {
    /// What there was too much of.
    pub what: CompactString,
    /// The session it was in, if it was in one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub telephony_session_id: Option<SessionId>,
    /// How much is kept.
    pub limit: u64,
    /// How much is not.
    pub beyond: u64,
}
