//! The keys that requests are charged to, with what the requests of each hold.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use super::holdings::Holdings;

/// Keys that are remembered before those that hold nothing are looked for.
const FIRST_SWEEP: usize = 64;

/// What the requests of each key hold.
#[derive(Default)]
pub(crate) struct Keys(Mutex<Known>);

#[derive(Default)]
struct Known {
    keys: HashMap<String, Weak<Holdings>>,
    sweep_at: usize,
}

impl Keys {
    /// What a key holds. Every key here was verified, so there are no more than the log and the access file know.
    pub(super) fn of(&self, key: String) -> Arc<Holdings> {
        let mut known = self.0.lock();
        if let Some(holdings) = known.keys.get(&key).and_then(Weak::upgrade) {
            return holdings;
        }
        if known.keys.len() >= known.sweep_at {
            known.keys.retain(|_, holdings| holdings.strong_count() > 0);
            known.sweep_at = FIRST_SWEEP.max(2 * known.keys.len());
        }
        let holdings = Arc::new(Holdings::default());
        known.keys.insert(key, Arc::downgrade(&holdings));
        holdings
    }
}
