//! Where a source stands: which of the three identity questions its records answer, and whether they are complete; and the one step that
//! takes it further, with what that changes, found out by trying it on its own records.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use vouchlog_grading::{
    Answer, Cause, Context, EXECUTOR_RULES, Finding, Grade, Severity, VALIDITY_RULES, Verdicts,
    bears_on_authorization, grade,
};
use vouchlog_record::Record;

use super::advice::{CONTENT, Open};
use super::trial::Changes;

/// Records of one service that a step is tried on, the newest.
const SAMPLE: usize = 16;

/// A question that a record answers or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Question {
    /// Who authorised the action?
    Authorized,
    /// Which identity executed it?
    Executor,
    /// Was its credential valid when it was used?
    Credential,
}

impl Question {
    /// All three, in order.
    pub const ALL: [Self; 3] = [Self::Authorized, Self::Executor, Self::Credential];

    /// As people ask it.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Authorized => "who authorised it?",
            Self::Executor => "which identity executed it?",
            Self::Credential => "was its credential valid?",
        }
    }

    pub(super) const fn answer(self, verdicts: &Verdicts) -> Answer {
        match self {
            Self::Authorized => verdicts.authorized_known,
            Self::Executor => verdicts.executor_known,
            Self::Credential => verdicts.credential_valid_at_moment,
        }
    }

    /// Whether a finding keeps it from a *yes*.
    fn is_open_by(self, finding: &Finding) -> bool {
        let code = finding.rule.code;
        match self {
            Self::Authorized => bears_on_authorization(code, &finding.at),
            Self::Executor => EXECUTOR_RULES.contains(&code),
            Self::Credential => VALIDITY_RULES.contains(&code),
        }
    }
}

/// How many records answer a question.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Rung {
    /// The question.
    pub question: Question,
    /// Records that answer it with *yes*.
    pub yes: u64,
}

/// Where a source stands, and what takes it further.
#[derive(Debug, Serialize)]
pub struct Ladder {
    /// Identity questions that all its records answer with *yes*: 0 to 3.
    pub answered: u64,
    /// The same, each for itself.
    pub questions: Vec<Rung>,
    /// Whether all its records are complete.
    pub complete: bool,
    /// What to do next; none where it is complete, or where nothing is known that would help.
    pub next: Option<Step>,
}

/// The next step.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Lines to add.
    Add {
        /// Which, by its place among the suggestions.
        suggestion: usize,
        /// What they change.
        effect: Effect,
    },
    /// No line helps: what keeps the source from going further is beyond the gateway.
    Beyond {
        /// What, by its place in that list.
        open: usize,
    },
}

/// What lines change in records that were really sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Effect {
    /// Records that the lines were tried on.
    pub tried_on: u64,
    /// Answers of *yes* among those, by question.
    pub questions: Vec<QuestionEffect>,
    /// Findings among those that keep a question open, or a record from being complete once all questions are answered: each rule in
    /// each record.
    pub findings: BeforeAfter,
    /// The rules of those that are left.
    pub still_open: Vec<&'static str>,
}

/// Answers of *yes* to one question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct QuestionEffect {
    /// The question.
    pub question: Question,
    /// Its answers.
    #[serde(flatten)]
    pub yes: BeforeAfter,
}

/// A count without the lines and with them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct BeforeAfter {
    /// Without.
    pub before: u64,
    /// With.
    pub after: u64,
}

impl BeforeAfter {
    const fn gain(self) -> u64 {
        self.after.saturating_sub(self.before)
    }

    const fn drop(self) -> u64 {
        self.before.saturating_sub(self.after)
    }
}

/// What is counted of a service for its ladder.
#[derive(Default)]
pub(super) struct LadderTally {
    yes: BTreeMap<Question, u64>,
    sample: Vec<Record>,
}

impl LadderTally {
    /// Records come the newest first.
    pub(super) fn take(&mut self, record: &Record, grade: &Grade) {
        for question in Question::ALL {
            let yes = question.answer(&grade.verdicts) == Answer::Yes;
            *self.yes.entry(question).or_default() += u64::from(yes);
        }
        if self.sample.len() < SAMPLE {
            self.sample.push(record.clone());
        }
    }

    /// Where a service of so many records stands, of which so many are complete. The advice is what each suggestion changes, and what is
    /// beyond the gateway.
    pub(super) fn conclude(
        self,
        (records, complete): (u64, u64),
        context: &Context,
        advice: (&[&Changes], &[Open]),
    ) -> Ladder {
        let yes = |question: Question| self.yes.get(&question).copied().unwrap_or_default();
        let questions: Vec<Rung> =
            Question::ALL.into_iter().map(|question| Rung { question, yes: yes(question) }).collect();
        let answered = questions.iter().filter(|rung| rung.yes == records).count() as u64;
        let complete = complete == records;
        let next = if complete { None } else { next(&self.sample, context, advice) };
        Ladder { answered, questions, complete, next }
    }
}

/// The suggestion that answers the most questions; of those that answer none, the one that leaves the fewest findings in the way.
fn next(sample: &[Record], context: &Context, (add, beyond): (&[&Changes], &[Open])) -> Option<Step> {
    let now = Standing::of(sample.iter().cloned(), context);
    let mut best: Option<((u64, u64), Step)> = None;
    for (suggestion, changes) in add.iter().enumerate() {
        let effect = tried(sample, context, changes, &now);
        let gain = effect.questions.iter().map(|question| question.yes.gain()).sum();
        let rank = (gain, effect.findings.drop());
        if rank > best.as_ref().map_or((0, 0), |(rank, _)| *rank) {
            best = Some((rank, Step::Add { suggestion, effect }));
        }
    }
    let in_the_way = now.in_the_way(&now.open());
    let of_others = || {
        let open =
            beyond.iter().position(|open| open.rules.iter().any(|code| in_the_way.contains_key(code)))?;
        Some(Step::Beyond { open })
    };
    best.map(|(_, step)| step).or_else(of_others)
}

/// What changes would have made of records.
fn tried(sample: &[Record], context: &Context, changes: &Changes, now: &Standing) -> Effect {
    let changed = sample.iter().map(|record| changes.applied(record).unwrap_or_else(|| record.clone()));
    let changed: Vec<Record> = changed.collect();
    let context = changes.learned(context, &changed);
    let then = Standing::of(changed.into_iter(), &context);
    let questions = Question::ALL.into_iter().map(|question| {
        let (before, after) = (now.yes(question), then.yes(question));
        QuestionEffect { question, yes: BeforeAfter { before, after } }
    });
    // Findings are counted over the same questions, before and after.
    let open = now.open();
    let (before, after) = (now.in_the_way(&open), then.in_the_way(&open));
    let findings = BeforeAfter { before: before.values().sum(), after: after.values().sum() };
    Effect {
        tried_on: sample.len() as u64,
        questions: questions.collect(),
        findings,
        still_open: then.in_the_way(&then.open()).into_keys().collect(),
    }
}

/// Where some records stand: the grade of each, and whether it says what was asked and answered.
struct Standing(Vec<(Grade, bool)>);

impl Standing {
    fn of(records: impl Iterator<Item = Record>, context: &Context) -> Self {
        Self(records.map(|record| (grade(&record, context), has_content(&record))).collect())
    }

    fn yes(&self, question: Question) -> u64 {
        self.0.iter().filter(|(grade, _)| question.answer(&grade.verdicts) == Answer::Yes).count() as u64
    }

    /// The questions that not every record answers with *yes*.
    fn open(&self) -> Vec<Question> {
        Question::ALL.into_iter().filter(|question| self.yes(*question) < self.0.len() as u64).collect()
    }

    /// The rules whose findings keep questions open, each with the number of records; where no question is open, those that keep records
    /// from being complete, content that is missing among them.
    fn in_the_way(&self, open: &[Question]) -> BTreeMap<&'static str, u64> {
        let is_in_the_way = |finding: &Finding| {
            if open.is_empty() {
                // What could be no more than a warning is in nobody's way.
                let worst =
                    if finding.cause == Cause::Unknown { finding.rule.severity } else { finding.severity };
                return worst > Severity::Warn;
            }
            open.iter().any(|question| question.is_open_by(finding))
        };
        let mut rules = BTreeMap::new();
        for (grade, has_content) in &self.0 {
            let found = grade.findings.iter().filter(|finding| is_in_the_way(finding));
            let mut codes: BTreeSet<&'static str> = found.map(|finding| finding.rule.code).collect();
            if open.is_empty() && !has_content {
                codes.insert(CONTENT);
            }
            for code in codes {
                *rules.entry(code).or_default() += 1;
            }
        }
        rules
    }
}

/// Whether what was asked is there, or was withheld.
fn has_content(record: &Record) -> bool {
    let input = &record.body.input;
    input.is_withheld()
        || input.value().is_some_and(|input| !input.content.is_absent() || !input.commitment.is_absent())
}
