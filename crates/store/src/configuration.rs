//! The version of the configuration, by which a running service notices what another process changed.

use rusqlite::Transaction;

use crate::{Store, error::Result, writer_caches::WriterCaches};

impl Store {
    /// A number that rises with each change of a tenant, secret, endpoint or connection, whichever process makes it.
    /// Running services poll it.
    pub fn configuration_version(&self) -> Result<i64> {
        self.read_tenants(|connection| {
            let version = "SELECT version FROM configuration_version";
            Ok(connection.prepare_cached(version)?.query_row([], |row| row.get(0))?)
        })
    }

    /// Runs a job and raises the version that running services poll.
    pub(crate) fn change_configuration<T: Send + 'static>(
        &self,
        change: impl FnOnce(&Transaction<'_>, &mut WriterCaches) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.writer().run(move |transaction, caches| {
            let value = change(transaction, caches)?;
            transaction.execute("UPDATE configuration_version SET version = version + 1", [])?;
            Ok(value)
        })
    }
}
