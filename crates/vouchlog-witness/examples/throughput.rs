//! How many checkpoints a witness cosigns in a second, durably: `cargo run --release -p vouchlog-witness --example throughput`.
//!
//! Every log grows by one entry a request, as fast as it is answered. All requests are made beforehand, so that what is
//! measured is checking, cosigning and fsync, and not the logs.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Instant;

use prometheus_client::registry::Registry;
use vouchlog_api::Witness as _;
use vouchlog_merkle::{ConsistencyProof, Hash, NodeId, TreeHead, TreeSize, leaf_hash, node_hash};
use vouchlog_note::{
    AddCheckpoint, Checkpoint, KeyName, Origin, SignatureType, SignedCheckpoint, SigningKey, UnverifiedNote,
};
use vouchlog_runtime::{Clock, UnixSeconds};
use vouchlog_storage::{StoreIdentity, WitnessStore};
use vouchlog_storage_sled::{Options as StoreOptions, SledWitnessStore};
use vouchlog_witness::{Config, KnownLog, Logs, Options, Rate, Refusal, Witness};

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// How far each log grows; every tree is small, so that making the requests takes no time.
const SIZES: u64 = 100;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let threads = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    println!("{threads} threads; {SIZES} checkpoints of each log, one after the other");
    for types in [
        &[SignatureType::CosignatureEd25519][..],
        &[SignatureType::CosignatureEd25519, SignatureType::MlDsa44],
    ] {
        for logs in [1, 16, 64, 256] {
            let dir = tempfile::tempdir()?;
            let identity = StoreIdentity::from_bytes([1; 16]);
            let store = SledWitnessStore::open(dir.path(), identity, StoreOptions::default())?;
            let rate = measure(store, types, logs).await?;
            let names: Vec<_> = types.iter().map(ToString::to_string).collect();
            println!("{logs:>4} logs at a time, {}: {rate:>7.0}/s", names.join(" + "));
        }
    }
    Ok(())
}

async fn measure(store: impl WitnessStore, types: &[SignatureType], logs: u32) -> Result<f64, Failure> {
    let name = KeyName::new("witness.example.com/w")?;
    let keys = types.iter().map(|kind| SigningKey::generate(name.clone(), *kind, [9; 32]));
    let keys = keys.collect::<Result<_, _>>()?;
    let mut known = Logs::new();
    let mut lives = Vec::new();
    for log in 0..logs {
        let (log, requests) = life(log)?;
        known.add(log)?;
        lives.push(requests);
    }
    let config = Config {
        keys,
        logs: known,
        clock: Clock::from_wall(|| UnixSeconds::new(1_767_225_600).millis()),
        on_refusal: Arc::new(|_: &Refusal| Ok(())),
        options: Options::default(),
    };
    let witness = Witness::open(config, store, &mut Registry::default())?;
    let started = Instant::now();
    let running: Vec<_> = lives
        .into_iter()
        .map(|requests| {
            let witness = witness.clone();
            tokio::spawn(async move {
                for request in requests {
                    witness.add_checkpoint(request).await?;
                }
                Ok::<_, Failure>(())
            })
        })
        .collect();
    for log in running {
        log.await??;
    }
    let rate = f64::from(logs) * SIZES as f64 / started.elapsed().as_secs_f64();
    witness.stop().await;
    Ok(rate)
}

/// A log, and all the requests of its life.
fn life(number: u32) -> Result<(KnownLog, Vec<AddCheckpoint>), Failure> {
    let origin = Origin::new(&format!("log-{number}.example.com"))?;
    let mut seed = [7; 32];
    seed[..4].copy_from_slice(&number.to_be_bytes());
    let key = SigningKey::generate(KeyName::new(origin.as_str())?, SignatureType::Ed25519, seed)?;
    let leaves: Vec<Hash> = (0..SIZES).map(|entry| leaf_hash(&entry.to_be_bytes())).collect();
    let mut range = vouchlog_merkle::CompactRange::new();
    let mut requests = Vec::new();
    for old in 0..SIZES {
        range.extend(&leaves[usize::try_from(old)?..][..1]);
        let (old, new) = (TreeSize::new(old), range.size());
        let root = range.root().ok_or("a range that begins at 0 has a root")?;
        let checkpoint = Checkpoint::new(origin.clone(), TreeHead { size: new, root });
        let note = SignedCheckpoint::sign(&checkpoint, &key)?;
        let proof = if old.get() == 0 {
            ConsistencyProof::from_hashes(Vec::new())?
        } else {
            let plan = ConsistencyProof::plan(old, new)?;
            let nodes: Vec<Hash> = plan.nodes().iter().map(|node| node_of(&leaves, *node)).collect();
            ConsistencyProof::from_nodes(&plan, &nodes)?
        };
        requests.push(AddCheckpoint::new(old, proof, UnverifiedNote::parse(note.note().as_bytes())?)?);
    }
    Ok((KnownLog::new(origin, vec![key.verifying_key().clone()], Rate::UNLIMITED)?, requests))
}

/// The hash of a node, from the leaves below it.
fn node_of(leaves: &[Hash], node: NodeId) -> Hash {
    let width = 1usize << node.level;
    let begin = usize::try_from(node.index).unwrap_or(usize::MAX) * width;
    fn hash(leaves: &[Hash]) -> Hash {
        match leaves {
            [leaf] => *leaf,
            _ => {
                let (left, right) = leaves.split_at(leaves.len() / 2);
                node_hash(&hash(left), &hash(right))
            }
        }
    }
    hash(&leaves[begin..begin + width])
}
