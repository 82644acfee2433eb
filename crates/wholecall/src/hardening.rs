//! Protects files and memory of the process from other users of the machine.

use rustix::{
    fs::Mode,
    process::{Resource, Rlimit, setrlimit, umask},
};

/// Makes new files accessible to their owner only, and prevents core dumps, since memory holds keys. Failures are ignored:
/// the program runs without this protection then.
pub(crate) fn restrict_access() {
    umask(Mode::RWXG | Mode::RWXO);
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
    // If the system pipes core dumps to a program, it ignores the limit and checks this flag.
    #[cfg(target_os = "linux")]
    let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
}
