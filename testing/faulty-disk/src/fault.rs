//! Planned faults.

use std::{fmt, str::FromStr};

/// An operation of the file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    /// Reads a part of a file.
    Read,
    /// Writes a part of a file.
    Write,
    /// Makes the written content of a file durable.
    Sync,
    /// Truncates a file.
    Truncate,
    /// Removes a file.
    Delete,
    /// Opens or creates a file.
    Open,
}

impl Operation {
    /// All of them.
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

/// The kind of a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A device error (EIO). A sync that fails so loses what was written: a later sync does not make it durable, as
    /// on Linux.
    Error,
    /// A full disk (ENOSPC).
    Full,
    /// Only the first half is written; the operation fails.
    Short,
    /// One bit that is read differs from what was written; the operation succeeds.
    FlippedBit,
    /// A power failure: this operation and all later ones have no effect.
    PowerCut,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Error, Self::Full, Self::Short, Self::FlippedBit, Self::PowerCut];

    /// Whether an operation can fail in this way.
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

/// A planned fault. As text: `write:error:17:1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fault {
    /// The operation that fails.
    pub operation: Operation,
    /// How it fails.
    pub kind: Kind,
    /// The number of the first operation that fails, counted from 1 since the fault was planned.
    pub at: u64,
    /// Number of consecutive operations that fail.
    pub times: u64,
}

impl Fault {
    /// A fault of one operation.
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
        let wrong = || format!("{text:?} is not a fault (operation:kind:number:times)");
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
