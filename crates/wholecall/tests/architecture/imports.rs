//! What each source file imports: the paths of its `use` lines and the paths in its code, as text.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// A module path with its crate first: `["wholecall_server", "deliver", "queue"]`.
pub(crate) type ModulePath = Vec<String>;

/// A source file without its tests.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) file: PathBuf,
    pub(crate) module: ModulePath,
    /// Absolute paths that the file names: of modules, and of items in them.
    pub(crate) paths: BTreeSet<ModulePath>,
}

/// Every source file of the workspace's crates, test modules left out.
pub(crate) fn sources(root: &Path) -> Vec<Source> {
    let mut found = Vec::new();
    for entry in fs::read_dir(root.join("crates")).unwrap() {
        let folder = entry.unwrap().path();
        let name = format!("wholecall_{}", folder.file_name().unwrap().to_str().unwrap().replace('-', "_"));
        let name = if name == "wholecall_wholecall" { "wholecall".to_owned() } else { name };
        let mut files = Vec::new();
        collect_files(&folder.join("src"), &mut files);
        for file in files {
            let relative = file.strip_prefix(folder.join("src")).unwrap().with_extension("");
            let segments = relative.iter().map(|part| part.to_str().unwrap().to_owned());
            let mut module: ModulePath = [name.clone()].into_iter().chain(segments).collect();
            if module.last().is_some_and(|last| ["lib", "main", "mod"].contains(&last.as_str())) {
                module.pop();
            }
            if module.iter().any(|part| part == "tests") {
                continue;
            }
            let text = fs::read_to_string(&file).unwrap();
            let paths = paths_of(&code_of(&text), &module);
            found.push(Source { file: file.strip_prefix(root).unwrap().to_owned(), module, paths });
        }
    }
    found
}

fn collect_files(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect_files(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// The code without comments, and without the test module at the end.
fn code_of(text: &str) -> String {
    let is_test_module = |at: &usize| {
        let mut lines = text[*at..].lines().skip(2).skip_while(|line| line.starts_with("#["));
        lines.next().is_some_and(|line| line.starts_with("mod "))
    };
    let mut tests = text.match_indices("\n#[cfg(test)]\n").map(|(at, _)| at);
    let until = tests.find(is_test_module).unwrap_or(text.len());
    let lines = text[..until].lines().map(|line| {
        let is_comment = line.trim_start().starts_with("//");
        if is_comment { "" } else { line.split(" // ").next().unwrap_or_default() }
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn paths_of(code: &str, module: &ModulePath) -> BTreeSet<ModulePath> {
    let mut paths = BTreeSet::new();
    let mut rest = code;
    // `use` trees, also those of `pub use`.
    while let Some(at) = rest.find("use ") {
        let starts_line = rest[..at]
            .lines()
            .next_back()
            .is_none_or(|before| ["", "pub", "pub(crate)", "pub(super)"].contains(&before.trim()));
        rest = &rest[at + 4..];
        if starts_line && let Some(end) = rest.find(';') {
            expand(&rest[..end].replace(char::is_whitespace, ""), &[], module, &mut paths);
            rest = &rest[end..];
        }
    }
    // Paths in the code itself.
    let is_part = |character: char| character.is_alphanumeric() || character == '_' || character == ':';
    for word in code.split(|character| !is_part(character)) {
        if let Some(path) = absolute(&word.split("::").map(str::to_owned).collect::<Vec<_>>(), module) {
            paths.insert(path);
        }
    }
    paths
}

/// Adds the absolute paths of a `use` tree without white space: `crate::{a::b,c::{d,e}}`.
fn expand(tree: &str, before: &[String], module: &ModulePath, paths: &mut BTreeSet<ModulePath>) {
    let Some(brace) = tree.find('{') else {
        let tree = tree.split("as").next().filter(|_| tree.contains("::*as")).unwrap_or(tree);
        let path: Vec<String> = before.iter().cloned().chain(tree.split("::").map(str::to_owned)).collect();
        paths.extend(absolute(&path, module));
        return;
    };
    let head = tree[..brace].trim_end_matches("::").split("::").filter(|part| !part.is_empty());
    let before: Vec<String> = before.iter().cloned().chain(head.map(str::to_owned)).collect();
    let (mut depth, mut start) = (0, brace + 1);
    for (at, character) in tree.char_indices().skip(brace) {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if (character == ',' && depth == 1) || depth == 0 {
            let item = &tree[start..at];
            if !item.is_empty() {
                expand(item, &before, module, paths);
            }
            start = at + 1;
        }
        if depth == 0 {
            break;
        }
    }
}

/// A path with `crate`, `self` and `super` resolved; `None` if it begins with a name of the file's own.
fn absolute(path: &[String], module: &ModulePath) -> Option<ModulePath> {
    let first = path.first()?;
    if path.len() < 2 || path.iter().any(String::is_empty) {
        return None;
    }
    match first.as_str() {
        "crate" => Some([module[0].clone()].into_iter().chain(path[1..].iter().cloned()).collect()),
        "self" => Some(module.iter().cloned().chain(path[1..].iter().cloned()).collect()),
        "super" => {
            let ups = path.iter().take_while(|part| *part == "super").count();
            let above = module.get(..module.len().checked_sub(ups)?)?;
            Some(above.iter().cloned().chain(path[ups..].iter().cloned()).collect())
        }
        name if name.starts_with(|c: char| c.is_ascii_lowercase()) => Some(path.to_vec()),
        _ => None,
    }
}

/// For each file the files that it imports, of one crate, the crate's root left out.
pub(crate) fn graph<'s>(sources: &'s [Source], of: &str) -> BTreeMap<&'s Path, BTreeSet<&'s Path>> {
    let own: Vec<&Source> =
        sources.iter().filter(|source| source.module[0] == of && source.module.len() > 1).collect();
    let file_of = |path: &ModulePath| {
        let matching = own.iter().filter(|source| path.starts_with(&source.module));
        matching.max_by_key(|source| source.module.len()).map(|source| source.file.as_path())
    };
    own.iter()
        .map(|source| {
            let imported = source.paths.iter().filter_map(file_of);
            (source.file.as_path(), imported.filter(|file| *file != source.file).collect())
        })
        .collect()
}
