//! What handles in URLs name.

use serde::{Deserialize, Serialize};
use vouchlog_access::PendingSignIn;
use vouchlog_desk::{CaseState, FacetValue, FindingState, Target};
use vouchlog_record::RecordId;

use crate::handles::Named;

/// A session of AI interactions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SessionName {
    pub(crate) tenant: Option<String>,
    pub(crate) session: String,
}

impl Named for SessionName {
    const KIND: &'static str = "session";

    fn tenant(&self) -> Option<&str> {
        self.tenant.as_deref()
    }
}

/// A record, and the session from which it was opened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RecordName {
    pub(crate) tenant: Option<String>,
    pub(crate) record: RecordId,
    pub(crate) session: Option<String>,
}

impl Named for RecordName {
    const KIND: &'static str = "record";

    fn tenant(&self) -> Option<&str> {
        self.tenant.as_deref()
    }
}

/// What a list shows.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(crate) struct Search {
    pub(crate) tenant: Option<String>,
    pub(crate) facets: Vec<FacetValue>,
    pub(crate) from: Option<i64>,
    pub(crate) to: Option<i64>,
    /// The cursor of this page, and those of the pages before it.
    pub(crate) after: Vec<String>,
}

impl Named for Search {
    const KIND: &'static str = "search";

    fn tenant(&self) -> Option<&str> {
        self.tenant.as_deref()
    }
}

impl Search {
    /// The value that a facet is searched for; empty if it is not.
    pub(crate) fn value(&self, facet: &str) -> &str {
        self.facets.iter().find(|one| one.facet == facet).map_or("", |one| one.value.as_str())
    }

    /// Whether anything is searched for.
    pub(crate) fn is_open(&self) -> bool {
        self.tenant.is_none() && self.facets.is_empty() && self.from.is_none() && self.to.is_none()
    }
}

/// A search that the visitor saved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SavedSearchName {
    pub(crate) tenant: String,
    pub(crate) name: String,
}

impl Named for SavedSearchName {
    const KIND: &'static str = "saved-search";

    fn tenant(&self) -> Option<&str> {
        Some(&self.tenant)
    }
}

/// What is to be erased.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Erasing {
    pub(crate) tenant: Option<String>,
    pub(crate) target: Target,
}

impl Named for Erasing {
    const KIND: &'static str = "erasing";

    fn tenant(&self) -> Option<&str> {
        self.tenant.as_deref()
    }
}

/// A person's name that an erasure is confirmed for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PersonName(pub(crate) String);

impl Named for PersonName {
    const KIND: &'static str = "person";
}

/// What the queue of findings shows.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(crate) struct FindingSearch {
    pub(crate) tenant: Option<String>,
    pub(crate) state: FindingState,
    pub(crate) code: Option<String>,
    pub(crate) facets: Vec<FacetValue>,
    pub(crate) after: Vec<String>,
}

impl Named for FindingSearch {
    const KIND: &'static str = "findings";

    fn tenant(&self) -> Option<&str> {
        self.tenant.as_deref()
    }
}

/// A finding that is decided about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FindingName {
    pub(crate) tenant: Option<String>,
    pub(crate) code: String,
    pub(crate) record: RecordId,
}

impl Named for FindingName {
    const KIND: &'static str = "finding";

    fn tenant(&self) -> Option<&str> {
        self.tenant.as_deref()
    }
}

/// A page of people, agents or other values.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct IdentitySearch {
    pub(crate) tenant: Option<String>,
    pub(crate) facet: String,
    pub(crate) after: Vec<String>,
}

impl Named for IdentitySearch {
    const KIND: &'static str = "identities";

    fn tenant(&self) -> Option<&str> {
        self.tenant.as_deref()
    }
}

/// A person, an agent or a credential.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct IdentityName {
    pub(crate) tenant: Option<String>,
    pub(crate) facet: String,
    pub(crate) value: String,
}

impl Named for IdentityName {
    const KIND: &'static str = "identity";

    fn tenant(&self) -> Option<&str> {
        self.tenant.as_deref()
    }
}

/// An identity provider at which a person is to sign in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ProviderName(pub(crate) String);

impl Named for ProviderName {
    const KIND: &'static str = "provider";
}

/// A sign-in at an identity provider that was begun, in a cookie of the browser that began it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct BegunSignIn {
    pub(crate) pending: PendingSignIn,
    /// In milliseconds since 1970-01-01 UTC.
    pub(crate) at: i64,
    /// Where it leads to.
    pub(crate) next: String,
}

impl Named for BegunSignIn {
    const KIND: &'static str = "sign-in";
}

/// A sign-out at an identity provider that was begun, in a cookie of the browser that began it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct BegunSignOut {
    pub(crate) state: String,
    /// What people call the provider.
    pub(crate) provider: String,
}

impl Named for BegunSignOut {
    const KIND: &'static str = "sign-out";
}

/// A case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CaseName {
    pub(crate) tenant: Option<String>,
    pub(crate) case: String,
}

impl Named for CaseName {
    const KIND: &'static str = "case";

    fn tenant(&self) -> Option<&str> {
        self.tenant.as_deref()
    }
}

/// A page of cases.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CaseSearch {
    pub(crate) state: Option<CaseState>,
    pub(crate) after: Vec<String>,
}

impl Named for CaseSearch {
    const KIND: &'static str = "cases";
}

/// Whose sources a page shows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SourceSearch {
    pub(crate) tenant: Option<String>,
}

impl Named for SourceSearch {
    const KIND: &'static str = "sources";

    fn tenant(&self) -> Option<&str> {
        self.tenant.as_deref()
    }
}

/// A page of disclosures.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DisclosureSearch {
    pub(crate) after: Vec<String>,
}

impl Named for DisclosureSearch {
    const KIND: &'static str = "disclosures";
}
