//! Legs: one party of one session, from its first event to its end.

use compact_str::CompactString;

use super::Kind;
use crate::{
    id::{LegId, ParticipantId, PartyId, SessionId},
    json::{IsEmpty, object, words},
    time::Time,
};

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
        /// First event; null where only an answer of RingCentral shows the leg and not when it began.
        "startTime" => pub start_time: Option<Time>,
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
