//! What the witnesses of a policy have seen of a log: each serves the last checkpoint it cosigned.

use serde::Serialize;
use tokio::task::JoinSet;
use vouchlog::witnesses_by_url;
use vouchlog_api::Witness as _;
use vouchlog_auditor::LogIdentity;
use vouchlog_client::witness;
use vouchlog_merkle::sha256;
use vouchlog_note::SignedCheckpoint;

use crate::connections;

/// What one witness answered.
#[derive(Clone, Debug, Serialize)]
pub(in crate::commands) struct WitnessCopy {
    /// Its name in the policy.
    pub(in crate::commands) witness: String,
    /// Where it was asked.
    pub(in crate::commands) url: String,
    /// Size of the log's checkpoint it has.
    pub(in crate::commands) size: Option<u64>,
    /// Why it has none that counts.
    pub(in crate::commands) error: Option<String>,
    /// The checkpoint, if the log signed it.
    #[serde(skip)]
    pub(in crate::commands) note: Option<String>,
}

/// Asks all witnesses of the log's policy that have a URL, all at once. One that does not answer says nothing about the log.
pub(in crate::commands) async fn witness_copies(log: &LogIdentity) -> Vec<WitnessCopy> {
    let witnesses = log.policy.iter().flat_map(witnesses_by_url);
    let mut asked = JoinSet::new();
    for (place, (url, lines)) in witnesses.enumerate() {
        let (url, name, log) = (url.to_owned(), lines[0].name().to_string(), log.clone());
        asked.spawn(async move { (place, ask(name, url, &log).await) });
    }
    let mut copies = asked.join_all().await;
    copies.sort_unstable_by_key(|(place, _)| *place);
    copies.into_iter().map(|(_, copy)| copy).collect()
}

async fn ask(name: String, url: String, log: &LogIdentity) -> WitnessCopy {
    let answer = match witness(&url, &connections::to_witnesses()) {
        Ok(witness) => witness.latest_checkpoint(sha256(log.origin.as_str().as_bytes())).await,
        Err(error) => Err(error),
    };
    let answer = answer.map_err(|error| error.to_string()).and_then(|note| {
        // The server may have invented it: only what the log signed counts.
        let signed = SignedCheckpoint::open_with_keys(note.as_bytes(), &log.origin, &log.keys);
        signed.map_err(|error| format!("its checkpoint is not the log's: {error}"))
    });
    match answer {
        Ok(signed) => WitnessCopy {
            witness: name,
            url,
            size: Some(signed.head().size.get()),
            error: None,
            note: Some(signed.note().to_owned()),
        },
        Err(error) => WitnessCopy { witness: name, url, size: None, error: Some(error), note: None },
    }
}
