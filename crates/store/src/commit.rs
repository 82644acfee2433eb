//! Commits assembled calls: records, the feed of changes, the search index and the checkpoint, all in one
//! transaction.

use rusqlite::{Transaction, params};
use wholecall_record::{Call, CallId, WriteJson};

use crate::{
    Position, Store, TenantId,
    call_row::{CallRow, Columns},
    changes::ChangeKind,
    codec::{self, Kind},
    damage::DamageLog,
    error::{Result, StoreError},
    journal, queue_visits,
    search_index::{self, IndexEntry},
    writer::Started,
    writer_caches::WriterCaches,
};

/// The result of assembling the journal up to a position.
#[derive(Debug)]
pub struct CommitBatch {
    /// The position up to which the journal has been assembled.
    pub checkpoint: Position,
    /// The new versions and mergings, in the order in which they are published.
    pub changes: Vec<NewChange>,
}

/// A new version of a call, or a merging.
#[derive(Debug)]
pub struct NewChange {
    /// The tenant of the call.
    pub tenant: TenantId,
    /// When it was created, milliseconds since 1970.
    pub at_ms: i64,
    /// The journal position up to which notifications are included.
    pub position: Position,
    /// The content.
    pub what: ChangeContent,
}

/// The content of a change.
#[derive(Debug)]
pub enum ChangeContent {
    /// A version of a call.
    Version {
        /// The kind of version; never [`ChangeKind::Merged`].
        kind: ChangeKind,
        /// The record.
        call: Box<Call>,
    },
    /// A published call was merged into another.
    Merged {
        /// The id of the call that was merged.
        id: CallId,
        /// The id of the remaining call.
        into: CallId,
    },
}

/// A commit that has been started.
#[derive(Debug)]
pub struct PendingCommit {
    store: Store,
    checkpoint: Position,
    started: Result<Started<()>>,
}

impl PendingCommit {
    /// Waits until it is durable. After a failure nothing is appended until a later commit succeeds. Blocks.
    pub fn wait(self) -> Result<()> {
        let Self { store, checkpoint, started } = self;
        let result = started.and_then(Started::wait);
        *store.commit_failure() = result.as_ref().err().map(StoreError::repeat);
        result?;
        store.shared.arrivals.mark_journaled(checkpoint);
        Ok(())
    }
}

impl Store {
    /// Writes assembled calls, moves their notifications into the journal, and waits until both are durable. Blocks.
    pub fn commit(&self, assembled: CommitBatch) -> Result<()> {
        self.begin_commit(assembled, None)?.wait()
    }

    /// The same without waiting, except for `before`, the previous commit. Blocks.
    pub fn begin_commit(
        &self,
        assembled: CommitBatch,
        before: Option<PendingCommit>,
    ) -> Result<PendingCommit> {
        let CommitBatch { checkpoint, changes: made } = assembled;
        // Compressed here, because other callers wait for the writer.
        let packed = made.iter().map(|made| pack(&made.what)).collect::<Result<Vec<_>>>();
        before.map_or(Ok(()), PendingCommit::wait)?;
        let started = packed.and_then(|packed| self.start_commit(checkpoint, made, packed));
        Ok(PendingCommit { store: self.clone(), checkpoint, started })
    }

    fn start_commit(
        &self,
        checkpoint: Position,
        made: Vec<NewChange>,
        packed: Vec<Vec<u8>>,
    ) -> Result<Started<()>> {
        let received = self.shared.arrivals.unjournaled_until(checkpoint)?;
        let durable = *self.shared.journal.borrow();
        self.writer().start_job(move |transaction, caches| {
            for (made, packed) in made.iter().zip(&packed) {
                match &made.what {
                    ChangeContent::Version { kind, call } => {
                        add_version(transaction, caches, made, *kind, call, packed)?
                    }
                    ChangeContent::Merged { id, into } => merge(transaction, caches, made, id, into, packed)?,
                }
            }
            // After the versions: most of the sessions have been assigned to calls by now.
            received.iter().try_for_each(|received| journal::add(transaction, caches, received))?;
            transaction
                .prepare_cached(
                    "UPDATE checkpoint SET position = max(position, ?1), cursor = ?2, durable_position = max(durable_position, ?3)",
                )?
                .execute(params![checkpoint.0, caches.cursor.0, durable.0])?;
            Ok(())
        })
    }
}

/// The feed's record, compressed.
fn pack(what: &ChangeContent) -> Result<Vec<u8>> {
    let mut text = Vec::new();
    match what {
        ChangeContent::Version { call, .. } => call.write_json(&mut text),
        ChangeContent::Merged { id, into } => {
            text.extend(serde_json::json!({ "id": &**id, "into": &**into }).to_string().bytes());
        }
    }
    codec::pack(Kind::Record, &text)
}

fn add_version(
    transaction: &Transaction<'_>,
    caches: &mut WriterCaches,
    made: &NewChange,
    kind: ChangeKind,
    record: &Call,
    packed: &[u8],
) -> Result<()> {
    let tenant = made.tenant.0;
    let before = match caches.calls.get(tenant, &[&record.id]) {
        Some(before) => Some(before.clone()),
        None => call_row(transaction, &caches.damages, tenant, &record.id)?,
    };
    let call = match &before {
        Some(before) => before.call,
        None => next_call(transaction, caches)?,
    };
    let columns = Columns::of(record);
    let index_entry = IndexEntry {
        tenant,
        call,
        start_ms: columns.start_ms,
        before: before.as_ref().map(|before| (before.start_ms, &before.terms[..])),
        was_completed: before.as_ref().is_some_and(|before| before.completed),
    };
    let terms = search_index::upsert(transaction, &mut caches.terms, &index_entry, record)?;
    let cursor =
        add_change(transaction, caches, made, FeedEntry { call, kind, version: record.version, packed })?;
    let completed = matches!(kind, ChangeKind::Completed | ChangeKind::Revised)
        || before.as_ref().is_some_and(|before| before.completed);
    let sql = match &before {
        None => INSERT_CALL,
        Some(before) if before.index_keys_unchanged(&columns) => UPDATE_CALL,
        Some(_) => UPDATE_INDEXED_CALL,
    };
    transaction.prepare_cached(sql)?.execute(params![
        call,
        tenant,
        &*record.id,
        cursor.0,
        made.position.0,
        completed,
        columns.start_ms,
        columns.end_ms,
        columns.state,
        columns.direction,
        columns.result,
        columns.wait_ms,
        columns.talk_ms,
        columns.hold_ms,
        columns.transfers,
        search_index::encode_terms(&terms),
        columns.end_state,
    ])?;
    // Completed calls rarely change again.
    if completed {
        caches.calls.remove(tenant, &[&record.id]);
    } else {
        let Columns { start_ms, state, result, .. } = columns;
        let now = CallRow { call, start_ms, state: state.into(), result: result.into(), terms, completed };
        caches.calls.insert(tenant, &[&record.id], now);
    }
    assign_sessions(transaction, caches, tenant, call, record)
}

const INSERT_CALL: &str = "INSERT INTO calls
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)";

/// Changes no indexed column.
const UPDATE_CALL: &str =
    "UPDATE calls SET cursor = ?4, position = ?5, completed = ?6, end_ms = ?8, direction = ?10,
    wait_ms = ?12, talk_ms = ?13, hold_ms = ?14, transfers = ?15, terms = ?16, end_state = ?17 WHERE call = ?1";

const UPDATE_INDEXED_CALL: &str =
    "UPDATE calls SET cursor = ?4, position = ?5, completed = ?6, start_ms = ?7,
    end_ms = ?8, state = ?9, direction = ?10, result = ?11, wait_ms = ?12, talk_ms = ?13, hold_ms = ?14,
    transfers = ?15, terms = ?16, end_state = ?17 WHERE call = ?1";

/// Assigns sessions to a call, also those that only a link names: if one of these is received later, it belongs to
/// this call unless another call has it.
fn assign_sessions(
    transaction: &Transaction<'_>,
    caches: &mut WriterCaches,
    tenant: i64,
    call: i64,
    record: &Call,
) -> Result<()> {
    let mut assign = transaction.prepare_cached(
        "INSERT INTO sessions (call, tenant, id) VALUES (?1, ?2, ?3)
         ON CONFLICT (tenant, id) DO UPDATE SET call = excluded.call
         WHERE call IS NOT excluded.call AND (?4 OR call IS NULL)",
    )?;
    for session in &record.sessions {
        let id = &*session.telephony_session_id;
        let cached = caches.sessions.get(tenant, &[id]);
        if cached.as_ref().is_some_and(|cached| cached.call == Some(call)) {
            continue;
        }
        assign.execute(params![call, tenant, id, session.seen])?;
        if let Some(cached) = cached.filter(|_| session.seen) {
            cached.call = Some(call);
        }
    }
    Ok(())
}

fn next_call(transaction: &Transaction<'_>, caches: &mut WriterCaches) -> Result<i64> {
    // Rows of `changes` remain after their call was merged away: its number must not be assigned again.
    let last = "SELECT max((SELECT coalesce(max(call), 0) FROM calls), (SELECT coalesce(max(call), 0) FROM changes))";
    let last = match caches.last_call {
        Some(last) => last,
        None => transaction.prepare_cached(last)?.query_row([], |row| row.get(0))?,
    };
    caches.last_call = Some(last + 1);
    Ok(last + 1)
}

/// The terms of a call. If the list is damaged, the call's index entries are removed, and the next version enters it
/// again.
fn readable_terms(
    transaction: &Transaction<'_>,
    damages: &DamageLog,
    tenant: i64,
    call: i64,
    listed: Vec<u8>,
) -> Result<Vec<i64>> {
    let read = search_index::decode_terms(&listed);
    let terms = damages.skip_damaged(read, Some(tenant), || format!("terms of call number {call}"))?;
    if terms.is_none() {
        transaction.execute("DELETE FROM call_terms WHERE call = ?1", [call])?;
        queue_visits::remove(transaction, call)?;
    }
    Ok(terms.unwrap_or_default())
}

fn call_row(
    transaction: &Transaction<'_>,
    damages: &DamageLog,
    tenant: i64,
    id: &str,
) -> Result<Option<CallRow>> {
    let sql =
        "SELECT call, start_ms, state, result, terms, completed FROM calls WHERE tenant = ?1 AND id = ?2";
    let mut statement = transaction.prepare_cached(sql)?;
    let mut rows = statement.query(params![tenant, id])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    Ok(Some(CallRow {
        call: row.get(0)?,
        start_ms: row.get(1)?,
        state: row.get::<_, String>(2)?.into(),
        result: row.get::<_, String>(3)?.into(),
        terms: readable_terms(transaction, damages, tenant, row.get(0)?, row.get(4)?)?,
        completed: row.get(5)?,
    }))
}

/// An entry of the feed.
struct FeedEntry<'a> {
    call: i64,
    kind: ChangeKind,
    version: u64,
    packed: &'a [u8],
}

fn add_change(
    transaction: &Transaction<'_>,
    caches: &mut WriterCaches,
    made: &NewChange,
    entry: FeedEntry<'_>,
) -> Result<Position> {
    let cursor = caches.cursor.next();
    let FeedEntry { call, kind, version, packed } = entry;
    transaction
        .prepare_cached("INSERT INTO changes VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")?
        .execute(params![cursor.0, made.tenant.0, call, kind.as_str(), version as i64, made.at_ms, packed])?;
    caches.cursor = cursor;
    Ok(cursor)
}

/// Merges a call into another: its versions stay in the feed, but it is no longer found.
fn merge(
    transaction: &Transaction<'_>,
    caches: &mut WriterCaches,
    made: &NewChange,
    id: &CallId,
    into: &CallId,
    packed: &[u8],
) -> Result<()> {
    let tenant = made.tenant.0;
    transaction
        .prepare_cached("INSERT OR REPLACE INTO merged VALUES (?1, ?2, ?3)")?
        .execute(params![tenant, &**id, &**into])?;
    // An id that was merged away may become a call's own again.
    transaction
        .prepare_cached("DELETE FROM merged WHERE tenant = ?1 AND id = ?2")?
        .execute(params![tenant, &**into])?;
    let merged_call = call_row(transaction, &caches.damages, tenant, id)?;
    caches.calls.remove(tenant, &[id]);
    let call = match &merged_call {
        Some(merged_call) => {
            search_index::remove(transaction, merged_call.call, merged_call.start_ms, &merged_call.terms)?;
            search_index::delete_orphaned_terms(transaction, &mut caches.terms, &merged_call.terms)?;
            transaction.prepare_cached("DELETE FROM calls WHERE call = ?1")?.execute([merged_call.call])?;
            merged_call.call
        }
        None => 0,
    };
    add_change(transaction, caches, made, FeedEntry { call, kind: ChangeKind::Merged, version: 0, packed })?;
    Ok(())
}
