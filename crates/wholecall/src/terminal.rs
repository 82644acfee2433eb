//! What the terminal can show.

use std::io::{IsTerminal, stderr, stdout};

use console::Term;
use wholecall_render::terminal::Screen;

/// The screen behind standard output: coloured and as wide as the terminal, plain where it is piped.
/// `NO_COLOR` and `CLICOLOR_FORCE` are honoured.
pub(crate) fn screen() -> Screen {
    let width =
        Term::stdout().size_checked().map_or(Screen::PLAIN.width, |(_, columns)| usize::from(columns));
    Screen { width: width.max(40), color: console::colors_enabled(), unicode: speaks_unicode() }
}

/// Whether what is logged may be coloured.
pub(crate) fn has_color_on_stderr() -> bool {
    stderr().is_terminal() && console::colors_enabled_stderr()
}

/// Whether standard output is looked at by a person.
pub(crate) fn is_watched() -> bool {
    stdout().is_terminal()
}

fn speaks_unicode() -> bool {
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
        .into_iter()
        .filter_map(|name| std::env::var(name).ok())
        .find(|value| !value.is_empty());
    // Files and pipes are UTF-8; a terminal is what its locale says.
    !is_watched() || locale.is_none_or(|locale| locale.to_ascii_lowercase().replace('-', "").contains("utf8"))
}
