#![doc = include_str!("../README.md")]

mod config;
mod error;
mod http;
mod platform;
mod shell;
mod webhook;
mod websocket;

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use tokio::{net::TcpListener, task::JoinHandle};

pub use wholecall_simulator::{CallTruth, Faults, Scenario};

use crate::shell::Shell;
pub use crate::{
    config::Config,
    error::{InvalidWebhook, Refusal},
    webhook::Webhook,
};

/// A running platform. Dropping it stops the platform.
pub struct Fake {
    address: SocketAddr,
    shell: Arc<Shell>,
    tasks: [JoinHandle<()>; 2],
}

impl std::fmt::Debug for Fake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fake").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Fake {
    /// Starts a platform. An error if it cannot listen at the configured address.
    pub async fn start(config: Config) -> io::Result<Self> {
        let listener = TcpListener::bind(config.listen).await?;
        let address = listener.local_addr()?;
        let shell = Arc::new(Shell::new(config));
        let router = http::router(shell.clone());
        let serve = tokio::spawn(async move {
            // It does not end before the task is aborted.
            let _ended = axum::serve(listener, router).await;
        });
        let poll = tokio::spawn(shell.clone().run());
        Ok(Self { address, shell, tasks: [serve, poll] })
    }

    /// The address it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL that replaces `https://platform.ringcentral.com`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The id of an account by its index; `None` if there is no such account.
    pub fn account_id(&self, account: usize) -> Option<u64> {
        self.shell.input(|platform| platform.account_id(account))
    }

    /// The JWT credential of an account's administrator; `None` if there is no such account.
    pub fn jwt(&self, account: usize) -> Option<String> {
        self.shell.input(|platform| platform.jwt(account))
    }

    /// Plays a scenario in an account from now on; returns the truth about its calls, or `None` if there is no such
    /// account.
    pub fn play(&self, account: usize, scenario: &Scenario) -> Option<Vec<CallTruth>> {
        let truths = self.shell.input(|platform| platform.play(account, scenario));
        self.shell.wake();
        truths
    }

    /// Skips time on the platform's clock: what is due by then has happened when this returns. Must be called within a
    /// Tokio runtime.
    pub fn advance(&self, by: Duration) {
        self.shell.input(|platform| platform.advance(by));
        self.shell.wake();
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}
