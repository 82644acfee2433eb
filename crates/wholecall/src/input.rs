//! Notifications out of files and standard input, packed or not, with what cannot be read named by its place.

use std::{
    collections::BTreeMap,
    fmt,
    fs::File,
    io::{self, BufReader, IsTerminal, Read},
    ops::ControlFlow,
    path::{Path, PathBuf},
};

use indicatif::{ProgressBar, ProgressStyle};
use wholecall_notification::{Message, Notification, Place, Stream};
use wholecall_record::display::escape_control;

/// Of an input that is no such thing at all, every line is a problem.
const PROBLEMS_NAMED: u64 = 1_000;

/// What became of the input.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    problems: u64,
    /// Documents that RingCentral sends to the same address and that are about no call, by kind.
    skipped: BTreeMap<&'static str, u64>,
}

impl Tally {
    /// Whether everything could be read.
    pub(crate) fn is_clean(&self) -> bool {
        self.problems == 0
    }
}

/// `--strict`, and something could not be read.
#[derive(Debug)]
pub(crate) struct Stopped;

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("stopped at the first problem (--strict); no more was read")
    }
}

impl std::error::Error for Stopped {}

/// Where a notification stood.
#[derive(Clone, Copy)]
pub(crate) struct Origin<'a> {
    file: &'a str,
    place: Place<'a>,
}

impl<'a> Origin<'a> {
    /// The document as it was written.
    pub(crate) fn document(self) -> &'a str {
        self.place.document()
    }
}

impl fmt::Display for Origin<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.place.line())
    }
}

/// Reads notifications and keeps count of what was no notification.
pub(crate) struct Reader {
    strict: bool,
    tally: Tally,
    progress: ProgressBar,
}

impl Reader {
    /// `strict` stops at the first problem.
    pub(crate) fn new(strict: bool) -> Self {
        Self { strict, tally: Tally::default(), progress: ProgressBar::hidden() }
    }

    /// Shows on the terminal how far reading has come, where reading takes a while.
    pub(crate) fn with_progress(mut self, files: &[PathBuf]) -> Self {
        self.progress = progress(files);
        self
    }

    /// Names a problem with the input.
    pub(crate) fn report(
        &mut self,
        place: impl fmt::Display,
        problem: impl fmt::Display,
    ) -> ControlFlow<Stopped> {
        self.tally.problems += 1;
        if self.tally.problems <= PROBLEMS_NAMED {
            let told = escape_control(&format!("{place}: {problem}"));
            self.progress.suspend(|| eprintln!("{told}"));
        }
        if self.strict { ControlFlow::Break(Stopped) } else { ControlFlow::Continue(()) }
    }

    /// Hands out the notifications of all files in order; standard input where there are none.
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
        if let Some(more) = self.tally.problems.checked_sub(PROBLEMS_NAMED).filter(|more| *more > 0) {
            eprintln!("wholecall: {more} further problems with the input are not named");
        }
        for (kind, count) in &self.tally.skipped {
            let kind = if *count == 1 { (*kind).to_owned() } else { format!("{kind}s") };
            eprintln!("wholecall: passed over {count} {kind}, which tell of no call");
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
                self.report(&name, format!("cannot read on: {error}")).map_break(anyhow::Error::new)
            }
        }
    }
}

fn open(file: &Path, progress: &ProgressBar) -> io::Result<Box<dyn Read>> {
    if file != Path::new("-") {
        return unpacked(progress.wrap_read(File::open(file)?));
    }
    let stdin = io::stdin();
    if stdin.is_terminal() {
        eprintln!("wholecall: reading notifications from the terminal; end them with Ctrl-D");
    }
    unpacked(progress.wrap_read(stdin.lock()))
}

/// Unpacks gzip and Zstandard, which tell themselves apart by how they begin.
fn unpacked(mut input: impl Read + 'static) -> io::Result<Box<dyn Read>> {
    let mut beginning = Vec::with_capacity(4);
    input.by_ref().take(4).read_to_end(&mut beginning)?;
    let is_gzip = beginning.starts_with(&[0x1f, 0x8b]);
    let is_zstd = beginning == [0x28, 0xb5, 0x2f, 0xfd];
    let whole = io::Cursor::new(beginning).chain(input);
    Ok(match (is_gzip, is_zstd) {
        (true, _) => Box::new(flate2::bufread::MultiGzDecoder::new(BufReader::new(whole))),
        (_, true) => Box::new(zstd::stream::read::Decoder::new(whole)?),
        _ => Box::new(whole),
    })
}

/// A bar on standard error, if that is a terminal and there is much to read.
fn progress(files: &[PathBuf]) -> ProgressBar {
    const MUCH_BYTES: u64 = 32 << 20;
    let sizes = files
        .iter()
        .map(|file| file.metadata().ok().filter(|about| about.is_file()).map(|about| about.len()));
    let total: Option<u64> = if files.is_empty() { None } else { sizes.sum() };
    if !io::stderr().is_terminal() || io::stdin().is_terminal() && files.is_empty() {
        return ProgressBar::hidden();
    }
    match total {
        Some(total) if total < MUCH_BYTES => ProgressBar::hidden(),
        Some(total) => {
            ProgressBar::new(total).with_style(style("{bar:32} {percent:>3} %  {bytes_per_sec}, {eta} left"))
        }
        None => ProgressBar::no_length().with_style(style("{spinner} {bytes}, {bytes_per_sec}")),
    }
}

fn style(template: &str) -> ProgressStyle {
    // The templates are ours and sound; a bar of another look would be no misfortune either.
    ProgressStyle::with_template(&format!("reading  {template}"))
        .unwrap_or_else(|_| ProgressStyle::default_bar())
}
