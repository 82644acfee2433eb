//! The numbers that users' calls are forwarded to. RingCentral has one list per user.

use serde::Deserialize;

use crate::{
    budget::Group,
    client::Client,
    directory::{Directory, Forwarding, MissingPart, Pages, allow_missing, sorted_by_id},
    error::Result,
    id::segment,
};

/// Forwarding numbers that are partly read. A later call resumes what the rate limits did not allow at once.
#[derive(Debug)]
pub struct ForwardingReading {
    /// The users whose numbers are not read yet, the next one last.
    users: Vec<String>,
    pages: Pages<ForwardingNumber>,
    read: Vec<Forwarding>,
}

/// The forwarding numbers of an account's users.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ForwardingNumbers {
    /// The users that have any, in order of their ids.
    pub users: Vec<Forwarding>,
    /// Set if they may not be read.
    pub missing: Option<MissingPart>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ForwardingNumber {
    #[serde(default)]
    phone_number: Option<String>,
}

impl ForwardingReading {
    /// Starts to read the numbers of all users of a directory.
    pub fn of(directory: &Directory) -> Self {
        let users = directory.extensions.iter().filter(|extension| extension.is_user());
        let users = users.rev().map(|user| user.id.clone()).collect();
        Self { users, pages: Pages::default(), read: Vec::new() }
    }
}

impl Client {
    /// Reads users' forwarding numbers, with at most half of the rate limits. On
    /// [`Error::RateLimited`](crate::Error::RateLimited) and on a transient error, call it again with the same `reading`
    /// to resume. Users that do not exist any more are left out; without the permission the result is empty
    /// and says so in `missing`.
    pub async fn read_forwarding(&self, reading: &mut ForwardingReading) -> Result<ForwardingNumbers> {
        while let Some(user) = reading.users.last() {
            let list = format!("extension/{}/forwarding-number", segment(user));
            let pages = &mut reading.pages;
            allow_missing(self.read_pages(Group::Light, &list, pages).await, pages)?;
            if pages.is_denied() {
                return Ok(ForwardingNumbers {
                    users: Vec::new(),
                    missing: pages.missing_part("forwardingNumbers"),
                });
            }
            let numbers = std::mem::take(pages).records.into_iter().filter_map(|number| number.phone_number);
            let numbers = sorted_by_id(numbers.filter(|number| !number.is_empty()), |number| number);
            if let Some(extension_id) = reading.users.pop()
                && !numbers.is_empty()
            {
                reading.read.push(Forwarding { extension_id, numbers });
            }
        }
        let users = sorted_by_id(std::mem::take(&mut reading.read), |user| &user.extension_id);
        Ok(ForwardingNumbers { users, missing: None })
    }
}
