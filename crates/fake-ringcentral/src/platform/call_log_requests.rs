//! Requests for the call log: lists, single records, synchronization, active calls.

use serde_json::{Value, json};
use wholecall_simulator::Timestamp;

use super::{
    account::AccountState,
    call_log::{Entry, LogView},
    page::page,
    reply::{Body, Reply},
    request::{Request, escape},
};

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

/// Maximum number of records in an answer of `call-log-sync`.
const MAX_SYNC_RECORDS: usize = 250;

/// Maximum number of records in an answer of `call-log-extract-sync`.
const MAX_EXTRACT_RECORDS: usize = 1000;

/// Maximum number of ids in a request for several records.
const MAX_BATCH_IDS: usize = 50;

/// `GET …/active-calls`, newest first.
pub(crate) fn active_calls(
    account: &AccountState,
    view: &LogView<'_>,
    request: &Request,
    now: Timestamp,
) -> Result<Reply, Reply> {
    let mut calls: Vec<(Timestamp, Value)> = account
        .sessions
        .values()
        .filter_map(|session| Some((session.started_at, view.active(session, now)?)))
        .filter(|(_, record)| matches(request, record))
        .collect();
    calls.sort_by_key(|(started_at, _)| std::cmp::Reverse(*started_at));
    page(request, calls.into_iter().map(|(_, record)| record).collect(), false)
}

/// `GET …/call-log`, newest first; of the last day by default.
pub(crate) fn call_log(
    account: &AccountState,
    view: &LogView<'_>,
    request: &Request,
    now: Timestamp,
) -> Result<Reply, Reply> {
    let by_session = request.parameter("sessionId").is_some();
    let is_filter = |name: &str| !["sessionId", "view", "page", "perPage", "access_token"].contains(&name);
    if let Some((name, _)) = request.query.iter().find(|(name, _)| by_session && is_filter(name)) {
        let message = format!("Parameter [sessionId] is not allowed for usage along with parameter [{name}]");
        return Err(Reply::error(400, "CLG-110", &message));
    }
    let to = date(request, "dateTo")?.unwrap_or(now + 1);
    let default_from = if by_session { Timestamp::MIN } else { to - DAY_MS };
    let from = date(request, "dateFrom")?.unwrap_or(default_from);
    let entries = entries(account, view, now).into_iter();
    let found =
        entries.filter(|entry| (from..to).contains(&entry.started_at) && matches(request, &entry.record));
    page(request, found.map(|entry| entry.record).collect(), false)
}

/// All records of the log, newest first.
fn entries(account: &AccountState, view: &LogView<'_>, now: Timestamp) -> Vec<Entry> {
    let mut entries: Vec<Entry> =
        account.sessions.values().filter_map(|session| view.entry(session, now)).collect();
    entries.sort_by_key(|entry| std::cmp::Reverse(entry.started_at));
    entries
}

/// Whether a record matches the filters of a request.
fn matches(request: &Request, record: &Value) -> bool {
    let filters = ["direction", "type", "transport", "sessionId", "telephonySessionId"];
    let has_number = |number: &str| {
        ["from", "to"].iter().any(|side| {
            record[side]["phoneNumber"].as_str().is_some_and(|own| own.trim_start_matches('+') == number)
        })
    };
    filters.into_iter().all(|name| request.allows(name, &record[name]))
        && request.parameter("phoneNumber").is_none_or(|number| has_number(number.trim_start_matches('+')))
        && request.parameter("recordingType").is_none_or(|kind| has_recording(record, kind))
}

/// Whether a record has a recording of a type: `Automatic`, `OnDemand`, or `All`.
fn has_recording(record: &Value, kind: &str) -> bool {
    let recording = &record["recording"];
    recording.is_object() && (kind == "All" || recording["type"] == kind)
}

/// A date in any format that RingCentral accepts: `2026`, `2026-06`, …, with or without a zone.
fn date(request: &Request, name: &str) -> Result<Option<Timestamp>, Reply> {
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
    let time = time.map(|time| Some(Timestamp::from_millis(time.as_millisecond())));
    time.map_err(|_| Reply::bad_parameter("CMN-101", name, text, ""))
}

/// `GET …/call-log/{ids}`: one record, or several with a status each.
pub(crate) fn records(
    account: &AccountState,
    view: &LogView<'_>,
    request: &Request,
    ids: &str,
    now: Timestamp,
) -> Result<Reply, Reply> {
    let entries = entries(account, view, now);
    let find =
        |id: &str| entries.iter().find(|entry| entry.record["id"] == id).map(|entry| entry.record.clone());
    let ids: Vec<&str> = ids.split(',').collect();
    if let [id] = ids[..] {
        return find(id).map(Reply::ok).ok_or_else(|| Reply::not_found("callRecordId"));
    }
    if ids.len() > MAX_BATCH_IDS {
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
    let body =
        Body::Other("multipart/mixed; boundary=Boundary_Fake", (text + "--Boundary_Fake--\r\n").into_bytes());
    Ok(Reply { status: 207, headers: Vec::new(), body })
}

fn json_of(reply: Reply) -> Value {
    match reply.body {
        Body::Json(body) => body,
        Body::None | Body::Other(..) => Value::Null,
    }
}

/// The contents of a sync token.
struct SyncToken {
    /// Changes up to this time were returned.
    until: Timestamp,
    /// Calls that started earlier are left out.
    from: Timestamp,
    is_detailed: bool,
    only_missed: bool,
}

impl SyncToken {
    fn text(&self) -> String {
        let (until, from) = (self.until.as_millis(), self.from.as_millis());
        format!("FAsD-{until:x}-{from:x}-{}{}", u8::from(self.is_detailed), u8::from(self.only_missed))
    }

    fn parse(request: &Request, account: &AccountState) -> Result<Self, Reply> {
        let text = request.parameter("syncToken").unwrap_or_default();
        let bad = |detail: &str| Reply::bad_parameter("CLG-101", "syncToken", text, detail);
        let parts: Vec<&str> = text.split('-').collect();
        let ["FAsD", until, from, flags] = parts[..] else { return Err(bad("")) };
        let time = |hex: &str| i64::from_str_radix(hex, 16).map(Timestamp::from_millis).map_err(|_| bad(""));
        let token = Self {
            until: time(until)?,
            from: time(from)?,
            is_detailed: flags.starts_with('1'),
            only_missed: flags.ends_with('1'),
        };
        if token.until < account.log_reset_at {
            return Err(bad("Sync token expired, call log was reset"));
        }
        Ok(token)
    }
}

/// The requested number of records; `None` if the request does not state it.
fn record_count(request: &Request, max: usize) -> Result<Option<usize>, Reply> {
    let Some(text) = request.parameter("recordCount") else { return Ok(None) };
    let count = text.parse().ok().filter(|count| (1..=max).contains(count));
    count.map(Some).ok_or_else(|| Reply::bad_parameter("CMN-101", "recordCount", text, ""))
}

/// `GET …/call-log-sync`: all records (FSync), or those that were added or changed since a token (ISync).
pub(crate) fn sync(
    account: &AccountState,
    mut view: LogView<'_>,
    request: &Request,
    now: Timestamp,
) -> Result<Reply, Reply> {
    let is_missed = |record: &Value| {
        ["Missed", "Abandoned", "Voicemail"].iter().any(|result| record["result"] == *result)
    };
    let count = record_count(request, MAX_SYNC_RECORDS)?;
    if request.parameter("syncType") == Some("ISync") {
        let token = SyncToken::parse(request, account)?;
        view.is_detailed = token.is_detailed;
        let records: Vec<Value> = entries(account, &view, now)
            .into_iter()
            .filter(|entry| entry.modified_at > token.until && entry.started_at >= token.from)
            .filter(|entry| !token.only_missed || is_missed(&entry.record))
            .map(|entry| entry.record)
            .collect();
        if records.len() > MAX_SYNC_RECORDS {
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
    let from = date(request, "dateFrom")?.unwrap_or(now - 30 * DAY_MS);
    let only_missed = request.parameter("statusGroup") == Some("Missed");
    let records = entries(account, &view, now)
        .into_iter()
        .filter(|entry| entry.started_at >= from && (!only_missed || is_missed(&entry.record)))
        .map(|entry| entry.record)
        .take(count)
        .collect();
    let token = SyncToken { until: now, from, is_detailed: view.is_detailed, only_missed };
    Ok(synced(request, "FSync", records, token, None))
}

/// `GET …/call-log-extract-sync`: records by the time of their last change, oldest first.
pub(crate) fn extract_sync(
    account: &AccountState,
    mut view: LogView<'_>,
    request: &Request,
    now: Timestamp,
) -> Result<Reply, Reply> {
    let is_first = request.parameter("syncType") != Some("ISync");
    let token = match is_first {
        true => SyncToken {
            until: date(request, "dateFrom")?.unwrap_or(now - HOUR_MS),
            from: Timestamp::from_millis(0),
            is_detailed: view.is_detailed,
            only_missed: false,
        },
        false if request.parameter("recordCount").is_some() => {
            return Err(Reply::bad_parameter("CMN-101", "recordCount", "", "not allowed with ISync"));
        }
        false => SyncToken::parse(request, account)?,
    };
    view.is_detailed = token.is_detailed;
    let count = record_count(request, MAX_EXTRACT_RECORDS)?.unwrap_or(MAX_SYNC_RECORDS);
    let mut changed: Vec<Entry> =
        entries(account, &view, now).into_iter().filter(|entry| entry.modified_at > token.until).collect();
    changed.sort_by_key(|entry| entry.modified_at);
    // The token has only a time: records that changed in the same millisecond must be in the same answer.
    let last = changed.get(count - 1).map(|entry| entry.modified_at);
    let count = changed.iter().take_while(|entry| last.is_none_or(|last| entry.modified_at <= last)).count();
    let has_more = count < changed.len();
    let until = if has_more { last.unwrap_or(now) } else { now };
    let records = changed.into_iter().take(count).map(|entry| entry.record).collect();
    let kind = if is_first { "FSync" } else { "ISync" };
    Ok(synced(request, kind, records, SyncToken { until, ..token }, Some(has_more)))
}

/// An answer with records and the next token.
fn synced(
    request: &Request,
    kind: &str,
    records: Vec<Value>,
    token: SyncToken,
    has_more: Option<bool>,
) -> Reply {
    let query = request.query.iter().map(|(name, value)| format!("{name}={}", escape(value)));
    let query = query.collect::<Vec<_>>().join("&");
    let mut info = json!({ "syncType": kind, "syncToken": token.text(), "syncTime": token.until });
    if let Some(has_more) = has_more {
        info["newerRecordsExist"] = has_more.into();
    }
    Reply::ok(json!({
        "uri": format!("{}{}?{query}", request.base, request.path), "records": records, "syncInfo": info
    }))
}
