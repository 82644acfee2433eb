//! The directory of an account: users, queues, menus, park locations, and their numbers.

use serde::{Deserialize, Deserializer, Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{
    budget::Group,
    client::Client,
    error::{Error, Refusal, Result},
    id::segment,
};

const ACCOUNT: &str = "/restapi/v1.0/account/~";

/// RingCentral's maximum page size.
const RECORDS_PER_PAGE: usize = 1_000;

/// An account's extensions, queues, numbers and devices, in RingCentral's words. Lists are in order of their
/// ids, so that two readings are equal unless something changed at RingCentral.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Directory {
    /// All extensions: users, queues, menus, park locations, …
    pub extensions: Vec<Extension>,
    /// The queues among them.
    pub queues: Vec<Queue>,
    /// Phone numbers.
    pub phone_numbers: Vec<PhoneNumber>,
    /// Devices with telephone lines.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub devices: Vec<Device>,
    /// The numbers that users' calls are forwarded to.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub forwarding: Vec<Forwarding>,
    /// The parts that this user of this app may not read.
    pub missing: Vec<MissingPart>,
}

/// A user, a queue, a menu, a park location, or anything else with an extension number.
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
    /// The extension ids of its members.
    pub members: Vec<String>,
}

/// A phone number of the account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PhoneNumber {
    /// The number, in E.164 form.
    pub phone_number: String,
    /// Its use: `MainCompanyNumber`, `DirectNumber`, …
    pub usage_type: Option<String>,
    /// The id of the extension it belongs to; `None` if it is the company's.
    pub extension_id: Option<String>,
}

/// A phone or an app of an extension.
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

/// A part of a directory that may not be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MissingPart {
    /// `queues`, `phoneNumbers`, `devices`, `forwardingNumbers`.
    pub part: String,
    /// The permission that is missing; `None` if RingCentral does not name it.
    pub permission: Option<String>,
    /// RingCentral's message.
    pub reason: String,
}

/// A directory that is partly read. A later call resumes what the rate limits did not allow at once.
#[derive(Debug, Default)]
pub struct DirectoryReading {
    extensions: Pages<Extension>,
    queues: Pages<Id>,
    /// The members of the first queues, in the order of `queues`.
    members: Vec<Pages<Id>>,
    phone_numbers: Pages<ListedNumber>,
    devices: Pages<ListedDevice>,
}

/// A list that is read page by page.
#[derive(Debug)]
pub(crate) struct Pages<T> {
    pub(crate) records: Vec<T>,
    pages_read: usize,
    is_complete: bool,
    refusal: Option<Refusal>,
}

impl<T> Default for Pages<T> {
    fn default() -> Self {
        Self { records: Vec::new(), pages_read: 0, is_complete: false, refusal: None }
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

    /// Reads the account's directory, with at most half of the rate limits. On [`Error::RateLimited`] and on a
    /// transient error, call it again with the same `reading` to resume. Parts for which a permission is
    /// missing are left out and listed in `missing`; without the list of extensions the reading fails.
    pub async fn read_directory(&self, reading: &mut DirectoryReading) -> Result<Directory> {
        self.read_pages(Group::Medium, "extension", &mut reading.extensions).await?;
        allow_missing(
            self.read_pages(Group::Medium, "call-queues", &mut reading.queues).await,
            &mut reading.queues,
        )?;
        for (at, queue) in reading.queues.records.iter().enumerate() {
            if reading.members.len() == at {
                reading.members.push(Pages::default());
            }
            let members = &mut reading.members[at];
            let list = format!("call-queues/{}/members", segment(&queue.id));
            allow_missing(self.read_pages(Group::Medium, &list, members).await, members)?;
            if members.is_denied() {
                break;
            }
        }
        let numbers = &mut reading.phone_numbers;
        allow_missing(self.read_pages(Group::Heavy, "phone-number", numbers).await, numbers)?;
        let devices = &mut reading.devices;
        allow_missing(self.read_pages(Group::Light, "device", devices).await, devices)?;
        Ok(std::mem::take(reading).finish())
    }

    /// Reads the remaining pages of a list of the account.
    pub(crate) async fn read_pages<T: DeserializeOwned>(
        &self,
        group: Group,
        list: &str,
        pages: &mut Pages<T>,
    ) -> Result<()> {
        while !pages.is_complete {
            self.reserve_half(group)?;
            let path = format!("{ACCOUNT}/{list}?page={}&perPage={RECORDS_PER_PAGE}", pages.pages_read + 1);
            let page: Page<T> = self.get(group, &path).await?;
            pages.records.extend(page.records);
            pages.pages_read += 1;
            pages.is_complete = page.navigation["nextPage"].is_null();
        }
        Ok(())
    }
}

/// Accepts that a list cannot be read: a permission is missing, or its owner does not exist any more.
pub(crate) fn allow_missing<T>(read: Result<()>, pages: &mut Pages<T>) -> Result<()> {
    match read {
        Err(Error::Refused(refusal)) if matches!(refusal.status, 403 | 404) => {
            (pages.is_complete, pages.refusal) = (true, Some(refusal));
            Ok(())
        }
        other => other,
    }
}

impl<T> Pages<T> {
    /// Whether a permission to read the list is missing.
    pub(crate) fn is_denied(&self) -> bool {
        self.refusal.as_ref().is_some_and(|refusal| !refusal.is_unknown())
    }

    /// The entry for a list that may not be read; `None` if it may.
    pub(crate) fn missing_part(&self, part: &str) -> Option<MissingPart> {
        let refusal = self.refusal.as_ref().filter(|_| self.is_denied())?;
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
            lines: sorted_by_id(lines, |line| line),
        }
    }
}

impl Directory {
    /// The additional numbers of extensions (forwarding numbers, lines of devices), each after its
    /// extension's id.
    pub fn reached_at(&self) -> impl Iterator<Item = (&str, &str)> {
        let forwarding = self.forwarding.iter().map(|user| (user.extension_id.as_str(), &user.numbers));
        let devices = self.devices.iter();
        let devices = devices.filter_map(|device| Some((device.extension_id.as_deref()?, &device.lines)));
        forwarding
            .chain(devices)
            .flat_map(|(extension, numbers)| numbers.iter().map(move |number| (extension, number.as_str())))
    }

    /// All phone numbers in the directory.
    pub fn numbers_mut(&mut self) -> impl Iterator<Item = &mut String> {
        let own = self.phone_numbers.iter_mut().map(|number| &mut number.phone_number);
        let lines = self.devices.iter_mut().flat_map(|device| &mut device.lines);
        own.chain(lines).chain(self.forwarding.iter_mut().flat_map(|user| &mut user.numbers))
    }
}

impl Extension {
    /// Whether the extension is a user, whose calls may be forwarded.
    pub fn is_user(&self) -> bool {
        let kind = self.kind.as_deref();
        matches!(kind, Some("User" | "FlexibleUser" | "DigitalUser" | "VirtualUser" | "Limited"))
    }
}

impl PhoneNumber {
    /// Whether the number leads into the account. Numbers of conferences and meetings are listed too, but
    /// RingCentral's customers share them.
    pub fn is_of_the_account(&self) -> bool {
        !matches!(self.usage_type.as_deref(), Some("ConferencingNumber" | "MeetingsNumber"))
    }
}

impl DirectoryReading {
    fn finish(self) -> Directory {
        let Self { extensions, queues, members, phone_numbers, devices } = self;
        let of_queues = queues
            .missing_part("queues")
            .or_else(|| members.iter().find_map(|members| members.missing_part("queues")));
        let of_numbers = phone_numbers.missing_part("phoneNumbers");
        let missing: Vec<MissingPart> =
            of_queues.into_iter().chain(of_numbers).chain(devices.missing_part("devices")).collect();
        let is_readable = |part: &str| missing.iter().all(|missing| missing.part != part);
        let queues = queues.records.into_iter().zip(members).filter(|(_, members)| members.refusal.is_none());
        let queues = queues.filter(|_| is_readable("queues")).map(|(queue, members)| Queue {
            id: queue.id,
            members: sorted_by_id(members.records.into_iter().map(|member| member.id), |id| id),
        });
        let numbers = phone_numbers.records.into_iter().map(|number| PhoneNumber {
            phone_number: number.phone_number,
            usage_type: number.usage_type,
            extension_id: number.extension.map(|extension| extension.id),
        });
        // A device without a line of its own has no number.
        let devices = devices.records.into_iter().map(ListedDevice::device);
        let devices = devices.filter(|device| !device.lines.is_empty());
        Directory {
            extensions: sorted_by_id(extensions.records, |extension| &extension.id),
            queues: sorted_by_id(queues, |queue| &queue.id),
            phone_numbers: sorted_by_id(numbers, |number| &number.phone_number),
            devices: sorted_by_id(devices, |device| &device.id),
            forwarding: Vec::new(),
            missing,
        }
    }
}

/// Sorts records by numeric id and removes duplicates: a record added while pages are read moves others to
/// later pages.
pub(crate) fn sorted_by_id<T>(records: impl IntoIterator<Item = T>, key: impl Fn(&T) -> &String) -> Vec<T> {
    let mut records: Vec<T> = records.into_iter().collect();
    records.sort_by(|a, b| (key(a).len(), key(a)).cmp(&(key(b).len(), key(b))));
    records.dedup_by(|a, b| key(a) == key(b));
    records
}

/// Reads an id, which is a number in some answers and a string in others.
fn id<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<String, D::Error> {
    let value = Value::deserialize(deserializer)?;
    Ok(value.as_str().map_or_else(|| value.to_string(), str::to_owned))
}
