//! The store: the journal of notifications, the calls assembled from it with all their versions, the feed of changes,
//! and the tenants they belong to.
//!
//! Notifications enter by [`Store::append`], assembled calls by [`Store::commit`]. A tenant's data is read through
//! [`Store::of`], whose view sees only that tenant. No type of the interface shows that the data is in SQLite files.

mod announcements;
mod arrivals;
mod audit_log;
mod backup;
mod call_row;
mod calls;
mod changes;
mod check;
mod codec;
mod commit;
mod configuration;
mod connections;
mod damage;
mod deliveries;
mod directories;
mod endpoints;
mod erasure;
mod error;
mod events;
mod external_ids;
mod file_permissions;
mod filter;
mod instance_lock;
mod integrity;
mod journal;
mod journal_entries;
mod keys;
mod queue_visits;
mod readers;
mod recent_cache;
mod rejected;
mod retention;
mod schema;
mod search_index;
mod secrets;
mod stats;
mod stored_call;
mod tenant_id;
mod tenants;
mod thread_priority;
mod wal_checkpointer;
mod wal_tail;
mod warm_start;
mod writer;
mod writer_caches;

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
};

use tokio::sync::watch;

pub use arrivals::Arrival;
use arrivals::{Arrivals, JournalEnd};
pub use audit_log::{
    Actor, AuditAction, AuditActor, AuditEntry, AuditQuery, MAX_DONE_ENTRIES, MAX_REFUSED_ENTRIES,
    NewAuditEntry,
};
pub use backup::Backup;
pub use calls::{CallLookup, CallPage, StoredVersion};
pub use changes::{ChangeKind, PublishedVersion, StoredChange};
pub use check::{CheckedCall, CheckedEntry, UnassignedNotifications};
pub use commit::{ChangeContent, CommitBatch, NewChange, PendingCommit};
pub use connections::{ConnectedAccount, Gap};
pub use damage::Damage;
use damage::{DamageLog, TolerantConnection};
pub use deliveries::{
    Attempt, AttemptResult, Delivery, DeliveryQuery, DeliveryState, Disposition, DurableAck, FeedPage,
    Outgoing, Replay,
};
pub use directories::StoredDirectory;
pub use endpoints::{
    DisabledReason, Endpoint, EndpointChange, EndpointFilter, EndpointId, EndpointSettings, MAX_ENDPOINTS,
    NewEndpoint, Payload, Signing, TestEventResult,
};
pub use erasure::{Erasure, Rewritten, StoredHistory};
pub use error::{Result, StoreError};
pub use events::{EventId, kind};
pub use external_ids::CursorError;
use external_ids::Incarnation;
pub use filter::Filter;
use instance_lock::InstanceLock;
use integrity::StartupCheck;
pub use journal_entries::Entry;
pub use readers::Cancel;
use readers::Readers;
pub use rejected::{NewRejected, RejectedBody};
pub use retention::Expiry;
pub use secrets::{MAX_KEYS, NewSecret, Scope, Secret, SecretKind};
pub use stats::{Stats, StatsGroup};
pub use stored_call::StoredCall;
pub use tenant_id::TenantId;
pub use tenants::{NewTenant, Tenant, TenantSettings};
pub use thread_priority::lower_thread_priority;
use wal_checkpointer::WalCheckpointer;
pub use warm_start::RecentCall;
use writer::{CommitSignals, Writer};
use writer_caches::WriterCaches;

/// A position in the journal or in the feed of changes; 0 is before the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Position(pub i64);

impl Position {
    fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// The store. Clones share the same connections.
#[derive(Debug, Clone)]
pub struct Store {
    shared: Arc<Shared>,
    /// The actor that the audit log names for changes made through this handle.
    who: Arc<AuditActor>,
}

#[derive(Debug)]
struct Shared {
    path: PathBuf,
    incarnation: RwLock<Incarnation>,
    startup: StartupCheck,
    damages: Arc<DamageLog>,
    arrivals: Arrivals,
    writer: Writer,
    readers: Readers,
    /// Used to look up tenants, so that a lookup never waits for another query.
    tenant_readers: Readers,
    /// The position of the last notification that is durable.
    journal: watch::Sender<Position>,
    signals: CommitSignals,
    instance_lock: InstanceLock,
    /// Why the last commit of assembled calls failed. `None` if it succeeded.
    commit_failure: Mutex<Option<StoreError>>,
}

/// The database file in the data folder.
pub const FILE_NAME: &str = "wholecall.db";

/// Maximum number of concurrent queries. The server uses at most half of them for requests, so that deliveries and
/// the assembler never wait for a tenant's query.
const MAX_CONCURRENT_QUERIES: usize = 8;

impl Store {
    /// Opens the store in a folder that already has one: for administration, not for creating it.
    pub fn open_existing(folder: &Path) -> Result<Self> {
        let path = folder.join(FILE_NAME);
        match path.is_file() {
            true => Self::open(folder),
            false => Err(StoreError::Open { path, problem: "the file does not exist".to_owned() }),
        }
    }

    /// Opens the store in a folder; creates both if they do not exist.
    pub fn open(folder: &Path) -> Result<Self> {
        let open_error =
            |error: std::io::Error| StoreError::Open { path: folder.to_owned(), problem: error.to_string() };
        file_permissions::create_folder(folder).map_err(open_error)?;
        let path = folder.join(FILE_NAME);
        // A process that writes changes the write-ahead logs while they are checked.
        let has_no_writer = !instance_lock::is_locked(&path);
        let (mut startup, _recovered) = match has_no_writer {
            true => StartupCheck::examine_logs(&[&path, &folder.join(arrivals::FILE_NAME)])?,
            false => (StartupCheck::default(), Vec::new()),
        };
        let connection = schema::open_writer(&path)?;
        let damages: Arc<DamageLog> = Arc::default();
        // Positions of removed rows are not assigned again: the checkpoint has the highest ones.
        let (journal, caches) = connection.query_row(
            "SELECT max(position, (SELECT coalesce(max(position), 0) FROM journal)), cursor,
                 coalesce((SELECT arrived_ms FROM journal ORDER BY position DESC LIMIT 1), 0)
             FROM checkpoint",
            [],
            |row| {
                let cursor = Position(row.get(1)?);
                let caches = WriterCaches { cursor, damages: damages.clone(), ..WriterCaches::default() };
                Ok((JournalEnd { position: Position(row.get(0)?), arrived_ms: row.get(2)? }, caches))
            },
        )?;
        let incarnation = startup.read_incarnation(&connection)?;
        let signals = CommitSignals {
            changes: watch::Sender::new(caches.cursor),
            data_epoch: watch::Sender::new(caches.data_epoch),
        };
        let journal_position = watch::Sender::new(journal.position);
        let arrivals =
            Arrivals::open(folder, journal, startup.durable(), journal_position.clone(), damages.clone())?;
        if has_no_writer {
            startup.compare_files(journal.position, arrivals.extent_at_open());
        }
        let readers = Readers::open(&path, MAX_CONCURRENT_QUERIES)?;
        let tenant_readers = Readers::open(&path, 1)?;
        let checkpointer = WalCheckpointer::start(schema::open_checkpointer(&path)?)?;
        let writer = Writer::start(connection, checkpointer, caches, signals.clone())?;
        let shared = Shared {
            path,
            incarnation: RwLock::new(incarnation),
            startup,
            damages,
            arrivals,
            writer,
            readers,
            tenant_readers,
            journal: journal_position,
            signals,
            instance_lock: InstanceLock::default(),
            commit_failure: Mutex::default(),
        };
        Ok(Self { shared: Arc::new(shared), who: Arc::default() })
    }

    /// The path of the database file.
    pub fn path(&self) -> &Path {
        &self.shared.path
    }

    /// Free bytes on the disk. `None` if that cannot be determined.
    pub fn free_bytes(&self) -> Option<u64> {
        #[cfg(target_os = "linux")]
        {
            let stats = rustix::fs::statvfs(self.path()).ok()?;
            Some(stats.f_bavail.saturating_mul(stats.f_frsize))
        }
        #[cfg(not(target_os = "linux"))]
        None
    }

    /// A view of one tenant's data.
    pub fn of(&self, tenant: TenantId) -> TenantView {
        TenantView { store: self.clone(), tenant }
    }

    fn writer(&self) -> &Writer {
        &self.shared.writer
    }

    fn commit_failure(&self) -> MutexGuard<'_, Option<StoreError>> {
        self.shared.commit_failure.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads in one transaction: `read` sees a single snapshot.
    fn read<T>(&self, read: impl FnOnce(&TolerantConnection<'_>) -> Result<T>) -> Result<T> {
        self.in_snapshot(&self.shared.readers, read)
    }

    /// The same for looking up tenants and keys, which every request waits for.
    fn read_tenants<T>(&self, read: impl FnOnce(&TolerantConnection<'_>) -> Result<T>) -> Result<T> {
        self.in_snapshot(&self.shared.tenant_readers, read)
    }

    fn in_snapshot<T>(
        &self,
        readers: &Readers,
        read: impl FnOnce(&TolerantConnection<'_>) -> Result<T>,
    ) -> Result<T> {
        readers.with(|connection| {
            let snapshot = connection.unchecked_transaction()?;
            let found = read(&TolerantConnection { connection: &snapshot, damages: &self.shared.damages })?;
            snapshot.finish()?;
            Ok(found)
        })
    }
}

/// The data of one tenant.
#[derive(Debug, Clone)]
pub struct TenantView {
    store: Store,
    tenant: TenantId,
}

impl TenantView {
    /// The tenant whose data this is.
    pub fn tenant(&self) -> TenantId {
        self.tenant
    }

    fn read<T>(&self, read: impl FnOnce(&TolerantConnection<'_>, i64) -> Result<T>) -> Result<T> {
        self.store.read(|connection| read(connection, self.tenant.0))
    }
}
