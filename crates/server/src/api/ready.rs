//! `GET /readyz`: whether the service stores, assembles and publishes.

use std::time::Duration;

use axum::{extract::State, http::StatusCode};

use crate::{Service, problem::Problem};

/// Minimum free space on the disk.
const MIN_FREE_BYTES: u64 = 1 << 20;

/// Maximum time that a notification waits to be assembled. Normally it waits for less than a second.
const MAX_ASSEMBLY_LAG: Duration = Duration::from_secs(60);

/// Returns 200 if everything works. Stored data that cannot be read is mentioned, but is not a failure: everything else
/// works.
pub(super) async fn readyz(State(service): State<Service>) -> Result<String, Problem> {
    if *service.stop.borrow() {
        return Err(unready(&["the service is stopping".to_owned()]));
    }
    match tokio::task::spawn_blocking(move || examine(&service)).await {
        Ok((problems, remarks)) if problems.is_empty() => Ok(format!("ok{remarks}\n")),
        Ok((problems, _)) => Err(unready(&problems)),
        Err(error) => Err(unready(&[format!("the check ended by a panic: {error}")])),
    }
}

fn unready(problems: &[String]) -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, problems.join("; "))
}

/// Problems that make the service unready, and remarks on those that do not. Names no tenant: the address requires no key.
fn examine(service: &Service) -> (Vec<String>, String) {
    let mut problems = Vec::new();
    let store = &service.store;
    let checkpoint = store.checkpoint();
    if let Err(error) = &checkpoint {
        problems.push(format!("the store cannot be read: {error}"));
    }
    if let Some(error) = store.write_problem() {
        problems.push(format!("the store cannot be written to: {error}"));
    }
    if let Some(free) = store.free_bytes().filter(|free| *free < MIN_FREE_BYTES) {
        problems.push(format!("the disk has only {free} free bytes"));
    }
    let has_backlog = checkpoint.is_ok_and(|checkpoint| checkpoint < *store.watch_journal().borrow());
    if let Some(problem) = service.metrics.ingest.assembling.problem(has_backlog, MAX_ASSEMBLY_LAG) {
        problems.push(problem);
    }
    if let Err(error) = service.settings.secret_key.verify(store) {
        problems.push(error.to_string());
    }
    let mut remarks = String::new();
    let damaged = store.damage_count();
    if damaged > 0 {
        remarks += &format!(", but {damaged} rows cannot be read and were skipped; run `wholecall check`");
    }
    match store.losses() {
        Ok(losses) if losses.is_empty() => {}
        Ok(losses) => {
            remarks += &format!(", but data was lost {} times; run `wholecall check`", losses.len())
        }
        Err(error) => problems.push(format!("the store cannot be read: {error}")),
    }
    (problems, remarks)
}
