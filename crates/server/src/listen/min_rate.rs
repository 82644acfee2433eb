//! Minimum transfer rates of a request's body, and of a response.
//!
//! Only time in which the service waits for the client counts. Waiting uses up a budget, and transferred bytes refill it.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::BoxError;
use hyper::body::{Body, Frame, SizeHint};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep_until},
};

/// Maximum wait for the next part of a request's body, and for a client to read a response.
const MAX_BODY_WAIT: Duration = Duration::from_secs(10);
const MAX_RESPONSE_WAIT: Duration = Duration::from_secs(20);

/// Minimum rate: this many transferred bytes refill the budget by a second.
const MIN_BYTES_PER_SECOND: u32 = 1_024;

/// The time for which the service still waits for the client.
#[derive(Debug)]
struct WaitBudget {
    max: Duration,
    left: Duration,
    /// The start of the current wait, and the timer that ends it. `None` if there is none.
    waiting: Option<(Instant, Pin<Box<Sleep>>)>,
}

impl WaitBudget {
    fn new(max: Duration) -> Self {
        Self { max, left: max, waiting: None }
    }

    /// Ends a wait, and refills the budget.
    fn transferred(&mut self, bytes: usize) {
        if let Some((since, _)) = self.waiting.take() {
            self.left = self.left.saturating_sub(since.elapsed());
        }
        let earned = Duration::from_secs_f64(bytes as f64 / f64::from(MIN_BYTES_PER_SECOND));
        self.left = self.left.saturating_add(earned).min(self.max);
    }

    /// Starts or continues a wait. Ready once the budget is used up.
    fn poll_exhausted(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let left = self.left;
        let start = || {
            let now = Instant::now();
            (now, Box::pin(sleep_until(now + left)))
        };
        self.waiting.get_or_insert_with(start).1.as_mut().poll(context)
    }
}

/// A request's body that fails if it arrives too slowly.
#[derive(Debug)]
pub(super) struct MinRateBody<B> {
    body: B,
    budget: WaitBudget,
}

impl<B> MinRateBody<B> {
    pub(super) fn new(body: B) -> Self {
        Self { body, budget: WaitBudget::new(MAX_BODY_WAIT) }
    }
}

impl<B: Body<Data: hyper::body::Buf, Error: Into<BoxError>> + Unpin> Body for MinRateBody<B> {
    type Data = B::Data;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, BoxError>>> {
        match Pin::new(&mut self.body).poll_frame(context) {
            Poll::Ready(frame) => {
                use hyper::body::Buf;
                let data = frame.as_ref().and_then(|frame| frame.as_ref().ok()).and_then(Frame::data_ref);
                let bytes = data.map_or(0, Buf::remaining);
                self.budget.transferred(bytes);
                Poll::Ready(frame.map(|frame| frame.map_err(Into::into)))
            }
            Poll::Pending => {
                ready!(self.budget.poll_exhausted(context));
                Poll::Ready(Some(Err("the body arrived too slowly".into())))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A connection that fails if the client does not read what is written to it.
#[derive(Debug)]
pub(super) struct MinRateStream<S> {
    stream: S,
    budget: WaitBudget,
}

impl<S> MinRateStream<S> {
    pub(super) fn new(stream: S) -> Self {
        Self { stream, budget: WaitBudget::new(MAX_RESPONSE_WAIT) }
    }

    fn wait<T>(&mut self, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        ready!(self.budget.poll_exhausted(context));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client does not read")))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for MinRateStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for MinRateStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match Pin::new(&mut self.stream).poll_write(context, bytes) {
            Poll::Ready(written) => {
                self.budget.transferred(*written.as_ref().unwrap_or(&0));
                Poll::Ready(written)
            }
            Poll::Pending => self.wait(context),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match Pin::new(&mut self.stream).poll_write_vectored(context, parts) {
            Poll::Ready(written) => {
                self.budget.transferred(*written.as_ref().unwrap_or(&0));
                Poll::Ready(written)
            }
            Poll::Pending => self.wait(context),
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.stream).poll_flush(context) {
            Poll::Pending => self.wait(context),
            ready => ready,
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.stream).poll_shutdown(context) {
            Poll::Pending => self.wait(context),
            ready => ready,
        }
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::{BodyExt, StreamBody};
    use tokio::io::AsyncWriteExt;

    use super::*;

    type Part = Result<Frame<axum::body::Bytes>, BoxError>;

    /// A body that arrives in parts of a size, each after an interval.
    fn slow(
        parts: usize,
        bytes: usize,
        after: Duration,
    ) -> impl Body<Data = axum::body::Bytes, Error = BoxError> + Unpin {
        let stream = futures_util::stream::unfold(0, move |sent| async move {
            tokio::time::sleep(after).await;
            let part: Part = Ok(Frame::data(vec![b'x'; bytes].into()));
            (sent < parts).then_some((part, sent + 1))
        });
        StreamBody::new(Box::pin(stream))
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_stalls_or_is_too_slow_fails() {
        for (bytes, after) in [(1, 60_000), (1, 500), (100, 1_000)] {
            let body = MinRateBody::new(slow(1_000, bytes, Duration::from_millis(after)));
            let began = Instant::now();
            assert!(body.collect().await.is_err(), "{bytes} bytes each {after} ms");
            assert!(began.elapsed() < Duration::from_secs(12), "{:?}", began.elapsed());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_long_body_that_arrives_fast_enough_is_received() {
        for (bytes, after) in [(2_000, 1_000), (16_384, 9_000), (64, 20)] {
            let body = MinRateBody::new(slow(200, bytes, Duration::from_millis(after)));
            assert_eq!(body.collect().await.unwrap().to_bytes().len(), 200 * bytes);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_does_not_read_is_cut_off_and_an_idle_one_is_not() {
        let (client, server) = tokio::io::duplex(1_024);
        let mut server = MinRateStream::new(server);
        let began = Instant::now();
        assert_eq!(server.write_all(&[0; 4_096]).await.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert_eq!(began.elapsed().as_secs(), MAX_RESPONSE_WAIT.as_secs());
        drop(client);
        let (mut client, server) = tokio::io::duplex(1_024);
        let mut server = MinRateStream::new(server);
        for _ in 0..10 {
            server.write_all(b"event").await.unwrap();
            tokio::time::sleep(Duration::from_secs(60)).await;
            let mut read = [0; 5];
            tokio::io::AsyncReadExt::read_exact(&mut client, &mut read).await.unwrap();
        }
    }
}
