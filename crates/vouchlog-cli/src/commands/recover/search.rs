//! The longest history that verifies, among sources that may disagree.

use std::collections::BTreeMap;

use bytes::{BufMut, Bytes, BytesMut};
use vouchlog_merkle::{CompactRange, EntryBundle, TILE_WIDTH, TreeHead, leaf_hash};
use vouchlog_storage_sled::is_covered;

use super::sources::{Known, Source};

/// Up to 256 entries that follow one another, framed.
struct Picked {
    framed: Bytes,
    count: usize,
    /// Whether a tile, or the record of a ledger, covers them.
    is_covered: bool,
}

/// What one reading of all sources came to.
#[derive(Default)]
pub(super) struct Search {
    /// The source whose word counts first, if the sources disagree.
    pub(super) preferred: usize,
    /// The largest known head that the entries lead to.
    pub(super) verified: Option<TreeHead>,
    /// The head after the last entry that a tile or a ledger covers.
    pub(super) covered: Option<TreeHead>,
    /// Signed heads that the entries contradict.
    pub(super) contradicted: Vec<Known>,
}

/// Reads all sources, each preferred in turn, until the entries lead to the newest signed head; the best of the readings.
pub(super) async fn search(sources: &[Source], progress: &mut dyn FnMut(u64)) -> anyhow::Result<Search> {
    let newest = newest_signed(sources).map(|known| known.head.size);
    let mut best: Option<Search> = None;
    for preferred in 0..sources.len() {
        let found = read(sources, preferred, progress).await?;
        let size = |search: &Search| search.verified.map(|head| head.size);
        let covered = |search: &Search| search.covered.map(|head| head.size);
        let is_complete = newest.is_some() && size(&found) >= newest;
        if best.as_ref().is_none_or(|best| (size(&found), covered(&found)) > (size(best), covered(best))) {
            best = Some(found);
        }
        if is_complete {
            break;
        }
    }
    Ok(best.unwrap_or_default())
}

/// The largest head that was signed.
pub(super) fn newest_signed(sources: &[Source]) -> Option<&Known> {
    let known = sources.iter().flat_map(|source| &source.known);
    known.filter(|known| known.is_signed).max_by_key(|known| known.head.size)
}

async fn read(sources: &[Source], preferred: usize, progress: &mut dyn FnMut(u64)) -> anyhow::Result<Search> {
    let mut heads: BTreeMap<u64, Vec<&Known>> = BTreeMap::new();
    for known in sources.iter().flat_map(|source| &source.known) {
        heads.entry(known.head.size.get()).or_default().push(known);
    }
    let mut search = Search { preferred, ..Search::default() };
    let mut range = CompactRange::new();
    let mut is_covered = true;
    walk(sources, preferred, u64::MAX, |picked| {
        is_covered &= picked.is_covered;
        for entry in EntryBundle::entries(&picked.framed, picked.count)? {
            range.append(leaf_hash(entry));
            let Some(root) = heads.get(&range.end()).and_then(|_| range.root()) else { continue };
            let here = TreeHead { size: range.size(), root };
            for known in heads.get(&range.end()).into_iter().flatten() {
                if known.head == here {
                    search.verified = Some(here);
                } else if known.is_signed {
                    search.contradicted.push((*known).clone());
                }
            }
        }
        if is_covered {
            search.covered = range.root().map(|root| TreeHead { size: range.size(), root });
        }
        progress(range.end());
        Ok(())
    })
    .await?;
    Ok(search)
}

/// Hands over the first `size` entries, framed, in the pieces that the same search read.
pub(super) async fn hand_over(
    sources: &[Source],
    preferred: usize,
    size: u64,
    mut take: impl FnMut(&[u8]) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    walk(sources, preferred, size, |picked| take(&picked.framed)).await
}

async fn walk(
    sources: &[Source],
    preferred: usize,
    size: u64,
    mut visit: impl FnMut(&Picked) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    for bundle in 0..size.div_ceil(256) {
        let wanted = usize::try_from((size - bundle * 256).min(256)).unwrap_or(TILE_WIDTH);
        let Some(mut picked) = pick(sources, preferred, bundle).await? else { return Ok(()) };
        if picked.count > wanted {
            let kept = EntryBundle::entries(&picked.framed, picked.count)?;
            picked.framed = frame(kept.into_iter().take(wanted));
            picked.count = wanted;
        }
        visit(&picked)?;
        if picked.count < TILE_WIDTH {
            return Ok(());
        }
    }
    Ok(())
}

/// The version of a bundle that most tiles cover; of equals, that of the preferred source.
async fn pick(sources: &[Source], preferred: usize, bundle: u64) -> anyhow::Result<Option<Picked>> {
    let order = std::iter::once(preferred).chain((0..sources.len()).filter(|at| *at != preferred));
    let ordered: Vec<&Source> = order.filter_map(|at| sources.get(at)).collect();
    let (mut tiles, mut versions) = (Vec::new(), Vec::new());
    for source in &ordered {
        tiles.extend(source.tile(bundle).await?);
        versions.extend(source.bundles(bundle).await?);
    }
    let single = single_entries(&ordered, bundle, &tiles);
    if single.len() == TILE_WIDTH {
        versions.push(frame(single.iter().map(|entry| &entry[..])));
    }
    let support = |version: &Bytes| tiles.iter().filter(|tile| is_covered(version, tile)).count();
    let mut best: Option<(usize, Bytes)> = None;
    for version in versions {
        let support = support(&version);
        if best.as_ref().is_none_or(|(most, _)| support > *most) {
            best = Some((support, version));
        }
    }
    let Some((support, framed)) = best else {
        let count = single.len();
        let framed = frame(single.iter().map(|entry| &entry[..]));
        return Ok((count > 0).then_some(Picked { framed, count, is_covered: true }));
    };
    let is_covered = support > 0 || single.len() == TILE_WIDTH;
    Ok(Some(Picked { framed, count: TILE_WIDTH, is_covered }))
}

/// Entries from the beginning of a bundle that are left outside full bundles, as far as none is missing.
fn single_entries(ordered: &[&Source], bundle: u64, tiles: &[Bytes]) -> Vec<Bytes> {
    let mut entries = Vec::new();
    for at in 0..TILE_WIDTH {
        let index = bundle * 256 + at as u64;
        let versions: Vec<Bytes> = ordered.iter().flat_map(|source| source.entries(index)).collect();
        let hash_at = |tile: &Bytes| tile.get(at * 32..at * 32 + 32).map(<[u8]>::to_vec);
        let is_right = |entry: &&Bytes| {
            let leaf = leaf_hash(entry);
            tiles.iter().any(|tile| hash_at(tile).as_deref() == Some(leaf.as_bytes()))
        };
        let Some(entry) = versions.iter().find(is_right).or_else(|| versions.first()) else { break };
        entries.push(entry.clone());
    }
    entries
}

fn frame<'e>(entries: impl IntoIterator<Item = &'e [u8]>) -> Bytes {
    let mut framed = BytesMut::new();
    for entry in entries {
        framed.put_u16(u16::try_from(entry.len()).unwrap_or(u16::MAX));
        framed.put_slice(entry);
    }
    framed.freeze()
}
