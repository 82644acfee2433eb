//! The notifications that are posted, and how they were answered.

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use wholecall_simulator::{Company, Traffic, TrafficEvent};

use crate::service::{Installation, Server, Tenant};

const CONNECTIONS: usize = 3;

/// Maximum time to wait for an answer; it never takes that long.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);

/// 2026-06-01T00:00:00Z.
const MIDNIGHT: i64 = 1_780_272_000_000;
const DAY: i64 = 24 * 3_600_000;
const USERS: usize = 25;

/// The notifications of the tenants.
pub(crate) struct Load {
    pub(crate) postings: Vec<(Tenant, Mutex<Posting>)>,
}

#[derive(Debug, Default)]
pub(crate) struct Posting {
    waiting: VecDeque<String>,
    pub(crate) acknowledged: HashMap<String, u64>,
    /// How often each was sent: more than once if there was no answer.
    pub(crate) sent: HashMap<String, u64>,
}

impl Load {
    /// A day of traffic of two companies.
    pub(crate) fn of(installation: &Installation, seed: u64) -> Self {
        let postings = ["one", "other"].iter().zip([seed, seed + 500]).map(|(name, seed)| {
            let mut accounts = BTreeSet::new();
            let traffic = Traffic::new(Company::with_users(USERS), MIDNIGHT, MIDNIGHT + DAY, seed);
            let waiting = traffic
                .filter_map(|event| match event {
                    TrafficEvent::Notification(notification) => {
                        accounts.insert(notification.account.to_string());
                        Some(notification.to_json())
                    }
                    TrafficEvent::Truth(_) => None,
                })
                .collect();
            let tenant = installation.tenant(name, accounts.into_iter());
            (tenant, Mutex::new(Posting { waiting, ..Posting::default() }))
        });
        Self { postings: postings.collect() }
    }

    pub(crate) fn is_all_acknowledged(&self) -> bool {
        self.postings.iter().all(|(_, posting)| posting.lock().unwrap().waiting.is_empty())
    }
}

/// Posts for some time and then kills the service, or posts until everything is acknowledged. Returns the number of
/// posted and of acknowledged notifications.
pub(crate) fn post(load: &Load, server: &Server, within: Option<Duration>) -> (u64, u64) {
    let ended = AtomicBool::new(false);
    let count = |which: fn(&Posting) -> &HashMap<String, u64>| -> u64 {
        load.postings.iter().map(|(_, posting)| which(&posting.lock().unwrap()).values().sum::<u64>()).sum()
    };
    let before = (count(|posting| &posting.sent), count(|posting| &posting.acknowledged));
    thread::scope(|scope| {
        for (tenant, posting) in &load.postings {
            for _ in 0..CONNECTIONS {
                scope.spawn(|| post_until(server, tenant, posting, &ended));
            }
        }
        if let Some(within) = within {
            thread::sleep(within);
            // While the other threads post.
            server.kill();
            ended.store(true, Ordering::SeqCst);
        }
    });
    (count(|posting| &posting.sent) - before.0, count(|posting| &posting.acknowledged) - before.1)
}

fn post_until(server: &Server, tenant: &Tenant, posting: &Mutex<Posting>, ended: &AtomicBool) {
    let config =
        ureq::Agent::config_builder().http_status_as_error(false).timeout_global(Some(ANSWER_TIMEOUT));
    let agent: ureq::Agent = config.build().into();
    let url = format!("{}/hooks/{}", server.base, tenant.name);
    let mut refused = 0;
    while !ended.load(Ordering::SeqCst) && refused < 1_000 {
        let notification = {
            let mut posting = posting.lock().unwrap();
            let Some(notification) = posting.waiting.pop_front() else { return };
            *posting.sent.entry(notification.clone()).or_default() += 1;
            notification
        };
        let request = agent.post(&url).header("Verification-Token", &tenant.token);
        let answer = request.send(notification.as_bytes()).map(|answer| answer.status().as_u16());
        let mut posting = posting.lock().unwrap();
        if matches!(answer, Ok(200)) {
            *posting.acknowledged.entry(notification).or_default() += 1;
            refused = 0;
        } else {
            posting.waiting.push_front(notification);
            drop(posting);
            refused += 1;
            thread::sleep(Duration::from_millis(5));
        }
    }
}
