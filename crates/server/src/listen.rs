//! Accepts connections, plain or over TLS, limits their number and the time that slow clients may take, and ends them.

mod app;
mod client_identity;
mod clients;
mod failed_credentials;
mod min_rate;
mod tls;

use std::{sync::Arc, time::Duration};

use hyper::{Request, body::Incoming};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
    sync::watch,
};

pub(crate) use self::{
    app::HttpApp,
    client_identity::{Peer, bearer},
    clients::network,
};
use self::{
    app::MAX_HEAD_BYTES,
    clients::{ClientConnection, ClientConnections, ConnectionOwner},
    min_rate::MinRateStream,
};
pub use self::{
    clients::ConnectionLimits,
    tls::{Tls, TlsError},
};

/// Maximum time for a request's head, and for the TLS handshake.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// Maximum time that a stop waits for requests that are being answered.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);

/// Interval before accepting again after an error.
const ACCEPT_RETRY_INTERVAL: Duration = Duration::from_millis(50);

/// Serves until `stop` turns true, then until the requests in flight are answered.
pub(crate) async fn serve(
    listener: TcpListener,
    tls: watch::Receiver<Option<Tls>>,
    app: HttpApp,
    mut stop: watch::Receiver<bool>,
) {
    let app = Arc::new(app);
    let settings = &app.service.settings;
    let clients = ClientConnections::new(settings.connections);
    let graceful = GracefulShutdown::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.wait_for(|stop| *stop) => break,
        };
        let (stream, peer) = match accepted {
            Ok((stream, peer)) => (stream, Peer(peer)),
            Err(error) => {
                // Most often too many files are open: some will be closed soon.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_RETRY_INTERVAL).await;
                continue;
            }
        };
        let address = peer.0.ip().to_canonical();
        let is_proxy = settings.trusted_proxies.iter().any(|network| network.contains(&address));
        let owner = if is_proxy { ConnectionOwner::Proxy } else { ConnectionOwner::Address(address) };
        let Some(client) = clients.admit(owner) else {
            let limit = settings.connections.all;
            tracing::warn!(limit, "a connection was refused: all others are those of proxies");
            continue;
        };
        let client = Arc::new(client);
        let _ = stream.set_nodelay(true);
        let (app, watcher) = (app.clone(), graceful.watcher());
        // The current certificate: it may have been renewed since the last connection.
        let acceptor = tls.borrow().as_ref().map(Tls::acceptor);
        match acceptor {
            None => drop(tokio::spawn(serve_connection(stream, peer, client, app, watcher))),
            Some(acceptor) => drop(tokio::spawn(async move {
                let accepted = tokio::select! {
                    accepted = tokio::time::timeout(HEAD_TIMEOUT, acceptor.accept(stream)) => accepted,
                    () = client.close.notified() => return,
                };
                if let Ok(Ok(stream)) = accepted {
                    serve_connection(stream, peer, client, app, watcher).await;
                }
            })),
        }
        // Requests on open connections are read before more connections are accepted, since a flood of connections closes
        // those whose request showed no valid key.
        tokio::task::yield_now().await;
    }
    drop(listener);
    if tokio::time::timeout(DRAIN_TIMEOUT, graceful.shutdown()).await.is_err() {
        tracing::warn!("some requests were still unanswered {} s after the stop", DRAIN_TIMEOUT.as_secs());
    }
}

/// Answers the requests of a connection until it ends or is to be closed.
async fn serve_connection(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    peer: Peer,
    client: Arc<ClientConnection>,
    app: Arc<HttpApp>,
    watcher: hyper_util::server::graceful::Watcher,
) {
    let own = client.clone();
    let service = hyper::service::service_fn(move |request: Request<Incoming>| {
        let (app, client) = (app.clone(), own.clone());
        async move { app.answer(peer, &client, request).await }
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(MAX_HEAD_BYTES)
        .serve_connection(TokioIo::new(MinRateStream::new(stream)), service);
    tokio::select! {
        // An error is the client's: it broke off, or did not send HTTP.
        _ = watcher.watch(connection) => {}
        () = client.close.notified() => {}
    }
}
