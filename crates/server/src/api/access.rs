//! Who asks, and whether that is enough for what is asked.

use std::{net::IpAddr, sync::Arc};

use super::Reader;
use crate::{
    Service,
    listen::{Peer, bearer},
    problem::Problem,
    secret,
    tenants::Key,
};
use axum::{
    extract::FromRequestParts,
    http::{StatusCode, request::Parts},
};
use subtle::ConstantTimeEq;
use wholecall_store::{Actor, Scope, Store, What, Who};

/// What a request has to show, as its route says. The extractors here look at it, and refuse where no route has said anything.
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
    /// What the route of a request has said.
    pub(crate) fn of(parts: &Parts) -> Result<Self, Problem> {
        parts.extensions.get().copied().ok_or_else(|| {
            tracing::error!(path = parts.uri.path(), "no one has said what this route needs");
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "it is not known who may do this")
        })
    }

    /// The scope that a tenant's key must have; none: no key of a tenant is enough.
    pub(crate) fn scope(self) -> Option<Scope> {
        match self {
            Self::Key(scope) | Self::OperatorOrKey(scope) => Some(scope),
            Self::Operator | Self::Nothing => None,
        }
    }
}

/// The address that a request came from.
pub(crate) fn address(parts: &Parts) -> Option<IpAddr> {
    parts.extensions.get::<Peer>().map(|Peer(address)| address.ip().to_canonical())
}

/// A tenant's program, known by its API key; it reaches that tenant's data and nothing else.
pub(super) struct Access(pub(super) Reader);

impl FromRequestParts<Service> for Access {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, service: &Service) -> Result<Self, Problem> {
        let needed = Needs::of(parts)?.scope().ok_or_else(Problem::unauthorized)?;
        let shown = bearer(&parts.headers).ok_or_else(Problem::unauthorized)?;
        let hash = secret::hash(shown);
        let key = service.tenants.with_key_hash(&hash).await?.ok_or_else(Problem::unauthorized)?;
        let who = key.shown_from(address(parts));
        if key.scope < needed {
            return Err(refuse(service, &key, who, needed));
        }
        Ok(Self(Reader::new(service, key.tenant.id, hash, key.scope, who)))
    }
}

fn refuse(service: &Service, key: &Arc<Key>, who: Who, needed: Scope) -> Problem {
    let object = format!("needs {}", needed.as_str());
    service.audit.refused(Some(key.tenant.id), who, What::KeyUse, object);
    Problem::needs_scope(needed, key.scope)
}

/// The operator of this installation, known by the admin key.
pub(super) struct Operator(Who);

impl Operator {
    /// The store, in which changes are the operator's.
    pub(super) fn store(&self, service: &Service) -> Store {
        service.store.acting_as(self.0.clone())
    }
}

impl FromRequestParts<Service> for Operator {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, service: &Service) -> Result<Self, Problem> {
        let needed = Needs::of(parts)?;
        if !matches!(needed, Needs::Operator | Needs::OperatorOrKey(_)) {
            return Err(Problem::unauthorized());
        }
        let Some(expected) = *service.admin_key.borrow() else {
            let detail = "this installation has no admin key: `admin_key_file` in its configuration, or \
                WHOLECALL_ADMIN_KEY_FILE, names the file with it";
            return Err(Problem::new(StatusCode::FORBIDDEN, detail));
        };
        let shown = bearer(&parts.headers).map(secret::hash).ok_or_else(Problem::unauthorized)?;
        if bool::from(shown.ct_eq(&expected)) {
            return Ok(Self(Who { actor: Actor::Operator, address: address(parts) }));
        }
        if let Some(key) = service.tenants.key(&shown) {
            let who = key.shown_from(address(parts));
            service.audit.refused(Some(key.tenant.id), who, What::KeyUse, "needs the operator's key");
        }
        Err(Problem::unauthorized())
    }
}

/// The operator or a tenant, where a route answers both.
pub(super) enum KeyHolder {
    /// The operator.
    Operator(Operator),
    /// A tenant.
    Tenant(Reader),
}

impl FromRequestParts<Service> for KeyHolder {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, service: &Service) -> Result<Self, Problem> {
        let shown = bearer(&parts.headers).map(secret::hash);
        let is_operator = shown.is_some_and(|shown| {
            service.admin_key.borrow().is_some_and(|expected| bool::from(expected.ct_eq(&shown)))
        });
        match is_operator {
            true => Operator::from_request_parts(parts, service).await.map(Self::Operator),
            false => Access::from_request_parts(parts, service).await.map(|access| Self::Tenant(access.0)),
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
