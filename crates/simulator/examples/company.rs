//! Prints the notifications of a company's calls over some days until now, where now is half past one and
//! some calls are in progress.
//!
//! `cargo run --release --package wholecall-simulator --example company -- USERS DAYS`

use std::{
    env,
    io::{self, BufWriter, Write},
    time::{SystemTime, UNIX_EPOCH},
};

use wholecall_simulator::{Company, Timestamp, Traffic, TrafficEvent};

fn main() -> io::Result<()> {
    let argument = |index: usize, default: i64| {
        env::args().nth(index).and_then(|text| text.parse::<i64>().ok()).unwrap_or(default)
    };
    let (users, days) = (argument(1, 30), argument(2, 1));
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now = Timestamp::from_millis(since_1970.as_millis() as i64);
    let from = now - days * 86_400_000 - 13 * 3_600_000 - 1_800_000;
    let mut out = BufWriter::new(io::stdout().lock());
    for event in Traffic::new(Company::with_users(users.max(2) as usize), from, now, 7) {
        match event {
            TrafficEvent::Notification(notification) if notification.arrival <= now => {
                writeln!(out, "{}", notification.to_json())?;
            }
            _ => {}
        }
    }
    out.flush()
}
