//! Checks on a request before it may queue: everything that takes no more than keys, done on the caller's thread, so that the
//! sequencer spends its time on what only it can do.

use std::sync::Arc;

use vouchlog_api::limits::MAX_STATEMENTS;
use vouchlog_api::{self as api, Error, ErrorKind, Result};
use vouchlog_merkle::Hash;
use vouchlog_note::{CheckpointError, CosignedCheckpoint, Origin, UnverifiedNote, VerifyingKey};
use vouchlog_runtime::charge;
use vouchlog_storage::Store;
use vouchlog_stream::{
    Enrolment, Evidence, Quota, Retirement, Revocation, Statement, StatementKind, StreamOpening, StreamState,
    StreamStatus, range_of, stream_origin,
};

use crate::draft::{Draft, Parties, note_error, opened_before, retired_operator};
use crate::queue::{Append, Done, GatewayRoom, HouseRoom, Request, gateway_pushback};
use crate::state::Shared;

/// A request after its checks.
pub(crate) enum Prepared {
    /// The sequencer has to take it.
    Queue(Request),
    /// It changes nothing, so it is answered at once.
    Answered(Done),
}

/// A key that has opened a stream stays used, so an opening that is sent again is answered here; whether a key is new is for the
/// sequencer to tell.
pub(crate) fn open<S: Store>(shared: &Shared<S>, note: String) -> Result<Prepared> {
    let opening = StreamOpening::open(&note, &shared.origin).map_err(note_error)?;
    check_is_no_log_key(shared, &opening.gateway)?;
    let (is_known, evicted_below) = {
        let directory = shared.directory.read();
        (directory.by_key.contains_key(&opening.stream), directory.evicted_below)
    };
    let recall = shared.recall(evicted_below).filter(|_| !is_known);
    match recall.map(|recall| recall.by_key(&opening.stream)).transpose()?.flatten() {
        Some((id, before)) => opened_before(id, &before, &opening).map(Prepared::Answered),
        None => Ok(Prepared::Queue(Request::Open { note, opening: Box::new(opening), enrolment: None })),
    }
}

pub(crate) fn append<S: Store>(shared: &Shared<S>, request: api::Append) -> Result<Prepared> {
    check_count(request.statements.len())?;
    let stream = shared.stream(request.stream)?;
    let head = stream_head(&shared.origin, &stream, &request.head)?;
    // Entries and heads are public: any reader can send them again, and must not use up the gateway's share by that. Only the gateway
    // has a head that is longer than what the log knows.
    let is_new = head.head().size.get() > stream.size();
    let payer: Option<Arc<str>> = is_new.then(|| stream.gateway().to_string().into());
    if payer.as_ref().is_some_and(|gateway| !charge::to(|| format!("gateway {gateway}"))) {
        return Err(gateway_pushback());
    }
    let append = Append {
        stream: request.stream,
        range: range_of(request.old_size, &leaves(&request.statements), &head)?,
        statements: request.statements,
        head,
        close: request.close,
        payer,
        room: GatewayRoom::default(),
    };
    if stream.status() == StreamStatus::Open {
        return Ok(Prepared::Queue(Request::Append(Box::new(append))));
    }
    // A stream that has ended takes nothing, so the answer is known, and reading the stream back costs the sequencer nothing.
    let directory = shared.directory.read();
    let mut draft = Draft::new(&directory, None, 0, shared.time.now());
    draft.put_recalled(&stream);
    match draft.append(&append) {
        // The sequencer keeps the evidence.
        Err(error) if error.kind == ErrorKind::Fork => Ok(Prepared::Queue(Request::Append(Box::new(append)))),
        answer => answer.map(Prepared::Answered),
    }
}

pub(crate) fn house(request: api::HouseAppend) -> Result<Request> {
    check_count(request.statements.len())?;
    if request.statements.is_empty() {
        return Err(Error::invalid("there are no statements in the request"));
    }
    // The log signs for senders that it does not know, so nothing in a statement may read as the word of a gateway.
    let is_mute = |statement: &Statement| {
        statement.kind == StatementKind::Opaque && statement.evidence == Evidence::NONE
    };
    if let Some(other) = request.statements.iter().find(|statement| !is_mute(statement)) {
        let (kind, bits) = (other.kind, other.evidence.bits());
        return Err(Error::invalid(format!(
            "the house stream speaks for unknown senders, so it takes statements of kind `opaque` with evidence 0, not of kind \
             `{kind}` with evidence {bits:#x}: log those through a gateway's own stream"
        )));
    }
    let room = HouseRoom::default();
    Ok(Request::House { leaves: leaves(&request.statements), statements: request.statements, room })
}

pub(crate) fn enrol<S>(shared: &Shared<S>, note: String) -> Result<Request> {
    let by = operator(shared, &note)?;
    let enrolment = Enrolment::open(&note, &shared.origin, &by).map_err(note_error)?;
    check_is_no_log_key(shared, &enrolment.gateway)?;
    Ok(Request::Enrol { note, enrolment: Box::new(enrolment), by })
}

pub(crate) fn revoke<S>(shared: &Shared<S>, note: String) -> Result<Request> {
    let by = operator(shared, &note)?;
    let revocation = Revocation::open(&note, &shared.origin, &by).map_err(note_error)?;
    Ok(Request::Revoke { note, revocation: Box::new(revocation), by })
}

pub(crate) fn quota<S>(shared: &Shared<S>, note: String) -> Result<Request> {
    let by = operator(shared, &note)?;
    let quota = Quota::open(&note, &shared.origin, &by).map_err(note_error)?;
    Ok(Request::SetQuota { note, quota: Box::new(quota), by })
}

/// A change of a key: the operator's, its recovery key, or a witness's. The sequencer checks it again: another may be in the same batch.
pub(crate) fn change_key<S: Store>(shared: &Shared<S>, note: String) -> Result<Prepared> {
    let directory = shared.directory.read();
    let draft = Draft::new(&directory, None, 0, shared.time.now());
    match draft.check_key_change(&note, &Parties::of(shared))? {
        Some(done) => Ok(Prepared::Answered(done)),
        None => Ok(Prepared::Queue(Request::ChangeKey { note })),
    }
}

/// The operator's key in force. A note that only replaced keys signed is refused with the entry that replaced the key.
fn operator<S>(shared: &Shared<S>, note: &str) -> Result<Box<VerifyingKey>> {
    let directory = shared.directory.read();
    let operators = directory.operators()?;
    let parsed = UnverifiedNote::parse(note.as_bytes());
    let is_by =
        |key: &VerifyingKey| parsed.iter().flat_map(UnverifiedNote::lines).any(|line| line.is_by(key));
    let newest = operators.terms().map(|term| &term.key).rfind(|key| is_by(key));
    match newest.and_then(|key| Some((key, operators.retired_by(key)?))) {
        None => Ok(Box::new(operators.key().clone())),
        Some((key, by)) => Err(retired_operator(key, by)),
    }
}

pub(crate) fn retire<S>(shared: &Shared<S>, note: String) -> Result<Request> {
    let retirement = Retirement::open_of(&note, &shared.log_keys[0]).map_err(note_error)?;
    check_is_no_log_key(shared, &retirement.successor)?;
    Ok(Request::Retire { note, retirement: Box::new(retirement) })
}

/// A key serves one role: the keys of the log and of its operator are no gateway's and no other log's, whatever name they are given.
fn check_is_no_log_key<S>(shared: &Shared<S>, other: &VerifyingKey) -> Result<()> {
    let directory = shared.directory.read();
    let mut own = shared.log_keys.iter().chain(directory.operators()?.all_keys());
    if own.all(|key| key.public_key() != other.public_key()) {
        return Ok(());
    }
    Err(Error::invalid(
        "the key is the log's or its operator's: a gateway, or another log, needs a key of its own",
    ))
}

/// Verifies a stream's head with the stream's key.
fn stream_head(log: &Origin, stream: &StreamState, note: &str) -> Result<CosignedCheckpoint> {
    let origin = Origin::new(&stream_origin(log.as_str(), stream.id()))
        .map_err(|_| Error::internal("the stream's origin is malformed"))?;
    CosignedCheckpoint::open(note.as_bytes(), &origin, stream.key()).map_err(|error| {
        let message = format!("the head of stream {} does not verify: {error}", stream.id());
        match error {
            CheckpointError::Note(_) => Error::new(ErrorKind::PermissionDenied, message),
            _ => Error::invalid(message),
        }
    })
}

fn check_count(statements: usize) -> Result<()> {
    if statements > MAX_STATEMENTS {
        return Err(Error::invalid(format!(
            "{statements} statements are too many for one request: send at most {MAX_STATEMENTS}"
        )));
    }
    Ok(())
}

fn leaves(statements: &[Statement]) -> Vec<Hash> {
    statements.iter().map(Statement::stream_leaf_hash).collect()
}
