//! `/v1/tenants`: for operators.

use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::Response,
};
use serde::Deserialize;
use serde_json::json;
use wholecall_store::StoreError;

use super::{access::Operator, json as respond, parameters::Json};
use crate::{Service, admin, problem::Problem};

/// All tenants, without their secrets.
pub(super) async fn list(operator: Operator, State(service): State<Service>) -> Result<Response, Problem> {
    let store = operator.store(&service);
    let tenants = tokio::task::spawn_blocking(move || store.tenants()).await;
    let tenants = tenants.unwrap_or(Err(StoreError::Closed))?;
    let tenants: Vec<_> = tenants.iter().map(admin::describe).collect();
    Ok(respond(json!({ "tenants": tenants }).to_string()))
}

/// A tenant to be added.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct NewTenant {
    name: String,
    accounts: Vec<String>,
    #[serde(default)]
    verification_token: Option<String>,
}

/// Adds a tenant; its secrets are in the answer and never shown again.
pub(super) async fn add(
    operator: Operator,
    State(service): State<Service>,
    Json(new): Json<NewTenant>,
) -> Result<(StatusCode, Response), Problem> {
    let store = operator.store(&service);
    let added = tokio::task::spawn_blocking(move || {
        admin::add_tenant(&store, &new.name, &new.accounts, new.verification_token)
    })
    .await
    .map_err(|_| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the tenant could not be added"))?;
    let added = added.map_err(problem)?;
    Ok((StatusCode::CREATED, respond(added.to_json(&service.base_url()).to_string())))
}

/// What is to be changed of a tenant.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Change {
    accounts: Vec<String>,
}

/// Gives a tenant other accounts.
pub(super) async fn change(
    operator: Operator,
    State(service): State<Service>,
    Path(name): Path<String>,
    Json(change): Json<Change>,
) -> Result<Response, Problem> {
    let (store, tenants) = (operator.store(&service), service.tenants.clone());
    let changed = tokio::task::spawn_blocking(move || {
        let changed = admin::set_accounts(&store, &name, &change.accounts)?;
        tenants.refresh()?;
        Ok(changed)
    });
    let changed = changed
        .await
        .map_err(|_| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the tenant could not be changed"))?;
    let tenant = changed.map_err(problem)?;
    Ok(respond(admin::describe(&tenant).to_string()))
}

pub(super) fn problem(error: admin::AdminError) -> Problem {
    match error {
        admin::AdminError::Store(error) => error.into(),
        error @ admin::AdminError::Unknown(_) => Problem::not_found(error.to_string()),
        error => Problem::bad_request(error.to_string()),
    }
}
