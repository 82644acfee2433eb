//! RingCentral's extension list, to name people, queues and menus.

use std::{collections::BTreeMap, fs, path::Path};

use anyhow::Context;
use serde::Deserialize;
use wholecall_assembly::{Directory, Entry};

/// Directories by account; without an account, for all that have none of their own.
pub(crate) type Directories = BTreeMap<Option<String>, Directory>;

/// One page of the list, or all of it.
#[derive(Deserialize)]
struct ExtensionList {
    #[serde(default)]
    uri: Option<String>,
    records: Vec<Extension>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Extension {
    id: Id,
    #[serde(default)]
    uri: Option<String>,
    #[serde(default)]
    account: Option<Account>,
    #[serde(default)]
    extension_number: Option<String>,
    #[serde(default)]
    name: Option<String>,
    #[serde(default, rename = "type")]
    kind: Option<String>,
}

#[derive(Deserialize)]
struct Account {
    id: Id,
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

/// Reads the files of `--directory`; each may hold one page of the list or several, one after the other.
pub(crate) fn read(files: &[impl AsRef<Path>]) -> anyhow::Result<Directories> {
    let mut directories = Directories::new();
    for file in files.iter().map(AsRef::as_ref) {
        let text = fs::read_to_string(file)
            .with_context(|| format!("cannot read the directory {}", file.display()))?;
        for page in serde_json::Deserializer::from_str(&text).into_iter::<ExtensionList>() {
            let page = page.with_context(|| {
                format!("{} is not RingCentral's extension list (an object with `records`)", file.display())
            })?;
            for extension in &page.records {
                let account = extension.account.as_ref().map(|account| account.id.text());
                let account = account
                    .or_else(|| account_of(extension.uri.as_deref()?))
                    .or_else(|| account_of(page.uri.as_deref()?));
                directories.entry(account).or_default().insert(&extension.id.text(), extension.entry());
            }
        }
    }
    Ok(directories)
}

/// The account in `…/account/809646016/extension/62000104016`; none in `…/account/~/…`.
fn account_of(uri: &str) -> Option<String> {
    let id = uri.split_once("/account/")?.1.split('/').next()?;
    id.bytes().all(|byte| byte.is_ascii_digit()).then(|| id.to_owned())
}

impl Extension {
    fn entry(&self) -> Entry {
        Entry::listed(self.kind.as_deref(), self.name.as_deref(), self.extension_number.as_deref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_are_found_where_they_stand() {
        assert_eq!(
            account_of("https://platform.ringcentral.com/restapi/v1.0/account/809/extension"),
            Some("809".into())
        );
        assert_eq!(account_of("https://platform.ringcentral.com/restapi/v1.0/account/~/extension"), None);
    }
}
