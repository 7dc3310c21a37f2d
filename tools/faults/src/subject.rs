//! What a campaign runs: which data directory it damages, and what the program did with it.

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;

use anyhow::Result;

use crate::outcome::Outcome;
use crate::program::{Ended, Program};
use crate::{collector, gateway, log};

/// How the program that made the data directory ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// By kill -9, under load.
    Kill,
    /// By SIGTERM, under load.
    Stop,
}

/// Whose data directory is damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A log of fewer than 256 entries: nothing is sealed.
    SmallLog,
    /// A log of over 1,000 entries with sealed segments.
    LargeLog,
    /// A gateway's spool with statements that wait for their log.
    Gateway,
    /// A collector with bodies and records that wait for its log.
    Collector,
}

/// What the program did with a data directory.
#[derive(Clone, Debug)]
pub enum State {
    /// Everything is there, and it went on.
    Whole,
    /// It did not start, or did not serve.
    Refused(String),
    /// It broke a promise.
    Broken(Outcome, String),
}

/// One start, some work, one stop.
#[derive(Clone, Debug)]
pub struct Report {
    /// What came of it.
    pub state: State,
    /// Everything the program said: standard error and `/readyz`.
    pub said: String,
}

impl Report {
    /// Of a program that ended instead of serving.
    pub fn ended(ended: &Ended) -> Self {
        let said = ended.errors.clone();
        let state = if ended.is_crash() {
            State::Broken(Outcome::Crash, format!("{}: {said}", ended.status))
        } else {
            State::Refused(said.clone())
        };
        Self { state, said }
    }

    /// Of a program that hung.
    pub fn hung(said: String) -> Self {
        Self { state: State::Broken(Outcome::Hang, said.clone()), said }
    }

    /// The kinds of warnings and errors in what was said. Numbers are left out, so that they compare between runs.
    pub fn warnings(&self) -> BTreeSet<String> {
        self.said.lines().filter_map(warning).collect()
    }
}

/// The words of a line that warns.
fn warning(line: &str) -> Option<String> {
    let at = ["WARN", "ERROR", "warning:", "error:", "panicked"]
        .iter()
        .filter_map(|word| line.find(word))
        .min()?;
    // Colours, numbers and hashes differ from run to run.
    let words = line[at..]
        .split_whitespace()
        .filter(|word| !word.chars().any(|c| c.is_ascii_digit() || c == '\u{1b}'));
    Some(words.collect::<Vec<_>>().join(" "))
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SmallLog => "log, nothing sealed",
            Self::LargeLog => "log with sealed segments",
            Self::Gateway => "gateway",
            Self::Collector => "collector",
        })
    }
}

impl Subject {
    /// The directory below a fixture that is damaged.
    pub fn directory(self) -> &'static str {
        match self {
            Self::SmallLog | Self::LargeLog => log::DATA,
            Self::Gateway => gateway::STATE,
            Self::Collector => collector::DATA,
        }
    }

    /// Makes a fixture in an empty folder: runs the program under load, and ends it.
    pub async fn make(self, program: &Program, folder: &Path, after: After) -> Result<()> {
        match self {
            Self::SmallLog => log::make(program, folder, log::SMALL, after).await,
            Self::LargeLog => log::make(program, folder, log::LARGE, after).await,
            Self::Gateway => gateway::make(program, folder, after).await,
            Self::Collector => collector::make(program, folder, after).await,
        }
    }

    /// Starts the program on a fixture, checks everything that was acknowledged, adds to it, and stops.
    pub async fn work(self, program: &Program, folder: &Path) -> Result<Report> {
        match self {
            Self::SmallLog | Self::LargeLog => log::work(program, folder).await,
            Self::Gateway => gateway::work(program, folder).await,
            Self::Collector => collector::work(program, folder).await,
        }
    }
}
