//! What is to fail, and when.

use std::{fmt, str::FromStr};

/// Something that SQLite asks of a file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    /// Part of a file is read.
    Read,
    /// Part of a file is written.
    Write,
    /// What was written is made durable.
    Sync,
    /// A file is cut.
    Truncate,
    /// A file is removed.
    Delete,
    /// A file is opened, or made.
    Open,
}

impl Operation {
    /// All there are.
    pub const ALL: [Self; 6] =
        [Self::Read, Self::Write, Self::Sync, Self::Truncate, Self::Delete, Self::Open];

    fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Sync => "sync",
            Self::Truncate => "truncate",
            Self::Delete => "delete",
            Self::Open => "open",
        }
    }
}

/// How it fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// With an error of the device (EIO). A sync that fails so has lost what was written: a later one does not make it
    /// durable, as on Linux.
    Error,
    /// With a full disk (ENOSPC).
    Full,
    /// Only the first half is written, and the rest fails.
    Short,
    /// One bit of what is read is not what was written. Nothing else says so.
    FlippedBit,
    /// The power fails: this and everything after it does nothing.
    PowerCut,
}

impl Kind {
    /// All there are.
    pub const ALL: [Self; 5] = [Self::Error, Self::Full, Self::Short, Self::FlippedBit, Self::PowerCut];

    /// Whether that can happen to it.
    pub fn fits(self, operation: Operation) -> bool {
        match self {
            Self::Error | Self::PowerCut => true,
            Self::Full => matches!(operation, Operation::Write | Operation::Sync),
            Self::Short => operation == Operation::Write,
            Self::FlippedBit => operation == Operation::Read,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Full => "full",
            Self::Short => "short",
            Self::FlippedBit => "flipped-bit",
            Self::PowerCut => "power-cut",
        }
    }
}

/// One thing that fails. As text: `write:error:17:1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fault {
    /// What fails.
    pub operation: Operation,
    /// How.
    pub kind: Kind,
    /// Which of those operations, counted from 1 on since the fault was planned.
    pub at: u64,
    /// So many of them, one after the other.
    pub times: u64,
}

impl Fault {
    /// What fails once.
    pub fn once(operation: Operation, kind: Kind, at: u64) -> Self {
        Self { operation, kind, at, times: 1 }
    }

    pub(crate) fn strikes(&self, operation: Operation, number: u64) -> bool {
        operation == self.operation && (self.at..self.at.saturating_add(self.times)).contains(&number)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { operation, kind, at, times } = self;
        write!(formatter, "{}:{}:{at}:{times}", operation.as_str(), kind.as_str())
    }
}

impl FromStr for Fault {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no fault: operation:kind:number:times");
        let mut parts = text.split(':');
        let mut next = || parts.next().ok_or_else(wrong);
        let (operation, kind) = (next()?, next()?);
        let operation = Operation::ALL.into_iter().find(|known| known.as_str() == operation);
        let kind = Kind::ALL.into_iter().find(|known| known.as_str() == kind);
        let number = |text: &str| text.parse().map_err(|_| wrong());
        let (at, times) = (number(next()?)?, number(next()?)?);
        Ok(Self { operation: operation.ok_or_else(wrong)?, kind: kind.ok_or_else(wrong)?, at, times })
    }
}
