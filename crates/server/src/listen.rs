//! Connections: plain or over TLS, with limits for whoever is slow, and an end.

mod clients;
mod pace;
mod who;
mod wrong;

use std::{convert::Infallible, net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Version, header},
    response::{IntoResponse, Response},
};
use hyper::{Request, body::Incoming};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
    sync::watch,
};
use tokio_rustls::TlsAcceptor;

use wholecall_store::What;

pub use self::clients::ConnectionLimits;
pub(crate) use self::{clients::network, who::bearer};
use self::{
    clients::{Client, Clients, Owner},
    pace::{PacedBody, PacedStream},
};
use crate::{
    Service, headers,
    problem::{Problem, as_document},
    receive::{self, HookState},
};

/// For a request's head, and for the TLS handshake.
const HEAD_WITHIN: Duration = Duration::from_secs(10);

/// A request's head may have so many bytes.
const MAX_HEAD_BYTES: usize = 64 * 1024;

/// So long a stop waits for requests that are being answered.
const DRAIN: Duration = Duration::from_secs(10);

/// A certificate and its key.
#[derive(Clone)]
pub struct Tls(Arc<rustls::ServerConfig>);

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tls")
    }
}

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// It is not PEM, or has not what is needed.
    #[error("the {what} cannot be read: {problem}")]
    Pem {
        /// Which of the two.
        what: &'static str,
        /// Why.
        problem: String,
    },
    /// They do not belong together.
    #[error("the certificate and the key cannot be used: {0}")]
    Unusable(#[from] rustls::Error),
}

impl Tls {
    /// From a chain of certificates and a private key, both PEM.
    pub fn from_pem(certificates: &[u8], key: &[u8]) -> Result<Self, TlsError> {
        let problem = |what| {
            move |error: rustls::pki_types::pem::Error| TlsError::Pem { what, problem: error.to_string() }
        };
        let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(certificates)
            .collect::<Result<_, _>>()
            .map_err(problem("certificate"))?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(problem("key"))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(chain, key)?;
        Ok(Self(Arc::new(config)))
    }
}

/// Who is at the other end of a connection: part of every request that comes by it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer(pub(crate) SocketAddr);

/// Returns the hash of the key that opened a browser's session; `None` if a request has no open session.
pub(crate) type SessionKey = Arc<dyn Fn(&HeaderMap) -> Option<[u8; 32]> + Send + Sync>;

/// Who answers requests.
pub(crate) struct Answering {
    pub(crate) service: Service,
    hook: HookState,
    session_key: SessionKey,
    pub(crate) router: Router,
    /// Whether browsers come by HTTPS, to this service or to a proxy before it.
    is_secure: bool,
    wrong: wrong::WrongKeys,
}

impl Answering {
    pub(crate) fn new(service: Service, hook: HookState, session_key: SessionKey, router: Router) -> Self {
        let is_secure = service.is_secure();
        Self { service, hook, session_key, router, is_secure, wrong: Default::default() }
    }
}

/// Serves until `stop` turns true, then until the requests at hand are answered.
pub(crate) async fn serve(
    listener: TcpListener,
    tls: watch::Receiver<Option<Tls>>,
    answering: Answering,
    mut stop: watch::Receiver<bool>,
) {
    let answering = Arc::new(answering);
    let settings = &answering.service.settings;
    let clients = Clients::new(settings.connections);
    let graceful = GracefulShutdown::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.wait_for(|stop| *stop) => break,
        };
        let (stream, peer) = match accepted {
            Ok((stream, peer)) => (stream, Peer(peer)),
            Err(error) => {
                // Too many open files, most often: some will be closed soon.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let address = peer.0.ip().to_canonical();
        let is_proxy = settings.trusted_proxies.iter().any(|network| network.contains(&address));
        let owner = if is_proxy { Owner::Proxy } else { Owner::Address(address) };
        let Some(client) = clients.admit(owner) else {
            tracing::warn!("a connection was refused: there are {} of proxies", settings.connections.all);
            continue;
        };
        let client = Arc::new(client);
        let _ = stream.set_nodelay(true);
        let (answering, watcher) = (answering.clone(), graceful.watcher());
        // The certificate of now: it may have been renewed since the last connection.
        let acceptor = tls.borrow().as_ref().map(|tls| TlsAcceptor::from(tls.0.clone()));
        match acceptor {
            None => drop(tokio::spawn(answer(stream, peer, client, answering, watcher))),
            Some(acceptor) => drop(tokio::spawn(async move {
                let accepted = tokio::select! {
                    accepted = tokio::time::timeout(HEAD_WITHIN, acceptor.accept(stream)) => accepted,
                    () = client.close.notified() => return,
                };
                if let Ok(Ok(stream)) = accepted {
                    answer(stream, peer, client, answering, watcher).await;
                }
            })),
        }
        // The requests of those that are open are read before more connections are accepted: a flood of connections closes
        // those whose request showed no valid key.
        tokio::task::yield_now().await;
    }
    drop(listener);
    if tokio::time::timeout(DRAIN, graceful.shutdown()).await.is_err() {
        tracing::warn!("some requests were still unanswered {} s after the stop", DRAIN.as_secs());
    }
}

/// Answers the requests of one connection.
async fn answer(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    peer: Peer,
    client: Arc<Client>,
    answering: Arc<Answering>,
    watcher: hyper_util::server::graceful::Watcher,
) {
    let own = client.clone();
    let service = hyper::service::service_fn(move |request: Request<Incoming>| {
        let (answering, client) = (answering.clone(), own.clone());
        async move {
            let mut response = respond(&answering, peer, &client, request).await?;
            headers::complete(&mut response, answering.is_secure);
            Ok::<_, Infallible>(response)
        }
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WITHIN)
        .max_buf_size(MAX_HEAD_BYTES)
        .serve_connection(TokioIo::new(PacedStream::new(stream)), service);
    tokio::select! {
        // How a client breaks off is its own affair.
        _ = watcher.watch(connection) => {}
        () = client.close.notified() => {}
    }
}

/// Answers a request.
async fn respond(
    answering: &Answering,
    peer: Peer,
    client: &Client,
    request: Request<Incoming>,
) -> Result<Response, Infallible> {
    if let Some(problem) = unfit(&request) {
        return Ok(problem.into_response());
    }
    let service = &answering.service;
    let from = who::client(&service.settings.trusted_proxies, peer.0, request.headers());
    // Of those that come through a proxy, only a request is known, and not the connection.
    let mut unproven = None;
    let shown = who::shown(service, &answering.session_key, &request);
    let is_shown = shown.is_some();
    match shown {
        Some(owner) if !client.is_of_proxy() => client.belongs_to(owner),
        None if !client.is_of_proxy() => client.has_asked(),
        None => match client.unproven_request(from.ip()) {
            Some(counted) => unproven = Some(counted),
            None => {
                let detail = "too many requests without a valid key are being answered to this address";
                return Ok(Problem::new(StatusCode::TOO_MANY_REQUESTS, detail).into_response());
            }
        },
        _ => {}
    }
    let shows_wrong = !is_shown && wrong::shows_any(request.headers());
    if shows_wrong && answering.wrong.are_too_many(from.ip()) {
        answering.note_refused(from, receive::hook(&request));
        let detail = "too many wrong keys or tokens came from this address; try again in a minute";
        let mut response = Problem::new(StatusCode::TOO_MANY_REQUESTS, detail).into_response();
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("60"));
        return Ok(response);
    }
    let path = request.uri().path().to_owned();
    let request = request.map(PacedBody::new);
    // RingCentral's webhooks are most of what is asked: they go the short way.
    if let Some(name) = receive::hook(&request).map(str::to_owned) {
        let response = receive::answer(&answering.hook, &name, request).await;
        answering.refused(&response, from, &path, shows_wrong.then_some(Some(&name)));
        return Ok(response);
    }
    use tower_service::Service as _;
    let mut router = answering.router.clone();
    let mut request = request.map(Body::new);
    request.extensions_mut().insert(Peer(from));
    let response = as_document(router.call(request).await?).await;
    drop(unproven);
    answering.refused(&response, from, &path, shows_wrong.then_some(None));
    Ok(response)
}

impl Answering {
    /// Takes note of an answer to a request that showed a key, or a token to a hook, which was not in memory.
    fn refused(&self, response: &Response, from: SocketAddr, path: &str, wrong: Option<Option<&String>>) {
        if let Some(hook) = wrong.filter(|_| response.status() == StatusCode::UNAUTHORIZED) {
            self.wrong.count(from.ip(), path);
            self.note_refused(from, hook.map(String::as_str));
        }
    }

    /// Enters a wrong key, or a wrong token for a hook, into the audit log. Names of hooks that there are not are anything.
    fn note_refused(&self, from: SocketAddr, hook: Option<&str>) {
        let audit = &self.service.audit;
        let Some(hook) = hook else { return audit.refused_to(from.ip(), None, What::KeyUse, "") };
        let tenant = self.service.tenants.now().by_name.get(hook).map(|tenant| tenant.id);
        let object = if tenant.is_some() { "" } else { "of no tenant" };
        audit.refused_to(from.ip(), tenant, What::TokenUse, object);
    }
}

/// Why a request cannot be answered, whatever it is for. The library's limit for a head is one for its buffers.
fn unfit<B>(request: &Request<B>) -> Option<Problem> {
    let headers = request.headers();
    let line_bytes = |(name, value): (&HeaderName, &HeaderValue)| name.as_str().len() + value.len() + 4;
    let head_bytes = headers.iter().map(line_bytes).sum::<usize>() + request.uri().to_string().len();
    if head_bytes > MAX_HEAD_BYTES {
        let detail = format!("a request's head has {MAX_HEAD_BYTES} bytes at most");
        return Some(Problem::new(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, detail));
    }
    let hosts = headers.get_all(header::HOST).iter().count();
    let is_named = hosts == 1 || (hosts == 0 && request.version() < Version::HTTP_11);
    (!is_named).then(|| Problem::bad_request("a request names its host once"))
}
