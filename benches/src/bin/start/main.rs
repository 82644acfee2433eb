//! Time from the start of the process to the first acknowledged notification, with small and large stores.
//!
//! `start CALLS… [--program FILE]` (1000 100000): for each number of calls, fills a store and starts the service five times
//! right after an import of 200,000 more notifications, most of which are not assembled yet, and five times when idle. It
//! fails if a median exceeds a second.

use std::{
    env,
    net::{IpAddr, Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
    process::ExitCode,
    thread,
    time::Duration,
};

use wholecall_benches::{
    as_they_happen, examples,
    service::{Connection, Result, Service, Tenant},
};

const STARTS: usize = 5;
const MAX_MEDIAN_MS: u128 = 1_000;

/// Number of notifications that are imported right before the starts.
const IMPORTED: usize = 200_000;

/// Time until the service is idle: a start restores the arrivals of the last 75 seconds.
const IDLE_AFTER: Duration = Duration::from_secs(80);

fn main() -> Result<ExitCode> {
    let mut sizes = Vec::new();
    let mut program = env::current_exe()?.with_file_name("wholecall");
    let mut arguments = env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--program" => program = arguments.next().map(PathBuf::from).ok_or("--program FILE")?,
            calls => sizes.push(calls.parse()?),
        }
    }
    if sizes.is_empty() {
        sizes = vec![1_000, 100_000];
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    println!("| calls | when | first 200 after, ms (median of {STARTS}) | each |\n|---:|---|---:|---|");
    let mut is_met = true;
    for calls in sizes {
        is_met &= runtime.block_on(measure(&program, calls))?;
    }
    Ok(if is_met { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Measures a store; returns whether both medians are within the limit.
async fn measure(program: &Path, calls: usize) -> Result<bool> {
    let folder = tempfile::tempdir()?;
    let data = folder.path().join("data");
    let tenant = Tenant::add(program, &data, "load")?;
    let service = Service::start(program, &data)?;
    for lines in wholecall_benches::fill(calls) {
        import(&service, &tenant, &lines).await?;
    }
    service.stop()?;
    let service = Service::start(program, &data)?;
    // Calls with other ids than the stored ones.
    let more: Vec<String> = as_they_happen(examples(), Duration::from_millis(100))
        .take(IMPORTED)
        .map(|line| line.replace("-a0d7", "-b0d7"))
        .collect();
    for portion in more.chunks(20_000) {
        import(&service, &tenant, portion.join("\n").as_bytes()).await?;
    }
    service.kill()?;
    let mut is_met = starts(program, &data, &tenant, calls, "right after an import, killed")?;
    let service = Service::start(program, &data)?;
    thread::sleep(IDLE_AFTER);
    // A service that stopped has assembled everything.
    service.stop()?;
    is_met &= starts(program, &data, &tenant, calls, "idle")?;
    Ok(is_met)
}

async fn import(service: &Service, tenant: &Tenant, lines: &[u8]) -> Result<()> {
    let mut connection = Connection::open(IpAddr::from(Ipv4Addr::LOCALHOST), service.address).await?;
    match connection.ask(&tenant.asks("POST", "/v1/notifications"), lines).await? {
        200 => Ok(()),
        status => Err(format!("an import is answered {status}").into()),
    }
}

fn starts(program: &Path, data: &Path, tenant: &Tenant, calls: usize, when: &str) -> Result<bool> {
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let bodies =
        as_they_happen(examples(), Duration::from_secs(1)).map(|line| line.replace("-a0d7", "-c0d7"));
    let mut took = Vec::new();
    for body in bodies.take(STARTS) {
        let (service, after) = Service::start_until_first_200(program, data, port, tenant, &body)?;
        took.push(after.as_millis());
        service.kill()?;
    }
    let each: Vec<String> = took.iter().map(u128::to_string).collect();
    took.sort_unstable();
    let median = took[took.len() / 2];
    println!("| {calls} | {when} | {median} | {} |", each.join(", "));
    Ok(median <= MAX_MEDIAN_MS)
}
