//! Reading directories from a simulated platform.

#![allow(clippy::unwrap_used, reason = "a test fails without it")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use wholecall_fake_ringcentral::{Config, Fake};
use wholecall_ringcentral::{
    Client, Credentials, Directory, DirectoryReading, Error, ForwardingNumbers, ForwardingReading, Http,
    PhoneNumber,
};

/// A simulated platform, and a client of its first account's administrator. Both use the test's clock.
struct World {
    fake: Fake,
    client: Client,
    clock: Arc<AtomicI64>,
}

impl World {
    async fn of(users: usize) -> Self {
        let config = Config { calls_per_user: 0.0, users, ..Config::default() };
        let fake = Fake::start(config.clone()).await.unwrap();
        let credentials = Credentials {
            server: fake.url(),
            client_id: config.client_id,
            client_secret: config.client_secret,
            jwt: fake.jwt(0).unwrap(),
        };
        let clock = Arc::new(AtomicI64::new(0));
        let own = clock.clone();
        let now = Arc::new(move || own.load(Ordering::Relaxed));
        Self { client: Client::new(Http::new().unwrap(), credentials, now).unwrap(), fake, clock }
    }

    fn pass(&self, ms: i64) {
        self.clock.fetch_add(ms, Ordering::Relaxed);
        self.fake.advance(Duration::from_millis(ms.unsigned_abs()));
    }

    async fn control(&self, method: &str, path: &str, body: &str) -> String {
        let mut stream = TcpStream::connect(self.fake.address()).await.unwrap();
        let length = body.len();
        let request = format!(
            "{method} /fake/{path} HTTP/1.1\r\nHost: here\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        answer
    }

    /// Reads the directory within the limits; returns it and the number of waits.
    async fn read(&self) -> (Directory, usize) {
        let (mut reading, mut waits) = (DirectoryReading::default(), 0);
        loop {
            match self.client.read_directory(&mut reading).await {
                Ok(directory) => return (directory, waits),
                Err(Error::RateLimited { until_ms, .. }) => {
                    waits += 1;
                    self.pass(until_ms - self.client.now_ms());
                }
                Err(error) => panic!("{error}"),
            }
        }
    }
}

impl World {
    /// Reads all users' forwarding numbers within the limits; returns them and the number of waits.
    async fn forwarding(&self, directory: &Directory) -> (ForwardingNumbers, usize) {
        let (mut reading, mut waits) = (ForwardingReading::of(directory), 0);
        loop {
            match self.client.read_forwarding(&mut reading).await {
                Ok(numbers) => return (numbers, waits),
                Err(Error::RateLimited { until_ms, .. }) => {
                    waits += 1;
                    self.pass(until_ms - self.client.now_ms());
                }
                Err(error) => panic!("{error}"),
            }
        }
    }
}

fn kinds(directory: &Directory, kind: &str) -> usize {
    directory.extensions.iter().filter(|one| one.kind.as_deref() == Some(kind)).count()
}

#[tokio::test]
async fn all_extensions_are_read_within_the_limits() {
    // More than a page of extensions and of numbers.
    let world = World::of(2_500).await;
    let (directory, _) = world.read().await;
    assert_eq!(directory.extensions.len(), 2_500 + 4 + 1 + 6);
    assert_eq!(
        ["User", "Department", "IvrMenu", "ParkLocation", "Announcement"].map(|kind| kinds(&directory, kind)),
        [2_500, 4, 1, 1, 1]
    );
    assert_eq!(directory.queues.len(), 4);
    assert!(directory.queues.iter().all(|queue| queue.members.len() == 12));
    let user = directory.extensions.iter().find(|one| one.kind.as_deref() == Some("User")).unwrap();
    let queue = directory.queues.iter().find(|queue| queue.members.contains(&user.id)).unwrap();
    assert!(directory.extensions.iter().any(|one| one.id == queue.id));
    // The company's, the queues' and the users'.
    assert_eq!(directory.phone_numbers.len(), 1 + 4 + 2_500);
    let company: Vec<_> =
        directory.phone_numbers.iter().filter(|number| number.extension_id.is_none()).collect();
    assert_eq!(company.len(), 1);
    assert_eq!(company[0].usage_type.as_deref(), Some("MainCompanyNumber"));
    assert_eq!(directory.devices.len(), 2_500, "an app has no line");
    let desk = directory.devices.iter().find(|one| one.extension_id.as_ref() == Some(&user.id)).unwrap();
    let is_own = |number: &&PhoneNumber| number.extension_id.as_ref() == Some(&user.id);
    let direct = directory.phone_numbers.iter().find(is_own).unwrap();
    assert_eq!(desk.lines, std::slice::from_ref(&direct.phone_number));
    assert_eq!(directory.missing, []);
    let (again, waits) = world.read().await;
    assert_eq!(again, directory, "the same whenever it is read");
    assert!(waits > 0, "two readings in a minute are more than half of what is allowed");
    assert!(world.control("GET", "counts", "").await.contains(r#""rateLimitViolations":0"#));
    let stored = serde_json::to_string(&directory).unwrap();
    assert_eq!(serde_json::from_str::<Directory>(&stored).unwrap(), directory);
}

#[tokio::test]
async fn parts_without_permission_are_left_out_and_listed() {
    let world = World::of(24).await;
    let (whole, _) = world.read().await;
    world.control("POST", "deny", r#"{"path":"phone-number","permission":"ReadAccounts"}"#).await;
    let (directory, _) = world.read().await;
    assert_eq!((&directory.extensions, &directory.queues), (&whole.extensions, &whole.queues));
    assert!(directory.phone_numbers.is_empty());
    let missing = &directory.missing[..];
    assert_eq!(
        (missing.len(), missing[0].part.as_str(), missing[0].permission.as_deref()),
        (1, "phoneNumbers", Some("ReadAccounts"))
    );
    // Without the members, every queue would look like one without members.
    world.control("POST", "deny", r#"{"path":"members","permission":"ReadCallQueues"}"#).await;
    let (directory, _) = world.read().await;
    assert!(directory.queues.is_empty());
    let parts: Vec<&str> = directory.missing.iter().map(|missing| missing.part.as_str()).collect();
    assert_eq!(parts, ["queues", "phoneNumbers"]);
    world.control("POST", "deny", "{}").await;
    assert_eq!(world.read().await.0, whole);
}

#[tokio::test]
async fn without_the_list_of_extensions_there_is_no_directory() {
    let world = World::of(24).await;
    world.control("POST", "deny", r#"{"path":"extension","permission":"ReadAccounts"}"#).await;
    let error = world.client.read_directory(&mut DirectoryReading::default()).await.unwrap_err();
    let refusal = error.refusal().unwrap();
    assert_eq!((refusal.status, refusal.permission.as_deref()), (403, Some("ReadAccounts")));
    world.control("POST", "deny", "{}").await;
    world.control("POST", "outage", r#"{"seconds":60,"of":"api"}"#).await;
    let error = world.client.read_directory(&mut DirectoryReading::default()).await.unwrap_err();
    assert!(error.is_transient(), "{error}");
}

#[tokio::test]
async fn a_changed_name_is_read() {
    let world = World::of(24).await;
    let (before, _) = world.read().await;
    world.control("POST", "rename", r#"{"extensionNumber":"9001","name":"Help desk"}"#).await;
    let (after, _) = world.read().await;
    let changed: Vec<_> =
        after.extensions.iter().filter(|extension| !before.extensions.contains(extension)).collect();
    assert_eq!(changed.len(), 1);
    assert_eq!(changed[0].name.as_deref(), Some("Help desk"));
}

#[tokio::test]
async fn every_users_forwarding_numbers_are_read_within_half_of_the_limit() {
    let world = World::of(120).await;
    let (mut directory, _) = world.read().await;
    let (numbers, waits) = world.forwarding(&directory).await;
    assert!(waits >= 120 / 25, "{waits} waits: half of fifty requests a minute");
    assert_eq!((numbers.users.len(), &numbers.missing), (120, &None), "queues and menus have none");
    assert!(world.control("GET", "counts", "").await.contains(r#""rateLimitViolations":0"#));
    assert_eq!(world.forwarding(&directory).await.0, numbers, "the same whenever it is read");
    let user = numbers.users[7].clone();
    assert_eq!(user.numbers.len(), 2);
    let own =
        directory.phone_numbers.iter().find(|one| one.extension_id.as_ref() == Some(&user.extension_id));
    assert!(user.numbers.contains(&own.unwrap().phone_number), "the line of the desk phone");
    directory.forwarding = numbers.users;
    let reached: Vec<_> = directory.reached_at().filter(|(id, _)| *id == user.extension_id).collect();
    assert_eq!(reached.len(), 3, "both, and the line again as that of a device");
    let stored = serde_json::to_string(&directory).unwrap();
    assert_eq!(serde_json::from_str::<Directory>(&stored).unwrap(), directory);
}

#[tokio::test]
async fn without_the_permission_there_are_no_forwarding_numbers() {
    let world = World::of(24).await;
    world.control("POST", "deny", r#"{"path":"forwarding-number","permission":"ReadAccounts"}"#).await;
    let (directory, _) = world.read().await;
    let (numbers, waits) = world.forwarding(&directory).await;
    assert_eq!((numbers.users.len(), waits), (0, 0), "a refused request is not repeated for each user");
    let missing = numbers.missing.unwrap();
    assert_eq!(
        (missing.part.as_str(), missing.permission.as_deref()),
        ("forwardingNumbers", Some("ReadAccounts"))
    );
    world.control("POST", "deny", r#"{"path":"device","permission":"ReadAccounts"}"#).await;
    let (directory, _) = world.read().await;
    assert!(directory.devices.is_empty());
    assert!(directory.missing.iter().any(|missing| missing.part == "devices"));
}

#[test]
fn a_directory_of_an_earlier_version_is_read() {
    let old = r#"{"extensions":[{"id":"104","extensionNumber":"104","name":"Ada","type":"User"}],
        "queues":[],"phoneNumbers":[],"missing":[]}"#;
    let directory: Directory = serde_json::from_str(old).unwrap();
    assert_eq!((directory.extensions.len(), directory.devices.len(), directory.forwarding.len()), (1, 0, 0));
    let written = serde_json::to_string(&directory).unwrap();
    assert!(!written.contains("devices") && !written.contains("forwarding"), "empty lists are left out");
}
