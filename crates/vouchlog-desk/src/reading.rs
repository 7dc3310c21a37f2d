//! Finding records and reading one; renewing receipts.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use vouchlog::Policy;
use vouchlog::custody::CustodyError;
use vouchlog_grading::{Context, Grade};
use vouchlog_note::limits::MAX_POLICY_BYTES;
use vouchlog_record::{Record, RecordId};
use vouchlog_vault::{Access, Operation, Order, Query, ReadRecord, Row, learn, read_facts};

use crate::ask::Ask;
use crate::bounds;
use crate::error::DeskError;
use crate::limits::{PAGE_BYTES, PAGE_ROWS};
use crate::local::LocalDesk;
use crate::row::{FacetValue, RecordRow};

/// How long renewing receipts waits for the log.
const RENEWAL_PATIENCE: Duration = Duration::from_secs(20);

/// Records by what they are about.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FindRecords {
    /// Whose records; without it, all that the caller has access to.
    #[serde(default)]
    pub tenant: Option<String>,
    /// All of them must match.
    #[serde(default)]
    pub facets: Vec<FacetValue>,
    /// Names of kinds; none is every kind.
    #[serde(default)]
    pub kinds: Vec<String>,
    /// Started at this time or later, in milliseconds since 1970-01-01 UTC.
    #[serde(default)]
    pub from: Option<i64>,
    /// Started before this time.
    #[serde(default)]
    pub to: Option<i64>,
    /// Newest first.
    #[serde(default)]
    pub newest: bool,
    /// The cursor of the last row of an earlier page.
    #[serde(default)]
    pub after: Option<String>,
    /// At most so many; 1,000 and more is 1,000.
    #[serde(default)]
    pub limit: Option<usize>,
}

/// A page of records.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FoundRecords {
    /// In the order asked for.
    pub records: Vec<RecordRow>,
    /// Give it as `after` for the next page; none after the last one.
    pub next: Option<String>,
}

impl Ask for FindRecords {
    type Answer = FoundRecords;
    const NAME: &'static str = "find-records";
    const SUMMARY: &'static str = "Finds records by the values of their fields. Nothing is opened";

    fn operation(&self) -> Operation {
        Operation::Read
    }

    fn tenant(&self) -> Option<&str> {
        self.tenant.as_deref()
    }

    async fn answer(self, desk: &LocalDesk, access: &Access) -> Result<FoundRecords, DeskError> {
        let vault = desk.vault();
        let facets = desk.facets(access, self.facets).await?;
        let limit = self.limit.unwrap_or(PAGE_ROWS).min(PAGE_ROWS);
        let query = Query {
            facets,
            tenant: self.tenant,
            kinds: bounds::kinds(&self.kinds)?,
            from: self.from,
            to: self.to,
            order: if self.newest { Order::NewestFirst } else { Order::OldestFirst },
            after: bounds::place(self.after.as_deref())?,
            limit,
        };
        let rows = vault.find(access, &query).await?;
        let next = bounds::next(&rows, limit, Row::cursor);
        Ok(FoundRecords { records: rows.iter().map(RecordRow::from).collect(), next })
    }
}

/// Why content is read. That it is, by whom and why, is on record before any of it is given out.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReasonForContent {
    /// The case or the request.
    pub basis: String,
}

/// A record that was opened.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct OpenedRecord {
    /// What is known of it without opening it.
    pub row: RecordRow,
    /// What it says; none if it was erased. Content that was not asked for is redacted.
    #[schema(value_type = Option<Object>)]
    pub record: Option<serde_json::Map<String, serde_json::Value>>,
    /// What it holds, judged by what the vault knows today.
    #[schema(value_type = Option<Object>)]
    pub grade: Option<Grade>,
    /// The proof that the log has it (C2SP tlog-proof).
    pub proof: Option<String>,
}

impl OpenedRecord {
    fn of(read: ReadRecord, proof: Option<String>) -> Self {
        let ReadRecord { row, record, grade } = read;
        let record = record.map(|record| record.to_object());
        Self { row: RecordRow::from(&row), record, grade, proof }
    }

    /// The record, read again.
    ///
    /// # Errors
    /// What another process sent is no record.
    pub fn record(&self) -> Result<Option<Record>, DeskError> {
        let Some(object) = &self.record else { return Ok(None) };
        let read = Record::from_value(serde_json::Value::Object(object.clone()));
        let read = read.map_err(|error| DeskError::Answer(format!("record {}: {error}", self.row.id)))?;
        Ok(Some(read.record))
    }
}

/// Opens rows: their facts, or with a reason their content, too.
pub(crate) async fn open(
    desk: &LocalDesk,
    access: &Access,
    rows: Vec<Row>,
    content: Option<&ReasonForContent>,
    context: &Context,
) -> Result<Vec<OpenedRecord>, DeskError> {
    let read = match content {
        None => read_facts(desk.vault(), access, rows, context).await?,
        Some(ReasonForContent { basis }) => {
            let custodian = desk.custodian(access).await?;
            let read = custodian.recorder().read_content(access, rows, bounds::reason(basis)?).await?;
            desk.settle(&custodian).await?;
            read
        }
    };
    let ids: Vec<RecordId> = read.iter().map(|read| read.row.id.clone()).collect();
    let mut proofs = desk.vault().proofs(access, &ids).await?;
    let opened = |read: ReadRecord| {
        let proof = proofs.remove(&read.row.id);
        OpenedRecord::of(read, proof)
    };
    Ok(read.into_iter().map(opened).collect())
}

/// The first of some rows, as many as are opened at a time.
pub(crate) async fn first_page(
    desk: &LocalDesk,
    access: &Access,
    mut rows: Vec<Row>,
) -> Result<(Vec<Row>, bool), DeskError> {
    let ids: Vec<RecordId> = rows.iter().map(|row| row.id.clone()).collect();
    let sizes = desk.vault().sealed_bytes(access, &ids).await?;
    let mut bytes = 0;
    let fit = rows.iter().take_while(|row| {
        bytes += sizes.get(&row.id).copied().unwrap_or_default();
        bytes <= PAGE_BYTES
    });
    let fit = fit.count().max(1).min(rows.len());
    let is_cut = fit < rows.len();
    rows.truncate(fit);
    Ok((rows, is_cut))
}

/// One record.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ShowRecord {
    /// Whose it is; without it, any that the caller has access to.
    #[serde(default)]
    pub tenant: Option<String>,
    /// Its id.
    #[schema(value_type = String)]
    pub record: RecordId,
    /// Also its content, and why.
    #[serde(default)]
    pub content: Option<ReasonForContent>,
}

impl Ask for ShowRecord {
    type Answer = OpenedRecord;
    const NAME: &'static str = "show-record";
    const SUMMARY: &'static str =
        "Opens one record. The log records that its content was read before it is answered";

    fn operation(&self) -> Operation {
        if self.content.is_some() { Operation::ReadContent } else { Operation::Read }
    }

    fn tenant(&self) -> Option<&str> {
        self.tenant.as_deref()
    }

    async fn answer(self, desk: &LocalDesk, access: &Access) -> Result<OpenedRecord, DeskError> {
        let row = desk.vault().row(access, &self.record).await?;
        let context = learn(desk.vault(), access).await?;
        let mut opened = open(desk, access, vec![row], self.content.as_ref(), &context).await?;
        opened.pop().ok_or_else(|| DeskError::Answer("one record was read, and none came back".to_owned()))
    }
}

/// Has receipts replaced by proofs under the newest checkpoint that the log publishes, if that satisfies a policy.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RenewReceipts {
    /// Whose records.
    #[serde(default)]
    pub tenant: Option<String>,
    /// Which.
    #[schema(value_type = Vec<String>)]
    pub records: Vec<RecordId>,
    /// The policy (C2SP tlog-policy), as text.
    pub policy: String,
}

/// The receipts that were renewed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RenewedReceipts {
    /// The new proof files by the ids of their records.
    pub proofs: BTreeMap<String, String>,
    /// Why there are none.
    pub why_not: Option<String>,
}

impl Ask for RenewReceipts {
    type Answer = RenewedReceipts;
    const NAME: &'static str = "renew-receipts";
    const SUMMARY: &'static str =
        "Renews the receipts of records under the newest cosigned checkpoint of the log";

    fn operation(&self) -> Operation {
        Operation::Read
    }

    fn tenant(&self) -> Option<&str> {
        self.tenant.as_deref()
    }

    async fn answer(self, desk: &LocalDesk, access: &Access) -> Result<RenewedReceipts, DeskError> {
        let not = |why: String| Ok(RenewedReceipts { why_not: Some(why), ..RenewedReceipts::default() });
        if self.policy.len() > MAX_POLICY_BYTES {
            return Err(DeskError::Invalid(format!("a policy has at most {MAX_POLICY_BYTES} bytes")));
        }
        let policy = Policy::parse(self.policy.as_bytes())
            .map_err(|error| DeskError::Invalid(format!("the policy: {error}")))?;
        let Some(renewer) = desk.renewer(access)? else {
            return not("the log was not named (--log)".to_owned());
        };
        let mut rows = Vec::new();
        for id in bounds::records(&self.records)? {
            rows.push(desk.vault().row(access, id).await?);
        }
        let renewing = async {
            if !renewer.is_worthwhile(Some(&policy)).await? {
                return Ok(None);
            }
            renewer.renew(&rows).await.map(Some)
        };
        match tokio::time::timeout(RENEWAL_PATIENCE, renewing).await {
            Err(_) => not(format!("the log did not respond within {} s", RENEWAL_PATIENCE.as_secs())),
            // A report must not pass over that.
            Ok(Err(error)) if is_contradiction(&error) => Err(error.into()),
            Ok(Err(error)) => not(error.to_string()),
            Ok(Ok(None)) => {
                not("the newest checkpoint that the log publishes does not satisfy the policy".to_owned())
            }
            Ok(Ok(Some(renewed))) => {
                let proofs = renewed.into_iter().map(|(id, proof)| (id.as_str().to_owned(), proof)).collect();
                Ok(RenewedReceipts { proofs, why_not: None })
            }
        }
    }
}

/// Whether the log contradicts what the receipts show.
fn is_contradiction(error: &CustodyError) -> bool {
    match error {
        CustodyError::OtherEntry(_) => true,
        CustodyError::Verify(error) => error.is_finding(),
        _ => false,
    }
}
