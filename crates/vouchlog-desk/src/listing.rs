//! Which sessions there are, by what their records contain. No record is opened for it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use vouchlog_grading::{Verdicts, rule};
use vouchlog_vault::{Access, Facet, FoundInSession, Operation, SessionQuery, SessionSummary};

use crate::ask::Ask;
use crate::bounds;
use crate::error::DeskError;
use crate::limits::SHOWN_VALUES;
use crate::local::LocalDesk;
use crate::row::FacetValue;

/// The sessions that match, those with the newest records first.
#[derive(Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ListSessions {
    /// Whose records; without it, all that the caller has access to.
    #[serde(default)]
    pub tenant: Option<String>,
    /// A session must have all of these, each in one of its records or another: `initiator`, `agent`, `workload`, `device`,
    /// `credential`, `tool`, `model`, `data-class`, `scope`, `issuer`, `gateway`, `service`; `verdict` as `question:answer`, such as
    /// `authorized_known:no`, or as a policy's verdict, such as `deny`; `finding` as the code of a rule, such as `R26`; `session`
    /// itself. At most 8.
    #[serde(default)]
    pub facets: Vec<FacetValue>,
    /// Sessions whose last record started at this time or later, in milliseconds since 1970-01-01 UTC.
    #[serde(default)]
    pub from: Option<i64>,
    /// Sessions whose first record started before this time.
    #[serde(default)]
    pub to: Option<i64>,
    /// `next` of an earlier page.
    #[serde(default)]
    pub after: Option<String>,
    /// At most this many sessions, 50 without it; 200 and more is 200.
    #[serde(default)]
    pub limit: Option<usize>,
}

/// A page of sessions, those with the newest records first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SessionRows {
    /// The sessions.
    pub sessions: Vec<SessionRow>,
    /// Give it as `after` for the next page; none after the last one.
    pub next: Option<String>,
}

/// A session, by what its records contain. Verdicts and findings are those of the time when each record was kept; an opened session
/// is judged by what the vault knows today, such as a revocation that was reported later.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SessionRow {
    /// Its name; none if all of its records were erased.
    pub session: Option<String>,
    /// Whose it is.
    pub tenant: String,
    /// All of its records, of every kind, erased ones included.
    pub records: u64,
    /// How many of these were erased.
    pub erased: u64,
    /// When the first of them started.
    pub first: i64,
    /// When the last of them started.
    pub last: i64,
    /// The people whose data it is, as `iss|sub` or as their pseudonyms; those of erased records are gone.
    pub initiators: Vec<String>,
    /// The agents, by their ids.
    pub agents: Vec<String>,
    /// The workloads.
    pub workloads: Vec<String>,
    /// The tools that were called.
    pub tools: Vec<String>,
    /// The models that were asked for, or that answered.
    pub models: Vec<String>,
    /// The classes of the data.
    pub data_classes: Vec<String>,
    /// What policies decided, such as `allow` and `deny`.
    pub policy: Vec<String>,
    /// To each question, the answers that its records have.
    pub answers: Vec<SessionAnswer>,
    /// What was found, by rule, the most severe first.
    pub findings: Vec<SessionFinding>,
    /// Whether a list above was cut, because the session has more values than are listed (at most 20 of a kind).
    pub is_cut: bool,
}

/// The answers that the records of a session have to one question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SessionAnswer {
    /// The question, such as `authorized_known`, `executor_known` or `credential_valid_at_moment`.
    pub question: String,
    /// The answers: `no`, `indeterminate`, `yes`, the worst first.
    pub answers: Vec<String>,
}

/// What one rule found in a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SessionFinding {
    /// The code of the rule.
    pub code: String,
    /// The name of the rule.
    pub name: String,
    /// What is wrong, in words.
    pub meaning: String,
    /// How bad it is, unless a record's profile overrides it: `critical`, `error`, `indeterminate`, `warn` or `info`.
    pub severity: String,
    /// In how many records.
    pub records: u64,
    /// In how many of these it is open: neither explained nor accepted.
    pub open: u64,
}

impl Ask for ListSessions {
    type Answer = SessionRows;
    const NAME: &'static str = "list-sessions";
    const SUMMARY: &'static str =
        "Lists sessions by what their records have, those with the newest records first";

    fn operation(&self) -> Operation {
        Operation::Read
    }

    fn tenant(&self) -> Option<&str> {
        self.tenant.as_deref()
    }

    async fn answer(self, desk: &LocalDesk, access: &Access) -> Result<SessionRows, DeskError> {
        let limit = bounds::listed(self.limit)?;
        let query = SessionQuery {
            facets: desk.facets(access, self.facets).await?,
            tenant: self.tenant,
            from: self.from,
            to: self.to,
            after: bounds::place(self.after.as_deref())?,
            limit,
        };
        let found = desk.vault().sessions(access, &query).await?;
        let next = bounds::next(&found, limit, SessionSummary::cursor);
        Ok(SessionRows { sessions: found.into_iter().map(SessionRow::from).collect(), next })
    }
}

/// Answers to a question, the worst first.
const WORST_FIRST: [&str; 3] = ["no", "indeterminate", "yes"];

impl From<SessionSummary> for SessionRow {
    fn from(found: SessionSummary) -> Self {
        let mut row = Self {
            records: found.records,
            erased: found.erased,
            first: found.first_at,
            last: found.last_at,
            is_cut: found.is_cut,
            session: found.name,
            tenant: found.tenant,
            ..Self::default()
        };
        let mut answers: Vec<(String, String)> = Vec::new();
        for (facet, value) in found.values {
            let list = match facet {
                Facet::Initiator => &mut row.initiators,
                Facet::Agent => &mut row.agents,
                Facet::Workload => &mut row.workloads,
                Facet::Tool => &mut row.tools,
                Facet::Model => &mut row.models,
                Facet::DataClass => &mut row.data_classes,
                Facet::Verdict => match value.split_once(':') {
                    Some((question, answer)) => {
                        answers.push((question.to_owned(), answer.to_owned()));
                        continue;
                    }
                    None => &mut row.policy,
                },
                _ => continue,
            };
            if list.len() < SHOWN_VALUES {
                list.push(value);
            } else {
                row.is_cut = true;
            }
        }
        row.answers = Verdicts::QUESTIONS
            .into_iter()
            .map(|question| {
                let given = |answer: &&str| answers.iter().any(|(of, has)| of == question && has == *answer);
                let answers = WORST_FIRST.into_iter().filter(given).map(str::to_owned).collect();
                SessionAnswer { question: question.to_owned(), answers }
            })
            .filter(|answer| !answer.answers.is_empty())
            .collect();
        let mut findings: Vec<_> = found.findings.into_iter().filter_map(of_rule).collect();
        findings.sort_by_key(|(severity, _)| std::cmp::Reverse(*severity));
        row.findings = findings.into_iter().map(|(_, finding)| finding).collect();
        row
    }
}

fn of_rule(found: FoundInSession) -> Option<(vouchlog_grading::Severity, SessionFinding)> {
    let rule = rule(&found.code)?;
    let finding = SessionFinding {
        code: found.code,
        name: rule.name.to_owned(),
        meaning: rule.says.to_owned(),
        severity: rule.severity.name().to_owned(),
        records: found.records,
        open: found.open,
    };
    Some((rule.severity, finding))
}
