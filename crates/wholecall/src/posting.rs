//! Posts simulated notifications to a webhook, at their arrival times or as fast as the receiver accepts them.

use std::{io, sync::Arc, time::Duration};

use tokio::{
    sync::{Mutex, Semaphore},
    time::Instant,
};
use wholecall_fake_ringcentral::{Refusal, Webhook};
use wholecall_simulator::{CallTruth, TrafficEvent};

/// Maximum number of requests in flight.
const MAX_IN_FLIGHT: u32 = 32;

/// When notifications are posted.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Pace {
    /// As fast as the receiver accepts them.
    NoDelay,
    /// At their arrival times, `speed` times as fast; those before `now` at once.
    Timed { now: i64, speed: f64 },
}

/// Counts of a run.
#[derive(Debug, Default)]
pub(crate) struct Posted {
    pub(crate) notifications: u64,
    pub(crate) calls: u64,
    pub(crate) refused: u64,
    pub(crate) first_refusal: Option<Refusal>,
}

/// Posts the notifications of an account, and passes the truth about its calls to `truth` as they start. Returns at the end
/// of the traffic.
pub(crate) async fn post(
    traffic: impl Iterator<Item = TrafficEvent>,
    account: u64,
    webhook: &Webhook,
    pace: Pace,
    mut truth: impl FnMut(&CallTruth) -> io::Result<()>,
) -> io::Result<Posted> {
    let started = Instant::now();
    let permits = Arc::new(Semaphore::new(MAX_IN_FLIGHT as usize));
    let posted = Arc::new(Mutex::new(Posted::default()));
    let account_id = account.to_string();
    for event in traffic {
        let notification = match event {
            TrafficEvent::Truth(call) if call.account_id.as_ref() == Some(&account_id) => {
                posted.lock().await.calls += 1;
                truth(&call)?;
                continue;
            }
            TrafficEvent::Notification(notification) if notification.account == account => notification,
            TrafficEvent::Truth(_) | TrafficEvent::Notification(_) => continue,
        };
        if let Pace::Timed { now, speed } = pace {
            let delay_s = (notification.arrival.as_millis() - now).max(0) as f64 / 1000.0 / speed;
            tokio::time::sleep_until(started + Duration::from_secs_f64(delay_s)).await;
        }
        // The semaphore is never closed.
        let Ok(permit) = permits.clone().acquire_owned().await else { break };
        let (webhook, posted) = (webhook.clone(), posted.clone());
        tokio::spawn(async move {
            let result = webhook.deliver(notification.to_json()).await;
            let mut posted = posted.lock().await;
            posted.notifications += 1;
            if let Err(refusal) = result {
                posted.refused += 1;
                posted.first_refusal.get_or_insert(refusal);
            }
            drop(permit);
        });
    }
    let _all_finished = permits.acquire_many(MAX_IN_FLIGHT).await;
    Ok(std::mem::take(&mut *posted.lock().await))
}
