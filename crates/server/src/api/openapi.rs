//! The OpenAPI document. The schemas of records are generated from their types; tests compare the rest with the responses
//! of the running service.

mod build;
mod calls;
mod connections;
mod endpoints;
mod events;
mod feed;
mod ingest;
mod keys;
mod rejected;
mod stats;
mod tenants;

use axum::response::Response;
use serde_json::{Map, Value, json};
use wholecall_record::schema;
use wholecall_store::Scope;

use self::build::{integer, problem_response, text};
use super::{access::Needs, json as respond};

/// `GET /openapi.json`.
pub(super) async fn openapi() -> Response {
    respond(document().to_string())
}

/// The OpenAPI document of the service.
pub fn document() -> Value {
    let mut schemas = schema::definitions();
    schemas.insert("Problem".to_owned(), problem());
    schemas.extend(events::schemas());
    schemas.extend(endpoints::schemas());
    schemas.insert("Merged".to_owned(), merged());
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Wholecall",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Whole calls from RingCentral's telephony session notifications. \
                Times are RFC 3339 in UTC, durations are milliseconds. Errors are problem documents (RFC 9457). \
                Within `wholecall.call/1`, later versions may add event types, members of objects and values of \
                enumerations: ignore those that you do not know.",
            "license": { "name": "Apache-2.0 OR MIT" },
        },
        "security": [{ "apiKey": [] }],
        "paths": with_security(paths()),
        "webhooks": events::webhooks(),
        "components": {
            "securitySchemes": {
                "apiKey": { "type": "http", "scheme": "bearer", "description":
                    "A tenant's API key, `wck_…`. Each operation names the scope that it requires: `read`, `export`, \
                    `write` or `admin`; each includes those before it. CSV and vCon require `export`." },
                "adminKey": { "type": "http", "scheme": "bearer", "description": "The installation's admin key." },
            },
            "schemas": schemas,
        },
    })
}

fn paths() -> Map<String, Value> {
    let mut paths = calls::paths();
    paths.extend(feed::paths());
    paths.extend(connections::paths());
    paths.extend(ingest::paths());
    paths.extend(stats::paths());
    paths.extend(tenants::paths());
    paths.extend(endpoints::paths());
    paths.extend(rejected::paths());
    paths.extend(keys::paths());
    paths
}

/// Adds to each operation the key that its route requires.
fn with_security(mut paths: Map<String, Value>) -> Value {
    for route in super::routes::routes() {
        let Some(operation) = paths.get_mut(route.path).and_then(|path| path.get_mut(route.method)) else {
            continue;
        };
        let (security, unauthorized, forbidden) = match route.needs {
            Needs::Nothing => {
                operation["security"] = json!([]);
                continue;
            }
            Needs::Operator => (
                json!([{ "adminKey": [] }]),
                "The admin key is missing or invalid.".to_owned(),
                "The installation has no admin key.".to_owned(),
            ),
            Needs::Key(scope) => (json!([{ "apiKey": [scope.as_str()] }]), no_key(), too_narrow(scope)),
            Needs::OperatorOrKey(scope) => {
                (json!([{ "apiKey": [scope.as_str()] }, { "adminKey": [] }]), no_key(), too_narrow(scope))
            }
        };
        operation["security"] = security;
        operation["responses"]["401"] = problem_response(&unauthorized);
        operation["responses"]["403"] = problem_response(&forbidden);
    }
    paths.into()
}

fn no_key() -> String {
    "The key is missing or invalid.".to_owned()
}

fn too_narrow(scope: Scope) -> String {
    format!(
        "The key's scope is insufficient: it must be at least `{}`, or `export` for CSV and vCon.",
        scope.as_str()
    )
}

fn problem() -> Value {
    json!({
        "type": "object",
        "description": "An error (RFC 9457).",
        "properties": { "type": text(), "title": text(), "status": integer(), "detail": text() },
        "required": ["type", "title", "status", "detail"],
    })
}

fn merged() -> Value {
    json!({
        "type": "object",
        "description": "The call `id` is now part of the call `into`.",
        "properties": { "id": text(), "into": text() },
        "required": ["id", "into"],
    })
}
