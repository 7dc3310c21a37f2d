//! Goal: a gateway goes on with a log that was rebuilt from its entries and lacks the head of the gateway's stream. It never signs
//! two histories, loses no statement, and sends none twice.
//! Method: the log's entries, without its states, become another store.

use std::path::{Path, PathBuf};

use vouchlog_api::{Appender, proof};
use vouchlog_client::GatewayError;
use vouchlog_merkle::LeafIndex;
use vouchlog_note::SignedCheckpoint;
use vouchlog_sequencer::rebuild::Rebuilder;
use vouchlog_storage::MemoryStore;
use vouchlog_stream::{Entry, StreamStatus};

use crate::gateway::{copy_dir, openings, with_an_old_copy};
use crate::world::{World, in_time, log_key, origin, statements, stopped};

/// What `vouchlog recover` builds from served tiles: every entry, and of the states what follows from them.
async fn rebuilt(world: &World) -> MemoryStore {
    let published = world.log.sequenced();
    let (store, origin, keys) = (MemoryStore::new(), origin(), log_key());
    let key = keys.verifying_key();
    let head = SignedCheckpoint::open(published.checkpoint().as_bytes(), &origin, key).unwrap().head();
    let mut rebuilder = Rebuilder::new(&store, &origin, key);
    for index in 0..head.size.get() {
        let entry = proof::entry(&world.log, LeafIndex::new(index), head.size).await.unwrap();
        rebuilder.push(&u16::try_from(entry.len()).unwrap().to_be_bytes()).unwrap();
        rebuilder.push(&entry).unwrap();
    }
    assert_eq!(rebuilder.finish(head, &[]).unwrap().without_head.len(), 1, "the head is in no entry");
    store
}

/// A gateway with 4 receipts and 56 statements that wait; they are in the log by way of another copy of its state.
async fn with_a_copy(world: &mut World, dir: &Path) -> (PathBuf, PathBuf) {
    let (live, copy) = (dir.join("live"), dir.join("copy"));
    let gateway = world.gateway(&live).await;
    in_time(gateway.submit(statements(0..4)).await.unwrap()).await.unwrap();
    world.proxy.lead_to(None);
    drop(gateway.submit(statements(4..60)).await.unwrap());
    gateway.stop().await;
    copy_dir(&live, &copy);
    world.kill_and_restart().await;
    let gateway = world.gateway(&live).await;
    in_time(gateway.flush()).await.unwrap();
    gateway.stop().await;
    (live, copy)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_without_its_head_is_closed_at_its_size_and_continued() {
    let (mut world, dir) = (World::start().await, tempfile::tempdir().unwrap());
    let (live, copy) = with_a_copy(&mut world, dir.path()).await;
    let store = rebuilt(&world).await;
    world.replace_store(store).await;

    let gateway = world.gateway(&copy).await;
    in_time(gateway.submit(statements(60..62)).await.unwrap()).await.unwrap();
    gateway.stop().await;
    world.check_exactly(&statements(0..62)).await;
    let entries = world.entries().await;
    let opened = openings(&entries);
    assert_eq!(opened.iter().map(|one| one.previous.map(|of| of.size)).collect::<Vec<_>>(), [None, Some(60)]);
    // The gateway's signature covers all statements of the old stream again.
    let first = opened[1].previous.unwrap().stream;
    assert!(
        entries.iter().any(|entry| matches!(entry, Entry::StreamClosed { stream, .. } if *stream == first))
    );
    let old = world.log.stream(first).await.unwrap();
    assert!(old.head.is_some() && old.fork.is_none());
    assert!(matches!(old.status, StreamStatus::Superseded(_)));

    // The state that had all receipts finds its stream continued.
    let gateway = world.gateway(&live).await;
    in_time(gateway.submit(statements(62..63)).await.unwrap()).await.unwrap();
    world.check_exactly(&statements(0..63)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_without_its_head_that_has_other_statements_is_not_signed() {
    let (mut world, dir) = (World::start().await, tempfile::tempdir().unwrap());
    let (_, copy) = with_an_old_copy(&world, dir.path()).await;
    // The copy has other statements at the same places, in its spool before it meets the log.
    world.proxy.lead_to(None);
    let gateway = world.gateway(&copy).await;
    drop(gateway.submit(statements(9..20)).await.unwrap());
    gateway.stop().await;
    let store = rebuilt(&world).await;
    world.replace_store(store).await;

    let gateway = world.gateway(&copy).await;
    in_time(gateway.flush()).await.unwrap();
    world.check_exactly(&statements(0..20)).await;
    let entries = world.entries().await;
    let previous = openings(&entries)[1].previous.unwrap();
    assert_eq!(previous.size, 9);
    let is_signed = |entry: &Entry| matches!(entry, Entry::StreamClosed { stream, .. } | Entry::StreamHead { stream, .. } if *stream == previous.stream);
    assert!(!entries.iter().any(is_signed), "the copy signed a stream that it does not know");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_lookup_index_nothing_is_sent_a_second_time() {
    let (mut world, dir) = (World::start().await, tempfile::tempdir().unwrap());
    let (_, copy) = with_a_copy(&mut world, dir.path()).await;
    let store = rebuilt(&world).await;
    world.has_index = false;
    world.replace_store(store).await;

    let gateway = world.gateway(&copy).await;
    let error = stopped(&gateway).await;
    assert!(matches!(error, GatewayError::ReceiptsLost { from: 4, to: 60, .. }), "{error}");
    gateway.stop().await;
    world.check_exactly(&statements(0..60)).await;

    // With the index, it goes on.
    world.has_index = true;
    world.kill_and_restart().await;
    let gateway = world.gateway(&copy).await;
    in_time(gateway.submit(statements(60..61)).await.unwrap()).await.unwrap();
    world.check_exactly(&statements(0..61)).await;
}
