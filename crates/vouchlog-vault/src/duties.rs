//! What must be kept, so that it shows if it was changed behind the vault's back.
//!
//! ```text
//! sealed, in the roster   the holds and what they go on to cover, the retention classes, the key of the sums below
//! held                    which records are under a hold: a sum over all of a hold's rows is sealed with it
//! record.keep_mac         until when a record is kept: HMAC over it, with the record's id
//! ```
//!
//! The sealed values are what counts; nothing else says what holds and classes there are. Rows of `held` are compared with their sum
//! before anything is erased, and when holds are listed. The sum is the exclusive or of HMACs, one for each row: nobody without the key
//! can add, change or take out rows so that it stays the same, and adding a row needs no other row.

use std::collections::{BTreeMap, HashMap, HashSet};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;
use serde::{Deserialize, Serialize};
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row as _};

use crate::keys::random_key;
use crate::limits::{MAX_HOLDS, MAX_STANDING_QUERIES};
use crate::standing::StandingQuery;
use crate::{Result, VaultError};

/// Rows of `held` that are read at a time.
const ROWS_AT_ONCE: i64 = 10_000;

/// What must be kept.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Duties {
    /// The key of the sums; random, and never another.
    key: Vec<u8>,
    /// The holds in force, by name.
    pub(crate) holds: BTreeMap<String, SealedHold>,
    /// For how many milliseconds records of a class are kept at least.
    pub(crate) classes: BTreeMap<String, i64>,
    /// Whether every record has its sum: those of an earlier version get theirs once.
    pub(crate) is_filled: bool,
}

/// A hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SealedHold {
    pub(crate) placed_at: i64,
    pub(crate) placed_by: String,
    /// Records under it.
    pub(crate) records: u64,
    /// The sum over them.
    sum: [u8; 32],
    /// What it goes on to cover.
    pub(crate) queries: Vec<StandingQuery>,
}

/// Until when a record is kept, and what that comes from.
#[derive(Clone, Copy)]
pub(crate) struct KeptUntil<'a> {
    pub(crate) id: &'a str,
    pub(crate) class: &'a str,
    pub(crate) started_at: i64,
    pub(crate) kept_at: i64,
    pub(crate) until: Option<i64>,
}

impl<'a> KeptUntil<'a> {
    /// What a row of `record` has in its columns 1 to 5, which are those of the fields, in their order.
    pub(crate) fn of_row(row: &'a AnyRow) -> Result<Self> {
        Ok(Self {
            id: row.try_get(1)?,
            class: row.try_get(2)?,
            started_at: row.try_get(3)?,
            kept_at: row.try_get(4)?,
            until: row.try_get(5)?,
        })
    }
}

impl std::fmt::Debug for Duties {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Duties")
            .field("holds", &self.holds)
            .field("classes", &self.classes)
            .finish_non_exhaustive()
    }
}

impl Duties {
    /// Of a new vault.
    pub(crate) fn new() -> Result<Self> {
        let key = random_key()?.to_vec();
        Ok(Self { key, holds: BTreeMap::new(), classes: BTreeMap::new(), is_filled: true })
    }

    /// The hold of a name, made if there is none.
    pub(crate) fn hold(&mut self, name: &str, placed_at: i64, placed_by: &str) -> &mut SealedHold {
        self.holds.entry(name.to_owned()).or_insert_with(|| SealedHold {
            placed_at,
            placed_by: placed_by.to_owned(),
            records: 0,
            sum: [0; 32],
            queries: Vec::new(),
        })
    }

    /// Adds records to the sum of a hold that has none of them yet.
    pub(crate) fn add_held<'a>(&mut self, hold: &str, ids: impl IntoIterator<Item = &'a str>) {
        let key = self.hmac_key();
        let Some(sealed) = self.holds.get_mut(hold) else { return };
        for id in ids {
            sealed.records += 1;
            add(&mut sealed.sum, &of_held(&key, hold, id));
        }
    }

    /// Refuses more than the sealed list can have.
    pub(crate) fn check_bounds(&self) -> Result<()> {
        let queries: usize = self.holds.values().map(|hold| hold.queries.len()).sum();
        if self.holds.len() > MAX_HOLDS || queries > MAX_STANDING_QUERIES {
            return Err(VaultError::invalid(format!(
                "a vault has at most {MAX_HOLDS} holds, which go on to cover at most {MAX_STANDING_QUERIES} searches"
            )));
        }
        Ok(())
    }

    /// Whether anything that is kept now may come under a hold.
    pub(crate) fn has_standing(&self) -> bool {
        self.holds.values().any(|hold| !hold.queries.is_empty())
    }

    /// The sum of until when a record is kept.
    pub(crate) fn mac(&self, kept: KeptUntil<'_>) -> Vec<u8> {
        let mut mac = hmac::Context::with_key(&self.hmac_key());
        mac.update(b"keep");
        for text in [kept.id, kept.class] {
            mac.update(&(text.len() as u64).to_be_bytes());
            mac.update(text.as_bytes());
        }
        for number in
            [kept.started_at, kept.kept_at, kept.until.unwrap_or(0), i64::from(kept.until.is_some())]
        {
            mac.update(&number.to_be_bytes());
        }
        mac.sign().as_ref().to_vec()
    }

    /// Refuses a record whose time to be kept is not what was written.
    pub(crate) fn check_kept(&self, kept: KeptUntil<'_>, mac: Option<&[u8]>) -> Result<()> {
        if verify_slices_are_equal(&self.mac(kept), mac.unwrap_or_default()).is_ok() {
            return Ok(());
        }
        let id = kept.id.escape_default();
        Err(VaultError::damaged(format!(
            "until when the record `{id}` is kept was changed without the vault's key"
        )))
    }

    /// Compares the records under holds with what was written. Answers which of `ids` are under a hold, and which one.
    pub(crate) async fn check_held(
        &self,
        tx: &mut AnyConnection,
        ids: &HashSet<&str>,
    ) -> Result<HashMap<String, String>> {
        let mut held: HashMap<String, String> = HashMap::new();
        let mut all = 0;
        for (name, sealed) in &self.holds {
            let (records, sum) = self.read_held(tx, name, ids, &mut held).await?;
            if (records, sum) != (sealed.records, sealed.sum) {
                return Err(changed(name));
            }
            all += records;
        }
        let count: i64 = sqlx::query("SELECT count(*) FROM held").fetch_one(tx).await?.try_get(0)?;
        if count.unsigned_abs() != all {
            return Err(VaultError::damaged("records were put under a hold without the vault's key"));
        }
        Ok(held)
    }

    /// How many records are under a hold, and their sum.
    async fn read_held(
        &self,
        tx: &mut AnyConnection,
        hold: &str,
        ids: &HashSet<&str>,
        held: &mut HashMap<String, String>,
    ) -> Result<(u64, [u8; 32])> {
        let key = self.hmac_key();
        let (mut records, mut sum, mut after) = (0, [0; 32], i64::MIN);
        let page = "SELECT h.record, r.id FROM held h JOIN record r ON r.n = h.record \
                    WHERE h.hold = $1 AND h.record > $2 ORDER BY h.record LIMIT $3";
        loop {
            let query = sqlx::query(page).bind(hold).bind(after).bind(ROWS_AT_ONCE);
            let rows = query.fetch_all(&mut *tx).await?;
            for row in &rows {
                after = row.try_get(0)?;
                let id: &str = row.try_get(1)?;
                records += 1;
                add(&mut sum, &of_held(&key, hold, id));
                if ids.contains(id) {
                    held.entry(id.to_owned()).or_insert_with(|| hold.to_owned());
                }
            }
            if rows.len() < usize::try_from(ROWS_AT_ONCE).expect("few") {
                return Ok((records, sum));
            }
        }
    }

    /// Takes over which records are under the holds of a vault that an earlier version made: nothing shows whether these were changed.
    pub(crate) async fn take_over_held(&mut self, tx: &mut AnyConnection) -> Result<()> {
        let names: Vec<String> = self.holds.keys().cloned().collect();
        for name in names {
            let (records, sum) = self.read_held(tx, &name, &HashSet::new(), &mut HashMap::new()).await?;
            if let Some(hold) = self.holds.get_mut(&name) {
                (hold.records, hold.sum) = (records, sum);
            }
        }
        Ok(())
    }

    fn hmac_key(&self) -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, &self.key)
    }
}

fn of_held(key: &hmac::Key, hold: &str, id: &str) -> hmac::Tag {
    let mut mac = hmac::Context::with_key(key);
    mac.update(b"held");
    mac.update(&(hold.len() as u64).to_be_bytes());
    mac.update(hold.as_bytes());
    mac.update(id.as_bytes());
    mac.sign()
}

fn add(sum: &mut [u8; 32], tag: &hmac::Tag) {
    for (byte, with) in sum.iter_mut().zip(tag.as_ref()) {
        *byte ^= with;
    }
}

fn changed(hold: &str) -> VaultError {
    let hold = hold.escape_default();
    VaultError::damaged(format!("the records under the hold `{hold}` were changed without the vault's key"))
}
