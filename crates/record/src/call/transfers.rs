//! How a call is passed on: links between sessions, and moves between participants.

use crate::ShortText;

use crate::{
    id::{ParticipantId, PartyId, SessionId},
    json::{IsEmpty, json_struct, string_enum},
    time::Time,
};

string_enum! {
    /// The kind of a link.
    #[derive(PartialOrd, Ord, Hash)]
    pub enum LinkKind {
        /// Warm transfer: the party that created the link leaves.
        AttendedTransfer = "AttendedTransfer",
        /// Into a conference bridge: the party that created the link stays.
        Conference = "Conference",
        /// Retrieved or picked up: the party that created the link stays.
        Pickup = "Pickup",
        /// Listens and is not heard.
        Supervising = "Supervising",
        /// Took the call over.
        TakeOver = "TakeOver",
        /// Any other reason, or none: the party that created the link leaves.
        Transfer = "Transfer",
    }
}

json_struct! {
    /// An edge between two sessions.
    pub struct Link {
        /// The kind.
        "kind" => pub kind: LinkKind,
        /// The reason, in RingCentral's words.
        "reason" => pub reason: Option<ShortText>,
        /// From.
        "startTime" => pub start_time: Time,
        /// To; null for a link that stays.
        "endTime" => pub end_time: Option<Time>,
        /// The end that created it.
        "a" => pub a: LinkEnd,
        /// The other end.
        "b" => pub b: LinkEnd,
        /// The notifications that prove it.
        "evidence" => pub evidence: Vec<Evidence>,
    }
}

json_struct! {
    /// One end of a link.
    #[derive(Eq)]
    pub struct LinkEnd {
        /// The session.
        "telephonySessionId" => pub telephony_session_id: SessionId,
        /// The leg; null if it is not named.
        "partyId" => pub party_id: Option<PartyId>,
    }
}

json_struct! {
    /// A notification, or a lookup's answer, that proves a statement.
    #[derive(Eq)]
    pub struct Evidence {
        /// The session.
        "telephonySessionId" => pub telephony_session_id: SessionId,
        /// The sequence number in the session; left out for a lookup's answer.
        "sequence" => @"IsEmpty::is_empty" pub sequence: Option<u32>,
        /// The kind of lookup; left out for a notification.
        "kind" => @"IsEmpty::is_empty" pub kind: Option<EvidenceKind>,
        /// The notification's id, the smallest one if it was delivered several times.
        "uuid" => pub uuid: Option<ShortText>,
    }
}

impl Evidence {
    /// Its place in its session, in a word: `8`, `snapshot`, `call log`.
    pub fn place(&self) -> String {
        match (self.sequence, self.kind) {
            (Some(sequence), _) => sequence.to_string(),
            (None, Some(EvidenceKind::CallLog)) => "call log".to_owned(),
            (None, Some(EvidenceKind::Snapshot) | None) => "snapshot".to_owned(),
        }
    }
}

string_enum! {
    /// The kind of a lookup's answer.
    #[derive(PartialOrd, Ord, Hash)]
    pub enum EvidenceKind {
        /// The state of a session at a time.
        Snapshot = "snapshot",
        /// The call log's record of a session.
        CallLog = "callLog",
    }
}

string_enum! {
    /// The kind of a move.
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
        /// Joined by a link with an unknown reason.
        Transfer = "Transfer",
    }
}

json_struct! {
    /// A move of the call from one participant to another.
    pub struct Move {
        /// The kind.
        "kind" => pub kind: MoveKind,
        /// When.
        "time" => pub time: Time,
        /// Who made it.
        "by" => pub by: Option<ParticipantId>,
        /// Who has the call after it.
        "target" => pub target: Option<ParticipantId>,
        /// Whether the target was in a conversation between this move and the next; null if that was not
        /// seen.
        "answered" => pub answered: Option<bool>,
        /// The notifications that prove it.
        "evidence" => pub evidence: Vec<Evidence>,
    }
}
