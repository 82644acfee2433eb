//! Access to a tenant's data with a key.

use std::{ops::Deref, sync::Arc};

use wholecall_store::{AuditAction, AuditActor, Scope, Store, StoreError, TenantId, TenantView};

use crate::{Service, audit::AuditLog, problem::Problem, tenants::Tenants, work_pool::WorkPool};

/// A tenant's data for the holder of a key, and the threads that read, fold and draw it.
#[derive(Debug, Clone)]
pub(crate) struct Reader {
    view: TenantView,
    store: Store,
    queries: WorkPool,
    pictures: WorkPool,
    tenants: Arc<Tenants>,
    audit: Arc<AuditLog>,
    key_hash: [u8; 32],
    scope: Scope,
    who: AuditActor,
}

impl Reader {
    pub(crate) fn new(
        service: &Service,
        tenant: TenantId,
        key_hash: [u8; 32],
        scope: Scope,
        who: AuditActor,
    ) -> Self {
        let store = service.store.acting_as(who.clone());
        Self {
            view: store.of(tenant),
            store,
            queries: service.queries.clone(),
            pictures: service.pictures.clone(),
            tenants: service.tenants.clone(),
            audit: service.audit.clone(),
            key_hash,
            scope,
            who,
        }
    }

    /// The tenant's data; the audit log attributes changes to the key.
    pub(crate) fn view(&self) -> TenantView {
        self.view.clone()
    }

    /// The store; the audit log attributes changes to the key.
    pub(crate) fn store(&self) -> Store {
        self.store.clone()
    }

    pub(crate) fn who(&self) -> AuditActor {
        self.who.clone()
    }

    /// Permits an export and enters it into the audit log; fails if the key's scope does not include exports.
    pub(crate) fn export(&self, what: &str) -> Result<(), Problem> {
        let tenant = Some(self.tenant());
        if self.scope < Scope::Export {
            self.audit.refused(tenant, self.who(), AuditAction::KeyUse, "needs export");
            return Err(Problem::needs_scope(Scope::Export, self.scope));
        }
        self.audit.done(tenant, self.who(), AuditAction::Export, what);
        Ok(())
    }

    /// Enters an action into the audit log that the store does not enter by itself.
    pub(crate) fn note(&self, what: AuditAction, object: impl Into<String>) {
        self.audit.done(Some(self.tenant()), self.who(), what, object);
    }

    pub(crate) fn key_hash(&self) -> [u8; 32] {
        self.key_hash
    }

    /// Returns when the tenant no longer has the key.
    pub(crate) async fn revoked(&self) {
        self.tenants.key_removed(&self.key_hash).await;
    }
}

impl Deref for Reader {
    type Target = TenantView;

    fn deref(&self) -> &TenantView {
        &self.view
    }
}

/// Reads from the store on a thread for queries.
pub(crate) async fn read<T: Send + 'static>(
    reader: Reader,
    read: impl FnOnce(&TenantView) -> Result<T, StoreError> + Send + 'static,
) -> Result<T, Problem> {
    compute(reader, move |view| Ok(read(view)?)).await
}

/// Reads from the store and computes a response on a thread for queries.
pub(crate) async fn compute<T: Send + 'static>(
    reader: Reader,
    compute: impl FnOnce(&TenantView) -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
    let Reader { view, queries, .. } = reader;
    queries.run(view.tenant(), move || compute(&view)).await
}

/// Reads from the store and draws a picture on a thread for pictures, of which there are few.
pub(crate) async fn draw<T: Send + 'static>(
    reader: Reader,
    draw: impl FnOnce(&TenantView) -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
    let Reader { view, pictures, .. } = reader;
    pictures.run(view.tenant(), move || draw(&view)).await
}
