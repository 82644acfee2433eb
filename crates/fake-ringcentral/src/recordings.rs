//! Recordings: what is known of one, and its sound, which is a second of silence.

use serde_json::json;
use wholecall_simulator::Millis;

use crate::{
    platform::Customer,
    reply::{Content, Reply, Request},
};

/// Samples per second, of one byte each.
const RATE: u32 = 8000;

/// `GET …/recording/{id}`: once the call is over.
pub(crate) fn about(customer: &Customer, request: &Request, id: &str, now: Millis) -> Result<Reply, Reply> {
    check(customer, id, now)?;
    let uri = format!("{}{}", request.base, request.path);
    Ok(Reply::ok(json!({
        "uri": uri, "id": id, "contentUri": format!("{uri}/content"), "contentType": "audio/x-wav", "duration": 1,
    })))
}

/// `GET …/recording/{id}/content`.
pub(crate) fn content(customer: &Customer, id: &str, now: Millis) -> Result<Reply, Reply> {
    check(customer, id, now)?;
    Ok(Reply { status: 200, headers: Vec::new(), body: Content::Other("audio/x-wav", silence()) })
}

fn check(customer: &Customer, id: &str, now: Millis) -> Result<(), Reply> {
    let is_there = customer.sessions.values().any(|session| {
        let recorded = session.parties.values().filter_map(|state| state.party.recording);
        session.over.is_some_and(|over| over <= now)
            && recorded.map(|(recording, _)| recording).any(|recording| recording.to_string() == id)
    });
    is_there.then_some(()).ok_or_else(|| Reply::not_found("recordingId"))
}

/// A WAV file: 8-bit PCM, mono.
fn silence() -> Vec<u8> {
    let mut wav = Vec::with_capacity(44 + RATE as usize);
    wav.extend(b"RIFF");
    wav.extend((36 + RATE).to_le_bytes());
    wav.extend(b"WAVEfmt ");
    wav.extend(16_u32.to_le_bytes());
    // PCM, one channel.
    wav.extend([1, 0, 1, 0]);
    wav.extend(RATE.to_le_bytes());
    wav.extend(RATE.to_le_bytes());
    // One byte for each sample, of eight bits.
    wav.extend([1, 0, 8, 0]);
    wav.extend(b"data");
    wav.extend(RATE.to_le_bytes());
    wav.resize(44 + RATE as usize, 128);
    wav
}
