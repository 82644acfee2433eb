//! `wholecall serve`: runs the service.

use std::{
    env, fs,
    io::{self, Write},
    path::Path,
    time::Duration,
};

use anyhow::Context;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing_subscriber::{
    EnvFilter, Registry, layer::SubscriberExt as _, reload, util::SubscriberInitExt as _,
};
use wholecall_server::{
    ConnectionLimits, Running, Settings, Tls,
    security::{EgressPolicy, SecretKey, secret},
};
use wholecall_store::Store;

use crate::{
    cli::ServeArgs,
    config::{Config, LogFormat},
    input::Tally,
    terminal,
};

pub(crate) fn run(arguments: &ServeArgs) -> anyhow::Result<Tally> {
    let config = Config::load(arguments)?;
    if arguments.print_config {
        write!(io::stdout(), "{}", config.to_toml())?;
        return Ok(Tally::default());
    }
    let log = Log::start(&config)?;
    let store = Store::open(&config.data)?;
    let settings = settings(&config, &store)?;
    if settings.tls.is_none() && !config.listen.ip().is_loopback() {
        tracing::warn!(
            address = %config.listen,
            "serving HTTP without TLS beyond this machine: keys and calls are sent unencrypted unless a proxy in front adds TLS"
        );
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the async runtime")?;
    let result = runtime.block_on(serve(store, settings, &config, &Reloading { arguments, log }));
    // After a second signal, queries that still run are not waited for.
    runtime.shutdown_timeout(Duration::from_secs(1));
    result.map(|()| Tally::default())
}

async fn serve(
    store: Store,
    settings: Settings,
    config: &Config,
    reloading: &Reloading<'_>,
) -> anyhow::Result<()> {
    let scheme = if settings.tls.is_some() { "https" } else { "http" };
    let has_tenants = !store.tenants()?.is_empty();
    // Before the address is printed: a caller may send a signal as soon as it has read the address.
    let mut signals = Signals::new()?;
    let running = wholecall_server::start(store, settings).await?;
    let address = running.address();
    let own = format!("{scheme}://{address}");
    save_address(&config.data, config.public_url.as_deref().unwrap_or(&own));
    println!("Wholecall listens at {scheme}://{address}, data in {}", config.data.display());
    if !has_tenants {
        let data = config.data.display();
        println!(
            "\nNo tenant yet. In another terminal:\n  \
             wholecall tenant add acme --account 400131426008 --data {data}\n  \
             curl {scheme}://{address}/hooks/acme -H \"Verification-Token: $TOKEN\" -d \"$(head -1 examples/direct.ndjson)\"\n  \
             curl {scheme}://{address}/v1/calls -H \"Authorization: Bearer $API_KEY\""
        );
    }
    while let SignalAction::Reload = signals.next().await {
        reloading.reload(&running);
    }
    tracing::info!("stopping: finishing accepted requests; another signal stops at once");
    let stopping = running.stop();
    tokio::select! {
        () = stopping => {}
        () = signals.stop() => tracing::warn!("stopped at once; acknowledged notifications are stored and will be assembled after the next start"),
    }
    Ok(())
}

/// What a signal requests.
enum SignalAction {
    Reload,
    Stop,
}

/// The signals that would end a process that does not catch them.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
    user: [Signal; 2],
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
            user: [signal(SignalKind::user_defined1())?, signal(SignalKind::user_defined2())?],
        })
    }

    async fn next(&mut self) -> SignalAction {
        let Self { terminate, interrupt, hang_up, user: [first, second] } = self;
        loop {
            tokio::select! {
                _ = terminate.recv() => return SignalAction::Stop,
                _ = interrupt.recv() => return SignalAction::Stop,
                _ = hang_up.recv() => return SignalAction::Reload,
                _ = first.recv() => tracing::info!("SIGUSR1 is ignored; SIGHUP reloads the configuration"),
                _ = second.recv() => tracing::info!("SIGUSR2 is ignored; SIGHUP reloads the configuration"),
            }
        }
    }

    /// Waits for the next signal that requests a stop.
    async fn stop(&mut self) {
        while let SignalAction::Reload = self.next().await {}
    }
}

/// Reloads the configuration while the service runs.
struct Reloading<'a> {
    arguments: &'a ServeArgs,
    log: Log,
}

impl Reloading<'_> {
    /// Reads the configuration and its files again. If any of them cannot be read, nothing changes.
    fn reload(&self, running: &Running) {
        match self.reread() {
            Ok((tls, admin_key)) => {
                if running.reload(tls, admin_key) {
                    tracing::info!(
                        "reloaded: log level, certificate, admin key; other settings need a restart"
                    );
                } else {
                    tracing::warn!("reloaded: log level, admin key; turning TLS on or off needs a restart");
                }
            }
            Err(error) => tracing::error!("not reloaded, nothing changed: {error:#}"),
        }
    }

    fn reread(&self) -> anyhow::Result<(Option<Tls>, Option<[u8; 32]>)> {
        let config = Config::load(self.arguments)?;
        let read = (tls(&config)?, admin_key(&config)?);
        self.log.set(&config)?;
        Ok(read)
    }
}

/// The log, whose level can be changed while it is in use.
struct Log(reload::Handle<EnvFilter, Registry>);

impl Log {
    fn start(config: &Config) -> anyhow::Result<Self> {
        let (filter, handle) = reload::Layer::new(filter(config)?);
        let lines = tracing_subscriber::fmt::layer().with_writer(io::stderr);
        let lines = lines.with_ansi(terminal::stderr_has_color());
        let log = Registry::default().with(filter);
        match config.log_format {
            LogFormat::Text => log.with(lines).init(),
            LogFormat::Json => log.with(lines.json()).init(),
        }
        Ok(Self(handle))
    }

    fn set(&self, config: &Config) -> anyhow::Result<()> {
        Ok(self.0.reload(filter(config)?)?)
    }
}

fn filter(config: &Config) -> anyhow::Result<EnvFilter> {
    let mut filter =
        EnvFilter::try_new(&config.log).with_context(|| format!("log = {:?} cannot be read", config.log))?;
    // Their traces contain addresses and frames with tokens.
    for limited in ["tungstenite=info", "tokio_tungstenite=info"] {
        filter = filter.add_directive(limited.parse()?);
    }
    Ok(filter)
}

/// The file in the data folder with the service's address, for commands on the same data.
const ADDRESS_FILE: &str = "address";

/// Saves the service's address. The service runs also if this fails.
fn save_address(data: &Path, address: &str) {
    if let Err(error) = fs::write(data.join(ADDRESS_FILE), address) {
        tracing::warn!(%error, "the address could not be written to the data folder");
    }
}

/// The address of the service on this data, or the one it had when it last ran.
pub(crate) fn saved_address(data: &Path) -> Option<String> {
    let address = fs::read_to_string(data.join(ADDRESS_FILE)).ok()?;
    let is_valid = address.starts_with("http") && address.len() < 300 && !address.contains(char::is_control);
    is_valid.then_some(address)
}

fn tls(config: &Config) -> anyhow::Result<Option<Tls>> {
    match (&config.tls_certificate, &config.tls_key) {
        (Some(certificate), Some(key)) => Ok(Some(Tls::from_pem(&read(certificate)?, &read(key)?)?)),
        (None, None) => Ok(None),
        _ => anyhow::bail!("TLS needs both tls_certificate and tls_key"),
    }
}

fn admin_key(config: &Config) -> anyhow::Result<Option<[u8; 32]>> {
    let Some(file) = &config.admin_key_file else { return Ok(None) };
    let key = String::from_utf8(read(file)?).context("the admin key is not text")?;
    anyhow::ensure!(key.trim().len() >= 16, "{}: an admin key needs at least 16 characters", file.display());
    Ok(Some(secret::hash(key.trim())))
}

fn settings(config: &Config, store: &Store) -> anyhow::Result<Settings> {
    let network = |text: &String| {
        text.parse().with_context(|| format!("webhook_networks: {text:?} is not a network like 10.1.0.0/16"))
    };
    let proxy = |text: &String| {
        let network = text.parse().or_else(|_| text.parse::<std::net::IpAddr>().map(Into::into));
        network.with_context(|| {
            format!("trusted_proxies: {text:?} is neither an address nor a network like 10.1.0.0/16")
        })
    };
    let egress_policy = EgressPolicy {
        allow_all: config.allow_private_webhooks,
        allowed: config.webhook_networks.iter().map(network).collect::<anyhow::Result<_>>()?,
    };
    Ok(Settings {
        listen: config.listen,
        tls: tls(config)?,
        admin_key: admin_key(config)?,
        public_url: config.public_url.clone(),
        secret_key: secret_key(store)?,
        egress_policy,
        proxies: config.proxies()?,
        connections: ConnectionLimits::for_open_files(raise_open_files()),
        trusted_proxies: config.trusted_proxies.iter().map(proxy).collect::<anyhow::Result<_>>()?,
    })
}

/// Raises the limit of open files as far as the system allows, since each connection is one; returns the limit.
pub(crate) fn raise_open_files() -> usize {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    /// Maximum number of open files: memory, not this limit, bounds connections beyond it.
    const MAX_OPEN_FILES: u64 = 65_536;
    let limit = getrlimit(Resource::Nofile);
    let target = limit.maximum.unwrap_or(MAX_OPEN_FILES).min(MAX_OPEN_FILES);
    let current = limit.current.unwrap_or(MAX_OPEN_FILES);
    let raised = target > current
        && setrlimit(Resource::Nofile, Rlimit { current: Some(target), maximum: limit.maximum }).is_ok();
    usize::try_from(if raised { target } else { current }).unwrap_or(usize::MAX)
}

/// The key that encrypts stored secrets: from the environment, else from the file in the data folder.
pub(crate) fn secret_key(store: &Store) -> anyhow::Result<SecretKey> {
    match env::var("WHOLECALL_SECRET_KEY") {
        Ok(text) => SecretKey::of_store(store, Some(&text)).context("WHOLECALL_SECRET_KEY"),
        Err(_) => Ok(SecretKey::of_store(store, None)?),
    }
}

fn read(file: &Path) -> anyhow::Result<Vec<u8>> {
    fs::read(file).with_context(|| format!("{} cannot be read", file.display()))
}
