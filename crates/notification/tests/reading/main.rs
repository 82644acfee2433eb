//! Reading any bytes: a short and repeatable version of what the fuzzer does.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a failed unwrap fails the test")]

mod chunks;
mod json;

/// Xorshift random numbers.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % end
    }
}

/// Pieces of JSON, of notifications, and of neither.
const PIECES: [&[u8]; 56] = [
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"\"",
    b" ",
    b"\n",
    b"\r\n",
    b"\t",
    b"null",
    b"true",
    b"false",
    b"nul",
    b"0",
    b"-1",
    b"01",
    b"1.5e+10",
    b"1e",
    b"1e999",
    b"-",
    b".5",
    b"\"\"",
    b"\"a\"",
    b"\"a\":1",
    b"{}",
    b"[]",
    b"{\n",
    b"\n{\n",
    b"\\",
    b"\\u00e9",
    b"\"\\ud83e\\udd80\"",
    b"\"\\ud800\"",
    b"\"\\n\"",
    b"\"\\x\"",
    b"\x01",
    b"\x00",
    b"\xff",
    b"\xc3",
    b"\xa9",
    b"\xef\xbb\xbf",
    "é".as_bytes(),
    "🦀".as_bytes(),
    b"\"uuid\":",
    b"\"body\":",
    b"\"parties\":[",
    b"\"subscriptionId\":\"x\"",
    b"\"ownerId\":17",
    b"\"sequence\":2",
    b"\"status\":{\"code\":\"Gone\"}",
    b"\"pn_apns\":{\"uuid\":\"1\"}",
    b"\"telephonySessionId\":\"s-1\"",
    b"\"eventTime\":\"2026-03-09T14:00:00.000Z\"",
    b"{\"event\":\"/restapi/v1.0/subscription/~\"}\n",
    b"{\"telephonySessionId\":\"s-1\",\"sequence\":2}\n",
];

const NOTIFICATION: &[u8] = br#"{"uuid": "17", "event": "/restapi/v1.0/account/8/telephony/sessions", "timestamp":
"2026-03-09T14:00:00.000Z", "subscriptionId": "a", "ownerId": "b", "body": {"sequence": 2, "telephonySessionId": "s-1",
"eventTime": "2026-03-09T14:00:00.000Z", "parties": [{"id": "p-1", "direction": "Outbound", "from": {"name": "\u00c5 \"B\""},
"status": {"code": "Gone", "peerId": {"sessionId": "s-2"}}, "muted": false, "nothing": [1.5, null, {}]}]}}
"#;

/// Nearly JSON: random pieces, or a notification with a few of them in it.
fn nearly_json(numbers: &mut Numbers) -> Vec<u8> {
    let mut bytes = Vec::new();
    if numbers.next(2) == 0 {
        for _ in 0..numbers.next(3) + 1 {
            bytes.extend_from_slice(NOTIFICATION);
        }
    }
    for _ in 0..numbers.next(if bytes.is_empty() { 24 } else { 4 }) {
        let piece = PIECES[numbers.next(PIECES.len())];
        let at = numbers.next(bytes.len() + 1);
        let at = if bytes.len() < 60 { bytes.len() } else { at };
        let cut = numbers.next(3).min(bytes.len() - at);
        bytes.splice(at..at + cut, piece.iter().copied());
    }
    bytes
}

#[test]
fn json_is_what_serde_json_takes_for_it() {
    let mut numbers = Numbers(0x2545_f491_4f6c_dd1d);
    for _ in 0..200_000 {
        json::check(&nearly_json(&mut numbers));
        let mut object = b"{\"a\":".to_vec();
        object.extend(nearly_json(&mut numbers));
        object.push(b'}');
        json::check(&object);
    }
}

#[test]
fn a_stream_says_the_same_in_any_pieces() {
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    for _ in 0..60_000 {
        let mut data = vec![numbers.next(16) as u8];
        for _ in 0..data[0] {
            data.push(numbers.next(if data[0] & 1 == 0 { 4 } else { 64 }) as u8);
        }
        for _ in 0..numbers.next(4) {
            data.extend(nearly_json(&mut numbers));
        }
        chunks::check(&data);
    }
}

#[test]
fn nesting_is_bounded() {
    for depth in [100, 126, 127, 128, 129, 10_000] {
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
        json::check(deep.as_bytes());
        let text = format!("{deep}\n{{\"event\": \"/presence\"}}\n");
        chunks::check([b"\x02\x01\x07", text.as_bytes()].concat().as_slice());
    }
}
