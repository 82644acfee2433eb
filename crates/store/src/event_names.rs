//! How events and places in the feed are written for others. Both texts are opaque to readers: they begin with the name of
//! this store, so that an id or a cursor of another store is recognized.

use std::sync::Arc;

use crate::{EventId, Position, TenantId, TenantView};

/// The name that a store got when it was made.
#[derive(Debug, Clone)]
pub(crate) struct Incarnation(Arc<str>);

impl Incarnation {
    pub(crate) fn new(name: &str) -> Self {
        Self(name.into())
    }

    fn prefix(&self, tenant: TenantId) -> String {
        format!("msg_{}-{}-", self.0, tenant.0)
    }
}

/// Why a text is no cursor of this feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CursorError {
    /// It has not the form of one.
    Malformed,
    /// It is one of another store.
    Foreign,
}

impl TenantView {
    /// An event's id, as in `webhook-id`.
    pub fn event_id(&self, event: EventId) -> String {
        let prefix = self.store.shared.incarnation.prefix(self.tenant);
        if event.0 < 0 { format!("{prefix}n{}", -event.0) } else { format!("{prefix}{}", event.0) }
    }

    /// The event with that id; none if it is not one of this tenant's.
    pub fn parse_event_id(&self, text: &str) -> Option<EventId> {
        let number = text.strip_prefix(&self.store.shared.incarnation.prefix(self.tenant))?;
        match number.strip_prefix('n') {
            Some(notice) => positive(notice).map(|notice| EventId(-notice)),
            None => positive(number).map(EventId),
        }
    }

    /// A place in the feed, for a reader to go on from.
    pub fn cursor(&self, position: Position) -> String {
        format!("{}-{}", self.store.shared.incarnation.0, position.0)
    }

    /// The place that a reader hands back. A number alone, as earlier versions gave, is taken too; 0 is the beginning.
    pub fn parse_cursor(&self, text: &str) -> Result<Position, CursorError> {
        let (name, number) = match text.split_once('-') {
            Some(("", _)) => return Err(CursorError::Malformed),
            Some((name, number)) => (Some(name), number),
            None => (None, text),
        };
        let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        let number = number.parse().ok().filter(|_| is_number).ok_or(CursorError::Malformed)?;
        match name {
            Some(name) if name != &*self.store.shared.incarnation.0 => Err(CursorError::Foreign),
            _ => Ok(Position(number)),
        }
    }
}

fn positive(text: &str) -> Option<i64> {
    text.parse().ok().filter(|number| *number > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Store;

    fn view(folder: &std::path::Path, tenant: i64) -> TenantView {
        Store::open(folder).unwrap().of(TenantId(tenant))
    }

    #[test]
    fn ids_and_cursors_come_back_and_those_of_others_do_not() {
        let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (own, foreign) = (view(folder.path(), 1), view(other.path(), 1));
        for event in [EventId(7), EventId(-7)] {
            let id = own.event_id(event);
            assert!(id.starts_with("msg_"), "{id}");
            assert_eq!(own.parse_event_id(&id), Some(event));
            assert_eq!(foreign.parse_event_id(&id), None, "another store");
            assert_eq!(own.store.of(TenantId(2)).parse_event_id(&id), None, "another tenant");
            assert_eq!(view(folder.path(), 1).event_id(event), id, "opened again");
        }
        let cursor = own.cursor(Position(12));
        assert_eq!(own.parse_cursor(&cursor), Ok(Position(12)));
        assert_eq!(foreign.parse_cursor(&cursor), Err(CursorError::Foreign));
        assert_eq!(own.parse_cursor("0"), Ok(Position(0)));
        for wrong in ["", "x", "-1", "12-", "a-b", "+1", "99999999999999999999"] {
            assert_eq!(own.parse_cursor(wrong), Err(CursorError::Malformed), "{wrong:?}");
        }
    }
}
