//! `wholecall endpoint`: manages webhook endpoints; the service may be running.

use std::io::{self, Write};

use anyhow::Context;
use serde_json::{Map, Value, json};
use wholecall_server::{admin, endpoints};
use wholecall_store::{AuditActor, Store, TenantView};

use crate::{
    cli::{EndpointAction, EndpointArgs, EndpointOptions},
    input::Tally,
    secrets,
    serve::secret_key,
    tenant::print,
};

/// The environment variable for an endpoint's secret.
const SECRET_VARIABLE: &str = "WHOLECALL_ENDPOINT_SECRET";

pub(crate) fn run(arguments: &EndpointArgs) -> anyhow::Result<Tally> {
    let store = Store::open_existing(&arguments.data)?.acting_as(AuditActor::command_line());
    let key = secret_key(&store)?;
    let of = |tenant: &str| -> anyhow::Result<TenantView> { Ok(store.of(admin::find(&store, tenant)?.id)) };
    let answer = match &arguments.action {
        EndpointAction::Add { tenant, url, secret, secret_file, options } => {
            let mut settings = members(options)?;
            let secret = secrets::given(secret.as_deref(), secret_file.as_deref(), SECRET_VARIABLE)?;
            settings.insert("url".to_owned(), json!(url));
            settings.insert("secret".to_owned(), json!(secret));
            endpoints::add(&of(tenant)?, &key, &Value::Object(settings))?
        }
        EndpointAction::List { tenant } => {
            let all = of(tenant)?.endpoints()?;
            if !arguments.json {
                for endpoint in &all {
                    let state = endpoint.disabled.map_or("enabled", |_| "disabled");
                    writeln!(io::stdout(), "{}  {state}  {}", endpoint.id, endpoint.settings.url)?;
                }
                return Ok(Tally::default());
            }
            json!({ "endpoints": all.iter().map(|endpoint| endpoints::describe(&key, endpoint)).collect::<Vec<_>>() })
        }
        EndpointAction::Show { tenant, id } => endpoints::describe(&key, &endpoints::find(&of(tenant)?, id)?),
        EndpointAction::Set { tenant, id, url, enabled, options } => {
            let mut settings = members(options)?;
            settings.extend(url.iter().map(|url| ("url".to_owned(), json!(url))));
            settings.extend(enabled.iter().map(|enabled| ("enabled".to_owned(), json!(enabled))));
            endpoints::change(&of(tenant)?, &key, id, &Value::Object(settings))?
        }
        EndpointAction::Rotate { tenant, id, signing, secret, secret_file } => {
            let secret = secrets::given(secret.as_deref(), secret_file.as_deref(), SECRET_VARIABLE)?;
            let signing = signing.map(wholecall_store::Signing::from);
            endpoints::rotate(&of(tenant)?, &key, id, signing, secret.as_deref())?
        }
        EndpointAction::Remove { tenant, id } => {
            anyhow::ensure!(of(tenant)?.remove_endpoint(id)?, "no endpoint {id}");
            json!({ "id": id, "removed": true })
        }
        EndpointAction::Test { tenant, id } => {
            json!({ "id": endpoints::test(&of(tenant)?, id)? })
        }
    };
    print(arguments.json, &answer)?;
    Ok(Tally::default())
}

/// The options as members of the settings object; `none` resets a setting to its default.
fn members(options: &EndpointOptions) -> anyhow::Result<Map<String, Value>> {
    let mut members = Map::new();
    let text = |value: &str| if value == "none" { Value::Null } else { json!(value) };
    if !options.events.is_empty() {
        members.insert("events".to_owned(), json!(options.events));
    }
    let mut filter: Map<String, Value> = [
        ("direction", &options.direction),
        ("result", &options.result),
        ("extension", &options.extension),
        ("queue", &options.queue),
        ("number", &options.number),
        ("customer", &options.customer),
        ("answeredBy", &options.answered_by),
        ("user", &options.user),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some((name.to_owned(), text(value.as_deref()?))))
    .collect();
    if let Some(state) = options.end_state.as_deref() {
        // `none` is one of the states, so `any` resets this filter.
        let state = if state == "any" { Value::Null } else { json!(state) };
        filter.insert("endState".to_owned(), state);
    }
    if !filter.is_empty() {
        members.insert("filter".to_owned(), Value::Object(filter));
    }
    if let Some(description) = &options.description {
        members.insert("description".to_owned(), json!(description));
    }
    for (name, value) in
        [("rateLimit", options.rate_limit), ("batch", options.batch), ("maxBytes", options.max_bytes)]
    {
        members.extend(value.map(|value| (name.to_owned(), json!(value.0))));
    }
    members.extend(options.redact.map(|redact| ("redact".to_owned(), json!(redact))));
    if let Some(payload) = options.payload {
        members.insert("payload".to_owned(), json!(wholecall_store::Payload::from(payload)));
    }
    if let Some(signing) = options.signing {
        members.insert("signing".to_owned(), json!(wholecall_store::Signing::from(signing)));
    }
    let headers = match &options.header_file {
        Some(file) => secrets::lines(file)?,
        None => options.headers.clone(),
    };
    if !headers.is_empty() {
        let header = |line: &String| {
            let (name, value) = line.split_once(':').context("write a header as `Name: value`")?;
            Ok((name.trim().to_owned(), json!(value.trim())))
        };
        let headers = headers.iter().map(header).collect::<anyhow::Result<Map<_, _>>>()?;
        members.insert("headers".to_owned(), Value::Object(headers));
    }
    Ok(members)
}
