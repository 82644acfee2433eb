//! `GET /v1/audit`: who did what; for operators all of it, for a tenant's `admin` keys what concerns the tenant.

use axum::{extract::State, response::Response};
use serde::Deserialize;
use serde_json::{Value, json};
use wholecall_store::{AuditQuery, StoreError, What};

use super::{
    access::KeyHolder,
    json as respond,
    parameters::{Parameters, limit, time},
    read,
};
use crate::{Service, audit::describe, problem::Problem};

const ENTRIES: usize = 100;
const MOST_ENTRIES: usize = 1_000;

/// Which entries.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Query {
    tenant: Option<String>,
    what: Option<String>,
    since: Option<String>,
    until: Option<String>,
    limit: Option<usize>,
    cursor: Option<String>,
}

/// A page of them, the latest first.
pub(super) async fn list(
    State(service): State<Service>,
    holder: KeyHolder,
    Parameters(query): Parameters<Query>,
) -> Result<Response, Problem> {
    let what = query.what.as_deref().map(|word| {
        What::from_word(word).ok_or_else(|| {
            let known: Vec<&str> = What::ALL.iter().map(|what| what.as_str()).collect();
            Problem::bad_request(format!("what: {word:?} is none of {}", known.join(", ")))
        })
    });
    let before = query.cursor.as_deref().map(|cursor| {
        cursor.parse().map_err(|_| Problem::bad_request("cursor: not one that `next` has given"))
    });
    let wanted = AuditQuery {
        what: what.transpose()?,
        since_ms: time("since", query.since.as_deref())?,
        until_ms: time("until", query.until.as_deref())?,
        before: before.transpose()?,
        limit: limit(query.limit, ENTRIES, MOST_ENTRIES)?,
    };
    let (entries, is_tenant) = match holder {
        KeyHolder::Tenant(_) if query.tenant.is_some() => {
            return Err(Problem::bad_request("tenant: a tenant's key sees the tenant's own entries only"));
        }
        KeyHolder::Tenant(view) => (read(view, move |view| view.audit(wanted)).await?, true),
        KeyHolder::Operator(operator) => {
            let store = operator.store(&service);
            let found = tokio::task::spawn_blocking(move || match &query.tenant {
                Some(name) => store.audit_of_name(name, wanted),
                None => store.audit(None, wanted),
            });
            (found.await.unwrap_or(Err(StoreError::Closed))?, false)
        }
    };
    let next = entries.last().filter(|_| entries.len() == wanted.limit).map(|last| last.number.to_string());
    let entries: Vec<Value> = entries
        .iter()
        .map(|entry| {
            let mut described = describe(entry);
            // Where operators are is no tenant's affair.
            if is_tenant && entry.actor == "operator" {
                described["address"] = Value::Null;
            }
            described
        })
        .collect();
    Ok(respond(json!({ "entries": entries, "next": next }).to_string()))
}
