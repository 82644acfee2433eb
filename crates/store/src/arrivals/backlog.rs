//! Limits the bytes that wait to be written, so that one tenant cannot use up the memory.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::arrival::Arrival;
use crate::TenantId;

/// Maximum bytes waiting to be written, of one tenant and of all together.
const MAX_TENANT_BYTES: usize = 16 << 20;
const MAX_TOTAL_BYTES: usize = 64 << 20;

/// Approximate bytes that a notification takes beside its body.
const NOTIFICATION_OVERHEAD_BYTES: usize = 256;

/// The bytes that wait to be written.
#[derive(Debug, Default)]
pub(crate) struct Backlog(Mutex<PendingBytes>);

#[derive(Debug, Default)]
struct PendingBytes {
    bytes: usize,
    of_tenants: HashMap<TenantId, usize>,
}

impl PendingBytes {
    fn has_room_for(&self, tenant: TenantId) -> bool {
        let of_tenant = self.of_tenants.get(&tenant).copied().unwrap_or(0);
        self.bytes < MAX_TOTAL_BYTES && of_tenant < MAX_TENANT_BYTES
    }
}

/// Bytes that are counted until this is dropped.
#[derive(Debug)]
pub(super) struct Reservation {
    backlog: Arc<Backlog>,
    of_tenants: Vec<(TenantId, usize)>,
}

impl Backlog {
    /// Counts the bytes of notifications until the reservation is dropped. `None` if too many bytes are waiting
    /// already. A tenant with nothing waiting is never refused, whatever the size of its notifications.
    pub(super) fn reserve(self: &Arc<Self>, arrivals: &[Arrival]) -> Option<Reservation> {
        let mut of_tenants: Vec<(TenantId, usize)> = Vec::new();
        for arrival in arrivals {
            let bytes = arrival.body.len() + NOTIFICATION_OVERHEAD_BYTES;
            match of_tenants.last_mut() {
                Some((tenant, counted)) if *tenant == arrival.tenant => *counted += bytes,
                _ => of_tenants.push((arrival.tenant, bytes)),
            }
        }
        let mut pending = self.lock();
        if !of_tenants.iter().all(|(tenant, _)| pending.has_room_for(*tenant)) {
            return None;
        }
        for (tenant, bytes) in &of_tenants {
            pending.bytes += bytes;
            *pending.of_tenants.entry(*tenant).or_default() += bytes;
        }
        drop(pending);
        Some(Reservation { backlog: self.clone(), of_tenants })
    }

    /// Whether a tenant may queue more notifications.
    pub(super) fn has_room_for(&self, tenant: TenantId) -> bool {
        self.lock().has_room_for(tenant)
    }

    fn lock(&self) -> MutexGuard<'_, PendingBytes> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        let mut pending = self.backlog.lock();
        for (tenant, bytes) in &self.of_tenants {
            pending.bytes -= bytes;
            if let Some(left) = pending.of_tenants.get_mut(tenant) {
                *left -= bytes;
                if *left == 0 {
                    pending.of_tenants.remove(tenant);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrival(tenant: i64, bytes: usize) -> Vec<Arrival> {
        let body = "x".repeat(bytes).into();
        vec![Arrival { tenant: TenantId(tenant), arrived_ms: 0, session: "s".into(), body }]
    }

    #[test]
    fn tenant_over_its_limit_is_refused_and_others_are_not() {
        let backlog = Arc::new(Backlog::default());
        let mut counted = Vec::new();
        while let Some(more) = backlog.reserve(&arrival(1, 1 << 20)) {
            counted.push(more);
            assert!(counted.len() <= 17);
        }
        assert_eq!(counted.len(), 16, "16 MiB");
        let other = backlog.reserve(&arrival(2, 1)).unwrap();
        counted.pop();
        assert!(backlog.reserve(&arrival(1, 1)).is_some());
        drop((counted, other));
        assert_eq!(backlog.lock().bytes, 0);
        assert!(backlog.lock().of_tenants.is_empty());
    }

    #[test]
    fn all_tenants_together_are_limited() {
        let backlog = Arc::new(Backlog::default());
        let counted: Vec<_> =
            (0..100).filter_map(|tenant| backlog.reserve(&arrival(tenant, 1 << 20))).collect();
        assert_eq!(counted.len(), 64);
    }
}
