//! What is known to be missing from a record.

use crate::ShortText;

use super::transfers::Evidence;
use crate::{
    id::{CallId, PartyId, SessionId},
    json::{IsEmpty, json_struct, string_enum},
    time::Time,
};

json_struct! {
    /// What is known to be missing.
    #[derive(Default, Eq)]
    pub struct Completeness {
        /// Whether nothing is known to be missing and every leg ended.
        "complete" => +default pub complete: bool,
        /// Missing sequence numbers of sessions: an indication of lost notifications, not a proof.
        "missingSequences" => pub missing_sequences: Vec<Gap>,
        /// Sessions that links name and of which no notification was received.
        "unseenSessions" => pub unseen_sessions: Vec<SessionId>,
        /// Legs that left for a session that no notification names.
        "unlinkedGone" => pub unlinked_gone: Vec<UnlinkedGone>,
        /// Why the call was closed although a leg had not ended.
        "reason" => pub reason: Option<CloseReason>,
        /// The call that this record's notifications were too late for, because its data had been evicted;
        /// then this is a separate record.
        "lateFor" => @"IsEmpty::is_empty" pub late_for: Option<CallId>,
        /// What exceeded a documented limit, and is counted but not stored.
        "beyondLimits" => @"IsEmpty::is_empty" pub beyond_limits: Vec<ExceededLimit>,
        /// What no notification reported, and a lookup at RingCentral did.
        "repaired" => @"IsEmpty::is_empty" pub repaired: Vec<Repaired>,
    }
}

json_struct! {
    /// A range of missing sequence numbers.
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

json_struct! {
    /// A leg that left for a session that no notification names.
    #[derive(Eq)]
    pub struct UnlinkedGone {
        /// The session.
        "telephonySessionId" => pub telephony_session_id: SessionId,
        /// The leg.
        "partyId" => pub party_id: PartyId,
        /// The sequence number of the notification that reports it.
        "sequence" => pub sequence: u32,
    }
}

json_struct! {
    /// A fact about a leg that a lookup reported and no notification did.
    #[derive(Eq)]
    pub struct Repaired {
        /// The session.
        "telephonySessionId" => pub telephony_session_id: SessionId,
        /// The leg.
        "partyId" => pub party_id: PartyId,
        /// The fact.
        "what" => pub what: LookupFact,
        /// Its time in the record; null for a description.
        "time" => pub time: Option<Time>,
        /// Whether the time is an upper bound: the fact held then, and may have held before.
        "atOrBefore" => +default pub at_or_before: bool,
        /// The lookup's answer that reports it.
        "evidence" => pub evidence: Evidence,
    }
}

string_enum! {
    /// What a lookup reported about a leg.
    #[derive(PartialOrd, Ord, Hash)]
    pub enum LookupFact {
        /// The leg itself.
        Leg = "leg",
        /// That its session began before anything else that is known of its legs.
        Start = "start",
        /// A state that it was in.
        State = "state",
        /// That it left by a link, and to which session.
        Link = "link",
        /// That it has ended.
        End = "end",
        /// A name, a number, an extension.
        Description = "description",
    }
}

string_enum! {
    /// Why a call was closed although a leg had not ended.
    #[derive(Hash)]
    pub enum CloseReason {
        /// The input ended.
        EndOfInput = "endOfInput",
        /// Only one leg of several was still open, and nothing arrived for the shorter idle timeout.
        LastLegSilent = "lastLegSilent",
        /// Nothing arrived for the longer idle timeout.
        Silent = "silent",
    }
}

json_struct! {
    /// What exceeded a documented limit.
    #[derive(Eq)]
    pub struct ExceededLimit {
        /// The kind of item.
        "what" => pub what: ShortText,
        /// The session that it belongs to; left out if it belongs to none.
        "telephonySessionId" => @"IsEmpty::is_empty" pub telephony_session_id: Option<SessionId>,
        /// Maximum number that is stored.
        "limit" => pub limit: u64,
        /// Number that is not stored.
        "beyond" => pub beyond: u64,
    }
}
