//! Pages of the files are damaged while the service is stopped. Afterwards every answer is as before, or the damage is
//! reported; nothing ends the process.

use std::{collections::BTreeMap, env, fs, path::Path};

use fastrand::Rng;
use serde_json::Value;
use wholecall_record::call::Outcome;
use wholecall_server::check::check;
use wholecall_store::{FILE_NAME, Filter, Position, Store, StoreError};

use crate::service::{Service, tamper, traffic};

const PAGE_BYTES: usize = 4_096;
const FILES: [&str; 2] = [FILE_NAME, "arrivals.db"];

/// Default number of damages of each kind and file, replaced by `WHOLECALL_DAMAGES` (`scripts/proof pages`).
const DEFAULT_DAMAGES: u64 = 6;

fn damages_of_each_kind() -> u64 {
    let count = env::var("WHOLECALL_DAMAGES").ok();
    count.map_or(DEFAULT_DAMAGES, |text| text.parse().expect("WHOLECALL_DAMAGES is a number"))
}

/// A damage that a disk may do to a file.
#[derive(Debug, Clone, Copy)]
enum Damage {
    Zeroed,
    Noise,
    /// A page with its earlier content, which is valid in itself.
    Older,
    /// Another page in its place, which is valid in itself.
    Misplaced,
    FlippedBit,
    Cut,
}

const DAMAGES: [Damage; 6] =
    [Damage::Zeroed, Damage::Noise, Damage::Older, Damage::Misplaced, Damage::FlippedBit, Damage::Cut];

fn page(file: &[u8], number: usize) -> &[u8] {
    let start = number * PAGE_BYTES;
    file.get(start..start + PAGE_BYTES).unwrap_or_default()
}

fn damaged(file: &[u8], older: &[u8], damage: Damage, rng: &mut Rng) -> Vec<u8> {
    let pages = file.len() / PAGE_BYTES;
    let mut damaged = file.to_vec();
    let number = match damage {
        // A page that has changed since.
        Damage::Older => {
            let changed = |number: &usize| {
                let before = page(older, *number);
                !before.is_empty() && before != page(file, *number)
            };
            let changed: Vec<usize> = (0..pages).filter(changed).collect();
            if changed.is_empty() {
                return damaged;
            }
            changed[rng.usize(0..changed.len())]
        }
        _ => rng.usize(0..pages),
    };
    let place = number * PAGE_BYTES..(number + 1) * PAGE_BYTES;
    match damage {
        Damage::Zeroed => damaged[place].fill(0),
        Damage::Noise => rng.fill(&mut damaged[place]),
        Damage::Older => damaged[place].copy_from_slice(page(older, number)),
        Damage::Misplaced => {
            let other = page(file, rng.usize(0..pages)).to_vec();
            damaged[place].copy_from_slice(&other);
        }
        Damage::FlippedBit => {
            let bit = rng.usize(0..8 * PAGE_BYTES);
            damaged[place][bit / 8] ^= 1 << (bit % 8);
        }
        Damage::Cut => damaged.truncate(place.start),
    }
    damaged
}

/// The answers of a store: every call's record, every change, every notification, and the calls that a filter finds.
#[derive(Debug, Default, PartialEq, Eq)]
struct Answers {
    calls: BTreeMap<String, String>,
    changes: Vec<(Position, u64, i64, String)>,
    notifications: Vec<(Position, i64, String)>,
    found: Vec<String>,
}

fn answers(store: &Store) -> Result<Answers, StoreError> {
    let mut answers = Answers::default();
    for entry in store.journal_after(Position(0), 1_000_000)? {
        answers.notifications.push((entry.position, entry.arrived_ms, entry.body));
    }
    for tenant in store.tenants()? {
        let view = store.of(tenant.id);
        for change in view.changes_after(Position(0), 1_000_000)? {
            answers.changes.push((change.cursor, change.version, change.created_ms, change.record));
        }
        let answered = Filter { result: Some(Outcome::Answered), ..Filter::default() };
        answers.found.extend(view.calls(&answered, None, None, 100_000)?.records);
        for record in view.calls(&Filter::default(), None, None, 100_000)?.records {
            let call: Value = serde_json::from_str(&record).unwrap_or_default();
            answers.calls.insert(call["id"].as_str().unwrap_or_default().to_owned(), record);
        }
    }
    Ok(answers)
}

/// A stopped service, its answers, and its files at an earlier time.
struct Stopped {
    folder: tempfile::TempDir,
    older: BTreeMap<&'static str, Vec<u8>>,
    expected: Answers,
}

fn stopped() -> Stopped {
    let service = Service::start();
    let bodies = traffic(15, 12);
    let (early, late) = bodies.split_at(bodies.len() / 2);
    service.receive(early.iter().map(String::as_str));
    service.settle();
    let mut older = BTreeMap::new();
    let service = service.restart_after(|store| {
        // A checkpoint: nothing remains only in the write-ahead logs.
        tamper(store.path().parent().unwrap(), "UPDATE checkpoint SET position = position");
    });
    for file in FILES {
        older.insert(file, fs::read(service.folder.path().join(file)).unwrap());
    }
    service.receive(late.iter().map(String::as_str));
    service.settle();
    let (folder, store) = service.reopen();
    let expected = answers(&store).unwrap();
    assert!(expected.calls.len() > 40 && expected.notifications.len() > 400);
    drop(store);
    Stopped { folder, older, expected }
}

fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

/// What the store reports as wrong when it is opened, queried, and checked; and whether its answers are right or an error.
fn reported(folder: &Path, expected: &Answers) -> (Vec<String>, bool) {
    let store = match Store::open_existing(folder) {
        Ok(store) => store,
        Err(error) => return (vec![format!("start: {error}")], true),
    };
    let mut problems: Vec<String> = Vec::new();
    let is_right = match answers(&store) {
        Ok(found) => found == *expected,
        Err(error) => {
            problems.push(format!("query: {error}"));
            true
        }
    };
    match check(&store, false, |_| {}) {
        Ok(checked) => {
            let findings = checked.findings.into_iter();
            problems.extend(findings.map(|finding| format!("check: {}: {}", finding.place, finding.problem)));
        }
        Err(error) => problems.push(format!("check ends: {error}")),
    }
    (problems, is_right)
}

#[test]
fn a_damaged_page_is_reported_or_changes_no_answer() {
    let Stopped { folder, older, expected } = stopped();
    let intact = tempfile::tempdir().unwrap();
    copy(folder.path(), intact.path());
    assert_eq!(reported(intact.path(), &expected), (Vec::new(), true));
    let mut rng = Rng::with_seed(11);
    let (mut silent, mut count) = (Vec::new(), 0);
    for file in FILES {
        let whole = fs::read(folder.path().join(file)).unwrap();
        for damage in DAMAGES {
            for _ in 0..damages_of_each_kind() {
                let bytes = damaged(&whole, &older[file], damage, &mut rng);
                if bytes == whole {
                    continue;
                }
                let broken = tempfile::tempdir().unwrap();
                copy(folder.path(), broken.path());
                fs::write(broken.path().join(file), &bytes).unwrap();
                let place = bytes.iter().zip(&whole).position(|(one, other)| one != other);
                let (problems, is_right) = reported(broken.path(), &expected);
                count += 1;
                if problems.is_empty() && !is_right {
                    silent.push(format!("{damage:?} of {file} from {place:?} on"));
                }
            }
        }
    }
    assert!(count > 40, "{count} damages");
    assert!(silent.is_empty(), "of {count}: {silent:#?}");
}
