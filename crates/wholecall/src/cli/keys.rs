//! Arguments of `wholecall key` and `wholecall audit`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::values::{future_time, time};

#[derive(Debug, Args)]
pub(crate) struct KeyArgs {
    #[command(subcommand)]
    pub(crate) action: KeyAction,

    /// The data folder
    #[arg(long, value_name = "DIR", default_value = "./wholecall-data", global = true)]
    pub(crate) data: PathBuf,

    /// Print JSON
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum KeyAction {
    /// Add an API key, which is shown once
    Add {
        /// The tenant's name
        #[arg(long, value_name = "NAME")]
        tenant: String,
        /// The key's name: 1 to 64 letters, digits, spaces and . _ -
        #[arg(long)]
        name: String,
        /// What the key permits
        #[arg(long, value_enum)]
        scope: ScopeName,
        /// When the key expires: a duration from now (90d, 12h), a day (2027-01-31, 00:00 UTC) or a time [default: never]
        #[arg(long, value_name = "WHEN", value_parser = future_time)]
        expires: Option<i64>,
    },
    /// List a tenant's API keys with scope, expiry and last use
    List {
        /// The tenant's name
        #[arg(long, value_name = "NAME")]
        tenant: String,
    },
    /// Remove an API key; its open requests and streams end within a second
    Remove {
        /// The tenant's name
        #[arg(long, value_name = "NAME")]
        tenant: String,
        /// The id, as shown by `list`
        #[arg(long, required_unless_present = "name")]
        id: Option<i64>,
        /// The name, if only one key has it
        #[arg(long, conflicts_with = "id")]
        name: Option<String>,
    },
}

/// Each scope includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ScopeName {
    /// Read the tenant's data
    Read,
    /// Also export it as CSV and vCon
    Export,
    /// Also change endpoints, import, request redeliveries, retry rejected notifications
    Write,
    /// Also erase people, manage keys and read the audit log
    Admin,
}

impl From<ScopeName> for wholecall_store::Scope {
    fn from(name: ScopeName) -> Self {
        match name {
            ScopeName::Read => Self::Read,
            ScopeName::Export => Self::Export,
            ScopeName::Write => Self::Write,
            ScopeName::Admin => Self::Admin,
        }
    }
}

#[derive(Debug, Args)]
#[command(after_help = "The columns have titles on a terminal only; `--json` writes an object per line.")]
pub(crate) struct AuditArgs {
    /// Only entries about this tenant, which may have been removed since
    #[arg(long, value_name = "NAME")]
    pub(crate) tenant: Option<String>,

    /// Only this kind of entry: key.add, person.erase, signIn and so on
    #[arg(long, value_parser = kind)]
    pub(crate) what: Option<wholecall_store::AuditAction>,

    /// Only entries of this time or later: a day or a time
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(crate) since: Option<i64>,

    /// Only entries before this time
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(crate) until: Option<i64>,

    /// Maximum number of entries, the latest
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub(crate) limit: usize,

    /// The data folder
    #[arg(long, value_name = "DIR", default_value = "./wholecall-data")]
    pub(crate) data: PathBuf,

    /// Print JSON, one entry per line
    #[arg(long)]
    pub(crate) json: bool,
}

fn kind(word: &str) -> Result<wholecall_store::AuditAction, String> {
    wholecall_store::AuditAction::from_word(word).ok_or_else(|| {
        let known: Vec<&str> = wholecall_store::AuditAction::ALL.iter().map(|kind| kind.as_str()).collect();
        format!("one of {}", known.join(", "))
    })
}
