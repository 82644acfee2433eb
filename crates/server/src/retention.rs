//! Removes what tenants do not want to keep any longer.

use std::{sync::Arc, thread, time::Duration};

use wholecall_store::{Expiry, Store, StoreError};

use crate::{clock, tenants::Tenants};

const EVERY: Duration = Duration::from_secs(3_600);

/// So many are removed in one transaction, and so long others have the disk before the next.
const AT_ONCE: usize = 50;
const PAUSE: Duration = Duration::from_millis(20);

const DAY_MS: i64 = 86_400_000;

/// The assembler keeps closed calls for minutes: nothing that was touched in the last hour is removed.
const QUIET_MS: i64 = 3_600_000;

/// What was rejected is kept for this long.
const REJECTED_DAYS: i64 = 30;

/// Looks every hour, from now on.
pub(crate) async fn keep_removing(store: Store, tenants: Arc<Tenants>) {
    let mut hours = tokio::time::interval(EVERY);
    loop {
        hours.tick().await;
        let (store, tenants) = (store.clone(), tenants.clone());
        let removed =
            tokio::task::spawn_blocking(move || remove_expired(&store, &tenants, clock::now().as_millis()))
                .await;
        if let Ok(Err(error)) = removed {
            tracing::warn!(%error, "what is to be kept no longer could not be removed; it will be tried again");
        }
    }
}

/// Removes what is over its time now.
fn remove_expired(store: &Store, tenants: &Tenants, now_ms: i64) -> Result<(), StoreError> {
    let orphans = store.remove_orphans()?;
    if orphans > 0 {
        tracing::info!(rows = orphans, "removed what came for tenants that are gone");
    }
    let rejected = all(|| store.remove_rejected_before(now_ms - REJECTED_DAYS * DAY_MS, AT_ONCE))?;
    if rejected > 0 {
        tracing::info!(
            rejected,
            "removed what was rejected and looked at by nobody for {REJECTED_DAYS} days"
        );
    }
    for tenant in tenants.now().by_name.values() {
        // Also what was left when the service stopped in between.
        store.announce(tenant.id, now_ms)?;
        let Some(days) = tenant.settings.retention_days else { continue };
        let before_ms = now_ms - i64::from(days) * DAY_MS;
        let expiry = Expiry { tenant: tenant.id, before_ms, quiet_since_ms: now_ms - QUIET_MS };
        let calls = all(|| store.remove_calls(expiry, AT_ONCE));
        // Whatever could be removed, readers of the feed have to know.
        store.announce(tenant.id, now_ms)?;
        let calls = calls?;
        let strays = all(|| store.remove_strays(expiry, AT_ONCE))?;
        let leftovers = all(|| store.remove_leftovers(expiry, AT_ONCE))?;
        store.remove_directories(tenant.id)?;
        if calls + strays + leftovers > 0 {
            tracing::info!(tenant = tenant.name, calls, strays, leftovers, "removed what was over its time");
        }
    }
    Ok(())
}

/// Removes until there is no more; tells how many there were.
fn all(remove: impl Fn() -> Result<usize, StoreError>) -> Result<usize, StoreError> {
    let mut removed = 0;
    loop {
        let count = remove()?;
        removed += count;
        if count < AT_ONCE {
            return Ok(removed);
        }
        thread::sleep(PAUSE);
    }
}
