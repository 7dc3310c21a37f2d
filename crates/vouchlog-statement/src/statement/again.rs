//! Disclosures of facts made again, from a record and how it was concealed.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::Disclosure;
use super::conceal::Concealer;
use super::concealment::{Concealment, in_order};
use crate::limits::MAX_GROUP_DEPTH;

impl Concealment {
    /// The disclosures of facts of the record that was issued, by path. What is at a path of `withheld` is content: only the
    /// digest of its disclosure counts, and the record may have any non-empty object in its place.
    ///
    /// Another record gives disclosures that do not belong to the statement: they are refused where they are put in their places.
    pub fn facts(&self, record: Map<String, Value>, withheld: &BTreeMap<String, String>) -> Vec<Disclosure> {
        let depth = self.depth.min(MAX_GROUP_DEPTH);
        let concealer = Concealer::again(self.seed.clone(), depth, &self.whole, withheld);
        // Nothing random is taken, so nothing can fail; a record without disclosures is refused by who keeps them.
        let made = concealer.record(&in_order(Cow::Owned(record))).ok().flatten();
        let mut disclosures = made.map_or_else(Vec::new, |made| made.disclosures);
        disclosures.sort_by(|one, other| one.path.cmp(&other.path));
        disclosures
    }
}
