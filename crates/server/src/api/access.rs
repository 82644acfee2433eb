//! Who asks.

use super::Reader;
use crate::{Service, listen::bearer, problem::Problem, secret};
use axum::{
    extract::FromRequestParts,
    http::{StatusCode, request::Parts},
};
use subtle::ConstantTimeEq;

/// A tenant's program, known by its API key; it reaches that tenant's data and nothing else.
pub(super) struct Access(pub(super) Reader);

impl FromRequestParts<Service> for Access {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, service: &Service) -> Result<Self, Problem> {
        let key = bearer(&parts.headers).ok_or_else(Problem::unauthorized)?;
        let key = secret::hash(key);
        let tenant = service.tenants.with_key_hash(&key).await?.ok_or_else(Problem::unauthorized)?;
        Ok(Self(Reader::new(service, tenant.id, key)))
    }
}

/// The operator of this installation, known by the admin key.
pub(super) struct Operator;

impl FromRequestParts<Service> for Operator {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, service: &Service) -> Result<Self, Problem> {
        let Some(expected) = &service.settings.admin_key else {
            let detail = "this installation has no admin key; start it with --admin-key-file";
            return Err(Problem::new(StatusCode::FORBIDDEN, detail));
        };
        let shown = bearer(&parts.headers).map(secret::hash).ok_or_else(Problem::unauthorized)?;
        match bool::from(shown.ct_eq(expected)) {
            true => Ok(Self),
            false => Err(Problem::unauthorized()),
        }
    }
}
