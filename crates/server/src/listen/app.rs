//! Answers requests: limits first, then the hooks, then all other routes.

use std::convert::Infallible;

use axum::{
    Router,
    body::Body,
    http::{HeaderName, HeaderValue, StatusCode, Version, header},
    response::{IntoResponse, Response},
};
use hyper::{Request, body::Incoming};
use tower_service::Service as _;
use tracing::Instrument as _;
use wholecall_store::AuditAction;

use super::{
    client_identity::{self, Peer, SessionKey},
    clients::{ClientConnection, ConnectionOwner},
    failed_credentials::{self, FailedCredentials},
    min_rate::MinRateBody,
};
use crate::{
    Service, headers,
    problem::{Problem, as_document},
    receive::{self, HookState},
    request_id,
};

/// Maximum size of a request's head.
pub(super) const MAX_HEAD_BYTES: usize = 64 * 1024;

/// Seconds after which an address may show credentials again that are not in memory.
const RETRY_AFTER_SECONDS: HeaderValue = HeaderValue::from_static("60");

/// The application behind the listener.
pub(crate) struct HttpApp {
    pub(super) service: Service,
    hook: HookState,
    session_key: SessionKey,
    router: Router,
    /// Whether browsers use HTTPS, to this service or to a proxy before it.
    is_secure: bool,
    failed_credentials: FailedCredentials,
}

/// Where a request came from and what it showed.
struct Origin {
    address: Peer,
    /// The hook that it posts to.
    hook: Option<String>,
    /// Whether it shows a key or token that is not in memory.
    shows_unknown_credential: bool,
}

impl HttpApp {
    pub(crate) fn new(service: Service, hook: HookState, session_key: SessionKey, router: Router) -> Self {
        let is_secure = service.is_secure();
        let failed_credentials = FailedCredentials::default();
        Self { service, hook, session_key, router, is_secure, failed_credentials }
    }

    /// Answers a request, with the headers that every response has.
    pub(super) async fn answer(
        &self,
        peer: Peer,
        client: &ClientConnection,
        mut request: Request<Incoming>,
    ) -> Result<Response, Infallible> {
        let id = request_id::ensure(request.headers_mut());
        let mut response = self.respond(peer, client, request).await?;
        headers::complete(&mut response, self.is_secure);
        response.headers_mut().insert(request_id::REQUEST_ID, id);
        Ok(response)
    }

    async fn respond(
        &self,
        peer: Peer,
        client: &ClientConnection,
        request: Request<Incoming>,
    ) -> Result<Response, Infallible> {
        if let Some(problem) = malformed(&request) {
            return Ok(problem.into_response());
        }
        let service = &self.service;
        let address = client_identity::address(&service.settings.trusted_proxies, peer.0, request.headers());
        let owner = client_identity::owner(service, &self.session_key, &request);
        // Behind a proxy one connection serves many clients, so requests are limited instead of connections.
        let mut unproven = None;
        match owner {
            Some(owner) if !client.is_of_proxy() => client.set_owner(owner),
            None if !client.is_of_proxy() => client.mark_requested(),
            None => match client.unproven_request(address.ip()) {
                Some(counted) => unproven = Some(counted),
                None => {
                    let detail = "too many requests without a valid key are being answered to this address";
                    return Ok(Problem::new(StatusCode::TOO_MANY_REQUESTS, detail).into_response());
                }
            },
            _ => {}
        }
        let origin = Origin {
            address: Peer(address),
            hook: receive::hook(&request).map(str::to_owned),
            shows_unknown_credential: owner.is_none() && failed_credentials::shows_any(request.headers()),
        };
        let span = self.span(&request, owner, origin.hook.as_deref());
        let response = self.dispatch(origin, request).instrument(span).await;
        drop(unproven);
        response
    }

    /// The span of a request's log lines, without its path, which may have a telephone number or a secret. A hook's is at
    /// the level of debugging: an enabled span takes 1.7 µs, of 100 µs for a notification, a disabled one 0.1 µs. Any other
    /// is at the level of errors, so that lines of every level have it.
    fn span(
        &self,
        request: &Request<Incoming>,
        owner: Option<ConnectionOwner>,
        hook: Option<&str>,
    ) -> tracing::Span {
        let id = request_id::of(request.headers());
        if let Some(tenant) = hook {
            return tracing::debug_span!("hook", request = id, tenant);
        }
        let tenant = match owner {
            Some(ConnectionOwner::Tenant(tenant)) => self.service.tenants.with_id(tenant),
            _ => None,
        };
        let tenant = tenant.as_ref().map(|tenant| tenant.name.as_str());
        tracing::error_span!("request", request = id, tenant, method = %request.method())
    }

    async fn dispatch(&self, origin: Origin, request: Request<Incoming>) -> Result<Response, Infallible> {
        let ip = origin.address.0.ip();
        if origin.shows_unknown_credential && self.failed_credentials.are_too_many(ip) {
            self.audit_refusal(&origin);
            let detail = "too many wrong keys or tokens came from this address; try again in a minute";
            let mut response = Problem::new(StatusCode::TOO_MANY_REQUESTS, detail).into_response();
            response.headers_mut().insert(header::RETRY_AFTER, RETRY_AFTER_SECONDS);
            return Ok(response);
        }
        let path = origin.shows_unknown_credential.then(|| request.uri().path().to_owned());
        let request = request.map(MinRateBody::new);
        let response = match &origin.hook {
            // Past the router, since most requests are RingCentral's webhooks.
            Some(name) => receive::answer(&self.hook, name, request).await,
            None => {
                let mut router = self.router.clone();
                let mut request = request.map(Body::new);
                request.extensions_mut().insert(origin.address);
                as_document(router.call(request).await?).await
            }
        };
        if let Some(path) = path.filter(|_| response.status() == StatusCode::UNAUTHORIZED) {
            self.failed_credentials.count(ip, &path);
            self.audit_refusal(&origin);
        }
        Ok(response)
    }

    /// Adds the use of a wrong key, or of a wrong token for a hook, to the audit log. The name of a hook that does not exist
    /// is left out: it may be anything.
    fn audit_refusal(&self, origin: &Origin) {
        let (audit, ip) = (&self.service.audit, origin.address.0.ip());
        let Some(hook) = &origin.hook else { return audit.refused_to(ip, None, AuditAction::KeyUse, "") };
        let tenant = self.service.tenants.snapshot().by_name.get(hook).map(|tenant| tenant.id);
        let object = if tenant.is_some() { "" } else { "of no tenant" };
        audit.refused_to(ip, tenant, AuditAction::TokenUse, object);
    }
}

/// Why a request is refused whatever it is for. The HTTP library limits its buffers, not the head.
fn malformed<B>(request: &Request<B>) -> Option<Problem> {
    let headers = request.headers();
    let line_bytes = |(name, value): (&HeaderName, &HeaderValue)| name.as_str().len() + value.len() + 4;
    let head_bytes = headers.iter().map(line_bytes).sum::<usize>() + request.uri().to_string().len();
    if head_bytes > MAX_HEAD_BYTES {
        let detail = format!("a request's head has at most {MAX_HEAD_BYTES} bytes");
        return Some(Problem::new(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, detail));
    }
    let hosts = headers.get_all(header::HOST).iter().count();
    let has_one_host = hosts == 1 || (hosts == 0 && request.version() < Version::HTTP_11);
    (!has_one_host).then(|| Problem::bad_request("a request has exactly one Host header"))
}
