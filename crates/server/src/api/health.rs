//! `GET /v1/health`: how well a tenant's notifications come in, and how its connections stand; for the operator, what
//! concerns the installation.

use axum::{extract::State, response::Response};
use serde_json::{Value, json};
use wholecall_record::Time;

use super::{access::KeyHolder, json as respond, read};
use crate::{Service, clock, connection, problem::Problem};

pub(super) async fn health(State(service): State<Service>, holder: KeyHolder) -> Result<Response, Problem> {
    let view = match holder {
        KeyHolder::Operator(_) => return Ok(respond(of_installation(&service).to_string())),
        KeyHolder::Tenant(view) => view,
    };
    let figures = service.metrics.ingest.figures(view.tenant(), clock::now());
    let name = service.tenants.with_id(view.tenant()).map_or_else(String::new, |tenant| tenant.name.clone());
    let unreadable: Vec<_> = view
        .damages()
        .iter()
        .map(|damage| json!({ "place": damage.place, "problem": damage.problem }))
        .collect();
    let (quarantined, connections) =
        read(view, move |view| Ok((view.quarantined(0)?.0, connection::statuses_of(view, &name)?))).await?;
    let last = figures.last_ms.map(|last| Time::from_millis(last).to_string());
    let refusals = figures.refusals.iter().map(|(kind, refusals)| {
        let last_at = Time::from_millis(refusals.last_ms).to_string();
        let told = json!({ "count": refusals.count, "lastAt": last_at, "lastReason": refusals.last_reason });
        (kind.as_str().to_owned(), told)
    });
    let refusals: serde_json::Map<String, serde_json::Value> = refusals.collect();
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
            "quarantined": quarantined,
            "refusals": refusals,
            "unreadable": unreadable,
            "connections": connections,
        })
        .to_string(),
    ))
}

/// What concerns all tenants: the clock.
fn of_installation(service: &Service) -> Value {
    let clock = service.metrics.clock.last().map(|compared| {
        json!({
            "offsetMs": compared.offset_ms,
            "comparedWith": compared.with.as_str(),
            "problem": compared.problem(),
        })
    });
    json!({ "clock": clock })
}
