//! Reads the directory of a connected account: when it is connected, once a day, and soon after RingCentral reports a
//! change.

use std::{collections::HashSet, sync::Arc, time::Duration};

use futures_util::FutureExt;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::watch;
use wholecall_record::Time;
use wholecall_ringcentral::{
    Backoff, Client, Directory, DirectoryReading, Error, ForwardingNumbers, ForwardingReading, MissingPart,
};
use wholecall_store::{ConnectedAccount, StoreError, TenantId};

use super::{ConnectionContext, account::AccountConnection, blocking};
use crate::{directories::Contents, pipeline::handle::AssemblerRequest};

/// Interval between two readings.
const READ_INTERVAL_MS: i64 = 24 * 3_600_000;

/// Interval after a change in which further changes are collected for one reading.
const CHANGE_WINDOW: Duration = Duration::from_secs(30);

/// Intervals between attempts after a failure; the stored directory is used meanwhile.
const MIN_RETRY_MS: i64 = 60_000;
const MAX_RETRY_MS: i64 = 6 * 3_600_000;

/// The stored result of reading a directory.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct DirectorySyncState {
    /// The newest version.
    pub(super) version: Option<u64>,
    /// When it was last read, milliseconds since 1970.
    pub(super) fetched_ms: Option<i64>,
    /// When users' forwarding numbers, which need a request each, were last read.
    #[serde(skip_serializing_if = "Option::is_none")]
    forwarding_read_ms: Option<i64>,
    /// Parts that the user may not read.
    missing: Vec<MissingPart>,
    /// Why the last reading failed. `None` if it did not.
    pub(super) problem: Option<String>,
}

impl DirectorySyncState {
    /// The stored state. One of an earlier version that cannot be read is found out again.
    pub(super) fn of(connection: &ConnectedAccount) -> Self {
        serde_json::from_str(&connection.directory).unwrap_or_default()
    }

    /// The state as the API shows it.
    pub(super) fn describe(&self) -> Value {
        json!({
            "version": self.version,
            "fetchedAt": self.fetched_ms.map(|ms| Time::from_millis(ms).to_string()),
            "missing": self.missing,
            "problem": self.problem,
        })
    }
}

/// Reads the directory of one account.
pub(super) struct DirectoryReader {
    context: Arc<ConnectionContext>,
    tenant: TenantId,
    account: String,
    client: Arc<Client>,
    pub(super) sync_state: DirectorySyncState,
    /// A reading of the lists that the rate limit has interrupted.
    lists: Option<DirectoryReading>,
    /// A reading of users' forwarding numbers that the rate limit has interrupted.
    forwarding: Option<ForwardingReading>,
    /// The time of the next step.
    pub(super) next_step_ms: i64,
    /// When the lists are to be read next.
    next_lists_ms: i64,
    backoff: Backoff,
    rng: fastrand::Rng,
}

impl DirectoryReader {
    pub(super) fn new(account: &AccountConnection, sync_state: DirectorySyncState) -> Self {
        let fetched_ms = sync_state.fetched_ms.filter(|_| sync_state.forwarding_read_ms.is_some());
        let next_lists_ms = fetched_ms.map_or(0, |fetched_ms| fetched_ms + READ_INTERVAL_MS);
        Self {
            context: account.context.clone(),
            tenant: account.tenant,
            account: account.account.clone(),
            client: account.client.clone(),
            next_step_ms: next_lists_ms,
            next_lists_ms,
            sync_state,
            lists: None,
            forwarding: None,
            backoff: Backoff::new(MIN_RETRY_MS, MAX_RETRY_MS),
            rng: fastrand::Rng::new(),
        }
    }

    /// Reads the directory when it is due, while the connection is live, until `stop` turns true.
    pub(super) async fn run(mut self, mut is_live: watch::Receiver<bool>, mut stop: watch::Receiver<bool>) {
        let changed = self.context.extension_changes(self.tenant, &self.account);
        let read = async {
            loop {
                let wait = u64::try_from(self.next_step_ms - self.client.now_ms()).unwrap_or(0);
                tokio::select! {
                    () = tokio::time::sleep(Duration::from_millis(wait)) => {}
                    // A change during a reading leads to another one afterwards.
                    () = changed.notified(), if self.lists.is_none() => {
                        tokio::time::sleep(CHANGE_WINDOW).await;
                        let _ = changed.notified().now_or_never();
                        self.next_lists_ms = 0;
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

    /// Reads until the end or the rate limit, and sets the time of the next step.
    pub(super) async fn step(&mut self) {
        let are_lists_due = self.lists.is_some() || self.client.now_ms() >= self.next_lists_ms;
        let read = match self.forwarding.take_if(|_| !are_lists_due) {
            Some(reading) => self.step_forwarding(reading).await,
            None => self.step_lists().await,
        };
        let now = self.client.now_ms();
        match read {
            Ok(sync_state) => {
                self.backoff.succeed();
                self.next_step_ms = if self.forwarding.is_some() { now } else { self.next_lists_ms };
                self.save(sync_state).await;
            }
            Err(ReadError::RateLimited(until_ms)) => self.next_step_ms = until_ms + self.rng.i64(0..1_000),
            Err(ReadError::Failed(problem)) => {
                tracing::warn!(problem, "the directory could not be read");
                self.next_step_ms = now + self.backoff.fail(&mut self.rng);
                self.save(DirectorySyncState { problem: Some(problem), ..self.sync_state.clone() }).await;
            }
        }
    }

    /// Reads the account's lists. Users' forwarding numbers are read with them if the rate limits allow that at once, else
    /// afterwards, so that the lists of a large account are usable before.
    async fn step_lists(&mut self) -> Result<DirectorySyncState, ReadError> {
        let mut reading = self.lists.take().unwrap_or_default();
        match self.client.read_directory(&mut reading).await {
            Ok(directory) => {
                let is_old = |fetched_ms: i64| self.client.now_ms() - fetched_ms > READ_INTERVAL_MS / 2;
                if self.forwarding.is_none() && self.sync_state.forwarding_read_ms.is_none_or(is_old) {
                    self.forwarding = Some(ForwardingReading::of(&directory));
                }
                let part = match self.forwarding_at_once().await {
                    Some(numbers) => Part::All(directory, numbers),
                    None => Part::Lists(directory),
                };
                let has_forwarding = matches!(part, Part::All(..));
                let mut sync_state = self.store(part).await?;
                let now = self.client.now_ms();
                self.next_lists_ms = now + (READ_INTERVAL_MS as f64 * (0.9 + 0.2 * self.rng.f64())) as i64;
                sync_state.fetched_ms = Some(now);
                if has_forwarding {
                    sync_state.forwarding_read_ms = Some(now);
                }
                Ok(sync_state)
            }
            // The client's rate limit was reached, which says nothing about the account.
            Err(Error::RateLimited { until_ms, .. }) => {
                self.lists = Some(reading);
                Err(ReadError::RateLimited(until_ms))
            }
            Err(error) => Err(ReadError::Failed(error.to_string())),
        }
    }

    /// Users' forwarding numbers. `None` if they are not due, or the rate limits do not allow to read them now.
    async fn forwarding_at_once(&mut self) -> Option<ForwardingNumbers> {
        let numbers = self.client.read_forwarding(self.forwarding.as_mut()?).await.ok()?;
        self.forwarding = None;
        Some(numbers)
    }

    /// Reads users' forwarding numbers.
    async fn step_forwarding(
        &mut self,
        mut reading: ForwardingReading,
    ) -> Result<DirectorySyncState, ReadError> {
        match self.client.read_forwarding(&mut reading).await {
            Ok(numbers) => {
                let mut sync_state = self.store(Part::Forwarding(numbers)).await?;
                sync_state.forwarding_read_ms = Some(self.client.now_ms());
                Ok(sync_state)
            }
            Err(Error::RateLimited { until_ms, .. }) => {
                self.forwarding = Some(reading);
                Err(ReadError::RateLimited(until_ms))
            }
            Err(error) => {
                // After an error that may pass, reading continues where it failed; else it starts again with the lists.
                self.forwarding = Some(reading).filter(|_| error.is_transient());
                Err(ReadError::Failed(error.to_string()))
            }
        }
    }

    /// Adds a part to the stored directory, and notifies the assembler if that made a new version.
    async fn store(&self, part: Part) -> Result<DirectorySyncState, StoreError> {
        let (tenant, account, now) = (self.tenant, self.account.clone(), self.client.now_ms());
        let missing = part.missing(&self.sync_state.missing);
        let stored_missing = missing.clone();
        let contents_after = move |newest: Option<&str>| {
            Contents::changed(newest, |contents| {
                part.put_into(&mut contents.listed);
                contents.listed.missing = stored_missing;
            })
        };
        let added = move |context: &ConnectionContext| {
            context.store.add_directory(tenant, account, now, contents_after)
        };
        let (version, is_new) = blocking(&self.context, added).await?;
        if is_new {
            tracing::info!(version, "the directory has changed");
            let request = AssemblerRequest::Directory { tenant: self.tenant, account: self.account.clone() };
            // If the assembler has ended, the next one reads the directory from the store.
            let _ = self.context.assembler.send(request);
        }
        Ok(DirectorySyncState { version: Some(version), missing, problem: None, ..self.sync_state.clone() })
    }

    /// Stores the state if it has changed.
    async fn save(&mut self, sync_state: DirectorySyncState) {
        if sync_state == self.sync_state {
            return;
        }
        self.sync_state = sync_state;
        let Ok(text) = serde_json::to_string(&self.sync_state) else { return };
        let (tenant, account) = (self.tenant, self.account.clone());
        let saved =
            blocking(&self.context, move |context| context.store.save_directory_state(tenant, account, text));
        if let Err(error) = saved.await {
            tracing::warn!(%error, "the result of reading the directory could not be stored");
        }
    }
}

/// Why a reading is not complete.
enum ReadError {
    /// The rate limit was reached; it allows requests again at this time.
    RateLimited(i64),
    Failed(String),
}

impl From<StoreError> for ReadError {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.to_string())
    }
}

/// A part of a directory that is read at once.
enum Part {
    Lists(Directory),
    Forwarding(ForwardingNumbers),
    All(Directory, ForwardingNumbers),
}

impl Part {
    /// What is missing of the directory after this part was read, if the other is unchanged.
    fn missing(&self, before: &[MissingPart]) -> Vec<MissingPart> {
        let is_forwarding = |missing: &&MissingPart| missing.part == "forwardingNumbers";
        match self {
            Self::Lists(lists) => {
                lists.missing.iter().chain(before.iter().filter(is_forwarding)).cloned().collect()
            }
            Self::Forwarding(numbers) => {
                let lists = before.iter().filter(|missing| !is_forwarding(missing));
                lists.chain(&numbers.missing).cloned().collect()
            }
            Self::All(lists, numbers) => lists.missing.iter().chain(&numbers.missing).cloned().collect(),
        }
    }

    /// Replaces this part of a directory.
    fn put_into(self, listed: &mut Directory) {
        match self {
            Self::Lists(lists) => {
                let mut forwarding = std::mem::take(&mut listed.forwarding);
                *listed = lists;
                let ids: HashSet<&str> = listed.extensions.iter().map(|one| one.id.as_str()).collect();
                forwarding.retain(|user| ids.contains(user.extension_id.as_str()));
                listed.forwarding = forwarding;
            }
            Self::Forwarding(numbers) => listed.forwarding = numbers.users,
            Self::All(lists, numbers) => *listed = Directory { forwarding: numbers.users, ..lists },
        }
    }
}
