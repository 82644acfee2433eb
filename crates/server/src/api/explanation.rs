//! `GET /v1/calls/{id}/explain`: explains a call from its notifications.

use axum::{
    extract::Path,
    http::{HeaderMap, header},
    response::{IntoResponse, Response},
};
use wholecall_record::{WriteJson, explanation::WordedExplanation};
use wholecall_render::{explanation as render, terminal::Screen};
use wholecall_store::{StoreError, StoredCall, TenantView};

use super::{access::Access, calls::no_call, compute, json};
use crate::{directories, problem::Problem, reassemble::collect};

/// JSON, or text if the client prefers it.
pub(super) async fn explain(
    Access(view): Access,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let is_text = accept.starts_with("text/plain");
    compute(view, move |view| {
        let explanation = explanation_of(view, &id)?.ok_or_else(|| no_call(&id))?;
        if is_text {
            return Ok(render::text(&explanation, Screen::PLAIN).into_response());
        }
        let mut text = Vec::new();
        explanation.write_json(&mut text);
        Ok(json(String::from_utf8_lossy(&text).into_owned()))
    })
    .await
}

/// The explanation of a call's current record: of the same notifications, directory and state. `None` if there is no
/// such call.
pub(crate) fn explanation_of(view: &TenantView, id: &str) -> Result<Option<WordedExplanation>, StoreError> {
    let Some(StoredCall { record: Some(record), entries, .. }) = view.call_with_notifications(id)? else {
        return Ok(None);
    };
    let directory = directories::of_version(view, record.account_id.as_deref(), record.directory_version)?;
    let facts = collect(&entries, directory.map(Into::into)).finish().explain(&record);
    Ok(facts.as_ref().map(render::worded))
}
