//! Tests of the disk itself.

#![allow(clippy::unwrap_used, reason = "a test that cannot continue fails")]

use std::path::Path;

use rusqlite::{Connection, ErrorCode};
use tempfile::TempDir;
use wholecall_faulty_disk::{Disk, Fault, Kind, Loss, Operation};

fn open(folder: &Path) -> Connection {
    let connection = Connection::open(folder.join("file.db")).unwrap();
    connection.pragma_update(None, "journal_mode", "WAL").unwrap();
    connection.pragma_update(None, "synchronous", "FULL").unwrap();
    connection
        .execute_batch("CREATE TABLE IF NOT EXISTS numbers (number INTEGER PRIMARY KEY, pad BLOB)")
        .unwrap();
    connection
}

fn add(connection: &Connection, number: i64) -> rusqlite::Result<usize> {
    connection.execute("INSERT INTO numbers VALUES (?1, zeroblob(3000))", [number])
}

fn numbers(folder: &Path) -> Vec<i64> {
    let connection = open(folder);
    let mut statement = connection.prepare("SELECT number FROM numbers ORDER BY number").unwrap();
    statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

struct Observed {
    folder: TempDir,
    durable: TempDir,
    disk: Disk,
}

fn observe() -> Observed {
    let (folder, durable) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let disk = Disk::of(folder.path(), durable.path()).unwrap();
    Observed { folder, durable, disk }
}

#[test]
fn each_kind_of_fault_affects_the_planned_operation() {
    let Observed { folder, durable: _durable, disk } = observe();
    let connection = open(folder.path());
    disk.plan(&[]);
    add(&connection, 1).unwrap();
    assert!(disk.count(Operation::Write) > 1 && disk.count(Operation::Sync) == 1 && disk.struck().is_empty());
    for (operation, kind, expected) in [
        (Operation::Write, Kind::Error, ErrorCode::SystemIoFailure),
        (Operation::Write, Kind::Short, ErrorCode::SystemIoFailure),
        (Operation::Write, Kind::Full, ErrorCode::DiskFull),
        (Operation::Sync, Kind::Error, ErrorCode::SystemIoFailure),
    ] {
        disk.plan(&[Fault::once(operation, kind, 1)]);
        let error = add(&connection, 2).unwrap_err();
        assert_eq!(error.sqlite_error_code(), Some(expected), "{operation:?} {kind:?}");
        assert_eq!(disk.struck().len(), 1);
    }
    disk.plan(&[]);
    add(&connection, 3).unwrap();
    drop(connection);
    assert_eq!(numbers(folder.path()), [1, 3]);
    // A new connection has an empty cache.
    disk.plan(&[Fault::once(Operation::Read, Kind::FlippedBit, 1)]);
    let _ = Connection::open(folder.path().join("file.db")).unwrap().execute_batch("SELECT * FROM numbers");
    assert_eq!(disk.struck().len(), 1, "{:?}", disk.struck());
}

#[test]
fn power_cut_leaves_synced_content_and_any_of_the_rest() {
    let Observed { folder, durable: _durable, disk } = observe();
    let connection = open(folder.path());
    connection.pragma_update(None, "wal_autocheckpoint", 4).unwrap();
    (1..=10).for_each(|number| assert_eq!(add(&connection, number).unwrap(), 1));
    disk.plan(&[Fault::once(Operation::Sync, Kind::PowerCut, 1)]);
    add(&connection, 11).unwrap_err();
    add(&connection, 12).unwrap_err();
    drop(connection);
    let left = |loss| {
        let to = tempfile::tempdir().unwrap();
        disk.crash(to.path(), loss).unwrap();
        numbers(to.path())
    };
    let synced: Vec<i64> = (1..=10).collect();
    assert_eq!(left(Loss::Everything), synced);
    for seed in 0..20 {
        let found = left(Loss::Some(seed));
        assert!(found.starts_with(&synced) && found.len() <= 11, "{seed}: {found:?}");
    }
}

#[test]
fn faults_round_trip_as_text() {
    for operation in Operation::ALL {
        for kind in Kind::ALL.into_iter().filter(|kind| kind.fits(operation)) {
            let fault = Fault { operation, kind, at: 17, times: 3 };
            assert_eq!(fault.to_string().parse(), Ok(fault));
        }
    }
    assert!("write:error:17".parse::<Fault>().is_err() && "write:odd:1:1".parse::<Fault>().is_err());
}
