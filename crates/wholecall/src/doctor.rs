//! `wholecall doctor`: checks against RingCentral everything that a connection needs (docs/live.md).

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use jiff::{SignedDuration, Timestamp};
use wholecall_ringcentral::{
    Client, Directory, DirectoryReading, Error, Http, Recovery, Socket, Subscription, SubscriptionHealth,
    assess,
};

use crate::{cli::DoctorArgs, connection, input::Tally};

/// The result of a check, in words.
type Outcome = Result<String, Error>;

/// Prints each check's result and counts failures.
#[derive(Default)]
struct Report {
    failed: usize,
}

impl Report {
    fn print(&mut self, check: &str, started: Instant, outcome: &Outcome) {
        let (mark, text) = match outcome {
            Ok(text) => ("ok  ", text.clone()),
            Err(error) => {
                self.failed += 1;
                ("FAIL", error.to_string())
            }
        };
        println!("{mark}  {check}: {text} ({} ms)", started.elapsed().as_millis());
    }
}

pub(crate) fn run(arguments: &DoctorArgs) -> anyhow::Result<Tally> {
    let credentials = connection::credentials(&arguments.credentials)?;
    let now = || Timestamp::now().as_millisecond();
    let client = Client::new(
        Http::through(connection::proxies(&arguments.credentials.proxy)?)?,
        credentials,
        Arc::new(now),
    )?;
    let report = connection::runtime()?.block_on(check_all(&client, arguments.public_url.as_deref()));
    anyhow::ensure!(report.failed == 0, "{} checks failed", report.failed);
    Ok(Tally::default())
}

/// Sends a request and repeats it when RingCentral's rate limits allow it: few logins are allowed per minute.
async fn within_limits<T>(
    client: &Client,
    mut request: impl AsyncFnMut() -> Result<T, Error>,
) -> Result<T, Error> {
    loop {
        match request().await {
            Err(Error::RateLimited { until_ms, group }) => {
                let wait = Duration::from_millis(u64::try_from(until_ms - client.now_ms()).unwrap_or(0));
                println!(
                    "…     waiting {} s for RingCentral's rate limit of {group} requests",
                    wait.as_secs()
                );
                tokio::time::sleep(wait).await;
            }
            other => return other,
        }
    }
}

async fn check_all(client: &Client, public_url: Option<&str>) -> Report {
    let mut report = Report::default();
    let started = Instant::now();
    let granted = within_limits(client, || client.log_in()).await;
    let is_logged_in = granted.is_ok();
    report.print("login by JWT", started, &granted.map(|scope| format!("permissions {}", scope.join(", "))));
    if !is_logged_in {
        return report;
    }
    let started = Instant::now();
    report.print("account", started, &client.account_id().await);
    let started = Instant::now();
    report.print("directory", started, &directory(client).await);
    let started = Instant::now();
    report.print("active calls", started, &active(client).await);
    let started = Instant::now();
    report.print("call log", started, &logged(client).await);
    websocket(client, &mut report).await;
    if let Some(url) = public_url {
        let started = Instant::now();
        report.print("webhook", started, &webhook(client, url).await);
    }
    let started = Instant::now();
    report.print(
        "logout",
        started,
        &within_limits(client, || client.log_out()).await.map(|()| "done".to_owned()),
    );
    report
}

/// Fetches the account's directory; names the parts that are missing.
async fn directory(client: &Client) -> Outcome {
    let mut reading = DirectoryReading::default();
    let found = within_limits(client, async || client.read_directory(&mut reading).await).await?;
    let Directory { extensions, queues, phone_numbers, devices, missing, .. } = found;
    let missing = missing.iter().map(|missing| format!("; {} missing: {}", missing.part, missing.reason));
    let (extensions, queues) = (extensions.len(), queues.len());
    let (numbers, devices) = (phone_numbers.len(), devices.len());
    let missing = missing.collect::<String>();
    Ok(format!("{extensions} extensions, {queues} queues, {numbers} numbers, {devices} devices{missing}"))
}

/// Fetches the active calls and the session of one of them.
async fn active(client: &Client) -> Outcome {
    let (calls, _) = client.active_calls(1).await?;
    let Some(id) = calls.iter().find_map(|call| call.session.as_deref()) else {
        return Ok("none; make a call to check its session too".to_owned());
    };
    Ok(match client.session("~", id).await? {
        Some(session) => format!("{}; session {id}: {} bytes", calls.len(), session.json.len()),
        None => format!("{}; session {id}: not found", calls.len()),
    })
}

async fn logged(client: &Client) -> Outcome {
    let now = Timestamp::now();
    let from = (now - SignedDuration::from_hours(24)).to_string();
    let (calls, is_more) = client.call_log(&from, &now.to_string(), 1).await?;
    let at_least = if is_more { "at least " } else { "" };
    Ok(format!("{at_least}{} calls in the last 24 hours", calls.len()))
}

/// Creates, reads and renews a subscription by WebSocket, resumes its connection, and deletes it.
async fn websocket(client: &Client, report: &mut Report) {
    let started = Instant::now();
    let (socket, subscription) = match within_limits(client, || subscribe(client)).await {
        Ok(created) => created,
        Err(error) => return report.print("WebSocket", started, &Err(error)),
    };
    let Subscription { id, expires_in, .. } = &subscription;
    report.print("WebSocket", started, &Ok(format!("subscription {id} for {expires_in} s")));
    let started = Instant::now();
    let health = client.subscriptions().await.map(|list| assess(&list, id));
    let health = health.map(|health| match health {
        SubscriptionHealth::Fine { .. } => "active, reports calls".to_owned(),
        other => format!("{other:?}"),
    });
    report.print("subscription", started, &health);
    let started = Instant::now();
    let renewed = client.renew(id).await.map(|renewed| format!("for {} s", renewed.expires_in));
    report.print("renewal", started, &renewed);
    let token = socket.recovery_token().map(str::to_owned);
    socket.close().await;
    let started = Instant::now();
    let recovered = match within_limits(client, || Socket::open(client, token.as_deref())).await {
        Ok((again, recovery)) => {
            again.close().await;
            Ok(match recovery {
                Recovery::Resumed => "a lost connection can be resumed".to_owned(),
                Recovery::New => "a closed connection cannot be resumed: expect gaps".to_owned(),
            })
        }
        Err(error) => Err(error),
    };
    report.print("recovery", started, &recovered);
    let started = Instant::now();
    report.print(
        "unsubscribe",
        started,
        &client.unsubscribe(id).await.map(|()| "subscription deleted".to_owned()),
    );
}

async fn subscribe(client: &Client) -> Result<(Socket, Subscription), Error> {
    let (mut socket, _) = Socket::open(client, None).await?;
    let subscription = socket.subscribe(client).await?;
    Ok((socket, subscription))
}

/// Creates a webhook subscription, for which RingCentral first sends a request to the webhook, and deletes it.
async fn webhook(client: &Client, url: &str) -> Outcome {
    let address = format!("{}/hooks/doctor", url.trim_end_matches('/'));
    // The token is never used: no notification is delivered before the subscription is deleted.
    let created = client.subscribe(&address, "only-for-doctor").await?;
    client.unsubscribe(&created.id).await?;
    Ok(format!("{address} is accepted, for {} s", created.expires_in))
}
