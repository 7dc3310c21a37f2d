//! What lists are made from: sessions, the pseudonyms that their records have, the values that these stand for, and the queue of
//! findings. It is written in the transaction that keeps the records.
//!
//! ```text
//! session        one row for each session: when it began and ended, how many records
//! session_facet  which pseudonyms its records have, each once
//! facet_value    what a pseudonym stands for, sealed
//! finding        a row for each rule that found something in a record, and its state
//! ```

use std::collections::{BTreeMap, BTreeSet, HashMap};

use sqlx::{AnyConnection, Row as _};
use vouchlog_record::Facet;
use vouchlog_stream::StatementKind;

use crate::keys::{Key, MAC_BYTES, Tenant};
use crate::sql::{Value, map, over_values};
use crate::{Result, VaultError};

/// A pseudonym.
pub(crate) type Mac = [u8; MAC_BYTES];

/// The code of a rule in the queue of findings: the first bytes of its pseudonym. A tenant has some hundred, so few bytes tell them apart:
/// two of them meet in one vault of a hundred thousand million.
pub(crate) type Code = [u8; 6];

/// The code of the rule with this pseudonym.
pub(crate) fn code_of(pseudonym: &Mac) -> Code {
    *pseudonym.first_chunk().expect("a pseudonym is longer")
}

/// Reads a code.
pub(crate) fn code(bytes: &[u8]) -> Result<Code> {
    bytes.try_into().map_err(|_| VaultError::damaged("the code of a finding has another length"))
}

/// A record as lists have it.
pub(crate) struct ListedRecord<'a> {
    pub(crate) tenant: &'a Tenant,
    /// Its row.
    pub(crate) n: i64,
    pub(crate) kind: StatementKind,
    pub(crate) started_at: i64,
    /// The row of its session.
    pub(crate) session: Option<i64>,
    /// What it is found by, with the pseudonyms.
    pub(crate) facets: Vec<(Facet, &'a str, Mac)>,
    /// The people whose data it is: name, row and key.
    pub(crate) people: Vec<(&'a str, i64, &'a Key)>,
}

/// A session that records are kept of.
pub(crate) struct SessionOfRecords {
    pub(crate) tenant: i64,
    pub(crate) first_at: i64,
    pub(crate) last_at: i64,
    pub(crate) records: i64,
}

/// How a facet takes part in lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Listing {
    /// Sessions are found by it.
    pub(crate) finds_sessions: bool,
    /// A list of sessions shows it.
    pub(crate) is_shown: bool,
    /// Its values are listed.
    pub(crate) is_listed: bool,
}

/// How a facet takes part in lists. What is of one record, such as a trace, leads to a record and needs no list.
pub(crate) const fn listing(facet: Facet) -> Listing {
    let (finds_sessions, is_shown, is_listed) = match facet {
        Facet::Initiator
        | Facet::Agent
        | Facet::Workload
        | Facet::Tool
        | Facet::Model
        | Facet::DataClass
        | Facet::Verdict => (true, true, true),
        Facet::Credential
        | Facet::Scope
        | Facet::Issuer
        | Facet::Gateway
        | Facet::Service
        | Facet::Finding => (true, false, true),
        Facet::Device => (true, false, false),
        Facet::Session => (false, false, true),
        Facet::Conversation | Facet::Trace | Facet::Response | Facet::Refers | Facet::Case => {
            (false, false, false)
        }
    };
    Listing { finds_sessions, is_shown, is_listed }
}

/// The session that facets name.
pub(crate) fn session_of<'a>(mut facets: impl Iterator<Item = (Facet, &'a str)>) -> Option<&'a str> {
    facets.find(|(facet, _)| *facet == Facet::Session).map(|(_, name)| name)
}

/// Adds records to sessions, which are made if they are not there. Answers the row of each.
pub(crate) async fn add_to_sessions(
    tx: &mut AnyConnection,
    sessions: BTreeMap<Mac, SessionOfRecords>,
) -> Result<HashMap<Mac, i64>> {
    let row = |(mac, session): (Mac, SessionOfRecords)| {
        let SessionOfRecords { tenant, first_at, last_at, records } = session;
        vec![Value::from(mac.as_slice()), tenant.into(), first_at.into(), last_at.into(), records.into()]
    };
    let insert = "INSERT INTO session (mac, tenant, first_at, last_at, records)";
    let update = "ON CONFLICT (mac) DO UPDATE SET \
        first_at = CASE WHEN excluded.first_at < session.first_at THEN excluded.first_at ELSE session.first_at END, \
        last_at = CASE WHEN excluded.last_at > session.last_at THEN excluded.last_at ELSE session.last_at END, \
        records = session.records + excluded.records RETURNING mac, n";
    let rows = over_values(tx, insert, sessions.into_iter().map(row).collect(), update).await?;
    map(&rows, |row| Ok((mac(row.try_get(0)?)?, row.try_get(1)?)))
}

/// Notes what lists show of records. Rows that are there stay.
pub(crate) async fn add_to_lists(tx: &mut AnyConnection, records: &[ListedRecord<'_>]) -> Result<()> {
    let mut of_sessions: BTreeMap<(Mac, i64), (bool, bool)> = BTreeMap::new();
    let mut values: BTreeMap<Mac, (&ListedRecord<'_>, Facet, &str)> = BTreeMap::new();
    let mut findings: BTreeSet<(Code, i64, i64, i64)> = BTreeSet::new();
    for record in records {
        for (facet, value, mac) in &record.facets {
            let (listing, mac) = (listing(*facet), *mac);
            if !is_telling(*facet, value, record.kind) {
                continue;
            }
            if let (true, Some(session)) = (listing.finds_sessions, record.session) {
                of_sessions.insert((mac, session), (listing.is_shown, facet.is_personal()));
            }
            if listing.is_listed {
                values.entry(mac).or_insert((record, *facet, value));
            }
            if *facet == Facet::Finding {
                findings.insert((code_of(&mac), record.started_at, record.n, record.tenant.id));
            }
        }
    }
    let row = |((mac, session), (shown, personal)): ((Mac, i64), (bool, bool))| {
        let flags = [shown, personal].map(|flag| Value::from(i64::from(flag)));
        [vec![mac.as_slice().into(), session.into()], flags.to_vec()].concat()
    };
    let rows = of_sessions.into_iter().map(row).collect();
    let insert = "INSERT INTO session_facet (mac, session, shown, personal)";
    over_values(tx, insert, rows, "ON CONFLICT DO NOTHING").await?;
    insert_values(tx, values).await?;
    let row = |(code, started_at, record, tenant): (Code, i64, i64, i64)| {
        vec![code.as_slice().into(), 0_i64.into(), started_at.into(), record.into(), tenant.into()]
    };
    let rows = findings.into_iter().map(row).collect();
    let insert = "INSERT INTO finding (code, state, started_at, record, tenant)";
    over_values(tx, insert, rows, "ON CONFLICT DO NOTHING").await?;
    Ok(())
}

/// Whether a value says something of a session. Of a record that is neither an interaction nor an intent no question is asked.
fn is_telling(facet: Facet, value: &str, kind: StatementKind) -> bool {
    let is_answer = facet == Facet::Verdict && value.contains(':');
    !is_answer || matches!(kind, StatementKind::Interaction | StatementKind::Intent)
}

/// Inserts what pseudonyms stand for. A person's name is sealed under the key of the person; one that is nobody's key is left out.
async fn insert_values(
    tx: &mut AnyConnection,
    values: BTreeMap<Mac, (&ListedRecord<'_>, Facet, &str)>,
) -> Result<()> {
    let mut rows = Vec::new();
    for (mac, (record, facet, value)) in values {
        let person = record.people.iter().find(|(name, ..)| facet == Facet::Initiator && *name == value);
        if facet.is_personal() && person.is_none() {
            continue;
        }
        let key = person.map(|(_, _, key)| *key);
        let sealed = record.tenant.seal_value(&mac, facet, value, key)?;
        rows.push(vec![
            mac.as_slice().into(),
            record.tenant.id.into(),
            record.tenant.kind(facet).as_slice().into(),
            person.map(|(_, row, _)| *row).into(),
            sealed.into(),
        ]);
    }
    let insert = "INSERT INTO facet_value (mac, tenant, kind, subject, value)";
    over_values(tx, insert, rows, "ON CONFLICT DO NOTHING").await?;
    Ok(())
}

/// Forgets what lists show of the records of an erasure, before their facets are deleted: values that no other record has.
pub(crate) async fn forget_values(tx: &mut AnyConnection, erasure: i64) -> Result<()> {
    let delete = "DELETE FROM facet_value \
        WHERE mac IN (SELECT COALESCE(s.member, f.mac) FROM record r JOIN facet f ON f.record = r.n \
                      LEFT JOIN facet_set s ON s.mac = f.mac WHERE r.erasure = $1) \
        AND NOT EXISTS (SELECT 1 FROM facet f JOIN record r ON r.n = f.record \
                        WHERE f.mac = facet_value.mac AND r.erasure IS NULL) \
        AND NOT EXISTS (SELECT 1 FROM facet_set s JOIN facet f ON f.mac = s.mac JOIN record r ON r.n = f.record \
                        WHERE s.member = facet_value.mac AND r.erasure IS NULL)";
    sqlx::query(delete).bind(erasure).execute(tx).await?;
    Ok(())
}

/// The same after their facets are deleted: by which people their sessions are found, unless another record of the session has them.
pub(crate) async fn forget_people(tx: &mut AnyConnection, erasure: i64) -> Result<()> {
    let delete = "DELETE FROM session_facet \
        WHERE personal = 1 AND session IN (SELECT session FROM record WHERE erasure = $1) \
        AND NOT EXISTS (SELECT 1 FROM record r JOIN facet f ON f.record = r.n \
                        WHERE r.session = session_facet.session AND f.mac = session_facet.mac)";
    sqlx::query(delete).bind(erasure).execute(tx).await?;
    Ok(())
}

/// Reads a pseudonym.
pub(crate) fn mac(bytes: &[u8]) -> Result<Mac> {
    bytes.try_into().map_err(|_| VaultError::damaged("a pseudonym has another length"))
}
