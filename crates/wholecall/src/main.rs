//! tmp
use std::{io::Write, ops::ControlFlow};
fn main() {
    let mut c = wholecall_assembly::Collection::default();
    for a in std::env::args().skip(1) {
        let f = std::fs::File::open(a).unwrap();
        let _ = wholecall_notification::Stream::new(f).for_each(|d| {
            match d.message { Ok(wholecall_notification::Message::Session(m)) => c.add(&m), Ok(_) => (), Err(e) => eprintln!("{} {e}", d.place.line()) }
            ControlFlow::<()>::Continue(())
        });
    }
    let calls = c.finish();
    let mut out = std::io::BufWriter::with_capacity(1<<16, std::io::stdout().lock());
    for r in calls.records() {
        serde_json::to_writer(&mut out, &r).unwrap();
        out.write_all(b"\n").unwrap();
    }
}
