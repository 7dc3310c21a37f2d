//! The keys of tenants and persons, unwrapped and within bounds: what the database has of them is wrapped.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_lc_rs::hmac;
use quick_cache::sync::Cache;
use vouchlog_record::{Facet, RecordId, RedactionKey};
use zeroize::Zeroizing;

use super::{Key, KeyEncryptionKey, MAC_BYTES, context, open, open_key, pseudonym, seal};
use crate::limits::CACHED_KEYS;
use crate::{Result, VaultError};

/// A tenant with its keys.
pub(crate) struct Tenant {
    /// Its row.
    pub(crate) id: i64,
    pub(crate) name: String,
    custody: Key,
    facets: hmac::Key,
}

impl Tenant {
    pub(crate) fn facet(&self, facet: Facet, value: &str) -> [u8; MAC_BYTES] {
        pseudonym(&self.facets, facet.name(), &facet.canonical(value))
    }

    /// The pseudonym as an earlier version made it. Its holds have these.
    pub(crate) fn facet_as_written(&self, facet: Facet, value: &str) -> [u8; MAC_BYTES] {
        pseudonym(&self.facets, facet.name(), value)
    }

    /// The pseudonym of a set of pseudonyms.
    pub(crate) fn set<'a>(&self, members: impl IntoIterator<Item = &'a [u8; MAC_BYTES]>) -> [u8; MAC_BYTES] {
        let members: String = members.into_iter().map(hex::encode).collect();
        pseudonym(&self.facets, "set", &members)
    }

    pub(crate) fn subject(&self, subject: &str) -> [u8; MAC_BYTES] {
        pseudonym(&self.facets, "subject", subject)
    }

    /// The pseudonym of a facet's name.
    pub(crate) fn kind(&self, facet: Facet) -> [u8; MAC_BYTES] {
        pseudonym(&self.facets, "facet", facet.name())
    }

    /// Seals what a pseudonym stands for; a person's name under the key of the person, too.
    pub(crate) fn seal_value(
        &self,
        mac: &[u8; MAC_BYTES],
        facet: Facet,
        value: &str,
        person: Option<&Key>,
    ) -> Result<Vec<u8>> {
        let plain = Zeroizing::new(format!("{}\u{1f}{value}", facet.name()));
        seal(&self.combined(person.as_slice()), &value_context(mac), plain.as_bytes())
    }

    /// Opens what [`seal_value`](Self::seal_value) made.
    pub(crate) fn open_value(
        &self,
        mac: &[u8; MAC_BYTES],
        sealed: &[u8],
        person: Option<&Key>,
    ) -> Result<(Facet, String)> {
        let changed =
            || VaultError::damaged("the name of something that records are found by cannot be opened");
        let plain =
            open(&self.combined(person.as_slice()), &value_context(mac), sealed).ok_or_else(changed)?;
        let (facet, value) = std::str::from_utf8(&plain)
            .ok()
            .and_then(|plain| plain.split_once('\u{1f}'))
            .ok_or_else(changed)?;
        Ok((Facet::from_name(facet).ok_or_else(changed)?, value.to_owned()))
    }

    /// The pseudonym of a caller that saves searches.
    pub(crate) fn searcher(&self, name: &str) -> [u8; MAC_BYTES] {
        pseudonym(&self.facets, "searcher", name)
    }

    /// The pseudonym of a search that a caller saved.
    pub(crate) fn saved_search(&self, owner: &str, name: &str) -> [u8; MAC_BYTES] {
        pseudonym(&self.facets, "saved search", &format!("{owner}\u{1f}{name}"))
    }

    /// Seals a search that a caller saved.
    pub(crate) fn seal_search(&self, mac: &[u8; MAC_BYTES], search: &[u8]) -> Result<Vec<u8>> {
        seal(self.custody.as_slice(), &search_context(mac), search)
    }

    /// Opens what [`seal_search`](Self::seal_search) made.
    pub(crate) fn open_search(&self, mac: &[u8; MAC_BYTES], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        open(self.custody.as_slice(), &search_context(mac), sealed)
    }

    /// The key of stand-ins for secrets. What is signed here has no separator in it, so that it is no pseudonym of anything.
    pub(crate) fn redaction_key(&self) -> RedactionKey {
        let mac = hmac::sign(&self.facets, b"redaction key");
        RedactionKey::new(mac.as_ref().first_chunk().expect("SHA-256 has 32 bytes"))
    }

    /// Wraps a record's key so that the custody key and the key of every subject are needed to unwrap it.
    pub(crate) fn wrap(&self, id: &RecordId, record_key: &Key, subjects: &[&Key]) -> Result<Vec<u8>> {
        seal(&self.combined(subjects), &context(&["record key", id.as_str()]), record_key.as_slice())
    }

    /// Unwraps a record's key, or one part that cannot be a key: then a key was destroyed or the row changed.
    pub(crate) fn unwrap(&self, id: &RecordId, wrapped: &[u8], subjects: &[&Key]) -> Result<Key> {
        open_key(&self.combined(subjects), &context(&["record key", id.as_str()]), wrapped)
            .ok_or_else(|| VaultError::damaged(format!("the key of record {id} cannot be unwrapped")))
    }

    /// The custody key and the subjects' keys, these in the order of their bytes.
    fn combined(&self, subjects: &[&Key]) -> Zeroizing<Vec<u8>> {
        let mut subjects = subjects.to_vec();
        subjects.sort_unstable_by(|a, b| a.as_slice().cmp(b.as_slice()));
        subjects.dedup();
        let mut combined = Zeroizing::new(Vec::with_capacity(32 * (1 + subjects.len())));
        combined.extend_from_slice(self.custody.as_slice());
        for key in subjects {
            combined.extend_from_slice(key.as_slice());
        }
        combined
    }
}

/// The contexts of a tenant's two keys: custody, facets.
pub(crate) fn tenant_contexts(name: &str) -> [Vec<u8>; 2] {
    [context(&["custody key", name]), context(&["facet key", name])]
}

/// The context of what a pseudonym stands for.
fn value_context(mac: &[u8; MAC_BYTES]) -> Vec<u8> {
    context(&["facet value", &hex::encode(mac)])
}

/// The context of a search that a caller saved.
fn search_context(mac: &[u8; MAC_BYTES]) -> Vec<u8> {
    context(&["saved search", &hex::encode(mac)])
}

/// The context of a subject's key.
pub(crate) fn subject_context(tenant: &str, mac: &[u8]) -> Vec<u8> {
    context(&["subject key", tenant, &hex::encode(mac)])
}

/// The key encryption key and what was unwrapped with it.
pub(crate) struct KeyRing {
    /// With the key check it goes with: the two change together.
    kek: Mutex<(KeyEncryptionKey, Vec<u8>)>,
    vault: Vec<u8>,
    /// The newest generation of the list of principals that was seen.
    roster: AtomicU64,
    /// Whether the newest list had holds that go on.
    standing: AtomicBool,
    /// Tenants are never deleted, so what is here stays true.
    tenants: Cache<String, Arc<Tenant>>,
    /// Keys of persons by their wrapping, so that a key is found only as long as its row has it. Each has a place of its own in memory,
    /// which is wiped when the cache lets go of it: a cache moves its values about, and what is moved leaves a copy behind.
    subjects: Cache<Vec<u8>, Arc<Key>>,
}

impl KeyRing {
    /// Takes the key of the vault `vault`, or refuses one that is not.
    pub(crate) fn new(kek: KeyEncryptionKey, vault: Vec<u8>, key_check: Vec<u8>) -> Result<Self> {
        if !kek.is_for(&vault) {
            return Err(VaultError::ForeignKey);
        }
        let opened = open(kek.bytes(), &check_context(), &key_check).ok_or(VaultError::WrongKey)?;
        let is_own = |known: CheckedFor| *opened == known.text(&vault);
        if ![CheckedFor::Keys, CheckedFor::Roster, CheckedFor::Duties].into_iter().any(is_own) {
            return Err(VaultError::damaged("its key check belongs to another vault"));
        }
        let (tenants, subjects) = (Cache::new(CACHED_KEYS), Cache::new(CACHED_KEYS));
        Ok(Self {
            kek: Mutex::new((kek, key_check)),
            vault,
            roster: AtomicU64::new(0),
            standing: AtomicBool::new(false),
            tenants,
            subjects,
        })
    }

    /// What opens under `kek` alone. It also says what must be sealed under it: a vault of an earlier version has another one.
    pub(crate) fn key_check(kek: &KeyEncryptionKey, vault: &[u8], known: CheckedFor) -> Result<Vec<u8>> {
        seal(kek.bytes(), &check_context(), &known.text(vault))
    }

    /// Whether what the vault's key check says reaches as far as this.
    pub(crate) fn is_checked_for(&self, known: CheckedFor) -> bool {
        let current = lock(&self.kek);
        let opened = open(current.0.bytes(), &check_context(), &current.1);
        opened.is_some_and(|opened| {
            opened.len() >= self.vault.len() && opened[self.vault.len()..] >= *known.mark()
        })
    }

    /// Whether records may come under a hold as they are kept, as far as is known.
    pub(crate) fn expects_standing(&self) -> bool {
        self.standing.load(Ordering::Relaxed)
    }

    /// Notes whether they may.
    pub(crate) fn saw_standing(&self, has_standing: bool) {
        self.standing.store(has_standing, Ordering::Relaxed);
    }

    /// The newest generation of the list of principals that was seen.
    pub(crate) fn seen_roster(&self) -> u64 {
        self.roster.load(Ordering::Relaxed)
    }

    /// Notes that a list of principals of this generation is committed.
    pub(crate) fn saw_roster(&self, generation: u64) {
        self.roster.fetch_max(generation, Ordering::Relaxed);
    }

    pub(crate) fn vault(&self) -> &[u8] {
        &self.vault
    }

    /// Refuses when the database's keys are wrapped by another key than ours.
    pub(crate) fn check(&self, key_check: &[u8]) -> Result<()> {
        if lock(&self.kek).1 == key_check { Ok(()) } else { Err(VaultError::Rewrapped) }
    }

    pub(crate) fn kek(&self) -> KeyEncryptionKey {
        lock(&self.kek).0.clone()
    }

    /// From now on everything is wrapped by `kek`.
    pub(crate) fn rewrapped(&self, kek: KeyEncryptionKey, key_check: Vec<u8>) {
        *lock(&self.kek) = (kek, key_check);
        self.forget_subjects();
    }

    /// A tenant unwrapped before.
    pub(crate) fn known_tenant(&self, name: &str) -> Option<Arc<Tenant>> {
        self.tenants.get(name)
    }

    /// Remembers a tenant whose row is committed.
    pub(crate) fn remember_tenant(&self, tenant: &Arc<Tenant>) {
        self.tenants.insert(tenant.name.clone(), tenant.clone());
    }

    /// Unwraps a tenant's row.
    pub(crate) fn unwrap_tenant(&self, id: i64, name: &str, custody: &[u8], facets: &[u8]) -> Result<Tenant> {
        let kek = self.kek();
        let contexts = tenant_contexts(name);
        let unwrap = |context, wrapped| {
            open_key(kek.bytes(), context, wrapped).ok_or_else(|| {
                VaultError::damaged(format!("the keys of tenant `{name}` cannot be unwrapped"))
            })
        };
        let facet_key = unwrap(&contexts[1], facets)?;
        Ok(Tenant {
            id,
            name: name.to_owned(),
            custody: unwrap(&contexts[0], custody)?,
            facets: hmac::Key::new(hmac::HMAC_SHA256, facet_key.as_slice()),
        })
    }

    /// Unwraps a subject's key.
    pub(crate) fn unwrap_subject(&self, tenant: &str, mac: &[u8], wrapped: &[u8]) -> Result<Key> {
        if let Some(key) = self.subjects.get(wrapped) {
            return Ok(Key::clone(&key));
        }
        let key = open_key(self.kek().bytes(), &subject_context(tenant, mac), wrapped)
            .ok_or_else(|| VaultError::damaged("the key of a person cannot be unwrapped"))?;
        self.subjects.insert(wrapped.to_vec(), Arc::new(key.clone()));
        Ok(key)
    }

    /// Wipes the keys of persons from memory.
    pub(crate) fn forget_subjects(&self) {
        self.subjects.clear();
    }
}

/// What must be sealed in a vault under its key, according to its key check. Each has what is before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CheckedFor {
    /// Keys alone.
    Keys,
    /// A list of principals.
    Roster,
    /// In it, holds and retention classes.
    Duties,
}

impl CheckedFor {
    fn mark(self) -> &'static [u8] {
        match self {
            Self::Keys => &[],
            Self::Roster => &[1],
            Self::Duties => &[2],
        }
    }

    fn text(self, vault: &[u8]) -> Vec<u8> {
        [vault, self.mark()].concat()
    }
}

fn check_context() -> Vec<u8> {
    context(&["key check"])
}

/// Nothing panics while it holds the lock.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
