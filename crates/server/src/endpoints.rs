//! Manages endpoints, for the HTTP API and the command line.

use hyper::header::{HeaderName, HeaderValue};
use serde_json::{Map, Value, json};
use wholecall_record::Time;
use wholecall_store::{
    ChangeKind, Delivery, Endpoint, EndpointChange, EndpointFilter, EndpointSettings, MAX_ENDPOINTS,
    NewEndpoint, Signing, StoreError, TenantView, TestEventResult,
};

use crate::{
    clock,
    deliver::{EndpointSecret, SecretSettings, is_reserved_header, parse_filter, parse_url},
    security::{SealError, SecretKey, secret},
};

/// Time after a rotation during which the previous secret also signs.
const ROTATION_OVERLAP_MS: i64 = 24 * 3_600_000;

/// Maximum length of a member of a filter, which is an id or a number.
const MAX_FILTER_BYTES: usize = 200;

/// Minimum of `maxBytes`: an event that contains only ids fits.
const MIN_MAX_BYTES: u32 = 2_048;
/// Maximum of `maxBytes`.
const MAX_MAX_BYTES: u32 = 64 * 1_024 * 1_024;

/// The event types that an endpoint can subscribe to. The first `DEFAULT_EVENTS` are the default.
pub(crate) const EVENTS: [ChangeKind; 7] = [
    ChangeKind::Completed,
    ChangeKind::Revised,
    ChangeKind::Merged,
    ChangeKind::Started,
    ChangeKind::Updated,
    // Sent to every endpoint.
    ChangeKind::Erased,
    ChangeKind::Deleted,
];
/// Number of event types that an endpoint is subscribed to by default.
const DEFAULT_EVENTS: usize = 3;

/// Why an operation on an endpoint failed.
#[derive(Debug, thiserror::Error)]
pub enum EndpointError {
    /// A setting is invalid.
    #[error("{0}")]
    Invalid(String),
    /// The endpoint does not exist.
    #[error("endpoint {0} does not exist")]
    Unknown(String),
    /// Too many tests were requested recently.
    #[error("an endpoint is sent at most ten tests a minute")]
    TooManyTests,
    /// The endpoint's secrets cannot be opened or sealed.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The system's random number generator failed.
    #[error("the system returned no random numbers: {0}")]
    Random(#[from] getrandom::Error),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn invalid(problem: impl Into<String>) -> EndpointError {
    EndpointError::Invalid(problem.into())
}

/// Adds an endpoint and describes it, with its secret. `settings` needs a `url`; besides the other settings it may have
/// `headers`, `secret` and `enabled`. Blocks.
pub fn add(view: &TenantView, key: &SecretKey, settings: &Value) -> Result<Value, EndpointError> {
    let mut members = members(settings)?;
    let headers = members.remove("headers").map(|headers| checked_headers(&headers)).transpose()?;
    let given = members.remove("secret").filter(|secret| !secret.is_null());
    let enabled = flag(&mut members, "enabled")?;
    members.entry("events").or_insert_with(|| {
        json!(EVENTS.iter().take(DEFAULT_EVENTS).map(|kind| kind.as_str()).collect::<Vec<_>>())
    });
    let settings = checked(Value::Object(members))?;
    let new_secret = match given {
        None => EndpointSecret::generate(settings.signing)?,
        Some(given) => given_secret(settings.signing, given.as_str().unwrap_or_default())?,
    };
    let id = secret::generate("ep_")?;
    let shown = new_secret.for_receiver();
    let sealed = SecretSettings { secrets: vec![new_secret], headers: headers.unwrap_or_default() };
    let new = NewEndpoint {
        id: id.clone(),
        created_ms: clock::now().as_millis(),
        settings,
        sealed: sealed.seal(key, &id)?,
    };
    if !view.add_endpoint(new)? {
        return Err(invalid(format!("a tenant has at most {MAX_ENDPOINTS} endpoints")));
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

/// Applies `changes` to an endpoint as a merge patch (RFC 7396) and returns its description ([`describe`]). Blocks.
pub fn change(view: &TenantView, key: &SecretKey, id: &str, changes: &Value) -> Result<Value, EndpointError> {
    let endpoint = find(view, id)?;
    let mut members = members(changes)?;
    let enabled = flag(&mut members, "enabled")?;
    if members.contains_key("signing") || members.contains_key("secret") {
        return Err(invalid("signing and secret can only be changed by a rotation"));
    }
    let mut change = EndpointChange { enabled, ..EndpointChange::default() };
    if let Some(headers) = members.remove("headers") {
        let mut sealed = SecretSettings::open(key, &endpoint)?;
        sealed.headers = checked_headers(&headers)?;
        change.sealed = Some(sealed.seal(key, id)?);
    }
    if !members.is_empty() {
        let mut settings = json!(endpoint.settings);
        json_patch::merge(&mut settings, &Value::Object(members));
        change.settings = Some(checked(settings)?);
    }
    view.change_endpoint(id, change)?;
    Ok(describe(key, &find(view, id)?))
}

/// Replaces an endpoint's secret by a new one, of the same kind or another. For a day, the previous secret also signs.
/// Returns what the receiver verifies signatures with. Blocks.
pub fn rotate(
    view: &TenantView,
    key: &SecretKey,
    id: &str,
    signing: Option<Signing>,
    given: Option<&str>,
) -> Result<Value, EndpointError> {
    let mut endpoint = find(view, id)?;
    let mut sealed = SecretSettings::open(key, &endpoint)?;
    let now_ms = clock::now().as_millis();
    endpoint.settings.signing = signing.unwrap_or(endpoint.settings.signing);
    let new = match given {
        None => EndpointSecret::generate(endpoint.settings.signing)?,
        Some(given) => given_secret(endpoint.settings.signing, given)?,
    };
    sealed.secrets.retain(|old| old.until_ms.is_none_or(|until| until > now_ms));
    for old in &mut sealed.secrets {
        old.until_ms.get_or_insert(now_ms + ROTATION_OVERLAP_MS);
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
    let old_until = Time::from_millis(now_ms + ROTATION_OVERLAP_MS).to_string();
    let mut answer = json!({ "id": id, "previousSecretExpiresAt": old_until });
    answer[name] = json!(shown);
    Ok(answer)
}

/// Sends a test event to an endpoint and returns the event's id. Blocks.
pub fn test(view: &TenantView, id: &str) -> Result<String, EndpointError> {
    match view.test_endpoint(id, clock::now().as_millis())? {
        TestEventResult::Sent(sent) => Ok(view.event_id(sent)),
        TestEventResult::Unknown => Err(EndpointError::Unknown(id.to_owned())),
        TestEventResult::TooMany => Err(EndpointError::TooManyTests),
    }
}

/// Finds an endpoint by its id.
pub fn find(view: &TenantView, id: &str) -> Result<Endpoint, EndpointError> {
    view.endpoint(id)?.ok_or_else(|| EndpointError::Unknown(id.to_owned()))
}

/// Describes an endpoint without its secrets: of its headers only the names.
pub fn describe(key: &SecretKey, endpoint: &Endpoint) -> Value {
    let mut described = json!(endpoint.settings);
    described["id"] = json!(endpoint.id);
    described["createdAt"] = json!(Time::from_millis(endpoint.created_ms).to_string());
    described["enabled"] = json!(endpoint.disabled.is_none());
    described["disabledReason"] = json!(endpoint.disabled.map(|reason| reason.as_str()));
    described["failingSince"] =
        json!(endpoint.failing_since_ms.map(|since| Time::from_millis(since).to_string()));
    // With another key nothing can be delivered either, which is logged.
    if let Ok(sealed) = SecretSettings::open(key, endpoint) {
        described["headers"] = json!(sealed.headers.keys().collect::<Vec<_>>());
        let newest = sealed.secrets.first().filter(|secret| secret.signing() == Signing::Ed25519);
        if let Some(public) = newest.and_then(EndpointSecret::for_receiver) {
            described["publicKey"] = json!(public);
        }
    }
    described
}

/// Describes a delivery with its attempts.
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
        "timestamp": time(delivery.created_ms),
        "state": delivery.state.as_str(),
        "nextAttemptAt": delivery.next_attempt_ms.map(time),
        "attempts": attempts,
    })
}

fn members(value: &Value) -> Result<Map<String, Value>, EndpointError> {
    value.as_object().cloned().ok_or_else(|| invalid("an endpoint is a JSON object"))
}

fn flag(members: &mut Map<String, Value>, name: &str) -> Result<Option<bool>, EndpointError> {
    match members.remove(name) {
        None => Ok(None),
        Some(Value::Bool(flag)) => Ok(Some(flag)),
        Some(_) => Err(invalid(format!("{name}: true or false"))),
    }
}

fn given_secret(signing: Signing, text: &str) -> Result<EndpointSecret, EndpointError> {
    let given = EndpointSecret::given(text).filter(|_| signing == Signing::Hmac);
    given.ok_or_else(|| {
        invalid(
            "secret: whsec_ and 24 to 64 bytes in base64, for v1; key pairs (v1a) are always generated by the service",
        )
    })
}

fn checked_headers(headers: &Value) -> Result<std::collections::BTreeMap<String, String>, EndpointError> {
    let Some(headers) = headers.as_object().filter(|headers| headers.len() <= 20) else {
        return Err(invalid("headers: an object of at most 20 members"));
    };
    let mut checked = std::collections::BTreeMap::new();
    for (name, value) in headers {
        let read = HeaderName::try_from(name)
            .map_err(|_| invalid(format!("headers: {name:?} is not a valid name")))?;
        if is_reserved_header(&read) {
            return Err(invalid(format!("headers: {name} is set by the service and cannot be changed")));
        }
        let value =
            value.as_str().filter(|value| value.len() <= 4_096 && HeaderValue::from_str(value).is_ok());
        let value = value.ok_or_else(|| {
            invalid(format!("headers: {name} needs a text of visible characters on one line"))
        })?;
        checked.insert(read.as_str().to_owned(), value.to_owned());
    }
    Ok(checked)
}

fn checked(settings: Value) -> Result<EndpointSettings, EndpointError> {
    let mut settings: EndpointSettings =
        serde_path_to_error::deserialize(settings).map_err(|error| invalid(error.to_string()))?;
    parse_url(&settings.url).map_err(EndpointError::Invalid)?;
    parse_filter(&settings.filter).map_err(EndpointError::Invalid)?;
    let known = EVENTS.map(ChangeKind::as_str);
    if let Some(other) = settings.events.iter().find(|event| !known.contains(&event.as_str())) {
        return Err(invalid(format!("events: {other:?} is not one of {}", known.join(", "))));
    }
    settings.events.sort();
    settings.events.dedup();
    if settings.events.is_empty() {
        return Err(invalid(format!("events: at least one of {}", known.join(", "))));
    }
    if settings.rate_limit.is_some_and(|rate| !(1..=100_000).contains(&rate)) {
        return Err(invalid("rateLimit: 1 to 100000 requests a second"));
    }
    if settings.batch.is_some_and(|batch| !(1..=100).contains(&batch)) {
        return Err(invalid("batch: 1 to 100 events in a request"));
    }
    if settings.max_bytes.is_some_and(|bytes| !(MIN_MAX_BYTES..=MAX_MAX_BYTES).contains(&bytes)) {
        return Err(invalid(format!("maxBytes: {MIN_MAX_BYTES} to {MAX_MAX_BYTES} bytes in a request")));
    }
    let EndpointFilter { extension, queue, number, customer, answered_by, user, .. } = &settings.filter;
    let words = [extension, queue, number, customer, answered_by, user];
    if words.into_iter().flatten().any(|word| word.len() > MAX_FILTER_BYTES) {
        return Err(invalid(format!("filter: at most {MAX_FILTER_BYTES} bytes in each member")));
    }
    for (name, text, max_bytes) in
        [("description", &settings.description, 1_000), ("url", &settings.url, 2_000)]
    {
        if text.len() > max_bytes {
            return Err(invalid(format!("{name}: at most {max_bytes} bytes")));
        }
    }
    Ok(settings)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_can_subscribe_to_every_type_of_change() {
        assert!(ChangeKind::ALL.iter().all(|kind| EVENTS.contains(kind)));
    }
}
