//! What the simulated companies' lists tell an assembler.

use wholecall_assembly::{Directory, Entry};
use wholecall_simulator::Account;

/// What RingCentral's lists say of an account.
pub(crate) fn directory(account: &Account) -> Directory {
    let mut directory = Directory::default();
    directory.add_phone_number(&format!("+{}", account.main_number), None);
    for listed in account.listing() {
        let (id, number) = (listed.extension.to_string(), listed.number.to_string());
        directory.insert(&id, Entry::listed(Some(listed.kind), Some(&listed.name), Some(&number)));
        if let Some(direct) = &listed.direct_number {
            directory.add_phone_number(direct, Some(&id));
        }
        if let Some(mobile) = &listed.mobile {
            directory.add_forwarding(&id, mobile);
        }
    }
    directory
}
