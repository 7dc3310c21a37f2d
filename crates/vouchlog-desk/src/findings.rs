//! The queue of findings: each finding of a rule in a record is open, explained or accepted.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use vouchlog_grading::{Cause, Rule, rule};
use vouchlog_record::RecordId;
use vouchlog_vault::{
    Access, FindingQuery, FoundFinding, Operation, ReadRecord, VaultError, learn, read_facts,
};

use crate::ask::Ask;
use crate::bounds;
use crate::decisions::{Decision, FindingState, decided};
use crate::error::DeskError;
use crate::local::LocalDesk;
use crate::row::FacetValue;

/// The findings in one state, the newest records first. Findings are those of the time when a record was kept; each is judged again
/// as it is shown.
#[derive(Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ListFindings {
    /// Whose records; without it, all that the caller has access to.
    #[serde(default)]
    pub tenant: Option<String>,
    /// In this state; open if it is left out.
    #[serde(default)]
    pub state: FindingState,
    /// Of these rules only, by code; none is every rule.
    #[serde(default)]
    pub codes: Vec<String>,
    /// In records that match all of these, such as `session`, `agent` or `initiator`.
    #[serde(default)]
    pub facets: Vec<FacetValue>,
    /// In records that started at this time or later, in milliseconds since 1970-01-01 UTC.
    #[serde(default)]
    pub from: Option<i64>,
    /// In records that started before this time.
    #[serde(default)]
    pub to: Option<i64>,
    /// `next` of an earlier page.
    #[serde(default)]
    pub after: Option<String>,
    /// At most this many findings, 50 without it; 200 and more is 200.
    #[serde(default)]
    pub limit: Option<usize>,
}

/// A page of findings.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FindingRows {
    /// The findings.
    pub findings: Vec<FindingRow>,
    /// Give it as `after` for the next page; none after the last one.
    pub next: Option<String>,
}

/// A finding of one rule in one record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FindingRow {
    /// The code of the rule.
    pub code: String,
    /// The name of the rule.
    pub name: String,
    /// What is wrong when the rule fires, in words.
    pub meaning: String,
    /// The record.
    #[schema(value_type = String)]
    pub record: RecordId,
    /// Whose it is.
    pub tenant: String,
    /// When the record started.
    pub started_at: i64,
    /// The log's entry of the record, once there is one.
    pub entry: Option<u64>,
    /// Whether the record was erased. Then what was found is no longer known in detail.
    pub erased: bool,
    /// The session of the record.
    pub session: Option<String>,
    /// The agent of the record.
    pub agent: Option<String>,
    /// How bad it is under the record's profile; of an erased record, how bad it is in general.
    pub severity: String,
    /// What the rule finds today; none if it finds nothing any more, or the record was erased.
    pub found: Option<FoundToday>,
    /// Its state.
    pub state: FindingState,
    /// What was decided; none if nothing was.
    pub decision: Option<Decision>,
}

/// What a rule finds in a record today.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FoundToday {
    /// Whether something is wrong, missing or unknown.
    pub cause: String,
    /// What was found, in words.
    pub message: String,
    /// Where, as JSON pointers into the record.
    pub at: Vec<String>,
    /// What to do about it.
    pub remedy: String,
}

/// How many findings there are, by rule and state.
#[derive(Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CountFindings {
    /// Whose records; without it, all that the caller has access to.
    #[serde(default)]
    pub tenant: Option<String>,
}

/// How many findings there are, by rule, the most severe first. Rules that found nothing are left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FindingCounts {
    /// The rules.
    pub rules: Vec<RuleCount>,
}

/// How many findings a rule has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RuleCount {
    /// The code of the rule.
    pub code: String,
    /// The name of the rule.
    pub name: String,
    /// What is wrong when the rule fires, in words.
    pub meaning: String,
    /// How bad it is, unless a record's profile overrides it.
    pub severity: String,
    /// Findings that are open.
    pub open: u64,
    /// Findings that are explained.
    pub explained: u64,
    /// Findings that are accepted.
    pub accepted: u64,
}

impl Ask for ListFindings {
    type Answer = FindingRows;
    const NAME: &'static str = "list-findings";
    const SUMMARY: &'static str =
        "Lists findings that are open, explained or accepted, those in the newest records first";

    fn operation(&self) -> Operation {
        Operation::Read
    }

    fn tenant(&self) -> Option<&str> {
        self.tenant.as_deref()
    }

    async fn answer(self, desk: &LocalDesk, access: &Access) -> Result<FindingRows, DeskError> {
        let limit = bounds::listed(self.limit)?;
        let query = FindingQuery {
            state: self.state.into(),
            codes: bounds::codes(self.codes)?,
            facets: desk.facets(access, self.facets).await?,
            tenant: self.tenant,
            from: self.from,
            to: self.to,
            after: bounds::place(self.after.as_deref())?,
            limit,
        };
        let found = desk.vault().findings(access, &query).await?;
        let next = bounds::next(&found, limit, FoundFinding::cursor);
        Ok(FindingRows { findings: opened(desk, access, found).await?, next })
    }
}

/// Findings with what is found today, and with what was decided.
async fn opened(
    desk: &LocalDesk,
    access: &Access,
    found: Vec<FoundFinding>,
) -> Result<Vec<FindingRow>, DeskError> {
    let mut rows: Vec<_> = found.iter().map(|finding| finding.row.clone()).collect();
    rows.dedup_by(|a, b| a.id == b.id);
    let context = learn(desk.vault(), access).await?;
    let read = read_facts(desk.vault(), access, rows, &context).await?;
    let read: HashMap<RecordId, ReadRecord> =
        read.into_iter().map(|read| (read.row.id.clone(), read)).collect();
    let mut decisions: HashMap<RecordId, Decision> = HashMap::new();
    let mut opened = Vec::with_capacity(found.len());
    for finding in found {
        let mut decision = None;
        if let Some(id) = &finding.decision {
            if !decisions.contains_key(id) {
                decisions.insert(id.clone(), decided(desk, access, id).await?);
            }
            decision = decisions.get(id).cloned();
        }
        check(&finding, decision.as_ref())?;
        opened.extend(row(finding, &read, decision));
    }
    Ok(opened)
}

/// Refuses a state that no decision gave: it was changed behind the vault's back.
fn check(finding: &FoundFinding, decision: Option<&Decision>) -> Result<(), DeskError> {
    let state = FindingState::from(finding.state);
    let is_decided = match decision {
        None => state == FindingState::Open,
        Some(made) => {
            made.state == state && made.code == finding.code && made.records.contains(&finding.row.id)
        }
    };
    if is_decided {
        return Ok(());
    }
    let (code, record) = (&finding.code, &finding.row.id);
    Err(DeskError::Vault(VaultError::Damaged(format!(
        "the state of the finding {code} in record {record} is not what was decided: it was changed without a decision"
    ))))
}

fn row(
    finding: FoundFinding,
    read: &HashMap<RecordId, ReadRecord>,
    decision: Option<Decision>,
) -> Option<FindingRow> {
    let rule = rule(&finding.code)?;
    let read = read.get(&finding.row.id);
    let record = read.and_then(|read| read.record.as_ref());
    let today = read.and_then(|read| read.grade.as_ref());
    let today = today.and_then(|grade| grade.findings.iter().find(|found| found.rule.code == rule.code));
    let correlation = record.and_then(|record| record.body.correlation.value());
    let agent = record.and_then(|record| record.body.workload.value()?.agent.value()?.id.value());
    Some(FindingRow {
        name: rule.name.to_owned(),
        meaning: rule.says.to_owned(),
        started_at: finding.row.started_at,
        entry: finding.row.place.map(|place| place.index.get()),
        erased: finding.row.erased.is_some(),
        session: correlation.and_then(|correlation| correlation.session.value().cloned()),
        agent: agent.cloned(),
        severity: today.map_or(rule.severity, |found| found.severity).name().to_owned(),
        found: today.map(|found| FoundToday {
            cause: cause(found.cause).to_owned(),
            message: found.message.clone(),
            at: found.at.clone(),
            remedy: found.remedy().to_owned(),
        }),
        state: finding.state.into(),
        decision,
        code: finding.code,
        record: finding.row.id,
        tenant: finding.row.tenant,
    })
}

const fn cause(cause: Cause) -> &'static str {
    match cause {
        Cause::Wrong => "wrong",
        Cause::Missing => "missing",
        Cause::Unknown => "unknown",
    }
}

impl Ask for CountFindings {
    type Answer = FindingCounts;
    const NAME: &'static str = "count-findings";
    const SUMMARY: &'static str = "Counts findings by rule and state, the most severe rules first";

    fn operation(&self) -> Operation {
        Operation::Read
    }

    fn tenant(&self) -> Option<&str> {
        self.tenant.as_deref()
    }

    async fn answer(self, desk: &LocalDesk, access: &Access) -> Result<FindingCounts, DeskError> {
        let counted = desk.vault().count_findings(access, self.tenant.as_deref()).await?;
        let mut rules: Vec<(&'static Rule, RuleCount)> = Vec::new();
        for counted in counted {
            let Some(rule) = rule(&counted.code) else { continue };
            let count = RuleCount {
                code: counted.code,
                name: rule.name.to_owned(),
                meaning: rule.says.to_owned(),
                severity: rule.severity.name().to_owned(),
                open: counted.open,
                explained: counted.explained,
                accepted: counted.accepted,
            };
            rules.push((rule, count));
        }
        rules.sort_by_key(|(rule, _)| std::cmp::Reverse(rule.severity));
        Ok(FindingCounts { rules: rules.into_iter().map(|(_, count)| count).collect() })
    }
}
