//! Webhooks: real requests to receivers of every kind.

mod api;
mod events;
mod limits;
pub(crate) mod receiver;
mod storm;
mod tls;
mod unruly;

use serde_json::{Value, json};

use crate::harness::{Client, Installation, Reply, Server, Tenant};

/// A service that may deliver to this machine, with a tenant whose calls close soon after they fall silent.
pub(crate) fn started(installation: &Installation, account: &str) -> (Server, Tenant) {
    let tenant = installation.tenant("acme", [account]);
    let set = ["tenant", "set", "acme", "--settle", "50ms", "--gap-settle", "50ms"];
    installation.command_json(&set);
    (restarted(installation), tenant)
}

pub(crate) fn restarted(installation: &Installation) -> Server {
    let mut command = installation.serve();
    command.arg("--allow-private-webhooks");
    Server::start(command).unwrap_or_else(|complaint| panic!("it does not start: {complaint}"))
}

/// A request with a tenant's key and a body of JSON.
pub(crate) fn send(client: &Client, tenant: &Tenant, method: &str, path: &str, body: &Value) -> Reply {
    client.send(tenant, method, path, body).unwrap()
}

/// Adds an endpoint, which must do.
pub(crate) fn endpoint(client: &Client, tenant: &Tenant, wanted: &Value) -> Value {
    let reply = send(client, tenant, "POST", "/v1/endpoints", wanted);
    assert_eq!(reply.status, 201, "{reply:?}");
    reply.json()
}

pub(crate) fn to(url: &str) -> Value {
    json!({ "url": url })
}

/// The path of an endpoint and something below it.
pub(crate) fn path(endpoint: &Value, below: &str) -> String {
    format!("/v1/endpoints/{}{below}", endpoint["id"].as_str().unwrap())
}
