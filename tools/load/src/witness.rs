//! Load on a witness: many logs, each bringing one head after the other, every cosignature verified.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::Args;
use vouchlog_api::{AnyWitness, ErrorKind, Witness};
use vouchlog_client::WitnessOptions;
use vouchlog_merkle::{
    CompactRange, ConsistencyProof, Hash, NodeId, TreeHead, TreeSize, leaf_hash, node_hash,
};
use vouchlog_note::{
    AddCheckpoint, Checkpoint, KeyName, Origin, SignatureType, SignedCheckpoint, SigningKey, UnverifiedNote,
    VerifyingKey,
};

use crate::report::{Meter, Report};

/// How long a head that the witness did not take now waits before it is sent again.
const RETRY_AFTER: Duration = Duration::from_millis(10);

/// The witness, and how much load.
#[derive(Debug, Args)]
pub(crate) struct WitnessArgs {
    /// The witness: http://… for tlog-witness, grpc://… for gRPC
    #[arg(long, default_value = "http://127.0.0.1:6963")]
    witness: String,
    /// Its vkey
    #[arg(long, required_unless_present = "write_log_list")]
    witness_vkey: Option<String>,
    /// Logs that bring heads at once; their keys are made from their numbers
    #[arg(long, default_value_t = 64)]
    logs: u32,
    /// Entries by which each head is larger than the one before
    #[arg(long, default_value_t = 10)]
    grow: u64,
    /// How long, in seconds
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Write the list of these logs (logs/v0) for `vouchlog witness --log-list`, and do nothing else
    #[arg(long, value_name = "FILE")]
    write_log_list: Option<PathBuf>,
    /// Process id of the witness, to report its memory and processor time
    #[arg(long)]
    pid: Option<u32>,
}

/// Brings heads for the given time. One head is one request.
pub(crate) async fn run(args: WitnessArgs) -> Result<Report> {
    if let Some(path) = &args.write_log_list {
        let lines = (0..args.logs).map(|number| Ok(list_entry(&log_key(number)?)));
        let list = std::iter::once(Ok("logs/v0\n".to_owned())).chain(lines).collect::<Result<String>>()?;
        std::fs::write(path, list)?;
        return Ok(Report::of("heads"));
    }
    let vkey: VerifyingKey = args.witness_vkey.as_deref().unwrap_or_default().parse()?;
    let witness = vouchlog_client::witness(&args.witness, &WitnessOptions::default())?;
    let (meter, begun) = (Meter::start(args.pid), Instant::now());
    let end = begun + Duration::from_secs(args.seconds);
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..args.logs {
        tasks.spawn(bring(log_key(number)?, witness.clone(), vkey.clone(), args.grow, end));
    }
    let mut report = Report::of("heads");
    for brought in tasks.join_all().await {
        report.merge(&brought?)?;
    }
    report.elapsed = begun.elapsed();
    meter.stop(&mut report);
    Ok(report)
}

/// A log key that anyone can make again: for load, and nothing else.
fn log_key(number: u32) -> Result<SigningKey> {
    let mut seed = [0x5a; 32];
    seed[..4].copy_from_slice(&number.to_be_bytes());
    let name = KeyName::new(&format!("load.example.com/{number}"))?;
    Ok(SigningKey::generate(name, SignatureType::Ed25519, seed)?)
}

fn list_entry(key: &SigningKey) -> String {
    format!("\nvkey {}\nqpd 2147483647\ncontact nobody\n", key.verifying_key())
}

/// One log: brings heads until the end, from wherever the witness saw it last.
async fn bring(
    key: SigningKey,
    witness: AnyWitness,
    vkey: VerifyingKey,
    grow: u64,
    end: Instant,
) -> Result<Report> {
    let origin = Origin::new(key.verifying_key().name().as_str())?;
    let mut report = Report::default();
    let (mut tree, mut seen) = (Tree::default(), 0);
    while Instant::now() < end {
        tree.grow_to(seen + grow);
        let checkpoint = Checkpoint::new(origin.clone(), tree.head());
        let signed = SignedCheckpoint::sign(&checkpoint, &key)?;
        let note = UnverifiedNote::parse(signed.note().as_bytes())?;
        let request = AddCheckpoint::new(TreeSize::new(seen), tree.consistency(seen)?, note)?;
        let asked = Instant::now();
        match witness.add_checkpoint(request).await {
            Ok(answer) => {
                signed.with_cosignatures(&answer, [&vkey]).context("the cosignature does not verify")?;
                report.record(1, asked.elapsed())?;
                seen = tree.size();
            }
            // It has too much to do.
            Err(error) if error.is_transient() => {
                report.retries += 1;
                tokio::time::sleep(RETRY_AFTER).await;
            }
            // An earlier run brought it further.
            Err(error) => {
                let ErrorKind::Conflict { size } = error.kind else { return Err(error.into()) };
                ensure!(size != seen, "the witness names {size} as its size and refuses that size");
                (tree, seen) = (Tree::default(), size);
            }
        }
    }
    Ok(report)
}

/// A tree with all its perfect nodes in memory. Entry `n` is the number `n`, so every run grows the same tree.
#[derive(Debug, Default)]
struct Tree(Vec<Vec<Hash>>);

impl Tree {
    fn size(&self) -> u64 {
        self.0.first().map_or(0, |leaves| leaves.len() as u64)
    }

    fn grow_to(&mut self, size: u64) {
        for entry in self.size()..size {
            let mut hash = leaf_hash(&entry.to_be_bytes());
            for level in 0.. {
                if self.0.len() == level {
                    self.0.push(Vec::new());
                }
                self.0[level].push(hash);
                let [.., left, right] = self.0[level].as_slice() else { break };
                if self.0[level].len() % 2 == 1 {
                    break;
                }
                hash = node_hash(left, right);
            }
        }
    }

    fn nodes(&self, nodes: &[NodeId]) -> Vec<Hash> {
        let place = |node: &NodeId| usize::try_from(node.index).expect("it is in memory");
        nodes.iter().map(|node| self.0[usize::from(node.level)][place(node)]).collect()
    }

    fn head(&self) -> TreeHead {
        let hashes = self.nodes(&CompactRange::nodes(0, self.size()));
        let range = CompactRange::from_hashes(0, self.size(), hashes).expect("its own nodes");
        TreeHead { size: range.size(), root: range.root().expect("it begins at 0") }
    }

    fn consistency(&self, old: u64) -> Result<ConsistencyProof> {
        if old == 0 {
            return Ok(ConsistencyProof::from_hashes(Vec::new())?);
        }
        let plan = ConsistencyProof::plan(TreeSize::new(old), TreeSize::new(self.size()))?;
        Ok(ConsistencyProof::from_nodes(&plan, &self.nodes(plan.nodes()))?)
    }
}
