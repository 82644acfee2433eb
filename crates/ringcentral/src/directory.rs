//! Who is in an account: extensions, whatever they are.

use serde::Deserialize;
use serde_json::Value;

use crate::{budget::Group, client::Client, error::Result};

/// A user, a queue, a menu, a place to park calls at, or something else with an extension number.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Extension {
    /// Its id: a number in some answers, text in others.
    pub id: Value,
    /// Its number.
    #[serde(default)]
    pub extension_number: Option<String>,
    /// Its name.
    #[serde(default)]
    pub name: Option<String>,
    /// What it is: `User`, `Department`, `IvrMenu`, `ParkLocation`, …
    #[serde(default, rename = "type")]
    pub kind: Option<String>,
}

impl Extension {
    /// Its id as text.
    pub fn id(&self) -> String {
        self.id.as_str().map_or_else(|| self.id.to_string(), str::to_owned)
    }
}

/// The user's account.
#[derive(Deserialize)]
struct Account {
    id: Value,
}

#[derive(Deserialize)]
struct Page {
    records: Vec<Extension>,
    #[serde(default)]
    navigation: Value,
}

/// RingCentral's largest page.
const PER_PAGE: usize = 1_000;

impl Client {
    /// The id of the user's account.
    pub async fn account_id(&self) -> Result<String> {
        let account: Account = self.get(Group::Light, "/restapi/v1.0/account/~").await?;
        Ok(account.id.as_str().map_or_else(|| account.id.to_string(), str::to_owned))
    }

    /// A page of the account's extensions, from 1 on, and whether there is another.
    pub async fn extensions(&self, page: usize) -> Result<(Vec<Extension>, bool)> {
        let path = format!("/restapi/v1.0/account/~/extension?page={page}&perPage={PER_PAGE}");
        let found: Page = self.get(Group::Medium, &path).await?;
        Ok((found.records, !found.navigation["nextPage"].is_null()))
    }
}
