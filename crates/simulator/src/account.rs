//! The accounts in which calls are played: users with devices, queues, menus, park slots, numbers.

use compact_str::{CompactString, format_compact};
use fastrand::Rng;

use crate::notification::Contact;

/// A customer of the platform.
#[derive(Debug, Clone)]
pub struct Account {
    /// Its id.
    pub id: u64,
    /// Distinguishes it from other accounts of the same world.
    pub(crate) index: u64,
    /// The number of the company, answered by its menu.
    pub main_number: u64,
    /// The people.
    pub users: Vec<User>,
    /// The queues that offer calls to groups of users.
    pub queues: Vec<Queue>,
    /// The menu that answers the main number.
    pub menu: Menu,
    /// A number that rings several users at once.
    pub group: Group,
    /// An announcement: its callers hear a text.
    pub announcement: ServiceExtension,
    /// A mailbox without a user.
    pub mailbox: ServiceExtension,
    /// Park extensions: `*801` to `*809`.
    pub park_slots: std::ops::Range<u32>,
}

/// A user of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct User {
    /// The extension's id.
    pub extension: u64,
    /// The extension's number.
    pub number: u32,
    /// The direct number, shown to outside parties that the user calls.
    pub direct_number: u64,
    /// The telephone on the desk.
    pub desk_phone: u64,
    /// The app on the mobile telephone.
    pub app: u64,
    /// The mobile telephone's own number, an outside number.
    pub mobile: u64,
    name: (&'static str, &'static str),
}

/// How a queue rings its members.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RingOrder {
    /// All free members at once.
    Together,
    /// One after another.
    InTurn,
}

/// A call queue.
#[derive(Debug, Clone)]
pub struct Queue {
    /// The extension's id.
    pub extension: u64,
    /// The extension's number.
    pub number: u32,
    /// Its direct number.
    pub direct_number: u64,
    /// Its name.
    pub name: &'static str,
    /// Its members among [`Account::users`].
    pub members: std::ops::Range<usize>,
    /// How it rings them.
    pub order: RingOrder,
}

/// A group whose number rings several users at once.
#[derive(Debug, Clone, Copy)]
pub struct Group {
    /// The extension's id.
    pub extension: u64,
    /// The extension's number.
    pub number: u32,
    /// Its direct number.
    pub direct_number: u64,
    /// Its name.
    pub name: &'static str,
}

/// An extension that is not a person and does not pass calls on.
#[derive(Debug, Clone, Copy)]
pub struct ServiceExtension {
    /// The extension's id.
    pub extension: u64,
    /// The extension's number.
    pub number: u32,
    /// Its direct number.
    pub direct_number: u64,
    /// Its name.
    pub name: &'static str,
}

/// A menu (IVR).
#[derive(Debug, Clone, Copy)]
pub struct Menu {
    /// The extension's id.
    pub extension: u64,
    /// The extension's number.
    pub number: u32,
}

const FIRST_NAMES: [&str; 16] = [
    "Ada", "Bruno", "Chen", "Dalia", "Emil", "Fatou", "Grete", "Hugo", "Ines", "Jonas", "Kaito", "Lena",
    "Marek", "Noor", "Olga", "Pablo",
];
const LAST_NAMES: [&str; 16] = [
    "Abel", "Berger", "Costa", "Diaz", "Eriksen", "Fischer", "Greco", "Haddad", "Ito", "Jansen", "Keller",
    "Lopez", "Meyer", "Novak", "Okafor", "Petit",
];
const QUEUE_NAMES: [&str; 4] = ["Support", "Sales", "Billing", "Front desk"];

impl Account {
    /// The id of the first company's account, whatever the seed; the other company it calls has 801000016.
    pub const FIRST_ID: u64 = 800_000_016;

    /// An account with a number of users. Accounts with different `index` share no id and no number.
    pub fn new(index: u64, users: usize, rng: &mut Rng) -> Self {
        let people: Vec<User> = (0..users).map(|user| User::new(index, user as u64, rng)).collect();
        let queues = if users > 100 { 4 } else { 2 };
        let team = users.min(users / queues).clamp(1, 12);
        let queue = |nth: usize| Queue {
            extension: extension_id(index, 90_001 + nth as u64),
            number: 9001 + nth as u32,
            direct_number: 12_090_000_000 + index * 1_000_000 + 900_000 + nth as u64,
            name: QUEUE_NAMES[nth % QUEUE_NAMES.len()],
            members: nth * team % users.max(1)..(nth * team % users.max(1) + team).min(users),
            order: if nth.is_multiple_of(2) { RingOrder::Together } else { RingOrder::InTurn },
        };
        Self {
            id: Self::FIRST_ID + index * 1_000_000,
            index,
            main_number: 18_005_550_000 + index,
            users: people,
            queues: (0..queues).map(queue).collect(),
            menu: Menu { extension: extension_id(index, 95_001), number: 9501 },
            group: Group {
                extension: extension_id(index, 97_001),
                number: 9701,
                direct_number: special_number(index, 1),
                name: "Front desk line",
            },
            announcement: service_extension(index, 2, "Holiday announcement"),
            mailbox: service_extension(index, 3, "After hours mailbox"),
            park_slots: 801..810,
        }
    }

    /// The user who owns an extension.
    pub fn user(&self, extension: u64) -> Option<&User> {
        self.index_of(extension).map(|place| &self.users[place])
    }

    /// The park location.
    pub fn park_location(&self) -> ServiceExtension {
        let Menu { extension, number } = self.menu;
        ServiceExtension {
            extension: extension + 1_000_000,
            number: number + 100,
            direct_number: 0,
            name: "Park 1",
        }
    }

    /// Whether a telephone number reaches the account.
    pub(crate) fn has_number(&self, number: u64) -> bool {
        self.main_number == number
            || self.queues.iter().any(|queue| queue.direct_number == number)
            || [self.group.direct_number, self.announcement.direct_number, self.mailbox.direct_number]
                .contains(&number)
            || self.users.iter().any(|user| user.direct_number == number)
    }

    /// The index of a user in [`users`](Self::users).
    pub(crate) fn index_of(&self, extension: u64) -> Option<usize> {
        let nth = extension.checked_sub(extension_id(self.index, 1))? / 1000;
        let place = usize::try_from(nth).ok()?;
        self.users.get(place).filter(|user| user.extension == extension).map(|_| place)
    }
}

fn service_extension(index: u64, nth: u64, name: &'static str) -> ServiceExtension {
    ServiceExtension {
        extension: extension_id(index, 97_000 + nth),
        number: 9700 + nth as u32,
        direct_number: special_number(index, nth),
        name,
    }
}

/// A direct number of an extension that is neither a user nor a queue.
fn special_number(index: u64, nth: u64) -> u64 {
    12_090_000_000 + index * 1_000_000 + 970_000 + nth
}

fn extension_id(account: u64, nth: u64) -> u64 {
    62_000_000_016 + account * 1_000_000_000 + nth * 1000
}

/// An extension number that is not the number of a public service (911, 112, …), as companies assign them.
fn short_number(number: u32) -> u32 {
    const PUBLIC_SERVICES: [u32; 16] =
        [110, 111, 112, 118, 119, 211, 311, 411, 511, 611, 711, 811, 911, 933, 988, 999];
    if PUBLIC_SERVICES.contains(&number) { 1_000 + number } else { number }
}

impl User {
    fn new(account: u64, nth: u64, rng: &mut Rng) -> Self {
        let number =
            if account == 0 && nth < 900 { short_number(101 + nth as u32) } else { 20_001 + nth as u32 };
        Self {
            extension: extension_id(account, nth + 1),
            number,
            direct_number: 16_500_000_000 + account * 100_000_000 + 3_000_000 + nth,
            desk_phone: 200_000_000_016 + rng.u64(0..99_999_999) * 1000,
            app: 800_000_000_016 + rng.u64(0..99_999_999) * 1000,
            mobile: 14_700_000_000 + account * 10_000_000 + nth,
            name: (rng.choice(FIRST_NAMES).unwrap_or("Ada"), rng.choice(LAST_NAMES).unwrap_or("Abel")),
        }
    }

    /// The name as the platform shows it.
    pub fn name(&self) -> CompactString {
        format_compact!("{} {}", self.name.0, self.name.1)
    }

    /// The user as seen by a colleague: by extension number.
    pub(crate) fn inside(&self) -> Contact {
        self.reached_at(format_compact!("{}", self.number))
    }

    /// The user as seen from outside: by the direct number.
    pub(crate) fn outside(&self) -> Contact {
        self.reached_at(e164(self.direct_number))
    }

    /// The user, called at some number.
    pub(crate) fn reached_at(&self, number: CompactString) -> Contact {
        Contact { name: Some(self.name()), extension_id: Some(self.extension), ..Contact::number(number) }
    }
}

impl Contact {
    /// A number without a name or an extension.
    pub(crate) fn number(number: CompactString) -> Self {
        Self { phone_number: number, name: None, extension_id: None, device_id: None }
    }

    /// An outside number.
    pub(crate) fn outside(number: u64) -> Self {
        Self::number(e164(number))
    }

    pub(crate) fn named(self, name: &str) -> Self {
        Self { name: Some(name.into()), ..self }
    }

    pub(crate) fn with_device(self, device: u64) -> Self {
        Self { device_id: Some(device), ..self }
    }
}

/// A number in E.164 form.
pub(crate) fn e164(number: u64) -> CompactString {
    format_compact!("+{number}")
}
