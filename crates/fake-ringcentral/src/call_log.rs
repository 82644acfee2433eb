//! The call log: one record per session, made of what the session's parties did.
//!
//! A record appears some time after the call's end. That of a queue's call appears earlier, as soon as an agent's
//! telephone has stopped ringing, in another shape, and changes under the same id when the call has ended; its
//! recording is attached later still. All of this is a pure function of the session and the time.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use wholecall_simulator::{Account, Iso, Millis, Origin};

use crate::sessions::{PartyState, Session};

/// A recording is attached so long after the record's last change.
const RECORDING_AFTER: Millis = 30_000;

/// An ended call stays among the active ones for so long.
const LINGERS: Millis = 120_000;

/// Whose log is looked at, and how.
#[derive(Debug, Clone, Copy)]
pub(crate) struct View<'a> {
    pub(crate) account: &'a Account,
    /// Only one extension's part.
    pub(crate) extension: Option<u64>,
    pub(crate) is_detailed: bool,
    pub(crate) base: &'a str,
    /// How long after a call's end its record appears.
    pub(crate) delay: Millis,
    /// How long after its begin a call appears among the active ones.
    pub(crate) lag: Millis,
    /// Whether records say that they are final.
    pub(crate) says_finished: bool,
    /// The account's sessions, for what one record says of another session.
    pub(crate) sessions: &'a BTreeMap<String, Session>,
}

/// A record as it is at some time.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) started: Millis,
    /// When it last changed.
    pub(crate) modified: Millis,
    pub(crate) record: Value,
}

/// How much of a call the log knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Active,
    /// A queue's call before its end.
    Provisional,
    Final,
}

impl View<'_> {
    /// The record of a session at a time, if there is one already.
    pub(crate) fn entry(&self, session: &Session, now: Millis) -> Option<Entry> {
        self.shows(session).then_some(())?;
        let ended = session.over.map(|over| over + self.delay).filter(|since| *since <= now);
        let unanswered = |state: &&PartyState| state.party.queue.is_some() && state.answered.is_none();
        let offers = session.parties.values().filter(unanswered).filter_map(|state| state.ended);
        let provisional = offers.map(|end| end + self.delay / 4).filter(|since| *since <= now).min();
        let (stage, since) = match (ended, provisional) {
            (Some(since), _) => (Stage::Final, since),
            (None, Some(since)) => (Stage::Provisional, since),
            (None, None) => return None,
        };
        let has_recording = session.parties.values().any(|state| state.party.recording.is_some());
        let recorded = since + RECORDING_AFTER;
        let shows_recording = stage == Stage::Final && has_recording && recorded <= now;
        let modified = if shows_recording { recorded } else { since };
        let mut record = self.record(session, stage, shows_recording, now);
        if self.is_detailed {
            record["lastModifiedTime"] = time(modified);
        }
        let started = if stage == Stage::Final { session.begun } else { first_offer(session) };
        Some(Entry { started, modified, record })
    }

    /// The record of a session that goes on, or has just ended.
    pub(crate) fn active(&self, session: &Session, now: Millis) -> Option<Value> {
        let is_there =
            session.begun + self.lag <= now && session.over.is_none_or(|over| now < over + LINGERS);
        (self.shows(session) && is_there).then(|| self.record(session, Stage::Active, false, now))
    }

    fn shows(&self, session: &Session) -> bool {
        self.extension.is_none_or(|extension| session.has_extension(extension))
    }

    fn record(&self, session: &Session, stage: Stage, shows_recording: bool, now: Millis) -> Value {
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
        if self.says_finished {
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

    /// The legs: the caller's first, then in the order in which they began.
    fn legs(&self, session: &Session, stage: Stage, now: Millis) -> Vec<Value> {
        let real = session.parties.values().filter(|state| !state.is_proxy());
        let own = |state: &&PartyState| {
            let extension = state.party.extension;
            self.extension.is_none() || extension == self.extension || state.party.id.ordinal == 1
        };
        let shown: Vec<&PartyState> = real.filter(own).collect();
        let caller = shown.iter().find(|state| state.party.id.ordinal == 1).copied();
        let is_outbound = caller.is_some_and(|caller| caller.party.extension.is_some());
        let mut legs = Vec::new();
        // Before a queue's call has ended, only the agents' telephones are known.
        if let Some(caller) = caller.filter(|_| stage != Stage::Provisional) {
            legs.push(self.caller_leg(session, caller, is_outbound, stage, now));
        }
        for state in shown.iter().filter(|state| state.party.id.ordinal != 1) {
            let is_far_side = is_outbound && state.party.extension.is_none() && state.left_by.is_none();
            if state.is_router() || is_far_side && legs.len() == 1 {
                continue;
            }
            if stage == Stage::Provisional && (state.party.queue.is_none() || state.ended.is_none()) {
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
        session: &Session,
        caller: &PartyState,
        is_outbound: bool,
        stage: Stage,
        now: Millis,
    ) -> Value {
        let result =
            if stage == Stage::Active && session.over.is_none() { "In Progress" } else { result(session) };
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
        let of_viewer = self.extension.is_some_and(|own| caller.party.extension != Some(own));
        let direction = if is_outbound && !of_viewer { "Outbound" } else { "Inbound" };
        let end = if stage == Stage::Final { session.over } else { session.over.filter(|over| *over <= now) };
        let mut leg = self.leg(session, caller, direction, action, result, leg_type, end);
        let first_own =
            session.parties.values().find(|state| state.party.extension.is_some() && !state.is_router());
        if let Some(extension) = self.extension.or(first_own.and_then(|state| state.party.extension)) {
            leg["extension"] = self.extension_json(extension);
        }
        for state in session.parties.values() {
            let Some(peer) = state.peer.as_ref().filter(|_| state.left_by == Some("AttendedTransfer")) else {
                continue;
            };
            leg[self.role_of(session, state, peer)] = json!({ "telephonySessionId": peer });
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

    /// What the other session of an attended transfer is to one: the call that is handed on names where it goes, the
    /// consultation names who comes. Where whoever left has called in both, the consultation began later.
    fn role_of(&self, session: &Session, left: &PartyState, peer: &str) -> &'static str {
        let has_called = |session: &Session| {
            let left_by = |state: &&PartyState| state.left_by == Some("AttendedTransfer");
            session.parties.values().find(left_by).is_some_and(|state| state.party.id.ordinal == 1)
        };
        let other = self.sessions.get(peer);
        let is_consultation = match other.filter(|other| has_called(other) == (left.party.id.ordinal == 1)) {
            Some(other) => other.begun < session.begun,
            None => left.party.id.ordinal == 1,
        };
        if is_consultation { "transferee" } else { "transferTarget" }
    }

    fn called_leg(&self, session: &Session, state: &PartyState, stage: Stage, now: Millis) -> Value {
        let is_late = session.parties.values().any(|other| {
            other.left_by == Some("BlindTransfer") && other.ended.is_some_and(|end| end <= state.begun)
        });
        let (leg_type, action) = if state.is_supervisor() {
            ("Monitoring", "Monitoring")
        } else if state.was_parked {
            ("CallPark", "Call Park")
        } else if is_late {
            ("TransferCall", "Transfer")
        } else if state.party.extension.is_none() {
            ("FindMe", "FindMe")
        } else {
            ("PstnToSip", "VoIP Call")
        };
        let ended = state.ended.filter(|end| *end <= now);
        let result = match (state.answered, ended) {
            (_, None) if stage == Stage::Active => "In Progress",
            (Some(_), _) => "Call connected",
            (None, _) if state.voicemail => "Voicemail",
            (None, _) if state.left_by == Some("Rejected") => "Rejected",
            (None, _) if state.left_by == Some("TargetBusy") => "Busy",
            (None, _) if result(session) == "Accepted" => "Stopped",
            (None, _) => "No Answer",
        };
        let mut leg = self.leg(session, state, "Outbound", action, result, leg_type, ended);
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

    #[expect(clippy::too_many_arguments, reason = "a leg has as many columns")]
    fn leg(
        &self,
        session: &Session,
        state: &PartyState,
        direction: &str,
        action: &str,
        result: &str,
        leg_type: &str,
        end: Option<Millis>,
    ) -> Value {
        let party = &state.party;
        let mut leg = json!({
            "startTime": time(state.begun), "type": if is_fax(session) { "Fax" } else { "Voice" },
            "direction": direction, "action": action, "result": result,
            "to": party.to, "telephonySessionId": session.id, "partyId": party.id.to_string(),
            "transport": if party.extension.is_some() { "VoIP" } else { "PSTN" },
            "legType": leg_type, "master": false,
        });
        if let Some(from) = &party.from {
            leg["from"] = json!(from);
        }
        if let Some(end) = end {
            let length = (end - state.begun).max(0);
            leg["duration"] = ((length + 500) / 1000).into();
            leg["durationMs"] = length.into();
        }
        if result == "Accepted" || result == "Call connected" {
            leg["reason"] = "Accepted".into();
            leg["reasonDescription"] = "The call connected to and was accepted by this number.".into();
        }
        leg
    }

    fn extension_json(&self, extension: u64) -> Value {
        let (base, account) = (self.base, self.account.id);
        json!({ "id": extension, "uri": format!("{base}/restapi/v1.0/account/{account}/extension/{extension}") })
    }
}

fn time(time: Millis) -> Value {
    Iso(time).to_string().into()
}

fn first_offer(session: &Session) -> Millis {
    let offers =
        session.parties.values().filter(|state| state.party.queue.is_some()).map(|state| state.begun);
    offers.min().unwrap_or(session.begun)
}

fn is_fax(session: &Session) -> bool {
    session.parties.values().any(|state| state.fax)
}

/// How a call came out, in the words of the log.
fn result(session: &Session) -> &'static str {
    let parties =
        || session.parties.values().filter(|state| state.party.id.ordinal != 1 && !state.is_proxy());
    let is_outbound = session.parties.get(&1).is_some_and(|caller| caller.party.extension.is_some());
    let connected = if is_outbound { "Call connected" } else { "Accepted" };
    if parties().any(|state| state.answered.is_some() && !state.is_supervisor()) {
        return connected;
    }
    if parties().any(|state| state.voicemail) {
        return "Voicemail";
    }
    if is_fax(session) {
        return "Received";
    }
    let reason = parties().filter_map(|state| state.left_by).next_back();
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
        // A caller who leaves in the menu was accepted by it.
        _ if parties().all(PartyState::is_router) && parties().all(|state| !is_queue(state)) => "Accepted",
        _ if parties().any(is_queue) => "Abandoned",
        _ => "Missed",
    }
}

fn is_queue(state: &PartyState) -> bool {
    state.party.to.name.as_deref().is_some_and(|name| name.ends_with(" queue"))
}
