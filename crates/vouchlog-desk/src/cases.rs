//! Cases: sessions, holds, notes and disclosures under a name, with an owner. Whatever is done to one is a record in the log; it takes the
//! role `review`.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use vouchlog_grading::Context;
use vouchlog_record::{CaseAction as Recorded, RecordId};
use vouchlog_stream::StatementKind;
use vouchlog_vault::limits::MAX_CASE_ENTRIES;
use vouchlog_vault::{
    Access, CaseChange, CaseItem as Item, CaseQuery, CaseStep, CaseSummary, Facet, Operation, Order, Query,
    ReadRecord, VaultError, read_facts,
};

use crate::ask::Ask;
use crate::bounds;
use crate::error::DeskError;
use crate::local::LocalDesk;

/// Whether a case takes more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CaseState {
    /// It does.
    #[default]
    Open,
    /// It was closed.
    Closed,
}

/// What is added to a case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CaseItem {
    /// A session, by its name.
    Session(String),
    /// A legal hold, by its name.
    Hold(String),
    /// The record of a disclosure: what was exported.
    Disclosure(String),
}

/// Opens a case.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OpenCase {
    /// Whose sessions it is about.
    #[serde(default)]
    pub tenant: Option<String>,
    /// Its name, which no other case of the tenant has. It must not name a person.
    pub case: String,
    /// The person or team that it is with; without it, the caller.
    #[serde(default)]
    pub owner: Option<String>,
    /// Why it is opened, as the log records it. It must not name a person.
    pub reason: String,
}

/// Adds a session, a hold or a disclosure to a case.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AddToCase {
    /// Whose case it is.
    #[serde(default)]
    pub tenant: Option<String>,
    /// The name of the case.
    pub case: String,
    /// What is added. The tenant must have it.
    pub item: CaseItem,
    /// Why, as the log records it.
    pub reason: String,
}

/// Writes a note to a case.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NoteCase {
    /// Whose case it is.
    #[serde(default)]
    pub tenant: Option<String>,
    /// The name of the case.
    pub case: String,
    /// The note, as the log records it: one line, which must not name a person.
    pub note: String,
}

/// Closes a case: it takes nothing more.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CloseCase {
    /// Whose case it is.
    #[serde(default)]
    pub tenant: Option<String>,
    /// The name of the case.
    pub case: String,
    /// Why, as the log records it: the outcome.
    pub reason: String,
}

/// That something was done to a case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ChangedCase {
    /// The name of the case.
    pub case: String,
    /// The record of what was done.
    #[schema(value_type = String)]
    pub record: RecordId,
}

/// The cases, those first to which something was done last.
#[derive(Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ListCases {
    /// Whose; without it, of all tenants that the caller has access to.
    #[serde(default)]
    pub tenant: Option<String>,
    /// Only those in this state.
    #[serde(default)]
    pub state: Option<CaseState>,
    /// Only those to which this session was added.
    #[serde(default)]
    pub session: Option<String>,
    /// `next` of an earlier page.
    #[serde(default)]
    pub after: Option<String>,
    /// At most this many, 50 without it; 200 and more is 200.
    #[serde(default)]
    pub limit: Option<usize>,
}

/// A page of cases.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CaseRows {
    /// The cases.
    pub cases: Vec<CaseRow>,
    /// Give it as `after` for the next page; none after the last one.
    pub next: Option<String>,
}

/// A case. Times are milliseconds since 1970-01-01 UTC.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CaseRow {
    /// Its name.
    pub case: String,
    /// Whose it is.
    pub tenant: String,
    /// The person or team that it is with.
    pub owner: String,
    /// Whether it takes more.
    pub state: CaseState,
    /// When it was opened.
    pub opened: i64,
    /// When something was last done.
    pub changed: i64,
    /// How many records it has: each is something that was done.
    pub records: u64,
}

/// One case, and what was done.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ShowCase {
    /// Whose it is; without it, of the tenant that has it, if only one has.
    #[serde(default)]
    pub tenant: Option<String>,
    /// Its name.
    pub case: String,
}

/// One case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Case {
    /// What a list shows of it.
    pub row: CaseRow,
    /// What was done, in order.
    pub entries: Vec<CaseEntry>,
}

/// Something that was done to a case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CaseEntry {
    /// The record of it.
    #[schema(value_type = String)]
    pub record: RecordId,
    /// The log's entry of that record, once there is one.
    pub entry: Option<u64>,
    /// What was done: `opened`, `added`, `noted` or `closed`.
    pub action: String,
    /// What was added.
    pub item: Option<CaseItem>,
    /// By whom.
    pub by: String,
    /// The reason, or the note.
    pub text: String,
    /// When, in milliseconds since 1970-01-01 UTC.
    pub at: i64,
}

/// An ask that does something to a case.
trait Change {
    fn change(&self, access: &Access) -> Result<CaseChange<'_>, DeskError>;
}

impl Change for OpenCase {
    fn change(&self, access: &Access) -> Result<CaseChange<'_>, DeskError> {
        let owner = self.owner.as_deref().unwrap_or(access.name());
        Ok(CaseChange { case: &self.case, done: CaseStep::Opened(owner.to_owned()), text: &self.reason })
    }
}

impl Change for AddToCase {
    fn change(&self, _: &Access) -> Result<CaseChange<'_>, DeskError> {
        Ok(CaseChange { case: &self.case, done: CaseStep::Added(self.item.of_vault()?), text: &self.reason })
    }
}

impl Change for NoteCase {
    fn change(&self, _: &Access) -> Result<CaseChange<'_>, DeskError> {
        Ok(CaseChange { case: &self.case, done: CaseStep::Noted, text: &self.note })
    }
}

impl Change for CloseCase {
    fn change(&self, _: &Access) -> Result<CaseChange<'_>, DeskError> {
        Ok(CaseChange { case: &self.case, done: CaseStep::Closed, text: &self.reason })
    }
}

macro_rules! changes {
    ($ask:ident, $name:literal, $summary:literal) => {
        impl Ask for $ask {
            type Answer = ChangedCase;
            const NAME: &'static str = $name;
            const SUMMARY: &'static str = $summary;

            fn operation(&self) -> Operation {
                Operation::Review
            }

            fn tenant(&self) -> Option<&str> {
                self.tenant.as_deref()
            }

            async fn answer(self, desk: &LocalDesk, access: &Access) -> Result<ChangedCase, DeskError> {
                carried_out(desk, access, &self.change(access)?).await
            }
        }
    };
}

changes!(
    OpenCase,
    "open-case",
    "Opens a case, under which sessions, holds, notes and disclosures are grouped; the log records it"
);
changes!(
    AddToCase,
    "add-to-case",
    "Adds a session, a legal hold or a disclosure to a case; the log records it"
);
changes!(NoteCase, "note-case", "Writes a note to a case; the log records it");
changes!(CloseCase, "close-case", "Closes a case, which takes nothing more; the log records it");

async fn carried_out(
    desk: &LocalDesk,
    access: &Access,
    change: &CaseChange<'_>,
) -> Result<ChangedCase, DeskError> {
    bounds::reason(change.text)?;
    let custodian = desk.resumed(access).await?;
    let record = custodian.recorder().change_case(access, change).await?;
    desk.settle(&custodian).await?;
    Ok(ChangedCase { case: change.case.to_owned(), record })
}

impl Ask for ListCases {
    type Answer = CaseRows;
    const NAME: &'static str = "list-cases";
    const SUMMARY: &'static str = "Lists the cases, those first to which something was done last";

    fn operation(&self) -> Operation {
        Operation::Read
    }

    fn tenant(&self) -> Option<&str> {
        self.tenant.as_deref()
    }

    async fn answer(self, desk: &LocalDesk, access: &Access) -> Result<CaseRows, DeskError> {
        let limit = bounds::listed(self.limit)?;
        let query = CaseQuery {
            tenant: self.tenant,
            state: self.state.map(Into::into),
            session: self.session.as_deref().map(bounds::session).transpose()?.map(str::to_owned),
            after: bounds::place(self.after.as_deref())?,
            limit,
        };
        let found = desk.vault().cases(access, &query).await?;
        let next = bounds::next(&found, limit, CaseSummary::cursor);
        Ok(CaseRows { cases: found.into_iter().map(CaseRow::from).collect(), next })
    }
}

impl Ask for ShowCase {
    type Answer = Case;
    const NAME: &'static str = "show-case";
    const SUMMARY: &'static str =
        "Shows a case: who opened it, what was added, the notes, and how it was closed";

    fn operation(&self) -> Operation {
        Operation::Read
    }

    fn tenant(&self) -> Option<&str> {
        self.tenant.as_deref()
    }

    async fn answer(self, desk: &LocalDesk, access: &Access) -> Result<Case, DeskError> {
        let vault = desk.vault();
        let mut found = vault.case(access, self.tenant.as_deref(), &self.case).await?;
        let case = found.pop().ok_or_else(|| VaultError::UnknownCase(self.case.clone()))?;
        if !found.is_empty() {
            return Err(DeskError::Invalid(
                "several tenants have a case of this name: name the tenant".to_owned(),
            ));
        }
        let row = CaseRow::from(case);
        let access = &access.of_tenant(&row.tenant)?;
        let mut pages = vault.pages(
            access,
            Query {
                facets: vec![(Facet::Case, row.case.clone())],
                tenant: Some(row.tenant.clone()),
                kinds: vec![StatementKind::Finding],
                order: Order::OldestFirst,
                ..Query::default()
            },
        );
        // What is noted and not on record is read first: what gets its record meanwhile is then there twice, and never missing.
        let pending = vault.pending_case_entries(access, &row.tenant).await?;
        let mut entries = Vec::new();
        while entries.len() < MAX_CASE_ENTRIES {
            let Some(rows) = pages.next().await? else { break };
            let read = read_facts(vault, access, rows, &Context::default()).await?;
            entries.extend(read.into_iter().filter_map(CaseEntry::of));
        }
        for (record, entry) in pending {
            if entry.case == row.case && !entries.iter().any(|known: &CaseEntry| known.record == record) {
                entries.push(CaseEntry::pending(record, entry));
            }
        }
        // The records decide, whatever the database has.
        let is_closed = entries.iter().any(|entry| entry.action == "closed");
        let state = if is_closed { CaseState::Closed } else { row.state };
        Ok(Case { row: CaseRow { state, ..row }, entries })
    }
}

impl CaseEntry {
    /// What the record of it states; none if it states something else.
    fn of(read: ReadRecord) -> Option<Self> {
        let record = read.record?;
        let finding = record.body.finding.value()?;
        let case = finding.case.value()?;
        let session = case.session.value().map(|session| CaseItem::Session(session.clone()));
        let hold = || case.hold.value().map(|hold| CaseItem::Hold(hold.clone()));
        let disclosure =
            || case.disclosure.value().map(|record| CaseItem::Disclosure(record.as_str().to_owned()));
        let action = match case.action.value()? {
            Recorded::Opened => "opened",
            Recorded::Added => "added",
            Recorded::Noted => "noted",
            Recorded::Closed => "closed",
        };
        Some(Self {
            action: action.to_owned(),
            item: session.or_else(hold).or_else(disclosure),
            by: finding.by.value().cloned().unwrap_or_default(),
            text: finding.reason.value().cloned().unwrap_or_default(),
            at: read.row.started_at,
            entry: read.row.place.map(|place| place.index.get()),
            record: read.row.id,
        })
    }

    fn pending(record: RecordId, entry: vouchlog_vault::CaseEntry) -> Self {
        let (action, item) = match entry.done {
            CaseStep::Opened(_) => ("opened", None),
            CaseStep::Added(item) => ("added", Some(item.into())),
            CaseStep::Noted => ("noted", None),
            CaseStep::Closed => ("closed", None),
        };
        Self {
            record,
            entry: None,
            action: action.to_owned(),
            item,
            by: entry.by,
            text: entry.text,
            at: entry.at,
        }
    }
}

impl From<CaseSummary> for CaseRow {
    fn from(case: CaseSummary) -> Self {
        let state = match case.state {
            vouchlog_vault::CaseState::Open => CaseState::Open,
            vouchlog_vault::CaseState::Closed => CaseState::Closed,
        };
        Self {
            case: case.name,
            tenant: case.tenant,
            owner: case.owner,
            state,
            opened: case.opened_at,
            changed: case.changed_at,
            records: case.entries,
        }
    }
}

impl From<CaseState> for vouchlog_vault::CaseState {
    fn from(state: CaseState) -> Self {
        match state {
            CaseState::Open => Self::Open,
            CaseState::Closed => Self::Closed,
        }
    }
}

impl CaseItem {
    fn of_vault(&self) -> Result<Item, DeskError> {
        let malformed = |_| DeskError::Invalid("this cannot be the id of a record".to_owned());
        Ok(match self.clone() {
            Self::Session(name) => Item::Session(name),
            Self::Hold(name) => Item::Hold(name),
            Self::Disclosure(record) => Item::Disclosure(RecordId::new(&record).map_err(malformed)?),
        })
    }
}

impl From<Item> for CaseItem {
    fn from(item: Item) -> Self {
        match item {
            Item::Session(name) => Self::Session(name),
            Item::Hold(name) => Self::Hold(name),
            Item::Disclosure(record) => Self::Disclosure(record.as_str().to_owned()),
        }
    }
}
