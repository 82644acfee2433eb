//! The fuzz targets. The same code runs briefly in the crates' own tests.

#[path = "../../crates/assembly/tests/laws/bytes.rs"]
mod bytes;
#[path = "../../crates/notification/tests/reading/chunks.rs"]
mod chunks;
#[path = "../../crates/notification/tests/reading/json.rs"]
mod json_text;
#[path = "../../crates/assembly/tests/laws/play.rs"]
mod play;
#[expect(dead_code, reason = "only the laws in crates/assembly/tests use all of it")]
#[path = "../../crates/assembly/tests/laws/stream.rs"]
mod stream;
#[path = "../../crates/assembly/tests/laws/written.rs"]
mod written;

/// Compares our JSON reader with serde_json.
pub fn json(data: &[u8]) {
    json_text::check(data);
}

/// Reads a stream in one piece and in several.
pub fn pieces(data: &[u8]) {
    chunks::check(data);
}

/// Interleaves notifications and timers in any order.
pub fn assembler(data: &[u8]) {
    bytes::check(data);
}

/// Assembles, writes and reads back every accepted input.
pub fn written(data: &[u8]) {
    written::check(data);
}
