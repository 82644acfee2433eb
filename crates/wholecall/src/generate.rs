//! `wholecall generate`: shell completions and man pages.

use std::{fs, io};

use anyhow::Context;
use clap::CommandFactory;

use crate::{
    cli::{Cli, Generate, GenerateArgs},
    input::Tally,
};

pub(crate) fn run(arguments: &GenerateArgs) -> anyhow::Result<Tally> {
    match &arguments.what {
        Generate::Completions { shell } => {
            clap_complete::generate(*shell, &mut Cli::command(), "wholecall", &mut io::stdout());
        }
        Generate::Man { directory } => {
            fs::create_dir_all(directory)
                .with_context(|| format!("cannot create {}", directory.display()))?;
            clap_mangen::generate_to(Cli::command(), directory)
                .with_context(|| format!("cannot write man pages to {}", directory.display()))?;
        }
    }
    Ok(Tally::default())
}
