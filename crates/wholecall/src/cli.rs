//! The commands and their arguments.

mod connection;
mod keys;
mod rejected;
mod service;
mod simulated;
mod values;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use jiff::SignedDuration;

use self::values::length;
pub(crate) use self::{connection::*, keys::*, rejected::*, service::*, simulated::*, values::Wanted};

/// Whole calls from RingCentral's telephony session notifications.
#[derive(Debug, Parser)]
#[command(name = "wholecall", version, disable_help_subcommand = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Assemble notifications into one record per call
    Assemble(AssembleArgs),
    /// Draw calls: a lane per participant over a time axis; in the terminal, as SVG or as PNG
    Show(ShowArgs),
    /// Tell the story of calls in plain sentences, each with the notifications that prove it
    Explain(LookArgs),
    /// Receive RingCentral's webhooks, assemble calls as they happen, and answer queries
    Serve(ServeArgs),
    /// Add and look after the customers whose notifications are received
    Tenant(TenantArgs),
    /// Add, list and remove the API keys of tenants
    Key(KeyArgs),
    /// Who did what: signed in, exported, erased, changed tenants, keys, endpoints, connections
    Audit(AuditArgs),
    /// List, explain and retry what was posted to a tenant's hook and not taken
    Rejected(RejectedArgs),
    /// Add and look after the endpoints that customers are told of their calls at
    Endpoint(Box<EndpointArgs>),
    /// Show what happens, live, and forward it to a local program as signed webhooks
    Listen(ListenArgs),
    /// Listen to a RingCentral account: by webhook where RingCentral can reach the service, else by WebSocket
    Connect(ConnectArgs),
    /// Listen to a RingCentral account no longer
    Disconnect(DisconnectArgs),
    /// How the connections to RingCentral stand, and what may be missing
    Connection(ConnectionArgs),
    /// Ask RingCentral for what the live connection needs, one thing after the other
    Doctor(DoctorArgs),
    /// Check that every stored call is what its notifications make
    Check(CheckArgs),
    /// Copy the data to a file, also while the service runs
    Backup(BackupArgs),
    /// Go on from a copy of the data, as another store than the one that was copied
    Restore(RestoreArgs),
    /// Start the service with a company that calls, on temporary data, to look around
    Demo(DemoArgs),
    /// Play calls: one of many kinds, or a company's day, as RingCentral would post them
    Simulate(SimulateArgs),
    /// Be a RingCentral to develop against: logins, subscriptions, call log, limits, with calls that are simulated
    FakeRingcentral(FakeArgs),
    /// Compare records with the truth about simulated calls
    Verify(VerifyArgs),
    /// Write shell completions or man pages
    Generate(GenerateArgs),
}

#[derive(Debug, Args)]
#[command(
    after_help = "The exit code is 2 if some of the input could not be read; the rest is assembled all the same."
)]
pub(crate) struct AssembleArgs {
    #[command(flatten)]
    pub(crate) input: InputArgs,

    /// How to write the calls [default: table on a terminal, else ndjson]
    #[arg(long, short, value_enum)]
    pub(crate) format: Option<Format>,

    /// Sign each vCon (JWS, in general JSON serialization) with the private key in this PEM file, which also holds the
    /// certificate of that key and those that vouch for it. RS256, ES256 or EdDSA, as the key is
    #[arg(long, value_name = "KEY.pem")]
    pub(crate) sign: Option<PathBuf>,

    /// Take the notifications as they come, with their `timestamp` as the clock: write each call when it has
    /// settled and again when a late notification changes it, in bounded memory
    #[arg(long)]
    pub(crate) stream: bool,

    #[command(flatten)]
    pub(crate) waiting: WaitingArgs,
}

#[derive(Debug, Args)]
pub(crate) struct InputArgs {
    /// Files of notifications, `-` for standard input: NDJSON, a JSON list or concatenated JSON, whole
    /// envelopes or bare bodies, also packed as .gz or .zst [default: standard input]
    #[arg(value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,

    #[command(flatten)]
    pub(crate) reading: ReadingArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ReadingArgs {
    /// Stop at the first thing that cannot be read
    #[arg(long)]
    pub(crate) strict: bool,

    /// RingCentral's extension list (`GET /restapi/v1.0/account/~/extension`), to name people, queues and
    /// menus; its lists of phone numbers, devices and forwarding numbers too; may be given for several accounts
    #[arg(long, value_name = "FILE")]
    pub(crate) directory: Vec<PathBuf>,
}

/// How long `--stream` waits for what. Lengths of time are written as `90s`, `5m`, `1h 30m`.
#[derive(Debug, Args)]
#[command(next_help_heading = "Waiting (with --stream)")]
pub(crate) struct WaitingArgs {
    /// After a call's last notification, before it counts as complete
    #[arg(long, value_name = "TIME", default_value = "1s", requires = "stream", value_parser = length)]
    pub(crate) settle: SignedDuration,

    /// The same, where a notification is missing or a linked session was not seen
    #[arg(long, value_name = "TIME", default_value = "10s", requires = "stream", value_parser = length)]
    pub(crate) gap_settle: SignedDuration,

    /// Silence after which a call is given up of which one leg of several has not ended
    #[arg(long, value_name = "TIME", default_value = "60s", requires = "stream", value_parser = length)]
    pub(crate) last_leg_stale: SignedDuration,

    /// Silence after which any call is given up
    #[arg(long, value_name = "TIME", default_value = "8h", requires = "stream", value_parser = length)]
    pub(crate) stale: SignedDuration,

    /// For how long a closed call is kept for late notifications; what comes later starts a record that says
    /// `lateFor`
    #[arg(long, value_name = "TIME", default_value = "1h", requires = "stream", value_parser = length)]
    pub(crate) horizon: SignedDuration,
}

#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    #[command(flatten)]
    pub(crate) look: LookArgs,

    /// Write an SVG of one call to standard output
    #[arg(long, conflicts_with = "png")]
    pub(crate) svg: bool,

    /// Write a PNG of one call to a file
    #[arg(long, value_name = "FILE")]
    pub(crate) png: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct LookArgs {
    /// The call's id, or that of any of its sessions; then files of notifications, as for `assemble`. Without
    /// an id: every call
    #[arg(value_name = "CALL-ID|FILE")]
    pub(crate) call_and_files: Vec<PathBuf>,

    #[command(flatten)]
    pub(crate) reading: ReadingArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// One record per line
    Ndjson,
    /// A JSON list of records
    Json,
    /// For reading
    Table,
    /// For spreadsheets
    Csv,
    /// The IETF's container for conversations, one per line
    Vcon,
}

#[derive(Debug, Args)]
pub(crate) struct GenerateArgs {
    #[command(subcommand)]
    pub(crate) what: Generate,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Generate {
    /// Completions for a shell, on standard output
    Completions {
        #[arg(value_enum)]
        shell: Shell,
    },
    /// A man page for each command
    Man {
        /// Where to write them
        #[arg(value_name = "DIRECTORY")]
        directory: PathBuf,
    },
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }
}
