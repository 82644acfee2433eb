//! Requests to the assembler thread, the only writer of calls.

use tokio::sync::oneshot;
use wholecall_store::{AuditActor, Erasure, StoreError, TenantId};

use crate::{privacy::erasure::NumberSearch, quotas::PendingErasure};

/// A request to the assembler thread.
pub(crate) enum AssemblerRequest {
    /// A person is to be erased.
    Erase {
        tenant: TenantId,
        number: String,
        found: NumberSearch,
        pseudonym_key: Vec<u8>,
        /// The person or program that requested it, for the audit log.
        who: AuditActor,
        reply: oneshot::Sender<Result<Erasure, StoreError>>,
        /// Counts the erasure as running until it is done, even if the client has disconnected.
        erasing: PendingErasure,
    },
    /// There is a newer directory of an account.
    Directory { tenant: TenantId, account: String },
}
