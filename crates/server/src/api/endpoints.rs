//! `/v1/endpoints`: where the tenant wants to be told, and what became of that.

use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::Response,
};
use serde::Deserialize;
use serde_json::{Value, json};
use wholecall_record::Call;
use wholecall_store::{
    ChangeKind, DeliveryState, EventId, Filter, Listed, Replay, Signing, TenantView, What,
};

use super::{
    access::Access,
    json as respond,
    parameters::{Json, Parameters, limit, time},
};
use crate::{
    Service, clock,
    deliver::{InFlight, parse_filter, parse_url},
    endpoints::{self, EndpointError},
    problem::Problem,
};

const DELIVERIES: usize = 50;
const MOST_DELIVERIES: usize = 500;

impl From<EndpointError> for Problem {
    fn from(error: EndpointError) -> Self {
        match error {
            EndpointError::Store(error) => error.into(),
            EndpointError::Unknown(_) => Self::not_found(error.to_string()),
            EndpointError::TooManyTests => Self::new(StatusCode::TOO_MANY_REQUESTS, error.to_string()),
            EndpointError::Invalid(why) => Self::bad_request(why),
            EndpointError::Seal(error) => {
                tracing::error!(%error, "an endpoint's secrets cannot be used");
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "the secrets cannot be used; the log says why")
            }
            EndpointError::Random(error) => Self::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string()),
        }
    }
}

/// Does something that waits for the disk where that holds up nobody else; the lanes then look at what is new.
async fn blocking<T: Send + 'static>(
    service: &Service,
    work: impl FnOnce(&Service) -> Result<T, EndpointError> + Send + 'static,
) -> Result<T, Problem> {
    let service = service.clone();
    let done = tokio::task::spawn_blocking(move || {
        let done = work(&service)?;
        service.tenants.refresh()?;
        Ok::<_, EndpointError>(done)
    });
    match done.await {
        Ok(done) => Ok(done?),
        Err(error) => {
            tracing::error!(%error, "a request ended by a panic");
            Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "it failed; the log says how"))
        }
    }
}

/// A literal address that no delivery could reach is refused at once; names are judged when they are connected to.
fn judge(service: &Service, wanted: &Value) -> Result<(), EndpointError> {
    let Some(url) = wanted["url"].as_str() else { return Ok(()) };
    let url = parse_url(url).map_err(EndpointError::Invalid)?;
    let host = url.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    if let Ok(address) = host.parse()
        && let Err(kind) = service.settings.egress_policy.check(address)
    {
        let why = format!("url: {address} is {kind} and may not be connected to");
        return Err(EndpointError::Invalid(why));
    }
    Ok(())
}

/// All endpoints of the tenant.
pub(super) async fn list(State(service): State<Service>, Access(view): Access) -> Result<Response, Problem> {
    let key = service.settings.secret_key.clone();
    let all = blocking(&service, move |_| Ok(view.endpoints()?)).await?;
    let all: Vec<Value> = all.iter().map(|endpoint| endpoints::describe(&key, endpoint)).collect();
    Ok(respond(json!({ "endpoints": all }).to_string()))
}

/// Adds one; its secret is in the answer and never shown again.
pub(super) async fn add(
    State(service): State<Service>,
    Access(view): Access,
    Json(wanted): Json<Value>,
) -> Result<(StatusCode, Response), Problem> {
    let added = blocking(&service, move |service| {
        judge(service, &wanted)?;
        endpoints::add(&view, &service.settings.secret_key, &wanted)
    })
    .await?;
    Ok((StatusCode::CREATED, respond(added.to_string())))
}

/// One endpoint.
pub(super) async fn one(
    State(service): State<Service>,
    Access(view): Access,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let found = blocking(&service, move |service| {
        Ok(endpoints::describe(&service.settings.secret_key, &endpoints::find(&view, &id)?))
    })
    .await?;
    Ok(respond(found.to_string()))
}

/// Changes what is named and leaves the rest.
pub(super) async fn change(
    State(service): State<Service>,
    Access(view): Access,
    Path(id): Path<String>,
    Json(wanted): Json<Value>,
) -> Result<Response, Problem> {
    let changed = blocking(&service, move |service| {
        judge(service, &wanted)?;
        endpoints::change(&view, &service.settings.secret_key, &id, &wanted)
    })
    .await?;
    Ok(respond(changed.to_string()))
}

/// Removes it with what is known of its deliveries.
pub(super) async fn remove(
    State(service): State<Service>,
    Access(view): Access,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    blocking(&service, move |_| match view.remove_endpoint(&id)? {
        true => Ok(()),
        false => Err(EndpointError::Unknown(id)),
    })
    .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A new secret, of which kind, and perhaps which.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Rotation {
    signing: Option<Signing>,
    secret: Option<String>,
}

/// Gives it a new secret; for a day, the old one signs too.
pub(super) async fn rotate(
    State(service): State<Service>,
    Access(view): Access,
    Path(id): Path<String>,
    Json(rotation): Json<Rotation>,
) -> Result<Response, Problem> {
    let rotated = blocking(&service, move |service| {
        let key = &service.settings.secret_key;
        endpoints::rotate(&view, key, &id, rotation.signing, rotation.secret.as_deref())
    })
    .await?;
    Ok(respond(rotated.to_string()))
}

/// Sends it a test event.
pub(super) async fn test(
    State(service): State<Service>,
    Access(view): Access,
    Path(id): Path<String>,
) -> Result<(StatusCode, Response), Problem> {
    service.quotas.test(view.tenant())?;
    let event = blocking(&service, move |_| endpoints::test(&view, &id)).await?;
    Ok((StatusCode::ACCEPTED, respond(json!({ "id": event }).to_string())))
}

/// Which deliveries.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DeliveryQuery {
    state: Option<String>,
    before: Option<String>,
    limit: Option<usize>,
}

/// Deliveries with their attempts, latest events first.
pub(super) async fn deliveries(
    State(service): State<Service>,
    Access(view): Access,
    Path(id): Path<String>,
    Parameters(query): Parameters<DeliveryQuery>,
) -> Result<Response, Problem> {
    let state = query.state.map(|word| {
        DeliveryState::from_word(&word).ok_or_else(|| {
            let known = DeliveryState::ALL.map(DeliveryState::as_str).join(", ");
            Problem::bad_request(format!("state: {word:?} is none of {known}"))
        })
    });
    let listed = Listed {
        state: state.transpose()?,
        before: query.before.as_deref().map(|id| event(&view, id)).transpose()?,
        limit: limit(query.limit, DELIVERIES, MOST_DELIVERIES)?,
    };
    let asked = view.clone();
    let found = blocking(&service, move |_| {
        let endpoint = endpoints::find(&asked, &id)?;
        Ok(asked.deliveries(endpoint.number, listed)?)
    })
    .await?;
    let next = found.last().filter(|_| found.len() == listed.limit).map(|last| view.event_id(last.id));
    let found: Vec<Value> =
        found.iter().map(|delivery| endpoints::describe_delivery(&view, delivery)).collect();
    Ok(respond(json!({ "deliveries": found, "next": next }).to_string()))
}

fn event(view: &TenantView, text: &str) -> Result<EventId, Problem> {
    let known = view.parse_event_id(text);
    known.ok_or_else(|| Problem::bad_request(format!("{text:?} is no id of an event, as in webhook-id")))
}

/// What any endpoint was told of a call.
pub(super) async fn of_call(
    State(service): State<Service>,
    Access(view): Access,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let (wanted, asked) = (id.clone(), view.clone());
    let found = blocking(&service, move |_| {
        let found = asked.deliveries_of_call(&wanted)?;
        let is_known = !found.is_empty() || asked.call(&wanted, None)?.is_some();
        Ok(is_known.then_some(found))
    });
    let found = found.await?.ok_or_else(|| super::calls::no_call(&id))?;
    let found: Vec<Value> =
        found.iter().map(|delivery| endpoints::describe_delivery(&view, delivery)).collect();
    Ok(respond(json!({ "deliveries": found }).to_string()))
}

/// Sends one once more.
pub(super) async fn resend(
    State(service): State<Service>,
    Access(view): Access,
    Path((id, message)): Path<(String, String)>,
) -> Result<(StatusCode, Response), Problem> {
    let wanted = event(&view, &message)?;
    blocking(&service, move |service| {
        let endpoint = endpoints::find(&view, &id)?;
        if service.in_flight.request_redelivery(endpoint.number, wanted) {
            // It is on its way, and goes out again after that: nothing changes in the store.
            view.note(What::DeliveryResend, format!("{id} {}", view.event_id(wanted)));
            return Ok(());
        }
        match view.resend(endpoint.number, wanted, clock::now().as_millis())? {
            true => Ok(()),
            false => Err(EndpointError::Unknown(format!("{id} that was sent {}", view.event_id(wanted)))),
        }
    })
    .await?;
    Ok((StatusCode::ACCEPTED, respond(json!({ "id": message }).to_string())))
}

/// What is to be sent once more.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Again {
    since: Option<String>,
    until: Option<String>,
    #[serde(default)]
    filter: wholecall_store::EndpointFilter,
    #[serde(default)]
    failed: bool,
}

/// Sends once more what was given up, or everything of a stretch of time that a filter lets through.
pub(super) async fn replay(
    State(service): State<Service>,
    Access(view): Access,
    Path(id): Path<String>,
    Json(again): Json<Again>,
) -> Result<(StatusCode, Response), Problem> {
    let since_ms = time("since", again.since.as_deref())?;
    let until_ms = time("until", again.until.as_deref())?;
    let filter = parse_filter(&again.filter).map_err(Problem::bad_request)?;
    if !again.failed && since_ms.is_none() && filter.is_none() {
        return Err(Problem::bad_request(
            "say since when (since), of what (filter), or what failed (failed)",
        ));
    }
    if again.failed && (filter.is_some() || until_ms.is_some()) {
        return Err(Problem::bad_request("failed goes with since only"));
    }
    let count = blocking(&service, move |service| {
        let endpoint = endpoints::find(&view, &id)?;
        let (now_ms, since_ms) = (clock::now().as_millis(), since_ms.unwrap_or(0));
        if again.failed {
            return Ok(view.resend_failed(endpoint.number, since_ms, now_ms)?);
        }
        let own = parse_filter(&endpoint.settings.filter).map_err(EndpointError::Invalid)?;
        let filters: Vec<Filter> = [filter, own].into_iter().flatten().collect();
        let replay = Replay {
            since_ms,
            until_ms: until_ms.unwrap_or(i64::MAX),
            kinds: endpoint.settings.events.clone(),
        };
        Ok(replayed(&view, &service.in_flight, &endpoint, &replay, now_ms, &filters)?)
    })
    .await?;
    Ok((StatusCode::ACCEPTED, respond(json!({ "deliveries": count }).to_string())))
}

fn replayed(
    view: &TenantView,
    in_flight: &InFlight,
    endpoint: &wholecall_store::Endpoint,
    replay: &Replay,
    now_ms: i64,
    filters: &[Filter],
) -> Result<usize, wholecall_store::StoreError> {
    view.replay(endpoint.number, replay, now_ms, |change| {
        let passes = || {
            let call: Result<Call, _> = serde_json::from_str(&change.record);
            call.is_ok_and(|call| filters.iter().all(|filter| filter.matches(&call)))
        };
        let has_no_record = change.kind == ChangeKind::Merged || change.kind.is_of_many();
        let is_wanted = filters.is_empty() || has_no_record || passes();
        if is_wanted {
            in_flight.request_redelivery(endpoint.number, EventId::of_change(change.cursor));
        }
        is_wanted
    })
}
