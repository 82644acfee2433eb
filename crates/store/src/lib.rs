//! What must not be lost: the journal of notifications, the calls assembled from it with all their
//! versions, the feed of changes, and the tenants they belong to.
//!
//! One way in for what arrives ([`Store::append`]), one for what was assembled ([`Store::commit`]), and
//! for a tenant's own data one way out: [`Store::of`] gives a view that can see nothing else. That the data lies in an
//! SQLite file is this crate's own affair; nothing of it shows in these types.

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

/// A place in the journal or in the feed of changes; 0 is before the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Position(pub i64);

impl Position {
    fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// The store. Copies share one.
#[derive(Debug, Clone)]
pub struct Store {
    shared: Arc<Shared>,
    /// Who makes changes through this copy.
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
    /// For looking up tenants, which never waits for anybody's query.
    tenant_readers: Readers,
    /// How far the journal has grown with what arrives.
    journal: watch::Sender<Position>,
    news: News,
    claim: Claim,
    /// Why what was assembled last could not be kept.
    problem: Mutex<Option<StoreError>>,
}

/// The file within the data folder.
pub const FILE_NAME: &str = "wholecall.db";

/// So many queries may run at once. The server answers requests with half of them at most, so that deliveries and the
/// assembler never wait for what tenants ask.
const READERS: usize = 8;

impl Store {
    /// Opens the store in a folder, which must be there: for looking after it, not for beginning one.
    pub fn open_existing(folder: &Path) -> Result<Self> {
        let path = folder.join(FILE_NAME);
        match path.is_file() {
            true => Self::open(folder),
            false => Err(StoreError::Open { path, problem: "there is no such file".to_owned() }),
        }
    }

    /// Opens the store in a folder; makes both if they are not there.
    pub fn open(folder: &Path) -> Result<Self> {
        let cannot =
            |error: std::io::Error| StoreError::Open { path: folder.to_owned(), problem: error.to_string() };
        private::make_folder(folder).map_err(cannot)?;
        let path = folder.join(FILE_NAME);
        // Somebody who writes changes the logs while they are looked at.
        let is_quiet = !claim::is_claimed(&path);
        let (mut opened, _recovered) = match is_quiet {
            true => Opened::in_logs_of(&[&path, &folder.join(arrivals::FILE_NAME)])?,
            false => (Opened::default(), Vec::new()),
        };
        let connection = schema::open_writer(&path)?;
        let damages: Arc<Damages> = Arc::default();
        // What retention has removed is not counted again: the checkpoint knows how far both had come.
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

    /// Where the data is.
    pub fn path(&self) -> &Path {
        &self.shared.path
    }

    /// How many bytes more the disk takes; none where that cannot be found out.
    pub fn free_bytes(&self) -> Option<u64> {
        #[cfg(target_os = "linux")]
        {
            let about = rustix::fs::statvfs(self.path()).ok()?;
            Some(about.f_bavail.saturating_mul(about.f_frsize))
        }
        #[cfg(not(target_os = "linux"))]
        None
    }

    /// A tenant's own data, and nothing else.
    pub fn of(&self, tenant: TenantId) -> TenantView {
        TenantView { store: self.clone(), tenant }
    }

    fn writer(&self) -> &Writer {
        &self.shared.writer
    }

    fn problem(&self) -> MutexGuard<'_, Option<StoreError>> {
        self.shared.problem.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads; all that `read` sees is of one moment.
    fn read<T>(&self, read: impl FnOnce(&Reading<'_>) -> Result<T>) -> Result<T> {
        self.at_one_moment(&self.shared.readers, read)
    }

    /// The same for what every request waits for: who it is that asks.
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

/// What belongs to one tenant.
#[derive(Debug, Clone)]
pub struct TenantView {
    store: Store,
    tenant: TenantId,
}

impl TenantView {
    /// Whose data this is.
    pub fn tenant(&self) -> TenantId {
        self.tenant
    }

    fn read<T>(&self, read: impl FnOnce(&Reading<'_>, i64) -> Result<T>) -> Result<T> {
        self.store.read(|connection| read(connection, self.tenant.0))
    }
}
