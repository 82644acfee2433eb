//! The WebSocket gateway: connections, what they are told, and what is kept for one that comes back.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use axum::{
    extract::ws::{Message, WebSocket},
    http::Method,
};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use wholecall_simulator::{Iso, Millis};

use crate::{
    api,
    platform::Platform,
    reply::{Content, Reply, Request, query_of},
};

/// What is kept for a connection that was lost, and for how long.
const RECOVERY_BUFFER: usize = 100;
const RECOVERY: Millis = 180_000;

/// A client that says nothing for so long is cut off.
const IDLE: Duration = Duration::from_secs(1800);

/// RingCentral's client listens for notifications a moment after it has read the first frame.
const SETTING_UP: Duration = Duration::from_millis(200);

/// One client's session with the gateway; it outlives its connection for a while.
#[derive(Debug)]
struct Session {
    owner: u64,
    /// To the connection; none while it is lost.
    sender: Option<mpsc::UnboundedSender<Message>>,
    /// Which connection it is: an older one that ends does not end a newer one.
    connection: u64,
    lost_at: Millis,
    missed: VecDeque<String>,
}

/// All sessions, by their token.
#[derive(Debug, Default)]
pub(crate) struct Sockets {
    sessions: BTreeMap<String, Session>,
    connections: u64,
}

impl Sockets {
    /// Sends a notification, or keeps it for a connection that may come back.
    pub(crate) fn notify(&mut self, token: &str, notification: &str, now: Millis) {
        let Some(session) = self.sessions.get_mut(token) else { return };
        let frame = format!(
            "[{{\"type\":\"ServerNotification\",\"messageId\":\"{token}-{now}\",\"status\":200,\"headers\":{{}}}},{notification}]"
        );
        let is_sent =
            session.sender.as_ref().is_some_and(|sender| sender.send(Message::text(frame.clone())).is_ok());
        if !is_sent && now < session.lost_at + RECOVERY {
            if session.missed.len() == RECOVERY_BUFFER {
                session.missed.pop_front();
            }
            session.missed.push_back(frame);
        }
    }

    /// Cuts all connections, as if they had been lost at that time; how many there were.
    pub(crate) fn drop_all(&mut self, lost_at: Millis) -> usize {
        let mut dropped = 0;
        for session in self.sessions.values_mut() {
            // The connection ends when nobody can send to it any more.
            if session.sender.take().is_some() {
                session.lost_at = lost_at;
                dropped += 1;
            }
        }
        dropped
    }

    /// A connection: a new session, or a lost one again. Its token, its connection's number, and how recovery went.
    fn connect(
        &mut self,
        owner: u64,
        wanted: Option<&str>,
        fresh: String,
        sender: mpsc::UnboundedSender<Message>,
        now: Millis,
    ) -> (String, u64, Option<&'static str>) {
        self.connections += 1;
        let connection = self.connections;
        self.sessions.retain(|_, session| session.sender.is_some() || now < session.lost_at + RECOVERY);
        let known =
            wanted.and_then(|token| self.sessions.get_mut(token)).filter(|session| session.owner == owner);
        if let (Some(token), Some(session)) = (wanted, known) {
            session.sender = Some(sender);
            session.connection = connection;
            return (token.to_owned(), connection, Some("Successful"));
        }
        let session = Session {
            owner,
            sender: Some(sender),
            connection,
            lost_at: Millis::MIN / 2,
            missed: VecDeque::new(),
        };
        self.sessions.insert(fresh.clone(), session);
        (fresh, connection, wanted.map(|_| "Failed"))
    }

    /// What was missed while a connection was lost.
    fn take_missed(&mut self, token: &str) -> VecDeque<String> {
        self.sessions.get_mut(token).map(|session| std::mem::take(&mut session.missed)).unwrap_or_default()
    }

    fn disconnect(&mut self, token: &str, connection: u64, now: Millis) {
        let session = self.sessions.get_mut(token).filter(|session| session.connection == connection);
        // One that was cut has been lost since then.
        if let Some(session) = session
            && session.sender.take().is_some()
        {
            session.lost_at = now;
        }
    }
}

/// Serves one connection until it ends.
pub(crate) async fn serve(
    platform: Arc<Platform>,
    mut socket: WebSocket,
    access_token: String,
    wsc: Option<String>,
) {
    let now = platform.clock.now();
    let (sender, mut outgoing) = mpsc::unbounded_channel();
    let connected = {
        let mut state = platform.state();
        let fresh = state.oauth.secret("WSC");
        let owner = state.oauth.web_socket_owner(&access_token, now);
        owner.map(|owner| (owner, state.sockets.connect(owner, wsc.as_deref(), fresh, sender, now)))
    };
    let Some((owner, (token, connection, recovery))) = connected else {
        let error = json!([{ "type": "Error", "messageId": "none", "status": 401 },
            { "errorCode": "WSG-401", "message": "The WebSocket token is invalid or has expired" }]);
        let _ignored = socket.send(Message::text(error.to_string())).await;
        return;
    };
    let greeting = Message::text(details(&token, connection, recovery, now).to_string());
    let _noticed_below = socket.send(greeting).await;
    tokio::time::sleep(SETTING_UP).await;
    let missed = platform.state().sockets.take_missed(&token);
    for message in missed {
        let _noticed_below = socket.send(Message::text(message)).await;
    }
    loop {
        let answer = tokio::select! {
            message = outgoing.recv() => message,
            incoming = tokio::time::timeout(IDLE, socket.recv()) => match incoming {
                Ok(Some(Ok(Message::Text(text)))) => Some(Message::text(answer(&platform, owner, &token, &text).await.to_string())),
                Ok(Some(Ok(Message::Close(_)) | Err(_)) | None) => None,
                Ok(Some(Ok(_))) => continue,
                Err(_) => {
                    let error = json!([{ "type": "Error", "messageId": "none", "status": 408 },
                        { "errorCode": "WSG-902", "message": "Idle timeout" }]);
                    let _ignored = socket.send(Message::text(error.to_string())).await;
                    None
                }
            },
        };
        let Some(message) = answer else { break };
        if socket.send(message).await.is_err() {
            break;
        }
    }
    platform.state().sockets.disconnect(&token, connection, platform.clock.now());
}

/// The first frame.
fn details(token: &str, connection: u64, recovery: Option<&str>, now: Millis) -> Value {
    let mut body = json!({
        "creationTime": Iso(now).to_string(), "maxConnectionsPerSession": 50, "recoveryBufferSize": RECOVERY_BUFFER,
        "recoveryTimeout": RECOVERY / 1000, "idleTimeout": IDLE.as_secs(), "absoluteTimeout": 86_400,
        "maxActiveRequests": 10,
    });
    if let Some(recovery) = recovery {
        body["recoveryState"] = recovery.into();
    }
    json!([{ "type": "ConnectionDetails", "messageId": format!("connection-{connection}"), "status": 200,
        "wsc": { "token": token, "sequence": 1 }, "headers": {} }, body])
}

/// Answers a frame: a heartbeat, or a request in an envelope.
async fn answer(platform: &Arc<Platform>, owner: u64, token: &str, text: &str) -> Value {
    let frame: Value = serde_json::from_str(text).unwrap_or_default();
    let header = &frame[0];
    match header["type"].as_str() {
        Some("Heartbeat") => json!([header]),
        Some("ClientRequest") => {
            let path = header["path"].as_str().unwrap_or_default();
            let query = header["query"].as_object().into_iter().flatten().map(|(name, value)| {
                (name.clone(), value.as_str().map_or_else(|| value.to_string(), str::to_owned))
            });
            let body = frame.get(1).filter(|body| !body.is_null()).map(Value::to_string).unwrap_or_default();
            let request = Request {
                method: header["method"].as_str().and_then(|name| name.parse().ok()).unwrap_or(Method::GET),
                path: path.split('?').next().unwrap_or_default().trim_end_matches('/').to_owned(),
                query: query_of(path).into_iter().chain(query).collect(),
                authorization: None,
                accept: String::new(),
                body: body.into_bytes(),
                base: String::new(),
            };
            let reply = api::answer_to(platform, owner, &request, Some(token)).await;
            envelope(&header["messageId"], reply)
        }
        _ => json!([{ "type": "Error", "messageId": header["messageId"], "status": 400 },
            { "errorCode": "WSG-400", "message": "The frame cannot be understood" }]),
    }
}

fn envelope(message: &Value, reply: Reply) -> Value {
    let mut headers: serde_json::Map<String, Value> =
        reply.headers.iter().map(|(name, value)| ((*name).to_owned(), value.clone().into())).collect();
    let body = match reply.body {
        Content::Json(body) => body,
        Content::None | Content::Other(..) => Value::Null,
    };
    if let Some(id) = body.get("id").filter(|_| body["deliveryMode"]["transportType"] == "WebSocket") {
        headers.insert("WSG-SubscriptionId".to_owned(), id.clone());
    }
    let header =
        json!({ "type": "ClientRequest", "messageId": message, "status": reply.status, "headers": headers });
    if body.is_null() { json!([header]) } else { json!([header, body]) }
}
