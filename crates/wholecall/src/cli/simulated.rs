//! Arguments of what works with simulated calls.

use std::{net::SocketAddr, path::PathBuf};

use clap::Args;
use wholecall_simulator::{Fault, Faults, Scenario};

#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// Where to listen; where that is taken, at another port
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    pub(crate) listen: SocketAddr,

    /// How many users the company has
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = users)]
    pub(crate) users: usize,

    /// Decides who calls whom when
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,
}

#[derive(Debug, Args)]
pub(crate) struct SimulateArgs {
    #[command(flatten)]
    pub(crate) what: SimulatedArgs,

    /// How many users the company has
    #[arg(long, value_name = "N", default_value = "50", requires = "traffic", value_parser = users)]
    pub(crate) users: usize,

    /// Where to write the notifications, one per line [default: standard output]
    #[arg(long, value_name = "FILE", conflicts_with = "post")]
    pub(crate) out: Option<PathBuf>,

    /// A webhook to post the notifications to; those of the company's own account 800000016
    #[arg(long, value_name = "URL")]
    pub(crate) post: Option<String>,

    #[command(flatten)]
    pub(crate) posting: PostArgs,

    /// Where to write the truth about the calls, for `verify`
    #[arg(long, value_name = "FILE")]
    pub(crate) truth: Option<PathBuf>,

    /// Play the call as one person's own subscription receives it: that of the user with this extension number; or
    /// `each`: one file for each user who takes part, with the extension number in its name
    #[arg(long, value_name = "EXTENSION", conflicts_with_all = ["traffic", "post"], value_parser = view)]
    pub(crate) view: Option<View>,

    /// Where to write the company's list of extensions, for `--directory` of other commands
    #[arg(long, value_name = "FILE", conflicts_with = "post")]
    pub(crate) directory: Option<PathBuf>,

    /// What goes wrong on the way: reorder, delay, duplicate, overlap, skew, drop, drop-leg, drop-last,
    /// drop-session, restart, blacklist; several with commas between them
    #[arg(long, value_name = "FAULTS")]
    pub(crate) faults: Option<Faults>,

    /// Decides about everything that may vary: the same seed plays the same
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,
}

/// Whose subscription receives what is played.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum View {
    /// That of each user who takes part, by itself.
    Each,
    /// That of the user with an extension number.
    Of(u32),
}

#[derive(Debug, Args)]
pub(crate) struct FakeArgs {
    /// Where to listen
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8070")]
    pub(crate) listen: SocketAddr,

    /// How many accounts it has
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = accounts)]
    pub(crate) accounts: usize,

    /// How many users each account has
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = users)]
    pub(crate) users: usize,

    /// Nobody calls by themselves: only what is played by POST /fake/play happens
    #[arg(long)]
    pub(crate) quiet: bool,

    /// How many times as fast as in life calls happen; tokens, subscriptions and limits take their time
    #[arg(long, value_name = "X", default_value = "1", value_parser = speed)]
    pub(crate) speed: f64,

    /// What goes wrong with each delivery: reorder, delay, duplicate, drop; several with commas between them
    #[arg(long, value_name = "FAULTS", value_parser = delivery_faults)]
    pub(crate) faults: Option<Faults>,

    /// Decides about everything that may vary
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct SimulatedArgs {
    /// One call
    #[arg(long, value_name = "NAME", value_parser = scenario)]
    pub(crate) scenario: Option<Scenario>,

    /// The names there are
    #[arg(long)]
    pub(crate) list: bool,

    /// A day in a company
    #[arg(long)]
    pub(crate) traffic: bool,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Posting (with --post)")]
pub(crate) struct PostArgs {
    /// What to show with each notification [default: WHOLECALL_VERIFICATION_TOKEN]
    #[arg(long, value_name = "TOKEN", requires = "post")]
    pub(crate) verification_token: Option<String>,

    /// Post a day's calls as fast as they are taken, dated yesterday; otherwise each as it happens
    #[arg(long, requires = "post", conflicts_with = "speed")]
    pub(crate) fast: bool,

    /// How many times as fast as in life it happens
    #[arg(long, value_name = "X", default_value = "1", requires = "post", value_parser = speed)]
    pub(crate) speed: f64,
}

#[derive(Debug, Args)]
#[command(after_help = "The exit code is 1 if a record tells anything that is not so, or is missing.")]
pub(crate) struct VerifyArgs {
    /// The truth, as `simulate --truth` wrote it
    #[arg(long, value_name = "FILE")]
    pub(crate) truth: PathBuf,

    /// The records, one per line; `-` for standard input
    #[arg(value_name = "RECORDS", default_value = "-")]
    pub(crate) records: PathBuf,
}

fn scenario(name: &str) -> Result<Scenario, String> {
    Scenario::named(name).ok_or_else(|| "there is no such scenario; --list tells the names".to_owned())
}

fn view(text: &str) -> Result<View, String> {
    match text {
        "each" => Ok(View::Each),
        number => number.parse().map(View::Of).map_err(|_| "an extension number, or `each`".to_owned()),
    }
}

fn users(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(users @ 2..=50_000) => Ok(users),
        _ => Err("2 to 50000 users".to_owned()),
    }
}

fn accounts(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(accounts @ 1..=1000) => Ok(accounts),
        _ => Err("1 to 1000 accounts".to_owned()),
    }
}

/// Faults that can befall one delivery by itself.
fn delivery_faults(text: &str) -> Result<Faults, String> {
    let faults: Faults = text.parse().map_err(|error| format!("{error}"))?;
    let single = [Fault::Reorder, Fault::Delay, Fault::Duplicate, Fault::Drop];
    match Fault::ALL.into_iter().find(|fault| faults.contains(*fault) && !single.contains(fault)) {
        None => Ok(faults),
        Some(fault) => Err(format!("{} does not befall a single delivery", fault.name())),
    }
}

fn speed(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(speed) if (0.01..=100_000.0).contains(&speed) => Ok(speed),
        _ => Err("a number from 0.01 to 100000".to_owned()),
    }
}
