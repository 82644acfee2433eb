//! Statistics of calls: numbers, outcomes and durations. Computed from columns, without reading records.

use std::{collections::BTreeMap, ops::Range};

use rusqlite::{Connection, Row, params};

use crate::{TenantView, error::Result, queue_visits::OPEN, search_index::TermKind};

/// The key by which calls are grouped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatsGroup {
    /// Each extension that took part, with its own ringing, talk and hold.
    Extension,
    /// Each queue that was visited, with the outcomes and waits of the visits.
    Queue,
}

/// Figures of a group of calls. Only completed calls count; for queues, each visit counts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stats {
    /// Number of calls.
    pub calls: u64,
    /// Number of calls in which people talked.
    pub answered: u64,
    /// Number of calls that rang and were not answered.
    pub missed: u64,
    /// Number of calls whose caller hung up before anything rang, or while waiting in the queue.
    pub abandoned: u64,
    /// Number of calls that went to voicemail.
    pub voicemail: u64,
    /// For a queue: number of visits. Each is one of `answered`, `left`, `overflowed`, `abandoned`, `unknown` or
    /// `open`.
    pub offered: u64,
    /// Number of visits that the caller left by pressing a key.
    pub left: u64,
    /// Number of visits after which the queue sent the call elsewhere.
    pub overflowed: u64,
    /// Number of visits with an unknown outcome.
    pub unknown: u64,
    /// Number of visits of live calls that have not ended.
    pub open: u64,
    /// Total talk time.
    pub talk_ms: i64,
    /// Total hold time.
    pub hold_ms: i64,
    /// Total number of transfers, blind or attended.
    pub transfers: u64,
    waits_ms: Vec<i64>,
}

impl Stats {
    /// Adds a call from the columns `outcome, wait_ms, talk_ms, hold_ms, transfers`, starting at `first`.
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

    /// Adds a queue visit from the columns `outcome, wait_ms`, starting at `first`.
    fn add_visit(&mut self, row: &Row<'_>, first: usize) -> Result<()> {
        self.offered += 1;
        match row.get_ref(first)?.as_str().unwrap_or_default() {
            "Answered" => self.answered += 1,
            "Left" => self.left += 1,
            "Overflowed" => self.overflowed += 1,
            "Abandoned" => self.abandoned += 1,
            // Its wait has not ended.
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

    /// The percentile of the waits, by nearest rank. `None` without calls.
    pub fn wait_ms(&self, percent: usize) -> Option<i64> {
        let rank = (self.waits_ms.len() * percent).div_ceil(100).max(1);
        self.waits_ms.get(rank - 1).copied()
    }
}

impl TenantView {
    /// The calls that started within a range, grouped by interval. `interval_of` returns the interval that contains a
    /// time. Intervals without calls are left out.
    pub fn stats_by_time(
        &self,
        time: Range<i64>,
        interval_of: impl Fn(i64) -> Range<i64>,
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
                if buckets.last().is_none_or(|(interval, _)| !interval.contains(&start_ms)) {
                    buckets.push((interval_of(start_ms), Stats::default()));
                }
                if let Some((_, stats)) = buckets.last_mut() {
                    stats.add(row, 1)?;
                }
            }
            Ok(buckets.into_iter().map(|(interval, stats)| (interval.start, stats.finish())).collect())
        })
    }

    /// The calls that started within a range, grouped by the id of the extension or queue.
    pub fn stats_by_group(&self, time: Range<i64>, by: StatsGroup) -> Result<BTreeMap<String, Stats>> {
        self.read(|connection, tenant| match by {
            StatsGroup::Extension => extensions(connection, tenant, &time),
            StatsGroup::Queue => queues(connection, tenant, &time),
        })
    }
}

fn extensions(connection: &Connection, tenant: i64, time: &Range<i64>) -> Result<BTreeMap<String, Stats>> {
    let mut statement = connection.prepare_cached(
        "SELECT value, outcome, figures.ring_ms, figures.talk_ms, figures.hold_ms, transfers
         FROM terms JOIN call_terms AS figures USING (term) JOIN calls USING (call)
         WHERE terms.tenant = ?1 AND kind = ?2 AND figures.start_ms >= ?3 AND figures.start_ms < ?4
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

/// Visits grouped by queue; `calls` counts the calls that they are of.
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
    fn percentiles_of_waits_use_the_nearest_rank() {
        let of = |waits: &[i64]| Stats { waits_ms: waits.to_vec(), ..Stats::default() };
        assert_eq!(of(&[]).wait_ms(50), None);
        assert_eq!((of(&[7]).wait_ms(50), of(&[7]).wait_ms(90)), (Some(7), Some(7)));
        let ten: Vec<i64> = (1..=10).collect();
        assert_eq!((of(&ten).wait_ms(50), of(&ten).wait_ms(90)), (Some(5), Some(9)));
        assert_eq!(of(&[1, 2, 3]).wait_ms(50), Some(2));
    }
}
