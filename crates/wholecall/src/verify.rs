//! `wholecall verify`: compares records with what happened in simulated calls.

use std::{
    collections::BTreeSet,
    fs::File,
    io::{self, BufRead, BufReader, Write},
    path::Path,
};

use anyhow::Context;
use serde::Deserialize;
use wholecall_simulator::{CallTruth, Record, Tolerance, TruthHeader, verify, verify_view};

use crate::{cli::VerifyArgs, input::Tally};

pub(crate) fn run(arguments: &VerifyArgs) -> anyhow::Result<Tally> {
    let (truths, tolerance, view) = truths(&arguments.truth)?;
    if let Some(view) = view {
        let report = verify_view(&view, &truths, records(&arguments.records)?, tolerance);
        write!(io::stdout(), "{report}")?;
        return match report.contradicted.len() {
            0 => Ok(Tally::default()),
            contradicted => anyhow::bail!("{contradicted} statements contradict the truth"),
        };
    }
    let report = verify(truths, records(&arguments.records)?, tolerance);
    write!(io::stdout(), "{report}")?;
    match report.differences() {
        0 => Ok(Tally::default()),
        differences => anyhow::bail!("{differences} differences"),
    }
}

/// The non-empty lines, with their numbers.
fn lines(path: &Path) -> anyhow::Result<impl Iterator<Item = anyhow::Result<(usize, String)>>> {
    let input: Box<dyn BufRead> = match path == Path::new("-") {
        true => Box::new(io::stdin().lock()),
        false => {
            let file = File::open(path).with_context(|| format!("{} cannot be read", path.display()))?;
            Box::new(BufReader::new(file))
        }
    };
    let path = path.to_owned();
    let numbered = input.lines().enumerate().map(move |(at, line)| {
        let line = line.with_context(|| format!("{} cannot be read further", path.display()))?;
        Ok((at + 1, line))
    });
    Ok(numbered.filter(|line| line.as_ref().map_or(true, |(_, line)| !line.trim().is_empty())))
}

/// The truths, the tolerance for times, and the user whose view the records are; `None` if they are of a whole account.
fn truths(path: &Path) -> anyhow::Result<(Vec<CallTruth>, Tolerance, Option<String>)> {
    let mut truths = Vec::new();
    let mut view = None;
    let mut tolerance = Tolerance::default();
    for line in lines(path)? {
        let (number, line) = line?;
        if let Ok(header) = serde_json::from_str::<TruthHeader>(&line) {
            anyhow::ensure!(
                header.schema == TruthHeader::SCHEMA,
                "{}: unknown format {}; expected {}",
                path.display(),
                header.schema,
                TruthHeader::SCHEMA
            );
            tolerance.times = header.skew_ms;
            view = header.view;
            continue;
        }
        let truth = serde_json::from_str(&line);
        truths
            .push(truth.with_context(|| format!("{}:{number}: not the truth about a call", path.display()))?);
    }
    Ok((truths, tolerance, view))
}

/// A line that `assemble --stream` writes when a call turns out to be part of another.
#[derive(Deserialize)]
struct Merged {
    schema: String,
    id: String,
}

/// The state in a record.
#[derive(Deserialize)]
struct StateOnly {
    state: String,
}

/// The records of a file, except those of live calls and of calls that were merged into others.
fn records(path: &Path) -> anyhow::Result<Vec<Record>> {
    let mut records = Vec::new();
    let mut merged_away = BTreeSet::new();
    let mut live = 0;
    for line in lines(path)? {
        let (number, line) = line?;
        match serde_json::from_str::<Merged>(&line) {
            Ok(merged) if merged.schema == "wholecall.merged/1" => {
                merged_away.insert(merged.id);
            }
            _ if serde_json::from_str::<StateOnly>(&line).is_ok_and(|record| record.state == "live") => {
                live += 1
            }
            _ => {
                let record = Record::from_json(&line);
                records.push(record.with_context(|| {
                    format!("{}:{number}: not a record written by `assemble --format ndjson`", path.display())
                })?);
            }
        }
    }
    if live > 0 {
        eprintln!("wholecall: skipped {live} records of live calls");
    }
    records.retain(|record| !merged_away.contains(&record.id));
    Ok(records)
}
