//! The test control API, under `/fake/`, which RingCentral does not have.

use serde_json::{Value, json};
use wholecall_simulator::{Account, Scenario};

use super::{directory, oauth::OAuth, reply::Reply, request::Request, state::State};

/// Answers a request. Bodies are JSON objects, whose members have defaults.
pub(crate) fn answer(state: &mut State, path: &str, request: &Request) -> Reply {
    let body = match request.json() {
        Ok(body) => body,
        Err(refused) => return refused,
    };
    let duration_ms = |default_s: f64| (body["seconds"].as_f64().unwrap_or(default_s) * 1000.0) as i64;
    let now = state.clock.now();
    match (request.method.as_str(), path) {
        ("GET", "accounts") => Reply::ok(accounts(state)),
        ("GET", "counts") => Reply::ok(counts(state)),
        ("GET", "truths") => {
            let truths: Vec<_> = state.accounts.iter().flat_map(|account| &account.truths).collect();
            Reply::ok(json!(truths))
        }
        ("POST", "play") => play(state, &body),
        ("POST", "advance") => {
            state.clock.advance(duration_ms(0.0).max(0));
            state.poll();
            Reply::ok(json!({ "now": state.clock.now() }))
        }
        ("POST", "date") => {
            state.clock.set_date_ahead(duration_ms(0.0));
            Reply::ok(json!({ "date": state.clock.date() }))
        }
        ("POST", "blacklist") => {
            let id = body["subscription"].as_str();
            let mut count = 0;
            for one in state.subscriptions.0.values_mut().filter(|one| id.is_none_or(|id| one.id() == id)) {
                one.blacklist("Webhook responses with code: [404], reason: [Not Found]".to_owned(), now);
                count += 1;
            }
            Reply::ok(json!({ "blacklisted": count }))
        }
        ("POST", "drop-websockets") => {
            let dropped = state.gateway.drop_all(now - duration_ms(0.0).max(0));
            let count = dropped.len();
            state.close_connections(dropped);
            Reply::ok(json!({ "dropped": count }))
        }
        ("POST", "expire-tokens") => {
            state.oauth.expire_access_tokens(now);
            Reply::ok(json!({}))
        }
        ("POST", "outage") => {
            let until = now + duration_ms(60.0);
            let affects = |part: &str| body["of"].as_str().is_none_or(|of| of == part);
            if affects("delivery") {
                state.outage.delivery_until = until;
            }
            if affects("api") {
                state.outage.api_until = until;
            }
            Reply::ok(json!({ "until": until }))
        }
        ("POST", "storm") => {
            let until = now + duration_ms(60.0);
            state.limits.storm_until = until;
            Reply::ok(json!({ "until": until }))
        }
        ("POST", "faults") => match body["faults"].as_str().unwrap_or_default().parse() {
            Ok(faults) => {
                state.faults = faults;
                Reply::ok(json!({}))
            }
            Err(error) => Reply::error(400, "FAKE", &format!("{error}")),
        },
        ("POST", "lose-ends") => {
            state.loses_ends = body["lose"].as_bool().unwrap_or(true);
            Reply::ok(json!({}))
        }
        ("POST", "omit-finished") => {
            state.omits_finished = body["omit"].as_bool().unwrap_or(true);
            Reply::ok(json!({}))
        }
        ("POST", "rename") => rename(state, &body),
        ("POST", "deny") => {
            let text = |name: &str| body[name].as_str().map(str::to_owned);
            match (text("path"), text("permission")) {
                (Some(path), Some(permission)) => drop(state.denied.insert(path, permission)),
                (Some(path), None) => drop(state.denied.remove(&path)),
                (None, _) => state.denied.clear(),
            }
            Reply::ok(json!({ "denied": state.denied }))
        }
        ("POST", "reset-call-log") => {
            let reset_at = state.clock.call_time() + 1;
            state.accounts.iter_mut().for_each(|account| account.log_reset_at = reset_at);
            Reply::ok(json!({}))
        }
        _ => Reply::error(404, "FAKE", "there is no such control request"),
    }
}

/// The accounts, with the credentials of their users.
fn accounts(state: &State) -> Value {
    let describe = |account: &Account| {
        let users = account.users.iter().map(|user| {
            json!({
                "extensionId": user.extension.to_string(), "extensionNumber": user.number.to_string(),
                "jwt": OAuth::jwt(user.extension),
            })
        });
        json!({ "accountId": account.id.to_string(), "users": users.collect::<Vec<_>>() })
    };
    let accounts: Vec<Value> = state.accounts.iter().map(|account| describe(account.account())).collect();
    json!({
        "clientId": state.config.client_id, "clientSecret": state.config.client_secret, "accounts": accounts
    })
}

fn counts(state: &State) -> Value {
    json!({
        "requests": state.request_counts, "rateLimitViolations": state.limits.violations, "delivered": state.delivered,
        "underway": state.in_flight
    })
}

/// Renames the extension with a number.
fn rename(state: &mut State, body: &Value) -> Reply {
    let index = account_index(body);
    let number = &body["extensionNumber"];
    let account = state.accounts.get(index);
    let found = account.and_then(|account| directory::find(account, |one| one["extensionNumber"] == *number));
    match (found, body["name"].as_str()) {
        (Some(extension), Some(name)) => {
            state.rename(index, extension, name.to_owned());
            Reply::ok(json!({ "extensionId": extension.to_string() }))
        }
        _ => {
            let message = format!("account {index} has no extension {number}, or its new name is missing");
            Reply::error(400, "FAKE", &message)
        }
    }
}

/// Plays a scenario in an account; returns the truth about its calls.
fn play(state: &mut State, body: &Value) -> Reply {
    let name = body["scenario"].as_str().unwrap_or_default();
    let Some(scenario) = Scenario::named(name) else {
        return Reply::error(400, "FAKE", &format!("there is no scenario {name:?}"));
    };
    let index = account_index(body);
    match state.play(index, &scenario) {
        Some(truths) => Reply::ok(json!({ "truths": truths })),
        None => Reply::error(400, "FAKE", &format!("there is no account {index}")),
    }
}

/// The index of the account that a request names; 0 by default.
fn account_index(body: &Value) -> usize {
    usize::try_from(body["account"].as_u64().unwrap_or(0)).unwrap_or(usize::MAX)
}
