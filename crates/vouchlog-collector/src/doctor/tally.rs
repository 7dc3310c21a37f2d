//! Counting what the records of one service lack.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use vouchlog_grading::{Answer, Cause, Context, Finding, Grade, Severity};
use vouchlog_record::Record;

use super::advice::{self, Gateway, Open, Suggestion};
use super::facts::{RowFacts, counted, time};
use super::ladder::{Ladder, LadderTally};
use super::missing::Missing;

/// Most different names of one list: an emitter that puts ids into names must not fill the memory.
const MAX_NAMES: usize = 200;

/// Counts for a service whose records come from one kind of gateway.
pub(super) struct Tally {
    service: String,
    gateway: &'static Gateway,
    records: u64,
    with_content: u64,
    attributable: u64,
    complete: u64,
    credential_valid: u64,
    ladder: LadderTally,
    findings: BTreeMap<&'static str, Missing>,
    sources: Counts,
    emitters: Counts,
    arrived: i64,
    sampled: u64,
    dropped_attributes: u64,
    not_understood: u64,
    unknown_members: Counts,
    refused: u64,
    conflicts: u64,
    late: u64,
    cut_short: u64,
}

/// How often each name was met.
#[derive(Debug, Default, Serialize)]
#[serde(transparent)]
pub struct Counts(pub BTreeMap<String, u64>);

impl Counts {
    fn add(&mut self, name: &str) {
        if self.0.len() < MAX_NAMES || self.0.contains_key(name) {
            *self.0.entry(name.to_owned()).or_default() += 1;
        }
    }

    /// The names, the most frequent first.
    pub fn by_frequency(&self) -> Vec<(&str, u64)> {
        let mut all: Vec<_> = self.0.iter().map(|(name, count)| (name.as_str(), *count)).collect();
        all.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
        all
    }
}

/// What the evidence of one service holds and lacks.
#[derive(Debug, Serialize)]
pub struct ServiceReport {
    /// The name it gives itself.
    pub service: String,
    /// Which kind of gateway, by the name of its advice.
    pub gateway: &'static str,
    /// The same for people.
    pub name: &'static str,
    /// The page on it, in docs/gateways.
    pub page: &'static str,
    /// Records of interactions that were read.
    pub records: u64,
    /// Records that commit to a transcript.
    pub with_content: u64,
    /// Records whose grade says who acted.
    pub attributable: u64,
    /// Records that have all their profile asks for.
    pub complete: u64,
    /// Records whose credential was valid when it was used.
    pub credential_valid: u64,
    /// Where it stands, and the one next step.
    pub ladder: Ladder,
    /// The most frequent first.
    pub missing: Vec<Missing>,
    /// What to add, the most helpful first.
    pub add: Vec<Suggestion>,
    /// What no line of the gateway mends, and who can.
    pub beyond: Vec<Open>,
    /// What the records were made from: dialect, scope and version.
    pub sources: Counts,
    /// The principals that sent them, as the collector recognised them.
    pub emitters: Counts,
    /// When the vault took the last of them.
    pub arrived: Timestamp,
    /// Records whose source leaves interactions out.
    pub sampled: u64,
    /// Attributes that sources dropped, all records together.
    pub dropped_attributes: u64,
    /// Records with attributes in no mapping table. Which those are may be content, and is not read.
    pub not_understood: u64,
    /// Members that the model of a record does not know, of records that came as such.
    pub unknown_members: Counts,
    /// Records with values that did not fit their field.
    pub refused: u64,
    /// Records of calls whose accounts contradict each other.
    pub conflicts: u64,
    /// Records that amend an earlier one: their parts came late.
    pub late: u64,
    /// Records that were closed before all their parts were there.
    pub cut_short: u64,
}

impl Tally {
    pub(super) fn new(service: &str, gateway: &'static Gateway) -> Self {
        Self {
            service: service.to_owned(),
            gateway,
            records: 0,
            with_content: 0,
            attributable: 0,
            complete: 0,
            credential_valid: 0,
            ladder: LadderTally::default(),
            findings: BTreeMap::new(),
            sources: Counts::default(),
            emitters: Counts::default(),
            arrived: i64::MIN,
            sampled: 0,
            dropped_attributes: 0,
            not_understood: 0,
            unknown_members: Counts::default(),
            refused: 0,
            conflicts: 0,
            late: 0,
            cut_short: 0,
        }
    }

    pub(super) fn take(&mut self, row: &RowFacts, record: &Record, grade: &Grade) {
        let claims = row.evidence.names();
        let claims = |name: &str| claims.contains(&name);
        let (verdicts, yes) = (&grade.verdicts, |answer: Answer| u64::from(answer == Answer::Yes));
        self.records += 1;
        self.arrived = self.arrived.max(row.kept_at);
        // Content is not read here; that it was there when the record was made is public.
        self.with_content += u64::from(claims("input committed") || claims("output committed"));
        self.attributable += yes(verdicts.attributable);
        self.credential_valid += yes(verdicts.credential_valid_at_moment);
        self.complete += u64::from(claims("complete") && verdicts.complete != Answer::No);
        self.ladder.take(record, grade);
        self.findings(grade);
        self.custody(row, record);
        self.left_over(record);
    }

    /// Each rule once a record, however often it fired.
    fn findings(&mut self, grade: &Grade) {
        let mut worst: BTreeMap<&'static str, &Finding> = BTreeMap::new();
        for finding in grade.findings.iter().filter(|finding| finding.severity > Severity::Info) {
            let known = worst.entry(finding.rule.code).or_insert(finding);
            if finding.severity > known.severity {
                *known = finding;
            }
        }
        for (code, finding) in worst {
            let missing = self.findings.entry(code).or_insert_with(|| Missing::of(finding));
            if finding.severity > missing.severity {
                let Missing { records, critical, wrong, .. } = *missing;
                *missing = Missing { records, critical, wrong, ..Missing::of(finding) };
            }
            missing.records += 1;
            missing.critical += u64::from(finding.severity == Severity::Critical);
            missing.wrong += u64::from(finding.cause == Cause::Wrong);
        }
    }

    fn custody(&mut self, row: &RowFacts, record: &Record) {
        let custody = record.body.custody.value();
        let amends = record.body.correlation.value().and_then(|correlation| correlation.amends.value());
        self.late += u64::from(row.amends || amends.is_some());
        let Some(custody) = custody else { return };
        self.cut_short += u64::from(custody.completed_by.value().is_some());
        self.sampled += u64::from(custody.sampled.value() == Some(&true));
        let dropped = custody.dropped_attributes.value().copied().unwrap_or_default();
        self.dropped_attributes = self.dropped_attributes.saturating_add(dropped);
        if let Some(source) = custody.source.value() {
            self.sources.add(source);
        }
        custody.emitters.value().into_iter().flatten().for_each(|emitter| self.emitters.add(emitter));
    }

    /// What the collector could not place. It keeps that beside the record's own groups, as content: it may be anything.
    fn left_over(&mut self, record: &Record) {
        let Some(otel) = record.unknown().get("/otel") else {
            for pointer in record.unknown().keys() {
                self.unknown_members.add(&without_places(pointer));
            }
            return;
        };
        let parts = otel["parts"].as_array().map(Vec::as_slice).unwrap_or_default();
        let not_understood = parts.iter().chain([otel]).any(|part| is_there(&part["attributes"]));
        self.not_understood += u64::from(not_understood);
        self.conflicts += u64::from(is_there(&otel["conflicts"]));
        self.refused += u64::from(is_there(&otel["refused"]));
    }

    pub(super) fn conclude(self, context: &Context) -> ServiceReport {
        let mut missing: Vec<Missing> = self.findings.into_values().collect();
        missing.sort_by_key(|missing| {
            (std::cmp::Reverse((missing.records, missing.severity)), missing.rule.code)
        });
        let (add, beyond) = advice::answer(self.gateway, &missing, self.records - self.with_content);
        let (add, changes): (Vec<Suggestion>, Vec<_>) = add.into_iter().unzip();
        let ladder = self.ladder.conclude((self.records, self.complete), context, (&changes, &beyond));
        ServiceReport {
            service: self.service,
            gateway: &self.gateway.gateway,
            name: &self.gateway.name,
            page: &self.gateway.page,
            records: self.records,
            with_content: self.with_content,
            attributable: self.attributable,
            complete: self.complete,
            credential_valid: self.credential_valid,
            ladder,
            missing,
            add,
            beyond,
            sources: self.sources,
            emitters: self.emitters,
            arrived: time(self.arrived),
            sampled: self.sampled,
            dropped_attributes: self.dropped_attributes,
            not_understood: self.not_understood,
            unknown_members: self.unknown_members,
            refused: self.refused,
            conflicts: self.conflicts,
            late: self.late,
            cut_short: self.cut_short,
        }
    }
}

impl ServiceReport {
    /// What is critical here, in words.
    pub(super) fn critical(&self) -> Vec<String> {
        let rules = self.missing.iter().filter(|missing| missing.critical > 0);
        let mut critical: Vec<String> = rules
            .map(|Missing { rule, critical, .. }| {
                let records = counted(*critical, "record");
                format!("{}: {}, in {records} ({})", self.service, rule.says, rule.code)
            })
            .collect();
        if self.conflicts > 0 {
            let records = counted(self.conflicts, "record");
            critical
                .push(format!("{}: accounts of one call contradict each other, in {records}", self.service));
        }
        critical
    }
}

/// Whether something is there, be it withheld.
fn is_there(value: &Value) -> bool {
    match value {
        Value::Array(list) => !list.is_empty(),
        Value::Object(members) => !members.is_empty(),
        _ => false,
    }
}

/// `/tools/3/colour` is `/tools/N/colour`.
fn without_places(pointer: &str) -> String {
    let is_place = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    pointer.split('/').map(|part| if is_place(part) { "N" } else { part }).collect::<Vec<_>>().join("/")
}
