//! How much the service takes, and how soon it answers: starts `wholecall serve` and posts to it over
//! keep-alive connections.
//!
//! `load [SECONDS] [PROGRAM]`: seconds for the sustained part (10), the program (`wholecall` beside this one).
//! `load fill CALLS [PROGRAM]`: how soon a store with so many calls answers, and how large it is.
//! Calls are the examples, played over each other as a company of that size would.

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

/// So many connections post at once.
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
    let beside = env::current_exe()?.with_file_name("wholecall");
    let program = arguments.next().map_or(beside, PathBuf::from);
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
    take(program, sustained, limit.rate()).await?;
    receive(program, sustained).await?;
    complete(program, sustained).await?;
    hold(program).await
}

/// How much is taken at most, when that is all it is asked for.
async fn take(program: &Path, time: Duration, limit: f64) -> Result<()> {
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

/// How fast notifications are acknowledged for how long, and what it leaves.
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
    const SETTLES_AFTER: Duration = Duration::from_secs(1);
    let service = Service::start(program)?;
    // In the order of calls that begin every 280 ms, but faster: some 200 live ones of a few seconds each.
    let mut load = Load::new(Duration::from_millis(280));
    let until = Instant::now() + time + 5 * SETTLES_AFTER;
    let told = client::completions(service.address.clone(), service.key.clone(), until);
    let (posted, told) = tokio::join!(service.post(&mut load, Pace::PerSecond(1_000), time), told);
    let (posted, told) = (posted?, told?);
    let late = told.iter().filter_map(|(call, at)| {
        let heard = *posted.last_heard.get(call)?;
        Some(at.saturating_duration_since(heard + SETTLES_AFTER).as_micros() as u32)
    });
    let mut late: Vec<u32> = late.collect();
    late.sort_unstable();
    println!(
        "completed             {:>9} calls, p50 {:.1} ms, p99 {:.1} ms after they have settled, at 1,000 notifications/s",
        late.len(),
        percentile(&late, 50),
        percentile(&late, 99)
    );
    Ok(())
}

/// Memory with 50,000 live calls, and how long queries take beside them.
async fn hold(program: &Path) -> Result<()> {
    const AT_ONCE: usize = 20_000;
    let service = Service::start(program)?;
    let mut load = Load::new(Duration::from_micros(800));
    let mut queries = Queries::open(&service.address, &service.key).await?;
    let (mut notifications, mut live) = (0, 0);
    while live < 50_000 {
        load.import(&service.address, &service.key, AT_ONCE).await?;
        notifications += AT_ONCE;
        service.settle(notifications).await?;
        // What is over is told to be after a second.
        tokio::time::sleep(Duration::from_secs(2)).await;
        live = queries.ids("state=live", usize::MAX).await?.len();
    }
    println!(
        "live                  {live:>9} calls in memory, {:.0} MB; at most {:.0} MB",
        service.memory_mb("VmRSS:")?,
        service.memory_mb("VmHWM:")?
    );
    ask(&mut queries).await
}

/// How soon queries are answered.
async fn ask(queries: &mut Queries) -> Result<()> {
    let ids = queries.ids("", 10_000).await?;
    let one: Vec<String> = ids.iter().rev().map(|id| format!("/v1/calls/{id}")).collect();
    // The companies' own numbers are in every sixth call.
    let numbers = ["14045550111", "14705550189", "16785550177", "17705550132"].iter().cycle().take(1_000);
    let by_number: Vec<String> = numbers.map(|number| format!("/v1/calls?number=%2B{number}")).collect();
    for (what, paths) in [("one call", one), ("by number", by_number)] {
        let took = queries.time(&paths).await?;
        println!(
            "query: {what:<15}{:>9} queries, p50 {:.1} ms, p99 {:.1} ms",
            took.len(),
            percentile(&took, 50),
            percentile(&took, 99)
        );
    }
    Ok(())
}

/// Fills a store with so many calls that are over, and asks it.
async fn fill(program: &Path, calls: usize) -> Result<()> {
    let service = Service::start(program)?;
    let mut load = Load::new(Duration::from_secs(3));
    let (began, mut notifications) = (Instant::now(), 0);
    while load.begun() < calls {
        load.import(&service.address, &service.key, 50_000).await?;
        notifications += 50_000;
        service.settle(notifications).await?;
    }
    println!(
        "stored                {:>9} calls of {notifications} notifications in {:.0} s, {:.0} bytes of disk per call",
        load.begun(),
        began.elapsed().as_secs_f64(),
        service.disk()? / load.begun() as f64
    );
    // Not before: the service does not wait long for whoever says nothing.
    ask(&mut Queries::open(&service.address, &service.key).await?).await
}
