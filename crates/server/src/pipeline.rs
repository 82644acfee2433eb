//! Assembles calls from the journal, on a thread of its own: the only place where the assembler runs.
//!
//! What comes of a batch of journal entries is committed together with the position up to which the journal was read, so
//! that each change is published exactly once, whenever the process ends. The time of an entry is its arrival, as the
//! journal has it; between entries the wall clock counts.

pub(crate) mod handle;
pub(crate) mod lookup;
mod restore;

use std::{
    collections::{BTreeMap, HashMap},
    thread,
    time::Duration,
};

use tokio::{
    runtime::Handle,
    sync::{mpsc, watch},
};
use wholecall_assembly::{Assembler, Change, Contradiction, Lookup, Settings};
use wholecall_notification::{Document, Message};
use wholecall_record::Time;
use wholecall_store::{
    ChangeContent, ChangeKind, CommitBatch, Entry, Erasure, NewChange, PendingCommit, Position, Store,
    StoreError, TenantId,
};

use self::{
    handle::AssemblerRequest,
    lookup::{LookupQueue, LookupRequest},
};
use crate::{
    clock::Clock,
    directories::Directories,
    learned_names::StoredNames,
    metrics::Metrics,
    privacy::erasure,
    tenants::{Tenant, Tenants},
};

/// Maximum number of journal entries, and of their bytes, in a batch. A batch is one transaction: larger ones raise the
/// commit latency of every other writer.
const MAX_BATCH_ENTRIES: usize = 1_000;
const MAX_BATCH_BYTES: usize = 8 << 20;

/// Interval after a batch before the next one is read: this much for each entry of the batch, up to a maximum. Under
/// load a call that changes often is written once for several entries; an idle service does not wait.
const BATCH_WINDOW_PER_ENTRY: Duration = Duration::from_micros(250);
const MAX_BATCH_WINDOW: Duration = Duration::from_millis(15);

/// Interval for which a closed call stays in memory, for late notifications and for the twin of a RingOut. A later
/// notification restores it from the store.
const CLOSED_CALL_TTL_MS: i64 = 75_000;

/// The interval between live versions of a call grows by its default for each `LAG_STEP_MS` that assembling is behind,
/// at most `MAX_SLOWDOWN` times.
const LAG_STEP_MS: i64 = 250;
const MAX_SLOWDOWN: i64 = 10;

/// Interval without a notification after which RingCentral is asked for what seems to be missing of a call: a late
/// notification has arrived by then, and a call with a gap is not closed yet.
const LOOKUP_AFTER_MS: i64 = 5_000;

/// Maximum sleep when there is no deadline.
const MAX_SLEEP_MS: u64 = 60_000;

/// The result of a step.
struct Progress {
    /// How many notifications it read.
    read: usize,
    /// Whether more were waiting when it started.
    is_behind: bool,
}

/// The state of the assembler thread.
pub(crate) struct Pipeline {
    store: Store,
    tenants: std::sync::Arc<Tenants>,
    directories: Directories,
    names: StoredNames,
    metrics: Metrics,
    lookups: LookupQueue,
    position: Position,
    assemblers: HashMap<TenantId, Assembler>,
    /// When which assembler is to be called.
    deadlines: BTreeMap<(Time, TenantId), ()>,
    made: Vec<NewChange>,
    /// The previous batch, while it is being written.
    committing: Option<PendingCommit>,
    /// When the first notification arrived whose changes may not be written yet.
    unwritten_since: Option<Time>,
    /// Interval between the versions of a live call.
    min_version_interval_ms: i64,
    /// The state in memory may be ahead of the store and is to be restored from it.
    needs_rebuild: bool,
    /// After a failed commit the next one is tried even if it is empty; nothing is read before it is durable.
    must_commit: bool,
    tenants_changed: watch::Receiver<i64>,
    clock: Clock,
}

impl Pipeline {
    /// A pipeline that restores its state as the first thing on its thread, so that notifications are acknowledged
    /// meanwhile.
    pub(crate) fn new(
        store: Store,
        tenants: std::sync::Arc<Tenants>,
        metrics: Metrics,
        lookups: LookupQueue,
    ) -> Self {
        let tenants_changed = tenants.watch();
        Self {
            directories: Directories::new(store.clone()),
            names: StoredNames::new(store.clone()),
            store,
            tenants,
            metrics,
            lookups,
            position: Position::default(),
            assemblers: HashMap::new(),
            deadlines: BTreeMap::new(),
            made: Vec::new(),
            committing: None,
            unwritten_since: None,
            min_version_interval_ms: Settings::default().min_version_interval_ms,
            needs_rebuild: true,
            must_commit: false,
            tenants_changed,
            clock: Clock::system(),
        }
    }

    fn with_clock(self, clock: Clock) -> Self {
        Self { clock, ..self }
    }

    /// Runs until `stop` is set and everything in the journal has been assembled.
    pub(crate) fn start(
        mut self,
        stop: watch::Receiver<bool>,
        mut requests: mpsc::UnboundedReceiver<AssemblerRequest>,
    ) -> std::io::Result<thread::JoinHandle<()>> {
        let runtime = Handle::current();
        thread::Builder::new().name("assembler".to_owned()).spawn(move || {
            wholecall_store::lower_thread_priority();
            let mut journal = self.store.watch_journal();
            let mut stop = stop;
            loop {
                while let Ok(request) = requests.try_recv() {
                    self.answer(request);
                }
                let step = self.step();
                self.metrics.ingest.assembling.record_step(step.as_ref().err());
                match step {
                    Ok(Progress { is_behind: true, .. }) => continue,
                    Ok(Progress { read: read @ 1.., .. }) => {
                        thread::sleep(MAX_BATCH_WINDOW.min(BATCH_WINDOW_PER_ENTRY * read as u32));
                    }
                    Ok(Progress { read: 0, .. }) if *stop.borrow() => return,
                    Ok(Progress { read: 0, .. }) => {
                        let request = runtime.block_on(self.wait(&mut journal, &mut stop, &mut requests));
                        request.into_iter().for_each(|request| self.answer(request));
                    }
                    Err(error) => {
                        tracing::error!(%error, "assembling failed; it is tried again in a second");
                        if *stop.borrow() {
                            return;
                        }
                        thread::sleep(Duration::from_secs(1));
                        self.needs_rebuild = true;
                    }
                }
            }
        })
    }

    /// Waits for journal entries, a deadline, a request, or the stop.
    async fn wait(
        &mut self,
        journal: &mut watch::Receiver<Position>,
        stop: &mut watch::Receiver<bool>,
        requests: &mut mpsc::UnboundedReceiver<AssemblerRequest>,
    ) -> Option<AssemblerRequest> {
        if *journal.borrow_and_update() > self.position {
            return None;
        }
        let assemblers = self.deadlines.keys().next().map(|(time, _)| *time);
        let deadline = assemblers.into_iter().chain(self.names.next_due()).min();
        let sleep_ms = deadline.map(|time| (time - self.clock.now()).max(0) as u64);
        let sleep = Duration::from_millis(sleep_ms.unwrap_or(MAX_SLEEP_MS));
        tokio::select! {
            _ = journal.changed() => {}
            _ = self.tenants_changed.changed() => self.tenants_changed.mark_changed(),
            _ = stop.changed() => {}
            Some(request) = requests.recv() => return Some(request),
            () = tokio::time::sleep(sleep) => {}
        }
        None
    }

    /// Handles a request between two steps, when the state in memory can be written and read back.
    fn answer(&mut self, request: AssemblerRequest) {
        match request {
            AssemblerRequest::Erase { tenant, number, found, pseudonym_key, who, reply, erasing } => {
                let caught_up = self.catch_up();
                let store = self.store.acting_as(who);
                let result =
                    caught_up.and_then(|()| erasure::erase(&store, tenant, &number, found, &pseudonym_key));
                self.needs_rebuild = true;
                if let Ok(erasure) = &result {
                    let Erasure { pseudonym, calls, notifications, .. } = erasure;
                    let tenant = self.tenant_name(tenant);
                    tracing::info!(tenant, pseudonym, calls, notifications, "a person was erased");
                }
                // The client may have disconnected.
                let _ = reply.send(result);
                drop(erasing);
            }
            AssemblerRequest::Directory { tenant, account } => {
                if let Err(error) = self.load_directory(tenant, &account) {
                    let tenant = self.tenant_name(tenant);
                    tracing::error!(tenant, account, %error, "a new directory could not be read from the store");
                }
            }
        }
    }

    /// Gives the newest directory of an account to its tenant's assembler.
    fn load_directory(&mut self, tenant: TenantId, account: &str) -> Result<(), StoreError> {
        // A new assembler reads all directories of its tenant.
        let Some(assembler) = self.assemblers.get_mut(&tenant) else { return Ok(()) };
        if let Some(directory) = self.directories.newest_of(tenant, account)? {
            assembler.set_directory(Some(account), directory);
        }
        Ok(())
    }

    /// Makes directory versions of the names that were learned until a time.
    fn apply_learned_names(&mut self, now: Time) -> Result<(), StoreError> {
        for (tenant, account) in self.names.store_due(now)? {
            self.load_directory(tenant, &account)?;
        }
        Ok(())
    }

    /// Assembles and commits everything that had arrived when this was called.
    fn catch_up(&mut self) -> Result<(), StoreError> {
        let head = *self.store.watch_journal().borrow();
        loop {
            // At least one step: a rebuild may set the position back.
            self.step()?;
            if self.position >= head {
                return self.finish_commit();
            }
        }
    }

    /// Assembles the next batch, meets the deadlines up to its end, and commits.
    fn step(&mut self) -> Result<Progress, StoreError> {
        if self.needs_rebuild {
            self.rebuild_from_store()?;
        }
        self.follow_tenants();
        let before = self.position;
        let head = *self.store.watch_journal().borrow();
        let entries = self.store.journal_portion(before, MAX_BATCH_ENTRIES, MAX_BATCH_BYTES)?;
        self.throttle_live_updates(entries.first());
        for of_tenant in entries.chunk_by(|one, next| one.tenant == next.tenant) {
            self.receive_all(of_tenant)?;
        }
        self.metrics.count_assembled(entries.len());
        let is_behind = entries.last().is_some_and(|last| last.position < head);
        if !is_behind {
            let now = self.clock.now();
            self.apply_learned_names(now)?;
            self.tick(now);
        }
        if self.position != before || !self.made.is_empty() || self.must_commit {
            self.start_commit()?;
            self.unwritten_since = entries.first().map(|entry| self.arrival(entry));
        }
        // While there are more entries, the next batch is assembled during the commit.
        if !is_behind {
            self.finish_commit()?;
        }
        Ok(Progress { read: entries.len(), is_behind })
    }

    /// Starts to write the changes; waits until those of the previous batch are written.
    fn start_commit(&mut self) -> Result<(), StoreError> {
        let made = std::mem::take(&mut self.made);
        self.metrics.count_changes(&made);
        let assembled = CommitBatch { checkpoint: self.position, changes: made };
        self.committing = Some(self.store.begin_commit(assembled, self.committing.take())?);
        self.must_commit = false;
        Ok(())
    }

    fn finish_commit(&mut self) -> Result<(), StoreError> {
        self.committing.take().map_or(Ok(()), PendingCommit::wait)?;
        self.unwritten_since = None;
        Ok(())
    }

    /// Makes versions of live calls less frequent the further assembling is behind. An intermediate version may be left
    /// out, and that is how assembling catches up; completed calls are published without delay.
    fn throttle_live_updates(&mut self, next: Option<&Entry>) {
        let behind_ms = next.map_or(0, |entry| self.clock.now() - Time::from_millis(entry.arrived_ms));
        let default_ms = Settings::default().min_version_interval_ms;
        let every_ms = default_ms * (1 + behind_ms.max(0) / LAG_STEP_MS).min(MAX_SLOWDOWN);
        if self.min_version_interval_ms != every_ms {
            self.min_version_interval_ms = every_ms;
            self.assemblers
                .values_mut()
                .for_each(|assembler| assembler.set_min_version_interval_ms(every_ms));
        }
    }

    /// Applies changed settings of tenants, and drops the state of removed tenants.
    fn follow_tenants(&mut self) {
        if !self.tenants_changed.has_changed().unwrap_or(false) {
            return;
        }
        self.tenants_changed.mark_unchanged();
        let snapshot = self.tenants.snapshot();
        self.assemblers.retain(|id, _| snapshot.by_id.contains_key(id));
        self.names.retain(|id| snapshot.by_id.contains_key(&id));
        for (&id, assembler) in &mut self.assemblers {
            let Some(tenant) = snapshot.by_id.get(&id) else { continue };
            let settings = settings(&self.store, tenant, self.min_version_interval_ms);
            if *assembler.settings() != settings {
                assembler.set_settings(settings);
                self.deadlines.extend(assembler.next_due().map(|deadline| ((deadline, id), ())));
            }
        }
    }

    /// Assembles consecutive entries of one tenant.
    fn receive_all(&mut self, entries: &[Entry]) -> Result<(), StoreError> {
        let Some(tenant) = entries.first().map(|entry| entry.tenant) else { return Ok(()) };
        // At this level since a batch may have a span for each entry.
        let span = tracing::debug_span!("assemble", tenant = self.tenant_name(tenant));
        let _entered = span.entered();
        for entry in entries {
            let arrived = self.arrival(entry);
            // An evicted call can only be restored from the store, so it must be written before it is evicted.
            if self.unwritten_since.is_some_and(|since| arrived - since > CLOSED_CALL_TTL_MS / 2) {
                self.start_commit()?;
                self.finish_commit()?;
            }
            self.unwritten_since.get_or_insert(arrived);
            self.tick(arrived);
            self.apply_learned_names(arrived)?;
            let received = self.receive(entry);
            let place = || format!("what notification {} is about", entry.position.0);
            self.skip_damaged(received, Some(tenant), place)?;
        }
        Ok(())
    }

    fn receive(&mut self, entry: &Entry) -> Result<(), StoreError> {
        let (tenant, arrived) = (entry.tenant, self.arrival(entry));
        // Calls are restored as of the position before this entry; changes have the position of the entry.
        let before = std::mem::replace(&mut self.position, entry.position);
        let Ok(document) = Document::parse(&entry.body) else { return Ok(()) };
        let Ok(Message::Session(notification)) = document.message() else { return Ok(()) };
        self.metrics.ingest.count_arrival(tenant, arrived, &notification);
        self.names.learn(tenant, arrived, &notification)?;
        for session in self.assembler(tenant)?.unknown_sessions(&notification) {
            if let Some(call) = self.store.of(tenant).call_of_session(&session, before)? {
                self.restore(call, before)?;
            }
        }
        let changes = self.assembler(tenant)?.receive(arrived, &notification);
        self.collect_changes(tenant, arrived, changes);
        Ok(())
    }

    /// Calls the assemblers whose deadline has passed.
    fn tick(&mut self, now: Time) {
        while let Some((&(time, tenant), ())) = self.deadlines.first_key_value()
            && time <= now
        {
            self.deadlines.pop_first();
            let Some(assembler) = self.assemblers.get_mut(&tenant) else { continue };
            let changes = assembler.tick(time.max(now));
            self.collect_changes(tenant, now, changes);
        }
    }

    /// Takes an assembler's changes for the next commit, queues its lookups, and notes its next deadline.
    fn collect_changes(&mut self, tenant: TenantId, now: Time, changes: Vec<Change>) {
        for change in changes {
            self.made.push(NewChange {
                tenant,
                at_ms: now.as_millis(),
                position: self.position,
                what: to_store(change),
            });
        }
        let Some(assembler) = self.assemblers.get_mut(&tenant) else { return };
        let contradictions = assembler.take_contradictions();
        for Lookup { account, session, .. } in assembler.poll_lookups() {
            if let Some(account) = account {
                let (account, session) = (account.to_string(), session.to_string());
                self.lookups.push(LookupRequest { tenant, account, session, logged: None, started_ms: None });
            }
        }
        if let Some(deadline) = assembler.next_due() {
            self.deadlines.insert((deadline, tenant), ());
        }
        self.report_contradictions(tenant, contradictions);
    }

    fn report_contradictions(&self, tenant: TenantId, contradictions: Vec<Contradiction>) {
        if contradictions.is_empty() {
            return;
        }
        self.metrics.count_contradictions(tenant, contradictions.len() as u64);
        let tenant = self.tenant_name(tenant);
        for Contradiction { call, what, .. } in contradictions {
            let what = what.join("; ");
            tracing::error!(tenant, %call, what, "a record contradicted itself: the contradictory parts were removed");
        }
    }

    /// The name of a tenant, for logs. `None` if it was removed.
    fn tenant_name(&self, tenant: TenantId) -> Option<String> {
        self.tenants.with_id(tenant).map(|tenant| tenant.name.clone())
    }

    fn arrival(&self, entry: &Entry) -> Time {
        not_ahead(&self.clock, entry.arrived_ms)
    }

    /// The assembler of a tenant, created if there is none yet.
    fn assembler(&mut self, tenant: TenantId) -> Result<&mut Assembler, StoreError> {
        match self.assemblers.entry(tenant) {
            std::collections::hash_map::Entry::Occupied(known) => Ok(known.into_mut()),
            std::collections::hash_map::Entry::Vacant(new) => {
                let settings = match self.tenants.with_new_id(tenant)? {
                    Some(tenant) => settings(&self.store, &tenant, self.min_version_interval_ms),
                    None => Settings::default(),
                };
                let mut assembler = Assembler::new(settings);
                for (account, directory) in self.directories.newest(tenant)? {
                    assembler.set_directory(Some(&account), directory);
                }
                Ok(new.insert(assembler))
            }
        }
    }
}

/// A stored time. One ahead of the clock counts as now: the clock was wrong when it was stored.
fn not_ahead(clock: &Clock, stored_ms: i64) -> Time {
    Time::from_millis(stored_ms).min(clock.now())
}

/// The assembler's settings for a tenant: the tenant's own where it has any, else the defaults.
fn settings(store: &Store, tenant: &Tenant, min_version_interval_ms: i64) -> Settings {
    let (default, own) = (Settings::default(), &tenant.settings);
    // An unreadable store counts as no connection.
    let is_connected = store.of(tenant.id).is_connected().unwrap_or(false);
    Settings {
        lookup_after_ms: is_connected.then_some(LOOKUP_AFTER_MS),
        settle_ms: own.settle_ms.unwrap_or(default.settle_ms),
        gap_settle_ms: own.gap_settle_ms.unwrap_or(default.gap_settle_ms),
        last_leg_idle_timeout_ms: own.last_leg_stale_ms.unwrap_or(default.last_leg_idle_timeout_ms),
        idle_timeout_ms: own.stale_ms.unwrap_or(default.idle_timeout_ms),
        min_version_interval_ms,
        closed_call_ttl_ms: CLOSED_CALL_TTL_MS,
        ..default
    }
}

fn to_store(change: Change) -> ChangeContent {
    match change {
        Change::Started(call) => ChangeContent::Version { kind: ChangeKind::Started, call },
        Change::Updated(call) => ChangeContent::Version { kind: ChangeKind::Updated, call },
        Change::Completed(call) => ChangeContent::Version { kind: ChangeKind::Completed, call },
        Change::Revised { call, .. } => ChangeContent::Version { kind: ChangeKind::Revised, call },
        Change::Merged { id, into, .. } => ChangeContent::Merged { id, into },
    }
}

#[cfg(test)]
mod tests;
