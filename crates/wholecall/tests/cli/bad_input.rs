//! Unreadable input is reported by file and line, and the rest is assembled.

use std::path::Path;

use crate::run::{CALLS, IDS, Ran, file, folder, pipe, run_with};

/// Each problem was reported, and everything else was assembled.
fn assert_rest_is_assembled(ran: &Ran, problems: &[&str]) {
    assert_eq!(ran.code, 2, "{}", ran.err);
    assert_eq!(ran.ids(), IDS, "{}", ran.err);
    assert_eq!(ran.text(), pipe("assemble", CALLS).text());
    let lines: Vec<&str> = ran.err.lines().collect();
    assert_eq!(lines.len(), problems.len(), "{}", ran.err);
    for (line, expected) in lines.iter().zip(problems) {
        assert!(line.starts_with(expected), "{line}\nshould start with\n{expected}");
    }
}

/// Inserts a bad line as the fourth of a good file.
fn among_good_lines(name: &str, bad: &[u8]) -> (Ran, String) {
    let at = CALLS.match_indices('\n').nth(2).unwrap().0 + 1;
    let content = [&CALLS.as_bytes()[..at], bad, b"\n", &CALLS.as_bytes()[at..]].concat();
    let path = file(&folder(name), "notifications.ndjson", content);
    (run_with("assemble", &[&path], b""), path.display().to_string())
}

#[test]
fn a_bad_line_is_reported_and_the_rest_assembled() {
    let deep = format!("{{\"body\":{}{}}}", "[".repeat(5_000), "]".repeat(5_000));
    let deeper = "[".repeat(100_000);
    let lines: [(&str, &[u8], &str); 9] = [
        ("utf8", b"{\"uuid\": \"\xff\xfe\"}", "not UTF-8 text"),
        ("lone-bytes", b"\xc3\x28", "not UTF-8 text"),
        ("words", b"oops", "not a notification"),
        ("cut", b"{\"uuid\": \"1\", \"body\": {\"sequ", "not JSON"),
        ("deep", deep.as_bytes(), "not JSON: values nested more than 128 deep"),
        ("number", b"17", "not a notification"),
        ("other", b"{\"hello\": \"world\"}", "not a RingCentral notification"),
        ("session", b"{\"telephonySessionId\": \"s-1\"}", "a telephony notification without a party"),
        ("control", b"{\"uuid\": \"a\x01b\"}", "not JSON: a line break or control character"),
    ];
    for (name, line, reason) in lines {
        let (ran, path) = among_good_lines(name, line);
        assert_rest_is_assembled(&ran, &[&format!("{path}:4: {reason}")]);
    }
    // Lists that are never closed are read as lists; only the missing end is reported.
    let (ran, _) = among_good_lines("deeper", deeper.as_bytes());
    assert_eq!((ran.code, ran.ids()), (2, IDS.map(str::to_owned).to_vec()));
    assert!(ran.err.contains("closing ] is missing"), "{}", ran.err);
}

#[test]
fn fields_of_the_wrong_type_are_ignored() {
    let odd = CALLS
        .replace("\"name\": \"WILLIAMS A\"", "\"name\": {\"first\": 1}")
        .replace("\"rcc\": false", "\"rcc\": [7]")
        .replace("\"extensionId\": \"700102\"", "\"extensionId\": 700102")
        .replace("\"sessionId\": \"91000001\"", "\"sessionId\": 91000001")
        .replace("\"uuid\": \"5000007919\"", "\"uuid\": 5000007919");
    let ran = pipe("assemble", odd);
    assert_eq!(ran.assert_clean().ids(), IDS);
    assert_eq!(ran.lines()[0]["moves"][0]["target"], "ext:700102");
}

#[test]
fn truncated_input_loses_only_its_last_document() {
    let cut = &CALLS[..CALLS.len() - 40];
    let ran = pipe("assemble", cut);
    assert_eq!((ran.code, ran.ids()), (2, IDS.map(str::to_owned).to_vec()));
    let last = CALLS.lines().count();
    assert_eq!(
        ran.err,
        format!("<stdin>:{last}: the JSON is cut off: the input ends inside this document\n")
    );
    let list = format!("[{}", CALLS.trim_end().replace('\n', ",\n"));
    let ran = pipe("assemble", list);
    assert_rest_is_assembled(&ran, &[&format!("<stdin>:{last}: the JSON list is cut off")]);
}

#[test]
fn truncated_compressed_input_is_read_as_far_as_possible() {
    use std::io::Write;
    let many = CALLS.repeat(50);
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packer.write_all(many.as_bytes()).unwrap();
    let gz = packer.finish().unwrap();
    let zst = zstd::encode_all(many.as_bytes(), 1).unwrap();
    let folder = folder("cut-packed");
    for (name, packed) in [("calls.gz", gz), ("calls.zst", zst)] {
        let path = file(&folder, name, &packed[..packed.len() - 9]);
        let ran = run_with("assemble", &[&path], b"");
        assert_eq!(ran.code, 2, "{name}: {}", ran.err);
        assert!(ran.err.contains(&format!("{}: cannot read further", path.display())), "{}", ran.err);
        let path = file(&folder, name, &packed[..3]);
        let ran = run_with("assemble", &[&path], b"");
        assert_eq!((ran.code, ran.text()), (2, ""), "{name}: {}", ran.err);
        assert!(ran.err.starts_with(&path.display().to_string()), "{}", ran.err);
    }
}

#[test]
fn missing_files_and_folders_are_reported() {
    let folder = folder("files");
    let good = file(&folder, "good.ndjson", CALLS);
    let absent = folder.join("absent.ndjson");
    let ran = run_with("assemble", &[&absent, &good], b"");
    assert_rest_is_assembled(&ran, &[&format!("{}: No such file or directory", absent.display())]);
    let ran = run_with("assemble", &[&good, &folder], b"");
    assert_eq!((ran.code, ran.ids()), (2, IDS.map(str::to_owned).to_vec()));
    assert!(ran.err.starts_with(&format!("{}: ", folder.display())), "{}", ran.err);
    assert!(ran.err.contains("directory"), "{}", ran.err);
    let empty = file(&folder, "empty.ndjson", "");
    run_with("assemble", &[&empty, &good], b"").assert_clean();
}

#[test]
fn strict_stops_at_the_first_problem() {
    let input = format!("{}\noops\nworse\n{CALLS}", CALLS.lines().next().unwrap());
    let ran = pipe("assemble --strict", input);
    assert_eq!((ran.code, ran.text()), (2, ""));
    let lines: Vec<&str> = ran.err.lines().collect();
    assert_eq!(lines.len(), 2, "{}", ran.err);
    assert!(lines[0].starts_with("<stdin>:2: not a notification"), "{}", ran.err);
    assert!(lines[1].contains("stopped at the first problem (--strict)"), "{}", ran.err);
    let ran = run_with("assemble --strict", &[Path::new("/nonexistent")], b"");
    assert_eq!(ran.code, 2);
}

#[test]
fn only_the_first_thousand_problems_are_printed() {
    let ran = pipe("assemble", "{\n".repeat(5_000));
    let lines: Vec<&str> = ran.err.lines().collect();
    assert_eq!(ran.code, 2);
    assert!(lines.len() <= 1_002, "{} lines", lines.len());
    assert!(lines.last().unwrap().contains("not shown"), "{:?}", lines.last());
}

#[test]
fn no_input_can_send_control_characters_to_a_terminal() {
    let escapes = "\\u001b[31m\\u009b2J\\u202e\\r";
    let odd = CALLS.replace("s-aa01", &format!("s-aa01{escapes}")).replace("WILLIAMS A", escapes);
    let path = file(&folder("esc\u{1b}[31m"), "calls.ndjson", odd.as_bytes());
    let bad = file(&folder("esc\u{1b}[32m"), "bad.ndjson", b"oops\n");
    let commands = [
        "assemble --format ndjson",
        "assemble --format json",
        "assemble --format csv",
        "assemble --format table",
    ];
    for command in commands.into_iter().chain(["explain", "show"]) {
        let ran = run_with(command, &[&path, &bad], b"");
        let output = format!("{}{}", ran.text(), ran.err);
        let is_control = |character: char| {
            matches!(character, '\u{80}'..='\u{9f}' | '\u{202a}'..='\u{202e}')
                || (character.is_control() && character != '\n')
        };
        assert!(!output.contains(is_control), "{command}: {output:?}");
        assert!(!ran.text().is_empty(), "{command}: {output}");
    }
}
