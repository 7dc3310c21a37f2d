//! Writing over HTTP: statements into the house stream, gateways enrolled and revoked.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use http::{Extensions, HeaderMap, HeaderName, header};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use vouchlog_api::limits::MAX_NOTE_BYTES;
use vouchlog_api::{AckLevel, Appender, Error, HouseAppend, HouseAppended};
use vouchlog_merkle::{LeafIndex, leaf_hash};
use vouchlog_stream::{Digest, Evidence, Statement, StatementKind};

use super::bodies::{AnyBytes, EnrolmentNote, NewStatement, NewStatements, QuotaNote, RevocationNote};
use super::{Params, heavy, read};
use crate::limits::{MAX_ADD_BYTES, MAX_JSON_BYTES, MAX_JSON_STATEMENTS};
use crate::log::AnyLog;
use crate::problem::{Problem, WriteProblems};
use crate::reads;

/// When to answer.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Wait {
    /// `sequenced`, if not given: once the statements are durable under a checkpoint the log signed. `witnessed`: once that
    /// checkpoint satisfies the log's witness policy too, or the log waited for its witnesses as long as it does.
    #[serde(default)]
    #[param(inline)]
    wait: WaitFor,
}

#[derive(Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum WaitFor {
    #[default]
    Sequenced,
    Witnessed,
}

impl From<Wait> for AckLevel {
    fn from(wait: Wait) -> Self {
        match wait.wait {
            WaitFor::Sequenced => Self::Sequenced,
            WaitFor::Witnessed => Self::Witnessed,
        }
    }
}

/// Says of an answer without JSON what `witnessed` says in one with it.
const WITNESSED: HeaderName = HeaderName::from_static("vouchlog-witnessed");

/// Statements the log took.
#[derive(Serialize, ToSchema)]
pub(super) struct Logged {
    /// The house stream.
    stream: u64,
    /// When the log took them, milliseconds since 1970-01-01 UTC.
    logged_at: u64,
    /// Whether the checkpoint in the receipts satisfies the log's witness policy. Verify it, with the policy.
    witnessed: bool,
    /// The statements in the order they were sent.
    statements: Vec<LoggedStatement>,
}

/// A statement the log took.
#[derive(Serialize, ToSchema)]
struct LoggedStatement {
    /// Its index in the log.
    index: u64,
    /// Its place in the house stream.
    sequence: u64,
    /// Its digest.
    digest: String,
    /// The proof that it is in the log: the text of a C2SP tlog-proof file.
    receipt: String,
}

/// Puts one or many statements into the house stream, and answers each with its proof.
///
/// The house stream's key is the log's own: a receipt proves that the log has the statement, not who sent it, nor that nothing of
/// the sender's is missing. Only opaque statements without evidence are accepted. Sending the same again appends it again.
#[utoipa::path(
    post, path = "/v1/statements", tag = "submit", params(Wait), request_body = NewStatements,
    responses((status = 200, description = "They are durable.", body = Logged), WriteProblems)
)]
pub(super) async fn statements(
    State(log): State<AnyLog>,
    Params(wait): Params<Wait>,
    extensions: Extensions,
    headers: HeaderMap,
    body: Body,
) -> Result<([(HeaderName, &'static str); 1], Vec<u8>), Problem> {
    if !is_of_type(&headers, &["application/json"]) {
        return Err(Problem::unsupported("application/json"));
    }
    let statements = parse(&read(body, MAX_JSON_BYTES).await?)?;
    let append = HouseAppend { statements: statements.clone(), wait_for: wait.into() };
    let appended = log.append_house(append).await?;
    let (many, answer) = (statements.len() > heavy::AT_ONCE, move || answer(&statements, &appended));
    let _own = if many { heavy::own_turn(&extensions).await } else { None };
    let answer = if many { heavy::made(answer).await?? } else { answer()? };
    Ok(([(header::CONTENT_TYPE, "application/json")], answer))
}

/// The JSON of an answer: of the most statements 1.7 MB, with a path through the tree for each.
fn answer(statements: &[Statement], appended: &HouseAppended) -> Result<Vec<u8>, Error> {
    let logged = logged(statements, appended)?;
    serde_json::to_vec(&logged).map_err(|error| Error::internal(error.to_string()))
}

/// Reads one statement or an array. By the first character, so that an error is about what was meant.
fn parse(body: &[u8]) -> Result<Vec<Statement>, Problem> {
    let unreadable = |error: serde_json::Error| {
        if error.is_data() {
            Problem::unprocessable(error.to_string())
        } else {
            Error::invalid(error.to_string()).into()
        }
    };
    let many = body.trim_ascii_start().starts_with(b"[");
    let new: Vec<NewStatement> = if many {
        serde_json::from_slice(body).map_err(unreadable)?
    } else {
        vec![serde_json::from_slice(body).map_err(unreadable)?]
    };
    if new.is_empty() || new.len() > MAX_JSON_STATEMENTS {
        let detail = format!("send 1 to {MAX_JSON_STATEMENTS} statements, not {}", new.len());
        return Err(Problem::unprocessable(detail));
    }
    new.iter().enumerate().map(|(place, new)| new.statement(place)).collect()
}

impl NewStatement {
    fn statement(&self, place: usize) -> Result<Statement, Problem> {
        let wrong = |what: String| Problem::unprocessable(format!("statement {place}: {what}"));
        let kind = StatementKind::from_name(&self.kind)
            .ok_or_else(|| wrong("`kind` is not a statement kind".to_owned()))?;
        let digest: Digest = self.digest.parse().map_err(|error| wrong(format!("`digest`: {error}")))?;
        let evidence = Evidence::new(self.evidence)
            .ok_or_else(|| wrong(format!("`evidence` cannot be {}", self.evidence)))?;
        Ok(Statement { kind, evidence, digest })
    }
}

/// The receipt of a batch, cut into a proof for each statement, each checked against the log's checkpoint.
fn logged(statements: &[Statement], appended: &HouseAppended) -> Result<Logged, Error> {
    let HouseAppended { receipt, witnessed } = appended;
    let broken = |error: String| Error::internal(format!("the log's receipt proves nothing: {error}"));
    let head = reads::head_of(&receipt.checkpoint)?;
    let entries: Vec<_> = receipt.entries(statements).map_err(|error| broken(error.to_string()))?.collect();
    let leaves: Vec<_> = entries.iter().map(|entry| leaf_hash(&entry.to_bytes())).collect();
    let placed =
        receipt.proof.place(receipt.first, &leaves, head.size).map_err(|error| broken(error.to_string()))?;
    if placed.root() != head.root {
        return Err(broken("it leads to another root".to_owned()));
    }
    let statement = |(index, entry): (u64, &vouchlog_stream::StatementEntry)| {
        let index = LeafIndex::new(index);
        let proof = placed.inclusion(index).map_err(|error| broken(error.to_string()))?;
        Ok(LoggedStatement {
            index: index.get(),
            sequence: entry.sequence.get(),
            digest: entry.statement.digest.to_string(),
            receipt: reads::proof_file(index, proof, &receipt.checkpoint)?,
        })
    };
    Ok(Logged {
        stream: receipt.stream.get(),
        logged_at: receipt.logged_at.millis(),
        witnessed: *witnessed,
        statements: (receipt.first.get()..).zip(&entries).map(statement).collect::<Result<_, Error>>()?,
    })
}

/// Puts SHA-256 of the body into the house stream, as a statement of kind `opaque`. The answer is its index in decimal.
///
/// At most 64 KiB of any type. Only the hash is kept, and it is public: the body has to hold something that cannot be guessed. The
/// entry at the index is the statement, not the body.
#[utoipa::path(
    post, path = "/add", tag = "submit", params(Wait),
    request_body(content = inline(AnyBytes), content_type = "application/octet-stream"),
    responses(
        (status = 200, description = "The index.", body = String, content_type = "text/plain; charset=utf-8",
         headers(("vouchlog-witnessed" = bool,
                  description = "Whether a checkpoint that covers it satisfies the log's witness policy."))),
        WriteProblems,
    )
)]
pub(super) async fn add(
    State(log): State<AnyLog>,
    Params(wait): Params<Wait>,
    body: Body,
) -> Result<([(HeaderName, String); 1], String), Problem> {
    let body = read(body, MAX_ADD_BYTES).await?;
    if body.is_empty() {
        return Err(Error::invalid("the body is empty: its hash would prove nothing").into());
    }
    let digest = Digest::of(&body);
    let statement = Statement { kind: StatementKind::Opaque, evidence: Evidence::NONE, digest };
    let append = HouseAppend { statements: vec![statement], wait_for: wait.into() };
    let HouseAppended { receipt, witnessed } = log.append_house(append).await?;
    Ok(([(WITNESSED, witnessed.to_string())], receipt.first.to_string()))
}

/// The entry that a note became.
#[derive(Serialize, ToSchema)]
pub(super) struct Noted {
    /// Its index.
    index: u64,
}

/// Enrols a gateway.
///
/// The body is a signed note whose first line is `vouchlog/v1 enrol`. The operator's signature is all the authority it takes; a second key of a name
/// needs a rotation or a replacement.
#[utoipa::path(
    post, path = "/v1/gateways", tag = "submit", request_body(content = inline(EnrolmentNote), content_type = "text/plain"),
    responses((status = 200, description = "The gateway is enrolled.", body = Noted), WriteProblems)
)]
pub(super) async fn gateways(
    State(log): State<AnyLog>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Noted>, Problem> {
    let index = log.enrol(note(&headers, body).await?).await?;
    Ok(Json(Noted { index: index.get() }))
}

/// Revokes a gateway, for good.
///
/// The body is a signed note whose first line is `vouchlog/v1 revoke`. The operator's signature is all the authority it takes.
#[utoipa::path(
    post, path = "/v1/revocations", tag = "submit", request_body(content = inline(RevocationNote), content_type = "text/plain"),
    responses((status = 200, description = "The gateway is revoked.", body = Noted), WriteProblems)
)]
pub(super) async fn revocations(
    State(log): State<AnyLog>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Noted>, Problem> {
    let index = log.revoke(note(&headers, body).await?).await?;
    Ok(Json(Noted { index: index.get() }))
}

/// Bounds what gateways may log in a day (UTC).
///
/// The body is a signed note whose first line is `vouchlog/v1 quota`. The operator's signature is all the authority it takes.
#[utoipa::path(
    post, path = "/v1/quotas", tag = "submit", request_body(content = inline(QuotaNote), content_type = "text/plain"),
    responses((status = 200, description = "The quota is in force.", body = Noted), WriteProblems)
)]
pub(super) async fn quotas(
    State(log): State<AnyLog>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Noted>, Problem> {
    let index = log.set_quota(note(&headers, body).await?).await?;
    Ok(Json(Noted { index: index.get() }))
}

/// Changes the operator's key, names the key that recovers it, or logs that a witness rotated its key.
///
/// The body is a signed note whose first line is `vouchlog/v1 operator`, `vouchlog/v1 recovery` or `vouchlog/v1 witness`. Its signatures are all the
/// authority it takes.
#[utoipa::path(
    post, path = "/v1/keys", tag = "submit", request_body(content = String, content_type = "text/plain"),
    responses((status = 200, description = "The change is in force.", body = Noted), WriteProblems)
)]
pub(super) async fn keys(
    State(log): State<AnyLog>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Noted>, Problem> {
    let index = log.change_key(note(&headers, body).await?).await?;
    Ok(Json(Noted { index: index.get() }))
}

/// Ends the log, for good.
///
/// The body is a signed note whose first line is `vouchlog/v1 retire`. The signatures of the log's key and of the successor's are all the authority it
/// takes.
#[utoipa::path(
    post, path = "/v1/retirement", tag = "submit", request_body(content = String, content_type = "text/plain"),
    responses((status = 200, description = "The log has ended.", body = Noted), WriteProblems)
)]
pub(super) async fn retirement(
    State(log): State<AnyLog>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Noted>, Problem> {
    let index = log.retire(note(&headers, body).await?).await?;
    Ok(Json(Noted { index: index.get() }))
}

/// A signed note as the body of a request.
async fn note(headers: &HeaderMap, body: Body) -> Result<String, Problem> {
    if !is_of_type(headers, &["text/plain"]) {
        return Err(Problem::unsupported("text/plain"));
    }
    let body = read(body, MAX_NOTE_BYTES).await?;
    String::from_utf8(body.into()).map_err(|_| Error::invalid("a note is UTF-8 text").into())
}

/// Whether the body's type, without its parameters, is one of these.
fn is_of_type(headers: &HeaderMap, types: &[&str]) -> bool {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = value.split(';').next().unwrap_or_default().trim();
    types.iter().any(|expected| essence.eq_ignore_ascii_case(expected))
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn random_bytes_never_panic(bytes in vec(any::<u8>(), 0..200)) {
            let _ = parse(&bytes);
        }

        #[test]
        fn random_objects_never_panic(text in "[\\[{]{1,3}\"(kind|digest|evidence)\":[\"0-9a-z:,{}\\[\\] -]{0,80}") {
            let _ = parse(text.as_bytes());
        }

        #[test]
        fn statements_come_back(kind in 0..StatementKind::ALL.len(), digest: [u8; 32], bits in 0..1_u32 << 17) {
            let statement = Statement {
                kind: StatementKind::ALL[kind],
                evidence: Evidence::new(bits & Evidence::DEFINED).unwrap(),
                digest: Digest::from_bytes(digest),
            };
            let json = serde_json::json!([{
                "kind": statement.kind.name(),
                "digest": statement.digest.to_string(),
                "evidence": statement.evidence.bits(),
            }]);
            prop_assert_eq!(parse(json.to_string().as_bytes()), Ok(vec![statement]));
        }
    }
}
