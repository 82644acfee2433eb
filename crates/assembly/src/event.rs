//! One state change of one leg, as kept.

use compact_str::CompactString;
use wholecall_notification::{Code, Notification, Party, Reason};
use wholecall_record::{PartyId, SessionId, Time};

/// A state change. Its identity is (session, leg, sequence); further copies of it only fill its gaps.
#[derive(Debug)]
pub(crate) struct Event {
    pub(crate) sequence: i64,
    /// Index among the session's legs.
    pub(crate) leg: u32,
    /// The smallest of all copies' ids.
    pub(crate) uuid: Option<CompactString>,
    /// What it says, all copies taken together.
    pub(crate) said: Statement,
    /// The copies, where they differ.
    copies: Option<Box<Vec<Copy>>>,
}

/// What a notification says a leg has become. Its descriptive fields are kept with the leg.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Statement {
    pub(crate) time: Time,
    pub(crate) code: Option<Code>,
    pub(crate) reason: Option<Reason>,
    detail: Option<Box<Detail>>,
}

/// What few notifications say.
#[derive(Debug, Clone, Default, PartialEq)]
struct Detail {
    peer: Option<Peer>,
    code_word: Option<CompactString>,
    reason_word: Option<CompactString>,
    park: Option<CompactString>,
}

/// The other end of a door.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Peer {
    pub(crate) session: SessionId,
    pub(crate) party: Option<PartyId>,
    /// Its `sessionId` is the one all conferences share.
    pub(crate) is_conference: bool,
}

#[derive(Debug, Clone, PartialEq)]
struct Copy {
    uuid: Option<CompactString>,
    said: Statement,
}

impl Event {
    pub(crate) fn new(sequence: i64, leg: u32, uuid: Option<&str>, said: Statement) -> Self {
        Self { sequence, leg, uuid: uuid.map(CompactString::from), said, copies: None }
    }

    /// A `Setup` that only tells of a text reply: kept, but no part of the leg's life.
    pub(crate) fn is_text_reply(&self) -> bool {
        self.said.code == Some(Code::Setup) && self.said.reason == Some(Reason::CallReplied)
    }

    /// Takes in another copy; tells whether anything but its id was new.
    ///
    /// Where copies differ, the one with the smallest id counts field by field and the others fill its
    /// gaps.
    pub(crate) fn merge(&mut self, uuid: Option<&str>, said: Statement) -> bool {
        if self.copies.is_none() {
            if said == self.said {
                self.uuid = smaller_uuid(self.uuid.take(), uuid);
                return false;
            }
            let first = Copy { uuid: self.uuid.clone(), said: self.said.clone() };
            self.copies = Some(Box::new(vec![first]));
        }
        let Some(copies) = &mut self.copies else { return false };
        match copies.iter_mut().find(|copy| copy.said == said) {
            Some(copy) => copy.uuid = smaller_uuid(copy.uuid.take(), uuid),
            None => copies.push(Copy { uuid: uuid.map(CompactString::from), said }),
        }
        // An id-less copy comes last; among equal ids the text decides, so that order of arrival does not.
        copies.sort_by(|a, b| uuid_order(a.uuid.as_deref(), b.uuid.as_deref()).then(a.said.order(&b.said)));
        let mut merged = copies[0].said.clone();
        for copy in &copies[1..] {
            merged.fill_gaps(&copy.said);
        }
        self.uuid = copies[0].uuid.clone();
        let changed = merged != self.said;
        self.said = merged;
        changed
    }
}

impl Statement {
    pub(crate) fn of(notification: &Notification<'_>, party: &Party<'_>) -> Self {
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
            word.as_deref().filter(|_| other).map(CompactString::from)
        };
        let park = [&party.status.park_data, &party.park.id]
            .into_iter()
            .find_map(|text| text.as_deref().filter(|text| !text.is_empty()))
            .filter(|_| code == Some(Code::Parked));
        let detail = Detail {
            peer,
            code_word: unknown(code == Some(Code::Other), &party.status.code),
            reason_word: unknown(reason == Some(Reason::Other), &party.status.reason),
            park: park.map(CompactString::from),
        };
        Self {
            time: Time::from_millis(notification.event_time().as_millis()),
            code,
            reason,
            detail: (detail != Detail::default()).then(|| Box::new(detail)),
        }
    }

    /// The other end of the door it opened.
    pub(crate) fn peer(&self) -> Option<&Peer> {
        self.detail.as_ref()?.peer.as_ref()
    }

    /// The code as RingCentral words it.
    pub(crate) fn code_word(&self) -> Option<&str> {
        self.code?.word().or_else(|| self.detail.as_ref()?.code_word.as_deref())
    }

    /// The reason as RingCentral words it.
    pub(crate) fn reason_word(&self) -> Option<&str> {
        self.reason?.word().or_else(|| self.detail.as_ref()?.reason_word.as_deref())
    }

    /// Where it was parked.
    pub(crate) fn park(&self) -> Option<&str> {
        self.detail.as_ref()?.park.as_deref()
    }

    fn fill_gaps(&mut self, other: &Self) {
        if self.code.is_none() {
            self.code = other.code;
            self.detail_mut(other, |mine, theirs| mine.code_word.clone_from(&theirs.code_word));
        }
        if self.reason.is_none() {
            self.reason = other.reason;
            self.detail_mut(other, |mine, theirs| mine.reason_word.clone_from(&theirs.reason_word));
        }
        self.detail_mut(other, |mine, theirs| {
            if mine.peer.is_none() {
                mine.peer.clone_from(&theirs.peer);
            }
            if mine.park.is_none() {
                mine.park.clone_from(&theirs.park);
            }
        });
    }

    fn detail_mut(&mut self, other: &Self, change: impl FnOnce(&mut Detail, &Detail)) {
        if let Some(theirs) = &other.detail {
            change(self.detail.get_or_insert_default(), theirs);
        }
    }

    /// Any order will do that the content alone decides.
    fn order(&self, other: &Self) -> std::cmp::Ordering {
        let key = |s: &Self| (s.time, s.code, s.reason, s.peer().cloned(), s.park().map(CompactString::from));
        let words = |s: &Self| (s.code_word().map(str::to_owned), s.reason_word().map(str::to_owned));
        key(self).cmp(&key(other)).then_with(|| words(self).cmp(&words(other)))
    }
}

/// Ids are opaque text: the smallest is the first in text order, and none is larger than any.
pub(crate) fn uuid_order(a: Option<&str>, b: Option<&str>) -> std::cmp::Ordering {
    match (a, b) {
        (Some(a), Some(b)) => a.cmp(b),
        (a, b) => b.is_some().cmp(&a.is_some()),
    }
}

pub(crate) fn smaller_uuid(ours: Option<CompactString>, theirs: Option<&str>) -> Option<CompactString> {
    match uuid_order(ours.as_deref(), theirs) {
        std::cmp::Ordering::Greater => theirs.map(CompactString::from),
        _ => ours,
    }
}
