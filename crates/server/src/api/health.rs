//! `GET /v1/health`: a tenant's statistics of received notifications and the states of its connections. With the
//! operator's key: the state of the installation.

use axum::{extract::State, response::Response};
use serde_json::{Value, json};
use wholecall_record::Time;
use wholecall_store::{StoreError, TenantView};

use super::{access::KeyHolder, json as respond, read};
use crate::{Service, clock, connection, problem::Problem};

pub(super) async fn health(State(service): State<Service>, holder: KeyHolder) -> Result<Response, Problem> {
    let view = match holder {
        KeyHolder::Operator(_) => return Ok(respond(installation(&service).to_string())),
        KeyHolder::Tenant(view) => view,
    };
    let figures = service.metrics.ingest.figures(view.tenant(), clock::now());
    let name = service.tenants.with_id(view.tenant()).map_or_else(String::new, |tenant| tenant.name.clone());
    let unreadable: Vec<_> = view
        .damages()
        .iter()
        .map(|damage| json!({ "place": damage.place, "problem": damage.problem }))
        .collect();
    let (rejected, connections) =
        read(view, move |view| Ok((view.latest_rejected(0)?.0, connections(view, &name)?))).await?;
    let last = figures.last_ms.map(|last| Time::from_millis(last).to_string());
    let refusals = figures.refusals.iter().map(|(kind, refusals)| {
        let last_at = Time::from_millis(refusals.last_ms).to_string();
        let described =
            json!({ "count": refusals.count, "lastAt": last_at, "lastReason": refusals.last_reason });
        (kind.as_str().to_owned(), described)
    });
    let refusals: serde_json::Map<String, Value> = refusals.collect();
    Ok(respond(
        json!({
            "lastNotificationAt": last,
            "notifications": figures.notifications,
            "notificationsLastMinute": figures.last_minute,
            "delayMedianMs": figures.delay_median_ms,
            "delayP99Ms": figures.delay_p99_ms,
            "duplicates": figures.duplicates,
            "outOfOrder": figures.disordered,
            "closedCalls": figures.closed,
            "closedCallsWithGaps": figures.with_gaps,
            "contradictoryRecords": figures.contradictions,
            "rejected": rejected,
            "refusals": refusals,
            "unreadable": unreadable,
            "connections": connections,
        })
        .to_string(),
    ))
}

/// The states of a tenant's connections, as stored.
pub(crate) fn connections(view: &TenantView, tenant: &str) -> Result<Vec<Value>, StoreError> {
    connection::statuses_of(view, tenant)
}

/// The state of the machine's clock.
fn installation(service: &Service) -> Value {
    let clock = service.metrics.clock.last().map(|compared| {
        json!({
            "offsetMs": compared.offset_ms,
            "comparedWith": compared.with.as_str(),
            "problem": compared.problem(),
        })
    });
    json!({ "clock": clock })
}
