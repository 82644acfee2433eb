//! `/v1/keys`: a tenant's API keys, for its own `admin` keys and, under `/v1/tenants/{name}/keys`, for operators.

use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::Response,
};
use serde::Deserialize;
use serde_json::{Value, json};
use wholecall_store::{Scope, TenantView};

use super::{
    access::{Access, Operator},
    json as respond,
    parameters::{Json, time},
    tenants::problem,
};
use crate::{Service, admin, problem::Problem};

/// A key to be added.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct NewKey {
    name: String,
    scope: String,
    #[serde(default)]
    expires_at: Option<String>,
}

/// The tenant's keys, without the secrets themselves.
pub(super) async fn list(State(service): State<Service>, Access(view): Access) -> Result<Response, Problem> {
    listed(service, view.view()).await
}

/// Adds one; the key itself is in the answer and never shown again.
pub(super) async fn add(
    State(service): State<Service>,
    Access(view): Access,
    Json(new): Json<NewKey>,
) -> Result<(StatusCode, Response), Problem> {
    added(service, view.view(), new).await
}

/// Removes one; what is open with it ends within a second.
pub(super) async fn remove(
    State(service): State<Service>,
    Access(view): Access,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    removed(service, view.view(), id).await
}

/// The same for operators.
pub(super) async fn list_of(
    operator: Operator,
    State(service): State<Service>,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    let view = of_tenant(&operator, &service, name).await?;
    listed(service, view).await
}

pub(super) async fn add_to(
    operator: Operator,
    State(service): State<Service>,
    Path(name): Path<String>,
    Json(new): Json<NewKey>,
) -> Result<(StatusCode, Response), Problem> {
    let view = of_tenant(&operator, &service, name).await?;
    added(service, view, new).await
}

pub(super) async fn remove_of(
    operator: Operator,
    State(service): State<Service>,
    Path((name, id)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    let view = of_tenant(&operator, &service, name).await?;
    removed(service, view, id).await
}

async fn of_tenant(operator: &Operator, service: &Service, name: String) -> Result<TenantView, Problem> {
    let store = operator.store(service);
    blocking(move || Ok(store.of(admin::find(&store, &name)?.id))).await
}

async fn listed(service: Service, view: TenantView) -> Result<Response, Problem> {
    let keys = blocking(move || Ok(view.keys()?)).await?;
    let describe =
        |key: &wholecall_store::Secret| admin::describe_key(key, service.tenants.last_used_ms(key.number));
    let keys: Vec<Value> = keys.iter().map(describe).collect();
    Ok(respond(json!({ "keys": keys }).to_string()))
}

async fn added(service: Service, view: TenantView, new: NewKey) -> Result<(StatusCode, Response), Problem> {
    let expires_ms = time("expiresAt", new.expires_at.as_deref())?;
    let scope = Scope::from_word(&new.scope).ok_or_else(|| {
        let known = Scope::ALL.map(Scope::as_str).join(", ");
        Problem::bad_request(format!("scope: {:?} is none of {known}", new.scope))
    })?;
    let added = blocking(move || {
        let added = admin::add_key(&view, &new.name, scope, expires_ms)?;
        service.tenants.refresh()?;
        Ok(added)
    });
    Ok((StatusCode::CREATED, respond(added.await?.to_string())))
}

async fn removed(service: Service, view: TenantView, id: String) -> Result<StatusCode, Problem> {
    let unknown = || Problem::not_found("the tenant has no key of that id");
    let number: i64 = id.parse().map_err(|_| unknown())?;
    let is_removed = blocking(move || {
        let is_removed = view.remove_key(number)?;
        service.tenants.refresh()?;
        Ok(is_removed)
    });
    if is_removed.await? { Ok(StatusCode::NO_CONTENT) } else { Err(unknown()) }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, admin::AdminError> + Send + 'static,
) -> Result<T, Problem> {
    let done = tokio::task::spawn_blocking(work).await;
    let failed = |_| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "it failed; the log says how");
    done.map_err(failed)?.map_err(problem)
}
