//! The WebSocket gateway: one connection for requests and notifications.
//!
//! Every frame is a JSON list of a header and, mostly, a body. A lost connection can be resumed within three
//! minutes, for which RingCentral buffers the latest hundred notifications.

use std::{collections::VecDeque, time::Duration};

use futures_util::{SinkExt, StreamExt};
use hyper::Method;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json, value::RawValue};
use tokio::{net::TcpStream, time::Instant};
use tokio_tungstenite::{
    Connector, MaybeTlsStream, WebSocketStream, client_async_tls_with_config,
    tungstenite::{Message, protocol::WebSocketConfig},
};

use crate::{
    budget::Group,
    client::{Client, read},
    error::{Error, Refusal, Result},
    subscription::{Subscription, Transport, subscription_request},
};

/// Maximum silence before a heartbeat is sent; after as much again the connection counts as lost.
const HEARTBEAT_AFTER: Duration = Duration::from_secs(30);

/// Timeout of connecting, of the first frame, and of the answer to a request.
const REPLY_TIMEOUT: Duration = Duration::from_secs(20);

/// A notification has a few KB, and each account has a connection.
const READ_BUFFER_BYTES: usize = 4 << 10;
const MAX_MESSAGE_BYTES: usize = 1 << 20;

/// Result of resuming an earlier connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recovery {
    /// There was no earlier connection, or RingCentral does not know it any more.
    New,
    /// The connection is resumed: RingCentral sends what was missed.
    Resumed,
}

/// A connection to the gateway.
pub struct Socket {
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
    token: Option<String>,
    /// Notifications received while an answer was awaited.
    buffered: VecDeque<Box<str>>,
    last_frame_at: Instant,
    heartbeat_sent: bool,
    message_count: u64,
}

impl std::fmt::Debug for Socket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Socket").field("message_count", &self.message_count).finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Access {
    uri: String,
    #[serde(rename = "ws_access_token")]
    token: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Header {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    message_id: String,
    #[serde(default)]
    status: u16,
    #[serde(default)]
    wsc: Option<Wsc>,
    #[serde(default)]
    headers: Value,
}

#[derive(Deserialize)]
struct Wsc {
    token: String,
}

impl Socket {
    /// Maximum number of notifications that RingCentral buffers for a lost connection. If this many were
    /// missed, more may be lost.
    pub const RECOVERY_BUFFER_ITEMS: usize = 100;

    /// Connects; with the [token](Self::recovery_token) of an earlier connection, resumes it if possible.
    pub async fn open(client: &Client, earlier: Option<&str>) -> Result<(Self, Recovery)> {
        let answer = client.request(Group::Auth, Method::POST, "/restapi/oauth/wstoken", None).await?;
        // The body may contain a token, so the error does not quote it.
        let access: Access = serde_json::from_slice(&answer).map_err(|_| {
            Error::Unreadable("the answer has no address of the WebSocket gateway".to_owned())
        })?;
        let separator = if access.uri.contains('?') { '&' } else { '?' };
        let mut address = format!("{}{separator}access_token={}", access.uri, access.token);
        if let Some(earlier) = earlier {
            address.push_str("&wsc=");
            address.push_str(earlier);
        }
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER_BYTES)
            .write_buffer_size(0)
            .max_message_size(Some(MAX_MESSAGE_BYTES));
        let connector = Connector::Rustls(client.http.tls());
        let gateway = address.parse().map_err(|_| {
            Error::Unreadable("the answer has no address of the WebSocket gateway".to_owned())
        })?;
        let tcp = with_timeout(client.http.connect(&gateway)).await??;
        tcp.set_nodelay(true).map_err(|error| Error::Unreachable(error.to_string()))?;
        let connecting = client_async_tls_with_config(address, tcp, Some(config), Some(connector));
        let (stream, _) = with_timeout(connecting).await?.map_err(|error| connection_error(&error))?;
        let mut socket = Self {
            stream,
            token: None,
            buffered: VecDeque::new(),
            last_frame_at: Instant::now(),
            heartbeat_sent: false,
            message_count: 0,
        };
        let (header, body) = with_timeout(socket.frame()).await??;
        if header.kind != "ConnectionDetails" {
            return Err(refusal_of(&header, body.as_deref()));
        }
        socket.token = header.wsc.map(|wsc| wsc.token);
        let details: Value =
            body.as_deref().map(|body| read(body.get().as_bytes())).transpose()?.unwrap_or_default();
        let is_resumed = details["recoveryState"] == "Successful";
        Ok((socket, if is_resumed { Recovery::Resumed } else { Recovery::New }))
    }

    /// The token that resumes this connection; `None` if RingCentral gave none.
    pub fn recovery_token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    /// Subscribes to all calls of the user's account; an earlier subscription of this connection ends.
    pub async fn subscribe(&mut self, client: &Client) -> Result<Subscription> {
        let body = subscription_request(&Transport::WebSocket);
        self.request(client, Group::Medium, "POST", "/restapi/v1.0/subscription", Some(body)).await
    }

    async fn request<T: DeserializeOwned>(
        &mut self,
        client: &Client,
        group: Group,
        method: &str,
        path: &str,
        body: Option<Value>,
    ) -> Result<T> {
        client.take(group)?;
        self.message_count += 1;
        let id = format!("wholecall-{}", self.message_count);
        let header = json!({ "type": "ClientRequest", "messageId": id, "method": method, "path": path });
        let frame = match body {
            Some(body) => json!([header, body]),
            None => json!([header]),
        };
        self.send(frame.to_string()).await?;
        with_timeout(self.answer(client, group, &id)).await?
    }

    async fn answer<T: DeserializeOwned>(&mut self, client: &Client, group: Group, id: &str) -> Result<T> {
        loop {
            let (header, body) = self.frame().await?;
            match header.kind.as_str() {
                "ServerNotification" => self.buffered.extend(body.map(|body| body.get().into())),
                _ if header.message_id != id => {}
                _ => {
                    let header_value = |name: &str| {
                        let headers = header.headers.as_object().into_iter().flatten();
                        let mut found = headers.filter(|(other, _)| other.eq_ignore_ascii_case(name));
                        found.find_map(|(_, value)| value.as_str())
                    };
                    client.apply_limits(group, header.status, header_value)?;
                    return match (&body, header.status) {
                        (Some(body), 200..300) => read(body.get().as_bytes()),
                        _ => Err(refusal_of(&header, body.as_deref())),
                    };
                }
            }
        }
    }

    /// Waits for the next notification and returns its body unchanged. An error ends the connection.
    pub async fn next(&mut self) -> Result<Box<str>> {
        loop {
            if let Some(body) = self.buffered.pop_front() {
                return Ok(body);
            }
            let until =
                self.last_frame_at + if self.heartbeat_sent { 2 * HEARTBEAT_AFTER } else { HEARTBEAT_AFTER };
            match tokio::time::timeout_at(until, self.frame()).await {
                Ok(frame) => {
                    let (header, body) = frame?;
                    match (header.kind.as_str(), body) {
                        ("ServerNotification", Some(body)) => return Ok(body.get().into()),
                        ("Error", body) => return Err(refusal_of(&header, body.as_deref())),
                        _ => {}
                    }
                }
                Err(_) if self.heartbeat_sent => {
                    return Err(Error::Unreachable("the WebSocket does not answer a heartbeat".to_owned()));
                }
                Err(_) => {
                    self.heartbeat_sent = true;
                    self.message_count += 1;
                    let id = format!("wholecall-{}", self.message_count);
                    self.send(json!([{ "type": "Heartbeat", "messageId": id }]).to_string()).await?;
                }
            }
        }
    }

    /// The next frame. Cancelling the future loses nothing.
    async fn frame(&mut self) -> Result<(Header, Option<Box<RawValue>>)> {
        loop {
            let message = self.stream.next().await;
            let message = message.ok_or_else(|| Error::Unreachable("the WebSocket was closed".to_owned()))?;
            let message = message.map_err(|error| connection_error(&error))?;
            (self.last_frame_at, self.heartbeat_sent) = (Instant::now(), false);
            match message {
                Message::Text(text) => return split(&text),
                Message::Close(_) => return Err(Error::Unreachable("the WebSocket was closed".to_owned())),
                // The library answers pings when the next message is read.
                _ => {}
            }
        }
    }

    async fn send(&mut self, text: String) -> Result<()> {
        with_timeout(self.stream.send(Message::text(text))).await?.map_err(|error| connection_error(&error))
    }

    /// Closes the connection; RingCentral ends its subscription soon after.
    pub async fn close(mut self) {
        // RingCentral notices the end even if this fails.
        let _ = with_timeout(self.stream.close(None)).await;
    }
}

/// Splits a frame into header and body.
fn split(text: &str) -> Result<(Header, Option<Box<RawValue>>)> {
    let mut parts: VecDeque<Box<RawValue>> = read(text.as_bytes())?;
    let header = parts.pop_front().ok_or_else(|| Error::Unreadable("the frame is empty".to_owned()))?;
    Ok((read(header.get().as_bytes())?, parts.pop_front()))
}

fn refusal_of(header: &Header, body: Option<&RawValue>) -> Error {
    let error_body: Value = body.and_then(|body| serde_json::from_str(body.get()).ok()).unwrap_or_default();
    Error::Refused(Refusal::read(header.status, &error_body))
}

/// Leaves out the address, which contains a token.
fn connection_error(error: &tokio_tungstenite::tungstenite::Error) -> Error {
    use tokio_tungstenite::tungstenite::Error as Ws;
    Error::Unreachable(match error {
        Ws::Url(_) => "the WebSocket gateway's address is not valid".to_owned(),
        Ws::Http(response) => format!("the WebSocket gateway answers {}", response.status()),
        other => other.to_string(),
    })
}

async fn with_timeout<T>(future: impl Future<Output = T>) -> Result<T> {
    let late = |_| Error::Unreachable(format!("no answer within {} s", REPLY_TIMEOUT.as_secs()));
    tokio::time::timeout(REPLY_TIMEOUT, future).await.map_err(late)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_split_and_bodies_stay_unchanged() {
        let (header, body) =
            split(r#"[{"type":"ServerNotification","messageId":"1"}, {"b" : 1.0,"a":2}]"#).unwrap();
        assert_eq!(
            (header.kind.as_str(), body.unwrap().get()),
            ("ServerNotification", r#"{"b" : 1.0,"a":2}"#)
        );
        let (header, body) = split(r#"[{"type":"Heartbeat","messageId":"x"}]"#).unwrap();
        assert!(header.kind == "Heartbeat" && body.is_none());
        assert!(split("[]").is_err() && split("{}").is_err() && split("").is_err());
    }
}
