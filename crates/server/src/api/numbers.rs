//! `DELETE /v1/numbers/{number}`: erases a person.

use axum::{
    extract::{Path, State},
    response::Response,
};
use serde_json::json;
use tokio::sync::oneshot;
use wholecall_store::StoreError;

use super::{access::Access, json as respond};
use crate::{Service, erase::is_number, pipeline::Request, problem::Problem};

/// Answers when it is done: in how many calls and notifications and in which endpoints there was anything to erase, and
/// what stands there now.
pub(super) async fn erase(
    State(service): State<Service>,
    Access(view): Access,
    Path(number): Path<String>,
) -> Result<Response, Problem> {
    if !is_number(&number) {
        return Err(Problem::bad_request("a number is written as +14045550123: + and 8 to 15 digits"));
    }
    let erasing = service.shares.erase(view.tenant())?;
    let (reply, answer) = oneshot::channel();
    let request = Request::Erase { tenant: view.tenant(), number, reply, erasing };
    service.assembler.send(request).map_err(|_| StoreError::Closed)?;
    let erasure = answer.await.map_err(|_| StoreError::Closed)??;
    Ok(respond(
        json!({
            "calls": erasure.calls,
            "notifications": erasure.notifications,
            "pseudonym": erasure.pseudonym,
            "endpoints": erasure.endpoints,
        })
        .to_string(),
    ))
}
