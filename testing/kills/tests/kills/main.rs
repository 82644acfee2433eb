//! Kills (`kill -9`) a service under load on a failing disk, repeatedly: no acknowledged notification is lost, none
//! is stored twice, and damage by the disk is reported.
//!
//! `WHOLECALL_KILL_ROUNDS` sets the number of rounds (5 by default; `scripts/proof kills`), `WHOLECALL_KILL_SEED` the
//! faults.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test that cannot continue fails")]

mod compare;
mod load;
mod plan;
mod service;

use std::{env, fs, time::Instant};

use fastrand::Rng;
use wholecall_faulty_disk::leave_what_a_crash_leaves;

use self::{
    compare::{Comparison, check, compare},
    load::{Load, post},
    plan::{Plan, is_flipped},
    service::Installation,
};

/// Number of rounds on the same data; then the service is stopped cleanly and everything is checked.
const ROUNDS_PER_INSTALLATION: u64 = 10;

/// The totals of all rounds.
#[derive(Debug, Default)]
struct Figures {
    kills: u64,
    power_failures: u64,
    planned: u64,
    struck: u64,
    starts_refused: u64,
    posted: u64,
    acknowledged: u64,
    lost: u64,
    duplicated: u64,
    undetected: u64,
    reported: u64,
    checks: u64,
}

fn number(name: &str, default: u64) -> u64 {
    env::var(name).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

#[test]
fn service_killed_on_a_failing_disk_loses_and_duplicates_nothing() {
    let rounds = number("WHOLECALL_KILL_ROUNDS", 5);
    let seed = number("WHOLECALL_KILL_SEED", 1);
    let started = Instant::now();
    let mut figures = Figures::default();
    let mut done = 0;
    while done < rounds {
        let here = ROUNDS_PER_INSTALLATION.min(rounds - done);
        done += run_rounds(seed.wrapping_mul(1_000_003).wrapping_add(done), here, &mut figures);
        println!("{done} of {rounds} rounds, {:.0} s: {figures:?}", started.elapsed().as_secs_f64());
    }
    assert_eq!((figures.lost, figures.duplicated, figures.undetected), (0, 0, 0), "{figures:#?}");
    assert!(figures.acknowledged > 20 * rounds, "too few were acknowledged: {figures:#?}");
}

/// Rounds on the same data. Ends early if the data is damaged and the damage is reported, because an operator would
/// then restore a backup. Returns the number of rounds.
fn run_rounds(seed: u64, rounds: u64, figures: &mut Figures) -> u64 {
    let mut rng = Rng::with_seed(seed);
    let installation = Installation::new();
    let mut load = Load::of(&installation, seed);
    let mut has_flipped = false;
    for round in 1..=rounds {
        let plan = Plan::any(&mut rng);
        has_flipped |= plan.flips_bits();
        figures.planned += plan.faults.len() as u64;
        let problem = run(&installation, &plan, &mut load, figures);
        let what = format!("seed {seed}, round {round}, {plan:?}, {:?}", installation.struck());
        figures.struck += installation.struck().len() as u64;
        if let Some(problem) = problem {
            // A failed start reports why; the data on the disk is checked anyway.
            figures.starts_refused += 1;
            assert!(!problem.contains("panicked"), "{what}: {problem}");
        }
        crash(&installation, &plan, figures);
        if !matches_acknowledged(&installation, &load, has_flipped, &what, figures) {
            return round;
        }
    }
    finish(&installation, &mut load, has_flipped, &format!("seed {seed}"), figures);
    rounds
}

/// Starts the service with faults, posts, and kills it. Returns why it did not start.
fn run(installation: &Installation, plan: &Plan, load: &mut Load, figures: &mut Figures) -> Option<String> {
    let server = match installation.start_on_faulty_disk(&plan.faults) {
        Ok(server) => server,
        Err(complaint) => return Some(complaint),
    };
    let (posted, acknowledged) = post(load, &server, plan.kill_after);
    figures.posted += posted;
    figures.acknowledged += acknowledged;
    let complaint = server.last_words();
    assert!(!complaint.contains("panicked"), "{plan:?}: {complaint}");
    None
}

/// Replaces the data by what a crash of the process, or a power failure, leaves.
fn crash(installation: &Installation, plan: &Plan, figures: &mut Figures) {
    let is_power_failure = plan.loss != wholecall_faulty_disk::Loss::Nothing;
    figures.kills += 1;
    figures.power_failures += u64::from(is_power_failure);
    let left = installation.folder().join("left");
    leave_what_a_crash_leaves(&installation.data(), &installation.durable(), &left, plan.loss).unwrap();
    fs::remove_dir_all(installation.data()).unwrap();
    fs::rename(left, installation.data()).unwrap();
}

/// Compares a copy, so that the next start recovers the data itself.
fn matches_acknowledged(
    installation: &Installation,
    load: &Load,
    has_flipped: bool,
    what: &str,
    figures: &mut Figures,
) -> bool {
    let copy = installation.copy();
    let Comparison { lost, duplicated, losses, problem } = compare(copy.path(), load);
    if lost == 0 && duplicated == 0 && losses.is_empty() && problem.is_none() {
        return true;
    }
    // Only flipped bits may damage data, and then the damage must be reported.
    let findings = check(&installation.copy());
    let is_reported = problem.is_some() || !losses.is_empty() || !findings.is_empty();
    if has_flipped && is_reported {
        figures.reported += 1;
        return false;
    }
    eprintln!("{what}: {lost} lost, {duplicated} duplicated, {losses:?}, {problem:?}, {findings}");
    figures.lost += lost;
    figures.duplicated += duplicated;
    figures.undetected += 1;
    false
}

/// Starts the service without faults: it must accept the rest, stop cleanly, and be complete.
fn finish(
    installation: &Installation,
    load: &mut Load,
    has_flipped: bool,
    what: &str,
    figures: &mut Figures,
) {
    let server = match installation.start() {
        Ok(server) => server,
        Err(problem) if has_flipped => return figures.reported += u64::from(!problem.is_empty()),
        Err(problem) => panic!("{what}: it does not start: {problem}"),
    };
    let (posted, acknowledged) = post(load, &server, None);
    figures.posted += posted;
    figures.acknowledged += acknowledged;
    assert!(load.is_all_acknowledged() || has_flipped, "{what}: a notification was not accepted");
    server.stop();
    figures.checks += 1;
    let findings = check(&installation.copy());
    if !findings.is_empty() {
        assert!(has_flipped, "{what}: {findings}");
        figures.reported += 1;
        return;
    }
    let Comparison { lost, duplicated, losses, problem } = compare(installation.copy().path(), load);
    if lost > 0 || duplicated > 0 || !losses.is_empty() || problem.is_some() {
        eprintln!(
            "{what}: {lost} lost, {duplicated} duplicated, {losses:?}, {problem:?}, and `wholecall check` finds nothing"
        );
        figures.lost += lost;
        figures.duplicated += duplicated;
        figures.undetected += 1;
    }
}

#[test]
fn plan_knows_whether_it_flips_bits() {
    let mut rng = Rng::with_seed(7);
    let plans: Vec<Plan> = (0..200).map(|_| Plan::any(&mut rng)).collect();
    let flipping = plans.iter().filter(|plan| plan.flips_bits()).count();
    assert!((10..100).contains(&flipping), "{flipping} of 200");
    assert!(plans.iter().all(|plan| plan.flips_bits() == plan.faults.iter().any(is_flipped)));
}
