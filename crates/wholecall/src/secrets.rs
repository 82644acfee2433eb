//! Secrets for commands. Other users of the machine can read a command's arguments, so a file, standard input or the
//! environment can be used instead.

use std::{
    env, fs,
    io::{self, Read},
    path::Path,
};

use anyhow::Context;

/// Maximum size of a file of secrets or headers.
const MAX_FILE_BYTES: u64 = 64 << 10;

/// A secret from a file (`-`: standard input), else from the argument, else from the environment variable.
pub(crate) fn given(
    argument: Option<&str>,
    file: Option<&Path>,
    variable: &str,
) -> anyhow::Result<Option<String>> {
    if let Some(file) = file {
        let secret = read(file)?.trim().to_owned();
        anyhow::ensure!(!secret.is_empty(), "{} is empty", file.display());
        return Ok(Some(secret));
    }
    Ok(argument.map(str::to_owned).or_else(|| env::var(variable).ok().filter(|secret| !secret.is_empty())))
}

/// The non-empty lines of a file (`-`: standard input).
pub(crate) fn lines(file: &Path) -> anyhow::Result<Vec<String>> {
    Ok(read(file)?.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect())
}

fn read(file: &Path) -> anyhow::Result<String> {
    let mut text = String::new();
    let read = match file == Path::new("-") {
        true => io::stdin().lock().take(MAX_FILE_BYTES).read_to_string(&mut text),
        false => {
            fs::File::open(file).and_then(|opened| opened.take(MAX_FILE_BYTES).read_to_string(&mut text))
        }
    };
    read.with_context(|| format!("{} cannot be read", file.display()))?;
    Ok(text)
}
