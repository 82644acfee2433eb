//! The fields of a notification.
//!
//! Source: RingCentral's API reference (`AccountTelephonySessionsEvent`), corrected by recorded streams: `eventTime`
//! is the time of the change, not of the call; `event` names the party's extension, not the filter;
//! `peerId.sessionId` may contain a telephony session id.

use crate::{
    Code, Direction, LogRecord, Origin, ParseError, Raw, Reason, Role, Text, Time,
    lenient_struct::lenient_struct,
};

/// A telephony session notification: one or more parties of one session have changed. Or a lookup answer about a
/// session, which has the same fields without a sequence number.
///
/// It is a view of the document that it was read from.
#[derive(Debug, Clone, Copy)]
pub struct Notification<'d, 'a> {
    /// The whole document.
    pub document: &'d Document<'a>,
    session_id: &'d str,
    source: Source,
    event_time: Time,
}

/// Where a statement about a session comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// A notification of a change.
    Change {
        /// The position of the change in its session's sequence; the first one delivered is 2.
        sequence: u32,
    },
    /// The answer to `GET …/telephony/sessions/{id}`. Without parties: RingCentral does not know the session.
    Snapshot,
    /// A record of the call log, of a call that has ended.
    CallLog,
}

impl<'d, 'a> Notification<'d, 'a> {
    /// A notification of a change.
    pub(crate) fn new(document: &'d Document<'a>) -> Result<Self, ParseError> {
        let body = &document.body;
        let session_id = session_id(body)?;
        if body.parties.is_empty() {
            return Err(ParseError::NoParty);
        }
        let sequence = body.sequence.and_then(|sequence| u32::try_from(sequence).ok());
        let Some(sequence) = sequence else { return Err(ParseError::NoSequence) };
        if body.parties.iter().any(|party| party.id().is_empty()) {
            return Err(ParseError::PartyWithoutId { sequence });
        }
        // RingCentral sends within a fraction of a second of the event, so the sending time can replace its time.
        let Some(event_time) = body.event_time.or(document.timestamp) else {
            return Err(ParseError::NoTime { sequence });
        };
        Ok(Self { document, session_id, source: Source::Change { sequence }, event_time })
    }

    /// A snapshot: the answer to a request for a session.
    pub(crate) fn from_snapshot(document: &'d Document<'a>, session_id: &'d str) -> Result<Self, ParseError> {
        let body = &document.body;
        // Only an empty body means that the session does not exist; anything else without a party was not understood.
        let is_unknown = body.parties.is_empty() && body.unknown.is_empty() && body.creation_time.is_none();
        if !is_unknown && body.parties.iter().all(|party| party.id().is_empty()) {
            return Err(ParseError::NoParty);
        }
        let event_time = document.timestamp.ok_or(ParseError::AnswerWithoutTime)?;
        Ok(Self { document, session_id, source: Source::Snapshot, event_time })
    }

    /// A record of the call log.
    pub(crate) fn from_log_record(document: &'d Document<'a>) -> Result<Self, ParseError> {
        let session_id = session_id(&document.body)?;
        let end = LogRecord::of(&document.body).end().ok_or(ParseError::LoggedCallInProgress)?;
        Ok(Self { document, session_id, source: Source::CallLog, event_time: end })
    }

    /// The body.
    pub fn body(&self) -> &'d Body<'a> {
        &self.document.body
    }

    /// The notification's id, different for every subscription that delivers it.
    pub fn uuid(&self) -> Option<&'d str> {
        non_empty(&self.document.uuid)
    }

    /// When RingCentral sent it.
    pub fn timestamp(&self) -> Option<Time> {
        self.document.timestamp
    }

    /// `telephonySessionId`: the key of the session.
    pub fn session_id(&self) -> &'d str {
        self.session_id
    }

    /// Where it comes from.
    pub fn source(&self) -> Source {
        self.source
    }

    /// The position of this change in its session's sequence. `None` for lookup answers.
    pub fn sequence(&self) -> Option<u32> {
        match self.source {
            Source::Change { sequence } => Some(sequence),
            Source::Snapshot | Source::CallLog => None,
        }
    }

    /// When the change happened; when a snapshot was taken; when a logged call ended.
    pub fn event_time(&self) -> Time {
        self.event_time
    }

    /// When the call had begun at the latest, according to a lookup answer: the session's creation, or the start in
    /// the list of active calls or in the call log; the earliest if there are several.
    pub fn starts_by(&self) -> Option<Time> {
        match self.source {
            Source::Change { .. } => None,
            Source::Snapshot => self.body().creation_time.into_iter().chain(self.document.start_time).min(),
            Source::CallLog => self.log_record().start_time,
        }
    }

    /// All times that may become part of a record.
    pub fn times(&self) -> impl Iterator<Item = Time> + use<'d, 'a> {
        [Some(self.event_time), self.document.timestamp, self.document.start_time, self.starts_by()]
            .into_iter()
            .chain([self.body().creation_time])
            .flatten()
    }

    /// The call log record; empty if this is not one.
    pub fn log_record(&self) -> LogRecord<'a> {
        match self.source {
            Source::CallLog => LogRecord::of(&self.document.body),
            Source::Change { .. } | Source::Snapshot => LogRecord::default(),
        }
    }

    /// The account of the call: the one in the `event` path, else the owned party's.
    pub fn account_id(&self) -> Option<&'d str> {
        let body = &self.document.body;
        let in_path = self.document.event.as_deref().and_then(account_in_path);
        let owned = || body.parties.iter().find(|party| party.extension_id().is_some())?.account_id();
        let any = || body.parties.iter().find_map(Party::account_id);
        in_path.or_else(owned).or(body.account_id.as_deref()).or_else(any)
    }
}

fn session_id<'d>(body: &'d Body<'_>) -> Result<&'d str, ParseError> {
    non_empty(&body.telephony_session_id).ok_or(ParseError::NoSession)
}

/// The account id in `/restapi/v1.0/account/{id}/…`. `None` for `~`.
fn account_in_path(path: &str) -> Option<&str> {
    let common = path.strip_prefix("/restapi/v1.0/account/");
    let rest = common.or_else(|| path.split_once("/account/").map(|(_, rest)| rest))?;
    let id = rest.split(['/', '?']).next()?;
    (!id.is_empty() && id != "~").then_some(id)
}

lenient_struct! {
    /// A posted document of any kind. Fields that arrive without an envelope, or wrapped twice, are moved to where a
    /// flat notification has them.
    pub struct Document {
        /// Notification id.
        "uuid" => pub uuid: Option<Text<'a>>,
        /// Path of the changed resource.
        "event" => pub event: Option<Text<'a>>,
        /// When it was sent.
        "timestamp" => pub timestamp: Option<Time>,
        /// With an answer to a request for a session: when the call began, from the list of active calls.
        "startTime" => pub start_time: Option<Time>,
        /// Subscription.
        "subscriptionId" => pub subscription_id: Option<Text<'a>>,
        /// Owner of the subscription.
        "ownerId" => pub owner_id: Option<Text<'a>>,
        /// The content of the notification.
        "body" => pub body: Body<'a>,
        /// The wrapper of the former PubNub transport, which contained the whole notification again.
        "pn_apns" => pub pn_apns: Option<Box<Document<'a>>>,
        // Some tools store notifications without their envelope.
        /// Of a bare body.
        "sequence" => pub sequence: Option<i64>,
        /// Of a bare body.
        "sessionId" => pub session_id: Option<Text<'a>>,
        /// Of a bare body.
        "telephonySessionId" => pub telephony_session_id: Option<Text<'a>>,
        /// Of a bare body.
        "serverId" => pub server_id: Option<Text<'a>>,
        /// Of a bare body.
        "eventTime" => pub event_time: Option<Time>,
        /// Of a bare body.
        "parties" => pub parties: Vec<Party<'a>>,
        /// Of a bare body.
        "origin" => pub origin: OriginObject<'a>,
        /// Of a bare body of 2018.
        "accountId" => pub account_id: Option<Text<'a>>,
    }
}

lenient_struct! {
    /// `body`: what happened in which session.
    pub struct Body {
        /// Order within the session.
        "sequence" => pub sequence: Option<i64>,
        /// The legacy id, shared by all conferences ("0") and not unique otherwise: never a key.
        "sessionId" => pub session_id: Option<Text<'a>>,
        /// The session.
        "telephonySessionId" => pub telephony_session_id: Option<Text<'a>>,
        /// The node that handles the session.
        "serverId" => pub server_id: Option<Text<'a>>,
        /// When the change happened.
        "eventTime" => pub event_time: Option<Time>,
        /// The changed parties; one in every stream recorded so far.
        "parties" => pub parties: Vec<Party<'a>>,
        /// How the session was created.
        "origin" => pub origin: OriginObject<'a>,
        /// Only in samples of 2018.
        "accountId" => pub account_id: Option<Text<'a>>,
        /// Only in the answer to a request for a session: when the session was created.
        "creationTime" => pub creation_time: Option<Time>,
    }
}

impl Body<'_> {
    /// How the session was created. `None` if not given.
    pub fn origin(&self) -> Option<Origin> {
        self.origin.kind.as_deref().map(Origin::from)
    }
}

lenient_struct! {
    /// `body.origin`.
    pub struct OriginObject {
        /// The kind of origin.
        "type" => pub kind: Option<Text<'a>>,
    }
}

lenient_struct! {
    /// `body.parties[]`: one leg of the session, as it is after the change.
    pub struct Party {
        /// Unique within the session only.
        "id" => pub id: Option<Text<'a>>,
        /// The account that the event belongs to; parties outside the account have it too.
        "accountId" => pub account_id: Option<Text<'a>>,
        /// Owner of the leg. `None` for a party outside the account.
        "extensionId" => pub extension_id: Option<Text<'a>>,
        /// The technical direction of the leg.
        "direction" => pub direction: Option<Text<'a>>,
        /// The calling side.
        "from" => pub from: Endpoint<'a>,
        /// The called side.
        "to" => pub to: Endpoint<'a>,
        /// The party's state.
        "status" => pub status: Status<'a>,
        /// Set on legs that ended unanswered; not reliable for queue agents.
        "missedCall" => pub missed_call: Option<bool>,
        /// The party hears only itself.
        "standAlone" => pub stand_alone: Option<bool>,
        /// Muted; not updated after transfers.
        "muted" => pub muted: Option<bool>,
        /// Where it is parked.
        "park" => pub park: Park<'a>,
        /// Offered by the queue in `to`.
        "queueCall" => pub queue_call: Option<bool>,
        /// The place of `queueCall` in REST answers.
        "attributes" => pub attributes: Option<Box<Attributes<'a>>>,
        /// What the phone's screen shows: the queue, the caller.
        "uiCallInfo" => pub ui_call_info: Option<Box<CallInfo<'a>>>,
        /// Host or Participant.
        "conferenceRole" => pub conference_role: Option<Text<'a>>,
        /// Initiator or Target.
        "ringOutRole" => pub ring_out_role: Option<Text<'a>>,
        /// Initiator or Target.
        "ringMeRole" => pub ring_me_role: Option<Text<'a>>,
        /// Recordings that have begun.
        "recordings" => pub recordings: Vec<Recording<'a>>,
        /// Only with the filter `sipData=true`; never a key.
        "sipData" => pub sip_data: Option<Raw<'a>>,
        /// The older spelling of `accountId` and `extensionId`.
        "owner" => pub owner: Option<Box<Owner<'a>>>,
    }
}

impl Party<'_> {
    /// The leg's id; empty if it has none.
    pub fn id(&self) -> &str {
        self.id.as_deref().unwrap_or_default()
    }

    /// The owner's extension.
    pub fn extension_id(&self) -> Option<&str> {
        non_empty(&self.extension_id).or_else(|| non_empty(&self.owner.as_ref()?.extension_id))
    }

    /// The owner's account.
    pub fn account_id(&self) -> Option<&str> {
        non_empty(&self.account_id).or_else(|| non_empty(&self.owner.as_ref()?.account_id))
    }

    /// The technical direction of the leg.
    pub fn direction(&self) -> Option<Direction> {
        self.direction.as_deref().map(Direction::from)
    }

    /// Whether a queue offered it.
    pub fn is_queue_call(&self) -> bool {
        let in_rest = || self.attributes.as_ref().and_then(|attributes| attributes.queue_call);
        self.queue_call.or_else(in_rest) == Some(true)
    }

    /// The role in a RingOut or RingMe.
    pub fn ring_out_role(&self) -> Option<Role> {
        non_empty(&self.ring_out_role).or_else(|| non_empty(&self.ring_me_role)).map(Role::from)
    }
}

pub(crate) fn non_empty<'s>(field: &'s Option<Text<'_>>) -> Option<&'s str> {
    field.as_deref().filter(|text| !text.is_empty())
}

lenient_struct! {
    /// `attributes`: REST's place for fields that notifications have in the party itself.
    pub struct Attributes {
        /// Offered by a queue.
        "queueCall" => pub queue_call: Option<bool>,
    }
}

lenient_struct! {
    /// `from` and `to`.
    pub struct Endpoint {
        /// E.164, or an extension number, or "conference".
        "phoneNumber" => pub phone_number: Option<Text<'a>>,
        /// Filled in on later events.
        "name" => pub name: Option<Text<'a>>,
        /// Filled in on later events.
        "extensionId" => pub extension_id: Option<Text<'a>>,
        /// The device, once it is known.
        "deviceId" => pub device_id: Option<Text<'a>>,
    }
}

lenient_struct! {
    /// `status`: a party's state, and its reason.
    pub struct Status {
        /// See [`Code`].
        "code" => pub code: Option<Text<'a>>,
        /// See [`Reason`].
        "reason" => pub reason: Option<Text<'a>>,
        /// Never observed.
        "description" => pub description: Option<Text<'a>>,
        /// The leg in another session that this one is now joined to.
        "peerId" => pub peer_id: Option<Box<PeerId<'a>>>,
        /// The park extension, for instance `*801`; empty for a park location.
        "parkData" => pub park_data: Option<Text<'a>>,
        /// For the mobile app only.
        "mobilePickupData" => pub mobile_pickup_data: Option<Raw<'a>>,
        /// Contradictory in RingCentral's own documents; always false so far.
        "rcc" => pub rcc: Option<bool>,
    }
}

impl Status<'_> {
    /// The state.
    pub fn code(&self) -> Option<Code> {
        self.code.as_deref().map(Code::from)
    }

    /// The reason.
    pub fn reason(&self) -> Option<Reason> {
        non_empty(&self.reason).map(Reason::from)
    }
}

lenient_struct! {
    /// `status.peerId`: the other end of a link between two sessions.
    pub struct PeerId {
        /// The legacy id; in REST answers, the telephony session's.
        "sessionId" => pub legacy_session_id: Option<Text<'a>>,
        /// The session at the other end.
        "telephonySessionId" => pub telephony_session_id: Option<Text<'a>>,
        /// The leg at the other end.
        "partyId" => pub party_id: Option<Text<'a>>,
    }
}

impl PeerId<'_> {
    /// The session at the other end, in either spelling.
    pub fn session_id(&self) -> Option<&str> {
        non_empty(&self.telephony_session_id)
            .or_else(|| non_empty(&self.legacy_session_id).filter(|id| id.starts_with("s-")))
    }

    /// The leg at the other end.
    pub fn party_id(&self) -> Option<&str> {
        non_empty(&self.party_id)
    }

    /// Whether the other end is a conference bridge, as far as this end shows it.
    pub fn is_conference(&self) -> bool {
        self.legacy_session_id.as_deref() == Some("0")
    }
}

lenient_struct! {
    /// `park`.
    pub struct Park {
        /// The park location or number.
        "id" => pub id: Option<Text<'a>>,
    }
}

lenient_struct! {
    /// `recordings[]`.
    pub struct Recording {
        /// The recording; its audio can be fetched after the call.
        "id" => pub id: Option<Text<'a>>,
        /// False while paused and after it stopped.
        "active" => pub active: Option<bool>,
    }
}

lenient_struct! {
    /// `uiCallInfo`.
    pub struct CallInfo {
        /// The upper line.
        "primary" => pub primary: CallInfoLine<'a>,
        /// The lower line.
        "additional" => pub additional: CallInfoLine<'a>,
    }
}

impl CallInfo<'_> {
    /// The queue's name, if a line has it.
    pub fn queue_name(&self) -> Option<&str> {
        self.line("QueueName")
    }

    /// The caller's name, if a line has it.
    pub fn caller_name(&self) -> Option<&str> {
        self.line("CallerIdName")
    }

    fn line(&self, kind: &str) -> Option<&str> {
        let mut lines = [&self.primary, &self.additional].into_iter();
        lines.find_map(|line| non_empty(&line.value).filter(|_| line.kind.as_deref() == Some(kind)))
    }
}

lenient_struct! {
    /// A line of `uiCallInfo`.
    pub struct CallInfoLine {
        /// `QueueName`, `CallerIdName`, `CallerIdNumber`.
        "type" => pub kind: Option<Text<'a>>,
        /// The text of the line.
        "value" => pub value: Option<Text<'a>>,
    }
}

lenient_struct! {
    /// `owner`: the older spelling of a party's account and extension.
    pub struct Owner {
        /// The account.
        "accountId" => pub account_id: Option<Text<'a>>,
        /// The extension.
        "extensionId" => pub extension_id: Option<Text<'a>>,
    }
}

impl<'a> Document<'a> {
    /// Moves fields that arrived without an envelope, or wrapped twice, to where a flat notification has them.
    pub(crate) fn flatten(&mut self) {
        if let Some(mut inner) = self.pn_apns.take() {
            inner.flatten();
            inner.uuid = inner.uuid.or(self.uuid.take());
            inner.subscription_id = inner.subscription_id.or(self.subscription_id.take());
            inner.owner_id = inner.owner_id.or(self.owner_id.take());
            *self = *inner;
        } else if self.telephony_session_id.is_some() {
            self.body = Body {
                sequence: self.sequence.take(),
                session_id: self.session_id.take(),
                telephony_session_id: self.telephony_session_id.take(),
                server_id: self.server_id.take(),
                event_time: self.event_time.take(),
                parties: std::mem::take(&mut self.parties),
                origin: std::mem::take(&mut self.origin),
                account_id: self.account_id.take(),
                creation_time: None,
                unknown: std::mem::take(&mut self.unknown),
            };
        }
    }

    /// Whether the document is empty.
    pub(crate) fn is_blank(&self) -> bool {
        self.uuid.is_none()
            && self.subscription_id.is_none()
            && self.parties.is_empty()
            && self.unknown.is_empty()
            && self.body.parties.is_empty()
            && self.body.unknown.is_empty()
    }
}
