//! Legs: one party of one session, from its first event to its end.

use crate::ShortText;

use super::Kind;
use crate::{
    id::{LegId, ParticipantId, PartyId, SessionId},
    json::{IsEmpty, json_struct, string_enum},
    time::Time,
};

json_struct! {
    /// One end of a call in `from` and `to` of a leg.
    #[derive(Default)]
    pub struct Endpoint {
        /// Public number or extension number.
        "phoneNumber" => @"IsEmpty::is_empty" pub phone_number: Option<ShortText>,
        /// Name.
        "name" => @"IsEmpty::is_empty" pub name: Option<ShortText>,
        /// Extension of the account.
        "extensionId" => @"IsEmpty::is_empty" pub extension_id: Option<ShortText>,
    }
}

json_struct! {
    /// One party of one session.
    pub struct Leg {
        /// `s-…/p-…`.
        "id" => pub id: LegId,
        /// The session.
        "telephonySessionId" => pub telephony_session_id: SessionId,
        /// The party.
        "partyId" => pub party_id: PartyId,
        /// The participant; null for a proxy.
        "participant" => pub participant: Option<ParticipantId>,
        /// What it is.
        "kind" => pub kind: Kind,
        /// The technical direction.
        "direction" => pub direction: LegDirection,
        /// The calling side.
        "from" => pub from: Endpoint,
        /// The called side.
        "to" => pub to: Endpoint,
        /// Time of the first event; null if only a lookup shows the leg, and not when it began.
        "startTime" => pub start_time: Option<Time>,
        /// First `Proceeding`.
        "ringTime" => pub ring_time: Option<Time>,
        /// First `Answered`.
        "answerTime" => pub answer_time: Option<Time>,
        /// When it ended.
        "endTime" => pub end_time: Option<Time>,
        /// The reason of the end, in RingCentral's words.
        "endReason" => pub end_reason: Option<ShortText>,
        /// The outcome; null until it ends.
        "outcome" => pub outcome: Option<LegOutcome>,
        /// `Proceeding` to the first `Answered` or the end.
        "ringMs" => pub ring_ms: i64,
        /// Every `Answered` to `Hold` or the end.
        "talkMs" => pub talk_ms: i64,
        /// Every `Hold` to `Answered` or the end.
        "holdMs" => pub hold_ms: i64,
        /// Stretches of time in one state, without gaps.
        "segments" => pub segments: Vec<Segment>,
        /// The queue that offered the call to this leg.
        "queue" => pub queue: Option<ParticipantId>,
        /// The device; null if it is not known.
        "deviceId" => pub device_id: Option<ShortText>,
    }
}

string_enum! {
    /// The technical direction of a leg: a caller's leg is `Outbound` even when an outsider calls in.
    #[derive(Hash)]
    pub enum LegDirection {
        /// The called side.
        Inbound = "Inbound",
        /// The calling side.
        Outbound = "Outbound",
    }
}

string_enum! {
    /// The outcome of a leg.
    #[derive(Hash)]
    pub enum LegOutcome {
        /// Answered.
        Answered = "Answered",
        /// Rang until another party answered.
        AnsweredElsewhere = "AnsweredElsewhere",
        /// Rang without an answer.
        Missed = "Missed",
        /// Took a message.
        Voicemail = "Voicemail",
        /// Declined.
        Rejected = "Rejected",
        /// Busy.
        Busy = "Busy",
        /// Rang until another party picked up the call.
        PickedUp = "PickedUp",
        /// A menu, queue or rule that passed the call on.
        Routed = "Routed",
        /// The caller cancelled.
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

json_struct! {
    /// A stretch of time in which a leg is in one state.
    #[derive(Copy, Eq)]
    pub struct Segment {
        /// The state.
        "state" => pub state: LegState,
        /// From.
        "startTime" => pub start_time: Time,
        /// To; null while it lasts.
        "endTime" => pub end_time: Option<Time>,
    }
}

string_enum! {
    /// The state of a leg.
    #[derive(Hash)]
    pub enum LegState {
        /// Created.
        Setup = "setup",
        /// Ringing.
        Ringing = "ringing",
        /// Connected.
        Connected = "connected",
        /// Has put the others on hold.
        Holding = "holding",
        /// Parked.
        Parked = "parked",
        /// In voicemail.
        Voicemail = "voicemail",
        /// Receiving a fax.
        Fax = "fax",
        /// In another session, see `links`.
        Gone = "gone",
    }
}
