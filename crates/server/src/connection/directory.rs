//! What an account consists of: read when it is connected, once a day, and soon after RingCentral tells of a change.

use std::{collections::HashSet, sync::Arc, time::Duration};

use futures_util::FutureExt;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::watch;
use wholecall_record::Time;
use wholecall_ringcentral::{
    Backoff, Client, Directory, Error, ForwardingNumbers, ForwardingReading, MissingPart, Reading,
};
use wholecall_store::{ConnectedAccount, StoreError, TenantId};

use super::{Context, account::Account, blocking};
use crate::{directories::Contents, pipeline::Request};

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
    /// When users' forwarding numbers, which take a request each, were last read.
    #[serde(skip_serializing_if = "Option::is_none")]
    forwarding_read_ms: Option<i64>,
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
            "fetchedAt": self.read_ms.map(|ms| Time::from_millis(ms).to_string()),
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
    /// What was read of users' forwarding numbers before the limits were used up.
    forwarding: Option<ForwardingReading>,
    /// When there is something to do next.
    pub(super) due_ms: i64,
    /// When the lists are to be read next.
    lists_due_ms: i64,
    backoff: Backoff,
    rng: fastrand::Rng,
}

impl Reader {
    pub(super) fn new(account: &Account, standing: Standing) -> Self {
        let read_ms = standing.read_ms.filter(|_| standing.forwarding_read_ms.is_some());
        let lists_due_ms = read_ms.map_or(0, |read_ms| read_ms + EVERY_MS);
        Self {
            context: account.context.clone(),
            tenant: account.tenant,
            name: account.name.clone(),
            account: account.account.clone(),
            client: account.client.clone(),
            due_ms: lists_due_ms,
            lists_due_ms,
            standing,
            begun: None,
            forwarding: None,
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
                        self.lists_due_ms = 0;
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
        let are_lists_due = self.begun.is_some() || self.client.now_ms() >= self.lists_due_ms;
        let read = match self.forwarding.take_if(|_| !are_lists_due) {
            Some(reading) => self.step_forwarding(reading).await,
            None => self.step_lists().await,
        };
        let now = self.client.now_ms();
        match read {
            Ok(standing) => {
                self.backoff.succeed();
                self.due_ms = if self.forwarding.is_some() { now } else { self.lists_due_ms };
                self.stand(standing).await;
            }
            Err(Unread::Later(until_ms)) => self.due_ms = until_ms + self.rng.i64(0..1_000),
            Err(Unread::Failed(problem)) => {
                let (tenant, account) = (&self.name, &self.account);
                tracing::warn!(tenant, account, problem, "the directory could not be read");
                self.due_ms = now + self.backoff.fail(&mut self.rng);
                self.stand(Standing { problem: Some(problem), ..self.standing.clone() }).await;
            }
        }
    }

    /// Reads on in the account's lists; what users' calls are forwarded to comes with them where the limits allow that at
    /// once, else after them: a large account need not wait for it.
    async fn step_lists(&mut self) -> Result<Standing, Unread> {
        let mut reading = self.begun.take().unwrap_or_default();
        match self.client.read_directory(&mut reading).await {
            Ok(directory) => {
                let is_old = |read_ms: i64| self.client.now_ms() - read_ms > EVERY_MS / 2;
                if self.forwarding.is_none() && self.standing.forwarding_read_ms.is_none_or(is_old) {
                    self.forwarding = Some(ForwardingReading::of(&directory));
                }
                let part = match self.forwarding_at_once().await {
                    Some(numbers) => Part::All(directory, numbers),
                    None => Part::Lists(directory),
                };
                let has_forwarding = matches!(part, Part::All(..));
                let mut standing = self.keep(part).await?;
                let now = self.client.now_ms();
                self.lists_due_ms = now + (EVERY_MS as f64 * (0.9 + 0.2 * self.rng.f64())) as i64;
                standing.read_ms = Some(now);
                if has_forwarding {
                    standing.forwarding_read_ms = Some(now);
                }
                Ok(standing)
            }
            // Its turn comes later: that says nothing of the account.
            Err(Error::Later { until_ms, .. }) => {
                self.begun = Some(reading);
                Err(Unread::Later(until_ms))
            }
            Err(error) => Err(Unread::Failed(error.to_string())),
        }
    }

    /// What users' calls are forwarded to, if that is to be read and the limits allow it now.
    async fn forwarding_at_once(&mut self) -> Option<ForwardingNumbers> {
        let numbers = self.client.read_forwarding(self.forwarding.as_mut()?).await.ok()?;
        self.forwarding = None;
        Some(numbers)
    }

    /// Reads on in what users' calls are forwarded to.
    async fn step_forwarding(&mut self, mut reading: ForwardingReading) -> Result<Standing, Unread> {
        match self.client.read_forwarding(&mut reading).await {
            Ok(numbers) => {
                let mut standing = self.keep(Part::Forwarding(numbers)).await?;
                standing.forwarding_read_ms = Some(self.client.now_ms());
                Ok(standing)
            }
            Err(Error::Later { until_ms, .. }) => {
                self.forwarding = Some(reading);
                Err(Unread::Later(until_ms))
            }
            Err(error) => {
                // What was read so far is not read again; after an error that stays, it begins again with the lists.
                self.forwarding = Some(reading).filter(|_| error.is_passing());
                Err(Unread::Failed(error.to_string()))
            }
        }
    }

    /// Keeps what was read beside what is known, and says so to who assembles if it is new.
    async fn keep(&self, part: Part) -> Result<Standing, StoreError> {
        let (tenant, account, now) = (self.tenant, self.account.clone(), self.client.now_ms());
        let missing = part.missing(&self.standing.missing);
        let told = missing.clone();
        let contents_after = move |newest: Option<&str>| {
            Contents::changed(newest, |contents| {
                part.put_into(&mut contents.listed);
                contents.listed.missing = told;
            })
        };
        let added =
            move |context: &Context| context.store.add_directory(tenant, account, now, contents_after);
        let (version, is_new) = blocking(&self.context, added).await?;
        if is_new {
            let (tenant, account) = (&self.name, &self.account);
            tracing::info!(tenant, account, version, "the directory is another one");
            let request = Request::Directory { tenant: self.tenant, account: self.account.clone() };
            // Who assembles may have ended; the next one reads it from the store.
            let _ = self.context.assembler.send(request);
        }
        Ok(Standing { version: Some(version), missing, problem: None, ..self.standing.clone() })
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

/// Why there is nothing to keep yet.
enum Unread {
    /// The limits are used up until then.
    Later(i64),
    Failed(String),
}

impl From<StoreError> for Unread {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.to_string())
    }
}

/// What is read at one time.
enum Part {
    Lists(Directory),
    Forwarding(ForwardingNumbers),
    All(Directory, ForwardingNumbers),
}

impl Part {
    /// What is missing with this part, and with the other as it was.
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

    /// Replaces what was known of this part.
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
