//! Arguments of `serve`, and of commands on its data: `check`, `backup`, `restore`, `tenant`, `endpoint`, `forward`.

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, Subcommand, ValueEnum};

use super::values::{Override, days_or_none, duration_or_default, number_or_none};

/// Options override the environment (`WHOLECALL_…`), which overrides the configuration file.
#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// The address to listen at [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) listen: Option<SocketAddr>,

    /// The data folder, created if missing [default: ./wholecall-data]
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,

    /// Allow webhooks to any address, including this machine and its network: for development
    #[arg(long)]
    pub(crate) allow_private_webhooks: bool,

    /// A configuration file (TOML)
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    /// Print the effective configuration as a configuration file, and exit
    #[arg(long)]
    pub(crate) print_config: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "The exit code is 1 if a problem was found and not repaired.")]
pub(crate) struct CheckArgs {
    /// The data folder
    #[arg(long, value_name = "DIR", default_value = "./wholecall-data")]
    pub(crate) data: PathBuf,

    /// Reassemble calls that are wrong, as new versions; the service must not run
    #[arg(long)]
    pub(crate) repair: bool,
}

#[derive(Debug, Args)]
#[command(
    after_help = "To go back to a backup: `wholecall restore FILE --data DIR`, with wholecall.key in the data folder."
)]
pub(crate) struct BackupArgs {
    /// The file to write; it must not exist
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,

    /// The data folder
    #[arg(long, value_name = "DIR", default_value = "./wholecall-data")]
    pub(crate) data: PathBuf,
}

#[derive(Debug, Args)]
#[command(
    after_help = "The feed gets a new incarnation: cursors from before are answered 410. Losses that `check` reports are accepted."
)]
pub(crate) struct RestoreArgs {
    /// The backup, copied into the data folder [default: the data folder already holds it]
    #[arg(value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,

    /// The data folder
    #[arg(long, value_name = "DIR", default_value = "./wholecall-data")]
    pub(crate) data: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct TenantArgs {
    #[command(subcommand)]
    pub(crate) action: TenantAction,

    /// The data folder
    #[arg(long, value_name = "DIR", default_value = "./wholecall-data", global = true)]
    pub(crate) data: PathBuf,

    /// The service's public address [default: the address that the service on this data listens at]
    #[arg(long, value_name = "URL", global = true)]
    pub(crate) public_url: Option<String>,

    /// Print JSON
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum TenantAction {
    /// Add a tenant; its API key and verification token are shown once
    Add {
        /// Lower-case letters, digits and hyphens: part of the hook's address
        name: String,
        /// A RingCentral account whose notifications the tenant receives; repeatable
        #[arg(long = "account", value_name = "ID", required = true)]
        accounts: Vec<String>,
        /// The token that RingCentral sends with each notification [default: WHOLECALL_VERIFICATION_TOKEN, else a new random one]
        #[arg(long, value_name = "TOKEN")]
        verification_token: Option<String>,
        /// A file with the token; `-`: standard input
        #[arg(long, value_name = "FILE", conflicts_with = "verification_token")]
        verification_token_file: Option<PathBuf>,
    },
    /// List all tenants
    List,
    /// Show a tenant
    Show {
        /// The tenant's name
        name: String,
    },
    /// Give a tenant a second secret; `--finish` then removes the old one
    Rotate {
        /// The tenant's name
        name: String,
        /// The secret to replace
        #[arg(value_enum)]
        secret: SecretName,
        /// The new verification token [default: WHOLECALL_VERIFICATION_TOKEN, else a new random one]
        #[arg(long, value_name = "TOKEN", conflicts_with = "finish")]
        token: Option<String>,
        /// A file with the token; `-`: standard input
        #[arg(long, value_name = "FILE", conflicts_with_all = ["finish", "token"])]
        token_file: Option<PathBuf>,
        /// Remove all secrets of this kind but the newest
        #[arg(long)]
        finish: bool,
    },
    /// Override a tenant's settings; a running service applies them within a second
    #[command(after_help = "Durations are written as `90s`, `5m`, `1h 30m`; `default` removes an override.")]
    Set {
        /// The tenant's name
        name: String,
        /// A RingCentral account whose notifications the tenant receives; repeatable, replaces all accounts
        #[arg(long = "account", value_name = "ID", group = "change")]
        accounts: Vec<String>,
        #[command(flatten)]
        settings: SettingsArgs,
    },
    /// Remove a tenant with all its calls and notifications
    Remove {
        /// The tenant's name
        name: String,
        /// Do not ask for confirmation
        #[arg(long)]
        yes: bool,
    },
}

/// Durations are written as `90s`, `5m`, `1h 30m`; `default` removes the override.
#[derive(Debug, Args)]
#[group(id = "change", required = true, multiple = true)]
pub(crate) struct SettingsArgs {
    /// Time after a call's last notification before the call is complete [default: 1s]
    #[arg(long, value_name = "TIME", value_parser = duration_or_default)]
    pub(crate) settle: Option<Override<i64>>,

    /// The same if a notification is missing or a linked session was not seen [default: 10s]
    #[arg(long, value_name = "TIME", value_parser = duration_or_default)]
    pub(crate) gap_settle: Option<Override<i64>>,

    /// Close a call as incomplete if only one of its legs is still open and nothing arrived for this time [default: 60s]
    #[arg(long, value_name = "TIME", value_parser = duration_or_default)]
    pub(crate) last_leg_idle_timeout: Option<Override<i64>>,

    /// Close a call as incomplete if nothing arrived for this time [default: 8h]
    #[arg(long, value_name = "TIME", value_parser = duration_or_default)]
    pub(crate) idle_timeout: Option<Override<i64>>,

    /// Days after which calls and notifications are deleted; `none`: never
    #[arg(long, value_name = "N", value_parser = days_or_none)]
    pub(crate) retention_days: Option<Override<u32>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SecretName {
    /// The key that the tenant's programs send with each request
    ApiKey,
    /// The token that RingCentral sends with each notification
    VerificationToken,
}

#[derive(Debug, Args)]
pub(crate) struct EndpointArgs {
    #[command(subcommand)]
    pub(crate) action: EndpointAction,

    /// The data folder
    #[arg(long, value_name = "DIR", default_value = "./wholecall-data", global = true)]
    pub(crate) data: PathBuf,

    /// Print JSON
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum EndpointAction {
    /// Add an endpoint; its secret is shown once
    Add {
        /// The tenant's name
        tenant: String,
        /// The address to post to: http:// or https://
        url: String,
        /// The secret to sign with, `whsec_…` [default: WHOLECALL_ENDPOINT_SECRET, else a new random one]
        #[arg(long)]
        secret: Option<String>,
        /// A file with the secret; `-`: standard input
        #[arg(long, value_name = "FILE", conflicts_with = "secret")]
        secret_file: Option<PathBuf>,
        #[command(flatten)]
        options: EndpointOptions,
    },
    /// List a tenant's endpoints
    List {
        /// The tenant's name
        tenant: String,
    },
    /// Show an endpoint
    Show {
        /// The tenant's name
        tenant: String,
        /// The endpoint's id, `ep_…`
        id: String,
    },
    /// Change an endpoint; a running service applies the change within a second
    #[command(after_help = "`none` resets an option to its default.")]
    Set {
        /// The tenant's name
        tenant: String,
        /// The endpoint's id, `ep_…`
        id: String,
        /// The address to post to
        #[arg(long)]
        url: Option<String>,
        /// Whether to deliver events; an endpoint that is enabled again receives those it missed
        #[arg(long)]
        enabled: Option<bool>,
        #[command(flatten)]
        options: EndpointOptions,
    },
    /// Give an endpoint a new secret; deliveries are signed with the old one too for a day
    Rotate {
        /// The tenant's name
        tenant: String,
        /// The endpoint's id, `ep_…`
        id: String,
        /// The signature scheme from now on
        #[arg(long, value_enum)]
        signing: Option<SigningName>,
        /// The new secret [default: WHOLECALL_ENDPOINT_SECRET, else a random one]
        #[arg(long)]
        secret: Option<String>,
        /// A file with the secret; `-`: standard input
        #[arg(long, value_name = "FILE", conflicts_with = "secret")]
        secret_file: Option<PathBuf>,
    },
    /// Remove an endpoint and its deliveries
    Remove {
        /// The tenant's name
        tenant: String,
        /// The endpoint's id, `ep_…`
        id: String,
    },
    /// Send an endpoint a test event, once the service runs
    Test {
        /// The tenant's name
        tenant: String,
        /// The endpoint's id, `ep_…`
        id: String,
    },
}

/// `none` resets an option to its default.
#[derive(Debug, Args)]
pub(crate) struct EndpointOptions {
    /// An event type to deliver; repeatable [default: call.completed, call.revised, call.merged]
    #[arg(long = "event", value_name = "TYPE")]
    pub(crate) events: Vec<String>,

    /// Only calls with this direction
    #[arg(long, value_name = "DIRECTION")]
    pub(crate) direction: Option<String>,

    /// Only calls with this result
    #[arg(long, value_name = "RESULT")]
    pub(crate) result: Option<String>,

    /// Only calls with this extension as a participant
    #[arg(long, value_name = "ID")]
    pub(crate) extension: Option<String>,

    /// Only calls that were in this queue
    #[arg(long, value_name = "ID")]
    pub(crate) queue: Option<String>,

    /// Only calls with this phone number as a participant
    #[arg(long, value_name = "NUMBER")]
    pub(crate) number: Option<String>,

    /// Only calls with this customer: a phone number or a participant id
    #[arg(long, value_name = "WHO")]
    pub(crate) customer: Option<String>,

    /// Only calls that this person answered: an extension id, a participant id or a phone number
    #[arg(long, value_name = "WHO")]
    pub(crate) answered_by: Option<String>,

    /// Only calls in which this person of the account talked: an extension id, a participant id or a phone number
    #[arg(long, value_name = "WHO")]
    pub(crate) user: Option<String>,

    /// Only calls whose customer was last in this state: queued, ringing, menu, voicemail, talking, onHold, parked,
    /// none; `any` resets it
    #[arg(long, value_name = "STATE")]
    pub(crate) end_state: Option<String>,

    /// A description of the endpoint
    #[arg(long, value_name = "TEXT")]
    pub(crate) description: Option<String>,

    /// The signature scheme: a shared secret or a key pair
    #[arg(long, value_enum)]
    pub(crate) signing: Option<SigningName>,

    /// Maximum number of requests per second
    #[arg(long, value_name = "N", value_parser = number_or_none)]
    pub(crate) rate_limit: Option<Override<u32>>,

    /// Maximum number of events per request, up to 100
    #[arg(long, value_name = "N", value_parser = number_or_none)]
    pub(crate) batch: Option<Override<u32>>,

    /// Mask phone numbers and omit names
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    pub(crate) redact: Option<bool>,

    /// How much of each record to send
    #[arg(long, value_enum)]
    pub(crate) payload: Option<PayloadName>,

    /// Maximum size of a body in bytes; larger ones are sent without legs, or else as ids with a link
    #[arg(long, value_name = "N", value_parser = number_or_none)]
    pub(crate) max_bytes: Option<Override<u32>>,

    /// An additional header, `Name: value`; repeatable
    #[arg(long = "header", value_name = "LINE")]
    pub(crate) headers: Vec<String>,

    /// A file with additional headers, one per line; `-`: standard input
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
    /// Its id, its version and a link to the record
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
pub(crate) struct ForwardArgs {
    /// The local address to post events to
    #[arg(long, value_name = "URL")]
    pub(crate) forward_to: String,

    /// The service's address
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8080")]
    pub(crate) server: String,

    /// A tenant's API key
    #[arg(long, value_name = "KEY", env = "WHOLECALL_API_KEY", hide_env_values = true)]
    pub(crate) api_key: String,

    /// An event type to forward; repeatable
    #[arg(
        long = "event",
        value_name = "TYPE",
        default_values = ["call.started", "call.completed", "call.revised", "call.merged"]
    )]
    pub(crate) events: Vec<String>,
}
