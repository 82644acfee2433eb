//! The version of the configuration, by which a running service notices what another process changed.

use rusqlite::Transaction;

use crate::{Store, error::Result, writer::WriterCaches};

impl Store {
    /// A number that rises with each change of a tenant, secret, endpoint or connection, whichever process makes it.
    /// Running services poll it.
    pub fn tenants_version(&self) -> Result<i64> {
        self.read_tenants(|connection| {
            let count = "SELECT count FROM tenant_changes";
            Ok(connection.prepare_cached(count)?.query_row([], |row| row.get(0))?)
        })
    }

    /// Runs a job and raises the version that running services poll.
    pub(crate) fn change_configuration<T: Send + 'static>(
        &self,
        change: impl FnOnce(&Transaction<'_>, &mut WriterCaches) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.writer().run(move |transaction, caches| {
            let value = change(transaction, caches)?;
            transaction.execute("UPDATE tenant_changes SET count = count + 1", [])?;
            Ok(value)
        })
    }
}
