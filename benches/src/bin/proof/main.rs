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
        "Written by `cargo run --release -p wholecall-benches --bin proof`. Calls are played by the [simulator](simulator.md):\n\
         nine in ten are random ones, in which people do whatever they physically can, the others its named scenarios in\n\
         turn. What arrives of each is assembled and compared with the truth, which records who could hear whom and shares\n\
         no code with the assembler. Seeds run from 0; a seed and a fault play the same again.\n"
    );
    println!("## Nothing is lost\n");
    println!("| what goes wrong | calls | seeds | notifications | differences | seconds |");
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
        let is_by_skew = faults.skew() > 0 && differences * MIN_CALLS_PER_SKEW_DIFFERENCE <= calls;
        failures += if is_by_skew { 0 } else { differences };
        print_examples(&name, examples);
    }
    println!(
        "\nWith `skew`, the clocks of two servers differ by up to {} ms: times may differ by that, everything else is exact\n\
         but in a call in which that turns the order of two events around (at most one of {MIN_CALLS_PER_SKEW_DIFFERENCE} calls).\n",
        Faults::from(Fault::Skew).skew()
    );
    failures += views::run()?;
    println!("## Something is lost\n");
    println!(
        "| what is lost | calls | exact | wrong, and says so | a session lost whole | an end lost unseen | wrong and silent | wrong joins |"
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
const MIN_CALLS_PER_SKEW_DIFFERENCE: usize = 1_000;

const LOST: &str = "\
*Says so*: the record's `completeness` names a gap, a session that was not seen, a `Gone` that leads nowhere, or that the\n\
call never ended. *A session lost whole*: nothing of it arrives, and no other session refers to it, so nothing can reveal\n\
it; mostly the call's only one, so there is no record. *An end lost unseen*: the last notifications of a session are lost,\n\
and by all that arrived everybody had left it (by a `Disconnected`, a `Gone`, or the other end of a link: one end is\n\
enough), so nothing can reveal that either. *Wrong and silent* is what is left: something is missing that could have been\n\
noticed. *Wrong joins*: two calls in one record. A `blacklist` is an outage of 2 to 30 minutes somewhere in a call of a fifth\n\
minutes: little is left of most.";

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
