//! A session's timeline: plain data, ready to be drawn.

use jiff::Timestamp;
use vouchlog_grading::{Answer, Cause, Severity, Validity, Verdicts};
use vouchlog_merkle::LeafIndex;
use vouchlog_record::{Record, RecordId};
use vouchlog_stream::{LogPlace, StatementKind, StreamId};

use crate::input::{ErasedAt, ProofState};
use crate::phrases::{capital, names};

/// What happened in a session. [`Timeline::of`] makes one.
#[derive(Clone, Debug)]
pub struct Timeline {
    /// The session's name, safe to show.
    pub session: String,
    /// What it comes to.
    pub summary: Summary,
    /// Every step in causal order. Each record has exactly one line of step [`Step::Record`]; its steps follow it.
    pub lines: Vec<Line>,
    /// What is missing between the records; each is a line, too.
    pub gaps: Vec<Gap>,
    /// The records, in the order of their lines.
    pub records: Vec<TimelineRecord>,
}

/// One step of the timeline.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// When, as far as that is recorded.
    pub at: Option<Timestamp>,
    /// What kind of step.
    pub step: Step,
    /// What happened, safe to show.
    pub words: String,
    /// The record it is a step of: an index into [`Timeline::records`]. None between records.
    pub record: Option<usize>,
    /// How deep it hangs in the tree; what it hangs under is the nearest line above of a lesser depth.
    pub depth: usize,
    /// Its part of the record, as a JSON pointer; empty for the whole.
    pub pointer: String,
    /// Whether its data is present.
    pub state: State,
    /// What is wrong with it: indexes into the record's findings.
    pub findings: Vec<usize>,
}

/// What kind of step a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// The beginning of a record.
    Record,
    /// Who began it.
    Initiator,
    /// What executed it.
    Workload,
    /// The credential it was done with, and the grant behind that.
    Credential,
    /// What was asked.
    Prompt,
    /// Which data it touched.
    Data,
    /// Something was retrieved.
    Retrieval,
    /// A policy decided.
    Decision,
    /// An approval, given or not.
    Approval,
    /// An override of a decision.
    Override,
    /// The decision was passed on.
    Escalation,
    /// The model.
    Model,
    /// What it answered.
    Answer,
    /// A tool call.
    Tool,
    /// What the tool was given.
    Arguments,
    /// What the tool gave back.
    Result,
    /// What the tool called in turn.
    Downstream,
    /// How it ended.
    Outcome,
    /// The event in a record that is not an interaction.
    Event,
    /// Content was erased.
    Erased,
    /// Numbers that no record has.
    Gap,
    /// Something that should be here and is not: an outcome, an intent, a cause, a record the seal names.
    Missing,
    /// It came after the seal, or follows from itself.
    Warning,
}

impl Step {
    /// Its name, in JSON and at the beginning of a line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Record => "record",
            Self::Initiator => "initiator",
            Self::Workload => "executor",
            Self::Credential => "credential",
            Self::Prompt => "prompt",
            Self::Data => "data",
            Self::Retrieval => "retrieval",
            Self::Decision => "decision",
            Self::Approval => "approval",
            Self::Override => "override",
            Self::Escalation => "escalation",
            Self::Model => "model",
            Self::Answer => "answer",
            Self::Tool => "tool",
            Self::Arguments => "arguments",
            Self::Result => "result",
            Self::Downstream => "downstream",
            Self::Outcome => "outcome",
            Self::Event => "event",
            Self::Erased => "erased",
            Self::Gap => "gap",
            Self::Missing => "missing",
            Self::Warning => "warning",
        }
    }
}

/// Whether the data of a step is present.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// It is.
    Shown,
    /// There is something, and it is withheld.
    Redacted,
    /// There was something until it was erased.
    Erased,
    /// The gateway recorded that there can be none.
    NotApplicable,
    /// Not recorded.
    Absent,
}

impl State {
    /// Its name, in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Shown => "shown",
            Self::Redacted => "redacted",
            Self::Erased => "erased",
            Self::NotApplicable => "not_applicable",
            Self::Absent => "absent",
        }
    }
}

/// What is missing between records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// Whose numbers.
    pub of: GapScope,
    /// The first number that is missing.
    pub first: u64,
    /// The last.
    pub last: u64,
    /// The declared loss that covers it, if any.
    pub declared: Option<DeclaredGap>,
}

/// Whose numbers have a gap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GapScope {
    /// The session's, counted from 1.
    Session,
    /// A stream's, counted from 0.
    Stream(StreamId),
}

/// A loss that was declared and covers a gap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeclaredGap {
    /// The entry that declares it; none while it waits to be sent.
    pub entry: Option<LeafIndex>,
    /// How many records were lost, if that is known.
    pub count: Option<u64>,
    /// Why, as a code, safe to show.
    pub cause: Option<String>,
}

/// A record in the timeline.
#[derive(Clone, Debug)]
pub struct TimelineRecord {
    /// Its name.
    pub id: RecordId,
    /// What kind.
    pub kind: StatementKind,
    /// Its number in the session, if it has one.
    pub sequence: Option<u64>,
    /// The record it belongs under: its intent, what it amends, or the span above. An index into [`Timeline::records`].
    pub parent: Option<usize>,
    /// It is an intent without a recorded outcome: the action may have happened.
    pub orphan: bool,
    /// Where it is in the log.
    pub place: Option<LogPlace>,
    /// How far that is proven.
    pub proof: ProofState,
    /// Its verdicts, if it was graded.
    pub verdicts: Option<Verdicts>,
    /// Whether its credential was valid at each moment it was used, if it was graded.
    pub validity: Option<Validity>,
    /// Everything found wrong with it.
    pub findings: Vec<ShownFinding>,
    /// That its content was erased.
    pub erased: Option<ErasedAt>,
    /// Whether fields may be missing because they were not disclosed.
    pub partial: bool,
    /// The record itself, as far as it may be read. Its text is as it came.
    pub record: Record,
}

/// A finding, ready to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownFinding {
    /// Code of the rule.
    pub code: &'static str,
    /// Name of the rule.
    pub name: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// Whether something is wrong, missing, or cannot be determined.
    pub cause: Cause,
    /// What was found, safe to show.
    pub message: String,
    /// What to do about it.
    pub remedy: &'static str,
    /// Where, as JSON pointers into the record, safe to show.
    pub at: Vec<String>,
}

/// What a session comes to.
#[derive(Clone, Debug)]
pub struct Summary {
    /// Every critical finding of a record or of the session as a whole, in the order of the records.
    pub critical: Vec<CriticalFinding>,
    /// What happened, a sentence each.
    pub happened: Vec<String>,
    /// Who authorised it, over all that was done.
    pub authorised: ReasonedAnswer,
    /// Which identity executed it.
    pub executor: ReasonedAnswer,
    /// Whether the credential was valid at that moment.
    pub credential: ReasonedAnswer,
    /// Which data was involved.
    pub data: ReasonedAnswer,
    /// What policies decided, and whether that was followed.
    pub policy: ReasonedAnswer,
    /// The same for each thing that was done.
    pub actions: Vec<ActionAnswers>,
    /// Whether all records of the session are here.
    pub complete: ReasonedAnswer,
    /// How far the records are proven to be in the log.
    pub proven: ProofCounts,
    /// What is wrong with the records as a set.
    pub findings: Vec<ShownFinding>,
    /// What is wrong with the log that has them, as others report, the worst first.
    pub log_findings: Vec<ShownFinding>,
    /// What else the reader must know.
    pub notes: Vec<String>,
}

/// A critical finding, and the records that have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CriticalFinding {
    /// The finding.
    pub finding: ShownFinding,
    /// Indexes into [`Timeline::records`]; empty if it is about the session as a whole.
    pub records: Vec<usize>,
}

/// An answer with its reasons.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReasonedAnswer {
    /// Yes, no, or undetermined.
    pub answer: Answer,
    /// The answer in words.
    pub words: String,
    /// Why it is no plain yes.
    pub reasons: Vec<String>,
}

/// The questions about one record in which something was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActionAnswers {
    /// The record: an index into [`Timeline::records`].
    pub record: usize,
    /// Who authorised it.
    pub authorised: ReasonedAnswer,
    /// Which identity executed it.
    pub executor: ReasonedAnswer,
    /// Whether the credential was valid at that moment.
    pub credential: ReasonedAnswer,
    /// Which data was involved.
    pub data: ReasonedAnswer,
    /// What policies decided, and whether that was followed.
    pub policy: ReasonedAnswer,
}

/// How many records are proven how far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProofCounts {
    /// Cosigned by witnesses.
    pub witnessed: usize,
    /// Signed by the log alone.
    pub signed: usize,
    /// Not logged yet.
    pub waiting: usize,
    /// Without a proof.
    pub missing: usize,
}

impl Summary {
    /// The six questions, in the order in which they are shown.
    pub const fn answers(&self) -> [&ReasonedAnswer; 6] {
        [&self.authorised, &self.executor, &self.credential, &self.data, &self.policy, &self.complete]
    }

    /// Whether nothing critical was found, neither here nor about the log, and each question is answered with a plain yes.
    pub fn is_whole(&self) -> bool {
        let is_critical = |finding: &ShownFinding| finding.severity == Severity::Critical;
        let is_uncritical = self.critical.is_empty() && !self.log_findings.iter().any(is_critical);
        is_uncritical && self.answers().iter().all(|reply| reply.answer == Answer::Yes)
    }
}

impl Timeline {
    /// A critical finding with the records that have it, for people: `Record 2: ...`.
    pub fn critical_words(&self, critical: &CriticalFinding) -> String {
        let labels = critical.records.iter().filter_map(|record| self.records.get(*record));
        let labels: Vec<String> = labels.map(TimelineRecord::label).collect();
        let finding = &critical.finding;
        let of = if labels.is_empty() { "the session".to_owned() } else { names(&labels) };
        format!("{}: {} ({} {})", capital(&of), finding.message, finding.code, finding.name)
    }

    /// The record a line is a step of.
    pub fn record_of(&self, line: &Line) -> Option<&TimelineRecord> {
        line.record.and_then(|record| self.records.get(record))
    }

    /// The findings of a line.
    pub fn findings_of<'a>(&'a self, line: &'a Line) -> impl Iterator<Item = &'a ShownFinding> {
        let findings = self.record_of(line).map_or(&[][..], |record| &record.findings);
        line.findings.iter().filter_map(|finding| findings.get(*finding))
    }
}
