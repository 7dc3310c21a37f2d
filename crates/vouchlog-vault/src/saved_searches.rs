//! Searches for sessions that callers saved under names, each for itself.
//!
//! ```text
//! saved_search   mac = pseudonym of owner and name; search = sealed { owner, name, facets, from, to } as JSON, bound to mac
//! ```
//!
//! A writer of the database without the key can delete a saved search, and can neither read one, change it, nor give it to another caller.
//! A search that names a person, a device, a session or a credential goes when the last record of that one is erased.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row as _};
use vouchlog_record::Facet;

use crate::access::Access;
use crate::find::{one_tenant, tenants};
use crate::keys::Tenant;
use crate::limits::{MAX_LISTED, MAX_SAVED_SEARCH_BYTES, MAX_SAVED_SEARCHES, MAX_SAVED_SEARCHES_OF_TENANT};
use crate::lists::mac;
use crate::operation::Operation;
use crate::record::check_name;
use crate::sql::{over_set, over_values};
use crate::{Result, SessionQuery, Vault, VaultError};

/// A search that a caller saved.
#[derive(Clone, PartialEq, Eq)]
pub struct SavedSearch {
    /// Its name.
    pub name: String,
    /// Whose sessions it finds.
    pub tenant: String,
    /// What a session must have.
    pub facets: Vec<(Facet, String)>,
    /// See [`SessionQuery::from`].
    pub from: Option<i64>,
    /// See [`SessionQuery::to`].
    pub to: Option<i64>,
    /// When it was saved, in milliseconds since 1970-01-01 UTC.
    pub saved_at: i64,
}

impl fmt::Debug for SavedSearch {
    /// Without the values searched for: they name people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SavedSearch")
            .field("name", &self.name)
            .field("tenant", &self.tenant)
            .finish_non_exhaustive()
    }
}

/// The searches of a caller.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SavedSearches {
    /// By name and tenant.
    pub searches: Vec<SavedSearch>,
    /// Whether there are more, which were saved earlier, in other tenants.
    pub is_cut: bool,
}

/// What is sealed of a search.
#[derive(Serialize, Deserialize)]
struct SealedSearch {
    owner: String,
    name: String,
    facets: Vec<(String, String)>,
    from: Option<i64>,
    to: Option<i64>,
}

impl Vault {
    /// Saves a search under a name, for the caller alone; one of the same name is replaced. The caller has access to one tenant, or is
    /// [narrowed](Access::of_tenant) to one. Where `query` begins and ends a page is left out.
    #[tracing::instrument(name = "vault", level = "debug", skip_all, fields(db.operation.name = "save_search"))]
    pub async fn save_search(
        &self,
        access: &Access,
        name: &str,
        query: &SessionQuery,
        now: i64,
    ) -> Result<SavedSearch> {
        access.allow(Operation::SaveSearches)?;
        check_name("a saved search", name)?;
        query.check()?;
        let facets = query.facets.iter().map(|(facet, value)| (facet.name().to_owned(), value.clone()));
        let search = SealedSearch {
            owner: access.name().to_owned(),
            name: name.to_owned(),
            facets: facets.collect(),
            from: query.from,
            to: query.to,
        };
        let json = serde_json::to_vec(&search).expect("it is made of texts and numbers");
        if json.len() > MAX_SAVED_SEARCH_BYTES {
            return Err(VaultError::invalid(format!(
                "a saved search has at most {MAX_SAVED_SEARCH_BYTES} bytes as JSON"
            )));
        }
        self.shared
            .named(async {
                self.shared.db.check_room()?;
                let mut tx = self.shared.db.begin().await?;
                self.shared.keys.check(&self.shared.db.lock(&mut tx, true).await?)?;
                let tenant = self.one_tenant(access, &mut tx).await?;
                let mac = tenant.saved_search(access.name(), name);
                let [owner, principal] =
                    [access.name(), access.principal()].map(|name| tenant.searcher(name));
                sqlx::query("DELETE FROM saved_search WHERE mac = $1")
                    .bind(mac.to_vec())
                    .execute(&mut *tx)
                    .await?;
                check_room(&mut tx, &tenant, &owner).await?;
                let insert = "INSERT INTO saved_search (mac, tenant, owner, principal, saved_at, search) \
                              VALUES ($1, $2, $3, $4, $5, $6)";
                let insert = sqlx::query(insert).bind(mac.to_vec()).bind(tenant.id).bind(owner.to_vec());
                let insert = insert.bind(principal.to_vec()).bind(now).bind(tenant.seal_search(&mac, &json)?);
                insert.execute(&mut *tx).await?;
                let named = query.facets.iter().filter(|(facet, _)| names_one(*facet));
                let named = named.map(|(facet, value)| {
                    vec![mac.as_slice().into(), tenant.facet(*facet, value).as_slice().into()]
                });
                let insert = "INSERT INTO saved_search_value (search, mac)";
                over_values(&mut tx, insert, named.collect(), "ON CONFLICT DO NOTHING").await?;
                self.shared.db.commit(tx).await?;
                search.opened(&tenant, now)
            })
            .await
    }

    /// The searches that the caller saved, of one tenant or of all that it has access to; [`MAX_LISTED`] at most, those that were saved
    /// last.
    #[tracing::instrument(name = "vault", level = "debug", skip_all, fields(db.operation.name = "saved_searches"))]
    pub async fn saved_searches(&self, access: &Access, tenant: Option<&str>) -> Result<SavedSearches> {
        self.shared
            .named(async {
                access.allow(Operation::SaveSearches)?;
                let tenant = access.tenant_within(tenant)?;
                let mut connection = self.shared.db.readers.acquire().await?;
                let tenants = tenants(&self.shared, &mut connection, tenant).await?;
                let owners = tenants.iter().map(|tenant| tenant.searcher(access.name()).as_slice().into());
                let select = "SELECT tenant, mac, saved_at, search FROM saved_search WHERE owner IN";
                let newest = format!("ORDER BY saved_at DESC, mac LIMIT {}", MAX_LISTED + 1);
                let rows = over_set(&mut connection, select, owners.collect(), &newest).await?;
                let tenants: HashMap<i64, Arc<Tenant>> =
                    tenants.into_iter().map(|tenant| (tenant.id, tenant)).collect();
                let mut searches =
                    rows.iter().map(|row| read(&tenants, access, row)).collect::<Result<Vec<_>>>()?;
                searches.sort_by_key(|search| std::cmp::Reverse(search.saved_at));
                let is_cut = searches.len() > MAX_LISTED;
                searches.truncate(MAX_LISTED);
                searches.sort_by(|a, b| (&a.name, &a.tenant).cmp(&(&b.name, &b.tenant)));
                Ok(SavedSearches { searches, is_cut })
            })
            .await
    }

    /// Deletes a search that the caller saved. The caller has access to one tenant, or is [narrowed](Access::of_tenant) to one.
    #[tracing::instrument(name = "vault", level = "debug", skip_all, fields(db.operation.name = "delete_search"))]
    pub async fn delete_search(&self, access: &Access, name: &str) -> Result<()> {
        self.shared
            .named(async {
                access.allow(Operation::SaveSearches)?;
                let mut tx = self.shared.db.begin().await?;
                self.shared.keys.check(&self.shared.db.lock(&mut tx, false).await?)?;
                let tenant = self.one_tenant(access, &mut tx).await?;
                let delete = sqlx::query("DELETE FROM saved_search WHERE mac = $1");
                let delete = delete.bind(tenant.saved_search(access.name(), name).to_vec());
                if delete.execute(&mut *tx).await?.rows_affected() == 0 {
                    return Err(VaultError::UnknownSearch(name.to_owned()));
                }
                self.shared.db.commit(tx).await
            })
            .await
    }

    /// Deletes what a principal saved, and the members of a group of this name.
    pub(crate) async fn delete_searches_of(&self, principal: &str) -> Result<()> {
        let mut tx = self.shared.db.begin().await?;
        let sql = "SELECT name FROM tenant WHERE id IN (SELECT tenant FROM saved_search)";
        for row in sqlx::query(sql).fetch_all(&mut *tx).await? {
            let Some(tenant) = self.shared.find_tenant(&mut tx, row.try_get(0)?).await? else { continue };
            let delete = sqlx::query("DELETE FROM saved_search WHERE principal = $1");
            delete.bind(tenant.searcher(principal).to_vec()).execute(&mut *tx).await?;
        }
        self.shared.db.commit(tx).await
    }

    /// The tenant that the caller is narrowed to.
    async fn one_tenant(&self, access: &Access, tx: &mut AnyConnection) -> Result<Arc<Tenant>> {
        let one = || VaultError::invalid("a saved search is of one tenant: name it");
        one_tenant(&self.shared, tx, access.tenant().ok_or_else(one)?).await
    }
}

impl SealedSearch {
    fn opened(self, tenant: &Tenant, saved_at: i64) -> Result<SavedSearch> {
        let known = |(name, value): (String, String)| Some((Facet::from_name(&name)?, value));
        let facets: Option<Vec<_>> = self.facets.into_iter().map(known).collect();
        Ok(SavedSearch {
            name: self.name,
            tenant: tenant.name.clone(),
            facets: facets.ok_or_else(changed)?,
            from: self.from,
            to: self.to,
            saved_at,
        })
    }
}

/// Whether a value of it is of one person, device, session or credential, so that an erasure may have to forget it.
const fn names_one(facet: Facet) -> bool {
    matches!(facet, Facet::Initiator | Facet::Device | Facet::Session | Facet::Credential)
}

/// Refuses one more than there may be.
async fn check_room(tx: &mut AnyConnection, tenant: &Tenant, owner: &[u8]) -> Result<()> {
    let count = "SELECT count(*) FROM saved_search WHERE owner = $1";
    let own: i64 = sqlx::query(count).bind(owner.to_vec()).fetch_one(&mut *tx).await?.try_get(0)?;
    if usize::try_from(own).is_ok_and(|own| own >= MAX_SAVED_SEARCHES) {
        return Err(VaultError::invalid(format!(
            "a caller has at most {MAX_SAVED_SEARCHES} saved searches in a tenant: delete one"
        )));
    }
    let count = "SELECT count(*) FROM saved_search WHERE tenant = $1";
    let all: i64 = sqlx::query(count).bind(tenant.id).fetch_one(tx).await?.try_get(0)?;
    if usize::try_from(all).is_ok_and(|all| all >= MAX_SAVED_SEARCHES_OF_TENANT) {
        return Err(VaultError::invalid(format!(
            "a tenant has at most {MAX_SAVED_SEARCHES_OF_TENANT} saved searches: its callers have to delete some"
        )));
    }
    Ok(())
}

fn read(tenants: &HashMap<i64, Arc<Tenant>>, access: &Access, row: &AnyRow) -> Result<SavedSearch> {
    let tenant = tenants.get(&row.try_get::<i64, _>(0)?).ok_or_else(changed)?;
    let mac = mac(row.try_get(1)?)?;
    let json = tenant.open_search(&mac, row.try_get(3)?).ok_or_else(changed)?;
    let search: SealedSearch = serde_json::from_slice(&json).map_err(|_| changed())?;
    if search.owner != access.name() {
        return Err(changed());
    }
    search.opened(tenant, row.try_get(2)?)
}

fn changed() -> VaultError {
    VaultError::damaged("a saved search is not what was written")
}

/// Forgets searches that name what the records of an erasure have and no other record has, before their facets are deleted.
pub(crate) async fn forget(tx: &mut AnyConnection, erasure: i64) -> Result<()> {
    let delete = "DELETE FROM saved_search WHERE mac IN (SELECT v.search FROM saved_search_value v \
        WHERE v.mac IN (SELECT f.mac FROM record r JOIN facet f ON f.record = r.n WHERE r.erasure = $1) \
        AND NOT EXISTS (SELECT 1 FROM facet f JOIN record r ON r.n = f.record WHERE f.mac = v.mac AND r.erasure IS NULL))";
    sqlx::query(delete).bind(erasure).execute(tx).await?;
    Ok(())
}
