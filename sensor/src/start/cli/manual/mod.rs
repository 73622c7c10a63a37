//! `tapwire manual`: what the program knows, written by the program: protocols, keywords, settings, anomalies, counters,
//! encodings.
//!
//! Each page is made from the tables that the program itself works with, so that it cannot say something else than what is done. The
//! pages in `docs/` are these.

mod anomalies;
mod configuration;
mod counters;
mod encodings;
mod keywords;
mod protocols;
mod text;

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use crate::sinks::open;
use crate::start::terminal::{say, show};

pub(super) const HELP: &str = "Examples:
  tapwire manual counters             one page, as Markdown
  tapwire manual --write docs         all pages, each into its file";

/// `tapwire manual`
#[derive(Clone, Debug, Args)]
pub struct Manual {
    /// The page; all of them without one
    #[arg(value_enum)]
    page: Option<Page>,
    /// Write each page into a file of this folder (protocols.md, keywords.md …) instead of showing it
    #[arg(long, value_name = "DIR")]
    write: Option<PathBuf>,
}

/// A page of the manual.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Page {
    /// Application protocols: how each is found, and what rules can look at
    Protocols,
    /// Keywords of rules
    Keywords,
    /// Keys of the configuration
    Configuration,
    /// What traffic can do wrong, as rules and records name it
    Anomalies,
    /// Counters of `stats` records
    Counters,
    /// How records are written for other systems
    Encodings,
}

impl Page {
    /// All pages.
    pub const ALL: [Self; 6] =
        [Self::Protocols, Self::Keywords, Self::Configuration, Self::Anomalies, Self::Counters, Self::Encodings];

    /// The name of its file.
    pub fn file_name(self) -> &'static str {
        match self {
            Self::Protocols => "protocols.md",
            Self::Keywords => "keywords.md",
            Self::Configuration => "configuration.md",
            Self::Anomalies => "anomalies.md",
            Self::Counters => "counters.md",
            Self::Encodings => "encodings.md",
        }
    }

    /// The page as Markdown.
    pub fn text(self) -> String {
        match self {
            Self::Protocols => protocols::page(),
            Self::Keywords => keywords::page(),
            Self::Configuration => configuration::page(),
            Self::Anomalies => anomalies::page(),
            Self::Counters => counters::page(),
            Self::Encodings => encodings::page(),
        }
    }
}

impl Manual {
    /// Does it; the exit status.
    pub fn run(&self) -> u8 {
        let pages = self.page.map_or(Page::ALL.to_vec(), |page| vec![page]);
        let Some(folder) = &self.write else {
            pages.iter().for_each(|page| show(page.text()));
            return 0;
        };
        for page in pages {
            let path = folder.join(page.file_name());
            if let Err(error) = write(folder, &path, &page.text()) {
                say(&format!("error: {} cannot be written: {error}", path.display()));
                return 1;
            }
        }
        0
    }
}

fn write(folder: &Path, path: &Path, text: &str) -> io::Result<()> {
    std::fs::create_dir_all(folder)?;
    open::fresh(path)?.write_all(text.as_bytes())
}
