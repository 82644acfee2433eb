//! Bodies that were posted with a valid token but rejected: describes them and retries them.

use std::{sync::Arc, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use wholecall_notification::{Document, Message};
use wholecall_record::Time;
use wholecall_store::{RejectedBody, Store, StoreError, TenantId};

use crate::{
    blocking::blocking,
    clock,
    receive::{MAX_BODY_BYTES, classify, wait_until_durable},
    tenants::{Tenant, Tenants},
};

/// Maximum number of bodies to retry that are read at once.
const MAX_BATCH_BODIES: usize = 100;

/// Interval after which retries resume after an error of the store.
const RESTART_DELAY: Duration = Duration::from_secs(5);

/// Describes a rejected body without its content.
pub fn describe(refused: &RejectedBody) -> Value {
    json!({
        "id": refused.id.to_string(),
        "arrivedAt": Time::from_millis(refused.arrived_ms).to_string(),
        "reason": refused.reason,
        "isComplete": refused.posted_bytes.is_none(),
        "retryQueued": refused.is_to_retry,
    })
}

/// Describes a rejected body with its content and advice. `is_own` returns whether an account belongs to the tenant.
pub fn describe_with_body(
    tenant: &str,
    is_own: impl Fn(&str) -> bool,
    refused: &RejectedBody,
    body: &[u8],
) -> Value {
    let mut described = describe(refused);
    described["advice"] = advice(tenant, is_own, refused, body).into();
    described["postedBytes"] = refused.posted_bytes.unwrap_or(body.len() as i64).into();
    match std::str::from_utf8(body) {
        Ok(text) => described["body"] = text.into(),
        Err(_) => described["bodyBase64"] = STANDARD.encode(body).into(),
    }
    described
}

/// Advice on how to get a body accepted, or how to prevent further ones.
fn advice(tenant: &str, is_own: impl Fn(&str) -> bool, refused: &RejectedBody, body: &[u8]) -> String {
    if let Some(bytes) = refused.posted_bytes {
        return format!(
            "only the first {} of {bytes} bytes are stored, so it can never be accepted; \
             a notification has at most {MAX_BODY_BYTES} bytes, uncompressed, and must arrive within 2.5 s",
            body.len()
        );
    }
    let document = std::str::from_utf8(body).ok().and_then(|text| Document::parse(text).ok());
    match document.as_ref().map(Document::message) {
        Some(Ok(Message::Session(notification))) => match notification.account_id() {
            Some(account) if !is_own(account) => format!(
                "if account {account} belongs to the tenant: run `wholecall tenant set {tenant}` with \
                 `--account {account}` and its other accounts, then retry"
            ),
            _ => "retry it: its account belongs to the tenant now".to_owned(),
        },
        Some(Ok(other)) => format!(
            "it is {}: only telephony session notifications are assembled; do not subscribe this hook to others",
            other.kind()
        ),
        Some(Err(_)) | None => "it is not a notification of RingCentral: find out what posts it".to_owned(),
    }
}

/// Retries a rejected body. If it is accepted now, it is appended to the journal and no longer rejected; otherwise the inner
/// error is the reason. `None` if it does not exist.
pub(crate) async fn retry(
    store: &Store,
    tenant: &Tenant,
    id: i64,
) -> Result<Option<Result<(), String>>, StoreError> {
    let view = store.of(tenant.id);
    let judged = match blocking(move || view.rejected_body(id)).await {
        Ok(None) => return Ok(None),
        Ok(Some((RejectedBody { posted_bytes: None, .. }, body))) => classify(tenant, clock::now(), &body),
        Ok(Some((refused, _))) => Err(refused.reason),
        // An unreadable body must not stop the retries of others.
        Err(error @ StoreError::Damaged(_)) => {
            store.note_damage(Some(tenant.id), format!("rejected body {id}"), &error);
            Err("its stored body cannot be read".to_owned())
        }
        Err(error) => return Err(error),
    };
    let (store, tenant) = (store.clone(), tenant.id);
    match judged {
        Ok(arrival) => {
            // If the service ends in between, the body is retried again; a duplicate notification counts once.
            wait_until_durable(store.append(vec![arrival])?).await?;
            blocking(move || store.remove_rejected(tenant, vec![id])).await?;
            Ok(Some(Ok(())))
        }
        Err(reason) => {
            let stored = reason.clone();
            blocking(move || store.update_rejection_reason(tenant, id, stored)).await?;
            Ok(Some(Err(reason)))
        }
    }
}

/// Retries bodies that are marked for it, now and whenever more are marked.
pub(crate) async fn run_retries(store: Store, tenants: Arc<Tenants>) {
    let mut changes = tenants.watch();
    loop {
        changes.mark_unchanged();
        if let Err(error) = retry_marked(&store, &tenants).await {
            tracing::warn!(%error, "rejected bodies could not be retried; they will be retried later");
            tokio::time::sleep(RESTART_DELAY).await;
            continue;
        }
        if changes.changed().await.is_err() {
            return;
        }
    }
}

async fn retry_marked(store: &Store, tenants: &Tenants) -> Result<(), StoreError> {
    let ids: Vec<TenantId> = tenants.snapshot().by_id.keys().copied().collect();
    for id in ids {
        let (mut after, mut accepted, mut rejected) = (0, 0_u64, 0_u64);
        loop {
            let view = store.of(id);
            let marked = blocking(move || view.rejected_to_retry(after, MAX_BATCH_BODIES)).await?;
            let Some(last) = marked.last() else { break };
            after = last.id;
            let Some(tenant) = tenants.with_id(id) else { break };
            for refused in &marked {
                match retry(store, &tenant, refused.id).await? {
                    Some(Ok(())) => accepted += 1,
                    Some(Err(_)) => rejected += 1,
                    None => {}
                }
            }
        }
        if accepted + rejected > 0
            && let Some(tenant) = tenants.with_id(id)
        {
            tracing::info!(tenant = tenant.name, accepted, rejected, "rejected bodies were retried");
        }
    }
    Ok(())
}
