//! `wholecall fake-ringcentral`: a fake RingCentral for development.

use anyhow::Context;
use wholecall_fake_ringcentral::{Config, Fake};

use crate::{cli::FakeArgs, input::Tally};

pub(crate) fn run(arguments: &FakeArgs) -> anyhow::Result<Tally> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the async runtime")?;
    runtime.block_on(serve(arguments))?;
    Ok(Tally::default())
}

async fn serve(arguments: &FakeArgs) -> anyhow::Result<()> {
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    let config = Config {
        listen: arguments.listen,
        accounts: arguments.accounts,
        users: arguments.users,
        calls_per_user: if arguments.quiet { 0.0 } else { Config::default().calls_per_user },
        speed: arguments.speed,
        seed: arguments.seed,
        faults: arguments.faults.clone().unwrap_or_default(),
        ..Config::default()
    };
    let (client_id, client_secret) = (config.client_id.clone(), config.client_secret.clone());
    let fake = Fake::start(config).await.with_context(|| format!("cannot listen at {}", arguments.listen))?;
    println!("Fake RingCentral listens at {}, for clients that log in with", fake.url());
    println!("  client id {client_id}, client secret {client_secret}, and the JWT of an account:");
    for place in 0..arguments.accounts {
        if let (Some(account), Some(jwt)) = (fake.account_id(place), fake.jwt(place)) {
            println!("  account {account}  {jwt}");
        }
    }
    println!(
        "\nPlay another call:  curl {}/fake/play -d '{{\"scenario\":\"attended\"}}'   Ctrl-C stops it.",
        fake.url()
    );
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
    Ok(())
}
