//! How a call passes on: links between sessions, and moves between participants.

use compact_str::CompactString;

use crate::{
    id::{ParticipantId, PartyId, SessionId},
    json::{IsEmpty, object, words},
    time::Time,
};

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
    /// A notification, or an answer of RingCentral, that proves something.
    #[derive(Eq)]
    pub struct Evidence {
        /// The session.
        "telephonySessionId" => pub telephony_session_id: SessionId,
        /// The place in its order; none for what RingCentral answered when it was asked.
        "sequence" => @"IsEmpty::is_empty" pub sequence: Option<u32>,
        /// What it is, if it is no notification.
        "kind" => @"IsEmpty::is_empty" pub kind: Option<EvidenceKind>,
        /// The notification; the smallest id where several copies came.
        "uuid" => pub uuid: Option<CompactString>,
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

words! {
    /// What RingCentral said when it was asked.
    #[derive(PartialOrd, Ord, Hash)]
    pub enum EvidenceKind {
        /// How a session was at a time.
        Snapshot = "snapshot",
        /// The call log's record of a session.
        CallLog = "callLog",
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
        /// Whether the target was in a conversation after it and before the next move; null where what followed was
        /// not seen.
        "answered" => pub answered: Option<bool>,
        /// The notifications that say so.
        "evidence" => pub evidence: Vec<Evidence>,
    }
}
