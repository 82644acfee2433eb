//! Noisy neighbours: the table of docs/robustness.md.
//!
//! `neighbours [SECONDS] [CALLS] [PROGRAM]`: seconds of each measurement (10), calls of the attacker that are stored before
//! (20,000), the program (`wholecall` beside this one). It fails if anything is not as it should be.

use std::{env, path::PathBuf, process::ExitCode, time::Duration};

use wholecall_benches::{
    neighbours::{CALLS_MS, HOOK_ABOVE_BASELINE_MS, MARKDOWN_HEAD, MEMORY_MB, Plan, measure},
    service::Result,
};

fn main() -> Result<ExitCode> {
    let mut arguments = env::args().skip(1);
    let mut plan = Plan::FULL;
    if let Some(seconds) = arguments.next() {
        plan.measured = Duration::from_secs_f64(seconds.parse()?);
    }
    if let Some(calls) = arguments.next() {
        plan.calls = calls.parse()?;
    }
    let beside = env::current_exe()?.with_file_name("wholecall");
    let program = arguments.next().map_or(beside, PathBuf::from);
    println!("{MARKDOWN_HEAD}");
    let mut complaints = Vec::new();
    measure(&program, &plan, |row| {
        println!("{}", row.markdown());
        complaints.extend(row.complaints().into_iter().map(|text| format!("{}: {text}", row.attack.words())));
    })?;
    println!(
        "\nWanted: the hook at most {HOOK_ABOVE_BASELINE_MS} ms longer (p99), the last calls within {CALLS_MS} ms (p99), \
         nothing refused to the victim, {MEMORY_MB} MB at most."
    );
    complaints.iter().for_each(|complaint| println!("NOT MET: {complaint}"));
    Ok(if complaints.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
