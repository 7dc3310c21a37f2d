//! Opening and closing a vault, and rewrapping its keys.

use std::fmt;
use std::sync::{Arc, OnceLock};

use sqlx::{AnyConnection, Row as _};
use tokio::sync::{Semaphore, mpsc, oneshot};
use zeroize::Zeroizing;

use crate::access::Access;
use crate::database::Database;
use crate::duties::Duties;
use crate::error::named;
use crate::keys::{
    self, CheckedFor, KeyEncryptionKey, KeyRing, VaultId, VaultKeySource, subject_context, tenant_contexts,
};
use crate::learned::Learned;
#[cfg(doc)]
use crate::limits::MIN_FREE_BYTES;
use crate::limits::{MAX_ROWS, QUEUED_CALLS, QUEUED_KIB};
use crate::location::Location;
use crate::operation::Operation;
use crate::partitions::Partitions;
use crate::roster::Roster;
use crate::roster_reads::RosterReads;
use crate::seal_duties::seal_duties;
use crate::shared::Shared;
use crate::writer::{Job, write};
use crate::{Result, VaultError, sums};

/// An open vault. Clones share it.
#[derive(Clone)]
pub struct Vault {
    pub(crate) shared: Arc<Shared>,
    pub(crate) jobs: mpsc::Sender<Job>,
    /// What waits to be written, in KiB, is bounded.
    pub(crate) queue: Arc<Semaphore>,
    pub(crate) roster_reads: Arc<RosterReads>,
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vault").field("location", &self.shared.shown).finish_non_exhaustive()
    }
}

impl Vault {
    /// Where it is: a file, or the URL of a database without its password.
    pub fn location(&self) -> &str {
        &self.shared.shown
    }

    /// Whether `location` can be the place of a vault, before anything is made for one.
    pub fn check_location(location: &str) -> Result<()> {
        Location::parse(location).map(|_| ())
    }

    /// Whether there is a vault at `location`, before a key is looked for: the key of an existing vault must not be replaced by a new one.
    pub async fn exists(location: &str) -> Result<bool> {
        Database::exists(&Location::parse(location)?).await
    }

    /// Makes a vault at `location`: a directory, `sqlite://FILE` or `postgres://USER@HOST/DATABASE` (an existing database; with
    /// `?sslmode=verify-full&sslrootcert=FILE` over TLS). Its keys will be wrapped by `kek`.
    pub async fn create(location: &str, kek: KeyEncryptionKey) -> Result<Self> {
        let location = Location::parse(location)?;
        let db = Database::open(&location, true).await?;
        if !make(&db, &kek, &location.shown()).await? {
            return Err(VaultError::Exists(location.shown()));
        }
        let vault = Self::start(db, kek, &location).await?;
        vault.check_at_open().await?;
        Ok(vault)
    }

    /// Opens the vault at `location`.
    pub async fn open(location: &str, kek: KeyEncryptionKey) -> Result<Self> {
        let vault = Self::open_unchecked(location, kek).await?;
        vault.check_at_open().await?;
        vault.find_people_of_earlier_versions().await?;
        Ok(vault)
    }

    /// Opens the vault at `location` to find out what it lost: a damaged record does not keep it from being opened. Nothing is written
    /// to it then ([`damage`](Self::damage)), and a damaged record cannot be read. A database whose structure is damaged is refused.
    pub async fn open_damaged(location: &str, kek: KeyEncryptionKey) -> Result<Self> {
        let vault = Self::open_unchecked(location, kek).await?;
        match vault.check_at_open().await {
            Err(VaultError::Damaged(what)) => vault.shared.db.set_damage(what),
            checked => checked?,
        }
        Ok(vault)
    }

    async fn open_unchecked(location: &str, kek: KeyEncryptionKey) -> Result<Self> {
        let location = Location::parse(location)?;
        let db = Database::open(&location, false).await?;
        if !db.has_tables().await? {
            return Err(VaultError::Missing(location.shown()));
        }
        db.migrate(&location.shown()).await?;
        Self::start(db, kek, &location).await
    }

    /// Opens the vault at `location`, or makes it.
    pub async fn open_or_create(location: &str, kek: KeyEncryptionKey) -> Result<Self> {
        let location = Location::parse(location)?;
        let db = Database::open(&location, true).await?;
        make(&db, &kek, &location.shown()).await?;
        let vault = Self::start(db, kek, &location).await?;
        vault.check_at_open().await?;
        vault.find_people_of_earlier_versions().await?;
        Ok(vault)
    }

    pub(crate) async fn start(db: Database, kek: KeyEncryptionKey, location: &Location) -> Result<Self> {
        let opened = async {
            let row = sqlx::query("SELECT id, key_check FROM vault").fetch_optional(&db.readers).await?;
            let Some(row) = row else { return Err(VaultError::Missing(location.shown())) };
            let keys = KeyRing::new(kek, row.try_get(0)?, row.try_get(1)?)?;
            sums::fill(&db).await?;
            keys.saw_roster(db.noted_roster());
            seal_principals(&db, &keys).await?;
            seal_duties(&db, &keys).await?;
            Ok(keys)
        };
        let keys = opened.await.map_err(|error| named(error, &location.shown()))?;
        let (learned, objects) = (Learned::default(), OnceLock::new());
        let partitions = Partitions::default();
        partitions.look_after(&db).await;
        let shown = location.shown();
        let shared = Arc::new(Shared { db, keys, learned, objects, partitions, shown });
        let (jobs, queued) = mpsc::channel(QUEUED_CALLS);
        tokio::spawn(write(shared.clone(), queued));
        let queue = Arc::new(Semaphore::new(QUEUED_KIB));
        Ok(Self { shared, jobs, queue, roster_reads: Arc::default() })
    }

    /// SQLite: records are refused while the file system has less room than this, in bytes; [`MIN_FREE_BYTES`] unless it is set.
    pub fn keep_free(&self, bytes: u64) {
        self.shared.db.set_min_free_bytes(bytes);
    }

    /// What [`check`](Self::check) found to be damaged. From then on nothing is written until the vault is opened again.
    pub fn damage(&self) -> Option<String> {
        self.shared.db.damage().map(str::to_owned)
    }

    /// What keeps the vault from taking records at present, in words.
    pub fn impediment(&self) -> Option<String> {
        if let Some(damage) = self.damage() {
            return Some(VaultError::damaged(damage).to_string());
        }
        let no_room = self.shared.db.check_room().err().map(|error| error.to_string());
        no_room.or_else(|| {
            let seconds = self.shared.db.waits_for()?.as_secs();
            Some(format!(
                "the vault has waited {seconds} s for its database: another process may hold the lock"
            ))
        })
    }

    /// Writes what is under way and lets go of the database. Every clone is closed.
    pub async fn close(&self) {
        let (done, written) = oneshot::channel();
        if self.jobs.send(Job::Close(done)).await.is_ok() {
            // Answered, or dropped because the vault was closed twice.
            written.await.ok();
        }
        self.shared.db.close().await;
    }

    /// The key of `source` to [`rewrap`](Self::rewrap) this vault under, made if it is not there. Blocks, as a source does.
    ///
    /// # Errors
    /// Also if it is the key that the vault has.
    pub fn load_or_create_key(&self, source: &VaultKeySource) -> Result<KeyEncryptionKey> {
        let id = <&VaultId>::try_from(self.shared.keys.vault());
        let id = id.map_err(|_| VaultError::damaged("its id is not of 16 bytes"))?;
        let key = source.load_or_create_for(id)?;
        if key.bytes() == self.shared.keys.kek().bytes() {
            return Err(VaultError::invalid(
                "the vault has this key already: name another one, or a file that is not there",
            ));
        }
        Ok(key)
    }

    /// Wraps every key again under `kek`, in one transaction that excludes other writers. Records are not touched. Other processes
    /// that have the vault open get [`VaultError::Rewrapped`] at their next write, may find keys they cannot unwrap before, and must
    /// be started with the new key.
    ///
    /// Once the old key is destroyed, backups made before cannot be read any more: this is how what was erased goes out of
    /// them too.
    #[tracing::instrument(name = "vault", level = "debug", skip_all, fields(db.operation.name = "rewrap"))]
    pub async fn rewrap(&self, access: &Access, kek: KeyEncryptionKey) -> Result<()> {
        self.shared
            .named(async {
                access.allow(Operation::Rewrap)?;
                let (db, keys) = (&self.shared.db, &self.shared.keys);
                if !kek.is_for(keys.vault()) {
                    return Err(VaultError::ForeignKey);
                }
                let mut tx = db.begin().await?;
                keys.check(&db.lock(&mut tx, true).await?)?;
                rewrap_tenants(&mut tx, &keys.kek(), &kek).await?;
                rewrap_subjects(&mut tx, &keys.kek(), &kek).await?;
                let principals = Roster::read(&self.shared, &mut tx).await?;
                let principals = principals.seal(kek.bytes(), keys.vault())?;
                let key_check = KeyRing::key_check(&kek, keys.vault(), CheckedFor::Duties)?;
                sqlx::query("UPDATE vault SET key_check = $1, principals = $2")
                    .bind(key_check.clone())
                    .bind(principals)
                    .execute(&mut *tx)
                    .await?;
                db.commit(tx).await?;
                keys.rewrapped(kek, key_check);
                // The old wrappings are still in the write-ahead log and unused pages.
                db.scrub(db.rewrites()).await
            })
            .await
    }

    /// SQLite: rewrites the file without what was deleted and gives unused space back; it takes as much space again while it
    /// works, and nobody else writes meanwhile. PostgreSQL: nothing, `VACUUM` is its operator's.
    #[tracing::instrument(name = "vault", level = "debug", skip_all, fields(db.operation.name = "compact"))]
    pub async fn compact(&self, access: &Access) -> Result<()> {
        access.allow(Operation::Compact)?;
        self.shared.db.scrub(true).await
    }
}

/// Makes tables and key check; false if they were there. Two processes may do it at once: one waits for the other.
async fn make(db: &Database, kek: &KeyEncryptionKey, shown: &str) -> Result<bool> {
    db.migrate(shown).await?;
    make_row(db, kek).await
}

/// Makes the row of the vault; false if it was there.
pub(crate) async fn make_row(db: &Database, kek: &KeyEncryptionKey) -> Result<bool> {
    let id = match kek.vault() {
        Some(vault) => vault.to_vec(),
        None => {
            let mut id = vec![0; 16];
            keys::random(&mut id)?;
            id
        }
    };
    let key_check = KeyRing::key_check(kek, &id, CheckedFor::Duties)?;
    let made = sqlx::query(
        "INSERT INTO vault (one, id, key_check, principals, summed, people) VALUES (1, $1, $2, $3, 1, 2) ON CONFLICT DO NOTHING",
    );
    let roster = Roster { duties: Some(Duties::new()?), ..Roster::default() };
    let principals = roster.seal(kek.bytes(), &id)?;
    let mut tx = db.begin().await?;
    let made = made.bind(id).bind(key_check).bind(principals).execute(&mut *tx).await?;
    db.commit(tx).await?;
    Ok(made.rows_affected() == 1)
}

/// Seals the principals of a vault that an earlier version made, once.
async fn seal_principals(db: &Database, keys: &KeyRing) -> Result<()> {
    if keys.is_checked_for(CheckedFor::Roster) {
        return Ok(());
    }
    let mut tx = db.begin().await?;
    // Another process may have been faster: then this one must be started again.
    keys.check(&db.lock(&mut tx, true).await?)?;
    let roster = Roster::of_earlier_version(&mut tx).await?;
    // An old key check that is put back must not bring back an old list.
    roster.check_generation(keys.seen_roster())?;
    let kek = keys.kek();
    let (sealed, key_check) = (
        roster.seal(kek.bytes(), keys.vault())?,
        KeyRing::key_check(&kek, keys.vault(), CheckedFor::Roster)?,
    );
    let update = sqlx::query("UPDATE vault SET key_check = $1, principals = $2");
    update.bind(key_check.clone()).bind(sealed).execute(&mut *tx).await?;
    sqlx::query("DELETE FROM principal").execute(&mut *tx).await?;
    db.commit(tx).await?;
    keys.rewrapped(kek, key_check);
    db.note_roster(roster.generation);
    tracing::info!(principals = roster.principals.len(), "the vault's principals are sealed under its key");
    Ok(())
}

async fn rewrap_tenants(
    tx: &mut AnyConnection,
    old: &KeyEncryptionKey,
    new: &KeyEncryptionKey,
) -> Result<()> {
    let rows = sqlx::query("SELECT id, name, custody_key, facet_key FROM tenant").fetch_all(&mut *tx).await?;
    for row in rows {
        let contexts = tenant_contexts(row.try_get(1)?);
        let custody = rewrapped(old, new, &contexts[0], row.try_get(2)?)?;
        let facets = rewrapped(old, new, &contexts[1], row.try_get(3)?)?;
        let update = sqlx::query("UPDATE tenant SET custody_key = $1, facet_key = $2 WHERE id = $3");
        update.bind(custody).bind(facets).bind(row.try_get::<i64, _>(0)?).execute(&mut *tx).await?;
    }
    Ok(())
}

/// Page by page, so that millions need no memory.
async fn rewrap_subjects(
    tx: &mut AnyConnection,
    old: &KeyEncryptionKey,
    new: &KeyEncryptionKey,
) -> Result<()> {
    let page = "SELECT s.id, t.name, s.mac, s.key FROM subject s JOIN tenant t ON t.id = s.tenant \
                WHERE s.id > $1 ORDER BY s.id LIMIT $2";
    let (mut after, size) = (i64::MIN, i64::try_from(MAX_ROWS).expect("a page is small"));
    loop {
        let rows = sqlx::query(page).bind(after).bind(size).fetch_all(&mut *tx).await?;
        if rows.is_empty() {
            return Ok(());
        }
        for row in rows {
            after = row.try_get(0)?;
            let context = subject_context(row.try_get(1)?, row.try_get(2)?);
            let key = rewrapped(old, new, &context, row.try_get(3)?)?;
            let update = sqlx::query("UPDATE subject SET key = $1 WHERE id = $2");
            update.bind(key).bind(after).execute(&mut *tx).await?;
        }
    }
}

fn rewrapped(
    old: &KeyEncryptionKey,
    new: &KeyEncryptionKey,
    context: &[u8],
    wrapped: &[u8],
) -> Result<Vec<u8>> {
    let key: Option<Zeroizing<Vec<u8>>> = keys::open(old.bytes(), context, wrapped);
    let key = key.ok_or_else(|| VaultError::damaged("a key cannot be unwrapped"))?;
    keys::seal(new.bytes(), context, &key)
}
