//! The findings of an audit, the worst first: what each means, what shows it, and what to do next.

use std::cmp::Reverse;

use maud::{Markup, html};
use vouchlog_auditor::{Finding, FindingKind, Proves, Severity};
use vouchlog_grading::rule;
use vouchlog_pages::{Tone, digest, grouped, status};
use vouchlog_session::plain;

use super::AuditMade;

pub(super) fn section(made: &AuditMade<'_>) -> Markup {
    let report = made.report;
    let total: u64 = report.counts.values().sum();
    let mut order: Vec<(usize, &Finding)> = report.findings.iter().enumerate().collect();
    order.sort_by_key(|(_, finding)| Reverse(finding.severity));
    let (causes, following): (Vec<_>, Vec<_>) =
        order.into_iter().partition(|(_, finding)| finding.follows_from.is_none());
    let unlisted = total.saturating_sub(report.findings.len() as u64);
    html! {
        section #findings aria-labelledby="h-f" {
            div.sec-h {
                h2 #h-f { "Findings" }
                p { (counts(made)) }
            }
            @if total == 0 {
                p.soft { "None" @if report.checked.before > 0 { " since the last audit" } "." }
            }
            @if !causes.is_empty() {
                div.panel { @for (place, finding) in &causes { (item(*place, finding, made)) } }
            }
            @if !following.is_empty() {
                details.panel.rec.sec-t {
                    summary { h3 { (grouped(following.len() as u64, "finding that follows", "findings that follow")) " from these" } }
                    @for (place, finding) in &following { (item(*place, finding, made)) }
                }
            }
            @if unlisted > 0 {
                p.s.soft.sec-t { (grouped(unlisted, "more finding", "more findings")) " of the same kinds were counted and are not listed." }
            }
        }
    }
}

/// `1 critical, 2 warnings`.
fn counts(made: &AuditMade<'_>) -> String {
    let counts = &made.report.counts;
    let with = |severity| {
        counts.iter().filter(|(kind, _)| kind.severity() == severity).map(|(_, count)| count).sum::<u64>()
    };
    let words = [
        (with(Severity::Critical), ["critical", "critical"]),
        (with(Severity::Serious), ["serious", "serious"]),
        (with(Severity::Warning), ["warning", "warnings"]),
    ];
    let words: Vec<String> = words
        .into_iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, [one, many])| grouped(number, one, many))
        .collect();
    words.join(", ")
}

fn item(place: usize, finding: &Finding, made: &AuditMade<'_>) -> Markup {
    let (tone, word) = match finding.severity {
        Severity::Critical => (Tone::Bad, "Critical"),
        Severity::Serious => (Tone::Bad, "Serious"),
        Severity::Warning => (Tone::Warning, "Warning"),
    };
    html! {
        article.f-item id={ "f" (place + 1) } {
            h3 {
                span.num { (place + 1) "." }
                (status(tone, word))
                span { (finding.kind.meaning()) }
                span.code { (finding.kind.code()) " " (finding.rule) }
            }
            dl.kv {
                dt { "Where" }
                dd {
                    (plain(&finding.place.to_string()))
                    @if let Some(stream) = finding.place.stream.filter(|stream| made.report.streams.iter().any(|one| one.stream == *stream)) {
                        ": " a href={ "#s" (stream) } { "the stream" }
                    }
                }
                dt { "Found" }
                dd {
                    (plain(&finding.words))
                    @if let Some(cause) = finding.follows_from { " Follows from " a href={ "#f" (cause + 1) } { "finding " (cause + 1) } "." }
                    @if finding.consequences > 0 {
                        " Explains " (grouped(finding.consequences, "further irregularity", "further irregularities")) "."
                    }
                }
                dt { "Evidence" }
                dd { (evidence(place, finding, made)) }
                dt { "Next step" }
                dd { (next_step(finding.kind)) }
            }
        }
    }
}

fn evidence(place: usize, finding: &Finding, made: &AuditMade<'_>) -> Markup {
    html! {
        @match finding.proves {
            Proves::Misconduct => { (status(Tone::Bad, "Proven")) " to anyone with the log's keys" },
            Proves::Observation => { (status(Tone::Info, "Observed")) "; rests on the auditor's word" },
        }
        br;
        @match made.evidence.get(place) {
            Some(file) => { code { (plain(&file.path)) } " · SHA-256 " (digest(&file.digest)) },
            None => span.soft { "no file was kept (--evidence DIR)" },
        }
    }
}

/// What an auditor does next. A kind that is not here has the remedy of its rule.
fn next_step(kind: FindingKind) -> &'static str {
    use FindingKind as K;
    match kind {
        K::MissingCheckpoint | K::MalformedCheckpoint => {
            "Check the address and the vkey. If both are right, ask the log's operator, and compare with a mirror."
        }
        K::BadLogSignature => {
            "Check that the vkey is the log's own and came from another source than the log. If it is, stop relying on what this server serves."
        }
        K::ForgedCosignature | K::MissingQuorum => {
            "Ask the witnesses of the policy what they have seen of the log. Until a quorum confirms it, treat new entries as signed by the log only."
        }
        K::SplitView | K::InconsistentHeads | K::ShrunkenLog => {
            "Keep both checkpoints, compare them with the witnesses and other readers, and stop relying on the log until its operator has explained it."
        }
        K::StaleCheckpoint => {
            "Compare again at the next audit. If it stays behind, ask which witness or server is stuck."
        }
        K::MissingTile | K::TruncatedTile | K::MissingBundle | K::TruncatedBundle => {
            "Ask the log's operator to restore the part, or read it from a mirror, and audit again. What is missing was not checked."
        }
        K::StreamGap | K::HeadWithoutEntries => {
            "Ask the gateway's operator for the missing records and for the gateway's spool. Until then, treat the stream as incomplete."
        }
        K::SilentStream => {
            "Ask whether the gateway was stopped, idle or cut off. If it was retired, have its stream closed."
        }
        K::RevokedKeyUsed | K::UnknownGateway | K::SecondKeyForAName | K::BadEnrolment => {
            "Ask the log's operator who held the key and why it was accepted. Treat what the key signed since as unattributed."
        }
        other => {
            rule(other.rule()).map_or("Keep the evidence and ask the log's operator.", |rule| rule.remedy)
        }
    }
}
