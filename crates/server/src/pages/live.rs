//! `/`: the calls that are going on, as they go on.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    sync::Arc,
    time::{Duration, Instant},
};

use askama::Template;
use axum::{
    extract::State,
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use futures_util::{StreamExt, stream};
use tokio::sync::broadcast::{Receiver, error::RecvError};
use wholecall_record::{Call, call};
use wholecall_store::{CountedFor, Filter, Stats};

use super::{
    answers::{Frame, page},
    board::{Board, Day, Waiting},
    moment::Row,
    numbers::names_of,
    session::{Viewer, Visitor},
};
use crate::{Service, api::read, api::stats::day_of, clock, feeds::Follower, problem::Problem};

/// The day is counted once a second at most, and where that takes long, in a twentieth of the time.
const COUNTED_AT_MOST_EVERY: Duration = Duration::from_secs(1);
const REST: u32 = 20;

/// Whether somebody may still look is asked this often.
const ALLOWED_EVERY: Duration = Duration::from_millis(500);

/// So many rows are in the page itself; the script adds the others.
const FIRST_ROWS: usize = 40;

#[derive(Template)]
#[template(path = "live.html")]
struct Live {
    frame: Frame,
    rows: Vec<String>,
    today: String,
}

/// A line of the day's counters.
struct Counted {
    name: String,
    /// The queue's extension; none for all calls.
    queue: Option<String>,
    stats: Stats,
    waiting: Option<Waiting>,
}

#[derive(Template)]
#[template(path = "today.html")]
struct Today {
    lines: Vec<Counted>,
    live: Option<usize>,
}

/// The page, with its first rows.
pub(super) async fn live(State(service): State<Service>, viewer: Viewer) -> Result<Response, Response> {
    let board = service.pages.boards.look(&service, &viewer.view);
    let frame = Frame::new("live", &viewer);
    let filter = Filter { state: Some(call::State::Live), ..Filter::default() };
    let first = read(viewer.view.clone(), move |view| view.calls(&filter, None, None, FIRST_ROWS)).await?;
    let address = frame.to("");
    let rows = first.records.iter().filter_map(|record| {
        let call: Call = serde_json::from_str(record).ok()?;
        Row::new(&call, &address).render().ok()
    });
    let rows = rows.collect();
    let today = counted(&viewer, &board).await?;
    let today = today.render().map_err(|_| Problem::bad_request("the counters could not be written"))?;
    Ok(page(&Live { frame, rows, today }))
}

/// The day's counters, for the script to put in place.
pub(super) async fn today(State(service): State<Service>, viewer: Viewer) -> Result<Response, Response> {
    let board = service.pages.boards.look(&service, &viewer.view);
    Ok(page(&counted(&viewer, &board).await?))
}

/// The counters of the day; what it costs to count is shared by all who look.
async fn day(viewer: &Viewer, board: &Board) -> Result<Arc<Day>, Problem> {
    let mut days = board.days.lock().await;
    let zone = viewer.visitor.zone.clone();
    if let Some(known) = days.get(&zone.name).filter(|day| day.until > Instant::now()) {
        return Ok(known.clone());
    }
    let name = zone.name.clone();
    let counted = read(viewer.view.clone(), move |view| {
        let began = Instant::now();
        let day = day_of(clock::now().as_millis(), &zone.zone);
        let all = view.stats_by_time(day.clone(), |_| day.clone())?;
        let queues = view.stats_by_part(day, CountedFor::Queue)?;
        let names = names_of(view, CountedFor::Queue, queues.keys().cloned())?;
        let all = all.into_iter().next().map(|(_, stats)| stats).unwrap_or_default();
        let until = Instant::now() + (began.elapsed() * REST).max(COUNTED_AT_MOST_EVERY);
        Ok(Arc::new(Day { until, all, queues, names }))
    });
    let counted = counted.await?;
    days.retain(|_, day| day.until > Instant::now());
    days.insert(name, counted.clone());
    Ok(counted)
}

async fn counted(viewer: &Viewer, board: &Board) -> Result<Today, Problem> {
    let day = day(viewer, board).await?;
    let Day { all, queues, names, .. } = &*day;
    let waiting = board.waiting();
    let in_queues = waiting.as_ref().map(|(_, queues)| queues.clone());
    let mut lines: BTreeMap<String, Counted> = BTreeMap::new();
    let known = queues.keys().chain(in_queues.iter().flat_map(BTreeMap::keys));
    for queue in known.cloned().collect::<std::collections::BTreeSet<_>>() {
        let name = names.get(&queue).cloned().unwrap_or_else(|| format!("queue {queue}"));
        let line = Counted {
            name: name.clone(),
            stats: queues.get(&queue).cloned().unwrap_or_default(),
            waiting: in_queues.as_ref().map(|waiting| waiting.get(&queue).copied().unwrap_or_default()),
            queue: Some(queue.clone()),
        };
        lines.insert(format!("{name}\n{queue}"), line);
    }
    let total = in_queues.map(|queues| Waiting {
        now: queues.values().map(|waiting| waiting.now).sum(),
        since_ms: queues.values().filter_map(|waiting| waiting.since_ms).min(),
    });
    let all = Counted { name: "All calls".to_owned(), queue: None, stats: all.clone(), waiting: total };
    Ok(Today {
        lines: [all].into_iter().chain(lines.into_values()).collect(),
        live: waiting.map(|(live, _)| live),
    })
}

/// Counts an open stream for as long as it lives.
struct Following {
    service: Service,
    visitor: Visitor,
    board: Arc<Board>,
    news: Receiver<Arc<str>>,
    _follower: Follower,
}

impl Drop for Following {
    fn drop(&mut self) {
        self.service.metrics.streams.dec();
    }
}

/// The rows as they change, as server-sent events.
pub(super) async fn rows(State(service): State<Service>, viewer: Viewer) -> Result<Response, Response> {
    let follower = service.feeds.follow(viewer.view.tenant())?;
    let board = service.pages.boards.look(&service, &viewer.view);
    service.metrics.streams.inc();
    let (first, news) = board.subscribe();
    let following = Following { service, visitor: viewer.visitor, board, news, _follower: follower };
    let first = stream::iter(first);
    let later = stream::unfold(following, |mut following| async move {
        let mut stop = following.service.stop.clone();
        let message = loop {
            tokio::select! {
                message = following.news.recv() => break message,
                _ = stop.wait_for(|stop| *stop) => return None,
                () = tokio::time::sleep(ALLOWED_EVERY) => {}
            }
            if !following.visitor.is_still_allowed(&following.service) {
                return None;
            }
        };
        if !following.visitor.is_still_allowed(&following.service) {
            return None;
        }
        match message {
            Ok(message) => Some((vec![message], following)),
            Err(RecvError::Lagged(_)) => {
                let (anew, news) = following.board.subscribe();
                following.news = news;
                Some((anew, following))
            }
            Err(RecvError::Closed) => None,
        }
    })
    .flat_map(stream::iter);
    let events = first.chain(later).map(|message| Ok::<_, Infallible>(Event::default().data(&*message)));
    let mut response =
        Sse::new(events).keep_alive(KeepAlive::new().interval(Duration::from_secs(15))).into_response();
    response.headers_mut().insert("x-accel-buffering", axum::http::HeaderValue::from_static("no"));
    Ok(response)
}
