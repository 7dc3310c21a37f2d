//! Sessions: every interaction of one gets its place in it, and when it is over its number is sealed.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use vouchlog_record::{Record, RecordId, SealReason, SessionSeal};
use vouchlog_stream::StatementKind;

use crate::limits::{MAX_REMEMBERED_BYTES, MAX_SEALED_IDS, MAX_SESSIONS};

/// What is remembered of a session.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Session {
    /// Interactions so far.
    count: u64,
    /// The newest of them: a record that is made again after a crash gets the place it had.
    newest: VecDeque<String>,
    /// When the newest came, in milliseconds since 1970.
    last: i64,
    /// How many the last seal counted.
    sealed: Option<u64>,
    /// Who sent them.
    senders: Senders,
}

/// What an earlier version remembered of a session: it authenticated nobody.
#[derive(Deserialize)]
struct SessionOfVersion1 {
    count: u64,
    newest: VecDeque<String>,
    last: i64,
    sealed: Option<u64>,
}

/// Who sent a session's interactions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
enum Senders {
    #[default]
    Nobody,
    /// One caller, by its name; without one it was not authenticated.
    One(Option<String>),
    Several,
}

impl Senders {
    fn add(&mut self, sender: Option<&str>) {
        match self {
            Self::Nobody => *self = Self::One(sender.map(str::to_owned)),
            Self::One(known) if known.as_deref() == sender => {}
            Self::One(_) | Self::Several => *self = Self::Several,
        }
    }
}

impl Session {
    fn read(value: &[u8]) -> Option<Self> {
        let of_version_1 = || {
            let SessionOfVersion1 { count, newest, last, sealed } = postcard::from_bytes(value).ok()?;
            Some(Self { count, newest, last, sealed, senders: Senders::One(None) })
        };
        postcard::from_bytes(value).ok().or_else(of_version_1)
    }
}

/// The sessions of a collector, bounded: those that lay still for longest are forgotten first.
pub(crate) struct Sessions {
    idle: SignedDuration,
    known: BTreeMap<String, Session>,
    by_time: BTreeSet<(i64, String)>,
    /// Bytes of all names, the sessions' and their records'.
    bytes: usize,
    changed: BTreeSet<String>,
}

/// A session's end, to be put on record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seal {
    pub(crate) session: String,
    count: u64,
    ids: Option<Vec<RecordId>>,
    reason: SealReason,
}

impl Sessions {
    /// Sessions that are over when nothing came for so long.
    pub(crate) fn new(idle: SignedDuration) -> Self {
        let (known, by_time, changed) = (BTreeMap::new(), BTreeSet::new(), BTreeSet::new());
        Self { idle, known, by_time, bytes: 0, changed }
    }

    /// Takes up what an earlier process remembered. Returns how many sessions cannot be read.
    pub(crate) fn restore(&mut self, kept: impl IntoIterator<Item = (Vec<u8>, Vec<u8>)>) -> usize {
        let mut unread = 0;
        for (name, value) in kept {
            match (String::from_utf8(name), Session::read(&value)) {
                (Ok(name), Some(session)) => {
                    self.by_time.insert((session.last, name.clone()));
                    self.bytes += name.len() + session.newest.iter().map(String::len).sum::<usize>();
                    self.known.insert(name, session);
                }
                _ => unread += 1,
            }
        }
        unread
    }

    /// What changed since the last call: sessions, and what is remembered of them now.
    pub(crate) fn changes(&mut self) -> Vec<(Vec<u8>, Option<Vec<u8>>)> {
        let changed = std::mem::take(&mut self.changed);
        let bytes = |session| postcard::to_stdvec(session).expect("it is made of texts and numbers");
        changed
            .into_iter()
            .map(|name| {
                let now = self.known.get(&name).map(bytes);
                (name.into_bytes(), now)
            })
            .collect()
    }

    /// Gives an interaction its place in its session, unless it has one or completes another record. Seals of sessions for
    /// which there is no room any more.
    pub(crate) fn number(&mut self, record: &mut Record, now: Timestamp) -> Vec<Seal> {
        let correlation = record.body.correlation.value();
        let name = correlation.and_then(|it| it.session.value().cloned());
        let Some((id, name)) = record.id.clone().zip(name) else { return Vec::new() };
        let is_amendment = correlation.is_some_and(|it| it.amends.value().is_some());
        if record.kind != StatementKind::Interaction || is_amendment {
            return Vec::new();
        }
        if !self.known.contains_key(&name) {
            self.bytes += name.len();
        }
        let session = self.known.entry(name.clone()).or_default();
        self.by_time.remove(&(session.last, name.clone()));
        session.last = session.last.max(now.as_millisecond());
        self.by_time.insert((session.last, name.clone()));
        let emitters = record.body.custody.value().and_then(|custody| custody.emitters.value());
        match emitters.map(Vec::as_slice) {
            Some(emitters @ [_, ..]) => {
                emitters.iter().for_each(|emitter| session.senders.add(Some(emitter.as_str())));
            }
            _ => session.senders.add(None),
        }
        let (place, forgotten) = session.place(&id);
        self.bytes = self.bytes + id.as_str().len() - forgotten;
        let told = &mut record.body.correlation.get_or_default().session_sequence;
        if told.is_absent() {
            *told = place.into();
        }
        self.changed.insert(name);
        self.make_room()
    }

    fn make_room(&mut self) -> Vec<Seal> {
        let mut seals = Vec::new();
        while self.known.len() > MAX_SESSIONS || self.bytes > MAX_REMEMBERED_BYTES {
            let Some((_, oldest)) = self.by_time.first().cloned() else { break };
            seals.extend(self.seal(&oldest, SealReason::Timeout));
            self.forget(&oldest);
        }
        seals
    }

    fn forget(&mut self, name: &str) {
        if let Some(session) = self.known.remove(name) {
            self.by_time.remove(&(session.last, name.to_owned()));
            self.bytes -= name.len() + session.newest.iter().map(String::len).sum::<usize>();
            self.changed.insert(name.to_owned());
        }
    }

    /// Whether all interactions of a session were sent by this caller; without a name it was not authenticated.
    pub(crate) fn is_own(&self, name: &str, sender: Option<&str>) -> bool {
        let session = self.known.get(name);
        session
            .is_none_or(|session| matches!(&session.senders, Senders::One(one) if one.as_deref() == sender))
    }

    /// Ends a session, if there is anything in it that no seal counts. One nobody knows has no records.
    pub(crate) fn seal(&mut self, name: &str, reason: SealReason) -> Option<Seal> {
        let session = self.known.get_mut(name)?;
        if session.sealed == Some(session.count) {
            return None;
        }
        session.sealed = Some(session.count);
        let is_whole = session.newest.len() as u64 == session.count;
        let ids = || session.newest.iter().filter_map(|id| RecordId::new(id).ok()).collect();
        let ids = is_whole.then(ids);
        self.changed.insert(name.to_owned());
        Some(Seal { session: name.to_owned(), count: session.count, ids, reason })
    }

    /// Ends those in which nothing happened for too long.
    pub(crate) fn tick(&mut self, now: Timestamp) -> Vec<Seal> {
        let limit = now.as_millisecond().saturating_sub(self.idle.as_millis().try_into().unwrap_or(i64::MAX));
        let idle: Vec<String> = self
            .by_time
            .iter()
            .take_while(|(last, _)| *last <= limit)
            .filter(|(_, name)| self.known[name].is_open())
            .map(|(_, name)| name.clone())
            .collect();
        idle.iter().filter_map(|name| self.seal(name, SealReason::Timeout)).collect()
    }
}

impl Session {
    fn is_open(&self) -> bool {
        self.sealed != Some(self.count)
    }

    /// The place of a record, and how many bytes of names are not remembered any more: its own, if it is known already.
    fn place(&mut self, id: &RecordId) -> (u64, usize) {
        if let Some(back) = self.newest.iter().rev().position(|known| known == id.as_str()) {
            return (self.count - back as u64, id.as_str().len());
        }
        self.count += 1;
        self.newest.push_back(id.as_str().to_owned());
        let is_full = self.newest.len() > MAX_SEALED_IDS;
        let forgotten = if is_full { self.newest.pop_front() } else { None };
        (self.count, forgotten.map_or(0, |id| id.len()))
    }
}

impl Seal {
    /// The record that says so.
    pub(crate) fn record(self, id: RecordId, now: Timestamp) -> Record {
        let mut record = Record::new(StatementKind::SessionSeal);
        record.id = Some(id);
        record.body.time.get_or_default().start = now.into();
        record.body.correlation.get_or_default().session = self.session.into();
        let seal: &mut SessionSeal = record.body.session_seal.get_or_default();
        seal.records = self.count.into();
        seal.reason = self.reason.into();
        if let Some(ids) = self.ids {
            seal.ids = ids.into();
        }
        record
    }

    /// What its name is made of: one session may be sealed again when more came.
    pub(crate) fn name(&self) -> String {
        format!("seal {} {}", self.count, self.session)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testsupport::at;

    fn interaction(id: &str, session: &str) -> Record {
        let mut record = Record::new(StatementKind::Interaction);
        record.id = Some(RecordId::new(id).unwrap());
        record.body.correlation.get_or_default().session = session.to_owned().into();
        record
    }

    fn place(sessions: &mut Sessions, id: &str, session: &str, second: i64) -> Option<u64> {
        let mut record = interaction(id, session);
        assert_eq!(sessions.number(&mut record, at(second)), []);
        record.body.correlation.value()?.session_sequence.value().copied()
    }

    #[test]
    fn places_follow_one_another_and_stay_when_a_record_is_made_again() {
        let mut sessions = Sessions::new(SignedDuration::from_mins(30));
        let kept = {
            assert_eq!(place(&mut sessions, "a", "s", 0), Some(1));
            assert_eq!(place(&mut sessions, "b", "s", 1), Some(2));
            assert_eq!(place(&mut sessions, "x", "other", 1), Some(1));
            sessions.changes()
        };
        let mut sessions = Sessions::new(SignedDuration::from_mins(30));
        let kept = kept.into_iter().map(|(key, value)| (key, value.unwrap()));
        assert_eq!(sessions.restore(kept.chain([(vec![0xff], vec![])])), 1);
        assert_eq!(place(&mut sessions, "a", "s", 2), Some(1));
        assert_eq!(place(&mut sessions, "c", "s", 3), Some(3));
        let mut late = interaction("late", "s");
        late.body.correlation.get_or_default().amends = RecordId::new("a").unwrap().into();
        assert_eq!(sessions.number(&mut late, at(3)), []);
        assert!(late.body.correlation.value().unwrap().session_sequence.is_absent());
    }

    #[test]
    fn a_session_is_sealed_once_for_what_it_has_and_again_when_more_came() {
        let mut sessions = Sessions::new(SignedDuration::from_secs(60));
        place(&mut sessions, "a", "s", 0);
        assert_eq!(sessions.tick(at(59)), []);
        let [seal] = &sessions.tick(at(60))[..] else { panic!() };
        let record = seal.clone().record(RecordId::new("seal").unwrap(), at(60));
        let told = record.body.session_seal.value().unwrap();
        assert_eq!((told.records.value(), told.reason.value()), (Some(&1), Some(&SealReason::Timeout)));
        assert_eq!(told.ids.value().unwrap(), &[RecordId::new("a").unwrap()]);
        assert_eq!(sessions.tick(at(200)), []);
        assert_eq!(sessions.seal("s", SealReason::Done), None);
        assert_eq!(sessions.seal("nobody", SealReason::Done), None);
        assert_eq!(place(&mut sessions, "b", "s", 300), Some(2));
        let again = sessions.seal("s", SealReason::Done).unwrap();
        assert_eq!((again.count, again.name() == seal.name()), (2, false));
    }

    #[test]
    fn the_oldest_is_sealed_and_forgotten_when_there_are_too_many() {
        let mut sessions = Sessions::new(SignedDuration::from_mins(30));
        for session in 0..MAX_SESSIONS {
            assert_eq!(place(&mut sessions, "a", &format!("s{session}"), 0), Some(1));
        }
        assert_eq!(place(&mut sessions, "b", "s0", 5), Some(2));
        let seals = sessions.number(&mut interaction("a", "one more"), at(6));
        let [seal] = &seals[..] else { panic!("{seals:?}") };
        assert_eq!((seal.count, seal.session.as_str()), (1, "s1"));
        assert_eq!(sessions.known.len(), MAX_SESSIONS);
    }

    #[test]
    fn names_are_bounded_by_their_bytes_too() {
        let mut sessions = Sessions::new(SignedDuration::from_mins(30));
        let long = "x".repeat(1 << 20);
        let mut seals = Vec::new();
        for n in 0..70 {
            let mut record = interaction(&format!("r{n}"), &format!("{long}{n:02}"));
            seals.extend(sessions.number(&mut record, at(n)));
        }
        assert_eq!((seals.len(), sessions.known.len()), (7, 63));
        assert!(seals.iter().zip(0..).all(|(seal, n)| seal.session.ends_with(&format!("{n:02}"))));
        let bytes = |sessions: &Sessions| {
            let of = |(name, session): (&String, &Session)| {
                name.len() + session.newest.iter().map(String::len).sum::<usize>()
            };
            sessions.known.iter().map(of).sum::<usize>()
        };
        assert_eq!(sessions.bytes, bytes(&sessions));
        for n in 0..600 {
            place(&mut sessions, &format!("r{}", n % 300), "s", 100);
        }
        assert_eq!(sessions.bytes, bytes(&sessions));
    }
}
