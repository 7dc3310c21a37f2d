//! Goal: a gateway believes no answer that is not proven, and forgets nothing for one.
//! Method: the real log behind a server that changes one thing in its answers. Each lie must stop the gateway with the error
//! that names it, and every statement must still be in the spool; an honest log then gets them.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use vouchlog_api::{
    AckLevel, Append, Appended, Appender, HouseAppend, HouseAppended, LogReader, Lookup, LookupKey, Opened,
    Result, StreamInfo, Watch,
};
use vouchlog_client::{Gateway, GatewayError, Misbehaviour};
use vouchlog_merkle::{CompactRange, Hash, LeafIndex, TileId, TreeHead, TreeSize};
use vouchlog_note::{Checkpoint, SignedCheckpoint};
use vouchlog_sequencer::Engine;
use vouchlog_storage::MemoryStore;
use vouchlog_stream::{LoggedAt, SequenceNumber, StreamId};

use crate::world::{World, in_time, key, log_key, origin, serve, statements, stopped};

/// What the log says that is not so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lie {
    None,
    /// The statements are elsewhere than they are.
    Index,
    /// They were logged at another time.
    Time,
    /// The receipt is for later statements.
    Sequence,
    /// There is no receipt.
    NoReceipt,
    /// The checkpoint is signed by another key.
    Key,
    /// The checkpoint is signed by the log, over another tree of the same size.
    Fork,
    /// The published checkpoint, signed by the log, does not extend the tree.
    History,
    /// Another stream was opened.
    Stream,
    /// The stream has fewer statements than were acknowledged.
    Fewer,
    /// It has more than its gateway signed.
    More,
}

#[derive(Clone)]
struct Liar {
    log: Engine<Arc<MemoryStore>>,
    lie: Arc<Mutex<Lie>>,
    /// What its callers waited for, in requests with statements.
    waited: Arc<Mutex<Vec<AckLevel>>>,
}

impl Liar {
    fn new(world: &World) -> Self {
        let (lie, waited) = (Arc::new(Mutex::new(Lie::None)), Arc::default());
        Self { log: world.log.clone(), lie, waited }
    }

    fn lies(&self, lie: Lie) -> bool {
        *self.lie.lock().unwrap() == lie
    }
}

/// A checkpoint the log would sign if it had another tree.
fn forged(size: u64) -> String {
    let mut tree = CompactRange::new();
    for n in 0..size {
        tree.append(Hash::from_bytes([u8::try_from(n % 251).unwrap(); 32]));
    }
    let head = TreeHead { size: TreeSize::new(size), root: tree.root().unwrap() };
    SignedCheckpoint::sign(&Checkpoint::new(origin(), head), &log_key()).unwrap().note().to_owned()
}

fn head_of(note: &str) -> TreeHead {
    SignedCheckpoint::open(note.as_bytes(), &origin(), log_key().verifying_key()).unwrap().head()
}

impl Appender for Liar {
    async fn open_stream(&self, note: String) -> Result<Opened> {
        let mut opened = self.log.open_stream(note).await?;
        if self.lies(Lie::Stream) {
            opened.stream = StreamId::new(1).unwrap();
        }
        Ok(opened)
    }

    async fn append(&self, request: Append) -> Result<Appended> {
        if !request.statements.is_empty() {
            self.waited.lock().unwrap().push(request.wait_for);
        }
        // The log behind has no witnesses to wait for.
        let request = Append { wait_for: AckLevel::Sequenced, ..request };
        let mut answer = self.log.append(request).await?;
        let Some(receipt) = &mut answer.receipt else { return Ok(answer) };
        let lie = *self.lie.lock().unwrap();
        match lie {
            Lie::Index => receipt.first = LeafIndex::new(receipt.first.get() - 1),
            Lie::Time => receipt.logged_at = LoggedAt::from_millis(receipt.logged_at.millis() + 1).unwrap(),
            Lie::Sequence => receipt.sequence = SequenceNumber::new(receipt.sequence.get() + 1).unwrap(),
            Lie::Key => {
                let checkpoint = Checkpoint::new(origin(), head_of(&receipt.checkpoint));
                let stranger = key(crate::world::ORIGIN, 99);
                receipt.checkpoint =
                    SignedCheckpoint::sign(&checkpoint, &stranger).unwrap().note().to_owned();
            }
            Lie::Fork => receipt.checkpoint = forged(head_of(&receipt.checkpoint).size.get()),
            Lie::NoReceipt => answer.receipt = None,
            _ => {}
        }
        Ok(answer)
    }

    async fn append_house(&self, request: HouseAppend) -> Result<HouseAppended> {
        self.log.append_house(request).await
    }

    async fn enrol(&self, note: String) -> Result<LeafIndex> {
        self.log.enrol(note).await
    }

    async fn revoke(&self, note: String) -> Result<LeafIndex> {
        self.log.revoke(note).await
    }

    async fn set_quota(&self, note: String) -> Result<LeafIndex> {
        self.log.set_quota(note).await
    }

    async fn retire(&self, note: String) -> Result<LeafIndex> {
        self.log.retire(note).await
    }

    async fn change_key(&self, note: String) -> Result<LeafIndex> {
        self.log.change_key(note).await
    }

    async fn stream(&self, stream: StreamId) -> Result<StreamInfo> {
        let mut info = self.log.stream(stream).await?;
        if self.lies(Lie::Fewer) {
            info.size -= 1;
        }
        if self.lies(Lie::More) {
            info.size += 1;
        }
        Ok(info)
    }
}

impl LogReader for Liar {
    async fn checkpoint(&self) -> Result<String> {
        let note = self.log.checkpoint().await?;
        // Told once: the server would not hand out a proof that contradicts the checkpoint it sees itself.
        if self.lies(Lie::History) {
            *self.lie.lock().unwrap() = Lie::None;
            return Ok(forged(head_of(&note).size.get()));
        }
        Ok(note)
    }

    async fn checkpoint_after(&self, size: TreeSize) -> Result<String> {
        self.log.checkpoint_after(size).await
    }

    async fn tile(&self, tile: TileId, width: u16) -> Result<Bytes> {
        self.log.tile(tile, width).await
    }

    async fn entry_bundle(&self, bundle: u64, width: u16) -> Result<Bytes> {
        self.log.entry_bundle(bundle, width).await
    }
}

impl Watch for Liar {
    async fn checkpoint_other_than(&self, seen: String) -> Result<String> {
        self.log.checkpoint_other_than(seen).await
    }

    async fn sequenced_checkpoint(&self) -> Result<String> {
        self.log.sequenced_checkpoint().await
    }
}

impl Lookup for Liar {
    async fn find(&self, key: LookupKey) -> Result<LeafIndex> {
        self.log.find(key).await
    }
}

/// A gateway with four acknowledged statements sends three more to a log that has begun to lie.
async fn check(lie: Lie, expected: impl Fn(&GatewayError) -> bool) {
    println!("{lie:?}");
    let (world, dir) = (World::start().await, tempfile::tempdir().unwrap());
    let liar = Liar::new(&world);
    let (address, _stop) = serve(liar.clone()).await;
    world.proxy.lead_to(Some(address));
    // A stream is opened by the lie that is about opening, and before all others.
    let mut done = 0;
    if lie != Lie::Stream {
        let gateway = world.gateway(dir.path()).await;
        in_time(gateway.submit(statements(0..4)).await.unwrap()).await.unwrap();
        gateway.stop().await;
        done = 4;
        // The tree grows, so that there is another checkpoint to tell of.
        world.enrol(key("another.example", 55).verifying_key()).await;
    }
    *liar.lie.lock().unwrap() = lie;
    let gateway = world.gateway(dir.path()).await;
    let ticket = gateway.submit(statements(done..done + 3)).await;
    let error = stopped(&gateway).await;
    assert!(expected(&error), "{lie:?}: {error:?}");
    let spooled = if let Ok(ticket) = ticket {
        assert_eq!(in_time(ticket).await.unwrap_err(), error);
        3
    } else {
        gateway.waiting()
    };
    assert_eq!(gateway.waiting(), spooled, "{lie:?}: nothing may be forgotten");
    gateway.stop().await;

    *liar.lie.lock().unwrap() = Lie::None;
    let gateway = world.gateway(dir.path()).await;
    in_time(gateway.flush()).await.unwrap();
    world.check_exactly(&statements(0..done + spooled)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_lie_is_believed() {
    use GatewayError::{Misbehaviour as Caught, Receipt, Unverified};
    let receipt = |error: &GatewayError| matches!(error, Receipt { .. });
    let unverified = |error: &GatewayError| matches!(error, Unverified(_));
    check(Lie::Index, receipt).await;
    check(Lie::Time, receipt).await;
    check(Lie::Key, receipt).await;
    check(Lie::Fork, receipt).await;
    check(Lie::Sequence, unverified).await;
    check(Lie::NoReceipt, unverified).await;
    check(Lie::Stream, unverified).await;
    check(Lie::More, unverified).await;
    let caught =
        |what| move |error: &GatewayError| matches!(error, Caught(evidence) if evidence.what == what);
    check(Lie::Fewer, caught(Misbehaviour::Lost)).await;
    check(Lie::History, caught(Misbehaviour::Inconsistent)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_waits_for_what_its_options_say() {
    for wait_for in [AckLevel::Sequenced, AckLevel::Witnessed] {
        let (world, dir) = (World::start().await, tempfile::tempdir().unwrap());
        let log = Liar::new(&world);
        let (address, _stop) = serve(log.clone()).await;
        world.proxy.lead_to(Some(address));
        let mut config = world.config(dir.path());
        config.options.wait_for = wait_for;
        let gateway = Gateway::open(config).await.unwrap();
        in_time(gateway.submit(statements(0..12)).await.unwrap()).await.unwrap();
        in_time(gateway.close()).await.unwrap();
        let waited = log.waited.lock().unwrap();
        assert!(waited.len() >= 3 && waited.iter().all(|level| *level == wait_for), "{waited:?}");
    }
}
