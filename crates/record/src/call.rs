//! The record of a whole call, as `docs/contract.md` §5 has it.
//!
//! All times are when things happened (`eventTime`), all lengths are milliseconds.

mod completeness;
mod leg;
mod passing;

use compact_str::CompactString;

use crate::{
    id::{AccountId, CallId, LegId, ParticipantId, PartyId, SessionId},
    json::{IsEmpty, object, words},
    time::Time,
};

pub use completeness::{BeyondLimit, ClosedBecause, Completeness, Gap, Repaired, RepairedFact, UnlinkedGone};
pub use leg::{Endpoint, Leg, LegDirection, LegOutcome, LegState, Segment};
pub use passing::{Evidence, EvidenceKind, Link, LinkEnd, LinkKind, Move, MoveKind};

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
        /// The version of the account's directory that names and kinds of extensions are from; left out where none was
        /// known.
        "directoryVersion" => @"IsEmpty::is_empty" pub directory_version: Option<u64>,
        /// Whether it is over.
        "state" => pub state: State,
        /// As the account sees it.
        "direction" => pub direction: Direction,
        /// What the notifications show: the whole account, or one extension's part of the call.
        "view" => +default pub view: View,
        /// How it came out.
        "result" => pub result: Outcome,
        /// The caller.
        "from" => pub from: Side,
        /// What was dialled; who was reached is in `answeredBy`.
        "to" => pub to: Side,
        /// The participant who first talked with the caller; null if none is known.
        "answeredBy" => +default pub answered_by: Option<ParticipantId>,
        /// The people of the caller's last conversation, without the caller.
        "lastWith" => +default pub last_with: Vec<ParticipantId>,
        /// The person outside the account; null in a call between extensions.
        "customer" => +default pub customer: Option<ParticipantId>,
        /// Extensions of the people who talked, in the order in which they came on the line.
        "users" => +default pub users: Vec<ParticipantId>,
        /// What served the customer (without one: the caller) last before their own last leg ended; null while live.
        "endState" => +default pub end_state: Option<EndState>,
        /// What the customer (without one: the caller) is doing now; null when closed.
        "activity" => +default pub activity: Option<EndState>,
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
        /// The last transfer or forward that moved the customer (without one: the caller); null without one.
        "transfer" => +default pub transfer: Option<Move>,
        /// People of the account who were rung for this call and whose leg ended `Missed`.
        "missedBy" => +default pub missed_by: Vec<ParticipantId>,
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
    /// What the notifications of a call show of it.
    #[derive(Hash, Default)]
    pub enum View {
        /// The root's originating leg was seen: the account's subscription.
        #[default]
        Account = "account",
        /// It was not: one person's subscription, or a beginning that was lost.
        Extension = "extension",
    }
}

words! {
    /// How a caller was left when a call ended, or what a live call is doing. Of several at once the first in this
    /// order counts.
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
        /// A telephone was ringing.
        Ringing = "ringing",
        /// In a menu.
        Menu = "menu",
        /// Nothing served the caller, or others went on talking without them.
        Nothing = "none",
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
        /// A service answered: a star code, the caller's own mailbox, an announcement.
        Service = "Service",
        /// A person who was not seen took the call that rang at the one who was.
        AnsweredElsewhere = "AnsweredElsewhere",
        /// Handed on to where the notifications do not show.
        Forwarded = "Forwarded",
        /// The notifications do not show how the call came out.
        Unknown = "Unknown",
    }
}

object! {
    /// The caller, or what was dialled.
    #[derive(Default)]
    pub struct Side {
        /// Who, among the participants.
        "participant" => pub participant: Option<ParticipantId>,
        /// Public number; in `to` what was dialled, also a short number or a star code.
        "phoneNumber" => pub phone_number: Option<CompactString>,
        /// Short number within the account.
        "extensionNumber" => +default pub extension_number: Option<CompactString>,
        /// Name.
        "name" => pub name: Option<CompactString>,
        /// Name for a reader: the name, else the number, else the extension, else `Anonymous`.
        "displayName" => +default pub display_name: CompactString,
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
        /// A menu or a rule; the stream does not say which.
        Router = "router",
        /// A group of users that is rung as one.
        Group = "group",
        /// An extension that the directory lists as no person: an announcement, a park location, a site.
        Machine = "machine",
        /// A person of whom only the presence is known.
        Unknown = "unknown",
    }
}

impl Kind {
    /// Whether it is somebody who can talk.
    pub fn is_person(self) -> bool {
        matches!(self, Self::User | Self::External | Self::Unknown)
    }
}

object! {
    /// One person or thing, over all its legs.
    pub struct Participant {
        /// `ext:…`, `tel:…` or `anon:…`.
        "id" => pub id: ParticipantId,
        /// What it is.
        "kind" => pub kind: Kind,
        /// Public number.
        "phoneNumber" => pub phone_number: Option<CompactString>,
        /// Short number within the account.
        "extensionNumber" => +default pub extension_number: Option<CompactString>,
        /// Extension of the account.
        "extensionId" => pub extension_id: Option<CompactString>,
        /// Name.
        "name" => pub name: Option<CompactString>,
        /// Name for a reader: the name, else the number, else the extension, else `Anonymous`.
        "displayName" => +default pub display_name: CompactString,
        /// The user whose call rings at this outside telephone: find-me, forwarding to a mobile.
        "onBehalfOf" => +default pub on_behalf_of: Option<ParticipantId>,
        /// Whether `onBehalfOf` or a length in `talkMs` is inferred rather than shown by a notification.
        "inferred" => +default pub inferred: bool,
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
    /// A stretch in which one fixed set of people heard each other.
    #[derive(Eq)]
    pub struct Conversation {
        /// From.
        "startTime" => pub start_time: Time,
        /// To; none while it lasts.
        "endTime" => pub end_time: Option<Time>,
        /// Who, sorted.
        "participants" => pub participants: Vec<ParticipantId>,
        /// Whether it rests on a person who was not seen on the line: then its length is an upper bound.
        "inferred" => +default pub inferred: bool,
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
        /// How it came out; null while the caller waits, and where the notifications do not show it.
        "outcome" => pub outcome: Option<QueueOutcome>,
        /// How often an agent was rung.
        "offers" => pub offers: u32,
        /// Who came on the line with the caller out of the queue; null where that was not seen.
        "answeredBy" => pub answered_by: Option<ParticipantId>,
    }
}

words! {
    /// How a visit to a queue came out.
    #[derive(Hash)]
    pub enum QueueOutcome {
        /// The caller was answered out of the queue.
        Answered = "Answered",
        /// The caller left while waiting in it.
        Abandoned = "Abandoned",
        /// The caller left it by a key.
        Left = "Left",
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
        /// One person of the account was connected in both at once.
        Concurrent = "concurrent",
        /// The other side of a call to a number of the account itself over the public network.
        Hairpin = "hairpin",
    }
}
