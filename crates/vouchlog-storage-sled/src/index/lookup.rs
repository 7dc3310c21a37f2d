//! Lookups over all runs and what is recent.

use std::sync::Arc;

use vouchlog_merkle::LeafIndex;
use vouchlog_storage::{IndexAnswer, RunEntry, StoreError, StreamPlaces};

use super::block::{Outcome, Trouble};
use super::filter::Kind;
use super::hashes::{HashTable, kept};
use super::places::{HEAD, KEY, Place, PlaceKey, RUN, SUCCESSOR};
use super::recent::Recent;
use super::run::{Run, place_key};
use super::run_store::{Moment, RunStore};

impl RunStore {
    pub(super) fn by_leaf_hash(
        &self,
        prefix: [u8; 8],
        limit: usize,
    ) -> Result<IndexAnswer<Vec<u64>>, StoreError> {
        let key = kept(prefix);
        let find = |run: &Run, found: &mut Vec<u64>| {
            of_table(run, &run.leaf_hashes, Kind::LeafHash, key, limit, found)
        };
        self.collect(limit, |recent| recent.by_leaf_hash(key), find)
    }

    pub(super) fn by_digest(
        &self,
        prefix: [u8; 8],
        limit: usize,
    ) -> Result<IndexAnswer<Vec<u64>>, StoreError> {
        let key = kept(prefix);
        let find =
            |run: &Run, found: &mut Vec<u64>| of_table(run, &run.digests, Kind::Digest, key, limit, found);
        self.collect(limit, |recent| recent.by_digest(key), find)
    }

    pub(super) fn by_stream_key(
        &self,
        prefix: [u8; 8],
        limit: usize,
    ) -> Result<IndexAnswer<Vec<u64>>, StoreError> {
        let first = u64::from_be_bytes(prefix);
        self.collect(
            limit,
            |recent| recent.seconds(KEY, first),
            |run, found| {
                if run.may_have(Kind::Place, place_key((KEY, first, 0))) {
                    run.places.seconds(KEY, first, limit, found)?;
                }
                Ok(())
            },
        )
    }

    /// The run of statements that a sequence number of a stream is in, or the last one before it.
    pub(super) fn statements(
        &self,
        stream: u64,
        sequence: u64,
    ) -> Result<IndexAnswer<Option<RunEntry>>, StoreError> {
        let answer = self.newest([(RUN, stream, sequence)])?;
        Ok(answer.map(|[place]| {
            place.map(|Place { key: (_, stream, start), third }| RunEntry { stream, start, first: third })
        }))
    }

    pub(super) fn stream_places(&self, stream: u64) -> Result<IndexAnswer<StreamPlaces>, StoreError> {
        let answer = self.newest([(HEAD, stream, u64::MAX), (SUCCESSOR, stream, u64::MAX)])?;
        let place = |place: Option<Place>| place.map(|place| LeafIndex::new(place.key.2));
        Ok(answer.map(|[head, successor]| StreamPlaces { head: place(head), successor: place(successor) }))
    }

    /// For each key the last entry of its kind and first whose second is at most that of the key. Those of later runs are higher, since
    /// sequence numbers and indexes ascend with the log.
    fn newest<const N: usize>(
        &self,
        keys: [PlaceKey; N],
    ) -> Result<IndexAnswer<[Option<Place>; N]>, StoreError> {
        self.answer(
            |recent| keys.map(|key| recent.last_upto(key)),
            |runs, recent| {
                let mut found = [None; N];
                for (key, found) in keys.into_iter().zip(&mut found) {
                    for run in runs.iter().rev() {
                        *found =
                            (*found).max(run.last_upto(key).map_err(|trouble| (Arc::clone(run), trouble))?);
                        if found.is_some() {
                            break;
                        }
                    }
                }
                Ok(std::array::from_fn(|at| found[at].max(recent[at])))
            },
        )
    }

    /// Up to `limit` indexes from all runs and what is recent, lowest first.
    fn collect(
        &self,
        limit: usize,
        of_recent: impl Fn(&Recent) -> Vec<u64>,
        of_run: impl Fn(&Run, &mut Vec<u64>) -> Outcome<()>,
    ) -> Result<IndexAnswer<Vec<u64>>, StoreError> {
        self.answer(of_recent, |runs, mut found| {
            for run in runs {
                of_run(run, &mut found).map_err(|trouble| (Arc::clone(run), trouble))?;
            }
            found.sort_unstable();
            found.dedup();
            found.truncate(limit);
            Ok(found)
        })
    }

    /// What is found at one moment. When a run is damaged, it is lost, and the search begins again on an index that covers less.
    fn answer<R, T>(
        &self,
        of_recent: impl Fn(&Recent) -> R,
        find: impl Fn(&[Arc<Run>], R) -> Result<T, (Arc<Run>, Trouble)>,
    ) -> Result<IndexAnswer<T>, StoreError> {
        loop {
            let Moment { runs, covered, recent } = self.look(&of_recent);
            match find(&runs, recent) {
                Ok(found) => return Ok(IndexAnswer { covered, found }),
                Err((run, Trouble::Damaged(reason))) => self.lose(&run, &reason)?,
                Err((_, trouble)) => return Err(trouble.into()),
            }
        }
    }
}

fn of_table(
    run: &Run,
    table: &HashTable,
    kind: Kind,
    prefix: u64,
    limit: usize,
    found: &mut Vec<u64>,
) -> Outcome<()> {
    if run.may_have(kind, prefix) { table.find(prefix, limit, found) } else { Ok(()) }
}
