//! Noisy neighbours: what a tenant, or a client without a key, can do to another tenant.
//!
//! A real service with two tenants. The victim posts notifications and asks for its calls, at a steady rate, on a thread
//! of its own; meanwhile the attacker tries one attack after another at full speed, from the victim's address and from
//! another one. Latencies count from the scheduled time of a request, so that a delayed request counts as late.

mod attack;
mod victim;

use std::{
    net::{IpAddr, Ipv4Addr},
    path::Path,
    time::Duration,
};

pub use self::attack::Attack;
use self::victim::{Observed, Victim};
use crate::service::{Connection, Result, Service, Tenant};

/// Maximum increase of the hook's latency during an attack (p99), in milliseconds.
pub const MAX_HOOK_INCREASE_MS: f64 = 50.0;

/// Maximum latency of the query for the last calls during an attack (p99), in milliseconds.
pub const MAX_CALLS_MS: f64 = 500.0;

/// Maximum memory of the service during an attack, in megabytes.
pub const MAX_MEMORY_MB: f64 = 1_024.0;

/// The size of a run.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Number of the attacker's calls that are stored before the attacks.
    pub calls: usize,
    /// Duration of each measurement, before and during an attack.
    pub measured: Duration,
    /// Number of parties in the call that is drawn.
    pub parties: usize,
    /// The only attack to try; `None` for all.
    pub only: Option<Attack>,
}

impl Plan {
    /// The run of docs/robustness.md.
    pub const FULL: Self =
        Self { calls: 20_000, measured: Duration::from_secs(10), parties: 10_000, only: None };

    /// A run for tests, which check counts but not times.
    pub const SHORT: Self =
        Self { calls: 300, measured: Duration::from_millis(1_500), parties: 1_000, only: None };
}

/// The result of an attack.
#[derive(Debug)]
pub struct Row {
    /// The attack.
    pub attack: Attack,
    /// Whether it came from an address other than the victim's.
    pub is_from_elsewhere: bool,
    before: Observed,
    during: Observed,
    /// Number of the attacker's answers by status; 0 counts closed connections.
    pub answers: std::collections::BTreeMap<u16, usize>,
    /// Peak memory of the service during the attack.
    pub peak_mb: f64,
}

impl Row {
    /// Number of the victim's requests that were refused or not answered, with the first reasons.
    pub fn refused(&self) -> (usize, &[String]) {
        (self.during.refused, &self.during.reasons)
    }

    /// Number of the victim's requests that were answered.
    pub fn answered(&self) -> usize {
        self.during.hook.len() + self.during.calls.len()
    }

    /// Increase of the hook's latency (p50, p99).
    fn hook_increase_ms(&self) -> [f64; 2] {
        [50, 99].map(|percent| {
            let increase = percentile(&self.during.hook, percent) - percentile(&self.before.hook, percent);
            increase.max(0.0)
        })
    }

    /// Limits that were exceeded, including times.
    pub fn violations(&self) -> Vec<String> {
        let mut violations = self.violations_except_times();
        let [_, hook] = self.hook_increase_ms();
        let calls = percentile(&self.during.calls, 99);
        if hook > MAX_HOOK_INCREASE_MS {
            violations.push(format!("the hook took {hook:.0} ms longer"));
        }
        if calls > MAX_CALLS_MS {
            violations.push(format!("the last calls took {calls:.0} ms"));
        }
        violations
    }

    /// Limits that were exceeded and do not depend on the speed of the machine.
    pub fn violations_except_times(&self) -> Vec<String> {
        let mut violations = Vec::new();
        let (refused, reasons) = self.refused();
        if refused > 0 {
            violations.push(format!("the victim was refused {refused} times: {}", reasons.join("; ")));
        }
        if self.during.hook.is_empty() || self.during.calls.is_empty() {
            violations.push("the victim was not answered".to_owned());
        }
        if self.peak_mb > MAX_MEMORY_MB {
            violations.push(format!("{:.0} MB of memory", self.peak_mb));
        }
        violations
    }

    /// The row of the table.
    pub fn markdown(&self) -> String {
        let [p50, p99] = self.hook_increase_ms();
        let addresses = if self.is_from_elsewhere { "two" } else { "one" };
        let answers: Vec<String> = self
            .answers
            .iter()
            .map(|(status, count)| match status {
                0 => format!("{count} closed"),
                status => format!("{count} × {status}"),
            })
            .collect();
        format!(
            "| {} | {addresses} | {:.1} / {:.1} | +{p50:.1} / +{p99:.1} | {:.1} / {:.1} | {} | {:.0} | {} |",
            self.attack.words(),
            percentile(&self.before.hook, 50),
            percentile(&self.before.hook, 99),
            percentile(&self.during.calls, 50),
            percentile(&self.during.calls, 99),
            self.during.refused,
            self.peak_mb,
            answers.join(", "),
        )
    }
}

/// The head of the table.
pub const MARKDOWN_HEAD: &str = "\
| attack | addresses | hook before, p50 / p99 ms | hook during the attack | `/v1/calls?limit=5`, p50 / p99 ms | refused | peak MB | the attacker's answers |
|---|---|---:|---:|---:|---:|---:|---|";

/// Tries all attacks on a new service, and reports each result when it is known.
pub fn measure(program: &Path, plan: &Plan, report: impl FnMut(Row)) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(attack_all(program, plan, report))
}

async fn attack_all(program: &Path, plan: &Plan, mut report: impl FnMut(Row)) -> Result<()> {
    raise_open_files();
    let folder = tempfile::tempdir()?;
    let data = folder.path().join("data");
    let attacker = Tenant::add(program, &data, "attacker")?;
    let victim = Tenant::add(program, &data, "victim")?;
    let service = Service::start(program, &data)?;
    let here = IpAddr::from(Ipv4Addr::LOCALHOST);
    let elsewhere = IpAddr::from(Ipv4Addr::new(127, 0, 0, 2));
    let mut connection = Connection::open(here, service.address).await?;
    for lines in crate::fill(plan.calls) {
        let status = connection.ask(&attacker.asks("POST", "/v1/notifications"), &lines).await?;
        if status != 200 {
            return Err(format!("an import is answered {status}").into());
        }
    }
    let mut victim = Victim::new(victim, service.address, here);
    victim.begin(&mut connection).await?;
    for from in [here, elsewhere] {
        for attack in Attack::ALL.into_iter().filter(|attack| plan.only.is_none_or(|only| only == *attack)) {
            let before = victim.measure(plan.measured).await?;
            service.reset_peak();
            let mut attacking =
                attack::Attacking::start(attack, plan, &attacker, from, service.address).await?;
            // Requests that the service does not stop within this time affect the measurement.
            tokio::time::sleep(plan.measured / 5).await;
            let during = victim.measure(plan.measured).await?;
            let answers = attacking.stop().await;
            let is_from_elsewhere = from != here;
            report(Row { attack, is_from_elsewhere, before, during, answers, peak_mb: service.peak_mb()? });
            victim.settle().await?;
        }
    }
    victim.expect_everything().await?;
    service.stop()
}

/// Raises the limit of open files: an attack opens more connections than the default allows.
fn raise_open_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
}

/// A percentile of sorted microseconds, in milliseconds.
fn percentile(micros: &[u32], percent: usize) -> f64 {
    let place = (micros.len() * percent / 100).min(micros.len().saturating_sub(1));
    micros.get(place).map_or(0.0, |micros| f64::from(*micros) / 1_000.0)
}
