//! Connections to other people's servers. The address that is judged is the one that is connected to, at every
//! connect: what a name meant a moment ago does not count.

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

use super::{judge::Judge, race::connect_first};

/// Behind a proxy this machine may have nobody to ask for names.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(1);

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    #[error("{0} is no address that can be connected to")]
    Address(String),
    #[error("{0} cannot be resolved: {1}")]
    Resolve(String, io::Error),
    /// Which names this network has, and what they lead to, is no tenant's to know.
    #[error("no address that may be connected to was found for {0}")]
    NoAddress(String),
    #[error("{0} is {1} and may not be connected to")]
    Refused(IpAddr, &'static str),
    #[error("no connection to {0}: {1}")]
    Connect(String, io::Error),
    #[error("no TLS with {0}: {problem}", problem = in_words(.1))]
    Tls(String, io::Error),
}

/// What people can do something about is said in their words; what rustls says stands behind it.
fn in_words(error: &io::Error) -> String {
    use rustls::{CertificateError as Wrong, Error::InvalidCertificate};
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
    let words = match inner {
        Some(InvalidCertificate(Wrong::Expired | Wrong::ExpiredContext { .. })) => {
            "its certificate has expired"
        }
        Some(InvalidCertificate(Wrong::NotValidYet | Wrong::NotValidYetContext { .. })) => {
            "its certificate is not valid yet"
        }
        Some(InvalidCertificate(Wrong::NotValidForName | Wrong::NotValidForNameContext { .. })) => {
            "its certificate is for another name"
        }
        Some(InvalidCertificate(Wrong::UnknownIssuer)) => {
            "its certificate was issued by nobody whom this machine trusts"
        }
        // webpki's own word for it is all there is.
        Some(InvalidCertificate(Wrong::Other(other))) if other.to_string().contains("CaUsedAsEndEntity") => {
            "its certificate is one of an authority, not of a server: make one with `-addext basicConstraints=CA:FALSE`"
        }
        _ => return error.to_string(),
    };
    format!("{words} ({error})")
}

pub(super) type Resolved = Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send>>;

/// Finds the addresses of a name.
pub(crate) type Resolver = Arc<dyn Fn(String, u16) -> Resolved + Send + Sync>;

/// The system's.
pub(crate) fn system_resolver() -> Resolver {
    Arc::new(|host, port| {
        Box::pin(async move { Ok(tokio::net::lookup_host((host, port)).await?.collect::<Vec<_>>()) })
    })
}

/// Connects where it may.
#[derive(Clone)]
pub(crate) struct Connector {
    judge: Arc<Judge>,
    resolver: Resolver,
    proxies: Arc<Proxies>,
    tls: Arc<OnceLock<Arc<rustls::ClientConfig>>>,
}

impl Connector {
    pub(crate) fn new(judge: Judge, resolver: Resolver, proxies: Proxies) -> Self {
        Self { judge: Arc::new(judge), resolver, proxies: Arc::new(proxies), tls: Arc::default() }
    }

    async fn connect(self, uri: Uri) -> Result<TokioIo<Wire>, ConnectError> {
        let written = uri.host().unwrap_or_default();
        let host = written.trim_start_matches('[').trim_end_matches(']').to_owned();
        let is_tls = uri.scheme_str() == Some("https");
        let port = uri.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
        let stream = match self.proxies.proxy_for(is_tls, &host) {
            Some(proxy) => self.connect_through(proxy, &host, port).await?,
            None => self.connect_tcp(&host, port).await?,
        };
        // Small requests, and somebody waits for each.
        let _ = stream.set_nodelay(true);
        if !is_tls {
            return Ok(TokioIo::new(Wire(Box::new(stream))));
        }
        let name = ServerName::try_from(host.clone()).map_err(|_| ConnectError::Address(host.clone()))?;
        let failed = |error| ConnectError::Tls(host.clone(), error);
        let config = self.tls_config().map_err(|error| failed(io::Error::other(error)))?;
        let stream = TlsConnector::from(config).connect(name, stream).await.map_err(failed)?;
        Ok(TokioIo::new(Wire(Box::new(stream))))
    }

    /// Behind a proxy names mean what they mean to it, and what they may lead to is its to decide. What this machine
    /// knows to be forbidden it is not asked for.
    async fn connect_through(&self, proxy: &Proxy, host: &str, port: u16) -> Result<TcpStream, ConnectError> {
        match host.parse() {
            Ok(literal) => drop(self.judged(literal, port)?),
            // This machine may know no names at all.
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
            Ok(literal) => vec![self.judged(literal, port)?],
            Err(_) => self.find(host, port).await?,
        };
        let failed = |(address, error): (SocketAddr, _)| ConnectError::Connect(address.to_string(), error);
        connect_first(addresses).await.map_err(failed)
    }

    /// A literal address is judged like any other, and its owner knows what it is.
    fn judged(&self, literal: IpAddr, port: u16) -> Result<SocketAddr, ConnectError> {
        let refused = |kind| ConnectError::Refused(literal, kind);
        self.judge.judge(literal).map(|()| SocketAddr::new(literal, port)).map_err(refused)
    }

    /// The addresses of a name that may be connected to: at least one.
    async fn find(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, ConnectError> {
        let found = match (self.resolver)(host.to_owned(), port).await {
            Ok(found) => self.allowed(host, &found),
            Err(error) if self.judge.allow_all => return Err(ConnectError::Resolve(host.to_owned(), error)),
            Err(error) => {
                tracing::info!(host, %error, "the name of an endpoint cannot be resolved");
                Vec::new()
            }
        };
        if found.is_empty() { Err(ConnectError::NoAddress(host.to_owned())) } else { Ok(found) }
    }

    /// Those of a name's addresses that may be connected to. What the others are is for the operator only.
    fn allowed(&self, host: &str, found: &[SocketAddr]) -> Vec<SocketAddr> {
        let is_allowed = |address: &&SocketAddr| match self.judge.judge(address.ip()) {
            Ok(()) => true,
            Err(kind) => {
                tracing::info!(host, address = %address.ip(), kind, "an endpoint may not be connected to");
                false
            }
        };
        found.iter().filter(is_allowed).copied().collect()
    }

    /// Whom to trust: those whom this machine trusts (also by `SSL_CERT_FILE`).
    fn tls_config(&self) -> Result<Arc<rustls::ClientConfig>, rustls::Error> {
        if let Some(config) = self.tls.get() {
            return Ok(config.clone());
        }
        let mut roots = rustls::RootCertStore::empty();
        let found = rustls_native_certs::load_native_certs();
        roots.add_parsable_certificates(found.certs);
        if roots.is_empty() {
            tracing::warn!("this machine has no certificates to know others by: install ca-certificates");
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
    type Response = TokioIo<Wire>;
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

/// A connection, with TLS or without.
pub(crate) struct Wire(Box<dyn Stream>);

impl Connection for Wire {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        to: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, to)
    }
}

impl AsyncWrite for Wire {
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
