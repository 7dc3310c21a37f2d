//! Sets of pseudonyms: what was found in a record when it was kept, its verdicts and findings. Most records of a gateway have one of a few
//! such sets, so a record has one pseudonym for all of them.
//!
//! ```text
//! facet      the pseudonym of the set, in the place of its members
//! facet_set  a row for each member of a set: it leads from the member to the sets that have it
//! ```
//!
//! Records of an earlier version have the members themselves, and so do records that come once there are [`MAX_SETS`] sets.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::{AnyConnection, Row as _};
use vouchlog_record::Facet;

use crate::Result;
use crate::keys::Tenant;
use crate::limits::MAX_SETS;
use crate::lists::{Mac, mac};
use crate::sql::{Value, over_set, over_values};

/// Whether a facet is found by the set that it is in. No personal facet is: sets stay when a record is erased.
pub(crate) const fn is_in_set(facet: Facet) -> bool {
    matches!(facet, Facet::Verdict | Facet::Finding)
}

/// A set: its pseudonym, and those of what is in it.
pub(crate) type FacetSet = (Mac, BTreeSet<Mac>);

/// The sets of a group of records, by their pseudonyms.
pub(crate) type FacetSets = BTreeMap<Mac, BTreeSet<Mac>>;

/// Inserts the sets that are not there yet, as many as there is room for. Returns the pseudonyms of those that are there then.
pub(crate) async fn insert_sets(tx: &mut AnyConnection, sets: FacetSets) -> Result<BTreeSet<Mac>> {
    let all = sets.keys().map(|mac| mac.as_slice().into()).collect();
    let rows = over_set(tx, "SELECT DISTINCT mac FROM facet_set WHERE mac IN", all, "").await?;
    let mut there = rows.iter().map(|row| mac(row.try_get(0)?)).collect::<Result<BTreeSet<Mac>>>()?;
    let new: FacetSets = sets.into_iter().filter(|(mac, _)| !there.contains(mac)).collect();
    if new.is_empty() {
        return Ok(there);
    }
    let count = sqlx::query("SELECT count(DISTINCT mac) FROM facet_set").fetch_one(&mut *tx).await?;
    let room = MAX_SETS.saturating_sub(usize::try_from(count.try_get::<i64, _>(0)?).unwrap_or(MAX_SETS));
    let mut rows = Vec::new();
    for (mac, members) in new.into_iter().take(room) {
        let row = |member: &Mac| vec![Value::from(member.as_slice()), mac.as_slice().into()];
        rows.extend(members.iter().map(row));
        there.insert(mac);
    }
    over_values(tx, "INSERT INTO facet_set (member, mac)", rows, "ON CONFLICT DO NOTHING").await?;
    Ok(there)
}

/// The lists of pseudonyms of which a record must have one, each as a whole, to have all these facets.
pub(crate) async fn alternatives(
    tx: &mut AnyConnection,
    tenant: &Tenant,
    facets: &[(Facet, String)],
) -> Result<Vec<Vec<Vec<u8>>>> {
    let macs_of = |in_set: bool| {
        let facets = facets.iter().filter(move |(facet, _)| is_in_set(*facet) == in_set);
        facets.map(|(facet, value)| tenant.facet(*facet, value).to_vec()).collect::<BTreeSet<_>>()
    };
    let (alone, members) = (macs_of(false), macs_of(true));
    let mut alternatives = vec![alone.union(&members).cloned().collect::<Vec<_>>()];
    if members.is_empty() {
        return Ok(alternatives);
    }
    // A query has few facets: they are one set of placeholders.
    let having = format!("GROUP BY mac HAVING count(*) = {}", members.len());
    let members = members.into_iter().map(Value::from).collect();
    for row in over_set(tx, "SELECT mac FROM facet_set WHERE member IN", members, &having).await? {
        let set: Vec<u8> = row.try_get(0)?;
        alternatives.push(alone.iter().cloned().chain([set]).collect());
    }
    Ok(alternatives)
}
