//! The frames of the WebSocket gateway: JSON lists of a header and, mostly, a body.

use serde_json::{Map, Value, json};
use wholecall_simulator::Timestamp;

use super::{
    gateway::{Connection, IDLE_TIMEOUT, RECOVERY_BUFFER_ITEMS, RECOVERY_TIMEOUT_S},
    reply::{Body, Reply},
    request::{Request, query_of},
};

/// A frame from a client.
pub(crate) enum Incoming {
    /// A frame that is answered with another one.
    Answered(Value),
    /// A request, with the id of its message.
    Request(Box<Request>, Value),
}

/// Parses a frame from a client.
pub(crate) fn parse(text: &str) -> Incoming {
    let frame: Value = serde_json::from_str(text).unwrap_or_default();
    let header = &frame[0];
    match header["type"].as_str() {
        Some("Heartbeat") => Incoming::Answered(json!([header])),
        Some("ClientRequest") => {
            Incoming::Request(Box::new(request(header, frame.get(1))), header["messageId"].clone())
        }
        _ => {
            Incoming::Answered(error(&header["messageId"], 400, "WSG-400", "The frame cannot be understood"))
        }
    }
}

fn request(header: &Value, body: Option<&Value>) -> Request {
    let path = header["path"].as_str().unwrap_or_default();
    let query =
        header["query"].as_object().into_iter().flatten().map(|(name, value)| {
            (name.clone(), value.as_str().map_or_else(|| value.to_string(), str::to_owned))
        });
    let body = body.filter(|body| !body.is_null()).map(Value::to_string).unwrap_or_default();
    Request {
        method: header["method"].as_str().filter(|name| !name.is_empty()).unwrap_or("GET").to_owned(),
        path: path.split('?').next().unwrap_or_default().trim_end_matches('/').to_owned(),
        query: query_of(path).into_iter().chain(query).collect(),
        authorization: None,
        accept: String::new(),
        body: body.into_bytes(),
        base: String::new(),
    }
}

/// The reply to a request, as a frame.
pub(crate) fn reply(message_id: &Value, reply: Reply) -> Value {
    let mut headers: Map<String, Value> =
        reply.headers.iter().map(|(name, value)| ((*name).to_owned(), value.clone().into())).collect();
    let body = match reply.body {
        Body::Json(body) => body,
        Body::None | Body::Other(..) => Value::Null,
    };
    if let Some(id) = body.get("id").filter(|_| body["deliveryMode"]["transportType"] == "WebSocket") {
        headers.insert("WSG-SubscriptionId".to_owned(), id.clone());
    }
    let header = json!({
        "type": "ClientRequest", "messageId": message_id, "status": reply.status, "headers": headers
    });
    if body.is_null() { json!([header]) } else { json!([header, body]) }
}

/// The first frame of a connection.
pub(crate) fn connection_details(connection: &Connection, now: Timestamp) -> Value {
    let mut body = json!({
        "creationTime": now, "maxConnectionsPerSession": 50, "recoveryBufferSize": RECOVERY_BUFFER_ITEMS,
        "recoveryTimeout": RECOVERY_TIMEOUT_S, "idleTimeout": IDLE_TIMEOUT.as_secs(), "absoluteTimeout": 86_400,
        "maxActiveRequests": 10,
    });
    if let Some(recovery) = connection.recovery {
        body["recoveryState"] = recovery.into();
    }
    json!([{ "type": "ConnectionDetails", "messageId": format!("connection-{}", connection.number), "status": 200,
        "wsc": { "token": connection.token, "sequence": 1 }, "headers": {} }, body])
}

/// The frame that refuses a connection whose token is invalid.
pub(crate) fn invalid_token() -> Value {
    error(&"none".into(), 401, "WSG-401", "The WebSocket token is invalid or has expired")
}

/// The frame that ends the connection of a silent client.
pub(crate) fn idle_timeout() -> Value {
    error(&"none".into(), 408, "WSG-902", "Idle timeout")
}

fn error(message_id: &Value, status: u16, code: &str, message: &str) -> Value {
    json!([{ "type": "Error", "messageId": message_id, "status": status },
        { "errorCode": code, "message": message }])
}
