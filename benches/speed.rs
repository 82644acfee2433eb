//! Speed of reading and assembling, in CPU time of one core: the best of several interleaved rounds.
//!
//! `cargo bench --bench speed` measures everything; `-- --once NAME` runs one case once, to count its
//! instructions (`valgrind --tool=callgrind`).

use std::{env, hint::black_box, time::Duration};

use rustix::time::{ClockId, clock_gettime};
use wholecall_assembly::{Assembler, Collection, Settings};
use wholecall_benches::{long_queue, mix};
use wholecall_notification::{Message, Notification, Stream};
use wholecall_record::{Time, WriteJson};
use wholecall_simulator::{Company, Traffic, TrafficEvent};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

struct Case {
    name: &'static str,
    about: &'static str,
    input: fn() -> Vec<u8>,
    run: fn(&[u8]) -> usize,
}

fn case(name: &'static str, about: &'static str, input: fn() -> Vec<u8>, run: fn(&[u8]) -> usize) -> Case {
    Case { name, about, input, run }
}

const ROUNDS: usize = 7;
const CALLS: usize = 8_000;

fn main() {
    let cases = [
        case("parse", "read notifications", || mix(CALLS), parse),
        case("serde_json", "the same with serde_json, into values", || mix(CALLS), values),
        case("assemble", "from notifications to written records", || mix(CALLS), assemble),
        case("assemble-10x", "the same with ten times the calls", || mix(10 * CALLS), assemble),
        case("stream", "as a stream, each call when it settles", || mix(CALLS), stream),
        case("live", "as a stream, every version of live calls", || mix(CALLS), live),
        case("queue-50", "live, an hour in a queue that rings 50 agents", || long_queue(50), live),
        case("queue-200", "live, an hour in a queue that rings 200 agents", || long_queue(200), live),
        case("simulate", "a company's day, played and written", company_day, simulate),
    ];
    let arguments: Vec<String> = env::args().collect();
    if let Some(at) = arguments.iter().position(|argument| argument == "--once") {
        let name = arguments.get(at + 1).map_or("", String::as_str);
        match cases.iter().find(|case| case.name == name) {
            Some(case) => println!("{} notifications", measured(case.run, &(case.input)())),
            None => eprintln!("no case {name:?}; there are {:?}", cases.map(|case| case.name)),
        }
        return;
    }
    let inputs = cases.each_ref().map(|case| (case.input)());
    let mut best = [Duration::MAX; 9];
    let mut counts = [0; 9];
    for _ in 0..ROUNDS {
        for (place, case) in cases.iter().enumerate() {
            let before = cpu_time();
            counts[place] = black_box((case.run)(&inputs[place]));
            best[place] = best[place].min(cpu_time() - before);
        }
    }
    println!("best of {ROUNDS}, CPU time of one core\n");
    for (place, case) in cases.iter().enumerate() {
        let each = best[place].as_secs_f64() / counts[place] as f64;
        println!(
            "{:14} {:>9.0} notifications/s  {:>6.3} µs each  {:>5.0} MB/s   {} ({} notifications)",
            case.name,
            1.0 / each,
            each * 1e6,
            inputs[place].len() as f64 / best[place].as_secs_f64() / 1e6,
            case.about,
            counts[place],
        );
    }
}

/// 2026-06-01T00:00:00Z.
const MIDNIGHT: i64 = 1_780_272_000_000;

/// A day of a company of 500 users.
fn traffic() -> impl Iterator<Item = TrafficEvent> {
    Traffic::new(Company::with_users(500), MIDNIGHT, MIDNIGHT + 86_400_000, 1)
}

/// The output of [`simulate`], for its length.
fn company_day() -> Vec<u8> {
    let mut out = Vec::new();
    write_day(&mut out);
    out
}

fn write_day(out: &mut Vec<u8>) -> usize {
    let mut count = 0;
    for event in traffic() {
        if let TrafficEvent::Notification(notification) = event {
            notification.write_json(out);
            count += 1;
        }
    }
    count
}

fn simulate(input: &[u8]) -> usize {
    write_day(&mut Vec::with_capacity(input.len()))
}

/// The function whose instructions `benches/instructions` counts.
#[inline(never)]
fn measured(run: fn(&[u8]) -> usize, input: &[u8]) -> usize {
    black_box(run(black_box(input)))
}

fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

fn each(input: &[u8], mut take: impl FnMut(&Notification<'_, '_>)) -> usize {
    let mut count = 0;
    let result = Stream::new(input).for_each(|located| {
        if let Ok(Message::Session(notification)) = &located.message {
            count += 1;
            take(notification);
        }
        std::ops::ControlFlow::<()>::Continue(())
    });
    black_box(result.is_ok());
    count
}

fn parse(input: &[u8]) -> usize {
    each(input, |notification| {
        black_box(notification.sequence());
    })
}

fn values(input: &[u8]) -> usize {
    let mut count = 0;
    for line in input.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        if let Ok(value) = serde_json::from_slice::<serde_json::Value>(line) {
            black_box(&value["body"]["sequence"]);
            count += 1;
        }
    }
    count
}

fn assemble(input: &[u8]) -> usize {
    let mut collection = Collection::default();
    let count = each(input, |notification| collection.add(notification));
    let mut written = Vec::new();
    for record in collection.finish().records() {
        written.clear();
        record.write_json(&mut written);
        black_box(&written);
    }
    count
}

fn stream(input: &[u8]) -> usize {
    assemble_stream(input, Settings { publish_live_versions: false, ..Settings::default() })
}

fn live(input: &[u8]) -> usize {
    assemble_stream(input, Settings::default())
}

fn assemble_stream(input: &[u8], settings: Settings) -> usize {
    let mut assembler = Assembler::new(settings);
    let mut now = Time::from_millis(0);
    let mut written = Vec::new();
    let count = each(input, |notification| {
        let sent = notification.timestamp().unwrap_or(notification.event_time());
        now = now.max(Time::from_millis(sent.as_millis()));
        let is_due = assembler.next_due().is_some_and(|deadline| deadline <= now);
        let mut changes = if is_due { assembler.tick(now) } else { Vec::new() };
        changes.extend(assembler.receive(now, notification));
        for call in changes.iter().filter_map(|change| change.call()) {
            written.clear();
            call.write_json(&mut written);
            black_box(&written);
        }
    });
    black_box(assembler.finish(now));
    count
}
