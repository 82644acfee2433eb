//! What RingCentral does not have: a hand on the platform, under `/fake/`, for tests.

use std::sync::Arc;

use axum::http::Method;
use serde_json::{Value, json};
use wholecall_simulator::{Account, Iso, Millis, Scenario};

use crate::{
    directory,
    oauth::OAuth,
    platform::Platform,
    reply::{Reply, Request},
};

/// Does what a path asks for. Bodies are JSON objects; what is left out counts as usual.
pub(crate) fn answer(platform: &Arc<Platform>, path: &str, request: &Request) -> Reply {
    let body = match request.json() {
        Ok(body) => body,
        Err(refused) => return refused,
    };
    let seconds = |usual: f64| (body["seconds"].as_f64().unwrap_or(usual) * 1000.0) as Millis;
    let now = platform.clock.now();
    match (&request.method, path) {
        (&Method::GET, "accounts") => Reply::ok(accounts(platform)),
        (&Method::GET, "counts") => Reply::ok(counts(platform)),
        (&Method::GET, "truths") => {
            let state = platform.state();
            let truths: Vec<_> = state.customers.iter().flat_map(|customer| &customer.truths).collect();
            Reply::ok(json!(truths))
        }
        (&Method::POST, "play") => play(platform, &body),
        (&Method::POST, "advance") => {
            platform.advance(seconds(0.0).max(0));
            Reply::ok(json!({ "now": Iso(platform.clock.now()).to_string() }))
        }
        (&Method::POST, "date") => {
            platform.clock.set_date_ahead(seconds(0.0));
            Reply::ok(json!({ "date": Iso(platform.clock.date()).to_string() }))
        }
        (&Method::POST, "blacklist") => {
            let mut state = platform.state();
            let wanted = body["subscription"].as_str();
            let mut all = state.subscriptions.0.values_mut();
            let listed = all.by_ref().filter(|one| wanted.is_none_or(|id| one.id() == id)).map(|one| {
                one.blacklist("Webhook responses with code: [404], reason: [Not Found]".to_owned(), now);
            });
            let count = listed.count();
            drop(state);
            Reply::ok(json!({ "blacklisted": count }))
        }
        (&Method::POST, "drop-websockets") => {
            let lost_at = now - seconds(0.0).max(0);
            Reply::ok(json!({ "dropped": platform.state().sockets.drop_all(lost_at) }))
        }
        (&Method::POST, "expire-tokens") => {
            platform.state().oauth.expire_access_tokens(now);
            Reply::ok(json!({}))
        }
        (&Method::POST, "outage") => {
            let until = now + seconds(60.0);
            let mut state = platform.state();
            let is_wanted = |part: &str| body["of"].as_str().is_none_or(|of| of == part);
            if is_wanted("delivery") {
                state.outage.delivery_until = until;
            }
            if is_wanted("api") {
                state.outage.api_until = until;
            }
            Reply::ok(json!({ "until": Iso(until).to_string() }))
        }
        (&Method::POST, "storm") => {
            let until = now + seconds(60.0);
            platform.state().limits.storm_until = until;
            Reply::ok(json!({ "until": Iso(until).to_string() }))
        }
        (&Method::POST, "faults") => match body["faults"].as_str().unwrap_or_default().parse() {
            Ok(faults) => {
                platform.state().faults = faults;
                Reply::ok(json!({}))
            }
            Err(error) => Reply::error(400, "FAKE", &format!("{error}")),
        },
        (&Method::POST, "lose-ends") => {
            platform.state().loses_ends = body["lose"].as_bool().unwrap_or(true);
            Reply::ok(json!({}))
        }
        (&Method::POST, "omit-finished") => {
            platform.state().omits_finished = body["omit"].as_bool().unwrap_or(true);
            Reply::ok(json!({}))
        }
        (&Method::POST, "rename") => rename(platform, &body),
        (&Method::POST, "deny") => {
            let text = |name: &str| body[name].as_str().map(str::to_owned);
            let mut state = platform.state();
            match (text("path"), text("permission")) {
                (Some(path), Some(permission)) => drop(state.denied.insert(path, permission)),
                (Some(path), None) => drop(state.denied.remove(&path)),
                (None, _) => state.denied.clear(),
            }
            Reply::ok(json!({ "denied": state.denied }))
        }
        (&Method::POST, "reset-call-log") => {
            let time = platform.clock.call_time();
            platform.state().customers.iter_mut().for_each(|customer| customer.log_since = time + 1);
            Reply::ok(json!({}))
        }
        _ => Reply::error(404, "FAKE", "there is no such control"),
    }
}

/// The accounts, with what one needs to log in.
fn accounts(platform: &Platform) -> Value {
    let state = platform.state();
    let describe = |account: &Account| {
        let users = account.users.iter().map(|user| {
            json!({
                "extensionId": user.extension.to_string(), "extensionNumber": user.number.to_string(),
                "jwt": OAuth::jwt(user.extension),
            })
        });
        json!({ "accountId": account.id.to_string(), "users": users.collect::<Vec<_>>() })
    };
    let accounts: Vec<Value> = state.customers.iter().map(|customer| describe(customer.account())).collect();
    json!({
        "clientId": platform.config.client_id, "clientSecret": platform.config.client_secret, "accounts": accounts
    })
}

fn counts(platform: &Platform) -> Value {
    let state = platform.state();
    json!({
        "requests": state.requests, "rateLimitViolations": state.limits.violations, "delivered": state.delivered,
        "underway": state.underway
    })
}

/// Gives an extension, meant by its number, another name.
fn rename(platform: &Arc<Platform>, body: &Value) -> Reply {
    let place = usize::try_from(body["account"].as_u64().unwrap_or(0)).unwrap_or(usize::MAX);
    let number = &body["extensionNumber"];
    let found = platform
        .state()
        .customers
        .get(place)
        .and_then(|customer| directory::find(customer, |one| one["extensionNumber"] == *number));
    match (found, body["name"].as_str()) {
        (Some(extension), Some(name)) => {
            platform.rename(place, extension, name.to_owned());
            Reply::ok(json!({ "extensionId": extension.to_string() }))
        }
        _ => Reply::error(400, "FAKE", &format!("no extension {number} at place {place}, or no name for it")),
    }
}

/// Plays a scenario in an account, from now on; tells the truth about its calls.
fn play(platform: &Platform, body: &Value) -> Reply {
    let name = body["scenario"].as_str().unwrap_or_default();
    let Some(scenario) = Scenario::named(name) else {
        return Reply::error(400, "FAKE", &format!("there is no scenario {name:?}"));
    };
    let account = body["account"].as_u64().unwrap_or(0);
    match usize::try_from(account).ok().and_then(|place| platform.play(place, &scenario)) {
        Some(truths) => Reply::ok(json!({ "truths": truths })),
        None => Reply::error(400, "FAKE", &format!("there is no account at place {account}")),
    }
}
