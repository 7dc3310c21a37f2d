//! An audit of a log as a working paper: the conclusion, the findings with their evidence and the next step, what was checked and what
//! was not, and what gateways claim of their records.

use maud::{Markup, html};
use vouchlog_auditor::{AuditReport, FindingKind, Severity};
use vouchlog_pages::{
    CheckedItem, Page, Tone, Width, coverage, digest, grouped, icon, moment, status, thousands,
};
use vouchlog_session::plain;

use super::made::{MAX_NAMED, Provenance, listed};

mod findings;
mod quality;
mod streams;

/// An audit, with what its page states beside the report.
#[derive(Clone, Debug)]
pub(crate) struct AuditMade<'a> {
    pub(crate) made: Provenance<'a>,
    pub(crate) report: &'a AuditReport,
    /// What witnesses of the policy answered.
    pub(crate) witnesses: Vec<WitnessSeen>,
    /// The evidence file of each finding; empty if none were written.
    pub(crate) evidence: Vec<EvidenceName>,
}

/// What a witness answered.
#[derive(Clone, Debug)]
pub(crate) struct WitnessSeen {
    pub(crate) name: String,
    /// Size of the log's checkpoint that it has, or why there is none that counts.
    pub(crate) size: Result<u64, String>,
}

/// An evidence file.
#[derive(Clone, Debug)]
pub(crate) struct EvidenceName {
    pub(crate) path: String,
    /// SHA-256, in hexadecimal.
    pub(crate) digest: String,
}

/// The page.
pub(crate) fn audit(made: &AuditMade<'_>) -> String {
    let title = format!("Audit of {}", made.report.origin);
    let main = html! {
        (head(made))
        (conclusion(made.report))
        (findings::section(made))
        (covered(made))
        (quality::section(&made.report.streams))
        (streams::streams(&made.report.streams))
        (streams::quotas(&made.report.quotas))
        (streams::keys(made.report))
        (streams::succession(made.report))
        (check(made))
        (made.made.foot(&title))
    };
    Page { title: &title, kind: "audit", width: Width::Paper, main }.to_html()
}

fn head(made: &AuditMade<'_>) -> Markup {
    let report = made.report;
    let checked = &report.checked;
    html! {
        header.paper-head {
            div.kick { span { "Audit working paper" } }
            h1 { "Audit of " (plain(&report.origin)) }
            dl.kv.sec-t {
                dt { "Scope" }
                dd {
                    @match &report.checkpoint {
                        None => "no checkpoint that the log signed: nothing else could be audited",
                        Some(head) if head.size == 0 => "the whole log: it has no entry yet",
                        Some(head) if is_read_but_for_pruned(report) => {
                            (grouped(checked.before + checked.entries, "entry", "entries")) " of " (thousands(head.size)) ": "
                            (grouped(checked.unchecked, "entry", "entries")) " that the log pruned were not checked"
                        },
                        Some(head) if checked.before + checked.entries < head.size => {
                            (grouped(checked.before + checked.entries, "entry", "entries")) " of " (thousands(head.size)) ": the audit ended before the last one"
                        },
                        Some(head) => {
                            "the whole log, entries 0 to " (thousands(head.size - 1))
                            @if checked.before > 0 { "; " (thousands(checked.entries)) " are new since the last audit" }
                        },
                    }
                }
                (made.made.facts())
                dt { "Took" }
                dd { (seconds(checked.milliseconds)) " for " (grouped(checked.entries, "entry", "entries")) ", " (grouped(checked.bytes, "byte", "bytes")) " of entries" }
            }
        }
    }
}

fn seconds(milliseconds: u64) -> String {
    format!("{}.{} s", milliseconds / 1000, milliseconds % 1000 / 100)
}

/// What a finding is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Area {
    Checkpoint,
    Witnesses,
    Views,
    Tree,
    Control,
    Streams,
}

fn area(kind: FindingKind) -> Area {
    use FindingKind as K;
    match (kind.rule(), kind) {
        (_, K::MissingCheckpoint | K::MalformedCheckpoint | K::BadLogSignature | K::ImpossibleSize) => {
            Area::Checkpoint
        }
        (_, K::SplitView | K::InconsistentHeads | K::ShrunkenLog) => Area::Views,
        (_, K::BadGenesis | K::UndecodableEntry) | ("R76", _) => Area::Control,
        ("R75", _) => Area::Witnesses,
        ("R74", _) => Area::Tree,
        _ => Area::Streams,
    }
}

/// The worst finding in an area; also those that are only counted.
fn worst_in(report: &AuditReport, wanted: Area) -> Option<Severity> {
    report.counts.keys().filter(|kind| area(**kind) == wanted).map(|kind| kind.severity()).max()
}

/// How an area looks that was checked.
fn tone_of(report: &AuditReport, wanted: Area) -> Tone {
    match worst_in(report, wanted) {
        None => Tone::Good,
        Some(Severity::Warning) => Tone::Warning,
        Some(_) => Tone::Bad,
    }
}

/// Whether every entry under the checkpoint was verified.
fn is_whole(report: &AuditReport) -> bool {
    let checked = &report.checked;
    report.checkpoint.as_ref().is_some_and(|head| checked.before + checked.entries == head.size)
}

/// Whether every entry was verified that the log did not give up.
fn is_read_but_for_pruned(report: &AuditReport) -> bool {
    let checked = &report.checked;
    let read = checked.before + checked.entries + checked.unchecked;
    checked.unchecked > 0 && report.checkpoint.as_ref().is_some_and(|head| read == head.size)
}

fn conclusion(report: &AuditReport) -> Markup {
    let log = [Area::Checkpoint, Area::Views, Area::Tree, Area::Control];
    let worst = log.into_iter().filter_map(|area| worst_in(report, area)).max();
    let is_sound = worst < Some(Severity::Serious) && is_whole(report);
    let incomplete = report.streams.iter().filter(|stream| !stream.complete && !stream.pruned).count() as u64;
    let is_reread = report.checked.before > 0;
    html! {
        section aria-labelledby="h-c" {
            h2.sec-h #h-c { "Conclusion" }
            div.grid.g3.concl {
                div {
                    @if is_sound {
                        p { (status(Tone::Good, "The log is sound")) }
                        p.s.soft {
                            "Every entry is in the tree that the log signed. "
                            @if is_reread { "Nothing was changed or removed since the last audit." }
                            @else { "This is the first audit: it cannot show that nothing was changed before." }
                        }
                    } @else if worst >= Some(Severity::Serious) {
                        p { (status(Tone::Bad, "The log is not sound")) }
                        p.s.soft { "The log does not serve one history that it signed, or what is in it breaks its rules. See the findings." }
                    } @else {
                        p { (status(Tone::Unknown, "Not determined")) }
                        p.s.soft {
                            "Not every entry could be verified."
                            @if let Some(pruning) = &report.pruning { " The log has announced that it prunes: " (plain(&report.pruned_words(pruning))) "." }
                        }
                    }
                }
                div {
                    @if !report.checked.rules {
                        p { (status(Tone::None, "Streams not checked")) }
                        p.s.soft { "The entries are opaque bytes, not Vouchlog entries, or could not be read." }
                    } @else if incomplete > 0 {
                        p { (status(Tone::Bad, &grouped(incomplete, "stream is incomplete", "streams are incomplete"))) }
                        p.s.soft { "What a gateway signed or numbered is not what the log has." }
                    } @else if !is_whole(report) {
                        p { (status(Tone::Unknown, "Not determined")) }
                        p.s.soft { "The streams were read as far as the log could be." }
                    } @else {
                        p { (status(Tone::Good, "No stream has a gap")) }
                        p.s.soft { (grouped(report.streams.len() as u64, "stream", "streams")) " with " (grouped(report.checked.statements, "statement", "statements")) "." }
                    }
                }
                div { (witnessed(report)) }
            }
            p.note.sec-t {
                (icon(Tone::Info.icon()))
                span {
                    "This paper judges the log. What records say about themselves is under “Evidence quality”: it is the gateways' claim. "
                    @if is_reread { "Findings of earlier audits are not repeated here." }
                }
            }
        }
    }
}

/// The part of the conclusion about witnesses.
fn witnessed(report: &AuditReport) -> Markup {
    let Some(checkpoint) = &report.checkpoint else {
        return html! { p { (status(Tone::None, "No checkpoint")) } p.s.soft { "Witnesses have nothing to confirm." } };
    };
    html! {
        @if checkpoint.cosigned_by.is_empty() && checkpoint.quorum {
            p { (status(Tone::None, "No witness counts")) }
            p.s.soft { "Without a policy that asks for witnesses, a log that shows different histories to different readers is not noticed." }
        } @else if !checkpoint.quorum || worst_in(report, Area::Witnesses) >= Some(Severity::Serious) {
            p { (status(Tone::Bad, "Witnesses do not confirm it")) }
            p.s.soft { "The policy is not satisfied, or a cosignature does not verify." }
        } @else {
            p { (status(tone_of(report, Area::Witnesses), "Witnesses confirm it")) }
            p.s.soft { "Cosigned by " (listed(&checkpoint.cosigned_by)) "." }
        }
    }
}

/// What was checked, and what was not.
fn covered(made: &AuditMade<'_>) -> Markup {
    let report = made.report;
    let mut items = Vec::new();
    let mut add = |tone: Tone, what: &'static str, result: String| {
        items.push(CheckedItem { tone, what, result });
    };
    let tone = |area| tone_of(report, area);
    match &report.checkpoint {
        None => add(Tone::Bad, "Checkpoint", "The log shows none that it signed.".to_owned()),
        Some(head) => {
            let size = grouped(head.size, "entry", "entries");
            add(tone(Area::Checkpoint), "Checkpoint", format!("Form and signature of the log, over {size}"));
            if made.made.policy.is_some() {
                let by = if head.cosigned_by.is_empty() {
                    "no witness of the policy".to_owned()
                } else {
                    listed(&head.cosigned_by)
                };
                let quorum = if head.quorum { "satisfied" } else { "NOT satisfied" };
                let tone = if head.quorum { tone(Area::Witnesses) } else { Tone::Bad };
                add(tone, "Witness quorum", format!("Cosigned by {by}; the policy is {quorum}"));
            }
            let compared = grouped(head.compared, "checkpoint", "checkpoints");
            if head.compared > 0 || worst_in(report, Area::Views).is_some() {
                add(tone(Area::Views), "Other views", format!("{compared} of other parties compared"));
            } else {
                let why =
                    "No checkpoint of a witness, a mirror or an earlier audit was there to compare with.";
                add(Tone::None, "Other views", why.to_owned());
            }
        }
    }
    if made.made.policy.is_none() {
        add(Tone::None, "Witness quorum", "No policy was given (--policy).".to_owned());
    }
    let totals = &report.checked;
    let read = format!(
        "{} and {} hashed, up to the signed root",
        grouped(totals.entries, "entry", "entries"),
        grouped(totals.tiles, "tile", "tiles")
    );
    if report.checkpoint.is_some() {
        let whole =
            if is_whole(report) || is_read_but_for_pruned(report) { tone(Area::Tree) } else { Tone::Bad };
        add(whole, "Tree", read);
    }
    if totals.unchecked > 0 {
        let pruned = grouped(totals.unchecked, "entry", "entries");
        add(
            Tone::None,
            "Pruned entries",
            format!("{pruned} that the log gave up: only their hashes were checked."),
        );
    }
    if totals.before > 0 {
        let before = grouped(totals.before, "entry", "entries");
        let result =
            format!("The {before} that earlier audits verified are contained, and were not read again");
        add(tone(Area::Views), "Last audit", result);
    } else {
        add(Tone::None, "Earlier history", "No state of an earlier audit was given (--state).".to_owned());
    }
    if totals.rules {
        let result = format!(
            "Genesis, enrolments, revocations, quotas; {} in force",
            grouped(report.quotas.len() as u64, "quota", "quotas")
        );
        add(tone(Area::Control), "Control entries", result);
        let result = format!(
            "{}: numbering, signed heads, order of times, signs of life",
            grouped(report.streams.len() as u64, "stream", "streams")
        );
        add(tone(Area::Streams), "Streams", result);
    } else {
        add(Tone::None, "Entries", "Opaque bytes: only their hashes were checked.".to_owned());
    }
    for seen in made.witnesses.iter().take(MAX_NAMED) {
        match &seen.size {
            Ok(size) => {
                let size = grouped(*size, "entry", "entries");
                add(Tone::Info, "Witness asked", format!("{} has a checkpoint of {size}", plain(&seen.name)));
            }
            Err(why) => add(Tone::None, "Witness", format!("{}: {}", plain(&seen.name), plain(why))),
        }
    }
    for (what, why) in [
        (
            "Records",
            "Their content is with the gateways' owners. `vouchlog sample` draws entries to ask for.",
        ),
        ("Traffic that bypassed the gateways", "Compare with the providers' usage and the tools' own logs."),
        ("Truth of what was recorded", "A gateway signs what it records; a lie would be signed too."),
    ] {
        add(Tone::None, what, why.to_owned());
    }
    coverage(&items)
}

fn check(made: &AuditMade<'_>) -> Markup {
    html! {
        section aria-labelledby="h-v" {
            h2.sec-h #h-v { "Check this paper" }
            div.panel.pad.stack {
                p {
                    "This page proves nothing by itself. Each evidence file verifies offline, with the log's public key: "
                    code { "vouchlog verify EVIDENCE-FILE --log-vkey VKEY" }
                    ". A signature beside the page shows who made it: "
                    code { "vouchlog verify-report FILE --vkey VKEY" } "."
                }
                @if let Some(checkpoint) = &made.report.checkpoint {
                    dl.kv.tight {
                        dt { "Root" }
                        dd { (digest(&checkpoint.root)) }
                        @if let Some(at) = checkpoint.newest_cosignature.and_then(posix) {
                            dt { "Cosigned" }
                            dd { "last at " (moment(at)) }
                        }
                    }
                    pre tabindex="0" { (plain_lines(&checkpoint.note)) }
                }
                dl.kv.tight.sign {
                    dt { "Prepared by" }
                    dd.line-to-fill {}
                    dt { "Reviewed by" }
                    dd.line-to-fill {}
                }
            }
        }
    }
}

fn posix(seconds: u64) -> Option<jiff::Timestamp> {
    jiff::Timestamp::from_second(i64::try_from(seconds).ok()?).ok()
}

/// Text of several lines, each safe to show.
fn plain_lines(text: &str) -> String {
    text.lines().map(plain).collect::<Vec<_>>().join("\n")
}
