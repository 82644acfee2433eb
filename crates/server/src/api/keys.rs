//! `/v1/keys`: a tenant's API keys, for its own `admin` keys; `/v1/tenants/{name}/keys`: the same for operators.

use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::Response,
};
use serde::Deserialize;
use serde_json::{Value, json};
use wholecall_store::{Scope, StoreError, TenantView};

use super::{
    access::{Access, Operator},
    blocking, json as respond,
    parameters::{Json, time},
};
use crate::{
    Service,
    admin::{self, AdminError},
    problem::Problem,
};

/// The key to add.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct NewKey {
    name: String,
    scope: String,
    #[serde(default)]
    expires_at: Option<String>,
}

/// The tenant's keys without their secrets.
pub(super) async fn list(State(service): State<Service>, Access(view): Access) -> Result<Response, Problem> {
    list_in(service, view.view()).await
}

/// Adds a key. Only this response contains the secret.
pub(super) async fn add(
    State(service): State<Service>,
    Access(view): Access,
    Json(new): Json<NewKey>,
) -> Result<(StatusCode, Response), Problem> {
    add_in(service, view.view(), new).await
}

/// Removes a key. Streams opened with it end within a second.
pub(super) async fn remove(
    State(service): State<Service>,
    Access(view): Access,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    remove_in(service, view.view(), id).await
}

pub(super) async fn list_as_operator(
    operator: Operator,
    State(service): State<Service>,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    let view = view_of(&operator, &service, name).await?;
    list_in(service, view).await
}

pub(super) async fn add_as_operator(
    operator: Operator,
    State(service): State<Service>,
    Path(name): Path<String>,
    Json(new): Json<NewKey>,
) -> Result<(StatusCode, Response), Problem> {
    let view = view_of(&operator, &service, name).await?;
    add_in(service, view, new).await
}

pub(super) async fn remove_as_operator(
    operator: Operator,
    State(service): State<Service>,
    Path((name, id)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    let view = view_of(&operator, &service, name).await?;
    remove_in(service, view, id).await
}

async fn view_of(operator: &Operator, service: &Service, name: String) -> Result<TenantView, Problem> {
    let store = operator.store(service);
    blocking(move || Ok::<_, AdminError>(store.of(admin::find(&store, &name)?.id))).await
}

async fn list_in(service: Service, view: TenantView) -> Result<Response, Problem> {
    let keys = blocking(move || view.keys()).await?;
    let describe =
        |key: &wholecall_store::Secret| admin::describe_key(key, service.tenants.last_used_ms(key.number));
    let keys: Vec<Value> = keys.iter().map(describe).collect();
    Ok(respond(json!({ "keys": keys }).to_string()))
}

async fn add_in(service: Service, view: TenantView, new: NewKey) -> Result<(StatusCode, Response), Problem> {
    let expires_ms = time("expiresAt", new.expires_at.as_deref())?;
    let scope = Scope::from_word(&new.scope).ok_or_else(|| {
        let known = Scope::ALL.map(Scope::as_str).join(", ");
        Problem::bad_request(format!("scope: {:?} is not one of {known}", new.scope))
    })?;
    let added = blocking(move || {
        let added = admin::add_key(&view, &new.name, scope, expires_ms)?;
        service.tenants.refresh()?;
        Ok::<_, AdminError>(added)
    });
    Ok((StatusCode::CREATED, respond(added.await?.to_string())))
}

async fn remove_in(service: Service, view: TenantView, id: String) -> Result<StatusCode, Problem> {
    let unknown = || Problem::not_found(format!("the tenant has no key with the id {id}"));
    let number: i64 = id.parse().map_err(|_| unknown())?;
    let is_removed = blocking(move || {
        let is_removed = view.remove_key(number)?;
        service.tenants.refresh()?;
        Ok::<_, StoreError>(is_removed)
    });
    if is_removed.await? { Ok(StatusCode::NO_CONTENT) } else { Err(unknown()) }
}
