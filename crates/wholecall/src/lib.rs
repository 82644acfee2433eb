//! The command line: the only crate that reads arguments, the environment and the terminal. A library, so that tests can
//! run it on a simulated faulty disk; `main.rs` is the released binary.

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
mod forward;
mod generate;
mod hardening;
mod input;
mod key;
mod output;
mod posting;
mod rejected;
mod restore;
mod secrets;
mod serve;
mod show;
mod signing;
mod simulate;
mod tenant;
mod terminal;
mod verify;

use std::{io, process::ExitCode};

use clap::Parser;
use wholecall_record::display::escape_control;

use crate::cli::{Cli, Command};

/// The exit code if some of the input could not be read.
const EXIT_INPUT_UNREADABLE: u8 = 2;

/// Runs the command that this process's arguments name.
pub fn main() -> ExitCode {
    hardening::restrict_access();
    let result = match Cli::parse().command {
        Command::Assemble(arguments) => assemble::run(&arguments),
        Command::Show(arguments) => show::show(&arguments),
        Command::Explain(arguments) => show::explain(&arguments),
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
        Command::Forward(arguments) => forward::run(&arguments),
        Command::Generate(arguments) => generate::run(&arguments),
    };
    match result {
        Ok(tally) if tally.is_clean() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::from(EXIT_INPUT_UNREADABLE),
        // The reader of our output closed the pipe, like `head`: not an error.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            // The message may quote input, which is not trusted: escape control characters.
            let message = format!("wholecall: {error:#}");
            message.lines().for_each(|line| eprintln!("{}", escape_control(line)));
            let is_unreadable = error.is::<input::StrictStop>();
            ExitCode::from(if is_unreadable { EXIT_INPUT_UNREADABLE } else { 1 })
        }
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let cause = error.root_cause().downcast_ref::<io::Error>();
    cause.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}
