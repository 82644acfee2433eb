//! How much the service takes, and how soon it answers: starts `wholecall serve` and posts to it over
//! keep-alive connections.
//!
//! `load [SECONDS] [PROGRAM]`: seconds for the sustained part (10), the program (`wholecall` beside this one).
//! Calls are the examples, played over each other as a company of that size would.

mod bare;
mod client;
mod service;

use std::{env, error::Error, path::PathBuf, time::Duration};

use client::{Load, Pace};
use service::Service;

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
    let seconds = first.map_or(Ok(10), |seconds| seconds.parse())?;
    let beside = env::current_exe()?.with_file_name("wholecall");
    let program = arguments.next().map_or(beside, PathBuf::from);
    runtime()?.block_on(measure(&program, Duration::from_secs(seconds)))
}

fn runtime() -> Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?)
}

async fn measure(program: &std::path::Path, sustained: Duration) -> Result<()> {
    let mut load = Load::new();

    let bare = service::Bare::start()?;
    let limit = load.post(&bare.address, "/", None, CONNECTIONS, Pace::Unlimited, sustained).await?;
    println!(
        "bare server           {:>9.0} notifications/s, p99 {:.1} ms",
        limit.rate(),
        limit.percentile(99)
    );
    drop(bare);

    let service = Service::start(program)?;
    let took = load
        .post(&service.address, &service.hook, Some(&service.token), CONNECTIONS, Pace::Unlimited, sustained)
        .await?;
    let behind = service.settle(Duration::from_secs(120)).await?;
    println!(
        "sustained for {:>3} s    {:>9.0} notifications/s, p50 {:.1} ms, p99 {:.1} ms; {:.2} of the bare server; \
         all assembled {:.1} s after the last",
        sustained.as_secs(),
        took.rate(),
        took.percentile(50),
        took.percentile(99),
        took.rate() / limit.rate(),
        behind.as_secs_f64(),
    );
    println!(
        "disk                  {:>9.0} bytes per notification, journal, versions and indexes",
        service.disk()? / took.count() as f64
    );

    let calm = load
        .post(
            &service.address,
            &service.hook,
            Some(&service.token),
            CONNECTIONS,
            Pace::PerSecond(5_000),
            sustained,
        )
        .await?;
    println!(
        "at 5,000/s            {:>9.0} notifications/s, p50 {:.1} ms, p99 {:.1} ms",
        calm.rate(),
        calm.percentile(50),
        calm.percentile(99)
    );
    println!("memory                {:>9.1} MB at most", service.peak_memory_mb()?);
    let imported = load.import(&service.address, &service.key, 200_000).await?;
    println!("bulk import           {imported:>9.0} notifications/s");
    service.settle(Duration::from_secs(120)).await?;
    Ok(())
}
