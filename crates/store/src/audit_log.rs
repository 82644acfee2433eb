//! The audit log: who did what, to what, from where, and when. A change and its entry are written in one transaction.
//!
//! It contains no secrets and no telephone numbers. It is bounded: the oldest entries of each tenant, and of the
//! installation, are removed when there are too many; refused requests never displace entries of what was done.

use std::net::IpAddr;

use rusqlite::{Row, Transaction, params};
use tokio::sync::oneshot;

use crate::{
    Store, TenantId, TenantView,
    damage::TolerantConnection,
    error::{Result, StoreError},
};

/// Maximum number of entries of what was done, of each tenant and of the installation.
pub const MAX_DONE_ENTRIES: i64 = 20_000;
/// Maximum number of entries of what was refused, which any client can cause.
pub const MAX_REFUSED_ENTRIES: i64 = 2_000;

/// Maximum length of an entry's object; a longer one is cut.
const MAX_OBJECT_CHARS: usize = 200;

/// The actor of a change.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub enum Actor {
    /// The service itself, whose actions are in its own log.
    #[default]
    Service,
    /// A user of `wholecall` on the machine.
    CommandLine,
    /// A client with the operator's key.
    Operator,
    /// A client with an API key.
    Key {
        /// Its number.
        number: i64,
        /// Its first characters.
        hint: String,
        /// Its name.
        name: String,
    },
    /// A client without a valid key.
    Unknown,
}

impl Actor {
    fn as_str(&self) -> &'static str {
        match self {
            Self::Service => "service",
            Self::CommandLine => "commandLine",
            Self::Operator => "operator",
            Self::Key { .. } => "key",
            Self::Unknown => "unknown",
        }
    }
}

/// The actor and its address.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct AuditActor {
    /// The actor.
    pub actor: Actor,
    /// The address. `None` for an actor on the machine.
    pub address: Option<IpAddr>,
}

impl AuditActor {
    /// A user of `wholecall` on the machine.
    pub fn command_line() -> Self {
        Self { actor: Actor::CommandLine, address: None }
    }
}

macro_rules! actions {
    ($($(#[$about:meta])* $name:ident = $word:literal),* $(,)?) => {
        /// An action, done or refused.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum AuditAction { $($(#[$about])* $name),* }

        impl AuditAction {
            /// All actions.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// Its name.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $word),* }
            }
        }
    };
}

actions! {
    /// A sign-in to the pages.
    SignIn = "signIn",
    /// A sign-out.
    SignOut = "signOut",
    /// A request with an unknown key, or without the required scope.
    KeyUse = "key.use",
    /// A request to a hook with a token that is not the tenant's.
    TokenUse = "token.use",
    /// An export of data as CSV or vCon.
    Export = "export",
    /// An import of notifications.
    Import = "import",
    /// A redelivery of one event.
    DeliveryResend = "delivery.resend",
    /// A replay, or a redelivery of all failed events.
    EndpointReplay = "endpoint.replay",
    /// An endpoint was added.
    EndpointAdd = "endpoint.add",
    /// An endpoint was changed.
    EndpointChange = "endpoint.change",
    /// An endpoint's secret was replaced.
    EndpointRotate = "endpoint.rotate",
    /// An endpoint was removed.
    EndpointRemove = "endpoint.remove",
    /// A test event was requested.
    EndpointTest = "endpoint.test",
    /// Rejected bodies are to be classified again.
    RejectedRetry = "rejected.retry",
    /// Rejected bodies were removed.
    RejectedRemove = "rejected.remove",
    /// A person was erased.
    PersonErase = "person.erase",
    /// A tenant was added.
    TenantAdd = "tenant.add",
    /// A tenant was changed.
    TenantChange = "tenant.change",
    /// A tenant was removed.
    TenantRemove = "tenant.remove",
    /// An API key was added.
    KeyAdd = "key.add",
    /// An API key was removed.
    KeyRemove = "key.remove",
    /// A verification token was added.
    TokenAdd = "token.add",
    /// A verification token was removed.
    TokenRemove = "token.remove",
    /// An account was connected.
    ConnectionAdd = "connection.add",
    /// An account was disconnected.
    ConnectionRemove = "connection.remove",
    /// A backup was made.
    Backup = "backup",
    /// A backup was restored.
    Restore = "restore",
    /// Damage of the store was repaired.
    StoreRepair = "store.repair",
}

impl AuditAction {
    /// The action with a name.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|what| what.as_str() == word)
    }
}

/// An entry without a change in the store.
#[derive(Debug, Clone)]
pub struct NewAuditEntry {
    /// The first time, milliseconds since 1970.
    pub at_ms: i64,
    /// The last time.
    pub last_ms: i64,
    /// The tenant. `None` for the installation.
    pub tenant: Option<TenantId>,
    /// The actor and its address.
    pub who: AuditActor,
    /// The action.
    pub what: AuditAction,
    /// The object of the action.
    pub object: String,
    /// Whether it was refused.
    pub is_refused: bool,
    /// The number of times.
    pub count: u64,
}

/// An entry of the audit log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    /// Its number, in order of time.
    pub number: i64,
    /// The first time, milliseconds since 1970.
    pub at_ms: i64,
    /// The last time.
    pub last_ms: i64,
    /// The tenant's name. `None` for the installation.
    pub tenant: Option<String>,
    /// The actor: `key`, `operator`, `commandLine` or `unknown`.
    pub actor: String,
    /// The number, first characters and name of the key. `None` for other actors.
    pub key: Option<(i64, String, String)>,
    /// The address. `None` if it is unknown.
    pub address: Option<String>,
    /// The action.
    pub what: String,
    /// The object of the action.
    pub object: String,
    /// `done` or `refused`.
    pub result: String,
    /// The number of times.
    pub count: i64,
}

/// Selects entries. `None` in a field: not limited by it.
#[derive(Debug, Clone, Copy, Default)]
pub struct AuditQuery {
    /// Only this action.
    pub what: Option<AuditAction>,
    /// Only at this time or later, milliseconds since 1970.
    pub since_ms: Option<i64>,
    /// Only before this time.
    pub until_ms: Option<i64>,
    /// Only entries before this number.
    pub before: Option<i64>,
    /// Maximum number of entries.
    pub limit: usize,
}

impl Store {
    /// The same store; the audit log names `who` for changes made through the returned handle.
    pub fn acting_as(&self, who: AuditActor) -> Self {
        Self { shared: self.shared.clone(), who: who.into() }
    }

    /// Adds entries without a change in the store; the receiver gets the result when they are durable. Does not
    /// block.
    pub fn note_audit(&self, entries: Vec<NewAuditEntry>) -> Result<oneshot::Receiver<Result<()>>> {
        self.writer().submit(move |transaction, _| {
            entries
                .iter()
                .try_for_each(|entry| insert(transaction, entry, entry.tenant.map(|tenant| tenant.0)))
        })
    }

    /// Entries of one tenant or of all, latest first. Blocks.
    pub fn audit(&self, tenant: Option<TenantId>, query: AuditQuery) -> Result<Vec<AuditEntry>> {
        self.read(|connection| entries(connection, tenant.map(|tenant| tenant.0), query))
    }

    /// Entries of a tenant by its name, also after the tenant was removed. Blocks.
    pub fn audit_of_name(&self, name: &str, query: AuditQuery) -> Result<Vec<AuditEntry>> {
        self.read(|connection| {
            let latest = "SELECT tenant FROM audit WHERE tenant_name = ?1 ORDER BY entry DESC LIMIT 1";
            let known = "SELECT tenant FROM tenants WHERE name = ?1";
            let sql = format!("SELECT coalesce(({known}), ({latest}), -1)");
            let tenant: i64 = connection.prepare_cached(&sql)?.query_row([name], |row| row.get(0))?;
            entries(connection, Some(tenant), query)
        })
    }

    /// Removes up to `limit` entries before a time; returns their number. Blocks.
    pub fn remove_audit_before(&self, before_ms: i64, limit: usize) -> Result<usize> {
        self.writer().run(move |transaction, _| {
            Ok(transaction
                .prepare_cached(
                    "DELETE FROM audit WHERE entry IN (SELECT entry FROM audit WHERE last_ms < ?1 LIMIT ?2)",
                )?
                .execute(params![before_ms, limit as i64])?)
        })
    }
}

impl TenantView {
    /// The tenant's entries, latest first. Blocks.
    pub fn audit(&self, query: AuditQuery) -> Result<Vec<AuditEntry>> {
        self.read(|connection, tenant| entries(connection, Some(tenant), query))
    }
}

/// Adds an entry in the transaction of the change. Actions of the service itself are not logged.
pub(crate) fn note(
    transaction: &Transaction<'_>,
    who: &AuditActor,
    tenant: Option<i64>,
    what: AuditAction,
    object: &str,
) -> Result<()> {
    if who.actor == Actor::Service {
        return Ok(());
    }
    let now = "SELECT CAST(unixepoch('subsec') * 1000 AS INTEGER)";
    let at_ms = transaction.prepare_cached(now)?.query_row([], |row| row.get(0))?;
    let entry = NewAuditEntry {
        at_ms,
        last_ms: at_ms,
        tenant: None,
        who: who.clone(),
        what,
        object: object.to_owned(),
        is_refused: false,
        count: 1,
    };
    insert(transaction, &entry, tenant)
}

fn insert(transaction: &Transaction<'_>, entry: &NewAuditEntry, tenant: Option<i64>) -> Result<()> {
    let tenant = tenant.unwrap_or(0);
    let (key, hint, name) = match &entry.who.actor {
        Actor::Key { number, hint, name } => (Some(number), Some(hint), Some(name)),
        _ => (None, None, None),
    };
    let object: String = entry.object.chars().take(MAX_OBJECT_CHARS).collect();
    let result = if entry.is_refused { "refused" } else { "done" };
    transaction
        .prepare_cached(
            "INSERT INTO audit (first_ms, last_ms, tenant, tenant_name, actor, key, key_hint, key_name, address, action,
                 object, result, count)
             VALUES (?1, ?2, ?3, (SELECT name FROM tenants WHERE tenant = ?3), ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
        )?
        .execute(params![
            entry.at_ms,
            entry.last_ms,
            tenant,
            entry.who.actor.as_str(),
            key,
            hint,
            name,
            entry.who.address.map(|address| address.to_string()),
            entry.what.as_str(),
            object,
            result,
            entry.count as i64,
        ])?;
    enforce_limit(
        transaction,
        tenant,
        result,
        if entry.is_refused { MAX_REFUSED_ENTRIES } else { MAX_DONE_ENTRIES },
    )
}

/// Removes the oldest entries of a tenant beyond the maximum.
fn enforce_limit(transaction: &Transaction<'_>, tenant: i64, result: &str, max: i64) -> Result<()> {
    let count: i64 = transaction
        .prepare_cached("SELECT entries FROM audit_counts WHERE tenant = ?1 AND result = ?2")?
        .query_row(params![tenant, result], |row| row.get(0))?;
    if count > max {
        transaction
            .prepare_cached(
                "DELETE FROM audit WHERE entry IN (
                     SELECT entry FROM audit WHERE tenant = ?1 AND result = ?2 ORDER BY entry LIMIT ?3)",
            )?
            .execute(params![tenant, result, count - max])?;
    }
    Ok(())
}

fn entries(
    connection: &TolerantConnection<'_>,
    tenant: Option<i64>,
    query: AuditQuery,
) -> Result<Vec<AuditEntry>> {
    // One tenant's by the index; all in the order of the table.
    let of = if tenant.is_some() { "tenant = ?1 AND result IN ('done', 'refused')" } else { "?1 IS NULL" };
    let sql = format!(
        "SELECT entry, first_ms, last_ms, tenant_name, actor, key, key_hint, key_name, address, action, object, result, count
         FROM audit WHERE {of} AND (?2 IS NULL OR action = ?2) AND last_ms >= ?3 AND first_ms < ?4 AND entry < ?5
         ORDER BY entry DESC LIMIT ?6"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(params![
        tenant,
        query.what.map(AuditAction::as_str),
        query.since_ms.unwrap_or(i64::MIN),
        query.until_ms.unwrap_or(i64::MAX),
        query.before.unwrap_or(i64::MAX),
        query.limit as i64,
    ])?;
    let mut entries = Vec::new();
    while let Some(row) = rows.next()? {
        let place = || format!("entry {} of the audit log", row.get::<_, i64>(0).unwrap_or_default());
        entries.extend(connection.skip_damaged(
            entry(row).map_err(StoreError::from),
            tenant.unwrap_or(0),
            place,
        )?);
    }
    Ok(entries)
}

fn entry(row: &Row<'_>) -> rusqlite::Result<AuditEntry> {
    let (number, hint, name): (Option<i64>, Option<String>, Option<String>) =
        (row.get(5)?, row.get(6)?, row.get(7)?);
    Ok(AuditEntry {
        number: row.get(0)?,
        at_ms: row.get(1)?,
        last_ms: row.get(2)?,
        tenant: row.get(3)?,
        actor: row.get(4)?,
        key: number.map(|number| (number, hint.unwrap_or_default(), name.unwrap_or_default())),
        address: row.get(8)?,
        what: row.get(9)?,
        object: row.get(10)?,
        result: row.get(11)?,
        count: row.get(12)?,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test")]
mod tests {
    use super::*;
    use crate::{NewTenant, TenantSettings};

    fn tenant(store: &Store, name: &str) -> TenantId {
        let new = NewTenant {
            name: name.to_owned(),
            created_ms: 0,
            accounts: vec!["1".to_owned()],
            secrets: Vec::new(),
            settings: TenantSettings::default(),
            pseudonym_salt: [0; 32],
        };
        store.add_tenant(new).unwrap()
    }

    fn refused(tenant: Option<TenantId>, at_ms: i64) -> NewAuditEntry {
        NewAuditEntry {
            at_ms,
            last_ms: at_ms,
            tenant,
            who: AuditActor { actor: Actor::Unknown, address: Some(IpAddr::from([192, 0, 2, 1])) },
            what: AuditAction::KeyUse,
            object: "x".repeat(10_000),
            is_refused: true,
            count: 3,
        }
    }

    fn all(limit: usize) -> AuditQuery {
        AuditQuery { limit, ..AuditQuery::default() }
    }

    #[test]
    fn refused_entries_are_bounded_and_never_displace_done_ones() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let by_hand = store.acting_as(AuditActor::command_line());
        let (acme, bob) = (tenant(&by_hand, "acme"), tenant(&by_hand, "bob"));
        store.note_audit(vec![refused(Some(bob), 1)]).unwrap().blocking_recv().unwrap().unwrap();
        for round in 0..3 {
            let entries = (0..1_500).map(|at_ms| refused(Some(acme), round * 1_500 + at_ms)).collect();
            store.note_audit(entries).unwrap().blocking_recv().unwrap().unwrap();
        }
        let of_acme = store.of(acme).audit(all(100_000)).unwrap();
        assert_eq!(of_acme.len() as i64, MAX_REFUSED_ENTRIES + 1);
        assert_eq!(of_acme[0].at_ms, 4_499, "the latest are retained");
        assert_eq!(of_acme.last().unwrap().what, "tenant.add");
        assert!(of_acme.iter().all(|entry| entry.object.chars().count() <= MAX_OBJECT_CHARS));
        assert_eq!(store.of(bob).audit(all(10)).unwrap().len(), 2, "other tenants' entries are retained");
        assert_eq!(store.audit(None, all(100_000)).unwrap().len() as i64, MAX_REFUSED_ENTRIES + 3);
    }

    #[test]
    fn entries_are_filtered_by_action_time_and_tenant_and_outlive_their_tenant() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let by_hand = store.acting_as(AuditActor::command_line());
        let acme = tenant(&by_hand, "acme");
        tenant(&store, "quiet");
        store
            .note_audit((0..5).map(|at_ms| refused(None, at_ms)).collect())
            .unwrap()
            .blocking_recv()
            .unwrap()
            .unwrap();
        by_hand.remove_tenant(acme).unwrap();
        let actions =
            |entries: Vec<AuditEntry>| entries.into_iter().map(|entry| entry.what).collect::<Vec<_>>();
        assert_eq!(actions(store.audit_of_name("acme", all(10)).unwrap()), ["tenant.remove", "tenant.add"]);
        assert!(
            store.audit_of_name("quiet", all(10)).unwrap().is_empty(),
            "actions of the service are not logged here"
        );
        let keys =
            AuditQuery { what: Some(AuditAction::KeyUse), since_ms: Some(1), until_ms: Some(4), ..all(2) };
        let first = store.audit(None, keys).unwrap();
        assert_eq!(first.iter().map(|entry| entry.at_ms).collect::<Vec<_>>(), [3, 2]);
        let rest = store.audit(None, AuditQuery { before: Some(first[1].number), ..keys }).unwrap();
        assert_eq!(rest.iter().map(|entry| (entry.at_ms, entry.count)).collect::<Vec<_>>(), [(1, 3)]);
        assert_eq!(store.remove_audit_before(2, 10).unwrap(), 2);
        assert_eq!(store.audit(None, all(10)).unwrap().len(), 5);
    }
}
