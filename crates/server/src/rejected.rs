//! What was posted with the right token and not taken: shown, explained, and judged again.

use std::{sync::Arc, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use wholecall_notification::{Document, Message};
use wholecall_record::Time;
use wholecall_store::{Refused, Store, StoreError, TenantId};

use crate::{
    clock,
    receive::{MAX_BODY_BYTES, durable, judge},
    tenants::{Tenant, Tenants},
};

/// So many that are to be judged again are read at once.
const AT_ONCE: usize = 100;

/// A store that failed is tried again after this time.
const PAUSE: Duration = Duration::from_secs(5);

/// One of them, without its body.
pub fn describe(refused: &Refused) -> Value {
    json!({
        "id": refused.id.to_string(),
        "arrivedAt": Time::from_millis(refused.arrived_ms).to_string(),
        "reason": refused.reason,
        "isComplete": refused.cut_from_bytes.is_none(),
        "retryQueued": refused.is_marked,
    })
}

/// One of them with its body and what can be done about it. `is_own` says whether an account is the tenant's.
pub fn describe_whole(tenant: &str, is_own: impl Fn(&str) -> bool, refused: &Refused, body: &[u8]) -> Value {
    let mut described = describe(refused);
    described["advice"] = advice(tenant, is_own, refused, body).into();
    described["postedBytes"] = refused.cut_from_bytes.unwrap_or(body.len() as i64).into();
    match std::str::from_utf8(body) {
        Ok(text) => described["body"] = text.into(),
        Err(_) => described["bodyBase64"] = STANDARD.encode(body).into(),
    }
    described
}

/// What can be done about it.
fn advice(tenant: &str, is_own: impl Fn(&str) -> bool, refused: &Refused, body: &[u8]) -> String {
    if let Some(bytes) = refused.cut_from_bytes {
        return format!(
            "of {bytes} bytes that came only the first {} are kept, so it can never be accepted; \
             a notification has at most {MAX_BODY_BYTES} bytes, unpacked, and comes within 2.5 s",
            body.len()
        );
    }
    let document = std::str::from_utf8(body).ok().and_then(|text| Document::parse(text).ok());
    match document.as_ref().map(Document::message) {
        Some(Ok(Message::Session(notification))) => match notification.account_id() {
            Some(account) if !is_own(account) => format!(
                "if account {account} is the tenant's: `wholecall tenant set {tenant}` with \
                 `--account {account}` beside its other accounts, then retry"
            ),
            _ => "retry it: its account is one of the tenant's now".to_owned(),
        },
        Some(Ok(other)) => format!(
            "it is {}: only telephony session notifications are of use; subscribe this hook to nothing else",
            other.kind()
        ),
        Some(Err(_)) | None => "it is not a notification of RingCentral's: look at who posts it".to_owned(),
    }
}

/// Judges one of them again: what is taken now is in the journal and rejected no more. The reason if it still is not taken;
/// none of either if there is no such thing.
pub(crate) async fn retry(
    store: &Store,
    tenant: &Tenant,
    id: i64,
) -> Result<Option<Result<(), String>>, StoreError> {
    let view = store.of(tenant.id);
    let judged = match blocking(move || view.rejected_body(id)).await {
        Ok(None) => return Ok(None),
        Ok(Some((Refused { cut_from_bytes: None, .. }, body))) => judge(tenant, clock::now(), &body),
        Ok(Some((refused, _))) => Err(refused.reason),
        // What cannot be read holds up nothing else that is to be judged again.
        Err(error @ StoreError::Damaged(_)) => {
            store.note_damage(Some(tenant.id), format!("rejected body {id}"), &error);
            Err("what was kept of it cannot be read".to_owned())
        }
        Err(error) => return Err(error),
    };
    let (store, tenant) = (store.clone(), tenant.id);
    match judged {
        Ok(arrival) => {
            // Should the service end in between, it is judged once more; what comes twice counts once.
            durable(store.append(vec![arrival])?).await?;
            blocking(move || store.remove_rejected(tenant, vec![id])).await?;
            Ok(Some(Ok(())))
        }
        Err(reason) => {
            let noted = reason.clone();
            blocking(move || store.note_rejected_again(tenant, id, noted)).await?;
            Ok(Some(Err(reason)))
        }
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    tokio::task::spawn_blocking(work).await.unwrap_or(Err(StoreError::Closed))
}

/// Judges again what is marked, now and whenever more of it is.
pub(crate) async fn follow_marks(store: Store, tenants: Arc<Tenants>) {
    let mut changes = tenants.watch();
    loop {
        changes.mark_unchanged();
        if let Err(error) = retry_marked(&store, &tenants).await {
            tracing::warn!(%error, "what was rejected could not be judged again; it will be tried once more");
            tokio::time::sleep(PAUSE).await;
            continue;
        }
        if changes.changed().await.is_err() {
            return;
        }
    }
}

async fn retry_marked(store: &Store, tenants: &Tenants) -> Result<(), StoreError> {
    let ids: Vec<TenantId> = tenants.now().by_id.keys().copied().collect();
    for id in ids {
        let (mut after, mut accepted, mut rejected) = (0, 0_u64, 0_u64);
        loop {
            let view = store.of(id);
            let marked = blocking(move || view.rejected_to_retry(after, AT_ONCE)).await?;
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
        if accepted + rejected > 0 {
            tracing::info!(tenant = id.number(), accepted, rejected, "judged again what was rejected");
        }
    }
    Ok(())
}
