//! A vault of an earlier version, whose records are found by the one spelling of a name that they have: they get the others.

use sqlx::Row as _;
use vouchlog_stream::StatementKind;

use crate::parts::Parts;
use crate::read::id;
use crate::sql::over_values;
use crate::{Result, Vault, VaultError};

/// Records of one transaction.
const AT_ONCE: i64 = 200;

impl Vault {
    /// Makes the records of an earlier version found by [canonical](vouchlog_record::Facet::canonical) values and by subjects without
    /// their issuer, once.
    pub(crate) async fn find_people_of_earlier_versions(&self) -> Result<()> {
        let db = &self.shared.db;
        let row = sqlx::query("SELECT people FROM vault").fetch_one(&db.readers).await?;
        if row.try_get::<i64, _>(0)? == 1 {
            return Ok(());
        }
        let page = "SELECT r.n, r.id, r.kind, r.started_at, t.name, s.jwt FROM record r \
                    JOIN tenant t ON t.id = r.tenant JOIN statement s ON s.record = r.n \
                    WHERE r.n > $1 AND r.erasure IS NULL ORDER BY r.n LIMIT $2";
        let mut after = i64::MIN;
        loop {
            let rows = sqlx::query(page).bind(after).bind(AT_ONCE).fetch_all(&db.readers).await?;
            let (mut facets, before) = (Vec::new(), after);
            for row in &rows {
                after = row.try_get(0)?;
                facets.extend(self.facets_of(row).await?);
            }
            let mut tx = db.begin().await?;
            db.lock(&mut tx, true).await?;
            let insert = "INSERT INTO facet (mac, started_at, record, personal)";
            over_values(&mut tx, insert, facets, "ON CONFLICT DO NOTHING").await?;
            // Another process may have erased some of them since they were read.
            let erased = "DELETE FROM facet WHERE personal = 1 AND record IN \
                          (SELECT n FROM record WHERE n > $1 AND n <= $2 AND erasure IS NOT NULL)";
            sqlx::query(erased).bind(before).bind(after).execute(&mut *tx).await?;
            if rows.is_empty() {
                sqlx::query("UPDATE vault SET people = 1").execute(&mut *tx).await?;
                return db.commit(tx).await;
            }
            db.commit(tx).await?;
            tracing::info!(
                records = rows.len(),
                "records of an earlier version are found by any form of a name"
            );
        }
    }

    /// The rows of what a record is found by. None if it was erased meanwhile, or holds something else than a recorder writes.
    async fn facets_of(&self, row: &sqlx::any::AnyRow) -> Result<Vec<Vec<crate::sql::Value>>> {
        let record = id(row.try_get(1)?)?;
        let kind = u8::try_from(row.try_get::<i64, _>(2)?).ok().and_then(StatementKind::from_byte);
        let kind = kind.ok_or_else(|| VaultError::damaged("a kind is malformed"))?;
        let metadata = match self.unseal(&record, "metadata").await {
            Err(VaultError::Erased(_)) => return Ok(Vec::new()),
            unsealed => unsealed?,
        };
        let parts = Parts::read(&metadata, None).ok();
        let read = parts.and_then(|parts| parts.record(&record, kind, row.try_get(5).ok()?).ok());
        let (Some(read), Some(tenant)) = (read, self.tenant_named(row.try_get(4)?).await?) else {
            return Ok(Vec::new());
        };
        let (n, started_at): (i64, i64) = (row.try_get(0)?, row.try_get(3)?);
        let facets = read.facets().into_iter().map(|(facet, value)| {
            let mac = tenant.facet(facet, &value).as_slice().into();
            vec![mac, started_at.into(), n.into(), i64::from(facet.is_personal()).into()]
        });
        Ok(facets.collect())
    }

    async fn tenant_named(&self, name: &str) -> Result<Option<std::sync::Arc<crate::keys::Tenant>>> {
        if let Some(tenant) = self.shared.keys.known_tenant(name) {
            return Ok(Some(tenant));
        }
        let mut connection = self.shared.db.readers.acquire().await?;
        let found = self.shared.find_tenant(&mut connection, name).await?;
        if let Some(tenant) = &found {
            self.shared.keys.remember_tenant(tenant);
        }
        Ok(found)
    }
}
