//! Posting simulated notifications to a webhook: at their time, or as fast as it takes them.

use std::{io, sync::Arc, time::Duration};

use tokio::{
    sync::{Mutex, Semaphore},
    time::Instant,
};
use wholecall_fake_ringcentral::{Refusal, Webhook};
use wholecall_simulator::{CallTruth, TrafficEvent};

/// So many notifications are on their way at once.
const AT_ONCE: u32 = 32;

/// When what is posted.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Pace {
    /// As fast as the receiver takes it.
    Fast,
    /// Each at its arrival, `speed` times as fast; what arrives before `now` is posted at once.
    Timed { now: i64, speed: f64 },
}

/// What became of it.
#[derive(Debug, Default)]
pub(crate) struct Posted {
    pub(crate) notifications: u64,
    pub(crate) calls: u64,
    pub(crate) refused: u64,
    pub(crate) first_refusal: Option<Refusal>,
}

/// Posts what an account is told, and hands out the truth about its calls as they begin. Ends with what there is
/// to tell, or when it is dropped.
pub(crate) async fn post(
    told: impl Iterator<Item = TrafficEvent>,
    account: u64,
    webhook: &Webhook,
    pace: Pace,
    mut truth: impl FnMut(&CallTruth) -> io::Result<()>,
) -> io::Result<Posted> {
    let begun = Instant::now();
    let room = Arc::new(Semaphore::new(AT_ONCE as usize));
    let posted = Arc::new(Mutex::new(Posted::default()));
    let account_id = account.to_string();
    for told in told {
        let notification = match told {
            TrafficEvent::Truth(call) if call.account_id.as_ref() == Some(&account_id) => {
                posted.lock().await.calls += 1;
                truth(&call)?;
                continue;
            }
            TrafficEvent::Notification(notification) if notification.account == account => notification,
            TrafficEvent::Truth(_) | TrafficEvent::Notification(_) => continue,
        };
        if let Pace::Timed { now, speed } = pace {
            let due = (notification.arrival.as_millis() - now).max(0) as f64 / 1000.0 / speed;
            tokio::time::sleep_until(begun + Duration::from_secs_f64(due)).await;
        }
        // The semaphore is never closed.
        let Ok(permit) = room.clone().acquire_owned().await else { break };
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
    let _all_back = room.acquire_many(AT_ONCE).await;
    Ok(std::mem::take(&mut *posted.lock().await))
}
