//! Arguments of `wholecall rejected`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Debug, Args)]
pub(crate) struct RejectedArgs {
    #[command(subcommand)]
    pub(crate) action: RejectedAction,

    /// The data folder
    #[arg(long, value_name = "DIR", default_value = "./wholecall-data", global = true)]
    pub(crate) data: PathBuf,

    /// Print JSON
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum RejectedAction {
    /// List the rejected notifications, newest first
    List {
        /// The tenant's name
        tenant: String,
        /// Maximum number of entries
        #[arg(long, value_name = "N", default_value_t = 50)]
        limit: usize,
    },
    /// Show one with its body, the reason and what can be done
    Show {
        /// The tenant's name
        tenant: String,
        /// The id, as shown by `list`
        id: i64,
    },
    /// Check some or all of them again: at once if the service runs, else at its next start
    Retry {
        /// The tenant's name
        tenant: String,
        /// Their ids, as shown by `list`
        #[arg(required_unless_present = "all")]
        ids: Vec<i64>,
        /// All rejected notifications
        #[arg(long, conflicts_with = "ids")]
        all: bool,
    },
    /// Remove rejected notifications
    Remove {
        /// The tenant's name
        tenant: String,
        /// Their ids, as shown by `list`
        #[arg(required = true)]
        ids: Vec<i64>,
    },
}
