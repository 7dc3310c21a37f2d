//! Holds that go on: what is kept later and matches comes under them, in the transaction that keeps it.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::keys::{MAC_BYTES, Pseudonyms, Tenant};
use crate::query::Query;

/// What a record of one tenant must be to come under a hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StandingQuery {
    pub(crate) tenant: i64,
    /// It has all of these.
    pub(crate) macs: Vec<[u8; MAC_BYTES]>,
    /// It is of one of these; none is all.
    pub(crate) kinds: Vec<u8>,
    /// It began at this time or later.
    pub(crate) from: i64,
    /// It began before this time.
    pub(crate) to: i64,
}

/// What of a record decides whether it comes under a hold.
pub(crate) struct KeptRecord<'a> {
    pub(crate) tenant: i64,
    pub(crate) kind: u8,
    pub(crate) started_at: i64,
    pub(crate) pseudonyms: &'a Pseudonyms,
}

impl StandingQuery {
    /// What a hold is for. Pseudonyms are a tenant's, so each tenant gets one.
    pub(crate) fn of(query: &Query, tenants: &[Arc<Tenant>]) -> Vec<Self> {
        let of_tenant = |tenant: &Arc<Tenant>| {
            let macs: BTreeSet<[u8; MAC_BYTES]> =
                query.facets.iter().map(|(facet, value)| tenant.facet(*facet, value)).collect();
            let kinds: BTreeSet<u8> = query.kinds.iter().map(|kind| kind.byte()).collect();
            Self {
                tenant: tenant.id,
                macs: macs.into_iter().collect(),
                kinds: kinds.into_iter().collect(),
                from: query.from.unwrap_or(i64::MIN),
                to: query.to.unwrap_or(i64::MAX),
            }
        };
        tenants.iter().map(of_tenant).collect()
    }

    pub(crate) fn covers(&self, record: &KeptRecord<'_>) -> bool {
        self.tenant == record.tenant
            && (self.kinds.is_empty() || self.kinds.contains(&record.kind))
            && (self.from..self.to).contains(&record.started_at)
            && self.macs.iter().all(|mac| record.pseudonyms.contains_key(mac))
    }
}
