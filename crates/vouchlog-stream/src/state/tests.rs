//! The rules of a stream, one by one and against a model that keeps everything.

use proptest::prelude::*;
use vouchlog_merkle::{CompactRange, TreeSize, leaf_hash};
use vouchlog_note::{
    Checkpoint, CosignedCheckpoint, KeyName, Origin, SignatureType, SigningKey, UnverifiedNote,
};

use super::*;
use crate::stream_origin;

const OPENED: u64 = 1_767_225_600_000;
const LOG: &str = "log.example.com/ai-digests";

fn key(name: &str, signature_type: SignatureType) -> SigningKey {
    SigningKey::generate(KeyName::new(name).unwrap(), signature_type, [7; 32]).unwrap()
}

fn stream_key() -> SigningKey {
    key("gateway.example.com/eu-1/stream", SignatureType::CosignatureEd25519)
}

fn at(millis: u64) -> LoggedAt {
    LoggedAt::from_millis(millis).unwrap()
}

fn stream() -> StreamState {
    let gateway = key("gateway.example.com/eu-1", SignatureType::Ed25519).verifying_key().clone();
    StreamState::new(id(2), gateway, stream_key().verifying_key().clone(), None)
}

fn id(index: u64) -> StreamId {
    StreamId::new(index).unwrap()
}

fn origin() -> Origin {
    Origin::new(&stream_origin(LOG, id(2))).unwrap()
}

fn sign(size: u64, root: Hash, time: u64) -> CosignedCheckpoint {
    let head = TreeHead { size: TreeSize::new(size), root };
    CosignedCheckpoint::sign(&Checkpoint::new(origin(), head), &stream_key(), time).unwrap()
}

/// Leaf `place` of history `history`.
fn leaf(history: u8, place: u64) -> Hash {
    leaf_hash(&[&[history][..], &place.to_be_bytes()].concat())
}

fn root_of(leaves: &[Hash]) -> Hash {
    let mut range = CompactRange::new();
    leaves.iter().for_each(|leaf| range.append(*leaf));
    range.root().unwrap()
}

/// Everything a gateway ever stated and the log ever took, with no thought for room.
#[derive(Clone, Debug, Default)]
struct Model {
    leaves: Vec<Hash>,
    runs: Vec<Run>,
    head: Option<(u64, String)>,
    status: Option<StreamStatus>,
    fork: Option<Fork>,
}

/// A request as a gateway would sign it, rightly or not.
#[derive(Clone, Debug)]
struct Request {
    old_size: u64,
    leaves: Vec<Hash>,
    head: CosignedCheckpoint,
    first: LeafIndex,
    logged_at: LoggedAt,
}

impl Request {
    fn send(&self, stream: &mut StreamState) -> Result<Admitted, StreamError> {
        stream.admit(self.old_size, &self.leaves, &self.head, self.first, self.logged_at)
    }
}

impl Model {
    fn size(&self) -> u64 {
        self.leaves.len() as u64
    }

    fn recent(&self) -> &[Run] {
        &self.runs[self.runs.len().saturating_sub(RECENT_RUNS)..]
    }

    /// `count` statements after `old_size`, taken from `history`: the one the log has is number 0.
    fn request(&self, old_size: u64, count: u64, history: u8, time: u64) -> Request {
        let leaves: Vec<_> = (old_size..old_size + count).map(|place| leaf(history, place)).collect();
        let before = self.leaves.iter().take(usize::try_from(old_size).unwrap());
        let root = root_of(&before.chain(&leaves).copied().collect::<Vec<_>>());
        let head = sign(old_size + count, root, time);
        Request {
            old_size,
            leaves,
            head,
            first: LeafIndex::new(1000 + old_size),
            logged_at: at(OPENED + time),
        }
    }

    /// The honest next run.
    fn next(&self, count: u64) -> Request {
        self.request(self.size(), count, 0, self.time() + 1)
    }

    fn time(&self) -> u64 {
        self.head.as_ref().map_or(0, |(time, _)| *time)
    }

    /// The root and note of a size that the log still remembers.
    fn known(&self, size: u64) -> Option<(Hash, String)> {
        if size == self.size() {
            return self.head.clone().map(|(_, note)| (root_of(&self.leaves), note));
        }
        self.recent().iter().find(|run| run.end() == size).map(|run| (run.root, run.note.clone()))
    }

    /// What must come of a request, by the rules as they are written.
    fn admit(&mut self, request: &Request) -> Result<Admitted, StreamError> {
        let (stream, size, count) = (id(2), self.size(), request.leaves.len() as u64);
        let signed = request.head.head();
        let (claimed, time, note) =
            (request.old_size, request.head.timestamp(), request.head.note().to_owned());
        if signed.size.get() != claimed + count {
            return Err(StreamError::HeadSize { signed: signed.size.get(), claimed, statements: count });
        }
        if let Some((root, accepted)) = self.known(claimed + count)
            && root != signed.root
        {
            let size = claimed + count;
            self.fork.get_or_insert(Fork { size, accepted, refused: note });
            return Err(StreamError::Fork { stream, size });
        }
        let known = self.recent().iter().find(|run| run.start == claimed && u64::from(run.count) == count);
        if let Some(run) = known {
            return Ok(Admitted::Repeated(run.clone()));
        }
        if claimed != size {
            return Err(StreamError::Conflict { stream, claimed, size });
        }
        match self.status {
            Some(StreamStatus::Closed) => return Err(StreamError::Closed(stream)),
            Some(StreamStatus::Superseded(by)) => return Err(StreamError::Superseded { stream, by }),
            _ => {}
        }
        let leaves = [self.leaves.clone(), request.leaves.clone()].concat();
        if root_of(&leaves) != signed.root {
            return Err(StreamError::Root { signed: signed.root, computed: root_of(&leaves) });
        }
        let last = self.time();
        if time < last || (count == 0 && self.head.is_some() && time == last) {
            return Err(StreamError::Replayed { stream, signed: time, last });
        }
        self.leaves = leaves;
        self.head = Some((time, note.clone()));
        if count == 0 {
            return Ok(Admitted::HeadOnly);
        }
        let (first, logged_at, root) = (request.first, request.logged_at, signed.root);
        let count = u32::try_from(count).unwrap();
        self.runs.push(Run { start: claimed, count, first, logged_at, root, note });
        Ok(Admitted::Appended(self.runs.last().unwrap().clone()))
    }

    /// Whether the stream is what the model is, and survives being stored.
    fn check(&self, stream: &StreamState) {
        assert_eq!(
            stream.tree_head(),
            TreeHead { size: TreeSize::new(self.size()), root: root_of(&self.leaves) }
        );
        assert!(stream.runs().eq(self.recent()), "the latest runs are kept, oldest first");
        assert_eq!(stream.head_note(), self.head.as_ref().map(|(_, note)| note.as_str()));
        assert_eq!(stream.head_timestamp(), self.time());
        assert_eq!(stream.status(), self.status.unwrap_or(StreamStatus::Open));
        assert_eq!(stream.fork(), self.fork.as_ref());
        let bytes = stream.to_bytes();
        assert_eq!(StreamState::from_bytes(&bytes).as_ref(), Some(stream));
        assert_eq!(StreamState::from_bytes(&[&bytes[..], b"\0"].concat()), None);
    }
}

/// A stream with runs of 1, 2, 3, ... statements.
fn grown(runs: u64) -> (StreamState, Model) {
    let (mut stream, mut model) = (stream(), Model::default());
    for count in 1..=runs {
        let request = model.next(count);
        request.send(&mut stream).unwrap();
        model.admit(&request).unwrap();
    }
    model.check(&stream);
    (stream, model)
}

/// Sends a request to a stream of three runs (sizes 1, 3, 6, heads signed at 1, 2, 3), and checks the answer and that
/// nothing but what the model says has changed.
fn check(rule: &str, request: impl Fn(&Model) -> Request, expected: impl Fn(&StreamError) -> bool) {
    let (mut stream, mut model) = grown(3);
    let request = request(&model);
    let outcome = request.send(&mut stream);
    assert_eq!(outcome, model.admit(&request), "{rule}");
    let error = outcome.expect_err(rule);
    assert!(expected(&error), "{rule}: {error}");
    model.check(&stream);
}

#[test]
fn each_rule_refuses_what_breaks_it() {
    use StreamError as E;
    check(
        "a size too small",
        |m| Request { old_size: 5, ..m.next(2) },
        |e| matches!(e, E::HeadSize { signed: 8, claimed: 5, statements: 2 }),
    );
    check(
        "a statement too many",
        |m| with_another_leaf(m.next(2)),
        |e| matches!(e, E::HeadSize { statements: 3, .. }),
    );
    check("a fork of the newest size", |m| m.request(3, 3, 1, 9), |e| matches!(e, E::Fork { size: 6, .. }));
    check("a fork of an older size", |m| m.request(1, 2, 1, 9), |e| matches!(e, E::Fork { size: 3, .. }));
    check("a fork by heartbeat", fork_by_heartbeat, |e| matches!(e, E::Fork { size: 6, .. }));
    check(
        "a fork that is cut otherwise",
        |m| m.request(2, 1, 1, 9),
        |e| matches!(e, E::Fork { size: 3, .. }),
    );
    check(
        "too old a size",
        |m| m.request(5, 3, 0, 9),
        |e| matches!(e, E::Conflict { claimed: 5, size: 6, .. }),
    );
    check(
        "too new a size",
        |m| m.request(7, 1, 0, 9),
        |e| matches!(e, E::Conflict { claimed: 7, size: 6, .. }),
    );
    check(
        "a run cut otherwise",
        |m| m.request(3, 2, 0, 9),
        |e| matches!(e, E::Conflict { claimed: 3, size: 6, .. }),
    );
    check(
        "an old heartbeat",
        |m| m.request(3, 0, 0, 9),
        |e| matches!(e, E::Conflict { claimed: 3, size: 6, .. }),
    );
    check(
        "another statement",
        |m| Request { leaves: vec![leaf(5, 6)], ..m.next(1) },
        |e| matches!(e, E::Root { .. }),
    );
    check("another order", swapped, |e| matches!(e, E::Root { .. }));
    check("an old clock", |m| m.request(6, 1, 0, 2), |e| matches!(e, E::Replayed { signed: 2, last: 3, .. }));
    check(
        "a replayed heartbeat",
        |m| m.request(6, 0, 0, 3),
        |e| matches!(e, E::Replayed { signed: 3, last: 3, .. }),
    );
}

fn with_another_leaf(mut request: Request) -> Request {
    request.leaves.push(leaf(0, 99));
    request
}

fn swapped(model: &Model) -> Request {
    let mut request = model.next(2);
    request.leaves.reverse();
    request
}

fn fork_by_heartbeat(model: &Model) -> Request {
    Request { leaves: Vec::new(), old_size: 6, ..model.request(3, 3, 1, 9) }
}

#[test]
fn statements_may_have_the_time_of_the_head_before() {
    let (mut stream, model) = grown(3);
    let request = model.request(6, 1, 0, 3);
    assert!(matches!(request.send(&mut stream), Ok(Admitted::Appended(_))));
}

#[test]
fn an_empty_stream_takes_a_heartbeat_and_then_only_newer_ones() {
    let (mut stream, mut model) = grown(0);
    for (time, accepted) in [(0, true), (0, false), (5, true), (4, false), (6, true)] {
        let request = model.request(0, 0, 0, time);
        let outcome = request.send(&mut stream);
        assert_eq!(outcome, model.admit(&request));
        assert_eq!(outcome.is_ok(), accepted, "a heartbeat of an empty stream at {time}");
        model.check(&stream);
    }
}

#[test]
fn a_retry_of_a_recent_run_is_answered_with_that_run() {
    let (mut stream, mut model) = grown(RECENT_RUNS as u64 + 3);
    let before = stream.clone();
    for (age, run) in model.runs.clone().iter().rev().enumerate() {
        // A retry may be signed again, later or earlier.
        for time in [0, 2, 1_000] {
            let retry = model.request(run.start, u64::from(run.count), 0, time);
            let outcome = retry.send(&mut stream);
            assert_eq!(outcome, model.admit(&retry));
            match outcome {
                Ok(Admitted::Repeated(repeated)) => {
                    assert!(age < RECENT_RUNS && repeated == *run, "run {age} back");
                }
                Err(StreamError::Conflict { .. }) => assert!(age >= RECENT_RUNS, "run {age} back"),
                other => panic!("run {age} back: {other:?}"),
            }
        }
    }
    assert_eq!(stream, before, "a retry changes nothing");
}

#[test]
fn a_closed_stream_answers_retries_and_takes_nothing_new() {
    let successor = id(40);
    let close: fn(&mut StreamState) = StreamState::close;
    let supersede: fn(&mut StreamState) = |stream| stream.supersede(id(40), 6).unwrap();
    for (end, status) in [(close, StreamStatus::Closed), (supersede, StreamStatus::Superseded(successor))] {
        let (mut stream, mut model) = grown(3);
        end(&mut stream);
        model.status = Some(status);
        for (request, refused) in
            [(model.next(1), true), (model.request(6, 0, 0, 9), true), (model.request(3, 3, 0, 9), false)]
        {
            let outcome = request.send(&mut stream);
            assert_eq!(outcome, model.admit(&request));
            assert_eq!(outcome.is_err(), refused);
        }
        model.check(&stream);
    }
}

#[test]
fn a_stream_is_succeeded_once_and_at_its_size() {
    let (mut stream, _) = grown(3);
    assert!(matches!(stream.supersede(id(40), 5), Err(StreamError::Conflict { claimed: 5, size: 6, .. })));
    assert_eq!(stream.status(), StreamStatus::Open);
    stream.close();
    assert_eq!(stream.supersede(id(40), 6), Ok(()));
    assert_eq!(stream.supersede(id(41), 6), Err(StreamError::Superseded { stream: id(2), by: id(40) }));
    assert_eq!(stream.status(), StreamStatus::Superseded(id(40)));
}

#[test]
fn the_first_fork_is_kept_and_verifies() {
    let (mut stream, mut model) = grown(3);
    for history in 1..4 {
        let fork = model.request(3, 3, history, 9);
        assert!(matches!(fork.send(&mut stream), Err(StreamError::Fork { size: 6, .. })));
        let _ = model.admit(&fork);
    }
    model.check(&stream);
    let restored = StreamState::from_bytes(&stream.to_bytes()).unwrap();
    let fork = restored.fork().unwrap();
    let head = |note: &str| {
        CosignedCheckpoint::open(note.as_bytes(), &origin(), stream_key().verifying_key()).unwrap().head()
    };
    assert_eq!(head(&fork.accepted).size, head(&fork.refused).size);
    assert_eq!(head(&fork.accepted).root, root_of(&model.leaves));
    assert_eq!(head(&fork.refused), model.request(3, 3, 1, 9).head.head());
    // A stream that forked goes on with the history the log has.
    assert!(matches!(model.next(1).send(&mut stream), Ok(Admitted::Appended(_))));
}

#[test]
fn a_head_with_more_than_its_checkpoint_and_signature_is_refused() {
    let (mut stream, model) = grown(3);
    let request = model.next(1);
    let verified = |note: &str| {
        CosignedCheckpoint::open(note.as_bytes(), &origin(), stream_key().verifying_key()).unwrap()
    };
    let plain = request.head.note().to_owned();
    let stranger = key("stranger.example.com", SignatureType::CosignatureEd25519);
    let strange_line = stranger.cosign(request.head.checkpoint(), 1).unwrap();
    let with_line = format!("{plain}{strange_line}\n");
    let line_first = plain.replacen("\n\n", &format!("\n\n{strange_line}\n"), 1);
    let extended = format!("{}extension\n", request.head.text());
    let line = stream_key().cosign(&Checkpoint::parse(&extended).unwrap(), 9).unwrap();
    let extended = UnverifiedNote::from_parts(&extended, vec![line]).unwrap().as_str().to_owned();
    let before = stream.clone();
    for note in [with_line, line_first, extended] {
        let request = Request { head: verified(&note), ..request.clone() };
        assert_eq!(request.send(&mut stream), Err(StreamError::NotPlain(id(2))), "{note}");
        assert_eq!(stream, before);
    }
    let other = Checkpoint::new(Origin::new("another.example.com/stream/2").unwrap(), request.head.head());
    let other = CosignedCheckpoint::sign(&other, &stream_key(), 9).unwrap();
    let request_of_other = Request { head: other, ..request.clone() };
    assert_eq!(request_of_other.send(&mut stream), Err(StreamError::NotPlain(id(2))));
    assert!(matches!(request.send(&mut stream), Ok(Admitted::Appended(_))));
}

#[test]
fn a_head_is_owed_to_the_log_until_it_is_written() {
    let (mut stream, model) = grown(0);
    assert!(!stream.has_unlogged_head(), "nothing was sent");
    model.next(3).send(&mut stream).unwrap();
    assert!(stream.has_unlogged_head());
    stream.head_logged();
    assert!(!stream.has_unlogged_head());
    let restored = StreamState::from_bytes(&stream.to_bytes()).unwrap();
    assert_eq!(restored, stream);
}

/// So much is written for a stream with every commit that touches it.
#[test]
fn what_is_stored_of_a_stream_is_small() {
    let (mut stream, mut model) = grown(0);
    for _ in 0..RECENT_RUNS {
        let request = model.next(127);
        request.send(&mut stream).unwrap();
        model.admit(&request).unwrap();
    }
    let without_hashes = stream.to_bytes().len() - 32 * stream.range().unwrap().hashes().len();
    assert!(without_hashes <= 1_600, "{without_hashes} bytes for {RECENT_RUNS} runs");
}

#[derive(Clone, Copy, Debug)]
enum Old {
    /// The size the log has, plus this.
    Ahead(u64),
    /// The size before one of the latest runs.
    Run(usize),
    /// The size the log has, less this.
    Back(u64),
}

#[derive(Clone, Debug)]
enum Step {
    Send { old: Old, count: Option<u64>, history: u8, later: i64, wrong_size: bool },
    Close,
    Supersede { wrong_size: bool },
    HeadLogged,
    Reload,
}

fn steps() -> impl Strategy<Value = Step> {
    let old = prop_oneof![
        6 => Just(Old::Ahead(0)),
        3 => (0..RECENT_RUNS + 4).prop_map(Old::Run),
        1 => (1..3u64).prop_map(Old::Ahead),
        1 => (1..9u64).prop_map(Old::Back),
    ];
    let count = proptest::option::weighted(0.7, 0..6u64);
    let history = prop_oneof![8 => Just(0u8), 1 => 1..3u8];
    let later = prop_oneof![8 => 1..4i64, 2 => Just(0i64), 1 => -3..0i64];
    let send = (old, count, history, later, proptest::bool::weighted(0.03));
    prop_oneof![
        30 => send.prop_map(|(old, count, history, later, wrong_size)| {
            Step::Send { old, count, history, later, wrong_size }
        }),
        1 => Just(Step::Close),
        1 => any::<bool>().prop_map(|wrong_size| Step::Supersede { wrong_size }),
        2 => Just(Step::HeadLogged),
        2 => Just(Step::Reload),
    ]
}

/// The request of a step: without a count it repeats the run it names.
fn request(model: &Model, old: Old, count: Option<u64>, history: u8, later: i64) -> Request {
    let run = |back: usize| model.runs.iter().rev().nth(back);
    let old_size = match old {
        Old::Ahead(by) => model.size() + by,
        Old::Back(by) => model.size().saturating_sub(by),
        Old::Run(back) => run(back).map_or(model.size(), |run| run.start),
    };
    let same = match old {
        Old::Run(back) => run(back).map_or(1, |run| u64::from(run.count)),
        _ => 1,
    };
    model.request(old_size, count.unwrap_or(same), history, model.time().saturating_add_signed(later))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn the_stream_is_what_the_model_is(steps in proptest::collection::vec(steps(), 1..60)) {
        let (mut stream, mut model) = (stream(), Model::default());
        for step in steps {
            match step {
                Step::Send { old, count, history, later, wrong_size } => {
                    let mut request = request(&model, old, count, history, later);
                    // A history that begins to differ where the log has nothing yet is the log's from there on.
                    if wrong_size {
                        request.leaves.push(leaf(0, 0));
                    }
                    prop_assert_eq!(request.send(&mut stream), model.admit(&request));
                }
                Step::Close => {
                    stream.close();
                    model.status = Some(StreamStatus::Closed);
                }
                Step::Supersede { wrong_size } => {
                    let superseded = matches!(model.status, Some(StreamStatus::Superseded(_)));
                    let outcome = stream.supersede(id(77), model.size() + u64::from(wrong_size));
                    prop_assert_eq!(outcome.is_ok(), !wrong_size && !superseded);
                    if outcome.is_ok() {
                        model.status = Some(StreamStatus::Superseded(id(77)));
                    }
                }
                Step::HeadLogged => stream.head_logged(),
                Step::Reload => stream = StreamState::from_bytes(&stream.to_bytes()).unwrap(),
            }
            model.check(&stream);
        }
    }

    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = StreamState::from_bytes(&bytes);
    }

    #[test]
    fn damaged_bytes_never_panic(
        runs in 0..12u64,
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        length in any::<prop::sample::Index>(),
    ) {
        let mut bytes = grown(runs).0.to_bytes();
        for (place, byte) in changes {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        if let Some(mut stream) = StreamState::from_bytes(&bytes) {
            let _ = Model::default().request(0, 1, 0, 1).send(&mut stream);
            let _ = Model::default().request(1, 0, 0, u64::from(u32::MAX)).send(&mut stream);
            prop_assert_eq!(StreamState::from_bytes(&stream.to_bytes()), Some(stream));
        }
        bytes.truncate(length.index(bytes.len()));
        prop_assert_eq!(StreamState::from_bytes(&bytes), None);
    }
}
