//! `GET /v1/changes` and `GET /v1/stream`: every event in the order in which it was made. A reader that keeps the cursor
//! never misses one.

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

const CHANGES: usize = 100;
const MOST_CHANGES: usize = 1_000;

/// The longest anybody may wait for a change.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// From where on, how many, and how long to wait for the first.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ChangesQuery {
    after: Option<String>,
    limit: Option<usize>,
    wait: Option<u64>,
}

/// Changes after a cursor; without one, from the beginning.
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
    let limit = limit(query.limit, CHANGES, MOST_CHANGES)?;
    let wait = Duration::from_secs(query.wait.unwrap_or(0)).min(LONGEST_WAIT);
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
            changes.iter().filter_map(|change| written(&service, &writer, change)).collect();
        Ok(json(format!("{{\"changes\":[{}],\"next\":\"{}\"}}", changes.join(","), view.cursor(next))))
    })
    .await
}

async fn cursor(view: &Reader, text: &str) -> Result<Position, Problem> {
    let text = text.to_owned();
    let resumed = read(view.clone(), move |view| view.resume_at(&text)).await?;
    let gone = |what| {
        let detail = format!("after: {what}; list /v1/calls, then go on from after=now");
        Problem::new(StatusCode::GONE, detail)
    };
    resumed.map_err(|error| match error {
        CursorError::Malformed => Problem::bad_request("after: not a cursor that was given"),
        CursorError::Foreign => {
            gone("a cursor of another store, or of this one before it was restored or lost something")
        }
        CursorError::Ahead => gone("a cursor after everything that there is"),
        CursorError::Expired => {
            gone("changes that follow this cursor were removed, since their time was over")
        }
    })
}

fn writer(service: &Service, view: &Reader) -> Result<EventWriter, Problem> {
    let tenant = service.tenants.with_id(view.tenant()).ok_or_else(Problem::unauthorized)?;
    Ok(EventWriter::new(TenantView::clone(view), &tenant.name))
}

/// An event; nothing where its record cannot be read, which stops nobody who reads on.
fn written(service: &Service, writer: &EventWriter, change: &StoredChange) -> Option<String> {
    let written = writer.write(change.into(), None);
    written
        .map_err(|error| {
            let problem = StoreError::Damaged(format!("its record cannot be read: {error}"));
            service.store.note_damage(Some(writer.tenant()), format!("change {}", change.cursor.0), &problem);
        })
        .ok()
}

/// The next changes; waits until there is one, or until the service stops.
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

/// Counts an open stream for as long as it lives.
struct Counted(Service);

impl Counted {
    fn new(service: Service) -> Self {
        service.metrics.streams.inc();
        Self(service)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.metrics.streams.dec();
    }
}

/// From where on.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StreamQuery {
    after: Option<String>,
}

/// The same as server-sent events: after `Last-Event-ID` or `after`, else from now on.
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
    let state = (Counted::new(service), view, follower, after, VecDeque::new());
    let events = stream::unfold(state, move |(counted, view, mut follower, mut after, mut waiting)| {
        let writer = writer.clone();
        async move {
            let (change, data) = loop {
                if waiting.is_empty() {
                    let changes = tokio::select! {
                        changes = next(&counted.0, &view, &mut follower, after, CHANGES) => changes.ok()?,
                        () = view.revoked() => return None,
                    };
                    after = changes.last()?.cursor;
                    waiting.extend(changes);
                }
                let change: StoredChange = waiting.pop_front()?;
                if let Some(data) = written(&counted.0, &writer, &change) {
                    break (change, data);
                }
            };
            let event =
                Event::default().id(view.cursor(change.cursor)).event(change.kind.as_str()).data(data);
            Some((Ok::<_, Infallible>(event), (counted, view, follower, after, waiting)))
        }
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(Duration::from_secs(15))).into_response())
}
