//! The memory of a simulated witness: each commit is a record of a ledger.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use vouchlog_ledger::{AppendError, Ledger, LedgerError, Options};
use vouchlog_merkle::Hash;
use vouchlog_storage::{
    Revision, StoreError, StoreIdentity, WitnessChange, WitnessCommitError, WitnessStore,
    check_witness_changes,
};

use crate::disk::SimDisk;

const OPTIONS: Options = Options { purpose: "witness", min_free_bytes: 1 << 20 };
const IDENTITY: [u8; 16] = [9; 16];

/// The store.
#[derive(Debug)]
pub(crate) struct SimWitnessStore {
    inner: Mutex<Inner>,
    /// A planted bug: commits are not synced.
    forgets: bool,
}

#[derive(Debug)]
struct Inner {
    ledger: Ledger,
    states: States,
    failed: bool,
}

type States = BTreeMap<Hash, (Revision, Bytes)>;

impl SimWitnessStore {
    /// Opens the store on a disk, or makes it.
    pub(crate) fn open(disk: &SimDisk, forgets: bool) -> Result<Self, LedgerError> {
        let disk = Arc::new(disk.folder("states"));
        let mut states = States::new();
        let exists = Ledger::exists(&*disk).map_err(LedgerError::io("listed", "states"))?;
        let ledger = if exists {
            Ledger::open(disk, OPTIONS, &mut |item| replay(&mut states, item.payload))?.0
        } else {
            Ledger::create(disk, OPTIONS, IDENTITY, &[&[]])?
        };
        Ok(Self { inner: Mutex::new(Inner { ledger, states, failed: false }), forgets })
    }
}

/// A record is origin (32), revision (8), length (4), state, for each change.
fn replay(states: &mut States, mut record: &[u8]) -> Result<(), String> {
    while !record.is_empty() {
        let (fixed, rest) = record.split_at_checked(44).ok_or("it is cut short")?;
        let origin = Hash::try_from(&fixed[..32]).map_err(|error| error.to_string())?;
        let number = |bytes: &[u8]| bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
        let length = usize::try_from(number(&fixed[40..])).map_err(|error| error.to_string())?;
        let (state, rest) = rest.split_at_checked(length).ok_or("it is cut short")?;
        states.insert(origin, (Revision::new(number(&fixed[32..40])), Bytes::copy_from_slice(state)));
        record = rest;
    }
    Ok(())
}

impl WitnessStore for SimWitnessStore {
    fn identity(&self) -> StoreIdentity {
        StoreIdentity::from_bytes(IDENTITY)
    }

    fn load(&self, take: &mut dyn FnMut(Hash, Revision, Bytes)) -> Result<(), StoreError> {
        for (origin, (revision, state)) in &self.inner.lock().states {
            take(*origin, *revision, state.clone());
        }
        Ok(())
    }

    fn state(&self, origin: &Hash) -> Result<Option<Bytes>, StoreError> {
        let inner = self.inner.lock();
        if inner.failed {
            return Err(StoreError::Io("an earlier commit has an unknown outcome".into()));
        }
        Ok(inner.states.get(origin).map(|(_, state)| state.clone()))
    }

    fn commit(&self, changes: &[WitnessChange]) -> Result<(), WitnessCommitError> {
        check_witness_changes(changes)?;
        let mut inner = self.inner.lock();
        let mut record = Vec::new();
        for WitnessChange { origin, expected, state } in changes {
            let found = inner.states.get(origin).map_or(Revision::NONE, |(revision, _)| *revision);
            if found != *expected {
                return Err(WitnessCommitError::Moved { origin: *origin, expected: *expected, found });
            }
            record.extend_from_slice(origin.as_bytes());
            record.extend_from_slice(&expected.next().get().to_be_bytes());
            record.extend_from_slice(&u32::try_from(state.len()).expect("states are short").to_be_bytes());
            record.extend_from_slice(state);
        }
        let written = inner.ledger.write(&[&record]).map(drop);
        let synced = written.and_then(|()| {
            let outcome = if self.forgets { Ok(()) } else { inner.ledger.file().sync_data() };
            inner.ledger.synced(outcome)
        });
        if let Err(error) = synced {
            return Err(match error {
                AppendError::Refused(reason) => WitnessCommitError::Refused(reason),
                AppendError::Unknown(reason) => {
                    inner.failed = true;
                    WitnessCommitError::Unknown(reason)
                }
            });
        }
        replay(&mut inner.states, &record).map_err(WitnessCommitError::Unknown)
    }

    fn impediment(&self) -> Option<String> {
        self.inner.lock().ledger.impediment()
    }

    fn close(&self) -> Result<(), StoreError> {
        Ok(())
    }
}
