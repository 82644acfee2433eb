//! The documents name tests: those must exist.

use std::{
    fs,
    path::{Path, PathBuf},
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The rows of a document's tables, cell by cell, without the tables' heads.
fn rows(document: &str) -> Vec<Vec<String>> {
    let text = fs::read_to_string(root().join(document)).expect(document);
    let lines: Vec<&str> = text.lines().collect();
    let is_head = |at: usize| lines.get(at + 1).is_some_and(|next| next.starts_with("|-"));
    let is_row = |at: &usize| lines[*at].starts_with("| ") && !is_head(*at);
    let cells = |line: &str| line.trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned()).collect();
    (0..lines.len()).filter(is_row).map(|at| cells(lines[at])).collect()
}

/// How many tests a cell names. `module::test` is one of these rules; others have the path of their file.
fn tests_named(cell: &str) -> usize {
    let tests = cell.split('`').filter_map(|name| name.split_once("::"));
    let existing = tests.map(|(file, test)| {
        let is_path = file.ends_with(".rs");
        let file = if is_path { file.to_owned() } else { format!("crates/assembly/tests/rules/{file}.rs") };
        let source = fs::read_to_string(root().join(&file)).expect(&file);
        assert!(source.contains(&format!("fn {test}(")), "{file} has no {test}");
    });
    existing.count()
}

#[test]
fn every_test_the_pitfalls_name_exists() {
    let mut numbers = Vec::new();
    for row in rows("docs/pitfalls.md") {
        numbers.push(row[0].parse::<usize>().expect(&row[0]));
        assert!(tests_named(&row[3]) > 0 || row[3] == "–", "{row:?}");
    }
    assert_eq!(numbers, (1..=71).collect::<Vec<_>>());
}

#[test]
fn every_decision_names_a_test_that_exists() {
    let rows = rows("docs/decisions.md");
    assert!(rows.len() > 60, "only {} decisions", rows.len());
    for row in rows {
        assert_eq!(row.len(), 3, "{row:?}");
        // A decision that cannot be tested here has a dash.
        assert!(tests_named(&row[2]) > 0 || row[2] == "–", "{row:?}");
    }
}

/// A name in the findings: the path of a file, of a file's test, or `module::test` of the tests of the service or of its
/// storage; `…` stands for the file named before.
#[test]
fn every_finding_names_tests_that_exist() {
    let is_name =
        |test: &str| test.bytes().all(|byte| byte.is_ascii_lowercase() || b"_0123456789".contains(&byte));
    let rows = rows("docs/robustness.md");
    let rows: Vec<_> = rows.into_iter().filter(|row| row.len() == 4).collect();
    assert!(rows.len() > 40, "only {} findings", rows.len());
    for row in rows {
        let mut last = String::new();
        for name in row[3].split('`').skip(1).step_by(2) {
            let Some((file, test)) = name.rsplit_once("::").filter(|(_, test)| is_name(test)) else {
                continue;
            };
            if file.ends_with(".rs") {
                let is_short = !root().join(file).exists();
                last = if is_short { format!("crates/{file}") } else { file.to_owned() };
            } else if file != "…" {
                last = file.replace("::", "/");
            }
            let places = match last.ends_with(".rs") {
                true => vec![last.clone()],
                false => ["wholecall/tests/service", "server/tests/storage"]
                    .map(|folder| format!("crates/{folder}/{last}.rs"))
                    .to_vec(),
            };
            let has_test = |place: &String| {
                let source = fs::read_to_string(root().join(place)).unwrap_or_default();
                source.contains(&format!("fn {test}("))
            };
            assert!(places.iter().any(has_test), "no {test} in {places:?}");
        }
    }
}
