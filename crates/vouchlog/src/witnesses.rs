//! From a policy file to the witnesses it names, each at its URL.

use std::sync::Arc;

use parking_lot::RwLock;
use thiserror::Error;
use vouchlog_api::{AnyWitness, Witness};
use vouchlog_client::{WitnessOptions, witness};
use vouchlog_merkle::Hash;
use vouchlog_note::{AddCheckpoint, Policy, PolicyWitness, SignSubtree, VerifyingKey};
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
pub fn connect_witnesses(policy: Policy, options: &WitnessOptions) -> Result<Witnesses, WitnessUrlError> {
    for listed in policy.witnesses().iter().filter(|listed| listed.url().is_none()) {
        tracing::warn!(witness = %listed.name(), "the policy gives no URL for the witness: it gets no requests");
    }
    let links = witnesses_by_url(&policy).into_iter().map(|(url, lines)| connect(url, &lines, options));
    let links = links.collect::<Result<_, _>>()?;
    Ok(Witnesses::new(policy, links))
}

/// Where the witnesses of a running log are asked. The log keeps the policy it was opened with: another quorum, or another witness,
/// takes a restart, because a new witness has to be asked what it has seen before the log signs anything.
#[derive(Debug)]
pub struct WitnessUrls {
    policy: Policy,
    options: WitnessOptions,
    witnesses: Vec<(Vec<VerifyingKey>, Movable)>,
}

/// Why URLs were not replaced. Nothing was changed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum WitnessUrlsError {
    /// A URL is none.
    #[error(transparent)]
    Url(#[from] WitnessUrlError),
    /// The policy asks for something else.
    #[error("the policy names other logs, witnesses or another quorum: restart the log to apply it")]
    Policy,
    /// A witness has its first URL, has none any more, or shares one with another.
    #[error(
        "the witness {0} is now grouped with other witnesses, or has no URL: restart the log to apply it"
    )]
    Witness(String),
}

impl WitnessUrls {
    /// Gives the witnesses of a log URLs that can be replaced while it runs; those at new URLs are connected with these options.
    pub fn of(witnesses: &mut Witnesses, options: WitnessOptions) -> Self {
        let movable = |link: &mut WitnessLink| {
            let movable = Movable(Arc::new(RwLock::new(link.witness.clone())));
            link.witness = AnyWitness::new(movable.clone());
            (link.keys.clone(), movable)
        };
        let movable = witnesses.links.iter_mut().map(movable).collect();
        Self { policy: witnesses.policy.clone(), options, witnesses: movable }
    }

    /// Asks the witnesses at the URLs of this policy from now on, which must be the same but for URLs.
    ///
    /// # Errors
    /// It is another policy, or a URL is none. Nothing was changed.
    pub fn replace(&mut self, policy: Policy) -> Result<(), WitnessUrlsError> {
        if !self.policy.requires_the_same_as(&policy) {
            return Err(WitnessUrlsError::Policy);
        }
        let given = connect_witnesses(policy, &self.options)?;
        let known = |link: &WitnessLink| self.witnesses.iter().position(|(keys, _)| *keys == link.keys);
        let places: Vec<Option<usize>> = given.links.iter().map(known).collect();
        if let Some(odd) = places.iter().position(Option::is_none) {
            return Err(WitnessUrlsError::Witness(given.links[odd].name.clone()));
        }
        if let Some(gone) = (0..self.witnesses.len()).find(|place| !places.contains(&Some(*place))) {
            return Err(WitnessUrlsError::Witness(self.witnesses[gone].0[0].name().to_string()));
        }
        for (place, link) in places.into_iter().flatten().zip(given.links) {
            *self.witnesses[place].1.0.write() = link.witness;
        }
        self.policy = given.policy;
        Ok(())
    }
}

/// A witness whose URL can change. A request that is under way ends where it began.
#[derive(Clone, Debug)]
struct Movable(Arc<RwLock<AnyWitness>>);

impl Movable {
    fn now(&self) -> AnyWitness {
        self.0.read().clone()
    }
}

impl Witness for Movable {
    async fn add_checkpoint(&self, request: AddCheckpoint) -> vouchlog_api::Result<String> {
        self.now().add_checkpoint(request).await
    }

    async fn sign_subtree(&self, request: SignSubtree) -> vouchlog_api::Result<String> {
        self.now().sign_subtree(request).await
    }

    async fn latest_checkpoint(&self, origin: Hash) -> vouchlog_api::Result<String> {
        self.now().latest_checkpoint(origin).await
    }

    async fn retire_log(&self, proof: String) -> vouchlog_api::Result<String> {
        self.now().retire_log(proof).await
    }
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

fn connect(
    url: &str,
    lines: &[&PolicyWitness],
    options: &WitnessOptions,
) -> Result<WitnessLink, WitnessUrlError> {
    let name = lines[0].name().to_string();
    match witness(url, options) {
        Ok(witness) => {
            Ok(WitnessLink { name, keys: lines.iter().map(|line| line.key().clone()).collect(), witness })
        }
        Err(error) => Err(WitnessUrlError { name, url: url.to_owned(), reason: error.to_string() }),
    }
}
