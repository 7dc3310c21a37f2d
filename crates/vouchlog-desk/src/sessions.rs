//! A session: all that it has.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use vouchlog_grading::Context;
use vouchlog_note::{Checkpoint, ProofFile};
use vouchlog_record::{ConfigurationSubject, Facet, RecordId};
use vouchlog_stream::StatementKind;
use vouchlog_vault::{Access, Operation, Order, Query, learn, read_facts};

use crate::ask::{Ask, Desk};
use crate::bounds;
use crate::error::DeskError;
use crate::limits::{MAX_BESIDE, MAX_SESSION_RECORDS, PAGE_RECORDS};
use crate::local::LocalDesk;
use crate::reading::{OpenedRecord, ReasonForContent, first_page, open};

/// Records, the newest and the oldest, of which one has a receipt if any has.
const LOOKED_AT: usize = 100;

/// The records of a session, opened.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OpenSession {
    /// Whose it is.
    #[serde(default)]
    pub tenant: Option<String>,
    /// Its name.
    pub session: String,
    /// Also its content, and why.
    #[serde(default)]
    pub content: Option<ReasonForContent>,
    /// `next` of an earlier page.
    #[serde(default)]
    pub after: Option<String>,
}

/// A page of a session.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct SessionPage {
    /// Its records, the oldest first.
    pub records: Vec<OpenedRecord>,
    /// Give it as `after` for the next page; none after the last one.
    pub next: Option<String>,
    /// On the first page: losses that gateways declared, whichever session they fell into.
    pub losses: Vec<DeclaredLoss>,
    /// Entries of the registry of agents about those that the records name.
    pub registry: Vec<TaughtRecord>,
    /// On the first page: the name of the log that has the vault's records, if one of them has a receipt.
    pub log: Option<String>,
}

/// A loss that a gateway declared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeclaredLoss {
    /// The log's entry that declares it.
    pub entry: Option<u64>,
    /// Between this time
    #[schema(value_type = String)]
    pub from: Timestamp,
    /// and that.
    #[schema(value_type = String)]
    pub to: Timestamp,
    /// How many records, if that is known.
    pub count: Option<u64>,
    /// Why, as a code.
    pub cause: Option<String>,
}

/// A record that says something about others.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TaughtRecord {
    /// Its id.
    #[schema(value_type = String)]
    pub id: RecordId,
    /// What it says.
    #[schema(value_type = Object)]
    pub record: serde_json::Map<String, serde_json::Value>,
}

impl Ask for OpenSession {
    type Answer = SessionPage;
    const NAME: &'static str = "open-session";
    const SUMMARY: &'static str = "Opens the records of a session, page by page. The log records that content was read before it is answered";

    fn operation(&self) -> Operation {
        if self.content.is_some() { Operation::ReadContent } else { Operation::Read }
    }

    fn tenant(&self) -> Option<&str> {
        self.tenant.as_deref()
    }

    async fn answer(self, desk: &LocalDesk, access: &Access) -> Result<SessionPage, DeskError> {
        let vault = desk.vault();
        let query = Query {
            facets: vec![(Facet::Session, bounds::session(&self.session)?.to_owned())],
            tenant: self.tenant.clone(),
            after: bounds::place(self.after.as_deref())?,
            limit: PAGE_RECORDS,
            ..Query::default()
        };
        let rows = vault.find(access, &query).await?;
        if rows.is_empty() && self.after.is_none() {
            return Err(DeskError::UnknownSession(self.session));
        }
        let is_full = rows.len() == PAGE_RECORDS;
        let (rows, is_cut) = first_page(desk, access, rows).await?;
        let next = rows.last().filter(|_| is_full || is_cut).map(|row| row.cursor().to_string());
        let context = learn(vault, access).await?;
        let records = open(desk, access, rows, self.content.as_ref(), &context).await?;
        let mut page =
            SessionPage { registry: registry(desk, access, &records).await?, ..SessionPage::default() };
        if self.after.is_none() {
            page.losses = losses(desk, access).await?;
            page.log = log_of(desk, access).await?;
        }
        Ok(SessionPage { records, next, ..page })
    }
}

/// All pages of a session as one.
pub async fn whole_session(desk: &Desk, ask: OpenSession) -> Result<SessionPage, DeskError> {
    let mut whole = desk.ask(ask.clone()).await?;
    while let Some(after) = whole.next.take() {
        whole.extend(desk.ask(OpenSession { after: Some(after), ..ask.clone() }).await?);
        if whole.records.len() > MAX_SESSION_RECORDS {
            return Err(DeskError::Invalid(format!(
                "the session has more than {MAX_SESSION_RECORDS} records"
            )));
        }
    }
    Ok(whole)
}

impl SessionPage {
    /// Adds the page after it.
    pub fn extend(&mut self, page: Self) {
        self.records.extend(page.records);
        for taught in page.registry {
            if !self.registry.iter().any(|known| known.id == taught.id) {
                self.registry.push(taught);
            }
        }
        self.next = page.next;
    }
}

/// Losses that were declared.
async fn losses(desk: &LocalDesk, access: &Access) -> Result<Vec<DeclaredLoss>, DeskError> {
    let kinds = vec![StatementKind::DeclaredLoss];
    let query = Query { kinds, order: Order::NewestFirst, limit: MAX_BESIDE, ..Query::default() };
    let mut rows = desk.vault().find(access, &query).await?;
    rows.reverse();
    let read = read_facts(desk.vault(), access, rows, &Context::default()).await?;
    let loss = |read: vouchlog_vault::ReadRecord| {
        let record = read.record?;
        let declared = record.body.declared_loss.value()?;
        Some(DeclaredLoss {
            entry: read.row.place.map(|place| place.index.get()),
            from: *declared.from.value()?,
            to: *declared.to.value()?,
            count: declared.count.value().copied(),
            cause: declared.cause.value().cloned(),
        })
    };
    Ok(read.into_iter().filter_map(loss).collect())
}

/// What the registry of agents has of those that the records name.
async fn registry(
    desk: &LocalDesk,
    access: &Access,
    records: &[OpenedRecord],
) -> Result<Vec<TaughtRecord>, DeskError> {
    let agents: Vec<&str> = records
        .iter()
        .filter_map(|opened| opened.record.as_ref()?.get("workload")?.get("agent")?.get("id")?.as_str())
        .collect();
    let mut taught = Vec::new();
    if agents.is_empty() {
        return Ok(taught);
    }
    let query = Query { kinds: vec![StatementKind::Configuration], ..Query::default() };
    let mut pages = desk.vault().pages(access, query);
    while let Some(rows) = pages.next().await? {
        for read in read_facts(desk.vault(), access, rows, &Context::default()).await? {
            let Some(record) = read.record else { continue };
            let is_about = record.body.configuration.value().is_some_and(|configuration| {
                configuration.subject.value() == Some(&ConfigurationSubject::Agent)
                    && configuration.id.value().is_some_and(|id| agents.contains(&id.as_str()))
            });
            if is_about && taught.len() < MAX_BESIDE {
                taught.push(TaughtRecord { id: read.row.id, record: record.to_object() });
            }
        }
    }
    Ok(taught)
}

/// The log that a receipt of the vault names.
async fn log_of(desk: &LocalDesk, access: &Access) -> Result<Option<String>, DeskError> {
    for order in [Order::NewestFirst, Order::OldestFirst] {
        let query = Query { order, limit: LOOKED_AT, ..Query::default() };
        let rows = desk.vault().find(access, &query).await?;
        let Some(row) = rows.into_iter().find(|row| row.place.is_some()) else { continue };
        let proof = desk.vault().proof(access, &row.id).await?.unwrap_or_default();
        let malformed = |error: &dyn std::fmt::Display| DeskError::Answer(format!("a receipt: {error}"));
        let proof = ProofFile::parse(proof.as_bytes()).map_err(|error| malformed(&error))?;
        let checkpoint =
            Checkpoint::parse(proof.note().unverified_text()).map_err(|error| malformed(&error))?;
        return Ok(Some(checkpoint.origin().to_string()));
    }
    Ok(None)
}
