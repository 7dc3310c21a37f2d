//! Reports about a log, of `vouchlog audit` and `vouchlog canary check`, read back as findings under their rules.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use vouchlog_auditor::canaries::MAX_CANARIES;
use vouchlog_auditor::limits::MAX_FINDINGS_PER_KIND;
use vouchlog_auditor::{FindingKind, Place};
use vouchlog_grading::{Finding, Severity, rule};
use vouchlog_note::{Checkpoint, ProofFile};
use vouchlog_vault::{Access, Order, Query, Row, Vault};

use super::{custody, read_file};
use crate::advice::Advice;

/// A report has its evidence in it, unless `audit` wrote that to files.
const MAX_REPORT_BYTES: usize = 256 << 20;
/// Rules that a check of canaries reports: a canary is missing, or the checkpoint that should cover it cannot be used.
const CANARY_RULES: [&str; 3] = ["R74", "R75", "R79"];

/// A report about a log.
#[derive(Debug)]
pub(super) struct Report {
    /// The file, for people.
    pub(super) file: String,
    pub(super) kind: ReportKind,
    /// The log that it is about.
    pub(super) origin: String,
    /// How many entries of it were audited.
    pub(super) size: Option<u64>,
    pub(super) findings: Vec<Finding>,
}

/// The command that wrote a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ReportKind {
    Audit,
    Canaries,
}

impl ReportKind {
    /// Its name, in JSON and for people.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Audit => "audit",
            Self::Canaries => "canary",
        }
    }
}

/// What tells the two kinds apart.
#[derive(Deserialize)]
struct Shape {
    clean: Option<bool>,
    holds: Option<bool>,
}

#[derive(Deserialize)]
struct AuditText {
    origin: String,
    clean: bool,
    findings: Vec<AuditFinding>,
    counts: BTreeMap<FindingKind, u64>,
    checkpoint: Option<CheckpointText>,
    streams: Vec<StreamText>,
}

#[derive(Deserialize)]
struct AuditFinding {
    kind: FindingKind,
    place: Place,
    words: String,
}

#[derive(Deserialize)]
struct CheckpointText {
    size: u64,
}

#[derive(Deserialize)]
struct StreamText {
    stream: u64,
    complete: bool,
}

#[derive(Deserialize)]
struct CanaryText {
    origin: String,
    holds: bool,
    findings: Vec<CanaryFinding>,
}

#[derive(Deserialize)]
struct CanaryFinding {
    rule: String,
    finding: String,
    digest: Option<String>,
}

/// Reads reports, which must all be about the log with the records of a vault. Where it is not known which log that is, they must be
/// about the same one.
pub(super) fn read_reports(files: &[PathBuf], log: Option<&str>) -> anyhow::Result<Vec<Report>> {
    let reports: Vec<Report> = files.iter().map(|file| read_report(file)).collect::<Result<_, _>>()?;
    let Some(first) = reports.first() else { return Ok(reports) };
    let expected = log.unwrap_or(&first.origin);
    if let Some(other) = reports.iter().find(|report| report.origin != expected) {
        let whose = if log.is_some() { "the records of the vault are in" } else { "another report is about" };
        return Err(Advice::error(
            format!("{} is about the log {}; {whose} {expected}", other.file, other.origin),
            "give reports about the log that has the vault's records",
        ));
    }
    Ok(reports)
}

fn read_report(path: &Path) -> anyhow::Result<Report> {
    let file = path.display().to_string();
    let bytes = read_file(path, MAX_REPORT_BYTES)?;
    parse(&file, &bytes).map_err(|problem| {
        Advice::error(
            format!("{file} is not a report about a log: {problem}"),
            "give what `vouchlog audit --json` or `vouchlog canary check --json` printed",
        )
    })
}

fn parse(file: &str, bytes: &[u8]) -> Result<Report, String> {
    let file = file.to_owned();
    match json::<Shape>(bytes)? {
        Shape { clean: Some(_), .. } => {
            let text: AuditText = json(bytes)?;
            let (findings, size) = (audit_findings(&text)?, text.checkpoint.map(|head| head.size));
            Ok(Report { file, kind: ReportKind::Audit, origin: text.origin, size, findings })
        }
        Shape { holds: Some(_), .. } => {
            let text: CanaryText = json(bytes)?;
            let findings = canary_findings(&text)?;
            Ok(Report { file, kind: ReportKind::Canaries, origin: text.origin, size: None, findings })
        }
        _ => Err("it has neither `clean` nor `holds`".to_owned()),
    }
}

fn json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    serde_json::from_slice(bytes).map_err(|error| error.to_string())
}

/// The findings of an audit, those that it only counted, and streams that an earlier audit found to be incomplete.
fn audit_findings(text: &AuditText) -> Result<Vec<Finding>, String> {
    if text.clean != text.counts.is_empty() {
        return Err("`clean` contradicts `counts`".to_owned());
    }
    let mut listed: BTreeMap<FindingKind, u64> = BTreeMap::new();
    for finding in &text.findings {
        *listed.entry(finding.kind).or_default() += 1;
    }
    for (kind, number) in &listed {
        let counted = text.counts.get(kind).copied().unwrap_or_default();
        if *number > counted.min(MAX_FINDINGS_PER_KIND as u64) {
            return Err(format!("it lists {number} findings of the kind {kind} and counts {counted}"));
        }
    }
    let mut findings: Vec<Finding> = text
        .findings
        .iter()
        .map(|finding| of_kind(finding.kind, finding.place.to_string(), &finding.words))
        .collect();
    for (kind, counted) in &text.counts {
        let more = counted.saturating_sub(listed.get(kind).copied().unwrap_or_default());
        if more > 0 {
            findings.push(of_kind(
                *kind,
                "the log".to_owned(),
                &format!("{more} more that the report only counts"),
            ));
        }
    }
    // The next audit does not repeat a finding, but a stream that is not complete stays so. Entries that could not be read make every
    // stream incomplete, and are a finding of their own.
    let is_unread = text.counts.keys().any(|kind| kind.rule() == "R74");
    let is_named = |stream: u64| text.findings.iter().any(|finding| finding.place.stream == Some(stream));
    for stream in text.streams.iter().filter(|stream| !stream.complete && !is_unread) {
        if !is_named(stream.stream) {
            let words = "an earlier audit found that the stream is not complete";
            findings.push(of_kind(FindingKind::StreamGap, format!("stream {}", stream.stream), words));
        }
    }
    Ok(findings)
}

/// What the auditor found, under the rule that it names and as severe as it rates it.
fn of_kind(kind: FindingKind, place: String, words: &str) -> Finding {
    use vouchlog_auditor::Severity as Rated;
    let severity = match kind.severity() {
        Rated::Warning => Severity::Warn,
        Rated::Serious => Severity::Error,
        Rated::Critical => Severity::Critical,
    };
    let rule = rule(kind.rule()).expect("a test has each kind's rule");
    Finding::reported(rule, severity, place, format!("{kind}: {words}"))
}

fn canary_findings(text: &CanaryText) -> Result<Vec<Finding>, String> {
    if text.holds != text.findings.is_empty() {
        return Err("`holds` contradicts `findings`".to_owned());
    }
    if text.findings.len() > MAX_CANARIES {
        return Err(format!("it has more than {MAX_CANARIES} findings"));
    }
    let finding = |found: &CanaryFinding| {
        let rule = rule(&found.rule).filter(|rule| CANARY_RULES.contains(&rule.code));
        let rule = rule.ok_or_else(|| format!("a check of canaries has no rule `{}`", found.rule))?;
        let place = found.digest.as_ref().map_or("the log".to_owned(), |digest| format!("canary {digest}"));
        Ok(Finding::reported(rule, rule.severity, place, found.finding.as_str()))
    };
    text.findings.iter().map(finding).collect()
}

/// The name of the log that has the records of a vault, by the proof of one of its newest or else its oldest records. `None` if none of
/// them was logged.
pub(super) async fn log_of(vault: &Vault, access: &Access, tenant: &str) -> anyhow::Result<Option<String>> {
    for order in [Order::NewestFirst, Order::OldestFirst] {
        let query = Query { tenant: Some(tenant.to_owned()), order, ..Query::default() };
        let rows = vault.find(access, &query).await.map_err(custody::advise_vault)?;
        let Some(Row { id, .. }) = rows.into_iter().find(|row| row.place.is_some()) else { continue };
        let proof = vault.proof(access, &id).await.map_err(custody::advise_vault)?.unwrap_or_default();
        let proof = ProofFile::parse(proof.as_bytes())?;
        let checkpoint = Checkpoint::parse(proof.note().unverified_text())?;
        return Ok(Some(checkpoint.origin().to_string()));
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn audit(edits: &[(&str, Value)]) -> Result<Report, String> {
        let mut report = json!({
            "origin": "log.example.com/x", "clean": true, "findings": [], "counts": {},
            "checkpoint": { "size": 9 }, "checked": { "before": 0 }, "streams": [{ "stream": 2, "complete": true }],
        });
        for (member, value) in edits {
            report[*member] = value.clone();
        }
        parse("r.json", report.to_string().as_bytes())
    }

    fn found(report: &Report) -> Vec<String> {
        report.findings.iter().map(ToString::to_string).collect()
    }

    /// The one place in which the auditor's codes meet the rules.
    #[test]
    fn each_kind_of_finding_has_a_rule_that_nothing_else_judges() {
        for kind in FindingKind::ALL {
            let finding = of_kind(*kind, "the log".to_owned(), "it is wrong");
            assert_eq!(finding.rule.code, kind.rule(), "{kind}");
            // A record's key and a record's times are judged beside it, too.
            let is_shared = ["R57", "R76"].contains(&kind.rule());
            assert!(finding.rule.is_checked_elsewhere() || is_shared, "{kind}");
            assert!(finding.severity <= finding.rule.severity, "{kind}");
        }
        for code in CANARY_RULES {
            assert!(rule(code).is_some_and(vouchlog_grading::Rule::is_checked_elsewhere), "{code}");
        }
    }

    #[test]
    fn a_report_becomes_findings_under_rules() {
        assert_eq!(found(&audit(&[]).unwrap()), [""; 0]);
        let gap = json!([{ "kind": "stream-gap", "place": { "entry": 7, "stream": 2 }, "words": "3 is missing",
            "severity": "critical", "evidence": { "large": true } }]);
        let stream = json!([{ "stream": 2, "complete": false }]);
        let report = audit(&[
            ("clean", json!(false)),
            ("findings", gap),
            ("counts", json!({ "stream-gap": 18, "silent-stream": 1 })),
            ("streams", stream.clone()),
        ]);
        assert_eq!(
            found(&report.unwrap()),
            [
                "R60 STREAM_GAP (critical): stream-gap: 3 is missing [entry 7, stream 2]",
                "R60 STREAM_GAP (critical): stream-gap: 17 more that the report only counts [the log]",
                "R63 HEARTBEAT_MISSED (warn): silent-stream: 1 more that the report only counts [the log]",
            ]
        );
        let earlier = audit(&[("streams", stream)]).unwrap();
        assert_eq!(earlier.findings[0].rule.code, "R60", "what earlier audits reported is not forgotten");
        let canary = json!({ "origin": "log.example.com/x", "holds": false, "surfaced": 1,
            "findings": [{ "rule": "R79", "digest": "ab", "index": 4, "finding": "it is a different one" }] });
        let report = parse("c.json", canary.to_string().as_bytes()).unwrap();
        assert_eq!(report.kind, ReportKind::Canaries);
        assert_eq!(found(&report), ["R79 CANARY_MISSING (critical): it is a different one [canary ab]"]);
    }

    #[test]
    fn what_is_no_report_or_contradicts_itself_is_refused() {
        let one = json!([{ "kind": "stream-gap", "place": {}, "words": "" }]);
        for edits in [
            vec![("clean", json!(false))],
            vec![("counts", json!({ "stream-gap": 1 }))],
            vec![("findings", one.clone())],
            vec![("clean", json!(false)), ("counts", json!({ "silent-stream": 1 })), ("findings", one)],
            vec![("counts", json!({ "no-such-kind": 1 }))],
            vec![("origin", Value::Null)],
            vec![("streams", Value::Null)],
        ] {
            assert!(audit(&edits).is_err(), "{edits:?}");
        }
        let canary = |holds: bool, rule: &str| {
            let findings = json!([{ "rule": rule, "finding": "" }]);
            parse("c", json!({ "origin": "o", "holds": holds, "findings": findings }).to_string().as_bytes())
        };
        assert!(canary(false, "R75").is_ok());
        assert!(
            canary(true, "R75").is_err() && canary(false, "R26").is_err() && canary(false, "R00").is_err()
        );
        for text in ["", "{}", "[]", "{\"clean\":true}", "{\"holds\":true}", "{\"clean\":true}{}"] {
            assert!(parse("x", text.as_bytes()).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn random_bytes_never_panic(bytes: Vec<u8>) {
            let _ = parse("x", &bytes);
        }
    }
}
