//! Tracks deliveries in flight. A redelivery that is requested while an attempt is in flight must cause another attempt,
//! not be satisfied by the current one.

use std::{
    collections::HashMap,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use wholecall_store::{EndpointId, EventId, Outgoing};

/// The events in flight by endpoint, and whether a redelivery of each is requested. Clones share them.
#[derive(Debug, Clone, Default)]
pub(crate) struct InFlight(Arc<Mutex<HashMap<(EndpointId, EventId), bool>>>);

impl InFlight {
    /// Requests that an event is sent again after the request that it is in. Returns whether it is in flight.
    pub(crate) fn request_redelivery(&self, endpoint: EndpointId, event: EventId) -> bool {
        let mut events = self.lock();
        let redelivery = events.get_mut(&(endpoint, event));
        redelivery.map(|is_requested| *is_requested = true).is_some()
    }

    /// Begins a request with some events.
    pub(super) fn begin(&self, endpoint: EndpointId, events: &[Outgoing]) -> RequestInFlight {
        let events: Vec<EventId> = events.iter().map(|event| event.id).collect();
        self.lock().extend(events.iter().map(|event| ((endpoint, *event), false)));
        RequestInFlight { in_flight: self.clone(), endpoint, events }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<(EndpointId, EventId), bool>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request that is in flight until it is completed or dropped.
#[derive(Debug)]
pub(super) struct RequestInFlight {
    in_flight: InFlight,
    endpoint: EndpointId,
    events: Vec<EventId>,
}

impl RequestInFlight {
    /// Ends the request and stores its result with `write`, which can ask for each event whether a redelivery was
    /// requested. The lock is held meanwhile, so that a redelivery that is requested later finds the stored result.
    pub(super) fn complete<T>(mut self, write: impl FnOnce(&dyn Fn(EventId) -> bool) -> T) -> T {
        let mut events = self.in_flight.lock();
        let redelivered: Vec<EventId> = mem::take(&mut self.events)
            .into_iter()
            .filter(|event| events.remove(&(self.endpoint, *event)) == Some(true))
            .collect();
        let written = write(&|event| redelivered.contains(&event));
        drop(events);
        written
    }
}

impl Drop for RequestInFlight {
    fn drop(&mut self) {
        let events = mem::take(&mut self.events);
        let mut in_flight = self.in_flight.lock();
        for event in events {
            in_flight.remove(&(self.endpoint, event));
        }
    }
}
