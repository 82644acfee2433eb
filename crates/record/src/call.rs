//! The record of a whole call, as `contract/call.md` §5 has it.
//!
//! All times are when things happened (`eventTime`), all lengths are milliseconds.

use compact_str::CompactString;

use crate::{
    id::{AccountId, CallId, LegId, ParticipantId, PartyId, SessionId},
    json::{IsEmpty, object, words},
    time::Time,
};

/// The name and version of this shape.
pub const SCHEMA: &str = "wholecall.call/1";

object! {
    /// A whole call: the story over all its sessions.
    pub struct Call {
        /// [`SCHEMA`].
        "schema" => pub schema: CompactString,
        /// The call's root session.
        "id" => pub id: CallId,
        /// The account whose call it is; null where no notification names one.
        "accountId" => pub account_id: Option<AccountId>,
        /// Rises with every published change.
        "version" => pub version: u64,
        /// When we learnt the last thing in this record, by our clock.
        "updatedAt" => pub updated_at: Time,
        /// Whether it is over.
        "state" => pub state: State,
        /// As the account sees it.
        "direction" => pub direction: Direction,
        /// How it came out.
        "result" => pub result: Outcome,
        /// The caller.
        "from" => pub from: Side,
        /// What was dialled; who was reached is in `conversations`.
        "to" => pub to: Side,
        /// First event.
        "startTime" => pub start_time: Time,
        /// Start of the first conversation.
        "answerTime" => pub answer_time: Option<Time>,
        /// End of the last leg; none while live.
        "endTime" => pub end_time: Option<Time>,
        /// Lengths of the call's stretches.
        "durations" => pub durations: Durations,
        /// Every person and thing that took part.
        "participants" => pub participants: Vec<Participant>,
        /// Every leg of every session.
        "legs" => pub legs: Vec<Leg>,
        /// Doors between sessions.
        "links" => pub links: Vec<Link>,
        /// Steps by which the call passed from one participant to another.
        "moves" => pub moves: Vec<Move>,
        /// Stretches in which one fixed set of people heard each other.
        "conversations" => pub conversations: Vec<Conversation>,
        /// Visits to queues.
        "queues" => pub queues: Vec<QueueVisit>,
        /// Supervisors who listened.
        "monitors" => pub monitors: Vec<ParticipantId>,
        /// Recordings begun.
        "recordings" => pub recordings: Vec<Recording>,
        /// The sessions it is made of.
        "sessions" => pub sessions: Vec<Session>,
        /// Calls that look connected, without an id to prove it.
        "related" => pub related: Vec<Related>,
        /// What is missing.
        "completeness" => pub completeness: Completeness,
    }
}

words! {
    /// Whether a call is over.
    #[derive(Hash)]
    pub enum State {
        /// Some leg has not ended.
        Live = "live",
        /// Every leg has ended.
        Complete = "complete",
        /// Closed although some leg never said that it ended.
        Incomplete = "incomplete",
    }
}

words! {
    /// The direction of a call, as the account sees it.
    #[derive(Hash)]
    pub enum Direction {
        /// From outside.
        Inbound = "Inbound",
        /// To outside.
        Outbound = "Outbound",
        /// Between two extensions.
        Internal = "Internal",
    }
}

words! {
    /// How a call came out.
    #[derive(Hash)]
    pub enum Outcome {
        /// Live, nobody has talked yet.
        InProgress = "InProgress",
        /// People talked.
        Answered = "Answered",
        /// A machine took a message.
        Voicemail = "Voicemail",
        /// A fax.
        Fax = "Fax",
        /// Somebody was rung, nobody answered.
        Missed = "Missed",
        /// The caller left before anybody was rung.
        Abandoned = "Abandoned",
        /// Everybody who was rung declined.
        Rejected = "Rejected",
        /// Everybody who was rung was busy.
        Busy = "Busy",
        /// An outbound call that nobody answered.
        NoAnswer = "NoAnswer",
        /// An outbound call the caller gave up.
        Cancelled = "Cancelled",
        /// No such number, or the platform failed.
        Failed = "Failed",
        /// Not allowed.
        Blocked = "Blocked",
    }
}

object! {
    /// The caller, or what was dialled.
    #[derive(Default)]
    pub struct Side {
        /// Who, among the participants.
        "participant" => pub participant: Option<ParticipantId>,
        /// Number or short number.
        "phoneNumber" => pub phone_number: Option<CompactString>,
        /// Name.
        "name" => pub name: Option<CompactString>,
        /// Extension of the account.
        "extensionId" => pub extension_id: Option<CompactString>,
    }
}

object! {
    /// Lengths of a call's stretches, in milliseconds. While a call is live, open stretches run to its last
    /// event.
    #[derive(Copy, Default, Eq)]
    pub struct Durations {
        /// Start to end.
        "totalMs" => pub total_ms: i64,
        /// Start to answer, or to end.
        "waitMs" => pub wait_ms: i64,
        /// Union of the conversations.
        "talkMs" => pub talk_ms: i64,
        /// Union of the legs' holding stretches.
        "holdMs" => pub hold_ms: i64,
        /// Union of the legs' parked stretches.
        "parkedMs" => pub parked_ms: i64,
        /// Union of the legs' voicemail stretches.
        "voicemailMs" => pub voicemail_ms: i64,
    }
}

words! {
    /// What a leg or a participant is.
    #[derive(PartialOrd, Ord, Hash)]
    pub enum Kind {
        /// A person of the account.
        User = "user",
        /// A person outside.
        External = "external",
        /// A call queue.
        Queue = "queue",
        /// A menu (IVR).
        Menu = "menu",
        /// Listens in.
        Supervisor = "supervisor",
        /// A seat in a conference bridge that stands for a room, not for a person.
        Proxy = "proxy",
        /// A menu or a rule; the stream does not tell which.
        Router = "router",
    }
}

impl Kind {
    /// Whether it is somebody who can talk.
    pub fn is_person(self) -> bool {
        matches!(self, Self::User | Self::External)
    }
}

object! {
    /// One person or thing, over all its legs.
    pub struct Participant {
        /// `ext:…`, `tel:…` or `anon:…`.
        "id" => pub id: ParticipantId,
        /// What it is.
        "kind" => pub kind: Kind,
        /// Number or short number.
        "phoneNumber" => pub phone_number: Option<CompactString>,
        /// Extension of the account.
        "extensionId" => pub extension_id: Option<CompactString>,
        /// Name.
        "name" => pub name: Option<CompactString>,
        /// False where it is only implied by the other side's `from` or `to`.
        "observed" => pub observed: bool,
        /// What it did in the call.
        "roles" => pub roles: Vec<Role>,
        /// Its legs.
        "legs" => pub legs: Vec<LegId>,
        /// Union of its legs' ringing.
        "ringMs" => pub ring_ms: i64,
        /// Union of the conversations that name it.
        "talkMs" => pub talk_ms: i64,
        /// Union of its legs' holding.
        "holdMs" => pub hold_ms: i64,
    }
}

words! {
    /// What a participant did in the call.
    #[derive(PartialOrd, Ord, Hash)]
    pub enum Role {
        /// Called.
        Caller = "caller",
        /// Was dialled.
        Callee = "callee",
        /// Was offered the call by a queue.
        Agent = "agent",
        /// Transferred the call.
        Transferor = "transferor",
        /// Was transferred to.
        TransferTarget = "transferTarget",
        /// Opened the conference.
        ConferenceHost = "conferenceHost",
        /// Was brought into the conference.
        ConferenceMember = "conferenceMember",
        /// Parked the call.
        Parker = "parker",
        /// Retrieved the parked call.
        Retriever = "retriever",
        /// Picked up a call that rang elsewhere.
        Picker = "picker",
        /// Forwarded the call.
        Forwarder = "forwarder",
        /// Was forwarded to.
        ForwardTarget = "forwardTarget",
        /// Listened in.
        Monitor = "monitor",
        /// Took the call over.
        TakeOver = "takeOver",
    }
}

object! {
    /// One end of a call in `from` and `to` of a leg.
    #[derive(Default)]
    pub struct Endpoint {
        /// Number or short number.
        "phoneNumber" => @"IsEmpty::is_empty" pub phone_number: Option<CompactString>,
        /// Name.
        "name" => @"IsEmpty::is_empty" pub name: Option<CompactString>,
        /// Extension of the account.
        "extensionId" => @"IsEmpty::is_empty" pub extension_id: Option<CompactString>,
    }
}

object! {
    /// One party of one session.
    pub struct Leg {
        /// `s-…/p-…`.
        "id" => pub id: LegId,
        /// The session.
        "telephonySessionId" => pub telephony_session_id: SessionId,
        /// The party.
        "partyId" => pub party_id: PartyId,
        /// Whose leg it is; none for a proxy.
        "participant" => pub participant: Option<ParticipantId>,
        /// What it is.
        "kind" => pub kind: Kind,
        /// The technical direction.
        "direction" => pub direction: LegDirection,
        /// The calling side.
        "from" => pub from: Endpoint,
        /// The called side.
        "to" => pub to: Endpoint,
        /// First event.
        "startTime" => pub start_time: Time,
        /// First `Proceeding`.
        "ringTime" => pub ring_time: Option<Time>,
        /// First `Answered`.
        "answerTime" => pub answer_time: Option<Time>,
        /// When it left for good.
        "endTime" => pub end_time: Option<Time>,
        /// The reason it left with, as RingCentral words it.
        "endReason" => pub end_reason: Option<CompactString>,
        /// How it came out; none while it lives.
        "outcome" => pub outcome: Option<LegOutcome>,
        /// `Proceeding` to the first `Answered` or the end.
        "ringMs" => pub ring_ms: i64,
        /// Every `Answered` to `Hold` or the end.
        "talkMs" => pub talk_ms: i64,
        /// Every `Hold` to `Answered` or the end.
        "holdMs" => pub hold_ms: i64,
        /// Stretches in one state, without holes.
        "segments" => pub segments: Vec<Segment>,
        /// The queue that offered the call.
        "queue" => pub queue: Option<ParticipantId>,
        /// The device, once it is known.
        "deviceId" => pub device_id: Option<CompactString>,
    }
}

words! {
    /// The technical direction of a leg: a caller's leg is `Outbound` even when an outsider calls in.
    #[derive(Hash)]
    pub enum LegDirection {
        /// The side that is called.
        Inbound = "Inbound",
        /// The side that calls.
        Outbound = "Outbound",
    }
}

words! {
    /// How a leg came out.
    #[derive(Hash)]
    pub enum LegOutcome {
        /// Answered.
        Answered = "Answered",
        /// Rang until somebody else answered.
        AnsweredElsewhere = "AnsweredElsewhere",
        /// Rang in vain.
        Missed = "Missed",
        /// Took a message.
        Voicemail = "Voicemail",
        /// Declined.
        Rejected = "Rejected",
        /// Busy.
        Busy = "Busy",
        /// Rang until somebody else picked the call up.
        PickedUp = "PickedUp",
        /// A menu, queue or rule that handed the call on.
        Routed = "Routed",
        /// Given up.
        Cancelled = "Cancelled",
        /// Could not be reached.
        Failed = "Failed",
        /// Listened in.
        Monitoring = "Monitoring",
        /// Took a fax.
        Fax = "Fax",
        /// The caller's own leg.
        Originated = "Originated",
    }
}

object! {
    /// A stretch of one leg in one state.
    #[derive(Copy, Eq)]
    pub struct Segment {
        /// The state.
        "state" => pub state: LegState,
        /// From.
        "startTime" => pub start_time: Time,
        /// To; none while it lasts.
        "endTime" => pub end_time: Option<Time>,
    }
}

words! {
    /// What a leg is doing.
    #[derive(Hash)]
    pub enum LegState {
        /// Created.
        Setup = "setup",
        /// Ringing.
        Ringing = "ringing",
        /// Connected.
        Connected = "connected",
        /// Put the others on hold.
        Holding = "holding",
        /// Parked.
        Parked = "parked",
        /// In voicemail.
        Voicemail = "voicemail",
        /// Receiving a fax.
        Fax = "fax",
        /// In another room, see `links`.
        Gone = "gone",
    }
}

words! {
    /// The kind of a link.
    #[derive(PartialOrd, Ord, Hash)]
    pub enum LinkKind {
        /// Warm transfer: who opened the door leaves.
        AttendedTransfer = "AttendedTransfer",
        /// Into a bridge: who opened the door stays.
        Conference = "Conference",
        /// Retrieved or picked up: who opened the door stays.
        Pickup = "Pickup",
        /// Listens, is not heard.
        Supervising = "Supervising",
        /// Took the call over.
        TakeOver = "TakeOver",
        /// Any other reason, or none: who opened the door leaves.
        Transfer = "Transfer",
    }
}

object! {
    /// An edge between two sessions.
    pub struct Link {
        /// What it means.
        "kind" => pub kind: LinkKind,
        /// The reason as RingCentral words it.
        "reason" => pub reason: Option<CompactString>,
        /// From.
        "startTime" => pub start_time: Time,
        /// Until; none for a link that stays.
        "endTime" => pub end_time: Option<Time>,
        /// The end that opened it.
        "a" => pub a: LinkEnd,
        /// The other end.
        "b" => pub b: LinkEnd,
        /// The notifications that say so.
        "evidence" => pub evidence: Vec<Evidence>,
    }
}

object! {
    /// One end of a link.
    #[derive(Eq)]
    pub struct LinkEnd {
        /// The session.
        "telephonySessionId" => pub telephony_session_id: SessionId,
        /// The leg, if it was named.
        "partyId" => pub party_id: Option<PartyId>,
    }
}

object! {
    /// A notification that proves something.
    #[derive(Eq)]
    pub struct Evidence {
        /// The session.
        "telephonySessionId" => pub telephony_session_id: SessionId,
        /// The place in its order.
        "sequence" => pub sequence: u32,
        /// The notification; the smallest id where several copies came.
        "uuid" => pub uuid: Option<CompactString>,
    }
}

words! {
    /// How the call passed on.
    #[derive(PartialOrd, Ord, Hash)]
    pub enum MoveKind {
        /// Warm transfer.
        AttendedTransfer = "AttendedTransfer",
        /// Cold transfer.
        BlindTransfer = "BlindTransfer",
        /// Brought into a conference.
        Conference = "Conference",
        /// Flipped to another number.
        Flip = "Flip",
        /// A rule forwarded it.
        Forward = "Forward",
        /// Parked.
        Park = "Park",
        /// Picked up while it rang elsewhere.
        Pickup = "Pickup",
        /// Retrieved from park.
        Retrieve = "Retrieve",
        /// Same user, other device.
        Switch = "Switch",
        /// A supervisor took it.
        TakeOver = "TakeOver",
        /// Joined by a link of an unknown reason.
        Transfer = "Transfer",
    }
}

object! {
    /// One step by which the call passed from one participant to another.
    pub struct Move {
        /// What kind of step.
        "kind" => pub kind: MoveKind,
        /// When.
        "time" => pub time: Time,
        /// Who did it.
        "by" => pub by: Option<ParticipantId>,
        /// Who has the call after it.
        "target" => pub target: Option<ParticipantId>,
        /// Whether the target came into a conversation after it.
        "answered" => pub answered: bool,
        /// The notifications that say so.
        "evidence" => pub evidence: Vec<Evidence>,
    }
}

object! {
    /// A stretch in which one fixed set of people heard each other.
    #[derive(Eq)]
    pub struct Conversation {
        /// From.
        "startTime" => pub start_time: Time,
        /// To; none while it lasts.
        "endTime" => pub end_time: Option<Time>,
        /// Who, sorted.
        "participants" => pub participants: Vec<ParticipantId>,
    }
}

object! {
    /// One visit to a queue.
    pub struct QueueVisit {
        /// The queue.
        "participant" => pub participant: ParticipantId,
        /// Its name.
        "name" => pub name: Option<CompactString>,
        /// When the call came in.
        "enterTime" => pub enter_time: Time,
        /// When it was answered or left; none while it waits.
        "leaveTime" => pub leave_time: Option<Time>,
        /// In between.
        "waitMs" => pub wait_ms: i64,
        /// How it came out; none while it waits.
        "outcome" => pub outcome: Option<QueueOutcome>,
        /// How often an agent was rung.
        "offers" => pub offers: u32,
        /// The agent who answered.
        "answeredBy" => pub answered_by: Option<ParticipantId>,
    }
}

words! {
    /// How a visit to a queue came out.
    #[derive(Hash)]
    pub enum QueueOutcome {
        /// An agent answered.
        Answered = "Answered",
        /// The caller left.
        Abandoned = "Abandoned",
        /// The queue sent the call elsewhere.
        Overflowed = "Overflowed",
    }
}

object! {
    /// A recording begun.
    #[derive(Eq)]
    pub struct Recording {
        /// Its id.
        "id" => pub id: CompactString,
        /// The session it was begun in.
        "telephonySessionId" => pub telephony_session_id: SessionId,
        /// The leg that recorded.
        "partyId" => pub party_id: PartyId,
    }
}

object! {
    /// A session of the call.
    #[derive(Eq)]
    pub struct Session {
        /// Its key.
        "telephonySessionId" => pub telephony_session_id: SessionId,
        /// The legacy id: data, never a key; "0" for every conference.
        "sessionId" => pub session_id: Option<CompactString>,
        /// How it came about.
        "origin" => pub origin: Option<CompactString>,
        /// First event.
        "startTime" => pub start_time: Option<Time>,
        /// End of its last leg.
        "endTime" => pub end_time: Option<Time>,
        /// False where a link names it and nothing of it came.
        "seen" => pub seen: bool,
    }
}

object! {
    /// Another call that looks connected.
    #[derive(Eq)]
    pub struct Related {
        /// The other call, or, for a supervision, the supervising session.
        "id" => pub id: CallId,
        /// In what way.
        "kind" => pub kind: RelatedKind,
        /// What makes it look so.
        "why" => pub why: CompactString,
    }
}

words! {
    /// In what way two calls look connected.
    #[derive(PartialOrd, Ord, Hash)]
    pub enum RelatedKind {
        /// One was begun while the other was on hold.
        Consultation = "consultation",
        /// The other session of a RingOut.
        RingOutTwin = "ringOutTwin",
        /// A supervisor listened to both.
        Supervision = "supervision",
    }
}

object! {
    /// What is known to be missing.
    #[derive(Default, Eq)]
    pub struct Completeness {
        /// Gaps in the order of a session's notifications: a hint, not a proof.
        "missingSequences" => pub missing_sequences: Vec<Gap>,
        /// Sessions that links name and nothing of which came.
        "unseenSessions" => pub unseen_sessions: Vec<SessionId>,
        /// Legs that left for a session nobody named.
        "unlinkedGone" => pub unlinked_gone: Vec<UnlinkedGone>,
        /// Why the call was closed although a leg had not ended.
        "reason" => pub reason: Option<ClosedBecause>,
        /// What came too late for a record that had been let go; then this is a record of its own.
        "lateFor" => @"IsEmpty::is_empty" pub late_for: Option<CallId>,
        /// What was beyond a stated limit and is counted, not kept.
        "beyondLimits" => @"IsEmpty::is_empty" pub beyond_limits: Vec<BeyondLimit>,
    }
}

object! {
    /// A gap in a session's order.
    #[derive(Eq)]
    pub struct Gap {
        /// The session.
        "telephonySessionId" => pub telephony_session_id: SessionId,
        /// The first that is missing.
        "from" => pub from: u32,
        /// The last that is missing.
        "to" => pub to: u32,
    }
}

object! {
    /// A leg that left for a session nobody named.
    #[derive(Eq)]
    pub struct UnlinkedGone {
        /// The session.
        "telephonySessionId" => pub telephony_session_id: SessionId,
        /// The leg.
        "partyId" => pub party_id: PartyId,
        /// The notification that says so.
        "sequence" => pub sequence: u32,
    }
}

words! {
    /// Why a call was closed although a leg had not ended.
    #[derive(Hash)]
    pub enum ClosedBecause {
        /// The input ended.
        EndOfInput = "endOfInput",
        /// One leg of several was left, and nothing more came of it.
        LastLegSilent = "lastLegSilent",
        /// Nothing more came for hours.
        Silent = "silent",
    }
}

object! {
    /// What was beyond a stated limit.
    #[derive(Eq)]
    pub struct BeyondLimit {
        /// What there was too much of.
        "what" => pub what: CompactString,
        /// The session it was in, if it was in one.
        "telephonySessionId" => @"IsEmpty::is_empty" pub telephony_session_id: Option<SessionId>,
        /// How much is kept.
        "limit" => pub limit: u64,
        /// How much is not.
        "beyond" => pub beyond: u64,
    }
}
