//! Requests about subscriptions: created with a handshake, read, changed, renewed, ended.

use std::sync::Arc;

use axum::http::Method;
use serde_json::{Value, json};
use wholecall_simulator::Millis;

use crate::{
    api,
    platform::{Platform, State},
    reply::{Reply, Request},
    subscriptions::{MOST, Subscription, Transport, Wanted},
    webhook::{Refusal, Webhook},
};

/// `POST /subscription`. A webhook must pass the handshake first.
pub(crate) async fn create(
    platform: &Arc<Platform>,
    owner: u64,
    request: &Request,
    socket: Option<&str>,
) -> Result<Reply, Reply> {
    let body = request.json()?;
    let delivery = &body["deliveryMode"];
    let transport = match delivery["transportType"].as_str() {
        Some("WebHook") => webhook(platform, delivery).await?,
        Some("WebSocket") => {
            let token = socket.ok_or_else(|| {
                Reply::error(400, "SUB-528", "A WebSocket subscription is made through the WebSocket gateway")
            })?;
            Transport::WebSocket(token.to_owned())
        }
        other => return Err(Reply::bad_parameter("CMN-101", "transportType", other.unwrap_or_default(), "")),
    };
    let now = platform.clock.now();
    let mut state = platform.state();
    let place = api::place_of(&state.customers, owner).ok_or_else(|| Reply::not_found("accountId"))?;
    let account = state.customers[place].account().id;
    state.subscriptions.0.retain(|_, one| one.is_alive(now));
    if let Transport::WebSocket(token) = &transport {
        // A connection has one subscription; a new one takes its place.
        let is_replaced =
            |one: &Subscription| matches!(&one.transport, Transport::WebSocket(other) if other == token);
        state.subscriptions.0.retain(|_, one| !is_replaced(one));
    }
    if state.subscriptions.all_of(owner, now).count() >= MOST {
        return Err(Reply::error(403, "SUB-505", "Subscriptions limit exceeded"));
    }
    let number = state.rng.u64(1..1 << 48);
    let wanted = Wanted { company: place, account, owner, transport };
    let subscription = Subscription::new(number, wanted, &body, now)?;
    let reply = Reply::ok(subscription.to_json(&request.base, now));
    state.subscriptions.0.insert(number, subscription);
    Ok(reply)
}

async fn webhook(platform: &Platform, delivery: &Value) -> Result<Transport, Reply> {
    let address = delivery["address"].as_str().unwrap_or_default();
    let token = delivery["verificationToken"].as_str();
    let webhook =
        Webhook::new(address, token).map_err(|error| Reply::error(400, "SUB-521", &error.to_string()))?;
    let validation_token = platform.state().oauth.secret("");
    let refusal =
        |code: &str, detail: String| Reply::error(400, code, &format!("WebHook is not valid: {detail}"));
    match webhook.validate(&validation_token).await {
        Ok(()) => Ok(Transport::webhook(webhook, address)),
        Err(error @ Refusal::NoToken) => Err(refusal("SUB-520", error.to_string())),
        Err(error @ Refusal::Status(..)) => Err(refusal("SUB-525", error.to_string())),
        Err(error @ (Refusal::TooSlow | Refusal::Unreachable(_))) => {
            Err(refusal("SUB-521", error.to_string()))
        }
    }
}

/// Everything else; without an id, the list.
pub(crate) fn answer(
    state: &mut State,
    owner: u64,
    request: &Request,
    id: Option<&str>,
    now: Millis,
) -> Result<Reply, Reply> {
    let base = request.base.as_str();
    let Some(id) = id else {
        let records: Vec<Value> =
            state.subscriptions.all_of(owner, now).map(|one| one.to_json(base, now)).collect();
        return Ok(Reply::ok(json!({ "uri": format!("{base}{}", request.path), "records": records })));
    };
    let place = api::place_of(&state.customers, owner).ok_or_else(|| Reply::not_found("accountId"))?;
    let account = state.customers[place].account().id;
    let subscription = state.subscriptions.of(owner, id, now)?;
    match request.method {
        Method::PUT => subscription.update(&request.json()?, account, now)?,
        Method::POST => subscription.renew(now),
        Method::DELETE => {
            let number = subscription.number;
            state.subscriptions.0.remove(&number);
            return Ok(Reply::empty(204));
        }
        _ => {}
    }
    Ok(Reply::ok(subscription.to_json(base, now)))
}
