//! Throughput and latency of the service: starts `wholecall serve` and posts to it over keep-alive connections.
//!
//! `load [SECONDS] [PROGRAM]`: seconds of the sustained part (10), the program (`wholecall` in the same folder).
//! `load fill CALLS [PROGRAM]`: size and query times of a store with a number of calls.
//! The example calls are played at overlapping times, like those of a company of that size.

mod bare;
mod client;
mod service;

use std::{
    env,
    error::Error,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use client::{Load, Pace, Queries, percentile};
use service::{Service, Used};

/// About 15,000 notifications a second.
const BETWEEN_CALLS: Duration = Duration::from_micros(930);

/// Number of connections that post.
const CONNECTIONS: usize = 128;

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

fn main() -> Result<()> {
    let mut arguments = env::args().skip(1);
    let first = arguments.next();
    if first.as_deref() == Some("bare") {
        let file = arguments.next().ok_or("bare FILE")?;
        return runtime()?.block_on(bare::serve(file.into()));
    }
    let calls = match first.as_deref() {
        Some("fill") => Some(arguments.next().ok_or("fill CALLS")?.parse()?),
        _ => None,
    };
    let default = env::current_exe()?.with_file_name("wholecall");
    let program = arguments.next().map_or(default, PathBuf::from);
    match calls {
        Some(calls) => runtime()?.block_on(fill(&program, calls)),
        None => {
            let seconds = first.map_or(Ok(10), |seconds| seconds.parse())?;
            runtime()?.block_on(measure(&program, Duration::from_secs(seconds)))
        }
    }
}

fn runtime() -> Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?)
}

async fn measure(program: &Path, sustained: Duration) -> Result<()> {
    let limit = {
        let bare = service::Bare::start()?;
        let mut load = Load::new(BETWEEN_CALLS);
        load.post(&bare.address, "/", None, CONNECTIONS, Pace::Unlimited, sustained).await?
    };
    println!(
        "bare server           {:>9.0} notifications/s, p99 {:.1} ms",
        limit.rate(),
        limit.percentile(99)
    );
    saturate(program, sustained, limit.rate()).await?;
    receive(program, sustained).await?;
    complete(program, sustained).await?;
    hold(program).await
}

/// Maximum throughput of the hook, without other requests.
async fn saturate(program: &Path, time: Duration, limit: f64) -> Result<()> {
    let service = Service::start(program)?;
    let took = service.post(&mut Load::new(BETWEEN_CALLS), Pace::Unlimited, time).await?;
    let behind = service.settle(took.count()).await?;
    println!(
        "at most               {:>9.0} notifications/s, p50 {:.1} ms, p99 {:.1} ms; {:.2} of the bare server; \
         all assembled {:.1} s after the last",
        took.rate(),
        took.percentile(50),
        took.percentile(99),
        took.rate() / limit,
        behind.as_secs_f64(),
    );
    Ok(())
}

/// Latency at steady rates, processor time, disk and memory, and the throughput of an import.
async fn receive(program: &Path, sustained: Duration) -> Result<()> {
    let service = Service::start(program)?;
    let mut load = Load::new(BETWEEN_CALLS);
    let took = service.post(&mut load, Pace::PerSecond(15_000), sustained).await?;
    let behind = service.settle(took.count()).await?;
    println!(
        "at 15,000/s for {:>3} s {:>9.0} notifications/s, p50 {:.1} ms, p99 {:.1} ms; all assembled {:.1} s after the last",
        sustained.as_secs(),
        took.rate(),
        took.percentile(50),
        took.percentile(99),
        behind.as_secs_f64(),
    );
    let Used { seconds, written } = service.used()?;
    println!(
        "each                  {:>9.1} µs of processor, {:.0} bytes written",
        seconds * 1e6 / took.count() as f64,
        written / took.count() as f64
    );
    println!(
        "disk                  {:>9.0} bytes per notification, journal, versions and indexes",
        service.disk()? / took.count() as f64
    );
    let calm = service.post(&mut load, Pace::PerSecond(5_000), sustained).await?;
    println!(
        "at 5,000/s            {:>9.0} notifications/s, p50 {:.1} ms, p99 {:.1} ms",
        calm.rate(),
        calm.percentile(50),
        calm.percentile(99)
    );
    println!("memory                {:>9.1} MB at most", service.memory_mb("VmHWM:")?);
    let imported = load.import(&service.address, &service.key, 200_000).await?;
    println!("bulk import           {imported:>9.0} notifications/s");
    Ok(())
}

/// From the last notification of a call to the completed record in the feed, at 1,000 notifications a second.
async fn complete(program: &Path, time: Duration) -> Result<()> {
    const SETTLE_TIME: Duration = Duration::from_secs(1);
    let service = Service::start(program)?;
    // Calls that start every 280 ms, posted faster than real time: about 200 live calls of a few seconds each.
    let mut load = Load::new(Duration::from_millis(280));
    let until = Instant::now() + time + 5 * SETTLE_TIME;
    let completions = client::completions(service.address.clone(), service.key.clone(), until);
    let (posted, completions) =
        tokio::join!(service.post(&mut load, Pace::PerSecond(1_000), time), completions);
    let (posted, completions) = (posted?, completions?);
    let latencies = completions.iter().filter_map(|(call, at)| {
        let acknowledged = *posted.last_acknowledged.get(call)?;
        Some(at.saturating_duration_since(acknowledged + SETTLE_TIME).as_micros() as u32)
    });
    let mut latencies: Vec<u32> = latencies.collect();
    latencies.sort_unstable();
    println!(
        "completed             {:>9} calls, p50 {:.1} ms, p99 {:.1} ms after they have settled, at 1,000 notifications/s",
        latencies.len(),
        percentile(&latencies, 50),
        percentile(&latencies, 99)
    );
    Ok(())
}

/// Memory and query times with 50,000 live calls.
async fn hold(program: &Path) -> Result<()> {
    const MAX_BATCH: usize = 20_000;
    let service = Service::start(program)?;
    let mut load = Load::new(Duration::from_micros(800));
    let mut queries = Queries::open(&service.address, &service.key).await?;
    let (mut notifications, mut live) = (0, 0);
    while live < 50_000 {
        load.import(&service.address, &service.key, MAX_BATCH).await?;
        notifications += MAX_BATCH;
        service.settle(notifications).await?;
        // Calls that have ended are completed after a second.
        tokio::time::sleep(Duration::from_secs(2)).await;
        live = queries.ids("state=live", usize::MAX).await?.len();
    }
    println!(
        "live                  {live:>9} calls in memory, {:.0} MB; at most {:.0} MB",
        service.memory_mb("VmRSS:")?,
        service.memory_mb("VmHWM:")?
    );
    measure_queries(&mut queries).await
}

/// Measures the time of queries.
async fn measure_queries(queries: &mut Queries) -> Result<()> {
    let ids = queries.ids("", 10_000).await?;
    let one: Vec<String> = ids.iter().rev().map(|id| format!("/v1/calls/{id}")).collect();
    // The companies' own numbers are in every sixth call.
    let numbers = ["14045550111", "14705550189", "16785550177", "17705550132"].iter().cycle().take(1_000);
    let by_number: Vec<String> = numbers.map(|number| format!("/v1/calls?number=%2B{number}")).collect();
    for (query, paths) in [("one call", one), ("by number", by_number)] {
        let took = queries.time(&paths).await?;
        println!(
            "query: {query:<15}{:>9} queries, p50 {:.1} ms, p99 {:.1} ms",
            took.len(),
            percentile(&took, 50),
            percentile(&took, 99)
        );
    }
    Ok(())
}

/// Fills a store with a number of ended calls, and measures queries.
async fn fill(program: &Path, calls: usize) -> Result<()> {
    let service = Service::start(program)?;
    let mut load = Load::new(Duration::from_secs(3));
    let (started, mut notifications) = (Instant::now(), 0);
    while load.imported_calls() < calls {
        load.import(&service.address, &service.key, 50_000).await?;
        notifications += 50_000;
        service.settle(notifications).await?;
    }
    println!(
        "stored                {:>9} calls of {notifications} notifications in {:.0} s, {:.0} bytes of disk per call",
        load.imported_calls(),
        started.elapsed().as_secs_f64(),
        service.disk()? / load.imported_calls() as f64
    );
    // Connected only now: the service closes idle connections.
    measure_queries(&mut Queries::open(&service.address, &service.key).await?).await
}
