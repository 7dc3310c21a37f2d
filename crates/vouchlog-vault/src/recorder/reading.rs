//! Reading records back: facts for permitted callers, content only after the reading itself was recorded.

use std::collections::{BTreeMap, BTreeSet};

use futures::stream::{self, StreamExt, TryStreamExt};
use jiff::Timestamp;
use vouchlog_grading::{Context, Grade, grade};
use vouchlog_record::{DisclosureScope, Record, RecordId};
use vouchlog_statement::StatementError;
use vouchlog_stream::StatementKind;

use super::{RECORDS_PER_EVENT, Recorder};
use crate::access::ReadPermit;
use crate::facts::StoredFacts;
use crate::learned::Taught;
use crate::limits::OBJECT_READS;
use crate::operation::Operation;
use crate::parts::{Parts, PartsError};
use crate::recording_error::RecordingError;
use crate::{Access, Role, Row, Vault, VaultError};

/// A record that was read back.
#[derive(Clone, Debug)]
pub struct ReadRecord {
    /// What is known of it without decrypting it.
    pub row: Row,
    /// The record; `None` when it was erased. Content that was not asked for is redacted.
    pub record: Option<Record>,
    /// What it holds, judged by all that is known today: a revocation that came later counts.
    pub grade: Option<Grade>,
}

/// Which fields of which records are presented, and why.
#[derive(Clone, Copy, Debug)]
pub struct PresentationRequest<'a> {
    /// The records.
    pub rows: &'a [Row],
    /// The fields, as JSON pointers.
    pub paths: &'a [String],
    /// The reason, as the log records it.
    pub basis: &'a str,
    /// What kind of disclosure it is.
    pub scope: DisclosureScope,
    /// To whom the fields are given, as the log records it.
    pub recipient: Option<&'a str>,
}

/// What the vault's credential events and configurations say, for judging other records. What was learnt before is kept in memory, and
/// only what is new is read.
pub async fn learn(vault: &Vault, access: &Access) -> Result<Context, RecordingError> {
    if !access.roles().has(Role::ReadMetadata) {
        return Ok(Context::default());
    }
    let taught = vault.taught(access).await?;
    let (known, mut context) = match vault.shared.learned.of(access.tenant()) {
        Some((known, context)) if known == taught => return Ok(context),
        Some((known, context)) if known.erased == taught.erased => (known, context),
        _ => (Taught::default(), Context::default()),
    };
    let (mut records, mut last) = (known.records, known.last);
    loop {
        let rows = vault.teaching(access, last).await?;
        for (row, record) in rows.iter().zip(facts(vault, access, &rows).await?) {
            if let Some(record) = record {
                context.learn(&row.id, &record);
            }
            (records, last) = (records + 1, row.n);
        }
        if rows.is_empty() {
            break;
        }
    }
    // Otherwise another process kept records meanwhile, perhaps before those that were read: the next call learns all of them.
    let is_whole = (Taught { records, last, ..taught }) == taught;
    if !is_whole && known != Taught::default() {
        vault.shared.learned.remember(access.tenant(), Taught::default(), &Context::default());
        return Box::pin(learn(vault, access)).await;
    }
    if is_whole {
        vault.shared.learned.remember(access.tenant(), taught, &context);
    }
    Ok(context)
}

/// Records without their content, in their order; `None` for one that was erased.
async fn facts(vault: &Vault, access: &Access, rows: &[Row]) -> Result<Vec<Option<Record>>, RecordingError> {
    let stored = vault.stored_facts(access, rows).await?;
    let read = |(row, stored): (&Row, Option<StoredFacts>)| {
        stored.map(|StoredFacts { jwt, metadata }| open(row, jwt, &metadata, None)).transpose()
    };
    rows.iter().zip(stored).map(read).collect()
}

pub(super) fn open(
    row: &Row,
    jwt: String,
    metadata: &[u8],
    content: Option<&[u8]>,
) -> Result<Record, RecordingError> {
    parts(row, metadata, content)?.record(&row.id, row.kind, jwt)
}

fn parts(row: &Row, metadata: &[u8], content: Option<&[u8]>) -> Result<Parts, RecordingError> {
    let damaged =
        |error: PartsError| RecordingError::Damaged { record: row.id.clone(), problem: error.to_string() };
    Parts::read(metadata, content).map_err(damaged)
}

/// Records without their content, each judged by what the vault knows today. Reading facts needs no recorder.
pub async fn read_facts(
    vault: &Vault,
    access: &Access,
    rows: Vec<Row>,
    context: &Context,
) -> Result<Vec<ReadRecord>, RecordingError> {
    let read = facts(vault, access, &rows).await?;
    Ok(judged(rows.into_iter().zip(read).collect(), context.clone()))
}

/// Under which names records have a person, and how many have each: the same one may be spelled in several ways, and `sub` alone may
/// name one person at each of several issuers.
pub async fn people_named(
    vault: &Vault,
    access: &Access,
    records: &[RecordId],
    name: &str,
) -> Result<BTreeMap<String, u64>, RecordingError> {
    let mut people = BTreeMap::new();
    for id in records {
        let row = vault.row(access, id).await?;
        let record = facts(vault, access, &[row]).await?;
        for person in record.iter().flatten().flat_map(|record| record.subjects_named(name)) {
            *people.entry(person).or_default() += 1;
        }
    }
    Ok(people)
}

/// Judges records by what is known, and by who recorded them: the recorder names itself in what it seals, and the log takes
/// statements from enrolled keys only.
fn judged(read: Vec<(Row, Option<Record>)>, context: Context) -> Vec<ReadRecord> {
    let recorder = |(_, record): &(Row, Option<Record>)| {
        record.as_ref()?.body.custody.value()?.recorder.value().cloned()
    };
    let recorders: BTreeSet<String> = read.iter().filter_map(recorder).collect();
    let context = recorders
        .iter()
        .fold(context, |context, name| context.recorder_key_in_force(name, Timestamp::MIN, None));
    let judge = |(row, record): (Row, Option<Record>)| {
        let grade = record.as_ref().map(|record| grade(record, &context));
        ReadRecord { row, record, grade }
    };
    read.into_iter().map(judge).collect()
}

impl Recorder {
    /// Records with their content. That they are read, by whom and why, is on record and on its way to the log before any of them is
    /// given out, and only if all can be.
    pub async fn read_content(
        &self,
        access: &Access,
        rows: Vec<Row>,
        basis: &str,
    ) -> Result<Vec<ReadRecord>, RecordingError> {
        access.allow(Operation::ReadContent)?;
        let permit = permit(&rows);
        let context = learn(self.vault(), access).await?;
        let reads: Vec<_> = rows.iter().map(|row| self.whole(access, &permit, row)).collect();
        let records: Vec<Option<Record>> = stream::iter(reads).buffered(OBJECT_READS).try_collect().await?;
        let read: Vec<(Row, Option<Record>)> = rows.into_iter().zip(records).collect();
        let rows: Vec<&Row> = read.iter().map(|(row, _)| row).collect();
        self.put_on_record(access, &rows, (basis, None), DisclosureScope::Read, &[]).await?;
        Ok(judged(read, context))
    }

    /// A record with its content; `None` if it was erased.
    async fn whole(
        &self,
        access: &Access,
        permit: &ReadPermit,
        row: &Row,
    ) -> Result<Option<Record>, RecordingError> {
        let content = match self.vault().content(access, permit, &row.id).await {
            Err(VaultError::Erased { .. }) => return Ok(None),
            content => content?,
        };
        let metadata = self.vault().metadata(access, &row.id).await?;
        let jwt = self.vault().jwt(access, &row.id).await?;
        Ok(Some(open(row, jwt, &metadata, Some(&content))?))
    }

    /// The SD-JWTs of records that show the fields asked for. Once all of them are made, the disclosure itself is recorded, and on
    /// its way to the log before any of them is given out: one that failed gave nothing away. A bundle shows of each record those
    /// fields that it has; a single presentation has to have all of them.
    pub async fn present(
        &self,
        access: &Access,
        request: PresentationRequest<'_>,
    ) -> Result<Vec<String>, RecordingError> {
        let PresentationRequest { rows, paths, basis, scope, recipient } = request;
        access.allow(Operation::Disclose)?;
        let permit = permit(rows);
        let reads: Vec<_> = rows.iter().map(|row| self.vault().content_under(&permit, &row.id)).collect();
        let mut contents = stream::iter(reads).buffered(OBJECT_READS);
        let mut presented = Vec::with_capacity(rows.len());
        for row in rows {
            let content = contents.next().await.expect("one of each row")?;
            let metadata = self.vault().metadata(access, &row.id).await?;
            let jwt = self.vault().jwt(access, &row.id).await?;
            let parts = parts(row, &metadata, Some(&content))?;
            let has = |path: &&String| scope != DisclosureScope::Bundle || parts.has(path);
            let paths: Vec<&str> = paths.iter().filter(has).map(String::as_str).collect();
            let issued = parts.issued(jwt);
            // What was kept is what was signed, or it is not given out.
            let damaged = |error: StatementError| RecordingError::Damaged {
                record: row.id.clone(),
                problem: error.to_string(),
            };
            issued.record().map_err(damaged)?;
            let sd_jwt = issued.present(&paths);
            presented
                .push(sd_jwt.map_err(|error| RecordingError::Statement { record: row.id.clone(), error })?);
        }
        let rows: Vec<&Row> = rows.iter().collect();
        self.put_on_record(access, &rows, (basis, recipient), scope, paths).await?;
        Ok(presented)
    }

    /// Puts a disclosure of these records on record.
    async fn put_on_record(
        &self,
        access: &Access,
        rows: &[&Row],
        (basis, recipient): (&str, Option<&str>),
        scope: DisclosureScope,
        paths: &[String],
    ) -> Result<(), RecordingError> {
        let records: Vec<RecordId> = rows.iter().map(|row| row.id.clone()).collect();
        let mut events = Vec::new();
        for records in records.chunks(RECORDS_PER_EVENT) {
            let mut event = self.event(StatementKind::Disclosure);
            let disclosure = event.body.disclosure.get_or_default();
            disclosure.by = access.name().into();
            disclosure.scope = scope.into();
            disclosure.basis = basis.into();
            if let Some(recipient) = recipient {
                disclosure.recipient = recipient.into();
            }
            disclosure.records = records.to_vec().into();
            if !paths.is_empty() {
                disclosure.fields = paths.to_vec().into();
            }
            events.push(event);
        }
        self.record(events).await?;
        Ok(())
    }
}

/// Permission to decrypt these records. What is decrypted is given out once that is on record.
fn permit(rows: &[Row]) -> ReadPermit {
    ReadPermit::new(rows.iter().map(|row| row.id.clone()).collect())
}
