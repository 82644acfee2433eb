//! Streams of notifications made of a few bytes: plausible ones, and ones that no telephone system would send.
//!
//! Bytes, so that the property tests can shrink them and the fuzzer can mutate them.

use std::{collections::BTreeMap, fmt};

use serde_json::{Map, Value, json};

/// What a stream is made of.
#[derive(Clone)]
pub(crate) struct Recipe {
    /// Who owns the legs, and how the sessions were created.
    pub(crate) cast: [u8; 16],
    /// What happens, one after the other.
    pub(crate) steps: Vec<[u8; 10]>,
}

/// Notifications in the order in which they happened.
#[derive(Clone)]
pub(crate) struct Stream {
    /// The notifications.
    pub(crate) notes: Vec<Note>,
}

/// A notification.
#[derive(Clone, PartialEq)]
pub(crate) struct Note {
    /// The account in the path. `None` in a bare body.
    pub(crate) account: Option<&'static str>,
    /// Its id.
    pub(crate) uuid: Option<String>,
    /// `telephonySessionId`.
    pub(crate) session: String,
    /// Order within the session.
    pub(crate) sequence: u32,
    /// Milliseconds since [`BEGIN`].
    pub(crate) time: i64,
    /// `origin.type`.
    pub(crate) origin: Option<&'static str>,
    /// `sessionId`.
    pub(crate) legacy_id: String,
    /// What happened to whom.
    pub(crate) parties: Vec<Value>,
    /// Its position in another order, and a number for the law to use.
    pub(crate) turn: [u8; 2],
}

/// 2026-05-30T12:00:00Z.
pub(crate) const BEGIN: i64 = 1_780_142_400_000;

const CODES: [&str; 13] = [
    "Setup",
    "Proceeding",
    "Answered",
    "Hold",
    "Parked",
    "Voicemail",
    "VMScreening",
    "FaxReceive",
    "Gone",
    "Disconnected",
    "Tds",
    "answered",
    "",
];
const LINKS: [&str; 8] =
    ["AttendedTransfer", "Conference", "Pickup", "Supervising", "TakeOver", "BlindTransfer", "", "Undefined"];
const ENDS: [&str; 16] = [
    "",
    "",
    "",
    "",
    "BlindTransfer",
    "CallRedirected",
    "Pickup",
    "CallPark",
    "CallSwitch",
    "CallFlip",
    "TakeOver",
    "Rejected",
    "TargetBusy",
    "NoAnswer",
    "InternationalDisabled",
    "AgentDropped",
];
const EXTENSIONS: [Option<&str>; 8] =
    [Some("62001"), None, Some("62002"), None, Some("62003"), Some("62004"), Some("62001"), Some("62009")];
const NUMBERS: [Option<&str>; 8] = [
    Some("+14045550101"),
    Some("+14045550102"),
    Some("103"),
    Some("anonymous"),
    Some("conference"),
    None,
    Some("*72"),
    Some(""),
];
const ORIGINS: [Option<&str>; 8] = [
    Some("Call"),
    Some("Call"),
    Some("Call"),
    Some("RingOut"),
    Some("Conference"),
    None,
    Some("Zoom"),
    Some("Call"),
];
/// Mostly forward; sometimes a server's clock is wrong.
const PAUSES: [i64; 16] =
    [0, 0, 20, 150, 400, 1_000, 1_700, 5_000, 9_000, 30_000, 61_000, 700_000, 3, -40, -2_000, -4_000_000];

/// The frequent next codes of a leg.
fn common_codes(last: Option<&str>) -> &'static [&'static str] {
    match last {
        None => &["Setup", "Proceeding", "Setup", "Answered"],
        Some("Setup") => &["Proceeding", "Answered", "Proceeding", "Voicemail", "Disconnected"],
        Some("Proceeding") => &["Answered", "Answered", "Disconnected", "Voicemail"],
        Some("Answered") => &["Hold", "Gone", "Disconnected", "Answered", "Parked", "Gone"],
        Some("Hold") => &["Answered", "Gone", "Disconnected", "Answered"],
        Some("Gone") => &["Disconnected", "Answered", "Disconnected"],
        Some(_) => &["Disconnected", "Answered"],
    }
}

/// An id that follows no order. A second subscription's begin with 9, see [`Note::again`].
fn uuid(step: [u8; 10], salt: u64) -> String {
    let number = step
        .iter()
        .fold(salt, |number, byte| number.wrapping_mul(257) + u64::from(*byte))
        .wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (number >> 40).to_string().replace('9', "8")
}

struct Builder<'r> {
    cast: &'r [u8; 16],
    /// By account and session: the last sequence.
    sequences: [[u32; 4]; 2],
    /// By account, session and leg: the last code.
    codes: [[[Option<&'static str>; 4]; 4]; 2],
    time: i64,
    turn: [u8; 2],
    /// By account and session: the last change that reports a text reply. It is delivered only once: a reported leg
    /// does not turn out to be a text reply.
    text_replies: [[bool; 4]; 2],
    notes: Vec<Note>,
}

impl Recipe {
    /// The stream.
    pub(crate) fn stream(&self) -> Stream {
        let mut making = Builder {
            cast: &self.cast,
            sequences: [[1; 4]; 2],
            codes: Default::default(),
            time: 0,
            turn: [0; 2],
            text_replies: [[false; 4]; 2],
            notes: Vec::new(),
        };
        self.steps.iter().for_each(|step| making.step(*step));
        Stream { notes: making.notes }
    }
}

impl Builder<'_> {
    fn step(&mut self, step: [u8; 10]) {
        let [place, choice, wild, peer, pause, copy, shape, reason, turn @ ..] = step;
        self.turn = turn;
        let [session, leg] = [place & 3, place >> 2 & 3].map(usize::from);
        // Every eighth stream has two accounts with the same session ids.
        let account = usize::from(self.cast[1] & 7 == 1 && place >> 4 & 3 == 3);
        self.time += PAUSES[usize::from(pause & 15)];
        let common = common_codes(self.codes[account][session][leg]);
        let code = match wild {
            232.. => CODES[usize::from(choice) % CODES.len()],
            _ => common[usize::from(choice) % common.len()],
        };
        self.codes[account][session][leg] = Some(code);
        let last = &mut self.sequences[account][session];
        *last += match shape & 15 {
            // Another party's change under the same number.
            14 if *last > 1 && !self.text_replies[account][session] => 0,
            15 => 3,
            _ => 1,
        };
        let sequence = *last;
        let (code, status) = match wild {
            0xf5 if shape & 15 != 14 => ("Setup", json!({"code": "Setup", "reason": "CallReplied"})),
            _ => (code, status(code, session, peer, reason, wild)),
        };
        let is_text_reply = status["reason"] == "CallReplied";
        self.text_replies[account][session] = is_text_reply;
        let party = self.party(session, leg, status, shape, reason);
        let note = self.note(account, session, sequence, uuid(step, 0), party);
        if let Some(back) = both_sides(session, leg, peer, reason, code) {
            self.answer_link(account, back, uuid(step, 1), &note);
        }
        if !is_text_reply {
            self.add_deliveries(&note, copy, uuid(step, 2));
        }
        // Some servers batch.
        match self.notes.last_mut().filter(|last| shape & 15 == 14 && last.batches_with(&note)) {
            Some(last) => last.parties.extend(note.parties),
            None => self.notes.push(note),
        }
    }

    fn note(&mut self, account: usize, session: usize, sequence: u32, uuid: String, party: Value) -> Note {
        let origin = ORIGINS[usize::from(self.cast[2 + session] & 7)];
        Note {
            account: Some(["801", "802"][account]),
            uuid: (self.cast[6] & 7 != 1 || sequence.is_multiple_of(2)).then_some(uuid),
            session: format!("s-{session}"),
            sequence,
            time: self.time,
            origin,
            legacy_id: if origin == Some("Conference") {
                "0".into()
            } else {
                (7_000 + 900 * session).to_string()
            },
            parties: vec![party],
            turn: self.turn,
        }
    }

    fn party(&self, session: usize, leg: usize, status: Value, shape: u8, reason: u8) -> Value {
        let role = usize::from(self.cast[8 + (session * 3 + leg) % 8]);
        let owner = EXTENSIONS[role & 7];
        let mut party = Map::new();
        party.insert("id".into(), json!(format!("p-{session}-{}", leg + 1)));
        party.insert("accountId".into(), json!("801"));
        let outbound = (leg == 0) != (role >> 6 == 3);
        party.insert("direction".into(), json!(if outbound { "Outbound" } else { "Inbound" }));
        let side = |which: usize, owned: bool| {
            let mut side = Map::new();
            if let Some(number) = NUMBERS[(role >> 3).wrapping_add(which) & 7] {
                side.insert("phoneNumber".into(), json!(number));
            }
            if owned && let Some(owner) = owner {
                side.insert("extensionId".into(), json!(owner));
                side.insert("name".into(), json!(format!("User {owner}")));
            }
            Value::from(side)
        };
        // Later notifications leave out fields that were sent before.
        if shape & 0x30 != 0x10 {
            party.insert("from".into(), side(0, outbound));
            party.insert("to".into(), side(session + 1, !outbound));
        }
        if let Some(owner) = owner.filter(|_| shape & 0x30 != 0x20 || role & 7 != 7) {
            party.insert("extensionId".into(), json!(owner));
        }
        if shape & 0xc0 == 0x40 && !outbound {
            party.insert("queueCall".into(), json!(true));
            party.insert("to".into(), json!({"extensionId": "62008", "name": "Support"}));
        }
        if shape & 0xc0 == 0x80 && reason & 3 == 3 {
            party.insert("recordings".into(), json!([{"id": format!("r{}", reason >> 4), "active": true}]));
        }
        if ORIGINS[usize::from(self.cast[2 + session] & 7)] == Some("RingOut") {
            party.insert("ringOutRole".into(), json!(["Initiator", "Target"][leg & 1]));
        }
        party.insert("status".into(), status);
        party.into()
    }

    /// The other end of a link reports it too.
    fn answer_link(&mut self, account: usize, ends: [usize; 4], uuid: String, note: &Note) {
        let [session, leg, to_session, to_leg] = ends;
        self.sequences[account][session] += 1;
        self.codes[account][session][leg] = Some("Gone");
        let mut status = note.parties[0]["status"].clone();
        status["peerId"] = json!({"telephonySessionId": format!("s-{to_session}"), "partyId": format!("p-{to_session}-{}", to_leg + 1)});
        let party = self.party(session, leg, status, 2, 0);
        let back = self.note(account, session, self.sequences[account][session], uuid, party);
        self.notes.push(back);
    }

    /// Deliveries of a change with other content, under ids of their own.
    fn add_deliveries(&mut self, note: &Note, copy: u8, uuid: String) {
        let mut other = note.clone();
        other.uuid = Some(uuid);
        other.turn[0] ^= copy.reverse_bits();
        let status = &mut other.parties[0]["status"];
        match copy {
            0..=175 => return,
            176..=185 => {}
            186..=195 => other.time += 37,
            196..=205 => drop(status.as_object_mut().and_then(|status| status.remove("reason"))),
            206..=215 => drop(status.as_object_mut().and_then(|status| status.remove("peerId"))),
            216..=221 => status["reason"] = json!(LINKS[usize::from(copy & 7)]),
            222..=227 => status["code"] = json!(CODES[usize::from(copy) % CODES.len()]),
            228..=233 => {
                status["peerId"] = json!({"sessionId": format!("s-{}", copy & 3), "partyId": "p-0-1"})
            }
            234..=243 => {
                other.parties[0]["from"] = json!({"name": "Another Name", "phoneNumber": "+14045550199"})
            }
            244..=249 => other.uuid = None,
            _ => other.uuid.clone_from(&note.uuid),
        }
        if copy > 250 {
            other.parties[0]["extensionId"] = json!("62005");
        }
        self.notes.push(other);
    }
}

/// The status of a party.
fn status(code: &str, session: usize, peer: u8, reason: u8, wild: u8) -> Value {
    let mut status = Map::new();
    if !code.is_empty() {
        status.insert("code".into(), json!(code));
    }
    let reason = match code {
        "Gone" => LINKS[usize::from(reason & 7)],
        "Disconnected" => ENDS[usize::from(reason & 15)],
        _ if wild & 0x0f == 0x0e => {
            ["Supervising", "TakeOver", "Supervising", "AttendedTransfer"][usize::from(reason & 3)]
        }
        _ => "",
    };
    if !reason.is_empty() {
        status.insert("reason".into(), json!(reason));
    }
    if code == "Parked" {
        status.insert("parkData".into(), json!("*801"));
    }
    let named = match peer & 7 {
        6 => "s-unseen".to_owned(),
        7 => String::new(),
        near => format!("s-{}", (session + usize::from(near) + 1) % 4),
    };
    let party = format!("p-{}-{}", named.trim_start_matches("s-"), (peer >> 3 & 3) + 1);
    let id = match peer >> 6 {
        0 | 1 => json!({"telephonySessionId": named, "sessionId": "0", "partyId": party}),
        2 => json!({"sessionId": named, "partyId": party}),
        _ => json!({"telephonySessionId": named, "sessionId": "7000"}),
    };
    if !named.is_empty() && (code == "Gone" || wild & 0xf0 == 0xd0) {
        status.insert("peerId".into(), id);
    }
    status.into()
}

/// The session and leg at the other end of a link, and the end it links back to.
fn both_sides(session: usize, leg: usize, peer: u8, reason: u8, code: &str) -> Option<[usize; 4]> {
    let to = (session + usize::from(peer & 7) + 1) % 4;
    (code == "Gone" && reason & 0x80 != 0 && peer & 7 < 6 && to != session).then_some([
        to,
        usize::from(peer >> 3 & 3),
        session,
        leg,
    ])
}

impl Stream {
    /// Whether all deliveries of each state change of a leg are equal.
    pub(crate) fn deliveries_agree(&self) -> bool {
        let mut statuses: BTreeMap<_, &Value> = BTreeMap::new();
        self.notes.iter().all(|note| {
            note.parties.iter().all(|party| {
                let change = (note.account, &note.session, note.sequence, party["id"].as_str());
                *statuses.entry(change).or_insert(&party["status"]) == &party["status"]
            })
        })
    }

    /// Whether any session listens to another.
    pub(crate) fn has_supervision(&self) -> bool {
        let mut parties = self.notes.iter().flat_map(|note| &note.parties);
        parties.any(|party| party["status"]["reason"] == "Supervising")
    }
}

impl Note {
    fn batches_with(&self, other: &Self) -> bool {
        self.session == other.session
            && self.sequence == other.sequence
            && self.account == other.account
            && self.time == other.time
            && !self.parties.is_empty()
    }

    /// As RingCentral sends it.
    pub(crate) fn json(&self) -> String {
        let mut body = json!({
            "sequence": self.sequence,
            "sessionId": self.legacy_id,
            "telephonySessionId": self.session,
            "eventTime": moment(self.time),
            "parties": self.parties,
        });
        if let Some(origin) = self.origin {
            body["origin"] = json!({"type": origin});
        }
        let Some(account) = self.account else { return body.to_string() };
        let mut note = json!({
            "event": format!("/restapi/v1.0/account/{account}/telephony/sessions"),
            "timestamp": moment(self.time + 120),
            "body": body,
        });
        if let Some(uuid) = &self.uuid {
            note["uuid"] = json!(uuid);
        }
        note.to_string()
    }

    /// The same delivery by a second subscription: under an id of its own, which is later in order.
    pub(crate) fn again(&self) -> Self {
        Self { uuid: self.uuid.as_ref().map(|uuid| format!("9{uuid}")), ..self.clone() }
    }

    /// Without its envelope.
    pub(crate) fn bare(&self) -> Self {
        Self { account: None, uuid: None, ..self.clone() }
    }

    /// One notification for each party.
    pub(crate) fn split(&self) -> impl Iterator<Item = Self> {
        self.parties.iter().map(|party| Self { parties: vec![party.clone()], ..self.clone() })
    }
}

fn moment(time: i64) -> String {
    wholecall_record::Time::from_millis(BEGIN + time).to_string()
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.notes.iter().try_for_each(|note| write!(f, "\n{note:?}"))
    }
}

impl fmt::Debug for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { account, session, sequence, time, .. } = self;
        write!(f, "{} {session} #{sequence} {time} ms, ", account.unwrap_or_default())?;
        write!(
            f,
            "{:?} {} {} ",
            self.turn,
            self.origin.unwrap_or_default(),
            self.uuid.as_deref().unwrap_or_default()
        )?;
        self.parties.iter().try_for_each(|party| write!(f, "{party}"))
    }
}
