//! `wholecall forward`: prints a tenant's events and posts them to a local address.

use std::time::Duration;

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};
use wholecall_server::local_forwarder::{Forwarded, LocalForwarder};

use crate::{cli::ForwardArgs, input::Tally, terminal};

pub(crate) fn run(arguments: &ForwardArgs) -> anyhow::Result<Tally> {
    let log = tracing_subscriber::fmt().with_writer(std::io::stderr).with_target(false);
    log.with_ansi(terminal::stderr_has_color()).init();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the async runtime")?;
    let events = arguments.events.clone();
    let relay = LocalForwarder::new(&arguments.server, &arguments.api_key, &arguments.forward_to, events)?;
    // Printed before the first event, which the receiver needs it to verify.
    println!("secret {}", relay.secret());
    runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate())?;
        let ready = |_: &LocalForwarder| {
            println!("forwarding events from {} to {}", arguments.server, arguments.forward_to)
        };
        tokio::select! {
            ended = relay.run(ready, |forwarded| println!("{}", line(forwarded))) => ended?,
            _ = tokio::signal::ctrl_c() => {}
            _ = terminate.recv() => {}
        }
        anyhow::Ok(())
    })?;
    runtime.shutdown_timeout(Duration::from_millis(100));
    Ok(Tally::default())
}

fn line(forwarded: &Forwarded) -> String {
    let Forwarded { time, kind, id, of, answer, took } = forwarded;
    let answer = match answer {
        Ok(status) => status.to_string(),
        Err(problem) => problem.clone(),
    };
    format!("{time}  {kind:<14}  {id}  {of}  {answer} in {} ms", took.as_millis())
}
