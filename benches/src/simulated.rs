//! Simulated calls, assembled: the directories of simulated accounts, and the records of simulated notifications.

use std::{error::Error, sync::Arc};

use wholecall_assembly::{Collection, Directory, DirectoryEntry};
use wholecall_notification::{Document, Message};
use wholecall_simulator::{Account, Notification, Record};

/// Directories by account.
pub type Directories = Vec<(String, Arc<Directory>)>;

/// The directories of simulated accounts.
pub fn directories(accounts: &[Account]) -> Directories {
    let of = |account: &Account| (account.id.to_string(), Arc::new(directory(account)));
    accounts.iter().map(of).collect()
}

/// An account's directory, as it follows from RingCentral's lists.
pub fn directory(account: &Account) -> Directory {
    let mut directory = Directory::default();
    directory.add_phone_number(&format!("+{}", account.main_number), None);
    for listed in account.listing() {
        let (id, number) = (listed.extension.to_string(), listed.number.to_string());
        directory.insert(&id, DirectoryEntry::listed(Some(listed.kind), Some(&listed.name), Some(&number)));
        if let Some(direct) = &listed.direct_number {
            directory.add_phone_number(direct, Some(&id));
        }
        if let Some(mobile) = &listed.mobile {
            directory.add_forwarding(&id, mobile);
        }
    }
    directory
}

/// Assembles notifications into records. Both are written as JSON and parsed, so that the formats are tested too.
pub fn assemble(
    notifications: &[Notification],
    directories: &Directories,
) -> Result<Vec<Record>, Box<dyn Error>> {
    let documents: Vec<String> = notifications.iter().map(Notification::to_json).collect();
    let mut collection = Collection::default();
    for (account, directory) in directories {
        collection.set_directory(Some(account), Arc::clone(directory));
    }
    for json in &documents {
        let document = Document::parse(json)?;
        match document.message()? {
            Message::Session(notification) => collection.add(&notification),
            other => return Err(format!("not a telephony notification: {other:?}").into()),
        }
    }
    let calls = collection.finish();
    let records = calls.records().map(|record| Ok(Record::from_json(&serde_json::to_string(&record)?)?));
    records.collect()
}
