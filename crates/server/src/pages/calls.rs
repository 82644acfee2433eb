//! `/calls`: the search for calls. Its address contains the whole search, so that it can be shared.

use askama::Template;
use axum::{
    extract::Query,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use wholecall_record::{
    Call,
    call::{Direction, EndState, MoveKind, Outcome, State},
};
use wholecall_render::{csv::CsvWriter, humanize, table, terminal::Screen};
use wholecall_store::{Filter, TenantView};

use super::{
    frame::Frame,
    labels,
    responses::{escaped_in_query, page},
    time_zone::Zone,
    visitor::Viewer,
};
use crate::{
    api::{
        calls::parse,
        compute,
        parameters::{cursor_of_position, position_from_cursor},
        stats::{day_of, time_or_day},
    },
    problem::Problem,
};

/// Number of calls on a page.
const PAGE_CALLS: usize = 50;

/// Maximum number of calls in the CSV; the API returns all.
const MAX_CSV_CALLS: usize = 10_000;

/// Maximum number of calls in one read for the CSV.
const MAX_CSV_READ: usize = 500;

const HALF_DAY_MS: i64 = 43_200_000;

/// A search, with the names of its form and its address. Empty members match all calls.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Search {
    /// A number or a part of a name.
    q: String,
    extension: String,
    queue: String,
    result: String,
    direction: String,
    #[serde(rename = "move")]
    move_kind: String,
    state: String,
    customer: String,
    #[serde(rename = "answeredBy")]
    answered_by: String,
    user: String,
    #[serde(rename = "endState")]
    end_state: String,
    /// The first and the last day.
    from: String,
    to: String,
    cursor: String,
}

impl Search {
    fn filter(&self, zone: &Zone) -> Result<Filter, Problem> {
        let some = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
        let is_number = self.q.chars().any(|c| c.is_ascii_digit())
            && self.q.chars().all(|c| c.is_ascii_digit() || "+-(). /".contains(c));
        let day = |name, text: &str| time_or_day(name, some(text).as_deref(), &zone.zone);
        // Noon is within the same day even if the clock changes at midnight.
        let to = day("to", &self.to)?.map(|start| day_of(start + HALF_DAY_MS, &zone.zone).end);
        Ok(Filter {
            number: some(&self.q).filter(|_| is_number),
            name: some(&self.q).filter(|_| !is_number),
            extension: some(&self.extension),
            queue: some(&self.queue),
            move_kind: MoveKind::from_word(&self.move_kind),
            direction: Direction::from_word(&self.direction),
            result: Outcome::from_word(&self.result),
            state: State::from_word(&self.state),
            customer: some(&self.customer),
            answered_by: some(&self.answered_by),
            user: some(&self.user),
            end_state: EndState::from_word(&self.end_state),
            from_ms: day("from", &self.from)?,
            to_ms: to,
        })
    }

    /// The members that the form shows only if the address contains them.
    fn optional_members(&self) -> [(&'static str, String); 3] {
        [("customer", &self.customer), ("answeredBy", &self.answered_by), ("user", &self.user)]
            .map(|(name, value)| (name, value.clone()))
    }

    /// The address of this search, continued from a cursor, which may be empty.
    fn address(&self, path: &str, frame: &Frame, cursor: &str) -> String {
        let members = [
            ("q", &*self.q),
            ("extension", &self.extension),
            ("queue", &self.queue),
            ("result", &self.result),
            ("direction", &self.direction),
            ("move", &self.move_kind),
            ("state", &self.state),
            ("customer", &self.customer),
            ("answeredBy", &self.answered_by),
            ("user", &self.user),
            ("endState", &self.end_state),
            ("from", &self.from),
            ("to", &self.to),
            ("cursor", cursor),
        ];
        let filled = members.iter().filter(|(_, value)| !value.is_empty());
        let query: Vec<String> =
            filled.map(|(name, value)| format!("{name}={}", escaped_in_query(value))).collect();
        frame.to(&if query.is_empty() { path.to_owned() } else { format!("{path}?{}", query.join("&")) })
    }
}

/// A call in the list.
struct Row {
    id: String,
    start: String,
    direction: &'static str,
    from: String,
    to: String,
    answered_by: String,
    /// The value, as the suffix of a CSS class, and its label.
    result: (&'static str, String),
    /// Empty for complete calls.
    status: &'static str,
    last_state: &'static str,
    wait: String,
    talk: String,
    moves: String,
}

impl Row {
    fn new(call: &Call, zone: &Zone) -> Self {
        Self {
            id: call.id.to_string(),
            start: zone.show(call.start_time.as_millis()),
            direction: table::direction_sign(call.direction),
            from: table::side(call, &call.from),
            to: table::side(call, &call.to),
            answered_by: table::answered_by(call),
            result: (call.result.as_str(), labels::result(call.result)),
            status: if call.state == State::Complete { "" } else { labels::state(call.state) },
            wait: humanize::short_duration(call.durations.wait_ms),
            last_state: table::last_state(call),
            talk: table::talk(call, Screen::PLAIN),
            moves: table::moves(call, Screen::PLAIN),
        }
    }
}

#[derive(Template)]
#[template(path = "calls.html")]
struct Calls {
    search: Search,
    rows: Vec<Row>,
    csv: String,
    next: Option<String>,
    optional_members: [(&'static str, String); 3],
    /// The choices of the form, each with its value and its label.
    results: Vec<(&'static str, String)>,
    end_states: Vec<(&'static str, String)>,
    directions: Vec<(&'static str, String)>,
    moves: Vec<(&'static str, String)>,
    states: Vec<(&'static str, String)>,
    frame: Frame,
}

pub(super) async fn calls(viewer: Viewer, Query(search): Query<Search>) -> Result<Response, Response> {
    let zone = &viewer.visitor.zone;
    let filter = search.filter(zone)?;
    let after = Some(search.cursor.as_str()).filter(|cursor| !cursor.is_empty());
    let after = after.map(position_from_cursor).transpose()?;
    let row_zone = zone.clone();
    let (rows, next) = compute(viewer.reader.clone(), move |view| {
        let found = view.calls(&filter, None, after, PAGE_CALLS)?;
        let row = |record: &String| Ok::<_, Problem>(Row::new(&parse(record)?, &row_zone));
        Ok((found.records.iter().map(row).collect::<Result<Vec<_>, _>>()?, found.next))
    })
    .await?;
    let frame = Frame::new("calls", &viewer);
    Ok(page(&Calls {
        rows,
        csv: search.address("/calls.csv", &frame, ""),
        next: next.map(|next| search.address("/calls", &frame, &cursor_of_position(next))),
        optional_members: search.optional_members(),
        results: Outcome::ALL.iter().map(|value| (value.as_str(), labels::result(*value))).collect(),
        end_states: EndState::ALL.iter().map(|value| (value.as_str(), labels::end_state(*value))).collect(),
        directions: Direction::ALL.iter().map(|value| (value.as_str(), value.as_str().to_owned())).collect(),
        moves: MoveKind::ALL.iter().map(|value| (value.as_str(), labels::move_kind(*value))).collect(),
        states: State::ALL.iter().map(|value| (value.as_str(), labels::state(*value).to_owned())).collect(),
        search,
        frame,
    }))
}

/// The calls of a search as CSV.
pub(super) async fn csv(viewer: Viewer, Query(search): Query<Search>) -> Result<Response, Response> {
    let filter = search.filter(&viewer.visitor.zone)?;
    viewer.reader.export("calls as CSV")?;
    let out = compute(viewer.reader, move |view| csv_of(view, &filter)).await?;
    let headers = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"calls.csv\""),
    ];
    Ok((headers, out).into_response())
}

fn csv_of(view: &TenantView, filter: &Filter) -> Result<Vec<u8>, Problem> {
    let failed = |error: std::io::Error| {
        tracing::error!(%error, "the calls could not be written");
        let detail = "the calls could not be written; the service's log has the reason";
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, detail)
    };
    let mut out = Vec::new();
    let mut writer = CsvWriter::new(&mut out).map_err(failed)?;
    let (mut rows, mut after) = (0, None);
    while rows < MAX_CSV_CALLS {
        let page = view.calls(filter, None, after, MAX_CSV_READ.min(MAX_CSV_CALLS - rows))?;
        for record in &page.records {
            writer.write(&parse(record)?).map_err(failed)?;
        }
        rows += page.records.len();
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    writer.flush().map_err(failed)?;
    drop(writer);
    Ok(out)
}
