//! `wholecall doctor --live`: what only RingCentral itself can confirm, asked of it (docs/live.md).

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

/// What came of a check: what was seen.
type Seen = Result<String, Error>;

/// Tells each check as it is made.
#[derive(Default)]
struct Report {
    failed: usize,
}

impl Report {
    fn tell(&mut self, what: &str, begun: Instant, seen: &Seen) {
        let (mark, text) = match seen {
            Ok(text) => ("ok  ", text.clone()),
            Err(error) => {
                self.failed += 1;
                ("FAIL", error.to_string())
            }
        };
        println!("{mark}  {what}: {text} ({} ms)", begun.elapsed().as_millis());
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
    let report = connection::runtime()?.block_on(examine(&client, arguments.public_url.as_deref()));
    anyhow::ensure!(report.failed == 0, "{} checks failed", report.failed);
    Ok(Tally::default())
}

/// Asks until the limits allow it: few logins are allowed in a minute.
async fn patiently<T>(client: &Client, mut ask: impl AsyncFnMut() -> Result<T, Error>) -> Result<T, Error> {
    loop {
        match ask().await {
            Err(Error::RateLimited { until_ms, group }) => {
                let wait = Duration::from_millis(u64::try_from(until_ms - client.now_ms()).unwrap_or(0));
                println!(
                    "…     {} s until RingCentral's limits allow another {group} request",
                    wait.as_secs()
                );
                tokio::time::sleep(wait).await;
            }
            other => return other,
        }
    }
}

async fn examine(client: &Client, public_url: Option<&str>) -> Report {
    let mut report = Report::default();
    let begun = Instant::now();
    let granted = patiently(client, || client.log_in()).await;
    let is_in = granted.is_ok();
    report.tell("login by JWT", begun, &granted.map(|scope| format!("may {}", scope.join(", "))));
    if !is_in {
        return report;
    }
    let begun = Instant::now();
    report.tell("account", begun, &client.account_id().await);
    let begun = Instant::now();
    report.tell("directory", begun, &directory(client).await);
    let begun = Instant::now();
    report.tell("active calls", begun, &active(client).await);
    let begun = Instant::now();
    report.tell("call log", begun, &logged(client).await);
    converse(client, &mut report).await;
    if let Some(url) = public_url {
        let begun = Instant::now();
        report.tell("webhook", begun, &webhook(client, url).await);
    }
    let begun = Instant::now();
    report.tell("logout", begun, &patiently(client, || client.log_out()).await.map(|()| "done".to_owned()));
    report
}

/// Who is in the account, and what is not told of it.
async fn directory(client: &Client) -> Seen {
    let mut reading = DirectoryReading::default();
    let found = patiently(client, async || client.read_directory(&mut reading).await).await?;
    let Directory { extensions, queues, phone_numbers, devices, missing, .. } = found;
    let missing = missing.iter().map(|missing| format!("; without {}: {}", missing.part, missing.reason));
    let (extensions, queues) = (extensions.len(), queues.len());
    let (numbers, devices) = (phone_numbers.len(), devices.len());
    let missing = missing.collect::<String>();
    Ok(format!("{extensions} extensions, {queues} queues, {numbers} numbers, {devices} devices{missing}"))
}

/// The calls that go on, and whether their sessions can be read.
async fn active(client: &Client) -> Seen {
    let (calls, _) = client.active_calls(1).await?;
    let Some(id) = calls.iter().find_map(|call| call.session.as_deref()) else {
        return Ok("none goes on; make a call to see its session".to_owned());
    };
    Ok(match client.session("~", id).await? {
        Some(session) => format!("{} go on; {id} is told in {} bytes", calls.len(), session.json.len()),
        None => format!("{} go on; {id} is not known as a session", calls.len()),
    })
}

async fn logged(client: &Client) -> Seen {
    let now = Timestamp::now();
    let from = (now - SignedDuration::from_hours(24)).to_string();
    let (calls, is_more) = client.logged_calls(&from, &now.to_string(), 1).await?;
    let at_least = if is_more { "at least " } else { "" };
    Ok(format!("{at_least}{} calls in the last 24 hours", calls.len()))
}

/// A subscription by WebSocket: made, read, renewed, and its connection taken up again.
async fn converse(client: &Client, report: &mut Report) {
    let begun = Instant::now();
    let (socket, subscription) = match patiently(client, || subscribe(client)).await {
        Ok(made) => made,
        Err(error) => return report.tell("WebSocket", begun, &Err(error)),
    };
    let Subscription { id, expires_in, .. } = &subscription;
    report.tell("WebSocket", begun, &Ok(format!("subscription {id} for {expires_in} s")));
    let begun = Instant::now();
    let health = client.subscriptions().await.map(|list| assess(&list, id));
    let health = health.map(|health| match health {
        SubscriptionHealth::Fine { .. } => "tells of calls".to_owned(),
        other => format!("{other:?}"),
    });
    report.tell("subscription", begun, &health);
    let begun = Instant::now();
    let renewed = client.renew(id).await.map(|renewed| format!("{} s again", renewed.expires_in));
    report.tell("renewal", begun, &renewed);
    let token = socket.recovery_token().map(str::to_owned);
    socket.close().await;
    let begun = Instant::now();
    let recovered = match patiently(client, || Socket::open(client, token.as_deref())).await {
        Ok((again, recovery)) => {
            again.close().await;
            Ok(match recovery {
                Recovery::Resumed => "a connection that was lost is taken up again".to_owned(),
                Recovery::New => {
                    "a connection that was closed is not taken up again: gaps are to be expected".to_owned()
                }
            })
        }
        Err(error) => Err(error),
    };
    report.tell("recovery", begun, &recovered);
    let begun = Instant::now();
    report.tell("end", begun, &client.unsubscribe(id).await.map(|()| "the subscription is gone".to_owned()));
}

async fn subscribe(client: &Client) -> Result<(Socket, Subscription), Error> {
    let (mut socket, _) = Socket::open(client, None).await?;
    let subscription = socket.subscribe(client).await?;
    Ok((socket, subscription))
}

/// RingCentral asks the webhook before it answers; the subscription is ended at once.
async fn webhook(client: &Client, url: &str) -> Seen {
    let address = format!("{}/hooks/doctor", url.trim_end_matches('/'));
    // Nothing is ever delivered with it.
    let made = client.subscribe(&address, "only-to-be-examined").await?;
    client.unsubscribe(&made.id).await?;
    Ok(format!("{address} is accepted, for {} s", made.expires_in))
}
