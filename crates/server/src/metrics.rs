//! What the service counts, for Prometheus.

use std::{sync::Arc, time::Duration};

use prometheus_client::{
    encoding::{EncodeLabelSet, EncodeLabelValue, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Registry, Unit},
};
use wholecall_store::{ChangeKind, Made, VersionKind};

use crate::{clock::comparison::Comparison, health::Health};

/// What became of a request to a hook.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelValue)]
pub(crate) enum Outcome {
    Stored,
    Rejected,
    Unverified,
    /// The body is longer than the maximum.
    TooLarge,
    /// The body did not arrive in time.
    TooSlow,
    /// The body's `Content-Encoding` could not be decoded.
    Undecodable,
    Failed,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Received {
    outcome: Outcome,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Change {
    kind: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Delivery {
    outcome: Taken,
}

/// Whether an event was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelValue)]
enum Taken {
    Delivered,
    Failed,
}

/// The counters; copies count together.
#[derive(Debug, Clone)]
pub(crate) struct Metrics {
    registry: Arc<Registry>,
    received: Family<Received, Counter>,
    acknowledged: Histogram,
    assembled: Counter,
    changes: Family<Change, Counter>,
    contradictions: Counter,
    deliveries: Family<Delivery, Counter>,
    pub(crate) streams: Gauge,
    pub(crate) health: Arc<Health>,
    /// The clock against others.
    pub(crate) clock: Arc<Comparison>,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let seconds = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 3.0];
        let metrics = Self {
            registry: Arc::default(),
            received: Family::default(),
            acknowledged: Histogram::new(seconds),
            assembled: Counter::default(),
            changes: Family::default(),
            contradictions: Counter::default(),
            deliveries: Family::default(),
            streams: Gauge::default(),
            health: Arc::default(),
            clock: Arc::default(),
        };
        let mut registry = Registry::with_prefix("wholecall");
        registry.register(
            "hook_requests",
            "Requests to hooks, by what became of them",
            metrics.received.clone(),
        );
        registry.register_with_unit(
            "hook_acknowledge",
            "Time from the end of a request to its durable acknowledgement",
            Unit::Seconds,
            metrics.acknowledged.clone(),
        );
        registry.register("notifications_assembled", "Notifications assembled", metrics.assembled.clone());
        registry.register("changes", "Changes made to calls, by kind", metrics.changes.clone());
        registry.register(
            "contradictory_records",
            "Records that contradicted themselves and were published with what remained true",
            metrics.contradictions.clone(),
        );
        registry.register(
            "webhook_events",
            "Events sent to endpoints, by what became of them",
            metrics.deliveries.clone(),
        );
        registry.register(
            "open_streams",
            "Clients that follow changes as they come",
            metrics.streams.clone(),
        );
        registry.register_with_unit(
            "clock_offset",
            "By how much this machine's clock is ahead of RingCentral's, and of those of receivers of webhooks; an alarm above 60",
            Unit::Seconds,
            metrics.clock.offsets.clone(),
        );
        Self { registry: Arc::new(registry), ..metrics }
    }

    pub(crate) fn received(&self, outcome: Outcome) {
        self.received.get_or_create(&Received { outcome }).inc();
    }

    pub(crate) fn acknowledged(&self, after: Duration) {
        self.acknowledged.observe(after.as_secs_f64());
    }

    pub(crate) fn delivered(&self, is_taken: bool, events: usize) {
        let outcome = if is_taken { Taken::Delivered } else { Taken::Failed };
        self.deliveries.get_or_create(&Delivery { outcome }).inc_by(events as u64);
    }

    pub(crate) fn assembled(&self, notifications: usize) {
        self.assembled.inc_by(notifications as u64);
    }

    /// Records of a tenant contradicted themselves.
    pub(crate) fn contradicted(&self, tenant: wholecall_store::TenantId, records: u64) {
        self.contradictions.inc_by(records);
        self.health.contradicted(tenant, records);
    }

    pub(crate) fn made(&self, made: &[Made]) {
        for made in made {
            let kind = match &made.what {
                VersionKind::Version { kind, call } => {
                    if *kind == ChangeKind::Completed {
                        self.health.closed(made.tenant, call);
                    }
                    kind.as_str()
                }
                VersionKind::Merged { .. } => "call.merged",
            };
            self.changes.get_or_create(&Change { kind: kind.to_owned() }).inc();
        }
    }

    /// Everything as Prometheus reads it.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        if let Err(error) = encode(&mut text, &self.registry) {
            tracing::error!(%error, "metrics could not be written");
        }
        text
    }
}
