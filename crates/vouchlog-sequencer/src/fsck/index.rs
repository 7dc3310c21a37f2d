//! Checks a lookup index against the entries it is derived from.

use vouchlog_merkle::{LeafIndex, leaf_hash};
use vouchlog_note::Origin;
use vouchlog_storage::{Index, Store, StoreError, key_prefix};
use vouchlog_stream::{Entry, StreamOpening};

use super::{Finding, FindingCode, WIDTH, readable};
use crate::edge::frame;
use crate::recall::stream_key_prefix;

/// Entries whose lookups are tried, spread evenly over the log.
const SAMPLES: u64 = 512;
/// Candidates a lookup may return; six bytes of a hash clash far less often.
const MAX_CANDIDATES: usize = 256;

/// Checks that an index of the log `origin` covers no more than its store holds, and that lookups of evenly spread entries lead to them.
pub fn fsck_index<S: Store>(
    store: &S,
    origin: &Origin,
    index: &dyn Index,
) -> Result<Vec<Finding>, StoreError> {
    let finding = |message: String| Finding { code: FindingCode::Index, place: None, message };
    let Some(loaded) = store.load()? else { return Ok(Vec::new()) };
    let size = loaded.head.size.get();
    let covered = match index.covered() {
        Ok(covered) => covered,
        Err(error) => return Ok(vec![finding(format!("the lookup index cannot be read: {error}"))]),
    };
    if covered > size {
        let message = format!("the lookup index covers {covered} entries, the log has {size}");
        return Ok(vec![finding(message)]);
    }
    let mut findings = Vec::new();
    let step = (covered / SAMPLES).max(1);
    // The tail is framed from the sealed size on, like a bundle that begins there.
    let tail = frame(&loaded.tail);
    for place in (0..covered).step_by(usize::try_from(step).unwrap_or(usize::MAX)) {
        let (framed, first) = match &tail {
            Some(tail) if place >= loaded.sealed => (Some(tail.clone()), loaded.sealed),
            _ => {
                let bundle = readable(store.entry_bundle(place / WIDTH))?;
                (bundle.and_then(|bytes| frame(&[bytes])), place / WIDTH * WIDTH)
            }
        };
        let at = usize::try_from(place - first).unwrap_or(usize::MAX);
        let entry = framed.as_ref().and_then(|framed| framed.entries().nth(at));
        // An entry that cannot be read is reported by the check of the store.
        let Some(entry) = entry else { continue };
        if let Some(key) = missing(index, origin, place, entry)? {
            findings.push(finding(format!("the lookup index does not lead to entry {place} by its {key}")));
        }
    }
    Ok(findings)
}

/// By which of its keys an entry cannot be found.
fn missing(
    index: &dyn Index,
    origin: &Origin,
    place: u64,
    entry: &[u8],
) -> Result<Option<&'static str>, StoreError> {
    let leads = |found: Vec<LeafIndex>| found.contains(&LeafIndex::new(place));
    if !leads(index.by_leaf_hash(key_prefix(leaf_hash(entry).as_bytes()), MAX_CANDIDATES)?.found) {
        return Ok(Some("leaf hash"));
    }
    let statement = match Entry::decode(entry) {
        Ok(Entry::Statement(statement)) => statement,
        Ok(Entry::StreamOpened { note, .. }) => return missing_opening(index, origin, place, &note),
        Ok(Entry::StreamHead { stream, .. } | Entry::StreamClosed { stream, .. }) => {
            let head = index.stream(stream.get())?.found.head;
            // A newer head replaces it.
            return Ok(head.is_none_or(|head| head.get() < place).then_some("stream"));
        }
        _ => return Ok(None),
    };
    // The same digest may be logged any number of times.
    let found = index.by_digest(key_prefix(statement.statement.digest.as_bytes()), MAX_CANDIDATES)?.found;
    if found.len() < MAX_CANDIDATES && !leads(found) {
        return Ok(Some("digest"));
    }
    let run = index.run(statement.stream.get(), statement.sequence.get())?.found;
    let expected = |start: u64, first: u64| first + (statement.sequence.get() - start) == place;
    if !run.is_some_and(|run| run.start <= statement.sequence.get() && expected(run.start, run.first)) {
        return Ok(Some("stream and sequence number"));
    }
    Ok(None)
}

/// By which of its keys the opening of a stream cannot be found.
fn missing_opening(
    index: &dyn Index,
    origin: &Origin,
    place: u64,
    note: &str,
) -> Result<Option<&'static str>, StoreError> {
    let Ok(opening) = StreamOpening::open(note, origin) else { return Ok(None) };
    let place = LeafIndex::new(place);
    let by_key = index.by_stream_key(stream_key_prefix(&opening.stream), MAX_CANDIDATES)?;
    if !by_key.found.contains(&place) {
        return Ok(Some("stream key"));
    }
    let Some(previous) = opening.previous else { return Ok(None) };
    let successor = index.stream(previous.stream.get())?.found.successor;
    Ok((successor != Some(place)).then_some("predecessor"))
}
