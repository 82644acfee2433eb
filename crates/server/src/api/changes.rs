//! `GET /v1/changes` and `GET /v1/stream`: all events in the order of the feed. A client that stores its cursor misses
//! none.

use std::{collections::VecDeque, convert::Infallible, time::Duration};

use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use futures_util::stream;
use serde::Deserialize;
use wholecall_store::{CursorError, Position, StoreError, StoredChange, TenantView};

use super::{
    Reader,
    access::Access,
    compute, json,
    parameters::{Parameters, limit},
    read,
};
use crate::{Service, event::EventWriter, feeds::Follower, problem::Problem};

const DEFAULT_CHANGES: usize = 100;
const MAX_CHANGES: usize = 1_000;

/// Maximum time that a request waits for the first change.
const MAX_WAIT: Duration = Duration::from_secs(60);

/// Interval between the comments that keep an idle stream open.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(15);

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ChangesQuery {
    after: Option<String>,
    limit: Option<usize>,
    /// In seconds.
    wait: Option<u64>,
}

/// Changes after a cursor; without one, from the beginning of the feed.
pub(super) async fn changes(
    State(service): State<Service>,
    Access(view): Access,
    Parameters(query): Parameters<ChangesQuery>,
) -> Result<Response, Problem> {
    let after = match query.after.as_deref() {
        None => Position::default(),
        Some("now") => read(view.clone(), TenantView::last_change).await?,
        Some(text) => cursor(&view, text).await?,
    };
    let limit = limit(query.limit, DEFAULT_CHANGES, MAX_CHANGES)?;
    let wait = Duration::from_secs(query.wait.unwrap_or(0)).min(MAX_WAIT);
    if !wait.is_zero() {
        let mut follower = service.feeds.follow(view.tenant())?;
        tokio::select! {
            changes = next(&service, &view, &mut follower, after, 1) => drop(changes?),
            () = view.revoked() => return Err(Problem::unauthorized()),
            () = tokio::time::sleep(wait) => {}
        }
    }
    let writer = writer(&service, &view)?;
    compute(view, move |view| {
        let changes = view.changes_after(after, limit)?;
        let next = changes.last().map_or(after, |change| change.cursor);
        let changes: Vec<String> =
            changes.iter().filter_map(|change| event_json(&service, &writer, change)).collect();
        Ok(json(format!("{{\"changes\":[{}],\"next\":\"{}\"}}", changes.join(","), view.cursor(next))))
    })
    .await
}

async fn cursor(view: &Reader, text: &str) -> Result<Position, Problem> {
    let text = text.to_owned();
    let resumed = read(view.clone(), move |view| view.resume_at(&text)).await?;
    let gone = |reason| {
        let detail = format!("after: {reason}; list /v1/calls, then continue with after=now");
        Problem::new(StatusCode::GONE, detail)
    };
    resumed.map_err(|error| match error {
        CursorError::Malformed => Problem::bad_request("after: not a valid cursor"),
        CursorError::Foreign => {
            gone("the cursor is of another store, or of this one before it was restored or lost data")
        }
        CursorError::Ahead => gone("the cursor is beyond the end of the feed"),
        CursorError::Expired => gone("retention removed changes after this cursor"),
    })
}

fn writer(service: &Service, view: &Reader) -> Result<EventWriter, Problem> {
    let tenant = service.tenants.with_id(view.tenant()).ok_or_else(Problem::unauthorized)?;
    Ok(EventWriter::new(TenantView::clone(view), &tenant.name))
}

/// The event of a change; `None` if its record cannot be read: it is noted as damage, and clients continue after it.
fn event_json(service: &Service, writer: &EventWriter, change: &StoredChange) -> Option<String> {
    let written = writer.write(change.into(), None);
    written
        .map_err(|error| {
            let problem = StoreError::Damaged(format!("its record cannot be read: {error}"));
            service.store.note_damage(Some(writer.tenant()), format!("change {}", change.cursor.0), &problem);
        })
        .ok()
}

/// The next changes. Waits until there is one, or until the service stops.
async fn next(
    service: &Service,
    view: &Reader,
    follower: &mut Follower,
    after: Position,
    limit: usize,
) -> Result<Vec<StoredChange>, Problem> {
    let mut stop = service.stop.clone();
    loop {
        follower.grown.borrow_and_update();
        let changes = read(view.clone(), move |view| view.changes_after(after, limit)).await?;
        if !changes.is_empty() || *stop.borrow() {
            return Ok(changes);
        }
        tokio::select! {
            _ = follower.grown.changed() => {}
            _ = stop.changed() => {}
        }
    }
}

/// Counts as an open stream in the metrics until it is dropped.
struct OpenStream(Service);

impl OpenStream {
    fn new(service: Service) -> Self {
        service.metrics.streams.inc();
        Self(service)
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.0.metrics.streams.dec();
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StreamQuery {
    after: Option<String>,
}

/// The feed as server-sent events, after `Last-Event-ID`, else after `after`, else from now on.
pub(super) async fn stream(
    State(service): State<Service>,
    Access(view): Access,
    Parameters(query): Parameters<StreamQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let last = headers.get("last-event-id").and_then(|id| id.to_str().ok()).map(str::to_owned);
    let after = match last.or(query.after).as_deref() {
        Some(text) => cursor(&view, text).await?,
        None => read(view.clone(), TenantView::last_change).await?,
    };
    let writer = writer(&service, &view)?;
    let follower = service.feeds.follow(view.tenant())?;
    let state = (OpenStream::new(service), view, follower, after, VecDeque::new());
    let events = stream::unfold(state, move |(open, view, mut follower, mut after, mut buffered)| {
        let writer = writer.clone();
        async move {
            let (change, data) = loop {
                if buffered.is_empty() {
                    let changes = tokio::select! {
                        changes = next(&open.0, &view, &mut follower, after, DEFAULT_CHANGES) => changes.ok()?,
                        () = view.revoked() => return None,
                    };
                    after = changes.last()?.cursor;
                    buffered.extend(changes);
                }
                let change: StoredChange = buffered.pop_front()?;
                if let Some(data) = event_json(&open.0, &writer, &change) {
                    break (change, data);
                }
            };
            let event =
                Event::default().id(view.cursor(change.cursor)).event(change.kind.as_str()).data(data);
            Some((Ok::<_, Infallible>(event), (open, view, follower, after, buffered)))
        }
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE_INTERVAL)).into_response())
}
