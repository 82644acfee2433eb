//! Noisy neighbours: what a tenant, or whoever has no key at all, can do to another tenant.
//!
//! A real service with two tenants. The victim posts notifications and asks for its calls, at a steady rate, on a thread
//! of its own; beside it the attacker does one thing after another as hard as it can, from the victim's address and
//! from another one. Latencies count from when a request was due, so that whoever is held up is measured as late.

mod attack;
mod victim;

use std::{
    net::{IpAddr, Ipv4Addr},
    path::Path,
    time::Duration,
};

pub use self::attack::Attack;
use self::victim::{Seen, Victim};
use crate::service::{Connection, Result, Service, Tenant};

/// The hook may take so much longer beside an attack (p99), in milliseconds.
pub const HOOK_ABOVE_BASELINE_MS: f64 = 50.0;

/// The last calls may take so long beside an attack (p99), in milliseconds.
pub const CALLS_MS: f64 = 500.0;

/// The most memory of the service, whatever is done to it.
pub const MEMORY_MB: f64 = 1_024.0;

/// How much is tried.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Calls of the attacker that are stored before.
    pub calls: usize,
    /// How long each attack, and the quiet before it, is measured.
    pub measured: Duration,
    /// Parties of the call that is drawn.
    pub parties: usize,
    /// Only this is tried.
    pub only: Option<Attack>,
}

impl Plan {
    /// As docs/robustness.md has it.
    pub const FULL: Self =
        Self { calls: 20_000, measured: Duration::from_secs(10), parties: 10_000, only: None };

    /// Counts, not times.
    pub const SHORT: Self =
        Self { calls: 300, measured: Duration::from_millis(1_500), parties: 1_000, only: None };
}

/// What an attack came to.
#[derive(Debug)]
pub struct Row {
    /// What was done.
    pub attack: Attack,
    /// Whether from an address other than the victim's.
    pub is_from_elsewhere: bool,
    quiet: Seen,
    attacked: Seen,
    /// The attacker's answers by status, and connections that ended (0).
    pub answers: std::collections::BTreeMap<u16, usize>,
    /// The most memory of the service meanwhile.
    pub peak_mb: f64,
}

impl Row {
    /// How often the victim was refused or not answered, with the first reasons.
    pub fn refused(&self) -> (usize, &[String]) {
        (self.attacked.refused, &self.attacked.reasons)
    }

    /// How many requests of the victim were answered.
    pub fn answered(&self) -> usize {
        self.attacked.hook.len() + self.attacked.calls.len()
    }

    /// How much longer the hook took (p50, p99).
    fn hook_above_ms(&self) -> [f64; 2] {
        [50, 99].map(|percent| {
            let above = percentile(&self.attacked.hook, percent) - percentile(&self.quiet.hook, percent);
            above.max(0.0)
        })
    }

    /// What is not as it should be, times included.
    pub fn complaints(&self) -> Vec<String> {
        let mut complaints = self.complaints_but_of_times();
        let [_, hook] = self.hook_above_ms();
        let calls = percentile(&self.attacked.calls, 99);
        if hook > HOOK_ABOVE_BASELINE_MS {
            complaints.push(format!("the hook took {hook:.0} ms longer"));
        }
        if calls > CALLS_MS {
            complaints.push(format!("the last calls took {calls:.0} ms"));
        }
        complaints
    }

    /// What is not as it should be on a machine of any speed.
    pub fn complaints_but_of_times(&self) -> Vec<String> {
        let mut complaints = Vec::new();
        let (refused, reasons) = self.refused();
        if refused > 0 {
            complaints.push(format!("the victim was refused {refused} times: {}", reasons.join("; ")));
        }
        if self.attacked.hook.is_empty() || self.attacked.calls.is_empty() {
            complaints.push("the victim was not answered".to_owned());
        }
        if self.peak_mb > MEMORY_MB {
            complaints.push(format!("{:.0} MB of memory", self.peak_mb));
        }
        complaints
    }

    /// A row of the table.
    pub fn markdown(&self) -> String {
        let [p50, p99] = self.hook_above_ms();
        let addresses = if self.is_from_elsewhere { "two" } else { "one" };
        let answers: Vec<String> = self
            .answers
            .iter()
            .map(|(status, count)| match status {
                0 => format!("{count} cut"),
                status => format!("{count} × {status}"),
            })
            .collect();
        format!(
            "| {} | {addresses} | {:.1} / {:.1} | +{p50:.1} / +{p99:.1} | {:.1} / {:.1} | {} | {:.0} | {} |",
            self.attack.words(),
            percentile(&self.quiet.hook, 50),
            percentile(&self.quiet.hook, 99),
            percentile(&self.attacked.calls, 50),
            percentile(&self.attacked.calls, 99),
            self.attacked.refused,
            self.peak_mb,
            answers.join(", "),
        )
    }
}

/// The head of the table.
pub const MARKDOWN_HEAD: &str = "\
| attack | addresses | hook before, p50 / p99 ms | hook during the attack | `/v1/calls?limit=5`, p50 / p99 ms | refused | peak MB | the attacker's answers |
|---|---|---:|---:|---:|---:|---:|---|";

/// Does everything to a service of its own, and tells of each thing as it is done.
pub fn measure(program: &Path, plan: &Plan, tell: impl FnMut(Row)) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(attack_all(program, plan, tell))
}

async fn attack_all(program: &Path, plan: &Plan, mut tell: impl FnMut(Row)) -> Result<()> {
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
            let quiet = victim.measure(plan.measured).await?;
            service.forget_peak();
            let mut attacking =
                attack::Attacking::start(attack, plan, &attacker, from, service.address).await?;
            // What is not stopped within this time does its harm from now on.
            tokio::time::sleep(plan.measured / 5).await;
            let attacked = victim.measure(plan.measured).await?;
            let answers = attacking.stop().await;
            let is_from_elsewhere = from != here;
            tell(Row { attack, is_from_elsewhere, quiet, attacked, answers, peak_mb: service.peak_mb()? });
            victim.settle().await?;
        }
    }
    victim.expect_everything().await?;
    service.stop()
}

/// More connections than the usual limit of open files has room for.
fn raise_open_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
}

/// Of microseconds in order, in milliseconds.
fn percentile(micros: &[u32], percent: usize) -> f64 {
    let place = (micros.len() * percent / 100).min(micros.len().saturating_sub(1));
    micros.get(place).map_or(0.0, |micros| f64::from(*micros) / 1_000.0)
}
