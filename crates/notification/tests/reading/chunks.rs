//! The pieces in which a stream arrives do not matter.

use std::{
    convert::Infallible,
    io::{self, Read},
    ops::ControlFlow,
};

use wholecall_notification::Stream;

/// Returns bytes in pieces of given lengths, repeatedly; a length of zero is an interruption.
struct Pieces<'a> {
    bytes: &'a [u8],
    lengths: &'a [u8],
    next: usize,
    interrupted: bool,
}

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.lengths.get(self.next).copied().unwrap_or(255);
        self.next = (self.next + 1) % self.lengths.len().max(1);
        if length == 0 && !std::mem::replace(&mut self.interrupted, true) {
            return Err(io::ErrorKind::Interrupted.into());
        }
        self.interrupted = false;
        let length = usize::from(length).max(1).min(buffer.len()).min(self.bytes.len());
        let (piece, rest) = self.bytes.split_at(length);
        buffer[..length].copy_from_slice(piece);
        self.bytes = rest;
        Ok(length)
    }
}

/// Everything that a stream returns, with positions.
fn outcomes(input: impl Read) -> Vec<String> {
    let mut outcomes = Vec::new();
    let read = Stream::new(input).for_each(|located| {
        let message = match &located.message {
            Ok(message) => message.kind().to_owned(),
            Err(problem) => problem.to_string(),
        };
        outcomes.push(format!("{}: {message}: {}", located.place.line(), located.place.document()));
        ControlFlow::<Infallible>::Continue(())
    });
    assert!(read.is_ok());
    outcomes
}

/// Reads bytes in one piece, and in the pieces that the first bytes define.
pub(crate) fn check(data: &[u8]) {
    let Some((&count, rest)) = data.split_first() else { return };
    let (lengths, bytes) = rest.split_at(usize::from(count & 15).min(rest.len()));
    let whole = outcomes(bytes);
    let pieces = outcomes(Pieces { bytes, lengths, next: 0, interrupted: false });
    let same = pieces.iter().zip(&whole).take_while(|(a, b)| a == b).count();
    assert_eq!(pieces.get(same), whole.get(same), "in {lengths:?} of {:?}", String::from_utf8_lossy(bytes));
}
