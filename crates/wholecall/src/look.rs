//! `wholecall show` and `wholecall explain`: one call, or all, for people.

use std::{
    fs,
    io::{self, Write},
    ops::ControlFlow,
    path::{Path, PathBuf},
};

use anyhow::Context;
use wholecall_assembly::{Calls, Collection, Names};
use wholecall_record::CallId;
use wholecall_render::{
    drawing::draw,
    explanation,
    svg::{Drawing, RenderTarget},
};

use crate::{
    cli::{LookArgs, ShowArgs},
    directory,
    input::{Reader, Tally},
    terminal,
};

/// A picture is sharp on most screens with so many pixels per unit.
const PIXELS_PER_UNIT: f32 = 2.0;

/// Draws calls.
pub(crate) fn show(arguments: &ShowArgs) -> anyhow::Result<Tally> {
    if let Some(file) = &arguments.png {
        return look_at_one(&arguments.look, RenderTarget::Picture, |svg| {
            let picture = wholecall_render::png::png(svg, PIXELS_PER_UNIT)?;
            fs::write(file, picture).with_context(|| format!("{} cannot be written", file.display()))
        });
    }
    if arguments.svg {
        return look_at_one(&arguments.look, RenderTarget::Alone, |svg| Ok(writeln!(io::stdout(), "{svg}")?));
    }
    let screen = terminal::screen();
    look(&arguments.look, |calls, id| calls.get(id).map(|call| draw(&call, screen)))
}

/// Draws the one call that is asked for, or the only one there is.
fn look_at_one(
    arguments: &LookArgs,
    place: RenderTarget,
    write: impl FnOnce(&str) -> anyhow::Result<()>,
) -> anyhow::Result<Tally> {
    let (id, files) = call_and_files(&arguments.call_and_files)?;
    let (calls, tally) = collect(arguments, files)?;
    let only = calls.ids().next().filter(|_| calls.len() == 1);
    let call = match id {
        Some(id) => calls.get(id).with_context(|| no_such_call(id, &calls))?,
        None => only.and_then(|id| calls.get(&id)).with_context(|| {
            format!("a picture is of one call, and the input holds {}: name one by its id", calls.len())
        })?,
    };
    write(&Drawing { place, ..Drawing::default() }.svg(&call))?;
    Ok(tally)
}

/// Tells the stories of calls.
pub(crate) fn explain(arguments: &LookArgs) -> anyhow::Result<Tally> {
    let screen = terminal::screen();
    look(arguments, |calls, id| {
        calls.explanation(id).map(|facts| explanation::text(&explanation::worded(&facts), screen))
    })
}

fn look(arguments: &LookArgs, text: impl Fn(&Calls, &str) -> Option<String>) -> anyhow::Result<Tally> {
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
        eprintln!("wholecall: there was no telephony session notification in the input");
    }
    Ok(tally)
}

/// The calls in files.
fn collect(arguments: &LookArgs, files: &[PathBuf]) -> anyhow::Result<(Calls, Tally)> {
    let mut collection = Collection::default();
    let directories = directory::read(&arguments.reading.directory)?;
    let mut names = Names::default();
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
