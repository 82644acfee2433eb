//! `--view`: a call as the subscription of one user receives it.

use std::{
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use anyhow::Context;
use wholecall_simulator::{Play, Scenario, TruthHeader, User};

use super::{FILE_START, Truths, create, write_directory};
use crate::{
    cli::{SimulateArgs, View},
    input::Tally,
};

/// Writes the view of one user, or one file per participating user.
pub(super) fn write(arguments: &SimulateArgs, scenario: Scenario, view: View) -> anyhow::Result<Tally> {
    let play = scenario.play_at(arguments.seed, FILE_START);
    let accounts = scenario.accounts(arguments.seed);
    if let Some(path) = &arguments.directory {
        write_directory(path, &accounts)?;
    }
    let people = play.people(&accounts);
    match view {
        View::Of(number) => {
            let user = people.iter().find(|user| user.number == number).with_context(|| {
                let numbers: Vec<String> = people.iter().map(|user| user.number.to_string()).collect();
                format!("extension {number} does not take part; participants: {}", numbers.join(", "))
            })?;
            write_view(arguments, &play, user, arguments.out.as_deref(), arguments.truth.as_deref())?;
        }
        View::Each => {
            let out = arguments.out.as_ref().context("`--view each` needs `--out`")?;
            for user in people {
                let truth = arguments.truth.as_deref().map(|path| with_number(path, user.number));
                write_view(arguments, &play, user, Some(&with_number(out, user.number)), truth.as_deref())?;
            }
        }
    }
    Ok(Tally::default())
}

/// `calls.ndjson` with 104 becomes `calls-104.ndjson`.
fn with_number(path: &Path, number: u32) -> PathBuf {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let name = match path.extension() {
        Some(extension) => format!("{stem}-{number}.{}", extension.to_string_lossy()),
        None => format!("{stem}-{number}"),
    };
    path.with_file_name(name)
}

fn write_view(
    arguments: &SimulateArgs,
    play: &Play,
    user: &User,
    out: Option<&Path>,
    truth: Option<&Path>,
) -> anyhow::Result<()> {
    let faults = arguments.faults.clone().unwrap_or_default();
    let Play { notifications, truths } = play.seen_by(user.extension);
    let mut file: Box<dyn Write> = match out {
        Some(path) => Box::new(create(path)?),
        None => Box::new(BufWriter::new(io::stdout().lock())),
    };
    for notification in faults.apply(notifications, arguments.seed) {
        writeln!(file, "{}", notification.to_json())?;
    }
    file.flush()?;
    let Some(path) = truth else { return Ok(()) };
    let header = TruthHeader::new(arguments.seed, &faults).seen_by(&format!("ext:{}", user.extension));
    let mut file = Truths::create_at(path, &header)?;
    truths.iter().try_for_each(|truth| file.write(truth))?;
    file.finish()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_precedes_the_file_extension() {
        assert_eq!(with_number(Path::new("a/calls.ndjson"), 104), Path::new("a/calls-104.ndjson"));
        assert_eq!(with_number(Path::new("calls"), 104), Path::new("calls-104"));
    }
}
