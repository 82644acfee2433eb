//! Repeated `kill -9` under load: acknowledged notifications are stored, calls are exact, and the feed has neither lost nor
//! repeated a version.

use std::{
    collections::{BTreeSet, HashMap, HashSet, VecDeque},
    env,
    sync::{
        Mutex, RwLock,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use fastrand::Rng;
use serde_json::Value;
use wholecall_store::{Position, Store};

use crate::{
    harness::{Client, Installation, Tenant},
    traffic::{collected, company_day, expect_calls, expect_settled},
};

/// Number of notifications per round and tenant.
const PER_ROUND: usize = 400;
const CONNECTIONS: usize = 4;

fn rounds() -> usize {
    let rounds = env::var("WHOLECALL_CRASH_ROUNDS").ok();
    rounds.map_or(8, |rounds| rounds.parse().expect("WHOLECALL_CRASH_ROUNDS is a number"))
}

/// The notifications of a tenant that are not posted yet, and those that are.
#[derive(Default)]
struct Posting {
    pending: VecDeque<String>,
    acknowledged: Vec<String>,
    /// Number of attempts per notification: more than one if there was no answer.
    attempts: HashMap<String, usize>,
}

/// Posts until nothing is left or the service does not answer.
fn post(client: &Client, tenant: &Tenant, posting: &Mutex<Posting>) {
    loop {
        let notification = {
            let mut posting = posting.lock().unwrap();
            let Some(notification) = posting.pending.pop_front() else { return };
            *posting.attempts.entry(notification.clone()).or_default() += 1;
            notification
        };
        let reply = client.try_notify(tenant, &notification);
        let mut posting = posting.lock().unwrap();
        match reply {
            Ok(reply) if reply.status == 200 => posting.acknowledged.push(notification),
            Ok(reply) if reply.status != 503 => panic!("{reply:?}"),
            Ok(_) | Err(_) => {
                posting.pending.push_front(notification);
                return;
            }
        }
    }
}

/// Follows the feed across all restarts by its cursor.
fn follow(client: &RwLock<Client>, tenant: &Tenant, ended: &AtomicBool) -> Vec<Value> {
    let (mut changes_read, mut after) = (Vec::new(), "0".to_owned());
    loop {
        let last_time = ended.load(Ordering::SeqCst);
        let now = client.read().unwrap().clone();
        let path = format!("/v1/changes?after={after}&wait=1&limit=50");
        match now.try_get(tenant, &path, &[]) {
            Ok(reply) if reply.status == 200 => {
                let page = reply.json();
                let changes = page["changes"].as_array().unwrap();
                if changes.is_empty() && last_time {
                    return changes_read;
                }
                changes_read.extend(changes.iter().cloned());
                page["next"].as_str().unwrap().clone_into(&mut after);
            }
            Ok(_) | Err(_) => thread::sleep(Duration::from_millis(10)),
        }
    }
}

/// The position of an event in the feed, which clients must not parse.
fn position(event: &Value) -> u64 {
    event["cursor"].as_str().unwrap().rsplit('-').next().unwrap().parse().unwrap()
}

/// Checks a whole feed: versions rise, and each call is completed once.
pub(crate) fn expect_sound(changes: &[Value]) {
    let mut versions: HashMap<&str, u64> = HashMap::new();
    let mut completed: HashSet<&str> = HashSet::new();
    let mut last = 0;
    for change in changes {
        let cursor = position(change);
        assert!(cursor > last, "{cursor} after {last}");
        last = cursor;
        let kind = change["type"].as_str().unwrap();
        if kind == "call.merged" {
            let (id, into) =
                (change["data"]["id"].as_str().unwrap(), change["data"]["into"].as_str().unwrap());
            let gone = versions.remove(id).unwrap_or_else(|| panic!("{id} was merged, but never published"));
            let version = versions.entry(into).or_default();
            *version = gone.max(*version);
            if completed.remove(id) {
                completed.insert(into);
            }
            continue;
        }
        let id = change["data"]["call"]["id"].as_str().unwrap();
        let version = change["data"]["call"]["version"].as_u64().unwrap();
        let before = versions.insert(id, version);
        assert!(before.is_none_or(|before| before < version), "{id}: {version} after {before:?}");
        match kind {
            "call.started" => assert_eq!(before, None, "{id} is started twice"),
            "call.completed" => assert!(completed.insert(id), "{id} is completed twice"),
            "call.revised" => assert!(completed.contains(id), "{id} is revised before it was completed"),
            "call.updated" => assert!(!completed.contains(id), "{id} is updated after its end"),
            other => panic!("a change of kind {other}"),
        }
    }
}

/// Checks that the journal contains each notification at least as often as acknowledged and at most as often as sent.
/// Returns the journal of each tenant.
fn expect_journal(installation: &Installation, postings: &[(Tenant, Mutex<Posting>)]) -> Vec<Vec<String>> {
    let store = Store::open(&installation.data()).unwrap();
    let entries = store.journal_after(Position(0), usize::MAX >> 1).unwrap();
    assert!(entries.iter().zip(1..).all(|(entry, number)| entry.position == Position(number)));
    let mut journals = Vec::new();
    for (tenant, posting) in postings {
        let id = store.tenants().unwrap().iter().find(|other| other.name == tenant.name).unwrap().id;
        let own: Vec<String> =
            entries.iter().filter(|entry| entry.tenant == id).map(|entry| entry.body.clone()).collect();
        let posting = posting.lock().unwrap();
        let mut stored: HashMap<&str, usize> = HashMap::new();
        own.iter().for_each(|body| *stored.entry(body).or_default() += 1);
        let mut acknowledged: HashMap<&str, usize> = HashMap::new();
        posting.acknowledged.iter().for_each(|body| *acknowledged.entry(body).or_default() += 1);
        for (body, times) in &acknowledged {
            let found = stored.get(body).copied().unwrap_or(0);
            assert!(found >= *times, "acknowledged {times} times, stored {found} times: {body}");
        }
        for (body, times) in &stored {
            let sent = posting.attempts.get(*body).copied().unwrap_or(0);
            assert!(*times <= sent, "sent {sent} times, stored {times} times: {body}");
        }
        journals.push(own);
    }
    journals
}

/// Checks that the cursors have no gaps.
fn expect_contiguous(feeds: &[Vec<Value>]) {
    let cursors: BTreeSet<u64> = feeds.iter().flatten().map(position).collect();
    assert_eq!(cursors.len(), feeds.iter().map(Vec::len).sum::<usize>());
    assert!(cursors.iter().copied().eq(1..=cursors.len() as u64), "a cursor is missing");
}

#[test]
fn killed_at_any_moment_it_resumes_without_loss() {
    let rounds = rounds();
    let installation = Installation::new();
    // Two tenants with different traffic write at the same time.
    let mut days = Vec::new();
    let mut postings = Vec::new();
    for (name, seed) in [("one", 3), ("other", 4)] {
        // About twelve calls per user, each of at least twelve notifications.
        let day = company_day(PER_ROUND * rounds / 150, seed);
        postings.push((installation.tenant(name, &day.accounts), Mutex::<Posting>::default()));
        days.push(day.notifications);
    }
    let mut server = Some(installation.start());
    let client = RwLock::new(server.as_ref().unwrap().client());
    let ended = AtomicBool::new(false);
    let mut rng = Rng::with_seed(rounds as u64);
    let followed: Vec<Vec<Value>> = thread::scope(|scope| {
        let (client, ended) = (&client, &ended);
        let follower = |(tenant, _): &(Tenant, _)| {
            let tenant = tenant.clone();
            scope.spawn(move || follow(client, &tenant, ended))
        };
        let followers: Vec<_> = postings.iter().map(follower).collect();
        for round in 0..=rounds {
            for (day, (_, posting)) in days.iter_mut().zip(&postings) {
                let share = if round == rounds { day.len() } else { PER_ROUND.min(day.len()) };
                posting.lock().unwrap().pending.extend(day.drain(..share));
            }
            let now = client.read().unwrap().clone();
            thread::scope(|scope| {
                for (tenant, posting) in &postings {
                    for _ in 0..CONNECTIONS {
                        scope.spawn(|| post(&now, tenant, posting));
                    }
                }
                if round < rounds {
                    thread::sleep(Duration::from_millis(rng.u64(5..500)));
                    server.take().unwrap().kill();
                }
            });
            let running = server.get_or_insert_with(|| installation.start());
            *client.write().unwrap() = running.client();
        }
        for (tenant, posting) in &postings {
            assert!(posting.lock().unwrap().pending.is_empty());
            expect_settled(&client.read().unwrap(), tenant);
        }
        ended.store(true, Ordering::SeqCst);
        followers.into_iter().map(|follower| follower.join().unwrap()).collect()
    });
    let client = client.into_inner().unwrap();
    let journals = expect_journal(&installation, &postings);
    let mut feeds = Vec::new();
    for (((tenant, _), journal), followed) in postings.iter().zip(&journals).zip(followed) {
        expect_calls(&client, tenant, &collected(journal.iter().map(String::as_str)));
        let feed = client.changes(tenant);
        expect_sound(&feed);
        assert!(feed == followed, "the follower has read something else");
        feeds.push(feed);
    }
    expect_contiguous(&feeds);
    server.unwrap().stop();
}
