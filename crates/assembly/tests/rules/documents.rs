//! The documents name tests: those must exist.

use std::{fs, path::Path};

#[test]
fn every_test_the_pitfalls_name_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(root.join("../../docs/pitfalls.md")).expect("docs/pitfalls.md");
    let rows = text.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| #"));
    let mut numbers = Vec::new();
    for row in rows {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        numbers.push(cells[0].parse::<usize>().expect(row));
        let tests = cells[3].split('`').filter_map(|name| name.split_once("::"));
        let mut named = 0;
        for (module, test) in tests {
            let source = fs::read_to_string(root.join(format!("tests/rules/{module}.rs"))).expect(module);
            assert!(source.contains(&format!("fn {test}()")), "{module}::{test}");
            named += 1;
        }
        assert!(named > 0 || cells[3] == "–", "{row}");
    }
    assert_eq!(numbers, (1..=66).collect::<Vec<_>>());
}
