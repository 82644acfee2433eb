//! `/v1/endpoints`: a tenant's endpoints and the deliveries to them.

use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::Response,
};
use serde::Deserialize;
use serde_json::{Value, json};
use wholecall_store::{
    AuditAction, ChangeKind, DeliveryQuery, DeliveryState, EventId, Filter, Replay, Signing, TenantView,
};

use super::{
    ApiState,
    access::Access,
    calls::no_call,
    json as respond,
    parameters::{Json, Parameters, limit, time},
};
use crate::{
    Service, clock,
    deliver::{InFlight, parse_filter, parse_url},
    endpoints::{self, EndpointError},
    problem::Problem,
    stored_record::parse_or_skip,
};

const DEFAULT_DELIVERIES: usize = 50;
const MAX_DELIVERIES: usize = 500;

impl From<EndpointError> for Problem {
    fn from(error: EndpointError) -> Self {
        match error {
            EndpointError::Store(error) => error.into(),
            EndpointError::Unknown(_) => Self::not_found(error.to_string()),
            EndpointError::TooManyTests => Self::new(StatusCode::TOO_MANY_REQUESTS, error.to_string()),
            EndpointError::Invalid(why) => Self::bad_request(why),
            EndpointError::Seal(error) => {
                tracing::error!(%error, "an endpoint's secrets cannot be used");
                let detail = "the endpoint's secrets cannot be used; the service's log has the reason";
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, detail)
            }
            EndpointError::Random(error) => Self::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string()),
        }
    }
}

/// Runs work that waits for the disk, then wakes those who watch the tenants: the deliveries react to changes.
async fn blocking<T: Send + 'static>(
    service: &Service,
    work: impl FnOnce(&Service) -> Result<T, EndpointError> + Send + 'static,
) -> Result<T, Problem> {
    let service = service.clone();
    super::blocking(move || {
        let result = work(&service)?;
        service.tenants.refresh()?;
        Ok::<_, EndpointError>(result)
    })
    .await
}

/// Refuses a URL with a literal address to which deliveries may not connect. Host names are checked at each connection.
fn check_url(service: &Service, settings: &Value) -> Result<(), EndpointError> {
    let Some(url) = settings["url"].as_str() else { return Ok(()) };
    let url = parse_url(url).map_err(EndpointError::Invalid)?;
    let host = url.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    if let Ok(address) = host.parse()
        && let Err(kind) = service.settings.egress_policy.check(address)
    {
        let reason = format!("url: deliveries to {address} are not permitted: it is {kind}");
        return Err(EndpointError::Invalid(reason));
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

/// Adds an endpoint. Only this response contains its secret.
pub(super) async fn add(
    State(service): State<Service>,
    Access(view): Access,
    Json(settings): Json<Value>,
) -> Result<(StatusCode, Response), Problem> {
    let added = blocking(&service, move |service| {
        check_url(service, &settings)?;
        endpoints::add(&view, &service.settings.secret_key, &settings)
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

/// Changes the settings that the body contains.
pub(super) async fn change(
    State(service): State<Service>,
    Access(view): Access,
    Path(id): Path<String>,
    Json(settings): Json<Value>,
) -> Result<Response, Problem> {
    let changed = blocking(&service, move |service| {
        check_url(service, &settings)?;
        endpoints::change(&view, &service.settings.secret_key, &id, &settings)
    })
    .await?;
    Ok(respond(changed.to_string()))
}

/// Removes an endpoint and its deliveries.
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

/// The kind of the new secret and, if the receiver chose it, the secret itself.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Rotation {
    signing: Option<Signing>,
    secret: Option<String>,
}

/// Replaces the secret. For a day, deliveries are signed with the previous one as well.
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

/// Sends a test event.
pub(super) async fn test(
    State(state): State<ApiState>,
    Access(view): Access,
    Path(id): Path<String>,
) -> Result<(StatusCode, Response), Problem> {
    state.quotas.test(view.tenant())?;
    let event = blocking(&state.service, move |_| endpoints::test(&view, &id)).await?;
    Ok((StatusCode::ACCEPTED, respond(json!({ "id": event }).to_string())))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DeliveryListQuery {
    state: Option<String>,
    before: Option<String>,
    limit: Option<usize>,
}

/// Deliveries with their attempts, newest events first.
pub(super) async fn deliveries(
    State(service): State<Service>,
    Access(view): Access,
    Path(id): Path<String>,
    Parameters(query): Parameters<DeliveryListQuery>,
) -> Result<Response, Problem> {
    let state = query.state.map(|word| {
        DeliveryState::from_word(&word).ok_or_else(|| {
            let known = DeliveryState::ALL.map(DeliveryState::as_str).join(", ");
            Problem::bad_request(format!("state: {word:?} is not one of {known}"))
        })
    });
    let listed = DeliveryQuery {
        state: state.transpose()?,
        before: query.before.as_deref().map(|id| event_id(&view, id)).transpose()?,
        limit: limit(query.limit, DEFAULT_DELIVERIES, MAX_DELIVERIES)?,
    };
    let reader = view.clone();
    let found = blocking(&service, move |_| {
        let endpoint = endpoints::find(&reader, &id)?;
        Ok(reader.deliveries(endpoint.number, listed)?)
    })
    .await?;
    let next = found.last().filter(|_| found.len() == listed.limit).map(|last| view.event_id(last.id));
    let found: Vec<Value> =
        found.iter().map(|delivery| endpoints::describe_delivery(&view, delivery)).collect();
    Ok(respond(json!({ "deliveries": found, "next": next }).to_string()))
}

fn event_id(view: &TenantView, text: &str) -> Result<EventId, Problem> {
    view.parse_event_id(text).ok_or_else(|| {
        Problem::bad_request(format!("{text:?} is not an event id like those in the header webhook-id"))
    })
}

/// The deliveries of a call's events, to any endpoint.
pub(super) async fn of_call(
    State(service): State<Service>,
    Access(view): Access,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let (call, reader) = (id.clone(), view.clone());
    let found = blocking(&service, move |_| {
        let found = reader.deliveries_of_call(&call)?;
        let exists = !found.is_empty() || reader.call(&call, None)?.is_some();
        Ok(exists.then_some(found))
    });
    let found = found.await?.ok_or_else(|| no_call(&id))?;
    let found: Vec<Value> =
        found.iter().map(|delivery| endpoints::describe_delivery(&view, delivery)).collect();
    Ok(respond(json!({ "deliveries": found }).to_string()))
}

/// Requests a redelivery.
pub(super) async fn resend(
    State(state): State<ApiState>,
    Access(view): Access,
    Path((id, message)): Path<(String, String)>,
) -> Result<(StatusCode, Response), Problem> {
    let event = event_id(&view, &message)?;
    let in_flight = state.in_flight.clone();
    blocking(&state.service, move |_| {
        let endpoint = endpoints::find(&view, &id)?;
        if in_flight.request_redelivery(endpoint.number, event) {
            // Another attempt follows the one in flight: nothing changes in the store.
            view.note(AuditAction::DeliveryResend, format!("{id} {}", view.event_id(event)));
            return Ok(());
        }
        match view.resend(endpoint.number, event, clock::now().as_millis())? {
            true => Ok(()),
            false => Err(EndpointError::Unknown(format!("{id} that was sent {}", view.event_id(event)))),
        }
    })
    .await?;
    Ok((StatusCode::ACCEPTED, respond(json!({ "id": message }).to_string())))
}

/// The events to deliver again.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ReplayRequest {
    since: Option<String>,
    until: Option<String>,
    #[serde(default)]
    filter: wholecall_store::EndpointFilter,
    #[serde(default)]
    failed: bool,
}

/// Delivers again the events that failed, or those of a period that match a filter.
pub(super) async fn replay(
    State(state): State<ApiState>,
    Access(view): Access,
    Path(id): Path<String>,
    Json(request): Json<ReplayRequest>,
) -> Result<(StatusCode, Response), Problem> {
    let since_ms = time("since", request.since.as_deref())?;
    let until_ms = time("until", request.until.as_deref())?;
    let filter = parse_filter(&request.filter).map_err(Problem::bad_request)?;
    if !request.failed && since_ms.is_none() && filter.is_none() {
        return Err(Problem::bad_request("one of since, filter and failed is required"));
    }
    if request.failed && (filter.is_some() || until_ms.is_some()) {
        return Err(Problem::bad_request("failed can be combined with since only"));
    }
    let in_flight = state.in_flight.clone();
    let count = blocking(&state.service, move |_| {
        let endpoint = endpoints::find(&view, &id)?;
        let (now_ms, since_ms) = (clock::now().as_millis(), since_ms.unwrap_or(0));
        if request.failed {
            return Ok(view.resend_failed(endpoint.number, since_ms, now_ms)?);
        }
        let own = parse_filter(&endpoint.settings.filter).map_err(EndpointError::Invalid)?;
        let filters: Vec<Filter> = [filter, own].into_iter().flatten().collect();
        let replay = Replay {
            since_ms,
            until_ms: until_ms.unwrap_or(i64::MAX),
            kinds: endpoint.settings.events.clone(),
        };
        Ok(replay_matching(&view, &in_flight, &endpoint, &replay, now_ms, &filters)?)
    })
    .await?;
    Ok((StatusCode::ACCEPTED, respond(json!({ "deliveries": count }).to_string())))
}

/// Queues the events that match all filters; returns their number.
fn replay_matching(
    view: &TenantView,
    in_flight: &InFlight,
    endpoint: &wholecall_store::Endpoint,
    replay: &Replay,
    now_ms: i64,
    filters: &[Filter],
) -> Result<usize, wholecall_store::StoreError> {
    view.replay(endpoint.number, replay, now_ms, |change| {
        let passes = || {
            parse_or_skip(&change.record)
                .is_some_and(|call| filters.iter().all(|filter| filter.matches(&call)))
        };
        let has_no_record = change.kind == ChangeKind::Merged || change.kind.lists_many_calls();
        let is_wanted = filters.is_empty() || has_no_record || passes();
        if is_wanted {
            in_flight.request_redelivery(endpoint.number, EventId::of_change(change.cursor));
        }
        is_wanted
    })
}
