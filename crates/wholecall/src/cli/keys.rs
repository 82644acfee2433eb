//! Arguments of `wholecall key` and `wholecall audit`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::values::{moment, time_to_come};

#[derive(Debug, Args)]
pub(crate) struct KeyArgs {
    #[command(subcommand)]
    pub(crate) action: KeyAction,

    /// The folder of the data
    #[arg(long, value_name = "DIR", default_value = "./wholecall-data", global = true)]
    pub(crate) data: PathBuf,

    /// Answer in JSON
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum KeyAction {
    /// Add an API key to a tenant; it is shown once
    Add {
        /// The tenant's name
        #[arg(long, value_name = "NAME")]
        tenant: String,
        /// What the key is called: 1 to 64 letters, digits, spaces and . _ -
        #[arg(long)]
        name: String,
        /// What it may do
        #[arg(long, value_enum)]
        scope: ScopeName,
        /// When it expires: a length of time from now (90d, 12h), a day (2027-01-31, its beginning in UTC) or a time [default: never]
        #[arg(long, value_name = "WHEN", value_parser = time_to_come)]
        expires: Option<i64>,
    },
    /// A tenant's API keys: what each may do, until when, and when it was used last
    List {
        /// The tenant's name
        #[arg(long, value_name = "NAME")]
        tenant: String,
    },
    /// Remove an API key; what is open with it ends within a second
    Remove {
        /// The tenant's name
        #[arg(long, value_name = "NAME")]
        tenant: String,
        /// Its id, as `list` shows it
        #[arg(long, required_unless_present = "name")]
        id: Option<i64>,
        /// Its name, where only one key has it
        #[arg(long, conflicts_with = "id")]
        name: Option<String>,
    },
}

/// Each includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ScopeName {
    /// Read the tenant's data
    Read,
    /// Also take it away as CSV and vCon
    Export,
    /// Also change endpoints, import, send again, retry what was rejected
    Write,
    /// Also erase people, manage keys, read the audit log
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
#[command(after_help = "On a terminal as a table, elsewhere as lines; `--json` writes an object per line.")]
pub(crate) struct AuditArgs {
    /// Only what concerns this tenant, which may have been removed since
    #[arg(long, value_name = "NAME")]
    pub(crate) tenant: Option<String>,

    /// Only of this: key.add, person.erase, signIn and so on
    #[arg(long, value_parser = what)]
    pub(crate) what: Option<wholecall_store::What>,

    /// Only of this time or later: a day or a time
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub(crate) since: Option<i64>,

    /// Only of before this time
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub(crate) until: Option<i64>,

    /// At most this many, the latest
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub(crate) limit: usize,

    /// The folder of the data
    #[arg(long, value_name = "DIR", default_value = "./wholecall-data")]
    pub(crate) data: PathBuf,

    /// Write JSON, an entry per line
    #[arg(long)]
    pub(crate) json: bool,
}

fn what(word: &str) -> Result<wholecall_store::What, String> {
    wholecall_store::What::from_word(word).ok_or_else(|| {
        let known: Vec<&str> = wholecall_store::What::ALL.iter().map(|what| what.as_str()).collect();
        format!("one of {}", known.join(", "))
    })
}
