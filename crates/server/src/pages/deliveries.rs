//! Deliveries as the pages show them, and the form that requests a redelivery.

use axum::{extract::Path, http::HeaderMap, response::Response};
use wholecall_render::humanize;
use wholecall_store::{Attempt, Delivery, DeliveryState, DisabledReason, Endpoint, TenantView};

use super::{
    frame::Frame,
    responses::{cross_site_form, error_page, is_same_origin, redirect},
    time_zone::Zone,
    visitor::Viewer,
};
use crate::{blocking::run_blocking, clock, endpoints, problem::Problem};

/// A delivery.
pub(super) struct DeliveryRow {
    pub(super) kind: String,
    /// 0 for events without a version.
    pub(super) version: u64,
    pub(super) endpoint: String,
    pub(super) event_id: String,
    pub(super) state: &'static str,
    pub(super) failed: bool,
    pub(super) created: String,
    /// `None` if no further attempt is scheduled.
    pub(super) next_attempt: Option<String>,
    pub(super) attempts: Vec<AttemptRow>,
}

/// A request of a delivery.
pub(super) struct AttemptRow {
    pub(super) time: String,
    pub(super) duration: String,
    pub(super) outcome: String,
}

pub(super) fn delivery_row(view: &TenantView, delivery: &Delivery, zone: &Zone) -> DeliveryRow {
    let is_retrying = delivery.state == DeliveryState::Pending && !delivery.attempts.is_empty();
    DeliveryRow {
        kind: delivery.kind.clone(),
        version: delivery.version,
        endpoint: delivery.endpoint.clone(),
        event_id: view.event_id(delivery.id),
        state: if is_retrying { "retrying" } else { delivery.state.as_str() },
        failed: is_retrying || delivery.state == DeliveryState::Exhausted,
        created: zone.show(delivery.created_ms),
        next_attempt: delivery.next_attempt_ms.map(|next| zone.show(next)),
        attempts: delivery.attempts.iter().map(|attempt| attempt_row(attempt, zone)).collect(),
    }
}

fn attempt_row(attempt: &Attempt, zone: &Zone) -> AttemptRow {
    let duration = match attempt.duration_ms {
        millis @ 0..1_000 => format!("{millis} ms"),
        millis => humanize::duration(millis),
    };
    let outcome = match (attempt.status, &attempt.problem) {
        (Some(status), None) => status.to_string(),
        (Some(status), Some(problem)) => format!("{status}: {problem}"),
        (None, problem) => problem.clone().unwrap_or_else(|| "no response".to_owned()),
    };
    AttemptRow { time: zone.show(attempt.started_ms), duration, outcome }
}

/// An endpoint's state in words, and whether it is a problem.
pub(super) fn endpoint_state(endpoint: &Endpoint, zone: &Zone) -> (String, bool) {
    match (endpoint.disabled, endpoint.failing_since_ms) {
        (Some(DisabledReason::Gone), _) => ("Disabled: 410 Gone".to_owned(), true),
        (Some(reason), _) => (format!("Disabled: {}", reason.as_str()), true),
        (None, Some(since)) => (format!("Failing since {}", zone.show(since)), true),
        (None, None) => ("Healthy".to_owned(), false),
    }
}

/// Requests a redelivery, and returns to the call's page.
pub(super) async fn resend(
    viewer: Viewer,
    headers: HeaderMap,
    Path((call, endpoint, event_id)): Path<(String, String, String)>,
) -> Result<Response, Response> {
    if !is_same_origin(&headers) {
        return Err(cross_site_form());
    }
    let back = Frame::new("calls", &viewer).to(format!("/calls/{call}")) + "#deliveries";
    let unknown = || error_page(&Problem::not_found("Delivery not found"));
    let view = viewer.reader.view();
    let event = view.parse_event_id(&event_id).ok_or_else(unknown)?;
    let queued = run_blocking(move || {
        let endpoint = endpoints::find(&view, &endpoint).map_err(Problem::from)?;
        view.resend(endpoint.number, event, clock::now().as_millis()).map_err(Problem::from)
    });
    match queued.await.map_err(Problem::from).flatten() {
        Ok(true) => Ok(redirect(&back)),
        Ok(false) => Err(unknown()),
        Err(problem) => Err(error_page(&problem)),
    }
}
