//! Proofs in JSON, and receipts as tlog-proof files.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::header;
use serde::{Deserialize, Serialize};
use utoipa::openapi::Required;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn, ParameterStyle};
use utoipa::{IntoParams, PartialSchema, ToSchema};
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
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
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

/// The names of an entry, of which a query has exactly one, for the document.
#[derive(Deserialize, ToSchema)]
#[serde(untagged)]
#[expect(
    dead_code,
    reason = "describes parameters; handlers read `InclusionQuery`, whose errors give the reason"
)]
enum NamedEntry {
    /// Its index.
    Index {
        /// The entry's index.
        index: u64,
    },
    /// Its leaf hash.
    Hash {
        /// 64 lowercase hex digits.
        #[schema(
            pattern = "^[0-9a-f]{64}$",
            example = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
        )]
        hash: String,
    },
    /// The digest of a statement; the first entry with it is meant.
    Digest {
        /// 64 lowercase hex digits.
        #[schema(
            pattern = "^[0-9a-f]{64}$",
            example = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
        )]
        digest: String,
    },
    /// A statement's stream and its place there.
    Place {
        /// The stream.
        stream: u64,
        /// The place in it.
        sequence: u64,
    },
}

impl IntoParams for NamedEntry {
    /// One parameter whose members are parameters: so a schema can demand exactly one name.
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let parameter = ParameterBuilder::new().name("entry").parameter_in(ParameterIn::Query);
        let parameter = parameter.description(Some(
            "The entry, named in exactly one way. Each member is a parameter of its own, as in `?stream=7&sequence=0`.",
        ));
        let parameter =
            parameter.required(Required::True).style(Some(ParameterStyle::Form)).explode(Some(true));
        vec![parameter.schema(Some(Self::schema())).build()]
    }
}

/// In which tree, for the document.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes a parameter; handlers read `InclusionQuery`")]
struct InTree {
    /// The size of the tree; the newest if not given. It is greater than the entry's index.
    #[param(minimum = 1, value_type = u64, required = false)]
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
    get, path = "/v1/inclusion", tag = "proofs", params(NamedEntry, InTree),
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
    pub(super) fn entry(&self) -> Result<EntryName, Error> {
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
    /// The larger size, not below `from`; the newest if not given.
    #[param(minimum = 1, value_type = u64, required = false)]
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
