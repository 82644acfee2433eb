//! What a call's notifications report and what follows from them, as facts with the ids of rules. Crate `render` words
//! them.

mod worded;

use crate::ShortText;

use crate::{Call, ParticipantId, SessionId, Time, call::Evidence, json::string_enum};

pub use worded::{WordedConclusion, WordedExplanation, WordedStep};

/// Why a call's record says what it says.
#[derive(Debug, Clone, PartialEq)]
pub struct Explanation {
    /// The record that is explained.
    pub call: Call,
    /// What happened, in order.
    pub steps: Vec<Step>,
    /// What was concluded about parties that no notification describes. Conclusions that the record states by itself,
    /// such as the direction, are not repeated here.
    pub conclusions: Vec<Conclusion>,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// When it happened.
    pub time: Time,
    /// What happened.
    pub fact: Fact,
    /// The rule by which it is known; `None` if the notification reports it as it is.
    pub rule: Option<RuleId>,
    /// Whether it is inferred, not reported.
    pub inferred: bool,
    /// The notifications that prove it.
    pub evidence: Vec<Evidence>,
}

/// What happened in one step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    /// A notification reports a change of one leg.
    LegChanged {
        /// Whose leg it is; `None` for a conference bridge's own leg.
        participant: Option<ParticipantId>,
        /// What changed.
        change: LegChange,
    },
    /// The move at this index of the record's moves.
    Move(usize),
    /// The conversation at this index of the record's conversations begins.
    Conversation(usize),
}

/// A session that a fact names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionRef {
    /// Its id.
    pub id: SessionId,
    /// Whether any notification of it was received.
    pub is_seen: bool,
}

/// What changed about a leg. `reason` is the platform's word, if the notification has one.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "a variant says what happened to the leg")]
pub enum LegChange {
    UnknownCode { code: Option<ShortText> },
    Calls { number: Option<ShortText> },
    DialsInOwnSession { number: Option<ShortText> },
    DialsInToListen,
    OpensConference,
    BridgeLegCreated,
    EntersQueue,
    MenuTakesCall,
    RouterTakesCall,
    CallArrives,
    JoinsWithoutOrigin,
    Rings { offered_by: Option<ParticipantId> },
    WaitsForFarEnd,
    PutsOthersOnHold,
    TakesOthersOffHold,
    Parked { location: Option<ShortText> },
    RetrievedFromPark,
    VoicemailTakesCall,
    ScreensVoicemail,
    ReceivesFax,
    ReturnsToSession,
    ListensInSession,
    ConnectedAgain,
    ConnectedToo,
    PlatformTookCall,
    EntersBridge,
    Answers,
    LeavesForUnnamedSession,
    JoinsSessionsAndLeaves { here: SessionRef, there: SessionRef },
    JoinsSessionToBridge { here: SessionRef, bridge: SessionRef },
    BridgeJoinedTo { there: SessionRef },
    ComesIntoSession { there: SessionRef },
    ListensToSession { there: SessionRef },
    TakesOverInSession { there: SessionRef },
    ClosedAfterLeaving,
    CallEndsMeanwhile { reason: Option<ShortText> },
    HandsCallOn { reason: Option<ShortText> },
    SendsCallOn { reason: Option<ShortText> },
    StopsListening { reason: Option<ShortText> },
    BridgeLegEnds,
    StopsRinging { reason: Option<ShortText> },
    Leaves { reason: Option<ShortText> },
}

/// A conclusion about a party that no notification describes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Conclusion {
    /// An extension was called, and whether it answered is not shown.
    AnswerNotShown {
        /// Who was called.
        participant: ParticipantId,
        /// In which session.
        session: SessionRef,
    },
    /// Another person took the place of the one whom a leg talked with.
    FarSideReplaced {
        /// Whose leg shows it; `None` for a conference bridge's own leg.
        shown_by: Option<ParticipantId>,
        /// In which session.
        session: SessionRef,
    },
    /// A party is on the line although no notification is about it.
    Implied {
        /// Who is on the line.
        participant: ParticipantId,
        /// In which session.
        session: SessionRef,
        /// Whose leg names the party; `None` for a conference bridge's own leg.
        named_by: Option<ParticipantId>,
        /// Whether that leg names it as the caller (`from`), not as the called party (`to`).
        is_caller: bool,
    },
    /// A host is in a conference whose bridge was not seen.
    HostInUnseenBridge {
        /// The host.
        host: ParticipantId,
    },
}

string_enum! {
    /// A rule by which something follows from notifications.
    pub enum RuleId {
        /// An unknown status code changes no state.
        UnknownCode = "unknown-code",
        /// After `Gone`, a leg may be answered again.
        GoneIsNotTheEnd = "gone-is-not-the-end",
        /// A repeated `Answered` resets nothing.
        RepeatedAnswered = "repeated-answered",
        /// A caller's own `Answered` does not mean that the called party answered.
        CallersOwnAnswered = "callers-own-answered",
        /// A `Gone` without `peerId` leaves the other session unknown.
        GoneWithoutPeer = "gone-without-peer",
        /// A `Gone` names the leg in the other session.
        GoneNamesOtherLeg = "gone-names-other-leg",
        /// A conference is several sessions that are joined to one bridge.
        ConferenceBridge = "conference-bridge",
        /// A party who picks up or retrieves comes from a session of its own and stays.
        PickupComesIn = "pickup-comes-in",
        /// A supervisor joins no calls.
        SupervisorJoinsNothing = "supervisor-joins-nothing",
        /// A menu's or queue's end is not the end of the call.
        HandedOn = "handed-on",
        /// Participants who are connected in one session, or through open links, hear each other.
        ConnectedPartiesHearEachOther = "connected-parties-hear-each-other",
        /// `Gone` with reason `AttendedTransfer`.
        AttendedTransfer = "attended-transfer",
        /// `Disconnected` with a transfer reason.
        BlindTransfer = "blind-transfer",
        /// `Gone` with another reason joins two sessions.
        Transfer = "transfer",
        /// A link into the bridge.
        Conference = "conference",
        /// `Parked`, or `Disconnected` with a park reason.
        Park = "park",
        /// A `Pickup` link to a parked leg.
        Retrieve = "retrieve",
        /// A ringing leg ends with `Pickup`, or a `Pickup` link to a ringing session.
        Pickup = "pickup",
        /// `Disconnected` with `CallRedirected`.
        Forward = "forward",
        /// The same user continues with another leg.
        Switch = "switch",
        /// `Disconnected` with `CallFlip`.
        Flip = "flip",
        /// `Disconnected` with `TakeOver`.
        TakeOver = "take-over",
        /// How the direction is found.
        Direction = "direction",
        /// How the result is found.
        Result = "result",
        /// The directory lists the number as one of the user's.
        OwnNumber = "own-number",
        /// An outside telephone rings while one user's leg is being handled.
        RingsOnBehalf = "rings-on-behalf",
        /// A leg that only ever had `Setup` and `Disconnected`.
        RouterLeg = "router-leg",
        /// Whether the called extension answered is not shown.
        AnswerNotShown = "answer-not-shown",
        /// `Answered` with reason `AttendedTransfer` and no link.
        FarSideReplaced = "far-side-replaced",
        /// Where one side of a session is visible, the other is implied.
        ImpliedParty = "implied-party",
        /// A host is present until every other leg has ended.
        UnseenBridge = "unseen-bridge",
        /// Calls are joined only by an id.
        JoinedById = "joined-by-id",
    }
}
