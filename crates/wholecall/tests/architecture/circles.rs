//! Files that import each other.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use crate::imports::{graph, sources};

/// Files of one crate that reach each other by imports, and why that is accepted.
const ACCEPTED: &[(&str, &[&str], &str)] = &[(
    "server",
    &[
        "connection/account.rs",
        "connection/connect.rs",
        "connection/directory.rs",
        "connection/reconcile.rs",
        "connection/state.rs",
    ],
    "one account's task in four files by subject, with the state that it stores",
)];

fn circles<'s>(graph: &BTreeMap<&'s Path, BTreeSet<&'s Path>>) -> Vec<BTreeSet<&'s Path>> {
    let reachable: BTreeMap<&Path, BTreeSet<&Path>> = graph
        .keys()
        .map(|&from| {
            let (mut found, mut open) = (BTreeSet::new(), vec![from]);
            while let Some(file) = open.pop() {
                open.extend(graph[file].iter().filter(|next| found.insert(**next)));
            }
            (from, found)
        })
        .collect();
    let mut circles: Vec<BTreeSet<&Path>> = graph
        .keys()
        .map(|&file| {
            let both = reachable[file].iter().filter(|other| reachable[**other].contains(file));
            both.copied().collect::<BTreeSet<&Path>>()
        })
        .filter(|circle| circle.len() > 1)
        .collect();
    circles.sort();
    circles.dedup();
    circles
}

#[test]
fn files_import_each_other_only_where_that_is_accepted() {
    let sources = sources(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")));
    let mut unexpected = Vec::new();
    for of in ["assembly", "store", "server", "fake-ringcentral"] {
        let graph = graph(&sources, &format!("wholecall_{}", of.replace('-', "_")));
        assert!(graph.len() > 10, "{of} has files");
        let accepted = ACCEPTED.iter().filter(|(name, ..)| *name == of);
        let accepted: Vec<BTreeSet<String>> = accepted
            .map(|(_, files, reason)| {
                assert!(!reason.is_empty());
                files.iter().map(|file| format!("crates/{of}/src/{file}")).collect()
            })
            .collect();
        let found: Vec<BTreeSet<String>> = circles(&graph)
            .iter()
            .map(|circle| circle.iter().map(|file| file.display().to_string()).collect())
            .collect();
        unexpected.extend(found.iter().filter(|circle| !accepted.contains(circle)).cloned());
        unexpected.extend(
            accepted
                .iter()
                .filter(|circle| !found.contains(circle))
                .map(|gone| gone.iter().map(|file| format!("{file}: the accepted circle is gone")).collect()),
        );
    }
    assert!(unexpected.is_empty(), "{unexpected:#?}");
}
