//! The machine's clock is compared with RingCentral's and with those of receivers.

use std::{
    fs,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tempfile::TempDir;
use wholecall_fake_ringcentral::Config;

use crate::{
    connecting::{Platform, connect},
    harness::{Client, FORM, Installation, OPERATOR_KEY, SOON, Server, Tenant, eventually},
    traffic::{ACCOUNT, another},
    webhooks::{
        endpoint,
        receiver::{Answer, Receiver},
        to,
    },
};

/// A service with an operator and a log file.
struct Operated {
    server: Server,
    folder: TempDir,
}

impl Operated {
    fn start(installation: &Installation) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut command = installation.serve_with_operator();
        command.arg("--allow-private-webhooks");
        let log = fs::File::create(folder.path().join("log")).unwrap();
        Self { server: Server::start_with_log(command, log).unwrap(), folder }
    }

    fn client(&self) -> Client {
        self.server.client()
    }

    /// The clock's status in the operator's health report.
    fn clock(&self) -> Value {
        self.client().get(&Tenant::operator(), "/v1/health")["clock"].clone()
    }

    fn expect(&self, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        let found = eventually(SOON, || Some(self.clock()).filter(&is_so));
        found.unwrap_or_else(|| panic!("no {what}: {}", self.clock()))
    }

    fn metric(&self, source: &str) -> Option<f64> {
        let metrics = self.client().try_get(&Tenant::operator(), "/metrics", &[]).unwrap().body;
        assert!(metrics.contains("# HELP wholecall_clock_offset_seconds "), "{metrics}");
        let name = format!("wholecall_clock_offset_seconds{{source=\"{source}\"}} ");
        metrics.lines().find_map(|line| line.strip_prefix(&name)?.parse().ok())
    }

    /// The number of times that the log contains a text.
    fn logged(&self, text: &str) -> usize {
        fs::read_to_string(self.folder.path().join("log")).unwrap().matches(text).count()
    }
}

#[test]
fn a_clock_that_differs_from_ringcentrals_raises_an_alarm_until_it_is_right() {
    let platform = Platform::of(Config { users: 3, ..Config::default() });
    platform.control("date", &json!({ "seconds": -3_600 }));
    let installation = Installation::new();
    let operated = Operated::start(&installation);
    assert_eq!(operated.clock(), Value::Null, "nothing has been compared yet");
    let tenant = connect(&installation, &platform, &[]);
    let clock = operated.expect("alarm", |clock| clock["problem"].is_string());
    assert_eq!(clock["comparedWith"], "ringcentral");
    let offset_ms = clock["offsetMs"].as_i64().unwrap();
    assert!((3_590_000..3_610_000).contains(&offset_ms), "{clock}");
    assert!(operated.metric("RingCentral").is_some_and(|offset| (3_590.0..3_610.0).contains(&offset)));
    let problem = clock["problem"].as_str().unwrap();
    assert!(problem.contains("1 h") && problem.contains("ahead of RingCentral's"), "{problem}");
    assert!(problem.contains("NTP"), "no advice: {problem}");
    // Tenants do not see the clock; the operator's page shows it.
    assert_eq!(operated.client().get(&tenant, "/v1/health").get("clock"), None);
    let page = health_page(&operated.client());
    assert!(page.contains("ahead of RingCentral&#39;s"), "{page}");
    platform.control("date", &json!({ "seconds": 0 }));
    let mut dropped: Option<Instant> = None;
    let clock = eventually(SOON, || {
        // A new connection starts with HTTP requests, whose answers have the time.
        if dropped.is_none_or(|at| at.elapsed() > Duration::from_secs(5)) {
            platform.control("drop-websockets", &json!({}));
            dropped = Some(Instant::now());
        }
        Some(operated.clock()).filter(|clock| clock["problem"].is_null())
    });
    assert!(clock.is_some_and(|clock| clock["offsetMs"].as_i64().unwrap().abs() < 10_000));
    assert!(!health_page(&operated.client()).contains("this machine"));
    assert_eq!(
        (operated.logged("ahead of RingCentral's"), operated.logged("the clock is correct again")),
        (1, 1)
    );
    operated.server.stop();
}

#[test]
fn three_receivers_raise_an_alarm_and_one_with_a_wrong_clock_does_not() {
    let wrong = Answer::with_headers(200, "date: Tue, 15 Nov 1994 08:12:31 GMT\r\n");
    let receivers: Vec<Receiver> =
        (1..=3).map(|last| Receiver::at([127, 0, 0, last], wrong.clone())).collect();
    let installation = Installation::new();
    let tenant = installation.tenant("acme", [ACCOUNT]);
    let operated = Operated::start(&installation);
    let client = operated.client();
    let notify = |number| {
        let call = another(&crate::traffic::example("direct"), number);
        call.iter().for_each(|line| client.notify(&tenant, line));
    };
    for (count, receiver) in receivers.iter().enumerate() {
        endpoint(&client, &tenant, &to(&receiver.url()));
        // Two calls: the answer to the first delivery is evaluated with the second delivery.
        notify(2 * count);
        receiver.expect(1);
        notify(2 * count + 1);
        receiver.expect(receiver.requests().len() + 1);
        match count {
            2 => drop(operated.expect("alarm", |clock| clock["problem"].is_string())),
            _ => assert_eq!(operated.clock(), Value::Null, "{} receivers", count + 1),
        }
    }
    let clock = operated.clock();
    assert_eq!(clock["comparedWith"], "receivers");
    assert!(clock["offsetMs"].as_i64().unwrap() > 20 * 365 * 86_400_000, "{clock}");
    assert_eq!(operated.metric("RingCentral"), None);
    assert!(operated.metric("Receivers").is_some());
    assert_eq!(operated.logged("the clocks of webhook receivers"), 1);
    operated.server.stop();
}

fn health_page(client: &Client) -> String {
    let reply = client.post("/sign-in", &[FORM], format!("key={OPERATOR_KEY}").as_bytes());
    let cookie = reply.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
    client.try_get(&Tenant::anonymous(), "/health", &[("Cookie", &cookie)]).unwrap().body
}
