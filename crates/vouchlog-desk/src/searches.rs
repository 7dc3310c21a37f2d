//! Searches for sessions that a caller saves under names, for itself alone. The log records none of them.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use vouchlog_vault::{Access, Facet, Operation, SavedSearch, SavedSearches, SessionQuery};

use crate::ask::Ask;
use crate::erasing::now;
use crate::error::DeskError;
use crate::local::LocalDesk;
use crate::row::FacetValue;

/// Saves a search for sessions. One of the caller's that has the same name is replaced.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SaveSearch {
    /// Whose sessions it finds; without it, those of the only tenant that the caller has access to and the vault has records of.
    #[serde(default)]
    pub tenant: Option<String>,
    /// Its name, of 1 to 128 bytes, which should not name a person.
    pub name: String,
    /// What a session must have, as `list-sessions` takes it.
    #[serde(default)]
    pub facets: Vec<FacetValue>,
    /// Sessions whose last record started at this time or later, in milliseconds since 1970-01-01 UTC.
    #[serde(default)]
    pub from: Option<i64>,
    /// Sessions whose first record started before this time.
    #[serde(default)]
    pub to: Option<i64>,
}

/// The searches that the caller saved.
#[derive(Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ListSearches {
    /// Of this tenant; without it, of all tenants that the caller has access to.
    #[serde(default)]
    pub tenant: Option<String>,
}

/// Deletes a search that the caller saved.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DeleteSearch {
    /// Whose sessions it finds; without it, as of `save-search`.
    #[serde(default)]
    pub tenant: Option<String>,
    /// Its name.
    pub name: String,
}

/// A search that the caller saved.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SearchRow {
    /// Its name.
    pub name: String,
    /// Whose sessions it finds.
    pub tenant: String,
    /// What a session must have. What looked like a secret is there as its stand-in, as it is in records.
    pub facets: Vec<FacetValue>,
    /// Sessions whose last record started at this time or later, in milliseconds since 1970-01-01 UTC.
    pub from: Option<i64>,
    /// Sessions whose first record started before this time.
    pub to: Option<i64>,
    /// When it was saved.
    pub saved: i64,
}

/// The searches that the caller saved, by name.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SearchRows {
    /// The searches, 200 at most.
    pub searches: Vec<SearchRow>,
    /// Whether there are more: name a tenant.
    pub is_cut: bool,
}

/// That a search was deleted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeletedSearch {
    /// Its name.
    pub deleted: String,
}

impl Ask for SaveSearch {
    type Answer = SearchRow;
    const NAME: &'static str = "save-search";
    const SUMMARY: &'static str = "Saves a search for sessions under a name, for the caller alone";

    fn operation(&self) -> Operation {
        Operation::SaveSearches
    }

    fn tenant(&self) -> Option<&str> {
        self.tenant.as_deref()
    }

    async fn answer(self, desk: &LocalDesk, access: &Access) -> Result<SearchRow, DeskError> {
        let access = of_one_tenant(desk, access).await?;
        let facets = desk.facets(&access, self.facets).await?;
        let query = SessionQuery { facets, from: self.from, to: self.to, ..SessionQuery::default() };
        Ok(desk.vault().save_search(&access, &self.name, &query, now()).await?.into())
    }
}

impl Ask for ListSearches {
    type Answer = SearchRows;
    const NAME: &'static str = "list-searches";
    const SUMMARY: &'static str = "Lists the searches for sessions that the caller saved";

    fn operation(&self) -> Operation {
        Operation::SaveSearches
    }

    fn tenant(&self) -> Option<&str> {
        self.tenant.as_deref()
    }

    async fn answer(self, desk: &LocalDesk, access: &Access) -> Result<SearchRows, DeskError> {
        let SavedSearches { searches, is_cut } =
            desk.vault().saved_searches(access, self.tenant.as_deref()).await?;
        Ok(SearchRows { searches: searches.into_iter().map(SearchRow::from).collect(), is_cut })
    }
}

impl Ask for DeleteSearch {
    type Answer = DeletedSearch;
    const NAME: &'static str = "delete-search";
    const SUMMARY: &'static str = "Deletes a search for sessions that the caller saved";

    fn operation(&self) -> Operation {
        Operation::SaveSearches
    }

    fn tenant(&self) -> Option<&str> {
        self.tenant.as_deref()
    }

    async fn answer(self, desk: &LocalDesk, access: &Access) -> Result<DeletedSearch, DeskError> {
        let access = of_one_tenant(desk, access).await?;
        desk.vault().delete_search(&access, &self.name).await?;
        Ok(DeletedSearch { deleted: self.name })
    }
}

/// The access to the tenant of a search: the one that is named, or the only one there is for the caller.
async fn of_one_tenant(desk: &LocalDesk, access: &Access) -> Result<Access, DeskError> {
    if access.tenant().is_some() {
        return Ok(access.clone());
    }
    match desk.vault().tenants(access).await?.as_slice() {
        [tenant] => Ok(access.of_tenant(tenant)?),
        _ => Err(DeskError::Invalid("a saved search is of one tenant: name it".to_owned())),
    }
}

impl From<SavedSearch> for SearchRow {
    fn from(search: SavedSearch) -> Self {
        let named = |(facet, value): (Facet, String)| FacetValue { facet: facet.name().to_owned(), value };
        Self {
            name: search.name,
            tenant: search.tenant,
            facets: search.facets.into_iter().map(named).collect(),
            from: search.from,
            to: search.to,
            saved: search.saved_at,
        }
    }
}
