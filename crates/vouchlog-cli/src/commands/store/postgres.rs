//! `vouchlog store` for a log in PostgreSQL.

use std::fmt::Write as _;

use anyhow::Context;
use serde_json::{Value, json};
use vouchlog::postgres::{Finding, Leader, Postgres, Settings, Severity};
use vouchlog_storage::Pruned;

use super::{Checked, pruned_json, pruned_words};
use crate::advice::Advice;
use crate::output::{Outcome, Output};

/// A database.
#[derive(clap::Args)]
struct PlaceArgs {
    /// The PostgreSQL database: postgres://USER@HOST/DATABASE
    #[arg(long, value_name = "URL", env = "VOUCHLOG_STORE")]
    store: String,
}

/// The database at a URL.
pub(in crate::commands) fn place(url: &str) -> anyhow::Result<Postgres> {
    Postgres::new(url).with_context(|| {
        Advice::new("--store is not usable", "give a URL such as postgres://USER@HOST/DATABASE")
    })
}

/// What the settings of the server at a URL mean for a log.
pub(super) fn check(url: &str) -> anyhow::Result<Checked> {
    let place = place(url)?;
    let settings = place.settings().with_context(|| {
        Advice::new(
            format!("{} could not be checked", place.shown()),
            "check the address, the certificate, the role and its password",
        )
    })?;
    let findings = settings.findings();
    let refused = findings.iter().any(|finding| finding.severity == Severity::Refused);
    // Several logs are no fault of the database.
    let leader = if settings.tables == 0 { None } else { place.leader(None).ok().flatten() };
    let pruned = match &leader {
        Some(leader) => place.pruned(&leader.origin).context("the database could not be read")?,
        None => None,
    };
    let json = json!({
        "url": place.shown(), "usable": !refused, "settings": settings_json(&settings),
        "findings": findings.iter().map(finding_json).collect::<Vec<_>>(),
        "leader": leader.as_ref().map(leader_json), "pruned": pruned_json(pruned.as_deref()),
    });
    let log = leader.as_ref().map(|leader| (leader, pruned.as_deref()));
    let words = words(&place, &settings, &findings, log);
    Ok(Checked { name: "store", usable: !refused, words, json })
}

/// A log that was found, and what it has given up.
type CheckedLog<'a> = (&'a Leader, Option<&'a Pruned>);

fn words(place: &Postgres, settings: &Settings, findings: &[Finding], log: Option<CheckedLog<'_>>) -> String {
    let standbys = match (&*settings.synchronous_standby_names, settings.synchronous_standbys) {
        ("", _) => "none".to_owned(),
        (names, Some(count)) => format!("{names} ({count} connected)"),
        (names, None) => names.to_owned(),
    };
    let mut words = format!(
        "{}: PostgreSQL {}\n  synchronous_commit   {}\n  synchronous standbys {standbys}\n  tables               {}\n",
        place.shown(),
        settings.version,
        settings.synchronous_commit,
        match settings.tables {
            0 => "none: a first start with --create makes them".to_owned(),
            version => format!("version {version}"),
        }
    );
    if let Some((leader, pruned)) = log {
        // Writing to a string cannot fail.
        let _ = writeln!(
            words,
            "  log                  {} ({} entries), {}",
            leader.origin,
            leader.size,
            led_by(leader)
        );
        if let Some(pruned) = pruned {
            let _ = writeln!(words, "  pruned               {}", pruned_words(pruned));
        }
    }
    for finding in findings {
        let kind = if finding.severity == Severity::Refused { "REFUSED" } else { "warning" };
        let _ = writeln!(words, "{kind}: {}", finding.message);
    }
    let refused = findings.iter().any(|finding| finding.severity == Severity::Refused);
    words + if refused { "A log must not be kept here." } else { "A log can be kept here." }
}

fn led_by(leader: &Leader) -> String {
    match (leader.is_held, &*leader.address) {
        (false, _) => "without a leader".to_owned(),
        (true, "") => format!("led by another process (epoch {})", leader.epoch),
        (true, address) => format!("led by {address} (epoch {})", leader.epoch),
    }
}

fn settings_json(settings: &Settings) -> Value {
    json!({
        "version": settings.version, "standby": settings.is_standby,
        "synchronous_commit": settings.synchronous_commit,
        "synchronous_standby_names": settings.synchronous_standby_names,
        "synchronous_standbys": settings.synchronous_standbys,
        "fsync": settings.fsync, "full_page_writes": settings.full_page_writes, "pooled": settings.pooled,
        "tables": settings.tables,
    })
}

fn finding_json(finding: &Finding) -> Value {
    let severity = if finding.severity == Severity::Refused { "refused" } else { "warning" };
    json!({ "severity": severity, "code": finding.code, "message": finding.message })
}

fn leader_json(leader: &Leader) -> Value {
    json!({
        "origin": leader.origin, "epoch": leader.epoch, "address": leader.address, "leads": leader.is_held,
        "size": leader.size,
    })
}

/// Ask the leader of a log to hand it over: it stops, and a standby takes over
#[derive(clap::Args)]
pub(super) struct ResignArgs {
    #[command(flatten)]
    place: PlaceArgs,
    /// The log's name, if the database holds several
    #[arg(long, env = "VOUCHLOG_ORIGIN")]
    origin: Option<String>,
}

impl ResignArgs {
    pub(super) fn run(self, output: Output) -> anyhow::Result<Outcome> {
        let place = place(&self.place.store)?;
        let asked = place.ask_to_resign(self.origin.as_deref()).with_context(|| {
            Advice::new(
                "the leader could not be asked to resign",
                "see `vouchlog store check`; name the log with --origin",
            )
        })?;
        let Some(leader) = asked else {
            let answer = json!({ "asked": false, "leader": Value::Null });
            output.answer("No process leads the log; there is nothing to hand over.", &answer)?;
            return Ok(Outcome::Finding);
        };
        let by = if leader.address.is_empty() { "The leader" } else { &leader.address };
        let words = format!(
            "{by} was asked to hand over the log {}: it finishes its requests and stops.",
            leader.origin
        );
        output.answer(&words, &json!({ "asked": true, "leader": leader_json(&leader) }))?;
        Ok(Outcome::Fine)
    }
}
