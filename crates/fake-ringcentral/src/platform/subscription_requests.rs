//! Requests for subscriptions: create, read, change, renew, delete.

use serde_json::{Value, json};
use wholecall_simulator::Timestamp;

use super::{
    reply::Reply,
    request::Request,
    state::State,
    subscriptions::{MAX_SUBSCRIPTIONS_PER_USER, Subscriber, Subscription, Transport},
};
use crate::error::{InvalidWebhook, Refusal};

/// The answer to a request.
pub(crate) enum Answer {
    Reply(Reply),
    /// A webhook must pass the handshake before its subscription is created.
    Handshake(Handshake),
}

/// The handshake with a webhook. The caller makes it, and then [finishes](finish) the creation of the subscription.
#[derive(Debug)]
pub(crate) struct Handshake {
    pub(crate) address: String,
    pub(crate) verification_token: Option<String>,
    /// The token that the webhook must return.
    pub(crate) validation_token: String,
    /// The headers of the reply.
    pub(crate) headers: Vec<(&'static str, String)>,
    owner: u64,
    body: Value,
    base: String,
}

/// Why a handshake failed.
#[derive(Debug)]
pub(crate) enum HandshakeError {
    Invalid(InvalidWebhook),
    Refused(Refusal),
}

/// `POST /subscription`; `socket` is the token of the gateway session through which it came.
pub(crate) fn create(
    state: &mut State,
    owner: u64,
    request: &Request,
    socket: Option<&str>,
) -> Result<Answer, Reply> {
    let body = request.json()?;
    let delivery = &body["deliveryMode"];
    match delivery["transportType"].as_str() {
        Some("WebHook") => {
            let text = |name: &str| delivery[name].as_str().map(str::to_owned);
            Ok(Answer::Handshake(Handshake {
                address: text("address").unwrap_or_default(),
                verification_token: text("verificationToken"),
                validation_token: state.oauth.secret(""),
                headers: Vec::new(),
                owner,
                base: request.base.clone(),
                body,
            }))
        }
        Some("WebSocket") => {
            let token = socket.ok_or_else(|| {
                Reply::error(400, "SUB-528", "A WebSocket subscription is made through the WebSocket gateway")
            })?;
            let transport = Transport::WebSocket(token.to_owned());
            add(state, owner, transport, &body, &request.base).map(|(_, reply)| Answer::Reply(reply))
        }
        other => Err(Reply::bad_parameter("CMN-101", "transportType", other.unwrap_or_default(), "")),
    }
}

/// Creates the subscription of a webhook after the handshake; returns its number and the reply.
pub(crate) fn finish(
    state: &mut State,
    handshake: Handshake,
    result: Result<(), HandshakeError>,
) -> Result<(u64, Reply), Reply> {
    result.map_err(refusal)?;
    let Handshake { address, owner, body, base, .. } = handshake;
    add(state, owner, Transport::WebHook(address), &body, &base)
}

/// The reply to a request whose webhook failed the handshake.
fn refusal(error: HandshakeError) -> Reply {
    let refusal = match error {
        HandshakeError::Invalid(error) => return Reply::error(400, "SUB-521", &error.to_string()),
        HandshakeError::Refused(refusal) => refusal,
    };
    let code = match refusal {
        Refusal::NoToken => "SUB-520",
        Refusal::Status(..) => "SUB-525",
        Refusal::TooSlow | Refusal::Unreachable(_) => "SUB-521",
    };
    Reply::error(400, code, &format!("WebHook is not valid: {refusal}"))
}

fn add(
    state: &mut State,
    owner: u64,
    transport: Transport,
    body: &Value,
    base: &str,
) -> Result<(u64, Reply), Reply> {
    let now = state.clock.now();
    let account_index = state.account_index_of(owner).ok_or_else(|| Reply::not_found("accountId"))?;
    let account_id = state.accounts[account_index].account().id;
    let subscriptions = &mut state.subscriptions;
    subscriptions.0.retain(|_, one| one.is_alive(now));
    if let Transport::WebSocket(token) = &transport {
        // A connection has one subscription; a new one replaces it.
        subscriptions
            .0
            .retain(|_, one| !matches!(&one.transport, Transport::WebSocket(other) if other == token));
    }
    if subscriptions.all_of(owner, now).count() >= MAX_SUBSCRIPTIONS_PER_USER {
        return Err(Reply::error(403, "SUB-505", "Subscriptions limit exceeded"));
    }
    let number = state.rng.u64(1..1 << 48);
    let subscriber = Subscriber { account_index, account_id, owner, transport };
    let subscription = Subscription::new(number, subscriber, body, now)?;
    let reply = Reply::ok(subscription.to_json(base, now));
    subscriptions.0.insert(number, subscription);
    Ok((number, reply))
}

/// All other requests; without an id, the list.
pub(crate) fn answer(
    state: &mut State,
    owner: u64,
    request: &Request,
    id: Option<&str>,
    now: Timestamp,
) -> Result<Reply, Reply> {
    let base = request.base.as_str();
    let Some(id) = id else {
        let records: Vec<Value> =
            state.subscriptions.all_of(owner, now).map(|one| one.to_json(base, now)).collect();
        return Ok(Reply::ok(json!({ "uri": format!("{base}{}", request.path), "records": records })));
    };
    let account_index = state.account_index_of(owner).ok_or_else(|| Reply::not_found("accountId"))?;
    let account_id = state.accounts[account_index].account().id;
    let subscription = state.subscriptions.of(owner, id, now)?;
    match request.method.as_str() {
        "PUT" => subscription.update(&request.json()?, account_id, now)?,
        "POST" => subscription.renew(now),
        "DELETE" => {
            let number = subscription.number;
            state.subscriptions.0.remove(&number);
            return Ok(Reply::empty(204));
        }
        _ => {}
    }
    Ok(Reply::ok(subscription.to_json(base, now)))
}
