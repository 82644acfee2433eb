//! Assembles every scenario from each participant's own subscription and compares the records with the whole truth.

use std::{collections::BTreeSet, error::Error};

use wholecall_benches::simulated::{assemble, directories};
use wholecall_simulator::{Faults, Scenario, Tolerance, ViewReport, verify_view};

/// Number of seeds per scenario.
const SEEDS: u64 = 5;

/// Maximum number of false statements that are printed to standard error.
const MAX_EXAMPLES: usize = 10;

/// Prints the table of the views; returns the number of false statements.
pub(crate) fn run() -> Result<usize, Box<dyn Error>> {
    println!("## Views of one person\n");
    println!(
        "Every scenario as the extension-level subscription of each participant receives it: only notifications about the person's\n\
         own parties. Each statement of a record agrees with the whole truth, is contradicted by it, or is left open.\n"
    );
    println!(
        "| faults | views | statements that agree | contradicted | left open | left open though shown | scenarios with contradicted statements |"
    );
    println!("|---|---:|---:|---:|---:|---:|---|");
    let mut contradicted = 0;
    for faults in ["", "reorder,delay,duplicate"] {
        let faults: Faults = if faults.is_empty() { Faults::default() } else { faults.parse()? };
        let (mut report, mut wrong) = (ViewReport::default(), BTreeSet::new());
        for scenario in Scenario::all() {
            for seed in 0..SEEDS {
                let views = compare(scenario, seed, &faults)?;
                if !views.contradicted.is_empty() {
                    wrong.insert(format!("`{}`", scenario.name));
                }
                report.add(views);
            }
        }
        let name = if faults.is_empty() { "nothing".to_owned() } else { format!("`{faults}`") };
        let ViewReport { views, agreeing, open, withheld, contradicted: falsehoods } = &report;
        let wrong: Vec<String> = wrong.into_iter().collect();
        println!(
            "| {name} | {views} | {agreeing} | {} | {open} | {} | {} |",
            falsehoods.len(),
            withheld.len(),
            if wrong.is_empty() { "none".to_owned() } else { wrong.join(", ") }
        );
        falsehoods.iter().take(MAX_EXAMPLES).for_each(|example| eprintln!("view: {example}"));
        contradicted += falsehoods.len();
    }
    println!("\n{MEANING}\n");
    Ok(contradicted)
}

const MEANING: &str = "\
*Left open though shown*: facts that the person's own parties show and no record of the view states: that the person\n\
talked (except in calls to an extension, where the caller sees only that the platform took the call), who called, what\n\
the person moved, from which queue the person answered.";

fn compare(scenario: Scenario, seed: u64, faults: &Faults) -> Result<ViewReport, Box<dyn Error>> {
    let (play, accounts) = (scenario.play(seed), scenario.accounts(seed));
    let directories = directories(&accounts);
    let mut report = ViewReport::default();
    for user in play.people(&accounts) {
        let view = play.seen_by(user.extension);
        let records = assemble(&faults.apply(view.notifications, seed), &directories)?;
        let name = format!("ext:{}", user.extension);
        let mut compared = verify_view(&name, &view.truths, records, Tolerance::default());
        for sentence in compared.contradicted.iter_mut().chain(&mut compared.withheld) {
            sentence.insert_str(0, &format!("{} with seed {seed} as {}: ", scenario.name, user.number));
        }
        report.add(compared);
    }
    Ok(report)
}
