//! The store: the journal of notifications, the calls assembled from it with all their versions, the feed of changes,
//! and the tenants they belong to.
//!
//! Notifications enter by [`Store::append`], assembled calls by [`Store::commit`]. A tenant's data is read through
//! [`Store::of`], whose view sees only that tenant. No type of the interface shows that the data is in SQLite files.

mod announcements;
mod arrivals;
mod assembled;
mod audit;
mod audit_log;
mod backup;
mod calls;
mod changes;
mod claim;
mod codec;
mod connections;
mod damage;
mod deliveries;
mod directories;
mod endpoints;
mod erasure;
mod error;
mod event_names;
mod filter;
mod integrity;
mod journal;
mod keys;
mod lately;
mod log;
mod priority;
mod private;
mod readers;
mod recovery;
mod rejected;
mod resending;
mod retention;
mod schema;
mod stats;
mod tenants;
mod terms;
mod visits;
mod wal;
mod writer;

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
};

use tokio::sync::watch;

pub use arrivals::Arrival;
use arrivals::{Arrivals, End};
pub use assembled::{Assembled, Committing, Made, VersionKind};
pub use audit::{AuditedCall, AuditedEntry, Stray};
pub use audit_log::{Actor, AuditEntry, AuditQuery, MAX_DONE, MAX_REFUSED, NewAuditEntry, What, Who};
pub use backup::Backup;
pub use calls::{CallPage, Found, StoredVersion};
pub use changes::{ChangeKind, Published, StoredChange};
use claim::Claim;
pub use connections::{ConnectedAccount, Gap};
pub use damage::Damage;
use damage::{Damages, Reading};
pub use deliveries::{
    Attempt, Delivery, DeliveryState, EventId, Fed, Outgoing, Recorded, Tried, Verdict, kind,
};
pub use directories::StoredDirectory;
pub use endpoints::{
    Disabled, Endpoint, EndpointChange, EndpointFilter, EndpointId, EndpointSettings, MAX_ENDPOINTS,
    NewEndpoint, Payload, Signing, TestSent,
};
pub use erasure::{Erasure, Kept, Rewritten};
pub use error::{Result, StoreError};
pub use event_names::CursorError;
use event_names::Incarnation;
pub use filter::Filter;
use integrity::Opened;
pub use journal::Entry;
pub use keys::{MAX_KEYS, Scope};
use log::Checkpointer;
pub use priority::step_back;
pub use readers::Cancel;
use readers::Readers;
pub use recovery::{RecentCall, StoredCall};
pub use rejected::{Refusal, Refused};
pub use resending::{Listed, Replay};
pub use retention::Expiry;
pub use stats::{CountedFor, Stats};
pub use tenants::{NewSecret, NewTenant, Secret, SecretKind, Tenant, TenantId, TenantSettings};
use writer::{Memory, News, Writer};

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
    who: Arc<Who>,
}

#[derive(Debug)]
struct Shared {
    path: PathBuf,
    incarnation: RwLock<Incarnation>,
    opened: Opened,
    damages: Arc<Damages>,
    arrivals: Arrivals,
    writer: Writer,
    readers: Readers,
    /// Used to look up tenants, so that a lookup never waits for another query.
    tenant_readers: Readers,
    /// The position of the last notification that is durable.
    journal: watch::Sender<Position>,
    news: News,
    claim: Claim,
    /// Why the last commit of assembled calls failed. `None` if it succeeded.
    problem: Mutex<Option<StoreError>>,
}

/// The database file in the data folder.
pub const FILE_NAME: &str = "wholecall.db";

/// Maximum number of concurrent queries. The server uses at most half of them for requests, so that deliveries and
/// the assembler never wait for a tenant's query.
const READERS: usize = 8;

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
        let cannot =
            |error: std::io::Error| StoreError::Open { path: folder.to_owned(), problem: error.to_string() };
        private::make_folder(folder).map_err(cannot)?;
        let path = folder.join(FILE_NAME);
        // A process that writes changes the write-ahead logs while they are checked.
        let is_quiet = !claim::is_claimed(&path);
        let (mut opened, _recovered) = match is_quiet {
            true => Opened::in_logs_of(&[&path, &folder.join(arrivals::FILE_NAME)])?,
            false => (Opened::default(), Vec::new()),
        };
        let connection = schema::open_writer(&path)?;
        let damages: Arc<Damages> = Arc::default();
        // Positions of removed rows are not assigned again: the checkpoint has the highest ones.
        let (journal, memory) = connection.query_row(
            "SELECT max(position, (SELECT coalesce(max(position), 0) FROM journal)), cursor,
                 coalesce((SELECT arrived_ms FROM journal ORDER BY position DESC LIMIT 1), 0)
             FROM checkpoint",
            [],
            |row| {
                let cursor = Position(row.get(1)?);
                let memory = Memory { cursor, damages: damages.clone(), ..Memory::default() };
                Ok((End { position: Position(row.get(0)?), arrived_ms: row.get(2)? }, memory))
            },
        )?;
        let incarnation = opened.look_at(&connection)?;
        let news = News {
            changes: watch::Sender::new(memory.cursor),
            rewrites: watch::Sender::new(memory.rewrites),
        };
        let journal_news = watch::Sender::new(journal.position);
        let arrivals =
            Arrivals::open(folder, journal, opened.arrived(), journal_news.clone(), damages.clone())?;
        if is_quiet {
            opened.compare(journal.position, arrivals.found());
        }
        let readers = Readers::open(&path, READERS)?;
        let tenant_readers = Readers::open(&path, 1)?;
        let checkpointer = Checkpointer::start(schema::open_checkpointer(&path)?)?;
        let writer = Writer::start(connection, checkpointer, memory, news.clone())?;
        let shared = Shared {
            path,
            incarnation: RwLock::new(incarnation),
            opened,
            damages,
            arrivals,
            writer,
            readers,
            tenant_readers,
            journal: journal_news,
            news,
            claim: Claim::default(),
            problem: Mutex::default(),
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
            let about = rustix::fs::statvfs(self.path()).ok()?;
            Some(about.f_bavail.saturating_mul(about.f_frsize))
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

    fn problem(&self) -> MutexGuard<'_, Option<StoreError>> {
        self.shared.problem.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads in one transaction: `read` sees a single snapshot.
    fn read<T>(&self, read: impl FnOnce(&Reading<'_>) -> Result<T>) -> Result<T> {
        self.at_one_moment(&self.shared.readers, read)
    }

    /// The same for looking up tenants and keys, which every request waits for.
    fn read_tenants<T>(&self, read: impl FnOnce(&Reading<'_>) -> Result<T>) -> Result<T> {
        self.at_one_moment(&self.shared.tenant_readers, read)
    }

    fn at_one_moment<T>(&self, readers: &Readers, read: impl FnOnce(&Reading<'_>) -> Result<T>) -> Result<T> {
        readers.with(|connection| {
            let moment = connection.unchecked_transaction()?;
            let found = read(&Reading { connection: &moment, damages: &self.shared.damages })?;
            moment.finish()?;
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

    fn read<T>(&self, read: impl FnOnce(&Reading<'_>, i64) -> Result<T>) -> Result<T> {
        self.store.read(|connection| read(connection, self.tenant.0))
    }
}
