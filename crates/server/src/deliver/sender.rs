//! Sends one request with a deadline, and reads the beginning of the answer.

use std::{error::Error, time::Duration};

use http_body_util::{BodyExt, Full};
use hyper::{
    HeaderMap, Method, Request, Uri,
    body::{Bytes, Incoming},
    header::{self, HeaderValue},
};
use hyper_util::{
    client::legacy::Client,
    rt::{TokioExecutor, TokioTimer},
};
use tokio::time::{Instant, timeout, timeout_at};
use wholecall_ringcentral::Proxies;

use super::{
    connector::{ConnectError, Connector, Resolver},
    request_window::MAX_REQUESTS,
};
use crate::{clock, security::EgressPolicy};

/// Maximum time of an attempt, from resolving the name to receiving the status.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(15);

/// Maximum time to read the body after the status, which is stored for people to read.
const BODY_TIMEOUT: Duration = Duration::from_secs(2);

/// Maximum number of bytes of an answer that are stored.
const MAX_STORED_BYTES: usize = 1_024;

/// Maximum number of bytes that are read so that the connection can be reused; a longer answer closes it.
const MAX_READ_BYTES: usize = 16 * 1_024;

/// Maximum time for which an idle connection stays open.
const IDLE_TIMEOUT: Duration = Duration::from_secs(20);

/// A request to send.
#[derive(Debug, Clone)]
pub(crate) struct Post {
    pub(crate) url: Uri,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// The result of a request.
#[derive(Debug, Clone, Default)]
pub(crate) struct Outcome {
    pub(crate) status: Option<u16>,
    pub(crate) problem: Option<String>,
    pub(crate) answer: Option<String>,
    pub(crate) retry_after_ms: Option<i64>,
    /// By how much the receiver's clock is ahead of ours; `None` if the answer has no `Date`.
    pub(crate) ahead_ms: Option<i64>,
}

impl Outcome {
    pub(crate) fn is_delivered(&self) -> bool {
        self.status.is_some_and(|status| (200..300).contains(&status))
    }

    /// Whether the receiver rejects the event itself: any 4xx except 408 and 429, which concern the endpoint.
    pub(crate) fn is_events_fault(&self) -> bool {
        self.status.is_some_and(|status| (400..500).contains(&status) && !matches!(status, 408 | 429))
    }
}

/// Sends requests over pooled connections.
#[derive(Clone)]
pub(crate) struct Sender {
    client: Client<Connector, Full<Bytes>>,
}

impl Sender {
    pub(crate) fn new(policy: EgressPolicy, resolver: Resolver) -> Self {
        Self::through(policy, resolver, Proxies::default())
    }

    pub(crate) fn through(policy: EgressPolicy, resolver: Resolver, proxies: Proxies) -> Self {
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_max_idle_per_host(MAX_REQUESTS)
            .build(Connector::new(policy, resolver, proxies));
        Self { client }
    }

    /// Posts and waits for the answer. `now_ms` is the time from which a date in `Retry-After` is counted.
    pub(crate) async fn post(&self, post: Post, now_ms: i64) -> Outcome {
        let mut request = Request::new(Full::new(post.body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = post.url;
        *request.headers_mut() = post.headers;
        let failed = |problem: String| Outcome { problem: Some(problem), ..Outcome::default() };
        let response = match timeout(ANSWER_TIMEOUT, self.client.request(request)).await {
            Err(_) => return failed(format!("no answer within {} s", ANSWER_TIMEOUT.as_secs())),
            Ok(Err(error)) => return failed(describe(&error)),
            Ok(Ok(response)) => response,
        };
        let status = response.status();
        let problem = match status.as_u16() {
            200..300 => None,
            300..400 => Some("redirects are not followed: change the endpoint's url".to_owned()),
            _ => Some(format!("the answer was {status}")),
        };
        let retry_after_ms =
            response.headers().get(header::RETRY_AFTER).and_then(|value| retry_after_ms(value, now_ms));
        let date = response.headers().get(header::DATE).and_then(|date| date.to_str().ok());
        let ahead_ms = date.and_then(ms_of_date).map(|date_ms| date_ms - clock::now().as_millis());
        let answer = beginning(response.into_body()).await;
        Outcome { status: Some(status.as_u16()), problem, answer, retry_after_ms, ahead_ms }
    }

    /// Sends a GET request; returns the status and the body.
    pub(crate) async fn get(
        &self,
        url: Uri,
        headers: HeaderMap,
        deadline: Duration,
    ) -> Result<(u16, Bytes), String> {
        let mut request = Request::new(Full::default());
        *request.uri_mut() = url;
        *request.headers_mut() = headers;
        let answer = async {
            let response = self.client.request(request).await.map_err(|error| describe(&error))?;
            let status = response.status().as_u16();
            let body = response.into_body().collect().await.map_err(|error| error.to_string())?;
            Ok((status, body.to_bytes()))
        };
        timeout(deadline, answer)
            .await
            .unwrap_or_else(|_| Err(format!("no answer within {} s", deadline.as_secs())))
    }
}

/// The most specific cause of an error.
fn describe(error: &(dyn Error + 'static)) -> String {
    let mut cause = error;
    loop {
        if let Some(connect) = cause.downcast_ref::<ConnectError>() {
            return connect.to_string();
        }
        match cause.source() {
            Some(source) => cause = source,
            None => return cause.to_string(),
        }
    }
}

/// The pause that `Retry-After` asks for: a number of seconds, or until a date.
fn retry_after_ms(value: &HeaderValue, now_ms: i64) -> Option<i64> {
    let text = value.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<u32>() {
        return Some(i64::from(seconds) * 1_000);
    }
    Some((ms_of_date(text)? - now_ms).max(0))
}

fn ms_of_date(text: &str) -> Option<i64> {
    Some(jiff::fmt::rfc2822::parse(text).ok()?.timestamp().as_millisecond())
}

/// The beginning of a body; `None` if it is empty.
async fn beginning(mut body: Incoming) -> Option<String> {
    let until = Instant::now() + BODY_TIMEOUT;
    let (mut beginning, mut read) = (Vec::new(), 0);
    while let Ok(Some(Ok(frame))) = timeout_at(until, body.frame()).await {
        let Ok(data) = frame.into_data() else { continue };
        let room = MAX_STORED_BYTES - beginning.len();
        beginning.extend_from_slice(&data[..data.len().min(room)]);
        read += data.len();
        if read > MAX_READ_BYTES {
            break;
        }
    }
    (!beginning.is_empty()).then(|| String::from_utf8_lossy(&beginning).into_owned())
}

#[cfg(test)]
mod tests;
