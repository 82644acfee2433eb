//! `wholecall assemble`: notifications in, records out.

use std::{
    io::{self, Write},
    ops::ControlFlow,
};

use rayon::prelude::*;
use wholecall_assembly::{Assembler, Calls, Change, Changes, Collection, Names, Settings};
use wholecall_notification::{Document, Message, Notification};
use wholecall_record::{Call, Time};

use crate::{
    cli::{AssembleArgs, Format, WaitingArgs},
    clock::{Clock, LARGE_STEP_MS},
    directory::{self, Directories},
    input::{Reader, Tally},
    output::Output,
    signing::Signer,
    terminal,
};

pub(crate) fn run(arguments: &AssembleArgs) -> anyhow::Result<Tally> {
    if arguments.stream { stream(arguments) } else { collect(arguments) }
}

/// What signs vCons, if they are to be signed.
fn signer(arguments: &AssembleArgs, format: Format) -> anyhow::Result<Option<Signer>> {
    let Some(file) = &arguments.sign else { return Ok(None) };
    if format != Format::Vcon {
        anyhow::bail!("--sign signs vCons: write them with --format vcon");
    }
    Signer::read(file).map(Some)
}

/// Reads everything, then tells all calls in order of their start.
fn collect(arguments: &AssembleArgs) -> anyhow::Result<Tally> {
    let reading = &arguments.input.reading;
    let watched = if terminal::is_watched() { Format::Table } else { Format::Ndjson };
    let format = arguments.format.unwrap_or(watched);
    let signer = signer(arguments, format)?;
    let mut collection = Collection::default();
    let directories = directory::read(&reading.directory)?;
    let mut names = Names::default();
    let reader = Reader::new(reading.strict).with_progress(&arguments.input.files);
    let tally = reader.read(&arguments.input.files, |_, _, notification| {
        names.learn(notification);
        collection.add(notification);
        ControlFlow::Continue(())
    })?;
    for (account, directory) in directory::with_names(directories, &names) {
        collection.set_directory(account.as_deref(), directory);
    }
    let calls = collection.finish();
    let mut output = Output::new(format, signer, io::stdout().lock())?;
    write_all(&calls, &mut output)?;
    output.finish()?;
    if calls.is_empty() && tally.is_clean() {
        eprintln!("wholecall: there was no telephony session notification in the input");
    }
    // The process ends here: to give a million small pieces of memory back first would only take time.
    std::mem::forget(calls);
    Ok(tally)
}

/// Writes the records of all calls: those of one batch while the processors make the next.
fn write_all(calls: &Calls, output: &mut Output<impl Write>) -> io::Result<()> {
    const BATCH_CALLS: usize = 64;
    let make = |start: usize| -> Vec<Call> {
        let places = start..calls.len().min(start + BATCH_CALLS);
        places.into_par_iter().filter_map(|place| calls.record_at(place)).collect()
    };
    let mut made = make(0);
    for next in (BATCH_CALLS..calls.len() + BATCH_CALLS).step_by(BATCH_CALLS) {
        let batch = std::mem::take(&mut made);
        rayon::in_place_scope(|scope| {
            scope.spawn(|_| made = make(next.min(calls.len())));
            batch.iter().try_for_each(|call| output.write(call))
        })?;
    }
    Ok(())
}

/// Tells each call when it has settled.
fn stream(arguments: &AssembleArgs) -> anyhow::Result<Tally> {
    let format = arguments.format.unwrap_or(Format::Ndjson);
    if format == Format::Table {
        anyhow::bail!(
            "a table needs all its calls at once: leave out --stream, or write ndjson, json, csv or vcon"
        );
    }
    let reading = &arguments.input.reading;
    let mut assembler = Assembler::new(settings(&arguments.waiting));
    let directories = directory::read(&reading.directory)?;
    for (account, directory) in &directories {
        assembler.set_directory(account.as_deref(), directory.clone());
    }
    let output = Output::new(format, signer(arguments, format)?, io::stdout().lock())?;
    let files = &arguments.input.files;
    let is_read_along =
        terminal::is_watched() || files.is_empty() || files.iter().any(|file| file.as_os_str() == "-");
    let mut live = Live {
        assembler,
        directories,
        names: Names::limited_to(ACCOUNT_NAMES_MAX_BYTES),
        clock: Clock::new(),
        output,
        is_read_along,
    };
    let mut suspect: Option<Suspect> = None;
    let mut reader = Reader::new(reading.strict);
    if !terminal::is_watched() {
        reader = reader.with_progress(&arguments.input.files);
    }
    let tally = reader.read(&arguments.input.files, |reader, origin, notification| {
        let sent = sent(notification);
        if let Some(suspect) = suspect.take() {
            live.settle_suspicion(&suspect, sent, reader)?;
        }
        if live.clock.is_far_ahead(sent) {
            let document = origin.document().to_owned();
            suspect = Some(Suspect { document, sent, place: origin.to_string() });
            return ControlFlow::Continue(());
        }
        if live.clock.advance(sent) {
            let problem = format!(
                "for a thousand notifications the timestamps have been hours behind those before (this one says {}); \
                 the clock goes on from here",
                time(sent),
            );
            reader.report(origin, problem).map_break(anyhow::Error::new)?;
        }
        live.receive(notification)
    })?;
    if let Some(suspect) = suspect {
        // Nothing came that would contradict it.
        live.clock.advance(suspect.sent);
        live.receive_again(&suspect)?;
    }
    let changes = live.assembler.finish(live.clock.now());
    live.write(changes)?;
    live.output.finish()?;
    Ok(tally)
}

fn settings(waiting: &WaitingArgs) -> Settings {
    let millis = |length: jiff::SignedDuration| i64::try_from(length.as_millis()).unwrap_or(i64::MAX >> 16);
    Settings {
        settle_ms: millis(waiting.settle),
        gap_settle_ms: millis(waiting.gap_settle).max(millis(waiting.settle)),
        last_leg_silent_ms: millis(waiting.last_leg_stale),
        silent_ms: millis(waiting.stale),
        keep_closed_ms: millis(waiting.horizon),
        live: false,
        ..Settings::default()
    }
}

fn sent(notification: &Notification<'_, '_>) -> Time {
    Time::from_millis(notification.timestamp().unwrap_or(notification.event_time()).as_millis())
}

/// A notification far ahead of those before it.
struct Suspect {
    document: String,
    sent: Time,
    place: String,
}

/// An account of more than ten thousand extensions stays below it.
const ACCOUNT_NAMES_MAX_BYTES: usize = 4 << 20;

struct Live<W: Write> {
    assembler: Assembler,
    directories: Directories,
    /// What the input has called extensions so far.
    names: Names,
    clock: Clock,
    output: Output<W>,
    /// Somebody, or a program, waits for each call: input comes as it happens.
    is_read_along: bool,
}

impl<W: Write> Live<W> {
    /// What the next notification says of one that was far ahead: if time goes back to what it was, the one
    /// was wrong.
    fn settle_suspicion(
        &mut self,
        suspect: &Suspect,
        next: Time,
        reader: &mut Reader,
    ) -> ControlFlow<anyhow::Error> {
        if suspect.sent - next <= LARGE_STEP_MS {
            self.clock.advance(suspect.sent);
        } else {
            let problem = format!(
                "the timestamp {} is hours ahead of those before and after; taken as {}",
                time(suspect.sent),
                time(self.clock.now()),
            );
            reader.report(&suspect.place, problem).map_break(anyhow::Error::new)?;
        }
        self.receive_again(suspect).map_or_else(ControlFlow::Break, ControlFlow::Continue)
    }

    /// Takes in a notification that was kept back.
    fn receive_again(&mut self, suspect: &Suspect) -> anyhow::Result<()> {
        let document = Document::parse(&suspect.document)?;
        match document.message()? {
            Message::Session(notification) => match self.receive(&notification) {
                ControlFlow::Break(error) => Err(error),
                ControlFlow::Continue(()) => Ok(()),
            },
            _ => Ok(()),
        }
    }

    fn receive(&mut self, notification: &Notification<'_, '_>) -> ControlFlow<anyhow::Error> {
        let now = self.clock.now();
        let mut written = Ok(());
        while let Some(due) = self.assembler.next_due().filter(|due| *due <= now) {
            let changes = self.assembler.tick(due);
            written = written.and_then(|()| self.write(changes));
        }
        self.names.learn_at(now, notification);
        for account in self.names.take_due(now) {
            let directory = directory::with_names_of(&self.directories, &self.names, &account);
            self.assembler.set_directory(Some(&account), directory);
        }
        let changes = self.assembler.receive(now, notification);
        match written.and_then(|()| self.write(changes)) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => ControlFlow::Break(error.into()),
        }
    }

    fn write(&mut self, changes: Changes) -> io::Result<()> {
        if changes.is_empty() {
            return Ok(());
        }
        for change in &changes {
            match change {
                Change::Merged { id, into, .. } => self.output.merged(id, into)?,
                other => other.call().map_or(Ok(()), |call| self.output.write(call))?,
            }
        }
        if self.is_read_along { self.output.flush() } else { Ok(()) }
    }
}

fn time(time: Time) -> String {
    time.to_string()
}
