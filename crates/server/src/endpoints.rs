//! What is done to endpoints, over HTTP or from the command line.

use hyper::header::{HeaderName, HeaderValue};
use serde_json::{Map, Value, json};
use wholecall_record::Time;
use wholecall_store::{
    ChangeKind, Delivery, Endpoint, EndpointChange, EndpointFilter, EndpointSettings, MAX_ENDPOINTS,
    NewEndpoint, Signing, StoreError, TenantView, TestSent,
};

use crate::{
    clock,
    deliver::{EndpointSecret, SealError, Sealed, SecretKey, is_own_header, parse_filter, parse_url},
    secret,
};

/// While an endpoint's secret is followed by another, both sign for so long.
const OVERLAP_MS: i64 = 24 * 3_600_000;

/// A member of a filter is an id or a number.
const MAX_FILTER_BYTES: usize = 200;

/// What `maxBytes` may be: at least what an event with nothing but ids takes.
const MIN_MAX_BYTES: u32 = 2_048;
const MAX_MAX_BYTES: u32 = 64 * 1_024 * 1_024;

/// What can be asked for; the first are what is sent if nothing is.
pub(crate) const EVENTS: [ChangeKind; 7] = [
    ChangeKind::Completed,
    ChangeKind::Revised,
    ChangeKind::Merged,
    ChangeKind::Started,
    ChangeKind::Updated,
    // Sent in any case.
    ChangeKind::Erased,
    ChangeKind::Deleted,
];
const USUAL_EVENTS: usize = 3;

/// Why it cannot be done.
#[derive(Debug, thiserror::Error)]
pub enum EndpointError {
    /// What was asked for makes no endpoint.
    #[error("{0}")]
    Unfit(String),
    /// There is no such endpoint.
    #[error("there is no endpoint {0}")]
    Unknown(String),
    /// It was sent many tests just now.
    #[error("an endpoint is sent ten tests a minute at most")]
    TooManyTests,
    /// Its secrets.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// No random numbers.
    #[error("the system gives no random numbers: {0}")]
    Random(#[from] getrandom::Error),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn unfit(why: impl Into<String>) -> EndpointError {
    EndpointError::Unfit(why.into())
}

/// Adds an endpoint; the answer describes it, with its secret. `wanted` has the members of the settings, of which only
/// `url` is needed, and may have `headers`, `secret` and `enabled`. Blocks.
pub fn add(view: &TenantView, key: &SecretKey, wanted: &Value) -> Result<Value, EndpointError> {
    let mut wanted = members(wanted)?;
    let headers = wanted.remove("headers").map(|headers| checked_headers(&headers)).transpose()?;
    let given = wanted.remove("secret").filter(|secret| !secret.is_null());
    let enabled = flag(&mut wanted, "enabled")?;
    wanted.entry("events").or_insert_with(|| {
        json!(EVENTS.iter().take(USUAL_EVENTS).map(|kind| kind.as_str()).collect::<Vec<_>>())
    });
    let settings = checked(Value::Object(wanted))?;
    let new_secret = match given {
        None => EndpointSecret::generate(settings.signing)?,
        Some(given) => given_secret(settings.signing, given.as_str().unwrap_or_default())?,
    };
    let id = secret::generate("ep_")?;
    let shown = new_secret.for_receiver();
    let sealed = Sealed { secrets: vec![new_secret], headers: headers.unwrap_or_default() };
    let new = NewEndpoint {
        id: id.clone(),
        created_ms: clock::now().as_millis(),
        settings,
        sealed: sealed.seal(key, &id)?,
    };
    if !view.add_endpoint(new)? {
        return Err(unfit(format!("a tenant has {MAX_ENDPOINTS} endpoints at most")));
    }
    if enabled == Some(false) {
        view.change_endpoint(&id, EndpointChange { enabled, ..EndpointChange::default() })?;
    }
    let mut described = describe(key, &find(view, &id)?);
    if described.get("publicKey").is_none() {
        described["secret"] = json!(shown);
    }
    Ok(described)
}

/// Changes what is named in `wanted` and leaves the rest (RFC 7396); answers as [`describe`]. Blocks.
pub fn change(view: &TenantView, key: &SecretKey, id: &str, wanted: &Value) -> Result<Value, EndpointError> {
    let endpoint = find(view, id)?;
    let mut wanted = members(wanted)?;
    let enabled = flag(&mut wanted, "enabled")?;
    if wanted.contains_key("signing") || wanted.contains_key("secret") {
        return Err(unfit("signing and secret are changed by a rotation"));
    }
    let mut change = EndpointChange { enabled, ..EndpointChange::default() };
    if let Some(headers) = wanted.remove("headers") {
        let mut sealed = Sealed::open(key, &endpoint)?;
        sealed.headers = checked_headers(&headers)?;
        change.sealed = Some(sealed.seal(key, id)?);
    }
    if !wanted.is_empty() {
        let mut settings = json!(endpoint.settings);
        json_patch::merge(&mut settings, &Value::Object(wanted));
        change.settings = Some(checked(settings)?);
    }
    view.change_endpoint(id, change)?;
    Ok(describe(key, &find(view, id)?))
}

/// Gives an endpoint a new secret, of the same kind or of another; for a day, the old one signs too. Answers with
/// what its receiver verifies with. Blocks.
pub fn rotate(
    view: &TenantView,
    key: &SecretKey,
    id: &str,
    signing: Option<Signing>,
    given: Option<&str>,
) -> Result<Value, EndpointError> {
    let mut endpoint = find(view, id)?;
    let mut sealed = Sealed::open(key, &endpoint)?;
    let now_ms = clock::now().as_millis();
    endpoint.settings.signing = signing.unwrap_or(endpoint.settings.signing);
    let new = match given {
        None => EndpointSecret::generate(endpoint.settings.signing)?,
        Some(given) => given_secret(endpoint.settings.signing, given)?,
    };
    sealed.secrets.retain(|old| old.until_ms.is_none_or(|until| until > now_ms));
    for old in &mut sealed.secrets {
        old.until_ms.get_or_insert(now_ms + OVERLAP_MS);
    }
    let shown = new.for_receiver();
    sealed.secrets.insert(0, new);
    let change = EndpointChange {
        settings: Some(endpoint.settings.clone()),
        sealed: Some(sealed.seal(key, id)?),
        enabled: None,
        is_rotation: true,
    };
    view.change_endpoint(id, change)?;
    let name = match endpoint.settings.signing {
        Signing::Hmac => "secret",
        Signing::Ed25519 => "publicKey",
    };
    let old_until = Time::from_millis(now_ms + OVERLAP_MS).to_string();
    let mut answer = json!({ "id": id, "previousSecretExpiresAt": old_until });
    answer[name] = json!(shown);
    Ok(answer)
}

/// Sends an endpoint a test event, now; the event's id. Blocks.
pub fn test(view: &TenantView, id: &str) -> Result<String, EndpointError> {
    match view.test_endpoint(id, clock::now().as_millis())? {
        TestSent::Sent(sent) => Ok(view.event_id(sent)),
        TestSent::Unknown => Err(EndpointError::Unknown(id.to_owned())),
        TestSent::TooMany => Err(EndpointError::TooManyTests),
    }
}

/// The endpoint of that name.
pub fn find(view: &TenantView, id: &str) -> Result<Endpoint, EndpointError> {
    view.endpoint(id)?.ok_or_else(|| EndpointError::Unknown(id.to_owned()))
}

/// An endpoint, without anything that is secret: of its headers only the names.
pub fn describe(key: &SecretKey, endpoint: &Endpoint) -> Value {
    let mut described = json!(endpoint.settings);
    described["id"] = json!(endpoint.id);
    described["createdAt"] = json!(Time::from_millis(endpoint.created_ms).to_string());
    described["enabled"] = json!(endpoint.disabled.is_none());
    described["disabledReason"] = json!(endpoint.disabled.map(|why| why.as_str()));
    described["failingSince"] =
        json!(endpoint.failing_since_ms.map(|since| Time::from_millis(since).to_string()));
    // Where the key is another now, nothing is delivered either: the log says so.
    if let Ok(sealed) = Sealed::open(key, endpoint) {
        described["headers"] = json!(sealed.headers.keys().collect::<Vec<_>>());
        let newest = sealed.secrets.first().filter(|secret| secret.signing() == Signing::Ed25519);
        if let Some(public) = newest.and_then(EndpointSecret::for_receiver) {
            described["publicKey"] = json!(public);
        }
    }
    described
}

/// A delivery of a tenant with its attempts.
pub fn describe_delivery(view: &TenantView, delivery: &Delivery) -> Value {
    let time = |ms: i64| Time::from_millis(ms).to_string();
    let attempts: Vec<Value> = delivery
        .attempts
        .iter()
        .map(|attempt| {
            json!({
                "time": time(attempt.started_ms),
                "durationMs": attempt.duration_ms,
                "status": attempt.status,
                "problem": attempt.problem,
                "response": attempt.answer,
            })
        })
        .collect();
    json!({
        "id": view.event_id(delivery.id),
        "endpoint": delivery.endpoint,
        "type": delivery.kind,
        "callId": Some(&delivery.call_id).filter(|id| !id.is_empty()),
        "version": Some(delivery.version).filter(|version| *version > 0),
        "timestamp": time(delivery.made_ms),
        "state": delivery.state.as_str(),
        "nextAttemptAt": delivery.next_ms.map(time),
        "attempts": attempts,
    })
}

fn members(wanted: &Value) -> Result<Map<String, Value>, EndpointError> {
    wanted.as_object().cloned().ok_or_else(|| unfit("an endpoint is a JSON object"))
}

fn flag(wanted: &mut Map<String, Value>, name: &str) -> Result<Option<bool>, EndpointError> {
    match wanted.remove(name) {
        None => Ok(None),
        Some(Value::Bool(flag)) => Ok(Some(flag)),
        Some(_) => Err(unfit(format!("{name}: true or false"))),
    }
}

fn given_secret(signing: Signing, text: &str) -> Result<EndpointSecret, EndpointError> {
    let given = EndpointSecret::given(text).filter(|_| signing == Signing::Hmac);
    given.ok_or_else(|| {
        unfit(
            "secret: whsec_ and 24 to 64 bytes in base64, for v1; of key pairs the private half is made here",
        )
    })
}

fn checked_headers(headers: &Value) -> Result<std::collections::BTreeMap<String, String>, EndpointError> {
    let Some(headers) = headers.as_object().filter(|headers| headers.len() <= 20) else {
        return Err(unfit("headers: an object of 20 members at most"));
    };
    let mut checked = std::collections::BTreeMap::new();
    for (name, value) in headers {
        let read = HeaderName::try_from(name).map_err(|_| unfit(format!("headers: {name:?} is no name")))?;
        if is_own_header(&read) {
            return Err(unfit(format!("headers: {name} is not yours to set")));
        }
        let value =
            value.as_str().filter(|value| value.len() <= 4_096 && HeaderValue::from_str(value).is_ok());
        let value =
            value.ok_or_else(|| unfit(format!("headers: {name} needs a visible text on one line")))?;
        checked.insert(read.as_str().to_owned(), value.to_owned());
    }
    Ok(checked)
}

fn checked(settings: Value) -> Result<EndpointSettings, EndpointError> {
    let mut settings: EndpointSettings =
        serde_path_to_error::deserialize(settings).map_err(|error| unfit(error.to_string()))?;
    parse_url(&settings.url).map_err(EndpointError::Unfit)?;
    parse_filter(&settings.filter).map_err(EndpointError::Unfit)?;
    let known = EVENTS.map(ChangeKind::as_str);
    if let Some(other) = settings.events.iter().find(|event| !known.contains(&event.as_str())) {
        return Err(unfit(format!("events: {other:?} is none of {}", known.join(", "))));
    }
    settings.events.sort();
    settings.events.dedup();
    if settings.events.is_empty() {
        return Err(unfit(format!("events: at least one of {}", known.join(", "))));
    }
    if settings.rate_limit.is_some_and(|rate| !(1..=100_000).contains(&rate)) {
        return Err(unfit("rateLimit: 1 to 100000 requests a second"));
    }
    if settings.batch.is_some_and(|batch| !(1..=100).contains(&batch)) {
        return Err(unfit("batch: 1 to 100 events in a request"));
    }
    if settings.max_bytes.is_some_and(|bytes| !(MIN_MAX_BYTES..=MAX_MAX_BYTES).contains(&bytes)) {
        return Err(unfit(format!("maxBytes: {MIN_MAX_BYTES} to {MAX_MAX_BYTES} bytes in a request")));
    }
    let EndpointFilter { extension, queue, number, customer, answered_by, user, .. } = &settings.filter;
    let words = [extension, queue, number, customer, answered_by, user];
    if words.into_iter().flatten().any(|word| word.len() > MAX_FILTER_BYTES) {
        return Err(unfit(format!("filter: {MAX_FILTER_BYTES} bytes at most in each member")));
    }
    for (name, text, most) in [("description", &settings.description, 1_000), ("url", &settings.url, 2_000)] {
        if text.len() > most {
            return Err(unfit(format!("{name}: {most} bytes at most")));
        }
    }
    Ok(settings)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_of_change_may_be_asked_for() {
        assert!(ChangeKind::ALL.iter().all(|kind| EVENTS.contains(kind)));
    }
}
