//! Arguments of the live connection to RingCentral.

use std::path::PathBuf;

use clap::{Args, Subcommand};

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

    #[command(flatten)]
    pub(crate) proxy: ProxyArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ProxyArgs {
    /// Ask through a proxy, `http://[user:password@]host:port`
    #[arg(long, value_name = "URL", env = "WHOLECALL_HTTPS_PROXY", hide_env_values = true)]
    pub(crate) https_proxy: Option<String>,
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

    #[command(flatten)]
    pub(crate) proxy: ProxyArgs,
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
