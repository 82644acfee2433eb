//! The table of queue visits, from which the figures of queues are computed.

use std::collections::BTreeMap;

use rusqlite::{Connection, Transaction, params};
use wholecall_record::{
    Call,
    call::{QueueOutcome, QueueVisit, State},
};

use crate::error::Result;

/// The outcome of a visit that has not ended.
pub(crate) const OPEN: &str = "open";

/// A visit as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Visit {
    pub(crate) outcome: &'static str,
    pub(crate) wait_ms: i64,
}

/// The extension id of a visit's queue, by which the visit is found.
pub(crate) fn queue_of(visit: &QueueVisit) -> String {
    visit.participant.extension_id().unwrap_or(&visit.participant).to_owned()
}

/// The visits of a call with their queues, in order.
pub(crate) fn visits_of(call: &Call) -> impl Iterator<Item = (String, Visit)> + '_ {
    call.queues.iter().map(|visit| {
        let outcome = match visit.outcome {
            Some(outcome) => QueueOutcome::as_str(outcome),
            None if call.state == State::Live => OPEN,
            None => "",
        };
        (queue_of(visit), Visit { outcome, wait_ms: visit.wait_ms })
    })
}

/// Stores the visits of a call in place of its earlier ones. `term_of` has the terms of its queues.
pub(crate) fn replace(
    transaction: &Transaction<'_>,
    call: i64,
    start_ms: i64,
    record: &Call,
    term_of: &BTreeMap<String, i64>,
    may_have_visits: bool,
) -> Result<()> {
    let mut count = 0;
    for (queue, visit) in visits_of(record) {
        let Some(term) = term_of.get(&queue) else { continue };
        transaction
            .prepare_cached("INSERT OR REPLACE INTO queue_visits VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?
            .execute(params![call, count, term, start_ms, visit.outcome, visit.wait_ms])?;
        count += 1;
    }
    if may_have_visits {
        transaction
            .prepare_cached("DELETE FROM queue_visits WHERE call = ?1 AND number >= ?2")?
            .execute(params![call, count])?;
    }
    Ok(())
}

/// Removes the visits of a call.
pub(crate) fn remove(connection: &Connection, call: i64) -> Result<()> {
    connection.prepare_cached("DELETE FROM queue_visits WHERE call = ?1")?.execute([call])?;
    Ok(())
}

/// Whether the stored visits of a call are those of its record.
pub(crate) fn match_record(connection: &Connection, call: i64, record: &Call) -> Result<bool> {
    let mut statement = connection.prepare_cached(
        "SELECT value, outcome, queue_visits.wait_ms FROM queue_visits JOIN terms USING (term)
         WHERE call = ?1 ORDER BY number",
    )?;
    let stored = statement
        .query_map([call], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
        .collect::<rusqlite::Result<Vec<(String, String, i64)>>>()?;
    let wanted = visits_of(record).map(|(queue, visit)| (queue, visit.outcome.to_owned(), visit.wait_ms));
    Ok(wanted.eq(stored))
}
