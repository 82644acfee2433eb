//! tmp
use std::{ops::ControlFlow, time::Instant};
fn main() {
    for _ in 0..5 {
        let t = Instant::now();
        let mut n = 0u64; let mut c = 0i64;
        let f = std::fs::File::open(std::env::args().nth(1).unwrap()).unwrap();
        let _ = wholecall_notification::Stream::new(f).for_each(|d| {
            match d.message { Ok(wholecall_notification::Message::Session(m)) => { n += 1; c += m.event_time().as_millis() } Ok(_) => (), Err(e) => println!("{} {e}", d.place.line()) }
            ControlFlow::<()>::Continue(())
        });
        let e = t.elapsed().as_secs_f64();
        println!("{n} {:.3} us each {c}", e * 1e6 / n as f64);
    }
}
