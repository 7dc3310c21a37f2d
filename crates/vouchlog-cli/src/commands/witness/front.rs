//! What a witness shows browsers at `/`: gathered here, drawn in `report/witness.rs`.

use std::cmp::Reverse;

use vouchlog::VerifyingKey;
use vouchlog::witness::{KeptRefusal, KnownLog, Witness};
use vouchlog_api::Witness as _;
use vouchlog_note::{Checkpoint, CosignedCheckpoint, SignatureType, UnverifiedNote};

use crate::commands::paper;
use crate::report::{LatestHead, WitnessMade, WitnessedLog, witness};

/// Logs whose last checkpoints are shown. Reading one is a read of the disk.
const MAX_LOGS: usize = 256;

/// The page.
pub(super) async fn page(of: Witness) -> String {
    let known = of.logs();
    let mut origins: Vec<_> = known.iter().cloned().collect();
    origins.sort_by(|one, other| one.origin().as_str().cmp(other.origin().as_str()));
    let reading = of.clone();
    let refusals = tokio::task::spawn_blocking(move || reading.refusals().kept()).await;
    let refusals =
        refusals.map_err(|error| error.to_string()).and_then(|kept| kept.map_err(|error| error.to_string()));
    let (kept, unread) = match refusals {
        Ok(kept) => (kept, None),
        Err(error) => (Vec::new(), Some(error)),
    };
    let mut logs = Vec::new();
    for log in origins.iter().take(MAX_LOGS) {
        logs.push(watched(&of, log, &kept).await);
    }
    // What was refused comes first.
    logs.sort_by_key(|log| Reverse(log.proven > 0));
    let readiness = of.readiness();
    witness(&WitnessMade {
        at: paper::now(),
        name: of.name().to_string(),
        vkeys: of.vkeys().iter().map(ToString::to_string).collect(),
        logs,
        unlisted: origins.len().saturating_sub(MAX_LOGS),
        is_in_service: readiness.is_ready(),
        unread_refusals: unread,
    })
}

async fn watched(of: &Witness, log: &KnownLog, kept: &[KeptRefusal]) -> WitnessedLog {
    let (proven, unproven): (Vec<_>, Vec<_>) =
        kept.iter().filter(|one| one.log == log.origin_hash()).partition(|one| one.reason.is_proof());
    WitnessedLog {
        origin: log.origin().to_string(),
        hash: log.origin_hash().to_string(),
        vkeys: log.keys().iter().map(ToString::to_string).collect(),
        rate: log.rate().to_string(),
        latest: of
            .latest_checkpoint(log.origin_hash())
            .await
            .ok()
            .and_then(|note| latest(&note, log, of.vkeys())),
        proven: proven.len(),
        unproven: unproven.len(),
    }
}

/// The head in a note that the witness cosigned itself, and when.
fn latest(note: &str, log: &KnownLog, own: &[VerifyingKey]) -> Option<LatestHead> {
    let unverified = UnverifiedNote::parse(note.as_bytes()).ok()?;
    let head = Checkpoint::parse(unverified.unverified_text()).ok()?.head();
    let own = own.iter().find(|key| key.signature_type() == SignatureType::CosignatureEd25519);
    let cosigned = own.and_then(|key| CosignedCheckpoint::open(note.as_bytes(), log.origin(), key).ok());
    Some(LatestHead {
        size: head.size.get(),
        root: head.root.to_string(),
        cosigned_at: cosigned.map(|cosigned| cosigned.timestamp()),
    })
}
