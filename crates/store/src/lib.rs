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
mod backup;
mod calls;
mod changes;
mod claim;
mod codec;
mod connections;
mod deliveries;
mod directories;
mod endpoints;
mod erasure;
mod error;
mod event_names;
mod filter;
mod journal;
mod lately;
mod log;
mod priority;
mod readers;
mod recovery;
mod resending;
mod retention;
mod schema;
mod stats;
mod tenants;
mod terms;
mod visits;
mod writer;

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use rusqlite::Connection;
use tokio::sync::watch;

pub use arrivals::Arrival;
use arrivals::{Arrivals, End};
pub use assembled::{Assembled, Committing, Made, VersionKind};
pub use audit::{AuditedCall, AuditedEntry, Stray};
pub use calls::{CallPage, Found, StoredVersion};
pub use changes::{ChangeKind, Published, StoredChange};
use claim::Claim;
pub use connections::{ConnectedAccount, Gap};
pub use deliveries::{
    Attempt, Delivery, DeliveryState, EventId, Fed, Outgoing, Recorded, Tried, Verdict, kind,
};
pub use directories::StoredDirectory;
pub use endpoints::{
    Disabled, Endpoint, EndpointChange, EndpointFilter, EndpointId, EndpointSettings, NewEndpoint, Signing,
};
pub use erasure::{Erasure, Kept};
pub use error::{Result, StoreError};
pub use event_names::CursorError;
use event_names::Incarnation;
pub use filter::Filter;
pub use journal::{Entry, Refusal, Refused};
use log::Checkpointer;
pub use priority::step_back;
pub use readers::Cancel;
use readers::Readers;
pub use recovery::StoredCall;
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
}

#[derive(Debug)]
struct Shared {
    path: PathBuf,
    incarnation: Incarnation,
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
        std::fs::create_dir_all(folder).map_err(cannot)?;
        let path = folder.join(FILE_NAME);
        let connection = schema::open_writer(&path)?;
        // What retention has removed is not counted again: the checkpoint knows how far both had come.
        let (journal, memory) = connection.query_row(
            "SELECT max(position, (SELECT coalesce(max(position), 0) FROM journal)), cursor,
                 coalesce((SELECT arrived_ms FROM journal ORDER BY position DESC LIMIT 1), 0)
             FROM checkpoint",
            [],
            |row| {
                let memory = Memory { cursor: Position(row.get(1)?), ..Memory::default() };
                Ok((End { position: Position(row.get(0)?), arrived_ms: row.get(2)? }, memory))
            },
        )?;
        let incarnation = connection.query_row("SELECT name FROM incarnation", [], |row| {
            Ok(Incarnation::new(row.get_ref(0)?.as_str()?))
        })?;
        let news = News {
            changes: watch::Sender::new(memory.cursor),
            rewrites: watch::Sender::new(memory.rewrites),
        };
        let journal_news = watch::Sender::new(journal.position);
        let arrivals = Arrivals::open(folder, journal, journal_news.clone())?;
        let readers = Readers::open(&path, READERS)?;
        let tenant_readers = Readers::open(&path, 1)?;
        let checkpointer = Checkpointer::start(schema::open_checkpointer(&path)?)?;
        let writer = Writer::start(connection, checkpointer, memory, news.clone())?;
        let shared = Shared {
            path,
            incarnation,
            arrivals,
            writer,
            readers,
            tenant_readers,
            journal: journal_news,
            news,
            claim: Claim::default(),
            problem: Mutex::default(),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Where the data is.
    pub fn path(&self) -> &Path {
        &self.shared.path
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
    fn read<T>(&self, read: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        at_one_moment(&self.shared.readers, read)
    }

    /// The same for what every request waits for: who it is that asks.
    fn read_tenants<T>(&self, read: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        at_one_moment(&self.shared.tenant_readers, read)
    }
}

fn at_one_moment<T>(readers: &Readers, read: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
    readers.with(|connection| {
        let moment = connection.unchecked_transaction()?;
        let found = read(&moment)?;
        moment.finish()?;
        Ok(found)
    })
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

    fn read<T>(&self, read: impl FnOnce(&Connection, i64) -> Result<T>) -> Result<T> {
        self.store.read(|connection| read(connection, self.tenant.0))
    }
}
