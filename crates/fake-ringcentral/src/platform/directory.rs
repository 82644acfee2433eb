//! The directory of an account in RingCentral's formats: extensions, queues, numbers, devices.

use serde_json::{Value, json};
use wholecall_simulator::{Account, Queue, User};

use super::account::AccountState;

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

/// The extensions of an account besides users, queues and its menu: type, name, and distance of the extension number
/// from the menu's.
const OTHER_EXTENSIONS: [(&str, &str, u32); 6] = [
    ("ParkLocation", "Park 1", 100),
    ("SharedLinesGroup", "Front desk phones", 101),
    ("Announcement", "Opening hours", 102),
    ("Voicemail", "After hours mailbox", 103),
    ("PagingOnly", "Warehouse speakers", 104),
    ("Site", "Main office", 105),
];

/// All extensions: users, queues, the menu, and one of each other type.
pub(crate) fn extensions(state: &AccountState, base: &str) -> Vec<Value> {
    let account = state.account();
    let users =
        account.users.iter().enumerate().map(|(index, user)| user_json(state, user, index == 0, base));
    let queues = account.queues.iter().map(|queue| {
        extension(account, queue.extension, queue.number, "Department", &queue_name(state, queue), base)
    });
    let menu = &account.menu;
    let name = state.name_of(menu.extension, format!("IVR Menu {}", menu.number));
    let others = OTHER_EXTENSIONS.iter().map(|&(kind, name, distance)| {
        let id = menu.extension + u64::from(distance - 99) * 1_000_000;
        let name = state.name_of(id, name.to_owned());
        extension(account, id, menu.number + distance, kind, &name, base)
    });
    let menu = extension(account, menu.extension, menu.number, "IvrMenu", &name, base);
    users.chain(queues).chain([menu]).chain(others).collect()
}

/// The id of the first extension whose listed JSON satisfies a condition.
pub(crate) fn find(state: &AccountState, condition: impl Fn(&Value) -> bool) -> Option<u64> {
    extensions(state, "").iter().find(|extension| condition(extension))?["id"].as_u64()
}

fn extension(account: &Account, id: u64, number: u32, kind: &str, name: &str, base: &str) -> Value {
    json!({
        "uri": format!("{base}{ROOT}/{}/extension/{id}", account.id), "id": id,
        "extensionNumber": number.to_string(), "name": name, "type": kind, "status": "Enabled",
        "hidden": false, "setupWizardState": "Completed",
    })
}

fn user_json(state: &AccountState, user: &User, is_admin: bool, base: &str) -> Value {
    let account = state.account();
    let name = state.name_of(user.extension, user.name().to_string());
    let (first, last) = name.split_once(' ').unwrap_or((&name, ""));
    let mut value = extension(account, user.extension, user.number, "User", &name, base);
    value["contact"] = json!({
        "firstName": first, "lastName": last, "businessPhone": format!("+{}", user.direct_number),
        "email": format!("{}.{}@example.com", first.to_lowercase(), user.number),
    });
    value["permissions"] = json!({ "admin": { "enabled": is_admin } });
    value
}

fn queue_name(state: &AccountState, queue: &Queue) -> String {
    state.name_of(queue.extension, format!("{} queue", queue.name))
}

/// `GET /account/{id}/call-queues`.
pub(crate) fn call_queues(state: &AccountState, base: &str) -> Vec<Value> {
    let account = state.account();
    let queue = |queue: &Queue| {
        json!({
            "uri": format!("{base}{ROOT}/{}/call-queues/{}", account.id, queue.extension),
            "id": queue.extension.to_string(), "extensionNumber": queue.number.to_string(),
            "name": queue_name(state, queue), "status": "Enabled",
        })
    };
    account.queues.iter().map(queue).collect()
}

/// `GET /account/{id}/call-queues/{queue}/members`; `None` if there is no such queue.
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

/// The user with an extension id.
pub(crate) fn user_of<'a>(account: &'a Account, id: &str) -> Option<&'a User> {
    account.user(id.parse().ok()?)
}

/// `GET /account/{id}/extension/{user}/forwarding-number`: the mobile telephone, and the line of the desk telephone.
pub(crate) fn forwarding_numbers(account: &Account, user: &User, base: &str) -> Vec<Value> {
    let root = format!("{base}{ROOT}/{}/extension/{}/forwarding-number", account.id, user.extension);
    let number = |position: u64, label: &str, kind: &str, number: u64| {
        let id = user.extension + position;
        json!({
            "uri": format!("{root}/{id}"), "id": id.to_string(), "phoneNumber": format!("+{number}"),
            "label": label, "features": ["CallFlip", "CallForwarding"], "flipNumber": position.to_string(),
            "type": kind,
        })
    };
    let mut desk = number(2, "Desk phone", "PhoneLine", user.direct_number);
    desk["device"] = json!({ "id": user.desk_phone.to_string() });
    vec![number(1, "Mobile", "Mobile", user.mobile), desk]
}

/// `GET /account/{id}/device`: every user's desk telephone with its line, and the app, which has no line.
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
