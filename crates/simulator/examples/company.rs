//! Prints the notifications of a company's calls over some days until now, where now is half past one and
//! some calls are in progress.
//!
//! `cargo run --release --package wholecall-simulator --example company -- USERS DAYS`

use std::{
    env,
    io::{self, BufWriter, Write},
    time::{SystemTime, UNIX_EPOCH},
};

use wholecall_simulator::{Company, Told, Traffic};

fn main() -> io::Result<()> {
    let number = |place: usize, usual: i64| {
        env::args().nth(place).and_then(|text| text.parse::<i64>().ok()).unwrap_or(usual)
    };
    let (users, days) = (number(1, 30), number(2, 1));
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64);
    let from = now - days * 86_400_000 - 13 * 3_600_000 - 1_800_000;
    let mut out = BufWriter::new(io::stdout().lock());
    for told in Traffic::new(Company::of(users.max(2) as usize), from, now, 7) {
        match told {
            Told::Notification(notification) if notification.arrival <= now => {
                writeln!(out, "{}", notification.to_json())?;
            }
            _ => {}
        }
    }
    out.flush()
}
