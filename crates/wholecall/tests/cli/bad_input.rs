//! Input that cannot be read is named by file and line; what stands beside it is assembled all the same.

use std::path::Path;

use crate::run::{CALLS, IDS, Ran, file, folder, pipe, run_with};

/// Everything but what is bad was assembled, and each problem was named.
fn assert_rest_is_assembled(ran: &Ran, complaints: &[&str]) {
    assert_eq!(ran.code, 2, "{}", ran.err);
    assert_eq!(ran.ids(), IDS, "{}", ran.err);
    assert_eq!(ran.text(), pipe("assemble", CALLS).text());
    let said: Vec<&str> = ran.err.lines().collect();
    assert_eq!(said.len(), complaints.len(), "{}", ran.err);
    for (said, expected) in said.iter().zip(complaints) {
        assert!(said.starts_with(expected), "{said}\nshould begin with\n{expected}");
    }
}

/// The bad line is the fourth of good ones, in a file.
fn beside_good_lines(name: &str, bad: &[u8]) -> (Ran, String) {
    let at = CALLS.match_indices('\n').nth(2).unwrap().0 + 1;
    let content = [&CALLS.as_bytes()[..at], bad, b"\n", &CALLS.as_bytes()[at..]].concat();
    let path = file(&folder(name), "notifications.ndjson", content);
    (run_with("assemble", &[&path], b""), path.display().to_string())
}

#[test]
fn a_bad_line_is_named_and_the_rest_assembled() {
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
        let (ran, path) = beside_good_lines(name, line);
        assert_rest_is_assembled(&ran, &[&format!("{path}:4: {reason}")]);
    }
    // Lists that are never closed are lists all the same: only their end is missed.
    let (ran, _) = beside_good_lines("deeper", deeper.as_bytes());
    assert_eq!((ran.code, ran.ids()), (2, IDS.map(str::to_owned).to_vec()));
    assert!(ran.err.contains("closing ] is missing"), "{}", ran.err);
}

#[test]
fn fields_of_the_wrong_type_cost_no_notification() {
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
fn an_input_that_ends_too_early_loses_only_its_last_document() {
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
fn packed_input_that_ends_too_early_is_read_as_far_as_it_goes() {
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
        assert!(ran.err.contains(&format!("{}: cannot read on", path.display())), "{}", ran.err);
        let path = file(&folder, name, &packed[..3]);
        let ran = run_with("assemble", &[&path], b"");
        assert_eq!((ran.code, ran.text()), (2, ""), "{name}: {}", ran.err);
        assert!(ran.err.starts_with(&path.display().to_string()), "{}", ran.err);
    }
}

#[test]
fn files_that_are_none_are_named() {
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
    let said: Vec<&str> = ran.err.lines().collect();
    assert_eq!(said.len(), 2, "{}", ran.err);
    assert!(said[0].starts_with("<stdin>:2: not a notification"), "{}", ran.err);
    assert!(said[1].contains("stopped at the first problem (--strict)"), "{}", ran.err);
    let ran = run_with("assemble --strict", &[Path::new("/nonexistent")], b"");
    assert_eq!(ran.code, 2);
}

#[test]
fn of_an_endless_problem_only_the_beginning_is_named() {
    let ran = pipe("assemble", "{\n".repeat(5_000));
    let said: Vec<&str> = ran.err.lines().collect();
    assert_eq!(ran.code, 2);
    assert!(said.len() <= 1_002, "{} lines", said.len());
    assert!(said.last().unwrap().contains("not named"), "{:?}", said.last());
}

#[test]
fn nothing_that_was_read_commands_a_terminal() {
    let escapes = "\\u001b[31m\\u009b2J\\u202e\\r";
    let odd = CALLS.replace("s-aa01", &format!("s-aa01{escapes}")).replace("WILLIAMS A", escapes);
    let path = file(&folder("esc\u{1b}[31m"), "calls.ndjson", odd.as_bytes());
    let bad = file(&folder("esc\u{1b}[32m"), "bad.ndjson", b"oops\n");
    let forms = [
        "assemble --format ndjson",
        "assemble --format json",
        "assemble --format csv",
        "assemble --format table",
    ];
    for command in forms.into_iter().chain(["explain", "show"]) {
        let ran = run_with(command, &[&path, &bad], b"");
        let said = format!("{}{}", ran.text(), ran.err);
        let commands = |character: char| {
            matches!(character, '\u{80}'..='\u{9f}' | '\u{202a}'..='\u{202e}')
                || (character.is_control() && character != '\n')
        };
        assert!(!said.contains(commands), "{command}: {said:?}");
        assert!(!ran.text().is_empty(), "{command}: {said}");
    }
}
