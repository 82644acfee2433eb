//! Reads notifications from a file, in any order, and prints one record per call:
//!
//! ```sh
//! cargo run --example file_to_calls -- notifications.ndjson
//! ```

use std::{convert::Infallible, env, error::Error, fs::File, io::Read, ops::ControlFlow};

use wholecall_assembly::{
    Collection,
    notification::{Message, Stream},
};

/// Used if no file is named.
const SAMPLE: &[u8] = include_bytes!("call.ndjson");

fn main() -> Result<(), Box<dyn Error>> {
    let input: Box<dyn Read> = match env::args_os().nth(1) {
        Some(path) => Box::new(File::open(path)?),
        None => Box::new(SAMPLE),
    };
    let mut collection = Collection::default();
    let _ = Stream::new(input).for_each(|document| {
        match document.message {
            Ok(Message::Session(notification)) => collection.add(&notification),
            Ok(other) => eprintln!("line {}: {}, not a call", document.place.line(), other.kind()),
            Err(problem) => eprintln!("line {}: {problem}", document.place.line()),
        }
        ControlFlow::<Infallible>::Continue(())
    })?;
    let calls = collection.finish();
    for call in calls.records() {
        println!(
            "{} {} → {}: {}, {} ms of talk",
            call.start_time,
            call.from.display_name,
            call.to.display_name,
            call.result.as_str(),
            call.durations.talk_ms
        );
    }
    Ok(())
}

#[test]
fn the_example_runs() {
    // The arguments of a test are not the example's.
    let mut collection = Collection::default();
    let _ = Stream::new(SAMPLE).for_each(|document| {
        if let Ok(Message::Session(notification)) = document.message {
            collection.add(&notification);
        }
        ControlFlow::<Infallible>::Continue(())
    });
    assert_eq!(collection.finish().len(), 1);
}
