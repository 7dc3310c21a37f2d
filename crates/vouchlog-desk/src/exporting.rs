//! Exports: records, sessions, findings and disclosures as CSV, JSON lines, or events of the Open Cybersecurity Schema Framework, page
//! by page.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;
use vouchlog_note::{Checkpoint, ProofFile};
use vouchlog_record::RecordId;
use vouchlog_vault::{Access, Operation, Query, learn};

use crate::ask::Ask;
use crate::bounds;
use crate::decisions::FindingState;
use crate::disclosures::ListDisclosures;
use crate::error::DeskError;
use crate::findings::ListFindings;
use crate::limits::PAGE_RECORDS;
use crate::listing::ListSessions;
use crate::local::LocalDesk;
use crate::reading::{OpenedRecord, ReasonForContent, first_page, open};
use crate::row::FacetValue;

mod csv;
mod ocsf;

/// What is exported.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ExportedThing {
    /// Records, each with what was found in it.
    #[default]
    Records,
    /// Sessions, as they are listed.
    Sessions,
    /// Findings in one state.
    Findings,
    /// Disclosures.
    Disclosures,
}

/// The form of an export.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ExportFormat {
    /// Comma-separated values (RFC 4180), with a line of names on the first page.
    #[default]
    Csv,
    /// One JSON object on each line.
    JsonLines,
    /// One OCSF event on each line, each with the origin of the log and the index of its entry. For records and findings.
    Ocsf,
}

/// A page of an export. Records are in the order in which they started, the oldest first; everything else is the newest first.
#[derive(Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Export {
    /// Whose records; without it, all that the caller has access to.
    #[serde(default)]
    pub tenant: Option<String>,
    /// What is exported.
    #[serde(default)]
    pub what: ExportedThing,
    /// The form.
    #[serde(default)]
    pub format: ExportFormat,
    /// All of these must match; disclosures have none.
    #[serde(default)]
    pub facets: Vec<FacetValue>,
    /// Started at this time or later, in milliseconds since 1970-01-01 UTC.
    #[serde(default)]
    pub from: Option<i64>,
    /// Started before this time.
    #[serde(default)]
    pub to: Option<i64>,
    /// Of findings: in this state.
    #[serde(default)]
    pub state: FindingState,
    /// Of records as JSON lines: also their content, and why.
    #[serde(default)]
    pub content: Option<ReasonForContent>,
    /// `next` of an earlier page.
    #[serde(default)]
    pub after: Option<String>,
}

/// A page of an export.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ExportPage {
    /// The lines, each with its end.
    pub text: String,
    /// How many things they are.
    pub count: u64,
    /// Give it as `after` for the next page; none after the last one.
    pub next: Option<String>,
}

/// A record to export, and the log that has it.
struct ExportedRecord {
    opened: OpenedRecord,
    log: Option<String>,
}

impl Ask for Export {
    type Answer = ExportPage;
    const NAME: &'static str = "export";
    const SUMMARY: &'static str =
        "Exports records, sessions, findings or disclosures as CSV, JSON lines or OCSF events, page by page";

    fn operation(&self) -> Operation {
        if self.content.is_some() { Operation::ReadContent } else { Operation::Read }
    }

    fn tenant(&self) -> Option<&str> {
        self.tenant.as_deref()
    }

    async fn answer(self, desk: &LocalDesk, access: &Access) -> Result<ExportPage, DeskError> {
        let refused = |why: &str| Err(DeskError::Invalid(why.to_owned()));
        let is_of_records = self.what == ExportedThing::Records;
        if self.content.is_some() && !(is_of_records && self.format == ExportFormat::JsonLines) {
            return refused("content is exported with records as JSON lines only");
        }
        if self.state != FindingState::Open && self.what != ExportedThing::Findings {
            return refused("only findings have a state");
        }
        match (self.what, self.format) {
            (ExportedThing::Sessions | ExportedThing::Disclosures, ExportFormat::Ocsf) => {
                refused("only records and findings are exported as OCSF events")
            }
            (ExportedThing::Records, _) => self.records(desk, access).await,
            (ExportedThing::Sessions, _) => self.sessions(desk, access).await,
            (ExportedThing::Findings, _) => self.findings(desk, access).await,
            (ExportedThing::Disclosures, _) if !self.facets.is_empty() => {
                refused("disclosures are not found by facets: name a time")
            }
            (ExportedThing::Disclosures, _) => self.disclosures(desk, access).await,
        }
    }
}

impl Export {
    async fn records(self, desk: &LocalDesk, access: &Access) -> Result<ExportPage, DeskError> {
        let query = Query {
            facets: desk.facets(access, self.facets).await?,
            tenant: self.tenant,
            from: self.from,
            to: self.to,
            after: bounds::place(self.after.as_deref())?,
            limit: PAGE_RECORDS,
            ..Query::default()
        };
        let rows = desk.vault().find(access, &query).await?;
        let is_full = rows.len() == PAGE_RECORDS;
        let (rows, is_cut) = first_page(desk, access, rows).await?;
        let next = rows.last().filter(|_| is_full || is_cut).map(|row| row.cursor().to_string());
        let context = learn(desk.vault(), access).await?;
        let opened = open(desk, access, rows, self.content.as_ref(), &context).await?;
        let mut records = Vec::with_capacity(opened.len());
        for opened in opened {
            let log = opened.proof.as_deref().map(log_of).transpose()?;
            records.push(ExportedRecord { opened, log });
        }
        let lines: Vec<String> = match self.format {
            ExportFormat::Csv => records.iter().map(csv::of_record).collect(),
            ExportFormat::JsonLines => records.iter().map(|record| line(&as_json(record))).collect(),
            ExportFormat::Ocsf => records.iter().map(|record| line(&ocsf::of_record(record))).collect(),
        };
        Ok(page(self.format, self.after.is_none(), csv::RECORD, lines, next))
    }

    async fn sessions(self, desk: &LocalDesk, access: &Access) -> Result<ExportPage, DeskError> {
        let is_first = self.after.is_none();
        let ask = ListSessions {
            tenant: self.tenant,
            facets: self.facets,
            from: self.from,
            to: self.to,
            after: self.after,
            limit: Some(usize::MAX),
        };
        let listed = ask.answer(desk, access).await?;
        let lines = match self.format {
            ExportFormat::Csv => listed.sessions.iter().map(csv::of_session).collect(),
            _ => listed.sessions.iter().map(|row| line(&json!(row))).collect(),
        };
        Ok(page(self.format, is_first, csv::SESSION, lines, listed.next))
    }

    async fn findings(self, desk: &LocalDesk, access: &Access) -> Result<ExportPage, DeskError> {
        let is_first = self.after.is_none();
        let ask = ListFindings {
            tenant: self.tenant,
            state: self.state,
            facets: self.facets,
            from: self.from,
            to: self.to,
            after: self.after,
            limit: Some(usize::MAX),
            ..ListFindings::default()
        };
        let listed = ask.answer(desk, access).await?;
        let mut lines = Vec::with_capacity(listed.findings.len());
        let logs = logs_of(desk, access, listed.findings.iter().map(|row| &row.record)).await?;
        for row in &listed.findings {
            let log = logs.get(&row.record).cloned();
            lines.push(match self.format {
                ExportFormat::Csv => csv::of_finding(row, log.as_deref()),
                ExportFormat::JsonLines => line(&with_log(json!(row), log)),
                ExportFormat::Ocsf => line(&ocsf::of_finding(row, log.as_deref())),
            });
        }
        Ok(page(self.format, is_first, csv::FINDING, lines, listed.next))
    }

    async fn disclosures(self, desk: &LocalDesk, access: &Access) -> Result<ExportPage, DeskError> {
        let is_first = self.after.is_none();
        let ask = ListDisclosures {
            tenant: self.tenant,
            from: self.from,
            to: self.to,
            after: self.after,
            limit: Some(usize::MAX),
            record: None,
        };
        let listed = ask.answer(desk, access).await?;
        let mut lines = Vec::with_capacity(listed.disclosures.len());
        let logs = logs_of(desk, access, listed.disclosures.iter().map(|row| &row.record)).await?;
        for row in &listed.disclosures {
            let log = logs.get(&row.record).cloned();
            lines.push(match self.format {
                ExportFormat::Csv => csv::of_disclosure(row, log.as_deref()),
                _ => line(&with_log(json!(row), log)),
            });
        }
        Ok(page(self.format, is_first, csv::DISCLOSURE, lines, listed.next))
    }
}

fn page(
    format: ExportFormat,
    is_first: bool,
    names: &[&str],
    lines: Vec<String>,
    next: Option<String>,
) -> ExportPage {
    let count = lines.len() as u64;
    let head = (format == ExportFormat::Csv && is_first).then(|| csv::line(names.iter().copied()));
    ExportPage { text: head.into_iter().chain(lines).collect(), count, next }
}

fn line(value: &Value) -> String {
    format!("{value}\n")
}

/// The origin of the log that a receipt is of.
fn log_of(proof: &str) -> Result<String, DeskError> {
    let malformed = |error: &dyn std::fmt::Display| DeskError::Answer(format!("a receipt: {error}"));
    let proof = ProofFile::parse(proof.as_bytes()).map_err(|error| malformed(&error))?;
    let checkpoint = Checkpoint::parse(proof.note().unverified_text()).map_err(|error| malformed(&error))?;
    Ok(checkpoint.origin().to_string())
}

/// The origins of the logs that have these records, by record.
async fn logs_of<'a>(
    desk: &LocalDesk,
    access: &Access,
    records: impl Iterator<Item = &'a RecordId>,
) -> Result<HashMap<RecordId, String>, DeskError> {
    let records: Vec<RecordId> = records.cloned().collect();
    let proofs = desk.vault().proofs(access, &records).await?;
    proofs.into_iter().map(|(record, proof)| Ok((record, log_of(&proof)?))).collect()
}

fn with_log(mut value: Value, log: Option<String>) -> Value {
    if let Some(object) = value.as_object_mut() {
        object.insert("log".to_owned(), log.into());
    }
    value
}

fn as_json(record: &ExportedRecord) -> Value {
    let ExportedRecord { opened, log } = record;
    json!({ "row": opened.row, "log": log, "record": opened.record, "grade": opened.grade })
}
