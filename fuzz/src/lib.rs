//! What the fuzz targets do with their bytes. The same code runs for a moment in the crates' own tests.

#[path = "../../crates/assembly/tests/laws/bytes.rs"]
mod bytes;
#[path = "../../crates/notification/tests/reading/chunks.rs"]
mod chunks;
#[path = "../../crates/notification/tests/reading/json.rs"]
mod json_text;
#[path = "../../crates/assembly/tests/laws/play.rs"]
mod play;
#[path = "../../crates/assembly/tests/laws/stream.rs"]
mod stream;
#[path = "../../crates/assembly/tests/laws/written.rs"]
mod written;

/// Our reader of JSON against serde_json.
pub fn json(data: &[u8]) {
    json_text::check(data);
}

/// A stream in one piece and in many.
pub fn pieces(data: &[u8]) {
    chunks::check(data);
}

/// Notifications received and timers run out in any order.
pub fn assembler(data: &[u8]) {
    bytes::check(data);
}

/// Whatever is accepted is assembled, written and read back.
pub fn written(data: &[u8]) {
    written::check(data);
}
