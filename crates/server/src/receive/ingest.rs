//! Stores bodies: notifications as arrivals, all others as rejected, with the reason.

use tokio::sync::oneshot;
use wholecall_store::{Arrival, NewRejected, Store, StoreError, TenantId};

use super::{
    body::{HOOK_TIMEOUT, MAX_BODY_BYTES, MAX_REJECTED_BYTES},
    classify,
};
use crate::{
    clock,
    metrics::HookOutcome,
    tenants::{Tenant, Tenants},
};

/// Ingests a body that did not arrive at the hook: a message of a WebSocket, or the answer to a lookup. The body of a
/// tenant that was removed is dropped.
pub(crate) async fn ingest(
    store: &Store,
    tenants: &Tenants,
    tenant: TenantId,
    body: &str,
) -> Result<(), StoreError> {
    match tenants.with_id(tenant) {
        Some(tenant) => {
            let body = body.as_bytes();
            store_body(store, &tenant, body, classify(&tenant, clock::now(), body)).await.map(drop)
        }
        None => Ok(()),
    }
}

/// Stores a body as a notification, or as rejected if it is not one of the tenant's. Returns once it is durable.
pub(super) async fn store_body(
    store: &Store,
    tenant: &Tenant,
    body: &[u8],
    classified: Result<Arrival, String>,
) -> Result<HookOutcome, StoreError> {
    let (durable, outcome) = match classified {
        Ok(arrival) => (store.append(vec![arrival])?, HookOutcome::Accepted),
        Err(reason) => {
            tracing::info!(tenant = tenant.name, reason, "a body was rejected");
            let refusal = refusal(tenant, reason, body)?;
            (store.reject(refusal)?, HookOutcome::Rejected)
        }
    };
    wait_until_durable(durable).await.map(|()| outcome)
}

/// A rejected body. Of one that is too long, as a WebSocket may deliver it, only the beginning is stored.
fn refusal(tenant: &Tenant, reason: String, body: &[u8]) -> Result<NewRejected, StoreError> {
    let now_ms = clock::now().as_millis();
    match body.len() > MAX_BODY_BYTES {
        true => {
            Ok(NewRejected::new(tenant.id, now_ms, reason, &body[..MAX_REJECTED_BYTES])?.cut_from(body.len()))
        }
        false => NewRejected::new(tenant.id, now_ms, reason, body),
    }
}

/// Waits until something is durable, at most as long as RingCentral waits for an answer.
pub(crate) async fn wait_until_durable(
    durable: oneshot::Receiver<Result<(), StoreError>>,
) -> Result<(), StoreError> {
    match tokio::time::timeout(HOOK_TIMEOUT, durable).await {
        Ok(Ok(result)) => result,
        Ok(Err(_)) => Err(StoreError::Closed),
        Err(_) => Err(StoreError::Overloaded),
    }
}
