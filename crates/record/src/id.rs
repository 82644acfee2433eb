//! Ids, one type each, so that none is taken for another.

use std::{fmt, ops::Deref, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

macro_rules! ids {
    ($( $(#[$meta:meta])* $name:ident, )*) => { $(
        $(#[$meta])*
        ///
        /// Cheap to clone: all copies share one text.
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
    /// A party named together with its session, `s-…/p-…`.
    LegId,
    /// A person or thing that takes part: `ext:<extensionId>`, `tel:<number>` or `anon:<leg>`.
    ParticipantId,
}

/// A call is named after its root session.
pub type CallId = SessionId;

impl LegId {
    /// The leg `party` of `session`.
    pub fn new(session: &SessionId, party: &PartyId) -> Self {
        let mut text = String::with_capacity(session.len() + 1 + party.len());
        text.push_str(session);
        text.push('/');
        text.push_str(party);
        Self::from(text)
    }
}

impl ParticipantId {
    /// The extension, if it is one of the account's.
    pub fn extension_id(&self) -> Option<&str> {
        self.strip_prefix("ext:")
    }

    /// The number, if it is known by one.
    pub fn number(&self) -> Option<&str> {
        self.strip_prefix("tel:")
    }
}
