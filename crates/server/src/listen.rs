//! Connections: plain or over TLS, with limits for whoever is slow, and an end.

use std::{convert::Infallible, net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    http::{HeaderName, HeaderValue, StatusCode, Version, header},
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

use crate::{
    Service, headers,
    problem::{Problem, as_document},
    receive,
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

/// Who answers requests.
pub(crate) struct Answering {
    pub(crate) service: Service,
    pub(crate) router: Router,
    /// Whether browsers come by HTTPS, to this service or to a proxy before it.
    pub(crate) is_secure: bool,
}

/// Serves until `stop` turns true, then until the requests at hand are answered.
pub(crate) async fn serve(
    listener: TcpListener,
    tls: watch::Receiver<Option<Tls>>,
    answering: Answering,
    mut stop: watch::Receiver<bool>,
) {
    let answering = Arc::new(answering);
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
        let _ = stream.set_nodelay(true);
        let (answering, watcher) = (answering.clone(), graceful.watcher());
        // The certificate of now: it may have been renewed since the last connection.
        let acceptor = tls.borrow().as_ref().map(|tls| TlsAcceptor::from(tls.0.clone()));
        match acceptor {
            None => drop(tokio::spawn(answer(stream, peer, answering, watcher))),
            Some(acceptor) => drop(tokio::spawn(async move {
                if let Ok(Ok(stream)) = tokio::time::timeout(HEAD_WITHIN, acceptor.accept(stream)).await {
                    answer(stream, peer, answering, watcher).await;
                }
            })),
        }
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
    answering: Arc<Answering>,
    watcher: hyper_util::server::graceful::Watcher,
) {
    let service = hyper::service::service_fn(move |request: Request<Incoming>| {
        let answering = answering.clone();
        async move {
            let is_secure = answering.is_secure;
            let mut response = respond(answering, peer, request).await?;
            headers::complete(&mut response, is_secure);
            Ok::<_, Infallible>(response)
        }
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WITHIN)
        .max_buf_size(MAX_HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), service);
    // How a client breaks off is its own affair.
    let _ = watcher.watch(connection).await;
}

async fn respond(
    answering: Arc<Answering>,
    peer: Peer,
    request: Request<Incoming>,
) -> Result<Response, Infallible> {
    if let Some(problem) = unfit(&request) {
        return Ok(problem.into_response());
    }
    // RingCentral's webhooks are most of what is asked: they go the short way.
    if let Some(name) = receive::hook(&request).map(str::to_owned) {
        return Ok(receive::answer(&answering.service, &name, request).await);
    }
    use tower_service::Service as _;
    let mut router = answering.router.clone();
    let mut request = request.map(Body::new);
    request.extensions_mut().insert(peer);
    Ok(as_document(router.call(request).await?).await)
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
