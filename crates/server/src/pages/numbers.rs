//! `/numbers`: figures over time, by queue and by extension.

use std::collections::BTreeMap;

use askama::Template;
use axum::{
    extract::Query,
    http::header,
    response::{IntoResponse, Response},
};
use jiff::{Timestamp, ToSpan, civil::Date};
use serde::Deserialize;
use wholecall_record::{Call, call::names};
use wholecall_render::humanize;
use wholecall_store::{CountedFor, Filter, Stats, StoreError, TenantView};

use super::{
    answers::{Frame, escaped_in_query, page},
    chart::{Chart, Series, Shape, Unit},
    session::{Viewer, Zone},
};
use crate::{
    api::{
        read,
        stats::{self, By, day_of, moment, stretch},
    },
    clock,
    problem::Problem,
};

/// As many days are shown if none are asked for.
const DAYS: i64 = 14;
/// Over more days than these, hours would be too many to draw.
const MOST_DAYS_BY_HOUR: i64 = 10;
/// Not every call tells the name of everybody; so many are looked at for one.
const LOOKED_AT: usize = 4;
/// So many queues and extensions are listed; the CSV has all.
const LISTED: usize = 50;

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Range {
    from: String,
    to: String,
    by: String,
}

/// A chart and where its figures are.
struct Drawn {
    title: &'static str,
    svg: String,
    legend: Vec<&'static str>,
}

/// A queue or an extension.
struct Part {
    id: String,
    name: String,
    stats: Stats,
    /// Of the busiest one, in hundred parts.
    share: u64,
}

impl Part {
    fn rate(&self) -> String {
        self.stats
            .answered
            .saturating_mul(100)
            .checked_div(counted(&self.stats))
            .map_or_else(String::new, |rate| format!("{rate} %"))
    }

    fn wait(&self, percent: usize) -> String {
        self.stats.wait_ms(percent).map_or_else(|| "–".to_owned(), humanize::short_duration)
    }

    fn talk(&self) -> String {
        humanize::short_duration(self.stats.talk_ms)
    }
}

/// Calls, or for a queue the visits to it.
fn counted(stats: &Stats) -> u64 {
    stats.offered.max(stats.calls)
}

#[derive(Template)]
#[template(path = "numbers.html")]
struct Numbers {
    from: Date,
    to: Date,
    by: &'static str,
    by_hour: bool,
    total: Part,
    charts: Vec<Drawn>,
    /// By title and kind.
    groups: Vec<(&'static str, &'static str, Vec<Part>)>,
    csv: String,
    frame: Frame,
}

/// The days that are asked for, the last one included.
fn days(range: &Range, zone: &Zone) -> Result<(Date, Date), Problem> {
    let today = clock::now().as_millis();
    let today = Timestamp::from_millisecond(today).unwrap_or_default().to_zoned(zone.zone.clone()).date();
    let day = |name: &str, text: &str, usual: Date| match text {
        "" => Ok(usual),
        text => text
            .parse()
            .map_err(|_| Problem::bad_request(format!("{name}: {text:?} is no day like 2026-05-30"))),
    };
    let to = day("to", &range.to, today)?;
    let from = day("from", &range.from, to.saturating_sub((DAYS - 1).days()))?;
    Ok(if from <= to { (from, to) } else { (to, from) })
}

fn times(from: Date, to: Date, zone: &Zone) -> Result<std::ops::Range<i64>, Problem> {
    let start = |day: Date| moment("day", Some(&day.to_string()), &zone.zone).map(Option::unwrap_or_default);
    Ok(start(from)?..day_of(start(to)? + 43_200_000, &zone.zone).end)
}

fn by(range: &Range, from: Date, to: Date) -> (By, &'static str) {
    let count = i64::from((to - from).get_days()) + 1;
    let hour = if range.by.is_empty() { count <= 2 } else { range.by == "hour" };
    if hour && count <= MOST_DAYS_BY_HOUR { (By::Hour, "hour") } else { (By::Day, "day") }
}

pub(super) async fn numbers(viewer: Viewer, Query(range): Query<Range>) -> Result<Response, Response> {
    let zone = viewer.visitor.zone.clone();
    let (from, to) = days(&range, &zone)?;
    let span = times(from, to, &zone)?;
    let (by, by_name) = by(&range, from, to);
    let figures = read(viewer.view.clone(), move |view| {
        let by_time = view.stats_by_time(span.clone(), |at| stretch(at, by, &zone.zone))?;
        let all = view.stats_by_time(span.clone(), |_| span.clone())?;
        let queues = parts(view, span.clone(), CountedFor::Queue)?;
        let mut extensions = parts(view, span, CountedFor::Extension)?;
        // A queue has an extension id too, and its own list.
        extensions.retain(|part| queues.iter().all(|queue| queue.id != part.id));
        Ok((by_time, all, queues, extensions))
    });
    let (by_time, all, queues, extensions) = figures.await?;
    let total = all.into_iter().next().map(|(_, stats)| stats).unwrap_or_default();
    let frame = Frame::new("numbers", &viewer);
    let zone = escaped_in_query(&viewer.visitor.zone.name);
    Ok(page(&Numbers {
        from,
        to,
        by: by_name,
        by_hour: by == By::Hour,
        charts: charts(&by_time, by, &viewer.visitor.zone),
        total: Part { id: String::new(), name: "All calls".to_owned(), stats: total, share: 100 },
        groups: vec![("By queue", "queue", queues), ("By extension", "extension", extensions)],
        csv: frame.to(format!("/numbers.csv?from={from}&to={to}&zone={zone}")) + "&by=",
        frame,
    }))
}

fn charts(by_time: &[(i64, Stats)], by: By, zone: &Zone) -> Vec<Drawn> {
    let times: Vec<(i64, String)> = by_time
        .iter()
        .map(|(start, _)| {
            let shown = zone.show(*start);
            (*start, if by == By::Hour { shown[5..16].to_owned() } else { shown[..10].to_owned() })
        })
        .collect();
    let stretch_ms = if by == By::Hour { 3_600_000 } else { 86_400_000 };
    let values = |name, value: &dyn Fn(&Stats) -> Option<f64>| Series {
        name,
        values: by_time.iter().map(|(_, stats)| value(stats)).collect(),
    };
    let seconds = |millis: i64| millis as f64 / 1_000.0;
    let chart = |title, shape, unit, series: Vec<Series>| {
        let legend = series.iter().map(|series| series.name).collect();
        Drawn { title, legend, svg: Chart { title, times: &times, stretch_ms, series, shape, unit }.svg() }
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
            "Answered, of all calls",
            Shape::Lines,
            Unit::Percent,
            vec![values("answer rate", &|stats| {
                Some(stats.answered as f64 * 100.0 / stats.calls.max(1) as f64)
            })],
        ),
        chart(
            "Wait until somebody answered",
            Shape::Lines,
            Unit::Time,
            vec![
                values("half at most", &|stats| stats.wait_ms(50).map(seconds)),
                values("nine in ten at most", &|stats| stats.wait_ms(90).map(seconds)),
            ],
        ),
        chart(
            "Talk, all calls together",
            Shape::Bars,
            Unit::Time,
            vec![values("talk", &|stats| Some(seconds(stats.talk_ms)))],
        ),
    ]
}

/// The queues or extensions with the most calls.
fn parts(view: &TenantView, span: std::ops::Range<i64>, kind: CountedFor) -> Result<Vec<Part>, StoreError> {
    let mut stats: Vec<(String, Stats)> = view.stats_by_part(span, kind)?.into_iter().collect();
    stats.sort_by(|(a, x), (b, y)| counted(y).cmp(&counted(x)).then_with(|| a.cmp(b)));
    stats.truncate(LISTED);
    let most = stats.first().map_or(1, |(_, stats)| counted(stats).max(1));
    let names = names_of(view, kind, stats.iter().map(|(id, _)| id.clone()))?;
    let part = |(id, stats): (String, Stats)| Part {
        name: names.get(&id).cloned().unwrap_or_default(),
        share: counted(&stats) * 100 / most,
        id,
        stats,
    };
    Ok(stats.into_iter().map(part).collect())
}

/// What queues or extensions are called, in the last calls of each that give a name.
pub(super) fn names_of(
    view: &TenantView,
    kind: CountedFor,
    ids: impl Iterator<Item = String>,
) -> Result<BTreeMap<String, String>, StoreError> {
    let mut names = BTreeMap::new();
    for id in ids {
        let filter = match kind {
            CountedFor::Extension => Filter { extension: Some(id.clone()), ..Filter::default() },
            CountedFor::Queue => Filter { queue: Some(id.clone()), ..Filter::default() },
        };
        let page = view.calls(&filter, None, None, LOOKED_AT)?;
        let calls = page.records.iter().filter_map(|record| serde_json::from_str::<Call>(record).ok());
        let mut seen = calls
            .flat_map(|call| call.participants)
            .filter(|participant| participant.extension_id.as_deref() == Some(&id));
        let Some(last) = seen.next() else { continue };
        let best =
            if last.name.is_some() { None } else { seen.find(|participant| participant.name.is_some()) };
        names.insert(id, names::name_of(&best.unwrap_or(last)));
    }
    Ok(names)
}

/// The same figures for spreadsheets.
pub(super) async fn csv(viewer: Viewer, Query(range): Query<Range>) -> Result<Response, Response> {
    let zone = viewer.visitor.zone.clone();
    let by = By::from_word(&range.by)?;
    let (from, to) = days(&range, &zone)?;
    let span = times(from, to, &zone)?;
    viewer.view.export("figures as CSV")?;
    let rows = read(viewer.view, move |view| stats::rows(view, span, by, &zone.zone)).await?;
    let headers = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"numbers.csv\""),
    ];
    Ok((headers, stats::csv(by, &rows)?).into_response())
}
