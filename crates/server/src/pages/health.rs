//! `/health`: statistics of received notifications, connections and endpoints, for each tenant that the visitor may see.

use askama::Template;
use axum::{extract::State, response::Response};
use serde_json::Value;
use wholecall_render::humanize;
use wholecall_store::{Damage, RejectedBody};

use super::{deliveries::endpoint_state, frame::Frame, responses::page, state::PagesState, visitor::Visitor};
use crate::{
    api::{health::connections, read},
    clock,
    ingest_stats::IngestFigures,
};

/// Maximum number of rejected bodies that are listed.
const MAX_LISTED_REJECTED: usize = 5;

/// A tenant's section.
struct TenantHealth {
    name: String,
    accounts: String,
    last_ms: Option<i64>,
    figures: IngestFigures,
    lag_median: String,
    lag_p99: String,
    rejected_count: u64,
    /// The newest rejected bodies, each with the time of its arrival.
    rejected: Vec<(String, RejectedBody)>,
    refusals: Vec<RefusalRow>,
    /// Rows of the store that cannot be read.
    damages: Vec<Damage>,
    endpoints: Vec<StateRow>,
    connections: Vec<StateRow>,
}

/// Requests to the hook that were refused for one kind of reason.
struct RefusalRow {
    count: u64,
    kind: &'static str,
    last_time: String,
    last_reason: String,
}

/// An endpoint or a connection with its state.
struct StateRow {
    name: String,
    state: String,
    is_problem: bool,
}

#[derive(Template)]
#[template(path = "health.html")]
struct Health {
    frame: Frame,
    tenants: Vec<TenantHealth>,
    now_ms: i64,
    /// The problem of the machine's clock, if it has one.
    clock_problem: Option<String>,
}

fn lag(lag_ms: Option<i64>) -> String {
    lag_ms.map_or_else(|| "–".to_owned(), humanize::duration)
}

/// A connection as a line; `status` is what `GET /v1/health` returns for it.
fn connection_row(status: &Value) -> StateRow {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut state = text(&status["status"]);
    if let Some(version) = status["directory"]["version"].as_u64() {
        state += &format!(", directory version {version}");
    }
    let problems = [&status["problem"], &status["directory"]["problem"]];
    problems.into_iter().filter_map(Value::as_str).for_each(|problem| state += &format!(": {problem}"));
    let is_problem = status["status"] != "live" || problems.into_iter().any(Value::is_string);
    StateRow { name: text(&status["account"]), state, is_problem }
}

pub(super) async fn health(State(state): State<PagesState>, visitor: Visitor) -> Result<Response, Response> {
    let service = &state.service;
    let now = clock::now();
    let shown = visitor
        .tenants
        .iter()
        .filter(|tenant| visitor.selected.as_ref().is_none_or(|name| *name == tenant.name));
    let mut tenants = Vec::new();
    for tenant in shown {
        let name = tenant.name.clone();
        let (rejected_count, rejected, published_ms, endpoints, connections) =
            read(visitor.reader(service, tenant), move |view| {
                let (count, rejected) = view.latest_rejected(MAX_LISTED_REJECTED)?;
                let connections = connections(view, &name)?;
                Ok((count, rejected, view.last_created_ms()?, view.endpoints()?, connections))
            })
            .await?;
        let figures = service.metrics.ingest.figures(tenant.id, now);
        let accounts: Vec<&str> = tenant.accounts.iter().map(String::as_str).collect();
        let zone = &visitor.zone;
        tenants.push(TenantHealth {
            name: tenant.name.clone(),
            accounts: accounts.join(", "),
            // After a restart, the time of the last publication is the best that is known.
            last_ms: figures.last_ms.or(published_ms),
            lag_median: lag(figures.delay_median_ms),
            lag_p99: lag(figures.delay_p99_ms),
            refusals: figures
                .refusals
                .iter()
                .map(|(kind, refusals)| RefusalRow {
                    count: refusals.count,
                    kind: kind.words(),
                    last_time: zone.show(refusals.last_ms),
                    last_reason: refusals.last_reason.clone(),
                })
                .collect(),
            figures,
            rejected_count,
            rejected: rejected.into_iter().map(|body| (zone.show(body.arrived_ms), body)).collect(),
            damages: service.store.of(tenant.id).damages(),
            endpoints: endpoints
                .iter()
                .map(|endpoint| {
                    let (state, is_problem) = endpoint_state(endpoint, zone);
                    StateRow { name: endpoint.settings.url.clone(), state, is_problem }
                })
                .collect(),
            connections: connections.iter().map(connection_row).collect(),
        });
    }
    let only = match &tenants[..] {
        [only] => Some(only.name.clone()),
        _ => None,
    };
    let clock_problem = service.metrics.clock.last().and_then(|compared| compared.problem());
    let frame = Frame::with_tenant("health", &visitor, only);
    Ok(page(&Health { frame, tenants, now_ms: now.as_millis(), clock_problem }))
}
