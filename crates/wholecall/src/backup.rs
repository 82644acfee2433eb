//! `wholecall backup`: copies the data to a file.

use anyhow::Context;
use wholecall_server::admin;
use wholecall_store::{AuditActor, Store};

use crate::{cli::BackupArgs, input::Tally};

pub(crate) fn run(arguments: &BackupArgs) -> anyhow::Result<Tally> {
    let store = Store::open_existing(&arguments.data)?.acting_as(AuditActor::command_line());
    let file = arguments.file.display();
    let bytes =
        admin::backup(&store, &arguments.file).with_context(|| format!("cannot back up to {file}"))?;
    println!("{file}: {:.1} MB, complete and verified", bytes as f64 / 1e6);
    Ok(Tally::default())
}
