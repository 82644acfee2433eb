//! Reads RingCentral's lists of an account: names of people, queues and menus, and the owners of numbers.

use std::{collections::BTreeMap, fs, path::Path};

use anyhow::Context;
use serde::Deserialize;
use wholecall_assembly::{Directory, DirectoryEntry, LearnedNames};

/// Directories by account; the one under `None` applies to accounts without their own.
pub(crate) type Directories = BTreeMap<Option<String>, Directory>;

/// A list, or one page of it.
#[derive(Deserialize)]
struct List {
    #[serde(default)]
    uri: Option<String>,
    records: Vec<Listed>,
}

/// An extension, a number of the account, a forwarding number or a device, distinguished by its fields.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    id: Id,
    #[serde(default)]
    uri: Option<String>,
    #[serde(default)]
    account: Option<Owner>,
    #[serde(default)]
    extension_number: Option<String>,
    #[serde(default)]
    name: Option<String>,
    #[serde(default, rename = "type")]
    kind: Option<String>,
    /// Numbers only.
    #[serde(default)]
    phone_number: Option<String>,
    /// The owner; numbers and devices only.
    #[serde(default)]
    extension: Option<Owner>,
    /// Devices only.
    #[serde(default)]
    phone_lines: Option<Vec<PhoneLine>>,
}

#[derive(Deserialize)]
struct Owner {
    id: Id,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PhoneLine {
    #[serde(default)]
    phone_info: Option<PhoneInfo>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PhoneInfo {
    #[serde(default)]
    phone_number: Option<String>,
}

/// Ids are numbers in some of RingCentral's answers and strings in others.
#[derive(Deserialize)]
#[serde(untagged)]
enum Id {
    Number(u64),
    Text(String),
}

impl Id {
    fn text(&self) -> String {
        match self {
            Self::Number(number) => number.to_string(),
            Self::Text(text) => text.clone(),
        }
    }
}

/// Reads the files of `--directory`. Each holds one or several pages of lists: extensions, the account's phone numbers,
/// users' forwarding numbers, devices.
pub(crate) fn read(files: &[impl AsRef<Path>]) -> anyhow::Result<Directories> {
    let mut directories = Directories::new();
    let mut numbers = Vec::new();
    for file in files.iter().map(AsRef::as_ref) {
        let text = fs::read_to_string(file)
            .with_context(|| format!("cannot read the directory {}", file.display()))?;
        for page in serde_json::Deserializer::from_str(&text).into_iter::<List>() {
            let List { uri, records } = page.with_context(|| {
                format!("{} is not RingCentral's extension list (an object with `records`)", file.display())
            })?;
            for listed in records {
                let account = listed.account.as_ref().map(|account| account.id.text());
                let uri = listed.uri.as_deref().filter(|uri| account_of(uri).is_some()).or(uri.as_deref());
                let account = account.or_else(|| account_of(uri?));
                let user = uri.and_then(user_of_forwarding_numbers).map(str::to_owned);
                let directory = directories.entry(account.clone()).or_default();
                if listed.phone_number.is_some() || listed.phone_lines.is_some() {
                    numbers.push((account, user, listed));
                } else {
                    directory.insert(&listed.id.text(), listed.entry());
                }
            }
        }
    }
    // After all extensions are known: lists may come in any order.
    for (account, user, listed) in numbers {
        listed.add_numbers(directories.entry(account).or_default(), user.as_deref());
    }
    Ok(directories)
}

/// Adds the names of extensions learned from the input to the directories.
pub(crate) fn with_names(mut directories: Directories, names: &LearnedNames) -> Directories {
    for account in names.accounts() {
        let directory = with_names_of(&directories, names, account);
        directories.insert(Some(account.to_owned()), directory);
    }
    directories
}

/// The directory of one account, with the names of its extensions learned from the input so far.
pub(crate) fn with_names_of(directories: &Directories, names: &LearnedNames, account: &str) -> Directory {
    let known = directories.get(&Some(account.to_owned())).or_else(|| directories.get(&None));
    let mut directory = known.cloned().unwrap_or_default();
    names.add_to(&mut directory, account);
    directory
}

/// The account in `…/account/809646016/extension/62000104016`; `None` if it is `~`.
fn account_of(uri: &str) -> Option<String> {
    let id = uri.split_once("/account/")?.1.split('/').next()?;
    id.bytes().all(|byte| byte.is_ascii_digit()).then(|| id.to_owned())
}

/// The user in `…/extension/62000104016/forwarding-number`.
fn user_of_forwarding_numbers(uri: &str) -> Option<&str> {
    let (user, rest) = uri.split_once("/extension/")?.1.split_once('/')?;
    rest.starts_with("forwarding-number").then_some(user)
}

impl Listed {
    fn entry(&self) -> DirectoryEntry {
        DirectoryEntry::listed(self.kind.as_deref(), self.name.as_deref(), self.extension_number.as_deref())
    }

    /// Adds a number of the account, a forwarding number of a user, or the lines of a device.
    fn add_numbers(&self, directory: &mut Directory, forwarding_user: Option<&str>) {
        let owner = self.extension.as_ref().map(|owner| owner.id.text());
        match (&self.phone_number, forwarding_user) {
            (Some(number), Some(user)) => directory.add_forwarding(user, number),
            (Some(number), None) => directory.add_phone_number(number, owner.as_deref()),
            (None, _) => {
                let lines = self.phone_lines.iter().flatten().filter_map(|line| line.phone_info.as_ref());
                for number in lines.filter_map(|line| line.phone_number.as_deref()) {
                    owner.iter().for_each(|owner| directory.add_forwarding(owner, number));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_account_is_taken_from_the_uri() {
        assert_eq!(
            account_of("https://platform.ringcentral.com/restapi/v1.0/account/809/extension"),
            Some("809".into())
        );
        assert_eq!(account_of("https://platform.ringcentral.com/restapi/v1.0/account/~/extension"), None);
    }

    #[test]
    fn lists_of_numbers_and_devices_may_precede_the_extension_list() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("lists.json");
        let lists = r#"
            {"uri": "https://x/restapi/v1.0/account/809/phone-number", "records": [
                {"id": 1, "phoneNumber": "+16505550104", "extension": {"id": 104}},
                {"id": 2, "phoneNumber": "+18005550100", "usageType": "MainCompanyNumber"}]}
            {"uri": "https://x/restapi/v1.0/account/809/extension/104/forwarding-number", "records": [
                {"id": "3", "phoneNumber": "+14155550177", "type": "Mobile"}]}
            {"uri": "https://x/restapi/v1.0/account/809/device", "records": [
                {"id": "4", "extension": {"id": 104}, "phoneLines": [
                    {"id": "5", "phoneInfo": {"phoneNumber": "+16505550188"}}]}]}
            {"uri": "https://x/restapi/v1.0/account/809/extension", "records": [
                {"id": 104, "name": "Ada", "type": "User", "extensionNumber": "104"}]}
        "#;
        fs::write(&file, lists).unwrap();
        let directories = read(&[file]).unwrap();
        assert_eq!(directories.len(), 1);
        let directory = &directories[&Some("809".to_owned())];
        assert_eq!(directory.len(), 1, "numbers and devices are not extensions");
        assert_eq!(directory.extension_by_number("+16505550104"), Some("104"));
        assert_eq!(directory.get("104").and_then(|entry| entry.number.as_deref()), Some("+16505550104"));
        assert!(directory.is_account_number("+18005550100"));
        assert!(directory.forwards_to("104", "+14155550177"));
        assert!(directory.forwards_to("104", "+16505550188"));
        assert!(!directory.is_account_number("+14155550177"));
    }
}
