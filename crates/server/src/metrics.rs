//! The service's metrics for Prometheus.

use std::{sync::Arc, time::Duration};

use prometheus_client::{
    encoding::{EncodeLabelSet, EncodeLabelValue, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Registry, Unit},
};
use wholecall_store::{ChangeContent, ChangeKind, NewChange};

use crate::{clock::comparison::Comparison, ingest_stats::IngestStats};

/// The outcome of a request to a hook. The names are the label's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelValue)]
pub(crate) enum HookOutcome {
    Accepted,
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
struct HookLabels {
    outcome: HookOutcome,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ChangeLabels {
    kind: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DeliveryLabels {
    outcome: DeliveryOutcome,
}

/// The outcome of an event's delivery. The names are the label's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelValue)]
enum DeliveryOutcome {
    Delivered,
    Failed,
}

/// The metrics; clones count together.
#[derive(Debug, Clone)]
pub(crate) struct Metrics {
    registry: Arc<Registry>,
    hook_requests: Family<HookLabels, Counter>,
    acknowledgements: Histogram,
    assembled: Counter,
    changes: Family<ChangeLabels, Counter>,
    contradictions: Counter,
    deliveries: Family<DeliveryLabels, Counter>,
    pub(crate) streams: Gauge,
    pub(crate) ingest: Arc<IngestStats>,
    /// Compares this machine's clock with others.
    pub(crate) clock: Arc<Comparison>,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let seconds = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 3.0];
        let metrics = Self {
            registry: Arc::default(),
            hook_requests: Family::default(),
            acknowledgements: Histogram::new(seconds),
            assembled: Counter::default(),
            changes: Family::default(),
            contradictions: Counter::default(),
            deliveries: Family::default(),
            streams: Gauge::default(),
            ingest: Arc::default(),
            clock: Arc::default(),
        };
        let mut registry = Registry::with_prefix("wholecall");
        registry.register("hook_requests", "Requests to hooks by outcome", metrics.hook_requests.clone());
        registry.register_with_unit(
            "hook_acknowledge",
            "Time from the end of a request to its durable acknowledgement",
            Unit::Seconds,
            metrics.acknowledgements.clone(),
        );
        registry.register("notifications_assembled", "Notifications assembled", metrics.assembled.clone());
        registry.register("changes", "Published changes of calls by kind", metrics.changes.clone());
        registry.register(
            "contradictory_records",
            "Records that contradicted themselves and were published without the contradictory parts",
            metrics.contradictions.clone(),
        );
        registry.register(
            "webhook_events",
            "Events sent to endpoints by outcome",
            metrics.deliveries.clone(),
        );
        registry.register("open_streams", "Open streams of changes", metrics.streams.clone());
        registry.register_with_unit(
            "clock_offset",
            "Offset of this machine's clock from RingCentral's and from those of webhook receivers; above 60 is a fault",
            Unit::Seconds,
            metrics.clock.offsets.clone(),
        );
        Self { registry: Arc::new(registry), ..metrics }
    }

    pub(crate) fn count_hook_request(&self, outcome: HookOutcome) {
        self.hook_requests.get_or_create(&HookLabels { outcome }).inc();
    }

    pub(crate) fn observe_acknowledgement(&self, time: Duration) {
        self.acknowledgements.observe(time.as_secs_f64());
    }

    pub(crate) fn count_deliveries(&self, is_delivered: bool, events: usize) {
        let outcome = if is_delivered { DeliveryOutcome::Delivered } else { DeliveryOutcome::Failed };
        self.deliveries.get_or_create(&DeliveryLabels { outcome }).inc_by(events as u64);
    }

    pub(crate) fn count_assembled(&self, notifications: usize) {
        self.assembled.inc_by(notifications as u64);
    }

    /// Counts records that contradicted themselves.
    pub(crate) fn count_contradictions(&self, tenant: wholecall_store::TenantId, records: u64) {
        self.contradictions.inc_by(records);
        self.ingest.count_contradictions(tenant, records);
    }

    pub(crate) fn count_changes(&self, made: &[NewChange]) {
        for made in made {
            let kind = match &made.what {
                ChangeContent::Version { kind, call } => {
                    if *kind == ChangeKind::Completed {
                        self.ingest.count_closed(made.tenant, call);
                    }
                    kind.as_str()
                }
                ChangeContent::Merged { .. } => ChangeKind::Merged.as_str(),
            };
            self.changes.get_or_create(&ChangeLabels { kind: kind.to_owned() }).inc();
        }
    }

    /// All metrics in Prometheus' text format.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        if let Err(error) = encode(&mut text, &self.registry) {
            tracing::error!(%error, "metrics could not be written");
        }
        text
    }
}
