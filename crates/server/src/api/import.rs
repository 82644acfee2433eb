//! `POST /v1/notifications`: many notifications at once, for history or for programs that receive them
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
use wholecall_store::{Arrival, StoreError, What};

use super::{access::Access, json as respond};
use crate::{
    Service, clock,
    problem::Problem,
    receive::{MAX_BODY_BYTES, classify, too_long_reason},
    tenants::Tenant,
    unpack::{Encoding, Unpacker},
};

/// So many are handed to the store at once, and no more once they have so many bytes; so many such portions may wait for the
/// disk.
const PORTION: usize = 512;
const PORTION_BYTES: usize = 1 << 20;
const PORTIONS_WAITING: usize = 4;

/// While the store cannot take more, it is asked again this often, for so long.
const RETRY_EVERY: Duration = Duration::from_millis(50);
const RETRY_FOR: Duration = Duration::from_secs(20);

/// Longer lines are refused without being held in memory.
const LONGEST_LINE: usize = MAX_BODY_BYTES;

/// So much is unpacked at once.
const PIECE_BYTES: usize = 4 << 10;

/// So many refused lines are named in the answer.
const REFUSALS_NAMED: usize = 100;

/// What has become of the lines so far.
struct Import<'a> {
    service: &'a Service,
    tenant: &'a Tenant,
    key: [u8; 32],
    lines: u64,
    accepted: u64,
    refused: u64,
    refusals: Vec<serde_json::Value>,
    portion: Vec<Arrival>,
    portion_bytes: usize,
    waiting: VecDeque<oneshot::Receiver<Result<(), StoreError>>>,
}

/// One notification per line; answers when all of them are durable.
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
        key: view.key(),
        lines: 0,
        accepted: 0,
        refused: 0,
        refusals: Vec::new(),
        portion: Vec::new(),
        portion_bytes: 0,
        waiting: VecDeque::new(),
    };
    let encoding =
        Encoding::of(&headers).map_err(|reason| Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, reason))?;
    let mut unpacker = Unpacker::new(encoding);
    let mut chunks = body.into_data_stream();
    let mut lines = Lines::default();
    while let Some(chunk) = chunks.next().await {
        let chunk =
            chunk.map_err(|_| Problem::bad_request("the body broke off; what came before it is kept"))?;
        // A piece of a chunk at a time: what is packed well is a thousand times as long.
        for piece in chunk.chunks(PIECE_BYTES) {
            let mut unpacked = Vec::new();
            unpacker
                .feed(piece, |bytes| {
                    unpacked.extend_from_slice(bytes);
                    true
                })
                .map_err(not_unpacked)?;
            lines.read(&mut import, &unpacked).await?;
        }
    }
    let mut rest = Vec::new();
    unpacker.finish(|bytes| rest.extend_from_slice(bytes)).map_err(not_unpacked)?;
    lines.read(&mut import, &rest).await?;
    import.line(&lines.rest, lines.is_too_long).await?;
    import.hand_in().await?;
    view.note(What::Import, "notifications");
    while let Some(durable) = import.waiting.pop_front() {
        finish(durable).await?;
    }
    Ok(respond(
        json!({ "accepted": import.accepted, "refused": import.refused, "refusals": import.refusals })
            .to_string(),
    ))
}

fn not_unpacked(error: std::io::Error) -> Problem {
    Problem::bad_request(format!("the body cannot be unpacked: {error}; what came before it is kept"))
}

/// Cuts what comes into lines.
#[derive(Default)]
struct Lines {
    /// The line that has not ended yet.
    rest: Vec<u8>,
    is_too_long: bool,
}

impl Lines {
    async fn read(&mut self, import: &mut Import<'_>, mut bytes: &[u8]) -> Result<(), Problem> {
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            self.rest.extend_from_slice(&bytes[..end]);
            import.line(&self.rest, std::mem::take(&mut self.is_too_long)).await?;
            self.rest.clear();
            bytes = &bytes[end + 1..];
        }
        if self.rest.len() + bytes.len() > LONGEST_LINE {
            (self.is_too_long, self.rest) = (true, Vec::new());
        }
        if !self.is_too_long {
            self.rest.extend_from_slice(bytes);
        }
        Ok(())
    }
}

impl Import<'_> {
    fn is_allowed(&self) -> bool {
        self.service.tenants.is_key(&self.key)
    }

    async fn line(&mut self, line: &[u8], too_long: bool) -> Result<(), Problem> {
        self.lines += 1;
        let line = line.trim_ascii();
        if line.is_empty() && !too_long {
            return Ok(());
        }
        let judged = match too_long {
            true => Err(too_long_reason()),
            false => classify(self.tenant, clock::now(), line),
        };
        match judged {
            Ok(arrival) => {
                self.accepted += 1;
                self.portion_bytes += arrival.body.len();
                self.portion.push(arrival);
            }
            Err(reason) => {
                self.refused += 1;
                if self.refusals.len() < REFUSALS_NAMED {
                    self.refusals.push(json!({ "line": self.lines, "reason": reason }));
                }
            }
        }
        if self.portion.len() >= PORTION || self.portion_bytes >= PORTION_BYTES {
            self.hand_in().await?;
        }
        Ok(())
    }

    async fn hand_in(&mut self) -> Result<(), Problem> {
        if self.portion.is_empty() {
            return Ok(());
        }
        // What lasts ends with its key.
        if !self.is_allowed() {
            return Err(Problem::unauthorized());
        }
        let began = Instant::now();
        while !self.service.store.has_room_for(self.tenant.id) && began.elapsed() < RETRY_FOR {
            tokio::time::sleep(RETRY_EVERY).await;
        }
        self.portion_bytes = 0;
        self.waiting.push_back(self.service.store.append(std::mem::take(&mut self.portion))?);
        if self.waiting.len() > PORTIONS_WAITING
            && let Some(durable) = self.waiting.pop_front()
        {
            finish(durable).await?;
        }
        Ok(())
    }
}

async fn finish(durable: oneshot::Receiver<Result<(), StoreError>>) -> Result<(), Problem> {
    Ok(durable.await.unwrap_or(Err(StoreError::Closed))?)
}
