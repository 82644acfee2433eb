//! `GET /v1/audit`: the audit log. Operators see all entries, a tenant's `admin` keys those of the tenant.

use axum::{extract::State, response::Response};
use serde::Deserialize;
use serde_json::{Value, json};
use wholecall_store::{AuditAction, AuditQuery};

use super::{
    access::KeyHolder,
    json as respond,
    parameters::{Parameters, invalid_cursor, limit, time},
    read,
};
use crate::{Service, audit::describe, blocking::blocking, problem::Problem};

const DEFAULT_ENTRIES: usize = 100;
const MAX_ENTRIES: usize = 1_000;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Query {
    tenant: Option<String>,
    action: Option<String>,
    since: Option<String>,
    until: Option<String>,
    limit: Option<usize>,
    cursor: Option<String>,
}

/// A page of entries, newest first.
pub(super) async fn list(
    State(service): State<Service>,
    holder: KeyHolder,
    Parameters(query): Parameters<Query>,
) -> Result<Response, Problem> {
    let action = query.action.as_deref().map(|word| {
        AuditAction::from_word(word).ok_or_else(|| {
            let known: Vec<&str> = AuditAction::ALL.iter().map(|action| action.as_str()).collect();
            Problem::bad_request(format!("action: {word:?} is not one of {}", known.join(", ")))
        })
    });
    let before = query.cursor.as_deref().map(|cursor| cursor.parse().map_err(|_| invalid_cursor()));
    let wanted = AuditQuery {
        what: action.transpose()?,
        since_ms: time("since", query.since.as_deref())?,
        until_ms: time("until", query.until.as_deref())?,
        before: before.transpose()?,
        limit: limit(query.limit, DEFAULT_ENTRIES, MAX_ENTRIES)?,
    };
    let (entries, is_tenant) = match holder {
        KeyHolder::Tenant(_) if query.tenant.is_some() => {
            return Err(Problem::bad_request("tenant: only the operator's key may select a tenant"));
        }
        KeyHolder::Tenant(view) => (read(view, move |view| view.audit(wanted)).await?, true),
        KeyHolder::Operator(operator) => {
            let store = operator.store(&service);
            let found = blocking(move || match &query.tenant {
                Some(name) => store.audit_of_name(name, wanted),
                None => store.audit(None, wanted),
            });
            (found.await?, false)
        }
    };
    let next = entries.last().filter(|_| entries.len() == wanted.limit).map(|last| last.number.to_string());
    let entries: Vec<Value> = entries
        .iter()
        .map(|entry| {
            let mut described = describe(entry);
            // Tenants do not see the operator's address.
            if is_tenant && entry.actor == "operator" {
                described["address"] = Value::Null;
            }
            described
        })
        .collect();
    Ok(respond(json!({ "entries": entries, "next": next }).to_string()))
}
