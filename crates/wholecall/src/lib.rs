//! The command line: the only place that reads arguments, the environment and the terminal. A library, so that tests can
//! run it on a disk that fails; `main.rs` is what is released.

mod assemble;
mod audit;
mod backup;
mod check;
mod cli;
mod clock;
mod config;
mod connection;
mod demo;
mod directory;
mod doctor;
mod endpoint;
mod fake_ringcentral;
mod generate;
mod input;
mod key;
mod listen;
mod look;
mod output;
mod posting;
mod private;
mod rejected;
mod restore;
mod secrets;
mod serve;
mod signing;
mod simulate;
mod tenant;
mod terminal;
mod verify;

use std::{io, process::ExitCode};

use clap::Parser;
use wholecall_record::display::escape_control;

use crate::cli::{Cli, Command};

/// The exit code where some of the input could not be read.
const PART_UNREADABLE: u8 = 2;

/// Does what the arguments of this process say.
pub fn main() -> ExitCode {
    private::keep_from_others();
    let done = match Cli::parse().command {
        Command::Assemble(arguments) => assemble::run(&arguments),
        Command::Show(arguments) => look::show(&arguments),
        Command::Explain(arguments) => look::explain(&arguments),
        Command::Serve(arguments) => serve::run(&arguments),
        Command::Connect(arguments) => connection::connect(&arguments),
        Command::Disconnect(arguments) => connection::disconnect(&arguments),
        Command::Connection(arguments) => connection::run(&arguments),
        Command::Doctor(arguments) => doctor::run(&arguments),
        Command::Check(arguments) => check::run(&arguments),
        Command::Backup(arguments) => backup::run(&arguments),
        Command::Restore(arguments) => restore::run(&arguments),
        Command::Rejected(arguments) => rejected::run(&arguments),
        Command::Tenant(arguments) => tenant::run(&arguments),
        Command::Key(arguments) => key::run(&arguments),
        Command::Audit(arguments) => audit::run(&arguments),
        Command::Demo(arguments) => demo::run(&arguments),
        Command::FakeRingcentral(arguments) => fake_ringcentral::run(&arguments),
        Command::Simulate(arguments) => simulate::run(&arguments),
        Command::Verify(arguments) => verify::run(&arguments),
        Command::Endpoint(arguments) => endpoint::run(&arguments),
        Command::Listen(arguments) => listen::run(&arguments),
        Command::Generate(arguments) => generate::run(&arguments),
    };
    match done {
        Ok(tally) if tally.is_clean() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::from(PART_UNREADABLE),
        // Whoever read our output has seen enough.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            // It may name what was read, which anybody may have written.
            let told = format!("wholecall: {error:#}");
            told.lines().for_each(|line| eprintln!("{}", escape_control(line)));
            let unreadable = error.is::<input::Stopped>();
            ExitCode::from(if unreadable { PART_UNREADABLE } else { 1 })
        }
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let cause = error.root_cause().downcast_ref::<io::Error>();
    cause.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}
