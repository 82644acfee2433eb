//! `/health`: how well notifications come in, for each tenant that may be seen.

use askama::Template;
use axum::{extract::State, response::Response};
use serde_json::Value;
use wholecall_render::humanize;
use wholecall_store::{Damage, Refused};

use super::{
    answers::{Frame, page},
    deliveries,
    session::Visitor,
};
use crate::{Service, api::read, clock, connection::statuses_of, ingest_stats::IngestFigures};

/// So many of the bodies in quarantine are named.
const NAMED: usize = 5;

struct Line {
    name: String,
    accounts: String,
    last_ms: Option<i64>,
    figures: IngestFigures,
    delay_median: String,
    delay_p99: String,
    quarantined: u64,
    refused: Vec<(String, Refused)>,
    /// Requests that were not taken: how many of which kind, the last of them when, and why.
    refusals: Vec<(u64, &'static str, String, String)>,
    /// Rows that cannot be read.
    damages: Vec<Damage>,
    /// Where to, how it does, and whether that is a reason to worry.
    endpoints: Vec<(String, String, bool)>,
    /// Which account, how it stands, and whether that is a reason to worry.
    connections: Vec<(String, String, bool)>,
}

fn delay(delay_ms: Option<i64>) -> String {
    delay_ms.map_or_else(|| "–".to_owned(), humanize::duration)
}

#[derive(Template)]
#[template(path = "health.html")]
struct Health {
    frame: Frame,
    lines: Vec<Line>,
    now_ms: i64,
    /// What is wrong with the machine's clock.
    clock: Option<String>,
}

/// A connection as `connection status` tells it, in a line.
fn connection(status: &Value) -> (String, String, bool) {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut says = text(&status["status"]);
    if let Some(version) = status["directory"]["version"].as_u64() {
        says += &format!(", directory version {version}");
    }
    let problems = [&status["problem"], &status["directory"]["problem"]];
    problems.into_iter().filter_map(Value::as_str).for_each(|problem| says += &format!(": {problem}"));
    let worries = status["status"] != "live" || problems.into_iter().any(Value::is_string);
    (text(&status["account"]), says, worries)
}

pub(super) async fn health(State(service): State<Service>, visitor: Visitor) -> Result<Response, Response> {
    let now = clock::now();
    let shown = visitor
        .tenants
        .iter()
        .filter(|tenant| visitor.named.as_ref().is_none_or(|name| *name == tenant.name));
    let mut lines = Vec::new();
    for tenant in shown {
        let name = tenant.name.clone();
        let (quarantined, refused, changed_ms, endpoints, connections) =
            read(visitor.reader(&service, tenant), move |view| {
                let (count, refused) = view.quarantined(NAMED)?;
                let connections = statuses_of(view, &name)?;
                Ok((count, refused, view.last_made_ms()?, view.endpoints()?, connections))
            })
            .await?;
        let figures = service.metrics.ingest.figures(tenant.id, now);
        let accounts: Vec<&str> = tenant.accounts.iter().map(String::as_str).collect();
        lines.push(Line {
            name: tenant.name.clone(),
            accounts: accounts.join(", "),
            // After a restart, what came of the last one.
            last_ms: figures.last_ms.or(changed_ms),
            delay_median: delay(figures.delay_median_ms),
            delay_p99: delay(figures.delay_p99_ms),
            refusals: figures
                .refusals
                .iter()
                .map(|(kind, refusals)| {
                    let (when, why) = (visitor.zone.show(refusals.last_ms), refusals.last_reason.clone());
                    (refusals.count, kind.words(), when, why)
                })
                .collect(),
            figures,
            quarantined,
            damages: service.store.of(tenant.id).damages(),
            endpoints: endpoints
                .iter()
                .map(|endpoint| {
                    let (state, worries) = deliveries::state(endpoint, &visitor.zone);
                    (endpoint.settings.url.clone(), state, worries)
                })
                .collect(),
            connections: connections.iter().map(connection).collect(),
            refused: refused
                .into_iter()
                .map(|refused| (visitor.zone.show(refused.arrived_ms), refused))
                .collect(),
        });
    }
    let tenant = match &lines[..] {
        [only] => Some(only.name.clone()),
        _ => None,
    };
    let clock = service.metrics.clock.last().and_then(|compared| compared.problem());
    let frame = Frame::around("health", &visitor, tenant);
    Ok(page(&Health { frame, lines, now_ms: now.as_millis(), clock }))
}
