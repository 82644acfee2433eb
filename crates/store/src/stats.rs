//! How many calls there were, how they came out, and how long they took. From columns: no record is read.

use std::{collections::BTreeMap, ops::Range};

use rusqlite::{Connection, Row, params};

use crate::{TenantView, error::Result, terms::TermKind, visits::OPEN};

/// What calls are counted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CountedFor {
    /// Each extension that took part. Its figures are its own part in the call: its ringing, talk and hold.
    Extension,
    /// Each queue that was visited. Its figures are those of the visits: how they came out, how long callers waited.
    Queue,
}

/// The figures of some calls. Only calls that are over count, but for queues, which count visits.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stats {
    /// How many.
    pub calls: u64,
    /// In which people talked.
    pub answered: u64,
    /// In which somebody was rung in vain.
    pub missed: u64,
    /// Whose caller left before anybody was rung, or while waiting in the queue.
    pub abandoned: u64,
    /// That a machine took a message of.
    pub voicemail: u64,
    /// For a queue: how many visits there were. They are `answered`, `left`, `overflowed`, `abandoned`, `unknown` or `open`.
    pub offered: u64,
    /// Visits that the caller left by a key.
    pub left: u64,
    /// Visits after which the queue sent the call elsewhere.
    pub overflowed: u64,
    /// Visits of which it is not known how they came out.
    pub unknown: u64,
    /// Visits of live calls that have not come out yet.
    pub open: u64,
    /// All their talk.
    pub talk_ms: i64,
    /// All their hold.
    pub hold_ms: i64,
    /// All transfers in them, blind or attended.
    pub transfers: u64,
    waits_ms: Vec<i64>,
}

impl Stats {
    /// From `outcome, wait_ms, talk_ms, hold_ms, transfers`, from a column on.
    fn add(&mut self, row: &Row<'_>, first: usize) -> Result<()> {
        self.calls += 1;
        match row.get_ref(first)?.as_str().unwrap_or_default() {
            "Answered" => self.answered += 1,
            "Missed" => self.missed += 1,
            "Abandoned" => self.abandoned += 1,
            "Voicemail" => self.voicemail += 1,
            _ => {}
        }
        self.waits_ms.push(row.get(first + 1)?);
        self.talk_ms += row.get::<_, i64>(first + 2)?;
        self.hold_ms += row.get::<_, i64>(first + 3)?;
        self.transfers += row.get::<_, i64>(first + 4)? as u64;
        Ok(())
    }

    /// Adds a visit to a queue: `outcome, wait_ms`, from a column on.
    fn add_visit(&mut self, row: &Row<'_>, first: usize) -> Result<()> {
        self.offered += 1;
        match row.get_ref(first)?.as_str().unwrap_or_default() {
            "Answered" => self.answered += 1,
            "Left" => self.left += 1,
            "Overflowed" => self.overflowed += 1,
            "Abandoned" => self.abandoned += 1,
            // Its wait is not over.
            OPEN => {
                self.open += 1;
                return Ok(());
            }
            _ => self.unknown += 1,
        }
        self.waits_ms.push(row.get(first + 1)?);
        Ok(())
    }

    fn finish(mut self) -> Self {
        self.waits_ms.sort_unstable();
        self
    }

    /// How long at most so many in a hundred waited: the nearest rank, a wait that there was. None without calls.
    pub fn wait_ms(&self, percent: usize) -> Option<i64> {
        let rank = (self.waits_ms.len() * percent).div_ceil(100).max(1);
        self.waits_ms.get(rank - 1).copied()
    }
}

impl TenantView {
    /// The calls that began within a time, by stretches of it. `stretch` says which stretch a time is in: from and up to
    /// when; one that it is asked for again goes on. Stretches without calls are left out.
    pub fn stats_by_time(
        &self,
        time: Range<i64>,
        stretch: impl Fn(i64) -> Range<i64>,
    ) -> Result<Vec<(i64, Stats)>> {
        self.read(|connection, tenant| {
            let mut statement = connection.prepare_cached(
                "SELECT start_ms, result, wait_ms, talk_ms, hold_ms, transfers FROM calls
                 WHERE tenant = ?1 AND start_ms >= ?2 AND start_ms < ?3 AND state != 'live' ORDER BY start_ms, call",
            )?;
            let mut rows = statement.query(params![tenant, time.start, time.end])?;
            let mut buckets: Vec<(Range<i64>, Stats)> = Vec::new();
            while let Some(row) = rows.next()? {
                let start_ms = row.get(0)?;
                if buckets.last().is_none_or(|(stretch, _)| !stretch.contains(&start_ms)) {
                    buckets.push((stretch(start_ms), Stats::default()));
                }
                if let Some((_, stats)) = buckets.last_mut() {
                    stats.add(row, 1)?;
                }
            }
            Ok(buckets.into_iter().map(|(stretch, stats)| (stretch.start, stats.finish())).collect())
        })
    }

    /// The calls that began within a time, by extension or queue, which are named by their ids.
    pub fn stats_by_part(&self, time: Range<i64>, by: CountedFor) -> Result<BTreeMap<String, Stats>> {
        self.read(|connection, tenant| match by {
            CountedFor::Extension => extensions(connection, tenant, &time),
            CountedFor::Queue => queues(connection, tenant, &time),
        })
    }
}

fn extensions(connection: &Connection, tenant: i64, time: &Range<i64>) -> Result<BTreeMap<String, Stats>> {
    let mut statement = connection.prepare_cached(
        "SELECT value, outcome, part.wait_ms, part.talk_ms, part.hold_ms, transfers
         FROM terms JOIN call_terms AS part USING (term) JOIN calls USING (call)
         WHERE terms.tenant = ?1 AND kind = ?2 AND part.start_ms >= ?3 AND part.start_ms < ?4
             AND outcome NOT NULL AND state != 'live'",
    )?;
    let kind = TermKind::Extension.as_str();
    let mut rows = statement.query(params![tenant, kind, time.start, time.end])?;
    let mut stats: BTreeMap<String, Stats> = BTreeMap::new();
    while let Some(row) = rows.next()? {
        stats.entry(row.get(0)?).or_default().add(row, 1)?;
    }
    Ok(stats.into_iter().map(|(value, stats)| (value, stats.finish())).collect())
}

/// Visits by their queues; `calls` are those that they are of.
fn queues(connection: &Connection, tenant: i64, time: &Range<i64>) -> Result<BTreeMap<String, Stats>> {
    let mut statement = connection.prepare_cached(
        "SELECT value, outcome, visit.wait_ms, call
         FROM terms JOIN queue_visits AS visit USING (term)
         WHERE terms.tenant = ?1 AND kind = ?2 AND visit.start_ms >= ?3 AND visit.start_ms < ?4
         ORDER BY value, call, number",
    )?;
    let kind = TermKind::Queue.as_str();
    let mut rows = statement.query(params![tenant, kind, time.start, time.end])?;
    let mut stats: BTreeMap<String, Stats> = BTreeMap::new();
    let mut last: Option<(String, i64)> = None;
    while let Some(row) = rows.next()? {
        let of: (String, i64) = (row.get(0)?, row.get(3)?);
        let queue = stats.entry(of.0.clone()).or_default();
        queue.add_visit(row, 1)?;
        queue.calls += u64::from(last.as_ref() != Some(&of));
        last = Some(of);
    }
    Ok(stats.into_iter().map(|(value, stats)| (value, stats.finish())).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_of_waits() {
        let of = |waits: &[i64]| Stats { waits_ms: waits.to_vec(), ..Stats::default() };
        assert_eq!(of(&[]).wait_ms(50), None);
        assert_eq!((of(&[7]).wait_ms(50), of(&[7]).wait_ms(90)), (Some(7), Some(7)));
        let ten: Vec<i64> = (1..=10).collect();
        assert_eq!((of(&ten).wait_ms(50), of(&ten).wait_ms(90)), (Some(5), Some(9)));
        assert_eq!(of(&[1, 2, 3]).wait_ms(50), Some(2));
    }
}
