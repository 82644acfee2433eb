//! Arguments of the service and of what works beside it.

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, Subcommand, ValueEnum};

use super::values::{Wanted, days_or_none, length_or_usual, number_or_none};

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
#[command(
    after_help = "To go back to a backup: `wholecall restore FILE --data DIR`, with wholecall.key beside it."
)]
pub(crate) struct BackupArgs {
    /// The file to write; there must be none of that name
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,

    /// The folder of the data
    #[arg(long, value_name = "DIR", default_value = "./wholecall-data")]
    pub(crate) data: PathBuf,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Readers of the feed are told with 410 that it is another one. What `check` says to be lost is forgotten."
)]
pub(crate) struct RestoreArgs {
    /// The copy, which is put into the folder; without it, the folder is such a copy
    #[arg(value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,

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

    /// Under which address others reach the service [default: where the service on this data listens]
    #[arg(long, value_name = "URL", global = true)]
    pub(crate) public_url: Option<String>,

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
        /// What RingCentral is to show with each notification [default: WHOLECALL_VERIFICATION_TOKEN, else a new random one]
        #[arg(long, value_name = "TOKEN")]
        verification_token: Option<String>,
        /// A file with it; `-`: standard input
        #[arg(long, value_name = "FILE", conflicts_with = "verification_token")]
        verification_token_file: Option<PathBuf>,
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
        /// The new verification token [default: WHOLECALL_VERIFICATION_TOKEN, else a new random one]
        #[arg(long, value_name = "TOKEN", conflicts_with = "finish")]
        token: Option<String>,
        /// A file with it; `-`: standard input
        #[arg(long, value_name = "FILE", conflicts_with_all = ["finish", "token"])]
        token_file: Option<PathBuf>,
        /// Remove all but the newest
        #[arg(long)]
        finish: bool,
    },
    /// Change what a tenant wants otherwise than others; a running service follows within a second
    Set {
        /// Its name
        name: String,
        /// A RingCentral account whose notifications it gets, instead of those it has; may be given several times
        #[arg(long = "account", value_name = "ID", group = "change")]
        accounts: Vec<String>,
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
#[group(id = "change", required = true, multiple = true)]
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

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SecretName {
    /// What the tenant's programs show with each query
    ApiKey,
    /// What RingCentral shows with each notification
    VerificationToken,
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
        /// The secret to sign with, `whsec_…` [default: WHOLECALL_ENDPOINT_SECRET, else a new random one]
        #[arg(long)]
        secret: Option<String>,
        /// A file with it; `-`: standard input
        #[arg(long, value_name = "FILE", conflicts_with = "secret")]
        secret_file: Option<PathBuf>,
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
        /// The new secret [default: WHOLECALL_ENDPOINT_SECRET, else a random one]
        #[arg(long)]
        secret: Option<String>,
        /// A file with it; `-`: standard input
        #[arg(long, value_name = "FILE", conflicts_with = "secret")]
        secret_file: Option<PathBuf>,
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

    /// Only calls of this customer: a number or a participant id
    #[arg(long, value_name = "WHO")]
    pub(crate) customer: Option<String>,

    /// Only calls that this person answered: an extension id, a participant id or a number
    #[arg(long, value_name = "WHO")]
    pub(crate) answered_by: Option<String>,

    /// Only calls in which this person of the account talked: an extension id, a participant id or a number
    #[arg(long, value_name = "WHO")]
    pub(crate) user: Option<String>,

    /// Only calls whose customer was left so: queued, ringing, menu, voicemail, talking, onHold, parked, none; `any`
    /// goes back to what is usual
    #[arg(long, value_name = "STATE")]
    pub(crate) end_state: Option<String>,

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

    /// How much of a call's record to send
    #[arg(long, value_enum)]
    pub(crate) payload: Option<PayloadName>,

    /// Send what would be a longer body with less detail: without legs, then with ids and a link only
    #[arg(long, value_name = "N", value_parser = number_or_none)]
    pub(crate) max_bytes: Option<Wanted<u32>>,

    /// A header to send along, `Name: value`; may be given several times
    #[arg(long = "header", value_name = "LINE")]
    pub(crate) headers: Vec<String>,

    /// A file with such headers, one a line; `-`: standard input
    #[arg(long, value_name = "FILE", conflicts_with = "headers")]
    pub(crate) header_file: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SigningName {
    /// HMAC-SHA256
    V1,
    /// Ed25519
    V1a,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum PayloadName {
    /// The whole record
    Full,
    /// The record without its legs
    WithoutLegs,
    /// Its id, its version and a link to it
    Thin,
}

impl From<PayloadName> for wholecall_store::Payload {
    fn from(name: PayloadName) -> Self {
        match name {
            PayloadName::Full => Self::Full,
            PayloadName::WithoutLegs => Self::WithoutLegs,
            PayloadName::Thin => Self::Thin,
        }
    }
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
