//! A telephony session notification as RingCentral would post it, typed and as JSON.
//!
//! The shape is that of the public streams of 2020 to 2026 (dibyenduroy/csn-data, tylerlong's
//! rc-call-queue-or-direct) and of RingCentral's guide to telephony session notifications. Each notification
//! reports the state of exactly one party.

use compact_str::CompactString;
use serde::{Serialize, Serializer, ser::SerializeSeq};

use crate::{
    id::{PartyId, SessionId},
    time::Timestamp,
};

/// A notification in flight.
#[derive(Debug, Clone, PartialEq)]
pub struct Notification {
    /// When it reaches the receiver; not part of the JSON.
    pub arrival: Timestamp,
    /// Its id, the documented key for detecting duplicates.
    pub uuid: u64,
    /// The account.
    pub account: u64,
    /// When it was sent.
    pub timestamp: Timestamp,
    /// The subscription that it is delivered for.
    pub subscription: Subscription,
    /// The state change.
    pub body: Body,
}

/// A subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subscription {
    /// The number that its UUID is made from.
    pub number: u64,
    /// The extension that created it.
    pub owner: u64,
}

/// The state of one party after a change.
#[derive(Debug, Clone, PartialEq)]
pub struct Body {
    /// Increases by one with every change in the session; the first is 2.
    pub sequence: u32,
    /// The legacy id; 0 for every conference.
    pub legacy_session: u64,
    /// The session.
    pub session: SessionId,
    /// The platform's server that published it.
    pub server: u16,
    /// Time of the change.
    pub event_time: Timestamp,
    /// How the session was created.
    pub origin: Origin,
    /// The party that changed.
    pub party: Party,
}

/// How a session was created.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "RingCentral's own words")]
pub enum Origin {
    Call,
    RingOut,
    CallOut,
    Conference,
}

/// A party of a session.
#[derive(Debug, Clone, PartialEq)]
pub struct Party {
    /// Its id.
    pub id: PartyId,
    /// The extension that owns it; `None` for outside parties and a conference's proxies.
    pub extension: Option<u64>,
    /// Whether the party was created by dialling.
    pub outbound: bool,
    /// The caller, as this party sees it; `None` if the number is withheld.
    pub from: Option<Contact>,
    /// The callee, as this party sees it.
    pub to: Contact,
    /// Its state.
    pub status: Status,
    /// Whether it rang without an answer.
    pub missed: bool,
    /// The queue that offers the call to this party.
    pub queue: Option<QueueInfo>,
    /// Id of its recording, and whether the recording is active.
    pub recording: Option<(u64, bool)>,
    /// The park extension where it is parked.
    pub parked_at: Option<u32>,
    /// Its role.
    pub role: Role,
}

/// One side of a call, as a party sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Contact {
    /// A number in E.164 form, an extension number, a star code, or `conference`.
    pub phone_number: CompactString,
    /// The name; `None` if it is not known yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<CompactString>,
    /// The extension; `None` if it is not known yet.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "digits")]
    pub extension_id: Option<u64>,
    /// The device in use.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "digits")]
    pub device_id: Option<u64>,
}

/// The queue that offers a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueInfo {
    /// Its name.
    pub name: CompactString,
    /// The caller's number, as shown to the agent.
    pub caller: CompactString,
}

/// The role of a party.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "RingCentral's own words")]
pub enum Role {
    Plain,
    ConferenceHost,
    ConferenceParticipant,
    RingOutInitiator,
    RingOutTarget,
}

/// The state of a party.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status {
    /// The state.
    pub code: Code,
    /// The reason.
    pub reason: Option<&'static str>,
    /// The party at the other end of a link between sessions.
    pub peer: Option<Peer>,
    /// Whether it includes data for a mobile app to take the ringing call.
    pub mobile_pickup: bool,
}

/// The party at the other end of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// The party, and its session.
    pub party: PartyId,
    /// The legacy id of its session.
    pub legacy_session: u64,
}

/// A party's state, as RingCentral names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "RingCentral's own words")]
pub enum Code {
    Setup,
    Proceeding,
    Answered,
    Hold,
    Parked,
    Voicemail,
    /// [`Code::Voicemail`] in another spelling that occurs.
    VoiceMail,
    /// A user listens to the message while it is recorded.
    VoiceMailScreening,
    FaxReceive,
    Gone,
    Disconnected,
}

impl Subscription {
    /// Its id: a UUID.
    pub fn id(&self) -> String {
        SubscriptionId(self.number).to_string()
    }
}

impl Notification {
    /// Appends the JSON document that RingCentral would post.
    pub fn write_json(&self, out: &mut Vec<u8>) {
        // Writing to a vector cannot fail, and plain data serializes.
        let written = serde_json::to_writer(out, &Envelope::of(self));
        debug_assert!(written.is_ok(), "a notification is plain data: {written:?}");
    }

    /// The JSON document that RingCentral would post.
    pub fn to_json(&self) -> String {
        let mut out = Vec::with_capacity(1100);
        self.write_json(&mut out);
        String::from_utf8_lossy(&out).into_owned()
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Envelope<'a> {
    #[serde(serialize_with = "text")]
    uuid: u64,
    #[serde(serialize_with = "text")]
    event: Path,
    timestamp: Timestamp,
    #[serde(serialize_with = "text")]
    subscription_id: SubscriptionId,
    #[serde(serialize_with = "text")]
    owner_id: u64,
    body: BodyJson<'a>,
}

impl<'a> Envelope<'a> {
    fn of(notification: &'a Notification) -> Self {
        let Body { sequence, legacy_session, session, server, event_time, origin, party } =
            &notification.body;
        Self {
            uuid: notification.uuid,
            event: Path { account: notification.account, extension: party.extension },
            timestamp: notification.timestamp,
            subscription_id: SubscriptionId(notification.subscription.number),
            owner_id: notification.subscription.owner,
            body: BodyJson {
                sequence: *sequence,
                session_id: *legacy_session,
                telephony_session_id: *session,
                server_id: Server(*server),
                event_time: *event_time,
                parties: [PartyJson::of(notification.account, party)],
                origin: OriginJson { r#type: *origin },
            },
        }
    }
}

/// The event path. Under an account's subscription, it names the extension that owns the party.
struct Path {
    account: u64,
    extension: Option<u64>,
}

impl std::fmt::Display for Path {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "/restapi/v1.0/account/{}", self.account)?;
        if let Some(extension) = self.extension {
            write!(f, "/extension/{extension}")?;
        }
        f.write_str("/telephony/sessions")
    }
}

struct SubscriptionId(u64);

impl std::fmt::Display for SubscriptionId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "2461434a-276a-4073-bd26-{:012x}", self.0 & 0xffff_ffff_ffff)
    }
}

struct Server(u16);

impl std::fmt::Display for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "10.13.{}.{}.TAM", self.0 >> 8, self.0 & 0xff)
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct BodyJson<'a> {
    sequence: u32,
    #[serde(serialize_with = "text")]
    session_id: u64,
    telephony_session_id: SessionId,
    #[serde(serialize_with = "text")]
    server_id: Server,
    event_time: Timestamp,
    parties: [PartyJson<'a>; 1],
    origin: OriginJson,
}

#[derive(Serialize)]
struct OriginJson {
    r#type: Origin,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PartyJson<'a> {
    #[serde(serialize_with = "text")]
    account_id: u64,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "digits")]
    extension_id: Option<u64>,
    id: PartyId,
    direction: &'static str,
    to: &'a Contact,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<&'a Contact>,
    status: StatusJson,
    park: Park,
    missed_call: bool,
    stand_alone: bool,
    muted: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    conference_role: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ring_out_role: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    queue_call: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ui_call_info: Option<CallInfo<'a>>,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "recordings")]
    recordings: Option<(u64, bool)>,
}

impl<'a> PartyJson<'a> {
    fn of(account: u64, party: &'a Party) -> Self {
        let (conference_role, ring_out_role) = match party.role {
            Role::Plain => (None, None),
            Role::ConferenceHost => (Some("Host"), None),
            Role::ConferenceParticipant => (Some("Participant"), None),
            Role::RingOutInitiator => (None, Some("Initiator")),
            Role::RingOutTarget => (None, Some("Target")),
        };
        Self {
            account_id: account,
            extension_id: party.extension,
            id: party.id,
            direction: if party.outbound { "Outbound" } else { "Inbound" },
            to: &party.to,
            from: party.from.as_ref(),
            status: StatusJson::of(party),
            park: Park { id: party.parked_at.map(ParkNumber) },
            missed_call: party.missed,
            stand_alone: false,
            muted: false,
            conference_role,
            ring_out_role,
            queue_call: party.queue.is_some().then_some(true),
            ui_call_info: party.queue.as_ref().map(CallInfo::of),
            recordings: party.recording,
        }
    }
}

/// `*802`.
struct ParkNumber(u32);

impl Serialize for ParkNumber {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("*{}", self.0))
    }
}

#[derive(Serialize)]
struct Park {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<ParkNumber>,
}

#[derive(Serialize)]
struct CallInfo<'a> {
    primary: CallInfoLine<'a>,
    additional: CallInfoLine<'a>,
}

#[derive(Serialize)]
struct CallInfoLine<'a> {
    r#type: &'static str,
    value: &'a str,
}

impl<'a> CallInfo<'a> {
    fn of(queue: &'a QueueInfo) -> Self {
        Self {
            primary: CallInfoLine { r#type: "QueueName", value: &queue.name },
            additional: CallInfoLine { r#type: "CallerIdNumber", value: &queue.caller },
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct StatusJson {
    code: Code,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    peer_id: Option<PeerJson>,
    #[serde(skip_serializing_if = "Option::is_none")]
    park_data: Option<ParkNumber>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mobile_pickup_data: Option<MobilePickup>,
    rcc: bool,
}

impl StatusJson {
    fn of(party: &Party) -> Self {
        let Status { code, reason, peer, mobile_pickup } = party.status;
        let extension = party.extension.filter(|_| mobile_pickup);
        Self {
            code,
            reason,
            peer_id: peer.map(|peer| PeerJson {
                session_id: peer.legacy_session,
                telephony_session_id: peer.party.session,
                party_id: peer.party,
            }),
            park_data: party.parked_at.filter(|_| code == Code::Parked).map(ParkNumber),
            mobile_pickup_data: extension.map(MobilePickup::of),
            rcc: false,
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PeerJson {
    #[serde(serialize_with = "text")]
    session_id: u64,
    telephony_session_id: SessionId,
    party_id: PartyId,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct MobilePickup {
    #[serde(serialize_with = "each_text")]
    cc_mailboxes: [u64; 1],
    to: &'static str,
    #[serde(serialize_with = "text")]
    sid: u64,
    srv_lvl: &'static str,
    srv_lvl_ext: &'static str,
}

impl MobilePickup {
    fn of(extension: u64) -> Self {
        Self {
            cc_mailboxes: [extension],
            to: "#1@sip.example.com:5060",
            sid: 50_000_000_000_000 + extension,
            srv_lvl: "-149699523",
            srv_lvl_ext: "406",
        }
    }
}

fn text<S: Serializer>(value: &impl std::fmt::Display, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

/// Writes an id as a string of digits.
fn digits<S: Serializer>(value: &Option<u64>, serializer: S) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => serializer.collect_str(value),
        None => serializer.serialize_none(),
    }
}

fn each_text<S: Serializer>(values: &[u64; 1], serializer: S) -> Result<S::Ok, S::Error> {
    let mut list = serializer.serialize_seq(Some(1))?;
    list.serialize_element(&values[0].to_string())?;
    list.end()
}

fn recordings<S: Serializer>(value: &Option<(u64, bool)>, serializer: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Recording {
        #[serde(serialize_with = "text")]
        id: u64,
        active: bool,
    }
    serializer.collect_seq(value.iter().map(|&(id, active)| Recording { id, active }))
}
