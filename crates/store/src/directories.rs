//! Directories of RingCentral accounts, in versions that records refer to.

use rusqlite::{Row, params};

use crate::{
    Store, TenantId, TenantView,
    codec::{self, Kind},
    damage::TolerantConnection,
    erasure,
    error::{Result, StoreError},
};

/// A version of an account's directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredDirectory {
    /// The RingCentral account.
    pub account: String,
    /// 1, 2, …
    pub version: u64,
    /// When it was first fetched, milliseconds since 1970.
    pub fetched_ms: i64,
    /// Its contents, as JSON.
    pub contents: String,
}

const COLUMNS: &str = "account, version, fetched_ms, contents";

/// Minimum time that a replaced version is retained after it may be needed: an assembler may still have it in memory.
const MIN_RETENTION_AFTER_REPLACEMENT_MS: i64 = 86_400_000;

impl Store {
    /// Stores the directory that `contents_after` makes of the newest contents, unless it is unchanged; returns its
    /// version, and whether that is new. Blocks.
    pub fn add_directory(
        &self,
        tenant: TenantId,
        account: String,
        fetched_ms: i64,
        contents_after: impl FnOnce(Option<&str>) -> Result<String> + Send + 'static,
    ) -> Result<(u64, bool)> {
        self.writer().run(move |transaction, caches| {
            let last = "SELECT coalesce(max(version), 0) FROM directories WHERE tenant = ?1 AND account = ?2";
            let last: i64 =
                transaction.prepare_cached(last)?.query_row(params![tenant.0, account], |row| row.get(0))?;
            let newest = newest(&caches.tolerant(transaction), tenant.0, &account)?;
            let contents = contents_after(newest.as_ref().map(|newest| newest.contents.as_str()))?;
            let is_last = |newest: &StoredDirectory| newest.version == last.unsigned_abs();
            if newest.filter(is_last).is_some_and(|newest| newest.contents == contents) {
                return Ok((last.unsigned_abs(), false));
            }
            let packed = codec::pack(Kind::Record, contents.as_bytes())?;
            transaction
                .prepare_cached(
                    "INSERT INTO directories (tenant, account, version, fetched_ms, contents)
                     VALUES (?1, ?2, ?3, ?4, ?5)",
                )?
                .execute(params![tenant.0, account, last + 1, fetched_ms, packed])?;
            Ok((last.unsigned_abs() + 1, true))
        })
    }

    /// Stores the state of an account's directory sync, as JSON; does nothing if the account was disconnected.
    /// Blocks.
    pub fn save_directory_state(&self, tenant: TenantId, account: String, state: String) -> Result<()> {
        self.writer().run(move |transaction, _| {
            transaction
                .prepare_cached(
                    "UPDATE connections SET directory_state = ?3 WHERE tenant = ?1 AND account = ?2",
                )?
                .execute(params![tenant.0, account, state])?;
            Ok(())
        })
    }

    /// Rewrites all versions of a tenant's directories; returns how many changed. Blocks.
    pub fn rewrite_directories(
        &self,
        tenant: TenantId,
        rewrite: impl Fn(&mut String) + Send + 'static,
    ) -> Result<u64> {
        self.writer().run(move |transaction, caches| {
            erasure::set_secure_delete(transaction, true)?;
            let mut statement =
                transaction.prepare("SELECT directory, contents FROM directories WHERE tenant = ?1")?;
            let mut rows = statement.query([tenant.0])?;
            let mut changed = 0;
            while let Some(row) = rows.next()? {
                let place = || format!("directory {}", row.get::<_, i64>(0).unwrap_or_default());
                let before = caches.damages.skip_damaged(contents(row, 1), Some(tenant.0), place)?;
                let Some(before) = before else { continue };
                let mut after = before.clone();
                rewrite(&mut after);
                if after != before {
                    let packed = codec::pack(Kind::Record, after.as_bytes())?;
                    transaction
                        .prepare_cached("UPDATE directories SET contents = ?2 WHERE directory = ?1")?
                        .execute(params![row.get::<_, i64>(0)?, packed])?;
                    changed += 1;
                }
            }
            erasure::set_secure_delete(transaction, false)?;
            Ok(changed)
        })
    }

    /// Removes versions that no stored record can refer to: those that were replaced before the oldest change was
    /// created. The newest version of each account remains. Blocks.
    pub fn remove_directories(&self, tenant: TenantId) -> Result<usize> {
        self.writer().run(move |transaction, _| {
            Ok(transaction
                .prepare_cached(
                    "DELETE FROM directories WHERE tenant = ?1 AND EXISTS (
                         SELECT 1 FROM directories AS next
                         WHERE next.tenant = ?1 AND next.account = directories.account
                             AND next.version > directories.version
                             AND next.fetched_ms + ?2 < coalesce(
                                 (SELECT created_ms FROM changes WHERE tenant = ?1 ORDER BY cursor LIMIT 1),
                                 9223372036854775807))",
                )?
                .execute([tenant.0, MIN_RETENTION_AFTER_REPLACEMENT_MS])?)
        })
    }
}

impl TenantView {
    /// The newest directory of each account, by account.
    pub fn directories(&self) -> Result<Vec<StoredDirectory>> {
        self.read(|connection, tenant| {
            let mut statement = connection.prepare_cached(&format!(
                "SELECT {COLUMNS} FROM directories WHERE tenant = ?1 AND version =
                     (SELECT max(version) FROM directories AS other
                      WHERE other.tenant = ?1 AND other.account = directories.account)
                 ORDER BY account"
            ))?;
            let mut rows = statement.query([tenant])?;
            let mut directories = Vec::new();
            while let Some(row) = rows.next()? {
                let place = || directory_place(row);
                directories.extend(connection.skip_damaged(read(row), tenant, place)?);
            }
            Ok(directories)
        })
    }

    /// Calls `look` with the contents of each version of each directory, as JSON.
    pub fn for_each_directory_version(&self, mut look: impl FnMut(&str)) -> Result<()> {
        self.read(|connection, tenant| {
            let mut statement =
                connection.prepare_cached("SELECT contents, directory FROM directories WHERE tenant = ?1")?;
            let mut rows = statement.query([tenant])?;
            while let Some(row) = rows.next()? {
                let place = || format!("directory {}", row.get::<_, i64>(1).unwrap_or_default());
                if let Some(contents) = connection.skip_damaged(contents(row, 0), tenant, place)? {
                    look(&contents);
                }
            }
            Ok(())
        })
    }

    /// The newest directory of an account.
    pub fn newest_directory(&self, account: &str) -> Result<Option<StoredDirectory>> {
        self.read(|connection, tenant| newest(connection, tenant, account))
    }

    /// A version of an account's directory. `None` if there is no such version any more.
    pub fn directory(&self, account: &str, version: u64) -> Result<Option<StoredDirectory>> {
        self.read(|connection, tenant| {
            let mut statement = connection.prepare_cached(&format!(
                "SELECT {COLUMNS} FROM directories WHERE tenant = ?1 AND account = ?2 AND version = ?3"
            ))?;
            let mut rows = statement.query(params![tenant, account, version as i64])?;
            let Some(row) = rows.next()? else { return Ok(None) };
            connection.skip_damaged(read(row), tenant, || directory_place(row))
        })
    }
}

/// The newest version that can be read.
fn newest(
    connection: &TolerantConnection<'_>,
    tenant: i64,
    account: &str,
) -> Result<Option<StoredDirectory>> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM directories WHERE tenant = ?1 AND account = ?2 ORDER BY version DESC"
    ))?;
    let mut rows = statement.query(params![tenant, account])?;
    while let Some(row) = rows.next()? {
        if let Some(found) = connection.skip_damaged(read(row), tenant, || directory_place(row))? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

fn directory_place(row: &Row<'_>) -> String {
    let account: String = row.get(0).unwrap_or_default();
    format!("version {} of the directory of {account}", row.get::<_, i64>(1).unwrap_or_default())
}

fn read(row: &Row<'_>) -> Result<StoredDirectory> {
    Ok(StoredDirectory {
        account: row.get(0)?,
        version: row.get::<_, i64>(1)?.unsigned_abs(),
        fetched_ms: row.get(2)?,
        contents: contents(row, 3)?,
    })
}

fn contents(row: &Row<'_>, column: usize) -> Result<String> {
    let packed = row.get_ref(column)?.as_blob().map_err(|error| StoreError::Damaged(error.to_string()))?;
    String::from_utf8(codec::unpack(packed)?)
        .map_err(|_| StoreError::Damaged("a directory is not UTF-8".to_owned()))
}
