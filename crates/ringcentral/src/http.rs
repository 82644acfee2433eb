//! HTTP with TLS. It trusts this machine's certificates; all clients of a process share one.

use std::{
    error::Error as _,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use http_body_util::{BodyExt, Full, Limited};
use hyper::{HeaderMap, Request, StatusCode, Uri, body::Bytes};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioIo, TokioTimer},
};
use tokio::net::TcpStream;
use tower_service::Service;

use crate::{
    error::{Error, Result},
    proxy::Proxies,
};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Maximum duration of a request with its answer. RingCentral calls the webhook before it answers the
/// creation of a subscription.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// Idle connections are closed after this time: with many accounts, most are idle most of the time.
const IDLE_TIMEOUT: Duration = Duration::from_secs(10);

/// Maximum size of an answer. A page of a list has some hundred KB.
const MAX_ANSWER_BYTES: usize = 16 << 20;

/// The HTTP client. Clones share its connections.
#[derive(Debug, Clone)]
pub struct Http {
    client: Client<HttpsConnector<Connector>, Full<Bytes>>,
    tls: Arc<rustls::ClientConfig>,
    connector: Connector,
}

/// An answer of any status.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Http {
    /// A client that trusts this machine's certificates and connects directly.
    pub fn new() -> Result<Self> {
        Self::through(Proxies::default())
    }

    /// A client that trusts this machine's certificates and connects through proxies.
    pub fn through(proxies: Proxies) -> Result<Self> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| Error::Unreachable(format!("no TLS: {error}")))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let tls = Arc::new(tls);
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
        let connector = Connector { tcp, proxies: Arc::new(proxies) };
        let with_tls = HttpsConnectorBuilder::new()
            .with_tls_config((*tls).clone())
            .https_or_http()
            .enable_http1()
            .wrap_connector(connector.clone());
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .build(with_tls);
        Ok(Self { client, tls, connector })
    }

    /// The TLS configuration, for WebSockets.
    pub(crate) fn tls(&self) -> Arc<rustls::ClientConfig> {
        self.tls.clone()
    }

    /// Opens a connection to a host, for a WebSocket.
    pub(crate) async fn connect(&self, address: &Uri) -> Result<TcpStream> {
        let connected = self.connector.clone().call(address.clone()).await;
        Ok(connected.map_err(|error| Error::Unreachable(error.to_string()))?.into_inner())
    }

    pub(crate) async fn send(&self, request: Request<Full<Bytes>>) -> Result<Answer> {
        let exchange = async {
            let response = self.client.request(request).await.map_err(|error| unreachable(&error))?;
            let (head, body) = response.into_parts();
            let body = Limited::new(body, MAX_ANSWER_BYTES).collect().await;
            let body = body.map_err(|error| Error::Unreachable(error.to_string()))?.to_bytes();
            Ok(Answer { status: head.status, headers: head.headers, body })
        };
        let late = || Error::Unreachable(format!("no answer within {} s", REQUEST_TIMEOUT.as_secs()));
        tokio::time::timeout(REQUEST_TIMEOUT, exchange).await.unwrap_or_else(|_| Err(late()))
    }
}

/// Connects directly, to a name's addresses in parallel, or through a proxy.
#[derive(Debug, Clone)]
struct Connector {
    tcp: HttpConnector,
    proxies: Arc<Proxies>,
}

impl Service<Uri> for Connector {
    type Response = TokioIo<TcpStream>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let Self { mut tcp, proxies } = self.clone();
        Box::pin(async move {
            let is_tls = matches!(uri.scheme_str(), Some("https" | "wss"));
            let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
            let Some(proxy) = proxies.proxy_for(is_tls, host) else {
                return tcp.call(with_port(&uri, is_tls)?).await.map_err(innermost);
            };
            let port = uri.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
            proxy.connect(host, port).await.map(TokioIo::new)
        })
    }
}

/// Adds the default port of the scheme. The HTTP connector does not know those of WebSockets.
fn with_port(uri: &Uri, is_tls: bool) -> io::Result<Uri> {
    let port = if is_tls { 443 } else { 80 };
    match (uri.authority(), uri.port()) {
        (Some(authority), None) => {
            let text = format!("{}://{authority}:{port}/", if is_tls { "https" } else { "http" });
            text.parse().map_err(io::Error::other)
        }
        _ => Ok(uri.clone()),
    }
}

/// Reduces an error to its innermost cause, which is the most specific: "connection refused", not "tcp
/// connect error".
fn innermost(error: impl std::error::Error + Send + Sync + 'static) -> io::Error {
    let mut cause: &dyn std::error::Error = &error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    match cause.downcast_ref::<io::Error>() {
        Some(io_error) => io::Error::new(io_error.kind(), io_error.to_string()),
        None => io::Error::other(cause.to_string()),
    }
}

/// Reduces an error to its innermost cause: "connection refused", not "client error".
fn unreachable(error: &hyper_util::client::legacy::Error) -> Error {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    match error.source() {
        Some(_) => Error::Unreachable(cause.to_string()),
        None => Error::Unreachable(error.to_string()),
    }
}
