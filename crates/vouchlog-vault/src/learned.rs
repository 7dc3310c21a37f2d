//! What a vault's credential events and configurations teach, kept in memory while none is added or erased: every judgement of a record
//! takes all of them.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use vouchlog_grading::Context;

use crate::limits::MAX_LEARNED_TENANTS;

/// Which records teach: two equal values mean the same records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Taught {
    pub(crate) records: i64,
    pub(crate) erased: i64,
    /// The row of the newest one.
    pub(crate) last: i64,
}

/// What was learnt, by tenant; none stands for all tenants.
#[derive(Default)]
pub(crate) struct Learned(Mutex<HashMap<Option<String>, (Taught, Context)>>);

impl Learned {
    pub(crate) fn of(&self, tenant: Option<&str>) -> Option<(Taught, Context)> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(&tenant.map(str::to_owned)).cloned()
    }

    pub(crate) fn remember(&self, tenant: Option<&str>, taught: Taught, context: &Context) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MAX_LEARNED_TENANTS {
            known.clear();
        }
        known.insert(tenant.map(str::to_owned), (taught, context.clone()));
    }
}
