//! Fails every read, write, sync, truncation, deletion and opening of a store's scenario once: afterwards everything
//! that was acknowledged is stored exactly once, or the damage is reported.
//!
//! With `WHOLECALL_FAULTS=all` each of them fails, otherwise some of each kind.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test that cannot continue fails")]

mod contents;
mod ledger;
mod scenario;

use std::{env, fs, path::Path};

use tempfile::TempDir;
use wholecall_faulty_disk::{Disk, Fault, Kind, Loss, Operation};
use wholecall_store::Store;

use self::{contents::StoreContents, ledger::Ledger};

/// Number of operations of each kind that fail, spread evenly, unless all do.
const MAX_SAMPLES: u64 = 5;

/// A scenario that ran on a disk with planned faults.
struct Run {
    _folder: TempDir,
    _durable: TempDir,
    disk: Disk,
    ledger: Ledger,
}

fn run(faults: &[Fault]) -> Run {
    let (folder, durable) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    // The canonical path may differ from that of the temporary folder.
    let disk = Disk::of(folder.path(), durable.path()).unwrap();
    disk.plan(faults);
    let mut ledger = Ledger::default();
    scenario::run(folder.path(), &mut ledger, "");
    Run { _folder: folder, _durable: durable, disk, ledger }
}

/// Reads the store as a crash leaves it.
fn contents_after(run: &Run, loss: Loss) -> Result<StoreContents, String> {
    let left = tempfile::tempdir().unwrap();
    run.disk.crash(left.path(), loss).unwrap();
    StoreContents::read(left.path())
}

fn samples(count: u64) -> Vec<u64> {
    if env::var("WHOLECALL_FAULTS").is_ok_and(|which| which == "all") || count <= MAX_SAMPLES {
        return (1..=count).collect();
    }
    (0..MAX_SAMPLES).map(|part| 1 + part * (count - 1) / (MAX_SAMPLES - 1)).collect()
}

/// The faults of one kind, at each selected operation.
fn faults(operation: Operation, kind: Kind, times: u64) -> Vec<Fault> {
    let whole = run(&[]);
    let count = whole.disk.count(operation);
    samples(count).into_iter().map(|at| Fault { operation, kind, at, times }).collect()
}

/// Expects that everything acknowledged is stored and no damage is reported.
fn expect_nothing_lost(fault: Fault, losses: &[Loss]) {
    let run = run(&[fault]);
    for loss in losses {
        let struck = run.disk.struck();
        let at = || format!("{fault}, {loss:?}, {struck:?}");
        let found = contents_after(&run, *loss).unwrap_or_else(|error| panic!("{}: {error}", at()));
        assert_eq!(found.problems, [""; 0], "{}", at());
        assert_eq!(run.ledger.differences(&found), [""; 0], "{}", at());
    }
}

/// The possible losses of a power failure.
fn power_failures(seed: u64) -> [Loss; 4] {
    [Loss::Nothing, Loss::Everything, Loss::Some(seed), Loss::Some(seed + 1_000)]
}

#[test]
fn without_faults_everything_is_acknowledged_and_stored() {
    let run = run(&[]);
    assert_eq!(run.ledger.unknown(), 0);
    for loss in power_failures(1) {
        let found = contents_after(&run, loss).unwrap();
        assert_eq!((found.problems.clone(), run.ledger.differences(&found)), (vec![], vec![]), "{loss:?}");
        assert!(found.notifications.len() > 50 && found.versions.len() > 50, "{loss:?}");
    }
}

fn each_fails_once(kind: Kind) {
    for operation in Operation::ALL.into_iter().filter(|operation| kind.fits(*operation)) {
        for fault in faults(operation, kind, 1) {
            expect_nothing_lost(fault, &[Loss::Nothing, Loss::Everything, Loss::Some(fault.at)]);
        }
    }
}

#[test]
fn device_error_loses_nothing() {
    each_fails_once(Kind::Error);
}

#[test]
fn full_disk_loses_nothing() {
    each_fails_once(Kind::Full);
}

#[test]
fn torn_write_loses_nothing() {
    each_fails_once(Kind::Short);
}

#[test]
fn temporary_disk_failure_loses_nothing() {
    for operation in Operation::ALL {
        for fault in faults(operation, Kind::Error, 7) {
            expect_nothing_lost(fault, &[Loss::Nothing, Loss::Everything, Loss::Some(fault.at)]);
        }
    }
}

#[test]
fn power_failure_loses_nothing_acknowledged() {
    for operation in Operation::ALL {
        for fault in faults(operation, Kind::PowerCut, 1) {
            expect_nothing_lost(fault, &power_failures(fault.at));
        }
    }
}

/// Everything is as acknowledged, or a problem is reported.
#[test]
fn flipped_bit_is_never_silent() {
    let mut silent = Vec::new();
    for fault in faults(Operation::Read, Kind::FlippedBit, 1) {
        let run = run(&[fault]);
        let Ok(found) = contents_after(&run, Loss::Nothing) else { continue };
        let differences = run.ledger.differences(&found);
        if !differences.is_empty() && found.problems.is_empty() {
            silent.push((run.disk.struck(), differences));
        }
    }
    assert!(silent.is_empty(), "{}: {silent:#?}", silent.len());
}

/// A damaged batch is read again before it is skipped, because the disk has it intact.
#[test]
fn bit_flipped_while_reading_arrivals_loses_nothing() {
    let whole = assemble_with_fault(None);
    let mut count = 0;
    for at in 1..=whole.disk.count(Operation::Read).min(MAX_ASSEMBLY_READS) {
        let run = assemble_with_fault(Some(Fault::once(Operation::Read, Kind::FlippedBit, at)));
        let struck = run.disk.struck();
        if !struck.iter().any(|struck| struck.contains("arrivals.db")) {
            continue;
        }
        count += 1;
        let found = contents_after(&run, Loss::Nothing).unwrap_or_else(|error| panic!("{struck:?}: {error}"));
        let lost = run.ledger.differences(&found);
        assert!(lost.is_empty() && found.problems.is_empty(), "{struck:?}: {lost:?} {:?}", found.problems);
    }
    assert!(count > 5, "{count} reads of arrivals");
}

/// SQLite takes an unreadable frame for the end of the log.
#[test]
fn bit_flipped_during_log_recovery_loses_nothing_silently() {
    let (folder, durable) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let disk = Disk::of(folder.path(), durable.path()).unwrap();
    let mut ledger = Ledger::default();
    scenario::receive_until(folder.path(), &mut ledger, || disk.cut());
    let reads = |at: u64| {
        let (again, durable) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        disk.crash(again.path(), Loss::Everything).unwrap();
        let faulty = Disk::of(again.path(), durable.path()).unwrap();
        faulty.plan(&[Fault::once(Operation::Read, Kind::FlippedBit, at)]);
        // A store that cannot be opened now can be opened later.
        if let Ok(store) = Store::open(again.path()) {
            let _ = store.acquire_instance_lock().and_then(|()| scenario::assemble(&store));
        }
        (faulty.count(Operation::Read), faulty.struck(), StoreContents::read(again.path()))
    };
    let all = reads(u64::MAX).0;
    for at in samples(all.min(MAX_RECOVERY_READS)) {
        let (_, struck, found) = reads(at);
        let Ok(found) = found else { continue };
        let differences = ledger.differences(&found);
        assert!(differences.is_empty() || !found.problems.is_empty(), "{struck:?}: {differences:?}");
    }
}

/// Approximate number of reads in which both logs are recovered.
const MAX_RECOVERY_READS: u64 = 250;

/// Maximum number of reads that are tried; later ones are rarely of arrivals.
const MAX_ASSEMBLY_READS: u64 = 40;

/// Opens a store with many arrivals, which are then assembled on a failing disk.
fn assemble_with_fault(fault: Option<Fault>) -> Run {
    let (folder, durable) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let disk = Disk::of(folder.path(), durable.path()).unwrap();
    let mut ledger = Ledger::default();
    scenario::receive_only(folder.path(), &mut ledger);
    let store = Store::open(folder.path()).unwrap();
    store.acquire_instance_lock().unwrap();
    disk.plan(fault.as_slice());
    // What cannot be assembled now can be assembled later.
    let _ = scenario::assemble(&store);
    drop(store);
    Run { _folder: folder, _durable: durable, disk, ledger }
}

/// Copies the files of a folder.
fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

#[test]
fn scenario_runs_again_on_a_crashed_store() {
    let fault = Fault::once(Operation::Sync, Kind::PowerCut, 40);
    let run = run(&[fault]);
    let left = tempfile::tempdir().unwrap();
    run.disk.crash(left.path(), Loss::Some(3)).unwrap();
    let again = tempfile::tempdir().unwrap();
    copy(left.path(), again.path());
    let mut ledger = run.ledger;
    scenario::run(again.path(), &mut ledger, "-again");
    let found = StoreContents::read(again.path()).unwrap();
    assert_eq!((found.problems.clone(), ledger.differences(&found)), (vec![], vec![]));
}
