//! `wholecall show` and `wholecall explain`: one call, or all, for people.

use std::{
    io::{self, Write},
    ops::ControlFlow,
    path::{Path, PathBuf},
};

use wholecall_assembly::{Calls, Collection};
use wholecall_record::{CallId, drawing::draw};

use crate::{
    cli::LookArgs,
    directory,
    input::{Reader, Tally},
    terminal,
};

/// Draws calls.
pub(crate) fn show(arguments: &LookArgs) -> anyhow::Result<Tally> {
    let screen = terminal::screen();
    look(arguments, |calls, id| calls.get(id).map(|call| draw(&call, screen)))
}

/// Tells the stories of calls.
pub(crate) fn explain(arguments: &LookArgs) -> anyhow::Result<Tally> {
    let screen = terminal::screen();
    look(arguments, |calls, id| calls.story(id).map(|story| story.text(screen)))
}

fn look(arguments: &LookArgs, text: impl Fn(&Calls, &str) -> Option<String>) -> anyhow::Result<Tally> {
    let (id, files) = call_and_files(&arguments.call_and_files)?;
    let mut collection = Collection::default();
    for (account, directory) in directory::read(&arguments.reading.directory)? {
        collection.set_directory(account.as_deref(), directory);
    }
    let reader = Reader::new(arguments.reading.strict).with_progress(files);
    let tally = reader.read(files, |_, _, notification| {
        collection.add(notification);
        ControlFlow::Continue(())
    })?;
    let calls = collection.finish();
    let mut output = io::stdout().lock();
    match id {
        Some(id) => match text(&calls, id) {
            Some(text) => output.write_all(text.as_bytes())?,
            None => anyhow::bail!("{}", no_such_call(id, &calls)),
        },
        None => {
            for (index, text) in calls.ids().filter_map(|id| text(&calls, &id)).enumerate() {
                let between = if index > 0 { "\n\n" } else { "" };
                write!(output, "{between}{text}")?;
            }
        }
    }
    output.flush()?;
    if calls.is_empty() && tally.is_clean() {
        eprintln!("wholecall: there was no telephony session notification in the input");
    }
    Ok(tally)
}

/// Tells a call's id, which comes first if at all, from files.
fn call_and_files(arguments: &[PathBuf]) -> anyhow::Result<(Option<&str>, &[PathBuf])> {
    let is_file = |path: &Path| path == Path::new("-") || path.exists();
    match arguments {
        [first, files @ ..] if !is_file(first) => match first.to_str() {
            Some(id) if id.starts_with("s-") || !files.is_empty() => Ok((Some(id), files)),
            _ => anyhow::bail!(
                "{}: no such file, and no call's id either (those begin with s-)",
                first.display()
            ),
        },
        files => Ok((None, files)),
    }
}

fn no_such_call(id: &str, calls: &Calls) -> String {
    const NAMED: usize = 5;
    let named: Vec<CallId> = calls.ids().take(NAMED).collect();
    let named = named.iter().map(|id| id.as_str()).collect::<Vec<_>>().join(", ");
    match calls.len() {
        0 => format!("no call {id}: the input holds no calls"),
        count if count <= NAMED => format!("no call {id}; the input holds {named}"),
        count => format!("no call {id}; the input holds {count} others, the first of them {named}"),
    }
}
