//! Reads the file of `vouchlog serve --config`.
//!
//! Each table becomes the flags that stand in it, and those are parsed as if they were typed: a log has the same settings, checks and
//! defaults either way. Environment variables are those of the process, so they set nothing for a log of a file.

use std::ffi::OsString;

use clap::builder::Resettable;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgAction, Args as _, Command, FromArgMatches};
use toml_edit::{Document, Item, TableLike, Value};

use crate::advice::without_secrets;
use crate::commands::serve::Args;

/// The ids of the flags of the process. They are given beside `--config`; those of a log are in the file.
pub(in crate::commands::serve) const OF_PROCESS: [&str; 4] =
    ["config", "drain", "log_format", "otlp_endpoint"];

/// The longest file, in bytes. A log's table has a kilobyte.
pub(super) const MAX_FILE_BYTES: usize = 1024 * 1024;

/// Logs in one process: each has a dozen threads, two ports and some MiB of memory.
pub(super) const MAX_LOGS: usize = 64;

/// Characters of a log's name, which is a label of metrics.
const MAX_NAME: usize = 64;

/// The one table at the top of the file.
const TABLE: &str = "log";

/// A log of the file.
pub(super) struct LogTable {
    pub(super) name: String,
    /// The line of its table, from 1.
    pub(super) line: usize,
    pub(super) args: Args,
}

/// Something that is wrong with the file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Problem {
    /// The line it is in, from 1.
    pub(super) line: usize,
    pub(super) what: String,
}

/// The logs of a file; or everything that is wrong with it, by lines.
pub(super) fn read(text: &str) -> Result<Vec<LogTable>, Vec<Problem>> {
    let lines = Lines(text);
    let document = Document::parse(text).map_err(|error| {
        let line = lines.of(error.span());
        vec![Problem { line, what: error.message().replace('\n', "; ") }]
    })?;
    let mut reading = FileReader { lines, problems: Vec::new() };
    let mut logs = Vec::new();
    for (key, item) in document.iter() {
        let line = reading.line(&*document, key);
        match item.as_table_like() {
            Some(tables) if key == TABLE => logs.extend(reading.tables(tables)),
            _ => reading.problem(line, misplaced(key)),
        }
    }
    if logs.is_empty() && reading.problems.is_empty() {
        reading.problem(1, "there is no log: begin with a table [log.NAME]".to_owned());
    }
    if logs.len() > MAX_LOGS {
        reading.problem(1, format!("there are {} logs, and a process runs at most {MAX_LOGS}", logs.len()));
    }
    let mut problems = reading.problems;
    if problems.is_empty() {
        return Ok(logs);
    }
    problems.sort();
    Err(problems)
}

/// Why a key cannot be at the top of the file.
fn misplaced(key: &str) -> String {
    let is_flag = |arg: &Arg| arg.get_long() == Some(key);
    match flags().get_arguments().find(|arg| is_flag(arg)) {
        Some(arg) if OF_PROCESS.contains(&arg.get_id().as_str()) => of_process(key),
        Some(_) => format!("`{key}` is a setting of one log: put it into a table [log.NAME]"),
        None => format!("`{key}` is unknown: the file has tables [log.NAME] only"),
    }
}

fn of_process(key: &str) -> String {
    format!("`{key}` is a setting of the process: give it as a flag, --{key}")
}

/// The flags of a log, without what the environment gives.
fn flags() -> Command {
    let command = Args::augment_args(Command::new(TABLE).no_binary_name(true));
    command.mut_args(|arg| arg.env(Resettable::Reset))
}

/// Where lines begin.
#[derive(Clone, Copy)]
struct Lines<'t>(&'t str);

impl Lines<'_> {
    fn of(self, span: Option<std::ops::Range<usize>>) -> usize {
        let start = span.map_or(0, |span| span.start).min(self.0.len());
        1 + self.0.as_bytes()[..start].iter().filter(|byte| **byte == b'\n').count()
    }
}

struct FileReader<'t> {
    lines: Lines<'t>,
    problems: Vec<Problem>,
}

/// A flag, as it would be typed, and where its key is.
struct Flag {
    key: String,
    line: usize,
    words: Vec<OsString>,
}

impl FileReader<'_> {
    fn problem(&mut self, line: usize, what: String) {
        self.problems.push(Problem { line, what });
    }

    fn line(&self, table: &dyn TableLike, key: &str) -> usize {
        self.lines.of(table.get_key_value(key).and_then(|(key, item)| key.span().or(item.span())))
    }

    fn tables(&mut self, tables: &dyn TableLike) -> Vec<LogTable> {
        let mut logs = Vec::new();
        for (name, item) in tables.iter() {
            let line = self.line(tables, name);
            let Some(table) = item.as_table_like() else {
                self.problem(line, format!("`{name}` is no table: write [log.{name}]"));
                continue;
            };
            if !is_name(name) {
                let what = format!(
                    "`{}` cannot name a log: write up to {MAX_NAME} letters, digits, and `-`, `_` or `.`",
                    name.escape_debug()
                );
                self.problem(line, what);
                continue;
            }
            if let Some(args) = self.table(name, line, table) {
                logs.push(LogTable { name: name.to_owned(), line, args });
            }
        }
        logs
    }

    /// The settings of one log, if nothing is wrong with them.
    fn table(&mut self, name: &str, line: usize, table: &dyn TableLike) -> Option<Args> {
        let command = flags();
        let before = self.problems.len();
        let mut given = Vec::new();
        for (key, item) in table.iter() {
            let at = self.line(table, key);
            match words(&command, key, item) {
                Ok(words) => given.push(Flag { key: key.to_owned(), line: at, words }),
                Err(what) => self.problem(at, format!("[log.{name}]: {what}")),
            }
        }
        loop {
            let typed = given.iter().flat_map(|flag| flag.words.iter().cloned());
            let error = match command.clone().try_get_matches_from(typed) {
                Ok(matches) if self.problems.len() == before => {
                    return Args::from_arg_matches(&matches)
                        .map_err(|error| self.problem(line, format!("[log.{name}]: {}", said(error))))
                        .ok();
                }
                Ok(_) => return None,
                Err(error) => error,
            };
            let place = given.iter().position(|flag| is_about(&error, &flag.key));
            // A value that is wrong hides those after it, and no others.
            let is_value = matches!(error.kind(), ErrorKind::InvalidValue | ErrorKind::ValueValidation);
            match place {
                Some(place) if is_value => {
                    let flag = given.remove(place);
                    self.problem(flag.line, format!("[log.{name}]: {}", said(error)));
                }
                // What is missing may be missing because its value was wrong.
                _ if self.problems.len() > before => return None,
                place => {
                    let line = place.map_or(line, |place| given[place].line);
                    self.problem(line, format!("[log.{name}]: {}", said(error)));
                    return None;
                }
            }
        }
    }
}

fn is_name(name: &str) -> bool {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    (1..=MAX_NAME).contains(&name.len()) && name.chars().all(is_allowed)
}

/// What a key and its value would be as flags.
fn words(command: &Command, key: &str, item: &Item) -> Result<Vec<OsString>, String> {
    let Some(arg) = command.get_arguments().find(|arg| arg.get_long() == Some(key)) else {
        let known: Vec<_> = command.get_arguments().filter_map(Arg::get_long).collect();
        let near = known.into_iter().find(|long| long.replace('-', "_") == key.replace('-', "_"));
        let hint =
            near.map_or_else(|| "see `vouchlog serve --help`".to_owned(), |near| format!("write `{near}`"));
        return Err(format!("`{key}` is not a setting of a log: {hint}"));
    };
    if OF_PROCESS.contains(&arg.get_id().as_str()) {
        return Err(of_process(key));
    }
    let values = match item.as_value() {
        Some(Value::Array(values)) if matches!(arg.get_action(), ArgAction::Append) => {
            values.iter().collect()
        }
        Some(Value::Array(_)) => return Err(format!("`{key}` takes one value")),
        Some(value) => vec![value],
        None => return Err(format!("`{key}` takes a value, and is a table")),
    };
    let is_switch = matches!(arg.get_action(), ArgAction::SetTrue);
    let mut words = Vec::new();
    for value in values {
        match (value, is_switch) {
            (Value::Boolean(is_on), true) => words.extend(is_on.value().then(|| format!("--{key}").into())),
            (_, true) => return Err(format!("`{key}` is true or false")),
            (Value::String(text), false) => words.push(format!("--{key}={}", text.value()).into()),
            (Value::Integer(number), false) => words.push(format!("--{key}={}", number.value()).into()),
            (Value::Boolean(is_on), false) => words.push(format!("--{key}={}", is_on.value()).into()),
            _ => return Err(format!("`{key}` takes text, as its flag does: write it in quotes")),
        }
    }
    Ok(words)
}

/// Whether an error is about the flag of this name.
fn is_about(error: &clap::Error, key: &str) -> bool {
    let of = |text: &String| {
        let rest = text.strip_prefix("--").and_then(|text| text.strip_prefix(key));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '=', '[']))
    };
    match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(text)) => of(text),
        Some(ContextValue::Strings(texts)) => texts.iter().any(of),
        _ => false,
    }
}

/// An error of the parser in one line, without a secret that its value may have.
fn said(error: clap::Error) -> String {
    let text = without_secrets(error).render().to_string();
    let first = text.split("\n\n").next().unwrap_or_default();
    let words: Vec<&str> = first.trim_start_matches("error: ").split_whitespace().collect();
    words.join(" ")
}

#[cfg(test)]
mod tests;
