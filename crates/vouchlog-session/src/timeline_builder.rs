//! From records to a timeline.

use std::collections::{BTreeMap, BTreeSet};

use vouchlog_record::{Field, RecordId, RegisteredAgent};
use vouchlog_stream::StatementKind;

use crate::completeness::RecordCounts;
use crate::events;
use crate::findings::{attach, shown_finding};
use crate::gaps::{Orphans, PlacedGap, SealCheck, gaps, missing_links};
use crate::input::{ErasedAt, SessionContext, SessionRecord};
use crate::numbers::count;
use crate::order::{OrderedRecord, order};
use crate::phrases::{joined, name, named, time};
use crate::plain::clipped;
use crate::step_list::StepLine;
use crate::steps::steps;
use crate::summary;
use crate::timeline::{Line, ShownFinding, State, Step, Timeline, TimelineRecord};

/// Most characters of a session's name that are shown.
const SESSION: usize = 200;

impl Timeline {
    /// Reconstructs a session from its records, in any order, and what else is known of it.
    ///
    /// The records come from gateways that may err or lie: circles, records given twice and absurd numbers make a worse picture, and
    /// words about it, never an error.
    pub fn of(session: &str, mut records: Vec<SessionRecord>, context: &SessionContext) -> Self {
        records.iter_mut().for_each(SessionRecord::withhold_content);
        let placed = order(&records);
        let seal = SealCheck::of(&records);
        let orphans = Orphans::of(&records);
        let gaps = gaps(&records, &seal, context);
        let mut drawing = TimelineBuilder::new(&records, &seal, &orphans, &gaps, context);
        for one in &placed {
            drawing.record(one);
        }
        drawing.end();
        let TimelineBuilder { lines, findings, positions, set_findings, .. } = drawing;
        let counted = RecordCounts::of(&records, &seal, &orphans, context);
        let mut records: Vec<Option<SessionRecord>> = records.into_iter().map(Some).collect();
        let recorded = placed.iter().zip(findings).filter_map(|(one, findings)| {
            let record = records.get_mut(one.record)?.take()?;
            let parent = one.parent.and_then(|parent| positions.get(&parent)).copied();
            let orphan = orphans.records.contains(&one.record);
            Some(TimelineRecord { parent, orphan, ..recorded(record, findings) })
        });
        let recorded: Vec<TimelineRecord> = recorded.collect();
        let gaps: Vec<_> = gaps.into_iter().map(|placed| placed.gap).collect();
        let summary = summary::summary(&recorded, &gaps, &counted, set_findings, context);
        Self { session: clipped(session, SESSION), summary, lines, gaps, records: recorded }
    }
}

fn recorded(record: SessionRecord, findings: Vec<ShownFinding>) -> TimelineRecord {
    TimelineRecord {
        kind: record.record.kind,
        sequence: record.sequence(),
        parent: None,
        orphan: false,
        place: record.place,
        verdicts: record.grade.as_ref().map(|grade| grade.verdicts),
        validity: record.grade.map(|grade| grade.validity),
        findings,
        erased: record.erased,
        partial: record.partial,
        proof: record.proof,
        id: record.id,
        record: record.record,
    }
}

/// The lines so far, and what they are drawn from.
struct TimelineBuilder<'a> {
    records: &'a [SessionRecord],
    seal: &'a SealCheck,
    orphans: &'a Orphans,
    here: BTreeSet<&'a RecordId>,
    gaps_before: BTreeMap<Option<usize>, Vec<&'a PlacedGap>>,
    about: BTreeMap<&'a RecordId, Vec<ShownFinding>>,
    /// Findings about no record that is present.
    set_findings: Vec<ShownFinding>,
    lines: Vec<Line>,
    /// Of each record drawn, in the order drawn.
    findings: Vec<Vec<ShownFinding>>,
    /// Where each record given was drawn.
    positions: BTreeMap<usize, usize>,
    /// What the registry has of agents, until it is drawn.
    agents: BTreeMap<&'a str, &'a RegisteredAgent>,
}

impl<'a> TimelineBuilder<'a> {
    fn new(
        records: &'a [SessionRecord],
        seal: &'a SealCheck,
        orphans: &'a Orphans,
        gaps: &'a [PlacedGap],
        context: &'a SessionContext,
    ) -> Self {
        let here: BTreeSet<_> = records.iter().map(|record| &record.id).collect();
        let mut gaps_before: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for gap in gaps {
            gaps_before.entry(gap.before).or_default().push(gap);
        }
        let (mut about, mut set_findings): (BTreeMap<_, Vec<_>>, _) = (BTreeMap::new(), Vec::new());
        for finding in &context.findings {
            match finding.record.as_ref().filter(|id| here.contains(id)) {
                Some(id) => about.entry(id).or_default().push(shown_finding(finding)),
                None => set_findings.push(shown_finding(finding)),
            }
        }
        let (lines, findings, positions) = (Vec::new(), Vec::new(), BTreeMap::new());
        let agents = context.agents.iter().map(|(id, agent)| (id.as_str(), agent)).collect();
        Self {
            records,
            seal,
            orphans,
            here,
            gaps_before,
            about,
            set_findings,
            lines,
            findings,
            positions,
            agents,
        }
    }

    fn record(&mut self, one: &OrderedRecord) {
        self.gaps(Some(one.record), one.depth);
        let record = &self.records[one.record];
        let position = self.positions.len();
        self.positions.insert(one.record, position);
        let mut findings: Vec<ShownFinding> =
            record.grade.iter().flat_map(|grade| &grade.findings).map(shown_finding).collect();
        // A record given twice has its findings once.
        findings.extend(self.about.remove(&record.id).unwrap_or_default());
        let mut steps = self.own_steps(one);
        if let Some(registered) = self.registered_agent(record) {
            let place =
                steps.iter().position(|step| step.step == Step::Workload).map_or(0, |place| place + 1);
            steps.insert(place, about(Step::Workload, registered));
        }
        let attached = attach(&findings, &steps);
        self.push(position, one.depth, head(record), attached.get(&None));
        for (place, step) in steps.drain(..).enumerate() {
            self.push(position, one.depth + 1, step, attached.get(&Some(place)));
        }
        self.findings.push(findings);
    }

    /// What the registry has of a record's agent; once for each agent.
    fn registered_agent(&mut self, record: &SessionRecord) -> Option<String> {
        let agent = record.record.body.workload.value()?.agent.value()?;
        let (id, registered) = self.agents.remove_entry(agent.id.value()?.as_str())?;
        let words = events::registered_agent(registered);
        let words = if words.is_empty() { "nothing else is stated of it".to_owned() } else { words };
        Some(format!("registry of agents: {}: {words}", name(id)))
    }

    fn push(&mut self, position: usize, depth: usize, step: StepLine, findings: Option<&Vec<usize>>) {
        self.lines.push(Line {
            at: step.at,
            step: step.step,
            words: step.words,
            record: Some(position),
            depth: depth + step.depth,
            pointer: step.pointer,
            state: step.state,
            findings: findings.cloned().unwrap_or_default(),
        });
    }

    /// The steps of a record, with what is to be said of the record itself around them.
    fn own_steps(&self, one: &OrderedRecord) -> Vec<StepLine> {
        let record = &self.records[one.record];
        let mut around = Vec::new();
        if one.circular {
            let words = "its causes form a cycle, so it is placed by number and time";
            around.push(about(Step::Warning, words.to_owned()));
        }
        if self.seal.after.contains(&one.record) {
            around.push(about(Step::Warning, "it was logged after the session was sealed".to_owned()));
        }
        around.extend(record.erased.as_ref().map(erased));
        around.extend(missing_links(record, &self.here).into_iter().map(|words| about(Step::Missing, words)));
        around.extend(steps(&record.record));
        if self.orphans.records.contains(&one.record) {
            around.push(about(Step::Missing, "no outcome of this intent is recorded".to_owned()));
        }
        if self.seal.record == Some(one.record) {
            around.extend(self.seal_steps());
        }
        around
    }

    fn seal_steps(&self) -> Vec<StepLine> {
        const MOST: usize = 20;
        let (counted, missing) = (self.seal.counted(self.records), &self.seal.missing);
        let mut found = Vec::new();
        if let Some(counts) = self.seal.counts.filter(|counts| !counted.contains(counts)) {
            let counted = counts.clamp(*counted.start(), *counted.end());
            let here = if counted == 1 { "is present" } else { "are present" };
            found.push(about(
                Step::Missing,
                format!("the seal counts {}; {counted} {here}", count(counts, "record", "records")),
            ));
        }
        let named = missing.iter().take(MOST).map(|id| format!("record {id}, named by the seal, is missing"));
        found.extend(named.map(|words| about(Step::Missing, words)));
        if missing.len() > MOST {
            let more = (missing.len() - MOST) as u64;
            let one = "more record named by the seal is missing";
            let words = count(more, one, "more records named by the seal are missing");
            found.push(about(Step::Missing, words));
        }
        found
    }

    fn gaps(&mut self, before: Option<usize>, depth: usize) {
        for PlacedGap { gap, .. } in self.gaps_before.remove(&before).unwrap_or_default() {
            self.lines.push(Line {
                at: None,
                step: Step::Gap,
                words: gap.words(),
                record: None,
                depth,
                pointer: String::new(),
                state: State::Absent,
                findings: Vec::new(),
            });
        }
    }

    fn end(&mut self) {
        self.gaps(None, 0);
    }
}

/// A step that says something about the whole record.
fn about(step: Step, words: String) -> StepLine {
    StepLine { step, at: None, words, pointer: String::new(), depth: 0, state: State::Shown }
}

fn head(record: &SessionRecord) -> StepLine {
    let body = &record.record.body;
    let number = record.sequence().map(|number| number.to_string());
    let kind = match (record.record.kind, body.correlation.value()) {
        (StatementKind::Interaction, Some(it)) if !it.amends.is_absent() => "amendment",
        (kind, _) => kind.name(),
    };
    let attempt = body.correlation.value().and_then(|it| it.attempt.value()).filter(|attempt| **attempt > 1);
    let who = body.initiator.value().and_then(|it| named(&it.sub));
    let what = body.workload.value().and_then(|it| {
        let agent = it.agent.value().and_then(|agent| named(&agent.name).or_else(|| named(&agent.id)));
        agent.or_else(|| named(&it.id))
    });
    let between = joined([who, what], " → ");
    let between = if between.is_empty() { None } else { Some(between) };
    let head = joined([Some(kind.replace('-', " ")), number], " ");
    let head = joined([Some(head), attempt.map(|attempt| format!("attempt {attempt}"))], ", ");
    StepLine { at: record.at(), ..about(Step::Record, joined([Some(head), between], ": ")) }
}

fn erased(erased: &ErasedAt) -> StepLine {
    let lawful = match erased.entry {
        Some(entry) => format!("erased lawfully at entry {entry}"),
        None => "erased; no log entry records a lawful erasure".to_owned(),
    };
    let basis = erased.basis.as_deref().map(|basis| format!("basis: {}", name(basis)));
    let at = erased.at.map(|at| format!("at {}", time(at)));
    let words = joined([Some(joined([Some(lawful), at], " ")), basis], "; ");
    StepLine { at: None, state: State::Erased, ..about(Step::Erased, words) }
}

impl TimelineRecord {
    /// What to call it: its number in the session, or its name.
    pub fn label(&self) -> String {
        self.sequence.map_or_else(|| format!("record {}", self.id), |number| format!("record {number}"))
    }

    /// Whether something was done in it, or may have been: an interaction that amends no other, or an intent without an outcome.
    pub(crate) fn is_act(&self) -> bool {
        let amends =
            self.record.body.correlation.value().is_some_and(|it| matches!(it.amends, Field::Value(_)));
        self.orphan || (self.kind == StatementKind::Interaction && !amends)
    }
}
