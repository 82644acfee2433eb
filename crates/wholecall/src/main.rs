//! The program.

use std::process::ExitCode;

// From file to records a tenth faster than with the system's: see benches/README.md.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    wholecall::main()
}
