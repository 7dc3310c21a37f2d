//! Which open traces are of one session, and when they began: a session's records are numbered in the order of their begin as far as
//! they are open at one time.

use std::collections::{BTreeMap, BTreeSet};

use super::Done;

/// Traces that are complete together, and why.
pub(super) type Ready = (BTreeSet<String>, Done);

/// How often one wait may cause another, over traces that name several sessions. What is left then does not wait.
const MAX_PASSES: usize = 8;

/// The sessions of open traces.
#[derive(Debug, Default)]
pub(super) struct SessionOrder {
    /// By session: its traces by their begin.
    traces: BTreeMap<String, BTreeSet<(u64, String)>>,
    /// By trace: its sessions, and when it began in each.
    sessions: BTreeMap<String, BTreeMap<String, u64>>,
}

impl SessionOrder {
    /// Takes note that a part of a trace names a session.
    pub(super) fn add(&mut self, session: &str, trace: &str, time: u64) {
        let known = self.sessions.entry(trace.to_owned()).or_default();
        let earliest = known.get(session).copied();
        if earliest.is_some_and(|earliest| earliest <= time) {
            return;
        }
        known.insert(session.to_owned(), time);
        let traces = self.traces.entry(session.to_owned()).or_default();
        if let Some(earliest) = earliest {
            traces.remove(&(earliest, trace.to_owned()));
        }
        traces.insert((time, trace.to_owned()));
    }

    /// Forgets a trace.
    pub(super) fn remove(&mut self, trace: &str) {
        for (session, time) in self.sessions.remove(trace).unwrap_or_default() {
            if let Some(traces) = self.traces.get_mut(&session) {
                traces.remove(&(time, trace.to_owned()));
                if traces.is_empty() {
                    self.traces.remove(&session);
                }
            }
        }
    }

    /// Leaves out what has to wait: a trace that began after another one of its session that is still open, and may wait.
    pub(super) fn defer(&self, ready: &mut Vec<Ready>, may_wait: impl Fn(&String) -> bool) {
        for _ in 0..MAX_PASSES {
            let done: BTreeSet<&String> = ready.iter().flat_map(|(group, _)| group).collect();
            let mut first_open: BTreeMap<&String, Option<u64>> = BTreeMap::new();
            let mut waits = |key: &String| {
                self.sessions.get(key).into_iter().flatten().any(|(session, began)| {
                    let first = first_open.entry(session).or_insert_with(|| self.first_but(session, &done));
                    first.is_some_and(|first| first < *began)
                })
            };
            let is_kept: Vec<bool> = ready
                .iter()
                .map(|(group, _)| !(group.iter().all(&may_wait) && group.iter().any(&mut waits)))
                .collect();
            if is_kept.iter().all(|kept| *kept) {
                return;
            }
            let mut kept = is_kept.into_iter();
            ready.retain(|_| kept.next().unwrap_or(true));
        }
    }

    /// When the first trace of a session began that is not among these.
    fn first_but(&self, session: &String, done: &BTreeSet<&String>) -> Option<u64> {
        let mut traces = self.traces.get(session)?.iter();
        traces.find(|(_, trace)| !done.contains(trace)).map(|(time, _)| *time)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ready(traces: &[&str]) -> Vec<Ready> {
        traces.iter().map(|trace| (BTreeSet::from([(*trace).to_owned()]), Done::Settled)).collect()
    }

    fn deferred(order: &SessionOrder, traces: &[&str]) -> Vec<String> {
        let mut all = ready(traces);
        order.defer(&mut all, |_| true);
        all.into_iter().flat_map(|(group, _)| group).collect()
    }

    #[test]
    fn what_began_later_waits_for_what_began_earlier_in_its_session() {
        let mut order = SessionOrder::default();
        for (session, trace, time) in
            [("s", "a", 5), ("s", "b", 9), ("s", "b", 3), ("s", "c", 4), ("t", "d", 9), ("t", "c", 7)]
        {
            order.add(session, trace, time);
        }
        assert_eq!(deferred(&order, &["a", "b", "c", "d", "x"]), ["a", "b", "c", "d", "x"]);
        assert_eq!(deferred(&order, &["a", "c", "d", "x"]), ["x"], "b is the first of s, and c of t");
        assert_eq!(deferred(&order, &["b", "d"]), ["b"]);
        order.remove("b");
        order.remove("unknown");
        assert_eq!(deferred(&order, &["c", "d"]), ["c", "d"]);
        let mut all = ready(&["a"]);
        order.defer(&mut all, |_| false);
        assert_eq!(all.len(), 1, "it has waited long enough");
        for trace in ["a", "c", "d"] {
            order.remove(trace);
        }
        assert!(order.traces.is_empty() && order.sessions.is_empty());
    }
}
