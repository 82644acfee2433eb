//! Searches and statistics over records that are committed as an assembler would commit them.

#![allow(clippy::unwrap_used, reason = "a test that cannot continue fails")]

use serde_json::{Value, json};
use tempfile::TempDir;
use wholecall_record::{Call, call::EndState};
use wholecall_store::{
    ChangeContent, ChangeKind, CommitBatch, Filter, NewChange, NewTenant, Position, Stats, StatsGroup, Store,
    TenantSettings, TenantView,
};

struct Calls {
    view: TenantView,
    store: Store,
    count: i64,
    _folder: TempDir,
}

impl Calls {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let new = NewTenant {
            name: "acme".to_owned(),
            created_ms: 0,
            accounts: vec!["1".to_owned()],
            secrets: Vec::new(),
            settings: TenantSettings::default(),
            pseudonym_salt: [0; 32],
        };
        let tenant = store.add_tenant(new).unwrap();
        Self { view: store.of(tenant), store, count: 0, _folder: folder }
    }

    /// Commits a version of a call, a plain one with some members replaced.
    fn commit(&mut self, id: &str, members: Value) {
        self.count += 1;
        let mut record: Value =
            serde_json::from_str(include_str!("../../server/src/deliver/endpoint_worker/call.json")).unwrap();
        record["id"] = json!(id);
        record["version"] = json!(self.count);
        for (name, value) in members.as_object().unwrap() {
            record[name] = value.clone();
        }
        let kind = if record["state"] == "live" { ChangeKind::Updated } else { ChangeKind::Completed };
        let call: Call = serde_json::from_value(record).unwrap();
        let made = NewChange {
            tenant: self.view.tenant(),
            at_ms: self.count,
            position: Position(self.count),
            what: ChangeContent::Version { kind, call: Box::new(call) },
        };
        self.store.commit(CommitBatch { checkpoint: Position(self.count), changes: vec![made] }).unwrap();
    }

    fn found(&self, filter: &Filter) -> Vec<String> {
        self.found_as_of(filter, None)
    }

    fn found_as_of(&self, filter: &Filter, as_of_ms: Option<i64>) -> Vec<String> {
        let page = self.view.calls(filter, as_of_ms, None, 100).unwrap();
        let mut ids: Vec<String> = page
            .records
            .iter()
            .map(|record| serde_json::from_str::<Value>(record).unwrap()["id"].as_str().unwrap().to_owned())
            .collect();
        ids.sort();
        ids
    }

    fn queues(&self) -> Vec<(String, Stats)> {
        let all = i64::MIN..i64::MAX;
        self.view.stats_by_group(all, StatsGroup::Queue).unwrap().into_iter().collect()
    }

    fn expect_no_problems(&self) {
        for call in self.store.check_calls(0, 100).unwrap() {
            assert_eq!(call.problems, [""; 0], "{}", call.id);
        }
    }
}

/// The plain call's customer, and the user who talked.
const CUSTOMER: &str = "tel:+17705550132";
const USER: &str = "ext:400131426104";

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

#[test]
fn people_are_found_by_their_role_in_a_call() {
    let mut calls = Calls::new();
    calls.commit("s-1", json!({ "customer": CUSTOMER, "answeredBy": USER, "users": [USER] }));
    // The same people, but the customer answered; and a record of an earlier version without these members.
    calls.commit("s-2", json!({ "customer": CUSTOMER, "answeredBy": CUSTOMER, "users": [USER] }));
    calls.commit("s-3", json!({}));
    for customer in [CUSTOMER, "+17705550132", "(770) 555-0132"] {
        let filter = Filter { customer: some(customer), ..Filter::default() };
        assert_eq!(calls.found(&filter), ["s-1", "s-2"], "{customer}");
    }
    for answered_by in [USER, "400131426104"] {
        let filter = Filter { answered_by: some(answered_by), ..Filter::default() };
        assert_eq!(calls.found(&filter), ["s-1"], "{answered_by}");
    }
    let filter = Filter { answered_by: some("+17705550132"), ..Filter::default() };
    assert_eq!(calls.found(&filter), ["s-2"]);
    let user = Filter { user: some(USER), ..Filter::default() };
    assert_eq!(calls.found(&user), ["s-1", "s-2"]);
    let not_a_user = Filter { user: some(CUSTOMER), ..Filter::default() };
    assert_eq!(calls.found(&not_a_user), [""; 0], "a customer is not a user");
    let both = Filter { answered_by: some(USER), ..user.clone() };
    assert_eq!(calls.found(&both), ["s-1"]);
    let extension = Filter { extension: some("400131426104"), ..Filter::default() };
    assert_eq!(calls.found(&extension).len(), 3, "other filters still match");
    // An earlier version does not match a query of the current one, but matches one as of its time.
    calls.commit("s-1", json!({ "customer": CUSTOMER, "answeredBy": null, "users": [] }));
    assert_eq!(calls.found(&both), [""; 0]);
    assert_eq!(calls.found_as_of(&both, Some(2)), ["s-1"]);
    calls.expect_no_problems();
}

#[test]
fn extension_number_in_its_own_member_is_found() {
    let mut calls = Calls::new();
    let person = json!([{
        "id": USER, "kind": "user", "phoneNumber": "+14045550114", "extensionNumber": "104",
        "extensionId": "400131426104", "name": null, "displayName": "Extension 104", "observed": true,
        "roles": [], "legs": [], "ringMs": 0, "talkMs": 0, "holdMs": 0,
    }]);
    calls.commit("s-1", json!({ "participants": person, "answeredBy": USER }));
    calls.commit("s-2", json!({}));
    let number = Filter { number: some("104"), ..Filter::default() };
    assert_eq!(calls.found(&number), ["s-1"]);
    let answered_by = Filter { answered_by: some("104"), ..Filter::default() };
    assert_eq!(calls.found(&answered_by), ["s-1"]);
}

#[test]
fn calls_are_found_by_end_state() {
    let mut calls = Calls::new();
    calls.commit("s-1", json!({ "endState": "queued" }));
    calls.commit("s-2", json!({ "endState": "talking" }));
    calls.commit("s-3", json!({}));
    let queued = Filter { end_state: Some(EndState::Queued), ..Filter::default() };
    assert_eq!(calls.found(&queued), ["s-1"]);
    calls.commit("s-1", json!({ "endState": "none" }));
    assert_eq!(calls.found(&queued), [""; 0]);
    assert_eq!(calls.found_as_of(&queued, Some(2)), ["s-1"]);
    let nothing = Filter { end_state: Some(EndState::Nothing), ..Filter::default() };
    assert_eq!(calls.found(&nothing), ["s-1"]);
    calls.expect_no_problems();
}

fn visit(queue: &str, outcome: Option<&str>, wait_ms: i64) -> Value {
    json!({
        "participant": format!("ext:{queue}"), "name": null, "enterTime": "2026-11-16T14:02:12.000Z",
        "leaveTime": outcome.map(|_| "2026-11-16T14:02:13.000Z"), "waitMs": wait_ms, "outcome": outcome,
        "offers": 1, "answeredBy": null,
    })
}

#[test]
fn queue_statistics_add_up() {
    let mut calls = Calls::new();
    // Two visits to one queue, and one to another between.
    let visits = [
        visit("7", Some("Overflowed"), 5_000),
        visit("8", Some("Left"), 1_000),
        visit("7", Some("Answered"), 9_000),
    ];
    calls.commit("s-1", json!({ "queues": visits }));
    calls.commit("s-2", json!({ "queues": [visit("7", None, 700)] }));
    calls.commit("s-3", json!({ "queues": [visit("7", Some("Abandoned"), 3_000)] }));
    let live = |outcome| json!({ "state": "live", "endTime": null, "queues": [visit("7", outcome, 60_000)] });
    calls.commit("s-4", live(None));
    let queues = calls.queues();
    let [(first, seven), (second, eight)] = &queues[..] else { panic!("{queues:?}") };
    assert_eq!((first.as_str(), second.as_str()), ("7", "8"));
    let columns = |stats: &Stats| {
        [stats.answered, stats.left, stats.overflowed, stats.abandoned, stats.unknown, stats.open]
    };
    assert_eq!(columns(seven), [1, 0, 1, 1, 1, 1]);
    assert_eq!((seven.offered, seven.calls), (5, 4));
    assert_eq!(
        (seven.wait_ms(50), seven.wait_ms(100)),
        (Some(3_000), Some(9_000)),
        "open waits do not count"
    );
    assert_eq!((columns(eight), eight.offered), ([0, 1, 0, 0, 0, 0], 1));
    calls.expect_no_problems();
    // A live call's visit is no longer open when it is answered; a visit that a later version does not contain is
    // removed.
    calls.commit("s-4", live(Some("Answered")));
    calls.commit("s-1", json!({ "queues": [visit("7", Some("Answered"), 14_000)] }));
    let queues = calls.queues();
    assert_eq!(queues.len(), 1);
    assert_eq!((columns(&queues[0].1), queues[0].1.offered), ([2, 0, 0, 1, 1, 0], 4));
    calls.expect_no_problems();
}
