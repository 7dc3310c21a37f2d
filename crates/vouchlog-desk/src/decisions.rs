//! Decisions about findings. A decision is a record in the log, with who made it, when and why; the newest one counts.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use vouchlog_grading::Context;
use vouchlog_record::{FindingDecision as Recorded, RecordId};
use vouchlog_stream::StatementKind;
use vouchlog_vault::{
    Access, FindingDecision, Operation, PendingDecision, ReadRecord, VaultError, read_facts,
};

use crate::ask::Ask;
use crate::bounds;
use crate::error::DeskError;
use crate::events::EventQuery;
use crate::local::LocalDesk;

/// What was decided about a finding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FindingState {
    /// Nothing, or it was opened again.
    #[default]
    Open,
    /// The cause is known and stated.
    Explained,
    /// The risk is accepted, until a time if one is given.
    Accepted,
}

/// What was decided about findings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Decision {
    /// The record of the decision.
    #[schema(value_type = String)]
    pub record: RecordId,
    /// The log's entry of that record, once there is one.
    pub entry: Option<u64>,
    /// The code of the rule.
    pub code: String,
    /// What was decided.
    pub state: FindingState,
    /// By whom.
    pub by: String,
    /// When, in milliseconds since 1970-01-01 UTC.
    pub at: i64,
    /// The reason.
    pub reason: String,
    /// Of an accepted risk: until when. After that the finding is not opened again by itself.
    pub until: Option<i64>,
    /// The records in which the rule found it.
    #[schema(value_type = Vec<String>)]
    pub records: Vec<RecordId>,
}

/// Decides about what one rule found in some records: explains it, accepts it, or opens it again. It takes the role `review`.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DecideFindings {
    /// Whose records.
    #[serde(default)]
    pub tenant: Option<String>,
    /// The code of the rule.
    pub code: String,
    /// The records, 500 at most. The rule must have found something in each of them.
    #[schema(value_type = Vec<String>)]
    pub records: Vec<RecordId>,
    /// What is decided.
    pub state: FindingState,
    /// The reason, as the log records it: a ticket or a document. It must not name a person.
    pub reason: String,
    /// Of an accepted risk: until when, in milliseconds since 1970-01-01 UTC.
    #[serde(default)]
    pub until: Option<i64>,
}

/// What was decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DecidedFindings {
    /// How many findings were decided about.
    pub findings: u64,
    /// The record of the decision.
    #[schema(value_type = String)]
    pub record: RecordId,
}

/// The decisions about findings, the newest first.
#[derive(Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ListDecisions {
    /// Whose; without it, of all tenants that the caller has access to.
    #[serde(default)]
    pub tenant: Option<String>,
    /// About findings in this record only.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub record: Option<RecordId>,
    /// `next` of an earlier page.
    #[serde(default)]
    pub after: Option<String>,
    /// At most this many, 50 without it; 200 and more is 200.
    #[serde(default)]
    pub limit: Option<usize>,
}

/// A page of decisions. It may have fewer than were asked for, and still not be the last.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DecisionRows {
    /// The decisions.
    pub decisions: Vec<Decision>,
    /// Give it as `after` for the next page; none after the last one.
    pub next: Option<String>,
}

impl From<FindingState> for vouchlog_vault::FindingState {
    fn from(state: FindingState) -> Self {
        match state {
            FindingState::Open => Self::Open,
            FindingState::Explained => Self::Explained,
            FindingState::Accepted => Self::Accepted,
        }
    }
}

impl From<vouchlog_vault::FindingState> for FindingState {
    fn from(state: vouchlog_vault::FindingState) -> Self {
        match state {
            vouchlog_vault::FindingState::Open => Self::Open,
            vouchlog_vault::FindingState::Explained => Self::Explained,
            vouchlog_vault::FindingState::Accepted => Self::Accepted,
        }
    }
}

impl From<Recorded> for FindingState {
    fn from(state: Recorded) -> Self {
        match state {
            Recorded::Open => Self::Open,
            Recorded::Explained => Self::Explained,
            Recorded::Accepted => Self::Accepted,
        }
    }
}

impl Ask for DecideFindings {
    type Answer = DecidedFindings;
    const NAME: &'static str = "decide-findings";
    const SUMMARY: &'static str =
        "Explains or accepts findings, or opens them again; the log records who decided, and why";

    fn operation(&self) -> Operation {
        Operation::Review
    }

    fn tenant(&self) -> Option<&str> {
        self.tenant.as_deref()
    }

    async fn answer(self, desk: &LocalDesk, access: &Access) -> Result<DecidedFindings, DeskError> {
        let mut records = bounds::records(&self.records)?.to_vec();
        records.sort();
        records.dedup();
        let decision = FindingDecision {
            code: &self.code,
            records: &records,
            state: self.state.into(),
            reason: bounds::reason(&self.reason)?,
            until: self.until,
        };
        let custodian = desk.resumed(access).await?;
        let record = custodian.recorder().decide(access, &decision).await?;
        desk.settle(&custodian).await?;
        Ok(DecidedFindings { findings: records.len() as u64, record })
    }
}

impl Ask for ListDecisions {
    type Answer = DecisionRows;
    const NAME: &'static str = "list-decisions";
    const SUMMARY: &'static str =
        "Lists decisions about findings, the newest first; about one record, if it is named";

    fn operation(&self) -> Operation {
        Operation::Read
    }

    fn tenant(&self) -> Option<&str> {
        self.tenant.as_deref()
    }

    async fn answer(self, desk: &LocalDesk, access: &Access) -> Result<DecisionRows, DeskError> {
        let query = EventQuery {
            kind: StatementKind::Finding,
            tenant: self.tenant,
            record: self.record,
            from: None,
            to: None,
            after: self.after,
            limit: self.limit,
        };
        // Records of this kind also state findings of auditors and of collectors: a page may have fewer decisions than it looks through.
        let (read, next) = query.page(desk, access).await?;
        Ok(DecisionRows { decisions: read.into_iter().filter_map(decision).collect(), next })
    }
}

/// A decision: from its record, or if that is not made yet, from the note of it.
pub(crate) async fn decided(desk: &LocalDesk, access: &Access, id: &RecordId) -> Result<Decision, DeskError> {
    let vault = desk.vault();
    let row = match vault.row(access, id).await {
        Err(VaultError::UnknownRecord(_)) => {
            let pending = vault.pending_decision(access, id).await?;
            return pending.map(Decision::from).ok_or_else(|| missing(id));
        }
        row => row?,
    };
    let read = read_facts(vault, access, vec![row], &Context::default()).await?;
    read.into_iter().next().and_then(decision).ok_or_else(|| missing(id))
}

fn missing(id: &RecordId) -> DeskError {
    DeskError::Vault(VaultError::Damaged(format!(
        "record {id} is no decision about a finding, and is named as one"
    )))
}

impl From<PendingDecision> for Decision {
    fn from(made: PendingDecision) -> Self {
        Self {
            record: made.record,
            entry: None,
            code: made.code,
            state: made.state.into(),
            by: made.by,
            at: made.at,
            reason: made.reason,
            until: made.until,
            records: made.records,
        }
    }
}

/// The decision that a record states; none if it states another finding.
fn decision(read: ReadRecord) -> Option<Decision> {
    let record = read.record?;
    let event = record.body.finding.value()?;
    Some(Decision {
        state: (*event.decision.value()?).into(),
        code: event.code.value()?.clone(),
        by: event.by.value().cloned().unwrap_or_default(),
        reason: event.reason.value().cloned().unwrap_or_default(),
        until: event.until.value().map(|until| until.as_millisecond()),
        records: event.records.value().cloned().unwrap_or_default(),
        at: read.row.started_at,
        entry: read.row.place.map(|place| place.index.get()),
        record: read.row.id,
    })
}
