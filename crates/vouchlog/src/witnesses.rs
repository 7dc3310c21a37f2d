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
    for listed in policy.witnesses().iter().filter(|listed| listed.url().is_none()) {
        tracing::warn!(witness = %listed.name(), "the policy gives no URL for the witness: it is not asked");
    }
    let links = witnesses_by_url(&policy).into_iter().map(|(url, lines)| connect(url, &lines));
    let links = links.collect::<Result<_, _>>()?;
    Ok(Witnesses::new(policy, links))
}

/// The witnesses of a policy that have a URL, in its order; lines with the same URL are keys of one witness, never none.
pub fn witnesses_by_url(policy: &Policy) -> Vec<(&str, Vec<&PolicyWitness>)> {
    let mut witnesses: Vec<(&str, Vec<&PolicyWitness>)> = Vec::new();
    for listed in policy.witnesses() {
        let Some(url) = listed.url() else { continue };
        match witnesses.iter_mut().find(|(known, _)| *known == url) {
            Some((_, lines)) => lines.push(listed),
            None => witnesses.push((url, vec![listed])),
        }
    }
    witnesses
}

fn connect(url: &str, lines: &[&PolicyWitness]) -> Result<WitnessLink, WitnessUrlError> {
    let name = lines[0].name().to_string();
    match witness(url) {
        Ok(witness) => {
            Ok(WitnessLink { name, keys: lines.iter().map(|line| line.key().clone()).collect(), witness })
        }
        Err(error) => Err(WitnessUrlError { name, url: url.to_owned(), reason: error.to_string() }),
    }
}
