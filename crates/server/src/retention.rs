//! Removes stored data whose retention period is over.

use std::{sync::Arc, thread, time::Duration};

use wholecall_store::{Expiry, Store, StoreError};

use crate::{
    blocking::blocking,
    clock::{Clock, SETTLED_AFTER},
    tenants::Tenants,
};

/// Interval between two runs.
const RUN_INTERVAL: Duration = Duration::from_secs(3_600);

/// Maximum number of rows removed in a transaction, and interval before the next, in which other writers have the disk.
const MAX_BATCH_ROWS: usize = 50;
const BATCH_INTERVAL: Duration = Duration::from_millis(20);

const DAY_MS: i64 = 86_400_000;

/// Minimum interval since a call was last changed before it is removed: the assembler has closed calls in memory for
/// minutes.
const MIN_QUIET_MS: i64 = 3_600_000;

/// Retention period of rejected bodies.
const REJECTED_DAYS: i64 = 30;

/// Retention period of the audit log.
const AUDIT_DAYS: i64 = 400;

/// Maximum plausible interval since the last notification; after a longer one the clock is taken to be wrong.
const MAX_PLAUSIBLE_SILENCE_MS: i64 = 7 * DAY_MS;

/// Runs every hour, and once as soon as the clock has settled.
pub(crate) async fn run(store: Store, tenants: Arc<Tenants>) {
    let clock = Clock::system();
    loop {
        let (store, tenants, by) = (store.clone(), tenants.clone(), clock.clone());
        if let Err(error) = blocking(move || remove_expired(&store, &tenants, &by)).await {
            tracing::warn!(%error, "expired data could not be removed; it is tried again");
        }
        let interval = if clock.is_settled() { RUN_INTERVAL } else { SETTLED_AFTER };
        tokio::time::sleep(interval).await;
    }
}

/// Removes everything that has expired.
fn remove_expired(store: &Store, tenants: &Tenants, clock: &Clock) -> Result<(), StoreError> {
    let now_ms = clock.now().as_millis();
    let orphans = store.remove_rows_without_tenant()?;
    if orphans > 0 {
        tracing::info!(rows = orphans, "removed data of tenants that do not exist any more");
    }
    let may_remove = clock.is_settled() && is_plausible(store.last_arrival_ms()?, now_ms);
    let rejected_before_ms = now_ms - REJECTED_DAYS * DAY_MS;
    let rejected = match may_remove {
        true => remove_all(|| store.remove_rejected_before(rejected_before_ms, MAX_BATCH_ROWS))?,
        false => 0,
    };
    if rejected > 0 {
        tracing::info!(rejected, "removed rejected bodies that are older than {REJECTED_DAYS} days");
    }
    if may_remove {
        let audit = remove_all(|| store.remove_audit_before(now_ms - AUDIT_DAYS * DAY_MS, MAX_BATCH_ROWS))?;
        if audit > 0 {
            tracing::info!(audit, "removed entries of the audit log that are older than {AUDIT_DAYS} days");
        }
    }
    for tenant in tenants.snapshot().by_name.values() {
        // Removals that were not announced before the service stopped.
        store.announce(tenant.id, now_ms)?;
        let Some(days) = tenant.settings.retention_days.filter(|_| may_remove) else { continue };
        let before_ms = now_ms - i64::from(days) * DAY_MS;
        let expiry = Expiry { tenant: tenant.id, before_ms, quiet_since_ms: now_ms - MIN_QUIET_MS };
        let calls = remove_all(|| store.remove_calls(expiry, MAX_BATCH_ROWS));
        // Also after an error: the calls that were removed before it must be announced.
        store.announce(tenant.id, now_ms)?;
        let calls = calls?;
        let strays = remove_all(|| store.remove_unassigned(expiry, MAX_BATCH_ROWS))?;
        let leftovers = remove_all(|| store.remove_detached_rows(expiry, MAX_BATCH_ROWS))?;
        store.remove_directories(tenant.id)?;
        if calls + strays + leftovers > 0 {
            tracing::info!(
                tenant = tenant.name,
                calls,
                notifications = strays,
                other_rows = leftovers,
                "removed expired data"
            );
        }
    }
    Ok(())
}

/// Whether the clock's time is plausible after the arrival of the last notification. A clock that is weeks ahead would make
/// data expire too early.
fn is_plausible(last_arrival_ms: Option<i64>, now_ms: i64) -> bool {
    let is_plausible = last_arrival_ms.is_none_or(|last| now_ms - last <= MAX_PLAUSIBLE_SILENCE_MS);
    if !is_plausible {
        let days = MAX_PLAUSIBLE_SILENCE_MS / DAY_MS;
        tracing::warn!(
            "no notification has arrived for more than {days} days, so the clock may be wrong: nothing is removed by age"
        );
    }
    is_plausible
}

/// Removes batches until there is nothing left; returns the number of removed rows.
fn remove_all(remove: impl Fn() -> Result<usize, StoreError>) -> Result<usize, StoreError> {
    let mut removed = 0;
    loop {
        let count = remove()?;
        removed += count;
        if count < MAX_BATCH_ROWS {
            return Ok(removed);
        }
        thread::sleep(BATCH_INTERVAL);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use wholecall_store::Position;

    use super::*;
    use crate::clock::simulated::{BEGIN_MS, ClockControl, offsets};

    #[test]
    fn a_clock_that_is_implausibly_ahead_removes_nothing() {
        assert!(is_plausible(Some(0), MAX_PLAUSIBLE_SILENCE_MS) && is_plausible(None, i64::MAX));
        assert!(is_plausible(Some(DAY_MS), 0), "a clock that is behind removes too little");
        assert!(!is_plausible(Some(0), 60 * DAY_MS));
    }

    #[test]
    fn nothing_is_removed_by_age_right_after_the_start() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        crate::admin::add_tenant(&store, "acme", &["1".to_owned()], None).unwrap();
        let tenant = crate::admin::find(&store, "acme").unwrap();
        let settings = wholecall_store::TenantSettings { retention_days: Some(1), ..tenant.settings };
        store.set_tenant_settings(tenant.id, settings).unwrap();
        let body = "{}".into();
        let clock = Clock::system();
        let now_ms = clock.now().as_millis();
        let arrived_ms = now_ms - 3 * DAY_MS;
        let arrival = wholecall_store::Arrival { tenant: tenant.id, arrived_ms, session: "s-1".into(), body };
        store.append(vec![arrival]).unwrap().blocking_recv().unwrap().unwrap();
        store.commit(wholecall_store::CommitBatch { checkpoint: Position(1), changes: Vec::new() }).unwrap();
        let tenants = Tenants::open(store.clone()).unwrap();
        remove_expired(&store, &tenants, &clock).unwrap();
        assert_eq!(store.counts().unwrap().0, 1, "the clock may have been set wrong");
        let before_ms = now_ms - DAY_MS;
        let expiry = Expiry { tenant: tenant.id, before_ms, quiet_since_ms: now_ms - MIN_QUIET_MS };
        assert_eq!(store.remove_unassigned(expiry, MAX_BATCH_ROWS).unwrap(), 1, "it has expired");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        /// After any jumps of the clock, nothing is removed by age before it has been steady for ten minutes.
        #[test]
        fn nothing_is_removed_before_the_clock_is_steady(
            steps in proptest::collection::vec((1_i64..400_000, proptest::option::weighted(0.3, offsets())), 1..40),
        ) {
            let folder = tempfile::tempdir().unwrap();
            let store = Store::open(folder.path()).unwrap();
            crate::admin::add_tenant(&store, "acme", &["1".to_owned()], None).unwrap();
            let tenant = crate::admin::find(&store, "acme").unwrap();
            let settings = wholecall_store::TenantSettings { retention_days: Some(1), ..tenant.settings };
            store.set_tenant_settings(tenant.id, settings).unwrap();
            let hand = ClockControl::default();
            let clock = hand.clock();
            let tenants = Tenants::open(store.clone()).unwrap();
            let mut steady_since_ms = 0;
            let mut position = 0;
            for (pass_ms, set) in steps {
                // Expired by the right time, but not so old that the clock is implausible.
                let arrived_ms = BEGIN_MS + hand.elapsed_ms() - 3 * DAY_MS;
                let arrival = wholecall_store::Arrival {
                    tenant: tenant.id, arrived_ms, session: format!("s-{position}").into(), body: "{}".into(),
                };
                store.append(vec![arrival]).unwrap().blocking_recv().unwrap().unwrap();
                position += 1;
                let made = Vec::new();
                store.commit(wholecall_store::CommitBatch { checkpoint: Position(position), changes: made }).unwrap();
                let before = store.counts().unwrap().0;
                hand.pass(pass_ms);
                if let Some(set) = set {
                    if (set - hand.offset_ms()).abs() > 2_000 {
                        steady_since_ms = hand.elapsed_ms();
                    }
                    hand.set_wrong_by(set);
                }
                remove_expired(&store, &tenants, &clock).unwrap();
                let is_steady = hand.elapsed_ms() - steady_since_ms >= SETTLED_AFTER.as_millis() as i64;
                let removed = before - store.counts().unwrap().0;
                prop_assert!(is_steady || removed == 0, "{removed} removed");
            }
            hand.set_wrong_by(0);
            for _ in 0..30 {
                hand.pass(60_000);
                clock.now();
            }
            remove_expired(&store, &tenants, &clock).unwrap();
            prop_assert_eq!(store.counts().unwrap().0, 0, "expired data is removed in the end");
        }
    }
}
