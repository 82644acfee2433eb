//! How fast a company's day is played: notifications per second on one core, as JSON.

use std::time::Instant;

use wholecall_simulator::{Company, Told, Traffic};

/// 2026-06-01T00:00:00Z.
const MIDNIGHT: i64 = 1_780_272_000_000;

fn main() {
    let users = std::env::args().nth(1).and_then(|users| users.parse().ok()).unwrap_or(2000);
    let started = Instant::now();
    let (mut notifications, mut calls, mut bytes) = (0u64, 0u64, 0usize);
    let mut json = Vec::with_capacity(4096);
    for told in Traffic::new(Company::of(users), MIDNIGHT, MIDNIGHT + 86_400_000, 1) {
        match told {
            Told::Notification(notification) => {
                json.clear();
                notification.write_json(&mut json);
                bytes += json.len();
                notifications += 1;
            }
            Told::Truth(_) => calls += 1,
        }
    }
    let seconds = started.elapsed().as_secs_f64();
    println!(
        "{users} users: {calls} calls, {notifications} notifications, {bytes} bytes in {seconds:.2} s: {:.0} notifications per second",
        notifications as f64 / seconds
    );
}
