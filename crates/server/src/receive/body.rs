//! Reads and decompresses the body of a request to a hook, within limits.

use std::time::Duration;

use axum::{BoxError, http::HeaderMap};
use http_body_util::BodyExt;
use hyper::body::{Body, Buf};
use tokio::time::Instant;

use crate::{
    metrics::HookOutcome,
    unpack::{Encoding, UnpackError, unpack},
};

/// Maximum size of a body; RingCentral's notifications have a few KB.
pub(crate) const MAX_BODY_BYTES: usize = 256 * 1024;

/// Maximum time for the body, and for storing it: RingCentral waits three seconds for an answer, and then sends the same
/// again.
pub(super) const HOOK_TIMEOUT: Duration = Duration::from_millis(2_500);

/// Maximum size of what is stored of a body that cannot be read.
pub(super) const MAX_REJECTED_BYTES: usize = 64 * 1024;

/// Maximum size of what is read and discarded of a body that is too long: a client that is answered before it has sent
/// everything may get a reset connection instead of the answer.
const MAX_DISCARDED_BYTES: usize = 8 << 20;

/// A body that could not be read as a whole.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct UnreadBody {
    pub(super) outcome: HookOutcome,
    pub(super) reason: String,
    pub(super) beginning: Vec<u8>,
    /// How many bytes arrived.
    pub(super) posted_bytes: usize,
}

/// Reads a body and decompresses it.
pub(super) async fn read<B>(headers: &HeaderMap, body: B) -> Result<Vec<u8>, UnreadBody>
where
    B: Body<Error: Into<BoxError>>,
{
    let (packed, posted_bytes, end) = collect(body).await;
    let unread = |outcome, reason: String, received: &[u8]| UnreadBody {
        outcome,
        reason,
        beginning: received[..received.len().min(MAX_REJECTED_BYTES)].to_vec(),
        posted_bytes,
    };
    match end {
        BodyEnd::Complete => {}
        BodyEnd::TooLong => {
            let reason = format!("the body has more than {MAX_BODY_BYTES} bytes");
            return Err(unread(HookOutcome::TooLarge, reason, &packed));
        }
        BodyEnd::TooSlow => {
            let reason = format!("the body did not arrive within {} ms", HOOK_TIMEOUT.as_millis());
            return Err(unread(HookOutcome::TooSlow, reason, &packed));
        }
        BodyEnd::BrokenOff => {
            return Err(unread(HookOutcome::TooSlow, "the body broke off".to_owned(), &packed));
        }
    }
    let encoding =
        Encoding::of(headers).map_err(|reason| unread(HookOutcome::Undecodable, reason, &packed))?;
    if encoding == Encoding::Identity {
        return Ok(packed);
    }
    unpack(encoding, &packed, MAX_BODY_BYTES).map_err(|problem| match problem {
        UnpackError::TooLong(beginning) => {
            let reason = format!("the body unpacks to more than {MAX_BODY_BYTES} bytes");
            unread(HookOutcome::TooLarge, reason, &beginning)
        }
        UnpackError::Damaged(problem) => {
            unread(HookOutcome::Undecodable, format!("the body cannot be unpacked: {problem}"), &packed)
        }
    })
}

/// Whether a body is empty. Stops reading at the first byte, since the client has shown no token.
pub(super) async fn is_empty<B: Body>(body: B) -> bool {
    let mut body = std::pin::pin!(body);
    let deadline = Instant::now() + HOOK_TIMEOUT;
    loop {
        match tokio::time::timeout_at(deadline, body.frame()).await {
            Ok(None) => return true,
            Ok(Some(Ok(frame))) if frame.data_ref().is_none_or(|data| !data.has_remaining()) => {}
            _ => return false,
        }
    }
}

/// How reading a body ended.
enum BodyEnd {
    Complete,
    TooLong,
    TooSlow,
    BrokenOff,
}

/// Reads a body: its bytes up to the limit, the number of all bytes that arrived, and how it ended.
async fn collect<B>(body: B) -> (Vec<u8>, usize, BodyEnd)
where
    B: Body<Error: Into<BoxError>>,
{
    let mut body = std::pin::pin!(body);
    let (mut received, mut posted_bytes) = (Vec::new(), 0);
    let deadline = Instant::now() + HOOK_TIMEOUT;
    loop {
        let is_too_long = posted_bytes > MAX_BODY_BYTES;
        match tokio::time::timeout_at(deadline, body.frame()).await {
            Err(_) if !is_too_long => return (received, posted_bytes, BodyEnd::TooSlow),
            Ok(Some(Err(_))) if !is_too_long => return (received, posted_bytes, BodyEnd::BrokenOff),
            Ok(None) if !is_too_long => return (received, posted_bytes, BodyEnd::Complete),
            Err(_) | Ok(Some(Err(_)) | None) => return (received, posted_bytes, BodyEnd::TooLong),
            Ok(Some(Ok(frame))) => {
                let Ok(mut data) = frame.into_data() else { continue };
                posted_bytes += data.remaining();
                while data.has_remaining() && received.len() < MAX_BODY_BYTES {
                    let chunk = data.chunk();
                    let length = chunk.len().min(MAX_BODY_BYTES - received.len());
                    received.extend_from_slice(&chunk[..length]);
                    data.advance(length);
                }
                if posted_bytes > MAX_BODY_BYTES {
                    received.truncate(MAX_REJECTED_BYTES);
                }
                if posted_bytes > MAX_BODY_BYTES + MAX_DISCARDED_BYTES {
                    return (received, posted_bytes, BodyEnd::TooLong);
                }
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test")]
mod tests {
    use std::{convert::Infallible, io};

    use axum::http::{HeaderValue, header};
    use futures_util::{StreamExt, stream};
    use http_body_util::{Full, StreamBody};
    use hyper::body::{Bytes, Frame};

    use super::*;

    async fn read_whole(body: Vec<u8>) -> Result<Vec<u8>, UnreadBody> {
        read(&HeaderMap::new(), Full::new(Bytes::from(body))).await
    }

    fn in_frames(
        frames: impl IntoIterator<Item = Vec<u8>>,
    ) -> impl futures_util::Stream<Item = Result<Frame<Bytes>, io::Error>> {
        let frames: Vec<_> = frames.into_iter().map(|frame| Ok(Frame::data(Bytes::from(frame)))).collect();
        stream::iter(frames)
    }

    #[tokio::test]
    async fn the_limit_is_exact_and_of_a_longer_body_the_beginning_is_stored() {
        assert_eq!(read_whole(vec![b'x'; MAX_BODY_BYTES]).await.unwrap().len(), MAX_BODY_BYTES);
        let unread = read_whole(vec![b'x'; MAX_BODY_BYTES + 1]).await.unwrap_err();
        assert_eq!(unread.outcome, HookOutcome::TooLarge);
        assert_eq!((unread.beginning.len(), unread.posted_bytes), (MAX_REJECTED_BYTES, MAX_BODY_BYTES + 1));
        let many = StreamBody::new(in_frames((0..100).map(|_| vec![b'y'; 10_000])));
        let unread = read(&HeaderMap::new(), many).await.unwrap_err();
        assert_eq!((unread.beginning.len(), unread.posted_bytes), (MAX_REJECTED_BYTES, 1_000_000));
    }

    #[tokio::test(start_paused = true)]
    async fn of_a_slow_or_interrupted_body_the_received_part_is_stored() {
        let stalled = StreamBody::new(in_frames([b"{\"begun\":".to_vec()]).chain(stream::pending()));
        let unread = read(&HeaderMap::new(), stalled).await.unwrap_err();
        assert_eq!((unread.outcome, &unread.beginning[..]), (HookOutcome::TooSlow, &b"{\"begun\":"[..]));
        let broken = in_frames([b"{".to_vec()]).chain(stream::iter([Err(io::Error::other("reset"))]));
        let unread = read(&HeaderMap::new(), StreamBody::new(broken)).await.unwrap_err();
        assert_eq!(unread.reason, "the body broke off");
        let endless = stream::repeat_with(|| Ok::<_, Infallible>(Frame::data(Bytes::from(vec![0; 1 << 20]))));
        let unread = read(&HeaderMap::new(), StreamBody::new(endless)).await.unwrap_err();
        assert_eq!(unread.outcome, HookOutcome::TooLarge);
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_should_be_empty_is_read_to_its_first_bytes_only() {
        assert!(is_empty(Full::new(Bytes::new())).await);
        assert!(is_empty(StreamBody::new(in_frames([Vec::new(), Vec::new()]))).await);
        let then_failing = stream::once(async { Ok(Frame::data(Bytes::from_static(b"x"))) })
            .chain(stream::once(async { panic!("it is read on") }));
        assert!(!is_empty(StreamBody::new(then_failing.map(|frame: Result<_, Infallible>| frame))).await);
        let stalled = stream::pending::<Result<Frame<Bytes>, Infallible>>();
        assert!(!is_empty(StreamBody::new(stalled)).await);
    }

    #[tokio::test]
    async fn a_body_that_cannot_be_decompressed_is_stored_as_received() {
        let read = async |encoding: &'static str, body: &'static [u8]| {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(encoding));
            read(&headers, Full::new(Bytes::from_static(body))).await
        };
        let unread = read("gzip", b"{\"plain\":1}").await.unwrap_err();
        assert_eq!(
            (unread.outcome, &unread.beginning[..]),
            (HookOutcome::Undecodable, &b"{\"plain\":1}"[..])
        );
        let unread = read("br", b"whatever").await.unwrap_err();
        assert!(unread.reason.contains("\"br\""), "{}", unread.reason);
        assert_eq!(read("identity", b"{}").await.unwrap(), b"{}");
    }
}
