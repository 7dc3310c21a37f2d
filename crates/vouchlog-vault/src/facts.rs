//! Reading the facts of many records in few statements: a session of hundreds of records would else take thousands.

use std::collections::HashMap;

use sqlx::Row as _;
use sqlx::any::AnyRow;
use vouchlog_record::RecordId;

use crate::access::Access;
use crate::columns::id;
use crate::keys::Key;
use crate::operation::Operation;
use crate::proof_run::{PROOF, PROOF_JOINS, Runs};
use crate::read::own;
use crate::sealed::open_part;
use crate::sql::{Value, over_set};
use crate::statement_text::{self, STATEMENT};
use crate::{Result, Row, Vault, VaultError};

/// Records of one statement: their statements and metadata are in memory together.
const AT_ONCE: usize = 32;

/// What a record states without its content.
pub(crate) struct StoredFacts {
    pub(crate) jwt: String,
    pub(crate) metadata: Vec<u8>,
}

impl Vault {
    /// The signed statements and the metadata of records, in their order; none of one that was erased.
    #[tracing::instrument(name = "vault", level = "debug", skip_all, fields(db.operation.name = "facts", records = rows.len()))]
    pub(crate) async fn stored_facts(
        &self,
        access: &Access,
        rows: &[Row],
    ) -> Result<Vec<Option<StoredFacts>>> {
        self.shared
            .named(async {
                access.allow(Operation::Read)?;
                let mut facts = Vec::with_capacity(rows.len());
                for rows in rows.chunks(AT_ONCE) {
                    facts.extend(self.facts_of_few(access, rows).await?);
                }
                Ok(facts)
            })
            .await
    }

    /// The proof files of those of the records that the log has.
    #[tracing::instrument(name = "vault", level = "debug", skip_all, fields(db.operation.name = "proofs", records = ids.len()))]
    pub async fn proofs(&self, access: &Access, ids: &[RecordId]) -> Result<HashMap<RecordId, String>> {
        self.shared
            .named(async {
                access.allow(Operation::Read)?;
                let select = format!(
                    "SELECT r.id, t.name, {PROOF} FROM record r JOIN tenant t ON t.id = r.tenant {PROOF_JOINS} WHERE r.id IN"
                );
                let ids = ids.iter().map(|id| id.as_str().into()).collect();
                let mut connection = self.shared.db.readers.acquire().await?;
                let (mut proofs, mut runs) = (HashMap::new(), Runs::default());
                for row in over_set(&mut connection, &select, ids, "").await? {
                    let id = id(row.try_get(0)?)?;
                    own(access, row.try_get(1)?, &id)?;
                    proofs.extend(runs.proof(&row, 2)?.map(|proof| (id, proof)));
                }
                Ok(proofs)
            })
            .await
    }

    async fn facts_of_few(&self, access: &Access, rows: &[Row]) -> Result<Vec<Option<StoredFacts>>> {
        let select = format!(
            "SELECT r.n, r.erasure, t.name, z.key, z.metadata, {STATEMENT} FROM record r \
             JOIN tenant t ON t.id = r.tenant LEFT JOIN statement s ON s.record = r.n \
             LEFT JOIN sealed z ON z.record = r.n WHERE r.n IN"
        );
        let people = "SELECT rs.record, s.mac, s.key FROM record_subject rs JOIN subject s ON s.id = rs.subject \
                      WHERE rs.record IN";
        let places: Vec<Value> = rows.iter().map(|row| row.n.into()).collect();
        let mut tx = self.shared.db.readers.begin().await?;
        let stored = over_set(&mut tx, &select, places.clone(), "").await?;
        let people = over_set(&mut tx, people, places, "").await?;
        tx.rollback().await?;
        let mut people_of: HashMap<i64, Vec<&AnyRow>> = HashMap::new();
        for person in &people {
            people_of.entry(person.try_get(0)?).or_default().push(person);
        }
        let mut stored_of: HashMap<i64, &AnyRow> = HashMap::new();
        for row in &stored {
            stored_of.insert(row.try_get(0)?, row);
        }
        let mut facts = Vec::with_capacity(rows.len());
        for row in rows {
            let stored = stored_of.get(&row.n).ok_or_else(|| VaultError::UnknownRecord(row.id.clone()))?;
            own(access, stored.try_get(2)?, &row.id)?;
            let people = people_of.get(&row.n).map(Vec::as_slice).unwrap_or_default();
            facts.push(match self.open_facts(row, stored, people).await {
                // PostgreSQL: an erasure may have come between the two statements.
                Err(VaultError::Damaged(_)) => self.facts_one_by_one(access, row).await?,
                opened => opened?,
            });
        }
        Ok(facts)
    }

    async fn open_facts(
        &self,
        row: &Row,
        stored: &AnyRow,
        people: &[&AnyRow],
    ) -> Result<Option<StoredFacts>> {
        if stored.try_get::<Option<i64>, _>(1)?.is_some() {
            return Ok(None);
        }
        let missing = |what: &str| VaultError::damaged(format!("the {what} of record {} is missing", row.id));
        let jwt = statement_text::read(row.n, stored, 5)?.ok_or_else(|| missing("statement"))?;
        let name: &str = stored.try_get(2)?;
        let tenant = match self.shared.keys.known_tenant(name) {
            Some(tenant) => tenant,
            None => {
                let mut connection = self.shared.db.readers.acquire().await?;
                let found = self.shared.find_tenant(&mut connection, name).await?;
                found.ok_or_else(|| missing("tenant"))?
            }
        };
        let unwrap =
            |person: &&AnyRow| self.shared.keys.unwrap_subject(name, person.try_get(1)?, person.try_get(2)?);
        let keys: Vec<Key> = people.iter().map(unwrap).collect::<Result<_>>()?;
        let wrapped: &[u8] = stored.try_get::<Option<&[u8]>, _>(3)?.ok_or_else(|| missing("key"))?;
        let key = tenant.unwrap(&row.id, wrapped, &keys.iter().collect::<Vec<_>>())?;
        let sealed: &[u8] = stored.try_get::<Option<&[u8]>, _>(4)?.ok_or_else(|| missing("metadata"))?;
        Ok(Some(StoredFacts { jwt, metadata: open_part(&key, &row.id, "metadata", sealed)? }))
    }

    async fn facts_one_by_one(&self, access: &Access, row: &Row) -> Result<Option<StoredFacts>> {
        match self.metadata(access, &row.id).await {
            Err(VaultError::Erased(_)) => Ok(None),
            metadata => Ok(Some(StoredFacts { metadata: metadata?, jwt: self.jwt(access, &row.id).await? })),
        }
    }
}
