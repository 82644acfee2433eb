//! The binary.

use std::process::ExitCode;

// Assembling a file is a tenth faster than with the system's allocator: see benches/README.md.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    wholecall::main()
}
