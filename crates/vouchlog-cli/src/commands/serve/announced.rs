//! The first words of a log that is served.

use std::net::SocketAddr;

use serde_json::json;
use vouchlog::{Log, TreeSize, WitnessState};

use super::Args;
use super::member::Member;
use super::settings::Settings;
use crate::commands::strangers::AdminPort;
use crate::output::Output;

/// A log that is open, and where it is served.
pub(super) struct Announcement<'a> {
    pub(super) args: &'a Args,
    pub(super) log: &'a Log,
    pub(super) settings: &'a Settings,
    pub(super) address: SocketAddr,
    pub(super) admin: &'a AdminPort,
}

impl Announcement<'_> {
    pub(super) fn announce(&self, member: &Member, output: Output) {
        let Self { args, log, settings, address, admin } = self;
        let operator_key = args.operator.place(&args.data);
        let url = settings.transport.url(*address);
        let (origin, vkey, operators) = (log.origin(), log.vkey(), log.operators());
        let operator = operators.key();
        let since = match operators.terms().next_back().map_or(0, |term| term.since.get()) {
            0 => String::new(),
            since => format!(" (since entry {since})"),
        };
        let size = log.sequenced().size();
        let house = match log.retired() {
            Some(_) => "off: the log is read only",
            None => args.house.words(*address),
        };
        let witnesses: String =
            log.witnesses().iter().map(|w| format!("  witness        {} {w}\n", w.name)).collect();
        let retired =
            log.retired().map_or_else(String::new, |retired| format!("  READ ONLY      {retired}\n"));
        let sealed = args.objects.line();
        let words = format!(
            "The log {origin} is served at {url}\n  \
               log vkey       {vkey}\n  \
               operator vkey  {operator}{since}\n  \
               operator key   {operator_key}\n  \
               entries        {size}\n  \
               house stream   {house}\n  \
               authentication {}\n\
             {sealed}{retired}{witnesses}{}\
             Give the log vkey to everyone who is to verify. Stop with Ctrl-C.",
            settings.access.words(),
            admin.line()
        );
        let answer = json!({
            "house": args.house.is_on(*address),
            "origin": origin.as_str(), "log_vkey": vkey.to_string(), "operator_vkey": operator.to_string(),
            "operator_key": operator_key.to_string(), "objects": args.objects.url(),
            "url": url, "admin_url": admin.url(), "size": size.get(),
            "authentication": settings.access.access.is_on(),
            "retired": log.retired(), "witnesses": log.witnesses().iter().map(witness_json).collect::<Vec<_>>(),
        });
        member.announce(output, &words, answer);
    }
}

fn witness_json(witness: &WitnessState) -> serde_json::Value {
    json!({
        "name": witness.name, "size": witness.size.map(TreeSize::get), "timestamp": witness.timestamp,
        "trouble": witness.trouble,
    })
}
