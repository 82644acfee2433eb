//! Event ids and cursors as texts. Clients treat them as opaque; they begin with the store's name, so that those of
//! another store are recognized.

use std::sync::{Arc, PoisonError};

use crate::{EventId, Position, TenantId, TenantView, error::Result};

/// The name of a store's incarnation.
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

/// Why a text is not a valid cursor of this feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CursorError {
    /// It does not have the form of a cursor.
    Malformed,
    /// It is from another store, or from this one before it lost data.
    Foreign,
    /// It is after the end of the feed.
    Ahead,
    /// Changes after it were removed by retention.
    Expired,
}

impl TenantView {
    fn incarnation(&self) -> Incarnation {
        self.store.shared.incarnation.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// An event's id, as in the header `webhook-id`.
    pub fn event_id(&self, event: EventId) -> String {
        let prefix = self.incarnation().prefix(self.tenant);
        if event.0 < 0 { format!("{prefix}n{}", -event.0) } else { format!("{prefix}{}", event.0) }
    }

    /// Parses an event's id. `None` if it is not one of this tenant's.
    pub fn parse_event_id(&self, text: &str) -> Option<EventId> {
        let number = text.strip_prefix(&self.incarnation().prefix(self.tenant))?;
        match number.strip_prefix('n') {
            Some(notice) => positive(notice).map(|notice| EventId(-notice)),
            None => positive(number).map(EventId),
        }
    }

    /// The cursor of a position in the feed.
    pub fn cursor(&self, position: Position) -> String {
        format!("{}-{}", self.incarnation().name, position.0)
    }

    /// Parses a cursor. A plain number, as earlier versions gave, is accepted, too; 0 is the beginning.
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

    /// The same, and checks that the feed has reached the position and that everything after it is still there. 0 is
    /// always valid.
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
    fn ids_and_cursors_round_trip_and_foreign_ones_are_refused() {
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
        assert_eq!(own.resume_at(&cursor).unwrap(), Err(CursorError::Ahead), "the feed is empty");
        assert_eq!(own.parse_cursor(&cursor), Ok(Position(12)));
        assert_eq!(foreign.parse_cursor(&cursor), Err(CursorError::Foreign));
        assert_eq!(own.parse_cursor("0"), Ok(Position(0)));
        for wrong in ["", "x", "-1", "12-", "a-b", "+1", "99999999999999999999"] {
            assert_eq!(own.parse_cursor(wrong), Err(CursorError::Malformed), "{wrong:?}");
        }
    }
}
