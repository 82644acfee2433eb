//! How events and places in the feed are written for others. Both texts are opaque to readers: they begin with the name of
//! this store, so that an id or a cursor of another store is recognized.

use std::sync::{Arc, PoisonError};

use crate::{EventId, Position, TenantId, TenantView, error::Result};

/// The name that a store got when it was made.
#[derive(Debug, Clone)]
pub(crate) struct Incarnation {
    name: Arc<str>,
    /// Whether the store had another name before.
    is_renewed: bool,
}

impl Incarnation {
    pub(crate) fn new(name: &str, is_renewed: bool) -> Self {
        Self { name: name.into(), is_renewed }
    }

    fn prefix(&self, tenant: TenantId) -> String {
        format!("msg_{}-{}-", self.name, tenant.0)
    }
}

/// Why a text is no cursor of this feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CursorError {
    /// It has not the form of one.
    Malformed,
    /// It is one of another store, or of this one before it lost something.
    Foreign,
    /// It is after everything that there is.
    Ahead,
    /// Changes that follow it were removed, since their time was over.
    Expired,
}

impl TenantView {
    fn incarnation(&self) -> Incarnation {
        self.store.shared.incarnation.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// An event's id, as in `webhook-id`.
    pub fn event_id(&self, event: EventId) -> String {
        let prefix = self.incarnation().prefix(self.tenant);
        if event.0 < 0 { format!("{prefix}n{}", -event.0) } else { format!("{prefix}{}", event.0) }
    }

    /// The event with that id; none if it is not one of this tenant's.
    pub fn parse_event_id(&self, text: &str) -> Option<EventId> {
        let number = text.strip_prefix(&self.incarnation().prefix(self.tenant))?;
        match number.strip_prefix('n') {
            Some(notice) => positive(notice).map(|notice| EventId(-notice)),
            None => positive(number).map(EventId),
        }
    }

    /// A place in the feed, for a reader to go on from.
    pub fn cursor(&self, position: Position) -> String {
        format!("{}-{}", self.incarnation().name, position.0)
    }

    /// The place that a reader hands back. A number alone, as earlier versions gave, is taken too; 0 is the beginning.
    pub fn parse_cursor(&self, text: &str) -> std::result::Result<Position, CursorError> {
        let (name, number) = match text.split_once('-') {
            Some(("", _)) => return Err(CursorError::Malformed),
            Some((name, number)) => (Some(name), number),
            None => (None, text),
        };
        let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        let number = number.parse().ok().filter(|_| is_number).ok_or(CursorError::Malformed)?;
        let incarnation = self.incarnation();
        match name {
            Some(name) if name != &*incarnation.name => Err(CursorError::Foreign),
            None if incarnation.is_renewed && number > 0 => Err(CursorError::Foreign),
            _ => Ok(Position(number)),
        }
    }

    /// The same, if the feed has come as far and everything that follows is still there; from the beginning on, what there is.
    pub fn resume_at(&self, text: &str) -> Result<std::result::Result<Position, CursorError>> {
        let position = match self.parse_cursor(text) {
            Ok(position) => position,
            Err(error) => return Ok(Err(error)),
        };
        let (last, until) = self.read(|connection, tenant| {
            let places =
                "SELECT cursor, (SELECT coalesce(max(until), 0) FROM removed_changes WHERE tenant = ?1)
                 FROM checkpoint";
            let places = connection
                .prepare_cached(places)?
                .query_row([tenant], |row| Ok((Position(row.get(0)?), Position(row.get(1)?))))?;
            Ok(places)
        })?;
        Ok(match position {
            Position(0) => Ok(position),
            _ if position > last => Err(CursorError::Ahead),
            _ if position < until => Err(CursorError::Expired),
            _ => Ok(position),
        })
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
        assert_eq!(own.resume_at(&cursor).unwrap(), Err(CursorError::Ahead), "nothing was made yet");
        assert_eq!(own.parse_cursor(&cursor), Ok(Position(12)));
        assert_eq!(foreign.parse_cursor(&cursor), Err(CursorError::Foreign));
        assert_eq!(own.parse_cursor("0"), Ok(Position(0)));
        for wrong in ["", "x", "-1", "12-", "a-b", "+1", "99999999999999999999"] {
            assert_eq!(own.parse_cursor(wrong), Err(CursorError::Malformed), "{wrong:?}");
        }
    }
}
