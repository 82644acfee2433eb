//! The commands and their arguments.

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use jiff::SignedDuration;
use wholecall_simulator::{Fault, Faults, Scenario};

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
    /// Add and look after the endpoints that customers are told of their calls at
    Endpoint(EndpointArgs),
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
    /// menus; may be given for several accounts
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

/// What is given here weighs more than the environment (`WHOLECALL_…`), and that more than the file.
#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// Where to listen [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) listen: Option<SocketAddr>,

    /// The folder of the data, made if it is not there [default: ./wholecall-data]
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,

    /// Let webhooks go to any address, also of this machine and its network: for development
    #[arg(long)]
    pub(crate) allow_private_webhooks: bool,

    /// A configuration file (TOML)
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    /// Print the configuration in force, as a configuration file, and do nothing else
    #[arg(long)]
    pub(crate) print_config: bool,
}

#[derive(Debug, Args)]
#[command(
    after_help = "The client secret and the JWT come from files, or from WHOLECALL_CLIENT_SECRET and WHOLECALL_JWT; they \
    are kept sealed with the key in WHOLECALL_SECRET_KEY, or else in wholecall.key beside the data."
)]
pub(crate) struct ConnectArgs {
    /// The tenant whose calls they are; added if there is none of that name
    pub(crate) tenant: String,

    #[command(flatten)]
    pub(crate) credentials: CredentialsArgs,

    /// Where others reach the service, as `public_url` in its configuration: RingCentral posts there
    #[arg(long, value_name = "URL", env = "WHOLECALL_PUBLIC_URL")]
    pub(crate) public_url: Option<String>,

    /// The folder of the data
    #[arg(long, value_name = "DIR", default_value = "./wholecall-data")]
    pub(crate) data: PathBuf,

    /// Answer in JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct CredentialsArgs {
    /// The app's client id, from developers.ringcentral.com
    #[arg(long, value_name = "ID")]
    pub(crate) client_id: String,

    /// A file with the app's client secret
    #[arg(long, value_name = "FILE")]
    pub(crate) client_secret_file: Option<PathBuf>,

    /// A file with a user's JWT credential; the user should be an administrator
    #[arg(long, value_name = "FILE")]
    pub(crate) jwt_file: Option<PathBuf>,

    /// RingCentral: production, a sandbox, or `wholecall fake-ringcentral`
    #[arg(long, value_name = "URL", default_value = "https://platform.ringcentral.com")]
    pub(crate) server: String,
}

#[derive(Debug, Args)]
pub(crate) struct DisconnectArgs {
    /// The tenant
    pub(crate) tenant: String,

    /// The account, where the tenant has several
    #[arg(long, value_name = "ID")]
    pub(crate) account: Option<String>,

    /// The folder of the data
    #[arg(long, value_name = "DIR", default_value = "./wholecall-data")]
    pub(crate) data: PathBuf,
}

#[derive(Debug, Args)]
#[command(after_help = "It makes a subscription and ends it again. The exit code is 1 if a check fails.")]
pub(crate) struct DoctorArgs {
    /// Ask RingCentral itself
    #[arg(long, required = true)]
    pub(crate) live: bool,

    #[command(flatten)]
    pub(crate) credentials: CredentialsArgs,

    /// Where others reach the service, which must be running there: a webhook is tried too
    #[arg(long, value_name = "URL", env = "WHOLECALL_PUBLIC_URL")]
    pub(crate) public_url: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct ConnectionArgs {
    #[command(subcommand)]
    pub(crate) action: ConnectionAction,

    /// The folder of the data
    #[arg(long, value_name = "DIR", default_value = "./wholecall-data", global = true)]
    pub(crate) data: PathBuf,

    /// Answer in JSON
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConnectionAction {
    /// How the connections stand; the exit code is 1 if one does not
    Status {
        /// Those of one tenant only
        tenant: Option<String>,
    },
}

#[derive(Debug, Args)]
#[command(after_help = "The exit code is 1 if anything is wrong that was not repaired.")]
pub(crate) struct CheckArgs {
    /// The folder of the data
    #[arg(long, value_name = "DIR", default_value = "./wholecall-data")]
    pub(crate) data: PathBuf,

    /// Assemble anew what is wrong, as further versions of the calls; not while the service runs
    #[arg(long)]
    pub(crate) repair: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "To go back to a backup, put it into an empty folder as wholecall.db.")]
pub(crate) struct BackupArgs {
    /// The file to write; there must be none of that name
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,

    /// The folder of the data
    #[arg(long, value_name = "DIR", default_value = "./wholecall-data")]
    pub(crate) data: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct TenantArgs {
    #[command(subcommand)]
    pub(crate) action: TenantAction,

    /// The folder of the data
    #[arg(long, value_name = "DIR", default_value = "./wholecall-data", global = true)]
    pub(crate) data: PathBuf,

    /// Under which address others reach the service
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8080", global = true)]
    pub(crate) public_url: String,

    /// Answer in JSON
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum TenantAction {
    /// Add a tenant; its API key and verification token are shown once
    Add {
        /// Small letters, digits and hyphens: part of the hook's address
        name: String,
        /// A RingCentral account whose notifications it gets; may be given several times
        #[arg(long = "account", value_name = "ID", required = true)]
        accounts: Vec<String>,
        /// What RingCentral is to show with each notification [default: a new random one]
        #[arg(long, value_name = "TOKEN")]
        verification_token: Option<String>,
    },
    /// All tenants
    List,
    /// One tenant
    Show {
        /// Its name
        name: String,
    },
    /// Give a tenant a new secret beside the old one; `--finish` then removes the old
    Rotate {
        /// Its name
        name: String,
        /// Which secret
        #[arg(value_enum)]
        secret: SecretName,
        /// The new verification token [default: a new random one]
        #[arg(long, value_name = "TOKEN", conflicts_with = "finish")]
        token: Option<String>,
        /// Remove all but the newest
        #[arg(long)]
        finish: bool,
    },
    /// Change what a tenant wants otherwise than others; a running service follows within a second
    Set {
        /// Its name
        name: String,
        #[command(flatten)]
        settings: SettingsArgs,
    },
    /// Remove a tenant with all its calls and notifications
    Remove {
        /// Its name
        name: String,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
}

/// Lengths of time are written as `90s`, `5m`, `1h 30m`; `usual` goes back to what is usual.
#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
pub(crate) struct SettingsArgs {
    /// After a call's last notification, before it counts as complete [usual: 1s]
    #[arg(long, value_name = "TIME", value_parser = length_or_usual)]
    pub(crate) settle: Option<Wanted<i64>>,

    /// The same, where a notification is missing or a linked session was not seen [usual: 10s]
    #[arg(long, value_name = "TIME", value_parser = length_or_usual)]
    pub(crate) gap_settle: Option<Wanted<i64>>,

    /// Silence after which a call is given up of which one leg of several has not ended [usual: 60s]
    #[arg(long, value_name = "TIME", value_parser = length_or_usual)]
    pub(crate) last_leg_stale: Option<Wanted<i64>>,

    /// Silence after which any call is given up [usual: 8h]
    #[arg(long, value_name = "TIME", value_parser = length_or_usual)]
    pub(crate) stale: Option<Wanted<i64>>,

    /// For how many days calls and notifications are kept; `none`: for ever
    #[arg(long, value_name = "N", value_parser = days_or_none)]
    pub(crate) retention_days: Option<Wanted<u32>>,
}

/// A setting, or none of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wanted<T>(pub(crate) Option<T>);

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SecretName {
    /// What the tenant's programs show with each query
    ApiKey,
    /// What RingCentral shows with each notification
    VerificationToken,
}

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

    /// What goes wrong on the way: reorder, delay, duplicate, overlap, skew, drop, drop-leg, drop-last,
    /// drop-session, restart, blacklist; several with commas between them
    #[arg(long, value_name = "FAULTS")]
    pub(crate) faults: Option<Faults>,

    /// Decides about everything that may vary: the same seed plays the same
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,
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
    /// What to show with each notification
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

#[derive(Debug, Args)]
pub(crate) struct EndpointArgs {
    #[command(subcommand)]
    pub(crate) action: EndpointAction,

    /// The folder of the data
    #[arg(long, value_name = "DIR", default_value = "./wholecall-data", global = true)]
    pub(crate) data: PathBuf,

    /// Answer in JSON
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum EndpointAction {
    /// Add an endpoint; its secret is shown once
    Add {
        /// The tenant's name
        tenant: String,
        /// Where to post: http:// or https://
        url: String,
        /// The secret to sign with, `whsec_…` [default: a new random one]
        #[arg(long)]
        secret: Option<String>,
        #[command(flatten)]
        options: EndpointOptions,
    },
    /// All endpoints of a tenant
    List {
        /// The tenant's name
        tenant: String,
    },
    /// One endpoint
    Show {
        /// The tenant's name
        tenant: String,
        /// The endpoint's id, `ep_…`
        id: String,
    },
    /// Change an endpoint; a running service follows within a second
    Set {
        /// The tenant's name
        tenant: String,
        /// The endpoint's id, `ep_…`
        id: String,
        /// Where to post
        #[arg(long)]
        url: Option<String>,
        /// Whether to deliver; enabled again, it is told what it has missed
        #[arg(long)]
        enabled: Option<bool>,
        #[command(flatten)]
        options: EndpointOptions,
    },
    /// Give an endpoint a new secret; for a day, the old one signs too
    Rotate {
        /// The tenant's name
        tenant: String,
        /// The endpoint's id, `ep_…`
        id: String,
        /// How to sign from now on
        #[arg(long, value_enum)]
        signing: Option<SigningName>,
        /// The new secret [default: a random one]
        #[arg(long)]
        secret: Option<String>,
    },
    /// Remove an endpoint with what is known of its deliveries
    Remove {
        /// The tenant's name
        tenant: String,
        /// The endpoint's id, `ep_…`
        id: String,
    },
    /// Send an endpoint a test event, as soon as a service runs
    Test {
        /// The tenant's name
        tenant: String,
        /// The endpoint's id, `ep_…`
        id: String,
    },
}

/// `none` goes back to what is usual.
#[derive(Debug, Args)]
pub(crate) struct EndpointOptions {
    /// A type of event; may be given several times [usual: call.completed, call.revised, call.merged]
    #[arg(long = "event", value_name = "TYPE")]
    pub(crate) events: Vec<String>,

    /// Only calls of this direction
    #[arg(long, value_name = "DIRECTION")]
    pub(crate) direction: Option<String>,

    /// Only calls with this result
    #[arg(long, value_name = "RESULT")]
    pub(crate) result: Option<String>,

    /// Only calls in which this extension takes part
    #[arg(long, value_name = "ID")]
    pub(crate) extension: Option<String>,

    /// Only calls that were in this queue
    #[arg(long, value_name = "ID")]
    pub(crate) queue: Option<String>,

    /// Only calls in which this number takes part
    #[arg(long, value_name = "NUMBER")]
    pub(crate) number: Option<String>,

    /// What it is for
    #[arg(long, value_name = "TEXT")]
    pub(crate) description: Option<String>,

    /// How to sign: by a secret that both know, or by a key pair
    #[arg(long, value_enum)]
    pub(crate) signing: Option<SigningName>,

    /// At most so many requests a second
    #[arg(long, value_name = "N", value_parser = number_or_none)]
    pub(crate) rate_limit: Option<Wanted<u32>>,

    /// Up to so many events in one request, 100 at most
    #[arg(long, value_name = "N", value_parser = number_or_none)]
    pub(crate) batch: Option<Wanted<u32>>,

    /// Mask numbers and drop names
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    pub(crate) redact: Option<bool>,

    /// A header to send along, `Name: value`; may be given several times
    #[arg(long = "header", value_name = "LINE")]
    pub(crate) headers: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SigningName {
    /// HMAC-SHA256
    V1,
    /// Ed25519
    V1a,
}

impl From<SigningName> for wholecall_store::Signing {
    fn from(name: SigningName) -> Self {
        match name {
            SigningName::V1 => Self::Hmac,
            SigningName::V1a => Self::Ed25519,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct ListenArgs {
    /// The program that is told
    #[arg(long, value_name = "URL")]
    pub(crate) forward_to: String,

    /// The service
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8080")]
    pub(crate) server: String,

    /// A tenant's API key
    #[arg(long, value_name = "KEY", env = "WHOLECALL_API_KEY", hide_env_values = true)]
    pub(crate) api_key: String,

    /// A type of event; may be given several times
    #[arg(
        long = "event",
        value_name = "TYPE",
        default_values = ["call.started", "call.completed", "call.revised", "call.merged"]
    )]
    pub(crate) events: Vec<String>,
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

fn scenario(name: &str) -> Result<Scenario, String> {
    Scenario::named(name).ok_or_else(|| "there is no such scenario; --list tells the names".to_owned())
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
    match Fault::ALL.into_iter().find(|fault| faults.has(*fault) && !single.contains(fault)) {
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

/// In milliseconds.
fn length_or_usual(text: &str) -> Result<Wanted<i64>, String> {
    if text == "usual" {
        return Ok(Wanted(None));
    }
    let milliseconds = length(text)?.as_millis();
    i64::try_from(milliseconds).map(|length| Wanted(Some(length))).map_err(|_| "that is too long".to_owned())
}

fn days_or_none(text: &str) -> Result<Wanted<u32>, String> {
    match text {
        "none" => Ok(Wanted(None)),
        _ => match text.parse() {
            Ok(days @ 1..=36_500) => Ok(Wanted(Some(days))),
            _ => Err("1 to 36500 days, or none".to_owned()),
        },
    }
}

fn number_or_none(text: &str) -> Result<Wanted<u32>, String> {
    match text {
        "none" => Ok(Wanted(None)),
        _ => text.parse().map(|number| Wanted(Some(number))).map_err(|_| "a number, or none".to_owned()),
    }
}

fn length(text: &str) -> Result<SignedDuration, String> {
    let length: SignedDuration =
        text.parse().map_err(|_| "a length of time is written like 500ms, 90s, 5m or 1h 30m".to_owned())?;
    if length.is_negative() { Err("a length of time cannot be negative".to_owned()) } else { Ok(length) }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn lengths_of_time() {
        assert_eq!(length("1h 30m"), Ok(SignedDuration::from_mins(90)));
        assert_eq!(length("500ms"), Ok(SignedDuration::from_millis(500)));
        assert_eq!(length("0s"), Ok(SignedDuration::ZERO));
        assert_eq!(length_or_usual("2s"), Ok(Wanted(Some(2_000))));
        assert_eq!(length_or_usual("usual"), Ok(Wanted(None)));
        assert!(length_or_usual("200000000 years").is_err() && length_or_usual("2").is_err());
        assert_eq!(days_or_none("30"), Ok(Wanted(Some(30))));
        assert_eq!(days_or_none("none"), Ok(Wanted(None)));
        assert!(days_or_none("0").is_err() && days_or_none("-1").is_err());
        assert!(length("soon").is_err());
        assert!(length("-1s").is_err());
    }
}
