//! The commands and their arguments.

mod connection;
mod keys;
mod rejected;
mod service;
mod simulation;
mod values;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use jiff::SignedDuration;

use self::values::duration;
pub(crate) use self::{connection::*, keys::*, rejected::*, service::*, simulation::*, values::Override};

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
    /// Draw calls, one lane per participant, in the terminal, as SVG or as PNG
    Show(ShowArgs),
    /// Explain calls step by step, each step with the notifications that prove it
    Explain(CallsArgs),
    /// Run the service: receive RingCentral's webhooks, assemble calls live, answer queries
    Serve(ServeArgs),
    /// Manage tenants: the customers whose notifications are received
    Tenant(TenantArgs),
    /// Manage the API keys of tenants
    Key(KeyArgs),
    /// Show the audit log: sign-ins, exports, erasures, changes of tenants, keys, endpoints and connections
    Audit(AuditArgs),
    /// Manage notifications that a tenant's hook rejected
    Rejected(RejectedArgs),
    /// Manage webhook endpoints
    Endpoint(Box<EndpointArgs>),
    /// Print a tenant's events live and forward them to a local address as signed webhooks
    Forward(ForwardArgs),
    /// Connect a RingCentral account: by webhook if RingCentral can reach the service, else by WebSocket
    Connect(ConnectArgs),
    /// Disconnect a RingCentral account
    Disconnect(DisconnectArgs),
    /// Show the status of connections to RingCentral, and gaps in what was received
    Connection(ConnectionArgs),
    /// Check against RingCentral everything that a connection needs
    Doctor(DoctorArgs),
    /// Check that every stored call equals the one assembled from its notifications
    Check(CheckArgs),
    /// Back up the data to a file; the service may be running
    Backup(BackupArgs),
    /// Restore a backup
    Restore(RestoreArgs),
    /// Start a service with live simulated calls and temporary data
    Demo(DemoArgs),
    /// Generate the notifications of simulated calls: one call of a scenario, or a company's day
    Simulate(SimulateArgs),
    /// Run a fake RingCentral for development: logins, subscriptions, call log, rate limits, simulated calls
    FakeRingcentral(FakeArgs),
    /// Compare records with what happened in simulated calls
    Verify(VerifyArgs),
    /// Generate shell completions or man pages
    Generate(GenerateArgs),
}

#[derive(Debug, Args)]
#[command(after_help = "The exit code is 2 if some of the input could not be read; the rest is assembled.\n\
                  Durations are written as `90s`, `5m`, `1h 30m`.")]
pub(crate) struct AssembleArgs {
    #[command(flatten)]
    pub(crate) input: InputArgs,

    /// Output format [default: table on a terminal, else ndjson]
    #[arg(long, short, value_enum)]
    pub(crate) format: Option<Format>,

    /// Sign each vCon (JWS, general JSON serialization) with this PEM file: a private key, its certificate and the
    /// certificates of its issuers. The algorithm follows from the key: RS256, ES256 or EdDSA
    #[arg(long, value_name = "KEY.pem")]
    pub(crate) sign: Option<PathBuf>,

    /// Assemble while reading, in bounded memory, with the notifications' `timestamp` as the clock: write each call
    /// when it has settled, and again when a late notification changes it
    #[arg(long)]
    pub(crate) stream: bool,

    #[command(flatten)]
    pub(crate) timing: TimingArgs,
}

#[derive(Debug, Args)]
pub(crate) struct InputArgs {
    /// Files of notifications, `-` for standard input: NDJSON, a JSON list or concatenated JSON, envelopes or bodies,
    /// optionally compressed as .gz or .zst [default: standard input]
    #[arg(value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,

    #[command(flatten)]
    pub(crate) reading: ReadingArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ReadingArgs {
    /// Stop at the first notification that cannot be read
    #[arg(long)]
    pub(crate) strict: bool,

    /// RingCentral's extension list (`GET /restapi/v1.0/account/~/extension`), for the names of people, queues and
    /// menus; also its lists of phone numbers, devices and forwarding numbers. Repeatable, also for several accounts
    #[arg(long, value_name = "FILE")]
    pub(crate) directory: Vec<PathBuf>,
}

/// When `--stream` closes a call. Durations are written as `90s`, `5m`, `1h 30m`.
#[derive(Debug, Args)]
#[command(next_help_heading = "Timing (with --stream)")]
pub(crate) struct TimingArgs {
    /// Time after a call's last notification before the call is complete
    #[arg(long, value_name = "TIME", default_value = "1s", requires = "stream", value_parser = duration)]
    pub(crate) settle: SignedDuration,

    /// The same if a notification is missing or a linked session was not seen
    #[arg(long, value_name = "TIME", default_value = "10s", requires = "stream", value_parser = duration)]
    pub(crate) gap_settle: SignedDuration,

    /// Close a call as incomplete if only one of its legs is still open and nothing arrived for this time
    #[arg(long, value_name = "TIME", default_value = "60s", requires = "stream", value_parser = duration)]
    pub(crate) last_leg_idle_timeout: SignedDuration,

    /// Close a call as incomplete if nothing arrived for this time
    #[arg(long, value_name = "TIME", default_value = "8h", requires = "stream", value_parser = duration)]
    pub(crate) idle_timeout: SignedDuration,

    /// Time after a call's end in which late notifications still change it; a later one starts a record of its own,
    /// with `lateFor`
    #[arg(long, value_name = "TIME", default_value = "1h", requires = "stream", value_parser = duration)]
    pub(crate) late_window: SignedDuration,
}

#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    #[command(flatten)]
    pub(crate) calls: CallsArgs,

    /// Write an SVG of one call to standard output
    #[arg(long, conflicts_with = "png")]
    pub(crate) svg: bool,

    /// Write a PNG of one call to a file
    #[arg(long, value_name = "FILE")]
    pub(crate) png: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct CallsArgs {
    /// The id of a call or of any of its sessions [default: every call], then files of notifications, as for `assemble`
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
    /// A table for people
    Table,
    /// For spreadsheets
    Csv,
    /// vCon (IETF), one per line
    Vcon,
}

#[derive(Debug, Args)]
pub(crate) struct GenerateArgs {
    #[command(subcommand)]
    pub(crate) what: Generate,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Generate {
    /// Write completions for a shell to standard output
    Completions {
        #[arg(value_enum)]
        shell: Shell,
    },
    /// Write a man page for each command
    Man {
        /// The directory to write to
        #[arg(value_name = "DIRECTORY")]
        directory: PathBuf,
    },
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn command_definition_is_valid() {
        Cli::command().debug_assert();
    }
}
