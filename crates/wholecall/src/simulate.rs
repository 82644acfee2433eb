//! `wholecall simulate`: writes or posts the notifications of simulated calls.

mod views;

use std::{
    fs::File,
    io::{self, BufWriter, Write},
    path::Path,
};

use anyhow::Context;
use jiff::{Timestamp, ToSpan, tz::TimeZone};
use wholecall_fake_ringcentral::Webhook;
use wholecall_simulator::{Account, CallTruth, Company, Play, Scenario, Traffic, TrafficEvent, TruthHeader};

use crate::{
    cli::{PostArgs, SimulateArgs},
    input::Tally,
    posting::{self, Pace},
    secrets,
    tenant::TOKEN_VARIABLE,
};

const DAY: i64 = 86_400_000;

/// 2026-06-01T00:00:00Z, a Monday: a fixed start, so that files are reproducible.
const FILE_START: i64 = 1_780_272_000_000;

/// The hour of the simulated day at which live traffic starts, so that calls come at once.
const LIVE_START_HOUR: u8 = 10;

pub(crate) fn run(arguments: &SimulateArgs) -> anyhow::Result<Tally> {
    if arguments.subject.list {
        let names = Scenario::all().map(|scenario| scenario.name.len()).max().unwrap_or(0);
        for scenario in Scenario::all() {
            writeln!(io::stdout(), "{:names$}  {}", scenario.name, scenario.about)?;
        }
        return Ok(Tally::default());
    }
    if let (Some(view), Some(scenario)) = (arguments.view, arguments.subject.scenario) {
        return views::write(arguments, scenario, view);
    }
    let mut truths = Truths::create(arguments)?;
    if let Some(path) = &arguments.directory {
        write_directory(path, &accounts(arguments))?;
    }
    match &arguments.post {
        Some(address) => {
            let token = arguments.posting.verification_token.as_deref();
            let token = secrets::given(token, None, TOKEN_VARIABLE)?;
            let webhook = Webhook::new(address, token.as_deref())?;
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .enable_all()
                .build()
                .context("cannot start the async runtime")?;
            runtime.block_on(post(arguments, &webhook, &mut truths))?;
        }
        None => write(arguments, &mut truths)?,
    }
    truths.finish()?;
    Ok(Tally::default())
}

/// The accounts that take part.
fn accounts(arguments: &SimulateArgs) -> Vec<Account> {
    match arguments.subject.scenario {
        Some(scenario) => scenario.accounts(arguments.seed),
        None => {
            let company = Company::with_users(arguments.users);
            let traffic = Traffic::new(company, FILE_START, FILE_START + DAY, arguments.seed);
            traffic.accounts().to_vec()
        }
    }
}

/// Writes RingCentral's lists of extensions and of phone numbers.
fn write_directory(path: &Path, accounts: &[Account]) -> anyhow::Result<()> {
    let mut file = create(path)?;
    for account in accounts {
        for list in [account.extension_list(), account.phone_number_list()] {
            serde_json::to_writer(&mut file, &list)?;
            file.write_all(b"\n")?;
        }
    }
    file.flush()?;
    Ok(())
}

/// The traffic from a time on.
fn traffic(arguments: &SimulateArgs, start: i64, hour: u8) -> Box<dyn Iterator<Item = TrafficEvent>> {
    let faults = arguments.faults.clone().unwrap_or_default();
    let seed = arguments.seed;
    match arguments.subject.scenario {
        Some(scenario) => {
            let Play { notifications, truths } = scenario.play_at(seed, start);
            let arrived = faults.apply(notifications, seed);
            Box::new(
                truths
                    .into_iter()
                    .map(TrafficEvent::Truth)
                    .chain(arrived.into_iter().map(TrafficEvent::Notification)),
            )
        }
        None => {
            let company = Company::with_users(arguments.users);
            Box::new(Traffic::new(company, start, start + DAY, seed).from_hour(hour).with_faults(faults))
        }
    }
}

/// Writes notifications, one per line.
fn write(arguments: &SimulateArgs, truths: &mut Truths) -> anyhow::Result<()> {
    let mut out: Box<dyn Write> = match &arguments.out {
        Some(path) => Box::new(create(path)?),
        None => Box::new(BufWriter::new(io::stdout().lock())),
    };
    let mut line = Vec::with_capacity(2048);
    for event in traffic(arguments, FILE_START, 0) {
        match event {
            TrafficEvent::Truth(truth) => truths.write(&truth)?,
            TrafficEvent::Notification(notification) => {
                line.clear();
                notification.write_json(&mut line);
                line.push(b'\n');
                out.write_all(&line)?;
            }
        }
    }
    out.flush()?;
    Ok(())
}

async fn post(arguments: &SimulateArgs, webhook: &Webhook, truths: &mut Truths) -> anyhow::Result<()> {
    let PostArgs { no_delay, speed, .. } = arguments.posting;
    let now = Timestamp::now();
    let (start, hour, pace) = match no_delay {
        // Yesterday.
        true => {
            let midnight = now.to_zoned(TimeZone::UTC).start_of_day()?.timestamp();
            ((midnight - 24.hours()).as_millisecond(), 0, Pace::NoDelay)
        }
        false => {
            let now = now.as_millisecond();
            (now, LIVE_START_HOUR, Pace::Timed { now, speed })
        }
    };
    let account = Account::FIRST_ID;
    eprintln!("posting the calls of account {account}; stop with Ctrl-C");
    let traffic = traffic(arguments, start, hour);
    let posted = tokio::select! {
        posted = posting::post(traffic, account, webhook, pace, |truth| truths.write(truth)) => posted?,
        _ = tokio::signal::ctrl_c() => return Ok(()),
    };
    eprintln!("posted {} notifications of {} calls", posted.notifications, posted.calls);
    match posted.first_refusal {
        Some(refusal) => anyhow::bail!("{} of them were refused, the first: {refusal}", posted.refused),
        None => Ok(()),
    }
}

/// The truth file; `None` without `--truth`.
struct Truths(Option<BufWriter<File>>);

impl Truths {
    fn create(arguments: &SimulateArgs) -> anyhow::Result<Self> {
        let Some(path) = &arguments.truth else { return Ok(Self(None)) };
        let faults = arguments.faults.clone().unwrap_or_default();
        Self::create_at(path, &TruthHeader::new(arguments.seed, &faults))
    }

    fn create_at(path: &Path, header: &TruthHeader) -> anyhow::Result<Self> {
        let mut file = create(path)?;
        serde_json::to_writer(&mut file, header)?;
        file.write_all(b"\n")?;
        Ok(Self(Some(file)))
    }

    fn write(&mut self, truth: &CallTruth) -> io::Result<()> {
        let Some(file) = &mut self.0 else { return Ok(()) };
        serde_json::to_writer(&mut *file, truth)?;
        file.write_all(b"\n")
    }

    fn finish(&mut self) -> io::Result<()> {
        self.0.as_mut().map_or(Ok(()), Write::flush)
    }
}

fn create(path: &Path) -> anyhow::Result<BufWriter<File>> {
    let file = File::create(path).with_context(|| format!("{} cannot be written", path.display()))?;
    Ok(BufWriter::new(file))
}
