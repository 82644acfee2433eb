//! `wholecall restore`: starts a new incarnation of the data, from a backup.

use std::{
    fs::{self, OpenOptions},
    io,
};

use anyhow::Context;
use wholecall_store::{AuditActor, FILE_NAME, Store};

use crate::{cli::RestoreArgs, input::Tally};

pub(crate) fn run(arguments: &RestoreArgs) -> anyhow::Result<Tally> {
    let data = arguments.data.display();
    if let Some(copy) = &arguments.file {
        fs::create_dir_all(&arguments.data).with_context(|| format!("{data} cannot be created"))?;
        let path = arguments.data.join(FILE_NAME);
        // Existing data is never overwritten: it may be the only copy.
        let mut to = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&path)
            .with_context(|| format!("{} cannot be created", path.display()))?;
        let copied = fs::File::open(copy).and_then(|mut from| {
            io::copy(&mut from, &mut to)?;
            to.sync_all()
        });
        if let Err(error) = copied {
            let _ = fs::remove_file(&path);
            return Err(error).with_context(|| format!("{} cannot be copied", copy.display()));
        }
    }
    let store = Store::open_existing(&arguments.data)?.acting_as(AuditActor::command_line());
    store.restore()?;
    let (notifications, calls) = store.counts()?;
    println!(
        "{data}: {notifications} notifications, {calls} calls; the feed has a new incarnation: older cursors are answered 410"
    );
    Ok(Tally::default())
}
