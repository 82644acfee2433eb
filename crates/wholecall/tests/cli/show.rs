//! `show` and `explain`.

use crate::run::{CALLS, data, pipe, run_with};

#[test]
fn a_call_is_found_by_its_id_or_the_id_of_any_session() {
    let calls = data("calls.ndjson");
    for command in ["show", "explain"] {
        let by_id = run_with(&format!("{command} s-aa01"), &[&calls], b"");
        assert!(!by_id.assert_clean().out.is_empty());
        let by_session = run_with(&format!("{command} s-aa02"), &[&calls], b"");
        assert_eq!(by_id.text(), by_session.assert_clean().text());
        let piped = pipe(&format!("{command} s-aa01 -"), CALLS);
        assert_eq!(by_id.text(), piped.assert_clean().text());
        assert_eq!(by_id.text(), pipe(&format!("{command} s-aa01"), CALLS).assert_clean().text());
    }
}

#[test]
fn without_an_id_all_calls_are_printed() {
    let calls = data("calls.ndjson");
    for command in ["show", "explain"] {
        let all = run_with(command, &[&calls], b"");
        let each = ["s-aa01", "s-aa03"].map(|id| run_with(&format!("{command} {id}"), &[&calls], b""));
        for one in &each {
            assert!(all.assert_clean().text().contains(one.text()), "{command}: {}", all.text());
        }
    }
}

#[test]
fn an_unknown_id_is_reported_with_the_known_ones() {
    let calls = data("calls.ndjson");
    for command in ["show", "explain"] {
        let ran = run_with(&format!("{command} s-unknown"), &[&calls], b"");
        assert_eq!((ran.code, ran.out.len()), (1, 0));
        assert!(ran.err.contains("s-unknown") && ran.err.contains("s-aa01, s-aa03"), "{}", ran.err);
        let neither = run_with(&format!("{command} nothing.ndjson"), &[], b"");
        assert_eq!(neither.code, 1);
        assert!(neither.err.contains("nothing.ndjson: neither a file nor"), "{}", neither.err);
    }
}

#[test]
fn a_call_is_drawn_as_svg_and_as_png() {
    let calls = data("calls.ndjson");
    let svg = run_with("show --svg s-aa01", &[&calls], b"");
    assert!(svg.assert_clean().text().starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\""));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("call.png");
    let ran = run_with(&format!("show --png {} s-aa01", file.display()), &[&calls], b"");
    assert!(ran.assert_clean().out.is_empty());
    assert!(std::fs::read(file).unwrap().starts_with(b"\x89PNG\r\n"));
}

#[test]
fn a_picture_of_several_calls_is_refused() {
    let ran = run_with("show --svg", &[&data("calls.ndjson")], b"");
    assert_eq!((ran.code, ran.out.len()), (1, 0));
    assert!(ran.err.contains("give the id of one"), "{}", ran.err);
}
