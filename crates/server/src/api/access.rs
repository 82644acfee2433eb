//! Authentication and authorization of the API: who sends a request, and whether the key permits it.

use std::{net::IpAddr, sync::Arc};

use axum::{
    extract::FromRequestParts,
    http::{StatusCode, request::Parts},
};
use subtle::ConstantTimeEq;
use wholecall_store::{Actor, AuditAction, AuditActor, Scope, Store};

use super::{reader::Reader, state::ApiState};
use crate::{
    Service,
    listen::{Peer, bearer},
    problem::Problem,
    security::secret,
    tenants::Key,
};

/// The key that a route requires. The extractors below check it, and refuse requests to routes that declare nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Needs {
    /// A tenant's key with at least this scope.
    Key(Scope),
    /// The operator's key.
    Operator,
    /// The operator's key, or a tenant's with at least this scope.
    OperatorOrKey(Scope),
    /// No key.
    Nothing,
}

impl Needs {
    /// The requirement that the route of a request declares.
    pub(crate) fn of(parts: &Parts) -> Result<Self, Problem> {
        parts.extensions.get().copied().ok_or_else(|| {
            tracing::error!(path = parts.uri.path(), "the route does not declare the key that it requires");
            Problem::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "the route does not declare the key that it requires",
            )
        })
    }

    /// The scope that a tenant's key must have; `None` if a tenant's key is never sufficient.
    pub(crate) fn scope(self) -> Option<Scope> {
        match self {
            Self::Key(scope) | Self::OperatorOrKey(scope) => Some(scope),
            Self::Operator | Self::Nothing => None,
        }
    }
}

/// The client's address.
pub(crate) fn address(parts: &Parts) -> Option<IpAddr> {
    parts.extensions.get::<Peer>().map(|Peer(address)| address.ip().to_canonical())
}

/// A tenant's program, identified by its API key; it can access only that tenant's data.
pub(super) struct Access(pub(super) Reader);

impl FromRequestParts<ApiState> for Access {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, Problem> {
        let service = &state.service;
        let needed = Needs::of(parts)?.scope().ok_or_else(Problem::unauthorized)?;
        let given = bearer(&parts.headers).ok_or_else(Problem::unauthorized)?;
        let hash = secret::hash(given);
        let key = service.tenants.with_key_hash(&hash).await?.ok_or_else(Problem::unauthorized)?;
        let who = key.shown_from(address(parts));
        if key.scope < needed {
            return Err(refuse(service, &key, who, needed));
        }
        Ok(Self(Reader::new(service, key.tenant.id, hash, key.scope, who)))
    }
}

fn refuse(service: &Service, key: &Arc<Key>, who: AuditActor, needed: Scope) -> Problem {
    let object = format!("needs {}", needed.as_str());
    service.audit.refused(Some(key.tenant.id), who, AuditAction::KeyUse, object);
    Problem::needs_scope(needed, key.scope)
}

/// The operator of this installation, identified by the admin key.
pub(super) struct Operator(AuditActor);

impl Operator {
    /// The store, with the operator as the author of changes.
    pub(super) fn store(&self, service: &Service) -> Store {
        service.store.acting_as(self.0.clone())
    }
}

impl FromRequestParts<ApiState> for Operator {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, Problem> {
        let service = &state.service;
        let needed = Needs::of(parts)?;
        if !matches!(needed, Needs::Operator | Needs::OperatorOrKey(_)) {
            return Err(Problem::unauthorized());
        }
        let Some(expected) = *service.admin_key.borrow() else {
            let detail = "this installation has no admin key: set `admin_key_file` in its configuration, or \
                WHOLECALL_ADMIN_KEY_FILE, to the file that contains one";
            return Err(Problem::new(StatusCode::FORBIDDEN, detail));
        };
        let given = bearer(&parts.headers).map(secret::hash).ok_or_else(Problem::unauthorized)?;
        if bool::from(given.ct_eq(&expected)) {
            return Ok(Self(AuditActor { actor: Actor::Operator, address: address(parts) }));
        }
        if let Some(key) = service.tenants.key(&given) {
            let who = key.shown_from(address(parts));
            service.audit.refused(Some(key.tenant.id), who, AuditAction::KeyUse, "needs the operator's key");
        }
        Err(Problem::unauthorized())
    }
}

/// The operator or a tenant, for routes that serve both.
pub(super) enum KeyHolder {
    /// The operator.
    Operator(Operator),
    /// A tenant.
    Tenant(Reader),
}

impl FromRequestParts<ApiState> for KeyHolder {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, Problem> {
        let given = bearer(&parts.headers).map(secret::hash);
        let is_operator = given.is_some_and(|given| {
            state.service.admin_key.borrow().is_some_and(|expected| bool::from(expected.ct_eq(&given)))
        });
        match is_operator {
            true => Operator::from_request_parts(parts, state).await.map(Self::Operator),
            false => Access::from_request_parts(parts, state).await.map(|access| Self::Tenant(access.0)),
        }
    }
}

/// A client that may read the metrics: the operator, or any client if the installation has no admin key.
pub(super) struct MetricsReader;

impl FromRequestParts<ApiState> for MetricsReader {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, Problem> {
        let has_operator = state.service.admin_key.borrow().is_some();
        if has_operator {
            Operator::from_request_parts(parts, state).await?;
        }
        Ok(Self)
    }
}
