//! A program that stops in the middle of a call and continues it afterwards, from the notifications and the last record
//! that it has stored.

use std::error::Error;

use wholecall_assembly::{
    Assembler, CallSnapshot, Change, Settings,
    notification::{Document, Message},
    record::{Call, Time},
};

const SAMPLE: &str = include_str!("call.ndjson");

/// What a program stores: each notification with the time of its arrival, and the last published record.
#[derive(Default)]
struct Stored {
    notifications: Vec<(Time, String)>,
    record: Option<Box<Call>>,
    completed: bool,
}

impl Stored {
    fn publish(&mut self, changes: Vec<Change>) {
        for change in changes {
            self.completed |= matches!(change, Change::Completed(_));
            if let Some(call) = change.call() {
                println!("version {}: {}", call.version, call.state.as_str());
                self.record = Some(Box::new(call.clone()));
            }
        }
    }

    fn receive(&mut self, assembler: &mut Assembler, now: Time, text: &str) -> Result<(), Box<dyn Error>> {
        let document = Document::parse(text)?;
        if let Message::Session(notification) = document.message()? {
            self.notifications.push((now, text.to_owned()));
            self.publish(assembler.receive(now, &notification));
        }
        Ok(())
    }

    /// Puts the stored call into the memory of a new assembler.
    fn restore(&self, assembler: &mut Assembler) -> Result<(), Box<dyn Error>> {
        let mut call = assembler.restore(CallSnapshot {
            record: self.record.clone(),
            published_at: self.record.as_ref().map_or(Time::from_millis(0), |record| record.updated_at),
            is_completed: self.completed,
            directory: None,
        });
        for (arrived, text) in &self.notifications {
            let document = Document::parse(text)?;
            if let Message::Session(notification) = document.message()? {
                call.add(*arrived, true, &notification);
            }
        }
        let others = call.finish();
        assert!(others.is_empty(), "no other call has to be restored with it");
        Ok(())
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    println!("the call has {} versions", run()?);
    Ok(())
}

/// Returns the number of versions that the call has in the end.
fn run() -> Result<u64, Box<dyn Error>> {
    let lines: Vec<&str> = SAMPLE.lines().collect();
    let (before, after) = lines.split_at(lines.len() / 2);
    let mut stored = Stored::default();
    let mut now = Time::from_millis(1_794_837_731_300);

    let mut assembler = Assembler::new(Settings::default());
    for text in before {
        stored.receive(&mut assembler, now, text)?;
        now = now + 2_000;
    }
    drop(assembler);

    println!("restart");
    let mut assembler = Assembler::new(Settings::default());
    stored.restore(&mut assembler)?;
    for text in after {
        stored.receive(&mut assembler, now, text)?;
        now = now + 2_000;
    }
    stored.publish(assembler.finish(now));
    Ok(stored.record.map_or(0, |record| record.version))
}

#[test]
fn the_example_runs() {
    assert!(run().is_ok_and(|versions| versions > 2));
}
