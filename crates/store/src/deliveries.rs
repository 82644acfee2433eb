//! Deliveries: what was sent to which endpoint, and what waits to be sent again.
//!
//! The feed of changes is the outbox. An endpoint's cursor stands where everything before is in `deliveries`, or is
//! not for this endpoint; so what a first attempt delivers is written once, after it, and what an endpoint is behind
//! costs nothing. What comes after the cursor and is in `deliveries` was sent before a crash.

use rusqlite::{OptionalExtension, Row, Transaction, params};
use tokio::sync::oneshot;

use crate::{
    Position, Store, TenantId,
    changes::{self, ChangeKind, Published, StoredChange},
    damage::Reading,
    endpoints::{Endpoint, EndpointId},
    error::{Result, StoreError},
};

/// Types of events that are no changes of calls.
pub mod kind {
    /// An endpoint of the tenant gets nothing more.
    pub const ENDPOINT_DISABLED: &str = "endpoint.disabled";
    /// Sent when somebody asked for it.
    pub const ENDPOINT_TEST: &str = "endpoint.test";
}

/// So many attempts are kept of a delivery, the latest: an endpoint that is down is probed for days.
const ATTEMPTS_KEPT: i64 = 100;

/// What is told: a change by its place in the feed, or a notice by its number below zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId(pub(crate) i64);

impl EventId {
    /// The event of a change.
    pub fn of_change(cursor: Position) -> Self {
        Self(cursor.0)
    }

    /// By this, events of one kind are in the order in which they were made.
    pub fn age_order(self) -> i64 {
        self.0.abs()
    }

    /// The change's place in the feed; none for a notice.
    pub fn cursor(self) -> Option<Position> {
        (self.0 > 0).then_some(Position(self.0))
    }
}

/// Something to be sent to an endpoint.
#[derive(Debug, Clone)]
pub struct Outgoing {
    /// What it is known by.
    pub id: EventId,
    /// Its type: `call.completed` and so on.
    pub kind: String,
    /// The record's version; 0 where there is none.
    pub version: u64,
    /// When it was made, milliseconds since 1970.
    pub made_ms: i64,
    /// Whose turn it must be: the call's id; empty for a notice.
    pub call_id: String,
    /// Of a merging, also that of the id that stays.
    pub into_id: Option<String>,
    /// The calls it lists, where it lists many.
    pub listed: Vec<String>,
    /// The record, or what else is told, as JSON.
    pub data: String,
    /// For a revision, the version that was published before it.
    pub before: Option<Box<Published>>,
    /// So many attempts of the schedule were made.
    pub step: u32,
    /// When the store has it due, which then has it among the deliveries already; none: it comes from the feed.
    pub due_ms: Option<i64>,
}

impl Outgoing {
    fn of_change(change: StoredChange) -> Result<Self> {
        let ids = Ids::read(change.kind.as_str(), &change.record)?;
        Ok(Self {
            id: EventId(change.cursor.0),
            kind: change.kind.as_str().to_owned(),
            version: change.version,
            made_ms: change.made_ms,
            call_id: ids.id,
            into_id: ids.into,
            listed: ids.listed,
            data: change.record,
            before: change.before,
            step: 0,
            due_ms: None,
        })
    }

    /// Whether the store has it among the deliveries already.
    pub fn is_held(&self) -> bool {
        self.due_ms.is_some()
    }

    /// Of which calls it is.
    pub fn calls(&self) -> impl Iterator<Item = &str> {
        self.own_calls().chain(self.listed.iter().map(String::as_str))
    }

    /// The calls that the store has it under.
    fn own_calls(&self) -> impl Iterator<Item = &str> {
        let call = Some(self.call_id.as_str()).filter(|id| !id.is_empty());
        call.into_iter().chain(self.into_id.as_deref())
    }

    /// Whether it goes to every endpoint, whatever that asks for.
    pub fn is_for_everybody(&self) -> bool {
        ChangeKind::from_word(&self.kind).is_some_and(ChangeKind::is_of_many)
    }

    /// Whether it is only of use until the next version.
    pub fn is_live_version(&self) -> bool {
        self.kind == ChangeKind::Updated.as_str()
    }
}

/// The calls that a change is of.
#[derive(Default, serde::Deserialize)]
struct Ids {
    #[serde(default)]
    id: String,
    into: Option<String>,
    #[serde(skip)]
    listed: Vec<String>,
}

impl Ids {
    fn read(kind: &str, data: &str) -> Result<Self> {
        #[derive(serde::Deserialize)]
        struct Many {
            calls: Vec<Ids>,
        }
        let unread =
            |error: serde_json::Error| StoreError::Damaged(format!("a record cannot be read: {error}"));
        if ChangeKind::from_word(kind).is_some_and(ChangeKind::is_of_many) {
            let Many { calls } = serde_json::from_str(data).map_err(unread)?;
            return Ok(Self { listed: calls.into_iter().map(|call| call.id).collect(), ..Self::default() });
        }
        serde_json::from_str(data).map_err(unread)
    }
}

/// A part of the feed.
#[derive(Debug)]
pub struct Fed {
    /// What is to be sent, in order.
    pub events: Vec<Outgoing>,
    /// Up to where that is all there is.
    pub read_to: Position,
}

/// One request that was made.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// When it began, milliseconds since 1970.
    pub started_ms: i64,
    /// How long it took.
    pub duration_ms: i64,
    /// How it was answered; none: it was not.
    pub status: Option<u16>,
    /// Why it failed.
    pub problem: Option<String>,
    /// The beginning of the answer.
    pub answer: Option<String>,
}

/// What an attempt comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is delivered.
    Delivered,
    /// It is to be tried again at a time, milliseconds since 1970, as that step of the schedule.
    Again {
        /// When.
        next_ms: i64,
        /// So many attempts of the schedule were made.
        step: u32,
    },
    /// It is given up, and what comes after it is sent.
    Exhausted,
    /// It goes on waiting as it did: it was only to see whether anybody is there.
    Unchanged,
}

/// An event that was tried, and what came of it.
#[derive(Debug)]
pub struct Tried {
    /// The event.
    pub event: Outgoing,
    /// What is to become of it.
    pub verdict: Verdict,
}

/// When what was tried is durable; an error if it could not be written.
pub type Recorded = oneshot::Receiver<Result<()>>;

/// What became of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryState {
    /// It waits for its time or for the one before.
    Pending,
    /// It was taken.
    Delivered,
    /// It was tried as often as it may be.
    Exhausted,
    /// A later version of the live call was sent instead.
    Superseded,
}

impl DeliveryState {
    /// All there are.
    pub const ALL: [Self; 4] = [Self::Pending, Self::Delivered, Self::Exhausted, Self::Superseded];

    /// As a word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Exhausted => "exhausted",
            Self::Superseded => "superseded",
        }
    }

    /// From a word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }
}

/// A delivery as it stands.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// The endpoint's name in the API.
    pub endpoint: String,
    /// What was told.
    pub id: EventId,
    /// Its type.
    pub kind: String,
    /// The record's version; 0 where there is none.
    pub version: u64,
    /// The call's id; empty for a notice.
    pub call_id: String,
    /// When the event was made, milliseconds since 1970.
    pub made_ms: i64,
    /// What became of it.
    pub state: DeliveryState,
    /// When it is tried next.
    pub next_ms: Option<i64>,
    /// The requests that were made, oldest first.
    pub attempts: Vec<Attempt>,
}

/// What is before an event of the same call and must go first. Wants the endpoint as ?1 and the row as `deliveries`.
const BLOCKED: &str = "EXISTS (
    SELECT 1 FROM deliveries AS before WHERE before.endpoint = ?1 AND before.call_id != ''
        AND before.event < deliveries.event AND before.state = 'pending'
        AND before.call_id IN (deliveries.call_id, deliveries.into_id))
    OR EXISTS (
    SELECT 1 FROM deliveries AS before WHERE before.endpoint = ?1 AND before.into_id IS NOT NULL
        AND before.event < deliveries.event AND before.state = 'pending'
        AND before.into_id IN (deliveries.call_id, deliveries.into_id))";

impl Store {
    /// The next events of the feed for an endpoint, after a place, of the kinds it wants and those that go to everybody.
    pub fn feed(&self, endpoint: &Endpoint, after: Position, limit: usize) -> Result<Fed> {
        self.read(|connection| {
            // One moment: what is added meanwhile is for the next time.
            let head: i64 = connection
                .prepare_cached("SELECT cursor FROM checkpoint")?
                .query_row([], |row| row.get(0))?;
            let wanted = endpoint.settings.events.iter().map(String::as_str);
            let kinds: Vec<String> = wanted
                .chain(ChangeKind::OF_MANY.map(ChangeKind::as_str))
                .map(|kind| format!("'{kind}'"))
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
                // What cannot be read is told to nobody: nothing that follows waits for it.
                let Some(change) = StoredChange::read_or_pass_over(connection, tenant, row)? else {
                    continue;
                };
                let place = format!("change {}", change.cursor.0);
                let event = Outgoing::of_change(change.with_before(connection, tenant)?);
                events.extend(connection.pass_over(event, tenant, || place)?);
            }
            let read_to = match events.last() {
                Some(last) if events.len() == limit => last.id.0,
                _ => head.max(after.0),
            };
            Ok(Fed { events, read_to: Position(read_to) })
        })
    }

    /// Deliveries whose time has come and before which nothing of the same call waits, first those that are due longest.
    pub fn due(&self, endpoint: &Endpoint, now_ms: i64, limit: usize) -> Result<Vec<Outgoing>> {
        self.waiting(endpoint, |connection| {
            let which = format!("next_ms <= ?2 AND NOT ({BLOCKED}) ORDER BY next_ms, event LIMIT ?3");
            pending(connection, endpoint.number, &which, now_ms, limit)
        })
    }

    /// Reads deliveries that wait. Those whose event cannot be read are given up, so that nothing waits for them.
    fn waiting(
        &self,
        endpoint: &Endpoint,
        read: impl Fn(&Reading<'_>) -> Result<Pending>,
    ) -> Result<Vec<Outgoing>> {
        loop {
            let Pending { found, unreadable } = self.read(&read)?;
            if unreadable.is_empty() {
                return Ok(found);
            }
            let number = endpoint.number;
            self.writer().run(move |transaction, _| give_up(transaction, number, &unreadable))?;
        }
    }

    /// The oldest delivery that waits after another, or the oldest of all, whenever it is due; with those that were tried
    /// together with it: up to so many.
    pub fn next_pending(
        &self,
        endpoint: &Endpoint,
        after: Option<EventId>,
        limit: usize,
    ) -> Result<Vec<Outgoing>> {
        self.waiting(endpoint, |connection| {
            let which = format!("abs(event) > ?2 AND NOT ({BLOCKED}) ORDER BY abs(event) LIMIT ?3");
            let first_after = |after: i64| pending(connection, endpoint.number, &which, after, 1);
            let mut first = first_after(after.map_or(0, EventId::age_order))?;
            if first.found.is_empty() && first.unreadable.is_empty() && after.is_some() {
                first = first_after(0)?;
            }
            let due_ms = first.found.first().and_then(|first| first.due_ms);
            let Some(due_ms) = due_ms.filter(|_| limit > 1) else {
                return Ok(first);
            };
            let which = format!("next_ms = ?2 AND NOT ({BLOCKED}) ORDER BY event LIMIT ?3");
            pending(connection, endpoint.number, &which, due_ms, limit)
        })
    }

    /// When the next delivery that waits for its time is due, after a time.
    pub fn next_due(&self, endpoint: EndpointId, after_ms: i64) -> Result<Option<i64>> {
        self.read(|connection| {
            Ok(connection
                .prepare_cached(
                    "SELECT min(next_ms) FROM deliveries WHERE endpoint = ?1 AND state = 'pending' AND next_ms > ?2",
                )?
                .query_row(params![endpoint.0, after_ms], |row| row.get(0))?)
        })
    }

    /// What of an endpoint was not due yet is due so much later, since the clock was set by that.
    pub fn shift_due(&self, endpoint: EndpointId, after_ms: i64, by_ms: i64) -> Result<()> {
        if self.next_due(endpoint, after_ms)?.is_none() {
            return Ok(());
        }
        self.writer().run(move |transaction, _| {
            transaction.execute(
                "UPDATE deliveries SET next_ms = next_ms + ?3
                 WHERE endpoint = ?1 AND state = 'pending' AND next_ms > ?2",
                params![endpoint.0, after_ms, by_ms],
            )?;
            Ok(())
        })
    }

    /// Nothing of an endpoint that waits is due later than at a time: the clock was ahead when that was decided.
    pub fn pull_in(&self, endpoint: EndpointId, latest_ms: i64) -> Result<()> {
        if self.next_due(endpoint, latest_ms)?.is_none() {
            return Ok(());
        }
        self.writer().run(move |transaction, _| {
            transaction.execute(
                "UPDATE deliveries SET next_ms = ?2 WHERE endpoint = ?1 AND state = 'pending' AND next_ms > ?2",
                params![endpoint.0, latest_ms],
            )?;
            Ok(())
        })
    }

    /// Which of some calls have something that waits.
    pub fn blocked(&self, endpoint: EndpointId, events: &[Outgoing]) -> Result<Vec<bool>> {
        self.read(|connection| {
            let mut any = connection
                .prepare_cached("SELECT 1 FROM deliveries WHERE endpoint = ?1 AND state = 'pending' LIMIT 1")?;
            if !any.exists([endpoint.0])? {
                return Ok(vec![false; events.len()]);
            }
            let mut waits = connection.prepare_cached(
                "SELECT 1 FROM deliveries WHERE endpoint = ?1 AND call_id = ?2 AND state = 'pending'
                 UNION ALL SELECT 1 FROM deliveries WHERE endpoint = ?1 AND into_id = ?2 AND state = 'pending'",
            )?;
            let mut blocked = Vec::with_capacity(events.len());
            for event in events {
                let mut is_blocked = false;
                for call in event.own_calls() {
                    is_blocked |= waits.exists(params![endpoint.0, call])?;
                }
                blocked.push(is_blocked);
            }
            Ok(blocked)
        })
    }

    /// Whether a version of an event's call was delivered before it.
    pub fn was_delivered_before(&self, endpoint: EndpointId, event: &Outgoing) -> Result<bool> {
        self.read(|connection| {
            Ok(connection
                .prepare_cached(
                    "SELECT 1 FROM deliveries WHERE endpoint = ?1 AND call_id = ?2 AND event < ?3
                         AND state = 'delivered' AND version > 0 LIMIT 1",
                )?
                .exists(params![endpoint.0, event.call_id, event.id.0])?)
        })
    }

    /// Keeps what came of a request. The receiver hears when it is durable. What was sent was read when the store had
    /// rewritten things so often ([`Store::watch_rewrites`]): an answer that may repeat what is no longer kept is not
    /// kept either.
    pub fn record(
        &self,
        endpoint: EndpointId,
        mut attempt: Attempt,
        tried: Vec<Tried>,
        rewrites: u64,
    ) -> Result<Recorded> {
        self.writer().submit(move |transaction, memory| {
            if !is_known(transaction, endpoint)? {
                return Ok(());
            }
            attempt.answer = attempt.answer.take().filter(|_| memory.rewrites == rewrites);
            for Tried { event, verdict } in &tried {
                let outcome = match *verdict {
                    Verdict::Delivered => Some((DeliveryState::Delivered, event.step + 1, None)),
                    Verdict::Again { next_ms, step } => Some((DeliveryState::Pending, step, Some(next_ms))),
                    Verdict::Exhausted => Some((DeliveryState::Exhausted, event.step + 1, None)),
                    Verdict::Unchanged => None,
                };
                if let Some((state, step, next_ms)) = outcome {
                    write(transaction, endpoint, event, state, step, next_ms)?;
                }
                add_attempt(transaction, endpoint, event.id, &attempt)?;
            }
            Ok(())
        })
    }

    /// Lets events wait for those of the same call that do. A live version that waits gives way to a later one. Blocks.
    pub fn hold(&self, endpoint: EndpointId, events: Vec<Outgoing>, now_ms: i64) -> Result<()> {
        self.writer().run(move |transaction, _| {
            if !is_known(transaction, endpoint)? {
                return Ok(());
            }
            for event in &events {
                if event.version > 0 {
                    transaction
                        .prepare_cached(
                            "UPDATE deliveries SET state = 'superseded', next_ms = NULL
                             WHERE endpoint = ?1 AND call_id = ?2 AND event < ?3 AND state = 'pending' AND kind = ?4",
                        )?
                        .execute(params![
                            endpoint.0,
                            event.call_id,
                            event.id.0,
                            ChangeKind::Updated.as_str()
                        ])?;
                }
                write(transaction, endpoint, event, DeliveryState::Pending, event.step, Some(now_ms))?;
            }
            Ok(())
        })
    }

    /// Makes everything that waits due; what was tried together stays together. Blocks.
    pub fn release(&self, endpoint: EndpointId, now_ms: i64) -> Result<()> {
        self.writer().run(move |transaction, _| {
            transaction
                .prepare_cached(
                    "UPDATE deliveries SET next_ms = ?2 - later FROM (
                         SELECT event, dense_rank() OVER (ORDER BY next_ms DESC) - 1 AS later FROM deliveries
                         WHERE endpoint = ?1 AND state = 'pending' AND next_ms > ?2) AS waiting
                     WHERE endpoint = ?1 AND deliveries.event = waiting.event",
                )?
                .execute(params![endpoint.0, now_ms])?;
            Ok(())
        })
    }
}

/// An endpoint may have been removed while something was on its way to it.
fn is_known(transaction: &Transaction<'_>, endpoint: EndpointId) -> Result<bool> {
    Ok(transaction.prepare_cached("SELECT 1 FROM endpoints WHERE endpoint = ?1")?.exists([endpoint.0])?)
}

/// Writes how a delivery stands. What it tells may have been removed while it was on its way: then it is nobody's.
fn write(
    transaction: &Transaction<'_>,
    endpoint: EndpointId,
    event: &Outgoing,
    state: DeliveryState,
    step: u32,
    next_ms: Option<i64>,
) -> Result<()> {
    transaction
        .prepare_cached(
            "INSERT INTO deliveries SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10
             WHERE EXISTS (SELECT 1 FROM changes WHERE cursor = ?2)
                 OR EXISTS (SELECT 1 FROM notices WHERE notice = -?2)
             ON CONFLICT (endpoint, event) DO UPDATE
                 SET state = excluded.state, step = excluded.step, next_ms = excluded.next_ms
                 -- What gave way to a later version while it was on its way does not come back.
                 WHERE deliveries.state != 'superseded' OR excluded.state != 'pending'",
        )?
        .execute(params![
            endpoint.0,
            event.id.0,
            event.kind,
            event.version as i64,
            event.call_id,
            event.into_id,
            event.made_ms,
            state.as_str(),
            step,
            next_ms,
        ])?;
    Ok(())
}

fn add_attempt(
    transaction: &Transaction<'_>,
    endpoint: EndpointId,
    event: EventId,
    attempt: &Attempt,
) -> Result<()> {
    let number: Option<i64> = transaction
        .prepare_cached(
            "INSERT INTO attempts SELECT ?1, ?2,
                 (SELECT coalesce(max(number), 0) + 1 FROM attempts WHERE endpoint = ?1 AND event = ?2),
                 ?3, ?4, ?5, ?6, ?7
             WHERE EXISTS (SELECT 1 FROM deliveries WHERE endpoint = ?1 AND event = ?2) RETURNING number",
        )?
        .query_row(
            params![
                endpoint.0,
                event.0,
                attempt.started_ms,
                attempt.duration_ms,
                attempt.status,
                attempt.problem,
                attempt.answer
            ],
            |row| row.get(0),
        )
        .optional()?;
    if let Some(number) = number.filter(|number| *number > ATTEMPTS_KEPT) {
        transaction
            .prepare_cached("DELETE FROM attempts WHERE endpoint = ?1 AND event = ?2 AND number <= ?3")?
            .execute(params![endpoint.0, event.0, number - ATTEMPTS_KEPT])?;
    }
    Ok(())
}

fn change(connection: &Reading<'_>, tenant: TenantId, cursor: i64) -> Result<Option<StoredChange>> {
    let sql = format!("SELECT {} FROM changes WHERE cursor = ?1 AND tenant = ?2", changes::COLUMNS);
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(params![cursor, tenant.0])?;
    let change = rows.next()?.map(StoredChange::read).transpose()?;
    change.map(|change| change.with_before(connection, tenant.0)).transpose()
}

/// Deliveries that wait, with what they tell.
struct Pending {
    found: Vec<Outgoing>,
    /// The events of those of which it cannot be read what they tell.
    unreadable: Vec<i64>,
}

/// Gives up deliveries whose events cannot be read.
fn give_up(transaction: &Transaction<'_>, endpoint: EndpointId, events: &[i64]) -> Result<()> {
    let mut update = transaction.prepare_cached(
        "UPDATE deliveries SET state = 'exhausted', next_ms = NULL WHERE endpoint = ?1 AND event = ?2",
    )?;
    for event in events {
        update.execute([endpoint.0, *event])?;
    }
    Ok(())
}

fn pending(
    connection: &Reading<'_>,
    endpoint: EndpointId,
    which: &str,
    value: i64,
    limit: usize,
) -> Result<Pending> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT event, kind, version, made_ms, call_id, into_id, step, next_ms, tenant
         FROM deliveries JOIN endpoints USING (endpoint)
         WHERE endpoint = ?1 AND state = 'pending' AND {which}"
    ))?;
    let mut rows = statement.query(params![endpoint.0, value, limit as i64])?;
    let (mut found, mut unreadable) = (Vec::new(), Vec::new());
    while let Some(row) = rows.next()? {
        let event: i64 = row.get(0)?;
        let read = read(connection, row);
        match connection.pass_over(read, row.get(8)?, || format!("delivery of event {event}"))? {
            Some(outgoing) => found.push(outgoing),
            None => unreadable.push(event),
        }
    }
    Ok(Pending { found, unreadable })
}

fn read(connection: &Reading<'_>, row: &Row<'_>) -> Result<Outgoing> {
    let (id, kind): (_, String) = (EventId(row.get(0)?), row.get(1)?);
    // Retention removes deliveries with their calls, in one transaction.
    let missing = || StoreError::Damaged(format!("event {} is not there", id.0));
    let (data, before) = contents(connection, TenantId(row.get(8)?), id)?.ok_or_else(missing)?;
    Ok(Outgoing {
        id,
        version: row.get::<_, i64>(2)? as u64,
        made_ms: row.get(3)?,
        call_id: row.get(4)?,
        into_id: row.get(5)?,
        listed: if id.0 > 0 { Ids::read(&kind, &data)?.listed } else { Vec::new() },
        kind,
        data,
        before,
        step: row.get(6)?,
        due_ms: row.get(7)?,
    })
}

/// What an event says, and for a revision the version before it.
type Contents = (String, Option<Box<Published>>);

fn contents(connection: &Reading<'_>, tenant: TenantId, id: EventId) -> Result<Option<Contents>> {
    if id.0 > 0 {
        let change = change(connection, tenant, id.0)?;
        return Ok(change.map(|change| (change.record, change.before)));
    }
    Ok(connection
        .prepare_cached("SELECT data FROM notices WHERE notice = ?1 AND tenant = ?2")?
        .query_row(params![-id.0, tenant.0], |row| Ok((row.get(0)?, None)))
        .optional()?)
}
