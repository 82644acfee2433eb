//! `/`: the calls in progress, updated while the page is open.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    sync::Arc,
    time::{Duration, Instant},
};

use askama::Template;
use axum::{
    extract::State,
    http::HeaderValue,
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use futures_util::{StreamExt, stream};
use tokio::sync::broadcast::{Receiver, error::RecvError};
use wholecall_record::{Call, call};
use wholecall_store::{Filter, Stats, StatsGroup};

use super::{
    frame::Frame,
    live_status::Row,
    live_view::{DayCounters, LiveView, Waiting},
    reports::names_of,
    responses::page,
    state::PagesState,
    visitor::{Viewer, Visitor},
};
use crate::{
    api::{read, stats::day_of},
    clock,
    feeds::Follower,
    problem::Problem,
};

/// Minimum interval between computations of the day's counters, and minimum ratio of that interval to the computation's
/// duration.
const MIN_COUNT_INTERVAL: Duration = Duration::from_secs(1);
const MIN_COUNT_INTERVAL_RATIO: u32 = 20;

/// Interval between checks whether a client's session is still open.
const SESSION_CHECK_INTERVAL: Duration = Duration::from_millis(500);

/// Interval between the comments that keep an idle stream open.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(15);

/// Maximum number of rows in the page itself; the script adds the others.
const MAX_INITIAL_ROWS: usize = 40;

#[derive(Template)]
#[template(path = "live.html")]
struct Live {
    frame: Frame,
    rows: Vec<String>,
    today: String,
    rendered_at: String,
}

/// A line of the day's counters.
struct Line {
    name: String,
    /// Whether the line counts the visits to a queue, not calls.
    is_queue: bool,
    stats: Stats,
    /// `None` until the live calls have been read.
    waiting: Option<Waiting>,
}

#[derive(Template)]
#[template(path = "today.html")]
struct Today {
    lines: Vec<Line>,
    /// `None` until the live calls have been read.
    live_calls: Option<usize>,
}

/// The page with its first rows.
pub(super) async fn live(State(state): State<PagesState>, viewer: Viewer) -> Result<Response, Response> {
    let view = state.live_views.open(&state.service, &viewer.reader);
    let frame = Frame::new("live", &viewer);
    let filter = Filter { state: Some(call::State::Live), ..Filter::default() };
    let first =
        read(viewer.reader.clone(), move |view| view.calls(&filter, None, None, MAX_INITIAL_ROWS)).await?;
    let link_query = frame.to("");
    let rows = first.records.iter().filter_map(|record| {
        let call: Call = serde_json::from_str(record).ok()?;
        Row::new(&call, &link_query).render().ok()
    });
    let rows = rows.collect();
    let today = counters(&viewer, &view).await?.render().map_err(|error| {
        tracing::error!(%error, "the day's counters could not be rendered");
        let status = axum::http::StatusCode::INTERNAL_SERVER_ERROR;
        Problem::new(status, "the day's counters could not be rendered")
    })?;
    let rendered_at = viewer.visitor.zone.show(clock::now().as_millis());
    Ok(page(&Live { frame, rows, today, rendered_at }))
}

/// The day's counters, which the script replaces regularly.
pub(super) async fn today(State(state): State<PagesState>, viewer: Viewer) -> Result<Response, Response> {
    let view = state.live_views.open(&state.service, &viewer.reader);
    Ok(page(&counters(&viewer, &view).await?))
}

/// The counters of the current day. All clients share one computation.
async fn day_counters(viewer: &Viewer, view: &LiveView) -> Result<Arc<DayCounters>, Problem> {
    let mut days = view.days.lock().await;
    let zone = viewer.visitor.zone.clone();
    if let Some(known) = days.get(&zone.name).filter(|day| day.valid_until > Instant::now()) {
        return Ok(known.clone());
    }
    let zone_name = zone.name.clone();
    let counted = read(viewer.reader.clone(), move |view| {
        let began = Instant::now();
        let day = day_of(clock::now().as_millis(), &zone.zone);
        let all = view.stats_by_time(day.clone(), |_| day.clone())?;
        let queues = view.stats_by_group(day, StatsGroup::Queue)?;
        let names = names_of(view, StatsGroup::Queue, queues.keys().cloned())?;
        let all = all.into_iter().next().map(|(_, stats)| stats).unwrap_or_default();
        let interval = (began.elapsed() * MIN_COUNT_INTERVAL_RATIO).max(MIN_COUNT_INTERVAL);
        Ok(Arc::new(DayCounters { valid_until: Instant::now() + interval, all, queues, names }))
    });
    let counted = counted.await?;
    days.retain(|_, day| day.valid_until > Instant::now());
    days.insert(zone_name, counted.clone());
    Ok(counted)
}

async fn counters(viewer: &Viewer, view: &LiveView) -> Result<Today, Problem> {
    let day = day_counters(viewer, view).await?;
    let DayCounters { all, queues, names, .. } = &*day;
    let (live_calls, waiting) = view.waiting().unzip();
    let mut lines: BTreeMap<String, Line> = BTreeMap::new();
    let known = queues.keys().chain(waiting.iter().flat_map(BTreeMap::keys));
    for queue in known.cloned().collect::<std::collections::BTreeSet<_>>() {
        let name = names.get(&queue).cloned().unwrap_or_else(|| format!("queue {queue}"));
        let line = Line {
            name: name.clone(),
            is_queue: true,
            stats: queues.get(&queue).cloned().unwrap_or_default(),
            waiting: waiting.as_ref().map(|waiting| waiting.get(&queue).copied().unwrap_or_default()),
        };
        lines.insert(format!("{name}\n{queue}"), line);
    }
    let total = waiting.map(|queues| Waiting {
        count: queues.values().map(|waiting| waiting.count).sum(),
        since_ms: queues.values().filter_map(|waiting| waiting.since_ms).min(),
    });
    let all = Line { name: "All".to_owned(), is_queue: false, stats: all.clone(), waiting: total };
    Ok(Today { lines: [all].into_iter().chain(lines.into_values()).collect(), live_calls })
}

/// A client's open stream of rows. Counts as an open stream in the metrics until it is dropped.
struct RowStream {
    state: PagesState,
    visitor: Visitor,
    view: Arc<LiveView>,
    updates: Receiver<Arc<str>>,
    _follower: Follower,
}

impl Drop for RowStream {
    fn drop(&mut self) {
        self.state.service.metrics.streams.dec();
    }
}

/// The rows and their changes as server-sent events.
pub(super) async fn rows(State(state): State<PagesState>, viewer: Viewer) -> Result<Response, Response> {
    let follower = state.service.feeds.follow(viewer.reader.tenant())?;
    let view = state.live_views.open(&state.service, &viewer.reader);
    state.service.metrics.streams.inc();
    let (first, updates) = view.subscribe();
    let stream = RowStream { state, visitor: viewer.visitor, view, updates, _follower: follower };
    let later = stream::unfold(stream, |mut stream| async move {
        let mut stop = stream.state.service.stop.clone();
        let message = loop {
            tokio::select! {
                message = stream.updates.recv() => break message,
                _ = stop.wait_for(|stop| *stop) => return None,
                () = tokio::time::sleep(SESSION_CHECK_INTERVAL) => {}
            }
            if !stream.visitor.is_still_allowed(&stream.state) {
                return None;
            }
        };
        if !stream.visitor.is_still_allowed(&stream.state) {
            return None;
        }
        match message {
            Ok(message) => Some((vec![message], stream)),
            Err(RecvError::Lagged(_)) => {
                let (all_rows, updates) = stream.view.subscribe();
                stream.updates = updates;
                Some((all_rows, stream))
            }
            Err(RecvError::Closed) => None,
        }
    })
    .flat_map(stream::iter);
    let messages = stream::iter(first).chain(later);
    let events = messages.map(|message| Ok::<_, Infallible>(Event::default().data(&*message)));
    let mut response =
        Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE_INTERVAL)).into_response();
    // Without it some proxies buffer the stream.
    response.headers_mut().insert("x-accel-buffering", HeaderValue::from_static("no"));
    Ok(response)
}
