//! Who and what has an extension in an account: people, queues, menus, places to park calls at, and their numbers.

use serde::{Deserialize, Deserializer, Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{
    budget::Group,
    client::Client,
    error::{Error, Refusal, Result},
    id::segment,
};

const ACCOUNT: &str = "/restapi/v1.0/account/~";

/// RingCentral's largest page.
const PER_PAGE: usize = 1_000;

/// What an account consists of, in RingCentral's words; lists are in order of their ids. Without a change at RingCentral
/// it is the same whenever it is read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Directory {
    /// Everything that has an extension: users, queues, menus, places to park calls at, …
    pub extensions: Vec<Extension>,
    /// The queues among them.
    pub queues: Vec<Queue>,
    /// Telephone numbers.
    pub phone_numbers: Vec<PhoneNumber>,
    /// Devices with telephone lines.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub devices: Vec<Device>,
    /// The numbers that users' calls are forwarded to.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub forwarding: Vec<Forwarding>,
    /// What RingCentral does not tell this user of this app.
    pub missing: Vec<MissingPart>,
}

/// A user, a queue, a menu, a place to park calls at, or something else with an extension number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Extension {
    /// Its id.
    #[serde(deserialize_with = "id")]
    pub id: String,
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

/// A call queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Queue {
    /// Its extension's id.
    pub id: String,
    /// The extensions' ids of its members.
    pub members: Vec<String>,
}

/// A telephone number of the account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PhoneNumber {
    /// The number, as E.164 has it.
    pub phone_number: String,
    /// What it is for: `MainCompanyNumber`, `DirectNumber`, …
    pub usage_type: Option<String>,
    /// The id of the extension it belongs to; none: the company's.
    pub extension_id: Option<String>,
}

/// A telephone or an app of an extension.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Device {
    /// Its id.
    pub id: String,
    /// The id of the extension it belongs to.
    pub extension_id: Option<String>,
    /// The numbers of its lines.
    pub lines: Vec<String>,
}

/// The numbers that a user's calls are forwarded to, or flipped to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Forwarding {
    /// The user's extension.
    pub extension_id: String,
    /// The numbers, in order.
    pub numbers: Vec<String>,
}

/// A part of a directory that is not told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MissingPart {
    /// `queues`, `phoneNumbers`, `devices`, `forwardingNumbers`.
    pub part: String,
    /// The permission that is missing, where RingCentral says so.
    pub permission: Option<String>,
    /// What it says.
    pub reason: String,
}

/// A directory that is being read: what was told so far. What the limits do not allow at once is gone on with later.
#[derive(Debug, Default)]
pub struct Reading {
    extensions: Pages<Extension>,
    queues: Pages<Id>,
    /// Of the first queues, in their order.
    members: Vec<Pages<Id>>,
    phone_numbers: Pages<ListedNumber>,
    devices: Pages<ListedDevice>,
}

/// A list that comes in pages.
#[derive(Debug)]
pub(crate) struct Pages<T> {
    pub(crate) records: Vec<T>,
    read: usize,
    is_whole: bool,
    refused: Option<Refusal>,
}

impl<T> Default for Pages<T> {
    fn default() -> Self {
        Self { records: Vec::new(), read: 0, is_whole: false, refused: None }
    }
}

#[derive(Debug, Deserialize)]
struct Id {
    #[serde(deserialize_with = "id")]
    id: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ListedNumber {
    phone_number: String,
    #[serde(default)]
    usage_type: Option<String>,
    #[serde(default)]
    extension: Option<Id>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ListedDevice {
    #[serde(deserialize_with = "id")]
    id: String,
    #[serde(default)]
    extension: Option<Id>,
    #[serde(default)]
    phone_lines: Vec<PhoneLine>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct PhoneLine {
    #[serde(default)]
    phone_info: Option<LineNumber>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct LineNumber {
    #[serde(default)]
    phone_number: Option<String>,
}

#[derive(Deserialize)]
struct Page<T> {
    records: Vec<T>,
    #[serde(default)]
    navigation: Value,
}

impl Client {
    /// The id of the user's account.
    pub async fn account_id(&self) -> Result<String> {
        Ok(self.get::<Id>(Group::Light, ACCOUNT).await?.id)
    }

    /// Goes on reading the account's directory, with the half of the limits that nobody else is in need of. On
    /// [`Error::Later`], and on an error that passes, ask again with the same reading. Parts that need a permission which
    /// is not there are left out, and named; without the list of extensions there is no directory.
    pub async fn read_directory(&self, reading: &mut Reading) -> Result<Directory> {
        self.pages(Group::Medium, "extension", &mut reading.extensions).await?;
        optional(self.pages(Group::Medium, "call-queues", &mut reading.queues).await, &mut reading.queues)?;
        for (at, queue) in reading.queues.records.iter().enumerate() {
            if reading.members.len() == at {
                reading.members.push(Pages::default());
            }
            let members = &mut reading.members[at];
            let list = format!("call-queues/{}/members", segment(&queue.id));
            optional(self.pages(Group::Medium, &list, members).await, members)?;
            if members.is_denied() {
                break;
            }
        }
        let numbers = &mut reading.phone_numbers;
        optional(self.pages(Group::Heavy, "phone-number", numbers).await, numbers)?;
        let devices = &mut reading.devices;
        optional(self.pages(Group::Light, "device", devices).await, devices)?;
        Ok(std::mem::take(reading).finish())
    }

    /// Reads the pages of a list of the account that are not read yet.
    pub(crate) async fn pages<T: DeserializeOwned>(
        &self,
        group: Group,
        list: &str,
        pages: &mut Pages<T>,
    ) -> Result<()> {
        while !pages.is_whole {
            self.leave_half(group)?;
            let path = format!("{ACCOUNT}/{list}?page={}&perPage={PER_PAGE}", pages.read + 1);
            let page: Page<T> = self.get(group, &path).await?;
            pages.records.extend(page.records);
            pages.read += 1;
            pages.is_whole = page.navigation["nextPage"].is_null();
        }
        Ok(())
    }
}

/// A list that may be missing: for want of a permission, or since what it is of is gone by now.
pub(crate) fn optional<T>(read: Result<()>, pages: &mut Pages<T>) -> Result<()> {
    match read {
        Err(Error::Refused(refusal)) if matches!(refusal.status, 403 | 404) => {
            (pages.is_whole, pages.refused) = (true, Some(refusal));
            Ok(())
        }
        other => other,
    }
}

impl<T> Pages<T> {
    /// Whether a permission is missing.
    pub(crate) fn is_denied(&self) -> bool {
        self.refused.as_ref().is_some_and(|refusal| !refusal.is_unknown())
    }

    /// What to say of a list that may not be read.
    pub(crate) fn missing(&self, part: &str) -> Option<MissingPart> {
        let refusal = self.refused.as_ref().filter(|_| self.is_denied())?;
        let (part, permission) = (part.to_owned(), refusal.permission.clone());
        Some(MissingPart { part, permission, reason: refusal.to_string() })
    }
}

impl ListedDevice {
    fn device(self) -> Device {
        let lines = self.phone_lines.into_iter().filter_map(|line| line.phone_info?.phone_number);
        Device {
            id: self.id,
            extension_id: self.extension.map(|extension| extension.id),
            lines: in_order(lines, |line| line),
        }
    }
}

impl Directory {
    /// The numbers at which an extension is reached besides its own: forwarding numbers, lines of devices; each with the
    /// extension's id.
    pub fn reached_at(&self) -> impl Iterator<Item = (&str, &str)> {
        let forwarding = self.forwarding.iter().map(|user| (user.extension_id.as_str(), &user.numbers));
        let devices = self.devices.iter();
        let devices = devices.filter_map(|device| Some((device.extension_id.as_deref()?, &device.lines)));
        forwarding
            .chain(devices)
            .flat_map(|(extension, numbers)| numbers.iter().map(move |number| (extension, number.as_str())))
    }

    /// All telephone numbers in it.
    pub fn numbers_mut(&mut self) -> impl Iterator<Item = &mut String> {
        let own = self.phone_numbers.iter_mut().map(|number| &mut number.phone_number);
        let lines = self.devices.iter_mut().flat_map(|device| &mut device.lines);
        own.chain(lines).chain(self.forwarding.iter_mut().flat_map(|user| &mut user.numbers))
    }
}

impl Extension {
    /// Whether calls to it may be forwarded to numbers of its own.
    pub fn is_user(&self) -> bool {
        let kind = self.kind.as_deref();
        matches!(kind, Some("User" | "FlexibleUser" | "DigitalUser" | "VirtualUser" | "Limited"))
    }
}

impl PhoneNumber {
    /// Whether it leads into the account. Numbers for conferences and meetings are listed too, but RingCentral's customers
    /// share them.
    pub fn is_of_the_account(&self) -> bool {
        !matches!(self.usage_type.as_deref(), Some("ConferencingNumber" | "MeetingsNumber"))
    }
}

impl Reading {
    fn finish(self) -> Directory {
        let Self { extensions, queues, members, phone_numbers, devices } = self;
        let of_queues =
            queues.missing("queues").or_else(|| members.iter().find_map(|members| members.missing("queues")));
        let of_numbers = phone_numbers.missing("phoneNumbers");
        let missing: Vec<MissingPart> =
            of_queues.into_iter().chain(of_numbers).chain(devices.missing("devices")).collect();
        let is_told = |part: &str| missing.iter().all(|missing| missing.part != part);
        let queues = queues.records.into_iter().zip(members).filter(|(_, members)| members.refused.is_none());
        let queues = queues.filter(|_| is_told("queues")).map(|(queue, members)| Queue {
            id: queue.id,
            members: in_order(members.records.into_iter().map(|member| member.id), |id| id),
        });
        let numbers = phone_numbers.records.into_iter().map(|number| PhoneNumber {
            phone_number: number.phone_number,
            usage_type: number.usage_type,
            extension_id: number.extension.map(|extension| extension.id),
        });
        // A device without a line of its own says nothing of numbers.
        let devices = devices.records.into_iter().map(ListedDevice::device);
        let devices = devices.filter(|device| !device.lines.is_empty());
        Directory {
            extensions: in_order(extensions.records, |extension| &extension.id),
            queues: in_order(queues, |queue| &queue.id),
            phone_numbers: in_order(numbers, |number| &number.phone_number),
            devices: in_order(devices, |device| &device.id),
            forwarding: Vec::new(),
            missing,
        }
    }
}

/// Each once, in order of their numbers' size: what is added while pages are read moves others to further pages.
pub(crate) fn in_order<T>(records: impl IntoIterator<Item = T>, key: impl Fn(&T) -> &String) -> Vec<T> {
    let mut records: Vec<T> = records.into_iter().collect();
    records.sort_by(|a, b| (key(a).len(), key(a)).cmp(&(key(b).len(), key(b))));
    records.dedup_by(|a, b| key(a) == key(b));
    records
}

/// An id, which is a number in some answers and text in others.
fn id<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<String, D::Error> {
    let value = Value::deserialize(deserializer)?;
    Ok(value.as_str().map_or_else(|| value.to_string(), str::to_owned))
}
