//! Connects to tenants' servers. The egress policy is applied at every connect to the very address that is connected to:
//! an earlier resolution of a name does not count.

use std::{
    future::Future,
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll},
    time::Duration,
};

use hyper::Uri;
use hyper_util::{
    client::legacy::connect::{Connected, Connection},
    rt::TokioIo,
};
use rustls::pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::TlsConnector;
use wholecall_ringcentral::{Proxies, Proxy};

use super::happy_eyeballs::connect_first;
use crate::security::EgressPolicy;

/// Maximum time to resolve a name that a proxy will resolve itself: this machine may have no name server.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(1);

/// Why a connection failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    #[error("{0} is not a valid host")]
    Address(String),
    #[error("{0} cannot be resolved: {1}")]
    Resolve(String, io::Error),
    /// The same for names that do not exist and for addresses that are not allowed: a tenant must not learn which names
    /// this network has.
    #[error("no allowed address was found for {0}")]
    NoAddress(String),
    #[error("{0} is {1} and may not be connected to")]
    Refused(IpAddr, &'static str),
    #[error("no connection to {0}: {1}")]
    Connect(String, io::Error),
    #[error("no TLS with {0}: {problem}", problem = describe_tls_error(.1))]
    Tls(String, io::Error),
}

/// Describes certificate problems that the receiver's operator can solve; rustls's own text follows in parentheses.
fn describe_tls_error(error: &io::Error) -> String {
    use rustls::{CertificateError as Problem, Error::InvalidCertificate};
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
    let words = match inner {
        Some(InvalidCertificate(Problem::Expired | Problem::ExpiredContext { .. })) => {
            "its certificate has expired"
        }
        Some(InvalidCertificate(Problem::NotValidYet | Problem::NotValidYetContext { .. })) => {
            "its certificate is not valid yet"
        }
        Some(InvalidCertificate(Problem::NotValidForName | Problem::NotValidForNameContext { .. })) => {
            "its certificate is for another name"
        }
        Some(InvalidCertificate(Problem::UnknownIssuer)) => {
            "its certificate was issued by an authority that this machine does not trust"
        }
        // rustls has no variant of its own for this error of webpki.
        Some(InvalidCertificate(Problem::Other(other)))
            if other.to_string().contains("CaUsedAsEndEntity") =>
        {
            "its certificate is a CA certificate, not a server certificate: create one with `-addext basicConstraints=CA:FALSE`"
        }
        _ => return error.to_string(),
    };
    format!("{words} ({error})")
}

pub(super) type Resolved = Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send>>;

/// Resolves a host name and port to addresses.
pub(crate) type Resolver = Arc<dyn Fn(String, u16) -> Resolved + Send + Sync>;

/// The system's resolver.
pub(crate) fn system_resolver() -> Resolver {
    Arc::new(|host, port| {
        Box::pin(async move { Ok(tokio::net::lookup_host((host, port)).await?.collect::<Vec<_>>()) })
    })
}

/// Connects to addresses that the egress policy allows.
#[derive(Clone)]
pub(crate) struct Connector {
    policy: Arc<EgressPolicy>,
    resolver: Resolver,
    proxies: Arc<Proxies>,
    tls: Arc<OnceLock<Arc<rustls::ClientConfig>>>,
}

impl Connector {
    pub(crate) fn new(policy: EgressPolicy, resolver: Resolver, proxies: Proxies) -> Self {
        Self { policy: Arc::new(policy), resolver, proxies: Arc::new(proxies), tls: Arc::default() }
    }

    async fn connect(self, uri: Uri) -> Result<TokioIo<MaybeTls>, ConnectError> {
        let written = uri.host().unwrap_or_default();
        let host = written.trim_start_matches('[').trim_end_matches(']').to_owned();
        let is_tls = uri.scheme_str() == Some("https");
        let port = uri.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
        let stream = match self.proxies.proxy_for(is_tls, &host) {
            Some(proxy) => self.connect_through(proxy, &host, port).await?,
            None => self.connect_tcp(&host, port).await?,
        };
        // Requests are small, and each waits for its answer.
        let _ = stream.set_nodelay(true);
        if !is_tls {
            return Ok(TokioIo::new(MaybeTls(Box::new(stream))));
        }
        let name = ServerName::try_from(host.clone()).map_err(|_| ConnectError::Address(host.clone()))?;
        let failed = |error| ConnectError::Tls(host.clone(), error);
        let config = self.tls_config().map_err(|error| failed(io::Error::other(error)))?;
        let stream = TlsConnector::from(config).connect(name, stream).await.map_err(failed)?;
        Ok(TokioIo::new(MaybeTls(Box::new(stream))))
    }

    /// Connects through a proxy. The proxy resolves the name and decides which addresses it may lead to; addresses that this
    /// machine knows to be disallowed are not requested from it.
    async fn connect_through(&self, proxy: &Proxy, host: &str, port: u16) -> Result<TcpStream, ConnectError> {
        match host.parse() {
            Ok(literal) => drop(self.checked(literal, port)?),
            // This machine may be unable to resolve any name.
            Err(_) => match timeout(LOOKUP_TIMEOUT, (self.resolver)(host.to_owned(), port)).await {
                Ok(Ok(found)) if self.allowed(host, &found).len() < found.len() => {
                    return Err(ConnectError::NoAddress(host.to_owned()));
                }
                _ => {}
            },
        }
        proxy.connect(host, port).await.map_err(|error| ConnectError::Connect(host.to_owned(), error))
    }

    async fn connect_tcp(&self, host: &str, port: u16) -> Result<TcpStream, ConnectError> {
        let addresses = match host.parse() {
            Ok(literal) => vec![self.checked(literal, port)?],
            Err(_) => self.resolve(host, port).await?,
        };
        let failed = |(address, error): (SocketAddr, _)| ConnectError::Connect(address.to_string(), error);
        connect_first(addresses).await.map_err(failed)
    }

    /// Applies the policy to a literal address. The error names its range: the tenant knows the address.
    fn checked(&self, literal: IpAddr, port: u16) -> Result<SocketAddr, ConnectError> {
        let refused = |kind| ConnectError::Refused(literal, kind);
        self.policy.check(literal).map(|()| SocketAddr::new(literal, port)).map_err(refused)
    }

    /// The allowed addresses of a name: at least one.
    async fn resolve(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, ConnectError> {
        let found = match (self.resolver)(host.to_owned(), port).await {
            Ok(found) => self.allowed(host, &found),
            Err(error) if self.policy.allow_all => return Err(ConnectError::Resolve(host.to_owned(), error)),
            Err(error) => {
                tracing::info!(host, %error, "the host name of an endpoint cannot be resolved");
                Vec::new()
            }
        };
        if found.is_empty() { Err(ConnectError::NoAddress(host.to_owned())) } else { Ok(found) }
    }

    /// The addresses that the policy allows. The others are logged for the operator only.
    fn allowed(&self, host: &str, found: &[SocketAddr]) -> Vec<SocketAddr> {
        let is_allowed = |address: &&SocketAddr| match self.policy.check(address.ip()) {
            Ok(()) => true,
            Err(kind) => {
                tracing::info!(host, address = %address.ip(), kind, "the address of an endpoint is not allowed");
                false
            }
        };
        found.iter().filter(is_allowed).copied().collect()
    }

    /// Trusts the authorities that this machine trusts (also by `SSL_CERT_FILE`).
    fn tls_config(&self) -> Result<Arc<rustls::ClientConfig>, rustls::Error> {
        if let Some(config) = self.tls.get() {
            return Ok(config.clone());
        }
        let mut roots = rustls::RootCertStore::empty();
        let found = rustls_native_certs::load_native_certs();
        roots.add_parsable_certificates(found.certs);
        if roots.is_empty() {
            tracing::warn!("this machine has no trusted certificate authorities: install ca-certificates");
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(self.tls.get_or_init(|| Arc::new(config)).clone())
    }
}

impl tower_service::Service<Uri> for Connector {
    type Response = TokioIo<MaybeTls>;
    type Error = ConnectError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        Box::pin(self.clone().connect(uri))
    }
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// A connection with or without TLS.
pub(crate) struct MaybeTls(Box<dyn Stream>);

impl Connection for MaybeTls {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl AsyncRead for MaybeTls {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        to: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, to)
    }
}

impl AsyncWrite for MaybeTls {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, from: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, from)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
