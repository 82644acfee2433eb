//! The faults of a round.

use std::time::Duration;

use fastrand::Rng;
use wholecall_faulty_disk::{Fault, Kind, Loss, Operation};

#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) faults: Vec<Fault>,
    pub(crate) kill_after: Option<Duration>,
    /// The end of the process, or a power failure.
    pub(crate) loss: Loss,
}

/// Maximum number of the operation that fails: about as many occur in a round.
fn reach(operation: Operation) -> u64 {
    match operation {
        Operation::Read => 600,
        Operation::Write => 3_000,
        Operation::Sync => 400,
        Operation::Truncate => 5,
        Operation::Delete => 4,
        Operation::Open => 16,
    }
}

/// One fault in this many flips a bit.
const FLIPS_ONE_IN: usize = 8;

pub(crate) fn is_flipped(fault: &Fault) -> bool {
    fault.kind == Kind::FlippedBit
}

impl Plan {
    pub(crate) fn any(rng: &mut Rng) -> Self {
        let faults = (0..rng.usize(0..=4)).map(|_| any_fault(rng)).collect();
        let loss = match rng.usize(0..4) {
            0 => Loss::Everything,
            1 => Loss::Some(rng.u64(..)),
            _ => Loss::Nothing,
        };
        Self { faults, kill_after: Some(Duration::from_millis(rng.u64(50..1_000))), loss }
    }

    pub(crate) fn flips_bits(&self) -> bool {
        self.faults.iter().any(is_flipped)
    }
}

fn any_fault(rng: &mut Rng) -> Fault {
    if rng.usize(0..FLIPS_ONE_IN) == 0 {
        return Fault::once(Operation::Read, Kind::FlippedBit, rng.u64(1..=reach(Operation::Read)));
    }
    loop {
        let operation = Operation::ALL[rng.usize(0..Operation::ALL.len())];
        let kind = Kind::ALL[rng.usize(0..Kind::ALL.len())];
        if kind.fits(operation) && kind != Kind::FlippedBit {
            let at = rng.u64(1..=reach(operation));
            let times = if rng.bool() { 1 } else { rng.u64(2..60) };
            return Fault { operation, kind, at, times };
        }
    }
}
