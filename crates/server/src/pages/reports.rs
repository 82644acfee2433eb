//! `/numbers`: reports over time, by queue and by extension.

use std::{collections::BTreeMap, ops::Range};

use askama::Template;
use axum::{
    extract::Query,
    http::header,
    response::{IntoResponse, Response},
};
use jiff::{Timestamp, ToSpan, civil::Date};
use serde::Deserialize;
use wholecall_record::call::names;
use wholecall_render::humanize;
use wholecall_store::{Filter, Stats, StatsGroup, StoreError, TenantView};

use super::{
    chart::{Chart, Series, Shape, Unit},
    frame::Frame,
    responses::{escaped_in_query, page},
    time_zone::Zone,
    visitor::Viewer,
};
use crate::{
    api::{
        read,
        stats::{self, By, day_of, period_at, time_or_day},
    },
    clock,
    problem::Problem,
    stored_record::parse_or_skip,
};

/// Default number of days.
const DEFAULT_DAYS: i64 = 14;
/// Maximum number of days by hour: more hours could not be distinguished in a chart.
const MAX_DAYS_BY_HOUR: i64 = 10;
/// Maximum number of calls that are read to find a name, since not every call contains the name of each participant.
const MAX_CALLS_FOR_NAME: usize = 4;
/// Maximum number of queues and of extensions on the page; the CSV contains all.
const MAX_ROWS: usize = 50;

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct ReportQuery {
    from: String,
    to: String,
    by: String,
}

struct ChartView {
    title: &'static str,
    svg: String,
    legend: Vec<&'static str>,
}

/// The figures of a queue, an extension or all calls.
struct ReportRow {
    id: String,
    name: String,
    stats: Stats,
    /// Percentage of the busiest row.
    share: u64,
}

impl ReportRow {
    fn answer_rate(&self) -> String {
        self.stats
            .answered
            .saturating_mul(100)
            .checked_div(total(&self.stats))
            .map_or_else(String::new, |rate| format!("{rate} %"))
    }

    fn wait(&self, percent: usize) -> String {
        self.stats.wait_ms(percent).map_or_else(|| "–".to_owned(), humanize::short_duration)
    }

    fn talk(&self) -> String {
        humanize::short_duration(self.stats.talk_ms)
    }
}

/// The number of calls or, for a queue, of visits to it.
fn total(stats: &Stats) -> u64 {
    stats.offered.max(stats.calls)
}

#[derive(Template)]
#[template(path = "reports.html")]
struct Reports {
    from: Date,
    to: Date,
    by: &'static str,
    by_hour: bool,
    all: ReportRow,
    charts: Vec<ChartView>,
    /// Title, kind and rows of each table.
    tables: Vec<(&'static str, &'static str, Vec<ReportRow>)>,
    csv: String,
    frame: Frame,
}

/// The first and the last day.
fn days(query: &ReportQuery, zone: &Zone) -> Result<(Date, Date), Problem> {
    let now_ms = clock::now().as_millis();
    let today = Timestamp::from_millisecond(now_ms).unwrap_or_default().to_zoned(zone.zone.clone()).date();
    let day = |name: &str, text: &str, default: Date| match text {
        "" => Ok(default),
        text => text
            .parse()
            .map_err(|_| Problem::bad_request(format!("{name}: {text:?} is not a day like 2026-05-30"))),
    };
    let to = day("to", &query.to, today)?;
    let from = day("from", &query.from, to.saturating_sub((DEFAULT_DAYS - 1).days()))?;
    Ok(if from <= to { (from, to) } else { (to, from) })
}

fn time_range(from: Date, to: Date, zone: &Zone) -> Result<Range<i64>, Problem> {
    let start =
        |day: Date| time_or_day("day", Some(&day.to_string()), &zone.zone).map(Option::unwrap_or_default);
    // Noon is within the same day even if the clock changes at midnight.
    Ok(start(from)?..day_of(start(to)? + DAY_MS / 2, &zone.zone).end)
}

fn by(query: &ReportQuery, from: Date, to: Date) -> (By, &'static str) {
    let count = i64::from((to - from).get_days()) + 1;
    let hour = if query.by.is_empty() { count <= 2 } else { query.by == "hour" };
    if hour && count <= MAX_DAYS_BY_HOUR { (By::Hour, "hour") } else { (By::Day, "day") }
}

pub(super) async fn reports(viewer: Viewer, Query(query): Query<ReportQuery>) -> Result<Response, Response> {
    let zone = viewer.visitor.zone.clone();
    let (from, to) = days(&query, &zone)?;
    let range = time_range(from, to, &zone)?;
    let (by, by_name) = by(&query, from, to);
    let figures = read(viewer.reader.clone(), move |view| {
        let by_time = view.stats_by_time(range.clone(), |at| period_at(at, by, &zone.zone))?;
        let all = view.stats_by_time(range.clone(), |_| range.clone())?;
        let queues = rows(view, range.clone(), StatsGroup::Queue)?;
        let mut extensions = rows(view, range, StatsGroup::Extension)?;
        // Queues have extension ids as well; they have a table of their own.
        extensions.retain(|row| queues.iter().all(|queue| queue.id != row.id));
        Ok((by_time, all, queues, extensions))
    });
    let (by_time, all, queues, extensions) = figures.await?;
    let all = all.into_iter().next().map(|(_, stats)| stats).unwrap_or_default();
    let frame = Frame::new("reports", &viewer);
    let zone = escaped_in_query(&viewer.visitor.zone.name);
    Ok(page(&Reports {
        from,
        to,
        by: by_name,
        by_hour: by == By::Hour,
        charts: charts(&by_time, by, &viewer.visitor.zone),
        all: ReportRow { id: String::new(), name: "All".to_owned(), stats: all, share: 100 },
        tables: vec![("By queue", "queue", queues), ("By person", "extension", extensions)],
        csv: frame.to(format!("/numbers.csv?from={from}&to={to}&zone={zone}")) + "&by=",
        frame,
    }))
}

fn charts(by_time: &[(i64, Stats)], by: By, zone: &Zone) -> Vec<ChartView> {
    let periods: Vec<(i64, String)> = by_time
        .iter()
        .map(|(start, _)| {
            let time = zone.show(*start);
            (*start, if by == By::Hour { time[5..16].to_owned() } else { time[..10].to_owned() })
        })
        .collect();
    let period_ms = if by == By::Hour { HOUR_MS } else { DAY_MS };
    let values = |name, value: &dyn Fn(&Stats) -> Option<f64>| Series {
        name,
        values: by_time.iter().map(|(_, stats)| value(stats)).collect(),
    };
    let seconds = |millis: i64| millis as f64 / 1_000.0;
    let chart = |title, shape, unit, series: Vec<Series>| {
        let legend = series.iter().map(|series| series.name).collect();
        let svg = Chart { title, periods: &periods, period_ms, series, shape, unit }.svg();
        ChartView { title, legend, svg }
    };
    vec![
        chart(
            "Calls",
            Shape::Bars,
            Unit::Count,
            vec![
                values("answered", &|stats| Some(stats.answered as f64)),
                values("not answered", &|stats| Some((stats.calls - stats.answered) as f64)),
            ],
        ),
        chart(
            "Answer rate",
            Shape::Lines,
            Unit::Percent,
            vec![values("answer rate", &|stats| {
                Some(stats.answered as f64 * 100.0 / stats.calls.max(1) as f64)
            })],
        ),
        chart(
            "Time to answer",
            Shape::Lines,
            Unit::Seconds,
            vec![
                values("median", &|stats| stats.wait_ms(50).map(seconds)),
                values("P90", &|stats| stats.wait_ms(90).map(seconds)),
            ],
        ),
        chart(
            "Total talk time",
            Shape::Bars,
            Unit::Seconds,
            vec![values("talk", &|stats| Some(seconds(stats.talk_ms)))],
        ),
    ]
}

/// The queues or extensions with the most calls.
fn rows(view: &TenantView, range: Range<i64>, kind: StatsGroup) -> Result<Vec<ReportRow>, StoreError> {
    let mut stats: Vec<(String, Stats)> = view.stats_by_group(range, kind)?.into_iter().collect();
    stats.sort_by(|(a, x), (b, y)| total(y).cmp(&total(x)).then_with(|| a.cmp(b)));
    stats.truncate(MAX_ROWS);
    let max = stats.first().map_or(1, |(_, stats)| total(stats).max(1));
    let names = names_of(view, kind, stats.iter().map(|(id, _)| id.clone()))?;
    let row = |(id, stats): (String, Stats)| ReportRow {
        name: names.get(&id).cloned().unwrap_or_default(),
        share: total(&stats) * 100 / max,
        id,
        stats,
    };
    Ok(stats.into_iter().map(row).collect())
}

/// The names of queues or extensions, from the newest calls of each that contain a name.
pub(super) fn names_of(
    view: &TenantView,
    kind: StatsGroup,
    ids: impl Iterator<Item = String>,
) -> Result<BTreeMap<String, String>, StoreError> {
    let mut names = BTreeMap::new();
    for id in ids {
        let filter = match kind {
            StatsGroup::Extension => Filter { extension: Some(id.clone()), ..Filter::default() },
            StatsGroup::Queue => Filter { queue: Some(id.clone()), ..Filter::default() },
        };
        let page = view.calls(&filter, None, None, MAX_CALLS_FOR_NAME)?;
        let calls = page.records.iter().filter_map(|record| parse_or_skip(record));
        let mut found = calls
            .flat_map(|call| call.participants)
            .filter(|participant| participant.extension_id.as_deref() == Some(&id));
        let Some(newest) = found.next() else { continue };
        let named =
            if newest.name.is_some() { None } else { found.find(|participant| participant.name.is_some()) };
        names.insert(id, names::name_of(&named.unwrap_or(newest)));
    }
    Ok(names)
}

/// The figures as CSV.
pub(super) async fn csv(viewer: Viewer, Query(query): Query<ReportQuery>) -> Result<Response, Response> {
    let zone = viewer.visitor.zone.clone();
    let by = By::from_word(&query.by)?;
    let (from, to) = days(&query, &zone)?;
    let range = time_range(from, to, &zone)?;
    viewer.reader.export("figures as CSV")?;
    let rows = read(viewer.reader, move |view| stats::rows(view, range, by, &zone.zone)).await?;
    let headers = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"numbers.csv\""),
    ];
    Ok((headers, stats::csv(by, &rows)?).into_response())
}
