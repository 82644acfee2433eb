//! Ids, each kind with a type of its own.

use std::{fmt, ops::Deref, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::json::{WriteJson, write_within_quotes};

macro_rules! ids {
    ($( $(#[$meta:meta])* $name:ident, )*) => { $(
        $(#[$meta])*
        ///
        /// Cheap to clone: all copies share one string.
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl Deref for $name {
            type Target = str;

            fn deref(&self) -> &str {
                &self.0
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(Arc::from(text))
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(Arc::from(text))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&*self.0, f)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl WriteJson for $name {
            fn write_json(&self, out: &mut Vec<u8>) {
                self.0.write_json(out);
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer).map(Self::from)
            }
        }
    )* };
}

ids! {
    /// A RingCentral account.
    AccountId,
    /// A telephony session, `telephonySessionId`.
    SessionId,
    /// A party of a session; unique within that session only.
    PartyId,
    /// A participant: `ext:<extensionId>`, `tel:<number>` or `anon:<leg>`.
    ParticipantId,
}

/// The id of a call is that of its root session.
pub type CallId = SessionId;

/// A party with its session, written `s-…/p-…`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LegId {
    /// The session.
    pub session: SessionId,
    /// The party.
    pub party: PartyId,
}

impl fmt::Display for LegId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.session)?;
        f.write_str("/")?;
        f.write_str(&self.party)
    }
}

impl Serialize for LegId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl WriteJson for LegId {
    fn write_json(&self, out: &mut Vec<u8>) {
        out.push(b'"');
        write_within_quotes(&self.session, out);
        out.push(b'/');
        write_within_quotes(&self.party, out);
        out.push(b'"');
    }
}

impl<'de> Deserialize<'de> for LegId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let (session, party) = text
            .split_once('/')
            .ok_or_else(|| de::Error::custom(format!("a leg is written session/party, not {text}")))?;
        Ok(Self { session: SessionId::from(session), party: PartyId::from(party) })
    }
}

impl ParticipantId {
    /// The extension id; `None` if it is not an extension of the account.
    pub fn extension_id(&self) -> Option<&str> {
        self.strip_prefix("ext:")
    }

    /// The number; `None` if the participant is not identified by a number.
    pub fn number(&self) -> Option<&str> {
        self.strip_prefix("tel:")
    }
}
