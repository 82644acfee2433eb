//! `wholecall assemble`: reads notifications, writes records.

use std::{
    io::{self, Write},
    ops::ControlFlow,
};

use rayon::prelude::*;
use wholecall_assembly::{AssembledCalls, Assembler, Change, Changes, Collection, LearnedNames, Settings};
use wholecall_notification::{Document, Message, Notification};
use wholecall_record::{Call, Time};

use crate::{
    cli::{AssembleArgs, Format, TimingArgs},
    clock::{Clock, MAX_TRUSTED_STEP_MS},
    directory::{self, Directories},
    input::{Reader, Tally},
    output::Output,
    signing::Signer,
    terminal,
};

pub(crate) fn run(arguments: &AssembleArgs) -> anyhow::Result<Tally> {
    if arguments.stream { stream(arguments) } else { collect(arguments) }
}

/// The signer of vCons; `None` without `--sign`.
fn signer(arguments: &AssembleArgs, format: Format) -> anyhow::Result<Option<Signer>> {
    let Some(file) = &arguments.sign else { return Ok(None) };
    if format != Format::Vcon {
        anyhow::bail!("--sign needs --format vcon");
    }
    Signer::read(file).map(Some)
}

/// Reads all input, then writes all calls in order of their start.
fn collect(arguments: &AssembleArgs) -> anyhow::Result<Tally> {
    let reading = &arguments.input.reading;
    let default = if terminal::stdout_is_terminal() { Format::Table } else { Format::Ndjson };
    let format = arguments.format.unwrap_or(default);
    let signer = signer(arguments, format)?;
    let mut collection = Collection::default();
    let directories = directory::read(&reading.directory)?;
    let mut names = LearnedNames::default();
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
        eprintln!("wholecall: the input holds no telephony session notifications");
    }
    // The process ends here: freeing millions of small allocations first would only take time.
    std::mem::forget(calls);
    Ok(tally)
}

/// Writes the records of all calls, one batch while the next one is assembled on all cores.
fn write_all(calls: &AssembledCalls, output: &mut Output<impl Write>) -> io::Result<()> {
    const BATCH_CALLS: usize = 64;
    let assemble = |start: usize| -> Vec<Call> {
        let places = start..calls.len().min(start + BATCH_CALLS);
        places.into_par_iter().filter_map(|place| calls.record_at(place)).collect()
    };
    let mut batch = assemble(0);
    for next in (BATCH_CALLS..calls.len() + BATCH_CALLS).step_by(BATCH_CALLS) {
        let finished = std::mem::take(&mut batch);
        rayon::in_place_scope(|scope| {
            scope.spawn(|_| batch = assemble(next.min(calls.len())));
            finished.iter().try_for_each(|call| output.write(call))
        })?;
    }
    Ok(())
}

/// Writes each call when it has settled.
fn stream(arguments: &AssembleArgs) -> anyhow::Result<Tally> {
    let format = arguments.format.unwrap_or(Format::Ndjson);
    if format == Format::Table {
        anyhow::bail!(
            "a table needs all calls at once: omit --stream, or use --format ndjson, json, csv or vcon"
        );
    }
    let reading = &arguments.input.reading;
    let mut assembler = Assembler::new(settings(&arguments.timing));
    let directories = directory::read(&reading.directory)?;
    for (account, directory) in &directories {
        assembler.set_directory(account.as_deref(), directory.clone());
    }
    let output = Output::new(format, signer(arguments, format)?, io::stdout().lock())?;
    let files = &arguments.input.files;
    let is_interactive = terminal::stdout_is_terminal()
        || files.is_empty()
        || files.iter().any(|file| file.as_os_str() == "-");
    let mut live = Live {
        assembler,
        directories,
        names: LearnedNames::limited_to(MAX_ACCOUNT_NAMES_BYTES),
        clock: Clock::new(),
        output,
        is_interactive,
    };
    let mut suspect: Option<Suspect> = None;
    let mut reader = Reader::new(reading.strict);
    if !terminal::stdout_is_terminal() {
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
                "a thousand notifications in a row had timestamps hours behind those before (here {}); \
                 the clock is reset to them",
                time(sent),
            );
            reader.report(origin, problem).map_break(anyhow::Error::new)?;
        }
        live.receive(notification)
    })?;
    if let Some(suspect) = suspect {
        // No further notification contradicts it.
        live.clock.advance(suspect.sent);
        live.receive_again(&suspect)?;
    }
    let changes = live.assembler.finish(live.clock.now());
    live.write(changes)?;
    live.output.finish()?;
    Ok(tally)
}

fn settings(timing: &TimingArgs) -> Settings {
    let millis =
        |duration: jiff::SignedDuration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX >> 16);
    Settings {
        settle_ms: millis(timing.settle),
        gap_settle_ms: millis(timing.gap_settle).max(millis(timing.settle)),
        last_leg_idle_timeout_ms: millis(timing.last_leg_idle_timeout),
        idle_timeout_ms: millis(timing.idle_timeout),
        closed_call_ttl_ms: millis(timing.late_window),
        publish_live_versions: false,
        ..Settings::default()
    }
}

fn sent(notification: &Notification<'_, '_>) -> Time {
    notification.timestamp().unwrap_or(notification.event_time())
}

/// A notification whose timestamp is far ahead of those before it, held back until the next one confirms or contradicts
/// that time.
struct Suspect {
    document: String,
    sent: Time,
    place: String,
}

/// Maximum size of the names learned of one account; more than ten thousand extensions fit.
const MAX_ACCOUNT_NAMES_BYTES: usize = 4 << 20;

struct Live<W: Write> {
    assembler: Assembler,
    directories: Directories,
    /// Names of extensions learned from the input so far.
    names: LearnedNames,
    clock: Clock,
    output: Output<W>,
    /// Whether each call is flushed at once, because a person or a program may be reading the output live.
    is_interactive: bool,
}

impl<W: Write> Live<W> {
    /// Decides by the next notification whether a timestamp far ahead was right: it was wrong if time falls back.
    fn settle_suspicion(
        &mut self,
        suspect: &Suspect,
        next: Time,
        reader: &mut Reader,
    ) -> ControlFlow<anyhow::Error> {
        if suspect.sent - next <= MAX_TRUSTED_STEP_MS {
            self.clock.advance(suspect.sent);
        } else {
            let problem = format!(
                "the timestamp {} is hours ahead of those before and after; {} is used",
                time(suspect.sent),
                time(self.clock.now()),
            );
            reader.report(&suspect.place, problem).map_break(anyhow::Error::new)?;
        }
        self.receive_again(suspect).map_or_else(ControlFlow::Break, ControlFlow::Continue)
    }

    /// Processes a notification that was held back.
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
        while let Some(deadline) = self.assembler.next_due().filter(|deadline| *deadline <= now) {
            let changes = self.assembler.tick(deadline);
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
        if self.is_interactive { self.output.flush() } else { Ok(()) }
    }
}

fn time(time: Time) -> String {
    time.to_string()
}
