//! Reads notifications from files and standard input, compressed or not, and reports problems by file and line.

use std::{
    collections::BTreeMap,
    fmt,
    fs::File,
    io::{self, BufReader, IsTerminal, Read},
    ops::ControlFlow,
    path::{Path, PathBuf},
};

use indicatif::{ProgressBar, ProgressStyle};
use wholecall_notification::{Message, Notification, SourceSpan, Stream};
use wholecall_record::display::escape_control;

/// Maximum number of problems that are printed: in a file of another kind, every line is one.
const MAX_PRINTED_PROBLEMS: u64 = 1_000;

/// Counts of what was not assembled.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    problems: u64,
    /// Documents that are valid but not about calls, such as subscription reminders, by kind.
    skipped: BTreeMap<&'static str, u64>,
}

impl Tally {
    /// Whether everything could be read.
    pub(crate) fn is_clean(&self) -> bool {
        self.problems == 0
    }
}

/// The error of `--strict`: reading stopped at the first problem.
#[derive(Debug)]
pub(crate) struct StrictStop;

impl fmt::Display for StrictStop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("stopped at the first problem (--strict)")
    }
}

impl std::error::Error for StrictStop {}

/// The file and line of a notification.
#[derive(Clone, Copy)]
pub(crate) struct Origin<'a> {
    file: &'a str,
    place: SourceSpan<'a>,
}

impl<'a> Origin<'a> {
    /// The original text of the document.
    pub(crate) fn document(self) -> &'a str {
        self.place.document()
    }
}

impl fmt::Display for Origin<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.place.line())
    }
}

/// Reads notifications and counts what is not one.
pub(crate) struct Reader {
    strict: bool,
    tally: Tally,
    progress: ProgressBar,
}

impl Reader {
    /// With `strict`, reading stops at the first problem.
    pub(crate) fn new(strict: bool) -> Self {
        Self { strict, tally: Tally::default(), progress: ProgressBar::hidden() }
    }

    /// Shows a progress bar on the terminal if the files are large.
    pub(crate) fn with_progress(mut self, files: &[PathBuf]) -> Self {
        self.progress = progress(files);
        self
    }

    /// Reports a problem with the input.
    pub(crate) fn report(
        &mut self,
        place: impl fmt::Display,
        problem: impl fmt::Display,
    ) -> ControlFlow<StrictStop> {
        self.tally.problems += 1;
        if self.tally.problems <= MAX_PRINTED_PROBLEMS {
            let line = escape_control(&format!("{place}: {problem}"));
            self.progress.suspend(|| eprintln!("{line}"));
        }
        if self.strict { ControlFlow::Break(StrictStop) } else { ControlFlow::Continue(()) }
    }

    /// Passes the notifications of all files in order to `each`; without files, those of standard input.
    pub(crate) fn read<F>(mut self, files: &[PathBuf], mut each: F) -> anyhow::Result<Tally>
    where
        F: FnMut(&mut Self, Origin<'_>, &Notification<'_, '_>) -> ControlFlow<anyhow::Error>,
    {
        let standard_input = [PathBuf::from("-")];
        let files = if files.is_empty() { &standard_input } else { files };
        for file in files {
            if let ControlFlow::Break(error) = self.read_file(file, &mut each) {
                self.progress.finish_and_clear();
                return Err(error);
            }
        }
        self.progress.finish_and_clear();
        if let Some(more) = self.tally.problems.checked_sub(MAX_PRINTED_PROBLEMS).filter(|more| *more > 0) {
            eprintln!("wholecall: {more} further problems with the input are not shown");
        }
        for (kind, count) in &self.tally.skipped {
            let kind = if *count == 1 { (*kind).to_owned() } else { format!("{kind}s") };
            eprintln!("wholecall: skipped {count} {kind}, not about calls");
        }
        Ok(self.tally)
    }

    fn read_file<F>(&mut self, file: &Path, each: &mut F) -> ControlFlow<anyhow::Error>
    where
        F: FnMut(&mut Self, Origin<'_>, &Notification<'_, '_>) -> ControlFlow<anyhow::Error>,
    {
        let name = if file == Path::new("-") { "<stdin>".into() } else { file.display().to_string() };
        let input = match open(file, &self.progress) {
            Ok(input) => input,
            Err(error) => return self.report(&name, error).map_break(anyhow::Error::new),
        };
        let read = Stream::new(input).for_each(|document| {
            let origin = Origin { file: &name, place: document.place };
            match document.message {
                Ok(Message::Session(notification)) => each(self, origin, &notification),
                Ok(other) => {
                    *self.tally.skipped.entry(other.kind()).or_default() += 1;
                    ControlFlow::Continue(())
                }
                Err(problem) => self.report(origin, problem).map_break(anyhow::Error::new),
            }
        });
        match read {
            Ok(flow) => flow,
            Err(error) => {
                self.report(&name, format!("cannot read further: {error}")).map_break(anyhow::Error::new)
            }
        }
    }
}

fn open(file: &Path, progress: &ProgressBar) -> io::Result<Box<dyn Read>> {
    if file != Path::new("-") {
        return decompressed(progress.wrap_read(File::open(file)?));
    }
    let stdin = io::stdin();
    if stdin.is_terminal() {
        eprintln!("wholecall: reading notifications from the terminal; end them with Ctrl-D");
    }
    decompressed(progress.wrap_read(stdin.lock()))
}

/// Decompresses gzip and Zstandard, detected by their magic numbers.
fn decompressed(mut input: impl Read + 'static) -> io::Result<Box<dyn Read>> {
    let mut head = Vec::with_capacity(4);
    input.by_ref().take(4).read_to_end(&mut head)?;
    let is_gzip = head.starts_with(&[0x1f, 0x8b]);
    let is_zstd = head == [0x28, 0xb5, 0x2f, 0xfd];
    let whole = io::Cursor::new(head).chain(input);
    Ok(match (is_gzip, is_zstd) {
        (true, _) => Box::new(flate2::bufread::MultiGzDecoder::new(BufReader::new(whole))),
        (_, true) => Box::new(zstd::stream::read::Decoder::new(whole)?),
        _ => Box::new(whole),
    })
}

/// A progress bar on standard error, if that is a terminal and the input is large.
fn progress(files: &[PathBuf]) -> ProgressBar {
    /// Minimum size of an input whose progress is shown.
    const MIN_PROGRESS_BYTES: u64 = 32 << 20;
    let sizes = files
        .iter()
        .map(|file| file.metadata().ok().filter(|about| about.is_file()).map(|about| about.len()));
    let total: Option<u64> = if files.is_empty() { None } else { sizes.sum() };
    if !io::stderr().is_terminal() || io::stdin().is_terminal() && files.is_empty() {
        return ProgressBar::hidden();
    }
    match total {
        Some(total) if total < MIN_PROGRESS_BYTES => ProgressBar::hidden(),
        Some(total) => {
            ProgressBar::new(total).with_style(style("{bar:32} {percent:>3} %  {bytes_per_sec}, {eta} left"))
        }
        None => ProgressBar::no_length().with_style(style("{spinner} {bytes}, {bytes_per_sec}")),
    }
}

fn style(template: &str) -> ProgressStyle {
    // Our templates are valid; the fallback only looks different.
    ProgressStyle::with_template(&format!("reading  {template}"))
        .unwrap_or_else(|_| ProgressStyle::default_bar())
}
