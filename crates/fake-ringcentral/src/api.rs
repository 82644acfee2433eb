//! RingCentral's REST API: which request is answered by what, and what weighs how much.

use std::sync::Arc;

use axum::{
    Router,
    body::Bytes,
    extract::{Query, State, WebSocketUpgrade},
    http::{HeaderMap, Method, Response, Uri},
    routing::any,
};
use jiff::fmt::rfc2822::DateTimePrinter;
use serde::Deserialize;
use serde_json::{Value, json};
use wholecall_simulator::{Account, Millis};

use crate::{
    call_log::View,
    control, directory,
    limits::Group,
    logs,
    platform::{Customer, Platform},
    recordings,
    reply::{Reply, Request, page, query_of},
    sockets, subscribing,
};

/// Everything there is to ask.
pub(crate) fn router(platform: Arc<Platform>) -> Router {
    Router::new()
        .route("/ws", any(web_socket))
        .fallback(handle)
        .layer(axum::extract::DefaultBodyLimit::max(1 << 20))
        .with_state(platform)
}

#[derive(Deserialize)]
struct SocketQuery {
    #[serde(default)]
    access_token: String,
    wsc: Option<String>,
}

async fn web_socket(
    State(platform): State<Arc<Platform>>,
    Query(query): Query<SocketQuery>,
    upgrade: WebSocketUpgrade,
) -> axum::response::Response {
    upgrade.on_upgrade(move |socket| sockets::serve(platform, socket, query.access_token, query.wsc))
}

async fn handle(
    State(platform): State<Arc<Platform>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response<axum::body::Body> {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let query = query_of(&uri.to_string());
    let in_query = query.iter().find(|(name, _)| name == "_method").map(|(_, method)| method.as_str());
    let overriding = header("x-http-method-override").or(in_query).and_then(|name| name.parse().ok());
    let request = Request {
        method: overriding.unwrap_or(method),
        path: uri.path().trim_end_matches('/').to_owned(),
        query,
        authorization: header("authorization").map(str::to_owned),
        accept: header("accept").unwrap_or_default().to_owned(),
        body: body.to_vec(),
        base: format!("http://{}", header("host").unwrap_or("localhost")),
    };
    let reply = match request.path.strip_prefix("/fake/") {
        Some(path) => control::answer(&platform, path, &request),
        None => {
            let reply = answer(&platform, &request).await;
            let reply = reply.with("rcrequestid", "fake").with("routingkey", "FAKE01");
            // Clients tell by it what time the calls have.
            let date = jiff::Timestamp::from_millisecond(platform.clock.date()).ok();
            let printed =
                date.and_then(|date| DateTimePrinter::new().timestamp_to_rfc9110_string(&date).ok());
            printed.map(|date| reply.clone().with("date", date)).unwrap_or(reply)
        }
    };
    reply.into_http()
}

async fn answer(platform: &Arc<Platform>, request: &Request) -> Reply {
    let now = platform.clock.now();
    match (&request.method, request.path.as_str()) {
        (&Method::GET, "/restapi") => return Reply::ok(about(request)),
        (&Method::POST, "/restapi/oauth/token" | "/restapi/oauth/revoke") => {
            let mut state = platform.state();
            count(&mut state.requests, request);
            let asker = state.oauth.asker(request);
            let headers = match state.limits.count(asker, Group::Auth, now) {
                Ok(headers) => headers,
                Err(refused) => return refused,
            };
            let users: Vec<u64> = users(&state.customers).collect();
            let mut reply = match request.path.ends_with("token") {
                true => either(state.oauth.token(request, now, |id| users.contains(&id))),
                false => state.oauth.revoke(request),
            };
            reply.headers.extend(headers);
            return reply;
        }
        _ => {}
    }
    let caller = platform.state().oauth.caller(request, now);
    match caller {
        Ok(owner) => answer_to(platform, owner, request, None).await,
        Err(refused) => refused,
    }
}

/// Answers a request of a user who is logged in; `socket` is the gateway's session through which it came.
pub(crate) async fn answer_to(
    platform: &Arc<Platform>,
    owner: u64,
    request: &Request,
    socket: Option<&str>,
) -> Reply {
    let Some((group, endpoint)) = endpoint(request) else {
        return Reply::error(404, "CMN-120", "Invalid URI");
    };
    let now = platform.clock.now();
    let headers = {
        let mut state = platform.state();
        count(&mut state.requests, request);
        if now < state.outage.api_until {
            return Reply::error(503, "CMN-201", "Service Temporary Unavailable");
        }
        match state.limits.count(owner, group, now) {
            Ok(headers) => headers,
            Err(refused) => return refused,
        }
    };
    let mut reply = either(match (denied(platform, request), endpoint) {
        (Some(denied), _) => Err(denied),
        (None, Endpoint::Subscribe) => subscribing::create(platform, owner, request, socket).await,
        (None, endpoint) => answer_at_once(platform, owner, request, endpoint),
    });
    reply.headers.extend(headers);
    reply
}

/// Why a request is refused for want of a permission, if it is.
fn denied(platform: &Platform, request: &Request) -> Option<Reply> {
    let state = platform.state();
    let permission = request.path.split('/').find_map(|segment| state.denied.get(segment))?;
    let message =
        format!("In order to call this API endpoint, application needs to have [{permission}] permission");
    let error = json!({ "errorCode": "CMN-401", "message": message, "permissionName": permission });
    Some(Reply::json(
        403,
        json!({
            "errorCode": "InsufficientPermissions", "message": message, "permissionName": permission,
            "errors": [error],
        }),
    ))
}

/// What may be asked for, with the ids in its path.
#[derive(Debug, Clone, Copy)]
enum Endpoint<'a> {
    Account,
    Extensions,
    Extension(&'a str),
    PhoneNumbers,
    ForwardingNumbers(&'a str),
    Devices,
    CallQueues,
    QueueMembers(&'a str),
    Session(&'a str),
    SessionParty(&'a str, &'a str),
    /// Of an extension, or of the account.
    ActiveCalls(Option<&'a str>),
    CallLog(Option<&'a str>),
    CallLogRecords(Option<&'a str>, &'a str),
    Sync(Option<&'a str>),
    ExtractSync,
    Recording(&'a str),
    RecordingContent(&'a str),
    Subscribe,
    Subscriptions,
    Subscription(&'a str),
    WebSocketToken,
}

/// What a request asks for, and how much it weighs.
fn endpoint(request: &Request) -> Option<(Group, Endpoint<'_>)> {
    use Endpoint as E;
    use Group::{Auth, Heavy, Light, Medium};
    let segments: Vec<&str> = request.path.split('/').skip(1).collect();
    let is_get = request.method == Method::GET;
    let in_account = match segments.as_slice() {
        ["restapi", "oauth", "wstoken"] if request.method == Method::POST => {
            return Some((Auth, E::WebSocketToken));
        }
        ["restapi", "v1.0", "subscription", rest @ ..] => {
            return match (&request.method, rest) {
                (&Method::POST, []) => Some((Medium, E::Subscribe)),
                (&Method::GET, []) => Some((Light, E::Subscriptions)),
                (&Method::GET, [id]) | (&Method::POST, [id, "renew"]) => Some((Light, E::Subscription(id))),
                (&Method::PUT | &Method::DELETE, [id]) => Some((Medium, E::Subscription(id))),
                _ => None,
            };
        }
        ["restapi", "v1.0", "account", _, rest @ ..] if is_get => rest,
        _ => return None,
    };
    Some(match *in_account {
        [] => (Light, E::Account),
        ["extension"] => (Medium, E::Extensions),
        ["extension", id] => (Light, E::Extension(id)),
        ["phone-number"] => (Heavy, E::PhoneNumbers),
        ["extension", id, "forwarding-number"] => (Light, E::ForwardingNumbers(id)),
        ["device"] => (Light, E::Devices),
        ["call-queues"] => (Medium, E::CallQueues),
        ["call-queues", id, "members"] => (Medium, E::QueueMembers(id)),
        ["telephony", "sessions", id] => (Light, E::Session(id)),
        ["telephony", "sessions", id, "parties", party] => (Light, E::SessionParty(id, party)),
        ["active-calls"] => (Heavy, E::ActiveCalls(None)),
        ["extension", id, "active-calls"] => (Heavy, E::ActiveCalls(Some(id))),
        ["call-log"] => (Heavy, E::CallLog(None)),
        ["extension", id, "call-log"] => (Heavy, E::CallLog(Some(id))),
        ["call-log", ids] => (Heavy, E::CallLogRecords(None, ids)),
        ["extension", id, "call-log", ids] => (Heavy, E::CallLogRecords(Some(id), ids)),
        ["call-log-sync"] => (Heavy, E::Sync(None)),
        ["extension", id, "call-log-sync"] => (Heavy, E::Sync(Some(id))),
        ["call-log-extract-sync"] => (Heavy, E::ExtractSync),
        ["recording", id] => (Heavy, E::Recording(id)),
        ["recording", id, "content"] => (Heavy, E::RecordingContent(id)),
        _ => return None,
    })
}

fn answer_at_once(
    platform: &Platform,
    owner: u64,
    request: &Request,
    endpoint: Endpoint<'_>,
) -> Result<Reply, Reply> {
    let mut state = platform.state();
    let (now, call_time) = (platform.clock.now(), platform.clock.call_time());
    match endpoint {
        Endpoint::WebSocketToken => {
            let uri = format!("{}/ws", request.base.replacen("http", "ws", 1));
            Ok(state.oauth.web_socket_token(owner, &uri, now))
        }
        Endpoint::Subscriptions | Endpoint::Subscription(_) | Endpoint::Subscribe => {
            let id = if let Endpoint::Subscription(id) = endpoint { Some(id) } else { None };
            subscribing::answer(&mut state, owner, request, id, now)
        }
        endpoint => {
            let customer =
                customer_of(&state.customers, owner).ok_or_else(|| Reply::not_found("accountId"))?;
            let time = Seen { call_time, says_finished: !state.omits_finished };
            answer_of_account(platform, customer, owner, request, endpoint, time)
        }
    }
}

/// When something is looked at, and how the call log is to look.
#[derive(Clone, Copy)]
struct Seen {
    call_time: Millis,
    /// Its records say whether they are final.
    says_finished: bool,
}

/// What an account has to tell its user.
fn answer_of_account(
    platform: &Platform,
    customer: &Customer,
    owner: u64,
    request: &Request,
    endpoint: Endpoint<'_>,
    Seen { call_time, says_finished }: Seen,
) -> Result<Reply, Reply> {
    let account = customer.account();
    check_account(request, account)?;
    let base = request.base.as_str();
    let of_extension = |id: &str| match id {
        "~" => Ok(owner),
        id => {
            let is_meant = |one: &Value| one["id"].as_u64().is_some_and(|own| id.parse() == Ok(own));
            directory::find(customer, is_meant).ok_or_else(|| Reply::not_found("extensionId"))
        }
    };
    let log = |id: Option<&str>| -> Result<View<'_>, Reply> {
        Ok(View {
            account,
            extension: id.map(of_extension).transpose()?,
            is_detailed: request.parameter("view") == Some("Detailed"),
            base,
            delay: platform.config.call_log_delay.as_millis() as Millis,
            lag: platform.config.active_calls_lag.as_millis() as Millis,
            says_finished,
            sessions: &customer.sessions,
        })
    };
    match endpoint {
        Endpoint::Account => Ok(Reply::ok(directory::account(account, base))),
        Endpoint::Extensions => page(request, wanted_extensions(request, customer), true),
        Endpoint::Extension(id) => {
            let id = of_extension(id)?;
            let found = directory::extensions(customer, base).into_iter().find(|other| other["id"] == id);
            found.map(Reply::ok).ok_or_else(|| Reply::not_found("extensionId"))
        }
        Endpoint::PhoneNumbers => page(request, directory::phone_numbers(account), true),
        Endpoint::ForwardingNumbers(id) => {
            let own = owner.to_string();
            let user = directory::user_of(account, if id == "~" { &own } else { id });
            let user = user.ok_or_else(|| Reply::not_found("extensionId"))?;
            page(request, directory::forwarding_numbers(account, user, base), true)
        }
        Endpoint::Devices => page(request, directory::devices(account, base), true),
        Endpoint::CallQueues => page(request, directory::call_queues(customer, base), true),
        Endpoint::QueueMembers(id) => {
            let members = directory::queue_members(account, id, base);
            page(request, members.ok_or_else(|| Reply::not_found("groupId"))?, true)
        }
        Endpoint::Session(id) => {
            let session =
                customer.sessions.get(id).filter(|session| is_known(platform, session.over, call_time));
            session
                .map(|session| Reply::ok(session.to_json()))
                .ok_or_else(|| Reply::not_found("telephonySessionId"))
        }
        Endpoint::SessionParty(id, party) => {
            let session =
                customer.sessions.get(id).filter(|session| is_known(platform, session.over, call_time));
            let party = session.and_then(|session| session.party_json(party));
            party.cloned().map(Reply::ok).ok_or_else(|| Reply::not_found("partyId"))
        }
        Endpoint::ActiveCalls(id) => logs::active_calls(customer, &log(id)?, request, call_time),
        Endpoint::CallLog(id) => logs::call_log(customer, &log(id)?, request, call_time),
        Endpoint::CallLogRecords(id, ids) => logs::records(customer, &log(id)?, request, ids, call_time),
        Endpoint::Sync(id) => logs::sync(customer, log(id)?, request, call_time),
        Endpoint::Recording(id) => recordings::about(customer, request, id, call_time),
        Endpoint::RecordingContent(id) => recordings::content(customer, id, call_time),
        Endpoint::ExtractSync => logs::extract_sync(customer, log(None)?, request, call_time),
        Endpoint::WebSocketToken
        | Endpoint::Subscribe
        | Endpoint::Subscriptions
        | Endpoint::Subscription(_) => Err(Reply::error(404, "CMN-120", "Invalid URI")),
    }
}

/// Whether a session can still be asked for: while it goes on, and for a short while after.
fn is_known(platform: &Platform, over: Option<Millis>, now: Millis) -> bool {
    over.is_none_or(|over| now < over + platform.config.session_tail.as_millis() as Millis)
}

fn wanted_extensions(request: &Request, customer: &Customer) -> Vec<Value> {
    let of = |name: &str, value: &Value| {
        let mut wanted = request.parameters(name).peekable();
        wanted.peek().is_none() || wanted.any(|wanted| *value == wanted)
    };
    let mut extensions = directory::extensions(customer, &request.base);
    extensions.retain(|one| {
        of("type", &one["type"])
            && of("status", &one["status"])
            && of("extensionNumber", &one["extensionNumber"])
    });
    extensions
}

fn check_account(request: &Request, account: &Account) -> Result<(), Reply> {
    let id = request.path.split('/').nth(4).unwrap_or_default();
    let is_own = id == "~" || id == account.id.to_string();
    is_own.then_some(()).ok_or_else(|| Reply::not_found("accountId"))
}

/// All users who may log in.
fn users(customers: &[Customer]) -> impl Iterator<Item = u64> {
    customers.iter().flat_map(|customer| customer.account().users.iter().map(|user| user.extension))
}

fn customer_of(customers: &[Customer], owner: u64) -> Option<&Customer> {
    customers.iter().find(|customer| customer.account().user(owner).is_some())
}

/// The place of the customer whose user somebody is.
pub(crate) fn place_of(customers: &[Customer], owner: u64) -> Option<usize> {
    customers.iter().position(|customer| customer.account().user(owner).is_some())
}

fn count(requests: &mut std::collections::BTreeMap<String, u64>, request: &Request) {
    let is_id =
        |segment: &&str| *segment != "v1.0" && segment.chars().any(|c| c.is_ascii_digit() || c == '~');
    let segments = request.path.split('/').map(|segment| if is_id(&segment) { "~" } else { segment });
    let pattern = segments.collect::<Vec<_>>().join("/");
    *requests.entry(format!("{} {pattern}", request.method)).or_default() += 1;
}

fn either(result: Result<Reply, Reply>) -> Reply {
    result.unwrap_or_else(|refused| refused)
}

fn about(request: &Request) -> Value {
    json!({
        "uri": format!("{}/restapi", request.base), "serverVersion": "26.3.1.0", "serverRevision": "fake",
        "apiVersions": [{ "uri": format!("{}/restapi/v1.0", request.base), "versionString": "1.0.60", "uriString": "v1.0" }],
    })
}
