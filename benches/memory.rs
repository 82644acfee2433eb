//! Memory per live call: the process's memory before and after calls that have not ended.

use std::fs;

use wholecall_assembly::{Assembler, Settings};
use wholecall_benches::mix;
use wholecall_notification::{Message, Stream};
use wholecall_record::Time;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let input = mix(20_000);
    let live = Settings {
        settle_ms: i64::MAX / 4,
        gap_settle_ms: i64::MAX / 4,
        publish_live_versions: false,
        ..Settings::default()
    };
    let mut assembler = Assembler::new(live);
    let before = resident_kib();
    let mut count = 0;
    let read = Stream::new(&input[..]).for_each(|located| {
        if let Ok(Message::Session(notification)) = &located.message {
            count += 1;
            assembler.receive(Time::from_millis(0), notification);
        }
        std::ops::ControlFlow::<()>::Continue(())
    });
    if let Err(error) = read {
        eprintln!("{error}");
    }
    let calls = assembler.len();
    let bytes = (resident_kib() - before) * 1_024;
    println!(
        "{calls} calls of {:.1} notifications: {:.1} KB each, {} bytes per notification",
        count as f64 / calls as f64,
        bytes as f64 / calls as f64 / 1e3,
        bytes / count
    );
}

/// The process's resident memory in KiB.
fn resident_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or("0");
    line.trim().trim_end_matches(" kB").parse().unwrap_or(0)
}
