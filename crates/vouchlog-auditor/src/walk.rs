//! The walk through a log: bundle by bundle, each entry hashed, each hash held against its tile, each tile against the one
//! above, and every entry against the rules. The root is grown from the entries alone.

use bytes::Bytes;
use vouchlog_merkle::{Hash, TILE_WIDTH, TileId, TreeHead, leaf_hash};
use vouchlog_stream::Entry;

use crate::bundle::{self, BundleFault, Leaves};
use crate::config::{Config, EntryRules};
use crate::edge::{RightEdge, tile_root};
use crate::evidence::{EvidenceSource, ServedBytes};
use crate::fetch::Served;
use crate::finding::{Cause, Suspicions};
use crate::kind::FindingKind;
use crate::limits::MAX_WRONG_BUNDLES;
use crate::place::Place;
use crate::pruning::AnnouncedPruning;
use crate::rules::{Rules, Terms};
use crate::tiles::{Expected, Tiles, mismatch, read};

mod finish;

const WIDTH: u64 = TILE_WIDTH as u64;

/// A bundle as it was fetched, hashed, with the tile beside it and the full tiles above that are needed first.
pub(crate) struct Fetched {
    pub(crate) bundle: u64,
    pub(crate) width: u16,
    pub(crate) entries: Served,
    /// What the entries hash to; none where the bundle is missing or does not hold `width` entries.
    pub(crate) leaves: Option<Leaves>,
    /// The full tile of level 0; none beside a partial bundle, whose tile was read before.
    pub(crate) tile: Option<Served>,
    pub(crate) parents: Vec<(TileId, Served)>,
}

/// How far a walk got.
pub(crate) struct Walk<'a> {
    config: &'a Config,
    head: TreeHead,
    pub(crate) tiles: Tiles,
    pub(crate) grown: RightEdge,
    /// None for a log of opaque entries, or before the first entry was seen.
    pub(crate) rules: Option<Rules>,
    pub(crate) found: Suspicions,
    /// Entries that earlier audits checked.
    pub(crate) before: u64,
    /// What the log announced that it gave up.
    pub(crate) pruning: Option<AnnouncedPruning>,
    /// Entries that were given up, and so not checked, by this audit and those before it.
    pub(crate) unchecked: u64,
    /// Entries read, and their bytes.
    pub(crate) entries: u64,
    pub(crate) bytes: u64,
    /// A fault that moved the entries behind it into the next bundle.
    shifted: Option<(FindingKind, Cause)>,
    /// Set when part of the tree is unknown.
    is_tree_lost: bool,
    /// Bundles in a row of which neither the entries nor their hashes are known.
    wrong: u64,
}

impl<'a> Walk<'a> {
    pub(crate) fn new(
        config: &'a Config,
        head: TreeHead,
        tiles: Tiles,
        grown: RightEdge,
        rules: Option<Rules>,
        found: Suspicions,
    ) -> Self {
        Self {
            config,
            head,
            tiles,
            before: grown.size(),
            pruning: None,
            unchecked: 0,
            grown,
            rules,
            found,
            entries: 0,
            bytes: 0,
            shifted: None,
            is_tree_lost: false,
            wrong: 0,
        }
    }

    /// Whether everything served so far is the signed tree's.
    pub(crate) fn is_tree_sound(&self) -> bool {
        !self.is_tree_lost && self.found.list.iter().all(|one| !is_about_tree(one.kind))
    }

    /// Takes up the next bundle.
    pub(crate) fn take(&mut self, fetched: &Fetched) {
        self.tiles.enter(fetched.bundle, &fetched.parents, &mut self.found);
        if fetched.tile.is_some() {
            self.tiles.count += 1;
        }
        let is_known = self.take_sound(fetched) || self.take_apart(fetched);
        self.wrong = if is_known { 0 } else { self.wrong + 1 };
    }

    /// Gives up where so much is wrong that the rest will be, too. Whether it did.
    pub(crate) fn gives_up(&mut self, fetched: &Fetched) -> bool {
        let (next, bundles) = (fetched.bundle + 1, self.head.size.get().div_ceil(WIDTH));
        if self.wrong < MAX_WRONG_BUNDLES || next >= bundles {
            return false;
        }
        self.is_tree_lost = true;
        let message = format!(
            "the {MAX_WRONG_BUNDLES} before it are missing or wrong, so it and the {} after it were not asked for",
            bundles - next - 1
        );
        self.blame_absence(Place::bundle(next, fetched.width), &message);
        true
    }

    /// The bundle as it should be: every hash right. False, with nothing done, when anything is not.
    fn take_sound(&mut self, fetched: &Fetched) -> bool {
        let (Served::Bytes(bytes), Some(leaves)) = (&fetched.entries, &fetched.leaves) else { return false };
        let Some(entries) = bundle::entries(bytes, usize::from(fetched.width)) else { return false };
        let known = self.grown.level(0).len();
        let is_sound = leaves.hashes[..known] == *self.grown.level(0) && self.is_right(fetched, leaves);
        if is_sound {
            self.feed(fetched.bundle, known, entries.into_iter().map(Some));
            self.bytes += bytes.len() as u64;
            match leaves.root {
                Some(root) => self.push_tile(root),
                None => self.grown.set_leaves(&leaves.hashes),
            }
            self.check_grown(fetched, leaves.hashes.len());
        }
        is_sound
    }

    /// Whether the tile beside the bundle, and the one above, have these hashes.
    fn is_right(&self, fetched: &Fetched, leaves: &Leaves) -> bool {
        let hashes = leaves.hashes.as_slice();
        match (&fetched.tile, leaves.root) {
            (None, _) => self.tiles.partial(0) == Some(hashes),
            (Some(Served::Bytes(tile)), Some(root)) => {
                let id = TileId { level: 0, index: fetched.bundle };
                let is_beside = tile.len() == hashes.len() * Hash::LEN
                    && tile.chunks_exact(Hash::LEN).zip(hashes).all(|(hash, leaf)| hash == leaf.as_bytes());
                is_beside && self.tiles.expected(id).is_none_or(|above| above.root == root)
            }
            _ => false,
        }
    }

    /// Puts leaf hashes into the tree.
    fn grow(&mut self, fetched: &Fetched, leaves: &[Hash]) {
        if leaves.len() == TILE_WIDTH {
            self.push_tile(tile_root(leaves));
        } else {
            self.grown.set_leaves(leaves);
        }
        self.check_grown(fetched, leaves.len());
    }

    fn check_grown(&self, fetched: &Fetched, leaves: usize) {
        debug_assert_eq!(self.grown.size(), fetched.bundle * WIDTH + leaves as u64);
    }

    fn push_tile(&mut self, root: Hash) {
        let (tiles, found) = (&self.tiles, &mut self.found);
        self.grown.push_tile(root, |id, computed| tiles.compare_computed(id, computed, found));
    }

    /// Applies the rules to the entries of a bundle from `known` on; none stands for an entry that is not the tree's.
    fn feed<'e>(
        &mut self,
        bundle: u64,
        known: usize,
        entries: impl ExactSizeIterator<Item = Option<&'e [u8]>>,
    ) {
        self.entries += (entries.len() - known.min(entries.len())) as u64;
        for (index, entry) in (bundle * WIDTH..).zip(entries).skip(known) {
            let Some(entry) = entry else { continue };
            if index == 0 {
                self.rules = self.rules_of(entry);
            }
            if let Some(rules) = &mut self.rules {
                rules.entry(index, entry, &mut self.found);
            }
        }
    }

    /// What the entries of a log are, by its first.
    fn rules_of(&self, first: &[u8]) -> Option<Rules> {
        let is_ours = match self.config.options.entries {
            EntryRules::Ours => true,
            EntryRules::Opaque => false,
            EntryRules::Detect => matches!(Entry::decode(first), Ok(Entry::Genesis { .. })),
        };
        is_ours.then(|| Rules::new(Terms::of(self.config)))
    }

    /// A bundle with something wrong: finds out what, says so once, and goes on with the hashes the tree has. Whether those are known.
    fn take_apart(&mut self, fetched: &Fetched) -> bool {
        let leaves = fetched.leaves.as_ref().map(|leaves| leaves.hashes.clone());
        let id = TileId { level: 0, index: fetched.bundle };
        let (tile, expected) = match &fetched.tile {
            None => (self.tiles.partial(0).map(<[Hash]>::to_vec), None),
            Some(served) => (read(served, id, 256, &mut self.found), self.tiles.expected(id)),
        };
        let is_partial = fetched.tile.is_none();
        let truth = if is_partial {
            self.judge_partial(leaves.as_ref(), tile.as_ref())
        } else {
            judge(leaves.as_ref(), tile.as_ref(), expected)
        };
        let served_tile = fetched.tile.as_ref();
        // Hashes that are known to be the tree's are progress also where a log has pruned the entries.
        let is_proven =
            |tile: &Vec<Hash>| expected.is_some_and(|above| above.is_right && above.root == tile_root(tile));
        let mut is_known = matches!(truth, Truth::Entries) || tile.as_ref().is_some_and(is_proven);
        match truth {
            Truth::Entries => {
                if tile.as_ref().is_some_and(|tile| Some(tile) != leaves.as_ref())
                    && let Some(served) = served_tile
                {
                    mismatch(id, 256, served, &mut self.found);
                }
                let leaves = leaves.expect("entries can only be right where there are some");
                self.feed_those_of(fetched, &leaves);
                self.grow(fetched, &leaves);
            }
            Truth::Tile => {
                let tile = tile.expect("a tile can only be right where there is one");
                if self.pass_pruned(fetched) {
                    is_known = true;
                } else {
                    self.blame_entries(fetched, &tile);
                    self.feed_those_of(fetched, &tile);
                }
                self.grow(fetched, &tile);
            }
            Truth::Parent(root) => {
                self.blame_both(fetched, tile.is_some(), id);
                self.push_tile(root);
            }
            Truth::Unknown => {
                self.blame_both(fetched, false, id);
                self.is_tree_lost = true;
                let nothing = vec![vouchlog_merkle::EMPTY_ROOT; usize::from(fetched.width)];
                self.grow(fetched, &nothing);
            }
        }
        is_known
    }

    /// A partial bundle has no tile above: its tile is right if the partial tiles lead to the root, and its entries are if
    /// they do so in its place.
    fn judge_partial(&self, leaves: Option<&Vec<Hash>>, tile: Option<&Vec<Hash>>) -> Truth {
        match (leaves, tile) {
            (None, None) => Truth::Unknown,
            (Some(_), None) => Truth::Entries,
            (Some(leaves), Some(tile)) if leaves == tile => Truth::Entries,
            (_, Some(_)) if self.tiles.is_edge_right() => Truth::Tile,
            (Some(leaves), Some(_)) if self.leads_to_root(leaves) => Truth::Entries,
            (_, Some(_)) => Truth::Tile,
        }
    }

    /// Whether the tree grown so far has the signed root with these as its last leaves.
    fn leads_to_root(&self, leaves: &[Hash]) -> bool {
        let mut grown = self.grown.clone();
        grown.set_leaves(leaves);
        grown.head() == self.head
    }

    /// Passes over a bundle that is not served, if the log announced that it gave it up. The genesis entry is never given up.
    fn pass_pruned(&mut self, fetched: &Fetched) -> bool {
        let (first, end) = (fetched.bundle * WIDTH, (fetched.bundle + 1) * WIDTH);
        let announced = self.pruning.as_ref().filter(|pruning| first > 0 && end <= pruning.minimum);
        if announced.is_none() || !matches!(fetched.entries, Served::Missing(_)) {
            return false;
        }
        self.unchecked += WIDTH;
        if let Some(rules) = &mut self.rules {
            rules.pass_pruned(end);
        }
        true
    }

    /// Says what was done to a bundle whose leaf hashes are known.
    fn blame_entries(&mut self, fetched: &Fetched, tree: &[Hash]) {
        let (first, width) = (fetched.bundle * WIDTH, fetched.width);
        let place = Place::bundle(fetched.bundle, width);
        let bytes = match &fetched.entries {
            Served::Bytes(bytes) => bytes,
            Served::Missing(message) => return self.blame_absence(place, message),
        };
        let (entries, rest) = bundle::readable_entries(bytes, tree.len() + 1);
        let Some(fault) = bundle::compare(tree, &bundle::leaves(&entries), rest) else { return };
        if let Some((kind, cause)) = self.shifted
            && (kind, 0) == (fault.kind, fault.at)
        {
            return self.found.follows(cause);
        }
        // Entries of the tree among them show that they are the log's.
        let is_logs = bundle::leaves(&entries).iter().any(|leaf| tree.contains(leaf));
        let served = if is_logs { ServedBytes::of(bytes) } else { ServedBytes::hash_of(bytes) };
        let lead = EvidenceSource::Bundle { first, leaves: tree.to_vec(), served };
        let place = place.at(first + fault.at as u64);
        let cause = self.found.add(fault.kind, place, lead, || words(fault, width));
        let moves = matches!(fault.kind, FindingKind::RemovedEntry | FindingKind::InsertedEntry);
        self.shifted = moves.then_some((fault.kind, cause));
        self.lose(cause);
    }

    fn blame_absence(&mut self, place: Place, message: &str) {
        let words = || format!("the bundle is not served: {message}");
        let cause =
            self.found.add(FindingKind::MissingBundle, place, EvidenceSource::Object { served: None }, words);
        self.lose(cause);
    }

    /// Neither the bundle nor the tile beside it is what the tile above says.
    fn blame_both(&mut self, fetched: &Fetched, has_tile: bool, id: TileId) {
        let place = Place::bundle(fetched.bundle, fetched.width);
        match (&fetched.entries, &fetched.tile) {
            (_, Some(tile)) if has_tile => {
                let cause = mismatch(id, 256, tile, &mut self.found);
                self.lose(cause);
            }
            (Served::Missing(message), _) => self.blame_absence(place, message),
            (Served::Bytes(bytes), _) => {
                let lead = EvidenceSource::Object { served: Some(ServedBytes::hash_of(bytes)) };
                let words = || "the entries do not lead to the signed root".to_owned();
                let cause = self.found.add(FindingKind::AlteredEntry, place, lead, words);
                self.lose(cause);
            }
        }
    }

    fn lose(&mut self, cause: Cause) {
        if let Some(rules) = &mut self.rules {
            rules.lose(cause);
        }
    }

    /// Applies the rules to those entries of a bundle that have the hashes of the tree in their place.
    fn feed_those_of(&mut self, fetched: &Fetched, tree: &[Hash]) {
        let Served::Bytes(bytes) = &fetched.entries else { return };
        let bytes: Bytes = bytes.clone();
        let (entries, _) = bundle::readable_entries(&bytes, tree.len());
        let known = self.grown.level(0).len();
        let right =
            entries.iter().zip(tree).map(|(entry, hash)| Some(*entry).filter(|_| leaf_hash(entry) == *hash));
        self.bytes += bytes.len() as u64;
        self.feed(fetched.bundle, known, right.collect::<Vec<_>>().into_iter());
    }
}

/// Which of the things that should agree has the hashes of the tree.
enum Truth {
    /// The entries.
    Entries,
    /// The tile beside them.
    Tile,
    /// Neither; the tile above has this root for both.
    Parent(Hash),
    /// Nothing that could be read.
    Unknown,
}

/// A full bundle, the tile beside it, and what the tile above says: two that agree are believed, the tile above before all if
/// it is known to be right.
fn judge(leaves: Option<&Vec<Hash>>, tile: Option<&Vec<Hash>>, expected: Option<Expected>) -> Truth {
    let is_expected = |hashes: &Vec<Hash>| expected.is_some_and(|above| above.root == tile_root(hashes));
    match (leaves, tile, expected) {
        (Some(leaves), _, _) if is_expected(leaves) => Truth::Entries,
        (_, Some(tile), _) if is_expected(tile) => Truth::Tile,
        (_, _, Some(Expected { root, is_right: true })) => Truth::Parent(root),
        (Some(leaves), Some(tile), _) if leaves == tile => Truth::Entries,
        (_, Some(_), _) => Truth::Tile,
        (Some(_), None, _) => Truth::Entries,
        (None, None, Some(Expected { root, .. })) => Truth::Parent(root),
        (None, None, None) => Truth::Unknown,
    }
}

/// Whether a finding says that what is served is not the signed tree.
fn is_about_tree(kind: FindingKind) -> bool {
    kind > FindingKind::StaleCheckpoint && kind < FindingKind::BadGenesis
}

fn words(fault: BundleFault, width: u16) -> String {
    let what = match fault.kind {
        FindingKind::RemovedEntry => "an entry is missing here, and the later ones moved up",
        FindingKind::InsertedEntry => "this entry is not in the signed tree",
        FindingKind::ReorderedEntries => "the entries are those of the signed tree in another order",
        FindingKind::TruncatedBundle => "the bundle ends before this entry",
        _ => "the entry is not the one in the signed tree",
    };
    format!("{what} ({} of the bundle's {width} places are wrong)", fault.wrong)
}
