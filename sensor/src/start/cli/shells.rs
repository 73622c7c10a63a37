//! `tapwire completions` and `tapwire man`: what shells and `man` know of the command line.

use std::io;
use std::path::{Path, PathBuf};

use clap::{Args, Command, CommandFactory};
use clap_complete::Shell;

use super::Arguments;
use crate::start::terminal::{say, show};

pub(super) const COMPLETIONS_HELP: &str = "Examples:
  tapwire completions bash > ~/.local/share/bash-completion/completions/tapwire
  tapwire completions zsh > ~/.zfunc/_tapwire
  tapwire completions fish > ~/.config/fish/completions/tapwire.fish";

pub(super) const MAN_HELP: &str = "Examples:
  tapwire man | man -l -
  tapwire man --write /usr/local/share/man/man1";

/// `tapwire completions`
#[derive(Clone, Debug, Args)]
pub struct Completions {
    /// The shell
    shell: Shell,
}

/// `tapwire man`
#[derive(Clone, Debug, Args)]
pub struct Man {
    /// Write the pages of all commands into a folder
    #[arg(long, value_name = "DIR")]
    write: Option<PathBuf>,
}

impl Completions {
    /// Does it; the exit status.
    pub fn run(&self) -> u8 {
        let mut out = Vec::new();
        clap_complete::generate(self.shell, &mut Arguments::command(), "tapwire", &mut out);
        show(out);
        0
    }
}

impl Man {
    /// Does it; the exit status.
    pub fn run(&self) -> u8 {
        let command = Arguments::command();
        let done = match &self.write {
            Some(folder) => pages(command, folder),
            None => page(command).map(show),
        };
        match done {
            Ok(()) => 0,
            Err(error) => {
                say(&format!("error: the pages cannot be written: {error}"));
                1
            }
        }
    }
}

fn page(command: Command) -> io::Result<Vec<u8>> {
    let mut out = Vec::new();
    clap_mangen::Man::new(command).render(&mut out)?;
    Ok(out)
}

fn pages(command: Command, folder: &Path) -> io::Result<()> {
    std::fs::create_dir_all(folder)?;
    clap_mangen::generate_to(command, folder)
}
