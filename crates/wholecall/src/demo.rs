//! `wholecall demo`: a service with live simulated calls, without configuration.

use std::{net::SocketAddr, time::Duration};

use anyhow::Context;
use console::Term;
use jiff::Timestamp;
use wholecall_fake_ringcentral::Webhook;
use wholecall_record::{Call, call::State};
use wholecall_render::table::Table;
use wholecall_ringcentral::Proxies;
use wholecall_server::{
    ConnectionLimits, Settings, admin,
    admin::AddedTenant,
    security::{EgressPolicy, SecretKey},
};
use wholecall_simulator::{Account, Company, Traffic};
use wholecall_store::{Filter, Store, TenantView};

use crate::{
    cli::DemoArgs,
    input::Tally,
    posting::{self, Pace},
    serve::raise_open_files,
    terminal,
};

const HOUR: i64 = 3_600_000;

/// Length of the simulated traffic before the start of the demo.
const PAST_TRAFFIC: i64 = HOUR;

const TENANT: &str = "demo";

pub(crate) fn run(arguments: &DemoArgs) -> anyhow::Result<Tally> {
    let folder = tempfile::tempdir().context("cannot create a temporary data folder")?;
    let store = Store::open(&folder.path().join("data"))?;
    let added = admin::add_tenant(&store, TENANT, &[Account::FIRST_ID.to_string()], None)?;
    let settings = Settings {
        listen: arguments.listen,
        tls: None,
        admin_key: None,
        public_url: None,
        secret_key: SecretKey::of_folder(folder.path())?,
        // A user of the demo runs webhook receivers on this machine.
        egress_policy: EgressPolicy { allow_all: true, ..EgressPolicy::default() },
        proxies: Proxies::default(),
        connections: ConnectionLimits::for_open_files(raise_open_files()),
        trusted_proxies: Vec::new(),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the async runtime")?;
    runtime.block_on(run_demo(arguments, settings, store, &added))?;
    Ok(Tally::default())
}

async fn run_demo(
    arguments: &DemoArgs,
    settings: Settings,
    store: Store,
    added: &AddedTenant,
) -> anyhow::Result<()> {
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    let tenant = store.tenants()?.into_iter().next().context("the tenant was just added")?;
    let view = store.of(tenant.id);
    let running = start(settings, store).await?;
    let address = running.address();
    let instructions = instructions(address, added);
    print!("{instructions}");
    let hook = format!("http://{address}/hooks/{TENANT}");
    let webhook = Webhook::new(&hook, Some(&added.verification_token))?;
    let now = Timestamp::now().as_millisecond();
    let company = Company::with_users(arguments.users);
    let traffic = Traffic::new(company, now - PAST_TRAFFIC, now + 24 * HOUR, arguments.seed).from_hour(10);
    let pace = Pace::Timed { now, speed: 1.0 };
    tokio::select! {
        posted = posting::post(traffic, Account::FIRST_ID, &webhook, pace, |_| Ok(())) => drop(posted?),
        shown = show(&view, &instructions), if terminal::stdout_is_terminal() => shown?,
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
    running.stop().await;
    Ok(())
}

/// Starts the service at the requested address, or at a free port if it is taken.
async fn start(mut settings: Settings, store: Store) -> anyhow::Result<wholecall_server::Running> {
    match tokio::net::TcpListener::bind(settings.listen).await {
        Ok(free) => drop(free),
        Err(_) => settings.listen.set_port(0),
    }
    Ok(wholecall_server::start(store, settings).await?)
}

fn instructions(address: SocketAddr, added: &AddedTenant) -> String {
    format!(
        "Wholecall listens at http://{address}, with the calls of a simulated company. Demo data: deleted on exit.\n\n  \
         http://{address}/ shows the calls; sign in with this key\n  \
         API_KEY={key}\n  \
         curl 'http://{address}/v1/calls?state=live' -H \"Authorization: Bearer $API_KEY\"\n  \
         curl -N http://{address}/v1/stream -H \"Authorization: Bearer $API_KEY\"\n  \
         http://{address}/docs\n\n\
         Ctrl-C stops it.\n",
        key = added.api_key
    )
}

/// Shows live calls and the latest ended ones, and refreshes them every second.
async fn show(view: &TenantView, instructions: &str) -> anyhow::Result<()> {
    let term = Term::stdout();
    loop {
        let rows = usize::from(term.size().0).saturating_sub(instructions.lines().count() + 8).max(6);
        let live = table(view, State::Live, rows * 2 / 3)?;
        let ended = table(view, State::Complete, rows / 3)?;
        term.clear_screen()?;
        term.write_str(&format!("{instructions}\nLive\n{live}\nEnded\n{ended}"))?;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

fn table(view: &TenantView, state: State, rows: usize) -> anyhow::Result<String> {
    let filter = Filter { state: Some(state), ..Filter::default() };
    let mut table = Table::new(terminal::screen());
    for record in view.calls(&filter, None, None, rows)?.records {
        let call: Call = serde_json::from_str(&record)?;
        table.add(&call);
    }
    Ok(table.text())
}
