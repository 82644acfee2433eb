//! The proof run: assembles random calls with every fault and compares the records with what happened. Writes its report,
//! `docs/proof.md`, to standard output.
//!
//! `cargo run --release -p wholecall-benches --bin proof [CALLS] > docs/proof.md`

mod comparison;
mod views;

use std::{error::Error, time::Instant};

use comparison::{Tally, compare};
use wholecall_benches::simulated::directories;
use wholecall_simulator::{Fault, Faults, Play, Scenario};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Every tenth play is a named scenario in turn, the others are random calls.
const NAMED_ONE_IN: u64 = 10;

fn main() -> Result<(), Box<dyn Error>> {
    let calls: usize = std::env::args().nth(1).map_or(Ok(100_000), |text| text.parse())?;
    let fifth = calls / 5;
    let started = Instant::now();
    println!("# The proof run\n");
    println!(
        "Written by `cargo run --release -p wholecall-benches --bin proof`. The [simulator](simulator.md) plays the calls:\n\
         nine in ten are random, in which people do anything that is physically possible, the others its named scenarios in\n\
         turn. The notifications of each, after the faults, are assembled and compared with the truth, which follows from people\n\
         and audio and shares no code with the assembler. Seeds run from 0; the same seed and fault play the same calls.\n"
    );
    println!("## Faults without loss\n");
    println!("| faults | calls | seeds | notifications | differences | seconds |");
    println!("|---|---:|---:|---:|---:|---:|");
    let disorder: Faults = "reorder,delay,duplicate,overlap".parse()?;
    let mut failures = 0;
    for (faults, calls) in [(Faults::default(), fifth), (disorder, calls), (Faults::from(Fault::Skew), fifth)]
    {
        let (tally, seconds) = run(&faults, calls)?;
        let name = if faults.is_empty() { "nothing".to_owned() } else { format!("`{faults}`") };
        let Tally { calls, seeds, notifications, differences, examples, .. } = tally;
        println!("| {name} | {calls} | 0–{} | {notifications} | {differences} | {seconds:.1} |", seeds - 1);
        // Skewed clocks may reverse two events at two servers, and with them who parked, or who was still in the call.
        let is_by_skew = faults.max_skew_ms() > 0 && differences * SKEWED_PER_DIFFERENCE <= calls;
        failures += if is_by_skew { 0 } else { differences };
        print_examples(&name, examples);
    }
    println!(
        "\nWith `skew`, the clocks of two servers differ by up to {} ms: times may differ by that. Everything else is exact\n\
         except in a call in which this reverses the order of two events (at most one of {SKEWED_PER_DIFFERENCE} calls).\n",
        Faults::from(Fault::Skew).max_skew_ms()
    );
    failures += views::run()?;
    println!("## Faults with loss\n");
    println!(
        "| fault | calls | exact | wrong, reported | whole session lost | end lost unseen | wrong, not reported | wrong joins |"
    );
    println!("|---|---:|---:|---:|---:|---:|---:|---:|");
    for fault in Fault::ALL.into_iter().filter(|fault| fault.loses()) {
        let (tally, _) = run(&Faults::from(fault), fifth)?;
        let Tally { calls, exact, admitted, lost_whole, end_unseen, silent, joins, .. } = tally;
        let share = |part: usize| format!("{part} ({:.2} %)", 100.0 * part as f64 / calls as f64);
        println!(
            "| `{}` | {calls} | {} | {} | {} | {} | {} | {joins} |",
            fault.name(),
            share(exact),
            share(admitted),
            share(lost_whole),
            share(end_unseen),
            share(silent)
        );
        failures += joins + silent;
        print_examples(fault.name(), tally.examples);
    }
    println!("\n{LOST}");
    println!("\nThe whole run took {:.0} s on one core.", started.elapsed().as_secs_f64());
    if failures > 0 {
        return Err(format!(
            "{failures} differences, false statements of views, silent wrongs or wrong joins"
        )
        .into());
    }
    Ok(())
}

/// Prints examples of differences to standard error.
fn print_examples(fault: &str, examples: Vec<String>) {
    for example in examples {
        eprintln!("{fault}: {example}");
    }
}

/// Minimum number of calls with skewed clocks per call in which two events at two servers may be reversed.
const SKEWED_PER_DIFFERENCE: usize = 1_000;

const LOST: &str = "\
*Reported*: the record's `completeness` names a gap, a session that was not seen, a `Gone` that leads nowhere, or that the\n\
call never ended. *Whole session lost*: no notification of it arrives, and no other session refers to it, so it cannot be\n\
detected; mostly it is the call's only session, so there is no record. *End lost unseen*: the last notifications of a\n\
session are lost, and by the ones that arrived all legs had left it (by a `Disconnected`, a `Gone`, or the other end of a\n\
link: one end is enough), which cannot be detected either. *Wrong, not reported* is the rest: a loss that could have been\n\
detected. *Wrong joins*: two calls in one record. A `blacklist` is an outage of 2 to 30 minutes somewhere in a call of a\n\
few minutes: little is left of most.";

/// Plays at least a number of calls.
fn run(faults: &Faults, calls: usize) -> Result<(Tally, f64), Box<dyn Error>> {
    let started = Instant::now();
    let random = Scenario::named("random").ok_or("there are random calls")?;
    let named: Vec<Scenario> = Scenario::all().collect();
    let mut tally = Tally::default();
    for seed in 0.. {
        if tally.calls >= calls {
            break;
        }
        let scenario = match seed % NAMED_ONE_IN {
            0 => named[(seed / NAMED_ONE_IN) as usize % named.len()],
            _ => random,
        };
        let Play { notifications, truths } = scenario.play(seed);
        let arrived = faults.apply(notifications.clone(), seed);
        let name = format!("{} with seed {seed}", scenario.name);
        let directories = directories(&scenario.accounts(seed));
        tally.add(compare(&name, &notifications, &arrived, truths, faults, &directories)?);
        tally.seeds = seed + 1;
    }
    Ok((tally, started.elapsed().as_secs_f64()))
}
