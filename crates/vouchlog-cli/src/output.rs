//! What the program prints: words for people, one line of JSON for programs, progress on a terminal.

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use anyhow::Context;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use serde_json::{Value, json};
use vouchlog_session::plain;
use vouchlog_stream::LoggedAt;

use crate::terminal;

/// What is reported of a check without a policy.
pub(crate) const NO_POLICY: &str = "  policy      none given: no witness was checked, so a log that shows different histories would not be noticed";

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Everything asked for was done, and holds.
    Fine,
    /// The evidence does not hold.
    Finding,
    /// A server stopped because it cannot write any more until it is started again.
    Restart,
}

/// The exit code of an error.
pub(crate) const ERROR: u8 = 2;
/// The exit code that asks a service manager for a restart.
pub(crate) const RESTART: u8 = 3;

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Fine => Self::SUCCESS,
            Outcome::Finding => Self::from(1),
            Outcome::Restart => Self::from(RESTART),
        }
    }
}

/// Where answers go: standard output.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    json: bool,
    /// One of several servers in this process, which announces them all.
    quiet: bool,
}

impl Output {
    pub(crate) fn new(json: bool) -> Self {
        Self { json, quiet: false }
    }

    /// The output of a server that another one announces.
    pub(crate) fn quiet(self) -> Self {
        Self { quiet: true, ..self }
    }

    /// Whether a program reads along.
    pub(crate) fn is_json(self) -> bool {
        self.json
    }

    /// Gives the answer, in words or in JSON.
    pub(crate) fn answer(self, words: &str, json: &Value) -> anyhow::Result<()> {
        if self.json { print(&terminal::json(&json.to_string())) } else { print(&terminal::words(words)) }
    }

    /// Answers that what was checked does not hold. It is one line: text from a foreign file or server must not look like an answer of ours.
    pub(crate) fn refuse(self, finding: &str) -> anyhow::Result<Outcome> {
        let answer = json!({ "holds": false, "finding": finding });
        self.answer(&format!("DOES NOT HOLD: {}", plain(finding)), &answer)?;
        Ok(Outcome::Finding)
    }

    /// A server's first words. If they cannot be printed they are traced, and the server starts anyway.
    pub(crate) fn announce(self, words: &str, json: &Value) {
        if self.quiet {
            return;
        }
        if let Err(error) = self.answer(words, json) {
            tracing::warn!("{error:#}: {json}");
        }
    }

    /// The last words of a server that did what it was told. They change nothing, so neither does a standard output that is gone.
    pub(crate) fn farewell(self, words: &str) {
        if self.quiet {
            return;
        }
        if let Err(error) = self.say(words) {
            tracing::debug!("{error:#}");
        }
    }

    /// Tells people something; programs hear the answer only.
    pub(crate) fn say(self, words: &str) -> anyhow::Result<()> {
        if self.json { Ok(()) } else { print(&terminal::words(words)) }
    }
}

fn print(text: &str) -> anyhow::Result<()> {
    let mut stdout = io::stdout().lock();
    match writeln!(stdout, "{text}").and_then(|()| stdout.flush()) {
        // The reader has what it wanted: `vouchlog find | head -1` did its work.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written.context("standard output could not be written"),
    }
}

/// Warns on standard error.
pub(crate) fn warn(words: &str) {
    note(&format!("warning: {words}"));
}

/// Says something beside the answer, on standard error.
pub(crate) fn note(words: &str) {
    // Without standard error there is no place left to report to.
    let _ = writeln!(std::io::stderr(), "{}", terminal::words(words));
}

/// A progress bar on standard error, if that is a terminal.
pub(crate) fn progress(total: u64, unit: &str) -> ProgressBar {
    let target = if std::io::stderr().is_terminal() {
        ProgressDrawTarget::stderr()
    } else {
        ProgressDrawTarget::hidden()
    };
    let template = format!("{{bar:32}} {{pos}}/{{len}} {unit}, {{rate}}, {{eta}} left");
    let rate = |state: &ProgressState, text: &mut dyn std::fmt::Write| {
        // A bar that cannot be drawn stops nothing.
        let _ = write!(text, "{:.0}/s", state.per_sec());
    };
    let style =
        ProgressStyle::with_template(&template).expect("the template is a constant").with_key("rate", rate);
    ProgressBar::with_draw_target(Some(total), target).with_style(style)
}

/// A sign of life on standard error, if that is a terminal, for work of unknown length.
pub(crate) fn waiting(words: &'static str) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let spinner = ProgressBar::new_spinner().with_message(words);
    spinner.enable_steady_tick(std::time::Duration::from_millis(120));
    spinner
}

/// The time an entry was logged, for people: RFC 3339 to the second, UTC.
pub(crate) fn time(logged_at: LoggedAt) -> String {
    let millis = i64::try_from(logged_at.millis()).expect("48 bits fit");
    // Years past 9999 have no RFC 3339 form.
    jiff::Timestamp::from_millisecond(millis)
        .map_or_else(|_| format!("{millis} ms"), |time| format!("{time:.0}"))
}

/// A time in milliseconds since 1970-01-01 UTC, for people: to the second.
pub(crate) fn moment(millis: i64) -> String {
    jiff::Timestamp::from_millisecond(millis)
        .map_or_else(|_| format!("{millis} ms"), |time| format!("{time:.0}"))
}

/// A time a witness gave, for people; one past all calendars as the number it is.
pub(crate) fn posix_time(posix: u64) -> String {
    let time = i64::try_from(posix).ok().and_then(|at| jiff::Timestamp::from_second(at).ok());
    time.map_or_else(|| posix.to_string(), |time| time.to_string())
}

/// `1 entry`, `2 entries`.
pub(crate) fn count(number: u64, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_rfc_3339_as_far_as_that_goes() {
        let at = |millis| time(LoggedAt::from_millis(millis).unwrap());
        assert_eq!(at(1_767_225_600_007), "2026-01-01T00:00:00Z");
        assert_eq!(time(LoggedAt::MAX), "281474976710655 ms");
        assert_eq!(posix_time(1_767_225_600), "2026-01-01T00:00:00Z");
        assert_eq!(posix_time(u64::MAX), u64::MAX.to_string());
    }
}
