//! Several entry bundles in one response, for readers that read a whole log: a browser spends more on a request than on hashing a bundle.

use std::pin::pin;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use futures::{StreamExt, stream};
use http::{Extensions, header};
use serde::Deserialize;
use utoipa::IntoParams;
use vouchlog_api::{Error, LogReader, Result};

use super::{Params, heavy};
use crate::limits::MAX_ENTRIES_BYTES;
use crate::log::AnyLog;
use crate::problem::{Problem, ReadProblems};

/// Bundles in one response: 900 kB of statements.
const MAX_BUNDLES: u64 = 64;
/// Bundles of one response that are read at a time. A log elsewhere takes a round trip for each.
const AT_ONCE: usize = 8;
/// Entries of a full bundle.
const WIDTH: u16 = 256;

/// Which bundles.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct BundlesQuery {
    /// Index of the first.
    first: u64,
    /// How many. A response has at least one, and may have fewer; go on after the last.
    #[param(minimum = 1, maximum = 64)]
    count: u64,
}

/// Full entry bundles, one after the other.
///
/// Each has the bytes that `/tile/entries/<index>` has: 256 entries, each behind its 16-bit length. They are not compressed.
#[utoipa::path(
    get, path = "/v1/bundles", tag = "proofs", params(BundlesQuery),
    responses(
        (status = 200, description = "The bundles.", body = Vec<u8>, content_type = "application/octet-stream"),
        ReadProblems,
    )
)]
pub(super) async fn bundles(
    State(log): State<AnyLog>,
    Params(query): Params<BundlesQuery>,
    extensions: Extensions,
) -> Result<Response, Problem> {
    let _own = heavy::own_turn(&extensions).await;
    several(&log, &query).await
}

/// The response to a query.
pub(super) async fn several(log: &impl LogReader, query: &BundlesQuery) -> Result<Response, Problem> {
    let bytes = read(log, query).await?;
    // The length of an answer depends on when it is given, so no cache keeps it.
    let headers = [(header::CACHE_CONTROL, "no-store"), (header::CONTENT_TYPE, "application/octet-stream")];
    Ok((headers, bytes).into_response())
}

async fn read(log: &impl LogReader, query: &BundlesQuery) -> Result<Vec<u8>> {
    let &BundlesQuery { first, count } = query;
    if !(1..=MAX_BUNDLES).contains(&count) {
        return Err(Error::invalid(format!("`count` is {count}: it goes from 1 to {MAX_BUNDLES}")));
    }
    let log = log.clone();
    let bundles = stream::iter((0..count).map_while(move |at| first.checked_add(at)));
    let mut reads = pin!(
        bundles
            .map(move |index| {
                let log = log.clone();
                async move { log.entry_bundle(index, WIDTH).await }
            })
            .buffered(AT_ONCE)
    );
    let mut bytes = Vec::new();
    while let Some(bundle) = reads.next().await {
        match bundle {
            Ok(bundle) => bytes.extend_from_slice(&bundle),
            Err(error) if bytes.is_empty() => return Err(error),
            // A client that goes on from here gets the reason.
            Err(_) => break,
        }
        if bytes.len() > MAX_ENTRIES_BYTES {
            break;
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use vouchlog_api::ErrorKind;
    use vouchlog_merkle::{TileId, TreeSize};

    use super::*;

    /// A log whose bundles have so many bytes, and of which one cannot be read.
    #[derive(Clone)]
    struct Log {
        bundle_len: usize,
        unreadable: u64,
    }

    impl LogReader for Log {
        async fn checkpoint(&self) -> Result<String> {
            Err(Error::internal("not asked for"))
        }

        async fn checkpoint_after(&self, _: TreeSize) -> Result<String> {
            self.checkpoint().await
        }

        async fn tile(&self, _: TileId, _: u16) -> Result<Bytes> {
            Err(Error::internal("not asked for"))
        }

        async fn entry_bundle(&self, bundle: u64, width: u16) -> Result<Bytes> {
            assert_eq!(width, WIDTH);
            if bundle == self.unreadable {
                return Err(Error::not_found("pruned"));
            }
            Ok(Bytes::from(vec![bundle.to_le_bytes()[0]; self.bundle_len]))
        }
    }

    async fn read_of(log: &Log, first: u64, count: u64) -> Result<Vec<u8>> {
        read(log, &BundlesQuery { first, count }).await
    }

    #[tokio::test]
    async fn a_response_has_what_was_asked_for_in_order() {
        let log = Log { bundle_len: 3, unreadable: u64::MAX };
        assert_eq!(read_of(&log, 7, 1).await.unwrap(), [7; 3]);
        let many = read_of(&log, 7, MAX_BUNDLES).await.unwrap();
        assert_eq!(many, (7..71).flat_map(|index| [index; 3]).collect::<Vec<u8>>());
    }

    #[tokio::test]
    async fn it_ends_where_the_log_does_or_with_too_many_bytes() {
        let log = Log { bundle_len: 3, unreadable: 9 };
        assert_eq!(read_of(&log, 7, 64).await.unwrap(), [7, 7, 7, 8, 8, 8]);
        assert_eq!(read_of(&log, 9, 64).await.unwrap_err().kind, ErrorKind::NotFound);
        assert_eq!(read_of(&log, u64::MAX, 64).await.unwrap().len(), 3);
        let log = Log { bundle_len: 700_000, unreadable: u64::MAX };
        assert_eq!(read_of(&log, 0, 64).await.unwrap().len(), 3 * 700_000);
    }

    #[tokio::test]
    async fn none_and_too_many_are_refused() {
        let log = Log { bundle_len: 3, unreadable: u64::MAX };
        for count in [0, MAX_BUNDLES + 1, u64::MAX] {
            assert_eq!(
                read_of(&log, 0, count).await.unwrap_err().kind,
                ErrorKind::InvalidArgument,
                "{count}"
            );
        }
    }
}
