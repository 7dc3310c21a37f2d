//! A vault of an earlier version: its records are found by the one spelling of a name that they have, and no list shows them. They are
//! read once, and get the other spellings and their place in the lists.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use sqlx::any::AnyRow;
use sqlx::{AnyConnection, AssertSqlSafe, Row as _};
use vouchlog_grading::rules;
use vouchlog_record::{Facet, Record};
use vouchlog_stream::StatementKind;

use crate::columns::id;
use crate::facet_sets::is_in_set;
use crate::keys::{Key, Tenant};
use crate::lists::{ListedRecord, Mac, SessionOfRecords, add_to_lists, add_to_sessions, mac, session_of};
use crate::parts::Parts;
use crate::sql::{Value, over_values};
use crate::statement_text::{self, STATEMENT};
use crate::{Result, Vault, VaultError};

/// Records of one transaction.
const AT_ONCE: i64 = 200;

/// What `vault.people` has once every record is found by any form of a name, and is in the lists.
pub(crate) const LISTED: i64 = 2;

/// Answers that records of an earlier version are found by.
const ANSWERS: [&str; 3] = ["yes", "no", "indeterminate"];

/// A record of an earlier version.
struct PastRecord {
    tenant: Arc<Tenant>,
    n: i64,
    kind: StatementKind,
    started_at: i64,
    facets: Vec<(Facet, String)>,
    people: Vec<(String, i64, Key)>,
}

impl Vault {
    /// Makes the records of an earlier version found by [canonical](vouchlog_record::Facet::canonical) values and by subjects without
    /// their issuer, and shown in lists, once.
    pub(crate) async fn find_people_of_earlier_versions(&self) -> Result<()> {
        let db = &self.shared.db;
        let row = sqlx::query("SELECT people FROM vault").fetch_one(&db.readers).await?;
        if row.try_get::<i64, _>(0)? == LISTED {
            return Ok(());
        }
        let page = format!(
            "SELECT r.n, r.id, r.kind, r.started_at, t.name, {STATEMENT} FROM record r \
             JOIN tenant t ON t.id = r.tenant JOIN statement s ON s.record = r.n \
             WHERE r.n > $1 AND r.erasure IS NULL ORDER BY r.n LIMIT $2"
        );
        let mut after = i64::MIN;
        loop {
            let query = sqlx::query(AssertSqlSafe(page.as_str()));
            let rows = query.bind(after).bind(AT_ONCE).fetch_all(&db.readers).await?;
            let (mut read, before) = (Vec::new(), after);
            for row in &rows {
                after = row.try_get(0)?;
                read.extend(self.past_record(row).await?);
            }
            let mut tx = db.begin().await?;
            db.lock(&mut tx, true).await?;
            // Another process may have been faster, and may take decisions by now.
            let row = sqlx::query("SELECT people FROM vault").fetch_one(&mut *tx).await?;
            if row.try_get::<i64, _>(0)? == LISTED {
                return Ok(());
            }
            // It may also have erased some of them since they were read.
            let erased = "SELECT n FROM record WHERE n > $1 AND n <= $2 AND erasure IS NOT NULL";
            let erased = sqlx::query(erased).bind(before).bind(after).fetch_all(&mut *tx).await?;
            let erased: BTreeSet<i64> = erased.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
            read.retain(|record| !erased.contains(&record.n));
            write(&mut tx, &read).await?;
            if rows.is_empty() {
                finish(&mut tx).await?;
                return db.commit(tx).await;
            }
            db.commit(tx).await?;
            tracing::info!(
                records = rows.len(),
                "records of an earlier version are found by any form of a name, and listed"
            );
        }
    }

    /// What a record is found by. None if it was erased meanwhile, or holds something else than a recorder writes.
    async fn past_record(&self, row: &AnyRow) -> Result<Option<PastRecord>> {
        let record = id(row.try_get(1)?)?;
        let kind = u8::try_from(row.try_get::<i64, _>(2)?).ok().and_then(StatementKind::from_byte);
        let kind = kind.ok_or_else(|| VaultError::damaged("a kind is malformed"))?;
        let metadata = match self.unseal(&record, "metadata").await {
            Err(VaultError::Erased(_)) => return Ok(None),
            unsealed => unsealed?,
        };
        let n: i64 = row.try_get(0)?;
        let parts = Parts::read(&metadata, None).ok().zip(statement_text::read(n, row, 5)?);
        let read = parts.and_then(|(parts, jwt)| parts.record(&record, kind, jwt).ok());
        if read.is_none() {
            tracing::warn!(%record, "a record cannot be read: it is not found by what it holds, nor by the people in it");
        }
        let (Some(read), Some(tenant)) = (read, self.tenant_named(row.try_get(4)?).await?) else {
            return Ok(None);
        };
        let started_at: i64 = row.try_get(3)?;
        let mut facets = read.facets();
        let mut connection = self.shared.db.readers.acquire().await?;
        facets.extend(found_when_kept(&mut connection, &tenant, n, &read).await?);
        let people = self.people_of(&mut connection, &tenant, n, &read).await?;
        Ok(Some(PastRecord { tenant, n, kind, started_at, facets, people }))
    }

    /// The people whose data a record is: name, row and key.
    async fn people_of(
        &self,
        connection: &mut AnyConnection,
        tenant: &Tenant,
        n: i64,
        read: &Record,
    ) -> Result<Vec<(String, i64, Key)>> {
        let sql = "SELECT s.mac, s.id, s.key FROM record_subject rs JOIN subject s ON s.id = rs.subject WHERE rs.record = $1";
        let rows = sqlx::query(sql).bind(n).fetch_all(connection).await?;
        let mut people = Vec::new();
        for name in read.subjects() {
            let of_person = tenant.subject(&name);
            for row in &rows {
                let bytes: &[u8] = row.try_get(0)?;
                if mac(bytes)? == of_person {
                    let key = self.shared.keys.unwrap_subject(&tenant.name, bytes, row.try_get(2)?)?;
                    people.push((name.clone(), row.try_get(1)?, key));
                }
            }
        }
        Ok(people)
    }

    async fn tenant_named(&self, name: &str) -> Result<Option<Arc<Tenant>>> {
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

/// What was found in a record when it was kept, and which gateway recorded it: it is not in the record, and found by its pseudonyms.
async fn found_when_kept(
    connection: &mut AnyConnection,
    tenant: &Tenant,
    n: i64,
    read: &Record,
) -> Result<Vec<(Facet, String)>> {
    let sql = "SELECT COALESCE(s.member, f.mac) FROM facet f LEFT JOIN facet_set s ON s.mac = f.mac WHERE f.record = $1";
    let rows = sqlx::query(sql).bind(n).fetch_all(connection).await?;
    let has: BTreeSet<Mac> = rows.iter().map(|row| mac(row.try_get(0)?)).collect::<Result<_>>()?;
    let questions = vouchlog_grading::Verdicts::QUESTIONS.into_iter();
    let answers = questions.flat_map(|question| ANSWERS.map(|answer| format!("{question}:{answer}")));
    let gateway = read.body.custody.value().and_then(|custody| custody.recorder.value().cloned());
    let asked = (answers.map(|answer| (Facet::Verdict, answer)))
        .chain(rules().iter().map(|rule| (Facet::Finding, rule.code.to_owned())))
        .chain(gateway.map(|gateway| (Facet::Gateway, gateway)));
    Ok(asked.filter(|(facet, value)| has.contains(&tenant.facet(*facet, value))).collect())
}

/// Writes what records are found by, and their place in the lists. What is there stays.
async fn write(tx: &mut AnyConnection, read: &[PastRecord]) -> Result<()> {
    // Verdicts and findings have been there since the record was kept.
    let facets = read.iter().flat_map(|record| {
        let facets = record.facets.iter().filter(|(facet, _)| !is_in_set(*facet));
        facets.map(|(facet, value)| {
            let mac = record.tenant.facet(*facet, value).as_slice().into();
            vec![mac, record.started_at.into(), record.n.into(), i64::from(facet.is_personal()).into()]
        })
    });
    let insert = "INSERT INTO facet (mac, started_at, record, personal)";
    over_values(tx, insert, facets.collect(), "ON CONFLICT DO NOTHING").await?;
    let mut sessions: BTreeMap<Mac, SessionOfRecords> = BTreeMap::new();
    let named = |record: &PastRecord| {
        let name = session_of(record.facets.iter().map(|(facet, value)| (*facet, value.as_str())))?;
        Some(record.tenant.facet(Facet::Session, name))
    };
    for record in read {
        let Some(mac) = named(record) else { continue };
        let at = record.started_at;
        // They are counted at the end: what is written here may be written again after a crash.
        let new = SessionOfRecords { tenant: record.tenant.id, first_at: at, last_at: at, records: 0 };
        let session = sessions.entry(mac).or_insert(new);
        (session.first_at, session.last_at) = (session.first_at.min(at), session.last_at.max(at));
    }
    let sessions = add_to_sessions(tx, sessions).await?;
    let of_records: HashMap<i64, i64> =
        read.iter().filter_map(|record| Some((record.n, *sessions.get(&named(record)?)?))).collect();
    let given: Vec<Vec<Value>> =
        of_records.iter().map(|(n, session)| vec![(*n).into(), (*session).into()]).collect();
    let update = ") UPDATE record SET session = given.session FROM given WHERE record.n = given.n";
    over_values(tx, "WITH given (n, session) AS (", given, update).await?;
    let listed: Vec<ListedRecord<'_>> = read
        .iter()
        .map(|record| ListedRecord {
            tenant: &record.tenant,
            n: record.n,
            kind: record.kind,
            started_at: record.started_at,
            session: of_records.get(&record.n).copied(),
            facets: record
                .facets
                .iter()
                .map(|(facet, value)| (*facet, value.as_str(), record.tenant.facet(*facet, value)))
                .collect(),
            people: record.people.iter().map(|(name, row, key)| (name.as_str(), *row, key)).collect(),
        })
        .collect();
    add_to_lists(tx, &listed).await
}

/// Adds erased records to the sessions that others are in, and counts the records of each session.
async fn finish(tx: &mut AnyConnection) -> Result<()> {
    for update in [
        "UPDATE record SET session = (SELECT min(s.n) FROM facet f JOIN session s ON s.mac = f.mac WHERE f.record = record.n) \
         WHERE session IS NULL AND erasure IS NOT NULL",
        "UPDATE session SET records = (SELECT count(*) FROM record r WHERE r.session = session.n)",
        "UPDATE vault SET people = 2",
    ] {
        sqlx::query(update).execute(&mut *tx).await?;
    }
    Ok(())
}
