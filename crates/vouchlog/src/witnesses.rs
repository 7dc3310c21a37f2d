//! From a policy file to the witnesses it names, each at its URL.

use thiserror::Error;
use vouchlog_client::witness;
use vouchlog_note::{Policy, PolicyWitness};
use vouchlog_sequencer::{WitnessLink, Witnesses};

/// A witness of a policy cannot be reached the way the policy says.
#[derive(Debug, Error)]
#[error("the witness {name} cannot be reached at {url}: {reason}")]
pub struct WitnessUrlError {
    /// The witness's name in the policy.
    pub name: String,
    /// Its URL in the policy.
    pub url: String,
    /// What is wrong with the URL.
    pub reason: String,
}

/// The witnesses of a policy, to be asked at the URLs it gives: `http(s)://` for tlog-witness, `grpc(s)://` for the same over
/// gRPC. A witness without a URL is never asked; lines with the same URL are keys of one witness. Nothing is connected yet.
pub fn connect_witnesses(policy: Policy) -> Result<Witnesses, WitnessUrlError> {
    let mut links: Vec<(String, WitnessLink)> = Vec::new();
    for listed in policy.witnesses() {
        let Some(url) = listed.url() else {
            tracing::warn!(witness = %listed.name(), "the policy gives no URL for the witness: it is not asked");
            continue;
        };
        if let Some((_, link)) = links.iter_mut().find(|(known, _)| known == url) {
            link.keys.push(listed.key().clone());
            continue;
        }
        links.push((url.to_owned(), connect(listed, url)?));
    }
    Ok(Witnesses::new(policy, links.into_iter().map(|(_, link)| link).collect()))
}

fn connect(listed: &PolicyWitness, url: &str) -> Result<WitnessLink, WitnessUrlError> {
    let name = listed.name().to_string();
    match witness(url) {
        Ok(witness) => Ok(WitnessLink { name, keys: vec![listed.key().clone()], witness }),
        Err(error) => Err(WitnessUrlError { name, url: url.to_owned(), reason: error.to_string() }),
    }
}
