//! `/v1/rejected`: bodies posted to the tenant's hook with a valid token that are not notifications of the tenant.

use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::Response,
};
use serde::Deserialize;
use serde_json::json;
use wholecall_store::AuditAction;

use super::{
    access::Access,
    blocking, json as respond,
    parameters::{Parameters, limit},
    read,
};
use crate::{Service, problem::Problem, rejected, tenants::Tenant};

const DEFAULT_REJECTED: usize = 50;
const MAX_REJECTED: usize = 1_000;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Page {
    limit: Option<usize>,
    before: Option<String>,
}

/// A page of rejected bodies, newest first.
pub(super) async fn list(
    Access(view): Access,
    Parameters(page): Parameters<Page>,
) -> Result<Response, Problem> {
    let limit = limit(page.limit, DEFAULT_REJECTED, MAX_REJECTED)?;
    let before = page.before.as_deref().map(before).transpose()?;
    let (count, rejected) =
        read(view, move |view| Ok((view.latest_rejected(0)?.0, view.rejected(before, limit)?))).await?;
    let next = rejected.last().filter(|_| rejected.len() == limit).map(|last| last.id.to_string());
    let rejected: Vec<_> = rejected.iter().map(rejected::describe).collect();
    Ok(respond(json!({ "count": count, "rejected": rejected, "next": next }).to_string()))
}

/// One rejected item with its body and advice.
pub(super) async fn one(
    State(service): State<Service>,
    Access(view): Access,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let tenant = tenant(&service, view.tenant())?;
    let number = number(&id)?;
    let (refused, body) =
        read(view, move |view| view.rejected_body(number)).await?.ok_or_else(|| unknown(&id))?;
    let is_own = |account: &str| tenant.accounts.contains(account);
    Ok(respond(rejected::describe_with_body(&tenant.name, is_own, &refused, &body).to_string()))
}

/// Classifies one rejected body again.
pub(super) async fn retry(
    State(service): State<Service>,
    Access(view): Access,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let tenant = tenant(&service, view.tenant())?;
    view.note(AuditAction::RejectedRetry, id.as_str());
    let retried = rejected::retry(&service.store, &tenant, number(&id)?).await?;
    let result = retried.ok_or_else(|| unknown(&id))?;
    Ok(respond(json!({ "id": id, "accepted": result.is_ok(), "reason": result.err() }).to_string()))
}

/// Requests that all rejected bodies are classified again, in the background.
pub(super) async fn retry_all(Access(view): Access) -> Result<(StatusCode, Response), Problem> {
    let tenant = view.tenant();
    let queued = blocking(move || view.store().mark_for_retry(tenant, None)).await?;
    Ok((StatusCode::ACCEPTED, respond(json!({ "queued": queued }).to_string())))
}

/// Removes one rejected body.
pub(super) async fn remove(Access(view): Access, Path(id): Path<String>) -> Result<StatusCode, Problem> {
    let (tenant, number) = (view.tenant(), number(&id)?);
    match blocking(move || view.store().remove_rejected(tenant, vec![number])).await? {
        0 => Err(unknown(&id)),
        _ => Ok(StatusCode::NO_CONTENT),
    }
}

fn tenant(service: &Service, id: wholecall_store::TenantId) -> Result<std::sync::Arc<Tenant>, Problem> {
    service.tenants.with_id(id).ok_or_else(Problem::unauthorized)
}

fn number(id: &str) -> Result<i64, Problem> {
    id.parse().map_err(|_| unknown(id))
}

fn before(id: &str) -> Result<i64, Problem> {
    id.parse().map_err(|_| Problem::bad_request(format!("before: {id:?} is not an id of a rejected body")))
}

fn unknown(id: &str) -> Problem {
    Problem::not_found(format!("rejected body {id} does not exist"))
}
