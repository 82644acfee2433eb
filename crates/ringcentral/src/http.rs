//! HTTP with TLS, by this machine's trusted certificates. All clients of a process share one.

use std::{error::Error as _, sync::Arc, time::Duration};

use http_body_util::{BodyExt, Full, Limited};
use hyper::{HeaderMap, Request, StatusCode, body::Bytes};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};

use crate::error::{Error, Result};

const CONNECT_WITHIN: Duration = Duration::from_secs(10);

/// For a whole request. RingCentral calls the webhook while it answers the creation of a subscription.
const WITHIN: Duration = Duration::from_secs(30);

/// A connection is closed soon: with many accounts, most are idle most of the time.
const IDLE: Duration = Duration::from_secs(10);

/// A page of a list has some hundred KB.
const MAX_ANSWER_BYTES: usize = 16 << 20;

/// The way to RingCentral. Clones share their connections.
#[derive(Debug, Clone)]
pub struct Http {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    tls: Arc<rustls::ClientConfig>,
}

/// An answer, whatever it says.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Http {
    /// Trusts whom this machine trusts.
    pub fn new() -> Result<Self> {
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
        tcp.set_connect_timeout(Some(CONNECT_WITHIN));
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config((*tls).clone())
            .https_or_http()
            .enable_http1()
            .wrap_connector(tcp);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .build(connector);
        Ok(Self { client, tls })
    }

    /// For WebSockets, which make their own connections.
    pub(crate) fn tls(&self) -> Arc<rustls::ClientConfig> {
        self.tls.clone()
    }

    pub(crate) async fn send(&self, request: Request<Full<Bytes>>) -> Result<Answer> {
        let asked = async {
            let response = self.client.request(request).await.map_err(|error| unreachable(&error))?;
            let (head, body) = response.into_parts();
            let body = Limited::new(body, MAX_ANSWER_BYTES).collect().await;
            let body = body.map_err(|error| Error::Unreachable(error.to_string()))?.to_bytes();
            Ok(Answer { status: head.status, headers: head.headers, body })
        };
        let late = || Error::Unreachable(format!("no answer within {} s", WITHIN.as_secs()));
        tokio::time::timeout(WITHIN, asked).await.unwrap_or_else(|_| Err(late()))
    }
}

/// The innermost cause says most: "connection refused", not "client error".
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
