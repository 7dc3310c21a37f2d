//! Whose a group of records is: tenants and persons, with their keys.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use sqlx::{AnyConnection, Row as _};

use crate::keys::{Key, MAC_BYTES, Tenant, random_key, seal, subject_context, tenant_contexts};
use crate::shared::Shared;
use crate::sql::{map, over_set, over_values};
use crate::{KeepRecord, Result, VaultError};

/// The tenants and persons of a group, with their keys.
pub(crate) struct Owners {
    tenants: HashMap<String, Arc<Tenant>>,
    subjects: HashMap<(i64, [u8; MAC_BYTES]), (i64, Key)>,
}

impl Owners {
    /// The tenant of a record.
    pub(crate) fn tenant(&self, record: &KeepRecord) -> &Tenant {
        &self.tenants[&record.tenant]
    }

    /// The rows and keys of a record's persons.
    pub(crate) fn subjects<'a>(&'a self, record: &'a KeepRecord) -> impl Iterator<Item = &'a (i64, Key)> {
        let tenant = self.tenant(record);
        record.subjects.iter().map(|subject| &self.subjects[&(tenant.id, tenant.subject(subject))])
    }
}

/// Finds the owners of the records, or makes them.
pub(crate) async fn owners(
    shared: &Shared,
    tx: &mut AnyConnection,
    records: &[&KeepRecord],
) -> Result<Owners> {
    let names: BTreeSet<&str> = records.iter().map(|record| record.tenant.as_str()).collect();
    let mut tenants = HashMap::new();
    for name in names {
        tenants.insert(name.to_owned(), tenant(shared, tx, name).await?);
    }
    let mut subjects = HashMap::new();
    for tenant in tenants.values() {
        let of_tenant = records.iter().filter(|record| record.tenant == tenant.name);
        let names = of_tenant.flat_map(|record| &record.subjects);
        // Sorted, so that two processes make them in the same order and cannot deadlock.
        let macs: BTreeSet<[u8; MAC_BYTES]> = names.map(|subject| tenant.subject(subject)).collect();
        subjects.extend(tenant_subjects(shared, tx, tenant, macs).await?);
    }
    Ok(Owners { tenants, subjects })
}

/// A tenant with its keys; a new one gets them.
pub(crate) async fn tenant(shared: &Shared, tx: &mut AnyConnection, name: &str) -> Result<Arc<Tenant>> {
    if let Some(tenant) = shared.keys.known_tenant(name) {
        return Ok(tenant);
    }
    if let Some(tenant) = shared.find_tenant(tx, name).await? {
        shared.keys.remember_tenant(&tenant);
        return Ok(tenant);
    }
    let kek = shared.keys.kek();
    let [custody, facets] = tenant_contexts(name);
    let custody = seal(kek.bytes(), &custody, random_key()?.as_slice())?;
    let facets = seal(kek.bytes(), &facets, random_key()?.as_slice())?;
    let insert =
        "INSERT INTO tenant (name, custody_key, facet_key) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
    sqlx::query(insert).bind(name).bind(custody).bind(facets).execute(&mut *tx).await?;
    // Not remembered: the transaction may yet be rolled back.
    shared.find_tenant(tx, name).await?.ok_or(VaultError::Busy)
}

/// The persons with these pseudonyms; new ones get keys.
async fn tenant_subjects(
    shared: &Shared,
    tx: &mut AnyConnection,
    tenant: &Tenant,
    macs: BTreeSet<[u8; MAC_BYTES]>,
) -> Result<HashMap<(i64, [u8; MAC_BYTES]), (i64, Key)>> {
    let mut found = find_subjects(shared, tx, tenant, macs.iter()).await?;
    let missing: Vec<_> = macs.into_iter().filter(|mac| !found.contains_key(&(tenant.id, *mac))).collect();
    if missing.is_empty() {
        return Ok(found);
    }
    let kek = shared.keys.kek();
    let mut rows = Vec::new();
    for mac in &missing {
        let context = subject_context(&tenant.name, mac);
        let key = seal(kek.bytes(), &context, random_key()?.as_slice())?;
        rows.push(vec![tenant.id.into(), mac.as_slice().into(), key.into()]);
    }
    over_values(tx, "INSERT INTO subject (tenant, mac, key)", rows, "ON CONFLICT DO NOTHING").await?;
    found.extend(find_subjects(shared, tx, tenant, missing.iter()).await?);
    if missing.iter().any(|mac| !found.contains_key(&(tenant.id, *mac))) {
        return Err(VaultError::Busy);
    }
    Ok(found)
}

async fn find_subjects(
    shared: &Shared,
    tx: &mut AnyConnection,
    tenant: &Tenant,
    macs: impl Iterator<Item = &[u8; MAC_BYTES]>,
) -> Result<HashMap<(i64, [u8; MAC_BYTES]), (i64, Key)>> {
    let macs = macs.map(|mac| mac.as_slice().into()).collect();
    let rows = over_set(tx, "SELECT mac, id, key FROM subject WHERE mac IN", macs, "").await?;
    map(&rows, |row| {
        let mac: &[u8] = row.try_get(0)?;
        let key = shared.keys.unwrap_subject(&tenant.name, mac, row.try_get(2)?)?;
        let mac = mac.try_into().map_err(|_| VaultError::damaged("a pseudonym has another length"))?;
        Ok(((tenant.id, mac), (row.try_get(1)?, key)))
    })
}
