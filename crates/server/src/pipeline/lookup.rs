//! Lookup requests from the assembler to the connection that can ask RingCentral.

use tokio::sync::mpsc;
use wholecall_store::TenantId;

/// Maximum number of queued requests; RingCentral's limits allow fifty a minute for each user.
const MAX_QUEUED_LOOKUPS: usize = 10_000;

/// A session to look up at RingCentral.
#[derive(Debug, Clone)]
pub(crate) struct LookupRequest {
    pub(crate) tenant: TenantId,
    pub(crate) account: String,
    pub(crate) session: String,
    /// The call log's record in the journal's form, used if RingCentral does not know the session any more.
    pub(crate) logged: Option<String>,
    /// When its call started according to the list of active calls or the call log, milliseconds since 1970.
    pub(crate) started_ms: Option<i64>,
}

/// The sending side of the lookup queue. Nothing is reported back: an answer arrives as a notification.
#[derive(Debug, Clone)]
pub(crate) struct LookupQueue(mpsc::Sender<LookupRequest>);

impl LookupQueue {
    pub(crate) fn new() -> (Self, mpsc::Receiver<LookupRequest>) {
        let (sender, requests) = mpsc::channel(MAX_QUEUED_LOOKUPS);
        (Self(sender), requests)
    }

    /// Queues a request, or drops it if the queue is full: the assembler repeats requests that are still needed.
    pub(crate) fn push(&self, request: LookupRequest) {
        if self.0.try_send(request).is_err() {
            tracing::debug!("a lookup was dropped: the queue is full");
        }
    }
}
