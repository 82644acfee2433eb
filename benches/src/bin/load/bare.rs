//! A minimal durable receiver to compare with: an HTTP server that appends bodies to a file, many with one fsync.

use std::{convert::Infallible, fs::File, io::Write, path::PathBuf, thread};

use http_body_util::{BodyExt, Empty};
use hyper::{Request, Response, body::Bytes, body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    net::TcpListener,
    sync::{mpsc, oneshot},
};

use crate::Result;

/// Maximum number of bodies per fsync, as in the store.
const MAX_BATCH: usize = 4_096;

type Work = (Bytes, oneshot::Sender<()>);

pub(crate) async fn serve(file: PathBuf) -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?);
    let (queue, work) = mpsc::channel(MAX_BATCH);
    let file = File::create(file)?;
    thread::spawn(move || append(file, work));
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let queue = queue.clone();
        let service = service_fn(move |request| answer(request, queue.clone()));
        tokio::spawn(
            hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service),
        );
    }
}

async fn answer(
    request: Request<Incoming>,
    queue: mpsc::Sender<Work>,
) -> std::result::Result<Response<Empty<Bytes>>, Infallible> {
    let mut response = Response::new(Empty::new());
    let stored = async {
        let body = request.into_body().collect().await.ok()?.to_bytes();
        let (durable, is_durable) = oneshot::channel();
        queue.send((body, durable)).await.ok()?;
        is_durable.await.ok()
    };
    if stored.await.is_none() {
        *response.status_mut() = hyper::StatusCode::SERVICE_UNAVAILABLE;
    }
    Ok(response)
}

fn append(mut file: File, mut work: mpsc::Receiver<Work>) {
    let mut batch: Vec<Work> = Vec::new();
    while work.blocking_recv_many(&mut batch, MAX_BATCH) > 0 {
        let bodies: Vec<u8> = batch.iter().flat_map(|(body, _)| body.iter().copied()).collect();
        // After a failure the senders are dropped, which the waiting requests receive as an error.
        let written = file.write_all(&bodies).and_then(|()| file.sync_data());
        for (_, durable) in batch.drain(..) {
            if written.is_ok() {
                let _ = durable.send(());
            }
        }
    }
}
