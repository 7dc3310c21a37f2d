//! `vouchlog demo`: the whole story on one machine, with the real server, gateway client and tile reader.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context;
use serde::Deserialize;
use serde_json::json;
use vouchlog::verify::{Claim, VerifyError, verify};
use vouchlog::{
    AckLevel, Digest, Evidence, LeafIndex, Log, Opening, Origin, Policy, SigningKey, Statement,
    StatementKind, TreeSize, VerifyingKey, commit_to, connect_witnesses, keys, random_bytes,
};
use vouchlog_client::limits::MIN_FREE_BYTES;
use vouchlog_client::{GatewayError, TileReader, VerifiedLog};
use vouchlog_note::SignatureType;

use super::input::record;
use super::remote;
use super::serve;
use super::spooling::{Opened, advise};
use crate::connections;
use crate::output::{self, Outcome, Output};

mod audit;
mod evidence;
mod folder;
mod witnesses;

use folder::{DemoFolder, Running};
use witnesses::RunningWitness;

/// How often the demo's log asks its witnesses at most.
const WITNESS_INTERVAL: Duration = Duration::from_millis(20);

/// 128 recorded exchanges, one JSON object a line; see `samples/README.md`.
const EXCHANGES: &str = include_str!("../../samples/exchanges.jsonl");

/// Watch a demonstration: a log, two witnesses, a gateway and an auditor on this machine, with recorded AI exchanges
#[derive(clap::Args)]
#[command(after_help = "Example:\n  vouchlog demo --keep")]
pub(crate) struct Args {
    /// Keep the folder with the log, records and receipts, to continue by hand
    #[arg(long)]
    keep: bool,
}

/// One recorded exchange, as far as the story tells of it.
#[derive(Deserialize)]
struct Exchange {
    id: String,
    url: String,
    status: u16,
}

/// An exchange the gateway kept.
struct KeptExchange {
    exchange: Exchange,
    record: PathBuf,
    opening: PathBuf,
    digest: Digest,
}

/// Tells the steps, numbered.
struct Story {
    output: Output,
    step: u32,
}

impl Story {
    fn step(&mut self, title: &str) -> anyhow::Result<()> {
        self.step += 1;
        self.output.say(&format!("\n{}. {title}", self.step))
    }

    fn tell(&self, words: &str) -> anyhow::Result<()> {
        self.output.say(&format!("   {words}"))
    }
}

impl Args {
    pub(crate) async fn run(self, output: Output) -> anyhow::Result<Outcome> {
        let begun = Instant::now();
        let folder = DemoFolder::make(self.keep)?;
        let mut story = Story { output, step: 0 };
        story.output.say(&format!("Everything happens on this machine, in {}.", folder.dir().display()))?;

        let gateway =
            keys::create(&folder.path("gateway.key"), "gateway.localhost/demo", SignatureType::Ed25519)?;
        let log_key = keys::create(&folder.path("log.key"), &log_name(), SignatureType::Ed25519)?;
        let (witnesses, policy) = start_witnesses(&mut story, &folder, &log_key).await?;
        let running = start(&mut story, &folder, log_key.clone(), &policy, gateway.verifying_key()).await?;
        let vkey = running.what.vkey().clone();
        let auditor = meet(&mut story, &running).await?;
        let kept = record_exchanges(&mut story, &folder)?;
        let gateway_vkey = gateway.verifying_key().clone();
        let indexes = submit(&mut story, &folder, &running, gateway.clone(), &kept).await?;
        verify_receipts(&mut story, &folder, &vkey, &policy, &kept, &indexes)?;
        let size = running.what.sequenced().size();
        audit_log(&mut story, &auditor, size, &gateway_vkey).await?;
        evidence::tell(&mut story, &folder, &running, gateway, &policy).await?;
        let altered = alter(&mut story, &folder, &vkey, &kept, &indexes)?;
        fork(&mut story, &witnesses, &log_key).await?;
        running.stop().await?.stop().await;
        for witness in witnesses {
            witness.stop().await?.stop().await;
        }

        let seconds = begun.elapsed().as_secs_f64();
        go_on(&story, &folder, &vkey, &kept, &indexes, seconds)?;
        let answer = json!({
            "origin": vkey.name().as_str(), "log_vkey": vkey.to_string(), "statements": kept.len(),
            "receipts_verified": kept.len(), "witnesses": policy.witnesses().len(), "complete": true, "altered_record": altered,
            "folder": self.keep.then(|| folder.dir()), "seconds": seconds,
        });
        if output.is_json() {
            output.answer("", &answer)?;
        }
        Ok(Outcome::Fine)
    }
}

/// A unique name, so that two trial logs are never confused.
fn log_name() -> String {
    let random = Digest::from_bytes(random_bytes()).to_string();
    format!("vouchlog.localhost/{}", &random[..8])
}

async fn start_witnesses(
    story: &mut Story,
    folder: &DemoFolder,
    log: &SigningKey,
) -> anyhow::Result<(Vec<RunningWitness>, Policy)> {
    story.step("Two witnesses start and are configured with a log to cosign.")?;
    let witnesses = witnesses::start(folder, log).await?;
    let policy = witnesses::policy(folder, &witnesses)?;
    for witness in &witnesses {
        story.tell(&format!("witness  {} at {}", witness.what.name(), witness.url))?;
    }
    story.tell("policy   both must cosign a tree head before the log publishes it")?;
    Ok((witnesses, policy))
}

async fn start(
    story: &mut Story,
    folder: &DemoFolder,
    key: SigningKey,
    policy: &Policy,
    gateway: &VerifyingKey,
) -> anyhow::Result<Running<Log>> {
    story.step("A log starts, and its operator enrols a gateway.")?;
    let mut witnesses = connect_witnesses(policy.clone(), &connections::to_witnesses())?;
    // A demo must not wait a whole second here.
    witnesses.interval = WITNESS_INTERVAL;
    let log = vouchlog::open(folder.path("log"))
        .origin(key.verifying_key().name().as_str())
        .log_key(key)
        .witnesses(witnesses)
        .gateway(gateway.clone())
        .await
        .map_err(|error| serve::advise(&error))?;
    let server = log.server(vouchlog_server::ServerConfig::default());
    let running = Running::start(log, server).await?;
    story.tell(&format!("log      {} at {}", running.what.origin(), running.url))?;
    story.tell(&format!("vkey     {}", running.what.vkey()))?;
    story.tell(&format!("gateway  {}", gateway.name()))?;
    Ok(running)
}

/// The auditor sees the log before anything is logged, and will hold it to that.
async fn meet(story: &mut Story, running: &Running<Log>) -> anyhow::Result<VerifiedLog<TileReader>> {
    story.step("An auditor, who has only the log's vkey, keeps its first checkpoint.")?;
    let vkey = running.what.vkey().clone();
    let origin = Origin::new(vkey.name().as_str())?;
    let auditor = VerifiedLog::open(remote::tiles(&running.url)?, origin, vkey, None)?;
    let size = auditor.update().await?.head().size.get();
    story.tell(&format!(
        "{}, signed by the log, cosigned by both witnesses",
        output::count(size, "entry", "entries")
    ))?;
    Ok(auditor)
}

fn record_exchanges(story: &mut Story, folder: &DemoFolder) -> anyhow::Result<Vec<KeptExchange>> {
    story.step("The gateway keeps a record of each exchange with an AI provider.")?;
    let (records, receipts) = (folder.make_dir("records")?, folder.make_dir("receipts")?);
    let mut kept = Vec::new();
    for line in EXCHANGES.lines() {
        let exchange: Exchange = serde_json::from_str(line).context("the sample exchanges are malformed")?;
        let path = records.join(format!("{}.json", exchange.id));
        std::fs::write(&path, line).with_context(|| path.display().to_string())?;
        let item = record(&path, &receipts)?;
        let (record, opening) = item.record.context("a record has an opening")?;
        kept.push(KeptExchange { exchange, record, opening, digest: item.digest });
    }
    let first = kept.first().context("there are no sample exchanges")?;
    story.tell(&format!("{} recorded exchanges (source: samples/README.md), for example", kept.len()))?;
    story.tell(&format!("  {}  {} -> {}", first.exchange.id, first.exchange.url, first.exchange.status))?;
    story.tell(&format!("  commitment {}", first.digest))?;
    story.tell(
        "The log receives only that: SHA-256 of a random salt and the record. The salt also stays here.",
    )?;
    Ok(kept)
}

async fn submit(
    story: &mut Story,
    folder: &DemoFolder,
    running: &Running<Log>,
    key: SigningKey,
    kept: &[KeptExchange],
) -> anyhow::Result<Vec<LeafIndex>> {
    story.step("The gateway submits the commitments through a stream of its own, over gRPC.")?;
    let (url, log) = (running.url.as_str(), running.what.vkey());
    let (state, receipts) = (folder.path("state"), Some(folder.path("receipts")));
    let wait_for = AckLevel::Witnessed;
    let gateway =
        Opened { url, log, key, state, receipts, wait_for, min_free: MIN_FREE_BYTES }.open().await?;
    let statement = |kept: &KeptExchange| {
        let (kind, evidence) = (StatementKind::Interaction, Evidence::NONE);
        Statement { kind, evidence, digest: kept.digest }
    };
    let logged = async {
        let ticket = gateway.submit(kept.iter().map(statement).collect()).await?;
        let acknowledged = ticket.await?;
        gateway.close().await?;
        Ok::<_, GatewayError>(acknowledged.statements().map(|(index, _)| index).collect::<Vec<_>>())
    };
    let indexes = logged.await.map_err(|error| advise(&error))?;
    gateway.stop().await;
    let (first, last) = indexes.first().zip(indexes.last()).context("nothing was logged")?;
    story.tell(&format!("{} statements are in the log, at indexes {first} to {last}", indexes.len()))?;
    story
        .tell("Each request is signed by the gateway. Each receipt is verified and stored before the spool drops the request.")?;
    Ok(indexes)
}

fn verify_receipts(
    story: &mut Story,
    folder: &DemoFolder,
    vkey: &VerifyingKey,
    policy: &Policy,
    kept: &[KeptExchange],
    indexes: &[LeafIndex],
) -> anyhow::Result<()> {
    story.step("Anyone with a record, its salt and its receipt can verify inclusion offline.")?;
    for (kept, index) in kept.iter().zip(indexes) {
        let verified = check(folder, vkey, Some(policy), kept, *index, None)?;
        verified
            .map_err(|error| anyhow::anyhow!("the receipt of {} does not hold: {error}", kept.exchange.id))?;
    }
    story.tell(&format!(
        "{} of {} receipts hold, each cosigned by both witnesses",
        kept.len(),
        kept.len()
    ))?;
    story.tell("So no reader was shown another history, unless the log and both witnesses colluded.")
}

async fn audit_log(
    story: &mut Story,
    auditor: &VerifiedLog<TileReader>,
    size: TreeSize,
    gateway: &VerifyingKey,
) -> anyhow::Result<()> {
    story.step("The auditor reads the log over HTTP and verifies everything it reads.")?;
    let before = auditor.head().context("the auditor has seen a checkpoint")?.head().size;
    // The last entries may still be on their way to the witnesses.
    let after = auditor.update_after(TreeSize::new(size.get() - 1)).await?.head().size;
    story.tell(&format!("consistency   the tree of {after} extends the earlier tree of {before}"))?;
    let stream = audit::complete_stream(auditor, gateway).await?;
    story.tell(&format!("inclusion     all {after} entries lead to the signed root"))?;
    story.tell(&format!(
        "completeness  stream {}: {} statements without a gap, signed and closed by the gateway",
        stream.id, stream.size
    ))
}

/// Alters a record as an insider would, and answers why that does not hold.
fn alter(
    story: &mut Story,
    folder: &DemoFolder,
    vkey: &VerifyingKey,
    kept: &[KeptExchange],
    indexes: &[LeafIndex],
) -> anyhow::Result<String> {
    story.step("Later, an attacker alters a stored record.")?;
    let (from, to) = ("\"status\": 200", "\"status\": 503");
    let candidates = kept.iter().zip(indexes).skip(kept.len() / 2);
    let (kept, index) = candidates
        .clone()
        .find(|(kept, _)| kept.exchange.status == 200)
        .context("no sample exchange can be altered")?;
    let original = std::fs::read_to_string(&kept.record)?;
    let altered = original.replacen(from, to, 1);
    anyhow::ensure!(altered != original, "the record of {} has no status to alter", kept.exchange.id);
    std::fs::write(&kept.record, &altered)?;
    story.tell(&format!("In {}, {from} becomes {to}.", kept.record.display()))?;

    let finding = refused(check(folder, vkey, None, kept, *index, None)?)?;
    story.tell(&format!("DOES NOT HOLD: {finding}"))?;
    story.tell("So the attacker makes a new salt and commitment for it.")?;
    let forged = commit_to(altered.as_bytes());
    let second = refused(check(folder, vkey, None, kept, *index, Some(&forged))?)?;
    story.tell(&format!("DOES NOT HOLD: {second}"))?;

    std::fs::write(&kept.record, &original)?;
    check(folder, vkey, None, kept, *index, None)?.context("the record was put back")?;
    story.tell("The record is restored, and verifies again.")?;
    Ok(finding)
}

/// Shows the witnesses another history, as a dishonest operator would.
async fn fork(story: &mut Story, witnesses: &[RunningWitness], log: &SigningKey) -> anyhow::Result<()> {
    story.step("The holder of the log's key signs another history, to show it to another reader.")?;
    for refusal in witnesses::refuse_another_history(witnesses, log).await? {
        story.tell(&refusal)?;
    }
    story.tell("Each witness keeps the two tree heads with the log's signature, which prove the fork.")
}

fn refused<T>(outcome: Result<T, VerifyError>) -> anyhow::Result<String> {
    match outcome {
        Err(error) if error.is_finding() => Ok(error.to_string()),
        Err(error) => Err(error.into()),
        Ok(_) => anyhow::bail!("an altered record verified: this is a bug in vouchlog, please report it"),
    }
}

/// Verifies a record as it is on disk, with its receipt; with another opening than its own, if one is given.
fn check(
    folder: &DemoFolder,
    vkey: &VerifyingKey,
    policy: Option<&Policy>,
    kept: &KeptExchange,
    index: LeafIndex,
    forged: Option<&Opening>,
) -> anyhow::Result<Result<(), VerifyError>> {
    let read = |path: &Path| std::fs::read(path).with_context(|| path.display().to_string());
    let (proof, record) = (read(&receipt(folder, index))?, read(&kept.record)?);
    let own = Opening::parse(&read(&kept.opening)?)?;
    Ok(verify(&proof, vkey, policy, Claim::Record(&record, forged.unwrap_or(&own))).map(drop))
}

fn receipt(folder: &DemoFolder, index: LeafIndex) -> PathBuf {
    folder.path("receipts").join(format!("{index}.tlog-proof"))
}

fn go_on(
    story: &Story,
    folder: &DemoFolder,
    vkey: &VerifyingKey,
    kept: &[KeptExchange],
    indexes: &[LeafIndex],
    seconds: f64,
) -> anyhow::Result<()> {
    let say = |words: &str| story.output.say(words);
    say(&format!("\nDone in {seconds:.1} s. Continue by hand:"))?;
    if folder.is_kept() {
        let (kept, index) = kept.iter().zip(indexes).next().context("nothing was logged")?;
        say(&format!("\n  # this log, its records and its receipts are in {}", folder.dir().display()))?;
        say(&format!(
            "  vouchlog verify --proof {} --log-vkey {vkey} \\\n    --policy {} --record {} --opening {}",
            receipt(folder, *index).display(),
            folder.path("policy.txt").display(),
            kept.record.display(),
            kept.opening.display()
        ))?;
        say(&format!("  vouchlog fsck --data {}", folder.path("log").display()))?;
        return say(&format!(
            "  vouchlog serve --data {} --key {}",
            folder.path("log").display(),
            folder.path("log.key").display()
        ));
    }
    say("\n  vouchlog serve --data ./log                    # a log of your own; prints its vkey")?;
    say("  vouchlog submit --log http://127.0.0.1:6962 --receipts ./receipts call.json")?;
    say("  vouchlog verify --help                         # check a receipt, offline")?;
    say("  vouchlog demo --keep                           # the same, and keep the files")
}
