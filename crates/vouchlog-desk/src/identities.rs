//! People, agents, credentials and whatever else records are found by: which there are, since when each is used, and with what.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use vouchlog_grading::Context;
use vouchlog_record::{ConfigurationSubject, Field};
use vouchlog_stream::StatementKind;
use vouchlog_vault::{
    Access, Facet, IdentityQuery, IdentitySummary, IdentityUse, Operation, Order, Query, ReadRecord,
    read_facts,
};

use crate::ask::Ask;
use crate::bounds;
use crate::error::DeskError;
use crate::limits::{SHOWN_ENTRIES, SHOWN_USES};
use crate::local::LocalDesk;
use crate::row::FacetValue;

/// The values of one facet: those that came to the vault last are first.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ListIdentities {
    /// Whose records; without it, all that the caller has access to.
    #[serde(default)]
    pub tenant: Option<String>,
    /// The facet: `initiator`, `agent`, `workload`, `credential`, `tool`, `model`, `data-class`, `scope`, `issuer`, `gateway` or
    /// `service`.
    pub facet: String,
    /// `next` of an earlier page.
    #[serde(default)]
    pub after: Option<String>,
    /// At most this many, 50 without it; 200 and more is 200.
    #[serde(default)]
    pub limit: Option<usize>,
}

/// A page of identities.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct IdentityRows {
    /// The identities.
    pub identities: Vec<IdentityRow>,
    /// Give it as `after` for the next page; none after the last one.
    pub next: Option<String>,
}

/// A person, an agent, a credential or another value of a facet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct IdentityRow {
    /// The value, such as the id of an agent.
    pub value: String,
    /// Whose it is.
    pub tenant: String,
    /// When the first record with it started.
    pub first: i64,
    /// When the last record with it started.
    pub last: i64,
    /// Records with it.
    pub records: u64,
    /// Sessions with it.
    pub sessions: u64,
}

/// One person, agent or credential. Its sessions are those that `list-sessions` has for the same facet.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ShowIdentity {
    /// Whose records; without it, those of the tenant that has it, if only one has.
    #[serde(default)]
    pub tenant: Option<String>,
    /// The facet, as of `list-identities`.
    pub facet: String,
    /// The value.
    pub value: String,
}

/// One person, agent or credential, and what it was used with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Identity {
    /// The facet.
    pub facet: String,
    /// What is known of it.
    pub identity: IdentityRow,
    /// How many records, the newest ones, `with` is counted from. If it is fewer than all records, first uses may be earlier.
    pub counted: u64,
    /// What it was used with, by facet: people, agents, workloads, credentials, tools, models, classes of data, issuers, and scopes.
    /// Scopes with their first and last use show whether what it may do grew. The value of `verdict` is a policy's verdict, or
    /// `question:answer`.
    pub with: Vec<UsedWith>,
    /// Of an agent: its entries in the registry of agents, the newest first.
    pub registry: Vec<RegisteredAgentRow>,
}

/// Values of one facet that an identity was used with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UsedWith {
    /// The facet.
    pub facet: String,
    /// Its values, those used last first; 50 at most.
    pub values: Vec<UsedValue>,
    /// How many values there are.
    pub total: u64,
}

/// A value that an identity was used with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UsedValue {
    /// The value.
    pub value: String,
    /// When the first record with both started.
    pub first: i64,
    /// When the last record with both started.
    pub last: i64,
    /// Records with both.
    pub records: u64,
}

/// An entry of the registry of agents.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RegisteredAgentRow {
    /// Its name.
    pub name: Option<String>,
    /// The person or team that runs it.
    pub owner: Option<String>,
    /// The person accountable for it.
    pub sponsor: Option<String>,
    /// When it was put into service, in milliseconds since 1970-01-01 UTC.
    pub created: Option<i64>,
    /// When it was retired.
    pub retired: Option<i64>,
    /// The version of the entry.
    pub version: Option<String>,
    /// When the entry was recorded.
    pub at: i64,
    /// The log's entry of it, once there is one.
    pub entry: Option<u64>,
}

impl Ask for ListIdentities {
    type Answer = IdentityRows;
    const NAME: &'static str = "list-identities";
    const SUMMARY: &'static str =
        "Lists people, agents, credentials or other values of a facet, each with its first and last use";

    fn operation(&self) -> Operation {
        Operation::Read
    }

    fn tenant(&self) -> Option<&str> {
        self.tenant.as_deref()
    }

    async fn answer(self, desk: &LocalDesk, access: &Access) -> Result<IdentityRows, DeskError> {
        let limit = bounds::listed(self.limit)?;
        let query = IdentityQuery {
            facet: bounds::facet(&self.facet)?,
            tenant: self.tenant,
            after: bounds::place(self.after.as_deref())?,
            limit,
        };
        let found = desk.vault().identities(access, &query).await?;
        let next = bounds::next(&found, limit, IdentitySummary::cursor);
        Ok(IdentityRows { identities: found.into_iter().map(IdentityRow::from).collect(), next })
    }
}

impl From<IdentitySummary> for IdentityRow {
    fn from(found: IdentitySummary) -> Self {
        Self {
            first: found.first_at,
            last: found.last_at,
            records: found.records,
            sessions: found.sessions,
            value: found.value,
            tenant: found.tenant,
        }
    }
}

impl Ask for ShowIdentity {
    type Answer = Identity;
    const NAME: &'static str = "show-identity";
    const SUMMARY: &'static str = "Shows a person, an agent or a credential: when it was used, and with which people, credentials, scopes and tools";

    fn operation(&self) -> Operation {
        Operation::Read
    }

    fn tenant(&self) -> Option<&str> {
        self.tenant.as_deref()
    }

    async fn answer(self, desk: &LocalDesk, access: &Access) -> Result<Identity, DeskError> {
        let facet = bounds::facet(&self.facet)?;
        let given = FacetValue { facet: self.facet.clone(), value: self.value };
        let value = desk.facets(access, vec![given]).await?.pop().map(|(_, value)| value).unwrap_or_default();
        let mut found = desk.vault().identity(access, self.tenant.as_deref(), facet, &value).await?;
        let Some(of_tenant) = found.pop() else { return Err(DeskError::UnknownIdentity(facet.name())) };
        if !found.is_empty() {
            return Err(DeskError::Invalid("records of several tenants have it: name the tenant".to_owned()));
        }
        let identity = IdentityRow::from(of_tenant.identity);
        let registry = match facet {
            Facet::Agent => registry(desk, access, &identity).await?,
            _ => Vec::new(),
        };
        Ok(Identity {
            facet: self.facet,
            identity,
            counted: of_tenant.counted,
            with: used_with(of_tenant.uses),
            registry,
        })
    }
}

/// Uses by facet; each list stays in its order.
fn used_with(uses: Vec<IdentityUse>) -> Vec<UsedWith> {
    let mut with: Vec<UsedWith> = Vec::new();
    for IdentityUse { facet, value, first_at, last_at, records } in uses {
        let name = facet.name();
        let place = with.iter().position(|one| one.facet == name).unwrap_or_else(|| {
            with.push(UsedWith { facet: name.to_owned(), values: Vec::new(), total: 0 });
            with.len() - 1
        });
        with[place].total += 1;
        if with[place].values.len() < SHOWN_USES {
            with[place].values.push(UsedValue { value, first: first_at, last: last_at, records });
        }
    }
    with
}

/// What the registry of agents has of an agent, the newest entry first.
async fn registry(
    desk: &LocalDesk,
    access: &Access,
    agent: &IdentityRow,
) -> Result<Vec<RegisteredAgentRow>, DeskError> {
    let query = Query {
        facets: vec![(Facet::Agent, agent.value.clone())],
        tenant: Some(agent.tenant.clone()),
        kinds: vec![StatementKind::Configuration],
        order: Order::NewestFirst,
        limit: SHOWN_ENTRIES,
        ..Query::default()
    };
    let rows = desk.vault().find(access, &query).await?;
    let read = read_facts(desk.vault(), access, rows, &Context::default()).await?;
    Ok(read.into_iter().filter_map(|read| entry(read, &agent.value)).collect())
}

fn entry(read: ReadRecord, agent: &str) -> Option<RegisteredAgentRow> {
    let record = read.record?;
    let configuration = record.body.configuration.value()?;
    let is_of_agent = configuration.subject.value() == Some(&ConfigurationSubject::Agent)
        && configuration.id.value().is_some_and(|id| id == agent);
    let registered = configuration.agent.value().filter(|_| is_of_agent)?;
    let text = |field: &Field<String>| field.value().cloned();
    let time = |field: &Field<jiff::Timestamp>| field.value().map(|at| at.as_millisecond());
    Some(RegisteredAgentRow {
        name: text(&registered.name),
        owner: text(&registered.owner),
        sponsor: text(&registered.sponsor),
        created: time(&registered.created),
        retired: time(&registered.retired),
        version: text(&configuration.version),
        at: read.row.started_at,
        entry: read.row.place.map(|place| place.index.get()),
    })
}
