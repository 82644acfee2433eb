//! `wholecall check` and `wholecall backup`.

use wholecall_server::check::{CheckReport, check};
use wholecall_store::{FILE_NAME, Store, StoreError};

use crate::service::{Service, tamper, traffic};

fn checked(store: &Store, repair: bool) -> CheckReport {
    check(store, repair, |_| {}).unwrap()
}

fn filled() -> Service {
    let service = Service::start();
    let bodies = traffic(20, 12);
    // In parts, so that calls are live in between and get several versions.
    for portion in bodies.chunks(bodies.len() / 5 + 1) {
        service.receive(portion.iter().map(String::as_str));
        std::thread::sleep(std::time::Duration::from_millis(150));
    }
    service.settle();
    service
}

#[test]
fn a_running_service_passes_the_check() {
    let service = filled();
    let beside = Store::open_existing(service.folder.path()).unwrap();
    let found = checked(&beside, false);
    assert!(found.calls > 50, "{} calls", found.calls);
    assert!(found.notifications > 500, "{} notifications", found.notifications);
    assert_eq!(found.findings, []);
}

#[test]
fn a_store_that_a_service_runs_on_is_not_repaired() {
    let service = Service::start();
    let beside = Store::open_existing(service.folder.path()).unwrap();
    assert!(matches!(check(&beside, true, |_| {}), Err(StoreError::AlreadyRunning(_))));
}

#[test]
fn damaged_calls_are_found_and_repaired() {
    let damages = [
        ("UPDATE calls SET talk_ms = talk_ms + 1 WHERE call = #3", "columns"),
        ("UPDATE calls SET terms = x'' WHERE call = #4", "list of terms"),
        ("DELETE FROM call_terms WHERE call = #5", "differs from its record"),
        ("UPDATE call_terms SET talk_ms = talk_ms + 1 WHERE call = #6 AND talk_ms NOT NULL", "differs from its record"),
        (
            "UPDATE changes SET record = (SELECT record FROM changes WHERE call = #7 AND version > 0 ORDER BY cursor DESC LIMIT 1)
             WHERE cursor = (SELECT cursor FROM calls WHERE call = #8)",
            "call of its id",
        ),
        ("UPDATE changes SET record = x'07' WHERE cursor = (SELECT cursor FROM calls WHERE call = #9)", "no known dictionary"),
        ("DELETE FROM calls WHERE call = #10", "but it is not"),
    ];
    let (folder, store) = filled().reopen();
    // Long enough ago that no call waits for a deadline.
    tamper(
        folder.path(),
        "UPDATE journal SET arrived_ms = arrived_ms - 600000 WHERE position < (SELECT max(position) FROM journal)",
    );
    for (sql, expected) in damages {
        // Calls by their rank, since some numbers are those of merged calls.
        let by_rank = |rank: usize| format!("(SELECT call FROM calls ORDER BY call LIMIT 1 OFFSET {rank})");
        let sql =
            (0..20).rev().fold(sql.to_owned(), |sql, rank| sql.replace(&format!("#{rank}"), &by_rank(rank)));
        assert!(tamper(folder.path(), &sql) > 0, "{sql}");
        let found = checked(&store, false);
        assert!(found.findings.iter().any(|finding| finding.problem.contains(expected)), "{sql}: {found:?}");
        let repaired = checked(&store, true);
        assert!(repaired.findings.iter().all(|finding| finding.repaired), "{sql}: {repaired:?}");
        let again = checked(&store, false);
        assert_eq!(again.findings, [], "{sql}");
    }
}

#[test]
fn damage_that_cannot_be_repaired_is_reported() {
    let (folder, store) = filled().reopen();
    tamper(folder.path(), "UPDATE journal SET body = x'01ff' WHERE position = 11");
    tamper(folder.path(), "DELETE FROM changes WHERE cursor = 12");
    let found = checked(&store, true);
    let places: Vec<&str> = found.findings.iter().map(|finding| finding.place.as_str()).collect();
    assert!(places.contains(&"notification 11"), "{places:?}");
    assert!(places.contains(&"changes"), "{places:?}");
    assert!(found.findings.iter().any(|finding| !finding.repaired));
}

#[test]
fn a_backup_is_complete_and_overwrites_no_file() {
    let service = filled();
    let elsewhere = tempfile::TempDir::new().unwrap();
    let file = elsewhere.path().join(FILE_NAME);
    let bytes = service.store.backup(&file, 1).unwrap();
    assert_eq!(bytes, file.metadata().unwrap().len());
    assert!(service.store.backup(&file, 1).is_err(), "it is there already");
    let copy = Store::open_existing(elsewhere.path()).unwrap();
    assert_eq!(copy.counts().unwrap(), service.store.counts().unwrap());
    assert_eq!(checked(&copy, false).findings, []);
}
