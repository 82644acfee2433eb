//! Requests about the call log: pages, single records, synchronization, active calls.

use serde_json::{Value, json};
use wholecall_simulator::{Iso, Millis};

use crate::{
    call_log::{Entry, View},
    platform::Customer,
    reply::{Content, Reply, Request, escaped, page},
};

const HOUR: Millis = 3_600_000;
const DAY: Millis = 24 * HOUR;

/// So many records a synchronization tells at most; and what is made of extracts.
const SYNC_MOST: usize = 250;
const EXTRACT_MOST: usize = 1000;

/// `GET …/active-calls`, newest first.
pub(crate) fn active_calls(
    customer: &Customer,
    view: &View<'_>,
    request: &Request,
    now: Millis,
) -> Result<Reply, Reply> {
    let mut calls: Vec<(Millis, Value)> = customer
        .sessions
        .values()
        .filter_map(|session| Some((session.begun, view.active(session, now)?)))
        .filter(|(_, record)| is_wanted(request, record))
        .collect();
    calls.sort_by_key(|(begun, _)| std::cmp::Reverse(*begun));
    page(request, calls.into_iter().map(|(_, record)| record).collect(), false)
}

/// `GET …/call-log`, newest first; a day unless something else is asked for.
pub(crate) fn call_log(
    customer: &Customer,
    view: &View<'_>,
    request: &Request,
    now: Millis,
) -> Result<Reply, Reply> {
    let by_session = request.parameter("sessionId").is_some();
    let is_filter = |name: &str| !["sessionId", "view", "page", "perPage", "access_token"].contains(&name);
    if let Some((name, _)) = request.query.iter().find(|(name, _)| by_session && is_filter(name)) {
        let message = format!("Parameter [sessionId] is not allowed for usage along with parameter [{name}]");
        return Err(Reply::error(400, "CLG-110", &message));
    }
    let to = date(request, "dateTo")?.unwrap_or(now + 1);
    let usual_from = if by_session { Millis::MIN } else { to - DAY };
    let from = date(request, "dateFrom")?.unwrap_or(usual_from);
    let entries = entries(customer, view, now).into_iter();
    let wanted =
        entries.filter(|entry| (from..to).contains(&entry.started) && is_wanted(request, &entry.record));
    page(request, wanted.map(|entry| entry.record).collect(), false)
}

/// Everything the log has, newest first.
fn entries(customer: &Customer, view: &View<'_>, now: Millis) -> Vec<Entry> {
    let mut entries: Vec<Entry> =
        customer.sessions.values().filter_map(|session| view.entry(session, now)).collect();
    entries.sort_by_key(|entry| std::cmp::Reverse(entry.started));
    entries
}

fn is_wanted(request: &Request, record: &Value) -> bool {
    let of = |name: &str, field: &str| {
        let mut wanted = request.parameters(name).peekable();
        wanted.peek().is_none() || wanted.any(|value| record[field] == value)
    };
    let has_number = |number: &str| {
        ["from", "to"].iter().any(|side| {
            record[side]["phoneNumber"].as_str().is_some_and(|own| own.trim_start_matches('+') == number)
        })
    };
    of("direction", "direction")
        && of("type", "type")
        && of("transport", "transport")
        && of("sessionId", "sessionId")
        && of("telephonySessionId", "telephonySessionId")
        && request.parameter("phoneNumber").is_none_or(|number| has_number(number.trim_start_matches('+')))
        && request.parameter("recordingType").is_none_or(|wanted| has_recording(record, wanted))
}

/// Whether a record has a recording of a type: `Automatic`, `OnDemand`, or `All`.
fn has_recording(record: &Value, wanted: &str) -> bool {
    let recording = &record["recording"];
    recording.is_object() && (wanted == "All" || recording["type"] == wanted)
}

/// A date in any of the lengths that RingCentral takes: `2026`, `2026-06`, … with or without a zone.
fn date(request: &Request, name: &str) -> Result<Option<Millis>, Reply> {
    let Some(text) = request.parameter(name) else { return Ok(None) };
    let whole = match text.len() {
        4 => format!("{text}-01-01T00:00:00Z"),
        7 => format!("{text}-01T00:00:00Z"),
        10 => format!("{text}T00:00:00Z"),
        _ if text.ends_with('Z') || text.get(10..).is_some_and(|rest| rest.contains(['+', '-'])) => {
            text.to_owned()
        }
        _ => format!("{text}Z"),
    };
    let time = whole.parse::<jiff::Timestamp>();
    time.map(|time| Some(time.as_millisecond())).map_err(|_| Reply::bad_parameter("CMN-101", name, text, ""))
}

/// `GET …/call-log/{ids}`: one record, or several with a status each.
pub(crate) fn records(
    customer: &Customer,
    view: &View<'_>,
    request: &Request,
    ids: &str,
    now: Millis,
) -> Result<Reply, Reply> {
    let entries = entries(customer, view, now);
    let find =
        |id: &str| entries.iter().find(|entry| entry.record["id"] == id).map(|entry| entry.record.clone());
    let ids: Vec<&str> = ids.split(',').collect();
    if let [id] = ids[..] {
        return find(id).map(Reply::ok).ok_or_else(|| Reply::not_found("callRecordId"));
    }
    if ids.len() > 50 {
        return Err(Reply::error(400, "CMN-106", "Too many identifiers in a batch request"));
    }
    let found = ids.iter().map(|id| match find(id) {
        Some(record) => (*id, 200, record),
        None => (*id, 404, json_of(Reply::not_found("callRecordId"))),
    });
    if request.accept.contains("application/vnd.ringcentral.multipart+json") {
        let parts: Vec<Value> = found
            .map(|(id, status, body)| json!({ "resourceId": id, "status": status, "body": body }))
            .collect();
        return Ok(Reply::json(207, parts.into()));
    }
    let found: Vec<(&str, u16, Value)> = found.collect();
    let statuses: Vec<Value> = found
        .iter()
        .map(|(id, status, _)| {
            let description = if *status == 200 { "OK" } else { "Not Found" };
            json!({ "href": format!("{}/{id}", request.path), "status": status, "responseDescription": description })
        })
        .collect();
    let first = json!({ "response": statuses });
    let parts = std::iter::once(&first).chain(found.iter().map(|(_, _, body)| body));
    let text = parts.fold(String::new(), |text, part| {
        text + &format!("--Boundary_Fake\r\nContent-Type: application/json\r\n\r\n{part}\r\n")
    });
    let body = Content::Other(
        "multipart/mixed; boundary=Boundary_Fake",
        (text + "--Boundary_Fake--\r\n").into_bytes(),
    );
    Ok(Reply { status: 207, headers: Vec::new(), body })
}

fn json_of(reply: Reply) -> Value {
    match reply.body {
        Content::Json(body) => body,
        Content::None | Content::Other(..) => Value::Null,
    }
}

/// What a sync token remembers.
struct SyncToken {
    /// Everything that changed until then was told.
    until: Millis,
    /// Calls that started earlier do not matter.
    from: Millis,
    is_detailed: bool,
    only_missed: bool,
}

impl SyncToken {
    fn write(&self) -> String {
        let Self { until, from, is_detailed, only_missed } = self;
        format!("FAsD-{until:x}-{from:x}-{}{}", u8::from(*is_detailed), u8::from(*only_missed))
    }

    fn read(request: &Request, customer: &Customer) -> Result<Self, Reply> {
        let text = request.parameter("syncToken").unwrap_or_default();
        let bad = |detail: &str| Reply::bad_parameter("CLG-101", "syncToken", text, detail);
        let parts: Vec<&str> = text.split('-').collect();
        let ["FAsD", until, from, flags] = parts[..] else { return Err(bad("")) };
        let number = |hex: &str| Millis::from_str_radix(hex, 16).map_err(|_| bad(""));
        let token = Self {
            until: number(until)?,
            from: number(from)?,
            is_detailed: flags.starts_with('1'),
            only_missed: flags.ends_with('1'),
        };
        if token.until < customer.log_since {
            return Err(bad("Sync token expired, call log was reset"));
        }
        Ok(token)
    }
}

/// How many records were asked for.
fn record_count(request: &Request, most: usize) -> Result<Option<usize>, Reply> {
    let Some(text) = request.parameter("recordCount") else { return Ok(None) };
    let count = text.parse().ok().filter(|count| (1..=most).contains(count));
    count.map(Some).ok_or_else(|| Reply::bad_parameter("CMN-101", "recordCount", text, ""))
}

/// `GET …/call-log-sync`: everything (FSync), or what is new and what has changed (ISync).
pub(crate) fn sync(
    customer: &Customer,
    mut view: View<'_>,
    request: &Request,
    now: Millis,
) -> Result<Reply, Reply> {
    let is_missed = |record: &Value| {
        ["Missed", "Abandoned", "Voicemail"].iter().any(|result| record["result"] == *result)
    };
    let count = record_count(request, SYNC_MOST)?;
    if request.parameter("syncType") == Some("ISync") {
        let token = SyncToken::read(request, customer)?;
        view.is_detailed = token.is_detailed;
        let records: Vec<Value> = entries(customer, &view, now)
            .into_iter()
            .filter(|entry| entry.modified > token.until && entry.started >= token.from)
            .filter(|entry| !token.only_missed || is_missed(&entry.record))
            .map(|entry| entry.record)
            .collect();
        if records.len() > SYNC_MOST {
            let text = request.parameter("syncToken").unwrap_or_default();
            return Err(Reply::bad_parameter(
                "CLG-104",
                "syncToken",
                text,
                "max sync record number limit is exceeded",
            ));
        }
        return Ok(synced(request, "ISync", records, SyncToken { until: now, ..token }, None));
    }
    let count = count.ok_or_else(|| Reply::bad_parameter("CMN-101", "recordCount", "", ""))?;
    let from = date(request, "dateFrom")?.unwrap_or(now - 30 * DAY);
    let only_missed = request.parameter("statusGroup") == Some("Missed");
    let records = entries(customer, &view, now)
        .into_iter()
        .filter(|entry| entry.started >= from && (!only_missed || is_missed(&entry.record)))
        .map(|entry| entry.record)
        .take(count)
        .collect();
    let token = SyncToken { until: now, from, is_detailed: view.is_detailed, only_missed };
    Ok(synced(request, "FSync", records, token, None))
}

/// `GET …/call-log-extract-sync`: records by the time of their last change, oldest first.
pub(crate) fn extract_sync(
    customer: &Customer,
    mut view: View<'_>,
    request: &Request,
    now: Millis,
) -> Result<Reply, Reply> {
    let is_first = request.parameter("syncType") != Some("ISync");
    let token = match is_first {
        true => SyncToken {
            until: date(request, "dateFrom")?.unwrap_or(now - HOUR),
            from: 0,
            is_detailed: view.is_detailed,
            only_missed: false,
        },
        false if request.parameter("recordCount").is_some() => {
            return Err(Reply::bad_parameter("CMN-101", "recordCount", "", "not allowed with ISync"));
        }
        false => SyncToken::read(request, customer)?,
    };
    view.is_detailed = token.is_detailed;
    let count = record_count(request, EXTRACT_MOST)?.unwrap_or(SYNC_MOST);
    let mut changed: Vec<Entry> =
        entries(customer, &view, now).into_iter().filter(|entry| entry.modified > token.until).collect();
    changed.sort_by_key(|entry| entry.modified);
    // Those that changed in one millisecond are told together, or some would be passed over.
    let last = changed.get(count - 1).map(|entry| entry.modified);
    let told = changed.iter().take_while(|entry| last.is_none_or(|last| entry.modified <= last)).count();
    let has_more = told < changed.len();
    let until = if has_more { last.unwrap_or(now) } else { now };
    let records = changed.into_iter().take(told).map(|entry| entry.record).collect();
    let kind = if is_first { "FSync" } else { "ISync" };
    Ok(synced(request, kind, records, SyncToken { until, ..token }, Some(has_more)))
}

fn synced(
    request: &Request,
    kind: &str,
    records: Vec<Value>,
    token: SyncToken,
    has_more: Option<bool>,
) -> Reply {
    let query = request.query.iter().map(|(name, value)| format!("{name}={}", escaped(value)));
    let query = query.collect::<Vec<_>>().join("&");
    let mut info =
        json!({ "syncType": kind, "syncToken": token.write(), "syncTime": Iso(token.until).to_string() });
    if let Some(has_more) = has_more {
        info["newerRecordsExist"] = has_more.into();
    }
    Reply::ok(json!({
        "uri": format!("{}{}?{query}", request.base, request.path), "records": records, "syncInfo": info
    }))
}
