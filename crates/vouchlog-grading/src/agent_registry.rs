//! The registry of agents, as configurations of agents state it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use vouchlog_record::{Field, RegisteredAgent};

/// Agents by id. None is ever left out, so that an old record's agent can be looked up.
#[derive(Clone, Debug, Default)]
pub(crate) struct AgentRegistry {
    entries: BTreeMap<String, Entry>,
}

/// What is known of an agent, and from which time on.
#[derive(Clone, Debug)]
struct Entry {
    from: Option<Timestamp>,
    agent: RegisteredAgent,
}

impl AgentRegistry {
    /// Takes in an entry. Its fields replace those of an earlier entry; fields that it does not state stay.
    pub(crate) fn learn(&mut self, id: &str, from: Option<Timestamp>, stated: &RegisteredAgent) {
        let Some(known) = self.entries.get_mut(id) else {
            self.entries.insert(id.to_owned(), Entry { from, agent: stated.clone() });
            return;
        };
        // Records are learnt in the order of the log, which need not be that of what they state.
        let (older, newer) = if from >= known.from { (&known.agent, stated) } else { (stated, &known.agent) };
        known.agent = merged(older, newer);
        known.from = known.from.max(from);
    }

    pub(crate) fn get(&self, id: &str) -> Option<&RegisteredAgent> {
        self.entries.get(id).map(|entry| &entry.agent)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

fn merged(older: &RegisteredAgent, newer: &RegisteredAgent) -> RegisteredAgent {
    fn pick<T: Clone>(older: &Field<T>, newer: &Field<T>) -> Field<T> {
        if newer.is_absent() { older.clone() } else { newer.clone() }
    }
    RegisteredAgent {
        name: pick(&older.name, &newer.name),
        owner: pick(&older.owner, &newer.owner),
        sponsor: pick(&older.sponsor, &newer.sponsor),
        created: pick(&older.created, &newer.created),
        retired: pick(&older.retired, &newer.retired),
        workload: pick(&older.workload, &newer.workload),
    }
}
