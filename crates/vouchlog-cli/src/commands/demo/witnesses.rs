//! The demo's witnesses: two of them, each with a key, a store and a port of its own, as if two strangers ran them.

use anyhow::Context;
use vouchlog::witness::{KnownLog, Logs, Rate, Witness, witness};
use vouchlog::{Error, ErrorKind, Origin, Policy, ServerConfig, SigningKey};
use vouchlog_api::Witness as _;
use vouchlog_merkle::{ConsistencyProof, TreeHead, sha256};
use vouchlog_note::{AddCheckpoint, Checkpoint, SignedCheckpoint, UnverifiedNote};

use super::folder::{DemoFolder, Running};

/// How often the forger tries again when the log was quicker.
const MAX_ATTEMPTS: usize = 20;

/// A witness that is served.
pub(super) type RunningWitness = Running<Witness>;

/// Starts two witnesses that know the log of this key.
pub(super) async fn start(folder: &DemoFolder, log: &SigningKey) -> anyhow::Result<Vec<RunningWitness>> {
    let mut witnesses = Vec::new();
    for name in ["witness-a", "witness-b"] {
        let opened = witness(folder.path(name)).name(&format!("{name}.localhost/demo")).open();
        let witness = opened.context("a witness did not open")?;
        let mut logs = Logs::new();
        let log = log.verifying_key();
        logs.add(KnownLog::new(Origin::new(log.name().as_str())?, vec![log.clone()], Rate::UNLIMITED)?)?;
        witness.set_logs(logs)?;
        let server = witness.server(ServerConfig::default());
        witnesses.push(Running::start(witness, server).await?);
    }
    Ok(witnesses)
}

/// Writes the policy that asks for both of them, and reads it back as the log will.
pub(super) fn policy(folder: &DemoFolder, witnesses: &[RunningWitness]) -> anyhow::Result<Policy> {
    let line = |(place, witness): (usize, &RunningWitness)| {
        let vkey = witness.what.vkeys().first().context("a witness has a key")?;
        Ok(format!("witness {} {vkey} {}\n", ["a", "b"][place], witness.url))
    };
    let lines = witnesses.iter().enumerate().map(line).collect::<anyhow::Result<String>>()?;
    let text = format!("# both witnesses must have cosigned\n{lines}group both all a b\nquorum both\n");
    let path = folder.path("policy.txt");
    std::fs::write(&path, &text).with_context(|| path.display().to_string())?;
    Ok(Policy::parse(text.as_bytes())?)
}

/// Has the log's key sign a tree head that is not of its history, and asks the witnesses to cosign it. What each of them says.
pub(super) async fn refuse_another_history(
    witnesses: &[RunningWitness],
    log: &SigningKey,
) -> anyhow::Result<Vec<String>> {
    let origin = Origin::new(log.verifying_key().name().as_str())?;
    let mut refusals = Vec::new();
    for witness in witnesses {
        let refusal = refusal_of(&witness.what, log, &origin).await?;
        refusals.push(format!("{} refuses: {refusal}", witness.what.name()));
    }
    Ok(refusals)
}

/// The words in which one witness refuses. The log goes on meanwhile: a head that was cosigned in between makes the forger begin
/// again.
async fn refusal_of(witness: &Witness, log: &SigningKey, origin: &Origin) -> anyhow::Result<Error> {
    for _ in 0..MAX_ATTEMPTS {
        let seen = witness.latest_checkpoint(sha256(origin.as_str().as_bytes())).await?;
        let seen = SignedCheckpoint::open(seen.as_bytes(), origin, log.verifying_key())?.head();
        let other = TreeHead { size: seen.size, root: sha256(b"another history") };
        let signed = SignedCheckpoint::sign(&Checkpoint::new(origin.clone(), other), log)?;
        let note = UnverifiedNote::parse(signed.note().as_bytes())?;
        let request = AddCheckpoint::new(seen.size, ConsistencyProof::from_hashes(Vec::new())?, note)?;
        match witness.add_checkpoint(request).await {
            Err(error) if error.kind == ErrorKind::Inconsistent => return Ok(error),
            Err(error) if matches!(error.kind, ErrorKind::Conflict { .. }) => {}
            Err(error) => return Err(error.into()),
            Ok(_) => {
                anyhow::bail!("a witness cosigned two histories: this is a bug in vouchlog, please report it")
            }
        }
    }
    anyhow::bail!("a witness cosigned another head {MAX_ATTEMPTS} times meanwhile")
}
