//! What clap's help is given beyond flags: the commands by what people want to do, and examples that fit a terminal.

use std::fmt::Write as _;

use clap::Command;

/// What people want to do, and the commands for it. Every command is in one of these groups.
pub(crate) const GROUPS: [(&str, &[&str]); 5] = [
    ("Run", &["demo", "up", "serve", "witness", "collect", "monitor", "mirror"]),
    ("Record", &["record", "submit", "grade", "schema", "canary"]),
    (
        "Investigate",
        &[
            "session",
            "find",
            "revoked",
            "disclose",
            "doctor",
            "reconcile",
            "duties",
            "hold",
            "erase",
            "vault",
        ],
    ),
    (
        "Audit",
        &[
            "verify",
            "audit",
            "explore",
            "prove",
            "prove-complete",
            "verify-finding",
            "verify-report",
            "sample",
        ],
    ),
    (
        "Keys and upkeep",
        &[
            "keygen",
            "enrol",
            "rotate",
            "rotate-operator",
            "rotate-witness",
            "follow-witness",
            "revoke",
            "quota",
            "log",
            "token",
            "fsck",
            "backup",
            "store",
            "recover",
            "completions",
            "man",
        ],
    ),
];

/// Columns that an example may take: the default width of a terminal.
const EXAMPLE_WIDTH: usize = 80;
/// Before the lines that an example continues on.
const CONTINUED: &str = "    ";
/// Columns before what a command does.
const INDENT: usize = 18;

/// The program with its commands in groups on its first page of help, and the examples of each command broken where a shell
/// would continue them.
pub(crate) fn complete(command: Command) -> Command {
    grouped(command.mut_subcommands(|command| match command.get_after_help().map(ToString::to_string) {
        Some(help) => command.after_help(wrap_examples(&help)),
        None => command,
    }))
}

fn grouped(command: Command) -> Command {
    let width = textwrap::termwidth().clamp(60, 110);
    let template = format!(
        "{{about-with-newline}}\n{{usage-heading}} {{usage}}\n\n{}{{options}}{{after-help}}",
        list(&command, width)
    );
    command.help_template(template)
}

fn list(command: &Command, width: usize) -> String {
    let (mut text, indent) = (String::new(), " ".repeat(INDENT));
    for (group, names) in GROUPS {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{group}:");
        for name in names {
            let about = command.find_subcommand(name).and_then(Command::get_about);
            let about = about.map(ToString::to_string).unwrap_or_default();
            let options = textwrap::Options::new(width).initial_indent("  ").subsequent_indent(&indent);
            let line = format!("{name:<width$}{about}", width = INDENT - 2);
            let _ = writeln!(text, "{}", textwrap::fill(&line, options));
        }
        text.push('\n');
    }
    text.push_str("Options:\n");
    text
}

/// Breaks examples, which begin with the program's name, at the width of a terminal.
fn wrap_examples(help: &str) -> String {
    let mut lines = Vec::new();
    let mut continues = false;
    for line in help.lines() {
        let is_example = continues || line.trim_start().starts_with("vouchlog ");
        continues = is_example && line.ends_with('\\');
        if is_example {
            lines.extend(wrap_example(line));
        } else {
            lines.push(line.to_owned());
        }
    }
    lines.join("\n")
}

fn wrap_example(line: &str) -> Vec<String> {
    let (command, end) = line.strip_suffix(" \\").map_or((line, ""), |command| (command, " \\"));
    let indent = command.len() - command.trim_start().len();
    let mut lines = Vec::new();
    let mut current = command[..indent].to_owned();
    for part in parts(command.trim_start()) {
        let is_first = current.trim_start().is_empty();
        // Two columns are for the backslash.
        if !is_first && current.chars().count() + 1 + part.chars().count() + 2 > EXAMPLE_WIDTH {
            lines.push(format!("{current} \\"));
            current = CONTINUED.to_owned();
        } else if !is_first {
            current.push(' ');
        }
        current.push_str(&part);
    }
    lines.push(current + end);
    lines
}

/// The words of a command line. What is in quotes stays in one piece, and a flag with its value.
fn parts(command: &str) -> Vec<String> {
    let mut parts: Vec<String> = Vec::new();
    let (mut quote, mut takes_value) = (None, false);
    for word in command.split(' ') {
        let joins = quote.is_some() || (takes_value && !word.starts_with('-'));
        match parts.last_mut().filter(|_| joins) {
            Some(part) => {
                part.push(' ');
                part.push_str(word);
            }
            None => parts.push(word.to_owned()),
        }
        takes_value = quote.is_none() && word.starts_with('-');
        for character in word.chars().filter(|character| matches!(character, '"' | '\'')) {
            quote = match quote {
                None => Some(character),
                Some(open) if open == character => None,
                open => open,
            };
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_example_is_broken_as_a_shell_continues_it() {
        let long = "Examples:\n  vouchlog record --vault vault --log http://127.0.0.1:6962 --reason \"one two\" --log-vkey \"$LOG_VKEY\" \\\n    \
                    --gateway-key gateway.key\n\nA sentence that is long enough to be longer than a terminal is wide, which is not for us to break.";
        let wrapped = wrap_examples(long);
        let lines: Vec<&str> = wrapped.lines().collect();
        assert_eq!(
            lines[1],
            "  vouchlog record --vault vault --log http://127.0.0.1:6962 --reason \"one two\" \\"
        );
        assert_eq!(lines[2..4], ["    --log-vkey \"$LOG_VKEY\" \\", "    --gateway-key gateway.key"]);
        assert_eq!(lines.last(), long.lines().last().as_ref());
        assert_eq!(wrap_examples(&wrapped), wrapped);
    }
}
