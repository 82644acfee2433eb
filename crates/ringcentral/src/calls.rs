//! Lookups of calls: sessions, the call log, and the list of active calls.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, value::RawValue};

use crate::{
    budget::Group,
    client::Client,
    error::Result,
    id::{is_requestable, segment},
};

/// A session, as RingCentral describes it.
#[derive(Debug, Clone)]
pub struct Session {
    /// The JSON, unchanged.
    pub json: Box<str>,
    /// When RingCentral answered, by its clock; milliseconds since 1970.
    pub at_ms: i64,
}

impl Session {
    /// Whether every party has left the session.
    pub fn has_ended(&self) -> bool {
        let Ok(parties) = serde_json::from_str::<Parties>(&self.json) else { return false };
        let has_left = |party: &PartyOfSession| {
            ["Disconnected", "Gone"].iter().any(|code| party.status.code.eq_ignore_ascii_case(code))
        };
        !parties.parties.is_empty() && parties.parties.iter().all(has_left)
    }
}

#[derive(Deserialize)]
struct Parties {
    #[serde(default)]
    parties: Vec<PartyOfSession>,
}

#[derive(Deserialize)]
struct PartyOfSession {
    #[serde(default)]
    status: PartyStatus,
}

#[derive(Default, Deserialize)]
struct PartyStatus {
    #[serde(default)]
    code: String,
}

/// A record of the call log, or of the list of active calls.
#[derive(Debug, Clone, Default)]
pub struct CallLogRecord {
    /// The record's id.
    pub id: String,
    /// The id of its session; `None` in old records.
    pub session: Option<String>,
    /// The record's own `finished` member; `None` if it has none.
    pub finished: Option<bool>,
    /// When the call began; milliseconds since 1970.
    pub started_ms: Option<i64>,
    /// The call's duration; `None` if it has not ended.
    pub duration_ms: Option<i64>,
    /// `Inbound` or `Outbound`, as the account sees it.
    pub direction: String,
    /// The kind of call.
    pub action: String,
    /// The call's result; `In Progress` until it ends.
    pub result: String,
    /// The calling number.
    pub from: Option<String>,
    /// The called number.
    pub to: Option<String>,
    /// Whether it is a telephone call, not a fax.
    pub is_voice: bool,
    /// The types of its legs, in a detailed view.
    pub leg_types: Vec<String>,
    /// The JSON, unchanged.
    pub json: Box<str>,
}

/// Whether a record is final, as far as it says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finality {
    /// The call has ended, and the record says that it is final.
    Final,
    /// The call has not ended, or the record is provisional.
    Open,
    /// The call seems to have ended, and the record does not say whether it is final.
    Unstated,
}

impl CallLogRecord {
    /// Whether the record is final.
    pub fn finality(&self) -> Finality {
        let is_in_progress = self.result.eq_ignore_ascii_case("In Progress") || self.duration_ms.is_none();
        match self.finished {
            _ if is_in_progress || self.resembles_provisional() => Finality::Open,
            Some(true) => Finality::Final,
            Some(false) => Finality::Open,
            None => Finality::Unstated,
        }
    }

    /// Whether the record lists only agents' telephones that have stopped ringing, as that of a queue's call
    /// does until it ends.
    fn resembles_provisional(&self) -> bool {
        let is_ring_out = self.direction == "Outbound" && self.action.eq_ignore_ascii_case("VoIP Call");
        let is_unanswered =
            ["Stopped", "IP Phone Offline"].iter().any(|word| self.result.eq_ignore_ascii_case(word));
        let has_only_agents = match self.leg_types.is_empty() {
            true => is_unanswered,
            false => self.leg_types.iter().all(|kind| kind == "PstnToSip"),
        };
        is_ring_out && has_only_agents
    }

    /// When the call ended, by the record; milliseconds since 1970.
    pub fn ended_ms(&self) -> Option<i64> {
        self.started_ms?.checked_add(self.duration_ms?)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RecordJson {
    id: String,
    #[serde(default)]
    telephony_session_id: Option<String>,
    #[serde(default)]
    start_time: Option<String>,
    #[serde(default)]
    result: Option<String>,
    #[serde(default)]
    duration: Option<i64>,
    /// Since 2023.
    #[serde(default)]
    duration_ms: Option<i64>,
    /// Since August 2026.
    #[serde(default)]
    finished: Option<bool>,
    #[serde(default)]
    direction: Option<String>,
    #[serde(default)]
    action: Option<String>,
    #[serde(default, rename = "type")]
    kind: Option<String>,
    #[serde(default)]
    from: Option<Side>,
    #[serde(default)]
    to: Option<Side>,
    #[serde(default)]
    legs: Vec<LegOfRecord>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Side {
    #[serde(default)]
    phone_number: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LegOfRecord {
    #[serde(default)]
    leg_type: Option<String>,
}

#[derive(Deserialize)]
struct Page {
    records: Vec<Box<RawValue>>,
    #[serde(default)]
    navigation: Value,
}

/// RingCentral's maximum page size of a detailed list; that of a simple one is four times as much.
const RECORDS_PER_PAGE: usize = 250;

/// The path of a session.
pub fn session_path(account: &str, session: &str) -> String {
    format!("/restapi/v1.0/account/{}/telephony/sessions/{}", segment(account), segment(session))
}

impl Client {
    /// Looks up a session and its parties; `None` if RingCentral does not know it (any more), or if the id
    /// is not in RingCentral's format: such an id is never requested.
    pub async fn session(&self, account: &str, session: &str) -> Result<Option<Session>> {
        if !is_requestable(session) || !(account == "~" || is_requestable(account)) {
            return Ok(None);
        }
        match self.get::<Box<RawValue>>(Group::Light, &session_path(account, session)).await {
            Ok(raw) => Ok(Some(Session { json: raw.get().into(), at_ms: self.server_now_ms() })),
            Err(error) if error.is_unknown() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A page (from 1) of the account's active calls, newest first, and whether there is another page.
    pub async fn active_calls(&self, page: usize) -> Result<(Vec<CallLogRecord>, bool)> {
        self.log("/restapi/v1.0/account/~/active-calls?view=Simple", page).await
    }

    /// A page (from 1) of the account's calls that began between two times (`2026-06-01T12:00:00.000Z`),
    /// newest first, and whether there is another page.
    pub async fn call_log(&self, from: &str, until: &str, page: usize) -> Result<(Vec<CallLogRecord>, bool)> {
        let path = format!("/restapi/v1.0/account/~/call-log?view=Detailed&dateFrom={from}&dateTo={until}");
        self.log(&path, page).await
    }

    async fn log(&self, path: &str, page: usize) -> Result<(Vec<CallLogRecord>, bool)> {
        let found: Page =
            self.get(Group::Heavy, &format!("{path}&page={page}&perPage={RECORDS_PER_PAGE}")).await?;
        let records = found.records.iter().filter_map(|raw| read(raw.get()));
        Ok((records.collect(), !found.navigation["nextPage"].is_null()))
    }
}

fn read(json: &str) -> Option<CallLogRecord> {
    let record: RecordJson = serde_json::from_str(json).ok()?;
    let number = |side: Option<Side>| side.and_then(|side| side.phone_number);
    Some(CallLogRecord {
        id: record.id,
        session: record.telephony_session_id,
        finished: record.finished,
        started_ms: record.start_time.and_then(|time| time.parse().ok()).map(Timestamp::as_millisecond),
        duration_ms: record.duration_ms.or_else(|| record.duration?.checked_mul(1_000)),
        direction: record.direction.unwrap_or_default(),
        action: record.action.unwrap_or_default(),
        result: record.result.unwrap_or_default(),
        from: number(record.from),
        to: number(record.to),
        is_voice: record.kind.is_none_or(|kind| kind == "Voice"),
        leg_types: record.legs.into_iter().filter_map(|leg| leg.leg_type).collect(),
        json: json.into(),
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test")]
mod tests {
    use super::*;

    fn finality(members: &str) -> Finality {
        let json = format!(r#"{{"id":"r","startTime":"2026-11-22T10:00:00.000Z",{members}}}"#);
        read(&json).unwrap().finality()
    }

    #[test]
    fn a_record_is_final_if_it_says_so_and_is_not_like_a_provisional_one() {
        let inbound = r#""direction":"Inbound","action":"Phone Call","result":"Accepted","duration":48"#;
        assert_eq!(finality(inbound), Finality::Unstated);
        assert_eq!(finality(&format!(r#"{inbound},"finished":true"#)), Finality::Final);
        assert_eq!(finality(&format!(r#"{inbound},"finished":false"#)), Finality::Open);
        assert_eq!(finality(r#""result":"In Progress","finished":true"#), Finality::Open);
        let early = r#""direction":"Outbound","action":"VoIP Call","result":"Stopped","duration":10"#;
        let legs = |kind: &str| format!(r#"{early},"finished":true,"legs":[{{"legType":"{kind}"}}]"#);
        assert_eq!(finality(&legs("PstnToSip")), Finality::Open);
        assert_eq!(finality(early), Finality::Open);
        assert_eq!(
            finality(&legs("SipToPstnMetered")),
            Finality::Final,
            "a call to outside that was given up"
        );
    }

    #[test]
    fn a_session_has_ended_when_all_parties_have_left() {
        let session = |json: &str| Session { json: json.into(), at_ms: 0 }.has_ended();
        let party = |code: &str| format!(r#"{{"id":"p","status":{{"code":"{code}"}}}}"#);
        assert!(session(&format!(r#"{{"parties":[{},{}]}}"#, party("Disconnected"), party("Gone"))));
        assert!(!session(&format!(r#"{{"parties":[{},{}]}}"#, party("Disconnected"), party("Hold"))));
        assert!(!session(r#"{"parties":[]}"#));
    }
}
