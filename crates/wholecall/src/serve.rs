//! `wholecall serve`: the service in this process.

use std::{
    env, fs,
    io::{self, Write},
    path::Path,
};

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;
use wholecall_server::{
    ConnectionLimits, Settings, Tls,
    deliver::{Judge, SecretKey},
    secret,
};
use wholecall_store::Store;

use crate::{
    cli::ServeArgs,
    config::{Config, LogFormat},
    input::Tally,
};

pub(crate) fn run(arguments: &ServeArgs) -> anyhow::Result<Tally> {
    let config = Config::load(arguments)?;
    if arguments.print_config {
        write!(io::stdout(), "{}", config.to_toml())?;
        return Ok(Tally::default());
    }
    start_logging(&config)?;
    let store = Store::open(&config.data)?;
    let settings = settings(&config)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("the runtime cannot be started")?;
    runtime.block_on(serve(store, settings, &config))?;
    Ok(Tally::default())
}

async fn serve(store: Store, settings: Settings, config: &Config) -> anyhow::Result<()> {
    let scheme = if settings.tls.is_some() { "https" } else { "http" };
    let has_tenants = !store.tenants()?.is_empty();
    // From before anybody is told that it listens: whoever then stops it finds it ready to.
    let mut terminate = signal(SignalKind::terminate())?;
    let running = wholecall_server::start(store, settings).await?;
    println!("Wholecall listens at {scheme}://{}, data in {}", running.address(), config.data.display());
    if !has_tenants {
        let (data, address) = (config.data.display(), running.address());
        println!(
            "\nNo tenant yet. In another terminal:\n  \
             wholecall tenant add acme --account 400131426008 --verification-token let-me-in --data {data}\n  \
             curl {scheme}://{address}/hooks/acme -H 'Verification-Token: let-me-in' -d \"$(head -1 examples/direct.ndjson)\"\n  \
             curl {scheme}://{address}/v1/calls -H \"Authorization: Bearer $API_KEY\""
        );
    }
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
    tracing::info!("stopping: what was accepted is being finished");
    running.stop().await;
    Ok(())
}

fn start_logging(config: &Config) -> anyhow::Result<()> {
    let mut filter =
        EnvFilter::try_new(&config.log).with_context(|| format!("log = {:?} cannot be read", config.log))?;
    // Their traces tell addresses and frames, in which there are tokens.
    for silent in ["tungstenite=info", "tokio_tungstenite=info"] {
        filter = filter.add_directive(silent.parse()?);
    }
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match config.log_format {
        LogFormat::Text => log.init(),
        LogFormat::Json => log.json().init(),
    }
    Ok(())
}

fn settings(config: &Config) -> anyhow::Result<Settings> {
    let tls = match (&config.tls_certificate, &config.tls_key) {
        (Some(certificate), Some(key)) => Some(Tls::from_pem(&read(certificate)?, &read(key)?)?),
        (None, None) => None,
        _ => anyhow::bail!("TLS needs both tls_certificate and tls_key"),
    };
    let admin_key = match &config.admin_key_file {
        Some(file) => {
            let key = String::from_utf8(read(file)?).context("the admin key is not text")?;
            anyhow::ensure!(
                key.trim().len() >= 16,
                "{}: an admin key has 16 characters or more",
                file.display()
            );
            Some(secret::hash(key.trim()))
        }
        None => None,
    };
    let network = |text: &String| {
        text.parse().with_context(|| format!("webhook_networks: {text:?} is no network like 10.1.0.0/16"))
    };
    let proxy = |text: &String| {
        let network = text.parse().or_else(|_| text.parse::<std::net::IpAddr>().map(Into::into));
        network.with_context(|| {
            format!("trusted_proxies: {text:?} is no address and no network like 10.1.0.0/16")
        })
    };
    let judge = Judge {
        allow_all: config.allow_private_webhooks,
        allowed: config.webhook_networks.iter().map(network).collect::<anyhow::Result<_>>()?,
    };
    Ok(Settings {
        listen: config.listen,
        tls,
        admin_key,
        public_url: config.public_url.clone(),
        secret_key: secret_key(&config.data)?,
        judge,
        connections: ConnectionLimits::for_open_files(raise_open_files()),
        trusted_proxies: config.trusted_proxies.iter().map(proxy).collect::<anyhow::Result<_>>()?,
    })
}

/// As many files may be open as the system allows at all: each connection is one.
pub(crate) fn raise_open_files() -> usize {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    /// More would only be memory.
    const MOST: u64 = 65_536;
    let limit = getrlimit(Resource::Nofile);
    let wanted = limit.maximum.unwrap_or(MOST).min(MOST);
    let current = limit.current.unwrap_or(MOST);
    let raised = wanted > current
        && setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum: limit.maximum }).is_ok();
    usize::try_from(if raised { wanted } else { current }).unwrap_or(usize::MAX)
}

/// The key that the secrets of webhooks are sealed with: the environment's, else the one beside the data.
pub(crate) fn secret_key(data: &Path) -> anyhow::Result<SecretKey> {
    match env::var("WHOLECALL_SECRET_KEY") {
        Ok(text) => SecretKey::from_text(&text).context("WHOLECALL_SECRET_KEY"),
        Err(_) => Ok(SecretKey::of_folder(data)?),
    }
}

fn read(file: &Path) -> anyhow::Result<Vec<u8>> {
    fs::read(file).with_context(|| format!("{} cannot be read", file.display()))
}
