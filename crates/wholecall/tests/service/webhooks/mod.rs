//! Webhooks: real requests to receivers of all kinds.

mod api;
mod events;
mod limits;
mod misbehaving;
pub(crate) mod receiver;
mod storm;
mod tls;

use serde_json::{Value, json};

use crate::harness::{Client, Installation, Reply, Server, Tenant};

/// A service that may deliver to this machine, with a tenant whose calls settle quickly.
pub(crate) fn started(account: &str) -> (Installation, Server, Tenant) {
    let installation = Installation::new();
    let tenant = installation.tenant("acme", [account]);
    let set = ["tenant", "set", "acme", "--settle", "50ms", "--gap-settle", "50ms"];
    installation.command_json(&set);
    let server = restarted(&installation);
    (installation, server, tenant)
}

pub(crate) fn restarted(installation: &Installation) -> Server {
    let mut command = installation.serve();
    command.arg("--allow-private-webhooks");
    Server::start(command).unwrap_or_else(|error| panic!("the service does not start: {error}"))
}

/// Sends a request with a tenant's key and a JSON body.
pub(crate) fn send(client: &Client, tenant: &Tenant, method: &str, path: &str, body: &Value) -> Reply {
    client.send(tenant, method, path, body).unwrap()
}

/// Adds an endpoint, which must succeed.
pub(crate) fn endpoint(client: &Client, tenant: &Tenant, settings: &Value) -> Value {
    let reply = send(client, tenant, "POST", "/v1/endpoints", settings);
    assert_eq!(reply.status, 201, "{reply:?}");
    reply.json()
}

pub(crate) fn to(url: &str) -> Value {
    json!({ "url": url })
}

/// The path of an endpoint with a suffix.
pub(crate) fn path(endpoint: &Value, suffix: &str) -> String {
    format!("/v1/endpoints/{}{suffix}", endpoint["id"].as_str().unwrap())
}
