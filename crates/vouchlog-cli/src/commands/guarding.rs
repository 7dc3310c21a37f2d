//! What a log does about witnesses that object to its store before it signs anything.

use vouchlog::Witnesses;

use crate::advice::Advice;

#[derive(Debug, clap::Args)]
pub(super) struct GuardArgs {
    /// Start although this witness of the policy reports, without proof, that it has seen more of the log than the data directory
    /// holds; may be repeated. A checkpoint with the log's own signature is never disregarded
    #[arg(long = "disregard-witness", value_name = "NAME", requires = "policy")]
    disregarded: Vec<String>,
}

impl GuardArgs {
    /// Sets the witnesses that are disregarded.
    pub(super) fn apply(&self, witnesses: &mut Witnesses) -> anyhow::Result<()> {
        let is_known = |name: &&String| witnesses.links.iter().any(|link| link.name == **name);
        if let Some(unknown) = self.disregarded.iter().find(|name| !is_known(name)) {
            return Err(Advice::error(
                format!("the policy has no witness `{unknown}` with a URL"),
                "--disregard-witness takes the name that the policy file gives the witness",
            ));
        }
        witnesses.disregarded.clone_from(&self.disregarded);
        Ok(())
    }
}
