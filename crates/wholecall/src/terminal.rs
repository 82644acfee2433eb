//! What the terminal supports.

use std::io::{IsTerminal, stderr, stdout};

use console::Term;
use wholecall_render::terminal::Screen;

/// The screen of standard output: coloured and as wide as the terminal, plain if piped. Follows `NO_COLOR` and
/// `CLICOLOR_FORCE`.
pub(crate) fn screen() -> Screen {
    let width =
        Term::stdout().size_checked().map_or(Screen::PLAIN.width, |(_, columns)| usize::from(columns));
    Screen { width: width.max(40), color: console::colors_enabled(), unicode: supports_unicode() }
}

/// Whether log lines may be coloured.
pub(crate) fn stderr_has_color() -> bool {
    stderr().is_terminal() && console::colors_enabled_stderr()
}

/// Whether standard output is a terminal.
pub(crate) fn stdout_is_terminal() -> bool {
    stdout().is_terminal()
}

fn supports_unicode() -> bool {
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
        .into_iter()
        .filter_map(|name| std::env::var(name).ok())
        .find(|value| !value.is_empty());
    // Files and pipes are UTF-8; a terminal has the encoding of its locale.
    !stdout_is_terminal()
        || locale.is_none_or(|locale| locale.to_ascii_lowercase().replace('-', "").contains("utf8"))
}
