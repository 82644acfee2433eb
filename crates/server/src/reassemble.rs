//! Assembles calls again from stored notifications.

use std::sync::Arc;

use wholecall_assembly::{Collection, Directory};
use wholecall_notification::{Document, Message};
use wholecall_store::Entry;

/// Collects notifications, with a directory for all accounts. Entries that are not notifications are left out.
pub(crate) fn collect<'a>(
    entries: impl IntoIterator<Item = &'a Entry>,
    directory: Option<Arc<Directory>>,
) -> Collection {
    let mut collection = Collection::default();
    directory.into_iter().for_each(|directory| collection.set_directory(None, directory));
    for entry in entries {
        if let Ok(document) = Document::parse(&entry.body)
            && let Ok(Message::Session(notification)) = document.message()
        {
            collection.add(&notification);
        }
    }
    collection
}
