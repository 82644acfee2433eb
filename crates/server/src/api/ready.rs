//! `GET /readyz`: whether notifications are taken, assembled and told of.

use std::time::Duration;

use axum::{extract::State, http::StatusCode};

use crate::{Service, problem::Problem};

/// With less room on the disk nothing can be taken for long.
const FREE_BYTES: u64 = 1 << 20;

/// Whoever assembles does so at once: what waits for longer waits for something that is wrong.
const STANDS_STILL_AFTER: Duration = Duration::from_secs(60);

/// Answers 200 if everything works, also where something that was kept cannot be read: that is said, and costs nobody else
/// anything.
pub(super) async fn readyz(State(service): State<Service>) -> Result<String, Problem> {
    if *service.stop.borrow() {
        return Err(unready(&["the service is stopping".to_owned()]));
    }
    let looked = tokio::task::spawn_blocking(move || look(&service)).await;
    match looked {
        Ok((problems, remarks)) if problems.is_empty() => Ok(format!("ok{remarks}\n")),
        Ok((problems, _)) => Err(unready(&problems)),
        Err(error) => Err(unready(&[format!("looking for problems ended by a panic: {error}")])),
    }
}

fn unready(problems: &[String]) -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, problems.join("; "))
}

/// What does not work, and what is not as it should be besides. Names nobody: anybody may ask.
fn look(service: &Service) -> (Vec<String>, String) {
    let mut problems = Vec::new();
    let store = &service.store;
    let read = store.checkpoint();
    if let Err(error) = &read {
        problems.push(format!("the store cannot be read: {error}"));
    }
    if let Some(error) = store.write_problem() {
        problems.push(format!("the store cannot be written to: {error}"));
    }
    if let Some(free) = store.free_bytes().filter(|free| *free < FREE_BYTES) {
        problems.push(format!("{free} bytes are free on the disk"));
    }
    let waits = read.is_ok_and(|checkpoint| checkpoint < *store.watch_journal().borrow());
    if let Some(problem) = service.metrics.ingest.assembling.problem(waits, STANDS_STILL_AFTER) {
        problems.push(problem);
    }
    if let Err(error) = service.settings.secret_key.verify(store) {
        problems.push(error.to_string());
    }
    let mut remarks = String::new();
    let damaged = store.damage_count();
    if damaged > 0 {
        remarks +=
            &format!(", but {damaged} rows cannot be read and were passed over; run `wholecall check`");
    }
    match store.losses() {
        Ok(losses) if losses.is_empty() => {}
        Ok(losses) => {
            remarks += &format!(", but {} times something was lost; run `wholecall check`", losses.len())
        }
        Err(error) => problems.push(format!("the store cannot be read: {error}")),
    }
    (problems, remarks)
}
