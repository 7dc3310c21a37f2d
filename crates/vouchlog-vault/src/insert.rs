//! Writes a group of sealed records into the database, in one transaction.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use sqlx::{AnyConnection, Row as _};
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use vouchlog_record::{Facet, RecordId};

use crate::duties::{Duties, KeptUntil};
use crate::facet_sets::{FacetSet, insert_sets, is_in_set};
use crate::keys::{Key, MAC_BYTES, Pseudonyms};
use crate::lists::{ListedRecord, Mac, SessionOfRecords, add_to_lists, add_to_sessions, session_of};
use crate::macs::{Macs, OfValue};
use crate::object_folders::hold_open;
use crate::object_name::{FolderName, ObjectName};
use crate::object_removals::note_unnamed;
use crate::owners::{Owners, owners};
use crate::roster::Roster;
use crate::sealed::SealedRecord;
use crate::shared::Shared;
use crate::sql::{Value, map, over_set, over_values};
use crate::standing::KeptRecord;
use crate::{KeepRecord, Result, VaultError, content_pieces, statement_text, sums};

/// One call of `keep`.
pub(crate) struct KeepJob {
    pub(crate) records: Arc<Vec<SealedRecord>>,
    /// Where the content of each record was written, if not in the database.
    pub(crate) objects: Vec<Option<ObjectName>>,
    pub(crate) now: i64,
    pub(crate) reply: oneshot::Sender<Result<KeepOutcome>>,
    /// Its share of the queue, given back when the call and the job are dropped.
    pub(crate) _share: Arc<OwnedSemaphorePermit>,
}

/// What became of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeepOutcome {
    Done,
    /// A folder with an object of it was closed: its content is to be written again.
    FolderClosed,
}

/// Keeps the jobs' records in one transaction; what becomes of each job. An error is of the transaction: nothing was kept, unless
/// the commit's outcome is unknown.
pub(crate) async fn keep_group(shared: &Shared, jobs: &[KeepJob]) -> Result<Vec<Result<KeepOutcome>>> {
    let mut tx = shared.db.begin().await?;
    // Records that come under a hold change what is sealed, which one writer at a time may do.
    let is_exclusive = shared.keys.expects_standing();
    shared.keys.check(&shared.db.lock(&mut tx, is_exclusive).await?)?;
    let folders = jobs.iter().flat_map(|job| &job.objects).flatten().map(ObjectName::folder).collect();
    let open = hold_open(&shared.db, &mut tx, &folders).await?;
    let (new, outcomes) = select_new(&mut tx, jobs, &open).await?;
    note_left(&mut tx, jobs, &new).await?;
    let mut sealed_anew = None;
    if !new.is_empty() {
        let mut roster = Roster::read(shared, &mut tx).await?;
        let has_standing = roster.duties()?.has_standing();
        if has_standing && !is_exclusive {
            // It is known now: the next attempt locks.
            return Err(VaultError::Busy);
        }
        let records: Vec<&KeepRecord> = new.iter().map(|new| &new.sealed.record).collect();
        let owners = owners(shared, &mut tx, &records).await?;
        let mut macs = Macs::default();
        let sessions = sessions(&mut tx, &new, &owners, &mut macs).await?;
        let places = insert_records(&mut tx, &new, &owners, (roster.duties()?, &sessions)).await?;
        insert_parts(&mut tx, &new, &owners, &places).await?;
        let pseudonyms = pseudonyms(&new, &owners, &mut macs);
        let sets = sets(&mut tx, &new, &owners, &mut macs).await?;
        insert_facets(&mut tx, &new, (&pseudonyms, &sets), &places).await?;
        let listed = listed((&new, &sessions), &owners, &places, &mut macs);
        add_to_lists(&mut tx, &listed).await?;
        if has_standing {
            let covered = covered(roster.duties()?, &new, &pseudonyms, &owners);
            if !covered.is_empty() {
                put_under_holds(&mut tx, roster.duties_mut()?, covered, &places).await?;
                roster.write(shared, &mut tx).await?;
                sealed_anew = Some(roster.generation);
            }
        }
    }
    shared.db.commit(tx).await?;
    if let Some(generation) = sealed_anew {
        shared.saw_roster(generation);
    }
    Ok(outcomes)
}

/// A record to insert.
#[derive(Clone, Copy)]
struct New<'a> {
    sealed: &'a SealedRecord,
    /// Where its content is, if not in the database.
    object: Option<ObjectName>,
    /// When it was taken.
    now: i64,
}

/// The objects of records that are not inserted: they are kept already, or refused.
async fn note_left(tx: &mut AnyConnection, jobs: &[KeepJob], new: &[New<'_>]) -> Result<()> {
    let named: HashSet<ObjectName> = new.iter().filter_map(|new| new.object).collect();
    let now = jobs.iter().map(|job| job.now).max().unwrap_or_default();
    let written = jobs.iter().flat_map(|job| &job.objects).flatten().copied();
    // An attempt before this one may have committed without its answer: what a row names stays.
    note_unnamed(tx, written.filter(|object| !named.contains(object)).collect(), now).await.map(drop)
}

/// The records that are not kept yet, and which jobs contradict what is kept, or have an object in a folder that is not open.
async fn select_new<'a>(
    tx: &mut AnyConnection,
    jobs: &'a [KeepJob],
    open: &HashSet<FolderName>,
) -> Result<(Vec<New<'a>>, Vec<Result<KeepOutcome>>)> {
    let given = || jobs.iter().flat_map(|job| job.records.iter()).map(|sealed| &sealed.record);
    let ids = given().map(|record| record.id.as_str().into()).collect();
    let digests = given().map(|record| record.digest.as_bytes().as_slice().into()).collect();
    let mut rows = over_set(tx, "SELECT id, digest FROM record WHERE id IN", ids, "").await?;
    rows.extend(over_set(tx, "SELECT id, digest FROM record WHERE digest IN", digests, "").await?);
    let mut digest_of: HashMap<String, Vec<u8>> = map(&rows, |row| Ok((row.try_get(0)?, row.try_get(1)?)))?;
    let mut id_of: HashMap<Vec<u8>, String> =
        digest_of.iter().map(|(id, digest)| (digest.clone(), id.clone())).collect();

    let (mut new, mut outcomes) = (Vec::new(), Vec::new());
    for job in jobs {
        if job.objects.iter().flatten().any(|object| !open.contains(&object.folder())) {
            outcomes.push(Ok(KeepOutcome::FolderClosed));
            continue;
        }
        let (before, mut refused) = (new.len(), None);
        for (sealed, object) in job.records.iter().zip(&job.objects) {
            let (id, digest) = (sealed.record.id.as_str(), sealed.record.digest.as_bytes());
            refused = refused.or_else(|| conflict(&sealed.record, &digest_of, &id_of));
            if !digest_of.contains_key(id) {
                digest_of.insert(id.to_owned(), digest.to_vec());
                id_of.insert(digest.to_vec(), id.to_owned());
                new.push(New { sealed, object: *object, now: job.now });
            }
        }
        // All or none: what the call added is taken back.
        if refused.is_some() {
            for New { sealed, .. } in new.drain(before..) {
                digest_of.remove(sealed.record.id.as_str());
                id_of.remove(sealed.record.digest.as_bytes().as_slice());
            }
        }
        outcomes.push(refused.map_or(Ok(KeepOutcome::Done), Err));
    }
    Ok((new, outcomes))
}

fn conflict(
    record: &KeepRecord,
    digest_of: &HashMap<String, Vec<u8>>,
    id_of: &HashMap<Vec<u8>, String>,
) -> Option<VaultError> {
    let digest = record.digest.as_bytes().as_slice();
    match (digest_of.get(record.id.as_str()), id_of.get(digest)) {
        (Some(kept), _) if kept != digest => Some(VaultError::Conflict(record.id.clone())),
        (None, Some(kept)) => {
            let kept = RecordId::new(kept).unwrap_or_else(|_| record.id.clone());
            Some(VaultError::DigestTaken { given: record.id.clone(), kept })
        }
        _ => None,
    }
}

/// Adds the records to their sessions. Answers the row of the session of each record.
async fn sessions<'a>(
    tx: &mut AnyConnection,
    new: &[New<'a>],
    owners: &Owners,
    macs: &mut Macs<'a>,
) -> Result<Vec<Option<i64>>> {
    let mut sessions: BTreeMap<[u8; MAC_BYTES], SessionOfRecords> = BTreeMap::new();
    let mut of_records = Vec::new();
    for New { sealed, .. } in new {
        let record = &sealed.record;
        let tenant = owners.tenant(record);
        let name = session_of(record.facets.iter().map(|(facet, value)| (*facet, value.as_str())));
        let mac = name.map(|name| macs.of(tenant, Facet::Session, name).mac);
        of_records.push(mac);
        let Some(mac) = mac else { continue };
        let at = record.started_at;
        let session = sessions.entry(mac).or_insert(SessionOfRecords {
            tenant: tenant.id,
            first_at: at,
            last_at: at,
            records: 0,
        });
        (session.first_at, session.last_at) = (session.first_at.min(at), session.last_at.max(at));
        session.records += 1;
    }
    let rows = add_to_sessions(tx, sessions).await?;
    Ok(of_records.into_iter().map(|mac| rows.get(&mac?).copied()).collect())
}

/// The records as lists have them.
fn listed<'a>(
    (new, sessions): (&[New<'a>], &[Option<i64>]),
    owners: &'a Owners,
    places: &HashMap<String, i64>,
    macs: &mut Macs<'a>,
) -> Vec<ListedRecord<'a>> {
    let of_record = |(New { sealed, .. }, session): (&New<'a>, &Option<i64>)| {
        let record = &sealed.record;
        let tenant = owners.tenant(record);
        let people = record.subjects.iter().zip(owners.subjects(record));
        ListedRecord {
            tenant,
            n: places[record.id.as_str()],
            kind: record.kind,
            started_at: record.started_at,
            session: *session,
            facets: record
                .facets
                .iter()
                .map(|(facet, value)| (*facet, value.as_str(), macs.of(tenant, *facet, value).mac))
                .collect(),
            people: people.map(|(name, (row, key))| (name.as_str(), *row, key)).collect(),
        }
    };
    new.iter().zip(sessions).map(of_record).collect()
}

/// Inserts the records; the number each got.
async fn insert_records(
    tx: &mut AnyConnection,
    new: &[New<'_>],
    owners: &Owners,
    (duties, sessions): (&Duties, &[Option<i64>]),
) -> Result<HashMap<String, i64>> {
    let row = |(New { sealed, now, .. }, session): (&New<'_>, &Option<i64>)| {
        let record = &sealed.record;
        // A clock that was far behind must not end a duty before it began.
        let begin = record.started_at.max(*now);
        let minimum = duties.classes.get(&record.retention.class).map(|keep| begin.saturating_add(*keep));
        let stream = i64::try_from(record.stream.get()).expect("40 bits");
        // In the order of `SUMMED`.
        let mut row = vec![
            record.id.as_str().into(),
            i64::from(record.kind.byte()).into(),
            owners.tenant(record).id.into(),
            stream.into(),
            i64::from(record.evidence.bits()).into(),
            record.digest.as_bytes().as_slice().into(),
            record.started_at.into(),
            (*now).into(),
            record.retention.class.as_str().into(),
            record.amends.as_ref().map(ToString::to_string).into(),
        ];
        row.push(sums::of(&row).into());
        let until = record.retention.until.max(minimum);
        row.push(until.into());
        let kept = KeptUntil {
            id: record.id.as_str(),
            class: record.retention.class.as_str(),
            started_at: record.started_at,
            kept_at: *now,
            until,
        };
        row.push(duties.mac(kept).into());
        row.push((*session).into());
        row
    };
    let insert = "INSERT INTO record (id, kind, tenant, stream, evidence, digest, started_at, kept_at, \
                  retention_class, amends, sum, keep_until, keep_mac, session)";
    let rows = new.iter().zip(sessions).map(row).collect();
    let rows = over_values(tx, insert, rows, "RETURNING id, n").await?;
    map(&rows, |row| Ok((row.try_get(0)?, row.try_get(1)?)))
}

/// Inserts statements, sealed parts and the persons they belong to.
async fn insert_parts(
    tx: &mut AnyConnection,
    new: &[New<'_>],
    owners: &Owners,
    places: &HashMap<String, i64>,
) -> Result<()> {
    let (mut statements, mut parts, mut persons) = (Vec::new(), Vec::new(), Vec::new());
    let mut pieces = Vec::new();
    for New { sealed, object, .. } in new {
        let record = &sealed.record;
        let n = places[record.id.as_str()];
        let keys: Vec<&Key> = owners.subjects(record).map(|(_, key)| key).collect();
        let key = owners.tenant(record).wrap(&record.id, &sealed.key, &keys)?;
        let (jwt, packed) = statement_text::stored(&record.jwt);
        statements.push(vec![n.into(), jwt.into(), packed.into(), sums::of_text(n, &record.jwt).into()]);
        let length = i64::try_from(sealed.content.len()).expect("content is far shorter");
        let object_bytes = object.map(|_| length);
        let object = object.map(|object| object.as_bytes().to_vec());
        if object.is_none() {
            pieces.extend(content_pieces::rows(n, &sealed.content));
        }
        let (metadata, content) = (sealed.metadata.as_slice(), Vec::new());
        parts.push(vec![
            n.into(),
            key.into(),
            metadata.into(),
            content.into(),
            object.into(),
            object_bytes.into(),
        ]);
        let rows: BTreeSet<i64> = owners.subjects(record).map(|(row, _)| *row).collect();
        persons.extend(rows.into_iter().map(|subject| vec![Value::from(n), subject.into()]));
    }
    over_values(tx, "INSERT INTO statement (record, jwt, packed, sum)", statements, "").await?;
    over_values(tx, "INSERT INTO sealed (record, key, metadata, content, object, object_bytes)", parts, "")
        .await?;
    over_values(tx, "INSERT INTO content_piece (record, bytes)", pieces, "").await?;
    over_values(tx, "INSERT INTO record_subject (record, subject)", persons, "").await?;
    Ok(())
}

/// The pseudonyms of each record. A value that is not canonical has two: a hold that an earlier version placed goes on under the value as
/// it was written.
fn pseudonyms<'a>(new: &[New<'a>], owners: &Owners, macs: &mut Macs<'a>) -> Vec<Pseudonyms> {
    let of_record = |New { sealed, .. }: &New<'a>| {
        let tenant = owners.tenant(&sealed.record);
        let facets = sealed.record.facets.iter().map(|(facet, value)| (*facet, value));
        let people = sealed.record.subjects.iter().map(|person| (Facet::Initiator, person));
        let mut pseudonyms = Pseudonyms::new();
        for (facet, value) in facets.chain(people) {
            let OfValue { mac, as_written } = macs.of(tenant, facet, value);
            pseudonyms.extend(std::iter::once(mac).chain(as_written).map(|mac| (mac, facet.is_personal())));
        }
        pseudonyms
    };
    new.iter().map(of_record).collect()
}

/// Inserts the sets that records are found by. Answers of each record the pseudonym of its set, if there was room for it, and what is in it.
async fn sets<'a>(
    tx: &mut AnyConnection,
    new: &[New<'a>],
    owners: &Owners,
    macs: &mut Macs<'a>,
) -> Result<Vec<Option<FacetSet>>> {
    let of_record = |New { sealed, .. }: &New<'a>| {
        let tenant = owners.tenant(&sealed.record);
        let facets = sealed.record.facets.iter().filter(|(facet, _)| is_in_set(*facet));
        let members: BTreeSet<Mac> =
            facets.map(|(facet, value)| macs.of(tenant, *facet, value).mac).collect();
        // One is found as well by itself.
        (members.len() > 1).then(|| (tenant.set(&members), members))
    };
    let mut of_records: Vec<Option<FacetSet>> = new.iter().map(of_record).collect();
    let there = insert_sets(tx, of_records.iter().flatten().cloned().collect()).await?;
    for of_record in &mut of_records {
        *of_record = of_record.take().filter(|(mac, _)| there.contains(mac));
    }
    Ok(of_records)
}

/// Inserts the pseudonyms the records are found by, in their order, so that rows of one page are written together.
async fn insert_facets(
    tx: &mut AnyConnection,
    new: &[New<'_>],
    (pseudonyms, sets): (&[Pseudonyms], &[Option<FacetSet>]),
    places: &HashMap<String, i64>,
) -> Result<()> {
    let mut facets = Vec::new();
    for ((New { sealed, .. }, pseudonyms), set) in new.iter().zip(pseudonyms).zip(sets) {
        let record = &sealed.record;
        let n = places[record.id.as_str()];
        let is_in_set = |mac: &Mac| set.as_ref().is_some_and(|(_, members)| members.contains(mac));
        let alone = pseudonyms.iter().filter(|(mac, _)| !is_in_set(mac));
        facets.extend(alone.map(|(mac, personal)| (*mac, record.started_at, n, i64::from(*personal))));
        facets.extend(set.iter().map(|(mac, _)| (*mac, record.started_at, n, 0)));
    }
    facets.sort_unstable();
    let row = |(mac, started_at, n, personal): ([u8; MAC_BYTES], i64, i64, i64)| {
        vec![mac.as_slice().into(), started_at.into(), n.into(), personal.into()]
    };
    let rows = facets.into_iter().map(row).collect();
    over_values(tx, "INSERT INTO facet (mac, started_at, record, personal)", rows, "").await?;
    Ok(())
}

/// The records that holds go on to cover, by the holds' names.
fn covered<'a>(
    duties: &Duties,
    new: &[New<'a>],
    pseudonyms: &[Pseudonyms],
    owners: &Owners,
) -> BTreeMap<String, BTreeSet<&'a str>> {
    let mut covered: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for (New { sealed, .. }, pseudonyms) in new.iter().zip(pseudonyms) {
        let record = &sealed.record;
        let kept = KeptRecord {
            tenant: owners.tenant(record).id,
            kind: record.kind.byte(),
            started_at: record.started_at,
            pseudonyms,
        };
        for (name, hold) in &duties.holds {
            if hold.queries.iter().any(|query| query.covers(&kept)) {
                covered.entry(name.clone()).or_default().insert(record.id.as_str());
            }
        }
    }
    covered
}

/// Puts records under the holds that cover them.
async fn put_under_holds(
    tx: &mut AnyConnection,
    duties: &mut Duties,
    covered: BTreeMap<String, BTreeSet<&str>>,
    places: &HashMap<String, i64>,
) -> Result<()> {
    let mut rows = Vec::new();
    for (hold, ids) in covered {
        rows.extend(ids.iter().map(|id| vec![places[*id].into(), hold.as_str().into()]));
        duties.add_held(&hold, ids);
    }
    over_values(tx, "INSERT INTO held (record, hold)", rows, "").await?;
    Ok(())
}
