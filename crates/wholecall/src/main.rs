//! tmp
#[global_allocator]
static A: mimalloc::MiMalloc = mimalloc::MiMalloc;
use std::{io::Write, ops::ControlFlow};
fn main() {
    let mode = std::env::args().nth(1).unwrap();
    let mut c = wholecall_assembly::Collection::default();
    let mut n = 0i64;
    for a in std::env::args().skip(2) {
        let f = std::fs::File::open(a).unwrap();
        let _ = wholecall_notification::Stream::new(f).for_each(|d| {
            match d.message { Ok(wholecall_notification::Message::Session(m)) => if mode == "parse" {n+=m.sequence() as i64} else {c.add(&m)}, Ok(_) => (), Err(e) => eprintln!("{} {e}", d.place.line()) }
            ControlFlow::<()>::Continue(())
        });
    }
    if mode == "parse" { eprintln!("{n}"); return; }
    if mode == "add" { std::mem::forget(c); return; }
    let calls = c.finish();
    if mode == "finish" { std::mem::forget(calls); return; }
    if mode == "records" { for r in calls.records() { n+=r.version as i64; } eprintln!("{n}"); std::mem::forget(calls); return; }
    let mut out = Vec::new();
    let mut f = std::io::stdout().lock();
    for r in calls.records() {
        wholecall_record::WriteJson::write_json(&r, &mut out);
        out.push(b'\n');
        if out.len() > 65536 { f.write_all(&out).unwrap(); out.clear(); }
    }
    f.write_all(&out).unwrap(); f.flush().unwrap();
    std::mem::forget(calls);
}
