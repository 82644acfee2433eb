//! Extractors: the person who requests a page, and the tenant whose data the page shows.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
};

use axum::{
    extract::{FromRequestParts, Query},
    http::request::Parts,
    response::Response,
};
use subtle::ConstantTimeEq;
use wholecall_store::{AuditAction, AuditActor, Scope};

use super::{
    responses::{error_page, redirect, sign_in_first},
    session::{KeyHolder, cookie, cookie_name},
    state::PagesState,
    time_zone::Zone,
};
use crate::{
    Service,
    api::{
        Reader,
        access::{Needs, address},
    },
    clock,
    listen::Peer,
    problem::Problem,
    security::secret,
    tenants::Tenant,
};

/// The cookie with the name of the browser's time zone.
const ZONE_COOKIE: &str = "zone";

/// A person who has signed in.
pub(super) struct Visitor {
    /// The tenants whose data the visitor may see.
    pub(super) tenants: Vec<Arc<Tenant>>,
    pub(super) is_operator: bool,
    /// The scope of the visitor's key.
    pub(super) scope: Scope,
    pub(super) who: AuditActor,
    key_hash: [u8; 32],
    token_hash: [u8; 32],
    /// The tenant that the address selects.
    pub(super) selected: Option<String>,
    pub(super) zone: Zone,
}

impl Visitor {
    /// Access to the data of a tenant that the visitor may see.
    pub(super) fn reader(&self, service: &Service, tenant: &Tenant) -> Reader {
        Reader::new(service, tenant.id, self.key_hash, self.scope, self.who.clone())
    }

    /// Whether the session is still open and its key still valid.
    pub(super) fn is_still_allowed(&self, state: &PagesState) -> bool {
        let service = &state.service;
        let is_open = state.sessions.key_of_token(&self.token_hash, clock::now().as_millis()).is_some();
        is_open
            && match self.is_operator {
                true => {
                    service.admin_key.borrow().is_some_and(|admin| bool::from(admin.ct_eq(&self.key_hash)))
                }
                false => service.tenants.is_key(&self.key_hash),
            }
    }
}

impl FromRequestParts<PagesState> for Visitor {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &PagesState) -> Result<Self, Response> {
        let service = &state.service;
        let token_hash = cookie(&parts.headers, cookie_name(service)).map(secret::hash).unwrap_or_default();
        let key_hash = state.sessions.key_of_token(&token_hash, clock::now().as_millis());
        let found = match key_hash {
            Some(key_hash) => KeyHolder::find(service, &key_hash)
                .await
                .map_err(|problem| error_page(&problem))?
                .map(|holder| (key_hash, holder)),
            None => None,
        };
        let Some((key_hash, holder)) = found else { return Err(sign_in_first(parts)) };
        let tenant = holder.tenant();
        let KeyHolder { tenants, actor, scope } = holder;
        let who = AuditActor { actor, address: address(parts) };
        let needed = Needs::of(parts).map_err(|problem| error_page(&problem))?.scope();
        if let Some(needed) = needed.filter(|needed| scope < *needed) {
            let object = format!("needs {}", needed.as_str());
            service.audit.refused(tenant, who, AuditAction::KeyUse, object);
            return Err(error_page(&Problem::needs_scope(needed, scope)));
        }
        let is_operator = service.admin_key.borrow().is_some_and(|admin| bool::from(admin.ct_eq(&key_hash)));
        let parameters = Query::<Vec<(String, String)>>::try_from_uri(&parts.uri).map(|query| query.0);
        let parameters = parameters.unwrap_or_default();
        let parameter =
            |name: &str| parameters.iter().find(|(other, _)| other == name).map(|(_, value)| value);
        let zone = parameter("zone").map(String::as_str).filter(|name| !name.is_empty());
        let zone = zone.or_else(|| cookie(&parts.headers, ZONE_COOKIE)).and_then(Zone::named);
        Ok(Self {
            tenants,
            is_operator,
            scope,
            who,
            key_hash,
            token_hash,
            selected: parameter("tenant").filter(|name| !name.is_empty()).cloned(),
            zone: zone.unwrap_or_else(Zone::utc),
        })
    }
}

/// A visitor of a page that shows one tenant's data.
pub(super) struct Viewer {
    pub(super) visitor: Visitor,
    pub(super) tenant: Arc<Tenant>,
    pub(super) reader: Reader,
}

impl FromRequestParts<PagesState> for Viewer {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &PagesState) -> Result<Self, Response> {
        let visitor = Visitor::from_request_parts(parts, state).await?;
        let is_selected = |tenant: &&Arc<Tenant>| Some(&tenant.name) == visitor.selected.as_ref();
        let tenant = match (&visitor.selected, &visitor.tenants[..]) {
            (Some(_), tenants) => tenants.iter().find(is_selected).cloned(),
            (None, [only]) => Some(only.clone()),
            // The page where an operator chooses a tenant.
            (None, _) => return Err(redirect("/health")),
        };
        let unknown = || error_page(&Problem::not_found("Tenant not found, or you have no access"));
        let tenant = tenant.ok_or_else(unknown)?;
        let reader = visitor.reader(&state.service, &tenant);
        Ok(Self { visitor, tenant, reader })
    }
}

/// The address of the client.
pub(super) struct ClientAddress(pub(super) IpAddr);

impl<S: Sync> FromRequestParts<S> for ClientAddress {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let peer = parts.extensions.get::<Peer>().map(|Peer(address)| address.ip());
        Ok(Self(peer.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED))))
    }
}
