//! `GET /v1/calls` and the addresses below it.

use axum::{
    extract::Path,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use wholecall_record::{Call, WriteJson};
use wholecall_render::{csv::CsvWriter, vcon};
use wholecall_store::{CallLookup, Entry};

use super::{
    Reader,
    access::Access,
    compute, json,
    parameters::{CallQuery, Parameters, cursor_of_position, limit, position_from_cursor, time},
};
use crate::problem::Problem;

const DEFAULT_CALLS: usize = 50;
const MAX_CALLS: usize = 1_000;

/// The format in which calls are returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Json,
    Ndjson,
    Csv,
    Vcon,
}

impl Format {
    const ALL: [(Self, &'static str, &'static str); 4] = [
        (Self::Json, "json", "application/json"),
        (Self::Ndjson, "ndjson", "application/x-ndjson"),
        (Self::Csv, "csv", "text/csv"),
        (Self::Vcon, "vcon", "application/vcon+json"),
    ];

    /// The requested format; fails if the key's scope does not permit it.
    fn permitted(parameter: Option<&str>, headers: &HeaderMap, view: &Reader) -> Result<Self, Problem> {
        let format = Self::requested(parameter, headers)?;
        match format {
            Self::Json | Self::Ndjson => {}
            Self::Csv => view.export("calls as CSV")?,
            Self::Vcon => view.export("calls as vCon")?,
        }
        Ok(format)
    }

    /// `format` takes precedence over `Accept`.
    fn requested(parameter: Option<&str>, headers: &HeaderMap) -> Result<Self, Problem> {
        if let Some(name) = parameter {
            let known = Self::ALL.into_iter().find(|(_, other, _)| *other == name);
            return known.map(|(format, ..)| format).ok_or_else(|| {
                Problem::bad_request(format!("format: {name:?} is not one of json, ndjson, csv, vcon"))
            });
        }
        let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or("*/*");
        let kinds = accept.split(',').filter_map(|kind| kind.split(';').next()).map(str::trim);
        for kind in kinds {
            let known = Self::ALL.into_iter().find(|(.., other)| *other == kind);
            if let Some((format, ..)) = known {
                return Ok(format);
            }
            if matches!(kind, "*/*" | "application/*" | "text/html" | "text/*") {
                return Ok(Self::Json);
            }
        }
        let detail =
            "Accept: must allow application/json, application/x-ndjson, text/csv or application/vcon+json";
        Err(Problem::new(StatusCode::NOT_ACCEPTABLE, detail))
    }

    fn content_type(self) -> HeaderValue {
        if self == Self::Csv {
            return HeaderValue::from_static("text/csv; charset=utf-8");
        }
        let kind = Self::ALL.into_iter().find(|(format, ..)| *format == self);
        HeaderValue::from_static(kind.map_or("application/json", |(.., kind)| kind))
    }

    /// The records in this format. The caller wraps JSON itself.
    fn write(self, records: &[String]) -> Result<Response, Problem> {
        let mut out = Vec::new();
        match self {
            Self::Json | Self::Ndjson => {
                for record in records {
                    out.extend_from_slice(record.as_bytes());
                    out.push(b'\n');
                }
            }
            Self::Csv => {
                let mut writer = CsvWriter::new(&mut out).map_err(failed)?;
                for record in records {
                    writer.write(&parse(record)?).map_err(failed)?;
                }
                writer.flush().map_err(failed)?;
            }
            Self::Vcon => {
                for record in records {
                    out.extend_from_slice(vcon::vcon(&parse(record)?).to_string().as_bytes());
                    out.push(b'\n');
                }
            }
        }
        Ok(([(header::CONTENT_TYPE, self.content_type())], out).into_response())
    }
}

fn failed(error: impl std::fmt::Display) -> Problem {
    tracing::error!(%error, "a call record cannot be read or written");
    let detail = "the calls could not be written; the service's log has the reason";
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, detail)
}

pub(crate) fn parse(record: &str) -> Result<Call, Problem> {
    serde_json::from_str(record).map_err(failed)
}

/// Matching calls, newest first.
pub(super) async fn list(
    Access(view): Access,
    Parameters(query): Parameters<CallQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let format = Format::permitted(query.format.as_deref(), &headers, &view)?;
    let filter = query.filter()?;
    let as_of = time("as_of", query.as_of.as_deref())?;
    let limit = limit(query.limit, DEFAULT_CALLS, MAX_CALLS)?;
    let after = query.cursor.as_deref().map(position_from_cursor).transpose()?;
    compute(view, move |view| {
        let page = view.calls(&filter, as_of, after, limit)?;
        let next = page.next.map(cursor_of_position);
        if format != Format::Json {
            let mut response = format.write(&page.records)?;
            if let Some(next) = next.and_then(|next| HeaderValue::from_str(&next).ok()) {
                response.headers_mut().insert("wholecall-next", next);
            }
            return Ok(response);
        }
        let next = next.map_or("null".to_owned(), |next| format!("\"{next}\""));
        Ok(json(format!("{{\"calls\":[{}],\"next\":{next}}}", page.records.join(","))))
    })
    .await
}

/// Parameters of one call.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OneQuery {
    as_of: Option<String>,
    format: Option<String>,
}

/// One call.
pub(super) async fn one(
    Access(view): Access,
    Path(id): Path<String>,
    Parameters(query): Parameters<OneQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let format = Format::permitted(query.format.as_deref(), &headers, &view)?;
    let as_of = time("as_of", query.as_of.as_deref())?;
    compute(view, move |view| match view.call(&id, as_of)? {
        Some(CallLookup::Call(version)) => match format {
            Format::Json => Ok(json(version.record)),
            _ => format.write(&[version.record]),
        },
        Some(CallLookup::Merged(into)) => {
            let location = HeaderValue::from_str(&format!("/v1/calls/{into}")).map_err(failed)?;
            let body = serde_json::json!({ "id": id, "into": into }).to_string();
            let mut response = json(body);
            *response.status_mut() = StatusCode::MOVED_PERMANENTLY;
            response.headers_mut().insert(header::LOCATION, location);
            Ok(response)
        }
        None => Err(no_call(&id)),
    })
    .await
}

pub(crate) fn no_call(id: &str) -> Problem {
    Problem::not_found(format!("call {id} does not exist"))
}

/// All versions of a call.
pub(super) async fn versions(Access(view): Access, Path(id): Path<String>) -> Result<Response, Problem> {
    compute(view, move |view| {
        let versions = view.versions(&id)?.ok_or_else(|| no_call(&id))?;
        let records: Vec<&str> = versions.iter().map(|version| version.record.as_str()).collect();
        Ok(json(format!("{{\"versions\":[{}]}}", records.join(","))))
    })
    .await
}

/// The notifications of a call, in order of arrival.
pub(super) async fn notifications(Access(view): Access, Path(id): Path<String>) -> Result<Response, Problem> {
    compute(view, move |view| {
        let entries = view.notifications(&id)?.ok_or_else(|| no_call(&id))?;
        let entries: Vec<String> = entries.iter().map(notification_json).collect();
        Ok(json(format!("{{\"notifications\":[{}]}}", entries.join(","))))
    })
    .await
}

fn notification_json(entry: &Entry) -> String {
    let mut time = Vec::new();
    wholecall_record::Time::from_millis(entry.arrived_ms).write_json(&mut time);
    let time = String::from_utf8_lossy(&time);
    format!("{{\"position\":{},\"arrivedAt\":{time},\"notification\":{}}}", entry.position.0, entry.body)
}
