//! Visits: the times in which browsers are signed in. The server keeps them, the browser has a random number in a cookie.
//!
//! A visit keeps what it was begun with, a token, an account at an identity provider or a client certificate, and nothing of what that may do: each request
//! looks it up again, so that a principal that was revoked, or whose roles were changed, has what it has now. Results that cannot be made twice, such as the letter
//! after an erasure, wait here until they are downloaded or the visit ends.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use parking_lot::Mutex;
use vouchlog_access::Account;
use vouchlog_merkle::sha256;
use zeroize::Zeroizing;

use crate::limits::{
    ACCOUNT_LIFETIME, MAX_RESULT_BYTES, MAX_VISITS, MAX_VISITS_OF_ONE, VISIT_IDLE, VISIT_LIFETIME,
};

/// A number of 256 random bits, as text.
pub(crate) fn random() -> String {
    let mut bytes = Zeroizing::new([0; 32]);
    getrandom::fill(bytes.as_mut_slice()).expect("the operating system gives random bytes");
    URL_SAFE_NO_PAD.encode(bytes.as_slice())
}

/// Whether two texts are the same, compared in constant time.
pub(crate) fn is_same(a: &str, b: &str) -> bool {
    verify_slices_are_equal(a.as_bytes(), b.as_bytes()).is_ok()
}

/// What a visit is found by: the hash of the cookie, so that the time of a search shows nothing of it.
type Key = [u8; 32];

/// What a visit is begun with.
pub(crate) enum Credential {
    /// A token, which is authenticated with each request.
    Token(Zeroizing<String>),
    /// An account at an identity provider, whose principal is looked up with each request.
    Account(Account),
    /// A client certificate, which the connection of each request has to have.
    Certificate,
}

impl Credential {
    /// How long a visit lasts that is begun with it. What a provider states of a person is asked of it again before long.
    const fn lifetime(&self) -> Duration {
        match self {
            Self::Token(_) | Self::Certificate => VISIT_LIFETIME,
            Self::Account(_) => ACCOUNT_LIFETIME,
        }
    }
}

/// The time in which a browser is signed in.
pub(crate) struct Visit {
    key: Key,
    credential: Credential,
    name: String,
    csrf: String,
    begun: Instant,
}

impl fmt::Debug for Visit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Visit").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Visit {
    /// What it was begun with.
    pub(crate) fn credential(&self) -> &Credential {
        &self.credential
    }

    /// Whether it is one of this principal. With one certificate in the place of another a browser is another visitor.
    pub(crate) fn is_of(&self, name: &str) -> bool {
        self.name == name
    }

    /// What every form of it has, and no page of another site.
    pub(crate) fn csrf(&self) -> &str {
        &self.csrf
    }
}

/// What was done, to be shown, and the letter of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outcome {
    /// The heading.
    pub(crate) title: String,
    /// HTML, escaped.
    pub(crate) html: String,
    /// The letter to the person, as HTML and as text.
    pub(crate) letter: Option<(String, String)>,
}

impl Outcome {
    fn bytes(&self) -> usize {
        let letter = self.letter.as_ref().map_or(0, |(html, text)| html.len() + text.len());
        self.title.len() + self.html.len() + letter
    }
}

/// There are as many visits as there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Full;

/// The visits.
#[derive(Default)]
pub(crate) struct Visits(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    visits: BTreeMap<Key, (Arc<Visit>, Instant)>,
    outcomes: VecDeque<(Key, u64, Arc<Outcome>)>,
    outcome_bytes: usize,
    next: u64,
}

impl Visits {
    /// Begins a visit of a principal. Returns what its cookie has.
    pub(crate) fn begin(&self, name: &str, credential: Credential, now: Instant) -> Result<String, Full> {
        let cookie = random();
        let key = key(&cookie);
        let mut inner = self.0.lock();
        inner.end_old(now);
        let mut own: Vec<(Instant, Key)> = inner
            .visits
            .values()
            .filter(|(visit, _)| visit.name == name)
            .map(|(visit, _)| (visit.begun, visit.key))
            .collect();
        own.sort();
        let beyond = (own.len() + 1).saturating_sub(MAX_VISITS_OF_ONE);
        for (_, oldest) in own.into_iter().take(beyond) {
            inner.end(&oldest);
        }
        if inner.visits.len() >= MAX_VISITS {
            return Err(Full);
        }
        let visit = Visit { key, credential, name: name.to_owned(), csrf: random(), begun: now };
        inner.visits.insert(key, (Arc::new(visit), now));
        Ok(cookie)
    }

    /// The visit of a cookie, if it is not over.
    pub(crate) fn find(&self, cookie: &str, now: Instant) -> Option<Arc<Visit>> {
        let mut inner = self.0.lock();
        inner.end_old(now);
        let (visit, seen) = inner.visits.get_mut(&key(cookie))?;
        *seen = now;
        Some(Arc::clone(visit))
    }

    /// Ends a visit.
    pub(crate) fn end(&self, visit: &Visit) {
        self.0.lock().end(&visit.key);
    }

    /// Keeps an outcome for its visit; returns its number.
    pub(crate) fn keep(&self, visit: &Visit, outcome: Outcome) -> u64 {
        let mut inner = self.0.lock();
        let number = inner.next;
        inner.next += 1;
        inner.outcome_bytes += outcome.bytes();
        inner.outcomes.push_back((visit.key, number, Arc::new(outcome)));
        // The one that was just made stays, whatever its size: it cannot be made again.
        while inner.outcome_bytes > MAX_RESULT_BYTES && inner.outcomes.len() > 1 {
            if let Some((_, _, oldest)) = inner.outcomes.pop_front() {
                inner.outcome_bytes -= oldest.bytes();
            }
        }
        number
    }

    /// An outcome of a visit.
    pub(crate) fn outcome(&self, visit: &Visit, number: u64) -> Option<Arc<Outcome>> {
        let inner = self.0.lock();
        let found = inner.outcomes.iter().find(|(key, kept, _)| *key == visit.key && *kept == number);
        found.map(|(_, _, outcome)| Arc::clone(outcome))
    }
}

impl Inner {
    fn end(&mut self, key: &Key) {
        self.visits.remove(key);
        self.outcomes.retain(|(of, _, _)| of != key);
        self.outcome_bytes = self.outcomes.iter().map(|(_, _, outcome)| outcome.bytes()).sum();
    }

    fn end_old(&mut self, now: Instant) {
        let is_over = |(visit, seen): &(Arc<Visit>, Instant)| {
            now.saturating_duration_since(*seen) >= VISIT_IDLE
                || now.saturating_duration_since(visit.begun) >= visit.credential.lifetime()
        };
        let old: Vec<Key> =
            self.visits.iter().filter(|(_, visit)| is_over(visit)).map(|(key, _)| *key).collect();
        for key in old {
            self.end(&key);
        }
    }
}

fn key(cookie: &str) -> Key {
    *sha256(cookie.as_bytes()).as_bytes()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn token() -> Credential {
        Credential::Token(Zeroizing::new("t".to_owned()))
    }

    #[test]
    fn a_visit_ends_when_it_is_idle_and_after_its_lifetime() {
        let (visits, start) = (Visits::default(), Instant::now());
        let cookie = visits.begin("ann", token(), start).unwrap();
        let mut now = start;
        while now + VISIT_IDLE / 2 < start + VISIT_LIFETIME {
            now += VISIT_IDLE / 2;
            assert!(visits.find(&cookie, now).is_some());
        }
        assert!(visits.find(&cookie, start + VISIT_LIFETIME).is_none());
        let cookie = visits.begin("ann", token(), start).unwrap();
        assert!(visits.find(&cookie, start + VISIT_IDLE - Duration::from_secs(1)).is_some());
        assert!(visits.find(&cookie, start + VISIT_IDLE * 2).is_none());
        for other in ["", "x", &random()] {
            assert!(visits.find(other, start).is_none());
        }
    }

    #[test]
    fn visits_are_bounded_of_one_principal_and_of_all() {
        let (visits, now) = (Visits::default(), Instant::now());
        let step = Duration::from_millis(1);
        let cookies: Vec<String> = (0..=u32::try_from(MAX_VISITS_OF_ONE).unwrap())
            .map(|number| visits.begin("ann", token(), now + step * number).unwrap())
            .collect();
        let later = now + step * 100;
        assert!(visits.find(&cookies[0], later).is_none(), "the oldest ended");
        assert!(cookies[1..].iter().all(|cookie| visits.find(cookie, later).is_some()));
        for number in MAX_VISITS_OF_ONE..MAX_VISITS {
            visits.begin(&format!("p-{number}"), token(), later).unwrap();
        }
        assert_eq!(visits.begin("one more", token(), later), Err(Full));
        assert!(
            visits.begin("one more", token(), later + VISIT_IDLE).is_ok(),
            "those that are idle make room"
        );
    }

    #[test]
    fn an_outcome_is_of_its_visit_and_goes_with_it() {
        let (visits, now) = (Visits::default(), Instant::now());
        let cookies = ["ann", "bob"].map(|name| visits.begin(name, token(), now).unwrap());
        let [ann, bob] = cookies.map(|cookie| visits.find(&cookie, now).unwrap());
        let big = || Outcome { html: "x".repeat(MAX_RESULT_BYTES / 2), ..Outcome::default() };
        let first = visits.keep(&ann, big());
        assert!(visits.outcome(&ann, first).is_some() && visits.outcome(&bob, first).is_none());
        let second = visits.keep(&bob, big());
        let third = visits.keep(&ann, big());
        assert!(visits.outcome(&ann, first).is_none(), "the oldest makes room");
        assert!(visits.outcome(&bob, second).is_some() && visits.outcome(&ann, third).is_some());
        visits.end(&ann);
        assert!(visits.outcome(&ann, third).is_none());
        let whole = Outcome { html: "x".repeat(MAX_RESULT_BYTES * 2), ..Outcome::default() };
        let fourth = visits.keep(&bob, whole);
        assert!(visits.outcome(&bob, fourth).is_some(), "what was just made is kept");
    }
}
