//! One state change of one leg, as it is stored.

use wholecall_notification::{Code, Notification, Party, Reason};
use wholecall_record::ShortText;
use wholecall_record::{PartyId, SessionId, Time, call::EvidenceKind};

use crate::{
    legs::LegKey,
    limits,
    uuid::{Uuid, adopt_smaller, delivery_order},
};

/// A state change, identified by (session, leg, sequence). Further deliveries of it only fill its missing fields.
#[derive(Debug)]
pub(crate) struct Event {
    /// Its position in the session's sequence; [`UNSEQUENCED`] for lookup answers.
    pub(crate) sequence: u32,
    /// Index of the leg in its session.
    pub(crate) leg: LegKey,
    /// The kind of lookup answer. `None` if it is a notification.
    pub(crate) kind: Option<EvidenceKind>,
    /// The smallest id of all deliveries.
    pub(crate) uuid: Option<Uuid>,
    /// The merged status of all deliveries. Descriptive fields are stored with the leg.
    pub(crate) status: PartyStatus,
}

/// The sequence of events without one: they apply only if they are later than every notification of their leg.
pub(crate) const UNSEQUENCED: u32 = u32::MAX;

/// The status of a leg, as a notification reports it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct PartyStatus {
    pub(crate) time: Time,
    /// Fields that few notifications have.
    detail: Option<Box<Detail>>,
    pub(crate) code: Option<Code>,
    pub(crate) reason: Option<Reason>,
    /// The notification marks the leg as a missed call.
    pub(crate) missed: bool,
}

#[derive(Debug, Clone, Default, PartialEq)]
struct Detail {
    peer: Option<Peer>,
    code_word: Option<ShortText>,
    reason_word: Option<ShortText>,
    park: Option<ShortText>,
    /// The deliveries that this was merged from, if they differ.
    deliveries: Vec<Delivery>,
}

/// The other end of a link.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Peer {
    pub(crate) session: SessionId,
    pub(crate) party: Option<PartyId>,
    /// Its `sessionId` is the one that all conferences share.
    pub(crate) is_conference: bool,
}

#[derive(Debug, Clone, PartialEq)]
struct Delivery {
    uuid: Option<Uuid>,
    status: PartyStatus,
}

impl Event {
    /// The sequence number of a notification. `None` if this is a lookup answer.
    pub(crate) fn notified_sequence(&self) -> Option<u32> {
        self.kind.is_none().then_some(self.sequence)
    }

    /// A `Setup` that only reports a text reply: stored, but not a state of the leg.
    pub(crate) fn is_text_reply(&self) -> bool {
        self.status.code == Some(Code::Setup) && self.status.reason == Some(Reason::CallReplied)
    }

    /// Merges another delivery; returns what it changed.
    ///
    /// Where deliveries differ, the one with the smallest id takes precedence field by field, and the others fill its
    /// missing fields.
    pub(crate) fn merge(&mut self, uuid: Option<Uuid>, status: PartyStatus) -> MergeEffect {
        let known_as = self.uuid.clone();
        let mut deliveries = match &mut self.status.detail {
            Some(detail) => std::mem::take(&mut detail.deliveries),
            None => Vec::new(),
        };
        if deliveries.is_empty() {
            if status == self.status {
                return if adopt_smaller(&mut self.uuid, uuid.as_ref()) {
                    MergeEffect::Id
                } else {
                    MergeEffect::Nothing
                };
            }
            deliveries.push(Delivery { uuid: self.uuid.clone(), status: self.status.clone() });
        }
        match deliveries.iter_mut().find(|delivery| delivery.status == status) {
            Some(delivery) => drop(adopt_smaller(&mut delivery.uuid, uuid.as_ref())),
            None => deliveries.push(Delivery { uuid, status }),
        }
        // A delivery without an id comes last; among equal ids the content decides, so that the order of arrival does
        // not.
        deliveries.sort_by(|a, b| {
            delivery_order(a.uuid.as_ref(), b.uuid.as_ref()).then_with(|| a.status.order(&b.status))
        });
        deliveries.truncate(limits::MAX_DELIVERIES_PER_CHANGE);
        let mut merged = deliveries[0].status.clone();
        for delivery in &deliveries[1..] {
            merged.fill_gaps(&delivery.status);
        }
        self.uuid.clone_from(&deliveries[0].uuid);
        let changed = merged != self.status;
        merged.detail.get_or_insert_default().deliveries = deliveries;
        self.status = merged;
        match changed {
            true => MergeEffect::Content,
            false if self.uuid != known_as => MergeEffect::Id,
            false => MergeEffect::Nothing,
        }
    }
}

/// What a further delivery of a change has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MergeEffect {
    /// Nothing.
    Nothing,
    /// Only the id it is known by.
    Id,
    /// Its status.
    Content,
}

impl PartyStatus {
    /// A status with nothing but a code and a reason.
    pub(crate) fn plain(time: Time, code: Code, reason: Option<Reason>) -> Self {
        Self { time, detail: None, code: Some(code), reason, missed: false }
    }

    pub(crate) fn of(notification: &Notification<'_, '_>, party: &Party<'_>) -> Self {
        let code = party.status.code();
        let reason = party.status.reason();
        let peer = party.status.peer_id.as_deref().and_then(|peer| {
            Some(Peer {
                session: SessionId::from(peer.session_id()?),
                party: peer.party_id().map(PartyId::from),
                is_conference: peer.is_conference(),
            })
        });
        let unknown = |other: bool, word: &Option<wholecall_notification::Text<'_>>| {
            word.as_deref().filter(|_| other).map(ShortText::from)
        };
        let park = [&party.status.park_data, &party.park.id]
            .into_iter()
            .find_map(|text| text.as_deref().filter(|text| !text.is_empty()))
            .filter(|_| code == Some(Code::Parked));
        let code_word = unknown(code == Some(Code::Other), &party.status.code);
        let reason_word = unknown(reason == Some(Reason::Other), &party.status.reason);
        let has_detail = peer.is_some() || park.is_some() || code_word.is_some() || reason_word.is_some();
        let park = park.map(ShortText::from);
        let detail = || Box::new(Detail { peer, code_word, reason_word, park, deliveries: Vec::new() });
        Self {
            time: notification.event_time(),
            detail: has_detail.then(detail),
            code,
            reason,
            missed: party.missed_call == Some(true),
        }
    }

    /// The other end of the link that it reports.
    pub(crate) fn peer(&self) -> Option<&Peer> {
        self.detail.as_ref()?.peer.as_ref()
    }

    /// The code as RingCentral spells it.
    pub(crate) fn code_word(&self) -> Option<&str> {
        self.code?.word().or_else(|| self.detail.as_ref()?.code_word.as_deref())
    }

    /// The reason as RingCentral spells it.
    pub(crate) fn reason_word(&self) -> Option<&str> {
        self.reason?.word().or_else(|| self.detail.as_ref()?.reason_word.as_deref())
    }

    /// Where it was parked.
    pub(crate) fn park(&self) -> Option<&str> {
        self.detail.as_ref()?.park.as_deref()
    }

    fn fill_gaps(&mut self, other: &Self) {
        let (no_code, no_reason) = (self.code.is_none(), self.reason.is_none());
        self.missed |= other.missed;
        self.code = self.code.or(other.code);
        self.reason = self.reason.or(other.reason);
        let Some(theirs) = &other.detail else { return };
        let ours = self.detail.get_or_insert_default();
        if no_code {
            ours.code_word.clone_from(&theirs.code_word);
        }
        if no_reason {
            ours.reason_word.clone_from(&theirs.reason_word);
        }
        if ours.peer.is_none() {
            ours.peer.clone_from(&theirs.peer);
        }
        if ours.park.is_none() {
            ours.park.clone_from(&theirs.park);
        }
    }

    /// Any total order serves that depends on the content alone.
    fn order(&self, other: &Self) -> std::cmp::Ordering {
        let key =
            |s: &Self| (s.time, s.code, s.reason, s.missed, s.peer().cloned(), s.park().map(ShortText::from));
        let words = |s: &Self| (s.code_word().map(str::to_owned), s.reason_word().map(str::to_owned));
        key(self).cmp(&key(other)).then_with(|| words(self).cmp(&words(other)))
    }
}
