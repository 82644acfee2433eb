//! `DELETE /v1/numbers/{number}`: erases the person with a telephone number.

use axum::{
    extract::{Path, State},
    response::Response,
};
use serde_json::json;
use tokio::sync::oneshot;
use wholecall_record::Time;
use wholecall_store::{Backup, StoreError};

use super::{ApiState, access::Access, json as respond, read};
use crate::{
    pipeline::handle::AssemblerRequest,
    privacy::erasure::{find, is_number},
    problem::Problem,
};

/// Responds after the erasure, with the numbers of calls and notifications and the endpoints that contained the person,
/// the pseudonym that replaces the number, the rows that could not be rewritten, and the backups that still contain the
/// person.
pub(super) async fn erase(
    State(state): State<ApiState>,
    Access(view): Access,
    Path(number): Path<String>,
) -> Result<Response, Problem> {
    if !is_number(&number) {
        return Err(Problem::bad_request("a number consists of + and 8 to 15 digits, as +14045550123"));
    }
    let erasing = state.quotas.erase(view.tenant())?;
    let (reply, answer) = oneshot::channel();
    let who = view.who();
    let (tenant, key) = (view.tenant(), state.service.settings.secret_key.clone());
    let person = number.clone();
    let searched = read(view, move |view| Ok((find(view, &person)?, key.pseudonym_key(view)?)));
    let (found, pseudonym_key) = searched.await?;
    let request = AssemblerRequest::Erase { tenant, number, found, pseudonym_key, who, reply, erasing };
    state.assembler.send(request).map_err(|_| StoreError::Closed)?;
    let erasure = answer.await.map_err(|_| StoreError::Closed)??;
    let backup = |backup: &Backup| json!({ "file": backup.file, "createdAt": Time::from_millis(backup.created_ms).to_string() });
    let backups: Vec<_> = erasure.backups.iter().map(backup).collect();
    Ok(respond(
        json!({
            "calls": erasure.calls,
            "notifications": erasure.notifications,
            "pseudonym": erasure.pseudonym,
            "endpoints": erasure.endpoints,
            "unreadable": erasure.unreadable,
            "remaining": erasure.left,
            "backups": backups,
        })
        .to_string(),
    ))
}
