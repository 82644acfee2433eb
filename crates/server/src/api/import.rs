//! `POST /v1/notifications`: many notifications in one request, for history or from programs that receive them
//! themselves.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use axum::{
    body::Body,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::Response,
};
use futures_util::StreamExt;
use serde_json::json;
use tokio::sync::oneshot;
use wholecall_store::{Arrival, AuditAction, StoreError};

use super::{access::Access, json as respond};
use crate::{
    Service, clock,
    problem::Problem,
    receive::{MAX_BODY_BYTES, classify, too_long_reason},
    tenants::Tenant,
    unpack::{Encoding, Unpacker},
};

/// Maximum notifications and bytes in a batch for the store; whichever is reached first.
const MAX_BATCH_NOTIFICATIONS: usize = 512;
const MAX_BATCH_BYTES: usize = 1 << 20;
/// Maximum number of batches that are not durable yet.
const MAX_PENDING_BATCHES: usize = 4;

/// Interval between checks whether a full store accepts notifications again, and maximum time to wait for that.
const RETRY_INTERVAL: Duration = Duration::from_millis(50);
const MAX_RETRY_TIME: Duration = Duration::from_secs(20);

/// Maximum length of a line. Longer lines are refused and not held in memory.
const MAX_LINE_BYTES: usize = MAX_BODY_BYTES;

/// Maximum compressed bytes that are decompressed at once: they may become a thousand times as long.
const MAX_DECOMPRESSED_AT_ONCE: usize = 4 << 10;

/// Maximum number of refused lines that the response lists.
const MAX_LISTED_REFUSALS: usize = 100;

/// The state of a running import.
struct Import<'a> {
    service: &'a Service,
    tenant: &'a Tenant,
    key_hash: [u8; 32],
    lines: u64,
    accepted: u64,
    refused: u64,
    refusals: Vec<serde_json::Value>,
    batch: Vec<Arrival>,
    batch_bytes: usize,
    pending: VecDeque<oneshot::Receiver<Result<(), StoreError>>>,
}

/// Expects one notification per line. Responds when all of them are durable.
pub(super) async fn import(
    State(service): State<Service>,
    Access(view): Access,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let tenant = service.tenants.with_id(view.tenant()).ok_or_else(Problem::unauthorized)?;
    let mut import = Import {
        service: &service,
        tenant: &tenant,
        key_hash: view.key_hash(),
        lines: 0,
        accepted: 0,
        refused: 0,
        refusals: Vec::new(),
        batch: Vec::new(),
        batch_bytes: 0,
        pending: VecDeque::new(),
    };
    let encoding =
        Encoding::of(&headers).map_err(|reason| Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, reason))?;
    let mut unpacker = Unpacker::new(encoding);
    let mut chunks = body.into_data_stream();
    let mut lines = Lines::default();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk
            .map_err(|_| Problem::bad_request("the body broke off; the lines before that are stored"))?;
        for piece in chunk.chunks(MAX_DECOMPRESSED_AT_ONCE) {
            let mut unpacked = Vec::new();
            unpacker
                .feed(piece, |bytes| {
                    unpacked.extend_from_slice(bytes);
                    true
                })
                .map_err(not_decompressed)?;
            lines.read(&mut import, &unpacked).await?;
        }
    }
    let mut rest = Vec::new();
    unpacker.finish(|bytes| rest.extend_from_slice(bytes)).map_err(not_decompressed)?;
    lines.read(&mut import, &rest).await?;
    import.line(&lines.incomplete, lines.is_too_long).await?;
    import.append_batch().await?;
    view.note(AuditAction::Import, "notifications");
    while let Some(durable) = import.pending.pop_front() {
        wait_until_durable(durable).await?;
    }
    Ok(respond(
        json!({ "accepted": import.accepted, "refused": import.refused, "refusals": import.refusals })
            .to_string(),
    ))
}

fn not_decompressed(error: std::io::Error) -> Problem {
    let detail = format!("the body cannot be decompressed: {error}; the lines before that are stored");
    Problem::bad_request(detail)
}

/// Splits the body into lines.
#[derive(Default)]
struct Lines {
    /// The beginning of the line whose end was not received yet.
    incomplete: Vec<u8>,
    is_too_long: bool,
}

impl Lines {
    async fn read(&mut self, import: &mut Import<'_>, mut bytes: &[u8]) -> Result<(), Problem> {
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            self.incomplete.extend_from_slice(&bytes[..end]);
            import.line(&self.incomplete, std::mem::take(&mut self.is_too_long)).await?;
            self.incomplete.clear();
            bytes = &bytes[end + 1..];
        }
        if self.incomplete.len() + bytes.len() > MAX_LINE_BYTES {
            (self.is_too_long, self.incomplete) = (true, Vec::new());
        }
        if !self.is_too_long {
            self.incomplete.extend_from_slice(bytes);
        }
        Ok(())
    }
}

impl Import<'_> {
    fn is_allowed(&self) -> bool {
        self.service.tenants.is_key(&self.key_hash)
    }

    async fn line(&mut self, line: &[u8], too_long: bool) -> Result<(), Problem> {
        self.lines += 1;
        let line = line.trim_ascii();
        if line.is_empty() && !too_long {
            return Ok(());
        }
        let arrival = match too_long {
            true => Err(too_long_reason()),
            false => classify(self.tenant, clock::now(), line),
        };
        match arrival {
            Ok(arrival) => {
                self.accepted += 1;
                self.batch_bytes += arrival.body.len();
                self.batch.push(arrival);
            }
            Err(reason) => {
                self.refused += 1;
                if self.refusals.len() < MAX_LISTED_REFUSALS {
                    self.refusals.push(json!({ "line": self.lines, "reason": reason }));
                }
            }
        }
        if self.batch.len() >= MAX_BATCH_NOTIFICATIONS || self.batch_bytes >= MAX_BATCH_BYTES {
            self.append_batch().await?;
        }
        Ok(())
    }

    async fn append_batch(&mut self) -> Result<(), Problem> {
        if self.batch.is_empty() {
            return Ok(());
        }
        // An import may be long: it stops when its key is removed.
        if !self.is_allowed() {
            return Err(Problem::unauthorized());
        }
        let began = Instant::now();
        while !self.service.store.has_room_for(self.tenant.id) && began.elapsed() < MAX_RETRY_TIME {
            tokio::time::sleep(RETRY_INTERVAL).await;
        }
        self.batch_bytes = 0;
        self.pending.push_back(self.service.store.append(std::mem::take(&mut self.batch))?);
        if self.pending.len() > MAX_PENDING_BATCHES
            && let Some(durable) = self.pending.pop_front()
        {
            wait_until_durable(durable).await?;
        }
        Ok(())
    }
}

async fn wait_until_durable(durable: oneshot::Receiver<Result<(), StoreError>>) -> Result<(), Problem> {
    Ok(durable.await.unwrap_or(Err(StoreError::Closed))?)
}
