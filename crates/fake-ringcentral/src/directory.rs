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

/// What an account has besides users, queues and its menu: the type, the name, and how far its number is from the menu's.
const FACILITIES: [(&str, &str, u32); 6] = [
    ("ParkLocation", "Park 1", 100),
    ("SharedLinesGroup", "Front desk phones", 101),
    ("Announcement", "Opening hours", 102),
    ("Voicemail", "After hours mailbox", 103),
    ("PagingOnly", "Warehouse speakers", 104),
    ("Site", "Main office", 105),
];

/// All extensions: users, queues, the menu, and one of each other type.
pub(crate) fn extensions(customer: &Customer, base: &str) -> Vec<Value> {
    let account = customer.account();
    let users =
        account.users.iter().enumerate().map(|(place, user)| user_json(customer, user, place == 0, base));
    let queues = account.queues.iter().map(|queue| {
        extension(account, queue.extension, queue.number, "Department", &queue_name(customer, queue), base)
    });
    let menu = &account.menu;
    let name = customer.name_of(menu.extension, format!("IVR Menu {}", menu.number));
    let facilities = FACILITIES.iter().map(|&(kind, name, apart)| {
        let id = menu.extension + u64::from(apart - 99) * 1_000_000;
        let name = customer.name_of(id, name.to_owned());
        extension(account, id, menu.number + apart, kind, &name, base)
    });
    let menu = extension(account, menu.extension, menu.number, "IvrMenu", &name, base);
    users.chain(queues).chain([menu]).chain(facilities).collect()
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

/// The user of an account with that extension id.
pub(crate) fn user_of<'a>(account: &'a Account, id: &str) -> Option<&'a User> {
    account.user(id.parse().ok()?)
}

/// `GET /account/{id}/extension/{user}/forwarding-number`: the mobile telephone, which calls can be flipped to, and the
/// line of the desk telephone.
pub(crate) fn forwarding_numbers(account: &Account, user: &User, base: &str) -> Vec<Value> {
    let root = format!("{base}{ROOT}/{}/extension/{}/forwarding-number", account.id, user.extension);
    let number = |place: u64, label: &str, kind: &str, number: u64| {
        let id = user.extension + place;
        json!({
            "uri": format!("{root}/{id}"), "id": id.to_string(), "phoneNumber": format!("+{number}"),
            "label": label, "features": ["CallFlip", "CallForwarding"], "flipNumber": place.to_string(),
            "type": kind,
        })
    };
    let mut desk = number(2, "Desk phone", "PhoneLine", user.direct_number);
    desk["device"] = json!({ "id": user.desk_phone.to_string() });
    vec![number(1, "Mobile", "Mobile", user.mobile), desk]
}

/// `GET /account/{id}/device`: every user's desk telephone with its line, and the app, which has none.
pub(crate) fn devices(account: &Account, base: &str) -> Vec<Value> {
    let device = |user: &User, id: u64, kind: &str, name: &str| {
        let lines = match kind {
            "HardPhone" => json!([{
                "id": user.direct_number.to_string(), "lineType": "Standalone",
                "phoneInfo": {
                    "id": user.direct_number, "phoneNumber": format!("+{}", user.direct_number),
                    "type": "VoiceFax", "usageType": "DirectNumber", "paymentType": "Local",
                },
            }]),
            _ => json!([]),
        };
        json!({
            "uri": format!("{base}{ROOT}/{}/device/{id}", account.id), "id": id.to_string(), "type": kind,
            "name": name, "status": "Online",
            "extension": {
                "uri": format!("{base}{ROOT}/{}/extension/{}", account.id, user.extension),
                "id": user.extension, "extensionNumber": user.number.to_string(),
            },
            "phoneLines": lines,
        })
    };
    let of_user = |user: &User| {
        [device(user, user.desk_phone, "HardPhone", "Desk phone"), device(user, user.app, "SoftPhone", "App")]
    };
    account.users.iter().flat_map(of_user).collect()
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
