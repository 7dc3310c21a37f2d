//! The promises of [`Index`].

use vouchlog_merkle::LeafIndex;

use crate::{Index, IndexAnswer, IndexBatch, RunEntry, StoreError, StreamPlaces};

/// Checks every promise of [`Index`]; places as in [`check_store`](super::check_store).
///
/// # Panics
/// If a promise is broken.
pub fn check_index<I: Index, O: FnMut() -> I>(mut new_place: impl FnMut() -> O) {
    a_new_index_finds_nothing(&new_place()());
    candidates_come_lowest_first(&new_place()());
    the_two_tables_are_apart(&new_place()());
    a_run_is_found_by_any_of_its_sequence_numbers(&new_place()());
    streams_are_found_by_key(&new_place()());
    the_newest_head_and_the_successor_of_a_stream_are_found(&new_place()());
    a_batch_that_does_not_begin_at_the_end_changes_nothing(&new_place()());
    a_cleared_index_begins_anew(&new_place()());
    what_it_covers_is_there_after_reopening(new_place());
}

/// Prefixes that differ in what is compared of them.
fn spread(at: u64) -> [u8; 8] {
    at.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes()
}

fn indexes(found: &[u64]) -> Vec<LeafIndex> {
    found.iter().copied().map(LeafIndex::new).collect()
}

fn put(index: &impl Index, batch: &IndexBatch) {
    let batch = &IndexBatch { from: index.covered().expect("it can be asked"), ..batch.clone() };
    index.put(batch).expect("it takes a batch");
    assert_eq!(index.covered(), Ok(batch.upto), "it covers what it was given");
    assert!(index.remembered().is_ok_and(|seen| seen >= batch.upto), "it remembers what it covers");
}

/// An answer of an index that covers so much.
fn answer<T>(covered: u64, found: T) -> Result<IndexAnswer<T>, StoreError> {
    Ok(IndexAnswer { covered, found })
}

fn places(head: Option<u64>, successor: Option<u64>) -> StreamPlaces {
    StreamPlaces { head: head.map(LeafIndex::new), successor: successor.map(LeafIndex::new) }
}

fn a_new_index_finds_nothing(index: &impl Index) {
    assert_eq!(index.covered(), Ok(0), "a new index covers nothing");
    assert_eq!(index.by_leaf_hash([0; 8], 10), answer(0, vec![]), "a new index knows no leaf hash");
    assert_eq!(index.by_digest([0; 8], 10), answer(0, vec![]), "a new index knows no digest");
    assert_eq!(index.run(0, u64::MAX), answer(0, None), "a new index knows no run");
    assert_eq!(index.remembered(), Ok(0), "a new index has seen nothing");
    assert_eq!(index.by_stream_key([0; 8], 10), Ok(IndexAnswer::default()), "a new index knows no key");
    assert_eq!(index.stream(0), Ok(IndexAnswer::default()), "a new index knows no stream");
}

fn candidates_come_lowest_first(index: &impl Index) {
    let clash = [7; 8];
    // They differ in the last byte that is compared.
    let (below, above) = ([7, 7, 7, 7, 7, 6, 7, 7], [7, 7, 7, 7, 7, 8, 7, 7]);
    let neighbours = [[6; 8], below, above, [0xff; 8], [0; 8]];
    let leaf_hashes = [(clash, 300), (clash, 0), (clash, 299)].into_iter();
    let leaf_hashes = leaf_hashes.chain(neighbours.into_iter().zip(1..)).collect();
    put(index, &IndexBatch { upto: 301, leaf_hashes, ..IndexBatch::default() });
    put(index, &IndexBatch { upto: 302, leaf_hashes: vec![(clash, 301)], ..IndexBatch::default() });
    for (limit, found) in [(0, &[][..]), (1, &[0]), (2, &[0, 299]), (9, &[0, 299, 300, 301])] {
        assert_eq!(
            index.by_leaf_hash(clash, limit),
            answer(302, indexes(found)),
            "the {limit} lowest of 4 candidates"
        );
    }
    let by_leaf_hash = |prefix| index.by_leaf_hash(prefix, 9);
    assert_eq!(by_leaf_hash([0xff; 8]), answer(302, indexes(&[4])), "the highest prefix has an end, too");
    assert_eq!(by_leaf_hash([5; 8]), answer(302, vec![]), "a prefix that is not there is not found");
}

fn the_two_tables_are_apart(index: &impl Index) {
    let (leaf_hashes, digests) = (vec![([1; 8], 10)], vec![([1; 8], 20), ([2; 8], 21)]);
    put(index, &IndexBatch { upto: 30, leaf_hashes, digests, ..IndexBatch::default() });
    assert_eq!(
        index.by_leaf_hash([1; 8], 9),
        answer(30, indexes(&[10])),
        "leaf hashes are found as leaf hashes only"
    );
    assert_eq!(index.by_digest([1; 8], 9), answer(30, indexes(&[20])), "digests are found as digests only");
    assert_eq!(index.by_leaf_hash([2; 8], 9), answer(30, vec![]), "a digest is no leaf hash");
}

fn a_run_is_found_by_any_of_its_sequence_numbers(index: &impl Index) {
    let run = |stream, start, first| RunEntry { stream, start, first };
    let runs = vec![run(5, 0, 6), run(5, 10, 40), run(9, 0, 16), run(5, 12, 50), run(7, 3, 60)];
    put(index, &IndexBatch { upto: 70, runs, ..IndexBatch::default() });
    for (stream, sequence, found) in [
        (5, 0, Some(run(5, 0, 6))),
        (5, 9, Some(run(5, 0, 6))),
        (5, 10, Some(run(5, 10, 40))),
        (5, 11, Some(run(5, 10, 40))),
        (5, u64::MAX, Some(run(5, 12, 50))),
        (9, 1, Some(run(9, 0, 16))),
        (7, 2, None),
        (7, 3, Some(run(7, 3, 60))),
        (4, 100, None),
        (6, 100, None),
        (u64::MAX, u64::MAX, None),
    ] {
        assert_eq!(
            index.run(stream, sequence),
            answer(70, found),
            "the run of {sequence} in stream {stream}"
        );
    }
}

fn streams_are_found_by_key(index: &impl Index) {
    let stream_keys = vec![([9; 8], 12), ([9; 8], 3), ([8; 8], 4), ([0xff; 8], 5)];
    put(index, &IndexBatch { upto: 20, stream_keys, digests: vec![([9; 8], 1)], ..IndexBatch::default() });
    let by_key = |prefix, limit| index.by_stream_key(prefix, limit);
    for (prefix, limit, found) in
        [([9; 8], 9, &[3, 12][..]), ([9; 8], 1, &[3]), ([0xff; 8], 9, &[5]), ([7; 8], 9, &[])]
    {
        assert_eq!(
            by_key(prefix, limit),
            answer(20, indexes(found)),
            "the {limit} lowest streams of the key"
        );
    }
    index.clear().expect("it clears");
    assert_eq!(by_key([9; 8], 9), Ok(IndexAnswer::default()), "a cleared index says that it covers nothing");
}

fn the_newest_head_and_the_successor_of_a_stream_are_found(index: &impl Index) {
    let (stream_heads, successors) = (vec![(3, 10), (4, 11), (3, 15)], vec![(4, 12)]);
    put(index, &IndexBatch { upto: 20, stream_heads, successors, ..IndexBatch::default() });
    put(index, &IndexBatch { upto: 30, stream_heads: vec![(3, 25)], ..IndexBatch::default() });
    put(index, &IndexBatch { upto: 40, successors: vec![(5, 31)], ..IndexBatch::default() });
    for (stream, found) in [
        (3, places(Some(25), None)),
        (4, places(Some(11), Some(12))),
        (5, places(None, Some(31))),
        (6, places(None, None)),
    ] {
        assert_eq!(index.stream(stream), answer(40, found), "stream {stream}");
    }
}

/// A follower that stopped between two batches may put the last one once more, and one whose index lost a part may put what comes later.
fn a_batch_that_does_not_begin_at_the_end_changes_nothing(index: &impl Index) {
    let runs = vec![RunEntry { stream: 1, start: 0, first: 2 }];
    let batch = IndexBatch {
        from: 0,
        upto: 8,
        leaf_hashes: vec![([3; 8], 4)],
        digests: vec![([4; 8], 4)],
        runs,
        stream_keys: vec![([5; 8], 1)],
        stream_heads: vec![(1, 5)],
        successors: vec![(1, 7)],
    };
    put(index, &batch);
    let later = IndexBatch { from: 9, upto: 12, digests: vec![([4; 8], 10)], ..IndexBatch::default() };
    for other in [&batch, &later, &batch] {
        index.put(other).expect("it leaves the batch");
        assert_eq!(index.by_leaf_hash([3; 8], 9), answer(8, indexes(&[4])), "a leaf hash is there once");
        assert_eq!(index.by_digest([4; 8], 9), answer(8, indexes(&[4])), "a digest is there once");
        assert_eq!(index.run(1, 5), answer(8, Some(batch.runs[0])), "a run is there once");
        assert_eq!(index.by_stream_key([5; 8], 9), answer(8, indexes(&[1])), "a key is there once");
        assert_eq!(index.stream(1), answer(8, places(Some(5), Some(7))), "a stream is there once");
    }
}

fn a_cleared_index_begins_anew(index: &impl Index) {
    let digests = (0..1000).map(|at| (spread(at), at)).collect();
    put(index, &IndexBatch { upto: 1000, digests, ..IndexBatch::default() });
    for _ in 0..2 {
        index.clear().expect("it clears");
        assert_eq!(index.covered(), Ok(0), "a cleared index covers nothing");
        assert_eq!(index.by_digest(spread(500), 9), answer(0, vec![]), "a cleared index finds nothing");
        put(index, &IndexBatch { upto: 3, digests: vec![([1; 8], 2)], ..IndexBatch::default() });
        assert_eq!(index.by_digest([1; 8], 9), answer(3, indexes(&[2])), "a cleared index takes batches");
    }
}

/// An index may lose everything, but must not say that it covers what it does not find.
fn what_it_covers_is_there_after_reopening<I: Index>(mut open: impl FnMut() -> I) {
    let mut upto = 0;
    for _ in 0..3 {
        let index = open();
        let covered = index.covered().expect("it opens");
        assert!(covered <= upto, "it covers {covered} of {upto}");
        for at in 0..covered {
            assert_eq!(
                index.by_digest(spread(at), 2),
                answer(covered, indexes(&[at])),
                "{at} is below {covered}"
            );
        }
        let digests = (covered..upto + 500).map(|at| (spread(at), at)).collect();
        upto += 500;
        put(&index, &IndexBatch { upto, digests, ..IndexBatch::default() });
    }
}
