//! Noisy neighbours: prints the table of docs/robustness.md.
//!
//! `neighbours [SECONDS] [CALLS] [PROGRAM] [ATTACK]`: seconds of each measurement (10), stored calls of the attacker (20,000),
//! the program (`wholecall` in the same folder), a word of the only attack to try. It fails if a limit is exceeded.

use std::{env, path::PathBuf, process::ExitCode, time::Duration};

use wholecall_benches::{
    neighbours::{Attack, MARKDOWN_HEAD, MAX_CALLS_MS, MAX_HOOK_INCREASE_MS, MAX_MEMORY_MB, Plan, measure},
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
    let default = env::current_exe()?.with_file_name("wholecall");
    let program = arguments.next().map_or(default, PathBuf::from);
    if let Some(word) = arguments.next() {
        let found = Attack::ALL.into_iter().find(|attack| attack.words().contains(&word));
        plan.only = Some(found.ok_or("no such attack")?);
    }
    println!("{MARKDOWN_HEAD}");
    let mut violations = Vec::new();
    measure(&program, &plan, |row| {
        println!("{}", row.markdown());
        violations.extend(row.violations().into_iter().map(|text| format!("{}: {text}", row.attack.words())));
    })?;
    println!(
        "\nLimits: the hook at most {MAX_HOOK_INCREASE_MS} ms longer (p99), the last calls within {MAX_CALLS_MS} ms (p99), \
         no refused request of the victim, at most {MAX_MEMORY_MB} MB."
    );
    violations.iter().for_each(|violation| println!("EXCEEDED: {violation}"));
    Ok(if violations.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
