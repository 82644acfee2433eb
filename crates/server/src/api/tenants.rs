//! `/v1/tenants`: lists and changes tenants, for operators.

use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::Response,
};
use serde::Deserialize;
use serde_json::json;

use super::{access::Operator, blocking, json as respond, parameters::Json};
use crate::{
    Service,
    admin::{self, AdminError},
    problem::Problem,
};

/// All tenants without their secrets.
pub(super) async fn list(operator: Operator, State(service): State<Service>) -> Result<Response, Problem> {
    let store = operator.store(&service);
    let tenants = blocking(move || store.tenants()).await?;
    let tenants: Vec<_> = tenants.iter().map(admin::describe).collect();
    Ok(respond(json!({ "tenants": tenants }).to_string()))
}

/// The tenant to add.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct NewTenant {
    name: String,
    accounts: Vec<String>,
    #[serde(default)]
    verification_token: Option<String>,
}

/// Adds a tenant. Only this response contains its secrets.
pub(super) async fn add(
    operator: Operator,
    State(service): State<Service>,
    Json(new): Json<NewTenant>,
) -> Result<(StatusCode, Response), Problem> {
    let store = operator.store(&service);
    let added =
        blocking(move || admin::add_tenant(&store, &new.name, &new.accounts, new.verification_token)).await?;
    Ok((StatusCode::CREATED, respond(added.to_json(&service.base_url()).to_string())))
}

/// The tenant's new accounts.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Change {
    accounts: Vec<String>,
}

/// Replaces a tenant's accounts.
pub(super) async fn change(
    operator: Operator,
    State(service): State<Service>,
    Path(name): Path<String>,
    Json(change): Json<Change>,
) -> Result<Response, Problem> {
    let (store, tenants) = (operator.store(&service), service.tenants.clone());
    let tenant = blocking(move || {
        let changed = admin::set_accounts(&store, &name, &change.accounts)?;
        tenants.refresh()?;
        Ok::<_, AdminError>(changed)
    })
    .await?;
    Ok(respond(admin::describe(&tenant).to_string()))
}

impl From<AdminError> for Problem {
    fn from(error: AdminError) -> Self {
        match error {
            AdminError::Store(error) => error.into(),
            error @ AdminError::Unknown(_) => Self::not_found(error.to_string()),
            error => Self::bad_request(error.to_string()),
        }
    }
}
