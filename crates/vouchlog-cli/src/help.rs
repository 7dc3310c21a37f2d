//! The first page of help: the commands by what people want to do.

use std::fmt::Write as _;

use clap::Command;

/// What people want to do, and the commands for it. Every command is in one of these groups.
pub(crate) const GROUPS: [(&str, &[&str]); 5] = [
    ("Run", &["demo", "up", "serve", "witness", "collect", "monitor"]),
    ("Record", &["record", "submit", "grade", "schema", "canary"]),
    (
        "Investigate",
        &["session", "find", "revoked", "disclose", "doctor", "duties", "hold", "erase", "vault"],
    ),
    ("Audit", &["verify", "audit", "prove", "prove-complete", "verify-finding", "sample"]),
    ("Keys and upkeep", &["keygen", "enrol", "revoke", "fsck", "backup", "recover", "completions", "man"]),
];

/// Columns before what a command does.
const INDENT: usize = 18;

/// The program with its commands in groups on its first page of help.
pub(crate) fn grouped(command: Command) -> Command {
    let width = textwrap::termwidth().clamp(60, 110);
    let template = format!(
        "{{about-with-newline}}\n{{usage-heading}} {{usage}}\n\n{}{{options}}{{after-help}}",
        list(&command, width)
    );
    command.help_template(template)
}

fn list(command: &Command, width: usize) -> String {
    let mut text = String::new();
    for (group, names) in GROUPS {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{group}:");
        for name in names {
            let about = command.find_subcommand(name).and_then(Command::get_about);
            let about = about.map(ToString::to_string).unwrap_or_default();
            let options =
                textwrap::Options::new(width).initial_indent("  ").subsequent_indent("                  ");
            let line = format!("{name:<width$}{about}", width = INDENT - 2);
            let _ = writeln!(text, "{}", textwrap::fill(&line, options));
        }
        text.push('\n');
    }
    text.push_str("Options:\n");
    text
}
