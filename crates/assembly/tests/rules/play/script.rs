//! Scripts: one line per notification.
//!
//! ```text
//! C is Conference                                  a session's `origin.type`; without such a line `Call`
//! A sessionId 5000                                 its legacy id
//!  0   A/1 out -   +1404>+1650=104  Setup          time in seconds, session/party, direction, owner, from>to, code
//!  3   A/2 in  104 +1404>+1650=104  Answered       the owner of an outsider's leg is `-`
//!  9   A/2 Gone/AttendedTransfer -> B/1            code/reason and `peerId`; a leg is described once
//! ```
//!
//! `104` as `from` or `to` is the user of that extension, `+1650=104` the same under a full number, `104?`
//! the bare digits, `-` nothing; any other word is a number. `A/1,A/2` are two legs and two lines, `;` ends a
//! line too. Sequences count up from 2 in each session,
//! `A/2#9` names one. Marks at the end: `queue` (`queueCall`), `queue:Support` (with `uiCallInfo`), `park:*801`,
//! `rec:7`, `uuid:5` (`uuid:-` for none), `role:Initiator`, `account:2` (of the party), `bare` (no
//! description), `@12` (arrives then, for live calls), and as peer also `-> B` (no party), `=> B/1` (REST's
//! spelling), `-> B/1 "0"` (its `sessionId`).
//!
//! Lookup answers:
//!
//! ```text
//! 30  snapshot A | 1 Answered | 3 in 106 +1404>106 Answered      each leg as it is then; without any, there is no A
//! 600 log A 0+42 in Accepted 104 +1404>+1650                     start and length, direction, result, on whose behalf
//! ```

use std::collections::HashMap;

use serde_json::{Map, Value, json};
use wholecall_record::Time;

/// The time 0 of all scripts.
pub(crate) const START_MS: i64 = 1_767_225_600_000;

/// A notification, and when it arrives.
#[derive(Clone)]
pub(crate) struct Sent {
    pub(crate) arrives: Time,
    pub(crate) json: Value,
}

/// What the script has defined so far.
#[derive(Default)]
pub(crate) struct Script {
    sessions: HashMap<String, Session>,
    sent: u32,
}

#[derive(Default)]
struct Session {
    origin: Option<String>,
    legacy_id: Option<String>,
    sequence: u32,
    legs: HashMap<String, Map<String, Value>>,
}

impl Script {
    /// Reads a further part.
    pub(crate) fn read(&mut self, text: &str) -> Vec<Sent> {
        text.split(['\n', ';']).flat_map(|line| self.read_line(line)).collect()
    }

    fn read_line(&mut self, line: &str) -> Vec<Sent> {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            [] => {}
            [session, "is", origin] => {
                self.sessions.entry(session.to_owned()).or_default().origin = Some(origin.to_owned());
            }
            [session, "sessionId", id] => {
                self.sessions.entry(session.to_owned()).or_default().legacy_id = Some(id.to_owned());
            }
            [time, "snapshot", session, ..] => return vec![self.snapshot(line, seconds(time), session)],
            [time, "log", session, when, direction, result, owner, sides] => {
                return vec![self.logged(seconds(time), session, [when, direction, result, owner, sides])];
            }
            [time, legs, ..] => {
                let legs = legs.split(',');
                return legs.map(|leg| self.notification(line, seconds(time), leg, &words[2..])).collect();
            }
            _ => panic!("not a line of a script: {line}"),
        }
        Vec::new()
    }

    fn answer(&mut self, time: Time, path: &str, body: Value) -> Sent {
        self.sent += 1;
        let event = format!("/restapi/v1.0/account/1/{path}");
        let uuid = format!("{}", 1_000 + self.sent);
        let json = json!({ "uuid": uuid, "event": event, "timestamp": time.to_string(), "body": body });
        Sent { arrives: time, json }
    }

    fn snapshot(&mut self, line: &str, time: Time, session: &str) -> Sent {
        let parties = line.split('|').skip(1).map(|party| {
            let words: Vec<&str> = party.split_whitespace().collect();
            let mut parsed = Parsed::default();
            parsed.read(line, &words[1..], |_| None);
            let known = self.sessions.get(session).and_then(|session| session.legs.get(words[0]));
            let mut party = known.cloned().unwrap_or_default();
            party.extend(parsed.described);
            party.insert("id".into(), json!(format!("p-{}", words[0])));
            party.insert("status".into(), Value::Object(parsed.status));
            Value::Object(party)
        });
        let parties: Vec<Value> = parties.collect();
        let body = match parties.is_empty() {
            true => Value::Null,
            false => json!({ "id": format!("s-{session}"), "origin": {"type": "Call"}, "parties": parties }),
        };
        self.answer(time, &format!("telephony/sessions/s-{session}"), body)
    }

    fn logged(&mut self, time: Time, session: &str, words: [&str; 5]) -> Sent {
        let [when, direction, result, owner, sides] = words;
        let Some((start, length)) = when.split_once('+') else { panic!("no start+length: {when}") };
        let mut parsed = Parsed::default();
        parsed.read(when, &[direction, owner, sides], |_| None);
        let mut body = parsed.described;
        let owner = body.remove("extensionId");
        body.insert(
            "extension".into(),
            json!({ "id": owner.and_then(|id| id.as_str()?.parse::<u32>().ok()) }),
        );
        body.insert("id".into(), json!(format!("log-of-{session}")));
        body.insert("telephonySessionId".into(), json!(format!("s-{session}")));
        body.insert("startTime".into(), json!(seconds(start).to_string()));
        body.insert("duration".into(), json!(length.parse::<u32>().expect("seconds")));
        body.insert("result".into(), json!(result.replace('_', " ")));
        self.answer(time, &format!("call-log/log-of-{session}"), Value::Object(body))
    }

    fn notification(&mut self, line: &str, time: Time, leg: &str, words: &[&str]) -> Sent {
        let (leg, number) =
            leg.split_once('#').map_or((leg, None), |(leg, number)| (leg, number.parse().ok()));
        let Some((name, party)) = leg.split_once('/') else { panic!("no session/party: {line}") };
        self.sent += 1;
        let mut parsed =
            Parsed { arrives: time, uuid: Some(format!("{}", 1_000 + self.sent)), ..Parsed::default() };
        let legacy_ids: HashMap<String, String> =
            self.sessions.iter().map(|(name, session)| (name.clone(), session.legacy_id())).collect();
        parsed.read(line, words, |session| legacy_ids.get(session).cloned());
        let session = self.sessions.entry(name.to_owned()).or_default();
        let sequence = number.unwrap_or(session.sequence.max(1) + 1);
        session.sequence = session.sequence.max(sequence);
        let known = session.legs.entry(party.to_owned()).or_default();
        known.extend(parsed.described);
        let mut body_party = if parsed.bare { Map::new() } else { known.clone() };
        body_party.extend(parsed.once);
        body_party.insert("id".into(), json!(format!("p-{party}")));
        body_party.insert("status".into(), Value::Object(parsed.status));
        let path = match known.get("extensionId").and_then(Value::as_str).filter(|_| !parsed.bare) {
            Some(owner) => format!("/restapi/v1.0/account/1/extension/{owner}/telephony/sessions"),
            None => "/restapi/v1.0/account/1/telephony/sessions".to_owned(),
        };
        let mut json = json!({
            "event": path, "timestamp": (time + 50).to_string(), "subscriptionId": "sub", "ownerId": "900",
            "body": {
                "sequence": sequence, "sessionId": session.legacy_id(), "telephonySessionId": format!("s-{name}"),
                "serverId": "10.0.0.1.TAM", "eventTime": time.to_string(), "parties": [body_party],
                "origin": {"type": session.origin.as_deref().unwrap_or("Call")},
            },
        });
        if let Some(uuid) = parsed.uuid {
            json["uuid"] = json!(uuid);
        }
        Sent { arrives: parsed.arrives, json }
    }
}

impl Session {
    fn legacy_id(&self) -> String {
        let common = if self.origin.as_deref() == Some("Conference") { "0" } else { "77" };
        self.legacy_id.clone().unwrap_or(common.to_owned())
    }
}

/// The content of a line.
struct Parsed {
    arrives: Time,
    uuid: Option<String>,
    bare: bool,
    described: Map<String, Value>,
    once: Map<String, Value>,
    status: Map<String, Value>,
}

impl Default for Parsed {
    fn default() -> Self {
        let (described, once, status) = (Map::new(), Map::new(), Map::new());
        Self { arrives: Time::from_millis(0), uuid: None, bare: false, described, once, status }
    }
}

impl Parsed {
    fn read(&mut self, line: &str, words: &[&str], legacy_id: impl Fn(&str) -> Option<String>) {
        let mut words = words.iter().peekable();
        while let Some(&word) = words.next() {
            match word {
                "out" | "in" => {
                    let direction = if word == "out" { "Outbound" } else { "Inbound" };
                    self.described.insert("direction".into(), json!(direction));
                    self.described.insert("accountId".into(), json!("1"));
                    if let Some(&owner) = words.next().filter(|owner| **owner != "-") {
                        self.described.insert("extensionId".into(), json!(owner));
                    }
                }
                "->" | "=>" => {
                    let Some(&peer) = words.next() else { panic!("no peer: {line}") };
                    let conference = words.next_if(|word| **word == "\"0\"").map(|_| "0".to_owned());
                    let id = |session: &str| conference.clone().or_else(|| legacy_id(session));
                    self.status.insert("peerId".into(), peer_id(peer, word == "=>", id));
                }
                "bare" => self.bare = true,
                "queue" => drop(self.described.insert("queueCall".into(), json!(true))),
                _ if word.starts_with('@') => self.arrives = seconds(&word[1..]),
                _ => self.read_word(word),
            }
        }
    }

    fn read_word(&mut self, word: &str) {
        if let Some((key, value)) = word.split_once(':') {
            return self.mark(key, value);
        }
        if let Some((from, to)) = word.split_once('>') {
            for (key, side) in [("from", from), ("to", to)] {
                match endpoint(side) {
                    Some(endpoint) => self.described.insert(key.into(), endpoint),
                    None => self.described.remove(key),
                };
            }
            return;
        }
        let (code, reason) = word.split_once('/').map_or((word, None), |(code, reason)| (code, Some(reason)));
        self.status.insert("code".into(), json!(code));
        if let Some(reason) = reason {
            self.status.insert("reason".into(), json!(reason));
        }
    }

    fn mark(&mut self, key: &str, value: &str) {
        match key {
            "queue" => {
                self.described.insert("queueCall".into(), json!(true));
                let info = json!({"primary": {"type": "QueueName", "value": value}});
                self.described.insert("uiCallInfo".into(), info);
            }
            "park" => drop(self.status.insert("parkData".into(), json!(value))),
            "rec" => drop(self.once.insert("recordings".into(), json!([{"id": value, "active": true}]))),
            "uuid" => self.uuid = Some(value.to_owned()).filter(|uuid| uuid != "-"),
            "role" => drop(self.described.insert("ringOutRole".into(), json!(value))),
            "account" => drop(self.described.insert("accountId".into(), json!(value))),
            _ => panic!("not a mark: {key}:{value}"),
        }
    }
}

fn peer_id(peer: &str, in_rest_spelling: bool, legacy_id: impl Fn(&str) -> Option<String>) -> Value {
    let (session, party) =
        peer.split_once('/').map_or((peer, None), |(session, party)| (session, Some(party)));
    let mut id = match in_rest_spelling {
        true => json!({"sessionId": format!("s-{session}")}),
        false => json!({
            "telephonySessionId": format!("s-{session}"),
            "sessionId": legacy_id(session).unwrap_or("77".to_owned()),
        }),
    };
    if let Some(party) = party {
        id["partyId"] = json!(format!("p-{party}"));
    }
    id
}

fn endpoint(side: &str) -> Option<Value> {
    let is_extension = side.len() == 3 && side.bytes().all(|byte| byte.is_ascii_digit());
    let of_user = |number: &str, extension: &str| {
        json!({"phoneNumber": number, "extensionId": extension, "name": format!("User {extension}"),
               "deviceId": format!("phone-of-{extension}")})
    };
    match side.split_once('=') {
        _ if side == "-" => None,
        Some((number, extension)) => Some(of_user(number, extension)),
        None if is_extension => Some(of_user(side, side)),
        None => Some(json!({"phoneNumber": side.trim_end_matches('?')})),
    }
}

/// A time of a script.
pub(crate) fn seconds(text: &str) -> Time {
    let Ok(seconds) = text.parse::<f64>() else { panic!("not a time: {text}") };
    Time::from_millis(START_MS + (seconds * 1_000.0).round() as i64)
}
