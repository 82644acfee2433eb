//! The numbers that users' calls are forwarded to: a request for each user.

use serde::Deserialize;

use crate::{
    budget::Group,
    client::Client,
    directory::{Directory, Forwarding, MissingPart, Pages, in_order, optional},
    error::Result,
    id::segment,
};

/// Forwarding numbers that are being read: what was told so far. What the limits do not allow at once is gone on with
/// later.
#[derive(Debug)]
pub struct ForwardingReading {
    /// The users whose numbers are not read yet, the next one last.
    users: Vec<String>,
    of_user: Pages<ForwardingNumber>,
    read: Vec<Forwarding>,
}

/// What was read of users' forwarding numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ForwardingNumbers {
    /// Of all users that have any, in order of their ids.
    pub users: Vec<Forwarding>,
    /// That they may not be read.
    pub missing: Option<MissingPart>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ForwardingNumber {
    #[serde(default)]
    phone_number: Option<String>,
}

impl ForwardingReading {
    /// Begins to read the numbers of all users of a directory.
    pub fn of(directory: &Directory) -> Self {
        let users = directory.extensions.iter().filter(|extension| extension.is_user());
        let users = users.rev().map(|user| user.id.clone()).collect();
        Self { users, of_user: Pages::default(), read: Vec::new() }
    }
}

impl Client {
    /// Goes on reading users' forwarding numbers, with the half of the limits that nobody else is in need of. On
    /// [`Error::Later`](crate::Error::Later), and on an error that passes, ask again with the same reading. Users who are
    /// gone have no numbers; without the permission nobody has.
    pub async fn read_forwarding(&self, reading: &mut ForwardingReading) -> Result<ForwardingNumbers> {
        while let Some(user) = reading.users.last() {
            let list = format!("extension/{}/forwarding-number", segment(user));
            let pages = &mut reading.of_user;
            optional(self.pages(Group::Light, &list, pages).await, pages)?;
            if pages.is_denied() {
                return Ok(ForwardingNumbers {
                    users: Vec::new(),
                    missing: pages.missing("forwardingNumbers"),
                });
            }
            let numbers = std::mem::take(pages).records.into_iter().filter_map(|number| number.phone_number);
            let numbers = in_order(numbers.filter(|number| !number.is_empty()), |number| number);
            if let Some(extension_id) = reading.users.pop()
                && !numbers.is_empty()
            {
                reading.read.push(Forwarding { extension_id, numbers });
            }
        }
        let users = in_order(std::mem::take(&mut reading.read), |user| &user.extension_id);
        Ok(ForwardingNumbers { users, missing: None })
    }
}
