//! Sources, documents and help texts are written in plain technical English (`docs/style.md`): they do not use the words
//! below, except where an exception gives a reason.

#![allow(clippy::unwrap_used, reason = "what a test cannot go on without fails it")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// The words and phrases to avoid, in lower case. Words in identifiers count too: `is_told`, `OnTheWay`.
const WORDS: [&str; 33] = [
    "told",
    "tell",
    "tells",
    "heard",
    "hears",
    "lately",
    "anew",
    "at hand",
    "on the way",
    "on its way",
    "on their way",
    "so many",
    "so much",
    "so long",
    "so often",
    "so few",
    "so short",
    "whoever",
    "nobody",
    "nobodys",
    "somebody",
    "somebodys",
    "anybodys",
    "is none",
    "are none",
    "let go",
    "lets go",
    "usual",
    "who looks",
    "look after",
    "looks after",
    "looked after",
    "looking after",
];

/// Words with which no comment starts: a limit's comment starts with "Maximum", "Minimum" or "Interval", that of an
/// `Option` says "`None` if".
const COMMENT_STARTS: [&str; 2] = ["So ", "None:"];

/// Folders and files to search.
const SEARCHED: [&str; 11] = [
    "crates",
    "docs",
    "benches",
    "fuzz",
    "scripts",
    "testing",
    "README.md",
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
];

/// Extensions of files without text of ours.
const SKIPPED: [&str; 6] = ["png", "svg", "ttf", "dict", "pem", "lock"];

/// A use of a word that is right.
struct Exception {
    /// The start of the path of the files, or of a command.
    path: &'static str,
    /// Part of the line; empty for all lines.
    text: &'static str,
    /// The words; empty for all words.
    words: &'static [&'static str],
    reason: &'static str,
}

const EXCEPTIONS: &[Exception] = &[
    Exception {
        path: "crates/wholecall/tests/plain_words.rs",
        text: "",
        words: &[],
        reason: "it lists the words",
    },
    Exception { path: "docs/style.md", text: "|", words: &[], reason: "the table shows what not to write" },
    Exception {
        path: "crates/simulator/",
        text: "",
        words: &["heard", "hears"],
        reason: "people in a simulated call hear each other",
    },
    hearing("", "heard each other"),
    hearing("", "hear, or heard, each other"),
    hearing("", "hears whom"),
    hearing("", "heard whom"),
    hearing("", "be_heard"),
    hearing("", "not heard"),
    hearing("", "hears only itself"),
    hearing("", "hears_ringing"),
    hearing("crates/render/src/lanes.rs", "is heard"),
    hearing("docs/simulator.md", "heard"),
    Exception {
        path: "crates/assembly/src/related.rs",
        text: "with nobody on hold",
        words: &["nobody"],
        reason: "a text of the record: it stays as published",
    },
    Exception {
        path: "crates/store/src/schema",
        text: "heard",
        words: &["heard"],
        reason: "migrations name columns of older versions",
    },
];

/// An exception for people in a call.
const fn hearing(path: &'static str, text: &'static str) -> Exception {
    Exception { path, text, words: &["heard", "hears"], reason: "people in a call hear each other" }
}

/// A word in a file or help text.
#[derive(Debug)]
struct Finding {
    path: String,
    line: usize,
    word: String,
    text: String,
}

/// A word of a text in lower case, with its line, and whether only spaces and comment marks precede it.
struct Token {
    word: String,
    line: usize,
    is_adjacent: bool,
}

/// Splits a text into words, and identifiers into their words.
fn tokens(text: &str) -> Vec<Token> {
    let mut tokens: Vec<Token> = Vec::new();
    let mut word = String::new();
    let (mut line, mut is_adjacent, mut was_lower) = (1, false, false);
    for character in text.chars().chain(['\n']) {
        let starts_word = was_lower && character.is_uppercase();
        if !word.is_empty() && (starts_word || !character.is_alphanumeric() && character != '\'') {
            tokens.push(Token { word: std::mem::take(&mut word).to_lowercase(), line, is_adjacent });
            is_adjacent = true;
        }
        was_lower = character.is_lowercase();
        match character {
            '\n' => line += 1,
            // "nobody's" is one word.
            '\'' => {}
            letter if letter.is_alphanumeric() => word.push(letter),
            ' ' | '\t' | '_' | '/' | '!' | '#' | '*' => {}
            _ => is_adjacent = false,
        }
    }
    tokens
}

/// The words to avoid in a text, with their lines.
fn find_words(text: &str) -> Vec<(usize, &'static str)> {
    // `Option::is_none` is not prose.
    let tokens = tokens(&text.replace("is_none", "is"));
    let mut found = Vec::new();
    for (index, token) in tokens.iter().enumerate() {
        for phrase in WORDS {
            let mut parts = phrase.split(' ');
            if parts.next() != Some(&token.word) {
                continue;
            }
            let mut rest = tokens[index + 1..].iter();
            let is_found =
                parts.all(|part| rest.next().is_some_and(|next| next.is_adjacent && next.word == part));
            // "There is none" is English, "the answer is none" is not.
            let follows_there = index > 0 && token.is_adjacent && tokens[index - 1].word == "there";
            if is_found && !(follows_there && phrase.ends_with(" none")) {
                found.push((token.line, phrase));
            }
        }
    }
    for (index, line) in text.lines().enumerate() {
        let marks = ["///", "//!", "//", "#", "-- ", "<!--", "{#"];
        let comment = marks.iter().find_map(|mark| line.trim_start().strip_prefix(mark));
        for start in COMMENT_STARTS {
            if comment.is_some_and(|comment| comment.trim_start().starts_with(start)) {
                found.push((index + 1, start));
            }
        }
    }
    found.sort_unstable();
    found.dedup();
    found
}

fn findings(path: &str, text: &str) -> Vec<Finding> {
    let lines: Vec<&str> = text.lines().collect();
    let finding = |(line, word): (usize, &str)| Finding {
        path: path.to_owned(),
        line,
        word: word.trim().to_owned(),
        text: lines.get(line - 1).unwrap_or(&"").trim().to_owned(),
    };
    find_words(text).into_iter().map(finding).collect()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The text files below a path.
fn files(path: &Path, found: &mut Vec<PathBuf>) {
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            let entry = entry.unwrap().path();
            if entry.file_name().is_some_and(|name| name != "target") {
                files(&entry, found);
            }
        }
    } else if path.is_file()
        && !path.extension().is_some_and(|one| SKIPPED.iter().any(|skipped| one == *skipped))
    {
        found.push(path.to_owned());
    }
}

fn findings_in_files() -> Vec<Finding> {
    let root = root();
    let mut paths = Vec::new();
    SEARCHED.iter().for_each(|path| files(&root.join(path), &mut paths));
    paths.sort();
    assert!(paths.len() > 300, "{} files", paths.len());
    let in_file = |path: &PathBuf| {
        let bytes = fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        findings(path.strip_prefix(&root).unwrap().to_str().unwrap(), &String::from_utf8_lossy(&bytes))
    };
    paths.iter().flat_map(in_file).collect()
}

/// The help of a command and of all its subcommands.
fn help(command: &[String], found: &mut Vec<(String, String)>) {
    let output = Command::new(env!("CARGO_BIN_EXE_wholecall")).args(command).arg("--help").output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let names: Vec<String> = text
        .lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| !line.is_empty())
        // A longer description continues with deeper indentation.
        .filter_map(|line| line.strip_prefix("  ").filter(|line| !line.starts_with(' ')))
        .filter_map(|line| line.split_whitespace().next().map(str::to_owned))
        .collect();
    found.push((format!("wholecall {} --help", command.join(" ")).replace("  ", " "), text));
    for name in names {
        help(&[command, &[name]].concat(), found);
    }
}

fn findings_in_help() -> Vec<Finding> {
    let mut texts = Vec::new();
    help(&[], &mut texts);
    assert!(texts.len() > 40, "{} commands", texts.len());
    texts.iter().flat_map(|(command, text)| findings(command, text)).collect()
}

/// The folder of a path, for the summary: a crate, or a folder at the top.
fn folder(path: &str) -> String {
    let parts: Vec<&str> = path.split('/').collect();
    match parts[..] {
        ["crates" | "testing", name, ..] => format!("{}/{name}", parts[0]),
        [folder, _, ..] => folder.to_owned(),
        _ if path.ends_with("--help") => "help".to_owned(),
        _ => path.to_owned(),
    }
}

#[test]
fn texts_use_plain_words() {
    let mut used = BTreeSet::new();
    let mut wrong = String::new();
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for finding in findings_in_files().into_iter().chain(findings_in_help()) {
        let covers = |exception: &Exception| {
            finding.path.starts_with(exception.path)
                && finding.text.contains(exception.text)
                && (exception.words.is_empty() || exception.words.contains(&finding.word.as_str()))
        };
        match EXCEPTIONS.iter().position(covers) {
            Some(index) => drop(used.insert(index)),
            None => {
                let Finding { path, line, word, text } = &finding;
                let _infallible = writeln!(wrong, "{path}:{line}: \"{word}\": {text}");
                *counts.entry(folder(path)).or_default() += 1;
            }
        }
    }
    let total: usize = counts.values().sum();
    assert!(wrong.is_empty(), "{wrong}{total} words to avoid, by folder: {counts:#?}");
    let unused = EXCEPTIONS.iter().enumerate().filter(|(index, _)| !used.contains(index));
    let unused = unused.map(|(_, exception)| (exception.path, exception.text, exception.reason));
    let unused: Vec<(&str, &str, &str)> = unused.collect();
    assert!(unused.is_empty(), "exceptions that are not needed any more: {unused:?}");
}

#[test]
fn words_are_found_in_prose_and_in_identifiers() {
    let text = "/// What it was\n/// TOLD of.\nfn is_told() {}\nstruct OnTheWay;\n// kept on the\n// way\n\
                let x = nobody's;\n/// So it is.\n/// None: no.\n";
    let expected = [
        (2, "told"),
        (3, "told"),
        (4, "on the way"),
        (5, "on the way"),
        (7, "nobodys"),
        (8, "So "),
        (9, "None:"),
    ];
    assert_eq!(find_words(text), expected);
    for harmless in [
        "toldo, reassemble_as",
        "so. Many",
        "the way",
        "usually",
        "// So-called",
        "x.is_none()",
        "if there is none",
    ] {
        assert_eq!(find_words(harmless), [], "{harmless}");
    }
}
