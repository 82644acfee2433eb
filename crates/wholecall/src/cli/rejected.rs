//! Arguments of `wholecall rejected`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Debug, Args)]
pub(crate) struct RejectedArgs {
    #[command(subcommand)]
    pub(crate) action: RejectedAction,

    /// The folder of the data
    #[arg(long, value_name = "DIR", default_value = "./wholecall-data", global = true)]
    pub(crate) data: PathBuf,

    /// Answer in JSON
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum RejectedAction {
    /// What was posted with the right token and not taken, newest first
    List {
        /// The tenant's name
        tenant: String,
        /// At most this many
        #[arg(long, value_name = "N", default_value_t = 50)]
        limit: usize,
    },
    /// One of them, with its body and what can be done about it
    Show {
        /// The tenant's name
        tenant: String,
        /// Its id, as `list` shows it
        id: i64,
    },
    /// Have some of them judged again, or all; a running service does so at once, else the next one at its start
    Retry {
        /// The tenant's name
        tenant: String,
        /// Their ids, as `list` shows them
        #[arg(required_unless_present = "all")]
        ids: Vec<i64>,
        /// All of them
        #[arg(long, conflicts_with = "ids")]
        all: bool,
    },
    /// Remove some of them
    Remove {
        /// The tenant's name
        tenant: String,
        /// Their ids, as `list` shows them
        #[arg(required = true)]
        ids: Vec<i64>,
    },
}
