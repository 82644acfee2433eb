//! `/v1/tenants`: for operators.

use axum::{extract::State, http::StatusCode, response::Response};
use serde::Deserialize;
use serde_json::json;

use super::{access::Operator, json as respond, parameters::Json};
use crate::{Service, admin, problem::Problem};

/// All tenants, without their secrets.
pub(super) async fn list(_: Operator, State(service): State<Service>) -> Result<Response, Problem> {
    let tenants: Vec<_> = service.store.tenants()?.iter().map(admin::describe).collect();
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
    _: Operator,
    State(service): State<Service>,
    Json(new): Json<NewTenant>,
) -> Result<(StatusCode, Response), Problem> {
    let store = service.store.clone();
    let added = tokio::task::spawn_blocking(move || {
        admin::add_tenant(&store, &new.name, &new.accounts, new.verification_token)
    })
    .await
    .map_err(|_| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the tenant could not be added"))?;
    let added = match added {
        Ok(added) => added,
        Err(admin::AdminError::Store(error)) => return Err(error.into()),
        Err(error) => return Err(Problem::bad_request(error.to_string())),
    };
    let base = service.settings.public_url.as_deref().unwrap_or_default();
    Ok((StatusCode::CREATED, respond(added.to_json(base).to_string())))
}
