//! The shape of a notification, field by field.
//!
//! Source: RingCentral's API reference (`AccountTelephonySessionsEvent`), corrected by recorded streams:
//! `eventTime` is the time of the change, not of the call; `event` names the party's extension, not the
//! filter; `peerId.sessionId` may hold a telephony session id.

use crate::{
    Code, Direction, LogRecord, Moment, Origin, Raw, Reason, Role, Text, Unreadable, object::object,
};

/// A telephony session notification: one or more parties of one session have changed. Or what RingCentral answered
/// when it was asked about a session, which tells the same things without their order.
///
/// It is a view of the document it was read from.
#[derive(Debug, Clone, Copy)]
pub struct Notification<'d, 'a> {
    /// Everything the document says.
    pub document: &'d Document<'a>,
    session_id: &'d str,
    source: Source,
    event_time: Moment,
}

/// How RingCentral came to say something of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// It told of a change by itself.
    Change {
        /// The place of the change in its session's order; the first one delivered is 2.
        sequence: u32,
    },
    /// It was asked for the session: `GET …/telephony/sessions/{id}`. Without any party: it knows of no such session.
    Snapshot,
    /// It was asked for its call log, and this is the record of a call that is over.
    CallLog,
}

impl<'d, 'a> Notification<'d, 'a> {
    /// A change that was told.
    pub(crate) fn new(document: &'d Document<'a>) -> Result<Self, Unreadable> {
        let body = &document.body;
        let session_id = session_id(body)?;
        if body.parties.is_empty() {
            return Err(Unreadable::NoParty);
        }
        let sequence = body.sequence.and_then(|sequence| u32::try_from(sequence).ok());
        let Some(sequence) = sequence else { return Err(Unreadable::NoSequence) };
        if body.parties.iter().any(|party| party.id().is_empty()) {
            return Err(Unreadable::PartyWithoutId { sequence });
        }
        // RingCentral sends within a fraction of a second of the event, so the sending time serves.
        let Some(event_time) = body.event_time.or(document.timestamp) else {
            return Err(Unreadable::NoTime { sequence });
        };
        Ok(Self { document, session_id, source: Source::Change { sequence }, event_time })
    }

    /// An answer to the question for a session.
    pub(crate) fn snapshot(document: &'d Document<'a>, session_id: &'d str) -> Result<Self, Unreadable> {
        let body = &document.body;
        // Only an empty body says that there is no such session; anything else that names nobody was not understood.
        let is_unknown = body.parties.is_empty() && body.unknown.is_empty() && body.creation_time.is_none();
        if !is_unknown && body.parties.iter().all(|party| party.id().is_empty()) {
            return Err(Unreadable::NoParty);
        }
        let event_time = document.timestamp.ok_or(Unreadable::AnswerWithoutTime)?;
        Ok(Self { document, session_id, source: Source::Snapshot, event_time })
    }

    /// A record of the call log.
    pub(crate) fn logged(document: &'d Document<'a>) -> Result<Self, Unreadable> {
        let session_id = session_id(&document.body)?;
        let end = LogRecord::of(&document.body).end().ok_or(Unreadable::LoggedBeforeItsEnd)?;
        Ok(Self { document, session_id, source: Source::CallLog, event_time: end })
    }

    /// What happened.
    pub fn body(&self) -> &'d Body<'a> {
        &self.document.body
    }

    /// The notification's own id, new for every subscription that delivers it.
    pub fn uuid(&self) -> Option<&'d str> {
        said(&self.document.uuid)
    }

    /// When RingCentral sent it.
    pub fn timestamp(&self) -> Option<Moment> {
        self.document.timestamp
    }

    /// `telephonySessionId`: the key of the stream.
    pub fn session_id(&self) -> &'d str {
        self.session_id
    }

    /// How RingCentral came to say it.
    pub fn source(&self) -> Source {
        self.source
    }

    /// The place of this change in its session's order; none for what RingCentral answered when asked.
    pub fn sequence(&self) -> Option<u32> {
        match self.source {
            Source::Change { sequence } => Some(sequence),
            Source::Snapshot | Source::CallLog => None,
        }
    }

    /// When the change happened; when an answer was given; when a logged call was over.
    pub fn event_time(&self) -> Moment {
        self.event_time
    }

    /// By when the call had begun, as an answer says: the session's creation, the start that the list of active calls
    /// or the call log gives; the earliest where several are given.
    pub fn begun(&self) -> Option<Moment> {
        match self.source {
            Source::Change { .. } => None,
            Source::Snapshot => self.body().creation_time.into_iter().chain(self.document.start_time).min(),
            Source::CallLog => self.log_record().start_time,
        }
    }

    /// Every time that it states and that may become part of a record.
    pub fn times(&self) -> impl Iterator<Item = Moment> + use<'d, 'a> {
        [Some(self.event_time), self.document.timestamp, self.document.start_time, self.begun()]
            .into_iter()
            .chain([self.body().creation_time])
            .flatten()
    }

    /// What the call log says; empty if this is no record of it.
    pub fn log_record(&self) -> LogRecord<'a> {
        match self.source {
            Source::CallLog => LogRecord::of(&self.document.body),
            Source::Change { .. } | Source::Snapshot => LogRecord::default(),
        }
    }

    /// The account whose call it is: the one in the `event` path; failing that, the owned party's.
    pub fn account_id(&self) -> Option<&'d str> {
        let body = &self.document.body;
        let in_path = self.document.event.as_deref().and_then(account_in_path);
        let owned = || body.parties.iter().find(|party| party.extension_id().is_some())?.account_id();
        let any = || body.parties.iter().find_map(Party::account_id);
        in_path.or_else(owned).or(body.account_id.as_deref()).or_else(any)
    }
}

fn session_id<'d>(body: &'d Body<'_>) -> Result<&'d str, Unreadable> {
    said(&body.telephony_session_id).ok_or(Unreadable::NoSession)
}

/// The account id in `/restapi/v1.0/account/{id}/…`; none for `~`.
fn account_in_path(path: &str) -> Option<&str> {
    let usual = path.strip_prefix("/restapi/v1.0/account/");
    let rest = usual.or_else(|| path.split_once("/account/").map(|(_, rest)| rest))?;
    let id = rest.split(['/', '?']).next()?;
    (!id.is_empty() && id != "~").then_some(id)
}

object! {
    /// A posted document, whatever it is. Where it came bare or wrapped, its fields stand where those of a
    /// flat notification do.
    pub struct Document {
        /// Notification id.
        "uuid" => pub uuid: Option<Text<'a>>,
        /// Path of what changed.
        "event" => pub event: Option<Text<'a>>,
        /// When it was sent.
        "timestamp" => pub timestamp: Option<Moment>,
        /// Beside the answer to a question for a session: when the call began, as the list of active calls has it.
        "startTime" => pub start_time: Option<Moment>,
        /// Subscription.
        "subscriptionId" => pub subscription_id: Option<Text<'a>>,
        /// Owner of the subscription.
        "ownerId" => pub owner_id: Option<Text<'a>>,
        /// What happened.
        "body" => pub body: Body<'a>,
        /// The wrapper of PubNub's days held the whole notification once more, inside.
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
        "eventTime" => pub event_time: Option<Moment>,
        /// Of a bare body.
        "parties" => pub parties: Vec<Party<'a>>,
        /// Of a bare body.
        "origin" => pub origin: OriginObject<'a>,
        /// Of a bare body of 2018.
        "accountId" => pub account_id: Option<Text<'a>>,
    }
}

object! {
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
        "eventTime" => pub event_time: Option<Moment>,
        /// Who changed; one party in every stream recorded so far.
        "parties" => pub parties: Vec<Party<'a>>,
        /// How the session came about.
        "origin" => pub origin: OriginObject<'a>,
        /// Only in samples of 2018.
        "accountId" => pub account_id: Option<Text<'a>>,
        /// Only in the answer to a question for a session: when the session was made.
        "creationTime" => pub creation_time: Option<Moment>,
    }
}

impl Body<'_> {
    /// How the session came about, if said.
    pub fn origin(&self) -> Option<Origin> {
        self.origin.kind.as_deref().map(Origin::from)
    }
}

object! {
    /// `body.origin`.
    pub struct OriginObject {
        /// The kind of origin.
        "type" => pub kind: Option<Text<'a>>,
    }
}

object! {
    /// `body.parties[]`: one leg of the session, as it is after the change.
    pub struct Party {
        /// Unique within the session only.
        "id" => pub id: Option<Text<'a>>,
        /// The account the event belongs to; outsiders carry it too.
        "accountId" => pub account_id: Option<Text<'a>>,
        /// Owner of the leg; none for an outsider.
        "extensionId" => pub extension_id: Option<Text<'a>>,
        /// The technical direction of the leg.
        "direction" => pub direction: Option<Text<'a>>,
        /// The calling side.
        "from" => pub from: Endpoint<'a>,
        /// The called side.
        "to" => pub to: Endpoint<'a>,
        /// What the party has become.
        "status" => pub status: Status<'a>,
        /// Set on legs that ended unanswered; not reliable for queue agents.
        "missedCall" => pub missed_call: Option<bool>,
        /// Hears nothing but itself.
        "standAlone" => pub stand_alone: Option<bool>,
        /// Muted; not kept up after transfers.
        "muted" => pub muted: Option<bool>,
        /// Where it is parked.
        "park" => pub park: Park<'a>,
        /// Offered by a queue, which `to` names.
        "queueCall" => pub queue_call: Option<bool>,
        /// In REST's spelling.
        "attributes" => pub attributes: Option<Box<Attributes<'a>>>,
        /// What the phone's screen shows: the queue, the caller.
        "uiCallInfo" => pub ui_call_info: Option<Box<CallInfo<'a>>>,
        /// Host or Participant.
        "conferenceRole" => pub conference_role: Option<Text<'a>>,
        /// Initiator or Target.
        "ringOutRole" => pub ring_out_role: Option<Text<'a>>,
        /// Initiator or Target.
        "ringMeRole" => pub ring_me_role: Option<Text<'a>>,
        /// Recordings begun so far.
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
        said(&self.extension_id).or_else(|| said(&self.owner.as_ref()?.extension_id))
    }

    /// The owner's account.
    pub fn account_id(&self) -> Option<&str> {
        said(&self.account_id).or_else(|| said(&self.owner.as_ref()?.account_id))
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

    /// The part in a RingOut or RingMe.
    pub fn ring_out_role(&self) -> Option<Role> {
        said(&self.ring_out_role).or_else(|| said(&self.ring_me_role)).map(Role::from)
    }
}

pub(crate) fn said<'s>(field: &'s Option<Text<'_>>) -> Option<&'s str> {
    field.as_deref().filter(|text| !text.is_empty())
}

object! {
    /// `attributes`: REST's place for what notifications say of a party itself.
    pub struct Attributes {
        /// Offered by a queue.
        "queueCall" => pub queue_call: Option<bool>,
    }
}

object! {
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

object! {
    /// `status`: what a party has become, and why.
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
    /// What the party has become.
    pub fn code(&self) -> Option<Code> {
        self.code.as_deref().map(Code::from)
    }

    /// Why.
    pub fn reason(&self) -> Option<Reason> {
        said(&self.reason).map(Reason::from)
    }
}

object! {
    /// `status.peerId`: one end of a door between two sessions.
    pub struct PeerId {
        /// The legacy id, or, in REST's spelling, the telephony session's.
        "sessionId" => pub legacy_session_id: Option<Text<'a>>,
        /// The session on the other side.
        "telephonySessionId" => pub telephony_session_id: Option<Text<'a>>,
        /// The leg on the other side.
        "partyId" => pub party_id: Option<Text<'a>>,
    }
}

impl PeerId<'_> {
    /// The session on the other side, in either spelling.
    pub fn session_id(&self) -> Option<&str> {
        said(&self.telephony_session_id)
            .or_else(|| said(&self.legacy_session_id).filter(|id| id.starts_with("s-")))
    }

    /// The leg on the other side.
    pub fn party_id(&self) -> Option<&str> {
        said(&self.party_id)
    }

    /// Whether the other side is a conference bridge, as far as this end can tell.
    pub fn is_conference(&self) -> bool {
        self.legacy_session_id.as_deref() == Some("0")
    }
}

object! {
    /// `park`.
    pub struct Park {
        /// The park location or number.
        "id" => pub id: Option<Text<'a>>,
    }
}

object! {
    /// `recordings[]`.
    pub struct Recording {
        /// The recording; its sound can be fetched after the call.
        "id" => pub id: Option<Text<'a>>,
        /// False while paused and after it stopped.
        "active" => pub active: Option<bool>,
    }
}

object! {
    /// `uiCallInfo`.
    pub struct CallInfo {
        /// The upper line.
        "primary" => pub primary: CallInfoLine<'a>,
        /// The lower line.
        "additional" => pub additional: CallInfoLine<'a>,
    }
}

impl CallInfo<'_> {
    /// The queue's name, if either line tells it.
    pub fn queue_name(&self) -> Option<&str> {
        self.line("QueueName")
    }

    /// The caller's name, if either line shows it.
    pub fn caller_name(&self) -> Option<&str> {
        self.line("CallerIdName")
    }

    fn line(&self, kind: &str) -> Option<&str> {
        let mut lines = [&self.primary, &self.additional].into_iter();
        lines.find_map(|line| said(&line.value).filter(|_| line.kind.as_deref() == Some(kind)))
    }
}

object! {
    /// A line of `uiCallInfo`.
    pub struct CallInfoLine {
        /// `QueueName`, `CallerIdName`, `CallerIdNumber`.
        "type" => pub kind: Option<Text<'a>>,
        /// What it shows.
        "value" => pub value: Option<Text<'a>>,
    }
}

object! {
    /// `owner`: the older spelling of a party's account and extension.
    pub struct Owner {
        /// The account.
        "accountId" => pub account_id: Option<Text<'a>>,
        /// The extension.
        "extensionId" => pub extension_id: Option<Text<'a>>,
    }
}

impl<'a> Document<'a> {
    /// Puts what came bare or wrapped where a flat notification has it.
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

    /// Whether it says nothing at all.
    pub(crate) fn is_blank(&self) -> bool {
        self.uuid.is_none()
            && self.subscription_id.is_none()
            && self.parties.is_empty()
            && self.unknown.is_empty()
            && self.body.parties.is_empty()
            && self.body.unknown.is_empty()
    }
}
