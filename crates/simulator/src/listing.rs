//! The extensions of an account, as RingCentral lists them.

use serde_json::{Value, json};

use crate::account::{Account, e164};

/// One extension of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedExtension {
    /// Its id.
    pub extension: u64,
    /// Its number.
    pub number: u32,
    /// Its name.
    pub name: String,
    /// What it is, in RingCentral's words.
    pub kind: &'static str,
    /// Its public number, as `+` and digits.
    pub direct_number: Option<String>,
    /// An outside number at which the user is reached too, as `+` and digits.
    pub mobile: Option<String>,
}

impl Account {
    /// All extensions: users, queues, the menu, the group, and machines.
    pub fn listing(&self) -> Vec<ListedExtension> {
        let plain = |extension, number, name: &str, kind, direct: u64| ListedExtension {
            extension,
            number,
            name: name.to_owned(),
            kind,
            direct_number: (direct > 0).then(|| e164(direct).to_string()),
            mobile: None,
        };
        let users = self.users.iter().map(|user| ListedExtension {
            mobile: Some(e164(user.mobile).to_string()),
            ..plain(user.extension, user.number, &user.name(), "User", user.direct_number)
        });
        let queues = self.queues.iter().map(|queue| {
            let name = format!("{} queue", queue.name);
            plain(queue.extension, queue.number, &name, "Department", queue.direct_number)
        });
        let menu = &self.menu;
        let menu = plain(menu.extension, menu.number, &format!("IVR Menu {}", menu.number), "IvrMenu", 0);
        let group = &self.group;
        let group = plain(group.extension, group.number, group.name, "SharedLinesGroup", group.direct_number);
        let machines = [
            (self.announcement, "Announcement"),
            (self.mailbox, "Voicemail"),
            (self.park_location(), "ParkLocation"),
        ];
        let machines = machines.map(|(machine, kind)| {
            plain(machine.extension, machine.number, machine.name, kind, machine.direct_number)
        });
        users.chain(queues).chain([menu, group]).chain(machines).collect()
    }

    /// The list of extensions in RingCentral's format.
    pub fn extension_list(&self) -> Value {
        let records = self.listing().into_iter().map(|listed| {
            json!({
                "id": listed.extension, "extensionNumber": listed.number.to_string(), "name": listed.name,
                "type": listed.kind, "status": "Enabled",
            })
        });
        json!({
            "uri": format!("https://platform.ringcentral.com/restapi/v1.0/account/{}/extension", self.id),
            "records": records.collect::<Vec<_>>(),
        })
    }

    /// The list of the account's public numbers in RingCentral's format: the company's and the extensions'.
    pub fn phone_number_list(&self) -> Value {
        let company = json!({
            "id": self.id, "phoneNumber": e164(self.main_number).to_string(), "usageType": "MainCompanyNumber",
        });
        let direct = self.listing().into_iter().filter_map(|listed| {
            Some(json!({
                "id": listed.extension, "phoneNumber": listed.direct_number?, "usageType": "DirectNumber",
                "extension": {"id": listed.extension},
            }))
        });
        let records: Vec<Value> = std::iter::once(company).chain(direct).collect();
        json!({
            "uri": format!("https://platform.ringcentral.com/restapi/v1.0/account/{}/phone-number", self.id),
            "records": records,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use crate::Scenario;

    #[test]
    fn extensions_have_ids_and_numbers_of_their_own() {
        for account in Scenario::named("inbound").unwrap().accounts(1) {
            let listing = account.listing();
            let ids: BTreeSet<u64> = listing.iter().map(|listed| listed.extension).collect();
            let numbers: BTreeSet<u32> = listing.iter().map(|listed| listed.number).collect();
            assert_eq!((ids.len(), numbers.len()), (listing.len(), listing.len()));
            let kinds: BTreeSet<&str> = listing.iter().map(|listed| listed.kind).collect();
            assert_eq!(kinds.len(), 7);
            assert_eq!(account.extension_list()["records"].as_array().map(Vec::len), Some(listing.len()));
            let direct = listing.iter().filter(|listed| listed.direct_number.is_some()).count();
            assert_eq!(account.phone_number_list()["records"].as_array().map(Vec::len), Some(direct + 1));
        }
    }
}
