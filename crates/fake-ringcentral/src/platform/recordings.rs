//! Recordings. The content of each is a second of silence.

use serde_json::json;
use wholecall_simulator::Timestamp;

use super::{
    account::AccountState,
    reply::{Body, Reply},
    request::Request,
};

/// Samples per second; a sample is one byte.
const SAMPLE_RATE: u32 = 8000;

/// `GET …/recording/{id}`, after the end of the call.
pub(crate) fn metadata(
    account: &AccountState,
    request: &Request,
    id: &str,
    now: Timestamp,
) -> Result<Reply, Reply> {
    check(account, id, now)?;
    let uri = format!("{}{}", request.base, request.path);
    Ok(Reply::ok(json!({
        "uri": uri, "id": id, "contentUri": format!("{uri}/content"), "contentType": "audio/x-wav", "duration": 1,
    })))
}

/// `GET …/recording/{id}/content`.
pub(crate) fn content(account: &AccountState, id: &str, now: Timestamp) -> Result<Reply, Reply> {
    check(account, id, now)?;
    Ok(Reply { status: 200, headers: Vec::new(), body: Body::Other("audio/x-wav", silence()) })
}

/// Checks that the recording of an ended call has this id.
fn check(account: &AccountState, id: &str, now: Timestamp) -> Result<(), Reply> {
    let exists = account.sessions.values().any(|session| {
        let recorded = session.parties.values().filter_map(|state| state.party.recording);
        session.ended_at.is_some_and(|end| end <= now)
            && recorded.map(|(recording, _)| recording).any(|recording| recording.to_string() == id)
    });
    exists.then_some(()).ok_or_else(|| Reply::not_found("recordingId"))
}

/// A WAV file: 8-bit PCM, mono.
fn silence() -> Vec<u8> {
    let mut wav = Vec::with_capacity(44 + SAMPLE_RATE as usize);
    wav.extend(b"RIFF");
    wav.extend((36 + SAMPLE_RATE).to_le_bytes());
    wav.extend(b"WAVEfmt ");
    wav.extend(16_u32.to_le_bytes());
    // PCM, one channel.
    wav.extend([1, 0, 1, 0]);
    wav.extend(SAMPLE_RATE.to_le_bytes());
    wav.extend(SAMPLE_RATE.to_le_bytes());
    // One byte per sample, eight bits.
    wav.extend([1, 0, 8, 0]);
    wav.extend(b"data");
    wav.extend(SAMPLE_RATE.to_le_bytes());
    wav.resize(44 + SAMPLE_RATE as usize, 128);
    wav
}
