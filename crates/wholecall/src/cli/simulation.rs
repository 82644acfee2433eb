//! Arguments of the commands with simulated calls: `demo`, `simulate`, `fake-ringcentral`, `verify`.

use std::{net::SocketAddr, path::PathBuf};

use clap::Args;
use wholecall_simulator::{Fault, Faults, Scenario};

#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// The address to listen at; if its port is taken, another one is used
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    pub(crate) listen: SocketAddr,

    /// Number of users in the company
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = users)]
    pub(crate) users: usize,

    /// Seed of the random calls
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,
}

#[derive(Debug, Args)]
pub(crate) struct SimulateArgs {
    #[command(flatten)]
    pub(crate) subject: SubjectArgs,

    /// Number of users in the company
    #[arg(long, value_name = "N", default_value = "50", requires = "traffic", value_parser = users)]
    pub(crate) users: usize,

    /// The file for the notifications, one per line [default: standard output]
    #[arg(long, value_name = "FILE", conflicts_with = "post")]
    pub(crate) out: Option<PathBuf>,

    /// A webhook to post the notifications of the company's account 800000016 to
    #[arg(long, value_name = "URL")]
    pub(crate) post: Option<String>,

    /// The file for what happened in the calls, for `verify`
    #[arg(long, value_name = "FILE")]
    pub(crate) truth: Option<PathBuf>,

    /// Write what the subscription of one user receives, by extension number; `each`: a file per participating user,
    /// with the extension number in its name
    #[arg(long, value_name = "EXTENSION", conflicts_with_all = ["traffic", "post"], value_parser = view)]
    pub(crate) view: Option<View>,

    /// The file for the company's extension list, for `--directory` of other commands
    #[arg(long, value_name = "FILE", conflicts_with = "post")]
    pub(crate) directory: Option<PathBuf>,

    /// Delivery faults, comma-separated: reorder, delay, duplicate, overlap, skew, drop, drop-leg, drop-last,
    /// drop-session, restart, blacklist
    #[arg(long, value_name = "FAULTS")]
    pub(crate) faults: Option<Faults>,

    /// Random seed: the same seed gives the same notifications
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,

    // Last, because its heading applies to all options after it.
    #[command(flatten)]
    pub(crate) posting: PostArgs,
}

/// Whose subscription receives the notifications.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum View {
    /// Each participating user's, separately.
    Each,
    /// The user's with this extension number.
    Of(u32),
}

#[derive(Debug, Args)]
pub(crate) struct FakeArgs {
    /// The address to listen at
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8070")]
    pub(crate) listen: SocketAddr,

    /// Number of accounts
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = accounts)]
    pub(crate) accounts: usize,

    /// Number of users per account
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = users)]
    pub(crate) users: usize,

    /// Simulate no calls but those requested with POST /fake/play
    #[arg(long)]
    pub(crate) quiet: bool,

    /// Speed factor of the calls; tokens, subscriptions and rate limits run in real time
    #[arg(long, value_name = "X", default_value = "1", value_parser = speed)]
    pub(crate) speed: f64,

    /// Delivery faults, comma-separated: reorder, delay, duplicate, drop
    #[arg(long, value_name = "FAULTS", value_parser = delivery_faults)]
    pub(crate) faults: Option<Faults>,

    /// Random seed
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct SubjectArgs {
    /// One call of this scenario
    #[arg(long, value_name = "NAME", value_parser = scenario)]
    pub(crate) scenario: Option<Scenario>,

    /// List the scenarios
    #[arg(long)]
    pub(crate) list: bool,

    /// A company's day
    #[arg(long)]
    pub(crate) traffic: bool,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Posting (with --post)")]
pub(crate) struct PostArgs {
    /// The verification token to send [default: WHOLECALL_VERIFICATION_TOKEN]
    #[arg(long, value_name = "TOKEN", requires = "post")]
    pub(crate) verification_token: Option<String>,

    /// Post yesterday's calls as fast as the receiver accepts them, not today's in real time
    #[arg(long, requires = "post", conflicts_with = "speed")]
    pub(crate) no_delay: bool,

    /// Speed factor
    #[arg(long, value_name = "X", default_value = "1", requires = "post", value_parser = speed)]
    pub(crate) speed: f64,
}

#[derive(Debug, Args)]
#[command(after_help = "The exit code is 1 if a record is wrong or missing.")]
pub(crate) struct VerifyArgs {
    /// The file that `simulate --truth` wrote
    #[arg(long, value_name = "FILE")]
    pub(crate) truth: PathBuf,

    /// The file of records, one per line; `-`: standard input
    #[arg(value_name = "RECORDS", default_value = "-")]
    pub(crate) records: PathBuf,
}

fn scenario(name: &str) -> Result<Scenario, String> {
    Scenario::named(name).ok_or_else(|| "no such scenario; --list shows the names".to_owned())
}

fn view(text: &str) -> Result<View, String> {
    match text {
        "each" => Ok(View::Each),
        number => {
            number.parse().map(View::Of).map_err(|_| "expected an extension number, or `each`".to_owned())
        }
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

/// Only faults that apply to a single delivery.
fn delivery_faults(text: &str) -> Result<Faults, String> {
    let faults: Faults = text.parse().map_err(|error| format!("{error}"))?;
    let single = [Fault::Reorder, Fault::Delay, Fault::Duplicate, Fault::Drop];
    match Fault::ALL.into_iter().find(|fault| faults.contains(*fault) && !single.contains(fault)) {
        None => Ok(faults),
        Some(fault) => Err(format!("{} does not apply to a single delivery", fault.name())),
    }
}

fn speed(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(speed) if (0.01..=100_000.0).contains(&speed) => Ok(speed),
        _ => Err("a number from 0.01 to 100000".to_owned()),
    }
}
