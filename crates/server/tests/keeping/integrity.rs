//! What is said of a store that has lost something, or that cannot do its work.

use wholecall_store::Position;

use crate::service::{Service, tamper, traffic};

fn status_after(service: &Service, cursor: &str) -> (u16, String) {
    service.request("GET", &format!("/v1/changes?after={cursor}"))
}

#[test]
fn a_cursor_that_leads_nowhere_is_answered_with_where_to_begin() {
    let service = Service::start();
    service.hear(traffic(5, 10).iter().map(String::as_str));
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
    // As long as somebody holds it, the store is not closed.
    drop(view);
    // What retention has removed cannot be read any more.
    let service = service.restart_after(|store| {
        let sql = "INSERT INTO removed_changes VALUES (1, 5)";
        tamper(store.path().parent().unwrap(), sql);
    });
    let (status, body) = status_after(&service, &before);
    assert!(status == 410 && body.contains("removed"), "{status} {body}");
    for good in ["0", &head] {
        assert_eq!(status_after(&service, good).0, 200, "{good}");
    }
    // Gone on from a copy, it is another feed.
    let service = service.restart_after(|store| store.restore().unwrap());
    for old in [&head, "7"] {
        assert_eq!(status_after(&service, old).0, 410, "{old}");
    }
    assert_eq!(status_after(&service, "0").0, 200);
}

#[test]
fn readiness_is_that_of_everything_that_has_to_work() {
    let service = Service::start();
    assert_eq!(service.request("GET", "/readyz"), (200, "ok\n".to_owned()));
    // Nothing that comes of notifications can be written now.
    let folder = service.folder.path().to_owned();
    let rename = |from: &str, to: &str| tamper(&folder, &format!("ALTER TABLE {from} RENAME TO {to}"));
    rename("calls", "away");
    service.hear(traffic(5, 9).iter().map(String::as_str));
    service.wait(|| service.request("GET", "/readyz").0 == 503);
    let (_, body) = service.request("GET", "/readyz");
    assert!(body.contains("nothing is assembled") || body.contains("cannot be written"), "{body}");
    rename("away", "calls");
    service.wait(|| service.request("GET", "/readyz").0 == 200);
    // The key that everything is sealed with is another.
    tamper(&folder, "UPDATE key_check SET sealed = x'00'");
    let (status, body) = service.request("GET", "/readyz");
    assert!(status == 503 && body.contains("another key"), "{status} {body}");
}

#[test]
fn what_was_lost_is_named_by_readiness_and_check() {
    let service = Service::start();
    let service = service.restart_after(|store| {
        tamper(store.path().parent().unwrap(), "INSERT INTO losses (what) VALUES ('the end of it')");
    });
    let (status, body) = service.request("GET", "/readyz");
    assert!(status == 200 && body.contains("data was lost"), "{status} {body}");
    let (_folder, store) = service.reopen();
    let found = wholecall_server::check::check(&store, true, |_| {}).unwrap();
    let loss = found.findings.iter().find(|finding| finding.problem == "the end of it").unwrap();
    assert!(!loss.repaired);
}
