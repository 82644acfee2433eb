//! `/v1/rejected`: what was posted to the tenant's hook with the right token and not taken.

use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::Response,
};
use serde::Deserialize;
use serde_json::json;
use wholecall_store::What;

use super::{
    access::Access,
    json as respond,
    parameters::{Parameters, limit},
    read,
};
use crate::{Service, problem::Problem, rejected, tenants::Tenant};

const REJECTED: usize = 50;
const MOST_REJECTED: usize = 1_000;

/// Which page.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Page {
    limit: Option<usize>,
    before: Option<String>,
}

/// A page of them, newest first.
pub(super) async fn list(
    Access(view): Access,
    Parameters(page): Parameters<Page>,
) -> Result<Response, Problem> {
    let limit = limit(page.limit, REJECTED, MOST_REJECTED)?;
    let before = page.before.as_deref().map(before).transpose()?;
    let (count, rejected) =
        read(view, move |view| Ok((view.quarantined(0)?.0, view.rejected(before, limit)?))).await?;
    let next = rejected.last().filter(|_| rejected.len() == limit).map(|last| last.id.to_string());
    let rejected: Vec<_> = rejected.iter().map(rejected::describe).collect();
    Ok(respond(json!({ "count": count, "rejected": rejected, "next": next }).to_string()))
}

/// One of them, with its body and what can be done about it.
pub(super) async fn one(
    State(service): State<Service>,
    Access(view): Access,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let tenant = tenant(&service, view.tenant())?;
    let number = number(&id)?;
    let (refused, body) =
        read(view, move |view| view.rejected_body(number)).await?.ok_or_else(|| none(&id))?;
    let is_own = |account: &str| tenant.accounts.contains(account);
    Ok(respond(rejected::describe_with_body(&tenant.name, is_own, &refused, &body).to_string()))
}

/// Judges one of them again, now.
pub(super) async fn retry(
    State(service): State<Service>,
    Access(view): Access,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let tenant = tenant(&service, view.tenant())?;
    view.note(What::RejectedRetry, id.as_str());
    let judged = rejected::retry(&service.store, &tenant, number(&id)?).await?.ok_or_else(|| none(&id))?;
    Ok(respond(json!({ "id": id, "accepted": judged.is_ok(), "reason": judged.err() }).to_string()))
}

/// Has all of them judged again, one after the other.
pub(super) async fn retry_all(Access(view): Access) -> Result<(StatusCode, Response), Problem> {
    let tenant = view.tenant();
    let marked = blocking(move || view.store().mark_for_retry(tenant, None)).await?;
    Ok((StatusCode::ACCEPTED, respond(json!({ "marked": marked }).to_string())))
}

/// Removes one of them.
pub(super) async fn remove(Access(view): Access, Path(id): Path<String>) -> Result<StatusCode, Problem> {
    let (tenant, number) = (view.tenant(), number(&id)?);
    match blocking(move || view.store().remove_rejected(tenant, vec![number])).await? {
        0 => Err(none(&id)),
        _ => Ok(StatusCode::NO_CONTENT),
    }
}

fn tenant(service: &Service, id: wholecall_store::TenantId) -> Result<std::sync::Arc<Tenant>, Problem> {
    service.tenants.with_id(id).ok_or_else(Problem::unauthorized)
}

fn number(id: &str) -> Result<i64, Problem> {
    id.parse().map_err(|_| none(id))
}

fn before(id: &str) -> Result<i64, Problem> {
    id.parse()
        .map_err(|_| Problem::bad_request(format!("before: {id:?} is not the id of something rejected")))
}

fn none(id: &str) -> Problem {
    Problem::not_found(format!("nothing rejected has the id {id}"))
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, wholecall_store::StoreError> + Send + 'static,
) -> Result<T, Problem> {
    let done = tokio::task::spawn_blocking(work).await;
    Ok(done.unwrap_or(Err(wholecall_store::StoreError::Closed))?)
}
