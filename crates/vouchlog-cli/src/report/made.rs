//! What a page states about its own making: when, with what, of what, under which key and policy.

use jiff::Timestamp;
use maud::{Markup, html};
use vouchlog::{Policy, VerifyingKey};
use vouchlog_pages::{digest, moment};
use vouchlog_session::plain;

/// The program and its version.
pub(super) const TOOL: &str = concat!("vouchlog ", env!("CARGO_PKG_VERSION"));
/// Most witnesses among whom the smallest quorum is searched for.
const MAX_SEARCHED: usize = 12;
/// Witnesses that are named in a sentence.
pub(super) const MAX_NAMED: usize = 12;

/// How a page was made.
#[derive(Clone, Debug)]
pub(crate) struct Provenance<'a> {
    /// When.
    pub(crate) at: Timestamp,
    /// The log's keys, if they were given.
    pub(crate) keys: Vec<VerifyingKey>,
    /// The witnesses that count, if a policy was given.
    pub(crate) policy: Option<&'a Policy>,
    /// What it was made of, for people.
    pub(crate) source: String,
}

impl Provenance<'_> {
    /// The facts that every page begins with.
    pub(super) fn facts(&self) -> Markup {
        html! {
            dt { "Made" }
            dd { (moment(self.at)) ", by " (TOOL) }
            dt { "Source" }
            dd { (plain(&self.source)) }
            dt { "Log key" }
            dd {
                @for key in &self.keys { code { (plain(&key.to_string())) } br; }
                @if self.keys.is_empty() { "none given: no proof was verified" }
                @else { span.s.soft { "as given to the program; where it came from is for the reader to check" } }
            }
            dt { "Policy" }
            dd { (self.policy.map_or_else(|| "none given: no cosignature was verified".to_owned(), policy_words)) }
        }
    }

    /// One line for the end of a page, and for its printed pages.
    pub(super) fn foot(&self, what: &str) -> Markup {
        html! {
            footer.foot {
                span { (what) }
                span { "Made " (moment(self.at)) " by " (TOOL) }
                @for key in &self.keys { span { "log key " (digest(&key.id().to_string())) } }
            }
        }
    }
}

/// A policy in words: `2 of 3: a, b, c`.
fn policy_words(policy: &Policy) -> String {
    let witnesses = policy.witnesses();
    let names: Vec<String> = witnesses
        .iter()
        .map(|witness| String::from_utf8_lossy(witness.name().as_bytes()).into_owned())
        .collect();
    let names = listed(&names);
    if policy.is_quorum_none() {
        return format!("no quorum is asked for; witnesses: {names}");
    }
    match least(policy) {
        Some(least) if is_threshold(policy, least) => format!("{least} of {}: {names}", witnesses.len()),
        Some(least) => format!("at least {least} of {}, in groups: {names}", witnesses.len()),
        None => format!("groups of {} witnesses: {names}", witnesses.len()),
    }
}

/// Names of witnesses in a sentence, each safe to show. More than [`MAX_NAMED`] are counted.
pub(super) fn listed(names: &[String]) -> String {
    let shown: Vec<String> = names.iter().take(MAX_NAMED).map(|name| plain(name)).collect();
    let more = names.len().saturating_sub(MAX_NAMED);
    if more > 0 { format!("{} and {more} more", shown.join(", ")) } else { shown.join(", ") }
}

/// The sets of witnesses of a policy, as bits; none if they are too many to look at each.
fn sets(policy: &Policy) -> Option<impl Iterator<Item = u32>> {
    let number = policy.witnesses().len();
    (number <= MAX_SEARCHED).then(|| 0..1_u32 << number)
}

fn is_met(policy: &Policy, set: u32) -> bool {
    let place = |key: &VerifyingKey| policy.witnesses().iter().position(|witness| witness.key() == key);
    policy.is_met_by(|key| place(key).is_some_and(|place| set >> place & 1 == 1))
}

/// How many witnesses the smallest quorum has.
fn least(policy: &Policy) -> Option<u32> {
    sets(policy)?.filter(|set| is_met(policy, *set)).map(u32::count_ones).min()
}

/// Whether any so many witnesses are a quorum.
fn is_threshold(policy: &Policy, least: u32) -> bool {
    sets(policy).is_some_and(|mut sets| sets.all(|set| set.count_ones() < least || is_met(policy, set)))
}

#[cfg(test)]
mod tests {
    use vouchlog_note::{SignatureType, SigningKey};

    use super::*;

    #[test]
    fn a_policy_is_told_in_words() {
        let witness = |name: &str, seed: u8| {
            let key = SigningKey::generate(
                format!("{name}.example.com").parse().unwrap(),
                SignatureType::CosignatureEd25519,
                [seed; 32],
            );
            format!("witness {name} {}\n", key.unwrap().verifying_key())
        };
        let all: String = [("a", 1), ("b", 2), ("c", 3)].map(|(name, seed)| witness(name, seed)).concat();
        for (rest, words) in [
            ("group g 2 a b c\nquorum g\n", "2 of 3: a, b, c"),
            ("group g all a b c\nquorum g\n", "3 of 3: a, b, c"),
            ("quorum a\n", "at least 1 of 3, in groups: a, b, c"),
            ("quorum none\n", "no quorum is asked for; witnesses: a, b, c"),
        ] {
            let policy = Policy::parse(format!("{all}{rest}").as_bytes()).unwrap();
            assert_eq!(policy_words(&policy), words);
        }
    }
}
