//! Answers of a service whose store has lost something, or does not work.

use wholecall_store::Position;

use crate::service::{Service, tamper, traffic};

fn status_after(service: &Service, cursor: &str) -> (u16, String) {
    service.request("GET", &format!("/v1/changes?after={cursor}"))
}

#[test]
fn a_cursor_that_is_not_of_this_feed_is_answered_with_the_way_to_start_again() {
    let service = Service::start();
    service.receive(traffic(5, 10).iter().map(String::as_str));
    service.settle();
    let view = service.store.of(service.tenant.id);
    let last = view.last_change().unwrap();
    let (before, head) = (view.cursor(Position(1)), view.cursor(last));
    for good in ["0", &before, &head] {
        assert_eq!(status_after(&service, good).0, 200, "{good}");
    }
    let ahead = view.cursor(Position(last.0 + 1_000_000));
    let (status, body) = status_after(&service, &ahead);
    assert!(status == 410 && body.contains("/v1/calls"), "{status} {body}");
    assert_eq!(status_after(&service, "deadbeef-1").0, 410, "of another store");
    assert_eq!(service.request("GET", &format!("/v1/stream?after={ahead}")).0, 410);
    // The view keeps the store open.
    drop(view);
    // Removed changes cannot be read any more.
    let service = service.restart_after(|store| {
        let sql = "INSERT INTO removed_changes VALUES (1, 5)";
        tamper(store.path().parent().unwrap(), sql);
    });
    let (status, body) = status_after(&service, &before);
    assert!(status == 410 && body.contains("removed"), "{status} {body}");
    for good in ["0", &head] {
        assert_eq!(status_after(&service, good).0, 200, "{good}");
    }
    // A restored store has another feed.
    let service = service.restart_after(|store| store.restore().unwrap());
    for old in [&head, "7"] {
        assert_eq!(status_after(&service, old).0, 410, "{old}");
    }
    assert_eq!(status_after(&service, "0").0, 200);
}

#[test]
fn the_service_is_ready_only_if_assembling_and_the_key_work() {
    let service = Service::start();
    assert_eq!(service.request("GET", "/readyz"), (200, "ok\n".to_owned()));
    // Calls cannot be written now.
    let folder = service.folder.path().to_owned();
    let rename = |from: &str, to: &str| tamper(&folder, &format!("ALTER TABLE {from} RENAME TO {to}"));
    rename("calls", "away");
    service.receive(traffic(5, 9).iter().map(String::as_str));
    service.wait(|| service.request("GET", "/readyz").0 == 503);
    let (_, body) = service.request("GET", "/readyz");
    assert!(body.contains("nothing is assembled") || body.contains("cannot be written"), "{body}");
    rename("away", "calls");
    service.wait(|| service.request("GET", "/readyz").0 == 200);
    // Secrets are sealed with another key.
    tamper(&folder, "UPDATE key_check SET sealed = x'00'");
    let (status, body) = service.request("GET", "/readyz");
    assert!(status == 503 && body.contains("another key"), "{status} {body}");
}

#[test]
fn a_loss_is_reported_by_readiness_and_check() {
    let service = Service::start();
    let service = service.restart_after(|store| {
        tamper(store.path().parent().unwrap(), "INSERT INTO losses (description) VALUES ('the end of it')");
    });
    let (status, body) = service.request("GET", "/readyz");
    assert!(status == 200 && body.contains("data was lost"), "{status} {body}");
    let (_folder, store) = service.reopen();
    let found = wholecall_server::check::check(&store, true, |_| {}).unwrap();
    let loss = found.findings.iter().find(|finding| finding.problem == "the end of it").unwrap();
    assert!(!loss.repaired);
}
