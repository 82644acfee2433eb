//! Ids of sessions and parties in the platform's spelling, and of participants in that of records.

use std::fmt;

use serde::{Serialize, Serializer};

use crate::time::Timestamp;

/// A telephony session's id, `s-<hex>z<its creation in hex ms>z<ordinal>0000`: the spelling seen since 2022.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId {
    /// When the session began.
    pub created: Timestamp,
    /// Distinguishes sessions of the same millisecond.
    pub ordinal: u32,
    /// Any number; 40 bits of it are written.
    pub salt: u64,
}

impl SessionId {
    fn write_suffix(self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "a0d{:010x}z{:x}z{:08x}0000",
            self.salt & 0xff_ffff_ffff,
            self.created.as_millis(),
            self.ordinal
        )
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("s-")?;
        self.write_suffix(f)
    }
}

impl Serialize for SessionId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A party's id: its session's, and its ordinal there. 1 is the originating party.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartyId {
    /// The session.
    pub session: SessionId,
    /// The party's ordinal in it.
    pub ordinal: u32,
}

impl fmt::Display for PartyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("p-")?;
        self.session.write_suffix(f)?;
        write!(f, "-{}", self.ordinal)
    }
}

impl Serialize for PartyId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A participant, named as in call records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ParticipantRef {
    /// An extension of the account by its id: a user, a queue, a menu. `ext:62000101016`.
    Extension(u64),
    /// An outside number. `tel:+14045550104`.
    Number(u64),
    /// A short number of a public service, such as 911. `tel:911`.
    Service(u16),
    /// A caller who withholds the number, named by the session of the call. `anon:s-…/p-…-1`.
    Anonymous(SessionId),
}

impl fmt::Display for ParticipantRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Extension(id) => write!(f, "ext:{id}"),
            Self::Number(number) => write!(f, "tel:+{number}"),
            Self::Service(number) => write!(f, "tel:{number}"),
            Self::Anonymous(session) => write!(f, "anon:{session}/{}", PartyId { session, ordinal: 1 }),
        }
    }
}
