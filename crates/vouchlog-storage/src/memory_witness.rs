//! A witness's store in memory that keeps the whole contract, and fails on demand.

use std::collections::HashMap;

use bytes::Bytes;
use parking_lot::Mutex;
use vouchlog_merkle::Hash;

use crate::witness_store::check_witness_changes;
use crate::{
    Fault, FaultPlan, Revision, StoreError, StoreIdentity, WitnessChange, WitnessCommitError, WitnessStore,
};

type Disk = HashMap<Hash, (Revision, Bytes)>;

/// The store. Which commits fail, and how, is a [`FaultPlan`]; its reads are those of single states.
#[derive(Debug)]
pub struct MemoryWitnessStore {
    identity: StoreIdentity,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// What would be on the disk.
    disk: Disk,
    faults: FaultPlan,
    commits: u64,
    reads: u64,
    closed: bool,
    /// After a commit of unknown outcome.
    doubtful: bool,
}

impl MemoryWitnessStore {
    /// An empty store of this name.
    pub fn new(identity: StoreIdentity) -> Self {
        Self { identity, inner: Mutex::default() }
    }

    /// Sets which calls fail from here on, and restarts the count.
    pub fn set_faults(&self, plan: FaultPlan) {
        let mut inner = self.inner.lock();
        (inner.faults, inner.commits, inner.reads) = (plan, 0, 0);
    }

    /// What a new process would find: everything committed.
    pub fn reopen(&self) -> Self {
        let disk = self.inner.lock().disk.clone();
        Self { identity: self.identity, inner: Mutex::new(Inner { disk, ..Inner::default() }) }
    }

    /// Commits since the faults were set, failed ones included.
    pub fn commits(&self) -> u64 {
        self.inner.lock().commits
    }
}

impl Inner {
    fn check(&self, changes: &[WitnessChange]) -> Result<(), WitnessCommitError> {
        for &WitnessChange { origin, expected, .. } in changes {
            let found = self.disk.get(&origin).map_or(Revision::NONE, |(revision, _)| *revision);
            if found != expected {
                return Err(WitnessCommitError::Moved { origin, expected, found });
            }
        }
        Ok(())
    }

    fn write(&mut self, changes: &[WitnessChange]) {
        for change in changes {
            self.disk.insert(change.origin, (change.expected.next(), change.state.clone()));
        }
    }
}

impl WitnessStore for MemoryWitnessStore {
    fn identity(&self) -> StoreIdentity {
        self.identity
    }

    fn load(&self, take: &mut dyn FnMut(Hash, Revision, Bytes)) -> Result<(), StoreError> {
        for (origin, (revision, state)) in &self.inner.lock().disk {
            take(*origin, *revision, state.clone());
        }
        Ok(())
    }

    fn state(&self, origin: &Hash) -> Result<Option<Bytes>, StoreError> {
        let mut inner = self.inner.lock();
        inner.reads += 1;
        if inner.doubtful || inner.faults.reads.contains_key(&(inner.reads - 1)) {
            return Err(StoreError::Io("planned fault".into()));
        }
        Ok(inner.disk.get(origin).map(|(_, state)| state.clone()))
    }

    fn commit(&self, changes: &[WitnessChange]) -> Result<(), WitnessCommitError> {
        let mut inner = self.inner.lock();
        if inner.closed || inner.doubtful {
            return Err(WitnessCommitError::Refused("the store is closed".into()));
        }
        check_witness_changes(changes)?;
        inner.check(changes)?;
        inner.commits += 1;
        let call = inner.commits - 1;
        let fault = inner.faults.commits.get(&call).copied();
        match fault {
            Some(Fault::Refuse) => return Err(WitnessCommitError::Refused("planned fault".into())),
            Some(Fault::Hang) => {
                drop(inner);
                loop {
                    std::thread::park();
                }
            }
            Some(Fault::Keep) | None | Some(Fault::Read) => inner.write(changes),
            Some(Fault::Lose) => {}
        }
        if matches!(fault, Some(Fault::Keep | Fault::Lose)) {
            inner.doubtful = true;
            return Err(WitnessCommitError::Unknown("planned fault".into()));
        }
        Ok(())
    }

    fn impediment(&self) -> Option<String> {
        let inner = self.inner.lock();
        if inner.doubtful {
            return Some("an earlier commit has an unknown outcome".into());
        }
        inner.closed.then(|| "the store is closed".into())
    }

    fn close(&self) -> Result<(), StoreError> {
        self.inner.lock().closed = true;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::conformance;

    #[test]
    fn passes_the_suite_of_witness_stores() {
        conformance::check_witness_store(|| {
            let mut last: Option<Arc<MemoryWitnessStore>> = None;
            move |identity| {
                let store =
                    last.as_ref().map_or_else(|| MemoryWitnessStore::new(identity), |last| last.reopen());
                last.insert(Arc::new(store)).clone()
            }
        });
    }

    #[test]
    fn fails_as_planned() {
        let origin = Hash::from_bytes([1; 32]);
        for (fault, outcome, written) in [
            (Fault::Refuse, Err(WitnessCommitError::Refused("planned fault".into())), false),
            (Fault::Lose, Err(WitnessCommitError::Unknown("planned fault".into())), false),
            (Fault::Keep, Err(WitnessCommitError::Unknown("planned fault".into())), true),
        ] {
            let store = MemoryWitnessStore::new(StoreIdentity::from_bytes([7; 16]));
            store.set_faults(FaultPlan { commits: [(1, fault)].into(), reads: [(0, Fault::Read)].into() });
            store.commit(&[]).unwrap();
            assert!(store.state(&origin).is_err(), "the first read fails");
            assert_eq!(store.state(&origin), Ok(None), "the second does not");
            let change =
                WitnessChange { origin, expected: Revision::NONE, state: Bytes::from_static(b"state") };
            assert_eq!(store.commit(&[change]), outcome);
            let doubtful = matches!(outcome, Err(WitnessCommitError::Unknown(_)));
            assert_eq!(store.state(&origin).is_err(), doubtful, "{fault:?}: what is in doubt is not shown");
            assert_eq!(store.impediment().is_some(), doubtful, "{fault:?}");
            assert_eq!(store.reopen().state(&origin).unwrap().is_some(), written, "{fault:?}");
        }
    }
}
