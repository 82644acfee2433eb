//! Reads documents from bytes: NDJSON, JSON lists, concatenated or pretty-printed JSON, in bounded memory.
//!
//! The documents are parsed in the buffer, without a search for their ends first. What cannot be read is reported
//! with its line, and reading continues at the next line.

use std::{
    io::{self, Read},
    ops::ControlFlow,
};

use memchr::{memchr, memchr_iter};

use crate::{
    Document, Message, ParseError,
    json::{JsonProblem, Reader},
};

/// Maximum length of a document; RingCentral's are about a kilobyte.
pub const MAX_DOCUMENT_BYTES: usize = 16 << 20;

/// Minimum number of bytes that are requested from the input at a time.
const CHUNK_BYTES: usize = 64 << 10;

/// Reads messages from a stream of JSON documents.
///
/// ```
/// # use std::ops::ControlFlow;
/// # use wholecall_notification::Stream;
/// let input = b"{\"event\": \"/restapi/v1.0/subscription/~?threshold=60\"}\nnot JSON\n" as &[u8];
/// let mut seen = Vec::new();
/// let _ = Stream::new(input).for_each(|document| {
///     seen.push(match document.message {
///         Ok(message) => message.kind().to_owned(),
///         Err(problem) => format!("line {}: {problem}", document.place.line()),
///     });
///     ControlFlow::<()>::Continue(())
/// })?;
/// assert_eq!(seen[0], "subscription reminder");
/// assert!(seen[1].starts_with("line 2: not a notification"));
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Stream<R> {
    input: R,
    /// Buffer for input; the first `end` bytes are filled.
    buffer: Vec<u8>,
    end: usize,
    /// Everything before this position has been processed.
    start: usize,
    /// Everything before this position is valid UTF-8.
    checked: usize,
    /// The byte at `checked` is not UTF-8.
    bad_byte: bool,
    input_ended: bool,
    /// The error that ended the input. `None` if it ended normally.
    failure: Option<io::Error>,
    /// Number of newlines before `counted`.
    lines: u64,
    counted: usize,
    open_lists: usize,
    at_beginning: bool,
}

/// A message and its position in the input.
#[non_exhaustive]
pub struct SourcedMessage<'d, 'a> {
    /// Where the document begins.
    pub place: SourceSpan<'a>,
    /// The message, or why it cannot be read.
    pub message: Result<Message<'d, 'a>, ParseError>,
}

/// Where a document begins. Its line is only counted on request.
#[derive(Clone, Copy)]
pub struct SourceSpan<'a> {
    lines_before: u64,
    before: &'a [u8],
    document: &'a str,
}

impl<'a> SourceSpan<'a> {
    /// The line on which the document begins, from 1.
    pub fn line(self) -> u64 {
        self.lines_before + memchr_iter(b'\n', self.before).count() as u64 + 1
    }

    /// The document as it is written; empty if it could not be read.
    pub fn document(self) -> &'a str {
        self.document
    }
}

/// Why reading the checked text stopped.
enum Stop<B> {
    Broke(B),
    /// Only whitespace is left.
    Exhausted,
    /// The text ends inside a document.
    Inside,
    Refused(ParseError),
}

impl<R: Read> Stream<R> {
    /// A stream over an input of uncompressed JSON.
    pub fn new(input: R) -> Self {
        Self {
            input,
            buffer: Vec::new(),
            end: 0,
            start: 0,
            checked: 0,
            bad_byte: false,
            input_ended: false,
            failure: None,
            lines: 0,
            counted: 0,
            open_lists: 0,
            at_beginning: true,
        }
    }

    /// Calls `each` with every document until it breaks or the input ends. An error of the input is returned after
    /// everything that could be read.
    pub fn for_each<B>(
        &mut self,
        mut each: impl FnMut(SourcedMessage<'_, '_>) -> ControlFlow<B>,
    ) -> io::Result<ControlFlow<B>> {
        loop {
            let pending = self.checked - self.start;
            let problem = match self.walk(&mut each) {
                Stop::Broke(value) => return Ok(ControlFlow::Break(value)),
                Stop::Refused(problem) => problem,
                Stop::Exhausted if self.bad_byte => ParseError::Utf8(0),
                Stop::Inside if self.bad_byte => ParseError::Utf8(self.checked - self.start),
                Stop::Inside if pending > MAX_DOCUMENT_BYTES => ParseError::TooLong,
                Stop::Inside | Stop::Exhausted if !self.input_ended => {
                    self.fill();
                    continue;
                }
                Stop::Inside => ParseError::CutOff,
                Stop::Exhausted if self.start < self.end => ParseError::Utf8(0),
                Stop::Exhausted => match self.failure.take() {
                    Some(failure) => return Err(failure),
                    None if std::mem::take(&mut self.open_lists) > 0 => ParseError::ListCutOff,
                    None => return Ok(ControlFlow::Continue(())),
                },
            };
            if let ControlFlow::Break(value) = self.report_line(problem, &mut each) {
                return Ok(ControlFlow::Break(value));
            }
        }
    }

    /// Passes the documents of the checked text to `each`.
    fn walk<B>(&mut self, each: &mut impl FnMut(SourcedMessage<'_, '_>) -> ControlFlow<B>) -> Stop<B> {
        // `check_utf8` has validated it; validating a whole buffer again is cheap.
        let text = std::str::from_utf8(&self.buffer[self.start..self.checked]).unwrap_or_default();
        let origin = self.start;
        // The first pass has an empty text.
        let begins = !text.is_empty() && std::mem::take(&mut self.at_beginning);
        let mut at = if begins && text.starts_with('\u{feff}') { 3 } else { 0 };
        // All documents of the text share one allocation for their parties.
        let mut parties = Vec::new();
        let stop = loop {
            match text.as_bytes().get(at) {
                None => break Stop::Exhausted,
                Some(b' ' | b'\n' | b'\r' | b'\t') => at += 1,
                Some(b'[') => {
                    self.open_lists += 1;
                    at += 1;
                }
                Some(b']') if self.open_lists > 0 => {
                    self.open_lists -= 1;
                    at += 1;
                }
                Some(b',') if self.open_lists > 0 => at += 1,
                Some(b'{') => {
                    let rest = &text[at..];
                    let mut json = Reader::new(rest);
                    let mut document = Document::default();
                    document.body.parties = parties;
                    match document.read(&mut json) {
                        Ok(()) => {
                            let length = json.position();
                            let place = SourceSpan {
                                lines_before: self.lines,
                                before: &self.buffer[self.counted..origin + at],
                                document: &rest[..length],
                            };
                            at += length;
                            let flow = each(SourcedMessage { place, message: document.message() });
                            if let ControlFlow::Break(value) = flow {
                                break Stop::Broke(value);
                            }
                            parties = document.body.parties;
                            parties.clear();
                        }
                        Err(error) if error.problem == JsonProblem::End => break Stop::Inside,
                        Err(error) => break Stop::Refused(ParseError::Json(error)),
                    }
                }
                Some(_) => break Stop::Refused(ParseError::NotAnObject),
            }
        };
        self.start += at;
        stop
    }

    /// Reports the line at the front as unreadable and continues after it. The rest of a document of several lines is
    /// skipped up to the next line that begins with `{`.
    fn report_line<B>(
        &mut self,
        problem: ParseError,
        each: &mut impl FnMut(SourcedMessage<'_, '_>) -> ControlFlow<B>,
    ) -> ControlFlow<B> {
        let flow = each(self.located(Err(problem)));
        let is_multiline = self.skip_line();
        if is_multiline {
            while self.ensure_byte() && self.buffer[self.start] != b'{' {
                self.skip_line();
            }
        }
        flow
    }

    fn located<'s>(&'s mut self, message: Result<Message<'s, 's>, ParseError>) -> SourcedMessage<'s, 's> {
        self.count_lines();
        SourcedMessage { place: SourceSpan { lines_before: self.lines, before: &[], document: "" }, message }
    }

    /// Skips the rest of the line; returns whether it was a lone `{`.
    fn skip_line(&mut self) -> bool {
        let mut lone_brace = true;
        loop {
            let rest = &self.buffer[self.start..self.end];
            let newline = memchr(b'\n', rest);
            let line = &rest[..newline.unwrap_or(rest.len())];
            lone_brace &= line.trim_ascii().is_empty() || line.trim_ascii() == b"{";
            self.start += newline.map_or(rest.len(), |at| at + 1);
            self.checked = self.checked.max(self.start);
            if newline.is_some() || self.input_ended {
                break;
            }
            self.fill();
        }
        self.check_utf8();
        lone_brace
    }

    fn ensure_byte(&mut self) -> bool {
        while self.start == self.end && !self.input_ended {
            self.fill();
        }
        self.start < self.end
    }

    /// Reads what is available of more input, and blocks only if nothing is. For a long document it reads at least as
    /// much as is buffered already, so that the document is not parsed too often.
    fn fill(&mut self) {
        self.count_lines();
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.checked = self.checked.saturating_sub(self.start);
        self.start = 0;
        self.counted = 0;
        let pending = self.end;
        let capacity = pending + pending.max(CHUNK_BYTES);
        if self.buffer.len() < capacity {
            self.buffer.resize(capacity, 0);
        }
        let enough = if pending < CHUNK_BYTES { pending + 1 } else { capacity };
        while self.end < enough && !self.input_ended {
            self.read(capacity);
        }
        self.check_utf8();
    }

    fn read(&mut self, capacity: usize) {
        match self.input.read(&mut self.buffer[self.end..capacity]) {
            Ok(0) => self.input_ended = true,
            Ok(read) => self.end += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => {
                self.input_ended = true;
                self.failure = Some(error);
            }
        }
    }

    fn check_utf8(&mut self) {
        self.bad_byte = false;
        if let Err(error) = std::str::from_utf8(&self.buffer[self.checked..self.end]) {
            self.bad_byte = error.error_len().is_some();
            self.checked += error.valid_up_to();
        } else {
            self.checked = self.end;
        }
    }

    fn count_lines(&mut self) {
        self.lines += memchr_iter(b'\n', &self.buffer[self.counted..self.start]).count() as u64;
        self.counted = self.start;
    }
}
