//! Reads the events of the feed that an endpoint has not received yet.

use rusqlite::params;

use super::outgoing::Outgoing;
use crate::{
    Position, Store,
    changes::{self, ChangeKind, StoredChange},
    endpoints::Endpoint,
    error::Result,
};

/// A page of the feed.
#[derive(Debug)]
pub struct FeedPage {
    /// The events to be sent, in order.
    pub events: Vec<Outgoing>,
    /// The position up to which these are all events.
    pub read_to: Position,
}

impl Store {
    /// The next events of the feed for an endpoint after a position: of the kinds that it subscribes to, and those that
    /// go to every endpoint.
    pub fn feed(&self, endpoint: &Endpoint, after: Position, limit: usize) -> Result<FeedPage> {
        self.read(|connection| {
            // Changes added after this are left for the next page.
            let head: i64 = connection
                .prepare_cached("SELECT cursor FROM checkpoint")?
                .query_row([], |row| row.get(0))?;
            // Only the names of kinds get into the SQL, not the texts of the settings.
            let subscribed = endpoint.settings.events.iter().filter_map(|kind| ChangeKind::from_word(kind));
            let kinds: Vec<String> = subscribed
                .chain(ChangeKind::LISTING_MANY_CALLS)
                .map(|kind| format!("'{}'", kind.as_str()))
                .collect();
            let mut statement = connection.prepare_cached(&format!(
                "SELECT {} FROM changes WHERE tenant = ?2 AND cursor > ?3 AND cursor <= ?4 AND kind IN ({})
                     AND NOT EXISTS (SELECT 1 FROM deliveries WHERE endpoint = ?1 AND event = cursor)
                 ORDER BY cursor",
                changes::COLUMNS,
                kinds.join(", ")
            ))?;
            let (number, tenant) = (endpoint.number.0, endpoint.tenant.0);
            let mut rows = statement.query(params![number, tenant, after.0, head])?;
            let mut events = Vec::new();
            while events.len() < limit
                && let Some(row) = rows.next()?
            {
                // An unreadable change is not sent, so that nothing after it waits.
                let Some(change) = StoredChange::read_or_skip(connection, tenant, row)? else {
                    continue;
                };
                let place = format!("change {}", change.cursor.0);
                let event = Outgoing::of_change(change.with_before(connection, tenant)?);
                events.extend(connection.skip_damaged(event, tenant, || place)?);
            }
            let read_to = match events.last() {
                Some(last) if events.len() == limit => last.id.0,
                _ => head.max(after.0),
            };
            Ok(FeedPage { events, read_to: Position(read_to) })
        })
    }
}
