//! The example calls in `golden/`, each in every order in which it may arrive.

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

/// A case: its folder and what is in it.
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

    /// The options under which it is assembled.
    fn options(&self) -> Vec<String> {
        let directory = self.folder.join("extensions.json");
        let options = directory.is_file().then(|| vec!["--directory".to_owned(), path(&directory)]);
        options.unwrap_or_default()
    }

    /// Compares records with what is expected.
    fn compare(&self, how: &str, expected: &[Value], records: &[Value]) -> Vec<String> {
        let id = |call: &Value| call["id"].as_str().expect("every call has an id").to_owned();
        let wanted: BTreeSet<String> = expected.iter().map(id).collect();
        let found: BTreeSet<String> = records.iter().map(id).collect();
        let mut wrong = Vec::new();
        if wanted != found {
            wrong.push(format!("{}, {how}: calls {wanted:?} expected, {found:?} found", self.name));
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

/// All cases, or those whose names begin with `WHOLECALL_GOLDEN`.
fn cases() -> Vec<Case> {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../golden");
    let cases: Vec<Case> = folders(&golden).into_iter().map(Case::read).collect();
    assert!(cases.len() >= 40, "{} holds only {} cases", golden.display(), cases.len());
    let Ok(wanted) = std::env::var("WHOLECALL_GOLDEN") else { return cases };
    let cases: Vec<Case> = cases.into_iter().filter(|case| case.name.starts_with(&wanted)).collect();
    assert!(!cases.is_empty(), "no case begins with {wanted}");
    let _ = writeln!(io::stderr(), "only {} cases: WHOLECALL_GOLDEN is {wanted}", cases.len());
    cases
}

/// Fails with everything that is wrong.
fn expect_nothing(wrong: &[String]) {
    let cases: BTreeSet<&str> = wrong.iter().filter_map(|what| what.split(',').next()).collect();
    assert!(wrong.is_empty(), "{}\n{} cases differ: {cases:?}", wrong.join("\n"), cases.len());
}

#[test]
fn every_case_comes_out_as_expected_in_any_order() {
    let mut wrong = Vec::new();
    for case in cases() {
        let options = case.options();
        let options: Vec<&str> = options.iter().map(String::as_str).collect();
        for (how, input) in variants::all(&case.events) {
            wrong.extend(case.compare(&how, &case.expected, &records(&options, &input)));
        }
    }
    expect_nothing(&wrong);
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

/// What is expected without what only a look at the whole input can know: names told later.
fn without_names(expected: &[Value]) -> Vec<Value> {
    let mut expected = expected.to_vec();
    for call in &mut expected {
        let is_name = |member: &str| member.ends_with("ame") || member == "names";
        call.as_object_mut().unwrap().retain(|member, _| !is_name(member));
    }
    expected
}

#[test]
fn every_case_comes_out_as_expected_while_it_arrives() {
    let mut wrong = Vec::new();
    for case in cases() {
        let options = case.options();
        let options: Vec<&str> = options.iter().map(String::as_str).collect();
        let versions = versions(&options, &case.events);
        wrong.extend(case.compare("stream", &without_names(&case.expected), &last_versions(&versions)));
        let kept = case.expected.iter().filter(|call| call["neverGivenUp"] == true);
        for call in kept {
            let is_given_up =
                |version: &&Value| version["id"] == call["id"] && version["state"] == "incomplete";
            let given_up = versions.iter().filter(is_given_up);
            wrong.extend(given_up.map(|version| {
                let reason = &version["completeness"]["reason"];
                format!("{}, stream, version {} was given up: {reason}", case.name, version["version"])
            }));
        }
    }
    expect_nothing(&wrong);
}

#[test]
fn renderings_say_what_the_record_says() {
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
                let is_wanted = match how.as_str() {
                    "contains" => true,
                    "omits" => false,
                    other => panic!("{}: {other} is neither contains nor omits", case.name),
                };
                let failing = texts.iter().filter(|text| printed.contains(*text) != is_wanted);
                wrong.extend(
                    failing.map(|text| format!("{}, {rendering} {how} {text:?}: no\n{printed}", case.name)),
                );
            }
        }
    }
    expect_nothing(&wrong);
}

#[test]
fn every_case_is_described_and_holds_nothing_unknown() {
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
