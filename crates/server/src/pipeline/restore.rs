//! Brings calls from the store back into memory: at a start, after a failed commit, and when a notification arrives for
//! a call that was evicted.

use wholecall_assembly::{Assembler, CallSnapshot};
use wholecall_notification::{Document, Message};
use wholecall_store::{Position, StoreError, StoredCall, TenantId};

use super::{CLOSED_CALL_TTL_MS, Pipeline, not_ahead};

/// Maximum number of calls restored together: a call and those that it looks related to.
const MAX_RESTORED_TOGETHER: usize = 64;

impl Pipeline {
    /// Discards the state in memory and restores it from the store.
    pub(super) fn rebuild_from_store(&mut self) -> Result<(), StoreError> {
        // A failure was logged when it happened, or makes the next commit fail too.
        let _ = self.finish_commit();
        let Self { store, tenants, metrics, lookups, clock, .. } = &*self;
        let fresh = Self::new(store.clone(), tenants.clone(), metrics.clone(), lookups.clone());
        *self = fresh.with_clock(clock.clone());
        self.restore_recent_calls()?;
        self.must_commit = true;
        Ok(())
    }

    /// Restores the calls that were in memory at the checkpoint.
    fn restore_recent_calls(&mut self) -> Result<(), StoreError> {
        self.position = self.store.checkpoint()?;
        let recent = self.store.recent_calls(self.position, CLOSED_CALL_TTL_MS);
        let recent = self.skip_damaged(recent, None, || "calls of before the start".to_owned())?;
        for recent in recent.unwrap_or_default() {
            let call = self.store.recent_call(recent, self.position);
            let call = self.skip_damaged(call, None, || "a call of before the start".to_owned())?;
            let Some(call) = call.flatten() else { continue };
            let (tenant, session) = (call.tenant, call.record.as_ref().map(|record| record.id.to_string()));
            let restored = self.restore(call, self.position);
            self.skip_damaged(restored, Some(tenant), || match session {
                Some(id) => format!("call {id}"),
                None => "a session without a call".to_owned(),
            })?;
        }
        self.needs_rebuild = false;
        Ok(())
    }

    /// `None` if something stored could not be read: that is reported, and costs one call, not the others.
    pub(super) fn skip_damaged<T>(
        &self,
        result: Result<T, StoreError>,
        tenant: Option<TenantId>,
        place: impl FnOnce() -> String,
    ) -> Result<Option<T>, StoreError> {
        match result {
            Ok(value) => Ok(Some(value)),
            Err(error @ StoreError::Damaged(_)) => {
                self.store.note_damage(tenant, place(), &error);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Restores a call, and those that it looks related to, as of a position of the journal.
    pub(super) fn restore(&mut self, call: StoredCall, position: Position) -> Result<(), StoreError> {
        let tenant = call.tenant;
        let mut pending = vec![call];
        let mut restored = 0;
        while let Some(call) = pending.pop() {
            let assembler = self.assembler(tenant)?;
            let is_in_memory = call.entries.iter().any(|entry| is_known(assembler, &entry.body));
            if is_in_memory || restored == MAX_RESTORED_TOGETHER {
                continue;
            }
            restored += 1;
            let directory = match &call.record {
                Some(record) => self.directories.of_record(tenant, record)?,
                None => None,
            };
            let Some(assembler) = self.assemblers.get_mut(&tenant) else { return Ok(()) };
            let published_at = not_ahead(&self.clock, call.created_ms);
            let mut restoring = assembler.restore(CallSnapshot {
                record: call.record,
                published_at,
                is_completed: call.completed,
                directory,
            });
            for entry in &call.entries {
                let Ok(document) = Document::parse(&entry.body) else { continue };
                let Ok(Message::Session(notification)) = document.message() else { continue };
                // A name learned from it may not have been stored before the restart.
                let arrived = not_ahead(&self.clock, entry.arrived_ms);
                self.names.learn(tenant, arrived, &notification)?;
                let is_published = entry.position <= call.position;
                restoring.add(arrived, is_published, &notification);
            }
            let related = restoring.finish();
            if let Some(deadline) = assembler.next_due() {
                self.deadlines.insert((deadline, tenant), ());
            }
            for id in related {
                pending.extend(self.store.of(tenant).call_of_session(&id, position)?);
            }
        }
        Ok(())
    }
}

fn is_known(assembler: &Assembler, body: &str) -> bool {
    let Ok(document) = Document::parse(body) else { return false };
    match document.message() {
        Ok(Message::Session(notification)) => {
            assembler.contains_session(notification.account_id(), notification.session_id())
        }
        _ => false,
    }
}
