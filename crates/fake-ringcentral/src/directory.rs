//! Accounts, extensions, queues and numbers, as RingCentral lists them.

use serde_json::{Value, json};
use wholecall_simulator::{Account, Queue, User};

use crate::platform::Customer;

const ROOT: &str = "/restapi/v1.0/account";

/// `GET /account/{id}`.
pub(crate) fn account(account: &Account, base: &str) -> Value {
    json!({
        "uri": format!("{base}{ROOT}/{}", account.id), "id": account.id, "status": "Confirmed",
        "mainNumber": format!("+{}", account.main_number),
        "serviceInfo": { "brand": { "id": "1210", "name": "RingCentral" } },
        "setupWizardState": "Completed",
    })
}

/// All extensions: users, queues, the menu, a place to park calls at.
pub(crate) fn extensions(customer: &Customer, base: &str) -> Vec<Value> {
    let account = customer.account();
    let users =
        account.users.iter().enumerate().map(|(place, user)| user_json(customer, user, place == 0, base));
    let queues = account.queues.iter().map(|queue| {
        extension(account, queue.extension, queue.number, "Department", &queue_name(customer, queue), base)
    });
    let menu = &account.menu;
    let name = customer.name_of(menu.extension, format!("IVR Menu {}", menu.number));
    let park = park_location(account);
    let menu = extension(account, menu.extension, menu.number, "IvrMenu", &name, base);
    let name = customer.name_of(park.0, "Park 1".to_owned());
    let park = extension(account, park.0, park.1, "ParkLocation", &name, base);
    users.chain(queues).chain([menu, park]).collect()
}

/// A place to park calls at: the id and the number of its extension.
fn park_location(account: &Account) -> (u64, u32) {
    (account.menu.extension + 1_000_000, account.menu.number + 100)
}

/// The id of the extension that is listed so.
pub(crate) fn find(customer: &Customer, is_meant: impl Fn(&Value) -> bool) -> Option<u64> {
    extensions(customer, "").iter().find(|one| is_meant(one))?["id"].as_u64()
}

fn extension(account: &Account, id: u64, number: u32, kind: &str, name: &str, base: &str) -> Value {
    json!({
        "uri": format!("{base}{ROOT}/{}/extension/{id}", account.id), "id": id,
        "extensionNumber": number.to_string(), "name": name, "type": kind, "status": "Enabled",
        "hidden": false, "setupWizardState": "Completed",
    })
}

fn user_json(customer: &Customer, user: &User, is_admin: bool, base: &str) -> Value {
    let account = customer.account();
    let name = customer.name_of(user.extension, user.name().to_string());
    let (first, last) = name.split_once(' ').unwrap_or((&name, ""));
    let mut value = extension(account, user.extension, user.number, "User", &name, base);
    value["contact"] = json!({
        "firstName": first, "lastName": last, "businessPhone": format!("+{}", user.direct_number),
        "email": format!("{}.{}@example.com", first.to_lowercase(), user.number),
    });
    value["permissions"] = json!({ "admin": { "enabled": is_admin } });
    value
}

fn queue_name(customer: &Customer, queue: &Queue) -> String {
    customer.name_of(queue.extension, format!("{} queue", queue.name))
}

/// `GET /account/{id}/call-queues`.
pub(crate) fn call_queues(customer: &Customer, base: &str) -> Vec<Value> {
    let account = customer.account();
    let queue = |queue: &Queue| {
        json!({
            "uri": format!("{base}{ROOT}/{}/call-queues/{}", account.id, queue.extension),
            "id": queue.extension.to_string(), "extensionNumber": queue.number.to_string(),
            "name": queue_name(customer, queue), "status": "Enabled",
        })
    };
    account.queues.iter().map(queue).collect()
}

/// `GET /account/{id}/call-queues/{queue}/members`; none if there is no such queue.
pub(crate) fn queue_members(account: &Account, queue: &str, base: &str) -> Option<Vec<Value>> {
    let queue = account.queues.iter().find(|other| other.extension.to_string() == queue)?;
    let members = account.users.get(queue.members.clone()).unwrap_or_default();
    let member = |user: &User| {
        json!({
            "uri": format!("{base}{ROOT}/{}/extension/{}", account.id, user.extension),
            "id": user.extension, "extensionNumber": user.number.to_string(),
        })
    };
    Some(members.iter().map(member).collect())
}

/// `GET /account/{id}/phone-number`.
pub(crate) fn phone_numbers(account: &Account) -> Vec<Value> {
    let number = |number: u64, usage: &str, extension: Option<(u64, u32)>| {
        let mut value = json!({
            "id": number, "phoneNumber": format!("+{number}"), "usageType": usage, "type": "VoiceFax",
            "paymentType": "Local", "status": "Normal", "primary": usage == "MainCompanyNumber",
            "features": ["CallerId"],
        });
        if let Some((id, number)) = extension {
            value["extension"] = json!({ "id": id, "extensionNumber": number.to_string() });
        }
        value
    };
    let main = number(account.main_number, "MainCompanyNumber", None);
    let queues = account
        .queues
        .iter()
        .map(|queue| number(queue.direct_number, "DirectNumber", Some((queue.extension, queue.number))));
    let users = account
        .users
        .iter()
        .map(|user| number(user.direct_number, "DirectNumber", Some((user.extension, user.number))));
    [main].into_iter().chain(queues).chain(users).collect()
}
