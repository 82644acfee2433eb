//! What a tenant's endpoints were told, as the pages show it, and the button that sends it once more.

use axum::{extract::Path, http::HeaderMap, response::Response};
use wholecall_record::words;
use wholecall_store::{Delivery, DeliveryState, Endpoint, TenantView};

use super::{
    answers::{Frame, fault, go_to, is_from_us, not_ours},
    session::{Viewer, Zone},
};
use crate::{clock, endpoints, problem::Problem};

/// A delivery.
pub(super) struct Shown {
    pub(super) kind: String,
    pub(super) version: u64,
    pub(super) endpoint: String,
    pub(super) message: String,
    pub(super) state: &'static str,
    pub(super) failed: bool,
    pub(super) made: String,
    pub(super) next: Option<String>,
    pub(super) attempts: Vec<Tried>,
}

/// A request that was made.
pub(super) struct Tried {
    pub(super) time: String,
    pub(super) took: String,
    pub(super) came: String,
}

pub(super) fn shown(view: &TenantView, delivery: &Delivery, zone: &Zone) -> Shown {
    let attempts = delivery.attempts.iter().map(|attempt| Tried {
        time: zone.show(attempt.started_ms),
        took: words::length(attempt.duration_ms),
        came: match (attempt.status, &attempt.problem) {
            (Some(status), None) => status.to_string(),
            (Some(status), Some(problem)) => format!("{status}: {problem}"),
            (None, problem) => problem.clone().unwrap_or_else(|| "no answer".to_owned()),
        },
    });
    Shown {
        kind: delivery.kind.clone(),
        version: delivery.version,
        endpoint: delivery.endpoint.clone(),
        message: view.event_id(delivery.id),
        state: delivery.state.as_str(),
        failed: delivery.state == DeliveryState::Exhausted
            || (delivery.state == DeliveryState::Pending && !delivery.attempts.is_empty()),
        made: zone.show(delivery.made_ms),
        next: delivery.next_ms.map(|next| zone.show(next)),
        attempts: attempts.collect(),
    }
}

/// How an endpoint does, in words, and whether that is a reason to worry.
pub(super) fn state(endpoint: &Endpoint, zone: &Zone) -> (String, bool) {
    match (endpoint.disabled, endpoint.failing_since_ms) {
        (Some(why), _) => (format!("disabled ({})", why.as_str()), true),
        (None, Some(since)) => (format!("failing since {}", zone.show(since)), true),
        (None, None) => ("in order".to_owned(), false),
    }
}

/// Sends one once more, and goes back to its call.
pub(super) async fn resend(
    viewer: Viewer,
    headers: HeaderMap,
    Path((call, endpoint, message)): Path<(String, String, String)>,
) -> Result<Response, Response> {
    if !is_from_us(&headers) {
        return Err(not_ours());
    }
    let back = Frame::new("calls", &viewer).to(format!("/calls/{call}")) + "#deliveries";
    let unknown = || fault(&Problem::not_found("there is no such delivery"));
    let view = viewer.view.view();
    let event = view.parse_event_id(&message).ok_or_else(unknown)?;
    let sent = tokio::task::spawn_blocking(move || {
        let endpoint = endpoints::find(&view, &endpoint).map_err(Problem::from)?;
        view.resend(endpoint.number, event, clock::now().as_millis()).map_err(Problem::from)
    });
    match sent.await {
        Ok(Ok(true)) => Ok(go_to(&back)),
        Ok(Ok(false)) => Err(unknown()),
        Ok(Err(problem)) => Err(fault(&problem)),
        Err(_) => Err(fault(&Problem::new(
            axum::http::StatusCode::INTERNAL_SERVER_ERROR,
            "sending it failed; the log says how",
        ))),
    }
}
