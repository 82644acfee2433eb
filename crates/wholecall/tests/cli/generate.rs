//! Completions and man pages.

use crate::run::{folder, run, run_with};

#[test]
fn completions_include_commands_and_options() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let ran = run(&format!("generate completions {shell}"));
        let text = ran.assert_clean().text();
        for word in ["assemble", "explain", "stream", "late-window"] {
            assert!(text.contains(word), "{shell}: {word}");
        }
    }
}

#[test]
fn each_command_has_a_man_page() {
    let folder = folder("man").join("new");
    run_with("generate man", &[&folder], b"").assert_clean();
    for page in ["wholecall.1", "wholecall-assemble.1", "wholecall-show.1", "wholecall-explain.1"] {
        let text = std::fs::read_to_string(folder.join(page)).unwrap();
        assert!(text.contains(".TH"), "{page}");
    }
}
