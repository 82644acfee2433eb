//! One request: posted, answered within a time, and the beginning of the answer kept.

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
    connect::{ConnectError, Connector, Resolver},
    judge::Judge,
    window::MAX_REQUESTS,
};
use crate::clock;

/// For a whole attempt, from resolving the name to the status.
const WITHIN: Duration = Duration::from_secs(15);

/// A status is an answer; what follows it is only read for people, and not for long.
const BODY_WITHIN: Duration = Duration::from_secs(2);

/// So much of an answer is kept.
const KEPT_BYTES: usize = 1_024;

/// So much is read, so that the connection can be used again.
const READ_BYTES: usize = 16 * 1_024;

const IDLE: Duration = Duration::from_secs(20);

/// What is posted.
#[derive(Debug, Clone)]
pub(crate) struct Post {
    pub(crate) url: Uri,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// What came of it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Outcome {
    pub(crate) status: Option<u16>,
    pub(crate) problem: Option<String>,
    pub(crate) answer: Option<String>,
    pub(crate) retry_after_ms: Option<i64>,
    /// By how much the receiver's clock was ahead of ours, where it said what time it is.
    pub(crate) ahead_ms: Option<i64>,
}

impl Outcome {
    pub(crate) fn is_delivered(&self) -> bool {
        self.status.is_some_and(|status| (200..300).contains(&status))
    }

    /// Whether the receiver finds fault with what it was sent: any 4xx but 408 and 429, which are about the endpoint.
    pub(crate) fn is_events_fault(&self) -> bool {
        self.status.is_some_and(|status| (400..500).contains(&status) && !matches!(status, 408 | 429))
    }
}

/// Posts, over connections that are kept open for a while.
#[derive(Clone)]
pub(crate) struct Sender {
    client: Client<Connector, Full<Bytes>>,
}

impl Sender {
    pub(crate) fn new(judge: Judge, resolver: Resolver) -> Self {
        Self::through(judge, resolver, Proxies::default())
    }

    pub(crate) fn through(judge: Judge, resolver: Resolver, proxies: Proxies) -> Self {
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(MAX_REQUESTS)
            .build(Connector::new(judge, resolver, proxies));
        Self { client }
    }

    /// Posts and waits for the answer. `now_ms` is for an answer that names a date to come back at.
    pub(crate) async fn post(&self, post: Post, now_ms: i64) -> Outcome {
        let mut request = Request::new(Full::new(post.body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = post.url;
        *request.headers_mut() = post.headers;
        let failed = |problem: String| Outcome { problem: Some(problem), ..Outcome::default() };
        let response = match timeout(WITHIN, self.client.request(request)).await {
            Err(_) => return failed(format!("no answer within {} s", WITHIN.as_secs())),
            Ok(Err(error)) => return failed(describe(&error)),
            Ok(Ok(response)) => response,
        };
        let status = response.status();
        let problem = match status.as_u16() {
            200..300 => None,
            300..400 => Some("redirects are not followed: change the endpoint's address".to_owned()),
            _ => Some(format!("the answer was {status}")),
        };
        let retry_after_ms = response.headers().get(header::RETRY_AFTER).and_then(|at| wait_ms(at, now_ms));
        let date = response.headers().get(header::DATE).and_then(|date| date.to_str().ok());
        let ahead_ms = date.and_then(ms_of_date).map(|date_ms| date_ms - clock::now().as_millis());
        let answer = beginning(response.into_body()).await;
        Outcome { status: Some(status.as_u16()), problem, answer, retry_after_ms, ahead_ms }
    }

    /// Asks for JSON.
    pub(crate) async fn get(
        &self,
        url: Uri,
        headers: HeaderMap,
        within: Duration,
    ) -> Result<(u16, Bytes), String> {
        let mut request = Request::new(Full::default());
        *request.uri_mut() = url;
        *request.headers_mut() = headers;
        let asked = async {
            let response = self.client.request(request).await.map_err(|error| describe(&error))?;
            let status = response.status().as_u16();
            let body = response.into_body().collect().await.map_err(|error| error.to_string())?;
            Ok((status, body.to_bytes()))
        };
        timeout(within, asked)
            .await
            .unwrap_or_else(|_| Err(format!("no answer within {} s", within.as_secs())))
    }
}

/// The cause that says most.
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

/// How long an answer asks to be left alone: seconds, or until a date.
fn wait_ms(value: &HeaderValue, now_ms: i64) -> Option<i64> {
    let text = value.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<u32>() {
        return Some(i64::from(seconds) * 1_000);
    }
    Some((ms_of_date(text)? - now_ms).max(0))
}

fn ms_of_date(text: &str) -> Option<i64> {
    Some(jiff::fmt::rfc2822::parse(text).ok()?.timestamp().as_millisecond())
}

async fn beginning(mut body: Incoming) -> Option<String> {
    let until = Instant::now() + BODY_WITHIN;
    let (mut kept, mut read) = (Vec::new(), 0);
    while let Ok(Some(Ok(frame))) = timeout_at(until, body.frame()).await {
        let Ok(data) = frame.into_data() else { continue };
        let room = KEPT_BYTES - kept.len();
        kept.extend_from_slice(&data[..data.len().min(room)]);
        read += data.len();
        if read > READ_BYTES {
            break;
        }
    }
    (!kept.is_empty()).then(|| String::from_utf8_lossy(&kept).into_owned())
}

#[cfg(test)]
mod tests;
