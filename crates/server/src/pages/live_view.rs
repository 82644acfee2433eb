//! The live calls of a tenant as rows, rendered once for all clients.
//!
//! While at least one client shows a tenant's live calls, a task follows the feed and sends the changed rows to all of them.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use askama::Template;
use serde_json::{Value, json};
use tokio::sync::broadcast;
use wholecall_record::{Call, call::State};
use wholecall_store::{
    CallLookup, ChangeKind, Filter, Position, Stats, StoreError, StoredChange, TenantId, TenantView,
};

use super::live_status::{Row, is_waiting};
use crate::{
    Service,
    api::{Reader, read},
    clock,
    problem::Problem,
    stored_record::parse_or_skip,
};

/// Minimum interval between updates.
const MIN_UPDATE_INTERVAL: Duration = Duration::from_millis(400);

/// Interval between checks whether any client is left.
const IDLE_CHECK_INTERVAL: Duration = Duration::from_secs(5);

/// Maximum number of changes in one read.
const MAX_CHANGES: usize = 500;
/// Maximum number of live calls in one read.
const MAX_PAGE_CALLS: usize = 500;
/// Maximum number of messages that a client may be behind; beyond it the client receives all rows again.
const MAX_BUFFERED_MESSAGES: usize = 32;
/// Maximum number of rows in a message, so that no message keeps a browser busy for long.
const MAX_MESSAGE_ROWS: usize = 250;

/// The live views with at least one client.
#[derive(Debug, Default)]
pub(crate) struct LiveViews {
    by_tenant: Mutex<HashMap<TenantId, Arc<LiveView>>>,
}

/// A tenant's live calls.
#[derive(Debug)]
pub(super) struct LiveView {
    rows: Mutex<Rows>,
    updates: broadcast::Sender<Arc<str>>,
    /// The counters of the current day, by the time zone that defines the day.
    pub(super) days: tokio::sync::Mutex<HashMap<String, Arc<DayCounters>>>,
}

/// The counters of a day.
#[derive(Debug)]
pub(super) struct DayCounters {
    /// Until then the counters are not computed again.
    pub(super) valid_until: Instant,
    pub(super) all: Stats,
    /// By the queue's extension id.
    pub(super) queues: BTreeMap<String, Stats>,
    pub(super) names: BTreeMap<String, String>,
}

#[derive(Debug, Default)]
struct Rows {
    /// Whether the live calls have been read from the store.
    is_loaded: bool,
    /// By start time and id: the newest is the last.
    by_start: BTreeMap<(i64, String), LiveCall>,
    /// The start time of each call, by its id.
    starts: HashMap<String, i64>,
}

#[derive(Debug)]
struct LiveCall {
    html: String,
    /// The queue in which the caller waits, and since when.
    wait: Option<(String, i64)>,
}

/// The number of callers who wait in a queue, and since when the first of them waits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Waiting {
    pub(super) count: usize,
    pub(super) since_ms: Option<i64>,
}

impl Waiting {
    fn add(&mut self, since_ms: i64) {
        self.count += 1;
        self.since_ms = Some(self.since_ms.map_or(since_ms, |other| other.min(since_ms)));
    }
}

impl LiveViews {
    /// The live view of a tenant. Starts it for the first client.
    pub(super) fn open(self: &Arc<Self>, service: &Service, reader: &Reader) -> Arc<LiveView> {
        let mut by_tenant = self.by_tenant();
        let view = by_tenant.entry(reader.tenant()).or_insert_with(|| {
            let updates = broadcast::Sender::new(MAX_BUFFERED_MESSAGES);
            let view = Arc::new(LiveView { rows: Mutex::default(), updates, days: Default::default() });
            tokio::spawn(follow(service.clone(), self.clone(), reader.clone(), view.clone()));
            view
        });
        view.clone()
    }

    /// Removes a live view without clients; returns whether it did.
    fn remove_unused(&self, tenant: TenantId) -> bool {
        let mut by_tenant = self.by_tenant();
        // Two references are the map's and the task's own.
        let is_unused = by_tenant
            .get(&tenant)
            .is_some_and(|view| view.updates.receiver_count() == 0 && Arc::strong_count(view) <= 2);
        if is_unused {
            by_tenant.remove(&tenant);
        }
        is_unused
    }

    fn by_tenant(&self) -> MutexGuard<'_, HashMap<TenantId, Arc<LiveView>>> {
        self.by_tenant.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LiveView {
    /// Messages with all rows, and the updates that follow them.
    pub(super) fn subscribe(&self) -> (Vec<Arc<str>>, broadcast::Receiver<Arc<str>>) {
        let rows = self.rows();
        let updates = self.updates.subscribe();
        let newest_first: Vec<_> = rows.by_start.iter().rev().collect();
        let mut messages: Vec<Arc<str>> = Vec::new();
        for chunk in newest_first.chunks(MAX_MESSAGE_ROWS) {
            let rows = chunk.iter().map(|((start, id), call)| row_json(id, *start, &call.html)).collect();
            messages.push(message(rows, Vec::new(), messages.is_empty()));
        }
        if newest_first.is_empty() && rows.is_loaded {
            messages.push(message(Vec::new(), Vec::new(), true));
        }
        (messages, updates)
    }

    /// The number of live calls, and the waiting callers by queue; `None` until the calls have been read from the store.
    pub(super) fn waiting(&self) -> Option<(usize, BTreeMap<String, Waiting>)> {
        let rows = self.rows();
        let mut queues: BTreeMap<String, Waiting> = BTreeMap::new();
        for (queue, since_ms) in rows.by_start.values().filter_map(|call| call.wait.as_ref()) {
            queues.entry(queue.clone()).or_default().add(*since_ms);
        }
        rows.is_loaded.then(|| (rows.by_start.len(), queues))
    }

    fn rows(&self) -> MutexGuard<'_, Rows> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Applies changes, each a call's id and the call if it is live, and sends them to all clients. With `is_reset`, clients
    /// first remove all rows.
    fn apply(&self, changes: Vec<(String, Option<Call>)>, link_query: &str, is_reset: bool) {
        let mut rows = self.rows();
        // Only the last version of a call is sent.
        let mut changed: BTreeMap<String, Option<Value>> = BTreeMap::new();
        for (id, call) in changes {
            if let Some(start_ms) = rows.starts.remove(&id) {
                rows.by_start.remove(&(start_ms, id.clone()));
            }
            let row = call.as_ref().and_then(|call| {
                let start_ms = call.start_time.as_millis();
                let html = Row::new(call, link_query).render().ok()?;
                let row = row_json(&id, start_ms, &html);
                rows.by_start.insert((start_ms, id.clone()), LiveCall { html, wait: wait_of(call) });
                rows.starts.insert(id.clone(), start_ms);
                Some(row)
            });
            changed.insert(id, row);
        }
        rows.is_loaded = true;
        let removed = changed.iter().filter(|(_, row)| row.is_none()).map(|(id, _)| id.clone()).collect();
        let set: Vec<Value> = changed.into_values().flatten().collect();
        let mut is_reset = is_reset;
        for chunk in set.chunks(MAX_MESSAGE_ROWS) {
            // Sending fails if there is no client.
            let message = message(chunk.to_vec(), Vec::new(), std::mem::take(&mut is_reset));
            let _ = self.updates.send(message);
        }
        let _ = self.updates.send(message(Vec::new(), removed, is_reset));
    }
}

fn row_json(id: &str, start_ms: i64, html: &str) -> Value {
    json!({ "id": id, "start": start_ms, "html": html })
}

/// A message to browsers: rows to add or replace, ids of rows to remove, whether to remove all rows first, the server's
/// time.
fn message(rows: Vec<Value>, removed: Vec<String>, is_reset: bool) -> Arc<str> {
    let now_ms = clock::now().as_millis();
    json!({ "rows": rows, "removed": removed, "reset": is_reset, "nowMs": now_ms }).to_string().into()
}

/// The queue in which a call's caller waits, by its extension id, and since when.
fn wait_of(call: &Call) -> Option<(String, i64)> {
    // A caller waits in one queue at a time: the last that was entered.
    let visit = call.queues.iter().rfind(|visit| visit.leave_time.is_none()).filter(|_| is_waiting(call))?;
    let queue = call.participant(&visit.participant).and_then(|queue| queue.extension_id.as_deref());
    Some((queue.unwrap_or(&visit.participant).to_owned(), visit.enter_time.as_millis()))
}

/// Updates a live view as long as it has clients.
async fn follow(service: Service, views: Arc<LiveViews>, reader: Reader, view: Arc<LiveView>) {
    let tenant = reader.tenant();
    let mut feed_grew = service.feeds.watch(tenant);
    let mut stop = service.stop.clone();
    let name = service.tenants.with_id(tenant).map(|tenant| tenant.name.clone());
    // Operators' links must contain the tenant; for other visitors the parameter changes nothing.
    let link_query = name.map(|name| format!("?tenant={name}")).unwrap_or_default();
    let mut cursor = match load(&reader, &view, &link_query).await {
        Ok(cursor) => cursor,
        Err(problem) => {
            tracing::warn!(problem = problem.detail(), "the live calls could not be read");
            views.by_tenant().remove(&tenant);
            return;
        }
    };
    loop {
        feed_grew.borrow_and_update();
        match read(reader.clone(), move |view| view.changes_after(cursor, MAX_CHANGES)).await {
            Ok(changes) if !changes.is_empty() => {
                cursor = changes.last().map_or(cursor, |change| change.cursor);
                let has_more = changes.len() == MAX_CHANGES;
                let mut changed: Vec<_> = changes.iter().filter_map(changed_call).collect();
                match read_erased(&reader, &view, &changes).await {
                    Ok(calls) => changed.extend(calls),
                    Err(problem) => {
                        tracing::warn!(problem = problem.detail(), "rewritten calls could not be read")
                    }
                }
                view.apply(changed, &link_query, false);
                if has_more {
                    continue;
                }
            }
            Ok(_) => {}
            Err(problem) => tracing::warn!(problem = problem.detail(), "the changes could not be read"),
        }
        tokio::time::sleep(MIN_UPDATE_INTERVAL).await;
        tokio::select! {
            _ = feed_grew.changed() => {}
            _ = stop.changed() => return,
            () = tokio::time::sleep(IDLE_CHECK_INTERVAL) => {}
        }
        if views.remove_unused(tenant) {
            return;
        }
    }
}

/// Reads the live calls; returns the position in the feed from which to follow.
async fn load(reader: &Reader, view: &LiveView, link_query: &str) -> Result<Position, Problem> {
    let (cursor, calls) = read(reader.clone(), |view| {
        // The position is read first: a change between the two reads is applied twice, which is harmless.
        let cursor = view.last_change()?;
        Ok((cursor, live_calls(view)?))
    })
    .await?;
    view.apply(calls.into_iter().map(|call| (call.id.to_string(), Some(call))).collect(), link_query, true);
    Ok(cursor)
}

fn live_calls(view: &TenantView) -> Result<Vec<Call>, StoreError> {
    let filter = Filter { state: Some(State::Live), ..Filter::default() };
    let (mut calls, mut after) = (Vec::new(), None);
    loop {
        let page = view.calls(&filter, None, after, MAX_PAGE_CALLS)?;
        calls.extend(page.records.iter().filter_map(|record| parse_or_skip(record)));
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(calls),
        }
    }
}

/// Reads again the shown calls from which a person was erased.
async fn read_erased(
    reader: &Reader,
    view: &LiveView,
    changes: &[StoredChange],
) -> Result<Vec<(String, Option<Call>)>, Problem> {
    let erased = changes.iter().filter(|change| change.kind == ChangeKind::Erased);
    let mut ids: Vec<String> = erased.flat_map(listed_ids).collect();
    {
        let rows = view.rows();
        ids.retain(|id| rows.starts.contains_key(id));
    }
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    read(reader.clone(), move |view| {
        let mut calls = Vec::new();
        for id in ids {
            let call = match view.call(&id, None)? {
                Some(CallLookup::Call(version)) => parse_or_skip(&version.record),
                Some(CallLookup::Merged(_)) | None => None,
            };
            calls.push((id, call.filter(|call| call.state == State::Live)));
        }
        Ok(calls)
    })
    .await
}

/// The ids of the calls that a change lists.
fn listed_ids(change: &StoredChange) -> Vec<String> {
    let data: Value = serde_json::from_str(&change.record).unwrap_or_default();
    let calls = data["calls"].as_array().into_iter().flatten();
    calls.filter_map(|call| call["id"].as_str().map(str::to_owned)).collect()
}

/// The id of the call that a change is about, and the call if it is live; `None` for changes of many calls.
fn changed_call(change: &StoredChange) -> Option<(String, Option<Call>)> {
    if change.kind.lists_many_calls() {
        return None;
    }
    if change.kind == ChangeKind::Merged {
        let merged: Value = serde_json::from_str(&change.record).ok()?;
        return Some((merged["id"].as_str()?.to_owned(), None));
    }
    let call = parse_or_skip(&change.record)?;
    Some((call.id.to_string(), (call.state == State::Live).then_some(call)))
}
