//! What an account consists of: read when it is connected, once a day, and soon after RingCentral tells of a change.

use std::{sync::Arc, time::Duration};

use futures_util::FutureExt;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::watch;
use wholecall_record::Time;
use wholecall_ringcentral::{Backoff, Client, Directory, Error, MissingPart, Reading};
use wholecall_store::{ConnectedAccount, StoreError, TenantId};

use super::{Context, account::Account, blocking};
use crate::pipeline::Request;

const EVERY_MS: i64 = 24 * 3_600_000;

/// A change seldom comes alone: what comes within so much time is read together.
const COLLECTED: Duration = Duration::from_secs(30);

/// After a failure, the directory that is there serves on.
const FAILED_FIRST_MS: i64 = 60_000;
const FAILED_LONGEST_MS: i64 = 6 * 3_600_000;

/// How reading went, as it is kept.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Standing {
    /// The version it has.
    pub(super) version: Option<u64>,
    /// When it was last read, milliseconds since 1970.
    pub(super) read_ms: Option<i64>,
    /// What RingCentral does not tell of it.
    missing: Vec<MissingPart>,
    /// Why it could not be read since.
    pub(super) problem: Option<String>,
}

impl Standing {
    /// As it was kept. What an earlier version has left and cannot be read is found out anew.
    pub(super) fn of(connection: &ConnectedAccount) -> Self {
        serde_json::from_str(&connection.directory).unwrap_or_default()
    }

    /// As people are told.
    pub(super) fn describe(&self) -> Value {
        json!({
            "version": self.version,
            "readAt": self.read_ms.map(|ms| Time::from_millis(ms).to_string()),
            "missing": self.missing,
            "problem": self.problem,
        })
    }
}

/// Who reads the directory of one account.
pub(super) struct Reader {
    context: Arc<Context>,
    tenant: TenantId,
    name: String,
    account: String,
    client: Arc<Client>,
    pub(super) standing: Standing,
    /// What was read before the limits were used up.
    begun: Option<Reading>,
    /// When there is something to do next.
    pub(super) due_ms: i64,
    backoff: Backoff,
    rng: fastrand::Rng,
}

impl Reader {
    pub(super) fn new(account: &Account, standing: Standing) -> Self {
        Self {
            context: account.context.clone(),
            tenant: account.tenant,
            name: account.name.clone(),
            account: account.account.clone(),
            client: account.client.clone(),
            due_ms: standing.read_ms.map_or(0, |read_ms| read_ms + EVERY_MS),
            standing,
            begun: None,
            backoff: Backoff::new(FAILED_FIRST_MS, FAILED_LONGEST_MS),
            rng: fastrand::Rng::new(),
        }
    }

    /// Reads whenever there is reason to, while the account's calls are told, until `stop` turns true.
    pub(super) async fn run(mut self, mut is_live: watch::Receiver<bool>, mut stop: watch::Receiver<bool>) {
        let changed = self.context.extensions(self.tenant, &self.account);
        let read = async {
            loop {
                let wait = u64::try_from(self.due_ms - self.client.now_ms()).unwrap_or(0);
                tokio::select! {
                    () = tokio::time::sleep(Duration::from_millis(wait)) => {}
                    // What changes while it is being read is read afterwards.
                    () = changed.notified(), if self.begun.is_none() => {
                        tokio::time::sleep(COLLECTED).await;
                        let _ = changed.notified().now_or_never();
                    }
                }
                if is_live.wait_for(|is_live| *is_live).await.is_err() {
                    return;
                }
                self.step().await;
            }
        };
        tokio::select! {
            () = read => {}
            _ = stop.wait_for(|stop| *stop) => {}
        }
    }

    /// Reads on; `due_ms` says when to come again.
    pub(super) async fn step(&mut self) {
        let mut reading = self.begun.take().unwrap_or_default();
        let kept = match self.client.read_directory(&mut reading).await {
            Ok(directory) => self.keep(directory).await.map_err(|error| error.to_string()),
            // Its turn comes later: that says nothing of the account.
            Err(Error::Later { until_ms, .. }) => {
                self.begun = Some(reading);
                self.due_ms = until_ms + self.rng.i64(0..1_000);
                return;
            }
            Err(error) => Err(error.to_string()),
        };
        let now = self.client.now_ms();
        match kept {
            Ok(standing) => {
                self.backoff.succeed();
                self.due_ms = now + (EVERY_MS as f64 * (0.9 + 0.2 * self.rng.f64())) as i64;
                self.stand(standing).await;
            }
            Err(problem) => {
                let (tenant, account) = (&self.name, &self.account);
                tracing::warn!(tenant, account, problem, "the directory could not be read");
                self.due_ms = now + self.backoff.fail(&mut self.rng);
                self.stand(Standing { problem: Some(problem), ..self.standing.clone() }).await;
            }
        }
    }

    /// Keeps what was read, and says so to who assembles if it is new.
    async fn keep(&self, directory: Directory) -> Result<Standing, StoreError> {
        let contents =
            serde_json::to_string(&directory).map_err(|error| StoreError::Failed(error.to_string()))?;
        let (tenant, account, now) = (self.tenant, self.account.clone(), self.client.now_ms());
        let added = move |context: &Context| context.store.add_directory(tenant, account, now, contents);
        let (version, is_new) = blocking(&self.context, added).await?;
        if is_new {
            let (tenant, account) = (&self.name, &self.account);
            let extensions = directory.extensions.len();
            tracing::info!(tenant, account, version, extensions, "the directory is another one");
            let request = Request::Directory { tenant: self.tenant, account: self.account.clone() };
            // Who assembles may have ended; the next one reads it from the store.
            let _ = self.context.assembler.send(request);
        }
        Ok(Standing { version: Some(version), read_ms: Some(now), missing: directory.missing, problem: None })
    }

    /// Writes down how it stands, if that has changed.
    async fn stand(&mut self, standing: Standing) {
        if standing == self.standing {
            return;
        }
        self.standing = standing;
        let Ok(text) = serde_json::to_string(&self.standing) else { return };
        let (tenant, account) = (self.tenant, self.account.clone());
        let kept = blocking(&self.context, move |context| context.store.keep_reading(tenant, account, text));
        if let Err(error) = kept.await {
            tracing::warn!(%error, "how reading a directory went could not be written down");
        }
    }
}
