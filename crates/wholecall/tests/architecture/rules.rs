//! The table "What must never import what".

use std::{fs, path::Path};

use crate::imports::{ModulePath, Source, sources};

/// One row: a module, and what it must never import.
struct Rule {
    of: ModulePath,
    never: Vec<ModulePath>,
}

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// A name of the table as a path: `server/deliver` is a module of ours, `assembly` a crate of ours, `std::fs` and
/// `tokio` are written as Rust has them.
fn path_of(name: &str) -> ModulePath {
    if name.contains("::") {
        return name.split("::").map(str::to_owned).collect();
    }
    let mut parts = name.split('/');
    let first = parts.next().unwrap();
    let is_ours = root().join("crates").join(first).is_dir();
    let first = if is_ours { format!("wholecall_{}", first.replace('-', "_")) } else { first.to_owned() };
    [first].into_iter().chain(parts.map(str::to_owned)).collect()
}

fn names_in(cell: &str) -> impl Iterator<Item = ModulePath> {
    cell.split('`').skip(1).step_by(2).map(path_of)
}

fn rules() -> Vec<Rule> {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let (_, section) = text.split_once("## What must never import what").unwrap();
    let section = section.split("\n## ").next().unwrap();
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    let rules = rows.flat_map(|row| {
        let cells: Vec<&str> = row.split('|').collect();
        let never: Vec<ModulePath> = names_in(cells[2]).collect();
        names_in(cells[1]).map(move |of| Rule { of, never: never.clone() }).collect::<Vec<_>>()
    });
    rules.collect()
}

fn breaches<'s>(rule: &'s Rule, sources: &'s [Source]) -> impl Iterator<Item = String> + 's {
    let of = sources.iter().filter(|source| source.module.starts_with(&rule.of));
    of.flat_map(move |source| {
        let forbidden =
            source.paths.iter().filter(|path| rule.never.iter().any(|never| path.starts_with(never)));
        forbidden.map(|path| format!("{} imports {}", source.file.display(), path.join("::")))
    })
}

#[test]
fn no_module_imports_what_the_architecture_forbids() {
    let (sources, rules) = (sources(root()), rules());
    assert!(rules.len() >= 10, "{} rules", rules.len());
    for rule in &rules {
        let is_known = sources.iter().any(|source| source.module.starts_with(&rule.of));
        assert!(is_known, "{} does not exist", rule.of.join("::"));
        for never in rule.never.iter().filter(|never| never[0].starts_with("wholecall") && never.len() > 1) {
            let is_known = sources.iter().any(|source| source.module.starts_with(never));
            assert!(is_known, "{} does not exist", never.join("::"));
        }
    }
    let broken: Vec<String> = rules.iter().flat_map(|rule| breaches(rule, &sources)).collect();
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn a_forbidden_import_is_found() {
    // The command line imports the server, in `serve.rs`: a rule against it is broken.
    let rule = Rule { of: path_of("wholecall"), never: vec![path_of("server")] };
    let rule = Rule { of: vec!["wholecall".to_owned()], ..rule };
    let sources = sources(root());
    assert!(breaches(&rule, &sources).any(|breach| breach.contains("serve.rs")));
    let rule = Rule { of: path_of("server/api"), never: vec![path_of("server/problem")] };
    assert!(breaches(&rule, &sources).next().is_some(), "a path with `crate`");
}
