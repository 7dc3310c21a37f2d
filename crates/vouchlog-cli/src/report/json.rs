//! The timeline for programs.

use serde_json::{Value, json};
use vouchlog_merkle::LeafIndex;
use vouchlog_session::{
    ActionAnswers, CriticalFinding, DeclaredGap, ErasedAt, Gap, GapScope, Line, ProofState, ReasonedAnswer,
    ShownFinding, Timeline, TimelineRecord,
};
use vouchlog_stream::LogPlace;

/// The timeline as JSON. Members are only ever added to this form; times are RFC 3339, indexes and numbers count as in the log.
///
/// ```text
/// { "format": "vouchlog/v1 timeline", "session",
///   "summary": {
///     "critical": [ { "finding": finding, "records": [ id ] } ],                  also among the findings below
///     "happened": [ sentence ],
///     "authorised", "executor", "credential", "data", "policy", "complete":
///       { "answer": "yes" | "no" | "indeterminate", "words", "reasons": [] },
///     "acts":    [ { "record", "authorised", "executor", "credential", "data", "policy" } ],      record by record
///     "proven":  { "witnessed", "signed", "waiting", "missing" },                 how many records
///     "log_findings": [ finding ],                                                of the log, as audits report
///     "findings": [ finding ], "notes": [] },                                     of the session as a whole
///   "gaps":  [ { "of": "session" | "stream", "stream", "first", "last", "words",
///                "declared": null | { "entry", "count", "cause" } } ],
///   "lines": [ { "at", "step", "words", "state", "record", "pointer", "depth", "index", "proof", "findings": [ code ] } ],
///   "records": [ { "id", "kind", "sequence", "parent", "orphan", "partial",
///                  "place": null | { "index", "stream", "sequence", "logged_at_ms" },
///                  "proof": { "state": "witnessed" | "signed" | "waiting" | "missing", "witnesses", "until" },
///                  "verdicts", "validity", "findings": [ finding ],
///                  "erased": null | { "at", "entry", "basis" },
///                  "record": { … } } ] }
/// finding: { "code", "name", "severity", "cause": "wrong" | "missing" | "unknown", "message", "remedy", "at": [ pointer ] }
/// ```
///
/// `words` are safe to show; the fields under `record` are as they came.
pub(crate) fn json(timeline: &Timeline) -> Value {
    let summary = &timeline.summary;
    let id = |place: usize| timeline.records.get(place).map(|record| record.id.as_str());
    let act = |act: &ActionAnswers| {
        json!({
            "record": id(act.record), "authorised": reply(&act.authorised), "executor": reply(&act.executor),
            "credential": reply(&act.credential), "data": reply(&act.data), "policy": reply(&act.policy),
        })
    };
    let critical = |critical: &CriticalFinding| {
        let records: Vec<_> = critical.records.iter().filter_map(|record| id(*record)).collect();
        json!({ "finding": finding(&critical.finding), "records": records })
    };
    let proven = summary.proven;
    json!({
        "format": "vouchlog/v1 timeline",
        "session": timeline.session,
        "summary": {
            "critical": summary.critical.iter().map(critical).collect::<Vec<_>>(),
            "happened": summary.happened,
            "authorised": reply(&summary.authorised),
            "executor": reply(&summary.executor),
            "credential": reply(&summary.credential),
            "data": reply(&summary.data),
            "policy": reply(&summary.policy),
            "complete": reply(&summary.complete),
            "acts": summary.actions.iter().map(act).collect::<Vec<_>>(),
            "proven": {
                "witnessed": proven.witnessed, "signed": proven.signed, "waiting": proven.waiting, "missing": proven.missing,
            },
            "log_findings": summary.log_findings.iter().map(finding).collect::<Vec<_>>(),
            "findings": summary.findings.iter().map(finding).collect::<Vec<_>>(),
            "notes": summary.notes,
        },
        "gaps": timeline.gaps.iter().map(gap).collect::<Vec<_>>(),
        "lines": timeline.lines.iter().map(|it| line(timeline, it)).collect::<Vec<_>>(),
        "records": timeline.records.iter().map(|it| record(it, it.parent.and_then(id))).collect::<Vec<_>>(),
    })
}

fn reply(reply: &ReasonedAnswer) -> Value {
    json!({ "answer": reply.answer.name(), "words": reply.words, "reasons": reply.reasons })
}

fn finding(noted: &ShownFinding) -> Value {
    json!({
        "code": noted.code, "name": noted.name, "severity": noted.severity.name(),
        "cause": noted.cause, "message": noted.message, "remedy": noted.remedy, "at": noted.at,
    })
}

fn gap(gap: &Gap) -> Value {
    let (of, stream) = match gap.of {
        GapScope::Session => ("session", None),
        GapScope::Stream(stream) => ("stream", Some(stream.get())),
    };
    let declared = gap.declared.as_ref().map(|DeclaredGap { entry, count, cause }| {
        json!({ "entry": entry.map(LeafIndex::get), "count": count, "cause": cause })
    });
    json!({ "of": of, "stream": stream, "first": gap.first, "last": gap.last, "declared": declared, "words": gap.words() })
}

fn line(timeline: &Timeline, line: &Line) -> Value {
    let record = timeline.record_of(line);
    json!({
        "at": line.at,
        "step": line.step.name(),
        "words": line.words,
        "state": line.state.name(),
        "record": record.map(|record| record.id.as_str()),
        "pointer": line.pointer,
        "depth": line.depth,
        "index": record.and_then(|record| record.place).map(|place| place.index.get()),
        "proof": record.map(|record| proof_name(&record.proof)),
        "findings": timeline.findings_of(line).map(|noted| noted.code).collect::<Vec<_>>(),
    })
}

/// The name of a proof state.
pub(super) fn proof_name(proof: &ProofState) -> &'static str {
    match proof {
        ProofState::Witnessed { .. } => "witnessed",
        ProofState::Signed => "signed",
        ProofState::Waiting => "waiting",
        ProofState::Missing => "missing",
    }
}

fn record(record: &TimelineRecord, parent: Option<&str>) -> Value {
    let place = record.place.map(|LogPlace { index, stream, sequence, logged_at }| {
        json!({
            "index": index.get(), "stream": stream.get(), "sequence": sequence.get(), "logged_at_ms": logged_at.millis(),
        })
    });
    let (witnesses, until) = match &record.proof {
        ProofState::Witnessed { by, until } => (by.as_slice(), *until),
        _ => (&[][..], None),
    };
    let erased = record.erased.as_ref().map(|ErasedAt { at, entry, basis }| {
        json!({ "at": at, "entry": entry.map(LeafIndex::get), "basis": basis })
    });
    json!({
        "id": record.id,
        "kind": record.kind.name(),
        "sequence": record.sequence,
        "parent": parent,
        "orphan": record.orphan,
        "partial": record.partial,
        "place": place,
        "proof": { "state": proof_name(&record.proof), "witnesses": witnesses, "until": until },
        "verdicts": record.verdicts,
        "validity": record.validity,
        "findings": record.findings.iter().map(finding).collect::<Vec<_>>(),
        "erased": erased,
        "record": record.record.to_object(),
    })
}
