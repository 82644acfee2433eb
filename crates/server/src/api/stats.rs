//! `GET /v1/stats`: figures by day, hour, extension or queue, in a time zone.

use std::ops::Range;

use axum::{
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use jiff::{Timestamp, civil::Date, tz::TimeZone};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use wholecall_render::csv::Rows;
use wholecall_store::{Stats, StatsGroup, TenantView};

use super::{
    access::Access,
    compute, json as respond,
    parameters::{Parameters, time},
};
use crate::{problem::Problem, zone};

const HOUR_MS: i64 = 3_600_000;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StatsQuery {
    from: Option<String>,
    to: Option<String>,
    zone: Option<String>,
    by: Option<String>,
    format: Option<String>,
}

/// What figures are grouped by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum By {
    Day,
    Hour,
    Extension,
    Queue,
}

impl By {
    const ALL: [(Self, &'static str); 4] =
        [(Self::Day, "day"), (Self::Hour, "hour"), (Self::Extension, "extension"), (Self::Queue, "queue")];

    pub(crate) fn from_word(word: &str) -> Result<Self, Problem> {
        let known = Self::ALL.into_iter().find(|(_, name)| *name == word);
        known.map(|(by, _)| by).ok_or_else(|| {
            Problem::bad_request(format!("by: {word:?} is not one of day, hour, extension, queue"))
        })
    }

    /// The name of the column that identifies a row.
    fn key_column(self) -> &'static str {
        match self {
            Self::Day | Self::Hour => "start",
            Self::Extension => "extension",
            Self::Queue => "queue",
        }
    }
}

/// The figures; by default by day and in UTC.
pub(super) async fn stats(
    Access(view): Access,
    Parameters(query): Parameters<StatsQuery>,
) -> Result<Response, Problem> {
    let by = query.by.as_deref().map_or(Ok(By::Day), By::from_word)?;
    let name = query.zone.as_deref().unwrap_or("UTC").to_owned();
    let zone = zone::named(&name).ok_or_else(|| {
        Problem::bad_request(format!("zone: {name:?} is not a time zone like America/New_York"))
    })?;
    let is_csv = match query.format.as_deref() {
        None | Some("json") => false,
        Some("csv") => true,
        Some(other) => return Err(Problem::bad_request(format!("format: {other:?} is not json or csv"))),
    };
    if is_csv {
        view.export("figures as CSV")?;
    }
    let from = time_or_day("from", query.from.as_deref(), &zone)?.unwrap_or(i64::MIN);
    let to = time_or_day("to", query.to.as_deref(), &zone)?.unwrap_or(i64::MAX);
    compute(view, move |view| {
        let rows = rows(view, from..to, by, &zone)?;
        if is_csv {
            return Ok(([(header::CONTENT_TYPE, "text/csv; charset=utf-8")], csv(by, &rows)?).into_response());
        }
        let buckets: Vec<Value> = rows.iter().map(|(name, stats)| to_json(by, name, stats)).collect();
        Ok(respond(json!({ "zone": name, "buckets": buckets }).to_string()))
    })
    .await
}

/// Parses a time, or a day: then it is the start of that day in the zone.
pub(crate) fn time_or_day(name: &str, value: Option<&str>, zone: &TimeZone) -> Result<Option<i64>, Problem> {
    let Some(day) = value.filter(|value| value.len() == 10).and_then(|value| value.parse::<Date>().ok())
    else {
        return time(name, value);
    };
    let start =
        day.to_zoned(zone.clone()).map_err(|error| Problem::bad_request(format!("{name}: {error}")))?;
    Ok(Some(start.timestamp().as_millisecond()))
}

/// The figures with the name of each row: a start time, an extension id or a queue's extension id.
pub(crate) fn rows(
    view: &TenantView,
    time: Range<i64>,
    by: By,
    zone: &TimeZone,
) -> Result<Vec<(String, Stats)>, wholecall_store::StoreError> {
    let part = match by {
        By::Day | By::Hour => {
            let periods = view.stats_by_time(time, |at| period_at(at, by, zone))?;
            return Ok(periods.into_iter().map(|(start, stats)| (local_time(start, zone), stats)).collect());
        }
        By::Extension => StatsGroup::Extension,
        By::Queue => StatsGroup::Queue,
    };
    Ok(view.stats_by_group(time, part)?.into_iter().collect())
}

/// The local day or hour that contains a time. When the clock goes back, the repeated hour is an hour of its own; days
/// have 23 to 25 hours.
pub(crate) fn period_at(at_ms: i64, by: By, zone: &TimeZone) -> Range<i64> {
    // A time beyond the calendar's range is a period of its own.
    local_period_at(at_ms, by, zone).unwrap_or(at_ms..at_ms.saturating_add(1))
}

fn local_period_at(at_ms: i64, by: By, zone: &TimeZone) -> Option<Range<i64>> {
    let at = Timestamp::from_millisecond(at_ms).ok()?;
    if by == By::Hour {
        let local_ms = at_ms + i64::from(zone.to_offset(at).seconds()) * 1_000;
        let start = at_ms - local_ms.rem_euclid(HOUR_MS);
        return Some(start..start + HOUR_MS);
    }
    let start = at.to_zoned(zone.clone()).start_of_day().ok()?;
    let end = start.tomorrow().ok()?.start_of_day().ok()?;
    Some(start.timestamp().as_millisecond()..end.timestamp().as_millisecond())
}

/// The local day that contains a time.
pub(crate) fn day_of(at_ms: i64, zone: &TimeZone) -> Range<i64> {
    period_at(at_ms, By::Day, zone)
}

/// A time in RFC 3339 with the zone's offset.
fn local_time(at_ms: i64, zone: &TimeZone) -> String {
    let Ok(at) = Timestamp::from_millisecond(at_ms) else { return at_ms.to_string() };
    at.display_with_offset(zone.to_offset(at)).to_string()
}

/// The figures with their names, in the order of the columns.
fn figures(by: By, stats: &Stats) -> Vec<(&'static str, Value)> {
    let waits =
        [("waitMedianMs", Value::from(stats.wait_ms(50))), ("waitP90Ms", Value::from(stats.wait_ms(90)))];
    if by == By::Queue {
        let columns = [
            ("calls", stats.calls),
            ("offered", stats.offered),
            ("answered", stats.answered),
            ("left", stats.left),
            ("overflowed", stats.overflowed),
            ("abandoned", stats.abandoned),
            ("unknown", stats.unknown),
            ("open", stats.open),
        ];
        return columns.map(|(name, count)| (name, count.into())).into_iter().chain(waits).collect();
    }
    let counts = [
        ("calls", stats.calls.into()),
        ("answered", stats.answered.into()),
        ("missed", stats.missed.into()),
        ("abandoned", stats.abandoned.into()),
        ("voicemail", stats.voicemail.into()),
        ("talkMs", stats.talk_ms.into()),
        ("holdMs", stats.hold_ms.into()),
    ];
    counts.into_iter().chain(waits).chain([("transfers", stats.transfers.into())]).collect()
}

fn to_json(by: By, name: &str, stats: &Stats) -> Value {
    let mut members = Map::new();
    members.insert(by.key_column().to_owned(), name.into());
    members.extend(figures(by, stats).into_iter().map(|(name, value)| (name.to_owned(), value)));
    members.into()
}

pub(crate) fn csv(by: By, rows: &[(String, Stats)]) -> Result<Vec<u8>, Problem> {
    let mut out = Vec::new();
    write_csv(&mut out, by, rows).map_err(|error| {
        tracing::error!(%error, "the figures could not be written");
        let detail = "the figures could not be written; the service's log has the reason";
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, detail)
    })?;
    Ok(out)
}

fn write_csv(out: &mut Vec<u8>, by: By, rows: &[(String, Stats)]) -> std::io::Result<()> {
    let names = figures(by, &Stats::default()).into_iter().map(|(name, _)| name);
    let mut csv = Rows::new(out, [by.key_column()].into_iter().chain(names))?;
    for (name, stats) in rows {
        let values = figures(by, stats)
            .into_iter()
            .map(|(_, value)| if value.is_null() { String::new() } else { value.to_string() });
        csv.write([name.clone()].into_iter().chain(values))?;
    }
    csv.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The start of each hour of a day in New York.
    fn hours_of(day: &str) -> Vec<String> {
        let zone = TimeZone::get("America/New_York").unwrap();
        let start = time_or_day("from", Some(day), &zone).unwrap().unwrap();
        let day = period_at(start, By::Day, &zone);
        assert_eq!(day.start, start);
        let (mut at, mut hours) = (day.start, Vec::new());
        while at < day.end {
            let hour = period_at(at + 1_799_999, By::Hour, &zone);
            assert_eq!(hour.start, at);
            hours.push(local_time(at, &zone));
            at = hour.end;
        }
        assert_eq!(at, day.end);
        hours
    }

    #[test]
    fn a_day_of_23_hours_skips_an_hour() {
        let hours = hours_of("2026-03-08");
        assert_eq!(hours.len(), 23);
        assert_eq!(hours[1..3], ["2026-03-08T01:00:00-05:00", "2026-03-08T03:00:00-04:00"]);
    }

    #[test]
    fn a_day_of_25_hours_repeats_an_hour() {
        let hours = hours_of("2026-11-01");
        assert_eq!(hours.len(), 25);
        assert_eq!(hours[1..3], ["2026-11-01T01:00:00-04:00", "2026-11-01T01:00:00-05:00"]);
    }

    #[test]
    fn a_day_without_midnight_starts_at_one() {
        // In Beirut the clock goes forward at midnight.
        let zone = TimeZone::get("Asia/Beirut").unwrap();
        let noon = "2026-03-29T12:00:00+03:00".parse::<Timestamp>().unwrap().as_millisecond();
        let day = period_at(noon, By::Day, &zone);
        assert_eq!(local_time(day.start, &zone), "2026-03-29T01:00:00+03:00");
        assert_eq!(day.end - day.start, 23 * 3_600_000);
    }
}
