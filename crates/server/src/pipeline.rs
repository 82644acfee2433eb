//! From the journal to calls: the one place where the assembler runs.
//!
//! It follows the journal, whoever wrote to it, and commits what came of it together with how far it has
//! read, so that whatever dies when, each change is made once. Time is when a notification arrived, as the
//! journal has it; between notifications, the wall clock.

use std::{
    collections::{BTreeMap, HashMap},
    thread,
    time::Duration,
};

use tokio::{
    runtime::Handle,
    sync::{mpsc, oneshot, watch},
};
use wholecall_assembly::{Assembler, Change, Contradiction, Left, Question, Settings};
use wholecall_notification::{Document, Message};
use wholecall_record::Time;
use wholecall_store::{
    Assembled, ChangeKind, Committing, Entry, Erasure, Made, Position, Store, StoreError, StoredCall,
    TenantId, VersionKind, Who,
};

use crate::{
    clock::Clock,
    connection::{Asker, Asking},
    directories::Directories,
    learnt_names::LearntNames,
    metrics::Metrics,
    privacy::erasure,
    quotas::PendingErasure,
    tenants::{Tenant, Tenants},
};

/// So much of the journal is read at once: what comes of it is one transaction, and whoever waits for the disk meanwhile,
/// waits for all of it.
const READ_AT_ONCE: usize = 1_000;
const READ_AT_ONCE_BYTES: usize = 8 << 20;

/// For each notification that was read so long more are let come, but not longer than so long: under load what changes
/// often is written once for many, and without load nobody waits.
const GATHER_EACH: Duration = Duration::from_micros(250);
const GATHER: Duration = Duration::from_millis(15);

/// A closed call stays in memory for what comes a little late, and for the twin of a RingOut; what comes later brings it
/// back from the store.
const KEEP_CLOSED_MS: i64 = 75_000;

/// For each such stretch that assembling is behind, live calls are told of that much more seldom, but not more than so
/// much.
const BEHIND_MS: i64 = 250;
const SELDOM: i64 = 10;

/// Silence after which RingCentral is asked for what seems to be lost of a call: what is only late has come by then, and
/// a call with a gap is not closed yet.
const ASK_AFTER_MS: i64 = 5_000;

/// What calls look related to is restored with them, up to so many.
const RESTORED_TOGETHER: usize = 64;

/// What is asked of the one who assembles.
pub(crate) enum Request {
    /// A person is to be erased.
    Erase {
        tenant: TenantId,
        number: String,
        found: erasure::NumberSearch,
        pseudonym_key: Vec<u8>,
        /// Who wants it.
        who: Who,
        reply: oneshot::Sender<Result<Erasure, StoreError>>,
        /// Counts it until it is done, whether anybody waits for it or not.
        erasing: PendingErasure,
    },
    /// There is a newer directory of an account.
    Directory { tenant: TenantId, account: String },
}

/// What a step came to.
struct Progress {
    /// How many notifications it read.
    read: usize,
    /// Whether there were more when it began.
    is_behind: bool,
}

/// Assembles until it is told to stop.
pub(crate) struct Pipeline {
    store: Store,
    tenants: std::sync::Arc<Tenants>,
    directories: Directories,
    names: LearntNames,
    metrics: Metrics,
    asker: Asker,
    position: Position,
    assemblers: HashMap<TenantId, Assembler>,
    /// When which assembler wants to be called.
    due: BTreeMap<(Time, TenantId), ()>,
    made: Vec<Made>,
    /// What was made last, while it is being written.
    committing: Option<Committing>,
    /// When the first of that arrived which may not be written yet.
    unwritten_since: Option<Time>,
    /// How far apart the versions of a live call are.
    version_every_ms: i64,
    /// What is in memory may be ahead of the store: it is to be made anew from there.
    is_stale: bool,
    /// Nothing is received after a commit that failed, until one is durable: it is tried with whatever there is.
    must_commit: bool,
    tenants_changed: watch::Receiver<i64>,
    clock: Clock,
}

impl Pipeline {
    /// One that goes on where the last one left off, once it has restored what that had in memory: that is the first
    /// thing that its thread does, so that notifications are acknowledged meanwhile.
    pub(crate) fn new(
        store: Store,
        tenants: std::sync::Arc<Tenants>,
        metrics: Metrics,
        asker: Asker,
    ) -> Self {
        let tenants_changed = tenants.watch();
        Self {
            directories: Directories::new(store.clone()),
            names: LearntNames::new(store.clone()),
            store,
            tenants,
            metrics,
            asker,
            position: Position::default(),
            assemblers: HashMap::new(),
            due: BTreeMap::new(),
            made: Vec::new(),
            committing: None,
            unwritten_since: None,
            version_every_ms: Settings::default().version_every_ms,
            is_stale: true,
            must_commit: false,
            tenants_changed,
            clock: Clock::system(),
        }
    }

    /// One that goes by another clock.
    fn by(self, clock: Clock) -> Self {
        Self { clock, ..self }
    }

    /// Restores what the last one had in memory.
    fn resume(&mut self) -> Result<(), StoreError> {
        self.position = self.store.checkpoint()?;
        let recent = self.store.recent_calls(self.position, KEEP_CLOSED_MS);
        let recent = self.pass_over(recent, None, || "calls of before the start".to_owned())?;
        for recent in recent.unwrap_or_default() {
            let call = self.store.recent_call(recent, self.position);
            let call = self.pass_over(call, None, || "a call of before the start".to_owned())?;
            let Some(call) = call.flatten() else { continue };
            let (tenant, session) = (call.tenant, call.record.as_ref().map(|record| record.id.to_string()));
            let restored = self.restore(call, self.position);
            self.pass_over(restored, Some(tenant), || match session {
                Some(id) => format!("call {id}"),
                None => "a session without a call".to_owned(),
            })?;
        }
        self.is_stale = false;
        Ok(())
    }

    /// What was done, or nothing where something kept could not be read, which is noted: of one call, not of the others.
    fn pass_over<T>(
        &self,
        done: Result<T, StoreError>,
        tenant: Option<TenantId>,
        place: impl FnOnce() -> String,
    ) -> Result<Option<T>, StoreError> {
        match done {
            Ok(value) => Ok(Some(value)),
            Err(error @ StoreError::Damaged(_)) => {
                self.store.note_damage(tenant, place(), &error);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Runs on a thread of its own until `stop` is set and everything in the journal has been assembled.
    pub(crate) fn start(
        mut self,
        stop: watch::Receiver<bool>,
        mut requests: mpsc::UnboundedReceiver<Request>,
    ) -> std::io::Result<thread::JoinHandle<()>> {
        let runtime = Handle::current();
        thread::Builder::new().name("assembler".to_owned()).spawn(move || {
            wholecall_store::step_back();
            let mut journal = self.store.watch_journal();
            let mut stop = stop;
            loop {
                while let Ok(request) = requests.try_recv() {
                    self.answer(request);
                }
                let step = self.step();
                self.metrics.health.assembling.step(step.as_ref().err());
                match step {
                    Ok(Progress { is_behind: true, .. }) => continue,
                    Ok(Progress { read: read @ 1.., .. }) => {
                        thread::sleep(GATHER.min(GATHER_EACH * read as u32));
                    }
                    Ok(Progress { read: 0, .. }) if *stop.borrow() => return,
                    Ok(Progress { read: 0, .. }) => {
                        let request = runtime.block_on(self.wait(&mut journal, &mut stop, &mut requests));
                        request.into_iter().for_each(|request| self.answer(request));
                    }
                    Err(error) => {
                        tracing::error!(%error, "assembling stopped; it will be tried again in a second");
                        if *stop.borrow() {
                            return;
                        }
                        thread::sleep(Duration::from_secs(1));
                        self.is_stale = true;
                    }
                }
            }
        })
    }

    /// Waits for more of the journal, for what is due, or for the end.
    async fn wait(
        &mut self,
        journal: &mut watch::Receiver<Position>,
        stop: &mut watch::Receiver<bool>,
        requests: &mut mpsc::UnboundedReceiver<Request>,
    ) -> Option<Request> {
        if *journal.borrow_and_update() > self.position {
            return None;
        }
        let due =
            self.due.keys().next().map(|(time, _)| *time).into_iter().chain(self.names.next_due()).min();
        let due = due.map(|time| (time - self.clock.now()).max(0) as u64);
        let sleep = Duration::from_millis(due.unwrap_or(60_000));
        tokio::select! {
            _ = journal.changed() => {}
            _ = self.tenants_changed.changed() => self.tenants_changed.mark_changed(),
            _ = stop.changed() => {}
            Some(request) = requests.recv() => return Some(request),
            () = tokio::time::sleep(sleep) => {}
        }
        None
    }

    /// Between two steps what is in the store can be changed there and read back, once it is all there.
    fn answer(&mut self, request: Request) {
        match request {
            Request::Erase { tenant, number, found, pseudonym_key, who, reply, erasing } => {
                let caught_up = self.catch_up();
                let store = self.store.acting_as(who);
                let result =
                    caught_up.and_then(|()| erasure::erase(&store, tenant, &number, found, &pseudonym_key));
                self.is_stale = true;
                if let Ok(erasure) = &result {
                    let Erasure { pseudonym, calls, notifications, .. } = erasure;
                    let tenant = tenant.number();
                    tracing::info!(tenant, pseudonym, calls, notifications, "a person was erased");
                }
                // Whoever asked may have gone; it is done all the same.
                let _ = reply.send(result);
                drop(erasing);
            }
            Request::Directory { tenant, account } => {
                if let Err(error) = self.follow_directory(tenant, &account) {
                    tracing::error!(account, %error, "a directory could not be read back");
                }
            }
        }
    }

    /// Takes over the newest directory of an account.
    fn follow_directory(&mut self, tenant: TenantId, account: &str) -> Result<(), StoreError> {
        // Who has no assembler yet finds it when there is one.
        let Some(assembler) = self.assemblers.get_mut(&tenant) else { return Ok(()) };
        if let Some(directory) = self.directories.newest_of(tenant, account)? {
            assembler.set_directory(Some(account), directory);
        }
        Ok(())
    }

    /// Takes up the names that were learnt until a time into directories.
    fn take_up_names(&mut self, now: Time) -> Result<(), StoreError> {
        for (tenant, account) in self.names.store_due(now)? {
            self.follow_directory(tenant, &account)?;
        }
        Ok(())
    }

    /// Assembles everything that had arrived when this was asked for.
    fn catch_up(&mut self) -> Result<(), StoreError> {
        let head = *self.store.watch_journal().borrow();
        loop {
            // At least one: how far it is shows when it is not stale.
            self.step()?;
            if self.position >= head {
                return self.finish_commit();
            }
        }
    }

    /// Makes everything anew from the store.
    fn start_over(&mut self) -> Result<(), StoreError> {
        // Why it failed has been told, or the next one will fail by it.
        let _ = self.finish_commit();
        let Self { store, tenants, metrics, asker, clock, .. } = &*self;
        let anew = Self::new(store.clone(), tenants.clone(), metrics.clone(), asker.clone());
        *self = anew.by(clock.clone());
        self.resume()?;
        self.must_commit = true;
        Ok(())
    }

    /// Reads on, does what is due, and commits.
    fn step(&mut self) -> Result<Progress, StoreError> {
        if self.is_stale {
            self.start_over()?;
        }
        self.follow_tenants();
        let before = self.position;
        let head = *self.store.watch_journal().borrow();
        let entries = self.store.journal_portion(before, READ_AT_ONCE, READ_AT_ONCE_BYTES)?;
        self.keep_pace(entries.first());
        for entry in &entries {
            let arrived = self.arrival(entry);
            // What is let go of can be read back: it is in the store by then.
            if self.unwritten_since.is_some_and(|since| arrived - since > KEEP_CLOSED_MS / 2) {
                self.begin_commit()?;
                self.finish_commit()?;
            }
            self.unwritten_since.get_or_insert(arrived);
            self.tick(arrived);
            self.take_up_names(arrived)?;
            let received = self.receive(entry);
            let place = || format!("what notification {} is about", entry.position.0);
            self.pass_over(received, Some(entry.tenant), place)?;
        }
        self.metrics.assembled(entries.len());
        let is_behind = entries.last().is_some_and(|last| last.position < head);
        if !is_behind {
            let now = self.clock.now();
            self.take_up_names(now)?;
            self.tick(now);
        }
        if self.position != before || !self.made.is_empty() || self.must_commit {
            self.begin_commit()?;
            self.unwritten_since = entries.first().map(|entry| self.arrival(entry));
        }
        // While there is more to do, it is done while this is being written.
        if !is_behind {
            self.finish_commit()?;
        }
        Ok(Progress { read: entries.len(), is_behind })
    }

    /// Begins to write what was made; what was begun before is written by then.
    fn begin_commit(&mut self) -> Result<(), StoreError> {
        let made = std::mem::take(&mut self.made);
        self.metrics.made(&made);
        let assembled = Assembled { checkpoint: self.position, made };
        self.committing = Some(self.store.begin_commit(assembled, self.committing.take())?);
        self.must_commit = false;
        Ok(())
    }

    fn finish_commit(&mut self) -> Result<(), StoreError> {
        self.committing.take().map_or(Ok(()), Committing::wait)?;
        self.unwritten_since = None;
        Ok(())
    }

    /// The further assembling is behind, the more seldom live calls are told of: what nobody has heard yet may be left
    /// out, and that is how it catches up. What is over is told as soon as ever.
    fn keep_pace(&mut self, next: Option<&Entry>) {
        let behind_ms = next.map_or(0, |entry| self.clock.now() - Time::from_millis(entry.arrived_ms));
        let usual_ms = Settings::default().version_every_ms;
        let every_ms = usual_ms * (1 + behind_ms.max(0) / BEHIND_MS).min(SELDOM);
        if self.version_every_ms != every_ms {
            self.version_every_ms = every_ms;
            self.assemblers.values_mut().for_each(|assembler| assembler.set_version_every_ms(every_ms));
        }
    }

    /// Takes over what tenants want otherwise now, and lets go of those that were removed.
    fn follow_tenants(&mut self) {
        if !self.tenants_changed.has_changed().unwrap_or(false) {
            return;
        }
        self.tenants_changed.mark_unchanged();
        let known = self.tenants.now();
        self.assemblers.retain(|id, _| known.by_id.contains_key(id));
        self.names.retain(|id| known.by_id.contains_key(&id));
        for (&id, assembler) in &mut self.assemblers {
            let Some(tenant) = known.by_id.get(&id) else { continue };
            let wanted = settings(&self.store, tenant, self.version_every_ms);
            if *assembler.settings() != wanted {
                assembler.set_settings(wanted);
                self.due.extend(assembler.next_due().map(|due| ((due, id), ())));
            }
        }
    }

    fn receive(&mut self, entry: &Entry) -> Result<(), StoreError> {
        let (tenant, arrived) = (entry.tenant, self.arrival(entry));
        // What is restored is as of before this entry, what is made is as of after it.
        let before = std::mem::replace(&mut self.position, entry.position);
        let Ok(document) = Document::parse(&entry.body) else { return Ok(()) };
        let Ok(Message::Session(notification)) = document.message() else { return Ok(()) };
        self.metrics.health.arrived(tenant, arrived, &notification);
        self.names.learn(tenant, arrived, &notification)?;
        for session in self.assembler(tenant)?.unknown_sessions(&notification) {
            if let Some(call) = self.store.of(tenant).call_of_session(&session, before)? {
                self.restore(call, before)?;
            }
        }
        let changes = self.assembler(tenant)?.receive(arrived, &notification);
        self.note(tenant, arrived, changes);
        Ok(())
    }

    /// Does what is due by a time.
    fn tick(&mut self, now: Time) {
        while let Some((&(time, tenant), ())) = self.due.first_key_value()
            && time <= now
        {
            self.due.pop_first();
            let Some(assembler) = self.assemblers.get_mut(&tenant) else { continue };
            let changes = assembler.tick(time.max(now));
            self.note(tenant, now, changes);
        }
    }

    /// Keeps what an assembler has made, and when it wants to be called again.
    fn note(&mut self, tenant: TenantId, now: Time, changes: Vec<Change>) {
        for change in changes {
            self.made.push(Made {
                tenant,
                at_ms: now.as_millis(),
                position: self.position,
                what: to_store(change),
            });
        }
        let Some(assembler) = self.assemblers.get_mut(&tenant) else { return };
        let contradictions = assembler.take_contradictions();
        if !contradictions.is_empty() {
            self.metrics.contradicted(tenant, contradictions.len() as u64);
        }
        for Contradiction { call, what } in contradictions {
            let (tenant, what) = (tenant.number(), what.join("; "));
            tracing::error!(tenant, %call, what, "a record contradicted itself: what remained true was published");
        }
        for Question { account, session } in assembler.take_questions() {
            if let Some(account) = account {
                let (account, session) = (account.to_string(), session.to_string());
                self.asker.ask(Asking { tenant, account, session, logged: None, begun_ms: None });
            }
        }
        if let Some(due) = assembler.next_due() {
            self.due.insert((due, tenant), ());
        }
    }

    /// When a notification arrived.
    fn arrival(&self, entry: &Entry) -> Time {
        not_ahead(&self.clock, entry.arrived_ms)
    }

    fn assembler(&mut self, tenant: TenantId) -> Result<&mut Assembler, StoreError> {
        match self.assemblers.entry(tenant) {
            std::collections::hash_map::Entry::Occupied(known) => Ok(known.into_mut()),
            std::collections::hash_map::Entry::Vacant(new) => {
                let settings = match self.tenants.with_new_id(tenant)? {
                    Some(tenant) => settings(&self.store, &tenant, self.version_every_ms),
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

    /// Brings a call back into memory, with those it looks related to as of a position of the journal.
    fn restore(&mut self, call: StoredCall, position: Position) -> Result<(), StoreError> {
        let tenant = call.tenant;
        let mut waiting = vec![call];
        let mut restored = 0;
        while let Some(call) = waiting.pop() {
            let assembler = self.assembler(tenant)?;
            let is_known = call.entries.iter().any(|entry| is_known(assembler, &entry.body));
            if is_known || restored == RESTORED_TOGETHER {
                continue;
            }
            restored += 1;
            let directory = match &call.record {
                Some(record) => self.directories.of_record(tenant, record)?,
                None => None,
            };
            let Some(assembler) = self.assemblers.get_mut(&tenant) else { return Ok(()) };
            let made_at = not_ahead(&self.clock, call.made_ms);
            let mut restoring = assembler.restore(Left {
                record: call.record,
                made_at,
                completed: call.completed,
                directory,
            });
            for entry in &call.entries {
                let Ok(document) = Document::parse(&entry.body) else { continue };
                let Ok(Message::Session(notification)) = document.message() else { continue };
                // What was learnt from it may not have been taken up before.
                let arrived = not_ahead(&self.clock, entry.arrived_ms);
                self.names.learn(tenant, arrived, &notification)?;
                let told = entry.position <= call.position;
                restoring.add(arrived, told, &notification);
            }
            let related = restoring.finish();
            if let Some(due) = assembler.next_due() {
                self.due.insert((due, tenant), ());
            }
            for id in related {
                waiting.extend(self.store.of(tenant).call_of_session(&id, position)?);
            }
        }
        Ok(())
    }
}

/// A time that was kept; one ahead of the clock counts as now, since the clock was wrong then.
fn not_ahead(clock: &Clock, kept_ms: i64) -> Time {
    Time::from_millis(kept_ms).min(clock.now())
}

fn is_known(assembler: &Assembler, body: &str) -> bool {
    let Ok(document) = Document::parse(body) else { return false };
    match document.message() {
        Ok(Message::Session(notification)) => {
            assembler.knows(notification.account_id(), notification.session_id())
        }
        _ => false,
    }
}

fn settings(store: &Store, tenant: &Tenant, version_every_ms: i64) -> Settings {
    let (usual, wanted) = (Settings::default(), &tenant.settings);
    // Whoever cannot be asked is not: that this could not be found out is the same.
    let can_ask = store.of(tenant.id).is_connected().unwrap_or(false);
    Settings {
        ask_after_ms: can_ask.then_some(ASK_AFTER_MS),
        settle_ms: wanted.settle_ms.unwrap_or(usual.settle_ms),
        gap_settle_ms: wanted.gap_settle_ms.unwrap_or(usual.gap_settle_ms),
        last_leg_silent_ms: wanted.last_leg_stale_ms.unwrap_or(usual.last_leg_silent_ms),
        silent_ms: wanted.stale_ms.unwrap_or(usual.silent_ms),
        version_every_ms,
        keep_closed_ms: KEEP_CLOSED_MS,
        ..usual
    }
}

fn to_store(change: Change) -> VersionKind {
    match change {
        Change::Started(call) => VersionKind::Version { kind: ChangeKind::Started, call },
        Change::Updated(call) => VersionKind::Version { kind: ChangeKind::Updated, call },
        Change::Completed(call) => VersionKind::Version { kind: ChangeKind::Completed, call },
        Change::Revised { call, .. } => VersionKind::Version { kind: ChangeKind::Revised, call },
        Change::Merged { id, into, .. } => VersionKind::Merged { id, into },
    }
}

#[cfg(test)]
mod tests;
