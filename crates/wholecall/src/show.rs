//! `wholecall show` and `wholecall explain`: draw or explain one call or all calls.

use std::{
    fs,
    io::{self, Write},
    ops::ControlFlow,
    path::{Path, PathBuf},
};

use anyhow::Context;
use wholecall_assembly::{AssembledCalls, Collection, LearnedNames};
use wholecall_record::CallId;
use wholecall_render::{
    drawing::draw,
    explanation,
    svg::{Drawing, RenderTarget},
};

use crate::{
    cli::{CallsArgs, ShowArgs},
    directory,
    input::{Reader, Tally},
    terminal,
};

/// Resolution of a PNG: sharp on most screens.
const PIXELS_PER_UNIT: f32 = 2.0;

/// Draws calls.
pub(crate) fn show(arguments: &ShowArgs) -> anyhow::Result<Tally> {
    if let Some(file) = &arguments.png {
        return draw_one(&arguments.calls, RenderTarget::Picture, |svg| {
            let picture = wholecall_render::png::png(svg, PIXELS_PER_UNIT)?;
            fs::write(file, picture).with_context(|| format!("{} cannot be written", file.display()))
        });
    }
    if arguments.svg {
        return draw_one(&arguments.calls, RenderTarget::Alone, |svg| Ok(writeln!(io::stdout(), "{svg}")?));
    }
    let screen = terminal::screen();
    print(&arguments.calls, |calls, id| calls.get(id).map(|call| draw(&call, screen)))
}

/// Draws the requested call, or the only one in the input.
fn draw_one(
    arguments: &CallsArgs,
    place: RenderTarget,
    write: impl FnOnce(&str) -> anyhow::Result<()>,
) -> anyhow::Result<Tally> {
    let (id, files) = call_and_files(&arguments.call_and_files)?;
    let (calls, tally) = collect(arguments, files)?;
    let only = calls.ids().next().filter(|_| calls.len() == 1);
    let call = match id {
        Some(id) => calls.get(id).with_context(|| no_such_call(id, &calls))?,
        None => only.and_then(|id| calls.get(&id)).with_context(|| {
            format!("a picture shows one call, but the input holds {}: give the id of one", calls.len())
        })?,
    };
    write(&Drawing { place, ..Drawing::default() }.svg(&call))?;
    Ok(tally)
}

/// Explains calls.
pub(crate) fn explain(arguments: &CallsArgs) -> anyhow::Result<Tally> {
    let screen = terminal::screen();
    print(arguments, |calls, id| {
        calls.explanation(id).map(|facts| explanation::text(&explanation::worded(&facts), screen))
    })
}

/// Prints a text for the requested call, or for each.
fn print(
    arguments: &CallsArgs,
    text: impl Fn(&AssembledCalls, &str) -> Option<String>,
) -> anyhow::Result<Tally> {
    let (id, files) = call_and_files(&arguments.call_and_files)?;
    let (calls, tally) = collect(arguments, files)?;
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
        eprintln!("wholecall: the input holds no telephony session notifications");
    }
    Ok(tally)
}

/// Assembles the calls in files.
fn collect(arguments: &CallsArgs, files: &[PathBuf]) -> anyhow::Result<(AssembledCalls, Tally)> {
    let mut collection = Collection::default();
    let directories = directory::read(&arguments.reading.directory)?;
    let mut names = LearnedNames::default();
    let reader = Reader::new(arguments.reading.strict).with_progress(files);
    let tally = reader.read(files, |_, _, notification| {
        names.learn(notification);
        collection.add(notification);
        ControlFlow::Continue(())
    })?;
    for (account, directory) in directory::with_names(directories, &names) {
        collection.set_directory(account.as_deref(), directory);
    }
    Ok((collection.finish(), tally))
}

/// Separates the call's id, the first argument if there is one, from the files.
fn call_and_files(arguments: &[PathBuf]) -> anyhow::Result<(Option<&str>, &[PathBuf])> {
    let is_file = |path: &Path| path == Path::new("-") || path.exists();
    match arguments {
        [first, files @ ..] if !is_file(first) => match first.to_str() {
            Some(id) if id.starts_with("s-") || !files.is_empty() => Ok((Some(id), files)),
            _ => anyhow::bail!("{}: neither a file nor a call's id (ids start with s-)", first.display()),
        },
        files => Ok((None, files)),
    }
}

fn no_such_call(id: &str, calls: &AssembledCalls) -> String {
    /// Maximum number of ids that the message names.
    const MAX_NAMED: usize = 5;
    let named: Vec<CallId> = calls.ids().take(MAX_NAMED).collect();
    let named = named.iter().map(|id| id.as_str()).collect::<Vec<_>>().join(", ");
    match calls.len() {
        0 => format!("no call {id}: the input holds no calls"),
        count if count <= MAX_NAMED => format!("no call {id}; the input holds {named}"),
        count => format!("no call {id}; the input holds {count} others, the first of them {named}"),
    }
}
