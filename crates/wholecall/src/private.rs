//! What the program writes, and what it has in memory, is for nobody but whoever runs it.

use rustix::{
    fs::Mode,
    process::{Resource, Rlimit, setrlimit, umask},
};

/// Files that are made from now on are for their owner only, whatever the umask was. Should the program crash, it leaves no
/// copy of its memory, in which there are keys. What the system refuses of this is no reason not to run.
pub(crate) fn keep_from_others() {
    umask(Mode::RWXG | Mode::RWXO);
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
    // Where the system hands such copies to a program, it asks for this instead.
    #[cfg(target_os = "linux")]
    let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
}
