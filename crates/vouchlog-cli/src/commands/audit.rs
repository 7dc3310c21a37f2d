//! `vouchlog audit`: checks a whole log, from the outside.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use vouchlog_auditor::limits::MAX_EVIDENCE_BYTES;
use vouchlog_auditor::{AuditReport, Proves, StreamReport};
use vouchlog_merkle::sha256;
use vouchlog_session::plain;

use super::auditing::{Audit, AuditArgs, Subject, WitnessCopy};
use super::paper::{self, PaperArgs};
use super::{read_file, running};
use crate::output::{self, Outcome, Output};
use crate::report::{AuditMade, EvidenceName, Provenance, WitnessSeen};

/// Audit a whole log from outside: every entry, tile and stream, against its signatures and other parties' checkpoints
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  vouchlog audit --log http://127.0.0.1:6962 --log-vkey \"$LOG_VKEY\" --state ./audits\n  \
                        vouchlog audit --log ./mirror --log-vkey \"$LOG_VKEY\" --policy policy.txt \\\n    \
                        --evidence ./evidence --html audit.html\n  \
                        vouchlog audit --log http://127.0.0.1:6963 --log-vkey \"$NEW_VKEY\" \\\n    \
                        --predecessor http://127.0.0.1:6962\n\n\
                        Works with any log that serves C2SP tlog-tiles. With --state, the next audit reads only\n\
                        new entries, and a stopped audit resumes.\n\n\
                        Exit status: 0 no findings, 1 findings, 2 the audit could not be completed."
)]
pub(crate) struct Args {
    #[command(flatten)]
    audit: AuditArgs,
    #[command(flatten)]
    paper: PaperArgs,
    /// The log that this one continues, which is audited too: it must have ended as this one states
    #[arg(long, value_name = "URL|DIR")]
    predecessor: Option<String>,
    /// The witnesses of that log (C2SP tlog-policy)
    #[arg(long, value_name = "FILE", requires = "predecessor")]
    predecessor_policy: Option<PathBuf>,
}

impl Args {
    pub(crate) async fn run(self, output: Output) -> anyhow::Result<Outcome> {
        let paper = self.paper.open()?;
        let subject = self.audit.subject()?;
        let audit = Self::audited(&subject).await?;
        if let Some(paper) = &paper {
            let made = AuditMade {
                made: Provenance {
                    at: paper::now(),
                    keys: subject.config.log.keys.clone(),
                    policy: subject.config.log.policy.as_ref(),
                    source: subject.source.clone(),
                },
                report: &audit.report,
                witnesses: audit.witnesses.iter().map(seen).collect(),
                evidence: audit.evidence.iter().map(|file| evidence(file)).collect::<Result<_, _>>()?,
            };
            paper.audit(&made)?;
        }
        let (mut text, mut json) = (words(&audit), as_json(&audit)?);
        let mut is_clean = audit.report.is_clean();
        if let Some(source) = &self.predecessor {
            let before = match self.audited_predecessor(&audit.report, source).await {
                Ok(before) => before,
                Err(error) => {
                    // With --state, no later audit reports these findings again.
                    output.answer(&text, &json)?;
                    return Err(error);
                }
            };
            is_clean &= before.as_ref().is_some_and(|before| before.report.is_clean());
            text.push_str(&match &before {
                Some(before) => format!("\n\npredecessor {}", words(before)),
                None => "\n\nNO PREDECESSOR: the second entry of the log names none".to_owned(),
            });
            json["predecessor"] = before.as_ref().map(as_json).transpose()?.unwrap_or(Value::Null);
        }
        output.answer(&text, &json)?;
        Ok(if is_clean { Outcome::Fine } else { Outcome::Finding })
    }

    /// Audits the log that the audited one continues; none if it names none.
    async fn audited_predecessor(&self, report: &AuditReport, source: &str) -> anyhow::Result<Option<Audit>> {
        let Some(named) = &report.continues else { return Ok(None) };
        let subject = self.audit.predecessor(named, source, self.predecessor_policy.as_deref())?;
        Self::audited(&subject).await.map(Some)
    }

    async fn audited(subject: &Subject) -> anyhow::Result<Audit> {
        let stop = running::shutdown_signal()?;
        let bar = output::progress(0, "entries");
        let mut has_begun = false;
        let step = |done, total| {
            bar.set_length(total);
            bar.set_position(done);
            // What earlier audits did says nothing about the pace of this one.
            if !std::mem::replace(&mut has_begun, true) {
                bar.reset_eta();
            }
        };
        let audit = subject.audit(step, stop).await;
        bar.finish_and_clear();
        let audit = audit?;
        for copy in &audit.witnesses {
            if let Some(error) = &copy.error {
                output::warn(&format!(
                    "the checkpoint of the witness {} at {} could not be read: {error}",
                    copy.witness, copy.url
                ));
            }
        }
        if subject.state.is_some() && subject.evidence.is_none() && !audit.report.is_clean() {
            output::warn(
                "the next audit will not report this again, and no evidence was kept: give --evidence DIR",
            );
        }
        Ok(audit)
    }
}

fn seen(copy: &WitnessCopy) -> WitnessSeen {
    let why = || copy.error.clone().unwrap_or_else(|| "it has no checkpoint of the log".to_owned());
    WitnessSeen { name: copy.witness.clone(), size: copy.size.ok_or_else(why) }
}

fn evidence(file: &Path) -> anyhow::Result<EvidenceName> {
    let bytes = read_file(file, MAX_EVIDENCE_BYTES)?;
    Ok(EvidenceName { path: file.display().to_string(), digest: sha256(&bytes).to_string() })
}

/// The report for programs. Evidence is often large: where it was written to files, their names stand for it.
pub(super) fn as_json(audit: &Audit) -> anyhow::Result<Value> {
    let mut value = serde_json::to_value(&audit.report)?;
    value["clean"] = audit.report.is_clean().into();
    value["witnesses"] = serde_json::to_value(&audit.witnesses)?;
    if let Some(findings) = value["findings"].as_array_mut() {
        for (finding, path) in findings.iter_mut().zip(&audit.evidence) {
            if let Some(finding) = finding.as_object_mut() {
                finding.remove("evidence");
                finding.insert("evidence_file".to_owned(), json!(path));
            }
        }
    }
    Ok(value)
}

/// The report for people: findings first, each under what it follows from.
pub(super) fn words(audit: &Audit) -> String {
    let report = &audit.report;
    let mut lines = vec![verdict(report)];
    for (place, finding) in report.findings.iter().enumerate() {
        if finding.follows_from.is_none() {
            finding_lines(audit, place, 1, &mut lines);
        }
    }
    let listed = report.findings.len() as u64;
    let total: u64 = report.counts.values().sum();
    if total > listed {
        lines.push(format!("  … and {} more of the same kinds", total - listed));
    }
    lines.extend(checkpoint_lines(audit));
    lines.extend(checked_lines(report));
    lines.extend(report.streams.iter().map(stream_line));
    lines.extend(report.quotas.iter().map(|quota| format!("  {quota}")));
    lines.extend(report.continues.iter().map(|before| format!("  {}", plain(&before.to_string()))));
    lines.extend(report.retired.iter().map(|retired| format!("  {}", plain(&retired.to_string()))));
    lines.join("\n")
}

fn verdict(report: &AuditReport) -> String {
    let total: u64 = report.counts.values().sum();
    match report.worst() {
        None if report.checked.unchecked > 0 => {
            let pruned = output::count(report.checked.unchecked, "entry was", "entries were");
            format!("no findings in {}, but {pruned} pruned and not checked", report.origin)
        }
        // What earlier audits found, they told.
        None if report.checked.before > 0 => format!("clean: no new findings in {}", report.origin),
        None => format!("clean: no findings in {}", report.origin),
        Some(worst) => {
            let found = output::count(total, "finding", "findings");
            format!("NOT CLEAN, {found} in {}, the worst is {}", report.origin, worst.words())
        }
    }
}

/// A finding, and below it, indented, those that follow from it.
fn finding_lines(audit: &Audit, place: usize, depth: usize, lines: &mut Vec<String>) {
    let Some(finding) = audit.report.findings.get(place) else { return };
    let indent = "  ".repeat(depth);
    let worth = match finding.proves {
        Proves::Misconduct => "proven",
        Proves::Observation => "observed",
    };
    lines.push(format!("{indent}{}. {finding}", place + 1));
    let mut details = format!("{indent}   {}, {worth}", finding.severity.words());
    if finding.consequences > 0 {
        let more = output::count(finding.consequences, "further irregularity", "further irregularities");
        details.push_str(&format!(", explains {more}"));
    }
    if let Some(path) = audit.evidence.get(place) {
        details.push_str(&format!(", evidence in {}", path.display()));
    }
    lines.push(details);
    for (other, following) in audit.report.findings.iter().enumerate() {
        // A cause comes before what follows from it, so this ends.
        if following.follows_from == Some(place) && other > place {
            finding_lines(audit, other, depth + 1, lines);
        }
    }
}

fn checkpoint_lines(audit: &Audit) -> Vec<String> {
    let Some(checkpoint) = &audit.report.checkpoint else { return Vec::new() };
    let size = output::count(checkpoint.size, "entry", "entries");
    let mut lines = vec![format!("  checkpoint  of {size}, root {}", checkpoint.root)];
    if !checkpoint.cosigned_by.is_empty() {
        let quorum = if checkpoint.quorum { "the policy is satisfied" } else { "NO QUORUM" };
        lines.push(format!("  cosigned    by {}: {quorum}", checkpoint.cosigned_by.join(", ")));
    }
    for copy in &audit.witnesses {
        if let Some(size) = copy.size {
            lines.push(format!("  witness     {} has a checkpoint of size {size}", copy.witness));
        }
    }
    lines
}

fn checked_lines(report: &AuditReport) -> Vec<String> {
    if report.checkpoint.is_none() {
        return Vec::new();
    }
    let checked = &report.checked;
    let mut lines = vec![format!(
        "  checked     {} and {} in {}, {} a second",
        output::count(checked.entries, "entry", "entries"),
        output::count(checked.tiles, "tile", "tiles"),
        seconds(checked.milliseconds),
        checked.entries_per_second,
    )];
    if checked.before > 0 {
        let before = output::count(checked.before, "entry", "entries");
        lines.push(format!("  before      {before}, checked by earlier audits"));
    }
    if let Some(pruning) = &report.pruning {
        lines.push(format!("  pruned      {}", plain(&report.pruned_words(pruning))));
    }
    if checked.rules {
        lines.push(format!("  statements  {} in total", checked.statements));
    } else if checked.entries > 0 {
        lines.push("  rules       none: the entries are opaque bytes, not Vouchlog entries".to_owned());
    }
    lines
}

fn seconds(milliseconds: u64) -> String {
    format!("{}.{} s", milliseconds / 1000, milliseconds % 1000 / 100)
}

pub(super) fn stream_line(stream: &StreamReport) -> String {
    let complete = match stream.complete {
        true if stream.signed == stream.statements => "complete",
        true => "no gap",
        false if stream.pruned => "pruned, NOT CHECKED",
        false => "NOT COMPLETE",
    };
    let continues = match stream.continues {
        Some((before, size)) => format!(", continues stream {before} at {size}"),
        None => String::new(),
    };
    let losses = match stream.declared_losses {
        0 => String::new(),
        losses => format!(", {} by its gateway", output::count(losses, "declared loss", "declared losses")),
    };
    let gateway = match &stream.gateway_key_id {
        Some(id) => format!("{} (key {id})", plain(&stream.gateway)),
        None => stream.gateway.clone(),
    };
    format!(
        "  stream {:<5}{complete}: {}, {} signed, {}, {}{continues}{losses}",
        stream.stream,
        output::count(stream.statements, "statement", "statements"),
        stream.signed,
        stream.status,
        gateway,
    )
}
