//! The body of a request to a hook: read within limits, unpacked, and never a reason to answer with an error.

use std::time::Duration;

use axum::{BoxError, http::HeaderMap};
use http_body_util::BodyExt;
use hyper::body::{Body, Buf};
use tokio::time::Instant;

use crate::{
    metrics::Outcome,
    unpack::{Encoding, Unreadable, unpack},
};

/// RingCentral's notifications have a few KB.
pub(crate) const MAX_BODY_BYTES: usize = 256 * 1024;

/// RingCentral gives up after three seconds, and then sends the same again.
pub(super) const DEADLINE: Duration = Duration::from_millis(2_500);

/// So much is kept of a body that cannot be taken for what it is.
pub(super) const KEPT_BYTES: usize = 64 * 1024;

/// So much more is read of a body that is too long: who is answered before all is sent may find the connection reset.
const MAX_DISCARDED_BYTES: usize = 8 << 20;

/// A body that cannot be read, or not as a whole.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unread {
    pub(super) outcome: Outcome,
    pub(super) reason: String,
    /// Its beginning.
    pub(super) kept: Vec<u8>,
    /// How much came.
    pub(super) posted_bytes: usize,
}

/// Reads a body and unpacks it.
pub(super) async fn read<B>(headers: &HeaderMap, body: B) -> Result<Vec<u8>, Unread>
where
    B: Body<Error: Into<BoxError>>,
{
    let (packed, came_bytes, end) = collect(body).await;
    let unread = |outcome, reason: String, kept: &[u8]| Unread {
        outcome,
        reason,
        kept: kept[..kept.len().min(KEPT_BYTES)].to_vec(),
        posted_bytes: came_bytes,
    };
    match end {
        End::Whole => {}
        End::TooLong => {
            let reason = format!("the body has more than {MAX_BODY_BYTES} bytes");
            return Err(unread(Outcome::TooLarge, reason, &packed));
        }
        End::TooSlow => {
            let reason = format!("the body did not come within {} ms", DEADLINE.as_millis());
            return Err(unread(Outcome::TooSlow, reason, &packed));
        }
        End::BrokenOff => {
            return Err(unread(Outcome::TooSlow, "the body broke off".to_owned(), &packed));
        }
    }
    let encoding = Encoding::of(headers).map_err(|reason| unread(Outcome::Undecodable, reason, &packed))?;
    if encoding == Encoding::Identity {
        return Ok(packed);
    }
    unpack(encoding, &packed, MAX_BODY_BYTES).map_err(|problem| match problem {
        Unreadable::TooLong(beginning) => {
            let reason = format!("the body unpacks to more than {MAX_BODY_BYTES} bytes");
            unread(Outcome::TooLarge, reason, &beginning)
        }
        Unreadable::Damaged(problem) => {
            unread(Outcome::Undecodable, format!("the body cannot be unpacked: {problem}"), &packed)
        }
    })
}

/// Whether a body has nothing in it; whoever has no token is not listened to any longer than it takes to see that.
pub(super) async fn is_empty<B: Body>(body: B) -> bool {
    let mut body = std::pin::pin!(body);
    let deadline = Instant::now() + DEADLINE;
    loop {
        match tokio::time::timeout_at(deadline, body.frame()).await {
            Ok(None) => return true,
            Ok(Some(Ok(frame))) if frame.data_ref().is_none_or(|data| !data.has_remaining()) => {}
            _ => return false,
        }
    }
}

enum End {
    Whole,
    TooLong,
    TooSlow,
    BrokenOff,
}

/// What came of a body up to the limit, how many bytes that were in all, and how it ended.
async fn collect<B>(body: B) -> (Vec<u8>, usize, End)
where
    B: Body<Error: Into<BoxError>>,
{
    let mut body = std::pin::pin!(body);
    let (mut kept, mut came_bytes) = (Vec::new(), 0);
    let deadline = Instant::now() + DEADLINE;
    loop {
        let is_too_long = came_bytes > MAX_BODY_BYTES;
        match tokio::time::timeout_at(deadline, body.frame()).await {
            Err(_) if !is_too_long => return (kept, came_bytes, End::TooSlow),
            Ok(Some(Err(_))) if !is_too_long => return (kept, came_bytes, End::BrokenOff),
            Ok(None) if !is_too_long => return (kept, came_bytes, End::Whole),
            Err(_) | Ok(Some(Err(_)) | None) => return (kept, came_bytes, End::TooLong),
            Ok(Some(Ok(frame))) => {
                let Ok(mut data) = frame.into_data() else { continue };
                came_bytes += data.remaining();
                while data.has_remaining() && kept.len() < MAX_BODY_BYTES {
                    let chunk = data.chunk();
                    let length = chunk.len().min(MAX_BODY_BYTES - kept.len());
                    kept.extend_from_slice(&chunk[..length]);
                    data.advance(length);
                }
                if came_bytes > MAX_BODY_BYTES {
                    kept.truncate(KEPT_BYTES);
                }
                if came_bytes > MAX_BODY_BYTES + MAX_DISCARDED_BYTES {
                    return (kept, came_bytes, End::TooLong);
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

    async fn read_whole(body: Vec<u8>) -> Result<Vec<u8>, Unread> {
        read(&HeaderMap::new(), Full::new(Bytes::from(body))).await
    }

    fn in_frames(
        frames: impl IntoIterator<Item = Vec<u8>>,
    ) -> impl futures_util::Stream<Item = Result<Frame<Bytes>, io::Error>> {
        let frames: Vec<_> = frames.into_iter().map(|frame| Ok(Frame::data(Bytes::from(frame)))).collect();
        stream::iter(frames)
    }

    #[tokio::test]
    async fn the_limit_is_exact_and_the_beginning_of_what_is_beyond_it_is_kept() {
        assert_eq!(read_whole(vec![b'x'; MAX_BODY_BYTES]).await.unwrap().len(), MAX_BODY_BYTES);
        let unread = read_whole(vec![b'x'; MAX_BODY_BYTES + 1]).await.unwrap_err();
        assert_eq!(unread.outcome, Outcome::TooLarge);
        assert_eq!((unread.kept.len(), unread.posted_bytes), (KEPT_BYTES, MAX_BODY_BYTES + 1));
        let many = StreamBody::new(in_frames((0..100).map(|_| vec![b'y'; 10_000])));
        let unread = read(&HeaderMap::new(), many).await.unwrap_err();
        assert_eq!((unread.kept.len(), unread.posted_bytes), (KEPT_BYTES, 1_000_000));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_too_slow_or_breaks_off_is_kept_as_far_as_it_came() {
        let stalled = StreamBody::new(in_frames([b"{\"begun\":".to_vec()]).chain(stream::pending()));
        let unread = read(&HeaderMap::new(), stalled).await.unwrap_err();
        assert_eq!((unread.outcome, &unread.kept[..]), (Outcome::TooSlow, &b"{\"begun\":"[..]));
        let broken = in_frames([b"{".to_vec()]).chain(stream::iter([Err(io::Error::other("reset"))]));
        let unread = read(&HeaderMap::new(), StreamBody::new(broken)).await.unwrap_err();
        assert_eq!(unread.reason, "the body broke off");
        let endless = stream::repeat_with(|| Ok::<_, Infallible>(Frame::data(Bytes::from(vec![0; 1 << 20]))));
        let unread = read(&HeaderMap::new(), StreamBody::new(endless)).await.unwrap_err();
        assert_eq!(unread.outcome, Outcome::TooLarge);
    }

    #[tokio::test(start_paused = true)]
    async fn of_a_body_that_should_be_empty_no_more_than_the_first_part_is_read() {
        assert!(is_empty(Full::new(Bytes::new())).await);
        assert!(is_empty(StreamBody::new(in_frames([Vec::new(), Vec::new()]))).await);
        let then_failing = stream::once(async { Ok(Frame::data(Bytes::from_static(b"x"))) })
            .chain(stream::once(async { panic!("it is read on") }));
        assert!(!is_empty(StreamBody::new(then_failing.map(|frame: Result<_, Infallible>| frame))).await);
        let stalled = stream::pending::<Result<Frame<Bytes>, Infallible>>();
        assert!(!is_empty(StreamBody::new(stalled)).await);
    }

    #[tokio::test]
    async fn what_cannot_be_unpacked_is_kept_as_it_came() {
        let read = async |encoding: &'static str, body: &'static [u8]| {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(encoding));
            read(&headers, Full::new(Bytes::from_static(body))).await
        };
        let unread = read("gzip", b"{\"plain\":1}").await.unwrap_err();
        assert_eq!((unread.outcome, &unread.kept[..]), (Outcome::Undecodable, &b"{\"plain\":1}"[..]));
        let unread = read("br", b"whatever").await.unwrap_err();
        assert!(unread.reason.contains("\"br\""), "{}", unread.reason);
        assert_eq!(read("identity", b"{}").await.unwrap(), b"{}");
    }
}
