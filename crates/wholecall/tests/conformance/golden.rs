//! The golden cases, each in several orders of arrival.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use serde_json::Value;

use crate::{
    compare::differences,
    program::{folders, printed, read, records, versions},
    variants,
};

/// A golden case.
struct Case {
    name: String,
    folder: PathBuf,
    events: String,
    expected: Vec<Value>,
}

impl Case {
    fn read(folder: PathBuf) -> Self {
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        let events = read(&folder.join("events.ndjson"));
        let expected: Vec<Value> = serde_json::from_str(&read(&folder.join("expected.json")))
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        Self { name, folder, events, expected }
    }

    /// The options for assembling it.
    fn options(&self) -> Vec<String> {
        let directory = self.folder.join("extensions.json");
        let options = directory.is_file().then(|| vec!["--directory".to_owned(), path(&directory)]);
        options.unwrap_or_default()
    }

    /// Compares records with the expectations.
    fn compare(&self, how: &str, expected: &[Value], records: &[Value]) -> Vec<String> {
        let id = |call: &Value| call["id"].as_str().expect("every call has an id").to_owned();
        let expected_ids: BTreeSet<String> = expected.iter().map(id).collect();
        let found: BTreeSet<String> = records.iter().map(id).collect();
        let mut wrong = Vec::new();
        if expected_ids != found {
            wrong.push(format!("{}, {how}: calls {expected_ids:?} expected, {found:?} found", self.name));
        }
        for call in expected {
            if let Some(record) = records.iter().find(|record| record["id"] == call["id"]) {
                let differences = differences(call, record);
                wrong.extend(differences.iter().map(|what| format!("{}, {how}, {what}", self.name)));
            }
        }
        wrong
    }
}

fn path(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

/// All cases, or those whose names start with `WHOLECALL_GOLDEN`.
fn cases() -> Vec<Case> {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../golden");
    let cases: Vec<Case> = folders(&golden).into_iter().map(Case::read).collect();
    assert!(cases.len() >= 40, "{} holds only {} cases", golden.display(), cases.len());
    let Ok(prefix) = std::env::var("WHOLECALL_GOLDEN") else { return cases };
    let cases: Vec<Case> = cases.into_iter().filter(|case| case.name.starts_with(&prefix)).collect();
    assert!(!cases.is_empty(), "no case starts with {prefix}");
    let _ = writeln!(io::stderr(), "only {} cases: WHOLECALL_GOLDEN is {prefix}", cases.len());
    cases
}

/// Fails with all differences.
fn expect_no_differences(wrong: &[String]) {
    let cases: BTreeSet<&str> = wrong.iter().filter_map(|what| what.split(',').next()).collect();
    assert!(wrong.is_empty(), "{}\n{} cases differ: {cases:?}", wrong.join("\n"), cases.len());
}

#[test]
fn every_case_is_as_expected_in_any_order() {
    let mut wrong = Vec::new();
    for case in cases() {
        let options = case.options();
        let options: Vec<&str> = options.iter().map(String::as_str).collect();
        for (how, input) in variants::all(&case.events) {
            wrong.extend(case.compare(&how, &case.expected, &records(&options, &input)));
        }
    }
    expect_no_differences(&wrong);
}

/// The last version of each call, without those that were merged into others.
fn last_versions(versions: &[Value]) -> Vec<Value> {
    let mut last: BTreeMap<&str, &Value> = BTreeMap::new();
    for version in versions {
        let id = version["id"].as_str().unwrap();
        if version["schema"] == "wholecall.merged/1" {
            last.remove(id);
        } else {
            last.insert(id, version);
        }
    }
    last.into_values().cloned().collect()
}

/// The expectations without names, which a stream may not have received yet.
fn without_names(expected: &[Value]) -> Vec<Value> {
    let mut expected = expected.to_vec();
    for call in &mut expected {
        let is_name = |member: &str| member.ends_with("ame") || member == "names";
        call.as_object_mut().unwrap().retain(|member, _| !is_name(member));
    }
    expected
}

#[test]
fn every_case_is_as_expected_as_a_stream() {
    let mut wrong = Vec::new();
    for case in cases() {
        let options = case.options();
        let options: Vec<&str> = options.iter().map(String::as_str).collect();
        let versions = versions(&options, &case.events);
        wrong.extend(case.compare("stream", &without_names(&case.expected), &last_versions(&versions)));
        let never_closed = case.expected.iter().filter(|call| call["neverGivenUp"] == true);
        for call in never_closed {
            let is_incomplete =
                |version: &&Value| version["id"] == call["id"] && version["state"] == "incomplete";
            let incomplete = versions.iter().filter(is_incomplete);
            wrong.extend(incomplete.map(|version| {
                let reason = &version["completeness"]["reason"];
                format!(
                    "{}, stream, version {} was closed as incomplete: {reason}",
                    case.name, version["version"]
                )
            }));
        }
    }
    expect_no_differences(&wrong);
}

#[test]
fn renderings_state_what_the_record_states() {
    let mut wrong = Vec::new();
    for case in cases() {
        let file = case.folder.join("renderings.json");
        if !file.is_file() {
            continue;
        }
        let expected: BTreeMap<String, BTreeMap<String, Vec<String>>> =
            serde_json::from_str(&read(&file)).unwrap_or_else(|error| panic!("{}: {error}", case.name));
        for (rendering, texts) in expected {
            let command: &[&str] = match rendering.as_str() {
                "explain" => &["explain"],
                "csv" => &["assemble", "--format", "csv"],
                "svg" => &["show", "--svg"],
                other => panic!("{}: no rendering {other}", case.name),
            };
            let options = case.options();
            let mut arguments = command.to_vec();
            arguments.extend(options.iter().map(String::as_str));
            let printed = printed(&arguments, &case.events);
            for (how, texts) in texts {
                let should_contain = match how.as_str() {
                    "contains" => true,
                    "omits" => false,
                    other => panic!("{}: {other} is neither contains nor omits", case.name),
                };
                let failing = texts.iter().filter(|text| printed.contains(*text) != should_contain);
                wrong.extend(
                    failing.map(|text| format!("{}, {rendering} {how} {text:?}: no\n{printed}", case.name)),
                );
            }
        }
    }
    expect_no_differences(&wrong);
}

#[test]
fn every_case_has_a_description_and_known_files_only() {
    let known = ["events.ndjson", "expected.json", "description.txt", "extensions.json", "renderings.json"];
    for case in cases() {
        let description = read(&case.folder.join("description.txt"));
        assert!(description.trim().len() > 10 && description.lines().count() == 1, "{}", case.name);
        for entry in fs::read_dir(&case.folder).unwrap() {
            let file = entry.unwrap().file_name().into_string().unwrap();
            assert!(known.contains(&file.as_str()), "{} holds {file}, which nothing reads", case.name);
        }
        assert!(!case.expected.is_empty(), "{} expects nothing", case.name);
    }
}
