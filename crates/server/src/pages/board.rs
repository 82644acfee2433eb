//! The live calls of a tenant as rows, made once for everybody who looks at them.
//!
//! While anybody looks, one task follows the feed of changes and tells all of them what is new, several times a second
//! at most.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use askama::Template;
use serde_json::{Value, json};
use tokio::sync::broadcast;
use wholecall_record::{Call, call::State};
use wholecall_store::{
    ChangeKind, Filter, Found, Position, Stats, StoreError, StoredChange, TenantId, TenantView,
};

use super::moment::{Row, is_waiting};
use crate::{
    Service,
    api::{Reader, read},
    clock,
    problem::Problem,
};

/// How often something new is told: twice a second is as good as at once.
const PACE: Duration = Duration::from_millis(400);

/// So many changes are read at once.
const CHANGES: usize = 500;
/// So many live calls are read at once.
const PAGE: usize = 500;
/// A viewer who is further behind than so many messages gets everything anew.
const BEHIND: usize = 32;
/// So many rows are told in one message, so that no browser is busy with one for long.
pub(super) const ROWS: usize = 250;

/// The boards that somebody looks at.
#[derive(Debug, Default)]
pub(crate) struct Boards {
    of: Mutex<HashMap<TenantId, Arc<Board>>>,
}

/// A tenant's live calls.
#[derive(Debug)]
pub(super) struct Board {
    shown: Mutex<Shown>,
    news: broadcast::Sender<Arc<str>>,
    /// The counters of the day, by the time zone that says when it began.
    pub(super) days: tokio::sync::Mutex<HashMap<String, Arc<Day>>>,
}

/// The counters of a day.
#[derive(Debug)]
pub(super) struct Day {
    /// Up to when they are told as they are.
    pub(super) until: Instant,
    pub(super) all: Stats,
    /// By the queues' extensions.
    pub(super) queues: BTreeMap<String, Stats>,
    pub(super) names: BTreeMap<String, String>,
}

#[derive(Debug, Default)]
struct Shown {
    /// Whether the live calls have been read.
    read: bool,
    /// By start and id; newest last.
    rows: BTreeMap<(i64, String), LiveCall>,
    starts: HashMap<String, i64>,
}

#[derive(Debug)]
struct LiveCall {
    html: String,
    /// The queues it waits in, and since when.
    waits: Vec<(String, i64)>,
}

/// How many wait in a queue, and since when the first of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Waiting {
    pub(super) now: usize,
    pub(super) since_ms: Option<i64>,
}

impl Waiting {
    fn add(&mut self, since_ms: i64) {
        self.now += 1;
        self.since_ms = Some(self.since_ms.map_or(since_ms, |other| other.min(since_ms)));
    }
}

impl Boards {
    /// The board of a tenant; somebody begins to look if nobody did.
    pub(super) fn look(&self, service: &Service, view: &Reader) -> Arc<Board> {
        let mut of = self.of.lock().unwrap_or_else(PoisonError::into_inner);
        let board = of.entry(view.tenant()).or_insert_with(|| {
            let news = broadcast::Sender::new(BEHIND);
            let board = Arc::new(Board { shown: Mutex::default(), news, days: Default::default() });
            tokio::spawn(follow(service.clone(), view.clone(), board.clone()));
            board
        });
        board.clone()
    }

    /// Takes a board away if nobody looks at it any more.
    fn take_away(&self, tenant: TenantId) -> bool {
        let mut of = self.of.lock().unwrap_or_else(PoisonError::into_inner);
        // Here and with the task itself.
        let unused = of
            .get(&tenant)
            .is_some_and(|board| board.news.receiver_count() == 0 && Arc::strong_count(board) <= 2);
        if unused {
            of.remove(&tenant);
        }
        unused
    }
}

impl Board {
    /// All rows, as messages, and what comes after them.
    pub(super) fn subscribe(&self) -> (Vec<Arc<str>>, broadcast::Receiver<Arc<str>>) {
        let shown = self.shown();
        let news = self.news.subscribe();
        let rows: Vec<_> = shown.rows.iter().rev().collect();
        let count = rows.len();
        let mut messages: Vec<Arc<str>> = Vec::new();
        for chunk in rows.chunks(ROWS) {
            let set = chunk.iter().map(|((start, id), call)| to_set(id, *start, &call.html)).collect();
            messages.push(message(set, Vec::new(), messages.is_empty()));
        }
        if count == 0 && shown.read {
            messages.push(message(Vec::new(), Vec::new(), true));
        }
        (messages, news)
    }

    /// How many calls are live and who waits in which queue; none as long as it is not known.
    pub(super) fn waiting(&self) -> Option<(usize, BTreeMap<String, Waiting>)> {
        let shown = self.shown();
        let mut queues: BTreeMap<String, Waiting> = BTreeMap::new();
        for (queue, since_ms) in shown.rows.values().flat_map(|call| &call.waits) {
            queues.entry(queue.clone()).or_default().add(*since_ms);
        }
        shown.read.then(|| (shown.rows.len(), queues))
    }

    fn shown(&self) -> std::sync::MutexGuard<'_, Shown> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in what is new and tells it.
    fn tell(&self, changes: Vec<(String, Option<Call>)>, address: &str, is_first: bool) {
        let mut shown = self.shown();
        // Several versions of a call within one message are one.
        let mut told: BTreeMap<String, Option<Value>> = BTreeMap::new();
        for (id, call) in changes {
            if let Some(start_ms) = shown.starts.remove(&id) {
                shown.rows.remove(&(start_ms, id.clone()));
            }
            let value = call.as_ref().and_then(|call| {
                let start_ms = call.start_time.as_millis();
                let html = Row::new(call, address).render().ok()?;
                let value = to_set(&id, start_ms, &html);
                shown.rows.insert((start_ms, id.clone()), LiveCall { html, waits: waits(call) });
                shown.starts.insert(id.clone(), start_ms);
                Some(value)
            });
            told.insert(id, value);
        }
        shown.read = true;
        let gone = told.iter().filter(|(_, value)| value.is_none()).map(|(id, _)| id.clone()).collect();
        let set: Vec<Value> = told.into_values().flatten().collect();
        let mut first = is_first;
        for chunk in set.chunks(ROWS) {
            // Nobody may listen.
            let _ = self.news.send(message(chunk.to_vec(), Vec::new(), std::mem::take(&mut first)));
        }
        let _ = self.news.send(message(Vec::new(), gone, first));
    }
}

fn to_set(id: &str, start_ms: i64, html: &str) -> Value {
    json!({ "id": id, "start": start_ms, "html": html })
}

/// What a browser is told: rows to show, rows to take away, whether to begin anew, and our clock.
fn message(set: Vec<Value>, gone: Vec<String>, anew: bool) -> Arc<str> {
    let now = clock::now().as_millis();
    json!({ "set": set, "gone": gone, "anew": anew, "now": now }).to_string().into()
}

fn waits(call: &Call) -> Vec<(String, i64)> {
    // Only the latest: who waits, waits in one queue.
    let open = call.queues.iter().rfind(|visit| visit.leave_time.is_none()).filter(|_| is_waiting(call));
    let extension = |id: &wholecall_record::ParticipantId| {
        let known = call.participant(id).and_then(|participant| participant.extension_id.as_deref());
        known.unwrap_or(id).to_owned()
    };
    let wait = open.map(|visit| (extension(&visit.participant), visit.enter_time.as_millis()));
    wait.into_iter().collect()
}

/// Follows a tenant's calls as long as anybody looks.
async fn follow(service: Service, view: Reader, board: Arc<Board>) {
    let mut grown = service.feeds.watch(view.tenant());
    let mut stop = service.stop.clone();
    let name = service.tenants.with_id(view.tenant()).map(|tenant| tenant.name.clone());
    // An operator's links name the tenant; for everybody else that changes nothing.
    let address = name.map(|name| format!("?tenant={name}")).unwrap_or_default();
    let mut cursor = match begin(&view, &board, &address).await {
        Ok(cursor) => cursor,
        Err(problem) => {
            tracing::warn!(problem = problem.detail(), "the live calls could not be read");
            service.pages.boards.of.lock().unwrap_or_else(PoisonError::into_inner).remove(&view.tenant());
            return;
        }
    };
    loop {
        grown.borrow_and_update();
        match read(view.clone(), move |view| view.changes_after(cursor, CHANGES)).await {
            Ok(changes) if !changes.is_empty() => {
                cursor = changes.last().map_or(cursor, |change| change.cursor);
                let full = changes.len() == CHANGES;
                let mut news: Vec<_> = changes.iter().flat_map(understood).collect();
                match read_again(&view, &board, &changes).await {
                    Ok(calls) => news.extend(calls),
                    Err(problem) => {
                        tracing::warn!(problem = problem.detail(), "rewritten calls could not be read")
                    }
                }
                board.tell(news, &address, false);
                if full {
                    continue;
                }
            }
            Ok(_) => {}
            Err(problem) => tracing::warn!(problem = problem.detail(), "the changes could not be read"),
        }
        tokio::time::sleep(PACE).await;
        tokio::select! {
            _ = grown.changed() => {}
            _ = stop.changed() => return,
            () = tokio::time::sleep(Duration::from_secs(5)) => {}
        }
        if service.pages.boards.take_away(view.tenant()) {
            return;
        }
    }
}

/// Reads the live calls; the place in the feed from which on changes are news.
async fn begin(view: &Reader, board: &Board, address: &str) -> Result<Position, Problem> {
    let (cursor, calls) = read(view.clone(), |view| {
        // First the place: what changes in between is told twice.
        let cursor = view.last_change()?;
        Ok((cursor, live_calls(view)?))
    })
    .await?;
    board.tell(calls.into_iter().map(|call| (call.id.to_string(), Some(call))).collect(), address, true);
    Ok(cursor)
}

fn live_calls(view: &TenantView) -> Result<Vec<Call>, StoreError> {
    let filter = Filter { state: Some(State::Live), ..Filter::default() };
    let (mut calls, mut after) = (Vec::new(), None);
    loop {
        let page = view.calls(&filter, None, after, PAGE)?;
        calls.extend(page.records.iter().filter_map(|record| serde_json::from_str::<Call>(record).ok()));
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(calls),
        }
    }
}

/// The live calls on the board in which a person was erased, as they are kept now.
async fn read_again(
    view: &Reader,
    board: &Board,
    changes: &[StoredChange],
) -> Result<Vec<(String, Option<Call>)>, Problem> {
    let erased = changes.iter().filter(|change| change.kind == ChangeKind::Erased);
    let mut ids: Vec<String> = erased.flat_map(listed).collect();
    {
        let shown = board.shown();
        ids.retain(|id| shown.starts.contains_key(id));
    }
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    read(view.clone(), move |view| {
        let mut calls = Vec::new();
        for id in ids {
            let found = view.call(&id, None)?;
            let call = match found {
                Some(Found::Call(version)) => serde_json::from_str::<Call>(&version.record).ok(),
                Some(Found::Merged(_)) | None => None,
            };
            calls.push((id, call.filter(|call| call.state == State::Live)));
        }
        Ok(calls)
    })
    .await
}

/// The ids of the calls that a change lists.
fn listed(change: &StoredChange) -> Vec<String> {
    let data: Value = serde_json::from_str(&change.record).unwrap_or_default();
    let calls = data["calls"].as_array().into_iter().flatten();
    calls.filter_map(|call| call["id"].as_str().map(str::to_owned)).collect()
}

/// Which calls a change tells of, and how they are if they are live.
fn understood(change: &StoredChange) -> Option<(String, Option<Call>)> {
    if change.kind.is_of_many() {
        return None;
    }
    if change.kind == ChangeKind::Merged {
        let merged: Value = serde_json::from_str(&change.record).ok()?;
        return Some((merged["id"].as_str()?.to_owned(), None));
    }
    let call: Call = serde_json::from_str(&change.record).ok()?;
    Some((call.id.to_string(), (call.state == State::Live).then_some(call)))
}
