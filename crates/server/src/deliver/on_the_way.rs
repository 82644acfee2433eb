//! What is on its way to endpoints: whoever wants an event once more while it is must not be taken for answered by it.

use std::{
    collections::HashMap,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use wholecall_store::{EndpointId, EventId, Outgoing};

/// Events by endpoint, and whether each is wanted once more. Copies share them.
#[derive(Debug, Clone, Default)]
pub(crate) struct OnTheWay(Arc<Mutex<HashMap<(EndpointId, EventId), bool>>>);

impl OnTheWay {
    /// Wants an event sent once more after the request that it is in; tells whether there is such a request.
    pub(crate) fn want_again(&self, endpoint: EndpointId, event: EventId) -> bool {
        let mut events = self.lock();
        let wanted = events.get_mut(&(endpoint, event));
        wanted.map(|is_wanted| *is_wanted = true).is_some()
    }

    /// Events set out in one request.
    pub(super) fn set_out(&self, endpoint: EndpointId, events: &[Outgoing]) -> Request {
        let events: Vec<EventId> = events.iter().map(|event| event.id).collect();
        self.lock().extend(events.iter().map(|event| ((endpoint, *event), false)));
        Request { all: self.clone(), endpoint, events }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<(EndpointId, EventId), bool>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request that is on its way until it is answered or given up.
#[derive(Debug)]
pub(super) struct Request {
    all: OnTheWay,
    endpoint: EndpointId,
    events: Vec<EventId>,
}

impl Request {
    /// Writes down what came of it, by which events are wanted once more. Whoever wants one from then on finds what is
    /// written.
    pub(super) fn arrived<T>(mut self, write: impl FnOnce(&dyn Fn(EventId) -> bool) -> T) -> T {
        let mut events = self.all.lock();
        let wanted: Vec<EventId> = mem::take(&mut self.events)
            .into_iter()
            .filter(|event| events.remove(&(self.endpoint, *event)) == Some(true))
            .collect();
        let written = write(&|event| wanted.contains(&event));
        drop(events);
        written
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        let events = mem::take(&mut self.events);
        let mut all = self.all.lock();
        for event in events {
            all.remove(&(self.endpoint, event));
        }
    }
}
