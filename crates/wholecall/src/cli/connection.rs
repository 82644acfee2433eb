//! Arguments of `connect`, `disconnect`, `doctor` and `connection`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Debug, Args)]
#[command(
    after_help = "The client secret and the JWT come from files, or from WHOLECALL_CLIENT_SECRET and WHOLECALL_JWT; they \
    are stored encrypted with the key in WHOLECALL_SECRET_KEY, or else in wholecall.key in the data folder."
)]
pub(crate) struct ConnectArgs {
    /// The tenant that receives the calls; added if it does not exist
    pub(crate) tenant: String,

    #[command(flatten)]
    pub(crate) credentials: CredentialsArgs,

    /// The service's public address, `public_url` in its configuration: RingCentral posts to it
    #[arg(long, value_name = "URL", env = "WHOLECALL_PUBLIC_URL")]
    pub(crate) public_url: Option<String>,

    /// The data folder
    #[arg(long, value_name = "DIR", default_value = "./wholecall-data")]
    pub(crate) data: PathBuf,

    /// Print JSON
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

    /// A file with the JWT credential of a user, who should be an administrator
    #[arg(long, value_name = "FILE")]
    pub(crate) jwt_file: Option<PathBuf>,

    /// The RingCentral to use: production, a sandbox, or `wholecall fake-ringcentral`
    #[arg(long, value_name = "URL", default_value = "https://platform.ringcentral.com")]
    pub(crate) server: String,

    #[command(flatten)]
    pub(crate) proxy: ProxyArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ProxyArgs {
    /// The proxy for requests to RingCentral, `http://[user:password@]host:port`
    #[arg(long, value_name = "URL", env = "WHOLECALL_HTTPS_PROXY", hide_env_values = true)]
    pub(crate) https_proxy: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct DisconnectArgs {
    /// The tenant's name
    pub(crate) tenant: String,

    /// The account, if the tenant has several
    #[arg(long, value_name = "ID")]
    pub(crate) account: Option<String>,

    /// The data folder
    #[arg(long, value_name = "DIR", default_value = "./wholecall-data")]
    pub(crate) data: PathBuf,

    #[command(flatten)]
    pub(crate) proxy: ProxyArgs,
}

#[derive(Debug, Args)]
#[command(after_help = "Creates a subscription and deletes it. The exit code is 1 if a check fails.")]
pub(crate) struct DoctorArgs {
    #[command(flatten)]
    pub(crate) credentials: CredentialsArgs,

    /// The public address of a running service, to check that RingCentral can reach it
    #[arg(long, value_name = "URL", env = "WHOLECALL_PUBLIC_URL")]
    pub(crate) public_url: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct ConnectionArgs {
    #[command(subcommand)]
    pub(crate) action: ConnectionAction,

    /// The data folder
    #[arg(long, value_name = "DIR", default_value = "./wholecall-data", global = true)]
    pub(crate) data: PathBuf,

    /// Print JSON
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConnectionAction {
    /// Show the status of connections; the exit code is 1 if one is not live
    Status {
        /// Only the connections of this tenant
        tenant: Option<String>,
    },
}
