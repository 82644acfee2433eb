//! What is known to be missing from a record.

use compact_str::CompactString;

use super::passing::Evidence;
use crate::{
    id::{CallId, PartyId, SessionId},
    json::{IsEmpty, object, words},
    time::Time,
};

object! {
    /// What is known to be missing.
    #[derive(Default, Eq)]
    pub struct Completeness {
        /// Whether nothing is known to be missing and every leg ended.
        "complete" => +default pub complete: bool,
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
        /// What no notification told, and RingCentral did when it was asked.
        "repaired" => @"IsEmpty::is_empty" pub repaired: Vec<Repaired>,
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

object! {
    /// Something of a leg that no notification told.
    #[derive(Eq)]
    pub struct Repaired {
        /// The session.
        "telephonySessionId" => pub telephony_session_id: SessionId,
        /// The leg.
        "partyId" => pub party_id: PartyId,
        /// What of it.
        "what" => pub what: RepairedFact,
        /// Where the record puts it in time. None for a description.
        "time" => pub time: Option<Time>,
        /// Whether the time is a bound: it was so then, and may have been so before.
        "atOrBefore" => +default pub at_or_before: bool,
        /// The answer that tells it.
        "evidence" => pub evidence: Evidence,
    }
}

words! {
    /// What of a leg was repaired.
    #[derive(PartialOrd, Ord, Hash)]
    pub enum RepairedFact {
        /// All that is known of it.
        Leg = "leg",
        /// That its session began before anything that is known of its legs.
        Start = "start",
        /// A state it was in.
        State = "state",
        /// That it left by a link, and to where.
        Link = "link",
        /// That it has ended.
        End = "end",
        /// A name, a number, an extension.
        Description = "description",
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
