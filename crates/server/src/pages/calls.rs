//! `/calls`: calls that are looked for. The address holds the whole search, so it can be passed on.

use askama::Template;
use axum::{
    extract::Query,
    http::header,
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
    answers::{Frame, escaped_in_query, page},
    session::{Viewer, Zone},
};
use crate::{
    api::{
        calls::parse,
        compute,
        parameters::{place_from_cursor, place_to_cursor},
        stats::moment,
    },
    problem::Problem,
};

const AT_ONCE: usize = 50;
/// So many calls are in one CSV; the API has all of them.
const IN_CSV: usize = 10_000;

/// As many rows of it are read at once.
const CSV_AT_ONCE: usize = 500;

/// A search, as the form and the address have it. What is empty does not matter.
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
    step: String,
    state: String,
    customer: String,
    #[serde(rename = "answeredBy")]
    answered_by: String,
    user: String,
    #[serde(rename = "endState")]
    end_state: String,
    /// Days, the last one included.
    from: String,
    to: String,
    cursor: String,
}

impl Search {
    fn filter(&self, zone: &Zone) -> Result<Filter, Problem> {
        let some = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
        let is_number = self.q.chars().any(|c| c.is_ascii_digit())
            && self.q.chars().all(|c| c.is_ascii_digit() || "+-(). /".contains(c));
        let day = |name, text: &str| moment(name, some(text).as_deref(), &zone.zone);
        // Noon of the last day is in it, whatever the clock does at midnight.
        let to =
            day("to", &self.to)?.map(|start| crate::api::stats::day_of(start + 43_200_000, &zone.zone).end);
        Ok(Filter {
            number: some(&self.q).filter(|_| is_number),
            name: some(&self.q).filter(|_| !is_number),
            extension: some(&self.extension),
            queue: some(&self.queue),
            step: MoveKind::from_word(&self.step),
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

    fn people(&self) -> [(&'static str, String); 3] {
        [("customer", &self.customer), ("answeredBy", &self.answered_by), ("user", &self.user)]
            .map(|(name, value)| (name, value.clone()))
    }

    /// The same search as an address, from a place on.
    fn address(&self, path: &str, frame: &Frame, cursor: &str) -> String {
        let members = [
            ("q", &*self.q),
            ("extension", &self.extension),
            ("queue", &self.queue),
            ("result", &self.result),
            ("direction", &self.direction),
            ("move", &self.step),
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
struct Line {
    id: String,
    start: String,
    direction: &'static str,
    from: String,
    to: String,
    answered_by: String,
    result: &'static str,
    state: State,
    last_state: &'static str,
    wait: String,
    talk: String,
    moves: String,
}

impl Line {
    fn new(call: &Call, zone: &Zone) -> Self {
        Self {
            id: call.id.to_string(),
            start: zone.show(call.start_time.as_millis()),
            direction: table::direction_sign(call.direction),
            from: table::side(call, &call.from),
            to: table::side(call, &call.to),
            answered_by: table::answered_by(call),
            result: call.result.as_str(),
            state: call.state,
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
    lines: Vec<Line>,
    csv: String,
    next: Option<String>,
    results: Vec<&'static str>,
    end_states: Vec<&'static str>,
    /// Of those who are looked for by their part in a call: shown where the address has them.
    people: [(&'static str, String); 3],
    directions: Vec<&'static str>,
    steps: Vec<(&'static str, &'static str)>,
    states: Vec<&'static str>,
    frame: Frame,
}

pub(super) async fn calls(viewer: Viewer, Query(search): Query<Search>) -> Result<Response, Response> {
    let zone = &viewer.visitor.zone;
    let filter = search.filter(zone)?;
    let after = Some(search.cursor.as_str()).filter(|cursor| !cursor.is_empty());
    let after = after.map(place_from_cursor).transpose()?;
    let shown = zone.clone();
    let (lines, next) = compute(viewer.view.clone(), move |view| {
        let found = view.calls(&filter, None, after, AT_ONCE)?;
        let line = |record: &String| Ok::<_, Problem>(Line::new(&parse(record)?, &shown));
        Ok((found.records.iter().map(line).collect::<Result<Vec<_>, _>>()?, found.next))
    })
    .await?;
    let frame = Frame::new("calls", &viewer);
    Ok(page(&Calls {
        lines,
        csv: search.address("/calls.csv", &frame, ""),
        next: next.map(|next| search.address("/calls", &frame, &place_to_cursor(next))),
        results: Outcome::ALL.iter().map(|word| word.as_str()).collect(),
        end_states: EndState::ALL.iter().map(|word| word.as_str()).collect(),
        people: search.people(),
        directions: Direction::ALL.iter().map(|word| word.as_str()).collect(),
        steps: MoveKind::ALL.iter().map(|word| (word.as_str(), humanize::name_of_move(*word))).collect(),
        states: State::ALL.iter().map(|word| word.as_str()).collect(),
        search,
        frame,
    }))
}

/// All calls of a search, for spreadsheets.
pub(super) async fn csv(viewer: Viewer, Query(search): Query<Search>) -> Result<Response, Response> {
    let filter = search.filter(&viewer.visitor.zone)?;
    viewer.view.export("calls as CSV")?;
    let out = compute(viewer.view, move |view| table_of(view, &filter)).await?;
    let headers = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"calls.csv\""),
    ];
    Ok((headers, out).into_response())
}

/// The calls that match as a table, written page by page.
fn table_of(view: &TenantView, filter: &Filter) -> Result<Vec<u8>, Problem> {
    let failed =
        |error: std::io::Error| Problem::bad_request(format!("the calls could not be written: {error}"));
    let mut out = Vec::new();
    let mut writer = CsvWriter::new(&mut out).map_err(failed)?;
    let (mut rows, mut after) = (0, None);
    while rows < IN_CSV {
        let page = view.calls(filter, None, after, CSV_AT_ONCE.min(IN_CSV - rows))?;
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
