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
        let Some(expected) = *service.admin_key.borrow() else {
            let detail = "this installation has no admin key: `admin_key_file` in its configuration, or \
                WHOLECALL_ADMIN_KEY_FILE, names the file with it";
            return Err(Problem::new(StatusCode::FORBIDDEN, detail));
        };
        let shown = bearer(&parts.headers).map(secret::hash).ok_or_else(Problem::unauthorized)?;
        match bool::from(shown.ct_eq(&expected)) {
            true => Ok(Self),
            false => Err(Problem::unauthorized()),
        }
    }
}

/// Whoever may read the metrics: the operator, where there is a key for one; else anybody.
pub(super) struct Watcher;

impl FromRequestParts<Service> for Watcher {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, service: &Service) -> Result<Self, Problem> {
        let has_operator = service.admin_key.borrow().is_some();
        if has_operator {
            Operator::from_request_parts(parts, service).await?;
        }
        Ok(Self)
    }
}
