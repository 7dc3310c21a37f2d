//! Proofs in JSON, and receipts as tlog-proof files.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::header;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use vouchlog_api::{Error, LookupKey};
use vouchlog_merkle::{Hash, LeafIndex};
use vouchlog_proto::EntryName;
use vouchlog_stream::{Digest, SequenceNumber, StreamId};

use super::{Params, PathParam};
use crate::log::AnyLog;
use crate::media::{self, TEXT};
use crate::problem::{Problem, ReadProblems};
use crate::reads;

/// Which entry, in which tree.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct InclusionQuery {
    /// The entry's index.
    index: Option<u64>,
    /// Or its leaf hash, 64 lowercase hex digits.
    hash: Option<String>,
    /// Or the digest of a statement, 64 lowercase hex digits; the first entry with it is meant.
    digest: Option<String>,
    /// Or the stream of a statement,
    stream: Option<u64>,
    /// and its place in it.
    sequence: Option<u64>,
    /// The size of the tree; the newest if not given.
    size: Option<u64>,
}

/// The proof that a tree has an entry (RFC 6962 section 2.1.1).
#[derive(Serialize, ToSchema)]
pub(super) struct Inclusion {
    /// The entry's index.
    index: u64,
    /// The tree's size.
    size: u64,
    /// The entry's leaf hash in hex.
    leaf_hash: String,
    /// The audit path in hex, leaf side first.
    hashes: Vec<String>,
    /// The entry in base64.
    entry: String,
    /// The newest checkpoint; its size is `size` when none was asked for.
    checkpoint: String,
}

/// The proof that an entry is in the log.
#[utoipa::path(
    get, path = "/v1/inclusion", tag = "proofs", params(InclusionQuery),
    responses((status = 200, description = "The proof.", body = Inclusion), ReadProblems)
)]
pub(super) async fn inclusion(
    State(log): State<AnyLog>,
    Params(query): Params<InclusionQuery>,
) -> Result<Json<Inclusion>, Problem> {
    let included = reads::inclusion(&log, query.entry()?, query.size).await?;
    Ok(Json(Inclusion {
        index: included.index.get(),
        size: included.size.get(),
        leaf_hash: included.leaf.to_string(),
        hashes: hex(included.proof.hashes()),
        entry: BASE64.encode(&included.entry),
        checkpoint: included.checkpoint,
    }))
}

impl InclusionQuery {
    /// The entry that is meant, which has to be named in one way.
    fn entry(&self) -> Result<EntryName, Error> {
        match (self.index, &self.hash, &self.digest, self.stream, self.sequence) {
            (Some(index), None, None, None, None) => Ok(EntryName::Index(LeafIndex::new(index))),
            (None, Some(hash), None, None, None) => {
                let hash: Hash = hash.parse().map_err(|_| digits("hash"))?;
                Ok(EntryName::Key(LookupKey::LeafHash(hash)))
            }
            (None, None, Some(digest), None, None) => {
                let digest: Digest = digest.parse().map_err(|_| digits("digest"))?;
                Ok(EntryName::Key(LookupKey::Digest(digest)))
            }
            (None, None, None, Some(stream), Some(sequence)) => {
                let place = StreamId::new(stream).zip(SequenceNumber::new(sequence));
                let (stream, sequence) =
                    place.ok_or_else(|| Error::not_found("the stream or sequence number is too large"))?;
                Ok(EntryName::Key(LookupKey::Sequence(stream, sequence)))
            }
            _ => Err(Error::invalid(
                "name the entry in exactly one way: `index`, `hash`, `digest`, or `stream` with `sequence`",
            )),
        }
    }
}

fn digits(field: &str) -> Error {
    Error::invalid(format!("`{field}` is 64 lowercase hexadecimal digits"))
}

/// Which two trees.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ConsistencyQuery {
    /// The smaller size; the proof from 0 is empty.
    from: u64,
    /// The larger size; the newest if not given.
    to: Option<u64>,
}

/// The proof that a tree is a prefix of another (RFC 6962 section 2.1.2).
#[derive(Serialize, ToSchema)]
pub(super) struct Consistency {
    /// The smaller size.
    from: u64,
    /// The larger size.
    to: u64,
    /// The proof in hex.
    hashes: Vec<String>,
    /// The newest checkpoint; its size is `to` when none was asked for.
    checkpoint: String,
}

/// The proof that nothing was changed or removed between two sizes.
#[utoipa::path(
    get, path = "/v1/consistency", tag = "proofs", params(ConsistencyQuery),
    responses((status = 200, description = "The proof.", body = Consistency), ReadProblems)
)]
pub(super) async fn consistency(
    State(log): State<AnyLog>,
    Params(query): Params<ConsistencyQuery>,
) -> Result<Json<Consistency>, Problem> {
    let (new, proof, checkpoint) = reads::consistency(&log, query.from, query.to).await?;
    let hashes = hex(proof.hashes());
    Ok(Json(Consistency { from: query.from, to: new.size.get(), hashes, checkpoint }))
}

/// An entry's proof as a C2SP tlog-proof file, to be kept and checked offline.
#[utoipa::path(
    get, path = "/v1/receipts/{index}", tag = "proofs",
    params(("index" = u64, Path, description = "The entry's index.")),
    responses(
        (status = 200, description = "The file.", body = String, content_type = "text/plain; charset=utf-8"),
        ReadProblems,
    )
)]
pub(super) async fn receipt(
    State(log): State<AnyLog>,
    PathParam(index): PathParam<u64>,
) -> Result<Response, Problem> {
    let (_, _, file) = reads::receipt(&log, EntryName::Index(LeafIndex::new(index))).await?;
    let name = format!("attachment; filename=\"{index}.tlog-proof\"");
    Ok(([(header::CONTENT_DISPOSITION, name)], media::content_type(TEXT), file).into_response())
}

fn hex(hashes: &[Hash]) -> Vec<String> {
    hashes.iter().map(ToString::to_string).collect()
}
