//! The record of a whole call, as `docs/contract.md` §5 defines it.
//!
//! All times are those of the events (`eventTime`), all durations are in milliseconds.

mod completeness;
mod leg;
pub mod names;
mod transfers;

use crate::ShortText;

use crate::{
    id::{AccountId, CallId, LegId, ParticipantId, PartyId, SessionId},
    json::{IsEmpty, json_struct, string_enum},
    time::Time,
};

pub use completeness::{CloseReason, Completeness, ExceededLimit, Gap, LookupFact, Repaired, UnlinkedGone};
pub use leg::{Endpoint, Leg, LegDirection, LegOutcome, LegState, Segment};
pub use transfers::{Evidence, EvidenceKind, Link, LinkEnd, LinkKind, Move, MoveKind};

/// Name and version of the record's format.
pub const SCHEMA: &str = "wholecall.call/1";

json_struct! {
    /// A whole call, over all its sessions.
    pub struct Call {
        /// [`SCHEMA`].
        "schema" => pub schema: ShortText,
        /// The call's root session.
        "id" => pub id: CallId,
        /// The account; null if no notification names it.
        "accountId" => pub account_id: Option<AccountId>,
        /// Increases with every published change.
        "version" => pub version: u64,
        /// When the latest information in this record was received, by the receiver's clock.
        "updatedAt" => pub updated_at: Time,
        /// The version of the account's directory that names and kinds of extensions come from; left out if
        /// there was none.
        "directoryVersion" => @"IsEmpty::is_empty" pub directory_version: Option<u64>,
        /// Whether the call has ended.
        "state" => pub state: State,
        /// The direction, as the account sees it.
        "direction" => pub direction: Direction,
        /// What the notifications show: the whole account, or one extension's part of the call.
        "view" => +default pub view: View,
        /// The result.
        "result" => pub result: Outcome,
        /// The caller.
        "from" => pub from: Side,
        /// What was dialled. Who answered is in `answeredBy`.
        "to" => pub to: Side,
        /// The participant who first talked with the caller; null if none is known.
        "answeredBy" => +default pub answered_by: Option<ParticipantId>,
        /// The other people in the caller's last conversation.
        "lastWith" => +default pub last_with: Vec<ParticipantId>,
        /// The person outside the account; null in a call between extensions.
        "customer" => +default pub customer: Option<ParticipantId>,
        /// The users who talked, in the order in which they joined.
        "users" => +default pub users: Vec<ParticipantId>,
        /// What the customer (or the caller, if there is no customer) was doing when their last leg ended;
        /// null while live.
        "endState" => +default pub end_state: Option<EndState>,
        /// What the customer (or the caller, if there is no customer) is doing now; null when closed.
        "activity" => +default pub activity: Option<EndState>,
        /// Time of the first event.
        "startTime" => pub start_time: Time,
        /// Start of the first conversation.
        "answerTime" => pub answer_time: Option<Time>,
        /// End of the last leg; null while live.
        "endTime" => pub end_time: Option<Time>,
        /// Durations of the parts of the call.
        "durations" => pub durations: Durations,
        /// Everyone and everything that took part.
        "participants" => pub participants: Vec<Participant>,
        /// Every leg of every session.
        "legs" => pub legs: Vec<Leg>,
        /// Links between sessions.
        "links" => pub links: Vec<Link>,
        /// Moves of the call from one participant to another.
        "moves" => pub moves: Vec<Move>,
        /// The last transfer or forward that moved the customer (or the caller, if there is no customer);
        /// null if there was none.
        "transfer" => +default pub transfer: Option<Move>,
        /// Users who were rung for this call and whose leg ended `Missed`.
        "missedBy" => +default pub missed_by: Vec<ParticipantId>,
        /// Stretches of time in which the same people heard each other.
        "conversations" => pub conversations: Vec<Conversation>,
        /// Visits to queues.
        "queues" => pub queues: Vec<QueueVisit>,
        /// Supervisors who listened in.
        "monitors" => pub monitors: Vec<ParticipantId>,
        /// Recordings that were started.
        "recordings" => pub recordings: Vec<Recording>,
        /// The sessions that the call consists of.
        "sessions" => pub sessions: Vec<Session>,
        /// Calls that look connected although no id proves it.
        "related" => pub related: Vec<Related>,
        /// What is missing.
        "completeness" => pub completeness: Completeness,
    }
}

string_enum! {
    /// Whether a call has ended.
    #[derive(Hash)]
    pub enum State {
        /// At least one leg has not ended.
        Live = "live",
        /// Every leg has ended.
        Complete = "complete",
        /// Closed although the end of at least one leg was not reported.
        Incomplete = "incomplete",
    }
}

string_enum! {
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

string_enum! {
    /// What part of a call the notifications show.
    #[derive(Hash, Default)]
    pub enum View {
        /// The root's originating leg was seen: the whole account's subscription.
        #[default]
        Account = "account",
        /// It was not seen: one person's subscription, or notifications of the beginning were lost.
        Extension = "extension",
    }
}

string_enum! {
    /// What a participant was doing when the call ended, or is doing in a live call. If several apply, the
    /// first in this order is used.
    #[derive(Hash, PartialOrd, Ord)]
    pub enum EndState {
        /// In a conversation.
        Talking = "talking",
        /// Put on hold.
        OnHold = "onHold",
        /// Parked.
        Parked = "parked",
        /// In a mailbox.
        Voicemail = "voicemail",
        /// In a queue.
        Queued = "queued",
        /// Waiting while a telephone rings.
        Ringing = "ringing",
        /// In a menu.
        Menu = "menu",
        /// Nothing of these, or others went on talking without the participant.
        Nothing = "none",
    }
}

string_enum! {
    /// The result of a call.
    #[derive(Hash)]
    pub enum Outcome {
        /// Live, and no conversation has begun.
        InProgress = "InProgress",
        /// People talked.
        Answered = "Answered",
        /// A voicemail box answered.
        Voicemail = "Voicemail",
        /// A fax.
        Fax = "Fax",
        /// At least one person was rung and none answered.
        Missed = "Missed",
        /// The caller left before anybody was rung.
        Abandoned = "Abandoned",
        /// Everybody who was rung declined.
        Rejected = "Rejected",
        /// Everybody who was rung was busy.
        Busy = "Busy",
        /// An outbound call that was not answered.
        NoAnswer = "NoAnswer",
        /// An outbound call that the caller cancelled.
        Cancelled = "Cancelled",
        /// The number does not exist, or the platform failed.
        Failed = "Failed",
        /// Not allowed.
        Blocked = "Blocked",
        /// A service answered: a star code, the caller's own mailbox, an announcement.
        Service = "Service",
        /// A person who was not seen answered the call that rang at the one who was.
        AnsweredElsewhere = "AnsweredElsewhere",
        /// Passed on to where the notifications do not reach.
        Forwarded = "Forwarded",
        /// The notifications do not show the result.
        Unknown = "Unknown",
    }
}

json_struct! {
    /// The caller, or what was dialled.
    #[derive(Default)]
    pub struct Side {
        /// The participant.
        "participant" => pub participant: Option<ParticipantId>,
        /// Public number; in `to` what was dialled, which may be a short number or a star code.
        "phoneNumber" => pub phone_number: Option<ShortText>,
        /// Extension number within the account.
        "extensionNumber" => +default pub extension_number: Option<ShortText>,
        /// Name.
        "name" => pub name: Option<ShortText>,
        /// Name to display: the name, else the number, else the extension, else `Anonymous`.
        "displayName" => +default pub display_name: ShortText,
        /// Extension id within the account.
        "extensionId" => pub extension_id: Option<ShortText>,
    }
}

json_struct! {
    /// Durations of the parts of a call, in milliseconds. While a call is live, open parts end at its last
    /// event.
    #[derive(Copy, Default, Eq)]
    pub struct Durations {
        /// From the start to the end.
        "totalMs" => pub total_ms: i64,
        /// From the start to the answer, or to the end.
        "waitMs" => pub wait_ms: i64,
        /// Union of the conversations.
        "talkMs" => pub talk_ms: i64,
        /// Union of the legs' holding segments.
        "holdMs" => pub hold_ms: i64,
        /// Union of the legs' parked segments.
        "parkedMs" => pub parked_ms: i64,
        /// Union of the legs' voicemail segments.
        "voicemailMs" => pub voicemail_ms: i64,
    }
}

string_enum! {
    /// What a leg or a participant is.
    #[derive(PartialOrd, Ord, Hash)]
    pub enum Kind {
        /// A user of the account.
        User = "user",
        /// A person outside.
        External = "external",
        /// A call queue.
        Queue = "queue",
        /// A menu (IVR).
        Menu = "menu",
        /// A supervisor who listens in.
        Supervisor = "supervisor",
        /// A place in a conference bridge that stands for a session, not for a person.
        Proxy = "proxy",
        /// A menu or a rule; the notifications do not say which.
        Router = "router",
        /// A group of users that are rung together.
        Group = "group",
        /// An extension that, by the directory, is not a person: an announcement, a park location, a site.
        Machine = "machine",
        /// A person of whom only their presence is known.
        Unknown = "unknown",
    }
}

impl Kind {
    /// Whether it can talk.
    pub fn is_person(self) -> bool {
        matches!(self, Self::User | Self::External | Self::Unknown)
    }
}

json_struct! {
    /// A participant, over all its legs.
    pub struct Participant {
        /// `ext:…`, `tel:…` or `anon:…`.
        "id" => pub id: ParticipantId,
        /// What it is.
        "kind" => pub kind: Kind,
        /// Public number.
        "phoneNumber" => pub phone_number: Option<ShortText>,
        /// Extension number within the account.
        "extensionNumber" => +default pub extension_number: Option<ShortText>,
        /// Extension id within the account.
        "extensionId" => pub extension_id: Option<ShortText>,
        /// Name.
        "name" => pub name: Option<ShortText>,
        /// Name to display: the name, else the number, else the extension, else `Anonymous`.
        "displayName" => +default pub display_name: ShortText,
        /// The user whose calls ring at this outside telephone (find-me, forwarding to a mobile); null if
        /// none is known.
        "onBehalfOf" => +default pub on_behalf_of: Option<ParticipantId>,
        /// Whether `onBehalfOf` or a part of `talkMs` is inferred, not shown by a notification.
        "inferred" => +default pub inferred: bool,
        /// False if it is only known from another leg's `from` or `to`.
        "observed" => pub observed: bool,
        /// What it did in the call.
        "roles" => pub roles: Vec<Role>,
        /// Its legs.
        "legs" => pub legs: Vec<LegId>,
        /// Union of its legs' ringing segments.
        "ringMs" => pub ring_ms: i64,
        /// Union of its conversations.
        "talkMs" => pub talk_ms: i64,
        /// Union of its legs' holding segments.
        "holdMs" => pub hold_ms: i64,
    }
}

string_enum! {
    /// What a participant did in the call.
    #[derive(PartialOrd, Ord, Hash)]
    pub enum Role {
        /// Placed the call.
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

json_struct! {
    /// A stretch of time in which the same people heard each other.
    #[derive(Eq)]
    pub struct Conversation {
        /// From.
        "startTime" => pub start_time: Time,
        /// To; null while it lasts.
        "endTime" => pub end_time: Option<Time>,
        /// The people, in order of their ids.
        "participants" => pub participants: Vec<ParticipantId>,
        /// Whether one of them was not seen on the line: then the duration is an upper bound.
        "inferred" => +default pub inferred: bool,
    }
}

json_struct! {
    /// One visit to a queue.
    pub struct QueueVisit {
        /// The queue.
        "participant" => pub participant: ParticipantId,
        /// Its name.
        "name" => pub name: Option<ShortText>,
        /// When the call entered the queue.
        "enterTime" => pub enter_time: Time,
        /// When it was answered or left the queue; null while it waits.
        "leaveTime" => pub leave_time: Option<Time>,
        /// From the entry to the answer or the end of the visit.
        "waitMs" => pub wait_ms: i64,
        /// The outcome; null while the caller waits, and if the notifications do not show it.
        "outcome" => pub outcome: Option<QueueOutcome>,
        /// Number of times that an agent was rung.
        "offers" => pub offers: u32,
        /// The agent who answered the caller; null if that was not seen.
        "answeredBy" => pub answered_by: Option<ParticipantId>,
    }
}

string_enum! {
    /// The outcome of a visit to a queue.
    #[derive(Hash)]
    pub enum QueueOutcome {
        /// An agent answered.
        Answered = "Answered",
        /// The caller hung up while waiting.
        Abandoned = "Abandoned",
        /// The caller left the queue by pressing a key.
        Left = "Left",
        /// The queue sent the call elsewhere.
        Overflowed = "Overflowed",
    }
}

json_struct! {
    /// A recording that was started.
    #[derive(Eq)]
    pub struct Recording {
        /// Its id.
        "id" => pub id: ShortText,
        /// The session in which it was started.
        "telephonySessionId" => pub telephony_session_id: SessionId,
        /// The leg that recorded.
        "partyId" => pub party_id: PartyId,
    }
}

json_struct! {
    /// A session of the call.
    #[derive(Eq)]
    pub struct Session {
        /// Its id, which identifies it.
        "telephonySessionId" => pub telephony_session_id: SessionId,
        /// The legacy id: informational, not unique ("0" for every conference).
        "sessionId" => pub session_id: Option<ShortText>,
        /// How the session was created.
        "origin" => pub origin: Option<ShortText>,
        /// Time of the first event.
        "startTime" => pub start_time: Option<Time>,
        /// End of its last leg.
        "endTime" => pub end_time: Option<Time>,
        /// False if a link names it and none of its notifications was received.
        "seen" => pub seen: bool,
    }
}

json_struct! {
    /// Another call that looks connected.
    #[derive(Eq)]
    pub struct Related {
        /// The other call, or, for a supervision, the supervising session.
        "id" => pub id: CallId,
        /// In what way.
        "kind" => pub kind: RelatedKind,
        /// The indication.
        "why" => pub why: ShortText,
    }
}

string_enum! {
    /// In what way two calls look connected.
    #[derive(PartialOrd, Ord, Hash)]
    pub enum RelatedKind {
        /// One was started while the other was on hold.
        Consultation = "consultation",
        /// The other session of a RingOut.
        RingOutTwin = "ringOutTwin",
        /// A supervisor listened to both.
        Supervision = "supervision",
        /// A user was connected in both at the same time.
        Concurrent = "concurrent",
        /// The other side of a call from the account to one of its own numbers over the public network.
        Hairpin = "hairpin",
    }
}
