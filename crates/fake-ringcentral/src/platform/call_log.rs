//! The records of the call log: one per session, computed from the states of its parties.
//!
//! A record appears some time after the end of the call. The record of a queue's call appears earlier, when an
//! agent's telephone has stopped ringing: it then lists only the agents, and it changes under the same id when the
//! call has ended. A recording is attached later. Records are a pure function of the session and the time.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use wholecall_simulator::{Account, Origin, Timestamp};

use super::sessions::{PartyState, TelephonySession};

/// Time from the last change of a record until the recording is attached.
const RECORDING_DELAY_MS: i64 = 30_000;

/// How long an ended call stays in the list of active calls.
const ACTIVE_TAIL_MS: i64 = 120_000;

/// A view of the call log: of which extension, and in which format.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LogView<'a> {
    pub(crate) account: &'a Account,
    /// The extension whose log it is; `None` for the log of the account.
    pub(crate) extension: Option<u64>,
    /// Whether records have legs.
    pub(crate) is_detailed: bool,
    /// `http://host:port` in links.
    pub(crate) base: &'a str,
    /// Time from the end of a call to its record.
    pub(crate) record_delay_ms: i64,
    /// Time from the start of a call to its entry in the list of active calls.
    pub(crate) active_lag_ms: i64,
    /// Whether records have the member `finished`.
    pub(crate) has_finished: bool,
    /// The sessions of the account: a record can refer to another session.
    pub(crate) sessions: &'a BTreeMap<String, TelephonySession>,
}

/// The state of a record at a time.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) started_at: Timestamp,
    /// When it last changed.
    pub(crate) modified_at: Timestamp,
    pub(crate) record: Value,
}

/// How far the record of a call is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// In the list of active calls.
    Active,
    /// In the log before the end of a queue's call.
    Provisional,
    Final,
}

impl LogView<'_> {
    /// The record of a session at a time; `None` if there is none yet.
    pub(crate) fn entry(&self, session: &TelephonySession, now: Timestamp) -> Option<Entry> {
        self.includes(session).then_some(())?;
        let ended = session.ended_at.map(|end| end + self.record_delay_ms).filter(|since| *since <= now);
        let unanswered = |state: &&PartyState| state.party.queue.is_some() && state.answered_at.is_none();
        let offers = session.parties.values().filter(unanswered).filter_map(|state| state.ended_at);
        let provisional =
            offers.map(|end| end + self.record_delay_ms / 4).filter(|since| *since <= now).min();
        let (stage, since) = match (ended, provisional) {
            (Some(since), _) => (Stage::Final, since),
            (None, Some(since)) => (Stage::Provisional, since),
            (None, None) => return None,
        };
        let has_recording = session.parties.values().any(|state| state.party.recording.is_some());
        let recorded_at = since + RECORDING_DELAY_MS;
        let shows_recording = stage == Stage::Final && has_recording && recorded_at <= now;
        let modified_at = if shows_recording { recorded_at } else { since };
        let mut record = self.record(session, stage, shows_recording, now);
        if self.is_detailed {
            record["lastModifiedTime"] = time(modified_at);
        }
        let started_at = if stage == Stage::Final { session.started_at } else { first_offer(session) };
        Some(Entry { started_at, modified_at, record })
    }

    /// The entry of a session in the list of active calls; `None` if it is not in the list.
    pub(crate) fn active(&self, session: &TelephonySession, now: Timestamp) -> Option<Value> {
        let is_listed = session.started_at + self.active_lag_ms <= now
            && session.ended_at.is_none_or(|end| now < end + ACTIVE_TAIL_MS);
        (self.includes(session) && is_listed).then(|| self.record(session, Stage::Active, false, now))
    }

    fn includes(&self, session: &TelephonySession) -> bool {
        self.extension.is_none_or(|extension| session.has_extension(extension))
    }

    fn record(
        &self,
        session: &TelephonySession,
        stage: Stage,
        shows_recording: bool,
        now: Timestamp,
    ) -> Value {
        let legs = self.legs(session, stage, now);
        let master = legs.iter().find(|leg| leg["master"] == true).or(legs.first()).cloned();
        let mut record = master.unwrap_or_else(|| json!({}));
        let id = match self.extension {
            Some(extension) => format!("E{}{extension}", &session.id[2..]),
            None => format!("A{}", &session.id[2..]),
        };
        let view = if self.is_detailed { "Detailed" } else { "Simple" };
        let owner = self.extension.map(|extension| format!("/extension/{extension}")).unwrap_or_default();
        let (base, account) = (self.base, self.account.id);
        record["uri"] =
            format!("{base}/restapi/v1.0/account/{account}{owner}/call-log/{id}?view={view}").into();
        record["id"] = id.into();
        record["sessionId"] = session.legacy.to_string().into();
        if self.has_finished {
            record["finished"] = (stage == Stage::Final).into();
        }
        if let Some(members) = record.as_object_mut() {
            members.remove("legType");
            members.remove("master");
        }
        let recording = session.parties.values().find_map(|state| state.party.recording);
        if let Some((recording, _)) = recording.filter(|_| shows_recording) {
            record["recording"] = json!({
                "id": recording.to_string(), "type": "OnDemand",
                "uri": format!("{base}/restapi/v1.0/account/{account}/recording/{recording}"),
                "contentUri": format!("{base}/restapi/v1.0/account/{account}/recording/{recording}/content"),
            });
        }
        if self.is_detailed {
            record["legs"] = legs.into();
        }
        record
    }

    /// The legs: the caller's first, then in the order of their starts.
    fn legs(&self, session: &TelephonySession, stage: Stage, now: Timestamp) -> Vec<Value> {
        let real = session.parties.values().filter(|state| !state.is_proxy());
        let own = |state: &&PartyState| {
            let extension = state.party.extension;
            self.extension.is_none() || extension == self.extension || state.party.id.ordinal == 1
        };
        let shown: Vec<&PartyState> = real.filter(own).collect();
        let caller = shown.iter().find(|state| state.party.id.ordinal == 1).copied();
        let is_outbound = caller.is_some_and(|caller| caller.party.extension.is_some());
        let mut legs = Vec::new();
        // A provisional record lists only the agents' telephones.
        if let Some(caller) = caller.filter(|_| stage != Stage::Provisional) {
            legs.push(self.caller_leg(session, caller, is_outbound, stage, now));
        }
        for state in shown.iter().filter(|state| state.party.id.ordinal != 1) {
            let is_far_side = is_outbound && state.party.extension.is_none() && state.leave_reason.is_none();
            if state.is_router() || is_far_side && legs.len() == 1 {
                continue;
            }
            if stage == Stage::Provisional && (state.party.queue.is_none() || state.ended_at.is_none()) {
                continue;
            }
            legs.push(self.called_leg(session, state, stage, now));
        }
        if let Some(first) = legs.first_mut() {
            first["master"] = true.into();
        }
        legs
    }

    fn caller_leg(
        &self,
        session: &TelephonySession,
        caller: &PartyState,
        is_outbound: bool,
        stage: Stage,
        now: Timestamp,
    ) -> Value {
        let result = if stage == Stage::Active && session.ended_at.is_none() {
            "In Progress"
        } else {
            result(session)
        };
        let is_internal = is_outbound
            && session
                .parties
                .values()
                .any(|state| state.party.id.ordinal != 1 && state.party.extension.is_some());
        let (leg_type, action) = match (session.origin, is_outbound, is_internal) {
            (Origin::Conference, ..) => ("ConferenceCall", "Conference Call"),
            (Origin::RingOut, ..) => ("RingOutWebToSubscriber", "RingOut Web"),
            (_, false, _) => ("Accept", "Phone Call"),
            (_, true, true) => ("ExtensionToExtension", "VoIP Call"),
            (_, true, false) => ("SipToPstnMetered", "VoIP Call"),
        };
        let is_for_callee = self.extension.is_some_and(|own| caller.party.extension != Some(own));
        let direction = if is_outbound && !is_for_callee { "Outbound" } else { "Inbound" };
        let end = session.ended_at.filter(|end| stage == Stage::Final || *end <= now);
        let mut leg = leg(session, caller, &Columns { direction, action, result, leg_type, end });
        let first_own =
            session.parties.values().find(|state| state.party.extension.is_some() && !state.is_router());
        if let Some(extension) = self.extension.or(first_own.and_then(|state| state.party.extension)) {
            leg["extension"] = self.extension_json(extension);
        }
        for state in session.parties.values() {
            let Some(peer) =
                state.peer_session.as_ref().filter(|_| state.leave_reason == Some("AttendedTransfer"))
            else {
                continue;
            };
            leg[self.peer_role(session, state, peer)] = json!({ "telephonySessionId": peer });
        }
        if result == "Voicemail" && stage == Stage::Final {
            let id = format!("{}", session.legacy.wrapping_add(1));
            let owner = leg["extension"]["id"].as_u64().map(|id| format!("/extension/{id}"));
            let (base, account) = (self.base, self.account.id);
            let owner = owner.unwrap_or_default();
            leg["message"] = json!({
                "id": id, "type": "VoiceMail",
                "uri": format!("{base}/restapi/v1.0/account/{account}{owner}/message-store/{id}"),
            });
        }
        leg
    }

    /// The member that refers to the other session of an attended transfer: the record of the transferred call names
    /// the `transferTarget`, that of the consultation the `transferee`. If the same user dialled both, the consultation
    /// is the later one.
    fn peer_role(&self, session: &TelephonySession, left: &PartyState, peer: &str) -> &'static str {
        let was_dialled_by_transferor = |session: &TelephonySession| {
            let has_transferred = |state: &&PartyState| state.leave_reason == Some("AttendedTransfer");
            session.parties.values().find(has_transferred).is_some_and(|state| state.party.id.ordinal == 1)
        };
        let other = self.sessions.get(peer);
        let has_dialled = left.party.id.ordinal == 1;
        let is_consultation = match other.filter(|other| was_dialled_by_transferor(other) == has_dialled) {
            Some(other) => other.started_at < session.started_at,
            None => has_dialled,
        };
        if is_consultation { "transferee" } else { "transferTarget" }
    }

    fn called_leg(
        &self,
        session: &TelephonySession,
        state: &PartyState,
        stage: Stage,
        now: Timestamp,
    ) -> Value {
        let is_transferred = session.parties.values().any(|other| {
            other.leave_reason == Some("BlindTransfer")
                && other.ended_at.is_some_and(|end| end <= state.started_at)
        });
        let (leg_type, action) = if state.is_supervisor() {
            ("Monitoring", "Monitoring")
        } else if state.was_parked {
            ("CallPark", "Call Park")
        } else if is_transferred {
            ("TransferCall", "Transfer")
        } else if state.party.extension.is_none() {
            ("FindMe", "FindMe")
        } else {
            ("PstnToSip", "VoIP Call")
        };
        let end = state.ended_at.filter(|end| *end <= now);
        let result = match (state.answered_at, end) {
            (_, None) if stage == Stage::Active => "In Progress",
            (Some(_), _) => "Call connected",
            (None, _) if state.has_voicemail => "Voicemail",
            (None, _) if state.leave_reason == Some("Rejected") => "Rejected",
            (None, _) if state.leave_reason == Some("TargetBusy") => "Busy",
            (None, _) if result(session) == "Accepted" => "Stopped",
            (None, _) => "No Answer",
        };
        let mut leg = leg(session, state, &Columns { direction: "Outbound", action, result, leg_type, end });
        if let Some(extension) = state.party.extension {
            leg["extension"] = self.extension_json(extension);
            if let Some(user) = self.account.user(extension) {
                leg["to"] = json!({
                    "phoneNumber": format!("+{}", self.account.main_number),
                    "extensionNumber": user.number.to_string(), "extensionId": extension.to_string(),
                });
            }
        }
        leg
    }

    fn extension_json(&self, extension: u64) -> Value {
        let (base, account) = (self.base, self.account.id);
        json!({ "id": extension, "uri": format!("{base}/restapi/v1.0/account/{account}/extension/{extension}") })
    }
}

/// The columns of a leg that depend on its role.
struct Columns<'a> {
    direction: &'a str,
    action: &'a str,
    result: &'a str,
    leg_type: &'a str,
    end: Option<Timestamp>,
}

fn leg(session: &TelephonySession, state: &PartyState, columns: &Columns<'_>) -> Value {
    let &Columns { direction, action, result, leg_type, end } = columns;
    let party = &state.party;
    let mut leg = json!({
        "startTime": time(state.started_at), "type": if is_fax(session) { "Fax" } else { "Voice" },
        "direction": direction, "action": action, "result": result,
        "to": party.to, "telephonySessionId": session.id, "partyId": party.id.to_string(),
        "transport": if party.extension.is_some() { "VoIP" } else { "PSTN" },
        "legType": leg_type, "master": false,
    });
    if let Some(from) = &party.from {
        leg["from"] = json!(from);
    }
    if let Some(end) = end {
        let duration_ms = (end - state.started_at).max(0);
        leg["duration"] = ((duration_ms + 500) / 1000).into();
        leg["durationMs"] = duration_ms.into();
    }
    if result == "Accepted" || result == "Call connected" {
        leg["reason"] = "Accepted".into();
        leg["reasonDescription"] = "The call connected to and was accepted by this number.".into();
    }
    leg
}

fn time(time: Timestamp) -> Value {
    time.to_string().into()
}

/// When the first agent of a queue rang.
fn first_offer(session: &TelephonySession) -> Timestamp {
    let offers =
        session.parties.values().filter(|state| state.party.queue.is_some()).map(|state| state.started_at);
    offers.min().unwrap_or(session.started_at)
}

fn is_fax(session: &TelephonySession) -> bool {
    session.parties.values().any(|state| state.has_fax)
}

/// The result of a call, in the words of the call log.
fn result(session: &TelephonySession) -> &'static str {
    let parties =
        || session.parties.values().filter(|state| state.party.id.ordinal != 1 && !state.is_proxy());
    let is_outbound = session.parties.get(&1).is_some_and(|caller| caller.party.extension.is_some());
    let connected = if is_outbound { "Call connected" } else { "Accepted" };
    if parties().any(|state| state.answered_at.is_some() && !state.is_supervisor()) {
        return connected;
    }
    if parties().any(|state| state.has_voicemail) {
        return "Voicemail";
    }
    if is_fax(session) {
        return "Received";
    }
    let reason = parties().filter_map(|state| state.leave_reason).next_back();
    match reason {
        Some("TargetBusy") => "Busy",
        Some("Rejected") => "Rejected",
        Some("InvalidNumber" | "NoSuchUser") => "Wrong Number",
        Some("InternationalDisabled") => "International Disabled",
        Some("NotEnoughFunds") => "No Calling Credit",
        Some("DestinationBlocked") => "Restricted Number",
        Some("InternalError") => "Call Failed",
        Some("NoAnswer" | "Timeout") if is_outbound => "No Answer",
        _ if is_outbound => "Hang Up",
        // The menu accepted the caller, who left in it.
        _ if parties().all(PartyState::is_router) && parties().all(|state| !is_queue(state)) => "Accepted",
        _ if parties().any(is_queue) => "Abandoned",
        _ => "Missed",
    }
}

fn is_queue(state: &PartyState) -> bool {
    state.party.to.name.as_deref().is_some_and(|name| name.ends_with(" queue"))
}
