//! The WebSocket gateway: one connection, requests and notifications in frames.
//!
//! Every frame is a JSON list of a header and, mostly, a body. A connection that was lost can be taken up again for
//! three minutes, in which RingCentral keeps the latest hundred notifications.

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
    subscription::{Subscription, Transport, wanted},
};

/// After so much silence a sign of life is asked for; after as much again the connection counts as lost.
const SILENCE: Duration = Duration::from_secs(30);

/// For the connection, the first frame, and the answer to a request.
const WITHIN: Duration = Duration::from_secs(20);

/// RingCentral keeps so many notifications for a connection that was lost.
const RECOVERY_BUFFER: usize = 100;

/// A notification has a few KB; one connection per account should cost little.
const READ_BUFFER_BYTES: usize = 4 << 10;
const MAX_MESSAGE_BYTES: usize = 1 << 20;

/// How taking up an earlier connection went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recovery {
    /// There was none to take up, or RingCentral has forgotten it.
    New,
    /// It goes on; what was missed meanwhile comes now.
    TakenUp,
}

/// A connection to the gateway.
pub struct Socket {
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
    token: Option<String>,
    /// Came while an answer was waited for.
    waiting: VecDeque<Box<str>>,
    heard: Instant,
    asked_for_life: bool,
    messages: u64,
}

impl std::fmt::Debug for Socket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Socket").field("messages", &self.messages).finish_non_exhaustive()
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
    /// RingCentral keeps so many notifications for a connection that was lost; who misses as many may miss more.
    pub const KEPT: usize = RECOVERY_BUFFER;

    /// Connects; with the [token](Self::recovery_token) of an earlier connection, takes that up if it can.
    pub async fn open(client: &Client, earlier: Option<&str>) -> Result<(Self, Recovery)> {
        let answer = client.ask(Group::Auth, Method::POST, "/restapi/oauth/wstoken", None).await?;
        // What cannot be read may be a token: nothing of it is told.
        let access: Access = serde_json::from_slice(&answer)
            .map_err(|_| Error::Unreadable("no address of the WebSocket gateway".to_owned()))?;
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
        let gateway = address
            .parse()
            .map_err(|_| Error::Unreadable("no address of the WebSocket gateway".to_owned()))?;
        let tcp = within(client.http.connect(&gateway)).await??;
        tcp.set_nodelay(true).map_err(|error| Error::Unreachable(error.to_string()))?;
        let connecting = client_async_tls_with_config(address, tcp, Some(config), Some(connector));
        let (stream, _) = within(connecting).await?.map_err(|error| lost(&error))?;
        let mut socket = Self {
            stream,
            token: None,
            waiting: VecDeque::new(),
            heard: Instant::now(),
            asked_for_life: false,
            messages: 0,
        };
        let (header, body) = within(socket.frame()).await??;
        if header.kind != "ConnectionDetails" {
            return Err(refused(&header, body.as_deref()));
        }
        socket.token = header.wsc.map(|wsc| wsc.token);
        let details: Value =
            body.as_deref().map(|body| read(body.get().as_bytes())).transpose()?.unwrap_or_default();
        let is_taken_up = details["recoveryState"] == "Successful";
        Ok((socket, if is_taken_up { Recovery::TakenUp } else { Recovery::New }))
    }

    /// With which this connection can be taken up again.
    pub fn recovery_token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    /// Subscribes to all calls of the user's account; an earlier subscription of this connection ends.
    pub async fn subscribe(&mut self, client: &Client) -> Result<Subscription> {
        let body = wanted(&Transport::WebSocket);
        self.ask(client, Group::Medium, "POST", "/restapi/v1.0/subscription", Some(body)).await
    }

    async fn ask<T: DeserializeOwned>(
        &mut self,
        client: &Client,
        group: Group,
        method: &str,
        path: &str,
        body: Option<Value>,
    ) -> Result<T> {
        client.take(group)?;
        self.messages += 1;
        let id = format!("wholecall-{}", self.messages);
        let header = json!({ "type": "ClientRequest", "messageId": id, "method": method, "path": path });
        let frame = match body {
            Some(body) => json!([header, body]),
            None => json!([header]),
        };
        self.send(frame.to_string()).await?;
        within(self.answer(client, group, &id)).await?
    }

    async fn answer<T: DeserializeOwned>(&mut self, client: &Client, group: Group, id: &str) -> Result<T> {
        loop {
            let (header, body) = self.frame().await?;
            match header.kind.as_str() {
                "ServerNotification" => self.waiting.extend(body.map(|body| body.get().into())),
                _ if header.message_id != id => {}
                _ => {
                    let told = |name: &str| {
                        let headers = header.headers.as_object().into_iter().flatten();
                        let mut found = headers.filter(|(other, _)| other.eq_ignore_ascii_case(name));
                        found.find_map(|(_, value)| value.as_str())
                    };
                    client.hear(group, header.status, told)?;
                    return match (&body, header.status) {
                        (Some(body), 200..300) => read(body.get().as_bytes()),
                        _ => Err(refused(&header, body.as_deref())),
                    };
                }
            }
        }
    }

    /// The next notification, as it came. An error ends the connection.
    pub async fn next(&mut self) -> Result<Box<str>> {
        loop {
            if let Some(waiting) = self.waiting.pop_front() {
                return Ok(waiting);
            }
            let until = self.heard + if self.asked_for_life { 2 * SILENCE } else { SILENCE };
            match tokio::time::timeout_at(until, self.frame()).await {
                Ok(frame) => {
                    let (header, body) = frame?;
                    match (header.kind.as_str(), body) {
                        ("ServerNotification", Some(body)) => return Ok(body.get().into()),
                        ("Error", body) => return Err(refused(&header, body.as_deref())),
                        _ => {}
                    }
                }
                Err(_) if self.asked_for_life => {
                    return Err(Error::Unreachable("the WebSocket has fallen silent".to_owned()));
                }
                Err(_) => {
                    self.asked_for_life = true;
                    self.messages += 1;
                    let id = format!("wholecall-{}", self.messages);
                    self.send(json!([{ "type": "Heartbeat", "messageId": id }]).to_string()).await?;
                }
            }
        }
    }

    /// The next frame. Nothing is lost where the caller stops waiting.
    async fn frame(&mut self) -> Result<(Header, Option<Box<RawValue>>)> {
        loop {
            let message = self.stream.next().await;
            let message = message.ok_or_else(|| Error::Unreachable("the WebSocket was closed".to_owned()))?;
            let message = message.map_err(|error| lost(&error))?;
            (self.heard, self.asked_for_life) = (Instant::now(), false);
            match message {
                Message::Text(text) => return split(&text),
                Message::Close(_) => return Err(Error::Unreachable("the WebSocket was closed".to_owned())),
                // Pings are answered by the library, with the next message that is read.
                _ => {}
            }
        }
    }

    async fn send(&mut self, text: String) -> Result<()> {
        within(self.stream.send(Message::text(text))).await?.map_err(|error| lost(&error))
    }

    /// Ends the connection; what is subscribed by it ends soon after.
    pub async fn close(mut self) {
        // RingCentral notices in any case.
        let _ = within(self.stream.close(None)).await;
    }
}

/// A frame's header and body.
fn split(text: &str) -> Result<(Header, Option<Box<RawValue>>)> {
    let mut parts: VecDeque<Box<RawValue>> = read(text.as_bytes())?;
    let header = parts.pop_front().ok_or_else(|| Error::Unreadable("an empty frame".to_owned()))?;
    Ok((read(header.get().as_bytes())?, parts.pop_front()))
}

fn refused(header: &Header, body: Option<&RawValue>) -> Error {
    let said: Value = body.and_then(|body| serde_json::from_str(body.get()).ok()).unwrap_or_default();
    Error::Refused(Refusal::read(header.status, &said))
}

/// Without the address, which holds a token.
fn lost(error: &tokio_tungstenite::tungstenite::Error) -> Error {
    use tokio_tungstenite::tungstenite::Error as Ws;
    Error::Unreachable(match error {
        Ws::Url(_) => "the address of the WebSocket gateway is none".to_owned(),
        Ws::Http(response) => format!("the WebSocket gateway answers {}", response.status()),
        other => other.to_string(),
    })
}

async fn within<T>(doing: impl Future<Output = T>) -> Result<T> {
    let late = |_| Error::Unreachable(format!("no answer within {} s", WITHIN.as_secs()));
    tokio::time::timeout(WITHIN, doing).await.map_err(late)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_split_and_bodies_kept_as_they_came() {
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
