//! `DELETE /v1/numbers/{number}`: erases a person.

use axum::{
    extract::{Path, State},
    response::Response,
};
use serde_json::json;
use tokio::sync::oneshot;
use wholecall_record::Time;
use wholecall_store::{Backup, StoreError};

use super::{access::Access, json as respond, read};
use crate::{
    Service,
    pipeline::handle::AssemblerRequest,
    privacy::erasure::{find, is_number},
    problem::Problem,
};

/// Answers when it is done: in how many calls and notifications and in which endpoints there was anything to erase, and
/// what stands there now, what could not be rewritten, and which backups still have the person.
pub(super) async fn erase(
    State(service): State<Service>,
    Access(view): Access,
    Path(number): Path<String>,
) -> Result<Response, Problem> {
    if !is_number(&number) {
        return Err(Problem::bad_request("a number is written as +14045550123: + and 8 to 15 digits"));
    }
    let erasing = service.quotas.erase(view.tenant())?;
    let (reply, answer) = oneshot::channel();
    let who = view.who();
    let (tenant, key) = (view.tenant(), service.settings.secret_key.clone());
    let wanted = number.clone();
    let looked = read(view, move |view| Ok((find(view, &wanted)?, key.pseudonym_key(view)?)));
    let (found, pseudonym_key) = looked.await?;
    let request = AssemblerRequest::Erase { tenant, number, found, pseudonym_key, who, reply, erasing };
    service.assembler.send(request).map_err(|_| StoreError::Closed)?;
    let erasure = answer.await.map_err(|_| StoreError::Closed)??;
    let backup = |backup: &Backup| json!({ "file": backup.file, "madeAt": Time::from_millis(backup.made_ms).to_string() });
    let backups: Vec<_> = erasure.backups.iter().map(backup).collect();
    Ok(respond(
        json!({
            "calls": erasure.calls,
            "notifications": erasure.notifications,
            "pseudonym": erasure.pseudonym,
            "endpoints": erasure.endpoints,
            "unreadable": erasure.unreadable,
            "left": erasure.left,
            "backups": backups,
        })
        .to_string(),
    ))
}
