//! The resources of RingCentral's REST API with their rate-limit groups, and the answers to requests for them. By HTTP
//! and through a WebSocket the answers are the same.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use wholecall_simulator::Account;

use super::{
    account::AccountState,
    call_log::LogView,
    call_log_requests,
    clock::to_ms,
    directory,
    limits::Group,
    page::page,
    recordings,
    reply::Reply,
    request::Request,
    state::State,
    subscription_requests::{self, Answer},
};

/// Answers a request by HTTP, with or without a login.
pub(crate) fn answer(state: &mut State, request: &Request) -> Answer {
    let now = state.clock.now();
    match (request.method.as_str(), request.path.as_str()) {
        ("GET", "/restapi") => return Answer::Reply(Reply::ok(versions(request))),
        ("POST", "/restapi/oauth/token" | "/restapi/oauth/revoke") => {
            return Answer::Reply(answer_oauth(state, request));
        }
        _ => {}
    }
    match state.oauth.caller(request, now) {
        Ok(owner) => answer_user(state, owner, request, None),
        Err(refused) => Answer::Reply(refused),
    }
}

fn answer_oauth(state: &mut State, request: &Request) -> Reply {
    let now = state.clock.now();
    count(&mut state.request_counts, request);
    let user = state.oauth.user_of(request);
    let headers = match state.limits.count(user, Group::Auth, now) {
        Ok(headers) => headers,
        Err(refused) => return refused,
    };
    let accounts = &state.accounts;
    let is_user = |id: u64| accounts.iter().any(|account| account.account().user(id).is_some());
    let mut reply = match request.path.ends_with("token") {
        true => state.oauth.token(request, now, is_user).unwrap_or_else(|refused| refused),
        false => state.oauth.revoke(request),
    };
    reply.headers.extend(headers);
    reply
}

/// Answers a request of a user who is logged in; `socket` is the token of the gateway session through which it came.
pub(crate) fn answer_user(state: &mut State, owner: u64, request: &Request, socket: Option<&str>) -> Answer {
    let Some((group, resource)) = resource(request) else {
        return Answer::Reply(invalid_uri());
    };
    let now = state.clock.now();
    count(&mut state.request_counts, request);
    if now < state.outage.api_until {
        return Answer::Reply(Reply::error(503, "CMN-201", "Service Temporary Unavailable"));
    }
    let headers = match state.limits.count(owner, group, now) {
        Ok(headers) => headers,
        Err(refused) => return Answer::Reply(refused),
    };
    let answered = match (denial(state, request), resource) {
        (Some(denial), _) => Err(denial),
        (None, Resource::Subscribe) => subscription_requests::create(state, owner, request, socket),
        (None, resource) => read(state, owner, request, resource).map(Answer::Reply),
    };
    match answered.unwrap_or_else(Answer::Reply) {
        Answer::Reply(mut reply) => {
            reply.headers.extend(headers);
            Answer::Reply(reply)
        }
        Answer::Handshake(mut handshake) => {
            handshake.headers = headers;
            Answer::Handshake(handshake)
        }
    }
}

fn invalid_uri() -> Reply {
    Reply::error(404, "CMN-120", "Invalid URI")
}

/// The refusal of a request whose permission is missing; `None` if none is missing.
fn denial(state: &State, request: &Request) -> Option<Reply> {
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

/// A resource, with the ids in its path.
#[derive(Debug, Clone, Copy)]
enum Resource<'a> {
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
    /// Of an extension; `None` for the account.
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

/// The resource that a request addresses, and its rate-limit group; `None` if there is no such resource.
fn resource(request: &Request) -> Option<(Group, Resource<'_>)> {
    use Group::{Auth, Heavy, Light, Medium};
    use Resource as R;
    let segments: Vec<&str> = request.path.split('/').skip(1).collect();
    let method = request.method.as_str();
    let in_account = match segments.as_slice() {
        ["restapi", "oauth", "wstoken"] if method == "POST" => {
            return Some((Auth, R::WebSocketToken));
        }
        ["restapi", "v1.0", "subscription", rest @ ..] => {
            return match (method, rest) {
                ("POST", []) => Some((Medium, R::Subscribe)),
                ("GET", []) => Some((Light, R::Subscriptions)),
                ("GET", [id]) | ("POST", [id, "renew"]) => Some((Light, R::Subscription(id))),
                ("PUT" | "DELETE", [id]) => Some((Medium, R::Subscription(id))),
                _ => None,
            };
        }
        ["restapi", "v1.0", "account", _, rest @ ..] if method == "GET" => rest,
        _ => return None,
    };
    Some(match *in_account {
        [] => (Light, R::Account),
        ["extension"] => (Medium, R::Extensions),
        ["extension", id] => (Light, R::Extension(id)),
        ["phone-number"] => (Heavy, R::PhoneNumbers),
        ["extension", id, "forwarding-number"] => (Light, R::ForwardingNumbers(id)),
        ["device"] => (Light, R::Devices),
        ["call-queues"] => (Medium, R::CallQueues),
        ["call-queues", id, "members"] => (Medium, R::QueueMembers(id)),
        ["telephony", "sessions", id] => (Light, R::Session(id)),
        ["telephony", "sessions", id, "parties", party] => (Light, R::SessionParty(id, party)),
        ["active-calls"] => (Heavy, R::ActiveCalls(None)),
        ["extension", id, "active-calls"] => (Heavy, R::ActiveCalls(Some(id))),
        ["call-log"] => (Heavy, R::CallLog(None)),
        ["extension", id, "call-log"] => (Heavy, R::CallLog(Some(id))),
        ["call-log", ids] => (Heavy, R::CallLogRecords(None, ids)),
        ["extension", id, "call-log", ids] => (Heavy, R::CallLogRecords(Some(id), ids)),
        ["call-log-sync"] => (Heavy, R::Sync(None)),
        ["extension", id, "call-log-sync"] => (Heavy, R::Sync(Some(id))),
        ["call-log-extract-sync"] => (Heavy, R::ExtractSync),
        ["recording", id] => (Heavy, R::Recording(id)),
        ["recording", id, "content"] => (Heavy, R::RecordingContent(id)),
        _ => return None,
    })
}

/// Answers every request that needs no handshake.
fn read(state: &mut State, owner: u64, request: &Request, resource: Resource<'_>) -> Result<Reply, Reply> {
    let now = state.clock.now();
    match resource {
        Resource::WebSocketToken => {
            let uri = format!("{}/ws", request.base.replacen("http", "ws", 1));
            Ok(state.oauth.web_socket_token(owner, &uri, now))
        }
        Resource::Subscriptions | Resource::Subscription(_) | Resource::Subscribe => {
            let id = if let Resource::Subscription(id) = resource { Some(id) } else { None };
            subscription_requests::answer(state, owner, request, id, now)
        }
        resource => {
            let index = state.account_index_of(owner).ok_or_else(|| Reply::not_found("accountId"))?;
            read_account(state, &state.accounts[index], owner, request, resource)
        }
    }
}

/// Answers a request for a resource of an account.
fn read_account(
    platform: &State,
    account_state: &AccountState,
    owner: u64,
    request: &Request,
    resource: Resource<'_>,
) -> Result<Reply, Reply> {
    let (account, call_time) = (account_state.account(), platform.clock.call_time());
    check_account(request, account)?;
    let base = request.base.as_str();
    let extension_id = |id: &str| match id {
        "~" => Ok(owner),
        id => {
            let has_id = |one: &Value| one["id"].as_u64().is_some_and(|own| id.parse() == Ok(own));
            directory::find(account_state, has_id).ok_or_else(|| Reply::not_found("extensionId"))
        }
    };
    let log = |extension: Option<&str>| -> Result<LogView<'_>, Reply> {
        Ok(LogView {
            account,
            extension: extension.map(extension_id).transpose()?,
            is_detailed: request.parameter("view") == Some("Detailed"),
            base,
            record_delay_ms: to_ms(platform.config.call_log_delay),
            active_lag_ms: to_ms(platform.config.active_calls_lag),
            has_finished: !platform.omits_finished,
            sessions: &account_state.sessions,
        })
    };
    // An ended session can be looked up for a while.
    let known_session = |id: &str| {
        let tail_ms = to_ms(platform.config.session_retention);
        let session = account_state.sessions.get(id)?;
        session.ended_at.is_none_or(|end| call_time < end + tail_ms).then_some(session)
    };
    match resource {
        Resource::Account => Ok(Reply::ok(directory::account(account, base))),
        Resource::Extensions => page(request, extensions(request, account_state), true),
        Resource::Extension(id) => {
            let id = extension_id(id)?;
            let found =
                directory::extensions(account_state, base).into_iter().find(|other| other["id"] == id);
            found.map(Reply::ok).ok_or_else(|| Reply::not_found("extensionId"))
        }
        Resource::PhoneNumbers => page(request, directory::phone_numbers(account), true),
        Resource::ForwardingNumbers(id) => {
            let own = owner.to_string();
            let user = directory::user_of(account, if id == "~" { &own } else { id });
            let user = user.ok_or_else(|| Reply::not_found("extensionId"))?;
            page(request, directory::forwarding_numbers(account, user, base), true)
        }
        Resource::Devices => page(request, directory::devices(account, base), true),
        Resource::CallQueues => page(request, directory::call_queues(account_state, base), true),
        Resource::QueueMembers(id) => {
            let members = directory::queue_members(account, id, base);
            page(request, members.ok_or_else(|| Reply::not_found("groupId"))?, true)
        }
        Resource::Session(id) => {
            let session = known_session(id);
            session
                .map(|session| Reply::ok(session.to_json()))
                .ok_or_else(|| Reply::not_found("telephonySessionId"))
        }
        Resource::SessionParty(id, party) => {
            let session = known_session(id);
            let party = session.and_then(|session| session.party_json(party));
            party.cloned().map(Reply::ok).ok_or_else(|| Reply::not_found("partyId"))
        }
        Resource::ActiveCalls(id) => {
            call_log_requests::active_calls(account_state, &log(id)?, request, call_time)
        }
        Resource::CallLog(id) => call_log_requests::call_log(account_state, &log(id)?, request, call_time),
        Resource::CallLogRecords(id, ids) => {
            call_log_requests::records(account_state, &log(id)?, request, ids, call_time)
        }
        Resource::Sync(id) => call_log_requests::sync(account_state, log(id)?, request, call_time),
        Resource::Recording(id) => recordings::metadata(account_state, request, id, call_time),
        Resource::RecordingContent(id) => recordings::content(account_state, id, call_time),
        Resource::ExtractSync => {
            call_log_requests::extract_sync(account_state, log(None)?, request, call_time)
        }
        Resource::WebSocketToken
        | Resource::Subscribe
        | Resource::Subscriptions
        | Resource::Subscription(_) => Err(invalid_uri()),
    }
}

fn extensions(request: &Request, state: &AccountState) -> Vec<Value> {
    let filters = ["type", "status", "extensionNumber"];
    let mut extensions = directory::extensions(state, &request.base);
    extensions.retain(|one| filters.into_iter().all(|name| request.allows(name, &one[name])));
    extensions
}

fn check_account(request: &Request, account: &Account) -> Result<(), Reply> {
    let id = request.path.split('/').nth(4).unwrap_or_default();
    let is_own = id == "~" || id == account.id.to_string();
    is_own.then_some(()).ok_or_else(|| Reply::not_found("accountId"))
}

/// Counts a request by its method and path, with `~` in place of ids.
fn count(counts: &mut BTreeMap<String, u64>, request: &Request) {
    let is_id =
        |segment: &&str| *segment != "v1.0" && segment.chars().any(|c| c.is_ascii_digit() || c == '~');
    let segments = request.path.split('/').map(|segment| if is_id(&segment) { "~" } else { segment });
    let pattern = segments.collect::<Vec<_>>().join("/");
    *counts.entry(format!("{} {pattern}", request.method)).or_default() += 1;
}

fn versions(request: &Request) -> Value {
    json!({
        "uri": format!("{}/restapi", request.base), "serverVersion": "26.3.1.0", "serverRevision": "fake",
        "apiVersions": [{ "uri": format!("{}/restapi/v1.0", request.base), "versionString": "1.0.60", "uriString": "v1.0" }],
    })
}
