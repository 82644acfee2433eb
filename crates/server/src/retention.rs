//! Removes what tenants do not want to keep any longer.

use std::{sync::Arc, thread, time::Duration};

use wholecall_store::{Expiry, Store, StoreError};

use crate::{
    blocking::blocking,
    clock::{Clock, SETTLED_AFTER},
    tenants::Tenants,
};

const EVERY: Duration = Duration::from_secs(3_600);

/// So many are removed in one transaction, and so long others have the disk before the next.
const AT_ONCE: usize = 50;
const PAUSE: Duration = Duration::from_millis(20);

const DAY_MS: i64 = 86_400_000;

/// The assembler keeps closed calls for minutes: nothing that was touched in the last hour is removed.
const QUIET_MS: i64 = 3_600_000;

/// What was rejected is kept for this long.
const REJECTED_DAYS: i64 = 30;

/// Entries of the audit log are kept for this long.
const AUDIT_DAYS: i64 = 400;

/// If nothing has arrived for longer than this, the clock is taken to be wrong.
const IMPLAUSIBLE_MS: i64 = 7 * DAY_MS;

/// Looks every hour, and once as soon as the clock can be trusted.
pub(crate) async fn keep_removing(store: Store, tenants: Arc<Tenants>) {
    let clock = Clock::system();
    loop {
        let (store, tenants, by) = (store.clone(), tenants.clone(), clock.clone());
        if let Err(error) = blocking(move || remove_expired(&store, &tenants, &by)).await {
            tracing::warn!(%error, "what is to be kept no longer could not be removed; it will be tried again");
        }
        let pause = if clock.is_settled() { EVERY } else { SETTLED_AFTER };
        tokio::time::sleep(pause).await;
    }
}

/// Removes what is over its time now.
fn remove_expired(store: &Store, tenants: &Tenants, clock: &Clock) -> Result<(), StoreError> {
    let now_ms = clock.now().as_millis();
    let orphans = store.remove_orphans()?;
    if orphans > 0 {
        tracing::info!(rows = orphans, "removed what came for tenants that are gone");
    }
    let may_remove = clock.is_settled() && is_plausible(store.last_arrival_ms()?, now_ms);
    let rejected_before_ms = now_ms - REJECTED_DAYS * DAY_MS;
    let rejected = match may_remove {
        true => all(|| store.remove_rejected_before(rejected_before_ms, AT_ONCE))?,
        false => 0,
    };
    if rejected > 0 {
        tracing::info!(
            rejected,
            "removed what was rejected and looked at by nobody for {REJECTED_DAYS} days"
        );
    }
    if may_remove {
        let audit = all(|| store.remove_audit_before(now_ms - AUDIT_DAYS * DAY_MS, AT_ONCE))?;
        if audit > 0 {
            tracing::info!(audit, "removed entries of the audit log that are older than {AUDIT_DAYS} days");
        }
    }
    for tenant in tenants.now().by_name.values() {
        // Also what was left when the service stopped in between.
        store.announce(tenant.id, now_ms)?;
        let Some(days) = tenant.settings.retention_days.filter(|_| may_remove) else { continue };
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

/// Whether a time may be now, where the last notification arrived at another. A clock that is weeks ahead would remove for
/// good what is to be kept.
fn is_plausible(last_arrival_ms: Option<i64>, now_ms: i64) -> bool {
    let is_plausible = last_arrival_ms.is_none_or(|last| now_ms - last <= IMPLAUSIBLE_MS);
    if !is_plausible {
        let days = IMPLAUSIBLE_MS / DAY_MS;
        tracing::warn!(
            "nothing has arrived for more than {days} days, so the clock may be wrong: nothing is removed by age"
        );
    }
    is_plausible
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use wholecall_store::Position;

    use super::*;
    use crate::clock::simulated::{BEGIN_MS, ClockControl, offsets};

    #[test]
    fn a_clock_that_is_implausibly_ahead_removes_nothing() {
        assert!(is_plausible(Some(0), IMPLAUSIBLE_MS) && is_plausible(None, i64::MAX));
        assert!(is_plausible(Some(DAY_MS), 0), "a clock that is behind removes too little");
        assert!(!is_plausible(Some(0), 60 * DAY_MS));
    }

    #[test]
    fn nothing_is_removed_right_after_the_start() {
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
        store.commit(wholecall_store::Assembled { checkpoint: Position(1), made: Vec::new() }).unwrap();
        let tenants = Tenants::open(store.clone()).unwrap();
        remove_expired(&store, &tenants, &clock).unwrap();
        assert_eq!(store.counts().unwrap().0, 1, "the clock may have been set wrong");
        let before_ms = now_ms - DAY_MS;
        let expiry = Expiry { tenant: tenant.id, before_ms, quiet_since_ms: now_ms - QUIET_MS };
        assert_eq!(store.remove_strays(expiry, AT_ONCE).unwrap(), 1, "it is over its time");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        /// However the clock jumps, nothing is removed by age before it has been steady for ten minutes.
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
                // Over its time by any clock that is right, but not so old that the clock is implausible.
                let arrived_ms = BEGIN_MS + hand.elapsed_ms() - 3 * DAY_MS;
                let arrival = wholecall_store::Arrival {
                    tenant: tenant.id, arrived_ms, session: format!("s-{position}").into(), body: "{}".into(),
                };
                store.append(vec![arrival]).unwrap().blocking_recv().unwrap().unwrap();
                position += 1;
                let made = Vec::new();
                store.commit(wholecall_store::Assembled { checkpoint: Position(position), made }).unwrap();
                let kept = store.counts().unwrap().0;
                hand.pass(pass_ms);
                if let Some(set) = set {
                    if (set - hand.offset_ms()).abs() > 2_000 {
                        steady_since_ms = hand.elapsed_ms();
                    }
                    hand.set_wrong_by(set);
                }
                remove_expired(&store, &tenants, &clock).unwrap();
                let is_steady = hand.elapsed_ms() - steady_since_ms >= SETTLED_AFTER.as_millis() as i64;
                let removed = kept - store.counts().unwrap().0;
                prop_assert!(is_steady || removed == 0, "{removed} removed");
            }
            hand.set_wrong_by(0);
            for _ in 0..30 {
                hand.pass(60_000);
                clock.now();
            }
            remove_expired(&store, &tenants, &clock).unwrap();
            prop_assert_eq!(store.counts().unwrap().0, 0, "what is over its time goes in the end");
        }
    }
}
