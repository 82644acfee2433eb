//! `wholecall connect`, `disconnect` and `connection status`.

use std::{
    env, fs,
    io::{self, Write},
    path::Path,
    thread,
    time::{Duration, Instant},
};

use anyhow::Context;
use serde_json::{Value, json};
use wholecall_ringcentral::{Credentials, Proxies};
use wholecall_server::connection;
use wholecall_store::{AuditActor, Store};

use crate::{
    cli::{ConnectArgs, ConnectionAction, ConnectionArgs, CredentialsArgs, DisconnectArgs, ProxyArgs},
    input::Tally,
    serve::secret_key,
    tenant::print,
};

/// Maximum time to wait for the running service, if there is one, to connect the account.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

pub(crate) fn connect(arguments: &ConnectArgs) -> anyhow::Result<Tally> {
    let credentials = credentials(&arguments.credentials)?;
    let checked = runtime()?.block_on(connection::check(
        &credentials,
        arguments.public_url.is_some(),
        proxies(&arguments.credentials.proxy)?,
    ))?;
    for missing in &checked.missing {
        eprintln!("wholecall: {missing}");
    }
    let store = Store::open(&arguments.data)?.acting_as(AuditActor::command_line());
    let key = secret_key(&store)?;
    let added = connection::connect(&store, &key, &arguments.tenant, &checked.account, credentials)?;
    let status = wait_for_status(&store, &arguments.tenant, &checked.account)?;
    let mut answer = json!({
        "tenant": arguments.tenant, "account": checked.account, "status": status["status"],
    });
    if let Some(added) = added {
        answer["apiKey"] = added.api_key.into();
    }
    if let Some(problem) = status["problem"].as_str() {
        answer["problem"] = problem.into();
    }
    print(arguments.json, &answer)?;
    if status["status"] == "connecting" {
        eprintln!("wholecall: the connection is stored; it starts when `wholecall serve` runs on this data");
    }
    Ok(Tally::default())
}

/// The proxies of a command's requests, all of which go to RingCentral.
pub(crate) fn proxies(arguments: &ProxyArgs) -> anyhow::Result<Proxies> {
    let proxy = arguments.https_proxy.as_deref();
    Proxies::new(proxy, None, &[]).map_err(anyhow::Error::msg)
}

/// The status of the account once the running service has connected it, or after [`CONNECT_TIMEOUT`].
fn wait_for_status(store: &Store, tenant: &str, account: &str) -> anyhow::Result<Value> {
    let started = Instant::now();
    loop {
        let statuses = connection::statuses(store, Some(tenant))?;
        let status = statuses.into_iter().find(|status| status["account"] == account);
        let status = status.context("the account was disconnected in the meantime")?;
        if status["status"] != "connecting" || started.elapsed() > CONNECT_TIMEOUT {
            return Ok(status);
        }
        thread::sleep(Duration::from_millis(100));
    }
}

pub(crate) fn disconnect(arguments: &DisconnectArgs) -> anyhow::Result<Tally> {
    let store = Store::open_existing(&arguments.data)?.acting_as(AuditActor::command_line());
    let key = secret_key(&store)?;
    let removed = connection::disconnect(&store, &key, &arguments.tenant, arguments.account.as_deref())?;
    println!("account {} of {} is disconnected; its calls are retained", removed.account, arguments.tenant);
    if let Err(error) = runtime()?.block_on(removed.end(proxies(&arguments.proxy)?)) {
        eprintln!("wholecall: the subscription at RingCentral was not deleted and will expire: {error}");
    }
    Ok(Tally::default())
}

pub(crate) fn run(arguments: &ConnectionArgs) -> anyhow::Result<Tally> {
    let ConnectionAction::Status { tenant } = &arguments.action;
    let store = Store::open_existing(&arguments.data)?;
    let statuses = connection::statuses(&store, tenant.as_deref())?;
    let mut out = io::stdout();
    match arguments.json {
        true => writeln!(out, "{}", json!({ "connections": statuses }))?,
        false if statuses.is_empty() => {
            writeln!(out, "no connections: wholecall connect TENANT --client-id ID …")?
        }
        false => statuses.iter().try_for_each(|status| write_status(status, &mut out))?,
    }
    let down = statuses.iter().filter(|status| status["status"] != "live").count();
    anyhow::ensure!(down == 0, "{down} of {} connections are not live", statuses.len());
    Ok(Tally::default())
}

/// Writes a connection's status in a few lines.
fn write_status(status: &Value, out: &mut impl Write) -> io::Result<()> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let by = match status["subscription"]["transport"].as_str() {
        Some("webhook") => format!(", by webhook {}", text(&status["subscription"]["address"])),
        Some(_) => ", by WebSocket".to_owned(),
        None => String::new(),
    };
    let [tenant, account, state, since] =
        ["tenant", "account", "status", "since"].map(|name| text(&status[name]));
    writeln!(out, "{tenant}  account {account}: {state} since {since}{by}")?;
    if let Some(problem) = status["problem"].as_str() {
        writeln!(out, "  {problem}")?;
    }
    let directory = &status["directory"];
    if let Some(version) = directory["version"].as_u64() {
        writeln!(out, "  directory: version {version}, fetched {}", text(&directory["fetchedAt"]))?;
    }
    for missing in directory["missing"].as_array().into_iter().flatten() {
        writeln!(out, "  {} are missing: {}", text(&missing["part"]), text(&missing["reason"]))?;
    }
    if let Some(problem) = directory["problem"].as_str() {
        writeln!(out, "  the directory could not be fetched: {problem}")?;
    }
    for gap in status["gaps"].as_array().into_iter().flatten() {
        let comparison =
            match (gap["reconciledAt"].is_null(), gap["missingSessions"].as_array().map_or(0, Vec::len)) {
                (true, _) => "not compared with the call log yet".to_owned(),
                (false, 0) => format!("all {} calls of that time are stored", gap["callLogSessions"]),
                (false, missing) => {
                    format!("{missing} of {} calls of that time were missed", gap["callLogSessions"])
                }
            };
        let [from, until, reason] = ["from", "until", "reason"].map(|name| text(&gap[name]));
        writeln!(out, "  gap {from} to {until}: {reason}; {comparison}")?;
    }
    Ok(())
}

/// Reads the credentials from files or the environment, since other users of the machine can read command lines.
pub(crate) fn credentials(arguments: &CredentialsArgs) -> anyhow::Result<Credentials> {
    let secret = |file: Option<&Path>, variable: &str, what: &str| {
        let text = match file {
            Some(file) => {
                fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))?
            }
            None => env::var(variable)
                .with_context(|| format!("{what} is missing: give it in a file or in {variable}"))?,
        };
        let text = text.trim().to_owned();
        anyhow::ensure!(!text.is_empty(), "{what} is empty");
        Ok(text)
    };
    Ok(Credentials {
        server: arguments.server.clone(),
        client_id: arguments.client_id.clone(),
        client_secret: secret(
            arguments.client_secret_file.as_deref(),
            "WHOLECALL_CLIENT_SECRET",
            "the app's client secret (--client-secret-file)",
        )?,
        jwt: secret(arguments.jwt_file.as_deref(), "WHOLECALL_JWT", "the user's JWT (--jwt-file)")?,
    })
}

pub(crate) fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the async runtime")
}
