//! Comma-separated values (RFC 4180). A value that a spreadsheet would take for a formula begins with an apostrophe.

use jiff::Timestamp;
use vouchlog_grading::Grade;
use vouchlog_record::Facet;

use super::ExportedRecord;
use crate::decisions::FindingState;
use crate::disclosures::DisclosureRow;
use crate::findings::FindingRow;
use crate::listing::SessionRow;

/// Between several values of one column.
const BETWEEN: &str = "; ";

/// Columns of a record.
pub(super) const RECORD: &[&str] = &[
    "record",
    "kind",
    "tenant",
    "started_at",
    "kept_at",
    "log",
    "index",
    "logged_at",
    "session",
    "initiators",
    "agents",
    "workloads",
    "credentials",
    "tools",
    "models",
    "data_classes",
    "policy",
    "authorized_known",
    "executor_known",
    "credential_valid_at_moment",
    "complete",
    "findings",
    "erased_by",
    "hold",
    "keep_until",
];
/// Columns of a session.
pub(super) const SESSION: &[&str] = &[
    "session",
    "tenant",
    "records",
    "erased",
    "first",
    "last",
    "initiators",
    "agents",
    "workloads",
    "tools",
    "models",
    "data_classes",
    "policy",
    "answers",
    "findings",
    "open_findings",
];
/// Columns of a finding.
pub(super) const FINDING: &[&str] = &[
    "code",
    "name",
    "severity",
    "record",
    "tenant",
    "started_at",
    "log",
    "index",
    "session",
    "agent",
    "message",
    "remedy",
    "state",
    "decided_by",
    "decided_at",
    "reason",
    "until",
];
/// Columns of a disclosure.
pub(super) const DISCLOSURE: &[&str] =
    &["record", "tenant", "at", "log", "index", "by", "recipient", "scope", "basis", "records", "fields"];

/// A line with its end.
pub(super) fn line<'a>(values: impl IntoIterator<Item = &'a str>) -> String {
    let values: Vec<String> = values.into_iter().map(field).collect();
    format!("{}\r\n", values.join(","))
}

fn field(value: &str) -> String {
    let is_formula = value.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let value = if is_formula { format!("'{value}") } else { value.to_owned() };
    if value.contains(['"', ',', '\r', '\n']) { format!("\"{}\"", value.replace('"', "\"\"")) } else { value }
}

fn owned(values: &[String]) -> String {
    line(values.iter().map(String::as_str))
}

/// A time as RFC 3339 has it; as a number if it is beyond the calendar.
fn time(millis: i64) -> String {
    Timestamp::from_millisecond(millis).map_or_else(|_| millis.to_string(), |at| at.to_string())
}

fn number(value: Option<u64>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

fn text(value: Option<&str>) -> String {
    value.unwrap_or_default().to_owned()
}

pub(super) fn of_record(exported: &ExportedRecord) -> String {
    let ExportedRecord { opened, log } = exported;
    let row = &opened.row;
    let facets = opened.record().ok().flatten().map(|record| record.facets()).unwrap_or_default();
    let of = |facet: Facet| {
        let values = facets.iter().filter(|(of, _)| *of == facet).map(|(_, value)| value.as_str());
        values.collect::<Vec<_>>().join(BETWEEN)
    };
    let grade = opened.grade.as_ref();
    let answer = |name: &str| {
        let answers = grade.into_iter().flat_map(|grade| grade.verdicts.answers());
        let found = answers.into_iter().find(|(of, _)| *of == name);
        found.map(|(_, answer)| answer.to_string()).unwrap_or_default()
    };
    let codes = |grade: &Grade| {
        let mut codes: Vec<&str> = grade.findings.iter().map(|finding| finding.rule.code).collect();
        // A rule may find several things, one after the other.
        codes.dedup();
        codes.join(BETWEEN)
    };
    owned(&[
        row.id.to_string(),
        row.kind.clone(),
        row.tenant.clone(),
        time(row.started_at),
        time(row.kept_at),
        text(log.as_deref()),
        number(row.place.map(|place| place.index)),
        row.place.map(|place| time(i64::try_from(place.logged_at).unwrap_or(i64::MAX))).unwrap_or_default(),
        of(Facet::Session),
        of(Facet::Initiator),
        of(Facet::Agent),
        of(Facet::Workload),
        of(Facet::Credential),
        of(Facet::Tool),
        of(Facet::Model),
        of(Facet::DataClass),
        of(Facet::Verdict),
        answer("authorized_known"),
        answer("executor_known"),
        answer("credential_valid_at_moment"),
        answer("complete"),
        grade.map(codes).unwrap_or_default(),
        row.erased.as_ref().map(|erased| erased.record.to_string()).unwrap_or_default(),
        text(row.hold.as_deref()),
        row.keep_until.map(time).unwrap_or_default(),
    ])
}

pub(super) fn of_session(row: &SessionRow) -> String {
    let answers: Vec<String> =
        row.answers.iter().map(|one| format!("{}={}", one.question, one.answers.join("/"))).collect();
    let codes: Vec<&str> = row.findings.iter().map(|finding| finding.code.as_str()).collect();
    owned(&[
        text(row.session.as_deref()),
        row.tenant.clone(),
        row.records.to_string(),
        row.erased.to_string(),
        time(row.first),
        time(row.last),
        row.initiators.join(BETWEEN),
        row.agents.join(BETWEEN),
        row.workloads.join(BETWEEN),
        row.tools.join(BETWEEN),
        row.models.join(BETWEEN),
        row.data_classes.join(BETWEEN),
        row.policy.join(BETWEEN),
        answers.join(BETWEEN),
        codes.join(BETWEEN),
        row.findings.iter().map(|finding| finding.open).sum::<u64>().to_string(),
    ])
}

pub(super) fn of_finding(row: &FindingRow, log: Option<&str>) -> String {
    let decision = row.decision.as_ref();
    let state = match row.state {
        FindingState::Open => "open",
        FindingState::Explained => "explained",
        FindingState::Accepted => "accepted",
    };
    owned(&[
        row.code.clone(),
        row.name.clone(),
        row.severity.clone(),
        row.record.to_string(),
        row.tenant.clone(),
        time(row.started_at),
        text(log),
        number(row.entry),
        text(row.session.as_deref()),
        text(row.agent.as_deref()),
        row.found.as_ref().map(|found| found.message.clone()).unwrap_or_default(),
        row.found.as_ref().map(|found| found.remedy.clone()).unwrap_or_default(),
        state.to_owned(),
        decision.map(|made| made.by.clone()).unwrap_or_default(),
        decision.map(|made| time(made.at)).unwrap_or_default(),
        decision.map(|made| made.reason.clone()).unwrap_or_default(),
        decision.and_then(|made| made.until).map(time).unwrap_or_default(),
    ])
}

pub(super) fn of_disclosure(row: &DisclosureRow, log: Option<&str>) -> String {
    let records: Vec<&str> = row.records.iter().map(vouchlog_record::RecordId::as_str).collect();
    owned(&[
        row.record.to_string(),
        row.tenant.clone(),
        time(row.at),
        text(log),
        number(row.entry),
        text(row.by.as_deref()),
        text(row.recipient.as_deref()),
        text(row.scope.as_deref()),
        text(row.basis.as_deref()),
        records.join(BETWEEN),
        row.fields.join(BETWEEN),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_back_as_it_was_and_is_no_formula() {
        for (values, expected) in [
            (&["a", "b"][..], "a,b\r\n"),
            (&["", "x"], ",x\r\n"),
            (&["a,b", "c\"d"], "\"a,b\",\"c\"\"d\"\r\n"),
            (&["two\nlines"], "\"two\nlines\"\r\n"),
            (&["=1+1", "-x", "@y", "+z"], "'=1+1,'-x,'@y,'+z\r\n"),
            (&["=HYPERLINK(\"x\",\"y\")"], "\"'=HYPERLINK(\"\"x\"\",\"\"y\"\")\"\r\n"),
        ] {
            assert_eq!(line(values.iter().copied()), expected);
        }
    }
}
